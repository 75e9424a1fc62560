"""Encoders of the library open_clip: any of its architectures and pretrained tags."""

import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modality_gap.config import clip_models
from modality_gap.config.clip_models import activation_fault, is_torchscript, preparation
from modality_gap.config.declarations import Library
from modality_gap.config.schema import unknown_choice, unknown_name
from modality_gap.config.text_models import knows_words
from modality_gap.data.assets import read_member
from modality_gap.encoders.base import (
    Encoder,
    Network,
    choose_device,
    describe_preprocessing,
    dtype_of,
    fixed_size,
    hub_remedy,
    nearest_names,
    not_its_weights,
    raise_if_download_failed,
    torch_encode,
    weights_metadata,
)
from modality_gap.encoders.onnx import dequantise_clip_image_tower
from modality_gap.errors import InputError

if TYPE_CHECKING:
    import torch

PREPROCESSING = {
    "image": "open_clip's for this architecture",
    "text": "open_clip's tokenizer, {tokens} tokens",
}


def open_clip_faults(key: str, entry: Mapping) -> Iterator[str]:
    """Faults: unknown architectures, tags and files, and weights of another activation. Names are
    not checked if open_clip is not installed beside Snakemake."""
    architectures = clip_models.architectures()
    name, tag = entry["architecture"], entry.get("pretrained")
    if clip_models.brings_weights(name):
        yield from _faults_of_place(key, name, entry)
        return
    if tag is True:
        yield (
            f"{key}.pretrained is true, which only hf-hub: and local-dir: models take; give a tag "
            f"of weights of {name}, or the path of a file."
        )
    if name.endswith(".json"):
        if not Path(name).is_file():
            yield unknown_name(f"{key}.architecture", name)
    elif architectures and name not in architectures:
        yield unknown_choice(
            f"{key}.architecture", name, architectures, "architecture of open_clip"
        )
    if isinstance(tag, str):
        is_path = "/" in tag or "." in tag or Path(tag).is_file()
        if is_path and not Path(tag).is_file():
            yield unknown_name(f"{key}.pretrained", tag)
        tags = list(clip_models.tags(name))
        if architectures and not is_path and tag not in tags:
            of = f"tag of weights of open_clip's {name}"
            yield unknown_choice(f"{key}.pretrained", tag, tags, of)
    if fault := activation_fault(key, entry):
        yield fault


def _faults_of_place(key: str, name: str, entry: Mapping) -> Iterator[str]:
    """Faults of a model whose architecture and weights open_clip reads from a folder or a hub."""
    if {"wheel", "weights", "checkpoint"} & entry.keys() or isinstance(
        entry.get("pretrained"), str
    ):
        yield (
            f"{key}.architecture is {name!r}, which brings its own weights; give "
            "`pretrained: true` instead of other weights, or a seed for random ones."
        )
    if name.startswith(clip_models.HF_HUB):
        return
    folder = Path(name.removeprefix(clip_models.LOCAL_DIR))
    if not folder.is_dir():
        yield (
            f"{key}.architecture is {name!r}, which is not a folder in {Path.cwd()}; correct it."
        )
    elif not clip_models.architecture_config(name):
        yield (
            f"{key}.architecture: {folder} has no open_clip_config.json with a model_cfg, so it is "
            "not the folder of an open_clip model; correct the path."
        )
    elif entry.get("pretrained") and not clip_models.own_weights(name):
        yield (
            f"{key}.architecture: {folder} has no file of weights (.safetensors, .bin or .pth); "
            "put it there."
        )


@contextmanager
def hidden(module: str) -> Iterator[None]:
    """A context in which a module that is not yet imported seems not to be installed."""
    imported = module in sys.modules
    if not imported:
        sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if not imported:
            del sys.modules[module]


def load_open_clip(spec: dict, weights: dict) -> tuple[Any, Any, Any]:
    """An open_clip model (float32, eval mode), its image transform and its tokenizer.

    `embed_dim` in `spec` (no config has it) replaces that of the architecture. Raises InputError
    for unknown names, and for weights or a tokenizer that cannot be read.
    """
    # open_clip imports transformers if it is installed, which doubles the start-up of every job,
    # but needs it only for some towers and tokenizers.
    with hidden("transformers"):
        import open_clip
    import torch

    needed = clip_models.needs_transformers(spec["architecture"])
    if spec.get("hugging_face", needed):
        _show_transformers()
    name = _registered_architecture(spec["architecture"], weights.get("tag"))
    torch.manual_seed(weights.get("seed", 0))
    model, transform = _create(spec, name, weights.get("tag"))
    tag = weights.get("tag")
    if isinstance(tag, str) and is_torchscript(tag):  # open_clip reads such a file only as OpenAI's
        weights = {"file": tag}
    _load_weights(model, spec, weights)
    if not spec.get("norm_layers", True):
        remove_norm_layers(model)
    try:
        tokenizer = open_clip.get_tokenizer(name)
    except Exception as error:  # of transformers, of the hub's client or of fsspec
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"encoders: cannot read the tokenizer of {spec['architecture']} ({reason:.300}); put "
            "its files into a folder and name that folder as text_cfg.hf_tokenizer_name in "
            f"the architecture's file, or {hub_remedy()}."
        ) from error
    return model.eval(), transform, tokenizer


