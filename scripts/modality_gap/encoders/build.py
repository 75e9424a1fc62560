"""The registry of encoder libraries, and an encoder from its entry in the configuration.

To add a library, write its file here, add a line to ENCODERS and write a test. The file declares
the library and builds its encoders; what is slow to import, it imports in functions.
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
    """The encoder that `spec` describes: an entry of `encoders` in the config, with its options
    among the other keys, as `with_rows` returns it.

    `weights` is one of {"seed": int} (random), {"file": path} (an asset, as its authors published
    it), {"tag": str} (a download of the library), {"wheel": path, "member": name} (read from the
    archive: no code of the package runs), {"folder": path} (a Hugging Face model), {"checkpoint":
    path} (trained here) and {"tables": paths} (finished vectors and their names, in turn).
    `precision` is float32 or bfloat16. Raises InputError for a modality or an architecture that the
    library does not have, and for weights of another architecture.
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
    return library.build(spec, modality, weights, precision)


def weight_files(inputs: Any) -> dict[str, Any]:
    """The files of an encoder's weights among the named inputs of a job, for `weights_of`."""
    named = {kind: inputs.get(kind) for kind in ("checkpoint", "weights", "wheel", "tables")}
    return {kind: path for kind, path in named.items() if path}


def weights_of(spec: dict, seed: int | None, files: Mapping[str, Any]) -> dict:
    """The source of an encoder's weights, in the form that `build_encoder` expects.

    Random ones if there is a `seed`, else those of one of `files` (paths by checkpoint, weights,
    wheel and tables, as far as the encoder has them), else those of the folder or tag that `spec`
    names.
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
    """The encoder of a job of the workflow. `files` are the job's inputs, as for `weights_of`;
    `init` is the initialisation, if the encoder has several."""
    spec = spec | {"wheel_path": files.get("wheel")}
    weights = weights_of(spec, spec.get("seed") if init is None else init, files)
    return build_encoder(spec, modality, weights, precision)


def fetch_from_hub(spec: dict) -> dict[str, dict]:
    """Build an encoder once, so that everything it reads from a model hub is in its library's
    caches; return its metadata by modality. The weights are those of the hub or, if
    none are named, random: files of your own and weights trained here need no hub.

    Raises InputError for a model that the hub does not have, and if the hub is unreachable.
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
