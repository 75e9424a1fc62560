"""Values that YAML alone cannot read: those of --config, and paths with ~ or environment
variables."""

import copy
import math
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml
from jsonschema import ValidationError

from modality_gap.config.load import LOADER, without_nulls
from modality_gap.config.schema import Validator

Path = tuple[str | int, ...]


# --- --config -------------------------------------------------------------------------------------


def with_types(config: dict, given: Mapping, schema: Callable[[], dict]) -> dict:
    """The configuration in which texts of --config have become numbers, truth values and nulls.
    Snakemake leaves them as texts within braces and brackets: `--config 'umap={n_neighbors: 10}'`.

    `given` is what --config contains. `schema` returns the complete schema, which decides where a
    value must stay a text.
    """
    values = {
        path: (text, value)
        for path, text in _leaves(given)
        if isinstance(text, str)
        and _at(config, path) == text
        and not isinstance(value := _read(text), str)
    }
    if not values:
        return config
    config = copy.deepcopy(config)
    for path, (_, value) in values.items():
        _set(config, path, value)
    for error in list(Validator(schema()).iter_errors(without_nulls(config))):
        for path in _wants_text(error):
            if path in values:
                _set(config, path, values[path][0])
    return config


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _leaves(entry, (*path, key))
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _leaves(entry, (*path, number))
    else:
        yield path, value


def _at(value: Any, path: Path) -> Any:
    try:
        for part in path:
            value = value[part]
    except (LookupError, TypeError):
        return None
    return value


def _set(config: dict, path: Path, value: Any) -> None:
    _at(config, path[:-1])[path[-1]] = value


def _read(text: str) -> object:
    """The value that YAML reads from a text, or a number that YAML does not recognise (1e-3)."""
    try:
        value = yaml.load(text, Loader=LOADER)
        if not isinstance(value, str):
            return value if isinstance(value, int | float) or value is None else text
        number = float(text)
    except (yaml.YAMLError, ValueError):
        return text
    return number if math.isfinite(number) else text


def _wants_text(error: ValidationError) -> Iterator[Path]:
    """The places at which a text is wanted, according to an error or the errors within it."""
    if error.validator == "type" and error.validator_value == "string":
        yield tuple(error.absolute_path)
    for one in error.context or ():
        yield from _wants_text(one)


# --- paths ----------------------------------------------------------------------------------------

OF_ENCODERS = ("architecture", "pretrained", "model")


def with_expanded_paths(config: dict) -> dict:
    """The configuration with ~ and environment variables expanded in every key that takes a path.
    The configuration need not be valid: a value that is not a text stays as it is."""
    config = copy.deepcopy(config)
    for entry in _entries(config, "datasets"):
        _expand(entry.get("files"))
    for row in _entries(config, "pairs"):
        _expand(row, but=("label", "note"))
    for entry in [*_entries(config, "encoders"), *_entries(config, "models")]:
        for part in (entry, entry.get("image"), entry.get("text")):
            _expand(part, only=OF_ENCODERS)
    for study in _entries(_mapping(config.get("supplement")), "seed_studies"):
        for panel in study.values():
            _expand(_mapping(panel).get("files"))
    return config


def _mapping(value: Any) -> dict:
    return value if isinstance(value, dict) else {}


def _entries(config: dict, section: str) -> list[dict]:
    return [entry for entry in _mapping(config.get(section)).values() if isinstance(entry, dict)]


def _expand(value: Any, only: tuple[str, ...] = (), but: tuple[str, ...] = ()) -> None:
    """Expand the texts of a mapping or a list in place."""
    if not isinstance(value, dict | list):
        return
    places: list = [*value] if isinstance(value, dict) else [*range(len(value))]
    for place in places:
        entry = value[place]
        if (only and place not in only) or place in but:
            continue
        if isinstance(entry, str):
            value[place] = _expanded(entry)
        elif isinstance(entry, dict | list):
            _expand(entry)


def _expanded(path: str) -> str:
    prefix = "local-dir:" if path.startswith("local-dir:") else ""
    return prefix + os.path.expanduser(os.path.expandvars(path.removeprefix(prefix)))
