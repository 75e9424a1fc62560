"""The claims ledger: what the paper states, where this run measures it, and the verdict.

config/claims.yaml holds a claim an entry: its place in the paper, the statement in our words, the
published value with its source, and the evidence. A piece of evidence is a cell of a table that a
run writes (a `selector`), what is expected of it, and why the tolerance is what it is. The first
piece whose cell exists decides. No verdict is typed anywhere: `verdict` computes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from modality_gap.configuration import schema_fault
from modality_gap.errors import InputError

REPRODUCED, DIFFERS = "reproduced", "differs"
HOLDS, FAILS = "holds on a stand-in", "does not hold on a stand-in"
NOT_RUN = "not run"
VERDICTS = (REPRODUCED, DIFFERS, HOLDS, FAILS, NOT_RUN)

# A tolerance is what is written; only the last bits of a float may not decide.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Measured:
    """A value out of a run's tables, with its interval and n where the table has them."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


# --- reading the ledger -----------------------------------------------------------------------


def load_ledger(path: Path, schema_path: Path) -> dict:
    """The ledger with every entry's `cases` written out, as {needs: ..., claims: {id: claim}}.

    Raises InputError where an entry breaks the schema, an id comes twice or a need is unknown.
    """
    ledger = yaml.safe_load(path.read_text(encoding="utf-8"))
    fault = schema_fault(ledger, yaml.safe_load(schema_path.read_text(encoding="utf-8")))
    if fault:
        raise InputError(f"{path.name}: {fault}")
    claims = {}
    for entry in ledger["claims"]:
        for claim in _cases(entry):
            if claim["id"] in claims:
                raise InputError(f"{path.name}: the id {claim['id']} comes twice; rename one.")
            if claim.get("needs", "nothing") not in {"nothing", *ledger["needs"]}:
                raise InputError(
                    f"{path.name}: {claim['id']} needs {claim['needs']!r}, which `needs` does not "
                    f"describe; use one of {', '.join(ledger['needs'])}."
                )
            for evidence in claim.get("evidence", []):
                for key, value in evidence["expect"].items():
                    if not isinstance(value, int | float):
                        raise InputError(
                            f"{path.name}: {claim['id']} expects {key} {value!r}, which is no "
                            "number; YAML reads -.5 as a text, write -0.5."
                        )
            claims[claim["id"]] = claim
    return {"needs": ledger["needs"], "claims": claims}


def _cases(entry: dict) -> Iterator[dict]:
    """An entry once for each of its `cases`, whose values take the place of {names} in it."""
    template = {key: value for key, value in entry.items() if key != "cases"}
    for values in entry.get("cases", [{}]):
        try:
            yield _filled(template, values)
        except (KeyError, IndexError, ValueError) as error:
            raise InputError(f"{entry['id']}: a case does not fill {error}; correct it.") from error


def _filled(part: object, values: Mapping) -> object:
    if isinstance(part, dict):
        return {key: _filled(value, values) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, values) for value in part]
    if isinstance(part, str) and values:
        # A value that is nothing but a name keeps its type: a number stays one.
        name = part.removeprefix("{").removesuffix("}")
        alone = part == f"{{{name}}}" and name in values
        return values[name] if alone else part.format(**values)
    return part


# --- measuring --------------------------------------------------------------------------------


def measure(selector: Mapping, tables: Mapping[str, pd.DataFrame]) -> Measured | None:
    """What a selector points at; None where this run has no such table or row.

    table, where, column: the cell; `take` says which of several rows: the smallest or largest of
    the column, the one at the smallest of the column `along`, or (kendall) the rank correlation of
    the two columns. `absolute` drops the cell's sign. `over` and `minus` are selectors of a second
    value, with an `absolute` of their own, applied in this order. `point` leaves the interval out:
    a count that was made is what it is. `value` alone is a published constant. Raises InputError
    where several rows match and `take` is absent.
    """
    first = _first(selector, tables)
    if first is None:
        return None
    if selector.get("absolute"):
        first = _absolute(first)
    for operation in ("over", "minus"):
        if operation in selector:
            second = measure(selector[operation], tables)
            if second is None:
                return None
            first = _difference(first, second) if operation == "minus" else _ratio(first, second)
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
            raise InputError(f"{selector['table']} has no column {name}; correct the claim.")
        rows = rows[_matches(rows[name], wanted)]
    if column not in rows:
        raise InputError(f"{selector['table']} has no column {column}; correct the claim.")
    if rows.empty:
        return None
    take = selector.get("take")
    if take == "kendall":
        if len(rows) < 3:
            return None
        tau = rows[column].corr(rows[selector["along"]], method="kendall")
        # A column that is the same everywhere has no order to agree with.
        return Measured(float(tau) if math.isfinite(tau) else 0.0, n=len(rows))
    if take == "at_smallest":
        rows = rows.loc[[rows[selector["along"]].idxmin()]]
    elif take in ("smallest", "largest"):
        rows = rows.loc[[rows[column].idxmin() if take == "smallest" else rows[column].idxmax()]]
    elif len(rows) > 1:
        raise InputError(
            f"{selector['table']}: {len(rows)} rows match {selector.get('where', {})}; say which "
            "one with `take` or narrow `where`."
        )
    row = rows.iloc[0]
    # The interval of a share may have the name of what was counted: offensive_low.
    stem = column if f"{column}_low" in row.index else column.removesuffix("_share")
    bounds = [
        None if selector.get("point") else row.get(f"{stem}_{end}") for end in ("low", "high")
    ]
    return Measured(
        float(row[column]),
        *(None if bound is None or not math.isfinite(bound) else float(bound) for bound in bounds),
        int(row["n"]) if "n" in row.index else None,
    )


