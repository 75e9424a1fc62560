"""Statements of follow-ups and claims of a configuration, on small ledgers and tables."""

import pandas as pd
import pytest
import yaml

from modality_gap.errors import InputError
from modality_gap.paper.follow_ups import (
    check_follow_ups,
    load_follow_ups,
    statements,
    with_bounds,
    with_own_claims,
)

NEEDS = {"more": {"what": "more", "run": "run it"}}
ABOUT = {"id": "a", "statement": "s", "published": 0.5, "mark": "[P]"}
DIFFERENCE = {
    "method": "cua", "than": "clip", "metric": "gap", "difference": -0.2, "difference_low": -0.3,
    "difference_high": -0.1, "p": 0.001, "p_holm": 0.06, "n": 5,
}  # fmt: skip


def ledger(*pieces, **more):
    entry = ABOUT | {"evidence": list(pieces)} | more
    return {"needs": NEEDS, "papers": [{"paper": "P", "source": "arXiv", "statements": [entry]}]}


def piece(table="after/losses_difference.csv", column="difference", expect=None, **more):
    where = {"method": "cua"}
    found = {"table": table, "where": where, "column": column, "expect": expect or {"below": 0}}
    return found | {"kind": "stand_in", "on": "towers"} | more


def judged(*pieces, tables=None, confidence=0.95):
    tables = tables or {"after/losses_difference.csv": [DIFFERENCE]}
    frames = {path: pd.DataFrame(rows) for path, rows in tables.items()}
    return check_follow_ups(ledger(*pieces), frames, confidence).to_dict("records")


def word(*pieces, **more):
    (row,) = judged(*pieces, **more)
    return row["verdict"]


SAME, UNSEEN, OPEN = "same on a stand-in", "not seen on a stand-in", "inconclusive"


@pytest.mark.parametrize(
    ("change", "confidence", "verdict"),
    [
        ({}, 0.95, OPEN),  # p after Holm's correction is .06
        ({}, 0.94, SAME),
        ({}, 0.939, SAME),
        ({"expect": {"above": 0}}, 0.95, OPEN),
        ({"expect": {"above": 0}}, 0.9, UNSEEN),
        # Only the direction of one difference of losses is tested.
        ({"expect": {"equals": 0, "within": 0.35}}, 0.95, SAME),
        ({"minus": {"value": 1}}, 0.95, SAME),
    ],
)
def test_the_direction_of_a_difference_of_losses_is_clear_by_the_corrected_p(
    change, confidence, verdict
):
    assert word(piece(**change), confidence=confidence) == verdict


def test_only_differences_of_losses_have_a_corrected_p():
    row = DIFFERENCE | {"gap": -0.2, "gap_low": -0.3, "gap_high": -0.1}
    both = {"after/losses_difference.csv": [row], "after/differences.csv": [row]}
    assert word(piece(column="gap"), tables=both) == SAME
    assert word(piece("after/differences.csv"), tables=both) == SAME
    at_level = {"after/losses_difference.csv": [DIFFERENCE | {"p_holm": 0.5}]}
    assert word(piece(), tables=at_level, confidence=0.5) == OPEN  # the level itself is not below
    bare = {key: value for key, value in DIFFERENCE.items() if key != "p_holm"}
    assert word(piece(), tables={"after/losses_difference.csv": [bare]}) == SAME


def test_why_a_difference_is_not_clear_names_its_p_and_the_interval():
    (row,) = judged(piece())
    assert row["why"] == (
        "not clear after Holm's correction over the losses (p 0.06; the interval, [-0.3, -0.1], "
        "is below 0)"
    )


def test_no_follow_up_is_reproduced_or_refuted_on_evidence_of_any_kind():
    row = {"method": "cua", "v": 1.0, "v_low": 0.9, "v_high": 1.1}
    tables = {"after/x.csv": [row]}
    for kind in ("own", "neighbouring", "simulation", "stand_in"):
        of = {"kind": kind, "table": "after/x.csv", "column": "v"}
        assert word(piece(expect={"above": 0}, **of), tables=tables) == SAME
        assert word(piece(expect={"below": 0}, **of), tables=tables) == UNSEEN


