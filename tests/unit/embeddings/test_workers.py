"""Workers that decode: the same pixels from threads and processes, and the faster are chosen."""

import os
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from test_extraction import PIXELS, encoded_picture

from modality_gap.embeddings import extraction, workers
from modality_gap.embeddings.decoding import prepare_items
from modality_gap.embeddings.extraction import extract, read_batches
from modality_gap.embeddings.sets import EmbeddingWriter
from modality_gap.embeddings.stored import read
from modality_gap.errors import InputError


def pictures(number, size=(50, 40)):
    rng = np.random.default_rng(number)
    return [(f"p{n}", encoded_picture(rng, size=size, kind="JPEG")) for n in range(number)]


PREPARE = partial(prepare_items, PIXELS, "image", "skip")


@pytest.mark.parametrize("kind", workers.KINDS)
def test_both_kinds_give_pillows_pixels_in_order(kind):
    items = pictures(40)
    with workers.pool(kind, 3, PREPARE) as submit:
        futures = [submit(items[at : at + 7]) for at in range(0, 40, 7)]
        found = [item for future in futures for item in workers.unpacked(future)]
    for item, expected in zip(found, PREPARE(items), strict=True):
        assert item.dtype == torch.uint8 and torch.equal(item, expected)


@pytest.mark.parametrize("kind", workers.KINDS)
def test_errors_stay_in_their_place_and_sizes_may_differ(kind):
    good, large = pictures(3), pictures(1, size=(60, 30))
    tasks = {
        "one broken": [good[0], ("bad", b"none"), good[1]],
        "all broken": [("bad", b"none"), ("worse", b"")],
        "two sizes": [good[0], *large, ("bad", b"none")],
    }
    with workers.pool(kind, 2, PREPARE) as submit:
        for task in tasks.values():
            found = workers.unpacked(submit(task))
            for (name, _), item, expected in zip(task, found, PREPARE(task), strict=True):
                if isinstance(expected, InputError):
                    assert isinstance(item, InputError) and str(item) == str(expected)
                    assert f"item {name!r}" in str(item)
                else:
                    assert torch.equal(item, expected)
    strict = partial(prepare_items, PIXELS, "image", "fail")
    with workers.pool(kind, 2, strict) as submit, pytest.raises(InputError, match="item 'bad'"):
        workers.unpacked(submit(tasks["one broken"]))


def test_a_killed_process_is_told_in_a_sentence():
    with (
        workers.pool("processes", 2, lambda items: os._exit(9)) as submit,
        pytest.raises(InputError, match=r"process that decodes .* killed.*; lower extraction.work"),
    ):
        workers.unpacked(submit([1]))


