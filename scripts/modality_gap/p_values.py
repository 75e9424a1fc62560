"""The supplement's table of p-values: two accuracies held against each other, unpaired."""

import numpy as np
import pandas as pd
from scipy.special import ndtr

from modality_gap.intervals import normal_quantile


def two_proportion_test(before: float, after: float, n: int) -> float:
    """Two-sided p-value of the z-test with a pooled variance that two shares, each of n items,
    are equal; the same as the chi-squared test without continuity correction. It takes the items
    as two independent draws, although both shares are of the same ones."""
    if before == after:
        return 1.0
    pooled = (before + after) / 2
    z = (after - before) / np.sqrt(2 * pooled * (1 - pooled) / n)
    return float(2 * ndtr(-abs(z)))


def difference_interval(
    before: float, after: float, n: int, confidence: float
) -> tuple[float, float]:
    """Interval of after - before, each a share of n independent items (Wald's)."""
    error = np.sqrt((before * (1 - before) + after * (1 - after)) / n)
    margin = normal_quantile(confidence) * error
    return float(after - before - margin), float(after - before + margin)


def bonferroni(p: float, choices: int) -> float:
    """Upper bound of the p-value of the best of `choices` comparisons."""
    return min(1.0, choices * p)


def recompute(published: dict, confidence: float) -> pd.DataFrame:
    """supplementary_p_values.csv: every comparison of `supplementary_p_values` in
    config/published.yaml, its p-value computed again and corrected for the choice among shifts."""
    rows = []
    for row in published["comparisons"]:
        shares = row["default"], row["modified"], row["n"]
        low, high = difference_interval(*shares, confidence)
        p = two_proportion_test(*shares)
        rows.append(
            {
                **{key: row[key] for key in ("task", "accuracies", "pictures", "n")},
                **{key: row[key] for key in ("default", "modified")},
                "difference": row["modified"] - row["default"],
                "difference_low": low,
                "difference_high": high,
                "p_published": row["p_value"],
                "p_source": row["p_source"],
                "p_recomputed": p,
                "shifts": published["shifts"],
                "p_corrected": bonferroni(p, published["shifts"]),
            }
        )
    return pd.DataFrame(rows)
