"""Tables of the training experiments."""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from modality_gap.measures.intervals import largest_ratio, ratio, t_interval
from modality_gap.training.experiments import CONDITIONS

# --- tables -------------------------------------------------------------------------------------


def summarise(table: pd.DataFrame, keys: list[str], confidence: float) -> pd.DataFrame:
    """One row per condition: the keys, n (number of seeds), and for every other column but the seed
    its mean q with q_low and q_high, the t interval over seeds."""
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
    """Kendall's tau of each quantity against the column `by`, over all runs: columns quantity, n,
    kendall_tau, p_value. A constant quantity has no trend: tau 0, p 1."""
    rows = []
    for quantity in quantities:
        constant = table[quantity].nunique() < 2 or table[by].nunique() < 2
        tau, p_value = (0.0, 1.0) if constant else stats.kendalltau(table[by], table[quantity])
        rows.append({"quantity": quantity, "n": len(table), "kendall_tau": tau, "p_value": p_value})
    return pd.DataFrame(rows)


def spreads(table: pd.DataFrame, by: str, quantities: list[str], confidence: float) -> pd.DataFrame:
    """Variation of each quantity between conditions, over every range of the column `by`. Columns:
    quantity, {by}_from, {by}_to, conditions (number in the range), n (seeds), and
    largest_over_smallest with its interval (`intervals.largest_ratio`)."""
    columns = ["quantity", f"{by}_from", f"{by}_to", "conditions", "n"]
    names = [f"largest_over_smallest{end}" for end in ("", "_low", "_high")]
    rows = []
    for quantity in quantities:
        values = table.pivot(index=by, columns="seed", values=quantity)
        for first, last in combinations(range(len(values)), 2):
            part = values.iloc[first : last + 1]
            about = (quantity, part.index[0], part.index[-1], *part.shape)
            rows.append((*about, *largest_ratio(part.to_numpy(), confidence)))
    return pd.DataFrame(rows, columns=[*columns, *names])


def compare_starts(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Per temperature mode, the gap after training from the rotated start as a share of that from
    the original start with the same seed (same weights, same batches). Source: section 4.4."""
    rows = []
    for mode, part in table.groupby("temperature_mode", sort=False):
        gaps = part.pivot(index="seed", columns="start", values="gap_after")
        estimate, low, high = ratio(
            gaps["rotated"].to_numpy(), gaps["original"].to_numpy(), confidence
        )
        name = "gap_after_rotated_over_original"
        rows.append(
            {
                "temperature_mode": mode,
                "n": len(gaps),
                name: estimate,
                f"{name}_low": low,
                f"{name}_high": high,
            }
        )
    return pd.DataFrame(rows)


def experiment_tables(name: str, results: list[dict], confidence: float) -> dict[str, pd.DataFrame]:
    """All tables of an experiment's results, by name: runs, steps, summary, and what goes with it
    (trend, spread, difference)."""
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
    if name == "dimension":
        quantities = ["gap_before", "gap_after"]
        tables["trend"] = trend(runs, "dim", quantities)
        tables["spread"] = spreads(runs, "dim", quantities, confidence)
    if name == "initialisation":
        tables["difference"] = compare_starts(runs, confidence)
    return tables
