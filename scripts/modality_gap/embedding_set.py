"""Embedding sets: one Parquet file a modality, the contract between every stage of the workflow.

Columns: `item_id` (string), `vector` (fixed-size list of float32, as the model gives it, not
normalised) and any label columns. The file's metadata say where the vectors come from.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from modality_gap.errors import InputError

METADATA_KEY = b"modality_gap"
ROW_GROUP = 1024


@dataclass(frozen=True)
class EmbeddingSet:
    """n embeddings of one modality.

    `item_ids` (n,) strings; `vectors` (n, d) float32; `labels` a frame of n rows; `metadata`
    what is known of their origin (model, weights, dataset, preprocessing, dtype, ...).
    """

    item_ids: np.ndarray
    vectors: np.ndarray
    labels: pd.DataFrame = field(default_factory=pd.DataFrame)
    metadata: dict = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.item_ids)

    def select(self, mask: np.ndarray) -> "EmbeddingSet":
        """The rows where `mask` (n,) holds, in the same order."""
        labels = self.labels[mask].reset_index(drop=True)
        return EmbeddingSet(self.item_ids[mask], self.vectors[mask], labels, self.metadata)

    def normalised(self) -> np.ndarray:
        """(n, d) float64 vectors of unit length: x_i and y_i of the paper."""
        return normalise(self.vectors)


def normalise(vectors: np.ndarray) -> np.ndarray:
    """Rows of `vectors` (n, d) divided by their Euclidean norms, in float64."""
    vectors = np.asarray(vectors, dtype=np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def choose_rows(labels: pd.DataFrame, inputs: dict, seed: int) -> np.ndarray:
    """Mask (n,) of the rows that an entry of `inputs` in the config takes: those whose labels are
    among the values of its `where`, and of these a seeded sample of `sample`, in file order."""
    rows = np.flatnonzero(matches(labels, inputs.get("where", {})))
    rows = np.random.default_rng(seed).permutation(rows)[: inputs.get("sample")]
    return np.isin(np.arange(len(labels)), rows)


def matches(labels: pd.DataFrame, where: dict[str, list[str]]) -> np.ndarray:
    """Mask (n,) of the rows whose every named label is among the values that `where` allows."""
    mask = np.ones(len(labels), dtype=bool)
    for name, allowed in where.items():
        mask &= labels[name].isin(allowed).to_numpy()
    return mask


class EmbeddingWriter:
    """Writes an embedding set batch by batch; the file appears under its name only when whole.

    `labels` are the label columns and their types; without them those of the first batch. A label
    that a batch lacks is null there. Every row group but the last has ROW_GROUP rows, so that the
    file is the same however its rows came. With `may_be_empty` it is written without a row too.

    A `with` block closes it, or, where the block fails, removes what there is of the file.
    """

    def __init__(
        self,
        path: str | Path,
        metadata: dict,
        labels: pa.Schema | None = None,
        may_be_empty: bool = False,
    ):
        self.path = Path(path)
        self.partial = self.path.with_name(self.path.name + ".part")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.metadata = dict(metadata)
        self.labels = labels
        self.may_be_empty = may_be_empty
        self.writer: pq.ParquetWriter | None = None
        self.buffer: list[pa.Table] = []

    def __enter__(self) -> "EmbeddingWriter":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            # On a full disk its room is wanted for the log; that is free once the file is closed.
            self.partial.unlink(missing_ok=True)
            with suppress(OSError):
                if self.writer:
                    self.writer.close()

    def write(self, item_ids, vectors: np.ndarray, labels: pd.DataFrame) -> None:
        """Append rows: `item_ids` (b,), `vectors` (b, d), `labels` of b rows."""
        if self.labels is None:
            self.labels = pa.Schema.from_pandas(labels, preserve_index=False)
        values = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel())
        columns = {
            "item_id": pa.array(list(item_ids), pa.string()),
            "vector": pa.FixedSizeListArray.from_arrays(values, vectors.shape[1]),
        }
        for label in self.labels:
            columns[label.name] = (
                pa.Array.from_pandas(labels[label.name], type=label.type)
                if label.name in labels
                else pa.nulls(len(labels), label.type)
            )
        self.append(pa.table(columns))

    def append(self, table: pa.Table) -> None:
        """Append rows that are columns of the file already."""
        self.buffer.append(table)
        if sum(map(len, self.buffer)) >= ROW_GROUP:
            table = pa.concat_tables(self.buffer)
            whole = len(table) - len(table) % ROW_GROUP
            self._write(table[:whole])
            self.buffer = [table[whole:]]

    def _write(self, table: pa.Table) -> None:
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.partial, table.schema, compression="zstd")
        self.writer.write_table(table, row_group_size=ROW_GROUP)

    def close(self) -> None:
        """Write what is left and the metadata, then give the file its name."""
        if not self.buffer and self.may_be_empty:
            self.buffer = [pa.table({"item_id": pa.array([], pa.string())})]
        if not self.buffer:
            raise InputError(f"{self.path}: there is no item to embed; widen the selection.")
        rest = pa.concat_tables(self.buffer)
        if len(rest) or self.writer is None:
            self._write(rest)
        self.writer.add_key_value_metadata({METADATA_KEY: json.dumps(self.metadata).encode()})
        self.writer.close()
        os.replace(self.partial, self.path)


def write(embeddings: EmbeddingSet, path: str | Path) -> None:
    """Write a whole set at once."""
    with EmbeddingWriter(path, embeddings.metadata) as writer:
        writer.write(embeddings.item_ids, embeddings.vectors, embeddings.labels)


def merge(paths: Sequence[str | Path], target: str | Path) -> None:
    """Put the shards of one embedding set together, a row group at a time.

    Shards without a row give what they skipped and the time they took. Raises InputError that names
    the file where a shard cannot be read, where its columns or the origin of its vectors are not
    the first one's, and the item where two shards have it.
    """
    files = {path: _open(path) for path in paths}
    abouts = {path: metadata_of(file) for path, file in files.items()}
    filled = [path for path, file in files.items() if file.metadata.num_rows]
    ids = SeenIds()
    with EmbeddingWriter(target, {}) as writer:
        for path in filled:
            _check_same_origin(path, filled[0], files, abouts)
            for group in range(files[path].num_row_groups):
                with reading_parquet(path):
                    table = files[path].read_row_group(group)
                ids.add(table["item_id"])
                writer.append(table.replace_schema_metadata())
        if ids.repeated():
            _name_repeated(filled, target)
        writer.metadata = {
            **(abouts[filled[0]] if filled else {}),
            "skipped": [item for about in abouts.values() for item in about.get("skipped", [])],
            "extraction": _joined([about["extraction"] for about in abouts.values()]),
        }


def _check_same_origin(path, first, files: dict, abouts: dict) -> None:
    """Raise InputError where a shard at `path` does not belong to the one at `first`."""
    schema, expected = (files[key].schema_arrow.remove_metadata() for key in (path, first))
    if schema != expected:
        differ = set(schema) ^ set(expected)
        names = ", ".join(sorted({column.name for column in differ})) or "their order"
        raise InputError(
            f"{path}: its columns are not those of {first} ({names}); delete both and run again."
        )
    own = ("skipped", "extraction")  # what each shard has for itself
    for key in sorted((abouts[path].keys() | abouts[first].keys()) - {*own}):
        mine, theirs = (abouts[each].get(key) for each in (path, first))
        if mine != theirs:
            raise InputError(
                f"{path}: its {key} is {mine!r}, but {first} has {theirs!r}, so they are no shards "
                "of one extraction; delete both and run again."
            )


def _joined(parts: list[dict]) -> dict:
    """What is known of an extraction's speed, from that of its shards: seconds are those of all
    jobs together, memory is that of the largest."""
    total = {key: sum(part[key] for part in parts) for key in parts[0] if _adds_up(key)}
    total = {key: round(value, 2) for key, value in total.items()}
    known = {key: [part[key] for part in parts if key in part] for part in parts for key in part}
    return {
        **total,
        "items_per_s": round(total["items"] / total["seconds"], 1),
        **{key: max(values) for key, values in known.items() if key.startswith("peak_")},
        **{key: ", ".join(sorted({*known[key]})) for key in ("device", "gpu") if key in known},
        "shards": len(parts),
    }


def _adds_up(key: str) -> bool:
    return key in ("items", "seconds") or (key.endswith("_s") and key != "items_per_s")


def _name_repeated(paths: Sequence[str | Path], target: str | Path) -> None:
    """Raise InputError that names the first item that stands twice in the files."""
    where = {}
    for path in paths:
        for item_id in pq.read_table(path, columns=["item_id"])["item_id"].to_pylist():
            if item_id in where:
                raise InputError(
                    f"{target}: item {item_id!r} is in {where[item_id]} and in {path}; delete both "
                    "and run again."
                )
            where[item_id] = path


class SeenIds:
    """Whether ids repeat, remembered by 8 bytes each."""

    def __init__(self):
        self.hashes: list[np.ndarray] = []

    def add(self, item_ids: pa.ChunkedArray) -> None:
        ids = item_ids.to_numpy().astype(object)
        self.hashes.append(pd.util.hash_array(ids, categorize=False))

    def repeated(self) -> bool:
        """True where an id came twice; very rarely where two ids only have the same hash."""
        hashes = np.sort(np.concatenate(self.hashes)) if self.hashes else np.array([])
        return bool((hashes[1:] == hashes[:-1]).any())


def read(path: str | Path) -> EmbeddingSet:
    """Read a Parquet embedding set, or an `.npy` matrix (n, d), and check it.

    Raises InputError that names the file (and item) for a file that is no embedding set,
    duplicate ids, a vector with NaN or infinity, or a zero vector (it has no direction).
    """
    embeddings = _read_npy(path) if str(path).endswith(".npy") else _read_parquet(path)
    if len(embeddings) == 0:
        raise InputError(f"{path}: holds no embeddings; give a file with at least one row.")
    ids = pd.Index(embeddings.item_ids)
    if ids.has_duplicates:
        twice = ids[ids.duplicated()][0]
        raise InputError(f"{path}: item_id {twice!r} occurs more than once; make the ids unique.")
    finite = np.isfinite(embeddings.vectors).all(axis=1)
    if not finite.all():
        bad = embeddings.item_ids[~finite][0]
        raise InputError(
            f"{path}: the vector of item {bad!r} holds NaN or infinity; embed it again or drop it."
        )
    zero = ~embeddings.vectors.any(axis=1)
    if zero.any():
        bad = embeddings.item_ids[zero][0]
        raise InputError(f"{path}: the vector of item {bad!r} is all zeros; drop the item.")
    return embeddings


@contextmanager
def reading_parquet(path: str | Path) -> Iterator[None]:
    """Turns what goes wrong while a Parquet file is read into an InputError that names it."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; check the path in the config.") from None
    except (pa.ArrowInvalid, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: cannot be read as Parquet ({reason.rstrip('.')}); get it again, or, where a "
            "run made it, delete it and run again."
        ) from error


