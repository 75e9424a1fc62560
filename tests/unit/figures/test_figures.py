"""What every drawing script draws, from tables whose columns all hold other numbers: each script is
run as Snakemake runs it, for both layouts, and its figure is looked at and its file is read."""

import json
import os
import re
import runpy
from collections import Counter
from fractions import Fraction
from functools import cache
from inspect import signature
from itertools import combinations, pairwise, product
from math import prod
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from drawn import as_json, difference, summary
from labels import assert_labels, words_of
from matplotlib import colors as mcolors
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import PathPatch, StepPatch
from matplotlib.text import Text
from plan import script_path

from modality_gap import logs
from modality_gap.figures import labels, style
from modality_gap.figures.palette import (
    DARK,
    GROUND,
    IMAGE_COLOR,
    INK,
    MUTED,
    PALETTE,
    RAMP,
    TEXT_COLOR,
    contrast,
)
from modality_gap.figures.svg import SVG

ENDS = "", "_low", "_high"
SMALLEST = {style.WIDE: 11, style.NARROW: 9}  # pixels, as wide as the layout


class Given(dict):
    """What Snakemake gives a script as input, output or params: by name and by number."""

    def __getattr__(self, name):
        return self[name]

    def __getitem__(self, name):
        return list(self.values())[name] if isinstance(name, int) else super().__getitem__(name)


def assert_legible(path, layout):
    """No text of an SVG is too small, no colour stays as it is on dark ground."""
    root = ElementTree.parse(path).getroot()
    sizes = [
        float(size)
        for element in root.iter()
        if element.tag in (f"{{{SVG}}}text", f"{{{SVG}}}tspan")
        for size in re.findall(r"font(?:-size)?:[^;]*?([\d.]+)px", element.get("style", ""))
    ]
    assert sizes and min(sizes) >= SMALLEST[layout]
    colors = {element.get(name) for element in root.iter() for name in ("fill", "stroke")}
    assert colors - {None, "none"} <= DARK.keys()


def assert_inside(figure):
    """No word leaves the figure, which is laid out."""
    width, height = figure.bbox.size
    texts = [*figure.texts, *(text for part in figure.subfigs for text in part.texts)]
    for ax in figure.axes:
        if ax.axison:
            texts += [*ax.texts, ax._left_title, ax.title, ax.xaxis.label, ax.yaxis.label]
    for text in texts:
        box = text.get_window_extent()
        inside = box.x0 > -4 and box.x1 < width + 4 and box.y0 > -4 and box.y1 < height + 4
        assert inside or not text.get_text().strip(), (text.get_text(), box)
    # Marks without a place would be at the corner of the figure, and no room left for the panels.
    for line in figure.findobj(Line2D):
        assert line.get_clip_on() or len(line.get_xdata()), line.get_marker()


def assert_apart(figure):
    """No panel, with the words about it, reaches into another one or its words."""
    boxes = [
        (ax, ax.get_tightbbox(bbox_extra_artists=ax.texts).padded(-1))
        for ax in figure.axes
        if ax.axison
    ]
    for (one, box), (other, its) in combinations(boxes, 2):
        assert not box.overlaps(its), (one.get_title(loc="left"), other.get_title(loc="left"))


def shown_by(figure) -> tuple[list, set[str]]:
    """The curves and marks of a figure, in numbers of the data, and its words but those of axes."""
    axes = [ax for ax in figure.axes if ax.axison and ax.name != "3d"]
    curves = [
        (mcolors.to_hex(line.get_color()), np.ravel(line.get_xydata()).round(6).tolist())
        for ax in axes
        for line in ax.lines
    ]
    texts = [text for part in (figure, *figure.subfigs) for text in part.texts]
    for ax in axes:
        texts += [ax._left_title, ax.title, *ax.texts, *ax.get_yticklabels()]
    words = {re.sub(r"[\s,]", "", text.get_text()) for text in texts}
    return sorted(curves), {one for one in words if re.search("[a-z]", one)}


def assert_marks(figure):
    """No line and no mark is fainter than a bar may be, which has contrast. Grids are below."""
    for ax in figure.axes:
        gridded = any(line.get_visible() for line in (*ax.get_xgridlines(), *ax.get_ygridlines()))
        assert not gridded or ax.name == "3d" or ax.get_axisbelow()
        for line in ax.lines if ax.name != "3d" else ():
            assert line.get_alpha() is None or line.get_alpha() >= style.BAR


def assert_lines_differ(ax):
    """Curves of different colours have different dashes too."""
    curves = [
        line for line in ax.lines if len(line.get_xdata()) > 2 and line.get_linestyle() != "None"
    ]
    looks = {(mcolors.to_hex(line.get_color()), str(line._dash_pattern)) for line in curves}
    assert len({dashes for _, dashes in looks}) == len({color for color, _ in looks}) > 1


def touching(figure) -> list[tuple[str, str]]:
    """Pairs of labels of one panel that touch, and labels that a vertical line of it crosses."""
    found = []
    for ax in figure.axes:
        boxes = [
            (text.get_text(), words_of(text).padded(-1))
            for text in ax.texts
            if text.get_text().strip()
        ]
        found += [
            (one, other)
            for place, (one, box) in enumerate(boxes)
            for other, its in boxes[:place]
            if box.overlaps(its)
        ]
        for line in ax.lines:
            across = np.unique(np.asarray(line.get_xdata(), dtype=float))
            if len(across) != 1 or len(line.get_xdata()) != 2 or ax.name == "3d":
                continue
            (x, low), (_, high) = line.get_transform().transform(
                [(across[0], y) for y in sorted(line.get_ydata())]
            )
            found += [
                (words, "line")
                for words, box in boxes
                if box.x0 < x < box.x1 and low < box.y1 and high > box.y0
            ]
    return found


# Words at the axes of each panel, x and y, its logarithmic axes, and the ends of its axes that do
# not follow the data (None for those that do).
DISTANCE, HELD_OUT = "distance of the centres", "gap, held-out pairs"
LOSS, LAYER, ANSWERED = "loss above its minimum", "layer", "share of queries answered right"
AXES = {
    "plot_closing_the_gap": [
        (DISTANCE, ANSWERED, "", (-0.05, None), (0, 1.05)),
    ],
    "plot_diagnostics": [("", "", "", (-0.1, 1.1), (3.6, 0.4))],
    "plot_experiment_dimension": [("dimensions of the shared space", HELD_OUT, "x", (), (0, None))],
    "plot_experiment_initialisation": [("training step", HELD_OUT, "", (), (0, None))],
    "plot_experiment_same_modality": [
        ("training step", "gap, held-out items", "", (), (0, None)),
        ("training step", "training loss, full pass", "y", (), ()),
    ],
    "plot_experiment_temperature": [
        ("temperature", HELD_OUT, "x", (), (0, None)),
        ("temperature", "recall@1, held-out pairs", "x", (), (0, None)),
        ("temperature", "zero-shot accuracy", "x", (), ()),
    ],
    "plot_figure1": [
        *[("", words, "", (), ()) for words in ("", "(b) trained", "(c) untrained")],
        ("gap (distance of the centres)", "", "", (0, 1.6), (-0.7, None)),
    ],
    "plot_figure2a": [
        (words, "", "", (-0.7, 1), (-0.05, 3)) for words in ("", "cosine similarity")
    ],
    "plot_figure2b": [(LAYER, "mean cosine similarity", "", (), (-0.12, 1.16))],
    "plot_figure2c": [
        ("UMAP 1", "UMAP 2", "", (), ()),
        ("component", "singular value", "", (), (0, None)),
        ("PC 1", "PC 2 (12.3% of variance)", "", (), ()),
    ],
    "plot_figure3a": [("along the gap (11 pairs)", "across it", "", (), ())],
    "plot_figure3bcd": [(DISTANCE, words, "", (-2, 2), ()) for words in ("", LOSS)],
    "plot_figure3g": [("", "", "", (-99, 99), ())],
    "plot_follow_up_losses": [("gap", "recall@1, mean of both ways", "", (0, None), (0, None))],
    "plot_lemma3": [("cosine of u and v", "expected inner product", "", (), (-0.05, None))],
    "plot_mixed_gallery": [
        ("NDCG@10", "", "", (-0.03, 1.03), (5.5, -1.2)),
        ("share of the other modality", "NDCG@10", "", (0, 1), (-0.03, 1.12)),
    ],
    "plot_models": [(f"{DISTANCE} at which the loss is smallest", "", "", (), (-0.05, None))],
    "plot_own_loss": [(DISTANCE, LOSS, "", (), (0, None))],
    "plot_recall_under_shift": [
        (DISTANCE, words, "", (-2, 2), (0, 1.03)) for words in ("", "recall@1")
    ],
    "plot_supplementary15": [("gap without training", "", "", (0, None), (-0.6, 1.6))],
    "plot_supplementary4": [
        ("", words, "", (), ()) for words in ("", "(a) trained", "(b) untrained")
    ],
    "plot_table1": [(DISTANCE, words, "", (), ()) for words in ("ROC-AUC", "zero-shot accuracy")],
    "plot_theorem1": [
        ("number of units", words, "xy", (), (None, 3))
        for words in ("", "share of layers without a rise")
    ],
    "plot_theorem2": [(LAYER, "variance not due to the weights, %", "y", (), ())],
    "plot_training": [("share of the training steps", HELD_OUT, "", (), (0, None))],
}


def assert_axes(script, figure):
    """Axes are named as they should be, and show all points of all lines."""
    for ax in figure.axes:
        if not ax.axison or ax.name == "3d":
            continue
        named = (ax.get_xlabel(), ax.get_ylabel())
        begins = [one for one in AXES[script] if named[1] == one[1] and named[0].startswith(one[0])]
        assert begins, (script, named)
        _, _, logarithmic, *limits = max(begins, key=lambda one: len(one[0]))
        scales = {"x": ax.get_xscale(), "y": ax.get_yscale()}
        assert "".join(key for key, scale in scales.items() if scale == "log") == logarithmic
        shown = ax.get_xlim(), ax.get_ylim()
        for wanted, found in zip(limits, shown, strict=True):
            for want, end in zip(wanted, found, strict=False):
                assert want is None or end == pytest.approx(want), (script, named, found)
        for line in ax.lines:
            of_data = line.get_transform().contains_branch_seperately(ax.transData)
            for values, ends, follows in zip(line.get_data(), shown, of_data, strict=True):
                values = np.asarray(values, dtype=float)
                low, high = min(ends) - 1e-9, max(ends) + 1e-9
                assert not follows or ((values >= low) & (values <= high)).all(), (script, named)
        for text in ax.texts:
            if getattr(text, "xycoords", "") == "data":
                # Those that are moved apart may leave the axis by a little.
                for place, (low, high) in zip(text.xy, map(sorted, shown), strict=True):
                    margin = 0.1 * (high - low)
                    assert low - margin <= place <= high + margin, (script, text.get_text())


def assert_ticks(script, figure):
    """A number at an axis stands at its value."""
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis) if ax.axison and ax.name != "3d" else ():
            # Of panels that share an axis only the outer ones have labels.
            for place, label in zip(
                axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False
            ):
                number = label.get_text().replace("\N{MINUS SIGN}", "-").replace(",", "")
                if re.fullmatch("-?[0-9./]+", number):
                    assert float(Fraction(number)) == pytest.approx(place, abs=1e-9), script


STORED = Path(__file__).with_name("drawn.json")
WRITES = os.environ.get("MODALITY_GAP_WRITE_DRAWN") == "1"


