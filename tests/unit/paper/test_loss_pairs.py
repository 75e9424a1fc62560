"""Which losses are compared, and the ledger's evidence with other towers, on a small ledger."""

import copy

import pytest

from modality_gap.errors import InputError
from modality_gap.paper.loss_pairs import pairs_of_losses, with_other_towers

TOWERS = [{"hidden_layers": 3, "dim": 4}, {"hidden_layers": 0, "dim": 64}]


def pair(method, than, table="after/losses_pairs.csv", **more):
    where = {"method": method, "than": than}
    return {"table": table, "where": where, "column": "difference", **more}


def evidence(selector, **more):
    return selector | {"kind": "stand_in", "on": "towers", "expect": {"above": 0}} | more


def ledger(*pieces):
    statements = [{"id": "a", "evidence": list(pieces)}, {"id": "b"}]
    return {"needs": {"x": {}}, "papers": [{"paper": "P", "statements": statements}]}


def test_each_measurement_of_a_loss_is_repeated_with_each_pair_of_towers():
    guard = {"table": "after/losses_summary.csv", "where": {"method": "slap", "n": 5}, "above": 1}
    cases = [{"where": {"method": "kept"}}]
    first = evidence(
        pair("slap", "slap.towers", minus=pair("cua", "clip")),
        provided=[guard], piece="first", cases=cases,
    )  # fmt: skip
    second = evidence({"table": "after/losses.csv", "where": {"method": "cua"}, "column": "gap"})
    other = evidence({"table": "after/measures.csv", "where": {"method": "cua"}, "column": "v"})
    given = ledger(first, other, second)
    before = copy.deepcopy(given)
    found = with_other_towers(given, {"towers": TOWERS})

    def repeated(name):
        return evidence(
            pair(f"slap_{name}", f"slap_{name}.towers", minus=pair(f"cua_{name}", f"clip_{name}")),
            provided=[guard | {"where": {"method": f"slap_{name}", "n": 5}}],
            cases=cases,
        )

    sizes = "3 hidden layers, 4 dimensions", "0 hidden layers, 64 dimensions"
    wanted = [first, other, second]
    wanted += [
        {**repeated(name), "piece": f"first, {size}"}
        for name, size in zip(("3x4", "0x64"), sizes, strict=True)
    ]
    wanted += [
        {**second, "where": {"method": f"cua_{name}"}, "piece": size}
        for name, size in zip(("3x4", "0x64"), sizes, strict=True)
    ]
    assert found["papers"][0]["statements"] == [{"id": "a", "evidence": wanted}, {"id": "b"}]
    assert (found["needs"], found["papers"][0]["paper"]) == ({"x": {}}, "P")
    assert given == before
    assert with_other_towers(given, {"towers": []}) == given


def test_pairs_are_those_of_claims_then_of_evidence_on_the_table_of_pairs():
    """Also of the second of two values that are compared; a selected method is one if any is."""
    claims = [{"metric": "gap"}, {"than": "clip_selected"}, {"than": "mine_0x64"}]
    study = {"methods": {"clip": {}, "mine": {"claims": claims}}, "towers": TOWERS}
    pieces = [
        evidence(pair("slap", "clip", minus=pair("cua", "slap"))),
        evidence(pair("no", "pair", table="after/losses_difference.csv")),
        evidence(pair("mine", "mine_0x64")),
    ]
    chosen = study | {"selection": {"temperatures": [1]}}
    assert pairs_of_losses(chosen, ledger(*pieces)) == [
        *(["mine", "clip_selected"], ["mine", "mine_0x64"], ["slap", "clip"], ["cua", "slap"])
    ]
    with pytest.raises(InputError, match=r"methods\.mine\.claims\.1\.than is 'clip_selected'"):
        pairs_of_losses(study, ledger())
    # A claim without a second loss asks for no pair.
    alone = {"methods": {"mine": {"claims": claims[:1]}}}
    assert pairs_of_losses(alone, ledger()) == []
