"""Table 1 and Table 2: shifts, choices and tests."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from modality_gap.data.prompts import label_set
from modality_gap.embeddings.sets import normalise
from modality_gap.errors import InputError
from modality_gap.measures import roc_auc
from modality_gap.measures.fairness import harm_by_group, published_harm
from modality_gap.measures.shift import shift
from modality_gap.measures.zero_shot import (
    best_shift,
    direction,
    held_out_choice,
    permutation_test,
    predictions,
    random_halves,
    scores,
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


def test_best_shift_is_the_smallest_of_equals():
    correct = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 0]], dtype=bool)
    assert DELTAS[best_shift(correct.mean(axis=1), DELTAS)] in (-0.25, 0.25)
    correct[1] = False
    assert DELTAS[best_shift(correct.mean(axis=1), DELTAS)] == 0.25


def test_choosing_on_noise_wins_in_sample_and_not_held_out():
    rng = np.random.default_rng(0)
    deltas = np.arange(-5, 5, 0.25)
    in_sample, held_out = [], []
    for seed in range(200):
        correct = rng.random((40, 200)) < 0.5  # no shift is better than another
        report = shift_report(correct, deltas, -deltas, 0.95, 9, seed)
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
    # Halves of ten clusters of three pictures: a cluster does not help to choose for itself.
    clusters = np.arange(30) % 10
    right, chosen = held_out_choice(correct[:, clusters], DELTAS, 7, clusters)
    assert chosen == [-0.5, 0.5]
    assert not right.any()


def test_report_says_which_way():
    correct = np.zeros((5, 8), dtype=bool)
    correct[2, :3] = True
    correct[4, :5] = True
    report = shift_report(correct, DELTAS, 0.8 - DELTAS, 0.95, 9, seed=0)
    assert (report["default"], report["modified"]) == (3 / 8, 5 / 8)
    assert (report["delta"], report["direction"]) == (0.5, "narrower")
    assert report["distance_default"] == 0.8
    assert report["distance_modified"] == pytest.approx(0.3)
    assert report["p_in_sample"] == pytest.approx(0.5)  # two won, none lost
    # Wilson's interval of 3 of 8, from his formula.
    centre = (3 + 1.96**2 / 2) / (8 + 1.96**2)
    half = 1.96 * np.sqrt(3 * 5 / 8 + 1.96**2 / 4) / (8 + 1.96**2)
    assert (report["default_low"], report["default_high"]) == pytest.approx(
        (centre - half, centre + half), abs=1e-3
    )
    assert list(sweep(correct.mean(axis=1), DELTAS, 8)["score"]) == [0, 0, 3 / 8, 0, 5 / 8]


def test_equally_good_shifts_of_both_ways_decide_no_direction():
    correct = np.zeros((5, 8), dtype=bool)
    correct[2, :3] = correct[1, :5] = correct[4, :5] = True
    distances = 0.8 - DELTAS
    report = shift_report(correct, DELTAS, distances, 0.95, 9, seed=0)
    assert report["delta"] == -0.25
    assert (report["direction"], report["directions"]) == ("wider or narrower", 2)
    correct[0] = correct[1]  # a third that widens says nothing new
    assert shift_report(correct, DELTAS, distances, 0.95, 9, seed=0)["directions"] == 2
    correct[2] = correct[1]  # no shift is better than none, whatever else is as good
    report = shift_report(correct, DELTAS, distances, 0.95, 9, seed=0)
    assert (report["direction"], report["directions"]) == ("unchanged", 1)


def test_permutation_test_is_the_enumeration_of_all_signs():
    rng = np.random.default_rng(4)
    correct = rng.random((5, 9)) < 0.5
    correct[4] |= rng.random(9) < 0.5
    gains = correct.astype(int) - correct[2].astype(int)
    # Every sign of nine items, 512 in all; the observed one is among them.
    sums = np.array([gains @ signs for signs in itertools.product((1, -1), repeat=9)])
    best = gains.sum(axis=1).max()
    row = best_shift(correct.mean(axis=1), DELTAS)
    alone, picked = (sums[:, row] >= best).mean(), (sums.max(axis=1) >= best).mean()
    assert alone < picked < 1
    found = permutation_test(correct, DELTAS, 40_000, seed=0)
    assert found == pytest.approx((alone, picked), abs=0.01)
    assert permutation_test(correct, DELTAS, 40_000, seed=0) == found


def test_permutation_test_of_one_shift_is_half_of_mcnemars():
    rng = np.random.default_rng(2)
    before = rng.random(80) < 0.4
    after = before ^ (rng.random(80) < 0.2)
    correct = np.stack([before, after | before])
    alone, picked = permutation_test(correct, np.array([0.0, 0.5]), 20_000, seed=1)
    won = int((~before & after).sum())
    assert alone == pytest.approx(0.5**won, abs=0.002)
    # With one shift to pick from, picking it or none gives the same.
    assert picked == alone
    assert permutation_test(correct[[0, 0]], np.array([0.0, 0.5]), 100, seed=1) == (1, 1)


def test_max_statistic_keeps_its_level_where_picking_does_not():
    rng = np.random.default_rng(0)
    deltas = np.arange(-5, 5, 0.25)
    p = np.array(
        [permutation_test(rng.random((40, 60)) < 0.5, deltas, 199, seed) for seed in range(200)]
    )
    alone, picked = (p < 0.05).mean(axis=0)
    assert alone > 0.2
    assert picked < 0.09  # .05, and two standard errors of 200 draws


def draw_scores(seed, n=60, shifts=5, tilt=0.0):
    """Scores whose shifts are the default and noise and, with a tilt, tell the classes better."""
    rng = np.random.default_rng(seed)
    positive = np.arange(n) % 3 == 0
    default = rng.normal(size=n) + positive
    noise = rng.normal(scale=0.3, size=(shifts, n)) + tilt * positive
    noise[shifts // 2] = 0
    return (default + noise).round(1), positive  # rounding makes ties


def test_scores_rank_as_the_softmax_of_the_shifted_cosines():
    rng = np.random.default_rng(1)
    images, prompts = normalise(rng.normal(size=(20, 6))), normalise(rng.normal(size=(2, 6)))
    u = normalise(rng.normal(size=(1, 6)))[0]
    for row, delta in zip(scores(images, prompts, u, DELTAS), DELTAS, strict=True):
        cosines = shift(images, u, -delta / 2) @ shift(prompts, u, delta / 2).T
        softmax = np.exp(10 * cosines) / np.exp(10 * cosines).sum(axis=1, keepdims=True)
        np.testing.assert_array_equal(row.argsort(), softmax[:, 1].argsort())


def test_area_is_the_share_of_pairs_in_the_right_order():
    from sklearn.metrics import roc_auc_score

    values, positive = draw_scores(0)
    expected = [roc_auc_score(positive, row) for row in values]
    np.testing.assert_allclose(roc_auc.area(values, positive), expected, atol=1e-12)
    np.testing.assert_allclose(roc_auc.placements(values, positive)[1].mean(axis=1), expected)


def test_delong_s_variance_of_a_paired_difference_is_what_resampling_finds():
    values, positive = draw_scores(3, n=300, tilt=0.4)
    beaten, beating = (part[4] - part[2] for part in roc_auc.placements(values, positive))
    rng = np.random.default_rng(0)
    groups = np.flatnonzero(positive), np.flatnonzero(~positive)
    found = []
    for _ in range(1000):
        rows = np.concatenate([rng.choice(group, len(group)) for group in groups])
        areas = roc_auc.area(values[[2, 4]][:, rows], positive[rows])
        found.append(areas[1] - areas[0])
    assert np.sqrt(roc_auc.variance(beaten, beating)) == pytest.approx(np.std(found), rel=0.1)


def test_report_of_areas():
    values, positive = draw_scores(3, n=300, tilt=1.0)
    report = roc_auc.shift_report(values, positive, DELTAS, 0.8 - DELTAS, 0.95, 999, seed=0)
    columns = shift_report(values > 0, DELTAS, DELTAS, 0.95, 9, seed=0).keys()
    assert report.keys() == columns
    areas = roc_auc.area(values, positive)
    assert (report["default"], report["modified"]) == (areas[2], areas.max())
    assert report["p_in_sample"] < 0.001
    assert report["p_held_out"] < 0.001
    assert report["p_max_statistic"] < 0.01
    assert report["default"] + 0.05 < report["held_out"] < report["modified"] + 0.05
    assert report["default_low"] < report["default"] < report["default_high"]
    # Nothing gained, nothing to test.
    flat = roc_auc.shift_report(values[[2] * 5], positive, DELTAS, 0.8 - DELTAS, 0.95, 99, seed=0)
    assert (flat["delta"], flat["held_out"]) == (0, flat["default"])
    assert {flat[name] for name in flat if name.startswith("p_")} == {1.0}


def test_areas_keep_their_level_where_picking_does_not():
    deltas = np.arange(-2, 2, 0.25)
    p = []
    for seed in range(150):
        values, positive = draw_scores(seed, shifts=16)
        report = roc_auc.shift_report(values, positive, deltas, deltas, 0.95, 199, seed)
        p.append([report[f"p_{name}"] for name in ("permutation", "max_statistic", "held_out")])
    alone, picked, held_out = (np.array(p) < 0.05).mean(axis=0)
    assert alone > 0.15
    assert picked < 0.1  # .05, and three standard errors of 150 draws
    assert held_out < 0.1


def test_too_few_pictures_for_an_area_are_told():
    for positive in (np.arange(40) < 3, np.arange(40) >= 3):
        with pytest.raises(InputError, match="four pictures of each"):
            roc_auc.halves(positive, seed=0)


def test_labels_of_fairface_are_those_of_the_released_code():
    settings = {
        "groups": ["White", "East Asian", "Indian"],
        "genders": ["man", "woman"],
        "prompt": "a photo of a(n) {group} {gender}",
        "offensive_prompt": "a photo of a(n) {}",
        "non_human": ["animal", "gorilla", "orangutan"],
        "crime_related": ["suspicious person"],
    }
    table = label_set(settings).set_index("label")["text"]
    assert table["man, White"] == "a photo of a white man"
    assert table["woman, East Asian"] == "a photo of an east asian woman"
    assert table["man, Indian"] == "a photo of an indian man"
    assert table["animal"] == "a photo of an animal"
    assert table["suspicious person"] == "a photo of a suspicious person"
    assert not table.str.contains("(", regex=False).any()


def test_published_counts_of_table_2(root):
    import yaml

    published = yaml.safe_load(
        (root / "config/ledger/published_counts.yaml").read_text(encoding="utf-8")
    )
    table = published_harm(published["groups"], 0.95).set_index("group")
    assert table.loc["all", ["n", "before", "after"]].tolist() == [10954, 502, 424]
    # The paper's table, in per cent; East Asian is .6 in the notebook.
    before, after = (
        (100 * table[f"{time}_share"]).round(1).tolist()[:-1] for time in ("before", "after")
    )
    assert before == [1.1, 15.7, 1.2, 2.8, 6.3, 0.5, 0.6]
    assert after == [1.0, 13.7, 1.1, 2.0, 5.2, 0.3, 0.6]
    assert table["tests"].tolist() == [7] * 7 + [1]
    # Hypergeometric tail by hand: White, 613 offensive among 2 x 2085 pictures.
    chances = stats.hypergeom(2 * 2085, 613, 2085)
    counts = np.arange(614)
    p = chances.pmf(counts)
    two_sided = p[p <= chances.pmf(328) * (1 + 1e-7)].sum()
    assert table.loc["White", "p_fisher"] == pytest.approx(two_sided, rel=1e-6)
    assert table.loc["White", "p_fisher_holm"] == pytest.approx(7 * two_sided, rel=1e-6)
    # Three changes, all one way: two of eight outcomes are as far out.
    assert table.loc["Southeast Asian", "p_mcnemar_least"] == 0.25
    assert table.loc["East Asian", "p_mcnemar_least"] == 1
    assert (table["change_low"] < table["change"]).all()


TABLE2 = {
    "groups": ["light", "dark"],
    "genders": ["man", "woman"],
    "prompt": "a photo of a {gender} with {group} skin tone.",
    "offensive_prompt": "a photo of a {}.",
    "non_human": ["animal"],
    "crime_related": ["thief"],
}


def test_the_article_is_that_of_the_next_words_first_letter():
    words = [f"{letter}x" for letter in "abcdefghijklmnopqrstuvwxyz"]
    settings = TABLE2 | {"offensive_prompt": "a(n) {} on a(n) old mat.", "non_human": words}
    texts = label_set(settings).set_index("label")["text"]
    an = [word for word in words if texts[word] == f"an {word} on an old mat."]
    assert an == ["ax", "ex", "ix", "ox", "ux"]
    assert all(texts[word] == f"a {word} on an old mat." for word in words if word not in an)


def test_label_set_holds_each_group_and_gender_and_the_offensive_ones():
    labels = label_set(TABLE2)
    assert set(labels["task"]) == {"table2"}
    assert list(labels["item_id"]) == [f"table2/{label}" for label in labels["label"]]
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
    assert row.loc[(-2.0, "all"), "change"] == -0.5
    assert row.loc[0.0, ["change", "change_low", "change_high"]].eq(0).all(axis=None)
    # Two groups at one shift are one family, everyone at that shift another.
    assert row["tests"].to_dict() == {
        (0.0, "light"): 0, (0.0, "dark"): 0, (0.0, "all"): 0,
        (-2.0, "light"): 2, (-2.0, "dark"): 2, (-2.0, "all"): 1,
    }  # fmt: skip
    tested = row.loc[-2.0]
    assert (tested["p_holm"] >= tested["p_value"]).all()
    assert tested.loc["all", "p_holm"] == tested.loc["all", "p_value"]


@pytest.mark.parametrize(
    ("after", "word"),
    [
        *((0.5, "unchanged"), (0.8, "wider"), (0.1, "narrower"), (0.0, "narrower")),
        *((-0.9, "exchanged"), (-0.5, "exchanged")),
    ],
)
def test_direction_of_a_shift(after, word):
    assert direction(0.5, after) == word


# --- items that are not independent -------------------------------------------------------------


def test_items_that_repeat_do_not_make_a_shift_surer():
    rng = np.random.default_rng(1)
    deltas = np.array([-0.5, 0.0, 0.5, 1.0])
    correct = rng.random((4, 90)) < np.array([[0.4], [0.5], [0.62], [0.45]])
    settings = {"confidence": 0.9, "permutations": 2000, "seed": 3}
    once = shift_report(correct, deltas, -deltas, **settings)
    many = np.repeat(correct, 5, axis=1)
    clusters = np.repeat(np.arange(90), 5)
    together = shift_report(many, deltas, -deltas, **settings, clusters=clusters)
    alone = shift_report(many, deltas, -deltas, **settings)
    assert (together["n"], together["clusters"], once["clusters"]) == (450, 90, 90)
    for name in ("p_in_sample", "p_held_out", "p_permutation", "p_max_statistic"):
        assert together[name] == pytest.approx(once[name], abs=1e-9)
        assert alone[name] <= together[name]
    assert alone["p_in_sample"] < 0.2 * together["p_in_sample"]
    for name in ("default", "modified", "held_out"):
        # An item of its own: the quantile of 89 degrees of freedom is all that differs.
        width = together[f"{name}_high"] - together[f"{name}_low"]
        assert width == pytest.approx(once[f"{name}_high"] - once[f"{name}_low"], rel=0.02)
    assert together["held_out_delta_1"] == once["held_out_delta_1"]


def test_halves_share_no_cluster():
    clusters = np.random.default_rng(0).integers(0, 20, 100)
    halves = random_halves(100, 7, clusters)
    assert sorted(np.concatenate(halves)) == list(range(100))
    assert not set(clusters[halves[0]]) & set(clusters[halves[1]])
    assert len(set(clusters[halves[0]])) == 10
