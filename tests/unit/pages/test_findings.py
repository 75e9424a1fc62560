"""What a run found: the numbers of its tables, and words that switch with them; no verdict."""

import math
import re

import pandas as pd
import pytest
from invented import (
    CONFIG,
    ROOT,
    cone_table,
    data,
    dimension_summary,
    gap_row,
    gap_table,
    initialisation_tables,
    landscape_table,
    minimum_table,
    mlp_table,
    p_values_table,
    published_table2,
    same_modality_summary,
    shifts_table,
    spectrum_table,
    sphere_table,
    table1,
    table2,
    temperature_summary,
    training_table,
    zero_shot,
)

from modality_gap.pages import render
from modality_gap.pages.findings import figure1, figure2, figure3, results, training
from modality_gap.pages.findings.published import p_values_findings, published_table2_findings
from modality_gap.pages.findings.tables import (
    table1_curves_findings,
    table1_findings,
    table1_tables,
    table2_findings,
    table2_tables,
)
from modality_gap.pages.labels import labelled, set_labels, trained_here
from modality_gap.paper.ledger import load_ledger

LEDGER = load_ledger(ROOT / "config/ledger/parts.yaml", ROOT / "config/schema/claims.yaml")


def texts(found):
    return " ".join(finding.text for finding in found)


def test_figure1():
    found = figure1.figure1_findings(gap_table())
    assert "In all 2 sets the two modalities are separated" in found[0].text
    assert found[0].text.endswith(
        "The smallest gap is 0.800 [0.790, 0.810] (toy, n 100); the classifier makes no error in "
        "any set."
    )
    assert (
        "With random weights alone (1 set) the gap is 1.100 [1.050, 1.150] in toy_random (n 100)."
        in texts(found)
    )
    beside = "Compared with untrained weights, the gap with trained ones is narrower for toy (0.800"
    assert f"{beside} against 1.100)." in texts(found)
    assert "well above chance in toy (recall@1 0.300 to text, 0.300 from text)" in texts(found)
    assert "near chance" not in texts(found)  # of random weights nothing is asked

    other = pd.DataFrame(
        [
            gap_row("toy", gap=1.5, low=1.4, high=1.6, recall=0.06, separability=0.6),
            gap_row("toy_random", "random", 1.1, 1.05, 1.15),
            gap_row("b", model="b", low=-0.1),
        ]
    )
    found = figure1.figure1_findings(other)
    assert "In 1 of 3 sets" in found[0].text
    assert "lowest accuracy of the classifier is 0.600 (toy, n 100 vectors)" in found[0].text
    assert "the gap with trained ones is wider for toy (1.500 against 1.100)." in texts(found)
    assert "not clearly different" in texts(
        figure1.figure1_findings(pd.DataFrame([gap_row("a"), gap_row("b", "random")]))
    )


def test_a_set_at_the_edge_of_being_separated():
    """The classifier is held to .95; a gap whose lower end is 0 is not clearly above 0."""
    rows = [gap_row("a", separability=0.95), gap_row("b", low=0.0), gap_row("c", separability=0.94)]
    (apart, *_) = figure1.figure1_findings(pd.DataFrame(rows))
    assert apart.text.startswith("In 1 of 3 sets the two modalities are separated")
    rows = [gap_row("a", separability=0.5, n=1234, clusters=1234)]
    assert figure1.figure1_findings(pd.DataFrame(rows))[0].text == (
        "In none of 1 set the two modalities are separated: the gap is clearly above 0 and a "
        "linear classifier tells them apart (measured accuracy at least 0.95 on held-out vectors). "
        "The smallest gap is 0.800 [0.790, 0.810] (a, n 1,234); the lowest accuracy of the "
        "classifier is 0.500 (a, n 100 vectors)."
    )


def test_the_lowest_accuracy_has_its_interval():
    """An accuracy above the bound whose interval is not."""
    ends = {"separability_low": 0.9421, "separability_high": 0.9838}
    table = pd.DataFrame([gap_row("a"), gap_row("b", separability=0.97) | ends])
    words = "the lowest accuracy of the classifier is 0.970 [0.942, 0.984] (b, n 100 vectors)."
    assert figure1.figure1_findings(table)[0].text.endswith(words)
    # With three digits the second is 1.
    for lowest, words in ((0.9994, "0.999 [0.942, 0.984]"), (0.9996, "at least 99.9 %")):
        table.loc[1, "separability"] = lowest
        assert f"classifier is {words} (b, n" in figure1.figure1_findings(table)[0].text


def test_bounds_of_the_sentences_are_the_ledgers():
    bounds = {
        (claim, row["expect"]["above"])
        for claim, entry in LEDGER["claims"].items()
        if claim.startswith(("abstract.separate", "figure2a.narrow."))
        for row in entry["evidence"]
    }
    assert len(bounds) == 4
    assert all(
        bound == (figure1.SEPARATE if claim == "abstract.separate" else figure2.NARROW)
        for claim, bound in bounds
    )


def test_what_training_did_is_told_by_intervals_that_do_not_touch():
    """Model by model: narrower, wider, touching above, touching below, and one without a twin."""
    rows = []
    for model, trained, random in (
        ("down", (0.5, 0.4, 0.6), (0.9, 0.7, 1.0)),
        ("up", (0.9, 0.7, 1.0), (0.5, 0.4, 0.6)),
        ("touches", (0.5, 0.4, 0.6), (0.7, 0.6, 0.8)),
        ("touched", (0.7, 0.6, 0.8), (0.5, 0.4, 0.6)),
        ("further down", (0.3, 0.2, 0.4), (0.9, 0.8, 1.0)),
    ):
        for weights, ends in (("trained", trained), ("random", random)):
            rows.append(gap_row(f"{model} {weights}", weights, *ends, model=model))
    rows.append(gap_row("alone", model="alone"))
    found = [finding.text for finding in figure1.figure1_findings(pd.DataFrame(rows))]
    assert found[1] == (
        "With random weights alone (5 sets) the gap is between 0.500 [0.400, 0.600] in up random "
        "(n 100) and 0.900 [0.700, 1.000] in down random (n 100)."
    )
    assert found[2] == (
        "Compared with untrained weights, the gap with trained ones is narrower for down (0.500 "
        "against 0.900) and "
        "further down (0.300 against 0.900); wider for up (0.900 against 0.500) and not clearly "
        "different for touches (0.500 against 0.700) and touched (0.700 against 0.500)."
    )
    two = [finding.text for finding in figure1.figure1_findings(pd.DataFrame(rows[:4]))]
    assert two[1].startswith("With random weights alone (2 sets) the gap is between 0.500 [")
    one = [finding.text for finding in figure1.figure1_findings(pd.DataFrame(rows[:2]))]
    assert one[1].endswith("alone (1 set) the gap is 0.900 [0.700, 1.000] in down random (n 100).")
    alone = figure1.figure1_findings(pd.DataFrame([gap_row("alone")]))
    assert [finding.text.split()[0] for finding in alone] == ["In", "Retrieval"]


