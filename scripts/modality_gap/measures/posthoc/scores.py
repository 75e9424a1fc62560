"""Methods that change scores: they suppress hubs by a bank of other items, or correct each kind of
score.

x, y: (m, d) unit vectors (float64) of the fit pairs. The bank of a score is the fit items of the
query's modality.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import logsumexp

from modality_gap.measures.posthoc.registry import (
    ACROSS,
    KINDS,
    Maps,
    Scores,
    method,
    unit,
)
from modality_gap.measures.posthoc.vectors import centre

NNN_SOURCE = "NNN (2410.24114)"
SAFE = 300.0  # largest range of logits for which exponentials and a plan stay finite
INVGC_SOURCE = "InvGC (2310.13276)"


def _largest_mean(values: np.ndarray, k: int) -> np.ndarray:
    """Mean of the k largest values of each row."""
    k = min(k, values.shape[1])
    return np.partition(values, -k, axis=1)[:, -k:].mean(axis=1)


@method(
    "nnn_all",
    "nearest neighbour normalisation, whole bank",
    NNN_SOURCE,
    default=False,
    k=10**9,
    alpha=1.0,
)
@method("nnn_128", "nearest neighbour normalisation, k = 128", NNN_SOURCE, default=False, k=128)
@method("nnn", "nearest neighbour normalisation", NNN_SOURCE, k=16)
def nearest_neighbour(x: np.ndarray, y: np.ndarray, k: int = 16, alpha: float = 0.75) -> Scores:
    """Each item's score minus alpha times the mean of its k largest similarities to the bank."""
    banks = {"x": x, "y": y}

    def of(q: np.ndarray, z: np.ndarray, kind: tuple[str, str]) -> np.ndarray:
        return q @ z.T - alpha * _largest_mean(z @ banks[kind[0]].T, k)

    return Scores(of)


@method("csls", "CSLS", "CSLS (1710.04087)", default=False)
def csls(x: np.ndarray, y: np.ndarray, k: int = 10) -> Scores:
    """Twice the score minus the mean of the item's k largest similarities to the bank. The same
    term of the query is left out, because it does not change the query's ranks."""
    banks = {"x": x, "y": y}

    def of(q: np.ndarray, z: np.ndarray, kind: tuple[str, str]) -> np.ndarray:
        return 2 * q @ z.T - _largest_mean(z @ banks[kind[0]].T, k)

    return Scores(of)


@method(
    "inverted_softmax_100",
    "inverted softmax, b = 100",
    "QB-Norm (2112.12777)",
    default=False,
    sharpness=100.0,
)
@method("inverted_softmax", "inverted softmax", "QB-Norm (2112.12777)", sharpness=20.0)
def inverted_softmax(x: np.ndarray, y: np.ndarray, sharpness: float = 20.0) -> Scores:
    """b times the score, minus the logsumexp of b times the item's similarities to the bank. b is
    `sharpness`."""
    banks = {"x": x, "y": y}

    def of(q: np.ndarray, z: np.ndarray, kind: tuple[str, str]) -> np.ndarray:
        return sharpness * q @ z.T - logsumexp(sharpness * z @ banks[kind[0]].T, axis=1)

    return Scores(of)


@method("dual_is", "DualIS", "DBNorm (2310.11612)", default=False)
def dual_inverted_softmax(x: np.ndarray, y: np.ndarray, sharpness: float = 20.0) -> Scores:
    """The inverted softmax, minus the logsumexp of b times the item's similarities to the fit items
    of its own modality."""
    banks = {"x": x, "y": y}

    def of(q: np.ndarray, z: np.ndarray, kind: tuple[str, str]) -> np.ndarray:
        terms = [logsumexp(sharpness * z @ banks[side].T, axis=1) for side in kind]
        return sharpness * q @ z.T - terms[0] - terms[1]

    return Scores(of)


