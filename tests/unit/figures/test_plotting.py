"""What figures share: words of a user are drawn as they are; minima are those of the fine sweep."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from modality_gap.figures.labels import places_along, places_beside
from modality_gap.figures.style import above_minima, plain


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


def test_losses_are_drawn_above_the_minimum_of_the_fine_sweep():
    keys = ["set", "temperature", "loss"]
    curves = pd.DataFrame(
        [["one", 0.1, 3.0], ["one", 0.1, 1.0], ["two", 0.1, 0.5], ["one", 1.0, 2.0]], columns=keys
    )
    minimum = pd.DataFrame(
        [["two", 0.1, 0.7, False], ["one", 0.1, 0.75, False], ["one", 1.0, 1.5, True]],
        columns=[*keys, "at_end"],
        index=[7, 3, 5],
    )
    drawn, lows = above_minima(curves, minimum)
    # Of `two` the coarse sweep found less.
    assert drawn["above"].tolist() == [2.25, 0.25, 0.0, 0.5]
    found = lows.set_index("set")["above"]
    assert found.to_dict() == {"one": 0.0, "two": pytest.approx(0.2)}  # none at an end


def crowd():
    """Six marks about 8 pixels apart, and one by itself."""
    return np.array([[100, 50], [116, 48], [92, 52], [108, 50], [124, 51], [132, 50], [300, 50]])


def test_numbers_of_a_crowd_are_in_a_row_in_its_order():
    marks, size = crowd().astype(float), 10
    drawn = np.concatenate([marks, [[110, 75]]])
    places = marks + places_beside(marks, drawn, size, highest=120)
    row = places[:6]
    assert (row[:, 1] == 75 + 1.5 * size).all()  # above all that is drawn there
    assert np.argsort(row[:, 0]).tolist() == np.argsort(marks[:6, 0]).tolist()
    assert (np.diff(np.sort(row[:, 0])) >= 1.5 * size - 1e-9).all()
    assert np.linalg.norm(places[6] - marks[6]) < 1.2 * size
    # Where a row would leave the panel each number has a place of its own.
    others = marks + places_beside(marks, drawn, size, highest=80)
    assert len(np.unique(others[:6, 1])) > 1
    for number, place in enumerate(others):
        away = np.abs(np.delete(others, number, axis=0) - place).max(axis=1)
        assert (away >= 1.2 * size).all()


@pytest.mark.parametrize("apart", [60, 6])
def test_labels_along_curves_cover_no_curve_and_no_label(apart):
    x = np.array([0.0, 100.0, 200.0])
    curves = [np.stack([x, np.full(3, 150.0 - apart * at)], axis=1) for at in range(3)]
    sizes, corners = np.array([[50.0, 12.0]] * 3), np.array([[0.0, 0.0], [200.0, 200.0]])
    places = places_along(curves, sizes, corners)
    assert (places - sizes / 2 >= corners[0]).all() and (places + sizes / 2 <= corners[1]).all()
    for number, place in enumerate(places):
        heights = np.array([150.0 - apart * at for at in range(3)])
        assert (np.abs(heights - place[1]) > 6).all()
        others = np.abs(np.delete(places, number, axis=0) - place)
        assert ((others[:, 0] >= 50) | (others[:, 1] >= 12)).all()
        if apart == 60:  # room beside each
            assert abs(heights[number] - place[1]) == pytest.approx(9)
