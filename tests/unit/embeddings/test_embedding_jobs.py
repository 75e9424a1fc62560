"""One job of an extraction, from its plan to the file: items and noise, every initialisation."""

import io
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from modality_gap.embeddings import extraction
from modality_gap.embeddings.sets import EmbeddingWriter
from modality_gap.embeddings.stored import read
from modality_gap.encoders.base import Encoder
from modality_gap.errors import InputError

GREYS = [10, 30, 50, 70, 90, 110, 130]


@pytest.fixture
def dataset(tmp_path):
    rows = []
    for number, grey in enumerate(GREYS):
        buffer = io.BytesIO()
        Image.new("RGB", (2, 2), (grey, grey, grey)).save(buffer, format="PNG")
        row = {"item_id": f"p{number}", "image": buffer.getvalue(), "text": f"grey {grey}"}
        rows.append(row | {"kind": "odd" if number % 2 else "even"})
    path = tmp_path / "pictures.parquet"
    pd.DataFrame(rows).to_parquet(path, row_group_size=3)
    return path


def build(init):
    """An encoder whose vectors say what they were made of: the grey and the initialisation."""
    return Encoder(
        prepare=lambda picture: torch.tensor(float(np.asarray(picture)[0, 0, 0])),
        encode=lambda items: np.array([[float(item), -1 if init is None else init, 1]
                                       for item in items], dtype=np.float32),
        noise=lambda rng: torch.tensor(rng.normal()),
        metadata={"model": "mine", "dtype": "float32"},
    )  # fmt: skip


SETTINGS = {"batch_size": 2, "workers": 2, "unreadable": "fail"}


def job(dataset, target, rows, noise, inits, shard=1, shards=1, seed=6):
    todo = extraction.plan_batches(rows, noise, 2, inits, shard, shards)
    spec = {"seeds": 2} if inits != [None] else {}
    labels = extraction.label_columns(dataset, {"noise": noise} if noise else {}, spec)
    with EmbeddingWriter(target, {"of": "a test"}, labels) as writer:
        found = extraction.embed(todo, build, dataset, "image", writer, SETTINGS, seed)
    return *found, read(target)


def test_items_come_first_then_noise_by_initialisation(dataset, tmp_path):
    count, timing, found = job(
        dataset, tmp_path / "whole.parquet", np.array([0, 2, 3, 6]), 3, [0, 5]
    )
    assert count == 14
    wanted = [
        f"seed{init:02d}/{name}"
        for init in (0, 5)
        for name in ("p0", "p2", "p3", "p6", "noise00000", "noise00001", "noise00002")
    ]
    assert list(found.item_ids) == wanted
    assert list(found.labels) == ["kind", "noise", "seed"]
    assert found.labels["seed"].tolist() == [0] * 7 + [5] * 7
    assert found.labels["noise"].tolist() == ([False] * 4 + [True] * 3) * 2
    assert found.labels["kind"].tolist()[:4] == ["even", "even", "odd", "even"]
    draws = np.random.default_rng(6).normal(size=3)
    values = [10, 50, 70, 130, *draws]
    np.testing.assert_allclose(found.vectors[:, 0], np.tile(values, 2), rtol=1e-6)
    assert found.vectors[:, 1].tolist() == [0] * 7 + [5] * 7
    assert {k: found.metadata[k] for k in ("model", "dtype", "of")} == {
        "model": "mine",
        "dtype": "float32",
        "of": "a test",
    }
    assert min(timing.read_s, timing.infer_s, timing.write_s) > 0


def test_a_job_works_as_its_settings_say_and_adds_the_times_of_all_its_steps(dataset, monkeypatch):
    given = []

    def extract(batches, items, modality, _encoder, _writer, *settings):
        frames = list(batches)
        texts = [text for frame in frames for text in frame["text"]]
        given.append((items, modality, settings, texts, [len(frame) for frame in frames]))
        return extraction.Timing(1, 2, 4)

    def extract_noise(numbers, _encoder, _writer, *settings):
        given.append((list(numbers), *settings[:2]))
        return extraction.Timing(10, 20, 40)

    monkeypatch.setattr(extraction, "extract", extract)
    monkeypatch.setattr(extraction, "extract_noise", extract_noise)
    settings = {"batch_size": 3, "workers": 7, "unreadable": "skip", "decode": "scaled"}
    todo = extraction.plan_batches(np.arange(4), 2, 3, [0, 1])
    count, timing = extraction.embed(
        todo, build, dataset, "text", SimpleNamespace(metadata={}), settings, 5, "kind"
    )
    of_one = [
        (4, "text", (7, "skip", "scaled"), ["even", "odd", "even", "odd"], [3, 1]),
        ([0, 1], 3, 5),
    ]
    assert given == of_one * 2
    assert (count, timing) == (12, extraction.Timing(22, 44, 88))
    assert extraction.content_column({"text": "kind"}, "text") == "kind"
    assert extraction.content_column({"text": "kind"}, "image") == "image"
    assert extraction.content_column({}, "text") == "text"


