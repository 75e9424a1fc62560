"""Scripts run in the process of a test as Snakemake runs them, and small sets for them."""

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import independent as plain
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from plan import script_path

from modality_gap import logs
from modality_gap.embeddings.sets import EmbeddingSet, write
from modality_gap.embeddings.stored import read


class Named(dict):
    """What Snakemake gives a script as input, output or params: by name and by number."""

    __getattr__ = dict.__getitem__

    def __iter__(self):
        return iter(self.values())

    def __getitem__(self, name):
        return list(self.values())[name] if isinstance(name, int | slice) else dict.get(self, name)


def script_runner(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable]:
    """Yields what runs a script in this process; what scripts set for a whole process is as before
    afterwards."""
    monkeypatch.setattr(logs, "log_to", lambda _: None)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    before = torch.get_num_threads()

    def run(script, given, output, wildcards=(), config=None, threads=1, **params):
        snakemake = SimpleNamespace(
            input=Named(given),
            output=Named(output),
            params=Named(params),
            wildcards=Named(wildcards),
            config=config,
            log=["log"],
            threads=threads,
        )
        runpy.run_path(str(script_path(root, script)), {"snakemake": snakemake})
        for path in map(Path, snakemake.output):  # no table has the numbers of its rows
            if path.suffix == ".csv" and path.exists():
                assert not path.read_text(encoding="utf-8").startswith(","), path

    yield run
    torch.set_num_threads(before)


def pair(folder, name, metadata=None, n=40):
    """Paths of a made up set."""
    rng = np.random.default_rng(len(name))
    x = rng.normal(size=(n, 8)) + 1
    paths = []
    for side, vectors in (("a", x), ("b", x + rng.normal(size=x.shape) - 2)):
        paths.append(folder / f"{name}.{side}.parquet")
        ids = np.array([f"{row:03d}" for row in range(n)], dtype=object)
        write(EmbeddingSet(ids, vectors.astype("f4"), metadata=metadata or {}), paths[-1])
    return paths


# The clusters of `overlapping`.
GROUPS = np.arange(50) % 20


def overlapping(folder, name, seed, n=50):
    """Paths of a set whose modalities a line does not tell apart for sure, in 20 concepts."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)) + 0.6
    labels = pd.DataFrame({"concept": [f"c{row % 20}" for row in range(n)]})
    ids = np.array([f"{row:03d}" for row in range(n)], dtype=object)
    paths = []
    for side, vectors in (("a", x), ("b", rng.normal(size=(n, 3)) - 0.2)):
        paths.append(folder / f"{name}.{side}.parquet")
        write(EmbeddingSet(ids, vectors.astype("f4"), labels), paths[-1])
    return paths


def vectors_of(paths):
    return tuple(plain.unit(read(path).vectors) for path in paths)
