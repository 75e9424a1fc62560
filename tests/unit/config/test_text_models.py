"""Text encoders of Hugging Face: what their files say is done, or refused with the file's name."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from modality_gap.config.text_models import (
    Dense,
    TextPipeline,
    folder_fault,
    knows_words,
    pipeline_of,
    reader_of,
    tokenizer_fault,
)
from modality_gap.encoders.build import build_encoder
from modality_gap.encoders.hugging_face import _hugging_face_reader, hugging_face_faults, pool
from modality_gap.errors import InputError

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "photo", "of", "dog", "query", ":"]
VOCABULARY += ["cat", "red", "two", "dogs", "##s", "in", "the", "snow"]
SENTENCES = ["a photo of a dog", "two cats", "the red dog in the snow of a photo"]
ROOT = "sentence_transformers.models."


@pytest.fixture
def transformers():
    import transformers

    return transformers


@pytest.fixture
def folder(tmp_path, transformers) -> Path:
    """A small BERT with its tokenizer, of which no file says how it is pooled."""
    path = tmp_path / "model"
    torch.manual_seed(1)
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=32,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(path)
    (path / "vocab.txt").write_text("\n".join(VOCABULARY))
    about = {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 32}
    (path / "tokenizer_config.json").write_text(json.dumps(about))
    return path


def write(folder: Path, name: str, content: object) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def modules(folder: Path, *kinds: str, first: str = "") -> None:
    kinds = ("Transformer", *kinds)
    paths = [first, *(f"{number}_{kind}" for number, kind in enumerate(kinds) if number)]
    steps = [{"idx": 0, "name": "0", "path": path, "type": ROOT + kind}
             for kind, path in zip(kinds, paths, strict=True)]  # fmt: skip
    write(folder, "modules.json", steps)


def dense(folder: Path, path: str, inputs: int, outputs: int, **more: object) -> dict:
    torch.manual_seed(2)
    weights = {"linear.weight": torch.randn(outputs, inputs), "linear.bias": torch.randn(outputs)}
    config = {"in_features": inputs, "out_features": outputs, "bias": True} | more
    config.setdefault("activation_function", "torch.nn.modules.activation.Tanh")
    write(folder, f"{path}/config.json", config)
    save_file(weights, folder / path / "model.safetensors")
    return {name.removeprefix("linear."): value.numpy() for name, value in weights.items()}


def embedded(folder: Path, sentences: list[str], **spec: str) -> np.ndarray:
    spec = {"library": "hugging_face", "model": str(folder)} | spec
    encoder = build_encoder(spec, "text", {"folder": str(folder)}, "float32")
    # Together, so that they are padded.
    return encoder.encode([encoder.prepare(sentence) for sentence in sentences])


def states(transformers, folder: Path, sentence: str, **more: object) -> np.ndarray:
    """The last states (t, d) of one sentence, as the library gives them."""
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(
        sentence, return_tensors="pt", **more
    )
    with torch.inference_mode():
        model = transformers.AutoModel.from_pretrained(folder).eval()
        return model(**tokens).last_hidden_state[0].numpy()


def weighted(x: np.ndarray) -> np.ndarray:
    weights = np.arange(1, len(x) + 1)
    return weights @ x / weights.sum()


BY_HAND = {
    "pooling_mode_cls_token": lambda x: x[0],
    "pooling_mode_max_tokens": lambda x: x.max(axis=0),
    "pooling_mode_mean_tokens": lambda x: x.mean(axis=0),
    "pooling_mode_mean_sqrt_len_tokens": lambda x: x.sum(axis=0) / np.sqrt(len(x)),
    "pooling_mode_weightedmean_tokens": weighted,
    "pooling_mode_lasttoken": lambda x: x[-1],
}


# --- what files say, without a model --------------------------------------------------------------

TRANSFORMER = {"type": ROOT + "Transformer", "path": ""}
POOLED = {"type": ROOT + "Pooling", "path": "1_Pooling"}
MEAN = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
LAYER = {"in_features": 8, "out_features": 5, "activation_function": "torch.nn.ReLU"}


def step(kind: str, path: str) -> dict[str, str]:
    return {"type": ROOT + kind, "path": path}


def said(files: dict[str, object], pooling: str | None = None) -> TextPipeline:
    return pipeline_of("bge", files.get, pooling)


def refused(files: dict[str, object], pooling: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        said(files, pooling)
    return str(caught.value)


def test_where_no_file_speaks_the_mean_over_tokens_is_taken():
    assert said({}) == TextPipeline(("mean",), (), "", None, False, "", True)
    assert said({"1_Pooling/config.json": {"pooling_mode_lasttoken": True}}).pooling == ("last",)
    assert said({"modules.json": [TRANSFORMER]}).pooling == ("mean",)


def test_all_that_files_say_is_heard():
    files = {
        "modules.json": [
            step("Transformer", "0_Transformer/"),
            POOLED,
            step("Dense", "2_Dense"),
            step("Normalize", "3_Normalize"),
            step("Dense", "/4_Dense/"),
        ],
        "1_Pooling/config.json": {"pooling_mode_max_tokens": True, "include_prompt": False},
        "2_Dense/config.json": LAYER | {"bias": False},
        "4_Dense/config.json": {"in_features": 5, "out_features": 3},
        "0_Transformer/sentence_roberta_config.json": {"max_seq_length": 77, "do_lower_case": 1},
        "0_Transformer/sentence_xlnet_config.json": {"max_seq_length": 5},
        "sentence_bert_config.json": {"max_seq_length": 6},
        "config_sentence_transformers.json": {
            "prompts": {"a": "query: ", "b": "text: "},
            "default_prompt_name": "b",
            "truncate_dim": None,
        },
    }
    layers = (
        Dense("2_Dense", inputs=8, outputs=5, bias=False, activation="ReLU"),
        "normalise",
        Dense("4_Dense", inputs=5, outputs=3, bias=True, activation="Tanh"),
    )
    rest = ("0_Transformer", 77, True, "text: ")
    assert said(files) == TextPipeline(("max",), layers, *rest, False, declared=True)
    # A setting takes the place of the pooling and of what is behind it, and of nothing else.
    assert said(files, "last") == TextPipeline(("last",), (), *rest, True)
    assert said(files).described() == (
        "the prompt 'text: ', maximum over tokens, 2_Dense, normalise, 4_Dense"
    )
    assert TextPipeline(("first", "mean")).described() == "the first token and mean over tokens"
    ways = ("first", "max", "mean", "mean_sqrt_len", "weighted_mean", "last", "own")
    assert len({TextPipeline((way,)).described() for way in ways}) == len(ways)


@pytest.mark.parametrize(
    "kind", ["bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"]
)
def test_every_name_of_the_transformers_settings_is_known(kind):
    pipeline = said({f"sentence_{kind}_config.json": {"max_seq_length": 9}})
    assert (pipeline.max_length, pipeline.lower_case) == (9, False)


@pytest.mark.parametrize(
    ("config", "ways"),
    [
        ({"pooling_mode": "cls"}, ("first",)),
        ({"pooling_mode": ["lasttoken", "weightedmean", "max"]}, ("max", "weighted_mean", "last")),
        ({"pooling_mode": "mean_sqrt_len_tokens"}, ("mean_sqrt_len",)),
        ({"pooling_mode": "mean"}, ("mean",)),
        (MEAN | {"pooling_mode": "cls"}, ("mean",)),
        # In the order of sentence-transformers, whatever the order of the file.
        (
            dict.fromkeys(reversed(BY_HAND), True),
            ("first", "max", "mean", "mean_sqrt_len", "weighted_mean", "last"),
        ),
    ],
)
def test_both_ways_to_write_a_pooling_are_read(config, ways):
    pipeline = said({"modules.json": [TRANSFORMER, POOLED], "1_Pooling/config.json": config})
    assert (pipeline.pooling, pipeline.prompt_counts) == (ways, True)


@pytest.mark.parametrize("name", ["Identity", "Tanh", "ReLU", "GELU", "Sigmoid"])
def test_activations_are_those_of_torch(name):
    assert hasattr(torch.nn, name)
    for library in ("torch.nn", "torch.nn.modules.activation"):
        files = {
            "modules.json": [TRANSFORMER, POOLED, step("Dense", "2")],
            "1_Pooling/config.json": MEAN,
            "2/config.json": LAYER | {"activation_function": f"{library}.{name}"},
        }
        assert said(files).layers[0].activation == name


REFUSED = [
    ({"1_Pooling/config.json": None}, "1_Pooling/config.json is missing"),
    ({"1_Pooling/config.json": ["mean"]}, "1_Pooling/config.json is missing"),
    ({"1_Pooling/config.json": {"pooling_mode": "mode"}}, "names no known pooling"),
    ({"1_Pooling/config.json": {"pooling_mode": []}}, "names no known pooling"),
    ({"1_Pooling/config.json": MEAN | {"pooling_mode_x": 1}}, "asks for pooling_mode_x"),
    ({"2_Dense/config.json": None}, "2_Dense/config.json is missing"),
    ({"2_Dense/config.json": [LAYER]}, "2_Dense/config.json is missing"),
    ({"2_Dense/config.json": {"in_features": 8}}, "2_Dense/config.json has no 'out_features'"),
    ({"2_Dense/config.json": {"out_features": 8}}, "2_Dense/config.json has no 'in_features'"),
    (
        {"2_Dense/config.json": LAYER | {"activation_function": "mine.ReLU"}},
        "2_Dense/config.json has the activation mine.ReLU",
    ),
    (
        {"2_Dense/config.json": LAYER | {"module_input_name": "tokens"}},
        "2_Dense/config.json takes tokens",
    ),
    ({"modules.json": [POOLED]}, "modules.json does not begin with the only transformer"),
    ({"modules.json": []}, "modules.json does not begin with the only transformer"),
    ({"modules.json": [TRANSFORMER, TRANSFORMER]}, "does not begin with the only transformer"),
    ({"modules.json": [TRANSFORMER, POOLED, POOLED]}, "not list its pooling after"),
    (
        {"modules.json": [TRANSFORMER, step("Normalize", "1"), POOLED]},
        "list its pooling after",
    ),
    (
        {"modules.json": [{"type": 1, "path": ""}]},
        "modules.json is not a list of modules with type",
    ),
    ({"modules.json": [{"type": "x"}]}, "modules.json is not a list of modules with type"),
    ({"modules.json": [TRANSFORMER, step("CNN", "1")]}, "modules.json has a module CNN"),
    (
        {"modules.json": None},
        "modules.json is missing, although the model has a 2_Dense",
    ),
    ({"config_sentence_transformers.json": {"truncate_dim": 0}}, "cuts vectors short"),
]


@pytest.mark.parametrize(("change", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_cannot_be_done_is_refused(change, words):
    files = {
        "modules.json": [TRANSFORMER, POOLED, step("Dense", "2_Dense")],
        "1_Pooling/config.json": MEAN,
        "2_Dense/config.json": LAYER | {"module_input_name": "sentence_embedding"},
    }
    assert len(said(files).layers) == 1
    told = refused(files | change)
    assert words in told
    assert told.startswith(f"bge/{next(iter(change))} ")
    if "transformer" in words or "not a list" in words:
        assert words in refused(files | change, "mean")
    else:
        assert said(files | change, "mean").layers == ()


@pytest.mark.parametrize("about", [{}, {"prompts": {}}, {"prompts": {"a": "x"}}])
def test_a_default_prompt_that_is_not_there_is_refused(about):
    about = about | {"default_prompt_name": "b"}
    told = refused({"config_sentence_transformers.json": about}, "mean")
    assert "the default prompt 'b' is not one of the prompts. Correct it there." in told


def test_files_are_read_as_json_in_utf8(tmp_path):
    (tmp_path / "a.json").write_text('{"prompt": "Füge ein: "}', encoding="utf-8")
    read = reader_of(tmp_path)
    assert (read("a.json"), read("b.json")) == ({"prompt": "Füge ein: "}, None)


@pytest.mark.parametrize(
    ("word", "about", "is_enough"),
    [
        ("tokenizer.json", {}, True),
        ("vocab.json", {}, True),
        ("spiece.model", {}, True),
        ("cl100k.tiktoken", {}, True),
        ("tekken.json", {}, True),
        ("merges.txt", {}, False),
        ("", {"tokenizer_class": "CanineTokenizer"}, True),
        ("", {"tokenizer_class": "BertTokenizer"}, False),
    ],
)
def test_a_tokenizer_is_known_by_its_files(tmp_path, word, about, is_enough):
    inner = tmp_path / "0_Transformer"
    write(tmp_path, "modules.json", [step("Transformer", "0_Transformer")])
    write(inner, "config.json", {})
    write(inner, "tokenizer_config.json", about)
    (tmp_path / "tokenizer.json").touch()  # beside the transformer's folder it is of no use
    if word:
        (inner / word).touch()
    told = folder_fault(str(tmp_path), None)
    assert told is None if is_enough else told.startswith(f"{inner} has no tokenizer")
    (inner / "config.json").unlink()
    assert folder_fault(str(tmp_path), None).startswith(f"{inner} has no config.json")


def test_weights_of_every_layer_are_looked_for(tmp_path):
    steps = [TRANSFORMER, POOLED, step("Normalize", "2"), step("Dense", "3"), step("Dense", "4")]
    write(tmp_path, "modules.json", steps)
    for name, content in (("1_Pooling/", MEAN), ("3/", LAYER), ("4/", LAYER), ("", {})):
        write(tmp_path, f"{name}config.json", content)
    for name in ("tokenizer.json", "3/model.safetensors"):
        (tmp_path / name).touch()
    assert folder_fault(str(tmp_path), None).startswith(f"{tmp_path / '4'} has no model.safet")
    assert folder_fault(str(tmp_path), "mean") is None
    entry = {"model": str(tmp_path)}
    assert list(hugging_face_faults("encoders.x", entry)) == [
        f"encoders.x.model: {folder_fault(str(tmp_path), None)}"
    ]
    pooled = entry | {"options": {"pooling": "mean"}}
    assert list(hugging_face_faults("encoders.x", pooled)) == []
    for absent in (str(tmp_path / "absent"), "./absent", "../absent", "~/absent"):
        assert list(hugging_face_faults("encoders.x", {"model": absent})) == [
            f"encoders.x.model is {absent!r}, which is not a folder in {Path.cwd()}; correct it."
        ]
    assert list(hugging_face_faults("encoders.x", {"model": "someone/absent"})) == []
    (tmp_path / "4/model.safetensors").touch()
    assert folder_fault(str(tmp_path), None) is None


class Tokenizer:
    """A tokenizer of so many words, of which some are special: 0 begins and 1 is unknown."""

    all_special_ids = (0, 1)

    def __init__(self, words: int, known: str = "dog"):
        self.words, self.known = words, known

    def __len__(self):
        return self.words

    def __call__(self, text):
        return {"input_ids": [0, *(7 if word == self.known else 1 for word in text.split())]}


@pytest.mark.parametrize(
    ("words", "rows", "fits"),
    [
        (1000, 1000, True),
        (1001, 1000, False),
        (1000, 1128, True),
        (1000, 1129, False),
        (97_000, 100_000, True),
        (96_999, 100_000, False),
    ],
)
def test_a_model_has_few_more_vectors_than_words(words, rows, fits):
    told = f"its tokenizer has {words} tokens, but the model has vectors for {rows}"
    assert tokenizer_fault(Tokenizer(words), rows) == (None if fits else told)


@pytest.mark.parametrize(("known", "knows"), [("dog", True), ("한국", False), ("개", True)])
def test_a_tokenizer_knows_a_word_of_some_language(known, knows):
    assert knows_words(Tokenizer(1000, known)) == knows
    told = None if knows else "its tokenizer has no vocabulary"
    assert tokenizer_fault(Tokenizer(1000, known), 1000) == told


# --- what is done with a model --------------------------------------------------------------------


@pytest.mark.parametrize("with_modules", [True, False])
@pytest.mark.parametrize("mode", BY_HAND)
def test_pooling_is_the_folders(transformers, folder, mode, with_modules):
    write(folder, "1_Pooling/config.json", {key: key == mode for key in BY_HAND})
    if with_modules:
        modules(folder, "Pooling")
    found = embedded(folder, SENTENCES)
    for sentence, vector in zip(SENTENCES, found, strict=True):
        expected = BY_HAND[mode](states(transformers, folder, sentence))
        np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_several_poolings_come_one_behind_the_other(transformers, folder):
    modules(folder, "Pooling")
    both = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}
    write(folder, "1_Pooling/config.json", both)
    x = states(transformers, folder, SENTENCES[0])
    expected = np.concatenate([x[0], x.mean(axis=0)])
    np.testing.assert_allclose(embedded(folder, SENTENCES)[0], expected, atol=1e-5)
    for short in (["cls", "mean"], "cls"):
        write(folder, "1_Pooling/config.json", {"pooling_mode": short})
        expected = expected[: 8 * (2 - isinstance(short, str))]
        np.testing.assert_allclose(embedded(folder, SENTENCES)[0], expected, atol=1e-5)


def test_a_setting_takes_the_place_of_the_folders_pooling(transformers, folder):
    modules(folder, "Pooling", "Normalize", "LSTM")
    write(folder, "1_Pooling/config.json", {"pooling_mode_mean_tokens": True})
    x = states(transformers, folder, SENTENCES[1])
    by_hand = {"first": x[0], "last": x[-1], "max": x.max(axis=0), "mean": x.mean(axis=0)}
    for pooling, expected in by_hand.items():
        found = embedded(folder, SENTENCES, pooling=pooling)[1]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_layers_behind_the_pooling_come_in_their_order(transformers, folder):
    write(folder, "1_Pooling/config.json", {"pooling_mode_mean_tokens": True})
    mean = states(transformers, folder, SENTENCES[0]).mean(axis=0)
    first = dense(folder, "2_Dense", 8, 5)
    identity = "torch.nn.modules.linear.Identity"
    dense(folder, "3_Dense", 8, 5, activation_function=identity)
    through = np.tanh(first["weight"] @ mean + first["bias"])
    unit = mean / np.linalg.norm(mean)
    for kinds, expected in (
        (("Dense", "Normalize"), through / np.linalg.norm(through)),
        (("Normalize",), unit),
        (("Normalize", "Dense"), first["weight"] @ unit + first["bias"]),
    ):
        modules(folder, "Pooling", *kinds)
        np.testing.assert_allclose(embedded(folder, SENTENCES)[0], expected, atol=1e-5)
    spec = {"library": "hugging_face", "model": str(folder)}
    random = build_encoder(spec, "text", {"seed": 0}, "float32")
    assert random.encode([random.prepare("a dog")]).shape == (1, 5)
    assert "mean over tokens, normalise, 3_Dense" in random.metadata["preprocessing"]


def test_length_case_and_prompt_are_the_folders(transformers, folder):
    modules(folder, "Pooling")
    write(folder, "1_Pooling/config.json", {"pooling_mode_mean_tokens": True})
    plain = embedded(folder, ["A Photo", "a photo"])
    assert not np.allclose(*plain, atol=1e-3)  # capitals are unknown words
    write(folder, "sentence_bert_config.json", {"max_seq_length": 6, "do_lower_case": True})
    capital, long = embedded(folder, ["A Photo", "a photo of a dog of a cat"])
    np.testing.assert_allclose(capital, plain[1], atol=1e-5)
    x = states(transformers, folder, "a photo of a dog of a cat", truncation=True, max_length=6)
    assert len(x) == 6
    np.testing.assert_allclose(long, x.mean(axis=0), atol=1e-5)

    about = {"prompts": {"search": "query: ", "other": "the "}, "default_prompt_name": None}
    write(folder, "config_sentence_transformers.json", about)
    np.testing.assert_allclose(embedded(folder, ["a dog"]), embedded(folder, ["A dog"]), atol=1e-5)
    write(folder, "config_sentence_transformers.json", about | {"default_prompt_name": "search"})
    x = states(transformers, folder, "query: a dog", truncation=True, max_length=6)
    np.testing.assert_allclose(embedded(folder, ["a dog"])[0], x.mean(axis=0), atol=1e-5)
    pooling = {"pooling_mode_mean_tokens": True, "include_prompt": False}
    write(folder, "1_Pooling/config.json", pooling)
    # Without [CLS], "query" and ":".
    np.testing.assert_allclose(embedded(folder, ["a dog"])[0], x[3:].mean(axis=0), atol=1e-5)
    write(folder, "config_sentence_transformers.json", about | {"default_prompt_name": "absent"})
    assert "the default prompt 'absent'" in folder_fault(str(folder), None)


def test_a_transformer_may_lie_in_a_folder_of_its_own(transformers, folder, tmp_path):
    outer = tmp_path / "outer"
    modules_in = outer / "0_Transformer"
    outer.mkdir()
    folder.rename(modules_in)
    modules(outer, "Pooling", first="0_Transformer")
    write(outer, "1_Pooling/config.json", {"pooling_mode_lasttoken": True})
    write(modules_in, "sentence_bert_config.json", {"max_seq_length": 5})
    x = states(transformers, modules_in, SENTENCES[0], truncation=True, max_length=5)
    np.testing.assert_allclose(embedded(outer, SENTENCES)[0], x[-1], atol=1e-5)


FAULTS = {
    "another module": ("modules.json", [{"type": ROOT + "Transformer", "path": ""},
                                        {"type": ROOT + "LSTM", "path": "1_LSTM"}], "LSTM"),
    "code of one's own": ("modules.json", [{"type": ROOT + "Transformer", "path": ""},
                                           {"type": "mine.Pooling", "path": "1"}], "Pooling"),
    "no transformer": ("modules.json", [{"type": ROOT + "Pooling", "path": "1_Pooling"}], "begin"),
    "no list": ("modules.json", {"a": 1}, "not a list of modules"),
    "layer before pooling": ("modules.json", [{"type": ROOT + "Transformer", "path": ""},
                                              {"type": ROOT + "Normalize", "path": "1"},
                                              {"type": ROOT + "Pooling", "path": "1_Pooling"}],
                             "pooling after the transformer"),
    "no module of pooling": ("modules.json", [{"type": ROOT + "Transformer", "path": ""},
                                              {"type": ROOT + "Normalize", "path": "1"}],
                             "pooling after the transformer"),
    "two modules of pooling": ("modules.json", [{"type": ROOT + "Transformer", "path": ""},
                                                {"type": ROOT + "Pooling", "path": "1_Pooling"},
                                                {"type": ROOT + "Pooling", "path": "1_Pooling"}],
                               "pooling after the transformer"),
    "unknown pooling": ("1_Pooling/config.json", {"pooling_mode_mode": True}, "pooling_mode_mode"),
    "no pooling": ("1_Pooling/config.json", {"pooling_mode_cls_token": False}, "no known pooling"),
    "tokens through a layer": ("2_Dense/config.json", {"module_input_name": "token_embeddings"},
                               "takes token_embeddings"),
    "unknown activation": ("2_Dense/config.json", {"in_features": 8, "out_features": 5,
                           "activation_function": "torch.nn.modules.activation.PReLU"}, "PReLU"),
    "fewer dimensions": ("config_sentence_transformers.json", {"truncate_dim": 4}, "truncate_dim"),
}  # fmt: skip


@pytest.mark.parametrize(("file", "content", "words"), FAULTS.values(), ids=FAULTS)
def test_what_is_not_done_here_is_refused_with_its_file(tmp_path, file, content, words):
    modules(tmp_path, "Pooling", "Dense")
    write(tmp_path, "1_Pooling/config.json", {"pooling_mode_mean_tokens": True})
    write(tmp_path, file, content)
    told = folder_fault(str(tmp_path), None)
    assert told.startswith(f"{tmp_path}/{file} ")
    assert words in told
    assert "set options.pooling (mean, first, last" in told
    # Where the setting says how, nothing of this counts.
    if words not in ("begin", "not a list of modules"):
        assert pipeline_of(str(tmp_path), reader_of(tmp_path), "first").pooling == ("first",)


def test_pooling_and_a_layer_without_their_order_are_refused(folder):
    write(folder, "1_Pooling/config.json", {"pooling_mode_mean_tokens": True})
    dense(folder, "2_Dense", 8, 5)
    assert "modules.json is missing" in folder_fault(str(folder), None)
    modules(folder, "Pooling", "Dense")
    (folder / "2_Dense/model.safetensors").rename(folder / "2_Dense/pytorch_model.bin")
    assert "2_Dense has no model.safetensors" in folder_fault(str(folder), None)
    write(folder, "modules.json", [])
    (folder / "modules.json").write_text("{")
    assert "modules.json: not valid JSON" in folder_fault(str(folder), None)


def test_a_folder_without_a_tokenizer_is_refused(folder, monkeypatch):
    assert folder_fault(str(folder), None) is None
    (folder / "vocab.txt").unlink()
    told = folder_fault(str(folder), None)
    assert told.startswith(f"{folder} has no tokenizer (tokenizer.json, vocab.txt or the like)")
    with pytest.raises(InputError, match="has no tokenizer"):
        embedded(folder, SENTENCES)
    about = {"tokenizer_class": "ByT5Tokenizer"}
    write(folder, "tokenizer_config.json", about)
    assert folder_fault(str(folder), None) is None
    (folder / "config.json").unlink()
    assert "has no config.json" in folder_fault(str(folder), None)
    assert folder_fault("BAAI/bge-small-en", None) is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (VOCABULARY[:5], "tokenizer has 5 tokens, but the model has vectors for 1000"),
        ([*VOCABULARY, *map(str, range(1000))], "tokenizer has 1019 tokens"),
        ([*VOCABULARY[:5], *(f"x{number}" for number in range(995))], "has no vocabulary"),
    ],
)
def test_a_tokenizer_that_is_not_the_models_is_refused(transformers, folder, words, told):
    config = transformers.BertConfig(
        vocab_size=1000, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words))
    with pytest.raises(InputError, match=re.escape(told)) as caught:
        embedded(folder, SENTENCES)
    assert "\n" not in str(caught.value)
    # Some rows more than words, to a round number, are usual.
    many = [*VOCABULARY, *(f"x{number}" for number in range(900))]
    (folder / "vocab.txt").write_text("\n".join(many))
    assert np.isfinite(embedded(folder, SENTENCES)).all()


def test_open_clip_with_a_tokenizer_that_knows_no_word_is_refused(folder, tmp_path):
    write(tmp_path, "mine.json", {
        "embed_dim": 8,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {"hf_model_name": str(folder), "hf_tokenizer_name": str(folder),
                     "hf_model_pretrained": False, "context_length": 8,
                     "hf_proj_type": "linear", "hf_pooler_type": "mean_pooler"},
    })  # fmt: skip
    code = f"""
