"""The claims ledger: a verdict of each kind on invented values, and the real ledger as a whole."""

import re

import pandas as pd
import pytest
import yaml
from snakemake.utils import update_config

from modality_gap import claims
from modality_gap.configuration import tables_of, without_nulls
from modality_gap.errors import InputError

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
    }
)
TABLES = {"gap.csv": TABLE}


def judged(*evidence, **more):
    claim = {"id": "x", "part": "Theory", "where": "here", "statement": "s"} | more
    return claims.judge(claim | {"evidence": list(evidence)}, NEEDS, TABLES)


def cell(expect, name="a", **more):
    return {"table": "gap.csv", "where": {"set": name}, "column": "gap", "expect": expect, **more}


@pytest.mark.parametrize(
    ("evidence", "word"),
    [
        (cell({"equals": 0.9, "within": 0.01}), "reproduced"),
        (cell({"equals": 0.8, "within": 0.01}), "differs"),
        (cell({"above": 0.7}, stand_in="emoji"), "holds on a stand-in"),
        (cell({"above": 0.85}, stand_in="emoji"), "does not hold on a stand-in"),
        (cell({"above": 0}, name="nowhere"), "not run"),
    ],
)
def test_each_verdict(evidence, word):
    assert judged(evidence)["verdict"] == word


@pytest.mark.parametrize(
    ("published", "within", "word"),
    [
        (0.91, 0.01, "reproduced"),  # the tolerance itself is inside
        (0.9100001, 0.01, "differs"),  # missed by a hair
        (0.89, 0.01, "reproduced"),
        (0.8899999, 0.01, "differs"),
        (0.9, 0.0, "reproduced"),
    ],
)
def test_a_tolerance_missed_by_a_hair_is_missed(published, within, word):
    assert judged(cell({"equals": published, "within": within}))["verdict"] == word


def test_a_direction_is_judged_by_the_near_end_of_the_interval():
    # c is .1, but its interval reaches from -.1 to .3.
    assert judged(cell({"above": 0}, name="c"))["verdict"] == "differs"
    assert judged(cell({"below": 0.2}, name="c"))["verdict"] == "differs"
    assert judged(cell({"below": 0.31}, name="c"))["verdict"] == "reproduced"
    row = judged(cell({"above": 0}, name="c"))
    assert "lower end, -0.1, is not above 0" in row["why"]


def test_an_undefined_value_never_holds():
    for expect in ({"above": 0}, {"below": 0}, {"equals": 0, "within": 1}):
        assert claims.meets(claims.Measured(float("nan")), expect)[0] is False


def test_the_first_evidence_at_hand_decides():
    row = judged(cell({"above": 0}, name="nowhere"), cell({"above": 0}, name="b", stand_in="toy"))
    assert (row["verdict"], row["on"], row["measured"], row["n"]) == (
        "holds on a stand-in",
        "toy",
        0.5,
        20,
    )


def test_what_was_not_run_says_what_it_needs_and_the_command():
    row = judged(needs="coco")
    assert row["verdict"] == "not run"
    assert "COCO" in row["why"]
    assert "run `make it`" in row["why"]


def measure(**selector):
    return claims.measure({"table": "gap.csv", "column": "gap", **selector}, TABLES)


def test_rows_are_found_by_text_truth_list_and_number():
    assert measure(where={"set": "b"}).value == 0.5
    assert measure(where={"big": False}).value == 0.1
    assert measure(where={"set": ["b", "c"]}, take="smallest").value == 0.1
    # A temperature that lost its last digit on the way through a file.
    assert measure(where={"temperature": 0.02857142857142857 + 1e-17}).value == 0.9


def test_one_of_several_rows():
    assert measure(take="largest") == claims.Measured(0.9, 0.8, 1.0, 10)
    assert measure(take="smallest").value == 0.1
    assert measure(take="at_smallest", along="temperature").value == 0.9
    assert measure(take="kendall", along="temperature").value == pytest.approx(-1)
    assert measure(column="constant", take="kendall", along="temperature").value == 0
    with pytest.raises(InputError, match="3 rows match"):
        measure()


def test_a_point_has_no_interval():
    assert measure(where={"set": "c"}, point=True) == claims.Measured(0.1, n=30)


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
    assert claims.measure({"value": 0.5, "minus": {"value": 0.25}}, {}).value == 0.25


