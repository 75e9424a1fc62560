"""Values of --config as Snakemake gives them, and paths as users write them."""

import copy

import pytest
from snakemake.cli import parse_config
from snakemake.utils import update_config

from modality_gap.config.check import check_config
from modality_gap.config.command_line import with_expanded_paths, with_types
from modality_gap.config.declarations import complete_schema
from modality_gap.config.load import load_yaml, with_shipped_files
from modality_gap.config.renamed import with_new_names
from modality_gap.config.schema import schema_fault
from modality_gap.data.formats import FORMATS
from modality_gap.encoders.build import ENCODERS


@pytest.fixture(scope="module")
def schema(root):
    return complete_schema(load_yaml(root / "config" / "schema" / "config.yaml"), ENCODERS, FORMATS)


@pytest.fixture(scope="module")
def default(root):
    return load_yaml(root / "config" / "config.yaml")


def merged(default: dict, schema: dict, *written: str) -> dict:
    given = parse_config(written)
    config = copy.deepcopy(default)
    update_config(config, given)
    return with_types(config, given, lambda: schema)


@pytest.mark.parametrize(
    ("written", "path", "value"),
    [
        ("umap={n_neighbors: 10}", ("umap", "n_neighbors"), 10),
        ("umap={min_dist: .5}", ("umap", "min_dist"), 0.5),
        ("loss_landscape={temperatures: [0.05, 1e-1, 1]}",
         ("loss_landscape", "temperatures"), [0.05, 0.1, 1]),
        ("extraction={batch_size: 0x10}", ("extraction", "batch_size"), 16),
        ("extraction={precision: float32}", ("extraction", "precision"), "float32"),
        ("sets={stitched: null}", ("sets", "stitched"), None),
        ("sets={stitched: ~}", ("sets", "stitched"), None),
        ("models={m: {library: open_clip, architecture: ViT-B-32, seed: 3, inputs: emoji_test,"
         " label: 5, options: {norm_layers: no}}}",
         ("models", "m"),
         {"library": "open_clip", "architecture": "ViT-B-32", "seed": 3, "inputs": "emoji_test",
          "label": "5", "options": {"norm_layers": False}}),
        ("models={m: {library: timm, pretrained: true, twin: false}}",
         ("models", "m"), {"library": "timm", "pretrained": True, "twin": False}),
        ("inputs={x: {dataset: digits, where: {digit: [1, 2]}, sample: 9}}",
         ("inputs", "x"), {"dataset": "digits", "where": {"digit": ["1", "2"]}, "sample": 9}),
        ("datasets={e: {format: class_folders, folder: 2750, files: {archive: ./1.zip}}}",
         ("datasets", "e", "folder"), "2750"),
        ("table2={shifts: [-1, 0, 1]}", ("table2", "shifts"), [-1, 0, 1]),
        ("experiments={optimisation: {decay: none}}",
         ("experiments", "optimisation", "decay"), "none"),
        ("tasks={t: {inputs: digits, label: digit, prompts: {'1': yes, '2': 7}}}",
         ("tasks", "t", "prompts"), {"1": "yes", "2": "7"}),
        ("seed=5", ("seed",), 5),
        ("sample=two", ("sample",), "two"),
        ("umap={n_neighbors: nan}", ("umap", "n_neighbors"), "nan"),
    ],
)  # fmt: skip
def test_what_is_written_within_braces_has_its_type(default, schema, written, path, value):
    found = merged(default, schema, written)
    for part in path:
        found = found[part]
    assert found == value
    assert str(found) == str(value)  # 1 and True, 1 and 1.0 are equal


def test_a_configuration_from_the_command_line_is_valid(default, schema):
    written = ("umap={n_neighbors: 10}", "loss_landscape={temperatures: [0.05, 0.1]}")
    assert schema_fault(merged(default, schema, *written), schema) is None
    fault = schema_fault(merged(default, schema, "umap={n_neighbors: 1.5}"), schema)
    assert fault == "umap.n_neighbors is 1.5 but must be a whole number; correct it."


def test_texts_of_a_file_stay_what_they_are(default, schema):
    config = copy.deepcopy(default) | {"sample": "500"}
    config["umap"] = {"n_neighbors": "12", "min_dist": 0.1}
    given = parse_config(["umap={n_neighbors: 10}"])
    assert with_types(config, given, lambda: schema) == config
    assert with_types(config, {}, lambda: schema) is config


