"""The ledger of the follow-ups: what later papers state, judged as the paper's own claims are.

config/ledger/follow_ups.yaml holds a section for each paper. Its statements never count among the
paper's claims: they are in a table of their own, results/after/follow_ups.csv.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from modality_gap.errors import InputError
from modality_gap.paper.claims import COLUMNS, INCONCLUSIVE, NOT_RUN, judge
from modality_gap.paper.ledger import written_out

SECOND_HAND = "[N]"  # the mark of a published value that is known from notes alone
NO_INTERVAL = "the value has no interval"
OF_A_PAPER = {"paper", "source", "statements"}
OF_A_STATEMENT = {"id", "statement", "published", "mark", "needs", "more", "cases", "evidence"}
# Columns of the tables that the ledger's code knows by other names.
BOUNDS = {"low": "value_low", "high": "value_high"}
RENAMED = {
    "after/measures.csv": BOUNDS,
    "after/released.csv": BOUNDS,
    "after/methods.csv": {"n_scored": "n"},
}


def load_follow_ups(path: Path) -> dict[str, Any]:
    """The file as {needs, papers, untestable, not_claimed}; raises InputError for a paper or a
    statement with an unknown key, or without one that it must have."""
    ledger = yaml.safe_load(path.read_text(encoding="utf-8"))
    for section in ledger["papers"]:
        _check(section, OF_A_PAPER, OF_A_PAPER, f"{path.name}, {section.get('paper')}")
        for entry in section["statements"]:
            where = f"{path.name}, {entry.get('id')}"
            _check(entry, {"id", "statement", "published", "mark"}, OF_A_STATEMENT, where)
    return ledger


def _check(entry: Mapping, needed: set[str], known: set[str], where: str) -> None:
    for key in sorted(needed - entry.keys()):
        raise InputError(f"{where}: {key} is missing; add it.")
    for key in sorted(entry.keys() - known):
        raise InputError(f"{where}: unknown key {key}; correct or remove it.")


def statements(ledger: Mapping) -> dict[str, dict]:
    """The statements of all papers as claims of the ledger, by their ids."""
    entries = [
        {
            **{key: value for key, value in entry.items() if key not in ("mark", "more")},
            "part": section["paper"],
            "whose": "follow-up",
            "source": entry["mark"],
        }
        for section in ledger["papers"]
        for entry in section["statements"]
    ]
    return written_out(entries, ledger["needs"], "follow_ups.yaml")


def check_follow_ups(ledger: Mapping, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Every statement with its verdicts, a row for each piece of evidence; `tables` by their paths
    below results/. A value without an interval decides nothing."""
    known = with_bounds(tables)
    claims = statements(ledger)
    rows = [row for claim in claims.values() for row in judge(claim, ledger["needs"], known)]
    for row in rows:
        if row["verdict"] not in (INCONCLUSIVE, NOT_RUN) and row["low"] == "":
            row |= {"verdict": INCONCLUSIVE, "why": f"{NO_INTERVAL} ({row['why']})"}
    return pd.DataFrame(rows, columns=COLUMNS)


def with_bounds(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables by their paths below results/, with the columns that `measure` looks for."""
    return {path: table.rename(columns=RENAMED.get(path, {})) for path, table in tables.items()}


def published_words(published: object, mark: str) -> str:
    """A published value with what its mark says of it."""
    return f"{published}, as reported in notes" if SECOND_HAND in mark else f"{published}"
