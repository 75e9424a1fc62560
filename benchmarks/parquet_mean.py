"""The mean of 10 million unit vectors streamed from a Parquet file, against pyarrow's reading.

The file is an embedding set as the workflow's own writer makes it (zstd, row groups of 1,024), of
10 million rows of 32 dimensions (1.3 GB of float32; at 512 they would be 20 GB), made here and
removed at the end. The mean is that of modality_gap.gap, over StoredVectors: it reads
the vectors, norms each in float64 and adds them up. pyarrow alone reads the same column of the same
file, a row group at a time, on all cores, and does nothing with it. Both take turns, after one
reading that fills the system's cache. Opening a set, which checks each id and vector once, is
measured too. Writes results/bench/parquet_mean.csv.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from bench import FOLDER, Clock, measured, peak_since_reset_mb, reset_peak_memory, save, say

from modality_gap.embedding_set import ROW_GROUP, EmbeddingWriter, StoredVectors
from modality_gap.gap import mean_vector

DIMENSIONS = 32
BLOCK = 64 * ROW_GROUP


def write_vectors(path: Path, rows: int, d: int) -> None:
    """An embedding set of random vectors, never whole in memory."""
    rng = np.random.default_rng(0)
    with EmbeddingWriter(path, {}) as writer:
        for start in range(0, rows, BLOCK):
            ids = [f"{row:08d}" for row in range(start, min(start + BLOCK, rows))]
            vectors = rng.standard_normal((len(ids), d), dtype=np.float32) + 0.3
            for at in range(0, len(ids), ROW_GROUP):
                part = slice(at, at + ROW_GROUP)
                writer.write(ids[part], vectors[part], pd.DataFrame(index=range(len(ids[part]))))


def read_alone(path: Path) -> int:
    """pyarrow reads the vectors; how many rows there were."""
    file = pq.ParquetFile(path, pre_buffer=True)
    batches = file.iter_batches(8 * ROW_GROUP, columns=["vector"], use_threads=True)
    return sum(len(batch) for batch in batches)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--dimensions", type=int, default=DIMENSIONS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    settings = parser.parse_args(arguments)
    n, d = settings.rows, settings.dimensions
    settings.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        path = Path(folder) / "vectors.parquet"
        clock = Clock()
        write_vectors(path, n, d)
        say(f"{n:,} x {d} written in {clock.seconds():.0f} s, {path.stat().st_size / 1e9:.2f} GB")
        read_alone(path)
        clock = Clock()
        x = StoredVectors(path)
        opening = clock.seconds()
        say(f"opened and checked in {opening:.1f} s")
        times = {"pyarrow alone": [], "mean": []}
        before = reset_peak_memory()
        for number in range(settings.rounds):
            clock = Clock()
            assert read_alone(path) == n
            times["pyarrow alone"].append(clock.seconds())
            clock = Clock()
            mean = mean_vector(x)
            times["mean"].append(clock.seconds())
            both = ", ".join(f"{way} {seconds[-1]:.2f} s" for way, seconds in times.items())
            say(f"round {number + 1} of {settings.rounds}: {both}")
        memory = peak_since_reset_mb() - before
    assert 0 < np.linalg.norm(mean) < 1
    gigabytes = 4 * n * d / 1e9
    rates = {way: [gigabytes / s for s in seconds] for way, seconds in times.items()}
    shares = [a / b for a, b in zip(rates["mean"], rates["pyarrow alone"], strict=True)]
    subject = "mean of rows"
    save(
        "parquet_mean",
        [
            *(measured(subject, way, values, "GB/s", n) for way, values in rates.items()),
            measured(subject, "share of pyarrow alone", shares, "ratio", n),
            measured(subject, "opening and checking", opening, "s", n),
            measured(subject, "memory beyond the ids", memory, "MB", n),
        ],
        settings.folder,
    )


if __name__ == "__main__":
    main()
