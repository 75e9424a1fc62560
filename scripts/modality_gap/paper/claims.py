"""The claims ledger: what the paper states, where this run measures it, and the verdict.

config/ledger/claims/ has one entry per claim: its place in the paper, whose statement it is, the
statement in our words, the published value with its source, and the evidence. A piece of evidence
is a cell of a table that a run writes (a `selector`), with what it is measured on (`kind`, `on`)
and what is expected of it. It also says under which condition it says anything (`provided`), and
the reason for the tolerance. Each piece whose cell exists is judged. No verdict is typed anywhere:
`verdict` computes it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from modality_gap.errors import InputError
from modality_gap.paper.ledger import KINDS
from modality_gap.paper.measured import ROUNDING, Measured, measure

REPRODUCED, CONSISTENT, DIFFERS = "reproduced", "consistent", "differs"
SAME, NOT_SEEN = "same on a stand-in", "not seen on a stand-in"
INCONCLUSIVE, NOT_RUN = "inconclusive", "not run"
MEANINGS = {
    REPRODUCED: "holds on the paper's own model and data, with a neighbour for one of the two, or "
    "where its simulation or theorem is run again.",
    CONSISTENT: "its printed numbers give the same when they are computed again.",
    SAME: "seen with a smaller model or other data, which does not confirm the paper's number.",
    NOT_SEEN: "not seen with a smaller model or other data, which does not refute it.",
    INCONCLUSIVE: "the interval reaches both sides of the bound, or nothing could be seen.",
    DIFFERS: "does not hold, on evidence of a kind that could have reproduced it.",
    NOT_RUN: "this configuration lacks what it needs; the line says what, and the command.",
}

# What holds and what fails is called by the kind of the evidence.
WORDS = {
    "own": (REPRODUCED, DIFFERS),
    "neighbouring": (REPRODUCED, DIFFERS),
    "simulation": (REPRODUCED, DIFFERS),
    "printed": (CONSISTENT, DIFFERS),
    "stand_in": (SAME, NOT_SEEN),
}
TESTS = ("equals", "above", "below")  # what can be expected of a value
STILL_FALLS = "the loss still falls at the sweep's end"
COMPARED = "; a printed number, compared as it stands, without an interval"


# --- judging ----------------------------------------------------------------------------------


def meets(measured: Measured, expected: Mapping) -> tuple[bool | None, str]:
    """Whether a measured value is as expected (None if that is undecided), and the reason.

    `equals` with `within`: the whole interval must be within the tolerance; without an interval,
    the value must be. `above`, `below`: the whole interval must be beyond the bound. An interval
    wholly on the other side is not as expected. An interval that reaches both sides decides
    nothing, nor does an undefined value.
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
        inside: bool | None = None
        if max(abs(low - centre), abs(high - centre)) <= slack:
            inside = True
        elif low > centre + slack or high < centre - slack:
            inside = False
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
    """The verdict for evidence of a kind. `holds` says whether the evidence holds; if it is None,
    the evidence decides nothing."""
    if holds is None:
        return INCONCLUSIVE
    return WORDS[kind][0 if holds else 1]


def _expected(expect: Mapping, against: float | None) -> Mapping:
    """What is expected; if the row has a bound of its own, relative to this bound."""
    if against is None:
        return expect
    return {key: value + (key != "within") * against for key, value in expect.items()}


def _unmet(evidence: Mapping, tables: Mapping[str, pd.DataFrame]) -> str | None:
    """The reason why evidence is inconclusive, with the measured value; None if it is not
    inconclusive."""
    for guard in evidence.get("provided", []):
        measured = measure(guard, tables)
        if measured is None:
            return f"{guard['reason']} (not measured in this run)"
        holds, why = meets(measured, guard)
        if not holds:
            return f"{guard['reason']} ({why})"
    return None


def judge(claim: Mapping, needs: Mapping, tables: Mapping[str, pd.DataFrame]) -> list[dict]:
    """Rows of results/claims.csv: the claim, what this run measured for it, and the verdict. There
    is one row for each piece of evidence that this run has. If it has none, one row says what is
    missing."""
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
        expected = _expected(evidence["expect"], measured.against)
        holds, why = meets(measured, expected)
        shown, at_end = _with_interval(measured, evidence, tables), measured.at_end
        if evidence["kind"] == "printed" and shown.low is None:
            why += COMPARED
        if at_end:  # a number there would be the sweep's, not the loss's
            measured, holds, unmet = Measured(math.nan, n=measured.n), None, unmet or STILL_FALLS
            shown = measured
        elif measured.against is not None:
            why += f", its {evidence['against'].replace('_', ' ')}"
        piece = evidence.get("piece", "")
        rows.append(
            about
            | {
                "where": ", ".join(filter(None, (about["where"], str(piece)))),
                "published": evidence.get("published", about["published"]),
                "verdict": verdict(None if unmet else holds, evidence["kind"]),
                "measured": "" if at_end else measured.value,
                "low": "" if shown.low is None else shown.low,
                "high": "" if shown.high is None else shown.high,
                "n": "" if measured.n is None else measured.n,
                "evidence": f"{KINDS[evidence['kind']]}: {evidence['on']}",
                "test": next(word for word in TESTS if word in expected),
                "bound": next(expected[word] for word in TESTS if word in expected),
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


def _with_interval(
    measured: Measured, evidence: Mapping, tables: Mapping[str, pd.DataFrame]
) -> Measured:
    """A measured value with the interval that is shown beside it, even if the value alone is
    judged. A printed number gets no interval, nor does a difference of values that are not
    independent."""
    alone = evidence["kind"] == "printed" or {"less", "minus"} & evidence.keys()
    if not evidence.get("point") or alone:
        return measured
    return measure({**evidence, "point": False}, tables) or measured


OF_THE_CLAIM = ("id", "part", "where", "whose", "statement", "published", "source", "figure")
COLUMNS = [
    *("id", "part", "where", "whose", "statement", "published", "source", "verdict", "measured"),
    *("low", "high", "n", "evidence", "test", "bound", "tolerance", "because", "why", "table"),
    *("column", "figure"),
]


def check(ledger: Mapping, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Every claim of the ledger with its verdicts, one row for each piece of evidence. `tables` are
    by their paths below results/."""
    rows = [
        row for claim in ledger["claims"].values() for row in judge(claim, ledger["needs"], tables)
    ]
    return pd.DataFrame(rows)[COLUMNS]
