"""Summary, evidence and methods: verdicts by id, values in their places, safe scripts."""

import json
import re

import pandas as pd
import pytest
import yaml
from invented import claim, claims, data, gap_row, spectrum_table
from test_page import LEDGER, render_methods
from test_run_page import JOBS, RECORD

from modality_gap.errors import InputError
from modality_gap.pages import cite, evidence, paper, render, run, summary
from modality_gap.pages.findings import answers as answers_module
from modality_gap.pages.findings.answers import answers

CLAUSES = [
    {"claim": "a", "holds": "it holds", "fails": "it fails", "about": "it holds"},
    {"claim": "b", "holds": "so does b", "fails": "b does not", "about": "b does"},
]


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("reproduced", "It holds"),
        ("consistent", "It holds"),
        ("same on a stand-in", "On a stand-in, it holds"),
        ("not seen on a stand-in", "On a stand-in, it fails"),
        ("inconclusive", "Whether it holds stays undecided"),
        ("differs", "It fails"),
        ("not run", "Whether it holds was not tested"),
    ],
)
def test_the_headline_follows_the_verdicts(verdict, words):
    evidence = "" if verdict == "not run" else "paper's own: toy"
    rows = claims(claim("a", verdict, evidence=evidence), claim("b", "differs"))
    assert summary.headline(CLAUSES, rows) == f"{words}; b does not."


def test_one_word_names_the_stand_ins_where_all_is_from_them():
    rows = claims(
        claim("a", "same on a stand-in", evidence="stand-in: emoji"),
        claim("b", "not seen on a stand-in", evidence="stand-in: emoji"),
        claim("c", "inconclusive", evidence="stand-in: emoji"),
    )
    third = {"claim": "c", "holds": "c holds", "fails": "c fails", "about": "c holds"}
    assert summary.headline([*CLAUSES, third], rows) == (
        "On stand-ins: it holds; b does not; whether c holds stays undecided."
    )
    assert summary.headline(CLAUSES[:1], rows) == "On a stand-in, it holds."
    undecided = rows.assign(verdict=["same on a stand-in", "inconclusive", "inconclusive"])
    assert summary.headline([*CLAUSES, third], undecided) == (
        "On stand-ins: it holds; whether b does and whether c holds stay undecided."
    )


def test_the_strongest_evidence_speaks_in_the_headline():
    rows = claims(
        claim("a", "not seen on a stand-in", evidence="stand-in: emoji"),
        claim("a", "reproduced", evidence="paper's own: CLIP"),
        claim("b", "inconclusive"),
    )
    assert summary.headline(CLAUSES, rows) == "It holds; whether b does stays undecided."
    tried = rows.assign(evidence=[*rows["evidence"][:2], "stand-in: y"])
    assert summary.headline(CLAUSES, tried).endswith(
        "b does stays undecided (only stand-ins tested)."
    )


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ("not seen on a stand-in", "CLIP has it"),
        ("inconclusive", "CLIP has it"),
        ("same on a stand-in", "It holds"),
        ("not run", "It holds"),
    ],
)
def test_what_does_not_hold_of_every_model_is_said_of_the_papers(other, words):
    rows = claims(
        claim("a", "reproduced", evidence="paper's own: CLIP"),
        claim("a", other, evidence="" if other == "not run" else "stand-in: emoji"),
        claim("b", "differs"),
    )
    clauses = [CLAUSES[0] | {"mixed": "CLIP has it"}, CLAUSES[1]]
    assert summary.headline(clauses, rows) == f"{words}; b does not."
    if other != "not run":
        printed = rows.assign(
            verdict=["consistent", *rows["verdict"][1:]],
            evidence=["printed numbers: CLIP", *rows["evidence"][1:]],
        )
        assert summary.headline(clauses, printed) == f"{words}; b does not."
    # On a stand-in alone nothing is said of the paper's model.
    rows = rows.assign(verdict="same on a stand-in", evidence="stand-in: emoji")
    assert summary.headline(clauses, rows) == "On stand-ins: it holds; so does b."
    clauses[0]["stand_in"] = "a model has it"
    assert summary.headline(clauses, rows) == "On stand-ins: a model has it; so does b."
    unseen = rows.assign(verdict="not seen on a stand-in")
    assert summary.headline(clauses, unseen) == "On stand-ins: it fails; b does not."


