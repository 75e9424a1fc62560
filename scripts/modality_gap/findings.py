"""What a run found, as sentences and small tables out of its tables.

Every number in a sentence comes out of a table. A sentence says what was measured; whether that
agrees with the paper is the ledger's to say: a sentence names the claims that it bears on by their
ids, and the page shows the verdicts of results/claims.csv beside it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from modality_gap.chance import WELL_ABOVE, classifies, retrieves
from modality_gap.wording import (
    NONE,
    count,
    estimate,
    fraction,
    interval,
    listed,
    number,
    of_all,
    p_value,
    percent,
)

SEPARATE = 0.99  # a linear classifier this accurate tells the modalities apart
HOLDS_THE_GAP = 0.5  # a plane that holds less of the gap's length does not show it
SIGNIFICANT = 0.05
METRICS = {"accuracy": "accuracy", "roc_auc": "ROC-AUC"}


@dataclass(frozen=True)
class Finding:
    """A sentence of "What this run found", and the ids of the claims that it bears on. One that
    leads is shown at the head of the page too."""

    text: str
    claims: tuple[str, ...] = ()
    lead: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the page: the first cell of a row is its heading; cells are text."""

    caption: str
    head: list[str]
    rows: list[list[str]]


def size(row: Mapping) -> str:
    """How many items a row is of, and in how many clusters where they are not independent."""
    n, clusters = row["n"], row.get("clusters", row["n"])
    return f"n {n:,}" if clusters == n else f"n {n:,} in {count(clusters, 'cluster')}"


def figure1_found(gap: pd.DataFrame) -> list[Finding]:
    """Whether the modalities are apart in every set, what training did, and what it learnt."""
    apart = (gap["gap_low"] > 0) & (gap["separability"] >= SEPARATE)
    least = gap.loc[gap["gap"].idxmin()]
    hardest = gap.loc[gap["separability"].idxmin()]
    classifier = "the classifier makes no error in any set"
    if hardest["separability"] < 1:
        classifier = (
            f"the lowest accuracy of the classifier is {number(hardest['separability'])} "
            f"({hardest['set']}, n {hardest['separability_n']} vectors)"
        )
    found = [
        Finding(
            f"In {of_all(apart.sum(), len(gap), 'set')} the two modalities are separated: the "
            "gap is clearly above 0 and a linear classifier tells them apart (accuracy at least "
            f"{SEPARATE:g} on held-out vectors). The smallest gap is {estimate(least, 'gap')} "
            f"({least['set']}, {size(least)}); {classifier}.",
            (
                "abstract.separate",
                "figure1.trained_sets_are_apart",
                "figure1.untrained_sets_are_apart",
            ),
        )
    ]
    untrained = gap[gap["weights"] == "random"]
    if len(untrained):
        low, high = (untrained.loc[untrained["gap"].agg(end)] for end in ("idxmin", "idxmax"))
        span = f"{estimate(low, 'gap')} in {low['set']} ({size(low)})"
        if len(untrained) > 1:
            span = f"between {span} and {estimate(high, 'gap')} in {high['set']} ({size(high)})"
        found.append(Finding(f"Without any training the gap is {span}."))
    found += _training_and_gap(gap)
    trained = gap[gap["weights"] == "trained"]
    if len(trained):
        found += _retrieval(trained)
    return found


def _training_and_gap(gap: pd.DataFrame) -> list[Finding]:
    """One sentence on what training did to the gap of each model that is here with both weights."""
    changes: dict[str, list[str]] = {}
    for model, pair in gap.groupby("model", sort=False):
        sides = {row["weights"]: row for _, row in pair.iterrows()}
        if not {"trained", "random"} <= sides.keys():
            continue
        before, after = sides["random"], sides["trained"]
        if after["gap_high"] < before["gap_low"]:
            change = "narrower"
        elif after["gap_low"] > before["gap_high"]:
            change = "wider"
        else:
            change = "not clearly different"
        changes.setdefault(change, []).append(
            f"{model} ({number(before['gap'])} to {number(after['gap'])})"
        )
    parts = [f"{change} for {listed(models)}" for change, models in changes.items()]
    return [Finding(f"After training the gap is {listed(parts, '; ')}.")] if parts else []


