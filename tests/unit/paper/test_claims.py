"""The claims ledger: a verdict of each kind on invented values, and the real ledger as a whole."""

import io
import math
import re
from collections import Counter
from collections.abc import Callable

import pandas as pd
import pytest
import yaml
from check_outputs import regressions
from snakemake.utils import update_config

from modality_gap.config.load import tables_of, without_nulls
from modality_gap.config.rows import with_rows
from modality_gap.errors import InputError
from modality_gap.pages import paper
from modality_gap.paper import claims, measured, show
from modality_gap.paper import ledger as ledger_module
from modality_gap.paper.chance import WELL_ABOVE
from modality_gap.paper.errata import computed_errata

NEEDS = {"coco": {"what": "COCO", "run": "run `make it`"}}
TABLE = pd.DataFrame(
    {
        "set": ["a", "b", "c"],
        "temperature": [1 / 35, 0.1, 1.0],
        "gap": [0.9, 0.5, 0.1],
        "gap_low": [0.8, 0.4, -0.1],
        "gap_high": [1.0, 0.6, 0.3],
        "n": [10, 20, 30],
        "big": [True, True, False],
        "constant": 7.0,
        "nought": 0.0,
    }
)
TABLES = {"gap.csv": TABLE}


def judged(*evidence, **more):
    claim = {"id": "x", "part": "Theory", "where": "here", "whose": "paper", "statement": "s"}
    return claims.judge(claim | more | {"evidence": list(evidence)}, NEEDS, TABLES)


def cell(expect, name="a", kind="own", **more):
    where = {"table": "gap.csv", "where": {"set": name}, "column": "gap"}
    return where | {"kind": kind, "on": "toy", "expect": expect} | more


def word(*evidence, **more):
    (row,) = judged(*evidence, **more)
    return row["verdict"]


# a is .9 [.8, 1]; c is .1 [-.1, .3].
HOLDS, FAILS, TORN = {"above": 0.7}, {"below": 0.7}, {"above": 0.85}
VERDICTS = {
    "own": ("reproduced", "differs"),
    "neighbouring": ("reproduced", "differs"),
    "simulation": ("reproduced", "differs"),
    "printed": ("consistent", "differs"),
    "stand_in": ("same on a stand-in", "not seen on a stand-in"),
}


@pytest.mark.parametrize("kind", claims.KINDS)
def test_each_verdict_of_each_kind_of_evidence(kind):
    assert word(cell(HOLDS, kind=kind)) == VERDICTS[kind][0]
    assert word(cell(FAILS, kind=kind)) == VERDICTS[kind][1]
    assert word(cell(TORN, kind=kind)) == "inconclusive"
    assert word(cell({"above": 0}, name="nowhere", kind=kind)) == "not run"


@pytest.mark.parametrize(
    ("published", "within", "word_of_it"),
    [
        (0.91, 0.01, "reproduced"),  # the tolerance itself is inside
        (0.9100001, 0.01, "differs"),  # missed by a hair
        (0.89, 0.01, "reproduced"),
        (0.8899999, 0.01, "differs"),
        (0.9, 0.0, "reproduced"),
    ],
)
def test_a_tolerance_missed_by_a_hair_is_missed(published, within, word_of_it):
    assert word(cell({"equals": published, "within": within}, point=True)) == word_of_it


@pytest.mark.parametrize(
    ("expect", "word_of_it"),
    [
        ({"equals": 0.9, "within": 0.1}, "reproduced"),  # just as wide as the interval
        ({"equals": 0.9, "within": 0.099}, "inconclusive"),  # the interval is wider
        ({"equals": 0.75, "within": 0.06}, "inconclusive"),  # the value is outside, its end inside
        ({"equals": 0.75, "within": 0.04}, "differs"),  # all of the interval is above
        ({"equals": 1.1, "within": 0.04}, "differs"),  # all of it is below
        ({"above": 0.8}, "inconclusive"),  # the end itself is not above
        ({"above": 0.799}, "reproduced"),
        ({"above": 1.0}, "differs"),
        ({"above": 0.999}, "inconclusive"),
        ({"below": 1.0}, "inconclusive"),
        ({"below": 1.001}, "reproduced"),
        ({"below": 0.8}, "differs"),
        ({"below": 0.801}, "inconclusive"),
    ],
)
def test_the_whole_interval_decides_or_nothing_does(expect, word_of_it):
    assert word(cell(expect)) == word_of_it


@pytest.mark.parametrize(
    ("value", "expect", "holds", "why"),
    [
        # The bound itself is neither above nor below.
        (0.9, {"above": 0.9}, False, "the value, 0.9, is not above 0.9"),
        (0.9, {"below": 0.9}, False, "the value, 0.9, is not below 0.9"),
        (0.91, {"above": 0.9}, True, "the value, 0.91, is above 0.9"),
        (0.89, {"below": 0.9}, True, "the value, 0.89, is below 0.9"),
        (-0.89, {"below": -0.9}, False, "the value, -0.89, is not below -0.9"),
        (0.5, {"equals": 0.5}, True, "the value, 0.5, is at most 0 from 0.5, by 0"),
        (0.625, {"equals": 0.5, "within": 0.125}, True, "is at most 0.125 from 0.5, by 0.125"),
        (0.75, {"equals": 0.5, "within": 0.125}, False, "is more than 0.125 from 0.5, by 0.25"),
        (0.25, {"equals": 0.5, "within": 0.125}, False, "is more than 0.125 from 0.5, by 0.25"),
        (0.12345, {"above": 0}, True, "the value, 0.123, is above 0"),
        # The last bits of a float, of a large number in proportion, may not decide.
        (0.5 + 9e-10, {"equals": 0.5}, True, ""),
        (0.5 + 1.2e-9, {"equals": 0.5}, False, ""),
        (4000 + 3e-6, {"equals": 4000}, True, ""),
        (4000 + 5e-6, {"equals": 4000}, False, ""),
        (-4000 - 3e-6, {"equals": -4000}, True, ""),
    ],
)
def test_a_value_at_the_bound_and_its_wording(value, expect, holds, why):
    found, said = claims.meets(measured.Measured(value), expect)
    assert found is holds
    assert said.endswith(why)


@pytest.mark.parametrize(
    ("expect", "why"),
    [
        ({"above": 0.8}, "on both sides of 0.8"),
        ({"above": 0.5}, "above 0.5"),
        ({"above": 1}, "not above 1"),
        ({"below": 0.8}, "not below 0.8"),
        ({"below": 1.5}, "below 1.5"),
        ({"equals": 0.9, "within": 0.125}, "at most 0.125 from 0.9"),
        ({"equals": 0.9, "within": 0.05}, "not wholly within 0.05 of 0.9"),
        ({"equals": 2, "within": 0.5}, "more than 0.5 from 2"),
    ],
)
def test_an_interval_at_the_bound_and_its_wording(expect, why):
    interval = measured.Measured(0.9, 0.8, 1.0)
    assert claims.meets(interval, expect)[1] == f"the interval, [0.8, 1], is {why}"


def test_why_says_where_the_interval_lies():
    (row,) = judged(cell({"above": 0}, name="c"))
    assert row["why"] == "the interval, [-0.1, 0.3], is on both sides of 0"
    (row,) = judged(cell({"equals": 0.8, "within": 0.01}, point=True))
    assert row["why"] == "the value, 0.9, is more than 0.01 from 0.8, by 0.1"


def test_the_interval_of_a_value_that_is_judged_alone_is_shown():
    alone = cell({"equals": 0.9, "within": 0.01}, point=True)
    (row,) = judged(alone)
    assert (row["verdict"], row["low"], row["high"]) == ("reproduced", 0.8, 1.0)
    assert row["why"] == "the value, 0.9, is at most 0.01 from 0.9, by 0"
    (row,) = judged(alone | {"over": {"value": 0.1}, "expect": {"above": 8}})
    assert (row["low"], row["high"]) == pytest.approx((8, 10))
    # A printed number has no error of sampling; scores of the same pictures are not independent.
    for change in ({"kind": "printed"}, {"minus": {"value": 0.0}}, {"less": "nought"}):
        (row,) = judged(alone | change)
        assert (row["measured"], row["low"], row["high"]) == (0.9, "", "")


