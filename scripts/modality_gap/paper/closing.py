"""How a model's score (recall, or accuracy over classes) changes when its gap is closed.

`gaps` is statistics/gap.csv by set. `peaks` is statistics/recall_peak.csv, of which only the
direction from the first modality to the second is used. `published` are the sets of models that
others trained.
"""

from collections.abc import Collection

import pandas as pd

from modality_gap.paper.chance import retrieves

RECALL, ACCURACY = "recall@1", "zero-shot accuracy"
COLUMN = "recall1_ab"  # of recall_under_shift.csv


def closings(gaps: pd.DataFrame, peaks: pd.DataFrame, published: Collection[str]) -> pd.DataFrame:
    """One row, indexed by set, for each published, trained model that retrieves well above chance,
    in the order of `gaps`. The columns are model, score (the name of recall@1 for this set) and the
    columns of `peaks`. Models trained here on few data are left out, because their change says
    little."""
    able = gaps.index[retrieves(gaps) & (gaps["weights"] == "trained")]
    swept = peaks[peaks["direction"] == "ab"].set_index("set")
    names = [name for name in able if name in swept.index and name in published]
    found = swept.loc[names].copy()
    found.insert(0, "model", gaps.loc[names, "model"])
    found.insert(1, "score", [ACCURACY if of_classes(gaps.loc[name]) else RECALL for name in names])
    return found


def of_classes(row: pd.Series) -> bool:
    """Whether each cluster of a set has several items of the first modality and one item of the
    second. The items of the second modality are then prompts of classes, and the nearest prompt is
    a zero-shot prediction."""
    return bool(row["recall_items_b"] == row["clusters"] < row["recall_items_a"])
