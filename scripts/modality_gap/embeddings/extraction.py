"""The extraction of an embedding set from a dataset, in three parts: reader, encoder, writer."""

import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter, itemgetter

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from tqdm import tqdm

from modality_gap.data.parquet import InputSpec, StoredDataset, choose_rows, drawn
from modality_gap.embeddings.decoding import prepare_items
from modality_gap.embeddings.sets import EmbeddingWriter, exact_frame
from modality_gap.embeddings.workers import AT_ONCE, choose_kind, pool, unpacked
from modality_gap.encoders.base import Encoder
from modality_gap.errors import InputError
from modality_gap.logs import peak_mb

CONTENT = ("image", "text")  # columns with content to embed; all others are labels


@dataclass
class Timing:
    """The seconds that the main thread spent waiting for input, computing vectors and writing."""

    read_s: float = 0.0
    infer_s: float = 0.0
    write_s: float = 0.0

    def __add__(self, other: "Timing") -> "Timing":
        return Timing(
            self.read_s + other.read_s, self.infer_s + other.infer_s, self.write_s + other.write_s
        )


def select_rows(path: str, inputs: InputSpec, seed: int) -> np.ndarray:
    """The rows of a dataset that an entry of `inputs` in the config selects, in ascending order."""
    dataset = StoredDataset(path)
    every = pd.DataFrame(index=range(len(dataset)))
    if not inputs.keys() & {"where", "sample"}:
        return every.index.to_numpy()
    if absent := inputs.get("where", {}).keys() - {*dataset.schema.names}:
        columns = [name for name in dataset.schema.names if name not in ("item_id", "image")]
        raise InputError(
            f"{path}: the dataset has no column {sorted(absent)[0]!r}, which `where` names; "
            f"its columns are {', '.join(columns)}."
        )
    # A sample is of rows: no column is read for it.
    table = exact_frame(dataset.read([*inputs["where"]])) if inputs.get("where") else every
    return np.flatnonzero(choose_rows(table, inputs, seed))


def select_rows_of_parts(paths: Sequence[str], inputs: InputSpec, seed: int) -> list[np.ndarray]:
    """The rows of each part of a dataset that `inputs` select; the same as of the dataset in one
    file. One part is in memory at a time, with only the columns that `where` names."""
    within: InputSpec = {"where": inputs["where"]} if "where" in inputs else {}
    found = [select_rows(path, within, seed) for path in paths]
    ends = np.cumsum([len(rows) for rows in found])
    places = np.sort(drawn(int(ends[-1]), inputs.get("sample"), seed))
    shares = np.split(places, np.searchsorted(places, ends[:-1]))
    return [
        rows[share - start]
        for rows, share, start in zip(found, shares, [0, *ends[:-1]], strict=True)
    ]


def content_column(inputs: InputSpec, modality: str) -> str:
    """The column of the dataset to embed. It has the name of the modality or, for texts, the name
    that `text` of the inputs gives."""
    return inputs.get("text", modality) if modality == "text" else modality


def label_columns(path: str, inputs: InputSpec, spec: dict) -> pa.Schema:
    """The names and types of the labels of the embedded items. They are the labels of the dataset;
    then `noise`, if some items are noise; then `seed`, if the encoder has several
    initialisations."""
    columns = StoredDataset(path).schema
    own = [field for field in columns if field.name not in ("item_id", *CONTENT)]
    noise = [pa.field("noise", pa.bool_())] if "noise" in inputs else []
    seed = [pa.field("seed", pa.int64())] if "seeds" in spec else []
    return pa.schema([*own, *noise, *seed])


@dataclass(frozen=True)
class Batch:
    """One batch of an encoder. `rows` are rows of the dataset, or numbers of noise items.
    `init` is the seed of the initialisation, if there are several."""

    init: int | None
    noise: bool
    rows: np.ndarray