def test_retrieval_is_told_for_each_side():
    able = gap_row("able", model="able", recall1_ab=0.31, recall1_chance=0.0123, recall_items_b=100)
    weak = gap_row("weak", model="weak", recall=0.06, recall_items_a=1234)
    found = figure1.figure1_findings(pd.DataFrame([able, weak]))
    assert [finding.text for finding in found[1:]] == [
        "Retrieval is well above chance in able (recall@1 0.310 to text, 0.300 from text).",
        "Retrieval is near chance in weak (recall@1 0.060 to text, 0.060 from text): in at least "
        "one direction the lower end of recall@1 is below 5 times chance. Such models give no "
        "verdict on the loss.",
    ]


def test_each_column_of_figure_1s_table_is_its_own():
    names = ("gap", "gap_squared", "mean_cosine_a", "mean_cosine_b", "recall1_ab", "recall1_ba")
    row = gap_row("toy", separability=0.97, largest5_share=0.4)
    for place, name in enumerate(names, start=1):
        row |= {name: place / 10, f"{name}_low": place / 20, f"{name}_high": place / 5}
    (table,) = figure1.figure1_tables(pd.DataFrame([row]))
    assert dict(zip(table.head, table.rows[0], strict=True)) == {
        "model": "toy",
        "n": "100",
        "gap": "0.100 [0.050, 0.200]",
        "squared gap without bias": "0.200 [0.100, 0.400]",
        "mean cosine a": "0.300 [0.150, 0.600]",
        "mean cosine b": "0.400 [0.200, 0.800]",
        "recall@1 a to b": "0.500 [0.250, 1.000]",
        "recall@1 b to a": "0.600 [0.300, 1.200]",
        "separability": "0.970",
        "share in 5 dimensions": "0.400",
    }


def test_items_that_are_not_independent_are_told_with_their_clusters():
    table = gap_table().assign(clusters=40)
    assert "(toy, n 100 in 40 clusters)" in figure1.figure1_findings(table)[0].text
    (made,) = figure1.figure1_tables(table)
    row = dict(zip(made.head, made.rows[0], strict=True))
    assert row["n"] == "100 in 40 clusters"
    assert row["squared gap without bias"] == "0.600 [0.500, 0.700]"


def test_one_rule_decides_what_is_near_chance():
    """Recall of .06 [.01, .11] at n 100 excludes nothing below chance, yet is not well above it."""
    weak = pd.DataFrame([gap_row("toy", recall=0.07)])  # lower end 2 times chance
    found = texts(figure1.figure1_findings(weak))
    assert "Retrieval is near chance in toy" in found and "well above" not in found
    judged = texts(figure3.figure3bcd_findings(landscape_table(), minimum_table(), weak))
    assert judged.startswith("Nothing follows from toy, whose retrieval is near chance")


def test_figure2a():
    found = figure2.figure2a_findings(cone_table())
    assert "The mean cosine is clearly above 0 in all 9 panels" in found[0].text
    assert "in all 3 encoders" in found[1].text
    assert "mean cosine 0.900 to 0.900 against 0.500 to 0.500, n 10" in found[1].text
    # Of noise the paper says no such thing.
    assert len(found[1].claims) == 3
    assert all(name.endswith(".real") for name in found[1].claims)
    (wider,) = figure2.figure2a_findings(cone_table(random=0.2))[1:]
    assert "give a wider cone than training in the convolutional network (" in wider.text
    assert "0.200 [0.190, 0.210] against 0.500 [0.490, 0.510]" in wider.text
    assert len(wider.claims) == 3
    (same,) = figure2.figure2a_findings(cone_table(random=0.5))[1:]
    assert "no clearly different cone" in same.text
    # What is above 0 need not be above the ledger's bound, by which its verdict goes.
    (wide, *_) = figure2.figure2a_findings(cone_table(random=0.2))
    words = "above 0 in all 9 panels and clearly above 0.25, the least that counts as narrow here"
    assert f"{words}, in 3." in wide.text
    assert "above 0 in 3 of 9 panels" in figure2.figure2a_findings(cone_table(random=-0.5))[0].text


def cones(*means):
    """Panels of one encoder: trained on real inputs, random on real inputs and on noise, each a
    mean with the two ends of its interval."""
    return pd.DataFrame(
        {"encoder": f"encoder {number}", "weights": weights, "inputs": inputs, "n": n}
        | {"mean_cosine": mean, "mean_cosine_low": low, "mean_cosine_high": high, "model": "toy"}
        for number, of_encoder in enumerate(means)
        for (weights, inputs, n), (mean, low, high) in zip(
            (("trained", "real", 9), ("random", "real", 8), ("random", "noise", 1234)),
            of_encoder,
            strict=True,
        )
    )


def test_cones_are_compared_by_intervals_that_do_not_touch():
    trained = (0.5, 0.4, 0.6)
    table = cones(
        (trained, (0.7, 0.6, 0.8), (0.3, 0.2, 0.4)),  # touches
        (trained, (0.3, 0.2, 0.39), (0.1, 0.0, 0.2)),  # wider
        (trained, (0.9, 0.61, 1.0), (0.7, 0.65, 0.8)),  # narrower
        (trained, (0.8, 0.7, 0.9), (0.2, 0.1, 0.3)),  # narrower
    )
    first, narrower, same, wider = figure2.figure2a_findings(table)
    assert first.text == (
        "The mean cosine is clearly above 0 in 11 of 12 panels and clearly above 0.25, the least "
        "that counts as narrow here, in 8. It is smallest for the encoder 1, random weights, noise "
        "inputs: 0.100 [0.000, 0.200], n 1,234."
    )
    assert first.claims == tuple(
        f"figure2a.narrow.{name}" for name in ("trained.real", "random.real", "random.noise")
    )
    assert narrower.text == (
        "On real inputs random weights give a narrower cone than training in 2 of 4 encoders: mean "
        "cosine 0.800 to 0.900 against 0.500 to 0.500, n 8 and 9."
    )
    assert same.text == (
        "On real inputs random weights give no clearly different cone in the encoder 0 (0.700 "
        "[0.600, 0.800] against 0.500 [0.400, 0.600], n 8 and 9)."
    )
    assert wider.text == (
        "On real inputs random weights give a wider cone than training in the encoder 1 (0.300 "
        "[0.200, 0.390] against 0.500 [0.400, 0.600], n 8 and 9)."
    )
    (several,) = figure2.figure2a_findings(cones(*[(trained, (0.7, 0.6, 0.8), trained)] * 3))[1:]
    assert re.findall(r"n 8 and 9\)(\W*)", several.text) == ["; ", " ", "."]
    # Claims stand beside one sentence, the first that compares.
    assert len(narrower.claims) == 4 and same.claims == wider.claims == ()