def test_paths_are_expanded_wherever_a_key_takes_one(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("DATA", "/data")
    config = {
        "datasets": {"d": {"files": {"archive": "$DATA/a.zip", "other": "~/b"}, "folder": "$DATA"}},
        "pairs": {
            "p": {
                "image": "~/a.npy",
                "text": "${DATA}/b.npy",
                "note": "costs $DATA ~",
                "label": "~ $DATA",
            }
        },
        "encoders": {
            "e": {"model": "~/bge", "label": "$DATA"},
            "f": {"architecture": "local-dir:~/clip", "pretrained": True},
        },
        "models": {
            "m": {"architecture": "$DATA/a.json", "pretrained": "~/w.pt"},
            "n": {"image": {"architecture": "x"}, "text": {"model": "$DATA/bert"}},
        },
        "supplement": {"seed_studies": {"s": {"panel": {"files": ["~/1.npy", "$ABSENT/2.npy"]}}}},
        "seed": "~",
    }
    before = copy.deepcopy(config)
    found = with_expanded_paths(config)
    assert config == before
    assert found == {
        "datasets": {"d": {"files": {"archive": "/data/a.zip", "other": "/home/me/b"},
                           "folder": "$DATA"}},
        "pairs": {"p": {"image": "/home/me/a.npy", "text": "/data/b.npy", "note": "costs $DATA ~",
                        "label": "~ $DATA"}},
        "encoders": {
            "e": {"model": "/home/me/bge", "label": "$DATA"},
            "f": {"architecture": "local-dir:/home/me/clip", "pretrained": True},
        },
        "models": {
            "m": {"architecture": "/data/a.json", "pretrained": "/home/me/w.pt"},
            "n": {"image": {"architecture": "x"}, "text": {"model": "/data/bert"}},
        },
        "supplement": {"seed_studies": {"s": {"panel": {"files": ["/home/me/1.npy",
                                                                  "$ABSENT/2.npy"]}}}},
        "seed": "~",
    }  # fmt: skip


@pytest.mark.parametrize("config", [
    {"datasets": None, "pairs": {"p": None}, "encoders": 3, "models": {"m": {"image": []}}},
    {"datasets": {"d": {"files": "x"}}, "supplement": [], "pairs": {"p": {"image": 1}}},
    {"supplement": {"seed_studies": {"s": {"panel": None}}}, "models": {"m": {"text": "~"}}},
])  # fmt: skip
def test_a_configuration_that_is_not_valid_goes_on_to_the_check(config):
    assert isinstance(with_expanded_paths(config), dict)


def test_a_file_without_a_slash_is_a_path_if_it_is_there(default, root, tmp_path, monkeypatch):
    schema = root / "config" / "schema" / "config.yaml"
    monkeypatch.chdir(tmp_path)
    config = with_shipped_files(copy.deepcopy(default), root)
    entry = {"format": "class_folders", "folder": "birds", "files": {"archive": "birds.zip"}}
    config["datasets"] = default["datasets"] | {"birds": entry}
    with pytest.raises(ValueError, match=r"'birds.zip', which is not a file in .*; correct"):
        check_config(config, schema, ENCODERS, FORMATS)
    (tmp_path / "birds.zip").touch()
    check_config(config, schema, ENCODERS, FORMATS)


def test_the_former_name_of_a_label_still_works():
    row = {"image": "a.npy", "model": "Mine", "text": "b.npy"}
    sets = {"s": {"model": "CLIP", "weights": "trained"}, "t": None, "u": {"label": "x"}}
    config = {"pairs": {"p": row, "both": row | {"label": "x"}}, "sets": sets, "models": {"m": row}}
    found = with_new_names(config)
    assert list(found["pairs"]["p"].items()) == [
        ("image", "a.npy"), ("label", "Mine"), ("text", "b.npy"),
    ]  # fmt: skip
    assert found["pairs"]["both"] == config["pairs"]["both"]
    assert found["sets"] == {
        "s": {"label": "CLIP", "weights": "trained"},
        "t": None,
        "u": sets["u"],
    }
    assert found["models"] == config["models"]
    assert config["pairs"]["p"] is row
    assert "model" in row
    assert with_new_names({"pairs": 3}) == {"pairs": 3}
