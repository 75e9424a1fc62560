"""Places for labels: numbers beside marks, and names along curves."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from modality_gap.figures.style import spread

LEADER = 1.3  # a number further away than this multiple of its size gets a line


def places_beside(
    points: np.ndarray, drawn: np.ndarray, size: float, highest: float = np.inf
) -> np.ndarray:
    """Where to write a number of `size` pixels beside each of the points (n, 2), as offsets (n, 2)
    in pixels. Places around a point are tried from near to far, diagonal ones first. A number takes
    the first place that covers nothing `drawn` (k, 2), no other number and no line from a number to
    its point; or else the place that covers the least. If five points or more crowd each other,
    their numbers are in a row above them, unless the row would be above `highest`."""
    rows = _rows(points, drawn, size, highest)
    angles = np.pi / 8 * np.array([2, 6, 10, 14, 0, 8, 4, 12, 1, 3, 5, 7, 9, 11, 13, 15])
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    offsets = np.concatenate([around * size * far for far in (1.1, 1.6, 2.2, 2.9, 3.7, 4.5)])
    written = np.array([points[at] + offset for at, offset in rows.items()]).reshape(-1, 2)
    found = []
    for number, point in enumerate(points):
        if number in rows:
            found.append(rows[number])
            continue
        places = point + offsets
        over = _covered(places, drawn, 0.7 * size).sum(axis=1)
        over = over + 9 * _covered(places, written, 1.2 * size).sum(axis=1)
        # Lines from places to the point that cross what is written.
        for along in (0.3, 0.5, 0.7):
            over = over + 3 * _covered(point + along * offsets, written, 0.6 * size).sum(axis=1)
        best = offsets[int(over.argmin())]
        found.append(best)
        written = np.concatenate([written, (point + best)[None]])
        if np.abs(best).max() > LEADER * size:
            line = point + best * np.linspace(0.1, 0.8, 9)[:, None]
            drawn = np.concatenate([drawn, line])
    return np.array(found).reshape(-1, 2)


def _rows(
    points: np.ndarray, drawn: np.ndarray, size: float, highest: float
) -> dict[int, np.ndarray]:
    """Offsets of the numbers of crowded points, by index. They are in a row above everything that
    is drawn there, in the order of the points."""
    found: dict[int, np.ndarray] = {}
    left = set(range(len(points)))
    while left:
        crowd, new = set(), {left.pop()}
        while new:
            crowd |= new
            near = _covered(points[[*new]], points, 1.6 * size).any(axis=0)
            new = {*np.flatnonzero(near).tolist()} & left
            left -= new
        if len(crowd) < 5:
            continue
        order = sorted(crowd, key=lambda at: points[at, 0])
        places = np.array(spread([*points[order, 0]], 1.5 * size))
        here = (drawn[:, 0] > places[0] - size) & (drawn[:, 0] < places[-1] + size)
        heights = [*points[order, 1], *drawn[here, 1]]
        row = max(heights) + 1.5 * size
        for at, place in zip(order, places, strict=True) if row <= highest else ():
            found[at] = np.array([place, row]) - points[at]
    return found


def _covered(places: np.ndarray, others: np.ndarray, apart: float) -> np.ndarray:
    """For each of places (n, 2), which of others (k, 2) are nearer than `apart` along both axes."""
    return np.abs(places[:, None] - others[None]).max(axis=2) < apart


def places_along(
    curves: Sequence[np.ndarray], sizes: np.ndarray, corners: np.ndarray
) -> np.ndarray:
    """Where to write the label of each curve (points, 2). Returns the centres (n, 2) of boxes of
    sizes (n, 2), within the corners (2, 2) of the panel, all in pixels. A label is above or below
    its curve. It is next to the curve if that place is free of other curves and labels, and
    otherwise at the end of a line from the curve."""
    dense = [_dense(curve) for curve in curves]
    placed, lines = np.empty((0, 2)), np.empty((0, 2))
    for number, (own, size) in enumerate(zip(dense, sizes, strict=True)):
        half = size / 2
        others = [one for at, one in enumerate(dense) if at != number]
        obstacles = np.concatenate([*others, lines, corners[:1] - 999])
        low, high = corners[0] + half, corners[1] - half
        best, its_line, room = corners.mean(axis=0), lines[:0], -np.inf
        for x in np.linspace(low[0], high[0], 40):
            span = own[np.abs(own[:, 0] - x) <= half[0], 1]
            edges = ((span.max(), 1), (span.min(), -1)) if len(span) else ()
            for (edge, sign), far in product(edges, (3, 22, 41, 60)):
                place = np.array([x, edge + sign * (half[1] + far)])
                if not low[1] <= place[1] <= high[1]:
                    continue
                away = (np.abs(obstacles - place) - half).max(axis=1).min()
                boxes = np.abs(placed - place) - half - sizes[: len(placed)] / 2
                free = min([10.0, away, *boxes.max(axis=1)])
                # A steep part of a curve is far from a label that clears all of it.
                free -= 0.5 * np.ptp(span) + 0.5 * (far - 3)
                line = lines[:0]
                if far > 3:
                    line = np.stack([np.full(20, x), np.linspace(edge, place[1], 20)], axis=1)
                    crossed = np.abs(line[:, None] - placed) - sizes[: len(placed)] / 2
                    free -= 20 * bool((crossed.max(axis=2) < 2).any())
                if free > room:
                    best, its_line, room = place, line, free
        placed = np.concatenate([placed, best[None]])
        lines = np.concatenate([lines, its_line])
    return placed


def _dense(curve: np.ndarray) -> np.ndarray:
    """Points along a curve, one about every three pixels."""
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(curve, axis=0).T))])
    places = np.linspace(0, along[-1], 2 + int(along[-1] // 3))
    return np.stack([np.interp(places, along, part) for part in curve.T], axis=1)
