"""A finding and a table, as a page shows them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A sentence of "What this run found", and the ids of the claims that it bears on. One that
    leads is shown at the head of the page too."""

    text: str
    claims: tuple[str, ...] = ()
    lead: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the page: the first cell of a row is its heading; cells are text."""

    caption: str
    head: list[str]
    rows: list[list[str]]
