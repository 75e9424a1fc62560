"""The page of what came after the paper: tables, sentences, and the ledger of the follow-ups."""

import copy
import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from invented import claim as claim_row
from markupsafe import escape

from modality_gap.config.follow_ups import temperature_family
from modality_gap.config.load import tables_of
from modality_gap.config.tables import load_tables
from modality_gap.errors import InputError
from modality_gap.figures.follow_ups import (
    PAIR_GALLERY,
    by_form,
    mixed_curves,
    scored,
    sets_in_order,
)
from modality_gap.figures.labels import places_beside
from modality_gap.measures import registry
from modality_gap.pages.after import fit_sizes, follow_ups, losses, measures, methods
from modality_gap.pages.render import picture, render_page
from modality_gap.pages.words import NONE
from modality_gap.paper.claims import COLUMNS, INCONCLUSIVE, NOT_RUN, NOT_SEEN, SAME
from modality_gap.paper.follow_ups import (
    check_follow_ups,
    load_follow_ups,
    published_words,
    statements,
)
from modality_gap.training.loss_tables import is_closed

ROOT = Path(__file__).parents[3]
LEDGER_FILE = ROOT / "config/ledger/follow_ups.yaml"
LEDGER = load_follow_ups(LEDGER_FILE)
TEMPLATES = {
    name: (ROOT / f"report/templates/{name}.html.j2").read_text(encoding="utf-8")
    for name in ("base", "parts", "after")
}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>'
SETS = {
    name: {"label": f"<i>{name}</i>", "weights": weights}
    for name, weights in (("one", "trained"), ("two", "trained"), ("none", "random"))
}
NAMES = pd.DataFrame(
    {
        "method": ["none", "other_first", "shift", "centre", "sinkhorn"],
        "label": ["no change", "control", "shift", "centring", "Sinkhorn"],
        "source": ["ours", "ours", "paper", "paper", "paper"],
        "star": [False, False, False, False, True],
    }
)
VALUES = {"none": 0.5, "other_first": 0.5, "shift": 0.3, "centre": 0.48, "sinkhorn": 0.7}


def result(method, task, metric, value, split="even_odd", name="one"):
    return {
        "set": name,
        "split": split,
        "method": method,
        "task": task,
        "metric": metric,
        "value": value,
        "n_fit": 20,
        "n_scored": 30,
    }


def results(name="one"):
    """methods.csv of one set: the mean of both ways is the value."""
    rows = []
    for method, value in VALUES.items():
        for side, step in (("xy", 0.1), ("yx", -0.1)):
            rows.append(result(method, "T1", f"recall1_{side}", value + step, name=name))
            if method == "sinkhorn":
                continue
            for metric in ("ndcg10", "kind_auc", "kind_share10"):
                rows.append(result(method, "T2a", f"{metric}_{side}", value + step, name=name))
            for share in ("0", "0.4", "1"):
                rows.append(
                    result(method, "T2b", f"ndcg10_{share}_{side}", value + step, name=name)
                )
        if method not in ("other_first", "sinkhorn"):
            rows.append(result(method, "T6", "gap", value / 2, name=name))
            rows += [
                result(method, "T6", "gap", value / 2 + shift, f"half_{number}", name)
                for number, shift in enumerate((-0.01, 0.01))
            ]
            rows += [
                result(method, "T6", f"neighbours_kept_{side}", 0.9, name=name) for side in "xy"
            ]
    return pd.DataFrame(rows)


def changes(name="one"):
    rows = [
        {
            "set": name,
            "method": method,
            "star": method == "sinkhorn",
            "metric": f"recall1_{side}",
            "difference": value - 0.5,
            "difference_low": value - 0.6,
            "difference_high": value - 0.4,
            "n": 30,
        }
        for method, value in VALUES.items()
        if method != "none"
        for side in ("xy", "yx")
    ]
    rows += [row | {"metric": row["metric"].replace("recall1", "mixed_ndcg10")} for row in rows]
    return pd.DataFrame(rows)


GAPS = pd.DataFrame(
    {
        "set": ["one", "two", "none"],
        "weights": ["trained", "trained", "random"],
        "dim": [40, 40, 40],
        "gap": [0.8, 0.5, 1.0],
        "recall1_ab": [0.5, 0.01, 0.01],
        "recall1_ba": [0.5, 0.01, 0.0],
        "recall1_ab_low": [0.4, 0.0, 0.0],
        "recall1_ba_low": [0.4, 0.0, 0.0],
        "recall1_chance": [0.01] * 3,
    }
).set_index("set")


def measured():
    """measures.csv: the set at chance has more CKA than the one that retrieves."""
    values = {
        "mutual_knn": (0.4, 0.1, 0.05),
        "cka_unbiased": (0.3, 0.31, 0.0),
        "kendall_distance": (0.2, 0.4, 0.5),
        "frechet": (1.0, 2.0, 3.0),
    }
    return pd.DataFrame(
        [
            {"set": name, "measure": one, "value": of[place], "low": np.nan, "high": np.nan,
             "chance": 0.02 if one == "mutual_knn" else np.nan, "n": 60}
            for one, of in values.items()
            for place, name in enumerate(SETS)
        ]
    )  # fmt: skip


def trained(recall=0.4, change=(0.001, -0.009, 0.011)):
    """losses_summary.csv and losses_difference.csv of a baseline and one other loss."""
    rows = []
    for method, gap in (("clip", 0.8), ("cua", 0.2)):
        row = {"method": method, "label": f"<b>{method}</b>", "n": 5}
        row |= {"zero_shot_n": 415, "zero_shot_chance": 0.2, "temperature_density": np.nan}
        for column, value in (("temperature", 0.01 if method == "clip" else 0.05), ("gap", gap),
                              ("gap_squared", gap**2), ("recall1", recall),
                              ("zero_shot", 0.5 + gap / 10)):  # fmt: skip
            row |= {column: value, f"{column}_low": value - 0.01, f"{column}_high": value + 0.01}
        rows.append(row)
    differences = pd.DataFrame(
        [
            {"method": "cua", "than": "clip", "metric": metric, "difference": value,
             "difference_low": low, "difference_high": high, "p_holm": 0.001, "n": 5,
             "same_temperature": False}
            for metric, (value, low, high) in (("gap", (-0.6, -0.61, -0.59)), ("recall1", change),
                                               ("zero_shot", (-0.06, -0.07, -0.05)))
        ]
    )  # fmt: skip
    return pd.DataFrame(rows), differences


