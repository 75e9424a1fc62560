"""The supplement's table of p-values: unpaired comparisons of two accuracies."""

import pandas as pd

from modality_gap.measures.significance import bonferroni, difference_interval, two_proportion_test


def recompute(published: dict, confidence: float) -> pd.DataFrame:
    """supplementary_p_values.csv: all comparisons of `supplementary_p_values` in
    config/ledger/p_values.yaml. Each p-value is computed again and corrected for the choice among
    shifts."""
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
                "p_published": row.get("p_value"),
                "p_recomputed": p,
                "shifts": published["shifts"],
                "p_corrected": bonferroni(p, published["shifts"]),
            }
        )
    return pd.DataFrame(rows)
