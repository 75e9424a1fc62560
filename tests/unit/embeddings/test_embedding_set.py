"""Embedding sets: what goes in comes out, and what is wrong is refused by name."""

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modality_gap.data.parquet import matches
from modality_gap.data.tiles import TILE
from modality_gap.embeddings import stored
from modality_gap.embeddings.released import of_authors
from modality_gap.embeddings.row_files import rows_of
from modality_gap.embeddings.sets import (
    METADATA_KEY,
    ROW_GROUP,
    EmbeddingSet,
    EmbeddingWriter,
    cluster_codes,
    write,
)
from modality_gap.embeddings.stored import StoredVectors, read, read_pair
from modality_gap.errors import InputError


def make(n=5, d=3, ids=None, seed=0) -> EmbeddingSet:
    vectors = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    ids = np.array(ids or [f"item{row}" for row in range(n)], dtype=object)
    return EmbeddingSet(ids, vectors, pd.DataFrame({"split": ["train"] * n}), {"model": "none"})


def test_a_set_comes_back_as_it_was_written(tmp_path):
    embeddings = make()
    write(embeddings, tmp_path / "a.parquet")
    back = read(tmp_path / "a.parquet")
    np.testing.assert_array_equal(back.vectors, embeddings.vectors)
    assert list(back.item_ids) == list(embeddings.item_ids)
    assert list(back.labels["split"]) == ["train"] * 5
    assert back.metadata == {"model": "none"}


def test_the_file_is_the_contract_others_build_on(tmp_path):
    write(make(), tmp_path / "a.parquet")
    schema = pq.read_schema(tmp_path / "a.parquet")
    assert schema.field("item_id").type == pa.string()
    assert schema.field("vector").type.value_type == pa.float32()
    assert schema.field("vector").type.list_size == 3
    metadata = pq.read_metadata(tmp_path / "a.parquet").metadata
    assert json.loads(metadata[METADATA_KEY]) == {"model": "none"}


def test_labels_with_an_index_of_their_own_bring_no_column_of_it(tmp_path):
    some = make()
    labels = some.labels.assign(kind=["a", "b", "a", "b", "a"]).set_axis([9, 2, 5, 7, 3])
    write(EmbeddingSet(some.item_ids, some.vectors, labels), tmp_path / "a.parquet")
    assert pq.read_schema(tmp_path / "a.parquet").names == ["item_id", "vector", "split", "kind"]
    assert list(read(tmp_path / "a.parquet").labels) == ["split", "kind"]
    # Vectors are split by their bytes, ids and labels written once each.
    columns = pq.read_metadata(tmp_path / "a.parquet").row_group(0).to_dict()["columns"]
    encodings = {one["path_in_schema"].split(".")[0]: one["encodings"] for one in columns}
    assert "BYTE_STREAM_SPLIT" in encodings["vector"]
    assert all("RLE_DICTIONARY" in encodings[name] for name in ("item_id", "split", "kind"))
    assert {one["compression"] for one in columns} == {"ZSTD"}


def test_a_label_that_was_the_index_of_a_frame_is_a_label(tmp_path):
    """As pandas writes it, the file says that this column is an index."""
    columns = {"item_id": ["a", "b"], "vector": [[1.0, 2.0], [3.0, 4.0]], "part": [7, 8]}
    frame = pd.DataFrame(columns, index=pd.Index(["x", "y"], name="kind"))
    frame.to_parquet(tmp_path / "a.parquet")
    labels = read(tmp_path / "a.parquet").labels
    assert labels.to_dict("list") == {"part": [7, 8], "kind": ["x", "y"]}
    assert labels.index.tolist() == [0, 1]


def test_a_set_chooses_rows_by_label_and_id_and_a_seeded_sample_in_file_order():
    some = make(n=40)
    some.labels["kind"] = ["a", "b"] * 20
    chosen = some.choose({"where": {"kind": ["b"]}}, 0)
    assert list(chosen.item_ids) == [f"item{row}" for row in range(1, 40, 2)]
    np.testing.assert_array_equal(chosen.vectors, some.vectors[1::2])
    assert list(chosen.labels.index) == list(range(20)) and set(chosen.labels["kind"]) == {"b"}
    assert list(some.choose({"where": {"item_id": ["item7", "item3"]}}, 0).item_ids) == [
        "item3",
        "item7",
    ]
    inputs = {"where": {"kind": ["a"]}, "sample": 5}
    one, again, other = (list(some.choose(inputs, seed).item_ids) for seed in (1, 1, 2))
    assert one == again != other
    assert len(one) == 5 and one == sorted(one, key=lambda name: int(name[4:]))
    assert all(int(name[4:]) % 2 == 0 for name in one)
    assert len(some.choose({"sample": 100}, 0)) == 40


