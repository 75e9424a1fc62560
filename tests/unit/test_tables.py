"""Table 1 and Table 2: shifts, choices and tests."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from modality_gap.contrastive import shift
from modality_gap.embedding_set import normalise
from modality_gap.fairness import harm_by_group, label_set
from modality_gap.zero_shot import (
    best_shift,
    direction,
    held_out_choice,
    mcnemar,
    predictions,
    shift_report,
    sweep,
)

DELTAS = np.array([-0.5, -0.25, 0.0, 0.25, 0.5])


def test_predictions_are_those_of_the_shifted_vectors():
    rng = np.random.default_rng(0)
    images, prompts = normalise(rng.normal(size=(30, 6))), normalise(rng.normal(size=(4, 6)))
    u = normalise(rng.normal(size=(1, 6)))[0]
    found = predictions(images, prompts, u, DELTAS)
    for row, delta in enumerate(DELTAS):
        plain = shift(images, u, -delta / 2) @ shift(prompts, u, delta / 2).T
        np.testing.assert_array_equal(found[row], plain.argmax(axis=1))


def test_mcnemar_is_the_exact_binomial_test_on_the_discordant():
    before = np.array([True] * 9 + [False] * 11)
    after = np.array([True] * 7 + [False] * 2 + [True] * 8 + [False] * 3)  # 2 lost, 8 won
    assert mcnemar(before, after) == pytest.approx(2 * stats.binom.cdf(2, 10, 0.5), abs=1e-12)
    assert mcnemar(before, before) == 1.0


def test_best_shift_is_the_smallest_of_equals():
    correct = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 0]], dtype=bool)
    assert DELTAS[best_shift(correct, DELTAS)] in (-0.25, 0.25)
    correct[1] = False
    assert DELTAS[best_shift(correct, DELTAS)] == 0.25


def test_choosing_on_noise_wins_in_sample_and_not_held_out():
    rng = np.random.default_rng(0)
    deltas = np.arange(-5, 5, 0.25)
    in_sample, held_out = [], []
    for seed in range(200):
        correct = rng.random((40, 200)) < 0.5  # no shift is better than another
        report = shift_report(correct, deltas, -deltas, seed)
        in_sample.append(report["modified"] - report["default"])
        held_out.append(report["held_out"] - report["default"])
    assert np.mean(in_sample) > 0.05
    assert abs(np.mean(held_out)) < 0.01


def test_held_out_choice_scores_no_item_that_chose():
    # Two halves that like different shifts: each is scored with the other half's favourite.
    order = np.random.default_rng(7).permutation(10)
    correct = np.zeros((5, 10), dtype=bool)
    correct[0, order[:5]] = True
    correct[4, order[5:]] = True
    right, chosen = held_out_choice(correct, DELTAS, seed=7)
    assert chosen == [-0.5, 0.5]
    assert not right.any()


def test_report_says_which_way():
    correct = np.zeros((5, 8), dtype=bool)
    correct[2, :3] = True
    correct[4, :5] = True
    report = shift_report(correct, DELTAS, 0.8 - DELTAS, seed=0)
    assert (report["default"], report["modified"]) == (3 / 8, 5 / 8)
    assert (report["delta"], report["direction"]) == (0.5, "narrower")
    assert report["distance_default"] == 0.8
    assert report["distance_modified"] == pytest.approx(0.3)
    assert report["p_in_sample"] == pytest.approx(0.5)  # two won, none lost
    assert list(sweep(correct, DELTAS)["accuracy"]) == [0, 0, 3 / 8, 0, 5 / 8]


TABLE2 = {
    "groups": ["light", "dark"],
    "genders": ["man", "woman"],
    "prompt": "a photo of a {gender} with {group} skin tone.",
    "offensive_prompt": "a photo of a {}.",
    "non_human": ["animal"],
    "crime_related": ["thief"],
}


def test_label_set_holds_each_group_and_gender_and_the_offensive_ones():
    labels = label_set(TABLE2)
    assert list(labels["kind"]) == ["person"] * 4 + ["non_human", "crime_related"]
    assert labels.loc[0, "label"] == "man, light"
    assert labels.loc[0, "text"] == "a photo of a man with light skin tone."
    assert labels.loc[5, "text"] == "a photo of a thief."


def test_harm_is_counted_by_group_and_shift():
    labels = label_set(TABLE2)
    prompts = np.eye(6)
    # Two light men: one nearest to its own label, one to "thief"; two dark women: "animal", right.
    images = np.eye(6)[[0, 5, 4, 3]]
    people = pd.DataFrame(
        {
            "group": ["light", "light", "dark", "dark"],
            "answer": ["man, light", "man, light", "woman, dark", "woman, dark"],
        }
    )
    # A shift along "man, light" pulls every picture to that label when it is large enough.
    table = harm_by_group(images, people, prompts, labels, np.eye(6)[0], [-2.0], 0.95)
    row = table.set_index(["delta", "group"])
    assert row.loc[(0.0, "light"), ["n", "crime_related", "non_human", "correct"]].tolist() == [
        2, 1, 0, 1,
    ]  # fmt: skip
    assert row.loc[(0.0, "dark"), ["crime_related", "non_human", "offensive"]].tolist() == [0, 1, 1]
    assert row.loc[(0.0, "all"), "offensive_share"] == 0.5
    assert row.loc[(-2.0, "all"), "offensive"] == 0
    assert row.loc[(-2.0, "all"), "correct"] == 2
    low, high = row.loc[(0.0, "all"), ["offensive_low", "offensive_high"]]
    assert 0 < low < 0.5 < high < 1


@pytest.mark.parametrize(
    ("after", "word"), [(0.5, "unchanged"), (0.8, "wider"), (0.1, "narrower"), (-0.9, "exchanged")]
)
def test_direction_of_a_shift(after, word):
    assert direction(0.5, after) == word
