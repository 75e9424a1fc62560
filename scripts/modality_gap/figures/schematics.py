"""The drawings of the paper that show no data: Figure 1(a) and Figure 3(e)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Arc, Circle, Ellipse, FancyBboxPatch, Polygon
from mpl_toolkits.mplot3d import Axes3D, proj3d
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection
from numpy.typing import ArrayLike, NDArray

from modality_gap.figures.palette import (
    FAINT,
    GROUND,
    IMAGE_COLOR,
    INK,
    MUTED,
    PALETTE,
    SHADE,
    TEXT_COLOR,
)

# Six pairs around the front of the equator; the texts of the two middle pairs are exchanged.
IMAGE_PHI = (-62.5, -37.5, -12.5, 12.5, 37.5, 62.5)
TEXT_PHI = (-62.5, -37.5, 12.5, -12.5, 37.5, 62.5)


# ---------------------------------------------------------------- Figure 1(a), in the plane


def draw_two_encoders(ax: Axes) -> None:
    """Draw Figure 1(a): two encoders, their two cones on the unit sphere, and the gap between them.

    The axes become 6 x 2.6 units of equal length, made for a width of 350 pixels or more.
    """
    ax.set(xlim=(0, 6), ylim=(0, 2.6), aspect="equal")
    ax.axis("off")
    image_y, text_y = 1.96, 0.64

    _picture_icon(ax, 0.55, image_y)
    _caption_icon(ax, 0.55, text_y)
    rows = (
        (image_y, "image\nencoder", "x", IMAGE_COLOR),
        (text_y, "text\nencoder", "y", TEXT_COLOR),
    )
    for y, name, symbol, color in rows:
        _arrow(ax, (1.06, y), (1.48, y), color)
        _encoder(ax, 1.52, y, name, color)
        _arrow(ax, (2.74, y), (3.84, y), color)
        ax.text(3.2, y + 0.17, symbol, ha="center", va="center", color=color)

    _cones(ax, centre=(4.72, 1.3), radius=1.14)


def _arrow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    color: str,
    width: float = 1.4,
    style: str = "-|>",
) -> None:
    arrow = {"arrowstyle": style, "mutation_scale": 11, "shrinkA": 0, "shrinkB": 0}
    arrow |= {"color": color, "linewidth": width}
    ax.annotate("", end, start, arrowprops=arrow, annotation_clip=False, zorder=5)


def _card(ax: Axes, x: float, y: float, color: str) -> FancyBboxPatch:
    """A rounded frame of 0.9 x 0.72 around (x, y)."""
    card = FancyBboxPatch(
        (x - 0.4, y - 0.31),
        0.8,
        0.62,
        boxstyle="round,pad=0.05",
        facecolor=GROUND,
        edgecolor=color,
        linewidth=1.2,
    )
    ax.add_patch(card)
    return card


def _picture_icon(ax: Axes, x: float, y: float) -> None:
    """A sun over two mountains."""
    card = _card(ax, x, y, IMAGE_COLOR)
    peaks = (
        ([(-0.5, -0.5), (-0.12, 0.16), (0.26, -0.5)], 0.55),
        ([(-0.1, -0.5), (0.2, -0.02), (0.5, -0.5)], 0.9),
    )
    for peak, alpha in peaks:
        corners = np.add(peak, (x, y))
        mountain = Polygon(corners, facecolor=IMAGE_COLOR, alpha=alpha, linewidth=0)
        ax.add_patch(mountain)
        mountain.set_clip_path(card)
    ax.add_patch(Circle((x + 0.22, y + 0.17), 0.085, facecolor=PALETTE[3], linewidth=0))


def _caption_icon(ax: Axes, x: float, y: float) -> None:
    """A short caption."""
    _card(ax, x, y, TEXT_COLOR)
    ax.text(x, y, "“sunny\nhills”", ha="center", va="center", fontsize="small")


def _encoder(ax: Axes, x: float, y: float, name: str, color: str) -> None:
    """A trapezoid from x to x + 1.18 that narrows to the right."""
    corners = [(x, y - 0.5), (x, y + 0.5), (x + 1.18, y + 0.3), (x + 1.18, y - 0.3)]
    ax.add_patch(Polygon(corners, facecolor=color, joinstyle="round", linewidth=0))
    ax.text(x + 0.57, y, name, ha="center", va="center", color=GROUND, fontsize="small")


def _cones(ax: Axes, centre: tuple[float, float], radius: float) -> None:
    """The unit sphere with a cone of embeddings for each modality and the gap between them."""
    x, y = centre
    ax.add_patch(Circle(centre, radius, facecolor=SHADE, edgecolor=MUTED, linewidth=0.8))
    halves = ((180, 360, "solid"), (0, 180, (0, (3, 3))))
    for start, end, dash in halves:
        size = {"width": 2 * radius, "height": 0.5 * radius, "theta1": start, "theta2": end}
        ax.add_patch(Arc(centre, **size, edgecolor=FAINT, linewidth=0.8, linestyle=dash))

    # Along and across its axis, a cone ends in an ellipse; its sides touch the ellipse.
    reach, along, across = 0.76 * radius, 0.14 * radius, 0.27 * radius
    touch = np.arccos(-along / reach)
    rim = np.linspace(-touch, touch, 60)
    cap = np.column_stack([reach + along * np.cos(rim), across * np.sin(rim)])
    turn = np.arange(9) * np.pi * (3 - np.sqrt(5))  # a sunflower: even, without a visible grid
    seeds = np.sqrt((np.arange(9) + 0.5) / 9) * [np.cos(turn), np.sin(turn)]
    seeds -= seeds.mean(axis=1, keepdims=True)
    middles = []
    for angle, color in ((130, IMAGE_COLOR), (230, TEXT_COLOR)):
        axis = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
        frame = np.array([axis, [-axis[1], axis[0]]])
        sides = np.vstack([(0, 0), cap]) @ frame + centre
        ax.add_patch(Polygon(sides, facecolor=color, alpha=0.2, linewidth=0))
        middle = centre + reach * axis
        middles.append(middle)
        ax.add_patch(
            Ellipse(tuple(middle), 2 * along, 2 * across, angle=angle, facecolor=color, alpha=0.25)
        )
        dots = middle + (0.82 * seeds.T * (along, across)) @ frame
        x_dots, y_dots = dots.T
        ax.scatter(x_dots, y_dots, s=16, color=color, edgecolor=GROUND, linewidth=0.5, zorder=4)

    image_middle, text_middle = middles
    _arrow(ax, tuple(text_middle), tuple(image_middle), INK, width=1.8)
    gap = ax.text(image_middle[0] - 0.09, y, "gap", fontweight="bold")
    gap.set(ha="right", va="center", bbox={"facecolor": SHADE, "linewidth": 0, "pad": 1})
    ax.text(
        x + 0.5, y + 0.5, "unit\nsphere", ha="center", va="center", color=MUTED, fontsize="small"
    )
    ax.plot(x, y, ".", color=MUTED, markersize=4)


# ---------------------------------------------------------------- Figure 3(e), on the sphere


def draw_sphere(
    ax: Axes3D,
    image_phi: Sequence[float] = IMAGE_PHI,
    text_phi: Sequence[float] = TEXT_PHI,
    text_theta: float = 50,
) -> None:
    """Draw Figure 3(e): images on the equator and their texts at another polar angle, in degrees.

    Pair i is (image_phi[i], text_phi[i]). A pair is mismatched if its two azimuths differ.
    """
    _unit_sphere(ax, elevation=16, azimuth=0)
    _parallel(ax, 90, IMAGE_COLOR)
    _parallel(ax, text_theta, TEXT_COLOR)

    dots = {"markersize": 7.5, "markeredgecolor": GROUND, "markeredgewidth": 0.8, "zorder": 6}
    ax.plot(*_xyz(90, image_phi), "o", color=IMAGE_COLOR, label="image", **dots)
    ax.plot(*_xyz(text_theta, text_phi), "s", color=TEXT_COLOR, label="text", **dots)
    pairs = list(zip(image_phi, text_phi, strict=True))
    for mismatched, color, dash in ((False, MUTED, "solid"), (True, INK, (0, (3, 2)))):
        theta = np.linspace(90, text_theta, 40)
        links = [
            _xyz(theta, np.linspace(image, text, 40)).T
            for image, text in pairs
            if (image != text) == mismatched
        ]
        name = "mismatched pair" if mismatched else "matched pair"
        lines = Line3DCollection(links, color=color, linestyle=dash, linewidth=1.0, label=name)
        lines.set_zorder(4)
        ax.add_collection3d(lines, autolim=False)

    top, bottom = _xyz(text_theta, 90, 1.08), _xyz(90, 90, 1.08)
    _arrow3d(ax, bottom, top, INK, width=1.4, style="<|-|>")
    _label(ax, _xyz((90 + text_theta) / 2, 90, 1.13), "gap, Δθ", INK, ha="left")
    _polar_angle(ax, text_theta)
    _label(ax, _xyz(90, -90, 1.06), "θ = 90°", IMAGE_COLOR, ha="right")
    _label(ax, _xyz(text_theta, -90, 1.22), f"θ = {text_theta:g}°", TEXT_COLOR, ha="right")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.06), ncols=2)


def _xyz(theta: ArrayLike, phi: ArrayLike, radius: float = 1.0) -> NDArray[np.float64]:
    """The Cartesian coordinates of polar angles and azimuths in degrees. They are along the first
    axis."""
    theta, phi = np.broadcast_arrays(np.radians(theta), np.radians(phi))
    unit = [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)]
    return radius * np.array(unit)


def _unit_sphere(ax: Axes3D, elevation: float, azimuth: float) -> None:
    """Set the view and draw the outline of the unit sphere."""
    ax.set(xlim=(-1, 1), ylim=(-1, 1), zlim=(-1, 1))
    ax.set_proj_type("ortho")
    ax.set_box_aspect((1, 1, 1), zoom=1.12)
    ax.view_init(elev=elevation, azim=azimuth)
    ax.computed_zorder = False
    ax.axis("off")

    right = _xyz(90, azimuth + 90)
    up = _xyz(elevation, azimuth + 180)
    angle = np.linspace(0, 2 * np.pi, 181)
    outline = np.outer(np.cos(angle), right) + np.outer(np.sin(angle), up)
    disc = Poly3DCollection([outline], facecolor=SHADE, edgecolor=MUTED, linewidth=0.8)
    disc.set_zorder(1)
    ax.add_collection3d(disc)


def _parallel(ax: Axes3D, theta: float, color: str) -> None:
    """The circle at one polar angle, dashed where the sphere hides it."""
    circle = _xyz(theta, np.linspace(0, 360, 361))
    in_front = _xyz(90 - ax.elev, ax.azim) @ circle >= 0
    ax.plot(*np.where(in_front, circle, np.nan), color=color, linewidth=0.9, zorder=3)
    behind = np.where(in_front, np.nan, circle)
    ax.plot(*behind, color=color, linewidth=0.9, linestyle=(0, (3, 3)), alpha=0.5, zorder=2)


def _polar_angle(ax: Axes3D, theta: float) -> None:
    """An arc that shows what θ is: the angle from the pole, along the rim, to a parallel."""
    ax.plot(*np.transpose([_xyz(0, 0), _xyz(0, 0, 1.2)]), color=INK, linewidth=0.9)
    _label(ax, _xyz(0, 0, 1.34), "θ = 0°", INK)
    ax.plot(*_xyz(np.linspace(0, theta - 4, 40), -90, 1.12), color=INK, linewidth=0.9)
    _arrow3d(ax, _xyz(theta - 5, -90, 1.12), _xyz(theta, -90, 1.12), INK, width=0.9)
    _label(ax, _xyz(theta / 2, -90, 1.2), "θ", INK, ha="right")


def _arrow3d(
    ax: Axes3D,
    start: ArrayLike,
    end: ArrayLike,
    color: str,
    width: float,
    style: str = "-|>",
) -> None:
    """A straight arrow with its head drawn in the plane of the paper. The view must be set
    before."""
    tail, head = (
        proj3d.proj_transform(*np.asarray(xyz), ax.get_proj())[:2] for xyz in (start, end)
    )
    _arrow(ax, tail, head, color, width, style)


def _label(ax: Axes3D, xyz: ArrayLike, text: str, color: str, ha: str = "center") -> None:
    ax.text(*np.asarray(xyz), text, color=color, fontsize="small", ha=ha, va="center", zorder=7)
