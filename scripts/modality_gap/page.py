"""The reading page: from the tables of a run to sentences, small tables and one HTML file.

Nothing here reads a file or knows a path of the workflow. Every number in a sentence comes out of
a table, and so does every verdict: `agrees` and `differs` compare this run with what the paper
says of the same thing, in direction where models and data differ, in value where they are the same.
"""

import base64
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace

import jinja2
import pandas as pd
from docutils.core import publish_parts
from docutils.utils import SystemMessage
from markupsafe import Markup

from modality_gap.errors import InputError
from modality_gap.stand_ins import OF_ALL_SETS, makings, makings_of_sets, plain, stand_ins

NONE = "–"
SEPARATE = 0.99  # a linear classifier this accurate tells the modalities apart
SIGNIFICANT = 0.05
# Assets of the data set that is made of no files of the config, and the keys of one file alone.
MADE_OF = {"emoji": {"pictures": "twemoji", "names": "emoji_names"}}
ONE_FILES = ("path", "sha256", "md5")
METRICS = {"accuracy": "accuracy", "roc_auc": "ROC-AUC"}


@dataclass(frozen=True)
class Finding:
    """A sentence of "what this run found"; `agrees` is None where the paper says nothing of it."""

    text: str
    agrees: bool | None = None

    @property
    def verdict(self) -> str:
        return {True: "agrees", False: "differs", None: ""}[self.agrees]


@dataclass(frozen=True)
class Table:
    """A table of the page: the first cell of a row is its heading; cells are text."""

    caption: str
    head: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Section:
    """One figure or table with all that stands beside it."""

    id: str
    title: str
    caption: Markup
    paper: list[str]
    errata: list[str]
    found: list[Finding]
    rule: str
    script: str
    data: list[str]
    image: str = ""
    alt: str = ""
    stand_ins: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # neither the paper's nor such
    tables: list[Table] = field(default_factory=list)
    claims: list[dict] = field(default_factory=list)
    not_run: str = ""


# Numbers as text


