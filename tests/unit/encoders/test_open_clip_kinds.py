"""Every kind of model that open_clip makes: its classes, towers of other libraries, and models that
come with their weights from a folder or a hub."""

import json
import re
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from modality_gap.config import clip_models
from modality_gap.config.clip_models import needs_transformers, own_weights
from modality_gap.config.model_files import model_files
from modality_gap.encoders.build import build_encoder
from modality_gap.encoders.open_clip import (
    _weights_of_place,
    hidden,
    load_open_clip,
    open_clip_faults,
)
from modality_gap.errors import InputError

VISION = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16, "head_width": 64}
TEXT = {"context_length": 8, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1}
SMALL = {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT}
# As open_clip's coca_ViT-B-32.
COCA = {
    "embed_dim": 16,
    "vision_cfg": {**VISION, "attentional_pool": True, "attn_pooler_heads": 1}
    | {"output_tokens": True},
    "text_cfg": {**TEXT, "embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {**TEXT, "attn_pooler_heads": 1},
    "custom_text": True,
}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "dog", "of", "photo"]
SENTENCE = "a photo of a red dog"
PICTURE = Image.fromarray(np.arange(40 * 50 * 3, dtype=np.uint8).reshape(40, 50, 3))


def architecture(folder: Path, config: Mapping, name: str = "mine") -> dict:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(config))
    return {"library": "open_clip", "architecture": str(path)}


def embedded(spec: dict, modality: str, weights: dict) -> np.ndarray:
    encoder = build_encoder(spec, modality, weights, "float32")
    noise = encoder.encode([encoder.noise(np.random.default_rng(0))])
    assert np.isfinite(noise).all()
    item = PICTURE if modality == "image" else SENTENCE
    return encoder.encode([encoder.prepare(item)])[0]