def test_the_table_of_figure_2a_has_the_notebooks_means():
    name = "figure2a.cone.vision transformer.trained.real"
    (table,) = figure2.figure2a_tables(cone_table(), {name: 0.4679})
    cells = {row[0]: row[-1] for row in table.rows}
    assert cells["vision transformer, trained weights, real inputs"] == "0.4679"
    assert cells["text transformer, trained weights, real inputs"] == "–"


def test_each_column_of_figure_2as_table_is_its_own():
    table = cones(((0.5, 0.4, 0.6),) * 3).assign(dtype="int8", min_cosine=-0.1234)
    (made,) = figure2.figure2a_tables(table, {})
    assert dict(zip(made.head, made.rows[0], strict=True)) == {
        "panel": "encoder 0, trained weights, real inputs",
        "model": "toy",
        "precision": "int8",
        "n": "9",
        "mean": "0.5000 [0.4000, 0.6000]",
        "smallest": "-0.1234",
        "their mean": "–",
    }


def test_figure2b():
    found = figure2.figure2b_findings(mlp_table())
    assert found[0].text == (
        "After 25 layers with biases the mean cosine is 0.99 for ReLU and 0.50 for tanh (mean of "
        "3 repeats)."
    )
    assert found[2].text == (
        "For tanh it is 0.500 [0.498, 0.502] with and 0.001 [-0.001, 0.003] without biases (mean "
        "of 3 repeats with its interval)."
    )
    assert "0.400" in figure2.figure2b_findings(mlp_table(tanh_without_bias=0.4))[2].text


def test_figure_2b_tells_bias_from_none():
    ends = {("relu", True): 0.9, ("relu", False): 0.8, ("tanh", True): 0.5, ("tanh", False): 0.1}
    ends |= {("leaky_relu", True): 0.9, ("leaky_relu", False): 0.7}
    table = pd.DataFrame(
        {"activation": name, "bias": bias, "layer": layer, "n": 3, "mean_cosine": end * layer / 4}
        | {"mean_cosine_low": end * layer / 4 - 0.03, "mean_cosine_high": end * layer / 4 + 0.02}
        for (name, bias), end in ends.items()
        for layer in (2, 4)
    )
    assert [finding.text for finding in figure2.figure2b_findings(table)] == [
        "After 4 layers with biases the mean cosine is 0.90 for ReLU and leaky ReLU and 0.50 for "
        "tanh (mean of 3 repeats).",
        "After 4 layers without biases the mean cosine is 0.80 for ReLU, 0.10 for tanh and 0.70 "
        "for leaky ReLU (mean of 3 repeats).",
        "For tanh it is 0.500 [0.470, 0.520] with and 0.100 [0.070, 0.120] without biases (mean "
        "of 3 repeats with its interval).",
    ]
    found = figure2.figure2b_findings(table)
    turned = table.sort_values("layer", ascending=False, kind="stable")
    assert figure2.figure2b_findings(turned) == found
    assert [len(finding.claims) for finding in found] == [2, 0, 1]
    assert len(figure2.figure2b_findings(table[table["activation"] == "relu"])) == 2


def test_figure2c():
    (found,) = figure2.figure2c_findings(spectrum_table())
    assert "In the one encoder the steepest drop" in found.text
    assert "after value 2: by a factor of 8.00 there. 75 % of the variance" in found.text
    (found,) = figure2.figure2c_findings(spectrum_table((9.0, 1.0, 0.9, 0.8)))
    assert found.text == (
        "In none of 1 encoder the steepest drop of the singular values comes where one cone for "
        "each seed needs it, after value 2: by a factor of 1.11 there. 75 % of the variance lies "
        "between the seeds (3 seeds, 4 items each)."
    )
    assert found.claims == ("figure2c.own_cone.toy",)
    two = pd.concat([spectrum_table(), spectrum_table((9.0, 1.0, 0.9, 0.8)).assign(encoder="b")])
    (found,) = figure2.figure2c_findings(two)
    assert "In 1 of 2 encoders" in found.text and "by a factor of 1.11 to 8.00" in found.text
    (table,) = figure2.figure2c_tables(two)
    assert table.rows == [
        ["toy", "3", "4", "8.00", "1.00", "8.00", "2", "75.0 %"],
        ["b", "3", "4", "1.00", "0.90", "1.11", "1", "75.0 %"],
    ]


@pytest.mark.parametrize(("gap", "little"), [(1.0, False), (1.99, False), (2.01, True)])
def test_a_plane_that_holds_little_of_the_gap_says_so(gap, little):
    """The centres are 1 apart in the plane before the shift."""
    gaps = gap_table().assign(gap=gap)
    found = figure3.figure3a_findings(shifts_table(), gaps)
    assert ("50 % of the gap in none of 1 trained set" in found[0].text) == little
    assert ("leaves the centres 0.000 apart" in texts(found)) != little
    (table,) = figure3.figure3a_tables(shifts_table(), gaps)
    assert table.rows[0][2:] == ["25.0 %", "40.0 %", f"{gap:.3f}", "1.000", "0.000"]


def test_the_drawn_shift_is_the_one_by_the_whole_gap():
    """A grid from -1/2 to 3/2 of a gap of .8, whose steps do not meet 0 and the whole gap."""
    rows = []
    for delta in (-0.4, 0.01, 0.5, 0.79, 1.2):
        for side, sign in (("a", 1), ("b", -1)):
            rows.append({"set": "toy", "side": side, "delta": delta, "n": 9, "share_1": 0.25})
            rows[-1] |= {"share_first_6": 0.4, "pc_1": sign * 0.3 * (1 - delta), "pc_2": sign * 0.4}
    # The centres are 2 * (.3 * .99, .4) apart near 0 and 2 * (.3 * .21, .4) near .8.
    (table,) = figure3.figure3a_tables(pd.DataFrame(rows), gap_table())
    assert table.rows == [["toy", "9", "25.0 %", "40.0 %", "0.800", "0.996", "0.810"]]
    found = figure3.figure3a_findings(pd.DataFrame(rows), gap_table())
    assert found[1].text == (
        "In this plane a shift by the whole gap leaves the centres 0.810 apart."
    )


