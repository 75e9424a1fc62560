"""Answers to the questions of the summary: sentences made from the tables of a run, each with the
claims that it bears on."""

from collections.abc import Mapping, Sequence

import pandas as pd

from modality_gap.pages.findings.base import Finding
from modality_gap.pages.findings.figure2 import cones_of_starts
from modality_gap.pages.findings.figure3 import (
    able_minima,
    loss_at_own_gaps,
    smallest_loss,
    smallest_loss_when_hot,
)
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
    p_value,
    percent,
)
from modality_gap.paper.chance import classifies
from modality_gap.paper.ledger import KINDS


def answers(
    data: Mapping[str, pd.DataFrame], models: Sequence[Mapping] = ()
) -> dict[str, list[Finding]]:
    """What answers the questions of config/ledger/report.yaml, by the ids of the questions. `data`
    are the tables by their names. `models` are those of the explorer, each with its remedies."""
    gap = data["gap"]
    return {
        "there": _there(gap),
        "origin": [
            _cone_of_layers(data["mlp_cone_interval"]),
            cones_of_starts(data["initialisation_spectrum"]),
            _trained_gaps(data["initialisation_summary"]),
        ],
        "moves": _moves(data["loss_minimum"], gap),
        "matters": [
            *_retrieval(able_peaks(data["recall_peak"], gap), models),
            *_best_shift(data["table1"], gap.set_index("set")["model"]),
            Finding(
                _fine_tuning(data["temperature_summary"]), ("training.closed_gap_serves_better",)
            ),
            Finding(
                _offensive_labels(data["published_table2"]),
                ("table2.all_groups_improve",),
                kind=KINDS["printed"],
            ),
        ],
    }


def _there(gap: pd.DataFrame) -> list[Finding]:
    spans = []
    for weights, words in WEIGHTS.items():
        part = gap[gap["weights"] == weights]
        if len(part):
            low, high = part["gap"].min(), part["gap"].max()
            span = number(low, 2) + (f" to {number(high, 2)}" if len(part) > 1 else "")
            spans.append(f"{span} with {words} ({len(part)})")
    clear = gap["gap_low"] > 0
    return [
        Finding(
            f"The gap is {listed(spans)}, clearly above 0 in "
            f"{of_all(int(clear.sum()), len(gap), 'set')}.",
            ("figure1.trained_sets_are_apart", "figure1.untrained_sets_are_apart"),
        )
    ]


# What training does to the gap of each start.
STARTS = {
    "original": "from {before} to {after} (in the notebooks it widens)",
    "rotated": "from {before}, closed by a rotation, to {after}",
}


def _cone_of_layers(mlp: pd.DataFrame) -> Finding:
    """How narrow the cone of random layers is, with and without a non-linearity."""
    deepest = mlp["layer"].max()
    last = mlp[mlp["layer"] == deepest].set_index("activation")
    biased = last["bias"].astype(bool)
    table, without = last[biased]["mean_cosine"], last[~biased]["mean_cosine"]
    curved = table.drop(index="linear", errors="ignore")
    bare = f" (tanh without biases: {number(without['tanh'], 2)})" if "tanh" in without else ""
    return Finding(
        f"Simulated: {deepest} random layers with biases give outputs a mean cosine of "
        f"{number(curved.min(), 2)} to {number(curved.max(), 2)} with a non-linearity{bare}"
        + (f" and {number(table['linear'], 2)} without" if "linear" in table else "")
        + "; 1 is the narrowest cone.",
        ("figure2b.non_linear_layers_narrow",),
    )


def _trained_gaps(starts: pd.DataFrame) -> Finding:
    """What training takes the gap of each model to, from each start."""
    fixed = starts[starts["temperature_mode"] == "fixed"]
    sentences = []
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
    return Finding(" ".join(sentences), ("training.gap_comes_back", "training.original_gap_widens"))


def _moves(minimum: pd.DataFrame, gap: pd.DataFrame) -> list[Finding]:
    rows = able_minima(minimum, gap)
    if not len(rows):
        return [Finding("No trained model of this run retrieves well above chance.")]
    return [
        Finding(
            " ".join(smallest_loss(rows, loss_at_own_gaps)),
            ("figure3b.minimum_at_the_gap", "figure3b.closing_raises_the_loss"),
        ),
        *(
            Finding(sentence, ("figure3d.no_gap_at_temperature_1",))
            for sentence in smallest_loss_when_hot(rows)
        ),
    ]


# Methods that leave little of the gap; they are fitted on other pairs than those scored.
CLOSING = {"centre": "subtracting each side's mean", "project_out": "projecting the gap out"}


