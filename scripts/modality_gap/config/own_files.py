"""Paths of your own embeddings, and how a name shows the format of a file or a folder of parts.

Formats are declared in data/vector_formats.py. Imports are light: every start of Snakemake reads
this.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modality_gap.config.declarations import VectorFormat, options_of
from modality_gap.config.schema import choice, listed_words
from modality_gap.errors import InputError


def own_path(text: str) -> str:
    """The path with ~ and environment variables expanded.

    Raises InputError for a variable that is not set.
    """
    path = os.path.expanduser(os.path.expandvars(text))
    if unset := re.search(r"\$(\w+|\{\w+\})", path):
        raise InputError(f"{text}: {unset[0]} is not set; set it, or write the path in full.")
    return path


def wildcard_in(path: str) -> str:
    """The first part of a path that Snakemake reads as a wildcard, such as {x}; empty if there is
    none."""
    found = re.search(r"\{\s*\w+\s*(,[^{}]*)?\}", path)
    return found[0] if found else ""


def in_number_order(path: Path) -> list:
    """A key for sorting paths by the numbers in them: part_2 comes before part_10."""
    return [
        (0, int(piece), "") if piece.isdecimal() else (1, 0, piece)
        for piece in re.split(r"(\d+)", path.name)
        if piece
    ]


def format_of(path: str, formats: Mapping[str, VectorFormat]) -> tuple[str, list[Path]]:
    """The name of the format of a file or a folder, and the files in their order.

    A folder of parts holds files of one format; files whose names begin with . or _ are not read.
    Raises InputError if the path does not exist, if its format is not known, or if a folder has
    files of several formats.
    """
    place = Path(path)
    endings = {ending: name for name, one in formats.items() for ending in one.endings}
    if place.is_file():
        if place.suffix.lower() in endings:
            return endings[place.suffix.lower()], [place]
        raise InputError(f"{path}: {_no_format(place.suffix, endings)}")
    if not place.is_dir():
        raise InputError(
            f"{path}: there is no such file or folder in {Path.cwd()}; correct the path."
        )
    for name, one in formats.items():
        if any((place / mark).is_file() for mark in one.marks):
            files = (file for file in place.rglob("*") if file.is_file())
            return name, sorted(files, key=lambda file: str(file))
    parts = [
        file
        for file in place.iterdir()
        if file.suffix.lower() in endings and file.name[0] not in "._" and file.is_file()
    ]
    found = sorted({endings[file.suffix.lower()] for file in parts})
    if len(found) == 1:
        return found[0], sorted(parts, key=in_number_order)
    if found:
        raise InputError(
            f"{path}: the folder has files of several formats ({listed_words(found, 'and')}). Keep "
            "the files of one format."
        )
    folders = sorted(one.name for one in place.iterdir() if one.is_dir())
    hint = f"give one of its folders ({', '.join(folders[:5])})" if folders else "correct the path"
    raise InputError(
        f"{path}: no file in the folder ends in {listed_words(list(endings), 'or')}; {hint}."
    )


def _no_format(ending: str, endings: Mapping[str, str]) -> str:
    why = f"files that end in {ending or 'nothing'} are not read"
    if ending.lower() in (".pkl", ".pickle", ".joblib"):
        why = "a pickle can run any code, so it is not read"
    return f"{why}; save the vectors as {listed_words(list(endings), 'or')}."


def source_faults(key: str, value: Any, formats: Mapping[str, VectorFormat]) -> Iterator[str]:
    """The faults of one side of a row of `pairs`: a path, or a mapping with `file` and options."""
    entry = value if isinstance(value, dict) else {"file": value}
    try:
        name, files = format_of(own_path(entry["file"]), formats)
    except InputError as error:
        yield f"{key} is {error}"
        return
    for file in files:
        if found := wildcard_in(str(file)):
            yield f"{key} has {file}, in which Snakemake reads {found} as a wildcard; rename it."
    known = options_of(formats[name])
    for option in entry.keys() - {"file", *known}:
        yield f"{key}.{option} is not an option of {name} files; " + choice(
            option, list(known), "remove it, or use one of"
        )


def by_part_faults(
    key: str, row: Mapping, sides: Mapping[str, Any], formats: Mapping[str, VectorFormat]
) -> Iterator[str]:
    """The faults of a row of `pairs` in which a separate job reads each part."""
    for other in ("several", "labels", "cluster"):
        if other in row:
            yield f"{key}.by_part cannot be combined with {other}; remove one of them."
    counts = []
    for side, value in sides.items():
        path = own_path(value["file"] if isinstance(value, dict) else value)
        name, files = format_of(path, formats)
        if not Path(path).is_dir() or not formats[name].endings:
            yield f"{key}.{side} must be a folder, because {key}.by_part is set; correct it."
        counts.append(f"{len(files)} of {side}")
    if len({count.partition(" ")[0] for count in counts}) > 1:
        yield (
            f"{key}.by_part needs the same number of parts on both sides, not "
            f"{listed_words(counts, 'and')}. Correct the folders."
        )
