"""Small invented tables of a run, for the tests of its sentences and pages."""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from modality_gap.paper.claims import COLUMNS

ROOT = Path(__file__).parents[1]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))


def gap_row(name, weights="trained", gap=0.8, low=0.79, high=0.81, recall=0.3, **more):
    row = {"set": name, "model": "toy", "weights": weights, "n": 100, "dim": 8, "gap": gap}
    row |= {
        "clusters": 100,
        "recall_items_a": 100,
        "recall_items_b": 98,
        "gap_squared": 0.6,
        "gap_squared_low": 0.5,
        "gap_squared_high": 0.7,
        "recall1_chance": 0.01,
        "gap_low": low,
        "gap_high": high,
        "separability": 1.0,
        "separability_n": 100,
    }
    for side in "ab":
        row |= {f"mean_cosine_{side}{end}": 0.5 for end in ("", "_low", "_high")}
    for direction in ("ab", "ba"):
        row |= {f"recall1_{direction}": recall}
        row |= {
            f"recall1_{direction}_low": recall - 0.05,
            f"recall1_{direction}_high": recall + 0.05,
        }
    return row | {"largest5_share": 0.4} | more


def gap_table():
    return pd.DataFrame([gap_row("toy"), gap_row("toy_random", "random", 1.1, 1.05, 1.15, 0.01)])


def cone_table(random=0.9):
    rows = []
    for encoder in CONFIG["cone"]["encoders"]:
        for weights, inputs, mean in (
            ("trained", "real", 0.5),
            ("random", "real", random),
            ("random", "noise", random),
        ):
            row = {"encoder": encoder, "weights": weights, "inputs": inputs, "model": "toy"}
            row |= {"dtype": "float32", "n": 10, "mean_cosine": mean, "min_cosine": 0.1}
            rows.append(row | {"mean_cosine_low": mean - 0.01, "mean_cosine_high": mean + 0.01})
    return pd.DataFrame(rows)


def mlp_table(tanh_without_bias=0.001):
    ends = {("relu", True): 0.99, ("relu", False): 0.97, ("tanh", True): 0.5}
    ends[("tanh", False)] = tanh_without_bias
    return pd.DataFrame(
        {"activation": activation, "bias": bias, "layer": layer, "n": 3, "mean_cosine": mean}
        | {"mean_cosine_low": mean - 0.002, "mean_cosine_high": mean + 0.002}
        for (activation, bias), end in ends.items()
        for layer, mean in ((0, 0.0), (25, end))
    )


def spectrum_table(values=(9.0, 8.0, 1.0, 0.9)):
    return pd.DataFrame(
        {"encoder": "toy", "initialisations": 3, "items": 4, "component": range(1, len(values) + 1)}
        | {"singular_value": values, "between_share": 0.75}
    )


def shifts_table(to=0.0):
    """Centres 1 apart before the shift and 2 `to` apart after it, by the grid of project_pca."""
    return pd.DataFrame(
        {"set": "toy", "side": side, "delta": delta, "n": 100, "pc_2": 0.0}
        | {"pc_1": sign * (0.5 + (to - 0.5) * delta)}
        | {"share_1": 0.25, "share_2": 0.1, "share_first_6": 0.4}
        for delta in np.linspace(-0.5, 1.5, 9)
        for side, sign in (("a", 1), ("b", -1))
    )


def landscape_table(cold_minimum=0.0):
    return pd.DataFrame(
        {"set": "toy", "temperature": temperature, "delta": delta, "distance": 0.8 - delta}
        | {"loss": (delta - minimum) ** 2 + 0.3, "loss_as_released": (delta - minimum) ** 2 + 0.4}
        for temperature, minimum in ((0.01, cold_minimum), (1.0, 0.75))
        for delta in np.arange(-1, 1.01, 0.25)
    )


def sphere_table(low_temperature_minimum=53):
    rows = []
    for mismatched in (True, False):
        for temperature in (1.0, 0.0285714285714285):
            apart = low_temperature_minimum if mismatched and temperature < 1 else 0
            for angle in range(-90, 91):
                loss = 1.5 + (abs(angle) - apart) ** 2 / 1e4
                rows.append((20, mismatched, temperature, angle, loss))
    columns = ["spacing_deg", "mismatched", "temperature", "delta_theta_deg", "loss"]
    return pd.DataFrame(rows, columns=columns)


