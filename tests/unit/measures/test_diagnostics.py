"""What is measured beside the gap, against closed forms, plain loops and the released features."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist

from modality_gap.embeddings.sets import normalise
from modality_gap.errors import InputError
from modality_gap.measures.diagnostics import QUANTITIES, diagnostics, effective_dimension
from modality_gap.measures.gap import gap
from modality_gap.measures.gap_intervals import gap_interval
from modality_gap.measures.intervals import bootstrap_interval, draws
from modality_gap.measures.registry import Pairs
from modality_gap.measures.tables import measure_diagnostics


def measure(x, y, resamples, confidence, seed, clusters=None):
    return measure_diagnostics(Pairs(x, y, confidence, len(x), seed, clusters, resamples))


@pytest.fixture
def cloud() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x = normalise(rng.normal(size=(60, 8)) + np.linspace(0, 2, 8))
    return x, normalise(x + 0.4 * rng.normal(size=(60, 8)) - 0.3)


def values_of(x, y, weights):
    names, values = list(QUANTITIES), diagnostics(x, y)
    return dict(zip(names, values(weights), strict=True))


def test_estimates_are_those_of_the_plain_formulas(cloud):
    x, y = cloud
    found = {name: v[0] for name, v in values_of(x, y, np.ones((1, 60))).items()}
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
    assert found["uniformity_a"] == pytest.approx(np.log(np.exp(4 * cosines - 4).mean()), abs=1e-12)
    within = np.mean([[1 - side[i] @ side[j] for i, j in pairs] for side in (x, y)])
    partners = np.mean([1 - x[i] @ y[i] for i in drawn])
    assert found["rmg"] == pytest.approx(partners / (within + partners), abs=1e-12)


def test_a_resample_of_clusters_counts_as_the_items_they_hold(cloud):
    x, y = cloud
    clusters = np.arange(60) % 13
    drawn = np.random.default_rng(8).integers(0, 13, size=13)
    names, values = list(QUANTITIES), diagnostics(x, y, clusters)
    found = dict(zip(names, values(draws(drawn[None], 13))[:, 0], strict=True))
    # Each copy of a cluster brings its items; items of two copies of one cluster are no pair.
    items = [(copy, item) for copy in range(13) for item in np.flatnonzero(clusters == drawn[copy])]
    pairs = [
        (i, j)
        for (one, i), (other, j) in itertools.combinations(items, 2)
        if one == other or drawn[one] != drawn[other]
    ]
    for side, name in ((x, "uniformity_a"), (y, "uniformity_b")):
        cosines = np.array([side[i] @ side[j] for i, j in pairs])
        assert found[name] == pytest.approx(np.log(np.exp(4 * cosines - 4).mean()), abs=1e-12)
    within = np.mean([[1 - side[i] @ side[j] for i, j in pairs] for side in (x, y)])
    partners = np.mean([1 - x[i] @ y[i] for _, i in items])
    assert found["rmg"] == pytest.approx(partners / (within + partners), abs=1e-12)


def test_rows_of_a_cluster_that_are_one_item_are_compared_with_other_items_alone(cloud):
    """Pictures with three captions each: of each resample of pictures too."""
    x, clusters = np.repeat(cloud[0][:20], 3, axis=0), np.repeat(np.arange(20), 3)
    y = cloud[1]
    rng = np.random.default_rng(0)
    weights = np.concatenate([np.ones((1, 20)), rng.multinomial(20, np.full(20, 1 / 20), 3)])
    found = dict(zip(QUANTITIES, diagnostics(x, y, clusters)(weights), strict=True))
    for row, times in enumerate(weights.astype(int)):
        pairs = [(i, j) for i in range(60) for j in range(60) if i != j]
        potentials, counts = {"a": 0.0, "b": 0.0}, {"a": 0, "b": 0}
        for i, j in pairs:
            one, other = clusters[i], clusters[j]
            # A picture that was drawn twice is not compared with its copy.
            often = times[one] * times[other] if one != other else times[one]
            for side, rows in (("a", x), ("b", y)):
                if side == "b" or one != other:
                    potentials[side] += often * np.exp(-2 * ((rows[i] - rows[j]) ** 2).sum())
                    counts[side] += often
        for side in "ab":
            wanted = np.log(potentials[side] / counts[side])
            assert found[f"uniformity_{side}"][row] == pytest.approx(wanted, abs=1e-9)


def test_intervals_over_clusters_are_wider_where_items_repeat(cloud):
    x, y = (np.repeat(side, 4, axis=0) for side in cloud)
    rng = np.random.default_rng(0)
    x, y = (normalise(side + 0.01 * rng.normal(size=side.shape)) for side in (x, y))
    clusters = np.repeat(np.arange(60), 4)
    alone, together = measure(x, y, 999, 0.95, 0), measure(x, y, 999, 0.95, 0, clusters)
    once = measure(*cloud, 999, 0.95, 0)
    assert (together["n"], together["clusters"], once["clusters"]) == (240, 60, 60)
    widths = [row["rmg_high"] - row["rmg_low"] for row in (alone, together, once)]
    assert widths[0] < 0.6 * widths[1]
    assert widths[1] == pytest.approx(widths[2], rel=0.15)


def test_too_few_pairs_or_clusters_are_refused_in_a_sentence(cloud):
    x, y = cloud
    with pytest.raises(InputError, match="need 6 pairs, but the set has only 5"):
        measure(x[:5], y[:5], 100, 0.95, 0)
    with pytest.raises(InputError, match="need 6 clusters of pairs, but the set has only 3"):
        measure(x, y, 100, 0.95, 0, np.arange(60) % 3)
    assert np.isfinite(list(measure(x[:6], y[:6], 1000, 0.95, 0).values())).all()


def test_intervals_are_those_of_scipy_on_the_values_themselves(cloud):
    x, y = cloud
    hits = np.square(x - y).sum(axis=1)
    plain = stats.bootstrap(
        (hits,), np.mean, n_resamples=999, batch=512, rng=np.random.default_rng(5), vectorized=True
    ).confidence_interval
    names, values = list(QUANTITIES), diagnostics(x, y)
    low, high = bootstrap_interval(values, 60, 999, 0.95, seed=5)
    row = names.index("alignment")
    assert (low[row], high[row]) == pytest.approx((plain.low, plain.high), abs=1e-10)


def test_intervals_are_the_same_each_time_and_each_quantity_has_one_in_a_run(cloud):
    row = measure(*cloud, 500, 0.95, seed=0)
    assert measure(*cloud, 500, 0.95, seed=0) == row
    assert row["gap"] == gap(*cloud)
    # gap.csv has those of the gap, of mean cosines and of recall.
    with_interval = {name.removesuffix("_low") for name in row if name.endswith("_low")}
    assert with_interval == {"rmg", "alignment", "uniformity_a", "uniformity_b"}


def test_relative_gap_covers_as_often_as_it_says():
    # In 64 dimensions, of 60 pairs; BCa at 90 %.
    rng = np.random.default_rng(0)

    def sample(n):
        common = rng.normal(size=(n, 64))
        x, y = (normalise(common + 2 * rng.normal(size=(n, 64)) + shift) for shift in (1, -1))
        return x, y

    names, values = list(QUANTITIES), diagnostics(*sample(4000))
    truth = values(np.ones((1, 4000)))[:, 0]
    covered = np.zeros(len(names))
    for seed in range(150):
        values = diagnostics(*sample(60))
        low, high = bootstrap_interval(values, 60, 300, 0.9, seed)
        covered += (low <= truth) & (truth <= high)
    # Of 150 draws 90 % +- 3 standard errors.
    assert (covered / 150 > 0.826).all()
    assert (covered / 150 < 0.974).all()


def test_where_every_item_is_alike_the_interval_is_a_point_and_not_a_hole():
    poles = np.tile([1.0, 0, 0, 0], (20, 1))
    row = measure(poles, -poles, 200, 0.95, seed=0)
    assert (row["rmg"], row["rmg_low"], row["rmg_high"]) == (1, 1, 1)
    assert np.isfinite(list(row.values())).all()
    row = measure(poles, poles, 200, 0.95, seed=0)
    assert (row["gap"], row["rmg"], row["rmg_low"], row["alignment"]) == (0, 0, 0, 0)
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
    ends = [gap_interval(*released(name), 0.95) for name in rows]
    assert ends[0][0] > ends[1][1]
    assert trained["rmg"] < random["rmg"] < trained["rmg_high"]
