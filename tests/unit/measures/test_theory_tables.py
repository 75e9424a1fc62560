"""The tables of the theorems, value for value against plain computations."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats

from modality_gap.errors import InputError
from modality_gap.measures import theory
from modality_gap.measures.mlp_cone import simulate_mlps
from modality_gap.measures.sphere import sphere_table
from modality_gap.measures.streams import stream


def relu(z):
    return np.maximum(z, 0)


def kernel(correlation):
    """2 E[relu(a) relu(b)] of a standard normal pair, by quadrature over its angle."""
    angle = np.arccos(correlation)
    if angle >= np.pi:
        return 0.0
    low, high = angle - np.pi / 2, np.pi / 2
    product = integrate.quad(lambda t: np.cos(t) * np.cos(t - angle), low, high)[0]
    return 2 * product / np.pi


def wilson(successes, n, confidence):
    z2, share = stats.norm.ppf((1 + confidence) / 2) ** 2, successes / n
    return sorted(np.roots([1 + z2 / n, -2 * share - z2 / n, share**2]).real)


# --- Theorem 1 --------------------------------------------------------------------------------


def test_an_output_without_any_active_unit_is_a_violation():
    # Two units: both are dead in a quarter of the layers, of either vector; equal vectors stay
    # equal, so that nothing else is a violation of a cosine below 1.
    found = theory.count_violations(2, [1.0], [0.5], 40_000, np.random.default_rng(0))
    assert found[0] / 40_000 == pytest.approx(0.25, abs=0.01)
    # Opposite ones never are above 0: each unit is active in one of the two alone.
    assert theory.count_violations(2, [-1.0], [0.0], 500, np.random.default_rng(0)) == [500]


def test_as_many_layers_are_drawn_as_are_asked_for():
    # Every layer violates a cosine of 2, whatever the blocks.
    for block in (1, 6, 7, 1 << 16):
        found = theory.count_violations(3, [0.3], [2.0], 101, np.random.default_rng(0), block)
        assert found == [101]


@pytest.mark.parametrize(
    ("cosine", "ratio", "norm"), [(0.5, 1, 1), (0.3, 0.5, 2), (-0.4, 3, 0.7), (0.0, 2, 5)]
)
def test_the_correlation_of_a_unit_is_that_of_drawn_weights(cosine, ratio, norm):
    u = np.array([norm, 0, 1])  # the last entry stands for the bias, of the same variance
    v = np.array([ratio * norm * cosine, ratio * norm * np.sqrt(1 - cosine**2), 1])
    wanted = u @ v / np.linalg.norm(u) / np.linalg.norm(v)
    assert theory.unit_correlation(cosine, ratio, norm) == pytest.approx(wanted, abs=1e-12)


GRID = {"trials": 3000, "d_out": [16, 2, 8, 4], "cosines": [0.5, 0.9], "norm_ratios": [1, 0.4],
        "norms": [1, 3]}  # fmt: skip


def test_theorem_1_covers_cosines_below_its_limit_and_not_the_limit():
    # Its condition is cos(u, v) < 2r / (1+r^2): of two equal vectors (r = 1) no cosine can rise.
    cosines = {1.0: 1.0, 0.5: 0.8, 2.0: 0.8}
    for ratio, limit in cosines.items():
        grid = {"trials": 50, "d_out": [4], "cosines": [limit - 1e-3, limit], "norms": [1]}
        table, _ = theory.theorem1_tables(grid | {"norm_ratios": [ratio]}, 0.9, 1)
        assert table["covered_below"].tolist() == [limit, limit]
        assert table["covered"].tolist() == [True, False]


def test_every_column_of_theorem_1():
    table, decay = theory.theorem1_tables(GRID, 0.9, 1)
    keys = ["cosine", "norm_ratio", "norm", "d_out"]
    assert table[keys].to_numpy().tolist() == [
        list(case) for case in itertools.product([0.5, 0.9], [1, 0.4], [1, 3], [2, 4, 8, 16])
    ]
    rng = np.random.default_rng(2)
    for row in table.to_dict("records"):
        rho = theory.unit_correlation(row["cosine"], row["norm_ratio"], row["norm"])
        c, d = row["cosine"], row["d_out"]
        a, b = rng.standard_normal((2, 4000, d))
        b = rho * a + np.sqrt(1 - rho**2) * b
        a, b = relu(a), relu(b)
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        plain = ((a * b).sum(axis=1) <= c * lengths).mean()
        error = np.sqrt(max(plain * (1 - plain), 1e-3) * (1 / 3000 + 1 / 4000))
        assert abs(row["violation_share"] - plain) < 4.5 * error
        assert row["n"] == 3000
        assert row["violations"] == round(row["violation_share"] * 3000)
        ends = row["violation_share_low"], row["violation_share_high"]
        assert ends == pytest.approx(tuple(wilson(row["violations"], 3000, 0.9)), abs=1e-9)
        limit = 2 * row["norm_ratio"] / (1 + row["norm_ratio"] ** 2)
        assert row["covered_below"] == pytest.approx(limit)
        assert row["covered"] == (c < limit)
        assert row["cosine_after"] == pytest.approx(kernel(rho), abs=1e-9)
        # Cantelli's bound from the mean and the variance of a unit's share, by quadrature.
        angle = np.arccos(rho)

        def of_a_unit(power, c=c, angle=angle):
            def value(t):
                x, y = relu(np.cos(t)), relu(np.cos(t - angle))
                return (x * y - c / 2 * (x**2 + y**2)) ** power

            points = [-np.pi / 2, angle - np.pi / 2, np.pi / 2, angle + np.pi / 2 - 2 * np.pi]
            inside = [p for p in points if -np.pi < p < np.pi]
            # Of a radius r, E r^2 = 2 and E r^4 = 8.
            moment = {1: 2, 2: 8}[power]
            return moment * integrate.quad(value, -np.pi, np.pi, points=inside)[0] / (2 * np.pi)

        mean, square = of_a_unit(1), of_a_unit(2)
        rate = max(mean, 0) ** 2 / (square - mean**2)
        assert row["d_out_scaled"] == pytest.approx(rate * d, rel=1e-6, abs=1e-9)
        assert row["bound"] == pytest.approx(1 / (1 + rate * d), rel=1e-6)
    assert set(table["covered"]) == {True, False}
    # Decay: of covered cases that saw enough, with the interval's confidence.
    covered = table[table["covered"]].groupby(keys[:3], sort=False)
    wanted = {}
    for key, part in covered:
        seen = part[part["violations"] >= 10].tail(3)
        if len(seen) == 3:
            share = (seen["violations"] / 3000).to_numpy()
            weights = 3000 * share / (1 - share)
            x = np.log(seen["d_out"].to_numpy(dtype=float))
            slope = np.polyfit(x, np.log(share), 1, w=np.sqrt(weights))[0]
            of_bound = np.polyfit(x, np.log(seen["bound"]), 1, w=np.sqrt(weights))[0]
            design = np.stack([x, np.ones(3)], axis=1)
            variance = np.linalg.inv(design.T @ (weights[:, None] * design))[0, 0]
            margin = stats.norm.ppf(0.95) * np.sqrt(variance)
            last = seen["d_out"].iloc[-1]
            wanted[key] = [3, slope, slope - margin, slope + margin, of_bound, last]
    assert 0 < len(wanted) < len(GRID["cosines"]) * 4
    assert decay[keys[:3]].to_numpy().tolist() == [list(key) for key in wanted]
    columns = ["n", "exponent", "exponent_low", "exponent_high", "bound_exponent", "d_out_last"]
    np.testing.assert_allclose(decay[columns], list(wanted.values()), rtol=1e-9)


def test_ten_violations_are_enough_for_a_slope_and_nine_are_not():
    d_out, bound = np.array([2, 4, 8, 16]), 1 / np.array([2, 4, 8, 16])
    for least, last in ((10, 16), (9, 8)):
        counts = np.array([400, 150, 50, least])
        found = theory.decay_exponent(d_out, counts, 1000, bound, 0.95)
        assert (found[0], found[-1]) == (3, last)


# --- Lemma 3 ----------------------------------------------------------------------------------


def test_every_column_of_lemma_3():
    grid = {"cosine_step": 0.25, "norm_ratios": [1.0, 2.5], "draws": 4000}
    table = theory.lemma3_table(grid, 0.95, 0)
    assert len(table) == 2 * 9
    np.testing.assert_allclose(table["cosine"], np.tile(np.arange(-4, 5) / 4, 2), atol=1e-12)
    assert table["norm_ratio"].tolist() == [1.0] * 9 + [2.5] * 9
    assert set(table["n"]) == {4000}
    for row in table.to_dict("records"):
        ratio, cosine = row["norm_ratio"], min(1, row["cosine"])
        u = np.array([1, 0, 1])
        v = np.array([ratio * cosine, ratio * np.sqrt(1 - cosine**2), 1])
        lengths = np.linalg.norm(u) * np.linalg.norm(v)
        assert row["product_closed_form"] == pytest.approx(u @ v, abs=1e-9)
        wanted = lengths * kernel(np.clip(u @ v / lengths, -1, 1))
        assert row["rectified_closed_form"] == pytest.approx(wanted, abs=1e-6)
        # The variance of a product of normal values is s^2 (1 + rho^2), s the lengths' product.
        margin = 1.96 * lengths * np.sqrt((1 + (u @ v / lengths) ** 2) / 4000)
        assert row["product_high"] - row["product"] == pytest.approx(margin, rel=0.15)
        assert row["product"] - row["product_low"] == pytest.approx(margin, rel=0.15)
        assert abs(row["product"] - u @ v) < 4 / 1.96 * margin
        half = row["rectified_high"] - row["rectified"]
        assert row["rectified"] - row["rectified_low"] == pytest.approx(half)
        assert abs(row["rectified"] - wanted) < 4 / 1.96 * half + 1e-9
    narrow = theory.lemma3_table(grid, 0.5, 0)
    share = (narrow["product_high"] - narrow["product"]) / (
        table["product_high"] - table["product"]
    )
    np.testing.assert_allclose(share, 0.6745 / 1.9600, rtol=1e-3)


def test_the_interval_of_few_draws_is_that_of_their_own_spread():
    found = theory.lemma3_estimates(0.4, 3.0, 5, np.random.default_rng(1), 0.9)
    first, second = np.random.default_rng(1).standard_normal((2, 5))
    second = 0.4 * first + np.sqrt(1 - 0.4**2) * second
    for values, estimate in zip(
        (3 * first * second, 6 * relu(first) * relu(second)), found, strict=True
    ):
        mean = sum(values) / 5
        error = np.sqrt(sum((value - mean) ** 2 for value in values) / 4 / 5)
        margin = 1.6448536 * error
        assert estimate == pytest.approx((mean, mean - margin, mean + margin), rel=1e-6)


def test_the_interval_of_a_rectified_product_is_as_wide_as_its_spread():
    rng = np.random.default_rng(4)
    estimates = np.array([theory.lemma3_estimates(0.4, 3.0, 400, rng, 0.95)[1] for _ in range(600)])
    spread = estimates[:, 0].std()
    margin = (estimates[:, 2] - estimates[:, 1]).mean() / 2
    assert margin == pytest.approx(1.96 * spread, rel=0.1)


# --- Theorem 2 --------------------------------------------------------------------------------


def plain_moments(width, layers, inputs, draws, rng):
    """The moments of every network from all pairs of inputs, one by one."""
    moments = np.zeros((draws, layers, 4))
    for draw in range(draws):
        h = rng.standard_normal((inputs, width))
        for layer in range(layers):
            h = h / np.sqrt((h**2).sum(axis=1))[:, None]
            pairs = [(i, j) for i in range(inputs) for j in range(inputs) if i != j]
            moments[draw, layer, 3] = np.mean([h[i] @ h[j] for i, j in pairs])
            weight = rng.normal(0, width**-0.5, (width, width))
            shift = rng.normal(0, width**-0.5, width)
            h = relu(h @ weight.T + shift)
            moments[draw, layer, 0] = np.mean([h[i] * h[j] for i, j in pairs])
            moments[draw, layer, 1] = np.mean(h**2)
            moments[draw, layer, 2] = np.mean(h)
    return moments


def shares_of(moments):
    """Ratio, beta and excess of the mean moments, E[h]^2 from pairs of different networks."""
    n = len(moments)
    conditional, square, _, beta = moments.mean(axis=0).T
    means = moments[:, :, 2]
    apart = np.mean([means[i] * means[j] for i in range(n) for j in range(n) if i != j], axis=0)
    ratio = (conditional - apart) / (square - apart)
    return {
        "ratio": ratio,
        "beta": beta,
        "excess": ratio - (1 - np.pi / (2 * np.pi - 2) * (1 - beta)),
    }


@pytest.mark.parametrize("confidence", [0.95, 0.6])
def test_shares_of_variance_and_their_jackknife(confidence):
    moments = theory.network_moments(6, 3, 4, 7, np.random.default_rng(3))
    plain = plain_moments(6, 3, 4, 7, np.random.default_rng(3))
    np.testing.assert_allclose(moments, plain, atol=1e-12)
    found = theory.variance_shares(moments, confidence)
    wanted = shares_of(plain)
    without = [shares_of(np.delete(plain, draw, axis=0)) for draw in range(7)]
    for name, value in wanted.items():
        left = np.array([one[name] for one in without])
        error = np.sqrt(6 / 7 * ((left - left.mean(axis=0)) ** 2).sum(axis=0))
        margin = stats.t.ppf((1 + confidence) / 2, 6) * error
        np.testing.assert_allclose(found[name], [value, value - margin, value + margin], atol=1e-10)


def test_the_interval_of_theorem_2_covers():
    held, truth = 0, theory.variance_shares(
        theory.network_moments(8, 1, 4, 6000, np.random.default_rng(99)), 0.95
    )["ratio"][0, 0]  # fmt: skip
    for seed in range(150):
        moments = theory.network_moments(8, 1, 4, 40, np.random.default_rng(seed))
        _, low, high = theory.variance_shares(moments, 0.9)["ratio"][:, 0]
        held += low < truth < high
    assert 0.82 <= held / 150 <= 0.97


def test_every_column_of_theorem_2():
    grid = {"layers": 3, "widths": [16, 40], "units": 160, "vectors": 5}
    table = theory.theorem2_table(grid, 0.95, 8)
    assert table[["width", "layer", "n"]].to_numpy().tolist() == [
        [width, layer, n] for width, n in ((16, 10), (40, 4)) for layer in (1, 2, 3)
    ]
    kernels = [0.0]
    for _ in range(3):
        kernels.append(kernel((1 + kernels[-1]) / 2))
    for width, n in ((16, 10), (40, 4)):
        moments = theory.network_moments(width, 3, 5, n, stream(8, "theorem2", width))
        shares = theory.variance_shares(moments, 0.95)
        part = table[table["width"] == width]
        for name, values in shares.items():
            columns = [name, f"{name}_low", f"{name}_high"]
            np.testing.assert_allclose(part[columns].to_numpy().T, values)
        for row, before, after in zip(
            part.to_dict("records"), kernels[:-1], kernels[1:], strict=True
        ):
            factor = np.pi / (2 * (np.pi - 1))
            assert row["tighter_bound"] == pytest.approx(1 - factor * (1 - row["beta"]))
            assert row["beta_closed_form"] == pytest.approx(before, abs=1e-9)
            assert row["tighter_bound_closed_form"] == pytest.approx(1 - factor * (1 - before))
            ratio = (after - 1 / np.pi) / (1 - 1 / np.pi)
            assert row["ratio_closed_form"] == pytest.approx(ratio, abs=1e-9)


# --- Cones ------------------------------------------------------------------------------------


def test_a_width_has_three_networks_however_few_units_are_asked_for():
    table = theory.theorem2_table({"layers": 1, "widths": [16], "units": 16, "vectors": 3}, 0.9, 0)
    assert table["n"].tolist() == [3]
    assert np.isfinite(table.to_numpy()).all()


def test_every_column_of_the_cones_areas():
    settings = {"cosine": 0.56, "dimensions": [2, 3, 7]}
    table = theory.cone_areas_table(settings)
    assert table[["reading", "dimensions"]].to_numpy().tolist() == [
        [reading, d] for reading in ("half angle", "whole angle") for d in (2, 3, 7)
    ]
    for row in table.to_dict("records"):
        half = np.arccos(0.56) / (2 if row["reading"] == "whole angle" else 1)
        assert row["half_angle_deg"] == pytest.approx(half * 180 / np.pi)
        power = row["dimensions"] - 2
        cap, whole = (
            integrate.quad(lambda t, p=power: np.sin(t) ** p, 0, end)[0] for end in (half, np.pi)
        )
        assert row["fraction"] == pytest.approx(cap / whole)
        assert row["log2_fraction"] == pytest.approx(np.log(cap / whole) / np.log(2))


def test_every_row_of_the_relu_networks_closed_form():
    table = theory.mlp_cone_table(64, 3)
    assert table[["bias", "layer"]].to_numpy().tolist() == [
        [bias, layer] for bias in (True, False) for layer in range(4)
    ]
    wanted = {True: [0.0], False: [0.0]}
    product, square = 0.0, 64.0  # of two inputs; both grow by the bias's variance, then halve
    plain = 0.0
    for _ in range(3):
        correlation = (product + 1) / (square + 1)
        square = (square + 1) / 2
        product = square * kernel(correlation)
        wanted[True].append(product / square)
        plain = kernel(plain)
        wanted[False].append(plain)
    for bias, values in wanted.items():
        found = table.loc[table["bias"] == bias, "mean_cosine"]
        np.testing.assert_allclose(found, values, atol=1e-9)


# --- What no value may depend on --------------------------------------------------------------


def backwards(settings: dict) -> dict:
    return {
        key: value[::-1] if isinstance(value, list) else value for key, value in settings.items()
    }


@pytest.mark.parametrize(
    ("compute", "settings"),
    [
        (lambda grid: theory.theorem1_tables(grid, 0.9, 3)[0], GRID),
        (lambda grid: theory.theorem1_tables(grid, 0.9, 3)[1], GRID),
        (
            lambda grid: theory.lemma3_table(grid, 0.9, 3),
            {"cosine_step": 0.5, "norm_ratios": [1.0, 0.5], "draws": 300},
        ),
        (
            lambda grid: theory.theorem2_table(grid, 0.9, 3),
            {"layers": 2, "widths": [16, 40], "units": 160, "vectors": 5},
        ),
        (theory.cone_areas_table, {"cosine": 0.56, "dimensions": [2, 3, 7]}),
        (
            lambda settings: simulate_mlps(settings, 3),
            {
                "vectors": 9,
                "width": 8,
                "layers": 3,
                "repeats": 2,
                "activations": ["tanh", "sigmoid"],
            },
        ),
        (
            sphere_table,
            {"temperatures": [1.0, 0.2], "spacings_deg": [20, 15]},
        ),
    ],
)
def test_no_value_depends_on_the_order_of_the_configs_entries(compute, settings):
    found, other = compute(settings), compute(backwards(settings))
    columns = list(found)
    found, other = (table.sort_values(columns, ignore_index=True) for table in (found, other))
    pd.testing.assert_frame_equal(found, other, check_exact=True)


def test_simulations_follow_the_seed():
    grid = {"trials": 99, "d_out": [4], "cosines": [0.5], "norm_ratios": [1.0], "norms": [1.0]}
    of_lemma = {"cosine_step": 1, "norm_ratios": [1.0], "draws": 20}
    seeds = (0, 0, 1, 2)
    counts = [theory.theorem1_tables(grid, 0.9, seed)[0]["violations"].item() for seed in seeds]
    means = [theory.lemma3_table(of_lemma, 0.9, seed)["product"].iloc[1] for seed in seeds]
    for found in (counts, means):
        assert found[0] == found[1]
        assert len({*found}) > 1


def test_a_case_has_the_draws_of_its_values():
    first = stream(1, "lemma3", 1, -0.5).random()
    assert first == stream(1, "lemma3", 1.0, -0.5 + 1e-16).random()
    others = [
        stream(1, "lemma3", 1, -0.5 + 1e-11),
        stream(2, "lemma3", 1, -0.5),
        stream(1, "theorem2", 1, -0.5),
        stream(1, "lemma3", -0.5, 1),
    ]
    assert len({first, *(rng.random() for rng in others)}) == 5


def test_each_case_of_lemma_3_has_draws_of_its_own():
    grid = {"cosine_step": 0.5, "norm_ratios": [1.0, 2.0], "draws": 40}
    table = theory.lemma3_table(grid, 0.9, 3)
    for row in table.to_dict("records"):
        ratio, cosine = row["norm_ratio"], row["cosine"]
        first, second = stream(3, "lemma3", ratio, cosine).standard_normal((2, 40))
        scale = np.sqrt(2 * (1 + ratio**2))
        rho = (1 + ratio * cosine) / scale
        products = scale * first * (rho * first + np.sqrt(max(0, 1 - rho**2)) * second)
        assert row["product"] == pytest.approx(products.mean())
    # Otherwise the products of a ratio would be a line over its cosines.
    of_one = table[table["norm_ratio"] == 2.0]["product"].to_numpy()
    assert abs(np.diff(of_one, 2)).max() > 1e-3


def test_units_that_are_all_dead_are_refused_in_a_sentence():
    with pytest.raises(InputError, match=r"theory\.theorem2\.widths has 1, which is too small"):
        theory.theorem2_table({"layers": 3, "widths": [1], "units": 30, "vectors": 5}, 0.9, 0)
    # One layer, of which a part of the inputs come out as 0.
    settings = {"vectors": 9, "width": 1, "layers": 1, "repeats": 2, "activations": ["relu"]}
    with pytest.raises(InputError, match=r"mlp_cone\.width is 1, which is too small"):
        simulate_mlps(settings, 0)


def test_caps_beyond_a_right_angle_and_of_next_to_nothing():
    # Of the sphere in 3-D a cap is (1 - cos) / 2 at every angle.
    for angle in (0.3, np.pi / 2, 1.9, 3.1):
        assert theory.cap_fraction(angle, 3) == pytest.approx((1 - np.cos(angle)) / 2)
    assert theory.cap_fraction(np.arccos(-0.416), 3) == pytest.approx(0.708, abs=1e-9)
    # Of a tiny cap the area is that of a flat ball, sin^(d-1) / (d-1) over B((d-1)/2, 1/2).
    for angle, d in ((1e-5, 512), (1e-3, 300), (1e-200, 4), (1e-2, 20)):
        wanted = (
            (d - 1) * np.log2(angle) - np.log2(d - 1) - special.betaln((d - 1) / 2, 0.5) / np.log(2)
        )
        assert theory.log2_cap_fraction(angle, d) == pytest.approx(wanted, rel=1e-4)
    # Both roads agree where either goes.
    fraction = theory.cap_fraction(0.26, 512)
    assert 1e-304 < fraction < 1e-300
    a, x = 255.5, np.sin(0.26) ** 2
    wanted = integrate.quad(lambda t: t ** (a - 1) * (1 - t) ** -0.5 / x**a, 0, x)[0]
    wanted = np.log2(wanted / 2) + a * np.log2(x) - special.betaln(a, 0.5) / np.log(2)
    assert theory.log2_cap_fraction(0.26, 512) == pytest.approx(wanted, abs=1e-6)
