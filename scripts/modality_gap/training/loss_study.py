"""One controlled study of losses: same pairs, towers, budget and seeds, another loss each time.

A method is a loss with all that is not the loss: its temperature, its start. With one seed every
method has the same start, the same order of batches and the same noise, so that results are paired.
"""

import copy
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn import functional
from tqdm import tqdm

from modality_gap.errors import InputError
from modality_gap.measures import gap
from modality_gap.measures.intervals import t_interval, t_quantile
from modality_gap.measures.posthoc.measures import uniformity as both_uniformities
from modality_gap.measures.retrieval import recall_at
from modality_gap.measures.separability import linear_separability
from modality_gap.measures.significance import holm
from modality_gap.training.losses.catalogue import FOLLOW_UP_LOSSES
from modality_gap.training.losses.registry import Batch, FollowUpLoss
from modality_gap.training.pairs import Pairs, embed, held_out, shuffled
from modality_gap.training.towers import Adam, Towers, learning_rate_factor

NOISE = 0.5  # of a second view, as a share of a unit input


@dataclass(frozen=True)
class Recipe:
    """A method of the study.

    `temperature`: {"fixed": t}, {"learnt": t, "largest_scale": s} or {"from": t, "to": t}, linear
    in the steps. `bias`: None, or the start of a learnt bias; `fixed_bias` for one that stays.
    `start`: "scratch", or "trained" for the finished baseline of the same seed.
    """

    name: str
    label: str
    loss: FollowUpLoss
    settings: dict = field(default_factory=dict)
    temperature: dict = field(default_factory=lambda: {"fixed": 0.01})
    bias: float | None = None
    fixed_bias: float = 0.0
    start: str = "scratch"


def recipes(study: Mapping[str, Any]) -> dict[str, Recipe]:
    """The methods of the configuration by name. Raises InputError for an unknown loss, or one that
    starts from a method that is not there."""
    chosen = {}
    for name, entry in study["methods"].items():
        known = FOLLOW_UP_LOSSES.get(entry["loss"])
        if known is None:
            raise InputError(
                f"loss_study.methods.{name}.loss is {entry['loss']!r}; give one of "
                f"{', '.join(sorted(FOLLOW_UP_LOSSES))}."
            )
        rest = {key: value for key, value in entry.items() if key not in ("loss", "label")}
        chosen[name] = Recipe(name, entry.get("label", known.label), known, **rest)
    if study["baseline"] not in chosen:
        raise InputError(
            f"loss_study.baseline is {study['baseline']!r}, which is no method; name one."
        )
    return chosen


