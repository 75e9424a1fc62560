"""Reads one part of both sides of a set once, in its own job, to sum and sample its pairs.

Part i of both folders holds the same items in the same order. The vectors are not copied. Only the
sums of a part (`PairSums`) and a random sample of its pairs are kept.
"""

import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits

from modality_gap.data.vectors import Source
from modality_gap.embeddings.own_pairs import as_float32
from modality_gap.embeddings.sets import METADATA_KEY, EmbeddingSet, first_repeated
from modality_gap.embeddings.stored import check_vectors
from modality_gap.errors import InputError
from modality_gap.measures.pair_sums import PairSums, sum_of_units, sum_pairs, total_of

VARYING = 4096  # random pairs of a part, for intervals and covariances
SHOWN_IDS = "{part}:{row:06d}"  # of items without ids


@dataclass(frozen=True)
class PairSample:
    """A random sample of m pairs: as many as requested, or all if there are fewer.

    `keys` (m,) are random numbers, one for each pair. The pairs with the smallest numbers are the
    sample. So, if two samples are joined, the pairs with the smallest numbers are again a sample.
    `item_ids` (m,) are texts. `a`, `b` (m, d) float32 are the vectors as the files have them.
    """

    keys: np.ndarray
    item_ids: np.ndarray
    a: np.ndarray
    b: np.ndarray


def without_skipped(a: Source, b: Source) -> tuple[Source, Source]:
    """Both sides without the items that the extraction of one of them skipped as unreadable. The
    metadata of its file list them. The returned sides have no labels."""
    abouts = (json.loads(side.metadata.get(METADATA_KEY, b"{}")) for side in (a, b))
    skipped = sorted({item for about in abouts for item in about.get("skipped", [])})
    if not skipped or a.ids is None or b.ids is None:
        return a, b
    return _without(a, a.ids, skipped), _without(b, b.ids, skipped)


def _without(side: Source, ids: pa.ChunkedArray, gone: list[str]) -> Source:
    keep = pc.invert(pc.is_in(ids, pa.array(gone)))
    mask = keep.to_numpy()

    def batches(labels: bool = False) -> Iterator[tuple[np.ndarray, None]]:
        start = 0
        for vectors, _ in side.batches(labels=False):
            yield vectors[mask[start : start + len(vectors)]], None
            start += len(vectors)

    return replace(side, items=int(mask.sum()), ids=ids.filter(keep), batches=batches)


def sum_part(a: Source, b: Source, name: str, most: int, seed: int) -> tuple[PairSums, PairSample]:
    """The sums of the pairs of a part, and a sample of at most `most` of them. Both come from one
    reading.

    `name` is the name of the part. It determines the random numbers, and the ids of items that have
    none. Raises InputError if the two sides do not hold the same items in the same order, if an id
    repeats, or if a vector has no direction.
    """
    if a.items == 0:
        raise InputError(f"{a.path} holds no embeddings; give parts with at least one row.")
    ids = _ids(a, b)
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    keys = rng.random(a.items)
    order = np.argsort(keys)
    rows = np.sort(order[: max(most, VARYING)])
    varying, sampled = (np.isin(rows, order[:number]) for number in (VARYING, most))
    named = partial(_names, ids, name)
    # A thread reads each side; BLAS's own threads would wait for them.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(2) as pool:
        work = (pool.submit(_sum_side, side, rows, named) for side in (a, b))
        (of_x, of_a), (of_y, of_b) = [one.result() for one in list(work)]
        sums = sum_pairs(of_a[varying], of_b[varying])
    sample = PairSample(keys[rows[sampled]], named(rows[sampled]), of_a[sampled], of_b[sampled])
    return replace(sums, n=a.items, x=of_x, y=of_y), sample


