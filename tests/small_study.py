"""A study of losses that trains in moments, and its pairs."""

import torch

from modality_gap.training.pairs import Pairs

STUDY = {
    "baseline": "clip",
    "seeds": 2,
    "hidden_layers": 0,
    "width": 8,
    "dim": 6,
    "optimisation": {
        "optimiser": "adamw",
        "betas": [0.9, 0.98],
        "epsilon": 1e-6,
        "weight_decay": 0.1,
        "batch_size": 16,
        "learning_rate": 0.01,
        "steps": 4,
        "warmup": 2,
        "decay": "cosine",
        "record_every": 2,
    },
    "after_training": {"steps": 2},
}


def small_pairs() -> Pairs:
    """40 pairs of 8 and 7 dimensions that share 5; the last 12 are held out."""
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(40, 5, generator=generator)
    sides = [shared @ torch.randn(5, d, generator=generator) for d in (8, 7)]
    sides = [torch.nn.functional.normalize(side, dim=1) for side in sides]
    return Pairs(*sides, torch.arange(28), torch.arange(28, 40))
