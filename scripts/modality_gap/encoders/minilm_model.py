"""The MiniLM sentence transformer, built with PyTorch's own Transformer.

The transformers library also has it, but importing its BERT takes longer than embedding all
captions. A test compares the two.
"""

import numpy as np
import torch
from torch import nn


class MiniLM(nn.Module):
    """BERT, followed by the mean over the tokens of a sentence. Source: BERT (Devlin et al., 2019),
    section 3; Sentence-BERT (Reimers and Gurevych, 2019), section 3."""

    def __init__(self, config: dict):
        super().__init__()
        width, epsilon = config["hidden_size"], config["layer_norm_eps"]
        self.word = nn.Embedding(config["vocab_size"], width)
        self.position = nn.Embedding(config["max_position_embeddings"], width)
        self.kind = nn.Embedding(config["type_vocab_size"], width)
        self.norm = nn.LayerNorm(width, epsilon)
        layer = nn.TransformerEncoderLayer(
            width,
            config["num_attention_heads"],
            config["intermediate_size"],
            dropout=0.0,
            activation="gelu",
            layer_norm_eps=epsilon,
            batch_first=True,
        )
        self.encoder = nn.TransformerEncoder(
            layer, config["num_hidden_layers"], enable_nested_tensor=False
        )
        self.initialise(config["initializer_range"])

    def initialise(self, deviation: float) -> None:
        """Initialise as in BERT: normal weights, zero biases, and layer norms unchanged."""
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=deviation)
            elif "norm" not in name:
                nn.init.zeros_(parameter)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embeddings (b, d) of token ids (b, t). `mask` (b, t) is true for tokens and false for
        padding."""
        places = self.position.weight[: tokens.shape[1]]
        states = self.word(tokens) + places + self.kind(torch.zeros_like(tokens))
        states = self.encoder(self.norm(states), src_key_padding_mask=~mask).float()
        return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def from_bert(stored: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The state dict of `MiniLM`, converted from a state dict with the names of BERT."""
    state = {
        "word.weight": stored["embeddings.word_embeddings.weight"],
        "position.weight": stored["embeddings.position_embeddings.weight"],
        "kind.weight": stored["embeddings.token_type_embeddings.weight"],
        "norm.weight": stored["embeddings.LayerNorm.weight"],
        "norm.bias": stored["embeddings.LayerNorm.bias"],
    }
    layers = sum(name.endswith("intermediate.dense.weight") for name in stored)
    for layer in range(layers):
        source, target = f"encoder.layer.{layer}.", f"encoder.layers.{layer}."
        for kind in ("weight", "bias"):
            parts = [
                stored[f"{source}attention.self.{p}.{kind}"] for p in ("query", "key", "value")
            ]
            state[f"{target}self_attn.in_proj_{kind}"] = np.concatenate(parts)
            for ours, theirs in {
                "self_attn.out_proj": "attention.output.dense",
                "norm1": "attention.output.LayerNorm",
                "linear1": "intermediate.dense",
                "linear2": "output.dense",
                "norm2": "output.LayerNorm",
            }.items():
                state[f"{target}{ours}.{kind}"] = stored[f"{source}{theirs}.{kind}"]
    return {name: torch.from_numpy(array) for name, array in state.items()}
