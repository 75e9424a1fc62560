"""Encoders of the library open_clip: any of its architectures and pretrained tags."""

import pickle
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modality_gap.config import clip_models
from modality_gap.config.clip_models import activation_fault, is_torchscript, preparation
from modality_gap.config.declarations import Library
from modality_gap.config.schema import unknown_choice, unknown_name
from modality_gap.config.text_models import knows_words
from modality_gap.data.assets import read_member
from modality_gap.encoders.base import (
    Encoder,
    choose_device,
    choose_dtype,
    describe_preprocessing,
    nearest_names,
    not_its_weights,
    raise_if_download_failed,
    torch_encode,
    weights_metadata,
)
from modality_gap.errors import InputError

if TYPE_CHECKING:
    import torch

PREPROCESSING = {
    "image": "open_clip's for this architecture",
    "text": "open_clip's tokenizer, {tokens} tokens",
}


def open_clip_faults(key: str, entry: Mapping) -> Iterator[str]:
    """Unknown architectures, tags and files, and weights of another activation. Names of open_clip
    pass if it is not installed beside Snakemake."""
    architectures = clip_models.architectures()
    name, tag = entry["architecture"], entry.get("pretrained")
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


@contextmanager
def hidden(module: str) -> Iterator[None]:
    """Imports within fail for a module that is not imported yet, as if it were not installed."""
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

    `embed_dim` in `spec`, which no config contains, replaces the architecture's own.
    """
    # open_clip imports transformers if it is installed, which doubles the start-up of every job,
    # but needs it only for towers and tokenizers from the Hugging Face hub.
    with nullcontext() if spec.get("hugging_face") else hidden("transformers"):
        import open_clip
    import torch

    name = _registered_architecture(spec["architecture"], weights.get("tag"))
    torch.manual_seed(weights.get("seed", 0))
    model, transform = _create(spec, name, weights.get("tag"))
    tag = weights.get("tag")
    if tag and is_torchscript(tag):  # open_clip reads such a file only as OpenAI's
        weights = {"file": tag}
    _load_weights(model, spec, weights)
    if not spec.get("norm_layers", True):
        remove_norm_layers(model)
    return model.eval(), transform, open_clip.get_tokenizer(name)


def _registered_architecture(name: str, tag: str | None) -> str:
    """open_clip's name of an architecture, which may be the path of a .json. Raises InputError if
    open_clip does not know it, or does not know the tag."""
    import open_clip

    if name.endswith(".json"):
        open_clip.add_model_config(name)
        name = Path(name).stem
    if name not in open_clip.list_models():
        raise InputError(
            f"encoders: {name!r} is not an architecture of open_clip; "
            + nearest_names(name, open_clip.list_models(), "open_clip.list_models()")
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag and tag not in tags and not Path(tag).is_file():
        raise InputError(
            f"encoders: open_clip has no weights {tag!r} of {name}; "
            + nearest_names(tag, tags, f"open_clip.list_pretrained_tags_by_model({name!r})")
        )
    return name


def _create(spec: dict, name: str, tag: str | None) -> tuple[Any, Any]:
    """A model with random weights or with those of a tag, and its image transform."""
    import open_clip

    from modality_gap.encoders.pictures import pixel_statistics

    pixels = preparation(name, tag)
    if statistics := pixel_statistics(spec):
        pixels |= dict(zip(("image_mean", "image_std"), statistics, strict=True))
    if tag and is_torchscript(tag):
        tag = None
    with raise_if_download_failed(name, tag):
        model, _, transform = open_clip.create_model_and_transforms(
            name,
            pretrained=tag,
            precision="fp32",
            **pixels,
            **({"embed_dim": spec["embed_dim"]} if "embed_dim" in spec else {}),
        )
    return model, transform


def _load_weights(model: Any, spec: dict, weights: dict) -> None:
    """Put the weights of a file, a checkpoint or a wheel into a model. Raises InputError if they
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
    """Replace every normalisation layer by the identity (Supplementary 15)."""
    import torch

    kinds = (torch.nn.LayerNorm, torch.nn.GroupNorm, torch.nn.modules.batchnorm._NormBase)
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, kinds):
                setattr(module, name, torch.nn.Identity())