def table1(held_out=0.6, p_held_out=0.001):
    row = {"set": "toy", "task": "a_task", "n": 200, "classes": 4, "chance": 0.25, "delta": -0.5}
    row |= {"metric": "accuracy"}
    row |= {"default": 0.5, "modified": 0.625, "direction": "wider", "p_in_sample": 0.0001}
    row |= {"p_permutation": 0.0002, "p_max_statistic": 0.02}
    row |= {"distance_default": 0.8, "distance_modified": 1.3}
    row |= {"held_out_delta_1": -0.5, "held_out_delta_2": 0.0}
    row |= {"held_out": held_out, "held_out_won": 30, "held_out_lost": 10, "p_held_out": p_held_out}
    for name in ("default", "modified", "held_out"):
        row |= {f"{name}_low": row[name] - 0.07, f"{name}_high": row[name] + 0.07}
    return pd.DataFrame([row])


def zero_shot(best=1.3):
    """Distance 0.8 without a shift and `best` with the one that table1 picks."""
    return pd.DataFrame(
        {"set": "toy", "task": "a_task", "delta": [-0.5, 0.0], "distance": [best, 0.8]}
        | {"metric": "accuracy", "score": [0.625, 0.5], "n": 200}
    )


def table2(after=5, p=0.01):
    rows = []
    for delta, one, other in ((0.0, 10, 10), (-0.2, after, after)):
        for group, n, offensive in (("light", 50, one), ("dark", 50, other), ("all", 100, one * 2)):
            row = {"delta": delta, "group": group, "n": n, "p_value": p if delta else 1.0}
            row |= {"p_holm": p if delta else 1.0, "tests": 2}
            counts = {"crime_related": offensive, "non_human": 0, "offensive": offensive}
            for name, count in (counts | {"correct": 20}).items():
                share = count / n
                row |= {name: count, f"{name}_share": share}
                row |= {f"{name}_low": share / 2, f"{name}_high": share * 1.5}
            rows.append(row)
    return pd.DataFrame(rows)


def minimum_table(cold=0.8, hot=0.05, at_end=False):
    """The fine sweep of `toy`, whose gap is 0.8."""
    return pd.DataFrame(
        {"set": "toy", "temperature": temperature, "n": 100, "batches": 2, "gap": 0.8}
        | {"distance": distance, "distance_low": distance - 0.1, "distance_high": distance + 0.1}
        | {"at_end": at_end and temperature < 1, "placed": True, "loss": 0.3, "loss_at_gap": 0.4}
        for temperature, distance in ((0.01, cold), (1.0, hot))
    )


def temperature_summary(hot_gap=0.1, hot_accuracy=0.65):
    rows = []
    for temperature, gap, accuracy in ((1.0, hot_gap, hot_accuracy), (0.01, 0.48, 0.56)):
        row = {"model": "toy", "temperature": temperature, "n": 3, "gap_before": 0.52}
        ends = {"gap": gap, "zero_shot": accuracy, "recall1_ab": 0.27, "recall1_ba": 0.29}
        for name, value in ends.items():
            row |= {f"{name}_after": value}
            row |= {f"{name}_after_low": value - 0.01, f"{name}_after_high": value + 0.01}
        rows.append(row)
    return pd.DataFrame(rows)


def initialisation_tables():
    summary, difference = [], []
    for mode in ("fixed", "learnt"):
        for start, before, after in (("original", 1.2, 0.8), ("rotated", 0.1, 0.6)):
            row = {"model": "toy", "temperature_mode": mode, "start": start, "n": 3}
            for name, value in (("gap_before", before), ("gap_after", after)):
                row |= {name: value, f"{name}_low": value - 0.05, f"{name}_high": value + 0.05}
            summary.append(row)
        share = "gap_after_rotated_over_original"
        row = {"model": "toy", "temperature_mode": mode, "n": 3, share: 0.75}
        difference.append(row | {f"{share}_low": 0.7, f"{share}_high": 0.8})
    return {
        "initialisation_summary": pd.DataFrame(summary),
        "initialisation_difference": pd.DataFrame(difference),
    }


def dimension_summary(before=1.1, after=(0.5, 0.9, 0.7)):
    """Summaries of training in 32, 64 and 128 dimensions."""
    rows = []
    for dim, end in zip((128, 32, 64), after, strict=True):
        row = {"model": "toy", "dim": dim, "n": 3}
        for name, value in (("gap_before", before), ("gap_after", end)):
            row |= {name: value, f"{name}_low": value - 0.05, f"{name}_high": value + 0.05}
        rows.append(row)
    return pd.DataFrame(rows)


def same_modality_summary():
    rows = []
    for modality, gap in (("image", 0.6), ("text", 0.4)):
        row = {"model": "toy", "modality": modality, "n": 3}
        values = {"gap_before": 1.0, "gap_after": gap}
        for name, value in (values | {"separability_before": 0.9, "separability_after": 1}).items():
            row |= {name: value, f"{name}_low": value - 0.05, f"{name}_high": value + 0.05}
        rows.append(row)
    return pd.DataFrame(rows)