def test_figure3bcd():
    found = figure3.figure3bcd_findings(landscape_table(), minimum_table(), gap_table())
    assert found[0].text == (
        "At temperature 1/100 the loss of toy is smallest at distance 0.80 [0.70, 0.90]; its own "
        "gap is 0.80 (n 100 in batches of 50). At temperature 1 the loss is smallest with the gap "
        "shifted to at most 0.05."
    )
    assert "in 0 of 2 curves and changes the loss by at most 0.100" in found[1].text
    turned = figure3.figure3bcd_findings(
        landscape_table()[::-1], minimum_table()[::-1], gap_table()
    )
    assert turned[0] == found[0]


def test_the_minimum_is_that_of_the_fine_sweep_and_none_at_its_end():
    """The coarse grid has its minimum at 0.800 here; the sentence must not quote it."""
    found = figure3.figure3bcd_findings(landscape_table(), minimum_table(cold=0.765), gap_table())
    assert "at distance 0.77 [0.67, 0.86]" in found[0].text and "0.80 [" not in found[0].text
    ends = minimum_table(cold=1.9, at_end=True)
    found = figure3.figure3bcd_findings(landscape_table(), ends, gap_table())
    assert "the loss of toy is smallest beyond the end of the sweep;" in found[0].text
    assert "1.90" not in found[0].text
    (table,) = figure3.figure3bcd_tables(ends, gap_table())
    assert table.rows[0][3:] == ["none in the sweep", "0.050 [-0.050, 0.150]"]


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((0.75, 0.85), "covers the own gap but not 0 in 1 (B)"),
        ((0.5, 0.79), "leaves out the own gap in 1 (B)"),
        ((-0.1, 0.81), "covers 0 and the own gap in 1 (B, loss at its gap +0.10)"),
        ((math.nan, math.nan), "is not known in 1 (B)"),
    ],
)
def test_an_interval_across_zero_says_nothing_of_the_gap(ends, words):
    placed = "covers 0" not in words
    other = minimum_table().assign(
        distance_low=ends[0], distance_high=ends[1], placed=placed, model="B"
    )
    rows = pd.concat([minimum_table().assign(model="A"), other])
    assert figure3.smallest_loss(rows)[1].endswith(f"this interval {words}.")
    alone = " ".join(figure3.smallest_loss(other))
    assert ("so it places no minimum" in alone) == (not placed)


def test_the_loss_at_each_own_gap_stands_beside_the_model_from_the_smallest():
    others = [
        {"model": "B", "loss_excess": 1.344, "at_end": True, "placed": True},
        {"model": "C", "loss_excess": 0.006, "at_end": False, "placed": True},
        {"model": "D", "loss_excess": 0.09, "at_end": False, "placed": False},
    ]
    exceed = "Other models' loss at their own gap is above the smallest by"
    assert figure3.loss_at_own_gaps(others[:2]) == f"{exceed} 0.01 (C) and at least 1.34 (B)."
    assert figure3.loss_at_own_gaps(others[1:]) == (
        f"{exceed} 0.01 (C); no minimum is located for D (0.09)."
    )
    assert figure3.loss_at_own_gaps(others[2:]) == "No minimum is located for D (0.09)."
    rows = minimum_table().assign(loss_excess=0.2)
    rows = pd.concat([rows.assign(model=name) for name in "AB"])
    assert "by 0.20 (B)." in figure3.smallest_loss(rows, figure3.loss_at_own_gaps)[1]


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        ((0.46, 0.31, 0.6), " Closing the gap raises the loss by 0.46 [0.31, 0.60]."),
        ((-0.46, -0.6, -0.31), " Closing the gap lowers the loss by 0.46 [0.31, 0.60]."),
        ((0.1, -0.1, 0.3), ""),
        ((0.1, 0.0, 0.3), ""),
        ((-0.1, -0.3, 0.0), ""),
        ((math.nan, math.nan, math.nan), ""),
    ],
)
def test_what_closing_costs_is_said_where_it_is_clear(cost, words):
    columns = dict(
        zip(("closing_cost", "closing_cost_low", "closing_cost_high"), cost, strict=True)
    )
    rows = minimum_table().assign(model="A", **columns)
    assert figure3.smallest_loss(rows)[0].partition("(n 100 in batches of 50).")[2] == words


def test_each_set_has_its_own_minimum_and_weak_ones_have_none():
    gaps = pd.DataFrame(
        [gap_row("CLASP"), gap_row("toy"), gap_row("weak", recall=0.06), gap_row("twin", "random")]
    )
    sweeps = pd.concat(
        minimum_table(cold, hot).assign(set=name, gap=gap, n=n)
        for name, cold, hot, gap, n in (
            ("toy", 0.8, 0.1, 0.81, 100),
            ("CLASP", 0.6, 0.2, 0.62, 50),
            ("weak", 0.5, 0.3, 0.4, 10),
            ("twin", 0.3, 0.3, 0.4, 10),
        )
    )
    names = ("toy", "CLASP", "weak")
    grids = pd.concat([landscape_table().assign(set=name) for name in names], ignore_index=True)
    # Of one curve the released loss moves the minimum; that of the weak set is not counted.
    moved = (grids["set"] != "toy") & (grids["temperature"] == 1) & (grids["delta"] == 0.5)
    grids.loc[moved, "loss_as_released"] = 0.1625
    found = figure3.figure3bcd_findings(grids, sweeps, gaps)
    assert [finding.text for finding in found] == [
        "At temperature 1/100 the loss of CLASP is smallest at distance 0.60 [0.50, 0.70]; its own "
        "gap is 0.62 (n 50 in batches of 25). Among the others that retrieve, this interval covers "
        "the own gap but not 0 in 1 (toy). At temperature 1 the loss is smallest with the gap "
        "shifted to at most 0.20 in all 2 models that retrieve.",
        "Computing the loss as in the released code moves the minimum on the figure's grid in 1 "
        "of 4 curves and changes the loss by at most 0.200.",
        "Nothing follows from weak, whose retrieval is near chance: the place of the smallest loss "
        "there says nothing of models that match.",
    ]
    assert found[0].claims == (
        "figure3b.minimum_at_the_gap",
        "figure3b.closing_raises_the_loss",
        "figure3b.at_its_gap_too.clasp",
        "figure3bcd.falls_with_temperature",
        "figure3d.no_gap_at_temperature_1",
    )
    names = {"toy": "VideoCLIP", "weak": "ConVIRT"}
    (told, *_) = figure3.figure3bcd_findings(
        *(table.replace({"set": names}) for table in (grids, sweeps, gaps.iloc[[1, 0, 2]]))
    )
    # In the order of the models.
    assert [claim.rpartition(".")[2] for claim in told.claims[2:4]] == ["videoclip", "clasp"]
    (table,) = figure3.figure3bcd_tables(sweeps, gaps)
    assert table.head == ["model", "n", "gap", "at 1/100", "at 1"]
    assert [row[0] for row in table.rows] == ["toy", "CLASP", "weak"]
    assert table.rows[1] == [
        *("CLASP", "50 in 2 batches", "0.620", "0.600 [0.500, 0.700]", "0.200 [0.100, 0.300]")
    ]
    assert [row[0] for row in figure3.all_minima_table(sweeps).rows][-1] == "twin"
    one = figure3.all_minima_table(sweeps.assign(batches=1)).rows[0]
    assert one[1] == "100 in 1 batch"
    (alone,) = figure3.all_minima_table(sweeps[sweeps["temperature"] == 1][:1]).rows
    assert alone == ["toy", "100 in 2 batches", "0.810", "0.100 [0.000, 0.200]"]
    assert figure3.figure3bcd_tables(sweeps[sweeps["set"] == "twin"], gaps) == []


