"""Own pairs in parts against reading the same files: time, memory, and what one part more costs.

Both sides are folders of Parquet parts as the workflow's own writer makes them (zstd, row groups of
1,024), of random pairs; each is made here and removed again. A part is read, checked, summed and
sampled as by the rule `sum_part`, then all are put together as by `measure_gaps`: the gap and both
mean cosines with their intervals, of every pair. Reading alone is pyarrow's, of the same columns of
the same files a row group at a time, one side after the other in one thread; or, as a part is
read, both sides at once in two. Who begins changes from part to part. A part of a
data set is made from tars of random bytes, as by the rule `make_part`. Writes
results/bench/parts.csv.
"""

import argparse
import io
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from bench import FOLDER, Clock, measured, peak_since_reset_mb, reset_peak_memory, save, say
from scale import ASSUMED, SAMPLE

from modality_gap.data.datasets import write_dataset
from modality_gap.data.vector_formats import open_source
from modality_gap.embeddings.sets import EmbeddingWriter
from modality_gap.measures.by_part import read_sample, read_sums, sum_part, write_part
from modality_gap.measures.pair_sums import mean_cosine_of, measure_gap_of

BLOCK = 8192
LETTERS = bytes(97 + byte % 26 for byte in range(256))
SIDES = ("image", "text")


def write_parts(folder: Path, number: int, rows: int, d: int) -> list[Path]:
    """The files of both sides of a part, of pairs that are alike and a gap apart."""
    rng = np.random.default_rng(number)
    paths = [folder / f"{side}_{number}.parquet" for side in SIDES]
    writers = [EmbeddingWriter(path, {}) for path in paths]
    for start in range(0, rows, BLOCK):
        ids = [f"{number}:{row:08d}" for row in range(start, min(start + BLOCK, rows))]
        shared = rng.standard_normal((len(ids), d), dtype=np.float32)
        for writer, shift in zip(writers, (0.3, -0.3), strict=True):
            own = rng.standard_normal((len(ids), d), dtype=np.float32)
            writer.write(ids, shared + own + np.float32(shift), pd.DataFrame(index=range(len(ids))))
    for writer in writers:
        writer.close()
    return paths


def read_alone(paths: list[Path]) -> int:
    """pyarrow reads ids and vectors of some files; how many rows there were."""
    rows = 0
    for path in paths:
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            rows += len(file.read_row_group(group, ["item_id", "vector"]))
    return rows


def read_at_once(paths: list[Path]) -> int:
    """The same, by a thread for each file."""
    with ThreadPoolExecutor(len(paths)) as pool:
        return sum(pool.map(lambda path: read_alone([path]), paths))


def sum_files(paths: list[Path]) -> Path:
    """What the rule `sum_part` does with a part; the file that it writes."""
    kept = paths[0].with_suffix(".npz")
    sources = [open_source(str(path), {}) for path in paths]
    write_part(kept, *sum_part(*sources, paths[0].name, SAMPLE, 0))
    return kept


def put_together(kept: list[Path]) -> dict[str, float]:
    """What the table of gaps takes from all parts."""
    sums = read_sums(kept)
    assert len(read_sample(kept, "a", SAMPLE)) == min(SAMPLE, sums.n)
    row = measure_gap_of(sums, 0.95)
    row |= {f"mean_cosine_{side}": mean_cosine_of(sums, side, 0.95)[0] for side in "ab"}
    return row | {"n": sums.n}


def measure(folder: Path, parts: int, rows: int, d: int) -> list[dict]:
    """Measures of `parts` parts of `rows` pairs each."""
    ways = {"pyarrow alone": read_alone, "both at once": read_at_once, "one part": sum_files}
    times: dict[str, list[float]] = {way: [] for way in ways}
    work: dict[str, list[float]] = {way: [] for way in ways}  # seconds of processors
    before, kept = reset_peak_memory(), []
    for number in range(parts):
        paths = write_parts(folder, number, rows, d)
        for way in [*ways, *ways][number % len(ways) :][: len(ways)]:
            clock = Clock()
            done = ways[way](paths)
            times[way].append(clock.seconds())
            work[way].append(clock.processor_seconds())
            assert way == "one part" or done == len(SIDES) * rows
        kept.append(paths[0].with_suffix(".npz"))
        for path in paths:
            path.unlink()
        both = ", ".join(f"{way} {seconds[-1]:.2f} s" for way, seconds in times.items())
        say(f"part {number + 1} of {parts}: {both}")
    clock = Clock()
    row = put_together(kept)
    together = clock.seconds()
    memory = peak_since_reset_mb() - before
    say(f"gap {row['gap']:.4f}, put together in {together:.2f} s, memory {memory:.0f} MB")
    assert row["n"] == parts * rows
    each = 4 * len(SIDES) * rows * d / 1e9
    subject, n = f"pairs of {d} dimensions", parts * rows
    return [
        *(
            measured(subject, way, [each / one for one in seconds], "GB/s", n)
            for way, seconds in times.items()
        ),
        measured(subject, "times of reading", _ratios(times, "pyarrow alone"), "ratio", n),
        measured(
            subject, "times of reading both at once", _ratios(times, "both at once"), "ratio", n
        ),
        measured(subject, "rate of a core", [each / one for one in work["one part"]], "GB/s", n),
        measured(
            *(subject, "processor time, times of reading", _ratios(work, "pyarrow alone")),
            *("ratio", n),
        ),
        measured(subject, "time for one part more", times["one part"], "s", rows),
        measured(subject, "all parts together", together, "s", n),
        measured(subject, "memory", memory, "MB", n),
    ]


def _ratios(seconds: dict[str, list[float]], way: str) -> list[float]:
    """Those of each part, over those of reading it in another way."""
    return [ours / alone for ours, alone in zip(seconds["one part"], seconds[way], strict=True)]


def write_tar(path: Path, pairs: int) -> None:
    """A tar of webdataset, with pictures and captions of the sizes that the plan assumes."""
    rng = np.random.default_rng(0)
    sizes = {"jpg": int(1000 * ASSUMED["picture_kb"]), "txt": int(1000 * ASSUMED["caption_kb"])}
    with tarfile.open(path, "w") as archive:
        for number in range(pairs):
            for ending, size in sizes.items():
                member = tarfile.TarInfo(f"{number:09d}.{ending}")
                member.size = size
                archive.addfile(member, io.BytesIO(rng.bytes(size).translate(LETTERS)))


def measure_making(folder: Path, tars: int, pairs: int) -> dict:
    """The rate at which a tar becomes a part of a data set."""
    rates, path = [], folder / "pairs.tar"
    write_tar(path, pairs)
    for number in range(tars):
        clock = Clock()
        settings = {"format": "webdataset", "files": {}, "files_per_part": 1}
        write_dataset(folder / "made.parquet", settings, {"shards": str(path)})
        rates.append(path.stat().st_size / 1e9 / clock.processor_seconds())
        say(f"tar {number + 1} of {tars}: {rates[-1]:.2f} GB/s of a core")
    return measured("tars of pictures", "made into parts, rate of a core", rates, "GB/s", pairs)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--rows", type=int, default=125_000, help="pairs of each part")
    parser.add_argument("--tar", type=int, default=10_000, help="pairs of a tar")
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    settings = parser.parse_args(arguments)
    settings.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        rows = measure(Path(folder), settings.parts, settings.rows, settings.dimensions)
        rows.append(measure_making(Path(folder), settings.parts, settings.tar))
    save("parts", rows, settings.folder)


if __name__ == "__main__":
    main()
