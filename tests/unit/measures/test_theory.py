"""Theorems against explicit networks, other closed forms, and the published numbers."""

import numpy as np
import pytest
from scipy import integrate

from modality_gap.measures import theory
from modality_gap.measures.mlp_cone import mlp_mean_cosines


def relu(z):
    return np.maximum(z, 0)


def vectors(cosine: float, norm_ratio: float, norm: float, dimensions: int):
    """Two vectors, not along the axes, of this cosine and these norms."""
    basis = np.linalg.qr(np.random.default_rng(5).normal(size=(dimensions, 2)))[0].T
    u = norm * basis[0]
    return u, norm_ratio * norm * (cosine * basis[0] + np.sqrt(1 - cosine**2) * basis[1])


@pytest.mark.parametrize("correlation", [-1, -0.6, 0, 0.3, 0.75, 0.999, 1])
def test_kernel_is_the_integral_over_directions(correlation):
    # A standard normal pair is a direction times a radius whose square has mean 2.
    angle = np.arccos(correlation)

    def product(t):
        return relu(np.cos(t)) * relu(np.cos(t - angle))

    integral = integrate.quad(product, -np.pi, np.pi, points=[-np.pi / 2, angle - np.pi / 2])[0]
    assert theory.arc_cosine_kernel(correlation) == pytest.approx(2 * integral / np.pi, abs=1e-7)


# --- Theorem 1 --------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [(0.5, 1.0, 1.0), (0.75, 0.5, 4.0), (0.95, 0.5, 1.0)])
def test_violations_are_those_of_explicit_layers(case):
    d_out, trials, rng = 8, 4000, np.random.default_rng(0)
    u, v = vectors(*case, dimensions=6)
    weight = rng.normal(0, d_out**-0.5, (trials, d_out, 6))
    shift = rng.normal(0, d_out**-0.5, (trials, d_out))
    a, b = relu(weight @ u + shift), relu(weight @ v + shift)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    with np.errstate(invalid="ignore"):
        after = (a * b).sum(axis=1) / lengths
    explicit = np.mean(~(after > case[0]))
    drawn = theory.count_violations(
        d_out, [theory.unit_correlation(*case)], [case[0]], trials, rng, block=100
    )
    assert drawn[0] / trials == pytest.approx(explicit, abs=5 * (0.5 / trials) ** 0.5)


def test_published_violations_are_those_of_unit_vectors():
    # r = 1, cosine .5: 5 % at d_out 16, none of 400 at 64, 256 and 1024; |u| = 2 gives 16 %.
    def share(norm: float, d_out: int, trials: int) -> float:
        correlation = theory.unit_correlation(0.5, 1.0, norm)
        rng = np.random.default_rng(1)
        return theory.count_violations(d_out, [correlation], [0.5], trials, rng)[0] / trials

    assert share(1.0, 16, 20000) == pytest.approx(0.05, abs=0.01)
    assert share(1.0, 64, 4000) < 2 / 400
    assert share(1.0, 256, 400) == share(1.0, 1024, 400) == 0
    assert share(2.0, 16, 4000) > 0.1


@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.2, 3.0])
def test_covered_cosines_rise_at_every_norm_and_others_do_not(ratio):
    limit = theory.covered_below(ratio)
    below, above = 0.999 * limit, min(1.001 * limit, (1 + limit) / 2)
    for norm in (0.1, 1, 10, 1e3, 1e4):
        assert theory.unit_correlation(below, ratio, norm) > below
    if ratio == 1:
        assert limit == 1
    else:
        assert theory.unit_correlation(above, ratio, 0.1) > above
        assert theory.unit_correlation(above, ratio, 1e4) < above


def test_limit_is_the_published_one():
    assert theory.covered_below(0.5) == pytest.approx(0.8)
    assert theory.covered_below(2.0) == pytest.approx(0.8)  # u and v change places


