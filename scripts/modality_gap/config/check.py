"""Checks the whole configuration before anything runs.

The order is: config/schema/config.yaml and the declarations of libraries and formats, then names
that do not exist, then other faults.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from unicodedata import category

from modality_gap.config.declarations import Format, Library, VectorFormat, complete_schema
from modality_gap.config.faults import faults_of
from modality_gap.config.load import load_yaml
from modality_gap.config.names import encoder_entries
from modality_gap.config.own_files import by_part_faults, source_faults, wildcard_in
from modality_gap.config.references import (
    check_references,
    column_references,
    references_between_keys,
    row_references,
)
from modality_gap.config.renamed import renamed_faults
from modality_gap.config.rows import keys_of_pairs, row_faults, rows_of, with_rows
from modality_gap.config.schema import dotted, schema_fault
from modality_gap.errors import InputError


def check_config(
    config: dict,
    schema_path: Path,
    libraries: Mapping[str, Library],
    formats: Mapping[str, Format],
    vector_formats: Mapping[str, VectorFormat] | None = None,
) -> None:
    """Check the configuration as the user wrote it; raise InputError for the first fault.

    The schema is checked first. Then all names must exist, also in the entries that rows of
    `models` and `pairs` expand to. `libraries`, `formats` and `vector_formats` are the registries
    ENCODERS, FORMATS and VECTOR_FORMATS. Without `vector_formats`, files of pairs need only exist.
    Names of assets must be in `assets.yaml`, in the folder above that of the schema. Files of your
    own must exist, seen from the working directory. The error is one sentence that names the faulty
    key.
    """
    _raise_first(_character_faults(config))
    _raise_first(_brace_faults(config))
    _raise_first(renamed_faults(config))
    _raise_first(_moved_keys(config, libraries))
    fault = schema_fault(
        config, complete_schema(load_yaml(schema_path), libraries, formats, vector_formats)
    )
    if fault:
        raise InputError(fault)
    assets = load_yaml(schema_path.parents[1] / "assets.yaml")
    check_references(row_references(config))
    _raise_first(row_faults(config))
    if vector_formats is not None:
        _raise_first(_faults_of_sources(config, vector_formats))
    _raise_first(_library_faults(config, libraries))
    config = with_rows(config)
    check_references(references_between_keys(config, assets, formats))
    _raise_first(faults_of(config))
    check_references(column_references(config, formats))


def _raise_first(faults: Iterator[str]) -> None:
    for fault in faults:
        raise InputError(fault)


def _faults_of_sources(config: dict, formats: Mapping[str, VectorFormat]) -> Iterator[str]:
    for name, row in rows_of(config, "pairs"):
        sides = {key: row[key] for key in row if key not in keys_of_pairs()}
        for modality, side in sides.items():
            yield from source_faults(f"pairs.{name}.{modality}", side, formats)
        if row.get("by_part"):
            yield from by_part_faults(f"pairs.{name}", row, sides, formats)


def _character_faults(value: object, path: tuple = ()) -> Iterator[str]:
    """A fault for each text with a character that the configuration may not contain. Pages and
    figures cannot show these characters, and half of a surrogate pair cannot be written to a
    file."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _character_faults(entry, (*path, str(key)))
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _character_faults(entry, (*path, number))
    elif isinstance(value, str):
        bad = next((c for c in value if category(c) in ("Cc", "Cs") and c not in "\n\t"), None)
        if bad:
            yield f"{dotted(path)} contains the character U+{ord(bad):04X}; remove it."


def _brace_faults(value: object, path: tuple = ()) -> Iterator[str]:
    """A fault for each path of a file in which Snakemake would fill in a wildcard."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _brace_faults(entry, (*path, str(key)))
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _brace_faults(entry, (*path, number))
    elif isinstance(value, str) and (found := wildcard_in(value)) and Path(value).exists():
        yield (
            f"{dotted(path)} is {value!r}, in which Snakemake reads {found} as a wildcard; rename "
            "the file or folder."
        )


def _moved_keys(config: dict, libraries: Mapping[str, Library]) -> Iterator[str]:
    """A fault for each encoder option in its old place, beside the other keys."""
    for key, entry in encoder_entries(config):
        if isinstance(entry, dict):
            library = libraries.get(str(entry.get("library")))
            for name in library.options if library else ():
                if name in entry:
                    yield f"{key}.{name} is now called {key}.options.{name}; move it there."


def _library_faults(config: dict, libraries: Mapping[str, Library]) -> Iterator[str]:
    """The faults of encoders that only their libraries can find."""
    for key, entry in encoder_entries(config):
        yield from libraries[entry["library"]].faults(key, entry)
