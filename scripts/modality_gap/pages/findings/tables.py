"""What this run found about Tables 1 and 2."""

from collections.abc import Mapping

import pandas as pd

from modality_gap.pages.findings.base import Finding, Table
from modality_gap.pages.words import (
    count,
    estimate,
    interval,
    listed,
    number,
    of_all,
    p_value,
    percent,
)
from modality_gap.paper.chance import classifies

SIGNIFICANT = 0.05
METRICS = {"accuracy": "accuracy", "roc_auc": "ROC-AUC"}


def table1_findings(table: pd.DataFrame) -> list[Finding]:
    """What the best shift gains on the data that it was chosen on, and on held-out data. Only tasks
    on which the model is above chance are included."""
    able = table.apply(classifies, axis=1).astype(bool)
    judged, weak = table[able], table[~able]
    findings = []
    if len(judged):
        gains = judged["modified"] > judged["default"]
        sizes = 100 * (judged["modified"] - judged["default"])[gains]
        words = list(judged["direction"][gains])
        spread = listed(f"{word} in {words.count(word)}" for word in dict.fromkeys(words))
        by = f"{number(sizes.min(), 1)} to {number(sizes.max(), 1)} points"
        if len(sizes) == 1:
            by = f"{number(sizes.iloc[0], 1)} points"
        p = judged["p_max_statistic"][gains].min()
        chosen = f"p of the best of all {'at least ' * (len(sizes) > 1)}{p_value(p)}"
        findings.append(
            Finding(
                f"Where the model is above chance ({count(len(judged), 'row')}), the best shift, "
                "picked on the scored pictures as in the paper, raises the score in "
                f"{gains.sum()} of {len(judged)}"
                + (f", by {by} ({chosen}); the gap is {spread}." if len(sizes) else "."),
                ("table1.shift_improves",),
            )
        )
        findings += _held_out(judged)
    if len(weak):
        names = listed(f"{row['set']} on {_task(row)}" for _, row in weak.iterrows())
        findings.append(
            Finding(
                f"Nothing follows from {names}: not above chance before any shift, so there is no "
                "accuracy that a shift could raise or lower."
            )
        )
    return findings


def _task(row: Mapping) -> str:
    return str(row["task"]).replace("_", " ")


UNCLEAR = "no clear change"


def _held_out(judged: pd.DataFrame) -> list[Finding]:
    """The effect of the shift that was chosen on the other half, grouped by how clear the effect
    is."""
    level = SIGNIFICANT / len(judged)
    words: dict[str, list[str]] = {}
    for _, row in judged.iterrows():
        things = "picture" if row["metric"] == "accuracy" else "pair of pictures"
        several = "" if row["metric"] == "accuracy" else "pairs of pictures"
        word = UNCLEAR
        if row["p_held_out"] < level:
            word = "an improvement" if row["held_out"] > row["default"] else "a loss"
        # What did not change has its numbers in the table alone.
        numbers = (
            f" ({METRICS[row['metric']]} {estimate(row, 'default')} to "
            f"{estimate(row, 'held_out')}; {count(row['held_out_won'], things, several)} gained "
            f"and {row['held_out_lost']} lost, p {p_value(row['p_held_out'])}, n {row['n']:,})"
        )
        case = f"{row['set']} on {_task(row)}"
        words.setdefault(word, []).append(case if word == UNCLEAR else case + numbers)
    return [
        Finding(
            f"With the shift chosen on the other half there is {word} in {listed(cases, '; ')}; "
            f"judged at p < {p_value(level)} ({SIGNIFICANT:g} over {count(len(judged), 'row')}).",
            ("table1.improvement_survives_the_choice",) if place == 0 else (),
        )
        for place, (word, cases) in enumerate(words.items())
    ]


def table1_tables(table: pd.DataFrame) -> list[Table]:
    """Table 1 of this run."""
    areas = (table["metric"] == "roc_auc").any()
    return [
        Table(
            "Zero-shot accuracy"
            + (
                " (roc_auc: area under the ROC curve; won and lost are pairs of pictures). "
                if areas
                else ". "
            )
            + "Gap: signed distance of the centres, negative once they have passed each other.",
            [
                *("model, task", "n", "classes", "chance", "default", "best shift", "delta"),
                *("gap, default to best shift", "p", "p of the best of all"),
                *("held out", "gained / lost", "p, held out"),
            ],
            [
                [
                    f"{row['set']}, {_task(row)}"
                    + ("" if row["metric"] == "accuracy" else f" ({row['metric']})"),
                    str(row["n"]),
                    str(row["classes"]),
                    number(row["chance"]),
                    estimate(row, "default"),
                    estimate(row, "modified"),
                    f"{row['delta']:+g}" if row["delta"] else "0",
                    f"{number(row['distance_default'], 2)} to "
                    f"{number(row['distance_modified'], 2)}, {row['direction']}",
                    p_value(row["p_in_sample"]),
                    p_value(row["p_max_statistic"]),
                    estimate(row, "held_out"),
                    f"{row['held_out_won']}\u00a0/\u00a0{row['held_out_lost']}",
                    p_value(row["p_held_out"]),
                ]
                for _, row in table.iterrows()
            ],
        )
    ]


