"""Cells, drawings and rows of the pages, from values of which each is another."""

import math
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from invented import claim, claims

from modality_gap.config.tables import Column
from modality_gap.measures import registry
from modality_gap.pages import cite, evidence, explorer, pairs, paper, remedies, run
from modality_gap.pages.labels import with_weights
from modality_gap.pages.words import NONE, cell


def test_a_cell_is_written_as_its_column_says():
    row = {"gap": 0.5, "gap_low": 0.25, "gap_high": 0.75, "rank": 1234.0, "none": math.nan}
    gap, rank = Column("gap", "length", "", interval=True), Column("rank", "count", "")
    share, none = Column("gap", "share", ""), Column("none", "count", "")
    assert [cell(row, one) for one in (gap, rank, share, none)] == [
        *("0.500 [0.250, 0.750]", "1,234", "0.500", NONE)
    ]
    assert cell(row, gap, 1) == "0.5 [0.2, 0.8]" and cell(row, share, 1) == "0.5"
    assert cell({"none": None}, none) == NONE


def test_a_set_that_is_not_configured_keeps_its_weights():
    gap = pd.DataFrame({"set": ["a", "b"], "weights": ["trained", "random"]})
    assert with_weights(gap, {"a": {"weights": "random"}})["weights"].tolist() == ["random"] * 2


# --- your own pairs -----------------------------------------------------------------------------


def test_every_measure_has_its_value_of_each_set():
    rng = np.random.default_rng(3)
    tables = {}
    for name, columns in registry.columns().items():
        names = [part for column in columns for part in column.names]
        tables[name] = pd.DataFrame(rng.uniform(1, 9, (2, len(names))), columns=names)
        tables[name].insert(0, "set", ["one", "two"])
    made = pairs.measures_table(tables["gap"], tables["diagnostics"])
    assert made.head == ["measure", "one", "two", "meaning"]
    assert made.caption == (
        "Every measure, with its interval in square brackets where it has one. a is the first "
        "modality of a set, b the second."
    )
    rows = {row[0]: row[1:] for row in made.rows}
    assert len(rows) == len(made.rows) > 20
    for table, name, heading in (
        ("gap", "gap", "gap"),
        ("gap", "recall1_ba", "recall@1 b to a"),
        ("diagnostics", "alignment", "alignment"),
        ("diagnostics", "rmg", "relative gap"),
    ):
        assert rows[heading][:2] == [
            f"{row[name]:.3f} [{row[f'{name}_low']:.3f}, {row[f'{name}_high']:.3f}]"
            for _, row in tables[table].iterrows()
        ]
        assert len(rows[heading][2].split()) > 3


def test_files_are_told_with_their_items_without_a_partner():
    side = {"modality": "image", "file": "x.npy", "vectors": 1500}
    alone = {"unmatched": 1203, "unmatched_named": ["a", "b"]}
    gap = pd.DataFrame({"set": ["two", "one"], "n": [7, 1297], "dim": [8, 1024]})
    table = pairs.sources_table({"one": [side | alone, {}], "two": [side | {"vectors": 0}]}, gap)
    assert table.rows == [
        ["one", "image", "x.npy", "1,500", "1,203 (a, b)", "1,297", "1,024"],
        ["one", NONE, NONE, NONE, "0", "1,297", "1,024"],
        ["two", "image", "x.npy", "0", "0", "7", "8"],
    ]
    assert table.head == [
        *("set", "modality", "file", "vectors", "items without a partner", "pairs", "dimensions"),
    ]
    assert table.caption == (
        "The files that were read. Items without a partner in the other file take no part."
    )


