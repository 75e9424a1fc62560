"""The remedies of the explorer: how post-hoc methods change a set, from the tables of methods.

`methods`, `differences` and `names` are results/after/methods.csv, differences.csv and
method_names.csv. All values are of the fixed split: methods are fitted on some pairs and scored on
others.
"""

from collections.abc import Mapping

import pandas as pd

from modality_gap.measures.posthoc.registry import FIXED, LOSS_TEMPERATURE
from modality_gap.pages.words import fraction, minus, percent

PLAIN, CONTROLS = "none", ("other_first", "own_first")
# The slider has the shift; a score by kind leaves recall as it is.
LEFT_OUT = (
    *("shift", "shift_chosen", "translate", "translate_x", "drop2"),
    *("offset", "z_score", "centre_z_score"),
)
# What a remedy shows: its key on the page, and task and metric in methods.csv.
SHOWN = {
    "ab": ("T1", "recall1_xy"),
    "ba": ("T1", "recall1_yx"),
    "gap": ("T6", "gap"),
    "loss": ("T6", "loss"),
}
CHANGES = {"ab": "recall1_xy", "ba": "recall1_yx"}
# What a remedy does, in words; one that is not here is called by its label.
DOES = {
    "centre": "Centring subtracts each modality's mean.",
    "dn": "Distribution normalisation subtracts a quarter of each modality's mean.",
    "standardise": "Each coordinate is standardised within its modality.",
    "project_out": "The part of each vector along the gap is left out.",
    "procrustes_to_identity": "Both modalities are centred; the first is turned to the second.",
    "nnn": "An item's score is lowered by its similarity to the 16 nearest queries fitted on.",
    "inverted_softmax": "An item's score is lowered by its similarity to all queries fitted on.",
}
DIGITS = 5  # decimals; the page shows at most three


def remedies(
    methods: pd.DataFrame, differences: pd.DataFrame, names: pd.DataFrame
) -> dict[str, list[dict]]:
    """The methods of each set in their order; the first entry is the result without a method. Each
    has name, label, what it does, n_fit, n_scored and the values of SHOWN. A method that only
    changes scores lacks some of these values. `change` is the difference from the recall without a
    method, with its interval. The controls, LEFT_OUT and methods with a star are left out."""
    fixed = methods[methods["split"] == FIXED]
    compared = names[~names["star"] & ~names["method"].isin(CONTROLS + LEFT_OUT)]
    result: dict[str, list[dict]] = {}
    for name, of_set in fixed.groupby("set", sort=False):
        changes = differences[differences["set"] == name].set_index(["method", "metric"])
        rows = []
        for method, label in zip(compared["method"], compared["label"], strict=True):
            of = of_set[of_set["method"] == method].set_index(["task", "metric"])
            if ("T1", "recall1_xy") not in of.index:
                continue
            first = of.loc[("T1", "recall1_xy")]
            row = {"method": method, "label": label, "change": _changes(changes, method)}
            row["does"] = DOES.get(method, f"{label[0].upper()}{label[1:]}.")
            row |= {key: int(first[key]) for key in ("n_fit", "n_scored")}
            row |= {
                key: round(float(of.loc[place, "value"]), DIGITS)
                for key, place in SHOWN.items()
                if place in of.index
            }
            rows.append(row)
        if len(rows) > 1 and rows[0]["method"] == PLAIN:
            result[str(name)] = rows
    return result


def _changes(changes: pd.DataFrame, method: str) -> dict[str, list[float]]:
    found = {}
    for key, metric in CHANGES.items():
        if (method, metric) in changes.index:
            row = changes.loc[(method, metric)]
            ends = (row["difference"], row["difference_low"], row["difference_high"])
            found[key] = [round(float(end), DIGITS) for end in ends]
    return found


def sentence(model: Mapping, remedy: Mapping) -> str:
    """The sentence that the page shows about a remedy of an explorer's model;
    report/scripts/explorer.js writes the same. Each value has its own baseline, because the
    slider's values are of more pairs."""
    plain = model["remedies"][0]
    ways = {
        "ab": f"{model['first']} → {model['second']}",
        "ba": f"{model['second']} → {model['first']}",
    }
    parts = []
    for key, words in (
        ("gap", "gap"),
        ("loss", f"loss at {fraction(LOSS_TEMPERATURE)} in one batch of them"),
    ):
        if key in remedy and key in plain:
            parts.append(f"{words} {remedy[key]:.2f}, without it {plain[key]:.2f}")
    for key, way in ways.items():
        before = f"without it {percent(plain[key])}"
        text = f"recall@1 {way} {percent(remedy[key])}, {before}"
        if key in remedy["change"]:
            difference, low, high = (minus(f"{100 * x:+.1f}") for x in remedy["change"][key])
            text += f" ({difference} points [{low}, {high}])"
        parts.append(text)
    about = f"Fitted on {remedy['n_fit']:,} pairs, compared on {remedy['n_scored']:,} others"
    return f"{remedy['does']} {about}: {'; '.join(parts)}."
