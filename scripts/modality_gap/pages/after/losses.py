"""Losses of follow-ups on the page: gap, recall, and whether recall demonstrably stays the same.

Recall is judged as in the ledger of the follow-ups: it stays the same if the whole interval of its
change is within MARGIN. `summary` is results/after/losses_summary.csv, `differences`
losses_difference.csv, `methods` losses_methods.csv.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from modality_gap.measures.posthoc.ranks import LEAST_RECALL, MARGIN
from modality_gap.measures.posthoc.registry import CONE
from modality_gap.pages.findings.base import Table
from modality_gap.pages.words import NONE, count, estimate, listed, number, percent
from modality_gap.paper.claims import INCONCLUSIVE, meets
from modality_gap.paper.measured import Measured

UNCHANGED, CHANGED = "unchanged", "changed"
AT_CHANCE = "no verdict"
YES = {True: "yes", False: "no"}


def at_chance(summary: pd.DataFrame, baseline: str) -> bool:
    """Whether the baseline finds so few partners that nothing can be said about recall."""
    recall = summary.set_index("method")["recall1"]
    return bool(recall[baseline] < LEAST_RECALL)


def has_task(summary: pd.DataFrame) -> bool:
    """Whether the run measured zero-shot accuracy."""
    return bool(summary["zero_shot"].notna().any())


def recall_verdict(row: Mapping | None, chance: bool) -> str:
    """What a row of losses_difference.csv shows about recall: the interval of its change is wholly
    within MARGIN, wholly beyond it, or neither. A row shows nothing if the baseline is near
    chance."""
    if row is None:
        return NONE
    if chance:
        return AT_CHANCE
    change = Measured(*(row[f"difference{end}"] for end in ("", "_low", "_high")))
    within, _ = meets(change, {"equals": 0, "within": MARGIN})
    return {True: UNCHANGED, False: CHANGED, None: INCONCLUSIVE}[within]


def table(summary: pd.DataFrame, differences: pd.DataFrame, baseline: str) -> Table:
    """One row per method, from the smallest gap, as the figure numbers them. It has the gap, recall
    and, if the run measured it, zero-shot accuracy; their change against the method that it is
    compared with; and whether recall is shown to be unchanged."""
    changes = {(row["method"], row["metric"]): row for row in differences.to_dict("records")}
    chance, task = at_chance(summary, baseline), has_task(summary)
    rows = []
    for row in summary.sort_values("gap").to_dict("records"):
        gap, recall, accuracy = (
            changes.get((row["method"], name)) for name in ("gap", "recall1", "zero_shot")
        )
        rows.append(
            [
                str(row["label"]),
                number(row["temperature"]),
                estimate(row, "gap"),
                number(row["gap_squared"]),
                estimate(gap, "difference") if gap else NONE,
                estimate(row, "recall1"),
                estimate(recall, "difference") if recall else NONE,
                recall_verdict(recall, chance),
            ]
        )
        if task:
            change = estimate(accuracy, "difference") if accuracy else NONE
            rows[-1] += [estimate(row, "zero_shot"), change]
    head = ["method", "temperature", "gap", "gap², unbiased", "gap, change", "R@1", "R@1, change"]
    head.append(f"R@1 within {MARGIN:g}")
    head += ["zero-shot", "zero-shot, change"] if task else []
    seeds = count(int(summary["n"].max()), "seed")
    about = "changes, paired by seed, are against the method in the folded table"
    return Table(f"Held-out pairs, means over {seeds}; {about}.", head, rows)


def gap_table(methods: pd.DataFrame, differences: pd.DataFrame) -> Table:
    """What may be said about each method's gap: its change at equal progress, whether it is near
    what chance gives, whether all vectors are in one narrow cone, and whether the method that it is
    compared with has the same temperature."""
    rows = differences[differences["metric"] == "gap_equal_progress"]
    progress = rows.set_index("method").to_dict("index")
    labels = methods.set_index("method")["label"]
    cells = [
        [
            str(row["label"]),
            labels.get(row["than"], row["than"]) if row["than"] != row["method"] else NONE,
            YES[bool(row["same_temperature"])],
            estimate(progress[row["method"]], "difference") if row["method"] in progress else NONE,
            number(row["floor"]),
            YES[bool(row["closed"])],
            YES[bool(row["one_cone"])],
        ]
        for row in methods.to_dict("records")
    ]
    head = ["method", "compared with", "same temperature", "gap, change at equal progress"]
    return Table(
        "Equal progress: where training recall first reaches .5. Closed: the gap is at most twice "
        "that by chance, or the interval of the unbiased gap² covers 0. "
        f"In one cone: mean cosine within the modalities of at least {CONE:g}.",
        [*head, "gap by chance", "closed", "in one cone"],
        cells,
    )


def sentences(
    summary: pd.DataFrame, differences: pd.DataFrame, baseline: str, confidence: float
) -> list[str]:
    """How many methods lower the gap; how many of these have another temperature than the method
    that they are compared with; and how many are shown to leave recall unchanged."""
    if differences.empty:
        return []
    chance, level = at_chance(summary, baseline), 1 - confidence
    wide = {metric: rows.set_index("method") for metric, rows in differences.groupby("metric")}
    gap, recall = wide["gap"], wide["recall1"]
    lower = gap[(gap["p_holm"] < level) & (gap["difference"] < 0)].index
    verdicts = [recall_verdict(recall.loc[one], chance) for one in lower]
    warmer = int((~gap.loc[lower, "same_temperature"].astype(bool)).sum())
    found = [
        f"{len(lower)} of {count(len(gap), 'method')} {'narrows' if len(lower) == 1 else 'narrow'} "
        f"the gap (paired by seed, after Holm's correction), {warmer} of them at another "
        "temperature."
    ]
    if chance:
        found.append(
            f"The baseline finds fewer than {percent(LEAST_RECALL, 0)} of partners, so there is no "
            "verdict on recall."
        )
    elif len(lower):
        changed = [one for one, word in zip(lower, verdicts, strict=True) if word == CHANGED]
        rises = int((recall.loc[changed, "difference"] > 0).sum())
        open_ = verdicts.count(INCONCLUSIVE)
        found.append(
            f"Of these, recall@1 stays within {MARGIN:g} in {verdicts.count(UNCHANGED)}, rises by "
            f"more in {rises} and falls by more in {len(changed) - rises}, each by the whole "
            f"interval; {open_} {'is' if open_ == 1 else 'are'} inconclusive"
            f"{_clear_falls(recall.loc[lower], verdicts, summary, level)}."
        )
    return found


def _clear_falls(
    recall: pd.DataFrame, verdicts: list[str], summary: pd.DataFrame, level: float
) -> str:
    """The methods whose recall clearly falls after Holm's correction, although the interval of the
    change is not wholly beyond the margin."""
    falls = (recall["p_holm"] < level) & (recall["difference_high"] < 0)
    names = recall.index[falls & (np.array(verdicts) == INCONCLUSIVE)]
    labels = summary.set_index("method")["label"]
    return f", though it clearly falls in {listed(labels[names])}" if len(names) else ""


def zero_shot_sentence(summary: pd.DataFrame, differences: pd.DataFrame, confidence: float) -> str:
    """How many methods raise zero-shot accuracy and how many lower it, beside the accuracy of a
    guess. Empty if the run did not measure it."""
    rows = differences[differences["metric"] == "zero_shot"] if len(differences) else differences
    if not has_task(summary) or rows.empty:
        return ""
    clear = rows[rows["p_holm"] < 1 - confidence]
    labels = summary.set_index("method")["label"]
    ways = []
    for way, sign in (("rises", 1), ("falls", -1)):
        those = clear[sign * clear["difference"] > 0]["method"]
        names = f" ({listed(labels[those])})" if len(those) else ""
        ways.append(f"{way} with {len(those)}{names}")
    rest = rows.drop(clear.index)
    falls, rises = (rest["difference_high"] < 0).sum(), (rest["difference_low"] > 0).sum()
    first = summary[summary["zero_shot"].notna()].iloc[0]
    return (
        f"Zero-shot accuracy, of {int(first['zero_shot_n']):,} pictures not trained on (a "
        f"guess: {number(first['zero_shot_chance'])}), {' and '.join(ways)} of "
        f"{count(len(rows), 'method')} after Holm's correction; without it, it falls with {falls} "
        f"more and rises with {rises} more."
    )


def family_sentence(summary: pd.DataFrame, names: list[str]) -> str:
    """The gap and recall if only the temperature changes. Empty if there is only one
    temperature."""
    rows = summary[summary["method"].isin(names)].sort_values("temperature")
    if len(rows) < 2 or np.isclose(rows["temperature"].min(), rows["temperature"].max()):
        return ""
    first, last = rows.iloc[0], rows.iloc[-1]
    return (
        f"Temperature, fixed or learnt, {number(first['temperature'])} to "
        f"{number(last['temperature'])}: gap {estimate(first, 'gap')} to {estimate(last, 'gap')}, "
        f"recall@1 {estimate(first, 'recall1')} to {estimate(last, 'recall1')}."
    )


class Shown(NamedTuple):
    """What the page shows of the losses."""

    sentences: list[str]
    table: Table
    gaps: Table


def shown(
    data: Mapping[str, pd.DataFrame], baseline: str, confidence: float, family: list[str]
) -> Shown:
    """Everything that the page shows of the losses, from the tables by name. `family` are the
    methods that differ only in temperature."""
    summary, differences = data["losses_summary"], data["losses_difference"]
    texts = sentences(summary, differences, baseline, confidence)
    more = zero_shot_sentence(summary, differences, confidence), family_sentence(summary, family)
    gaps = gap_table(data["losses_methods"], differences)
    return Shown([*texts, *filter(None, more)], table(summary, differences, baseline), gaps)
