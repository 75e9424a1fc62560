"""The registry of formats of embeddings.

To add a format, write its reader (data/vector_readers.py says what a reader takes and returns), add
a line here and write a test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from modality_gap.config.declarations import VectorFormat
from modality_gap.config.own_files import format_of
from modality_gap.data.vector_readers import (
    joined_parts,
    read_arrow,
    read_datasets,
    read_hdf5,
    read_npy,
    read_npz,
    read_parquet,
    read_safetensors,
    read_torch,
)
from modality_gap.data.vectors import Source, as_types, common_types
from modality_gap.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

OF_VECTORS = ("item_id", "vector")  # columns of an embedding set that are no labels

VECTOR_FORMATS = {
    "npy": VectorFormat(read_npy, (".npy",), said="numpy"),
    "npz": VectorFormat(read_npz, (".npz",), said="numpy, several arrays"),
    "torch": VectorFormat(read_torch, (".pt", ".pth"), said="PyTorch"),
    "safetensors": VectorFormat(read_safetensors, (".safetensors",), said="safetensors"),
    "parquet": VectorFormat(read_parquet, (".parquet",), said="Parquet"),
    "arrow": VectorFormat(read_arrow, (".arrow", ".feather"), said="Arrow"),
    "hdf5": VectorFormat(read_hdf5, (".h5", ".hdf5"), said="HDF5"),
    "datasets": VectorFormat(
        read_datasets, marks=("dataset_dict.json", "state.json"), said="a folder of `datasets`"
    ),
}


def open_source(path: str, options: Mapping[str, str]) -> Source:
    """The vectors of a file, or of a folder of parts in the order of their numbers.

    Raises InputError that names the file and the remedy.
    """
    name, files = format_of(path, VECTOR_FORMATS)
    read = VECTOR_FORMATS[name].read
    if Path(path).is_file() or not VECTOR_FORMATS[name].endings:
        return read(path, **options)
    parts = [read(str(file), **options) for file in files]
    return joined_parts(path, parts, numbers_of([file.stem for file in files]))


def open_labels(path: str) -> pa.Table:
    """The label columns of a Parquet file or a folder of parts. Nested columns are left out."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from modality_gap.data.parquet import reading_parquet

    name, files = format_of(path, VECTOR_FORMATS)
    if name != "parquet":
        raise InputError(f"{path}: labels cannot be read from {name} files. Give a Parquet file.")
    parts = {}
    for file in files:
        with reading_parquet(file):
            table = pq.read_table(file)
        plain = [one.name for one in table.schema if not pa.types.is_nested(one.type)]
        parts[str(file)] = table.select([name for name in plain if name not in OF_VECTORS])
    if not any(table.column_names for table in parts.values()):
        raise InputError(f"{path}: no column can be used as a label. Give another file.")
    kinds = common_types({file: table.schema for file, table in parts.items()})
    return pa.concat_tables(as_types(table, kinds) for table in parts.values())


def with_labels(source: Source, path: str) -> Source:
    """A Source with additional label columns from the file at `path`, row by row. They replace
    columns of the same name.

    Raises InputError if the file has another number of rows, or if an item has several vectors.
    """
    import pyarrow as pa

    table = open_labels(path)
    if source.counts is not None:
        raise InputError(
            f"{source.path}: `labels` cannot be used, because an item has several vectors. Remove "
            "`labels`, or give one vector per item."
        )
    if len(table) != source.items:
        raise InputError(
            f"{path}: {len(table)} rows, but {source.path} has {source.vectors} vectors. Give "
            "one row per vector."
        )
    own = [field for field in source.label_types or () if field.name not in table.column_names]
    kinds = pa.schema([*table.schema.remove_metadata(), *own])

    def batches(labels: bool = True) -> Iterator[tuple[np.ndarray, pa.RecordBatch | None]]:
        if not labels:
            yield from source.batches(labels)
            return
        start = 0
        for vectors, inner in source.batches():
            here = table.slice(start, len(vectors)).combine_chunks().to_batches()[0]
            columns = [*here.columns, *(inner[one.name] for one in own if inner is not None)]
            yield vectors, pa.RecordBatch.from_arrays(columns, schema=kinds)
            start += len(vectors)

    return replace(source, batches=batches, label_types=kinds)


def numbers_of(stems: list[str]) -> list[tuple[int, ...]]:
    """The numbers in the name of each part, without numbers that are the same in all names. Empty
    if the names do not have equally many numbers, as is usual for random names."""
    found = [tuple(map(int, re.findall(r"\d+", stem))) for stem in stems]
    if len({len(one) for one in found}) != 1:
        return [() for _ in stems]
    differ = [place for place in range(len(found[0])) if len({one[place] for one in found}) > 1]
    return [tuple(one[place] for place in differ) for one in found]
