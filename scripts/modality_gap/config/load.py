"""How a configuration is read from YAML."""

from pathlib import Path
from typing import Any

import yaml

from modality_gap.config.schema import key_faults
from modality_gap.errors import InputError

# Every Snakemake reads these files, two for each job of a cluster; libyaml does it in a tenth of
# the time.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_yaml(path: str | Path) -> Any:
    """What a YAML file of the project holds. Raises InputError for a key that is no text."""
    content = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=LOADER)
    for fault in key_faults(content):
        raise InputError(f"{path}: {fault}")
    return content


def without_nulls(config: dict) -> dict:
    """The configuration without the entries that are null, however deep: so an overlay removes
    what config/config.yaml has, `sets: {stitched: null}`."""
    return {
        key: without_nulls(value) if isinstance(value, dict) else value
        for key, value in config.items()
        if value is not None
    }


def tables_of(entries: object) -> list[str]:
    """Paths under results/ of every table that entries of the ledger or of its errata measure
    something in: the value of each `table` key, however deep."""
    if isinstance(entries, dict):
        own = {entries["table"]} if isinstance(entries.get("table"), str) else set()
        return sorted(own.union(*map(tables_of, entries.values())))
    if isinstance(entries, list):
        return sorted(set().union(*map(tables_of, entries)))
    return []
