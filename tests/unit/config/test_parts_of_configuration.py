"""Parts of the configuration by themselves: names, rows, files and the faults of each."""

import copy
import hashlib
import io
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from modality_gap.config.check import check_config
from modality_gap.config.declarations import Format, Library, complete_schema
from modality_gap.config.faults import faults_of
from modality_gap.config.follow_ups import temperature_family
from modality_gap.config.load import sets_of, tables_of, with_shipped_files, without_nulls
from modality_gap.config.losses import all_keys, trained_with
from modality_gap.config.model_files import digest_of, loss_files
from modality_gap.config.names import (
    MADE_HERE,
    columns_of,
    encoder_entries,
    names_in_tables,
    without_absent,
)
from modality_gap.config.own_files import format_of, own_path, source_faults, wildcard_in
from modality_gap.config.own_functions import guarded
from modality_gap.config.references import (
    check_references,
    column_references,
    references_between_keys,
)
from modality_gap.config.rows import (
    of_authors,
    of_others,
    published_files,
    row_faults,
    tasks_of_set,
    with_rows,
)
from modality_gap.config.schema import Validator, choice, dotted, listed_words, schema_fault
from modality_gap.config.tables import Column, load_tables
from modality_gap.data.digits import digits
from modality_gap.data.emoji import emoji_pairs
from modality_gap.data.formats import FORMATS
from modality_gap.data.prompts import label_set, prompts
from modality_gap.data.vector_formats import VECTOR_FORMATS
from modality_gap.encoders.build import ENCODERS
from modality_gap.errors import InputError

ROOT = Path(__file__).parents[3]
SHIPPED = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
ASSETS = yaml.safe_load((ROOT / "config" / "assets.yaml").read_text(encoding="utf-8"))


def changed(**sections: dict) -> dict:
    """The shipped configuration with more entries in some sections, at any depth."""
    config = copy.deepcopy(SHIPPED)

    def put(into: dict, more: dict) -> None:
        for key, value in more.items():
            if isinstance(value, dict) and isinstance(into.get(key), dict):
                put(into[key], value)
            else:
                into[key] = value

    put(config, sections)
    return config


# --- reading ------------------------------------------------------------------------------------


def test_a_file_of_the_working_directory_stands_before_the_shipped_one(tmp_path, monkeypatch):
    shipped, here = tmp_path / "shipped", tmp_path / "here"
    for place in ("shipped/config/a.txt", "shipped/config/b.txt", "here/config/b.txt",
                  "shipped/other/d.txt"):  # fmt: skip
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    (shipped / "config" / "folder").mkdir()
    monkeypatch.chdir(here)
    a = str(shipped / "config" / "a.txt")
    config = {
        "x": ["config/a.txt", {"y": "config/a.txt"}, 3],
        "own": "config/b.txt",
        "absent": "config/c.txt",
        "elsewhere": "other/d.txt",
        "folder": "config/folder",
    }
    found = with_shipped_files(config, shipped)
    assert found == config | {"x": [a, {"y": a}, 3]}


def test_the_sets_and_tables_that_a_ledger_reads_are_found_at_any_depth():
    entries = {
        "first": {"table": "a.csv", "where": {"set": "clip", "n": 3}, "per": [
            {"table": "b.csv", "where": {"set": "clasp"}},
            {"table": "a.csv", "where": {"set": "clip_random"}},
        ]},
        "second": {"table": "a.csv"},
        "third": [{"minus": {"table": "a.csv", "where": {"set": ["x"]}}}, "a.csv"],
    }  # fmt: skip
    assert sets_of(entries, "a.csv") == ["clip", "clip_random"]
    assert sets_of(entries, "b.csv") == sets_of([entries], "b.csv") == ["clasp"]
    assert sets_of(entries, "c.csv") == sets_of("a.csv", "a.csv") == []
    assert tables_of(entries) == tables_of([entries, entries]) == ["a.csv", "b.csv"]
    assert tables_of({"table": ["a.csv"]}) == []


def test_a_section_of_null_is_empty_where_it_may_be_and_else_gone():
    config = {"models": None, "sets": None, "pairs": {"a": None}, "umap": None, "seed": 0}
    assert without_nulls(config) == {"models": {}, "sets": {}, "pairs": {}, "seed": 0}
    assert without_nulls({"umap": {"a": {"b": None}}, "list": [None]}) == {
        "umap": {"a": {}},
        "list": [None],
    }


# --- names --------------------------------------------------------------------------------------


def test_every_name_that_a_table_may_show_is_checked():
    config = {
        "sets": {"s": {"label": "S"}, "t": {}},
        "tasks": {"task": {}},
        "encoders": {"e": {"label": "E"}},
        "datasets": {"d": {}},
        "inputs": {"i": {}},
        "projections": {"p": {}},
        "training": {"r": {}},
        "cone": {"encoders": {"c": {}}},
        "supplement": {"seed_studies": {"supplementary13": {"panel": {}}}},
        "table2": {
            "groups": ["g"], "genders": ["h"], "non_human": ["n"], "crime_related": ["k", "l"]
        },
    }  # fmt: skip
    assert dict(names_in_tables(config)) == {
        "sets.s": "s",
        "sets.t": "t",
        "tasks.task": "task",
        "encoders.e": "e",
        "datasets.d": "d",
        "inputs.i": "i",
        "projections.p": "p",
        "training.r": "r",
        "sets.s.label": "S",
        "sets.t.label": "",
        "encoders.e.label": "E",
        "cone.encoders.c": "c",
        "supplement.seed_studies.supplementary13.panel": "panel",
        "table2.groups": "g",
        "table2.genders": "h",
        "table2.non_human": "n",
        "table2.crime_related": "l",  # the last of two
    }
    assert ("table2.crime_related", "k") in names_in_tables(config)


def test_encoders_are_found_in_rows_too():
    whole, image, text = {"architecture": "x"}, {"model": "i"}, {"model": "t"}
    config = {
        "encoders": {"e": {"a": 1}},
        "models": {"w": whole, "j": {"text": text, "image": image, "projection": "p"}, "no": 3},
    }
    assert list(encoder_entries(config)) == [
        ("encoders.e", {"a": 1}),
        ("models.w", whole),
        ("models.j.image", image),
        ("models.j.text", text),
    ]
    assert list(encoder_entries({"encoders": 3, "models": None})) == []