@pytest.mark.parametrize(("correlation", "cosine"), [(0.75, 0.5), (0.53, 0.5), (0.2, -0.3)])
def test_bound_has_the_sampled_mean_and_variance(correlation, cosine):
    a, b = np.random.default_rng(2).standard_normal((2, 1_000_000))
    b = correlation * a + np.sqrt(1 - correlation**2) * b
    a, b = relu(a), relu(b)
    unit = a * b - cosine / 2 * (a**2 + b**2)
    expected = unit.mean() ** 2 / unit.var()
    error = 2 * unit.mean() / unit.std() * 5e-3  # five standard errors of the mean
    assert theory.violation_rate(correlation, cosine) == pytest.approx(expected, abs=error)


def test_no_bound_where_the_cosine_does_not_rise():
    assert theory.violation_rate(0.5, 0.7) == 0


def test_exponent_is_that_of_a_power_law_at_the_largest_sizes():
    d_out = np.array([1, 2, 4, 8, 16, 32, 64, 128])
    n = 10**6
    share = np.array([0.4, 0.3, 0.2, 0.1, 0.1 / 4, 0.1 / 16, 5e-6, 0])  # slope -2 where it counts
    found = theory.decay_exponent(d_out, (n * share).astype(int), n, 1 / d_out, 0.95)
    points, slope, low, high, of_bound, last = found
    assert (points, last) == (3, 32)
    assert slope == pytest.approx(-2, abs=1e-6)
    assert of_bound == pytest.approx(-1)
    assert low < -2 < high
    assert high - low < 0.1
    assert theory.decay_exponent(d_out, np.array([9] * 6 + [500] * 2), n, 1 / d_out, 0.95) is None


def test_ten_violations_count_and_a_share_of_one_has_a_slope():
    d_out, n = np.array([2, 4, 8, 16]), 500
    points, *_, last = theory.decay_exponent(d_out, np.array([9, 40, 20, 10]), n, 1 / d_out, 0.9)
    assert (points, last) == (3, 16)
    _, slope, low, high, *_ = theory.decay_exponent(d_out, np.full(4, n), n, 1 / d_out, 0.9)
    assert slope == 0
    assert -0.01 < low < 0 < high < 0.01


def test_a_correlation_just_past_1_is_1():
    past = np.nextafter(1, 2)
    assert theory.arc_cosine_kernel(past) == 1
    assert theory.arc_cosine_kernel(-past) == pytest.approx(0, abs=1e-12)
    before, after = theory.lemma3_estimates(past, 2.0, 500, np.random.default_rng(0), 0.9)
    assert before == pytest.approx(
        theory.lemma3_estimates(1.0, 2.0, 500, np.random.default_rng(0), 0.9)[0]
    )
    assert np.isfinite(after).all()


def test_the_cosines_of_lemma3_end_at_1():
    table = theory.lemma3_table({"cosine_step": 2 / 9, "norm_ratios": [1.0], "draws": 5}, 0.9, 0)
    np.testing.assert_allclose(table["cosine"], np.linspace(-1, 1, 10), atol=1e-12)


def test_interval_of_the_exponent_holds_it_as_often_as_it_says():
    rng = np.random.default_rng(3)
    d_out, n = np.array([4, 8, 16]), 2000
    true = 0.8 / d_out
    held = 0
    for _ in range(400):
        _, _, low, high, *_ = theory.decay_exponent(d_out, rng.binomial(n, true), n, true, 0.9)
        held += low < -1 < high
    assert held / 400 == pytest.approx(0.9, abs=0.05)


