"""The gap and its companions, against paper.md's table of the released features."""

import itertools

import numpy as np
import pytest
from scipy import stats

from modality_gap.embeddings.sets import normalise
from modality_gap.errors import InputError
from modality_gap.measures.gap import (
    gap,
    gap_vector,
    largest_share,
    mean_cosine,
)
from modality_gap.measures.gap_intervals import (
    gap_interval,
    gap_squared_interval,
    mean_cosine_interval,
    measure_gap,
    squared_interval,
)
from modality_gap.measures.intervals import share_interval
from modality_gap.measures.pair_sums import gap_of, sum_pairs
from modality_gap.measures.retrieval import recall_at
from modality_gap.measures.separability import linear_separability

# set: gap, mean cosine a, b, recall@1 a>b, b>a, share of the five largest dimensions. Measured on
# the authors' released features by two independent computations.
RELEASED = {
    "clip": (0.8514, 0.5315, 0.5152, 0.552, 0.506, 0.755),
    "clip_random": (1.1361, 0.6814, 0.6635, 0.002, 0.002, 0.079),
    "videoclip": (1.0669, 0.6889, 0.4947, 0.37, 0.24, 0.369),
    "videoclip_random": (0.9544, 0.4440, 0.8402, 0.00, 0.01, 0.066),
    "convirt": (0.8231, 0.7641, 0.1316, 0.006, 11 / 443, 0.223),  # 57 of 500 texts repeat
    "convirt_random": (1.4030, 0.9956, 0.9011, 0.002, 0.000, 0.088),
    "clasp": (1.0447, 0.6072, 0.7050, 0.030, 0.000, 0.318),
    "clasp_random": (1.2893, 1.0000, 1.0000, 0.010, 0.010, 0.051),
}


@pytest.mark.parametrize(("apart", "found"), [(1e-4, True), (1e-10, True), (1e-14, False)])
def test_a_gap_is_0_where_it_is_rounding_and_no_sooner(apart, found):
    """Vectors turned by a small angle, about an axis that is orthogonal to all of them."""
    x = np.eye(4)[[0, 0, 1]]
    y = normalise(x + apart * np.eye(4)[3])
    sums = sum_pairs(x, y)
    for length in (gap(x, y), gap_of(sums), measure_gap(x, y, 0.9)["gap"]):
        assert length == (pytest.approx(apart, rel=1e-4) if found else 0)


@pytest.mark.parametrize("name", RELEASED)
def test_released_features_give_the_published_table(released, name):
    x, y = released(name)
    published = RELEASED[name]
    assert gap(x, y) == pytest.approx(published[0], abs=6e-5)
    assert mean_cosine(x) == pytest.approx(published[1], abs=6e-5)
    assert mean_cosine(y) == pytest.approx(published[2], abs=6e-5)
    # Printed to three decimals where n is 500 and to two or three where n is about 100.
    assert recall_at(x, y, 1) == pytest.approx(published[3:5], abs=6e-4)
    assert largest_share(gap_vector(x, y)) == pytest.approx(published[5], abs=6e-4)


@pytest.fixture
def cloud() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x = normalise(rng.normal(size=(60, 8)) + np.linspace(0, 2, 8))
    y = normalise(x + 0.4 * rng.normal(size=(60, 8)) - 0.3)
    return x, y


def test_mean_cosine_equals_the_mean_over_all_pairs(cloud):
    x, _ = cloud
    pairs = (x @ x.T)[~np.eye(len(x), dtype=bool)]
    assert mean_cosine(x) == pytest.approx(pairs.mean(), abs=1e-12)


def test_jackknife_interval_is_that_of_leaving_items_or_clusters_out_one_by_one(cloud):
    x, _ = cloud
    for clusters in (None, np.arange(60) % 23):
        codes = np.arange(60) if clusters is None else clusters
        n = codes.max() + 1
        without = np.array([mean_cosine(x[codes != code]) for code in range(n)])
        error = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
        margin = stats.t.ppf(0.975, n - 1) * error
        wanted = mean_cosine(x) - margin, mean_cosine(x) + margin
        assert mean_cosine_interval(x, 0.95, clusters) == pytest.approx(wanted, abs=1e-10)