def number(value: float | None, digits: int = 3) -> str:
    """A number with `digits` decimals; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """An interval in square brackets, or nothing where there is none."""
    texts = number(low, digits), number(high, digits)
    return "" if NONE in texts else f"[{texts[0]}, {texts[1]}]"


def estimate(row: Mapping, name: str, digits: int = 3) -> str:
    """A value with its interval from the columns `name`, `name`_low and `name`_high of a row."""
    bounds = interval(row.get(f"{name}_low"), row.get(f"{name}_high"), digits)
    return f"{number(row[name], digits)} {bounds}".strip()


def percent(share: float | None, digits: int = 1) -> str:
    """A share as per cent."""
    text = number(None if share is None else 100 * share, digits)
    return text if text == NONE else f"{text} %"


def p_value(value: float | None) -> str:
    """A p-value with two significant digits."""
    if value is None or not math.isfinite(value):
        return NONE
    return "<\u00a0.0001" if value < 0.0001 else f"{value:.2g}"


def fraction(temperature: float) -> str:
    """A temperature as the paper writes it: 1/100, 1/50, ..., 1."""
    return f"1/{round(1 / temperature)}" if temperature < 1 else f"{temperature:g}"


def count(n: int, one: str) -> str:
    """`3 sets`, `1 set`."""
    return f"{n:,} {one}{'' if n == 1 else 's'}"


def listed(names: Iterable[str]) -> str:
    """`a, b and c`."""
    *first, last = list(names) or [NONE]
    return f"{', '.join(first)} and {last}" if first else last


# What this run found


def figure1_found(gap: pd.DataFrame) -> list[Finding]:
    """Whether the modalities are apart in every set, what training did, and what it learnt."""
    apart = (gap["gap_low"] > 0) & (gap["separability"] >= SEPARATE)
    least = gap.loc[gap["gap"].idxmin()]
    hardest = gap.loc[gap["separability"].idxmin()]
    found = [
        Finding(
            f"In {apart.sum()} of {count(len(gap), 'set')} the two modalities lie apart: the gap's "
            f"interval excludes 0 and a straight line tells them apart. The smallest gap is "
            f"{estimate(least, 'gap')} ({least['set']}, n {least['n']}), the smallest "
            f"separability {number(hardest['separability'])} ({hardest['set']}, "
            f"n {hardest['separability_n']} vectors).",
            bool(apart.all()),
        )
    ]
    untrained = gap[(gap["weights"] == "random") & apart]
    if len(untrained):
        found.append(
            Finding(
                "Without any training the gap is "
                + listed(
                    f"{estimate(row, 'gap')} ({row['set']}, n {row['n']})"
                    for _, row in untrained.iterrows()
                )
                + ".",
                bool((gap["weights"] == "random").sum() == len(untrained)),
            )
        )
    for model, pair in gap.groupby("model", sort=False):
        sides = {row["weights"]: row for _, row in pair.iterrows()}
        if {"trained", "random"} <= sides.keys():
            before, after = sides["random"], sides["trained"]
            if after["gap_high"] < before["gap_low"]:
                change = "narrower"
            elif after["gap_low"] > before["gap_high"]:
                change = "wider"
            else:
                change = "not clearly different"
            found.append(
                Finding(
                    f"{model}: after training the gap is {change}, {estimate(after, 'gap')} "
                    f"against {estimate(before, 'gap')} before (n {after['n']} and {before['n']})."
                )
            )
    for _, row in gap[gap["weights"] == "trained"].iterrows():
        chance = 1 / row["n"]
        better = min(row["recall1_ab_low"], row["recall1_ba_low"]) > chance
        found.append(
            Finding(
                f"{row['set']} retrieves {'better than chance' if better else 'near chance'}: "
                f"recall@1 {estimate(row, 'recall1_ab')} to text and {estimate(row, 'recall1_ba')} "
                f"from text, chance {number(chance, 4)} (n {row['n']})."
                + ("" if better else " Its gap is not that of a model that has learnt to match.")
            )
        )
    return found


def figure1_tables(gap: pd.DataFrame, published: Mapping) -> list[Table]:
    """All sets; and the released ones against their published numbers."""
    tables = [
        Table(
            "Every set of this run; a is the image (video, protein) side, b the text side.",
            [
                *("set", "weights", "n", "gap", "mean cosine a", "mean cosine b"),
                *("recall@1 a to b", "recall@1 b to a", "separability", "share in 5 dimensions"),
            ],
            [
                [
                    str(row["set"]),
                    str(row["weights"]),
                    str(row["n"]),
                    estimate(row, "gap"),
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
    measured = gap.set_index("set")
    rows = [
        _comparison(
            f"{name}, {label}", value, measured.loc[name, column], published["tolerance"], 4
        )
        for name, values in published["values"].items()
        if name in measured.index
        for (column, label), value in zip(published["columns"].items(), values, strict=True)
    ]
    return tables + _comparisons(rows, published)


def _comparison(
    what: str, value: float, measured: float, tolerance: float, digits: int = 3
) -> list[str]:
    agrees = abs(measured - value) <= tolerance
    verdict = "agrees" if agrees else "differs"
    return [what, number(value, digits), number(measured, digits), verdict]


def _comparisons(rows: list[list[str]], published: Mapping) -> list[Table]:
    """A published-against-measured table, or none without rows."""
    if not rows:
        return []
    caption = (
        f"Published against measured. Published: {published['source']}. Agrees: within "
        f"{published['tolerance']:g}."
    )
    return [Table(caption, ["", "published", "this run", "verdict"], rows)]


def figure2a_found(cone: pd.DataFrame) -> list[Finding]:
    """Whether each encoder has a cone, and whether random weights narrow it, as the paper says."""
    narrow = cone["mean_cosine_low"] > 0
    least = cone.loc[cone["mean_cosine"].idxmin()]
    found = [
        Finding(
            f"In {narrow.sum()} of {count(len(cone), 'panel')} the mean cosine lies above 0, so "
            f"the embeddings share a cone; the smallest is {estimate(least, 'mean_cosine')} "
            f"({least['encoder']}, {least['weights']} weights, {least['inputs']} inputs, "
            f"n {least['n']}).",
            bool(narrow.all()),
        )
    ]
    for encoder, part in cone.groupby("encoder", sort=False):
        rows = {(row["weights"], row["inputs"]): row for _, row in part.iterrows()}
        trained = rows["trained", "real"]
        for inputs in ("real", "noise"):
            random = rows["random", inputs]
            narrower = random["mean_cosine_low"] > trained["mean_cosine_high"]
            wider = random["mean_cosine_high"] < trained["mean_cosine_low"]
            word = (
                "narrower than"
                if narrower
                else "wider than"
                if wider
                else "not clearly different from"
            )
            found.append(
                Finding(
                    f"{encoder}: with random weights on {inputs} inputs the cone is {word} "
                    f"the trained one, mean cosine {estimate(random, 'mean_cosine', 4)} against "
                    f"{estimate(trained, 'mean_cosine', 4)} (n {random['n']} and {trained['n']}).",
                    bool(narrower),
                )
            )
    return found


def figure2a_tables(cone: pd.DataFrame, published: Mapping) -> list[Table]:
    """All panels, beside what the paper's notebooks print for their own models."""
    rows = []
    for _, row in cone.iterrows():
        panel = f"{row['weights']} {row['inputs']}"
        mean, minimum = published["values"].get(row["encoder"], {}).get(panel, (None, None))
        rows.append(
            [
                f"{row['encoder']}, {row['weights']} weights, {row['inputs']} inputs",
                str(row["model"]),
                str(row["dtype"]),
                str(row["n"]),
                estimate(row, "mean_cosine", 4),
                number(row["min_cosine"], 4),
                number(mean, 4),
                number(minimum, 4),
            ]
        )
    return [
        Table(
            f"Mean and smallest cosine. The paper's: {published['source']}.",
            ["panel", "model", "precision", "n", "mean", "min", "paper's mean", "paper's min"],
            rows,
        )
    ]