def build_open_clip(spec: dict, modality: str, weights: dict, precision: str) -> Encoder:
    """One tower of an open_clip model."""
    import torch

    from modality_gap.encoders.pictures import normal_picture, split_transform

    model, transform, tokenizer = load_open_clip(spec, weights)
    # What the model's own sigmoid loss needs beside the embeddings.
    loss = {}
    if getattr(model, "logit_bias", None) is not None:
        loss = {
            "logit_scale": model.logit_scale.exp().item(),
            "logit_bias": model.logit_bias.item(),
        }
    device = choose_device()
    dtype = choose_dtype(precision, device)
    model = model.to(device=device, dtype=dtype)

    def metadata(preprocessing: str) -> dict:
        return weights_metadata(spec, weights, preprocessing, dtype) | loss

    if modality == "image":
        size = model.visual.image_size
        height, width = size if isinstance(size, tuple) else (size, size)
        prepare, normalise = split_transform(transform)
        return Encoder(
            prepare=prepare,
            encode=torch_encode(model.encode_image, device, dtype, normalise),
            noise=lambda rng: normal_picture(rng, height, width),
            metadata=metadata(describe_preprocessing(PREPROCESSING["image"], spec)),
            normalise=normalise,
        )
    inner = getattr(tokenizer, "tokenizer", None)  # of transformers
    if hasattr(inner, "all_special_ids") and not knows_words(inner):
        raise InputError(
            f"encoders: the tokenizer of {spec['architecture']} knows no word; put the tokenizer's "
            "files into the folder that it names."
        )
    length, vocabulary = model.context_length, model.vocab_size
    return Encoder(
        prepare=lambda text: tokenizer([text], context_length=length)[0],
        encode=torch_encode(model.encode_text, device, dtype),
        noise=lambda rng: torch.from_numpy(rng.integers(0, vocabulary, length)),
        metadata=metadata(PREPROCESSING["text"].format(tokens=length)),
    )


def dequantise_clip_image_tower(onnx_bytes: bytes) -> dict[str, "torch.Tensor"]:
    """Float weights of CLIP's ViT image tower from its 8-bit ONNX export.

    A quantised matrix is W = (q - zero) * scale, column by column; everything else is stored as
    float. Returns a state dict with the names of open_clip's VisionTransformer.
    """
    import onnx
    import torch
    from onnx import numpy_helper

    graph = onnx.load_from_string(onnx_bytes).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    float_of = {}
    for node in graph.node:
        if node.op_type == "MatMulInteger":
            matrix, base = node.input[1], node.input[1].removesuffix("_quantized")
            zero = stored[f"{base}_zero_point"].astype(np.float32)
            weight = (stored[matrix].astype(np.float32) - zero) * stored[f"{base}_scale"]
            module = node.name.removesuffix("/MatMul_quant").strip("/").replace("/", ".")
            float_of[f"{module}.weight"] = weight.T
    float_of |= {name: array for name, array in stored.items() if "MatMul" not in name}

    prefix = "vision_model."
    state = {
        "class_embedding": float_of[prefix + "embeddings.class_embedding"],
        "positional_embedding": float_of[prefix + "embeddings.position_embedding.weight"],
        "conv1.weight": float_of[prefix + "embeddings.patch_embedding.weight"],
        "proj": float_of["visual_projection.weight"].T,
    }
    for kind in ("weight", "bias"):
        state[f"ln_pre.{kind}"] = float_of[f"{prefix}pre_layrnorm.{kind}"]
        state[f"ln_post.{kind}"] = float_of[f"{prefix}post_layernorm.{kind}"]
    layers = sum(name.endswith("mlp.fc1.weight") for name in float_of)
    for layer in range(layers):
        source = f"{prefix}encoder.layers.{layer}."
        target = f"transformer.resblocks.{layer}."
        for kind in ("weight", "bias"):
            qkv = [float_of[f"{source}self_attn.{part}_proj.{kind}"] for part in "qkv"]
            state[f"{target}attn.in_proj_{kind}"] = np.concatenate(qkv)
            for ours, theirs in {
                "attn.out_proj": "self_attn.out_proj",
                "ln_1": "layer_norm1",
                "ln_2": "layer_norm2",
                "mlp.c_fc": "mlp.fc1",
                "mlp.c_proj": "mlp.fc2",
            }.items():
                state[f"{target}{ours}.{kind}"] = float_of[f"{source}{theirs}.{kind}"]
    return {name: torch.tensor(np.ascontiguousarray(array)) for name, array in state.items()}


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
            "description": "Whether a tower or the tokenizer comes from the library transformers.",
            "type": "boolean",
            "default": False,
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
)