def of_methods():
    """losses_methods.csv of the same."""
    row = {"same_temperature": True, "floor": 0.05, "one_cone": False}
    rows = [
        row | {"method": "clip", "label": "<b>clip</b>", "than": "clip", "closed": False},
        row | {"method": "cua", "label": "<b>cua</b>", "than": "clip", "closed": True},
    ]
    return pd.DataFrame(rows)


def tables(*names):
    found = [results(name) for name in names], [changes(name) for name in names]
    none = results().iloc[:0], changes().iloc[:0]
    summary, differences = trained()
    return {
        "methods": pd.concat(found[0]) if names else none[0],
        "differences": pd.concat(found[1]) if names else none[1],
        "method_names": NAMES,
        "losses_summary": summary,
        "losses_difference": differences,
        "losses_methods": of_methods(),
    }


def sizes():
    rows = [
        {"set": "one", "method": "centre", "n_fit": n_fit, "ratio": n_fit / 64, "metric": metric,
         "value": value, "value_low": value - 0.1, "value_high": value + 0.1, "draws": 5, "n": 30}
        for n_fit in (32, 64)
        for metric, value in (("gap", 8 / n_fit), ("recall1_xy", 0.5), ("recall1_yx", 0.4))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def render(*names):
    data = tables(*names)
    judged = check_follow_ups(LEDGER, {}).astype(str)
    return render_page(
        TEMPLATES,
        "after",
        style="",
        items={},
        pictures=dict.fromkeys(
            ("closing_the_gap", "mixed_gallery", "follow_up_losses"),
            picture("p", "A drawing of something.", SVG),
        ),
        captions=dict.fromkeys(
            ("closing_the_gap", "mixed_gallery", "follow_up_losses"), "A caption."
        ),
        closing=["<b>A model</b>: recall@1."] if names else [],
        closing_summary="",
        methods=methods.shown(data, GAPS, SETS),
        fit_sentence=fit_sizes.sentence(sizes(), {"one": "One"}),
        fit_sizes=fit_sizes.tables(sizes(), NAMES, {"one": "<i>one</i>"}),
        losses=losses.shown(data, "clip", 0.95, ["clip", "cua"]),
        measures=measures.shown(measured(), GAPS, SETS, 0.95),
        sections=follow_ups.sections(LEDGER, judged),
        untestable=LEDGER["untestable"],
        not_claimed=LEDGER["not_claimed"],
    )


# --- methods ------------------------------------------------------------------------------------


def test_the_matrix_has_changes_with_intervals_and_starred_methods_apart():
    found = methods.matrix(results(), changes(), NAMES, "one", "One", 40)
    assert found.table.caption == (
        "One. Fitted on 20 pairs, 0.50 per dimension (n_fit/d, d 40), scored on 30 others."
    )
    assert [row[0] for row in found.table.rows] == ["no change", "control", "shift", "centring"]
    assert [row[0] for row in found.starred] == ["Sinkhorn *"]
    cells = dict(zip(found.table.head, found.table.rows[2], strict=True))
    assert cells["R@1 x to y, change"] == "-0.200 [-0.300, -0.100]"
    assert cells["NDCG@10, mixed"] == "0.300" and cells["gap left"] == "0.150"
    assert found.table.rows[0][1] == "–"  # no change has no change
    starred = dict(zip(found.table.head, found.starred[0], strict=True))
    assert starred["NDCG@10, mixed"] == starred["gap left"] == "–"
    assert "hub skewness" not in found.table.head  # nothing of it in the table


def test_the_page_says_over_how_many_halves_it_tells_a_spread():
    """The fixed split is none of them."""
    assert {*results()["split"]} == {"even_odd", "half_0", "half_1"}
    assert methods.shown(tables("one"), GAPS, SETS).halves == 2
    assert "Spread over 2 random halves" in render("one")


def test_a_method_that_learns_from_labels_is_called_few_shot():
    taught = [result(one, "T3", "few_shot", float(one == "centre")) for one in ("none", "centre")]
    table = pd.concat([results(), pd.DataFrame(taught)])
    found = methods.matrix(table, changes(), NAMES, "one", "One", 40).table
    assert [row[0] for row in found.rows] == ["no change", "control", "shift", "centring, few-shot"]


def test_the_curve_over_fit_pairs_has_their_number_over_the_dimension():
    (found,) = fit_sizes.tables(sizes(), NAMES, {"one": "One"})
    assert found.table.head == ["method", "measure", "32 (n_fit/d 0.50)", "64 (n_fit/d 1.00)"]
    assert found.table.rows[0] == [
        *("centring", "gap left", "0.250 [0.150, 0.350]", "0.125 [0.025, 0.225]")
    ]
    assert "5 draws" in found.table.caption and "30 others" in found.table.caption
    assert fit_sizes.tables(sizes()[:3], NAMES, {"one": "One"}) == []
    assert fit_sizes.sentence(sizes(), {"one": "One"}) == (
        "By estimates, each method leaves less of the gap with more fit pairs in the one set. One: "
        "centring leaves 0.250 [0.150, 0.350] with 32 pairs, 0.125 [0.025, 0.225] with 64."
    )
    # In a second set another method leaves more with more pairs.
    other = sizes().assign(set="two")
    turned = other[other["metric"] == "gap"].assign(method="map")
    turned["value"] = turned["value"].to_numpy()[::-1]
    text = fit_sizes.sentence(pd.concat([sizes(), other, turned]), {"one": "One"})
    assert text.startswith(
        "By estimates, each method leaves less of the gap with more fit pairs in 1 of 2 sets."
    )
    assert fit_sizes.sentence(sizes()[:3], {"one": "One"}) == ""
    assert fit_sizes.sentence(sizes()[:0], {}) == ""


def test_methods_that_leave_the_same_gap_are_beside_each_other():
    table = methods.same_gap_table(results(), NAMES, "one")
    assert [row[0] for row in table.rows] == ["no change", "shift", "centring"]
    assert table.rows[1][:4] == ["shift", "0.150 ±0.014", "0.400", "0.200"]
    one_split = results()[results()["split"] == "even_odd"]  # which has no spread
    assert methods.same_gap_table(one_split, NAMES, "one").rows[1][1] == "0.150"
    text = methods.same_gap_sentence(results(), changes(), "one", "One")
    assert "of a gap of 0.250 the fitted shift leaves 0.150" in text
    assert "-0.200 [-0.300, -0.100] and -0.200" in text and "n 30" in text
    alone = results()[results()["method"].isin(["none", "shift"])]
    assert methods.same_gap_table(alone, NAMES, "one") is None
    assert methods.same_gap_sentence(alone, changes(), "one", "One") == ""


def test_a_set_with_several_captions_leads():
    both = pd.concat([results("one"), results("two")])
    rows = [result("none", "T2c", "ndcg10", 0.3, name="two")]
    rows += [result("none", "T2c", f"ndcg10_{form}", 0.1, name="two") for form in
             ("caption", "picture", "fused")]  # fmt: skip
    rows += [result("none", "T2c", f"ndcg10_{share}", 0.2, name="two") for share in ("0", "0.5")]
    both = pd.concat([both, pd.DataFrame(rows)])
    assert methods.sets_in_order(both) == sets_in_order(both) == ["two", "one"]
    assert list(mixed_curves(both, "two").index) == [0, 0.5]
    assert list(mixed_curves(both, "one").index) == [0, 0.4, 1]
    assert mixed_curves(both, "one").loc[0.4, "shift"] == pytest.approx(0.3)
    assert by_form(both, "two").loc["none", "fused"] == 0.1 and by_form(both, "one").empty
    (text,) = methods.mixed_sentences(both, "two", "Two")
    assert "a caption, a picture or both (n 30): no change 0.300" in text
    assert scored(both, "two") == scored(both, "one") == 30
    # A set of which nothing but zero-shot accuracy is known has no gallery.
    alone = pd.DataFrame([result("none", "T3", "accuracy", 0.9, name="two")])
    assert mixed_curves(alone, "two").empty and methods.mixed_sentences(alone, "two", "Two") == []


def test_several_sets_have_one_sentence_with_each_behind_it():
    other = results("two")
    centred = other["method"] == "centre"
    other.loc[centred & other["metric"].str.startswith("ndcg10"), "value"] = 0.6
    other.loc[centred & (other["metric"] == "gap"), "value"] = 0.1
    both = pd.concat([results(), other])
    # Of .5 the shift leaves .3, centring .48; of the second set's .25 centring leaves .1.
    # By the shift recall falls by .1 to .3, by centring it may be the same.
    changed = pd.concat([changes(), changes("two")])
    assert methods.same_gap_summary(both, changed, ["one", "two"]) == (
        "Of the gap of 2 sets the fitted shift leaves 60 % and centring 40 % to 96 %. Recall@1 "
        "falls in a direction, by an uncorrected interval, in 2 sets with the shift and in 0 with "
        "centring."
    )
    assert methods.same_gap_summary(both, changed, ["one"]) == ""
    html = render("one", "two")
    assert html.count("<summary>Each set, ") == 2


@pytest.mark.parametrize("lows", [(-0.01, 0.01), (0.01, -0.01)])
def test_a_mixed_gallery_gains_by_the_whole_interval_in_both_directions(lows):
    def change(name, method, metric, low):
        return {"set": name, "method": method, "metric": metric, "difference": low + 0.1,
                "difference_low": low, "difference_high": low + 0.2}  # fmt: skip

    both = [("mixed_ndcg10_xy", 0.01), ("mixed_ndcg10_yx", 0.01)]
    one_way = [("mixed_ndcg10_xy", lows[0]), ("mixed_ndcg10_yx", lows[1])]
    rows = [
        *(change("one", method, *of) for method in ("shift", "centre") for of in both),
        *(change("two", "shift", *of) for of in one_way),
        *(change("two", "centre", *of) for of in both),
        # Of a set with documents of several forms these alone count.
        *(change("three", "shift", *of) for of in one_way),
        *(change("three", method, "forms_ndcg10", 0.1) for method in ("shift", "centre")),
    ]
    given = pd.DataFrame(rows)
    scores = galleries(one=0.1, two=-0.1, three=0.1)
    control = "The control that puts the other modality first scores higher than these in"
    assert methods.mixed_summary(scores, given, ["one", "two", "three"]) == (
        "NDCG@10 clearly rises in 2 of 3 sets with the shift fitted to close the gap and in all 3 "
        f"sets with centring. {control} 2."
    )
    # Methods that find more in as many sets are named together.
    assert methods.mixed_summary(scores, given, ["one", "three"]) == (
        "NDCG@10 clearly rises in all 2 sets with the shift fitted to close the gap and centring. "
        f"{control} 2."
    )
    behind = galleries(one=-0.1, two=-0.1, three=-0.1)
    assert methods.mixed_summary(behind, given, ["one", "three"]).endswith(f"{control} none.")
    for few, order in ((given, ["one"]), (given[:0], [])):
        assert methods.mixed_summary(scores, few, order) == ""


def galleries(**ahead):
    """NDCG@10 in a mixed gallery: how far the control is ahead of the best method, by set."""
    found = {"none": 0.2, "shift": 0.3, "centre": 0.6, "centre_z_score": 0.4, "sinkhorn": 0.9}
    return pd.DataFrame(
        result(method, "T2a", f"ndcg10_{side}", value + step, split, name)
        for name, more in ahead.items()
        for split, other in (("half_0", -1), ("even_odd", 1))
        for method, value in (found | {"other_first": 0.6 + other * more}).items()
        for side, step in (("xy", 0.1), ("yx", -0.1))
    )


def test_the_control_is_ahead_of_every_method_of_the_sentence():
    scores = galleries(one=0.1, two=-0.1, three=0.0)
    assert methods.control_ahead(scores, ["one"]) == 1
    # Behind one of the methods, or level with it.
    assert methods.control_ahead(scores, ["two"]) == methods.control_ahead(scores, ["three"]) == 0
    for order in (["two", "one", "three"], ["three", "one"]):
        assert methods.control_ahead(scores, order) == 1
    assert methods.control_ahead(galleries(one=0.1, two=0.2), ["one", "two"]) == 2
    # Documents of several forms count where a set has them.
    forms = [
        result(method, "T2c", "ndcg10", value, name="two")
        for method, value in (("other_first", 0.5), ("shift", 0.4), ("centre", 0.45))
    ]
    scores = pd.concat([scores, pd.DataFrame(forms)])
    assert methods.control_ahead(scores, ["one", "two"]) == 2
    without = scores[scores["method"] != "other_first"]
    assert methods.control_ahead(without, ["one", "two"]) == 0
    alone = scores[scores["method"].isin(["none", "other_first"])]
    assert methods.control_ahead(alone, ["one"]) == 0


def test_the_share_from_which_a_method_beats_the_control_is_computed():
    labels = {"one": "One", "two": "Two"}
    given = results()
    assert methods.control_sentences(given, NAMES, ["one"], labels) == [
        methods.CONTROL_WORDS.format("at none in One")
    ]
    # Centring gains at one share alone; a starred method counts for nothing.
    wins = (given["method"] == "centre") & given["metric"].str.startswith("ndcg10_0.4")
    given.loc[wins & (given["task"] == PAIR_GALLERY), "value"] += 0.1
    star = [result("sinkhorn", PAIR_GALLERY, f"ndcg10_0_{side}", 0.9) for side in ("xy", "yx")]
    given = pd.concat([given, pd.DataFrame(star)])
    (text,) = methods.control_sentences(given, NAMES, ["one"], labels)
    assert "in a gallery of pairs (without intervals)" in text
    assert text.endswith(": at 0.4 in One (centring 0.580, control 0.500).")
    # From a share on, if it is so at all that follow.
    onwards = given["metric"].str.fullmatch("ndcg10_1_(xy|yx)") & (given["method"] == "centre")
    given.loc[onwards & (given["task"] == PAIR_GALLERY), "value"] += 0.1
    (text,) = methods.control_sentences(given, NAMES, ["one"], labels)
    assert text.endswith(": from 0.4 in One (centring 0.580, control 0.500).")
    without = given[given["method"] != "other_first"]
    assert methods.control_sentences(without, NAMES, ["one"], labels) == []


def test_a_column_says_on_how_many_pairs_it_was_fitted():
    given = results().assign(n_fit=25, n_scored=25)
    accuracy = [result(one, "T3", "accuracy", 0.9) | {"n_fit": 800, "n_scored": 1200}
                for one in VALUES]  # fmt: skip
    given = pd.concat([given, pd.DataFrame(accuracy)])
    found = methods.matrix(given, changes(), NAMES, "one", "One", 40).table
    assert "zero-shot accuracy (fitted on 800, scored on 1,200)" in found.head
    assert "gap left" in found.head and "scored on 25 others" in found.caption
    gaps = GAPS.assign(n=2000)
    assert methods.whole_gap(gaps, "one").endswith("that of all 2,000 pairs is 0.800.")
    assert methods.whole_gap(gaps, "absent") == ""


# --- losses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recall", "change", "verdict"),
    [
        (0.4, (0.001, -0.009, 0.011), "unchanged"),
        (0.4, (0.012, 0.005, 0.019), "unchanged"),  # not 0, and within the margin
        (0.4, (0.085, 0.07, 0.1), "changed"),
        (0.4, (0.0306, 0.014, 0.047), "inconclusive"),  # not 0, and perhaps within the margin
        (0.4, (0.0, -0.05, 0.05), "inconclusive"),
        (0.04, (0.001, -0.009, 0.011), "no verdict"),
        (0.04, (0.085, 0.07, 0.1), "no verdict"),
    ],
)
def test_recall_has_one_verdict_among_the_losses_and_in_the_ledger(recall, change, verdict):
    summary, differences = trained(recall, change)
    table = losses.table(summary, differences, "clip")
    # From the smallest gap, as the figure numbers them.
    assert [row[-3] for row in table.rows] == [verdict, "–"]
    assert table.rows[0][2] == "0.200 [0.190, 0.210]"
    texts = losses.sentences(summary, differences, "clip", 0.95)
    assert texts[0].startswith("1 of 1 method narrows the gap")
    assert texts[0].endswith("correction), 1 of them at another temperature.")
    same = losses.sentences(summary, differences.assign(same_temperature=True), "clip", 0.95)
    assert same[0].endswith("correction), 0 of them at another temperature.")
    assert ("no verdict on recall" in texts[1]) == (verdict == "no verdict")
    if verdict != "no verdict":
        words = ["within 0.03 in {}", "rises by more in {}", "falls by more in {}", "; {} is"]
        numbers = {"unchanged": (1, 0, 0, 0), "changed": (0, 1, 0, 0), "inconclusive": (0, 0, 0, 1)}
        words[3] = words[3] if verdict == "inconclusive" else "; {} are"
        for text, number in zip(words, numbers[verdict], strict=True):
            assert text.format(number) in texts[1]
    tables = {"after/losses_summary.csv": summary, "after/losses_difference.csv": differences}
    found = check_follow_ups(LEDGER, tables).set_index("id")["verdict"]
    same = {"unchanged": SAME, "changed": NOT_SEEN}
    assert found["contrastive_gap.cua_keeps_recall"] == same.get(verdict, INCONCLUSIVE)


