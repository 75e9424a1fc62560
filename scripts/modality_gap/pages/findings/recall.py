"""What this run found about recall@1 under the shift along the gap."""

from collections.abc import Mapping

import pandas as pd

from modality_gap.pages.findings.base import Finding, Table
from modality_gap.pages.words import count, in_cases, interval, number, p_value, percent
from modality_gap.paper.chance import retrieves

WAYS = {"ab": "to texts", "ba": "from texts"}
UNCLEAR = "does not clearly change"


def able_peaks(peak: pd.DataFrame, gap: pd.DataFrame) -> pd.DataFrame:
    """The rows of recall_peak.csv for the trained sets that retrieve well above chance. The column
    `model` of gap.csv, the name of the model, is added."""
    trained = gap[gap["weights"] == "trained"]
    able = trained[retrieves(trained)].set_index("set")["model"]
    rows = peak[peak["set"].isin(able.index)]
    return rows.assign(model=rows["set"].map(able))


def closing(rows: pd.DataFrame) -> str:
    """What closing the gap does to recall@1: the change in the first model, to the second modality,
    and the clear changes in the other models; then the clear changes to the first modality. Empty
    if there is no row."""
    to_texts, from_texts = (rows[rows["direction"] == way] for way in WAYS)
    if not len(to_texts):
        return ""
    first, others = to_texts.iloc[0], to_texts.iloc[1:]
    words = (
        f"With the gap closed, recall@1 (to texts) of {first['model']} goes from "
        f"{percent(first['recall_at_gap'])} to {percent(first['recall_closed'])} "
        f"({points(first, 'change_closed')} points, n {first['n']:,})."
    )
    if len(others):
        those = f"{count(len(others), 'other')} that retrieve{'s' if len(others) == 1 else ''}"
        words += f" It {_clear_changes(others)} of {those}."
    if len(from_texts):
        models = count(len(from_texts), "model")
        words += f" From texts it {_clear_changes(from_texts)} of {models}."
    return words


def _clear_changes(rows: pd.DataFrame) -> str:
    """In which models the change has an interval without 0."""
    clear = [row for row in rows.to_dict("records") if _change(row) != UNCLEAR]
    if not clear:
        return "clearly changes in none"
    return in_cases((row["model"] for row in clear), map(_change, clear))


def _change(row: Mapping) -> str:
    """What the interval of a change says, in words."""
    if row["change_closed_high"] < 0:
        return "clearly falls"
    return "clearly rises" if row["change_closed_low"] > 0 else UNCLEAR


def points(row: pd.Series, name: str) -> str:
    """The change of a share, with its interval, in percentage points."""
    low, high = (100 * row[f"{name}_{end}"] for end in ("low", "high"))
    return f"{number(100 * row[name], 1)} {interval(low, high, 1)}"


def recall_findings(peak: pd.DataFrame, gap: pd.DataFrame) -> list[Finding]:
    """What closing the gap does to recall@1, and whether any shift is better than none."""
    rows = able_peaks(peak, gap)
    if not len(rows):
        return [Finding("No trained model of this run retrieves well above chance.")]
    best = rows.loc[rows["p_max_statistic"].idxmin()]
    return [
        Finding(closing(rows), ("figure3.closing_lowers_recall",)),
        Finding(
            "The best shift with the smallest p "
            f"gains {points(best, 'gain')} points ({best['model']}, {WAYS[best['direction']]}, "
            f"n {best['n']:,}): p {p_value(best['p_max_statistic'])}, corrected for the choice of "
            "the shift, not of model and direction.",
            ("figure3.recall_highest_at_the_gap",),
        ),
    ]


def recall_tables(peak: pd.DataFrame, gap: pd.DataFrame) -> list[Table]:
    """One row per model and direction: recall@1 with the gap as it is, with the gap closed, and at
    its best."""
    return [
        Table(
            "Recall@1 with the model's own gap, with the gap closed, and at the best shift. "
            "Changes in percentage points, paired.",
            [
                *("model", "direction", "n", "at its gap", "closed", "change", "best", "gain"),
                *("distance there", "own gap", "p of the best of all"),
            ],
            [
                [
                    *(str(row["model"]), WAYS[row["direction"]], f"{row['n']:,}"),
                    *(percent(row["recall_at_gap"]), percent(row["recall_closed"])),
                    *(points(row, "change_closed"), percent(row["recall_best"])),
                    *(points(row, "gain"), number(row["best_distance"], 2)),
                    *(number(row["gap"], 2), p_value(row["p_max_statistic"])),
                ]
                for _, row in able_peaks(peak, gap).iterrows()
            ],
        )
    ]
