"""Sets in parts: what is read is what one file would hold, bit for bit, or is refused by name."""

import errno
import os
import re
import resource
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from modality_gap.embeddings.sets import EmbeddingSet, EmbeddingWriter, write
from modality_gap.embeddings.shards import copy_set, gather, read_about
from modality_gap.embeddings.stored import StoredVectors, read
from modality_gap.errors import InputError
from modality_gap.measures.gap import mean_cosine
from modality_gap.measures.gap_intervals import mean_cosine_interval, measure_gap

ABOUT = {"model": "none", "weights_sha256": "ab", "dtype": "float32", "skipped": []}


def extraction(items, seconds, memory):
    return {
        "items": items,
        "seconds": seconds,
        "items_per_s": round(items / max(seconds, 1e-6), 1),
        "read_s": seconds / 2,
        "peak_memory_mb": memory,
        "device": "cpu",
    }


def part(start, stop, **about) -> EmbeddingSet:
    """Rows start to stop of one set, as a shard."""
    rows = np.arange(start, stop)
    vectors = np.random.default_rng(0).normal(size=(3000, 4)).astype(np.float32)[rows]
    ids = np.array([f"item{row}" for row in rows], dtype=object)
    about = {**ABOUT, "extraction": extraction(len(rows), 2.0, start), **about}
    return EmbeddingSet(ids, vectors, pd.DataFrame({"kind": rows % 3}), about)


def shards(folder, *sets) -> list:
    paths = [folder / f"image.{number}-of-{len(sets)}.parquet" for number in range(len(sets))]
    for path, one in zip(paths, sets, strict=True):
        write(one, path)
    return paths


def empty(path, **about):
    about = {"extraction": extraction(0, 1.0, 5), **about}
    with EmbeddingWriter(path, about, may_be_empty=True):
        pass
    return path


def folder_of(paths, target):
    gather(paths, target)
    return StoredVectors(target)


@pytest.mark.parametrize("cuts", [(0, 3000), (0, 1, 700, 2900, 3000)])
def test_parts_read_as_the_one_file_that_they_would_be(tmp_path, cuts):
    write(part(0, 3000), tmp_path / "whole.parquet")
    paths = shards(tmp_path, *(part(*ends) for ends in pairwise(cuts)))
    paths.insert(1, empty(tmp_path / "none.parquet"))
    parts, whole = (
        folder_of(paths, tmp_path / "parts.parquet"),
        StoredVectors(tmp_path / "whole.parquet"),
    )
    assert len(parts) == 3000 and parts.dim == whole.dim
    rows = np.array([2999, 0, 700, 699, 1, 0])
    for wanted in (slice(None), slice(500, 2950), slice(5, 2000, 700), slice(9, 9), rows):
        np.testing.assert_array_equal(parts[wanted], whole[wanted])
    np.testing.assert_array_equal(parts.item_hashes, whole.item_hashes)
    assert [parts.item_id(row) for row in rows] == [f"item{row}" for row in rows]
    np.testing.assert_array_equal(parts.label("kind"), np.arange(3000) % 3)
    np.testing.assert_array_equal(parts.clusters("kind"), whole.clusters("kind"))
    for one in (parts, whole):
        assert one.file.label_types.names == ["kind"]
        found = one.file.vectors_of(rows)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, part(0, 3000).vectors[rows])
        labels = one.load().labels
        assert labels["kind"].tolist() == [row % 3 for row in range(3000)] and list(labels) == [
            "kind"
        ]
    odd = np.arange(3000) % 2 == 1
    for path, one in (("a.parquet", parts), ("b.parquet", whole)):
        one.select(odd).copy_to(tmp_path / path)
    first, second = (pq.read_table(tmp_path / path) for path in ("a.parquet", "b.parquet"))
    assert first.replace_schema_metadata().equals(second.replace_schema_metadata())
    # The sums go tile by tile over the rows, so that not even rounding differs.
    assert measure_gap(parts, parts.select(odd | ~odd), 0.95) == measure_gap(whole, whole, 0.95)
    assert mean_cosine(parts) == mean_cosine(whole)
    assert mean_cosine_interval(parts, 0.95) == mean_cosine_interval(whole, 0.95)


