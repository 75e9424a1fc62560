"""Finished embeddings of names, in files that others published. Nothing is unpickled."""

import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from modality_gap.errors import InputError

# A normalised vector may differ from length 1 by this much: float16 has three digits.
UNIT = 2e-3


def read_names(path: str | Path) -> list[str]:
    """The names in a list, in the order of the vectors. The file has one name per line. Raises
    InputError for any other file, and for a name that occurs twice."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read as a list of names ({error}). Give a UTF-8 text file with one "
            "name per line."
        ) from error
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise InputError(f"{path}: the file contains no name. Write one name per line.")
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise InputError(f"{path}: the name {name!r} occurs {times} times. Keep one of them.")
    return names


def read_matrix(path: str | Path, member: str = "", dtype: str = "float32") -> np.ndarray:
    """A matrix of numbers: (n, d) from an .npy file, or (1, n * d) from a `member` of a zip archive
    (such as torch's). A member contains little-endian numbers of the type `dtype`, without a shape.

    Raises InputError for other files, because nothing is unpickled.
    """
    try:
        if member:
            with zipfile.ZipFile(path) as archive:
                stored = archive.read(member)
            return np.frombuffer(stored, np.dtype(dtype).newbyteorder("<"))[None]
        matrix = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split()).strip("\"'.")
        raise InputError(
            f"{path}: no vectors can be read from this file ({reason}). Give an .npy file of "
            "numbers. Or give a zip archive, and set `member` to the file in it that holds the "
            "numbers."
        ) from error
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or matrix.dtype.kind != "f":
        raise InputError(
            f"{path}: the array is not a matrix of real numbers. Give a matrix with one row per "
            "name."
        )
    return matrix


def read_vectors(path: str | Path, names_path: str | Path, entry: Mapping) -> dict[str, np.ndarray]:
    """The vectors (d,) float32 in a file, by their names. The file of names has the same order as
    the rows of vectors.

    `entry` says whether the vectors are `normalised`. Only the first `rows` rows have names, if
    `entry` gives `rows`. `member` and `type` are as in `read_matrix`. Raises InputError if the
    numbers of rows and names differ, or if the lengths of the vectors do not match `normalised`.
    """
    names = read_names(names_path)
    matrix = read_matrix(path, entry.get("member", ""), entry.get("type", "float32"))
    if "member" in entry:
        if matrix.size % len(names):
            raise InputError(
                f"{path}: `member` holds {matrix.size:,} numbers, which cannot be divided evenly "
                f"among the {len(names):,} names in {names_path}. Correct the names, `member` or "
                "`type`."
            )
        matrix = matrix.reshape(len(names), -1)
    matrix = matrix[: entry.get("rows")]
    if len(matrix) != len(names):
        raise InputError(
            f"{path}: {len(matrix)} rows, but {names_path} lists {len(names)} names. List one name "
            "per row, or, if only the first rows have a name, set `rows` to their number."
        )
    matrix = matrix.astype(np.float32)
    lengths = np.linalg.norm(matrix, axis=1)
    unit = bool((np.abs(lengths - 1) < UNIT).all())
    if not np.isfinite(lengths).all() or not lengths.all():
        raise InputError(f"{path}: a vector is all zeros or not finite. Make the file again.")
    if unit != entry["normalised"]:
        raise InputError(
            f"{path}: the lengths of the vectors are {lengths.min():.3g} to {lengths.max():.3g}. "
            f"Set `normalised` to {str(unit).lower()}."
        )
    return dict(zip(names, matrix, strict=True))