def test_figure3g():
    found = figure3.figure3g_findings(sphere_table())
    assert found[0].text == (
        "Points 20° apart, two pairs mismatched: by temperature, the loss is smallest at 0° for 1 "
        "and 53° for 1/35."
    )
    assert "all pairs matched: by temperature, the loss is smallest at 0° for 1 and 1/35." in (
        found[1].text
    )
    assert "figure3g.mismatched_want_a_gap" in found[0].claims
    assert "supplementary9.matched_wants_no_gap" in found[1].claims
    both = pd.concat([sphere_table(), sphere_table().assign(spacing_deg=15)])
    together = figure3.figure3g_findings(both)
    assert [one.text.partition(",")[0] for one in together] == ["Points 20° and 15° apart"] * 2
    assert "figure3g.mismatched_want_a_gap" in together[0].claims
    assert "figure3g.gap_at_15_degrees" in together[0].claims
    closer = figure3.figure3g_findings(sphere_table().assign(spacing_deg=15))
    assert "figure3g.gap_at_15_degrees" in closer[0].claims
    assert [one.lead for one in closer] == [True, False]
    assert not any(one.lead for one in found)
    (table,) = figure3.figure3g_tables(sphere_table())
    assert ["mismatched, 20°", "1/35", "1.781", "53°"] in table.rows


def test_of_two_minima_of_the_sphere_the_nearer_is_told():
    """A curve with two lowest places, but for the last bits of a float."""
    angles = [-40, -30, 0, 30, 40]
    losses = {-40: 1.0, -30: 1.0 + 5e-10, 0: 1.25, 30: 1.0 + 2e-9, 40: 1.5}
    table = pd.DataFrame(
        {"spacing_deg": 15, "mismatched": True, "temperature": 0.5, "delta_theta_deg": angle}
        | {"loss": losses[angle]}
        for angle in angles
    )
    (row,) = figure3.sphere_minima(table).to_dict("records")
    assert (row["loss_at_0"], row["minimum_at"]) == (1.25, 30)
    assert figure3.figure3g_tables(table)[0].rows == [["mismatched, 15°", "1/2", "1.250", "30°"]]


def test_table1():
    found = table1_findings(table1())
    assert (
        "raises the score in 1 of 1, by 12.5 points (p of the best of all 0.02);" in found[0].text
    )
    assert "there is an improvement in toy on a task" in found[1].text
    assert "(accuracy 0.500 [0.430, 0.570] to 0.600 [0.530, 0.670]" in found[1].text
    assert "30 pictures gained and 10 lost, p 0.001, n 200)" in found[1].text
    assert "no clear change" in table1_findings(table1(p_held_out=0.2))[1].text
    assert "there is a loss in" in table1_findings(table1(held_out=0.4))[1].text
    one = table1_findings(table1().assign(held_out_won=1))[1].text
    assert "1 picture gained" in one
    (table,) = table1_tables(table1())
    assert table.rows[0][:3] == ["toy, a task", "200", "4"] and "30\u00a0/\u00a010" in table.rows[0]
    areas = table1_findings(table1().assign(metric="roc_auc"))[1].text
    assert "ROC-AUC 0.500" in areas and "30 pairs of pictures gained" in areas
    (table,) = table1_tables(table1().assign(metric="roc_auc"))
    assert "area under the ROC curve" in table.caption
    assert table.rows[0][0] == "toy, a task (roc_auc)"


def scores(*rows):
    """Rows of table1.csv: task, scores without and with the shift and held out, direction, p."""
    tables = []
    for task, default, modified, held_out, direction, p, more in rows:
        table = table1(held_out=held_out, p_held_out=p)
        table = table.assign(task=task, default=default, modified=modified, direction=direction)
        tables.append(table.assign(**more))
    return pd.concat(tables, ignore_index=True)


def test_gains_losses_and_no_change_are_told_apart():
    table = scores(
        ("one_task", 0.5, 0.625, 0.6, "wider", 0.001, {"p_max_statistic": 0.04}),
        (
            "two",
            0.5,
            0.53,
            0.4,
            "narrower",
            0.001,
            {"held_out_won": 2, "held_out_lost": 1} | {"p_max_statistic": 0.5},
        ),
        (
            "three",
            0.5,
            0.51,
            0.5,
            "wider",
            0.01,
            {"default_low": 0.3}  # .05 over 5 itself
            | {"p_max_statistic": 0.03},
        ),
        ("four", 0.5, 0.5, 0.5, "as it is", 0.2, {}),
        ("areas", 0.5, 0.5, 0.6, "as it is", 0.0099, {"metric": "roc_auc", "held_out_won": 1}),
        ("weak", 0.5, 0.9, 0.9, "wider", 0.0, {"default_low": 0.25}),  # its end is at chance
    )
    found = table1_findings(table)
    assert [finding.text for finding in found] == [
        "Where the model is above chance (5 rows), the best shift, picked on the scored pictures "
        "as in the paper, raises the score in 3 of 5, by 1.0 to 12.5 points (p of the best of all "
        "at least 0.03); the gap is wider in 2 and narrower in 1.",
        "With the shift chosen on the other half there is an improvement in toy on one task "
        "(accuracy 0.500 [0.430, 0.570] to 0.600 [0.530, 0.670]; 30 pictures gained and 10 lost, "
        "p 0.001, n 200) and toy on areas (ROC-AUC 0.500 [0.430, 0.570] to 0.600 [0.530, 0.670]; "
        "1 pair of pictures gained and 10 lost, p 0.0099, n 200); judged at p < 0.01 (0.05 over 5 "
        "rows).",
        "With the shift chosen on the other half there is a loss in toy on two (accuracy 0.500 "
        "[0.430, 0.570] to 0.400 [0.330, 0.470]; 2 pictures gained and 1 lost, p 0.001, n 200); "
        "judged at p < 0.01 (0.05 over 5 rows).",
        "With the shift chosen on the other half there is no clear change in toy on three and toy "
        "on four; judged at p < 0.01 (0.05 over 5 rows).",
        "Nothing follows from toy on weak: not above chance before any shift, so there is no "
        "accuracy that a shift could raise or lower.",
    ]
    assert [len(finding.claims) for finding in found] == [1, 1, 0, 0, 0]
    none = table1_findings(scores(("four", 0.5, 0.5, 0.5, "as it is", 0.2, {})))[0].text
    assert none.endswith("raises the score in 0 of 1.")