def _open(path: str | Path) -> pq.ParquetFile:
    with reading_parquet(path):
        return pq.ParquetFile(path)


def _read_parquet(path: str | Path) -> EmbeddingSet:
    file = _open(path)
    with reading_parquet(path):
        table = file.read()
    for column in ("item_id", "vector"):
        if column not in table.column_names:
            raise InputError(f"{path}: has no column {column!r}; an embedding set needs one.")
    kind = table.schema.field("vector").type
    if not (pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind)):
        raise InputError(f"{path}: column 'vector' is {kind}, not a list of float32.")
    vectors = table["vector"].combine_chunks()
    if vectors.null_count or vectors.flatten().null_count:
        raise InputError(f"{path}: column 'vector' holds nulls; fill or drop those rows.")
    flat = vectors.flatten().to_numpy(zero_copy_only=False)
    if len(table) and len(flat) % len(table):
        raise InputError(f"{path}: the vectors differ in length; give all the same dimension.")
    labels = table.drop_columns(["item_id", "vector"]).to_pandas()
    return EmbeddingSet(
        item_ids=np.array(table["item_id"].cast(pa.string()).to_pylist(), dtype=object),
        vectors=flat.astype(np.float32, copy=False).reshape(len(table), -1),
        labels=labels,
        metadata=metadata_of(file),
    )