@method("qb_norm", "QB-Norm", "QB-Norm (2112.12777)", sees="all", default=False)
def qb_norm(x: np.ndarray, y: np.ndarray, sharpness: float = 20.0) -> Scores:
    """The inverted softmax, for queries whose nearest item is also the nearest of a query of the
    bank. Other queries keep their cosines. The method uses the whole gallery, so it has no scores
    for a mixed gallery here."""
    banks = {"x": x, "y": y}
    normalised = inverted_softmax(x, y, sharpness)

    def of(q: np.ndarray, z: np.ndarray, kind: tuple[str, str]) -> np.ndarray:
        cosines = q @ z.T
        hubs = np.unique((banks[kind[0]] @ z.T).argmax(axis=1))
        active = np.isin(cosines.argmax(axis=1), hubs)
        return np.where(active[:, None], normalised.of(q, z, kind), cosines)

    return Scores(of, ACROSS)


@method("invgc_local", "InvGC with LocalAdj", INVGC_SOURCE, default=False, strength=1.0, rate=0.01)
@method("invgc_10", "InvGC, r = .1", INVGC_SOURCE, default=False, strength=0.1)
@method("invgc_50", "InvGC, r = .5", INVGC_SOURCE, default=False, strength=0.5)
@method("invgc", "InvGC, r = 1", INVGC_SOURCE, default=False, strength=1.0)
def invgc(x: np.ndarray, y: np.ndarray, strength: float = 1.0, rate: float | None = None) -> Scores:
    """The gallery is moved away from a bank c: z - r times the mean of (c . z) c, normalised. As
    released, the result is the mean of two such moves, one with the bank of the gallery's modality
    and one with the bank of the queries'. With a `rate`, the mean is over that share of the bank,
    the nearest vectors, and at least one. Without, the gallery's mean similarity to
    the bank is subtracted from each similarity. Here this mean is that of the fit pairs, because a
    score must not depend on other scored items."""
    banks, means = {"x": x, "y": y}, _moments(Maps(), x, y)

    def mean_of(bank: np.ndarray, mean: float, z: np.ndarray) -> np.ndarray:
        similarity = z @ bank.T
        if rate is None:
            return (similarity - mean) @ bank / len(bank)
        k = max(1, int(rate * len(bank)))
        threshold = np.partition(similarity, -k, axis=1)[:, -k, None]
        return np.where(similarity >= threshold, similarity, 0) @ bank / k

    def of(q: np.ndarray, z: np.ndarray, kind: tuple[str, str]) -> np.ndarray:
        of = [mean_of(banks[side], means[kind[1], side][0], z) for side in kind]
        moved = [unit(z - strength * one) for one in of]
        return q @ unit(moved[0] + moved[1]).T

    return Scores(of)


def _moments(fitted: Maps, x: np.ndarray, y: np.ndarray) -> dict[tuple[str, str], tuple]:
    """For each kind of score, the mean and population standard deviation over different fit
    items."""
    sides = {"x": x, "y": y}
    off = ~np.eye(len(x), dtype=bool)
    moments = {}
    for kind in KINDS:
        scores = fitted.scores(sides[kind[0]], sides[kind[1]], kind)[off]
        moments[kind] = scores.mean(), scores.std()
    return moments


def _by_kind(base: Maps, moments: dict[tuple[str, str], tuple], spread: bool) -> Scores:
    def of(q: np.ndarray, z: np.ndarray, kind: tuple[str, str]) -> np.ndarray:
        mean, deviation = moments[kind]
        return (base.scores(q, z, kind) - mean) / (deviation if spread and deviation > 0 else 1)

    return Scores(of)


def _kind_method(base: Callable[..., Maps], spread: bool) -> Callable[..., Scores]:
    def fit(x: np.ndarray, y: np.ndarray, prompts: np.ndarray | None = None) -> Scores:
        fitted = base(x, y, prompts=prompts)
        return _by_kind(fitted, _moments(fitted, x, y), spread)

    return fit


def _as_they_are(x: np.ndarray, y: np.ndarray, prompts: np.ndarray | None = None) -> Maps:
    return Maps()


method("offset", "offset by kind of score", "ours", default=False)(
    _kind_method(_as_they_are, False)
)
method("z_score", "z-score by kind of score", "ours")(_kind_method(_as_they_are, True))
method("centre_z_score", "centring and z-score", "ours")(_kind_method(centre, True))


