"""The page on follow-up papers, from tables in which every row has another number, so that no row
or column can stand for another."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest

from modality_gap.figures import follow_ups
from modality_gap.measures.posthoc.catalogue import METHODS
from modality_gap.pages import remedies
from modality_gap.pages.after import closing, fit_sizes, losses, measures, methods
from modality_gap.pages.findings import answers
from modality_gap.pages.words import NONE

NAMES = pd.DataFrame(
    {
        "method": [
            "none",
            "other_first",
            "own_first",
            "shift",
            "centre",
            "standardise",
            "sinkhorn",
        ],
        "label": ["no change", "control", "own", "the shift", "centring", "z", "Sinkhorn"],
        "star": [False] * 6 + [True],
    }
)
BOTH = ("xy", "yx")
METRICS = {
    "T1": [f"recall1_{way}" for way in BOTH],
    "T1c": [f"recall1_{way}" for way in BOTH],
    "T2a": [f"{one}_{way}" for one in ("ndcg10", "kind_auc", "kind_share10") for way in BOTH],
    "T2b": [f"ndcg10_{share}_{way}" for share in ("0", "0.5", "0.75", "1") for way in BOTH],
    "T2c": ["ndcg10"],
    "T3": ["accuracy", "accuracy_prompt_mean"],
    "T3o": ["auroc_cosine"],
    "T6": [
        "gap",
        "hub_skewness10_xy",
        "hub_skewness10_yx",
        "neighbours_kept_x",
        "neighbours_kept_y",
    ],
}
SIZES = {"T3": (400, 1234), "T2a": (20, 31), "T2b": (20, 32), "T2c": (20, 33)}


def results(*sets, without=("T2c",)):
    """methods.csv, random halves first, and its values by set, split, method, task and metric."""
    rng = np.random.default_rng(4)
    rows = [
        {"set": name, "split": split, "method": method, "task": task, "metric": metric,
         "value": rng.uniform(0.1, 0.9), "n_fit": SIZES.get(task, (20, 30))[0] + 5 * at,
         "n_scored": SIZES.get(task, (20, 30))[1] + 500 * at}
        for at, split in ((1, "half_0"), (0, "even_odd"), (1, "half_1"))
        for name in sets
        for method in NAMES["method"]
        for task, metrics in METRICS.items()
        if task not in without
        for metric in metrics
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    return table, table.set_index(["set", "split", "method", "task", "metric"])["value"].to_dict()


def changes(*sets):
    """differences.csv, directions in reverse, and its three numbers by set, method and metric."""
    rng = np.random.default_rng(5)
    keys = list(itertools.product(sets, NAMES["method"][1:], ("recall1", "mixed_ndcg10"), BOTH))
    rows = [
        {"set": name, "method": method, "metric": f"{metric}_{way}", "difference": middle,
         "difference_low": middle - below, "difference_high": middle + above}
        for (name, method, metric, way), middle, below, above in zip(
            keys[::-1], rng.uniform(-0.3, 0.3, len(keys)), *rng.uniform(0, 0.2, (2, len(keys))),
            strict=True
        )
    ]  # fmt: skip
    told = {
        (row["set"], row["method"], row["metric"]): f"{row['difference']:.3f} "
        f"[{row['difference_low']:.3f}, {row['difference_high']:.3f}]"
        for row in rows
    }
    return pd.DataFrame(rows), told


def test_every_cell_of_the_matrix_is_its_own():
    table, value = results("one", "two", without=())
    changed, told = changes("two", "one")
    missing = ("method", "task", "metric"), ("standardise", "T2a", "ndcg10_yx")
    table = table[~(table[list(missing[0])] == pd.Series(missing[1], missing[0])).all(axis=1)]
    found = methods.matrix(table, changed, NAMES, "two", "Two", 80)
    assert found.table.caption == (
        "Two. Fitted on 20 pairs, 0.25 per dimension (n_fit/d, d 80), scored on 30 others."
    )

    def of(method, task, metric, sides=("",)):
        one = [value["two", "even_odd", method, task, f"{metric}{side}"] for side in sides]
        return f"{np.mean(one):.3f}"

    ways = ("_xy", "_yx")
    for method, row in zip(NAMES["method"], found.table.rows + found.starred, strict=True):
        cells = dict(zip(found.table.head, row, strict=True))
        change = [told.get(("two", method, f"recall1_{way}"), NONE) for way in BOTH]
        assert list(cells.items())[1:] == [
            ("R@1 x to y, change", change[0]),
            ("R@1 y to x, change", change[1]),
            ("NDCG@10, mixed, by form (fitted on 20, scored on 33)", of(method, "T2c", "ndcg10")),
            ("R@1, all captions", of(method, "T1c", "recall1", ways)),
            ("zero-shot accuracy (fitted on 400, scored on 1,234)", of(method, "T3", "accuracy")),
            (
                "zero-shot accuracy, prompts' own mean (fitted on 400, scored on 1,234)",
                of(method, "T3", "accuracy_prompt_mean"),
            ),
            ("AUROC, hidden classes", of(method, "T3o", "auroc_cosine")),
            (
                "NDCG@10, mixed (fitted on 20, scored on 31)",
                NONE if method == "standardise" else of(method, "T2a", "ndcg10", ways),
            ),
            ("kind AUC (fitted on 20, scored on 31)", of(method, "T2a", "kind_auc", ways)),
            (
                "other kind in first 10 (fitted on 20, scored on 31)",
                of(method, "T2a", "kind_share10", ways),
            ),
            ("hub skewness", of(method, "T6", "hub_skewness10", ways)),
            ("gap left", of(method, "T6", "gap")),
            ("own neighbours kept", of(method, "T6", "neighbours_kept", ("_x", "_y"))),
        ]
    assert [row[0] for row in found.starred] == ["Sinkhorn *"]
    # In the order in which they were scored, not that of their names.
    other = methods.matrix(table, changed, NAMES[::-1], "two", "Two", 80)
    assert other == found


def test_methods_that_a_page_names_are_in_the_catalogue():
    known = set(METHODS)
    for named in (methods.MIXED_WORDS, methods.SUMMED, methods.SAME_GAP, answers.CLOSING):
        assert set(named) <= known
    for named in (remedies.LEFT_OUT, remedies.CONTROLS, remedies.DOES):
        assert set(named) <= known
    assert methods.MIXED_WORDS.keys() >= {*methods.SUMMED, methods.PLAIN, *remedies.CONTROLS}
    assert methods.PLAIN == remedies.PLAIN == "none"


def test_every_cell_of_what_is_left_of_the_gap_is_its_own():
    table, value = results("one", "two")
    made = methods.same_gap_table(table, NAMES, "one", " So.")
    assert made.caption == "Fitted on 20 pairs, scored on 30 others. So."
    for method, row in zip(("none", "shift", "centre", "standardise"), made.rows, strict=True):

        def of(task, metric, *ends, method=method):
            return np.mean([value["one", "even_odd", method, task, f"{metric}{e}"] for e in ends])

        one, other = (value["one", f"half_{half}", method, "T6", "gap"] for half in (0, 1))
        # The standard deviation of two numbers is their distance over the root of 2.
        assert row[1] == f"{of('T6', 'gap', ''):.3f} ±{abs(one - other) / 2**0.5:.3f}"
        assert dict(zip(made.head[2:], row[2:], strict=True)) == {
            "R@1 x to y": f"{of('T1', 'recall1', '_xy'):.3f}",
            "R@1 y to x": f"{of('T1', 'recall1', '_yx'):.3f}",
            "NDCG@10, mixed": f"{of('T2a', 'ndcg10', '_xy', '_yx'):.3f}",
            "kind AUC": f"{of('T2a', 'kind_auc', '_xy', '_yx'):.3f}",
            "other kind in first 10": f"{of('T2a', 'kind_share10', '_xy', '_yx'):.3f}",
            "own neighbours kept": f"{of('T6', 'neighbours_kept', '_x', '_y'):.3f}",
        }
    labels = dict(zip(NAMES["method"], NAMES["label"], strict=True))
    assert [row[0] for row in made.rows][1:] == [labels[one] for one in methods.SAME_GAP[1:2]] + [
        "centring",
        "z",
    ]
    # No change and one method are not enough, nor is a table without gaps.
    two = table[table["method"].isin(["none", "centre"])]
    assert methods.same_gap_table(two, NAMES, "one") is None
    assert methods.same_gap_table(table[table["task"] != "T6"], NAMES, "one") is None


def test_the_shift_and_centring_are_told_with_their_own_changes():
    (table, value), (changed, told) = results("one", "two"), changes("two", "one")
    gap = {one: f"{value['two', 'even_odd', one, 'T6', 'gap']:.3f}" for one in NAMES["method"]}
    by = {
        method: " and ".join(told["two", method, f"recall1_{way}"] for way in BOTH)
        for method in ("shift", "centre")
    }
    assert methods.same_gap_sentence(table, changed, "two", "Two") == (
        f"Two: of a gap of {gap['none']} the fitted shift leaves {gap['shift']} and changes "
        f"recall@1 by {by['shift']}; centring leaves {gap['centre']} and changes it by "
        f"{by['centre']} (both ways; n 30)."
    )
    one_way = changed[(changed["method"] != "shift") | (changed["metric"] != "recall1_yx")]
    assert methods.same_gap_sentence(table, one_way, "two", "Two") == ""


def test_of_several_sets_those_that_are_shown_count_and_a_fall_is_one_of_the_whole_interval():
    table, value = results("one", "two", "other")
    rows = [
        {"set": name, "method": method, "metric": metric, "difference": high - 0.1,
         "difference_low": high - 0.2, "difference_high": high}
        for name, method, metric, high in (
            ("one", "shift", "recall1_xy", -0.01), ("one", "shift", "recall1_yx", -0.01),
            ("two", "shift", "recall1_yx", 0.0), ("two", "shift", "mixed_ndcg10_xy", -0.01),
            ("one", "centre", "recall1_yx", -0.01), ("two", "centre", "recall1_xy", -0.01),
            ("other", "shift", "recall1_xy", -0.01),
        )
    ]  # fmt: skip
    left = {
        method: [
            value[name, "even_odd", method, "T6", "gap"]
            / value[name, "even_odd", "none", "T6", "gap"]
            for name in ("one", "two")
        ]
        for method in ("shift", "centre")
    }
    spans = [f"{100 * min(of):.0f} % to {100 * max(of):.0f} %" for of in left.values()]
    assert methods.same_gap_summary(table, pd.DataFrame(rows), ["two", "one"]) == (
        f"Of the gap of 2 sets the fitted shift leaves {spans[0]} and centring {spans[1]}. "
        "Recall@1 falls in a direction, by an uncorrected interval, in 1 set with the shift and in "
        "2 with centring."
    )


def test_a_mixed_gallery_is_told_with_its_own_queries_and_the_control_of_its_kind():
    table, value = results("one", "two", without=())
    table = table[~((table["set"] == "one") & (table["task"] == "T2c"))]
    gone = (table["method"] == "centre") & (table["task"] == "T2a")
    table = table[~gone]  # no result of a method, so no word of it

    def of(method, *metrics, name="one", task="T2a"):
        return f"{np.mean([value[name, 'even_odd', method, task, one] for one in metrics]):.3f}"

    ways = ("ndcg10_xy", "ndcg10_yx")
    control = "the control that puts the other modality first"
    assert methods.mixed_sentences(table, "one", "One") == [
        "One: NDCG@10 in a gallery of both modalities, where the wanted item is of the other one "
        f"(n 31): no change {of('none', *ways)}; the shift fitted to close the gap "
        f"{of('shift', *ways)} and {control} {of('other_first', *ways)}."
    ]
    two = {one: of(one, "ndcg10", name="two", task="T2c") for one in NAMES["method"]}
    assert methods.mixed_sentences(table, "two", "Two") == [
        "Two: NDCG@10 where each document, the wanted one too, is a caption, a picture or both "
        f"(n 33): no change {two['none']}; the shift fitted to close the gap {two['shift']}; "
        f"centring {two['centre']}; {control} {two['other_first']} and the control that puts the "
        f"own modality first {two['own_first']}."
    ]


def test_the_best_method_is_told_at_the_first_share_at_which_it_beats_the_control():
    curves = {
        "none": (0.5, 0.3, 0.2, 0.4),
        "own_first": (0.9, 0.9, 0.9, 0.9),
        "other_first": (0.5, 0.5, 0.3, 0.6),
        "shift": (0.4, 0.6, 0.1, 0.9),
        "centre": (0.3, 0.55, 0.7, 0.95),
        "sinkhorn": (0.99,) * 4,
    }

    def told(curves, *order):
        rows = [
            {"set": name, "split": split, "method": method, "task": "T2b",
             "metric": f"ndcg10_{share}_{way}", "n_scored": 9,
             "value": value + change + noise + side}
            for name, noise in (("one", 0.0), ("two", 0.02), ("three", 0.04))
            for split, change in (("half_0", 0.3), ("even_odd", 0.0))
            for method, values in curves.items()
            for share, value in zip(("0", "0.5", "0.75", "1"), values, strict=True)
            for way, side in (("xy", -0.05), ("yx", 0.05))
        ]  # fmt: skip
        names = {name: name.title() for name in ("one", "two", "three")}
        order = list(order or ["one"])
        (text,) = methods.control_sentences(pd.DataFrame(rows), NAMES, order, names)
        return text.partition("(without intervals): ")[2]

    assert told(curves) == "from 0.5 in One (the shift 0.600, control 0.500)."
    assert told(curves, "three", "one", "two") == (
        "from 0.5 in Three (the shift 0.640, control 0.540); from 0.5 in One (the shift 0.600, "
        "control 0.500) and from 0.5 in Two (the shift 0.620, control 0.520)."
    )
    # Not where bits of a float are all that differ.
    nearly = curves | {"centre": (0.5 + 1e-12, 0.55, 0.7, 0.95)}
    assert told(nearly) == "from 0.5 in One (the shift 0.600, control 0.500)."
    gap = curves | {"other_first": (0.5, 0.5, 0.8, 0.6)}
    assert told(gap) == "at 0.5 and 1 in One (the shift 0.600, control 0.500)."
    assert told(curves | {"none": (0.5, 0.65, 0.2, 0.4)}) == (
        "from 0.5 in One (no change 0.650, control 0.500)."
    )


def test_every_set_has_its_own_table_matrix_and_dimension():
    data = {"methods": results("one", "two")[0], "differences": changes("one", "two")[0]}
    gaps = pd.DataFrame({"dim": [40, 80], "gap": [0.7, 0.6], "n": [50, 2000]}, index=["one", "two"])
    sets = {name: {"label": name.title()} for name in ("two", "one")}
    shown = methods.shown(data | {"method_names": NAMES}, gaps, sets)
    assert (shown.sets, shown.halves) == (["one", "two"], 2)
    assert [table.label for table in shown.same_gap] == ["One", "Two"]
    assert "all 2,000 pairs is 0.600." in shown.same_gap[1].table.caption
    assert [text.partition(":")[0] for text in shown.same_gap_sentences] == ["One", "Two"]
    for matrix, words in zip(shown.matrices, ("0.50 per dimension", "0.25 per"), strict=True):
        assert words in matrix.table.caption
    # The dimension of a set without a gap is not known.
    alone = methods.shown(data | {"method_names": NAMES}, gaps[1:], sets).matrices[0]
    assert alone.table.caption == "One. Fitted on 20 pairs, scored on 30 others."


def test_figures_of_a_gallery_show_the_fixed_split():
    table, value = results("one", "later", "two", without=())
    table = table[~(table["set"].isin(["later", "one"]) & (table["task"] == "T2c"))]
    forms = {"ndcg10_0.25": 0.2, "ndcg10_fused": 0.4, "ndcg10_caption": 0.3}
    rows = [
        {"set": "two", "split": split, "method": "shift", "task": "T2c", "metric": metric}
        | {"value": number + change, "n_scored": 33}
        for metric, number in forms.items()
        for split, change in (("half_0", 0.5), ("even_odd", 0.0))
    ]
    table = pd.concat([table, pd.DataFrame(rows)])
    assert follow_ups.sets_in_order(table) == ["two", "one", "later"]
    assert [follow_ups.scored(table, name) for name in ("one", "two")] == [32, 33]
    assert follow_ups.mixed_curves(table, "two").to_dict() == {"shift": {0.25: 0.2}}
    for curves in (
        follow_ups.mixed_curves(table, "one"),
        follow_ups.mixed_curves(table, "one", "T2b"),
    ):
        assert [*curves.index] == [0, 0.5, 0.75, 1] and {*curves} == {*NAMES["method"]}
        for method, share in itertools.product(curves, curves.index):
            ways = [
                value["one", "even_odd", method, "T2b", f"ndcg10_{share:g}_{way}"] for way in BOTH
            ]
            assert curves.loc[share, method] == pytest.approx(np.mean(ways))
    # A form that was not wanted has no value.
    assert follow_ups.by_form(table, "two").fillna(-1).to_dict("index") == {
        "shift": {"caption": 0.3, "picture": -1, "fused": 0.4}
    }


def fitted(name, method, values, metric="gap", sizes=(32, 64, 128)):
    return pd.DataFrame(
        {"set": name, "method": method, "n_fit": n_fit, "ratio": n_fit / 256, "metric": metric,
         "value": value, "value_low": value - 0.1, "value_high": value + 0.2, "draws": 5, "n": 1234}
        for n_fit, value in zip(sizes, values, strict=False)
    )  # fmt: skip


def test_sizes_are_told_from_the_fewest_to_the_most_fit_pairs():
    one = [
        fitted("one", "shift", (0.7, 0.6, 0.5)),
        fitted("one", "shift", (0.1, 0.3, 0.2), "recall1_xy"),
        fitted("one", "shift", (0.4, 0.5, 0.6), "recall1_yx"),
        fitted("one", "centre", (0.31, 0.33, 0.25)),
    ]
    # More pairs leave more at last; a method of one size says nothing.
    two = [fitted("two", "centre", (0.5, 0.2, 0.6)), fitted("two", "shift", (0.2,))]
    table = pd.concat([*one, *two], ignore_index=True)
    labels = {"one": "One", "two": "Two"}
    assert fit_sizes.sentence(table, labels) == (
        "By estimates, each method leaves less of the gap with more fit pairs in 1 of 2 sets. One: "
        "centring leaves 0.310 [0.210, 0.510] with 32 pairs, 0.250 [0.150, 0.450] with 128."
    )
    assert fit_sizes.sentence(table[table["method"] == "shift"], labels) == ""
    same = table.replace({"value": {0.6: 0.5}})  # what stays is no less
    assert "in 1 of 2 sets" in fit_sizes.sentence(same, labels)
    turned = fit_sizes.tables(pd.concat([*two, *one]), NAMES, labels)
    assert [one.label for one in turned] == ["Two", "One"]
    first, second = fit_sizes.tables(table, NAMES, labels)
    assert (first.label, second.label) == ("One", "Two")
    heads = [f"{n} (n_fit/d {words})" for n, words in ((32, "0.12"), (64, "0.25"), (128, "0.50"))]
    assert first.table.head == ["method", "measure", *heads]
    assert first.table.caption == (
        "Means over 5 draws of the fit pairs, scored on 1,234 others; intervals over these draws "
        "alone."
    )
    rows = {(row[0], row[1]): [cell.partition(" [")[0] for cell in row[2:]]
            for row in first.table.rows}  # fmt: skip
    assert list(rows.items()) == [
        (("the shift", "gap left"), ["0.700", "0.600", "0.500"]),
        (("the shift", "R@1 x to y"), ["0.100", "0.300", "0.200"]),
        (("the shift", "R@1 y to x"), ["0.400", "0.500", "0.600"]),
        (("centring", "gap left"), ["0.310", "0.330", "0.250"]),
        (("centring", "R@1 x to y"), [NONE] * 3),
        (("centring", "R@1 y to x"), [NONE] * 3),
    ]


# --- losses -------------------------------------------------------------------------------------

TRAINED = {"clip": 0.8, "low": 0.3, "lower": 0.2, "wide": 0.9, "unclear": 0.5}


def trained():
    """losses_summary.csv, losses_difference.csv and losses_methods.csv of five losses."""
    summary, differences = [], []
    for place, (method, gap) in enumerate(TRAINED.items()):
        row = {"method": method, "label": method.upper(), "n": 3 + place % 2, "zero_shot_n": 1415}
        row |= {"zero_shot_chance": 0.2, "temperature_density": 7.0, "temperature": 0.5 / gap}
        values = {"gap": gap, "gap_squared": gap - 0.05}
        values |= {"recall1": 0.3 + place / 50, "zero_shot": 0.5 + place / 10}
        for column, value in values.items():
            row |= {column: value, f"{column}_low": value - 0.01, f"{column}_high": value + 0.02}
        summary.append(row)
    for method, gap, p, recall, zero_shot, zero_shot_p in (
        ("low", -0.5, 0.04, (0.2, 0.1, 0.3), -0.1, 0.01),
        ("lower", -0.6, 0.02, (-0.2, -0.3, -0.1), 0.2, 0.03),
        ("wide", 0.1, 0.01, (0.2, 0.1, 0.3), 0.3, 0.2),
        ("unclear", -0.3, 0.06, (0.005, -0.01, 0.02), -0.3, 0.9),
    ):
        row = {"method": method, "than": "clip", "n": 3, "same_temperature": method == "low"}
        ends = (zero_shot, zero_shot - 0.05, zero_shot + (0.5 if method == "unclear" else 0.05))
        for metric, (middle, low, high), its in (
            ("gap", (gap, gap - 0.02, gap + 0.03), p),
            ("recall1", recall, 0.001),
            ("zero_shot", ends, zero_shot_p),
        ):
            row |= {"metric": metric, "difference": middle, "difference_low": low}
            differences.append(row | {"difference_high": high, "p_holm": its})
    return pd.DataFrame(summary), pd.DataFrame(differences)


def test_every_cell_of_the_losses_is_its_own():
    summary, differences = trained()
    table = losses.table(summary, differences, "clip")
    assert table.caption == (
        "Held-out pairs, means over 4 seeds; changes, paired by seed, are against the method in "
        "the folded table."
    )
    assert [row[0] for row in table.rows] == ["LOWER", "LOW", "UNCLEAR", "CLIP", "WIDE"]
    assert dict(zip(table.head, table.rows[0], strict=True)) == {
        "method": "LOWER",
        "temperature": "2.500",
        "gap": "0.200 [0.190, 0.220]",
        "gap², unbiased": "0.150",
        "gap, change": "-0.600 [-0.620, -0.570]",
        "R@1": "0.340 [0.330, 0.360]",
        "R@1, change": "-0.200 [-0.300, -0.100]",
        "R@1 within 0.03": "changed",
        "zero-shot": "0.700 [0.690, 0.720]",
        "zero-shot, change": "0.200 [0.150, 0.250]",
    }
    # One method without the task has dashes, and leaves the columns of the others.
    summary.loc[1, ["zero_shot", "zero_shot_low", "zero_shot_high"]] = np.nan
    assert losses.table(summary, differences, "clip").rows[1][-2] == NONE


def test_what_losses_do_is_counted_by_holm_and_by_whole_intervals():
    summary, differences = trained()
    assert losses.sentences(summary, differences, "clip", 0.95) == [
        "2 of 4 methods narrow the gap (paired by seed, after Holm's correction), 1 of them at "
        "another temperature.",
        "Of these, recall@1 stays within 0.03 in 0, rises by more in 1 and falls by more in 1, "
        "each by the whole interval; 0 are inconclusive.",
    ]
    strict, lenient = (losses.sentences(summary, differences, "clip", c) for c in (0.97, 0.9))
    assert strict[0].startswith("1 of 4 methods narrows the gap")
    assert lenient[0].startswith("3 of 4 methods narrow the gap")
    assert "within 0.03 in 1, rises by more in 1" in lenient[1]
    assert losses.zero_shot_sentence(summary, differences, 0.95) == (
        "Zero-shot accuracy, of 1,415 pictures not trained on (a guess: 0.200), rises "
        "with 1 (LOWER) and falls with 1 (LOW) of 4 methods after Holm's correction; without it, "
        "it falls with 0 more and rises with 1 more."
    )
    assert "rises with 0 and falls with 1 (LOW)" in (
        losses.zero_shot_sentence(summary, differences, 0.98)
    )
    # The first that was scored has the number of pictures.
    summary.loc[0, ["zero_shot", "zero_shot_n"]] = [np.nan, 1]
    assert "of 1,415 pictures" in losses.zero_shot_sentence(summary, differences, 0.95)
    # The baseline alone decides whether recall says anything.
    weak = summary.assign(recall1=[0.04, 0.3, 0.3, 0.3, 0.3])
    others = summary.assign(recall1=[0.3, 0.04, 0.04, 0.04, 0.04])
    assert losses.at_chance(weak, "clip") and losses.at_chance(weak.iloc[::-1], "clip")
    assert not losses.at_chance(summary.assign(recall1=0.05), "clip")
    assert not losses.at_chance(others, "clip") and not losses.at_chance(others[::-1], "clip")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        # At odds with the margin alone: the whole interval is below 0, not below -.03.
        ({"difference_high": -0.001}, "1 is inconclusive, though it clearly falls in UNCLEAR."),
        ({"difference_high": 0.0}, "1 is inconclusive."),
        ({"difference_high": -0.001, "p_holm": 0.25}, "1 is inconclusive."),
        ({"difference_high": -0.001, "p_holm": 0.26}, "1 is inconclusive."),
        # A clear rise is no fall.
        ({"difference_low": 0.001, "difference_high": 0.05}, "1 is inconclusive."),
        # Wholly beyond the margin: no longer inconclusive.
        ({"difference_high": -0.04}, "0 are inconclusive."),
    ],
)
def test_a_clear_fall_that_is_not_beyond_the_margin_is_named(change, words):
    summary, differences = trained()
    row = (differences["method"] == "unclear") & (differences["metric"] == "recall1")
    given = {"difference": -0.02, "difference_low": -0.1} | change
    differences.loc[row, [*given]] = [*given.values()]
    # Rows of other methods stand before and behind, and the labels have an order of their own.
    for rows in (differences, differences[::-1]):
        found = losses.sentences(summary[::-1], rows, "clip", 0.75)
        assert found[1].endswith(f"interval; {words}")


def test_several_clear_falls_are_listed():
    summary, differences = trained()
    rows = differences["method"].isin(["unclear", "low"]) & (differences["metric"] == "recall1")
    ends = {"difference": -0.02, "difference_low": -0.1, "difference_high": -0.01}
    differences.loc[rows, [*ends]] = [*ends.values()]
    assert losses.sentences(summary, differences, "clip", 0.9)[1].endswith(
        "2 are inconclusive, though it clearly falls in LOW and UNCLEAR."
    )


def test_a_family_is_told_from_its_lowest_to_its_highest_temperature():
    summary, _ = trained()
    given = ["unclear", "low", "lower"]
    assert losses.family_sentence(summary, given) == (
        "Temperature, fixed or learnt, 1.000 to 2.500: gap 0.500 [0.490, 0.520] to 0.200 [0.190, "
        "0.220], recall@1 0.380 [0.370, 0.400] to 0.340 [0.330, 0.360]."
    )
    same = summary.assign(temperature=[1, 0.07, 0.07 * (1 + 1e-9), 2, 0.07])
    assert losses.family_sentence(same, given) == ""


def test_every_cell_of_what_may_be_said_of_a_gap_is_its_own():
    told = pd.DataFrame(
        {"method": ["clip", "low", "lower"], "label": ["CLIP", "LOW", "LOWER"],
         "than": ["clip", "clip", "absent"], "same_temperature": [True, False, True],
         "floor": [0.05, 0.06, 0.07], "closed": [False, True, True],
         "one_cone": [True, False, True]}
    )  # fmt: skip
    equal = fitted("", "", (0.4, 0.2)).assign(metric="gap_equal_progress", method=["lower", "low"])
    equal = equal.rename(columns=lambda name: name.replace("value", "difference"))
    table = losses.gap_table(told, pd.concat([trained()[1], equal]))
    assert table.rows == [
        ["CLIP", NONE, "yes", NONE, "0.050", "no", "yes"],
        ["LOW", "CLIP", "no", "0.200 [0.100, 0.400]", "0.060", "yes", "no"],
        ["LOWER", "absent", "yes", "0.400 [0.300, 0.600]", "0.070", "yes", "yes"],
    ]
    assert table.head == [
        *("method", "compared with", "same temperature", "gap, change at equal progress"),
        *("gap by chance", "closed", "in one cone"),
    ]
    assert table.caption == (
        "Equal progress: where training recall first reaches .5. Closed: the gap is at most twice "
        "that by chance, or the interval of the unbiased gap² covers 0. In one cone: mean cosine "
        "within the modalities of at least 0.8."
    )


# --- measures -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1234, "0.123 [-1.000, 2.000]"),
        (-0.1234, "-0.123 [-1.000, 2.000]"),
        (1.0, "1.00 [-1.00, 2.00]"),
        (-9.876, "-9.88 [-1.00, 2.00]"),
        (10.0, "10.0 [-1.0, 2.0]"),
        (123.4, "123 [-1, 2]"),
    ],
)
def test_a_measure_has_three_significant_digits(value, text):
    row = {"value": value, "low": -1.0, "high": 2.0, "chance": np.nan}
    assert measures._cell(row) == text
    assert measures._cell(row | {"chance": 0.5}) == f"{text} (0.500)"


# What the page calls each measure, and 1 where more of it is better.
MEASURES = {
    "mutual_knn": ("mutual nearest neighbours", 1),
    "cka_unbiased": ("CKA, unbiased", 1),
    "kendall_distance": ("Kendall distance", -1),
    "frechet": ("Fréchet distance", -1),
    "volume": ("volume of a pair (GRAM)", -1),
    "uniformity_across": ("uniformity across", -1),
    "effective_rank_x": ("effective rank, first", 1),
    "skewness10_xy": ("hubs, skewness", -1),
    "own_first_x": ("nearest is of own kind", -1),
    "variance_along_x": ("variance along the gap", 1),
    "two_separate": ("two coordinates separate", -1),
}


def ordered():
    """Eight trained sets, of which the mean of both directions has another order than either, and
    an untrained one; every measure of the page."""
    rng = np.random.default_rng(9)
    names = [f"set{number}" for number in range(8)]
    ab, ba, gap = rng.uniform(0.2, 0.9, (3, 8))
    gaps = pd.DataFrame(
        {"weights": [*["trained"] * 8, "random"], "gap": [*gap, 5.0], "recall1_ab": [*ab, 0.9],
         "recall1_ba": [*ba, 0.9]}, index=[*names, "r"]
    )  # fmt: skip
    values = {one: dict(zip(gaps.index, rng.uniform(0, 1, 9), strict=True)) for one in MEASURES}
    rows = [
        {"set": name, "measure": measure, "value": value}
        for measure, of in values.items()
        for name, value in of.items()
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=1), gaps, values


def test_an_order_is_that_of_recall_in_both_directions():
    table, gaps, values = ordered()
    found = measures.agreement(table, gaps).set_index("measure")
    recall = {name: (row["recall1_ab"] + row["recall1_ba"]) / 2 for name, row in gaps.iterrows()}
    names = [name for name in gaps.index if name != "r"]
    columns = {"gap": (gaps["gap"], -1)} | {
        head: (values[name], better) for name, (head, better) in MEASURES.items()
    }
    assert [*found.index] == [*columns]
    for head, (column, sign) in columns.items():
        signs = [
            sign * np.sign((column[a] - column[b]) * (recall[a] - recall[b]))
            for a, b in itertools.combinations(names, 2)
        ]
        assert found.loc[head, "tau"] == pytest.approx(np.mean(signs)), head
    counted = {row[0]: row[1] for row in measures.agreement_table(found.reset_index()).rows}
    less = {head for head, better in MEASURES.values() if better < 0}
    assert {head for head, word in counted.items() if word == "less"} == {"gap", *less}


def test_an_order_is_shown_by_what_is_left_of_p():
    found = pd.DataFrame(
        {"measure": ["A", "B", "C"], "tau": [0.6, -0.7, 0.8], "p": [0.001, 0.002, 0.003],
         "p_holm": [0.06, 0.02, 0.03], "sets": [8, 9, 8]}
    )  # fmt: skip
    assert measures.agreement_sentences(found, 0.05) == [
        "The 9 trained sets are ordered as by recall@1 by C (τ 0.80) and in the reverse order by "
        "B (τ -0.70) (Kendall's τ of 3 measures, p below 0.05 by Holm's method); of other measures "
        "nothing is shown."
    ]
    table = measures.agreement_table(found)
    assert re.fullmatch(r"Order of the trained sets: .* [a-z]+\. .* [a-z]+\.", table.caption)
    assert dict(zip(table.head, table.rows[1], strict=True)) == {
        "measure": "B",
        "counted": "more",
        "τ": "-0.70",
        "p": "0.002",
        "p, Holm": "0.02",
        "sets": "9",
    }


def test_a_measure_misleads_by_trained_sets_alone_and_a_tie_counts():
    gaps = pd.DataFrame(
        {"weights": ["random", "trained", "trained", "trained", "trained"],
         "recall1_ab_low": [0.9, 0.01, 0.4, 0.4, 0.01],
         "recall1_ba_low": [0.9, 0.4, 0.4, 0.4, 0.01], "recall1_chance": 0.01},
        index=["r", "weak", "a", "b", "unmeasured"],
    )  # fmt: skip
    values = {
        "cka_unbiased": {"r": 0.1, "weak": 0.3, "a": 0.4, "b": 0.3},
        "kendall_distance": {"r": 0.9, "weak": 0.5, "a": 0.4, "b": 0.4},
        "mutual_knn": {"r": 0.9, "weak": 0.1, "a": 0.2, "b": 0.6},
    }
    table = pd.DataFrame(
        {"set": name, "measure": measure, "value": value}
        for measure, of in values.items()
        for name, value in of.items()
    )
    labels = {name: name.upper() for name in gaps.index}
    assert measures.misleading(table, gaps, labels) == [
        "CKA puts WEAK (0.300) level with or above B (0.300), though WEAK retrieves near chance; "
        "mutual nearest neighbours are 0.100 and 0.600."
    ]
    both = table.replace({"value": {0.3: 0.5}})
    assert "above A (0.400)" in measures.misleading(both, gaps, labels)[0]


def test_untrained_sets_have_a_table_of_their_own():
    sets = {
        "t": {"label": "T", "weights": "trained"},
        "r": {"label": "R", "weights": "random"},
        "p": {"label": "P", "weights": "random", "projection": "x"},
    }
    table = pd.DataFrame(
        {"set": name, "measure": measure, "value": value, "low": np.nan, "high": np.nan,
         "chance": np.nan, "n": n}
        for measure in ("mutual_knn", "own")
        for name, value, n in (("r", 0.1, 60), ("t", 0.2, 1234), ("p", 0.3, 62))
    )  # fmt: skip
    gaps = pd.DataFrame({"weights": ["trained", "random", "random"], "gap": 0.5}, index=[*"trp"])
    columns = ("recall1_ab", "recall1_ba", "recall1_ab_low", "recall1_ba_low")
    gaps = gaps.assign(recall1_chance=0.01, **dict.fromkeys(columns, 0.5))
    shown = measures.shown(table, gaps, sets, 0.95, {"own": "Mine"})
    assert shown.table.head == ["measure", "T, n 1,234"]
    assert shown.table.caption == (
        "Value, interval where the measure has one, and chance in round brackets."
    )
    assert shown.table.rows == [["mutual nearest neighbours", "0.200"], ["Mine", "0.200"]]
    assert shown.untrained.head == ["measure", "R, n 60", "P, untrained projections, n 62"]
    assert shown.untrained.rows[0] == ["mutual nearest neighbours", "0.100", "0.300"]
    trained = table[table["set"] == "t"]
    assert measures.shown(trained, gaps, sets, 0.95).untrained is None


# --- closing the gap ----------------------------------------------------------------------------


def test_what_is_held_out_is_of_the_same_set_the_fixed_split_and_accuracy():
    closed = {"recall_at_gap": 0.9, "gap": 0.5, "recall_closed": 0.8, "change_closed": -0.1}
    closed |= {"change_closed_low": -0.2, "change_closed_high": 0.1, "p_closed": 0.3}
    closed |= {"clusters": 9, "n": 9, "model": "M", "score": "recall@1"}
    rows = pd.DataFrame([closed, closed], index=["one", "two"])
    (table, value), (_, _) = results("two", "one"), changes("one")
    changed = pd.DataFrame(
        {"set": name, "method": method, "metric": metric, "difference": middle,
         "difference_low": middle - 0.1, "difference_high": middle + 0.2, "n": 1200 + place}
        for place, (name, method, metric, middle) in enumerate(
            itertools.product(("one", "two"), ("centre", "shift"), ("recall1_xy", "accuracy"),
                              (0.3,)))
    )  # fmt: skip
    changed["difference"] += np.arange(len(changed)) / 100
    own = {
        (name, method): f"{value[name, 'even_odd', method, 'T3', 'accuracy']:.3f}"
        for name, method in itertools.product(("one", "two"), ("none", "shift"))
    }
    found = closing.sentences(rows, {"methods": table, "differences": changed})
    for name, text, change, n in zip(("one", "two"), found, (0.33, 0.37), (3, 7), strict=True):
        assert text == (
            "M: recall@1 0.900 at its own gap of 0.500, 0.800 with the gap closed, a change of "
            "-0.100 [-0.200, 0.100] (p 0.3; n 9). With the shift fitted on other items: "
            f"{own[name, 'none']} to {own[name, 'shift']}, a change of {change:.3f} [0.200, 0.500] "
            f"(n {1200 + n:,})."
        )
    # Without the accuracy of no change there is nothing to go from.
    bare = table[(table["method"] != "none") | (table["task"] != "T3")]
    for text in closing.sentences(rows, {"methods": bare, "differences": changed}):
        assert text.endswith("n 9).")
    # Two models are several.
    assert closing.summary(rows.assign(model=["A", "B"])) == (
        "With the gap closed the score (to the texts) is not shown to change in 2 (A, B)."
    )