def metadata_of(file: pq.ParquetFile) -> dict:
    """What an embedding set's file says of its origin; empty where it says nothing."""
    return json.loads((file.metadata.metadata or {}).get(METADATA_KEY, b"{}"))


def _read_npy(path: str | Path) -> EmbeddingSet:
    try:
        matrix = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; check the path in the config.") from None
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: cannot be read as a numeric .npy array ({error}).") from error
    if matrix.ndim != 2 or not np.issubdtype(matrix.dtype, np.number):
        raise InputError(
            f"{path}: holds {matrix.dtype} of shape {matrix.shape}; give a float matrix (n, d)."
        )
    ids = np.array([f"{row:06d}" for row in range(len(matrix))], dtype=object)
    return EmbeddingSet(ids, matrix.astype(np.float32), metadata={"file": Path(path).name})


def read_pair(
    path_a: str | Path, path_b: str | Path, *, one_space: bool = True
) -> tuple[EmbeddingSet, EmbeddingSet]:
    """Read the two modalities of a pair set, same items in the same order.

    With `one_space` the two must share their dimension too. Items that one side skipped as
    unreadable (its metadata list them) leave the other side too.
    Raises InputError where the items or the dimensions do not match.
    """
    a, b = read(path_a), read(path_b)
    skipped = {*a.metadata.get("skipped", []), *b.metadata.get("skipped", [])}
    if skipped:
        a, b = (side.select(~np.isin(side.item_ids, list(skipped))) for side in (a, b))
    if len(a) != len(b):
        raise InputError(
            f"{path_a} and {path_b}: {len(a)} items against {len(b)}; a pair needs the same items."
        )
    differ = np.flatnonzero(a.item_ids != b.item_ids)
    if len(differ):
        row = differ[0]
        raise InputError(
            f"{path_a} and {path_b}: row {row} is item {a.item_ids[row]!r} in one and "
            f"{b.item_ids[row]!r} in the other; give both files the same items in the same order."
        )
    if one_space and a.vectors.shape[1] != b.vectors.shape[1]:
        raise InputError(
            f"{path_a} and {path_b}: {a.vectors.shape[1]} dimensions against "
            f"{b.vectors.shape[1]}; a gap needs both modalities in one space."
        )
    return a, b


def read_pairs(
    names: Iterable[str], paths: Sequence[str | Path]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each set's name and unit vectors x, y (n, d), from the two files of every set in a row."""
    for name, path_a, path_b in zip(names, paths[::2], paths[1::2], strict=True):
        x, y = (side.normalised() for side in read_pair(path_a, path_b))
        yield name, x, y


def read_initialisations(paths: Sequence[str | Path]) -> EmbeddingSet:
    """Embeddings of one architecture under several weights, as one set with the labels `seed` and
    `noise`: one file that says each row's seed, or a file a seed, which is then its number.

    Raises InputError where the files differ in dimension.
    """
    sets = [read(path) for path in paths]
    for path, one in zip(paths, sets, strict=True):
        if one.vectors.shape[1] != sets[0].vectors.shape[1]:
            raise InputError(
                f"{path}: {one.vectors.shape[1]} dimensions, but {paths[0]} has "
                f"{sets[0].vectors.shape[1]}; give embeddings of one architecture."
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
