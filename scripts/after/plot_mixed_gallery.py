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
LABELLED = 0.4  # the share at which lines have their labels

methods = pd.read_csv(snakemake.input.methods)
names = sets_in_order(methods)
sets = snakemake.params.sets


def draw_curves(ax: Axes, name: str) -> None:
    curves = mixed_curves(methods, name)
    shown = [one for one in STYLES if one in curves]
    at = curves.index[(curves.index - LABELLED).to_series().abs().argmin()]
    places = spread([curves.loc[at, one] for one in shown], 0.085)
    for one, place in zip(shown, places, strict=True):
        color, dashes, words = STYLES[one]
        ax.plot(curves.index, curves[one], color=color, ls=dashes)
        # Just above its own line, or below it: that of the shift is close to the next one.
        away = -10 if one == "shift" else 9
        label_line(ax, words, (at, place), color, xytext=(0, away), ha="center")
    ax.set(xlim=(0, 1), ylim=(-0.03, 1.12), xlabel="share of the other modality")


def draw_forms(ax: Axes, name: str) -> None:
    table = by_form(methods, name)
    shown = [one for one in STYLES if one in table.index]
    for place, form in enumerate(FORMS):
        for number, one in enumerate(shown):
            color = STYLES[one][0]
            at = place + 0.13 * (number - (len(shown) - 1) / 2)
            ax.plot(at, table.loc[one, form], MARKS[number], ms=7, color=color)
    ax.set_xticks(range(len(FORMS)), [f"wanted: {form}" for form in FORMS])
    ax.set(ylim=(-0.03, 1.12))
    for number, one in enumerate(shown):
        color, _, words = STYLES[one]
        ax.text(0.02 + 0.34 * (number % 3), 0.98 - 0.09 * (number // 3), words, color=color,
                fontsize="small", transform=ax.transAxes, va="top")  # fmt: skip


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
