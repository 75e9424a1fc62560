"""Claims as rows of a page and as counts, on rows made up for the test."""

import pandas as pd
import pytest

from modality_gap.paper import show
from modality_gap.paper.claims import COLUMNS

EMPTY = dict.fromkeys(COLUMNS, "")


def row(verdict, evidence="paper's own: x", whose="paper", name="a", **more):
    about = {"id": name, "whose": whose, "verdict": verdict, "evidence": evidence}
    return EMPTY | about | more


def table(*rows):
    return pd.DataFrame(list(rows))


def test_a_page_shows_measured_numbers_with_the_digits_that_are_asked_for():
    numbers = {"measured": "0.123456", "low": "-0.00123456", "high": "0.234567"}
    given = row("reproduced", "paper's own: a; b; the gap", published="0.123456", **numbers)
    found = show.page_row(given, 2)
    assert (found["measured"], found["interval"]) == ("0.12", "[-0.0012,\u00a00.23]")
    assert found["published"] == "0.1235"  # always four
    assert (found["evidence"], found["quantity"]) == ("paper's own: a; b", "the gap")
    assert show.page_row(given)["interval"] == "[-0.001235,\u00a00.2346]"
    plain = show.page_row(row("differs", low="0.12341", high="0.12343"))
    assert (plain["evidence"], plain["quantity"]) == ("paper's own: x", "")
    assert plain["interval"] == ""  # without a width, as it is shown
    assert show.page_row(row("differs", low="0.1", high=""))["interval"] == ""


@pytest.mark.parametrize(
    ("verdict", "word", "style"),
    [
        ("reproduced", "seen", "seen"),
        ("consistent", "seen", "seen"),
        ("same on a stand-in", "seen", "seen"),
        ("differs", "not seen", "ours-not-seen"),
        ("not seen on a stand-in", "not seen", "ours-not-seen"),
        ("inconclusive", "inconclusive", "inconclusive"),
        ("not run", "not run", "not-run"),
    ],
)
def test_only_a_statement_of_our_own_is_seen_or_not_seen(verdict, word, style):
    found = show.page_row(row(verdict, whose="ours"))
    assert (found["verdict"], found["css"], found["judged"]) == (word, style, verdict)
    for whose in ("paper", "notebook", "recomputed", "follow-up"):
        assert show.page_row(row(verdict, whose=whose))["verdict"] == verdict


def test_rows_of_a_page_are_ordered_by_the_verdict_of_the_file():
    of = "simulation: x"
    rows = [row("reproduced", of, "ours"), row("differs", of, "ours"), row("not run", "", "ours")]
    shown = [show.page_row(one) for one in rows]
    assert show.strongest(shown)["verdict"] == "not seen"
    assert show.strongest(rows)["verdict"] == "differs"
    assert sorted(shown, key=show.strength) == [shown[1], shown[0], shown[2]]
    # What was measured speaks before what was not run, and the better evidence before the worse.
    weak = row("same on a stand-in", "stand-in: with a colon: here")
    assert show.strongest([rows[2], weak]) is weak
    assert show.strongest([weak, row("reproduced", "neighbouring model: x")])["verdict"] == (
        "reproduced"
    )


def test_the_kind_of_evidence_is_the_words_before_the_first_colon():
    kinds = {"printed numbers: a: b": "printed", "stand-in: own: x": "stand_in", "": "", "x: y": ""}
    assert {words: show.kind_of({"evidence": words}) for words in kinds} == kinds


@pytest.mark.parametrize(
    ("whose", "words"),
    [
        (["paper"], "1 claim"),
        (["notebook", "ours", "paper"], "2 claims plus 1 of our own"),
        (["ours"], "1 claim of our own"),
        (
            ["follow-up", "recomputed", "follow-up"],
            "1 claim of its numbers and settings computed again plus 2 of follow-up papers",
        ),
    ],
)
def test_claims_are_counted_by_whose_they_are(whose, words):
    assert show.of_whom(whose) == words


def test_a_claim_counts_once_and_of_the_papers_own_it_is_told_what_they_rest_on():
    claims = table(
        row("reproduced"),
        row("differs", "stand-in: x"),
        row("reproduced", "simulation: x", "notebook", "b"),
        row("reproduced", "simulation: x", "paper", "c"),
        row("differs", "neighbouring model: x", "paper", "d"),
        row("reproduced", "neighbouring model: x", "ours", "e"),
        row("consistent", "printed numbers: x", "recomputed", "f"),
        row("inconclusive", "printed numbers: y", "recomputed", "f"),
    )
    assert show.counts(claims) == {
        "reproduced": 4, "consistent": 0, "same on a stand-in": 0, "not seen on a stand-in": 0,
        "inconclusive": 1, "differs": 1, "not run": 0,
    }  # fmt: skip
    assert show.reproduced_on(claims) == ("1 on the paper's own model and data, 2 in simulation")
    first, recomputed, ours = show.summary(claims)
    assert first.startswith("Of 4 claims of the paper: reproduced 3 (1 on the paper's own model")
    assert recomputed == (
        "The paper's numbers and settings computed again, 1 more: inconclusive 1."
    )
    assert ours == "Our own, 1 more: seen 1."
    overall = show.overall(claims).set_index("id")
    assert overall.loc["f", "others"] == "consistent (printed numbers: x)"
    assert overall.loc["a", "others"] == "differs (stand-in: x)"


def test_claims_are_read_as_texts(tmp_path):
    path = tmp_path / "claims.csv"
    table(row("differs", measured="0.10", source="NA", n="")).to_csv(path, index=False)
    (found,) = show.read_claims(path).to_dict("records")
    assert (found["measured"], found["source"], found["n"]) == ("0.10", "NA", "")
