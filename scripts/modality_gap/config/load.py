"""Reading a configuration from YAML."""

from pathlib import Path
from typing import Any

import yaml

from modality_gap.config.schema import key_faults
from modality_gap.errors import InputError

# Every Snakemake process reads these files (two for each cluster job); libyaml takes a tenth of
# the time.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_yaml(path: str | Path) -> Any:
    """The content of a YAML file of the project. Raises InputError for a key that is not a text."""
    content = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=LOADER)
    for fault in key_faults(content):
        raise InputError(f"{path}: {fault}")
    return content


# Sections that a null empties: what they name takes part only if it is named.
MAY_BE_EMPTY = ("models", "pairs", "sets")


def without_nulls(config: dict) -> dict:
    """The configuration without entries that are null, at any depth. An overlay can thus remove an
    entry of config/config.yaml (`sets: {stitched: null}`) or a whole section (`sets: null`)."""
    emptied: dict = {key: {} for key in MAY_BE_EMPTY if key in config and config[key] is None}
    return _without_nulls(config) | emptied


def _without_nulls(config: dict) -> dict:
    return {
        key: _without_nulls(value) if isinstance(value, dict) else value
        for key, value in config.items()
        if value is not None
    }


def with_shipped_files(value: Any, folder: Path) -> Any:
    """The configuration with absolute paths of the files that come with the workflow in `folder`.
    At any depth, a text is replaced if it begins with `config/` and names a file that is in
    `folder` but not in the working directory."""
    if isinstance(value, dict):
        return {key: with_shipped_files(entry, folder) for key, entry in value.items()}
    if isinstance(value, list):
        return [with_shipped_files(entry, folder) for entry in value]
    if isinstance(value, str) and value.startswith("config/"):
        there = folder / value
        if there.is_file() and not Path(value).exists():
            return str(there)
    return value


def sets_of(entries: object, table: str) -> list[str]:
    """The names of the sets that the ledger or its errata read from a table: each `set` in the
    `where` of an entry with this `table`, at any depth."""
    if isinstance(entries, dict):
        one = entries.get("where", {}).get("set") if entries.get("table") == table else None
        own = {one} if isinstance(one, str) else set()
        return sorted(own.union(*(sets_of(part, table) for part in entries.values())))
    if isinstance(entries, list):
        return sorted(set().union(*(sets_of(part, table) for part in entries)))
    return []


def tables_of(entries: object) -> list[str]:
    """The paths under results/ of every table that the ledger or its errata read: the value of each
    `table` key, at any depth."""
    if isinstance(entries, dict):
        own = {entries["table"]} if isinstance(entries.get("table"), str) else set()
        return sorted(own.union(*map(tables_of, entries.values())))
    if isinstance(entries, list):
        return sorted(set().union(*map(tables_of, entries)))
    return []