@pytest.fixture(scope="module")
def stored():
    """By test what its figures show, one summary for each layout of each call of `draw`. Where
    MODALITY_GAP_WRITE_DRAWN is set, it is written from what this run of the whole file draws."""
    if not WRITES:
        yield json.loads(STORED.read_text(encoding="utf-8"))
        return
    assert "PYTEST_XDIST_WORKER" not in os.environ, "written by one process alone"
    yield (found := {})
    STORED.write_text(as_json(found), encoding="utf-8")


@pytest.fixture
def draw(root, tmp_path, monkeypatch, request, stored):
    """Run a drawing script on frames by the name of the rule's input; its axes, and the figure, for
    the wide layout; both files are checked, and what both layouts show is as it is stored."""
    real, figures, untouched, shown = style.save, {}, {}, []

    def save(draw, output):
        for kind in style.LAYOUTS:
            output[kind] = tmp_path / f"figure.{kind}.svg"
        output["pdf"] = tmp_path / "figure.pdf"
        real(draw, output)
        assert b"/Title (Mind the Gap, reproduced: figure" in output["pdf"].read_bytes()
        for kind, layout in style.LAYOUTS.items():
            assert_legible(output[kind], layout)
            figures[layout] = style.drawn(draw, layout)  # saving another has changed its layout
            figures[layout].draw_without_rendering()
            assert_inside(figures[layout])
            assert_apart(figures[layout])
            assert_marks(figures[layout])
            untouched[layout] = touching(figures[layout])
            assert not untouched[layout], kind

    monkeypatch.setattr(style, "save", save)
    monkeypatch.setattr(logs, "log_to", lambda _: None)
    # To embed whole fonts takes a third of the time; test_figure_files.py looks at that.
    monkeypatch.setitem(style.STYLE, "pdf.fonttype", 3)

    def written(name, table):
        if isinstance(table, list):
            return [written(f"{name}{number}", part) for number, part in enumerate(table)]
        if name in ("points", "umap", "svd"):
            table.to_parquet(tmp_path / name)
        else:
            table.to_csv(tmp_path / name, index=False)
        return tmp_path / name

    def run(script, params=None, **tables):
        snakemake = SimpleNamespace(
            input=Given({name: written(name, table) for name, table in tables.items()}),
            output=Given(svg="", narrow="", pdf=""),
            params=Given(params or {}),
            log=["log"],
        )
        runpy.run_path(str(script_path(root, script)), {"snakemake": snakemake})
        run.touching = dict(untouched)
        for figure in figures.values():
            assert_labels(script, figure)
            assert_ticks(script, figure)
        assert shown_by(figures[style.NARROW]) == shown_by(figures[style.WIDE]), script
        assert_axes(script, figures[style.WIDE])
        layouts = {"wide": style.WIDE, "narrow": style.NARROW}
        shown.append({name: summary(figures[layout]) for name, layout in layouts.items()})
        if not WRITES:
            about, known = f"{script}, figure {len(shown)}", stored.get(request.node.name, [])
            if len(known) < len(shown):
                pytest.fail(f"{about} of this test is not stored", pytrace=False)
            for name, entries in shown[-1].items():
                if differs := difference(known[len(shown) - 1][name], entries):
                    pytest.fail(f"{about}, {name}: {differs}", pytrace=False)
        return figures[style.WIDE].axes, figures[style.WIDE]

    failed = request.session.testsfailed
    yield run
    plt.close("all")
    if WRITES:
        stored[request.node.name] = shown
    elif request.session.testsfailed == failed:
        known = len(stored.get(request.node.name, []))
        assert len(shown) == known, f"{known} figures are stored, {len(shown)} are drawn"


def made(keys: dict, *names: str, ends: tuple[str, ...] = (), seed: int = 0, **constant):
    """A frame of all combinations of keys; columns of random numbers, none twice; those of `ends`
    with a _low and a _high about them."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(list(product(*keys.values())), columns=list(keys)).assign(**constant)
    for name in (*names, *ends):
        table[name] = rng.uniform(0.3, 0.6, len(table))
    for name in ends:
        table[f"{name}_low"] = table[name] - rng.uniform(0.01, 0.2, len(table))
        table[f"{name}_high"] = table[name] + rng.uniform(0.01, 0.2, len(table))
    return table


def in_reverse(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows from the largest value of a column to the smallest."""
    return table.sort_values(column, ascending=False, kind="stable")


def pick(table: pd.DataFrame, **values) -> pd.DataFrame:
    """The rows with these values."""
    return table[(table[list(values)] == pd.Series(values)).all(axis=1)]


def same_color(color, wanted) -> bool:
    return wanted is None or mcolors.to_hex(color) == mcolors.to_hex(wanted)


def lines(ax, x, y, color=None, dashes=None) -> list:
    """The lines of these points, as "-", "--" or ":" where a caption or the paper says so."""
    x, y = np.atleast_1d(np.asarray(x, dtype=float)), np.atleast_1d(np.asarray(y, dtype=float))
    return [
        line
        for line in ax.lines
        if np.shape(line.get_xdata()) == x.shape
        and np.allclose(np.asarray(line.get_xdata(), dtype=float), x)
        and np.allclose(np.asarray(line.get_ydata(), dtype=float), y)
        and same_color(line.get_color(), color)
        and dashes in (None, line.get_linestyle())
    ]


def has_bars(ax, at, low, high, along="y") -> bool:
    """Whether lines go from low to high (error bars, or such lines alone), at each place."""
    wanted = np.stack([np.stack([low, at], 1), np.stack([high, at], 1)], axis=1)
    wanted = wanted if along == "x" else wanted[..., ::-1]
    drawn = [
        np.array(part)
        for bars in ax.collections
        if isinstance(bars, LineCollection)
        for part in bars.get_segments()
    ]
    return all(
        any(np.allclose(part, one) for part in drawn if part.shape == one.shape) for one in wanted
    )


def has_band(ax, x, low, high, color=None) -> bool:
    """Whether the area between low and high is filled."""
    corners = {
        (round(a, 9), round(b, 9))
        for ends in (low, high)
        for a, b in zip(map(float, x), map(float, ends), strict=True)
    }
    return any(
        corners <= {tuple(np.round(corner, 9)) for corner in area.get_paths()[0].vertices}
        and same_color(area.get_facecolor()[0][:3], color)
        for area in ax.collections
        if isinstance(area, PolyCollection)
    )


def clouds(ax) -> dict[str, np.ndarray]:
    """By colour the ends (n, 2, 2) of the lines of one path; those of dots coincide."""
    return {
        mcolors.to_hex(patch.get_edgecolor()): patch.get_path().vertices.reshape(-1, 2, 2)
        for patch in ax.patches
        if type(patch) is PathPatch
    }


def diamonds(ax) -> list[tuple[float, float]]:
    """Where the hollow marks of published values are."""
    return [
        (float(x), float(y))
        for line in ax.lines
        if line.get_marker() in ("D", "s") and mcolors.to_hex(line.get_mfc()) == "#ffffff"
        for x, y in zip(
            np.atleast_1d(line.get_xdata()), np.atleast_1d(line.get_ydata()), strict=True
        )
    ]


def words(ax) -> str:
    return "\n".join([ax.get_title(loc="left"), *(text.get_text() for text in ax.texts)])


def title(ax) -> str:
    """The title of a panel without its letter."""
    return ax.get_title(loc="left").partition(") ")[2] or ax.get_title(loc="left")


MODALITIES = {"one": ["image", "text"], "two": ["image", "text"], "three": ["audio", "text"]}
SETS = {"one": ("M", "trained"), "two": ("M", "random"), "three": ("N", "trained")}
GAP_ENDS = ("gap", "mean_cosine_a", "mean_cosine_b", "recall1_ab", "recall1_ba")


def gaps(seed=3):
    """Rows of gap.csv; `one` retrieves well above chance, `three` does not."""
    table = made({"set": list(SETS)}, "separability", ends=GAP_ENDS, seed=seed)
    table["model"], table["weights"] = zip(*SETS.values(), strict=True)
    chance = [0.001, 0.001, 0.5]
    return table.assign(
        n=[11, 12, 13], recall1_chance=chance, recall1_ab_low=0.2, recall1_ba_low=0.3
    )


def points(kind, key="set", names=tuple(SETS), per_side=4):
    keys = {key: list(names), "side": ["a", "b"], "row": range(per_side)}
    return made(keys, f"{kind}_1", f"{kind}_2", seed=5).drop(columns="row")


@pytest.mark.parametrize(
    ("script", "kind"), [("plot_figure1", "umap"), ("plot_supplementary4", "svd")]
)
def test_sets_in_the_plane(draw, script, kind):
    table, cloud = gaps(), points(kind)
    params = {"papers": ["three"], "published": {"one": 0.77}, "modalities": MODALITIES}
    axes, figure = draw(script, params, gap=table, **{kind: cloud})
    panels = [ax for ax in axes if clouds(ax)]
    shown = ["three", "one", "two"]  # the paper's own first; trained above random
    assert [ax.get_title() for ax in panels] == ["N", "M", ""]
    for ax, name in zip(panels, shown, strict=True):
        part = cloud[cloud["set"] == name]
        sides = {side: rows.to_numpy()[:, 2:].astype(float) for side, rows in part.groupby("side")}
        found = clouds(ax)
        for side, color in (("a", IMAGE_COLOR), ("b", TEXT_COLOR)):
            np.testing.assert_allclose(found[color], np.stack([sides[side]] * 2, axis=1))
        (pairs,) = (ends for color, ends in found.items() if color not in (IMAGE_COLOR, TEXT_COLOR))
        np.testing.assert_allclose(pairs, np.stack([sides["a"], sides["b"]], axis=1))
    assert panels[1].get_position().y0 > panels[2].get_position().y0
    everything = " ".join(text.get_text() for text in figure.findobj(Text))
    assert "no random" in everything
    assert "images, audio" in everything and "texts" in everything and "videos" not in everything
    (legend,) = [one for part in (figure, *figure.subfigs) for one in part.legends]
    shown = {text.get_text(): line for text, line in
             zip(legend.get_texts(), legend.get_lines(), strict=True)}  # fmt: skip
    for name, color in (("images, audio", IMAGE_COLOR), ("texts", TEXT_COLOR)):
        assert shown[name].get_marker() == "o" and same_color(shown[name].get_color(), color)
    letters = "abc" if script == "plot_figure1" else "ab"
    assert all(f"({letter})" in everything for letter in letters)
    if script == "plot_supplementary4":
        assert "horizontal: first right singular vector; vertical: second" in everything
    if script == "plot_figure1":
        gap_of = table.set_index("set")["gap"]
        assert [ax.get_xlabel() for ax in panels] == [
            f"gap {gap_of[name]:.2f}" for name in ("three", "one", "two")
        ]
        (change,) = (ax for ax in axes if "gap (" in ax.get_xlabel())
        for name, place in (("one", 0), ("two", 0), ("three", 1.5)):
            row = table.set_index("set").loc[name]
            (dot,) = lines(change, row["gap"], place)
            assert (mcolors.to_hex(dot.get_mfc()) == "#ffffff") == (row["weights"] == "random")
            assert has_bars(change, [place], [row["gap_low"]], [row["gap_high"]], along="x")
        assert [text.get_text() for text in change.get_yticklabels()] == ["N", "M"]
        assert change.get_title(loc="left") == "Gap: untrained ○ → trained ●, paper ◇"
        assert diamonds(change) == [(0.77, 0.0)] + [
            one for one in diamonds(change) if one != (0.77, 0.0)
        ]
        assert f"{table['gap'].iloc[0]:.2f}" in words(change)


