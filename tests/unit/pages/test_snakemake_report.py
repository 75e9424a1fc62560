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


def test_every_result_has_the_same_one_label(root):
    # Another label would be a column that is empty for most results.
    text = "".join(path.read_text() for path in (root / "rules").glob("*.smk"))
    reports = re.split(r"\breport\(\n", text)[1:]
    labels = [re.search(r"labels=(\w+,|\{\s*\"(\w+)\":)", report) for report in reports]
    assert len(reports) > 5
    assert all(labels)
    named = {label[2] for label in labels if label[2]}
    returned = set(re.findall(r"def labels\(wildcards\):.*?return \{\"(\w+)\"", text, re.DOTALL))
    assert named | returned == {"result"}