def _items(row: Mapping) -> str:
    """How many items of retrieval the two sides have; identical vectors are one."""
    a, b = row["recall_items_a"], row["recall_items_b"]
    return f"{a:,} items" if a == b else f"{a:,} and {b:,} items"


def _retrieval(trained: pd.DataFrame) -> list[Finding]:
    """Which trained sets retrieve well above chance, and which do not."""
    able = retrieves(trained)

    def told(rows: pd.DataFrame) -> str:
        return listed(
            (
                f"{row['set']} (recall@1 {estimate(row, 'recall1_ab')} to text, "
                f"{estimate(row, 'recall1_ba')} from text, chance "
                f"{number(row['recall1_chance'], 4)}, {_items(row)})"
                for _, row in rows.iterrows()
            ),
            "; ",
        )

    found = []
    if able.any():
        found.append(Finding(f"Retrieval is well above chance in {told(trained[able])}."))
    if not able.all():
        found.append(
            Finding(
                f"Retrieval is near chance in {told(trained[~able])}: in at least one direction "
                f"the lower end of recall@1 is below {WELL_ABOVE:g} times chance. These gaps are "
                "not those of models that have learnt to match."
            )
        )
    return found


def figure1_tables(gap: pd.DataFrame) -> list[Table]:
    """All sets."""
    return [
        Table(
            "All sets of this run; a is the image (video, protein) side, b the text side.",
            [
                *("set", "weights", "n", "gap", "squared gap without bias"),
                *("mean cosine a", "mean cosine b", "recall@1 a to b", "recall@1 b to a"),
                *("separability", "share in 5 dimensions"),
            ],
            [
                [
                    str(row["set"]),
                    str(row["weights"]),
                    size(row).removeprefix("n "),
                    estimate(row, "gap"),
                    estimate(row, "gap_squared"),
                    estimate(row, "mean_cosine_a"),
                    estimate(row, "mean_cosine_b"),
                    estimate(row, "recall1_ab"),
                    estimate(row, "recall1_ba"),
                    number(row["separability"]),
                    number(row["largest5_share"]),
                ]
                for _, row in gap.iterrows()
            ],
        )
    ]


def figure2a_found(cone: pd.DataFrame) -> list[Finding]:
    """Whether each encoder has a cone, and whether random weights narrow it."""
    above = cone["mean_cosine_low"] > 0
    least = cone.loc[cone["mean_cosine"].idxmin()]
    found = [
        Finding(
            f"The mean cosine is clearly above 0 in {of_all(above.sum(), len(cone), 'panel')}. "
            f"It is smallest for {_panel(least)}: "
            f"{estimate(least, 'mean_cosine')}, {size(least)}.",
            tuple(
                f"figure2a.narrow.{weights}.{inputs}"
                for weights, inputs in dict.fromkeys(
                    zip(cone["weights"], cone["inputs"], strict=True)
                )
            ),
        )
    ]
    narrower, others, ids, compared = [], {}, [], 0
    for encoder, part in cone.groupby("encoder", sort=False):
        rows = {(row["weights"], row["inputs"]): row for _, row in part.iterrows()}
        trained = rows["trained", "real"]
        for inputs in ("real", "noise"):
            random = rows["random", inputs]
            compared += 1
            if inputs == "real":  # of noise the paper says no such thing
                ids.append(f"figure2a.random_narrower.{encoder}.real")
            if random["mean_cosine_low"] > trained["mean_cosine_high"]:
                narrower.append((random, trained))
                continue
            wider = random["mean_cosine_high"] < trained["mean_cosine_low"]
            word = "a wider cone than training" if wider else "no clearly different cone"
            others.setdefault(word, []).append(
                f"the {encoder} on {inputs} inputs ({estimate(random, 'mean_cosine')} against "
                f"{estimate(trained, 'mean_cosine')}, n {random['n']} and {trained['n']})"
            )
    if narrower:
        spans = [
            (min(row["mean_cosine"] for row in side), max(row["mean_cosine"] for row in side))
            for side in zip(*narrower, strict=True)
        ]
        ends = [f"{number(low)} to {number(high)}" for low, high in spans]
        sizes = sorted({row["n"] for pair in narrower for row in pair})
        found.append(
            Finding(
                f"Random weights give a narrower cone than training in "
                f"{of_all(len(narrower), compared, 'comparison')} (each encoder, on real inputs "
                f"and on noise): mean cosine {ends[0]} against {ends[1]}, n "
                f"{listed(map(str, sizes))}.",
                tuple(ids),
            )
        )
    for word, cases in others.items():
        text = f"Random weights give {word} in {listed(cases, '; ')}."
        found.append(Finding(text, () if narrower else tuple(ids)))
    return found