def _over_repeats(mlp: pd.DataFrame) -> pd.DataFrame:
    """Mean, smallest and largest over the repeats, by activation, bias and layer."""
    keys = ["activation", "bias", "layer"]
    return mlp.groupby(keys, sort=False)["mean_cosine"].agg(["mean", "min", "max", "size"])


def figure2b_found(mlp: pd.DataFrame) -> list[Finding]:
    """What depth does to the mean cosine, with and without bias."""
    table, deepest = _over_repeats(mlp), mlp["layer"].max()
    activations = list(dict.fromkeys(mlp["activation"]))
    repeats = table["size"].iloc[0]
    found = []
    for bias in (True, False):
        ends = {name: table.loc[name, bias, deepest] for name in activations}
        texts = [
            f"{name} {number(row['mean'])} {interval(row['min'], row['max'])}"
            for name, row in ends.items()
        ]
        found.append(
            Finding(
                f"{'With' if bias else 'Without'} biases the mean cosine after {deepest} layers is "
                f"{listed(texts)} (mean and range of {repeats} repeats)."
            )
        )
    curved = [name for name in activations if name != "linear"]
    risen = [
        name
        for name in curved
        if table.loc[name, True, deepest]["min"] > table.loc[name, True, 0]["max"]
    ]
    found.append(
        Finding(
            f"With biases depth raises the mean cosine for {len(risen)} of "
            f"{count(len(curved), 'non-linear activation')} ({listed(risen)}).",
            len(risen) == len(curved),
        )
    )
    if "tanh" in activations:
        with_bias, without = (table.loc["tanh", bias, deepest]["mean"] for bias in (True, False))
        vanishes = without < with_bias / 10
        found.append(
            Finding(
                f"The cone of tanh {'needs' if vanishes else 'does not need'} the bias: "
                f"{number(with_bias)} with and {number(without)} without it after {deepest} layers "
                f"(n {repeats} repeats).",
                # The paper gives the credit to the non-linearity.
                not vanishes,
            )
        )
    return found


def figure2b_tables(mlp: pd.DataFrame, published: Mapping) -> list[Table]:
    """The published values against the range over the repeats."""
    table, tolerance = _over_repeats(mlp), published["tolerance"]
    rows = []
    for activation, bias, layer, value in published["values"]:
        if (activation, bias, layer) not in table.index:
            continue
        row = table.loc[activation, bias, layer]
        agrees = row["min"] - tolerance <= value <= row["max"] + tolerance
        what = f"{activation}, {'with' if bias else 'no'} bias, layer {layer}"
        measured = f"{number(row['mean'])} {interval(row['min'], row['max'])}"
        rows.append([what, number(value), measured, "agrees" if agrees else "differs"])
    return _comparisons(
        rows, {**published, "source": f"{published['source']}; in brackets this run's range"}
    )


def figure2c_found(spectrum: pd.DataFrame) -> list[Finding]:
    """Whether the spectrum of many initialisations falls off where k cones need it to."""
    found = []
    for encoder, part in spectrum.groupby("encoder", sort=False):
        seeds, items = part["initialisations"].iloc[0], part["items"].iloc[0]
        values = part.set_index("component")["singular_value"]
        last = seeds - 1
        drops = (values / values.shift(-1)).dropna()
        steepest = int(drops.idxmax())
        found.append(
            Finding(
                f"{encoder}: singular value {last} is {number(values[last], 2)} and value {seeds} "
                f"{number(values[seeds], 2)}, a fall by a factor of {number(drops[last], 2)}; the "
                f"steepest fall of the spectrum comes after value {steepest}. "
                f"{percent(part['between_share'].iloc[0])} of the variance lies between the seeds "
                f"({seeds} seeds, {items} items each).",
                steepest == last,
            )
        )
    return found


