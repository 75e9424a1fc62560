"""Shards: what is put together is what one job would have written, or is refused by name."""

import re
import resource

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from modality_gap.embeddings.sets import ROW_GROUP, EmbeddingSet, EmbeddingWriter, write
from modality_gap.embeddings.shards import merge
from modality_gap.embeddings.stored import read
from modality_gap.errors import InputError

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


def test_rows_and_row_groups_do_not_depend_on_the_shards(tmp_path):
    write(part(0, 3000), tmp_path / "whole.parquet")
    paths = shards(tmp_path, part(0, 700), part(700, 2900), part(2900, 3000))
    paths.insert(1, empty(tmp_path / "none.parquet"))
    merge(paths, tmp_path / "merged.parquet")
    whole, merged = (pq.ParquetFile(tmp_path / f"{name}.parquet") for name in ("whole", "merged"))
    assert merged.read().equals(whole.read())
    groups = [merged.metadata.row_group(n).num_rows for n in range(merged.num_row_groups)]
    assert groups == [ROW_GROUP, ROW_GROUP, 3000 - 2 * ROW_GROUP]
    assert merged.metadata.row_group(0).total_byte_size == (
        whole.metadata.row_group(0).total_byte_size
    )


def test_what_was_skipped_and_the_time_taken_are_joined(tmp_path):
    paths = shards(tmp_path, part(0, 30, skipped=["bad"]), part(30, 40))
    paths.append(empty(tmp_path / "none.parquet", skipped=["worse", "worst"]))
    merge(paths, tmp_path / "merged.parquet")
    about = read(tmp_path / "merged.parquet").metadata
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


def test_one_shard_alone_is_the_set(tmp_path):
    (path,) = shards(tmp_path, part(0, 30, extraction=extraction(30, 7.0, 12)))
    merge([empty(tmp_path / "none.parquet"), path], tmp_path / "beside.parquet")
    merge([path], tmp_path / "alone.parquet")
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
    merge(shards(tmp_path, *parts), tmp_path / "merged.parquet")
    about = read(tmp_path / "merged.parquet").metadata["extraction"]
    assert {key: about[key] for key in ("seconds", "read_s", "items_per_s")} == {
        "seconds": 3.01,
        "read_s": 1.51,
        "items_per_s": 10.0,
    }
    assert (about["device"], about["gpu"]) == ("cpu, cuda", "H100")
    slow = part(0, 10, extraction=extraction(10, 7.0, 5))
    merge(shards(tmp_path, slow), tmp_path / "slow.parquet")
    assert read(tmp_path / "slow.parquet").metadata["extraction"]["items_per_s"] == 1.4


def test_what_one_shard_alone_says_of_its_origin_is_a_difference(tmp_path):
    plain, more = part(0, 30), part(30, 60, revision="ab12")
    one, two = shards(tmp_path, plain, more)
    with pytest.raises(InputError, match=r"1-of-2\.parquet: its revision is 'ab12', .* has None"):
        merge([one, two], tmp_path / "merged.parquet")
    with pytest.raises(
        InputError, match=r"0-of-2\.parquet: its revision is None, .* 'ab12', .*; delete both"
    ):
        merge([two, one], tmp_path / "merged.parquet")


def test_columns_in_another_order_are_another_file(tmp_path):
    sets = []
    for one, names in ((part(0, 30), ["kind", "more"]), (part(30, 60), ["more", "kind"])):
        labels = one.labels.assign(more=1)[names]
        sets.append(EmbeddingSet(one.item_ids, one.vectors, labels, one.metadata))
    with pytest.raises(InputError, match=r"are not those of .* \(their order\)"):
        merge(shards(tmp_path, *sets), tmp_path / "merged.parquet")


def test_more_shards_than_a_process_may_open_files(tmp_path):
    size, most = 10, resource.getrlimit(resource.RLIMIT_NOFILE)
    paths = shards(tmp_path, *(part(start, start + size) for start in range(0, 100 * size, size)))
    resource.setrlimit(resource.RLIMIT_NOFILE, (80, most[1]))
    try:
        merge(paths, tmp_path / "merged.parquet")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, most)
    np.testing.assert_array_equal(
        read(tmp_path / "merged.parquet").vectors, part(0, 100 * size).vectors
    )


def test_shards_without_a_row_between_them_are_told_as_one_job_tells_it(tmp_path):
    nothing = extraction(0, 0.0, 5)  # no encoder is built where there is nothing to embed
    paths = [empty(tmp_path / f"{name}.parquet", extraction=nothing) for name in ("one", "two")]
    with pytest.raises(InputError, match=r"merged.parquet: there is no item to embed; widen"):
        merge(paths, tmp_path / "merged.parquet")


def test_the_faults_of_shards_are_named(tmp_path):
    target = tmp_path / "merged.parquet"

    def refused(words, *paths):
        with pytest.raises(InputError, match=words):
            merge(paths, target)
        assert not list(tmp_path.glob("merged*"))

    one, two = shards(tmp_path, part(0, 30), part(30, 60))
    other, wide, twice = (tmp_path / f"{name}.parquet" for name in ("other", "wide", "twice"))
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
    refused(r"wide.parquet: its columns are not those of .* \(kind\)", one, wide)
    write(part(29, 50), twice)
    refused("item 'item29' is in .*0-of-2.parquet and in .*twice.parquet", one, twice)
    write(EmbeddingSet(labelled.item_ids, labelled.vectors), wide)
    refused("wide.parquet: is not a shard of an extraction; delete it", wide, one)
    refused("there is no item to embed", empty(tmp_path / "none.parquet"))
    whole = two.read_bytes()
    two.write_bytes(whole[:-100])
    refused("1-of-2.parquet: cannot be read as Parquet .* delete it", one, two)
    # Broken in the middle, where the vectors are.
    two.write_bytes(whole[:200] + bytes(200) + whole[400:])
    refused("1-of-2.parquet: cannot be read as Parquet .* delete it", one, two)
