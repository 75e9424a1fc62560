"""Merging the shards of an extraction, each made by a job of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modality_gap.data.parquet import open_parquet, reading_parquet
from modality_gap.embeddings.sets import EmbeddingWriter, first_repeated, hash_ids, metadata_of
from modality_gap.errors import InputError


def merge(paths: Sequence[str | Path], target: str | Path) -> None:
    """Merge the shards of one embedding set, one row group at a time.

    Shards without a row give what they skipped and the time they took. Raises InputError that names
    the file where a shard cannot be read, where its columns or the origin of its vectors are not
    the first one's, and the item where two shards have it.
    """
    parts = {}
    for path in paths:
        # One file is open at a time: there may be more shards than a process may open files.
        with open_parquet(path) as file:
            parts[path] = _Part(
                metadata_of(file), file.schema_arrow.remove_metadata(), file.metadata.num_rows
            )
        if "extraction" not in parts[path].about:
            raise InputError(f"{path}: is not a shard of an extraction; delete it and run again.")
    filled = [path for path, part in parts.items() if part.rows]
    hashes = []
    with EmbeddingWriter(target, {}) as writer:
        for path in filled:
            _check_same_origin(path, filled[0], parts)
            with open_parquet(path) as file:
                for group in range(file.num_row_groups):
                    with reading_parquet(path):
                        table = file.read_row_group(group)
                    hashes.append(hash_ids(table["item_id"].to_pylist()))
                    writer.append(table.replace_schema_metadata())
        if hashes and first_repeated(np.concatenate(hashes)) is not None:
            _name_repeated(filled, target)
        if filled:  # else the writer says that there is nothing
            abouts = [part.about for part in parts.values()]
            writer.metadata = {
                **parts[filled[0]].about,
                "skipped": [item for about in abouts for item in about.get("skipped", [])],
                "extraction": _joined([about["extraction"] for about in abouts]),
            }


class _Part(NamedTuple):
    """Metadata of a shard's file."""

    about: dict
    schema: pa.Schema
    rows: int


def _check_same_origin(path: str | Path, first: str | Path, parts: dict[str | Path, _Part]) -> None:
    """Raise InputError where a shard at `path` does not belong to the one at `first`."""
    (about, schema, _), (expected_about, expected, _) = parts[path], parts[first]
    if schema != expected:
        differ = set(schema) ^ set(expected)
        names = ", ".join(sorted({column.name for column in differ})) or "their order"
        raise InputError(
            f"{path}: its columns are not those of {first} ({names}); delete both and run again."
        )
    own = ("skipped", "extraction")  # what each shard has for itself
    for key in sorted((about.keys() | expected_about.keys()) - {*own}):
        mine, theirs = about.get(key), expected_about.get(key)
        if mine != theirs:
            raise InputError(
                f"{path}: its {key} is {mine!r}, but {first} has {theirs!r}, so they are not "
                "shards of the same extraction; delete both and run again."
            )


def _joined(parts: list[dict]) -> dict:
    """Speed of an extraction from that of its shards: seconds are summed over jobs, memory is the
    largest."""
    total = {key: sum(part[key] for part in parts) for key in parts[0] if _adds_up(key)}
    total = {key: round(value, 2) for key, value in total.items()}
    by_key = {key: [part[key] for part in parts if key in part] for part in parts for key in part}
    return {
        **total,
        "items_per_s": round(total["items"] / total["seconds"], 1),
        **{key: max(values) for key, values in by_key.items() if key.startswith("peak_")},
        **{key: ", ".join(sorted({*by_key[key]})) for key in ("device", "gpu") if key in by_key},
        "shards": len(parts),
    }


def _adds_up(key: str) -> bool:
    return key in ("items", "seconds") or (key.endswith("_s") and key != "items_per_s")


def _name_repeated(paths: Sequence[str | Path], target: str | Path) -> None:
    """Raise InputError that names the first item that occurs twice in the files."""
    where: dict[str, str | Path] = {}
    for path in paths:
        for item_id in pq.read_table(path, columns=["item_id"])["item_id"].to_pylist():
            if item_id in where:
                raise InputError(
                    f"{target}: item {item_id!r} is in {where[item_id]} and in {path}; delete both "
                    "and run again."
                )
            where[item_id] = path