def test_an_undefined_value_decides_nothing():
    for expect in ({"above": 0}, {"below": 0}, {"equals": 0, "within": 1}):
        found = claims.meets(measured.Measured(float("nan")), expect)
        assert found == (None, "the value is undefined")


GUARD = {"table": "gap.csv", "where": {"set": "c"}, "column": "gap", "reason": "too small"}


@pytest.mark.parametrize(
    ("guard", "met"),
    [
        ({"above": -0.2}, True),
        ({"above": 0}, False),  # the lower end is -.1
        ({"below": 0.4}, True),
        ({"below": 0.2}, False),
        ({"column": "big", "equals": False}, True),
        ({"column": "big", "equals": True}, False),
        ({"where": {"set": "nowhere"}, "above": -1}, False),
        ({"column": "gap", "over": {**GUARD, "column": "constant"}, "above": -0.015}, True),
        ({"column": "gap", "over": {**GUARD, "column": "constant"}, "above": -0.014}, False),
    ],
)
@pytest.mark.parametrize("expect", [HOLDS, FAILS])
def test_where_nothing_could_be_seen_there_is_no_verdict(guard, met, expect):
    (row,) = judged(cell(expect, provided=[GUARD | {"above": -9}, GUARD | guard]))
    assert (row["verdict"] == "inconclusive") is not met
    assert row["why"].startswith("too small (") is not met
    assert row["measured"] == 0.9


@pytest.mark.parametrize("at_end", [True, False])
def test_of_a_minimum_at_the_end_of_its_sweep_no_number_is_told(at_end):
    table = {"set": ["a"], "gap": [0.5], "distance": [0.5], "at_end": [at_end], "n": [10]}
    table |= {"distance_low": [0.5], "distance_high": [0.5]}
    minimum = {"table": "m.csv", "column": "distance", "over": {"table": "m.csv", "column": "gap"}}
    evidence = minimum | {"absolute": True, "kind": "own", "on": "toy", "expect": {"equals": 1}}
    claim = {"id": "x", "part": "Theory", "where": "here", "whose": "paper", "statement": "s"}

    def rows(piece):
        (row,) = claims.judge(claim | {"evidence": [piece]}, {}, {"m.csv": pd.DataFrame(table)})
        assert row["n"] == 10
        return [row[key] for key in ("verdict", "measured", "low", "high")]

    expected = ["inconclusive", "", "", ""] if at_end else ["reproduced", 1.0, 1.0, 1.0]
    assert rows(evidence) == expected
    gap = evidence | {"column": "gap", "expect": {"above": 0}}
    assert rows(gap)[0] == "reproduced"  # the gap does not depend on the sweep
    (row,) = claims.judge(claim | {"evidence": [evidence]}, {}, {"m.csv": pd.DataFrame(table)})
    assert (row["why"] == "the loss still falls at the sweep's end") == at_end


@pytest.mark.parametrize("column", ["delta", "distance", "loss", "loss_excess"])
def test_every_number_of_a_minimum_says_whether_it_is_at_the_end_of_the_sweep(column):
    rows = {"name": ["a", "b"], column: [1.0, 2.0], "other": 0.5, "at_end": [True, False]}
    tables = {"t": pd.DataFrame(rows)}

    def at_end(name, **more):
        cell = {"table": "t", "column": column, "where": {"name": name}}
        return measured.measure(cell | more, tables).at_end

    ways = ({}, {"less": "other"}, {"against": "other"}, {"absolute": True}, {"over": {"value": 2}})
    for more in ways:
        assert at_end("a", **more) and not at_end("b", **more), more
    # A value that is compared with a minimum at the end is unknown too.
    for operation in ("over", "minus"):
        assert at_end("b", **{operation: {"table": "t", "column": column, "where": {"name": "a"}}})
    assert not at_end("a", column="other")
    # A table of anything but a sweep has no end.
    whole = {"t": tables["t"].drop(columns="at_end")}
    selector = {"table": "t", "column": column, "where": {"name": "a"}}
    assert not measured.measure(selector, whole).at_end


def test_every_evidence_at_hand_has_a_row_and_neither_hides_the_other():
    rows = judged(
        cell({"above": 0}, name="nowhere"),
        cell({"above": 0}, name="b", kind="stand_in"),
        cell(FAILS, kind="neighbouring"),
    )
    assert [(row["verdict"], row["evidence"], row["measured"], row["n"]) for row in rows] == [
        ("same on a stand-in", "stand-in: toy", 0.5, 20),
        ("differs", "neighbouring model: toy", 0.9, 10),
    ]
    (row,) = show.overall(pd.DataFrame(rows)).to_dict("records")
    assert row["verdict"] == "differs"
    assert row["others"] == "same on a stand-in (stand-in: toy)"


@pytest.mark.parametrize("strongest", range(len(claims.KINDS)))
def test_the_strongest_evidence_gives_the_one_word(strongest):
    kinds = list(claims.KINDS)[strongest:]
    rows = judged(*(cell(HOLDS if kind == kinds[0] else TORN, kind=kind) for kind in kinds[::-1]))
    frame = pd.DataFrame(rows, columns=claims.COLUMNS)
    (row,) = show.overall(frame).to_dict("records")
    assert row["verdict"] == VERDICTS[kinds[0]][0]
    assert row["others"].count("inconclusive") == len(kinds) - 1
    assert show.counts(frame)[row["verdict"]] == sum(show.counts(frame).values()) == 1


def test_what_was_not_run_says_what_it_needs_and_the_command():
    (row,) = judged(needs="coco")
    assert row["verdict"] == "not run"
    assert row["evidence"] == ""
    assert row["why"] == "needs COCO; run `make it`"
    (row,) = judged()
    assert row["why"] == "this configuration's tables have no such row"


def test_a_fault_of_a_claims_evidence_names_the_claim():
    with pytest.raises(InputError, match=r"^x: gap\.csv has no column gaps; correct the entry"):
        judged(cell(HOLDS) | {"column": "gaps"})


def measure(**selector):
    return measured.measure({"table": "gap.csv", "column": "gap", **selector}, TABLES)


def test_rows_are_found_by_text_truth_list_and_number():
    assert measure(where={"set": "b"}).value == 0.5
    assert measure(where={"big": False}).value == 0.1
    assert measure(where={"set": ["b", "c"]}, take="smallest").value == 0.1
    # A temperature that lost its last digit on the way through a file.
    assert measure(where={"temperature": 0.02857142857142857 + 1e-17}).value == 0.9


@pytest.mark.parametrize("written", ["yes", "no", "2020-01-01", "~", "012"])
def test_a_name_that_yaml_reads_as_no_text_is_told(written):
    """Without a word it would be found in no row."""
    for where in (f"{{set: {written}}}", f"{{set: [a, {written}]}}"):
        with pytest.raises(
            InputError, match=r"YAML reads the value of set as .*; write it in quotes\."
        ):
            measure(where=yaml.safe_load(where), take="smallest")
    # In a column of numbers and texts a number is one.
    column = pd.Series(["10", "all"], name="layer")
    assert list(measured._matches(column, 10)) == [True, False]
    for texts, wanted in ((column, True), (pd.Series(["a"], name="layer"), 10)):
        with pytest.raises(InputError, match="YAML reads the value of layer as a"):
            measured._matches(texts, wanted)


def test_a_table_without_rows_measures_nothing():
    """A run that is too small for a table writes its columns alone; they hold no texts."""
    table = pd.read_csv(io.StringIO("set,n_fit,value\n"))
    cell = {"table": "t.csv", "column": "value", "where": {"set": "a", "n_fit": 128}}
    assert measured.measure(cell, {"t.csv": table}) is None