def test_one_set_of_weights_has_no_seed(dataset, tmp_path):
    count, timing, found = job(dataset, tmp_path / "one.parquet", np.arange(7), 0, [None])
    assert count == 7
    assert min(timing.read_s, timing.infer_s, timing.write_s) > 0
    assert list(found.item_ids) == [f"p{number}" for number in range(7)]
    assert list(found.labels) == ["kind"]
    np.testing.assert_allclose(found.vectors[:, 0], GREYS)


@pytest.mark.parametrize("shards", [2, 3, 5])
def test_shards_together_are_the_whole(dataset, tmp_path, shards):
    rows = np.array([0, 2, 3, 5, 6])
    _, _, whole = job(dataset, tmp_path / "whole.parquet", rows, 3, [4, 5])
    parts = [
        job(dataset, tmp_path / f"{shard}.parquet", rows, 3, [4, 5], shard, shards)
        for shard in range(1, shards + 1)
    ]
    assert sum(part[0] for part in parts) == len(whole)
    assert [name for part in parts for name in part[2].item_ids] == list(whole.item_ids)
    np.testing.assert_array_equal(np.concatenate([part[2].vectors for part in parts]),
                                  whole.vectors)  # fmt: skip


def test_noise_follows_its_seed_whatever_number_it_begins_with(tmp_path):
    drawn = {}
    for numbers in ((0, 1, 2, 3, 4), (3, 4)):
        path = tmp_path / f"{len(numbers)}.parquet"
        with EmbeddingWriter(path, {}) as writer:
            extraction.extract_noise(np.array(numbers), build(None), writer, 2, seed=9)
        drawn[numbers] = read(path)
    wanted = np.random.default_rng(9).normal(size=5)
    for numbers, found in drawn.items():
        np.testing.assert_allclose(found.vectors[:, 0], wanted[list(numbers)], rtol=1e-6)
        assert list(found.item_ids) == [f"noise{number:05d}" for number in numbers]


def test_what_is_selected_matches_its_where_and_an_unknown_column_is_told(dataset):
    assert extraction.select_rows(dataset, {"where": {"kind": ["odd"]}}, 0).tolist() == [1, 3, 5]
    assert extraction.select_rows(dataset, {}, 0).tolist() == list(range(7))
    sample = extraction.select_rows(dataset, {"sample": 4}, 1)
    assert len(sample) == 4 and sorted(set(sample)) == list(sample)
    with pytest.raises(InputError, match=r"no column 'sort'.* its columns are text, kind"):
        extraction.select_rows(dataset, {"where": {"sort": ["a"]}}, 0)


def test_an_unreadable_picture_is_skipped_in_its_place(dataset, tmp_path, capsys):
    frame = pd.read_parquet(dataset)
    for number in (2, 3):  # a whole batch of its own
        frame.at[number, "image"] = b"none"
    frame.to_parquet(dataset)
    todo = extraction.plan_batches(np.arange(7), 0, 2, [None])
    run = partial(extraction.embed, todo, build, dataset, "image")
    with EmbeddingWriter(tmp_path / "a.parquet", {}) as writer:
        count, _ = run(writer, SETTINGS | {"unreadable": "skip"}, 0)
    found = read(tmp_path / "a.parquet")
    assert count == 7
    assert list(found.item_ids) == ["p0", "p1", "p4", "p5", "p6"]
    assert found.metadata["skipped"] == ["p2", "p3"]
    np.testing.assert_allclose(found.vectors[:, 0], [10, 30, 90, 110, 130])
    assert capsys.readouterr().err.count("skipped: ") == 2
    todo = extraction.plan_batches(np.arange(7), 0, 2, [0, 1])
    run = partial(extraction.embed, todo, build, dataset, "image")
    with EmbeddingWriter(tmp_path / "b.parquet", {}) as writer:
        run(writer, SETTINGS | {"unreadable": "skip"}, 0)
    skipped = read(tmp_path / "b.parquet").metadata["skipped"]
    assert skipped == [f"seed0{init}/p{number}" for init in (0, 1) for number in (2, 3)]


