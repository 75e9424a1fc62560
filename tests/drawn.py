"""What a figure shows, in words and numbers, and how that differs from stored values."""

import json
import re
from collections.abc import Iterator
from itertools import groupby, zip_longest

import numpy as np
import pytest
from matplotlib import colors as mcolors
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import Collection
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.spines import Spine
from matplotlib.text import Text

# How far numbers may be from the stored ones: places in thousandths of the panel, pixels of panels
# and texts, parts of colours (0 to 255), ends of axes as a share of the larger end.
TOLERANCES = {"at": 0.4, "pixels": 1, "colors": 2, "ends": 2e-3}


def summary(figure) -> list[list]:
    """All that a figure shows, after it is drawn: its panels, and in each the artists in order, as
    [words, {kind of numbers: numbers}]. Neighbours that look the same are one entry."""
    found = [["figure", {"pixels": _numbers(figure.bbox.size)}]]
    for part in (figure, *figure.subfigs):
        found += _entries("figure", _leaves(part), part.bbox)
    for number, ax in enumerate(figure.axes, start=1):
        name = f"panel {number}"
        about = f"{ax.name} {ax.get_xscale()} {ax.get_yscale()}"
        numbers = {"pixels": _numbers(ax.bbox.extents)}
        if ax.axison:
            axes = ax._axis_map.values()
            ends = [axis.get_transform().transform(axis.get_view_interval()) for axis in axes]
            numbers["ends"] = _numbers(np.ravel(ends))
        if ax.name == "3d":
            about += f" seen from {ax.elev:.4g} {ax.azim:.4g} {ax.roll:.4g}"
        found.append([f"{name}: {about}", numbers])
        found += _entries(name, _leaves(ax), ax.bbox)
    return found


def as_json(summaries: dict[str, list[dict]]) -> str:
    """Summaries as JSON, an entry per line."""
    text = json.dumps(summaries, ensure_ascii=False, sort_keys=True, indent=1)
    entry = re.compile(r"\n {4}\[.*?\n {4}\]", re.DOTALL)
    return entry.sub(lambda found: "\n" + re.sub(r"\n *", "", found[0]), text) + "\n"


def difference(stored: list[list], drawn: list[list]) -> str:
    """The first entry of a summary that differs from the stored one, in a line; "" if none does."""
    for old, new in zip_longest(stored, drawn):
        if old is None or new is None or old[0] != new[0] or not _agree(old[1], new[1]):
            old, new = (json.dumps(one, ensure_ascii=False) for one in (old, new))
            return f"stored {old}, drawn {new}"
    return ""


def _agree(old: dict[str, list], new: dict[str, list]) -> bool:
    return old.keys() == new.keys() and all(
        new[kind]
        == pytest.approx(
            numbers,
            rel=1e-3,
            abs=TOLERANCES[kind] * (np.abs(numbers).max() if kind == "ends" else 1),
        )
        for kind, numbers in old.items()
    )


def _numbers(values) -> list[float]:
    """Four digits of each; no zero has a sign."""
    return [float(f"{value:.4g}") + 0 for value in np.ravel(values)]


def _averages(points: np.ndarray) -> list[float]:
    """The mean of each column, and one with weights 1 to n, which depends on the order."""
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return []
    if len(points) == 1:
        return _numbers(points)
    weights = np.arange(1, len(points) + 1)
    return _numbers([points.mean(axis=0), np.average(points, axis=0, weights=weights)])


def _leaves(artist) -> Iterator:
    """The visible artists that are of no others, in order; the parts of an axis by their kinds."""
    parts = artist.get_children()
    if isinstance(artist, Axes) and not artist.axison:
        parts = [one for one in parts if not isinstance(one, Axis | Spine) and one != artist.patch]
    parts = [one for one in parts if one.get_visible()]
    if not isinstance(artist, Axes):
        parts = [one for one in parts if not isinstance(one, Axes) and not hasattr(one, "subfigs")]
    if isinstance(artist, Axis):
        ticks = [part for one in parts if not isinstance(one, Text) for part in _leaves(one)]
        parts = [*sorted(ticks, key=lambda one: type(one).__name__), *parts]
        parts = [one for one in parts if isinstance(one, Text | Line2D | Patch)]
    for one in parts:
        if isinstance(one, Line2D | Collection | Patch | Text | AxesImage):
            yield one
            yield from filter(None, [getattr(one, "arrow_patch", None)])
            yield from filter(None, [one.get_bbox_patch()] if isinstance(one, Text) else [])
        else:
            yield from _leaves(one)


def _entries(name: str, artists, box) -> Iterator[list]:
    described = filter(None, (_described(one, box) for one in artists))
    for (look, _), group in groupby(described, key=lambda one: (one[0], bool(one[1]))):
        group = list(group)
        words = "|".join(filter(None, (one[1] for one in group)))
        found = {}
        for kind in TOLERANCES:
            parts = [one[2][kind] for one in group if kind in one[2]]
            if parts and (averages := _averages(np.concatenate(parts))):
                found[kind] = averages
        points = sum(len(one[2].get("at", one[2].get("pixels", ()))) for one in group)
        yield [f"{name}: {look}, {len(group)} of {points}" + f" {words!r}" * bool(words), found]


