"""What the explorer calls the items that it draws."""

import numpy as np
import pytest

from modality_gap.measures.explorer import emoji_of, names


class Vectors(list):
    """Items as StoredVectors has them, by their ids."""

    def item_id(self, row: int) -> str:
        return self[row]


def test_an_item_is_called_by_its_caption_where_there_is_one():
    ids = ["1f44b-1f3fb", "placed00007", "000000001232", "2764"]
    words = {"1f44b-1f3fb": "waving hand", "placed00007": "a small red seven"}
    shown = names((Vectors(ids), Vectors(ids[::-1])), slice(None), np.array([0, 1, 2]), words)
    first = ["\N{WAVING HAND SIGN}\U0001f3fb waving hand", "a small red seven", "000000001232"]
    assert shown == {"a": first, "b": ["2764", "000000001232", "a small red seven"]}
    some = names((Vectors(ids), Vectors(ids)), np.array([1, 3]), np.array([1]), words)
    assert some["a"] == ["2764"]


@pytest.mark.parametrize(
    ("item_id", "character"),
    [
        ("2764-fe0f", "\u2764\ufe0f"),
        ("23-fe0f-20e3", "#\ufe0f\u20e3"),
        ("a9", "\u00a9"),
        ("row7", ""),
        ("000000001232", ""),
        ("1f44b.jpg", ""),
        ("1f44b-", ""),
        ("7", ""),
    ],
)
def test_only_code_points_are_a_character(item_id, character):
    """Of two to six digits each, as Unicode's names of files have them."""
    assert emoji_of(item_id) == character
