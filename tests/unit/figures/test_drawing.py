"""Parts that several figures share, each by itself: places and orders by hand, on axes whose
objects are asked."""

from itertools import combinations, pairwise
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib import colors
from matplotlib import pyplot as plt
from matplotlib.patches import PathPatch

from modality_gap.figures import labels, models, pairs, style, svg
from modality_gap.figures.palette import IMAGE_COLOR, INK, MUTED, PALETTE, TEXT_COLOR, contrast

GAPS = pd.DataFrame(
    [
        ("weak", "Weak", "trained", 0.3, 0.2, 0.45),
        ("able_random", "Able", "random", 0.9, 0.85, 1.0),
        ("able", "Able", "trained", 1.1, 1.0, 1.15),
        ("own", "Own", "trained", 0.8, 0.7, 0.95),
        ("own_random", "Own", "random", 1.3, 1.2, 1.35),
        ("start", "Start", "random", 0.6, 0.5, 0.75),
    ],
    columns=["set", "model", "weights", "gap", "gap_low", "gap_high"],
).set_index("set")


@pytest.fixture
def ax():
    yield plt.figure().add_subplot()
    plt.close("all")


def in_order():
    learnt = GAPS.index.isin(["able", "start"])
    return models.models_in_order(GAPS, ["own"], pd.Series(learnt, GAPS.index))


def test_the_papers_models_come_first_then_those_that_retrieve():
    assert in_order().to_dict("records") == [
        {"model": model, "trained": trained, "random": random, "papers": papers, "learnt": learnt}
        for model, trained, random, papers, learnt in (
            ("Own", "own", "own_random", True, False),
            ("Able", "able", "able_random", False, True),
            ("Weak", "weak", None, False, False),
            ("Start", None, "start", False, False),  # what is untrained has learnt nothing
        )
    ]


def test_the_papers_models_keep_their_order_whether_they_retrieve_or_not():
    learnt = pd.Series(GAPS.index == "own", GAPS.index)
    found = models.models_in_order(GAPS, ["start", "weak", "own_random"], learnt)
    assert found["model"].tolist() == ["Weak", "Own", "Start", "Able"]


def test_each_model_has_its_own_row_with_both_gaps_and_their_intervals(ax):
    models.draw_gap_change(ax, style.WIDE, in_order(), GAPS, {"able": 0.77, "start": 0.1})
    rows = {"Own": 3.5, "Able": 2, "Weak": 1, "Start": 0}
    assert [text.get_text() for text in ax.get_yticklabels()] == [*rows]
    assert [*ax.get_yticks()] == [*rows.values()]
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 1.6), (-0.7, 4.2))
    # Lines of the grid lead from the rows to their axis, behind what is drawn.
    assert not ax.spines["left"].get_visible() and ax.get_axisbelow()
    shown = [[line.get_visible() for line in lines] for lines in (ax.get_xgridlines(),
                                                                  ax.get_ygridlines())]  # fmt: skip
    assert all(shown[0]) and not any(shown[1])
    assert ax.get_xlabel() == "gap (distance of the centres)"
    dots = {(line.get_xdata()[0], line.get_ydata()[0]): line for line in ax.lines
            if line.get_marker() == "o"}  # fmt: skip
    bars = {tuple(bar.get_segments()[0].ravel()): bar.get_color()[0] for bar in ax.collections}
    for _, row in GAPS.iterrows():
        place = rows[row["model"]]
        dot = dots.pop((row["gap"], place))
        color = INK if row["model"] == "Own" else PALETTE[0]
        assert colors.same_color(dot.get_color(), color)
        hollow = colors.same_color(dot.get_mfc(), "#ffffff")
        assert hollow == (row["weights"] == "random")
        assert colors.same_color(bars[row["gap_low"], place, row["gap_high"], place][:3], color)
    assert not dots and len(bars) == len(GAPS)
    diamonds = [line for line in ax.lines if line.get_marker() == "D"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in diamonds] == [(0.77, 2)]
    assert colors.same_color(diamonds[0].get_color(), MUTED)
    # From the untrained gap to the trained one, whose number is on the side that is free.
    arrows = {(one.xyann, one.xy): one.arrowprops for one in ax.texts if not one.get_text()}
    assert arrows.keys() == {((1.3, 3.5), (0.8, 3.5)), ((0.9, 2), (1.1, 2))}
    assert [one["arrowstyle"] for one in arrows.values()] == ["->", "->"]
    numbers = {one.get_text(): (one.xy, one.xyann, one.get_ha()) for one in ax.texts
               if one.get_text()}  # fmt: skip
    assert numbers == {
        "0.80": ((0.8, 3.5), (-18, 0), "right"),
        "1.10": ((1.1, 2), (10, 0), "left"),
        "0.30": ((0.3, 1), (-18, 0), "right"),
    }


