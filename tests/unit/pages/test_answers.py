"""The answers of the summary, from tables in which every row and column has other numbers. Their
words may change: each test reads the numbers in their order, and the words on which they turn."""

import re
from functools import cache

import pandas as pd
import pytest
from invented import (
    data,
    gap_row,
    initialisation_tables,
    minimum_table,
    peak_table,
    same_modality_summary,
    spectrum_table,
    table1,
)

from modality_gap.pages.findings.answers import _compared, answers

others = cache(data)


def told(question, models=(), **tables):
    """The answer as one text."""
    return " ".join(one.text for one in answers(others() | tables, models)[question])


def numbers(text):
    return " ".join(re.findall(r"-?\d+(?:[.,/]\d+)*", text))


def test_a_gap_is_clear_by_its_interval():
    gap = pd.DataFrame(
        [
            gap_row("a", gap=0.8, low=0.5, high=0.9),
            gap_row("b", gap=0.3, low=-0.01, high=0.95),
            gap_row("c", "random", gap=0.2, low=0.1, high=1.3),
        ]
    )
    assert "0.30 to 0.80 in 2 sets with trained weights and 0.20 in 1 with random weights" in (
        told("there", gap=gap)
    )
    assert "clearly above 0 in 2 of 3 sets" in told("there", gap=gap)
    touching = gap.assign(gap_low=[0.5, 0.0, 0.1])
    assert "clearly above 0 in 2 of 3 sets" in told("there", gap=touching)


def test_the_cone_is_that_of_the_deepest_layer_and_of_the_fixed_temperature():
    ends = {"relu": (0.9, 0.7), "tanh": (0.6, 0.05), "linear": (0.3, 0.02)}
    mlp = pd.DataFrame(
        {"activation": name, "bias": bias, "layer": layer, "n": 3, "mean_cosine": end * layer / 4}
        for name, both in ends.items()
        for bias, end in zip((True, False), both, strict=True)
        for layer in (4, 2)
    )
    starts = initialisation_tables()["initialisation_summary"]
    learnt = starts["temperature_mode"] == "learnt"
    starts.loc[learnt, ["gap_before", "gap_after"]] = 9.0
    other = starts[starts["start"] == "rotated"].assign(model="other")
    other = other.assign(gap_before=0.31, gap_after=0.42)
    starts = pd.concat([starts, other])
    spectra = [spectrum_table(), spectrum_table((9.0, 1.0, 0.9, 0.8)).assign(encoder="b")]
    spectra = pd.concat(spectra)
    given = {"initialisation_summary": starts, "initialisation_spectrum": spectra}
    made = answers(others() | given | {"mlp_cone_interval": mlp})["origin"]
    layers, cones, trained, alike = (one.text for one in made)
    assert layers.endswith(
        "0.60 (tanh) to 0.90 with biases and 0.05 (tanh) to 0.70 without; linear layers, at most "
        "0.30."
    )
    assert numbers(layers) == "4 1 0.60 0.90 0.05 0.70 0.30"
    # Three starts need the steepest drop after value 2, which one of the encoders has.
    assert numbers(cones) == "3 3 1 2 2 1.11 8.00"
    assert made[1].claims == ("figure2c.own_cone.toy", "figure2c.own_cone.b")
    assert trained == (
        "Training takes the gap of toy from 1.20 to 0.80 [0.75, 0.85] (the authors' widens) and "
        "from 0.10, where a rotation closes it, to 0.60 [0.55, 0.65]. Training takes the gap of "
        "other from 0.31, where a rotation closes it, to 0.42 [0.55, 0.65]."
    )
    assert alike == (
        "Towers of one modality, trained on the same items, keep a gap of 0.60 [0.55, 0.65] (two "
        "image towers) and 0.40 [0.35, 0.45] (two text towers)."
    )
    relu = mlp[mlp["activation"] == "relu"]
    for rows, words in (
        (relu, "0.90 (relu) with biases and 0.70 (relu) without."),
        (relu[relu["bias"]], "0.90 (relu) with biases."),
        (relu[~relu["bias"]], "0.70 (relu) without."),
    ):
        text = answers(others() | {"mlp_cone_interval": rows})["origin"][0].text
        assert text.endswith(f"a mean cosine (1: the narrowest cone) of {words}")


