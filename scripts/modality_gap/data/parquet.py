"""Reading Parquet files one row group at a time, and choosing rows by their columns."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

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
    rows = np.random.default_rng(seed).permutation(rows)[: inputs.get("sample")]
    return np.isin(np.arange(len(labels)), rows)


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
                f"are {', '.join(pq.read_schema(path).names)}."
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
