"""Rows of "Models and data" and of "Sources and licences", and names of prompts."""

import pytest

from modality_gap.data import prompts
from modality_gap.pages import provenance
from modality_gap.paper.items import Item

NONE = provenance.NONE
CONFIG = {
    "inputs": {
        "some": {"dataset": "emoji", "where": {"split": ["test"], "kind": ["a", "b"]},
                 "sample": 1500},
        "all": {"dataset": "coco"},
    },
    "encoders": {"enc1": {"label": "Whole"}, "enc2": {"label": "Net"}, "enc3": {"label": "Bert"}},
    "projections": {"proj": {"dim": 64, "encoders": {"image": "enc2", "text": "enc3"}}},
    "datasets": {},
}  # fmt: skip
SETS = {
    "whole": {"inputs": "all", "encoder": "enc1", "note": "a note"},
    "joined": {"inputs": "some", "projection": "proj"},
    "own": {"files": {}, "label": "mine"},
}
KNOWN = {
    "inputs": {}, "datasets": {}, "encoders": {}, "neighbours": [],
    "own": {"files": [], "architectures": [], "weights": []},
    "where_vit_b32": {"sections": [], "encoders": {}},
}  # fmt: skip


def test_every_column_of_models_and_data():
    about = {
        ("whole", "image"): {
            "weights": "laion", "weights_sha256": "0123456789abcdef", "dtype": "float32",
            "extraction": {"items": 300, "infer_s": 4.0, "items_per_s": 31.26, "device": "CPU"},
        },
        ("joined", "text"): {
            "projection": "proj.safetensors", "projection_sha256": "fedcba98765432100",
            "weights": "bert", "weights_sha256": "00112233445566778899",
        },
        ("own", "text"): {"dataset": "a file", "model": "theirs"},
    }  # fmt: skip
    sizes = {("whole", "image"): 1234, ("joined", "text"): 40, ("own", "text"): 7}
    whole, joined, own = provenance.models_rows(SETS, about, sizes, KNOWN, CONFIG)
    origins = whole.pop("origins")
    assert origins.others == ["all", "Whole"]
    assert whole == {
        "set": "whole", "modality": "image", "model": "Whole", "weights": "laion",
        "encoder_weights": "", "sha256": "0123456789ab", "dataset": "coco",
        "precision": "float32", "decoding": "exact", "n": "1,234",
        "per_s": "31.3", "forward_per_s": "75.0", "device": "CPU", "note": "a note",
    }  # fmt: skip
    # Of the two encoders that of the modality, and what it is projected to.
    assert joined["model"] == "Bert, projected to 64"
    assert (joined["weights"], joined["encoder_weights"]) == ("proj.safetensors", "bert")
    assert joined["dataset"] == "emoji, split test, kind a or b, sample of 1,500"
    assert (joined["per_s"], joined["forward_per_s"]) == (NONE, NONE)
    # The projection's own digest stands before that of the frozen encoder, as its name does.
    assert joined["sha256"] == "fedcba987654 over 001122334455"
    assert (own["model"], own["dataset"], own["n"]) == ("theirs", "a file", "7")


def test_a_measured_precision_says_what_was_measured():
    found = {
        "chosen": "bfloat16", "n": 16, "times": {"float32_onnx": 1.5, "bfloat16": 1.973},
        "lowest_cosine": {"bfloat16": 0.9999512, "float32_onnx": 1.0},
    }  # fmt: skip
    none = {"chosen": "float32", "times": {}, "lowest_cosine": {}, "reasons": {"bfloat16": "no"}}
    for dtype, more, words in (
        ("bfloat16", {"precision": found},
         "bfloat16 (float32_onnx is 1.50 times as fast, lowest cosine 1.00000; bfloat16 is 1.97 "
         "times as fast, lowest cosine 0.99995; n = 16)"),
        ("float32", {"precision": none}, "float32"),
        ("float32", {"runtime": "ONNX Runtime 1.2"}, "float32 in ONNX Runtime 1.2"),
        ("int8", {}, "int8"),
        (None, {}, NONE),
    ):  # fmt: skip
        about = {("whole", "image"): ({"dtype": dtype} if dtype else {}) | more}
        (row,) = provenance.models_rows(SETS, about, {("whole", "image"): 4}, KNOWN, CONFIG)
        assert row["precision"] == words


