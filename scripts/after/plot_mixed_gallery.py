"""Draw how well methods retrieve from a gallery of both modalities, by the share of the other
modality."""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.follow_ups import (
    FORMS,
    by_form,
    mixed_curves,
    scored,
    sets_in_order,
)
from modality_gap.figures.labels import places_along
from modality_gap.figures.palette import GRID, INK, MUTED, PALETTE
from modality_gap.figures.style import LETTERS, Layout, plain, save

STYLES = {
    "none": (INK, "-", "no change"),
    "shift": (PALETTE[1], "--", "shift"),
    "centre": (PALETTE[0], (0, (9, 2)), "centring"),
    "centre_z_score": (PALETTE[2], (0, (5, 1.5, 1, 1.5)), "z-scores"),
    "other_first": (MUTED, ":", "other first"),
    "own_first": (MUTED, "-.", "own first"),
}
MARKS = {"caption": "o", "picture": "^", "fused": "s"}  # by the form of the wanted document
TICKS = [0, 0.25, 0.5, 0.75, 1]

methods = pd.read_csv(snakemake.input.methods)
names = sets_in_order(methods)
sets = snakemake.params.sets


Curves = dict[str, np.ndarray]  # by method the points (n, 2) of its curve


def draw_curves(ax: Axes, name: str) -> Curves:
    """Draw NDCG by the share of the other modality."""
    table, curves = mixed_curves(methods, name), {}
    for one, (color, dashes, _) in STYLES.items():
        if one in table:
            ax.plot(table.index, table[one], color=color, ls=dashes)
            curves[one] = np.stack([table.index, table[one]], axis=1)
    ax.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    ax.set(xlim=(0, 1), xlabel="share of the other modality")
    return curves


def draw_forms(ax: Axes, name: str) -> Curves:
    """Draw NDCG by the form of the wanted document, with one row per method."""
    table = by_form(methods, name)
    shown = [one for one in STYLES if one in table.index]
    for place, form in enumerate(FORMS):
        rows = np.arange(len(shown)) + 0.2 * (place - 1)
        colors = [STYLES[one][0] for one in shown]
        ax.scatter(table.loc[shown, form], rows, 45, colors, marker=MARKS[form], clip_on=False)
        ax.plot([], [], MARKS[form], ls="", color=MUTED, label=FORMS[form])
    ax.set_yticks(range(len(shown)), [STYLES[one][2] for one in shown])
    ax.set(xlim=(-0.03, 1.03), ylim=(len(shown) - 0.5, -1.2), xticks=TICKS, xlabel="NDCG@10")
    ax.legend(loc="upper center", ncols=len(FORMS), handletextpad=0.2, borderpad=0, title=None)
    return {}


def label_curves(ax: Axes, curves: Curves, layout: Layout) -> None:
    """Write the name of each method beside its curve, when the layout is final."""
    scale, letter = 72 / ax.figure.dpi, 0.5 * layout.font
    pixels = [ax.transData.transform(curve) * scale for curve in curves.values()]
    corners = ax.get_window_extent().get_points() * scale
    words = [STYLES[one][2] for one in curves]
    sizes = np.array([[letter * len(one) + 4, layout.font] for one in words])
    places = ax.transData.inverted().transform(places_along(pixels, sizes, corners) / scale)
    for (one, curve), text, place in zip(curves.items(), words, places, strict=True):
        at = place[0], np.interp(place[0], *curve.T)
        away = abs(ax.transData.transform(place)[1] - ax.transData.transform(at)[1]) * scale
        line = {"arrowstyle": "-", "color": STYLES[one][0], "lw": 0.7, "shrinkA": 0, "shrinkB": 0}
        ax.annotate(text, at, xytext=place, textcoords="data", color=STYLES[one][0],
                    fontsize="small", ha="center", va="center",
                    arrowprops=line if away > 1.6 * layout.font else None)  # fmt: skip


def draw(layout: Layout) -> Figure:
    panels = [
        (kind, name)
        for name in names
        for kind in (draw_curves, draw_forms)
        if len((mixed_curves if kind is draw_curves else by_form)(methods, name))
    ]
    if not panels:
        figure = layout.figure(60)
        figure.text(0.02, 0.5, "No set of this run has a mixed gallery.", color=INK)
        return figure
    columns = 1 if layout.narrow else min(2, len(panels))
    figure, axes = layout.grid(len(panels), columns, 240 if layout.narrow else 310)
    figure.get_layout_engine().set(h_pad=8 / 72, w_pad=6 / 72)
    drawn: list[Curves] = []
    for place, (ax, (kind, name)) in enumerate(zip(axes, panels, strict=True)):
        drawn.append(kind(ax, name))
        if kind is draw_curves:
            ax.set(ylim=(-0.03, 1.12), yticks=TICKS)
        ax.grid(axis="y", color=GRID, lw=1)
        ax.set_axisbelow(True)
        n = scored(methods, name)
        ax.set_title(plain(f"({LETTERS[place]}) {sets[name]}, n {n:,}", 40))
        if place % columns == 0 and kind is draw_curves:
            ax.set_ylabel("NDCG@10")
    figure.draw_without_rendering()
    for ax, curves in zip(axes, drawn, strict=True):
        if curves:
            label_curves(ax, curves, layout)
    return figure


save(draw, snakemake.output)
