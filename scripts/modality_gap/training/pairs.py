"""Pairs for training, and how a model embeds them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from modality_gap.errors import InputError
from modality_gap.measures.retrieval import identical_rows


@dataclass(frozen=True)
class Pairs:
    """The inputs of n pairs, `a` and `b`. `train` are the rows for training, and `test` are held
    out.

    Inputs are cached embeddings (n, d_a) and (n, d_b) of unit length, on the model's device. For a
    whole model, they are pixels of pictures and tokens of captions (n, length). When nothing is
    learnt, `at_once` pairs go through the model together; None means all.
    """

    a: torch.Tensor
    b: torch.Tensor
    train: torch.Tensor
    test: torch.Tensor
    at_once: int | None = None


@dataclass(frozen=True)
class Captions:
    """Which pairs share a picture.

    `picture` (n,) is the number of each pair's picture. `rows` (P, K) are the first K training
    pairs of each picture, where K is the smallest number of captions of a training picture.
    """

    picture: torch.Tensor
    rows: torch.Tensor

    def of(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the places (P,) at which each of the P pictures in a batch first occurs, and the
        pairs (P K,) of these pictures, with K texts each."""
        _, first = np.unique(self.picture[batch].numpy(), return_index=True)
        place = torch.from_numpy(np.sort(first))
        return place, self.rows[self.picture[batch[place]]].flatten()


def captions_of(pairs: Pairs) -> Captions:
    """The captions of pairs. Pairs share a picture if their first input vectors are equal. Raises
    InputError if a training picture has only one caption."""
    codes = np.unique(identical_rows(pairs.a.numpy()), return_inverse=True)[1]
    train = pairs.train.numpy()
    of_train = codes[train]
    names, counts = np.unique(of_train, return_counts=True)
    if counts.min() < 2:
        raise InputError(
            f"Of {len(names):,} training pictures, {int((counts == 1).sum()):,} have only one "
            "caption. Give at least two captions per picture, with one row per caption."
        )
    rows = np.zeros((codes.max() + 1, counts.min()), dtype=np.int64)
    for name in names:
        rows[name] = train[of_train == name][: counts.min()]
    return Captions(torch.from_numpy(codes), torch.from_numpy(rows))


def shuffled(rows: torch.Tensor, size: int, steps: int, seed: int) -> Iterator[torch.Tensor]:
    """Yields `steps` batches of `size` rows. The seed draws a new order for each epoch; rows left
    over at the end of an epoch are dropped."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < size:
            order = torch.randperm(len(rows), generator=generator)
        yield rows[order[:size].to(rows.device)]
        order = order[size:]


# --- what is measured ---------------------------------------------------------------------------


@torch.no_grad()
def embed(
    model: torch.nn.Module, pairs: Pairs, rows: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The output x, y (m, d) of the model for the pairs `rows`."""
    model.eval()
    groups = rows.split(pairs.at_once or len(rows))
    parts = [model(pairs.a[some], pairs.b[some]) for some in groups]
    x, y = (torch.cat(side) for side in zip(*parts, strict=True))
    return x, y


def held_out(model: torch.nn.Module, pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """The unit vectors x, y (m, d) of the held-out pairs, in float64."""
    sides = embed(model, pairs, pairs.test)
    x, y = (functional.normalize(side.double()).cpu().numpy() for side in sides)
    return x, y