def test_a_number_is_on_the_left_where_training_left_the_gap_as_it_was(ax):
    gap = GAPS.loc[["own", "own_random"]].assign(gap=0.8)
    order = models.models_in_order(gap, [], pd.Series(True, gap.index))
    models.draw_gap_change(ax, style.WIDE, order, gap, {})
    (number,) = [one for one in ax.texts if one.get_text()]
    assert (number.get_text(), number.get_ha(), number.xyann) == ("0.80", "right", (-18, 0))


def test_long_names_have_lines_that_fit_the_layout(ax):
    model = "one model whose name is long"  # 28 letters
    gap = GAPS[:1].assign(model=model)
    order = models.models_in_order(gap, [], pd.Series(False, gap.index))
    for layout, lines in ((style.WIDE, 1), (style.NARROW, 2)):
        models.draw_gap_change(ax, layout, order, gap, {})
        (name,) = ax.get_yticklabels()
        assert len(name.get_text().split("\n")) == lines


def ends_of(patch):
    return patch.get_path().vertices.reshape(-1, 2, 2)


def test_pairs_are_joined_and_at_most_500_are_drawn(ax):
    n = 1001
    sides = [
        pd.DataFrame({"set": "s", "side": side, "u": np.arange(n) + place, "v": place, "w": 9.0})
        for place, side in ((0.25, "b"), (0.5, "a"))
    ]
    pairs.draw_pairs(ax, pd.concat(sides), size=7)
    joined, images, texts = (patch for patch in ax.patches if isinstance(patch, PathPatch))
    kept = np.arange(0, n, 3)  # every third leaves 334; every second would leave 501
    np.testing.assert_array_equal(ends_of(joined)[:, 0], np.stack([kept + 0.5, 0.5 + 0 * kept], 1))
    np.testing.assert_array_equal(
        ends_of(joined)[:, 1], np.stack([kept + 0.25, 0.25 + 0 * kept], 1)
    )
    for dots, color, place in ((images, IMAGE_COLOR, 0.5), (texts, TEXT_COLOR, 0.25)):
        assert not dots.get_path().should_simplify  # a dot is a line without a length
        assert colors.same_color(dots.get_edgecolor(), color)
        assert (dots.get_linewidth(), dots.get_capstyle(), dots.get_fill()) == (7, "round", False)
        found = ends_of(dots)
        np.testing.assert_array_equal(found[:, 0], found[:, 1])
        np.testing.assert_array_equal(found[:, 0, 0], kept + place)
    assert [*ax.get_xticks(), *ax.get_yticks()] == []
    assert all(spine.get_visible() for spine in ax.spines.values())  # a frame around each set
    low, high = ax.get_xlim()
    assert low < 0.25 and high > 1000.5


