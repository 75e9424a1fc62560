"""Sentences and cells of the figures, from tables in which no row has the numbers of another."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from invented import (
    cone_table,
    dimension_summary,
    gap_row,
    initialisation_tables,
    minimum_table,
    same_modality_summary,
    sphere_table,
    table2,
    temperature_summary,
)

from modality_gap.pages.findings import figure1, figure2, figure3, training
from modality_gap.pages.findings.recall import recall_findings, recall_tables
from modality_gap.pages.findings.tables import table2_findings
from modality_gap.pages.labels import PROJECTIONS


def ends(name, value, below=0.1, above=0.2):
    return {name: value, f"{name}_low": value - below, f"{name}_high": value + above}


def test_the_smallest_is_that_of_the_estimate_and_random_weights_are_compared_first():
    rows = [
        gap_row("a", gap=0.5, low=0.4, high=0.6, model="M"),
        gap_row("b", PROJECTIONS, gap=0.7, low=0.1, high=0.8, model="M"),
        gap_row("c", "random", gap=0.9, low=0.85, high=0.95, model="M"),
    ]
    found = [one.text for one in figure1.figure1_findings(pd.DataFrame(rows))]
    assert "The smallest gap is 0.500 [0.400, 0.600] (a, n 100)" in found[0]
    # By the projections alone the two intervals would touch.
    assert found[2].endswith("is narrower for M (0.500 against 0.900).")
    cone = cone_table().reset_index(drop=True)
    cone.loc[4, "mean_cosine_low"] = -1.0
    cone.loc[6, ["mean_cosine", "n"]] = 0.45, 1234
    (first, *_) = figure2.figure2a_findings(cone)
    encoder = cone.loc[6, "encoder"]
    assert f"smallest for the {encoder}, trained weights, real inputs: 0.450 [" in first.text
    assert first.text.endswith("n 1,234.")


def spectrum(encoder, *values, share=0.75):
    return pd.DataFrame(
        {"encoder": encoder, "initialisations": 3, "items": 4, "singular_value": values}
        | {"component": range(1, len(values) + 1), "between_share": share}
    )


def test_each_encoder_has_its_own_spectrum():
    both = pd.concat(
        [spectrum("a", 9.0, 8.0, 2.0, 1.0, share=0.75), spectrum("b", 9.0, 1.5, 1.0, share=0.25)]
    )
    (found,) = figure2.figure2c_findings(both)
    assert "In 1 of 2 encoders the steepest drop" in found.text
    assert "by a factor of 1.50 to 4.00 there. 25 to 75 % of the variance" in found.text
    (table,) = figure2.figure2c_tables(both)
    assert table.rows == [
        ["a", "3", "4", "8.00", "2.00", "4.00", "2", "75.0 %"],
        ["b", "3", "4", "1.50", "1.00", "1.50", "1", "25.0 %"],
    ]
    # The drop is a ratio: a difference would be largest after value 1.
    assert "In the one encoder" in figure2.figure2c_findings(spectrum("c", 9, 5, 1, 0.5))[0].text
    assert figure2.cones_of_starts(both).text.endswith("value 2 is 1.50 to 4.00 times the next.")


def test_cones_whose_intervals_touch_are_not_clearly_different():
    cone = cone_table()
    real = cone["inputs"] == "real"
    trained, random = (real & (cone["weights"] == one) for one in ("trained", "random"))
    for low, high, words in (
        (0.3, 0.4, "no clearly different cone"),
        (0.3, 0.39, "a wider cone"),
        (0.6, 0.7, "no clearly different cone"),
        (0.61, 0.7, "a narrower cone"),
    ):
        cone.loc[trained, ["mean_cosine_low", "mean_cosine_high"]] = 0.4, 0.6
        cone.loc[random, ["mean_cosine_low", "mean_cosine_high"]] = low, high
        assert f"random weights give {words}" in figure2.figure2a_findings(cone)[1].text


def cells(table):
    """The first row of a table, by the heads of its columns."""
    return dict(zip(table.head, table.rows[0], strict=True))


def test_each_column_of_a_spectrum_a_plane_and_the_sphere_is_its_own():
    (table,) = figure2.figure2c_tables(spectrum("a", 9.0, 8.0, 2.0, 1.0, share=0.25))
    assert cells(table) == {
        "encoder": "a",
        "seeds": "3",
        "items each": "4",
        "value before": "8.00",
        "value after": "2.00",
        "drop": "4.00",
        "steepest drop after value": "2",
        "variance between the seeds": "25.0 %",
    }
    (table,) = figure3.figure3a_tables(
        plane("a", 0.3), pd.DataFrame({"set": ["b", "a"], "gap": [0.7, 1.25]})
    )
    assert cells(table) == {
        "model": "a",
        "n": "9",
        "variance in component 1": "25.0 %",
        "in components 1 to 6": "50.0 %",
        "gap": "1.250",
        "in the plane": "1.000",
        "after the shift": "0.300",
    }
    (table,) = figure3.figure3g_tables(sphere_table())
    assert cells(table) == {
        "pairs, spacing": "mismatched, 20°",
        "temperature": "1",
        "loss at 0°": "1.500",
        "smallest at": "0°",
    }


def test_sets_and_encoders_keep_the_order_of_the_run():
    names = ["middle", "zebra", "ape"]
    gap = pd.DataFrame([gap_row(name) for name in names])
    minimum = pd.concat([minimum_table().assign(set=name) for name in names])
    for (table,) in (
        figure2.figure2c_tables(pd.concat(spectrum(name, 9.0, 8.0, 2.0, 1.0) for name in names)),
        figure3.figure3a_tables(pd.concat(plane(name, 0.3) for name in names), gap),
        figure3.figure3bcd_tables(minimum, gap),
        [figure3.all_minima_table(minimum)],
    ):
        assert [row[0] for row in table.rows] == names
    cone = cone_table(random=0.2)
    named = cone.assign(encoder=np.repeat(names, 3))
    wider = figure2.figure2a_findings(named)[1].text
    assert re.findall(r"the (\w+) \(", wider) == names


def plane(name, *lefts, start=1.0):
    """Centres `start` apart without a shift, and further or nearer by the shift."""
    return pd.DataFrame(
        {"set": name, "side": side, "delta": delta, "n": 9, "share_1": 0.25, "share_first_6": 0.5}
        | {"pc_1": sign * apart / 2, "pc_2": 0.0}
        for delta, apart in zip((-0.5, 0.0, 0.5, 1.0, 1.5), (9, start, 8, *lefts, 7), strict=True)
        for side, sign in (("a", 1), ("b", -1))
    )


def test_what_a_shift_leaves_is_told_of_the_planes_that_hold_the_gap():
    shifts = pd.concat(
        [plane("a", 0.3), plane("b", 0.6), plane("c", 0.9, start=0.2), plane("d", 0.5)]
    )
    gap = pd.DataFrame({"set": list("abcd"), "gap": 1.0})
    first, second = (one.text for one in figure3.figure3a_findings(shifts, gap))
    assert "at least 50 % of the gap in 3 of 4 trained sets" in first
    half = plane("c", 0.9, start=0.5)
    (held, _) = figure3.figure3a_findings(half, gap)
    assert held.text.endswith("at least 50 % of the gap in the one trained set.")
    assert second == (
        "In these planes a shift by the whole gap leaves the centres 0.300 to 0.600 apart."
    )


def test_losses_at_the_own_gaps_are_told_from_the_smallest():
    others = [
        {"model": model, "loss_excess": excess, "at_end": False, "placed": placed}
        for model, excess, placed in (
            ("A", 0.5, True),
            ("B", 0.25, False),
            ("C", 0.125, True),
            ("D", 0.2, False),
        )
    ]
    assert figure3.loss_at_own_gaps(others).endswith(
        "by 0.12 (C) and 0.50 (A); no minimum is located for D (0.20) and B (0.25)."
    )


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, "covers the own gap but not 0"),
        ({"gap": 0.8}, "covers the own gap but not 0"),
        ({"gap": 0.4}, "covers the own gap but not 0"),
        ({"gap": 0.81}, "leaves out the own gap"),
        ({"gap": 0.39}, "leaves out the own gap"),
        ({"at_end": True}, "is not known"),
        ({"distance_low": math.nan}, "is not known"),
        ({"placed": False}, figure3.UNPLACED),
        # At the end of the sweep nothing is known, placed or not.
        ({"placed": False, "at_end": True}, "is not known"),
    ],
)
def test_what_an_interval_says_of_the_own_gap(row, words):
    given = {"distance_low": 0.4, "distance_high": 0.8, "gap": 0.5, "at_end": False, "placed": True}
    assert figure3._at_its_gap(given | row) == words
    size = {"n": 9, "batches": 1}
    table = pd.DataFrame([given | ends("distance", 0.5) | {"temperature": 0.01} | size | row])
    first = figure3.smallest_loss(table.assign(model="A"))[0]
    assert ("places no minimum" in first) == (words == figure3.UNPLACED)


def test_the_largest_distance_is_told_whatever_its_sign_and_only_within_the_sweep():
    sweeps = [
        minimum_table(0.8, hot).assign(model=name)
        for name, hot in (("a", 0.05), ("b", -0.3), ("c", 1.9), ("d", 0.1))
    ]
    rows = pd.concat(sweeps, ignore_index=True)
    rows["at_end"] = rows["distance"] == 1.9
    assert figure3.smallest_loss_when_hot(rows) == [
        "At temperature 1 the loss is smallest with the gap shifted to at most 0.30 in 3 of 4 "
        "models that retrieve."
    ]
    assert figure3.smallest_loss_when_hot(rows[rows["model"] == "c"]) == []


def test_models_come_in_the_order_of_their_gaps_and_temperatures_from_the_lowest():
    names = ("middle", "zebra", "ape")
    gap = pd.DataFrame([gap_row(name, model=name.upper()) for name in names])
    sweeps = [minimum_table().assign(set=name)[::-1] for name in ("ape", "middle", "zebra")]
    minimum = pd.concat(sweeps)
    assert figure3.able_minima(minimum, gap)["model"].tolist() == [
        *("MIDDLE", "MIDDLE", "ZEBRA", "ZEBRA", "APE", "APE")
    ]
    assert figure3.all_minima_table(minimum).head[3:] == ["at 1/100", "at 1"]
    assert figure3.all_minima_table(minimum).rows[0][3:] == [
        *("0.800 [0.700, 0.900]", "0.050 [-0.050, 0.150]")
    ]


def test_the_sphere_is_told_from_the_highest_temperature():
    turned = sphere_table().sort_values("temperature")
    told = [one.text for one in figure3.figure3g_findings(turned)]
    (mismatched,) = [text for text in told if "mismatched" in text]
    assert mismatched.endswith("smallest at 0° for 1 and 53° for 1/35.")


def test_each_column_of_recall_is_its_own():
    row = {"set": "toy", "n": 1500, "gap": 0.8, "best_distance": 0.95, "direction": "ba"}
    row |= {"p_max_statistic": 0.4} | ends("change_closed", -0.15) | ends("gain", 0.07)
    row |= {"recall_at_gap": 0.5, "recall_closed": 0.35, "recall_best": 0.57}
    peak = pd.DataFrame(
        [row, row | {"direction": "ab", "p_max_statistic": 0.2} | ends("gain", 0.03)]
    )
    gap = pd.DataFrame([gap_row("toy", model="Toy")])
    (table,) = recall_tables(peak, gap)
    assert dict(zip(table.head, table.rows[0], strict=True)) == {
        "model": "Toy",
        "direction": "from texts",
        "n": "1,500",
        "at its gap": "50.0 %",
        "closed": "35.0 %",
        "change": "-15.0 [-25.0, 5.0]",
        "best": "57.0 %",
        "gain": "7.0 [-3.0, 27.0]",
        "distance there": "0.95",
        "own gap": "0.80",
        "p of the best of all": "0.4",
    }
    # The smallest p counts, not the largest gain; a change is clear by its whole interval.
    closed, best = (one.text for one in recall_findings(peak, gap))
    assert "gains 3.0 [-7.0, 23.0] points (Toy, to texts, n 1,500): p 0.2," in best
    assert closed.endswith("From texts it clearly changes in none of 1 model.")
    rises = peak.assign(change_closed=0.15, change_closed_low=-0.1)
    assert recall_findings(rises, gap)[0].text.endswith("in none of 1 model.")


def test_the_change_of_all_has_its_own_p():
    table = table2()
    shifted = table["delta"] == -0.2
    table.loc[shifted & (table["group"] == "all"), ["p_value", "p_holm"]] = [0.03, 0.04]
    assert "p 0.03." in table2_findings(table, -0.2)[0].text


def test_the_highest_temperature_is_compared_with_the_lowest():
    table = temperature_summary().assign(gap_before=[0.53, 0.51], n=[4, 3])
    middle = table[:1].assign(temperature=0.1, gap_after=9.0, n=2, gap_before=9.0)
    gap, accuracy, recall = training.temperature_findings(pd.concat([table, middle]))
    assert gap.text == (
        "After fine-tuning of toy at temperature 1 the gap is 0.100 [0.090, 0.110], lower than "
        "0.480 [0.470, 0.490] after that at 1/100 (mean and interval over 4 seeds; before either "
        "it is 0.530)."
    )
    assert "4 seeds" in accuracy.text and "4 seeds" in recall.text


def test_each_mode_has_its_own_starts():
    tables = initialisation_tables()
    summary, difference = tables.values()
    learnt = summary["temperature_mode"] == "learnt"
    for name in ("gap_before", "gap_after"):
        for end in ("", "_low", "_high"):
            summary.loc[learnt, f"{name}{end}"] += 0.11
    share = "gap_after_rotated_over_original"
    difference.loc[1, [share, f"{share}_low", f"{share}_high"]] = [0.8, 0.76, 0.87]
    difference["n"] = [3, 5]
    fixed, other = (one.text for one in training.initialisation_findings(summary, difference))
    assert "from 1.200 [1.150, 1.250] to 0.800 [0.750, 0.850]" in fixed
    assert other == (
        "Temperature learnt: from the original start the gap goes from 1.310 [1.260, 1.360] to "
        "0.910 [0.860, 0.960], from the rotated start from 0.210 [0.160, 0.260] to 0.710 [0.660, "
        "0.760], which is 80 % [76, 87] of it (5 seeds)."
    )


def test_seeds_are_those_of_the_runs():
    (found,) = training.dimension_findings(dimension_summary().assign(n=7))
    assert found.text.endswith("(mean and interval over 7 seeds).")
    control = same_modality_summary().assign(n=7)
    control[["separability_after", "separability_after_low"]] = [[0.8, 0.75], [0.7, 0.65]]
    (found,) = training.same_modality_findings(control)
    assert "accuracy 0.800 [0.750, 1.050] (images) and 0.700 [0.650, 1.050] (texts)" in found.text
    assert "7 seeds" in found.text


def test_training_is_told_from_its_first_to_its_last_recorded_step():
    curve = pd.DataFrame(
        {"model": "toy", "step": [3, 0, 4, 1], "loss": [2.5, np.nan, 2.0, 4.0]}
        | {"gap": [1.3, 1.2, np.nan, 1.25], "recall1": [0.3, 0.01, np.nan, 0.02]}
    )
    (found,) = training.training_findings(curve)
    assert found.text == (
        "toy: over 3 steps the gap goes from 1.200 to 1.300, recall@1 on held-out pairs from 0.010 "
        "to 0.300 and the training loss from 4.00 to 2.00 (one seed)."
    )


@pytest.mark.parametrize(
    ("n", "batches", "words"),
    [
        (9, 1, "n 9"),
        (100, 2, "n 100 in batches of 50"),
        (50000, 10, "n 50,000 in batches of 5,000"),
        (2, 2, "n 2 in batches of 1"),
    ],
)
def test_a_loss_over_several_batches_has_their_size(n, batches, words):
    assert figure3._size({"n": n, "batches": batches}) == words
    row = {"temperature": 0.01, "gap": 0.8, "n": n, "batches": batches, "model": "A"}
    row |= {"at_end": False, "placed": True} | ends("distance", 0.5)
    assert f"own gap is 0.80 ({words})." in figure3.smallest_loss(pd.DataFrame([row]))[0]
