"""How a Hugging Face text encoder turns a sentence into a vector.

This is read from the files of the model: the modules, pooling and prompts of Sentence Transformers
(Reimers and Gurevych, 2019). Imports are light: every start of Snakemake checks folders with it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from modality_gap.errors import InputError

# How tokens become one vector, in the order in which several are put together.
POOLING = {
    "pooling_mode_cls_token": "first",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weighted_mean",
    "pooling_mode_lasttoken": "last",
}
SHORT_NAMES = {"cls": "first", "weightedmean": "weighted_mean", "lasttoken": "last"}
IN_WORDS = {
    "first": "the first token",
    "max": "maximum over tokens",
    "mean": "mean over tokens",
    "mean_sqrt_len": "sum over tokens divided by the root of their number",
    "weighted_mean": "mean over tokens weighted by position",
    "last": "the last token",
    "own": "the model's own pooling",
}
ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "Sigmoid")
# One of these holds a tokenizer's words.
VOCABULARIES = ("tokenizer.json", "vocab.*", "*.model", "*.tiktoken", "tekken.json")
WITHOUT_VOCABULARY = ("ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer")


@dataclass(frozen=True)
class Dense:
    """A linear layer after the pooling, with an activation of torch.nn. `path` is the layer's
    folder."""

    path: str
    inputs: int
    outputs: int
    bias: bool
    activation: str


@dataclass(frozen=True)
class TextPipeline:
    """The steps from a sentence to its vector.

    `transformer` is the folder of the transformer, inside the folder of the model. `layers` are
    applied after the pooling; each is a Dense or "normalise". `max_length` is a number of tokens.
    `prompt` is put before every sentence; its tokens are included in the pooling unless
    `prompt_counts` is false. `declared` says whether the files name the pooling.
    """

    pooling: tuple[str, ...] = ("mean",)
    layers: tuple[Dense | str, ...] = ()
    transformer: str = ""
    max_length: int | None = None
    lower_case: bool = False
    prompt: str = ""
    prompt_counts: bool = True
    declared: bool = False

    def described(self) -> str:
        """The pipeline in words, for the metadata of embeddings."""
        layers = [f"{layer.path}" if isinstance(layer, Dense) else layer for layer in self.layers]
        prompt = [f"the prompt {self.prompt!r}"] if self.prompt else []
        return ", ".join([*prompt, " and ".join(IN_WORDS[way] for way in self.pooling), *layers])


def reader_of(folder: str | Path) -> Callable[[str], Any]:
    """Returns a function that reads a JSON file in a folder. The function returns None if the file
    is missing, and raises InputError for a file that is not JSON."""

    def read(name: str) -> object:
        path = Path(folder, name)
        if not path.is_file():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path}: not valid JSON ({error}); download it again.") from error

    return read


def pipeline_of(model: str, read: Callable[[str], Any], pooling: str | None) -> TextPipeline:
    """The pipeline that a model's files describe. `read(name)` returns the content of a file. If
    `pooling` is set in the configuration, it replaces the pooling and all later layers.

    Raises InputError that names the file if it requires something that is not supported.
    """
    modules = read("modules.json")
    transformer, rest = "", []
    if modules is not None:
        steps = _modules(model, modules, all_known=pooling is None)
        transformer, rest = steps[0][1], steps[1:]
    elif pooling is None and read("1_Pooling/config.json") is not None:
        if read("2_Dense/config.json") is not None:
            _refuse(model, "modules.json", "is missing, although the model has a 2_Dense")
        rest = [("Pooling", "1_Pooling")]
    settings = _transformer_settings(read, transformer)
    about = read("config_sentence_transformers.json") or {}
    prompt, name = "", about.get("default_prompt_name")
    if name is not None:
        if name not in about.get("prompts", {}):
            raise InputError(
                f"{model}/config_sentence_transformers.json: the default prompt {name!r} is not "
                "one of the prompts. Correct it there."
            )
        prompt = about["prompts"][name]
    if about.get("truncate_dim") is not None and pooling is None:
        _refuse(model, "config_sentence_transformers.json", "cuts vectors short (truncate_dim)")
    ways: tuple[str, ...] = ("mean",)
    layers: list[Dense | str] = []
    counts = True
    for number, (kind, path) in enumerate(rest if pooling is None else ()):
        if (kind == "Pooling") != (number == 0):
            _refuse(model, "modules.json", "does not list its pooling after the transformer")
        if kind == "Pooling":
            ways, counts = _pooling(model, f"{path}/config.json", read)
        else:
            layers.append(_dense(model, path, read) if kind == "Dense" else "normalise")
    return TextPipeline(
        ways if pooling is None else (pooling,),
        tuple(layers),
        transformer,
        settings.get("max_seq_length"),
        bool(settings.get("do_lower_case")),
        prompt,
        counts,
        declared=bool(rest) and pooling is None,
    )


def _refuse(model: str, file: str, what: str) -> NoReturn:
    raise InputError(
        f"{model}/{file} {what}. This project does not support such a model; set options.pooling "
        "(mean, first, last, max or own), or give another model."
    )


def _modules(model: str, modules: Any, all_known: bool) -> list[tuple[str, str]]:
    """The kind and the folder of each module, in order; the first must be a transformer. If
    `all_known` is false, the others may be of any kind."""
    try:
        steps = [(module["type"], module["path"]) for module in modules]
        kinds = [kind.rpartition(".")[2] for kind, _ in steps]
        of_the_library = [kind.startswith("sentence_transformers.") for kind, _ in steps]
    except (TypeError, KeyError, AttributeError):
        _refuse(model, "modules.json", "is not a list of modules with type and path")
    wanted = {"Transformer", "CLIPModel", "Pooling", "Dense", "Normalize"}
    foreign = (
        kind
        for kind, own in zip(kinds, of_the_library, strict=True)
        if not own or kind not in wanted
    )
    if all_known and (other := next(foreign, None)):
        _refuse(model, "modules.json", f"has a module {other}")
    # The name of a CLIP in older files.
    kinds = ["Transformer" if kind == "CLIPModel" else kind for kind in kinds]
    if kinds[:1] != ["Transformer"] or kinds.count("Transformer") > 1:
        _refuse(model, "modules.json", "does not begin with the only transformer")
    return [(kind, path.strip("/")) for kind, (_, path) in zip(kinds, steps, strict=True)]


def _transformer_settings(read: Callable[[str], Any], folder: str) -> dict:
    kinds = ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
    names = (str(PurePosixPath(folder, f"sentence_{kind}_config.json")) for kind in kinds)
    return next((settings for name in names if (settings := read(name)) is not None), {})


def _pooling(model: str, file: str, read: Callable[[str], Any]) -> tuple[tuple[str, ...], bool]:
    """The kinds of pooling that a file selects, and whether the tokens of a prompt are included."""
    config = read(file)
    if not isinstance(config, dict):
        _refuse(model, file, "is missing")
    asked = [key for key, value in config.items() if key.startswith("pooling_mode_") and value]
    if unknown := [key for key in asked if key not in POOLING]:
        _refuse(model, file, f"asks for {unknown[0]}")
    ways = [way for key, way in POOLING.items() if key in asked]
    if not ways and "pooling_mode" in config:  # as newer versions write it
        short = config["pooling_mode"]
        short = [short] if isinstance(short, str) else short
        ways = [
            SHORT_NAMES.get(name, name.replace("sqrt_len_tokens", "sqrt_len")) for name in short
        ]
    if not ways or not {*ways} <= {*POOLING.values()}:
        _refuse(model, file, "names no known pooling")
    return tuple(way for way in POOLING.values() if way in ways), config.get("include_prompt", True)


def _dense(model: str, path: str, read: Callable[[str], Any]) -> Dense:
    config = read(f"{path}/config.json")
    file = f"{path}/config.json"
    if not isinstance(config, dict):
        _refuse(model, file, "is missing")
    if config.get("module_input_name", "sentence_embedding") != "sentence_embedding":
        _refuse(model, file, f"takes {config['module_input_name']}")
    activation = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    library, _, name = activation.rpartition(".")
    if not library.startswith("torch.nn") or name not in ACTIVATIONS:
        _refuse(model, file, f"has the activation {activation}")
    try:
        sizes = config["in_features"], config["out_features"]
    except KeyError as error:
        _refuse(model, file, f"has no {error}")
    return Dense(path, *sizes, config.get("bias", True), name)


def folder_fault(model: str, pooling: str | None) -> str | None:
    """The fault of a text encoder's folder, as a message. None if there is no fault, or if the
    model is a name on a hub."""
    folder = Path(model)
    if not folder.is_dir():
        return None
    read = reader_of(folder)
    try:
        pipeline = pipeline_of(model, read, pooling)
        inner = folder / pipeline.transformer
        about = reader_of(inner)("tokenizer_config.json") or {}
    except InputError as error:
        return str(error)
    if not (inner / "config.json").is_file():
        return f"{inner} has no config.json, so it is not the folder of a model; correct the path."
    has_words = any(True for pattern in VOCABULARIES for _ in inner.glob(pattern))
    if not has_words and about.get("tokenizer_class") not in WITHOUT_VOCABULARY:
        return (
            f"{inner} has no tokenizer (tokenizer.json, vocab.txt or the like), which the model "
            "needs; save it there too."
        )
    for layer in pipeline.layers:
        if isinstance(layer, Dense) and not (folder / layer.path / "model.safetensors").is_file():
            return (
                f"{folder / layer.path} has no model.safetensors with the weights of its layer; "
                "save them there in this format."
            )
    return None


# Words of several languages, of which every tokenizer knows some.
WORDS = ("a photo of a dog", "un chien", "собака", "狗", "いぬ", "كلب", "개", "कुत्ता")


def tokenizer_fault(tokenizer: Any, rows: int) -> str | None:
    """How a tokenizer of transformers does not match a model with `rows` word vectors, in words;
    None if they match. Models often round the number of rows up."""
    words = len(tokenizer)
    if words > rows or rows - words > max(128, 0.03 * rows):
        return f"its tokenizer has {words} tokens, but the model has vectors for {rows}"
    return None if knows_words(tokenizer) else "its tokenizer has no vocabulary"


def knows_words(tokenizer: Any) -> bool:
    """Whether a tokenizer of transformers knows a word of some language."""
    special = {*tokenizer.all_special_ids}
    return not all(special.issuperset(tokenizer(text)["input_ids"]) for text in WORDS)