def figure3a_found(shifts: pd.DataFrame) -> list[Finding]:
    """How much of the variance the drawn plane holds, and how far the shift brings the centres."""
    found = []
    for name, part in shifts.groupby("set", sort=False):
        first = part.iloc[0]
        deltas = part["delta"].unique()
        start = min(deltas, key=abs)
        # The grid runs from -1/2 to 3/2 of the gap, so the gap is half of its span.
        whole = min(deltas, key=lambda delta: abs(delta - (max(deltas) - min(deltas)) / 2))
        apart = {delta: _centres_apart(part[part["delta"] == delta]) for delta in (start, whole)}
        closes = apart[whole] < apart[start]
        found.append(
            Finding(
                f"{name}: the first component holds {percent(first['share_1'])} of the variance, "
                f"the first six {percent(first['share_first_6'])} (n {first['n']} pairs). "
                f"A shift by {number(whole, 2)}, the whole gap, brings the centres in this plane "
                f"from {number(apart[start])} to {number(apart[whole])} apart: "
                f"it {'closes' if closes else 'does not close'} the gap.",
                bool(closes),
            )
        )
    return found


def _centres_apart(rows: pd.DataFrame) -> float:
    a, b = (rows[rows["side"] == side][["pc_1", "pc_2"]].iloc[0] for side in ("a", "b"))
    return float(math.dist(a, b))


def lowest_points(landscape: pd.DataFrame) -> pd.DataFrame:
    """The shift with the smallest loss of every set and temperature."""
    return landscape.loc[landscape.groupby(["set", "temperature"], sort=False)["loss"].idxmin()]


def figure3bcd_found(landscape: pd.DataFrame, gap: pd.DataFrame) -> list[Finding]:
    """Where the loss is smallest against the gap that each trained set has."""
    found = []
    gaps, lowest = gap.set_index("set"), lowest_points(landscape)
    step = landscape["delta"].drop_duplicates().sort_values().diff().min()
    for name in gaps.index[gaps["weights"] == "trained"]:
        rows = lowest[lowest["set"] == name].set_index("temperature").sort_index()
        if not len(rows):
            continue
        curves = landscape[landscape["set"] == name]
        cold, hot = rows.index[0], rows.index[-1]
        best = rows.loc[cold]
        default = curves[(curves["temperature"] == cold) & (curves["delta"] == 0)].iloc[0]
        stays = abs(best["delta"]) <= step
        found.append(
            Finding(
                f"{name}, temperature {fraction(cold)}: the loss is smallest, "
                f"{number(best['loss'])}, at distance {number(best['distance'])} "
                f"(delta {best['delta']:g}); the model's own gap is "
                f"{estimate(gaps.loc[name], 'gap')}, loss {number(default['loss'])} "
                f"(n {gaps.loc[name, 'n']}). The minimum is "
                f"{'at the gap, within a step of the sweep' if stays else 'not at the gap'}.",
                bool(stays),
            )
        )
        narrows = abs(rows.loc[hot, "distance"]) < abs(best["distance"])
        places = listed(
            f"{number(row['distance'], 2)} at {fraction(temperature)}"
            for temperature, row in rows.iterrows()
        )
        found.append(
            Finding(
                f"{name}: the minimum lies at distance {places}; raising the temperature makes the "
                f"preferred gap {'narrower' if narrows else 'no narrower'}.",
                bool(narrows),
            )
        )
        released = curves.loc[curves.groupby("temperature")["loss_as_released"].idxmin()]
        moved = (released.set_index("temperature")["delta"] != rows["delta"]).sum()
        found.append(
            Finding(
                f"{name}: with the loss as released the minimum moves at {moved} of "
                f"{count(len(rows), 'temperature')}; the two losses differ by "
                f"{number((curves['loss'] - curves['loss_as_released']).abs().max())} at most."
            )
        )
    return found


def figure3bcd_tables(landscape: pd.DataFrame, published: Mapping) -> list[Table]:
    """The minima of the released sets against their published places."""
    lowest = lowest_points(landscape)
    measured = {
        (row["set"], fraction(row["temperature"])): row["distance"] for _, row in lowest.iterrows()
    }
    rows = [
        _comparison(
            f"{name}, minimum at {temperature}",
            value,
            measured[name, str(temperature)],
            published["tolerance"],
        )
        for name, values in published["values"].items()
        for temperature, value in values.items()
        if (name, str(temperature)) in measured
    ]
    return _comparisons(rows, published)


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


