"""Untrained projections of trained towers are called so, and are no random weights."""

import pandas as pd
import pytest
import yaml
from invented import gap_row

from modality_gap.pages import labels, models, summary
from modality_gap.pages.findings import answers, figure1

SETS = {
    "m": {"label": "M", "weights": "trained", "projection": "p"},
    "m_random": {"label": "M", "weights": "random", "projection": "p"},
    "n": {"label": "N", "weights": "trained"},
    "n_random": {"label": "N", "weights": "random"},
}
WORDS = labels.PROJECTIONS


@pytest.fixture
def gap():
    table = pd.DataFrame(
        [
            gap_row("m", model="M", gap=0.5, low=0.49, high=0.51),
            gap_row("m_random", "random", 0.9, 0.89, 0.91, model="M"),
            gap_row("n", model="N", gap=0.6, low=0.59, high=0.61),
            gap_row("n_random", "random", 1.2, 1.19, 1.21, model="N"),
        ]
    )
    return labels.with_weights(table, SETS)


def test_what_is_untrained_follows_from_the_configuration(gap, root):
    assert [*gap["weights"]] == ["trained", WORDS, "trained", "random"]
    assert labels.set_labels(SETS)["m_random"] == f"M, {WORDS}"
    assert labels.set_labels(SETS)["n_random"] == "N, random weights"
    # A set that the configuration does not know keeps what its table says.
    assert [*labels.with_weights(gap, {})["weights"]] == [*gap["weights"]]
    sets = yaml.safe_load((root / "config/config.yaml").read_text("utf-8"))["sets"]
    assert labels.set_labels(sets)["stitched_random"].endswith(WORDS)
    assert labels.set_labels(sets)["clip_random"].endswith("random weights")


def test_without_any_training_means_random_weights(gap):
    found = " ".join(one.text for one in figure1.figure1_findings(gap))
    assert "With random weights alone (1 set) the gap is 1.200 [1.190, 1.210] in n_random" in found
    words = f"narrower for M, from {WORDS} (0.500 against 0.900) and N (0.600 against 1.200)."
    assert f"Compared with untrained weights, the gap with trained ones is {words}" in found


def test_the_answers_and_the_models_name_them(gap):
    assert answers._there(gap)[0].text == (
        "The gap is 0.50 to 0.60 in 2 sets with trained weights, 1.20 in 1 with random weights and "
        f"0.90 in 1 with {WORDS}, clearly above 0 in all 4 sets."
    )
    ranks = pd.DataFrame({"set": gap["set"], "gap_rank": 1, "rmg_rank": 1})
    minimum = pd.DataFrame({"set": [], "temperature": []})
    found = [one.text for one in models.models_findings(gap, ranks, minimum)]
    # Of one set there is no range.
    assert "in the one set with random weights, 1.200 [1.190, 1.210] (n_random, n 100)" in found[0]
    assert f"in the one set with {WORDS}, 0.900 [0.890, 0.910] (m_random, n 100)" in found[0]


def test_the_first_drawing_says_what_its_left_number_is(gap):
    rows, _ = summary.gaps(gap, [])
    by_model = {row.model: row for row in rows}
    assert by_model["M"].texts == {"trained": "0.50", "random": "0.90"}
    assert (by_model["M"].start, by_model["N"].start) == (WORDS, "")


@pytest.mark.parametrize(
    ("accuracy", "words"),
    [(0.9995, "at least 99.9 %"), (0.9994, "0.999"), (0.6, "0.600")],
)
def test_an_accuracy_below_1_is_not_shown_as_1(gap, accuracy, words):
    gap.loc[0, "separability"] = accuracy
    text = figure1.figure1_findings(gap)[0].text
    assert f"the lowest accuracy of the classifier is {words} (m, n" in text