def test_each_column_of_table_1_is_its_own():
    row = {"n": 1, "classes": 2, "chance": 0.125, "delta": -0.5, "direction": "wider"}
    row |= {"distance_default": 0.8, "distance_modified": -1.25, "held_out_won": 3}
    row |= {"held_out_lost": 4, "p_in_sample": 0.01, "p_max_statistic": 0.02, "p_held_out": 0.03}
    (table,) = table1_tables(table1().assign(**row))
    assert table.caption == (
        "Zero-shot accuracy. Gap: signed distance of the centres, negative once they have passed "
        "each other."
    )
    assert dict(zip(table.head, table.rows[0], strict=True)) == {
        "model, task": "toy, a task",
        "n": "1",
        "classes": "2",
        "chance": "0.125",
        "default": "0.500 [0.430, 0.570]",
        "best shift": "0.625 [0.555, 0.695]",
        "delta": "-0.5",
        "gap, default to best shift": "0.80 to -1.25, wider",
        "p": "0.01",
        "p of the best of all": "0.02",
        "held out": "0.600 [0.530, 0.670]",
        "gained / lost": "3\u00a0/\u00a04",
        "p, held out": "0.03",
    }
    for delta, text in ((0.0, "0"), (0.25, "+0.25")):
        (table,) = table1_tables(table1().assign(delta=delta))
        assert table.rows[0][6] == text


def test_the_curves_run_over_the_models_that_are_able():
    one, two, three = (zero_shot().assign(task=name) for name in ("b_task", "a_task", "c_task"))
    two["score"], two["n"] = [0.25, 0.75], 50
    three["metric"] = "roc_auc"
    weak = zero_shot().assign(set="weak", score=0.0, delta=[-0.25, 0.0])
    sweep = pd.concat([one, two, three, weak])
    row = table1()
    rows = [row.assign(task=name) for name in ("a_task", "b_task", "c_task")]
    found = table1_curves_findings(sweep, pd.concat([*rows, row.assign(set="weak", chance=0.9)]))
    assert [finding.text for finding in found] == [
        "Over 2 shifts and without one accuracy runs from 0.500 to 0.625 for toy on b task (0.500 "
        "without a shift, n 200) and 0.250 to 0.750 for toy on a task (0.750 without a shift, "
        "n 50).",
        "Over 2 shifts and without one ROC-AUC runs from 0.500 to 0.625 for toy on c task (0.500 "
        "without a shift, n 200).",
        "Nothing is said of 1 of 4 curves: not above chance without a shift.",
    ]


def test_a_model_at_chance_on_a_task_gives_no_verdict_and_says_why():
    weak = table1().assign(chance=0.5)
    (found,) = table1_findings(weak)
    assert found.text.startswith("Nothing follows from toy on a task: not above chance")
    assert found.claims == ()
    assert table1_curves_findings(zero_shot(), weak) == []
    sweep = zero_shot()
    sweeps = pd.concat([sweep, sweep.assign(set="weak")])
    told = [one.text for one in table1_curves_findings(sweeps, table1())]
    curves = len(sweep.groupby(["set", "task"]))
    assert told[-1] == (
        f"Nothing is said of {curves} of {2 * curves} curves: not above chance without a shift."
    )
    shifts = sweep["delta"].nunique() - 1
    assert told[0].startswith(f"Over {shifts} shift{'s' * (shifts > 1)} and without one ")
    both = pd.concat([table1(), weak.assign(task="b_task")])
    found = table1_findings(both)
    assert "(1 row)" in found[0].text and "0.05 over 1 row" in found[1].text


def test_the_caption_of_table_1_explains_the_columns_that_are_there():
    (table,) = table1_tables(table1())
    source = (ROOT / "report/captions/table1.rst").read_text(encoding="utf-8")
    caption = render.caption_html(source, CONFIG, "table1")
    explained = [name.lower() for name in re.findall(r"<em>(.*?)</em>", caption)]
    assert explained == ["best shift", "held out", "p", "p of the best of all"]
    assert set(explained) <= set(table.head)


def test_table2():
    found = table2_findings(table2(), -0.2)
    assert "go from 20 of 100 (20.0 % [10.0, 30.0]) to 10 (10.0 % [5.0, 15.0]), p 0.01" in (
        found[0].text
    )
    assert "Of 2 groups there are fewer in 2 (50 pictures each)" in found[1].text
    assert "more in 2" in table2_findings(table2(after=15), -0.2)[1].text
    for light, dark, words in (
        (9, 10, "fewer in 1 and as many in 1"),
        (10, 11, "more in 1 and as many in 1"),
        (9, 11, "fewer in 1 and more in 1"),
    ):
        table = table2(after=10)
        for group, offensive in (("light", light), ("dark", dark)):
            rows = (table["group"] == group) & (table["delta"] == -0.2)
            table.loc[rows, "offensive"] = offensive
        assert f"Of 2 groups there are {words} (50 pictures each)" in (
            table2_findings(table, -0.2)[1].text
        )
    same = table2_findings(table2(after=10), -0.2)
    assert "as many pictures get an offensive label as without a shift, 20 of 100" in same[0].text
    assert "unchanged in all 2 groups" in same[1].text
    (table,) = table2_tables(table2(), -0.2)
    assert table.rows[0][:4] == ["light", "50", "10 + 0", "10: 20.0 % [10.0, 30.0]"]


def test_table_2_is_told_with_its_own_counts():
    other = table2(after=7)
    more = pd.concat([table2(), other[other["delta"] == -0.2].assign(delta=-0.3)])
    light = more["group"] == "light"
    more.loc[light, "n"] = 40
    shifted = more["delta"] == -0.2
    more.loc[shifted, "correct_share"] = 0.3
    more.loc[~shifted, "correct_share"] = 0.2
    text, groups, right = (finding.text for finding in table2_findings(more, -0.2))
    assert text == (
        "At delta -0.2 the pictures with an offensive label go from 20 of 100 (20.0 % [10.0, "
        "30.0]) to 10 (10.0 % [5.0, 15.0]), p 0.01."
    )
    assert groups == "Of 2 groups there are fewer in 2 (40 to 50 pictures each)."
    assert right == (
        "The share of pictures with the right label is 20.0 % [10.0, 30.0] without the shift and "
        "30.0 % [10.0, 30.0] with it (n 100)."
    )


