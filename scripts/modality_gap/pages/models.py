"""The page of all models side by side: small tables and sentences out of the tables of a run."""

import pandas as pd

from modality_gap.pages.findings.base import Finding, Table
from modality_gap.pages.findings.figure3 import all_minima_table, place
from modality_gap.pages.words import count, estimate, fraction, listed, number, of_all
from modality_gap.paper.chance import WELL_ABOVE, retrieves


def models_tables(
    gap: pd.DataFrame, diagnostics: pd.DataFrame, minimum: pd.DataFrame
) -> dict[str, Table]:
    """By the id of its section, one table each: gap and cones, what the model retrieves and how
    many dimensions it uses, and where the contrastive loss is smallest. A row is one set, in the
    order of `gap`; the first cell is its name."""
    measured = diagnostics.set_index("set")
    return {
        "gap": Table(
            "Gap and cones. a is the image (video, protein) side, b the text side.",
            [
                *("set", "model", "weights", "n", "dimensions", "gap", "relative gap"),
                *("mean cosine a", "mean cosine b"),
            ],
            [
                [
                    *(str(row[key]) for key in ("set", "model", "weights", "n", "dim")),
                    estimate(row, "gap"),
                    estimate(measured.loc[row["set"]], "rmg"),
                    estimate(row, "mean_cosine_a"),
                    estimate(row, "mean_cosine_b"),
                ]
                for _, row in gap.iterrows()
            ],
        ),
        "recall": Table(
            "Recall and dimension. Chance of recall@1: one in n. Effective dimension: components "
            "that hold 99 % of the variance.",
            [
                *("set", "weights", "n", "recall@1 a to b", "recall@1 b to a"),
                *("effective dimension a", "b", "both", "of", "alignment"),
            ],
            [
                [
                    *(str(row[key]) for key in ("set", "weights", "n")),
                    estimate(row, "recall1_ab"),
                    estimate(row, "recall1_ba"),
                    *(
                        str(measured.loc[row["set"], f"effective_dimension_{side}"])
                        for side in ("a", "b", "both")
                    ),
                    str(row["dim"]),
                    estimate(measured.loc[row["set"]], "alignment"),
                ]
                for _, row in gap.iterrows()
            ],
        ),
        "minimum": all_minima_table(minimum),
    }


def sigmoid_table(minimum: pd.DataFrame) -> Table:
    """One row per set and temperature of the sigmoid loss, the model's own first."""
    rows = []
    for _, row in minimum.iterrows():
        own = ", the model's own" if row["own"] else ""
        rows.append(
            [
                str(row["set"]),
                f"{number(1 / row['temperature'], 2)}{own}",
                number(row["bias"], 2),
                str(row["n"]),
                number(row["gap"]),
                place(row),
                number(row["loss_at_gap"], 4),
                number(row["loss"], 4),
            ]
        )
    return Table(
        "Where the sigmoid loss is smallest. Scale: what cosines are multiplied by, one over the "
        "temperature. No number where the loss still falls at the sweep's end.",
        [
            *("set", "logit scale", "bias", "n", "gap", "minimum at"),
            *("loss at the gap", "loss at the minimum"),
        ],
        rows,
    )


def models_found(
    gap: pd.DataFrame, diagnostics: pd.DataFrame, minimum: pd.DataFrame
) -> list[Finding]:
    """What holds over all models: a gap, what training does to it, what the temperature does."""
    found = []
    random, trained = (gap[gap["weights"] == kind] for kind in ("random", "trained"))
    for kind, part in (("random", random), ("trained", trained)):
        if len(part):
            widest, narrowest = part.loc[part["gap"].idxmax()], part.loc[part["gap"].idxmin()]
            clear = (part["gap_low"] > 0).sum()
            found.append(
                Finding(
                    f"In {of_all(clear, len(part), 'set')} with {kind} weights the gap is clearly "
                    f"above 0: from {estimate(narrowest, 'gap')} ({narrowest['set']}, "
                    f"n {narrowest['n']}) to {estimate(widest, 'gap')} ({widest['set']}, "
                    f"n {widest['n']})."
                )
            )
    ranks = diagnostics.set_index("set")
    moved = ranks.index[ranks["gap_rank"] != ranks["rmg_rank"]]
    found.append(
        Finding(
            f"The gap and the relative gap rank {listed(moved)} differently."
            if len(moved)
            else f"The gap and the relative gap rank {of_all(len(ranks), len(ranks), 'set')} alike."
        )
    )
    able = trained["set"][retrieves(trained)]
    if len(trained):
        found.append(
            Finding(
                f"Of {count(len(trained), 'set')} with trained weights "
                f"{listed(able) if len(able) else 'none'} "
                f"{'retrieve' if len(able) > 1 else 'retrieves'} well above chance (recall@1 at "
                f"least {WELL_ABOVE:g} times chance in both directions)."
            )
        )
    judged = minimum[minimum["set"].isin(able)]
    if len(judged):
        cold, hot = judged["temperature"].min(), judged["temperature"].max()
        places = judged.set_index(["set", "temperature"])
        moves = [
            f"{name} ({place(places.loc[name, cold])} to {place(places.loc[name, hot])})"
            for name in able
            if (name, cold) in places.index
        ]
        found.append(
            Finding(
                f"From temperature {fraction(cold)} to {fraction(hot)} the distance at which the "
                f"contrastive loss is smallest changes for {listed(moves, '; ')}; models near "
                "chance are left out."
            )
        )
    return found