def test_absolute_turns_the_interval_round():
    minus_two = claims.measure({"value": 0, "minus": {"value": 2}, "absolute": True}, {})
    assert minus_two.value == 2
    across = measure(where={"set": "c"}, absolute=True)
    assert (across.low, across.high) == (0, 0.3)


def test_a_wrong_column_is_named():
    with pytest.raises(InputError, match=r"gap\.csv has no column gaps"):
        claims.measure({"table": "gap.csv", "column": "gaps"}, TABLES)
    with pytest.raises(InputError, match="has no column sets"):
        measure(where={"sets": "a"})


def write(tmp_path, entries):
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump({"needs": NEEDS, "claims": entries}))
    return path


ENTRY = {"id": "x.{n}", "part": "Theory", "where": "layer {n}", "statement": "s"}


def test_cases_fill_texts_and_keep_numbers(root, tmp_path):
    entry = ENTRY | {
        "evidence": [{"value": "{n}", "expect": {"equals": "{n}", "within": 0.1}}],
        "cases": [{"n": 1}, {"n": 2.5}],
    }
    ledger = claims.load_ledger(write(tmp_path, [entry]), root / "config/claims_schema.yaml")
    assert list(ledger["claims"]) == ["x.1", "x.2.5"]
    assert ledger["claims"]["x.2.5"]["where"] == "layer 2.5"
    assert ledger["claims"]["x.2.5"]["evidence"][0]["value"] == 2.5


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([ENTRY | {"id": "x"}, ENTRY | {"id": "x"}], "the id x comes twice"),
        ([ENTRY | {"sauce": "y"}], "sauce is no known key"),
        ([ENTRY | {"needs": "luck"}], "needs 'luck'"),
        ([ENTRY | {"cases": [{"m": 1}]}], "a case does not fill 'n'"),
        ([{k: v for k, v in ENTRY.items() if k != "where"}], "where is missing"),
        (
            [{**ENTRY, "id": "x", "evidence": [{"value": 1, "expect": {"below": "-.5"}}]}],
            "expects below '-.5', which is no number",
        ),
    ],
    ids=["twice", "unknown key", "unknown need", "case", "missing", "text for a number"],
)
def test_a_faulty_ledger_is_refused(root, tmp_path, entries, words):
    with pytest.raises(InputError, match=re.escape(words)):
        claims.load_ledger(write(tmp_path, entries), root / "config/claims_schema.yaml")


@pytest.fixture(scope="module")
def ledger(root):
    return claims.load_ledger(root / "config/claims.yaml", root / "config/claims_schema.yaml")


def test_the_ledger_is_large_and_every_claim_can_be_judged(ledger, root):
    entries = ledger["claims"].values()
    assert len(entries) >= 60
    sections = yaml.safe_load((root / "report/paper_found.yaml").read_text())
    for claim in entries:
        assert claim["figure"] in sections, claim["id"]
        # Something to measure, or what it lacks.
        assert claim.get("evidence") or claim.get("needs"), claim["id"]
        for evidence in claim.get("evidence", []):
            assert "because" in evidence, claim["id"]
            assert "on" in evidence or "stand_in" in evidence, claim["id"]


@pytest.mark.parametrize(
    ("model", "word"),
    [("towers", "holds on a stand-in"), ("clip_vit_b16_random", "reproduced")],
)
def test_what_was_trained_decides_whether_it_is_a_stand_in(ledger, model, word):
    rows = {"model": model, "start": "rotated", "temperature_mode": "fixed", "n": 3}
    rows |= {"gap_before": 0.04, "gap_before_low": 0.03, "gap_before_high": 0.05}
    rows |= {"gap_after": 0.75, "gap_after_low": 0.7, "gap_after_high": 0.8}
    tables = {"statistics/experiments/initialisation_summary.csv": pd.DataFrame([rows])}
    row = claims.judge(ledger["claims"]["training.gap_comes_back"], ledger["needs"], tables)
    assert row["verdict"] == word


def test_every_erratum_is_whole(root):
    errata = yaml.safe_load((root / "config/errata.yaml").read_text())["errata"]
    sections = yaml.safe_load((root / "report/paper_found.yaml").read_text())
    assert len({entry["id"] for entry in errata}) == len(errata) >= 21
    for entry in errata:
        assert {"id", "in", "where", "says", "is", "figure"} <= entry.keys()
        assert entry["in"] in ("paper", "code")
        assert entry["figure"] in sections, entry["id"]