class Scale:
    """The logit scale and the bias of a run, with what of them is learnt."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        start = recipe.temperature.get("fixed", recipe.temperature.get("learnt", 1.0))
        self.log_scale = torch.nn.Parameter(torch.tensor(-math.log(start)))
        self.bias = torch.nn.Parameter(torch.tensor(float(recipe.bias or 0)))
        self.largest = math.log(recipe.temperature.get("largest_scale", 100.0))

    def learning(self) -> list[torch.nn.Parameter]:
        """The learnt ones."""
        learnt = [self.log_scale] if "learnt" in self.recipe.temperature else []
        return learnt + ([self.bias] if self.recipe.bias is not None else [])

    def at(self, step: int, steps: int) -> torch.Tensor | float:
        """The logit scale at a step, counted from 0."""
        setting = self.recipe.temperature
        if "learnt" in setting:
            return self.log_scale.exp()
        if "fixed" in setting:
            return 1 / setting["fixed"]
        part = step / max(1, steps - 1)
        return 1 / (setting["from"] + (setting["to"] - setting["from"]) * part)

    def offset(self) -> torch.Tensor | float:
        """The bias."""
        return self.recipe.fixed_bias if self.recipe.bias is None else self.bias

    @torch.no_grad()
    def clamp(self) -> None:
        """Limit a learnt scale; called after every step."""
        self.log_scale.clamp_(max=self.largest)


def raw_outputs(
    model: Towers, a: torch.Tensor, b: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the towers give before normalising, (B, dim) each."""
    return model.first(a * a.shape[1] ** 0.5), model.second(b * b.shape[1] ** 0.5)


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
            raise InputError(f"loss_study.methods.{recipe.name} needs the baseline as its start.")
        model = copy.deepcopy(start)
    else:
        dims = pairs.a.shape[1], pairs.b.shape[1]
        model = Towers(dims, study["hidden_layers"], study["width"], study["dim"], seed)
    loss, scale = recipe.loss.of, Scale(recipe)
    if recipe.loss.has_state:
        loss = loss(len(pairs.a), study["dim"], seed, **recipe.loss.settings | recipe.settings)
    with_decay = Adam(model.parameters(), budget, budget["weight_decay"])
    free = [*scale.learning(), *(loss.parameters() if hasattr(loss, "parameters") else ())]
    without_decay = Adam(free, budget, 0.0) if free else None
    steps, curve = budget["steps"], [curve_point(0, model, pairs)]
    noise, own = (torch.Generator().manual_seed(seed * 7 + offset) for offset in (1, 2))
    batches = shuffled(pairs.train, min(budget["batch_size"], len(pairs.train)), steps, seed)
    for step, rows in enumerate(batches):
        batch = _batch(model, start, pairs, rows, scale.offset(), noise, own, step, steps)
        x, y = functional.normalize(batch.raw_x, dim=1), functional.normalize(batch.raw_y, dim=1)
        known = {} if recipe.loss.has_state else recipe.loss.settings | recipe.settings
        value = loss(x, y, scale.at(step, steps), batch, **known)
        _check(recipe, value, step)
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
    raw_x, raw_y = raw_outputs(model, a, b)
    return Batch(
        *(rows, a, b, raw_x, raw_y, own),
        make_views=lambda: model(noisy(a, noise), noisy(b, noise)),
        make_teacher=None if start is None else lambda: start(a, b),
        bias=bias,
        step=step,
        steps=steps,
    )


def _check(recipe: Recipe, value: torch.Tensor, step: int) -> None:
    """Raise InputError for a loss that is no finite scalar."""
    if value.shape != () or not torch.isfinite(value):
        raise InputError(
            f"loss_study.methods.{recipe.name}: the loss gives {value.tolist()!r:.40} at step "
            f"{step}; return one finite number."
        )


@torch.no_grad()
def curve_point(step: int, model: Towers, pairs: Pairs) -> dict[str, float]:
    """Gap and recall at 1, mean of both ways, on held-out pairs, and recall on training pairs."""
    x, y = held_out(model, pairs)
    train_x, train_y = (side.double().numpy() for side in embed(model, pairs, pairs.train))
    return {
        "step": step,
        "gap": gap.gap(x, y),
        "recall1": float(np.mean(recall_at(x, y, 1))),
        "train_recall1": float(np.mean(recall_at(train_x, train_y, 1))),
    }


