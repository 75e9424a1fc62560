"""Tests and their corrections, against scipy's, enumerations and published examples."""

import itertools
from math import comb

import numpy as np
import pytest
from scipy import stats

from modality_gap.measures import significance
from modality_gap.measures.significance import (
    bonferroni,
    change_interval,
    difference_interval,
    holm,
    mcnemar,
    paired_change,
    random_sign_test,
    two_proportion_test,
    two_sided,
)


def test_random_signs_count_the_observed_ones_and_follow_the_seed():
    # Twenty items that all gain: under 99 random signs none gives as much, so p is 1 of 100.
    gains = np.array([np.zeros(20), np.ones(20)])
    assert random_sign_test(gains, 20, 1, 99, seed=0) == (0.01, 0.01)
    rng = np.random.default_rng(0)
    gains = rng.choice([-1, 0, 1], size=(4, 50))
    first, again, other = (random_sign_test(gains, 5, 1, 501, seed) for seed in (1, 1, 2))
    assert first == again != other
    # In parts of a few signs the count is of as many signs.
    whole = significance.SIGNS_AT_ONCE
    try:
        significance.SIGNS_AT_ONCE = 50 * 7
        assert random_sign_test(gains, -51, 1, 501, seed=1) == (1, 1)
        low, _ = random_sign_test(gains, 5, 1, 20_000, seed=1)
    finally:
        significance.SIGNS_AT_ONCE = whole
    # The sum of k signs: its exact tail.
    k = int(np.abs(gains[1]).sum())
    tail = sum(comb(k, ups) for ups in range(k + 1) if 2 * ups - k >= 5) / 2**k
    assert low == pytest.approx(tail, abs=0.012)


def test_holm_is_the_closed_test_of_bonferroni():
    # Each is rejected where every set of hypotheses with it is, by m times the least p.
    rng = np.random.default_rng(0)
    for m in (1, 2, 5):
        p = rng.random(m) ** 3
        wanted = [
            max(
                min(1, len(some) * min(p[j] for j in some))
                for bits in range(1, 2**m)
                if i in (some := [j for j in range(m) if bits >> j & 1])
            )
            for i in range(m)
        ]
        assert holm(p) == pytest.approx(wanted)


def test_a_paired_change_of_nothing_is_nothing():
    same = np.array([True, False, True])
    assert paired_change(same, same, 0.95) == (0, 0, 0)


def test_mcnemar_is_the_exact_binomial_test_on_the_discordant():
    before = np.array([True] * 9 + [False] * 11)
    after = np.array([True] * 7 + [False] * 2 + [True] * 8 + [False] * 3)  # 2 lost, 8 won
    assert mcnemar(before, after) == pytest.approx(2 * stats.binom.cdf(2, 10, 0.5), abs=1e-12)
    assert mcnemar(before, before) == 1.0


def test_mcnemar_over_clusters_is_the_share_of_all_signs():
    rng = np.random.default_rng(0)
    before, after = rng.random(60) < 0.4, rng.random(60) < 0.6
    clusters = np.arange(60) % 11
    net = np.bincount(clusters, after.astype(int) - before.astype(int))
    sums = [abs(np.dot(signs, net)) for signs in itertools.product((1, -1), repeat=11)]
    wanted = np.mean(np.array(sums) >= abs(net.sum()))
    assert mcnemar(before, after, clusters) == pytest.approx(wanted, rel=1e-12)
    assert mcnemar(before, after, np.arange(60)) == mcnemar(before, after)
    # Clusters that change by 2, 3 and 4 up and by 2 down: sums of 7 or more of 11, of 16 signs.
    four = np.repeat([0, 1, 2, 3], [2, 3, 4, 2])
    assert mcnemar(four == 3, four != 3, four) == pytest.approx(6 / 16)
    assert mcnemar(before, before, clusters) == 1


