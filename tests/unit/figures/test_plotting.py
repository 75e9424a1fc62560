"""What figures share: words of a user are drawn as they are; minima are those of the fine sweep."""

import pandas as pd
import pytest
from matplotlib.text import Text

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
