"""Rows of gap.csv and its companions, value for value, and what the tiles leave out."""

from collections import Counter
from concurrent.futures import Future

import independent as plain
import numpy as np
import pandas as pd
import pytest
from invented import CONFIG
from scipy import stats

from modality_gap.data import tiles
from modality_gap.data.tiles import map_ahead, sample_rows
from modality_gap.embeddings.sets import normalise
from modality_gap.measures import cone, gap_intervals, intervals, mlp_cone, registry
from modality_gap.measures.loss_tables import joined, with_gap
from modality_gap.measures.registry import Pairs
from modality_gap.measures.separability import (
    linear_separability,
    measure_separability,
    separated,
)
from modality_gap.measures.shift_path import pca_with_shifts
from modality_gap.measures.tables import (
    measure_diagnostics,
    measure_normalisation,
    measure_preprocessing,
    measure_set,
    say_repeated,
)


def pairs(n=46, d=7, seed=0):
    rng = np.random.default_rng(seed)
    x = normalise(rng.normal(size=(n, d)) + np.linspace(0, 1.5, d))
    return x, normalise(x + 0.9 * rng.normal(size=(n, d)) - 0.5)


def off_diagonal(x):
    return (x @ x.T)[~np.eye(len(x), dtype=bool)]


def jackknifed(x, confidence, clusters):
    """Mean cosine of all but each cluster's items, by all pairs, and Student's interval."""
    codes = np.arange(len(x)) if clusters is None else clusters
    count = codes.max() + 1
    without = [off_diagonal(x[codes != code]).mean() for code in range(count)]
    error = np.sqrt((count - 1) * np.var(without))
    margin = stats.t.ppf((1 + confidence) / 2, count - 1) * error
    mean = off_diagonal(x).mean()
    return mean - margin, mean + margin


CLUSTERS = np.random.default_rng(9).permutation(np.arange(46) % 17)


@pytest.mark.parametrize("clusters", [None, CLUSTERS])
@pytest.mark.parametrize("confidence", [0.95, 0.7])
def test_every_column_of_a_set(clusters, confidence):
    x, y = pairs()
    row = measure_set(Pairs(x, y, confidence, 30, 5, clusters=clusters))
    assert (row["n"], row["dim"]) == (46, 7)
    assert row["clusters"] == (46 if clusters is None else 17)
    vector = x.mean(axis=0) - y.mean(axis=0)
    assert row["gap"] == pytest.approx(np.linalg.norm(vector))
    squared = gap_intervals.gap_squared_interval(x, y, confidence, clusters)
    names = [f"gap_squared{end}" for end in ("", "_low", "_high")]
    assert tuple(row[name] for name in names) == pytest.approx(squared)
    for side, vectors in (("a", x), ("b", y)):
        cosines = off_diagonal(vectors)
        assert row[f"mean_cosine_{side}"] == pytest.approx(cosines.mean())
        assert row[f"min_cosine_{side}"] == pytest.approx(cosines.min())
        ends = row[f"mean_cosine_{side}_low"], row[f"mean_cosine_{side}_high"]
        assert ends == pytest.approx(jackknifed(vectors, confidence, clusters))
    cosines = x @ y.T
    for direction, matrix in (("ab", cosines), ("ba", cosines.T)):
        ranks = (matrix > np.diagonal(matrix)[:, None]).sum(axis=1)
        for k in (1, 5, 10):
            hits = ranks < k
            assert row[f"recall{k}_{direction}"] == pytest.approx(hits.mean())
            ends = row[f"recall{k}_{direction}_low"], row[f"recall{k}_{direction}_high"]
            assert ends == pytest.approx(intervals.share_interval(hits, confidence, clusters))
    assert row["recall5_ab"] != row["recall5_ba"]
    assert row["recall1_chance"] == pytest.approx(1 / 46)
    assert row["recall_items_a"] == row["recall_items_b"] == 46
    squares = sorted(vector**2)
    assert row["largest5_share"] == pytest.approx(sum(squares[-5:]) / sum(squares))
    # Of 30 of the pairs, half fitted and both vectors of the other half scored.
    some = sample_rows(46, 30, 5)
    wanted = measure_separability(x[some], y[some], confidence, 5, tiles.chosen(clusters, some))
    assert {name: row[name] for name in wanted} == wanted
    assert row["separability_n"] == 30