def test_one_of_several_rows():
    assert measure(take="largest") == measured.Measured(0.9, 0.8, 1.0, 10)
    assert measure(take="smallest").value == 0.1
    assert measure(take="at_smallest", along="temperature").value == 0.9
    assert measure(take="kendall", along="temperature").value == pytest.approx(-1)
    assert measure(column="constant", take="kendall", along="temperature").value == 0
    with pytest.raises(InputError, match=r"^gap\.csv: 3 rows match"):
        measure()


def test_what_is_said_of_several_is_measured_on_all_or_not_at_all():
    assert measure(where={"set": ["b", "c"]}, take="largest").value == 0.5
    assert measure(where={"set": ["b", "nowhere"]}, take="largest") is None
    assert measure(where={"big": True, "set": ["b", "c"]}, take="largest") is None


def test_of_undefined_values_there_is_no_smallest():
    rows = pd.DataFrame({"value": [1.0, 2.0, 3.0], "loss": [math.nan, 0.2, 0.3], "none": math.nan})
    cell = {"table": "t.csv", "column": "value", "take": "at_smallest", "along": "loss"}
    # A shift without a loss is no minimum.
    assert measured.measure(cell, {"t.csv": rows}).value == 2
    undefined = (cell | {"along": "none"}, cell | {"column": "loss", "take": "smallest"})
    for selector in (*undefined, cell | {"less": "loss", "take": "largest"}):
        assert math.isnan(measured.measure(selector, {"t.csv": rows}).value)


def test_a_point_has_no_interval():
    assert measure(where={"set": "c"}, point=True) == measured.Measured(0.1, n=30)


@pytest.mark.parametrize(
    ("columns", "n"),
    [
        ({"n": 30, "separability_n": 31}, 31),
        ({"n": 30, "recall_n": 31}, 30),
        ({"initialisations": 25, "items": 20}, 25),
        ({"initialisations": 25, "n": 30}, 30),
        ({"items": 20}, None),
    ],
)
def test_n_is_that_of_the_column(columns, n):
    table = pd.DataFrame([{"separability": 1.0, **columns}])
    found = measured.measure({"table": "t.csv", "column": "separability"}, {"t.csv": table})
    assert found.n == n


def test_difference_and_ratio():
    other = {"table": "gap.csv", "column": "gap", "where": {"set": "b"}}
    difference = measure(where={"set": "a"}, minus=other)
    # Independent errors of .1 each add up to .1 * sqrt(2).
    assert difference.value == pytest.approx(0.4)
    assert difference.low == pytest.approx(0.4 - 0.1 * 2**0.5)
    assert difference.high == pytest.approx(0.4 + 0.1 * 2**0.5)
    assert difference.n == 10
    assert measure(where={"set": "a"}, over=other).value == pytest.approx(1.8)
    # First the ratio, then the difference.
    both = measure(where={"set": "a"}, over=other, minus={"value": 1})
    assert both.value == pytest.approx(0.8)
    assert measured.measure({"value": 0.5, "minus": {"value": 0.25}}, {}).value == 0.25


def test_absolute_turns_the_interval_round():
    assert measured.measure({"value": -2, "absolute": True}, {}).value == 2
    across = measure(where={"set": "c"}, absolute=True)
    assert (across.low, across.high) == (0, 0.3)
    below = {"v": -2.0, "v_low": -3.0, "v_high": -1.0, "n": 9}
    for change, found in (
        ({}, measured.Measured(2.0, 1.0, 3.0, 9)),
        # Of one end alone there is no interval.
        ({"v_low": math.nan}, measured.Measured(2.0, n=9)),
        ({"v_high": math.nan}, measured.Measured(2.0, n=9)),
    ):
        tables = {"t": pd.DataFrame([below | change])}
        assert measured.measure({"table": "t", "column": "v", "absolute": True}, tables) == found


def test_absolute_drops_the_sign_of_a_cell_not_of_a_difference():
    difference = measured.measure({"value": -1, "absolute": True, "minus": {"value": 3}}, {})
    assert difference.value == -2
    other = {"value": -3, "absolute": True}
    assert measured.measure({"value": 1, "minus": other}, {}).value == -2


def test_a_share_has_the_interval_of_its_count():
    row = {"offensive": 5, "offensive_share": 0.5, "offensive_low": 0.2, "offensive_high": 0.8}
    tables = {"t.csv": pd.DataFrame([row | {"n": 10}])}
    share = {"table": "t.csv", "column": "offensive_share"}
    assert measured.measure(share, tables) == measured.Measured(0.5, 0.2, 0.8, 10)
    # In per cent.
    in_per_cent = measured.measure(share | {"over": {"value": 0.01}}, tables)
    assert (in_per_cent.low, in_per_cent.high) == pytest.approx((20, 80))


def test_a_ratio_of_two_intervals_is_that_of_their_logarithms():
    other = {"table": "gap.csv", "column": "gap", "where": {"set": "b"}}
    ratio = measure(where={"set": "a"}, over=other)
    # .9 [.8, 1] over .5 [.4, .6]
    down = math.hypot(math.log(0.9 / 0.8), math.log(0.6 / 0.5))
    up = math.hypot(math.log(1 / 0.9), math.log(0.5 / 0.4))
    ends = (1.8 * math.exp(-down), 1.8 * math.exp(up))
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((1.8, *ends))
    # Of an interval with 0 in it there is no logarithm.
    across = measure(where={"set": "c"}, over=other)
    assert (across.value, across.low) == (pytest.approx(0.2), None)
    # A count has no width.
    over_n = measure(where={"set": "a"}, over={**other, "column": "n"})
    assert (over_n.low, over_n.high, over_n.n) == pytest.approx((0.04, 0.05, 10))


def test_one_column_less_another_row_by_row():
    # gap less temperature: .871, .4 and -.9.
    least = measure(less="temperature", take="smallest")
    assert (least.value, least.low, least.high) == pytest.approx((-0.9, -1.1, -0.7))
    assert measure(less="temperature", take="largest").value == pytest.approx(0.9 - 1 / 35)
    alone = measure(less="temperature", where={"set": "b"}, point=True)
    assert (alone.value, alone.low) == (pytest.approx(0.4), None)
    # Two intervals as if they were independent.
    same = measure(less="gap", where={"set": "a"})
    assert (same.value, same.low, same.high) == pytest.approx((0, -(0.02**0.5), 0.02**0.5))
    # The row is chosen by the difference, not by the cell.
    crossing = {"t.csv": pd.DataFrame({"one": [1.0, 2.0, 3.0], "other": [1.0, 5.0, 2.5]})}
    for take, value in (("smallest", -3.0), ("largest", 0.5)):
        selector = {"table": "t.csv", "column": "one", "less": "other", "take": take}
        assert measured.measure(selector, crossing).value == value
    with pytest.raises(InputError, match=r"gap\.csv has no column gaps"):
        measure(less="gaps", where={"set": "a"})


def test_a_cell_against_its_rows_own_bound_is_shown_itself():
    # gap less temperature is largest for a, whose temperature is 1/35.
    evidence = {"table": "gap.csv", "column": "gap", "against": "temperature", "take": "largest"}
    evidence |= {"kind": "own", "on": "sets"}
    (row,) = judged(evidence | {"expect": {"below": 0}})
    assert (row["measured"], row["low"], row["high"], row["n"]) == (0.9, 0.8, 1.0, 10)
    assert row["verdict"] == claims.DIFFERS
    assert row["why"] == "the interval, [0.8, 1], is not below 0.02857, its temperature"
    (row,) = judged(evidence | {"expect": {"above": 0}})
    assert row["verdict"] == claims.REPRODUCED
    (row,) = judged(evidence | {"expect": {"equals": 0.9, "within": 0.11}})
    assert row["verdict"] == claims.INCONCLUSIVE  # .8 is too far from .9 + 1/35
    (row,) = judged(evidence | {"expect": {"below": 0}, "take": "smallest"})
    assert (row["measured"], row["verdict"]) == (0.1, claims.REPRODUCED)
    least = cell({"below": 0}) | {"against": "gap_low"}
    assert judged(least)[0]["why"].endswith(", its gap low")


