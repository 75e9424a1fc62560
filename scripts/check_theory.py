"""Check the paper's theorems and cone areas: simulation, closed form, published bounds."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

from itertools import product

import numpy as np
import pandas as pd

from modality_gap import theory
from modality_gap.gap import proportion_interval

settings, confidence = snakemake.params.theory, snakemake.params.confidence
theorem1_rng, lemma3_rng, theorem2_rng = np.random.default_rng(snakemake.params.seed).spawn(3)


def write(rows: list[dict], path: str) -> None:
    pd.DataFrame(rows).to_csv(path, index=False)
    print("wrote", path)


# --- Theorem 1: cases share the draws of a d_out, each d_out has its own. ---
grid = settings["theorem1"]
trials, d_out = grid["trials"], np.array(sorted(grid["d_out"]))
cases = list(product(grid["cosines"], grid["norm_ratios"], grid["norms"]))
correlations = np.array([theory.unit_correlation(*case) for case in cases])
cosines = np.array([cosine for cosine, _, _ in cases])
counts = [theory.count_violations(d, correlations, cosines, trials, theorem1_rng) for d in d_out]
rates = theory.violation_rate(correlations, cosines)
kernels = theory.arc_cosine_kernel(correlations)
rows, decays = [], []
for (cosine, ratio, norm), rate, kernel, violations in zip(
    cases, rates, kernels, np.transpose(counts), strict=True
):
    case = {"cosine": cosine, "norm_ratio": ratio, "norm": norm}
    covered = cosine < theory.covered_below(ratio)
    bound = 1 / (1 + rate * d_out)
    for d, seen, highest in zip(d_out, violations, bound, strict=True):
        low, high = proportion_interval(seen, trials, confidence)
        rows.append(
            case
            | {
                "d_out": d,
                "n": trials,
                "violations": seen,
                "violation_share": seen / trials,
                "violation_share_low": low,
                "violation_share_high": high,
                "covered": covered,
                "covered_below": theory.covered_below(ratio),
                "cosine_after": kernel,
                "d_out_scaled": rate * d,
                "bound": highest,
            }
        )
    decay = theory.decay_exponent(d_out, violations, trials, bound, confidence)
    if covered and decay:
        decays.append((cosine, ratio, norm, *decay))
write(rows, snakemake.output.theorem1)
columns = ["cosine", "norm_ratio", "norm", "n", "exponent", "exponent_low", "exponent_high"]
columns += ["bound_exponent", "d_out_last"]
pd.DataFrame(decays, columns=columns).to_csv(snakemake.output.theorem1_decay, index=False)

# --- Lemma 3: u of norm 1. ---
grid = settings["lemma3"]
cosines = np.arange(-1, 1 + grid["cosine_step"] / 2, grid["cosine_step"])
rows = []
for ratio, cosine in product(grid["norm_ratios"], cosines):
    correlation = theory.unit_correlation(cosine, ratio, 1.0)
    scale = np.sqrt(2 * (1 + ratio**2))
    before, after = theory.lemma3_estimates(
        correlation, scale, grid["draws"], lemma3_rng, confidence
    )
    row = {"cosine": cosine, "norm_ratio": ratio, "n": grid["draws"]}
    row |= dict(zip(("product", "product_low", "product_high"), before, strict=True))
    row["product_closed_form"] = 1 + ratio * cosine
    row |= dict(zip(("rectified", "rectified_low", "rectified_high"), after, strict=True))
    row["rectified_closed_form"] = scale * theory.arc_cosine_kernel(correlation)
    rows.append(row)
write(rows, snakemake.output.lemma3)

# --- Theorem 2 ---
grid = settings["theorem2"]
closed_ratio, closed_beta = theory.variance_shares_closed_form(grid["layers"])
rows = []
for width in grid["widths"]:
    # As many units at every width; a jackknife needs three networks.
    draws = max(3, grid["units"] // width)
    moments = theory.network_moments(width, grid["layers"], grid["inputs"], draws, theorem2_rng)
    shares = theory.variance_shares(moments, confidence)
    for layer in range(grid["layers"]):
        row = {"width": width, "layer": layer + 1, "n": draws}
        for name, values in shares.items():
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), values[:, layer], strict=True))
        row |= {
            "tighter_bound": theory.tighter_bound(row["beta"]),
            "ratio_closed_form": closed_ratio[layer],
            "beta_closed_form": closed_beta[layer],
            "tighter_bound_closed_form": theory.tighter_bound(closed_beta[layer]),
        }
        rows.append(row)
write(rows, snakemake.output.theorem2)

# --- Cones ---
angle = np.arccos(settings["cone_areas"]["cosine"])
rows = []
for reading, half_angle in (("half angle", angle), ("whole angle", angle / 2)):
    for dimensions in settings["cone_areas"]["dimensions"]:
        fraction = theory.cap_fraction(half_angle, dimensions)
        rows.append(
            {
                "dimensions": dimensions,
                "half_angle_deg": np.degrees(half_angle),
                "reading": reading,
                "fraction": fraction,
                "log2_fraction": np.log2(fraction),
            }
        )
write(rows, snakemake.output.cone_areas)

mlp = snakemake.params.mlp
rows = [
    {"bias": bias, "layer": layer, "mean_cosine": cosine}
    for bias in (True, False)
    for layer, cosine in enumerate(theory.mlp_cone_closed_form(bias, mlp["width"], mlp["layers"]))
]
write(rows, snakemake.output.mlp_cone)
