"""Answers to the questions of the summary, as sentences out of the tables of a run."""

from collections.abc import Mapping

import pandas as pd

from modality_gap.pages.findings.figure1 import SEPARATE
from modality_gap.pages.findings.figure3 import able_minima, smallest_loss
from modality_gap.pages.findings.recall import able_peaks, closing
from modality_gap.pages.findings.tables import SIGNIFICANT
from modality_gap.pages.labels import WEIGHTS, trained_here
from modality_gap.pages.words import (
    count,
    estimate,
    fraction,
    interval,
    listed,
    number,
    of_all,
    percent,
)
from modality_gap.paper.chance import classifies


def answers(data: Mapping[str, pd.DataFrame]) -> dict[str, list[str]]:
    """Sentences by the ids of config/ledger/report.yaml's questions; `data` by the table's name."""
    gap = data["gap"]
    return {
        "there": _there(gap),
        "origin": _origin(data["mlp_cone_interval"], data["initialisation_summary"]),
        "moves": _moves(data["loss_minimum"], gap),
        "matters": _matters(
            data["table1"],
            data["temperature_summary"],
            able_peaks(data["recall_peak"], gap),
            gap.set_index("set")["model"],
        ),
    }


def _there(gap: pd.DataFrame) -> list[str]:
    apart = (gap["gap_low"] > 0) & (gap["separability"] >= SEPARATE)
    spans = []
    for weights, words in WEIGHTS.items():
        part = gap[gap["weights"] == weights]
        if len(part):
            low, high = part["gap"].min(), part["gap"].max()
            span = number(low, 2) + (f" to {number(high, 2)}" if len(part) > 1 else "")
            spans.append(f"{span} with {words} ({len(part)})")
    return [
        f"In {of_all(int(apart.sum()), len(gap), 'set')} the gap is clearly above 0 and a linear "
        f"classifier sorts at least {percent(SEPARATE, 0)} of vectors by modality.",
        f"It is {listed(spans)}.",
    ]


# What training does to the gap of each start.
STARTS = {
    "rotated": (
        "With the gap of {model} closed before training ({before}), training opens one of {after}."
    ),
    "original": "From the original start, the gap goes from {before} to {after}.",
}


def _origin(mlp: pd.DataFrame, starts: pd.DataFrame) -> list[str]:
    deepest = mlp["layer"].max()
    last = mlp[mlp["layer"] == deepest].set_index("activation")
    biased = last["bias"].astype(bool)
    table, without = last[biased]["mean_cosine"], last[~biased]["mean_cosine"]
    curved = table.drop(index="linear", errors="ignore")
    sentences = [
        f"After {deepest} random layers with biases, the mean cosine of two outputs is "
        f"{number(curved.min(), 2)} to {number(curved.max(), 2)} with a non-linearity"
        + (f" and {number(table['linear'], 2)} without" if "linear" in table else "")
        + "; 1 is the narrowest cone."
    ]
    if "tanh" in without:
        sentences.append(f"For tanh it is {number(without['tanh'], 2)} without biases.")
    fixed = starts[starts["temperature_mode"] == "fixed"]
    for start, words in STARTS.items():
        for _, row in fixed[fixed["start"] == start].iterrows():
            before, after = number(row["gap_before"], 2), estimate(row, "gap_after", 2)
            sentences.append(
                words.format(model=trained_here(row["model"]), before=before, after=after)
            )
    return sentences


def _moves(minimum: pd.DataFrame, gap: pd.DataFrame) -> list[str]:
    rows = able_minima(minimum, gap)
    if not len(rows):
        return ["No trained model of this run retrieves well above chance."]
    return smallest_loss(rows)


def _matters(
    table: pd.DataFrame, tuned: pd.DataFrame, peaks: pd.DataFrame, names: pd.Series
) -> list[str]:
    sentences = [sentence] if (sentence := closing(peaks)) else []
    judged = table[table.apply(classifies, axis=1).astype(bool)]
    if len(judged):
        clear = judged["p_held_out"] < SIGNIFICANT / len(judged)
        still = (judged[["held_out_delta_1", "held_out_delta_2"]] == 0).all(axis=1)
        sentences.append(
            "With the best shift chosen on half of the pictures, accuracy on the other half "
            f"clearly changes in {of_all(int(clear.sum()), len(judged), 'test')} above chance of "
            f"{listed(dict.fromkeys(judged['set'].map(names)))}"
            + (f" (in {still.sum()} no shift is best)." if still.any() else ".")
        )
    cold, hot = (tuned.loc[tuned["temperature"].agg(end)] for end in ("idxmin", "idxmax"))
    over = f"means of {count(int(hot['n']), 'seed')}"
    sentence = (
        f"Fine-tuning {trained_here(hot['model'])} takes the gap from "
        f"{number(hot['gap_before'], 2)} to {number(hot['gap_after'], 2)} at temperature "
        f"{fraction(hot['temperature'])} and to {number(cold['gap_after'], 2)} at "
        f"{fraction(cold['temperature'])}"
    )
    if "zero_shot_before" in tuned and pd.notna(hot["zero_shot_before"]):
        low, high = (100 * hot[f"zero_shot_after_{end}"] for end in ("low", "high"))
        sentence += (
            f", zero-shot accuracy from {percent(hot['zero_shot_before'])} to "
            f"{percent(hot['zero_shot_after'])} {interval(low, high, 1)} and to "
            f"{percent(cold['zero_shot_after'])}"
        )
        between = tuned["zero_shot_after"].drop([cold.name, hot.name])
        if len(between):
            sentence += f" (between them: {percent(between.min())} to {percent(between.max())})"
        over = f"means, intervals over {count(int(hot['n']), 'seed')}"
    return [*sentences, f"{sentence} ({over})."]
