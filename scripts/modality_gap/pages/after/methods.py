"""Post-hoc methods on the page: what a mixed gallery shows, equal gaps, and the matrix of methods.

`methods`, `differences` and `names` are results/after/methods.csv, differences.csv and
method_names.csv. Values are those of the fixed split; random halves give a spread, which is no
standard error because halves share their pairs.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from modality_gap.pages.findings.base import Table
from modality_gap.pages.words import NONE, interval, listed, number

FIXED = "even_odd"
PLAIN, CONTROL = "none", "other_first"
FEW_SHOT = ("T3", "few_shot")  # 1 where a method learns from labels
MULTI_CAPTION = "T2c"
# Methods that leave about the same gap, in the order of the table.
SAME_GAP = (
    *("none", "shift", "translate", "project_out", "centre", "standardise"),
    "procrustes_to_identity",
)


class Matrix(NamedTuple):
    """The methods of a set by task: what it is called, and rows of those that are compared and of
    those with a star, which are not."""

    label: str
    table: Table
    starred: list[list[str]]


def sets_in_order(methods: pd.DataFrame) -> list[str]:
    """The sets of methods.csv; those with several captions per picture come first."""
    several = methods.loc[methods["task"] == MULTI_CAPTION, "set"].unique()
    return sorted(methods["set"].unique(), key=lambda name: (name not in several,))


def values(methods: pd.DataFrame, name: str) -> pd.DataFrame:
    """The results of a set on the fixed split: a row per method, in their order, and a column
    (task, metric) each."""
    rows = methods[(methods["set"] == name) & (methods["split"] == FIXED)]
    wide = rows.pivot_table(index="method", columns=["task", "metric"], values="value", sort=False)
    return wide.reindex(rows["method"].unique())


def spreads(methods: pd.DataFrame, name: str) -> pd.DataFrame:
    """The same over random halves: standard deviations, a row per method."""
    rows = methods[(methods["set"] == name) & (methods["split"] != FIXED)]
    return rows.pivot_table(
        index="method", columns=["task", "metric"], values="value", aggfunc="std", sort=False
    )


def _mean(wide: pd.DataFrame, task: str, metric: str, sides: str = "xy yx") -> pd.Series:
    """Mean over both directions (or both modalities) of a metric; NaN where it is missing."""
    columns = [(task, f"{metric}_{side}") for side in sides.split()]
    if any(column not in wide for column in columns):
        return pd.Series(np.nan, wide.index)
    return wide[columns].mean(axis=1, skipna=False)


def _cell(wide: pd.DataFrame, method: str, task: str, metric: str) -> float:
    column = (task, metric)
    return float(wide.loc[method, column]) if column in wide and method in wide.index else np.nan


def labels_of(names: pd.DataFrame) -> dict[str, str]:
    """What each method is called."""
    return dict(zip(names["method"], names["label"], strict=True))


# --- a mixed gallery ----------------------------------------------------------------------------


def mixed_sentences(methods: pd.DataFrame, name: str, label: str) -> list[str]:
    """What a mixed gallery does to a set: without a method, with centring, with both controls of
    bias; all on the fixed split."""
    wide = values(methods, name)
    task = MULTI_CAPTION if (MULTI_CAPTION, "ndcg10") in wide else "T2a"
    if task == "T2a":
        found = _mean(wide, task, "ndcg10")
        what = "NDCG@10 in a gallery of both modalities, where the wanted item is of the other one"
    else:
        found = wide[MULTI_CAPTION, "ndcg10"]
        what = "NDCG@10 where each document, the wanted one too, is a caption, a picture or both"
    parts = [
        f"{words} {number(found[method])}"
        for method, words in (
            (PLAIN, "no change"),
            ("shift", "the shift that closes the gap"),
            ("centre", "centring"),
            ("centre_z_score", "centring with z-scores by kind"),
            (CONTROL, "the control that puts the other modality first"),
        )
        if method in found.index and np.isfinite(found[method])
    ]
    if not parts:
        return []
    of = methods[(methods["set"] == name) & (methods["task"] == task)]
    n = int(of.loc[of["split"] == FIXED, "n_scored"].iloc[0])
    return [f"{label}: {what} (n {n:,}): {listed(parts, '; ')}."]


# --- about the same gap left --------------------------------------------------------------------


def same_gap_table(methods: pd.DataFrame, names: pd.DataFrame, name: str) -> Table | None:
    """Gap left, recall and bias of methods that close the gap in other ways; None if a set has
    fewer than two of them."""
    wide, spread, labels = values(methods, name), spreads(methods, name), labels_of(names)
    shown = [one for one in SAME_GAP if one in wide.index]
    if len(shown) < 3 or ("T6", "gap") not in wide:
        return None
    mixed, auc = _mean(wide, "T2a", "ndcg10"), _mean(wide, "T2a", "kind_auc")
    first, kept = _mean(wide, "T2a", "kind_share10"), _mean(wide, "T6", "neighbours_kept", "x y")
    rows = []
    for one in shown:
        recalls = (_cell(wide, one, "T1", f"recall1_{side}") for side in ("xy", "yx"))
        rows.append(
            [
                labels[one],
                _with_spread(wide, spread, one, "T6", "gap"),
                *(number(value) for value in recalls),
                *(number(column[one]) for column in (mixed, auc, first, kept)),
            ]
        )
    head = ["method", "gap left", "R@1 x to y", "R@1 y to x", "NDCG@10, mixed", "kind AUC"]
    head += ["other kind in first 10", "own neighbours kept"]
    return Table(f"{_fitted(methods, name)}.", head, rows)


def same_gap_sentence(
    methods: pd.DataFrame, differences: pd.DataFrame, name: str, label: str
) -> str:
    """Whether the shift and centring leave about the same gap, and what each does to recall."""
    wide = values(methods, name)
    changed = {"recall1_xy", "recall1_yx"} <= {*_of(differences, name, "shift")["metric"]}
    if not {"shift", "centre"} <= {*wide.index} or ("T6", "gap") not in wide or not changed:
        return ""
    gaps = wide["T6", "gap"]
    changes = {
        one: listed(
            f"{number(row['difference'])} {interval(row['difference_low'], row['difference_high'])}"
            for _, row in _of(differences, name, one).iterrows()
            if row["metric"].startswith("recall1")
        )
        for one in ("shift", "centre")
    }
    return (
        f"{label}: of a gap of {number(gaps[PLAIN])} the shift leaves {number(gaps['shift'])} and "
        f"changes recall@1 by {changes['shift']}; centring leaves {number(gaps['centre'])} and "
        f"changes it by {changes['centre']} (both ways; n {_scored(methods, name):,})."
    )


def _of(differences: pd.DataFrame, name: str, method: str) -> pd.DataFrame:
    rows = differences[(differences["set"] == name) & (differences["method"] == method)]
    return rows.sort_values("metric")


def _scored(methods: pd.DataFrame, name: str) -> int:
    rows = methods[(methods["set"] == name) & (methods["split"] == FIXED)]
    return int(rows["n_scored"].iloc[0])


def _fitted(methods: pd.DataFrame, name: str, dim: int | None = None) -> str:
    """On how many pairs methods were fitted and scored, and how many that is per dimension."""
    rows = methods[(methods["set"] == name) & (methods["split"] == FIXED)]
    fit, scored = int(rows["n_fit"].iloc[0]), int(rows["n_scored"].iloc[0])
    per = "" if dim is None else f", {number(fit / dim, 2)} per dimension (n_fit/d, d {dim:,})"
    return f"Fitted on {fit:,} pairs{per}, scored on {scored:,} others"


def _with_spread(
    wide: pd.DataFrame, spread: pd.DataFrame, method: str, task: str, metric: str
) -> str:
    text = number(_cell(wide, method, task, metric))
    found = _cell(spread, method, task, metric)
    return text if text == NONE or not np.isfinite(found) else f"{text} ±{number(found)}"


# --- the matrix ---------------------------------------------------------------------------------


class Task(NamedTuple):
    """A column of the matrix: its head, and the metric, a mean over `sides`; no sides for a metric
    that has no direction."""

    head: str
    task: str
    metric: str
    sides: str = "xy yx"


TASKS = (
    Task("NDCG@10, mixed, by form", MULTI_CAPTION, "ndcg10", ""),
    Task("R@1, all captions", "T1c", "recall1"),
    Task("zero-shot accuracy", "T3", "accuracy", ""),
    Task("NDCG@10, mixed", "T2a", "ndcg10"),
    Task("kind AUC", "T2a", "kind_auc"),
    Task("other kind in first 10", "T2a", "kind_share10"),
    Task("hub skewness", "T6", "hub_skewness10"),
    Task("gap left", "T6", "gap", ""),
    Task("own neighbours kept", "T6", "neighbours_kept", "x y"),
)
CHANGES = {"recall1_xy": "R@1 x to y, change", "recall1_yx": "R@1 y to x, change"}


def matrix(
    methods: pd.DataFrame,
    differences: pd.DataFrame,
    names: pd.DataFrame,
    name: str,
    label: str,
    dim: int | None,
) -> Matrix:
    """Every method of a set by task. The first columns are paired differences to no change with
    their intervals; the others are values. A task that no method of the set has is left out. Of
    prompts of classes, a method that learns from labels is called few-shot."""
    wide = values(methods, name)
    columns = {}
    for one in TASKS:
        if one.sides:
            found = _mean(wide, one.task, one.metric, one.sides)
        elif (one.task, one.metric) in wide:
            found = wide[one.task, one.metric]
        else:
            continue
        if found.notna().any():
            columns[one.head] = found
    labels, stars = labels_of(names), dict(zip(names["method"], names["star"], strict=True))
    compared: list[list[str]] = []
    starred: list[list[str]] = []
    for method in wide.index:
        changed = _of(differences, name, method).set_index("metric")
        few_shot = FEW_SHOT in wide and wide.loc[method, FEW_SHOT] == 1
        row = [f"{labels[method]}{', few-shot' if few_shot else ''}{' *' if stars[method] else ''}"]
        row += [_change(changed, metric) for metric in CHANGES]
        row += [number(column[method]) for column in columns.values()]
        (starred if stars[method] else compared).append(row)
    head = ["method", *CHANGES.values(), *columns]
    about = f"{label}. {_fitted(methods, name, dim)}"
    return Matrix(label, Table(f"{about}.", head, compared), starred)


def _change(rows: pd.DataFrame, metric: str) -> str:
    if metric not in rows.index:
        return NONE
    row: Mapping = rows.loc[metric]
    return (
        f"{number(row['difference'])} {interval(row['difference_low'], row['difference_high'])}"
    ).strip()


class Labelled(NamedTuple):
    """A table with what its set is called."""

    label: str
    table: Table


class Shown(NamedTuple):
    """What the page shows of the methods; empty lists where no set is compared."""

    sets: list[str]
    mixed: list[str]
    same_gap_sentences: list[str]
    same_gap: list[Labelled]
    matrices: list[Matrix]
    halves: int


def shown(data: Mapping[str, pd.DataFrame], gaps: pd.DataFrame, sets: Mapping) -> Shown:
    """All of it, from the tables by name, gap.csv by set, and the sets of the configuration."""
    methods, differences, names = (
        data[name] for name in ("methods", "differences", "method_names")
    )
    order = sets_in_order(methods)
    labels = {name: sets[name]["label"] for name in order}
    tables = {name: same_gap_table(methods, names, name) for name in order}
    dims = {name: int(gaps.loc[name, "dim"]) if name in gaps.index else None for name in order}
    return Shown(
        order,
        [text for name in order for text in mixed_sentences(methods, name, labels[name])],
        [
            text
            for name in order
            if (text := same_gap_sentence(methods, differences, name, labels[name]))
        ],
        [Labelled(labels[name], table) for name, table in tables.items() if table],
        [matrix(methods, differences, names, name, labels[name], dims[name]) for name in order],
        methods["split"].nunique() - 1 if len(methods) else 0,
    )
