"""Which losses the ledger of follow-ups and the claims compare, and with which towers.

No heavy import: the rules need it wherever the Snakefile is read.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modality_gap.errors import InputError
from modality_gap.paper.ledger import written_out

LOSSES = "after/losses"  # begins the paths of tables of losses
TABLE = f"{LOSSES}_pairs.csv"


def pairs_of_losses(study: Mapping, ledger: Mapping) -> list[list[str]]:
    """Each pair [method, than] once. Pairs come from claims with `than` in `loss_study` and from
    evidence on TABLE in the ledger {needs, papers}. Raises InputError if the `than` of a claim is
    not a method."""
    known = _names(study)
    pairs = []
    for name, entry in study["methods"].items():
        for number, claim in enumerate(entry.get("claims", [])):
            than = claim.get("than", name)
            if than not in known:
                raise InputError(
                    f"loss_study.methods.{name}.claims.{number}.than is {than!r}, which is not a "
                    "method; name one of loss_study.methods."
                )
            if "than" in claim:
                pairs.append([name, than])
    pairs += [[where["method"], where["than"]] for where in _asked(ledger)]
    return [list(pair) for pair in dict.fromkeys(map(tuple, pairs))]


def with_other_towers(ledger: Mapping, study: Mapping) -> dict[str, Any]:
    """The ledger with more evidence: each measurement of a loss is repeated with each pair of
    `towers` of `loss_study`. So a direction that holds only with some towers is shown for all of
    them."""
    towers = study.get("towers", ())

    def of(entry: Mapping) -> dict:
        pieces = [
            {**_with(piece, f"{one['hidden_layers']}x{one['dim']}"), "piece": _words(piece, one)}
            for piece in entry.get("evidence", [])
            for one in towers
            if piece.get("table", "").startswith(LOSSES)
        ]
        return {**entry, "evidence": [*entry["evidence"], *pieces]} if pieces else dict(entry)

    papers = [
        {**section, "statements": [of(entry) for entry in section["statements"]]}
        for section in ledger["papers"]
    ]
    return {**ledger, "papers": papers}


def _words(piece: Mapping, towers: Mapping) -> str:
    size = f"{towers['hidden_layers']} hidden layers, {towers['dim']} dimensions"
    return ", ".join(filter(None, (str(piece.get("piece", "")), size)))


def _with(selector: Any, towers: str) -> Any:
    """A selector, and the selectors in it, for the methods with other towers. Such a method has the
    name METHOD_TOWERS; without its predictors, it has the name METHOD_TOWERS.towers."""
    if isinstance(selector, list):
        return [_with(one, towers) for one in selector]
    if not isinstance(selector, Mapping):
        return selector
    renamed = {key: _with(value, towers) for key, value in selector.items() if key != "cases"}
    renamed |= {key: selector[key] for key in ("cases",) if key in selector}
    if "where" in selector:
        where = dict(selector["where"])
        for key in ("method", "than"):
            if key in where:
                name, dot, rest = str(where[key]).partition(".")
                where[key] = f"{name}_{towers}{dot}{rest}"
        renamed["where"] = where
    return renamed


def _names(study: Mapping) -> list[str]:
    """The names of all methods: the methods of the configuration, the same with other towers, and
    the selected ones."""
    methods = [*study["methods"]]
    towers: Sequence[Mapping] = study.get("towers", ())
    others = [f"{one['hidden_layers']}x{one['dim']}" for one in towers]
    names = methods + [f"{name}_{other}" for name in methods for other in others]
    return names + [f"{name}_selected" for name in methods if study.get("selection")]


def _asked(ledger: Mapping) -> Iterator[Mapping]:
    entries = [entry for section in ledger["papers"] for entry in section["statements"]]
    for claim in written_out(entries, ledger["needs"], "follow_ups.yaml").values():
        for piece in claim.get("evidence", []):
            selectors = (piece, piece.get("minus", {}))
            yield from (one["where"] for one in selectors if one.get("table") == TABLE)