def test_models_stand_in_strips_trained_above_untrained():
    names = [f"m{number}" for number in range(5)]
    table = pd.DataFrame({"model": names, "trained": names, "random": [f"{n}r" for n in names]})
    table = table.astype(object)
    table.loc[3, "random"] = None
    sets = [*table["trained"], *table["random"].dropna()]
    rows = [(name, side, place, place) for place, name in enumerate(sets) for side in "ab"]
    points = pd.DataFrame(rows, columns=["set", "side", "u", "v"])
    gap = pd.Series(np.arange(len(sets)) / 10, sets)
    figure = plt.figure()
    letters = {"trained": "(a)", "random": "(b)"}
    pairs.draw_sets(figure, style.NARROW, table, points, letters, gap)
    assert all([*ax.get_xticks(), *ax.get_yticks()] == [] for ax in figure.axes)
    for absent in (text for ax in figure.axes for text in ax.texts):  # in the middle of its panel
        assert absent.get_position() == (0.5, 0.5)
        assert absent.get_transform() == absent.axes.transAxes
    found = {}
    for ax in figure.axes:
        spec = ax.get_subplotspec()
        place = spec.rowspan.start, spec.colspan.start
        drawn = {float(ends_of(patch)[0, 0, 0]) for patch in ax.patches}
        drawn = sets[int(drawn.pop())] if drawn else "".join(text.get_text() for text in ax.texts)
        found[place] = drawn, ax.get_title(), ax.get_ylabel(), ax.get_xlabel()
    plt.close(figure)
    assert found == {  # two strips, of three and of two
        (0, 0): ("m0", "m0", "(a) trained", "gap 0.00"),
        (0, 1): ("m1", "m1", "", "gap 0.10"),
        (0, 2): ("m2", "m2", "", "gap 0.20"),
        (1, 0): ("m0r", "", "(b) untrained", "gap 0.50"),
        (1, 1): ("m1r", "", "", "gap 0.60"),
        (1, 2): ("m2r", "", "", "gap 0.70"),
        (2, 0): ("m3", "m3", "trained", "gap 0.30"),
        (2, 1): ("m4", "m4", "", "gap 0.40"),
        (3, 0): ("no random\nweights", "", "untrained", ""),
        (3, 1): ("m4r", "", "", "gap 0.80"),
    }


@pytest.mark.parametrize(("layout", "lines"), [(style.WIDE, 1), (style.NARROW, 2)])
def test_names_above_the_columns_fit_them(layout, lines):
    name = "a name of seven"  # 15 letters
    table = pd.DataFrame({"model": [name], "trained": ["t"], "random": [None]}).astype(object)
    points = pd.DataFrame(
        [("t", side, 0.0, 0.0) for side in "ab"], columns=["set", "side", "u", "v"]
    )
    figure = plt.figure()
    pairs.draw_sets(figure, layout, table, points, {"trained": "(a)"})
    (ax,) = figure.axes
    plt.close(figure)
    assert len(ax.get_title(loc="center").split("\n")) == lines
    assert ax.get_xlabel() == ""


@pytest.mark.parametrize(
    ("count", "wide", "narrow"),
    [
        (0, (1, 1), (1, 1)),
        (4, (1, 4), (1, 4)),
        (5, (1, 5), (2, 3)),
        (7, (1, 7), (2, 4)),
        (8, (2, 4), (2, 4)),
        (9, (2, 5), (3, 3)),
        (15, (3, 5), (4, 4)),
    ],
)
def test_strips_are_as_even_as_they_can_be(count, wide, narrow):
    assert pairs.strips(count, style.WIDE) == wide
    assert pairs.strips(count, style.NARROW) == narrow


def test_a_legend_names_each_modality_once_by_its_side():
    figure = plt.figure()
    sides = [("image", "text"), ("video", "text"), ("image", "label"), ("audio", "text")]
    pairs.modalities_legend(figure, sides)
    (legend,) = figure.legends
    shown = {text.get_text(): line.get_color() for text, line in
             zip(legend.get_texts(), legend.get_lines(), strict=True)}  # fmt: skip
    plt.close(figure)
    assert shown == {"images, videos, audio": IMAGE_COLOR, "texts, labels": TEXT_COLOR}


