"""What this run found about Figure 1."""

from collections.abc import Mapping

import pandas as pd

from modality_gap.measures import registry
from modality_gap.pages.findings.base import Finding, Table
from modality_gap.pages.labels import PROJECTIONS, RANDOM, SIDES, TRAINED, WEIGHTS
from modality_gap.pages.words import cell, count, estimate, listed, number, of_all
from modality_gap.paper.chance import WELL_ABOVE, retrieves

SEPARATE = 0.95  # as the ledger: a linear classifier this accurate tells the modalities apart


def size(row: Mapping) -> str:
    """The number of items of a row. If items are not independent, also the number of clusters."""
    n, clusters = row["n"], row.get("clusters", row["n"])
    return f"n {n:,}" if clusters == n else f"n {n:,} in {count(clusters, 'cluster')}"


def figure1_findings(gap: pd.DataFrame) -> list[Finding]:
    """Whether the modalities are apart in every set, what training did to the gap, and what models
    learnt."""
    apart = (gap["gap_low"] > 0) & (gap["separability"] >= SEPARATE)
    least = gap.loc[gap["gap"].idxmin()]
    hardest = gap.loc[gap["separability"].idxmin()]
    classifier = "the classifier makes no error in any set"
    if hardest["separability"] < 1:
        lowest = number(hardest["separability"])
        # What is not quite 1 is not shown as 1.
        classifier = (
            "the lowest accuracy of the classifier is "
            f"{'at least 99.9 %' if float(lowest) == 1 else estimate(hardest, 'separability')} "
            f"({hardest['set']}, n {hardest['separability_n']:,} vectors)"
        )
    findings = [
        Finding(
            f"In {of_all(apart.sum(), len(gap), 'set')} the two modalities are separated: the "
            "gap is clearly above 0 and a linear classifier tells them apart (measured accuracy at "
            f"least {SEPARATE:g} on held-out vectors). The smallest gap is "
            f"{estimate(least, 'gap')} ({least['set']}, {size(least)}); {classifier}.",
            (
                "abstract.separate",
                "figure1.trained_sets_are_apart",
                "figure1.untrained_sets_are_apart",
            ),
        )
    ]
    untrained = gap[gap["weights"] == RANDOM]
    if len(untrained):
        low, high = (untrained.loc[untrained["gap"].agg(end)] for end in ("idxmin", "idxmax"))
        span = f"{estimate(low, 'gap')} in {low['set']} ({size(low)})"
        if len(untrained) > 1:
            span = f"between {span} and {estimate(high, 'gap')} in {high['set']} ({size(high)})"
        sets = count(len(untrained), "set")
        findings.append(Finding(f"With random weights alone ({sets}) the gap is {span}."))
    findings += _training_and_gap(gap)
    trained = gap[gap["weights"] == "trained"]
    if len(trained):
        findings += _retrieval(trained)
    return findings


def _training_and_gap(gap: pd.DataFrame) -> list[Finding]:
    """One sentence on the gap of each model that has both a random and a trained set, beside each
    other."""
    changes: dict[str, list[str]] = {}
    for model, pair in gap.groupby("model", sort=False):
        sides = {row["weights"]: row for _, row in pair.iterrows()}
        start = next((one for one in (RANDOM, PROJECTIONS) if one in sides), None)
        if start is None or TRAINED not in sides:
            continue
        before, after = sides[start], sides[TRAINED]
        if after["gap_high"] < before["gap_low"]:
            change = "narrower"
        elif after["gap_low"] > before["gap_high"]:
            change = "wider"
        else:
            change = "not clearly different"
        changes.setdefault(change, []).append(
            f"{model}{'' if start == RANDOM else f', from {WEIGHTS[start]}'} "
            f"({number(after['gap'])} against {number(before['gap'])})"
        )
    parts = [f"{change} for {listed(models)}" for change, models in changes.items()]
    words = f"Compared with untrained weights, the gap with trained ones is {listed(parts, '; ')}."
    return [Finding(words)] if parts else []


def _retrieval(trained: pd.DataFrame) -> list[Finding]:
    """Which trained sets retrieve well above chance, and which do not."""
    able = retrieves(trained)

    def models(rows: pd.DataFrame) -> str:
        return listed(
            f"{row['model']} (recall@1 {number(row['recall1_ab'])} to text, "
            f"{number(row['recall1_ba'])} from text)"
            for _, row in rows.iterrows()
        )

    findings = []
    if able.any():
        findings.append(Finding(f"Retrieval is well above chance in {models(trained[able])}."))
    if not able.all():
        findings.append(
            Finding(
                f"Retrieval is near chance in {models(trained[~able])}: in at least one direction "
                f"the lower end of recall@1 is below {WELL_ABOVE:g} times chance. Such models give "
                "no verdict on the loss."
            )
        )
    return findings


def figure1_tables(gap: pd.DataFrame) -> list[Table]:
    """All sets, with the measures that the registry shows for this figure."""
    columns = registry.columns_at(registry.FIGURE1)
    return [
        Table(
            f"All sets of this run; {SIDES}.",
            ["model", "n", *(column.label for column in columns)],
            [
                [
                    str(row["set"]),
                    size(row).removeprefix("n "),
                    *(cell(row, column) for column in columns),
                ]
                for _, row in gap.iterrows()
            ],
        )
    ]