def test_a_label_that_a_batch_lacks_is_null_and_one_that_is_not_asked_for_stays_out(tmp_path):
    wanted = pa.schema([("kind", pa.string()), ("year", pa.int16())])
    with EmbeddingWriter(tmp_path / "a.parquet", {}, wanted) as writer:
        writer.write(["a"], np.ones((1, 2)), pd.DataFrame({"kind": ["x"], "other": [1]}))
        writer.write(["b", "c"], np.ones((2, 2)), pd.DataFrame({"year": [7, 8]}))
    table = pq.read_table(tmp_path / "a.parquet").drop_columns(["vector"])
    assert table.to_pydict() == {
        "item_id": ["a", "b", "c"],
        "kind": ["x", None, None],
        "year": [None, 7, 8],
    }
    assert table.schema.field("year").type == pa.int16()


def test_a_file_may_be_written_without_a_row_where_that_is_allowed(tmp_path):
    with EmbeddingWriter(tmp_path / "a.parquet", {"of": "none"}, may_be_empty=True):
        pass
    table = pq.read_table(tmp_path / "a.parquet")
    assert (table.num_rows, table.schema.names) == (0, ["item_id"])
    with (
        pytest.raises(InputError, match=r"b\.parquet: there is no item to embed"),
        EmbeddingWriter(tmp_path / "b.parquet", {}),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_many_batches_make_one_file_and_none_before_it_is_whole(tmp_path):
    path, rows = tmp_path / "a.parquet", make(n=ROW_GROUP + 10)
    writer = EmbeddingWriter(path, {})
    for start in range(0, len(rows), 100):
        part = rows.select(np.isin(np.arange(len(rows)), range(start, start + 100)))
        writer.write(part.item_ids, part.vectors, part.labels)
    assert not path.exists()
    writer.close()
    np.testing.assert_array_equal(read(path).vectors, rows.vectors)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("size", [ROW_GROUP // 2, 700, 2 * ROW_GROUP + 100, 2500])
def test_row_groups_do_not_depend_on_the_batches(tmp_path, size):
    rows = make(n=2500)
    with EmbeddingWriter(tmp_path / "a.parquet", {}) as writer:
        for start in range(0, 2500, size):
            part = slice(start, start + size)
            writer.write(rows.item_ids[part], rows.vectors[part], rows.labels[part])
    about = pq.read_metadata(tmp_path / "a.parquet")
    groups = [about.row_group(number).num_rows for number in range(about.num_row_groups)]
    assert groups == [ROW_GROUP, ROW_GROUP, 2500 - 2 * ROW_GROUP]
    np.testing.assert_array_equal(read(tmp_path / "a.parquet").vectors, rows.vectors)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda v: v.__setitem__((2, 1), np.nan), "item2.*NaN"),
        (lambda v: v.__setitem__((3, 0), np.inf), "item3.*infinity"),
        (lambda v: v.__setitem__(4, 0), "item4.*zeros"),
    ],
)
def test_vectors_without_a_direction_are_refused_by_item(tmp_path, spoil, words):
    embeddings = make()
    spoil(embeddings.vectors)
    write(embeddings, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=f"a.parquet.*{words}"):
        read(tmp_path / "a.parquet")