def _matches(column: pd.Series, wanted: object) -> pd.Series:
    if isinstance(wanted, list):
        return column.isin(wanted)
    if isinstance(wanted, float) or (isinstance(wanted, int) and not isinstance(wanted, bool)):
        # A temperature such as 1/35 may lose its last digit in a CSV file.
        return (pd.to_numeric(column, errors="coerce") - wanted).abs() <= ROUNDING * max(
            1, abs(wanted)
        )
    return column == wanted


def _absolute(a: Measured) -> Measured:
    if a.low is None:
        return Measured(abs(a.value), n=a.n)
    ends = sorted((abs(a.low), abs(a.high)))
    return Measured(abs(a.value), 0.0 if a.low < 0 < a.high else ends[0], ends[1], a.n)


def _difference(a: Measured, b: Measured) -> Measured:
    """a - b; its interval from the two intervals as if they were independent (Zou and Donner,
    Statistics in Medicine, 2008). A constant has no width."""
    n = min((m.n for m in (a, b) if m.n is not None), default=None)
    if a.low is None and b.low is None:
        return Measured(a.value - b.value, n=n)
    a_low, a_high = (a.value, a.value) if a.low is None else (a.low, a.high)
    b_low, b_high = (b.value, b.value) if b.low is None else (b.low, b.high)
    value = a.value - b.value
    return Measured(
        value,
        value - math.hypot(a.value - a_low, b_high - b.value),
        value + math.hypot(a_high - a.value, b.value - b_low),
        n,
    )


def _ratio(a: Measured, b: Measured) -> Measured:
    """a / b; with the interval of a, scaled, where b is a constant."""
    n = min((m.n for m in (a, b) if m.n is not None), default=None)
    if not b.value:
        return Measured(math.nan, n=n)
    if a.low is None or b.low is not None or b.n is not None or b.value < 0:
        return Measured(a.value / b.value, n=n)
    return Measured(a.value / b.value, a.low / b.value, a.high / b.value, n)


# --- judging ----------------------------------------------------------------------------------


def meets(measured: Measured, expected: Mapping) -> tuple[bool, str]:
    """Whether a measured value is what is expected, and the comparison in words.

    equals with within: the value itself, the tolerance included. above, below: the near end of the
    interval where there is one, so that chance alone does not decide.
    """
    if "equals" in expected:
        distance = abs(measured.value - expected["equals"])
        within = expected["within"]
        holds = distance <= within + ROUNDING * max(1.0, abs(expected["equals"]))
        word = "at most" if holds else "more than"
        return holds, f"{distance:.3g} from {expected['equals']:g}, {word} {within:g}"
    side, bound = next((side, expected[side]) for side in ("above", "below") if side in expected)
    end = measured.low if side == "above" else measured.high
    decisive = measured.value if end is None else end
    holds = decisive > bound if side == "above" else decisive < bound
    # NaN compares as False: an undefined value never holds.
    what = (
        "the value"
        if end is None
        else f"the interval's {'lower' if side == 'above' else 'upper'} end"
    )
    return holds, f"{what}, {decisive:.3g}, is {'' if holds else 'not '}{side} {bound:g}"


def verdict(holds: bool, stand_in: bool) -> str:
    """The ledger's word: on a stand-in a claim is neither confirmed nor refuted."""
    if stand_in:
        return HOLDS if holds else FAILS
    return REPRODUCED if holds else DIFFERS