def figure3g_found(sphere: pd.DataFrame) -> list[Finding]:
    """Whether a gap pays with mismatched pairs, and only with them, at low temperature."""
    found = []
    for (spacing, mismatched), part in sphere_minima(sphere).groupby(
        ["spacing_deg", "mismatched"], sort=False
    ):
        part = part.sort_values("temperature")
        places = listed(
            f"{row['minimum_at']:.0f}° at {fraction(row['temperature'])}"
            for _, row in part.iterrows()
        )
        if mismatched:
            pays = part.iloc[0]["minimum_at"] > 0 and part.iloc[-1]["minimum_at"] == 0
            end = (
                "a gap pays at low temperature only"
                if pays
                else "a gap does not pay at low temperature alone"
            )
        else:
            pays = bool((part["minimum_at"] == 0).all())
            end = f"{'no' if pays else 'some'} temperature wants {'a' if pays else 'its'} gap"
        pairs = "two pairs mismatched" if mismatched else "all pairs matched"
        found.append(
            Finding(
                f"Spacing {spacing}°, {pairs}: the minimum lies at {places}; {end}.", bool(pays)
            )
        )
    return found


def figure3g_tables(sphere: pd.DataFrame, published: Mapping) -> list[Table]:
    """The simulation against the published values: the same arithmetic, so digits count."""
    minima = sphere_minima(sphere)
    minima = minima[minima["spacing_deg"] == published["spacing_deg"]]
    rows = []
    for pairs, quantities in published["values"].items():
        own = minima[minima["mismatched"] == (pairs == "mismatched")]
        # By the name of the temperature: 1/35 read from a CSV file may differ in its last digit.
        own = own.set_index(own["temperature"].map(fraction))
        for quantity, digits in (("loss_at_0", 3), ("minimum_at", 0)):
            label = "loss at 0" if quantity == "loss_at_0" else "minimum at (degrees)"
            for temperature, value in zip(
                published["temperatures"], quantities[quantity], strict=True
            ):
                name = fraction(temperature)
                if name in own.index:
                    what, measured = (
                        f"{pairs}, {label}, temperature {name}",
                        own.loc[name, quantity],
                    )
                    rows.append(_comparison(what, value, measured, published["tolerance"], digits))
    return _comparisons(rows, published)


def table1_found(table: pd.DataFrame) -> list[Finding]:
    """What the best shift gains on the data that chose it, and what is left of it held out."""
    level = SIGNIFICANT / len(table)
    gains = table["modified"] > table["default"]
    sizes = (table["modified"] - table["default"])[gains]
    words = list(table["direction"][gains])
    spread = listed(f"{word} in {words.count(word)}" for word in dict.fromkeys(words))
    found = [
        Finding(
            f"Picked on the scored pictures, as in the paper, the best shift raises the score in "
            f"{gains.sum()} of {count(len(table), 'row')}"
            + (
                f", by {number(100 * sizes.min(), 1)} to {number(100 * sizes.max(), 1)} points "
                f"(the gap is {spread})."
                if len(sizes)
                else "."
            ),
            bool(gains.all()),
        )
    ]
    for _, row in table.iterrows():
        better = row["held_out"] > row["default"]
        clear = row["p_held_out"] < level
        things = "pictures" if row["metric"] == "accuracy" else "pairs of pictures"
        word = "no clear change" if not clear else "an improvement" if better else "a loss"
        found.append(
            Finding(
                f"{row['model']}, {row['task'].replace('_', ' ')} (n {row['n']}): "
                f"with the shift chosen on the other half {METRICS[row['metric']]} goes from "
                f"{estimate(row, 'default')} to {estimate(row, 'held_out')}, "
                f"{row['held_out_won']} {things} won and {row['held_out_lost']} lost, "
                f"p {p_value(row['p_held_out'])}: {word} at p < {p_value(level)} "
                f"({SIGNIFICANT:g} over {count(len(table), 'row')}).",
                bool(better and clear),
            )
        )
    weak = table[table["default_low"] <= table["chance"]]
    if len(weak):
        names = listed(f"{row['model']} on {row['task']}" for _, row in weak.iterrows())
        found.append(
            Finding(
                f"Not above chance without any shift: {names}. Their rows say little of the gap."
            )
        )
    return found


