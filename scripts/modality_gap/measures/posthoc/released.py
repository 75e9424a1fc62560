"""What the released code of follow-up papers computes, where it differs from the papers.

x, y: (n, d) unit vectors (float64), row i of both is one pair; `clusters` (n,) as in
gap_intervals.py. The page of errata shows both numbers.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from modality_gap.measures.intervals import jackknife_interval, t_interval
from modality_gap.measures.posthoc.changes import GROUPS, mean_interval
from modality_gap.measures.posthoc.linear_maps import power, shrunk_covariance
from modality_gap.measures.posthoc.measures import frechet
from modality_gap.measures.posthoc.ranks import partner_ranks
from modality_gap.measures.posthoc.registry import Maps, Scores, unit
from modality_gap.measures.posthoc.scores import nearest_neighbour
from modality_gap.measures.posthoc.structure import kendall_distances
from modality_gap.measures.posthoc.study import splits
from modality_gap.measures.posthoc.vectors import centre, distribution_normalisation

COLUMNS = ("quantity", "value", "low", "high", "n")
BATCH = 64  # pairs per training step
CLUSTERS = 10  # of ModGap's k-means, regardless of the number of labels
STARTS = 3  # starts of k-means; the best result is used
COMPLETIONS = 8  # random completions of an undetermined rotation


def mir_without_root(x: np.ndarray, y: np.ndarray) -> float:
    """MIR as its code computes it by default. The iteration for the matrix root never leaves its
    start, so tr(S_x S_y) is used instead of the trace of the root."""
    of_x, of_y = x - x.mean(axis=0), y - y.mean(axis=0)
    trace = ((of_x @ of_y.T) ** 2).sum() / (len(x) - 1) ** 2
    spread = ((of_x**2).sum() + (of_y**2).sum()) / (len(x) - 1)
    difference = x.mean(axis=0) - y.mean(axis=0)
    return float(np.log10(difference @ difference + spread - 2 * trace))


def kendall_of_ranks(k: np.ndarray, m: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The Kendall distance of each item (n,) as the code of Two Effects computes it. k, m (n, n)
    are the cosines within both modalities, and `order` (n,) are the items' numbers. The code's
    function expects items in order but gets ranks. So it compares the number of the item with the
    lowest rank, then of the item with the second lowest rank, and so on."""
    from scipy import stats

    k, m = k[np.ix_(order, order)], m[np.ix_(order, order)]
    pairs = zip(np.argsort(k, axis=1), np.argsort(m, axis=1), strict=True)
    return (1 - np.array([stats.kendalltau(*pair).statistic for pair in pairs])) / 2


