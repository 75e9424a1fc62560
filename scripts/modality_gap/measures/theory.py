"""The paper's theorems in closed form and by simulation (sections 2.1 and 2.2, Appendix D).

phi is the ReLU; W and b have independent entries from N(0, 1/d_out). In one unit k of such a layer,
the pair ((Wu+b)_k, (Wv+b)_k) is bivariate normal, with variances (|u|^2+1)/d_out and
(|v|^2+1)/d_out and covariance (u.v+1)/d_out. The pairs of different units are independent. So
everything depends on three numbers: the cosine of u and v, the ratio of norms |v|/|u|, and the norm
|u|.
"""

from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from modality_gap.errors import InputError
from modality_gap.measures.intervals import jackknife_interval, normal_quantile, proportion_interval
from modality_gap.measures.streams import stream


def arc_cosine_kernel(correlation: ArrayLike) -> np.ndarray:
    """2 E[phi(a) phi(b)] of standard normal a, b with this correlation.

    If the argument is the cosine of two vectors before a ReLU layer of many units, the result is
    their cosine after the layer. It is above the argument for every argument below 1. Source: Cho
    and Saul 2009, degree 1; here Lemma 3.
    """
    rho = np.clip(correlation, -1, 1)
    return (np.sqrt(1 - rho**2) + (np.pi - np.arccos(rho)) * rho) / np.pi


# --- Theorem 1 --------------------------------------------------------------------------------


def covered_below(norm_ratio: float) -> float:
    """The cosine below which Theorem 1 holds, 2r / (1+r^2). The theorem does not cover it itself.

    The theorem needs the correlation of Wu+b and Wv+b to be above cos(u, v) = c. Squared and
    multiplied out, this is 1 - c^2 + c |u|^2 (2r - c (1+r^2)) > 0, c >= 0. For c below 2r /
    (1+r^2), it holds at every norm. For a larger c, it holds only up to some norm, so this is the
    limit as the norm grows.
    """
    return 2 * norm_ratio / (1 + norm_ratio**2)


def unit_correlation(cosine: float, norm_ratio: float, norm: float) -> float:
    """Correlation of (Wu+b)_k and (Wv+b)_k, where |u| = norm and |v| = norm_ratio * norm."""
    other = norm_ratio * norm
    return float((1 + cosine * norm * other) / np.sqrt((1 + norm**2) * (1 + other**2)))