def test_what_holds_of_one_of_two_models_is_said_so():
    rows = claims(
        claim("a", "reproduced", evidence="neighbouring model: B/16; place"),
        claim("a", "reproduced", evidence="neighbouring model: B/16; depth"),
        claim("a", "inconclusive", evidence="neighbouring model: B/32; place"),
        claim("a", "reproduced", evidence="neighbouring model: B/32; depth"),
        claim("a", "not seen on a stand-in", evidence="stand-in: emoji; place"),
        claim("b", "differs"),
    )
    clauses = [CLAUSES[0] | {"partly": "one has it"}, CLAUSES[1]]
    for order in (rows, rows[::-1]):
        assert summary.headline(clauses, order) == "One has it; b does not."
    # Of one model the pieces of evidence are no several models.
    alone = rows[~rows["evidence"].str.contains("B/16")]
    assert summary.headline(clauses, alone) == "Whether it holds stays undecided; b does not."
    # A model with evidence for the claim and evidence that decides nothing is none that has it.
    neither = rows.assign(verdict=["reproduced", "inconclusive"] * 2 + [*rows["verdict"][4:]])
    assert summary.headline(clauses, neither) == "Whether it holds stays undecided; b does not."


def test_an_unknown_claim_of_the_report_is_named():
    with pytest.raises(InputError, match=r"no claim is called a\.\*; correct the id"):
        summary.matching(["a.*"], ["b.c"])
    assert summary.matching(["b.*", "a"], ["a", "b.c", "b.d", "c"]) == ["a", "b.c", "b.d"]


def test_a_statement_has_each_evidence_with_its_values():
    rows = claims(
        claim("a.x", "reproduced", evidence="paper's own: CLIP", measured="1.27528", low="0.4",
              high="0.6", published="0.52", statement="It is so."),
        claim("a.y", "same on a stand-in", evidence="stand-in: emoji; ratio", measured="2"),
        claim("a.z", "same on a stand-in", evidence="stand-in: digits; ratio", measured="10"),
        claim("a.z", "differs", evidence="simulation: one; x", measured="1"),
        claim("a.z", "differs", evidence="simulation: two; y", measured="2"),
    )  # fmt: skip
    entry = {"question": "q", "figure": "f", "claims": ["a.*"]}
    (made,) = summary.statements([entry], rows)
    assert (made.says, made.claim, made.published) == ("It is so.", "a.x", "0.52")
    # Of several quantities, each verdict has the names of its models.
    assert [(one.mark.verdict, one.quantity, one.value) for one in made.measured] == [
        ("reproduced", "", "CLIP"),
        ("same on a stand-in", "", "emoji and digits"),
        ("differs", "", "one and two"),
    ]
    (against,) = summary.statements([entry], rows[3:])
    # each quantity, with the model where there are several
    assert [(one.mark.verdict, one.quantity, one.value) for one in against.measured] == [
        ("differs", "x", "1 [0.4,\u00a00.6] (one); y: 2 [0.4,\u00a00.6] (two)"),
    ]
    # No names where both quantities are of one model, nor where they agree with the claim.
    same = rows[3:].assign(evidence=["simulation: one; x", "simulation: one; y"])
    (one_model,) = summary.statements([entry], same)
    assert [one.value for one in one_model.measured] == ["1 [0.4,\u00a00.6]; y: 2 [0.4,\u00a00.6]"]
    agree = rows[3:].assign(verdict="reproduced")
    (both,) = summary.statements([entry], agree)
    assert [(one.quantity, one.value) for one in both.measured] == [("x", "1 [0.4,\u00a00.6]")]
    # What has no number is not told of, nor is its quantity.
    for measured, value in (
        (["", ""], ("", "")),
        (["1", ""], ("x", "1 [0.4,\u00a00.6]")),
    ):
        unmeasured = same.assign(measured=measured, low=["0.4", ""], high=["0.6", ""])
        if not measured[0]:
            unmeasured = unmeasured.assign(low="", high="")
        (told,) = summary.statements([entry], unmeasured)
        assert [(one.quantity, one.value) for one in told.measured] == [value]
    several = rows[:3].assign(published=["0.52", "", "0.7"])
    assert summary.statements([entry], several)[0].published == "0.52 to 0.7"
    (ratio,) = summary.statements([entry], rows[:3])
    assert [(one.mark.verdict, one.quantity, one.value) for one in ratio.measured] == [
        ("reproduced", "", "1.28 [0.4,\u00a00.6]"),  # rounded once: 1.275 would be 1.27
        ("same on a stand-in", "ratio", "2 to 10"),
    ]
    (other,) = summary.statements([entry | {"says": "All are so."}], rows)
    assert other.says == "All are so."