def _panel(row: Mapping) -> str:
    return f"the {row['encoder']}, {row['weights']} weights, {row['inputs']} inputs"


def _panel_id(row: Mapping) -> str:
    """How the ledger's ids of Figure 2(a) name a panel."""
    return f"{row['encoder']}.{row['weights']}.{row['inputs']}"


def figure2a_tables(cone: pd.DataFrame, published: Mapping[str, object]) -> list[Table]:
    """All panels, beside what the paper's notebooks print for their own models (`published` values
    by the ids of the ledger)."""
    rows = []
    for _, row in cone.iterrows():
        printed = published.get(f"figure2a.cone.{_panel_id(row)}")
        rows.append(
            [
                f"{row['encoder']}, {row['weights']} weights, {row['inputs']} inputs",
                str(row["model"]),
                str(row["dtype"]),
                str(row["n"]),
                estimate(row, "mean_cosine", 4),
                number(row["min_cosine"], 4),
                NONE if printed is None else number(float(printed), 4),
            ]
        )
    return [
        Table(
            "Mean and smallest cosine, and the mean that the authors' notebooks print for their "
            "own models and data.",
            ["panel", "model", "precision", "n", "mean", "smallest", "their mean"],
            rows,
        )
    ]


def figure2b_found(mlp: pd.DataFrame) -> list[Finding]:
    """What depth does to the mean cosine, with and without bias; `mlp` is mlp_cone_interval.csv."""
    deepest = mlp["layer"].max()
    table = mlp[mlp["layer"] == deepest].set_index(["activation", "bias"])
    activations = list(dict.fromkeys(mlp["activation"]))
    repeats = count(table["n"].iloc[0], "repeat")
    found = []
    for bias in (True, False):
        alike: dict[str, list[str]] = {}
        for name in activations:
            value = number(table.loc[(name, bias), "mean_cosine"], 2)
            alike.setdefault(value, []).append(name.replace("_", " "))
        texts = [f"{value} for {listed(names)}" for value, names in alike.items()]
        found.append(
            Finding(
                f"After {deepest} layers {'with' if bias else 'without'} biases the mean cosine is "
                f"{listed(texts)} (mean of {repeats}).",
                ("figure2b.non_linear_layers_narrow", "figure2b.linear_stays_wide") if bias else (),
            )
        )
    if "tanh" in activations:
        with_bias, without = (
            estimate(table.loc["tanh", bias], "mean_cosine") for bias in (True, False)
        )
        found.append(
            Finding(
                f"For tanh it is {with_bias} with and {without} without biases (mean of {repeats} "
                "with its interval).",
                ("figure2b.tanh_without_bias",),
            )
        )
    return found


def figure2c_found(spectrum: pd.DataFrame) -> list[Finding]:
    """Whether the spectrum of many initialisations falls off where k cones need it to."""
    found = []
    for encoder, part in spectrum.groupby("encoder", sort=False):
        seeds, items = part["initialisations"].iloc[0], part["items"].iloc[0]
        values = part.set_index("component")["singular_value"]
        last = seeds - 1
        drops = (values / values.shift(-1)).dropna()
        steepest = int(drops.idxmax())
        place = "the steepest drop of the spectrum"
        if steepest != last:
            place = f"where the steepest drop comes after value {steepest}"
        found.append(
            Finding(
                f"{encoder}: singular value {last} is {number(values[last], 2)} and value {seeds} "
                f"{number(values[seeds], 2)}, a drop by a factor of {number(drops[last], 2)}, "
                f"{place}. {percent(part['between_share'].iloc[0])} of the variance lies between "
                f"the seeds ({seeds} seeds, {items} items each).",
                (f"figure2c.own_cone.{encoder}",),
            )
        )
    return found