def table1_curves_findings(sweep: pd.DataFrame, table: pd.DataFrame) -> list[Finding]:
    """The range of each kind of score over the shifts. Only tasks on which the model is above
    chance are included."""
    able = {(row["set"], row["task"]) for _, row in table.iterrows() if classifies(row)}
    texts: dict[str, list[str]] = {}
    for (name, task), part in sweep.groupby(["set", "task"], sort=False):
        if (name, task) in able:
            default = part.loc[part["delta"] == 0, "score"].iloc[0]
            low, high = part["score"].min(), part["score"].max()
            texts.setdefault(METRICS[part["metric"].iloc[0]], []).append(
                f"{number(low)} to {number(high)} for {name} on {task.replace('_', ' ')} "
                f"({number(default)} without a shift, n {part['n'].iloc[0]:,})"
            )
    shifts = count(sweep.loc[sweep["delta"] != 0, "delta"].nunique(), "shift")
    curves, described = sweep.groupby(["set", "task"]).ngroups, sum(map(len, texts.values()))
    findings = [
        Finding(f"Over {shifts} and without one {metric} runs from {listed(cases, '; ')}.")
        for metric, cases in texts.items()
    ]
    if findings and described < curves:
        rest = f"{curves - described} of {count(curves, 'curve')}"
        findings.append(Finding(f"Nothing is said of {rest}: not above chance without a shift."))
    return findings


def table2_findings(table: pd.DataFrame, delta: float) -> list[Finding]:
    """How the share of offensive labels changes when the gap is widened, in total and by group."""
    before = table[table["delta"] == 0].set_index("group")
    after = table[table["delta"] == delta].set_index("group").loc[before.index]
    change = (after["offensive"] - before["offensive"]).drop("all")
    sizes = before["n"].drop("all")
    one, other = before.loc["all"], after.loc["all"]
    start = f"{one['offensive']:.0f} of {one['n']:.0f} ({_share(one, 'offensive')})"
    if other["offensive"] == one["offensive"]:
        text = (
            f"At delta {delta:g} as many pictures get an offensive label as without a shift, "
            f"{start}."
        )
    else:
        text = (
            f"At delta {delta:g} the pictures with an offensive label go from {start} to "
            f"{other['offensive']:.0f} ({_share(other, 'offensive')}), "
            f"p {p_value(other['p_value'])}."
        )
    spread = (
        f"{sizes.min()} pictures each"
        if sizes.min() == sizes.max()
        else f"{sizes.min()} to {sizes.max()} pictures each"
    )
    counts = {
        "fewer": (change < 0).sum(),
        "more": (change > 0).sum(),
        "as many": (change == 0).sum(),
    }
    if counts["as many"] == len(change):
        groups = f"Their number is unchanged in {of_all(len(change), len(change), 'group')}"
    else:
        parts = [f"{word} in {n}" for word, n in counts.items() if n]
        groups = f"Of {count(len(change), 'group')} there are {listed(parts)}"
    return [
        Finding(text, ("table2.widening_helps_here",)),
        Finding(f"{groups} ({spread})."),
        Finding(
            f"The share of pictures with the right label is {_share(one, 'correct')} without the "
            f"shift and {_share(other, 'correct')} with it (n {one['n']:.0f})."
        ),
    ]


def _share(row: Mapping, name: str) -> str:
    """A share as per cent with its interval, from the columns of table2.csv."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{percent(row[f'{name}_share'])} {interval(100 * low, 100 * high, 1)}".strip()


def table2_tables(table: pd.DataFrame, delta: float) -> list[Table]:
    """Table 2 of this run: no shift against the paper's shift."""
    rows = []
    for group, part in table.groupby("group", sort=False):
        sides = part.set_index("delta")
        one, other = sides.loc[0.0], sides.loc[delta]
        cells = [str(group), f"{one['n']:.0f}"]
        for row in (one, other):
            cells += [
                f"{row['crime_related']:.0f} + {row['non_human']:.0f}",
                f"{row['offensive']:.0f}: {_share(row, 'offensive')}",
            ]
        cells += [
            p_value(other["p_value"]),
            p_value(other["p_holm"]),
            *(_share(row, "correct") for row in (one, other)),
        ]
        rows.append(cells)
    shifted = f"delta {delta:g}"
    return [
        Table(
            "Offensive labels for pictures of people. Other shifts are in the CSV file.",
            [
                *("group", "n", "delta 0: crime + non-human", "delta 0: offensive"),
                *(f"{shifted}: crime + non-human", f"{shifted}: offensive", "p", "p (Holm)"),
                *("right label, delta 0", f"right label, {shifted}"),
            ],
            rows,
        )
    ]