def test_what_differs_or_was_not_seen_is_never_left_out_below_a_key_figure():
    rows = claims(
        claim("a", "same on a stand-in", figure="f", evidence="stand-in: emoji"),
        claim("b", "not seen on a stand-in", figure="f", evidence="stand-in: emoji"),
        claim("c", "inconclusive", figure="f"),
        claim("d", "differs", figure="g"),
        claim("e", "differs", figure="f", whose="ours"),
    )
    found = summary.key_marks("f", ["a"], paper.by_claim(rows))
    assert [(mark.verdict, mark.claim) for mark in found] == [
        ("same on a stand-in", "a"),
        ("not seen on a stand-in", "b"),
    ]


def test_a_quantity_is_named_again_only_where_another_stood_before_it():
    verdicts = ("differs", "inconclusive", "reproduced", "consistent", "not run")
    quantities = ("x", "x", "y", "x", "x at 1/20")
    rows = claims(
        *(
            claim("a", verdict, evidence=f"simulation: one; {what}", measured="1")
            for verdict, what in zip(verdicts, quantities, strict=True)
        )
    )
    marks = summary.marks(["a"], summary.by_claim(rows, figures=3))
    named = [summary.Measured(m, what, "1") for m, what in zip(marks, quantities, strict=True)]
    found = summary._named_once(named)
    assert [one.quantity for one in found] == ["x", "", "y", "x", "at 1/20"]
    assert [(one.mark, one.value) for one in found] == [(one.mark, "1") for one in named]


def test_each_model_has_its_gap_in_its_place_and_the_papers_come_first():
    gap = pd.DataFrame(
        [
            gap_row("own", model="M", gap=0.75),
            gap_row("weak", model="W", gap=0.4, recall=0.01),
            gap_row("clip", model="CLIP", gap=1.6),
            gap_row("clip_random", "random", gap=1.0, model="CLIP"),
        ]
    )
    rows, end = summary.gaps(gap, ["clip", "clip_random"])
    assert end == 2.0  # the next half above the widest
    assert [(row.model, row.own, row.learnt) for row in rows] == [
        ("CLIP", True, True),
        ("M", False, True),
        ("W", False, False),
    ]
    assert rows[0].texts == {"trained": "1.60", "random": "1.00"}
    assert rows[0].places == pytest.approx({"trained": 80, "random": 50})
    # The paper's own stand first, near chance too.
    rows, _ = summary.gaps(gap, ["weak", "clip", "clip_random"])
    assert [row.model for row in rows] == ["CLIP", "W", "M"]
    # Half of a model's sets do not make it the paper's; untrained weights have learnt nothing.
    rows, end = summary.gaps(gap.assign(gap=2.2, recall1_chance=0.001)[2:], ["clip"])
    assert end == 2.5 and not rows[0].own
    weak = gap.assign(recall1_chance=[0.01, 0.01, 0.3, 0.01])
    assert [row.model for row in summary.gaps(weak, [])[0] if row.learnt] == ["M"]


@pytest.mark.parametrize(
    ("quantities", "several"),
    [
        (["x", "y"], True),
        (["x", "x", ""], False),
        (["", "x"], False),
        ([""], False),
        ([], False),
        # The same quantity elsewhere is no other one.
        (["x", "x at 1/20", "x at 1/50"], False),
        (["x at 1/20", "y at 1/20"], True),
    ],
)
def test_several_quantities_are_of_different_names(quantities, several):
    rows = [{"quantity": one} for one in quantities]
    assert summary._several_quantities(rows) == several
    assert summary._several_quantities(rows[::-1]) == several


@pytest.mark.parametrize(
    ("texts", "span"),
    [
        (["12,345", "9,876", "-3"], "-3 to 12,345"),
        (["1,234", "900"], "900 to 1,234"),
        ([".2", "1e-3", "", ".2"], "1e-3 to .2"),
        (["5", "5", ""], "5"),
        (["low", "5"], ""),
        ([""], ""),
    ],
)
def test_several_numbers_are_a_span_in_their_order(texts, span):
    assert summary._span(texts) == span


