"""What this run found in its training experiments."""

import math
from collections.abc import Mapping

import pandas as pd

from modality_gap.pages.findings.base import Finding
from modality_gap.pages.labels import trained_here
from modality_gap.pages.words import (
    count,
    estimate,
    fraction,
    interval,
    listed,
    number,
    percent,
)


def training_findings(curves: pd.DataFrame) -> list[Finding]:
    """The gap, recall and loss before and after training. The paper has no such experiment."""
    findings = []
    for model, curve in curves.groupby("model", sort=False):
        recorded = curve.dropna(subset=["gap"]).sort_values("step")
        first, last = recorded.iloc[0], recorded.iloc[-1]
        loss = curve.dropna(subset=["loss"]).sort_values("step")["loss"]
        findings.append(
            Finding(
                f"{model}: over {last['step']:.0f} steps the gap goes from {number(first['gap'])} "
                f"to {number(last['gap'])}, recall@1 on held-out pairs from "
                f"{number(first['recall1'])} to {number(last['recall1'])} and the "
                f"training loss from {number(loss.iloc[0], 2)} to {number(loss.iloc[-1], 2)} "
                "(one seed)."
            )
        )
    return findings


def _beside(row: Mapping, other: Mapping, name: str) -> str:
    """How a row's estimate compares with another row's. It is higher or lower if their intervals
    are apart."""
    if row[f"{name}_low"] > other[f"{name}_high"]:
        return "higher than"
    return "lower than" if row[f"{name}_high"] < other[f"{name}_low"] else "not clearly other than"


def temperature_findings(summary: pd.DataFrame) -> list[Finding]:
    """How fine-tuning at the highest temperature differs from fine-tuning at the lowest, in one
    sentence each for gap, accuracy and recall. Accuracy is not measured in every run."""
    rows = summary.set_index("temperature").sort_index()
    cold, hot = rows.iloc[0], rows.iloc[-1]
    model = trained_here(hot["model"])
    start = f"After fine-tuning of {model} at temperature {fraction(rows.index[-1])}"
    end = f"after that at {fraction(rows.index[0])}"
    seeds = f"mean and interval over {count(int(hot['n']), 'seed')}"

    def compared(name: str, words: str) -> str:
        return (
            f"{words} is {estimate(hot, name)}, {_beside(hot, cold, name)} {estimate(cold, name)}"
        )

    findings = [
        Finding(
            f"{start} {compared('gap_after', 'the gap')} {end} "
            f"({seeds}; before either it is {number(hot['gap_before'])}).",
            ("training.gap_falls_with_temperature", "training.high_temperatures_close_the_gap"),
            lead=True,
        )
    ]
    if "zero_shot_after" in rows and math.isfinite(hot["zero_shot_after"]):
        findings.append(
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
    findings.append(
        Finding(
            f"{start} {' and '.join(recalls)} {end} ({seeds}).",
            ("training.recall_falls_at_temperature_1",),
            lead=True,
        )
    )
    return findings


def initialisation_findings(summary: pd.DataFrame, difference: pd.DataFrame) -> list[Finding]:
    """The gap after training that starts without a gap, by temperature mode."""
    findings = []
    for _, ratio in difference.iterrows():
        mode = ratio["temperature_mode"]
        rows = summary[summary["temperature_mode"] == mode].set_index("start")
        one, other = rows.loc["original"], rows.loc["rotated"]
        share = "gap_after_rotated_over_original"
        findings.append(
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
    return findings


def dimension_findings(summary: pd.DataFrame) -> list[Finding]:
    """The gap after training, by the dimension of the shared space. `summary` is
    dimension_summary.csv."""
    rows = summary.sort_values("dim")
    low, high = (rows.loc[rows["gap_after"].agg(end)] for end in ("idxmin", "idxmax"))
    seeds = f"mean and interval over {count(int(rows['n'].iloc[0]), 'seed')}"
    if len(rows) == 1:
        text = f"In {low['dim']:.0f} dimensions the gap after training is "
        return [Finding(f"{text}{estimate(low, 'gap_after')} ({seeds}).", ("training.dimension",))]
    return [
        Finding(
            f"After training the mean gap is smallest in {low['dim']:.0f} dimensions, "
            f"{estimate(low, 'gap_after')}, and largest in {high['dim']:.0f}, "
            f"{estimate(high, 'gap_after')} ({seeds}).",
            ("training.dimension", "training.dimension_32"),
        )
    ]


def same_modality_findings(summary: pd.DataFrame) -> list[Finding]:
    """The gap between two networks of one modality, before and after training; and whether a
    classifier tells the two apart. `summary` is same_modality_summary.csv."""
    rows = [row for _, row in summary.iterrows()]
    gaps = listed(
        f"{estimate(row, 'gap_before')} to {estimate(row, 'gap_after')} ({row['modality']}s)"
        for row in rows
    )
    apart = listed(f"{estimate(row, 'separability_after')} ({row['modality']}s)" for row in rows)
    return [
        Finding(
            f"Between two networks fed the same items the gap goes from {gaps}. After training a "
            f"linear classifier tells them apart with accuracy {apart} (mean and interval over "
            f"{count(int(rows[0]['n']), 'seed')}).",
            tuple(f"training.same_modality.{row['modality']}" for row in rows),
        )
    ]
