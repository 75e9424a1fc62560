"""The cone effect: exact cosines, random networks, cones of initialisations."""

import numpy as np
import pytest

from modality_gap.embeddings.sets import normalise
from modality_gap.measures.cone import (
    CosineDistribution,
    between_share,
    cosine_distribution,
    cosine_quantiles,
    count_in_bins,
    fine_bins,
    principal_singular_values,
)
from modality_gap.measures.gap import mean_cosine
from modality_gap.measures.mlp_cone import mlp_mean_cosines


@pytest.mark.parametrize("square", [7, 64, 1000])
def test_distribution_sees_every_pair_whatever_the_squares(square):
    x = normalise(np.random.default_rng(0).normal(size=(100, 5)) + 0.5)
    cosines = (x @ x.T)[~np.eye(100, dtype=bool)]
    found = cosine_distribution(x, bins=40, square=square)
    assert found.counts.sum() == 100 * 99
    np.testing.assert_array_equal(found.counts, np.histogram(cosines, found.edges)[0])
    assert found.minimum == pytest.approx(cosines.min(), abs=1e-12)
    assert found.maximum == pytest.approx(cosines.max(), abs=1e-12)
    # The closed form from the sum of vectors and the mean over the histogram's own pairs.
    assert found.mean == pytest.approx(cosines.mean(), abs=1e-12)


@pytest.mark.parametrize("bins", [1, 2, 7, 200, 20_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_counts_are_numpys_even_at_the_edges(bins, dtype):
    edges = np.linspace(-1, 1, bins + 1)
    inside = edges.astype(dtype).clip(-1, 1)
    beside = [np.nextafter(inside, dtype(end)).clip(-1, 1) for end in (-2, 2)]
    drawn = np.random.default_rng(0).uniform(-1, 1, 100_000).astype(dtype)
    values = np.concatenate([inside, *beside, drawn])
    expected = np.histogram(values, edges)[0]
    np.testing.assert_array_equal(count_in_bins(values, edges), expected)


def test_distribution_does_not_depend_on_the_number_of_threads():
    x = normalise(np.random.default_rng(2).normal(size=(60, 4)))
    one, three = (cosine_distribution(x, 30, square=11, threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(one.counts, three.counts)
    assert (one.minimum, one.maximum) == (three.minimum, three.maximum)


@pytest.mark.parametrize("bins", [1, 7, 200, 30_000])
def test_few_bins_out_of_many_are_those_of_another_pass(bins):
    x = normalise(np.random.default_rng(3).normal(size=(80, 6)) + 0.3)
    fine, plain = (cosine_distribution(x, of) for of in (fine_bins(bins), bins))
    assert len(fine.counts) >= 20_000
    found = fine.in_bins(bins)
    np.testing.assert_array_equal(found.counts, plain.counts)
    np.testing.assert_array_equal(found.edges, plain.edges)
    assert (found.n, found.mean, found.minimum) == (plain.n, plain.mean, plain.minimum)


def test_histogram_mean_is_the_closed_form_to_within_a_bin():
    x = normalise(np.random.default_rng(1).normal(size=(300, 16)) + 0.7)
    found = cosine_distribution(x, bins=2000)
    centres = (found.edges[1:] + found.edges[:-1]) / 2
    assert (found.counts * centres).sum() / found.counts.sum() == pytest.approx(
        mean_cosine(x), abs=5e-4
    )


def test_cosines_that_rounding_takes_past_1_are_1():
    x = normalise(np.random.default_rng(4).normal(size=(90, 7)))
    assert (x @ x.T).max() > 1
    found = cosine_distribution(np.concatenate([x, x, -x]), bins=8)
    assert (found.minimum, found.maximum) == (-1, 1)
    assert found.counts.sum() == 270 * 269


def test_a_quantile_is_placed_within_its_bin_in_proportion():
    # Four cosines from -.5 to 0, none from 0 to .5, twelve from .5 to 1.
    counts, edges = np.array([0, 4, 0, 12]), np.linspace(-1, 1, 5)
    found = cosine_quantiles(
        CosineDistribution(5, 0.3, -0.4, 0.9, counts, edges), np.array([0, 1 / 8, 1 / 4, 1 / 2, 1])
    )
    assert found == pytest.approx([-0.5, -0.25, 0, 0.5 + 0.5 / 3, 1])


# activation, bias, layer: mean cosine measured over independent runs (1,024 inputs, width 512).
# The tolerance is the spread of one run: random weights leave tanh and linear networks free.
MLP = [
    ("relu", True, 1, 0.320, 0.01),
    ("relu", True, 2, 0.489, 0.02),
    ("relu", True, 5, 0.747, 0.02),
    ("relu", True, 10, 0.946, 0.02),
    ("relu", True, 15, 0.998, 0.01),
    ("sigmoid", True, 1, 0.853, 0.01),
    ("sigmoid", True, 2, 0.991, 0.005),
    ("tanh", True, 10, 0.14, 0.08),
    ("tanh", True, 25, 0.50, 0.15),
    ("linear", True, 25, 0.061, 0.04),
    ("relu", False, 25, 0.973, 0.02),
    ("tanh", False, 25, 0.001, 0.01),
    ("linear", False, 25, 0.001, 0.01),
]


@pytest.fixture(scope="module")
def mlp():
    runs = {}

    def mean(activation: str, bias: bool, layer: int) -> float:
        if (activation, bias) not in runs:
            runs[activation, bias] = np.mean(
                [
                    list(mlp_mean_cosines(activation, bias, 1024, 512, 25, seed))
                    for seed in range(3)
                ],
                axis=0,
            )
        return runs[activation, bias][layer]

    return mean


@pytest.mark.parametrize(("activation", "bias", "layer", "value", "tolerance"), MLP)
def test_mlp_cone_by_depth(mlp, activation, bias, layer, value, tolerance):
    assert mlp(activation, bias, layer) == pytest.approx(value, abs=tolerance)


def test_first_relu_layer_is_the_arc_cosine_kernel():
    # Orthogonal inputs, no bias: E[relu(a) relu(b)] / E[relu(a)^2] = 1 / pi.
    layers = list(mlp_mean_cosines("relu", False, 512, 1024, 1, seed=0))
    assert layers[0] == pytest.approx(0, abs=0.005)
    assert layers[1] == pytest.approx(1 / np.pi, abs=0.01)


def test_k_cones_have_k_minus_one_components():
    rng = np.random.default_rng(0)
    centres = normalise(rng.normal(size=(9, 64)))
    seeds = np.repeat(np.arange(9), 30)
    x = normalise(centres[seeds] + 0.01 * rng.normal(size=(270, 64)))
    values = principal_singular_values(x, 12)
    assert values[7] > 5 * values[8]
    assert between_share(x, seeds) > 0.95


def test_between_share_of_groups_that_say_nothing_is_small():
    x = np.random.default_rng(0).normal(size=(2000, 3))
    assert between_share(x, np.arange(2000) % 4) < 0.01