def test_the_papers_models_come_from_features_that_are_named_with_their_pairs():
    gap = pd.DataFrame(
        [
            gap_row("a", model="CLIP", n=500),
            gap_row("b", model="CLASP", n=99),
            gap_row("b_random", "random", model="CLASP", n=3000),
            gap_row("c", model="M", n=7),
        ]
    )
    own = ["a", "b", "b_random"]
    of_all = "its authors' features of 99 to 500 pairs"
    assert summary.origin_of_own(gap, own, own) == of_all
    assert summary.origin_of_own(gap, [*own, "c"], own) == f"{of_all} or run here"
    assert summary.origin_of_own(gap, ["a"], ["a"]).endswith(" features of 500 pairs")
    assert summary.origin_of_own(gap, own, ["c"]) == "run here"


def test_parts_count_the_papers_own_claims_once():
    rows = claims(
        claim("a", "reproduced", part="Figure 1"),
        claim("a", "same on a stand-in", part="Figure 1", evidence="stand-in: x"),
        claim("b", "not run", part="Figure 1", evidence=""),
        claim("c", "differs", part="Figure 1", whose="ours"),
        claim("d", "differs", part="Table 1", whose="notebook"),
    )
    first, second = summary.parts(rows)
    assert (first.name, first.total, first.run) == ("Figure 1", 2, 1)
    assert first.shares == {"reproduced": 50.0, "not run": 50.0}
    assert (second.total, second.shares) == (1, {"differs": 50.0})
    assert sum(summary.own_counts(rows).values()) == 3
    assert [part.name for part in summary.parts(rows[::-1])] == ["Table 1", "Figure 1"]
    # What stays undecided was run.
    undecided = rows.assign(verdict=["inconclusive", *rows["verdict"][1:]])
    assert summary.parts(undecided)[0].run == 1


def test_answers_come_from_the_tables():
    told = answers(data())
    assert {*told} == {"there", "origin", "moves", "matters"}
    assert "its own gap is 0.80 (n 100 in batches of 50)." in told["moves"][0].text
    assert told["origin"][2].text == (
        "Training takes the gap of toy from 1.20 to 0.80 [0.75, 0.85] (the authors' widens) "
        "and from 0.10, where a rotation closes it, to 0.60 [0.55, 0.65]."
    )
    starts = data()["initialisation_summary"].assign(model="stitched towers")
    named = answers(data() | {"initialisation_summary": starts})["origin"]
    assert " the gap of small towers on frozen encoders from 1.20" in named[2].text
    alone = starts[starts["start"] == "original"]
    assert answers(data() | {"initialisation_summary": alone})["origin"][2].text.endswith(
        "from 1.20 to 0.80 [0.75, 0.85] (the authors' widens)."
    )
    text = " ".join(one.text for findings in told.values() for one in findings)
    assert "nan" not in text and "None" not in text


def test_a_verdict_stands_beside_the_sentence_that_it_judges():
    found = answers(data())
    bears_on = [[*one.claims] for findings in found.values() for one in findings]
    toys = {"figure2c.own_cone.toy"}  # the encoder of the invented spectrum
    assert {name for names in bears_on for name in names} - toys <= {*LEDGER["claims"]}
    assert bears_on[1:5] == [
        ["figure2b.non_linear_layers_narrow"],
        [*toys],
        ["training.gap_comes_back", "training.original_gap_widens"],
        ["training.same_modality.image", "training.same_modality.text"],
    ]
    rows = claims(
        claim("figure2b.non_linear_layers_narrow", "reproduced"),
        claim("figure2c.own_cone.toy", "not seen on a stand-in", evidence="stand-in: x"),
        claim("figure2c.own_cone.toy", "same on a stand-in", evidence="stand-in: y"),
    )
    (origin,) = summary.questions({"origin": "Where from?"}, rows, found)
    assert origin.asks == "Where from?"
    assert [[mark.verdict for mark in marks] for _, marks in origin.answer] == [
        ["reproduced"],
        ["not seen on a stand-in", "same on a stand-in"],
        *([], []),  # their claims are not in this ledger
    ]
    assert [text for text, _ in origin.answer] == [one.text for one in found["origin"]]


