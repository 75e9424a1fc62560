"""The reference of tables, from config/tables.yaml and the items of the report."""

from collections.abc import Mapping
from pathlib import Path

from generators.markdown import anchor, code, table
from modality_gap.config.tables import INTERVAL, Column, Table, load_tables

INTRODUCTION = f"""# Tables

All tables that a run writes below `results/`. A column marked {INTERVAL} is an estimate: two more
columns, with `_low` and `_high` after the name, hold the ends of its interval.
[Use the result files](../guide/results.md) explains what the tables have in common.

"""


def tables_page(
    registry: Path,
    rules: list[dict],
    measures: Mapping[str, list[Column]],
    items: Path | None = None,
) -> str:
    """The page: the units, an overview, and the columns of every table; `measures` are those that
    the registry of measures has, `items` is the file of the report's items."""
    units, tables = load_tables(registry, measures, items)
    check_rules(tables, rules)
    overview = [
        [f"[`{one.path}`](#{anchor(one.path)})", one.about, rule_of(one, rules)] for one in tables
    ]
    parts = [
        INTRODUCTION,
        table(["table", "content", "written by"], overview),
        "\n## Units\n\n",
        table(["unit", "meaning"], [[code(unit), meaning] for unit, meaning in units.items()]),
        *(described(one) for one in tables),
    ]
    return "".join(parts)


def check_rules(tables: list[Table], rules: list[dict]) -> None:
    """Raise LookupError if a rule writes a table that the registry does not describe."""
    paths = {path.removeprefix("results/") for rule in rules for path in rule["outputs"]}
    for path in sorted(paths):
        if (
            path.startswith(("statistics/", "tables/", "after/"))
            and "{study}" not in path
            and not any(writes(path, one) for one in tables)
        ):
            raise LookupError(f"config/tables.yaml does not describe {path}")


def writes(path: str, one: Table) -> bool:
    """Whether a rule's output `path` is a table, or a table of each loss and this one of them."""
    return path == one.path or ("{loss}" in path and Table(path, "", ()).is_at(one.path))


def rule_of(one: Table, rules: list[dict]) -> str:
    """The rule that writes a table, with a link to the map."""
    for rule in rules:
        for output in rule["outputs"]:
            path = output.removeprefix("results/")
            if writes(path, one) or (
                rule["name"] == "project_seed_study" and one.is_at(path.format(study=study(one)))
            ):
                return f"[`{rule['name']}`](map.md#{anchor(rule['name'])})"
    raise LookupError(f"no rule writes {one.path}")


def study(one: Table) -> str:
    """The name of the study that a table of seed studies is of."""
    return Path(one.path).name.partition("_")[0]


def described(one: Table) -> str:
    """A table's section: what it holds and its columns."""
    rows = [
        [
            code(column.name) + (f" {INTERVAL}" if column.interval else ""),
            column.unit,
            column.meaning
            + "".join(f" (empty: {one.empty[name]})" for name in column.names if name in one.empty),
        ]
        for column in one.columns
    ]
    notes = [
        f"The default configuration does not write it: {one.when}." if one.when else "",
        f"It has no rows if {one.no_rows}." if one.no_rows else "",
    ]
    text = " ".join(filter(None, [one.about, *notes]))
    return f"\n## `{one.path}`\n\n{text}\n\n{table(['column', 'unit', 'meaning'], rows)}"
