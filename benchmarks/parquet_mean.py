"""The mean of unit vectors streamed from a Parquet file, against pyarrow's own reading.

The files are embedding sets as the workflow's own writer makes them (zstd, row groups of 1,024):
10 million rows of 32 dimensions, 1.3 GB of float32, and a million of 512, 2 GB; made here and
removed at the end. The mean is that of modality_gap.gap, over StoredVectors: it reads the vectors,
norms each in float64 and adds them up. pyarrow alone reads the same column of the same file, a row
group at a time, and does nothing with it. That was the fastest of its ways, no slower than in
batches and faster than many groups at once, buffered ahead or as a dataset; a column is decoded by
one thread, whatever the cores. Both take turns, after a mean that fills the system's cache and
whose memory is measured, and so is opening a set, which checks each id and vector once. Writes
results/bench/parquet_mean.csv.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from bench import FOLDER, Clock, measured, peak_since_reset_mb, reset_peak_memory, save, say

from modality_gap.embeddings.sets import ROW_GROUP, EmbeddingWriter
from modality_gap.embeddings.stored import StoredVectors
from modality_gap.measures.gap import mean_vector

FILES = {32: 10_000_000, 512: 1_000_000}  # dimensions: rows
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
    file = pq.ParquetFile(path)
    groups = range(file.num_row_groups)
    return sum(len(file.read_row_group(group, ["vector"])) for group in groups)


def measure(path: Path, n: int, d: int, rounds: int) -> list[dict]:
    """Measures of one file, made at `path`."""
    clock = Clock()
    write_vectors(path, n, d)
    say(f"{n:,} x {d} written in {clock.seconds():.0f} s, {path.stat().st_size / 1e9:.2f} GB")
    clock = Clock()
    x = StoredVectors(path)
    opening = clock.seconds()
    say(f"opened and checked in {opening:.1f} s")
    before = reset_peak_memory()
    mean = mean_vector(x)
    memory = peak_since_reset_mb() - before
    assert 0 < np.linalg.norm(mean) < 1
    times = {"pyarrow alone": [], "mean": []}
    for number in range(rounds):
        clock = Clock()
        assert read_alone(path) == n
        times["pyarrow alone"].append(clock.seconds())
        clock = Clock()
        mean_vector(x)
        times["mean"].append(clock.seconds())
        both = ", ".join(f"{way} {seconds[-1]:.2f} s" for way, seconds in times.items())
        say(f"round {number + 1} of {rounds}: {both}")
    gigabytes = 4 * n * d / 1e9
    rates = {way: [gigabytes / s for s in seconds] for way, seconds in times.items()}
    shares = [a / b for a, b in zip(rates["mean"], rates["pyarrow alone"], strict=True)]
    subject = f"rows of {d} dimensions"
    return [
        *(measured(subject, way, values, "GB/s", n) for way, values in rates.items()),
        measured(subject, "share of pyarrow alone", shares, "ratio", n),
        measured(subject, "opening and checking", gigabytes / opening, "GB/s", n),
        measured(subject, "memory", memory, "MB", n),
    ]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dimensions", type=int, nargs="+", default=list(FILES))
    parser.add_argument("--rows", type=int, nargs="+", default=list(FILES.values()), help="of each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    settings = parser.parse_args(arguments)
    settings.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for d, n in zip(settings.dimensions, settings.rows, strict=True):
        with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
            rows += measure(Path(folder) / "vectors.parquet", n, d, settings.rounds)
    save("parquet_mean", rows, settings.folder)


if __name__ == "__main__":
    main()