def p_values_table():
    row = {"accuracies": "a", "pictures": "p", "default": 0.5, "modified": 0.6, "shifts": 40}
    row |= {"difference": 0.1, "difference_low": 0.05, "difference_high": 0.15}
    return pd.DataFrame(
        row | {"task": task, "n": n, "p_published": printed, "p_recomputed": p, "p_corrected": q}
        for task, n, printed, p, q in (
            ("CIFAR10", 60000, 1e-5, 1.001e-5, 4e-4),
            ("CIFAR100", 60000, 0.008, 0.008, 0.32),
            ("CIFAR10", 10000, None, 0.101, 1.0),
        )
    )


def published_table2():
    """Three groups: clear by both tests, clear by the paired one at best, and unchanged."""
    rows = []
    for group, before, after, fisher, paired in (
        ("one", 30, 10, 0.001, 1e-5),
        ("two", 12, 6, 0.2, 0.03),
        ("three", 5, 5, 1.0, 1.0),
        ("all", 47, 21, 0.002, 1e-6),
    ):
        n = 300 if group == "all" else 100
        row = {"group": group, "n": n, "before": before, "after": after, "p_fisher": fisher}
        change = (after - before) / n
        row |= {"change": change, "change_low": change - 0.01, "change_high": change + 0.01}
        rows.append(row | {"p_fisher_holm": fisher, "p_mcnemar_least_holm": paired})
    return pd.DataFrame(rows)


def claim(name, verdict, whose="paper", evidence="paper's own: toy data", **more):
    """A row of results/claims.csv, as texts."""
    row = dict.fromkeys(COLUMNS, "")
    row |= {"id": name, "part": "Figure 1", "where": "Figure 1", "whose": whose}
    row |= {"statement": f"The statement of {name}.", "verdict": verdict, "evidence": evidence}
    return row | {"measured": "0.5", "low": "0.4", "high": "0.6", "n": "7"} | more


def claims(*rows):
    return pd.DataFrame(rows or [claim("abstract.separate", "reproduced", figure="figure1")])


def training_table(last=1.3):
    return pd.DataFrame(
        {"model": "toy", "step": [0, 1, 2], "loss": [None, 4.0, 2.0]}
        | {"gap": [1.2, None, last], "recall1": [0.01, None, 0.2]}
    )


def peak_table():
    """recall_peak.csv of the sets of `gap_table`."""
    row = {"n": 1500, "gap": 0.8, "best_distance": 0.9, "p_max_statistic": 0.4}
    for name, value in (
        ("recall_at_gap", 0.5),
        ("recall_closed", 0.35),
        ("recall_best", 0.52),
        ("gain", 0.02),
        ("change_closed", -0.15),
    ):
        row |= {name: value, f"{name}_low": value - 0.03, f"{name}_high": value + 0.01}
    keys = [(name, way) for name in gap_table()["set"] for way in ("ab", "ba")]
    return pd.DataFrame([row | {"set": name, "direction": way} for name, way in keys])


def theorem_tables():
    """Of three cases that Theorem 1 covers, two are clearly below their bounds. The interval of the
    third ends at its bound, and one case is not covered. For Theorem 2, the second of two layers is
    clearly above beta."""
    covered = [True, True, True, False]
    return {
        "theorem1": pd.DataFrame(
            {"violation_share": 0.1, "violation_share_low": 0.05, "covered": covered}
            | {"violation_share_high": [0.2, 0.3, 0.4, 0.1], "bound": [0.5, 0.31, 0.4, 0.9]}
        ),
        "theorem1_decay": pd.DataFrame(
            {"exponent": [-2.0, -1.5, -1.75], "exponent_low": [-2.25, -1.625, -2.0]}
            | {"exponent_high": [-1.25, -1.375, -1.5]}
        ),
        "theorem2": pd.DataFrame(
            {"ratio": [0.5, 0.75], "ratio_low": [0.4, 0.7], "ratio_high": [0.6, 0.8]}
            | {"beta": [0.35, 0.6], "beta_low": [0.3, 0.5], "beta_high": [0.4, 0.69]}
        ),
    }


def data():
    return {
        "gap": gap_table(),
        "cone": cone_table(),
        "mlp_cone_interval": mlp_table(),
        "initialisation_spectrum": spectrum_table(),
        "initialisation_noise_spectrum": spectrum_table(),
        "pca_shifts": shifts_table(),
        "loss_landscape": landscape_table(),
        "loss_minimum": minimum_table(),
        "recall_peak": peak_table(),
        "temperature_summary": temperature_summary(),
        **initialisation_tables(),
        "sphere": sphere_table(),
        "zero_shot": zero_shot(),
        "table1": table1(),
        "table2": table2(),
        "training": training_table(),
        "dimension_summary": dimension_summary(),
        "same_modality_summary": same_modality_summary(),
        **theorem_tables(),
        "supplementary_p_values": p_values_table(),
        "published_table2": published_table2(),
    }