def squared_interval_in_plain_steps(rows, confidence):
    """The debiased squared length of the mean of rows (n, d) and its interval, with every pair,
    three and four different rows visited."""
    n = len(rows)
    products = rows @ rows.T
    estimate = products[~np.eye(n, dtype=bool)].mean()
    # tr S^2 without bias: a quarter of the mean of ((a - b)'(c - d))^2 over four different rows.
    squares = [
        (products[a, c] - products[a, d] - products[b, c] + products[b, d]) ** 2
        for a, b, c, d in itertools.permutations(range(n), 4)
    ]
    centre, covariance = rows.mean(axis=0), np.cov(rows.T)
    squared_trace = np.mean(squares) / 4 if n > 3 else (covariance**2).sum()
    second = 2 * squared_trace / (n * (n - 1))
    length = centre @ centre
    half = max(0, estimate) / length / 2
    ratio = centre @ covariance @ centre - half * squared_trace / n
    ratio /= length - half * np.trace(covariance) / n
    quantile = stats.t.ppf((1 + confidence) / 2, n - 1)
    # Ends: where (estimate - t)^2 = quantile^2 (4 t ratio / n + second).
    ends = np.roots(
        [
            1,
            -2 * estimate - 4 * quantile**2 * ratio / n,
            estimate**2 - quantile**2 * second,
        ]
    )
    return estimate, *sorted(ends.real)


@pytest.mark.parametrize("dim", [4, 30])  # fewer dimensions than pairs, and more
def test_the_squared_gap_and_its_interval_in_plain_steps(dim):
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 12, dim)) + 1
    y -= 1.5
    found = gap_squared_interval(x, y, 0.9)
    assert found == pytest.approx(squared_interval_in_plain_steps(x - y, 0.9), rel=1e-9)
    # Clusters of equal size are pairs of their own: their means.
    clusters = np.repeat(np.arange(12), 3)
    order = rng.permutation(36)
    many = [np.repeat(side, 3, axis=0) for side in (x, y)]
    many = [side + rng.normal(size=side.shape) for side in many]
    means = (many[0] - many[1]).reshape(12, 3, dim).mean(axis=1)
    found = gap_squared_interval(*(side[order] for side in many), 0.9, clusters[order])
    assert found == pytest.approx(squared_interval_in_plain_steps(means, 0.9), rel=1e-9)


@pytest.mark.parametrize("n", [2, 3, 4])  # of up to three there are no four different rows
def test_the_squared_gap_of_very_few_pairs_has_an_interval(n):
    x, y = np.random.default_rng(n).normal(size=(2, n, 5)) + np.array([2, -2])[:, None, None]
    found = gap_squared_interval(x, y, 0.9)
    assert found == pytest.approx(squared_interval_in_plain_steps(x - y, 0.9), rel=1e-9)


@pytest.mark.parametrize(
    ("length", "along", "ratio"),
    [
        (0.01, 0.002, 0.2),  # below the bias of .05: no noise to subtract from the variance
        (1e-20, 2e-21, 0.2),  # short, but a direction
        (1e-26, 2e-27, 0.0),  # rounding, which has no direction
        (4.0, 0.008, 0.0),  # the noise's share is more than what varies along the gap
    ],
)
def test_the_variance_along_a_gap_that_noise_hides(length, along, ratio):
    estimate, low, high = squared_interval(length, along, 0.5, 0.2, 10, 0.9)
    assert estimate == pytest.approx(length - 0.05)
    t = stats.t.ppf(0.95, 9)
    # Ends: where (estimate - t)^2 = quantile^2 (4 t ratio / n + 2 tr S^2 / (n (n - 1))).
    middle, second = estimate + 2 * t**2 * ratio / 10, 2 * 0.2 / 90
    ends = np.roots([1, -2 * middle, estimate**2 - t**2 * second])
    assert (low, high) == pytest.approx(tuple(sorted(ends.real)), abs=1e-12)


def test_a_squared_gap_that_is_surely_below_0_is_a_gap_of_0():
    rows = np.random.default_rng(1).normal(size=(10, 64))
    rows -= rows.mean(axis=0)
    found = measure_gap(rows, np.zeros((10, 64)), 0.95)
    assert found["gap_squared_high"] < 0
    assert (found["gap_low"], found["gap_high"]) == (0, 0)
    assert gap_interval(rows, np.zeros((10, 64)), 0.95) == (0, 0)