def test_each_column_of_table_2_is_its_own():
    table = table2()
    shifted = table["delta"] == -0.2
    table.loc[shifted, ["crime_related", "non_human", "p_value", "p_holm"]] = [3, 2, 0.03, 0.04]
    table.loc[shifted, ["correct", "correct_share"]] = [30, 0.6]
    (made,) = table2_tables(table, -0.2)
    assert dict(zip(made.head, made.rows[1], strict=True)) == {
        "group": "dark",
        "n": "50",
        "delta 0: crime + non-human": "10 + 0",
        "delta 0: offensive": "10: 20.0 % [10.0, 30.0]",
        "delta -0.2: crime + non-human": "3 + 2",
        "delta -0.2: offensive": "5: 10.0 % [5.0, 15.0]",
        "p": "0.03",
        "p (Holm)": "0.04",
        "right label, delta 0": "40.0 % [20.0, 60.0]",
        "right label, delta -0.2": "60.0 % [20.0, 60.0]",
    }
    assert [row[0] for row in made.rows] == ["light", "dark", "all"]


def test_training():
    (found,) = training.training_findings(training_table())
    assert "over 2 steps the gap goes from 1.200 to 1.300" in found.text
    assert "loss from 4.00 to 2.00" in found.text and "0.010 to 0.200" in found.text
    assert found.claims == ()  # the paper has no such experiment
    longer = training_table().iloc[[-1]].assign(step=3, loss=1.5)
    (found,) = training.training_findings(pd.concat([training_table(), longer]))
    assert "over 3 steps" in found.text and "loss from 4.00 to 1.50" in found.text
    other = training_table().assign(model="a", recall1=[0.05, None, 0.1])
    shuffled = pd.concat([training_table()[::-1], other])
    assert [finding.text for finding in training.training_findings(shuffled)] == [
        "toy: over 2 steps the gap goes from 1.200 to 1.300, recall@1 on held-out pairs from 0.010 "
        "to 0.200 and the training loss from 4.00 to 2.00 (one seed).",
        "a: over 2 steps the gap goes from 1.200 to 1.300, recall@1 on held-out pairs from 0.050 "
        "to 0.100 and the training loss from 4.00 to 2.00 (one seed).",
    ]


def test_what_temperature_1_does_is_told_and_only_what_the_intervals_carry():
    gap, accuracy, recall = training.temperature_findings(temperature_summary())
    assert gap.lead and accuracy.lead and recall.lead
    assert gap.text == (
        "After fine-tuning of toy at temperature 1 the gap is 0.100 [0.090, 0.110], lower than "
        "0.480 [0.470, 0.490] after that at 1/100 (mean and interval over 3 seeds; before either "
        "it is 0.520)."
    )
    assert "accuracy is 0.650 [0.640, 0.660], higher than 0.560 [0.550, 0.570]" in accuracy.text
    assert recall.claims == ("training.recall_falls_at_temperature_1",)
    assert recall.text.count("not clearly other than") == 2  # the same recall on both sides
    assert "recall@1 to text is 0.270" in recall.text
    assert "recall@1 from text is 0.290" in recall.text
    assert not {*recall.claims} & {*gap.claims, *accuracy.claims}
    for value, words in ((0.499, "not clearly other than"), (0.501, "higher than")):
        assert (
            f"], {words} 0.48" in training.temperature_findings(temperature_summary(value))[0].text
        )
    missing = [f"zero_shot_after{end}" for end in ("", "_low", "_high")]
    without = temperature_summary().assign(**dict.fromkeys(missing, float("nan")))
    assert len(training.temperature_findings(without)) == 2
    named = temperature_summary().assign(model="stitched projections")
    assert (
        "of CLIP + MiniLM (the two projections) at" in training.temperature_findings(named)[0].text
    )


def test_two_temperatures_are_told_apart_by_intervals_that_do_not_touch():
    """Cold: gap .48 [.47, .49], accuracy .56 [.55, .57], recalls .27 and .29, .01 each way."""
    columns = ("gap", "zero_shot", "recall1_ab", "recall1_ba")
    other, lower, higher = "not clearly other than", "lower than", "higher than"
    for values, words in (
        ((0.46, 0.58, 0.29, 0.27), (other,) * 4),  # all touch
        ((0.459, 0.581, 0.291, 0.269), (lower, higher, higher, lower)),
        ((0.501, 0.539, 0.249, 0.311), (higher, lower, lower, higher)),
    ):
        summary = temperature_summary()
        hot = summary["temperature"] == 1
        for name, value in zip(columns, values, strict=True):
            ends = [value, round(value - 0.01, 6), round(value + 0.01, 6)]
            summary.loc[hot, [f"{name}_after{end}" for end in ("", "_low", "_high")]] = ends
        summary = summary.round(6)
        gap, accuracy, recall = (found.text for found in training.temperature_findings(summary))
        told = " ".join((gap, accuracy, recall))
        assert tuple(re.findall(f"{other}|{lower}|{higher}", told)) == words
    assert recall == (
        "After fine-tuning of toy at temperature 1 recall@1 to text is 0.249 [0.239, 0.259], lower "
        "than 0.270 [0.260, 0.280] and recall@1 from text is 0.311 [0.301, 0.321], higher than "
        "0.290 [0.280, 0.300] after that at 1/100 (mean and interval over 3 seeds)."
    )
    without = temperature_summary().drop(columns=[n for n in summary if n.startswith("zero_shot")])
    assert len(training.temperature_findings(without)) == 2


def test_what_is_left_of_the_gap_from_another_start():
    found = training.initialisation_findings(*initialisation_tables().values())
    assert "from the rotated start from 0.100 [0.050, 0.150] to 0.600 [0.550, 0.650]" in (
        found[0].text
    )
    assert "which is 75 % [70, 80] of it (3 seeds)" in found[0].text
    assert found[0].claims and not found[1].claims
    assert found[1].text == (
        "Temperature learnt: from the original start the gap goes from 1.200 [1.150, 1.250] to "
        "0.800 [0.750, 0.850], from the rotated start from 0.100 [0.050, 0.150] to 0.600 [0.550, "
        "0.650], which is 75 % [70, 80] of it (3 seeds)."
    )


