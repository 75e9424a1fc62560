"""Which losses are compared with each other: what claims and the ledger of follow-ups ask for.

No heavy import: the rules need it wherever the Snakefile is read.
"""

from collections.abc import Iterator, Mapping, Sequence

from modality_gap.errors import InputError
from modality_gap.paper.ledger import written_out

TABLE = "after/losses_pairs.csv"


def pairs_of_losses(study: Mapping, ledger: Mapping) -> list[list[str]]:
    """Each pair [method, than] once: of claims with `than` in `loss_study` and of evidence of the
    ledger {needs, papers} on TABLE. Raises InputError for a claim's `than` that is no method."""
    known = _names(study)
    pairs = []
    for name, entry in study["methods"].items():
        for number, claim in enumerate(entry.get("claims", [])):
            than = claim.get("than", name)
            if than not in known:
                raise InputError(
                    f"loss_study.methods.{name}.claims.{number}.than is {than!r}, which is no "
                    "method; name one of loss_study.methods."
                )
            if "than" in claim:
                pairs.append([name, than])
    pairs += [[where["method"], where["than"]] for where in _asked(ledger)]
    return [list(pair) for pair in dict.fromkeys(map(tuple, pairs))]


def _names(study: Mapping) -> list[str]:
    """What methods are called: those of the configuration, with other towers, and selected."""
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