def combined(first, operation, second):
    """`first` over or minus `second`, each a value with two ends and n, or without."""
    tables, selectors = {}, []
    for name, (value, low, high, n) in (("one.csv", first), ("two.csv", second)):
        row = {"v": value, "v_low": low, "v_high": high, "n": n}
        tables[name] = pd.DataFrame([{k: v for k, v in row.items() if v is not None}])
        selectors.append({"table": name, "column": "v"})
    return measured.measure(selectors[0] | {operation: selectors[1]}, tables)


def test_a_difference_with_a_constant_keeps_the_width():
    wide, bare = (0.9, 0.7, 1.0, 20), (0.5, None, None, 10)
    found = combined(wide, "minus", bare)
    assert (found.value, found.low, found.high) == pytest.approx((0.4, 0.2, 0.5))
    assert found.n == 10
    found = combined(bare, "minus", wide)
    assert (found.value, found.low, found.high) == pytest.approx((-0.4, -0.5, -0.2))
    # Two intervals: .9 [.7, 1] less .5 [.4, .8], whose arms cross over.
    found = combined(wide, "minus", (0.5, 0.4, 0.8, None))
    assert found.low == pytest.approx(0.4 - math.hypot(0.2, 0.3))
    assert found.high == pytest.approx(0.4 + math.hypot(0.1, 0.1))
    assert found.n == 20
    assert combined((0.9, None, None, None), "minus", bare) == measured.Measured(
        pytest.approx(0.4), n=10
    )


def test_a_ratio_has_an_interval_only_where_it_has_a_meaning():
    wide, bare = (0.9, 0.6, 1.2, 20), (0.5, None, None, 10)
    found = combined(wide, "over", bare)
    assert (found.value, found.low, found.high) == pytest.approx((1.8, 1.2, 2.4))
    assert found.n == 10
    # A negative cell over a count scales as it stands.
    found = combined((0.0, -0.6, 0.6, None), "over", bare)
    assert (found.low, found.high) == pytest.approx((-1.2, 1.2))
    # A bare number over an interval: the ends change places.
    found = combined(bare, "over", wide)
    assert (found.value, found.low, found.high) == pytest.approx((0.5 / 0.9, 0.5 / 1.2, 0.5 / 0.6))
    for first, second in (
        (wide, (-0.5, None, None, 10)),
        (wide, (0.5, 0.0, 0.6, 10)),
        ((0.9, 0.0, 1.2, 20), (0.5, 0.4, 0.6, 10)),
    ):
        found = combined(first, "over", second)
        assert found.value == pytest.approx(first[0] / second[0])
        assert (found.low, found.high, found.n) == (None, None, 10)
    assert combined(bare, "over", bare) == measured.Measured(1.0, n=10)
    by_zero = combined(wide, "over", (0.0, None, None, 10))
    assert math.isnan(by_zero.value) and by_zero.n == 10


def test_an_absolute_value_and_its_interval():
    rows = pd.DataFrame(
        {"v": [-0.5, 0.5, -0.1], "v_low": [-0.9, 0.2, -0.3], "v_high": [-0.2, 0.9, 0.2], "n": 7}
        | {"name": ["below", "above", "across"]}
    )

    def absolute(name):
        selector = {"table": "t", "column": "v", "absolute": True, "where": {"name": name}}
        return measured.measure(selector, {"t": rows})

    assert absolute("below") == absolute("above") == measured.Measured(0.5, 0.2, 0.9, 7)
    assert absolute("across") == measured.Measured(0.1, 0.0, 0.3, 7)
    rows.loc[0, "v_high"] = 0.0  # an end on 0 is 0
    assert absolute("below") == measured.Measured(0.5, 0.0, 0.9, 7)
    bare = rows[["v", "n", "name"]]
    selector = {"table": "t", "column": "v", "absolute": True, "where": {"name": "below"}}
    assert measured.measure(selector, {"t": bare}) == measured.Measured(0.5, n=7)


def test_a_trend_needs_three_rows_and_may_ignore_signs():
    rows = pd.DataFrame({"v": [1.0, -2.0, 3.0, -4.0], "by": [1, 2, 3, 4]})
    selector = {"table": "t", "column": "v", "take": "kendall", "along": "by"}
    # Of six pairs the second and fourth are lower than what stands before them, but -2 and 3.
    assert measured.measure(selector, {"t": rows}) == measured.Measured(pytest.approx(-1 / 3), n=4)
    assert measured.measure(selector | {"absolute": True}, {"t": rows}).value == 1
    assert measured.measure(selector, {"t": rows[:3]}).n == 3
    assert measured.measure(selector | {"where": {"by": [1, 2, 4]}}, {"t": rows}).n == 3
    assert measured.measure(selector, {"t": rows[:2]}) is None


def test_large_numbers_are_found_in_proportion():
    rows = pd.DataFrame({"layer": ["4000.000003", "all"], "v": [1.0, 2.0]})
    cell = {"table": "t", "column": "v"}
    assert measured.measure(cell | {"where": {"layer": 4000}}, {"t": rows}).value == 1
    assert measured.measure(cell | {"where": {"layer": 4000.00001}}, {"t": rows}) is None
    tiny = pd.DataFrame({"layer": [1e-3], "v": [1.0]})
    assert measured.measure(cell | {"where": {"layer": 1e-3 + 9e-10}}, {"t": tiny}).value == 1
    assert measured.measure(cell | {"where": {"layer": 1e-3 + 1.5e-9}}, {"t": tiny}) is None
    # true is no 1.
    flags = pd.DataFrame({"flag": [1, 0], "v": [1.0, 2.0]})
    assert measured.measure(cell | {"where": {"flag": True}}, {"t": flags}).value == 1


def test_an_end_that_is_not_finite_is_none():
    rows = pd.DataFrame({"v": [1.0], "v_low": [-math.inf], "v_high": [math.nan]})
    assert measured.measure({"table": "t", "column": "v"}, {"t": rows}) == measured.Measured(1.0)


def test_a_wrong_column_is_named():
    with pytest.raises(InputError, match=r"gap\.csv has no column gaps"):
        measured.measure({"table": "gap.csv", "column": "gaps"}, TABLES)
    with pytest.raises(InputError, match="has no column sets"):
        measure(where={"sets": "a"})


def write(tmp_path, entries):
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump({"needs": NEEDS, "claims": entries}))
    return path


ENTRY = {"id": "x.{n}", "part": "Theory", "where": "layer {n}", "whose": "ours", "statement": "s"}


def evident(**more):
    evidence = {"value": 1, "kind": "own", "on": "toy", "expect": {"above": 0}} | more
    return ENTRY | {"id": "x", "evidence": [evidence]}


def test_cases_fill_texts_and_keep_numbers(root, tmp_path):
    expect = {"equals": "{n}", "within": 0.1}
    entry = ENTRY | {
        "evidence": [{"value": "{n}", "kind": "own", "on": "toy", "expect": expect}],
        "cases": [{"n": 1}, {"n": 2.5}],
    }
    ledger = ledger_module.load_ledger(write(tmp_path, [entry]), root / "config/schema/claims.yaml")
    assert list(ledger["claims"]) == ["x.1", "x.2.5"]
    assert ledger["claims"]["x.2.5"]["where"] == "layer 2.5"
    assert ledger["claims"]["x.2.5"]["evidence"][0]["value"] == 2.5
    assert ledger["claims"]["x.1"].keys() == ENTRY.keys() | {"evidence"}


def test_cases_of_the_evidence_win_over_those_of_the_entry(root, tmp_path):
    expect = {"equals": "{n}", "within": "{m}"}
    evidence = {"value": "{n}", "kind": "own", "on": "{name}", "expect": expect}
    own = [{"n": 3, "m": "{least}"}, {"m": 0.5}]
    entry = ENTRY | {
        "evidence": [evidence | {"cases": own}, evidence | {"cases": "{more}"}],
        "cases": [{"n": 1, "least": 0.1, "name": "toy", "more": [{"n": 7, "m": 2}]}],
    }
    ledger = ledger_module.load_ledger(write(tmp_path, [entry]), root / "config/schema/claims.yaml")
    found = ledger["claims"]["x.1"]["evidence"]
    assert [(one["value"], one["expect"]["within"], one["on"]) for one in found] == [
        (3, 0.1, "toy"),
        (1, 0.5, "toy"),
        (7, 2, "toy"),
    ]