# --- Lemma 3 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("cosine", "ratio"), [(-0.5, 1.0), (0.25, 0.5)])
def test_lemma3_against_explicit_weights(cosine, ratio):
    d_out, rng = 200_000, np.random.default_rng(4)
    u, v = vectors(cosine, ratio, 1.0, dimensions=3)
    weight, shift = rng.standard_normal((d_out, 3)), rng.standard_normal(d_out)
    a, b = weight @ u + shift, weight @ v + shift
    correlation = theory.unit_correlation(cosine, ratio, 1.0)
    scale = np.sqrt(2 * (1 + ratio**2))
    assert scale * correlation == pytest.approx(1 + u @ v, abs=1e-12)
    before, after = theory.lemma3_estimates(correlation, scale, 50_000, rng, 0.999)
    assert before[1] < 1 + u @ v < before[2]
    assert after[1] < scale * theory.arc_cosine_kernel(correlation) < after[2]
    assert np.mean(a * b) == pytest.approx(1 + u @ v, abs=0.03)
    rectified = 2 * np.mean(relu(a) * relu(b))
    assert rectified == pytest.approx(scale * theory.arc_cosine_kernel(correlation), abs=0.03)
    assert after[2] - after[1] < 0.15


def test_inequality_of_lemma3_holds_everywhere_and_is_strict_below_one():
    correlations = np.linspace(-1, 1, 201)
    slack = theory.arc_cosine_kernel(correlations) - correlations
    assert slack[-1] == pytest.approx(0, abs=1e-12)
    assert (slack[:-1] > 0).all()
    assert (np.diff(slack) < 0).all()


# --- Theorem 2 --------------------------------------------------------------------------------

# Width 256, layers 1 to 6, measured by us independently.
RATIO = [0.428, 0.750, 0.885, 0.945, 0.974, 0.987]
BETA = [0.003, 0.611, 0.831, 0.923, 0.964, 0.982]
TIGHTER = [0.268, 0.715, 0.876, 0.943, 0.973, 0.987]


def test_theorem2_closed_form_is_the_published_one():
    ratio, beta = theory.variance_shares_closed_form(6)
    np.testing.assert_allclose(ratio, RATIO, atol=0.004)
    np.testing.assert_allclose(beta, BETA, atol=0.004)
    np.testing.assert_allclose(theory.tighter_bound(beta), TIGHTER, atol=0.004)
    assert ratio[0] == pytest.approx(0.4264, abs=5e-5)
    assert (ratio > theory.tighter_bound(beta)).all()
    assert (theory.tighter_bound(beta) > beta).all()


def test_theorem2_by_simulation():
    moments = theory.network_moments(64, 6, 16, 200, np.random.default_rng(6))
    found = theory.variance_shares(moments, 0.95)
    np.testing.assert_allclose(found["ratio"][0], RATIO, atol=0.02)
    np.testing.assert_allclose(found["beta"][0], BETA, atol=0.02)
    assert (found["excess"][2] > 0).all()


def test_variance_shares_are_those_of_many_inputs_through_every_network():
    """Plain variances of one small layer, with so many inputs that no correction is needed."""
    rng = np.random.default_rng(7)
    width, inputs, draws = 16, 1000, 300
    x = rng.normal(size=(inputs, width))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    weight = rng.normal(0, width**-0.5, (draws, width, width))
    shift = rng.normal(0, width**-0.5, (draws, 1, width))
    conditional, square = [], []
    for w, b in zip(weight, shift, strict=True):
        h = relu(x @ w + b)
        conditional.append(h.mean(axis=0))
        square.append((h**2).mean())
    mean = np.mean(conditional)
    plain = np.var(conditional) / (np.mean(square) - mean**2)
    moments = theory.network_moments(width, 1, 8, 3000, rng)
    value, low, high = theory.variance_shares(moments, 0.95)["ratio"][:, 0]
    assert value == pytest.approx(plain, abs=0.03)
    assert high - low < 0.04


def test_unbiased_pairs_do_not_depend_on_the_number_of_inputs():
    few = theory.network_moments(64, 2, 3, 800, np.random.default_rng(8)).mean(axis=0)
    many = theory.network_moments(64, 2, 64, 200, np.random.default_rng(9)).mean(axis=0)
    np.testing.assert_allclose(few[:, 0], many[:, 0], rtol=0.03)
    np.testing.assert_allclose(few[1, 3], many[1, 3], rtol=0.03)