def test_a_sentence_about_printed_numbers_has_no_verdict_on_other_evidence():
    rows = claims(
        claim("table2.all_groups_improve", "inconclusive", evidence="stand-in: emoji"),
        claim("table2.all_groups_improve", "consistent", evidence="printed numbers: counts"),
    )
    (matters,) = summary.questions({"matters": "Does it?"}, rows, answers(data()))
    text, marks = matters.answer[-1]
    assert text.startswith("With the gap widened, the authors' counts")
    assert [mark.verdict for mark in marks] == ["consistent"]


def test_the_answer_on_random_starts_counts_the_encoders_with_separate_cones():
    two = pd.concat([spectrum_table(), spectrum_table((9.0, 1.0, 0.9, 0.8)).assign(encoder="b")])
    assert answers(data() | {"initialisation_spectrum": two})["origin"][1].text == (
        "3 random starts give 3 separate cones in 1 of 2 encoders: singular value 2 is 1.11 to "
        "8.00 times the next."
    )


def test_what_differs_is_named_by_its_place():
    rows = claims(
        claim(
            "a", "differs", evidence="paper's own: x", where="Table 2, East Asian", published="0.7"
        ),
        claim("b c", "differs", evidence="paper's own: x", where="Section 2.1", measured="0.25"),
        claim("d", "not seen on a stand-in", evidence="stand-in: x", where="Section 3"),
        claim("e", "differs", whose="ours", evidence="simulation: x", where="Section 4"),
    )
    found = paper.differing(paper.balance(rows, []))
    assert found == [("a", "Table 2", "0.5", "0.7"), ("b_c", "Section 2.1", "0.25", "")]


def test_the_answer_on_a_shift_counts_the_tests_that_have_a_best_one():
    def told(table):
        return answers(data() | {"table1": table})["matters"][1].text

    moved = data()["table1"]
    assert told(moved).endswith("on the other half in the one test above chance (toy).")
    assert told(pd.concat([moved] * 2)).endswith("in all 2 tests above chance (toy).")
    # Where no shift is the best one, on either half, nothing changes on the other half.
    still = moved.assign(held_out_delta_1=0.0, held_out_delta_2=0.0)
    assert told(pd.concat([moved, still])).endswith(
        "in the one test above chance (toy); toy: no shift is best."
    )
    assert "best shift" not in told(still)


def test_all_quantities_against_a_statement_are_in_its_row():
    rows = claims(
        claim("a", "not seen on a stand-in", evidence="simulation: digits; place", measured="1"),
        claim("a", "not seen on a stand-in", evidence="stand-in: emoji; place", measured="3"),
        claim("a", "not seen on a stand-in", evidence="stand-in: emoji; depth", measured="4"),
        claim("a", "not seen on a stand-in", evidence="stand-in: faces; depth", measured="5"),
    )
    entry = {"question": "q", "figure": "f", "claims": ["a"]}
    (made,) = summary.statements([entry], rows)
    shown = {one.mark.on.partition(":")[0]: one.value for one in made.measured}
    # Of one verdict, each kind of evidence has its own values.
    assert shown["simulation"].partition(" [")[0] == "1"
    assert shown["stand-in"].endswith(" (emoji); depth: 4 to 5 (emoji and faces)")
    assert "digits" not in shown["stand-in"]
    # What agrees has its first quantity alone, without names.
    agrees = rows[1:].assign(verdict="same on a stand-in")
    (made,) = summary.statements([entry], agrees)
    assert [(one.quantity, one.value.partition(" [")[0]) for one in made.measured] == [
        ("place", "3"),
    ]


def test_without_a_claim_of_the_paper_there_is_no_part():
    assert summary.parts(claims(claim("a", "reproduced", whose="ours"))) == []


def test_the_answer_on_recall_has_centring_beside_the_shift():
    plain = {"method": "none"}
    centred = {
        "method": "centre",
        "gap": 0.091,
        "n_scored": 250,
        "change": {"ab": [-0.004, -0.052, 0.045], "ba": [1, 1, 1]},
    }
    models = [
        {"set": "other", "remedies": [plain, centred | {"gap": 5}]},
        {"set": "toy", "remedies": [plain, centred]},
    ]
    assert answers(data(), models)["matters"][1].text == (
        "On held-out pairs (n 250), subtracting each side's mean leaves a gap of 0.09, with toy's "
        "recall (to texts) undecided (-0.4 [-5.2, 4.5] points)."
    )
    change = {"ab": [-0.188, -0.255, -0.12], "ba": [1, 1, 1]}
    out = centred | {"method": "project_out", "gap": 0.066, "change": change}
    models[1]["remedies"] += [centred | {"method": "dn"}, out]
    assert answers(data(), models)["matters"][1].text.endswith(
        "points); projecting the gap out leaves 0.07, with recall lower (-18.8 [-25.5, -12.0])."
    )
    out["change"] = {"ab": [0.188, 0.12, 0.255], "ba": [-1, -1, -1]}
    assert answers(data(), models)["matters"][1].text.endswith(
        "leaves 0.07, with recall higher (18.8 [12.0, 25.5])."
    )
    assert answers(data(), models[:1]) == answers(data())


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (-2, -1, "lower"),
        (1, 2, "higher"),
        (-1, 2, "undecided"),
        # An interval that ends at 0 contains it.
        (-1, 0, "undecided"),
        (0, 1, "undecided"),
    ],
)
def test_a_change_has_a_sign_if_its_interval_has_one(low, high, word):
    assert answers_module._compared(low, high) == word


