"""What this run found about Figure 3."""

import math
from collections.abc import Callable, Iterable, Mapping

import pandas as pd

from modality_gap.pages.findings.base import Finding, Table
from modality_gap.pages.words import (
    count,
    estimate,
    fraction,
    in_cases,
    interval,
    listed,
    number,
    of_all,
    percent,
)
from modality_gap.paper.chance import retrieves

HOLDS_THE_GAP = 0.5  # a plane that holds less of the gap's length does not show it


def figure3a_findings(shifts: pd.DataFrame, gap: pd.DataFrame) -> list[Finding]:
    """In how many sets the drawn plane holds the gap, and whether a shift closes the gap in that
    plane."""
    rows = _planes(shifts, gap)
    holding = [row for row in rows if row["held"] >= HOLDS_THE_GAP]
    findings = [
        Finding(
            "The paper's plane, that of the first two principal components, contains at least "
            f"{percent(HOLDS_THE_GAP, 0)} of the gap in "
            f"{of_all(len(holding), len(rows), 'trained set')}."
        )
    ]
    if holding:
        left = [row["left"] for row in holding]
        findings.append(
            Finding(
                "In these planes a shift by the whole gap leaves the centres "
                f"{number(min(left))} to {number(max(left))} apart."
                if len(left) > 1
                else "In this plane a shift by the whole gap leaves the centres "
                f"{number(left[0])} apart."
            )
        )
    return findings


