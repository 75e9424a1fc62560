"""Reading Parquet files one row group at a time, data sets of one or many such files, and choosing
rows by their columns."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as arrow_dataset
import pyarrow.parquet as pq

from modality_gap.data.parts import parts_of
from modality_gap.errors import InputError

BUFFER = 2**20  # bytes of a column that are read at once


class InputSpec(TypedDict, total=False):
    """An entry of `inputs` in the config: a dataset, which rows of it to use, the column with the
    text if it is not `text`, and the number of noise items."""

    dataset: str
    text: str
    where: dict[str, list[str]]
    sample: int
    noise: int


def choose_rows(labels: pd.DataFrame, inputs: InputSpec, seed: int) -> np.ndarray:
    """Mask (n,) of the rows that an entry of `inputs` in the config selects. The labels of a row
    must be among the values in `where`. If there is a `sample`, a random sample of this size is
    drawn from these rows, with the seed."""
    rows = np.flatnonzero(matches(labels, inputs.get("where", {})))
    mask = np.zeros(len(labels), dtype=bool)
    mask[rows[drawn(len(rows), inputs.get("sample"), seed)]] = True
    return mask


def drawn(number: int, sample: int | None, seed: int) -> np.ndarray:
    """`sample` of the numbers below `number`, drawn at random with the seed; all of them if there
    are not as many."""
    return np.random.default_rng(seed).permutation(number)[:sample]


def matches(labels: pd.DataFrame, where: dict[str, list[str]]) -> np.ndarray:
    """Mask (n,) of the rows whose labels are all among the values that `where` allows. Labels are
    compared as texts; a truth value is written true or false."""
    mask = np.ones(len(labels), dtype=bool)
    for name, allowed in where.items():
        written = labels[name].astype(object).map(_written, na_action="ignore")
        mask &= written.isin(allowed).to_numpy()
    return mask


def _written(label: object) -> str:
    return str(label).lower() if isinstance(label, bool | np.bool_) else str(label)


@contextmanager
def reading_parquet(path: str | Path) -> Iterator[None]:
    """Turn an error while reading a Parquet file into an InputError that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; check the path in the config.") from None
    except (IsADirectoryError, PermissionError) as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); give the path of a file that can be read."
        ) from error
    except (pa.ArrowInvalid, OSError) as error:
        reason = " ".join(str(error).split())
        if column := re.search(r"No match for FieldRef\.Name\((.*?)\)", reason):
            raise InputError(
                f"{path} has no column {column[1]!r}, which the configuration names; its columns "
                f"are {', '.join(arrow_dataset.dataset(path).schema.names)}."
            ) from error
        raise InputError(
            f"{path} cannot be read as Parquet ({reason.rstrip('.')}); download it again, or, if "
            "a run made it, delete it and run again."
        ) from error


def open_parquet(path: str | Path, about: pq.FileMetaData | None = None) -> pq.ParquetFile:
    """Open a Parquet file so that only the rows being read are in memory, even if row groups are
    large (by default pyarrow reads ahead). `about` is the metadata of the file, if it was read
    before."""
    with reading_parquet(path):
        return pq.ParquetFile(path, metadata=about, buffer_size=BUFFER, pre_buffer=False)


def columns_and_lengths(files: Sequence[str | Path]) -> tuple[pa.Schema, list[int]]:
    """The columns of the parts of a data set, and the number of rows of each part.

    Raises InputError that names a part with other columns than the first.
    """
    schemas, lengths = [], []
    for file in files:
        # One file is open at a time: there may be more parts than a process may open files.
        with open_parquet(file) as opened:
            schemas.append(opened.schema_arrow)
            lengths.append(opened.metadata.num_rows)
        if not schemas[-1].equals(schemas[0]):
            differ = set(schemas[-1]) ^ set(schemas[0])
            names = ", ".join(sorted({column.name for column in differ})) or "their order"
            raise InputError(
                f"{file} and {files[0]}: the columns differ ({names}). Give the files of all parts "
                "the same columns."
            )
    return schemas[0], lengths


class StoredDataset:
    """The rows of a data set: a Parquet file, or a folder of parts that are read as one file, in
    the order of their numbers. `schema` has the columns.

    Opening reads no row.
    """

    def __init__(self, path: str | Path):
        self.path = path
        self.files = parts_of(path) if Path(path).is_dir() else [Path(path)]
        self.schema, lengths = columns_and_lengths(self.files)
        self.starts = np.cumsum([0, *lengths])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def read(self, columns: list[str] | None = None) -> pa.Table:
        """Some columns, or all, with all rows. Raises InputError for a column that is not there."""
        with reading_parquet(self.path):
            files = [str(file) for file in self.files]
            return arrow_dataset.dataset(files, self.schema, "parquet").to_table(columns)

    def pieces(
        self, size: int, columns: list[str] | None = None, rows: np.ndarray | None = None
    ) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
        """Yields the numbers and the columns of some rows, or of all, which are in ascending order.
        They come in pieces of at most `size`, the only ones in memory. Row groups without any of
        the rows are not read."""
        rows = np.arange(len(self)) if rows is None else rows
        for number, file in enumerate(self.files):
            first, last = np.searchsorted(rows, self.starts[number : number + 2])
            if first < last:
                start = self.starts[number]
                for some, piece in _pieces(file, size, columns, rows[first:last] - start):
                    yield some + start, piece


def _pieces(
    file: Path, size: int, columns: list[str] | None, rows: np.ndarray
) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    """The `pieces` of one file."""
    opened = open_parquet(file)
    sizes = [opened.metadata.row_group(group).num_rows for group in range(opened.num_row_groups)]
    starts = np.cumsum([0, *sizes])
    groups, of_row = np.unique(np.searchsorted(starts, rows, "right") - 1, return_inverse=True)
    # Where the row groups that are read begin among the rows that are read.
    shifts = np.cumsum([0, *np.array(sizes)[groups]])[:-1]
    places = rows + (shifts - starts[groups])[of_row]
    pieces = opened.iter_batches(size, row_groups=groups.tolist(), columns=columns)
    start = 0
    while True:
        with reading_parquet(file):
            piece = next(pieces, None)
        if piece is None:
            return
        first, last = np.searchsorted(places, [start, start + len(piece)])
        if first < last:
            yield rows[first:last], piece.take(pa.array(places[first:last] - start))
        start += len(piece)