@pytest.fixture
def bert(tmp_path, monkeypatch):
    """The folder of a small BERT with a tokenizer."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import transformers

    folder = tmp_path / "bert"
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=16, initializer_range=3.0,
    )  # fmt: skip
    torch.manual_seed(1)
    transformers.BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    return folder


def test_coca_gives_both_modalities_with_their_lengths(tmp_path):
    spec = architecture(tmp_path, COCA)
    model, transform, tokenizer = load_open_clip(spec, {"seed": 3})
    with torch.no_grad():
        picture = model.encode_image(transform(PICTURE)[None], normalize=False)[0]
        sentence = model.encode_text(tokenizer([SENTENCE]), normalize=False)[0]
    for modality, theirs in (("image", picture), ("text", sentence)):
        ours = embedded(spec, modality, {"seed": 3})
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-5)
        assert abs(np.linalg.norm(ours) - 1) > 0.1


def test_a_tower_of_transformers_needs_no_key(tmp_path, bert):
    text = {"hf_model_name": str(bert), "hf_tokenizer_name": str(bert), "context_length": 8}
    text |= {"hf_proj_type": "mlp", "hf_pooler_type": "mean_pooler"}
    config = SMALL | {"text_cfg": text, "custom_text": True}
    spec = architecture(tmp_path, config)
    model, _, tokenizer = load_open_clip(spec, {"seed": 0})
    # As open_clip's own tokenizer of it, and not as long as BERT could read.
    assert tokenizer([SENTENCE]).shape == (1, 8)
    with torch.no_grad():
        theirs = model.encode_text(tokenizer([SENTENCE]))[0].numpy()
    np.testing.assert_allclose(embedded(spec, "text", {"seed": 0}), theirs, rtol=1e-4, atol=1e-5)
    assert spec["architecture"] in model_files(spec)
    coca = COCA | {"text_cfg": text | {"output_tokens": True, "hf_pooler_type": "cls_pooler"}}
    spec = architecture(tmp_path, coca, "coca")
    assert embedded(spec, "text", {"seed": 0}).shape == (16,)


def test_a_tokenizer_that_cannot_be_read_is_told_by_the_path_of_the_architecture(tmp_path, bert):
    text = {"hf_model_name": str(bert), "hf_tokenizer_name": str(tmp_path / "absent")}
    text |= {"context_length": 8, "hf_proj_type": "linear", "hf_pooler_type": "mean_pooler"}
    spec = architecture(tmp_path, SMALL | {"text_cfg": text, "custom_text": True})
    told = f"encoders: cannot read the tokenizer of {tmp_path / 'mine.json'} ("
    with pytest.raises(InputError, match=re.escape(told)):
        load_open_clip(spec, {"seed": 0})


def test_weights_of_a_seed_are_not_those_of_the_towers_folder(tmp_path, bert):
    from transformers import BertModel

    text = {"hf_model_name": str(bert), "hf_tokenizer_name": str(bert), "context_length": 8}
    text |= {"hf_proj_type": "linear", "hf_pooler_type": "mean_pooler"}
    spec = architecture(tmp_path, SMALL | {"text_cfg": text, "custom_text": True})
    stored = BertModel.from_pretrained(bert).embeddings.word_embeddings.weight
    for seed in (0, 1):
        model, _, _ = load_open_clip(spec, {"seed": seed})
        drawn = model.text.transformer.embeddings.word_embeddings.weight
        assert not torch.allclose(drawn, stored)


def test_the_architectures_that_need_transformers_are_those_of_open_clip():
    with hidden("transformers"):
        import open_clip
    for name in clip_models.architectures():
        text = open_clip.get_model_config(name)["text_cfg"]
        wanted = "hf_model_name" in text or "hf_tokenizer_name" in text
        assert needs_transformers(name) == (wanted or "SigLIP" in name), name
    assert sum(map(needs_transformers, clip_models.architectures())) > 40
    assert needs_transformers("hf-hub:someone/model")
    # The tokenizer of a folder is in it, whatever the name of the folder.
    assert not needs_transformers("local-dir:models/ViT-B-16-SigLIP")


@pytest.mark.parametrize(
    ("vision", "size"),
    [
        ({"image_size": [32, 48]}, (32, 48)),
        ({"image_size": 48}, (48, 48)),
        ({"timm_model_name": "vit_tiny_patch16_224", "timm_pool": "avg", "image_size": 48},
         (48, 48)),
        ({"timm_model_name": "resnet10t", "timm_pool": "avg", "image_size": 64}, (64, 64)),
    ],
)  # fmt: skip
def test_images_have_the_size_of_the_architecture(tmp_path, vision, size):
    own = VISION if "timm_model_name" not in vision else {"timm_proj": "linear"}
    spec = architecture(tmp_path, SMALL | {"vision_cfg": {**own, **vision}, "custom_text": True})
    encoder = build_encoder(spec, "image", {"seed": 0}, "float32")
    assert encoder.prepare(PICTURE).shape == (3, *size)
    assert encoder.noise(np.random.default_rng(0)).shape == (3, *size)
    assert embedded(spec, "image", {"seed": 0}).shape == (16,)


def test_another_image_size_is_an_option(tmp_path):
    spec = architecture(tmp_path, SMALL)
    encoder = build_encoder(spec | {"image_size": 64}, "image", {"seed": 0}, "float32")
    assert encoder.prepare(PICTURE).shape == (3, 64, 64)
    assert embedded(spec | {"image_size": 64}, "image", {"seed": 0}).shape == (16,)


@pytest.fixture
def published(tmp_path):
    """The folder of a model as open_clip writes it for a hub, and its architecture's file."""
    spec = architecture(tmp_path, SMALL)
    model, _, _ = load_open_clip(spec, {"seed": 7})
    folder = tmp_path / "model"
    folder.mkdir()
    preparation = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2], "interpolation": "bilinear"}
    content = {"model_cfg": SMALL, "preprocess_cfg": preparation}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder, spec