def _show_transformers() -> None:
    """Give open_clip the library transformers, which was hidden when open_clip was imported."""
    import transformers
    from open_clip import hf_model
    from transformers import modeling_outputs

    hf_model.transformers = transformers
    for name in ("AutoModel", "AutoTokenizer", "AutoConfig", "PretrainedConfig"):
        setattr(hf_model, name, getattr(transformers, name))
    for name in vars(modeling_outputs):
        if name.startswith("BaseModelOutput"):
            setattr(hf_model, name, getattr(modeling_outputs, name))


def _registered_architecture(name: str, tag: str | bool | None) -> str:
    """The name of an architecture in open_clip. `name` is this name or the path of a .json. Raises
    InputError if open_clip does not know the architecture or the tag."""
    import open_clip

    if clip_models.brings_weights(name):
        return name
    if name.endswith(".json"):
        open_clip.add_model_config(name)
        name = Path(name).stem
    if name not in open_clip.list_models():
        raise InputError(
            f"encoders: {name!r} is not an architecture of open_clip; "
            + nearest_names(name, open_clip.list_models(), "open_clip.list_models()")
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag and tag not in tags and not (isinstance(tag, str) and Path(tag).is_file()):
        raise InputError(
            f"encoders: open_clip has no weights {tag!r} of {name}; "
            + nearest_names(str(tag), tags, f"open_clip.list_pretrained_tags_by_model({name!r})")
        )
    return name


def _create(spec: dict, name: str, tag: str | bool | None) -> tuple[Any, Any]:
    """A model and its image transform. The weights are random, or those of a tag."""
    import open_clip

    from modality_gap.encoders.pictures import pixel_statistics

    is_here = name.startswith(clip_models.LOCAL_DIR)
    is_here |= isinstance(tag, str) and Path(tag).is_file()
    downloaded = not is_here and (tag or name.startswith(clip_models.HF_HUB))
    downloaded = downloaded or clip_models.reads_hub(spec)
    tag_or_file = tag if isinstance(tag, str) else None
    own = {} if clip_models.brings_weights(name) else preparation(name, tag_or_file)
    if statistics := pixel_statistics(spec):
        own |= dict(zip(("image_mean", "image_std"), statistics, strict=True))
    if tag_or_file and is_torchscript(tag_or_file):
        tag = tag_or_file = None
    try:
        with raise_if_download_failed(name, downloaded):
            model, _, transform = open_clip.create_model_and_transforms(
                name,
                pretrained=tag_or_file,
                load_weights=bool(tag),
                # Else open_clip only warns that there are none, and that they stay random.
                require_pretrained=bool(tag),
                # Else a text tower of transformers has trained weights although a seed is given.
                pretrained_text=False,
                precision="fp32",
                force_image_size=spec.get("image_size"),
                **own,
                **({"embed_dim": spec["embed_dim"]} if "embed_dim" in spec else {}),
            )
    except (RuntimeError, KeyError, ValueError, OSError, pickle.UnpicklingError) as error:
        if not is_here or not tag:
            raise
        raise not_its_weights({"file": clip_models.own_weights(name) or tag}, spec) from error
    _fit_to_image_size(model.visual)
    return model, transform


def _fit_to_image_size(tower: Any) -> None:
    """Set a timm tower to the architecture's image size, because open_clip keeps timm's size."""
    patches = getattr(getattr(tower, "trunk", None), "patch_embed", None)
    size = getattr(patches, "img_size", None)
    if size and tuple(size) != tuple(tower.image_size):
        tower.set_input_size(tuple(tower.image_size))


def _load_weights(model: Any, spec: dict, weights: dict) -> None:
    """Load the weights of a file, a checkpoint or a wheel into a model. Raises InputError if they
    belong to another architecture or activation."""
    import open_clip

    if "file" in weights:
        # OpenAI's archives are TorchScript: open_clip's loader of them runs no pickle.
        try:
            published = open_clip.load_openai_model(weights["file"], "fp32", "cpu")
            model.load_state_dict(published.state_dict())
        except (RuntimeError, KeyError, pickle.UnpicklingError) as error:
            raise not_its_weights(weights, spec) from error
    kinds = {"tag": "pretrained", "file": "weights", "wheel": "wheel"}
    own = {kinds[kind]: str(weights[kind]) for kind in kinds.keys() & weights.keys()}
    if fault := activation_fault("encoders", {"architecture": spec["architecture"], **own}):
        raise InputError(fault)
    if "checkpoint" in weights:
        from safetensors.torch import load_file

        model.load_state_dict(load_file(weights["checkpoint"]))
    if "wheel" in weights:
        # The export contains only the image tower; a random text tower must not pass for CLIP's.
        model.encode_text = None
        onnx_bytes = read_member(weights["wheel"], weights["member"])
        model.visual.load_state_dict(dequantise_clip_image_tower(onnx_bytes))


def remove_norm_layers(model: "torch.nn.Module") -> None:
    """Replace every normalisation layer with the identity (Supplementary 15)."""
    import torch

    kinds = (torch.nn.LayerNorm, torch.nn.GroupNorm, torch.nn.modules.batchnorm._NormBase)
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, kinds):
                setattr(module, name, torch.nn.Identity())


