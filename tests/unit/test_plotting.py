"""What figures share: words that a user chose are drawn as they are; an end is no minimum."""

import pandas as pd
import pytest
from matplotlib.text import Text

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