def test_towers_of_one_modality_keep_their_order_and_their_own_gaps():
    towers = same_modality_summary()[::-1]
    (both,) = answers(others() | {"same_modality_summary": towers})["origin"][3:]
    assert both.text.endswith(
        "keep a gap of 0.40 [0.35, 0.45] (two text towers) and 0.60 [0.55, 0.65] (two image "
        "towers)."
    )
    assert both.claims == ("training.same_modality.text", "training.same_modality.image")
    (one,) = answers(others() | {"same_modality_summary": towers[:1]})["origin"][3:]
    assert one.text.endswith("items, keep a gap of 0.40 [0.35, 0.45] (two text towers).")
    assert one.claims == ("training.same_modality.text",)
    assert len(answers(others() | {"same_modality_summary": towers[:0]})["origin"]) == 3


def test_where_the_loss_is_smallest_is_told_with_the_loss_at_the_own_gap():
    gap = pd.DataFrame(
        [gap_row(name, model=name.upper()) for name in "ab"] + [gap_row("weak", recall=0.06)]
    )
    sweeps = [
        minimum_table(cold, hot).assign(set=name, loss_excess=excess)
        for name, cold, hot, excess in (
            ("weak", 0.1, 0.9, 0.7),
            ("b", 0.5, 0.2, 0.25),
            ("a", 0.75, 0.04, 0.5),
        )
    ]
    found = told("moves", gap=gap, loss_minimum=pd.concat(sweeps))
    assert numbers(found) == "1/100 0.75 0.65 0.85 0.80 100 50 0.25 1 0.20 2"
    assert "the loss of A is smallest" in found and "0.25 (B)" in found
    weak = told("moves", gap=gap[2:], loss_minimum=pd.concat(sweeps))
    assert weak == "No trained model of this run retrieves well above chance."


def test_the_first_model_that_retrieves_is_told_with_its_own_remedies():
    gap = pd.DataFrame([gap_row("weak", recall=0.06), *(gap_row(n, model=n.upper()) for n in "ab")])
    peaks = peak_table().iloc[[1, 0]]
    peaks = pd.concat([peaks.assign(set=name) for name in ("weak", "a", "b")], ignore_index=True)
    peaks.loc[3, "recall_closed"] = 0.25  # to texts, of the first that retrieves
    models = [
        {"set": name, "remedies": [{"method": "centre", "gap": left, "n_scored": 1250}
                                   | {"change": {"ab": [-0.004, -0.052, 0.045]}}]}
        for name, left in (("weak", 0.7), ("b", 0.6), ("a", 0.091))
    ]  # fmt: skip
    made = answers(others() | {"gap": gap, "recall_peak": peaks}, models)["matters"]
    first, second = made[0].text, made[1].text
    assert numbers(first.partition("recall@1")[2]) == ("50.0 25.0 -15.0 -18.0 -14.0 1,500 1 1 2 2")
    assert "of A goes" in first and "It clearly falls in 1 (B) of 1 other that retrieves." in first
    assert first.endswith("From texts it clearly falls in 2 (A, B) of 2 models.")
    assert numbers(second) == "1,250 0.09 -0.4 -5.2 4.5"
    assert "with A's recall (to texts) undecided" in second


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-2.0, 1.0, "undecided"),
        (0.0, 1.0, "undecided"),
        (-1.0, 0.0, "undecided"),
        (0.1, 1.0, "higher"),
        (-1.0, -0.1, "lower"),
    ],
)
def test_a_change_whose_interval_touches_0_is_undecided(low, high, words):
    assert _compared(low, high) == words


