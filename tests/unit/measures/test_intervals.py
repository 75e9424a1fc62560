"""Intervals, against scipy's, published examples and how often they cover."""

import itertools

import numpy as np
import pytest
from scipy import stats

from modality_gap.measures.intervals import (
    bootstrap_interval,
    count_clusters,
    draws,
    effective_size,
    exact_interval,
    jackknife_interval,
    largest_ratio,
    normal_quantile,
    proportion_interval,
    ratio,
    share_interval,
    sums_by,
    t_interval,
    t_quantile,
)


def test_the_interval_of_a_share_over_clusters_covers():
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(100), rng.integers(1, 9, 100))
    covered = {"clusters": 0, "items": 0}
    for _ in range(1000):
        # A cluster's own chance is 0 to 1 about .3: its items succeed and fail together.
        hits = rng.random(len(clusters)) < rng.beta(0.6, 1.4, 100)[clusters]
        for name, given in (("clusters", clusters), ("items", None)):
            low, high = share_interval(hits, 0.95, given)
            covered[name] += low <= 0.3 <= high
    assert 930 <= covered["clusters"] <= 970
    assert covered["items"] < 850


def test_clusters_of_one_item_change_the_interval_of_a_share_by_the_quantile_alone():
    hits = np.arange(80) < 20
    worth = effective_size(hits, 0.95, np.arange(80))
    # The variance over 80 clusters has a divisor of 79.
    assert worth == pytest.approx(79 * (1.959964 / stats.t.ppf(0.975, 79)) ** 2, rel=1e-6)
    assert effective_size(hits, 0.95, np.arange(80) // 4) == pytest.approx(
        19 * (1.959964 / stats.t.ppf(0.975, 19)) ** 2, rel=1e-6
    )
    # Where all agree, the clusters count.
    assert share_interval(np.ones(80, bool), 0.95, np.arange(80) // 4) == pytest.approx(
        proportion_interval(20, 20, 0.95)
    )


