"""The tasks of sets whose second modality is class prompts (T3 to T5), and how methods change them.

Items (n, d) and prompts (C, d), one for each class, are unit vectors (float64). labels (n,): the
class of each item, 0 to C - 1.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from modality_gap.measures.intervals import jackknife_interval
from modality_gap.measures.posthoc.changes import change_of, mean_change
from modality_gap.measures.posthoc.ranks import group_ranks
from modality_gap.measures.posthoc.registry import Fitted, Maps, Method, unit
from modality_gap.measures.posthoc.tasks import neighbours_kept, skewness

Rows = Iterator[tuple[str, str, float]]
STARTS = 3  # starts of k-means; the best result is used


class ClassOutcome(NamedTuple):
    """The results of a method on items and prompts of classes. They are whether each item gets the
    right prompt (n,); the average precision of its class among the items (n,), or None if the
    method has no scores within a modality; and the group of each item, followed by the group of
    each item's prompt (2n,), or None if the method moves no vectors."""

    right: np.ndarray
    precision: np.ndarray | None
    groups: np.ndarray | None


def class_outcome(
    fitted: Fitted, items: np.ndarray, prompts: np.ndarray, labels: np.ndarray, seed: int
) -> ClassOutcome:
    """The outcome of a method on items (n, d) with labels (n,) and one prompt (C, d) for each
    class."""
    right = predicted(fitted, items, prompts) == labels
    precision = groups = None
    if ("x", "x") in fitted.kinds:
        inside = fitted.scores(items, items, ("x", "x")).copy()
        np.fill_diagonal(inside, -np.inf)
        precision = average_precisions(inside, same_label(labels))
    if isinstance(fitted, Maps):
        from sklearn.cluster import KMeans

        a, b = unit(fitted.vectors("x", items)), unit(fitted.vectors("y", prompts))
        means = KMeans(len(prompts), n_init=STARTS, random_state=seed)
        groups = means.fit_predict(np.concatenate([a, b[labels]]))
    return ClassOutcome(right, precision, groups)


def class_differences(
    methods: Mapping[str, Method],
    outcomes: Mapping[str, ClassOutcome],
    labels: np.ndarray,
    confidence: float,
) -> list[dict]:
    """The difference of each method from the result without a method, over items with labels (n,).
    Intervals leave out one class at a time. The metrics are `accuracy`; `map_x`, the mean average
    precision among the items; and `v_measure` of the groups of one run of k-means. The interval of
    `v_measure` does not include the variation between runs."""
    plain, rows = outcomes.get("none"), []
    for name, one in outcomes.items():
        if name == "none" or plain is None:
            continue
        changes = {"accuracy": change_of(plain.right, one.right, _numbered(labels), confidence)}
        if plain.precision is not None and one.precision is not None:
            of = ~np.isnan(plain.precision)
            parts = plain.precision[of], one.precision[of], _numbered(labels[of])
            changes["map_x"] = mean_change(*parts, confidence)
        if plain.groups is not None and one.groups is not None:
            changes["v_measure"] = _group_change(plain.groups, one.groups, labels, confidence)
        about = {"method": name, "star": methods[name].sees == "all"}
        rows += [{**about, "metric": metric, **change} for metric, change in changes.items()]
    return rows


def _numbered(labels: np.ndarray) -> np.ndarray:
    """The labels (n,) numbered again without gaps, so that no class without items counts."""
    return np.unique(labels, return_inverse=True)[1]


def _group_change(
    before: np.ndarray, after: np.ndarray, labels: np.ndarray, confidence: float
) -> dict[str, float]:
    from sklearn.metrics import v_measure_score

    twice = np.tile(labels, 2)

    def change(some: np.ndarray) -> float:
        scores = [v_measure_score(twice[some], groups[some]) for groups in (before, after)]
        return float(scores[1] - scores[0])

    value = change(np.ones(len(twice), dtype=bool))
    parts = np.array([change(twice != label) for label in np.unique(labels)])
    low, high = jackknife_interval(value, parts, confidence)
    ends = {"difference": value, "difference_low": float(low), "difference_high": float(high)}
    return ends | {"n": len(labels)}


def same_label(labels: np.ndarray) -> np.ndarray:
    """Which pairs of different items have the same label, (n, n)."""
    return (labels[:, None] == labels) & ~np.eye(len(labels), dtype=bool)


