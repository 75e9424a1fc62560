"""Rows of "Models and data" and of "Sources and licences", and names of prompts."""

from modality_gap import prompts, provenance

NONE = provenance.NONE
CONFIG = {
    "inputs": {
        "some": {"dataset": "emoji", "where": {"split": ["test"], "kind": ["a", "b"]},
                 "sample": 40},
        "all": {"dataset": "coco"},
    },
    "encoders": {"enc1": {"label": "Whole"}, "enc2": {"label": "Net"}, "enc3": {"label": "Bert"}},
    "projections": {"proj": {"dim": 64, "encoders": {"image": "enc2", "text": "enc3"}}},
    "datasets": {},
}  # fmt: skip
SETS = {
    "whole": {"inputs": "all", "encoder": "enc1", "note": "a note"},
    "joined": {"inputs": "some", "projection": "proj"},
    "own": {"files": {}, "model": "mine"},
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
        ("joined", "text"): {"projection": "proj.safetensors", "weights": "bert"},
        ("own", "text"): {"dataset": "a file", "model": "theirs"},
    }  # fmt: skip
    sizes = {("whole", "image"): 1234, ("joined", "text"): 40, ("own", "text"): 7}
    whole, joined, own = provenance.models_rows(SETS, about, sizes, KNOWN, CONFIG)
    origins = whole.pop("origins")
    assert origins.others == ["all", "Whole"]
    assert whole == {
        "set": "whole", "modality": "image", "model": "Whole", "weights": "laion",
        "encoder_weights": "", "sha256": "0123456789ab", "dataset": "coco",
        "precision": "float32", "n": "1,234", "per_s": "31.3", "forward_per_s": "75.0",
        "device": "CPU", "note": "a note",
    }  # fmt: skip
    # Of the two encoders that of the modality, and what it is projected to.
    assert joined["model"] == "Bert, projected to 64"
    assert (joined["weights"], joined["encoder_weights"]) == ("proj.safetensors", "bert")
    assert joined["dataset"] == "emoji, split test, kind a or b, sample of 40"
    assert (joined["sha256"], joined["per_s"], joined["forward_per_s"]) == (NONE, NONE, NONE)
    assert (own["model"], own["dataset"], own["n"]) == ("theirs", "a file", "7")


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
        "part1 to part2": ("c/, 2 files", "2.0 each", "one a file", "P"),
    }


def test_prompts_of_people_are_named_by_their_table():
    table = prompts.label_set(
        {"groups": ["old"], "genders": ["man"], "prompt": "a(n) {group} {gender}",
         "offensive_prompt": "a(n) {}", "non_human": ["ape"], "crime_related": ["thief"]}
    )  # fmt: skip
    assert table["item_id"].tolist() == ["table2/man, old", "table2/ape", "table2/thief"]
    assert table["text"].tolist() == ["an old man", "an ape", "a thief"]
    assert set(table["task"]) == {"table2"}