def test_zero_shot_accuracy_has_its_columns_and_its_guess_beside():
    summary, differences = trained()
    table = losses.table(summary, differences, "clip")
    assert table.head[-2:] == ["zero-shot", "zero-shot, change"]
    assert table.rows[1][-2:] == ["0.580 [0.570, 0.590]", "–"]
    assert table.rows[0][-1].replace("−", "-").startswith("-0.060 [-0.070")
    text = losses.zero_shot_sentence(summary, differences, 0.95)
    assert "of 415 pictures" in text and "(a guess: 0.200)" in text
    label = summary["label"][1]
    assert f"rises with 0 and falls with 1 ({label}) of 1 method after Holm's correction" in text
    assert text.endswith("without it, it falls with 0 more and rises with 0 more.")
    uncorrected = losses.zero_shot_sentence(summary, differences.assign(p_holm=0.2), 0.95)
    assert "rises with 0 and falls with 0 of 1 method" in uncorrected
    assert uncorrected.endswith("without it, it falls with 1 more and rises with 0 more.")
    without = summary.assign(zero_shot=np.nan)
    assert losses.zero_shot_sentence(without, differences, 0.95) == ""
    assert "zero-shot" not in losses.table(without, differences, "clip").head


def test_what_may_be_said_of_a_gap():
    _, differences = trained()
    told = of_methods().assign(one_cone=[False, True], same_temperature=[True, False])
    table = losses.gap_table(told, differences)
    assert table.rows == [
        ["<b>clip</b>", NONE, "yes", NONE, "0.050", "no", "no"],
        ["<b>cua</b>", "<b>clip</b>", "no", NONE, "0.050", "yes", "yes"],
    ]
    row = {"method": "cua", "metric": "gap_equal_progress", "difference": -0.5}
    row |= {"difference_low": -0.6, "difference_high": -0.4}
    more = pd.concat([differences, pd.DataFrame([row])])
    assert losses.gap_table(told, more).rows[1][3] == "-0.500 [-0.600, -0.400]"
    assert len(table.rows[0]) == len(table.head)
    # A gap can be more than chance and closed all the same: the caption says by which rule.
    assert is_closed(0.113, 0.057, 0.0078, 0.0114)
    assert "at most twice that by chance" in table.caption