def _sum_side(
    source: Source, rows: np.ndarray, named: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The sum (d,) of all unit vectors of a side, and the vectors in `rows` as float32. Both come
    from one reading.

    The thread that reads a block also sums it, while the block is in the cache of its core. `named`
    gives the ids of rows, for the error about a vector without a direction.
    """
    total, start = np.zeros(source.dim), 0
    kept = np.empty((len(rows), source.dim), dtype=np.float32)
    for block, _ in source.batches(labels=False):
        vectors = as_float32(source.path, block)
        stop = start + len(vectors)
        total += sum_of_units(vectors)
        if not np.isfinite(total).all():
            check_vectors(source.path, named(np.arange(start, stop)), vectors)
        low, high = np.searchsorted(rows, [start, stop])
        kept[low:high] = vectors[rows[low:high] - start]
        start = stop
    return total, kept


def _ids(a: Source, b: Source) -> pa.ChunkedArray | None:
    """The ids (n,) of the items of a part, or None if neither side has ids. Raises InputError if
    the sides do not match."""
    for one in (a, b):
        if one.counts is not None:
            raise InputError(
                f"{one.path}: items have several vectors; remove `by_part`, and set `several`."
            )
    if a.items != b.items or a.dim != b.dim:
        raise InputError(
            f"{a.path} has {a.items} vectors of {a.dim} dimensions, and {b.path} has {b.items} "
            f"vectors of {b.dim}. With `by_part`, part i of both sides must hold vectors of the "
            "same items in the same space."
        )
    known = a.ids if a.ids is not None else b.ids
    if known is None:
        return None
    if a.ids is not None and b.ids is not None and not a.ids.equals(b.ids):
        pairs = zip(a.ids.to_pylist(), b.ids.to_pylist(), strict=True)
        row, (one, other) = next((n, pair) for n, pair in enumerate(pairs) if pair[0] != pair[1])
        raise InputError(
            f"{a.path} and {b.path}: row {row} is item {one!r} in the first file "
            f"and {other!r} in the second; give both the same items in the same order, or "
            "remove `by_part`."
        )
    if pc.count_distinct(known).as_py() < len(known):
        texts = np.array(known.to_pylist(), dtype=object)
        path = a.path if a.ids is not None else b.path
        raise InputError(
            f"{path}: item_id {texts[first_repeated(texts)]!r} occurs more than once; make the "
            "ids unique."
        )
    return known


def _names(ids: pa.ChunkedArray | None, part: str, rows: np.ndarray) -> np.ndarray:
    """The ids of `rows`. If the file has no ids, rows get names that are unique among all parts."""
    if ids is None:
        return np.array([SHOWN_IDS.format(part=part, row=row) for row in rows], dtype=object)
    return np.array(ids.take(pa.array(rows)).to_pylist(), dtype=object)


def write_part(path: str | Path, sums: PairSums, sample: PairSample) -> None:
    """Write the sums and the sample of a part. The file gets its name only when it is complete."""
    begun = f"{path}.part"
    arrays: dict[str, Any] = {f"sum_{name}": value for name, value in sums.arrays().items()}
    arrays |= {"keys": sample.keys, "item_ids": sample.item_ids.astype(str)}
    try:
        with open(begun, "wb") as file:
            np.savez(file, a=sample.a, b=sample.b, **arrays)
        os.replace(begun, path)
    finally:
        Path(begun).unlink(missing_ok=True)


def read_sums(paths: Sequence[str | Path]) -> PairSums:
    """The sums over all parts, from the files that `write_part` wrote. Raises InputError if the
    parts differ in dimension."""

    def sums() -> Iterator[PairSums]:
        first: PairSums | None = None
        for path in paths:
            with np.load(path, allow_pickle=False) as stored:
                names = [name for name in stored.files if name.startswith("sum_")]
                found = PairSums.of_arrays({name[4:]: stored[name] for name in names})
            first = first or found
            if len(found.x) != len(first.x):
                raise InputError(
                    f"{path}: {len(found.x)} dimensions, but {paths[0]} has {len(first.x)}; give "
                    "parts from one model."
                )
            yield found

    return total_of(sums())


def read_sample(paths: Sequence[str | Path], side: str, most: int) -> EmbeddingSet:
    """One side, "a" or "b", of a random sample of `most` pairs from all parts. The pairs keep their
    order."""
    keys, ids, vectors = np.zeros(0), [], []
    owners = np.zeros(0, dtype=int)
    for number, path in enumerate(paths):
        with np.load(path, allow_pickle=False) as stored:
            keys = np.concatenate([keys, stored["keys"]])
            owners = np.concatenate([owners, np.full(len(stored["keys"]), number)])
    chosen = np.zeros(len(keys), dtype=bool)
    chosen[np.argsort(keys, kind="stable")[:most]] = True
    for number, path in enumerate(paths):
        here = chosen[owners == number]
        if here.any():
            with np.load(path, allow_pickle=False) as stored:
                ids.append(stored["item_ids"][here].astype(object))
                vectors.append(stored[side][here])
    return EmbeddingSet(np.concatenate(ids), np.concatenate(vectors))