def figure3a_found(shifts: pd.DataFrame, gap: pd.DataFrame) -> list[Finding]:
    """How much of the gap the drawn plane holds, and how far the shift brings the centres in it."""
    found = []
    gaps = gap.set_index("set")["gap"]
    for name, part in shifts.groupby("set", sort=False):
        first = part.iloc[0]
        deltas = part["delta"].unique()
        start = min(deltas, key=abs)
        # The grid runs from -1/2 to 3/2 of the gap, so the gap is half of its span.
        whole = min(deltas, key=lambda delta: abs(delta - (max(deltas) - min(deltas)) / 2))
        apart = {delta: _centres_apart(part[part["delta"] == delta]) for delta in (start, whole)}
        held = apart[start] / gaps[name]
        plane = (
            f"{name}: the first component holds {percent(first['share_1'])} of the variance, the "
            f"first six {percent(first['share_first_6'])} (n {first['n']} pairs). The drawn plane "
            f"holds {number(apart[start])} of the gap of {number(gaps[name])}"
        )
        if held < HOLDS_THE_GAP:
            found.append(Finding(f"{plane}, too little to show whether a shift closes it."))
        else:
            found.append(
                Finding(
                    f"{plane}; a shift by the whole gap leaves the centres {number(apart[whole])} "
                    "apart in that plane."
                )
            )
    return found


def _centres_apart(rows: pd.DataFrame) -> float:
    a, b = (rows[rows["side"] == side][["pc_1", "pc_2"]].iloc[0] for side in ("a", "b"))
    return float(math.dist(a, b))


def figure3bcd_found(
    landscape: pd.DataFrame, minimum: pd.DataFrame, gap: pd.DataFrame
) -> list[Finding]:
    """Where the loss is smallest in each trained set that retrieves, by the fine sweep (`minimum`),
    and what the released loss changes on the coarse grid of the figure (`landscape`)."""
    trained = gap[(gap["weights"] == "trained") & gap["set"].isin(minimum["set"])]
    able = list(trained["set"][retrieves(trained)])
    weak = [name for name in trained["set"] if name not in able]
    found = []
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
        found.append(
            Finding(
                f"At temperature {fraction(cold)} the loss is smallest {listed(places, '; ')}.",
                (
                    "figure3b.minimum_at_the_gap",
                    "figure3b.closing_raises_the_loss",
                    *(f"figure3b.at_its_gap_too.{name}" for name in rows if name in OTHER_MODELS),
                ),
            )
        )
        places = [
            f"{_at_minimum(table.loc[hot], interval_too=False)} in {name}"
            for name, table in rows.items()
        ]
        found.append(
            Finding(
                f"At temperature {fraction(hot)} it is smallest {listed(places, '; ')}. The table "
                "below has all temperatures.",
                ("figure3bcd.falls_with_temperature", "figure3d.no_gap_at_temperature_1"),
            )
        )
        found += _released_loss(landscape[landscape["set"].isin(able)])
    if weak:
        found.append(
            Finding(
                f"No verdict from {listed(weak)}: retrieval near chance (the lower end of recall@1 "
                f"is below {WELL_ABOVE:g} times chance in at least one direction), so the place of "
                "the smallest loss says nothing of a model that has learnt to match."
            )
        )
    return found


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
    return Table(caption, ["set", "n", "gap", *heads], rows)


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
        # Both ends of a symmetric curve are minima: the one that is nearer to 0 is told.
        at = part.loc[part["loss"] <= part["loss"].min() + 1e-9, "delta_theta_deg"].abs().min()
        start = part.loc[part["delta_theta_deg"] == 0, "loss"].iloc[0]
        rows.append((*key, start, int(at)))
    columns = ["spacing_deg", "mismatched", "temperature", "loss_at_0", "minimum_at"]
    return pd.DataFrame(rows, columns=columns)