def test_clusters_that_agree_better_than_chance_are_worth_no_more_than_their_items():
    hits = np.tile([True, False], 20)  # two of every four
    assert effective_size(hits, 0.95, np.arange(40) // 4) == 40
    hits[[0, 5]] = False, True  # one of the first four, three of the next
    assert effective_size(hits, 0.95, np.arange(40) // 4) == 40


@pytest.mark.parametrize("interval", [proportion_interval, exact_interval])
def test_the_interval_of_none_begins_at_0_and_that_of_all_ends_at_1(interval):
    for n, confidence in itertools.product(range(1, 60), (0.5, 0.9, 0.95)):
        (none, high), (low, every) = (interval(hits, n, confidence) for hits in (0, n))
        assert (none, every) == (0, 1)
        assert 0 < high < 1 and low == pytest.approx(1 - high)


def test_wilson_interval_of_a_published_example():
    # Newcombe (1998), table I: 81 of 263, 95 %: .2553 to .3662.
    assert proportion_interval(81, 263, 0.95) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_draws_count_each_item_of_each_resample():
    counts = draws(np.array([[0, 0, 2], [3, 1, 0]]), 4)
    np.testing.assert_array_equal(counts, [[2, 0, 1, 0], [1, 1, 0, 1]])


def test_a_ratio_is_that_of_paired_values():
    numerators = np.array([1.0, 2.0, 4.0])
    assert ratio(numerators, 2 * numerators, 0.95) == pytest.approx((0.5, 0.5, 0.5))
    estimate, low, high = ratio(numerators, np.ones(3), 0.9)
    assert estimate == pytest.approx(2)
    assert low * high == pytest.approx(4)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
def test_quantiles_hold_the_share_that_they_say(confidence):
    tail = stats.norm.sf(normal_quantile(confidence))
    assert 1 - 2 * tail == pytest.approx(confidence, abs=1e-12)
    for n in (2, 3, 40):
        assert 1 - 2 * stats.t(n - 1).sf(t_quantile(confidence, n)) == pytest.approx(confidence)
    assert list(t_quantile(confidence, np.array([3, 40]))) == [
        t_quantile(confidence, n) for n in (3, 40)
    ]


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_interval_of_a_mean_is_that_of_scipys_t_test(confidence):
    values = np.random.default_rng(2).normal(3, 2, 7)
    wanted = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    assert t_interval(values, confidence) == pytest.approx(tuple(wanted))
    logs = stats.ttest_rel(np.log(values**2), np.log(values + 9)).confidence_interval(confidence)
    assert ratio(values**2, values + 9, confidence)[1:] == pytest.approx(np.exp(logs))


def test_the_largest_ratio_is_that_of_the_two_farthest_apart():
    values = np.array([[2.0, 3, 4], [4, 7, 7], [3, 5, 4]])
    pair = ratio(values[1], values[0], 0.9)
    estimate, low, high = largest_ratio(values, 0.9)
    assert estimate == pair[0]
    assert high >= pair[2]
    # Six ordered pairs share the ten per cent.
    wanted = [
        stats.ttest_rel(np.log(one), np.log(other)).confidence_interval(1 - 0.1 / 6).low
        for one in values
        for other in values
        if one is not other
    ]
    assert low == pytest.approx(max(1, np.exp(np.nanmax(wanted))))
    assert largest_ratio(np.ones((3, 4)), 0.9) == (1, 1, 1)


def test_the_upper_end_of_the_largest_ratio_may_be_that_of_a_pair_that_varies_more():
    values = np.array([[1, 1, 1], [2, 2.1, 2.05], [1, 4, 1.5]])
    of_pair = {
        (i, j): stats.ttest_rel(np.log(values[i]), np.log(values[j])).confidence_interval(0.9)
        for i in range(3)
        for j in range(3)
        if i != j
    }
    estimate, _, high = largest_ratio(values, 0.9)
    assert estimate == pytest.approx((2 * 2.1 * 2.05) ** (1 / 3))
    assert high == pytest.approx(np.exp(max(ends.high for ends in of_pair.values())))
    assert high > 2 * np.exp(of_pair[1, 0].high)


@pytest.mark.parametrize("means", [(1, 1, 1, 1), (1, 1.01, 1.02, 1.3), (1, 1, 1.6, 1.6)])
def test_the_interval_of_the_largest_ratio_covers_and_begins_at_1(means):
    rng = np.random.default_rng(8)
    below = above = 0
    for _ in range(400):
        seeds = rng.normal(0, 0.1, 3)  # what the conditions of a seed share
        values = np.array(means)[:, None] * np.exp(seeds + rng.normal(0, 0.05, (4, 3)))
        estimate, low, high = largest_ratio(values, 0.9)
        assert 1 <= low <= estimate <= high
        below, above = below + (low > max(means)), above + (high < max(means))
    # A tail of .05 each, and .035 for the chance of 400 draws.
    assert below / 400 <= 0.085
    assert above / 400 <= 0.085


@pytest.mark.parametrize(("successes", "n"), [(0, 9), (1, 9), (5, 9), (9, 9), (40, 1000)])
def test_intervals_of_a_share_are_scipys(successes, n):
    for method, ours in (("wilson", proportion_interval), ("exact", exact_interval)):
        wanted = stats.binomtest(successes, n).proportion_ci(0.9, method=method)
        assert ours(successes, n, 0.9) == pytest.approx(tuple(wanted), abs=1e-12)
    hits = np.arange(n) < successes
    assert share_interval(hits, 0.9) == proportion_interval(successes, n, 0.9)


def test_the_jackknife_of_a_mean_is_students_interval():
    values = np.random.default_rng(4).normal(size=(12, 2))
    left_out = np.stack([np.delete(values, row, axis=0).mean(axis=0) for row in range(12)])
    found = np.stack(jackknife_interval(values.mean(axis=0), left_out, 0.9))
    for column, ends in zip(values.T, found.T, strict=True):
        wanted = stats.t.interval(0.9, 11, column.mean(), stats.sem(column))
        assert tuple(ends) == pytest.approx(wanted)


def test_the_bootstrap_is_scipys_and_can_be_of_percentiles():
    values = np.random.default_rng(5).exponential(size=30)
    for method in ("BCa", "percentile"):
        low, high = bootstrap_interval(
            lambda weights: (weights @ values / 30)[None], 30, 500, 0.9, seed=1, method=method
        )
        wanted = stats.bootstrap(
            (values,),
            np.mean,
            n_resamples=500,
            confidence_level=0.9,
            method=method,
            rng=np.random.default_rng(1),
        ).confidence_interval
        assert (low[0], high[0]) == pytest.approx(tuple(wanted))


def test_sums_and_numbers_of_clusters():
    clusters = np.array([0, 2, 0, 1])
    values = np.arange(8.0).reshape(4, 2)
    assert sums_by(values, clusters, 3).tolist() == [[4, 6], [6, 7], [2, 3]]
    assert (count_clusters(4, clusters), count_clusters(4, None)) == (3, 4)