def test_a_model_in_a_folder_has_its_weights_and_its_preparation(published):
    folder, spec = published
    there = {"library": "open_clip", "architecture": f"local-dir:{folder}"}
    np.testing.assert_allclose(
        embedded(there, "text", {"tag": True}), embedded(spec, "text", {"seed": 7}), rtol=1e-5
    )
    assert not np.allclose(
        embedded(there, "text", {"seed": 1}), embedded(spec, "text", {"seed": 7})
    )
    drawn = build_encoder(there, "text", {"seed": 1}, "float32")
    assert drawn.metadata["weights"] == "random, seed 1"
    encoder = build_encoder(there, "image", {"tag": True}, "float32")
    _, transform, _ = load_open_clip(there, {"tag": True})
    assert transform.transforms[-1].mean == [0.5, 0.4, 0.3]
    assert encoder.metadata["weights"] == "open_clip_model.safetensors"
    assert re.fullmatch("[0-9a-f]{64}", encoder.metadata["weights_sha256"])
    assert model_files(there) == sorted(map(str, folder.iterdir()))


@pytest.mark.parametrize(
    "names",
    [
        ["pytorch_model.bin", "open_clip_model.safetensors"],
        ["b.pth", "a.bin", "z.safetensors"],
        ["model.pth", "another.safetensors"],
        ["b.bin", "a.pth"],
        [],
    ],
)
def test_the_weights_of_a_folder_are_those_that_open_clip_takes(tmp_path, names):
    with hidden("transformers"):
        from open_clip.factory import _find_checkpoint_in_dir

    for name in names:
        (tmp_path / name).touch()
    assert own_weights(f"local-dir:{tmp_path}") == _find_checkpoint_in_dir(tmp_path)


def test_of_two_files_of_weights_in_a_folder_the_one_that_open_clip_takes_is_known(tmp_path):
    with hidden("transformers"):
        from open_clip.factory import _find_checkpoint_in_dir

    stems = ("model", "pytorch_model", "open_clip_model", "open_clip_pytorch_model", "another")
    names = [f"{stem}{end}" for end in (".safetensors", ".bin", ".pth") for stem in stems]
    for number, pair in enumerate(combinations(names, 2)):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name in pair:
            (folder / name).touch()
        assert own_weights(f"local-dir:{folder}") == _find_checkpoint_in_dir(folder), pair


def test_faults_of_a_model_in_a_folder(published, tmp_path):
    folder, _ = published

    def told(**entry: object) -> list[str]:
        return list(open_clip_faults("models.x", {"architecture": f"local-dir:{folder}"} | entry))

    assert told(pretrained=True) == told(seed=1) == []
    own = (
        "which brings its own weights; give `pretrained: true` instead of other weights, or a seed "
        "for random ones."
    )
    for other in ({"pretrained": "openai"}, {"wheel": "w"}, {"weights": "w"}, {"checkpoint": "c"}):
        assert told(**other) == [f"models.x.architecture is 'local-dir:{folder}', {own}"]
    hub = "hf-hub:someone/model"
    assert told(architecture=hub, weights="w") == [f"models.x.architecture is {hub!r}, {own}"]
    assert told(architecture=hub, pretrained=True) == []
    absent = f"local-dir:{tmp_path / 'absent'}"
    assert told(architecture=absent, pretrained=True) == [
        f"models.x.architecture is {absent!r}, which is not a folder in {Path.cwd()}; correct it."
    ]
    assert told(architecture=f"local-dir:{tmp_path}", pretrained=True) == [
        f"models.x.architecture: {tmp_path} has no open_clip_config.json with a model_cfg, so it "
        "is not the folder of an open_clip model; correct the path."
    ]
    (folder / "open_clip_model.safetensors").rename(tmp_path / "x")
    assert told(pretrained=True) == [
        f"models.x.architecture: {folder} has no file of weights (.safetensors, .bin or .pth); put "
        "it there."
    ]
    assert told(seed=1) == []
    assert told(architecture="ViT-B-32", pretrained=True) == [
        "models.x.pretrained is true, which only hf-hub: and local-dir: models take; give a tag of "
        "weights of ViT-B-32, or the path of a file."
    ]


