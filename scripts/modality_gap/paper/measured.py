"""Reads the measured values of the evidence from the tables that a run writes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from modality_gap.config.schema import yaml_reads
from modality_gap.errors import InputError

# A tolerance means what is written, except that the last bits of a float must not decide.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Measured:
    """A value from a run's tables, with its interval and n if the table has them."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    against: float | None = None  # what the row's own bound is
    at_end: bool = False  # a minimum at the end of its sweep, which may lie beyond it


# Columns of a sweep that describe its minimum; the others do not depend on where that is.
OF_A_MINIMUM = ("delta", "distance", "loss", "loss_excess")

COUNTED = ("n", "initialisations")  # columns that say how many a row is based on


def read_tables(paths: Iterable[str], results: str) -> dict[str, pd.DataFrame]:
    """The tables of a run by their paths below `results`, the folder that the run writes to."""
    return {Path(path).relative_to(results).as_posix(): pd.read_csv(path) for path in paths}


# --- measuring --------------------------------------------------------------------------------


def measure(selector: Mapping, tables: Mapping[str, pd.DataFrame]) -> Measured | None:
    """The value that a selector points at; None if this run has no such table or row.

    `table`, `where` and `column` name the cell; a list in `where` selects the rows of all of its
    values. `less` names another column: the value of a row is its cell minus the cell of that
    column. `against` also names another column: the value is the cell itself, and the expected
    number is relative to the cell of that column, which is the row's own bound.

    `take` says which of several rows: smallest or largest (with `against`, by the difference from
    the bound), largest_share (by the share of the bound), or at_smallest (the row with the smallest
    `along`). With kendall, the value is the rank correlation of the columns `column` and `along`.

    `absolute` drops the sign of the cell (with kendall, of every row's cell). `over` and `minus`,
    applied in this order, are selectors of a second value, which may have an `absolute` of its own.
    `point` leaves the interval out, so the value alone is judged. `value` alone is a published
    constant. The result has `at_end` if the row has a minimum at the end of its sweep. Raises
    InputError if several rows match and `take` is absent.
    """
    first = _first(selector, tables)
    if first is None:
        return None
    if selector.get("absolute") and selector.get("take") != "kendall":
        first = replace(_absolute(first), at_end=first.at_end)
    for operation, combined in OPERATIONS.items():
        if operation in selector:
            second = measure(selector[operation], tables)
            if second is None:
                return None
            first = replace(combined(first, second), at_end=first.at_end or second.at_end)
    return first


def _first(selector: Mapping, tables: Mapping[str, pd.DataFrame]) -> Measured | None:
    if "value" in selector:
        return Measured(float(selector["value"]))
    table, column = tables.get(selector["table"]), selector["column"]
    if table is None:
        return None
    rows = table
    for name, wanted in selector.get("where", {}).items():
        if name not in rows:
            raise InputError(f"{selector['table']} has no column {name}; correct the entry.")
        rows = rows[_matches(rows[name], wanted)]
        # What is said of several is measured on all of them or not at all.
        if isinstance(wanted, list) and not {*wanted} <= {*rows[name]}:
            return None
    less, against = selector.get("less"), selector.get("against")
    other = against if less is None else less
    for name in [column] if other is None else [column, other]:
        if name not in rows:
            raise InputError(f"{selector['table']} has no column {name}; correct the entry.")
    if rows.empty:
        return None
    take = selector.get("take")
    if take == "kendall":
        if len(rows) < 3:
            return None
        values = rows[column].abs() if selector.get("absolute") else rows[column]
        tau = values.corr(rows[selector["along"]], method="kendall")
        # A column that is the same everywhere has no order to agree with.
        return Measured(float(tau) if math.isfinite(tau) else 0.0, n=len(rows))
    if take == "at_smallest":
        along = rows[selector["along"]]
        if along.isna().all():
            return Measured(math.nan)
        rows = rows.loc[[along.idxmin()]]
    elif take in ("smallest", "largest", "largest_share"):
        values = rows[column]
        if other is not None:
            values = values / rows[other] if take == "largest_share" else values - rows[other]
        if values.isna().any():  # an undefined value might be the worst
            return Measured(math.nan)
        rows = rows.loc[[values.idxmin() if take == "smallest" else values.idxmax()]]
    elif len(rows) > 1:
        raise InputError(
            f"{selector['table']}: {len(rows)} rows match {selector.get('where', {})}; choose "
            "one with `take`, or narrow `where`."
        )
    row, point = rows.iloc[0], selector.get("point", False)
    at_end = column in OF_A_MINIMUM and bool(row.get("at_end", False))
    cell = replace(_cell(row, column, point), at_end=at_end)
    if against is not None:
        return replace(cell, against=float(row[against]))
    if less is None:
        return cell
    return replace(_difference(cell, _cell(row, less, point)), at_end=at_end)


