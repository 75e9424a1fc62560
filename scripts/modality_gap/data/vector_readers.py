"""Readers of embeddings in the formats of other tools.

A reader takes the path of a file, and its options as keyword arguments. It returns a Source. Slow
imports are inside functions, because every start of Snakemake reads this.
"""

from __future__ import annotations

import json
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

from modality_gap.data.vectors import (
    Source,
    as_types,
    common_types,
    named,
    of_array,
    of_table,
    only,
    tiles_of,
)
from modality_gap.errors import InputError

if TYPE_CHECKING:
    import numpy as np

Key = Annotated[str, "Name of the array in the file; not needed if it holds only one.", {}]
IdKey = Annotated[str, "Name of the array of ids in the file; without it, rows are in order.", {}]
Column = Annotated[
    str,
    "Name of the column of vectors; if absent, vector or the only one of lists of numbers.",
    {},
]
IdColumn = Annotated[
    str,
    "Name of the column of ids; if absent, item_id, id or key, or else rows are in order.",
    {},
]


def _unreadable(path: str, kind: str, error: Exception) -> InputError:
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return InputError(f"{path} cannot be read as {kind} ({reason}); save it again.")


@contextmanager
def _reading(path: str, kind: str) -> Iterator[None]:
    """Turn an error while reading a damaged file into an InputError that names the file."""
    damaged = (TypeError, ValueError, LookupError, OSError, EOFError, RuntimeError)
    try:
        yield
    except InputError:
        raise
    except (*damaged, zipfile.BadZipFile, zlib.error) as error:
        raise _unreadable(path, kind, error) from error


# --- numpy ------------------------------------------------------------------------------------


def read_npy(path: str) -> Source:
    """An array of numpy.save. Only the rows being read are in memory."""
    import numpy as np

    with _reading(path, "a numeric .npy array"):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    if isinstance(array, np.lib.npyio.NpzFile):
        raise InputError(f"{path}: this is an .npz archive; rename it to end in .npz.")
    return of_array(path, array.shape, array.dtype.name, tiles_of(array))


def read_npz(path: str, key: Key = "", ids: IdKey = "") -> Source:
    """An array of numpy.savez, decompressed one tile at a time."""
    import numpy as np

    from modality_gap.data.tiles import READ

    with _reading(path, "an .npz archive"):
        with np.load(path, allow_pickle=False) as archive:
            names = list(archive.files)
        with zipfile.ZipFile(path) as archive:
            shapes = {name: _npy_header(archive, name)[0] for name in names}
            if not key:
                arrays = [name for name in names if name != ids and len(shapes[name]) > 1]
                key = only(path, arrays, "array of vectors", "key")
            named(path, names, key, "array")
            shape, fortran, kind = _npy_header(archive, key)
            if ids and _npy_header(archive, named(path, names, ids, "array"))[2].hasobject:
                raise InputError(
                    f"{path}: array {ids!r} holds Python objects; save it as texts, by "
                    f"{ids}.astype(str)."
                )
        with np.load(path, allow_pickle=False) as arrays:
            texts = arrays[ids] if ids else None

    def tiles() -> Iterator[np.ndarray]:
        with _reading(path, "an .npz archive"):
            if fortran:  # its rows are not together
                with np.load(path, allow_pickle=False) as arrays:
                    yield from tiles_of(arrays[key])()
                return
            size = math.prod(shape[1:])
            with zipfile.ZipFile(path) as archive, archive.open(_member(archive, key)) as file:
                _header_of(file)
                for start in range(0, shape[0], READ):
                    rows = min(READ, shape[0] - start)
                    content = file.read(rows * size * kind.itemsize)
                    yield np.frombuffer(content, kind).reshape(rows, *shape[1:])

    return of_array(path, shape, kind.name, tiles, texts)


def _member(archive: zipfile.ZipFile, name: str) -> str:
    return name if name in archive.namelist() else f"{name}.npy"


def _npy_header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    with archive.open(_member(archive, name)) as file:
        return _header_of(file)


