"""All models side by side: tables and sentences come out of the run's tables."""

import re

import pandas as pd
import pytest

from modality_gap.config.losses import DECLARED_LOSSES
from modality_gap.pages.findings.figure3 import minimum_table
from modality_gap.pages.models import models_findings, models_tables, own_loss_table


def with_interval(name: str, value: float) -> dict:
    return {name: value, f"{name}_low": value - 0.01, f"{name}_high": value + 0.01}


@pytest.fixture
def tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    gap, diagnostics, minimum = [], [], []
    for rank, (name, weights, value, recall) in enumerate(
        [("one", "trained", 0.8, 0.5), ("one_random", "random", 1.2, 0.011)], start=1
    ):
        key = {"set": name, "model": "One", "weights": weights, "n": 60, "dim": 16}
        key |= {"recall1_chance": 1 / 60}
        row = dict(key)
        for column in ("mean_cosine_a", "mean_cosine_b"):
            row |= with_interval(column, 0.25)
        for column in ("recall1_ab", "recall1_ba"):
            row |= with_interval(column, recall)
        gap.append(row | with_interval("gap", value))
        row = key | with_interval("rmg", 0.7) | with_interval("alignment", 1.5)
        row |= {f"effective_dimension_{side}": 9 for side in ("a", "b", "both")}
        diagnostics.append(row | {"gap_rank": rank, "rmg_rank": 3 - rank})
        for temperature, distance in ((0.01, 0.7), (1.0, -0.05)):
            minimum.append(
                {"set": name, "temperature": temperature, "n": 50, "batches": 1, "gap": value}
                | with_interval("distance", distance)
                | {"at_end": temperature == 1, "loss": 1.0, "loss_at_gap": 1.25}
            )
    return pd.DataFrame(gap), pd.DataFrame(diagnostics), pd.DataFrame(minimum)


def test_every_set_has_its_row_with_interval_and_n(tables):
    made = models_tables(*tables)
    for table in made.values():
        assert [row[0] for row in table.rows] == ["one", "one_random"]
        assert all(len(row) == len(table.head) for row in table.rows)
    first = dict(zip(made["gap"].head, made["gap"].rows[0], strict=True))
    assert first["gap"] == "0.800 [0.790, 0.810]"
    assert (first["n"], first["dimensions"]) == ("60", "16")
    assert made["recall"].rows[1][4] == "0.011 [0.001, 0.021]"
    assert made["minimum"].head[-2:] == ["at 1/100", "at 1"]
    # What is smallest at the end of the sweep is no minimum.
    assert made["minimum"].rows[0][-2:] == ["0.700 [0.690, 0.710]", "none in the sweep"]
    assert minimum_table(tables[2], "x").rows[0][1] == "50 in 1 batch"
    # Rows are of a set, in whatever order they are.
    gap, diagnostics, minimum = tables
    diagnostics = diagnostics.assign(rmg=[0.7, 0.6], alignment=[1.5, 1.25])
    turned = models_tables(gap, diagnostics[::-1], minimum)
    assert turned == models_tables(gap, diagnostics, minimum) != made


def test_every_cell_comes_from_its_column(tables):
    gap, diagnostics, minimum = tables
    for table in tables:  # a value of its own in every column, so that none can stand for another
        for number, column in enumerate(table.columns):
            if pd.api.types.is_float_dtype(table[column]) and column not in ("temperature", "gap"):
                table[column] += number / 1000
    made = models_tables(gap, diagnostics.iloc[::-1], minimum)

    def written(row, name):
        return f"{row[name]:.3f} [{row[f'{name}_low']:.3f}, {row[f'{name}_high']:.3f}]"

    one, more = gap.iloc[0], diagnostics.iloc[0].copy()
    assert made["gap"].rows[0] == [
        *("one", "60", "16", written(one, "gap")),
        *(written(one, "mean_cosine_a"), written(one, "mean_cosine_b"), written(more, "rmg")),
    ]
    assert made["gap"].head == [
        *("model", "n", "dimensions", "gap"),
        *("mean cosine a", "mean cosine b", "relative gap"),
    ]
    diagnostics["effective_dimension_a"], diagnostics["effective_dimension_both"] = [3, 4], [5, 6]
    made = models_tables(gap, diagnostics, minimum)
    assert made["recall"].rows[0] == [
        *("one", "60", "16", written(one, "recall1_ab"), written(one, "recall1_ba")),
        *(written(more, "alignment"), "3", "9", "5"),
    ]
    assert made["recall"].head == [
        *("model", "n", "dimensions", "recall@1 a to b", "recall@1 b to a"),
        *("alignment", "effective dimension a", "effective dimension b"),
        "effective dimension both",
    ]
    assert made["gap"].caption == "Gap and cones; a: image, video, protein or sound; b: text."
    assert made["recall"].caption == (
        "Recall and dimension. Alignment: mean squared distance of partners. Effective dimension: "
        "components that hold 99 % of the variance."
    )
    explained = re.findall(r"\. ([A-Z][a-z ]+):", made["recall"].caption)
    assert explained == ["Alignment", "Effective dimension"]
    for name in explained:
        assert any(head.startswith(name.lower()) for head in made["recall"].head), name


