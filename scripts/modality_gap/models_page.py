"""The page of all models side by side: small tables and sentences out of the tables of a run."""

from collections.abc import Mapping

import pandas as pd

from modality_gap.page import Finding, Table, count, estimate, fraction, listed, number


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
        "minimum": minimum_table(
            minimum,
            "Where the contrastive loss is smallest: distance of the two centres there, by "
            "temperature; negative once they have passed each other. * The sweep ends there.",
        ),
    }


def minimum_table(minimum: pd.DataFrame, caption: str) -> Table:
    """A row a set, a column a temperature: the distance at the minimum with its interval."""
    temperatures = sorted(minimum["temperature"].unique())
    rows = []
    for name, part in minimum.groupby("set", sort=False):
        cells = part.set_index("temperature")
        first = part.iloc[0]
        rows.append(
            [
                str(name),
                f"{first['n']} in {count(first['batches'], 'batch').replace('batchs', 'batches')}",
                number(first["gap"]),
                *(_place(cells.loc[temperature]) for temperature in temperatures),
            ]
        )
    heads = [f"at {fraction(temperature)}" for temperature in temperatures]
    return Table(caption, ["set", "n", "gap", *heads], rows)


def sigmoid_table(minimum: pd.DataFrame) -> Table:
    """A row a set and temperature of the sigmoid loss, the model's own first."""
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
                _place(row),
                number(row["loss_at_gap"], 4),
                number(row["loss"], 4),
            ]
        )
    return Table(
        "Where the sigmoid loss is smallest. Scale: what cosines are multiplied by, one over the "
        "temperature. * The sweep ends there.",
        [
            *("set", "logit scale", "bias", "n", "gap", "minimum at"),
            *("loss at the gap", "loss at the minimum"),
        ],
        rows,
    )


def _place(row: Mapping) -> str:
    return estimate(row, "distance") + ("*" if row["at_end"] else "")


def models_found(
    gap: pd.DataFrame, diagnostics: pd.DataFrame, minimum: pd.DataFrame
) -> list[Finding]:
    """What holds over all models: a gap, what training does to it, what the temperature does."""
    found = []
    random, trained = (gap[gap["weights"] == kind] for kind in ("random", "trained"))
    for kind, part in (("random", random), ("trained", trained)):
        if len(part):
            widest, narrowest = part.loc[part["gap"].idxmax()], part.loc[part["gap"].idxmin()]
            found.append(
                Finding(
                    f"Of {count(len(part), 'set')} with {kind} weights "
                    f"{(part['gap_low'] > 0).sum()} have a gap whose interval excludes 0, from "
                    f"{estimate(narrowest, 'gap')} ({narrowest['set']}, n {narrowest['n']}) to "
                    f"{estimate(widest, 'gap')} ({widest['set']}, n {widest['n']})."
                )
            )
    ranks = diagnostics.set_index("set")
    moved = ranks.index[ranks["gap_rank"] != ranks["rmg_rank"]]
    found.append(
        Finding(
            f"The relative gap orders {len(moved)} of {count(len(ranks), 'set')} otherwise than "
            "the gap does" + (f": {listed(moved)}." if len(moved) else ".")
        )
    )
    if len(trained):
        chance = 1 / trained["n"]
        better = trained[["recall1_ab_low", "recall1_ba_low"]].min(axis=1) > chance
        found.append(
            Finding(
                f"{better.sum()} of {count(len(trained), 'set')} with trained weights retrieve "
                f"better than chance in both directions: "
                f"{listed(trained['set'][better]) if better.any() else 'none'}."
            )
        )
    cold, hot = minimum["temperature"].min(), minimum["temperature"].max()
    ends = minimum.pivot_table(index="set", columns="temperature", values="distance", sort=False)
    closer = ends.index[ends[hot].abs() < ends[cold].abs()]
    found.append(
        Finding(
            f"From temperature {fraction(cold)} to {fraction(hot)} the minimum of the contrastive "
            f"loss moves closer to 0 in {len(closer)} of {count(len(ends), 'set')}."
        )
    )
    return found