def test_a_paired_change_over_clusters_is_that_of_as_many_changes_as_they_are_worth():
    rng = np.random.default_rng(2)
    before, after = rng.random(40) < 0.5, rng.random(40) < 0.8
    once = paired_change(before, after, 0.95)
    many = paired_change(
        *(np.repeat(side, 5) for side in (before, after)), 0.95, np.repeat(np.arange(40), 5)
    )
    assert many == pytest.approx(once, abs=0.05)
    assert many[2] - many[1] > 0.95 * (once[2] - once[1])
    # Changes of one cluster alone say next to nothing.
    before, after = np.zeros(20, bool), np.arange(20) < 4
    assert paired_change(before, after, 0.95, np.arange(20) // 5)[1] < 0
    assert paired_change(before, after, 0.95)[0] == pytest.approx(0.2)


@pytest.mark.parametrize("confidence", [0.6, 0.95])
def test_a_paired_change_over_clusters_in_plain_numpy(confidence):
    """The clusters of the items that change say how many changes these are worth."""
    rng = np.random.default_rng(4)
    clusters = rng.permutation(np.arange(90) // 6)
    before = rng.random(90) < 0.5
    after = rng.random(90) < rng.choice([0.2, 0.9], 15)[clusters]
    changed = before != after
    up, of = after[changed], clusters[changed]
    names, n = sorted({*of}), changed.sum()
    errors = np.array([(up[of == name] - up.mean()).sum() for name in names])
    k, tail = len(names), (1 - confidence) / 2
    variance = k / (k - 1) * (errors**2).sum() / n**2
    quantiles = stats.norm.isf(tail), stats.t.isf(tail, k - 1)
    worth = up.mean() * (1 - up.mean()) / variance * (quantiles[0] / quantiles[1]) ** 2
    assert k < worth < n
    rises = up.mean() * worth
    ends = (
        stats.beta.ppf(tail, rises, worth - rises + 1),
        stats.beta.isf(tail, rises + 1, worth - rises),
    )
    wanted = after.mean() - before.mean(), *((2 * end - 1) * n / 90 for end in ends)
    assert paired_change(before, after, confidence, clusters) == pytest.approx(wanted)


def test_holm_of_a_worked_example():
    # Smallest first, .005 x 4, .01 x 3, .03 x 2, .04 x 1: .02, .03, .06, .06 (never falling).
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert list(holm(np.array([0.9, 0.8]))) == [1, 1]


def test_newcombes_interval_of_a_published_example():
    # Newcombe (1998), table II, method 10: 9 of 10 against 3 of 10.
    low, high = change_interval(3, 9, 10, 0.95)
    assert (low, high) == pytest.approx((0.1705, 0.8090), abs=5e-5)


@pytest.mark.parametrize("changed", [0, 1, 5, 6, 9, 20])
def test_a_paired_change_leaves_out_0_where_mcnemar_is_significant(changed):
    for up in range(changed + 1):
        # Besides those who change three are offensive both times, and four never.
        before = np.array([False] * up + [True] * (changed - up) + [True] * 3 + [False] * 4)
        after = before ^ (np.arange(len(before)) < changed)
        change, low, high = paired_change(before, after, 0.95)
        assert change == pytest.approx(after.mean() - before.mean())
        assert low <= change <= high
        assert (low > 0 or high < 0) == (mcnemar(before, after) < 0.05)


def test_the_pooled_test_is_the_chi_squared_test():
    counts = np.array([[300, 200], [330, 170]])
    expected = stats.chi2_contingency(counts, correction=False).pvalue
    assert two_proportion_test(0.60, 0.66, 500) == pytest.approx(expected, rel=1e-9)
    assert two_proportion_test(0, 0, 500) == two_proportion_test(1, 1, 500) == 1


def test_interval_covers_the_difference_as_often_as_it_says():
    rng = np.random.default_rng(1)
    before, after = rng.binomial(2000, [[0.6], [0.65]], (2, 1000)) / 2000
    low, high = np.transpose(
        [difference_interval(*pair, 2000, 0.9) for pair in zip(before, after, strict=True)]
    )
    assert np.mean((low <= 0.05) & (high >= 0.05)) == pytest.approx(0.9, abs=0.03)


def test_best_of_40_multiplies_and_stops_at_1():
    assert bonferroni(0.008701, 40) == pytest.approx(0.34804)
    assert bonferroni(0.1, 40) == 1


def test_a_difference_of_known_error_is_held_against_the_normal_distribution():
    for difference, variance in ((0.3, 0.02), (-0.3, 0.02), (0.0, 1.0)):
        p = 2 * stats.norm.sf(abs(difference), scale=np.sqrt(variance))
        assert two_sided(difference, variance) == pytest.approx(p)
    assert two_sided(0.0, 0.0) == 1


def test_the_sign_test_of_two_shifts_is_scipys_permutation_test():
    gains = np.random.default_rng(6).integers(-1, 2, (2, 11))
    exact = stats.permutation_test(
        (gains[1],),
        np.sum,
        permutation_type="samples",
        n_resamples=2**11,
        alternative="greater",
    )
    alone, best = random_sign_test(gains, gains[1].sum(), 1, 40_000, seed=0)
    assert alone == pytest.approx(exact.pvalue, abs=0.01)
    assert best >= alone


def test_a_difference_of_shares_has_walds_interval():
    # Of 500 each .60 and .66: the error is sqrt((.24 + .2244) / 500) = .030476.
    low, high = difference_interval(0.60, 0.66, 500, 0.95)
    margin = 1.959964 * 0.030476
    assert (low, high) == pytest.approx((0.06 - margin, 0.06 + margin), abs=1e-5)