def _cell(row: pd.Series, column: str, point: bool) -> Measured:
    """A cell with its n and, unless only the `point` is wanted, its interval. n is the column's own
    if it has one, or else the row's."""
    # The interval of a share may have the name of what was counted: offensive_low.
    stem = column if f"{column}_low" in row.index else column.removesuffix("_share")

    def bound(end: str) -> float | None:
        value = None if point else row.get(f"{stem}_{end}")
        return None if value is None or not math.isfinite(value) else float(value)

    numbers = [row[name] for name in (f"{column}_n", *COUNTED) if name in row.index]
    n = int(numbers[0]) if numbers else None
    return Measured(float(row[column]), bound("low"), bound("high"), n)


def _matches(column: pd.Series, wanted: object) -> pd.Series:
    """A mask of the rows whose column has the value that `where` wants. Raises InputError if the
    column holds texts but YAML does not read the value as a text."""
    each = wanted if isinstance(wanted, list) else [wanted]
    texts = pd.api.types.is_string_dtype(column) and len(column)  # an empty column has no kind
    if texts and not all(isinstance(one, str) for one in each):
        numbers = pd.to_numeric(column, errors="coerce").notna().any()
        for one in each:
            is_number = isinstance(one, int | float) and not isinstance(one, bool)
            if not isinstance(one, str) and not (is_number and numbers):
                raise InputError(f"`where`: {yaml_reads(one, f'the value of {column.name}')}.")
    if isinstance(wanted, list):
        return column.isin(wanted)
    if isinstance(wanted, float) or (isinstance(wanted, int) and not isinstance(wanted, bool)):
        # A temperature such as 1/35 may lose its last digit in a CSV file.
        return (pd.to_numeric(column, errors="coerce") - wanted).abs() <= ROUNDING * max(
            1, abs(wanted)
        )
    return column == wanted


def _absolute(a: Measured) -> Measured:
    if a.low is None or a.high is None:
        return Measured(abs(a.value), n=a.n)
    ends = sorted((abs(a.low), abs(a.high)))
    return Measured(abs(a.value), 0.0 if a.low < 0 < a.high else ends[0], ends[1], a.n)


def _least(*numbers: int | None) -> int | None:
    return min((n for n in numbers if n is not None), default=None)


def _logarithm(a: Measured) -> Measured:
    low, high = _ends(a)
    return Measured(math.log(a.value), math.log(low), math.log(high))


def _ends(a: Measured) -> tuple[float, float]:
    """The ends of an interval. If there is no interval, both are the value itself."""
    return a.value if a.low is None else a.low, a.value if a.high is None else a.high


def _difference(a: Measured, b: Measured) -> Measured:
    """a - b. Its interval is computed from the two intervals as if they were independent (Zou and
    Donner, Statistics in Medicine, 2008). A constant has an interval without width."""
    n = _least(a.n, b.n)
    if a.low is None and b.low is None:
        return Measured(a.value - b.value, n=n)
    (a_low, a_high), (b_low, b_high) = _ends(a), _ends(b)
    value = a.value - b.value
    return Measured(
        value,
        value - math.hypot(a.value - a_low, b_high - b.value),
        value + math.hypot(a_high - a.value, b.value - b_low),
        n,
    )


def _ratio(a: Measured, b: Measured) -> Measured:
    """a / b. If b has no interval, the interval of a is divided by b. If both intervals are
    positive, the interval comes from the difference of the logarithms. Otherwise there is none."""
    n = _least(a.n, b.n)
    if not b.value:
        return Measured(math.nan, n=n)
    if b.low is None and a.low is not None and b.value > 0:
        low, high = _ends(a)
        return Measured(a.value / b.value, low / b.value, high / b.value, n)
    ends = [end for m in (a, b) for end in (m.value, m.low, m.high) if end is not None]
    if (a.low is None and b.low is None) or min(ends) <= 0:
        return Measured(a.value / b.value, n=n)
    ratio = _difference(_logarithm(a), _logarithm(b))
    low, high = _ends(ratio)
    return Measured(math.exp(ratio.value), math.exp(low), math.exp(high), n)


OPERATIONS = {"over": _ratio, "minus": _difference}
