"""What this run found for Figure 3."""

import math
from collections.abc import Mapping

import pandas as pd

from modality_gap.pages.findings.base import Finding, Table
from modality_gap.pages.words import (
    count,
    estimate,
    fraction,
    listed,
    number,
    of_all,
    percent,
)
from modality_gap.paper.chance import WELL_ABOVE, retrieves

HOLDS_THE_GAP = 0.5  # a plane that holds less of the gap's length does not show it


def figure3a_findings(shifts: pd.DataFrame, gap: pd.DataFrame) -> list[Finding]:
    """In how many sets the drawn plane holds the gap, and whether a shift closes it there."""
    rows = _planes(shifts, gap)
    holding = [row for row in rows if row["held"] >= HOLDS_THE_GAP]
    findings = [
        Finding(
            f"The plane of the first two components holds at least {percent(HOLDS_THE_GAP, 0)} of "
            f"the gap in {of_all(len(holding), len(rows), 'set')}."
        )
    ]
    if holding:
        left = [row["left"] for row in holding]
        findings.append(
            Finding(
                "There a shift by the whole gap leaves the centres "
                f"{number(min(left))} to {number(max(left))} apart."
                if len(left) > 1
                else f"There a shift by the whole gap leaves the centres {number(left[0])} apart."
            )
        )
    return findings


def figure3a_tables(shifts: pd.DataFrame, gap: pd.DataFrame) -> list[Table]:
    """The plane of each set: its share of the variance and of the gap, before and after a shift."""
    return [
        Table(
            "The drawn plane of each set. Distances of the centres in the plane, as they are and "
            "after a shift by the whole gap.",
            [
                *("model", "n", "variance in component 1", "in components 1 to 6", "gap"),
                *("in the plane", "after the shift"),
            ],
            [
                [
                    row["set"],
                    str(row["n"]),
                    percent(row["first"]),
                    percent(row["first_six"]),
                    *(number(row[key]) for key in ("gap", "apart", "left")),
                ]
                for row in _planes(shifts, gap)
            ],
        )
    ]


def _planes(shifts: pd.DataFrame, gap: pd.DataFrame) -> list[dict]:
    """Of each set how much of the gap's length its plane holds, and what a shift by the whole gap
    leaves of it there."""
    rows = []
    gaps = gap.set_index("set")["gap"]
    for name, part in shifts.groupby("set", sort=False):
        first = part.iloc[0]
        deltas = part["delta"].unique()
        start = min(deltas, key=abs)
        # The grid runs from -1/2 to 3/2 of the gap, so the gap is half of its span.
        whole = min(deltas, key=lambda delta: abs(delta - (max(deltas) - min(deltas)) / 2))
        apart, left = (_centres_apart(part[part["delta"] == delta]) for delta in (start, whole))
        rows.append(
            {
                "set": str(name),
                "n": first["n"],
                "first": first["share_1"],
                "first_six": first["share_first_6"],
                "gap": gaps[name],
                "apart": apart,
                "held": apart / gaps[name],
                "left": left,
            }
        )
    return rows


def _centres_apart(rows: pd.DataFrame) -> float:
    a, b = (rows[rows["side"] == side][["pc_1", "pc_2"]].iloc[0] for side in ("a", "b"))
    return float(math.dist(a, b))


def figure3bcd_findings(
    landscape: pd.DataFrame, minimum: pd.DataFrame, gap: pd.DataFrame
) -> list[Finding]:
    """Where the loss is smallest in each trained set that retrieves, by the fine sweep (`minimum`),
    and what the released loss changes on the coarse grid of the figure (`landscape`)."""
    trained = gap[(gap["weights"] == "trained") & gap["set"].isin(minimum["set"])]
    able = list(trained["set"][retrieves(trained)])
    weak = [name for name in trained["set"] if name not in able]
    findings = []
    if able:
        rows = {
            name: minimum[minimum["set"] == name].set_index("temperature").sort_index()
            for name in able
        }
        cold, hot = minimum["temperature"].min(), minimum["temperature"].max()
        places = [
            f"{_at_minimum(table.loc[cold])} in {name} (own gap {number(table['gap'].iloc[0])}, "
            f"n {table['n'].iloc[0]})"
            for name, table in rows.items()
        ]
        findings.append(
            Finding(
                f"At temperature {fraction(cold)} the loss is smallest {listed(places, '; ')}.",
                (
                    "figure3b.minimum_at_the_gap",
                    "figure3b.closing_raises_the_loss",
                    *(
                        f"figure3b.at_its_gap_too.{name.lower()}"
                        for name in rows
                        if name in OTHER_MODELS
                    ),
                ),
            )
        )
        places = [
            f"{_at_minimum(table.loc[hot], interval_too=False)} in {name}"
            for name, table in rows.items()
        ]
        findings.append(
            Finding(
                f"At temperature {fraction(hot)} it is smallest {listed(places, '; ')}. The table "
                "below has all temperatures.",
                ("figure3bcd.falls_with_temperature", "figure3d.no_gap_at_temperature_1"),
            )
        )
        findings += _released_loss(landscape[landscape["set"].isin(able)])
    if weak:
        findings.append(
            Finding(
                f"No verdict from {listed(weak)}: retrieval near chance (the lower end of recall@1 "
                f"is below {WELL_ABOVE:g} times chance in at least one direction), so the place of "
                "the smallest loss says nothing of a model that has learnt to match."
            )
        )
    return findings


def _at_minimum(row: Mapping, interval_too: bool = True) -> str:
    """Where the loss of one set and temperature is smallest, in words."""
    if row["at_end"]:
        return "beyond the end of the sweep"
    value = estimate(row, "distance") if interval_too else number(row["distance"])
    return f"at distance {value}"


