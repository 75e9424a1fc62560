"""A controlled study of losses: same pairs, towers, budget and seeds; only the loss differs.

With the same seed, all methods have the same start, the same order of batches and the same noise,
so that results are paired.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch.nn import functional

from modality_gap.errors import InputError
from modality_gap.training.loss_measures import curve_point
from modality_gap.training.loss_trial import check_value, made, teacher_of
from modality_gap.training.losses.registry import Batch
from modality_gap.training.pairs import Captions, Pairs, captions_of, shuffled
from modality_gap.training.recipes import Recipe, Scale, budget
from modality_gap.training.towers import Adam, Towers, learning_rate_factor, share_layers

NOISE = 0.5  # noise of a second view, relative to a unit input


class Predicted(torch.nn.Module):
    """A model that embeds with the predictors of a loss, which take the outputs of the towers."""

    def __init__(self, model: torch.nn.Module, loss: Any):
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Unit vectors x, y (m, dim) of inputs a, b."""
        return self.loss.embed(*self.model(a, b))


@dataclass(frozen=True)
class Trained:
    """A finished run.

    `towers` are the trained towers, and `embeds` is the model that embeds: the towers, or
    predictors after them. `curve` has the recorded steps. `ends` has the final temperature and
    bias. If each item has its own temperature, `ends` also says how the temperatures follow the
    density of items (otherwise NaN).
    """

    towers: Towers
    embeds: torch.nn.Module
    curve: list[dict]
    ends: dict


def noisy(rows: torch.Tensor, generator: torch.Generator, length: float = NOISE) -> torch.Tensor:
    """Unit inputs (B, p) with added noise of about the length `length`, normalised again."""
    noise = torch.randn(rows.shape, generator=generator) / rows.shape[1] ** 0.5
    return functional.normalize(rows + length * noise, dim=1)


def swapped(
    x: torch.Tensor, y: torch.Tensor, kind: str, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """x and y (B, d) with entries exchanged, not normalised. With `hard`, each entry is exchanged
    with probability 1/2. With `soft`, entries are mixed; the shares are drawn for each entry and
    side. Source: 2412.07909."""
    shares = torch.rand(2, *x.shape, generator=generator, dtype=x.dtype)
    if kind == "hard":
        shares = (shares[:1] < 0.5).to(x.dtype).expand(2, *x.shape)
    return shares[0] * x + (1 - shares[0]) * y, shares[1] * y + (1 - shares[1]) * x


def beginning(
    recipe: Recipe, pairs: Pairs, study: Mapping[str, Any], seed: int, start: Towers | None
) -> Towers:
    """The towers before training. They are drawn with the seed, or a copy of the trained start."""
    if recipe.start == "trained":
        if start is None:
            raise InputError(f"{recipe.key} starts from the trained baseline; give it as `start`.")
        return copy.deepcopy(start)
    dims = pairs.a.shape[1], pairs.b.shape[1]
    model = Towers(dims, recipe.hidden_layers, study["width"], recipe.dim, seed)
    if recipe.shared:
        share_layers(model)
    return model


def train_method(
    recipe: Recipe, pairs: Pairs, study: Mapping[str, Any], seed: int, start: Towers | None
) -> Trained:
    """Train one method. `start` is the trained baseline of the same seed, for methods that begin
    from it."""
    settings, model = budget(recipe, study), beginning(recipe, pairs, study, seed, start)
    torch.manual_seed(seed)  # for a loss that draws without its generator
    loss, scale = made(recipe, len(pairs.a), recipe.dim, seed), Scale(recipe)
    if hasattr(loss, "begin"):
        loss.begin(model)
    embeds = Predicted(model, loss) if hasattr(loss, "embed") else model
    optimisers = [Adam(model.parameters(), settings, settings["weight_decay"])]
    if scale.learning():
        rate = settings["learning_rate"] * scale.rate
        optimisers.append(Adam(scale.learning(), {**settings, "learning_rate": rate}, 0.0))
    if hasattr(loss, "parameters"):
        optimisers += _of_loss(list(loss.parameters()), settings)
    steps, curve = settings["steps"], [curve_point(0, embeds, pairs)]
    # Generators of noise, loss, augmentation and swaps: draws of one method change no other's.
    draws = [torch.Generator().manual_seed(seed * 7 + offset) for offset in (1, 2, 3, 4)]
    size = min(settings["batch_size"], len(pairs.train))
    captions = captions_of(pairs) if recipe.loss.captions else None
    for step, rows in enumerate(shuffled(pairs.train, size, steps, seed)):
        batch = _batch(recipe, loss, model, start, pairs, rows, scale, draws, step, steps)
        if captions:
            batch = replace(batch, make_texts=partial(_texts, model, pairs, captions, rows))
        x, y = functional.normalize(batch.raw_x, dim=1), functional.normalize(batch.raw_y, dim=1)
        swap = recipe.swap
        if swap and float(torch.rand((), generator=draws[3])) < swap["share"]:
            x, y = swapped(x, y, swap["kind"], draws[3])
        value = loss(x, y, scale.at(step, steps), batch)
        check_value(recipe, value, step)
        value.backward()
        factor = learning_rate_factor(step, steps, settings["warmup"], settings["decay"])
        for optimiser in optimisers:
            optimiser.step(factor)
        scale.clamp()
        if hasattr(loss, "after_step"):
            loss.after_step(model)
        if (step + 1) % settings["record_every"] == 0 or step + 1 == steps:
            curve.append(curve_point(step + 1, embeds, pairs))
    return Trained(model, embeds, curve, _ends(loss, scale, pairs, steps))


def _of_loss(parameters: list[torch.nn.Parameter], settings: dict) -> list[Adam]:
    """The optimisers of a loss's own parameters: matrices with weight decay, all others without."""
    matrices = [one for one in parameters if one.ndim > 1]
    others = [one for one in parameters if one.ndim <= 1]
    parts = ((matrices, settings["weight_decay"]), (others, 0.0))
    return [Adam(some, settings, decay) for some, decay in parts if some]


@torch.no_grad()
def _ends(loss: Any, scale: Scale, pairs: Pairs, steps: int) -> dict[str, float]:
    ends = {"temperature": 1 / float(scale.at(steps - 1, steps)), "bias": float(scale.offset())}
    ends["temperature_density"] = math.nan
    if hasattr(loss, "temperature_density"):
        ends["temperature_density"] = loss.temperature_density(pairs.a, pairs.b, pairs.train)
    return ends


def _texts(
    model: Towers, pairs: Pairs, captions: Captions, rows: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    place, all_texts = captions.of(rows)
    return place, model(pairs.a[all_texts], pairs.b[all_texts])[1]


def _batch(
    recipe: Recipe,
    loss: Any,
    model: Towers,
    start: Towers | None,
    pairs: Pairs,
    rows: torch.Tensor,
    scale: Scale,
    draws: list[torch.Generator],
    step: int,
    steps: int,
) -> Batch:
    a, b = pairs.a[rows], pairs.b[rows]
    given = (a, b)
    if recipe.augment:
        given = (noisy(a, draws[2], recipe.augment), noisy(b, draws[2], recipe.augment))
    raw_x, raw_y = model.raw(*given)
    return Batch(
        *(rows, a, b, raw_x, raw_y, draws[1]),
        make_views=lambda: model(noisy(a, draws[0]), noisy(b, draws[0])),
        make_teacher=teacher_of(recipe, loss, start, a, b),
        bias=scale.offset(),
        step=step,
        steps=steps,
    )