def predicted(fitted: Fitted, items: np.ndarray, prompts: np.ndarray) -> np.ndarray:
    """For each item, the class whose prompt scores highest, (n,)."""
    return fitted.scores(items, prompts, ("x", "y")).argmax(axis=1)


def of_classes(
    fitted: Fitted,
    items: np.ndarray,
    prompts: np.ndarray,
    labels: np.ndarray,
    outcome: ClassOutcome,
) -> Rows:
    """The tasks of items with labels (n,) and one prompt (C, d) for each class, as (task, metric,
    value). They are zero-shot classification (T3), retrieval among the items (T4), both modalities
    pooled (T5), and the gap between items and their prompts. `outcome` is the result of
    `class_outcome`."""
    for name, value in zero_shot(fitted, items, prompts, labels).items():
        yield "T3", name, value
    if outcome.precision is not None:
        inside = fitted.scores(items, items, ("x", "x")).copy()
        np.fill_diagonal(inside, -np.inf)
        yield "T4", "map", float(np.nanmean(outcome.precision))
        yield "T4", "recall1", float(np.mean(labels[inside.argmax(axis=1)] == labels))
        across = fitted.scores(items, prompts, ("x", "y"))
        wanted = across[np.arange(len(labels)), labels]
        ahead = (across > wanted[:, None]).sum(axis=1) + (inside > wanted[:, None]).sum(axis=1)
        yield "T4", "prompt_median_rank", float(np.median(1 + ahead))
    if isinstance(fitted, Maps):
        yield "T4", "neighbours_kept_x", neighbours_kept(fitted, "x", items)
        yield "T4", "tolerance", tolerance(unit(fitted.vectors("x", items)), labels)
        yield from pooled(fitted, items, prompts, labels, outcome.groups)


def zero_shot(
    fitted: Fitted, items: np.ndarray, prompts: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    """Zero-shot classification (T3) of items (n, d) with labels (n,) by prompts (C, d): the share
    of items that get the right prompt, the population skewness of the number of items per prompt,
    and the share of prompts whose nearest item is of their class."""
    choice = predicted(fitted, items, prompts)
    own = np.arange(len(prompts))[:, None] == labels
    back = group_ranks(fitted.scores(prompts, items, ("y", "x")), own)
    return {
        "accuracy": float((choice == labels).mean()),
        "count_skewness": skewness(np.bincount(choice, minlength=len(prompts))),
        "prompt_recall1": float((back == 1).mean()),
    }


def tolerance(vectors: np.ndarray, labels: np.ndarray) -> float:
    """The mean cosine of two different items of the same class, for unit vectors (n, d) with labels
    (n,). NaN if no class has two items. Source: Understanding the Behaviour of Contrastive Loss,
    2012.09740."""
    same = same_label(labels)
    return float((vectors @ vectors.T)[same].mean()) if same.any() else float("nan")


def pooled(
    fitted: Maps,
    items: np.ndarray,
    prompts: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None,
) -> Rows:
    """T5 and the gap, for moved items and prompts on the unit sphere. T5 has two measures. The
    first is the V-measure of k-means over every item and its prompt, with as many groups as classes
    (`groups`, (2n,)). The second is the mean average precision of items and prompts among each
    other, each taken once."""
    from sklearn.metrics import v_measure_score

    a, b = unit(fitted.vectors("x", items)), unit(fitted.vectors("y", prompts))
    yield "T3", "gap", float(np.linalg.norm(a.mean(axis=0) - b[labels].mean(axis=0)))
    yield "T5", "v_measure", float(v_measure_score(np.tile(labels, 2), groups))
    both, of = np.concatenate([a, b]), np.concatenate([labels, np.arange(len(prompts))])
    scores = both @ both.T
    np.fill_diagonal(scores, -np.inf)
    yield "T5", "map", mean_average_precision(scores, (of[:, None] == of) & (scores > -np.inf))


def average_precisions(scores: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """The average precision (n,) of the `relevant` (n, k) items, ordered by the scores (n, k). It
    is NaN for a row without a relevant item. An item with the score -inf comes last."""
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = np.take_along_axis(relevant, order, axis=1)
    precision = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    counts = hits.sum(axis=1)
    empty = np.full(len(hits), np.nan)
    return np.divide((precision * hits).sum(axis=1), counts, out=empty, where=counts > 0)


def mean_average_precision(scores: np.ndarray, relevant: np.ndarray) -> float:
    """The mean of `average_precisions` over the rows that have a relevant item."""
    return float(np.nanmean(average_precisions(scores, relevant)))
