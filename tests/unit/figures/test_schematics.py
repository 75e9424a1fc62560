"""The drawings without data: points lie where their angles say, links join what belongs together,
what the sphere hides is dashed; and panels of pairs."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib import colors
from matplotlib import pyplot as plt
from matplotlib.patches import Arc, Circle, Ellipse, FancyBboxPatch, Polygon
from mpl_toolkits.mplot3d import proj3d
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection

from modality_gap.figures import schematics
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
    # Six places, evenly around the front; the texts of the two in the middle are exchanged.
    assert np.diff(IMAGE_PHI).tolist() == [25] * 5 and sum(IMAGE_PHI) == 0
    assert sorted(TEXT_PHI) == [*IMAGE_PHI]
    assert not ax3d.computed_zorder


@pytest.mark.parametrize("text_theta", [50, 30])
def test_the_gap_is_drawn_between_the_parallels(ax3d, text_theta):
    schematics.draw_sphere(ax3d, text_theta=text_theta)
    (tail, head, color, props), _ = arrows(ax3d)
    assert colors.same_color(color, INK)
    assert props["arrowstyle"] == "<|-|>"
    np.testing.assert_allclose(tail, on_paper(ax3d, at(90, 90, 1.08)))
    np.testing.assert_allclose(head, on_paper(ax3d, at(text_theta, 90, 1.08)))
    place, _ = word(ax3d, "gap, Δθ")
    np.testing.assert_allclose(place, at((90 + text_theta) / 2, 90, 1.13), atol=1e-12)
    place, label = word(ax3d, "θ = 90°")
    np.testing.assert_allclose(place, at(90, -90, 1.06), atol=1e-12)
    assert colors.same_color(label.get_color(), IMAGE_COLOR)
    place, label = word(ax3d, f"θ = {text_theta}°")
    np.testing.assert_allclose(place, at(text_theta, -90, 1.22), atol=1e-12)
    assert colors.same_color(label.get_color(), TEXT_COLOR)
    # The angle from the pole: an arc along the rim, with its head at the texts.
    (tail, head, color, _) = arrows(ax3d)[1]
    np.testing.assert_allclose(head, on_paper(ax3d, at(text_theta, -90, 1.12)))
    assert colors.same_color(color, INK)
    arcs = [points_of(line) for line in ax3d.lines if len(points_of(line)) == 40]
    np.testing.assert_allclose(arcs[-1][0], at(0, 0, 1.12), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(arcs[-1], axis=1), 1.12)
    np.testing.assert_allclose(arcs[-1][-1], at(text_theta - 4, -90, 1.12), atol=1e-12)
    place, _ = word(ax3d, "θ")
    np.testing.assert_allclose(place, at(text_theta / 2, -90, 1.2), atol=1e-12)
    # The pole is a line from the sphere, with its name above it.
    (pole,) = [points_of(line) for line in ax3d.lines if len(points_of(line)) == 2]
    np.testing.assert_allclose(pole, [[0, 0, 1], [0, 0, 1.2]], atol=1e-12)
    place, _ = word(ax3d, "θ = 0°")
    np.testing.assert_allclose(place[:2], [0, 0], atol=1e-12)
    assert 1.25 < place[2] < 1.5
    assert np.linalg.norm(tail - head) < 0.1 and np.linalg.norm(tail) == pytest.approx(
        np.linalg.norm(on_paper(ax3d, at(text_theta - 5, -90, 1.12)))
    )
    legend = [text.get_text() for text in ax3d.get_legend().get_texts()]
    assert legend == ["image", "text", "matched pair", "mismatched pair"]
    assert ax3d.get_legend()._ncols == 2
    assert (ax3d.elev, ax3d.azim) == (16, 0)  # from the front, and a little from above
    # The ground of the sphere is behind all that is drawn on it.
    (disc,) = [one for one in ax3d.collections if isinstance(one, Poly3DCollection)]
    drawn = [*ax3d.lines, *(one for one in ax3d.collections if one is not disc), *ax3d.texts]
    assert disc.get_zorder() < min(one.get_zorder() for one in drawn)
    # Circles, links, points and words, each above what comes before it.
    circles = [one for one in ax3d.lines if len(points_of(one)) == 361]
    links = [one for one in ax3d.collections if one is not disc]
    dots = [one for one in ax3d.lines if one.get_marker() in ("o", "s")]
    words = [one for one in ax3d.texts if not getattr(one, "arrowprops", None)]
    orders = [{one.get_zorder() for one in part} for part in (circles, links, dots, words)]
    assert all(max(below) < min(above) for below, above in pairwise(orders))


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
    # On the paper it is round, and leaves about a third of the panel to the words around it.
    paper = ax3d.transData.transform([on_paper(ax3d, point) for point in outline[:-1, :3]])
    radii = np.linalg.norm(paper - paper.mean(axis=0), axis=1)
    assert radii.max() / radii.min() < 1.02
    assert radii.mean() / (ax3d.bbox.height / 2) == pytest.approx(2 / 3, abs=0.05)
    for limits in (ax3d.get_xlim(), ax3d.get_ylim(), ax3d.get_zlim()):
        assert limits == (-1, 1)


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
        assert 0.45 < cap.width / cap.height < 0.6
        assert 15 < np.degrees(np.arctan(cap.height / 2 / (0.76 * radius))) < 25
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
        assert 0.7 < np.linalg.norm(scaled, axis=1).max() < 0.9
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
        ("image\nencoder", "x", 1.96, IMAGE_COLOR),
        ("text\nencoder", "y", 0.64, TEXT_COLOR),
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
        for side in (left, right):
            assert side[:, 1].mean() == pytest.approx(y)
        # The arrows go from the card to the encoder, and from the encoder to the sphere.
        (first, _, _), (then, end, _) = (one[:3] for one in mine)
        card = 0.55 + 0.4 + 0.05
        sphere = 4.72 - np.sqrt(1.14**2 - (y - 1.3) ** 2)
        for near, far in ((card, first[0]), (mine[0][1][0], left[0, 0]), (right[0, 0], then[0])):
            assert 0 < far - near < 0.1
        assert abs(end[0] - sphere) < 0.1
        assert abs(texts[symbol].get_position()[0] - (then[0] + end[0]) / 2) < 0.15
        assert abs(texts[name].get_position()[0] - box[:, 0].mean()) < 0.05
    assert (ax.get_xlim(), ax.get_ylim(), ax.get_aspect()) == ((0, 6), (0, 2.6), 1)


def test_the_encoders_read_a_picture_and_a_caption(ax):
    schematics.draw_two_encoders(ax)
    cards = [one for one in ax.patches if isinstance(one, FancyBboxPatch)]
    for card, y, color in zip(cards, (1.96, 0.64), (IMAGE_COLOR, TEXT_COLOR), strict=True):
        assert card.get_x() + card.get_width() / 2 == pytest.approx(0.55)
        assert card.get_y() + card.get_height() / 2 == pytest.approx(y)
        assert (card.get_width(), card.get_height()) == (0.8, 0.62)
        assert colors.same_color(card.get_edgecolor(), color)
    (caption,) = [one for one in ax.texts if one.get_text() == "“sunny\nhills”"]
    assert caption.get_position() == (0.55, 0.64)
    # Two mountains stand on the lower edge of the picture, which cuts them off, below a sun.
    hills = [one for one in ax.patches if type(one) is Polygon and len(one.get_xy()) == 4]
    assert len(hills) == 2
    left, right = 0.15, 0.95
    for hill in hills:
        (x0, y0), (x, y), (x1, y1) = hill.get_xy()[:3]
        assert y0 == y1 == pytest.approx(1.96 - 0.5) and y0 <= cards[0].get_y() < y
        assert left - 0.1 <= x0 < x < x1 <= right + 0.1
        assert y < 1.96 + 0.31 and colors.same_color(hill.get_facecolor()[:3], IMAGE_COLOR)
        assert hill.get_clip_path() is not None
    sun = next(one for one in ax.patches if isinstance(one, Circle))
    assert sun.center == pytest.approx((0.77, 2.13))
    assert right - sun.center[0] > sun.radius > 0.05


def test_the_sphere_has_an_equator_and_its_name(ax):
    schematics.draw_two_encoders(ax)
    centre, radius = (4.72, 1.3), 1.14
    sphere = [one for one in ax.patches if isinstance(one, Circle)][-1]
    assert (sphere.center, sphere.radius) == (centre, radius)
    front, back = (one for one in ax.patches if isinstance(one, Arc))
    for arc, ends, dash in ((front, (180, 360), "solid"), (back, (0, 180), (0, (3, 3)))):
        assert (arc.center, arc.width, arc.theta1, arc.theta2) == (centre, 2 * radius, *ends)
        assert 0 < arc.height < arc.width / 2
        assert arc.get_linestyle() == dash
    words = {text.get_text(): text for text in ax.texts}
    x, y = words["unit\nsphere"].get_position()
    assert np.hypot(x - centre[0], y - centre[1]) < 0.7 * radius and x > centre[0]
    # The word stands left of the arrow, at half its height.
    x, y = words["gap"].get_position()
    ((tail, head, _, _),) = [one for one in arrows(ax) if colors.same_color(one[2], INK)]
    assert y == pytest.approx((tail[1] + head[1]) / 2) == centre[1]
    assert 0 < head[0] - x < 0.2 and words["gap"].get_ha() == "right"
    (middle,) = [line for line in ax.lines if line.get_marker() == "."]
    assert (middle.get_xdata()[0], middle.get_ydata()[0]) == centre
