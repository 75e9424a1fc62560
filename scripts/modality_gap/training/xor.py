"""Three bits, of which the third is the exclusive or of the other two. Any two of them are
independent, so a loss of pairs has nothing to learn. Source: Symile (2411.01053)."""

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from modality_gap.training.loss_tables import paired
from modality_gap.training.losses.beside import gram_triples, symile_sampled, volumes
from modality_gap.training.losses.parts import symmetric

STEPS, BATCH, DIM, RATE, SCALE = 300, 128, 16, 0.01, 1 / 0.07
EVERY = torch.tensor([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])  # a, b and a xor b


def pairwise(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor, scale: float) -> torch.Tensor:
    """The mean of CLIP's loss over the three pairs of modalities; a, b and c are (B, d)."""
    pairs = ((a, b), (a, c), (b, c))
    return torch.stack([symmetric(scale * one @ other.T) for one, other in pairs]).mean()


def embedded(encoders: torch.nn.ModuleList, bits: torch.Tensor) -> list[torch.Tensor]:
    """Unit vectors (n, DIM) for each of the three columns of `bits` (n, 3). An encoder receives a
    bit as -1 or 1."""
    sides = (2.0 * bits - 1).T[..., None]
    return [
        functional.normalize(encoder(side), dim=1)
        for encoder, side in zip(encoders, sides, strict=True)
    ]


def accuracy(encoders: torch.nn.ModuleList, loss: str) -> float:
    """The share of the four cases in which a is found from b and c. Both values of a are scored,
    and the higher score wins; equal scores count as half."""
    right = 0.0
    with torch.no_grad():
        _, b, c = embedded(encoders, EVERY)
        values = embedded(encoders, torch.tensor([[0, 0, 0], [1, 1, 1]]))[0]
        if loss == "gram":
            scores = -volumes(values, b, c).T
        else:
            scores = (b * c if loss == "symile" else b + c) @ values.T
        for row, answer in zip(scores.double(), EVERY[:, 0], strict=True):
            difference = float(row[answer] - row[1 - answer])
            right += 0.5 if abs(difference) < 1e-6 else float(difference > 0)
    return right / len(EVERY)


def train_xor(loss: str, seed: int) -> float:
    """The accuracy of linear encoders of the three bits, after training with `symile`, `gram` or
    `pairwise`."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoders = torch.nn.ModuleList(torch.nn.Linear(1, DIM) for _ in range(3))
    optimiser = torch.optim.AdamW(encoders.parameters(), lr=RATE)
    for _ in range(STEPS):
        rows = EVERY[torch.randint(len(EVERY), (BATCH,), generator=generator)]
        optimiser.zero_grad()
        a, b, c = embedded(encoders, rows)
        if loss == "symile":
            value = symile_sampled(a, b, c, SCALE, generator)
        elif loss == "gram":
            value = gram_triples(a, b, c, SCALE)
        else:
            value = pairwise(a, b, c, SCALE)
        value.backward()
        optimiser.step()
    return accuracy(encoders, loss)


def xor_table(seeds: range) -> pd.DataFrame:
    """The accuracy of each loss for each seed: loss, seed, accuracy, chance."""
    rows = [
        {"loss": loss, "seed": seed, "accuracy": train_xor(loss, seed), "chance": 0.5}
        for loss in ("symile", "gram", "pairwise")
        for seed in seeds
    ]
    return pd.DataFrame(rows).astype({"accuracy": np.float64})


def xor_differences(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """For each loss of three modalities, its accuracy minus that of the loss of pairs, paired by
    seed. Columns: loss, than, the mean accuracy of both, difference with its t interval, p and
    n."""
    wide = table.pivot(index="seed", columns="loss", values="accuracy")
    rows = [
        {
            "loss": loss,
            "than": "pairwise",
            "accuracy": wide[loss].mean(),
            "accuracy_than": wide["pairwise"].mean(),
            **paired((wide[loss] - wide["pairwise"]).to_numpy(), confidence),
        }
        for loss in ("symile", "gram")
    ]
    return pd.DataFrame(rows)
