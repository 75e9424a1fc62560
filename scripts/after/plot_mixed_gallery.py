"""Draw what methods do in a gallery of both modalities, by the share of the other modality."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.follow_ups import FORMS, by_form, mixed_curves, scored, sets_in_order
from modality_gap.figures.palette import INK, MUTED, PALETTE
from modality_gap.figures.style import Layout, label_line, plain, save, spread

STYLES = {
    "none": (INK, "-", "no change"),
    "shift": (PALETTE[1], "--", "shift"),
    "centre": (PALETTE[0], "-", "centring"),
    "centre_z_score": (PALETTE[2], "-", "centring, z-scores"),
    "other_first": (MUTED, ":", "control: other first"),
}
MARKS = "osD^v"
TICKS = [0, 0.25, 0.5, 0.75, 1]

methods = pd.read_csv(snakemake.input.methods)
names = sets_in_order(methods)
sets = snakemake.params.sets


def draw_curves(ax: Axes, name: str) -> None:
    curves = mixed_curves(methods, name)
    shown = [one for one in STYLES if one in curves]
    places = spread([curves[one].tail(3).mean() for one in shown], 0.09)
    for one, place in zip(shown, places, strict=True):
        color, dashes, words = STYLES[one]
        ax.plot(curves.index, curves[one], color=color, ls=dashes)
        label_line(ax, words, (1, place), color)
    ax.set_xticks(TICKS)
    ax.set(xlim=(0, 1.5), ylim=(-0.03, 1.25), xlabel="share of the other modality")
    ax.set_yticks(TICKS)
    ax.spines["bottom"].set_bounds(0, 1)


def draw_forms(ax: Axes, name: str) -> None:
    table = by_form(methods, name)
    shown = [one for one in STYLES if one in table.index]
    places = spread([table.loc[one, FORMS[-1]] for one in shown], 0.09)
    last = len(FORMS) - 1
    for number, (one, place) in enumerate(zip(shown, places, strict=True)):
        color, _, words = STYLES[one]
        step = 0.13 * (number - (len(shown) - 1) / 2)
        for at, form in enumerate(FORMS):
            ax.plot(at + step, table.loc[one, form], MARKS[number], ms=7, color=color)
        label_line(ax, words, (last + 0.35, place), color)
    ax.set_xticks(range(len(FORMS)), [f"wanted:\n{form}" for form in FORMS])
    ax.set(xlim=(-0.5, last + 1.5), ylim=(-0.03, 1.25))
    ax.set_yticks(TICKS)


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
    figure, axes = layout.grid(len(panels), columns, 230 if layout.narrow else 300)
    for place, (ax, (kind, name)) in enumerate(zip(axes, panels, strict=True)):
        kind(ax, name)
        n = scored(methods, name)
        ax.set_title(plain(f"{sets[name]}, n {n:,}", 40))
        if place % columns == 0:
            ax.set_ylabel("NDCG@10")
    return figure


save(draw, snakemake.output)
