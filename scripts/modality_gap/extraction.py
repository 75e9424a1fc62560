"""Extraction: dataset in, embedding set out, as three small parts: reader, encoder, writer."""

import multiprocessing
import resource
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from tqdm import tqdm

from modality_gap.embedding_set import EmbeddingWriter, choose_rows
from modality_gap.encoders import Encoder, open_picture
from modality_gap.errors import InputError

CONTENT = ("image", "text")  # what is embedded; every other column is a label
# Beyond so many workers threads wait for one another: a picture holds the interpreter's lock for a
# fifth of the time that it takes. Processes do not, but threads start at once.
MOST_THREADS = 4
AT_ONCE = 16  # items that a worker is handed: a batch of 32 is work for two


@dataclass
class Timing:
    """Seconds the main thread spent waiting for input, inferring and writing."""

    read_s: float = 0.0
    infer_s: float = 0.0
    write_s: float = 0.0

    def __add__(self, other: "Timing") -> "Timing":
        return Timing(
            self.read_s + other.read_s, self.infer_s + other.infer_s, self.write_s + other.write_s
        )


def select_items(path: str, inputs: dict, seed: int) -> np.ndarray:
    """Item ids of a dataset, in file order, that an entry of `inputs` in the config takes."""
    table = pd.read_parquet(path, columns=["item_id", *inputs.get("where", {})])
    return table.loc[choose_rows(table, inputs, seed), "item_id"].to_numpy()


def read_batches(
    path: str, modality: str, chosen: np.ndarray, batch_size: int
) -> Iterator[pd.DataFrame]:
    """Frames of at most `batch_size` rows, a row group at a time: never the whole dataset."""
    file = pq.ParquetFile(path)
    if modality not in file.schema_arrow.names:
        raise InputError(f"{path}: the dataset has no {modality}; embed another modality of it.")
    columns = [name for name in file.schema_arrow.names if name == modality or name not in CONTENT]
    chosen = set(chosen)
    for batch in file.iter_batches(batch_size=batch_size, columns=columns):
        frame = batch.to_pandas()
        # Not isin(), which goes through all that are chosen, for every batch.
        frame = frame[[item_id in chosen for item_id in frame["item_id"]]]
        if len(frame):
            yield frame


class Preparation:
    """Turns items into what an encoder takes, a few at a time, in a thread or a process."""

    def __init__(self, encoder: Encoder, modality: str, unreadable: str):
        self.prepare, self.modality, self.unreadable = encoder.prepare, modality, unreadable

    def __call__(self, items: list[tuple]) -> list[np.ndarray | InputError]:
        """Inputs of some (item_id, content); an error in place of a picture that is to be skipped.
        Arrays, since torch would send tensors through shared memory, of which containers have
        little."""
        return [self._one(*item) for item in items]

    def _one(self, item_id: str, content) -> np.ndarray | InputError:
        try:
            item = open_picture(content, item_id) if self.modality == "image" else content
        except InputError as error:
            if self.unreadable == "fail":
                raise
            return error
        return self.prepare(item).numpy()


def _start_worker(preparation: Preparation) -> None:
    global _preparation
    _preparation = preparation
    torch.set_num_threads(1)  # every core has its worker


def _prepare_in_worker(items: list[tuple]) -> list[np.ndarray | InputError]:
    return _preparation(items)


@contextmanager
def start_workers(preparation: Preparation, workers: int) -> Iterator[Callable[[list], Future]]:
    """A function that hands some items to one of `workers` threads, or processes where they are
    more than `MOST_THREADS`. Processes are forked, so that they share the tokenizer and the
    transform without a start-up of their own; they never touch the GPU."""
    if workers <= MOST_THREADS:
        with ThreadPoolExecutor(workers) as pool:
            yield partial(pool.submit, preparation)
    else:
        fork = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(workers, fork, _start_worker, (preparation,)) as pool:
            yield partial(pool.submit, _prepare_in_worker)


def prepare_ahead(
    batches: Iterator[pd.DataFrame], modality: str, submit: Callable[[list], Future], workers: int
) -> Iterator[tuple[pd.DataFrame, list[Future]]]:
    """Each batch and its inputs to come, with enough of the next ones under way that no worker
    waits, and no more."""
    queue = deque()
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
) -> Timing:
    """Embed every row of `batches` and write it; workers decode ahead of inference.

    With `unreadable` "fail" a picture that cannot be decoded ends the run by name; with "skip" it
    is left out, and `writer.metadata["skipped"]` lists it.
    """
    timing = Timing()
    skipped: list[str] = []
    with (
        start_workers(Preparation(encoder, modality, unreadable), workers) as submit,
        tqdm(total=items, unit=modality, mininterval=2, file=sys.stderr) as progress,
    ):
        clock = time.perf_counter()
        for frame, futures in prepare_ahead(batches, modality, submit, workers):
            prepared = [item for future in futures for item in future.result()]
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
                [
                    torch.from_numpy(item)
                    for item, keep in zip(prepared, readable, strict=True)
                    if keep
                ]
            )
            timing.infer_s += time.perf_counter() - clock
            clock = time.perf_counter()
            labels = frame.drop(columns=["item_id", modality])
            writer.write(frame["item_id"], vectors, labels)
            timing.write_s += time.perf_counter() - clock
            clock = time.perf_counter()
    writer.metadata["skipped"] = skipped
    return timing


def extract_noise(
    items: int,
    encoder: Encoder,
    writer: EmbeddingWriter,
    batch_size: int,
    seed: int,
    label: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame,
) -> Timing:
    """Embed `items` random inputs: normal pictures, or uniformly random token ids.

    The same `seed` draws the same inputs; `label` may change the frame of item_id and labels.
    """
    timing = Timing()
    rng = np.random.default_rng(seed)
    ids = [f"noise{number:05d}" for number in range(items)]
    for start in tqdm(range(0, items, batch_size), unit="batch", mininterval=2, file=sys.stderr):
        names = ids[start : start + batch_size]
        clock = time.perf_counter()
        inputs = [encoder.noise(rng) for _ in names]
        timing.read_s += time.perf_counter() - clock
        clock = time.perf_counter()
        vectors = encoder.encode(inputs)
        timing.infer_s += time.perf_counter() - clock
        frame = label(pd.DataFrame({"item_id": names, "noise": True}))
        writer.write(frame["item_id"], vectors, frame.drop(columns="item_id"))
    return timing


def peak_memory_mb() -> dict[str, float]:
    """Peak resident memory of this process, and of the GPU where one was used, in MiB."""
    peak = {"peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if torch.cuda.is_available():
        peak["peak_gpu_memory_mb"] = torch.cuda.max_memory_allocated() / 2**20
    return peak