def test_the_columns_of_what_the_workflow_makes_itself_are_known():
    settings = SHIPPED["table2"]
    labels = label_set(settings)
    of_tasks = prompts({"t": {"prompt": "a {}"}}, {"t": ["x"]})
    assert {*MADE_HERE["prompts"], "item_id"} == {*labels, *of_tasks}
    assert {*MADE_HERE["digits"], "item_id", "image"} == {*digits(1, 8, 0)}
    text = "1F436 ; fully-qualified # x E1.0 dog"
    emoji = emoji_pairs(text, {"1f436"}, [], toned_concepts=0, test_fraction=0.5, seed=0)
    assert {*MADE_HERE["emoji"], "item_id", "file"} == {*emoji}  # the file becomes the image


def test_a_file_or_a_folder_beside_the_configuration_needs_no_slash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "table").touch()

    def told(file: str) -> list[str]:
        entry = {"format": "text_files", "files": {"archive": file}}
        config = with_rows(changed(datasets={"mine": entry}))
        try:
            check_references(references_between_keys(config, ASSETS, FORMATS))
        except InputError as error:
            return [str(error)]
        return []

    assert told("pictures") == told("table") == told("./absent") == told("emoji_names") == []
    (sentence,) = told("absent")
    assert sentence.startswith("datasets.mine.files.archive: 'absent' is not a known asset or path")
    (sentence,) = told("absent.zip")
    assert "'absent.zip', which is not a file in" in sentence


def test_columns_of_a_union_are_known_when_those_of_all_its_parts_are():
    def columns(files: dict, ids: str = "") -> list[str] | None:
        return [ids, "b"] if files["table"] == "there" else None

    formats = {
        "table": Format(lambda files: iter(()), ("table",), columns),
        "union": Format(lambda files: iter(()), (), ("source",)),
    }
    table = {"format": "table", "ids": "name", "files": {"table": "there"}}
    config = {"datasets": {
        "t": table, "gone": table | {"files": {"table": "absent"}},
        "both": {"format": "union", "files": {"x": "t", "y": "digits"}},
        "half": {"format": "union", "files": {"x": "t", "y": "gone"}},
    }}  # fmt: skip
    assert columns_of("t", config, formats) == ["b", "item_id", "name"]
    assert columns_of("both", config, formats) == ["b", "digit", "item_id", "name", "source"]
    assert columns_of("gone", config, formats) is columns_of("half", config, formats) is None


def test_where_no_task_would_be_left_all_stay_and_are_told():
    config = changed(datasets={"cifar10": {"files": {"archive": "gated"}}},
                     tasks={"gated": SHIPPED["tasks"]["digits"] | {"inputs": "cifar10"}},
                     table1={"tasks": ["gated"]})  # fmt: skip
    left, missing = without_absent(config, ["gated"])
    assert left["table1"]["tasks"] == ["gated"]
    assert missing == {"table1.tasks gated": ["gated"]}


def test_table_1_measures_a_set_on_its_own_tasks_or_on_all():
    config = {
        "table1": {"sets": ["a", "b"], "tasks": ["t", "u"]},
        "sets": {"a": {"tasks": ["v"]}, "b": {}, "c": {"tasks": ["v"]}},
    }
    assert [tasks_of_set(config, name) for name in "abcd"] == [["v"], ["t", "u"], [], []]


def test_files_of_a_published_set_are_its_vectors_and_its_items():
    own, others, none = {"released": "a"}, {"released": {"files": ["x", "y"], "items": "z"}}, {}
    assert [published_files(one) for one in (own, others, none)] == [["a"], ["x", "y", "z"], []]
    assert [of_authors(one) for one in (own, others, none)] == [True, False, False]
    assert [of_others(one) for one in (own, others, none)] == [False, True, False]


def test_the_losses_that_differ_in_temperature_alone_are_one_family():
    methods = {
        "clip": {"loss": "clip"},
        "cold": {"loss": "clip", "temperature": {"fixed": 0.1}, "label": "x", "grid": {}},
        "small": {"loss": "clip", "batch_size": 3},
        "dcl": {"loss": "dcl"},
        "claimed": {"loss": "clip", "claims": []},
    }
    assert temperature_family(methods, "clip") == ["clip", "cold", "claimed"]
    assert temperature_family(methods, "dcl") == ["dcl"]
    assert temperature_family(methods, "absent") == []


def test_sets_have_the_numbers_of_the_loss_that_they_name():
    sets = {"a": {"loss": "sigmoid", "scale": 2, "note": "x"}, "b": {"loss": "softmax"}, "c": {}}
    assert trained_with(sets, "sigmoid") == {"a": {"scale": 2}}
    assert trained_with(sets, "softmax") == {"a": {}, "b": {}, "c": {}}
    assert all_keys() == ["scale", "bias"]


# --- rows ---------------------------------------------------------------------------------------

JOINED = {
    "image": {"library": "timm", "architecture": "a/b/net.json", "pretrained": "tag"},
    "text": {"library": "hugging_face", "model": "someone/words", "label": "Words"},
    "projection": "stitched",
    "inputs": "emoji_test",
}


def test_a_row_of_two_encoders_has_its_label_its_note_and_no_twin_unless_it_wants_one():
    sets = with_rows(changed(models={"m": JOINED | {"note": "N.", "loss": "softmax"}}))["sets"]
    label = "net (tag) with words"
    common = {"projection": "m", "inputs": "emoji_test", "modalities": ["image", "text"]}
    common |= {"loss": "softmax"}
    twin = "The same model with random weights."
    assert sets["m"] == {"label": label, "weights": "trained", **common, "note": "N."}
    assert sets["m_random"] == {"label": label, "weights": "random", **common, "note": twin}
    config = with_rows(changed(models={"m": JOINED | {"label": "Mine", "twin": False}}))
    assert config["sets"]["m"]["label"] == "Mine" and "m_random" not in config["sets"]
    assert config["encoders"]["m_text"]["label"] == "Words"
    assert config["encoders"]["m_image"]["label"] == "net (tag)"
    assert config["models"] == config["pairs"] == {}


def test_a_point_in_the_name_of_an_architecture_stays_in_its_label():
    image = {"library": "timm", "architecture": "resnet50.a1_in1k", "pretrained": True}
    config = with_rows(changed(models={"m": JOINED | {"image": image}}))
    assert config["sets"]["m"]["label"] == "resnet50.a1_in1k with words"


def test_options_of_an_encoder_stand_beside_its_keys_in_the_end():
    row = {"library": "open_clip", "architecture": "RN50", "seed": 4, "inputs": "emoji_test"}
    config = with_rows(changed(models={"m": row | {"options": {"norm_layers": False}}}))
    wanted = {"library": "open_clip", "architecture": "RN50", "seed": 4, "norm_layers": False}
    assert config["encoders"]["m"] == wanted | {"label": "RN50"}
    assert config["sets"]["m"]["weights"] == "random" and "m_random" not in config["sets"]