def test_errata_are_computed_from_the_tables():
    computed = [
        {"label": "drop", "printed": 0.0008, "value": 0.5817, "minus": {"value": 0.5739}},
        {"label": "gap", "table": "gap.csv", "where": {"set": "a"}, "column": "gap"},
        {"label": "none", "table": "gap.csv", "where": {"set": "z"}, "column": "gap"},
    ]
    (entry,) = claims.computed_errata([{"id": "x", "computed": computed}], TABLES)
    assert [row["computed"] for row in entry["rows"]] == ["0.0078", "0.9", "not run"]
    assert entry["rows"][1]["interval"] == "[0.8,\u00a01]"


def test_tables_are_found_however_deep():
    entry = {"evidence": [{"table": "a.csv", "minus": {"table": "b.csv", "over": {"value": 1}}}]}
    assert tables_of([entry, entry]) == ["a.csv", "b.csv"]


def test_the_summary_counts_each_verdict():
    table = pd.DataFrame(
        {
            "verdict": ["reproduced", "reproduced", "differs", "not run"],
            "whose": ["paper", "ours", "paper", "paper"],
        }
    )
    every, paper, ours = claims.summary(table)
    assert every.startswith("Of 4 claims: reproduced 2, differs 1, holds on a stand-in 0")
    assert every.endswith("not run 1.")
    assert paper.startswith("3 are the paper's own ([P], [N]): reproduced 1, differs 1,")
    assert ours.startswith("1 are our checks and measurements ([M]): reproduced 1, differs 0")


def test_a_mark_of_the_paper_makes_a_claim_its_own():
    assert judged(source="[N] a notebook")["whose"] == "paper"
    assert judged(source="[M] on what they released")["whose"] == "ours"


@pytest.fixture(scope="module")
def paper_config(root) -> dict:
    config = yaml.safe_load((root / "config" / "config.yaml").read_text("utf-8"))
    update_config(config, yaml.safe_load((root / "config" / "paper.yaml").read_text("utf-8")))
    return without_nulls(config)


def test_every_claim_that_needs_more_is_measured_under_the_paper_configuration(root, paper_config):
    ledger = claims.load_ledger(root / "config/claims.yaml", root / "config/claims_schema.yaml")
    labels = {entry.get("label") for entry in paper_config["encoders"].values()}
    panels = [*paper_config["supplement"]["seed_studies"].values()]
    known = {
        "set": {*paper_config["sets"]},
        "encoder": labels
        | {*paper_config["cone"]["encoders"], *paper_config["encoders"]}
        | {title for study in panels for title in study},
        "task": {*paper_config["tasks"]},
        "group": {*paper_config["table2"]["groups"], "all"},
    }
    deltas = {0, *paper_config["table2"]["shifts"]}
    experiments = paper_config["experiments"]["models"].values()
    models = {
        "statistics/cone.csv": labels,
        "tables/table1.csv": {*paper_config["table1"]["models"]},
        "tables/table2.csv": {paper_config["table2"]["model"]},
    }
    trained = {model["encoder"] for model in experiments}
    seeds = range(paper_config["seed"], paper_config["seed"] + paper_config["experiments"]["seeds"])

    def misses(selector: dict) -> list:
        """What the selector asks for that this configuration's tables cannot hold."""
        table, where = selector.get("table", ""), selector.get("where", {})
        allowed = known | {"model": models.get(table, trained), "seed": {*seeds}}
        if table == "tables/table2.csv":
            allowed["delta"] = deltas
        wanted = [
            (key, value)
            for key, values in where.items()
            for value in (values if isinstance(values, list) else [values])
        ]
        more = [misses(selector[key]) for key in ("over", "minus") if key in selector]
        return sum(more, [(k, v) for k, v in wanted if k in allowed and v not in allowed[k]])

    checked = 0
    for claim in ledger["claims"].values():
        if claim.get("needs", "released") == "released":
            continue
        own = [evidence for evidence in claim["evidence"] if "stand_in" not in evidence]
        assert own, claim["id"]
        assert misses(own[0]) == [], claim["id"]
        checked += 1
    assert checked > 120
