"""What every setting may be: its kind, its limits and whether it is needed, as limits.yaml has them
(docs/development/testing.md says when to write that file again)."""

import os
from collections.abc import Iterator
from pathlib import Path

import yaml
from test_configuration import SCHEMA, resolved

from modality_gap.data.formats import FORMATS
from modality_gap.data.vector_formats import VECTOR_FORMATS
from modality_gap.encoders.build import ENCODERS

ROOT = Path(__file__).parents[3]
STORED = Path(__file__).with_name("limits.yaml")
KINDS = {"integer": "whole number", "number": "number", "string": "text", "array": "list",
         "object": "mapping", "boolean": "true or false"}  # fmt: skip
LIMITS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "exclusiveMaximum": "below {}",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "minProperties": "at least {} entries",
    "maxProperties": "at most {} entries",
    "minLength": "at least {} letters",
    "pattern": "like {}",
}


def in_words(part: dict) -> str:
    """A part of the schema in words; of a choice, each of its parts."""
    if "const" in part:
        return f"only {part['const']}"
    if "enum" in part:
        return "one of " + ", ".join(part["enum"])
    words = [KINDS[part["type"]]] if "type" in part else []
    words += [said.format(part[key]) for key, said in LIMITS.items() if key in part]
    words += ["all different"] if part.get("uniqueItems") else []
    if part.get("type") == "object" and part.get("additionalProperties") is not False:
        names = resolved(part.get("propertyNames", {})).get("pattern")
        words += [f"any names like {names}" if names else "any names"]
    choices = [one for key in ("anyOf", "oneOf") for one in part.get(key, ())]
    told = [in_words(one) for one in map(resolved, choices) if {*one} != {"required"}]
    return ", ".join([*words, *([" or ".join(dict.fromkeys(told))] if any(told) else [])])


def rules(part: dict) -> dict[str, str]:
    """What is said of the keys of a mapping together."""
    found = {}
    if one_of := [one["required"] for one in part.get("oneOf", ()) if {*one} == {"required"}]:
        found["has exactly one of"] = ", ".join(key for (key,) in one_of)
    for key, others in part.get("dependentRequired", {}).items():
        found[f"with {key} has"] = " and ".join(others)
    if "not" in part:
        found["has not both"] = " and ".join(part["not"]["required"])
    if "enum" in part.get("propertyNames", {}):
        found["has only"] = ", ".join(part["propertyNames"]["enum"])
    for key in sorted({"then", "else"} & part.keys()):
        found |= {f"({key}) {said}": keys for said, keys in rules(part[key]).items()}
    return found


def settings(part: dict, path: str) -> Iterator[tuple[str, object]]:
    """Every key below a part of the schema, in words. `<name>` stands for a name, and [] for the
    entries of a list. What the schema describes once is told once, at its own name."""
    yield from ((f"{path} {said}", keys) for said, keys in rules(part).items())
    for key, entry in part.get("properties", {}).items():
        needed = ", needed" if key in part.get("required", ()) else ""
        yield from setting(entry, f"{path}.{key}".lstrip("."), needed)
    if isinstance(part.get("additionalProperties"), dict):
        yield from setting(part["additionalProperties"], f"{path}.<name>")
    if "items" in part:
        yield from setting(part["items"], f"{path}[]")
    for one in part.get("oneOf", ()):
        yield from settings(one, path)


def setting(part: dict, path: str, more: str = "") -> Iterator[tuple[str, object]]:
    if "$ref" in part and "properties" in resolved(part):
        needed = f", with {', '.join(part['required'])}" if "required" in part else ""
        yield path, f"as {part['$ref'].removeprefix('#/$defs/')}{needed}{more}"
        return
    part = resolved(part)
    yield path, in_words(part) + more
    yield from settings(part, path)


def everything() -> dict:
    """The settings, what they share, and the keys of each library and format."""
    found = dict(settings(SCHEMA, ""))
    for name, part in SCHEMA["$defs"].items():
        if "properties" in part:
            found |= dict(settings(part, f"({name})"))
    for name, library in ENCODERS.items():
        keys = [*library.shared, *library.keys, *library.options]
        found[f"library {name}"] = {
            "prepares": dict(library.preprocessing),
            "keys": " ".join(keys),
            "needed": " ".join(library.required),
            "exactly one of": " ".join(library.one_of),
            "one precision": library.one_precision,
        }
    for name, one in FORMATS.items():
        columns = "by its files" if callable(one.columns) else " ".join(one.columns)
        found[f"format {name}"] = {
            "files": " ".join(one.files),
            "may have": " ".join(one.optional),
            "other files": one.more,
            "in folders": " ".join(one.patterns),
            "columns": columns,
        }
    for name, one in VECTOR_FORMATS.items():
        found[f"vectors {name}"] = " ".join([*one.endings, *one.marks])
    return found


def test_every_setting_has_its_kind_and_its_limits():
    found = everything()
    if os.environ.get("MODALITY_GAP_WRITE_LIMITS") == "1":
        text = yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=100)
        STORED.write_text(text, encoding="utf-8")
    stored = yaml.safe_load(STORED.read_text(encoding="utf-8"))
    assert {key: said for key, said in found.items() if stored.get(key) != said} == {}
    assert list(stored) == list(found)
