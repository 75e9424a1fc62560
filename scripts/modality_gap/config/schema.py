"""Faults against a JSON schema. Each fault is one sentence that names the key and the remedy."""

import math
import reprlib
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "integer": (int, "a whole number"),
    "number": ((int, float), "a finite number"),
    "string": (str, "a text"),
    "array": (list, "a list"),
    "object": (dict, "a mapping"),
    "boolean": (bool, "true or false"),
}
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
SIZES = {
    "minItems": "at least",
    "maxItems": "at most",
    "minProperties": "at least",
    "maxProperties": "at most",
}
# What YAML may read an unquoted word as, if not as a text.
YAML_KINDS = {bool: "a truth value", int: "a number", float: "a number", date: "a date"}
REMOVE = "remove it, or use one of"


# --- the schema -------------------------------------------------------------------------------


def schema_fault(value: object, schema: dict) -> str | None:
    """The first fault of a value against a JSON schema, as one sentence; None if there is none. The
    keys of a mapping must always be texts, even if the schema does not require it."""
    for fault in key_faults(value):
        return fault
    # A misspelt key is also a missing one: report what was written before what was not.
    error = min(Validator(schema).iter_errors(value), key=_is_no_wrong_key, default=None)
    return " ".join(_sentence(error).split()) if error else None


def _is_no_wrong_key(error: ValidationError) -> bool:
    """False if the error is a key that a mapping, a library or a format (rules of `allOf`) does not
    have."""
    return error.validator != "additionalProperties" and not (
        {"allOf", "propertyNames"} <= set(error.absolute_schema_path)
    )


def key_faults(value: object, path: tuple = ()) -> Iterator[str]:
    """A fault for each key that YAML does not read as text: yes, 1e3, 012, 2020-01-01, ~."""
    entries = enumerate(value) if isinstance(value, list) else ()
    for key, entry in value.items() if isinstance(value, dict) else entries:
        if isinstance(value, dict) and not isinstance(key, str):
            where = f"{dotted(path)} has" if path else "There is"
            yield f"{where} a key that {yaml_reads(key)}."
        else:
            yield from key_faults(entry, (*path, key))


def yaml_reads(value: object, what: str = "") -> str:
    """The type that YAML gives to an unquoted text, called `what`, and the remedy."""
    kind = next((word for kind, word in YAML_KINDS.items() if isinstance(value, kind)), "nothing")
    shown = "" if value is None else f" ({str(value).lower()})"
    called = f"{what} " if what else ""
    return f"YAML reads {called}as {kind}{shown}; write it in quotes"


def _is_type(name: str, _checker: object, value: object) -> bool:
    """Whether a value has a type of JSON Schema; but 2.0 is no integer, and .nan and .inf are no
    numbers."""
    if isinstance(value, bool):
        return name == "boolean"
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return isinstance(value, TYPES[name][0])


Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {name: partial(_is_type, name) for name in TYPES}
    ),
)


