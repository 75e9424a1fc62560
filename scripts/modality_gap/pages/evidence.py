"""The page of all checks: its rows in their order, and the place of each value in its tolerance."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from modality_gap.pages.paper import anchor
from modality_gap.paper import show
from modality_gap.paper.claims import (
    CONSISTENT,
    DIFFERS,
    INCONCLUSIVE,
    NOT_RUN,
    NOT_SEEN,
    REPRODUCED,
    SAME,
)

# What is against the paper comes first.
ORDER = (
    *(DIFFERS, NOT_SEEN, INCONCLUSIVE, show.UNSEEN),
    *(SAME, REPRODUCED, CONSISTENT, show.SEEN, NOT_RUN),
)


class Drawn(NamedTuple):
    """The drawing of a check, as positions in per cent of its width: the accepted range, the bound,
    the measured value and its interval."""

    accepted: tuple[float, float]
    bound: float
    interval: tuple[float, float]
    value: float


class Row(NamedTuple):
    """A check. It has its row of results/claims.csv, as from `show.page_row`; its place on the
    page; the class of the verdict by which its claim counts; and, if it has a number, its
    drawing."""

    id: str
    claim: Mapping
    own: bool
    rank: int
    counts: str
    drawn: Drawn | None


def rows(claims: pd.DataFrame) -> list[Row]:
    """All checks. Those against the paper come first; otherwise they are in the order of the
    ledger."""
    seen: dict[str, int] = {}
    counts = {
        row["id"]: show.STYLES[show.shown(row)] for row in show.overall(claims).to_dict("records")
    }
    result = []
    for row in claims.to_dict("records"):
        place = seen[row["id"]] = seen.get(row["id"], 0) + 1
        result.append(
            Row(
                anchor(row["id"]) + (f"~{place}" if place > 1 else ""),
                show.page_row(row),
                row["whose"] in show.PAPERS_OWN,
                ORDER.index(show.shown(row)),
                counts[row["id"]],
                drawn(row),
            )
        )
    return sorted(result, key=lambda row: row.rank)


def tally(claims: pd.DataFrame) -> dict[str, int]:
    """The number of checks with each verdict. Verdicts have the words that are shown."""
    numbers = Counter(show.shown(row) for row in claims.to_dict("records"))
    return {word: numbers[word] for word in show.STYLES}


MARGIN = 0.1  # of the drawing's width, on either side of what it shows


def drawn(row: Mapping) -> Drawn | None:
    """The drawing of the measured value of a row of results/claims.csv. None if there is no number
    or nothing was expected."""
    try:
        value, bound = float(row["measured"]), float(row["bound"])
    except ValueError:
        return None
    if not (math.isfinite(value) and math.isfinite(bound)):
        return None
    low, high = (float(row[end]) if row[end] != "" else value for end in ("low", "high"))
    within = float(row["tolerance"]) if row["tolerance"] != "" else 0.0
    shown = [low, high, value, bound - within, bound + within]
    span = max(shown) - min(shown) or 1.0
    start, end = min(shown) - MARGIN * span, max(shown) + MARGIN * span

    def place(number: float) -> float:
        return round(100 * (number - start) / (end - start), 2)

    accepted = {
        "equals": (place(bound - within), place(bound + within)),
        "above": (place(bound), 100.0),
        "below": (0.0, place(bound)),
    }[str(row["test"])]
    return Drawn(accepted, place(bound), (place(low), place(high)), place(value))
