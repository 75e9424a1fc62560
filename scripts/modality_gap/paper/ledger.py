"""Reads and checks the ledger: claims, their cases and their evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from modality_gap.config.schema import schema_fault
from modality_gap.errors import InputError

# What evidence was measured on, the strongest first; each with its words in results/claims.csv.
KINDS = {
    "own": "paper's own",
    "neighbouring": "neighbouring model",
    "simulation": "simulation",
    "printed": "printed numbers",
    "stand_in": "stand-in",
}

# --- reading the ledger -----------------------------------------------------------------------


def ledger_files(path: Path) -> list[Path]:
    """The file of a ledger and the files of its `parts`, which are in claims/ beside it."""
    ledger = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [path, *(path.parent / "claims" / f"{part}.yaml" for part in ledger.get("parts", []))]


def read_ledger(path: Path) -> dict:
    """A ledger as it is written: {needs, claims}. The claims of its parts are in the order of the
    parts."""
    path, *parts = ledger_files(path)
    ledger = yaml.safe_load(path.read_text(encoding="utf-8"))
    ledger.pop("parts", None)
    claims = [claim for part in parts for claim in yaml.safe_load(part.read_text(encoding="utf-8"))]
    return {**ledger, "claims": [*ledger.get("claims", []), *claims]}


def load_ledger(path: Path, schema_path: Path) -> dict:
    """The ledger with every entry's `cases` written out, as {needs: ..., claims: {id: claim}}.

    Raises InputError if an entry breaks the schema, an id occurs twice, a need is unknown or an
    expected value is not a number.
    """
    ledger = read_ledger(path)
    fault = schema_fault(ledger, yaml.safe_load(schema_path.read_text(encoding="utf-8")))
    if fault:
        raise InputError(f"{path.name}: {fault}")
    claims = written_out(ledger["claims"], ledger["needs"], path.name)
    return {"needs": ledger["needs"], "claims": claims}


def written_out(entries: Iterable[dict], needs: Mapping, name: str) -> dict[str, dict]:
    """Entries of the ledger `name`, by their ids, with their `cases` written out. Raises InputError
    if an id occurs twice, a need is unknown or an expected value is not a number."""
    claims: dict[str, dict] = {}
    for entry in entries:
        for claim in _cases(entry):
            if claim["id"] in claims:
                raise InputError(f"{name}: two claims have the id {claim['id']}; rename one.")
            if claim.get("needs", "nothing") not in {"nothing", *needs}:
                raise InputError(
                    f"{name}: {claim['id']} needs {claim['needs']!r}, which `needs` does not "
                    f"describe; use one of {', '.join(needs)}."
                )
            for evidence in claim.get("evidence", []):
                _check_evidence(evidence, f"{name}: {claim['id']}")
            claims[claim["id"]] = claim
    return claims


def _check_evidence(evidence: Mapping, name: str) -> None:
    """Raise InputError if evidence has an unknown kind, does not expect exactly one thing, or has a
    bound that is not a number. This comes after the check of the schema, because `cases` can cause
    these faults."""
    if evidence["kind"] not in KINDS:
        raise InputError(
            f"{name} has evidence of the kind {evidence['kind']!r}; use one of {', '.join(KINDS)}."
        )
    if "against" in evidence and {"less", "over", "minus", "absolute"} & evidence.keys():
        raise InputError(
            f"{name} has `against` beside `less`, `over`, `minus` or `absolute`; remove `against` "
            "or the others."
        )
    for expected in (evidence["expect"], *evidence.get("provided", [])):
        if len({"equals", "above", "below"} & expected.keys()) != 1:
            raise InputError(f"{name} must expect exactly one of `equals`, `above` and `below`.")
        for key in sorted(EXPECTED & expected.keys()):
            if not isinstance(expected[key], int | float):
                raise InputError(
                    f"{name}: `{key}` is {expected[key]!r}, which is not a number; "
                    "give one, such as -0.5 (to YAML, -.5 is text)."
                )


EXPECTED = {"equals", "within", "above", "below"}


def _cases(entry: dict) -> Iterator[dict]:
    """Copies of an entry, one for each of its `cases`. The values of a case replace the {names} in
    its copy. Evidence in a copy that has `cases` of its own is expanded in the same way."""
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
            raise InputError(f"{entry['id']}: a case has no value for {error}; add it.") from error
        yield claim | ({"evidence": evidence} if evidence else {})


def _filled(part: Any, values: Mapping) -> Any:
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
    """The published number of a claim, by its id, or of a piece of its evidence, by "id#piece".

    Raises InputError if the ledger has no such claim or piece, or no published number for it.
    """
    claim_id, _, piece = name.partition("#")
    claim = ledger["claims"].get(claim_id)
    pieces = {str(e["piece"]): e for e in (claim or {}).get("evidence", []) if "piece" in e}
    if claim is None or (piece and piece not in pieces):
        raise InputError(f"config/ledger/claims/ has no claim {name}; correct the id.")
    value = (pieces[piece] if piece else claim).get("published")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"config/ledger/claims/: {name} has no published number; add one.")
    return value
