"""Data sets of one file and of parts: read alike, in order, and no more than is needed."""

import errno
import os
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modality_gap.data import parquet
from modality_gap.data.datasets import write_dataset
from modality_gap.data.files import files_by_part
from modality_gap.data.formats import FORMATS
from modality_gap.data.parquet import StoredDataset, columns_and_lengths
from modality_gap.data.parts import link_parts, put_in_place
from modality_gap.data.prompts import classes_of
from modality_gap.embeddings.extraction import read_batches, select_rows, select_rows_of_parts
from modality_gap.errors import InputError

ROWS = 23
TABLE = pd.DataFrame(
    {
        "item_id": [f"item{row}" for row in range(ROWS)],
        "image": [b"picture%d" % row for row in range(ROWS)],
        "kind": ["odd" if row % 2 else "even" for row in range(ROWS)],
    }
)
CUTS = [0, 5, 6, 16, ROWS]


def write(path, table: pd.DataFrame, group: int = 4) -> str:
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), path, row_group_size=group)
    return str(path)


@pytest.fixture
def parts(tmp_path) -> list[str]:
    return [
        write(tmp_path / f"part_{start}.parquet", TABLE[start:end]) for start, end in pairwise(CUTS)
    ]


@pytest.fixture
def both(tmp_path, parts) -> list[str]:
    """The data set as one file, and as a folder of parts."""
    link_parts(parts, tmp_path / "parts.parquet")
    return [write(tmp_path / "one.parquet", TABLE), str(tmp_path / "parts.parquet")]


@pytest.fixture
def groups_read(monkeypatch) -> list[tuple[str, list[int], list[str]]]:
    """The row groups and columns that are read of each file."""
    found, opened = [], parquet.open_parquet

    class Spied:
        def __init__(self, path):
            self.path, self.file = path, opened(path)

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self.file

        def __exit__(self, *_):
            self.file.close()

        def iter_batches(self, size, row_groups, columns):
            found.append((self.path.name, row_groups, columns))
            return self.file.iter_batches(size, row_groups=row_groups, columns=columns)

    monkeypatch.setattr(parquet, "open_parquet", Spied)
    return found


def test_a_folder_of_parts_is_read_as_the_one_file(both):
    for path in both:
        dataset = StoredDataset(path)
        assert len(dataset) == ROWS and dataset.schema.names == [*TABLE]
        pd.testing.assert_frame_equal(dataset.read().to_pandas(), TABLE)
        assert dataset.read(["kind"])["kind"].to_pylist() == list(TABLE["kind"])
        numbers, pieces = zip(*dataset.pieces(3), strict=True)
        assert max(map(len, pieces)) == 3
        np.testing.assert_array_equal(np.concatenate(numbers), np.arange(ROWS))
        whole = pa.Table.from_batches(pieces).to_pandas()
        pd.testing.assert_frame_equal(whole, TABLE)
        assert classes_of(path, "task", "kind") == ["even", "odd"]
        with pytest.raises(InputError, match=r"has no column 'sort', .* item_id, image, kind"):
            dataset.read(["sort"])


@pytest.mark.parametrize("rows", [[0], [22], [4, 5, 6], [1, 15, 16, 22], [*range(ROWS)]])
@pytest.mark.parametrize("size", [1, 4, 10, 100])
def test_batches_do_not_depend_on_the_parts(both, rows, size):
    one, parted = ([*read_batches(path, "image", np.array(rows), size)] for path in both)
    assert [list(frame["item_id"]) for frame in one] == [
        [f"item{row}" for row in rows if row // size == number]
        for number in sorted({row // size for row in rows})
    ]
    for frames in zip(one, parted, strict=True):
        pd.testing.assert_frame_equal(*frames)


def test_only_row_groups_with_chosen_rows_are_read(both, groups_read):
    for path in both:
        [*StoredDataset(path).pieces(100, ["kind"], np.array([1, 15, 16]))]
    assert groups_read == [
        ("one.parquet", [0, 3, 4], ["kind"]),
        ("1-of-4.parquet", [0], ["kind"]),
        ("3-of-4.parquet", [2], ["kind"]),
        ("4-of-4.parquet", [0], ["kind"]),
    ]


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"where": {"kind": ["odd"]}},
        {"sample": 9},
        {"sample": 100},
        {"sample": 6, "where": {"kind": ["even"]}},
        {"where": {"kind": ["neither"]}},
    ],
)
def test_rows_of_all_parts_are_those_of_the_one_file(both, parts, inputs):
    whole = select_rows(both[0], inputs, seed=3)
    np.testing.assert_array_equal(select_rows(both[1], inputs, seed=3), whole)
    found = select_rows_of_parts(parts, inputs, seed=3)
    together = [rows + start for rows, start in zip(found, CUTS, strict=False)]
    np.testing.assert_array_equal(np.concatenate(together), whole)
    assert "sample" not in inputs or len(whole) == min(
        inputs["sample"], 12 if "where" in inputs else ROWS
    )


