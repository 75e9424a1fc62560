"""The claims ledger: what the paper states, where this run measures it, and the verdict.

config/claims.yaml holds a claim an entry: its place in the paper, whose statement it is, the
statement in our words, the published value with its source, and the evidence. A piece of evidence
is a cell of a table that a run writes (a `selector`), what it is measured on (`kind`, `on`), what
is expected of it, what has to be so for it to say anything (`provided`), and why the tolerance is
what it is. Each piece whose cell exists is judged. No verdict is typed anywhere: `verdict`
computes it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import yaml

from modality_gap.configuration import schema_fault, yaml_reads
from modality_gap.errors import InputError

REPRODUCED, CONSISTENT, DIFFERS = "reproduced", "consistent", "differs"
SAME, NOT_SEEN = "same on a stand-in", "not seen on a stand-in"
INCONCLUSIVE, NOT_RUN = "inconclusive", "not run"
# Each verdict with the class that marks it on a page.
MARKS = {
    REPRODUCED: "reproduced",
    CONSISTENT: "consistent",
    SAME: "same",
    NOT_SEEN: "not-seen",
    INCONCLUSIVE: "inconclusive",
    DIFFERS: "differs",
    NOT_RUN: "not-run",
}
VERDICTS = tuple(MARKS)
MEANINGS = {
    REPRODUCED: "holds on the paper's own model or data, on a neighbouring model, or where its "
    "simulation or theorem is run again.",
    CONSISTENT: "its printed numbers give the same when they are computed again.",
    SAME: "seen with a smaller model or other data, which does not confirm the paper's number.",
    NOT_SEEN: "not seen with a smaller model or other data, which does not refute it.",
    INCONCLUSIVE: "the interval reaches both sides of the bound, or nothing could be seen.",
    DIFFERS: "does not hold, on evidence of a kind that could have reproduced it.",
    NOT_RUN: "this configuration lacks what it needs; the line says what, and the command.",
}

# Whose statement a claim is, in the order in which they are counted, with the words for them.
WHOSE = {
    "paper": "The paper's text",
    "notebook": "The paper's notebooks",
    "recomputed": "The paper's printed numbers recomputed",
    "follow-up": "Follow-up papers",
    "ours": "Our own",
}
PAPERS_OWN = ("paper", "notebook")

# What evidence was measured on, the strongest first; each with its words in results/claims.csv.
KINDS = {
    "own": "paper's own",
    "neighbouring": "neighbouring model",
    "simulation": "simulation",
    "printed": "printed numbers",
    "stand_in": "stand-in",
}
# What holds and what fails is called by the kind of the evidence.
WORDS = {
    "own": (REPRODUCED, DIFFERS),
    "neighbouring": (REPRODUCED, DIFFERS),
    "simulation": (REPRODUCED, DIFFERS),
    "printed": (CONSISTENT, DIFFERS),
    "stand_in": (SAME, NOT_SEEN),
}

# A tolerance is what is written; only the last bits of a float may not decide.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Measured:
    """A value out of a run's tables, with its interval and n where the table has them."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    against: float | None = None  # what the row's own bound is
    at_end: bool = False  # a minimum at the end of its sweep, which may lie beyond it


# What a row of a sweep tells of its minimum; its other columns do not depend on where that is.
OF_A_MINIMUM = ("delta", "distance", "loss", "loss_excess")
STILL_FALLS = "the loss still falls at the sweep's end"


# --- reading the ledger -----------------------------------------------------------------------