def test_parts_without_labels_have_a_frame_of_as_many_rows(tmp_path):
    bare = [EmbeddingSet(one.item_ids, one.vectors) for one in (part(0, 30), part(30, 50))]
    found = folder_of(shards(tmp_path, *bare), tmp_path / "parts.parquet").load()
    assert found.labels.shape == (50, 0) and found.labels.index.tolist() == [*range(50)]


def test_parts_are_in_the_order_of_their_numbers(tmp_path):
    folder = tmp_path / "own.parquet"
    folder.mkdir()
    for number in range(12):
        write(part(10 * number, 10 * number + 10), folder / f"part_{number}.parquet")
    (folder / "_metadata.parquet").write_bytes(b"of another tool")
    assert list(read(folder).item_ids) == [f"item{row}" for row in range(120)]
    with pytest.raises(InputError, match=r"nothing.parquet: the folder holds no Parquet file"):
        (tmp_path / "nothing.parquet").mkdir()
        StoredVectors(tmp_path / "nothing.parquet")


def test_no_byte_is_written_twice_and_the_shards_may_go(tmp_path):
    paths = shards(tmp_path, part(0, 30), part(30, 60))
    before = [path.stat().st_ino for path in paths]
    gather(paths, tmp_path / "set.parquet")
    linked = sorted((tmp_path / "set.parquet").iterdir())
    assert [path.stat().st_ino for path in linked] == before
    for path in paths:
        path.unlink()
    assert len(read(tmp_path / "set.parquet")) == 60
    copy_set(tmp_path / "set.parquet", tmp_path / "again.parquet")
    assert len(read(tmp_path / "again.parquet")) == 60
    (tmp_path / "again.parquet" / "1-of-2.parquet").unlink()
    with pytest.raises(InputError, match=r"again.parquet: only 1 of 2 parts. Delete the folder"):
        read(tmp_path / "again.parquet")
    # A set that was in parts becomes one file, and the other way round.
    write(part(0, 30), tmp_path / "set.parquet")
    assert (tmp_path / "set.parquet").is_file()
    copy_set(tmp_path / "set.parquet", tmp_path / "one.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "set.parquet").read_bytes()


def test_what_a_killed_run_left_of_a_set_is_no_part_of_it(tmp_path):
    begun = tmp_path / "set.parquet.part"
    begun.mkdir()
    write(part(0, 60), begun / "1-of-3.parquet")
    gather(shards(tmp_path, part(0, 30), part(30, 60)), tmp_path / "set.parquet")
    assert len(read(tmp_path / "set.parquet")) == 60
    assert not begun.exists()


def test_where_links_are_impossible_parts_are_copied(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    gather(shards(tmp_path, part(0, 30), part(30, 60)), tmp_path / "set.parquet")
    np.testing.assert_array_equal(read(tmp_path / "set.parquet").vectors, part(0, 60).vectors)


def test_what_was_skipped_and_the_time_taken_are_joined(tmp_path):
    paths = shards(tmp_path, part(0, 30, skipped=["bad"]), part(30, 40))
    paths.append(empty(tmp_path / "none.parquet", skipped=["worse", "worst"]))
    gather(paths, tmp_path / "gathered.parquet")
    about = read(tmp_path / "gathered.parquet").metadata
    assert about["skipped"] == ["bad", "worse", "worst"]
    assert {key: about[key] for key in ("model", "dtype")} == {"model": "none", "dtype": "float32"}
    assert about["extraction"] == {
        "items": 40,
        "seconds": 5.0,
        "items_per_s": 8.0,
        "read_s": 2.5,
        "peak_memory_mb": 30,
        "device": "cpu",
        "shards": 3,
    }


def test_the_origin_of_a_set_is_that_of_its_rows(tmp_path):
    """A shard whose items were all skipped may never have built an encoder."""
    first = empty(tmp_path / "image.0-of-2.parquet", model="other", skipped=["bad"])
    paths = [first, *shards(tmp_path, part(0, 30))]
    gather(paths, tmp_path / "gathered.parquet")
    for about in (read_about(tmp_path / "gathered.parquet")[0],
                  read(tmp_path / "gathered.parquet").metadata):  # fmt: skip
        assert (about["model"], about["skipped"]) == ("none", ["bad"])


def test_what_was_not_matched_is_summed_and_the_first_ten_are_named(tmp_path):
    names = [f"lone{number}" for number in range(14)]
    abouts = [
        {"vectors": 35, "unmatched": 8, "unmatched_named": names[:8]},
        {"vectors": 12, "unmatched": 6, "unmatched_named": names[8:]},
    ]
    paths = shards(tmp_path, part(0, 30, **abouts[0]), part(30, 40, **abouts[1]))
    gather(paths, tmp_path / "gathered.parquet")
    about, rows = read_about(tmp_path / "gathered.parquet")
    assert {key: about[key] for key in abouts[0]} == {
        "vectors": 47,
        "unmatched": 14,
        "unmatched_named": names[:10],
    }
    assert rows == 40
    assert read_about(paths[1]) == (part(30, 40, **abouts[1]).metadata, 10)
    assert "unmatched" not in read_about(shards(tmp_path, part(0, 30))[0])[0]


def test_one_shard_alone_is_the_set(tmp_path):
    (path,) = shards(tmp_path, part(0, 30, extraction=extraction(30, 7.0, 12)))
    gather([empty(tmp_path / "none.parquet"), path], tmp_path / "beside.parquet")
    gather([path], tmp_path / "alone.parquet")
    for name, seconds, count in (("beside", 8.0, 2), ("alone", 7.0, 1)):
        about = read(tmp_path / f"{name}.parquet").metadata["extraction"]
        assert (about["items"], about["seconds"], about["shards"]) == (30, seconds, count)
        assert about["peak_memory_mb"] == 12


def test_times_are_rounded_once_and_processors_named(tmp_path):
    seconds = (1.0041, 1.0043, 1.0045)  # 3.0129 s, of which half reading
    parts = [
        part(10 * n, 10 * n + 10, extraction=extraction(10, value, 5) | {"device": device})
        for n, (value, device) in enumerate(zip(seconds, ("cuda", "cpu", "cpu"), strict=True))
    ]
    parts[1].metadata["extraction"]["gpu"] = "H100"
    gather(shards(tmp_path, *parts), tmp_path / "gathered.parquet")
    about = read(tmp_path / "gathered.parquet").metadata["extraction"]
    assert {key: about[key] for key in ("seconds", "read_s", "items_per_s")} == {
        "seconds": 3.01,
        "read_s": 1.51,
        "items_per_s": 10.0,
    }
    assert (about["device"], about["gpu"]) == ("cpu, cuda", "H100")
    quick = part(0, 10, extraction=extraction(10, 0.0, 5))  # less than a hundredth
    gather(shards(tmp_path, quick), tmp_path / "quick.parquet")
    assert read(tmp_path / "quick.parquet").metadata["extraction"]["items_per_s"] == 1000
    slow = part(0, 10, extraction=extraction(10, 7.0, 5))
    gather(shards(tmp_path, slow), tmp_path / "slow.parquet")
    assert read(tmp_path / "slow.parquet").metadata["extraction"]["items_per_s"] == 1.4


def test_what_one_shard_alone_says_of_its_origin_is_a_difference(tmp_path):
    plain, more = part(0, 30), part(30, 60, revision="ab12")
    one, two = shards(tmp_path, plain, more)
    with pytest.raises(InputError, match=r"1-of-2\.parquet: its revision is 'ab12', .* has None"):
        gather([one, two], tmp_path / "gathered.parquet")
    with pytest.raises(
        InputError, match=r"0-of-2\.parquet: its revision is None, .* 'ab12', .*; delete both"
    ):
        gather([two, one], tmp_path / "gathered.parquet")


def test_columns_in_another_order_are_another_file(tmp_path):
    sets = []
    for one, names in ((part(0, 30), ["kind", "more"]), (part(30, 60), ["more", "kind"])):
        labels = one.labels.assign(more=1)[names]
        sets.append(EmbeddingSet(one.item_ids, one.vectors, labels, one.metadata))
    with pytest.raises(InputError, match=r"the columns differ \(their order\)"):
        gather(shards(tmp_path, *sets), tmp_path / "gathered.parquet")


def test_more_shards_than_a_process_may_open_files(tmp_path):
    size, most = 10, resource.getrlimit(resource.RLIMIT_NOFILE)
    paths = shards(tmp_path, *(part(start, start + size) for start in range(0, 100 * size, size)))
    resource.setrlimit(resource.RLIMIT_NOFILE, (80, most[1]))
    try:
        gather(paths, tmp_path / "gathered.parquet")
        vectors = read(tmp_path / "gathered.parquet").vectors
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, most)
    np.testing.assert_array_equal(vectors, part(0, 100 * size).vectors)


def test_shards_without_a_row_between_them_are_told_as_one_job_tells_it(tmp_path):
    nothing = extraction(0, 0.0, 5)  # no encoder is built where there is nothing to embed
    paths = [empty(tmp_path / f"{name}.parquet", extraction=nothing) for name in ("one", "two")]
    with pytest.raises(InputError, match=r"gathered.parquet: there is no item to embed; widen"):
        gather(paths, tmp_path / "gathered.parquet")


def test_the_faults_of_shards_are_named(tmp_path):
    target = tmp_path / "gathered.parquet"

    def refused(words, *paths):
        with pytest.raises(InputError, match=words):
            gather(paths, target)
        assert not list(tmp_path.glob("gathered*"))

    one, two = shards(tmp_path, part(0, 30), part(30, 60))
    other, wide = (tmp_path / f"{name}.parquet" for name in ("other", "wide"))
    write(part(30, 60, weights_sha256="cd"), other)
    refused(f"{re.escape(str(other))}: its weights_sha256 is 'cd', but .* has 'ab'", one, other)
    write(part(30, 60, dtype="bfloat16"), other)
    refused(
        "its dtype is 'bfloat16', but .* has 'float32', .*; delete both and run again",
        one,
        other,
    )
    labelled = part(30, 60)
    write(EmbeddingSet(labelled.item_ids, labelled.vectors, metadata=labelled.metadata), wide)
    refused(r"wide.parquet and .*: the columns differ \(kind\)", one, wide)
    refused("there is no item to embed", empty(tmp_path / "none.parquet"))
    whole = two.read_bytes()
    two.write_bytes(whole[:-100])
    refused("1-of-2.parquet cannot be read as Parquet .* delete it", one, two)


def test_faults_within_a_part_are_named_by_who_reads_it(tmp_path):
    one, two = shards(tmp_path, part(0, 30), part(30, 60))
    # Broken in the middle, where the vectors are.
    whole = two.read_bytes()
    two.write_bytes(whole[:200] + bytes(200) + whole[400:])
    gather([one, two], tmp_path / "spoilt.parquet")
    with pytest.raises(InputError, match=r"spoilt.parquet/2-of-2.parquet cannot be read as Parq"):
        StoredVectors(tmp_path / "spoilt.parquet")
    write(part(29, 50), two)
    gather([one, two], tmp_path / "twice.parquet")
    with pytest.raises(InputError, match=r"twice.parquet: item_id 'item29' occurs more than once"):
        StoredVectors(tmp_path / "twice.parquet")


def test_a_copy_that_fails_leaves_nothing(tmp_path, monkeypatch):
    (path,) = shards(tmp_path, part(0, 3))

    def full(_source, target):
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("modality_gap.embeddings.shards.shutil.copyfile", full)
        with pytest.raises(OSError, match="No space left"):
            copy_set(path, tmp_path / "copy.parquet")
    assert not [*tmp_path.glob("copy*")]
    copy_set(path, tmp_path / "copy.parquet")
    assert [one.name for one in tmp_path.glob("copy*")] == ["copy.parquet"]