def whitened(x: np.ndarray, y: np.ndarray, own_axes: bool) -> Maps:
    """Each modality is centred, and whitened with a covariance shrunk by half. The result is along
    the modality's own principal axes, or rotated back to the axes of the space."""

    def map_of(side: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        mean, covariance = side.mean(axis=0), shrunk_covariance(side, 0.5)
        matrix = power(covariance, -0.5)
        if own_axes:
            values, vectors = np.linalg.eigh(covariance)
            matrix = (vectors * values**-0.5)[:, ::-1]
        return lambda rows: (rows - mean) @ matrix

    return Maps(map_of(x), map_of(y))


def completed_rotations(x: np.ndarray, y: np.ndarray, seed: int) -> list[Maps]:
    """Procrustes rotations that are all solutions. They are completed at random where the fit pairs
    do not determine them. If the fit pairs determine the rotation, there is only one."""
    from scipy.stats import special_ortho_group

    of_x, of_y = x.mean(axis=0), y.mean(axis=0)
    left, values, right = np.linalg.svd((x - of_x).T @ (y - of_y))
    rank = int((values > 1e-9 * values[0]).sum())
    free = len(values) - rank
    rotations = [left @ right]
    if free > 1:
        draws = special_ortho_group.rvs(free, COMPLETIONS, random_state=seed)
        part = left[:, :rank] @ right[:rank]
        rotations = [part + left[:, rank:] @ one @ right[rank:] for one in draws]

    def map_by(matrix: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        return lambda rows: (rows - of_x) @ matrix

    return [Maps(map_by(one), lambda b: b - of_y) for one in rotations]


def separated_after(x: np.ndarray, y: np.ndarray, fits: np.ndarray) -> np.ndarray:
    """Which vectors a logistic regression assigns to the right modality, x first. It is fitted on
    the pairs `fits` (n,) and scored on the others."""
    from sklearn.linear_model import LogisticRegression

    def both(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.concatenate([x[rows], y[rows]]), np.repeat([0, 1], rows.sum())

    vectors, modality = both(~fits)
    return LogisticRegression(max_iter=1000).fit(*both(fits)).predict(vectors) == modality


def mean_potential(cosines: np.ndarray) -> float:
    """The log of the mean of exp(-2 |u - v|^2), for unit vectors u and v with these cosines."""
    return float(np.log(np.exp(4 * cosines - 4).mean()))


def uniformities(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Two uniformities: over all pairs of different vectors of both modalities; and the same with
    the first modality in place of the second, so that it occurs twice, as in m2-mix's code."""
    values = {}
    for name, second in (("uniformity_of_both", y), ("uniformity_of_images_twice", x)):
        rows = np.concatenate([x, second])
        values[name] = mean_potential((rows @ rows.T)[np.triu_indices(len(rows), 1)])
    return values


def by_batch(x: np.ndarray) -> dict[str, np.ndarray]:
    """Two values for each batch of 64 vectors: the share of uniformity's gradient that remains if
    the sum also pairs each vector with itself; and the weight of the partner in CWCL's target."""
    rows = x[: len(x) // BATCH * BATCH].reshape(-1, BATCH, x.shape[1])
    cosines = rows @ rows.transpose(0, 2, 1)
    others = np.exp(4 * cosines - 4).sum(axis=(1, 2)) - BATCH
    weights = 0.5 + 0.5 * cosines
    own = (1 / weights.sum(axis=2)).mean(axis=1)
    return {"uniformity_gradient_left": others / (others + BATCH), "cwcl_partner_weight": own}


def constants() -> dict[str, float]:
    """Two limits that need no data: the temperature below which the largest exponential overflows
    in single precision, and the rho from which all temperatures of iSogCLR fall to their bound."""
    largest = float(np.log(np.finfo(np.float32).max))
    return {"float32_temperature": 1 / largest, "isogclr_rho": float(np.log(BATCH - 1))}


def dn_of_package(x: np.ndarray, y: np.ndarray) -> Scores:
    """The method that NNN's package calls DN. It subtracts half of the means instead of a quarter.
    It then subtracts half of the mean of an item's 256 largest similarities to the bank."""
    moved = distribution_normalisation(x, y, part=0.5)
    corrected = nearest_neighbour(moved.x(x), moved.y(y), k=256, alpha=0.5)

    def of(q: np.ndarray, z: np.ndarray, kind: tuple[str, str]) -> np.ndarray:
        return corrected.of(moved.vectors(kind[0], q), moved.vectors(kind[1], z), kind)

    return Scores(of)


def clusters_found(x: np.ndarray, y: np.ndarray, labels: np.ndarray, seed: int) -> pd.DataFrame:
    """The V-measure of k-means over both modalities against the labels (n,), with as many clusters
    as classes and with ten; and the number of classes. The table has the columns of `as_released`,
    without intervals."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import v_measure_score

    classes, codes = np.unique(labels, return_inverse=True)
    both, of = np.concatenate([x, y]), np.concatenate([codes, codes])
    values = {"classes": float(len(classes))}
    for name, k in (("v_measure_ten", CLUSTERS), ("v_measure_classes", len(classes))):
        found = KMeans(k, n_init=STARTS, random_state=seed).fit_predict(both)
        values[name] = float(v_measure_score(of, found))
    rows = [(name, value, np.nan, np.nan, len(x)) for name, value in values.items()]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _found(fitted: Maps | Scores, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    both = fitted.scores(a, b, ("x", "y")), fitted.scores(b, a, ("y", "x"))
    return np.concatenate([partner_ranks(part) == 1 for part in both])


def _on_other_pairs(
    x: np.ndarray, y: np.ndarray, codes: np.ndarray, seed: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Results of methods and classifiers that are fitted on even clusters and scored on odd ones.
    For each there are two arrays: whether it is right, 0 or 1 for each vector, and the clusters of
    the scored vectors."""
    _, fit, score = next(splits(codes, 0))
    pairs, a, b = (x[fit], y[fit]), x[score], y[score]
    turned = [_found(one, a, b) for one in completed_rotations(*pairs, seed)]
    turned.sort(key=np.mean)
    dn = distribution_normalisation(*pairs)
    found = {
        "recall1_whitened_own_axes": _found(whitened(*pairs, True), a, b),
        "recall1_whitened": _found(whitened(*pairs, False), a, b),
        "recall1_procrustes_lowest": turned[0],
        "recall1_procrustes_highest": turned[-1],
        "recall1_dn": _found(dn, a, b),
        "recall1_dn_normalised": _found(Maps(dn.x, dn.y), a, b),
        "recall1_dn_package": _found(dn_of_package(*pairs), a, b),
    }
    result = {name: (hits, np.tile(codes[score], 2)) for name, hits in found.items()}
    first = np.arange(len(a)) < len(a) // 2
    for name, of in (("inside", (a, b)), ("outside", pairs)):
        moved = centre(*of)
        right = separated_after(moved.vectors("x", a), moved.vectors("y", b), first)
        result[f"separability_centred_{name}"] = right, np.tile(codes[score][~first], 2)
    place = np.random.default_rng(seed).permutation(len(x))
    for share in (20, 80):
        fits = place < share / 100 * len(x)
        result[f"separability_fit{share}"] = separated_after(x, y, fits), np.tile(codes[~fits], 2)
    return result


def as_released(
    x: np.ndarray, y: np.ndarray, clusters: np.ndarray | None, confidence: float, seed: int
) -> pd.DataFrame:
    """All quantities of the errata on pairs x, y (n, d): quantity, value, low, high, n. Shares and
    means have the interval of their kind. The interval of a function of means leaves out one of 20
    groups at a time."""
    n = len(x)
    codes = np.arange(n) if clusters is None else clusters
    rng = np.random.default_rng(seed)
    rows = []
    for name, (hits, units) in _on_other_pairs(x, y, codes, seed).items():
        units = np.unique(units, return_inverse=True)[1]
        rows.append((name, hits.mean(), *mean_interval(hits, units, confidence), len(hits)))
    own = x @ x.T, y @ y.T
    orders = {"": np.arange(n), "_renumbered": rng.permutation(n)}
    each = {f"kendall_of_ranks{end}": kendall_of_ranks(*own, one) for end, one in orders.items()}
    for name, values in {**each, "kendall_distance": kendall_distances(*own)}.items():
        rows.append((name, values.mean(), *mean_interval(values, clusters, confidence), n))
    for name, values in by_batch(x[rng.permutation(n)]).items():
        ends = t_interval(values, confidence) if len(values) > 1 else (np.nan, np.nan)
        rows.append((name, values.mean() if len(values) else np.nan, *ends, len(values)))
    groups = (rng.permutation(codes.max() + 1) % min(GROUPS, codes.max() + 1))[codes]
    parts = [_smooth(x[groups != one], y[groups != one]) for one in range(groups.max() + 1)]
    for name, value in _smooth(x, y).items():
        without = np.array([part[name] for part in parts])
        rows.append((name, value, *jackknife_interval(value, without, confidence), n))
    rows += [(name, value, np.nan, np.nan, n) for name, value in constants().items()]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _smooth(x: np.ndarray, y: np.ndarray) -> Mapping[str, float]:
    difference = unit(x).mean(axis=0) - unit(y).mean(axis=0)
    return {
        "mir": float(frechet(x, y)["mir"]),
        "mir_without_root": mir_without_root(x, y),
        "gap_as_logged": float(difference @ difference / x.shape[1]),
        **uniformities(x, y),
    }