def _described(one, box) -> tuple[str, str, dict[str, np.ndarray]] | None:
    """How an artist looks, its words and its numbers by kind; None if nothing of it is seen."""
    kinds = {Line2D: _line, Collection: _collection, Patch: _patch, Text: _text, AxesImage: _image}
    found = next(describe for kind, describe in kinds.items() if isinstance(one, kind))(one)
    if found is None:
        return None
    look, words, numbers = found
    if "at" in numbers:
        numbers["at"] = 1000 * (numbers["at"] - box.min) / box.size
    if "pixels" in numbers:
        numbers["pixels"] = numbers["pixels"] - box.min
    look = f"{type(one).__name__} {look} z{one.get_zorder():.4g}"
    look += "" if one.get_clip_on() else " not clipped"
    return look, words, numbers


def _hex(*colors) -> str:
    """Colours with six digits, eight where one is not opaque."""
    shown = [mcolors.to_hex(one, keep_alpha=True) for one in colors]
    return " ".join("none" if one.endswith("00", 7) else one.removesuffix("ff") for one in shown)


def _dashes(offset, dashes) -> str:
    return "-" if dashes is None else ",".join(f"{one:.3g}" for one in (offset, *dashes))


def _shape(path) -> str:
    """A name for the shape of a mark: how many corners, and where they are on the average."""
    averages = _averages(np.nan_to_num(path.vertices))
    return f"{len(path.vertices)}({' '.join(f'{round(one, 2) + 0:g}' for one in averages)})"


def _line(one):
    look = ""
    if one.get_linestyle() != "None":
        look += f"{_hex(one.get_color())} {one.get_linewidth():.4g} "
        look += f"{_dashes(*one._unscaled_dash_pattern)} {one.get_solid_capstyle()} "
        look += f"{one.get_drawstyle()} " * (one.get_drawstyle() != "default")
    if one.get_marker() not in ("None", None, "", " "):
        inside, edge = one.get_markerfacecolor(), one.get_markeredgecolor()
        look += f"{one.get_marker()} {_hex(inside, edge)} {one.get_markersize():.4g} "
        look += f"{one.get_markeredgewidth():.4g} {one.get_fillstyle()} "
    if one.get_alpha() is not None:
        look += f"a{one.get_alpha():.4g}"
    points = one.get_transform().transform(np.asarray(one.get_xydata(), dtype=float))
    return (look.strip(), "", {"at": points}) if look and len(points) else None


def _collection(one):
    faces, edges = (
        mcolors.to_rgba_array(color) for color in (one.get_facecolor(), one.get_edgecolor())
    )
    looks, numbers = [], {}
    for colors in (faces, edges):
        if len(np.unique(colors, axis=0)) > 1:
            looks.append(f"{len(colors)} colours")
            numbers["colors"] = np.concatenate([numbers.get("colors", colors[:0]), 255 * colors])
        else:
            looks += [_hex(color) for color in colors[:1]] or ["none"]
    for values in (one.get_linewidths(), getattr(one, "get_sizes", list)()):
        looks.append("/".join(f"{value:.4g}" for value in dict.fromkeys(values)))
    looks.append("/".join(dict.fromkeys(_dashes(*dashes) for dashes in one.get_linestyles())))
    looks += filter(None, [one.get_hatch()])
    paths = one.get_paths()
    places = np.ma.filled(np.ma.asarray(one.get_offsets(), dtype=float), np.nan)
    if not np.any(places):
        parts = [one.get_transform().transform(path.vertices) for path in paths]
        points = np.concatenate(parts) if parts else np.empty((0, 2))
    else:
        points = one.get_offset_transform().transform(places)
        looks += [_shape(path) for path in paths[:1]]
    numbers["at"] = points
    return (" ".join(looks), "", numbers) if len(points) else None


def _patch(one):
    face, edge = _hex(one.get_facecolor()), _hex(one.get_edgecolor())
    if not one.get_linewidth():
        edge = "none"
    if face == edge == "none":
        return None
    look = f"{face} {edge} {one.get_linewidth():.4g} {_dashes(*one._unscaled_dash_pattern)}"
    look += f" {one.get_hatch()}" * bool(one.get_hatch())
    return look, "", {"at": one.get_transform().transform_path(one.get_path()).vertices}


def _text(one):
    if not one.get_text().strip():
        return None
    look = f"{_hex(one.get_color())} {one.get_fontsize():.4g} {one.get_fontweight()}"
    look += f" {one.get_fontstyle()} {one.get_ha()} {one.get_va()} {one.get_rotation():.4g}"
    look += f" a{one.get_alpha():.4g}" if one.get_alpha() is not None else ""
    if one.get_path_effects():
        look += f" {[effect._gc for effect in one.get_path_effects()]}"
    place = one.get_transform().transform(one.get_unitless_position())
    return look, one.get_text(), {"pixels": np.array([place])}


def _image(one):
    colors = one.to_rgba(one.get_array(), bytes=True).reshape(-1, 4)
    look = f"{'x'.join(map(str, one.get_array().shape))} {one.get_interpolation()}"
    corners = one.get_window_extent().get_points()
    return look, "", {"at": corners, "colors": colors.astype(float)}