def test_the_best_shift_is_judged_over_all_tests_above_chance():
    """Five tests above chance: p is judged at .01. One of them has no best shift."""
    rows = [
        table1(p_held_out=p).assign(set=name, held_out_delta_1=delta, p_in_sample=0.5)
        for name, p, delta in (
            ("a", 0.0099, -0.5),
            ("b", 0.0101, -0.5),
            ("a", 0.012, -0.5),
            ("c", 0.005, -0.5),
            ("d", 0.001, 0.0),
        )
    ]
    weak = [table1(p_held_out=1e-6).assign(set="weak", chance=0.5) for _ in range(3)]
    gap = pd.DataFrame([gap_row(name, model=name.upper()) for name in ("a", "b", "c", "d", "weak")])
    table = pd.concat([*rows, *weak], ignore_index=True)
    words = "in 2 of 4 tests above chance (A, B and C); D: no shift is best."
    assert words in told("matters", gap=gap, table1=table)
    # A shift on the second half alone is a shift.
    other = table.assign(held_out_delta_2=table["held_out_delta_1"], held_out_delta_1=0.0)
    assert words in told("matters", gap=gap, table1=other)
    more = pd.concat([table, table[4:5]], ignore_index=True)
    # One more above chance: p is judged at .05 / 6, which that of the first does not meet.
    assert "in 1 of 4 tests above chance" in told("matters", gap=gap, table1=more)


def test_fine_tuning_is_told_from_the_smallest_to_the_largest_gap():
    values = [(0.3, 0.2, 0.72, 0.61), (0.05, 0.44, 0.5, 0.62), (1.0, 0.1, 0.66, 0.63)]
    values += [(0.02, 0.3, 0.5004, 0.64), (0.01, 0.6, 0.7, 0.65)]
    tuned = pd.DataFrame(
        {"model": "toy", "temperature": temperature, "n": 4, "gap_before": 0.52, "gap_after": gap,
         "zero_shot_after": score, "zero_shot_before": before,
         "zero_shot_after_low": 0.1 if gap == 0.2 else score - 0.02,
         "zero_shot_after_high": score + 0.01}
        for temperature, gap, score, before in values
    )  # fmt: skip

    def tuning():
        (text,) = [one.text for one in answers(others() | {"temperature_summary": tuned})["matters"]
                   if one.text.startswith("Fine-tuned")]  # fmt: skip
        return text

    smallest, largest = "66.0 64.0 67.0 0.10 1", "70.0 68.0 71.0 0.60 1/100"
    assert numbers(tuning()) == f"4 {smallest} 50.0 72.0 {largest} 63.0 0.52"
    # What is the same to a decimal is told once.
    alike = tuned["zero_shot_after"].where(tuned["gap_after"].isin([0.1, 0.6]), 0.6804)
    (alike,) = [one.text for one in answers(others() | {"temperature_summary": tuned.assign(
        zero_shot_after=alike)})["matters"] if one.text.startswith("Fine-tuned")]  # fmt: skip
    assert ", 68.0 % between and " in alike
    # One that was not scored before leaves nothing to compare with.
    tuned.loc[1, "zero_shot_before"] = None
    (told_without,) = [one.text for one in answers(others() | {"temperature_summary": tuned})[
        "matters"] if one.text.startswith("Fine-tuning")]  # fmt: skip
    assert numbers(told_without) == "4 0.52 0.10 1 0.60 1/100"


def test_counts_that_stay_do_not_fall():
    columns = {"p_fisher": 0.001, "p_fisher_holm": 0.01, "p_mcnemar_least_holm": 0.001}
    groups = pd.DataFrame({"group": [*"abcd", "all"], "change": [-0.1, 0.0, -0.2, 0.1, -0.1]})
    groups = groups.assign(**columns)
    groups.loc[2, "p_fisher_holm"] = 0.06
    words = (
        "fall in 2 of 4 groups: clearly in 1 alone by Fisher's test (all together: p 0.001), in at "
        "most 2 by"
    )
    assert words in told("matters", published_table2=groups)
    unclear = groups.assign(p_fisher_holm=0.06)
    assert "clearly in none alone by Fisher's" in told("matters", published_table2=unclear)
    # All together do not fall, or there is no row of all.
    grown = groups.assign(change=groups["change"].where(groups["group"] != "all", 0.1))
    for table in (grown, groups[:4]):
        assert "all together" not in told("matters", published_table2=table)