def figure3a_tables(shifts: pd.DataFrame, gap: pd.DataFrame) -> list[Table]:
    """For each set, the plane's share of the variance and of the gap, before and after a shift."""
    return [
        Table(
            "The plane of the first two principal components, as in the paper. Distances of the "
            "centres in the plane, as they are and after a shift by the whole gap.",
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
    """For each set, how much of the gap's length its plane holds, and how much of that a shift by
    the whole gap leaves."""
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


# Some resamples have the minimum at the own gap, and others have it where the gap is closed.
UNPLACED = "covers 0 and the own gap"


def own_gaps_in_intervals(others: list[dict]) -> str:
    """In which models the interval of the minimum covers the model's own gap."""
    cases = in_cases(map(_named, others), map(_at_its_gap, others), "; ")
    return f"Among the others that retrieve, this interval {cases}."


def loss_at_own_gaps(others: list[dict]) -> str:
    """How much the loss at the model's own gap is above the smallest loss of the sweep. A minimum
    whose interval covers 0 and the own gap is not located. If the smallest loss is at the end of
    the sweep, the loss may be smaller beyond it."""
    placed, unplaced = [], []
    for row in sorted(others, key=lambda row: row["loss_excess"]):
        words = f"{'at least ' if row['at_end'] else ''}{number(row['loss_excess'], 2)}"
        if row["placed"]:
            placed.append(f"{words} ({row['model']})")
        else:
            unplaced.append(f"{row['model']} ({words})")
    located = f"no minimum is located for {listed(unplaced)}" if unplaced else ""
    if not placed:
        return f"{located[0].upper()}{located[1:]}."
    return f"Other models' loss at their own gap is above the smallest by {listed(placed)}" + (
        f"; {located}." if located else "."
    )


def smallest_loss(
    rows: pd.DataFrame, compared: Callable[[list[dict]], str] = own_gaps_in_intervals
) -> list[str]:
    """Where the loss is smallest at the lowest temperature: the first model's distance, and how the
    others compare. `rows` are those of loss_minimum.csv with the column `model` of gap.csv, in the
    order of the models. `compared` returns the sentence on the others."""
    cold = rows[rows["temperature"] == rows["temperature"].min()]
    first, others = cold.iloc[0], cold.iloc[1:]
    sentences = [
        f"At temperature {fraction(first['temperature'])} the loss of {first['model']} is smallest "
        f"{_at_minimum(first)}; its own gap is {number(first['gap'], 2)} ({_size(first)})."
    ]
    if _at_its_gap(first) == UNPLACED:
        sentences[0] += " The interval covers 0 and the own gap, so it places no minimum."
    if "closing_cost" in first:
        sentences[0] += _closing(first)
    if len(others):
        sentences.append(compared(others.to_dict("records")))
    return sentences


def _size(row: Mapping) -> str:
    """The number of pairs behind a loss, and the size of the batches that it is the mean of."""
    size = row["n"] // row["batches"]
    return f"n {row['n']:,}" + (f" in batches of {size:,}" if row["batches"] > 1 else "")


def smallest_loss_when_hot(rows: pd.DataFrame) -> list[str]:
    """A sentence on where the loss is smallest at the highest temperature. Empty if every minimum
    is at the end of the sweep. `rows` are as in `smallest_loss`."""
    hot = rows[rows["temperature"] == rows["temperature"].max()]
    near = hot["distance"].abs()[~hot["at_end"].astype(bool)]
    if not len(near):
        return []
    where = f" in {of_all(len(near), len(hot), 'model')} that retrieve" if len(hot) > 1 else ""
    return [
        f"At temperature {fraction(hot['temperature'].iloc[0])} the loss is smallest with the "
        f"gap shifted to at most {number(near.max(), 2)}{where}."
    ]


def _named(row: Mapping) -> str:
    """The name of the model. If no minimum is placed, also how much the loss at the model's own gap
    is above the minimum."""
    if _at_its_gap(row) != UNPLACED:
        return str(row["model"])
    return f"{row['model']}, loss at its gap +{number(row['loss_at_gap'] - row['loss'], 2)}"


def _closing(row: Mapping) -> str:
    """What closing the gap does to the loss. Empty if the interval includes 0."""
    low, high = row["closing_cost_low"], row["closing_cost_high"]
    if not low * high > 0:
        return ""
    way, ends = ("raises", (low, high)) if low > 0 else ("lowers", (-high, -low))
    size = f"{number(abs(row['closing_cost']), 2)} {interval(*ends, 2)}"
    return f" Closing the gap {way} the loss by {size}."


def _at_minimum(row: Mapping) -> str:
    """Where the loss of one set and temperature is smallest, in words."""
    if row["at_end"]:
        return "beyond the end of the sweep"
    return f"at distance {estimate(row, 'distance', 2)}"


def _at_its_gap(row: Mapping) -> str:
    """What the interval of the minimum's distance says about the model's own gap."""
    low, high = row["distance_low"], row["distance_high"]
    if row["at_end"] or math.isnan(low):
        return "is not known"
    if not row["placed"]:
        return UNPLACED
    inside = low <= row["gap"] <= high
    return "covers the own gap but not 0" if inside else "leaves out the own gap"


def able_minima(minimum: pd.DataFrame, gap: pd.DataFrame) -> pd.DataFrame:
    """The rows of loss_minimum.csv for the trained sets that retrieve well above chance, in the
    order of gap.csv. The column `model` of gap.csv is added."""
    trained = gap[gap["weights"] == "trained"]
    able = trained[retrieves(trained)].set_index("set")["model"]
    rows = minimum[minimum["set"].isin(able.index)]
    rows = rows.assign(model=rows["set"].map(able))
    place = {name: k for k, name in enumerate(able.index)}
    return rows.sort_values("set", key=lambda names: names.map(place), kind="stable")


def figure3bcd_findings(
    landscape: pd.DataFrame, minimum: pd.DataFrame, gap: pd.DataFrame
) -> list[Finding]:
    """Where the loss is smallest in each trained set that retrieves well above chance, by the fine
    sweep (`minimum`); and what the released loss changes on the coarse grid of the figure
    (`landscape`)."""
    rows = able_minima(minimum, gap)
    rows = rows.assign(model=rows["set"])  # on the page of figures a set has the name of its model
    swept = gap[(gap["weights"] == "trained") & gap["set"].isin(minimum["set"])]
    weak = swept[~swept["set"].isin(rows["set"])]
    findings = []
    if len(rows):
        findings += [
            Finding(
                " ".join([*smallest_loss(rows), *smallest_loss_when_hot(rows)]),
                _minimum_claims(rows["model"]),
            ),
            *_released_loss(landscape[landscape["set"].isin(rows["set"])]),
        ]
    if len(weak):
        findings.append(
            Finding(
                f"Nothing follows from {listed(weak['set'])}, whose retrieval is near chance: "
                "the place of the smallest loss there says nothing of models that match."
            )
        )
    return findings


def _minimum_claims(models: Iterable[str]) -> tuple[str, ...]:
    """The ids of the claims about the place of the smallest loss in these models."""
    others = [OTHER_MODELS[model] for model in dict.fromkeys(models) if model in OTHER_MODELS]
    return (
        "figure3b.minimum_at_the_gap",
        "figure3b.closing_raises_the_loss",
        *(f"figure3b.at_its_gap_too.{name}" for name in others),
        "figure3bcd.falls_with_temperature",
        "figure3d.no_gap_at_temperature_1",
    )


def _released_loss(landscape: pd.DataFrame) -> list[Finding]:
    """One sentence, over all sets, on what changes with the loss as released."""
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
    """The minimum with its interval: one row per set, one column per temperature."""
    temperatures = sorted(minimum["temperature"].unique())
    rows = []
    for name, part in minimum.groupby("set", sort=False):
        cells = part.set_index("temperature")
        first = part.iloc[0]
        rows.append(
            [
                str(name),
                f"{first['n']:,} in {count(first['batches'], 'batch', 'batches')}",
                number(first["gap"]),
                *(place(cells.loc[temperature]) for temperature in temperatures),
            ]
        )
    heads = [f"at {fraction(temperature)}" for temperature in temperatures]
    return Table(caption, ["model", "n", "gap", *heads], rows)


def place(row: Mapping) -> str:
    """The distance at a minimum with its interval. If the minimum is at an end of the sweep, the
    text says that there is none."""
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
    """For each spacing, mismatched and temperature: the loss at 0, and |delta theta| of the
    minimum."""
    rows = []
    for key, part in sphere.groupby(["spacing_deg", "mismatched", "temperature"], sort=False):
        # Both ends of a symmetric curve are minima: the one that is nearer to 0 is shown.
        at = part.loc[part["loss"] <= part["loss"].min() + 1e-9, "delta_theta_deg"].abs().min()
        start = part.loc[part["delta_theta_deg"] == 0, "loss"].iloc[0]
        rows.append((*key, start, int(at)))
    columns = ["spacing_deg", "mismatched", "temperature", "loss_at_0", "minimum_at"]
    return pd.DataFrame(rows, columns=columns)


# Models beside CLIP, of whose loss the paper says nothing, and what the ledger calls each.
OTHER_MODELS = {
    "VideoCLIP": "videoclip",
    "ConVIRT": "convirt",
    "CLASP": "clasp",
    "LAION-CLAP": "clap_esc50",
}

# By spacing and whether two pairs are exchanged, what the ledger says of the sphere.
SPHERE_CLAIMS = {
    (20, True): ("figure3g.mismatched_want_a_gap", "figure3g.high_temperatures_want_none"),
    (15, True): ("figure3g.gap_at_15_degrees",),
    (20, False): ("supplementary9.matched_wants_no_gap",),
}


def figure3g_findings(sphere: pd.DataFrame) -> list[Finding]:
    """Where the loss is smallest, with and without mismatched pairs."""
    found: dict[tuple[bool, str], list[int]] = {}
    for (spacing, mismatched), part in sphere_minima(sphere).groupby(
        ["spacing_deg", "mismatched"], sort=False
    ):
        alike: dict[int, list[str]] = {}
        for _, row in part.sort_values("temperature", ascending=False).iterrows():
            alike.setdefault(row["minimum_at"], []).append(fraction(row["temperature"]))
        places = listed(f"{at}° for {listed(names)}" for at, names in alike.items())
        found.setdefault((bool(mismatched), places), []).append(int(spacing))
    findings = []
    for (mismatched, places), spacings in found.items():
        words = "two pairs mismatched" if mismatched else "all pairs matched"
        claims = tuple(
            claim for spacing in spacings for claim in SPHERE_CLAIMS.get((spacing, mismatched), ())
        )
        apart = listed(f"{spacing}°" for spacing in spacings)
        findings.append(
            Finding(
                f"Points {apart} apart, {words}: by temperature, the loss is smallest at {places}.",
                claims,
                # A recomputed claim: the head shows it by this sentence alone.
                lead="figure3g.gap_at_15_degrees" in claims,
            )
        )
    return findings


def figure3g_tables(sphere: pd.DataFrame) -> list[Table]:
    """The loss at 0 and the place of the minimum, for every curve."""
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