def test_a_text_may_begin_and_end_with_a_name(root, tmp_path):
    entry = ENTRY | {"id": "x", "where": "{n}, {m}", "cases": [{"n": 1, "m": 2}]}
    ledger = ledger_module.load_ledger(write(tmp_path, [entry]), root / "config/schema/claims.yaml")
    assert ledger["claims"]["x"]["where"] == "1, 2"


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([ENTRY | {"id": "x"}, ENTRY | {"id": "x"}], ": two claims have the id x"),
        ([ENTRY | {"whose": "mine"}], "claims[0].whose is 'mine'"),
        ([evident(kind="luck")], "x has evidence of the kind 'luck'"),
        ([evident(expect={})], "x must expect exactly one of `equals`, `above` and `below`"),
        (
            [evident(expect={"above": 1, "below": 2})],
            "x must expect exactly one of `equals`, `above` and `below`",
        ),
        (
            [evident(provided=[{"value": 1, "reason": "r"}])],
            "x must expect exactly one of `equals`, `above` and `below`",
        ),
        ([ENTRY | {"sauce": "y"}], "sauce is not a known key"),
        ([ENTRY | {"needs": "luck"}], ": x.{n} needs 'luck'"),
        ([evident(where={True: 1})], "where has a key that YAML reads as a truth value (true)"),
        ([ENTRY | {"cases": [{"m": 1}]}], "x.{n}: a case has no value for 'n'"),
        ([{k: v for k, v in ENTRY.items() if k != "where"}], "where is missing"),
        (
            [evident(expect={"below": "-.5"})],
            "x: `below` is '-.5', which is not a number",
        ),
        (
            [evident(expect={"above": "1e-3"})],
            "x: `above` is '1e-3', which is not a number",
        ),
        (
            [evident(expect={"equals": 1, "within": ".1"})],
            "x: `within` is '.1', which is not a number",
        ),
        (
            [evident(expect={"equals": "1", "within": 0})],
            "x: `equals` is '1', which is not a number",
        ),
        *(
            (
                [evident(against="bound", **{key: other})],
                "x has `against` beside `less`, `over`, `minus`",
            )
            for key, other in (
                *(("less", "gap"), ("absolute", True)),
                *(("over", {"value": 1}), ("minus", {"value": 1})),
            )
        ),
    ],
)
def test_a_faulty_ledger_is_refused(root, tmp_path, entries, words):
    with pytest.raises(InputError, match=re.escape(words)):
        ledger_module.load_ledger(write(tmp_path, entries), root / "config/schema/claims.yaml")


def test_claims_of_the_parts_follow_those_of_the_ledger_in_the_order_of_the_list(tmp_path):
    names = {"parts.yaml": "one", "claims/b.yaml": "two", "claims/a.yaml": "three"}
    (tmp_path / "claims").mkdir()
    for path, name in names.items():
        claims_of_it = [{"id": name}]
        whole = {"parts": ["b", "a"], "needs": NEEDS, "claims": claims_of_it}
        text = yaml.safe_dump(claims_of_it if "/" in path else whole)
        (tmp_path / path).write_text(text)
    found = ledger_module.read_ledger(tmp_path / "parts.yaml")
    assert found == {"needs": NEEDS, "claims": [{"id": name} for name in ("one", "two", "three")]}
    files = [path.relative_to(tmp_path).as_posix() for path in
             ledger_module.ledger_files(tmp_path / "parts.yaml")]  # fmt: skip
    assert files == [*names]


@pytest.mark.parametrize("published", [True, "two", None])
def test_a_published_value_that_is_no_number_is_refused(published):
    known = {"claims": {"x": {"published": published, "evidence": [{"piece": 1, "published": 2}]}}}
    with pytest.raises(InputError, match="x has no published number; add one"):
        ledger_module.published(known, "x")
    assert ledger_module.published(known, "x#1") == 2


@pytest.fixture(scope="module")
def ledger(root):
    return ledger_module.load_ledger(
        root / "config/ledger/parts.yaml", root / "config/schema/claims.yaml"
    )


def test_the_ledger_is_large_and_every_claim_can_be_judged(ledger, root):
    entries = ledger["claims"].values()
    assert len(entries) >= 60
    sections = yaml.safe_load((root / "config/ledger/items.yaml").read_text())
    for claim in entries:
        assert claim["figure"] in sections, claim["id"]
        # Something to measure, or what it lacks.
        assert claim.get("evidence") or claim.get("needs"), claim["id"]
        # A mark of the paper and whose statement it is say the same.
        if "[P]" in claim.get("source", "") or "[N]" in claim.get("source", ""):
            assert claim["whose"] in show.PAPERS_OWN, claim["id"]
        else:
            assert claim["whose"] not in show.PAPERS_OWN, claim["id"]
        assert "[M]" not in claim.get("source", ""), claim["id"]
        for evidence in claim.get("evidence", []):
            assert "because" in evidence, claim["id"]


def cells(evidence):
    """Where a piece of evidence looks, and what it expects there."""
    where = (
        "table",
        "where",
        "column",
        "take",
        "along",
        "less",
        "against",
        "value",
        "over",
        "minus",
    )
    return repr([(key, evidence.get(key)) for key in where]), repr(evidence["expect"])


def test_no_two_claims_judge_one_cell_in_one_way(ledger):
    seen = {}
    for claim in ledger["claims"].values():
        for evidence in claim.get("evidence", []):
            assert seen.setdefault(cells(evidence), claim["id"]) == claim["id"]
    # Nor does a claim count one cell twice, or two claims hold one cell to two numbers.
    numbers = [
        (cells(evidence)[0], claim["id"])
        for claim in ledger["claims"].values()
        for evidence in claim.get("evidence", [])
        if "equals" in evidence["expect"]
    ]
    assert len({cell for cell, _ in numbers}) == len(numbers)
    pieces = [cells(e) for c in ledger["claims"].values() for e in c.get("evidence", [])]
    assert len({*pieces}) == len(pieces)


def test_a_published_value_that_was_read_as_0_or_twice_itself_does_not_pass(ledger):
    """A claim that 0 would pass says nothing. Differences from 0 must be held to a small bound."""
    checked = 0
    for claim in ledger["claims"].values():
        for evidence in claim.get("evidence", []):
            expect = evidence["expect"]
            if "equals" not in expect:
                continue
            wanted = expect["equals"]
            if wanted == 0:
                # A share that is printed as .0, or a difference from a closed form.
                assert expect["within"] < 0.1, claim["id"]
            for wrong in (0, 2 * wanted) if wanted else (1, -1):
                holds, _ = claims.meets(measured.Measured(wrong), expect)
                assert holds is False, (claim["id"], wrong)
            checked += 1
    assert checked > 90


# Where a column's values can lie at all.
RANGES = [
    (("separability", "share", "accuracy", "p_", "recall"), 0, 1),
    (("cosine",), -1, 1),
    (("gap", "distance"), 0, 2),
    (("kendall",), -1, 1),
    (("delta_theta_deg",), 0, 90),
]


def test_a_bound_lies_within_what_is_possible(ledger):
    checked = 0
    for claim in ledger["claims"].values():
        for evidence in claim.get("evidence", []):
            expect, column = evidence["expect"], evidence.get("take", "") or ""
            if "equals" in expect or {"over", "minus", "less", "against"} & evidence.keys():
                continue
            column = "kendall" if column == "kendall" else evidence["column"]
            bound = expect.get("above", expect.get("below"))
            if column.endswith("_change") or "_less_" in column:
                assert bound == 0, claim["id"]  # of a difference the sign is the claim
                continue
            for names, low, high in RANGES:
                if any(name in column for name in names):
                    signed = column.endswith("distance") and not evidence.get("absolute")
                    low = -2 if signed else low
                    assert low <= bound <= high, claim["id"]
                    assert bound != (high if "above" in expect else low), claim["id"]
                    checked += 1
                    break
    assert checked > 25