def _header_of(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """The shape of an array in an open .npy file, whether it is stored column by column, and its
    type."""
    import numpy as np

    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


# --- PyTorch and safetensors --------------------------------------------------------------------


def read_torch(path: str, key: Key = "") -> Source:
    """A tensor of torch.save, alone or in a dictionary. Only tensors are loaded; no code is run."""
    import numpy as np
    import torch

    from modality_gap.data.tiles import READ

    try:
        try:
            content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
        except RuntimeError:  # of a version of PyTorch that cannot be mapped
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling raises nearly any
        raise InputError(
            f"{path}: the file is damaged, or contains more than tensors. Save the tensor alone, "
            "with torch.save(tensor.cpu(), file)."
        ) from error
    if isinstance(content, dict):
        tensors = {str(name): one for name, one in content.items() if isinstance(one, torch.Tensor)}
        key = key or only(path, list(tensors), "tensor", "key")
        content = tensors[named(path, list(tensors), key, "tensor")]
    if not isinstance(content, torch.Tensor):
        raise InputError(
            f"{path} holds an object of type {type(content).__name__}, not a tensor of shape (n, "
            "d); save such a tensor."
        )
    if content.layout != torch.strided or content.is_nested or content.is_meta:
        raise InputError(
            f"{path}: the tensor is sparse, nested or without data; save a dense tensor of shape "
            "(n, d)."
        )
    kind = str(content.dtype).removeprefix("torch.")
    tensor = content.detach()

    def tiles() -> Iterator[np.ndarray]:
        for start in range(0, len(tensor), READ):
            rows = tensor[start : start + READ]
            yield (rows.numpy() if known else rows.float().numpy())

    known = hasattr(np, kind)  # not the 8 or 16 bits of training
    return of_array(path, tuple(tensor.shape), kind if known else "float32", tiles)


def read_safetensors(path: str, key: Key = "") -> Source:
    """A tensor of a safetensors file."""
    import numpy as np
    from safetensors import SafetensorError, safe_open

    from modality_gap.data.tiles import READ

    try:
        with safe_open(path, "numpy") as file:
            names = list(file.keys())
            key = named(path, names, key or only(path, names, "tensor", "key"), "tensor")
            about = file.get_slice(key)
            kind, shape = about.get_dtype(), tuple(about.get_shape())
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, "safetensors", error) from error

    def tiles() -> Iterator[np.ndarray]:
        if kind == "BF16":  # which numpy does not know: the upper half of a float32
            halves = _mapped(path, key, np.dtype("<u2"), shape)
            for tile in tiles_of(halves)():
                yield (tile.astype("<u4") << 16).view("<f4")
            return
        with safe_open(path, "numpy") as file:
            tensor = file.get_slice(key)
            for start in range(0, shape[0], READ):
                yield tensor[start : min(start + READ, shape[0])]

    known = {"F16": "float16", "BF16": "float32", "F32": "float32", "F64": "float64"}
    known |= {f"{sign}{bits}": f"{name}{bits}" for sign, name in (("I", "int"), ("U", "uint"))
              for bits in (8, 16, 32, 64)}  # fmt: skip
    return of_array(path, shape, known.get(kind, f"values of type {kind}"), tiles)