def test_the_family_differs_in_temperature_alone():
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    entries = config["loss_study"]["methods"]
    assert temperature_family(entries, "clip") == [
        *("clip", "clip_tau_05", "clip_learnt", "schedule_s3"),
    ]
    summary, _ = trained()
    text = losses.family_sentence(summary, ["clip", "cua"])
    assert text.startswith(
        "Temperature, fixed or learnt, 0.010 to 0.050: gap 0.800 [0.790, 0.810] to 0.200"
    )
    assert losses.family_sentence(summary, ["clip"]) == ""


def test_numbers_stand_beside_their_marks_and_apart():
    size = 10
    marks = np.array([[0, 0], [100, 0], [104, 2], [108, -2], [300, 40]], dtype=float)
    bar = np.stack([np.full(41, 300.0), np.arange(20, 61)], axis=1)
    places = marks + places_beside(marks, np.concatenate([marks, bar]), size)
    far = np.linalg.norm(places - marks, axis=1)
    assert (far < 3 * size).all() and far[0] == pytest.approx(1.1 * size)
    for a, b in itertools.combinations(places, 2):
        assert np.abs(a - b).max() >= 1.2 * size
    for place in places:
        assert (np.abs(marks - place).max(axis=1) >= 0.7 * size).all()
    assert abs(places[4, 0] - 300) >= 0.7 * size  # beside its bar
    assert places_beside(marks[:0], marks[:0], size).shape == (0, 2)


