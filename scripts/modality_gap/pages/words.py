"""Numbers and lists as the pages write them."""

import math
import re
from collections.abc import Iterable, Mapping

from modality_gap.config.tables import Column

NONE = "–"
# The hyphen of a negative number or exponent, and none within a word, a date, a name or a path.
HYPHEN = re.compile(r"(?<![\w./:#=~%+-])-(?=\.?\d)|(?<=\de)-(?=\d)")


def minus(text: str) -> str:
    """A text in which each negative number has a minus sign, U+2212, instead of the hyphen."""
    return HYPHEN.sub("−", text)


def number(value: float | None, digits: int = 3) -> str:
    """A number with `digits` decimals, or a dash if there is none."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """An interval in square brackets, or an empty text if there is none."""
    texts = number(low, digits), number(high, digits)
    return "" if NONE in texts else f"[{texts[0]}, {texts[1]}]"


def estimate(row: Mapping, name: str, digits: int = 3) -> str:
    """A value with its interval, from the columns `name`, `name`_low and `name`_high of a row."""
    bounds = interval(row.get(f"{name}_low"), row.get(f"{name}_high"), digits)
    return f"{number(row[name], digits)} {bounds}".strip()


def cell(row: Mapping, column: Column, digits: int = 3) -> str:
    """A row's value of a column of the registry of measures, with its interval if the column has
    one. A dash if the cell is empty."""
    value = row[column.name]
    if column.interval:
        return estimate(row, column.name, digits)
    if column.unit == "count" and value is not None and math.isfinite(value):
        return f"{value:,.0f}"
    return number(value, digits)


def percent(share: float | None, digits: int = 1) -> str:
    """A share as per cent."""
    text = number(None if share is None else 100 * share, digits)
    return text if text == NONE else f"{text} %"


def p_value(value: float | None) -> str:
    """A p-value with two significant digits."""
    if value is None or not math.isfinite(value):
        return NONE
    return "<\u00a0.0001" if value < 0.0001 else f"{value:.2g}"


def fraction(temperature: float) -> str:
    """A temperature as the paper writes it: 1/100, 1/50, ..., 1."""
    return f"1/{round(1 / temperature)}" if temperature < 1 else f"{temperature:g}"


def count(n: int, one: str, several: str = "") -> str:
    """A number with its noun: `3 sets`, `1 set`. Give the plural as `several` if it
    is not `one` with an s."""
    return f"{n:,} {one if n == 1 else several or one + 's'}"


def listed(names: Iterable[str], joint: str = ", ") -> str:
    """A list in words: `a, b and c`. Use another `joint` if the parts contain commas."""
    *first, last = list(names) or [NONE]
    return f"{joint.join(first)} and {last}" if first else last


def of_all(part: int, whole: int, one: str) -> str:
    """A part of a whole in words: `all 5 sets`, `4 of 5 sets`, `none of 5 sets`, `the one set`."""
    if part == whole:
        return f"the one {one}" if whole == 1 else f"all {count(whole, one)}"
    return f"{part or 'none'} of {count(whole, one)}"


def in_cases(names: Iterable[str], cases: Iterable[str], joint: str = ", ") -> str:
    """Which names each case is true of: `falls in 2 (A, B) and rises in 1 (C)`. The commonest case
    comes first. `cases` has one verb phrase per name. Use another `joint` if names contain
    commas."""
    of: dict[str, list[str]] = {}
    for name, case in zip(names, cases, strict=True):
        of.setdefault(case, []).append(name)
    by_size = sorted(of.items(), key=lambda one: -len(one[1]))
    return listed(f"{case} in {len(held)} ({joint.join(held)})" for case, held in by_size)
