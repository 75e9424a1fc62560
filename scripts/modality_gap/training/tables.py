"""Tables of the training experiments."""

from itertools import combinations, permutations

import numpy as np
import pandas as pd
from scipy import stats

from modality_gap.measures.intervals import largest_ratio, ratio, t_interval
from modality_gap.training.experiments import CONDITIONS

ENDS = ("", "_low", "_high")  # after the name of a column: the estimate and its interval


def summarise(table: pd.DataFrame, keys: list[str], confidence: float) -> pd.DataFrame:
    """One row per condition: the keys, n (the number of seeds), and each other column q except the
    seed. A column q gives its mean q and the ends q_low and q_high of the t interval over seeds.
    The same is done for q_change, the difference between q_after and q_before of each run."""
    table = table.assign(
        **{
            name.replace("_after", "_change"): table[name] - table[before]
            for name in table
            if name.endswith("_after") and (before := name.replace("_after", "_before")) in table
        }
    )
    rows = []
    for condition, part in table.groupby(keys, sort=False):
        row = dict(zip(keys, condition, strict=True)) | {"n": len(part)}
        for name in part.columns.difference([*keys, "seed"], sort=False):
            values = part[name].to_numpy(dtype=np.float64)
            row[name] = values.mean()
            row[f"{name}_low"], row[f"{name}_high"] = t_interval(values, confidence)
        rows.append(row)
    return pd.DataFrame(rows)


def trend(table: pd.DataFrame, by: str, quantities: list[str]) -> pd.DataFrame:
    """Kendall's tau between each quantity and the column `by`, over all runs. Columns: quantity, n,
    kendall_tau, p_value. A constant quantity has no trend: tau 0, p 1."""
    rows = []
    for quantity in quantities:
        constant = table[quantity].nunique() < 2 or table[by].nunique() < 2
        tau, p_value = (0.0, 1.0) if constant else stats.kendalltau(table[by], table[quantity])
        rows.append({"quantity": quantity, "n": len(table), "kendall_tau": tau, "p_value": p_value})
    return pd.DataFrame(rows)


def spreads(table: pd.DataFrame, by: str, quantities: list[str], confidence: float) -> pd.DataFrame:
    """How much each quantity varies between conditions, for every range of the column `by`.
    Columns: quantity, {by}_from, {by}_to, conditions (the number in the range), n (seeds), and
    largest_over_smallest with its interval (`intervals.largest_ratio`)."""
    columns = ["quantity", f"{by}_from", f"{by}_to", "conditions", "n"]
    names = [f"largest_over_smallest{end}" for end in ENDS]
    rows = []
    for quantity in quantities:
        values = table.pivot(index=by, columns="seed", values=quantity)
        for first, last in combinations(range(len(values)), 2):
            part = values.iloc[first : last + 1]
            about = (quantity, part.index[0], part.index[-1], *part.shape)
            rows.append((*about, *largest_ratio(part.to_numpy(), confidence)))
    return pd.DataFrame(rows, columns=[*columns, *names])


def differences(
    table: pd.DataFrame, by: str, quantities: list[str], confidence: float
) -> pd.DataFrame:
    """The difference in each quantity between two values of the column `by`, paired by seed (same
    weights, same batches). There is one row per quantity and ordered pair of values.

    Columns: quantity, {by}, {by}_against, n (seeds), and, with their t intervals, difference and
    ratio. The difference is the mean of the first minus the second. The ratio is the geometric mean
    of the first over the second; NaN unless all values are positive.
    """
    rows = []
    columns = ["quantity", by, f"{by}_against", "n"]
    columns += [f"{name}{end}" for name in ("difference", "ratio") for end in ENDS]
    for quantity in quantities:
        values = table.pivot(index="seed", columns=by, values=quantity).astype(np.float64)
        for one, other in permutations(values, 2):
            first, second = values[one].to_numpy(), values[other].to_numpy()
            positive = (first > 0).all() and (second > 0).all()
            ends = {
                "difference": (np.mean(first - second), *t_interval(first - second, confidence)),
                "ratio": ratio(first, second, confidence) if positive else [np.nan] * 3,
            }
            row = {"quantity": quantity, by: one, f"{by}_against": other, "n": len(values)}
            rows.append(row | _with_ends(ends))
    return pd.DataFrame(rows, columns=columns)


def _with_ends(estimates: dict) -> dict:
    """The columns x, x_low and x_high of each estimate; `estimates` are {x: (value, low, high)}."""
    return {
        f"{name}{end}": value
        for name, values in estimates.items()
        for end, value in zip(ENDS, values, strict=True)
    }


def compare_starts(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """The gap after training from the rotated start, compared with the original start of the same
    seed (same weights, same batches). For each temperature mode there are the ratio and the
    difference of the two gaps, with their intervals. Source: section 4.4."""
    rows = []
    for mode, part in table.groupby("temperature_mode", sort=False):
        gaps = part.pivot(index="seed", columns="start", values="gap_after")
        rotated, original = gaps["rotated"].to_numpy(), gaps["original"].to_numpy()
        less = rotated - original
        ends = {
            "gap_after_rotated_over_original": ratio(rotated, original, confidence),
            "gap_after_rotated_less_original": (less.mean(), *t_interval(less, confidence)),
        }
        rows.append({"temperature_mode": mode, "n": len(gaps), **_with_ends(ends)})
    return pd.DataFrame(rows)


def experiment_tables(name: str, results: list[dict], confidence: float) -> dict[str, pd.DataFrame]:
    """All tables of an experiment's results, by name: runs, steps and summary, and also trend,
    spread or difference, depending on the experiment."""
    runs = pd.DataFrame([result["row"] for result in results])
    steps = pd.DataFrame([step for result in results for step in result["steps"]])
    tables = {
        "runs": runs,
        "steps": steps,
        "summary": summarise(runs, list(CONDITIONS[name]), confidence),
    }
    if name == "temperature":
        quantities = ["gap_after", "recall1_ab_after", "recall1_ba_after", "zero_shot_after"]
        tables["trend"] = trend(runs, "temperature", quantities)
        tables["difference"] = differences(runs, "temperature", quantities, confidence)
    if name == "dimension":
        quantities = ["gap_before", "gap_after"]
        tables["trend"] = trend(runs, "dim", quantities)
        tables["spread"] = spreads(runs, "dim", quantities, confidence)
        tables["difference"] = differences(runs, "dim", quantities, confidence)
    if name == "initialisation":
        tables["difference"] = compare_starts(runs, confidence)
    return tables