def test_the_answer_on_fine_tuning_has_the_accuracies_from_gap_to_gap():
    def told(tuned):
        return answers(data() | {"temperature_summary": tuned})["matters"][-2].text

    tuned = data()["temperature_summary"]
    assert told(tuned) == (
        "Fine-tuning toy (means of 3 orders of batches, same pictures) takes the gap from 0.52 to "
        "between 0.10 (temperature 1) and 0.48 (temperature 1/100)."
    )
    scored = tuned.assign(zero_shot_before=0.6)
    middle = scored.assign(temperature=0.05, zero_shot_after=0.5, gap_after=0.2).iloc[:1]
    first, last = (
        "65.0 % [64.0, 66.0] at gap 0.10 (temperature 1)",
        "56.0 % [55.0, 57.0] at gap 0.48 (temperature 1/100); before, 60.0 % at 0.52.",
    )
    start = "Fine-tuned (means of 3 orders of batches, same pictures), toy has an accuracy of"
    assert told(scored) == f"{start} {first} and {last}"
    one = pd.concat([scored, middle], ignore_index=True)
    assert told(one) == f"{start} {first}, 50.0 % between and {last}"
    more = pd.concat([one, middle.assign(zero_shot_after=0.7, gap_after=0.3)], ignore_index=True)
    assert told(more) == f"{start} {first}, 50.0 % to 70.0 % between and {last}"


def test_the_answer_on_offensive_labels_says_how_many_falls_are_clear():
    def told(**columns):
        groups = pd.DataFrame({"group": [*"abc", "all"], "p_fisher": 0.0097, **columns})
        return answers(data() | {"published_table2": groups})["matters"][-1].text

    clear = {"p_fisher_holm": [0.5, 0.5, 0.5, 0.001], "p_mcnemar_least_holm": [0.01, 0.5, 0.02, 0]}
    assert told(change=[-0.1, -0.1, -0.1, -1], **clear).endswith(
        "fall in all 3 groups: clearly in none alone by Fisher's test (all together: p 0.0097), "
        "in at most 2 by a paired one."
    )
    unclear = told(change=[-0.1, -0.1, -0.1, -1], p_fisher=0.06, **clear)
    assert unclear.endswith("by Fisher's test, in at most 2 by a paired one.")
    # A count that grows is no fall, however clear.
    assert told(change=[0.1, -0.1, -0.1, 1], **clear).endswith(
        "fall in 2 of 3 groups: clearly in none alone by Fisher's test, in at most 1 by a paired "
        "one."
    )


# The evidence


def judged(test, bound, value, low="", high="", within=""):
    row = {"measured": value, "low": low, "high": high, "test": test, "bound": bound}
    return evidence.drawn(row | {"tolerance": within})


def test_a_value_lies_where_its_tolerance_has_it():
    inside = judged("equals", "0.5", "0.52", "0.48", "0.56", "0.1")
    # From .4 to .6, with a tenth on either side: 0.38 to 0.62.
    assert inside.accepted == pytest.approx((8.33, 91.67))
    assert (inside.bound, inside.value) == pytest.approx((50, 58.33))
    assert inside.interval == pytest.approx((41.67, 75))
    above = judged("above", "0", "1")
    assert above.accepted == pytest.approx((8.33, 100)) and above.value == pytest.approx(91.67)
    below = judged("below", "0", "1")
    assert below.accepted == pytest.approx((0, 8.33)) and below.interval == (91.67, 91.67)


