"""The gap and its companions, against paper.md's table of the released features."""

import numpy as np
import pytest

from modality_gap.embedding_set import normalise
from modality_gap.gap import (
    gap,
    gap_interval,
    gap_vector,
    largest_share,
    linear_separability,
    mean_cosine,
    mean_cosine_interval,
    proportion_interval,
    recall_at,
)

# set: gap, mean cosine a, b, recall@1 a>b, b>a, share of the five largest dimensions. Measured on
# the authors' released features by two independent computations.
RELEASED = {
    "clip": (0.8514, 0.5315, 0.5152, 0.552, 0.506, 0.755),
    "clip_random": (1.1361, 0.6814, 0.6635, 0.002, 0.002, 0.079),
    "videoclip": (1.0669, 0.6889, 0.4947, 0.37, 0.24, 0.369),
    "videoclip_random": (0.9544, 0.4440, 0.8402, 0.00, 0.01, 0.066),
    "convirt": (0.8231, 0.7641, 0.1316, 0.006, 0.022, 0.223),
    "convirt_random": (1.4030, 0.9956, 0.9011, 0.002, 0.000, 0.088),
    "clasp": (1.0447, 0.6072, 0.7050, 0.030, 0.000, 0.318),
    "clasp_random": (1.2893, 1.0000, 1.0000, 0.010, 0.010, 0.051),
}


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


def test_jackknife_interval_is_that_of_leaving_rows_out_one_by_one(cloud):
    from scipy import stats

    x, y = cloud
    n = len(x)
    for interval, estimate, function in (
        (gap_interval(x, y, 0.95), gap(x, y), lambda keep: gap(x[keep], y[keep])),
        (mean_cosine_interval(x, 0.95), mean_cosine(x), lambda keep: mean_cosine(x[keep])),
    ):
        without = np.array([function(np.arange(n) != row) for row in range(n)])
        error = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
        margin = stats.t.ppf(0.975, n - 1) * error
        assert interval == pytest.approx((estimate - margin, estimate + margin), abs=1e-10)


def test_gap_interval_covers_the_true_gap_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    centre = np.array([1.0, 0.5, -0.5])

    def sample(n):
        x = normalise(centre + 0.5 * rng.normal(size=(n, 3)))
        y = normalise(-centre + 0.5 * rng.normal(size=(n, 3)))
        return x, y

    truth = gap(*sample(400_000))
    covered = [
        low < truth < high for low, high in (gap_interval(*sample(80), 0.9) for _ in range(300))
    ]
    assert 0.85 < np.mean(covered) < 0.95


def test_recall_counts_the_partner_among_the_nearest():
    x = np.eye(4)
    y = np.eye(4)[[0, 1, 3, 2]]  # the last two exchanged
    assert recall_at(x, y, 1) == (0.5, 0.5)
    assert recall_at(x, y, 4) == (1.0, 1.0)
    # On the circle, at these degrees: 10 is nearer to 0 than to its partner at 25.
    one, other = (
        np.stack([np.cos(angles), np.sin(angles)], axis=1)
        for angles in np.radians([[25, 0], [10, 5]])
    )
    assert recall_at(one, other, 1) == (1.0, 0.5)


def test_recall_of_identical_vectors_is_chance():
    x = np.ones((50, 3)) / np.sqrt(3)
    assert recall_at(x, x, 1) == pytest.approx((1 / 50, 1 / 50))


def test_recall_does_not_depend_on_the_tile(cloud):
    x, y = cloud
    assert recall_at(x, y, 3, tile=7) == recall_at(x, y, 3)


def test_separability_is_one_for_far_clouds_and_half_for_the_same(cloud):
    x, _ = cloud
    rng = np.random.default_rng(1)
    same = normalise(rng.normal(size=(400, 4))), normalise(rng.normal(size=(400, 4)))
    assert linear_separability(x, -x, seed=0)[0] == 1.0
    accuracy, scored = linear_separability(*same, seed=0)
    assert scored == 400
    assert 0.4 < accuracy < 0.6


def test_wilson_interval_of_a_published_example():
    # Newcombe (1998), table I: 81 of 263, 95 %: .2553 to .3662.
    assert proportion_interval(81, 263, 0.95) == pytest.approx((0.2553, 0.3662), abs=5e-5)
