"""A finding and a table, as a page shows them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A sentence of "What this run found", and the ids of the claims that the sentence bears on. A
    sentence with `lead` is also shown at the head of the page. `kind` is the kind of evidence, in
    words, if the sentence is about that kind alone."""

    text: str
    claims: tuple[str, ...] = ()
    lead: bool = False
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the page. The first cell of a row is the row's heading. All cells are text."""

    caption: str
    head: list[str]
    rows: list[list[str]]
