"""Stored embeddings, read one tile at a time from any of their file formats."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from modality_gap.embeddings.row_files import rows_of
from modality_gap.embeddings.sets import (
    EmbeddingSet,
    EmbeddingWriter,
    cluster_codes,
    first_repeated,
    hash_ids,
    ids_and_vectors,
    normalise,
)
from modality_gap.errors import InputError


class StoredVectors:
    """The unit vectors x (n, d) in a file (x_i or y_i of the paper), in float64, and the label
    columns. `x[start:stop]` and `x[rows]` read only the rows that they return.

    The file is a Parquet embedding set, a folder with the parts of a set, or an `.npy` matrix (n,
    d). Opening reads the whole file once and checks it. Only a hash of each item's id stays in
    memory: `item_hashes` (n,).

    Raises InputError that names the file (and item) if the file is no embedding set, or if it has
    duplicate ids, a vector with NaN or infinity, or a zero vector (which has no direction).
    """

    def __init__(self, path: str | Path):
        self.path = path
        self.file = rows_of(path)
        self.metadata = self.file.metadata
        self.rows: np.ndarray | None = None  # of the file, where some were left out
        if len(self.file) == 0:
            raise InputError(f"{path} holds no embeddings; give a file with at least one row.")
        hashes = []
        for item_ids, vectors, _ in self.file.in_order():
            check_vectors(path, item_ids, vectors)
            hashes.append(hash_ids(item_ids))
        self.item_hashes = np.concatenate(hashes)
        self.dim = vectors.shape[1]
        row = first_repeated(self.item_hashes)
        if row is not None and self.item_id(row) in self._ids_with_hash(row):
            raise InputError(
                f"{path}: item_id {self.item_id(row)!r} occurs more than once; make the ids unique."
            )

    def __len__(self) -> int:
        return len(self.item_hashes)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self.dim

    def __getitem__(self, wanted: slice | np.ndarray) -> np.ndarray:
        if isinstance(wanted, slice) and wanted.step in (None, 1) and self.rows is None:
            start, stop, _ = wanted.indices(len(self))
            normalised, at = np.empty((max(0, stop - start), self.dim)), 0
            for vectors in self.file.parts(start, stop):
                normalised[at : at + len(vectors)] = normalise(vectors)
                at += len(vectors)
            return normalised
        rows = np.arange(len(self))[wanted] if self.rows is None else self.rows[wanted]
        return normalise(self.file.vectors_of(rows))

    def select(self, mask: np.ndarray) -> "StoredVectors":
        """The rows for which `mask` (n,) is true, in the same order."""
        chosen = copy(self)
        chosen.rows = np.flatnonzero(mask) if self.rows is None else self.rows[mask]
        chosen.item_hashes = self.item_hashes[mask]
        return chosen

    def item_id(self, row: int) -> str:
        """The id of the item in a row."""
        return self.file.item_id(int(row if self.rows is None else self.rows[row]))

    def _ids_with_hash(self, row: int) -> list[str]:
        """The ids of the items before `row` that have the same hash."""
        same = np.flatnonzero(self.item_hashes[:row] == self.item_hashes[row])
        return [self.item_id(int(other)) for other in same]

    def label(self, name: str) -> np.ndarray:
        """The label column with this name, (n,)."""
        values = self.file.labels([name])[name].to_numpy()
        return values if self.rows is None else values[self.rows]

    def clusters(self, column: str | None) -> np.ndarray | None:
        """The clusters of the items (`cluster_codes`) by a label column."""
        if column is None:
            return None
        names = self.file.label_types.names
        labels = self.file.labels([column]) if column in names else pd.DataFrame(columns=names)
        codes = cluster_codes(labels, column, self.path)
        if codes is None or self.rows is None:
            return codes
        return pd.factorize(codes[self.rows])[0]

    def load(self) -> EmbeddingSet:
        """The whole set in memory, with ids and labels."""
        item_ids, vectors, _ = zip(*self.file.in_order(), strict=True)
        whole = EmbeddingSet(
            np.concatenate(item_ids), np.concatenate(vectors), self.file.labels(), self.metadata
        )
        return whole if self.rows is None else whole.select(self._chosen())

    def _chosen(self) -> np.ndarray:
        """Mask of the file's rows that belong to this set."""
        every = np.arange(len(self.file))
        return np.isin(every, every if self.rows is None else self.rows)

    def copy_to(self, path: str | Path) -> None:
        """Write the whole set to a new file, with one tile in memory at a time. Labels keep their
        types."""
        chosen, start = self._chosen(), 0
        with EmbeddingWriter(path, self.metadata, self.file.label_types) as writer:
            for item_ids, vectors, labels in self.file.in_order(labels=True):
                rows = chosen[start : start + len(item_ids)]
                own = (
                    {name: labels[name].filter(pa.array(rows)) for name in labels.schema.names}
                    if labels
                    else {}
                )
                writer.append(pa.table(ids_and_vectors(item_ids[rows], vectors[rows]) | own))
                start += len(item_ids)