def test_large_sets_are_thinned(draw):
    cloud = points("umap", per_side=1100)
    params = {"papers": [], "published": {}, "modalities": MODALITIES}
    axes, _ = draw("plot_figure1", params, gap=gaps(), umap=cloud)
    for ax in axes:
        for ends in clouds(ax).values():
            assert len(ends) == 367  # every third


def test_figure2a(draw):
    encoders = ["vision transformer", "convolutional network"]
    keys = {"encoder": encoders, "weights": ["random", "trained"], "inputs": ["noise", "real"]}
    table = made(keys, "mean_cosine", "min_cosine").assign(n=range(40, 48))
    table["model"] = np.where(table["encoder"] == encoders[0], "Net A", "Net B")
    table.loc[table["weights"] == "random", "model"] = "not the one that is named"
    table = table[(table["weights"] == "random") | (table["inputs"] == "real")]
    bins = made({**keys, "cosine_low": [-1.0, -0.2, 0.6]}, "pairs", seed=1)
    bins["cosine_high"] = bins["cosine_low"] + np.where(bins["cosine_low"] < 0.5, 0.8, 0.4)
    bins["pairs"] = (1000 * bins["pairs"]).astype(int)
    params = {"axis": [-0.7, 1.0], "published": {"vision transformer, random, real": 0.11}}
    axes, _ = draw("plot_figure2a", params, table=table, histogram=bins)
    rows = [("trained", "real"), ("random", "real"), ("random", "noise")]
    for ax, encoder in zip(axes, keys["encoder"], strict=False):
        ridges = [patch for patch in ax.patches if isinstance(patch, StepPatch)]
        labels = [tick.get_text() for tick in ax.get_yticklabels()]
        for number, (weights, inputs) in enumerate(rows):
            chosen = pd.DataFrame([{"encoder": encoder, "weights": weights, "inputs": inputs}])
            part, row = bins.merge(chosen), table.merge(chosen).iloc[0]
            base = 2 - number
            values, edges, _ = ridges[2 * number].get_data()
            np.testing.assert_allclose(values - base, 0.85 * part["pairs"] / part["pairs"].max())
            np.testing.assert_allclose(edges, [-1.0, -0.2, 0.6, 1.0])
            assert lines(ax, [row["mean_cosine"]] * 2, [base, base + 0.85], INK, "--")
            assert f"mean {row['mean_cosine']:.3f}, n {row['n']}" in labels[number]
            assert labels[number].startswith(weights)
            assert ("noise" in labels[number]) == (inputs == "noise")
            paper = params["published"].get(f"{encoder}, {weights}, {inputs}")
            assert ("◇ paper's CLIP ViT-B/32 0.110" in labels[number]) == (paper is not None)
        assert ax.get_xlim() == (-0.7, 1.0)
        assert title(ax) == f"{encoder}: Net {'AB'[encoders.index(encoder)]}"
        assert diamonds(ax) == ([(0.11, 1.12)] if encoder == encoders[0] else [])


def test_figure2b(draw):
    names = {"relu": "ReLU", "leaky_relu": "leaky ReLU", "linear": "linear", "sigmoid": "sigmoid"}
    names |= {"tanh": "tanh"}
    keys = {"activation": list(names), "bias": [False, True], "layer": range(7)}
    table = made(keys, ends=("mean_cosine",))
    closed = made({"bias": [False, True], "layer": range(7)}, "mean_cosine", seed=9)
    params = {"published": {"2": 0.99}}
    axes, _ = draw("plot_figure2b", params, table=table, closed_form=closed)
    for ax, bias in zip(axes, (True, False), strict=True):
        assert ("no bias" in title(ax)) != bias
        marks, widths = set(), {}
        for activation, label in names.items():
            part = table[(table["bias"] == bias) & (table["activation"] == activation)]
            (line,) = lines(ax, part["layer"], part["mean_cosine"])
            band = part["mean_cosine_low"], part["mean_cosine_high"]
            assert has_band(ax, part["layer"], *band, line.get_color())
            (text,) = (text for text in ax.texts if text.get_text().startswith(label + " "))
            assert text.get_text() == f"{label} {part['mean_cosine'].iloc[-1]:.2f}"
            assert same_color(text.get_color(), line.get_color())
            marks.add(line.get_marker())
            # One lies on the other, which is to be seen below it.
            widths[activation] = line.get_linewidth(), line.get_zorder(), line.get_markersize()
        assert len(marks) == 5
        assert widths["leaky_relu"][0] < widths["relu"][0] and not widths["leaky_relu"][2]
        assert widths["leaky_relu"][1] > widths["relu"][1]
        part = closed[closed["bias"] == bias]
        assert lines(ax, part["layer"], part["mean_cosine"], INK)
        assert "closed form" in words(ax)
        assert [*ax.get_xticks()] == [0, 5] and len(ax.get_yticks()) == 6
        assert diamonds(ax) == ([(2.0, 0.99)] if bias else [])
        assert ("paper 0.99" in words(ax)) == bias


@pytest.mark.parametrize("kind", ["umap", "pc"])
def test_figure2c(draw, kind):
    cloud = made(
        {"encoder": ["e", "f"], "seed": range(3), "row": range(2)}, f"{kind}_1", f"{kind}_2", seed=2
    ).drop(columns="row")
    if kind == "pc":
        cloud = cloud.assign(share_1=np.where(cloud["encoder"] == "e", 0.4, 0.5), share_2=0.123)
    spectrum = made({"encoder": ["e", "f"], "component": range(1, 7)}, "singular_value")
    spectrum = spectrum.assign(
        initialisations=3, items=2, between_share=np.where(spectrum["encoder"] == "e", 0.71, 0.82)
    )
    params = {"spectra": kind == "umap", "published": {"f": 7.77}}
    axes, _ = draw("plot_figure2c", params, points=cloud, spectrum=spectrum)
    assert len(axes) == (4 if kind == "umap" else 2)
    for column, encoder in enumerate("ef"):
        above = axes[column]
        part = cloud[cloud["encoder"] == encoder]
        (dots,) = clouds(above).values()
        np.testing.assert_allclose(dots[:, 0], part.iloc[:, 2:4])
        for seed, own in part.groupby("seed"):
            (text,) = (text for text in above.texts if text.get_text() == str(seed))
            np.testing.assert_allclose(text.xy, own.iloc[:, 2:4].median())
        assert title(above) == encoder
        assert above.get_xlabel().endswith("\n3 seeds × 2 items")
        if kind == "pc":
            assert above.get_xlabel().startswith(f"PC 1 ({40 + 10 * column}.0% of variance)")
            assert above.get_ylabel() == "PC 2 (12.3% of variance)"
            continue
        below = axes[2 + column]
        values = spectrum.loc[spectrum["encoder"] == encoder, "singular_value"].to_numpy()
        # Three cones lie apart in two components.
        assert lines(below, [1, 2], values[:2], PALETTE[0])
        assert lines(below, [3, 4, 5, 6], values[2:], MUTED)
        assert lines(below, [2.5, 2.5], [0, 1], INK, "--")
        assert f"drop ×{values[1] / values[2]:.1f}" in words(below)
        assert ("(paper ×7.8)" in words(below)) == (encoder == "f")
        assert f"{71 + 11 * column}%" in words(below)


def test_figure3a(draw):
    cloud = made(
        {"set": ["one", "three"], "side": ["a", "b"], "row": range(4)}, "along_gap", "across_gap"
    )
    deltas = [-0.4, 0.0, 0.25, 0.5]
    keys = {"set": ["one", "three"], "side": ["a", "b"], "delta": deltas}
    path = made(keys, "along_gap", "across_gap", seed=8)
    params = {"papers": [], "modalities": MODALITIES | {"one": ["video", "text"]}}
    axes, figure = draw("plot_figure3a", params, points=cloud.drop(columns="row"),
                        shifts=path, gap=gaps())  # fmt: skip
    (ax,) = axes  # `three` is at chance
    assert title(ax) == "M"
    assert "11 pairs" in ax.get_xlabel()
    assert ax.get_aspect() == 1
    for side, color in (("a", IMAGE_COLOR), ("b", TEXT_COLOR)):
        part = pick(cloud, set="one", side=side)
        np.testing.assert_allclose(clouds(ax)[color][:, 0], part[["along_gap", "across_gap"]])
        own = pick(path, set="one", side=side)
        assert lines(ax, own["along_gap"], own["across_gap"], INK)
        (dot,) = lines(ax, own["along_gap"].iloc[1], own["across_gap"].iloc[1])  # delta 0
        assert dot.get_markerfacecolor() == color
    # The gap is about .5, so that half of it is nearest to .25: inwards from the dot at 0.
    half, start = (pick(path, set="one", delta=delta) for delta in (0.25, 0.0))
    arrows = [text for text in ax.texts if text.arrow_patch]
    np.testing.assert_allclose([one.xy for one in arrows], half[["along_gap", "across_gap"]])
    np.testing.assert_allclose(
        [one.get_position() for one in arrows], start[["along_gap", "across_gap"]]
    )
    # Of what is shown: `three`, which has sounds, is not.
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"videos", "texts"}


def test_bars_of_intervals_have_contrast_on_both_grounds():
    for color, ground in product([*PALETTE, *RAMP, INK], (GROUND, DARK[GROUND])):
        shown = color if ground == GROUND else DARK[color]
        parts = zip(mcolors.to_rgb(shown), mcolors.to_rgb(ground), strict=True)
        mixed = mcolors.to_hex([style.BAR * a + (1 - style.BAR) * b for a, b in parts])
        assert contrast(mixed, ground) >= 3, color


@pytest.mark.parametrize("seed", range(3))
def test_labels_apart_do_not_touch(seed):
    points = np.random.default_rng(seed).uniform(0, 120, (20, 2))
    places = points + style.apart(points, np.array([16, 13]))
    for number, place in enumerate(places):
        away = np.abs(np.delete(places, number, axis=0) - place)
        assert (away >= [16, 13]).any(axis=1).all()
    assert style.apart(np.array([[0.0, 0.0]]), np.array([16, 13])) == [(0.0, 8.0)]


