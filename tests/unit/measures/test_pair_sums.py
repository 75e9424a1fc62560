"""Sums that add up over parts: what follows from them is what all the pairs at once give."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from modality_gap.embeddings.sets import normalise
from modality_gap.errors import InputError
from modality_gap.measures.gap import gap_vector, mean_cosine
from modality_gap.measures.gap_intervals import mean_cosine_interval, measure_gap
from modality_gap.measures.pair_sums import (
    PairSums,
    covariance_of,
    gap_of,
    gap_vector_of,
    mean_cosine_of,
    measure_gap_of,
    sum_of_units,
    sum_pairs,
    total_of,
)


def pairs(n: int, d: int, apart: float, spread: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    centre, shared = rng.normal(size=d), rng.normal(size=(n, d))
    sides = (
        sign * apart * centre + spread * (shared + rng.normal(size=(n, d))) + 1 for sign in (1, -1)
    )
    return [normalise(side) for side in sides]


def in_parts(x, y, *cuts) -> PairSums:
    ends = [0, *cuts, len(x)]
    return total_of(
        sum_pairs(x[start:stop], y[start:stop]) for start, stop in itertools.pairwise(ends)
    )


@pytest.mark.parametrize(("apart", "spread"), [(1.0, 1.0), (0.0, 1.0), (0.5, 0.02), (0.02, 3.0)])
@pytest.mark.parametrize("cuts", [(), (1, 500, 501)])
def test_gap_and_mean_cosines_are_those_of_all_pairs_at_once(apart, spread, cuts):
    x, y = pairs(700, 24, apart, spread)
    sums = in_parts(x, y, *cuts)
    np.testing.assert_allclose(gap_vector_of(sums), gap_vector(x, y), rtol=0, atol=1e-14)
    expected, found = measure_gap(x, y, 0.9), measure_gap_of(sums, 0.9)
    assert found.keys() == expected.keys()
    assert found["gap"] == pytest.approx(expected["gap"], rel=1e-12)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-7), name
    for side, vectors in (("a", x), ("b", y)):
        mean, low, high = mean_cosine_of(sums, side, 0.9)
        ends = mean_cosine_interval(vectors, 0.9)
        assert mean == pytest.approx(mean_cosine(vectors), rel=1e-12)
        assert high - low == pytest.approx(ends[1] - ends[0], rel=1e-4)
        assert (low + high) / 2 == pytest.approx(mean, rel=1e-12)
        np.testing.assert_allclose(
            covariance_of(sums, side), np.cov(vectors, rowvar=False), rtol=0, atol=1e-7
        )


def test_the_interval_of_a_mean_cosine_of_few_items_is_as_wide_as_that_of_all_at_once():
    x, y = pairs(5, 24, 1.0, 1.0)
    low, high = mean_cosine_of(in_parts(x, y), "a", 0.9)[1:]
    ends = mean_cosine_interval(x, 0.9)
    assert high - low == pytest.approx(ends[1] - ends[0], rel=1e-4)


def test_a_random_half_gives_the_same_estimates_and_intervals_that_are_about_as_wide():
    x, y = pairs(6000, 24, 1.0, 1.0)
    chosen = np.random.default_rng(1).random(6000) < 0.5
    lengths = np.linspace(0.5, 2, 6000)[:, None]  # of vectors as files have them
    half = sum_pairs((x * lengths)[chosen], (y / lengths)[chosen])
    totals = {"x": sum_of_units(x * lengths), "y": sum_of_units(y / lengths)}
    sums = replace(half, n=6000, **totals)
    np.testing.assert_allclose(gap_vector_of(sums), gap_vector(x, y), rtol=0, atol=1e-14)
    expected, found = measure_gap(x, y, 0.9), measure_gap_of(sums, 0.9)
    for name in ("gap", "gap_squared"):
        assert found[name] == pytest.approx(expected[name], rel=2e-6)
    for name in ("gap", "gap_squared"):
        widths = [row[f"{name}_high"] - row[f"{name}_low"] for row in (found, expected)]
        assert widths[0] == pytest.approx(widths[1], rel=0.05)
        assert widths[0] != pytest.approx(widths[1], rel=1e-4)
    mean, low, high = mean_cosine_of(sums, "b", 0.9)
    ends = mean_cosine_interval(y, 0.9)
    assert mean == pytest.approx(mean_cosine(y), rel=1e-12)
    assert high - low == pytest.approx(ends[1] - ends[0], rel=0.05)
    # The variance of those chosen, not of the others.
    np.testing.assert_allclose(covariance_of(sums, "a"), np.cov(x[chosen], rowvar=False), atol=1e-7)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_row_without_a_direction_leaves_no_finite_sum(value):
    x, _ = pairs(30, 8, 1.0, 1.0)
    np.testing.assert_allclose(sum_of_units(7 * x), x.sum(axis=0), rtol=0, atol=1e-13)
    x[20] = value
    assert not np.isfinite(sum_of_units(x)).any()


def test_a_gap_of_nothing_is_nothing():
    x, _ = pairs(50, 8, 1.0, 1.0)
    sums = in_parts(x, x, 20)
    assert gap_of(sums) == 0
    assert gap_of(in_parts(x, x[::-1], 20)) == 0  # to rounding
    assert measure_gap_of(sums, 0.95)["gap_squared"] == pytest.approx(0, abs=1e-15)


def test_sums_survive_a_file(tmp_path):
    x, y = pairs(60, 8, 1.0, 1.0)
    sums = sum_pairs(x, y)
    np.savez(tmp_path / "sums.npz", **sums.arrays())
    again = PairSums.of_arrays(np.load(tmp_path / "sums.npz", allow_pickle=False))
    assert measure_gap_of(again, 0.95) == measure_gap_of(sums, 0.95)
    assert isinstance(again.n, int)


def test_one_pair_has_no_interval():
    x, y = pairs(1, 8, 1.0, 1.0)
    with pytest.raises(InputError, match="an interval needs two pairs"):
        measure_gap_of(sum_pairs(x, y), 0.95)
    with pytest.raises(InputError, match="an interval needs two pairs"):
        mean_cosine_of(sum_pairs(x, y), "a", 0.95)


def test_the_interval_of_few_pairs_is_that_of_all_at_once():
    x, y = pairs(6, 5, 0.5, 1.0)
    expected, found = measure_gap(x, y, 0.9), measure_gap_of(in_parts(x, y, 2), 0.9)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-7), name


def test_two_items_have_a_cosine_and_no_interval():
    x, y = pairs(2, 8, 1.0, 1.0)
    mean, low, high = mean_cosine_of(sum_pairs(x, y), "b", 0.95)
    assert mean == pytest.approx(y[0] @ y[1])
    assert np.isnan([low, high]).all()