# --- style --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "columns", "shape"),
    [(5, 3, (2, 3)), (2, 4, (1, 2)), (6, 3, (2, 3)), (0, 3, (1, 1)), (3, 0, (3, 1))],
)
def test_a_grid_has_as_many_panels_as_asked_for_and_a_size_in_pixels(count, columns, shape):
    figure, axes = style.NARROW.grid(count, columns, 90, sharex=True)
    grid = figure.axes[0].get_gridspec()
    shown = [ax.axison for ax in figure.axes]
    size = figure.get_size_inches() * 72
    plt.close(figure)
    assert (grid.nrows, grid.ncols) == shape and len(axes) == count
    assert shown == [number < count for number in range(len(shown))]
    np.testing.assert_allclose(size, (358, 90 * shape[0]))


def test_a_figure_has_three_files_without_a_time_or_an_id_of_another(tmp_path):
    ids = []
    for name in ("one", "two_words"):
        names = {"svg": "svg", "narrow": "narrow.svg", "pdf": "pdf"}
        paths = {kind: tmp_path / f"{name}.{end}" for kind, end in names.items()}
        before = plt.get_fignums()

        def draw(layout):
            figure = layout.figure(100)
            figure.add_subplot().plot([0, 1], [0, 1], "o", clip_on=True)
            return figure

        style.save(draw, SimpleNamespace(**{kind: str(path) for kind, path in paths.items()}))
        assert plt.get_fignums() == before
        pdf = paths["pdf"].read_bytes()
        assert b"CreationDate" not in pdf and b"/MediaBox [ 0 0 934 100 ]" in pdf
        assert f"Mind the Gap, reproduced: {name.replace('_', ' ')}".encode() in pdf
        for kind, width in (("svg", "934"), ("narrow", "358")):
            root = ElementTree.fromstring(paths[kind].read_text("utf-8"))
            assert (root.get("width"), root.get("height")) == (width, "100")
            ids.append({one.get("id") for one in root.iter() if one.get("id")})
    assert all(ids) and all(not one & other for one, other in combinations(ids, 2))


def test_letters_of_panels_go_on_after_z():
    assert style.LETTERS[:2] + style.LETTERS[25:28] == ["a", "b", "z", "aa", "ab"]
    assert len({*style.LETTERS}) == len(style.LETTERS)


def test_powers_of_ten_are_decimals(ax):
    ax.set(xscale="log", yscale="log", xlim=(1e-3, 1e3), ylim=(1e-4, 10))
    style.decimals(ax.xaxis, ax.yaxis)
    for axis in (ax.xaxis, ax.yaxis):
        written = [axis.get_major_formatter()(value, 0) for value in (0.001, 0.1, 1, 100, 2e-6)]
        assert written == ["0.001", "0.1", "1", "100", "0.000002"]
        assert [*axis.get_minorticklocs()] == []


def test_a_band_has_its_edges(ax):
    style.draw_band(ax, [0, 1, 2], [1, 2, 1], [4, 5, 3], "#123456")
    corners = {tuple(corner) for corner in ax.collections[0].get_paths()[0].vertices}
    assert {(0, 1), (1, 2), (2, 1), (0, 4), (1, 5), (2, 3)} <= corners
    assert [line.get_ydata().tolist() for line in ax.lines] == [[1, 2, 1], [4, 5, 3]]
    assert {line.get_color() for line in ax.lines} == {"#123456"}


def test_a_label_is_right_of_its_point_if_nothing_else_is_said(ax):
    style.label_line(ax, "words", (0.5, 0.25), "#123456")
    style.label_line(ax, "other", (0.5, 0.25), "#123456", ha="right", xytext=(-9, 4))
    one, other = ax.texts
    assert (one.xy, one.xyann, one.get_ha(), one.get_va()) == (
        *((0.5, 0.25), (6, 0)),
        *("left", "center"),
    )
    assert (other.xyann, other.get_ha(), other.get_va()) == ((-9, 4), "right", "center")
    assert one.anncoords == "offset points" and one.get_color() == "#123456"