# --- evidence -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("test", "bound", "value", "ends", "within", "drawn"),
    [
        # From .5 to 1.5 and a tenth on either side: positions are 100 (x - .4) / 1.2.
        ("above", 1.0, 1.25, (0.5, 1.5), "", (50.0, 70.83, (8.33, 91.67), (50.0, 100.0))),
        ("below", 1.0, 1.25, (0.5, 1.5), "", (50.0, 70.83, (8.33, 91.67), (0.0, 50.0))),
        ("equals", 1.0, 1.25, (0.5, 1.5), 0.125, (50.0, 70.83, (8.33, 91.67), (39.58, 60.42))),
        # A tolerance or a value beyond the interval is drawn too.
        ("equals", 1.0, 1.0, (1.0, 1.0), 0.5, (50.0, 50.0, (50.0, 50.0), (8.33, 91.67))),
        ("above", 0.5, 1.5, (0.75, 1.25), "", (8.33, 91.67, (29.17, 70.83), (8.33, 100.0))),
        # Of a single number the span is 1, with a tenth on either side.
        ("above", 1.0, 1.0, ("", ""), "", (50.0, 50.0, (50.0, 50.0), (50.0, 100.0))),
    ],
)
def test_a_check_is_drawn_on_a_scale_that_holds_all_of_it(test, bound, value, ends, within, drawn):
    row = {"measured": value, "low": ends[0], "high": ends[1], "test": test, "bound": bound}
    found = evidence.drawn({key: str(one) for key, one in (row | {"tolerance": within}).items()})
    assert (found.bound, found.value, found.interval, found.accepted) == drawn


def test_checks_keep_their_order_and_count_by_their_claim():
    about = {"test": "above", "bound": "0", "tolerance": ""}
    rows = claims(
        claim("z", "reproduced", evidence="paper's own: CLIP", **about),
        claim("b", "inconclusive", whose="ours", **about),
        claim("z", "not seen on a stand-in", evidence="stand-in: emoji", **about),
        claim("a", "inconclusive", whose="notebook", **about),
        claim("c", "consistent", whose="recomputed", evidence="printed numbers: x", **about),
    )
    found = evidence.rows(rows)
    assert [(row.id, row.own, row.counts) for row in found] == [
        ("z~2", True, "reproduced"),  # the stronger evidence decides how a claim counts
        ("b", False, "inconclusive"),
        ("a", True, "inconclusive"),
        ("z", True, "reproduced"),
        ("c", False, "consistent"),
    ]
    tally = evidence.tally(rows)
    assert {word: n for word, n in tally.items() if n} == {
        "reproduced": 1,
        "not seen on a stand-in": 1,
        "inconclusive": 2,
        "consistent": 1,
    }
    assert tally["differs"] == 0


# --- the explorer -------------------------------------------------------------------------------


def model():
    """Four shifts, of which the third is none; no number occurs twice."""

    def curve(start):
        return {key: [round(start + at / 100 + part / 1000, 3) for at in range(4)]
                for part, key in enumerate(("low", "values", "high"))}  # fmt: skip

    return {
        "first": "video",
        "second": "text",
        "deltas": [-1.0, -0.5, 0.0, 0.25],
        "distances": [1.4, 1.0, 0.7, 0.6],
        "losses": [
            {"temperature": 0.02, "values": [3.0, 1.25, 1.5, 2.0]},
            {"temperature": 1.0, "values": [1.0, 2.5, 2.75, 4.0]},
        ],
        "recall": {"ab": curve(0.2), "ba": curve(0.6)},
        "scores": [
            {"task": "a_task", "n": 1234, "values": [0.9, 0.91, 0.92, 0.93]},
            {"task": "b", "n": 7, "values": [0.1, 0.11, 0.12, 0.13]},
        ],
        "cloud": {
            "a": {"points": [[0.1, 0.2], [0.3, 0.4]],
                  "centres": [[0.11, 0.21], [0.12, 0.22], [0.13, 0.23], [0.14, 0.24]]},
            "b": {"points": [[0.5, 0.6], [0.7, 0.8]],
                  "centres": [[0.31, 0.41], [0.32, 0.42], [0.33, 0.43], [0.34, 0.44]]},
        },
        "names": {"a": ["p", "q"], "b": ["r", "s"]},
    }  # fmt: skip


