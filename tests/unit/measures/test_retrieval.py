"""Recall and ranks, against brute force and cases that are known beforehand."""

import itertools

import independent as plain
import numpy as np
import pytest

from modality_gap.embeddings.sets import normalise
from modality_gap.measures.intervals import proportion_interval, share_interval
from modality_gap.measures.recall_sweep import Hits, defined_shifts, place_interval, recall_peak
from modality_gap.measures.retrieval import measure_recall, partner_ranks, recall_at


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


def test_identical_vectors_are_one_item_and_any_of_its_partners_counts():
    rng = np.random.default_rng(0)
    pictures = normalise(rng.normal(size=(40, 17)))
    x = np.repeat(pictures, 5, axis=0)
    order = rng.permutation(200)
    x = x[order]
    y = normalise(x + 0.005 * rng.normal(size=x.shape))
    # A model that never errs: five captions a picture.
    assert recall_at(x, y, 1) == (1, 1)
    found = measure_recall(x, y, 0.95)
    assert (found["recall_items_a"], found["recall_items_b"]) == (40, 200)
    assert found["recall1_chance"] == pytest.approx(1 / 40)
    assert (found["recall1_ab"], found["recall1_ba"]) == (1, 1)
    assert found["recall1_ab_low"] == pytest.approx(proportion_interval(40, 40, 0.95)[0])
    assert found["recall1_ba_low"] == pytest.approx(proportion_interval(200, 200, 0.95)[0])
    # One that errs, by the usual protocol: every picture and caption alone, by brute force.
    y = normalise(x + 0.9 * rng.normal(size=x.shape))
    cosines = pictures @ y.T
    owner = np.array([np.flatnonzero((pictures == row).all(axis=1))[0] for row in x])
    for k in (1, 5):
        nearest = np.argsort(-cosines, axis=1)[:, :k]
        to_y = (owner[nearest] == np.arange(40)[:, None]).any(axis=1).mean()
        nearest = np.argsort(-cosines.T, axis=1)[:, :k]
        to_x = (nearest == owner[:, None]).any(axis=1).mean()
        assert recall_at(x, y, k) == pytest.approx((to_y, to_x))
        assert recall_at(x, y, k, tile=7) == recall_at(x, y, k)
        assert to_y < 0.9


def test_two_pictures_alike_under_two_names_are_not_rivals():
    x = np.eye(4)[[0, 1, 1, 2, 3]]
    y = normalise(np.eye(4)[[0, 1, 1, 2, 3]] + 0.01 * np.arange(20).reshape(5, 4) / 20)
    assert recall_at(x, y, 1) == (1, 1)
    # All alike: one item a side, which is found, as chance finds it.
    same = np.ones((50, 3)) / np.sqrt(3)
    found = measure_recall(same, same, 0.95)
    assert (found["recall_items_a"], found["recall1_ab"], found["recall1_chance"]) == (1, 1, 1)


def test_equal_cosines_of_different_items_count_where_they_stand_before():
    # Each of 50 has the same cosine with every one of the others' partners.
    x = np.tile([1.0, 0, 0], (50, 1))
    angles = np.linspace(0, 6, 50)
    y = np.stack([np.full(50, 0.6), 0.8 * np.cos(angles), 0.8 * np.sin(angles)], axis=1)
    assert recall_at(y, x, 1) == (1, 1)
    three = x[:1], y[:3]
    ranks = partner_ranks(np.concatenate([three[0], -np.eye(3)[:2]]), three[1])
    assert ranks[0].tolist()[0] == 0