def many() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Four trained sets, of which `weak` is near chance and `one_way` so in one direction, and two
    random ones."""
    rows, ranks, minimum = [], [], []
    for rank, (name, weights, gap, ab, ba) in enumerate(
        [
            ("a", "trained", 0.8, 0.5, 0.6),
            ("weak", "trained", 0.2, 0.02, 0.03),
            ("b", "trained", 1.1, 0.3, 0.2),
            ("one_way", "trained", 0.005, 0.5, 0.02),
            ("r", "random", 1.3, 0.01, 0.01),
            ("s", "random", 1.2, 0.01, 0.01),
        ]
    ):
        row = {"set": name, "weights": weights, "n": 50 + rank, "recall1_chance": 0.01}
        row |= with_interval("gap", gap) | with_interval("recall1_ab", ab)
        rows.append(row | with_interval("recall1_ba", ba))
        ranks.append({"set": name, "gap_rank": rank, "rmg_rank": {1: 2, 2: 1}.get(rank, rank)})
        for number, temperature in enumerate((1.0, 0.02, 0.1)):
            if (name, temperature) != ("b", 0.02):
                row = {"set": name, "temperature": temperature, "at_end": False}
                minimum.append(row | with_interval("distance", rank + number / 10))
    return pd.DataFrame(rows), pd.DataFrame(ranks), pd.DataFrame(minimum)


def test_sentences_on_several_sets():
    assert [finding.text for finding in models_findings(*many())] == [
        "The gap is clearly above 0 in all 2 sets with random weights, from 1.200 [1.190, 1.210] "
        "(s, n 55) to 1.300 [1.290, 1.310] (r, n 54) and in 3 of 4 sets with trained weights, from "
        "0.005 [-0.005, 0.015] (one_way, n 53) to 1.100 [1.090, 1.110] (b, n 52).",
        "By their estimates, gap and relative gap rank 4 of 6 sets alike.",
        "The contrastive loss is smallest at these distances, at temperature 1/50 and at 1: a "
        "(0.100 [0.090, 0.110] and 0.000 [-0.010, 0.010]); models near chance are left out.",
    ]


def test_without_trained_sets_nothing_is_said_of_them():
    gap, ranks, minimum = many()
    gap = gap[gap["weights"] == "random"]
    found = [finding.text for finding in models_findings(gap, ranks.tail(2), minimum)]
    assert len(found) == 2
    assert found[1] == "By their estimates, gap and relative gap rank all 2 sets alike."


def test_the_loss_is_told_of_trained_sets_alone():
    gap, ranks, minimum = many()
    gap.loc[gap["set"] == "s", ["recall1_ab_low", "recall1_ba_low"]] = 0.9
    assert models_findings(gap, ranks, minimum) == models_findings(*many())


def test_sentences_count_what_the_tables_hold(tables):
    tables[2]["at_end"] = False
    found = " ".join(finding.text for finding in models_findings(*tables))
    assert "The gap is clearly above 0 in the one set with random weights, 1." in found
    assert "By their estimates, gap and relative gap rank none of 2 sets alike." in found
    assert "one (0.700 [0.690, 0.710] and -0.050 [-0.060, -0.040])" in found
    alike = tables[1].assign(rmg_rank=tables[1]["gap_rank"])
    found = " ".join(finding.text for finding in models_findings(tables[0], alike, tables[2]))
    assert "By their estimates, gap and relative gap rank all 2 sets alike." in found


def test_a_model_near_chance_is_left_out(tables):
    """Better than chance, one in 60, yet not five times it."""
    tables[0]["recall1_ab_low"] = 2 / 60
    found = " ".join(finding.text for finding in models_findings(*tables))
    assert "contrastive loss is smallest" not in found


def test_the_sigmoid_loss_is_told_at_the_models_own_scale(tables):
    minimum = tables[2].assign(bias=-10.0, own=tables[2]["temperature"] == 1.0)
    table = own_loss_table(DECLARED_LOSSES["sigmoid"], minimum)
    assert table.caption == (
        "Where the sigmoid loss is smallest. Scale: what cosines are multiplied by, one over the "
        "temperature. No number where the loss still falls at the sweep's end."
    )
    assert table.head == [
        *("model", "logit scale", "bias", "n", "gap", "minimum at"),
        *("loss at the gap", "loss at the minimum"),
    ]
    assert table.rows[:2] == [
        ["one", "100.00", "-10.00", "50", "0.800", "0.700 [0.690, 0.710]", "1.2500", "1.0000"],
        [
            *("one", "1.00, the model's own", "-10.00", "50", "0.800", "none in the sweep"),
            *("1.2500", "1.0000"),
        ],
    ]


@pytest.mark.parametrize(("low", "words"), [(0.01, "the one set"), (0.0, "none of 1 set")])
def test_a_gap_whose_interval_reaches_0_is_not_clear(tables, low, words):
    gap, *others = tables
    gap.loc[gap["weights"] == "trained", "gap_low"] = low
    told = [str(found) for found in models_findings(gap, *others)]
    (text,) = [one for one in told if "the gap is clearly above 0" in one.lower()]
    assert f"in {words} with trained weights" in text
