"""Zero-shot scores of two classes under a shift of the gap, by the area under the ROC curve (paper,
Table 1, HatefulMemes).

scores (deltas, n) has one row per shift. A score is larger if a picture is nearer to the second
class. positive (n,) says which pictures are of the second class. zero_shot.py is the counterpart
that scores by accuracy.
"""

import numpy as np
from scipy import stats

from modality_gap.errors import InputError
from modality_gap.measures.intervals import normal_quantile
from modality_gap.measures.shift import unshifted
from modality_gap.measures.significance import random_sign_test, two_sided
from modality_gap.measures.zero_shot import best_shift, directions


def placements(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays: for each shift, the share of negative pictures that each positive one beats
    (deltas, positives), and the share of positive pictures that beat each negative one (deltas,
    negatives). Ties count half. The mean of either is the area under the ROC curve (DeLong and
    others, Biometrics 44, 1988)."""
    m, n = int(positive.sum()), int((~positive).sum())
    every = stats.rankdata(scores, axis=1)
    beaten = (every[:, positive] - stats.rankdata(scores[:, positive], axis=1)) / n
    beating = 1 - (every[:, ~positive] - stats.rankdata(scores[:, ~positive], axis=1)) / m
    return beaten, beating


def area(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """The area under the ROC curve at each shift, (deltas,)."""
    return placements(scores, positive)[0].mean(axis=1)


def variance(beaten: np.ndarray, beating: np.ndarray) -> float:
    """DeLong's variance of an area, or of the difference of two areas, from the placements."""
    return float(beaten.var(ddof=1) / len(beaten) + beating.var(ddof=1) / len(beating))


def halves(positive: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two random halves of the pictures (index arrays), with the same share of each class. Raises
    InputError if a class has fewer than four pictures."""
    rng = np.random.default_rng(seed)
    parts = [rng.permutation(np.flatnonzero(chosen)) for chosen in (positive, ~positive)]
    if min(map(len, parts)) < 4:
        raise InputError(
            "a task scored by roc_auc needs four pictures of each of its two classes; give more."
        )
    cut = [len(part) // 2 for part in parts]
    one = [part[:at] for part, at in zip(parts, cut, strict=True)]
    other = [part[at:] for part, at in zip(parts, cut, strict=True)]
    return np.concatenate(one), np.concatenate(other)


def held_out_gain(scores: np.ndarray, positive: np.ndarray, deltas: np.ndarray, seed: int) -> dict:
    """The gain from a shift on pictures that did not choose it, and its p-value. The shift that is
    best on one half of the pictures is scored on the other half, and the gain is averaged over both
    ways. The p-value is DeLong's for paired scores; the halves share no picture. won, lost: the
    pairs of a positive and a negative picture of one half that the shift puts in the right or wrong
    order."""
    zero = unshifted(deltas)
    split = halves(positive, seed)
    gain = spread = spread_of_area = 0.0
    chosen, won, lost = [], 0, 0
    for choose, score in (split, split[::-1]):
        row = best_shift(area(scores[:, choose], positive[choose]), deltas)
        chosen.append(float(deltas[row]))
        truth, rows = positive[score], scores[[zero, row]][:, score]
        beaten, beating = placements(rows, truth)
        gain += (beaten[1] - beaten[0]).mean() / 2
        spread += variance(beaten[1] - beaten[0], beating[1] - beating[0]) / 4
        spread_of_area += variance(beaten[1], beating[1]) / 4
        before, after = (one[truth][:, None] > one[~truth] for one in rows)
        won += int((~before & after).sum())
        lost += int((before & ~after).sum())
    return {
        "gain": gain,
        "p": two_sided(gain, spread),
        "variance": spread_of_area,
        "delta_1": chosen[0],
        "delta_2": chosen[1],
        "won": won,
        "lost": lost,
    }


def shift_report(
    scores: np.ndarray,
    positive: np.ndarray,
    deltas: np.ndarray,
    distances: np.ndarray,
    confidence: float,
    permutations: int,
    seed: int,
) -> dict:
    """A row of Table 1, with the columns of zero_shot.shift_report.

    p_in_sample and p_held_out are DeLong's for the two areas of the same pictures. held_out is the
    default's area plus the gain of held_out_gain. Intervals are DeLong's (normal). The area is not
    a sum over pictures. So p_permutation and p_max_statistic give the random signs to each
    picture's share in DeLong's variance, which is the centred difference of its placements. If the
    shifts have no effect, the gains at all shifts together are spread like the sums of these
    shares.
    """
    zero = unshifted(deltas)
    beaten, beating = placements(scores, positive)
    areas = beaten.mean(axis=1)
    row, effects = best_shift(areas, deltas), directions(areas, deltas, distances)
    held_out = held_out_gain(scores, positive, deltas, seed)
    gains = areas - areas[zero]
    differences = beaten - beaten[zero], beating - beating[zero]
    shares = np.concatenate(
        [(part - gains[:, None]) / part.shape[1] for part in differences], axis=1
    )
    alone, picked = random_sign_test(shares, gains[row], row, permutations, seed)
    report = {
        "n": len(positive),
        "clusters": len(positive),
        "default": areas[zero],
        "modified": areas[row],
        "delta": deltas[row],
        "distance_default": distances[zero],
        "distance_modified": distances[row],
        "direction": " or ".join(effects),
        "directions": len(effects),
        "p_in_sample": two_sided(gains[row], variance(differences[0][row], differences[1][row])),
        "held_out": areas[zero] + held_out["gain"],
        "held_out_delta_1": held_out["delta_1"],
        "held_out_delta_2": held_out["delta_2"],
        "held_out_won": held_out["won"],
        "held_out_lost": held_out["lost"],
        "p_held_out": held_out["p"],
        "p_permutation": alone,
        "p_max_statistic": picked,
    }
    spreads = {
        "default": variance(beaten[zero], beating[zero]),
        "modified": variance(beaten[row], beating[row]),
        "held_out": held_out["variance"],
    }
    for name, spread in spreads.items():
        margin = normal_quantile(confidence) * np.sqrt(spread)
        report[f"{name}_low"] = max(0.0, report[name] - margin)
        report[f"{name}_high"] = min(1.0, report[name] + margin)
    return report
