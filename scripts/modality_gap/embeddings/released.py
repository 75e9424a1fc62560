"""Published embeddings. The paper's authors published one file with both modalities; others
published one file per modality, and a table of the items."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from modality_gap.embeddings.sets import EmbeddingSet
from modality_gap.errors import InputError


def of_authors(path: str | Path, row: int, entry: Mapping) -> EmbeddingSet:
    """Modality `row` of the authors' features (2, n, d). `entry` is the entry of the set in the
    config."""
    features = np.load(path, allow_pickle=False)[row]
    ids = [f"{item:05d}" for item in range(len(features))]
    where = "released by the authors at commit 8e20cb2"
    return EmbeddingSet(
        np.array(ids, dtype=object), features, metadata=_about(features, entry, where)
    )


def of_files(paths: Sequence[str | Path], row: int, entry: Mapping) -> EmbeddingSet:
    """Modality `row` of a set in files: one matrix per modality, then a CSV table of the n items.

    A matrix has n rows, or one row for each value of the set's `cluster` column (the prompts of
    classes), in alphabetical order. The pairs are ordered in rounds: first one pair of each
    cluster, then a second pair of each, and so on. A batch of the loss takes pairs in this order.
    It contains no picture or prompt twice if clusters have equal size and it has no more pairs than
    there are clusters. Raises InputError if the files do not fit each other.
    """
    *matrices, table = map(Path, paths)
    items = pd.read_csv(table, dtype=str, keep_default_na=False)
    column = entry["cluster"]
    for name in labels_of(entry):
        if name not in items:
            has = ", ".join(map(str, items)) or "none"
            raise InputError(f"{table}: no column is called {name!r}. Name one of these: {has}.")
    codes, values = pd.factorize(items[column], sort=True)
    vectors = _matrix(matrices[row])
    if len(vectors) == len(values) < len(items):
        vectors = vectors[codes]
    elif len(vectors) != len(items):
        raise InputError(
            f"{matrices[row]}: {len(vectors)} rows, but {table.name} lists {len(items)} items with "
            f"{len(values)} values of {column}. Give one row per item, or one per value."
        )
    place = items.groupby(column).cumcount().to_numpy()
    order = np.argsort(place, kind="stable")
    ids = [f"{value}#{number + 1}" for value, number in zip(items[column], place, strict=True)]
    where = f"published as {entry['released']['files'][row]} of config/assets.yaml"
    return EmbeddingSet(
        np.array(ids, dtype=object)[order],
        vectors[order],
        items[labels_of(entry)].iloc[order].reset_index(drop=True),
        _about(vectors, entry, where),
    )


def labels_of(entry: Mapping) -> list[str]:
    """The label columns that the entry of a set in the config names."""
    return [entry[key] for key in ("cluster", "fold") if key in entry]


def _matrix(path: Path) -> np.ndarray:
    try:
        matrix = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise InputError(
            f"{path} cannot be read as a numeric .npy array ({error}). Download it again."
        ) from error
    if matrix.ndim != 2 or matrix.dtype.kind != "f":
        raise InputError(
            f"{path} contains an array of type {matrix.dtype} and shape {matrix.shape}. Give a "
            "matrix of floating-point numbers with one vector per row."
        )
    return matrix


def _about(vectors: np.ndarray, entry: Mapping, where: str) -> dict:
    return {
        "model": entry["label"],
        "weights": entry["weights"],
        "dataset": where,
        "dtype": str(vectors.dtype),
    }
