"""open_clip's architectures and pretrained weights, read from the files of open_clip.

open_clip itself is not imported: this takes seconds, and every start of Snakemake checks the
configuration.
"""

import ast
import json
import sys
import zipfile
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

# Models that open_clip reads from a folder or a hub, with their weights.
LOCAL_DIR, HF_HUB = "local-dir:", "hf-hub:"
# In this order open_clip chooses among several files of weights in a folder.
PREFERRED = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
# How the weights of a tag want pictures prepared, by the names of open_clip's arguments.
PREPARATION = {
    "image_mean": "mean",
    "image_std": "std",
    "image_interpolation": "interpolation",
    "image_resize_mode": "resize_mode",
}


def architectures() -> list[str]:
    """The names of the architectures that open_clip knows; empty if open_clip is not installed."""
    folder = _folder()
    return sorted(path.stem for path in folder.glob("model_configs/*.json")) if folder else []


def tags(architecture: str) -> dict[str, dict]:
    """The tags of an architecture's pretrained weights, each with its settings in open_clip. The
    name of an architecture in a .json is the name of the file, as in open_clip."""
    name = Path(architecture).stem if architecture.endswith(".json") else architecture
    return _pretrained().get(name, {})


def _folder() -> Path | None:
    package = find_spec("open_clip")
    return Path(package.origin).parent if package and package.origin else None


@cache
def _pretrained() -> dict[str, dict[str, dict]]:
    folder = _folder()
    if not folder:
        return {}
    package = ModuleType("_open_clip")
    package.__path__ = [str(folder)]
    spec = spec_from_file_location("_open_clip.pretrained", folder / "pretrained.py")
    # It does without these two, and the first imports torch.
    slow = {"safetensors.torch": None, "huggingface_hub": None}
    with patch.dict(sys.modules, {"_open_clip": package, **slow}):
        assert spec and spec.loader
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    return module._PRETRAINED


def architecture_config(name: str) -> dict:
    """The configuration of an architecture, which is given by its name in open_clip, by the path of
    a .json or by the folder of a local-dir: model. Empty for a model of a hub, and if there is no
    configuration."""
    if name.startswith(HF_HUB):
        return {}
    if name.startswith(LOCAL_DIR):
        content = _json(Path(name.removeprefix(LOCAL_DIR), "open_clip_config.json"))
        return content["model_cfg"] if isinstance(content.get("model_cfg"), dict) else {}
    path = Path(name)
    if not name.endswith(".json"):
        path = (_folder() or Path()) / "model_configs" / f"{name}.json"
    return _json(path)


def _json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def brings_weights(architecture: str) -> bool:
    """Whether open_clip reads the weights together with the architecture (local-dir:, hf-hub:)."""
    return architecture.startswith((LOCAL_DIR, HF_HUB))


def needs_transformers(architecture: str) -> bool:
    """Whether a tower or the tokenizer needs the library transformers."""
    if architecture.startswith(HF_HUB):
        return True  # its configuration is not known before it is downloaded
    text = architecture_config(architecture).get("text_cfg", {})
    named = text.get("hf_model_name") or text.get("hf_tokenizer_name")
    # By this name open_clip takes SigLIP's tokenizer.
    return bool(named) or ("siglip" in architecture.lower() and not brings_weights(architecture))


def reads_hub(entry: Mapping) -> bool:
    """Whether open_clip reads the weights, configuration or tokenizer of an encoder from a hub."""
    name, tag = entry["architecture"], entry.get("pretrained")
    if name.startswith(HF_HUB) or (isinstance(tag, str) and not Path(tag).is_file()):
        return True
    text = architecture_config(name).get("text_cfg", {})
    named = {text.get("hf_model_name"), text.get("hf_tokenizer_name")} - {None, ""}
    if name.startswith(LOCAL_DIR):  # whose tokenizer is in the folder
        named -= {text.get("hf_tokenizer_name")} - {text.get("hf_model_name")}
    if not named:  # by its name open_clip takes SigLIP's tokenizer
        return needs_transformers(name) and not brings_weights(name)
    return any(not Path(folder).is_dir() for folder in named)


def own_weights(architecture: str) -> str | None:
    """The path of the weights in the folder of a local-dir: model, as open_clip chooses them. None
    if the folder has no weights, and for other models."""
    if not architecture.startswith(LOCAL_DIR):
        return None
    folder = Path(architecture.removeprefix(LOCAL_DIR))
    found = [path for end in ("safetensors", "bin", "pth") for path in folder.glob(f"*.{end}")]
    names = {path.name: path for path in found}
    first = next((names[name] for name in PREFERRED if name in names), None)
    found.sort(key=lambda path: (path.suffix != ".safetensors", path))
    return str(first or found[0]) if found else None