def test_the_gap_by_dimension_is_told_with_its_ends():
    (after,) = training.dimension_findings(dimension_summary())
    assert after.text == (
        "After training the mean gap is smallest in 128 dimensions, 0.500 [0.450, 0.550], and "
        "largest in 32, 0.900 [0.850, 0.950] (mean and interval over 3 seeds)."
    )
    (alone,) = training.dimension_findings(dimension_summary().head(1))
    assert alone.text.startswith("In 128 dimensions the gap after training is 0.500 [0.450,")


def test_the_control_is_told_for_each_modality():
    (found,) = training.same_modality_findings(same_modality_summary())
    assert found.text == (
        "Between two networks fed the same items the gap goes from 1.000 [0.950, 1.050] to 0.600 "
        "[0.550, 0.650] (images) and 1.000 [0.950, 1.050] to 0.400 [0.350, 0.450] (texts). After "
        "training a linear classifier tells them apart with accuracy 1.000 [0.950, 1.050] (images) "
        "and 1.000 [0.950, 1.050] (texts) (mean and interval over 3 seeds)."
    )
    assert found.claims == ("training.same_modality.image", "training.same_modality.text")


def test_printed_p_values_are_told_with_what_is_left_of_them():
    printed, other = p_values_findings(p_values_table())
    assert printed.text == (
        "The published accuracies give the published p in all 2 rows to within 0.1 %. Corrected "
        "for the choice among 40 shifts, CIFAR10 stays below 0.05."
    )
    assert other.text == (
        "With the test pictures alone p is 0.1 for CIFAR10 (difference 0.1000 [0.0500, 0.1500], "
        "n 10,000); the paper gives no p for these."
    )
    assert "none stays below" in p_values_findings(p_values_table().iloc[[1]])[0].text
    at = p_values_table().assign(p_corrected=0.05)  # the level itself is not below it
    assert "none stays below 0.05." in p_values_findings(at)[0].text
    every = p_values_table().assign(p_corrected=0.01)  # also of the row without a printed p
    assert every["p_published"].isna().sum() == 1
    tasks = " and ".join(every["task"][every["p_published"].notna()])
    assert f"{tasks} stay below 0.05." in p_values_findings(every)[0].text
    below = p_values_table()
    below["p_recomputed"] *= 0.97
    assert "in all 2 rows to within 3 %." in p_values_findings(below)[0].text


def test_printed_counts_are_told_with_what_tests_can_show():
    (groups,) = published_table2_findings(published_table2())
    assert groups.text == (
        "The count falls in 2 of 3 groups. With Holm's correction the drop is clear in 1 of 3 by "
        "Fisher's test, as if other faces were scored, and in at most 2 of 3 by any paired test "
        "that these counts allow."
    )
    at = published_table2().replace({"p_mcnemar_least_holm": {0.03: 0.05}})
    assert "at most 1 of 3" in published_table2_findings(at)[0].text


def test_a_set_has_one_name_and_two_sets_never_the_same():
    sets = {
        "a_set": {"label": "CLIP", "weights": "trained"},
        "b_set": {"label": "CLIP", "weights": "random"},
        "c_set": {"label": "CLIP on dogs", "weights": "trained"},
        "d_set": {"label": "CLIP on dogs", "weights": "trained"},
    }
    labels = set_labels(sets)
    assert labels == {
        "a_set": "CLIP",
        "b_set": "CLIP, random weights",
        "c_set": "CLIP on dogs (c_set)",
        "d_set": "CLIP on dogs (d_set)",
    }
    tables = {
        "gap": pd.DataFrame({"set": ["a_set", "b_set"], "model": ["CLIP", "a_set"]}),
        "training": pd.DataFrame({"model": ["a_set", "own"], "step": [0, 0]}),
        "mlp": pd.DataFrame({"layer": [1]}),
    }
    made = labelled(tables, labels)
    assert list(made["gap"]["set"]) == ["CLIP", "CLIP, random weights"]
    assert list(made["gap"]["model"]) == ["CLIP", "a_set"]
    assert list(made["training"]["model"]) == ["CLIP", "own"]
    assert made["mlp"] is tables["mlp"]
    assert list(tables["gap"]["set"]) == ["a_set", "b_set"]
    tables = {"preprocessing": pd.DataFrame({"encoder": ["clip_b32", "a text transformer"]})}
    made = labelled(tables, labels, {"clip_b32": {"label": "CLIP ViT-B/32"}})
    assert list(made["preprocessing"]["encoder"]) == ["CLIP ViT-B/32", "a text transformer"]


def test_models_of_the_experiments_have_names_in_words():
    """Their names in the tables are those of train_experiment.py."""
    for kind, words in (
        ("projections", "CLIP + MiniLM (the two projections)"),
        ("towers", "small towers on frozen encoders"),
    ):
        assert trained_here(f"{CONFIG['experiments']['projection']} {kind}") == words
    assert trained_here("another") == "another"


def test_every_claim_that_a_sentence_names_is_in_the_ledger():
    """With the encoders, temperatures and spacings of the default configuration."""
    tables = data()
    labels = ("ResNet-18", "ViT-S/32", "MiniLM-L6 (text)")
    tables["initialisation_spectrum"] = pd.concat(
        spectrum_table().assign(encoder=label) for label in labels
    )
    made = results.results(tables, {}, CONFIG)
    named = {name for found, _ in made.values() for finding in found for name in finding.claims}
    assert len(named) > 20
    assert named <= LEDGER["claims"].keys()
    # Of models beside CLIP each has a claim of its own, by the label of its sets.
    labels = {entry["label"] for entry in CONFIG["sets"].values()}
    assert figure3.OTHER_MODELS.keys() <= labels
    others = {name for name in LEDGER["claims"] if name.startswith("figure3b.at_its_gap_too.")}
    assert set(figure3._minimum_claims(labels)) & others == {
        f"figure3b.at_its_gap_too.{name}" for name in figure3.OTHER_MODELS.values()
    }


def test_sentences_hold_no_verdict():
    words = re.compile(r"\b(agrees|differs|reproduced|consistent|confirms?|refutes?)\b")
    for found, _ in results.results(data(), {}, CONFIG).values():
        for finding in found:
            assert not words.search(finding.text), finding.text


def test_all_that_is_told_is_in_whole_sentences():
    for found, tables in results.results(data(), {}, CONFIG).values():
        for text in (*(one.text for one in found), *(table.caption for table in tables)):
            assert re.fullmatch(r"(toy: |[A-Z]).*[\w)\]%]\.", text), text
            assert not re.search(r"  | [.,;:)]|[,;:.(]$", text.removesuffix(".")), text