def test_pairs_that_are_compared_are_a_sample_of_the_seed_with_their_clusters():
    whole = Pairs(*pairs(), 0.9, 46, 5, clusters=CLUSTERS, largest=20)
    rows = plain.sample(46, 20, 5)
    found = whole.compared
    np.testing.assert_array_equal(found.x, whole.x[rows])
    np.testing.assert_array_equal(found.y, whole.y[rows])
    together = CLUSTERS[rows][:, None] == CLUSTERS[rows]
    np.testing.assert_array_equal(found.clusters[:, None] == found.clusters, together)
    assert found.clusters.max() + 1 == len(set(CLUSTERS[rows])) < 17


def test_as_many_pairs_are_compared_as_in_the_configuration_if_no_number_is_given():
    most = CONFIG["compare_at_most"]
    rows = np.zeros((most + 1, 1))
    all_of_them = Pairs(rows[:most], rows[:most], 0.9, 10, 0)
    assert all_of_them.compared is all_of_them
    assert len(Pairs(rows, rows, 0.9, 10, 0).compared.x) == most


def test_the_cosines_of_both_sides_are_computed_in_as_many_threads_as_are_given(monkeypatch):
    seen = []

    def distribution(x, bins, threads):
        seen.append(threads)
        return cone.cosine_distribution(x, bins)

    monkeypatch.setattr(registry, "cosine_distribution", distribution)
    measure_set(Pairs(*pairs(n=15), 0.9, 15, 0, threads=3))
    assert seen == [3, 3]


def test_an_item_that_its_cluster_repeats_is_one_item_of_the_mean_cosine():
    x, y = pairs(n=15)
    once = measure_set(Pairs(x, y, 0.9, 15, 0))
    many = [np.repeat(x, 3, axis=0), normalise(np.random.default_rng(0).normal(size=(45, 7)))]
    found = measure_set(Pairs(*many, 0.9, 45, 0, clusters=np.repeat(np.arange(15), 3)))
    for name in ("mean_cosine_a", "mean_cosine_a_low", "mean_cosine_a_high"):
        assert found[name] == pytest.approx(once[name]), name


def test_the_dimension_of_both_modalities_is_that_of_all_vectors():
    rng = np.random.default_rng(0)
    x, y = np.zeros((2, 90, 7))
    x[:, :3], y[:, 3:] = normalise(rng.normal(size=(90, 3))), normalise(rng.normal(size=(90, 4)))
    row = measure_diagnostics(Pairs(x, y, 0.9, 90, 0, resamples=20))
    found = [row[f"effective_dimension_{side}"] for side in ("a", "b", "both")]
    assert found == [3, 4, 7]


def test_a_set_without_a_gap_has_no_share_of_it():
    x, _ = pairs()
    row = measure_set(Pairs(x, x, 0.95, 30, 5))
    assert row["gap"] == 0
    assert row["largest5_share"] is None


def test_normalisation_and_preprocessing():
    x, y = pairs()
    first, _ = pairs(seed=3)
    whole = measure_set(Pairs(x, y, 0.9, 20, 4, clusters=CLUSTERS))
    row = measure_normalisation({"norm_layers": False}, x, y, 0.9, 20, 4, clusters=CLUSTERS)
    assert (row["norm_layers"], row["input_normalisation"]) == (False, True)
    shared = row.keys() & whole.keys()
    assert {"gap_low", "mean_cosine_a", "mean_cosine_b_high", "separability"} <= shared
    assert {k: row[k] for k in shared} == pytest.approx({k: whole[k] for k in shared})
    plain = measure_normalisation({"input_normalisation": False}, x, y, 0.9, 20, 4)
    assert (plain["norm_layers"], plain["input_normalisation"]) == (True, False)
    row = measure_preprocessing({"preprocessing": "clip"}, x, y, first, 0.9, clusters=CLUSTERS)
    assert row["statistics"] == "clip"
    assert measure_preprocessing({}, x, y, first, 0.9)["statistics"] == "own"
    same = np.mean([a @ b for a, b in zip(x, first, strict=True)])
    assert row["same_picture_cosine"] == pytest.approx(same)
    assert row["clusters"] == 17
    for name in ("mean_cosine", "mean_cosine_low", "mean_cosine_high", "min_cosine"):
        a_side = {"min_cosine": "min_cosine_a"}.get(name, name.replace("cosine", "cosine_a", 1))
        assert row[name] == pytest.approx(whole[a_side])
    for name in ("gap", "gap_low", "gap_high", "gap_squared"):
        assert row[name] == pytest.approx(whole[name])