def test_the_way_pictures_are_decoded_is_shown_with_its_cosine():
    found = {"way": "scaled", "lowest_cosine": 0.99812, "median_cosine": 0.9995, "n": 64}
    for modality, more, words in (
        ("image", {"decode": found}, "scaled (lowest cosine to exact 0.9981, n = 64)"),
        ("image", {"decode": {"way": "exact"}}, "exact"),
        ("image", {}, "exact"),
        ("text", {}, NONE),
    ):
        about = {("whole", modality): {"extraction": {"items": 4}, **more}}
        (row,) = provenance.models_rows(SETS, about, {("whole", modality): 4}, KNOWN, CONFIG)
        assert row["decoding"] == words


def test_what_is_not_known_of_a_set_has_a_dash():
    about = {("own", "image"): {}, ("other", "text"): {"extraction": {"items_per_s": 2.0}}}
    sets = {"own": SETS["own"], "other": {"inputs": "all", "encoder": "enc9"}}
    sizes = {("own", "image"): 2, ("other", "text"): 1_234_567}
    own, other = provenance.models_rows(sets, about, sizes, KNOWN, CONFIG)
    assert {key: own[key] for key in own.keys() - {"origins", "set", "modality"}} == {
        "model": NONE, "weights": NONE, "encoder_weights": "", "sha256": NONE, "dataset": NONE,
        "precision": NONE, "decoding": NONE, "n": "2", "per_s": NONE,
        "forward_per_s": NONE, "device": NONE, "note": "",
    }  # fmt: skip
    assert (other["set"], other["modality"], other["model"]) == ("other", "text", NONE)
    assert (other["dataset"], other["n"], other["per_s"]) == ("coco", "1,234,567", "2.0")
    assert other["forward_per_s"] == NONE
    both = {"both": {"inputs": "some", "projection": "proj"}}
    key = ("both", "image")
    about = {key: {"projection": "p", "extraction": {"items": 9, "infer_s": 4, "device": "GPU"}}}
    (row,) = provenance.models_rows(both, about, {key: 9}, KNOWN, CONFIG)
    assert (row["model"], row["forward_per_s"]) == ("Net, projected to 64", "2.2")
    assert row["origins"].others == ["some", "Net"]


def test_a_set_of_two_encoders_has_that_of_each_modality():
    sets = {"two": {"inputs": "all", "encoders": {"image": "enc2", "text": "enc3"}}}
    keys = [("two", "text"), ("two", "image")]
    rows = provenance.models_rows(
        sets, {key: {} for key in keys}, dict.fromkeys(keys, 9), KNOWN, CONFIG
    )
    assert [(row["modality"], row["model"]) for row in rows] == [("text", "Bert"), ("image", "Net")]


def test_assets_behind_a_configuration_are_followed_to_their_files():
    config = {
        "sets": {"a": {"inputs": "one", "encoder": "enc1", "weights": "trained"},
                 "b": {"released": "released_b", "weights": "trained"}},
        "inputs": {"one": {"dataset": "both"}, "two": {"dataset": "emoji"}, "x": {}},
        "datasets": {
            "both": {"format": "union", "files": {"left": "coco", "right": "nested"}},
            "nested": {"format": "union", "files": {"only": "emoji"}},
            "coco": {"format": "coco", "files": {"annotations": "captions", "test": "photos"}},
            "pixels": {"format": "cifar", "files": {"archive": "cifar10"}},
            "unused": {"format": "cifar", "files": {"archive": "cifar100"}},
        },
        "encoders": {"enc1": {"wheel": "wheel1"}, "enc2": {"weights": "weights2"},
                     "enc4": {"vectors": [{"file": "vectors", "names": "their_names"}]},
                     "enc3": {"wheel": "wheel3", "weights": "weights3"},
                     "unused": {"wheel": "wheel4"}},
        "experiments": {"temperature": {"task": "t"},
                        "models": {"m": {"encoder": "enc2", "dataset": "pixels"}}},
        "tasks": {"t": {"inputs": "two"}},
        "cone": {"preprocessing": {"inputs": "two", "encoders": ["enc3", "enc4"]}},
    }  # fmt: skip
    study = {"inputs": "cone.preprocessing.inputs", "encoders": "cone.preprocessing.encoders"}
    items = [
        Item("a", "T", "P", "figure", made_of={"sets": "all"}),
        Item("b", "T", "P", "plain table", made_of=study),
    ]
    assert provenance.used_assets(items, config) == {
        *("captions", "photos", "twemoji", "emoji_names", "cifar10"),
        *("wheel1", "weights2", "wheel3", "weights3", "released_b"),
        *("vectors", "their_names"),
    }
    config["sets"]["b"]["encoder"] = "absent"
    config["experiments"]["models"] = {}
    without = provenance.used_assets([], config)
    assert without == {"twemoji", "emoji_names", "released_b"}


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("numpy==2.1.0", "2.1.0"),
        ("numpy==2.1.0 \\", "2.1.0"),
        ("numpy==2.1.0;python_version>'3'", "2.1.0"),
        ("# numpy==2.1.0", None),
        ("    numpy==2.1.0", None),
        ("\tnumpy==2.1.0", None),
        ("numpy>=2.1.0", None),
        ("numpy==2==1", "2==1"),
    ],
)
def test_a_version_is_read_from_its_line(line, version):
    wanted = {"numpy": version} if version else {}
    assert provenance.versions(f"{line}\nscipy==1.0\n", ["numpy"]) == wanted