def assert_refused(change, words, monkeypatch):
    """A name that the changed configuration refers to is unknown."""
    monkeypatch.chdir(ROOT)
    config = with_rows(changed(**change))
    with pytest.raises(InputError, match=words):
        check_references(references_between_keys(config, ASSETS, FORMATS))


@pytest.mark.parametrize("weights", ["pretrained", "weights", "checkpoint"])
def test_a_twin_has_none_of_the_weights_and_an_encoder_nothing_of_the_row(weights):
    base = {"library": "open_clip", "architecture": "RN50"}
    row = base | {weights: "w", "inputs": "emoji_test", "note": "N.", "loss": "softmax"}
    more = {"label": "A", "twin": True, "by_part": True}
    named = with_rows(changed(models={"m": row | more}))
    assert named["sets"]["m"]["by_part"] is named["sets"]["m_random"]["by_part"] is True
    assert named["encoders"]["m"] == base | {weights: "w", "label": "A"}
    twin = base | {"seed": 0, "label": "RN50, random weights"}
    assert named["encoders"]["m_random"] == twin
    assert {name: entry["encoder"] for name, entry in named["sets"].items() if name[0] == "m"} == {
        "m": "m",
        "m_random": "m_random",
    }


def test_own_pairs_have_their_files_with_variables_and_how_each_is_read(monkeypatch):
    monkeypatch.setenv("DATA", "/data")
    row = {
        "audio": {"file": "$DATA/a.csv", "ids": "name"},
        "text": "$DATA/b.npy",
        "several": "all",
        "labels": "${DATA}/l.csv",
        "weights": "random",
        "label": "Mine",
        "loss": "softmax",
    }
    found = with_rows(changed(pairs={"p": row}))["sets"]["p"]
    assert found == {
        "label": "Mine",
        "weights": "random",
        "cluster": "of_item",
        "several": "all",
        "labels": "/data/l.csv",
        "loss": "softmax",
        "files": {"audio": "/data/a.csv", "text": "/data/b.npy"},
        "modalities": ["audio", "text"],
        "reading": {"audio": {"ids": "name"}, "text": {}},
    }
    assert row["audio"] == {"file": "$DATA/a.csv", "ids": "name"}
    more = {"image": "a.npy", "text": "b.npy"}
    for one, cluster in (({"several": "first"}, None), ({"several": "all", "cluster": "c"}, "c")):
        entry = with_rows(changed(pairs={"p": more | one}))["sets"]["p"]
        assert entry.get("cluster") == cluster and "reading" not in entry


def test_a_row_of_pairs_names_two_modalities_and_files_that_are_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.npy", "b.npy"):
        np.save(name, np.eye(2))
    a, b = {"image": "a.npy"}, {"text": {"file": "b.npy", "ids": "x"}}
    rows = {
        "right": a | b,
        "one": a,
        "three": a | b | {"audio": "a.npy"},
        "none": {"label": "x"},
        "absent": {"image": {"file": "c.npy"}, "text": "b.npy"},
        "labels": a | b | {"labels": "l.csv"},
    }
    wrong = f"which is not a file in {tmp_path}; correct the path."
    assert list(row_faults({"pairs": rows})) == [
        "pairs.one must name the files of two modalities, not image; correct it.",
        "pairs.three must name the files of two modalities, not image, text and audio; correct it.",
        "pairs.none must name the files of two modalities, not none; correct it.",
        f"pairs.absent.image is 'c.npy', {wrong}",
        f"pairs.labels.labels is 'l.csv', {wrong}",
    ]


# --- files --------------------------------------------------------------------------------------


def test_a_digest_of_one_file_is_its_own_and_of_several_that_of_their_list():
    assert digest_of({"a": "12"}) == "12"
    wanted = hashlib.sha256(b"12  a\n34  b\n").hexdigest()
    assert digest_of({"a": "12", "b": "34"}) == wanted
    methods = {name: {"loss": f"{name}.py:f"} for name in "zaqfmc"}
    methods |= {"same": {"loss": "q.py:g"}, "known": {"loss": "clip"}}
    assert loss_files({"methods": methods}) == [f"{name}.py" for name in "acfmqz"]


