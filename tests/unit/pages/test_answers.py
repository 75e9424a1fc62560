"""The answers of the summary, from tables in which every row and every column has other numbers."""

from functools import cache

import pandas as pd
from invented import data, gap_row, initialisation_tables, minimum_table, peak_table, table1

from modality_gap.pages.findings.answers import answers

others = cache(data)


def told(question, models=(), **tables):
    return answers(others() | tables, models)[question]


def test_a_gap_is_clear_by_its_interval_and_a_classifier_by_its_worst_and_best():
    gap = pd.DataFrame(
        [
            gap_row("a", gap=0.8, low=0.5, high=0.9, separability=0.97),
            gap_row("b", gap=0.3, low=-0.01, high=0.95, separability=0.81),
            gap_row("c", "random", gap=0.2, low=0.1, high=1.3, separability=0.93),
        ]
    )
    assert told("there", gap=gap) == [
        "The gap is 0.30 to 0.80 with trained weights (2) and 0.20 with random weights (1), "
        "clearly above 0 in 2 of 3 sets.",
        "A linear classifier sorts 81 % to 97 % of held-out vectors by modality.",
    ]


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
    other = starts.assign(model="other", gap_before=0.31, gap_after=0.42)
    other = other[other["start"] == "rotated"]
    found = told("origin", mlp_cone_interval=mlp, initialisation_summary=pd.concat([starts, other]))
    assert found == [
        "Simulated: after 4 random layers with biases, the mean cosine of two outputs is 0.60 to "
        "0.90 with a non-linearity (tanh without biases: 0.05) and 0.30 without; 1 is the "
        "narrowest cone.",
        "Training takes the gap of toy from 1.20 to 0.80 [0.75, 0.85] (in the notebooks it widens) "
        "and from 0.10, closed by a rotation, to 0.60 [0.55, 0.65].",
        "Training takes the gap of other from 0.31, closed by a rotation, to 0.42 [0.55, 0.65].",
    ]
    bare = mlp[mlp["activation"] == "relu"]
    assert told("origin", mlp_cone_interval=bare)[0] == (
        "Simulated: after 4 random layers with biases, the mean cosine of two outputs is 0.90 to "
        "0.90 with a non-linearity; 1 is the narrowest cone."
    )


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
    assert told("moves", gap=gap, loss_minimum=pd.concat(sweeps)) == [
        "At temperature 1/100 the loss of A is smallest at distance 0.75 [0.65, 0.85]; its own gap "
        "is 0.80 (n 100).",
        "At their own gaps the others' losses exceed the smallest by 0.25 (B).",
        "At temperature 1 the loss is smallest with the centres at most 0.20 apart in all 2 models "
        "that retrieve.",
    ]
    none = ["No trained model of this run retrieves well above chance."]
    assert told("moves", gap=gap[2:], loss_minimum=pd.concat(sweeps)) == none


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
    first, second, *_ = told("matters", models, gap=gap, recall_peak=peaks)
    assert first == (
        "With the gap closed, recall@1 (to texts) of A goes from 50.0 % to 25.0 % (change -15.0 "
        "[-18.0, -14.0] points, n 1,500). Among the others that retrieve it clearly falls in 1 (B)."
    )
    assert second == (
        "Subtracting each side's mean leaves a gap of 0.09 and changes A's recall by -0.4 "
        "[-5.2, 4.5] points (one half, 1,250)."
    )


def test_the_best_shift_is_judged_over_all_tests_above_chance():
    """Five tests above chance: p is judged at .01. One of them has no best shift."""
    rows = [
        table1(p_held_out=p).assign(set=name, held_out_delta_1=delta, p_in_sample=0.5)
        for name, p, delta in (
            ("a", 0.0099, -0.5),
            ("b", 0.0101, -0.5),
            ("a", 0.012, -0.5),
            ("c", 0.5, -0.5),
            ("d", 0.001, 0.0),
        )
    ]
    weak = [table1(p_held_out=1e-6).assign(set="weak", chance=0.5) for _ in range(3)]
    gap = pd.DataFrame([gap_row(name, model=name.upper()) for name in ("a", "b", "c", "d", "weak")])
    table = pd.concat([*rows, *weak], ignore_index=True)
    assert "the other half in 1 of 4 tests above chance (A, B and C); 1 more picks none." in (
        " ".join(told("matters", gap=gap, table1=table))
    )
    # A shift on the second half alone is a shift.
    other = table.assign(held_out_delta_2=table["held_out_delta_1"], held_out_delta_1=0.0)
    assert "1 of 4 tests above chance (A, B and C); 1 more picks none." in (
        " ".join(told("matters", gap=gap, table1=other))
    )
    more = pd.concat([table, table[4:5]], ignore_index=True)
    assert "; 2 more pick none." in " ".join(told("matters", gap=gap, table1=more))


def test_fine_tuning_is_told_from_the_smallest_to_the_largest_gap():
    values = [(0.3, 0.2, 0.72, 0.61), (0.05, 0.44, 0.5, 0.62), (1.0, 0.1, 0.66, 0.63)]
    values += [(0.02, 0.3, 0.5004, 0.64), (0.01, 0.6, 0.7, 0.65)]
    tuned = pd.DataFrame(
        {"model": "toy", "temperature": temperature, "n": 4, "gap_before": 0.52, "gap_after": gap,
         "zero_shot_after": score, "zero_shot_before": before,
         "zero_shot_after_low": score - 0.02, "zero_shot_after_high": score + 0.01}
        for temperature, gap, score, before in values
    )  # fmt: skip
    assert told("matters", temperature_summary=tuned)[-2] == (
        "Fine-tuned (means of 4 seeds), accuracy of toy is 66.0 % [64.0, 67.0] at the smallest "
        "gap (0.10, temperature 1) and 70.0 % [68.0, 71.0] at the largest (0.60, temperature "
        "1/100); lowest: 50.0 % at 0.30 and 0.44; before, 63.0 % (0.52)."
    )
    # One that was not scored before leaves nothing to compare with.
    tuned.loc[1, "zero_shot_before"] = None
    assert told("matters", temperature_summary=tuned)[-2].startswith(
        "Fine-tuned (means of 4 seeds), toy has the smallest gap (0.10, temperature 1)"
    )


def test_counts_that_stay_do_not_fall():
    columns = {"p_fisher": 0.001, "p_fisher_holm": 0.01, "p_mcnemar_least_holm": 0.001}
    groups = pd.DataFrame({"group": [*"abcd", "all"], "change": [-0.1, 0.0, -0.2, 0.1, -0.1]})
    groups = groups.assign(**columns)
    groups.loc[2, "p_fisher_holm"] = 0.06
    assert told("matters", published_table2=groups)[-1] == (
        "The notebooks' counts of offensive labels, with the gap widened, fall in 2 of 4 groups: "
        "clearly in 1 by Fisher's test (together: p 0.001), at most 2 by a paired one."
    )
    # All together do not fall, or there is no row of all.
    grown = groups.assign(change=groups["change"].where(groups["group"] != "all", 0.1))
    for table in (grown, groups[:4]):
        assert "together" not in told("matters", published_table2=table)[-1]
