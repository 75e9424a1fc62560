"""Snakemake's own report: what its first page counts, and the labels of its results."""

import re

import pytest
from jinja2 import Template


@pytest.mark.parametrize(
    ("taking_part", "sentences"),
    [
        (5, ("5 sets of paired embeddings took part", "8 more are configured but took no part")),
        (12, ("12 sets of paired", "1 more is configured but took no part", "page names it.")),
        (1, ("1 set of paired embeddings took part",)),
        (13, ("13 sets of paired embeddings took part",)),
    ],
)
def test_the_first_page_counts_the_sets_that_took_part(root, taking_part, sentences):
    text = (root / "report" / "workflow.rst").read_text(encoding="utf-8")
    names = [f"set{number}" for number in range(13)]
    config = {
        "sets": dict.fromkeys(names), "taking_part": names[:taking_part], "seed": 3,
        "confidence": 0.9,
    }  # fmt: skip
    page = " ".join(Template(text).render(snakemake={"config": config}).split())
    for sentence in sentences:
        assert sentence in page
    assert "seed 3 and intervals at 90 % confidence." in page
    assert ("took no part" in page) == (taking_part < 13)


def test_every_result_of_a_category_has_the_same_labels(root):
    # Other labels would be columns that are empty for most results.
    text = "".join(path.read_text() for path in (root / "rules").glob("*.smk"))
    labels = re.findall(r"(?:labels=|return )\{\s*(\"[^}]*)\}", text)
    of_the_report = [re.findall(r'"(\w+)":', label) for label in labels if '"kind"' in label]
    assert of_the_report
    assert {tuple(keys) for keys in of_the_report} == {("result", "kind")}
    reports = len(re.findall(r"\breport\($", text, flags=re.MULTILINE))
    assert len(of_the_report) == reports