def test_the_separability_of_an_encoder_is_of_the_sample_of_its_seed():
    x, y = pairs()
    found = []
    for seed in range(1, 5):
        rows = plain.sample(46, 20, seed)
        clusters = np.unique(CLUSTERS[rows], return_inverse=True)[1]
        wanted = measure_separability(x[rows], y[rows], 0.9, seed, clusters)
        row = measure_normalisation({}, x, y, 0.9, 20, seed, clusters=CLUSTERS)
        assert {name: row[name] for name in wanted} == wanted
        found.append(row["separability"])
    assert len({*found}) > 1


def test_repeated_vectors_are_told_by_side(capsys):
    say_repeated({"n": 5000, "compared_n": 1200, "recall_items_a": 1100, "recall_items_b": 1200})
    assert "1,100 of 1,200 on the first side, 1,200 on the second" in capsys.readouterr().err
    say_repeated({"n": 9, "compared_n": 5, "recall_items_a": 5, "recall_items_b": 4})
    assert capsys.readouterr().err
    say_repeated({"n": 9, "compared_n": 5, "recall_items_a": 5, "recall_items_b": 5})
    assert capsys.readouterr().err == ""


# --- separability -------------------------------------------------------------------------------


def test_separability_is_scored_on_pairs_that_were_not_fitted():
    # With more dimensions than vectors the fitted half is told apart, whatever it is.
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 60, 200))
    right, rows = separated(x, y, seed=1)
    assert (len(right), len(rows)) == (60, 30)
    assert 0.2 < right.mean() < 0.8


def test_both_vectors_of_a_pair_are_one_unit_of_separability():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 61, 3)) + np.array([0.8, -0.8])[:, None, None]
    right, rows = separated(x, y, seed=1)
    row = measure_separability(x, y, 0.9, 1)
    assert (row["separability"], row["separability_n"]) == (right.mean(), 62)
    ends = row["separability_low"], row["separability_high"]
    assert ends == intervals.share_interval(right, 0.9, np.tile(rows, 2))
    # Where all are right, Wilson's lower end is that of as many as there are pairs, or clusters.
    far = x + 20
    for clusters, units in ((None, 31), (np.arange(61) // 2, len(set(rows // 2)))):
        row = measure_separability(far, y, 0.95, 1, clusters)
        assert row["separability"] == row["separability_high"] == 1
        assert row["separability_low"] == pytest.approx(units / (units + 1.959964**2))


@pytest.mark.parametrize("seed", [3, 4])
def test_separability_is_that_of_a_logistic_regression_of_its_own(seed):
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 81, 3))
    y[:, 0] += 1.2
    order = np.random.default_rng(seed).permutation(81)
    fit, score = order[:40], order[40:]
    # Newton's steps for the penalised likelihood (C = 1, the intercept free).
    rows = np.concatenate([x[fit], y[fit]])
    design, truth = np.column_stack([rows, np.ones(80)]), np.repeat([0, 1], 40)
    penalty, weights = np.diag([1, 1, 1, 0]), np.zeros(4)
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ weights))
        gradient = design.T @ (p - truth) + penalty @ weights
        weights -= np.linalg.solve(design.T @ ((p * (1 - p))[:, None] * design) + penalty, gradient)
    tested = np.column_stack([np.concatenate([x[score], y[score]]), np.ones(82)]) @ weights > 0
    wanted = (tested == np.repeat([False, True], 41)).mean()
    assert 0.6 < wanted < 0.95
    assert linear_separability(x, y, seed) == pytest.approx(wanted)


# --- tiles --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [10, 11, 20, 21, 25])
def test_no_pair_is_lost_between_tiles(monkeypatch, n):
    # A tile of ten rows stands for one of 8,192.
    monkeypatch.setattr(cone, "TILE", 10)
    x = normalise(np.random.default_rng(n).normal(size=(n, 3)))
    cosines = off_diagonal(x)
    for square in (3, 10, 64):
        found = cone.cosine_distribution(x, 20, square=square, threads=2)
        np.testing.assert_array_equal(found.counts, np.histogram(cosines, found.edges)[0])
        assert (found.minimum, found.maximum) == pytest.approx((cosines.min(), cosines.max()))