def test_every_row_of_the_charts_is_its_own():
    rows = explorer.rows(model())
    assert rows["points"] == [
        {"side": side, "sign": sign, "place": place, "along": along, "across": across, "item": item}
        for side, sign, place, along, across, item in (
            ("video", -1, 0, 0.1, 0.2, "p"),
            ("video", -1, 0, 0.3, 0.4, "q"),
            ("text", 1, 1, 0.5, 0.6, "r"),
            ("text", 1, 1, 0.7, 0.8, "s"),
        )
    ]
    assert rows["centres"][1] == {"k": 1, "side": "video", "place": 0, "along": 0.12} | {
        "across": 0.22
    }
    assert rows["centres"][7] == {"k": 3, "side": "text", "place": 1, "along": 0.34} | {
        "across": 0.44
    }
    assert rows["own"] == [{"distance": 0.7}]
    assert rows["loss"][1] == {"k": 1, "distance": 1.0, "place": 0, "temperature": "1/50"} | {
        "above": 0.0,
        "lowest": True,
    }
    assert rows["loss"][7] == {"k": 3, "distance": 0.6, "place": 1, "temperature": "1"} | {
        "above": 3.0,
        "lowest": False,
    }
    assert [row["k"] for row in rows["loss"] if row["lowest"]] == [1]
    assert rows["recall"][2] == {"k": 2, "distance": 0.7, "place": 0, "way": "video → text"} | {
        "value": 0.221,
        "low": 0.22,
        "high": 0.222,
    }
    assert rows["recall"][5] == {"k": 1, "distance": 1.0, "place": 1, "way": "text → video"} | {
        "value": 0.611,
        "low": 0.61,
        "high": 0.612,
    }
    assert rows["score"][0] == {"k": 0, "distance": 1.4, "place": 0, "task": "a task", "value": 0.9}
    assert rows["score"][7] == {"k": 3, "distance": 0.6, "place": 1, "task": "b", "value": 0.13}
    assert [len(rows[name]) for name in ("centres", "recall", "score")] == [8, 8, 8]


@pytest.mark.parametrize(
    ("values", "place"),
    [([1, 2, 3], None), ([3, 2, 1], None), ([3, 1, 2], 1), ([4, 3, 1, 2], 2), ([1, 1, 2], None)],
)
def test_a_loss_that_is_smallest_at_an_end_has_no_lowest_place(values, place):
    assert explorer.lowest(values) == place


def test_the_words_beside_the_charts_are_those_of_no_shift():
    assert explorer.readout(model()) == {
        "loss": [("1/50", "1.50 (+0.25)"), ("1", "2.75 (+1.75)")],
        "recall": [
            ("video → text", "22.1 % [22.0, 22.2]"),
            ("text → video", "62.1 % [62.0, 62.2]"),
        ],
        "score": [("a task, n 1,234", "92.0 %"), ("b, n 7", "12.0 %")],
    }


def test_models_are_in_the_order_of_their_sets():
    found = {name: {"set": name, "deltas": [0.0]} for name in "zab"}
    gap = pd.DataFrame({"set": [*"abz"], "model": ["A", "B", "Z"], "recall1_chance": 0.01})
    gap = gap.assign(recall1_ab_low=[0.01, 0.5, 0.5], recall1_ba_low=0.5)
    made = explorer.models(found, {"z": {}, "a": {}, "b": {}}, gap, {"b": [{"method": "none"}]})
    assert [(one["label"], one["able"], len(one["remedies"])) for one in made] == [
        ("Z", True, 0),
        ("B", True, 1),
        ("A (near chance)", False, 0),
    ]