# Models of Figure 1 beside CLIP, of whose loss the paper says nothing.
OTHER_MODELS = ("videoclip", "convirt", "clasp")

# By spacing and whether two pairs are exchanged, what the ledger says of the sphere.
SPHERE_CLAIMS = {
    (20, True): ("figure3g.mismatched_want_a_gap", "figure3g.high_temperatures_want_none"),
    (15, True): ("figure3g.gap_at_15_degrees",),
    (20, False): ("supplementary9.matched_wants_no_gap",),
}


def figure3g_found(sphere: pd.DataFrame) -> list[Finding]:
    """Where the loss is smallest, with and without mismatched pairs."""
    found = []
    for (spacing, mismatched), part in sphere_minima(sphere).groupby(
        ["spacing_deg", "mismatched"], sort=False
    ):
        alike: dict[int, list[str]] = {}
        for _, row in part.sort_values("temperature", ascending=False).iterrows():
            alike.setdefault(row["minimum_at"], []).append(fraction(row["temperature"]))
        places = listed(f"{at}° for {listed(names)}" for at, names in alike.items())
        words = "two pairs mismatched" if mismatched else "all pairs matched"
        claims = SPHERE_CLAIMS.get((spacing, bool(mismatched)), ())
        found.append(
            Finding(
                f"Points {spacing}° apart, {words}: by temperature, the loss is smallest at "
                f"{places}.",
                claims,
                # A recomputed claim: the head shows it by this sentence alone.
                lead="figure3g.gap_at_15_degrees" in claims,
            )
        )
    return found


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


def table1_found(table: pd.DataFrame) -> list[Finding]:
    """What the best shift gains on the data that chose it, and what is left of it held out, where
    the model is above chance on the task."""
    able = table.apply(classifies, axis=1).astype(bool)
    judged, weak = table[able], table[~able]
    found = []
    if len(judged):
        gains = judged["modified"] > judged["default"]
        sizes = 100 * (judged["modified"] - judged["default"])[gains]
        words = list(judged["direction"][gains])
        spread = listed(f"{word} in {words.count(word)}" for word in dict.fromkeys(words))
        by = f"{number(sizes.min(), 1)} to {number(sizes.max(), 1)} points"
        if len(sizes) == 1:
            by = f"{number(sizes.iloc[0], 1)} points"
        found.append(
            Finding(
                f"Where the model is above chance ({count(len(judged), 'row')}), the best shift, "
                "picked on the scored pictures as in the paper, raises the score in "
                f"{gains.sum()} of {len(judged)}"
                + (f", by {by}; the gap is {spread}." if len(sizes) else "."),
                ("table1.shift_improves",),
            )
        )
        found += _held_out(judged)
    if len(weak):
        names = listed(f"{row['model']} on {_task(row)}" for _, row in weak.iterrows())
        found.append(
            Finding(
                f"No verdict from {names}: not above chance before any shift, so there is no "
                "accuracy that a shift could raise or lower."
            )
        )
    return found


def _task(row: Mapping) -> str:
    return str(row["task"]).replace("_", " ")


def _held_out(judged: pd.DataFrame) -> list[Finding]:
    """What the shift does that was chosen on the other half, grouped by what is clear of it."""
    level = SIGNIFICANT / len(judged)
    words: dict[str, list[str]] = {}
    for _, row in judged.iterrows():
        things = "picture" if row["metric"] == "accuracy" else "pair of pictures"
        several = "" if row["metric"] == "accuracy" else "pairs of pictures"
        word = "no clear change"
        if row["p_held_out"] < level:
            word = "an improvement" if row["held_out"] > row["default"] else "a loss"
        words.setdefault(word, []).append(
            f"{row['model']} on {_task(row)} ({METRICS[row['metric']]} {estimate(row, 'default')} "
            f"to {estimate(row, 'held_out')}; {count(row['held_out_won'], things, several)} gained "
            f"and {row['held_out_lost']} lost, p {p_value(row['p_held_out'])}, n {row['n']})"
        )
    return [
        Finding(
            f"With the shift chosen on the other half there is {word} in {listed(cases, '; ')}; "
            f"judged at p < {p_value(level)} ({SIGNIFICANT:g} over {count(len(judged), 'row')}).",
            ("table1.improvement_survives_the_choice",) if place == 0 else (),
        )
        for place, (word, cases) in enumerate(words.items())
    ]


