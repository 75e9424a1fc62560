"""What is measured beside the gap, against closed forms, plain loops and the released features."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist

from modality_gap.diagnostics import (
    bootstrap_interval,
    diagnostics,
    draws,
    effective_dimension,
    measure,
)
from modality_gap.embedding_set import normalise
from modality_gap.gap import gap, gap_interval, mean_cosine, mean_cosine_interval


@pytest.fixture
def cloud() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x = normalise(rng.normal(size=(60, 8)) + np.linspace(0, 2, 8))
    return x, normalise(x + 0.4 * rng.normal(size=(60, 8)) - 0.3)


def values_of(x, y, weights):
    names, values = diagnostics(x, y)
    return dict(zip(names, values(weights), strict=True))


def test_draws_count_each_item_of_each_resample():
    counts = draws(np.array([[0, 0, 2], [3, 1, 0]]), 4)
    np.testing.assert_array_equal(counts, [[2, 0, 1, 0], [1, 1, 0, 1]])


def test_estimates_are_those_of_the_plain_formulas(cloud):
    x, y = cloud
    found = {name: v[0] for name, v in values_of(x, y, np.ones((1, 60))).items()}
    assert found["gap"] == pytest.approx(gap(x, y), abs=1e-12)
    assert found["mean_cosine_a"] == pytest.approx(mean_cosine(x), abs=1e-12)
    assert found["mean_cosine_b"] == pytest.approx(mean_cosine(y), abs=1e-12)
    for direction, cosines in (("ab", x @ y.T), ("ba", y @ x.T)):
        nearest = cosines.argmax(axis=1)
        assert found[f"recall1_{direction}"] == pytest.approx((nearest == np.arange(60)).mean())
    assert found["alignment"] == pytest.approx(np.square(x - y).sum(axis=1).mean(), abs=1e-12)
    # Wang and Isola's own form, over pdist.
    for side, vectors in (("a", x), ("b", y)):
        wanted = np.log(np.exp(-2 * pdist(vectors, "sqeuclidean")).mean())
        assert found[f"uniformity_{side}"] == pytest.approx(wanted, abs=1e-12)
    partners = np.mean([(1 - a @ b) / 2 for a, b in zip(x, y, strict=True)])
    within = (pdist(x, "cosine").mean() / 2 + pdist(y, "cosine").mean() / 2) / 2
    assert found["rmg"] == pytest.approx(partners / (within + partners), abs=1e-12)


def test_relative_gap_at_its_ends():
    rng = np.random.default_rng(0)
    x = normalise(rng.normal(size=(30, 5)))
    assert values_of(x, x, np.ones((1, 30)))["rmg"] == pytest.approx(0, abs=1e-12)
    poles = np.tile([1.0, 0, 0, 0, 0], (30, 1))
    assert values_of(poles, -poles, np.ones((1, 30)))["rmg"] == pytest.approx(1, abs=1e-12)


def test_uniformity_of_the_sphere_is_the_closed_form():
    # On the sphere in 3-D the cosine of two points is uniform, so the mean of exp(4 c - 4) is
    # (1 - exp(-8)) / 8.
    x = normalise(np.random.default_rng(1).normal(size=(3000, 3)))
    found = values_of(x[:1500], x[1500:], np.ones((1, 1500)))
    for side in "ab":
        assert found[f"uniformity_{side}"][0] == pytest.approx(
            np.log((1 - np.exp(-8)) / 8), abs=0.02
        )


def test_a_resample_counts_as_the_pairs_it_draws_of_different_items(cloud):
    x, y = cloud
    drawn = np.random.default_rng(8).integers(0, 60, size=60)
    found = {name: v[0] for name, v in values_of(x, y, draws(drawn[None], 60)).items()}
    pairs = [(i, j) for i, j in itertools.combinations(drawn, 2) if i != j]
    cosines = np.array([x[i] @ x[j] for i, j in pairs])
    assert len(pairs) < 60 * 59 / 2
    assert found["mean_cosine_a"] == pytest.approx(cosines.mean(), abs=1e-12)
    assert found["uniformity_a"] == pytest.approx(np.log(np.exp(4 * cosines - 4).mean()), abs=1e-12)
    assert found["gap"] == pytest.approx(gap(x[drawn], y[drawn]), abs=1e-12)
    hits = [np.argmax(y @ x[i]) == i for i in drawn]
    assert found["recall1_ab"] == pytest.approx(np.mean(hits), abs=1e-12)


def test_intervals_are_those_of_scipy_on_the_values_themselves(cloud):
    x, y = cloud
    hits = np.square(x - y).sum(axis=1)
    plain = stats.bootstrap(
        (hits,), np.mean, n_resamples=999, batch=512, rng=np.random.default_rng(5), vectorized=True
    ).confidence_interval
    names, values = diagnostics(x, y)
    low, high = bootstrap_interval(values, 60, 999, 0.95, seed=5)
    row = names.index("alignment")
    assert (low[row], high[row]) == pytest.approx((plain.low, plain.high), abs=1e-10)


def test_intervals_are_near_the_jackknifes_and_the_same_each_time(cloud):
    x, y = cloud
    row = measure(x, y, 2000, 0.95, seed=0)
    for name, (low, high) in (
        ("gap", gap_interval(x, y, 0.95)),
        ("mean_cosine_a", mean_cosine_interval(x, 0.95)),
    ):
        width = high - low
        assert row[f"{name}_low"] == pytest.approx(low, abs=0.2 * width)
        assert row[f"{name}_high"] == pytest.approx(high, abs=0.2 * width)
    assert measure(x, y, 2000, 0.95, seed=0) == row


def test_bca_covers_a_small_gap_which_the_percentile_interval_misses():
    # Noise in many dimensions makes the mean's length too long, and resampling once more so.
    rng = np.random.default_rng(0)
    dim, n, length = 40, 60, 0.6  # the estimate is too long by about its standard error

    def statistic_of(difference):
        return lambda w: np.linalg.norm(w @ difference, axis=1)[None] / w.sum(axis=1)

    covered = {"BCa": 0, "percentile": 0}
    for seed in range(60):
        difference = rng.normal(size=(n, dim)) * 0.2
        difference[:, 0] += length
        for method in covered:
            low, high = bootstrap_interval(statistic_of(difference), n, 400, 0.9, seed, method)
            covered[method] += bool(low[0] < length < high[0])
    assert covered["BCa"] >= 45
    assert covered["BCa"] > covered["percentile"] + 12


def test_where_no_item_is_found_the_interval_is_a_point_and_not_a_hole():
    x = np.repeat(np.eye(4), 5, axis=0)
    row = measure(x, -x, 200, 0.95, seed=0)
    assert (row["recall1_ab"], row["recall1_ab_low"], row["recall1_ab_high"]) == (0, 0, 0)
    assert np.isfinite(list(row.values())).all()


def test_effective_dimension_counts_components_of_known_variance():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    scores = np.linalg.qr(rng.normal(size=(200, 12)))[0]
    scores -= scores.mean(axis=0)
    scores = np.linalg.qr(scores)[0]
    # Shares .5, .3, .15, .045 and .005: .95 after three, .995 after four.
    x = scores[:, :5] * np.sqrt([0.5, 0.3, 0.15, 0.045, 0.005]) @ basis[:5] + 7
    assert effective_dimension(x) == 4
    assert effective_dimension(x, 0.9) == 3
    assert effective_dimension(x, 0.999) == 5
    assert effective_dimension(x, 0.4) == 1


def test_effective_dimensions_of_the_released_clip_features(released):
    # The two quoted numbers are the image and the text side of the random weights, centred.
    x, y = released("clip_random")
    assert (effective_dimension(x), effective_dimension(y)) == (25, 230)
    # Trained: counted from the eigenvalues of the covariance.
    x, y = released("clip")
    for side in (x, y):
        variances = np.linalg.eigvalsh(np.cov(side.T))[::-1]
        wanted = int((np.cumsum(variances) / variances.sum() < 0.99).sum()) + 1
        assert effective_dimension(side) == wanted > 250


def test_videoclips_gap_is_wider_trained_and_its_relative_gap_is_not(released):
    rows = {
        name: measure(*released(name), 500, 0.95, 0) for name in ("videoclip", "videoclip_random")
    }
    trained, random = rows["videoclip"], rows["videoclip_random"]
    assert trained["gap_low"] > random["gap_high"]
    assert trained["rmg"] < random["rmg"] < trained["rmg_high"]