def landscape():
    """Loss by distance with the smallest inside the sweep."""
    keys = {"set": list(SETS), "temperature": [1.0, 0.01], "delta": [-1.0, 0.0, 1.0]}
    table = made(keys, "loss", "loss_as_released", "distance_one_side")
    table["distance"] = np.tile([1.5, 0.4, -1.2], len(table) // 3)
    table.loc[table["delta"] == 0, "loss"] -= 0.3
    return table


PUBLISHED = {"least": 0.1, "hump_distance": -0.9, "hump_loss": 0.3, "back_distance": -1.7}
PUBLISHED |= {"1/50": 0.61, "1": 0.07}


def fine_minimum(curves):
    """The minimum of each curve as a finer sweep finds it: beside the coarse one, and lower."""
    lowest = curves.loc[curves.groupby(["set", "temperature"])["loss"].idxmin()]
    return lowest.assign(
        distance=lowest["distance"] + 0.13, loss=lowest["loss"] - 0.05, at_end=False
    )


def test_figure3bcd(draw):
    table, gap = landscape().sample(frac=1, random_state=0), gaps()
    minimum = fine_minimum(table)
    minimum["at_end"] = (minimum["set"] == "one") & (minimum["temperature"] == 0.01)
    params = {"papers": [], "marked": "one", "published": {**PUBLISHED, "back_loss": 0.2}}
    (ax,), _ = draw("plot_figure3bcd", params, landscape=table, minimum=minimum, gap=gap)
    assert title(ax) == "M"  # `three` is at chance
    for temperature, color, label in ((0.01, RAMP[0], "1/100 (b)"), (1.0, RAMP[1], "1 (d)")):
        part = pick(table, set="one", temperature=temperature).sort_values("delta")
        least = pick(minimum, set="one", temperature=temperature).iloc[0]
        assert lines(ax, part["distance"], part["loss"] - least["loss"], color)
        marks = lines(ax, least["distance"], 0, color)
        # None at an end of the sweep, and none on the coarse one.
        assert [mark.get_marker() for mark in marks] == ([] if least["at_end"] else ["v"])
        assert not lines(ax, part["distance"].iloc[1], 0.05, color)
        (text,) = (text for text in ax.texts if text.get_text() == label)
        assert same_color(text.get_color(), color)
    own = gap["gap"].iloc[0]
    assert lines(ax, [own, own], [0, 1], INK, ":")
    assert f"gap {own:.2f}" in words(ax)
    hump, back, *minima = diamonds(ax)
    assert (hump, back) == ((-0.9, pytest.approx(0.2)), (-1.7, pytest.approx(0.1)))
    assert [distance for distance, _ in minima] == [0.61, 0.07]
    assert all(ax.get_ylim()[0] < height < 0 for _, height in minima)  # below the curves
    assert "◇ paper's values" in words(ax).split("\n")


def test_models_at_chance_are_shown_where_there_is_no_other(draw):
    table, gap = landscape(), gaps().assign(recall1_chance=0.5)
    params = {"papers": ["three"], "marked": "two", "published": PUBLISHED}
    tables = {"landscape": table, "minimum": fine_minimum(table), "gap": gap}
    axes, _ = draw("plot_figure3bcd", params, **tables)
    assert [title(ax) for ax in axes] == ["N", "M"]
    assert axes[0].get_ylim() == axes[1].get_ylim()
    assert [diamonds(ax) for ax in axes] == [[], []]  # the paper's are of another set


def test_figure3g(draw):
    keys = {"spacing_deg": [20, 15], "mismatched": [False, True], "temperature": [0.01, 1.0]}
    table = made({**keys, "delta_theta_deg": [-90, -10, 0, 30, 90]}, "loss")
    axes, figure = draw("plot_figure3g", table=table.sample(frac=1, random_state=0))
    assert axes[0].name == "3d"  # Figure 3(e)
    spacings = list(dict.fromkeys(table.sample(frac=1, random_state=0)["spacing_deg"]))
    for ax, (spacing, temperature) in zip(axes[1:], product(spacings, [1.0, 0.01]), strict=True):
        for mismatched, color, dashes in ((True, PALETTE[1], "-"), (False, PALETTE[0], "--")):
            part = pick(table, spacing_deg=spacing, mismatched=mismatched, temperature=temperature)
            assert lines(ax, part["delta_theta_deg"], part["loss"], color, dashes)
            lowest = part.loc[part["loss"].idxmin()]
            assert lines(ax, lowest["delta_theta_deg"], lowest["loss"], color)
            texts = [text.get_text() for text in ax.texts if same_color(text.get_color(), color)]
            assert f"{lowest['delta_theta_deg']:.0f}°".replace("-", "\N{MINUS SIGN}") in texts
        assert title(ax) == ("temperature 1" if temperature == 1 else "temperature 1/100")
    named = " ".join(text.get_text() for text in figure.findobj(Text))
    assert {spacings[0], spacings[1]} == {15, 20}
    assert "(g) points 20° apart, as in the paper's Figure 3(g)" in named
    assert "(g) points 15° apart, as in the paper's Appendix A" in named
    assert "Δθ between images and texts (degrees)" in named and "symmetric loss" in named
    assert "two pairs exchanged" in words(axes[1]) and "all matched" in words(axes[1])


def test_labels_of_minima_do_not_touch(draw):
    """Figures 3(g), 3(b-d) and "All models" with minima as a run has them."""
    sphere = [
        (spacing, mismatched, temperature, angle)
        for spacing in (20, 15)
        for mismatched in (False, True)
        for temperature in (1.0, 0.2, 1 / 35, 0.02, 0.01)
        for angle in range(-90, 91)
    ]
    table = pd.DataFrame(
        sphere, columns=["spacing_deg", "mismatched", "temperature", "delta_theta_deg"]
    )
    table["loss"] = sphere_loss(table)
    draw("plot_figure3g", table=table)
    assert draw.touching == {layout: [] for layout in SMALLEST}

    names, temperatures = ("one", "two", "three"), (1.0, 0.1, 0.05, 1 / 30, 0.02, 0.01)
    places = {
        "one": (0.02, 0.21, 0.41, 0.57, 0.73, 0.86),
        "two": (0.09, 0.29, 0.49, 0.61, 0.75, 0.88),
        "three": (0.02, 0.09, 0.29, 0.53, 1.38, 1.75),
    }
    minimum = pd.DataFrame(
        {"set": name, "temperature": temperature, "distance": place, "at_end": False}
        | {"distance_low": place - 0.03, "distance_high": place + 0.03}
        for name in names
        for temperature, place in zip(temperatures, places[name], strict=True)
    )
    gap = gaps().assign(weights="trained", model=["CLIP", "VideoCLIP", "CLIP + MiniLM"])
    gap = gap.assign(gap=[0.85, 1.07, 0.52], recall1_chance=0.001)
    params = {"papers": ["one", "two"], "marked": "one", "published": {"1/50": 0.6, "1": 0.08}}
    draw("plot_models", params, gap=gap, minimum=minimum)
    assert draw.touching == {layout: [] for layout in SMALLEST}

    table = pd.DataFrame(
        {"set": name, "temperature": temperature, "delta": -distance, "distance": distance}
        | {"loss": (distance - place) ** 2 * height, "loss_as_released": 0.0}
        for name in names
        for temperature, place, height in zip(
            temperatures, places[name], (0.03, 0.5, 0.9, 1.1, 1.15, 1.05), strict=True
        )
        for distance in np.linspace(1.9, -1.8, 30)
    )
    params = {"papers": ["one", "two"], "marked": None, "published": {}}
    draw("plot_figure3bcd", params, landscape=table, minimum=fine_minimum(table), gap=gap)
    assert draw.touching == {layout: [] for layout in SMALLEST}


def sphere_loss(table):
    """A loss with the minima that the simulation has: at 0, or where two pairs are exchanged."""
    at = {0.2: 0, 1 / 35: 53, 0.02: 65, 0.01: 78}
    apart = table["temperature"].map(at).fillna(0) * table["mismatched"]
    steep = (table["delta_theta_deg"].abs() - apart) ** 2
    hump = table["temperature"].map({0.01: 2.0}).fillna(0.6)
    return 0.8 * table["mismatched"] + hump * steep / np.maximum(apart, 60) ** 2


def test_lemma3(draw):
    keys = {"norm_ratio": [1.0, 0.5], "cosine": [-1.0, 0.0, 1.0]}
    names = ("product", "rectified")
    table = made(keys, *[f"{name}_closed_form" for name in names], ends=names)
    (ax,), _ = draw("plot_lemma3", table=table.iloc[::-1])
    part = table[table["norm_ratio"] == 0.5]
    assert title(ax) == "|u| = 1, |v| = 0.5"
    for name, color in zip(names, PALETTE, strict=False):
        assert lines(ax, part["cosine"], part[f"{name}_closed_form"], color)
        assert lines(ax, part["cosine"], part[name], color)
        assert has_bars(ax, part["cosine"], part[f"{name}_low"], part[f"{name}_high"])
    assert_lines_differ(ax)
    assert "1 + u·v" in words(ax) and "arc-cosine kernel" in words(ax)


def test_theorem2(draw):
    keys = {"width": [8, 16, 32], "layer": [1, 2, 3]}
    closed = [f"{name}_closed_form" for name in ("ratio", "beta", "tighter_bound")]
    table = made(keys, "tighter_bound", *closed, ends=("ratio", "beta"))
    (ax,), _ = draw("plot_theorem2", table=table.iloc[::-1])
    part = table[table["width"] == 16]
    assert title(ax) == "width 16"
    assert_lines_differ(ax)
    labels = {"ratio": "measured", "tighter_bound": "bound in the proof", "beta": "bound 1 − β"}
    for (name, label), color in zip(labels.items(), PALETTE, strict=False):
        assert lines(ax, part["layer"], 100 * (1 - part[f"{name}_closed_form"]), color)
        assert lines(ax, part["layer"], 100 * (1 - part[name]), color)
        if name != "tighter_bound":
            ends = (100 * (1 - part[f"{name}_{end}"]) for end in ("high", "low"))
            assert has_bars(ax, part["layer"], *ends)
        (text,) = (text for text in ax.texts if text.get_text().startswith(label))
        assert text.get_text() == f"{label} {1 - part[name].iloc[-1]:.2%}"
        assert same_color(text.get_color(), color)


def test_theorem1(draw):
    keys = {"cosine": [0.25, 0.9], "norm_ratio": [0.5, 1.0], "norm": [1.0, 4.0]}
    table = made({**keys, "d_out": [4, 16, 64]}, "bound", ends=("violation_share",))
    table["violations"] = np.where(table["d_out"] == 64, 0, 50)
    # The theorem says nothing of the last cases, which are not drawn.
    beside = made({**keys, "cosine": [0.99], "d_out": [4, 16]}, "bound", ends=("violation_share",))
    beside = beside.assign(covered=False, violations=50)
    whole = pd.concat([table.assign(covered=True), beside])
    axes, _ = draw("plot_theorem1", table=in_reverse(whole, "d_out"))
    assert draw.touching == {layout: [] for layout in SMALLEST}
    part = table[table["norm_ratio"] == 0.5]
    assert [ax.get_title(loc="left") for ax in axes] == [
        "(a) |u| = 1, |v| = 0.5",
        "(b) |u| = 4, |v| = 2",
    ]
    for ax, norm in zip(axes, (1.0, 4.0), strict=True):
        labels = [text.get_text() for text in ax.texts]
        assert "dotted: bound of each" in labels
        for cosine, color in ((0.25, RAMP[-1]), (0.9, RAMP[-2])):
            its = pick(part, cosine=cosine, norm=norm)
            seen = its.iloc[:2]  # where no layer failed a logarithm has no place
            assert lines(ax, seen["d_out"], seen["violation_share"], color)
            ends = seen["violation_share_low"], seen["violation_share_high"]
            assert has_bars(ax, seen["d_out"], *ends)
            (bound,) = lines(ax, its["d_out"], its["bound"], color)
            assert bound.get_linestyle() == "--"  # any dashes, of which it has its own
            (text,) = (text for text in ax.texts if text.get_text().endswith(f"{cosine:g}"))
            assert same_color(text.get_color(), color)
        dashes = {str(line._dash_pattern) for line in ax.lines if len(line.get_xdata()) > 1}
        assert len(dashes) == 3  # of both curves and of the bounds


def test_cosines_of_theorem1_are_named_where_their_curves_end(draw):
    keys = {"norm": [1.0], "cosine": [0.1, 0.5, 0.9], "norm_ratio": [1.0], "d_out": [4, 16]}
    table = made(keys, "bound", ends=("violation_share",)).assign(covered=True, violations=50)
    ends = {"0.1": 16, "0.5": 4, "0.9": 16}  # one ends before the others
    table.loc[(table["cosine"] == 0.5) & (table["d_out"] == 16), "violations"] = 0
    (ax, *_), _ = draw("plot_theorem1", table=table)
    shares = {
        name: pick(table, cosine=float(name), d_out=end)["violation_share"].item()
        for name, end in ends.items()
    }
    told = {text.get_text(): text for text in ax.texts if "dotted" not in text.get_text()}
    highest = max(("0.1", "0.9"), key=shares.__getitem__)
    assert told.keys() == {name if name != highest else f"cosine {name}" for name in ends}
    for words, text in told.items():
        name = words.removeprefix("cosine ")
        assert text.xy[0] == ends[name]
        assert text.get_ha() == ("right" if name == "0.5" else "left")
        if name in (highest, "0.5"):
            assert text.xy[1] >= shares[name] * (1 - 1e-9)
    # Names at one end are moved apart, by 13 of the about 55 pixels of a factor of ten.
    first, second = sorted(text.xy[1] for text in told.values() if text.xy[0] == 16)
    assert second / first >= 10 ** (13 / 55) * (1 - 1e-9)


def test_theorem1_where_no_layer_failed(draw):
    keys = {"cosine": [0.25], "norm_ratio": [1.0], "norm": [1.0, 4.0], "d_out": [4, 16]}
    table = made(keys, "bound", ends=("violation_share",)).assign(covered=True)
    table["violations"] = np.where(table["norm"] == 4, 0, 50)
    axes, _ = draw("plot_theorem1", table=table)
    part = pick(table, norm=4.0)
    assert lines(axes[1], part["d_out"], part["bound"])
    assert not lines(axes[1], part["d_out"], part["violation_share"])
    assert [text.get_text() for text in axes[1].texts] == ["dotted: bound of each"]


def test_models(draw):
    gap = gaps()
    minimum = made({"set": list(SETS), "temperature": [1.0, 0.01]}, ends=("distance",), seed=4)
    minimum["at_end"] = False
    params = {"papers": [], "marked": "one", "published": {"1/50": 0.61, "1": 0.07}}
    (ax,), _ = draw("plot_models", params, gap=gap, minimum=minimum)
    assert diamonds(ax) == [(0.07, 0.42)]  # nothing is drawn at 1/50
    (zero,) = lines(ax, [0, 0], [0, 1])
    assert zero.get_zorder() < min(line.get_zorder() for line in ax.lines if line is not zero)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["M"]  # the others did not learn
    for temperature, color, place, label in (
        (0.01, RAMP[0], 0.84, "1/100"),
        (1.0, RAMP[1], 0.42, "1"),
    ):
        row = pick(minimum, set="one", temperature=temperature).iloc[0]
        assert lines(ax, row["distance"], place, color)
        assert lines(ax, [row["distance_low"], row["distance_high"]], [place] * 2, color)
        (text,) = (text for text in ax.texts if text.get_text() == label)
        assert same_color(text.get_color(), color)
    own = gap["gap"].iloc[0]
    assert lines(ax, [own] * 2, [0.05, 1], INK)
    assert f"gap {own:.2f}" in words(ax)


def test_the_end_of_a_sweep_has_no_mark(draw):
    minimum = made({"set": ["one"], "temperature": [1.0, 0.01]}, ends=("distance",), seed=4)
    minimum["at_end"] = minimum["temperature"] == 1
    params = {"papers": [], "marked": "two", "published": {"1/100": 0.5}}
    (ax,), _ = draw("plot_models", params, gap=gaps(), minimum=minimum)
    assert diamonds(ax) == []  # the paper's are of another set
    assert [text.get_text() for text in ax.texts][:-1] == ["1/100"]


def test_recall_under_shift(draw):
    curve = made({"set": ["one", "three"], "delta": [-1.0, 0.0, 1.0]}, "distance",
                 ends=("recall1_ab", "recall1_ba"))  # fmt: skip
    peak = made(
        {"set": ["one", "three"], "direction": ["ab", "ba"]}, "best_distance", "recall_best"
    )
    peak["best_at_end"] = peak["direction"] == "ba"
    peak["n"] = [31, 1042, 33, 34]  # an item of several pairs is one query
    params = {"papers": [], "modalities": {**MODALITIES, "one": ["audio", "text"]}}
    (ax, other), _ = draw("plot_recall_under_shift", params, curve=curve, peak=peak, gap=gaps())
    assert [title(one) for one in (ax, other)] == ["M", "N (near chance)"]
    assert draw.touching == {layout: [] for layout in SMALLEST}
    assert ax.get_ylim() == (0, 1.03)  # of every panel
    part = curve[curve["set"] == "one"].sort_values("distance")
    own = gaps()["gap"].iloc[0]
    assert lines(ax, [own, own], [0, 1], INK, ":")
    for direction, color, dashes, label in (
        ("ab", PALETTE[0], "-", "audio → text, n 31"),
        ("ba", PALETTE[1], "--", "text → audio, n 1,042"),
    ):
        column = f"recall1_{direction}"
        assert lines(ax, part["distance"], part[column], color, dashes)
        ends = part[f"{column}_low"], part[f"{column}_high"]
        assert has_band(ax, part["distance"], *ends, color)
        assert all(lines(ax, part["distance"], end, color) for end in ends)
        row = pick(peak, set="one", direction=direction).iloc[0]
        found = lines(ax, row["best_distance"], row["recall_best"], color)
        assert bool(found) == (direction == "ab")
        row = pick(peak, set="three", direction=direction).iloc[0]
        assert not lines(other, row["best_distance"], row["recall_best"])  # noise, near chance
        assert label in words(ax).split("\n")


@pytest.fixture
def figures(monkeypatch):
    """The figures that scripts draw, in their order; none is compared with a stored one."""
    figures = []
    monkeypatch.setattr(logs, "log_to", lambda _: None)
    monkeypatch.setattr(
        style, "save", lambda draw, _: figures.append(style.drawn(draw, style.WIDE))
    )
    yield figures
    plt.close("all")


def test_models_near_chance_come_last(root, tmp_path, figures):
    """In the order of the others, and whatever the order of their gaps; where a panel says so, even
    after others if they are the paper's own."""
    names = ["one", "three"]
    tables = {
        "gap": gaps().iloc[::-1],
        "curve": made({"set": names, "delta": [-1.0, 0.0]}, "distance",
                      ends=("recall1_ab", "recall1_ba")),
        "peak": made({"set": names, "direction": ["ab", "ba"]}, "n").assign(best_at_end=True),
    }  # fmt: skip
    for name, table in tables.items():
        table.to_csv(tmp_path / name)
    for name in ("umap", "svd"):
        points(name).to_parquet(tmp_path / name)
    given = Given({name: tmp_path / name for name in (*tables, "umap", "svd")})
    for script, papers in (
        ("plot_figure1", []),
        ("plot_supplementary4", []),
        ("plot_recall_under_shift", ["three"]),
    ):
        params = Given({"papers": papers, "modalities": MODALITIES, "published": {}})
        about = {"input": given, "output": Given(), "params": params}
        runpy.run_path(str(script_path(root, script)), {"snakemake": SimpleNamespace(**about)})
    *sets, recall = figures
    for figure in sets:
        found = [ax.get_title() for ax in figure.findobj(Axes) if clouds(ax)]
        assert [one for one in found if one] == ["M", "N"]
    assert [title(ax) for ax in recall.axes if ax.axison] == ["M", "N (near chance)"]


def test_the_papers_own_models_come_first(root, tmp_path, figures):
    """In every figure with a panel or a row per model."""
    names, plane = ["one", "three"], ("along_gap", "across_gap")
    sides = {"set": names, "side": ["a", "b"]}
    tables = {
        "gap": gaps().assign(recall1_chance=0.001),
        "shifts": made(sides | {"delta": [-0.4, 0.0, 0.25]}, *plane, seed=8),
        "curve": made({"set": names, "delta": [-1.0, 0.0]}, "distance",
                      ends=("recall1_ab", "recall1_ba")),
        "peak": made({"set": names, "direction": ["ab", "ba"]}, "n").assign(best_at_end=True),
        "minimum": made({"set": names, "temperature": [1.0]}, ends=("distance",)),
    }  # fmt: skip
    tables["minimum"]["at_end"] = False
    for name, table in tables.items():
        table.to_csv(tmp_path / name)
    made(sides | {"row": range(4)}, *plane).to_parquet(tmp_path / "points")
    params = {"papers": ["three"], "modalities": MODALITIES, "marked": None, "published": {}}
    for script in ("plot_figure3a", "plot_recall_under_shift", "plot_models"):
        given = Given({name: tmp_path / name for name in (*tables, "points")})
        about = {"input": given, "output": Given(), "params": Given(params)}
        runpy.run_path(str(script_path(root, script)), {"snakemake": SimpleNamespace(**about)})
    *panels, rows = figures
    for figure in panels:
        assert [title(ax) for ax in figure.axes if ax.axison] == ["N", "M"]
    (ax,) = rows.axes
    ticks = dict(zip(ax.get_yticks(), ax.get_yticklabels(), strict=True))
    assert [ticks[place].get_text() for place in sorted(ticks, reverse=True)] == ["N", "M"]


@pytest.mark.parametrize(("high", "low", "top"), [(0.95, 0.5, False), (0.6, 0.2, True)])
def test_words_are_where_no_band_is(draw, high, low, top):
    """Those of recall under a shift are above all bands, or below them."""
    curve = made({"set": ["one"], "delta": [-1.0, 0.0, 1.0]}, ends=("recall1_ab", "recall1_ba"))
    curve = curve.assign(distance=[-1.9, 0.0, 1.5], n=7)
    for column, value in (("ab", high), ("ba", low)):
        curve[f"recall1_{column}"] = value - 0.02
        curve[f"recall1_{column}_low"], curve[f"recall1_{column}_high"] = value - 0.04, value
        # To the right, where no words are, the bands are at the other end.
        ends = [f"recall1_{column}{end}" for end in ("", "_low", "_high")]
        beyond = (0.95, 0.93, 0.97) if top else (0.3, 0.28, 0.32)
        curve.loc[curve["distance"] > 0, ends] = beyond
    peak = made({"set": ["one"], "direction": ["ab", "ba"]}, "best_distance", "recall_best")
    params = {"papers": [], "modalities": MODALITIES}
    peak = peak.assign(best_at_end=False, n=7)
    (ax,), _ = draw("plot_recall_under_shift", params, curve=curve, peak=peak, gap=gaps())
    boxes = [words_of(text) for text in ax.texts if "→" in text.get_text()]
    edges = ax.transData.transform([(0, low - 0.04), (0, high)])[:, 1]
    assert len(boxes) == 2
    assert all(box.y0 > edges[1] if top else box.y1 < edges[0] for box in boxes)


def test_closing_the_gap(draw):
    gap = gaps().assign(recall_items_a=20, recall_items_b=4, clusters=4)
    curve = made({"set": ["one", "three"], "delta": [-1.0, 0.0, 1.0, 2.0]}, ends=("recall1_ab",))
    curve["distance"] = [0.9, 0.5, 0.07, -0.02] * 2  # the centres are never nearer than .02
    peak = made({"set": ["one"], "direction": ["ab", "ba"]}, ends=("recall_at_gap",), seed=1)
    peak = peak.assign(gap=0.5, closed_distance=-0.02, recall_closed=[0.31, 0.32])
    tables = {"curve": curve, "peak": peak, "gap": gap}
    (ax,), _ = draw("plot_closing_the_gap", {"published": ["one", "three"]}, **tables)
    # From the closed gap to a little beyond the model's own; nothing of a model at chance.
    part = pick(curve, set="one").assign(distance=[0.9, 0.5, 0.07, 0.02]).iloc[:0:-1]
    assert lines(ax, part["distance"], part["recall1_ab"], PALETTE[0], "-")  # zero-shot accuracy
    assert has_band(
        ax, part["distance"], part["recall1_ab_low"], part["recall1_ab_high"], PALETTE[0]
    )
    (own,) = lines(ax, 0.5, peak["recall_at_gap"][0], PALETTE[0])
    (closed,) = lines(ax, 0.02, 0.31, PALETTE[0])
    row = peak.iloc[0]
    assert has_bars(ax, [0.5], [row["recall_at_gap_low"]], [row["recall_at_gap_high"]])
    assert same_color(own.get_markerfacecolor(), PALETTE[0])
    assert same_color(closed.get_markerfacecolor(), "#ffffff")
    assert lines(ax, [0, 0], [0, 1])  # where a gap is closed
    # With it a curve, the edges of its band and two marks, which the title explains.
    assert len(ax.lines) == 6
    assert [text.get_text().split() for text in ax.texts] == [["M,", "zero-shot", "accuracy"]]
    assert ax.get_title(loc="left") == "○ gap closed   ● the model's own gap"
    assert [*ax.get_xticks()] == [0, 0.25, 0.5]
    _, figure = draw("plot_closing_the_gap", {"published": []}, **tables)
    assert [text.get_text() for text in figure.texts] == [
        "No published model takes part in this run."
    ]


def test_models_whose_gap_is_closed_keep_their_own_curves(draw):
    """In the order in which the models are given, which is not that of their names."""
    names = ["two", "one"]
    gap = (
        gaps()
        .iloc[[1, 0, 2]]
        .assign(weights="trained", model=["Second", "First", "N"], recall1_chance=0.001)
    )
    gap = gap.assign(recall_items_a=20, recall_items_b=20, clusters=20)
    curve = made({"set": ["one", "two"], "delta": [-1.0, 0.0, 1.0]}, ends=("recall1_ab",))
    curve["distance"] = [0.9, 0.5, 0.0] * 2
    curve["recall1_ab"] += curve["set"].eq("two") * 0.3
    keys = {"set": ["one", "two"], "direction": ["ab", "ba"]}
    peak = made(keys, "recall_closed", ends=("recall_at_gap",), seed=1)
    peak = peak.assign(gap=[0.5, 0.5, 0.4, 0.4], closed_distance=0.0)
    tables = {"curve": curve, "peak": peak, "gap": gap}
    (ax,), _ = draw("plot_closing_the_gap", {"published": names}, **tables)
    told = {text.get_text().replace("\n", " ").split(",")[0]: text for text in ax.texts}
    ends = []
    for name, model in (("one", "First"), ("two", "Second")):
        color = told[model].get_color()
        part = pick(curve, set=name).iloc[:0:-1]
        assert lines(ax, part["distance"], part["recall1_ab"], color)
        row = pick(peak, set=name, direction="ab")
        assert lines(ax, row["gap"], row["recall_at_gap"], color)
        assert lines(ax, 0, row["recall_closed"], color)
        ends.append((told[model].xy[1], part["recall1_ab"].iloc[-1]))
    assert (ends[0][0] < ends[1][0]) == (ends[0][1] < ends[1][1])
    assert told["First"].get_color() != told["Second"].get_color()


@pytest.mark.parametrize(("label", "parameters"), [("sigmoid loss", ["bias"]), ("a loss", [])])
def test_a_loss_that_sets_were_trained_with(draw, label, parameters):
    keys = {"set": ["three", "one"], "temperature": [0.05, 0.01], "delta": [-1.0, 0.0, 1.0]}
    table = made(keys, "distance", "loss", seed=6)
    # Both curves of a set begin at nearly one height, where their names are.
    begin = table["delta"] == -1.0
    table.loc[begin, "loss"] = table["set"].map({"one": 0.8, "three": 0.7}) + table["temperature"]
    table["own"] = table["temperature"] == 0.05
    table["bias"] = np.where(table["set"] == "one", -10.0, -12.0)
    softmax, gap = landscape(), gaps()
    params = {"label": label, "parameters": parameters}
    minimum, softmax_minimum = fine_minimum(table), fine_minimum(softmax)
    minimum["at_end"] = (minimum["set"] == "one") & (minimum["temperature"] == 0.01)
    tables = {"landscape": in_reverse(table, "delta"), "minimum": minimum, "gap": gap}
    tables |= {"softmax": in_reverse(softmax, "delta")}
    axes, _ = draw("plot_own_loss", params, **tables, softmax_minimum=softmax_minimum)
    of = ((table, minimum), (softmax, softmax_minimum))
    for ax, (name, (one, fine)) in zip(axes, product(keys["set"], of), strict=True):
        for number, temperature in enumerate(sorted(one["temperature"].unique())):
            part = pick(one, set=name, temperature=temperature)
            low = pick(fine, set=name, temperature=temperature).iloc[0]
            assert lines(ax, part["distance"], part["loss"] - low["loss"], RAMP[number])
            marks = lines(ax, low["distance"], 0, RAMP[number])
            assert [mark.get_marker() for mark in marks] == ([] if low["at_end"] else ["v"])
            own = " (own)" if one is table and temperature == 0.05 else ""
            assert f"scale {1 / temperature:.4g}{own}" in words(ax).split("\n")
        own = gap.loc[gap["set"] == name, "gap"].iloc[0]
        assert lines(ax, [own, own], [0, 1], INK, ":")
    bias = ", bias -12" if parameters else ""
    assert title(axes[0]).replace("\n", " ") == f"N, {label}{bias}"
    assert title(axes[3]) == "M, softmax loss"


def test_supplementary15(draw):
    table = made({"encoder": ["e", "f"]}, ends=("gap",))
    table = table.assign(norm_layers=[True, False], input_normalisation=[False, True])
    (ax,), _ = draw("plot_supplementary15", table=table)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [
        "norm layers on, pixels as they are",
        "norm layers off, pixels normalised",
    ]
    for place, row in zip((1, 0), table.to_dict("records"), strict=True):
        assert lines(ax, row["gap"], place)
        assert lines(ax, [row["gap_low"], row["gap_high"]], [place] * 2)
        assert f"{row['gap']:.2f}" in words(ax)


def test_table1(draw):
    keys = {"set": ["m", "k"], "task": ["big_task", "small"], "delta": [-1.0, 0.0, 1.0]}
    sweep = made(keys, "score", "distance").sample(frac=1, random_state=0)
    sweep.loc[(sweep["set"] == "k") & (sweep["delta"] == 1), "score"] = -0.2  # below chance
    table = made({"set": ["m", "k"], "task": ["big_task", "small"]}, ends=("default",))
    table = table.assign(
        delta=[1.0, -1.0, 1.0, -1.0], n=[3, 4, 5, 6], metric=["accuracy", "roc_auc"] * 2,
        chance=[0.01, 0.01, 0.9, 0.02],
    )  # fmt: skip
    params = {"names": {"m": "The model"}, "published": {"default small": 0.123}}
    axes, _ = draw("plot_table1", params, sweep=sweep, table=table)
    shown = [row for row in table.to_dict("records") if row["chance"] < 0.9]  # not at chance
    for ax, row in zip([ax for ax in axes if ax.axison], shown, strict=True):
        part = pick(sweep, set=row["set"], task=row["task"]).sort_values("delta")
        assert lines(ax, part["distance"], part["score"], PALETTE[0])
        best, default = part[part["delta"] == row["delta"]].iloc[0], part.iloc[1]
        (mark,) = lines(ax, best["distance"], best["score"])
        assert mark.get_marker() == "v"
        (mark,) = lines(ax, default["distance"], default["score"], INK)
        assert mark.get_marker() == "o"
        assert lines(ax, [default["distance"]] * 2, [0, 1], INK, ":")
        assert lines(ax, [0, 1], [row["chance"]] * 2, MUTED, "--")
        (band,) = (patch for patch in ax.patches if hasattr(patch, "get_height"))
        assert band.get_y() == pytest.approx(row["default_low"])
        assert band.get_y() + band.get_height() == pytest.approx(row["default_high"])
        name = {"m": "The model", "k": "k"}[row["set"]]
        assert title(ax) == f"{name}\n{row['task'].replace('_', ' ')}, n {row['n']}"
        assert ax.get_ylabel() == {"accuracy": "zero-shot accuracy"}.get(row["metric"], "ROC-AUC")
        (label,) = (one for one in ax.texts if one.get_text() == f"best shift {best['score']:.3f}")
        # It stretches away from the line of the gap.
        middle, at = words_of(label).get_points()[:, 0].mean(), ax.transData.transform(label.xy)[0]
        assert (middle < at) == (best["distance"] <= default["distance"])
        said = f"no shift {default['score']:.3f}"
        (label,) = (text for text in ax.texts if text.get_text() == said)
        # Below the band and below the curve that runs on to its right.
        right = part.loc[part["distance"] >= default["distance"], "score"]
        assert label.xy[0] == default["distance"] and label.get_va() == "top"
        assert label.xy[1] <= right.min() and label.xy[1] <= row["default_low"]
        assert f"chance {row['chance']:.3f}" in words(ax)
        below = row["chance"] - (row["default_high"] - row["chance"]) / 20
        assert ax.get_ylim()[0] == pytest.approx(min(below, part["score"].min()))
        wanted = [(default["distance"], 0.123)] if row["task"] == "small" else []
        assert diamonds(ax) == wanted


def test_training(draw):
    curves = [
        made({"model": [name], "step": range(0, 4000, 1000)}, "loss", "gap", "recall1", seed=at)
        for at, name in enumerate("pq")
    ]
    for curve in curves:
        curve.loc[1, "gap"] = np.nan
    params = {"names": {"p": "The model"}, "temperatures": {"p": 0.05, "q": 0.01}}
    params["published"] = {"original before": 0.21, "original after": 0.73}
    (ax,), _ = draw("plot_training", params, curves=curves)
    named = (("The model", "1/20"), ("q", "1/100"))
    for curve, (name, at), color in zip(curves, named, PALETTE, strict=False):
        part = curve.dropna(subset=["gap"])
        assert lines(ax, part["step"] / 3000, part["gap"], color)
        (text,) = (text for text in ax.texts if text.get_text().startswith(name))
        assert text.get_text() == f"{name}\n{part['gap'].iloc[-1]:.2f} at {at}, 3,000 steps"
        assert same_color(text.get_color(), color)
    assert diamonds(ax) == [(0.0, 0.21), (1.0, 0.73)] and lines(ax, [0, 1], [0.21, 0.73])
    assert "0.21" in words(ax) and "paper's CLIP\n0.73" in words(ax)


def test_diagnostics(draw):
    table = gaps().drop(columns=["gap_low", "gap_high"])
    table = table.merge(made({"set": list(SETS)}, "rmg", seed=7), on="set")
    table = table.assign(gap_rank=[1, 2, 3], rmg_rank=[1, 3, 2])
    (ax,), _ = draw("plot_diagnostics", table=table)
    for row in table.to_dict("records"):
        moved = row["gap_rank"] != row["rmg_rank"]
        color = PALETTE[1] if moved else INK
        (line,) = lines(ax, [0, 1], [row["gap_rank"], row["rmg_rank"]], color)
        assert (mcolors.to_hex(line.get_mfc()) == "#ffffff") == (row["weights"] == "random")
        kind = "trained" if row["weights"] == "trained" else "untrained"  # perhaps only in part
        left = f"{row['model']}, {kind} ({row['gap']:.2f})  {row['gap_rank']}"
        assert left in words(ax)
        assert f"{row['rmg_rank']}  ({row['rmg']:.2f})" in words(ax)
    ticks = [tick.get_text() for tick in ax.get_xticklabels()]
    assert ticks == ["rank by gap", "rank by relative gap"]


# --- experiments --------------------------------------------------------------------------------


def experiment(keys, names):
    """Runs of two seeds and their summary."""
    both = [f"{name}_{time}" for name in names for time in ("before", "after")]
    return made({**keys, "seed": [7, 8]}, *both, seed=1), made(keys, ends=tuple(both), seed=2)


def curve_of(ax, runs, summary, by, column, color=None):
    """The line of means with its band, and the dots of the runs."""
    summary = summary.sort_values(by)
    assert lines(ax, runs[by], runs[column])
    band = summary[f"{column}_low"], summary[f"{column}_high"]
    (line,) = lines(ax, summary[by], summary[column], color)
    assert has_band(ax, summary[by], *band, line.get_color())
    return line


def test_experiment_temperature(draw):
    names = ("gap", "recall1_ab", "recall1_ba", "zero_shot")
    runs, summary = experiment({"temperature": [1.0, 0.1, 0.01]}, names)
    untouched = made({"model": ["m"]}, *names, seed=3)
    params = {"published": {"gap 1/10": 0.17, "recall1_ba 1": 0.19, "untouched": 0.83}}
    axes, _ = draw("plot_experiment_temperature", params, runs=runs, summary=summary,
                   untouched=untouched)  # fmt: skip
    panels = [
        {"gap": ""},
        {"recall1_ab": "image → text", "recall1_ba": "text → image"},
        {"zero_shot": ""},
    ]
    for ax, quantities in zip(axes, panels, strict=True):
        for name, label in quantities.items():
            line = curve_of(ax, runs, summary, "temperature", f"{name}_after")
            before = [untouched[name].iloc[0]] * 2
            assert lines(ax, [0.01, 1.0], before, line.get_color(), ":")
            if label:
                (text,) = (text for text in ax.texts if text.get_text() == label)
                assert same_color(text.get_color(), line.get_color())
        ticks = [tick.get_text() for tick in ax.get_xticklabels()]
        assert ticks == ["1/100", "1/10", "1"]
    assert [title(ax) for ax in axes] == ["Gap", "Recall@1", "Zero-shot (axis starts at 0.3)"]
    assert axes[2].get_ylim()[0] == 0.3 and axes[2].get_ylabel() == "zero-shot accuracy"
    assert lines(axes[0], [0, 1], [0.83, 0.83], MUTED) and "paper, before: 0.83" in words(axes[0])
    assert [diamonds(ax) for ax in axes] == [[(0.1, 0.17)], [(1.0, 0.19)], []]
    keys = [[one for one in words(ax).split("\n") if "CLIP" in one] for ax in axes]
    assert keys == [["◇ paper's CLIP"], ["◇ □ paper's CLIP"], []]
    assert "before" not in words(axes[1])  # dotted lines of two quantities
    for ax, name in ((axes[0], "gap"), (axes[2], "zero_shot")):
        assert f"here, before: {untouched[name].iloc[0]:.2f}" in words(ax)


@pytest.mark.parametrize(
    ("table", "column"),
    [("runs", "zero_shot_after"), ("summary", "zero_shot_after_low"), ("untouched", "zero_shot")],
)
def test_the_axis_of_accuracies_begins_below_all_that_is_drawn(draw, table, column):
    """Below a run, an end of an interval or the accuracy before, whichever is lowest."""
    names = ("gap", "recall1_ab", "recall1_ba", "zero_shot")
    runs, summary = experiment({"temperature": [1.0, 0.1, 0.01]}, names)
    tables = {"runs": runs, "summary": summary, "untouched": made({"model": ["m"]}, *names, seed=3)}
    for one in tables.values():
        accuracies = [name for name in one if name.startswith("zero_shot")]
        one[accuracies] = 0.5 + one[accuracies] / 2
    tables[table].loc[0, column] = 0.33
    axes, _ = draw("plot_experiment_temperature", {"published": {"untouched": 0.83}}, **tables)
    assert axes[2].get_ylim()[0] == 0.3 and title(axes[2]) == "Zero-shot (axis starts at 0.3)"


def test_an_axis_of_accuracies_that_begins_at_0_does_not_say_so(draw):
    names = ("gap", "recall1_ab", "recall1_ba", "zero_shot")
    runs, summary = experiment({"temperature": [1.0, 0.1, 0.01]}, names)
    tables = {"summary": summary, "untouched": made({"model": ["m"]}, *names, seed=3)}
    runs.loc[0, "zero_shot_after"] = 0.04
    params = {"published": {"untouched": 0.83}}
    axes, _ = draw("plot_experiment_temperature", params, runs=runs, **tables)
    assert axes[2].get_ylim()[0] == 0 and title(axes[2]) == "Zero-shot"


def test_experiment_dimension(draw):
    runs, summary = experiment({"dim": [64, 8, 16]}, ("gap",))
    (ax,), _ = draw("plot_experiment_dimension", runs=runs, summary=summary)
    summary = summary.sort_values("dim")
    for name, label, color in (
        ("gap_before", "before training", PALETTE[0]),
        ("gap_after", "after training", PALETTE[1]),
    ):
        assert lines(ax, runs["dim"], runs[name], color)
        assert lines(ax, summary["dim"], summary[name], color)
        (text,) = (text for text in ax.texts if text.get_text() == label)
        assert same_color(text.get_color(), color)


def test_experiment_initialisation(draw):
    keys = {"temperature_mode": ["fixed", "learnt"], "start": ["original", "rotated"]}
    steps = made({**keys, "seed": [7, 8, 9], "step": [0, 3, 6]}, "gap", "loss", seed=1)
    summary = made(keys, ends=("gap_before", "gap_after"), seed=2)
    name = "gap_after_rotated_over_original"
    difference = made({"temperature_mode": ["fixed", "learnt"]}, ends=(name,), seed=3)
    places = {"original before": 0.51, "original after": 0.52, "rotated before": 0.13}
    params = {"published": {**places, "rotated after": 0.14, "share": 0.57}}
    # The first row of the summary tells the mode; no other table, and no start, is in its order.
    (ax,), _ = draw("plot_experiment_initialisation", params, steps=steps.iloc[::-1],
                    summary=summary.iloc[[0, 3, 1, 2]],
                    difference=difference.iloc[::-1])  # fmt: skip
    share = difference[name].iloc[0]
    assert f"{share:.0%} of the other (paper 57%)" in words(ax)
    for start, color in zip(keys["start"], PALETTE, strict=False):
        part = pick(steps, temperature_mode="fixed", start=start)
        by_step = part.groupby("step")["gap"]
        assert lines(ax, [0, 3, 6], by_step.mean(), color)
        assert has_band(ax, [0, 3, 6], by_step.min(), by_step.max(), color)
        row = pick(summary, temperature_mode="fixed", start=start)
        assert f"{start} start, {row['gap_after'].iloc[0]:.2f}" in words(ax)
        for at, column in ((0, "gap_before"), (6, "gap_after")):
            assert lines(ax, at, row[column], color)
            assert has_bars(ax, [at], row[f"{column}_low"], row[f"{column}_high"])
    assert sorted(value for _, value in diamonds(ax)) == [0.13, 0.14, 0.51, 0.52]
    # Beside the values of this run, outside of the curves: before the first step, after the last.
    sides = {value: (x < 0, x > 6) for x, value in diamonds(ax)}
    assert sides[0.51] == sides[0.13] == (True, False)
    assert sides[0.52] == sides[0.14] == (False, True)
    assert "paper 0.51" in words(ax)


def test_experiment_same_modality(draw):
    names = ("separability", "recall1_ab", "recall1_ba", "gap")
    runs, summary = experiment({"modality": ["image", "text"]}, names)
    steps = made({"modality": ["image", "text"], "seed": [7, 8, 9], "step": [0, 3]}, "gap", "loss")
    # The loss of pictures ends below that of texts, and begins above it.
    steps.loc[(steps["modality"] == "image") == (steps["step"] == 0), "loss"] += 0.5
    axes, _ = draw("plot_experiment_same_modality", steps=steps, runs=runs, summary=summary)
    for modality, color in (("image", IMAGE_COLOR), ("text", TEXT_COLOR)):
        part = steps[steps["modality"] == modality]
        for ax, name in zip(axes, ("gap", "loss"), strict=True):
            assert name in ax.get_ylabel()
            by_step = part.groupby("step")[name]
            assert lines(ax, [0, 3], by_step.mean(), color)
            assert has_band(ax, [0, 3], by_step.min(), by_step.max(), color)
        row = summary[summary["modality"] == modality].iloc[0]
        (name,) = (text for text in axes[1].texts if same_color(text.get_color(), color))
        assert name.get_text() == f"{modality}s"
        (text,) = (text for text in axes[0].texts if same_color(text.get_color(), color))
        assert f"{modality}s twice: separable {row['separability_after']:.2f}" in text.get_text()
        recall = sorted(f"{row[f'recall1_{way}_after']:.2f}" for way in ("ab", "ba"))
        assert text.get_text().endswith(f"recall@1 {' and '.join(dict.fromkeys(recall))}")


def test_supplementary12_is_text(root, tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "log_to", lambda _: None)
    (tmp_path / "code.py").write_text(
        "# about\ndef f(x):\n    return x  # same\n\n\n# --- released\n\n\ndef g(y):\n    pass\n"
    )
    files = {"input": [tmp_path / "code.py"], "output": [tmp_path / "code.txt"], "log": ["log"]}
    script = script_path(root, "write_supplementary12")
    runpy.run_path(str(script), {"snakemake": SimpleNamespace(**files)})
    assert (tmp_path / "code.txt").read_text() == (
        "# (a)\ndef f(x):\n    return x  # same\n\n# (b)\ndef g(y):\n    pass\n"
    )


# --- follow-ups -----------------------------------------------------------------------------------


def labels_by_words(ax):
    return {text.get_text(): text for text in ax.texts if text.get_text().strip()}


def test_follow_up_losses(draw):
    names = {"plain": "P", "hot": "H", "after": "A", "other": "a loss (OTHER)"}
    names |= {f"more{number}": f"more {number}" for number in range(5)}
    summary = made({"method": list(names)}, "temperature", ends=("gap", "recall1"), seed=2)
    for name, end in product(("gap", "recall1"), ("low", "high")):  # short, as over seeds
        summary[f"{name}_{end}"] = (9 * summary[name] + summary[f"{name}_{end}"]) / 10
    summary = summary.assign(label=list(names.values()), temperature=[0.01, 0.5, *[0.01] * 7])
    params = {"family": ["hot", "plain", "more0"], "after_training": ["after"]}
    (ax, key), _ = draw("plot_follow_up_losses", params, summary=summary)
    rows = summary.set_index("method")
    cold = rows.loc[["plain", "more0"]].sort_values("gap", ascending=False)
    family = pd.concat([cold, rows.loc[["hot"]]])  # by temperature, then from the widest gap
    assert lines(ax, family["gap"], family["recall1"], INK)
    styles = {
        **dict.fromkeys(["plain", "hot", "more0"], (INK, "s")),
        "after": (PALETTE[1], "D"),
        **dict.fromkeys(["other", *list(names)[5:]], (PALETTE[0], "o")),
    }
    # Numbered from the smallest gap to the largest, in the panel and in the key beside it.
    for number, (name, row) in enumerate(rows.sort_values("gap").iterrows(), start=1):
        color, marker = styles[name]
        assert lines(ax, [row["gap_low"], row["gap_high"]], [row["recall1"]] * 2, color)
        assert lines(ax, [row["gap"]] * 2, [row["recall1_low"], row["recall1_high"]], color)
        (mark,) = lines(ax, row["gap"], row["recall1"], color)
        assert mark.get_marker() == marker
        label = labels_by_words(ax)[str(number)]
        assert label.xy == pytest.approx((row["gap"], row["recall1"]))
        assert same_color(label.get_color(), color)
        assert same_color(labels_by_words(key)[f"{number}  {names[name]}"].get_color(), color)
    shapes = {line.get_marker(): mcolors.to_hex(line.get_color()) for line in key.lines}
    assert shapes == {marker: mcolors.to_hex(color) for color, marker in styles.values()}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("gap", "recall@1, mean of both ways")


def test_numbers_keep_away_from_all_that_is_drawn(draw, monkeypatch):
    """From every line and mark of the panel, where they are on the page, and from its top."""
    real, asked = labels.places_beside, {}

    def places_beside(points, drawn, size, highest):
        asked[size] = points, drawn, highest
        return real(points, drawn, size, highest)

    monkeypatch.setattr(labels, "places_beside", places_beside)
    summary = made({"method": list("abcdef")}, "temperature", ends=("gap", "recall1"), seed=2)
    params = {"family": ["a", "c", "e"], "after_training": []}
    (ax, _), figure = draw("plot_follow_up_losses", params, summary=summary.assign(label="L"))
    to_pixels = 72 / figure.dpi
    points, drawn, highest = asked[style.WIDE.font]
    assert highest == pytest.approx(ax.bbox.y1 * to_pixels)
    marks = [line for line in ax.lines if len(line.get_xdata()) == 1]
    for number, line in enumerate(marks):
        wanted = ax.transData.transform(line.get_xydata()) * to_pixels
        np.testing.assert_allclose(points[[number]], wanted)
    assert len(ax.lines) == 3 * len(marks) + 1 == 19
    for line in ax.lines:
        ends = ax.transData.transform(line.get_xydata()) * to_pixels
        for first, last in pairwise(ends):
            along = first + (last - first) * np.linspace(0, 1, 17)[:, None]
            away = np.hypot(*(along[:, None] - drawn[None]).transpose(2, 0, 1)).min(axis=1)
            # Nine points stand for a bar.
            assert away.max() < np.hypot(*(last - first)) / 15


def gallery():
    """methods.csv: `captions` has several forms, `pairs` has two directions; a half beside each."""
    named = {"none": "no change", "shift": "shift", "centre": "centring"}
    named |= {"centre_z_score": "z-scores", "other_first": "other first", "own_first": "own first"}
    shares = ["0", "0.5", "0.9", "1"]
    several = made(
        {
            "set": ["captions"],
            "split": ["even_odd", "half_0"],
            "method": list(named),
            "metric": [f"ndcg10_{end}" for end in (*shares, "caption", "picture", "fused")],
        },
        "value",
        task="T2c",
        n_scored=31,
    )
    pairs = made(
        {
            "set": ["pairs"],
            "split": ["even_odd", "half_0"],
            "method": [*named, "csls"],
            "metric": [f"ndcg10_{end}_{way}" for end in shares for way in ("xy", "yx")],
        },
        "value",
        seed=1,
        task="T2b",
        n_scored=47,
    )
    other = made({"set": ["pairs", "captions"], "split": ["even_odd"], "method": ["none"]}, "value",
                 metric="recall1_xy", task="T1", n_scored=99)  # fmt: skip
    table = pd.concat([pairs, several, other])
    # Curves that do not cross those of the first three.
    away = {"centre_z_score": 0.32, "other_first": -0.29, "own_first": 0.6}
    table["value"] = table["value"] * 0.6 + 0.1 + table["method"].map(away).fillna(0)
    return named, shares, table


def test_a_run_without_a_mixed_gallery_says_so(root, tmp_path, figures):
    gallery()[2].query("task == 'T1'").to_csv(tmp_path / "methods")
    given, params = Given({"methods": tmp_path / "methods"}), Given({"sets": {}})
    about = {"input": given, "output": Given(), "params": params}
    path = str(script_path(root, "plot_mixed_gallery"))
    runpy.run_path(path, {"snakemake": SimpleNamespace(**about)})
    (figure,) = figures
    assert [text.get_text() for text in figure.texts] == ["No set of this run has a mixed gallery."]


def test_mixed_gallery(draw):
    named, shares, methods = gallery()
    params = {"sets": {"captions": "Pictures with captions", "pairs": "Pairs"}}
    axes, _ = draw("plot_mixed_gallery", params, methods=methods)
    assert draw.touching == {layout: [] for layout in SMALLEST}
    panels = [ax for ax in axes if ax.axison]
    # Several captions first, with a second panel by the form of the wanted document.
    assert [ax.get_title(loc="left") for ax in panels] == [
        "(a) Pictures with captions, n 31",
        "(b) Pictures with captions, n 31",
        "(c) Pairs, n 47",
    ]
    colors = {"none": INK, "shift": PALETTE[1], "centre": PALETTE[0]}
    colors |= {"centre_z_score": PALETTE[2], "other_first": MUTED, "own_first": MUTED}
    fixed = methods[methods["split"] == "even_odd"].set_index(["set", "method", "metric"])["value"]
    for ax, name in ((panels[0], "captions"), (panels[2], "pairs")):
        for method in named:
            if name == "captions":
                values = [fixed[name, method, f"ndcg10_{share}"] for share in shares]
            else:
                values = [
                    np.mean([fixed[name, method, f"ndcg10_{share}_{way}"] for way in ("xy", "yx")])
                    for share in shares
                ]
            assert lines(ax, [float(share) for share in shares], values, colors[method])
    forms = panels[1]
    assert [tick.get_text() for tick in forms.get_yticklabels()] == list(named.values())
    marks = dict(zip(("caption", "picture", "fused"), "o^s", strict=True))
    key = {line.get_label(): line.get_marker() for line in forms.lines}
    assert key == {"caption": "o", "picture": "^", "both": "s"}
    for place, (form, marker) in enumerate(marks.items()):
        dots = forms.collections[place]
        values = [fixed["captions", method, f"ndcg10_{form}"] for method in named]
        rows = np.arange(len(named)) + 0.2 * (place - 1)
        np.testing.assert_allclose(dots.get_offsets(), np.stack([values, rows], axis=1))
        wanted = MarkerStyle(marker)
        outline = wanted.get_path().transformed(wanted.get_transform())
        np.testing.assert_array_equal(dots.get_paths()[0].vertices, outline.vertices)
        for method, color in zip(named, dots.get_facecolors(), strict=True):
            assert same_color(color, colors[method])
    assert panels[0].get_ylabel() == "NDCG@10"
    for ax in (panels[0], panels[2]):
        told = {
            text.get_text().replace("\n", " "): mcolors.to_hex(text.get_color())
            for text in ax.texts
        }
        assert told == {words: mcolors.to_hex(colors[method]) for method, words in named.items()}
        # Each is next to its own curve, and nearer to it than to the others.
        for text in ax.texts:
            box, away = text.get_window_extent(), {}
            for line in ax.lines:
                x, y = line.get_data()
                dense = np.linspace(x[0], x[-1], 400)
                points = ax.transData.transform(np.stack([dense, np.interp(dense, x, y)], axis=1))
                beyond = np.maximum(np.maximum(box.min - points, points - box.max), 0)
                near = away.get(line.get_color(), np.inf)  # two are of one colour
                away[line.get_color()] = min(near, np.hypot(*beyond.T).min())
            assert min(away, key=away.__getitem__) == text.get_color()
            assert away[text.get_color()] < 12


# --- the comparison with stored figures -----------------------------------------------------------


@cache
def changed(change: str) -> list:
    """A summary, as it is stored, of a figure of many kinds of artists after one of CHANGES."""
    figure, (ax, _) = plt.subplots(1, 2)
    ax.plot([0, 1, 2], [2, 3, 1], color="#112233")
    ax.plot([0, 1, 2], [1, 2, 2], color="#112233", marker="o")
    ax.scatter([0, 1, 2], [3, 1, 2], c=["#112233", "#445566", "#778899"])
    ax.bar([0, 1], [1, 0.5])
    ax.imshow([[0.0, 1.0], [0.5, 0.2]], extent=(0, 1, 2, 3), aspect="auto")
    ax.annotate("a", (1, 2), xytext=(20, 0), textcoords="offset points", arrowprops={"lw": 1})
    ax.legend([*ax.lines], ["first", "second"])
    ax.set(xlim=(-1, 3), ylim=(0, 4), xlabel="x", title="t")
    CHANGES[change](ax)
    figure.draw_without_rendering()
    shown = summary(figure)
    plt.close(figure)
    return json.loads(as_json({"test": [{"wide": shown}]}))["test"][0]["wide"]


CHANGES = {
    "": lambda _: None,
    "width": lambda ax: ax.lines[0].set_linewidth(1.6),
    "dashes": lambda ax: ax.lines[0].set_linestyle("--"),
    "color": lambda ax: ax.lines[1].set_color("#112234"),
    "marker": lambda ax: ax.lines[1].set_marker("s"),
    "order of points": lambda ax: ax.lines[0].set_xdata([2, 1, 0]),
    "value": lambda ax: ax.lines[1].set_ydata([1, 2, 2.02]),
    "layer": lambda ax: ax.lines[0].set_zorder(2.1),
    "colors of dots": lambda ax: ax.collections[0].set_color(["#112233", "#778899", "#445566"]),
    "size of dots": lambda ax: ax.collections[0].set_sizes([30]),
    "opacity": lambda ax: ax.collections[0].set_alpha(0.9),
    "hatch": lambda ax: ax.patches[1].set_hatch("/"),
    "edge": lambda ax: ax.patches[0].set_edgecolor("red"),
    "image": lambda ax: ax.images[0].set_data([[1.0, 0.0], [0.5, 0.2]]),
    "place of a label": lambda ax: ax.texts[0].set_position((24, 0)),
    "side of a label": lambda ax: ax.texts[0].set_ha("right"),
    "arrow": lambda ax: ax.texts[0].arrow_patch.set_linewidth(2),
    "words": lambda ax: ax.set_xlabel("y"),
    "limit": lambda ax: ax.set_ylim(0, 4.1),
    "direction": lambda ax: ax.invert_yaxis(),
    "scale": lambda ax: ax.set_yscale("symlog"),
    "ticks": lambda ax: ax.set_xticks([0, 2]),
    "grid": lambda ax: ax.grid(axis="x"),
    "spine": lambda ax: ax.spines["top"].set_visible(False),
    "legend": lambda ax: ax.legend([*ax.lines], ["second", "first"]),
    "place of the legend": lambda ax: ax.legend([*ax.lines], ["first", "second"], loc="center"),
    "panel": lambda ax: ax.figure.axes[1].plot(1, 1),
    "no axes": lambda ax: ax.figure.axes[1].set_axis_off(),
    "size": lambda ax: ax.figure.set_size_inches(6.4, 4.9),
    "ground": lambda ax: ax.figure.set_facecolor("#eeeeee"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_figure_differs_from_the_stored_one(change):
    said = difference(changed(""), changed(change))
    assert bool(said) == bool(change)
    assert "\n" not in said


def test_every_stored_figure_is_of_a_test(stored):
    """The last one of this file, where a run that writes has drawn all."""
    tests = Counter(name.partition("[")[0] for name in stored)
    drawing = {
        name: prod(len(mark.args[1]) for mark in getattr(test, "pytestmark", []))
        for name, test in globals().items()
        if name.startswith("test_") and "draw" in signature(test).parameters
    }
    assert tests == drawing