# --- Cones ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("layer", "value"), [(1, 0.320), (2, 0.489), (5, 0.747), (10, 0.946)])
def test_mlp_recursion_with_bias_is_the_published_simulation(layer, value):
    assert theory.mlp_cone_closed_form(True, 512, 25)[layer] == pytest.approx(value, abs=0.01)


def test_mlp_recursion_at_the_last_published_layers():
    assert theory.mlp_cone_closed_form(True, 512, 25)[15] == pytest.approx(0.998, abs=0.001)
    assert theory.mlp_cone_closed_form(False, 512, 25)[25] == pytest.approx(0.973, abs=0.015)


@pytest.mark.parametrize("bias", [True, False])
def test_mlp_recursion_against_the_simulation(bias):
    width, layers, seeds = 128, 10, 40
    runs = np.array(
        [list(mlp_mean_cosines("relu", bias, 32, width, layers, seed)) for seed in range(seeds)]
    )
    # Four standard errors of the mean, and what a finite width adds: .006 at most over 200 runs of
    # width 128, falling as 1 / width.
    tolerance = 4 * runs.std(axis=0, ddof=1) / seeds**0.5 + 0.8 / width
    closed, other = (theory.mlp_cone_closed_form(b, width, layers) for b in (bias, not bias))
    assert (np.abs(runs.mean(axis=0) - closed) < tolerance).all()
    # So narrow that the recursion of the other kind of network would not pass.
    assert abs(runs.mean(axis=0) - other)[-1] > tolerance[-1]


ANGLE = np.arccos(0.56)


def test_caps_in_the_plane_and_in_space():
    assert np.degrees(ANGLE) == pytest.approx(55.94, abs=0.005)
    assert theory.cap_fraction(ANGLE, 2) == pytest.approx(ANGLE / np.pi)  # an arc of a circle
    assert theory.cap_fraction(ANGLE, 3) == pytest.approx((1 - 0.56) / 2)  # Archimedes
    assert theory.cap_fraction(ANGLE / 2, 3) == pytest.approx(0.0584, abs=5e-5)
    assert theory.cap_fraction(np.pi / 2, 512) == pytest.approx(0.5)


@pytest.mark.parametrize(("half_angle", "power"), [(ANGLE / 2, -564), (ANGLE, -144)])
def test_caps_in_512_dimensions(half_angle, power):
    found = theory.cap_fraction(half_angle, 512)
    assert np.log2(found) == pytest.approx(power, abs=0.5)
    # The share is the integral of sin^(d-2), here scaled by its largest value.
    scaled = integrate.quad(lambda t: (np.sin(t) / np.sin(half_angle)) ** 510, 0, half_angle,
                            points=[0.9 * half_angle], epsrel=1e-10)[0]  # fmt: skip
    whole = integrate.quad(lambda t: np.sin(t) ** 510, 0, np.pi, points=[np.pi / 2])[0]
    log = np.log2(scaled / whole) + 510 * np.log2(np.sin(half_angle))
    assert np.log2(found) == pytest.approx(log, abs=1e-6)


def test_the_logarithm_of_a_share_is_smooth_where_the_share_leaves_the_numbers_of_a_float():
    """Each further dimension multiplies a small share by nearly the sine of the angle."""
    dimensions = np.arange(990, 1090)
    logs = [theory.log2_cap_fraction(np.pi / 6, int(d)) for d in dimensions]
    assert logs[0] > -1000 and logs[-1] < -1080
    steps = np.diff(logs)
    wanted = -1 - np.log2(1 + 1 / dimensions[:-1]) / 2  # of sin^d / sqrt(d)
    np.testing.assert_allclose(steps, wanted, atol=1e-5)


@pytest.mark.parametrize("degrees", [30, 90, 120, 179])
def test_the_logarithm_of_a_share_of_the_sphere_is_that_of_any_angle(degrees):
    # On the sphere of three dimensions, a cap covers (1 - cos) / 2.
    angle = np.radians(degrees)
    wanted = np.log2((1 - np.cos(angle)) / 2)
    assert theory.log2_cap_fraction(angle, 3) == pytest.approx(wanted, abs=1e-12)