def measure_model(
    model: Towers, pairs: Pairs, labels: np.ndarray | None, seed: int
) -> dict[str, float]:
    """All measures of a trained model, on held-out pairs unless the name begins with train."""
    x, y = held_out(model, pairs)
    n = len(x)
    difference = x - y
    mean = difference.mean(axis=0)
    variance = float(((difference - mean) ** 2).sum() / (n - 1))
    train = [side.double().numpy() for side in embed(model, pairs, pairs.train)]
    cosines = x @ y.T
    off = ~np.eye(n, dtype=bool)
    spread = np.mean([1 - side.mean(axis=0) @ side.mean(axis=0) for side in (x, y)])
    inside = [gap.mean_cosine(side) for side in (x, y)]
    partners = float((difference**2).sum(axis=1).mean())
    potentials = [np.log(np.exp(4 * (s @ s.T)[off] - 4).mean()) for s in (x, y)]
    row: dict[str, float] = {
        "gap": float(np.linalg.norm(mean)),
        "gap_squared": float(mean @ mean - variance / n),
        "floor": float(np.sqrt(variance / n)),
        "train_gap": gap.gap(*train),
        "rmg": float(gap.relative_gap(partners / 2, float(np.mean(inside)))),
        "separability": linear_separability(x, y, seed),
        "uniformity_a": float(potentials[0]),
        "uniformity_b": float(potentials[1]),
        "uniformity_across": both_uniformities(x, y)["uniformity_across"],
        "alignment": partners,
        "gap_over_spread": float(np.linalg.norm(mean) / np.sqrt(spread)),
        "partner_cosine": float(np.diagonal(cosines).mean()),
        "mean_cosine_a": inside[0],
        "mean_cosine_b": inside[1],
        "mean_cosine_across": float(cosines[off].mean()),
    }
    for k in (1, 5, 10):
        row[f"recall{k}_ab"], row[f"recall{k}_ba"] = recall_at(x, y, k)
    row["recall1"] = (row["recall1_ab"] + row["recall1_ba"]) / 2
    row["v_measure"] = np.nan if labels is None else v_measure(x, y, labels, seed)
    return row


def v_measure(x: np.ndarray, y: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """V-measure of k-means over both modalities together against the labels (n,), k their number,
    10 starts."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import v_measure_score

    count = len(np.unique(labels))
    found = KMeans(count, n_init=10, random_state=seed).fit_predict(np.concatenate([x, y]))
    return float(v_measure_score(np.concatenate([labels, labels]), found))


def run_study(
    study: Mapping[str, Any], pairs: Pairs, labels: np.ndarray | None, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every method with every seed: one row per run with all measures, one per recorded step."""
    methods = recipes(study)
    seeds = range(seed, seed + study["seeds"])
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


COMPARED = ("gap", "gap_squared", "separability", "recall1", "partner_cosine", "v_measure", "rmg")
MARGIN = 0.03  # of recall: smaller differences count as unchanged


def differences(table: pd.DataFrame, study: Mapping[str, Any], confidence: float) -> pd.DataFrame:
    """By method and metric, the difference to the baseline paired by seed: mean, t interval, p and
    Holm's correction over the methods; for recall also whether it is shown to be unchanged (TOST
    with MARGIN). A method that starts from the trained baseline is compared with the one named
    `continued`, if there is one."""
    from scipy import stats

    methods = recipes(study)
    wide = table.set_index(["method", "seed"])
    rows = []
    for name, recipe in methods.items():
        base = study["baseline"]
        if recipe.start == "trained" and "continued" in methods:
            base = "continued"
        if name == base:
            continue
        for metric in COMPARED:
            change = (wide.loc[name, metric] - wide.loc[base, metric]).to_numpy()
            if np.isnan(change).any():
                continue
            low, high = t_interval(change, confidence)
            same = np.ptp(change) == 0
            p = float(same and change[0] == 0) if same else stats.ttest_1samp(change, 0).pvalue
            row = {"method": name, "than": base, "metric": metric, "difference": change.mean()}
            row |= {"difference_low": low, "difference_high": high, "p": p, "n": len(change)}
            row["unchanged"] = metric == "recall1" and _equivalent(change, confidence)
            rows.append(row)
    result = pd.DataFrame(rows)
    for _, of in result.groupby("metric"):
        result.loc[of.index, "p_holm"] = holm(of["p"].to_numpy())
    return result


def _equivalent(change: np.ndarray, confidence: float) -> bool:
    """Two one-sided t tests: whether the mean lies within MARGIN, at 1 - confidence each."""
    n = len(change)
    width = t_quantile(2 * confidence - 1, n) * change.std(ddof=1) / np.sqrt(n)
    return bool(abs(change.mean()) + width < MARGIN)
