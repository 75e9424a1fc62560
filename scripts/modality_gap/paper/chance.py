"""Whether a model does better than chance: one rule for the ledger, the pages and the figures."""

from collections.abc import Mapping

import pandas as pd

WELL_ABOVE = 5.0  # from this multiple of chance on, recall is well above chance
RECALLS = ("recall1_ab_low", "recall1_ba_low")


def recall_over_chance(rows: pd.DataFrame) -> pd.Series:
    """Recall@1 as a multiple of chance for `rows` of statistics/gap.csv. It is the lower end of the
    interval, in the worse of the two directions."""
    return rows[list(RECALLS)].min(axis=1) / rows["recall1_chance"]


def retrieves(rows: pd.DataFrame) -> pd.Series:
    """For each row of statistics/gap.csv, whether the model retrieves well above chance. It does
    if, in both directions, the lower end of recall@1 is at least `WELL_ABOVE` times chance. If it
    does not, the model's loss gives no verdict."""
    return recall_over_chance(rows) >= WELL_ABOVE


def classifies(row: Mapping) -> bool:
    """Whether a row of tables/table1.csv is above chance before any shift, by the lower end of the
    score's interval. No multiple of chance is required, because a task has few classes."""
    return bool(row["default_low"] > row["chance"])