def plan_batches(
    rows: np.ndarray,
    noise: int,
    batch_size: int,
    inits: Sequence[int | None],
    shard: int = 1,
    shards: int = 1,
) -> list[Batch]:
    """The consecutive batches that shard number `shard` (1, ..., shards) embeds.

    Batches are never split, so the result does not depend on the number of shards. If there are
    more shards than batches, some shards have no batch. Batches are in the order of the embedding
    set: for each initialisation, first batches of the dataset, then batches of noise. A batch of
    the dataset contains those of `rows` that are among `batch_size` consecutive rows of it.
    """
    starts = np.flatnonzero(np.diff(rows // batch_size, prepend=-1))
    stops = [*starts[1:], len(rows)]
    of_one = len(starts) + math.ceil(noise / batch_size)

    def batch(number: int) -> Batch:
        init, place = divmod(number, of_one)
        if place < len(starts):
            return Batch(inits[init], False, rows[starts[place] : stops[place]])
        first = (place - len(starts)) * batch_size
        return Batch(inits[init], True, np.arange(first, min(first + batch_size, noise)))

    total = of_one * len(inits)
    return [
        batch(number) for number in range(total * (shard - 1) // shards, total * shard // shards)
    ]


def read_batches(
    path: str, modality: str, rows: np.ndarray, batch_size: int, column: str | None = None
) -> Iterator[pd.DataFrame]:
    """Yields the `rows` of a dataset, one frame for each `batch_size` consecutive rows of the
    dataset.

    Only one frame is in memory. Row groups without any of the rows are not read. `column` is the
    column to embed; None means the column with the modality's name. If this column is a label, it
    stays a label.
    """
    dataset, column = StoredDataset(path), column or modality
    if column not in dataset.schema.names:
        raise InputError(f"{path}: the dataset has no {column}; embed another modality of it.")
    columns = [name for name in dataset.schema.names if name == column or name not in CONTENT]

    def pieces() -> Iterator[tuple[int, pa.RecordBatch]]:
        for numbers, piece in dataset.pieces(batch_size, columns, rows):
            batches = numbers // batch_size
            for batch in np.unique(batches):
                yield batch, piece.filter(pa.array(batches == batch))

    # A batch comes in two pieces where a row group that is read, or a part, begins within it.
    for _, parts in groupby(pieces(), key=itemgetter(0)):
        frame = exact_frame(pa.Table.from_batches([part for _, part in parts]))
        yield frame if column == modality else frame.assign(**{modality: frame[column]})


def prepare_ahead(
    batches: Iterator[pd.DataFrame], modality: str, submit: Callable[[list], Future], workers: int
) -> Iterator[tuple[pd.DataFrame, list[Future]]]:
    """Yields each batch with the futures of its inputs. Just enough batches are prepared ahead to
    keep all workers busy."""
    queue: deque[tuple[pd.DataFrame, list[Future]]] = deque()
    for frame in batches:
        items = list(zip(frame["item_id"], frame[modality], strict=True))
        queue.append(
            (frame, [submit(items[at : at + AT_ONCE]) for at in range(0, len(items), AT_ONCE)])
        )
        if sum(len(futures) for _, futures in queue) - len(queue[0][1]) >= 2 * workers:
            yield queue.popleft()
    yield from queue


def extract(
    batches: Iterator[pd.DataFrame],
    items: int,
    modality: str,
    encoder: Encoder,
    writer: EmbeddingWriter,
    workers: int,
    unreadable: str,
    decode: str = "exact",
) -> Timing:
    """Embed every row of `batches` and write the embeddings.

    `workers` threads or processes prepare inputs ahead of the encoder (embeddings/workers.py);
    always threads if `decode` is "gpu". If a picture cannot be decoded and `unreadable` is "fail",
    the run ends with an error that names it. With "skip" the picture is left out and listed in
    `writer.metadata["skipped"]`. `decode` names a way of decoding in embeddings/decoding.py.
    """
    timing = Timing()
    skipped: list[str] = []
    kind = "threads"
    prepare = partial(prepare_items, encoder, modality, unreadable, decode=decode)
    if decode != "gpu":
        kind, batches = choose_kind(workers, prepare, batches, modality, items)
    with (
        pool(kind, workers, prepare) as submit,
        tqdm(total=items, unit=modality, mininterval=2, file=sys.stderr) as progress,
    ):
        clock = time.perf_counter()
        for frame, futures in prepare_ahead(batches, modality, submit, workers):
            prepared = [item for future in futures for item in unpacked(future)]
            readable = np.array([not isinstance(item, InputError) for item in prepared])
            for item_id, error in zip(frame["item_id"], prepared, strict=True):
                if isinstance(error, InputError):
                    print(f"skipped: {error}", file=sys.stderr)
                    skipped.append(item_id)
            timing.read_s += time.perf_counter() - clock
            progress.update(len(frame))
            frame = frame[readable]
            if not len(frame):
                clock = time.perf_counter()
                continue
            clock = time.perf_counter()
            vectors = encoder.encode(
                [item for item, keep in zip(prepared, readable, strict=True) if keep]
            )
            timing.infer_s += time.perf_counter() - clock
            clock = time.perf_counter()
            labels = frame.drop(columns=["item_id", modality])
            writer.write(frame["item_id"], vectors, labels)
            timing.write_s += time.perf_counter() - clock
            clock = time.perf_counter()
    writer.metadata["skipped"] = [*writer.metadata.get("skipped", []), *skipped]
    return timing


def extract_noise(
    numbers: np.ndarray,
    encoder: Encoder,
    writer: EmbeddingWriter,
    batch_size: int,
    seed: int,
    label: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame,
) -> Timing:
    """Embed random inputs: normal pictures or uniformly random token ids. `seed` draws a sequence
    of inputs, and `numbers` says which of them to embed; they are consecutive. `label` may change
    the frame of item_id and labels."""
    timing = Timing()
    rng = np.random.default_rng(seed)
    clock = time.perf_counter()
    for _ in range(numbers[0]):
        encoder.noise(rng)
    timing.read_s += time.perf_counter() - clock
    starts = range(0, len(numbers), batch_size)
    for start in tqdm(starts, unit="batch", mininterval=2, file=sys.stderr):
        names = [f"noise{number:05d}" for number in numbers[start : start + batch_size]]
        clock = time.perf_counter()
        inputs = [encoder.noise(rng) for _ in names]
        timing.read_s += time.perf_counter() - clock
        clock = time.perf_counter()
        vectors = encoder.encode(inputs)
        timing.infer_s += time.perf_counter() - clock
        frame = label(pd.DataFrame({"item_id": names, "noise": True}))
        writer.write(frame["item_id"], vectors, frame.drop(columns="item_id"))
    return timing


def embed(
    todo: Sequence[Batch],
    build: Callable[[int | None], Encoder],
    dataset: str,
    modality: str,
    writer: EmbeddingWriter,
    settings: dict,
    seed: int,
    column: str | None = None,
) -> tuple[int, Timing]:
    """Embed the batches `todo`, and return the number of items and the time taken.

    The batches are of a dataset, or of noise that `seed` draws. `build` returns the encoder for an
    initialisation. `settings` are the section extraction of the config. `column` is as in
    `read_batches`.
    """
    count, timing = 0, Timing()
    for init, batches in groupby(todo, key=attrgetter("init")):
        encoder = build(init)
        writer.metadata |= encoder.metadata
        label = partial(label_seed, seed=init) if init is not None else lambda frame: frame
        for noise, parts in groupby(batches, key=attrgetter("noise")):
            rows = np.concatenate([batch.rows for batch in parts])
            count += len(rows)
            if noise:
                timing += extract_noise(rows, encoder, writer, settings["batch_size"], seed, label)
                continue
            frames = read_batches(dataset, modality, rows, settings["batch_size"], column)
            timing += extract(
                (label(frame.assign(noise=False)) for frame in frames),
                len(rows),
                modality,
                encoder,
                writer,
                settings["workers"],
                settings["unreadable"],
                settings.get("decode", "exact"),
            )
    return count, timing


def label_seed(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """A batch in which item_id and the label `seed` name one of several initialisations."""
    return frame.assign(item_id=f"seed{seed:02d}/" + frame["item_id"], seed=seed)


def peak_memory_mb() -> dict[str, float]:
    """The peak resident memory of this process and, if a GPU is present, the peak memory of the
    GPU, in MiB."""
    peak = {"peak_memory_mb": peak_mb()}
    if torch.cuda.is_available():
        peak["peak_gpu_memory_mb"] = torch.cuda.max_memory_allocated() / 2**20
    return peak
