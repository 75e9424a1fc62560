"""Workers that prepare inputs ahead of the encoder: threads, or processes if those are faster.

Threads are simpler. Decoding releases the interpreter's lock, but a picture still holds the lock
for about a tenth of its time, so more than about ten threads do not help. Each process has its own
lock and returns its pixels in shared memory. Both give the same pixels.
"""

import multiprocessing
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import pandas as pd
import torch
import torch.multiprocessing  # tensors go between processes in shared memory

from modality_gap.errors import InputError

KINDS = ("threads", "processes")
AT_ONCE = 16  # items per task: a batch of 32 is work for two workers
FEW = 4  # up to this many workers are always threads
MANY = 5_000  # from this many items on, a measurement of some seconds pays off
ROUNDS = 3
FASTER = 1.1  # processes must be this many times as fast as threads
TASKS = 4  # tasks of each worker in a round
SHARED = Path("/dev/shm")

Prepare = Callable[[list], list]
Packed = tuple[torch.Tensor, dict[int, InputError]]

_prepare: Prepare | None = None  # the function with which a process of `pool` prepares items


def _begin(prepare: Prepare) -> None:
    """Set up a process of `pool`, before its first task."""
    global _prepare
    torch.set_num_threads(1)
    _prepare = prepare


def _packed(items: list) -> Packed | list:
    """The prepared items of a task, as a process returns them: one tensor, which is shared and not
    copied, and the errors by number."""
    assert _prepare
    prepared = _prepare(items)
    errors = {n: item for n, item in enumerate(prepared) if isinstance(item, InputError)}
    tensors = [item for item in prepared if not isinstance(item, InputError)]
    if len({(item.shape, item.dtype) for item in tensors}) != 1:
        return prepared
    return torch.stack(tensors), errors


def unpacked(future: Future) -> list[torch.Tensor | InputError]:
    """The prepared items of a task of `pool`, in their order."""
    try:
        result = future.result()
    except BrokenProcessPool as error:
        raise InputError(
            "a process that decodes pictures was killed, perhaps because memory is too "
            "small; lower extraction.workers, and run again."
        ) from error
    if isinstance(result, list):
        return result
    stack, errors = result
    tensors = iter(stack)
    return [errors.get(n) or next(tensors) for n in range(len(stack) + len(errors))]


@contextmanager
def pool(kind: str, number: int, prepare: Prepare) -> Iterator[Callable[[list], Future]]:
    """Yields a function that gives a list of items to one of `number` workers (threads or
    processes). The worker prepares the items, and `unpacked` returns the result.

    Processes are forked, so that the encoder is not copied; they must not use a GPU.
    """
    if kind == "threads":
        with ThreadPoolExecutor(number) as threads:
            yield lambda items: threads.submit(prepare, items)
        return
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(number, context, _begin, (prepare,)) as processes:
        yield lambda items: processes.submit(_packed, items)


def rate(submit: Callable[[list], Future], tasks: list[list]) -> float:
    """The number of items per second that a pool prepares, from the first task to the last."""
    start = time.perf_counter()
    for future in [submit(task) for task in tasks]:
        unpacked(future)
    return sum(map(len, tasks)) / (time.perf_counter() - start)


def faster_kind(number: int, prepare: Prepare, items: list) -> tuple[str, dict[str, float]]:
    """Returns the kind of workers that prepares the items faster, and the median items per second
    of both kinds. The kinds take turns in rounds. The kind is threads if too little memory can be
    shared."""
    task = (items * AT_ONCE)[:AT_ONCE]
    tasks = [task] * (TASKS * number)
    if not _fits(number, prepare(task)):
        return "threads", {}
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with pool("processes", number, prepare) as forked, pool("threads", number, prepare) as threads:
        submit = {"threads": threads, "processes": forked}
        # One uncounted round, so that all workers have started; fork processes before threads.
        for kind in reversed(KINDS):
            rate(submit[kind], tasks[:number])
        for _ in range(ROUNDS):
            for kind in KINDS:
                rates[kind].append(rate(submit[kind], tasks))
    medians = {kind: statistics.median(values) for kind, values in rates.items()}
    faster = medians["processes"] >= FASTER * medians["threads"]
    return ("processes" if faster else "threads"), medians


def choose_kind(
    number: int, prepare: Prepare, batches: Iterator[pd.DataFrame], modality: str, items: int
) -> tuple[str, Iterator[pd.DataFrame]]:
    """Returns the kind of workers for the pictures of some batches, and all the batches.

    The kind is measured on the first batch if there are more than FEW workers and at least MANY
    items. Otherwise the kind is threads.
    """
    if modality != "image" or number <= FEW or items < MANY:
        return "threads", batches
    first = next(batches)
    task = list(zip(first["item_id"], first[modality], strict=True))
    kind, rates = faster_kind(number, prepare, task)
    said = ", ".join(f"{rate:.0f} pictures per second in {name}" for name, rate in rates.items())
    reason = said or "too little shared memory for processes"
    print(f"workers: {number} {kind} ({reason})", file=sys.stderr)
    return kind, chain([first], batches)


def _fits(number: int, prepared: list) -> bool:
    """Whether twice the size of all waiting tasks fits into the memory that processes share."""
    size = sum(item.nbytes for item in prepared if isinstance(item, torch.Tensor))
    tasks = TASKS * number
    return SHARED.is_dir() and shutil.disk_usage(SHARED).free > 2 * tasks * size
