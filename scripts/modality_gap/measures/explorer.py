"""The data of the explorer on the summary page: the pairs of a set, and all that depends on the
shift.

x, y: (n, d) unit vectors (float64) of the two modalities. A shift moves x by -delta/2 and y by
delta/2 along the unit gap vector u, and puts both back on the sphere (Figure 3).
"""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from modality_gap.embeddings.stored import StoredVectors
from modality_gap.measures.projection import principal_components
from modality_gap.measures.shift import lengths_after, unit_gap_vector

DIGITS = 5  # decimals; the page shows at most three


def places(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """The coordinates (n, 2) of each side, a and b, in a plane with two orthogonal axes. The first
    axis is u. The second is the direction orthogonal to u in which the sides vary most: the first
    principal component of both sides without their component along u.

    A shift by s along u takes the coordinates to (along + s, across) / sqrt(1 + 2 s along + s²).
    This is exact, because u is one of the two axes and every vector has length 1.
    """
    u, both = unit_gap_vector(x, y), np.concatenate([x, y])
    along = both @ u
    _, components, _ = principal_components(both - np.outer(along, u), 1)
    plane = np.stack([along, both @ components[0]], axis=1)
    return {"a": plane[: len(x)], "b": plane[len(x) :]}


def moved(plane: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """The coordinates (m, n, 2) of the points `plane` (n, 2) after each of the shifts s, `amounts`
    (m,)."""
    by = np.asarray(amounts)[:, None]
    lengths = lengths_after(1 + 2 * by * plane[:, 0] + by**2)
    return (
        np.stack([plane[:, 0] + by, np.broadcast_to(plane[:, 1], lengths.shape)], -1)
        / (lengths[..., None])
    )


def cloud(x: np.ndarray, y: np.ndarray, rows: np.ndarray, deltas: np.ndarray) -> dict:
    """For each side, as lists: the coordinates of some `rows` without a shift, and the centre of
    all rows after each of `deltas`."""
    result = {}
    for (side, plane), sign in zip(places(x, y).items(), (-1, 1), strict=True):
        centres = moved(plane, sign * np.asarray(deltas) / 2).mean(axis=1)
        result[side] = {"points": listed(plane[rows]), "centres": listed(centres)}
    return result


def losses(landscape: pd.DataFrame) -> list[dict]:
    """The loss at every shift, by temperature. It comes from the rows of one set in
    loss_landscape.csv."""
    return [
        {"temperature": float(temperature), "values": listed(part.sort_values("delta")["loss"])}
        for temperature, part in landscape.groupby("temperature")
    ]


def recalls(curve: pd.DataFrame) -> dict[str, dict]:
    """Recall@1 with its interval at every shift, by direction. It comes from the rows of one set in
    recall_under_shift.csv."""
    ends = {"values": "", "low": "_low", "high": "_high"}
    return {
        direction: {key: listed(curve[f"recall1_{direction}{end}"]) for key, end in ends.items()}
        for direction in ("ab", "ba")
    }


def listed(values: np.ndarray | pd.Series) -> list:
    """Numbers as lists for JSON, rounded to DIGITS."""
    return np.round(np.asarray(values, dtype=float), DIGITS).tolist()


def names(
    pair: tuple[StoredVectors, StoredVectors],
    some: slice | np.ndarray,
    shown: slice | np.ndarray,
    words: Mapping[str, str],
) -> dict[str, list[str]]:
    """For each side, the names that the page shows. `some` chooses items, and `shown` chooses from
    these. The name of an item is its caption in `words` (after its character, if it is an emoji),
    or else its id."""
    result = {}
    for side, vectors in zip("ab", pair, strict=True):
        ids = [vectors.item_id(row) for row in np.arange(len(vectors))[some][shown]]
        result[side] = [f"{emoji_of(one)} {words[one]}".strip() if one in words else one
                        for one in ids]  # fmt: skip
    return result


def emoji_of(item_id: str) -> str:
    """The character of an emoji; empty for any other id. The id of an emoji is its code points in
    hexadecimal, such as 1f44b-1f3fb."""
    if not re.fullmatch(r"[0-9a-f]{2,6}(-[0-9a-f]{2,6})*", item_id):
        return ""
    return "".join(chr(int(code, 16)) for code in item_id.split("-"))
