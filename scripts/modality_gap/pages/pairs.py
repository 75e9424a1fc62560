"""The page of your own pairs: what was read, and every measure of each set."""

from collections.abc import Mapping, Sequence

import pandas as pd

from modality_gap.measures import registry
from modality_gap.pages.findings.base import Table
from modality_gap.pages.words import NONE, cell


def measures_table(gap: pd.DataFrame, diagnostics: pd.DataFrame) -> Table:
    """One row per measure of gap.csv and diagnostics.csv. There is one column per set, and one for
    the meaning."""
    tables = {"gap": gap, "diagnostics": diagnostics}
    shown: dict[str, list[str]] = {}
    for name, columns in registry.columns().items():
        for column in columns:
            values = [cell(row, column) for _, row in tables[name].iterrows()]
            shown.setdefault(column.heading, [column.heading, *values, column.meaning])
    return Table(
        "Every measure, with its interval in square brackets where it has one. a is the first "
        "modality of a set, b the second.",
        ["measure", *map(str, gap["set"]), "meaning"],
        list(shown.values()),
    )


def sources_table(origins: Mapping[str, Sequence[Mapping]], gap: pd.DataFrame) -> Table:
    """One row per file: how many vectors it has, and how many of its items have no partner.

    `origins` has, by set, what the import of each modality recorded in its file.
    """
    sizes = gap.set_index("set")
    rows = []
    for name, sides in origins.items():
        for side in sides:
            alone = side.get("unmatched", 0)
            named = f" ({', '.join(side['unmatched_named'])})" if alone else ""
            rows.append(
                [
                    name,
                    side.get("modality", NONE),
                    side.get("file", NONE),
                    f"{side['vectors']:,}" if "vectors" in side else NONE,
                    f"{alone:,}{named}",
                    f"{sizes.loc[name, 'n']:,}",
                    f"{sizes.loc[name, 'dim']:,}",
                ]
            )
    return Table(
        "The files that were read. Items without a partner in the other file take no part.",
        ["set", "modality", "file", "vectors", "items without a partner", "pairs", "dimensions"],
        rows,
    )