@method("dual_softmax", "dual softmax", "Dual Softmax Loss (2109.04290)", sees="all", default=False)
def dual_softmax(x: np.ndarray, y: np.ndarray, temperature: float = 0.01) -> Scores:
    """The score times its share among the scores of all queries for the same item. The method uses
    the other queries."""

    def of(q: np.ndarray, z: np.ndarray, kind: tuple[str, str]) -> np.ndarray:
        scores = q @ z.T
        logits = scores / temperature
        return scores * np.exp(logits - logsumexp(logits, axis=0))

    return Scores(of, ACROSS)


@method("spectral", "spectral, k = 60", "Fill the Gap (2505.03703)", sees="all", default=False)
def spectral(x: np.ndarray, y: np.ndarray, k: int = 60) -> Scores:
    """The cosines in the space of singular vectors 2 to k + 1 of Dq^-1/2 W Dz^-1/2. W are the
    positive scores, and D their sums by query or by item (the degrees). Queries are rows of the
    left vectors, items rows of the right ones, each divided by the root of its degree. Vectors with
    the singular value 0 are left out, so nothing is found without positive scores. The method uses
    all scored items. The Laplacian of the paper's graph of both sides has the same vectors.

    Both modalities are in this space, so there are scores among queries too (T2a), but only beside
    items of the other modality: there is no graph of one modality alone (T2c, T4)."""

    def both(q: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weights = np.maximum(q @ z.T, 0)
        if not np.isfinite(weights).all():
            return np.full_like(q, np.nan), np.full_like(z, np.nan)
        roots = [np.sqrt(np.maximum(weights.sum(axis=axis), 1e-12)) for axis in (1, 0)]
        scaled = weights / roots[0][:, None] / roots[1]
        left, values, right = np.linalg.svd(scaled, full_matrices=False)
        last = min(k + 1, int((values > 1e-9).sum()))  # the first is 1
        of_q, of_z = left[:, 1:last] / roots[0][:, None], right[1:last].T / roots[1][:, None]
        return unit(of_q), unit(of_z)

    def of(q: np.ndarray, z: np.ndarray, kind: tuple[str, str]) -> np.ndarray:
        of_q, of_z = both(q, z)
        return of_q @ of_z.T

    def own(q: np.ndarray, z: np.ndarray, kind: tuple[str, str]) -> np.ndarray:
        of_q, _ = both(q, z)
        return of_q @ of_q.T

    return Scores(of, ACROSS, own)


@method("sinkhorn", "Sinkhorn", "DBSN (2508.02538)", sees="all")
def sinkhorn(x: np.ndarray, y: np.ndarray, temperature: float = 0.01, rounds: int = 200) -> Scores:
    """The logarithm of a matrix of exponentiated scores, scaled so that all rows have equal sums
    and all columns have equal sums. The method assumes that queries and items are one to one."""

    def of(q: np.ndarray, z: np.ndarray, kind: tuple[str, str]) -> np.ndarray:
        return sinkhorn_plan(q @ z.T / temperature, rounds)

    return Scores(of, ACROSS)


def sinkhorn_plan(logits: np.ndarray, rounds: int) -> np.ndarray:
    """The logarithm of the matrix (n, k) whose rows sum to 1 and whose columns sum to n / k. It is
    reached by scaling rows, then columns, `rounds` times."""
    n, k = logits.shape
    top = logits.max()
    if top - logits.min() > SAFE:
        return _sinkhorn_in_logs(logits, rounds)
    plan, columns = np.exp(logits - top), np.ones(k)
    for _ in range(rounds):
        rows = 1 / (plan @ columns)
        columns = n / k / (rows @ plan)
    return logits - top + np.log(rows)[:, None] + np.log(columns)


def _sinkhorn_in_logs(logits: np.ndarray, rounds: int) -> np.ndarray:
    n, k = logits.shape
    plan = logits
    for _ in range(rounds):
        plan = plan - logsumexp(plan, axis=1, keepdims=True)
        plan = plan - logsumexp(plan, axis=0, keepdims=True) + np.log(n / k)
    return plan