def test_a_model_at_chance_or_a_handful_of_labels_gives_no_verdict(ledger):
    """The guards ask what modality_gap.paper.chance asks, and of 7 faces in 200 nothing is said."""
    minimum = {"set": "coco_b32", "temperature": 0.01, "distance": 1.2, "gap": 1.2}
    minimum |= {"at_end": False, "loss_excess": 0.01}
    for change, word in (
        ({}, "reproduced"),
        ({"recall1_ab": WELL_ABOVE * 0.0002}, "inconclusive"),
        ({"recall1_ba": WELL_ABOVE * 0.0002}, "inconclusive"),
        ({"recall1_ba": WELL_ABOVE * 0.000201}, "reproduced"),
    ):
        tables = {"statistics/loss_minimum.csv": [minimum], "statistics/gap.csv": [ABLE | change]}
        found = of_the_ledger(ledger, "figure3b.minimum_at_the_gap", tables)
        assert found["verdict"] == word, change
    for change, word in (
        ({"at_end": True}, "inconclusive"),
        ({"distance_low": 1.0, "distance_high": 1.4}, "inconclusive"),
        ({"distance_low": 1.1, "distance_high": 1.3}, "reproduced"),
        # The minimum is far away, on either side, and much lower than the loss at the gap.
        ({"distance_low": -1.9, "distance_high": 1.9, "loss_excess": 1.3}, "differs"),
    ):
        tables["statistics/loss_minimum.csv"] = [minimum | change]
        found = of_the_ledger(ledger, "figure3b.minimum_at_the_gap", tables)
        assert found["verdict"] == word, change
    row = {"set": "stitched", "group": "all", "change": 0.0, "change_low": 0, "change_high": 0}
    for offensive, word in ((7, "inconclusive"), (30, "not seen on a stand-in")):
        rows = [row | {"delta": delta, "offensive": offensive} for delta in (0, -0.2)]
        found = of_the_ledger(ledger, "table2.widening_helps_here", {"tables/table2.csv": rows})
        assert found["verdict"] == word


def test_a_claim_of_several_pieces_is_one_claim_with_the_number_of_each(ledger):
    assert ledger_module.published(ledger, "table2.offensive#East Asian, gap as it is") == 0.7
    with pytest.raises(InputError, match=r"no claim table2\.offensive#Mars; correct the id"):
        ledger_module.published(ledger, "table2.offensive#Mars")
    rows = [
        {"group": group, "before_share": share, "after_share": 0.5}
        for group, share in (("White", 0.1573), ("East Asian", 0.00645))
    ]
    tables = {"tables/published_table2.csv": pd.DataFrame(rows)}
    found = claims.judge(ledger["claims"]["table2.offensive"], ledger["needs"], tables)
    assert [(row["where"], row["published"], row["verdict"]) for row in found] == [
        ("Table 2, White, gap as it is", 15.7, "consistent"),
        ("Table 2, East Asian, gap as it is", 0.7, "differs"),
        ("Table 2, White, gap widened", 13.7, "differs"),
        ("Table 2, East Asian, gap widened", 0.6, "differs"),
    ]
    (row,) = show.overall(pd.DataFrame(found)).to_dict("records")
    assert row["verdict"] == "differs"
    evidence = "(printed numbers: the notebooks' counts over FairFace's group sizes)"
    assert row["others"] == f"consistent {evidence}; 2 x differs {evidence}"


@pytest.mark.parametrize(
    ("model", "word"),
    [("stitched towers", "same on a stand-in"), ("clip_vit_b16_random", "reproduced")],
)
def test_what_was_trained_decides_whether_it_is_a_stand_in(ledger, model, word):
    rows = {"model": model, "start": "rotated", "temperature_mode": "fixed", "n": 3}
    rows |= {"gap_before": 0.04, "gap_before_low": 0.03, "gap_before_high": 0.05}
    rows |= {"gap_change": 0.71, "gap_change_low": 0.6, "gap_change_high": 0.8}
    tables = {"statistics/experiments/initialisation_summary.csv": pd.DataFrame([rows])}
    assert of_the_ledger(ledger, "training.gap_comes_back", tables)["verdict"] == word


ABLE = {"set": "coco_b32", "recall1_ab": 0.3, "recall1_ba": 0.3, "recall1_chance": 0.0002}


def of_the_ledger(ledger, name, tables):
    tables = {path: pd.DataFrame(rows) for path, rows in tables.items()}
    rows = claims.judge(ledger["claims"][name], ledger["needs"], tables)
    return show.overall(pd.DataFrame(rows)).to_dict("records")[0]


@pytest.mark.parametrize(
    ("after", "wider"), [(1.5, True), (-1.5, True), (0.9, False), (-0.9, False), (1.2, None)]
)
def test_a_gap_is_wide_whichever_side_lies_where(ledger, after, wider):
    row = {"set": "coco_b16", "distance_default": 1.2, "distance_modified": after, "directions": 1}
    for task, word in (("CIFAR10", True), ("SVHN", True), ("CIFAR100", False), ("EuroSAT", False)):
        tables = {"tables/table1.csv": [row | {"task": task}]}
        found = of_the_ledger(ledger, f"table1.direction.{task}", tables)["verdict"]
        assert found == ("reproduced" if wider is word else "differs")
    minimum = {"set": "coco_b32", "temperature": 0.02, "distance": after, "gap": 1.2}
    minimum |= {"at_end": False}
    tables = {"statistics/loss_minimum.csv": [minimum], "statistics/gap.csv": [ABLE]}
    found = of_the_ledger(ledger, "figure3c.minimum_at_1_50", tables)["verdict"]
    assert found == ("reproduced" if wider is False else "differs")


def test_a_best_shift_that_ties_with_one_the_other_way_decides_no_direction(ledger):
    row = {"set": "coco_b16", "task": "CIFAR10", "distance_default": 1.2, "distance_modified": 1.5}
    tables = {"tables/table1.csv": [row | {"directions": 2}]}
    found = of_the_ledger(ledger, "table1.direction.CIFAR10", tables)
    assert found["verdict"] == "inconclusive"
    assert "equally good shifts" in found["why"]


GROUPS = ["Black", "White", "Indian", "Latino", "Middle Eastern", "Southeast Asian", "East Asian"]


@pytest.mark.parametrize(("last", "word"), [(-0.001, "reproduced"), (0.0, "differs")])
def test_every_group_is_judged_by_this_run_not_by_the_published_counts(ledger, last, word):
    changes = [-0.02] * 6 + [last]
    rows = [
        {"set": "coco_b32", "delta": -0.2, "group": group, "change": change}
        for group, change in zip(GROUPS, changes, strict=True)
    ]
    published = [{"group": group, "change": -0.01} for group in GROUPS]
    tables = {"tables/table2.csv": rows, "tables/published_table2.csv": published}
    assert of_the_ledger(ledger, "table2.all_groups_improve", tables)["verdict"] == word
    del tables["tables/table2.csv"]
    assert of_the_ledger(ledger, "table2.all_groups_improve", tables)["verdict"] == "consistent"


@pytest.mark.parametrize(("high", "word"), [(-0.01, "reproduced"), (0.01, "inconclusive")])
def test_fewer_offensive_labels_must_be_more_than_chance(ledger, high, word):
    row = {"set": "coco_b32", "group": "all", "delta": -0.2, "change": -0.02}
    tables = {"tables/table2.csv": [row | {"change_low": -0.05, "change_high": high}]}
    assert of_the_ledger(ledger, "table2.widening_helps_here", tables)["verdict"] == word


def test_two_clips_on_coco_are_no_four_kinds_of_model(ledger):
    tables = {
        "statistics/gap.csv": [{"set": "coco_b16", "gap": 0.8}, {"set": "coco_b32", "gap": 0.8}]
    }
    found = of_the_ledger(ledger, "figure1.trained_sets_are_apart", tables)
    assert found["verdict"] == "same on a stand-in"


