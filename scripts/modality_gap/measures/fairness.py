"""Denigration harm under a shift of the gap (paper, section 5.2 and Table 2)."""

import numpy as np
import pandas as pd
from scipy import stats

from modality_gap.embeddings.sets import EmbeddingSet, cluster_codes
from modality_gap.measures.intervals import proportion_interval, share_interval
from modality_gap.measures.shift import shift, signed_distances, unit_gap_vector
from modality_gap.measures.significance import change_interval, holm, mcnemar, paired_change


def harm_by_group(
    images: np.ndarray,
    people: pd.DataFrame,
    prompts: np.ndarray,
    labels: pd.DataFrame,
    direction: np.ndarray,
    shifts: list[float],
    confidence: float,
) -> pd.DataFrame:
    """How often the top label of a person is crime related or non-human, one row per shift and
    group.

    `images` (n, d) are unit vectors of pictures of people. `people` has the columns group and
    answer (the right label). If pictures are not independent, it also has cluster, a number;
    intervals and tests are then over clusters. `prompts` (c, d) are described by `labels`, with the
    columns label and kind: person, crime_related or non_human. Only the pictures move: x <-
    normalise(x - delta u), so a negative delta widens the gap.

    "all" is one of the groups. change: the share of offensive labels minus the share at delta 0,
    with the interval of `paired_change`. p_value: the exact McNemar test of the offensive labels
    against delta 0. p_holm: the same with Holm's correction for the `tests` of its family. The
    groups at every shift are one family, and "all" at every shift is another. At delta 0 there is
    nothing to test: tests is 0 and both p are 1.
    """
    results = {
        delta: _outcomes(images, people, prompts, labels, direction, delta)
        for delta in [0.0, *shifts]
    }
    groups = people["group"].to_numpy()
    rows = []
    for delta, outcome in results.items():
        for group in [*pd.unique(groups), "all"]:
            members = np.ones(len(groups), bool) if group == "all" else groups == group
            clusters = None
            if "cluster" in people:
                clusters = np.unique(people["cluster"][members], return_inverse=True)[1]
            before, after = results[0.0][members], outcome[members]
            row = {"delta": delta, "group": group}
            rows.append(row | _counts_and_change(before, after, confidence, clusters))
    table = pd.DataFrame(rows).assign(p_holm=1.0, tests=0)
    everyone, tested = table["group"] == "all", table["delta"] != 0
    for family in (tested & ~everyone, tested & everyone):
        table.loc[family, "p_holm"] = holm(table.loc[family, "p_value"].to_numpy())
        table.loc[family, "tests"] = int(family.sum())
    return table


def _outcomes(
    images: np.ndarray,
    people: pd.DataFrame,
    prompts: np.ndarray,
    labels: pd.DataFrame,
    direction: np.ndarray,
    delta: float,
) -> pd.DataFrame:
    """Four columns of truth values. Three are the kind of each picture's top label after a shift by
    -delta along `direction`, and one is whether the label is right."""
    kinds, names = labels["kind"].to_numpy(), labels["label"].to_numpy()
    top = (shift(images, direction, -delta) @ prompts.T).argmax(axis=1)
    return pd.DataFrame(
        {
            "crime_related": kinds[top] == "crime_related",
            "non_human": kinds[top] == "non_human",
            "offensive": kinds[top] != "person",
            "correct": names[top] == people["answer"].to_numpy(),
        }
    )


def _counts_and_change(
    before: pd.DataFrame, after: pd.DataFrame, confidence: float, clusters: np.ndarray | None
) -> dict:
    """A group's part of a row of `harm_by_group`: the counts and shares of `_outcomes` after a
    shift, with intervals, and how the offensive labels changed from before to after the shift."""
    row: dict[str, float] = {"n": len(after)}
    row["clusters"] = len(after) if clusters is None else int(clusters.max()) + 1
    for column in after:
        hits = after[column].to_numpy()
        low, high = share_interval(hits, confidence, clusters)
        row |= {
            column: int(hits.sum()),
            f"{column}_share": int(hits.sum()) / len(hits),
            f"{column}_low": low,
            f"{column}_high": high,
        }
    offensive = before["offensive"].to_numpy(), after["offensive"].to_numpy()
    changes = paired_change(*offensive, confidence, clusters)
    row |= dict(zip(("change", "change_low", "change_high"), changes, strict=True))
    return row | {"p_value": mcnemar(*offensive, clusters)}


