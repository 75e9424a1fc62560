"""Losses with a state or parameters of their own, created once per training run.

`items` is the number of training pairs; `dim` is the dimension of the embeddings.
"""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from modality_gap.errors import InputError
from modality_gap.training.losses.registry import Batch, loss

NEAREST = 10  # nearest items, whose mean cosine measures density
Tensor = torch.Tensor
Scale = torch.Tensor | float


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's correlation of two arrays (n,); 0 if one is constant."""
    from scipy import stats

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(stats.spearmanr(one, other).statistic)


@loss("isogclr", "a temperature for each item", "iSogCLR (2305.11965)")
class ISogCLR:
    """Each item of each side has a temperature, which follows how many hard negatives it has. The
    value is a surrogate: its gradient is that of the loss, but its size means nothing.

    The published rho cannot be used with small batches: from log(B - 1) on, every temperature falls
    to the lower bound.
    """

    def __init__(
        self,
        items: int,
        dim: int,
        seed: int,
        rho: float = 1.0,
        memory: float = 0.8,
        eta: float = 0.03,
        start: float = 0.01,
        momentum: float = 0.9,
        bounds: tuple[float, float] = (0.005, 1.0),
    ):
        self.rho, self.memory, self.eta, self.momentum = rho, memory, eta, momentum
        self.bounds = bounds
        # By side: moving sum S, its shift b, momentum u and temperature of each training pair.
        self.sums, self.shifts, self.moves = torch.zeros(3, 2, items, dtype=torch.float64)
        self.temperatures = torch.full((2, items), start, dtype=torch.float64)

    def __call__(self, x: Tensor, y: Tensor, logit_scale: Scale, batch: Batch) -> Tensor:
        cosines = x @ y.T
        return self._side(0, cosines, batch.rows) + self._side(1, cosines.T, batch.rows)

    def _side(self, side: int, cosines: Tensor, rows: Tensor) -> Tensor:
        n = len(cosines)
        difference = cosines - cosines.diagonal()[:, None]
        temperature = self.temperatures[side, rows][:, None]
        e = difference.detach().double() / temperature
        old_shift, old_sum = self.shifts[side, rows], self.sums[side, rows]
        shift = torch.maximum(old_shift, e.max(dim=1).values)
        weights = (e - shift[:, None]).exp()
        mean = weights.sum(dim=1) / (n - 1)
        kept = old_sum * (old_shift - shift).exp()
        total = (1 - self.memory) * kept + self.memory * mean
        weights = weights / (total[:, None] + 1e-10)
        slope = total.log() + shift + self.rho - (weights * e).sum(dim=1) / (n - 1)
        move = (1 - self.momentum) * self.moves[side, rows] + self.momentum * slope.clamp(-5, 5)
        self.shifts[side, rows], self.sums[side, rows], self.moves[side, rows] = shift, total, move
        self.temperatures[side, rows] = (temperature[:, 0] - self.eta * move).clamp(*self.bounds)
        return (weights.to(difference.dtype) * difference).sum(dim=1).mean() / (n - 1)

    def temperature_density(self, a: Tensor, b: Tensor, rows: Tensor) -> float:
        """The rank correlation, over the training pairs `rows`, of an item's temperature with its
        mean cosine to the ten nearest of these pairs. Cosines are those of the frozen inputs a and
        b. The result is the mean of both sides."""
        found = []
        for side, inputs in enumerate((a[rows], b[rows])):
            cosines = (inputs @ inputs.T).double().fill_diagonal_(-1)
            near = cosines.topk(min(NEAREST, len(rows) - 1)).values.mean(dim=1)
            found.append(rank_correlation(self.temperatures[side, rows].numpy(), near.numpy()))
        return float(np.mean(found))


@loss("slap", "no negatives", "SLAP (2506.17815)", passes=2)
class Slap:
    """A predictor of each modality guesses the vectors that moving averages of both towers give.
    What the method embeds are the predictions."""

    def __init__(self, items: int, dim: int, seed: int, part: float = 0.5, rate: float = 0.995):
        self.part, self.rate = part, rate
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.predictors = nn.ModuleList(
                nn.Sequential(nn.Linear(dim, 2 * dim), nn.ReLU(), nn.Linear(2 * dim, dim))
                for _ in range(2)
            )
        self.average: nn.Module | None = None

    def parameters(self) -> Iterator[nn.Parameter]:
        """The parameters of the predictors."""
        return self.predictors.parameters()

    def embed(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The predictions from x and y, unit rows."""
        self.predictors.to(x.dtype)
        q_x, q_y = (
            functional.normalize(f(v), dim=1) for f, v in zip(self.predictors, (x, y), strict=True)
        )
        return q_x, q_y

    def begin(self, model: nn.Module) -> None:
        """Start the averages from the towers."""
        self.average = copy.deepcopy(model)

    def teacher(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors of frozen inputs under the averages of both towers."""
        if self.average is None:
            raise InputError(
                "the moving averages of the two towers have not been started; call `begin(model)` "
                "first."
            )
        return self.average(a, b)

    def after_step(self, model: nn.Module) -> None:
        """Move the averages of the towers one step towards the towers."""
        if self.average is None:
            self.begin(model)
            return
        with torch.no_grad():
            for old, new in zip(self.average.parameters(), model.parameters(), strict=True):
                old.lerp_(new, 1 - self.rate)

    def __call__(self, x: Tensor, y: Tensor, logit_scale: Scale, batch: Batch) -> Tensor:
        q_x, q_y = self.embed(x, y)
        target_x, target_y = batch.teacher
        across = 2 - (q_x * target_y).sum(dim=1) - (q_y * target_x).sum(dim=1)
        inside = 2 - (q_x * target_x).sum(dim=1) - (q_y * target_y).sum(dim=1)
        return (self.part * across + (1 - self.part) * inside).mean()