def _sentence(error: ValidationError) -> str:
    """The sentence for an error. It names the key, what is wrong, and the remedy."""
    path, value = dotted(error.absolute_path), cast(Any, error.instance)
    wanted, schema = cast(Any, error.validator_value), cast(Any, error.schema)
    shown = "empty" if value is None else reprlib.repr(value)
    if "propertyNames" in error.absolute_schema_path:
        return _key_sentence(error)
    match error.validator:
        case "additionalProperties":
            names = list(schema["properties"])
            unknown = next(key for key in value if key not in names)
            key = dotted([*error.absolute_path, str(unknown)])
            remedy = choice(unknown, names, REMOVE)
            return f"{key} is not a known key (of the file or --config); {remedy}"
        case "required":
            missing = next(key for key in wanted if key not in value)
            key = dotted([*error.absolute_path, missing])
            about = schema.get("properties", {}).get(missing, {}).get("description")
            return f"{key} is missing; add it{_in_brackets(about)}."
        case "dependentRequired":
            present = next(
                key for key in wanted if key in value and not value.keys() >= {*wanted[key]}
            )
            missing = next(key for key in wanted[present] if key not in value)
            return f"{path}.{present} needs {missing!r} beside it; add {path}.{missing}."
        case "oneOf":
            keys = [branch["required"][0] for branch in wanted]
            present = [key for key in keys if key in value]
            has = listed_words(present, "and") if present else "none of them"
            return (
                f"{path} must have exactly one of {listed_words(keys, 'or')}; it has {has}, so "
                + ("remove all but one." if present else "add one.")
            )
        case "not":
            return f"{path} has {listed_words(wanted['required'], 'and')}; remove all but one."
        case "type":
            if wanted == "string" and not isinstance(value, dict | list):
                return f"{path} must be a text, but {yaml_reads(value, 'its value')}."
            return f"{path} is {shown} but must be {TYPES[wanted][1]}; {_retype(value, wanted)}."
        case "enum":
            return f"{path} is {shown}; give one of {', '.join(wanted)}."
        case "uniqueItems":
            return f"{path} is {shown}, which has an entry twice; remove one of the two."
        case "pattern":
            return f"{path} is {shown}; correct it to match: {schema['description']}"
        case keyword if keyword in BOUNDS:
            bounds = [f"{BOUNDS[key]} {schema[key]}" for key in BOUNDS if key in schema]
            return f"{path} is {shown}, out of range; give a value {listed_words(bounds, 'and')}."
        case keyword if keyword in SIZES:
            return f"{path} has {len(value)} entries; give it {SIZES[keyword]} {wanted}."
    return f"{path} does not fit config/schema/config.yaml ({error.message}); correct it."


def _key_sentence(error: ValidationError) -> str:
    """The sentence for a key that a mapping must not have."""
    key = dotted([*error.absolute_path, str(error.instance)])
    if error.validator != "enum":
        about = cast(Any, error.schema)["description"]
        return f"{key} is not a valid name; correct it to match: {about}"
    section, *inner = error.absolute_path
    owner = "this library"
    if section == "datasets":
        owner = "this format"
    elif section == "models" and len(inner) == 1:
        owner = "a row of two encoders"
    remedy = choice(error.instance, cast(Any, error.validator_value), REMOVE)
    return f"{key} is not a key of {owner}; {remedy}"


def _in_brackets(description: str | None) -> str:
    """The first sentence of a description, for use inside another sentence; empty if there is no
    description."""
    if not description:
        return ""
    first = description.split(". ")[0].rstrip(".")
    return f" ({first[0].lower()}{first[1:]})"


def dotted(path: Iterable[str | int]) -> str:
    """A path of keys as one text, such as `loss_landscape.temperatures[2]`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).lstrip(".")


def _retype(value: object, wanted: str) -> str:
    """The remedy for a value of a wrong type. YAML reads 1e-3 as a text, but 0.001 and 1.0e-3 as
    numbers."""
    if isinstance(value, str) and wanted == "number":
        try:
            return f"write it as {float(value)}"
        except ValueError:
            pass
    return "correct it"


def choice(name: object, names: Collection[str], otherwise: str = "give one of") -> str:
    """The remedy for an unknown name: the most similar known name, or else a list of all."""
    if close := get_close_matches(str(name), names, n=1):
        return f"did you mean {close[0]}?"
    return f"{otherwise} {', '.join(names)}." if names else "there is none yet, so add it first."


def listed_words(names: Collection[str], word: str) -> str:
    """Names as a list in words: `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last


def unknown_choice(key: str, name: object, names: Collection[str], kind: str) -> str:
    """The sentence for a name that is not among the known ones."""
    return f"{key}: {name!r} is not a known {kind}; {choice(name, names)}"


def unknown_name(key: str, path: str) -> str:
    """The message for a path at which there is no file."""
    return f"{key} is {path!r}, which is not a file in {Path.cwd()}; correct the path."