# --- measures -----------------------------------------------------------------------------------


def test_measures_have_their_chance():
    table = measures.table(measured(), ["one", "two"], {"one": "One", "two": "Two"})
    assert table.head == ["measure", "One, n 60", "Two, n 60"]
    assert table.rows[0] == ["mutual nearest neighbours", "0.400 (0.020)", "0.100 (0.020)"]


def test_a_measure_that_one_set_lacks_is_shown_for_the_other():
    both = measured()
    rows = both[(both["set"] == "one") | (both["measure"] != both["measure"].iloc[0])]
    labels = {"one": "One", "two": "Two"}
    whole, table = (measures.table(of, ["one", "two"], labels) for of in (both, rows))
    assert [row[0] for row in table.rows] == [row[0] for row in whole.rows]
    changed = [row for row in table.rows if row not in whole.rows]
    assert len(changed) == 1 and changed[0][1] != changed[0][2] == NONE


def test_measures_of_the_user_are_the_last_rows():
    rows = [
        {"set": name, "measure": one, "value": value, "low": np.nan, "high": np.nan,
         "chance": np.nan, "n": 60}
        for name in ("one", "two")
        for one, value in (("mine", 0.25), ("other_part", 2.0), ("minerals", 1.0))
    ]  # fmt: skip
    every = pd.concat([measured(), pd.DataFrame(rows)])
    labels = {"one": "One", "two": "Two"}
    table = measures.table(every, ["one", "two"], labels, {"mine": "My & own", "other": "Other"})
    assert table.rows[-2:] == [["My & own", "0.250", "0.250"], ["Other part", "2.00", "2.00"]]
    assert len(table.rows) == len(measures.table(measured(), ["one", "two"], labels).rows) + 2


