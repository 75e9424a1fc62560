"""Pictures of a space in the plane: UMAP as configured, components and shares, tables of both."""

import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from modality_gap.embeddings.sets import EmbeddingSet, normalise
from modality_gap.measures import initialisations, projection, shift_path
from modality_gap.measures.projection import (
    nearest_neighbours,
    pair_svd_2d,
    pair_umap_2d,
    principal_components,
    umap_2d,
)


@pytest.fixture
def umap_calls(monkeypatch):
    """What UMAP is made with; it places row i at (i, -i)."""
    calls = []

    class Recorder:
        def __init__(self, **settings):
            calls.append(settings)

        def fit_transform(self, x):
            calls[-1]["rows"] = np.asarray(x)
            warnings.warn("n_jobs value 1 overridden to 1 by setting random_state", stacklevel=1)
            return np.stack([np.arange(len(x)), -np.arange(len(x))], axis=1).astype(float)

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Recorder))
    return calls


def test_umap_is_seeded_and_by_cosine(umap_calls, recwarn):
    x = np.random.default_rng(0).normal(size=(9, 4))
    umap_2d(x, n_neighbors=5, min_dist=0.3, seed=8)
    umap_2d(x, n_neighbors=50, min_dist=0.1, seed=9)
    told, fewer = umap_calls
    assert (told["metric"], told["random_state"], told["n_jobs"]) == ("cosine", 8, 1)
    assert (told["n_neighbors"], told["min_dist"]) == (5, 0.3)
    # No more neighbours than there are others.
    assert (fewer["n_neighbors"], fewer["random_state"]) == (8, 9)
    np.testing.assert_array_equal(told["rows"], x)
    assert not list(recwarn)  # a seed keeps it to one thread, as is wanted


def test_umap_of_pairs_tells_the_sides_apart(umap_calls):
    x, y = np.random.default_rng(0).normal(size=(2, 4, 3))
    points = pair_umap_2d(x, y, {"n_neighbors": 3, "min_dist": 0.2}, seed=5)
    assert umap_calls[0]["random_state"] == 5
    np.testing.assert_array_equal(umap_calls[0]["rows"], [*x, *y])
    assert points["side"].tolist() == ["a"] * 4 + ["b"] * 4
    assert points["umap_1"].tolist() == list(range(8))
    assert points["umap_2"].tolist() == [-i for i in range(8)]


def test_identical_rows_of_a_side_are_one_point(umap_calls):
    a, b, c, d, e = np.random.default_rng(1).normal(size=(5, 3))
    settings = {"n_neighbors": 3, "min_dist": 0.2}
    points = pair_umap_2d(np.stack([a, b, a, c]), np.stack([d, a, d, e]), settings, seed=5)
    np.testing.assert_array_equal(umap_calls[0]["rows"], [a, b, c, d, a, e])
    assert points["umap_1"].tolist() == [0, 1, 0, 2, 3, 4, 3, 5]


def test_umap_is_given_the_neighbours_of_many_points_alone(umap_calls, monkeypatch):
    monkeypatch.setattr(projection, "EXACT_FROM", 9)
    x = normalise(np.random.default_rng(0).normal(size=(9, 4)))
    for n in (8, 9):
        umap_2d(x[:n], n_neighbors=5, min_dist=0.3, seed=8)
    few, many = (call["precomputed_knn"] for call in umap_calls)
    assert few == (None, None, None)
    np.testing.assert_array_equal(many[0], np.argsort(-x @ x.T, axis=1)[:, :5])


@pytest.mark.parametrize(("n", "given"), [(4095, False), (4096, True)])
def test_umap_looks_for_no_neighbours_from_4096_points_on(umap_calls, monkeypatch, n, given):
    monkeypatch.setattr(projection, "nearest_neighbours", lambda x, count: (x, count))
    umap_2d(np.zeros((n, 2)), n_neighbors=5, min_dist=0.3, seed=8)
    rows, distances, _ = umap_calls[0]["precomputed_knn"]
    assert (rows is not None, distances is not None) == (given, given)