def test_a_batch_is_whole_though_what_is_read_begins_within_it(tmp_path):
    """Row groups of 16, batches of 20: of rows 17 to 39 the first batch lies in two pieces."""
    path = tmp_path / "texts.parquet"
    frame = pd.DataFrame({"item_id": [f"p{n}" for n in range(70)], "text": "t", "image": b"i"})
    frame.to_parquet(path, row_group_size=16)
    for rows, wanted in (
        ([17, 18, 33, 39], [[17, 18], [33, 39]]),
        ([18, 19, 20, 35, 36, 37, 59, 60, 69], [[18, 19], [20, 35, 36, 37], [59], [60, 69]]),
        (list(range(33, 61)), [list(range(33, 40)), list(range(40, 60)), [60]]),
    ):
        frames = list(extraction.read_batches(str(path), "text", np.array(rows), 20))
        assert [list(one["item_id"]) for one in frames] == [[f"p{n}" for n in w] for w in wanted]
        assert all(list(one) == ["item_id", "text"] for one in frames)
    with pytest.raises(
        InputError, match=r"texts\.parquet: the dataset has no sound; embed another"
    ):
        next(extraction.read_batches(str(path), "sound", np.array([1]), 20))


def test_a_label_that_is_embedded_stays_a_label(tmp_path):
    path = tmp_path / "texts.parquet"
    frame = pd.DataFrame({"item_id": ["p0", "p1"], "text": "t", "kind": ["cat", "dog"]})
    frame.to_parquet(path)
    (found,) = extraction.read_batches(str(path), "text", np.arange(2), 20, "kind")
    assert list(found["text"]) == list(found["kind"]) == ["cat", "dog"]


def test_progress_is_told_in_items(dataset, tmp_path, capsys):
    job(dataset, tmp_path / "one.parquet", np.arange(7), 3, [None])
    told = capsys.readouterr().err
    assert "7/7" in told and "image" in told
    assert "2/2" in told and "batch" in told


def test_times_are_added_one_by_one():
    assert extraction.Timing() == extraction.Timing(0, 0, 0)
    total = extraction.Timing(1, 2, 4) + extraction.Timing(10, 20, 40)
    assert (total.read_s, total.infer_s, total.write_s) == (11, 22, 44)


def test_each_second_of_a_job_counts_for_the_step_that_took_it(monkeypatch):
    """A batch is read in 2 s, embedded in 5 and written in 7; noise is drawn in 1 s per item."""
    clock = SimpleNamespace(now=100.0)

    def takes(seconds, result=None):
        clock.now += seconds
        return result

    encoder = Encoder(
        prepare=np.asarray,
        encode=lambda items: takes(5, np.ones((len(items), 2))),
        noise=lambda rng: takes(1, rng.normal()),
    )
    writer = SimpleNamespace(metadata={}, write=lambda *_: takes(7))
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2)).save(buffer, format="PNG")
    pictures = [[buffer.getvalue()] * 3, [b"none"] * 3, [b"none", buffer.getvalue()], [b"none"]]
    batches = (
        takes(
            2, pd.DataFrame({"item_id": [f"{number}.{n}" for n in range(len(one))], "image": one})
        )
        for number, one in enumerate(pictures)
    )
    monkeypatch.setattr(extraction, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    timing = extraction.extract(batches, 9, "image", encoder, writer, 1, "skip")
    # Of two of the four batches nothing can be decoded.
    assert timing == extraction.Timing(read_s=8, infer_s=10, write_s=14)
    assert writer.metadata == {"skipped": ["1.0", "1.1", "1.2", "2.0", "3.0"]}
    timing = extraction.extract_noise(np.array([4, 5, 6]), encoder, writer, 2, seed=0)
    assert timing == extraction.Timing(read_s=7, infer_s=10)


def test_peak_memory_is_in_mebibytes():
    held = np.ones(30 * 2**17)  # 30 MiB
    peak = extraction.peak_memory_mb()["peak_memory_mb"]
    assert 30 < peak < 2**16
    assert held.sum() > 0


def test_memory_of_a_gpu_is_told_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert set(extraction.peak_memory_mb()) == {"peak_memory_mb"}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 3 * 1024 * 1024)
    assert extraction.peak_memory_mb()["peak_gpu_memory_mb"] == 3