def test_labels_apart_take_the_first_free_place_around_their_points():
    size = np.array([30.0, 10.0])
    found = style.apart(np.array([[0.0, 0], [100, 0], [1, 0]]), size)
    # Above; above; and, 10 pixels away, the first that does not touch: below.
    assert found[:2] == [(0, 8), (0, 8)]
    (x, y) = found[2]
    assert np.hypot(x, y) == pytest.approx(10) and y - 8 <= -10
    # Labels that have their width between them do not touch.
    assert style.apart(np.array([[0.0, 0], [30, 0]]), size) == [(0, 8)] * 2
    # Places are tried from above to the left.
    (_, (x, y)) = style.apart(np.zeros((2, 2)), np.array([8.0, 30.0]))
    assert (x, y) == pytest.approx((-8.66, 5), abs=0.01)
    # Where nothing is free a label is above its point.
    many = style.apart(np.zeros((40, 2)), np.array([500.0, 500.0]))
    assert {*many} == {(0.0, 8.0)}


def test_a_curve_without_a_fine_minimum_is_above_its_own_least():
    keys = ["set", "temperature"]
    curves = pd.DataFrame(
        [("one", 0.1, 3.0), ("two", 0.1, 2.0), ("one", 0.1, 1.0), ("end", 0.1, 4.0)],
        columns=[*keys, "loss"],
    )
    fine = [("end", 0.1, 3.5, True), ("two", 0.1, 0.5, False)]
    minimum = pd.DataFrame(fine, columns=[*keys, "loss", "at_end"])
    drawn, lows = style.above_minima(curves, minimum)
    assert drawn["above"].tolist() == [2.0, 1.5, 0.0, 0.5]
    assert lows[["set", "above"]].to_numpy().tolist() == [["two", 0.0]]


def test_an_svg_has_colours_as_attributes_and_two_decimals():
    links = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    given = f"""<svg {links} viewBox="0 0 934.5 120"><defs><path id="a-b" d="M 1.23956 -2.5"
        style="fill: #123456; stroke: #222222"/></defs><g id="unused"><use xlink:href="#a-b"
        x="1.999" style="fill: #0068a6; stroke-width: 0.8567"/></g></svg>"""
    root = ElementTree.fromstring(svg.themed(given.encode()))
    assert (root.get("width"), root.get("height"), root.get("class")) == ("934.5", "120", "figure")
    (path,), (use,) = (list(root.iter(f"{{{svg.SVG}}}{name}")) for name in ("path", "use"))
    # What is used many times takes its colours from where it is used.
    assert path.attrib == {"id": "a-b", "d": "M 1.23 -2.5"}
    assert use.attrib == {f"{{{svg.XLINK}}}href": "#a-b", "x": "1.99", "fill": "#0068a6"} | {
        "style": "stroke-width: 0.8567"
    }
    assert [group.attrib for group in root.iter(f"{{{svg.SVG}}}g")] == [{}]


def test_luminance_is_that_of_the_standard_on_both_sides_of_its_bend():
    # 10 / 255 is .0392, below the bend at .04045, and 11 / 255 is .0431, above it.
    for level, light in ((10, 10 / 255 / 12.92), (11, ((11 / 255 + 0.055) / 1.055) ** 2.4)):
        found = contrast("#000000", f"#{level:02x}{level:02x}{level:02x}")
        assert found == pytest.approx((light + 0.05) / 0.05)
    parts = {"#ff0000": 0.2126, "#00ff00": 0.7152, "#0000ff": 0.0722}
    for color, share in parts.items():
        assert contrast(color, "#000000") == pytest.approx((share + 0.05) / 0.05)


# --- labels -------------------------------------------------------------------------------------

SIZE = 10
NOTHING = np.empty((0, 2))


def place(points, drawn=NOTHING, **options):
    return labels.places_beside(np.array(points, dtype=float), np.array(drawn), SIZE, **options)