def test_other_warnings_of_umap_are_told(umap_calls, monkeypatch):
    """Not those of a seed, and of neighbours that are given."""
    told = ["precomputed_knn[2] is not an NNDescent object", "Graph is not fully connected"]
    recorder = sys.modules["umap"].UMAP
    place = recorder.fit_transform

    def fit_transform(self, x):
        for words in told:
            warnings.warn(words, stacklevel=1)
        return place(self, x)

    monkeypatch.setattr(recorder, "fit_transform", fit_transform)
    with pytest.warns(UserWarning) as warned:
        umap_2d(np.eye(4), n_neighbors=2, min_dist=0.3, seed=8)
    assert [str(one.message) for one in warned] == told[1:]


def spread_out(n=60, d=6, seed=0):
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
    scales = np.array([5, 3, 1.5, 0.8, 0.4, 0.1])[:d]
    return rng.normal(size=(n, d)) * scales @ basis + rng.normal(size=d)


def eigen(x, count):
    """Axes (count, d), each with its largest entry positive, and shares of variance, from the
    eigenvalues of the covariance."""
    values, vectors = np.linalg.eigh(np.cov(x.T))
    axes = vectors.T[::-1][:count]
    axes = np.array([axis * np.sign(axis[np.abs(axis).argmax()]) for axis in axes])
    return axes, values[::-1] / values.sum()


def test_principal_components_are_the_covariances_eigenvectors():
    x = spread_out()
    centre, components, shares = principal_components(x, 3)
    axes, wanted = eigen(x, 3)
    np.testing.assert_allclose(centre, x.mean(axis=0))
    np.testing.assert_allclose(components, axes, atol=1e-9)
    np.testing.assert_allclose(shares, wanted, atol=1e-12)


def test_uncentred_axes_are_those_of_the_second_moment_and_their_signs_are_fixed():
    x, y = spread_out(seed=1), spread_out(seed=2)
    points = pair_svd_2d(x, y)
    both = np.concatenate([x, y])
    vectors = np.linalg.eigh(both.T @ both)[1]
    axes = vectors.T[::-1][:2]
    axes = [axis * np.sign(axis[np.abs(axis).argmax()]) for axis in axes]
    np.testing.assert_allclose(points[["svd_1", "svd_2"]], both @ np.array(axes).T, atol=1e-8)
    assert points["side"].tolist() == ["a"] * 60 + ["b"] * 60


def test_the_path_of_a_shift_is_that_of_vectors_that_were_moved():
    x, y = normalise(spread_out(seed=3) + 2), normalise(spread_out(seed=4) - 1)
    points, shifts = shift_path.pca_with_shifts(x, y)
    both = np.concatenate([x, y])
    axes, shares = eigen(both, 2)
    direction = normalise((x.mean(axis=0) - y.mean(axis=0))[None])[0]
    rest = both - both.mean(axis=0)
    rest = rest - np.outer(rest @ direction, direction)
    widest = np.linalg.svd(rest, full_matrices=False)[2][0]
    placed = np.abs((both - both.mean(axis=0)) @ np.stack([direction, widest]).T)
    assert points["side"].tolist() == ["a"] * 60 + ["b"] * 60
    np.testing.assert_allclose(points[["along_gap", "across_gap"]].abs(), placed, atol=1e-9)
    assert points["along_gap"][points["side"] == "a"].mean() > 0
    gap = x.mean(axis=0) - y.mean(axis=0)
    wide = np.linalg.norm(gap)
    assert len(shifts) == 18
    fractions = np.repeat([-0.5, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.25, 1.5], 2)
    np.testing.assert_allclose(shifts["delta"], fractions * wide, atol=1e-12)
    own = points.groupby("side")[["along_gap", "across_gap"]].mean()
    start = shifts[shifts["delta"] == 0].set_index("side")[["along_gap", "across_gap"]]
    np.testing.assert_allclose(start, own, atol=1e-12)
    for row in shifts.to_dict("records"):
        move = row["delta"] / 2 * gap / wide
        side = normalise(x - move) if row["side"] == "a" else normalise(y + move)
        wanted = (side.mean(axis=0) - both.mean(axis=0)) @ axes.T
        assert (row["pc_1"], row["pc_2"]) == pytest.approx(tuple(wanted), abs=1e-9)
        assert (row["share_1"], row["share_2"]) == pytest.approx(tuple(shares[:2]))
        assert row["share_first_6"] == pytest.approx(shares[:6].sum())
        assert row["n"] == 60


