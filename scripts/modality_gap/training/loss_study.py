"""One controlled study of losses: same pairs, towers, budget and seeds, another loss each time.

A method is a loss with all that is not the loss: its temperature, its start. With one seed every
method has the same start, the same order of batches and the same noise, so that results are paired.
"""

import copy
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn import functional
from tqdm import tqdm

from modality_gap.errors import InputError
from modality_gap.training.loss_measures import curve_point, measure_model
from modality_gap.training.loss_trial import check_value, made, try_losses
from modality_gap.training.losses.registry import Batch
from modality_gap.training.pairs import Pairs, shuffled
from modality_gap.training.recipes import Recipe, Scale, recipes
from modality_gap.training.towers import Adam, Towers, learning_rate_factor

NOISE = 0.5  # of a second view, as a share of a unit input


def noisy(rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Unit inputs (B, p) with noise of length about NOISE, normalised again."""
    noise = torch.randn(rows.shape, generator=generator) / rows.shape[1] ** 0.5
    return functional.normalize(rows + NOISE * noise, dim=1)


def train_method(
    recipe: Recipe,
    pairs: Pairs,
    study: Mapping[str, Any],
    seed: int,
    start: Towers | None,
) -> tuple[Towers, list[dict], dict]:
    """Train one method: the model, its curve (step, gap, recall1, train_recall1) and what it ends
    with (temperature, bias)."""
    post = recipe.start == "trained"
    budget = {**study["optimisation"], **(study["after_training"] if post else {})}
    if post:
        if start is None:
            raise InputError(f"{recipe.key} needs the baseline as its start.")
        model = copy.deepcopy(start)
    else:
        dims = pairs.a.shape[1], pairs.b.shape[1]
        model = Towers(dims, study["hidden_layers"], study["width"], study["dim"], seed)
    torch.manual_seed(seed)  # for a loss that draws without its generator
    loss, scale = made(recipe, len(pairs.a), study["dim"], seed), Scale(recipe)
    with_decay = Adam(model.parameters(), budget, budget["weight_decay"])
    free = [*scale.learning(), *(loss.parameters() if hasattr(loss, "parameters") else ())]
    without_decay = Adam(free, budget, 0.0) if free else None
    steps, curve = budget["steps"], [curve_point(0, model, pairs)]
    noise, own = (torch.Generator().manual_seed(seed * 7 + offset) for offset in (1, 2))
    batches = shuffled(pairs.train, min(budget["batch_size"], len(pairs.train)), steps, seed)
    for step, rows in enumerate(batches):
        batch = _batch(model, start, pairs, rows, scale.offset(), noise, own, step, steps)
        x, y = functional.normalize(batch.raw_x, dim=1), functional.normalize(batch.raw_y, dim=1)
        value = loss(x, y, scale.at(step, steps), batch)
        check_value(recipe, value, step)
        value.backward()
        factor = learning_rate_factor(step, steps, budget["warmup"], budget["decay"])
        with_decay.step(factor)
        if without_decay:
            without_decay.step(factor)
            scale.clamp()
        if hasattr(loss, "after_step"):
            loss.after_step(model)
        if (step + 1) % budget["record_every"] == 0 or step + 1 == steps:
            curve.append(curve_point(step + 1, model, pairs))
    with torch.no_grad():
        final = float(scale.at(steps - 1, steps)), float(scale.offset())
    return model, curve, {"temperature": 1 / final[0], "bias": final[1]}


def _batch(
    model: Towers,
    start: Towers | None,
    pairs: Pairs,
    rows: torch.Tensor,
    bias: torch.Tensor | float,
    noise: torch.Generator,
    own: torch.Generator,
    step: int,
    steps: int,
) -> Batch:
    a, b = pairs.a[rows], pairs.b[rows]
    raw_x, raw_y = model.raw(a, b)
    return Batch(
        *(rows, a, b, raw_x, raw_y, own),
        make_views=lambda: model(noisy(a, noise), noisy(b, noise)),
        make_teacher=None if start is None else lambda: start(a, b),
        bias=bias,
        step=step,
        steps=steps,
    )


def run_study(
    study: Mapping[str, Any], pairs: Pairs, labels: np.ndarray | None, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every method with every seed: one row per run with all measures, one per recorded step."""
    methods = recipes(study)
    seeds = range(seed, seed + study["seeds"])
    try_losses(methods, pairs, study, seed)
    order = sorted(methods.values(), key=lambda one: (one.name != study["baseline"], one.start))
    rows, curves = [], []
    starts: dict[int, Towers] = {}
    work = [(recipe, one) for recipe in order for one in seeds]
    for recipe, one in tqdm(work, unit="run", mininterval=10, file=sys.stderr):
        key = {"method": recipe.name, "seed": one}
        trained = starts.get(one) if recipe.start == "trained" else None
        model, curve, ends = train_method(recipe, pairs, study, one, trained)
        if recipe.name == study["baseline"]:
            starts[one] = model
        rows.append(
            {**key, "label": recipe.label, **measure_model(model, pairs, labels, one), **ends}
        )
        curves += [{**key, **point} for point in curve]
    return pd.DataFrame(rows), pd.DataFrame(curves)