from modality_gap.encoders.build import build_encoder
spec = {{"library": "open_clip", "architecture": {str(tmp_path / "mine.json")!r}}}
build_encoder(spec | {{"hugging_face": True}}, "text", {{"seed": 0}})
"""
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY[:5]))
    # In a process of its own, since open_clip looks for transformers as it is imported.
    environment = {"PYTHONPATH": "scripts", "HF_HUB_OFFLINE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert run.returncode
    assert "mine.json has no vocabulary; put its files" in run.stderr


def test_a_hub_that_cannot_be_asked_for_the_pooling_is_told(transformers, folder, monkeypatch):
    def cached(_name: str, file: str, **_settings: object) -> str:
        if not (folder / file).exists():
            raise OSError("we are offline")
        return str(folder / file)

    monkeypatch.setattr("transformers.utils.cached_file", cached)
    with pytest.raises(InputError, match=r"modules.json of 'a/b', .* set options.pooling"):
        _hugging_face_reader("a/b", None)("modules.json")
    assert _hugging_face_reader("a/b", "mean")("modules.json") is None
    assert _hugging_face_reader("a/b", None)("config.json")["hidden_size"] == 8


def test_padding_does_not_count():
    hidden = torch.arange(24.0).reshape(2, 4, 3)
    mask = torch.tensor([[True, True, True, True], [True, True, False, False]])
    for way in ("first", "max", "mean", "mean_sqrt_len", "weighted_mean", "last"):
        found = pool(hidden, mask, (way,))
        alone = pool(hidden[1:, :2], mask[1:, :2], (way,))
        torch.testing.assert_close(found[1:], alone)