def measure_harm(
    x: np.ndarray,
    y: np.ndarray,
    people: EmbeddingSet,
    prompts: EmbeddingSet,
    settings: dict,
    confidence: float,
    cluster: str | None = None,
) -> pd.DataFrame:
    """table2.csv: `harm_by_group` for the pictures of people, shifted along the gap of the model's
    own pairs. These are the unit vectors x, y (n, d); `settings` are `table2` of the config.

    Only the `prompts` of the task table2 are used. The groups are in the config's order. distance:
    the width of the gap of the model's own pairs if only their pictures move by delta, as the
    pictures of people do. `cluster` is the label column of pictures that are not independent.
    """
    prompts = prompts.select((prompts.labels["task"] == "table2").to_numpy())
    group, gender = people.labels[settings["group"]], people.labels[settings["gender"]]
    order = group.map(settings["groups"].index).argsort(kind="stable")
    labels = pd.DataFrame({"group": group, "answer": gender + ", " + group})
    codes = cluster_codes(people.labels, cluster, "table2.inputs")
    if codes is not None:
        labels["cluster"] = codes
    table = harm_by_group(
        people.normalised()[order],
        labels.iloc[order],
        prompts.normalised(),
        prompts.labels,
        unit_gap_vector(x, y),
        settings["shifts"],
        confidence,
    )
    deltas = np.array(sorted(set(table["delta"])))
    distances = dict(zip(deltas, signed_distances(x, y, deltas, one_side=True), strict=True))
    table.insert(0, "set", settings["set"])
    table.insert(2, "distance", table["delta"].map(distances))
    return table


def published_harm(counts: dict[str, dict], confidence: float) -> pd.DataFrame:
    """Tests of the published counts of offensive labels. `counts` has, for each group, n and the
    counts before and after a shift.

    Only the counts are published, not whose label changed. p_fisher: Fisher's exact test as if
    different pictures had been counted before and after. p_mcnemar_least: McNemar's exact test if
    every change went the same way, which is the least p that the paired test can give. Both also
    have Holm's correction for the `tests` of their family. The groups are one family; "all" (their
    sum) is a family of its own.
    """
    groups = pd.DataFrame.from_dict(counts, orient="index")[["n", "before", "after"]]
    groups.loc["all"] = groups.sum()
    rows = []
    for group, (n, before, after) in zip(
        groups.index, groups.astype(int).itertuples(index=False), strict=True
    ):
        row = {"group": group, "n": n}
        for time, count in (("before", before), ("after", after)):
            low, high = proportion_interval(count, n, confidence)
            row |= {time: count, f"{time}_share": count / n}
            row |= {f"{time}_share_low": low, f"{time}_share_high": high}
        row["change"] = (after - before) / n
        row["change_low"], row["change_high"] = change_interval(before, after, n, confidence)
        table = [[before, n - before], [after, n - after]]
        row["p_fisher"] = float(stats.fisher_exact(table).pvalue)
        row["p_mcnemar_least"] = min(1.0, 2 * 0.5 ** abs(after - before))
        rows.append(row)
    table = pd.DataFrame(rows)
    everyone = table["group"] == "all"
    table["tests"] = np.where(everyone, 1, (~everyone).sum())
    for name in ("p_fisher", "p_mcnemar_least"):
        table[f"{name}_holm"] = table[name]
        table.loc[~everyone, f"{name}_holm"] = holm(table.loc[~everyone, name].to_numpy())
    return table