def test_a_statement_has_a_row_for_each_evidence_that_was_measured_or_one_of_what_it_needs():
    missing = piece("after/absent.csv")
    clear = {"after/losses_difference.csv": [DIFFERENCE | {"p_holm": 0.01}]}
    rows = judged(piece(piece="one"), missing, piece(piece="two"), tables=clear)
    assert [(row["where"], row["verdict"]) for row in rows] == [("one", SAME), ("two", SAME)]
    found = check_follow_ups(ledger(missing, needs="more"), {}).to_dict("records")
    assert [(row["verdict"], row["why"]) for row in found] == [("not run", "needs more; run it")]


def test_what_cannot_fail_or_has_no_interval_decides_nothing_and_values_stand_beside_it():
    row = {"method": "cua", "v": 1.0, "n": 3, "other": 0.123456}
    tables = {"after/x.csv": [row]}
    other = {"table": "after/x.csv", "where": {"method": "cua"}, "column": "other"}
    beside = [other | {"words": "control"}, other | {"table": "after/y.csv", "words": "absent"}]
    of = piece("after/x.csv", "v", {"above": 0}, beside=beside)
    (row,) = judged(of, tables=tables)
    assert (row["verdict"], row["evidence"]) == (OPEN, "stand-in: towers (control 0.1235)")
    assert row["why"] == "the value has no interval (the value, 1, is above 0)"
    (alone,) = judged(of | {"beside": beside[1:]}, tables=tables)
    assert alone["evidence"] == "stand-in: towers"  # nothing of it was measured
    (row,) = judged(of | {"cannot_fail": "it is so by design"}, tables=tables)
    assert (row["verdict"], row["why"]) == (OPEN, "no verdict: it is so by design")
    # What is inconclusive for another reason keeps that reason.
    (row,) = judged(of | {"provided": [{**other, "above": 1, "reason": "small"}]}, tables=tables)
    assert row["why"].startswith("small (")


def test_statements_have_the_form_of_claims():
    (found,) = statements(ledger(piece(), not_tested="much")).values()
    assert found == {
        "id": "a", "statement": "s", "published": 0.5, "evidence": [piece()],
        "part": "P", "whose": "follow-up", "source": "[P]",
    }  # fmt: skip


def test_columns_of_the_tables_get_the_names_that_evidence_asks_for():
    given = pd.DataFrame([{"value": 1, "low": 0, "high": 2, "n_fit": 3, "n_scored": 4, "n": 5}])
    paths = ["measures", "released", "methods", "differences"]
    found = with_bounds({f"after/{name}.csv": given.drop(columns="n") for name in paths})
    bounds = ["value", "value_low", "value_high", "n_fit", "n_scored"]
    for name in ("measures", "released"):
        assert list(found[f"after/{name}.csv"]) == bounds
    assert list(found["after/methods.csv"]) == ["value", "low", "high", "n_fit", "n"]
    assert list(found["after/differences.csv"]) == ["value", "low", "high", "n_fit", "n_scored"]


@pytest.mark.parametrize(
    ("word_of_it", "expect", "says"),
    [
        ("lower", {"below": 0}, "Mine: mean gap is lower than with its baseline."),
        ("higher", {"above": 0}, "Mine: mean gap is higher than with its baseline."),
        ("unchanged", {"equals": 0, "within": 0.03}, "Mine: mean gap is unchanged."),
    ],
)
def test_a_claim_of_the_configuration_is_a_statement(word_of_it, expect, says):
    claims = [{"metric": "mean_gap", "is": word_of_it}]
    known = ledger()
    found = with_own_claims(known, {"clip": {}, "mine": {"label": "Mine", "claims": claims}})
    own = found["papers"][-1]
    assert (own["paper"], own["source"]) == ("Your configuration", "loss_study.methods")
    (entry,) = own["statements"]
    assert (entry["id"], entry["statement"], entry["published"]) == ("own.mine.1", says, "nothing")
    (evidence,) = entry["evidence"]
    assert (evidence["table"], evidence["expect"]) == ("after/losses_difference.csv", expect)
    assert evidence["where"] == {"method": "mine", "metric": "mean_gap"}
    assert with_own_claims(known, {"clip": {}}) == known


