"""Zero-shot classification under a shift of the gap (paper, section 5.1 and Table 1)."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from modality_gap.measures.intervals import share_interval
from modality_gap.measures.shift import shifted_similarity, unshifted
from modality_gap.measures.significance import mcnemar, random_sign_test


def shifted_cosines(
    images: np.ndarray, prompts: np.ndarray, along: np.ndarray, deltas: np.ndarray
) -> Iterator[np.ndarray]:
    """The cosines (n, c) of pictures and prompts at every shift.

    images (n, d) and prompts (c, d) are unit vectors. Both move by half of delta along the unit gap
    vector `along` (d,). They move towards each other if delta is positive.
    """
    similarity = images @ prompts.T
    parts = images @ along, prompts @ along
    for delta in deltas:
        yield shifted_similarity(similarity, *parts, delta)


def predictions(
    images: np.ndarray, prompts: np.ndarray, along: np.ndarray, deltas: np.ndarray
) -> np.ndarray:
    """For every shift, the index of each picture's nearest class: (len(deltas), n) integers."""
    cosines = shifted_cosines(images, prompts, along, deltas)
    return np.stack([shifted.argmax(axis=1) for shifted in cosines])


def scores(
    images: np.ndarray, prompts: np.ndarray, along: np.ndarray, deltas: np.ndarray
) -> np.ndarray:
    """For every shift, how much nearer each picture is to the second of two prompts than to the
    first: (len(deltas), n). These scores rank pictures as the softmax of the two cosines does."""
    cosines = shifted_cosines(images, prompts, along, deltas)
    return np.stack([shifted[:, 1] - shifted[:, 0] for shifted in cosines])


def best_shift(values: np.ndarray, deltas: np.ndarray) -> int:
    """The index of the shift with the highest of `values` (len(deltas),), such as accuracies. If
    several shifts are equally good, the smallest counts."""
    return int(best_shifts(values, deltas)[0])


