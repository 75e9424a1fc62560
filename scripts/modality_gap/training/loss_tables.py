"""How the methods of the study of losses differ from their baseline."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from modality_gap.measures.intervals import t_interval, t_quantile
from modality_gap.measures.posthoc.ranks import MARGIN
from modality_gap.measures.significance import holm
from modality_gap.training.recipes import recipes

COMPARED = ("gap", "gap_squared", "separability", "recall1", "partner_cosine", "v_measure", "rmg")


def differences(table: pd.DataFrame, study: Mapping[str, Any], confidence: float) -> pd.DataFrame:
    """By method and metric, the difference to the baseline paired by seed: mean, t interval, p and
    Holm's correction over the methods; for recall also whether it is shown to be unchanged (TOST
    with MARGIN). A method that starts from the trained baseline is compared with the one named
    `continued`, if there is one."""
    from scipy import stats

    methods = recipes(study)
    wide = table.set_index(["method", "seed"])
    rows = []
    for name, recipe in methods.items():
        base = study["baseline"]
        if recipe.start == "trained" and "continued" in methods:
            base = "continued"
        if name == base:
            continue
        for metric in COMPARED:
            change = (wide.loc[name, metric] - wide.loc[base, metric]).to_numpy()
            if np.isnan(change).any():
                continue
            low, high = t_interval(change, confidence)
            same = np.ptp(change) == 0
            p = float(same and change[0] == 0) if same else stats.ttest_1samp(change, 0).pvalue
            row = {"method": name, "than": base, "metric": metric, "difference": change.mean()}
            row |= {"difference_low": low, "difference_high": high, "p": p, "n": len(change)}
            row["unchanged"] = metric == "recall1" and _equivalent(change, confidence)
            rows.append(row)
    result = pd.DataFrame(rows)
    for _, of in result.groupby("metric"):
        result.loc[of.index, "p_holm"] = holm(of["p"].to_numpy())
    return result


def _equivalent(change: np.ndarray, confidence: float) -> bool:
    """Two one-sided t tests: whether the mean lies within MARGIN, at 1 - confidence each."""
    n = len(change)
    width = t_quantile(2 * confidence - 1, n) * change.std(ddof=1) / np.sqrt(n)
    return bool(abs(change.mean()) + width < MARGIN)
