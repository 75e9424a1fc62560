"""One row a model: what rows of `models` and `pairs` stand for, and the faults they may have."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from modality_gap.config.check import check_config
from modality_gap.config.clip_models import architectures
from modality_gap.config.rows import with_rows
from modality_gap.data.formats import FORMATS
from modality_gap.embeddings.sets import normalise
from modality_gap.embeddings.stored import read_pair
from modality_gap.encoders.build import ENCODERS, build_encoder
from modality_gap.errors import InputError
from modality_gap.measures.gap import gap
from modality_gap.measures.loss_sweep import batched_sweep
from modality_gap.measures.losses import sigmoid_losses

ROOT = Path(__file__).parents[3]
SCHEMA_PATH = ROOT / "config" / "schema" / "config.yaml"
SHIPPED = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
WHOLE = {"library": "open_clip", "architecture": "ViT-B-32", "inputs": "emoji_test"}
TIMM = {"library": "timm", "architecture": "resnet18", "pretrained": True}
BERT = {"library": "hugging_face", "model": "sentence-transformers/all-MiniLM-L6-v2"}
JOINED = {"image": TIMM, "text": BERT, "projection": "stitched", "inputs": "emoji_test"}


@pytest.fixture(autouse=True)
def run_where_two_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").symlink_to(ROOT / "config")
    for name in ("a.npy", "b.npy"):
        np.save(tmp_path / name, np.eye(3))
    monkeypatch.chdir(tmp_path)


def expanded(**rows: dict) -> dict:
    """The shipped configuration with rows of `models` (and of `pairs`), checked and expanded."""
    config = copy.deepcopy(SHIPPED) | rows
    check_config(config, SCHEMA_PATH, ENCODERS, FORMATS)
    return with_rows(config)


def new(config: dict, section: str) -> dict:
    return {k: v for k, v in config[section].items() if k not in SHIPPED[section]}


# What encoders of each library may have, and what they may not; `&` joins keys.
KEYS = {
    "seed": {"seed": 0},
    "seeds": {"seeds": 3},
    "tag": {"pretrained": True},
    "wheel": {"wheel": "clip_vit_b16_image", "member": "m.onnx"},
    "loose": {"wheel": "clip_vit_b16_image"},
    "checkpoint": {"checkpoint": "digit_clip"},
    "imagenet": {"preprocessing": "imagenet"},
    "bert": {"wheel": "minilm", "wheel_folder": "a/model"},
    "network": {"architecture": "resnet18"},
    "model": {"model": "someone/model"},
    "clip": {"architecture": "ViT-B-32"},
    "published": {"architecture": "ViT-B-32", "pretrained": "laion2b_s34b_b79k"},
}
ENTRIES = {
    "timm": (
        "network&seed network&seeds network&tag network&wheel network&seed&imagenet",
        "network seed tag network&seed&seeds network&seed&tag network&loose network&seed&model "
        "network&checkpoint",
    ),
    "open_clip": (
        "clip&seed clip&seeds published clip&checkpoint published&imagenet",
        "clip seed clip&seed&seeds published&seed clip&checkpoint&seed clip&seed&model",
    ),
    "hugging_face": (
        "model model&seed model&seeds",
        "seed model&seed&seeds model&wheel model&tag model&imagenet",
    ),
    "minilm": ("bert bert&seed bert&seeds", "seed loose bert&seed&seeds bert&model"),
    "onnx": ("wheel", "seed loose wheel&seed wheel&model"),
}


@pytest.mark.parametrize("library", ENTRIES)
def test_an_encoder_has_the_keys_of_its_library_and_one_source_of_weights(library) -> None:
    for taken, entries in zip((True, False), ENTRIES[library], strict=True):
        for joined in entries.split():
            entry = {"library": library, "label": "L"}
            for name in joined.split("&"):
                entry |= KEYS[name]
            config = SHIPPED | {"encoders": SHIPPED["encoders"] | {"mine": entry}}
            if taken:
                check_config(config, SCHEMA_PATH, ENCODERS, FORMATS)
            else:
                with pytest.raises(InputError, match=r"encoders\.mine"):
                    check_config(config, SCHEMA_PATH, ENCODERS, FORMATS)
                    pytest.fail(f"{library} takes {joined}")


def test_what_rows_stand_for_is_in_the_order_of_the_row_whatever_the_hash_seed() -> None:
    row = WHOLE | {"pretrained": "laion2b_s34b_b79k", "loss": "sigmoid", "note": "A note."}
    pair = {"image": "a.npy", "text": "b.npy", "loss": "sigmoid", "scale": 10, "bias": -10}
    config = SHIPPED | {"models": {"whole": row, "joined": JOINED}, "pairs": {"own": pair}}
    code = (
        "import json, sys; from modality_gap.config.rows import with_rows; "
        "print(json.dumps(with_rows(json.load(sys.stdin))))"
    )
    made = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(config),
            env=os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT / "scripts")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(5)
    }
    (text,) = made
    encoder = json.loads(text)["encoders"]["whole"]
    assert list(encoder) == ["library", "architecture", "pretrained", "label"]


def test_a_pretrained_model_comes_with_a_random_twin() -> None:
    row = WHOLE | {"pretrained": "laion2b_s34b_b79k", "note": "Trained on LAION."}
    config = expanded(models={"laion": row})
    assert new(config, "encoders") == {
        "laion": {
            "library": "open_clip",
            "architecture": "ViT-B-32",
            "pretrained": "laion2b_s34b_b79k",
            "label": "ViT-B-32 (laion2b_s34b_b79k)",
        },
        "laion_random": {
            "library": "open_clip",
            "architecture": "ViT-B-32",
            "seed": 0,
            "label": "ViT-B-32, random weights",
        },
    }
    sets = new(config, "sets")
    assert [(name, entry["weights"], entry["encoder"]) for name, entry in sets.items()] == [
        ("laion", "trained", "laion"),
        ("laion_random", "random", "laion_random"),
    ]
    # One name, so that Figure 1 puts the twin below it.
    assert {entry["label"] for entry in sets.values()} == {"ViT-B-32 (laion2b_s34b_b79k)"}
    assert sets["laion"]["note"] == "Trained on LAION."


@pytest.mark.parametrize(
    "row",
    [{"seed": 3, "label": "A"}, {"pretrained": "laion2b_e16", "label": "A", "twin": False}],
)
def test_a_row_without_a_twin(row: dict) -> None:
    config = expanded(models={"one": WHOLE | row | {"loss": "sigmoid"}})
    (name, entry), *others = new(config, "sets").items()
    assert not others
    own = {key: value for key, value in row.items() if key != "twin"}
    spec = {"library": "open_clip", "architecture": "ViT-B-32"} | own
    assert new(config, "encoders") == {name: spec}
    assert entry == {
        "label": "A",
        "weights": "random" if "seed" in row else "trained",
        "encoder": name,
        "inputs": "emoji_test",
        "modalities": ["image", "text"],
        "loss": "sigmoid",
    }


def test_two_frozen_encoders_get_a_projection_each() -> None:
    config = expanded(models={"mine": JOINED})
    assert new(config, "projections") == {
        "mine": SHIPPED["projections"]["stitched"]
        | {"encoders": {"image": "mine_image", "text": "mine_text"}}
    }
    assert new(config, "encoders") == {
        "mine_image": TIMM | {"label": "resnet18"},
        "mine_text": BERT | {"label": "all-MiniLM-L6-v2"},
    }
    sets = new(config, "sets")
    assert {name: entry["weights"] for name, entry in sets.items()} == {
        "mine": "trained",
        "mine_random": "random",
    }
    assert {entry["projection"] for entry in sets.values()} == {"mine"}
    assert {entry["label"] for entry in sets.values()} == {"resnet18 with all-MiniLM-L6-v2"}


def test_own_pairs_become_a_set() -> None:
    row = {"protein": "a.npy", "text": "b.npy", "loss": "sigmoid", "scale": 10, "bias": -10.0}
    assert new(expanded(pairs={"mine": row}), "sets") == {
        "mine": {
            "label": "mine",
            "weights": "trained",
            "files": {"protein": "a.npy", "text": "b.npy"},
            "modalities": ["protein", "text"],
            "loss": "sigmoid",
            "scale": 10,
            "bias": -10.0,
        }
    }


def test_expansion_leaves_its_argument_alone_and_no_row_over() -> None:
    config = copy.deepcopy(SHIPPED) | {"models": {"one": WHOLE | {"seed": 0}}}
    before = copy.deepcopy(config)
    once = with_rows(config)
    assert config == before
    assert with_rows(once) == once


def test_rows_run_from_encoder_to_the_losses(tmp_path: Path, monkeypatch) -> None:
    """Both keys on tiny towers: embeddings, the pair, the gap, the softmax and the sigmoid loss."""
    tower = json.loads((ROOT / "config/architectures/emoji-clip.json").read_text())
    tower["vision_cfg"] |= {"layers": 1, "width": 32, "head_width": 16}
    tower["text_cfg"] |= {"layers": 1, "width": 32, "heads": 2}
    sigmoid = tower | {"init_logit_bias": -10, "custom_text": True}
    rows = {}
    for name, shape, loss in (("tiny", tower, {}), ("tiny_sigmoid", sigmoid, {"loss": "sigmoid"})):
        path = tmp_path / f"{name.replace('_', '-')}.json"
        path.write_text(json.dumps(shape))
        rows[name] = WHOLE | {"architecture": str(path), "seed": 0} | loss
    config = expanded(models=rows, pairs={"own": {"image": "a.npy", "text": "b.npy"}})
    rng = np.random.default_rng(0)
    pictures = [
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)) for _ in range(4)
    ]
    contents = {"image": pictures, "text": ["a cat", "a dog", "a boat", "rain"]}
    metadata = {}
    for name, entry in new(config, "sets").items():
        if "files" in entry:
            x, y = (side.normalised() for side in read_pair(*entry["files"].values()))
            assert gap(x, y) == 0  # the same three rows on both sides
            continue
        spec = config["encoders"][entry["encoder"]]
        vectors = []
        for modality in entry["modalities"]:
            encoder = build_encoder(spec, modality, {"seed": spec["seed"]}, "float32")
            items = [encoder.prepare(item) for item in contents[modality]]
            vectors.append(normalise(encoder.encode(items)))
        metadata[name] = encoder.metadata
        assert gap(*vectors) > 0.1
        assert np.isfinite(batched_sweep(*vectors, np.array([0.0]), [0.1], 2)).all()
    # Of these two only the one with a bias has a sigmoid loss.
    assert "logit_bias" not in metadata["tiny"]
    scale, bias = (metadata["tiny_sigmoid"][key] for key in ("logit_scale", "logit_bias"))
    assert (scale, bias) == (pytest.approx(1 / 0.07, rel=1e-5), -10)
    assert sigmoid_losses(vectors[0] @ vectors[1].T, 1 / scale, bias) > 0


def test_known_architectures_are_open_clips_own() -> None:
    from open_clip import list_models

    assert {"RN50", "ViT-B-16-SigLIP"} < {*architectures()} <= {*list_models()}


FAULTS = {
    "near match": (
        {"models": {"x": WHOLE | {"architecture": "ViT-B32", "seed": 0}}},
        "models.x.architecture: 'ViT-B32'",
        "did you mean ViT-B-32?",
    ),
    "absent configuration": (
        {"models": {"x": WHOLE | {"architecture": "absent.json", "seed": 0}}},
        "models.x.architecture is 'absent.json'",
        "correct the path",
    ),
    "taken name": (
        {"models": {"digit_clip": WHOLE | {"seed": 0}}},
        "models.digit_clip would create encoders.digit_clip, which already exists",
        "another name",
    ),
    "one name in both": (
        {"models": {"x": WHOLE | {"seed": 0}}, "pairs": {"x": {"image": "a.npy", "text": "b.npy"}}},
        "pairs.x would create sets.x, which already exists",
        "another name",
    ),
    "one model twice": (
        {"models": {"x": WHOLE | {"seed": 0}, "y": WHOLE | {"seed": 1}}},
        "sets.y and sets.x both have the label 'ViT-B-32'",
        "another label",
    ),
    "no weights": ({"models": {"x": WHOLE}}, "models.x must have exactly one of", "add one"),
    "twin of a seed": (
        {"models": {"x": WHOLE | {"seed": 0, "twin": True}}},
        "models.x has seed and twin",
        "remove all but one",
    ),
    "no inputs": ({"models": {"x": {**WHOLE, "inputs": "emojis"}}}, "models.x", "one of"),
    "unknown inputs": (
        {"models": {"x": WHOLE | {"seed": 0, "inputs": "emoji_tests"}}},
        "models.x.inputs",
        "did you mean emoji_test?",
    ),
    "unknown projection": (
        {"models": {"x": JOINED | {"projection": "stiched"}}},
        "models.x.projection",
        "did you mean stitched?",
    ),
    "half a pair of encoders": (
        {"models": {"x": {"image": TIMM, "projection": "stitched", "inputs": "emoji"}}},
        "models.x.image needs 'text' beside it",
        "add models.x.text",
    ),
    "faulty encoder": (
        {"models": {"x": JOINED | {"text": {"library": "hugging_face"}}}},
        "models.x.text.model is missing",
        "add it",
    ),
    "one modality": ({"pairs": {"x": {"image": "a.npy"}}}, "pairs.x must name", "not image"),
    "sigmoid without bias": (
        {"pairs": {"x": {"image": "a.npy", "text": "b.npy", "loss": "sigmoid"}}},
        "pairs.x.loss is sigmoid",
        "add them",
    ),
}


@pytest.mark.parametrize(("rows", "begins", "remedy"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_row_is_told_in_one_sentence(rows: dict, begins: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        expanded(**rows)
    assert str(caught.value).startswith(begins)
    assert remedy in str(caught.value)
