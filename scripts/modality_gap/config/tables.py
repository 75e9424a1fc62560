"""The columns of each table of a run, and their meaning.

They come from the registry config/tables.yaml and the items of the report. The documentation shows
them, and tests compare them with the tables that a run writes.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modality_gap.config.load import load_yaml
from modality_gap.config.losses import DECLARED_LOSSES
from modality_gap.errors import InputError

INTERVAL = "±"  # marks a column whose interval is in the columns _low and _high


@dataclass(frozen=True)
class Column:
    """A column of a table. If `interval` is true, two more columns hold the ends of its interval.

    `label` is the column's name on pages, if it differs from `name`. `shown` lists the tables on
    pages that have the column. `empty` says when a cell has no value, if this is possible.
    """

    name: str
    unit: str
    meaning: str
    interval: bool = False
    label: str = ""
    shown: tuple[str, ...] = ()
    empty: str = ""

    @property
    def names(self) -> list[str]:
        """The names of the columns in the file."""
        ends = ["_low", "_high"] if self.interval else []
        return [self.name, *(self.name + end for end in ends)]

    @property
    def heading(self) -> str:
        """The heading of the column on a page. Raises InputError if the name has several words and
        there is no label."""
        if not self.label and "_" in self.name:
            raise InputError(f"The column {self.name} is on a page but has no heading. Write one.")
        return self.label or self.name


@dataclass(frozen=True)
class Table:
    """A table below results/.

    `path` may contain {name}, which matches any name; `about` is the content. `empty` says for some
    columns when a cell is empty. `no_rows` says when the table has no rows. `when` says why the
    default configuration has no such table.
    """

    path: str
    about: str
    columns: tuple[Column, ...]
    empty: dict[str, str] = field(default_factory=dict)
    no_rows: str = ""
    when: str = ""

    @property
    def names(self) -> list[str]:
        """The names of all columns in the file."""
        return [name for column in self.columns for name in column.names]

    def is_at(self, path: str) -> bool:
        """Whether a path, relative to results/, is the path of this table."""
        parts = re.split(r"\{\w+\}", self.path)
        return bool(re.fullmatch(r"[\w-]+".join(map(re.escape, parts)), path))


def load_tables(
    path: Path,
    measures: Mapping[str, list[Column]] | None = None,
    items: Path | None = None,
) -> tuple[dict[str, str], list[Table]]:
    """Returns the units with their meanings, and all tables in their order.

    `measures` are the columns of the registry of measures: `{measures: name}` lists them, and other
    tables share their meanings. `items` is the file of the report's items, each of which may
    describe tables of its own. A path with {loss} stands for one table per declared loss without
    its own entry. Raises InputError for a column without a meaning, an unknown unit, a column or
    table that is listed twice, or an `empty` that names no column of its table.
    """
    registry = load_yaml(path)
    for item, entry in load_yaml(items).items() if items else ():
        for name, table in entry.get("tables", {}).items():
            if name in registry["tables"]:
                raise InputError(f"{items}, {item}: {name} is described twice; remove one.")
            registry["tables"][name] = table
    registry["measures"] = measures = measures or {}
    registry["columns"] |= {
        column.name: [column.unit, column.meaning, column.label]
        for columns in measures.values()
        for column in columns
    }
    tables = []
    for name, entry in _with_losses(registry["tables"]):
        columns = tuple(_columns(entry["columns"], registry, f"{path.name}, {name}"))
        table = Table(
            name,
            entry["about"],
            columns,
            {column.name: column.empty for column in columns if column.empty}
            | entry.get("empty", {}),
            **{key: entry[key] for key in ("no_rows", "when") if key in entry},
        )
        for column in table.names:
            if table.names.count(column) > 1:
                raise InputError(f"{path.name}, {name}: {column} is listed twice; remove one.")
        for column in table.empty.keys() - set(table.names):
            raise InputError(
                f"{path.name}, {name}: `empty` names {column}, which is not a column of the "
                "table; correct the name."
            )
        tables.append(table)
    return registry["units"], tables


def _with_losses(tables: dict) -> Iterator[tuple[str, dict]]:
    """The path and the entry of every table. A path with {loss} becomes one path per loss."""
    for path, entry in tables.items():
        if "{loss}" not in path:
            yield path, entry
            continue
        for loss in DECLARED_LOSSES.values():
            one = path.replace("{loss}", loss.prefix)
            if one not in tables:
                own: list = [
                    {name: ["number", f"{name} of the {loss.label}"]} for name in loss.parameters
                ]
                own += ["own"] if loss.keys else []
                columns = [own if item == {"own": "loss"} else item for item in entry["columns"]]
                about = entry["about"].replace("{label}", loss.label)
                yield one, {**entry, "about": about, "columns": columns}


def _columns(listed: list, registry: dict, where: str) -> Iterator[Column]:
    """The columns of a list. An element is a name, {name: [unit, meaning]}, {name: [unit, meaning,
    heading]}, or another such list."""
    for item in listed:
        if isinstance(item, list):
            yield from _columns(item, registry, where)
            continue
        if isinstance(item, dict) and "measures" in item:
            yield from registry["measures"][item["measures"]]
            continue
        named, about = next(iter(item.items())) if isinstance(item, dict) else (item, None)
        name = named.removesuffix(INTERVAL)
        about = about or registry["columns"].get(name)
        if about is None:
            raise InputError(f"{where}: {name} is not described. Add it under `columns`.")
        unit, meaning, *label = about
        if not isinstance(meaning, str):
            raise InputError(f"{where}: the meaning of {name} is not a text; put it in quotes.")
        if unit not in registry["units"]:
            raise InputError(
                f"{where}: {name} has the unit {unit}, which is not described. Add it under "
                "`units`."
            )
        yield Column(name, unit, meaning, named.endswith(INTERVAL), *label)