def test_an_id_twice_is_refused(tmp_path):
    write(make(ids=["x", "y", "x", "z", "w"]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="'x' occurs more than once"):
        read(tmp_path / "a.parquet")


def test_two_ids_of_one_hash_are_two_items(tmp_path, monkeypatch):
    write(make(), tmp_path / "a.parquet")
    monkeypatch.setattr(stored, "hash_ids", lambda ids: np.zeros(len(ids), dtype=np.uint64))
    assert len(read(tmp_path / "a.parquet")) == 5


def test_what_is_no_embedding_set_is_refused(tmp_path):
    (tmp_path / "text.parquet").write_text("no Parquet")
    with pytest.raises(InputError, match=r"text.parquet cannot be read as Parquet"):
        read(tmp_path / "text.parquet")
    with pytest.raises(InputError, match=r"absent.parquet: there is no such file"):
        read(tmp_path / "absent.parquet")
    pd.DataFrame({"item_id": ["a"]}).to_parquet(tmp_path / "bare.parquet")
    with pytest.raises(InputError, match=r"bare\.parquet: the column 'vector' is missing"):
        read(tmp_path / "bare.parquet")
    pd.DataFrame({"vector": [[1.0, 2.0]]}).to_parquet(tmp_path / "nameless.parquet")
    with pytest.raises(InputError, match=r"nameless\.parquet: the column 'item_id' is missing"):
        read(tmp_path / "nameless.parquet")


def test_a_set_without_a_row_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((0, 3)))
    none = pa.table(
        {"item_id": pa.array([], pa.string()), "vector": pa.array([], pa.list_(pa.float32()))}
    )
    pq.write_table(none, tmp_path / "a.parquet")
    for path in (tmp_path / "a.npy", tmp_path / "a.parquet"):
        told = f"{path} holds no embeddings; give a file with at least one row."
        with pytest.raises(InputError, match=f"^{re.escape(told)}$"):
            StoredVectors(path)


