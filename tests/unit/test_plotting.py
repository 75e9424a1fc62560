"""What figures share: words that a user chose are drawn as they are; an end is no minimum."""

import pandas as pd
import pytest
from matplotlib.text import Text

from modality_gap.plotting import minima, plain


@pytest.mark.parametrize("words", ["$x^2$", r"$\frac{", "a $ b", r"\$x$ and \alpha", "_{2}"])
def test_no_word_of_a_user_s_is_a_formula(words):
    assert Text(text=plain(words))._preprocess_math(plain(words)) == (words, False)


def test_long_names_take_several_lines():
    lines = plain("a model whose name is much longer than one panel is wide, trained").split("\n")
    assert max(map(len, lines)) <= 28
    assert " ".join(lines).startswith("a model whose name")


@pytest.mark.parametrize(("losses", "places"), [([3, 1, 2], [1]), ([1, 2, 3], []), ([3, 2, 1], [])])
def test_the_end_of_a_sweep_is_no_minimum(losses, places):
    curve = pd.DataFrame({"loss": losses, "distance": range(3)}, index=[7, 3, 5])
    assert list(minima(curve)["distance"]) == places