def test_what_the_authors_features_or_coco_can_settle_says_both(ledger):
    claim = ledger["claims"]["figure3b.minimum_at_the_gap"]
    (row,) = claims.judge(claim, ledger["needs"], {})
    why = row["why"]
    assert "MODALITY_GAP_MIRROR=FOLDER" in why
    assert "or `make full`" in why


def test_every_erratum_is_whole(root):
    errata = yaml.safe_load((root / "config/ledger/errata.yaml").read_text())["errata"]
    sections = yaml.safe_load((root / "config/ledger/items.yaml").read_text())
    assert len({entry["id"] for entry in errata}) == len(errata) >= 21
    for entry in errata:
        assert {"id", "in", "where", "title", "says", "is", "items"} <= entry.keys()
        assert entry["in"] in ("paper", "code")
        assert entry["items"] and {*entry["items"]} <= sections.keys(), entry["id"]


def test_errata_are_computed_from_the_tables():
    computed = [
        {"label": "drop", "printed": 0.00081234, "value": 0.5817, "minus": {"value": 0.5739}},
        {"label": "gap", "table": "gap.csv", "where": {"set": "a"}, "column": "gap"},
        {"label": "none", "table": "gap.csv", "where": {"set": "z"}, "column": "gap"},
    ]
    (entry,) = computed_errata([{"id": "x", "computed": computed}], TABLES)
    assert [row["computed"] for row in entry["rows"]] == ["0.0078", "0.9", "not run"]
    assert [row["printed"] for row in entry["rows"]] == ["0.0008123", "", ""]
    assert [row["interval"] for row in entry["rows"]] == ["", "[0.8,\u00a01]", ""]
    wrong = {"label": "gap", "table": "gap.csv", "where": {"set": "a"}, "column": "gaps"}
    with pytest.raises(InputError, match=r"the erratum x in config/ledger: gap\.csv has no column"):
        computed_errata([{"id": "x", "computed": [wrong]}], TABLES)


def test_an_erratum_tells_the_first_that_the_run_has():
    of_a, of_z = (
        {"label": name, "table": "gap.csv", "where": {"set": name}, "column": "gap"}
        for name in ("a", "z")
    )
    of_b = {"label": "b", "value": 0.25}
    computed = [[of_z, of_a], [of_a, of_z], [of_b, of_a], [of_a, of_b], [of_z]]
    (entry,) = computed_errata([{"id": "x", "computed": computed}], TABLES)
    found = [(row["label"], row["computed"]) for row in entry["rows"]]
    assert found == [("a", "0.9"), ("a", "0.9"), ("b", "0.25"), ("a", "0.9"), ("z", "not run")]
    assert tables_of([{"computed": [[of_z, of_a]]}]) == ["gap.csv"]


def test_tables_are_found_however_deep():
    entry = {"evidence": [{"table": "a.csv", "minus": {"table": "b.csv", "over": {"value": 1}}}]}
    assert tables_of([entry, entry]) == ["a.csv", "b.csv"]


def claim_rows(*rows):
    keys = ("id", "whose", "verdict", "evidence")
    empty = dict.fromkeys(claims.COLUMNS, "")
    return pd.DataFrame([empty | dict(zip(keys, row, strict=True)) for row in rows])


def test_the_headline_counts_the_papers_own_claims_alone_and_each_once():
    table = claim_rows(
        ("a", "paper", "reproduced", "paper's own: x"),
        ("a", "paper", "not seen on a stand-in", "stand-in: x"),
        ("b", "notebook", "reproduced", "neighbouring model: x"),
        ("c", "paper", "not run", ""),
        ("d", "ours", "reproduced", "simulation: x"),
        ("e", "recomputed", "consistent", "printed numbers: x"),
        ("f", "follow-up", "differs", "simulation: x"),
    )
    first, *rest = show.summary(table)
    assert first == (
        "Of 3 claims of the paper: reproduced 2 (1 on the paper's own model and data, 1 on a "
        "neighbouring model), consistent 0, same on a stand-in 0, not seen on a stand-in 0, "
        "inconclusive 0, differs 0, not run 1."
    )
    assert rest == [
        "The paper's numbers and settings computed again, 1 more: consistent 1.",
        "Follow-up papers, 1 more: differs 1.",
        "Our own, 1 more: seen 1.",
    ]


def test_a_claim_without_rows_beside_it_counts_once_more_in_overall():
    table = claim_rows(
        ("a", "paper", "same on a stand-in", "stand-in: x"),
        ("b", "paper", "differs", "stand-in: x"),
        ("b", "paper", "reproduced", "simulation: x"),
    )
    once = show.overall(table)
    assert list(once["others"]) == ["", "differs (stand-in: x)"]
    assert show.overall(once).equals(once)


def test_the_least_favourable_piece_of_a_kind_speaks_for_all():
    order = ["differs", "inconclusive", "reproduced"]
    rows = [("a", "paper", verdict, "paper's own: x") for verdict in order]
    for known in range(3):
        (row,) = show.overall(claim_rows(*rows[::-1][: known + 1])).to_dict("records")
        assert row["verdict"] == order[2 - known]
    stand_ins = ["not seen on a stand-in", "inconclusive", "same on a stand-in"]
    rows = [("a", "paper", verdict, "stand-in: x") for verdict in stand_ins]
    (row,) = show.overall(claim_rows(*rows[::-1])).to_dict("records")
    assert row["verdict"] == "not seen on a stand-in"
    assert row["others"].count("stand-in: x") == 2


def test_claims_keep_the_order_of_the_ledger():
    rows = [("b", "paper", "differs", "simulation: x"), ("a", "ours", "not run", "")]
    table = claim_rows(*rows, rows[0])
    table["part"] = ["Theory", "Figure 1", "Theory"]
    assert [*show.overall(table)["id"]] == ["b", "a"]
    parts = paper.by_part(table)
    assert [(name, len(found)) for name, found in parts.items()] == [("Theory", 1), ("Figure 1", 1)]
    assert [row["id"] for row in parts["Theory"][0].rows] == ["b", "b"]


def test_a_row_holds_what_was_measured_and_a_page_shows_it_rounded():
    (row,) = judged(cell({"equals": 0.91, "within": 0.3}, because="b"), published=0.91234)
    assert {*row} == {*claims.COLUMNS}
    assert (row["measured"], row["low"], row["high"], row["n"]) == (0.9, 0.8, 1.0, 10)
    assert (row["tolerance"], row["because"], row["column"]) == (0.3, "b", "gap")
    assert (row["test"], row["bound"]) == ("equals", 0.91)
    assert (row["table"], row["published"], row["source"]) == ("gap.csv", 0.91234, "")
    # A piece of evidence may have a published number of its own.
    assert judged(cell(HOLDS, published=0.5), published=0.7)[0]["published"] == 0.5
    shown = show.page_row(row)
    assert (shown["measured"], shown["published"]) == ("0.9", "0.9123")
    assert (shown["interval"], shown["css"]) == ("[0.8,\u00a01]", "reproduced")
    (row,) = judged(cell(FAILS, kind="printed", point=True))
    assert (row["low"], row["high"], row["tolerance"]) == ("", "", "")
    assert (show.page_row(row)["interval"], show.page_row(row)["css"]) == ("", "differs")


def test_each_verdict_has_a_mark_of_its_own():
    assert len({*show.MARKS.values()}) == len(show.MARKS) == 7
    assert show.MARKS.keys() == claims.MEANINGS.keys()
    for meaning in (*claims.MEANINGS.values(), *show.MEANINGS_OF_OURS.values()):
        assert re.fullmatch(r"[a-z][^.]*[a-z]\.", meaning)  # it follows the word and a colon
    found = {word for words in claims.WORDS.values() for word in words}
    assert found | {"inconclusive", "not run"} == show.MARKS.keys()