def ordered_sets(values, recall):
    """measures.csv and gap.csv of trained sets, and an untrained one that would lead any order."""
    names = [f"set{number}" for number in range(len(recall))]
    gaps = pd.DataFrame(
        {"set": [*names, "random"], "weights": [*["trained"] * len(names), "random"],
         "gap": 0.5, "recall1_ab": [*recall, 0.0], "recall1_ba": [*recall, 0.0]}
    ).set_index("set")  # fmt: skip
    rows = [
        {"set": name, "measure": measure, "value": value}
        for measure, of in values.items()
        for name, value in zip(gaps.index, [*of, 9.0], strict=True)
    ]
    return pd.DataFrame(rows), gaps


def test_the_order_of_the_sets_is_that_of_trained_ones_with_p():
    recall = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
    mixed = [0.3, 0.1, 0.4, 0.2, 0.6, 0.5, 0.8, 0.7]
    given, gaps = ordered_sets(
        {"mutual_knn": recall, "kendall_distance": mixed, "two_separate": [1.0] * 8}, recall
    )
    found = measures.agreement(given, gaps).set_index("measure")
    # Of a measure that is 1 everywhere, and of the gap, .5 everywhere, no order is defined.
    assert [*found.index] == ["mutual nearest neighbours", "Kendall distance"]
    assert set(found["sets"]) == {8}
    # All 28 pairs agree, of 8! orders: p is 2 / 8!. Of the other, 28 - 2 * 5 pairs, by hand.
    assert found.loc["mutual nearest neighbours", "tau"] == pytest.approx(1)
    assert found.loc["mutual nearest neighbours", "p"] == pytest.approx(2 / 40320)
    assert found.loc["mutual nearest neighbours", "p_holm"] == pytest.approx(4 / 40320)
    pairs = list(itertools.combinations(mixed, 2))
    tau = sum(np.sign(b - a) for a, b in pairs) / len(pairs)
    assert found.loc["Kendall distance", "tau"] == pytest.approx(tau)
    (text,) = measures.agreement_sentences(found.reset_index(), 0.05)
    both = "mutual nearest neighbours (τ 1.00) and Kendall distance (τ 0.64)"
    assert text.startswith(f"The 8 trained sets are ordered as by recall@1 by {both} (Kendall's")
    reverse = found.assign(p_holm=[0.04, 0.03], tau=[1.0, -0.9]).reset_index()
    (text,) = measures.agreement_sentences(reverse, 0.05)
    assert "neighbours (τ 1.00) and in the reverse order by Kendall distance (τ -0.90)" in text
    found["p_holm"] = [0.04, 0.06]
    (text,) = measures.agreement_sentences(found.assign(p_holm=1.0).reset_index(), 0.05)
    assert text.startswith("No measure is shown to order the 8 trained sets as recall@1 does")
    table = measures.agreement_table(found.reset_index())
    first = ["mutual nearest neighbours", "more", "1.00", "<\u00a0.0001", "0.04", "8"]
    assert table.rows[0] == first and table.rows[1][:2] == ["Kendall distance", "less"]


@pytest.mark.parametrize(("confidence", "level"), [(0.9, "0.1"), (0.99, "0.01")])
def test_an_order_is_shown_at_the_confidence_of_the_run(confidence, level):
    """Kendall's τ of .64 over 8 sets has p .03."""
    recall = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
    mixed = [0.3, 0.1, 0.4, 0.2, 0.6, 0.5, 0.8, 0.7]
    given, gaps = ordered_sets({"mutual_knn": recall, "kendall_distance": mixed}, recall)
    given = given.assign(low=np.nan, high=np.nan, chance=np.nan, n=60)
    lows = {f"{name}_low": gaps[name] for name in ("recall1_ab", "recall1_ba")}
    gaps = gaps.assign(**lows, recall1_chance=0.01)
    sets = {name: {"label": name, "weights": of} for name, of in gaps["weights"].items()}
    text = measures.shown(given, gaps, sets, confidence).sentences[0]
    assert f"p below {level} by Holm's method" in text
    assert ("Kendall distance" in text) == (confidence == 0.9)


def test_fewer_than_eight_sets_have_no_order():
    recall = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]
    found = measures.agreement(*ordered_sets({"mutual_knn": recall}, recall))
    assert found.empty and measures.agreement_table(found) is None
    assert measures.agreement_sentences(found, 0.05) == []


def test_a_model_at_chance_that_a_measure_puts_above_is_named():
    (text,) = measures.misleading(measured(), GAPS, {"one": "One", "two": "Two"})
    assert text.startswith("CKA puts Two (0.310) level with or above One (0.300)")
    assert "0.100 and 0.400" in text
    nearer = measured()
    nearer.loc[(nearer["measure"] == "kendall_distance") & (nearer["set"] == "two"), "value"] = 0.15
    assert measures.misleading(nearer, GAPS, {"one": "One", "two": "Two"})[1].startswith(
        "Kendall distance, where less is better, puts Two (0.150) level with or above One (0.200)"
    )


# --- the ledger of the follow-ups ---------------------------------------------------------------


def test_every_statement_is_measured_in_columns_that_there_are():
    _, known = load_tables(ROOT / "config/tables.yaml", registry.columns())
    columns = {table.path: table.names for table in known}
    for path in tables_of(LEDGER["papers"]):
        assert path in columns, path
    renamed = {"value", "difference", "recall1", "temperature_density"}
    for name, claim in statements(LEDGER).items():
        for piece in claim.get("evidence", []):
            assert piece["column"] in renamed and piece["column"] in columns[piece["table"]], name
            assert {*piece["where"]} <= {*columns[piece["table"]]}, name
    assert len(LEDGER["papers"]) > 12 and len(LEDGER["untestable"]) > 8


