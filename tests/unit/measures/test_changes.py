"""Intervals of what a method changes on the same items."""

import itertools

import numpy as np
import pytest
from scipy import stats

from modality_gap.measures.intervals import share_interval
from modality_gap.measures.posthoc.changes import change_of, mean_change, measure_interval


def results(gained, lost, n):
    """Right answers (n,) before and after, where some are gained and others lost."""
    before, after = np.zeros((2, n), dtype=bool)
    after[:gained] = True
    before[gained : gained + lost] = True
    return before, after


def ends(row):
    return row["difference_low"], row["difference_high"]


def test_one_gain_in_250_is_no_gain():
    row = change_of(*results(1, 0, 250), None, 0.95)
    assert row["difference"] == pytest.approx(1 / 250) and row["p"] == 1
    low, high = ends(row)
    assert low < 0 < high < 0.02
    # A share of 1 in 250, which a difference is not, would lie above 0.
    assert share_interval(results(1, 0, 250)[1], 0.95)[0] > 0


@pytest.mark.parametrize("n", [12, 250])
def test_the_interval_excludes_nothing_only_where_mcnemars_test_does(n):
    """Against the binomial distribution of the gains, given that an item changes."""
    for gained, lost in itertools.product(range(7), repeat=2):
        row = change_of(*results(gained, lost, n), None, 0.95)
        low, high = ends(row)
        exact = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
        assert row["p"] == pytest.approx(exact)
        assert (low <= 0 <= high) or exact < 0.05
        assert low <= row["difference"] <= high and low < high
    assert change_of(*results(6, 0, n), None, 0.95)["difference_low"] > 0


def test_many_changes_have_students_interval():
    before, after = results(90, 40, 400)
    change = after.astype(float) - before
    margin = stats.t.ppf(0.975, 399) * stats.sem(change)
    expected = change.mean() - margin, change.mean() + margin
    assert ends(mean_change(before, after, None, 0.95)) == pytest.approx(expected)
    assert ends(change_of(before, after, None, 0.95)) == pytest.approx(expected, abs=0.006)


def test_few_clusters_decide_nothing():
    before, after = results(20, 0, 100)
    together = np.arange(100) // 5  # all gains are in four clusters
    row = change_of(before, after, together, 0.95)
    assert row["p"] == pytest.approx(2 / 2**4)
    assert row["difference_low"] <= 0 < row["difference_high"]


def test_gains_in_one_cluster_are_worth_one_change():
    """Of one change the exact interval of the share of gains reaches down to (1 - .6) / 2."""
    before, after = results(5, 0, 100)
    row = change_of(before, after, np.arange(100) // 5, 0.6)
    assert row["difference_low"] == pytest.approx((2 * 0.2 - 1) * 5 / 100)
    assert change_of(before, after, None, 0.6)["difference_low"] > 0


def test_an_interval_where_nothing_changes_is_as_wide_as_n_says():
    """Where none of n change, a share of changes above 1 - (.05 / 2)^(1 / n) is unlikely."""
    right = np.ones(40, dtype=bool)
    for clusters, n in ((None, 40), (np.arange(40) // 4, 10)):
        high = 1 - 0.025 ** (1 / n)
        for of in (change_of, mean_change):
            assert ends(of(right, right, clusters, 0.95)) == pytest.approx((-high, high))


def test_interval_of_a_change_covers():
    """Simulated: 3 in 100 items are gained and 1 is lost, of 150."""
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(400):
        which = rng.random(150)
        after, before = which < 0.03, which > 0.99
        low, high = ends(change_of(before, after, None, 0.95))
        inside.append(low <= 0.02 <= high)
    assert np.mean(inside) > 0.93


def test_the_interval_of_a_mean_has_the_mean_of_all_items_in_its_middle():
    """Of clusters of unequal size, this is not the mean of what is left without each of them."""
    values, clusters = np.array([3.0, 1, 2, 8, 5, 7]), np.array([0, 1, 1, 2, 2, 2])
    without = np.array([23 / 5, 23 / 4, 6 / 3])  # the means without one cluster
    margin = stats.t.ppf(0.95, 2) * np.sqrt(2 / 3 * np.sum((without - without.mean()) ** 2))
    expected = 26 / 6 - margin, 26 / 6 + margin
    assert measure_interval(values, clusters, 0.9) == pytest.approx(expected)


def test_truth_values_are_a_share_and_numbers_are_a_mean():
    hits = np.arange(50) < 2
    assert measure_interval(hits, None, 0.95) == share_interval(hits, 0.95)
    pairs_of = np.arange(50) // 2
    by_pair = measure_interval(hits, pairs_of, 0.95)
    assert by_pair == share_interval(hits, 0.95, pairs_of) != share_interval(hits, 0.95)
    margin = stats.t.ppf(0.975, 49) * stats.sem(hits.astype(float))
    expected = 0.04 - margin, 0.04 + margin
    assert measure_interval(hits.astype(float), None, 0.95) == pytest.approx(expected)
