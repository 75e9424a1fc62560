"""Draw what methods do in a gallery of both modalities, by the share of the other modality."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.follow_ups import FORMS, by_form, mixed_curves, scored, sets_in_order
from modality_gap.figures.palette import GRID, INK, MUTED, PALETTE
from modality_gap.figures.style import LETTERS, Layout, label_line, plain, save, spread

STYLES = {
    "none": (INK, "-", "o", "no change"),
    "shift": (PALETTE[1], "--", "s", "shift that closes the gap"),
    "centre": (PALETTE[0], (0, (9, 2)), "D", "centring"),
    "centre_z_score": (PALETTE[2], (0, (5, 1.5, 1, 1.5)), "^", "centring, z-scores by kind"),
    "other_first": (MUTED, ":", "v", "control: other modality first"),
    "own_first": (MUTED, "-.", "X", "control: own modality first"),
}
TICKS = [0, 0.25, 0.5, 0.75, 1]
WIDTH = 16  # letters in a line of a label

methods = pd.read_csv(snakemake.input.methods)
names = sets_in_order(methods)
sets = snakemake.params.sets


def draw_curves(ax: Axes, name: str) -> pd.Series:
    """NDCG by share; the values at the end of the curves, by method."""
    curves = mixed_curves(methods, name)
    shown = [one for one in STYLES if one in curves]
    for one in shown:
        color, dashes, _, _ = STYLES[one]
        ax.plot(curves.index, curves[one], color=color, ls=dashes)
    ax.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
    ax.set(xlim=(0, 1), xlabel="share of the other modality")
    return curves[shown].iloc[-1]


def draw_forms(ax: Axes, name: str) -> pd.Series:
    """NDCG by form of the document; the values of the last form, by method."""
    table = by_form(methods, name)
    shown = [one for one in STYLES if one in table.index]
    for number, one in enumerate(shown):
        color, _, marker, _ = STYLES[one]
        step = 0.1 * (number - (len(shown) - 1) / 2)
        for at, form in enumerate(FORMS):
            ax.plot(at + step, table.loc[one, form], marker, ms=7, color=color)
    ax.set_xticks(range(len(FORMS)), FORMS)
    ax.set(xlim=(-0.4, len(FORMS) - 0.6), xlabel="form of the wanted document")
    return table.loc[shown, FORMS[-1]]


def label_ends(ax: Axes, ends: pd.Series, height: float) -> None:
    """What each method is, beside the panel, at the height of its end."""
    words = {one: plain(STYLES[one][3], WIDTH) for one in ends.index}
    line = 1.06 * 13 / height  # of the axis, a line of text
    # Labels of two lines need twice the room, and are placed by their first line.
    lines = [one for one in ends.index for _ in words[one].split("\n")]
    places = spread([ends[one] - 1e-6 * number for number, one in enumerate(lines)], line)
    for one in ends.index:
        place = max(at for of, at in zip(lines, places, strict=True) if of == one)
        label_line(ax, words[one], (ax.get_xlim()[1], place), STYLES[one][0], va="top",
                   xytext=(8, 7))  # fmt: skip


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
    height = 250 if layout.narrow else 310
    figure, axes = layout.grid(len(panels), columns, height)
    figure.get_layout_engine().set(h_pad=8 / 72, w_pad=6 / 72)
    for place, (ax, (kind, name)) in enumerate(zip(axes, panels, strict=True)):
        ends = kind(ax, name)
        ax.set(ylim=(-0.03, 1.03), yticks=TICKS)
        label_ends(ax, ends, height - 80)
        ax.grid(axis="y", color=GRID, lw=1)
        ax.set_axisbelow(True)
        n = scored(methods, name)
        ax.set_title(plain(f"({LETTERS[place]}) {sets[name]}, n {n:,}", 40))
        if place % columns == 0:
            ax.set_ylabel("NDCG@10")
    return figure


save(draw, snakemake.output)