def _released_loss(landscape: pd.DataFrame) -> list[Finding]:
    """What the loss as released changes, in one sentence over all sets."""
    lowest = {
        column: landscape.loc[
            landscape.groupby(["set", "temperature"], sort=False)[column].idxmin()
        ].set_index(["set", "temperature"])["delta"]
        for column in ("loss", "loss_as_released")
    }
    moved = lowest["loss"] != lowest["loss_as_released"]
    most = (landscape["loss"] - landscape["loss_as_released"]).abs().max()
    return [
        Finding(
            "Computing the loss as in the released code moves the minimum on the figure's grid in "
            f"{moved.sum()} of {count(len(moved), 'curve')} and changes the loss by at most "
            f"{number(most)}."
        )
    ]


def minimum_table(minimum: pd.DataFrame, caption: str) -> Table:
    """One row per set, one column per temperature: the minimum with its interval."""
    temperatures = sorted(minimum["temperature"].unique())
    rows = []
    for name, part in minimum.groupby("set", sort=False):
        cells = part.set_index("temperature")
        first = part.iloc[0]
        rows.append(
            [
                str(name),
                f"{first['n']} in {count(first['batches'], 'batch', 'batches')}",
                number(first["gap"]),
                *(place(cells.loc[temperature]) for temperature in temperatures),
            ]
        )
    heads = [f"at {fraction(temperature)}" for temperature in temperatures]
    return Table(caption, ["model", "n", "gap", *heads], rows)


def place(row: Mapping) -> str:
    """The distance at a minimum with its interval; no number where the sweep ends there."""
    return "none in the sweep" if row["at_end"] else estimate(row, "distance")


def figure3bcd_tables(minimum: pd.DataFrame, gap: pd.DataFrame) -> list[Table]:
    """The minima of the trained sets, by the fine sweep."""
    trained = minimum[minimum["set"].isin(gap["set"][gap["weights"] == "trained"])]
    if trained.empty:
        return []
    return [
        minimum_table(
            trained,
            "Distance of the centres where the loss is smallest, by temperature, on the fine grid "
            "of the sweep; no number where the loss still falls at the sweep's end.",
        )
    ]


def all_minima_table(minimum: pd.DataFrame) -> Table:
    """The minima of all sets, by the fine sweep."""
    return minimum_table(
        minimum,
        "Where the contrastive loss is smallest: distance of the two centres, by temperature; "
        "negative once they have passed each other, without a number where the loss still falls "
        "at the sweep's end.",
    )


def sphere_minima(sphere: pd.DataFrame) -> pd.DataFrame:
    """Loss at 0 and |delta theta| of the minimum, by spacing, mismatched and temperature."""
    rows = []
    for key, part in sphere.groupby(["spacing_deg", "mismatched", "temperature"], sort=False):
        # Both ends of a symmetric curve are minima: the one that is nearer to 0 is shown.
        at = part.loc[part["loss"] <= part["loss"].min() + 1e-9, "delta_theta_deg"].abs().min()
        start = part.loc[part["delta_theta_deg"] == 0, "loss"].iloc[0]
        rows.append((*key, start, int(at)))
    columns = ["spacing_deg", "mismatched", "temperature", "loss_at_0", "minimum_at"]
    return pd.DataFrame(rows, columns=columns)


# Models of Figure 1 beside CLIP, of whose loss the paper says nothing.
OTHER_MODELS = ("VideoCLIP", "ConVIRT", "CLASP")

# By spacing and whether two pairs are exchanged, what the ledger says of the sphere.
SPHERE_CLAIMS = {
    (20, True): ("figure3g.mismatched_want_a_gap", "figure3g.high_temperatures_want_none"),
    (15, True): ("figure3g.gap_at_15_degrees",),
    (20, False): ("supplementary9.matched_wants_no_gap",),
}


def figure3g_findings(sphere: pd.DataFrame) -> list[Finding]:
    """Where the loss is smallest, with and without mismatched pairs."""
    findings = []
    for (spacing, mismatched), part in sphere_minima(sphere).groupby(
        ["spacing_deg", "mismatched"], sort=False
    ):
        alike: dict[int, list[str]] = {}
        for _, row in part.sort_values("temperature", ascending=False).iterrows():
            alike.setdefault(row["minimum_at"], []).append(fraction(row["temperature"]))
        places = listed(f"{at}° for {listed(names)}" for at, names in alike.items())
        words = "two pairs mismatched" if mismatched else "all pairs matched"
        claims = SPHERE_CLAIMS.get((spacing, bool(mismatched)), ())
        findings.append(
            Finding(
                f"Points {spacing}° apart, {words}: by temperature, the loss is smallest at "
                f"{places}.",
                claims,
                # A recomputed claim: the head shows it by this sentence alone.
                lead="figure3g.gap_at_15_degrees" in claims,
            )
        )
    return findings


def figure3g_tables(sphere: pd.DataFrame) -> list[Table]:
    """Loss at 0 and place of the minimum of every curve."""
    return [
        Table(
            "Loss where images and texts coincide, and the angle at which it is smallest.",
            ["pairs, spacing", "temperature", "loss at 0°", "smallest at"],
            [
                [
                    f"{'mismatched' if row['mismatched'] else 'matched'}, {row['spacing_deg']}°",
                    fraction(row["temperature"]),
                    number(row["loss_at_0"]),
                    f"{row['minimum_at']}°",
                ]
                for _, row in sphere_minima(sphere).iterrows()
            ],
        )
    ]