def table1_tables(table: pd.DataFrame) -> list[Table]:
    """Table 1 of this run."""
    areas = (table["metric"] == "roc_auc").any()
    return [
        Table(
            "Zero-shot accuracy"
            + (
                " (roc_auc: area under the ROC curve; won and lost are pairs of pictures). "
                if areas
                else ". "
            )
            + "Gap: signed distance of the centres, negative once they have passed each other.",
            [
                *("model, task", "n", "classes", "chance", "default", "best shift", "delta"),
                *("gap, default to best shift", "p", "p of the best of all"),
                *("held out", "gained / lost", "p held out"),
            ],
            [
                [
                    f"{row['model']}, {_task(row)}"
                    + ("" if row["metric"] == "accuracy" else f" ({row['metric']})"),
                    str(row["n"]),
                    str(row["classes"]),
                    number(row["chance"]),
                    estimate(row, "default"),
                    estimate(row, "modified"),
                    f"{row['delta']:+g}" if row["delta"] else "0",
                    f"{number(row['distance_default'], 2)} to "
                    f"{number(row['distance_modified'], 2)}, {row['direction']}",
                    p_value(row["p_in_sample"]),
                    p_value(row["p_max_statistic"]),
                    estimate(row, "held_out"),
                    f"{row['held_out_won']}\u00a0/\u00a0{row['held_out_lost']}",
                    p_value(row["p_held_out"]),
                ]
                for _, row in table.iterrows()
            ],
        )
    ]


def table1_curves_found(sweep: pd.DataFrame, table: pd.DataFrame) -> list[Finding]:
    """Over which range each kind of score runs, where the model is above chance."""
    able = {(row["model"], row["task"]) for _, row in table.iterrows() if classifies(row)}
    texts: dict[str, list[str]] = {}
    for (model, task), part in sweep.groupby(["model", "task"], sort=False):
        if (model, task) in able:
            default = part.loc[part["delta"] == 0, "score"].iloc[0]
            low, high = part["score"].min(), part["score"].max()
            texts.setdefault(METRICS[part["metric"].iloc[0]], []).append(
                f"{number(low)} to {number(high)} for {model} on {task.replace('_', ' ')} "
                f"({number(default)} without a shift, n {part['n'].iloc[0]})"
            )
    shifts = count(sweep.loc[sweep["delta"] != 0, "delta"].nunique(), "shift")
    curves, told = sweep.groupby(["model", "task"]).ngroups, sum(map(len, texts.values()))
    found = [
        Finding(f"Over {shifts} and without one {metric} runs from {listed(cases, '; ')}.")
        for metric, cases in texts.items()
    ]
    if found and told < curves:
        rest = f"{curves - told} of {count(curves, 'curve')}"
        found.append(Finding(f"Nothing is said of {rest}: not above chance without a shift."))
    return found


def table2_found(table: pd.DataFrame, delta: float) -> list[Finding]:
    """What widening the gap does to the offensive labels, over all and group by group."""
    before = table[table["delta"] == 0].set_index("group")
    after = table[table["delta"] == delta].set_index("group").loc[before.index]
    change = (after["offensive"] - before["offensive"]).drop("all")
    sizes = before["n"].drop("all")
    one, other = before.loc["all"], after.loc["all"]
    start = f"{one['offensive']:.0f} of {one['n']:.0f} ({_share(one, 'offensive')})"
    if other["offensive"] == one["offensive"]:
        text = (
            f"At delta {delta:g} as many pictures get an offensive label as without a shift, "
            f"{start}."
        )
    else:
        text = (
            f"At delta {delta:g} the pictures with an offensive label go from {start} to "
            f"{other['offensive']:.0f} ({_share(other, 'offensive')}), "
            f"p {p_value(other['p_value'])}."
        )
    spread = (
        f"{sizes.min()} pictures each"
        if sizes.min() == sizes.max()
        else f"{sizes.min()} to {sizes.max()} pictures each"
    )
    counts = {
        "fewer": (change < 0).sum(),
        "more": (change > 0).sum(),
        "as many": (change == 0).sum(),
    }
    if counts["as many"] == len(change):
        groups = f"Their number is unchanged in {of_all(len(change), len(change), 'group')}"
    else:
        told = [f"{word} in {n}" for word, n in counts.items() if n]
        groups = f"Of {count(len(change), 'group')} there are {listed(told)}"
    return [
        Finding(text, ("table2.widening_helps_here",)),
        Finding(f"{groups} ({spread})."),
        Finding(
            f"The share of pictures with the right label goes from {_share(one, 'correct')} to "
            f"{_share(other, 'correct')} (n {one['n']:.0f})."
        ),
    ]


