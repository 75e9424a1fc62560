"""Measures of follow-ups on the page: their values beside chance, and how they order the trained
sets.

`measures` is results/after/measures.csv. `gaps` is results/statistics/gap.csv by set.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from modality_gap.pages.findings.base import Table
from modality_gap.pages.labels import PROJECTIONS, weights_of
from modality_gap.pages.words import NONE, count, interval, listed, number, p_value
from modality_gap.paper.chance import retrieves


class Shown(NamedTuple):
    """A measure of the table: its name in measures.csv and its heading. `better` is 1 if a larger
    value of the measure is better, and -1 if a smaller value is better."""

    name: str
    head: str
    better: int


SHOWN = (
    Shown("mutual_knn", "mutual nearest neighbours", 1),
    Shown("cka_unbiased", "CKA, unbiased", 1),
    Shown("kendall_distance", "Kendall distance", -1),
    Shown("frechet", "Fréchet distance", -1),
    Shown("volume", "volume of a pair (GRAM)", -1),
    Shown("uniformity_across", "uniformity across", -1),
    Shown("effective_rank_x", "effective rank, first", 1),
    Shown("skewness10_xy", "hubs, skewness", -1),
    Shown("own_first_x", "nearest is of own kind", -1),
    Shown("variance_along_x", "variance along the gap", 1),
    Shown("two_separate", "two coordinates separate", -1),
)
FEWEST = 8  # sets: with fewer, an order of sets says nothing
STRUCTURE = {"cka_unbiased": "CKA", "kendall_distance": "Kendall distance"}


def table(
    measures: pd.DataFrame,
    names: list[str],
    labels: Mapping[str, str],
    own: Mapping[str, str] | None = None,
) -> Table:
    """A table of the measures by set. A cell has the value and, if there are any, its interval and
    its value by chance. The user's own measures come last, with their labels, which `own` has by
    name."""
    wide = measures.set_index(["measure", "set"])
    rows = []
    for one in (*SHOWN, *_of_the_user(measures, own or {})):
        cells = [
            _cell(wide.loc[(one.name, name)]) if (one.name, name) in wide.index else NONE
            for name in names
        ]
        if any(cell != NONE for cell in cells):
            rows.append([one.head, *cells])
    counts = measures.groupby("set")["n"].first()
    head = ["measure", *(f"{labels[name]}, n {int(counts[name]):,}" for name in names)]
    return Table("Value, interval where the measure has one, and chance in round brackets.", head,
                 rows)  # fmt: skip


def _of_the_user(measures: pd.DataFrame, own: Mapping[str, str]) -> list[Shown]:
    """The rows of the user's measures: NAME, or NAME_PART if a measure returns several numbers."""
    return [
        Shown(row, f"{label} {row.removeprefix(name).strip('_')}".strip(), 1)
        for name, label in own.items()
        for row in dict.fromkeys(measures["measure"])
        if row == name or row.startswith(f"{name}_")
    ]


def _cell(row: Mapping) -> str:
    size = abs(row["value"])
    digits = 3 - sum(size >= limit for limit in (1, 10, 100))  # three significant ones
    text = f"{number(row['value'], digits)} {interval(row['low'], row['high'], digits)}".strip()
    return f"{text} ({number(row['chance'])})" if np.isfinite(row["chance"]) else text