def activation_fault(key: str, spec: Mapping) -> str | None:
    """The fault, as one sentence, if the weights of an open_clip encoder were trained with another
    activation than that of its architecture; None if the two agree or one is unknown.

    Files of weights do not store the activation. Such weights therefore load without an error, but
    give other embeddings.
    """
    name, config = spec["architecture"], architecture_config(spec["architecture"])
    trained = _trained_with_quick_gelu(spec)
    if not config or trained is None or trained == bool(config.get("quick_gelu")):
        return None
    weights = spec.get("pretrained") or spec.get("weights") or spec.get("wheel")
    has, wants = ("GELU", "QuickGELU") if trained else ("QuickGELU", "GELU")
    other = f"{name}-quickgelu" if trained else name.removesuffix("-quickgelu")
    if name.endswith(".json"):
        remedy = f"set quick_gelu in it to {str(trained).lower()}"
    elif other != name and other in architectures():
        remedy = f"give {other}"
    else:
        remedy = "give other weights, because open_clip has no such architecture"
    return (
        f"{key}.architecture is {name}, whose activation is {has}, but the weights {weights} were "
        f"trained with {wants}; {remedy}."
    )


def timm_fault(key: str, spec: Mapping) -> str | None:
    """The fault, as one sentence, if a timm encoder has CLIP weights that were trained with
    QuickGELU, and its architecture does not have QuickGELU; otherwise None."""
    name, tag = spec["architecture"], spec.get("pretrained")
    name += f".{tag}" if isinstance(tag, str) else ""
    if not {"pretrained", "weights"} & spec.keys() or "_clip_" not in name:
        return None
    return quick_gelu_sentence(f"{key}.architecture", name) if name in _timm_quick_gelu() else None


def quick_gelu_sentence(key: str, name: str) -> str:
    """The message for a timm architecture that lacks the activation of its pretrained weights."""
    architecture, _, tag = name.partition(".")
    right = architecture.replace("_clip_", "_clip_quickgelu_")
    return (
        f"{key} is {name}, whose activation is GELU, but its weights were trained with QuickGELU; "
        f"give {right}{f' with the tag {tag}' if tag else ''}."
    )


@cache
def _timm_quick_gelu() -> frozenset[str]:
    """The architectures and tags that need QuickGELU, read from a table in timm's source code."""
    package = find_spec("timm")
    if not package or not package.origin:
        return frozenset()
    source = Path(package.origin).with_name("models") / "vision_transformer.py"
    tables = ast.walk(ast.parse(source.read_text(encoding="utf-8")))
    entries = [
        (key.value, entry.keywords)
        for table in tables
        if isinstance(table, ast.Dict)
        for key, entry in zip(table.keys, table.values, strict=True)
        if isinstance(key, ast.Constant)
        and isinstance(key.value, str)
        and isinstance(entry, ast.Call)
    ]
    return frozenset(
        name
        for name, keywords in entries
        for word in keywords
        if word.arg == "notes" and "QuickGELU" in ast.unparse(word.value)
    )


def _trained_with_quick_gelu(spec: Mapping) -> bool | None:
    tag = spec.get("pretrained")
    if not isinstance(tag, str):
        # What these two may hold is OpenAI's (config/schema/config.yaml), or CLIP's image tower.
        return True if {"weights", "wheel"} & spec.keys() else None
    settings = tags(spec["architecture"]).get(tag)
    if settings is not None:
        return bool(settings.get("quick_gelu"))
    beside = _beside(tag).get("model_cfg", {})
    if Path(tag).is_file() and beside:
        return bool(beside.get("quick_gelu"))
    return True if _is_openais(tag) else None


def _beside(path: str) -> dict:
    """The content of open_clip's configuration file in the folder of a file of weights; empty if
    there is no such file."""
    return _json(Path(path).with_name("open_clip_config.json"))


def _is_openais(path: str) -> bool:
    """Whether a file of weights is OpenAI's archive, or was saved from it. Such a file has three
    extra numbers, or the name of the activation in its code."""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".pkl"):
                    content = archive.read(name)
                    if b"input_resolution" in content and b"context_length" in content:
                        return True
                elif "/code/" in name and b"QuickGELU" in archive.read(name):
                    return True
    except (OSError, zipfile.BadZipFile):
        pass
    return False


def is_torchscript(path: str) -> bool:
    """Whether a file of weights is a TorchScript archive, as OpenAI publishes its own."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def preparation(architecture: str, weights: str | None) -> dict:
    """The preprocessing of pictures, as arguments of open_clip, for weights without a tag (a file,
    or random weights). It comes from the configuration file beside the weights. Without such a
    file, it comes from the tags of the architecture, if all agree. Otherwise it is empty:
    open_clip's default."""
    if weights in tags(architecture):
        return {}
    beside = _beside(weights).get("preprocess_cfg") if weights else None
    ways = [beside] if beside else tags(architecture).values()
    ways_as_text = {
        json.dumps({to: way[key] for to, key in PREPARATION.items() if key in way}) for way in ways
    }
    return json.loads(ways_as_text.pop()) if len(ways_as_text) == 1 else {}