def test_a_variable_that_is_not_set_is_told(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("NOT_SET", raising=False)
    assert own_path("~/a") == "/home/me/a"
    for text in ("$NOT_SET/a", "x/${NOT_SET}"):
        with pytest.raises(InputError, match=r"NOT_SET.* is not set; set it"):
            own_path(text)


@pytest.mark.parametrize(
    ("path", "wildcard"),
    [("a/{x}.npy", "{x}"), ("{ y ,\\d+}/b", "{ y ,\\d+}"), ("a{}b", ""), ("a{x-y}", ""), ("x", "")],
)
def test_what_snakemake_would_fill_in_is_found(path, wildcard):
    assert wildcard_in(path) == wildcard


def test_a_path_with_a_wildcard_is_refused(tmp_path, monkeypatch):
    (tmp_path / "config").symlink_to(ROOT / "config")
    monkeypatch.chdir(tmp_path)
    os.makedirs("parts")
    for name in ("{x}.npy", "parts/{y}.npy", "b.npy"):
        np.save(name, np.eye(2))
    schema = ROOT / "config" / "schema" / "config.yaml"
    config = changed(pairs={"p": {"image": "{x}.npy", "text": "b.npy"}})
    told = "pairs.p.image is '{x}.npy', in which Snakemake reads {x} as a wildcard; rename the"
    with pytest.raises(InputError) as caught:
        check_config(config, schema, ENCODERS, FORMATS)
    assert str(caught.value).startswith(told)
    os.makedirs("{z}/inner")  # a folder is a path too
    config["pairs"]["p"] |= {"image": "{z}/inner"}
    with pytest.raises(InputError, match=r"pairs\.p\.image is '\{z\}/inner', in which Snakemake"):
        check_config(config, schema, ENCODERS, FORMATS)
    os.rename("{x}.npy", "x.npy")  # a text with braces that is no path is no fault
    config["pairs"] = {"p": {"image": "parts", "text": "b.npy", "note": "{x}.npy"}}
    with pytest.raises(InputError, match=r"pairs\.p\.image has parts/\{y\}\.npy, in which"):
        check_config(config, schema, ENCODERS, FORMATS, VECTOR_FORMATS)
    os.rename("parts/{y}.npy", "parts/y.npy")
    check_config(config, schema, ENCODERS, FORMATS, VECTOR_FORMATS)


def test_parts_are_in_the_order_of_their_numbers_and_of_one_format(tmp_path):
    for name in ("p10.npy", "p9.NPY", "p1.npy", "_p0.npy", ".p.npy", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "p2.npy").mkdir()
    name, files = format_of(str(tmp_path), VECTOR_FORMATS)
    assert [file.name for file in files] == ["p1.npy", "p9.NPY", "p10.npy"]
    assert format_of(str(tmp_path / "p9.NPY"), VECTOR_FORMATS) == (name, [tmp_path / "p9.NPY"])
    (told,) = source_faults("k", {"file": str(tmp_path / "p1.npy"), "culumn": 1}, VECTOR_FORMATS)
    assert told.startswith(f"k.culumn is not an option of {name} files; ")
    (told,) = source_faults("k", str(tmp_path / "absent"), VECTOR_FORMATS)
    assert told.startswith(f"k is {tmp_path}/absent: there is no such file or folder")


@pytest.mark.parametrize(
    ("files", "path", "told"),
    [
        (
            ["a.npy", "b.npz"],
            "",
            "the folder has files of several formats (npy and npz). Keep the ",
        ),
        (["a.txt", "b/c.npy", "a/c.npy"], "", "; give one of its folders (a, b)."),
        (["a.txt"], "", "no file in the folder ends in .npy, .npz,"),
        (["a.txt"], "", "; correct the path."),
        (
            ["a.pkl"],
            "a.pkl",
            "a pickle can run any code, so it is not read; save the vectors as .npy",
        ),
        (["a.JOBLIB"], "a.JOBLIB", "a pickle can run any code"),
        (
            ["a.txt"],
            "a.txt",
            "files that end in .txt are not read; save the vectors as .npy, .npz,",
        ),
        (["a"], "a", "files that end in nothing are not read"),
        ([], "b", "there is no such file or folder in "),
    ],
)
def test_a_path_without_vectors_is_refused_with_what_is_there(tmp_path, files, path, told):
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    with pytest.raises(InputError) as refused:
        format_of(str(tmp_path / path), VECTOR_FORMATS)
    assert str(refused.value).startswith(f"{tmp_path / path}: ")
    assert told in str(refused.value)


# --- faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["temperature", "initialisation", "dimension", "same_modality"])
def test_an_experiment_has_more_steps_than_its_warm_up(name):
    steps = SHIPPED["experiments"]["optimisation"]["warmup"]
    told = f"experiments.optimisation.warmup must be below experiments.{name}.steps; lower it."
    for more, faults in ((0, [told]), (1, [])):
        config = changed(experiments={name: {"steps": steps + more}})
        assert list(faults_of(with_rows(config))) == faults


MEMES = {"meme": "a", "other": "b", "third": "c"}
FAULTS = {
    "a projection has no scale": (
        {"sets": {"stitched": {"loss": "sigmoid"}}},
        "sets.stitched.loss is sigmoid, which needs a model with scale and bias; remove it.",
    ),
    "a published set has no scale": (
        {"sets": {"clip": {"loss": "sigmoid"}}},
        "sets.clip.loss is sigmoid, which needs a model with scale and bias; remove it.",
    ),
    "half of what a loss needs": (
        {"pairs": {"p": {"image": "a", "text": "b", "loss": "sigmoid", "scale": 3}}},
        "pairs.p.loss is sigmoid, which needs scale and bias; add them.",
    ),
    "trained weights": (
        {"supplement": {"normalisation": {"encoders": ["digit_clip"]}}},
        "supplement.normalisation.encoders has digit_clip, which has no seed; give encoders with "
        "random weights.",
    ),
    "ROC-AUC of three classes": (
        {"tasks": {"HatefulMemes": {"prompts": MEMES}}},
        "tasks.HatefulMemes.metric is roc_auc, which needs prompts of two classes; give them.",
    ),
    "ROC-AUC of a dataset with clusters": (
        {"clusters": {"hateful_memes": "label"}, "inputs": {"memes": {"dataset": "hateful_memes"}},
         "tasks": {"HatefulMemes": {"inputs": "memes"}}},
        "tasks.HatefulMemes.metric is roc_auc, whose intervals cannot use clusters; remove "
        "clusters.hateful_memes, or score by accuracy.",
    ),
    "one initialisation": (
        {"supplement": {"seed_studies": {"supplementary13": {
            "p": {"encoders": ["minilm"], "inputs": "emoji", "modality": "text"}}}}},
        "supplement.seed_studies.supplementary13.p.encoders must name one encoder with seeds, or "
        "several without; correct it.",
    ),
    "two encoders with seeds": (
        {"supplement": {"seed_studies": {"supplementary13": {
            "p": {"encoders": ["minilm_seeds", "minilm"], "inputs": "emoji"}}}}},
        "supplement.seed_studies.supplementary13.p.encoders must name one encoder with seeds, or "
        "several without; correct it.",
    ),
    "the same label twice": (
        {"sets": {"clasp": {"label": "CLIP ViT-B/16"}}},
        "sets.clasp and sets.clip both have the label 'CLIP ViT-B/16' and trained weights; give "
        "one of them another label.",
    ),
    "a model of another modality": (
        {"sets": {"stitched": {"modalities": ["image", "audio"]}}},
        "sets.stitched.modalities must be image and text, which encoders embed; correct it.",
    ),
    "a training without its architecture": (
        {"encoders": {"digit_clip": {"architecture": "RN50"}}},
        "training.digit_clip needs encoders.digit_clip with a .json file as its architecture; add "
        "it or correct its architecture.",
    ),
    "a method of one's own": (
        {"posthoc": {"methods": {"m": {"method": "absent.py:f"}}}},
        "posthoc.methods.m.method: the file absent.py does not exist. Correct the path.",
    ),
    "a measure of one's own": (
        {"posthoc": {"measures": {"m": {"measure": "absent.py:f"}}}},
        "posthoc.measures.m.measure: the file absent.py does not exist. Correct the path.",
    ),
    "a loss of one's own": (
        {"loss_study": {"methods": {"m": {"loss": "absent.py:f"}}}},
        "loss_study.methods.m.loss: the file absent.py does not exist. Correct the path.",
    ),
    "a projection with a long warm-up": (
        {"projections": {"stitched": {"warmup": 7, "steps": 7}}},
        "projections.stitched.warmup must be below its steps; lower it.",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "sentence"), FAULTS.values(), ids=FAULTS)
def test_what_the_schema_cannot_find_is_one_sentence(change, sentence):
    assert list(faults_of(with_rows(changed(**change)))) == [sentence]


def test_an_error_in_a_function_of_the_users_own_is_one_sentence():
    def divided(value, by=1):
        """What it says of itself."""
        if value is None:
            raise InputError("my own sentence.")
        return value / by

    function = guarded("posthoc.methods.m", "mine.py:divided", divided)
    assert function(6, by=3) == 2
    assert (function.__name__, function.__doc__) == ("divided", "What it says of itself.")
    for value, told in (
        (None, "my own sentence."),
        (1, "posthoc.methods.m: mine.py:divided raises ZeroDivisionError (division by zero); "
            "correct the function."),
    ):  # fmt: skip
        with pytest.raises(InputError) as caught:
            function(value, by=0)
        assert str(caught.value) == told


def test_what_has_no_fault_passes():
    panels = {
        "one": {"encoders": ["minilm_seeds"], "inputs": "emoji", "modality": "text"},
        "two": {"encoders": ["minilm", "minilm_random"], "inputs": "emoji", "modality": "text"},
    }
    scaled = {"image": "a", "text": "b", "loss": "sigmoid", "scale": 3, "bias": 1}
    config = changed(
        supplement={"seed_studies": {"supplementary13": panels}},
        pairs={"p": scaled, "q": {"image": "a", "text": "b", "loss": "softmax"}},
        sets={"digit_clip": {"loss": "sigmoid"}, "clip": {"loss": "softmax"}},
        sample=SHIPPED["loss_landscape"]["batch_size"],
        projections={"stitched": {"warmup": 6, "steps": 7}},
    )
    assert list(faults_of(with_rows(config))) == []


def test_a_label_that_a_table_reads_as_an_empty_cell_is_refused():
    words = [
        *("NA", "N/A", "n/a", "NULL", "null", "NaN", "nan", "None", "<NA>", "#N/A", "#NA", "-NaN"),
        *("-nan", "#N/A N/A", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
        *("na", "nil", "Nan", "none", "NA x", "inf", "-inf", "0", "x"),
    ]
    table = "label,n\n" + "".join(f"{word},1\n" for word in words)
    empty = pd.read_csv(io.StringIO(table))["label"].isna()
    assert 17 < empty.sum() < len(words)
    for word, refused in zip(words, empty, strict=True):
        config = with_rows(changed(sets={"clip": {"label": word}}))
        told = (
            f"sets.clip.label is {word!r}, which a table reads as an empty cell; give another name."
        )
        assert (told in list(faults_of(config))) == refused, word


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sets": {"digit_clip": {"tasks": ["digits", "x"]}}},
         r"sets\.digit_clip\.tasks\[1\]: 'x' is not a known task"),
        ({"sets": {"clap_esc50": {"released": {"items": "x"}}}},
         r"sets\.clap_esc50\.released: 'x' is not a known asset of kind file"),
        ({"sets": {"clap_esc50": {"released": {"files": ["clap_esc50_audio", "x"]}}}},
         r"sets\.clap_esc50\.released: 'x' is not"),
        ({"sets": {"s": {"encoders": {"image": "minilm", "text": "x"}, "modalities": []}}},
         r"sets\.s\.encoders\.text: 'x' is not a known encoder"),
        ({"supplement": {"seed_studies": {"a": {"b": {"encoders": ["minilm", "x"],
                                                       "inputs": "emoji"}}}}},
         r"supplement\.seed_studies\.a\.b\.encoders\[1\]: 'x' is not a known encoder"),
        ({"supplement": {"seed_studies": {"a": {"b": {"encoders": ["minilm"], "inputs": "x"}}}}},
         r"supplement\.seed_studies\.a\.b\.inputs: 'x' is not a known input;"),
        ({"datasets": {"u": {"format": "union", "files": {"a": "digits", "b": "u"}}}},
         r"datasets\.u\.files\.b: 'u' is not a known dataset"),
        ({"encoders": {"v": {"library": "vectors", "vectors": [
            {"file": "clip_vit_b16_lvis", "names": "x"}]}}},
         r"encoders\.v\.vectors\[0\]\.names: 'x' is not a known asset or path"),
    ],
)  # fmt: skip
def test_a_name_in_a_list_is_told_with_its_place(change, words, monkeypatch):
    assert_refused(change, words, monkeypatch)


