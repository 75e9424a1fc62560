"""The parts of one embedding set in a folder: what they must have in common, and the metadata of
the whole set. Each part is a Parquet file that a separate job made."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from modality_gap.data.parquet import open_parquet
from modality_gap.data.parts import link_parts, parts_of, put_in_place
from modality_gap.embeddings.sets import metadata_of
from modality_gap.errors import InputError

# Metadata that each part has of its own; the rest is the same in all parts of a set.
OF_PART = ("skipped", "extraction", "vectors", "unmatched", "unmatched_named")
NAMED = 10  # most items that the metadata list by name


class Part(NamedTuple):
    """What the footer of a part's file contains: metadata, columns and number of rows."""

    about: dict
    schema: pa.Schema
    rows: int


def read_parts(paths: Iterable[str | Path]) -> dict[Path, Part]:
    """The footers of the parts of one set, by path.

    Raises InputError that names a part if it cannot be read, or if its columns or the origin of its
    vectors differ from those of the first part. A part without rows may be of any origin.
    """
    parts: dict[Path, Part] = {}
    for path in map(Path, paths):
        # One file is open at a time: there may be more parts than a process may open files.
        with open_parquet(path) as file:
            schema = file.schema_arrow.remove_metadata()
            parts[path] = Part(metadata_of(file), schema, file.metadata.num_rows)
    filled = [path for path, part in parts.items() if part.rows]
    for path in filled[1:]:
        _check_same_origin(path, filled[0], parts)
    return parts


def _check_same_origin(path: Path, first: Path, parts: dict[Path, Part]) -> None:
    """Raise InputError if the parts at `path` and at `first` do not belong together."""
    (about, schema, _), (expected_about, expected, _) = parts[path], parts[first]
    if schema != expected:
        differ = set(schema) ^ set(expected)
        names = ", ".join(sorted({column.name for column in differ})) or "their order"
        raise InputError(
            f"{path} and {first}: the columns differ ({names}). Delete both and run again."
        )
    for key in sorted((about.keys() | expected_about.keys()) - {*OF_PART}):
        mine, theirs = about.get(key), expected_about.get(key)
        if mine != theirs:
            raise InputError(
                f"{path}: its {key} is {mine!r}, but {first} has {theirs!r}, so they are not "
                "parts of the same set; delete both and run again."
            )


def joined_metadata(parts: Sequence[Part]) -> dict:
    """The metadata of a set, joined from its parts: what all parts share, the items that any part
    skipped or could not match, and the speed of the extraction."""
    abouts = [part.about for part in parts]
    whole = dict(next((part.about for part in parts if part.rows), abouts[0]))
    for key in ("skipped", "unmatched_named"):
        if any(key in about for about in abouts):
            whole[key] = [item for about in abouts for item in about.get(key, [])]
    for key in ("vectors", "unmatched"):
        if any(key in about for about in abouts):
            whole[key] = sum(about.get(key, 0) for about in abouts)
    if "unmatched_named" in whole:
        whole["unmatched_named"] = whole["unmatched_named"][:NAMED]
    timed = [about["extraction"] for about in abouts if "extraction" in about]
    return whole | ({"extraction": _joined(timed)} if timed else {})


def _joined(parts: list[dict]) -> dict:
    """The speed of an extraction, joined from its shards. Seconds are summed over jobs; memory is
    the largest of all."""
    total = {key: sum(part[key] for part in parts) for key in parts[0] if _adds_up(key)}
    total = {key: round(value, 2) for key, value in total.items()}
    by_key = {key: [part[key] for part in parts if key in part] for part in parts for key in part}
    return {
        **total,
        "items_per_s": round(total["items"] / max(total["seconds"], 0.01), 1),
        **{key: max(values) for key, values in by_key.items() if key.startswith("peak_")},
        **{key: ", ".join(sorted({*by_key[key]})) for key in ("device", "gpu") if key in by_key},
        "shards": len(parts),
    }


def _adds_up(key: str) -> bool:
    return key in ("items", "seconds") or (key.endswith("_s") and key != "items_per_s")


def read_about(path: str | Path) -> tuple[dict, int]:
    """The metadata and the number of rows of an embedding set (a file or a folder of parts). Only
    footers are read."""
    if Path(path).is_dir():
        parts = list(read_parts(parts_of(path)).values())
        return joined_metadata(parts), sum(part.rows for part in parts)
    with open_parquet(path) as file:
        return metadata_of(file), file.metadata.num_rows


def gather(paths: Sequence[str | Path], target: str | Path, remain: bool = False) -> None:
    """Put the parts of one set into the folder `target`, in their order (`link_parts`).

    Raises InputError if the parts do not belong together (`read_parts`) or none has a row.
    """
    if not any(part.rows for part in read_parts(paths).values()):
        raise InputError(f"{target}: there is no item to embed; widen the selection.")
    link_parts(paths, target, remain)


def copy_set(path: str | Path, target: str | Path) -> None:
    """Copy an embedding set: a file, or a folder of parts, which is copied as in `gather`."""
    if Path(path).is_dir():
        gather(parts_of(path), target)
        return
    begun = Path(f"{target}.part")
    try:
        shutil.copyfile(path, begun)
        put_in_place(begun, Path(target))
    finally:
        begun.unlink(missing_ok=True)
