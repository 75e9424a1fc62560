"""The effect of the number of fit pairs, on the page: the remaining gap and recall, by method.

`sizes` and `names` are results/after/fit_sizes.csv and method_names.csv.
"""

from collections.abc import Mapping

import pandas as pd

from modality_gap.pages.after.methods import Labelled, labels_of
from modality_gap.pages.findings.base import Table
from modality_gap.pages.words import NONE, count, interval, number, of_all

METRICS = {"gap": "gap left", "recall1_xy": "R@1 x to y", "recall1_yx": "R@1 y to x"}


def tables(sizes: pd.DataFrame, names: pd.DataFrame, labels: Mapping[str, str]) -> list[Labelled]:
    """One table for each set that has more than one size, in the order of the sets."""
    called = labels_of(names)
    found = []
    for name, rows in sizes.groupby("set", sort=False):
        columns = rows.drop_duplicates("n_fit")[["n_fit", "ratio"]]
        if len(columns) > 1:
            draws, n = count(int(rows["draws"].iloc[0]), "draw"), int(rows["n"].iloc[0])
            caption = (
                f"Means over {draws} of the fit pairs, scored on {n:,} others; intervals over "
                "these draws alone."
            )
            pairs = zip(columns["n_fit"], columns["ratio"], strict=True)
            head = [f"{n_fit:,} (n_fit/d {number(ratio, 2)})" for n_fit, ratio in pairs]
            cells = _rows(rows, called, columns["n_fit"])
            table = Table(caption, ["method", "measure", *head], cells)
            found.append(Labelled(labels[str(name)], table))
    return found


def _rows(rows: pd.DataFrame, called: Mapping[str, str], columns: pd.Series) -> list[list[str]]:
    cells = rows.set_index(["method", "metric", "n_fit"])
    return [
        [called[method], words, *(_cell(cells, (method, metric, n_fit)) for n_fit in columns)]
        for method in rows["method"].unique()
        for metric, words in METRICS.items()
    ]


def _cell(cells: pd.DataFrame, place: tuple) -> str:
    if place not in cells.index:
        return NONE
    return _value(cells.loc[place])


def _value(row: Mapping) -> str:
    return f"{number(row['value'])} {interval(row['value_low'], row['value_high'])}".strip()


def sentence(sizes: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """In how many sets every method leaves less of the gap with the most fit pairs than with the
    fewest, and how much of the gap centring leaves in the first set. Empty if there are fewer than
    two sizes."""
    gaps = sizes[sizes["metric"] == "gap"]
    gaps = gaps[gaps.groupby(["set", "method"])["n_fit"].transform("nunique") > 1]
    rows = gaps[gaps["method"] == "centre"]
    rows = rows[rows["set"] == rows["set"].iloc[0]] if len(rows) else rows
    if rows.empty:
        return ""
    ends = gaps.groupby(["set", "method"])["value"].agg(["first", "last"])
    less = (ends["last"] < ends["first"]).groupby("set").all()
    parts = [f"{_value(row)} with {row['n_fit']:,}" for _, row in rows.iloc[[0, -1]].iterrows()]
    return (
        f"By estimates, each method leaves less of the gap with more fit pairs in "
        f"{of_all(int(less.sum()), len(less), 'set')}. {labels[rows['set'].iloc[0]]}: centring "
        f"leaves {' pairs, '.join(parts)}."
    )