def test_the_key_of_every_reference_is_the_place_of_its_name(monkeypatch):
    monkeypatch.chdir(ROOT)
    config = with_rows(
        changed(
            encoders={
                "a": {"library": "timm", "architecture": "resnet50", "weights": "resnet50_seed01"},
                "b": {"library": "vectors", "vectors": [{"file": "lvis", "names": "lvis"}]},
            },
            datasets={"both": {"format": "union", "files": {"one": "emoji", "two": "digits"}}},
            experiments={"models": {"dimension": {"encoder": "digit_clip", "dataset": "emoji"}}},
        )
    )
    kinds = set()
    for key, name, _, kind in references_between_keys(config, ASSETS, FORMATS):
        value = config
        for part in re.findall(r"[^.\[\]]+", key):
            before, value = part, value[int(part) if isinstance(value, list) else part]
        # A section may also have names of other entries as its own keys.
        assert name in (value, before) or (name in published_files({"released": value})), key
        kinds.add(kind)
    assert kinds == {
        *("asset of kind wheel", "asset of kind file", "asset of weights", "asset or path"),
        *("model under training", "dataset", "dataset with pictures and captions"),
        *("encoder", "encoder with seeds", "open_clip encoder", "projection"),
        *("open_clip encoder of both modalities", "set with an encoder or a projection"),
        *("input", "input with pictures", "input with noise", "task", "task scored by accuracy"),
    }


