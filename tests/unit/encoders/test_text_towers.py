"""The text towers of models that also read images or sound, and encoders that have a decoder."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from modality_gap.encoders import hugging_face
from modality_gap.encoders.build import build_encoder
from modality_gap.encoders.hugging_face import _check_loaded, pool
from modality_gap.encoders.text_towers import ELSEWHERE, TextTower, _tower, load_text_tower
from modality_gap.errors import InputError

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "photo", "of", "dog", "cat", "red"]
SENTENCES = ["a dog", "a photo of a red cat"]
TEXT = {
    "vocab_size": len(WORDS), "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1,
    "num_attention_heads": 2, "max_position_embeddings": 12, "pad_token_id": 0,
}  # fmt: skip
SEES = {
    "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    "image_size": 16, "patch_size": 8,
}  # fmt: skip
ENDS = {"bos_token_id": 2, "eos_token_id": 3, "projection_dim": 6}
JOINT = {
    "CLIP": (TEXT | ENDS, SEES | ENDS, {"projection_dim": 6}),
    "Siglip": (TEXT | {"bos_token_id": 2, "eos_token_id": 3}, SEES, {}),
    "Blip": (TEXT | {"encoder_hidden_size": 8}, SEES, {"projection_dim": 6}),
    "ChineseCLIP": (TEXT, SEES, {"projection_dim": 6}),
    "MetaClip2": (TEXT | ENDS, SEES | ENDS, {"projection_dim": 6}),
}


def tokenizer_in(folder: Path, **about: object) -> None:
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    about = {"tokenizer_class": "BertTokenizer", "model_max_length": 12} | about
    (folder / "tokenizer_config.json").write_text(json.dumps(about))


def embedded(folder: Path, weights: dict | None = None, **options: str) -> np.ndarray:
    spec = {"library": "hugging_face", "model": str(folder)} | options
    encoder = build_encoder(spec, "text", weights or {"folder": str(folder)}, "float32")
    # A folder has no revision of a hub.
    told = f"random, seed {weights['seed']}" if weights else "/model.safetensors"
    assert encoder.metadata["weights"].endswith(told)
    noise = encoder.noise(np.random.default_rng(0))
    # As long as the model reads, of all its words.
    assert len(noise) == 12 and len(WORDS) - 2 <= noise.max() < len(WORDS)
    assert np.isfinite(encoder.encode([noise])).all()
    # Together, so that the shorter one is padded.
    return encoder.encode([encoder.prepare(sentence) for sentence in SENTENCES])


def joint(folder: Path, kind: str) -> Path:
    """A small model of images and text in a folder, with a tokenizer."""
    import transformers

    text, vision, more = JOINT[kind]
    parts = {"text_config": text, "vision_config": vision}
    config = getattr(transformers, f"{kind}Config")(**parts, **more)
    torch.manual_seed(1)
    getattr(transformers, f"{kind}Model")(config).save_pretrained(folder)
    # The tokenizer of SigLIP knows no mask.
    mask = [] if kind == "Siglip" else ["attention_mask"]
    tokenizer_in(folder, model_input_names=["input_ids", *mask])
    return folder


def test_a_projection_comes_before_the_models_own_pooling():
    kept = {"last_hidden_state": "states", "pooler_output": "pooled", "text_embeds": "projected"}
    tokenizer = SimpleNamespace(model_input_names=["input_ids", "attention_mask"])
    ids = mask = torch.ones(1, 2)
    for given, own in ((3, "projected"), (2, "pooled"), (1, None)):
        out = dict(list(kept.items())[:given])
        tower = _tower(None, lambda out=out, **_: out, None, True, (), tokenizer)
        assert tower.read(ids, mask) == ("states", own)


def by_hand(states: np.ndarray, used: list[int], way: str) -> np.ndarray:
    """The vector of one sentence from the states (t, d) of its tokens, of which some are used."""
    chosen, places = states[used], np.array(used) + 1
    return {
        "first": states[0],
        "last": chosen[-1],
        "max": chosen.max(axis=0),
        "mean": chosen.mean(axis=0),
        "mean_sqrt_len": chosen.sum(axis=0) / np.sqrt(len(used)),
        "weighted_mean": np.average(chosen, axis=0, weights=places),
    }[way]


WAYS = ("first", "max", "mean", "mean_sqrt_len", "weighted_mean", "last")


@pytest.mark.parametrize("ways", [*((way,) for way in WAYS), ("mean", "last"), WAYS])
def test_vectors_are_pooled_as_by_hand(ways):
    states = np.random.default_rng(0).normal(size=(4, 5, 3)) - 2  # below the zero of a padding
    used = [[0, 1, 2, 3, 4], [0, 1], [2, 3], [0]]  # of the third, a prompt does not count
    mask = torch.zeros(4, 5, dtype=torch.bool)
    for row, places in enumerate(used):
        mask[row, places] = True
    found = pool(torch.from_numpy(states), mask, ways)
    wanted = [
        np.concatenate([by_hand(one, places, way) for way in ways])
        for one, places in zip(states, used, strict=True)
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("kind", JOINT)
def test_a_model_of_images_and_text_gives_the_vector_that_images_are_compared_with(tmp_path, kind):
    import transformers

    folder = joint(tmp_path / "model", kind)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = getattr(transformers, f"{kind}Model").from_pretrained(folder).eval()
    found = embedded(folder)
    for vector, sentence in zip(found, SENTENCES, strict=True):
        padding = {"padding": "max_length", "max_length": 12} if kind == "Siglip" else {}
        with torch.no_grad():
            theirs = model.get_text_features(**tokenizer(sentence, return_tensors="pt", **padding))
        np.testing.assert_allclose(vector, theirs.pooler_output[0], rtol=1e-4, atol=1e-6)
    assert not np.allclose(found, embedded(folder, {"seed": 3}))
    # Unlike the mean over tokens, which the configuration may ask for.
    assert not np.allclose(found[:, :4], embedded(folder, pooling="mean")[:, :4])


@pytest.mark.parametrize(("kind", "vector"), [
    ("CLIPTextModelWithProjection", "text_embeds"), ("CLIPTextModel", "pooler_output"),
])  # fmt: skip
def test_a_tower_that_was_saved_alone_has_its_own_vector(tmp_path, kind, vector):
    import transformers

    torch.manual_seed(1)
    model = getattr(transformers, kind)(transformers.CLIPTextConfig(**TEXT, **ENDS)).eval()
    model.save_pretrained(tmp_path)
    tokenizer_in(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for ours, sentence in zip(embedded(tmp_path), SENTENCES, strict=True):
        with torch.no_grad():
            theirs = model(**tokenizer(sentence, return_tensors="pt"))
        np.testing.assert_allclose(ours, getattr(theirs, vector)[0], rtol=1e-4, atol=1e-6)
    one, again, other = (embedded(tmp_path, {"seed": seed}) for seed in (0, 0, 4))
    assert one.shape == (2, len(ours))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other) and not np.allclose(one[-1], ours)


@pytest.mark.parametrize("kind", ["T5Model", "T5EncoderModel", "BartModel"])
def test_of_an_encoder_and_decoder_the_encoder_is_taken(tmp_path, kind):
    import transformers

    size = len(WORDS)
    config = (
        transformers.BartConfig(
            vocab_size=size, d_model=8, encoder_layers=1, decoder_layers=1,
            encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8,
            decoder_ffn_dim=8, max_position_embeddings=12, pad_token_id=0,
        )
        if kind == "BartModel"
        else transformers.T5Config(
            vocab_size=size, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, pad_token_id=0,
            decoder_start_token_id=0,
        )
    )  # fmt: skip
    torch.manual_seed(1)
    model = getattr(transformers, kind)(config).eval()
    model.save_pretrained(tmp_path)
    tokenizer_in(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for ours, sentence in zip(embedded(tmp_path), SENTENCES, strict=True):
        tokens = tokenizer(sentence, return_tensors="pt")
        with torch.no_grad():
            states = model.get_encoder()(
                input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
            )
        mean = states.last_hidden_state[0].mean(axis=0)
        np.testing.assert_allclose(ours, mean, rtol=1e-4, atol=1e-5)
    assert embedded(tmp_path, {"seed": 0}).shape == (2, 8)


@pytest.mark.parametrize("kind", ["CLIP", "Siglip", "T5"])
def test_in_onnx_runtime_the_vectors_are_the_same(tmp_path, kind):
    """Vectors at the end of a sentence, sentences of one length beside shorter noise, and positions
    that are relative."""
    import transformers

    if kind == "T5":
        config = transformers.T5Config(
            vocab_size=len(WORDS), d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2,
            pad_token_id=0, decoder_start_token_id=0,
        )  # fmt: skip
        transformers.T5EncoderModel(config).save_pretrained(tmp_path)
        tokenizer_in(tmp_path)
    folder = tmp_path if kind == "T5" else joint(tmp_path / "model", kind)
    spec = {"library": "hugging_face", "model": str(folder)}
    plain, other = (
        build_encoder(spec, "text", {"folder": str(folder)}, precision)
        for precision in ("float32", "float32_onnx")
    )
    noise = [plain.noise(np.random.default_rng(5))[:7]]
    for inputs in ([plain.prepare(sentence) for sentence in SENTENCES], noise):
        np.testing.assert_allclose(other.encode(inputs), plain.encode(inputs), atol=1e-5)


def test_weights_of_the_text_tower_must_be_there_and_those_of_the_other_need_not(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = joint(tmp_path / "model", "CLIP")
    path = folder / "model.safetensors"
    stored = load_file(path)
    found = embedded(folder)
    save_file(
        {k: v for k, v in stored.items() if not k.startswith("vision")}, path, {"format": "pt"}
    )
    np.testing.assert_array_equal(embedded(folder), found)
    save_file({k: v for k, v in stored.items() if k != "text_projection.weight"}, path,
              {"format": "pt"})  # fmt: skip
    with pytest.raises(InputError, match=r"lack text_projection.weight; download them again"):
        embedded(folder)


def test_weights_of_a_hub_are_told_with_their_revision(tmp_path, monkeypatch):
    folder = str(joint(tmp_path / "model", "CLIP"))
    load = hugging_face._load

    def of_hub(*given):
        *parts, _revision, layers = load(*given)
        return *parts, "abc123", layers

    monkeypatch.setattr(hugging_face, "_load", of_hub)
    spec = {"library": "hugging_face", "model": folder}
    about = build_encoder(spec, "text", {"folder": folder}).metadata
    assert about["weights"] == f"{folder}, revision abc123"
    assert build_encoder(spec, "text", {"seed": 2}).metadata["weights"] == "random, seed 2"


@pytest.mark.parametrize(
    ("key", "elsewhere"),
    [
        ("vision_model.embeddings.weight", True),  # CLIP and its like
        ("visual_projection.weight", True),
        ("audio_model.audio_encoder.norm.weight", True),  # CLAP
        ("audio_projection.linear1.weight", True),
        ("logit_scale", True),
        ("logit_scale_a", True),
        ("decoder.block.0.layer.weight", True),  # T5
        ("text_model.embeddings.weight", False),
        ("text_projection.weight", False),
        ("encoder.block.0.layer.weight", False),
        ("shared.weight", False),
    ],
)
def test_weights_of_a_sentence_are_known_by_their_names(key, elsewhere):
    assert key.startswith(ELSEWHERE) is elsewhere


def test_weights_that_are_not_in_safetensors_are_not_read(tmp_path):
    """The older form is a pickle."""
    import transformers

    tokenizer_in(tmp_path)
    config = transformers.BertConfig(**TEXT)
    config.save_pretrained(tmp_path)
    torch.manual_seed(1)
    model = transformers.BertModel(config)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"cannot read the Hugging Face model .*safetensors"):
        embedded(tmp_path)
    model.save_pretrained(tmp_path)
    assert embedded(tmp_path).shape == (2, 8)


def test_an_absent_pooler_matters_only_where_it_is_used():
    _check_loaded("M", ("mean",), ("pooler.dense.weight",))
    with pytest.raises(
        InputError, match=r"lack pooler\.dense\.weight; set options.pooling to `mean`"
    ):
        _check_loaded("M", ("own",), ("pooler.dense.weight",))
    for pooling in (("mean",), ("own",)):
        with pytest.raises(InputError, match=r"'M' lack embeddings\.weight; download them again"):
            _check_loaded("M", pooling, ("embeddings.weight",))


NO_POOLER = "has no pooler; set options.pooling to `mean`."
NO_TOKENS = "gives no vectors of tokens; set options.pooling to `own`."


@pytest.mark.parametrize(
    ("pooling", "states", "own", "said"),
    [
        ("own", (2, 3, 8), None, NO_POOLER),
        ("own", (2, 3, 8), (2, 3, 8), NO_POOLER),  # a vector of each token is none of a sentence
        ("mean", None, (2, 8), NO_TOKENS),
    ],
)
def test_what_a_model_does_not_give_is_not_pooled(
    tmp_path, monkeypatch, pooling, states, own, said
):
    def load(*given: object) -> TextTower:
        found = tuple(shape and torch.ones(shape) for shape in (states, own))
        return replace(load_text_tower(*given), read=lambda _ids, _mask: found)

    monkeypatch.setattr(hugging_face, "load_text_tower", load)
    folder = joint(tmp_path / "model", "CLIP")
    spec = {"library": "hugging_face", "model": str(folder), "pooling": pooling}
    encoder = build_encoder(spec, "text", {"folder": str(folder)}, "float32")
    with pytest.raises(InputError, match=re.escape(f"encoders: {str(folder)!r} {said}")):
        encoder.encode([encoder.prepare(sentence) for sentence in SENTENCES])


def test_a_model_without_a_vector_of_a_sentence_is_refused(monkeypatch):
    import transformers

    class Reader:
        def __init__(self, _config: object) -> None:
            pass

    monkeypatch.setattr(transformers.AutoModel, "from_config", Reader)
    with pytest.raises(ValueError, match="llava models do not embed sentences"):
        load_text_tower("x", transformers.LlavaConfig(), None, 0, {})


def test_how_a_model_of_images_and_text_is_pooled_may_be_said_in_its_folder(tmp_path):
    folder = joint(tmp_path / "model", "CLIP")
    own, mean = embedded(folder), embedded(folder, pooling="mean")
    kinds = "sentence_transformers.models."
    steps = [
        {"idx": 0, "name": "0", "path": "", "type": f"{kinds}Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{kinds}Pooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(steps))
    (folder / "1_Pooling").mkdir()
    about = {"word_embedding_dimension": 8, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(about))
    found = embedded(folder)
    np.testing.assert_allclose(found, mean, rtol=1e-5)
    assert found.shape != own.shape


def test_the_folder_of_a_clip_of_sentence_transformers(tmp_path):
    joint(tmp_path / "0_CLIPModel", "CLIP")
    kind = "sentence_transformers.models.CLIPModel"
    steps = [{"idx": 0, "name": "0", "path": "0_CLIPModel", "type": kind}]
    (tmp_path / "modules.json").write_text(json.dumps(steps))
    np.testing.assert_array_equal(embedded(tmp_path), embedded(tmp_path / "0_CLIPModel"))