def count_violations(
    d_out: int,
    correlations: np.ndarray,
    cosines: np.ndarray,
    trials: int,
    rng: np.random.Generator,
    block: int = 1 << 16,
) -> np.ndarray:
    """How many of `trials` layers have cos(phi(Wu+b), phi(Wv+b)) <= cos(u, v), for each case, (m,).

    A case is one entry of `correlations` and of `cosines` (m,). All cases share their draws,
    `block` numbers at a time, so that they stay in the processor's cache. An all-zero output has no
    cosine and counts as a violation. Source: Theorem 1.
    """
    counts = np.zeros(len(cosines), dtype=np.int64)
    rows = max(1, block // d_out)
    for start in range(0, trials, rows):
        first, second = rng.standard_normal((2, min(rows, trials - start), d_out))
        a = np.maximum(first, 0)
        a_squared = _dot(a, a)
        for case, (rho, cosine) in enumerate(zip(correlations, cosines, strict=True)):
            b = rho * first
            b += np.sqrt(1 - rho**2) * second
            np.maximum(b, 0, out=b)
            violated = _dot(a, b) <= cosine * np.sqrt(a_squared * _dot(b, b))
            counts[case] += np.count_nonzero(violated)
    return counts


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", a, b)


def violation_rate(correlation: np.ndarray, cosine: np.ndarray) -> np.ndarray:
    """m^2 / V of Theorem 1's bound: the rate at which violations become rarer with d_out.

    Let D = phi(a) phi(b) - c/2 (phi(a)^2 + phi(b)^2). In a violation, the mean of D over the units
    is <= 0 (the geometric mean is below the arithmetic). D has mean m = (kernel - c) / 2 and
    variance V. So Cantelli's inequality bounds the probability by 1 / (1 + d_out m^2 / V), which is
    the theorem's O(1/d_out) with its constant. The rate is 0 where m <= 0, because there is no
    bound.
    """
    rho, c = np.asarray(correlation, dtype=float), np.asarray(cosine, dtype=float)
    kernel = arc_cosine_kernel(rho)
    mean = np.maximum(kernel - c, 0) / 2
    sine, angle = np.sqrt(1 - rho**2), np.pi - np.arccos(rho)
    # E[phi(a)^4] = 3/2, and by parts E[phi(a)^2 phi(b)^2] and E[phi(a)^3 phi(b)]:
    both = (angle * (1 + 2 * rho**2) + 3 * sine * rho) / (2 * np.pi)
    three = kernel + rho * (angle + rho * sine) / (2 * np.pi)
    square = both + c**2 / 4 * (3 + 2 * both) - 2 * c * three
    return mean**2 / (square - (kernel - c) ** 2 / 4)


TAIL = 3  # points of a local slope
SEEN = 10  # least violations for which the logarithm of a share has little bias


def decay_exponent(
    d_out: np.ndarray, counts: np.ndarray, n: int, bound: np.ndarray, confidence: float
) -> tuple[int, float, float, float, float, int] | None:
    """The slope of log(share of violations) on log(d_out), and the slope of the bound over the same
    d_out.

    The slopes are taken at the last three d_out with at least ten violations, because O(1/d_out)
    speaks of large d_out and the curve bends down all the way. The binomial variance gives the
    weights and the interval. Returns the number of points, slope, low, high, the slope of `bound`
    and the largest of these d_out; or None if too few points have violations. Source: Theorem 1.
    """
    last = np.flatnonzero(counts >= SEEN)[-TAIL:]
    if len(last) < TAIL:
        return None
    share = counts[last] / n
    weights = counts[last] / np.maximum(1 - share, 0.5 / n)
    x = np.log(d_out[last])
    x = x - np.average(x, weights=weights)
    spread = (weights * x**2).sum()
    slope, of_bound = (
        float((weights * x * np.log(y)).sum() / spread) for y in (share, bound[last])
    )
    margin = normal_quantile(confidence) / np.sqrt(spread)
    return (
        len(last),
        slope,
        float(slope - margin),
        float(slope + margin),
        of_bound,
        int(d_out[last[-1]]),
    )


def theorem1_tables(grid: dict, confidence: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two tables: theorem1.csv has every case of `theory.theorem1` in the config at every d_out;
    theorem1_decay.csv says how fast the violations of the covered cases become rare.

    All cases of a d_out share its random draws, which the value of d_out determines.
    """
    trials, d_out = grid["trials"], np.array(sorted(grid["d_out"]))
    cases = list(product(grid["cosines"], grid["norm_ratios"], grid["norms"]))
    correlations = np.array([unit_correlation(*case) for case in cases])
    cosines = np.array([cosine for cosine, _, _ in cases])
    counts = [
        count_violations(d, correlations, cosines, trials, stream(seed, "theorem1", d))
        for d in d_out
    ]
    rates, kernels = violation_rate(correlations, cosines), arc_cosine_kernel(correlations)
    rows, decays = [], []
    for (cosine, ratio, norm), rate, kernel, violations in zip(
        cases, rates, kernels, np.transpose(counts), strict=True
    ):
        covered = cosine < covered_below(ratio)
        bound = 1 / (1 + rate * d_out)
        for d, seen, highest in zip(d_out, violations, bound, strict=True):
            low, high = proportion_interval(seen, trials, confidence)
            rows.append(
                {
                    "cosine": cosine,
                    "norm_ratio": ratio,
                    "norm": norm,
                    "d_out": d,
                    "n": trials,
                    "violations": seen,
                    "violation_share": seen / trials,
                    "violation_share_low": low,
                    "violation_share_high": high,
                    "covered": covered,
                    "covered_below": covered_below(ratio),
                    "cosine_after": kernel,
                    "d_out_scaled": rate * d,
                    "bound": highest,
                }
            )
        decay = decay_exponent(d_out, violations, trials, bound, confidence)
        if covered and decay:
            decays.append((cosine, ratio, norm, *decay))
    columns = ["cosine", "norm_ratio", "norm", "n", "exponent", "exponent_low", "exponent_high"]
    columns += ["bound_exponent", "d_out_last"]
    return pd.DataFrame(rows), pd.DataFrame(decays, columns=columns)


# --- Lemma 3 ----------------------------------------------------------------------------------


def lemma3_estimates(
    correlation: float, scale: float, draws: int, rng: np.random.Generator, confidence: float
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Monte Carlo of (Wu+b).(Wv+b) and of 2 phi(Wu+b).phi(Wv+b): mean, low and high of each.

    A draw is d_out times the product of one unit. `scale` is the product of the standard
    deviations, sqrt((1+|u|^2) (1+|v|^2)). In closed form, the first is scale * correlation = 1 +
    u.v, and the second is scale * arc_cosine_kernel(correlation). Source: Lemma 3.
    """
    first, second = rng.standard_normal((2, draws))
    second = correlation * first + np.sqrt(max(0.0, 1 - correlation**2)) * second
    quantile = normal_quantile(confidence)

    def estimate(values: np.ndarray) -> tuple[float, float, float]:
        mean, margin = values.mean(), quantile * values.std(ddof=1) / np.sqrt(draws)
        return float(mean), float(mean - margin), float(mean + margin)

    rectified = 2 * np.maximum(first, 0) * np.maximum(second, 0)
    return estimate(scale * (first * second)), estimate(scale * rectified)


def lemma3_table(grid: dict, confidence: float, seed: int) -> pd.DataFrame:
    """lemma3.csv: simulation and closed form for u of norm 1 and every |v| of `theory.lemma3` in
    the config, over cosines from -1 to 1. Each case has its own random draws, determined by its
    values."""
    cosines = np.arange(-1, 1 + grid["cosine_step"] / 2, grid["cosine_step"])
    rows = []
    for ratio, cosine in product(grid["norm_ratios"], cosines):
        correlation = unit_correlation(cosine, ratio, 1.0)
        scale = np.sqrt(2 * (1 + ratio**2))
        rng = stream(seed, "lemma3", ratio, cosine)
        before, after = lemma3_estimates(correlation, scale, grid["draws"], rng, confidence)
        row = {"cosine": cosine, "norm_ratio": ratio, "n": grid["draws"]}
        row |= dict(zip(("product", "product_low", "product_high"), before, strict=True))
        row["product_closed_form"] = 1 + ratio * cosine
        row |= dict(zip(("rectified", "rectified_low", "rectified_high"), after, strict=True))
        row["rectified_closed_form"] = scale * arc_cosine_kernel(correlation)
        rows.append(row)
    return pd.DataFrame(rows)


# --- Theorem 2 --------------------------------------------------------------------------------


def network_moments(
    width: int, layers: int, vectors: int, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Four moments of the units of random ReLU networks, (draws, layers, 4). Each draw is of all
    weights.

    A layer is h = phi(W h' + b), where h' is the layer before, scaled to length 1. The first h' is
    one of the `vectors` inputs, random unit vectors. The moments are means over units k and inputs:
    of h_k(x) h_k(x') over pairs of different inputs (unbiased for E[h_k|Theta]^2), of h_k^2, and of
    h_k. The fourth is the mean cosine of h' over such pairs, which is |E[h'|Theta]|^2 and so 1 - tr
    Var[h'|Theta]. Source: Theorem 2.
    """
    moments = np.empty((draws, layers, 4))
    for draw in range(draws):
        hidden = rng.standard_normal((vectors, width))
        for layer in range(layers):
            lengths = np.linalg.norm(hidden, axis=1, keepdims=True)
            if not lengths.all():
                raise InputError(
                    f"theory.theorem2.widths has {width}, which is too small: for one input, all "
                    "units of a layer are 0. Remove or raise this width."
                )
            hidden /= lengths
            cosine = _pairs(hidden).sum()
            weight = rng.normal(0, width**-0.5, (width, width))
            shift = rng.normal(0, width**-0.5, width)
            hidden = np.maximum(hidden @ weight.T + shift, 0)
            moments[draw, layer] = (
                _pairs(hidden).mean(),
                (hidden**2).mean(),
                hidden.mean(),
                cosine,
            )
    return moments


def _pairs(hidden: np.ndarray) -> np.ndarray:
    """The mean product of two different rows of hidden (n, d), for each column, (d,)."""
    n = len(hidden)
    return (hidden.sum(axis=0) ** 2 - (hidden**2).sum(axis=0)) / (n * (n - 1))


def variance_shares(moments: np.ndarray, confidence: float) -> dict[str, np.ndarray]:
    """The quantities that Theorem 2 compares, by layer: each (3, layers), value, low and high.

    `ratio` is the variance over Theta of E[h_k|Theta], divided by Var[h_k]. `beta` is its bound.
    `excess` is the ratio minus the tighter bound of the same networks. They come from
    `network_moments`; intervals are by the jackknife over draws of Theta. Source: Theorem 2.
    """
    draws = len(moments)
    total, squares = moments.sum(axis=0), (moments[..., 2] ** 2).sum(axis=0)
    estimates = _shares(total, squares, draws)
    without_one = _shares(total - moments, squares - moments[..., 2] ** 2, draws - 1)
    return {
        name: np.stack([value, *jackknife_interval(value, without_one[name], confidence)])
        for name, value in estimates.items()
    }


def _shares(total: np.ndarray, squares: np.ndarray, n: int) -> dict[str, np.ndarray]:
    """The estimates of `variance_shares`: `total` is the sum of n networks' moments, and `squares`
    the sum of the squares of their units' means."""
    mean_squared = (total[..., 2] ** 2 - squares) / (n * (n - 1))  # pairs of different networks
    conditional, square, beta = total[..., 0] / n, total[..., 1] / n, total[..., 3] / n
    ratio = (conditional - mean_squared) / (square - mean_squared)
    return {"ratio": ratio, "beta": beta, "excess": ratio - tighter_bound(beta)}


def tighter_bound(beta: np.ndarray) -> np.ndarray:
    """The bound in the proof of Theorem 2: 1 - (pi / (2 (pi-1))) (1 - beta). It is above beta."""
    return 1 - np.pi / (2 * (np.pi - 1)) * (1 - beta)


def variance_shares_closed_form(layers: int) -> tuple[np.ndarray, np.ndarray]:
    """The ratio and beta of Theorem 2 for very wide networks, layers 1, 2, ..., (layers,) each.

    Let c be the cosine of two inputs' outputs of the layer before (0 at first). Then width *
    E[h_k(x) h_k(x')] is the kernel at (1+c) / 2, width * E[h_k^2] is 1 and width * E[h_k]^2 is
    1/pi. The kernel is above its argument. With the argument in its place, the ratio is the tighter
    bound.
    """
    ratio, beta, cosine = [], [], 0.0
    for _ in range(layers):
        following = float(arc_cosine_kernel((1 + cosine) / 2))
        ratio.append((following - 1 / np.pi) / (1 - 1 / np.pi))
        beta.append(cosine)
        cosine = following
    return np.array(ratio), np.array(beta)


def theorem2_table(grid: dict, confidence: float, seed: int) -> pd.DataFrame:
    """theorem2.csv: simulation and closed form at every width of `theory.theorem2` in the config.
    The number of networks is such that every width has the same number of units in all. It is at
    least three, as a jackknife needs. Each width has its own random draws, determined by its
    value."""
    closed_ratio, closed_beta = variance_shares_closed_form(grid["layers"])
    rows = []
    for width in grid["widths"]:
        draws = max(3, grid["units"] // width)
        rng = stream(seed, "theorem2", width)
        moments = network_moments(width, grid["layers"], grid["vectors"], draws, rng)
        shares = variance_shares(moments, confidence)
        for layer in range(grid["layers"]):
            row = {"width": width, "layer": layer + 1, "n": draws}
            for name, values in shares.items():
                ends = (name, f"{name}_low", f"{name}_high")
                row |= dict(zip(ends, values[:, layer], strict=True))
            row |= {
                "tighter_bound": tighter_bound(row["beta"]),
                "ratio_closed_form": closed_ratio[layer],
                "beta_closed_form": closed_beta[layer],
                "tighter_bound_closed_form": tighter_bound(closed_beta[layer]),
            }
            rows.append(row)
    return pd.DataFrame(rows)


# --- Cones ------------------------------------------------------------------------------------


def mlp_cone_closed_form(bias: bool, width: int, layers: int) -> np.ndarray:
    """The mean cosine at layers 0, 1, ..., `layers` of Figure 2(b)'s ReLU network, (layers + 1,).

    The network is that of `mlp_cone.mlp_mean_cosines`, if it is very wide. Inputs from N(0, I) have
    squared norm s = width and cosine c = 0. A layer with bias takes s to (s+1) / 2 and c to the
    kernel at (s c + 1) / (s + 1). A layer without bias takes c to the kernel at c. Source: Figure
    2(b).
    """
    cosines, square = [0.0], float(width)
    for _ in range(layers):
        correlation = cosines[-1]
        if bias:
            correlation = (square * correlation + 1) / (square + 1)
            square = (square + 1) / 2
        cosines.append(float(arc_cosine_kernel(correlation)))
    return np.array(cosines)


def cap_fraction(half_angle: float, dimensions: int) -> float:
    """The share of the unit sphere of that many dimensions that is within half_angle (radians, up
    to pi) of an axis. It is computed by the regularised incomplete beta function. Source: section
    2.1."""
    below = float(special.betainc((dimensions - 1) / 2, 0.5, np.sin(half_angle) ** 2) / 2)
    return below if half_angle <= np.pi / 2 else 1 - below


def log2_cap_fraction(half_angle: float, dimensions: int) -> float:
    """The base-2 logarithm of `cap_fraction`, even if that is below the smallest float64. The
    incomplete beta function is x^a / (a B(a, 1/2)) times a hypergeometric series that is 1 at 0."""
    fraction = cap_fraction(half_angle, dimensions)
    if fraction > 1e-300:
        return float(np.log2(fraction))
    a, sine = (dimensions - 1) / 2, np.sin(half_angle)
    series = special.hyp2f1(a, 0.5, a + 1, sine**2)
    log = 2 * a * np.log(sine) - np.log(a) - special.betaln(a, 0.5) + np.log(series / 2)
    return float(log / np.log(2))


def cone_areas_table(settings: dict) -> pd.DataFrame:
    """cone_areas.csv: the share of the sphere that a cone covers. The cosine of `theory.cone_areas`
    in the config is read in two ways: as the cosine of the cone's half angle, and of its whole
    angle."""
    angle = np.arccos(settings["cosine"])
    rows = []
    for reading, half_angle in (("half angle", angle), ("whole angle", angle / 2)):
        for dimensions in settings["dimensions"]:
            fraction = cap_fraction(half_angle, dimensions)
            rows.append(
                {
                    "dimensions": dimensions,
                    "half_angle_deg": np.degrees(half_angle),
                    "reading": reading,
                    "fraction": fraction,
                    "log2_fraction": log2_cap_fraction(half_angle, dimensions),
                }
            )
    return pd.DataFrame(rows)


def mlp_cone_table(width: int, layers: int) -> pd.DataFrame:
    """mlp_cone_closed_form.csv: `mlp_cone_closed_form` with the columns bias, layer,
    mean_cosine."""
    rows = [
        {"bias": bias, "layer": layer, "mean_cosine": cosine}
        for bias in (True, False)
        for layer, cosine in enumerate(mlp_cone_closed_form(bias, width, layers))
    ]
    return pd.DataFrame(rows)