def check_vectors(path: str | Path, item_ids: np.ndarray, vectors: np.ndarray) -> None:
    """Raise InputError that names the first item whose vector has no direction."""
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        bad = item_ids[~finite][0]
        raise InputError(
            f"{path}: the vector of item {bad!r} holds NaN or infinity; embed the item again, or "
            "remove it."
        )
    zero = ~vectors.any(axis=1)
    if zero.any():
        bad = item_ids[zero][0]
        raise InputError(f"{path}: the vector of item {bad!r} is all zeros; remove the item.")


def read(path: str | Path) -> EmbeddingSet:
    """A whole embedding set in memory, with the same checks as in StoredVectors."""
    return StoredVectors(path).load()


def open_pair(
    path_a: str | Path, path_b: str | Path, *, one_space: bool = True
) -> tuple[StoredVectors, StoredVectors]:
    """The two modalities of a pair set, with the same items in the same order.

    Items that one side skipped as unreadable (its metadata list them) are removed from the other
    side. Raises InputError if the items do not match or, with `one_space`, if the dimensions
    differ.
    """
    a, b = StoredVectors(path_a), StoredVectors(path_b)
    skipped = {*a.metadata.get("skipped", []), *b.metadata.get("skipped", [])}
    if skipped:
        gone = hash_ids(sorted(skipped))
        a, b = (side.select(~np.isin(side.item_hashes, gone)) for side in (a, b))
    if len(a) != len(b):
        raise InputError(
            f"{path_a} has {len(a)} items, but {path_b} has {len(b)}. Give both the same items."
        )
    differ = np.flatnonzero(a.item_hashes != b.item_hashes)
    if len(differ):
        row = differ[0]
        raise InputError(
            f"{path_a} and {path_b}: row {row} is item {a.item_id(row)!r} in the first file "
            f"and {b.item_id(row)!r} in the second; give both files the same "
            "items in the same order."
        )
    if one_space and a.dim != b.dim:
        raise InputError(
            f"{path_a} has vectors of {a.dim} dimensions, but {path_b} of {b.dim}. Give "
            "embeddings in the same space."
        )
    return a, b


def read_pair(
    path_a: str | Path, path_b: str | Path, *, one_space: bool = True
) -> tuple[EmbeddingSet, EmbeddingSet]:
    """The same as `open_pair`, but in memory."""
    a, b = open_pair(path_a, path_b, one_space=one_space)
    return a.load(), b.load()


def open_pairs(
    names: Iterable[str], paths: Sequence[str | Path]
) -> Iterator[tuple[str, StoredVectors, StoredVectors]]:
    """Yields the name and the unit vectors x, y (n, d) of each set. `paths` has two files for each
    set, one after the other. The name of a set is printed to stderr before the set is used."""
    pairs = list(zip(names, paths[::2], paths[1::2], strict=True))
    for number, (name, path_a, path_b) in enumerate(pairs, start=1):
        x, y = open_pair(path_a, path_b)
        size = f"{len(x):,} pairs, {x.shape[1]} dimensions"
        print(f"set {number} of {len(pairs)}: {name}, {size}", file=sys.stderr)
        yield name, x, y


def read_initialisations(paths: Sequence[str | Path]) -> EmbeddingSet:
    """The embeddings of one architecture with several random weights, as one set with the labels
    `seed` and `noise`.

    There is one file in which each row has its seed, or one file per seed; such files are numbered
    in their order. Raises InputError if the files differ in dimension.
    """
    sets = [read(path) for path in paths]
    for path, one in zip(paths, sets, strict=True):
        if one.vectors.shape[1] != sets[0].vectors.shape[1]:
            raise InputError(
                f"{path}: {one.vectors.shape[1]} dimensions, but {paths[0]} has "
                f"{sets[0].vectors.shape[1]}; give embeddings from one architecture."
            )
    labels = pd.concat(
        pd.DataFrame(
            {
                "seed": one.labels["seed"] if len(sets) == 1 else number,
                "noise": one.labels.get("noise", False),
            },
            index=range(len(one)),
        )
        for number, one in enumerate(sets)
    )
    return EmbeddingSet(
        np.concatenate([one.item_ids for one in sets]),
        np.concatenate([one.vectors for one in sets]),
        labels.reset_index(drop=True),
    )