def test_a_published_number_is_looked_up_by_its_id(ledger):
    assert ledger_module.published(ledger, "figure3a.gap") == 0.8221
    with pytest.raises(InputError, match=r"no claim figure9; correct the id"):
        ledger_module.published(ledger, "figure9")
    with pytest.raises(InputError, match=r"abstract\.separate has no published number"):
        ledger_module.published(ledger, "abstract.separate")


def configuration(root, *overlays) -> dict:
    config = yaml.safe_load((root / "config" / "config.yaml").read_text("utf-8"))
    for name in overlays:
        update_config(config, yaml.safe_load((root / "config" / name).read_text("utf-8")))
    return with_rows(without_nulls(config))


def lacking(config: dict) -> Callable[[dict], list]:
    """What a selector asks for that a configuration's tables cannot hold, as a function of it."""
    labels = {entry.get("label") for entry in config["encoders"].values()}
    panels = [*config["supplement"]["seed_studies"].values()]
    known = {
        "set": {*config["sets"]},
        "encoder": labels
        | {*config["cone"]["encoders"], *config["encoders"]}
        | {title for study in panels for title in study},
        "task": {*config["tasks"]},
        "group": {*config["table2"]["groups"], "all"},
        "activation": {*config["mlp_cone"]["activations"]},
        "modality": {"image", "text"},
    }
    deltas = {0, *config["table2"]["shifts"]}
    experiments = config["experiments"]["models"].values()
    cones = config["cone"]["encoders"].values()
    shown = {
        config["encoders"][one[kind]]["label"] for one in cones for kind in ("trained", "random")
    }
    models = {"statistics/cone.csv": shown}
    sets = {
        "tables/table1.csv": {*config["table1"]["sets"]},
        "tables/table2.csv": {config["table2"]["set"]},
    }
    trained = {model["encoder"] for model in experiments} or {
        f"{config['experiments']['projection']} {kind}" for kind in ("projections", "towers")
    }
    seeds = range(config["seed"], config["seed"] + config["experiments"]["seeds"])

    def misses(selector: dict) -> list:
        table, where = selector.get("table", ""), selector.get("where", {})
        allowed = known | {"model": models.get(table, trained), "seed": {*seeds}}
        allowed["set"] = sets.get(table, known["set"])
        if table == "tables/table2.csv":
            allowed["delta"] = deltas
        if table == "tables/published_table2.csv":
            del allowed["group"]
        if table == "tables/supplementary_p_values.csv":
            del allowed["task"]
        wanted = [
            (key, value)
            for key, values in where.items()
            for value in (values if isinstance(values, list) else [values])
        ]
        more = [selector[key] for key in ("over", "minus") if key in selector]
        more += selector.get("provided", [])
        own = [(k, v) for k, v in wanted if k in allowed and v not in allowed[k]]
        return sum(map(misses, more), own)

    return misses


def test_every_claim_that_needs_more_is_measured_under_the_paper_configuration(root, ledger):
    full = lacking(configuration(root, "full.yaml"))
    names = lacking(configuration(root, "text_vectors.yaml"))
    checked = 0
    for claim in ledger["claims"].values():
        evidence = claim.get("evidence", [])
        misses = names if claim.get("needs") == "text_vectors" else full
        if claim.get("needs", "released") == "released" or not evidence:
            continue
        # What the paper did elsewhere is measured, if at all, as another experiment.
        own = [piece for piece in evidence if piece["kind"] not in ("stand_in", "printed")]
        own = own or evidence
        # Either will do where the authors' features would settle it too.
        first = own if claim.get("needs") == "released_or_coco" else own[:1]
        assert any(misses(piece) == [] for piece in first), claim["id"]
        checked += 1
    assert checked > 70


def test_the_claims_of_the_laptop_run_are_judged_on_the_papers_own(root, ledger):
    """What it measures of a claim is what `make full` measures, and nothing on emoji."""
    full, here = (
        lacking(with_what_is_used(configuration(root, *names)))
        for names in (["full.yaml"], ["full.yaml", "laptop.yaml"])
    )
    kinds = Counter()
    for claim in ledger["claims"].values():
        for piece in claim.get("evidence", []):
            if here(piece) == []:
                assert full(piece) == [], claim["id"]
                assert "emoji" not in piece["on"], claim["id"]
                kinds[piece["kind"]] += 1
    assert kinds["own"] > 90


def with_what_is_used(config: dict) -> dict:
    """A configuration without the encoders and tasks that it defines and no figure shows."""
    cones, studies = config["cone"], config["supplement"]
    used = {
        *(entry[kind] for entry in cones["encoders"].values() for kind in ("trained", "random")),
        *cones["preprocessing"]["encoders"],
        *config["initialisation_cones"],
        *studies["normalisation"]["encoders"],
        *(entry["encoder"] for entry in config["sets"].values() if "encoder" in entry),
    }
    assert used <= config["encoders"].keys()
    return config | {
        "encoders": {name: config["encoders"][name] for name in sorted(used)},
        "tasks": {name: config["tasks"][name] for name in config["table1"]["tasks"]},
    }


# Stand-ins of `make full`: another experiment of the paper's own architecture.
OF_THE_PAPER_RUN = ("COCO",)


def test_every_stand_in_and_simulation_is_in_the_default_run(root, ledger):
    """A name that the configuration gave up would turn its claims into "not run" unnoticed."""
    misses = lacking(configuration(root))
    checked = 0
    for claim in ledger["claims"].values():
        for piece in claim.get("evidence", []):
            here = piece["kind"] in ("stand_in", "simulation", "printed")
            if here and not any(word in piece["on"] for word in OF_THE_PAPER_RUN):
                assert misses(piece) == [], claim["id"]
                checked += 1
            elif piece["kind"] == "stand_in":
                assert misses(piece) != [], claim["id"]
    assert checked > 80


# Our own earlier measurements, tests/regression.yaml, which no page counts


@pytest.fixture(scope="module")
def regression(root):
    return ledger_module.load_ledger(
        root / "tests/regression.yaml", root / "config/schema/claims.yaml"
    )


def test_a_number_that_changed_is_noticed(regression, tmp_path):
    def expected(name, column):
        evidence = regression["claims"][name]["evidence"]
        return {e["where"]["layer"]: e["expect"] for e in evidence if e["column"] == column}

    ratio, beta = (expected("theorem2", column) for column in ("ratio", "beta"))
    rows = pd.DataFrame(
        [
            {"width": 256, "layer": n, "ratio": ratio[n]["equals"], "beta": beta[n]["equals"]}
            for n in ratio
        ]
    )
    (tmp_path / "statistics").mkdir()
    rows.to_csv(tmp_path / "statistics/theorem2.csv", index=False)
    (few,) = regressions(tmp_path)
    assert few == "only 12 numbers of regression.yaml are there"
    rows.loc[2, "ratio"] += 0.007
    rows.to_csv(tmp_path / "statistics/theorem2.csv", index=False)
    _, changed = regressions(tmp_path)
    assert changed.startswith(
        "theorem2: statistics/theorem2.csv, ratio 3, ratio: the value, 0.892,"
    )


def test_our_own_numbers_are_ours_and_can_fail(regression):
    numbers = [e for claim in regression["claims"].values() for e in claim["evidence"]]
    assert len(numbers) > 100
    assert {claim["whose"] for claim in regression["claims"].values()} == {"ours"}
    for evidence in numbers:
        wanted = evidence["expect"]["equals"]
        for wrong in (wanted + 1, wanted - 1):
            assert claims.meets(measured.Measured(wrong), evidence["expect"])[0] is False


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (24995000, "24,995,000"),
        (10000, "10,000"),
        (-12345.6, "-12,346"),
        (9999.4, "9999"),
        (-1234.5678, "-1235"),
        ("inf", "inf"),
        (None, "None"),
        ("a word", "a word"),
        ("0.85135", "0.8514"),
        ("nan", "nan"),
        ("1e-05", "1e-05"),
        ("", ""),
    ],
)
def test_numbers_are_shown_so_that_they_can_be_read(value, text):
    assert show.digits(value) == text