def _mapped(path: str, key: str, kind: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """A tensor of a safetensors file, mapped into memory."""
    import numpy as np

    with Path(path).open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        begin, _ = json.loads(file.read(length))[key]["data_offsets"]
    return np.memmap(path, kind, "r", 8 + length + begin, shape)


# --- HDF5 -------------------------------------------------------------------------------------


def read_hdf5(path: str, key: Key = "", ids: IdKey = "") -> Source:
    """A dataset in an HDF5 file. Only the rows being read are in memory."""
    import h5py

    with _reading(path, "HDF5"), h5py.File(path, "r") as file:
        shapes: dict[str, tuple[int, ...]] = {}

        def collect(name: str, entry: Any) -> None:
            if isinstance(entry, h5py.Dataset):
                shapes[name] = entry.shape or ()

        file.visititems(collect)
        arrays = [name for name, shape in shapes.items() if len(shape) > 1]
        key = (key or only(path, arrays, "array of vectors", "key")).strip("/")
        ids = ids.strip("/")
        array = file[named(path, list(shapes), key, "array")]
        shape, kind = array.shape, array.dtype.name
        texts = file[named(path, list(shapes), ids, "array")][()] if ids else None

    def tiles() -> Iterator[np.ndarray]:
        with _reading(path, "HDF5"), h5py.File(path, "r") as file:
            yield from tiles_of(file[key])()

    return of_array(path, shape, kind, tiles, texts)


# --- tables -----------------------------------------------------------------------------------


def read_parquet(path: str, column: Column = "", ids: IdColumn = "") -> Source:
    """A column of a Parquet file with a list of numbers in each row. The other columns are
    labels."""
    from modality_gap.data.parquet import open_parquet, reading_parquet

    file = open_parquet(path)

    def read(columns: list[str], rows: int) -> Iterator:
        with reading_parquet(path):
            yield from open_parquet(path, file.metadata).iter_batches(rows, columns=columns)

    return of_table(
        path, file.schema_arrow, file.metadata.num_rows, read, column, ids, file.metadata.metadata
    )


def read_arrow(path: str, column: Column = "", ids: IdColumn = "") -> Source:
    """A column of an Arrow file, as pyarrow, polars or `datasets` write it, with a list of numbers
    in each row."""
    return _of_arrow_files(path, [path], column, ids)


def read_datasets(
    path: str,
    column: Column = "",
    ids: IdColumn = "",
    split: Annotated[str, "Name of the split, if the folder has several.", {}] = "",
) -> Source:
    """A column in a folder that Hugging Face's `save_to_disk` wrote."""
    folder = Path(path)
    with _reading(path, "a folder of datasets"):
        if (folder / "dataset_dict.json").is_file():
            about = json.loads((folder / "dataset_dict.json").read_text(encoding="utf-8"))
            splits = about["splits"]
            split = named(path, splits, split or only(path, splits, "split", "split"), "split")
            folder /= split
        elif split:
            raise InputError(f"{path}: the folder has no splits; remove `split`.")
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        files = [str(folder / one["filename"]) for one in state["_data_files"]]
    if state.get("_indices_data_files"):
        raise InputError(
            f"{path}: only some rows of the dataset are selected. Call its flatten_indices(), and "
            "save the result."
        )
    return _of_arrow_files(path, files, column, ids)


def _of_arrow_files(path: str, files: list[str], column: str, ids: str) -> Source:
    import pyarrow as pa

    def batches() -> Iterator:
        for name in files:
            with pa.memory_map(name) as file:
                try:
                    table = pa.ipc.open_file(file)
                    yield from (table.get_batch(i) for i in range(table.num_record_batches))
                except pa.ArrowInvalid:
                    file.seek(0)
                    yield from pa.ipc.open_stream(file)

    def read(columns: list[str], rows: int) -> Iterator:
        for batch in batches():
            for start in range(0, len(batch), rows):
                yield batch.select(columns).slice(start, rows)

    try:
        schema, items = None, 0
        for name in files:
            with pa.memory_map(name) as file:
                try:
                    found = pa.ipc.open_file(file).schema
                except pa.ArrowInvalid:
                    file.seek(0)
                    found = pa.ipc.open_stream(file).schema
            schema = schema or found
        items = sum(map(len, batches()))
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, "Arrow", error) from error
    if schema is None:
        raise InputError(f"{path}: the dataset contains no rows. Save it again.")
    return of_table(path, schema, items, read, column, ids)


# --- folders ----------------------------------------------------------------------------------


def joined_parts(path: str, parts: list[Source], numbers: list[tuple[int, ...]]) -> Source:
    """One Source with all parts of a folder, in their order. Empty parts are left out.

    Raises InputError if parts differ in dimension, or if only some have ids.
    """
    import numpy as np
    import pyarrow as pa

    whole = [part for part in parts if part.items]
    if not whole:
        return parts[0]
    first = whole[0]
    for part in whole:
        if part.dim != first.dim:
            raise InputError(
                f"{part.path}: {part.dim} dimensions, but {first.path} has {first.dim}; give parts "
                "from one model."
            )
        if (part.ids is None) != (first.ids is None):
            raise InputError(
                f"{part.path} and {first.path}: only one of them has ids. Give ids in all parts, "
                "or in none."
            )
    kinds = first.label_types
    if kinds is not None:
        kinds = common_types({part.path: part.label_types for part in whole})

    def batches(labels: bool = True) -> Iterator:
        for part in whole:
            for vectors, of_part in part.batches(labels):
                yield vectors, None if of_part is None else as_types(of_part, kinds)

    counts = None
    if any(part.counts is not None for part in whole):
        every = [np.ones(one.items, int) if one.counts is None else one.counts for one in whole]
        counts = np.concatenate(every)
    ids = None
    if first.ids is not None:
        chunks = [chunk for part in whole if part.ids is not None for chunk in part.ids.chunks]
        ids = pa.chunked_array(chunks)
    return Source(
        path,
        sum(part.items for part in whole),
        first.dim,
        batches,
        ids,
        counts,
        kinds,
        parts=tuple(zip(numbers, (part.items for part in parts), strict=True)),
    )
