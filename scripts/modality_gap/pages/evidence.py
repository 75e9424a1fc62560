"""The page of all checks: rows in their order, and where a value lies in its tolerance."""

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
    """Positions in per cent of a drawing's width: the accepted range, the bound, the measured value
    and its interval."""

    accepted: tuple[float, float]
    bound: float
    interval: tuple[float, float]
    value: float


class Row(NamedTuple):
    """A check: its row of results/claims.csv as `show.page_row` has it, its place on the page, the
    class of the verdict by which its claim counts, and its drawing if it has a number."""

    id: str
    claim: Mapping
    own: bool
    rank: int
    counts: str
    drawn: Drawn | None


def rows(claims: pd.DataFrame) -> list[Row]:
    """All checks, those against the paper first, and otherwise in the order of the ledger."""
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
    """The number of checks with each verdict, by the words shown."""
    numbers = Counter(show.shown(row) for row in claims.to_dict("records"))
    return {word: numbers[word] for word in show.STYLES}


MARGIN = 0.1  # of the drawing's width, on either side of what it shows


def drawn(row: Mapping) -> Drawn | None:
    """Where the measured value of a row of results/claims.csv lies; None where there is no number
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