@pytest.mark.parametrize("lengths", [(15, 17), (16, 16, 8), (16, 0, 16)])
def test_vectors_of_different_lengths_are_refused(tmp_path, lengths):
    vectors = [[1.0] * length for length in lengths]
    ids = [f"item{number}" for number in range(len(lengths))]
    pd.DataFrame({"item_id": ids, "vector": vectors}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a.parquet: the vectors differ in length"):
        read(tmp_path / "a.parquet")


def test_a_truncated_file_is_refused(tmp_path):
    write(make(n=200, d=50), tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"a\.parquet cannot be read as Parquet"):
        read(tmp_path / "a.parquet")


def test_npy_matrices_are_taken_and_objects_are_not(tmp_path):
    matrix = np.random.default_rng(0).normal(size=(4, 3))
    np.save(tmp_path / "a.npy", matrix)
    np.testing.assert_allclose(read(tmp_path / "a.npy").vectors, matrix, rtol=1e-6)
    assert list(read(tmp_path / "a.npy").item_ids) == [f"00000{row}" for row in range(4)]
    np.save(tmp_path / "long.npy", np.ones((TILE + 2, 2)))
    assert list(read(tmp_path / "long.npy").item_ids[[9, -1]]) == ["000009", f"{TILE + 1:06d}"]
    np.save(tmp_path / "whole.npy", np.array([[1, 2], [3, 4]], dtype=np.int8))
    assert read(tmp_path / "whole.npy").vectors.tolist() == [[1, 2], [3, 4]]
    for name, values in (("truth", matrix > 0), ("complex", matrix + 1j)):
        np.save(tmp_path / f"{name}.npy", values)
        with pytest.raises(InputError, match=rf"{name}\.npy contains .* Give a matrix of numbers"):
            read(tmp_path / f"{name}.npy")
    np.save(tmp_path / "cube.npy", np.ones((2, 2, 2)))
    with pytest.raises(
        InputError, match=r"cube.npy contains an array of type float64 and shape \(2, 2, 2\)"
    ):
        read(tmp_path / "cube.npy")
    np.save(tmp_path / "object.npy", np.array([{}, {}]), allow_pickle=True)
    with pytest.raises(InputError, match=r"object.npy cannot be read as a numeric"):
        read(tmp_path / "object.npy")


def test_pairs_must_match(tmp_path):
    write(make(), tmp_path / "a.parquet")
    write(make(n=4), tmp_path / "short.parquet")
    write(make(ids=["item0", "item2", "item1", "item3", "item4"]), tmp_path / "mixed.parquet")
    write(make(d=4), tmp_path / "wide.parquet")
    a = tmp_path / "a.parquet"
    with pytest.raises(InputError, match=r"a\.parquet has 5 items, but .*short\.parquet has 4\."):
        read_pair(a, tmp_path / "short.parquet")
    with pytest.raises(
        InputError, match=r"a\.parquet and .*mixed\.parquet: row 1 is item 'item1' in the first"
    ):
        read_pair(a, tmp_path / "mixed.parquet")
    with pytest.raises(
        InputError, match=r"a\.parquet has vectors of 3 .*, but .*wide\.parquet of 4\."
    ):
        read_pair(a, tmp_path / "wide.parquet")
    with pytest.raises(
        InputError, match=r"a\.parquet has vectors of 3 .*, but .*wide\.parquet of 4\."
    ):
        stored.open_pair(a, tmp_path / "wide.parquet")
    assert len(read_pair(a, tmp_path / "wide.parquet", one_space=False)[1]) == 5


def test_what_one_side_skipped_leaves_the_other(tmp_path):
    whole, part = make(), make().select(np.arange(5) != 2)
    part.metadata["skipped"] = ["item2"]
    write(whole, tmp_path / "text.parquet")
    write(part, tmp_path / "image.parquet")
    image, text = read_pair(tmp_path / "image.parquet", tmp_path / "text.parquet")
    assert list(image.item_ids) == list(text.item_ids) == ["item0", "item1", "item3", "item4"]


def of_somebody_else(path, n: int) -> pa.Table:
    """A file as pandas or pyarrow write one: a single row group, float64, labels of any type."""
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "year": pa.array([None if row < TILE else row for row in range(n)], pa.int32()),
            "vector": pa.array(list(rng.normal(size=(n, 3))), pa.list_(pa.float64())),
            "item_id": pa.array([f"i{row}" for row in range(n)], pa.large_string()),
            "tone": pa.array(["dark", "light"] * (n // 2)).dictionary_encode(),
        }
    )
    pq.write_table(table, path)
    assert pq.read_metadata(path).num_row_groups == 1
    return table


def test_copy_of_somebody_elses_file_is_an_embedding_set_with_the_same_rows(tmp_path):
    table = of_somebody_else(tmp_path / "theirs.parquet", 2 * TILE + 10)
    StoredVectors(tmp_path / "theirs.parquet").copy_to(tmp_path / "ours.parquet")
    ours = pq.ParquetFile(tmp_path / "ours.parquet")
    assert ours.metadata.row_group(0).num_rows == ROW_GROUP
    assert ours.schema_arrow.field("year").type == pa.int32()
    back = ours.read()
    assert back["item_id"].to_pylist() == table["item_id"].to_pylist()
    for label in ("year", "tone"):
        assert back[label].to_pylist() == table[label].to_pylist()
    vectors = np.array(table["vector"].to_pylist(), dtype=np.float32)
    np.testing.assert_array_equal(back["vector"].to_pylist(), vectors)


LABELS = {
    "hash": ([2**60 + 1, None, 2**60 + 3], pa.int64()),
    "unsigned": ([2**64 - 1, None, 2**63 + 1], pa.uint64()),
    "small": ([1, None, 3], pa.int8()),
    "truth": ([True, None, False], pa.bool_()),
    "price": ([Decimal("12345678901234567.89"), None, Decimal("-0.10")], pa.decimal128(20, 2)),
    "ratio": ([0.1, None, float("inf")], pa.float64()),
    "when": ([datetime(2262, 5, 1, tzinfo=UTC), None, datetime(1, 1, 1, tzinfo=UTC)],
             pa.timestamp("us", "UTC")),
    "day": ([date(2020, 1, 1), None, date(9999, 12, 31)], pa.date32()),
    "name": (["NA", None, "012"], pa.string()),
    "kind": (["a", None, "b"], pa.dictionary(pa.int8(), pa.string())),
    "code": ([2**53 + 1, None, 7], pa.dictionary(pa.int32(), pa.int64())),
    "parts": ([[2**60 + 1], None, []], pa.list_(pa.int64())),
    "bytes": ([b"\0\xff", None, b""], pa.binary()),
}  # fmt: skip


def with_labels(path, rows=slice(None), item_id=("a", "b", "c"), **more) -> pa.Table:
    columns = {name: pa.array(values, kind) for name, (values, kind) in LABELS.items()}
    columns = {"item_id": pa.array(item_id), "vector": pa.array([[1.0], [2.0], [3.0]]), **columns}
    table = pa.table(columns | more).take(np.arange(3)[rows])
    pq.write_table(table, path)
    return table


@pytest.mark.parametrize("copies", [1, TILE])
def test_labels_are_copied_to_the_digit_and_in_their_type(tmp_path, copies):
    with_labels(tmp_path / "theirs.parquet")
    ids = pa.array([f"i{row}" for row in range(3 * copies)])
    theirs = pa.concat_tables([pq.read_table(tmp_path / "theirs.parquet")] * copies)
    theirs = theirs.set_column(0, "item_id", ids)
    pq.write_table(theirs, tmp_path / "theirs.parquet")
    stored = StoredVectors(tmp_path / "theirs.parquet")
    stored.copy_to(tmp_path / "ours.parquet")
    ours = pq.read_table(tmp_path / "ours.parquet")
    theirs = pq.read_table(tmp_path / "theirs.parquet")
    for name in LABELS:
        assert ours.schema.field(name).type == theirs.schema.field(name).type
        assert ours[name].to_pylist() == theirs[name].to_pylist()
    if copies == 1:
        assert list(stored.label("hash")) == [2**60 + 1, None, 2**60 + 3]
        assert read(tmp_path / "ours.parquet").labels["unsigned"].tolist()[0] == 2**64 - 1


def test_a_label_is_looked_for_as_it_is_written(tmp_path):
    with_labels(tmp_path / "theirs.parquet")
    labels = read(tmp_path / "theirs.parquet").labels
    for name, text in (
        ("hash", str(2**60 + 1)),
        ("unsigned", str(2**64 - 1)),
        ("small", "1"),
        ("truth", "true"),
        ("price", "12345678901234567.89"),
        ("day", "2020-01-01"),
        ("name", "NA"),
        ("kind", "a"),
    ):
        assert list(matches(labels, {name: [text]})) == [True, False, False], name
    assert not matches(labels, {"hash": [str(2**60)]}).any()
    assert not matches(labels, {"name": ["None", "nan", ""]}).any()  # of a null


def test_numbers_are_ids_and_nulls_are_none(tmp_path):
    path = tmp_path / "a.parquet"
    with_labels(path, item_id=[2**53 + 1, 2**53 + 2, 2**53 + 3])
    assert list(read(path).item_ids) == [str(2**53 + number) for number in (1, 2, 3)]
    with_labels(path, item_id=["a", None, "c"])
    with pytest.raises(InputError, match=r"a\.parquet: column 'item_id' holds nulls"):
        StoredVectors(path)


@pytest.mark.parametrize(
    "kind",
    [
        pa.large_list(pa.float32()),
        pa.list_(pa.float64()),
        pa.list_(pa.float16(), 2),
        pa.list_(pa.int8()),
        pa.fixed_shape_tensor(pa.float32(), [2]),
    ],
    ids=str,
)
def test_vectors_may_be_any_list_of_numbers(tmp_path, kind):
    storage = getattr(kind, "storage_type", kind)
    values = [[1, 2], [3, 4], [5, 6]]
    if storage.value_type == pa.float16():
        values = list(np.array(values, dtype=np.float16))
    vectors = pa.array(values, storage)
    if storage != kind:
        vectors = pa.ExtensionArray.from_storage(kind, vectors)
    with_labels(tmp_path / "a.parquet", vector=vectors)
    StoredVectors(tmp_path / "a.parquet").copy_to(tmp_path / "b.parquet")
    for name in "ab":
        found = read(tmp_path / f"{name}.parquet").vectors
        np.testing.assert_array_equal(found, [[1, 2], [3, 4], [5, 6]])


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        ([[[1.0, 2.0]], [[3.0, 4.0]], [[5.0, 6.0]]], "Take the inner list"),
        ([["1", "2"], ["3", "4"], ["5", "6"]], "Give it one list of numbers per item"),
        ([1.0, 2.0, 3.0], "Give it one list of numbers per item"),
        (["1 2", "3 4", "5 6"], "Give it one list of numbers per item"),
        ([[1.0, 2.0], None, [5.0, 6.0]], "holds nulls; give every item a complete vector"),
        ([[1.0, 2.0], [3.0, None], [5.0, 6.0]], "holds nulls; give every item a complete vector"),
    ],
)
def test_vectors_of_another_kind_are_refused(tmp_path, vectors, words):
    with_labels(tmp_path / "a.parquet", vector=pa.array(vectors))
    with pytest.raises(InputError, match=words) as told:
        StoredVectors(tmp_path / "a.parquet")
    assert "\n" not in str(told.value)
    assert str(told.value).startswith(f"{tmp_path / 'a.parquet'}: ")


