"""What readers make of the arrays and tables in a file: vectors, ids and the number of vectors of
each item."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from modality_gap.data.tiles import READ
from modality_gap.data.vectors import (
    common_types,
    ids_of_array,
    named,
    number_of_list,
    of_array,
    of_table,
    only,
    tiles_of,
    vectors_of,
)
from modality_gap.errors import InputError

NUMBERS = np.arange(48, dtype=np.float32)


def tensors(*shape: int) -> pa.Array:
    kind = pa.fixed_shape_tensor(pa.float32(), shape)
    values = NUMBERS.reshape(-1, int(np.prod(shape)))
    storage = pa.FixedSizeListArray.from_arrays(NUMBERS, values.shape[1])
    return pa.ExtensionArray.from_storage(kind, storage)


def nested(*sizes: int) -> list:
    """A list of vectors of three numbers for each of the sizes."""
    ends = np.cumsum([0, *sizes])
    rows = NUMBERS.reshape(-1, 3).tolist()
    return [rows[start:stop] for start, stop in pairwise(ends)]


@pytest.mark.parametrize(
    ("lists", "dim", "counts"),
    [
        (pa.array(NUMBERS.reshape(-1, 4).tolist()), 4, [1] * 12),
        (pa.FixedSizeListArray.from_arrays(NUMBERS, 6), 6, [1] * 8),
        (pa.array(nested(1, 4, 0, 2, 9)), 3, [1, 4, 0, 2, 9]),
        (pa.array([nested(1, 4), nested(2)]), 3, [5, 2]),
        (tensors(4), 4, [1] * 12),
        (tensors(2, 4), 4, [2] * 6),
        (tensors(2, 3, 4), 4, [6] * 2),
        (pa.array([], pa.list_(pa.float32())), 0, []),
    ],
    ids=["lists", "of one size", "uneven", "thrice", "tensor", "two", "three", "nothing"],
)
def test_a_column_of_lists_has_its_vectors_and_how_many_are_in_each_row(lists, dim, counts):
    vectors, found = vectors_of("a.parquet", "v", lists)
    of_all = sum(counts)
    assert vectors.shape == (of_all, dim)
    wanted = NUMBERS[: of_all * dim].reshape(of_all, dim)
    if counts == [5, 2]:  # both rows begin with the first numbers
        wanted = np.concatenate([wanted[:5], wanted[:2]])
    assert np.array_equal(vectors, wanted)
    assert found.tolist() == counts


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        ([[1.0, 2.0], None], "column 'v' holds nulls"),
        ([[1.0, None], [1.0, 2.0]], "column 'v' holds nulls"),
        ([[[1.0], None]], "column 'v' holds nulls"),
        ([[1.0, 2.0], [3.0]], "the vectors of column 'v' differ in length"),
        ([[[1.0], [1.0, 2.0]]], "the vectors of column 'v' differ in length"),
    ],
)
def test_a_vector_that_is_not_whole_is_refused_with_its_column(lists, words):
    with pytest.raises(InputError, match=f"^a.parquet: {words}"):
        vectors_of("a.parquet", "v", pa.array(lists))


def table(*batches: dict, ids: str = "", column: str = "", asked: list | None = None):
    """A Source of a table that is read in these batches."""
    parts = [pa.RecordBatch.from_pydict(batch) for batch in batches]

    def read(columns, rows):
        if asked is not None:
            asked.append((columns, rows))
        return iter([part.select(columns) for part in parts])

    items = sum(map(len, parts))
    return of_table("a.parquet", parts[0].schema, items, read, column, ids, {b"k": b"v"})


def test_a_table_has_its_vectors_ids_and_labels():
    label, struct = ["p", "q"], [{"a": 1}, {"a": 2}]
    rows = {"key": [7, 8], "v": [[1.0, 2.0], [3.0, 4.0]], "w": [label, label], "of": label}
    asked: list = []
    # The names of what the workflow writes itself are no labels either.
    rows |= {"other": struct, "item_id": label, "vector": label}
    source = table(rows, rows, ids="key", column="v", asked=asked)
    assert (source.path, source.items, source.dim, source.vectors) == ("a.parquet", 4, 2, 4)
    assert source.counts is None
    assert source.ids.to_pylist() == ["7", "8", "7", "8"]
    assert source.metadata == {b"k": b"v"}
    # Lists of texts are labels; structures are none.
    assert source.label_types.names == ["w", "of"]
    (first, labels), _ = source.batches()
    assert first.tolist() == rows["v"]
    assert labels.to_pydict() == {"w": rows["w"], "of": label}
    del asked[:]
    assert [labels for _, labels in source.batches(labels=False)] == [None, None]
    assert asked == [(["v"], READ)]  # nothing else is read


def test_vectors_of_two_sizes_in_one_table_are_refused():
    source = table({"v": [[1.0, 2.0]]}, {"v": [[1.0, 2.0, 3.0]]})
    with pytest.raises(InputError, match=r"a.parquet: the vectors of column 'v' differ in length"):
        list(source.batches())


def test_a_table_of_several_vectors_has_their_numbers_unless_each_is_one():
    several = table({"v": [[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]]}, {"v": [[[7.0, 8.0]]]})
    assert several.counts.tolist() == [1, 2, 1]
    assert (several.items, several.vectors, several.dim) == (3, 4, 2)
    assert table({"v": [[[1.0, 2.0]], [[3.0, 4.0]]]}).counts is None


def test_nulls_beside_several_vectors_name_the_file_and_the_column():
    with pytest.raises(InputError, match=r"^a.parquet: column 'v' holds nulls"):
        table({"v": [[[1.0, 2.0]]]}, {"v": [[[3.0, 4.0]], None]})


@pytest.mark.parametrize(
    ("rows", "column", "found"),
    [
        ({"a": [[1.0]], "vector": [[2.0]]}, "", 2.0),
        ({"a": [[1.0]], "vector": [[2.0]]}, "a", 1.0),
        ({"a": [[3.0]], "b": [1.0]}, "", 3.0),
    ],
)
def test_the_vectors_are_of_the_named_column_or_the_usual_one_or_the_only_one(rows, column, found):
    ((vectors, _),) = table(rows, column=column).batches()
    assert vectors.tolist() == [[found]]


@pytest.mark.parametrize(
    ("rows", "column", "words"),
    [
        ({"a": [[1.0]], "b": [[2.0]]}, "", "contains a and b. Set `column` to one of them"),
        ({"a": [1.0]}, "", "contains no vectors. Give another file"),
        ({"a": [[1.0]], "b": [[2.0]]}, "c", "has no column 'c'; .*a.* b"),
        ({"a": [[1.0]], "b": ["x"]}, "b", "column 'b' has the type string. Give it one list"),
        ({"vector": [["x"]]}, "", "column 'vector' has the type list<.*string>. Give it one list"),
    ],
)
def test_a_table_without_a_clear_column_of_vectors_is_refused(rows, column, words):
    with pytest.raises(InputError, match=f"^a.parquet:? {words}"):
        table(rows, column=column)


def test_two_columns_of_one_name_are_refused():
    schema = pa.schema([("v", pa.list_(pa.float32())), ("x", pa.int8()), ("x", pa.int8())])
    with pytest.raises(
        InputError, match=r"^a.parquet has .* column named 'x'\. Give each column a d"
    ):
        of_table("a.parquet", schema, 0, lambda columns, rows: iter(()), "", "")


def test_ten_names_are_listed():
    names = [f"n{number:02d}" for number in range(12)]
    assert named("a.h5", names, "n11", "array") == "n11"
    with pytest.raises(InputError, match=r"^a.h5 has no array 'x'; ") as refused:
        named("a.h5", names, "x", "array")
    assert [name for name in names if name in str(refused.value)] == names[:10]
    assert only("a.h5", names[:1], "array", "key") == "n00"
    with pytest.raises(InputError, match=r"^a.h5 contains no array"):
        only("a.h5", [], "array", "key")
    for count, more in ((10, "n09. Set `key`"), (11, "n09 and 1 more. Set `key`")):
        with pytest.raises(InputError, match=f"^a.h5 contains n00, .*and {more}"):
            only("a.h5", names[:count], "array", "key")


def test_a_table_without_batches_has_neither_vectors_nor_dimensions():
    schema = pa.schema({"v": pa.list_(pa.list_(pa.float32()))})
    source = of_table("a.parquet", schema, 0, lambda columns, rows: iter(()), "", "")
    assert (source.items, source.dim, source.vectors) == (0, 0, 0)


@pytest.mark.parametrize(
    ("names", "asked", "chosen"),
    [
        (["v", "key", "id"], "", "id"),
        (["v", "__index_level_0__", "key"], "", "key"),
        (["v", "key", "id"], "key", "key"),
        (["v", "id", "item_id"], "", "item_id"),
    ],
)
def test_the_ids_are_of_the_named_column_or_of_the_most_usual_one(names, asked, chosen):
    rows = {name: [[1.0], [2.0]] if name == "v" else [f"{name}1", f"{name}2"] for name in names}
    assert table(rows, ids=asked).ids.to_pylist() == [f"{chosen}1", f"{chosen}2"]


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (pa.array(["a", None]), "column 'id' holds nulls; give every item an id"),
        (pa.array([1.5, 2.0]), "column 'id' is double, but ids are whole numbers or texts"),
    ],
)
def test_ids_of_a_table_are_whole_numbers_or_texts(ids, words):
    right = [pa.array(["7", "8"], kind) for kind in (pa.large_string(), pa.string_view())]
    right += [pa.array([7, 8], kind) for kind in (pa.int16(), pa.uint64())]
    # Categories, as pandas writes them.
    right += [pa.array(values).dictionary_encode() for values in (["7", "8"], [7, 8])]
    for one in right:
        source = table({"v": [[1.0], [2.0]], "id": one})
        assert source.ids.type == pa.large_string() and source.ids.to_pylist() == ["7", "8"]
    with pytest.raises(InputError, match=f"a.parquet: {words}"):
        table({"v": [[1.0], [2.0]], "id": ids})


@pytest.mark.parametrize(
    ("ids", "texts"),
    [
        (np.array([3, 1], dtype=">i4"), ["3", "1"]),
        (np.array([2**63 + 1, 0], dtype=np.uint64), [str(2**63 + 1), "0"]),
        (np.array(["a", "é"]), ["a", "é"]),
        (np.array(["é".encode(), b"b"]), ["é", "b"]),
        (np.array([1, "b"], dtype=object), ["1", "b"]),
    ],
)
def test_ids_of_an_array_become_texts(ids, texts):
    assert ids_of_array("a.npz", ids, 2).to_pylist() == texts


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (np.array([1, 2, 3]), r"2 items, but ids of shape \(3,\)\. Give one id per item\."),
        (np.array([[1], [2]]), r"2 items, but ids of shape \(2, 1\)"),
        (np.array([1.0, 2.0]), "the ids have the type float64"),
        (np.array([True, False]), "the ids have the type bool"),
        (np.array([b"\xff", b"b"]), "the ids are not in UTF-8; write them in UTF-8."),
    ],
)
def test_ids_of_an_array_that_are_none_are_refused(ids, words):
    with pytest.raises(InputError, match=f"a.npz: {words}"):
        ids_of_array("a.npz", ids, 2)


@pytest.mark.parametrize(("shape", "counts"), [((12, 4), None), ((6, 2, 4), [2] * 6)])
def test_an_array_has_one_vector_for_each_item_or_several(shape, counts):
    array = NUMBERS.reshape(shape)
    source = of_array("a.npy", shape, "float32", tiles_of(array), np.arange(shape[0]))
    assert (source.items, source.dim, source.vectors) == (shape[0], 4, 12)
    assert (counts is None) == (source.counts is None)
    assert source.counts is None or source.counts.tolist() == counts
    (vectors, labels), *others = source.batches()
    assert np.array_equal(vectors, NUMBERS.reshape(12, 4)) and labels is None and not others
    assert source.ids.to_pylist() == [str(row) for row in range(shape[0])]
    assert of_array("a.npy", shape, "float32", tiles_of(array)).ids is None


@pytest.mark.parametrize(
    ("shape", "kind", "words"),
    [
        ((4,), "float32", r"float32 of shape \(4,\)"),
        ((1, 2, 3, 4), "float32", r"float32 of shape \(1, 2, 3, 4\)"),
        ((4, 0), "float32", r"float32 of shape \(4, 0\)"),
        ((4, 2), "complex64", r"complex64 of shape \(4, 2\)"),
        ((4, 2), "object", r"Python objects of shape \(4, 2\)"),
        ((4, 2), "bool", "bool of shape"),
    ],
)
def test_an_array_that_holds_no_vectors_is_refused(shape, kind, words):
    with pytest.raises(InputError, match=f"a.npy holds {words}"):
        of_array("a.npy", shape, kind, lambda: iter(()))


@pytest.mark.parametrize("kind", ["float16", "float64", "int8", "uint8"])
def test_vectors_may_be_of_any_type_of_real_numbers(kind):
    assert of_array("a.npy", (4, 1), kind, lambda: iter(())).dim == 1


def test_a_long_array_is_read_a_tile_at_a_time():
    array = np.arange(2 * READ + 3)[:, None]
    found = list(tiles_of(array)())
    assert [len(tile) for tile in found] == [READ, READ, 3]
    assert np.array_equal(np.concatenate(found), array)


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (pa.list_(pa.float16()), pa.float16()),
        (pa.large_list(pa.list_(pa.int8())), pa.int8()),
        (pa.list_(pa.float32(), 3), pa.float32()),
        (pa.fixed_shape_tensor(pa.float64(), (2, 3)), pa.float64()),
        (pa.list_view(pa.uint8()), pa.uint8()),
        (pa.list_(pa.string()), None),
        (pa.float32(), None),
    ],
)
def test_lists_of_numbers_are_known_at_any_depth(kind, number):
    assert number_of_list(kind) == number


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        (pa.int32(), pa.int64(), pa.int64()),
        (pa.float32(), pa.float64(), pa.float64()),
        (pa.null(), pa.string(), pa.string()),
        (pa.string_view(), pa.string(), pa.string()),
        (pa.string(), pa.large_string(), pa.large_string()),
        (pa.int64(), pa.float64(), None),
        (pa.int64(), pa.string(), None),
    ],
)
def test_parts_have_the_wider_type_of_a_column_or_none(one, other, common):
    for first, second in ((one, other), (other, one)):
        parts = {"a": pa.schema({"x": first}), "b": pa.schema({"x": second})}
        if common is None:
            with pytest.raises(InputError, match=r"b: column 'x' is .* in the parts before"):
                common_types(parts)
        else:
            assert common_types(parts) == pa.schema({"x": common})
