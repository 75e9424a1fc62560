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
            *_one_modality(data["same_modality_summary"]),
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
    spans: list[str] = []
    for weights, words in WEIGHTS.items():
        part = gap[gap["weights"] == weights]
        if len(part):
            low, high = part["gap"].min(), part["gap"].max()
            span = number(low, 2) + (f" to {number(high, 2)}" if len(part) > 1 else "")
            sets = count(len(part), "set") if not spans else len(part)
            spans.append(f"{span} in {sets} with {words}")
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
    "original": "from {before} to {after} (the authors' widens)",
    "rotated": "from {before}, where a rotation closes it, to {after}",
}


def _cone_of_layers(mlp: pd.DataFrame) -> Finding:
    """How narrow the cone of random layers is, with and without a non-linearity and biases."""
    deepest = mlp["layer"].max()
    last = mlp[mlp["layer"] == deepest].set_index("activation")
    curved = last.drop(index="linear", errors="ignore")
    spans = []
    for bias, words in ((True, "with biases"), (False, "without")):
        cosines = curved["mean_cosine"][curved["bias"].astype(bool) == bias]
        if len(cosines):
            least = f"{number(cosines.min(), 2)} ({cosines.idxmin()})"
            most = f" to {number(cosines.max(), 2)}" if len(cosines) > 1 else ""
            spans.append(f"{least}{most} {words}")
    flat = last["mean_cosine"][last.index == "linear"]
    return Finding(
        f"In simulation, {deepest} random non-linear layers give outputs a mean cosine (1: the "
        f"narrowest cone) of {listed(spans)}"
        + (f"; linear layers, at most {number(flat.max(), 2)}." if len(flat) else "."),
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


def _one_modality(towers: pd.DataFrame) -> list[Finding]:
    """The gap that remains between two trained models of one modality."""
    if not len(towers):
        return []
    gaps = [
        f"{estimate(row, 'gap_after', 2)} (two {row['modality']} towers)"
        for row in towers.to_dict("records")
    ]
    return [
        Finding(
            f"Towers of one modality, trained on the same items, keep a gap of {listed(gaps)}.",
            tuple(f"training.same_modality.{name}" for name in towers["modality"]),
        )
    ]


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
        whose = "recall" if said else f"{first['model']}'s recall (to texts)"
        said.append(
            f"{CLOSING[one['method']]} leaves {'' if said else 'a gap of '}"
            f"{number(one['gap'], 2)}, with {whose} {_compared(low, high)} "
            f"({number(change, 1)} {interval(low, high, 1)}" + (")" if said else " points)")
        )
    words = "; ".join(said)
    text = f"On held-out pairs (n {fitted[0]['n_scored']:,}), {words}."
    return [closed, Finding(text)]


def _compared(low: float, high: float) -> str:
    """What the interval of a change says about its sign."""
    if low <= 0 <= high:
        return "undecided"
    return "higher" if low > 0 else "lower"


def _best_shift(table: pd.DataFrame, names: pd.Series) -> list[Finding]:
    """In how many tests the shift that is best on one half changes the accuracy on the other half,
    and the models with tests in which no shift is the best."""
    judged = table[table.apply(classifies, axis=1).astype(bool)]
    shifted = (judged[["held_out_delta_1", "held_out_delta_2"]] != 0).any(axis=1)
    moved = judged[shifted]
    if not len(moved):
        return []
    clear = moved["p_held_out"] < SIGNIFICANT / len(judged)
    models, still = (
        listed(dict.fromkeys(rows["set"].map(names))) for rows in (moved, judged[~shifted])
    )
    return [
        Finding(
            "The best shift on half the pictures clearly changes zero-shot accuracy on the other "
            f"half in {of_all(int(clear.sum()), len(moved), 'test')} above chance ({models})"
            + (f"; {still}: no shift is best." if len(moved) < len(judged) else "."),
            ("table1.improvement_survives_the_choice",),
        )
    ]


def _fine_tuning(tuned: pd.DataFrame) -> str:
    """The gap after fine-tuning at each temperature, from the smallest gap to the largest, with the
    zero-shot accuracy if that was measured. Only the ends have their temperatures and intervals."""
    ordered = tuned.sort_values("gap_after", kind="stable")
    least, most = ordered.iloc[0], ordered.iloc[-1]
    who = trained_here(least["model"])
    orders = f"means of {count(int(least['n']), 'order')} of batches, same pictures"
    before = number(least["gap_before"], 2)

    def place(row: pd.Series) -> str:
        return f"{number(row['gap_after'], 2)} (temperature {fraction(row['temperature'])})"

    if "zero_shot_before" not in tuned or tuned["zero_shot_before"].isna().any():
        return (
            f"Fine-tuning {who} ({orders}) takes the gap from {before} to between {place(least)} "
            f"and {place(most)}."
        )

    def accuracy(row: pd.Series) -> str:
        low, high = (100 * row[f"zero_shot_after_{end}"] for end in ("low", "high"))
        return f"{percent(row['zero_shot_after'])} {interval(low, high, 1)} at gap {place(row)}"

    shares = ordered["zero_shot_after"].iloc[1:-1]
    low, high = (percent(share) for share in (shares.min(), shares.max()))
    between = f", {low if low == high else f'{low} to {high}'} between" if len(shares) else ""
    return (
        f"Fine-tuned ({orders}), {who} has an accuracy of {accuracy(least)}{between} and "
        f"{accuracy(most)}; before, {percent(least['zero_shot_before'])} at {before}."
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
        "With the gap widened, the authors' counts of offensive labels fall in "
        f"{of_all(len(fewer), len(groups), 'group')}: clearly in {fisher or 'none'} alone by "
        f"Fisher's test{_all_together(published)}, in at most {paired} by a paired one."
    )


def _all_together(published: pd.DataFrame) -> str:
    every = published[published["group"] == "all"].to_dict("records")
    if not every or not (every[0]["change"] < 0 and every[0]["p_fisher"] < SIGNIFICANT):
        return ""
    return f" (all together: p {p_value(every[0]['p_fisher'])})"