def around(degrees, far=1.1):
    return far * SIZE * np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def test_a_number_takes_the_first_free_place():
    point = np.array([50.0, 50.0])
    order = (45, 135, 225, 315, 0, 180, 90, 270)
    blocked: list[np.ndarray] = []
    for degrees in order[:4]:
        (found,) = place([point], np.array(blocked).reshape(-1, 2))
        np.testing.assert_allclose(found, around(degrees))
        blocked.append(point + around(degrees, 1.5))
    # With all corners taken, straight right; two marks in its place are worse than none.
    (found,) = place([point], blocked)
    np.testing.assert_allclose(found, around(0))
    # Where everything near is covered, the next ring.
    square = np.stack(np.meshgrid(*[np.arange(-16, 17, 4.0)] * 2), axis=-1).reshape(-1, 2)
    (found,) = place([point], point + square)
    assert np.linalg.norm(found) > 2 * SIZE


def test_a_number_stays_off_another_and_off_its_line():
    far = np.stack(np.meshgrid(*[np.arange(-16, 17, 4.0)] * 2), axis=-1).reshape(-1, 2)
    first = np.array([50.0, 50.0])
    (alone,) = place([first], first + far)
    line = first + alone * np.linspace(0.1, 0.8, 9)[:, None]
    # A second point, whose first place would be on the line from the first to its number.
    second = line[5] - around(45)
    found = place([first, second], first + far)
    np.testing.assert_allclose(found[0], alone)
    its = second + found[1]
    assert np.abs(line - its).max(axis=1).min() >= 0.7 * SIZE
    assert np.abs(first + alone - its).max() >= 1.2 * SIZE


def test_four_points_are_no_crowd_and_five_are():
    crowd = [[100.0, 50], [110, 50], [120, 50], [130, 50], [140, 50]]
    assert len(np.unique(place(crowd[:4])[:, 1])) > 1 or np.ptp(place(crowd[:4])[:, 0]) > 0
    assert labels._rows(np.array(crowd[:4]), NOTHING, SIZE, np.inf) == {}
    found = labels._rows(np.array(crowd[::-1]), np.array([[120.0, 70], [300, 200]]), SIZE, np.inf)
    places = np.array(crowd[::-1]) + [found[at] for at in range(5)]
    np.testing.assert_allclose(places, [[120 + 15 * step, 85] for step in (2, 1, 0, -1, -2)])
    # The number of a point beside them stays off the row.
    beside = place([*crowd, [83, 50]])[5]
    np.testing.assert_allclose(beside, around(135))
    # A row that would be above the highest place is none.
    assert labels._rows(np.array(crowd), NOTHING, SIZE, 64.9) == {}
    assert len(labels._rows(np.array(crowd), NOTHING, SIZE, 65)) == 5
    # Points crowd each other that are nearer than 16 pixels along both axes, each to the next.
    spread = [[100.0, 50], [115, 50], [130, 50], [145, 60], [161, 60]]
    assert labels._rows(np.array(spread), NOTHING, SIZE, np.inf) == {}
    assert len(labels._rows(np.array([*spread[:4], [160, 60]]), NOTHING, SIZE, np.inf)) == 5


def test_what_is_covered_is_nearer_along_both_axes():
    found = labels._covered(np.array([[0, 0], [10, 0]]), np.array([[4, -4], [4, 5], [6, 0]]), 5)
    assert found.tolist() == [[True, False, False], [False, False, True]]


def test_a_curve_is_followed_about_every_three_pixels():
    curve = np.array([[0.0, 0], [30, 40], [30, 100]])  # 50 and 60 long
    dense = labels._dense(curve)
    np.testing.assert_allclose(dense[[0, -1]], curve[[0, -1]])
    steps = [np.hypot(*(b - a)) for a, b in pairwise(dense)]
    assert min(steps) > 2.5 and max(steps) < 3.01
    on_first = dense[dense[:, 0] < 30]
    np.testing.assert_allclose(on_first[:, 1], on_first[:, 0] * 4 / 3)


