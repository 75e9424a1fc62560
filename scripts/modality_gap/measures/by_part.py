"""One part of both sides of your own pairs: read once, summed and sampled, in its own job.

Part i of both folders holds the same items in the same order. Nothing is copied: what is kept of a
part are its sums (`PairSums`) and a random sample of its pairs.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from modality_gap.data.tiles import read_ahead
from modality_gap.data.vectors import Source
from modality_gap.embeddings.own_pairs import as_float32
from modality_gap.embeddings.sets import EmbeddingSet, first_repeated, hash_ids
from modality_gap.embeddings.stored import check_vectors
from modality_gap.errors import InputError
from modality_gap.measures.pair_sums import PairSums, sum_of_units, sum_pairs, total_of

VARYING = 4096  # random pairs of a part, for intervals and covariances
ROWS = 1024  # pairs that are read and summed at a time
SHOWN_IDS = "{part}:{row:06d}"  # of items without ids


@dataclass(frozen=True)
class PairSample:
    """A random sample of m pairs: as many as requested, or all if there are fewer.

    Each pair has a random number, `keys` (m,), and the pairs with the smallest are the sample, so
    that of two samples together those with the smallest are a sample of both. `item_ids` (m,) of
    texts; `a`, `b` (m, d) float32, the vectors as the files have them.
    """

    keys: np.ndarray
    item_ids: np.ndarray
    a: np.ndarray
    b: np.ndarray


def sum_part(a: Source, b: Source, name: str, most: int, seed: int) -> tuple[PairSums, PairSample]:
    """The sums of the pairs of a part, and a sample of at most `most` of them, from one reading.

    `name` is that of the part, from which its random numbers and the ids of items without any
    follow. Raises InputError if the two sides do not hold the same items in the same order, for an
    id that repeats, and for a vector without a direction.
    """
    if a.items == 0:
        raise InputError(f"{a.path}: holds no embeddings; give parts with at least one row.")
    ids = _ids(a, b, name)
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    keys = rng.random(a.items)
    order = np.argsort(keys)
    rows = np.sort(order[: max(most, VARYING)])
    totals = np.zeros((2, a.dim))
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    start = 0
    # Two threads read at the same time; BLAS's own threads would wait for them.
    with threadpool_limits(1, "blas"):
        for pair in _tiles(a, b):
            stop = start + len(pair[0])
            for source, vectors, total in zip((a, b), pair, totals, strict=True):
                total += sum_of_units(vectors)
                if not np.isfinite(total).all():
                    check_vectors(source.path, ids[start:stop], vectors)
            here = rows[slice(*np.searchsorted(rows, [start, stop]))] - start
            kept.append((pair[0][here], pair[1][here]))
            start = stop
    of_a, of_b = (np.concatenate(side) for side in zip(*kept, strict=True))
    varying, sampled = (np.isin(rows, order[:number]) for number in (VARYING, most))
    sums = replace(sum_pairs(of_a[varying], of_b[varying]), n=start, x=totals[0], y=totals[1])
    chosen = rows[sampled]
    return sums, PairSample(keys[chosen], ids[chosen], of_a[sampled], of_b[sampled])


def _ids(a: Source, b: Source, name: str) -> np.ndarray:
    """The ids of the items of a part, (n,). Raises InputError where the sides do not match."""
    for one in (a, b):
        if one.counts is not None:
            raise InputError(
                f"{one.path}: items have several vectors; remove `by_part`, and set `several`."
            )
    if a.items != b.items or a.dim != b.dim:
        raise InputError(
            f"{a.path} has {a.items} vectors of {a.dim} dimensions, and {b.path} has {b.items} of "
            f"{b.dim}. With `by_part`, give the same items in part i of both sides."
        )
    known = a.ids if a.ids is not None else b.ids
    if known is None:
        return np.array(
            [SHOWN_IDS.format(part=name, row=row) for row in range(a.items)], dtype=object
        )
    if a.ids is not None and b.ids is not None and not a.ids.equals(b.ids):
        pairs = zip(a.ids.to_pylist(), b.ids.to_pylist(), strict=True)
        row, (one, other) = next((n, pair) for n, pair in enumerate(pairs) if pair[0] != pair[1])
        raise InputError(
            f"{a.path} and {b.path}: row {row} is item {one!r} in one and {other!r} in the other; "
            "give both the same items in the same order, or remove `by_part`."
        )
    ids = np.array(known.to_pylist(), dtype=object)
    repeated = first_repeated(hash_ids(ids))
    if repeated is not None:
        raise InputError(
            f"{a.path}: item_id {ids[repeated]!r} occurs more than once; make the ids unique."
        )
    return ids


def _tiles(a: Source, b: Source) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The vectors of both sides, float32, ROWS at a time, the last time fewer."""
    yield from zip(read_ahead(_regular(a)), read_ahead(_regular(b)), strict=True)


def _regular(source: Source) -> Iterator[np.ndarray]:
    """Vectors of a source, float32, ROWS at a time, whatever its own batches are."""
    held: list[np.ndarray] = []
    rows = 0
    for vectors, _ in source.batches():
        held.append(as_float32(source.path, vectors))
        rows += len(vectors)
        if rows >= ROWS:
            whole = np.concatenate(held) if len(held) > 1 else held[0]
            last = rows - rows % ROWS
            for start in range(0, last, ROWS):
                yield whole[start : start + ROWS]
            rows -= last
            held = [whole[last:]] if rows else []
    if held:
        yield np.concatenate(held)


def write_part(path: str | Path, sums: PairSums, sample: PairSample) -> None:
    """Write what is kept of a part; the file gets its name only when it is complete."""
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
    """The sums of all parts that `write_part` wrote. Raises InputError for parts that differ in
    dimension."""

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
                    "parts of one model."
                )
            yield found

    return total_of(sums())


def read_sample(paths: Sequence[str | Path], side: str, most: int) -> EmbeddingSet:
    """One side, "a" or "b", of a random sample of `most` pairs of all parts, in their order."""
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
