"""Where labels of the figures stand: beside the point or the curve that they name."""

import re
from itertools import combinations

import numpy as np
from matplotlib import colors as mcolors
from matplotlib.text import Text

# By words of a label beside a point or a curve: on which sides of its point it may stand (None: on
# any), and what of its colour is there: a "point" of a line or a mark, an "end", which is at the
# same place along the x axis alone (labels are moved apart), or nothing.
ASIDE, ABOVE, BELOW = ("left", "right"), ("above",), ("below",)
LEFT, RIGHT = ASIDE[:1], ASIDE[1:]
LABELS = {
    "plot_closing_the_gap": {"": (RIGHT, "")},
    "plot_diagnostics": {r"^\d+  \(": (RIGHT, "end"), r"\)  \d+$": (LEFT, "end")},
    "plot_experiment_dimension": {"": (RIGHT, "point")},
    "plot_experiment_initialisation": {
        r"paper 0\.(51|13)": (LEFT, "point"),
        r"^paper": (RIGHT, "point"),
        r"^original": (ABOVE, ""),
        r"^rotated": (BELOW, ""),
    },
    "plot_experiment_same_modality": {
        "^texts twice": (ABOVE, "point"),  # whose gap is the wider one
        "^images twice": (BELOW, "point"),
        "": (RIGHT, "end"),
    },
    "plot_experiment_temperature": {
        "→": (RIGHT, "end"),
        "before": (ABOVE, ""),
        "CLIP": (BELOW, ""),
    },
    "plot_figure1": {"": (ASIDE, "point")},
    "plot_figure2b": {
        "closed form": (BELOW, "point"),
        "paper": (ABOVE, "point"),
        "": (RIGHT, "end"),
    },
    "plot_figure2c": {"drop": (RIGHT, "end"), "": (None, "")},
    "plot_figure3bcd": {"paper": (BELOW, "point"), "": (RIGHT, "")},
    "plot_figure3g": {"": (ABOVE + BELOW, "point")},
    "plot_follow_up_losses": {"": (None, "point")},
    "plot_lemma3": {"before": (BELOW, "point"), "after": (ABOVE, "point")},
    "plot_models": {"gap": (ABOVE, "point"), "": (ASIDE, "point")},
    "plot_own_loss": {"": (RIGHT, "")},
    "plot_recall_under_shift": {"gap": (ABOVE, "point")},
    "plot_supplementary15": {"": (LEFT, "point")},
    "plot_table1": {
        "best": (ABOVE, "point"),
        "no shift": (BELOW, "end"),
        "chance": (ABOVE, ""),
    },
    "plot_theorem1": {r"^0\.5": (LEFT, "end"), r"^(cosine )?0\.": (RIGHT, "end")},
    "plot_theorem2": {"": (RIGHT, "end")},
    "plot_training": {
        r"^0\.21": (LEFT, "point"),
        "paper": (RIGHT, "point"),
        "": (RIGHT, "end"),
    },
}
FAR = 28  # pixels of the drawing, between a label and its point


def assert_labels(script, figure):
    """Each label stands beside its point, never on it, and the point is of what it names. Of
    several at one place, the upper one is of the upper point."""
    for ax in figure.axes:
        ends = []
        for text in ax.texts:
            if not text.get_text().strip() or getattr(text, "anncoords", "") != "offset points":
                continue
            at = np.array(text._get_xy(figure.canvas.get_renderer(), text.xy, text.xycoords))
            said = LABELS.get(script, {}).items()
            known = [one for words, one in said if re.search(words, text.get_text())]
            assert known, f"LABELS does not say where {text.get_text()!r} of {script} may stand"
            sides, kind = known[0]
            found, away = side_of(words_of(text), *at)
            about = script, text.get_text(), found, away
            assert found in sides if sides else found, about
            assert away < FAR or text.arrow_patch, about
            if kind:
                apart = [points - at for points in points_of(ax, text.get_color())]
                apart = np.abs(np.concatenate(apart))
                assert (apart[:, 0] < 1).any(), about
                assert kind == "end" or np.hypot(*apart.T).min() < 1, about
                points = np.concatenate(points_of(ax, text.get_color()))
                heights = points[np.abs(points[:, 0] - at[0]) < 1, 1]
                ends.append((*at, heights[np.abs(heights - at[1]).argmin()], about))
        for (x, y, height, about), (other_x, other_y, other, _) in combinations(ends, 2):
            if abs(x - other_x) < 1 < abs(height - other):
                assert (y > other_y) == (height > other), about


def side_of(box, x, y) -> tuple[str, float]:
    """On which side of a point a box is, and how far away; no side for one that covers it."""
    across = max(box.x0 - x, x - box.x1, 0)
    if box.y0 >= y - 0.5:
        return "above", max(box.y0 - y, across)
    if box.y1 <= y + 0.5:
        return "below", max(y - box.y1, across)
    if box.x0 >= x - 0.5:
        return "right", box.x0 - x
    return ("left", x - box.x1) if box.x1 <= x + 0.5 else ("", 0.0)


def points_of(ax, color) -> list[np.ndarray]:
    """In pixels the points (n, 2) of each line of a colour."""
    return [
        line.get_transform().transform(
            np.stack(np.broadcast_arrays(*line.get_data()), axis=1).astype(float)
        )
        for line in ax.lines
        if mcolors.same_color(line.get_color(), color)
    ]


def words_of(text):
    """The box of a text, without an arrow that it may have."""
    return Text.get_window_extent(text)