def agreement(measures: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """For each measure, in the order of SHOWN, and for the gap itself: Kendall's τ with recall at 1
    over the trained sets, its p, its p after Holm's correction, and the number of sets. τ is
    positive if a measure orders the sets as recall does. A measure that is the same everywhere has
    no τ and no row. Nor has a measure with fewer than FEWEST sets."""
    from scipy import stats

    from modality_gap.measures.significance import holm

    gaps = gaps[gaps["weights"] == "trained"]
    recall = gaps[["recall1_ab", "recall1_ba"]].mean(axis=1)
    wide = measures.pivot_table(index="set", columns="measure", values="value")
    found = {one.head: (wide[one.name], one.better) for one in SHOWN if one.name in wide}
    rows = []
    for head, (column, better) in {"gap": (gaps["gap"], -1), **found}.items():
        both = pd.DataFrame({"one": column * better, "recall": recall}).dropna()
        if len(both) >= FEWEST:
            tau = stats.kendalltau(both["one"], both["recall"])
            if np.isfinite(tau.statistic):
                rows.append((head, float(tau.statistic), float(tau.pvalue), len(both)))
    table = pd.DataFrame(rows, columns=["measure", "tau", "p", "sets"])
    return table.assign(p_holm=holm(table["p"].to_numpy()) if rows else [])


def agreement_sentences(ordered: pd.DataFrame, level: float) -> list[str]:
    """Sentences on how many measures order the sets as recall does, or in reverse, after Holm's
    correction."""
    if ordered.empty:
        return []
    found = ordered[ordered["p_holm"] < level]
    words = {
        "ordered as by recall@1": found[found["tau"] > 0],
        "in the reverse order": found[found["tau"] < 0],
    }
    parts = [
        f"{verb} by {listed(f'{row.measure} (τ {number(row.tau, 2)})' for row in of.itertuples())}"
        for verb, of in words.items()
        if len(of)
    ]
    sets = count(int(ordered["sets"].max()), "trained set")
    test = f"Kendall's τ of {count(len(ordered), 'measure')}, p below {level:.2g} by Holm's method"
    if not parts:
        return [
            f"No measure is shown to order the {sets} as recall@1 does, or in reverse ({test})."
        ]
    return [f"The {sets} are {listed(parts, '; ')} ({test}); of other measures nothing is shown."]


def agreement_table(ordered: pd.DataFrame) -> Table | None:
    """A table of Kendall's τ of every measure. None if there are too few sets."""
    if ordered.empty:
        return None
    fewer = {"gap", *(one.head for one in SHOWN if one.better < 0)}
    rows = [
        [row.measure, "less" if row.measure in fewer else "more", number(row.tau, 2),
         p_value(row.p), p_value(row.p_holm), f"{row.sets}"]
        for row in ordered.itertuples()
    ]  # fmt: skip
    caption = (
        "Order of the trained sets: Kendall's τ with recall@1, positive where sets that retrieve "
        "better have more of a measure, or less of it where the second column says so. Recall@1 "
        "also depends on the number of pairs, which differs between the sets."
    )
    return Table(caption, ["measure", "counted", "τ", "p", "p, Holm", "sets"], rows)


def misleading(measures: pd.DataFrame, gaps: pd.DataFrame, labels: Mapping[str, str]) -> list[str]:
    """One sentence for each trained set at chance that CKA or Kendall distance puts next to a set
    that retrieves well above chance. The sentence has the share of common neighbours."""
    able = retrieves(gaps)
    trained = gaps.index[gaps["weights"] == "trained"]
    good = [name for name in trained if able[name]]
    wide = measures.pivot_table(index="set", columns="measure", values="value")
    sentences = []
    for name in trained:
        if able[name] or name not in wide.index:
            continue
        for measure, words in STRUCTURE.items():
            sign = -1 if measure == "kendall_distance" else 1
            beaten = [
                one
                for one in good
                if one in wide.index
                and sign * wide.loc[name, measure] >= sign * wide.loc[one, measure]
            ]
            if beaten:
                one = beaten[0]
                sentences.append(
                    f"{words}{', where less is better,' if sign < 0 else ''} puts {labels[name]} "
                    f"({number(wide.loc[name, measure])}) level with or above {labels[one]} "
                    f"({number(wide.loc[one, measure])}), though "
                    f"{labels[name]} retrieves near chance; mutual nearest neighbours are "
                    f"{number(wide.loc[name, 'mutual_knn'])} and "
                    f"{number(wide.loc[one, 'mutual_knn'])}."
                )
    return sentences


class OnPage(NamedTuple):
    """What the page shows of the measures. `untrained` is None if there is no untrained set, and
    `order` is None if there are too few trained sets."""

    sentences: list[str]
    table: Table
    untrained: Table | None
    order: Table | None


def shown(
    measures: pd.DataFrame,
    gaps: pd.DataFrame,
    sets: Mapping,
    confidence: float,
    own: Mapping[str, str] | None = None,
) -> OnPage:
    """Everything that the page shows of the measures, from measures.csv, gap.csv by set, and the
    sets of the configuration. `own` has the labels of the user's measures, by name."""
    ordered = agreement(measures, gaps)
    labels = {
        name: str(entry["label"]) + (f", {PROJECTIONS}" if weights_of(entry) == PROJECTIONS else "")
        for name, entry in sets.items()
    }
    names = {
        weights: [
            name
            for name in dict.fromkeys(measures["set"])
            if (sets[name]["weights"] == "trained") == (weights == "trained")
        ]
        for weights in ("trained", "random")
    }
    return OnPage(
        [
            *agreement_sentences(ordered, 1 - confidence),
            *misleading(measures, gaps, labels),
        ],
        table(measures, names["trained"], labels, own),
        table(measures, names["random"], labels, own) if names["random"] else None,
        agreement_table(ordered),
    )
