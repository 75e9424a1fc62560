"""Pieces of Markdown."""

import re
from collections.abc import Iterable


def table(head: list[str], rows: Iterable[list[object]]) -> str:
    """A table; a line break or a bar in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    cells = [[" ".join(str(cell).split()).replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def code(text: object) -> str:
    """A text as code; empty stays empty."""
    return f"`{text}`" if str(text) else ""


def listed(texts: Iterable[object]) -> str:
    """Texts as code, with commas."""
    return ", ".join(code(text) for text in texts)


def anchor(heading: str) -> str:
    """The anchor that mkdocs gives a heading of one name or path in code."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())