def test_the_interval_of_each_direction_has_the_clusters_of_its_own_items():
    """Five captions a picture; two neighbouring pictures are one cluster. The pictures are asked in
    the first direction, the captions in the second."""
    rng = np.random.default_rng(1)
    of_picture = np.repeat(np.arange(40), 5)
    x = normalise(rng.normal(size=(40, 17)))[of_picture]
    y = normalise(x + 0.9 * rng.normal(size=x.shape))
    found = measure_recall(x, y, 0.95, of_picture // 2, ks=(1,))
    cosines = x[::5] @ y.T
    to_captions = of_picture[cosines.argmax(axis=1)] == np.arange(40)
    to_pictures = cosines.argmax(axis=0) == of_picture
    for way, hits, clusters in (
        ("ab", to_captions, np.arange(40) // 2),
        ("ba", to_pictures, of_picture // 2),
    ):
        assert 0.1 < hits.mean() < 0.98
        ends = share_interval(hits, 0.95, clusters)
        assert (found[f"recall1_{way}_low"], found[f"recall1_{way}_high"]) == pytest.approx(ends)


@pytest.mark.parametrize(("rival", "rank"), [(1, 1), (2, 0)])
def test_an_item_with_two_partners_stands_where_the_nearer_one_does(rival, rank):
    """A rival as near as that one counts if it stands before it, not before the other partner."""
    one, other = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])
    x = np.stack([one, other, other])
    x[3 - rival] = one
    y = np.stack([-one, [0.6, 0.8, 0], [0.6, 0.8, 0]])  # the partner at first is far away
    y[rival] = [0.6, -0.8, 0]
    to_y, _ = partner_ranks(x, y)
    assert to_y[0] == rank


def test_partners_as_near_but_for_rounding_stand_where_the_first_does():
    one, other = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])
    # A rival of the first item, as near as its two partners, stands between these.
    y = np.array([[0.6, 0.8, 0], [0.6, -0.8, 0], [np.nextafter(0.6, 1), 0.8, 0]])
    assert partner_ranks(np.stack([one, other, one]), y)[0][0] == 0


def test_recall_does_not_depend_on_the_tile():
    rng = np.random.default_rng(3)
    x = normalise(rng.normal(size=(60, 8)))
    y = normalise(x + 0.4 * rng.normal(size=(60, 8)))
    assert recall_at(x, y, 3, tile=7) == recall_at(x, y, 3)


@pytest.mark.parametrize(("tile", "width"), [(3, 4), (7, 5), (8192, 1024)])
def test_ranks_among_many_ties_do_not_depend_on_the_blocks(tile, width):
    """Of vectors with four entries of a half or minus a half, most cosines are equal."""
    x, y = np.random.default_rng(4).choice([-0.5, 0.5], size=(2, 30, 4))
    for found, sides in zip(partner_ranks(x, y, tile, width), ((x, y), (y, x)), strict=True):
        assert found.tolist() == list(plain.ranks(*sides).values())


def test_a_shift_that_moves_a_vector_of_either_side_into_the_origin_is_left_out():
    # The gap is along the first axis; two vectors of one side are, and none of the other.
    x = np.array([[1, 0], [1, 0], [0.6, 0.8], [0.6, -0.8]])
    y = np.array([[-0.6, 0.8], [-0.6, -0.8]] * 2)
    deltas = np.array([-2.0, 0, 1, 2])
    assert defined_shifts(x, y, deltas).tolist() == [-2, 0, 1]
    assert defined_shifts(-y, -x, deltas).tolist() == [-2, 0, 1]


@pytest.mark.parametrize(("best", "at_end"), [(0, True), (1, False), (2, True)])
def test_a_highest_recall_at_either_end_is_told(best, at_end):
    found = np.arange(8) < np.array([[3], [4], [3]])
    found[best] = np.arange(8) < 6
    hits, deltas = Hits(found, None), np.array([-1.0, 0, 1])
    row = recall_peak(hits, deltas, 0.7 - deltas, 0.9, 20, 20, 0)
    assert (row["best_delta"], row["best_at_end"]) == (deltas[best], at_end)
    # The last shift closes the gap; all items that it changes change the same way.
    assert (row["closed_delta"], row["recall_closed"]) == (1, found[2].mean())
    assert row["change_closed"] == pytest.approx(found[2].mean() - found[1].mean())
    assert row["p_closed"] == pytest.approx(min(1, 2 / 2 ** (found[1] != found[2]).sum()))


