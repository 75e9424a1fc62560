"""Computes the errata of the paper and of its follow-ups."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from modality_gap.errors import InputError
from modality_gap.paper.claims import NOT_RUN
from modality_gap.paper.measured import measure
from modality_gap.paper.show import digits


def computed_errata(errata: list[Mapping], tables: Mapping[str, pd.DataFrame]) -> list[dict]:
    """The errata in config/ledger, each with the values that this run computes for it, as texts. If
    `computed` has a list, the first value in it that this run has is shown. If the run has none of
    them, the last is shown, marked as not run."""
    entries = []
    for entry in errata:
        rows = []
        for item in entry.get("computed", []):
            for choice in item if isinstance(item, list) else [item]:
                try:
                    measured = measure(choice, tables)
                except InputError as error:
                    raise InputError(
                        f"the erratum {entry['id']} in config/ledger: {error}"
                    ) from error
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
        entries.append({**entry, "rows": rows})
    return entries
