"""The results of a set in results/after/methods.csv, as tables of methods by task and metric."""

import numpy as np
import pandas as pd

from modality_gap.measures.posthoc.registry import FIXED


def values(methods: pd.DataFrame, name: str) -> pd.DataFrame:
    """The results of a set on the fixed split: one row per method, in the order of the methods, and
    one column per (task, metric)."""
    rows = methods[(methods["set"] == name) & (methods["split"] == FIXED)]
    wide = rows.pivot_table(index="method", columns=["task", "metric"], values="value", sort=False)
    return wide.reindex(rows["method"].unique())


def spreads(methods: pd.DataFrame, name: str) -> pd.DataFrame:
    """The standard deviations of a set's results over random halves, in the form of `values`."""
    rows = methods[(methods["set"] == name) & (methods["split"] != FIXED)]
    return rows.pivot_table(
        index="method", columns=["task", "metric"], values="value", aggfunc="std", sort=False
    )


def mean(wide: pd.DataFrame, task: str, metric: str, sides: str = "xy yx") -> pd.Series:
    """The mean of a metric over both directions (or both modalities). NaN if the metric is
    missing."""
    columns = [(task, f"{metric}_{side}") for side in sides.split()]
    if any(column not in wide for column in columns):
        return pd.Series(np.nan, wide.index)
    return wide[columns].mean(axis=1, skipna=False)


def cell(wide: pd.DataFrame, method: str, task: str, metric: str) -> float:
    column = (task, metric)
    return float(wide.loc[method, column]) if column in wide and method in wide.index else np.nan


def labels_of(names: pd.DataFrame) -> dict[str, str]:
    """The label of each method."""
    return dict(zip(names["method"], names["label"], strict=True))
