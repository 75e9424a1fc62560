"""What this run found about Figure 2."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from modality_gap.pages.findings.base import Finding, Table
from modality_gap.pages.findings.figure1 import size
from modality_gap.pages.words import (
    NONE,
    count,
    estimate,
    listed,
    number,
    of_all,
    percent,
)

NARROW = 0.25  # as the ledger: the least mean cosine of a narrow cone


def figure2a_findings(cone: pd.DataFrame) -> list[Finding]:
    """Whether each encoder has a cone, and whether random weights make the cone narrower."""
    above, narrow = (cone["mean_cosine_low"] > bound for bound in (0, NARROW))
    least = cone.loc[cone["mean_cosine"].idxmin()]
    findings = [
        Finding(
            f"The mean cosine is clearly above 0 in {of_all(above.sum(), len(cone), 'panel')} and "
            f"clearly above {NARROW:g}, the least that counts as narrow here, in {narrow.sum()}. "
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
    others: dict[str, list[str]] = {}
    narrower, ids, compared = [], [], 0
    for encoder, part in cone.groupby("encoder", sort=False):
        rows = {(row["weights"], row["inputs"]): row for _, row in part.iterrows()}
        random, trained = rows["random", "real"], rows["trained", "real"]
        compared += 1
        ids.append(f"figure2a.random_narrower.{encoder}.real")
        if random["mean_cosine_low"] > trained["mean_cosine_high"]:
            narrower.append((random, trained))
            continue
        wider = random["mean_cosine_high"] < trained["mean_cosine_low"]
        word = "a wider cone than training" if wider else "no clearly different cone"
        others.setdefault(word, []).append(
            f"the {encoder} ({estimate(random, 'mean_cosine')} against "
            f"{estimate(trained, 'mean_cosine')}, n {random['n']:,} and {trained['n']:,})"
        )
    if narrower:
        spans = [
            (min(row["mean_cosine"] for row in side), max(row["mean_cosine"] for row in side))
            for side in zip(*narrower, strict=True)
        ]
        ends = [f"{number(low)} to {number(high)}" for low, high in spans]
        sizes = sorted({row["n"] for pair in narrower for row in pair})
        findings.append(
            Finding(
                f"On real inputs random weights give a narrower cone than training in "
                f"{of_all(len(narrower), compared, 'encoder')}: mean cosine {ends[0]} against "
                f"{ends[1]}, n {listed(map(str, sizes))}.",
                tuple(ids),
            )
        )
    for word, cases in others.items():
        text = f"On real inputs random weights give {word} in {listed(cases, '; ')}."
        findings.append(Finding(text, () if narrower else tuple(ids)))
    return findings


def _panel(row: Mapping) -> str:
    return f"the {row['encoder']}, {row['weights']} weights, {row['inputs']} inputs"


def _panel_id(row: Mapping) -> str:
    """The name of a panel of Figure 2(a) in the ledger's ids."""
    return f"{row['encoder']}.{row['weights']}.{row['inputs']}"


def figure2a_tables(cone: pd.DataFrame, published: Mapping[str, Any]) -> list[Table]:
    """All panels, beside the values that the paper's notebooks print for their own models.
    `published` has these values by the ids of the ledger."""
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


def figure2b_findings(mlp: pd.DataFrame) -> list[Finding]:
    """How the mean cosine changes with depth, with and without bias. `mlp` is
    mlp_cone_interval.csv."""
    deepest = mlp["layer"].max()
    table = mlp[mlp["layer"] == deepest].set_index(["activation", "bias"])
    activations = list(dict.fromkeys(mlp["activation"]))
    repeats = count(table["n"].iloc[0], "repeat")
    findings = []
    for bias in (True, False):
        alike: dict[str, list[str]] = {}
        for name in activations:
            value = number(table.loc[(name, bias), "mean_cosine"], 2)
            alike.setdefault(value, []).append(name.replace("_", " ").replace("relu", "ReLU"))
        texts = [f"{value} for {listed(names)}" for value, names in alike.items()]
        findings.append(
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
        findings.append(
            Finding(
                f"For tanh it is {with_bias} with and {without} without biases (mean of {repeats} "
                "with its interval).",
                ("figure2b.tanh_without_bias",),
            )
        )
    return findings


def figure2c_findings(spectrum: pd.DataFrame, claimed: bool = True) -> list[Finding]:
    """In how many encoders the spectrum of many initialisations drops where k cones require it, and
    how much of the variance is between the seeds. The sentences bear on the claims of Figure 2(c)
    if they are `claimed`, so not for noise."""
    rows = _spectra(spectrum)
    there = [row for row in rows if row["steepest"] == row["seeds"] - 1]
    shares = [row["between"] for row in rows]
    drops = [row["drop"] for row in rows]
    return [
        Finding(
            f"In {of_all(len(there), len(rows), 'encoder')} the steepest drop of the singular "
            "values comes where one cone for each seed needs it, after value "
            f"{rows[0]['seeds'] - 1}: by a factor of {_between(drops, 2)} there. "
            f"{_between([100 * share for share in shares], 0)} % of the variance lies between "
            f"the seeds ({rows[0]['seeds']} seeds, {rows[0]['items']} items each).",
            tuple(f"figure2c.own_cone.{row['encoder']}" for row in rows if claimed),
        )
    ]


def cones_of_starts(spectrum: pd.DataFrame) -> Finding:
    """The number of encoders in which each random start gives its own cone: the steepest drop of
    the singular values comes after value k - 1 for k starts."""
    rows = _spectra(spectrum)
    last = rows[0]["seeds"] - 1
    there = [row for row in rows if row["steepest"] == last]
    return Finding(
        f"{rows[0]['seeds']} random starts give {rows[0]['seeds']} separate cones in "
        f"{of_all(len(there), len(rows), 'encoder')}: singular value {last} is "
        f"{_between([row['drop'] for row in rows], 2)} times the next.",
        tuple(f"figure2c.own_cone.{row['encoder']}" for row in rows),
    )


def _between(values: list[float], digits: int) -> str:
    """A range in words, `1.35 to 3.94`, or the value if there is only one."""
    low, high = number(min(values), digits), number(max(values), digits)
    return low if low == high else f"{low} to {high}"


def figure2c_tables(spectrum: pd.DataFrame) -> list[Table]:
    """For each encoder, the drop of its spectrum at the place where k cones require one."""
    return [
        Table(
            "Singular values around the number of seeds. Drop: the value before over that after.",
            [
                *("encoder", "seeds", "items each", "value before", "value after", "drop"),
                *("steepest drop after value", "variance between the seeds"),
            ],
            [
                [
                    row["encoder"],
                    *(str(row[key]) for key in ("seeds", "items")),
                    *(number(row[key], 2) for key in ("before", "after", "drop")),
                    str(row["steepest"]),
                    percent(row["between"]),
                ]
                for row in _spectra(spectrum)
            ],
        )
    ]


def _spectra(spectrum: pd.DataFrame) -> list[dict]:
    rows = []
    for encoder, part in spectrum.groupby("encoder", sort=False):
        values = part.set_index("component")["singular_value"]
        seeds = int(part["initialisations"].iloc[0])
        drops = (values / values.shift(-1)).dropna()
        rows.append(
            {
                "encoder": str(encoder),
                "seeds": seeds,
                "items": part["items"].iloc[0],
                "before": values[seeds - 1],
                "after": values[seeds],
                "drop": drops[seeds - 1],
                "steepest": int(drops.idxmax()),
                "between": part["between_share"].iloc[0],
            }
        )
    return rows