def table1_tables(table: pd.DataFrame) -> list[Table]:
    """Table 1 of this run."""
    return [
        Table(
            "Zero-shot accuracy"
            + (
                " (roc_auc: area under the ROC curve; won and lost are pairs of pictures). "
                if (table["metric"] == "roc_auc").any()
                else ". "
            )
            + "Best shift: picked on these pictures; held out: picked on others. "
            "p of the best of all: permutation test of the largest of all shifts. "
            "Gap: signed distance of the centres, negative once they have passed each other.",
            [
                *("model, task", "n", "classes", "chance", "default", "best shift", "delta"),
                *(
                    "gap, default to best shift",
                    "p",
                    "p of the best of all",
                    "held out",
                    "won / lost",
                    "p held out",
                ),
            ],
            [
                [
                    f"{row['model']}, {row['task'].replace('_', ' ')}"
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


def table1_curves_found(sweep: pd.DataFrame) -> list[Finding]:
    """How much of the swept range keeps the accuracy of the unshifted model."""
    found = []
    for (model, task), part in sweep.groupby(["model", "task"], sort=False):
        default = part.loc[part["delta"] == 0, "score"].iloc[0]
        worst, best = part["score"].min(), part["score"].max()
        found.append(
            Finding(
                f"{model}, {task.replace('_', ' ')}: over {count(len(part), 'shift')} "
                f"{METRICS[part['metric'].iloc[0]]} runs from {number(worst)} to {number(best)}, "
                f"{number(default)} without a shift (n {part['n'].iloc[0]})."
            )
        )
    return found


def table2_found(table: pd.DataFrame, delta: float) -> list[Finding]:
    """What widening the gap does to the offensive labels, over all and group by group."""
    before = table[table["delta"] == 0].set_index("group")
    after = table[table["delta"] == delta].set_index("group").loc[before.index]
    change = (after["offensive"] - before["offensive"]).drop("all")
    one, other = before.loc["all"], after.loc["all"]
    fewer, clear = other["offensive"] < one["offensive"], other["p_value"] < SIGNIFICANT
    same = other["offensive"] == one["offensive"]
    word = "stays the same" if same else "falls" if fewer else "rises"
    return [
        Finding(
            f"Over all groups the number of pictures with an offensive label {word} at "
            f"delta {delta:g}: {one['offensive']:.0f} of {one['n']:.0f} "
            f"({_share(one, 'offensive')}) to {other['offensive']:.0f} "
            f"({_share(other, 'offensive')}), p {p_value(other['p_value'])}"
            + ("." if clear or same else ": no clear change."),
            bool(fewer and clear),
        ),
        Finding(
            f"It falls in {(change < 0).sum()}, rises in {(change > 0).sum()} and stays in "
            f"{(change == 0).sum()} of {count(len(change), 'group')} "
            f"(n {before['n'].drop('all').min()} to {before['n'].drop('all').max()} a group).",
            bool((change < 0).all()),
        ),
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
    """Gap, recall and loss before and after training."""
    found = []
    for model, curve in curves.groupby("model", sort=False):
        recorded = curve.dropna(subset=["gap"]).sort_values("step")
        first, last = recorded.iloc[0], recorded.iloc[-1]
        loss = curve.dropna(subset=["loss"]).sort_values("step")["loss"]
        grown = last["gap"] > first["gap"]
        found.append(
            Finding(
                f"{model}: over {last['step']:.0f} steps the gap "
                f"{'widens' if grown else 'narrows'} from {number(first['gap'])} to "
                f"{number(last['gap'])}, "
                f"recall@1 on held-out pairs goes from {number(first['recall1'])} to "
                f"{number(last['recall1'])} and the training loss from "
                f"{number(loss.iloc[0], 2)} to {number(loss.iloc[-1], 2)} (one seed).",
                bool(grown),
            )
        )
    return found


def results(
    data: Mapping[str, pd.DataFrame], found: Mapping, config: Mapping
) -> dict[str, tuple[list[Finding], list[Table]]]:
    """Sentences and tables of every figure and table, by its id; `data` by the table's name."""
    gap, cone, mlp, sphere = (data[name] for name in ("gap", "cone", "mlp_cone", "sphere"))
    landscape, table1, table2 = (data[name] for name in ("loss_landscape", "table1", "table2"))
    zero_shot = data["zero_shot"]
    published = {name: entry.get("published", {}) for name, entry in found.items()}
    delta = config["table2"]["shifts"][0]
    drawn = Finding("A drawing: there is nothing to measure.")
    return {
        "figure1": (figure1_found(gap), figure1_tables(gap, published["figure1"])),
        "figure2a": (figure2a_found(cone), figure2a_tables(cone, published["figure2a"])),
        "figure2b": (figure2b_found(mlp), figure2b_tables(mlp, published["figure2b"])),
        "figure2c": (figure2c_found(data["initialisation_spectrum"]), []),
        "figure3a": (figure3a_found(data["pca_shifts"]), []),
        "figure3bcd": (
            figure3bcd_found(landscape, gap),
            figure3bcd_tables(landscape, published["figure3bcd"]),
        ),
        "figure3ef": ([drawn], []),
        "figure3g": (figure3g_found(sphere), figure3g_tables(sphere, published["figure3g"])),
        "table1": (table1_found(table1), table1_tables(table1)),
        "table1_curves": (table1_curves_found(zero_shot), []),
        "table2": (table2_found(table2, delta), table2_tables(table2, delta)),
        "training": (training_found(data["training"]), []),
    }


# What a run is made of


def models_rows(
    sets: Mapping,
    metadata: Mapping[tuple[str, str], Mapping],
    sizes: Mapping[tuple[str, str], int],
    known: Mapping,
    config: Mapping,
) -> list[dict]:
    """Rows of "Models and data", one a set and modality, each with its stand-ins.

    `metadata` and `sizes` (rows of the file) by set and modality; `known`: the stand-ins by name.
    """
    rows = []
    for (name, modality), about in metadata.items():
        entry, speed = sets[name], about.get("extraction", {})
        inputs, encoders = makings_of_sets([entry], config)
        if "projection" in entry:
            encoders = [config["projections"][entry["projection"]]["encoders"][modality]]
        labels = [config["encoders"][encoder]["label"] for encoder in encoders]
        if "projection" in entry:
            labels[0] += f", projected to {config['projections'][entry['projection']]['dim']}"
        sha = about.get("weights_sha256")
        inferring = speed.get("infer_s")
        rows.append(
            {
                "set": name,
                "modality": modality,
                "model": listed(labels) if labels else about.get("model", NONE),
                "weights": about.get("projection") or about.get("weights", NONE),
                "encoder_weights": about.get("weights", "") if "projection" in about else "",
                "sha256": sha[:12] if sha else NONE,
                "dataset": _described(config["inputs"].get(entry.get("inputs")), about),
                "precision": about.get("dtype", NONE),
                "n": f"{sizes[name, modality]:,}",
                "per_s": number(speed.get("items_per_s"), 1),
                "forward_per_s": number(speed["items"] / inferring, 1) if inferring else NONE,
                "device": speed.get("device", NONE),
                "note": entry.get("note", ""),
                "stand_ins": stand_ins(known, inputs, encoders, config)[0],
            }
        )
    return rows


def _described(inputs: Mapping | None, about: Mapping) -> str:
    """Inputs of a set, as in the config, in a few words; else what its metadata say of them."""
    if inputs is None:
        return str(about.get("dataset", NONE))
    words = [inputs["dataset"]]
    words += [
        f"{key} {' or '.join(map(str, values))}" for key, values in inputs.get("where", {}).items()
    ]
    if "sample" in inputs:
        words.append(f"sample of {inputs['sample']}")
    return ", ".join(words)


def used_assets(found: Mapping, config: Mapping) -> set[str]:
    """Names of the assets behind all that a configuration makes, at hand or not."""
    inputs, encoders = [], []
    for name in found:
        made_of = makings(name, config["sets"], config)
        inputs += made_of[0]
        encoders += made_of[1]
    experiments = config["experiments"]
    inputs.append(config["tasks"][experiments["temperature"]["task"]]["inputs"])
    encoders += [model["encoder"] for model in experiments["models"].values()]
    datasets = [config["inputs"][name]["dataset"] for name in inputs if name in config["inputs"]]
    datasets += [model["dataset"] for model in experiments["models"].values()]
    used = {entry["released"] for entry in config["sets"].values() if "released" in entry}
    for name in encoders:
        spec = config["encoders"].get(name, {})
        used |= {spec[key] for key in ("wheel", "weights") if key in spec}
    while datasets:
        name = datasets.pop()
        entry = config["datasets"].get(name, {"files": MADE_OF.get(name, {})})
        if entry.get("format") == "union":
            datasets += entry["files"].values()
        else:
            used |= {*entry["files"].values()}
    return used


def sources_rows(assets: Mapping[str, Mapping], used: Collection[str]) -> list[dict]:
    """Rows of "Sources and licences": the used assets, those that differ in their path and checksum
    alone in one row."""
    alike: dict[str, list[str]] = {}
    for name in assets:
        if name in used:
            same = {key: value for key, value in assets[name].items() if key not in ONE_FILES}
            alike.setdefault(repr(same), []).append(name)
    rows = []
    for names in alike.values():
        asset = assets[names[0]]
        size = asset.get("bytes") or asset["about_bytes"]
        source = asset.get("requirement", asset["path"])
        checksum = asset.get("sha256", "")[:12] or (
            f"md5 {asset['md5'][:8]}" if "md5" in asset else ""
        )
        if len(names) > 1:
            source = f"{source.rpartition('/')[0]}/, {len(names)} files"
            checksum = checksum and "one a file"
        rows.append(
            asset
            | {
                "name": names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}",
                "from": source,
                "mb": ("" if "bytes" in asset else "about ")
                + (f"{size / 1e6:.1f}" if "bytes" in asset else f"{float(f'{size / 1e6:.2g}'):g}")
                + (" each" if len(names) > 1 else ""),
                "checksum": checksum,
            }
        )
    return rows


def versions(requirements: str, names: Iterable[str]) -> dict[str, str]:
    """The locked versions of some packages, from the text of requirements.txt."""
    locked = dict(
        line.split(" ")[0].split(";")[0].split("==", 1)
        for line in requirements.splitlines()
        if "==" in line and not line.startswith((" ", "#", "\t"))
    )
    return {name: locked[name] for name in names if name in locked}


# HTML


def sections(
    found: Mapping,
    measured: Mapping[str, tuple[list[Finding], list[Table]]],
    captions: Mapping[str, str],
    figures: Mapping[str, bytes],
    config: Mapping,
    sets: Mapping,
    absent: Mapping,
    claims: Mapping[str, list[dict]],
    not_run: Mapping[str, Mapping],
) -> list[Section]:
    """Every figure and table in the order of `captions`; all by their ids. `claims`: rows of the
    ledger as `claims.shown` gives them; `not_run`: reason and command of what takes no part."""
    made = []
    for name, caption in captions.items():
        entry = found[name]
        alike = entry.get("like", name)  # made of the same models and data as another section
        made_of = makings(alike, sets, config)
        stands_in, others = stand_ins(found["stand_ins"], *made_of, config, alike)
        missing = alike in OF_ALL_SETS and absent
        findings, tables = measured.get(name, ([], []))
        made.append(
            Section(
                id=name,
                title=entry["title"],
                caption=caption_html(caption, config, name),
                paper=entry["paper"],
                errata=entry.get("errata", []),
                found=findings,
                tables=tables,
                claims=claims.get(name, []),
                rule=entry["rule"],
                script=entry["script"],
                data=entry["data"],
                image=embedded(figures[name]) if name in figures else "",
                alt=entry["alt"],
                stand_ins=stands_in,
                others=others,
                not_run=(
                    _reason(not_run[name])
                    if name in not_run
                    else f"Not run: could not be fetched: {listed(absent)}."
                    if missing
                    else ""
                ),
            )
        )
    return made


def _reason(entry: Mapping) -> str:
    return f"Not run. {entry['reason']} It needs: {entry['needs']}"


def plain_table(table: pd.DataFrame, caption: str) -> Table:
    """A table as it lies in its file, numbers with four digits, intervals beside their values; but
    for `source`, which is the same in every row and told in the caption."""
    bounds = {f"{name}_{end}" for name in table for end in ("low", "high")} & {*table}
    columns = [name for name in table if name not in bounds and name != "source"]
    rows = []
    for _, row in table.iterrows():
        cells = []
        for name in columns:
            value = row[name]
            text = f"{value:.4g}" if isinstance(value, float) else str(value)
            if f"{name}_low" in bounds:
                text += f" [{row[f'{name}_low']:.4g}, {row[f'{name}_high']:.4g}]"
            cells.append(text)
        rows.append(cells)
    return Table(caption, [name.replace("_", " ") for name in columns], rows)


def verdicts(made: Iterable[Section]) -> dict[str, int]:
    """How many sentences and compared numbers agree with the paper, and how many differ."""
    words = [
        word
        for section in made
        for word in (
            *(finding.verdict for finding in section.found),
            *(row[-1] for table in section.tables for row in table.rows),
        )
    ]
    return {word: words.count(word) for word in ("agrees", "differs")}


def caption_html(source: str, config: Mapping, name: str) -> Markup:
    """A caption, Jinja2 over reStructuredText as in Snakemake's report, as HTML.

    HTML in it comes out as text, as do all marks in values of the config; it can include no file.
    Raises InputError where it is faulty.
    """
    ready = config.get("stand_ins", {}).values()  # plain where they quote the config
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: (
            plain(value) if isinstance(value, str) and value not in ready else value
        ),
    )
    try:
        text = environment.from_string(source).render(snakemake=SimpleNamespace(config=config))
        parts = publish_parts(
            text,
            writer="html5",
            settings_overrides={
                "raw_enabled": False,
                "file_insertion_enabled": False,
                "halt_level": 2,
                "report_level": 5,
                "initial_header_level": 3,
                "_disable_config": True,
            },
        )
    except (jinja2.TemplateError, SystemMessage) as error:
        raise InputError(f"The caption {name} cannot be rendered ({error}); correct it.") from error
    return Markup(parts["fragment"])


def embedded(svg: bytes) -> str:
    """An SVG file as a data address: ids of two figures cannot collide, scripts cannot run."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")


def render_page(templates: Mapping[str, str], name: str, **values: object) -> str:
    """A page from its template, by name; templates extend one another by their names.

    Every value is escaped unless it is Markup: names and notes are data.
    """
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(dict(templates)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name).render(**values)