@pytest.mark.parametrize(("value", "bound"), [("", "1"), ("nan", "1"), ("1", ""), ("inf", "0")])
def test_what_has_no_number_is_not_drawn(value, bound):
    assert judged("above", bound, value) is None


def test_checks_against_the_paper_come_first_and_each_has_an_id():
    about = {"test": "above", "bound": "0", "tolerance": ""}
    rows = claims(
        claim("b c", "reproduced", **about),
        claim("b c", "differs", **about),
        claim("d", "not run", measured="", **about),
        claim("e", "not seen on a stand-in", **about),
    )
    found = evidence.rows(rows)
    assert [(row.id, row.claim["verdict"]) for row in found] == [
        ("b_c~2", "differs"),
        ("e", "not seen on a stand-in"),
        ("b_c", "reproduced"),
        ("d", "not run"),
    ]
    assert found[-1].drawn is None


# Scripts, citation, and the run


def test_a_page_allows_its_own_scripts_and_no_other():
    templates = {
        "base": "{{ policy }}|{% for one in scripts %}<script>{{ one }}</script>{% endfor %}"
    }
    html = render.render_page(templates, "base", ["alert('<1>' && 2)"])
    # printf %s "alert('<1>' && 2)" | openssl dgst -sha256 -binary | base64
    assert html == (
        "'sha256-kK/qHT+H2XOROjvQg6XuRmQSXTpp8041p6IgnIlmcO8='|<script>alert('<1>' && 2)</script>"
    )
    policy = render.render_page(templates, "base", ["a", "b"]).partition("|")[0]
    assert re.fullmatch(r"'sha256-[^' ]+=' 'sha256-[^' ]+='", policy)
    for text in ("x = '</script>'", "x = '</SCRIPT>'", "x = '<!--'"):
        with pytest.raises(InputError, match="Remove that text"):
            render.render_page(templates, "base", [text])


def test_a_page_has_minus_signs_where_it_is_read_and_none_where_it_is_copied():
    page = """<a href="#-1" style="left: -2px" aria-label="at -3" title=">-4"><b>-5</b> [-6,
        {{ value }}]</a><pre>-8</pre><code class="x">-9</code><script>x = -10 < -11;</script>
        <img src="{{ drawn }}">
        <codex>-14</codex>"""
    drawn = render.picture("a", "of a", b"<svg><text>-12</text></svg>").wide
    html = render.render_page({"page": page}, "page", value="-7 < <i>", drawn=drawn)
    assert re.findall(r"−\d+", html) == ["−3", "−5", "−6", "−7", "−14"]
    assert len(re.findall(r"-\d+", html)) == 8
    assert render.with_minus_signs("-1 <b>-2</b> -3") == "−1 <b>−2</b> −3"
    assert render.with_minus_signs("<PRE>-1</PRE> -2") == "<PRE>-1</PRE> −2"


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        ({}, "Every configured set took part in this run."),
        (
            {"figure2c": {"title": "T", "reason": "", "needs": "", "command": "", "config": ""}},
            "Every configured set took part in this run; these figures were not drawn.",
        ),
    ],
)
def test_figures_that_were_not_drawn_are_told_from_sets_that_took_part(root, left_out, said):
    page = (root / "report/templates/methods.html.j2").read_text(encoding="utf-8")
    (section,) = re.findall(r'<section id="not-run".*?</section>', page, re.DOTALL)
    none = {"absent": {}, "missing": {}, "stand_ins": []}
    assert f"<p>{said}</p>" in render.render_page({"p": section}, "p", left_out=left_out, **none)


def test_how_to_cite(root):
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    found = cite.cited(citation)
    assert found["url"] == "https://arxiv.org/abs/2203.02053"
    assert "@inproceedings{liang2022,\n  title = {Mind the Gap" in found["bibtex"]
    assert "Liang, Weixin and Zhang, Yuhui and" in found["bibtex"]
    assert "author = {{The authors of Mind the Gap, reproduced}}," in found["bibtex"]
    # Names in its place are all cited.
    named = [{"family-names": "Doe", "given-names": "Jo"}, {"name": "A Group"}]
    people = cite.cited(citation | {"authors": named})["bibtex"]
    assert "  author = {Doe, Jo and {A Group}}," in people
    assert found["bibtex"].count("{") == found["bibtex"].count("}")
    address = "https://x.example"
    assert cite.cited(citation | {"repository-code": address})["repository"] == address
    citation.pop("repository-code", None)
    assert cite.cited(citation)["repository"] == ""