def test_a_sample_reads_no_column_and_a_choice_only_its_own(parts, monkeypatch):
    read, columns = StoredDataset.read, []

    def spied(self, names=None):
        columns.append(names)
        return read(self, names)

    monkeypatch.setattr(StoredDataset, "read", spied)
    select_rows_of_parts(parts, {"sample": 5}, 0)
    assert columns == []
    select_rows_of_parts(parts, {"sample": 5, "where": {"kind": ["odd"]}}, 0)
    assert columns == [["kind"]] * len(parts)


def test_parts_with_other_columns_and_torn_ones_are_refused(tmp_path, parts):
    write(tmp_path / "more.parquet", TABLE.assign(text="x"))
    with pytest.raises(InputError, match=r"more\.parquet and .*t_0\.parquet: .* differ \(text\)"):
        columns_and_lengths([*parts, tmp_path / "more.parquet"])
    write(tmp_path / "turned.parquet", TABLE[[*reversed(TABLE.columns)]])
    with pytest.raises(InputError, match=r"turned\.parquet and .*: .* differ \(their order\)"):
        columns_and_lengths([*parts, tmp_path / "turned.parquet"])
    write(tmp_path / "numbers.parquet", TABLE.assign(kind=7))
    with pytest.raises(InputError, match=r"numbers\.parquet and .*: .* differ \(kind\)"):
        columns_and_lengths([*parts, tmp_path / "numbers.parquet"])
    torn = tmp_path / "torn.parquet"
    torn.write_bytes((tmp_path / "part_0.parquet").read_bytes()[:-50])
    with pytest.raises(InputError, match=r"torn\.parquet cannot be read as Parquet"):
        columns_and_lengths([*parts, torn])
    link_parts([*parts, torn], tmp_path / "set.parquet")
    with pytest.raises(InputError, match=r"set\.parquet/5-of-5\.parquet cannot be read"):
        StoredDataset(tmp_path / "set.parquet")
    (tmp_path / "set.parquet/5-of-5.parquet").unlink()
    with pytest.raises(InputError, match=r"set\.parquet: only 4 of 5 parts"):
        StoredDataset(tmp_path / "set.parquet")


def test_pictures_spoilt_within_a_part_are_named_by_their_file(tmp_path, parts):
    path = tmp_path / "part_16.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + bytes(300) + whole[304:])
    link_parts(parts, tmp_path / "set.parquet")
    with pytest.raises(InputError, match=r"4-of-4\.parquet cannot be read as Parquet"):
        [*StoredDataset(tmp_path / "set.parquet").pieces(10)]


