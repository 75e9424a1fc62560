"""Zero-shot classification under a shift of the gap (paper, section 5.1 and Table 1)."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from modality_gap.contrastive import shifted_similarity
from modality_gap.gap import proportion_interval

SIGNS_AT_ONCE = 1 << 24  # 64 MiB of random signs, whatever the number of items


def shifted_cosines(
    images: np.ndarray, prompts: np.ndarray, along: np.ndarray, deltas: np.ndarray
) -> Iterator[np.ndarray]:
    """The cosines (n, c) of pictures and prompts at every shift.

    images (n, d) and prompts (c, d) are unit vectors; both move by half of delta along the unit
    gap vector `along` (d,), towards each other where delta is positive.
    """
    similarity = images @ prompts.T
    parts = images @ along, prompts @ along
    for delta in deltas:
        yield shifted_similarity(similarity, *parts, delta)


def predictions(
    images: np.ndarray, prompts: np.ndarray, along: np.ndarray, deltas: np.ndarray
) -> np.ndarray:
    """Index of the nearest class for every shift: (len(deltas), n) integers."""
    cosines = shifted_cosines(images, prompts, along, deltas)
    return np.stack([shifted.argmax(axis=1) for shifted in cosines])


def scores(
    images: np.ndarray, prompts: np.ndarray, along: np.ndarray, deltas: np.ndarray
) -> np.ndarray:
    """How much nearer each picture is to the second of two prompts than to the first, for every
    shift: (len(deltas), n). It ranks pictures as the softmax of the two cosines does."""
    cosines = shifted_cosines(images, prompts, along, deltas)
    return np.stack([shifted[:, 1] - shifted[:, 0] for shifted in cosines])


def mcnemar(before: np.ndarray, after: np.ndarray) -> float:
    """Exact two-sided p-value of McNemar's test: before, after (n,) say who was right."""
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    return float(stats.binomtest(won, won + lost).pvalue) if won + lost else 1.0


def best_shift(values: np.ndarray, deltas: np.ndarray) -> int:
    """Row of the shift with the highest accuracy, or another value, in `values` (len(deltas),); of
    equals the smallest shift."""
    best = np.flatnonzero(values == values.max())
    return int(best[np.abs(deltas[best]).argmin()])


def held_out_choice(correct: np.ndarray, deltas: np.ndarray, seed: int) -> tuple[np.ndarray, list]:
    """Who is right (n,) when each half's shift is the one chosen on the other half; and the two
    chosen shifts. Nothing is scored on the items that chose its shift."""
    order = np.random.default_rng(seed).permutation(correct.shape[1])
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    right = np.empty(correct.shape[1], dtype=bool)
    chosen = []
    for choose, score in (halves, halves[::-1]):
        row = best_shift(correct[:, choose].mean(axis=1), deltas)
        right[score] = correct[row, score]
        chosen.append(float(deltas[row]))
    return right, chosen


def direction(before: float, after: float) -> str:
    """What a shift does to the gap, from its signed distances before and after: a large delta
    takes the centres past each other, which is neither wider nor narrower."""
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
) -> dict:
    """A row of Table 1: default and best shift as the paper picks it (on the scored data), and
    with the shift chosen on one half and scored on the other, each with McNemar's p-value and
    Wilson's interval, and the p-values of permutation_test. correct (len(deltas), n) says who is
    right; `distances` are the gap's signed distances at the deltas."""
    unshifted = int(np.flatnonzero(deltas == 0)[0])
    default = correct[unshifted]
    row = best_shift(correct.mean(axis=1), deltas)
    held_out, chosen = held_out_choice(correct, deltas, seed)
    alone, picked = permutation_test(correct, deltas, permutations, seed)
    report = {
        "n": correct.shape[1],
        "default": default.mean(),
        "modified": correct[row].mean(),
        "delta": deltas[row],
        "distance_default": distances[unshifted],
        "distance_modified": distances[row],
        "direction": direction(distances[unshifted], distances[row]),
        "p_in_sample": mcnemar(default, correct[row]),
        "held_out": held_out.mean(),
        "held_out_delta_1": chosen[0],
        "held_out_delta_2": chosen[1],
        "held_out_won": int((~default & held_out).sum()),
        "held_out_lost": int((default & ~held_out).sum()),
        "p_held_out": mcnemar(default, held_out),
        "p_permutation": alone,
        "p_max_statistic": picked,
    }
    for name, right in (("default", default), ("modified", correct[row]), ("held_out", held_out)):
        low, high = proportion_interval(int(right.sum()), len(right), confidence)
        report |= {f"{name}_low": low, f"{name}_high": high}
    return report


def permutation_test(
    correct: np.ndarray, deltas: np.ndarray, permutations: int, seed: int
) -> tuple[float, float]:
    """Is the best shift better than none? p-values of the paired sign-flip test, one-sided since
    the shift was picked for being better: first as if it had been the only one tried, then with
    the picking counted.

    An item's gain at a shift is 1 where the shift sets it right, -1 where it sets it wrong, 0
    else. If shifts did nothing, each item's sign would be a toss of a coin, one for all shifts.
    The first p compares the best shift's sum of gains with its sums under `permutations` random
    signs; the second with the largest sum over all shifts, which is what picking gives. Both
    count the signs observed, so none is 0. correct (len(deltas), n).
    """
    gains = correct.astype(np.float32) - correct[deltas == 0].astype(np.float32)
    row = best_shift(correct.mean(axis=1), deltas)
    return random_sign_test(gains, gains[row].sum(), row, permutations, seed)


def random_sign_test(
    gains: np.ndarray, observed: float, row: int, permutations: int, seed: int
) -> tuple[float, float]:
    """p-values of `observed`, the sum of gains at the shift `row`: how often random signs of the
    items' gains (len(deltas), n) give as much at that shift, and at any shift."""
    # Only items that some shift changes matter; sums of whole numbers are exact in float32.
    gains = gains[:, gains.any(axis=0)].astype(np.float32)
    rng = np.random.default_rng(seed)
    alone = best = 0
    most = max(1, SIGNS_AT_ONCE // max(1, gains.shape[1]))
    for start in range(0, permutations, most):
        size = min(most, permutations - start), gains.shape[1]
        signs = 2 * rng.integers(0, 2, size, dtype=np.int8).astype(np.float32) - 1
        sums = signs @ gains.T
        alone += int((sums[:, row] >= observed).sum())
        best += int((sums.max(axis=1) >= observed).sum())
    return (1 + alone) / (1 + permutations), (1 + best) / (1 + permutations)


def sweep(values: np.ndarray, deltas: np.ndarray, n: int) -> pd.DataFrame:
    """Accuracy, or another value of n items, at every shift: delta, score, n."""
    return pd.DataFrame({"delta": deltas, "score": values, "n": n})
