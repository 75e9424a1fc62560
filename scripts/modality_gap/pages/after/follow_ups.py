"""The ledger of the follow-ups on the page: one section per paper, with verdicts of the run.

Models and data are never those of the follow-up, so a badge is only about the direction.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from modality_gap.paper.claims import INCONCLUSIVE, NOT_RUN, NOT_SEEN, SAME
from modality_gap.paper.follow_ups import NO_VERDICT, published_words
from modality_gap.paper.show import MARKS, page_row

UNCHANGED = "unchanged here too"  # of a statement that something stays as it was
# Each verdict of the ledger as a badge of this page.
BADGES = {
    SAME: "same direction",
    NOT_SEEN: "not seen here",
    INCONCLUSIVE: INCONCLUSIVE,
    NOT_RUN: NOT_RUN,
}


class Badge(NamedTuple):
    """The words of a badge, and the class that marks it."""

    word: str
    css: str


def badge_of(row: Mapping) -> Badge | None:
    """The badge of a row of follow_ups.csv. None if the row's test could not fail."""
    if row["why"].startswith(NO_VERDICT):
        return None
    verdict = row["verdict"]
    stays = verdict == SAME and row["test"] == "equals"
    return Badge(UNCHANGED if stays else BADGES[verdict], MARKS[verdict])


class Statement(NamedTuple):
    """A statement of a paper. It has the published value in words; one row of `show.page_row` for
    each piece of evidence, with its `badge`; and what was not tested."""

    id: str
    says: str
    published: str
    rows: list[dict]
    not_tested: str


class Section(NamedTuple):
    """A paper with its statements."""

    paper: str
    source: str
    statements: list[Statement]

    @property
    def tally(self) -> dict[Badge, int]:
        """The number of pieces of evidence with each badge, in the order of the page."""
        badges = (row["badge"] for one in self.statements for row in one.rows)
        return dict(Counter(badge for badge in badges if badge))


def sections(ledger: Mapping, judged: pd.DataFrame) -> list[Section]:
    """The papers of the ledger, in its order, with their rows of after/follow_ups.csv, which are
    read as texts."""
    by_id: dict[str, list[dict]] = {}
    for row in judged.to_dict("records"):
        by_id.setdefault(row["id"], []).append(page_row(row) | {"badge": badge_of(row)})
    return [
        Section(
            section["paper"],
            section["source"],
            [
                Statement(
                    entry["id"],
                    entry["statement"],
                    published_words(entry["published"], entry["mark"]),
                    by_id.get(entry["id"], []),
                    entry.get("not_tested", ""),
                )
                for entry in section["statements"]
            ],
        )
        for section in ledger["papers"]
    ]