def test_no_statement_is_the_papers():
    found = check_follow_ups(LEDGER, {})
    assert set(found["whose"]) == {"follow-up"} and set(found["verdict"]) == {NOT_RUN}
    assert list(found) == COLUMNS
    listed = yaml.safe_load((ROOT / "config/ledger/parts.yaml").read_text(encoding="utf-8"))
    assert "follow_ups" not in listed["parts"]


def judged(difference, low, high, name="clip", recall=0.4):
    row = {"set": name, "method": "centre", "metric": "recall1_xy", "n": 9}
    ends = {"difference": difference, "difference_low": low, "difference_high": high}
    summary, losses_difference = trained(recall)
    found = check_follow_ups(
        LEDGER,
        {
            "after/differences.csv": pd.DataFrame([row | ends]),
            "after/losses_summary.csv": summary,
            "after/losses_difference.csv": losses_difference,
        },
    )
    return found.set_index("id")["verdict"]


@pytest.mark.parametrize(
    ("ends", "name", "verdict"),
    [
        ((0.0, -0.01, 0.01), "clip", SAME),  # other data: nothing is reproduced
        ((0.0, -0.01, 0.01), "stitched", SAME),
        ((0.0, -0.04, 0.01), "clip", INCONCLUSIVE),
        ((0.2, 0.1, 0.3), "stitched", NOT_SEEN),
        ((0.2, 0.1, 0.3), "clip", NOT_SEEN),
    ],
)
def test_a_verdict_needs_the_whole_interval(ends, name, verdict):
    assert judged(*ends, name=name)["i0t.centring_keeps_recall"] == verdict


@pytest.mark.parametrize(("recall", "verdict"), [(0.4, SAME), (0.04, INCONCLUSIVE)])
def test_losses_of_models_at_chance_have_no_verdict(recall, verdict):
    found = judged(0.0, -0.01, 0.01, recall=recall)
    assert found["contrastive_gap.cua_narrows"] == verdict
    assert found["contrastive_gap.cua_keeps_recall"] == verdict


@pytest.mark.parametrize(("p", "verdict"), [(0.049, SAME), (0.051, INCONCLUSIVE)])
def test_a_direction_of_losses_needs_holms_correction(p, verdict):
    """But that recall is unchanged, which no p can show, does not."""
    summary, differences = trained()
    tables = {"after/losses_summary.csv": summary,
              "after/losses_difference.csv": differences.assign(p_holm=p)}  # fmt: skip
    found = check_follow_ups(LEDGER, tables).set_index("id")
    narrows = found.loc["contrastive_gap.cua_narrows"]
    assert narrows["verdict"] == verdict
    assert narrows["why"].startswith("not clear after Holm's") == (verdict == INCONCLUSIVE)
    assert found.loc["contrastive_gap.cua_keeps_recall", "verdict"] == SAME
    lenient = check_follow_ups(LEDGER, tables, 0.9).set_index("id")
    assert lenient.loc["contrastive_gap.cua_narrows", "verdict"] == SAME


def test_a_gain_in_a_mixed_gallery_counts_without_preference_and_with_an_interval():
    row = {"set": "clip", "method": "centre", "metric": "mixed_ndcg10_xy", "n": 30}
    row |= {"difference": 0.3, "difference_low": 0.2, "difference_high": 0.4}
    bare = row | {"difference_low": np.nan, "difference_high": np.nan}
    for change, bias, verdict in (
        (row, 0.53, SAME),
        (row, 0.9, INCONCLUSIVE),
        (bare, 0.53, INCONCLUSIVE),
    ):
        preference = pd.DataFrame([result("centre", "T2a", "kind_auc_xy", bias, name="clip")])
        control = row | {"method": "other_first", "difference": 0.78}
        changed = pd.DataFrame([change, control])
        tables = {"after/methods.csv": preference, "after/differences.csv": changed}
        found = check_follow_ups(LEDGER, tables).set_index("id")
        found = found.loc["gr_clip.centring_helps_a_mixed_gallery"]
        assert found["verdict"] == verdict and found["n"] == 30
        beside = f"(control, other modality first: 0.78, kind AUC with centring: {bias})"
        assert found["evidence"].endswith(f"change of NDCG@10 {beside}")
    assert found["why"].startswith("the value has no interval")


def test_a_test_that_cannot_fail_has_a_note_and_no_badge():
    rows = [
        {"set": "clip", "measure": measure, "value": value, "low": value - 0.01, "n": 500,
         "high": value + 0.01}
        for measure, value in (
            ("group_cosine", 0.99), ("orthogonality_x", 0.0), ("variance_along_x", 2.5)
        )
    ]  # fmt: skip
    found = check_follow_ups(LEDGER, {"after/measures.csv": pd.DataFrame(rows)})
    (section,) = (
        one for one in follow_ups.sections(LEDGER, found.astype(str)) if one.paper == "C3"
    )
    rows = [row for one in section.statements for row in one.rows]
    assert [row["badge"] and row["badge"].word for row in rows] == [None, None, "not seen here"]
    assert "random" in rows[0]["why"] and rows[0]["verdict"] == INCONCLUSIVE
    assert [(badge.word, n) for badge, n in section.tally.items()] == [("not seen here", 1)]


def test_a_value_of_another_method_or_unknown_origin_is_not_given_as_the_papers():
    """QB-Norm's value stands beside the inverted softmax of all queries; what no one read in the
    paper, its abstract or its code is from notes."""
    entries = {one["id"]: one for section in LEDGER["papers"] for one in section["statements"]}
    inverted = entries["qb_norm.recall"]
    assert "QB-Norm" in inverted["published"] and "some queries only" in inverted["not_tested"]
    marks = {name: entries[name]["mark"] for name in ("siglip.bias", "gram.triples", "symile.xor")}
    assert marks == {"siglip.bias": "[N]", "gram.triples": "[N]", "symile.xor": "[C]"}
    # What one piece of evidence shows is said of it: clearer groups are part of the statement.
    assert (
        "makes groups over both modalities clearer"
        in (entries["modgap.groups_not_retrieval"]["statement"])
    )


