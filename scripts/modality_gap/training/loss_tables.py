"""The results of the study of losses by method: differences to a baseline, compared fairly.

A loss is compared at the same temperature, towers and start. The gap is also compared at the same
progress. Whether a gap counts as closed depends on how small a gap this number of pairs can show.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from modality_gap.measures.intervals import t_interval, t_quantile
from modality_gap.measures.posthoc.ranks import MARGIN
from modality_gap.measures.posthoc.registry import CONE
from modality_gap.measures.significance import holm
from modality_gap.training.recipes import Recipe, compared_with

COMPARED = (
    *("gap", "gap_squared", "separability", "recall1", "zero_shot", "partner_cosine"),
    *("v_measure", "rmg"),
)
ACCURACIES = ("recall1", "zero_shot")  # of which MARGIN says what counts as unchanged
PAIRED = (*COMPARED, "gap_equal_progress", "uniformity_a", "uniformity_b")


def differences(
    table: pd.DataFrame,
    methods: Mapping[str, Recipe],
    study: Mapping[str, Any],
    confidence: float,
) -> pd.DataFrame:
    """For each method and metric, the value minus that of the method that `compared_with` chooses,
    paired by seed.

    The columns are the mean, t interval, p, and Holm's correction over the methods, all on the
    pairs' own split. For ACCURACIES, `unchanged` says whether they are shown to be unchanged (TOST
    with MARGIN). If `same_temperature` is false, the temperatures also differ, so the difference is
    not an effect of the loss alone.
    """
    wide = table[table["split"] == 0].set_index(["method", "seed"])
    rows = []
    for name in wide.index.unique("method"):
        recipe = methods[name.removesuffix(".towers")]
        base = compared_with(recipe, methods, study)
        if name != base.name:
            same = {"same_temperature": recipe.temperature == base.temperature}
            rows += [row | same for row in _paired_rows(wide, name, base.name, confidence)]
    return _with_holm(pd.DataFrame(rows))


PAIR_COLUMNS = (
    *("method", "than", "metric", "difference", "difference_low", "difference_high", "p", "n"),
    *("unchanged", "p_holm"),
)


def named_differences(
    table: pd.DataFrame, pairs: Iterable[tuple[str, str]], confidence: float
) -> pd.DataFrame:
    """The same as `differences`, for the given `pairs` (method, than) and with the columns
    PAIR_COLUMNS. A pair is left out if one of its methods is not in the table. Holm's correction is
    over the pairs."""
    wide = table[table["split"] == 0].set_index(["method", "seed"])
    there = {*wide.index.unique("method")}
    rows = [
        row
        for name, than in dict.fromkeys((name, than) for name, than in pairs)
        if {name, than} <= there
        for row in _paired_rows(wide, name, than, confidence)
    ]
    return _with_holm(pd.DataFrame(rows)).reindex(columns=list(PAIR_COLUMNS))


def _paired_rows(wide: pd.DataFrame, name: str, than: str, confidence: float) -> list[dict]:
    """One row for each metric of PAIRED that every seed of both methods has. The index of `wide` is
    method and seed."""
    rows = []
    for metric in PAIRED:
        change = (wide.loc[name, metric] - wide.loc[than, metric]).to_numpy()
        if np.isnan(change).any():
            continue
        row = {"method": name, "than": than, "metric": metric, **paired(change, confidence)}
        row["unchanged"] = metric in ACCURACIES and _equivalent(change, confidence)
        rows.append(row)
    return rows


def paired(change: np.ndarray, confidence: float) -> dict[str, float]:
    """The mean of the differences by seed (S,), with its t interval, the p of a t test, and n."""
    from scipy import stats

    low, high = t_interval(change, confidence)
    same = np.ptp(change) == 0
    p = float(same and change[0] == 0) if same else stats.ttest_1samp(change, 0).pvalue
    ends = {"difference": change.mean(), "difference_low": low, "difference_high": high}
    return ends | {"p": p, "n": len(change)}


def _with_holm(rows: pd.DataFrame) -> pd.DataFrame:
    for _, of in rows.groupby("metric") if len(rows) else ():
        rows.loc[of.index, "p_holm"] = holm(of["p"].to_numpy())
    return rows


def splits_table(
    table: pd.DataFrame, methods: Mapping[str, Recipe], study: Mapping[str, Any]
) -> pd.DataFrame:
    """For each split, method and metric, the value minus that of the method that `compared_with`
    chooses, as the mean over seeds. Columns: method, than, metric, split, difference, n. The spread
    over splits shows how much the choice of held-out pairs matters."""
    wide = table.set_index(["split", "method", "seed"]).sort_index()
    rows = []
    for split, name in wide.index.droplevel("seed").unique():
        recipe = methods[name.removesuffix(".towers")]
        base = compared_with(recipe, methods, study)
        if name == base.name:
            continue
        for metric in PAIRED:
            change = wide.loc[(split, name), metric] - wide.loc[(split, base.name), metric]
            row = {"method": name, "than": base.name, "metric": metric, "split": split}
            rows.append({**row, "difference": change.mean(skipna=False), "n": len(change)})
    return pd.DataFrame(rows)


def is_closed(gap: float, floor: float, low: float, high: float) -> bool:
    """Whether a gap counts as closed.

    `low` and `high` are the interval of the squared gap without the bias of a finite sample. The
    gap is closed if this interval covers 0, or if the gap is at most twice the `floor`, which is
    what such a sample shows without any gap.
    """
    return low <= 0 <= high or gap <= 2 * floor


def methods_table(
    table: pd.DataFrame,
    methods: Mapping[str, Recipe],
    traits: Mapping[str, Mapping[str, bool]],
    study: Mapping[str, Any],
    confidence: float,
) -> pd.DataFrame:
    """One row per method, with a description and what can be said about its gap, on the pairs' own
    split. `traits` is the result of try_losses."""
    rows = []
    for name, runs in table[table["split"] == 0].groupby("method", sort=False):
        recipe = methods[name.removesuffix(".towers")]
        base = compared_with(recipe, methods, study)
        predictors = table["method"].eq(f"{name}.towers").any()
        low, high = t_interval(runs["gap_squared"].to_numpy(), confidence)
        gap, floor = runs["gap"].mean(), runs["floor"].mean()
        cosine = runs[["mean_cosine_a", "mean_cosine_b"]].mean().mean()
        setting = recipe.temperature
        rows.append(
            {
                "method": name,
                "label": runs["label"].iloc[0],
                "loss": recipe.loss.name,
                "source": recipe.loss.source,
                "temperature_setting": ", ".join(f"{key} {setting[key]:g}" for key in setting),
                "start": recipe.start,
                "hidden_layers": recipe.hidden_layers,
                "dim": recipe.dim,
                "passes": recipe.loss.passes,
                "than": base.name,
                "same_temperature": recipe.temperature == base.temperature,
                "embedded": "predictions" if predictors else "towers",
                **traits[recipe.name],
                "n": len(runs),
                "gap": gap,
                "gap_squared": runs["gap_squared"].mean(),
                "gap_squared_low": low,
                "gap_squared_high": high,
                "floor": floor,
                "closed": is_closed(gap, floor, low, high),
                "one_cone": bool(cosine >= CONE),
            }
        )
    return pd.DataFrame(rows)


def _equivalent(change: np.ndarray, confidence: float) -> bool:
    """Whether the mean is shown to lie within MARGIN: two one-sided t tests, each at 1 -
    confidence."""
    n = len(change)
    width = t_quantile(2 * confidence - 1, n) * change.std(ddof=1) / np.sqrt(n)
    return bool(abs(change.mean()) + width < MARGIN)