def judge(claim: Mapping, needs: Mapping, tables: Mapping[str, pd.DataFrame]) -> dict:
    """A row of results/claims.csv: the claim, what this run measured of it, and the verdict."""
    row = {
        "id": claim["id"],
        "part": claim["part"],
        "where": claim["where"],
        "statement": claim["statement"],
        "published": claim.get("published", ""),
        "source": claim.get("source", ""),
        "whose": "paper" if any(m in claim.get("source", "") for m in ("[P]", "[N]")) else "ours",
        "figure": claim.get("figure", ""),
    }
    for evidence in claim.get("evidence", []):
        try:
            measured = measure(evidence, tables)
        except InputError as error:
            raise InputError(f"config/claims.yaml, {claim['id']}: {error}") from error
        if measured is None:
            continue
        holds, why = meets(measured, evidence["expect"])
        return row | {
            "verdict": verdict(holds, "stand_in" in evidence),
            "measured": measured.value,
            "measured_low": "" if measured.low is None else measured.low,
            "measured_high": "" if measured.high is None else measured.high,
            "n": "" if measured.n is None else measured.n,
            "on": evidence.get("stand_in", evidence.get("on", "")),
            "stand_in": "stand_in" in evidence,
            "tolerance": evidence["expect"].get("within", ""),
            "because": evidence.get("because", ""),
            "table": evidence.get("table", ""),
            "column": evidence.get("column", ""),
            "why": why,
        }
    need = needs.get(claim.get("needs"), {})
    why = (
        f"needs {need['what']}; {need['run']}"
        if need
        else "this configuration's tables have no such row"
    )
    return (
        row
        | {"verdict": NOT_RUN, "stand_in": False, "why": why}
        | dict.fromkeys(
            ("measured", "measured_low", "measured_high", "n", "on", "tolerance", "because"), ""
        )
        | {"table": "", "column": ""}
    )


COLUMNS = [
    *("id", "part", "where", "statement", "published", "source", "whose", "verdict", "measured"),
    *("measured_low", "measured_high", "n", "on", "stand_in", "tolerance", "because", "why"),
    *("table", "column", "figure"),
]


def check(ledger: Mapping, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Every claim of the ledger with its verdict; `tables` by their paths under results/."""
    rows = [judge(claim, ledger["needs"], tables) for claim in ledger["claims"].values()]
    return pd.DataFrame(rows)[COLUMNS]


def read_claims(path: Path) -> pd.DataFrame:
    """results/claims.csv, its texts as texts: an empty cell is an empty text."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def counts(claims: pd.DataFrame) -> dict[str, int]:
    """How many claims got each verdict, all five in their order."""
    found = claims["verdict"].value_counts()
    return {word: int(found.get(word, 0)) for word in VERDICTS}


# --- showing ----------------------------------------------------------------------------------


def shown(row: Mapping) -> dict:
    """A row of results/claims.csv for a page: numbers with four significant digits, an interval
    in square brackets."""
    low, high = digits(row["measured_low"]), digits(row["measured_high"])
    return dict(row) | {
        "measured": digits(row["measured"]),
        "interval": f"[{low},\u00a0{high}]" if low and high else "",
        "published": digits(row["published"]),
        "css": {REPRODUCED: "agrees", HOLDS: "agrees", DIFFERS: "differs", FAILS: "differs"}.get(
            row["verdict"], "quiet"
        ),
    }


def digits(value: object) -> str:
    """A number with four significant digits; any other text as it is."""
    try:
        return f"{float(value):.4g}"
    except (TypeError, ValueError):
        return str(value)


def summary(claims: pd.DataFrame) -> list[str]:
    """How many claims got which verdict: all, the paper's own, and our checks of its release."""
    ours = claims["whose"] == "ours"
    return [
        _counted(f"Of {len(claims)} claims", claims),
        _counted(f"{(~ours).sum()} are the paper's own ([P], [N])", claims[~ours]),
        _counted(f"{ours.sum()} are our checks and measurements ([M])", claims[ours]),
    ]


def _counted(head: str, claims: pd.DataFrame) -> str:
    return f"{head}: {', '.join(f'{word} {n}' for word, n in counts(claims).items())}."


def computed_errata(errata: list[Mapping], tables: Mapping[str, pd.DataFrame]) -> list[dict]:
    """Entries of config/errata.yaml with what this run computes of each, as texts. Of a list within
    `computed` the first that this run has is told, or else the last, as not run."""
    made = []
    for entry in errata:
        rows = []
        for item in entry.get("computed", []):
            for choice in item if isinstance(item, list) else [item]:
                try:
                    measured = measure(choice, tables)
                except InputError as error:
                    raise InputError(f"config/errata.yaml, {entry['id']}: {error}") from error
                if measured:
                    break
            rows.append(
                {
                    "label": choice["label"],
                    "printed": digits(choice.get("printed", "")),
                    "computed": digits(measured.value) if measured else NOT_RUN,
                    "interval": (
                        f"[{digits(measured.low)},\u00a0{digits(measured.high)}]"
                        if measured and measured.low is not None
                        else ""
                    ),
                }
            )
        made.append({**entry, "rows": rows})
    return made