def test_a_claim_against_a_named_loss_is_measured_on_that_pair():
    claims = [{"metric": "gap", "is": "lower"}, {"metric": "gap", "is": "higher", "than": "clip"}]
    found = with_own_claims(ledger(), {"mine": {"claims": claims}})["papers"][-1]["statements"]
    assert [entry["id"] for entry in found] == ["own.mine.1", "own.mine.2"]
    assert found[1]["statement"] == "mine: gap is higher than with clip."
    (evidence,) = found[1]["evidence"]
    assert evidence["table"] == "after/losses_pairs.csv"
    assert evidence["where"] == {"method": "mine", "metric": "gap", "than": "clip"}


def test_a_claim_of_the_configuration_is_judged_beside_the_papers_statements():
    claims = [{"metric": "gap", "is": "lower"}, {"metric": "gap", "is": "higher", "than": "clip"}]
    row = DIFFERENCE | {"p_holm": 0.01}
    frames = {f"after/losses_{name}.csv": pd.DataFrame([row]) for name in ("difference", "pairs")}
    known = with_own_claims(ledger(piece()), {"cua": {"claims": claims}})
    found = check_follow_ups(known, frames).set_index("id")
    assert found["verdict"].to_dict() == {"a": SAME, "own.cua.1": SAME, "own.cua.2": UNSEEN}
    own = found.loc["own.cua.1"]
    assert (own["part"], own["source"]) == ("Your configuration", "configuration")
    assert own["evidence"] == "stand-in: small towers; change, paired by seed"


@pytest.mark.parametrize("key", ["paper", "source", "statements"])
def test_a_paper_without_what_it_must_have_or_with_more_is_refused(tmp_path, key):
    path = tmp_path / "follow_ups.yaml"
    whole = {"paper": "P", "source": "arXiv", "statements": [ABOUT]}
    path.write_text(yaml.safe_dump({"papers": [whole]}), encoding="utf-8")
    assert load_follow_ups(path) == {"papers": [whole]}
    for section, words in (
        ({name: of for name, of in whole.items() if name != key}, f"{key} is missing; add it"),
        (whole | {f"{key}s": 1}, f"unknown key {key}s"),
    ):
        path.write_text(yaml.safe_dump({"papers": [section]}), encoding="utf-8")
        with pytest.raises(InputError, match=words):
            load_follow_ups(path)


@pytest.mark.parametrize("key", ["id", "statement", "published", "mark"])
def test_a_statement_without_what_it_must_have_is_refused(tmp_path, key):
    entry = {name: value for name, value in ABOUT.items() if name != key}
    path = tmp_path / "follow_ups.yaml"
    section = {"paper": "P", "source": "arXiv", "statements": [entry]}
    path.write_text(yaml.safe_dump({"papers": [section]}), encoding="utf-8")
    with pytest.raises(InputError, match=f"{key} is missing; add it"):
        load_follow_ups(path)


def test_of_several_faults_of_a_statement_the_first_by_its_name_is_told(tmp_path):
    path = tmp_path / "follow_ups.yaml"
    for entry, words in (
        ({"mark": "[P]"}, "id is missing"),
        (ABOUT | dict.fromkeys("zyxwvutsrqp", 1), "unknown key p;"),
    ):
        section = {"paper": "P", "source": "arXiv", "statements": [entry]}
        path.write_text(yaml.safe_dump({"papers": [section]}), encoding="utf-8")
        with pytest.raises(InputError, match=words):
            load_follow_ups(path)
