"""Finds the files of a dataset in the config, and computes digests of folders.

A path may stand for several files: a folder or a pattern. A digest shows whether a folder has
changed.
"""

import glob
import hashlib
import itertools
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from modality_gap.config.own_files import in_number_order
from modality_gap.errors import InputError

BRACES = re.compile(r"\{([^{}]+)\}")


def several(files: Mapping[str, str], patterns: tuple[str, ...]) -> dict[str, str]:
    """The files by their roles, with numbered roles for a path that stands for several files.

    Such a path is a folder, which stands for its files that match the `patterns` of the format, or
    a pattern: `*` is any letters, {000..012} numbers, {a,b} choices. If `patterns` is empty, each
    path stands for itself. Raises InputError if a folder or a pattern matches no file.
    """
    found = {}
    for role, path in files.items():
        paths = [path]
        if patterns and Path(path).is_dir():
            inside = itertools.chain(*(Path(path).glob(pattern) for pattern in patterns))
            paths = sorted({str(one) for one in inside if not one.name.startswith(".")})
        elif patterns and not Path(path).exists() and re.search(r"[*?{]", path):
            paths = [one for braced in _without_braces(path) for one in _matching(braced)]
        if not paths:
            kinds = " or ".join(patterns)
            raise InputError(f"{path} matches no file ({kinds}); correct the path.")
        if paths == [path]:
            found[role] = path
        else:
            found |= {f"{role}_{number}": one for number, one in enumerate(paths)}
    return found


def stem(path: str | Path) -> str:
    """The name of a file up to its first dot."""
    return Path(path).name.partition(".")[0]


def files_by_part(files: Mapping[str, str], number: int) -> dict[str, dict[str, str]]:
    """`number` files, by their roles, for each part of a data set; the last part may have fewer.
    Files are in the order of the numbers in their names. A part has the name of its first file, so
    one more file at the end changes no other part.

    Raises InputError for two files of one name, whose items would have the same ids, and for a name
    that a part cannot have.
    """
    named: dict[str, str] = {}
    for path in files.values():
        if not re.fullmatch(r"[^\W_][\w-]*", stem(path)):
            raise InputError(
                f"{path} cannot give its name to a part; rename it, with letters, digits, - and _ "
                "before the first dot, and a letter or digit at the beginning."
            )
        other = named.setdefault(stem(path), path)
        if other != path:
            raise InputError(
                f"{other} and {path} have the same name up to the first dot, with which the ids of "
                "their items would begin; rename one of them."
            )
    roles = sorted(files, key=lambda role: in_number_order(Path(files[role])))
    parts = [roles[first : first + number] for first in range(0, len(roles), number)]
    return {stem(files[part[0]]): {role: files[role] for role in part} for part in parts}


def _matching(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern)) if re.search(r"[*?]", pattern) else [pattern]


def _without_braces(pattern: str) -> Iterator[str]:
    """Every text that a pattern with {000..012} or {a,b} stands for, in order."""
    found = BRACES.search(pattern)
    if not found:
        yield pattern
        return
    inside = found[1]
    span = re.fullmatch(r"(\d+)\.\.(\d+)", inside)
    if span:
        first, last = span.groups()
        choices = [f"{n:0{len(first)}d}" for n in range(int(first), int(last) + 1)]
    else:
        choices = inside.split(",")
    for choice in choices:
        yield from _without_braces(pattern[: found.start()] + choice + pattern[found.end() :])


def files_within(folder: str | Path) -> Iterator[Path]:
    """The files of a folder and its subfolders, sorted by path. Links are followed."""
    seen, paths = set(), []
    for parent, folders, names in os.walk(folder, followlinks=True):
        place = os.path.realpath(parent)
        if place in seen:  # a link to a folder above
            folders.clear()
            continue
        seen.add(place)
        paths += [Path(parent, name) for name in names]
    yield from sorted(path for path in paths if path.is_file())


def folder_states(files: Mapping[str, str]) -> dict[str, str]:
    """A digest for each folder among `files`, by its role. It covers the names, sizes and times of
    all files inside, because the time of a folder does not show changes in its subfolders."""
    states = {}
    for role, path in files.items():
        if Path(path).is_dir():
            lines = "".join(
                f"{one.relative_to(path)} {one.stat().st_size} {one.stat().st_mtime_ns}\n"
                for one in files_within(path)
            )
            states[role] = hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()
    return states