def test_the_moving_points_are_the_vectors_shifted_and_normalised():
    """The expressions of the chart, read as Python, against vectors in three dimensions."""
    layer = explorer._points().to_dict()["layer"][0]
    written = {one["as"]: one["calculate"] for one in layer["transform"]}
    vectors = np.random.default_rng(6).normal(size=(4, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for vector, sign, delta in zip(vectors, (-1, 1, -1, 1), (0.5, 0.5, -1.25, 0.9), strict=True):
        moved = vector + sign * delta / 2 * np.array([1.0, 0, 0])
        moved /= np.linalg.norm(moved)
        datum = SimpleNamespace(along=vector[0], across=vector[1], sign=sign)
        given = {"datum": datum, "delta": delta, "sqrt": math.sqrt}
        found = [eval(written[name], given) for name in "xy"]
        np.testing.assert_allclose(found, moved[:2])


def test_the_page_begins_with_the_first_models_own_gap():
    charts = {"models": [model(), model() | {"distances": [9.0] * 4}], "charts": {}, "styles": {}}
    made = explorer.embedded(charts | {"stills": {"x": "<svg/>"}})
    assert made["own"] == 0.7 and made["readout"]["loss"][0] == ("1/50", "1.50 (+0.25)")


# --- remedies -----------------------------------------------------------------------------------


def test_each_remedy_has_its_own_values_and_changes():
    values = {
        "none": (0.51, 0.52, 0.8, 2.5),
        "centre": (0.41, 0.42, 0.123456, 1.5),
        "shift": (0.61, 0.62, 0.3, 1.25),
        "nnn": (0.71, 0.72, None, None),
    }
    places = [("T1", "recall1_xy"), ("T1", "recall1_yx"), ("T6", "gap"), ("T6", "loss")]
    methods = pd.DataFrame(
        {"set": name, "split": split, "method": method, "task": task, "metric": metric,
         "value": value + more, "n_fit": 1250, "n_scored": 1201}
        for name, more in (("other", 0.05), ("clip", 0.0))
        for split, more in (("half_0", 0.1), ("even_odd", more))
        for method, of in values.items()
        for (task, metric), value in zip(places, of, strict=True)
        if value is not None
    )  # fmt: skip
    differences = pd.DataFrame(
        {"set": name, "method": "centre", "metric": metric, "difference": middle,
         "difference_low": middle - 0.05, "difference_high": middle + 0.101234}
        for name, metric, middle in (("other", "recall1_xy", 0.3), ("clip", "recall1_xy", -0.1),
                                     ("clip", "recall1_yx", -0.2))
    )  # fmt: skip
    names = pd.DataFrame({"method": [*values], "label": ["no change", "centring", "shift", "nnn"]})
    found = remedies.remedies(methods, differences, names.assign(star=False))
    assert [*found] == ["other", "clip"]
    plain, centred, nearest = found["clip"]
    assert [centred[key] for key in ("ab", "ba", "gap", "loss")] == [0.41, 0.42, 0.12346, 1.5]
    assert (centred["n_fit"], centred["n_scored"]) == (1250, 1201)
    assert centred["change"] == {"ab": [-0.1, -0.15, 0.00123], "ba": [-0.2, -0.25, -0.09877]}
    assert found["other"][1]["change"] == {"ab": [0.3, 0.25, 0.40123]}
    assert (plain["change"], "gap" in nearest) == ({}, False)  # the slider has the shift
    text = remedies.sentence({"remedies": [plain], "first": "a", "second": "b"}, centred)
    assert text.endswith(
        "Fitted on 1,250 pairs, compared on 1,201 others: gap 0.12, without it 0.80; loss at 1/100 "
        "in one batch of them 1.50, without it 2.50; recall@1 a → b 41.0 %, without it 51.0 % "
        "(−10.0 points [−15.0, +0.1]); recall@1 b → a 42.0 %, without it 52.0 % (−20.0 points "
        "[−25.0, −9.9])."
    )
    # What no change lacks is not compared; without no change there is nothing to compare with.
    bare = {key: plain[key] for key in ("ab", "ba")}
    assert "gap" not in remedies.sentence(
        {"remedies": [bare], "first": "a", "second": "b"}, centred
    )
    without = methods[methods["method"] != "none"]
    alone = methods[methods["method"] == "none"]
    for table in (without, alone):
        assert remedies.remedies(table, differences, names.assign(star=False)) == {}


# --- citation and sections ----------------------------------------------------------------------


def test_the_stamp_names_settings_and_a_start_at_any_second():
    assert cite.stamp({"settings": {"seed": 7, "jobs": 2}}, "1")["configuration"] == (
        "configuration: default with seed, jobs"
    )
    plain = cite.stamp({"started": 86400 * 365, "code": {"commit": "abc", "changes": []}}, "2")
    assert plain == {
        "date": "1971-01-01",
        "commit": "abc",
        "configuration": "default configuration",
        "version": "2",
    }
    many = cite.stamp({"code": {"commit": "0" * 40, "changes": ["a", "b"]}}, "2")
    assert many["commit"] == f"{'0' * 10} with 2 changed files"


@pytest.mark.parametrize("zone", ["UTC+11", "UTC-13"])
def test_times_are_those_of_utc_wherever_the_page_is_made(monkeypatch, zone):
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        found = cite.stamp({"started": 86400 * 365}, "1")["date"], run.moment(86399)
    time.tzset()
    assert found == ("1971-01-01", "1970-01-01 23:59:59 UTC")


def folded(*rows):
    by_id = paper.by_claim(claims(*rows))
    return paper._why_folded("f", {}, {}, by_id.values())


def test_an_item_is_folded_only_where_conditions_leave_nothing_to_see():
    none = {"figure": "f", "why": "too few items"}
    first = claim("a", "inconclusive", **none)
    assert folded(first) == "Nothing could be seen: too few items."
    printed = claim("b", "reproduced", evidence="printed numbers: the paper's", figure="f")
    assert folded(first, printed, claim("c", "differs", figure="g"))
    for other in (
        claim("b", "reproduced", figure="f"),
        claim("b", "inconclusive", figure="f", why="the interval reaches both sides"),
        claim("b", "inconclusive", figure="f", why="the value, .5, is on the bound"),
    ):
        assert folded(first, other) == ""
    assert folded(claim("a", "not run", evidence="", figure="f")) == ""
    # What the report says comes before what the claims say, and that it was not run before both.
    by_id = paper.by_claim(claims(first))
    for said, words in (("Shown above.", "Shown above."), (None, "")):
        assert paper._why_folded("f", {"f": said}, {"g": {}}, by_id.values()) == words
    absent = paper._why_folded("f", {"f": "x"}, {"f": {}}, by_id.values())
    assert absent == "Not run in this configuration."


def test_an_item_of_no_group_is_in_the_last_one():
    def part(name):
        return type("Part", (), {"id": name})

    groups = {
        "one": {"title": "One", "items": ["c", "a", "absent"]},
        "none": {"title": "None", "items": ["absent"]},
        "last": {"title": "Last", "items": ["b"]},
    }
    made = paper.grouped([part(name) for name in "abcd"], groups)
    assert [(one.id, one.title, [its.id for its in one.sections]) for one in made] == [
        ("one", "One", ["c", "a"]),
        ("last", "Last", ["b", "d"]),
    ]


def test_claims_with_several_verdicts_are_counted_not_those_with_several_marks():
    rows = claims(
        claim("a", "reproduced", evidence="paper's own: CLIP"),
        claim("a", "reproduced", evidence="neighbouring model: B/16"),
        claim("b", "reproduced", evidence="paper's own: CLIP"),
        claim("b", "not seen on a stand-in", evidence="stand-in: emoji"),
        claim("c", "differs"),
    )
    by_id = paper.by_claim(rows)
    told = [(one, paper.marks([name], by_id)) for name, one in by_id.items()]
    assert [len(marks) for _, marks in told] == [2, 2, 1]
    section = paper.Section("f", "T", "", [], [], [], None, claims=told)
    assert section.several == 1
    assert [(mark.verdict, n) for mark, n in section.verdicts] == [
        ("reproduced", 2),
        ("differs", 1),
    ]


def test_what_differs_is_named_with_its_place_on_the_page():
    rows = claims(
        claim("a b", "differs", where="Figure 1, left", published="0.7", measured="0.25"),
        claim("c", "not seen on a stand-in", where="Figure 2", evidence="stand-in: emoji"),
        claim("d", "reproduced", where="Figure 3"),
    )
    assert paper.differing(paper.balance(rows, [])) == [("a_b", "Figure 1", "0.25", "0.7")]
    # Of several pieces of evidence the one that differs.
    two = claims(
        claim("a b", "reproduced", where="Figure 1, left", measured="0.9"),
        *rows[:1].to_dict("records"),
    )
    assert paper.differing(paper.balance(two, [])) == [("a_b", "Figure 1", "0.25", "0.7")]
