"""Embedding sets, the interface between the stages.

A set is one Parquet file per modality, or a folder of such files as its parts (shards.py). Columns:
`item_id` (string), `vector` (fixed-size list of float32, as the model gives it, not normalised) and
any label columns. The file's metadata say where the vectors come from.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from modality_gap.data.parquet import InputSpec, choose_rows
from modality_gap.data.parts import put_in_place
from modality_gap.errors import InputError

METADATA_KEY = b"modality_gap"
ROW_GROUP = 1024


@dataclass(frozen=True)
class EmbeddingSet:
    """n embeddings of one modality.

    `item_ids` (n,) are strings, `vectors` (n, d) are float32, and `labels` is a frame of n rows.
    `metadata` describe the origin: model, weights, dataset, preprocessing, dtype and so on.
    """

    item_ids: np.ndarray
    vectors: np.ndarray
    labels: pd.DataFrame = field(default_factory=pd.DataFrame)
    metadata: dict = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.item_ids)

    def select(self, mask: np.ndarray) -> "EmbeddingSet":
        """The rows for which `mask` (n,) is true, in the same order."""
        labels = self.labels[mask].reset_index(drop=True)
        return EmbeddingSet(self.item_ids[mask], self.vectors[mask], labels, self.metadata)

    def choose(self, inputs: InputSpec, seed: int) -> "EmbeddingSet":
        """The rows that an entry of `inputs` in the config selects."""
        return self.select(choose_rows(self.labels.assign(item_id=self.item_ids), inputs, seed))

    def normalised(self) -> np.ndarray:
        """The vectors (n, d) divided by their lengths, in float64: x_i and y_i of the paper."""
        return normalise(self.vectors)


def normalise(vectors: np.ndarray) -> np.ndarray:
    """The rows of `vectors` (n, d) divided by their Euclidean norms, in float64."""
    vectors = np.array(vectors, dtype=np.float64)  # a copy, which is then changed in its place
    vectors /= np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    return vectors


def exact_frame(columns: pa.Table | pa.RecordBatch) -> pd.DataFrame:
    """The columns of a file in pandas. A column of whole numbers with nulls keeps its type."""
    return columns.to_pandas(integer_object_nulls=True, ignore_metadata=True)


class EmbeddingWriter:
    """Writes an embedding set batch by batch. The file gets its name only when it is complete.

    `labels` are the label columns and their types; by default, those of the first batch. Other
    columns are left out, and a label that a batch lacks is null. Every row group except the last
    has ROW_GROUP rows, so that the file does not depend on the batches. With `may_be_empty` a file
    without rows may be written. A `with` block closes the file; if the block fails, the partial
    file is removed.
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
            # On a full disk the log needs the space, which is free once the file is closed.
            self.partial.unlink(missing_ok=True)
            with suppress(OSError):
                if self.writer:
                    self.writer.close()

    def write(self, item_ids: Iterable[str], vectors: np.ndarray, labels: pd.DataFrame) -> None:
        """Append b rows: `item_ids` (b,), `vectors` (b, d) and `labels` (a frame of b rows)."""
        if self.labels is None:
            self.labels = pa.Schema.from_pandas(labels, preserve_index=False)
        columns = ids_and_vectors(item_ids, vectors)
        for label in self.labels:
            columns[label.name] = (
                pa.Array.from_pandas(labels[label.name], type=label.type)
                if label.name in labels
                else pa.nulls(len(labels), label.type)
            )
        self.append(pa.table(columns))

    def append(self, table: pa.Table) -> None:
        """Append the rows of a table that already has the columns of the file."""
        self.buffer.append(table)
        if sum(map(len, self.buffer)) >= ROW_GROUP:
            table = pa.concat_tables(self.buffer)
            whole = len(table) - len(table) % ROW_GROUP
            self._write(table[:whole])
            self.buffer = [table[whole:]]

    def _write(self, table: pa.Table) -> None:
        if self.writer is None:
            # Vectors do not repeat; their bytes, sorted by place, are a third smaller.
            self.writer = pq.ParquetWriter(
                self.partial,
                table.schema,
                compression="zstd",
                use_dictionary=[name for name in table.column_names if name != "vector"],
                use_byte_stream_split=["vector.list.element"],
            )
        self.writer.write_table(table, row_group_size=ROW_GROUP)

    def close(self) -> None:
        """Write the remaining rows and the metadata, then give the file its name."""
        if not self.buffer and self.may_be_empty:
            self.buffer = [pa.table({"item_id": pa.array([], pa.string())})]
        if not self.buffer:
            raise InputError(f"{self.path}: there is no item to embed; widen the selection.")
        rest = pa.concat_tables(self.buffer)
        if len(rest) or self.writer is None:
            self._write(rest)
        assert self.writer
        self.writer.add_key_value_metadata({METADATA_KEY: json.dumps(self.metadata).encode()})
        self.writer.close()
        put_in_place(self.partial, self.path)


def ids_and_vectors(item_ids: Iterable[str], vectors: np.ndarray) -> dict[str, pa.Array]:
    values = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel())
    return {
        "item_id": pa.array(list(item_ids), pa.string()),
        "vector": pa.FixedSizeListArray.from_arrays(values, vectors.shape[1]),
    }


def write(embeddings: EmbeddingSet, path: str | Path) -> None:
    """Write a whole set at once."""
    with EmbeddingWriter(path, embeddings.metadata) as writer:
        writer.write(embeddings.item_ids, embeddings.vectors, embeddings.labels)


def hash_ids(item_ids: Sequence[str] | np.ndarray) -> np.ndarray:
    """A 64-bit hash of each item id, (n,) uint64. Among ten million ids, the chance that any two
    have the same hash is about 10^-5."""
    return pd.util.hash_array(np.array(item_ids, dtype=object), categorize=False)


def first_repeated(hashes: np.ndarray) -> int | None:
    """The index of the first duplicate in `hashes` (n,); None if there is no duplicate."""
    repeated = pd.Series(hashes).duplicated().to_numpy()
    return int(repeated.argmax()) if repeated.any() else None


def cluster_codes(labels: pd.DataFrame, column: str | None, where: str | Path) -> np.ndarray | None:
    """The cluster of each item, (n,) from 0 to C - 1, by the label `column`; None if `column` is
    None. An item without a label is a cluster of its own. Raises InputError if `where` has no such
    column."""
    if column is None:
        return None
    if column not in labels:
        columns = ", ".join(map(str, labels)) or "none"
        raise InputError(
            f"{where}: there is no label column {column!r} to group items by (label columns: "
            f"{columns}). Correct the column in `clusters`, or in `cluster` if the set has it."
        )
    codes = pd.factorize(labels[column].astype(object))[0]
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(alone.sum())
    return codes


def metadata_of(file: pq.ParquetFile) -> dict:
    """The metadata in an embedding set's file about its origin; empty if there are none."""
    return json.loads((file.metadata.metadata or {}).get(METADATA_KEY, b"{}"))