def best_shifts(values: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """The indices of all shifts that have the highest of `values` (len(deltas),), the smallest
    shift first."""
    best = np.flatnonzero(values == values.max())
    return best[np.argsort(np.abs(deltas[best]), kind="stable")]


def held_out_choice(
    correct: np.ndarray, deltas: np.ndarray, seed: int, clusters: np.ndarray | None = None
) -> tuple[np.ndarray, list]:
    """Which items (n,) are right if each half is scored with the shift chosen on the other half;
    and the two chosen shifts. No item is scored with a shift that the item or its cluster helped to
    choose."""
    right = np.empty(correct.shape[1], dtype=bool)
    chosen = []
    halves = random_halves(correct.shape[1], seed, clusters)
    for choose, score in (halves, halves[::-1]):
        row = best_shift(correct[:, choose].mean(axis=1), deltas)
        right[score] = correct[row, score]
        chosen.append(float(deltas[row]))
    return right, chosen


def random_halves(
    n: int, seed: int, clusters: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of two random halves of n items. If `clusters` (n,) are given, the halves are of
    clusters, and each cluster stays whole."""
    units = np.arange(n) if clusters is None else clusters
    order = np.random.default_rng(seed).permutation(int(units.max()) + 1)
    parts = order[: len(order) // 2], order[len(order) // 2 :]
    if clusters is None:
        return parts
    one, other = (np.flatnonzero(np.isin(clusters, part)) for part in parts)
    return one, other


def directions(values: np.ndarray, deltas: np.ndarray, distances: np.ndarray) -> list[str]:
    """What the best shift, by `values` (len(deltas),), does to the gap. If equally good shifts do
    different things, there are several answers and the direction is undecided. `distances` are as
    in shift_report."""
    zero, best = unshifted(deltas), best_shifts(values, deltas)
    rows = best[:1] if best[0] == zero else best
    return list(dict.fromkeys(direction(distances[zero], distances[row]) for row in rows))


def direction(before: float, after: float) -> str:
    """The effect of a shift on the gap, from the signed distances before and after: unchanged,
    wider, narrower, or exchanged. It is exchanged if a large delta takes the centres past each
    other."""
    if before == after:
        return "unchanged"
    if before * after < 0:
        return "exchanged"
    return "wider" if abs(after) > abs(before) else "narrower"


def shift_report(
    correct: np.ndarray,
    deltas: np.ndarray,
    distances: np.ndarray,
    confidence: float,
    permutations: int,
    seed: int,
    clusters: np.ndarray | None = None,
) -> dict:
    """A row of Table 1: the default score, the score with the best shift as the paper picks it (on
    the scored data), and the score with the shift chosen on one half and scored on the other.
    Scores have Wilson's intervals; both shifts have McNemar's p-value. The row also has the
    p-values of permutation_test.

    correct (len(deltas), n) says which items are right. `distances` are the gap's signed distances
    at the deltas. Tests, halves and intervals are over items, or over `clusters` (n,) of items.
    """
    zero = unshifted(deltas)
    default = correct[zero]
    accuracies = correct.mean(axis=1)
    row, effects = best_shift(accuracies, deltas), directions(accuracies, deltas, distances)
    held_out, chosen = held_out_choice(correct, deltas, seed, clusters)
    alone, picked = permutation_test(correct, deltas, permutations, seed, clusters)
    report = {
        "n": correct.shape[1],
        "clusters": correct.shape[1] if clusters is None else int(clusters.max()) + 1,
        "default": default.mean(),
        "modified": accuracies[row],
        "delta": deltas[row],
        "distance_default": distances[zero],
        "distance_modified": distances[row],
        "direction": " or ".join(effects),
        "directions": len(effects),
        "p_in_sample": mcnemar(default, correct[row], clusters),
        "held_out": held_out.mean(),
        "held_out_delta_1": chosen[0],
        "held_out_delta_2": chosen[1],
        "held_out_won": int((~default & held_out).sum()),
        "held_out_lost": int((default & ~held_out).sum()),
        "p_held_out": mcnemar(default, held_out, clusters),
        "p_permutation": alone,
        "p_max_statistic": picked,
    }
    for name, right in (("default", default), ("modified", correct[row]), ("held_out", held_out)):
        low, high = share_interval(right, confidence, clusters)
        report |= {f"{name}_low": low, f"{name}_high": high}
    return report


def permutation_test(
    correct: np.ndarray,
    deltas: np.ndarray,
    permutations: int,
    seed: int,
    clusters: np.ndarray | None = None,
) -> tuple[float, float]:
    """Two p-values of the paired sign-flip test that the best shift is better than none. The test
    is one-sided because the best shift was chosen. The first p-value treats the best shift as if it
    had been the only one tried. The second is corrected for having tried all.

    An item's gain at a shift is 1 if the shift sets it right, -1 if the shift sets it wrong, and 0
    otherwise. If shifts did nothing, each item's sign would be a toss of a coin, one for all
    shifts. The first p compares the best shift's sum of gains with its sums under `permutations`
    random signs. The second compares it with the largest sum over all shifts, which is what picking
    gives. Both count the observed signs, so none is 0. correct (len(deltas), n). With `clusters`
    (n,), a whole cluster has one sign.
    """
    gains = correct.astype(np.float32) - correct[deltas == 0].astype(np.float32)
    row = best_shift(correct.mean(axis=1), deltas)
    if clusters is not None:
        count = int(clusters.max()) + 1
        gains = np.stack([np.bincount(clusters, one, count) for one in gains])
    return random_sign_test(gains, gains[row].sum(), row, permutations, seed)


def sweep(values: np.ndarray, deltas: np.ndarray, n: int) -> pd.DataFrame:
    """A table with the columns delta, score, n: the accuracy of n items, or another value, at every
    shift."""
    return pd.DataFrame({"delta": deltas, "score": values, "n": n})