def test_names_are_checked_only_where_open_clip_is_installed(monkeypatch, tmp_path):
    def told(**entry: object) -> list[str]:
        return list(open_clip_faults("models.x", entry))

    (sentence,) = told(architecture="ViT-Z-99", seed=0)
    assert sentence.startswith("models.x.architecture: 'ViT-Z-99' is not a known architecture")
    (sentence,) = told(architecture="ViT-B-32", pretrained="laion3b")
    assert sentence.startswith("models.x.pretrained: 'laion3b' is not a known tag of weights")
    (sentence,) = told(architecture=str(tmp_path / "absent.json"), seed=0)
    assert "absent.json" in sentence
    for path in ("absent/epoch.pt", "absent.pt", "absent/epoch"):
        (sentence,) = told(architecture="ViT-B-32", pretrained=path)
        assert sentence.startswith(f"models.x.pretrained is {path!r}, which is not a file in ")
    monkeypatch.setattr(clip_models, "architectures", dict)
    monkeypatch.setattr(clip_models, "tags", lambda _: {})
    assert told(architecture="ViT-Z-99", seed=0) == []
    assert told(architecture="ViT-B-32", pretrained="laion3b") == []


def test_weights_of_another_architecture_are_refused(published, tmp_path):
    folder, _ = published
    other = architecture(tmp_path, SMALL | {"embed_dim": 8}, "other")
    path = str(folder / "open_clip_model.safetensors")
    with pytest.raises(InputError, match="does not contain weights of"):
        build_encoder(other, "text", {"tag": path}, "float32")
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": SMALL | {"embed_dim": 8}})
    )
    there = {"library": "open_clip", "architecture": f"local-dir:{folder}"}
    with pytest.raises(InputError, match="does not contain weights of"):
        build_encoder(there, "text", {"tag": True}, "float32")


def test_a_hub_that_is_not_reached_is_told(monkeypatch):
    import open_clip.factory

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no such host")

    monkeypatch.setattr(open_clip.factory, "download_pretrained_from_hf", unreachable)
    spec = {"library": "open_clip", "architecture": "hf-hub:someone/model"}
    for weights in ({"tag": True}, {"seed": 0}):
        with pytest.raises(InputError, match=r"could not download .* hub is reachable"):
            build_encoder(spec, "text", weights, "float32")


def test_a_model_of_a_hub_is_read_with_its_weights_or_refused(published, monkeypatch):
    folder, spec = published
    import open_clip.factory

    def cached(_name: str, filename: str | None = None, **_: object) -> str:
        path = folder / (filename or "open_clip_model.safetensors")
        if not path.exists():
            raise FileNotFoundError(path)
        return str(path)

    monkeypatch.setattr(open_clip.factory, "download_pretrained_from_hf", cached)
    there = {"library": "open_clip", "architecture": "hf-hub:someone/model"}
    np.testing.assert_allclose(
        embedded(there, "text", {"tag": True}), embedded(spec, "text", {"seed": 7}), rtol=1e-5
    )
    encoder = build_encoder(there, "image", {"tag": True}, "float32")
    assert encoder.metadata["weights"].startswith("hf-hub:someone/model")
    # open_clip itself would only warn, and leave the weights random.
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(InputError, match="could not download"):
        build_encoder(there, "text", {"tag": True}, "float32")


def test_a_model_of_a_hub_is_told_with_its_revision(monkeypatch):
    cached = {"someone/clip": "hub/models--someone--clip/snapshots/abc123/open_clip_config.json"}
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda name, _: cached.get(name))
    assert _weights_of_place("hf-hub:someone/clip") == "hf-hub:someone/clip, revision abc123"
    assert _weights_of_place("hf-hub:someone/other") == "hf-hub:someone/other"
