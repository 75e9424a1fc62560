"""The drawings without data: points lie where their angles say, links join what belongs together,
what the sphere hides is dashed; and panels of pairs."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import colors
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection
from matplotlib.patches import Ellipse, Polygon
from mpl_toolkits.mplot3d import proj3d
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection

from modality_gap.figures import pairs, schematics
from modality_gap.figures.palette import IMAGE_COLOR, INK, MUTED, TEXT_COLOR
from modality_gap.figures.schematics import IMAGE_PHI, TEXT_PHI


def at(theta, phi, radius=1.0):
    """A point by its angles in degrees."""
    theta, phi = np.radians(theta), np.radians(phi)
    return radius * np.array(
        [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)]
    )


@pytest.fixture
def ax3d():
    yield plt.figure(figsize=(5, 5)).add_subplot(projection="3d")
    plt.close("all")


@pytest.fixture
def ax():
    yield plt.figure(figsize=(10, 2.6)).add_subplot()
    plt.close("all")


def points_of(line):
    return np.array(line.get_data_3d()).T


def one_line(ax, **wanted):
    """The line of this marker or label and colour."""
    found = [
        line
        for line in ax.lines
        if all(
            colors.same_color(line.get_color(), value)
            if key == "color"
            else getattr(line, f"get_{key}")() == value
            for key, value in wanted.items()
        )
    ]
    assert len(found) == 1
    return found[0]


def word(ax, text):
    """Where a word stands and how, in three dimensions."""
    (found,) = [one for one in ax.texts if one.get_text() == text]
    return np.array(found.get_position_3d()), found


def arrows(ax):
    """Tail and head of every arrow, and its colour."""
    return [
        (np.array(one.xyann), np.array(one.xy), one.arrowprops["color"], one.arrowprops)
        for one in ax.texts
        if getattr(one, "arrowprops", None)
    ]


def on_paper(ax, point):
    return np.array(proj3d.proj_transform(*point, ax.get_proj())[:2])


# --- Figure 3(e) --------------------------------------------------------------------------------


def test_pairs_on_the_sphere_lie_on_their_parallels_and_are_joined(ax3d):
    schematics.draw_sphere(ax3d)
    images, texts = (one_line(ax3d, marker=marker) for marker in ("o", "s"))
    np.testing.assert_allclose(points_of(images), [at(90, phi) for phi in IMAGE_PHI], atol=1e-12)
    np.testing.assert_allclose(points_of(texts), [at(50, phi) for phi in TEXT_PHI], atol=1e-12)
    assert (images.get_label(), texts.get_label()) == ("image", "text")
    assert colors.same_color(images.get_color(), IMAGE_COLOR)
    assert colors.same_color(texts.get_color(), TEXT_COLOR)
    heights = {
        round(float(height), 9)
        for line in ax3d.lines
        if len(points_of(line)) == 361
        for height in points_of(line)[:, 2][~np.isnan(points_of(line)[:, 2])]
    }
    assert heights == {0, round(np.cos(np.radians(50)), 9)}
    links = {
        one.get_label(): one
        for one in ax3d.collections
        if isinstance(one, Line3DCollection) and not isinstance(one, Poly3DCollection)
    }
    assert links.keys() == {"matched pair", "mismatched pair"}
    matched = [0, 1, 4, 5]
    for name, rows, color in (
        ("matched pair", matched, MUTED),
        ("mismatched pair", [2, 3], INK),
    ):
        assert colors.same_color(links[name].get_color()[0], color)
        segments = np.array(links[name]._segments3d)
        assert len(segments) == len(rows)
        for row, segment in zip(rows, segments, strict=True):
            np.testing.assert_allclose(segment[0], at(90, IMAGE_PHI[row]), atol=1e-12)
            np.testing.assert_allclose(segment[-1], at(50, TEXT_PHI[row]), atol=1e-12)
            # Along the sphere, never through it.
            np.testing.assert_allclose(np.linalg.norm(segment, axis=1), 1, atol=1e-12)
    assert all((IMAGE_PHI[row] == TEXT_PHI[row]) == (row in matched) for row in range(6))


@pytest.mark.parametrize("text_theta", [50, 30])
def test_the_gap_is_drawn_between_the_parallels(ax3d, text_theta):
    schematics.draw_sphere(ax3d, text_theta=text_theta)
    ((tail, head, color, props),) = arrows(ax3d)
    assert colors.same_color(color, INK)
    assert props["arrowstyle"] == "<|-|>"
    np.testing.assert_allclose(tail, on_paper(ax3d, at(90, 90, 1.08)))
    np.testing.assert_allclose(head, on_paper(ax3d, at(text_theta, 90, 1.08)))
    place, _ = word(ax3d, "gap")
    np.testing.assert_allclose(place, at((90 + text_theta) / 2, 90, 1.13), atol=1e-12)
    place, label = word(ax3d, r"$\theta = 90°$")
    np.testing.assert_allclose(place, at(90, -90, 1.06), atol=1e-12)
    assert colors.same_color(label.get_color(), IMAGE_COLOR)
    place, label = word(ax3d, rf"$\theta = {text_theta}°$")
    np.testing.assert_allclose(place, at(text_theta, -100, 1.1), atol=1e-12)
    assert colors.same_color(label.get_color(), TEXT_COLOR)
    legend = [text.get_text() for text in ax3d.get_legend().get_texts()]
    assert legend == ["image", "text", "matched pair", "mismatched pair"]


@pytest.mark.parametrize(("theta", "color"), [(90, IMAGE_COLOR), (50, TEXT_COLOR)])
def test_a_parallel_is_whole_and_dashed_where_the_sphere_hides_it(ax3d, theta, color):
    schematics._unit_sphere(ax3d, elevation=16, azimuth=30)
    schematics._parallel(ax3d, theta, color)
    front, behind = (points_of(line) for line in ax3d.lines)
    assert ax3d.lines[0].get_linestyle() == "-"
    assert ax3d.lines[1].get_linestyle() == "--"
    assert all(colors.same_color(line.get_color(), color) for line in ax3d.lines)
    view = at(90 - 16, 30)
    seen = ~np.isnan(front[:, 0])
    assert (seen ^ ~np.isnan(behind[:, 0])).all()
    assert (front[seen] @ view >= 0).all()
    assert (behind[~seen] @ view < 0).all()
    whole = np.where(seen[:, None], front, behind)
    np.testing.assert_allclose(whole, [at(theta, phi) for phi in range(361)], atol=1e-12)


@pytest.mark.parametrize(("elevation", "azimuth"), [(16, 0), (20, 24)])
def test_the_outline_is_the_circle_across_the_view(ax3d, elevation, azimuth):
    schematics._unit_sphere(ax3d, elevation, azimuth)
    (disc,) = [one for one in ax3d.collections if isinstance(one, Poly3DCollection)]
    (outline,) = np.array(disc._faces)
    np.testing.assert_allclose(np.linalg.norm(outline, axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(outline @ at(90 - elevation, azimuth), 0, atol=1e-9)
    # Around once, not back and forth.
    np.testing.assert_allclose(outline[:-1].mean(axis=0)[:3], 0, atol=1e-2)
    assert (ax3d.elev, ax3d.azim) == (elevation, azimuth)
    # Parallel projection, so that the circle is the sphere's rim.
    assert ax3d._focal_length == np.inf
    for limits in (ax3d.get_xlim(), ax3d.get_ylim(), ax3d.get_zlim()):
        assert limits == (-1, 1)


# --- Figure 3(f) --------------------------------------------------------------------------------


@pytest.mark.parametrize(("theta", "phi"), [(48, 52), (70, 20)])
def test_spherical_coordinates_are_marked_where_they_are(ax3d, theta, phi):
    schematics.draw_spherical_coordinates(ax3d, theta, phi)
    point = at(theta, phi)
    np.testing.assert_allclose(points_of(one_line(ax3d, marker="o")), [point], atol=1e-12)
    polar = points_of(one_line(ax3d, label=r"polar angle $\theta$"))
    np.testing.assert_allclose(polar[0], [0, 0, 0.5], atol=1e-12)
    np.testing.assert_allclose(polar[-1], point / 2, atol=1e-12)
    azimuth = points_of(one_line(ax3d, label=r"azimuth $\varphi$"))
    np.testing.assert_allclose(azimuth[0], [0.5, 0, 0], atol=1e-12)
    np.testing.assert_allclose(azimuth[-1], at(90, phi, 0.5), atol=1e-12)
    for arc in (polar, azimuth):
        np.testing.assert_allclose(np.linalg.norm(arc, axis=1), 0.5, atol=1e-12)
    # The radius, and by dashes the way over the foot of the perpendicular.
    foot = point * [1, 1, 0]
    ways = [points_of(line) for line in ax3d.lines if len(points_of(line)) in (2, 3)]
    assert any(np.allclose(way, [[0, 0, 0], point]) for way in ways if len(way) == 2)
    assert any(np.allclose(way, [[0, 0, 0], foot, point]) for way in ways if len(way) == 3)
    meridian = [points_of(line) for line in ax3d.lines if len(points_of(line)) == 46]
    wanted = [at(angle, phi) for angle in np.linspace(0, 90, 46)]
    assert any(np.allclose(line, wanted) for line in meridian)
    for text, place in (
        (r"$\theta$", at(theta / 2, phi, 0.62)),
        (r"$\varphi$", at(90, phi / 2, 0.66)),
        (r"$(\theta, \varphi)$", at(theta, phi, 1.1)),
        ("$x$", [1.728, 0, 0]),
        ("$y$", [0, 1.35, 0]),
        ("$z$", [0, 0, 1.3176]),
    ):
        np.testing.assert_allclose(word(ax3d, text)[0], place, atol=1e-12)
    heads = [head for _, head, _, _ in arrows(ax3d)]
    for axis in ([1.6, 0, 0], [0, 1.25, 0], [0, 0, 1.22]):
        assert any(np.allclose(head, on_paper(ax3d, axis)) for head in heads)
    assert all(np.allclose(tail, on_paper(ax3d, (0, 0, 0))) for tail, _, _, _ in arrows(ax3d))


# --- Figure 1(a) --------------------------------------------------------------------------------


def test_two_cones_lie_in_the_sphere_and_the_gap_joins_their_middles(ax):
    schematics.draw_two_encoders(ax)
    centre, radius = np.array([4.72, 1.3]), 1.14
    caps = [patch for patch in ax.patches if type(patch) is Ellipse and patch.angle]
    assert [cap.angle for cap in caps] == [130, 230]
    for cap, color in zip(caps, (IMAGE_COLOR, TEXT_COLOR), strict=True):
        turn = np.radians(cap.angle)
        axis = np.array([np.cos(turn), np.sin(turn)])
        np.testing.assert_allclose(cap.center, centre + 0.76 * radius * axis)
        assert cap.width < cap.height
        # The far rim of the cap does not stick out of the sphere.
        assert 0.76 * radius + cap.width / 2 < radius
        assert colors.same_color(cap.get_facecolor()[:3], color)
    dots = [one for one in ax.collections if len(one.get_offsets()) == 9]
    assert len(dots) == 2
    for cap, cloud in zip(caps, dots, strict=True):
        turn = np.radians(cap.angle)
        frame = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        local = (np.asarray(cloud.get_offsets()) - cap.center) @ frame.T
        scaled = local / [cap.width / 2, cap.height / 2]
        assert (np.linalg.norm(scaled, axis=1) < 1).all()
        np.testing.assert_allclose(local.mean(axis=0), 0, atol=1e-9)
        # Even: no two dots lie close together.
        gaps = np.linalg.norm(scaled[:, None] - scaled[None], axis=2)[~np.eye(9, dtype=bool)]
        assert gaps.min() > 0.3
    gap = [one for one in arrows(ax) if colors.same_color(one[2], INK)]
    ((tail, head, _, _),) = gap
    np.testing.assert_allclose(head, caps[0].center)
    np.testing.assert_allclose(tail, caps[1].center)
    # Each cone begins at the centre, and its sides touch the cap's ellipse.
    cones = [
        patch.get_xy()
        for patch in ax.patches
        if isinstance(patch, Polygon) and np.allclose(patch.get_xy()[0], centre)
    ]
    assert len(cones) == 2
    for cap, cone in zip(caps, cones, strict=True):
        turn = np.radians(cap.angle)
        frame = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        local = (cone[1:-1] - cap.center) @ frame.T / [cap.width / 2, cap.height / 2]
        np.testing.assert_allclose(np.linalg.norm(local, axis=1), 1, atol=1e-9)
        apex = -np.array([0.76 * radius, 0]) / [cap.width / 2, cap.height / 2]
        for touched in (local[0], local[-1]):
            assert touched @ (apex - touched) == pytest.approx(0, abs=1e-9)
        assert local[len(local) // 2][0] > 0  # round the far side


def test_each_encoder_has_its_inputs_arrows_and_letters(ax):
    schematics.draw_two_encoders(ax)
    texts = {text.get_text(): text for text in ax.texts}
    for name, symbol, y, color in (
        ("image\nencoder $f$", "$x_i$", 1.96, IMAGE_COLOR),
        ("text\nencoder $g$", "$y_i$", 0.64, TEXT_COLOR),
    ):
        assert texts[name].get_position()[1] == y
        assert texts[symbol].get_position()[1] == pytest.approx(y + 0.17)
        assert colors.same_color(texts[symbol].get_color(), color)
        mine = [one for one in arrows(ax) if colors.same_color(one[2], color)]
        assert len(mine) == 2
        for tail, head, _, _ in mine:
            assert tail[1] == head[1] == y
            assert tail[0] < head[0]
        boxes = [
            patch.get_xy()[:4]
            for patch in ax.patches
            if isinstance(patch, Polygon)
            and len(patch.get_xy()) == 5
            and np.allclose(patch.get_xy()[:4, 1].mean(), y)
        ]
        assert len(boxes) == 1
        box = boxes[0]
        left, right = (box[box[:, 0] == end] for end in (box[:, 0].min(), box[:, 0].max()))
        assert np.ptp(left[:, 1]) > np.ptp(right[:, 1]) > 0  # it narrows
        # The arrows end and begin where the encoder does.
        assert mine[0][1][0] < left[0, 0] < right[0, 0] < mine[1][0][0] < 3.84
    assert (ax.get_xlim(), ax.get_ylim(), ax.get_aspect()) == ((0, 10), (0, 2.6), 1)


def test_the_formulas_are_the_gap_and_the_loss(ax):
    schematics.draw_two_encoders(ax)
    formulas = [text.get_text() for text in ax.texts if text.get_position()[0] == 6.2]
    assert [formulas[0], formulas[2]] == ["Modality gap", "Symmetric contrastive loss"]
    assert r"\sum_i x_i - \dfrac{1}{N}\sum_i y_i" in formulas[1]
    assert r"\dfrac{1}{2}\,(" in formulas[3]
    assert r"-\dfrac{1}{N}\sum_i\,\log\,\dfrac{\exp(x_i\cdot y_i/\tau)}" in formulas[4]
    assert r"{\sum_j \exp(x_i\cdot y_j/\tau)}" in formulas[4]
    heights = [text.get_position()[1] for text in ax.texts if text.get_position()[0] == 6.2]
    assert heights == sorted(heights, reverse=True)


# --- pairs in the plane -------------------------------------------------------------------------


def points_of_sets(*names, n=5):
    rng = np.random.default_rng(0)
    return pd.concat(
        pd.DataFrame({"set": name, "side": side, "u": rng.normal(size=n), "v": rng.normal(size=n)})
        for name in names
        for side in ("b", "a")
    )


def drawn_pairs(ax):
    (links,) = [one for one in ax.collections if isinstance(one, LineCollection)]
    first, second = [one for one in ax.collections if not isinstance(one, LineCollection)]
    return np.array(links.get_segments()), first, second


def assert_drawn(ax, points):
    a, b = (points.loc[points["side"] == side, ["u", "v"]].to_numpy() for side in "ab")
    segments, first, second = drawn_pairs(ax)
    np.testing.assert_allclose(segments, np.stack([a, b], axis=1))
    np.testing.assert_allclose(first.get_offsets(), a)
    np.testing.assert_allclose(second.get_offsets(), b)
    assert colors.same_color(first.get_facecolor()[0], IMAGE_COLOR)
    assert colors.same_color(second.get_facecolor()[0], TEXT_COLOR)


def test_a_line_joins_each_pair(ax):
    points = points_of_sets("one")
    pairs.draw_pairs(ax, points)
    assert_drawn(ax, points)
