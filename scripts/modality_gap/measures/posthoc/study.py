"""The study of post-hoc methods on the pairs of one set: splits, results and differences.

A method estimates everything from the fit pairs and is judged on the scored pairs. Random halves
share pairs, so their spread is not a standard error.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from modality_gap.errors import InputError
from modality_gap.measures.intervals import jackknife_interval
from modality_gap.measures.posthoc.changes import (
    GROUPS,
    STAYS,
    Outcome,
    change_of,
    measure_interval,
    other_changes,
    outcome,
    with_holm,
)
from modality_gap.measures.posthoc.measures import FOLLOW_UP_MEASURES, FollowUpMeasure
from modality_gap.measures.posthoc.ranks import LEAST_RECALL, partner_ranks
from modality_gap.measures.posthoc.registry import ACROSS, FIXED, Fitted, Maps, Method, unit
from modality_gap.measures.posthoc.tasks import (
    cross_modal,
    directions,
    mixed_gallery,
    on_pairs,
    robustness,
    with_noise,
)

RESULTS = ("split", "method", "task", "metric", "value", "n_fit", "n_scored")
DIFFERENCES = (
    *("method", "star", "metric", "difference", "difference_low", "difference_high", "p", "p_holm"),
    *("halves_mean", "halves_sd", "n"),
)
MEASURED = ("measure", "value", "low", "high", "chance", "n")


def splits(clusters: np.ndarray, halves: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yields the name, the fit rows and the scored rows of each split of items. A cluster (n,),
    numbered from 0 to C - 1, is never divided. The first split is of even against odd clusters.
    Then come random halves (half_0, half_1, ...)."""
    count = int(clusters.max()) + 1
    orders = {FIXED: np.arange(count) % 2 == 0}
    for seed in range(halves):
        first = np.zeros(count, dtype=bool)
        first[np.random.default_rng(seed).permutation(count)[: count // 2]] = True
        orders[f"half_{seed}"] = first
    for name, of_fit in orders.items():
        fits = of_fit[clusters]
        yield name, np.flatnonzero(fits), np.flatnonzero(~fits)


def retrieves(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether recall at 1 of pairs x, y (n, d) is at least LEAST_RECALL in both directions."""
    cosines = x @ y.T
    return all((partner_ranks(part) == 1).mean() >= LEAST_RECALL for part in (cosines, cosines.T))


def check_fitted(method: Method, fitted: Fitted, a: np.ndarray, b: np.ndarray) -> None:
    """Raise InputError if a method fails, or returns scores of the wrong shape, NaN or infinity; or
    if it uses other scored items without saying so. A method uses them if a change of one item
    changes the score of another."""
    own = f"the post-hoc method {method.name}"
    changed_a, changed_b = a.copy(), b.copy()
    changed_a[0], changed_b[0] = a[-1], b[-1]
    versions = {"x": a, "y": b}, {"x": changed_a, "y": changed_b}
    for kind in ACROSS:
        before, after = (
            _scores(own, fitted, sides[kind[0]], sides[kind[1]], kind) for sides in versions
        )
        for one, other in zip(before, after, strict=True):
            rest = one[1:, 1:], other[1:, 1:]
            if method.sees == "fit" and not np.allclose(*rest, rtol=0, atol=1e-12):
                raise InputError(
                    f"{own} changes the score of a pair when other items change. Compute each "
                    "score from the fit pairs and the two items alone, or register the method with "
                    'sees="all".'
                )


def _scores(
    own: str, fitted: Fitted, q: np.ndarray, z: np.ndarray, kind: tuple[str, str]
) -> list[np.ndarray]:
    """The scores of queries q and items z, and those among the queries if the method has them."""
    try:
        found = [fitted.scores(q, z, kind), fitted.own_scores(q, z, kind)]
    except Exception as error:
        raise InputError(
            f"{own} raises {type(error).__name__} ({error}) where it scores; correct the function."
        ) from error
    scores = [one for one in found if one is not None]
    for one, items in zip(scores, (z, q), strict=False):
        if np.shape(one) != (len(q), len(items)):
            raise InputError(
                f"{own} returns an array of shape {np.shape(one)} for {len(q)} queries and "
                f"{len(items)} items. Return one score per query and item."
            )
        if not np.isfinite(one).all():
            raise InputError(f"{own} returns NaN or infinity; correct the function.")
    return scores


def study(
    methods: Mapping[str, Method],
    x: np.ndarray,
    y: np.ndarray,
    clusters: np.ndarray | None,
    halves: int,
    confidence: float,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The results of every method on pairs x, y (n, d), and their differences from the results
    without a method.

    Results have the columns split, method, task, metric, value, n_fit, n_scored. The fixed split
    has every task (`seed` draws the noise of T7). Random halves have only T1, T2a and the gap.

    Differences are on the fixed split, by method and direction, with intervals. They are of recall
    at 1, of NDCG at 10 in the mixed gallery, of whether the nearest item stays the same under
    noise, and of hubs. Those of recall at 1 also have McNemar's p, and Holm's correction of it over
    the methods. Those of recall at 1 and of the mixed gallery have the mean and standard deviation
    over the halves.
    """
    codes = np.arange(len(x)) if clusters is None else clusters
    rows, found = [], {}
    for split, fit, score in splits(codes, halves):
        a, b = x[score], y[score]
        for name, method in methods.items():
            fitted = method.fitted(x[fit], y[fit])
            if split == FIXED:
                check_fitted(method, fitted, a, b)
                noisy = dict(with_noise(fitted, a, b, seed)) if isinstance(fitted, Maps) else {}
                found[name] = {
                    one.name: outcome(one, noisy.get(one.name, {}).get(STAYS))
                    for one in directions(fitted, a, b)
                }
            results = _all(fitted, a, b, seed) if split == FIXED else _short(fitted, a, b)
            for task, direction, metric, value in results:
                full = metric if direction == "both" else f"{metric}_{direction}"
                rows.append((split, name, task, full, value, len(fit), len(score)))
    table = pd.DataFrame(rows, columns=list(RESULTS))
    _, _, score = next(splits(codes, 0))
    scored = None if clusters is None else np.unique(clusters[score], return_inverse=True)[1]
    return table, _differences(table, found, methods, scored, confidence)


def _all(
    fitted: Fitted, a: np.ndarray, b: np.ndarray, seed: int
) -> list[tuple[str, str, str, float]]:
    rows = on_pairs(fitted, a, b)
    if isinstance(fitted, Maps):
        for direction, values in robustness(fitted, a, b, seed):
            rows += [("T7", direction, *item) for item in values.items()]
    return rows


def _short(fitted: Fitted, a: np.ndarray, b: np.ndarray) -> list[tuple[str, str, str, float]]:
    rows = []
    for one in directions(fitted, a, b):
        tasks = {"T1": cross_modal(one)}
        if one.own is not None:
            tasks["T2a"] = mixed_gallery(one)
        rows += [(task, one.name, *item) for task, of in tasks.items() for item in of.items()]
    if isinstance(fitted, Maps):
        moved = unit(fitted.vectors("x", a)), unit(fitted.vectors("y", b))
        gap = np.linalg.norm(moved[0].mean(axis=0) - moved[1].mean(axis=0))
        rows.append(("T6", "both", "gap", float(gap)))
    return rows


def _differences(
    table: pd.DataFrame,
    found: dict[str, dict[str, Outcome]],
    methods: Mapping[str, Method],
    clusters: np.ndarray | None,
    confidence: float,
) -> pd.DataFrame:
    halves, rows = table[table["split"] != FIXED], []
    of_halves = {
        name: of["value"].to_numpy() for name, of in halves.groupby(["task", "method", "metric"])
    }

    def spread_of(task: str, method: str, metric: str) -> dict[str, float]:
        values = [of_halves.get((task, one, metric)) for one in (method, "none")]
        if values[0] is None or values[1] is None:
            return {}
        change = values[0] - values[1]
        return {"halves_mean": change.mean(), "halves_sd": change.std(ddof=1)}

    for direction in ("xy", "yx"):
        metric, plain = f"recall1_{direction}", found["none"][direction]
        for name, method in methods.items():
            if name == "none":
                continue
            one, star = found[name][direction], method.sees == "all"
            row = {"method": name, "star": star, "metric": metric}
            row |= change_of(plain.first, one.first, clusters, confidence)
            rows.append(row | spread_of("T1", name, metric))
            for other, change in other_changes(plain, one, clusters, confidence).items():
                row = {"method": name, "star": star, "metric": f"{other}_{direction}"} | change
                if other == "mixed_ndcg10":
                    row |= spread_of("T2a", name, f"ndcg10_{direction}")
                rows.append(row)
    return with_holm(pd.DataFrame(rows))


def measured(
    x: np.ndarray,
    y: np.ndarray,
    clusters: np.ndarray | None,
    confidence: float,
    seed: int,
    measures: Mapping[str, FollowUpMeasure] = FOLLOW_UP_MEASURES,
) -> pd.DataFrame:
    """All measures of the follow-ups for pairs x, y (n, d), n > 3, as a table: measure, value, low,
    high, chance, n. A mean over pairs has the interval of a mean. The interval of a smooth measure
    leaves out one of 20 random groups of pairs or of clusters at a time. Other measures have
    none."""
    n, d = x.shape
    codes = np.arange(n) if clusters is None else clusters
    count = int(codes.max()) + 1
    order = np.random.default_rng(seed).permutation(count)
    groups = (order % min(GROUPS, count))[codes]
    rows = []
    for measure in measures.values():
        values = measure.of(x, y)
        chance = {**measure.chance(n, d), **measure.chance_of(x, y)}
        ends = {}
        if measure.smooth:
            without = [measure.of(x[groups != g], y[groups != g]) for g in range(groups.max() + 1)]
            for name, value in values.items():
                if all(name in part for part in without):
                    parts = np.array([part[name] for part in without])
                    ends[name] = jackknife_interval(value, parts, confidence)
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                units = clusters if len(value) == n else np.tile(codes, 2)
                ends[name] = measure_interval(value, units, confidence)
            low, high = ends.get(name, (np.nan, np.nan))
            rows.append((name, np.mean(value), low, high, chance.get(name, np.nan), n))
    return pd.DataFrame(rows, columns=list(MEASURED))
