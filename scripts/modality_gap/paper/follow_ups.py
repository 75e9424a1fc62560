"""The ledger of the follow-ups: statements of later papers, judged as the paper's own claims are.

config/ledger/follow_ups.yaml has a section for each paper. Its statements never count among the
paper's claims: they are in a table of their own, results/after/follow_ups.csv.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from modality_gap.errors import InputError
from modality_gap.paper.claims import (
    COLUMNS,
    DIFFERS,
    INCONCLUSIVE,
    NOT_RUN,
    NOT_SEEN,
    REPRODUCED,
    SAME,
    judge,
)
from modality_gap.paper.ledger import written_out
from modality_gap.paper.measured import measure
from modality_gap.paper.show import digits

OWN = "Your configuration"
EXPECTED = {
    "lower": {"below": 0},
    "higher": {"above": 0},
    "unchanged": {"equals": 0, "within": 0.03},
}
SECOND_HAND = "[N]"  # the mark of a published value that is known from notes alone
NO_INTERVAL = "the value has no interval"
AFTER_HOLM = "not clear after Holm's correction over the losses"
NO_VERDICT = "no verdict"  # begins the reason where a test could not fail
# Models, data and sizes are never a follow-up's own, so no number of one is reproduced.
OF_OTHERS = {REPRODUCED: SAME, DIFFERS: NOT_SEEN}
OF_A_PAPER = {"paper", "source", "statements"}
OF_A_STATEMENT = {
    "id",
    "statement",
    "published",
    "mark",
    "needs",
    "not_tested",
    "cases",
    "evidence",
}
# Columns of the tables that the ledger's code knows by other names.
BOUNDS = {"low": "value_low", "high": "value_high"}
RENAMED = {
    "after/measures.csv": BOUNDS,
    "after/released.csv": BOUNDS,
    "after/methods.csv": {"n_scored": "n"},
}


def load_follow_ups(path: Path) -> dict[str, Any]:
    """The file as {needs, papers, untestable, not_claimed}. Raises InputError if a paper or a
    statement has an unknown key or lacks a key that it must have."""
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


def with_own_claims(ledger: Mapping, methods: Mapping[str, Mapping]) -> dict[str, Any]:
    """The ledger with a last section for the claims in `loss_study.methods` of the configuration,
    if there are any. Claims are judged by the differences between losses. Claims with `than` are
    judged by the differences of named pairs."""
    entries = []
    for name, entry in methods.items():
        for number, claim in enumerate(entry.get("claims", [])):
            where = {key: claim[key] for key in ("metric", "than") if key in claim}
            table = "losses_pairs" if "than" in claim else "losses_difference"
            evidence = {
                "table": f"after/{table}.csv",
                "where": {"method": name, **where},
                "column": "difference",
                "expect": EXPECTED[claim["is"]],
                "kind": "stand_in",
                "on": "small towers; change, paired by seed",
            }
            label, metric = entry.get("label", name), claim["metric"].replace("_", " ")
            than = f"than with {claim['than']}" if "than" in claim else "than with its baseline"
            words = "unchanged" if claim["is"] == "unchanged" else f"{claim['is']} {than}"
            entries.append(
                {
                    "id": f"own.{name}.{number + 1}",
                    "statement": f"{label}: {metric} is {words}.",
                    "published": "nothing",
                    "mark": "configuration",
                    "evidence": [evidence],
                }
            )
    own = {"paper": OWN, "source": "loss_study.methods", "statements": entries}
    return {**ledger, "papers": [*ledger["papers"], *([own] if entries else [])]}


def statements(ledger: Mapping) -> dict[str, dict]:
    """The statements of all papers, by their ids, in the form of the ledger's claims."""
    entries = [
        {
            **{key: value for key, value in entry.items() if key not in ("mark", "not_tested")},
            "part": section["paper"],
            "whose": "follow-up",
            "source": entry["mark"],
        }
        for section in ledger["papers"]
        for entry in section["statements"]
    ]
    return written_out(entries, ledger["needs"], "follow_ups.yaml")


def check_follow_ups(
    ledger: Mapping, tables: Mapping[str, pd.DataFrame], confidence: float = 0.95
) -> pd.DataFrame:
    """Every statement with its verdicts, one row for each piece of evidence. `tables` are by their
    paths below results/. A value without an interval decides nothing, nor does a difference of
    losses that is not clear after Holm's correction. No verdict is `reproduced`."""
    known = with_bounds(tables)
    rows = []
    for claim in statements(ledger).values():
        found = [
            _judged(claim, piece, ledger["needs"], known, 1 - confidence)
            for piece in claim.get("evidence", [])
        ]
        measured = [row for row in found if row["verdict"] != NOT_RUN]
        rows += measured or judge(claim | {"evidence": []}, ledger["needs"], known)
    return pd.DataFrame(rows, columns=COLUMNS)


def with_bounds(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables by their paths below results/, with columns renamed to the names that `measure`
    looks for."""
    return {path: table.rename(columns=RENAMED.get(path, {})) for path, table in tables.items()}


def _judged(
    claim: Mapping,
    piece: Mapping,
    needs: Mapping,
    tables: Mapping[str, pd.DataFrame],
    level: float,
) -> dict:
    """The row of one piece of evidence. `cannot_fail` says why a test decides nothing. `beside` are
    selectors of values that have to be seen beside the measured one, each with its `words`."""
    (row,) = judge({**claim, "evidence": [piece]}, needs, tables)
    if row["verdict"] == NOT_RUN:
        return row
    row["verdict"] = OF_OTHERS.get(row["verdict"], row["verdict"])
    if "cannot_fail" in piece:
        row |= {"verdict": INCONCLUSIVE, "why": f"{NO_VERDICT}: {piece['cannot_fail']}"}
    elif row["verdict"] != INCONCLUSIVE and row["low"] == "":
        row |= {"verdict": INCONCLUSIVE, "why": f"{NO_INTERVAL} ({row['why']})"}
    elif row["verdict"] != INCONCLUSIVE and (p := _corrected(piece, tables)) >= level:
        row |= {"verdict": INCONCLUSIVE, "why": f"{AFTER_HOLM} (p {digits(p)}; {row['why']})"}
    others = {one["words"]: measure(one, tables) for one in piece.get("beside", [])}
    shown = [f"{words} {digits(found.value)}" for words, found in others.items() if found]
    if shown:
        row["evidence"] += f" ({', '.join(shown)})"
    return row


def _corrected(piece: Mapping, tables: Mapping[str, pd.DataFrame]) -> float:
    """The p after Holm's correction, if the evidence is the direction of one difference of losses.
    It is 0 for all other evidence."""
    of_losses = piece["table"].startswith("after/losses") and piece["column"] == "difference"
    if not of_losses or "minus" in piece or "equals" in piece["expect"]:
        return 0.0
    if "p_holm" not in tables[piece["table"]]:
        return 0.0
    selector = {"table": piece["table"], "where": piece["where"], "column": "p_holm"}
    found = measure(selector, tables)
    return found.value if found else 0.0


def published_words(published: object, mark: str) -> str:
    """A published value, with words for what its mark means."""
    return f"{published}, as reported in notes" if SECOND_HAND in mark else f"{published}"
