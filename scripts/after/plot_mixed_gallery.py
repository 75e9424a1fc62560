"""Draw what methods do in a gallery of both modalities, by the share of the other modality."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from modality_gap.figures.follow_ups import FORMS, by_form, mixed_curves, scored, sets_in_order
from modality_gap.figures.palette import GRID, INK, MUTED, PALETTE
from modality_gap.figures.style import Layout, plain, save

STYLES = {
    "none": (INK, "-", "o", "no change"),
    "shift": (PALETTE[1], "--", "s", "shift fitted to close the gap"),
    "centre": (PALETTE[0], "-", "D", "centring"),
    "centre_z_score": (PALETTE[2], "-", "^", "centring, z-scores by kind"),
    "other_first": (MUTED, ":", "v", "control: other modality first"),
    "own_first": (MUTED, "-.", "X", "control: own modality first"),
}
TICKS = [0, 0.25, 0.5, 0.75, 1]

methods = pd.read_csv(snakemake.input.methods)
names = sets_in_order(methods)
sets = snakemake.params.sets


def draw_curves(ax: Axes, name: str) -> None:
    curves = mixed_curves(methods, name)
    for one, (color, dashes, _, _) in STYLES.items():
        if one in curves:
            ax.plot(curves.index, curves[one], color=color, ls=dashes)
    ax.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    ax.set(xlim=(0, 1), xlabel="share of the other modality")


def draw_forms(ax: Axes, name: str) -> None:
    table = by_form(methods, name)
    shown = [one for one in STYLES if one in table.index]
    for number, one in enumerate(shown):
        color, _, marker, _ = STYLES[one]
        step = 0.13 * (number - (len(shown) - 1) / 2)
        for at, form in enumerate(FORMS):
            ax.plot(at + step, table.loc[one, form], marker, ms=7, color=color)
    ax.set_xticks(range(len(FORMS)), FORMS)
    ax.set(xlim=(-0.5, len(FORMS) - 0.5), xlabel="form of the wanted document")


def draw_legend(figure: Figure, layout: Layout) -> None:
    of_documents = any(len(by_form(methods, name)) for name in names)
    shown = set(methods["method"])
    handles = [
        Line2D([], [], color=color, ls=dashes, marker=marker if of_documents else "", label=words)
        for one, (color, dashes, marker, words) in STYLES.items()
        if one in shown
    ]
    columns = 1 if layout.narrow else 3
    figure.legend(handles=handles, loc="outside upper left", ncols=columns, handlelength=3)


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
    for place, (ax, (kind, name)) in enumerate(zip(axes, panels, strict=True)):
        kind(ax, name)
        ax.set(ylim=(-0.03, 1.03), yticks=TICKS)
        ax.grid(axis="y", color=GRID, lw=1)
        ax.set_axisbelow(True)
        n = scored(methods, name)
        ax.set_title(plain(f"{sets[name]}, n {n:,}", 40))
        if place % columns == 0:
            ax.set_ylabel("NDCG@10")
    draw_legend(figure, layout)
    return figure


save(draw, snakemake.output)
