"""The tasks of sets whose pairs share items: pictures with several captions (T1c, T2c), and the
prompts of classes (T3 to T5).

x, y: (n, d) unit vectors (float64), row i of both is one pair. `clusters` (n,): the picture or the
class of each pair, 0 to C - 1. A method is fitted on some rows and judged on items that are in none
of them. Only the prompts of classes are on both sides, because a classifier knows them.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from modality_gap.measures.posthoc.captions import form_curve, fusion_curve, mixed_forms
from modality_gap.measures.posthoc.changes import mean_change, with_holm
from modality_gap.measures.posthoc.classes import (
    ClassOutcome,
    class_differences,
    class_outcome,
    of_classes,
    predicted,
    zero_shot,
)
from modality_gap.measures.posthoc.hidden import of_hidden_classes
from modality_gap.measures.posthoc.kinds import CAPTIONS, first_of_each
from modality_gap.measures.posthoc.ranks import group_ranks
from modality_gap.measures.posthoc.registry import FIXED, Fitted, Maps, Method, unit
from modality_gap.measures.posthoc.study import DIFFERENCES, RESULTS

Rows = Iterator[tuple[str, str, float]]
SAME_ORDER = 1e-3  # share of ranks that may differ by rounding


def grouped_study(
    methods: Mapping[str, Method],
    x: np.ndarray,
    y: np.ndarray,
    clusters: np.ndarray,
    kind: str,
    folds: np.ndarray | None,
    halves: int,
    confidence: float,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The results of every method, and the differences from the result without a method, with the
    columns of `study.study`. For prompts of classes, the differences are in accuracy, mean average
    precision and V-measure; for captions, in NDCG at 10 of documents in three forms.

    Classification (T3) is there twice: with the mean of the prompts of the fit items, and, as
    `..._prompt_mean`, with the mean of the prompts themselves, each once. Both are the same if
    every class has equally many fit items.

    `folds` (n,) is as in `fit_rows`. The fixed split has every task. Up to `halves` other splits
    have only accuracy or documents of three forms, and the gap.
    """
    (_, fits), *others = group_splits(clusters, kind, folds, halves)
    fit, score = np.flatnonzero(fits), np.flatnonzero(~fits)
    rows: list[tuple] = []
    outcomes: dict[str, ClassOutcome] = {}
    forms: dict[str, dict[str, np.ndarray]] = {}
    for name, method in methods.items():
        fitted = method.fitted(x[fit], y[fit])
        if kind == CAPTIONS:
            of = x[score], y[score], clusters[score]
            forms[name] = by_picture(fitted, *of)
            found = list(of_captions(fitted, *of, forms[name]))
        else:
            prompts = y[first_of_code(clusters)]
            of_score = x[score], prompts, clusters[score]
            outcomes[name] = class_outcome(fitted, *of_score, seed)
            found = list(of_classes(fitted, *of_score, outcomes[name]))
            taught = learns_from_labels(method, (x[fit], y[fit]), (x[score], prompts), seed)
            found.append(("T3", "few_shot", float(taught)))
            of_prompts = method.fitted(x[fit], y[fit], prompts)
            again = zero_shot(of_prompts, x[score], prompts, clusters[score])
            found += [("T3", f"{one}_prompt_mean", value) for one, value in again.items()]
            pairs = (x[fit], y[fit], clusters[fit]), (x[score], clusters[score])
            values, n_fit = of_hidden_classes(method, *pairs, prompts)
            rows += [(FIXED, name, "T3o", *one, n_fit, len(score)) for one in values.items()]
        rows += [(FIXED, name, *one, len(fit), len(score)) for one in found]
    for split, fits in others:
        rows += _short(methods, x, y, clusters, kind, split, fits)
    differences = form_differences(methods, forms, confidence)
    differences += class_differences(methods, outcomes, clusters[score], confidence)
    table = pd.DataFrame(differences, columns=None if differences else list(DIFFERENCES))
    results = pd.DataFrame(rows, columns=list(RESULTS))
    changes = with_spread(with_holm(table), results)
    return results, changes.reindex(columns=list(DIFFERENCES))


