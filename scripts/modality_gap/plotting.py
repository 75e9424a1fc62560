"""One look for every figure of the project, and files that are the same byte for byte each time."""

from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# The colours of Okabe and Ito, which stay apart for every common kind of colour blindness.
PALETTE = [
    "#0072B2",  # blue
    "#D55E00",  # vermillion
    "#009E73",  # bluish green
    "#E69F00",  # orange
    "#CC79A7",  # reddish purple
    "#56B4E9",  # sky blue
    "#000000",  # black
    "#F0E442",  # yellow
]
IMAGE_COLOR, TEXT_COLOR = PALETTE[:2]
MODALITY_COLORS = {"image": IMAGE_COLOR, "text": TEXT_COLOR}
INK, MUTED, FAINT = "#222222", "#666666", "#BBBBBB"

STYLE = {
    "figure.figsize": (10, 4),
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": mpl.cycler(color=PALETTE),
    "lines.linewidth": 1.4,
    "svg.fonttype": "path",  # glyphs as outlines: the same picture where the font is missing
    "svg.hashsalt": "modality-gap",  # element ids of an SVG are random without it
    "pdf.fonttype": 42,
}


def use_style() -> None:
    """Set the look of all figures from now on; text stays legible in one 900 pixels wide."""
    mpl.use("Agg")
    mpl.rcParams.update(STYLE)


def save(figure: Figure, svg_path: str | Path, pdf_path: str | Path) -> None:
    """Write the figure as SVG and as PDF, neither with a time stamp, and close it."""
    figure.savefig(svg_path, format="svg", metadata={"Date": None})
    figure.savefig(pdf_path, format="pdf", metadata={"CreationDate": None})
    plt.close(figure)


def letter(ax: Axes, label: str) -> None:
    """Put a bold panel letter such as "(a)" at the upper left, outside the axes, 2-D or 3-D."""
    ax.annotate(
        label,
        xy=(0, 1),
        xycoords="axes fraction",
        xytext=(-8, 6),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=11,
        fontweight="bold",
        annotation_clip=False,
    )
