"""The ledger of the follow-ups on the page: a section per paper, with verdicts of the run."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from modality_gap.paper.follow_ups import published_words
from modality_gap.paper.show import page_row


class Statement(NamedTuple):
    """A statement of a paper: the published value in words, rows of `show.page_row`, one for each
    piece of evidence, and what more would need."""

    id: str
    says: str
    published: str
    rows: list[dict]
    more: str


class Section(NamedTuple):
    """A paper with its statements."""

    paper: str
    source: str
    statements: list[Statement]

    @property
    def tally(self) -> dict[str, int]:
        """How many pieces of evidence have each verdict, in the order of the page."""
        return dict(Counter(row["verdict"] for one in self.statements for row in one.rows))


def sections(ledger: Mapping, judged: pd.DataFrame) -> list[Section]:
    """The papers of the ledger, in its order, with the rows of after/follow_ups.csv, read as
    texts."""
    by_id: dict[str, list[dict]] = {}
    for row in judged.to_dict("records"):
        by_id.setdefault(row["id"], []).append(page_row(row))
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
                    entry.get("more", ""),
                )
                for entry in section["statements"]
            ],
        )
        for section in ledger["papers"]
    ]