def _share(row: Mapping, name: str) -> str:
    """A share as per cent with its interval, from the columns of table2.csv."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{percent(row[f'{name}_share'])} {interval(100 * low, 100 * high, 1)}".strip()


def table2_tables(table: pd.DataFrame, delta: float) -> list[Table]:
    """Table 2 of this run: no shift against the paper's."""
    rows = []
    for group, part in table.groupby("group", sort=False):
        sides = part.set_index("delta")
        one, other = sides.loc[0.0], sides.loc[delta]
        cells = [str(group), f"{one['n']:.0f}"]
        for row in (one, other):
            cells += [
                f"{row['crime_related']:.0f} + {row['non_human']:.0f}",
                f"{row['offensive']:.0f}: {_share(row, 'offensive')}",
            ]
        cells += [
            p_value(other["p_value"]),
            p_value(other["p_holm"]),
            *(_share(row, "correct") for row in (one, other)),
        ]
        rows.append(cells)
    shifted = f"delta {delta:g}"
    return [
        Table(
            "Offensive labels for pictures of people. Other shifts are in the CSV file.",
            [
                *("group", "n", "delta 0: crime + non-human", "delta 0: offensive"),
                *(f"{shifted}: crime + non-human", f"{shifted}: offensive", "p", "p (Holm)"),
                *("right label, delta 0", f"right label, {shifted}"),
            ],
            rows,
        )
    ]


def training_found(curves: pd.DataFrame) -> list[Finding]:
    """Gap, recall and loss before and after training; the paper has no such experiment."""
    found = []
    for model, curve in curves.groupby("model", sort=False):
        recorded = curve.dropna(subset=["gap"]).sort_values("step")
        first, last = recorded.iloc[0], recorded.iloc[-1]
        loss = curve.dropna(subset=["loss"]).sort_values("step")["loss"]
        found.append(
            Finding(
                f"{model}: over {last['step']:.0f} steps the gap goes from {number(first['gap'])} "
                f"to {number(last['gap'])}, recall@1 on held-out pairs from "
                f"{number(first['recall1'])} to {number(last['recall1'])} and the training loss "
                f"from {number(loss.iloc[0], 2)} to {number(loss.iloc[-1], 2)} (one seed)."
            )
        )
    return found


TUNED = {"projections": "stitched's projections"}


def _beside(row: Mapping, other: Mapping, name: str) -> str:
    """How a row's estimate lies to another's: higher or lower where their intervals are apart."""
    if row[f"{name}_low"] > other[f"{name}_high"]:
        return "higher than"
    return "lower than" if row[f"{name}_high"] < other[f"{name}_low"] else "not clearly other than"