def test_the_gap_is_closed_where_the_centres_are_nearest_and_not_where_the_shift_is_the_gap():
    deltas, distances = np.arange(-1.0, 4), np.array([1.5, 1.0, 0.6, -0.2, -0.7])
    found = np.random.default_rng(0).random((5, 40)) < np.array([[0.3], [0.4], [0.9], [0.5], [0.4]])
    clusters = np.arange(40) // 4
    row = recall_peak(Hits(found, clusters), deltas, distances, 0.9, 20, 20, 0)
    assert (row["gap"], row["closed_delta"], row["closed_distance"]) == (1.0, 2.0, -0.2)
    assert (row["best_delta"], row["best_distance"]) == (1.0, 0.6)
    assert row["n"] == 40 and row["clusters"] == 10
    for name, at in (("at_gap", 1), ("best", 2), ("closed", 3)):
        assert row[f"recall_{name}"] == found[at].mean()
        ends = row[f"recall_{name}_low"], row[f"recall_{name}_high"]
        assert ends == pytest.approx(share_interval(found[at], 0.9, clusters))
    for name, at in (("gain", 2), ("change_closed", 3)):
        assert row[name] == pytest.approx(found[at].mean() - found[1].mean())
    # The sign of a cluster's change is random: all 1024 signs.
    changes = np.bincount(clusters, found[3] * 1.0 - found[1])
    sums = np.array(list(itertools.product([-1, 1], repeat=10))) @ changes
    assert row["p_closed"] == pytest.approx((abs(sums) >= abs(changes.sum())).mean())


def test_the_interval_of_the_best_shift_has_the_draws_of_its_seed():
    rng = np.random.default_rng(1)
    deltas, distances = np.linspace(-1, 1, 201), np.linspace(2, 0, 201)
    found = rng.random((201, 40)) < 0.5

    def place(weights):
        return distances[plain.best_of(found @ weights, deltas)]

    seen = set()
    for seed in range(4):
        ends = place_interval(Hits(found, None), deltas, distances, 0.5, 60, seed)
        assert ends == pytest.approx(plain.bootstrap(place, 40, 60, 0.5, seed, "percentile"))
        seen.add(ends)
    assert len(seen) > 1
    # Whole clusters are drawn, five items each.
    clusters = np.arange(40) % 8
    by_cluster = found.reshape(201, 5, 8).sum(axis=1)
    ends = place_interval(Hits(found, clusters), deltas, distances, 0.5, 60, 0)
    assert ends == pytest.approx(
        plain.bootstrap(
            lambda weights: distances[plain.best_of(by_cluster @ weights, deltas)],
            *(8, 60, 0.5, 0, "percentile"),
        )
    )


def test_of_shifts_that_find_as_much_the_smallest_is_the_best():
    """Wherever it stands; of two of one size, the first."""
    deltas = np.array([-0.5, -0.25, 0, 0.25, 0.5])
    for shares, best in (
        ([3, 1, 0, 3, 3], 0.25), ([3, 3, 0, 3, 2], -0.25), ([2, 0, 2, 2, 2], 0),
        ([3, 0, 0, 0, 3], -0.5),
    ):  # fmt: skip
        found = np.arange(4) < np.array(shares)[:, None]
        row = recall_peak(Hits(found, None), deltas, 0.7 - deltas, 0.9, 20, 20, 0)
        assert (row["best_delta"], row["best_distance"]) == (best, 0.7 - best)
        assert row["best_at_end"] == (abs(best) == 0.5)


def test_of_two_shifts_of_one_size_that_find_as_much_the_place_is_that_of_the_first():
    deltas, distances = np.arange(-100, 101) / 100, np.linspace(2, 0, 201)
    of_size = np.random.default_rng(2).random((100, 40)) < 0.5
    found = np.concatenate([of_size, np.zeros((1, 40), dtype=bool), of_size[::-1]])
    low, high = place_interval(Hits(found, None), deltas, distances, 0.9, 60, 0)
    assert 1 < low < high  # before the shift 0, whose distance is 1


def test_a_rival_that_is_nearer_by_more_than_rounding_counts_wherever_it_stands():
    one = np.array([1.0, 0, 0])
    for more, rank in ((1e-10, 1), (1e-13, 0), (-1e-13, 0), (-1e-10, 0)):
        near = 0.6 + more
        y = np.array([[0.6, 0.8, 0], [near, -np.sqrt(1 - near**2), 0]])
        assert partner_ranks(np.stack([one, -one]), y)[0][0] == rank
    # Before the partner, one that is as near but for rounding counts too.
    for more, rank in ((1e-13, 1), (-1e-13, 1), (-1e-10, 0)):
        near = 0.6 + more
        y = np.array([[near, -np.sqrt(1 - near**2), 0], [0.6, 0.8, 0]])
        assert partner_ranks(np.stack([-one, one]), y)[0][1] == rank