def test_whole_models_of_every_kind_may_be_trained_and_no_tower_alone():
    start = {"library": "open_clip", "architecture": "RN50"}
    kinds = {
        "a": start | {"seed": 0}, "b": start | {"weights": "rn50"},
        "c": start | {"pretrained": "openai"}, "d": start | {"seeds": 3},
        "e": start | {"wheel": "clip_vit_b16_image", "member": "m"},
        "f": {"library": "timm", "architecture": "resnet18", "seed": 0},
    }  # fmt: skip
    of = {"models": {"dimension": {"encoder": "a", "dataset": "emoji"}}}
    config = with_rows(changed(encoders=kinds, experiments=of))
    known = {key: names for key, _, names, _ in references_between_keys(config, ASSETS, FORMATS)}
    assert {*known["experiments.models.dimension.encoder"]} & {*kinds} == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        # A dataset of texts without parts to train and to test on.
        ({"datasets": {"memes": {"format": "hateful_memes", "files": {"archive": "./m.zip"}}},
          "training": {"digit_clip": {"dataset": "memes"}}},
         r"training\.digit_clip\.dataset: 'memes' is not a known dataset with pictures and capt"),
        # Many initialisations of an encoder are no start.
        ({"encoders": {"many": {"library": "open_clip", "architecture": "RN50", "seeds": 3}},
          "experiments": {"models": {"dimension": {"encoder": "many", "dataset": "emoji"}}}},
         r"experiments\.models\.dimension\.encoder: 'many' is not a known open_clip encoder of"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_no_choice(change, words, monkeypatch):
    assert_refused(change, words, monkeypatch)


def test_weights_that_the_user_places_are_an_asset_of_weights(monkeypatch):
    monkeypatch.chdir(ROOT)
    entry = {"library": "timm", "architecture": "resnet50"}
    for weights, known in (("resnet50_seed01", True), ("minilm", False)):
        config = with_rows(changed(encoders={"x": entry | {"weights": weights}}))
        references = [
            one
            for one in references_between_keys(config, ASSETS, FORMATS)
            if one[0] == "encoders.x.weights"
        ]
        (reference,) = references
        assert (weights in reference[2]) == known


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"clusters": {"emoji": "x"}}, "clusters.emoji"),
        ({"inputs": {"emoji": {"text": "x"}}}, "inputs.emoji.text"),
        ({"inputs": {"emoji": {"where": {"x": ["1"]}}}}, "inputs.emoji.where.x"),
        ({"tasks": {"digits": {"label": "x"}}}, "tasks.digits.label"),
        ({"table2": {"group": "x"}}, "table2.group"),
        ({"table2": {"gender": "x"}}, "table2.gender"),
    ],
)
def test_a_column_that_a_dataset_lacks_is_told_with_its_key(change, key):
    config = with_rows(changed(**change))
    unknown = [
        (where, name)
        for where, name, names, _ in column_references(config, FORMATS)
        if name not in names
    ]
    assert unknown == [(key, "x")]


SIGMOID = {"loss": "sigmoid", "bias": -3.0}


@pytest.mark.parametrize(
    ("experiments", "sentence"),
    [
        ({"optimisation": SIGMOID, "models": {"dimension": {"optimisation": {"bias": -1}}}}, None),
        ({"models": {"dimension": {"optimisation": SIGMOID}}}, None),
        ({"models": {"dimension": {"optimisation": {"loss": "sigmoid"}}}},
         "experiments.models.dimension.optimisation.loss is sigmoid, which needs bias; add it."),
        ({"models": {"dimension": {"optimisation": {"bias": 2.0}}}},
         "experiments.models.dimension.optimisation.bias does not belong to the softmax loss; "
         "remove it."),
        ({"models": {"dimension": {"optimisation": {"warmup": 300}}}},
         "experiments.models.dimension.optimisation.warmup must be below "
         "experiments.dimension.steps; lower it."),
    ],
)  # fmt: skip
def test_a_whole_model_s_loss_is_judged_with_the_optimisation_of_all(experiments, sentence):
    config = changed(experiments=experiments)
    config["experiments"]["dimension"]["steps"] = 300
    assert list(faults_of(with_rows(config))) == ([sentence] if sentence else [])


# --- tables of a run ----------------------------------------------------------------------------

REGISTRY = """
units: {count: How many., length: How long., number: A number., word: A word.}
columns:
  n: [count, Items.]
  gap: [length, The gap., size of the gap]
  own: [word, Whether it is the model's own.]
tables:
  a/{set}.csv:
    about: First.
    columns: [n, gap±, {extra: [count, More.]}, {measures: some}]
    empty: {gap_low: of one item}
    when: only with sets
  b/{loss}_minimum.csv: {about: "Where the {label} is smallest.", columns: [n, {own: loss}, gap]}
  b/{loss}_shape.csv: {about: Shape., columns: [n, {own: loss}]}
  b/loss_shape.csv: {about: Shape of the first., columns: [gap], no_rows: never}
"""
ITEMS = "figure9: {tables: {c.csv: {about: Last., columns: [rmg±, n]}}}"


def test_tables_are_those_of_the_registry_the_items_and_every_loss(tmp_path):
    (tmp_path / "tables.yaml").write_text(REGISTRY)
    (tmp_path / "items.yaml").write_text(ITEMS)
    rmg = Column("rmg", "number", "Relative.", True, "RMG", empty="never measured")
    units, tables = load_tables(tmp_path / "tables.yaml", {"some": [rmg]}, tmp_path / "items.yaml")
    assert list(units) == ["count", "length", "number", "word"]
    of = {table.path: table for table in tables}
    assert len(of) == len(tables)
    ends = ["rmg", "rmg_low", "rmg_high"]
    assert {path: table.names for path, table in of.items()} == {
        "a/{set}.csv": ["n", "gap", "gap_low", "gap_high", "extra", *ends],
        "b/loss_minimum.csv": ["n", "gap"],
        "b/sigmoid_minimum.csv": ["n", "bias", "own", "gap"],
        "b/sigmoid_shape.csv": ["n", "bias", "own"],
        "b/loss_shape.csv": ["gap"],
        "c.csv": [*ends, "n"],
    }
    assert of["b/sigmoid_minimum.csv"].about == "Where the sigmoid loss is smallest."
    first = of["a/{set}.csv"]
    assert first.empty == {"gap_low": "of one item", "rmg": "never measured"}
    assert (first.when, first.no_rows, of["b/loss_shape.csv"].no_rows) == (
        "only with sets",
        "",
        "never",
    )
    assert first.columns[1] == Column("gap", "length", "The gap.", True, "size of the gap")
    assert [column.heading for column in first.columns] == ["n", "size of the gap", "extra", "RMG"]
    # A measure means the same in a table that names it by itself.
    assert of["c.csv"].columns[0] == Column("rmg", "number", "Relative.", True, "RMG")
    for path, right in (("a/my-set_2.csv", True), ("a/b/c.csv", False), ("a/.csv", False),
                        ("xa/s.csv", False), ("a/sxcsv", False),
                        ("a/s.csv.bak", False)):  # fmt: skip
        assert first.is_at(path) == right
    for old, new, told in (
        (
            "gap_low: of",
            "gap_lo: of",
            "names gap_lo, which is not a column of the table; correct",
        ),
        ("[count, Items.]", "[count, 3]", "the meaning of n is not a text; put it in quotes."),
        (
            "{extra: [count",
            "{extra: [metre",
            "which is not described. Add it under `units`.",
        ),
        ("[gap], no", "[gap, gap], no", "b/loss_shape.csv: gap is listed twice"),
        ("[gap], no", "[gip], no", "loss_shape.csv: gip is not described. Add it under `columns`."),
    ):
        assert REGISTRY.count(old) == 1
        (tmp_path / "tables.yaml").write_text(REGISTRY.replace(old, new))
        with pytest.raises(InputError, match=re.escape(told)):
            load_tables(tmp_path / "tables.yaml", {"some": [rmg]})
    (tmp_path / "tables.yaml").write_text(REGISTRY)
    (tmp_path / "items.yaml").write_text(ITEMS.replace("c.csv", "b/loss_shape.csv"))
    told = r"items\.yaml, figure9: b/loss_shape\.csv is described twice; remove one"
    with pytest.raises(InputError, match=told):
        load_tables(tmp_path / "tables.yaml", {"some": [rmg]}, tmp_path / "items.yaml")


