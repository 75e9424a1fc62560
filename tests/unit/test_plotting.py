"""What figures share: words that a user chose are drawn as they are; an end is no minimum."""

import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection
from matplotlib.text import Text

from modality_gap.figures.pairs import draw_pairs, draw_sets
from modality_gap.figures.style import minima, plain


@pytest.mark.parametrize("words", ["$x^2$", r"$\frac{", "a $ b", r"\$x$ and \alpha", "_{2}"])
def test_no_word_of_a_user_s_is_a_formula(words):
    assert Text(text=plain(words))._preprocess_math(plain(words)) == (words, False)


def test_long_names_take_several_lines():
    lines = plain("a model whose name is much longer than one panel is wide, trained").split("\n")
    assert max(map(len, lines)) <= 28
    assert " ".join(lines).startswith("a model whose name")


def test_lines_are_as_long_as_is_asked_for_and_dollars_stay():
    assert plain("aaaa bbbb cccc", 9) == "aaaa bbbb\ncccc"
    assert plain("a $5 b", 4) == "a \\$5\nb"
    # Where nothing else is said, 28.
    assert plain(f"{'x' * 14} {'y' * 13}") == f"{'x' * 14} {'y' * 13}"
    assert plain(f"{'x' * 14} {'y' * 14}") == f"{'x' * 14}\n{'y' * 14}"


@pytest.mark.parametrize(
    ("losses", "places"),
    [
        ([3, 1, 2], [1]),
        ([1, 2, 3], []),
        ([3, 2, 1], []),
        ([3, 1, 2, 1, 4], [1, 3]),  # two of them
        ([1, 1, 2], [1]),  # flat up to an end
        ([2, 3, 2], []),
        ([1, 3, 1, 2], [2]),
    ],
)
def test_the_end_of_a_sweep_is_no_minimum(losses, places):
    curve = pd.DataFrame(
        {"loss": losses, "distance": range(len(losses))}, index=[7, 3, 5, 9, 1][: len(losses)]
    )
    assert list(minima(curve)["distance"]) == places


def small_sets(models: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """So many models with trained weights, as `draw_sets` takes them."""
    numbers = ["gap", "gap_low", "gap_high", "mean_cosine_a", "mean_cosine_b", "recall1_ab"]
    numbers += ["recall1_ba", "separability", "n"]
    names = [f"M{number}" for number in range(models)]
    gaps = pd.DataFrame({"set": names, "model": names, "weights": "trained"}).set_index("set")
    gaps[numbers] = 0.5
    rows = [(name, side, *place) for name in names for side in "ab" for place in ((0, 1), (1, 0))]
    return gaps, pd.DataFrame(rows, columns=["set", "side", "u", "v"])


@pytest.mark.parametrize(
    ("models", "drawing", "columns", "heights"),
    [
        (1, 0, 1, [3.2, 3.2]),
        (2, 1.5, 2, [1.5, 3.2, 3.2]),
        (4, 2.0, 4, [2.0, 3.2, 3.2]),
        (5, 0, 4, [3.2] * 4),
        (9, 0.5, 4, [0.5, *[3.2] * 6]),
    ],
)
def test_the_drawing_is_above_all_panels_and_as_high_as_asked(models, drawing, columns, heights):
    figure, top = draw_sets(*small_sets(models), {"trained": "(b)", "random": "(c)"}, drawing)
    panels = [ax for ax in figure.axes if ax is not top]
    grid = panels[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == (len(heights), columns)
    assert grid.get_height_ratios() == pytest.approx(heights)
    assert figure.get_size_inches().tolist() == pytest.approx([10, sum(heights)])
    assert len(panels) == columns * (len(heights) - (top is not None))
    if drawing:
        place = top.get_subplotspec()
        assert (place.rowspan, place.colspan) == (range(1), range(columns))
    else:
        assert top is None
    assert sum(ax.axison for ax in panels) == models
    lines = [text for ax in panels for text in ax.texts if "weights" in text.get_text()]
    assert [text.get_text() for text in lines] == [
        f"M{number}:\nno random weights\navailable" for number in range(models)
    ]
    assert {text.get_position() for text in lines} == {(0.5, 0.5)}
    assert {(text.get_ha(), text.get_va()) for text in lines} == {("center", "center")}
    plt.close(figure)
    (legend,) = figure.legends
    assert legend._ncols == 3


def test_panels_of_pairs_have_no_ticks():
    ax = plt.figure().add_subplot()
    _, points = small_sets(1)
    draw_pairs(ax, points.drop(columns="set").assign(set="M0")[["set", "side", "v", "u"]])
    links, *dots = ax.collections
    assert isinstance(links, LineCollection)
    assert all(part.get_rasterized() for part in ax.collections)  # thousands, in a vector file
    assert len(links.get_segments()) == 2
    assert [list(ax.get_xticks()), list(ax.get_yticks())] == [[], []]
    # The first coordinate is across, the second up, whatever their names.
    assert dots[0].get_offsets().tolist() == [[1, 0], [0, 1]]
    plt.close(ax.figure)
