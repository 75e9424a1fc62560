"""Figure files: text is text, large enough in both layouts; colours have contrast and change on
dark ground; a file is the same byte for byte."""

import re
from itertools import pairwise
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from matplotlib import pyplot as plt

from modality_gap.figures import palette, style
from modality_gap.figures.palette import DARK, GRID, GROUND, PALETTE, RAMP, contrast
from modality_gap.figures.svg import SVG

# The narrowest columns of a page 1280 and 390 pixels wide, and the smallest type in each.
COLUMNS = {style.WIDE: (934, 11), style.NARROW: (358, 9)}
PAGES = {"light": ("#ffffff", "#fdfcfa"), "dark": ("#1d2126", "#15181c")}


def draw(layout):
    figure = layout.figure(120)
    ax = figure.add_subplot()
    ax.plot([1, 2, 3], [2, 1, 3], marker="o", label="words")
    ax.set(title="a title", xlabel="across", ylabel="up")
    style.label_line(ax, "at the end", (3, 3), PALETTE[0])
    return figure


def written(folder, name="some"):
    folder.mkdir(exist_ok=True)
    output = SimpleNamespace(
        svg=folder / f"{name}.svg", narrow=folder / f"{name}.narrow.svg", pdf=folder / f"{name}.pdf"
    )
    style.save(draw, output)
    return output


def texts(path):
    """Words and size in pixels, as wide as the page draws it, of every text of an SVG."""
    root = ElementTree.parse(path).getroot()
    return {
        "".join(text.itertext()): float(re.search(r"font(?:-size)?:[^;]*?([\d.]+)px", look)[1])
        for text in root.iter(f"{{{SVG}}}text")
        for look in [text.get("style", "")]
    }


def test_text_is_text_and_never_too_small(tmp_path):
    output = written(tmp_path)
    for layout, path in ((style.WIDE, output.svg), (style.NARROW, output.narrow)):
        found = texts(path)
        assert {"a title", "across", "up", "at the end"} <= found.keys()
        column, smallest = COLUMNS[layout]
        scale = column / float(ElementTree.parse(path).getroot().get("width"))
        assert min(found.values()) * scale >= smallest
        assert scale == pytest.approx(1)
    assert b"/FontFile2" in output.pdf.read_bytes()


def test_a_figure_is_the_same_byte_for_byte(tmp_path):
    first, again = (written(tmp_path / name) for name in "ab")
    assert not plt.get_fignums()
    # The only name by which a browser follows a link of an SVG that stands in a page.
    assert {"xlink:href"} == set(re.findall(r"[\w:]*href(?==)", first.svg.read_text()))
    for kind in ("svg", "narrow", "pdf"):
        one, other = (getattr(output, kind).read_bytes() for output in (first, again))
        assert one == other
        assert b"Date" not in one and b"<dc:date>" not in one


def test_identifiers_of_two_figures_differ(tmp_path):
    one, other = (written(tmp_path, name) for name in ("one", "other"))
    files = [one.svg, one.narrow, other.svg, other.narrow]
    ids = [set(re.findall(r'\bid="([^"]+)"', path.read_text())) for path in files]
    assert all(ids)
    assert len(set.union(*ids)) == sum(map(len, ids))


@pytest.mark.parametrize("ground", PAGES["light"] + PAGES["dark"])
def test_colours_have_contrast(ground):
    shown = (lambda color: color) if ground in PAGES["light"] else DARK.get
    for color in (*PALETTE, *RAMP, palette.INK, palette.MUTED):
        assert contrast(shown(color), ground) >= 4.5, color
    assert contrast(shown(palette.FAINT), ground) >= 3


def test_contrast_is_that_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert contrast("#d55e00", "#ffffff") == pytest.approx(3.87, abs=0.005)


def test_every_colour_changes_on_dark_ground(tmp_path):
    text = written(tmp_path).svg.read_text()
    used = set(re.findall(r'(?:fill|stroke)="(#\w+)"', text.partition("</style>")[2]))
    assert {GROUND, palette.INK, PALETTE[0]} <= used <= DARK.keys()
    assert "style=" not in text or not re.search(r'style="[^"]*(?:fill|stroke): ?#', text)
    rules = palette.dark_rules(".dark")
    for color, dark in DARK.items():
        assert f'.dark [fill="{color}"]{{fill:{dark}}}' in rules
        assert f'.dark [stroke="{color}"]{{stroke:{dark}}}' in rules
    # Its own rules hold for a document alone: a page that takes it in has the choice.
    assert '.figure:root [fill="#222222"]' in text
    assert set(DARK) == {
        *PALETTE,
        *RAMP,
        GROUND,
        GRID,
        palette.SHADE,
        palette.INK,
        palette.MUTED,
        palette.FAINT,
    }


@pytest.mark.parametrize(
    ("places", "found"),
    [
        ([0.0, 3.0], [0.0, 3.0]),
        ([1.0, 1.0], [0.5, 1.5]),
        ([2.0, 1.9, 9.0], [2.45, 1.45, 9.0]),
        ([0.0, 0.1, 1.2], [-0.5667, 0.4333, 1.4333]),
    ],
)
def test_labels_keep_apart(places, found):
    assert style.spread(places, 1.0) == pytest.approx(found, abs=1e-4)


def test_many_labels_keep_apart_and_in_order():
    places = [0.3 * (number * 7 % 11) for number in range(11)]
    spread = style.spread(places, 0.5)
    assert all(b - a >= 0.5 - 1e-9 for a, b in pairwise(sorted(spread)))
    assert sorted(range(11), key=spread.__getitem__) == sorted(range(11), key=places.__getitem__)
