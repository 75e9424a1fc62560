"""Draw Figure 2(c): initialisations, each marked with the number of its seed, and singular values.

Supplementary 5, 7, 13 and 14 show other embeddings or coordinates in the same way.
"""

from modality_gap.logs import log_to

log_to(snakemake)

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.pairs import draw_dots
from modality_gap.figures.palette import FAINT, GROUND, INK, MUTED, PALETTE
from modality_gap.figures.style import Layout, apart, label_line, plain, save

clouds, spectra = (
    [part for _, part in table.groupby("encoder", sort=False)]
    for table in (pd.read_parquet(snakemake.input.points), pd.read_csv(snakemake.input.spectrum))
)
params = snakemake.params
# Behind a number, so that dots do not run through it.
HALO = {"boxstyle": "square,pad=0.02", "facecolor": GROUND, "edgecolor": "none", "alpha": 0.75}


def axis_label(cloud: pd.DataFrame, name: str) -> str:
    kind, number = name.split("_")
    share = f" ({cloud[f'share_{number}'].iloc[0]:.1%} of variance)" if kind == "pc" else ""
    return f"{kind.upper()} {number}{share}"


def draw_cloud(ax: Axes, cloud: pd.DataFrame, numbers: pd.Series, size: np.ndarray) -> None:
    first, second = cloud.columns[2:4]  # behind the encoder and the seed
    draw_dots(ax, cloud[[first, second]].to_numpy(), 3.5, FAINT)
    middles = cloud.groupby("seed")[[first, second]].median()
    ax.autoscale_view()
    # Approximate pixels of the panel per unit of the range that it shows.
    sizes = size / np.array([np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())])
    places = apart(middles.to_numpy() * sizes, np.array([16, 13]))
    for seed, middle, place in zip(middles.index, middles.to_numpy(), places, strict=True):
        ax.annotate(str(seed), middle, xytext=place, textcoords="offset points",
                    fontsize="small", ha="center", va="center", bbox=HALO,
                    arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.6, "shrinkA": 0,
                                "shrinkB": 0} if np.hypot(*place) > 12 else None)  # fmt: skip
    both = f"{numbers['initialisations']} seeds × {numbers['items']} items"
    ax.set(xticks=[], yticks=[], xlabel=f"{axis_label(cloud, first)}\n{both}",
           ylabel=axis_label(cloud, second))  # fmt: skip
    ax.set_title(plain(numbers["encoder"], 34))


def draw_spectrum(ax: Axes, spectrum: pd.DataFrame) -> None:
    numbers = spectrum.iloc[0]
    last = numbers["initialisations"] - 1  # k cones need k - 1 components between them
    between = spectrum["component"] <= last
    for part, color in ((spectrum[between], PALETTE[0]), (spectrum[~between], MUTED)):
        ax.plot(part["component"], part["singular_value"], "o", ms=4, color=color)
    ax.axvline(last + 0.5, color=INK, ls="--", lw=1)
    values = spectrum.set_index("component")["singular_value"]
    words = f"drop ×{values[last] / values[last + 1]:.1f}"
    paper = params.published.get(numbers["encoder"])
    words += f" (paper ×{paper:.1f})" if paper else ""
    words += f"\n{numbers['between_share']:.0%} of the variance\nis between seeds"
    label_line(ax, words, (last + 0.5, 0.72 * values.iloc[0]), INK)
    ax.set(xlabel="component", ylabel="singular value", ylim=(0, None))


def draw(layout: Layout) -> Figure:
    spectra_too = params.spectra
    columns = 1 if layout.narrow else len(clouds)
    each = [230, 150] if layout.narrow else [280, 190]
    each = each if spectra_too else each[:1]
    blocks = math.ceil(len(clouds) / columns)
    figure = layout.figure(sum(each) * blocks)
    axes = figure.subplots(len(each) * blocks, columns, height_ratios=each * blocks, squeeze=False)
    size = np.array([0.85 * layout.width / columns, 0.75 * each[0]])
    for number, (cloud, spectrum) in enumerate(zip(clouds, spectra, strict=True)):
        block, column = divmod(number, columns)
        draw_cloud(axes[len(each) * block, column], cloud, spectrum.iloc[0], size)
        if spectra_too:
            draw_spectrum(axes[len(each) * block + 1, column], spectrum)
    return figure


save(draw, snakemake.output)
