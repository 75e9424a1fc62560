"""The page of all models side by side: small tables and sentences from the tables of a run."""

from collections.abc import Mapping

import pandas as pd

from modality_gap.config.losses import DeclaredLoss
from modality_gap.measures import registry
from modality_gap.pages.findings.base import Finding, Table
from modality_gap.pages.findings.figure3 import all_minima_table, place
from modality_gap.pages.labels import PROJECTIONS, RANDOM, SIDES, TRAINED, WEIGHTS
from modality_gap.pages.words import cell, estimate, fraction, listed, number, of_all
from modality_gap.paper.chance import retrieves


def models_tables(
    gap: pd.DataFrame, diagnostics: pd.DataFrame, minimum: pd.DataFrame
) -> dict[str, Table]:
    """Three tables, by the ids of their sections: the gap and the cones; what the models retrieve
    and how many dimensions they use; and where the contrastive loss is smallest. A row is one set,
    in the order of `gap`. The first cell is the set's name."""
    # The columns of both tables by their names; those of the gap's own table come first.
    extra = diagnostics.set_index("set").drop(columns=gap.columns, errors="ignore")
    rows = [row for _, row in gap.join(extra, on="set").iterrows()]

    def table(caption: str, head: Mapping[str, str], where: str) -> Table:
        columns = registry.columns_at(where)
        return Table(
            caption,
            [*head.values(), *(column.label for column in columns)],
            [
                [*(str(row[name]) for name in head), *(cell(row, column) for column in columns)]
                for row in rows
            ],
        )

    about = {"set": "model", "n": "n", "dim": "dimensions"}
    return {
        "gap": table(
            f"Gap and cones; {SIDES}.",
            about,
            registry.MODELS_GAP,
        ),
        "recall": table(
            "Recall and dimension. Alignment: mean squared distance of partners. Effective "
            "dimension: components that hold 99 % of the variance.",
            about,
            registry.MODELS_RECALL,
        ),
        "minimum": all_minima_table(minimum),
    }


def own_loss_table(loss: DeclaredLoss, minimum: pd.DataFrame) -> Table:
    """The minima of a loss that sets were trained with, and the loss's parameters. There is one row
    per set and temperature; the model's own temperature comes first."""
    rows = []
    for _, row in minimum.iterrows():
        own = ", the model's own" if row["own"] else ""
        rows.append(
            [
                str(row["set"]),
                f"{number(1 / row['temperature'], 2)}{own}",
                *(number(row[name], 2) for name in loss.parameters),
                str(row["n"]),
                number(row["gap"]),
                place(row),
                number(row["loss_at_gap"], 4),
                number(row["loss"], 4),
            ]
        )
    return Table(
        f"Where the {loss.label} is smallest. Scale: what cosines are multiplied by, one over the "
        "temperature. No number where the loss still falls at the sweep's end.",
        [
            *("model", "logit scale", *loss.parameters, "n", "gap", "minimum at"),
            *("loss at the gap", "loss at the minimum"),
        ],
        rows,
    )


def models_findings(
    gap: pd.DataFrame, diagnostics: pd.DataFrame, minimum: pd.DataFrame
) -> list[Finding]:
    """What holds for all models: whether there is a gap, what training does to it, and what the
    temperature does."""
    parts = []
    trained = gap[gap["weights"] == TRAINED]
    for kind in (RANDOM, PROJECTIONS, TRAINED):
        part = gap[gap["weights"] == kind]
        if len(part):
            widest, narrowest = part.loc[part["gap"].idxmax()], part.loc[part["gap"].idxmin()]
            clear = (part["gap_low"] > 0).sum()
            ends = [
                f"{estimate(row, 'gap')} ({row['set']}, n {row['n']})"
                for row in (narrowest, widest)
            ]
            span = ends[0] if len(part) == 1 else f"from {ends[0]} to {ends[1]}"
            parts.append(f"in {of_all(clear, len(part), 'set')} with {WEIGHTS[kind]}, {span}")
    findings = [Finding(f"The gap is clearly above 0 {listed(parts, '; ')}.")]
    ranks = diagnostics.set_index("set")
    moved = ranks.index[ranks["gap_rank"] != ranks["rmg_rank"]]
    findings.append(
        Finding(
            "By their estimates, gap and relative gap rank "
            f"{of_all(len(ranks) - len(moved), len(ranks), 'set')} alike."
        )
    )
    able = trained["set"][retrieves(trained)]
    judged = minimum[minimum["set"].isin(able)]
    if len(judged):
        cold, hot = judged["temperature"].min(), judged["temperature"].max()
        places = judged.set_index(["set", "temperature"])
        moves = [
            f"{name} ({place(places.loc[name, cold])} and {place(places.loc[name, hot])})"
            for name in able
            if (name, cold) in places.index
        ]
        findings.append(
            Finding(
                f"The contrastive loss is smallest at these distances, at temperature "
                f"{fraction(cold)} and at {fraction(hot)}: {listed(moves, '; ')}; models near "
                "chance are left out."
            )
        )
    return findings