def flat(*heights):
    return [np.array([[0.0, height], [200, height]]) for height in heights]


def test_a_label_is_beside_its_curve_or_at_the_end_of_a_line():
    sizes, corners = np.array([[40.0, 10.0]]), np.array([[0.0, 0.0], [200.0, 100.0]])
    ((_, y),) = labels.places_along(flat(50), sizes, corners)
    assert y == 58  # above: half its height and three pixels
    # Without room above it is below.
    ((_, y),) = labels.places_along(flat(95), sizes, corners)
    assert y == 87
    # Between two others, which leave no room, it is beyond one of them.
    both = np.repeat(sizes, 3, axis=0)
    places = labels.places_along(flat(50, 56, 44), both, corners)
    assert abs(places[0, 1] - 50) >= 6 + 5 + 3
    for place, height in zip(places, (50, 56, 44), strict=True):
        others = [other for other in (50, 56, 44) if other != height]
        assert min(abs(place[1] - other) for other in others) >= 5
    # A steep curve is labelled where it is flat.
    steep = [np.array([[0.0, 10], [100, 10], [104, 90], [200, 90]])]
    ((x, y),) = labels.places_along(steep, sizes, corners)
    assert abs(x - 102) > 20 and min(abs(y - 18), abs(y - 82), abs(y - 2), abs(y - 98)) < 1


def test_labels_of_two_sizes_keep_off_each_other():
    sizes, corners = np.array([[40.0, 10.0], [160.0, 10.0]]), np.array([[0.0, 0.0], [200.0, 81.0]])
    first, second = labels.places_along(flat(50, 73), sizes, corners)
    # The second has no room above its curve, and room below it right of the first alone.
    np.testing.assert_allclose(first, [20, 58])
    np.testing.assert_allclose(second, [120, 65])


def crowded(point, free, kept, times):
    """Marks, `times` at every place for the number of a point, without those that cover what is
    `free`; and beside what is `kept`, where a mark would cover that too."""
    found = []
    for far in (1.1, 1.6, 2.2, 2.9, 3.7, 4.5):
        for degrees in np.arange(0, 360, 22.5):
            mark = around(degrees, far)
            if np.abs(mark - free).max(axis=1).min() < 6.9:
                continue
            for its in kept:
                if np.abs(mark - its).max() < 7:
                    mark[0] = its[0] + (7.01 if mark[0] > its[0] else -7.01)
            found += [point + mark] * times
    return np.array(found)


def test_places_are_tried_from_near_to_far_and_diagonal_ones_first():
    # A square of marks covers what is nearer than its half and seven pixels along both axes.
    for half, far in ((1, 1.1), (6, 1.6), (10, 2.2), (17, 2.9), (25, 3.7), (33, 4.5)):
        ticks = np.linspace(-half, half, 12)
        square = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
        (found,) = place([[50, 50]], 50 + square)
        np.testing.assert_allclose(found, around(0, far))
    ticks = np.linspace(-6, 6, 12)
    marks = 50 + np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    for degrees in (0, 180, 90, 270, *np.arange(22.5, 360, 45)):
        (found,) = place([[50, 50]], marks)
        np.testing.assert_allclose(found, around(degrees, 1.6), atol=1e-9)
        marks = np.concatenate([marks, 50 + around(degrees, 2.2)[None]])
    for away, degrees in ((6.9, 135), (7.1, 45)):
        (found,) = place([[50, 50]], [50 + around(45) + [away, 0]])
        np.testing.assert_allclose(found, around(degrees))