def load_ledger(path: Path, schema_path: Path) -> dict:
    """The ledger with every entry's `cases` written out, as {needs: ..., claims: {id: claim}}.

    Raises InputError where an entry breaks the schema, an id comes twice, a need is unknown or an
    expected value is no number.
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
                _check_evidence(evidence, f"{path.name}: {claim['id']}")
            claims[claim["id"]] = claim
    return {"needs": ledger["needs"], "claims": claims}


def _check_evidence(evidence: Mapping, name: str) -> None:
    """Raises InputError where evidence is of no known kind, expects no one thing, or a bound is no
    number: these may come out of `cases`, where the schema cannot see them."""
    if evidence["kind"] not in KINDS:
        raise InputError(
            f"{name} has evidence of the kind {evidence['kind']!r}; use one of {', '.join(KINDS)}."
        )
    if "against" in evidence and {"less", "over", "minus", "absolute"} & evidence.keys():
        raise InputError(f"{name} has `against` beside less, over, minus or absolute; keep one.")
    for expected in (evidence["expect"], *evidence.get("provided", [])):
        if len({"equals", "above", "below"} & expected.keys()) != 1:
            raise InputError(f"{name} has to expect one of equals, above and below; keep one.")
        for key in sorted(EXPECTED & expected.keys()):
            if not isinstance(expected[key], int | float):
                raise InputError(
                    f"{name} expects {key} {expected[key]!r}, which is no number; "
                    "YAML reads -.5 as a text, write -0.5."
                )


EXPECTED = {"equals", "within", "above", "below"}


def _cases(entry: dict) -> Iterator[dict]:
    """An entry once for each of its `cases`, whose values take the place of {names} in it; in each,
    every piece of evidence once for each of its own."""
    template = {key: value for key, value in entry.items() if key not in ("cases", "evidence")}
    for values in entry.get("cases", [{}]):
        try:
            claim = _filled(template, values)
            evidence = [
                _filled({k: v for k, v in piece.items() if k != "cases"}, {**values, **own})
                for piece in entry.get("evidence", [])
                for own in _filled(piece.get("cases", [{}]), values)
            ]
        except (KeyError, IndexError, ValueError) as error:
            raise InputError(f"{entry['id']}: a case does not fill {error}; correct it.") from error
        yield claim | ({"evidence": evidence} if evidence else {})


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


def published(ledger: Mapping, name: str) -> float:
    """The published number of a claim, by its id, or of a piece of it, by "id#piece".

    Raises InputError where the ledger has no such claim or piece, or it has no published number.
    """
    claim_id, _, piece = name.partition("#")
    claim = ledger["claims"].get(claim_id)
    pieces = {str(e["piece"]): e for e in (claim or {}).get("evidence", []) if "piece" in e}
    if claim is None or (piece and piece not in pieces):
        raise InputError(f"config/claims.yaml has no claim {name}; correct the id.")
    value = (pieces[piece] if piece else claim).get("published")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"config/claims.yaml: {name} has no published number; add one.")
    return value


# --- measuring --------------------------------------------------------------------------------


def measure(selector: Mapping, tables: Mapping[str, pd.DataFrame]) -> Measured | None:
    """What a selector points at; None where this run has no such table or row.

    table, where, column: the cell (a list in `where`: rows of all of its values); with `less`, each
    row's cell less that of another column; with `against`, the cell itself, and what is expected
    counts from another column of its row, which is its own bound. `take` says which of several
    rows: the smallest or largest of these (with `against`, of the differences from the bound), the
    one at the smallest of the column `along`, or (kendall) the rank correlation of the two columns.
    `absolute` drops the cell's sign (with kendall that of every row). `over` and `minus` are
    selectors of a second value, with an `absolute` of their own, applied in this order. `point`
    leaves the interval out: a count that was made is what it is. `value` alone is a published
    constant. `at_end` of the result: the row tells of a minimum at the end of its sweep. Raises
    InputError where several rows match and `take` is absent.
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
            raise InputError(f"{selector['table']} has no column {name}; correct the claim.")
        rows = rows[_matches(rows[name], wanted)]
        # What is said of several is measured on all of them or not at all.
        if isinstance(wanted, list) and not {*wanted} <= {*rows[name]}:
            return None
    less, against = selector.get("less"), selector.get("against")
    other = against if less is None else less
    for name in [column] if other is None else [column, other]:
        if name not in rows:
            raise InputError(f"{selector['table']} has no column {name}; correct the claim.")
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
    elif take in ("smallest", "largest"):
        values = rows[column] if other is None else rows[column] - rows[other]
        if values.isna().any():  # of an undefined value nobody knows whether it is the worst
            return Measured(math.nan)
        rows = rows.loc[[values.idxmin() if take == "smallest" else values.idxmax()]]
    elif len(rows) > 1:
        raise InputError(
            f"{selector['table']}: {len(rows)} rows match {selector.get('where', {})}; say which "
            "one with `take` or narrow `where`."
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
    """A cell with its interval, unless only the `point` is wanted, and the row's n."""
    # The interval of a share may have the name of what was counted: offensive_low.
    stem = column if f"{column}_low" in row.index else column.removesuffix("_share")
    bounds = [None if point else row.get(f"{stem}_{end}") for end in ("low", "high")]
    return Measured(
        float(row[column]),
        *(None if bound is None or not math.isfinite(bound) else float(bound) for bound in bounds),
        int(row["n"]) if "n" in row.index else None,
    )


def _matches(column: pd.Series, wanted: object) -> pd.Series:
    """Where a column holds what `where` wants. Raises InputError for a word that YAML does not read
    as a text in a column of texts."""
    each = wanted if isinstance(wanted, list) else [wanted]
    if pd.api.types.is_string_dtype(column) and not all(isinstance(one, str) for one in each):
        numbers = pd.to_numeric(column, errors="coerce").notna().any()
        for one in each:
            is_number = isinstance(one, int | float) and not isinstance(one, bool)
            if not isinstance(one, str) and not (is_number and numbers):
                raise InputError(f"where: {column.name} is what {yaml_reads(one)}.")
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


def _least(*numbers: int | None) -> int | None:
    return min((n for n in numbers if n is not None), default=None)


def _difference(a: Measured, b: Measured) -> Measured:
    """a - b; its interval from the two intervals as if they were independent (Zou and Donner,
    Statistics in Medicine, 2008). A constant has no width."""
    n = _least(a.n, b.n)
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
    """a / b; with the interval of a, scaled, where b has none; of two positive intervals with that
    of the difference of their logarithms."""
    n = _least(a.n, b.n)
    if not b.value:
        return Measured(math.nan, n=n)
    if b.low is None and a.low is not None and b.value > 0:
        return Measured(a.value / b.value, a.low / b.value, a.high / b.value, n)
    ends = [end for m in (a, b) for end in (m.value, m.low, m.high) if end is not None]
    if (a.low is None and b.low is None) or min(ends) <= 0:
        return Measured(a.value / b.value, n=n)
    logs = [
        Measured(*(None if end is None else math.log(end) for end in (m.value, m.low, m.high)))
        for m in (a, b)
    ]
    ratio = _difference(*logs)
    return Measured(math.exp(ratio.value), math.exp(ratio.low), math.exp(ratio.high), n)


OPERATIONS = {"over": _ratio, "minus": _difference}


# --- judging ----------------------------------------------------------------------------------


def meets(measured: Measured, expected: Mapping) -> tuple[bool | None, str]:
    """Whether a measured value is what is expected, None where it cannot be told, and why.

    equals with within: the whole interval within the tolerance, or the value where there is no
    interval. above, below: the whole interval beyond the bound. What lies wholly elsewhere is not
    as expected; an interval that reaches both sides decides nothing, nor does an undefined value.
    """
    if not math.isfinite(measured.value):
        return None, "the value is undefined"
    what = "the value" if measured.low is None else "the interval"
    low = measured.value if measured.low is None else measured.low
    high = measured.value if measured.high is None else measured.high
    shown = f"{low:.3g}" if measured.low is None else f"[{low:.3g}, {high:.3g}]"
    if "equals" in expected:
        centre, within = expected["equals"], expected.get("within", 0)
        slack = within + ROUNDING * max(1.0, abs(centre))
        if max(abs(low - centre), abs(high - centre)) <= slack:
            inside = True
        else:
            inside = False if low > centre + slack or high < centre - slack else None
        words = {
            True: f"at most {within:g} from",
            False: f"more than {within:g} from",
            None: f"not wholly within {within:g} of",
        }
        why = f"{what}, {shown}, is {words[inside]} {centre:g}"
        if measured.low is None:
            why += f", by {abs(measured.value - centre):.3g}"
        return inside, why
    side = "above" if "above" in expected else "below"
    bound = expected[side]
    near, far = (low, high) if side == "above" else (-high, -low)
    limit = bound if side == "above" else -bound
    holds = True if near > limit else (False if far <= limit else None)
    words = {True: side, False: f"not {side}", None: "on both sides of"}
    return holds, f"{what}, {shown}, is {words[holds]} {bound:.4g}"


def verdict(holds: bool | None, kind: str) -> str:
    """The ledger's word for what holds, fails or cannot be told (None) on evidence of a kind."""
    if holds is None:
        return INCONCLUSIVE
    return WORDS[kind][0 if holds else 1]


def _expected(expect: Mapping, against: float | None) -> Mapping:
    """What is expected, counted from a row's own bound where it has one."""
    if against is None:
        return expect
    return {key: value + (key != "within") * against for key, value in expect.items()}


def _unmet(evidence: Mapping, tables: Mapping[str, pd.DataFrame]) -> str | None:
    """The reason why evidence can say nothing, with what was measured; None where it can."""
    for guard in evidence.get("provided", []):
        measured = measure(guard, tables)
        if measured is None:
            return f"{guard['reason']} (not measured in this run)"
        holds, why = meets(measured, guard)
        if not holds:
            return f"{guard['reason']} ({why})"
    return None


def judge(claim: Mapping, needs: Mapping, tables: Mapping[str, pd.DataFrame]) -> list[dict]:
    """Rows of results/claims.csv: the claim, what this run measured of it, and the verdict; a row
    for each piece of evidence that this run has, or one that says what is missing."""
    about = {key: claim.get(key, "") for key in OF_THE_CLAIM}
    rows = []
    for evidence in claim.get("evidence", []):
        try:
            measured = measure(evidence, tables)
            unmet = None if measured is None else _unmet(evidence, tables)
        except InputError as error:
            raise InputError(f"{claim['id']}: {error}") from error
        if measured is None:
            continue
        holds, why = meets(measured, _expected(evidence["expect"], measured.against))
        if measured.at_end:  # a number there would be the sweep's, not the loss's
            measured, holds, unmet = Measured(math.nan, n=measured.n), None, STILL_FALLS
        elif measured.against is not None:
            why += f", its {evidence['against']}"
        piece = evidence.get("piece", "")
        rows.append(
            about
            | {
                "where": ", ".join(filter(None, (about["where"], str(piece)))),
                "published": evidence.get("published", about["published"]),
                "verdict": verdict(None if unmet else holds, evidence["kind"]),
                "measured": "" if unmet == STILL_FALLS else measured.value,
                "low": "" if measured.low is None else measured.low,
                "high": "" if measured.high is None else measured.high,
                "n": "" if measured.n is None else measured.n,
                "evidence": f"{KINDS[evidence['kind']]}: {evidence['on']}",
                "tolerance": evidence["expect"].get("within", ""),
                "because": evidence.get("because", ""),
                "why": unmet or why,
                "table": evidence.get("table", ""),
                "column": evidence.get("column", ""),
            }
        )
    if rows:
        return rows
    need = needs.get(claim.get("needs"), {})
    why = (
        f"needs {need['what']}; {need['run']}"
        if need
        else "this configuration's tables have no such row"
    )
    return [dict.fromkeys(COLUMNS, "") | about | {"verdict": NOT_RUN, "why": why}]


OF_THE_CLAIM = ("id", "part", "where", "whose", "statement", "published", "source", "figure")
COLUMNS = [
    *("id", "part", "where", "whose", "statement", "published", "source", "verdict", "measured"),
    *("low", "high", "n", "evidence", "tolerance", "because", "why", "table", "column", "figure"),
]


def check(ledger: Mapping, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Every claim of the ledger with its verdicts, a row for each piece of evidence; `tables` by
    their paths under results/."""
    rows = [
        row for claim in ledger["claims"].values() for row in judge(claim, ledger["needs"], tables)
    ]
    return pd.DataFrame(rows)[COLUMNS]


def read_claims(path: Path) -> pd.DataFrame:
    """results/claims.csv, its texts as texts: an empty cell is an empty text."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


# --- counting ---------------------------------------------------------------------------------


def kind_of(row: Mapping) -> str:
    """The kind of a row's evidence, a key of KINDS; an empty text where nothing was run."""
    words = row["evidence"].partition(":")[0]
    return next((kind for kind, its_words in KINDS.items() if its_words == words), "")


# Of several pieces of one kind the least favourable speaks for all.
FAVOUR = (DIFFERS, NOT_SEEN, INCONCLUSIVE, REPRODUCED, CONSISTENT, SAME, NOT_RUN)


def overall(claims: pd.DataFrame) -> pd.DataFrame:
    """One row for each claim, in their order: that of its strongest evidence (the first of KINDS),
    of several of one kind the least favourable. `others` tells what all other evidence says."""
    kinds = [*KINDS, ""]
    rows = []
    for _, group in claims.groupby("id", sort=False):
        evidence = group.to_dict("records")
        first = min(
            evidence, key=lambda row: (kinds.index(kind_of(row)), FAVOUR.index(row["verdict"]))
        )
        told = Counter(
            f"{row['verdict']} ({row['evidence']})" for row in evidence if row is not first
        )
        others = "; ".join(
            f"{number} x {text}" if number > 1 else text for text, number in told.items()
        )
        rows.append(first | {"others": others or first.get("others", "")})
    return pd.DataFrame(rows, columns=[*COLUMNS, "others"])


def counts(claims: pd.DataFrame) -> dict[str, int]:
    """How many claims got each verdict, all seven in their order; a claim counts once, by its
    strongest evidence."""
    found = overall(claims)["verdict"].value_counts()
    return {word: int(found.get(word, 0)) for word in VERDICTS}


def summary(claims: pd.DataFrame) -> list[str]:
    """Sentences: first the paper's own claims alone, with what those reproduced rest on; then
    those of everyone else, a sentence each."""
    own = claims[claims["whose"].isin(PAPERS_OWN)]
    sentences = [f"Of {own['id'].nunique()} claims of the paper: {_counted(own, VERDICTS)}."]
    for whose, words in WHOSE.items():
        rows = claims[claims["whose"] == whose]
        if whose not in PAPERS_OWN and len(rows):
            found = [word for word, number in counts(rows).items() if number]
            number = f"{rows['id'].nunique()} more"
            sentences.append(f"{words}, {number}: {_counted(rows, found)}.")
    return sentences


REST_ON = {
    "own": "on the paper's own model or data",
    "neighbouring": "on a neighbouring model",
    "simulation": "by running a simulation or theorem again",
}


def _counted(claims: pd.DataFrame, words: Iterable[str]) -> str:
    """The counts of some verdicts, and what those reproduced rest on."""
    found, told = counts(claims), []
    for word in words:
        split = ""
        if word == REPRODUCED and found[word]:
            rows = overall(claims)
            kinds = [kind_of(row) for row in rows[rows["verdict"] == word].to_dict("records")]
            split = ", ".join(f"{kinds.count(k)} {on}" for k, on in REST_ON.items() if k in kinds)
        told.append(f"{word} {found[word]}{f' ({split})' if split else ''}")
    return ", ".join(told)


# --- showing ----------------------------------------------------------------------------------


def shown(row: Mapping) -> dict:
    """A row of results/claims.csv for a page: numbers with four significant digits, an interval
    in square brackets, `css` the class of its verdict."""
    low, high = digits(row["low"]), digits(row["high"])
    return dict(row) | {
        "measured": digits(row["measured"]),
        "interval": f"[{low},\u00a0{high}]" if low and high else "",
        "published": digits(row["published"]),
        "css": MARKS[row["verdict"]],
    }


def digits(value: object) -> str:
    """A number with four significant digits, of ten thousand and more all before the point; any
    other text as it is."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return f"{number:,.0f}" if 1e4 <= abs(number) < math.inf else f"{number:.4g}"


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