def test_the_first_six_shares_are_not_all_of_more_dimensions():
    x, y = np.random.default_rng(0).normal(size=(2, 50, 20))
    both = np.concatenate([normalise(x), normalise(y)])
    wanted = eigen(both, 2)[1][:6].sum()
    found = shift_path.pca_with_shifts(normalise(x), normalise(y))[1]["share_first_6"]
    assert wanted < 0.6
    np.testing.assert_allclose(found, wanted)


# --- initialisations ----------------------------------------------------------------------------


@pytest.fixture
def group():
    rng = np.random.default_rng(4)
    seeds = np.repeat([3, 4, 5], 8)
    vectors = rng.normal(size=(3, 6))[seeds - 3] + 0.7 * rng.normal(size=(24, 6))
    ids = np.array([f"i{row}" for row in range(24)], dtype=object)
    return EmbeddingSet(ids, vectors.astype(np.float32), pd.DataFrame({"seed": seeds}))


def test_the_spectrum_of_initialisations(group):
    x = group.normalised()
    table = initialisations.spectrum_table("mine", group)
    variances = np.linalg.eigvalsh(np.cov(x.T, ddof=0))[::-1] * 24
    assert table["component"].tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(table["singular_value"], np.sqrt(variances), rtol=1e-9)
    centres = np.array([x[at : at + 8].mean(axis=0) for at in (0, 8, 16)])
    between = 8 * ((centres - x.mean(axis=0)) ** 2).sum() / ((x - x.mean(axis=0)) ** 2).sum()
    np.testing.assert_allclose(table["between_share"], between)
    assert set(table["initialisations"]) == {3}
    assert set(table["items"]) == {8}
    assert set(table["encoder"]) == {"mine"}


def test_the_plane_of_initialisations(group, umap_calls):
    x = group.normalised()
    axes, shares = eigen(x, 2)
    table = initialisations.pca_table("mine", group)
    np.testing.assert_allclose(table[["pc_1", "pc_2"]], (x - x.mean(axis=0)) @ axes.T, atol=1e-9)
    np.testing.assert_allclose(table[["share_1", "share_2"]], np.tile(shares[:2], (24, 1)))
    assert table["seed"].tolist() == group.labels["seed"].tolist()
    table = initialisations.umap_table("mine", group, {"n_neighbors": 4, "min_dist": 0.2}, 6)
    np.testing.assert_allclose(umap_calls[0]["rows"], x)
    assert umap_calls[0]["random_state"] == 6
    assert table["umap_2"].tolist() == [-i for i in range(24)]
    assert table["seed"].tolist() == group.labels["seed"].tolist()


def test_the_neighbours_given_to_umap_are_those_of_all_cosines():
    x = np.random.default_rng(3).normal(size=(1500, 6))
    x /= np.linalg.norm(x, axis=1)[:, None]
    rows, distances = nearest_neighbours(x, 7)
    assert (distances >= 0).all()
    for i in (0, 1023, 1024, 1499):  # of two tiles
        away = np.array([1 - float(np.dot(x[i], other)) for other in x])
        np.testing.assert_array_equal(rows[i], np.argsort(away)[:7])
        np.testing.assert_allclose(distances[i], np.sort(away)[:7], atol=1e-6)
