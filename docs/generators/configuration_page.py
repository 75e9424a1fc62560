"""The reference of the configuration: meanings from the schema, defaults from the file."""

import json
from collections.abc import Iterator
from pathlib import Path

from generators.markdown import code, table
from modality_gap.config.load import load_yaml

INTRODUCTION = """# Configuration

Every key of `config/config.yaml`. A file of your own, given with `--configfile`, is merged into it;
see [Run it](../guide/running.md#change-a-setting). `<name>` stands for a name that you choose.
*Default* is the value in `config/config.yaml`; the entries under a name are not repeated here.

"""
LONGEST = 60  # characters of a default; a longer one is in the file


def configuration_page(schema: dict, defaults_path: Path) -> str:
    """The page: a section per top-level key, a row per key below it. The schema is complete, with
    the keys of all libraries and formats."""
    defaults = load_yaml(defaults_path)
    parts = [INTRODUCTION]
    for key, entry in schema["properties"].items():
        entry = resolved(entry, schema)
        rows = [
            [code(path), kind(part, schema), value, part.get("description", "")]
            for path, part, value in below(key, entry, schema, defaults.get(key))
        ]
        parts.append(f"\n## `{key}`\n\n{entry.get('description', '')}\n\n")
        parts.append(table(["key", "value", "default", "meaning"], rows))
    return "".join(parts)


def resolved(entry: dict, schema: dict) -> dict:
    """A part of the schema with what it refers to."""
    if "$ref" not in entry:
        return entry
    target = schema
    for key in entry["$ref"].removeprefix("#/").split("/"):
        target = target[key]
    return resolved(target, schema) | {key: entry[key] for key in entry if key != "$ref"}


def below(path: str, entry: dict, schema: dict, default: object) -> Iterator[tuple[str, dict, str]]:
    """All keys at and below one, each with its part of the schema and its default."""
    properties, others = entry.get("properties", {}), entry.get("additionalProperties")
    if not properties and not isinstance(others, dict):
        yield path, entry, shown(default)
        return
    for key, part in properties.items():
        inner = default.get(key) if isinstance(default, dict) else None
        yield from below(f"{path}.{key}", resolved(part, schema), schema, inner)
    if isinstance(others, dict):
        yield from below(f"{path}.<name>", resolved(others, schema), schema, None)


def shown(default: object) -> str:
    """A default as one writes it in YAML."""
    if default is None:
        return ""
    text = default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)
    return code(text) if len(text) <= LONGEST else "see the file"


def kind(entry: dict, schema: dict) -> str:
    """What a value may be, in words."""
    if "const" in entry:
        return code(json.dumps(entry["const"]))
    if "enum" in entry:
        return " or ".join(code(value) for value in entry["enum"])
    if alternatives := entry.get("oneOf") or entry.get("anyOf"):
        words = [kind(resolved(one, schema), schema) for one in alternatives]
        return " or ".join(dict.fromkeys(filter(None, words)))
    name = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "true or false",
        "array": "list",
        "object": "mapping",
    }.get(str(entry.get("type")), "")
    if entry.get("type") == "array":
        of = kind(resolved(entry.get("items", {}), schema), schema)
        name += f" of: {of}" if of else ""
    limits = [
        f"{words} {entry[key]:,}"
        for key, words in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if key in entry
    ]
    return ", ".join(filter(None, [name, *limits]))
