"""Post-hoc methods on the page: a mixed gallery, the remaining gap, the matrix of methods.

`methods`, `differences` and `names` are results/after/methods.csv, differences.csv and
method_names.csv. Values are those of the fixed split. Random halves give a spread; it is no
standard error, because halves share their pairs.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from modality_gap.figures.follow_ups import (
    CAPTION_GALLERY,
    PAIR_GALLERY,
    mixed_curves,
    sets_in_order,
)
from modality_gap.measures.posthoc.registry import FIXED
from modality_gap.pages.after.values import cell, labels_of, mean, spreads, values
from modality_gap.pages.findings.base import Table
from modality_gap.pages.words import NONE, count, interval, listed, number, of_all, percent

PLAIN, CONTROL, OWN_CONTROL = "none", "other_first", "own_first"
FEW_SHOT = ("T3", "few_shot")  # 1 where a method learns from labels
ROUNDING = 1e-9  # of NDCG: less is no difference
RETRIEVAL, MIXED, GEOMETRY = "T1", "T2a", "T6"
# Of differences.csv: NDCG in a mixed gallery of pairs, and of documents of several forms.
MIXED_CHANGES, DOCUMENTS = ("mixed_ndcg10_xy", "mixed_ndcg10_yx"), "forms_ndcg10"
# Methods that leave little of the gap, in the order of the table.
SAME_GAP = (
    *("none", "shift", "translate", "project_out", "centre", "standardise"),
    "procrustes_to_identity",
)


class Matrix(NamedTuple):
    """The methods of a set by task: the name of the set, the rows of the methods that are compared,
    and the rows of the methods with a star, which are not compared."""

    label: str
    table: Table
    starred: list[list[str]]


# --- a mixed gallery ----------------------------------------------------------------------------


MIXED_WORDS = {
    PLAIN: "no change",
    "shift": "the shift fitted to close the gap",
    "centre": "centring",
    "centre_z_score": "centring with z-scores by kind",
    CONTROL: "the control that puts the other modality first",
    OWN_CONTROL: "the control that puts the own modality first",
}


def mixed_sentences(methods: pd.DataFrame, name: str, label: str) -> list[str]:
    """Sentences on a set's results in a mixed gallery on the fixed split: without a method, with
    centring, and with both controls of bias."""
    task, found = _in_gallery(values(methods, name))
    if task == MIXED:
        what = "NDCG@10 in a gallery of both modalities, where the wanted item is of the other one"
    else:
        what = "NDCG@10 where each document, the wanted one too, is a caption, a picture or both"
    parts = [
        f"{words} {number(found[method])}"
        for method, words in MIXED_WORDS.items()
        if method in found.index
        and np.isfinite(found[method])
        # Where the wanted item is always of the other modality, this control finds nothing.
        and (task == CAPTION_GALLERY or method != OWN_CONTROL)
    ]
    if not parts:
        return []
    _, n = _sizes(methods, name, task)
    return [f"{label}: {what} (n {n:,}): {listed(parts, '; ')}."]


def _in_gallery(wide: pd.DataFrame) -> tuple[str, pd.Series]:
    """The task in a mixed gallery that a set has, and the NDCG@10 of each method. `wide` is as
    `values` makes it."""
    if (CAPTION_GALLERY, "ndcg10") in wide:
        return CAPTION_GALLERY, wide[CAPTION_GALLERY, "ndcg10"]
    return MIXED, mean(wide, MIXED, "ndcg10")


SUMMED = ("shift", "centre", "centre_z_score")  # methods of the sentence on several sets


def control_ahead(methods: pd.DataFrame, order: list[str]) -> int:
    """In how many sets the control that puts the other modality first has a higher NDCG@10 than
    each method of `SUMMED`."""
    found = [_in_gallery(values(methods, name))[1] for name in order]
    return sum(
        bool(one[CONTROL] > one.reindex(SUMMED).max()) for one in found if CONTROL in one.index
    )


def mixed_summary(methods: pd.DataFrame, differences: pd.DataFrame, order: list[str]) -> str:
    """In how many of several sets more is found with each method than without a method, and in how
    many the control finds more still. The whole interval of the change decides, in both directions
    if there are two. Empty for one set."""
    rows = differences[differences["set"].isin(order)]
    of_documents = rows.loc[rows["metric"] == DOCUMENTS, "set"].unique()
    mixed = rows["metric"].isin(MIXED_CHANGES) & ~rows["set"].isin(of_documents)
    rows = rows[mixed | (rows["metric"] == DOCUMENTS)]
    if rows["set"].nunique() < 2:
        return ""
    by_count: dict[str, list[str]] = {}
    for method in SUMMED:
        of = rows[rows["method"] == method]
        if len(of):
            gains = (of["difference_low"] > 0).groupby(of["set"]).all()
            more = of_all(int(gains.sum()), len(gains), "set")
            by_count.setdefault(more, []).append(MIXED_WORDS[method])
    parts = [f"in {more} with {listed(words)}" for more, words in by_count.items()]
    if not parts:
        return ""
    return (
        f"NDCG@10 clearly rises {listed(parts, '; ')}. {MIXED_WORDS[CONTROL][0].upper()}"
        f"{MIXED_WORDS[CONTROL][1:]} scores higher than these in "
        f"{control_ahead(methods, order) or 'none'}."
    )


CONTROL_WORDS = (
    "The control puts the modality of the wanted item first, so it shows how much of a gain bias "
    "alone could be. By the share of that modality among the other items, the best of the other "
    "methods passes the control in a gallery of pairs (without intervals): {}."
)


def control_sentences(
    methods: pd.DataFrame, names: pd.DataFrame, order: list[str], labels: Mapping[str, str]
) -> list[str]:
    """For each set, the shares of the other modality at which some method does better than the
    control. Empty if no set has a wanted item that is always of the other modality."""
    called, stars = labels_of(names), names.set_index("method")["star"]
    found = []
    for name in order:
        curves = mixed_curves(methods, name, PAIR_GALLERY)
        if CONTROL not in curves:
            continue
        rivals = [
            one for one in curves if one not in (CONTROL, OWN_CONTROL) and not stars.get(one, False)
        ]
        better = curves[rivals].gt(curves[CONTROL] + ROUNDING, axis=0)
        shares = better.index[better.any(axis=1)]
        if not len(shares):
            found.append(f"at none in {labels[name]}")
            continue
        best = curves.loc[shares[0], rivals].idxmax()
        scores = number(curves.loc[shares[0], best]), number(curves.loc[shares[0], CONTROL])
        onwards = len(better.loc[shares[0] :]) == len(shares) > 1
        where = f"from {shares[0]:g}" if onwards else f"at {listed(f'{one:g}' for one in shares)}"
        found.append(f"{where} in {labels[name]} ({called[best]} {scores[0]}, control {scores[1]})")
    return [CONTROL_WORDS.format(listed(found, "; "))] if found else []


# --- what is left of the gap --------------------------------------------------------------------


def same_gap_table(
    methods: pd.DataFrame, names: pd.DataFrame, name: str, whole: str = ""
) -> Table | None:
    """The remaining gap, recall and bias of methods that narrow the gap in different ways. None if
    a set has fewer than two of them. `whole` is a sentence on the gap of all pairs."""
    wide, spread, labels = values(methods, name), spreads(methods, name), labels_of(names)
    shown = [one for one in SAME_GAP if one in wide.index]
    if len(shown) < 3 or (GEOMETRY, "gap") not in wide:
        return None
    mixed, auc = mean(wide, MIXED, "ndcg10"), mean(wide, MIXED, "kind_auc")
    first, kept = (
        mean(wide, MIXED, "kind_share10"),
        mean(wide, GEOMETRY, "neighbours_kept", "x y"),
    )
    rows = []
    for one in shown:
        recalls = (cell(wide, one, RETRIEVAL, f"recall1_{side}") for side in ("xy", "yx"))
        rows.append(
            [
                labels[one],
                _with_spread(wide, spread, one, GEOMETRY, "gap"),
                *(number(value) for value in recalls),
                *(number(column[one]) for column in (mixed, auc, first, kept)),
            ]
        )
    head = ["method", "gap left", "R@1 x to y", "R@1 y to x", "NDCG@10, mixed", "kind AUC"]
    head += ["other kind in first 10", "own neighbours kept"]
    return Table(f"{_fitted(methods, name)}.{whole}", head, rows)


def whole_gap(gaps: pd.DataFrame, name: str) -> str:
    """A sentence on the gap of all pairs of a set, shown beside the gap of the scored pairs."""
    if name not in gaps.index or "n" not in gaps:
        return ""
    row = gaps.loc[name]
    return (
        f" Every gap here is of the scored pairs; that of all {int(row['n']):,} pairs is "
        f"{number(row['gap'])}."
    )


def same_gap_sentence(
    methods: pd.DataFrame, differences: pd.DataFrame, name: str, label: str
) -> str:
    """A sentence on whether the shift and centring leave about the same gap, and what each does to
    recall."""
    wide = values(methods, name)
    changed = {"recall1_xy", "recall1_yx"} <= {*_of(differences, name, "shift")["metric"]}
    if not {"shift", "centre"} <= {*wide.index} or (GEOMETRY, "gap") not in wide or not changed:
        return ""
    gaps = wide[GEOMETRY, "gap"]
    changes = {
        one: listed(
            f"{number(row['difference'])} {interval(row['difference_low'], row['difference_high'])}"
            for _, row in _of(differences, name, one).iterrows()
            if row["metric"].startswith("recall1")
        )
        for one in ("shift", "centre")
    }
    return (
        f"{label}: of a gap of {number(gaps[PLAIN])} the fitted shift leaves "
        f"{number(gaps['shift'])} and changes recall@1 by {changes['shift']}; centring leaves "
        f"{number(gaps['centre'])} and changes it by {changes['centre']} (both ways; "
        f"n {_sizes(methods, name)[1]:,})."
    )


def same_gap_summary(methods: pd.DataFrame, differences: pd.DataFrame, order: list[str]) -> str:
    """How much of the gap the fitted shift and centring leave in several sets, and in how many sets
    recall falls in one or both directions. Recall falls if the whole interval of its change is
    below 0. Empty for one set."""
    parts = [
        (wide[GEOMETRY, "gap"].loc[["shift", "centre"]] / wide.loc[PLAIN, (GEOMETRY, "gap")])
        for name in order
        if {PLAIN, "shift", "centre"} <= {*(wide := values(methods, name)).index}
        and (GEOMETRY, "gap") in wide
    ]
    if len(parts) < 2:
        return ""
    left = pd.DataFrame(parts)
    ends = [[percent(end, 0) for end in (left[one].min(), left[one].max())] for one in left]
    spans = [" to ".join(dict.fromkeys(pair)) for pair in ends]
    recall = differences[differences["metric"].isin(["recall1_xy", "recall1_yx"])]
    worse = recall[recall["set"].isin(order) & (recall["difference_high"] < 0)]
    falls = [worse.loc[worse["method"] == one, "set"].nunique() for one in left]
    return (
        f"Of the gap of {count(len(left), 'set')} the fitted shift leaves {spans[0]} and centring "
        f"{spans[1]}. Recall@1 falls in a direction, by an uncorrected interval, in "
        f"{count(falls[0], 'set')} with the shift and in {falls[1]} with centring."
    )


def _of(differences: pd.DataFrame, name: str, method: str) -> pd.DataFrame:
    rows = differences[(differences["set"] == name) & (differences["method"] == method)]
    return rows.sort_values("metric")


def _sizes(methods: pd.DataFrame, name: str, task: str = RETRIEVAL) -> tuple[int, int]:
    """The number of pairs on which the methods of a set were fitted, and the number on which a task
    was scored."""
    rows = methods[(methods["set"] == name) & (methods["split"] == FIXED)]
    rows = rows[rows["task"] == task] if (rows["task"] == task).any() else rows
    return int(rows["n_fit"].iloc[0]), int(rows["n_scored"].iloc[0])


def _fitted(methods: pd.DataFrame, name: str, dim: int | None = None) -> str:
    """In words: on how many pairs methods were fitted and scored, and how many fit pairs there are
    per dimension."""
    fit, scored = _sizes(methods, name)
    per = "" if dim is None else f", {number(fit / dim, 2)} per dimension (n_fit/d, d {dim:,})"
    return f"Fitted on {fit:,} pairs{per}, scored on {scored:,} others"


def _with_spread(
    wide: pd.DataFrame, spread: pd.DataFrame, method: str, task: str, metric: str
) -> str:
    text = number(cell(wide, method, task, metric))
    found = cell(spread, method, task, metric)
    return text if text == NONE or not np.isfinite(found) else f"{text} ±{number(found)}"


# --- the matrix ---------------------------------------------------------------------------------


class Task(NamedTuple):
    """A column of the matrix: its heading and its metric, which is a mean over `sides`. A metric
    without a direction has no sides."""

    head: str
    task: str
    metric: str
    sides: str = "xy yx"


TASKS = (
    Task("NDCG@10, mixed, by form", CAPTION_GALLERY, "ndcg10", ""),
    Task("R@1, all captions", "T1c", "recall1"),
    Task("zero-shot accuracy", "T3", "accuracy", ""),
    Task("zero-shot accuracy, prompts' own mean", "T3", "accuracy_prompt_mean", ""),
    Task("AUROC, hidden classes", "T3o", "auroc_cosine", ""),
    Task("NDCG@10, mixed", MIXED, "ndcg10"),
    Task("kind AUC", MIXED, "kind_auc"),
    Task("other kind in first 10", MIXED, "kind_share10"),
    Task("hub skewness", GEOMETRY, "hub_skewness10"),
    Task("gap left", GEOMETRY, "gap", ""),
    Task("own neighbours kept", GEOMETRY, "neighbours_kept", "x y"),
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
    """Every method of a set by task. The first columns are paired differences from the result
    without a method, with their intervals; the others are values. A task is left out if no method
    of the set has it. For prompts of classes, a method that learns from labels is called
    few-shot."""
    wide = values(methods, name)
    columns = {}
    for one in TASKS:
        if one.sides:
            found = mean(wide, one.task, one.metric, one.sides)
        elif (one.task, one.metric) in wide:
            found = wide[one.task, one.metric]
        else:
            continue
        if found.notna().any():
            columns[one.head + _other_sizes(methods, name, one.task)] = found
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


def _other_sizes(methods: pd.DataFrame, name: str, task: str) -> str:
    """The sizes of a task, in round brackets, if they differ from those in the caption."""
    sizes = _sizes(methods, name, task)
    if sizes == _sizes(methods, name):
        return ""
    return f" (fitted on {sizes[0]:,}, scored on {sizes[1]:,})"


def _change(rows: pd.DataFrame, metric: str) -> str:
    if metric not in rows.index:
        return NONE
    row: Mapping = rows.loc[metric]
    return (
        f"{number(row['difference'])} {interval(row['difference_low'], row['difference_high'])}"
    ).strip()


class Labelled(NamedTuple):
    """A table, and the name of the set that it is about."""

    label: str
    table: Table


class Shown(NamedTuple):
    """What the page shows of the methods. Lists are empty if no set is compared."""

    sets: list[str]
    mixed_summary: str
    mixed: list[str]
    control: list[str]
    same_gap_summary: str
    same_gap_sentences: list[str]
    same_gap: list[Labelled]
    matrices: list[Matrix]
    halves: int


def shown(data: Mapping[str, pd.DataFrame], gaps: pd.DataFrame, sets: Mapping) -> Shown:
    """Everything that the page shows of the methods, from the tables by name, gap.csv by set and
    the sets of the configuration."""
    methods, differences, names = (
        data[name] for name in ("methods", "differences", "method_names")
    )
    order = sets_in_order(methods)
    labels = {name: sets[name]["label"] for name in order}
    tables = {name: same_gap_table(methods, names, name, whole_gap(gaps, name)) for name in order}
    dims = {name: int(gaps.loc[name, "dim"]) if name in gaps.index else None for name in order}
    return Shown(
        order,
        mixed_summary(methods, differences, order),
        [text for name in order for text in mixed_sentences(methods, name, labels[name])],
        control_sentences(methods, names, order, labels),
        same_gap_summary(methods, differences, order),
        [
            text
            for name in order
            if (text := same_gap_sentence(methods, differences, name, labels[name]))
        ],
        [Labelled(labels[name], table) for name, table in tables.items() if table],
        [matrix(methods, differences, names, name, labels[name], dims[name]) for name in order],
        methods["split"].nunique() - 1 if len(methods) else 0,
    )