@pytest.mark.parametrize("n", [0, 1, 9, 10, 11, 20])
def test_tiles_hold_every_row_once_and_in_order(n):
    x, y = np.arange(n), np.arange(n) * 2
    parts = list(tiles.tiles(x, y, size=10))
    assert [len(part) for part, _ in parts] == [10] * (n // 10) + [n % 10] * (n % 10 > 0)
    for column, side in enumerate((x, y)):
        joined = np.concatenate([part[column] for part in parts]) if n else side
        np.testing.assert_array_equal(joined, side)


class Counting:
    """An executor that does nothing by itself: what was begun, and results once asked for."""

    def __init__(self):
        self.begun = []

    def submit(self, work, item):
        self.begun.append(item)
        future = Future()
        future.set_result(work(item))
        return future


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_no_more_is_begun_than_is_asked_for(ahead):
    pool, results = Counting(), []
    for number, value in enumerate(map_ahead(pool, lambda i: i * i, range(12), ahead)):
        results.append(value)
        # `ahead` are under way beside the one that is had.
        assert pool.begun == list(range(min(12, number + 1 + ahead)))
    assert results == [i * i for i in range(12)]
    assert list(map_ahead(Counting(), str, [], ahead)) == []


def test_a_sample_is_of_all_rows_and_follows_the_seed():
    rows = sample_rows(1000, 50, seed=1)
    assert len(set(rows)) == 50
    assert (np.diff(rows) > 0).all()
    assert rows.max() > 900 and rows.min() < 100
    assert set(rows) != set(sample_rows(1000, 50, seed=2))
    np.testing.assert_array_equal(rows, sample_rows(1000, 50, seed=1))
    # Every row is as likely as any other.
    drawn = Counter(row for seed in range(400) for row in sample_rows(10, 3, seed))
    assert min(drawn.values()) > 80 and max(drawn.values()) < 160
    assert sample_rows(10, 10, 0) == sample_rows(9, 10, 0) == slice(None)


def test_chosen_clusters_are_numbered_again():
    clusters = np.array([4, 0, 4, 2, 7])
    assert tiles.chosen(clusters, np.array([0, 2, 4])).tolist() == [0, 0, 1]
    assert tiles.chosen(clusters, slice(None)).tolist() == [2, 0, 2, 1, 3]
    assert tiles.chosen(None, slice(None)) is None


# --- cones --------------------------------------------------------------------------------------


@pytest.mark.parametrize("clusters", [None, CLUSTERS])
@pytest.mark.parametrize("confidence", [0.95, 0.7])
def test_every_column_of_a_panel(clusters, confidence):
    x, _ = pairs()
    row, histogram = cone.measure_panel(x, 16, confidence, clusters=clusters)
    cosines = off_diagonal(x)
    wanted = {
        "n": 46,
        "clusters": 46 if clusters is None else 17,
        "mean_cosine": cosines.mean(),
        "min_cosine": cosines.min(),
        "max_cosine": cosines.max(),
        "sd_cosine": cosines.std(),
    }
    wanted["mean_cosine_low"], wanted["mean_cosine_high"] = jackknifed(x, confidence, clusters)
    assert {k: row[k] for k in wanted} == pytest.approx(wanted)
    quartiles = np.quantile(cosines, [0.25, 0.5, 0.75], method="inverted_cdf")
    found = [row[f"{name}_cosine"] for name in ("q1", "median", "q3")]
    np.testing.assert_allclose(found, quartiles, atol=2e-4)
    edges = np.linspace(-1, 1, 17)
    np.testing.assert_allclose(histogram["cosine_low"], edges[:-1])
    np.testing.assert_allclose(histogram["cosine_high"], edges[1:])
    assert histogram["pairs"].tolist() == np.histogram(cosines, edges)[0].tolist()


SETTINGS = {"activations": ["tanh", "relu", "leaky_relu", "sigmoid", "linear"],
            "repeats": 3, "vectors": 9, "width": 12, "layers": 2}  # fmt: skip


def test_networks_are_what_they_are_said_to_be():
    table = mlp_cone.simulate_mlps(SETTINGS, seed=40)
    assert len(table) == 5 * 2 * 3 * 3
    phis = {
        "tanh": np.tanh,
        "relu": lambda z: (z + abs(z)) / 2,
        "leaky_relu": lambda z: max_of(z, 0.01 * z),
        "sigmoid": lambda z: (1 + np.tanh(z / 2)) / 2,
        "linear": lambda z: z,
    }

    def max_of(a, b):
        return np.where(a > b, a, b)

    for (activation, bias, repeat), part in table.groupby(["activation", "bias", "repeat"]):
        rng = np.random.default_rng(40 + repeat)
        h = rng.standard_normal((9, 12))
        wanted = [off_diagonal(normalise(h)).mean()]
        for _ in range(2):
            weight = rng.standard_normal((12, 12)) / np.sqrt(12)
            z = h @ weight.T + (rng.standard_normal(12) / np.sqrt(12) if bias else 0)
            h = phis[activation](z)
            wanted.append(off_diagonal(normalise(h)).mean())
        assert part["layer"].tolist() == [0, 1, 2]
        np.testing.assert_allclose(part["mean_cosine"], wanted, atol=1e-9)


@pytest.mark.parametrize("confidence", [0.95, 0.6])
def test_intervals_over_networks_are_students(confidence):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        [
            (activation, bias, layer, repeat, rng.random())
            for activation in ("relu", "tanh")
            for bias in (True, False)
            for repeat in range(4)
            for layer in range(2)
        ],
        columns=["activation", "bias", "layer", "repeat", "mean_cosine"],
    )
    found = mlp_cone.mlp_intervals(table, vectors=10, confidence=confidence)
    assert len(found) == 8
    for row in found.to_dict("records"):
        keys = ["activation", "bias", "layer"]
        values = table.loc[(table[keys] == [row[key] for key in keys]).all(axis=1), "mean_cosine"]
        low, high = stats.t.interval(confidence, 3, values.mean(), stats.sem(values))
        assert row["n"] == 4
        ends = row["mean_cosine"], row["mean_cosine_low"], row["mean_cosine_high"]
        assert ends == pytest.approx((values.mean(), low, high))
        # 90 pairs of ten inputs, and ten of each with itself.
        diagonal = (90 * values.mean() + 10) / 100
        assert row["mean_cosine_with_diagonal"] == pytest.approx(diagonal)