def test_an_interval_that_no_squared_gap_fits_is_a_point():
    _, low, high = squared_interval(1e-6, 1e-6 / 64, 1.0, 1 / 64, 10, 0.9)
    assert low == high > -0.1


def test_the_gaps_interval_is_the_root_of_that_of_its_square(cloud):
    found = measure_gap(*cloud, 0.95)
    assert found["gap"] == gap(*cloud)
    assert found["gap_low"] == pytest.approx(found["gap_squared_low"] ** 0.5)
    assert found["gap_high"] == pytest.approx(found["gap_squared_high"] ** 0.5)
    assert gap_interval(*cloud, 0.95) == (found["gap_low"], found["gap_high"])
    # Two halves of one cloud: there may be no gap at all, and the squared one may be negative.
    x = normalise(np.random.default_rng(0).normal(size=(200, 30)))
    closed = measure_gap(x[:100], x[100:], 0.95)
    assert closed["gap"] > 0.1
    assert closed["gap_squared_low"] < 0 < closed["gap_squared_high"] < 0.03
    assert closed["gap_low"] == 0


SPECTRUM = 0.9 * np.arange(1, 65) ** -0.25 / np.sqrt((np.arange(1, 65) ** -0.5).sum())


def draw_differences(rng, n, length, cluster_share=0.0, clusters=None):
    """Differences of pairs (n, 64) about a mean of this length, of total variance .81, of which a
    share is common to a cluster."""
    noise = rng.standard_normal((n, 64), dtype=np.float32).astype(np.float64)
    if clusters is not None:
        common = rng.standard_normal((clusters.max() + 1, 64))[clusters]
        noise = np.sqrt(1 - cluster_share) * noise + np.sqrt(cluster_share) * common
    noise *= SPECTRUM
    return noise + length / 8


@pytest.mark.parametrize("length", [0.5, 0.03])
@pytest.mark.parametrize(("n", "draws"), [(50, 1500), (415, 1000), (5000, 400)])
def test_gap_interval_covers_the_true_gap_as_often_as_it_says(n, draws, length):
    rng = np.random.default_rng(n)
    nothing = np.zeros((n, 64))
    ends = np.array(
        [gap_interval(draw_differences(rng, n, length), nothing, 0.95) for _ in range(draws)]
    )
    covered = (ends[:, 0] <= length) & (length <= ends[:, 1])
    assert 0.93 <= covered.mean() <= 0.97


@pytest.mark.parametrize("length", [0.5, 0.03])
def test_intervals_over_clusters_cover_where_those_over_pairs_do_not(length):
    rng = np.random.default_rng(7)
    clusters = np.sort(np.concatenate([np.arange(150), rng.integers(0, 150, 265)]))
    _, clusters = np.unique(rng.permutation(150)[clusters], return_inverse=True)
    nothing, covered, of_pairs = np.zeros((415, 64)), 0, 0
    for _ in range(800):
        rows = draw_differences(rng, 415, length, 0.7, clusters)
        low, high = gap_interval(rows, nothing, 0.95, clusters)
        covered += low <= length <= high
        low, high = gap_interval(rows, nothing, 0.95)
        of_pairs += low <= length <= high
    assert 0.93 <= covered / 800 <= 0.975
    assert of_pairs / 800 < 0.9


def test_an_interval_of_one_unit_is_refused_in_a_sentence(cloud):
    x, y = cloud
    for compute in (
        lambda: gap_interval(x, y, 0.95, np.zeros(60, int)),
        lambda: gap_interval(x[:1], y[:1], 0.95),
        lambda: mean_cosine_interval(x, 0.95, np.zeros(60, int)),
        lambda: mean_cosine_interval(x[:1], 0.95),
        lambda: share_interval(x[:, 0] > 0, 0.95, np.zeros(60, int)),
    ):
        with (
            np.errstate(all="ignore"),
            pytest.raises(InputError, match="needs two pairs, or two clusters"),
        ):
            compute()


def test_separability_is_one_for_far_clouds_and_half_for_the_same(cloud):
    x, _ = cloud
    rng = np.random.default_rng(1)
    same = normalise(rng.normal(size=(400, 4))), normalise(rng.normal(size=(400, 4)))
    assert linear_separability(x, -x, seed=0) == 1.0
    assert 0.4 < linear_separability(*same, seed=0) < 0.6
