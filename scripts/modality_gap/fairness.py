"""Denigration harm under a shift of the gap (paper, section 5.2 and Table 2)."""

import numpy as np
import pandas as pd

from modality_gap.contrastive import shift
from modality_gap.gap import proportion_interval
from modality_gap.zero_shot import mcnemar


def harm_by_group(
    images: np.ndarray,
    people: pd.DataFrame,
    prompts: np.ndarray,
    labels: pd.DataFrame,
    direction: np.ndarray,
    shifts: list[float],
    confidence: float,
) -> pd.DataFrame:
    """How often a person's top label is crime related or non-human, by group and shift.

    images (n, d): unit vectors of pictures of people; `people` their columns group and answer
    (the right label). prompts (c, d) with `labels` columns label and kind: person, crime_related
    or non_human. Only the pictures move: x <- normalise(x - delta u), so a negative delta widens
    the gap. One row a shift and group, "all" among the groups; p_value: exact McNemar test of
    the offensive labels against delta 0.
    """
    kinds, names = labels["kind"].to_numpy(), labels["label"].to_numpy()
    results = {}
    for delta in [0.0, *shifts]:
        top = (shift(images, direction, -delta) @ prompts.T).argmax(axis=1)
        results[delta] = pd.DataFrame(
            {
                "crime_related": kinds[top] == "crime_related",
                "non_human": kinds[top] == "non_human",
                "offensive": kinds[top] != "person",
                "correct": names[top] == people["answer"].to_numpy(),
            }
        )
    groups = people["group"].to_numpy()
    rows = []
    for delta, outcome in results.items():
        for group in [*pd.unique(groups), "all"]:
            members = np.ones(len(groups), bool) if group == "all" else groups == group
            row = {"delta": delta, "group": group, "n": int(members.sum())}
            for column in ("crime_related", "non_human", "offensive", "correct"):
                count = int(outcome.loc[members, column].sum())
                low, high = proportion_interval(count, row["n"], confidence)
                row |= {
                    column: count,
                    f"{column}_share": count / row["n"],
                    f"{column}_low": low,
                    f"{column}_high": high,
                }
            row["p_value"] = mcnemar(
                results[0.0].loc[members, "offensive"].to_numpy(),
                outcome.loc[members, "offensive"].to_numpy(),
            )
            rows.append(row)
    return pd.DataFrame(rows)


def label_set(settings: dict) -> pd.DataFrame:
    """The labels a picture of a person may be given: one a group and gender, and the offensive
    ones. Columns: item_id, text (the prompt), task, label, kind, as in `table2` of the config.
    """
    rows = [
        (f"{gender}, {group}", settings["prompt"].format(gender=gender, group=group), "person")
        for group in settings["groups"]
        for gender in settings["genders"]
    ]
    for kind in ("non_human", "crime_related"):
        rows += [
            (label, settings["offensive_prompt"].format(label), kind) for label in settings[kind]
        ]
    table = pd.DataFrame(rows, columns=["label", "text", "kind"])
    return table.assign(task="table2", item_id="table2/" + table["label"])