@pytest.mark.parametrize("sizes", [(5, 11, 3), (1, 9, 9)])
def test_the_share_between_groups_is_that_of_their_centres(sizes):
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.repeat(["a", "b", "c"], sizes))
    x = rng.normal(size=(sum(sizes), 4)) + 2 * (groups == "b")[:, None]
    within = sum(((x[groups == one] - x[groups == one].mean(axis=0)) ** 2).sum() for one in "abc")
    share = 1 - within / ((x - x.mean(axis=0)) ** 2).sum()
    assert cone.between_share(x, groups) == pytest.approx(share)


def test_singular_values_are_those_about_the_centre():
    x = np.random.default_rng(0).normal(size=(30, 5)) + 4
    wanted = np.sqrt(29 * np.linalg.eigvalsh(np.cov(x.T)))[::-1][:3]
    np.testing.assert_allclose(cone.principal_singular_values(x, 3), wanted)


def test_one_file_on_both_sides_has_a_gap_of_0_and_no_shifts(capsys):
    x = normalise(np.random.default_rng(0).normal(size=(60, 32)) + 1)
    row = measure_set(Pairs(x, x, 0.95, 100, 0))
    assert [row[name] for name in row if name.startswith("gap")] == [0] * 6
    assert row.pop("largest5_share") is None
    assert np.isfinite(list(row.values())).all()
    # The same cloud in another order has a gap of rounding alone.
    shuffled = measure_set(Pairs(x, x[::-1], 0.95, 100, 0))
    assert [shuffled[name] for name in ("gap", "gap_low", "gap_high")] == [0, 0, 0]
    other = normalise(x - 0.5)
    assert [name for name, _, _ in with_gap([("same", x, x), ("apart", x, other)])] == ["apart"]
    assert "same: both modalities have the same centre" in capsys.readouterr().err
    points, shifts = pca_with_shifts(x, x)
    assert (len(points), len(shifts)) == (120, 0)
    assert list(shifts) == list(pca_with_shifts(x, other)[1])
    assert list(joined([], ["set", "loss"])) == ["set", "loss"]
