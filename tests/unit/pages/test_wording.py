"""Numbers and lists as the pages write them: each kind on both sides of where it changes."""

import math

import pytest

from modality_gap.pages import words
from modality_gap.pages.words import NONE, in_cases


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.12345, 3, "0.123"),
        (2.0, 1, "2.0"),
        (-0.0004, 3, "0.000"),
        (-0.0006, 3, "-0.001"),
        (0.0, 2, "0.00"),
        (None, 3, NONE),
        (math.nan, 3, NONE),
        (-math.inf, 3, NONE),
    ],
)
def test_a_number_has_its_digits_and_no_negative_zero(value, digits, text):
    assert words.number(value, digits) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-0.1 [-0.25, -.5]", "−0.1 [−0.25, −.5]"),
        ("(-1)", "(−1)"),
        ("-7.756e-05", "−7.756e−05"),
        ("2 to the -512", "2 to the −512"),
        # No numbers, or none that are negative.
        ("2026-11-21, ViT-B/16, Flickr8k-1, arXiv 2203.02053, 3(b-d)", None),
        ("1-2, a-1, p-value, pre-2022, x.y-3, #-1, a/-1, f=-1", None),
    ],
)
def test_a_negative_number_has_a_minus_sign(text, shown):
    assert words.minus(text) == (shown or text)


def test_three_digits_where_nothing_else_is_said_and_one_for_shares():
    assert words.number(1 / 3) == "0.333"
    assert words.interval(1 / 3, 2 / 3) == "[0.333, 0.667]"
    assert words.estimate({"x": 1 / 3}, "x") == "0.333"
    assert words.percent(1 / 3) == "33.3 %"


def test_an_interval_needs_both_ends():
    assert words.interval(-0.5, 0.25, 2) == "[-0.50, 0.25]"
    assert words.interval(None, 0.25) == words.interval(-0.5, math.nan) == ""


def test_an_estimate_has_its_own_interval_where_there_is_one():
    row = {"gap": 0.5, "gap_low": 0.25, "gap_high": 0.75, "other": 1.0, "other_low": 0.5}
    assert words.estimate(row, "gap", 2) == "0.50 [0.25, 0.75]"
    assert words.estimate(row, "other", 1) == "1.0"


def test_shares_are_per_cent():
    assert words.percent(0.12345) == "12.3 %"
    assert words.percent(0.12345, 2) == "12.35 %"
    assert words.percent(1.0, 0) == "100 %"
    assert words.percent(None) == words.percent(math.nan) == NONE


def test_p_values_have_two_digits_and_a_floor():
    values = {0.0001: "0.0001", 0.000099: "<\u00a0.0001", 0.04567: "0.046", 0.5: "0.5", 1.0: "1"}
    assert {value: words.p_value(value) for value in values} == values
    assert words.p_value(None) == words.p_value(math.nan) == NONE


def test_temperatures_below_1_are_fractions():
    values = {0.01: "1/100", 1 / 35: "1/35", 0.5: "1/2", 1.0: "1", 2.5: "2.5"}
    assert {value: words.fraction(value) for value in values} == values


def test_counts_take_the_plural():
    assert words.count(1, "set") == "1 set"
    assert words.count(0, "set") == "0 sets"
    assert words.count(1234, "set") == "1,234 sets"
    assert words.count(2, "batch", "batches") == "2 batches"
    assert words.count(1, "batch", "batches") == "1 batch"


def test_lists_end_with_and():
    assert words.listed([]) == NONE
    assert words.listed(["a"]) == "a"
    assert words.listed(iter(["a", "b"])) == "a and b"
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.listed(["a, x", "b", "c"], "; ") == "a, x; b and c"


def test_parts_of_a_whole():
    assert words.of_all(1, 1, "set") == "the one set"
    assert words.of_all(5, 5, "set") == "all 5 sets"
    assert words.of_all(4, 5, "set") == "4 of 5 sets"
    assert words.of_all(0, 5, "set") == "none of 5 sets"
    assert words.of_all(0, 1, "set") == "none of 1 set"


def test_the_commonest_case_comes_first():
    assert in_cases("ABCD", ["rises", "falls", "is flat", "falls"]) == (
        "falls in 2 (B, D), rises in 1 (A) and is flat in 1 (C)"
    )