def test_one_large_row_group_is_never_whole_in_memory(tmp_path):
    n, d = 12 * TILE, 256
    vectors = np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)
    columns = {
        "item_id": [f"i{row}" for row in range(n)],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), d),
    }
    pq.write_table(pa.table(columns), tmp_path / "theirs.parquet", row_group_size=n)
    del columns
    before, held = pa.total_allocated_bytes(), []
    x = StoredVectors(tmp_path / "theirs.parquet")
    for item_ids, _, _ in x.file.in_order():
        held.append(pa.total_allocated_bytes() - before)
        assert len(item_ids) <= TILE
    assert len(x) == n
    assert max(held) < vectors.nbytes / 2  # a few tiles, whatever n


def test_copy_leaves_out_what_was_left_out(tmp_path):
    of_somebody_else(tmp_path / "theirs.parquet", 2 * TILE + 10)
    np.save(tmp_path / "theirs.npy", np.ones((5, 3)))
    for name, rows in (("theirs.parquet", [0, TILE, 2 * TILE + 9]), ("theirs.npy", [1, 4])):
        x = StoredVectors(tmp_path / name)
        some = x.select(np.isin(np.arange(len(x)), rows))
        some.copy_to(tmp_path / "ours.parquet")
        ours = read(tmp_path / "ours.parquet")
        assert list(ours.item_ids) == [x.item_id(row) for row in rows]
        np.testing.assert_array_equal(ours.vectors, some.load().vectors)