def _retrieval(peaks: pd.DataFrame, models: Sequence[Mapping]) -> list[Finding]:
    """What a shift that closes the gap does to recall. In the first of the same models, also what
    two fitted methods do to recall, and how much of the gap they leave."""
    if not (sentence := closing(peaks)):
        return []
    closed = Finding(sentence, ("figure3.closing_lowers_recall",))
    first = peaks.iloc[0]
    remedies = {row["set"]: row["remedies"] for row in models}.get(first["set"], [])
    fitted = [one for one in remedies if one["method"] in CLOSING]
    if not fitted:
        return [closed]
    said: list[str] = []
    for one in fitted:
        change, low, high = (100 * end for end in one["change"]["ab"])
        whose = "recall" if said else f"{first['model']}'s recall"
        said.append(
            f"{CLOSING[one['method']]} leaves {'' if said else 'a gap of '}"
            f"{number(one['gap'], 2)} and changes {whose} "
            f"by {number(change, 1)} {interval(low, high, 1)}" + ("" if said else " points")
        )
    words = "; ".join(said)
    text = f"{words[0].upper()}{words[1:]} (one half, {fitted[0]['n_scored']:,})."
    return [closed, Finding(text)]


def _best_shift(table: pd.DataFrame, names: pd.Series) -> list[Finding]:
    """In how many tests the shift that is best on one half changes the accuracy on the other half,
    and in how many more tests no shift is the best."""
    judged = table[table.apply(classifies, axis=1).astype(bool)]
    moved = judged[(judged[["held_out_delta_1", "held_out_delta_2"]] != 0).any(axis=1)]
    if not len(moved):
        return []
    clear = moved["p_held_out"] < SIGNIFICANT / len(judged)
    unmoved = len(judged) - len(moved)
    return [
        Finding(
            "The best shift on half the pictures clearly changes zero-shot accuracy on the other "
            f"half in {of_all(int(clear.sum()), len(moved), 'test')} above chance ("
            f"{listed(dict.fromkeys(moved['set'].map(names)))})"
            + (f"; {unmoved} more {'picks' if unmoved == 1 else 'pick'} none." if unmoved else "."),
            ("table1.improvement_survives_the_choice",),
        )
    ]


def _fine_tuning(tuned: pd.DataFrame) -> str:
    """The smallest and the largest gap after fine-tuning. If zero-shot accuracy was measured, also
    the accuracy at both, and the lowest accuracy if it is at neither."""
    least, most = (tuned.loc[tuned["gap_after"].agg(end)] for end in ("idxmin", "idxmax"))
    scored = "zero_shot_before" in tuned and tuned["zero_shot_before"].notna().all()

    who, seeds = trained_here(least["model"]), f"means of {count(int(least['n']), 'seed')}"
    before, lowest = number(least["gap_before"], 2), ""

    def place(row: pd.Series) -> str:
        return f"{number(row['gap_after'], 2)}, temperature {fraction(row['temperature'])}"

    if not scored:
        return (
            f"Fine-tuned ({seeds}), {who} has the smallest gap ({place(least)}) and the largest "
            f"({place(most)}); before: {before}."
        )

    def accuracy(row: pd.Series) -> str:
        low, high = (100 * row[f"zero_shot_after_{end}"] for end in ("low", "high"))
        return f"{percent(row['zero_shot_after'])} {interval(low, high, 1)}"

    worst = tuned.loc[tuned["zero_shot_after"].idxmin()]
    if worst.name not in (least.name, most.name):
        share = percent(worst["zero_shot_after"])
        same = tuned[tuned["zero_shot_after"].map(percent) == share].sort_values("gap_after")
        lowest = f"; lowest: {share} at {listed(number(gap, 2) for gap in same['gap_after'])}"
    return (
        f"Fine-tuned ({seeds}), accuracy of {who} is {accuracy(least)} at the smallest gap "
        f"({place(least)}) and {accuracy(most)} at the largest ({place(most)}){lowest}; before, "
        f"{percent(least['zero_shot_before'])} ({before})."
    )


def _offensive_labels(published: pd.DataFrame) -> str:
    """In how many groups the counts of the paper fall, in how many they clearly fall, and whether
    the count of all groups together clearly falls."""
    groups = published[published["group"] != "all"]
    fewer = groups[groups["change"] < 0]
    fisher, paired = (
        int((fewer[f"{test}_holm"] < SIGNIFICANT).sum()) for test in ("p_fisher", "p_mcnemar_least")
    )
    return (
        "The notebooks' counts of offensive labels, with the gap widened, fall in "
        f"{of_all(len(fewer), len(groups), 'group')}: clearly in {fisher or 'none'} by Fisher's "
        f"test{_all_together(published)}, at most {paired} by a paired one."
    )


def _all_together(published: pd.DataFrame) -> str:
    every = published[published["group"] == "all"].to_dict("records")
    if not every or not (every[0]["change"] < 0 and every[0]["p_fisher"] < SIGNIFICANT):
        return ""
    return f" (together: p {p_value(every[0]['p_fisher'])})"