def temperature_found(summary: pd.DataFrame) -> list[Finding]:
    """What fine-tuning at the highest temperature does to gap, accuracy and recall, against the
    lowest, a sentence each; the accuracy is not measured in every run."""
    rows = summary.set_index("temperature").sort_index()
    cold, hot = rows.iloc[0], rows.iloc[-1]
    model = TUNED.get(hot["model"], hot["model"])
    start = f"After fine-tuning of {model} at temperature {fraction(rows.index[-1])}"
    end = f"after that at {fraction(rows.index[0])}"
    seeds = f"mean and interval over {count(int(hot['n']), 'seed')}"

    def compared(name: str, words: str) -> str:
        return (
            f"{words} is {estimate(hot, name)}, {_beside(hot, cold, name)} {estimate(cold, name)}"
        )

    found = [
        Finding(
            f"{start} {compared('gap_after', 'the gap')} {end} "
            f"({seeds}; before either it is {number(hot['gap_before'])}).",
            ("training.gap_falls_with_temperature", "training.high_temperatures_close_the_gap"),
            lead=True,
        )
    ]
    if "zero_shot_after" in rows and math.isfinite(hot["zero_shot_after"]):
        found.append(
            Finding(
                f"{start} {compared('zero_shot_after', 'zero-shot accuracy')} {end} ({seeds}).",
                ("training.closed_gap_serves_better",),
                lead=True,
            )
        )
    recalls = [
        compared(f"recall1_{side}_after", f"recall@1 {way}")
        for side, way in (("ab", "to text"), ("ba", "from text"))
    ]
    found.append(
        Finding(
            f"{start} {' and '.join(recalls)} {end} ({seeds}).",
            ("training.recall_falls_at_temperature_1",),
            lead=True,
        )
    )
    return found


def initialisation_found(summary: pd.DataFrame, difference: pd.DataFrame) -> list[Finding]:
    """What is left of the gap after training from a start without one, by temperature mode."""
    found = []
    for _, ratio in difference.iterrows():
        mode = ratio["temperature_mode"]
        rows = summary[summary["temperature_mode"] == mode].set_index("start")
        one, other = rows.loc["original"], rows.loc["rotated"]
        share = "gap_after_rotated_over_original"
        found.append(
            Finding(
                f"Temperature {mode}: from the original start the gap goes from "
                f"{estimate(one, 'gap_before')} to {estimate(one, 'gap_after')}, from the rotated "
                f"start from {estimate(other, 'gap_before')} to {estimate(other, 'gap_after')}, "
                f"which is {percent(ratio[share], 0)} "
                f"{interval(100 * ratio[f'{share}_low'], 100 * ratio[f'{share}_high'], 0)} of it "
                f"({count(int(ratio['n']), 'seed')}).",
                (
                    "training.gap_comes_back",
                    "training.rotated_ends_narrower",
                    "training.share_kept",
                    "training.original_gap_widens",
                    "training.rotation_closes_the_gap",
                )
                if mode == "fixed"
                else (),
            )
        )
    return found


def results(
    data: Mapping[str, pd.DataFrame], published: Mapping[str, object], config: Mapping
) -> dict[str, tuple[list[Finding], list[Table]]]:
    """Sentences and tables of every figure and table, by its id; `data` by the table's name,
    `published` the paper's values by the ids of the ledger."""
    gap, cone, mlp, sphere = (data[name] for name in ("gap", "cone", "mlp_cone_interval", "sphere"))
    landscape, minimum = data["loss_landscape"], data["loss_minimum"]
    table1, table2 = data["table1"], data["table2"]
    delta = config["table2"]["shifts"][0]
    return {
        "figure1": (figure1_found(gap), figure1_tables(gap)),
        "figure2a": (figure2a_found(cone), figure2a_tables(cone, published)),
        "figure2b": (figure2b_found(mlp), []),
        "figure2c": (figure2c_found(data["initialisation_spectrum"]), []),
        "figure3a": (figure3a_found(data["pca_shifts"], gap), []),
        "figure3bcd": (
            figure3bcd_found(landscape, minimum, gap),
            figure3bcd_tables(minimum, gap),
        ),
        "figure3g": (figure3g_found(sphere), figure3g_tables(sphere)),
        "loss_minimum": ([], [all_minima_table(minimum)]),
        "table1": (table1_found(table1), table1_tables(table1)),
        "table1_curves": (table1_curves_found(data["zero_shot"], table1), []),
        "table2": (table2_found(table2, delta), table2_tables(table2, delta)),
        "training": (training_found(data["training"]), []),
        "experiment_temperature": (temperature_found(data["temperature_summary"]), []),
        "experiment_initialisation": (
            initialisation_found(data["initialisation_summary"], data["initialisation_difference"]),
            [],
        ),
    }
