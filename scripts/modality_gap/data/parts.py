"""Folders of parts: which files belong to one, and how one is made of them without a copy.

A data set or an embedding set may be such a folder. Its parts are Parquet files, each made by a job
of its own.
"""

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from modality_gap.config.own_files import in_number_order
from modality_gap.errors import InputError


def parts_of(folder: str | Path) -> list[Path]:
    """The parts in a folder, in the order of their numbers: part_2 before part_10.

    Raises InputError if there are no parts, or if a part that `link_parts` put there is missing.
    """
    found = [path for path in Path(folder).glob("*.parquet") if path.name[0] not in "._"]
    if not found:
        raise InputError(f"{folder}: the folder holds no Parquet file; give another folder.")
    counted = [re.fullmatch(r"\d+-of-(\d+)", path.stem) for path in found]
    totals = {int(match[1]) for match in counted if match}
    if all(counted) and totals != {len(found)}:
        raise InputError(
            f"{folder}: only {len(found)} of {max(totals)} parts. Delete the folder and run again."
        )
    return sorted(found, key=in_number_order)


def put_in_place(begun: Path, target: Path) -> None:
    """Give a complete file or folder its name. It replaces a file or a folder of parts, as the
    configuration may have been before."""
    if target.is_dir():
        shutil.rmtree(target)
    elif begun.is_dir():
        target.unlink(missing_ok=True)
    os.replace(begun, target)


def link_parts(paths: Sequence[str | Path], target: str | Path, remain: bool = False) -> None:
    """Put files into the folder `target` as its parts; it replaces what has this name. If the file
    system has hard links, no bytes are copied, and the files may be deleted. Elsewhere they are
    copied.

    The parts get numbers in the order of the files. Files that `remain`, to which more will be
    added, keep their names, which must be in the order of the numbers in them; without hard links
    they are linked by their paths."""
    target = Path(target)
    begun = target.with_name(target.name + ".part")
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir(parents=True)
    try:
        digits = len(str(len(paths)))
        for number, path in enumerate(paths, start=1):
            numbered = f"{number:0{digits}d}-of-{len(paths)}.parquet"
            _link(Path(path), begun / (Path(path).name if remain else numbered), remain)
        put_in_place(begun, target)
    finally:
        shutil.rmtree(begun, ignore_errors=True)


def _link(source: Path, target: Path, remains: bool) -> None:
    with suppress(OSError):  # another file system, or one without links
        os.link(source.resolve(), target)
        return
    if remains:
        target.symlink_to(os.path.relpath(source.resolve(), target.parent.resolve()))
    else:
        shutil.copyfile(source, target)