@pytest.mark.parametrize(("kind", "expected"), [("threads", 2), ("processes", 1)])
def test_each_process_computes_in_one_thread(kind, expected):
    """Otherwise as many processes as there are cores would start as many threads each."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with workers.pool(kind, 1, lambda items: [torch.tensor(torch.get_num_threads())]) as submit:
            assert [int(found) for found in workers.unpacked(submit([1]))] == [expected]
    finally:
        torch.set_num_threads(before)


def idle(items):
    """Work that needs no lock."""
    time.sleep(0.002)
    return [torch.zeros(2000, 100) for _ in items]


def test_processes_are_chosen_where_threads_wait_for_the_lock(monkeypatch):
    rates = {"threads": iter([9.0, 100, 100, 50]), "processes": iter([9.0, 115, 20, 120])}
    kinds, order = {}, []

    def rate(submit, tasks):
        order.append((kinds[submit], len(tasks)))
        # A task is never smaller than in an extraction.
        assert {len(task) for task in tasks} == {workers.AT_ONCE}
        assert len(tasks) in (8, 8 * workers.TASKS)
        return next(rates[kinds[submit]])

    def pool(kind, number, prepare):
        class Pool:
            def __enter__(self):
                kinds[self] = kind
                return self

            def __exit__(self, *_):
                pass

        return Pool()

    monkeypatch.setattr(workers, "rate", rate)
    monkeypatch.setattr(workers, "pool", pool)
    found = workers.faster_kind(8, idle, [0])
    assert found == ("processes", {"threads": 100, "processes": 115})
    # Processes are forked while no thread is running, which could hold a lock for ever.
    assert order[:2] == [("processes", 8), ("threads", 8)]
    # Each round is long enough that its first and its last task count for little.
    assert {number for _, number in order[2:]} == {8 * workers.TASKS}
    rates |= {"threads": iter([9.0, 100, 100, 100]), "processes": iter([9.0, 109, 109, 109])}
    assert workers.faster_kind(8, idle, [0])[0] == "threads"


def test_both_kinds_are_really_measured():
    kind, rates = workers.faster_kind(2, idle, [0])
    assert kind in workers.KINDS and set(rates) == set(workers.KINDS)
    assert all(rate > 0 for rate in rates.values())


def test_threads_are_used_where_little_memory_can_be_shared(monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(workers.shutil, "disk_usage", lambda _: usage)
    assert workers.faster_kind(2, idle, [0]) == ("threads", {})
    # Of two workers eight tasks wait; an item that could not be decoded takes no memory.
    prepared = [torch.zeros(2000, 100), InputError("none"), torch.zeros(500, dtype=torch.uint8)]
    for free, fits in ((2 * 8 * 800_500, False), (2 * 8 * 800_500 + 1, True)):
        usage.free = free
        assert workers._fits(2, prepared) is fits
    monkeypatch.setattr(workers, "SHARED", workers.SHARED / "absent")
    assert not workers._fits(2, prepared)


def test_a_rate_is_that_of_items_and_not_of_tasks(monkeypatch):
    clock = iter([3.0, 5.0])
    monkeypatch.setattr(workers.time, "perf_counter", lambda: next(clock))
    taken = []

    def submit(task):
        taken.append(task)
        return SimpleNamespace(result=lambda: task)

    assert workers.rate(submit, [[1, 2, 3], [4, 5]]) == 2.5
    assert taken == [[1, 2, 3], [4, 5]]


def test_nothing_is_measured_for_few_workers_or_items_or_for_texts(monkeypatch, capsys):
    frame = pd.DataFrame({"item_id": ["a"], "image": [b"x"], "text": ["y"]})
    monkeypatch.setattr(
        workers, "faster_kind", lambda number, prepare, items: ("processes", {"threads": 2.0})
    )
    few, many, items = workers.FEW, workers.FEW + 1, workers.MANY

    def chosen(number, modality, count):
        kind, batches = workers.choose_kind(number, None, iter([frame, frame]), modality, count)
        assert len(list(batches)) == 2  # the first one, too
        return kind

    assert chosen(few, "image", items) == "threads"
    assert chosen(many, "image", items - 1) == "threads"
    assert chosen(many, "text", items) == "threads"
    assert not capsys.readouterr().err
    assert chosen(many, "image", items) == "processes"
    assert "workers: 5 processes (2 pictures per second in threads)" in capsys.readouterr().err


def test_an_extraction_in_processes_is_that_in_threads(tmp_path, monkeypatch):
    frame = pd.DataFrame(pictures(50), columns=["item_id", "image"])
    frame.loc[20, "image"] = b"none"
    frame.to_parquet(tmp_path / "pictures.parquet", row_group_size=16)
    found = []
    for kind in workers.KINDS:
        monkeypatch.setattr(
            extraction, "choose_kind", lambda *given, kind=kind: (kind, given[2])
        )  # fmt: skip
        with EmbeddingWriter(tmp_path / f"{kind}.parquet", {}) as writer:
            batches = read_batches(tmp_path / "pictures.parquet", "image", np.arange(50), 20)
            extract(batches, 50, "image", PIXELS, writer, 3, "skip")
        found.append(read(tmp_path / f"{kind}.parquet"))
    threads, processes = found
    assert list(threads.item_ids) == list(processes.item_ids) and len(threads) == 49
    np.testing.assert_array_equal(threads.vectors, processes.vectors)
    assert threads.metadata["skipped"] == processes.metadata["skipped"] == ["p20"]


@pytest.mark.parametrize("decode", ["exact", "scaled", "gpu"])
def test_what_a_gpu_decodes_is_prepared_by_threads_alone(tmp_path, monkeypatch, decode):
    asked, used = [], []

    def choose_kind(number, prepare, batches, modality, items):
        asked.append((number, modality, items))
        return "processes", batches

    def pool(kind, number, prepare, threads=workers.pool):
        used.append((kind, number, prepare.keywords["decode"]))
        return threads("threads", number, prepare)

    monkeypatch.setattr(extraction, "choose_kind", choose_kind)
    monkeypatch.setattr(extraction, "pool", pool)
    pd.DataFrame(pictures(9), columns=["item_id", "image"]).to_parquet(tmp_path / "p.parquet")
    with EmbeddingWriter(tmp_path / "out.parquet", {}) as writer:
        batches = read_batches(tmp_path / "p.parquet", "image", np.arange(9), 4)
        extract(batches, 9, "image", PIXELS, writer, 3, "skip", decode)
    assert asked == ([] if decode == "gpu" else [(3, "image", 9)])
    assert used == [("threads" if decode == "gpu" else "processes", 3, decode)]