ASSETS = {
    "exact": {"path": "a/x.zip", "bytes": 1_234_567, "sha256": "0123456789abcdef", "licence": "L"},
    "rough": {"path": "a/y.zip", "about_bytes": 246_000_000, "md5": "fedcba9876", "licence": "L"},
    "wheel": {"path": "w.whl", "requirement": "w==1", "bytes": 5e5, "sha256": "9" * 64,
              "licence": "M"},
    "none": {"path": "b/z", "about_bytes": 900_000, "no_checksum": "why", "licence": "L"},
    "part1": {"path": "c/1", "bytes": 2_000_000, "sha256": "1" * 64, "licence": "P"},
    "part2": {"path": "c/2", "bytes": 2_000_000, "sha256": "2" * 64, "licence": "P"},
    "unused": {"path": "d", "bytes": 1, "sha256": "3" * 64, "licence": "Q"},
}  # fmt: skip


def test_sources_say_sizes_and_checksums():
    rows = provenance.sources_rows(ASSETS, ASSETS.keys() - {"unused"})
    found = {row["name"]: (row["from"], row["mb"], row["checksum"], row["licence"]) for row in rows}
    assert found == {
        "exact": ("a/x.zip", "1.2", "0123456789ab", "L"),
        "rough": ("a/y.zip", "about 250", "md5 fedcba98", "L"),
        "wheel": ("w==1", "0.5", "9" * 12, "M"),
        "none": ("b/z", "about 0.9", "", "L"),
        "part1 to part2": ("c/, 2 files", "2.0 each", "one per file", "P"),
    }
    assert [row["name"] for row in rows] == list(found)
    # Files that differ in more than path and checksum stand apart; what else they have is kept.
    assets = {
        "a": {"path": "c/1", "about_bytes": 123_456_789, "purpose": "x"},
        "b": {"path": "c/2", "about_bytes": 123_456_789, "purpose": "y"},
        "c": {"path": "c/3", "about_bytes": 123_456_789, "purpose": "x", "md5": "0123456789"},
    }
    first, second = provenance.sources_rows(assets, {"a", "b", "c"})
    assert (first["name"], first["mb"], first["purpose"]) == ("a to c", "about 120 each", "x")
    assert (second["name"], second["mb"], second["from"]) == ("b", "about 120", "c/2")
    assert (first["checksum"], second["checksum"]) == ("", "")
    only = provenance.sources_rows({"d": {"path": "e/f/g", "bytes": 5e6, "sha256": ""}}, ["d"])
    assert (only[0]["from"], only[0]["mb"]) == ("e/f/g", "5.0")


def test_prompts_of_people_are_named_by_their_table():
    table = prompts.label_set(
        {"groups": ["old"], "genders": ["man"], "prompt": "a(n) {group} {gender}",
         "offensive_prompt": "a(n) {}", "non_human": ["ape"], "crime_related": ["thief"]}
    )  # fmt: skip
    assert table["item_id"].tolist() == ["table2/man, old", "table2/ape", "table2/thief"]
    assert table["text"].tolist() == ["an old man", "an ape", "a thief"]
    assert set(table["task"]) == {"table2"}


def test_a_mirror_has_the_files_of_a_set_that_are_assets():
    absent = {
        "theirs": {"released": "released_a"},
        "others": {"released": {"files": ["x", "no_asset"], "items": "ids"}},
        "made": {"encoder": "enc1"},
    }
    assets = {name: {"path": f"pairs/{name}.npy"} for name in ("released_a", "x", "ids", "y")}
    assert provenance.mirrored(absent, assets) == {
        "theirs": ["pairs/released_a.npy"],
        "others": ["pairs/x.npy", "pairs/ids.npy"],
        "made": [],
    }
