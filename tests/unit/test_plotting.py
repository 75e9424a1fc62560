"""What figures share: words that a user chose are drawn as they are."""

import pytest
from matplotlib.text import Text

from modality_gap.plotting import plain


@pytest.mark.parametrize("words", ["$x^2$", r"$\frac{", "a $ b", r"\$x$ and \alpha", "_{2}"])
def test_no_word_of_a_user_s_is_a_formula(words):
    assert Text(text=plain(words))._preprocess_math(plain(words)) == (words, False)


def test_long_names_take_several_lines():
    lines = plain("a model whose name is much longer than one panel is wide, trained").split("\n")
    assert max(map(len, lines)) <= 28
    assert " ".join(lines).startswith("a model whose name")
