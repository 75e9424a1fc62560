"""Your own pairs: two files of other tools, matched item by item and written as embedding sets."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modality_gap.config.rows import OF_ITEM
from modality_gap.data.tiles import TILE
from modality_gap.data.vectors import LISTED, Source
from modality_gap.embeddings.sets import (
    METADATA_KEY,
    EmbeddingWriter,
    first_repeated,
    hash_ids,
    ids_and_vectors,
)
from modality_gap.errors import InputError


@dataclass(frozen=True)
class Match:
    """Which vectors of two sources form pairs.

    `rows` are the numbers (n,) of the vectors on each side, pair by pair. `names` (n,) are the ids
    of the pairs. `items` (n,) are the ids of their items, if an item may have several pairs;
    otherwise None. `alone` are the ids on each side that the other side does not have.
    """

    rows: tuple[np.ndarray, np.ndarray]
    names: pa.ChunkedArray
    items: pa.ChunkedArray | None
    alone: tuple[pa.ChunkedArray, pa.ChunkedArray]


def match(a: Source, b: Source, several: str = "") -> Match:
    """Match two sources by their ids; if one of them has no ids, item i of both is a pair.

    `several` says which vectors to use if an item has more than one on a side: the first, the last
    or all. Raises InputError if nothing matches, if the sides have no ids and differ in length, or
    if an item has several vectors and `several` is not set.
    """
    for source in (a, b):
        if source.vectors == 0:
            raise InputError(f"{source.path} holds no embeddings; give at least one row.")
        if source.dim < 2:
            raise InputError(
                f"{source.path}: vectors of dimension {source.dim} cannot be compared. Give "
                "vectors of at least 2 dimensions."
            )
    if a.dim != b.dim:
        raise InputError(
            f"{a.path} has vectors of {a.dim} dimensions, but {b.path} of {b.dim}. Give "
            "embeddings in the same space."
        )
    names, keys = _keys(a, b, several)
    if not several:
        for source, key, of_side in zip((a, b), keys, names, strict=True):
            _refuse_several(source, key, of_side)
    kept = [_kept(key, several) for key in keys]
    chosen = [key[rows] for key, rows in zip(keys, kept, strict=True)]
    if len(chosen[0]) == len(chosen[1]) and (chosen[0] == chosen[1]).all():
        rows_a, rows_b = kept
    else:
        at_a, at_b = _joined(a, b, names, *chosen)
        rows_a, rows_b = kept[0][at_a], kept[1][at_b]
    if not len(rows_a):
        raise InputError(
            f"{a.path} and {b.path}: no id is in both files (the first ids are "
            f"{names[0][0].as_py()!r} and {names[1][0].as_py()!r}); give both the same ids, or "
            "none."
        )
    alone = tuple(
        of_side.filter(pa.array(~np.isin(key, other))).unique()
        for of_side, key, other in ((names[0], keys[0], keys[1]), (names[1], keys[1], keys[0]))
    )
    taken = names[0].take(pa.array(rows_a))
    repeated = several == "all"
    called = _numbered(taken, keys[0][rows_a]) if repeated else taken
    return Match((rows_a, rows_b), called, taken if repeated else None, _as_chunked(alone))


def _as_chunked(alone: tuple) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    one, other = (pa.chunked_array([ids], pa.large_string()) for ids in alone)
    return one, other


def _keys(
    a: Source, b: Source, several: str
) -> tuple[list[pa.ChunkedArray], tuple[np.ndarray, np.ndarray]]:
    """For each side, the id of each vector, and a number that is equal for equal ids."""
    repeats = [_repeats(one) for one in (a, b)]
    if a.ids is not None and b.ids is not None:
        ids = [
            known if one.counts is None else known.take(pa.array(of))
            for one, known, of in zip((a, b), (a.ids, b.ids), repeats, strict=True)
        ]
        return ids, (_hashes(ids[0]), _hashes(ids[1]))
    if a.items != b.items:
        few, many = sorted((a, b), key=lambda one: one.items)
        times, rest = divmod(many.items, few.items)
        unordered = a.ids or b.ids or few.counts is not None
        if rest or not several or unordered:
            remedy = f"set `several` if the {times} rows of each item follow one another"
            hint = "" if rest else f", or {'give ids for both' if several or unordered else remedy}"
            raise InputError(
                f"{a.path} has {a.items} items, but {b.path} has {b.items}. Unless both have ids, "
                "row i of one is paired with row i of the other. Give both the same items in the "
                f"same order{hint}."
            )
        repeats = [of // times if one is many else of for one, of in zip((a, b), repeats,
                                                                         strict=True)]  # fmt: skip
    elif [part for part in a.parts if part[1]] != [part for part in b.parts if part[1]] and (
        a.parts and b.parts
    ):
        raise InputError(
            f"{a.path} and {b.path}: the files in the two folders differ in their number, in the "
            "numbers in their names, or in their numbers of items. Without ids, row i of one "
            "folder is paired with row i of the other. Number the files alike, and put equally "
            "many items into files with the same number."
        )
    known = a.ids if a.ids is not None else b.ids
    if known is None:
        numbers = np.arange(1 + max(of.max() for of in repeats))
        written = pc.utf8_lpad(pa.array(numbers).cast(pa.large_string()), 6, "0")
        known = pa.chunked_array([written])
        return [known.take(pa.array(of)) for of in repeats], (repeats[0], repeats[1])
    print("ids are missing, so row i of both files is pair i", file=sys.stderr)
    hashes = _hashes(known)
    ids = [known.take(pa.array(of)) for of in repeats]
    return ids, (hashes[repeats[0]], hashes[repeats[1]])


def _repeats(source: Source) -> np.ndarray:
    """For each vector, the number of its item."""
    items = np.arange(source.items)
    return items if source.counts is None else np.repeat(items, source.counts)


def _hashes(ids: pa.ChunkedArray) -> np.ndarray:
    tiles = range(0, len(ids), TILE)
    return np.concatenate([hash_ids(ids.slice(start, TILE).to_pylist()) for start in tiles])


def _refuse_several(source: Source, keys: np.ndarray, names: pa.ChunkedArray) -> None:
    """Raise InputError that names the first item with several vectors."""
    row = first_repeated(keys)
    if row is not None:
        raise InputError(
            f"{source.path}: item_id {names[row].as_py()!r} occurs more than once "
            f"({(keys == keys[row]).sum()} times); make the ids unique, or set `several` to "
            "first, last or all."
        )


def _kept(keys: np.ndarray, several: str) -> np.ndarray:
    """The rows to use: the first of each key, the last of each key, or all."""
    if several == "first":
        return np.sort(np.unique(keys, return_index=True)[1])
    if several == "last":
        return np.sort(len(keys) - 1 - np.unique(keys[::-1], return_index=True)[1])
    return np.arange(len(keys))


def _joined(
    a: Source, b: Source, names: list[pa.ChunkedArray], of_a: np.ndarray, of_b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The rows of both sides, pair by pair, in the order of the first side.

    If an item has one vector on one side, it forms a pair with each vector on the other side.
    Otherwise the k-th vectors of both sides form a pair. Raises InputError for an item that has
    several vectors on both sides, but not equally many.
    """
    order = np.argsort(of_b, kind="stable")
    starts = np.searchsorted(of_b[order], of_a, "left")
    in_b = np.searchsorted(of_b[order], of_a, "right") - starts
    _, group, size = np.unique(of_a, return_inverse=True, return_counts=True)
    in_a = size[group]
    # How many of the same item are before each row of a.
    by_key = np.argsort(of_a, kind="stable")
    place = np.empty(len(of_a), int)
    place[by_key] = np.arange(len(of_a)) - np.searchsorted(of_a[by_key], of_a[by_key], "left")
    odd = (in_a > 1) & (in_b > 1) & (in_a != in_b)
    if odd.any():
        row = int(np.flatnonzero(odd)[0])
        raise InputError(
            f"{a.path} and {b.path}: an item has {in_a[row]} vectors in the first, {in_b[row]} in "
            "the second, so they cannot be matched. Set `several` to first or last."
        )
    pairs = np.where(in_b == 0, 0, np.where(in_a == 1, in_b, 1))
    at_a = np.repeat(np.arange(len(of_a)), pairs)
    within = np.arange(len(at_a)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    shift = np.where(in_a == 1, 0, np.where(in_b == 1, 0, place))
    return at_a, order[starts[at_a] + within + shift[at_a]]


def _numbered(ids: pa.ChunkedArray, keys: np.ndarray) -> pa.ChunkedArray:
    """The ids, with #1, #2, ... added to ids that occur more than once. If another item already has
    such a name, ##1, ##2, ... are added."""
    order = np.argsort(keys, kind="stable")
    _, group, size = np.unique(keys, return_inverse=True, return_counts=True)
    place = np.empty(len(keys), int)
    place[order] = np.arange(len(keys)) - np.searchsorted(keys[order], keys[order], "left")
    named, mark = _marked(ids, place, size[group] > 1, "#"), "#"
    while first_repeated(_hashes(named)) is not None:
        mark += "#"
        named = _marked(ids, place, size[group] > 1, mark)
    return named


def _marked(
    ids: pa.ChunkedArray, place: np.ndarray, several: np.ndarray, mark: str
) -> pa.ChunkedArray:
    """The ids (n,), with `mark` and place + 1 added where `several` is true."""
    chunks = []
    for start in range(0, len(ids), TILE):
        rows = range(start, min(start + TILE, len(ids)))
        texts = ids.slice(start, TILE).to_pylist()
        named = [
            f"{text}{mark}{place[row] + 1}" if several[row] else text
            for row, text in zip(rows, texts, strict=True)
        ]
        chunks.append(pa.array(named, pa.large_string()))
    return pa.chunked_array(chunks, pa.large_string())


def write_side(
    source: Source, rows: np.ndarray, pairs: Match, path: str | Path, about: dict
) -> None:
    """Write the vectors `rows` (n,) of a source as the embedding set at `path`, in this order.

    One tile is in memory at a time. If the order is not that of the source, the vectors are first
    written to a temporary file beside `path`. `about` is added to the metadata. Raises InputError
    that names the first item whose vector has no direction.
    """
    kind = source.label_types or pa.schema([])
    more = [pa.field(OF_ITEM, pa.string())] if pairs.items is not None else []
    origin = json.loads(source.metadata.get(METADATA_KEY, b"{}"))
    with EmbeddingWriter(path, origin | about, pa.schema([*kind, *more])) as writer:
        at = 0
        for vectors, table in _ordered(source, rows, kind, Path(path)):
            names = pairs.names.slice(at, len(vectors)).to_pylist()
            _check(source.path, names, vectors)
            columns = ids_and_vectors(names, vectors)
            columns |= {name: table[name] for name in kind.names}
            if pairs.items is not None:
                columns[OF_ITEM] = pairs.items.slice(at, len(vectors)).cast(pa.string())
            writer.append(pa.table(columns))
            at += len(vectors)


def _ordered(
    source: Source, rows: np.ndarray, kind: pa.Schema, path: Path
) -> Iterator[tuple[np.ndarray, pa.Table]]:
    """Yields the vectors `rows` of a source and their labels, in this order, one tile at a time."""
    order = np.argsort(rows, kind="stable")
    if (order == np.arange(len(rows))).all():
        yield from _in_file_order(source, rows, kind)
        return
    scratch = path.with_name(path.name + ".vectors.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    tables, at = [], 0
    try:
        placed = np.memmap(scratch, np.float32, "w+", shape=(len(rows), source.dim))
        for vectors, table in _in_file_order(source, rows[order], kind):
            placed[order[at : at + len(vectors)]] = vectors
            tables.append(table)
            at += len(vectors)
        back = np.empty(len(rows), int)
        back[order] = np.arange(len(rows))
        whole = pa.concat_tables(tables) if kind.names else None
        for start in range(0, len(rows), TILE):
            here = pa.array(back[start : start + TILE])
            table = whole.take(here) if whole is not None else pa.table({})
            yield np.array(placed[start : start + TILE]), table
    finally:
        with suppress(OSError):
            os.unlink(scratch)


def _in_file_order(
    source: Source, rows: np.ndarray, kind: pa.Schema
) -> Iterator[tuple[np.ndarray, pa.Table]]:
    """Yields the same as `_ordered`, for rows in ascending order."""
    of_item = _repeats(source) if source.counts is not None and kind.names else None
    start = item = 0
    for vectors, labels in source.batches():
        stop = start + len(vectors)
        low, high = np.searchsorted(rows, [start, stop])
        wanted = rows[low:high]
        table = pa.table({})
        if labels is not None:
            at = wanted - start if of_item is None else of_item[wanted] - item
            table = pa.Table.from_batches([labels]).take(pa.array(at))
            item += len(labels)
        if len(wanted):
            yield as_float32(source.path, vectors[wanted - start]), table
        start = stop


def as_float32(path: str, vectors: np.ndarray) -> np.ndarray:
    """The vectors as float32. Raises InputError for values that float32 cannot hold."""
    if np.can_cast(vectors.dtype, np.float32):
        return vectors.astype(np.float32, copy=False)
    with np.errstate(over="ignore"):
        result = vectors.astype(np.float32)
    lost = (np.isfinite(vectors) & ~np.isfinite(result)).any()
    lost |= (vectors.any(axis=1) & ~result.any(axis=1)).any()
    if lost:
        raise InputError(
            f"{path} has values that 32-bit floating point cannot hold; scale the vectors."
        )
    return result


def _check(path: str, names: list[str], vectors: np.ndarray) -> None:
    """Raise InputError that names the first item whose vector has no direction."""
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        bad = names[int(np.flatnonzero(~finite)[0])]
        raise InputError(
            f"{path}: the vector of item {bad!r} holds NaN or infinity; embed the item again, or "
            "remove it."
        )
    zero = ~vectors.any(axis=1)
    if zero.any():
        bad = names[int(np.flatnonzero(zero)[0])]
        raise InputError(f"{path}: the vector of item {bad!r} is all zeros; remove the item.")


def recorded(source: Source, modality: str, alone: pa.ChunkedArray) -> dict:
    """The metadata of an imported side: its file, its modality, the number of its vectors, and the
    items without a partner."""
    found = {"file": Path(source.path).name, "modality": modality, "vectors": source.vectors}
    found["unmatched"] = len(alone)
    found["unmatched_named"] = alone.slice(0, LISTED).to_pylist()
    return found
