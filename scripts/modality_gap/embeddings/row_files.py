"""Rows of embeddings, read from disk. Only some rows are in memory at a time.

They are in a Parquet file, in a folder of Parquet files (the parts of one set), or in an `.npy`
matrix.
"""

from collections.abc import Iterator
from pathlib import Path
from threading import local

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from modality_gap.data.parquet import open_parquet, reading_parquet
from modality_gap.data.parts import parts_of
from modality_gap.data.tiles import TILE
from modality_gap.embeddings.sets import exact_frame, metadata_of
from modality_gap.embeddings.shards import joined_metadata, read_parts
from modality_gap.errors import InputError


def rows_of(path: str | Path) -> "ParquetRows | NpyRows | FolderRows":
    """The rows of the file or folder at `path`."""
    if Path(path).is_dir():
        return FolderRows(path)
    return NpyRows(path) if str(path).endswith(".npy") else ParquetRows(path)


class ParquetRows:
    """The rows of a Parquet embedding set, read when they are needed."""

    def __init__(self, path: str | Path):
        self.path = path
        self.file = open_parquet(path)
        self.metadata = metadata_of(self.file)
        schema = self.file.schema_arrow
        for column in ("item_id", "vector"):
            if column not in schema.names:
                raise InputError(f"{path}: the column {column!r} is missing. Add it.")
        kind = schema.field("vector").type
        of = getattr(getattr(kind, "storage_type", kind), "value_type", None)
        if of is None or not (pa.types.is_floating(of) or pa.types.is_integer(of)):
            lists = of is not None and hasattr(of, "value_type")
            remedy = "Take the inner list" if lists else "Give it one list of numbers per item"
            raise InputError(f"{path}: column 'vector' has the type {kind}. {remedy}.")
        about = self.file.metadata
        groups = [about.row_group(group).num_rows for group in range(about.num_row_groups)]
        self.starts = np.cumsum([0, *groups])
        self.dim: int | None = None
        self.label_types = pa.schema(
            [column for column in schema if column.name not in ("item_id", "vector")]
        )
        self.of_thread = local()

    def __len__(self) -> int:
        return int(self.starts[-1])

    def opened(self) -> pq.ParquetFile:
        """The file. Each thread opens it once, because threads that share a reader crash it."""
        if not hasattr(self.of_thread, "file"):
            self.of_thread.file = open_parquet(self.path, self.file.metadata)
        return self.of_thread.file

    def in_order(
        self, labels: bool = False
    ) -> Iterator[tuple[np.ndarray, np.ndarray, pa.RecordBatch]]:
        """Yields the ids, the float32 vectors and (with `labels`) the labels of the whole file. A
        tile of rows is read at a time, even if row groups are large."""
        names = self.label_types.names if labels else []
        with reading_parquet(self.path):
            for batch in self.opened().iter_batches(TILE, columns=["item_id", "vector", *names]):
                yield self._ids(batch), self._vectors(batch), batch.select(names)

    def parts(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Yields the float32 vectors of the rows from start to stop, one row group at a time."""
        first = int(np.searchsorted(self.starts, start, side="right")) - 1
        last = int(np.searchsorted(self.starts, stop))
        for group in range(first, min(last, len(self.starts) - 1)):
            with reading_parquet(self.path):
                table = self.opened().read_row_group(group, ["vector"])
            skipped = max(0, start - self.starts[group])
            yield self._vectors(table.slice(skipped, stop - self.starts[group] - skipped))

    def vectors_of(self, rows: np.ndarray) -> np.ndarray:
        """The float32 vectors of `rows`, in this order."""
        result = np.empty((len(rows), self.dim or 0), dtype=np.float32)
        groups = np.searchsorted(self.starts, rows, side="right") - 1
        for group in np.unique(groups):
            start, stop = self.starts[group : group + 2]
            here = groups == group
            (vectors,) = self.parts(start, stop)
            result[here] = vectors[rows[here] - start]
        return result

    def item_id(self, row: int) -> str:
        group = int(np.searchsorted(self.starts, row, side="right")) - 1
        with reading_parquet(self.path):
            table = self.opened().read_row_group(group, ["item_id"])
        return self._ids(table.slice(row - self.starts[group], 1))[0]

    def labels(self, names: list[str] | None = None) -> pd.DataFrame:
        """The columns with these names; all label columns if no names are given."""
        with reading_parquet(self.path):
            return exact_frame(self.opened().read(names or self.label_types.names))

    def _ids(self, rows: pa.Table | pa.RecordBatch) -> np.ndarray:
        if rows["item_id"].null_count:
            raise InputError(f"{self.path}: column 'item_id' holds nulls; give every item an id.")
        return np.array(rows["item_id"].cast(pa.string()).to_pylist(), dtype=object)

    def _vectors(self, rows: pa.Table | pa.RecordBatch) -> np.ndarray:
        """The vectors (b, d) float32. Raises InputError for nulls and for vectors that differ in
        length."""
        vectors = rows["vector"]
        if isinstance(vectors, pa.ChunkedArray):
            vectors = vectors.combine_chunks()
        if isinstance(vectors, pa.ExtensionArray):  # a tensor
            vectors = vectors.storage
        if vectors.null_count or vectors.flatten().null_count:
            raise InputError(
                f"{self.path}: column 'vector' holds nulls; give every item a complete vector, or "
                "remove its row."
            )
        for length in pc.list_value_length(vectors).unique().to_pylist():
            self.dim = length if self.dim is None else self.dim
            if length != self.dim:
                raise InputError(
                    f"{self.path}: the vectors differ in length; give all the same dimension."
                )
        flat = vectors.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
        return flat.reshape(len(vectors), self.dim or 0)


class FolderRows:
    """The rows of all Parquet parts in a folder, as one set. Parts are in the order of their
    numbers.

    Each thread has one part open at a time, because there may be more parts than files that a
    process may open. Raises InputError that names a part whose columns or origin differ from the
    first part.
    """

    def __init__(self, path: str | Path):
        self.path = path
        parts = read_parts(parts_of(path))
        self.metadata = joined_metadata(list(parts.values()))
        filled = {path: part for path, part in parts.items() if part.rows}
        self.files = list(filled)
        self.starts = np.cumsum([0, *(part.rows for part in filled.values())])
        self.label_types = pa.schema(
            [
                column
                for part in list(filled.values())[:1]
                for column in part.schema
                if column.name not in ("item_id", "vector")
            ]
        )
        self.dim: int | None = None
        self.of_thread = local()

    def __len__(self) -> int:
        return int(self.starts[-1])

    def _part(self, number: int) -> ParquetRows:
        if getattr(self.of_thread, "number", None) != number:
            self.of_thread.part = ParquetRows(self.files[number])
            self.of_thread.part.dim = self.dim
            self.of_thread.number = number
        return self.of_thread.part

    def _number(self, row: int) -> int:
        return int(np.searchsorted(self.starts, row, side="right")) - 1

    def in_order(
        self, labels: bool = False
    ) -> Iterator[tuple[np.ndarray, np.ndarray, pa.RecordBatch]]:
        for number in range(len(self.files)):
            for ids, vectors, of_labels in self._part(number).in_order(labels):
                self.dim = vectors.shape[1]
                yield ids, vectors, of_labels

    def parts(self, start: int, stop: int) -> Iterator[np.ndarray]:
        """Yields the float32 vectors of the rows from start to stop, at most one row group at a
        time."""
        while start < stop:
            number = self._number(start)
            first, end = self.starts[number : number + 2]
            here = min(stop, end)
            yield from self._part(number).parts(start - first, here - first)
            start = here

    def vectors_of(self, rows: np.ndarray) -> np.ndarray:
        """The float32 vectors of `rows`, in this order."""
        result = np.empty((len(rows), self.dim or 0), dtype=np.float32)
        numbers = np.searchsorted(self.starts, rows, side="right") - 1
        for number in np.unique(numbers):
            here = numbers == number
            wanted = rows[here] - self.starts[number]
            result[here] = self._part(int(number)).vectors_of(wanted)
        return result

    def item_id(self, row: int) -> str:
        number = self._number(row)
        return self._part(number).item_id(int(row - self.starts[number]))

    def labels(self, names: list[str] | None = None) -> pd.DataFrame:
        """The columns with these names; all label columns if no names are given."""
        names = names or self.label_types.names
        if not names:
            return pd.DataFrame(index=range(len(self)))
        tables = []
        for number in range(len(self.files)):
            part = self._part(number)
            with reading_parquet(part.path):
                table = part.opened().read(names)
            tables.append(table.replace_schema_metadata())
        return exact_frame(pa.concat_tables(tables))


class NpyRows:
    """The rows of an `.npy` matrix (n, d). The ids are the numbers of the rows."""

    def __init__(self, path: str | Path):
        self.metadata = {"file": Path(path).name}
        self.label_types = pa.schema([])
        try:
            self.matrix = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise InputError(
                f"{path}: there is no such file; check the path in the config."
            ) from None
        except (ValueError, OSError, EOFError) as error:
            raise InputError(
                f"{path} cannot be read as a numeric .npy array ({error}). Give another file."
            ) from error
        if self.matrix.ndim != 2 or self.matrix.dtype.kind not in "fiu":
            raise InputError(
                f"{path} contains an array of type {self.matrix.dtype} and shape "
                f"{self.matrix.shape}. Give a matrix of numbers with one vector per row."
            )

    def __len__(self) -> int:
        return len(self.matrix)

    def in_order(self, labels: bool = False) -> Iterator[tuple[np.ndarray, np.ndarray, None]]:
        for start in range(0, len(self), TILE):
            vectors = self.vectors_of(slice(start, start + TILE))
            names = [self.item_id(row) for row in range(start, start + len(vectors))]
            yield np.array(names, dtype=object), vectors, None

    def parts(self, start: int, stop: int) -> Iterator[np.ndarray]:
        yield self.vectors_of(slice(start, stop))

    def item_id(self, row: int) -> str:
        return f"{row:06d}"

    def vectors_of(self, rows: slice | np.ndarray) -> np.ndarray:
        return self.matrix[rows].astype(np.float32)

    def labels(self, names: list[str] | None = None) -> pd.DataFrame:
        return pd.DataFrame(index=range(len(self)), columns=names)
