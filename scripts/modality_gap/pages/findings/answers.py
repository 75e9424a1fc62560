"""Answers to the questions of the summary, as sentences made from the tables of a run."""

from collections.abc import Mapping, Sequence

import pandas as pd

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


def answers(
    data: Mapping[str, pd.DataFrame], models: Sequence[Mapping] = ()
) -> dict[str, list[str]]:
    """Sentences that answer the questions of config/ledger/report.yaml, by the ids of the
    questions. `data` are the tables by their names. `models` are those of the explorer, each with
    its remedies."""
    gap = data["gap"]
    return {
        "there": _there(gap),
        "origin": _origin(data["mlp_cone_interval"], data["initialisation_summary"]),
        "moves": _moves(data["loss_minimum"], gap),
        "matters": [
            *_retrieval(able_peaks(data["recall_peak"], gap), models),
            *_best_shift(data["table1"], gap.set_index("set")["model"]),
            *_fine_tuning(data["temperature_summary"]),
            *_offensive_labels(data["published_table2"]),
        ],
    }


def _there(gap: pd.DataFrame) -> list[str]:
    spans = []
    for weights, words in WEIGHTS.items():
        part = gap[gap["weights"] == weights]
        if len(part):
            low, high = part["gap"].min(), part["gap"].max()
            span = number(low, 2) + (f" to {number(high, 2)}" if len(part) > 1 else "")
            spans.append(f"{span} with {words} ({len(part)})")
    clear, sorted_out = gap["gap_low"] > 0, gap["separability"]
    return [
        f"The gap is {listed(spans)}, clearly above 0 in "
        f"{of_all(int(clear.sum()), len(gap), 'set')}.",
        f"A linear classifier sorts {percent(sorted_out.min(), 0)} to "
        f"{percent(sorted_out.max(), 0)} of held-out vectors by modality.",
    ]


# What training does to the gap of each start.
STARTS = {
    "original": "from {before} to {after} (in the paper it widens)",
    "rotated": "from {before}, closed by a rotation, to {after}",
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
    for model, rows in fixed.groupby("model", sort=False):
        of_start = rows.set_index("start")
        changes = [
            words.format(
                before=number(of_start.loc[start, "gap_before"], 2),
                after=estimate(of_start.loc[start], "gap_after", 2),
            )
            for start, words in STARTS.items()
            if start in of_start.index
        ]
        sentences.append(f"Training takes the gap of {trained_here(model)} {listed(changes)}.")
    return sentences


def _moves(minimum: pd.DataFrame, gap: pd.DataFrame) -> list[str]:
    rows = able_minima(minimum, gap)
    if not len(rows):
        return ["No trained model of this run retrieves well above chance."]
    return smallest_loss(rows)


def _retrieval(peaks: pd.DataFrame, models: Sequence[Mapping]) -> list[str]:
    """What a shift that closes the gap does to recall; and what centring does to recall in the
    first of the same models."""
    if not (sentence := closing(peaks)):
        return []
    first = peaks.iloc[0]
    remedies = {row["set"]: row["remedies"] for row in models}.get(first["set"], [])
    centring = next((one for one in remedies if one["method"] == "centre"), None)
    if centring is None:
        return [sentence]
    change, low, high = (100 * end for end in centring["change"]["ab"])
    return [
        sentence,
        f"Centring {first['model']}'s modalities (gap {number(centring['gap'], 2)}) changes its "
        f"recall by {number(change, 1)} {interval(low, high, 1)} points "
        f"(n {centring['n_scored']:,}).",
    ]


def _best_shift(table: pd.DataFrame, names: pd.Series) -> list[str]:
    """In how many tests the shift that is best on one half changes the accuracy on the other half,
    and in how many more tests no shift is the best."""
    judged = table[table.apply(classifies, axis=1).astype(bool)]
    moved = judged[(judged[["held_out_delta_1", "held_out_delta_2"]] != 0).any(axis=1)]
    if not len(moved):
        return []
    clear = moved["p_held_out"] < SIGNIFICANT / len(judged)
    unmoved = len(judged) - len(moved)
    return [
        "The best shift on half of the pictures clearly changes zero-shot accuracy on the other "
        f"half in {of_all(int(clear.sum()), len(moved), 'test')} above chance ("
        f"{listed(dict.fromkeys(moved['set'].map(names)))})"
        + (f"; in {unmoved} more it is 0." if unmoved else ".")
    ]


def _fine_tuning(tuned: pd.DataFrame) -> list[str]:
    """The gap and, if it was measured, zero-shot accuracy after fine-tuning at the highest and at
    the lowest temperature."""
    cold, hot = (tuned.loc[tuned["temperature"].agg(end)] for end in ("idxmin", "idxmax"))
    scored = "zero_shot_before" in tuned and pd.notna(hot["zero_shot_before"])

    def after(row: pd.Series, gap: str = "", accuracy: str = "") -> str:
        words = gap + number(row["gap_after"], 2)
        if scored:
            low, high = (100 * row[f"zero_shot_after_{end}"] for end in ("low", "high"))
            share = percent(row["zero_shot_after"])
            words += f" and {accuracy}{share} {interval(low, high, 1)}"
        return words

    before = number(hot["gap_before"], 2)
    if scored:
        before += f" and {percent(hot['zero_shot_before'])}"
    words = (
        f"Fine-tuned at temperature {fraction(hot['temperature'])}, {trained_here(hot['model'])} "
        f"has {after(hot, 'a gap of ', 'accuracy of ')}; at {fraction(cold['temperature'])}, "
        f"{after(cold)}"
    )
    if scored and len(between := tuned["zero_shot_after"].drop([cold.name, hot.name])):
        words += f"; between, {percent(between.min())} to {percent(between.max())}"
    return [f"{words} (before: {before}; means of {count(int(hot['n']), 'seed')})."]


def _offensive_labels(published: pd.DataFrame) -> list[str]:
    """In how many groups the counts of the paper fall, and in how many they clearly fall."""
    groups = published[published["group"] != "all"]
    fewer = groups[groups["change"] < 0]
    fisher, paired = (
        int((fewer[f"{test}_holm"] < SIGNIFICANT).sum()) for test in ("p_fisher", "p_mcnemar_least")
    )
    return [
        "The paper's counts of offensive labels, with the gap widened, fall in "
        f"{of_all(len(fewer), len(groups), 'group')}: clearly in {fisher or 'none'} by Fisher's "
        f"test, at most {paired} by a paired one."
    ]