def build_open_clip(spec: dict, modality: str, weights: dict, precision: str) -> Encoder:
    """One tower of an open_clip model."""
    import torch

    from modality_gap.encoders.pictures import normal_picture, resizing, split_transform

    model, transform, tokenizer = load_open_clip(spec, weights)
    if clip_models.brings_weights(spec["architecture"]) and "tag" in weights:
        weights = {"tag": _weights_of_place(spec["architecture"])}
    # What the model's own sigmoid loss needs beside the embeddings.
    loss = {}
    if getattr(model, "logit_bias", None) is not None:
        loss = {
            "logit_scale": model.logit_scale.exp().item(),
            "logit_bias": model.logit_bias.item(),
        }
    device = choose_device()
    dtype = dtype_of(precision)
    model = model.to(device=device, dtype=dtype)
    forward = _tower(model, modality, weights)

    def metadata(preprocessing: str) -> dict:
        return weights_metadata(spec, weights, preprocessing, dtype) | loss

    if modality == "image":
        size = model.visual.image_size
        height, width = (size, size) if isinstance(size, int) else size
        prepare, normalise = split_transform(transform)
        network = Network(fixed_size(device, dtype, normalise), forward, (model,))
        return Encoder(
            prepare=prepare,
            encode=torch_encode(network),
            network=network,
            noise=lambda rng: normal_picture(rng, height, width),
            metadata=metadata(describe_preprocessing(PREPROCESSING["image"], spec)),
            normalise=normalise,
            **resizing(transform),
        )
    inner = getattr(tokenizer, "tokenizer", None)  # of transformers
    if hasattr(inner, "all_special_ids") and not knows_words(inner):
        raise InputError(
            f"encoders: the tokenizer of {spec['architecture']} has no vocabulary; put its files "
            "into the folder that the architecture names."
        )
    # The text tower's own limit may be higher than the length that it was trained with.
    length = tokenizer.context_length
    vocabulary = (model if hasattr(model, "vocab_size") else model.text).vocab_size
    network = Network(fixed_size(device, dtype), forward, (model,))
    return Encoder(
        prepare=lambda text: tokenizer([text], context_length=length)[0],
        encode=torch_encode(network),
        network=network,
        noise=lambda rng: torch.from_numpy(rng.integers(0, vocabulary, length)),
        metadata=metadata(PREPROCESSING["text"].format(tokens=length)),
    )


def _tower(model: Any, modality: str, weights: dict) -> Callable[..., "torch.Tensor"]:
    """The function that embeds one modality. Raises InputError if the weights have no such
    tower."""
    encode = getattr(model, f"encode_{modality}")
    if encode is None:
        raise InputError(
            f"encoders: {weights['member']} in {weights['wheel']} has weights of the image tower "
            f"alone; give another encoder for the modality {modality}."
        )
    # CoCa would give vectors of length 1, the others do not.
    return partial(encode, normalize=False)


def _weights_of_place(architecture: str) -> str:
    """The file of weights of a local-dir: model, or name and revision of an hf-hub: model."""
    if path := clip_models.own_weights(architecture):
        return path
    from huggingface_hub import try_to_load_from_cache

    name = architecture.removeprefix(clip_models.HF_HUB)
    cached = try_to_load_from_cache(name, "open_clip_config.json")
    revision = f", revision {Path(cached).parent.name}" if isinstance(cached, str) else ""
    return architecture + revision


LIBRARY = Library(
    build=build_open_clip,
    preprocessing=PREPROCESSING,
    shared=(
        "architecture",
        "seed",
        "seeds",
        "wheel",
        "member",
        "weights",
        "checkpoint",
        "pretrained",
        "preprocessing",
    ),
    required=("architecture",),
    one_of=("seed", "seeds", "wheel", "weights", "checkpoint", "pretrained"),
    options={
        "hugging_face": {
            "description": "Whether a tower or the tokenizer comes from the library transformers; "
            "rarely needed, because the architecture says so.",
            "type": "boolean",
        },
        "image_size": {
            "description": "Width and height of an image in pixels, if not the architecture's own.",
            "type": "integer",
            "minimum": 1,
        },
        "norm_layers": {
            "description": "Whether the model has normalisation layers; for Supplementary 15.",
            "type": "boolean",
            "default": True,
        },
        "input_normalisation": {
            "description": "Whether the pixels of images are normalised; for Supplementary 15.",
            "type": "boolean",
            "default": True,
        },
    },
    faults=open_clip_faults,
    reads_hub=clip_models.reads_hub,
)