def test_parts_that_remain_are_linked_by_path_where_hard_links_are_impossible(
    tmp_path, parts, monkeypatch
):
    def refuse(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    link_parts(parts, tmp_path / "set.parquet", remain=True)
    assert os.readlink(tmp_path / "set.parquet/part_5.parquet") == "../part_5.parquet"
    dataset = StoredDataset(tmp_path / "set.parquet")
    assert dataset.read(["item_id"])["item_id"].to_pylist() == list(TABLE["item_id"])
    link_parts(parts, tmp_path / "copied.parquet")
    assert not (tmp_path / "copied.parquet/2-of-4.parquet").is_symlink()


def test_files_of_parts():
    files = {f"role{number}": f"a/x{number}.tar" for number in (10, 8, 11, 9, 7)}
    parts = files_by_part(files, 2)
    assert [(name, [*part]) for name, part in parts.items()] == [
        ("x7", ["role7", "role8"]),
        ("x9", ["role9", "role10"]),
        ("x11", ["role11"]),
    ]
    more = files_by_part(files | {"role12": "a/x12.tar.gz"}, 2)
    assert more == parts | {"x11": {"role11": "a/x11.tar", "role12": "a/x12.tar.gz"}}
    with pytest.raises(InputError, match=r"a/0\.tar and b/0\.tar\.gz have the same name"):
        files_by_part({"one": "a/0.tar", "other": "b/0.tar.gz"}, 1)


@pytest.mark.parametrize("name", ["_x.tar", ".tar", "{x}.tar", "a b.tar", "a*.tar"])
def test_a_file_whose_name_no_part_can_have_is_refused(name):
    with pytest.raises(InputError, match=r" cannot give its name to a part; rename it"):
        files_by_part({"one": f"a/{name}"}, 1)


def test_items_of_a_part_are_called_by_their_file(tmp_path):
    for name, ids in (("a", "xy"), ("b", "x")):
        table = pd.DataFrame({"image": [b"1"] * len(ids), "text": "t", "key": [*ids]})
        table.to_parquet(tmp_path / f"{name}.parquet")
    files = {name: str(tmp_path / f"{name}.parquet") for name in "ab"}
    made = tmp_path / "made.parquet"
    settings = {"format": "parquet", "files": {}, "files_per_part": 2}
    (tmp_path / "made.parquet.part").write_bytes(b"what a killed job left")
    write_dataset(made, settings | {"item_id": "key"}, files)
    assert not (tmp_path / "made.parquet.part").exists()
    assert list(pd.read_parquet(made)["item_id"]) == ["a/x", "a/y", "b/x"]
    columns = FORMATS["parquet"].columns_of(settings | {"files": files})
    assert {*columns} == {"item_id", "text", "key"}
    write_dataset(made, settings, {"b": files["b"]})  # a part of one file, with numbers as ids
    assert list(pd.read_parquet(made)["item_id"]) == ["b/000000000"]


def test_a_part_without_a_picture_is_refused_and_leaves_no_file(tmp_path):
    pd.DataFrame({"image": [None], "text": "t"}).to_parquet(tmp_path / "none.parquet")
    settings = {"format": "parquet", "files": {}, "files_per_part": 1}
    with pytest.raises(InputError, match=r"none\.parquet: .* \(LookupError: it contains no im"):
        write_dataset(tmp_path / "made.parquet", settings, {"a": str(tmp_path / "none.parquet")})
    assert not [*tmp_path.glob("made*")]


def test_a_data_set_that_is_refused_half_way_leaves_no_file(tmp_path):
    tables = {"a": [["x", "one"], ["y", "two"]], "b": [["z", "three"], ["z", "four"]]}
    for name, rows in tables.items():
        frame = pd.DataFrame(rows, columns=["item_id", "text"])
        frame.to_parquet(tmp_path / f"{name}.parquet")
    files = {name: str(tmp_path / f"{name}.parquet") for name in tables}
    with pytest.raises(InputError, match="two images have the item_id 'z'"):
        write_dataset(tmp_path / "made.parquet", {"format": "parquet", "files": {}}, files)
    assert not [*tmp_path.glob("made*")]
    write_dataset(tmp_path / "made.parquet", {"format": "parquet", "files": {}}, {"a": files["a"]})
    assert [one.name for one in tmp_path.glob("made*")] == ["made.parquet"]


@pytest.mark.parametrize("before", ["nothing", "file", "folder"])
@pytest.mark.parametrize("made", ["file", "folder"])
def test_what_is_complete_replaces_what_has_its_name(tmp_path, before, made):
    begun, target = tmp_path / "begun", tmp_path / "target"
    for place, kind in ((target, before), (begun, made)):
        if kind == "folder":
            place.mkdir()
            (place / f"{place.name}.parquet").touch()
        elif kind == "file":
            place.write_text(place.name)
    put_in_place(begun, target)
    assert not begun.exists()
    if made == "file":
        assert target.read_text() == "begun"
    else:
        assert [path.name for path in target.iterdir()] == ["begun.parquet"]


@pytest.mark.parametrize("remain", [True, False])
def test_linked_parts_are_the_files_themselves_in_their_order(tmp_path, remain):
    files = [tmp_path / f"{number}.parquet" for number in range(11, 0, -1)]
    for file in files:
        file.write_text(file.stem)
    link_parts(files, tmp_path / "parts", remain)
    named = {file: file.name if remain else f"{number:02d}-of-11.parquet"
             for number, file in enumerate(files, 1)}  # fmt: skip
    assert {path.name for path in (tmp_path / "parts").iterdir()} == {*named.values()}
    for file, name in named.items():
        assert (tmp_path / "parts" / name).samefile(file)
        assert not (tmp_path / "parts" / name).is_symlink()