# --- the schema ---------------------------------------------------------------------------------


OF_KEYS = {"dependentRequired": {"a": ["b"], "c": ["a", "d"]}}
ONE = {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
NEEDED = {"required": ["a", "b"], "properties": {"b": {"description": "The second. More."}}}


@pytest.mark.parametrize(
    ("part", "value", "sentence"),
    [
        # The first key that is at fault, and not the first of all.
        (OF_KEYS, {"a": 1, "b": 2, "c": 3}, "m.c needs 'd' beside it; add m.d."),
        (OF_KEYS, {"c": 3, "d": 4}, "m.c needs 'a' beside it; add m.a."),
        (OF_KEYS, {"c": 3, "a": 4}, "m.a needs 'b' beside it; add m.b."),
        (OF_KEYS, {"b": 1, "d": 2}, None),
        (NEEDED, {"a": 1}, "m.b is missing; add it (the second)."),
        (NEEDED, {}, "m.a is missing; add it."),
        (ONE, {"a": 1}, None),
        (ONE, {"b": 1, "a": 1},
         "m must have exactly one of a or b; it has a and b, so remove all but one."),
        (ONE, {}, "m must have exactly one of a or b; it has none of them, so add one."),
    ],
)  # fmt: skip
def test_a_fault_of_keys_names_those_that_are_at_fault(part, value, sentence):
    assert schema_fault({"m": value}, {"properties": {"m": part}}) == sentence


BOX = {"properties": {"box": {"description": "The Box."}}, "required": ["box"]}
CLOSED = {"additionalProperties": False, **BOX}
KEYS_OF = {"allOf": [{"propertyNames": {"enum": ["box", "size"]}}], **BOX}
LAST_CLOSED, LAST_KEYS_OF = ({**BOX, **part} for part in (CLOSED, KEYS_OF))


@pytest.mark.parametrize(
    ("part", "value", "sentence"),
    [
        (BOX, {}, "m.box is missing; add it (the Box)."),
        # A wrong key comes before one that is missing: it may be that one.
        (CLOSED, {"bux": 1},
         "m.bux is not a known key (of the file or --config); did you mean box?"),
        (CLOSED, {"z": 1},
         "m.z is not a known key (of the file or --config); remove it, or use one of box."),
        (KEYS_OF, {"bux": 1}, "m.bux is not a key of this library; did you mean box?"),
        (LAST_CLOSED, {"bux": 1},
         "m.bux is not a known key (of the file or --config); did you mean box?"),
        (LAST_KEYS_OF, {"bux": 1}, "m.bux is not a key of this library; did you mean box?"),
        ({"propertyNames": {"pattern": "^[a-z]+$", "description": "small letters."}}, {"A": 1},
         "m.A is not a valid name; correct it to match: small letters."),
        ({"type": "string"}, 3, "m must be a text, but YAML reads its value as a number (3); "
         "write it in quotes."),
        ({"type": "string"}, None, "m must be a text, but YAML reads its value as nothing; "
         "write it in quotes."),
        ({"type": "string"}, [1], "m is [1] but must be a text; correct it."),
        ({"type": "number"}, "1e-3", "m is '1e-3' but must be a finite number; write it as 0.001."),
        ({"type": "number"}, "x", "m is 'x' but must be a finite number; correct it."),
        ({"type": "integer"}, "3", "m is '3' but must be a whole number; correct it."),
        ({"type": "array"}, None, "m is empty but must be a list; correct it."),
        ({"type": "object"}, 1, "m is 1 but must be a mapping; correct it."),
        ({"type": "boolean"}, 1, "m is 1 but must be true or false; correct it."),
        ({"enum": ["a", "b"]}, "c", "m is 'c'; give one of a, b."),
        ({"uniqueItems": True}, [1, 1],
         "m is [1, 1], which has an entry twice; remove one of the two."),
        ({"pattern": "^a", "description": "begins with a."}, "b",
         "m is 'b'; correct it to match: begins with a."),
        ({"not": {"required": ["a", "b"]}}, {"a": 1, "b": 2}, "m has a and b; remove all but one."),
        ({"minimum": 1}, 0, "m is 0, out of range; give a value at least 1."),
        ({"exclusiveMinimum": 0, "maximum": 1}, 0,
         "m is 0, out of range; give a value above 0 and at most 1."),
        ({"exclusiveMaximum": 3}, 3, "m is 3, out of range; give a value below 3."),
        ({"minItems": 2}, [1], "m has 1 entries; give it at least 2."),
        ({"maxItems": 1}, [1, 2], "m has 2 entries; give it at most 1."),
        ({"minProperties": 1}, {}, "m has 0 entries; give it at least 1."),
        ({"maxProperties": 1}, {"a": 1, "b": 1}, "m has 2 entries; give it at most 1."),
    ],
)  # fmt: skip
def test_each_fault_of_a_value_is_one_sentence_with_its_remedy(part, value, sentence):
    assert schema_fault({"m": value}, {"properties": {"m": part}}) == sentence


@pytest.mark.parametrize(
    ("section", "key", "owner"),
    [
        ("encoders", "e", "this library"),
        ("datasets", "d", "this format"),
        ("models", "m", "a row of two encoders"),
    ],
)
def test_a_wrong_key_is_told_with_what_does_not_have_it(section, key, owner):
    schema = {"properties": {section: {"additionalProperties": KEYS_OF}}}
    told = f"{section}.{key}.z is not a key of {owner}; remove it, or use one of box, size."
    assert schema_fault({section: {key: {"z": 1}}}, schema) == told
    # A tower in a row of two encoders is of a library.
    schema = {"properties": {section: {"additionalProperties": {"properties": {"text": KEYS_OF}}}}}
    told = schema_fault({section: {key: {"text": {"z": 1}}}}, schema)
    assert f"{section}.{key}.text.z is not a key of this" in told


def test_paths_and_lists_are_written_in_words():
    assert dotted(["a", "b", 2, "c"]) == "a.b[2].c"
    assert listed_words(["a", "b", "c"], "or") == "a, b or c"
    assert listed_words(["a"], "or") == "a"
    assert choice("emojis", ["digits", "emoji"]) == "did you mean emoji?"
    assert choice("x", ["digits", "emoji"]) == "give one of digits, emoji."
    assert choice("x", []) == "there is none yet, so add it first."


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("integer", [0, -3], [2.0, True, "3", None]),
        ("number", [0, 2.5], [float("inf"), float("nan"), False, "1"]),
        ("string", ["", "a"], [3, None, True]),
        ("boolean", [True, False], [0, 1, "yes"]),
        ("array", [[], [1]], [{}, "ab"]),
        ("object", [{}], [[], None]),
    ],
)
def test_types_are_those_that_were_written(kind, right, wrong):
    valid = [Validator({"type": kind}).is_valid(value) for value in (*right, *wrong)]
    assert valid == [True] * len(right) + [False] * len(wrong)


