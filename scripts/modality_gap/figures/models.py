"""All models side by side: their order, and the gap before and after training (Figure 1)."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from modality_gap.figures.palette import GRID, GROUND, INK, MUTED, PALETTE
from modality_gap.figures.style import BAR, Layout, label_line, plain

if TYPE_CHECKING:
    import pandas as pd

DIAMOND: dict[str, Any] = {"marker": "D", "ms": 8, "mfc": GROUND, "mew": 1.6, "ls": "", "zorder": 5}


def models_in_order(
    gaps: "pd.DataFrame", papers: Collection[str], learnt: "pd.Series"
) -> "pd.DataFrame":
    """The models of gap.csv, one row each: model, the names of its trained and of its random set
    (None if there is no such set), whether it is the paper's own, and whether it retrieves well
    above chance.

    The paper's models come first, then the others that retrieve well above chance, then the rest.
    `gaps` is gap.csv indexed by set. `papers` are the sets of the paper's own models. `learnt` says
    for each set whether it retrieves well above chance.
    """
    import pandas as pd

    rows = []
    for model, part in gaps.groupby("model", sort=False):
        sets = {weights: name for name, weights in part["weights"].items()}
        row = {"model": model, **{key: sets.get(key) for key in ("trained", "random")}}
        row["papers"] = any(name in papers for name in part.index)
        row["learnt"] = bool(row["trained"] and learnt[row["trained"]])
        rows.append(row)
    table = pd.DataFrame(rows).astype({"trained": object, "random": object})
    table = table.where(table.notna(), None)
    order = np.lexsort(
        [~(table["learnt"] | table["papers"]).astype(bool), ~table["papers"].astype(bool)]
    )
    return table.iloc[order].reset_index(drop=True)


def draw_gap_change(
    ax: Axes,
    layout: Layout,
    models: "pd.DataFrame",
    gaps: "pd.DataFrame",
    published: Mapping[str, float],
) -> None:
    """Draw the gap of each model with random weights (hollow) and trained weights (filled), with
    intervals, one row per model. `published` are the gaps that the paper reports, by set."""
    places = np.arange(len(models))[::-1] * 1.0
    places[models["papers"].to_numpy(dtype=bool)] += 0.5
    for place, row in zip(places, models.to_dict("records"), strict=True):
        color = INK if row["papers"] else PALETTE[0]
        ends = {key: gaps.loc[row[key]] for key in ("random", "trained") if row[key]}
        if len(ends) == 2:
            before, after = ends["random"]["gap"], ends["trained"]["gap"]
            ax.annotate("", (after, place), (before, place),
                        arrowprops={"arrowstyle": "->", "color": color, "lw": 1.4, "shrinkA": 5,
                                    "shrinkB": 5})  # fmt: skip
        for weights, one in ends.items():
            ax.hlines(place, one["gap_low"], one["gap_high"], color=color, lw=4, alpha=BAR)
            ax.plot(one["gap"], place, "o", ms=8, color=color, mew=1.6,
                    mfc=color if weights == "trained" else GROUND)  # fmt: skip
        if row["trained"] in published:
            ax.plot(published[row["trained"]], place, color=MUTED, **DIAMOND)
        if row["trained"]:
            one = ends["trained"]["gap"]
            left = len(ends) < 2 or one <= ends["random"]["gap"]
            label_line(ax, f"{one:.2f}", (one, place), color, weight="bold",
                       xytext=(-18 if left else 10, 0), ha="right" if left else "left")  # fmt: skip
    ax.set_yticks(places, [plain(name, 16 if layout.narrow else 30) for name in models["model"]])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x", color=GRID, lw=1)
    ax.set_axisbelow(True)
    ax.set(xlim=(0, 1.6), ylim=(-0.7, places.max() + 0.7), xlabel="gap (distance of the centres)")