def test_every_field_of_an_entry_is_its_own():
    paper = {"title": "T", "authors": [{"family-names": "De Roe", "given-names": "A"}]}
    paper |= {"collection-title": "C", "volume": 3, "year": 2001, "url": "u"}
    work = {"title": "W", "authors": [{"name": "G"}], "version": "1.2", "license": "MIT"}
    work |= {"date-released": "2002-03-04", "references": [paper, {"title": "Another"}]}
    found = cite.cited(work)
    assert (found["url"], found["licence"]) == ("u", "MIT")
    assert found["bibtex"].splitlines() == [
        "@inproceedings{de roe2001,",
        "  title = {T},",
        "  author = {De Roe, A},",
        "  booktitle = {C},",
        "  volume = {3},",
        "  year = {2001},",
        "  url = {u},",
        "}",
        "@software{reproduced,",
        "  title = {W},",
        "  author = {{G}},",
        "  version = {1.2},",
        "  date = {2002-03-04},",
        "  license = {MIT},",
        "}",
    ]


def test_the_stamp_says_what_was_recorded():
    record = {"started": 0, "code": {"commit": "0123456789abcdef", "changes": ["a"]}}
    record |= {"configfiles": ["own.yaml"], "settings": {"seed": 7}}
    assert cite.stamp(record, "1.0") == {
        "date": "1970-01-01",
        "commit": "0123456789 with 1 changed file",
        "configuration": "configuration: default with own.yaml, seed",
        "version": "1.0",
    }
    nothing = cite.stamp({}, "1.0")
    assert (nothing["date"], nothing["commit"]) == ("date not recorded", "not recorded")


def test_the_page_of_methods_shows_the_run_as_text():
    config = {"note": "<script>alert(1)</script>"}
    values = {
        "record": RECORD,
        "summary": run.summary(JOBS, RECORD, 1200.0),
        "software": {"this workflow": run.code_words(RECORD["code"])},
        "machine": run.machine_rows(RECORD["machine"]),
        "timeline": run.timeline(JOBS, 1000.0, 1200.0),
        "rules": run.rules_table(run.by_rule(JOBS)),
        "differences": run.differences(config, {}),
        "config": yaml.safe_dump(config),
    }
    html = render_methods(**values)
    assert "<script>" not in html
    assert html.count("&lt;script&gt;alert(1)") == 2
    assert "--config seed=&lt;b&gt;7&lt;/b&gt;" in html and "--configfile own.yaml" in html
    assert "not in a git repository" in html
    assert "not recorded" in render_methods()
    assert json.dumps(re.findall(r"<math", html)) == '["<math", "<math", "<math"]'


def test_every_word_of_the_glossary_is_a_sentence(root):
    parts = yaml.safe_load((root / "config/ledger/glossary.yaml").read_text(encoding="utf-8"))
    assert [*parts] == ["report", "workflow"] and not {*parts["report"]} & {*parts["workflow"]}
    words = parts["report"] | parts["workflow"]
    assert len(parts["report"]) >= 15
    for word, meaning in words.items():
        assert meaning.lstrip("`")[0].isupper() or meaning[0] == "`", word
        assert meaning.endswith("."), word
    # A gap is a length; the vector and the size of a shift have names of their own.
    assert words["modality gap"].startswith("The distance between")
    assert words["gap vector"].startswith("The vector from the centre of all texts")
    assert words["delta"].startswith("The signed size of a shift")
    assert "only on the paper's own model and data" in words["neighbouring model"]
    lead = (root / "report/templates/index.html.j2").read_text(encoding="utf-8")
    assert "the distance between their centres is the <dfn>modality gap</dfn>" in lead


def test_the_summary_says_what_its_numbers_count(root):
    page = " ".join((root / "report/templates/index.html.j2").read_text("utf-8").split())
    # Above rows of "3 of 3".
    assert "<h2>The authors' {{ counts.values() | sum }} claims, by part: " in page
    assert '<a href="methods.html#not-run">{{ counts["not run"] }} not tested</a></h2>' in page
    # CLIP ViT-B/32 on Flickr8k is marked as a neighbouring model of itself.
    assert "The paper's model on other data than the paper's counts as one too." in page
    # CLASP matches proteins, and a small CLIP is trained here.
    assert "hardly matches pictures" not in page and "freely available" not in page