def test_each_library_takes_its_own_keys_and_options_in_an_encoder():
    """Two made up libraries, whose options of one name differ; a model is of both sides."""
    number = {"type": "integer", "description": "A number."}
    text = {"type": "string", "description": "A text."}
    known = {
        "one": Library(None, {"image": ""}, ("seed", "seeds"), {"size": number}, ("size",),
                       options={"way": number}),
        "both": Library(None, {"image": "", "text": ""}, ("seed", "wheel", "member"),
                        {"shape": text}, one_of=("seed", "wheel"), options={"way": text}),
    }  # fmt: skip
    schema = yaml.safe_load((ROOT / "config/schema/config.yaml").read_text(encoding="utf-8"))
    before = copy.deepcopy(schema)
    complete = complete_schema(schema, known, FORMATS)
    assert schema == before
    parts = complete["$defs"]
    encoders = {"type": "object", "additionalProperties": parts["encoder"]}
    whole = {"properties": {"encoders": encoders}, "$defs": parts}
    assert parts["encoder"]["properties"]["library"]["enum"] == ["one", "both"]
    assert parts["model"]["properties"]["library"]["enum"] == ["both"]
    one, both = {"library": "one", "label": "L"}, {"library": "both", "label": "L"}
    for entry, fault in (
        (one | {"size": 3, "options": {"way": 1}}, None),
        (one | {"size": 3, "seed": 1}, None),
        (one | {"size": "x"}, "size is 'x'"),
        (one, "size is missing; add it (a number)."),
        (one | {"size": 3, "options": {"way": "x"}}, "options.way is 'x'"),
        (one | {"size": 3, "seed": 1, "seeds": 2}, "has seed and seeds; remove all but one."),
        (one | {"size": 3, "wheel": "w"}, "wheel is not a key of this library"),
        (both | {"seed": 1, "shape": "x", "options": {"way": "x"}}, None),
        (both | {"seed": 1, "shape": 3}, "shape must be a text"),
        (both | {"seed": 1, "size": 3}, "size is not a key of this library"),
        (both | {"seed": 1, "options": {"way": 3}}, "options.way must be a text"),
        (both, "must have exactly one of seed or wheel; it has none of them, so add one."),
        (both | {"seed": 1, "wheel": "w", "member": "m"}, "it has seed and wheel, so remove all"),
        (both | {"wheel": "w"}, "wheel needs 'member' beside it; add encoders.m.member."),
        # Without a library no rule of one holds.
        ({"label": "L", "size": 3, "wheel": "w"}, "encoders.m.library is missing; add it"),
    ):
        told = schema_fault({"encoders": {"m": entry}}, whole)
        assert (told is None) if fault is None else fault in told, (entry, told)


def test_files_and_losses_are_as_many_and_as_few_as_they_must_be():
    schema = yaml.safe_load((ROOT / "config/schema/config.yaml").read_text(encoding="utf-8"))
    complete = complete_schema(schema, ENCODERS, FORMATS, VECTOR_FORMATS)

    def told(section: str, entry: dict) -> str | None:
        part = complete["properties"][section]
        return schema_fault({section: {"m": entry}}, {"properties": {section: part}} | {
            "$defs": complete["$defs"]
        })  # fmt: skip

    union = {"format": "union", "files": {"a": "digits"}}
    assert told("datasets", union) == "datasets.m.files has 1 entries; give it at least 2."
    union["files"]["b"] = "emoji"
    assert told("datasets", union) is None
    table = {"format": "csv", "image": "i", "text": "t", "files": {"table": "a.csv"}}
    assert told("datasets", table) is None
    table["files"]["pictures"] = "b"
    assert told("datasets", table) is None
    table["files"]["other"] = "c"
    assert told("datasets", table).startswith("datasets.m.files.other is not a known key")
    assert told("datasets", {**table, "text": " "}).startswith("datasets.m.")
    folders = {"format": "class_folders", "folder": " ", "files": {"archive": "a.zip"}}
    assert told("datasets", folders).startswith("datasets.m.folder is ' '; correct it to match: ")
    pair = {"image": "a", "text": "b"}
    assert told("pairs", pair | {"loss": "sigmoid", "scale": 1, "bias": 0}) is None
    for scale in (0, -1):
        nothing = pair | {"loss": "sigmoid", "scale": scale, "bias": 0}
        assert told("pairs", nothing).startswith(f"pairs.m.scale is {scale}, out of range")
    for number in ("scale", "bias"):
        sentence = f"pairs.m.{number} needs 'loss' beside it; add pairs.m.loss."
        assert told("pairs", pair | {number: 1}) == sentence
    # A training has a temperature, and so no scale.
    training = SHIPPED["training"]["digit_clip"] | {"loss": "sigmoid", "bias": 1}
    assert told("training", training) is None
    assert told("training", training | {"scale": 1}).startswith("training.m.scale is not a known")