def with_spread(differences: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """The differences, with the mean and standard deviation over the random splits if there are
    any."""
    of = {"accuracy": ("T3", "accuracy"), "forms_ndcg10": ("T2c", "ndcg10")}
    others = results[results["split"] != FIXED]
    for place, row in differences.iterrows():
        task, metric = of.get(row["metric"], ("", ""))
        rows = others[(others["task"] == task) & (others["metric"] == metric)]
        wide = rows.pivot(index="split", columns="method", values="value")
        if {row["method"], "none"} <= {*wide} and len(wide) > 1:
            spread = wide[row["method"]] - wide["none"]
            differences.loc[place, ["halves_mean", "halves_sd"]] = spread.mean(), spread.std()
    return differences


def _short(
    methods: Mapping[str, Method],
    x: np.ndarray,
    y: np.ndarray,
    clusters: np.ndarray,
    kind: str,
    split: str,
    fits: np.ndarray,
) -> list[tuple]:
    """The results of every method on a split that is not fixed."""
    a, b, of = x[~fits], y[~fits], clusters[~fits]
    rows = []
    for name, method in methods.items():
        fitted = method.fitted(x[fits], y[fits])
        if kind == CAPTIONS:
            found = {("T2c", "ndcg10"): _mean_of_forms(fitted, a, b, of)}
        else:
            right = predicted(fitted, a, y[first_of_code(clusters)]) == of
            found = {("T3", "accuracy"): float(right.mean())}
            if isinstance(fitted, Maps):
                moved = unit(fitted.vectors("x", a)), unit(fitted.vectors("y", b))
                gap = np.linalg.norm(moved[0].mean(axis=0) - moved[1].mean(axis=0))
                found["T3", "gap"] = float(gap)
        sizes = int(fits.sum()), len(a)
        rows += [(split, name, *of_what, value, *sizes)
                 for of_what, value in found.items() if value is not None]  # fmt: skip
    return rows


def _mean_of_forms(
    fitted: Fitted, x: np.ndarray, y: np.ndarray, clusters: np.ndarray
) -> float | None:
    if not has_forms(fitted):
        return None
    return float(mixed_forms(fitted, *_of_pictures(x, y, clusters))["ndcg10"].mean())


def form_differences(
    methods: Mapping[str, Method], forms: Mapping[str, dict[str, np.ndarray]], confidence: float
) -> list[dict]:
    """Differences over pictures, with intervals. `forms_ndcg10` is NDCG at 10 of documents in three
    forms, the value with each method minus the value without a method. `half_less_captions` and
    `half_less_pictures` are without a method: NDCG of half pictures and half captions, minus NDCG
    of captions or of pictures alone."""
    rows = []
    plain = forms.get("none", {})
    for name, values in forms.items():
        star = methods[name].sees == "all"
        if name != "none" and values and plain:
            change = mean_change(plain["ndcg10"], values["ndcg10"], None, confidence)
            rows.append({"method": name, "star": star, "metric": "forms_ndcg10"} | change)
    for end, share in (("captions", "0"), ("pictures", "1")) if plain else ():
        change = mean_change(plain[f"ndcg10_{share}"], plain["ndcg10_0.5"], None, confidence)
        rows.append({"method": "none", "star": False, "metric": f"half_less_{end}"} | change)
    return rows


def fit_rows(clusters: np.ndarray, kind: str, folds: np.ndarray | None) -> np.ndarray:
    """Which pairs a method is fitted on, (n,). For pictures with captions, these are the pairs of
    even pictures. For classes, they are the items of the first two folds, or, without folds, every
    second item of each class."""
    if kind == CAPTIONS:
        return clusters % 2 == 0
    if folds is not None:
        return np.isin(folds, np.unique(folds)[:2])
    place = pd.Series(clusters).groupby(clusters).cumcount().to_numpy()
    return place % 2 == 0


def group_splits(
    clusters: np.ndarray, kind: str, folds: np.ndarray | None, halves: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the name and the fit rows (n,) of each split. The first split is that of `fit_rows`.
    Up to `halves` others follow. For captions, they are random halves of the pictures. For classes,
    they are every other two of the folds, or, without folds, random halves of each class."""
    yield FIXED, fit_rows(clusters, kind, folds)
    if folds is not None and kind != CAPTIONS:
        pairs = [*combinations(np.unique(folds), 2)][1 : halves + 1]
        yield from ((f"half_{i}", np.isin(folds, pair)) for i, pair in enumerate(pairs))
        return
    for seed in range(halves):
        rng = np.random.default_rng(seed)
        if kind == CAPTIONS:
            count = int(clusters.max()) + 1
            fits = np.isin(clusters, rng.permutation(count)[: count // 2])
        else:
            order = rng.permutation(len(clusters))
            place = pd.Series(clusters[order]).groupby(clusters[order]).cumcount().to_numpy()
            fits = np.zeros(len(clusters), dtype=bool)
            fits[order] = place < np.bincount(clusters)[clusters[order]] // 2
        yield f"half_{seed}", fits


def learns_from_labels(
    method: Method,
    fit: tuple[np.ndarray, np.ndarray],
    scored: tuple[np.ndarray, np.ndarray],
    seed: int,
) -> bool:
    """Whether a method orders the prompts differently if it is fitted on randomly matched pairs.
    Such a method learns which item belongs to which class, so it is few-shot rather than
    zero-shot."""
    x, y = fit
    shuffled = y[np.random.default_rng(seed).permutation(len(y))]
    orders = [
        method.fitted(x, second).scores(*scored, ("x", "y")).argsort(axis=1)
        for second in (y, shuffled)
    ]
    return bool((orders[0] != orders[1]).mean() > SAME_ORDER)


def first_of_code(clusters: np.ndarray) -> np.ndarray:
    """The first row of each cluster, in the order of the clusters' numbers."""
    return np.unique(clusters, return_index=True)[1]


def has_forms(fitted: Fitted) -> bool:
    """Whether a method gives scores for caption queries both against captions and against
    pictures."""
    return {("y", "y"), ("y", "x")} <= {*fitted.kinds}


def by_picture(
    fitted: Fitted, x: np.ndarray, y: np.ndarray, clusters: np.ndarray
) -> dict[str, np.ndarray]:
    """The results on documents of several forms (T2c): one number per picture (P,) for each metric.
    Empty for a method without scores among captions."""
    if not has_forms(fitted):
        return {}
    pictures, captions = _of_pictures(x, y, clusters)
    return mixed_forms(fitted, pictures, captions) | form_curve(fitted, pictures, captions)


def _of_pictures(
    x: np.ndarray, y: np.ndarray, clusters: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    first = first_of_each(clusters)
    least = int(np.bincount(clusters)[clusters[first]].min())
    return x[first], np.stack([y[clusters == one][:least] for one in clusters[first]])


def of_captions(
    fitted: Fitted,
    x: np.ndarray,
    y: np.ndarray,
    clusters: np.ndarray,
    forms: Mapping[str, np.ndarray],
) -> Rows:
    """The tasks of pictures with several captions, as (task, metric, value). T1c has recall at 1,
    for which any caption of the picture counts. It also has how much a picture's rank differs
    between its captions: the mean variance and, as in 1-to-K's code, the mean standard deviation.
    T2c has documents of several `forms`, as from `by_picture`, and documents that are all fused."""
    first = first_of_each(clusters)
    pictures, of_picture = x[first], clusters[first]
    own = of_picture[:, None] == clusters
    to_captions = group_ranks(fitted.scores(pictures, y, ("x", "y")), own)
    to_pictures = group_ranks(fitted.scores(y, pictures, ("y", "x")), own.T)
    for k in (1, 5, 10):
        yield "T1c", f"recall{k}_xy", float((to_captions <= k).mean())
        yield "T1c", f"recall{k}_yx", float((to_pictures <= k).mean())
    ranks = [to_pictures[clusters == one] for one in of_picture]
    yield "T1c", "rank_variance_yx", float(np.mean([np.var(of) for of in ranks]))
    yield "T1c", "rank_deviation_yx", float(np.mean([np.std(of) for of in ranks]))
    yield from (("T2c", name, float(value.mean())) for name, value in forms.items())
    if forms and isinstance(fitted, Maps):
        results = fusion_curve(fitted, *_of_pictures(x, y, clusters))
        yield from (("T2c", name, value) for name, value in results.items())