def test_a_statement_has_its_words_its_value_and_its_rows():
    entry = {"id": "a", "statement": "It is so.", "published": 0.5, "mark": "[N]"}
    other = entry | {"id": "b", "mark": "[P]", "not_tested": "The rest."}
    ledger = {"papers": [{"paper": "P", "source": "arXiv", "statements": [entry, other]}]}
    rows = [claim_row("b", SAME, test="above", why="w"), claim_row("c", SAME, why="w")]
    (section,) = follow_ups.sections(ledger, pd.DataFrame(rows))
    assert (section.paper, section.source) == ("P", "arXiv")
    first, second = section.statements
    assert first == ("a", "It is so.", "0.5, as reported in notes", [], "")
    assert (second.published, second.not_tested) == ("0.5", "The rest.")
    (row,) = second.rows
    assert (row["id"], row["measured"], row["badge"].word) == ("b", "0.5", "same direction")
    assert [(badge.css, n) for badge, n in section.tally.items()] == [("same", 1)]
    # Badges are in the order of the page, not of their numbers.
    verdicts = [NOT_SEEN, SAME, INCONCLUSIVE, SAME]
    rows = [claim_row("b", verdict, test="above", why="w") for verdict in verdicts]
    (section,) = follow_ups.sections(ledger, pd.DataFrame(rows))
    tally = [(badge.css, n) for badge, n in section.tally.items()]
    assert tally == [("not-seen", 1), ("same", 2), ("inconclusive", 1)]


def test_a_badge_speaks_of_the_direction():
    row = {"verdict": SAME, "why": "", "test": "above"}
    assert follow_ups.badge_of(row).word == "same direction"
    assert follow_ups.badge_of(row | {"test": "equals"}).word == "unchanged here too"
    for test in ("above", "equals"):
        unseen = follow_ups.badge_of(row | {"verdict": NOT_SEEN, "test": test})
        assert unseen == ("not seen here", "not-seen")
    assert {*follow_ups.BADGES} == {SAME, NOT_SEEN, INCONCLUSIVE, NOT_RUN}


def test_what_is_second_hand_says_so():
    assert published_words(".5", "[N]") == ".5, as reported in notes"
    assert published_words(".5", "[P]") == ".5"
    for section in LEDGER["papers"]:
        for entry in section["statements"]:
            assert re.fullmatch(r"\[[PACN]\]", entry["mark"]), entry["id"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda entry: entry.pop("mark"), "mark is missing"),
        (lambda entry: entry.update(colour="red"), "unknown key colour"),
    ],
)
def test_a_faulty_statement_is_refused(tmp_path, change, words):
    ledger = copy.deepcopy(yaml.safe_load(LEDGER_FILE.read_text(encoding="utf-8")))
    change(ledger["papers"][0]["statements"][0])
    path = tmp_path / "follow_ups.yaml"
    path.write_text(yaml.safe_dump(ledger), encoding="utf-8")
    with pytest.raises(InputError, match=words):
        load_follow_ups(path)


# --- the page -----------------------------------------------------------------------------------


def test_the_page_has_its_parts_in_order_and_escapes_what_is_data():
    html = render("one", "two")
    ids = re.findall(r'<section id="([\w-]+)"', html)
    assert ids == [
        *("closing", "mixed", "same-gap", "matrix", "sizes", "losses", "measures", "follow-ups"),
        "not-claimed",
    ]
    assert "&lt;b&gt;A model&lt;/b&gt;: recall@1." in html
    assert "<i>one</i>" not in html and "&lt;i&gt;one&lt;/i&gt;" in html
    assert "<b>cua</b>" not in html
    levels = [int(level) for level in re.findall(r"<h([1-6])", html)]
    assert levels[0] == 1 and all(b - a <= 1 for a, b in itertools.pairwise(levels))
    every = re.findall(r' id="([^"]+)"', html)
    assert len(every) == len(set(every))
    assert not re.search(r"\b(nan|None)\b", html)
    for text in LEDGER["not_claimed"]:
        assert str(escape(text)) in html


def test_the_page_says_what_the_shift_is_fitted_on_and_calls_no_older_paper_later():
    html = " ".join(render("one", "two").split())
    assert "Only here is it fitted on the scored pairs" in html
    older = [
        section["paper"]
        for section in LEDGER["papers"]
        for number in re.findall(r"\d{4}\.\d{5}", section["source"])
        if number < "2203.02053"
    ]
    assert older and "what other papers measure" in html and "later papers" not in html
    assert "where losses are not clear after Holm" in html
    # Measured here: Sinkhorn may be below a method that uses nothing of the scored items.
    assert "upper reference" not in html and "whatever the method" not in html


def test_a_paper_is_folded_under_its_verdicts():
    summary, differences = trained()
    found = check_follow_ups(
        LEDGER, {"after/losses_summary.csv": summary, "after/losses_difference.csv": differences}
    )
    sections = {one.paper: one for one in follow_ups.sections(LEDGER, found.astype(str))}
    tallies = {
        name: {badge.word: n for badge, n in one.tally.items()} for name, one in sections.items()
    }
    assert tallies["It's Not a Modality Gap"] == {"same direction": 1, "unchanged here too": 1,
                                                  "not run": 3, "not seen here": 1}  # fmt: skip
    assert tallies["GR-CLIP"] == {"not run": 2}
    html = render("one")
    assert html.count('<details class="fold">') == len(LEDGER["papers"])


def test_a_page_with_no_set_to_compare_says_so():
    html = render()
    assert "no method is compared in this run" in html
    assert "No method was compared in this run." in html
    assert html.count("<figure>") == 1  # of the losses