def test_rows_are_the_same_whatever_the_row_groups_and_the_threads(tmp_path):
    table = of_somebody_else(tmp_path / "one.parquet", 2 * TILE + 10)
    pq.write_table(table, tmp_path / "many.parquet", row_group_size=1000)
    expected = read(tmp_path / "one.parquet").normalised()
    wanted = [slice(990, 1010), slice(0, 0), slice(TILE, None), np.array([5, 16000, 999])]
    for name in ("one.parquet", "many.parquet"):
        x = StoredVectors(tmp_path / name)
        for rows in wanted:
            np.testing.assert_array_equal(x[rows], expected[rows])
        with ThreadPoolExecutor(4) as pool:
            starts = range(0, len(x), 100)
            found = list(pool.map(lambda start, x=x: x[start : start + 100], starts))
        np.testing.assert_array_equal(np.concatenate(found), expected)


def test_normalised_vectors_have_length_one_in_float64():
    x = make(n=50, d=7).normalised()
    assert x.dtype == np.float64
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-12)


def test_matches_keeps_rows_with_every_allowed_label():
    labels = pd.DataFrame({"split": ["test", "train", "test"], "tone": ["dark", "dark", ""]})
    assert list(matches(labels, {"split": ["test"], "tone": ["dark", "light"]})) == [1, 0, 0]
    assert list(matches(labels, {})) == [1, 1, 1]


def test_a_block_that_fails_leaves_no_part_of_a_file(tmp_path):
    rows = make(n=ROW_GROUP + 10)
    with pytest.raises(KeyError), EmbeddingWriter(tmp_path / "a.parquet", {}) as writer:
        writer.write(rows.item_ids, rows.vectors, rows.labels)
        assert list(tmp_path.iterdir()) == [tmp_path / "a.parquet.part"]
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_clusters_are_the_values_of_a_label_column(tmp_path):
    labels = pd.DataFrame({"family": ["a", "b", None, "a", None, "2"], "n": [3, 1, 3, 3, 1, 2]})
    vectors = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    path = tmp_path / "a.parquet"
    write(EmbeddingSet(np.array(list("uvwxyz"), dtype=object), vectors, labels), path)
    stored = StoredVectors(path)
    # An item without a label is alone.
    assert stored.clusters("family").tolist() == [0, 1, 3, 0, 4, 2]
    assert stored.clusters("n").tolist() == [0, 1, 0, 0, 1, 2]
    assert stored.clusters(None) is None
    some = stored.select(np.array([False, True, True, True, False, True]))
    assert some.clusters("n").tolist() == [0, 1, 1, 2]
    assert cluster_codes(read(path).labels, "n", path).tolist() == [0, 1, 0, 0, 1, 2]
    with pytest.raises(InputError, match=r"a\.parquet: there is no .* 'concept'.*family, n"):
        stored.clusters("concept")
    np.save(tmp_path / "a.npy", vectors)
    with pytest.raises(InputError, match=r"label columns: none.* Correct the column in `clus"):
        StoredVectors(tmp_path / "a.npy").clusters("concept")


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ([None, "b", None, "a", "b"], [2, 0, 3, 1, 0]),
        ([None, None, None], [0, 1, 2]),  # no two are known to belong together
        ([], []),
        (["a"], [0]),
        (pd.array([7, pd.NA, 7, 9], "Int64"), [0, 2, 0, 1]),
        (pd.Categorical(["b", None, "b"], categories=["a", "b"]), [0, 1, 0]),
        ([1.5, float("nan"), 1.5], [0, 1, 0]),
    ],
)
def test_items_without_a_label_are_clusters_of_their_own(values, codes):
    labels = pd.DataFrame({"of": values})
    assert cluster_codes(labels, "of", "a file").tolist() == codes