@pytest.mark.parametrize(("marks", "covered"), [(8, False), (10, True)])
def test_a_number_covers_another_rather_than_ten_marks_and_no_less(marks, covered):
    second, other = np.array([200.0, 200]), around(0, 4.5)  # from the second point
    drawn = crowded(second, [other], [], marks)
    found = place([second + other - around(45), second], drawn)
    np.testing.assert_allclose(found[0], around(45))
    assert np.allclose(found[1], other) == covered


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
@pytest.mark.parametrize(("aside", "marks", "crossed"), [(5, 2, False), (5, 4, True), (7, 2, True)])
def test_a_line_crosses_a_number_rather_than_that_its_own_covers_three_marks(
    share, aside, marks, crossed
):
    second, far = np.array([200.0, 200]), around(0, 4.5)
    number = share * far + [0, aside]
    drawn = crowded(second, [far, number], [], marks)
    found = place([second + number - around(45), second], drawn)
    np.testing.assert_allclose(found[0], around(45))
    assert np.allclose(found[1], far) == crossed


@pytest.mark.parametrize(
    ("far", "along", "taken"),
    [(4.5, 8, False), (4.5, 29.5, False), (2.2, 7, False), (1.1, -4, True)],
)
def test_a_number_keeps_off_the_line_of_another_which_only_a_distant_one_has(far, along, taken):
    first, number, its = np.array([200.0, 200]), around(0, far), np.array([along, 0])
    drawn = crowded(first, [number], [number, its], 2)
    found = place([first, first + its - around(45)], drawn)
    np.testing.assert_allclose(found[0], number)
    assert np.allclose(found[1], around(45)) == taken


def test_the_row_of_a_crowd_is_above_all_that_is_beside_its_numbers():
    crowd = np.array([[100.0, 50], [110, 50], [120, 50], [130, 50], [140, 50]])
    # Their numbers are from 90 to 150.
    for x, row in ((79, 65), (81, 115), (159, 115), (161, 65)):
        found = labels._rows(crowd, np.array([[x, 100.0]]), SIZE, np.inf)
        np.testing.assert_allclose([crowd[at, 1] + found[at][1] for at in range(5)], row)


def test_a_label_is_where_its_curve_is_flat_unless_others_leave_less_room_there():
    sizes, corners = np.array([[40.0, 10.0]] * 3), np.array([[0.0, 0.0], [200.0, 100.0]])
    others = [np.array([[102.0, height], [200, height]]) for height in (66, 34)]
    # Three pixels are free where it is flat; elsewhere ten, less half of what it rises there.
    for rise, flat_part in ((30, False), (40, True)):
        own = np.array([[0.0, 50 - rise], [100, 50], [200, 50]])
        x, _ = labels.places_along([own, *others], sizes, corners)[0]
        assert (x > 119) == flat_part and (x < 82) != flat_part


def test_a_label_goes_as_far_as_it_must():
    for others, height in (((), 35), ((30,), 54), ((35, 50), 73), ((35, 50, 62), 92)):
        curves, corners = flat(10, *others), np.array([[0.0, 0.0], [200.0, 130.0]])
        _, y = labels.places_along(curves, np.array([[60.0, 44.0]] * len(curves)), corners)[0]
        assert y == height
    # A corner of the panel is no obstacle.
    corners = np.array([[0.0, 0.0], [200.0, 100.0]])
    ((x, y),) = labels.places_along(flat(2), np.array([[40.0, 10.0]]), corners)
    assert (x, y) == (20, 10)


def test_a_line_to_a_label_crosses_no_other_and_is_crossed_by_none():
    sizes = np.array([[40.0, 10.0], [40, 44], [60, 10], [40, 10]])
    corners, curves = np.array([[0.0, 0.0], [125.0, 130.0]]), flat(20, 10, 50, 35)
    places = labels.places_along(curves, sizes, corners)
    np.testing.assert_allclose(places[0], [20, 28])
    # Its line is two pixels right of the first label, or a little more, and the third keeps off it.
    assert places[1, 1] == 73 and 42 <= places[1, 0] < 42 + 85 / 39
    assert places[2, 1] == 42 and 32 <= places[2, 0] - places[1, 0] < 32 + 65 / 39
    # Where every line would cross the first label there is none.
    corners[1, 0] = 60
    np.testing.assert_allclose(labels.places_along(curves, sizes, corners)[1], [20, 35])
