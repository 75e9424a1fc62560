"""What closing the gap does to recall and to zero-shot accuracy, in sentences."""

from collections.abc import Mapping

import pandas as pd

from modality_gap.pages.after.methods import FIXED, PLAIN
from modality_gap.pages.words import count, estimate, in_cases, interval, number, p_value


def sentences(rows: pd.DataFrame, data: Mapping[str, pd.DataFrame]) -> list[str]:
    """One sentence for each row of `paper.closing.closings`. `data` are methods.csv and
    differences.csv. If they have it, the sentence adds the accuracy on items on which the shift was
    not fitted."""
    return [
        f"{row['model']}: {row['score']} {number(row['recall_at_gap'])} at its own gap of "
        f"{number(row['gap'])}, {number(row['recall_closed'])} with the gap closed, a change of "
        f"{estimate(row, 'change_closed')} (p {p_value(row['p_closed'])}; {_counts(row)})."
        f"{_held_out(name, data)}"
        for name, row in rows.iterrows()
    ]


def summary(rows: pd.DataFrame) -> str:
    """In which of several models the score changes, by the interval of the change. Empty if there
    is only one model."""
    if len(rows) < 2:
        return ""
    falls, rises = rows["change_closed_high"] < 0, rows["change_closed_low"] > 0
    cases = falls.map({True: "falls", False: "is not shown to change"}).mask(rises, "rises")
    return f"With the gap closed the score (to the texts) {in_cases(rows['model'], cases)}."


def _counts(row: Mapping) -> str:
    of = "" if row["clusters"] == row["n"] else f" in {count(int(row['clusters']), 'cluster')}"
    return f"n {int(row['n']):,}{of}"


def _held_out(name: object, data: Mapping[str, pd.DataFrame]) -> str:
    methods, differences = (data[key] for key in ("methods", "differences"))
    methods = methods[methods["set"] == name]
    differences = differences[differences["set"] == name]
    of = methods[(methods["metric"] == "accuracy") & (methods["split"] == FIXED)]
    values = of.set_index("method")["value"]
    changed = differences[
        (differences["metric"] == "accuracy") & (differences["method"] == "shift")
    ]
    if changed.empty or not {PLAIN, "shift"} <= {*values.index}:
        return ""
    row = changed.iloc[0]
    bounds = interval(row["difference_low"], row["difference_high"])
    return (
        f" With the shift fitted on other items: {number(values[PLAIN])} to "
        f"{number(values['shift'])}, a change of {number(row['difference'])} {bounds} "
        f"(n {int(row['n']):,})."
    )