def test_the_command_of_the_guide_shows_what_made_the_embeddings(root, tmp_path):
    path = tmp_path / "image.parquet"
    with EmbeddingWriter(path, {"weights": "sum 1f"}) as writer:
        writer.write(pd.Series(["a", "b"]), np.eye(2, dtype=np.float32), pd.DataFrame(index=[0, 1]))
    guide = (root / "docs" / "guide" / "paper-run.md").read_text(encoding="utf-8")
    (command,) = re.findall(r'python -c "(.*)"', guide)
    code = re.sub(r"results/embeddings/[a-z0-9_]+/image.parquet", str(path), command)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["weights"] == "sum 1f"


def test_only_the_labels_that_are_asked_for_are_read(tmp_path):
    labels = pd.DataFrame({"a": [1, 2, 3], "b": list("xyz"), "c": [0.5] * 3})
    ids = np.array(["i", "j", "k"], dtype=object)
    write(EmbeddingSet(ids, np.eye(3, dtype=np.float32), labels, {}), tmp_path / "one.parquet")
    (tmp_path / "parts").mkdir()
    shutil.copy(tmp_path / "one.parquet", tmp_path / "parts" / "1.parquet")
    for place in (tmp_path / "one.parquet", tmp_path / "parts"):
        for names in (["b"], ["c", "a"]):
            assert list(rows_of(place).labels(names)) == names
        assert list(rows_of(place).labels()) == ["a", "b", "c"]


def test_each_thread_opens_a_file_once(tmp_path):
    ids = np.array(["i", "j"], dtype=object)
    write(
        EmbeddingSet(ids, np.eye(2, dtype=np.float32), pd.DataFrame(), {}), tmp_path / "a.parquet"
    )
    rows = rows_of(tmp_path / "a.parquet")
    with ThreadPoolExecutor(1) as pool:
        other = [pool.submit(rows.opened).result() for _ in range(2)]
    assert rows.opened() is rows.opened() and other[0] is other[1]
    assert other[0] is not rows.opened()


def test_vectors_are_stored_compactly(tmp_path):
    ids = np.array([f"i{n}" for n in range(9)], dtype=object)
    vectors = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    write(EmbeddingSet(ids, vectors, pd.DataFrame(), {}), tmp_path / "a.parquet")
    group = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0)
    stored = {column.path_in_schema: column for column in map(group.column, range(2))}
    assert {column.compression for column in stored.values()} == {"ZSTD"}
    assert "BYTE_STREAM_SPLIT" in stored["vector.list.element"].encodings
    assert "RLE_DICTIONARY" in stored["item_id"].encodings


@pytest.mark.parametrize("row", [0, 1])
def test_the_authors_features_have_the_first_modality_first(tmp_path, row):
    features = np.random.default_rng(0).normal(size=(2, 12, 4)).astype(np.float32)
    np.save(tmp_path / "features.npy", features)
    found = of_authors(tmp_path / "features.npy", row, {"label": "CLIP", "weights": "trained"})
    np.testing.assert_array_equal(found.vectors, features[row])
    assert found.item_ids.tolist() == [f"{number:05d}" for number in range(12)]
    assert found.metadata == {
        "model": "CLIP",
        "weights": "trained",
        "dataset": "released by the authors at commit 8e20cb2",
        "dtype": "float32",
    }
