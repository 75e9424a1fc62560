"""Your own pairs in the formats of other tools: the right vectors, or one sentence."""

import json
import re
import runpy
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from modality_gap.config.own_files import format_of, own_path, source_faults
from modality_gap.data import tiles
from modality_gap.data.vector_formats import VECTOR_FORMATS, numbers_of, open_source
from modality_gap.embeddings import own_pairs
from modality_gap.embeddings.own_pairs import match, recorded, write_side
from modality_gap.embeddings.sets import EmbeddingSet, write
from modality_gap.errors import InputError

N, D = 30, 6
RNG = np.random.default_rng(0)
A = RNG.normal(size=(N, D)).astype(np.float32)
B = (RNG.normal(size=(N, D)) + 1).astype(np.float32)
IDS = [f"item{row}" for row in range(N)]


def imported(folder: Path, image, text, several: str = "", **options) -> list[pa.Table]:
    """Both sides of a pair as the job of the workflow writes them."""
    sides = [side if isinstance(side, tuple) else (side, {}) for side in (image, text)]
    sources = [open_source(str(folder / path), one | options) for path, one in sides]
    pairs = match(*sources, several)
    tables = []
    for source, rows, alone in zip(sources, pairs.rows, pairs.alone, strict=True):
        out = folder / "out" / f"{len(tables)}.parquet"
        write_side(source, rows, pairs, out, recorded(source, "image", alone))
        assert list(out.parent.glob("*.part")) == []
        tables.append(pq.read_table(out))
    return tables


def values(table: pa.Table) -> np.ndarray:
    return np.array(table["vector"].to_pylist(), dtype=np.float32)


def lists(x: np.ndarray, kind: pa.DataType) -> pa.Array:
    return pa.array([list(row) for row in x.astype(kind.value_type.to_pandas_dtype())], kind)


def parquet(path: Path, vector, **columns) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({**columns, "vector": vector}), path)


# --- one file of each format ----------------------------------------------------------------------


def bfloat16(x: np.ndarray) -> np.ndarray:
    return torch.tensor(x).bfloat16().float().numpy()


def hdf5(path: Path, **arrays) -> None:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name.replace("__", "/")] = array


def datasets_folder(path: Path, table: pa.Table, files: int = 2) -> None:
    path.mkdir(parents=True)
    names = [f"data-{number:05d}-of-{files:05d}.arrow" for number in range(files)]
    size = -(-len(table) // files)
    for number, name in enumerate(names):
        part = table.slice(number * size, size)
        arrow(path / name, part, pa.ipc.new_stream)
    state = {"_data_files": [{"filename": name} for name in names], "_split": None}
    (path / "state.json").write_text(json.dumps(state))
    (path / "dataset_info.json").write_text("{}")


def arrow(path: Path, table: pa.Table, new) -> None:
    with pa.OSFile(str(path), "wb") as file, new(file, table.schema) as writer:
        writer.write_table(table)


def npz_of_version_2(path: Path, array: np.ndarray) -> None:
    """An archive whose array has the header of long descriptions."""
    with zipfile.ZipFile(path, "w") as archive, archive.open("x.npy", "w") as file:
        np.lib.format.write_array(file, array, version=(2, 0))


TENSOR = pa.fixed_shape_tensor(pa.float32(), (D,))
WRITERS = {
    "float32.npy": lambda p: np.save(p, A),
    "float16.npy": lambda p: np.save(p, A.astype("f2")),
    "float64.npy": lambda p: np.save(p, A.astype("f8")),
    "big_endian.npy": lambda p: np.save(p, A.astype(">f4")),
    "fortran.npy": lambda p: np.save(p, np.asfortranarray(A)),
    "int8.npy": lambda p: np.save(p, (A * 20).astype("i1")),
    "cube.npy": lambda p: np.save(p, A[:, None]),
    "ENDING.NPY": lambda p: np.save(p.open("wb"), A),
    "one.npz": lambda p: np.savez(p, A),
    "compressed.npz": lambda p: np.savez_compressed(p, x=A.astype("f8")),
    "fortran.npz": lambda p: np.savez(p, x=np.asfortranarray(A)),
    "big_endian.npz": lambda p: npz_of_version_2(p, A.astype(">f8")),
    "beside_a_list.npz": lambda p: np.savez(p, x=A, names=np.arange(N)),
    "tensor.pt": lambda p: torch.save(torch.tensor(A), p),
    "grad.pth": lambda p: torch.save(torch.nn.Parameter(torch.tensor(A)), p),
    "bfloat16.pt": lambda p: torch.save(torch.tensor(A).bfloat16(), p),
    "old.pt": lambda p: torch.save(torch.tensor(A), p, _use_new_zipfile_serialization=False),
    "numbered.pt": lambda p: torch.save({0: torch.tensor(A)}, p),
    "dictionary.pt": lambda p: torch.save({"x": torch.tensor(A), "epoch": 3}, p),
    "float32.safetensors": lambda p: save_file({"x": torch.tensor(A)}, p),
    "float16.safetensors": lambda p: save_file({"x": torch.tensor(A).half()}, p),
    "int8.safetensors": lambda p: save_file({"x": torch.tensor((A * 20).astype("i1"))}, p),
    "int8_as_64.safetensors": lambda p: save_file({"x": torch.tensor((A * 20).astype("i8"))}, p),
    "bfloat16.safetensors": lambda p: save_file(
        {"x": torch.tensor(A).bfloat16()}, p, {"format": "pt"}
    ),
    "list.parquet": lambda p: parquet(p, lists(A, pa.list_(pa.float32()))),
    "large_list.parquet": lambda p: parquet(p, lists(A, pa.large_list(pa.float64()))),
    "fixed.parquet": lambda p: parquet(p, lists(A, pa.list_(pa.float32(), D))),
    "float16.parquet": lambda p: parquet(p, lists(A, pa.list_(pa.float16()))),
    "nested.parquet": lambda p: parquet(p, pa.array([[list(map(float, row))] for row in A])),
    "tensor.parquet": lambda p: parquet(
        p, pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(A))
    ),
    "file.arrow": lambda p: arrow(
        p, pa.table({"emb": lists(A, pa.list_(pa.float32()))}), pa.ipc.new_file
    ),
    "stream.arrow": lambda p: arrow(
        p, pa.table({"emb": lists(A, pa.list_(pa.float32()))}), pa.ipc.new_stream
    ),
    "file.h5": lambda p: hdf5(p, x=A.astype("f2"), names=np.arange(N)),
    "deep.hdf5": lambda p: hdf5(p, a__b__x=A),
    "datasets": lambda p: datasets_folder(p, pa.table({"emb": lists(A, pa.list_(pa.float32()))})),
}
EXPECTED = {
    "float16": A.astype("f2").astype("f4"),
    "bfloat16": bfloat16(A),
    "int8": (A * 20).astype("i1").astype("f4"),
    "int8_as_64": (A * 20).astype("i1").astype("f4"),
    "file.h5": A.astype("f2").astype("f4"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_each_format_gives_its_vectors_in_their_order(name, tmp_path, monkeypatch):
    for module, size in ((tiles, "READ"), (tiles, "TILE"), (own_pairs, "TILE")):
        monkeypatch.setattr(module, size, 7)  # several tiles, the last one smaller
    WRITERS[name](tmp_path / name)
    np.save(tmp_path / "text.npy", B)
    image, text = imported(tmp_path, name, "text.npy")
    expected = EXPECTED.get(name, EXPECTED.get(name.partition(".")[0], A))
    np.testing.assert_array_equal(values(image), expected)
    np.testing.assert_array_equal(values(text), B)
    assert image["item_id"].to_pylist() == text["item_id"].to_pylist()
    assert image["item_id"][10].as_py() == "000010"


def test_every_format_of_the_registry_is_tried():
    tried = {format_name(name) for name in WRITERS}
    assert tried == VECTOR_FORMATS.keys()


def format_name(name: str) -> str:
    suffix = Path(name).suffix.lower()
    return next(
        (one for one, entry in VECTOR_FORMATS.items() if suffix in entry.endings), "datasets"
    )


def test_a_key_or_a_column_names_what_is_read(tmp_path):
    np.savez(tmp_path / "both.npz", image=A, text=B)
    hdf5(tmp_path / "both.h5", clip__image=A, clip__text=B)
    torch.save({"image": torch.tensor(A), "text": torch.tensor(B)}, tmp_path / "both.pt")
    save_file({"image": torch.tensor(A), "text": torch.tensor(B)}, tmp_path / "both.safetensors")
    kind = pa.list_(pa.float32())
    table = pa.table({"image": lists(A, kind), "text": lists(B, kind), "n": list(range(N))})
    pq.write_table(table, tmp_path / "both.parquet")
    arrow(tmp_path / "both.arrow", table, pa.ipc.new_file)
    for name in ("npz", "pt", "safetensors", "h5", "parquet", "arrow"):
        option = "column" if name in ("parquet", "arrow") else "key"
        prefix = "clip/" if name == "h5" else ""
        sides = [(f"both.{name}", {option: prefix + side}) for side in ("image", "text")]
        image, text = imported(tmp_path, *sides)
        np.testing.assert_array_equal(values(image), A)
        np.testing.assert_array_equal(values(text), B)
        with pytest.raises(
            InputError, match=rf"both\.{name} contains .*image and .*text. Set .{option}. to one"
        ):
            open_source(str(tmp_path / f"both.{name}"), {})
        with pytest.raises(InputError, match=rf"both\.{name} has no .* '{prefix}imag'; did you"):
            open_source(str(tmp_path / f"both.{name}"), {option: f"{prefix}imag"})
        assert image.column_names == ["item_id", "vector", *(["n"] if option == "column" else [])]
    halves = {"image": torch.tensor(A).bfloat16(), "text": torch.tensor(B).bfloat16()}
    save_file(halves, tmp_path / "halves.safetensors")
    image, text = imported(
        tmp_path, *(("halves.safetensors", {"key": side}) for side in ("image", "text"))
    )
    np.testing.assert_array_equal(values(image), bfloat16(A))
    np.testing.assert_array_equal(values(text), bfloat16(B))


# --- ids ------------------------------------------------------------------------------------------

SHUFFLED = np.random.default_rng(1).permutation(N)


@pytest.mark.parametrize(
    ("ids", "kind", "written"),
    [
        (IDS, pa.string(), IDS),
        (list(range(N)), pa.int64(), [str(row) for row in range(N)]),
        ([f"ふ{row}é" for row in range(N)], pa.large_string(), [f"ふ{row}é" for row in range(N)]),
    ],
)
def test_ids_are_matched_by_value(ids, kind, written, tmp_path, monkeypatch):
    monkeypatch.setattr(own_pairs, "TILE", 7)
    fixed = pa.list_(pa.float32(), D)
    label = {"caption": [f"caption {row}" for row in SHUFFLED]}
    parquet(tmp_path / "a.parquet", lists(A, fixed), key=pa.array(ids, kind))
    # Of the other side three are missing and one is unknown.
    rows = [row for row in SHUFFLED if row not in (3, 4, 5)]
    texts = pa.array([str(ids[row]) for row in rows] + ["another"])
    label = [f"caption {row}" for row in rows] + ["none"]
    vectors = np.concatenate([B[rows], B[:1]])
    parquet(tmp_path / "b.parquet", lists(vectors, fixed), item_id=texts, caption=label)
    image, text = imported(tmp_path, ("a.parquet", {"ids": "key"}), "b.parquet")
    kept = [row for row in range(N) if row not in (3, 4, 5)]
    assert image["item_id"].to_pylist() == [written[row] for row in kept]
    assert text["item_id"].to_pylist() == [written[row] for row in kept]
    np.testing.assert_array_equal(values(image), A[kept])
    np.testing.assert_array_equal(values(text), B[kept])
    assert text["caption"].to_pylist() == [f"caption {row}" for row in kept]
    about = [
        json.loads(pq.read_metadata(tmp_path / "out" / f"{side}.parquet").metadata[b"modality_gap"])
        for side in (0, 1)
    ]
    assert [one["unmatched"] for one in about] == [3, 1]
    assert [one["file"] for one in about] == ["a.parquet", "b.parquet"]
    assert [one["vectors"] for one in about] == [N, N - 2]
    assert about[0]["unmatched_named"] == [written[row] for row in (3, 4, 5)]
    assert about[1]["unmatched_named"] == ["another"]


def test_an_embedding_set_keeps_its_origin_beside_what_the_import_says(tmp_path):
    about = {"model": "M", "vectors": 7, "skipped": ["x"]}
    for name, x in (("a", A), ("b", B)):
        ids = np.array(IDS, dtype=object)
        write(EmbeddingSet(ids, x, metadata=about), tmp_path / f"{name}.parquet")
    imported(tmp_path, "a.parquet", "b.parquet")
    stored = pq.read_metadata(tmp_path / "out/0.parquet").metadata[b"modality_gap"]
    assert json.loads(stored) == about | {
        "file": "a.parquet", "modality": "image", "vectors": N, "unmatched": 0,
        "unmatched_named": [],
    }  # fmt: skip


def test_ids_of_arrays_and_a_file_without_ids(tmp_path):
    np.savez(tmp_path / "a.npz", x=A, ids=np.array(IDS))
    np.savez(tmp_path / "c.npz", x=A, ids=np.arange(N).astype(">i4"))
    assert open_source(str(tmp_path / "c.npz"), {"key": "x", "ids": "ids"}).ids[9].as_py() == "9"
    hdf5(tmp_path / "b.h5", x=B[SHUFFLED], ids=np.array([IDS[row] for row in SHUFFLED], dtype="S9"))
    both = ("a.npz", {"ids": "ids", "key": "x"}), ("b.h5", {"ids": "/ids", "key": "/x"})
    image, text = imported(tmp_path, *both)
    np.testing.assert_array_equal(values(text), B)
    np.save(tmp_path / "b.npy", B)
    image, text = imported(tmp_path, both[0], "b.npy")
    assert text["item_id"].to_pylist() == image["item_id"].to_pylist() == IDS
    np.testing.assert_array_equal(values(text), B)


# --- several vectors of an item -------------------------------------------------------------------

FIVE = (RNG.normal(size=(N, 5, D)) + 2).astype(np.float32)


def many_texts(folder: Path) -> list:
    """Five texts of each image: by repeated ids, in their order alone, as a cube, as lists."""
    fixed = pa.list_(pa.float32(), D)
    parquet(folder / "image.parquet", lists(A, fixed), item_id=IDS)
    repeated = [IDS[row] for row in range(N) for _ in range(5)]
    order = np.argsort(np.tile(np.arange(5), N), kind="stable")  # all first texts, all second ...
    flat = FIVE.reshape(-1, D)[order]
    parquet(folder / "ids.parquet", lists(flat, fixed), item_id=[repeated[row] for row in order])
    np.save(folder / "image.npy", A)
    np.save(folder / "rows.npy", FIVE.reshape(-1, D))
    np.save(folder / "cube.npy", FIVE)
    parquet(folder / "nested.parquet", pa.array(FIVE.tolist()), item_id=IDS)
    return [
        ("image.parquet", "ids.parquet"),
        ("image.npy", "rows.npy"),
        ("image.npy", "cube.npy"),
        ("image.parquet", "nested.parquet"),
        ("image.npy", "nested.parquet"),
    ]


@pytest.mark.parametrize("number", range(5))
def test_several_texts_of_an_image(number, tmp_path, monkeypatch):
    monkeypatch.setattr(own_pairs, "TILE", 7)
    image, text = many_texts(tmp_path)[number]
    for several, place in (("first", 0), ("last", 4)):
        one, other = imported(tmp_path, image, text, several)
        np.testing.assert_array_equal(values(one), A)
        np.testing.assert_array_equal(values(other), FIVE[:, place])
        # And with the sides exchanged.
        other, one = imported(tmp_path, text, image, several)
        np.testing.assert_array_equal(values(one), A)
        np.testing.assert_array_equal(values(other), FIVE[:, place])
    one, other = imported(tmp_path, image, text, "all")
    np.testing.assert_array_equal(values(one), np.repeat(A, 5, axis=0))
    np.testing.assert_array_equal(values(other), FIVE.reshape(-1, D))
    ids = one["of_item"].to_pylist()[::5]
    assert one["item_id"].to_pylist() == [f"{name}#{k}" for name in ids for k in range(1, 6)]
    assert other["of_item"].to_pylist() == [name for name in ids for _ in range(5)]
    with pytest.raises(InputError, match=r"`several`"):
        imported(tmp_path, image, text)


def test_items_without_a_partner_are_counted_once_and_ten_are_named(tmp_path):
    fixed, more = pa.list_(pa.float32(), D), [f"lone{number}" for number in range(12)]
    ids = [*IDS[:9], *more]
    parquet(tmp_path / "a.parquet", lists(A[:9], fixed), item_id=IDS[:9])
    repeated = [name for name in ids for _ in range(2)]
    parquet(tmp_path / "b.parquet", lists(FIVE[:21, :2].reshape(-1, D), fixed), item_id=repeated)
    imported(tmp_path, "a.parquet", "b.parquet", "first")
    about = json.loads(pq.read_metadata(tmp_path / "out/1.parquet").metadata[b"modality_gap"])
    assert (about["vectors"], about["unmatched"]) == (42, 12)
    assert about["unmatched_named"] == more[:10]
    one, other = imported(tmp_path, "a.parquet", "b.parquet", "last")
    np.testing.assert_array_equal(values(one), A[:9])
    np.testing.assert_array_equal(values(other), FIVE[:9, 1])
    assert one.column_names == other.column_names == ["item_id", "vector"]
    one, other = imported(tmp_path, "b.parquet", "a.parquet", "all")
    np.testing.assert_array_equal(values(one), FIVE[:9, :2].reshape(-1, D))
    np.testing.assert_array_equal(values(other), np.repeat(A[:9], 2, axis=0))


def test_tensors_and_lists_of_several_vectors_say_how_many_each_item_has(tmp_path):
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(FIVE)
    parquet(tmp_path / "a.parquet", tensors, item_id=IDS)
    source = open_source(str(tmp_path / "a.parquet"), {})
    assert source.counts.tolist() == [5] * N
    assert (source.items, source.vectors, source.dim) == (N, 5 * N, D)
    found = np.concatenate([vectors for vectors, _ in source.batches()])
    np.testing.assert_array_equal(found, FIVE.reshape(-1, D))
    # A list of one vector is that vector.
    parquet(tmp_path / "b.parquet", pa.array(A[:, None].tolist()))
    assert open_source(str(tmp_path / "b.parquet"), {}).counts is None
    # Of two parts, one has one vector of each item.
    for number, count in ((0, 1), (1, 2)):
        several = pa.array(FIVE[number : number + 3, :count].tolist())
        parquet(tmp_path / f"p/{number}.parquet", several)
    assert open_source(str(tmp_path / "p"), {}).counts.tolist() == [1, 1, 1, 2, 2, 2]


def test_both_sides_with_several_are_paired_one_by_one_or_refused(tmp_path):
    fixed = pa.list_(pa.float32(), D)
    ids = [name for name in IDS for _ in range(5)]
    parquet(tmp_path / "a.parquet", lists(np.repeat(A, 5, axis=0), fixed), item_id=ids)
    parquet(tmp_path / "b.parquet", lists(FIVE.reshape(-1, D), fixed), item_id=ids)
    image, text = imported(tmp_path, "a.parquet", "b.parquet", "all")
    np.testing.assert_array_equal(values(text), FIVE.reshape(-1, D))
    np.testing.assert_array_equal(values(image), np.repeat(A, 5, axis=0))
    rows = np.arange(5 * N)[::-1]
    backwards = [ids[row] for row in rows]
    parquet(tmp_path / "c.parquet", lists(FIVE.reshape(-1, D)[rows], fixed), item_id=backwards)
    image, text = imported(tmp_path, "a.parquet", "c.parquet", "all")
    np.testing.assert_array_equal(values(text), FIVE[:, ::-1].reshape(-1, D))
    parquet(tmp_path / "d.parquet", lists(FIVE.reshape(-1, D)[1:], fixed), item_id=ids[1:])
    remedy = r".* Set `several` to first or last\."
    with pytest.raises(
        InputError,
        match=r"a\.parquet and .*d\.parquet: an item has 5 vectors in the first, 4" + remedy,
    ):
        imported(tmp_path, "a.parquet", "d.parquet", "all")
    parquet(tmp_path / "e.parquet", lists(A[:3], fixed), item_id=["x", "y", "x"])
    parquet(tmp_path / "f.parquet", lists(B[:4], fixed), item_id=["x", "y", "x", "x"])
    with pytest.raises(
        InputError, match=r"e\.parquet and .*f\.parquet: an item has 2 vectors in the first, 3"
    ):
        imported(tmp_path, "e.parquet", "f.parquet", "all")


def test_labels_are_those_of_the_item_of_each_vector(tmp_path, monkeypatch):
    monkeypatch.setattr(tiles, "READ", 7)  # several tiles, the last one smaller
    counts, order = [1 + row % 3 for row in range(N)], SHUFFLED
    texts = pa.array([FIVE[row, :count].tolist() for row, count in enumerate(counts)])
    parquet(tmp_path / "b.parquet", texts, item_id=IDS, caption=[f"c{row}" for row in range(N)])
    for rows in (np.arange(N), order):
        ids = [IDS[row] for row in rows]
        parquet(tmp_path / "a.parquet", lists(A[rows], pa.list_(pa.float32(), D)), item_id=ids)
        for several, wanted, of_texts in (
            (
                "all",
                np.repeat(rows, [counts[row] for row in rows]),
                [FIVE[row, : counts[row]] for row in rows],
            ),
            ("last", rows, [FIVE[row, [counts[row] - 1]] for row in rows]),
        ):
            image, text = imported(tmp_path, "a.parquet", "b.parquet", several)
            assert text["caption"].to_pylist() == [f"c{row}" for row in wanted]
            np.testing.assert_array_equal(values(image), A[wanted])
            np.testing.assert_array_equal(values(text), np.concatenate(of_texts))
    # Beside another column of vectors, one that is called vector is no label.
    table = pa.table({"emb": lists(A, ONE), "vector": IDS, "n": list(range(N))})
    pq.write_table(table, tmp_path / "c.parquet")
    image, _ = imported(tmp_path, *[("c.parquet", {"column": "emb"})] * 2)
    assert image.column_names == ["item_id", "vector", "n"]
    np.testing.assert_array_equal(values(image), A)


def test_an_item_may_have_one_vector_and_another_several(tmp_path):
    counts = [1 + row % 3 for row in range(N)]
    texts = [FIVE[row, :count] for row, count in enumerate(counts)]
    parquet(tmp_path / "a.parquet", lists(A, pa.list_(pa.float32(), D)), item_id=IDS)
    parquet(tmp_path / "b.parquet", pa.array([of.tolist() for of in texts]), item_id=IDS)
    image, text = imported(tmp_path, "a.parquet", "b.parquet", "all")
    np.testing.assert_array_equal(values(image), np.repeat(A, counts, axis=0))
    np.testing.assert_array_equal(values(text), np.concatenate(texts))
    abouts = [pq.read_metadata(tmp_path / f"out/{side}.parquet").metadata for side in (0, 1)]
    counted = [json.loads(about[b"modality_gap"])["vectors"] for about in abouts]
    assert counted == [N, sum(counts)]
    _, text = imported(tmp_path, "a.parquet", "b.parquet", "last")
    np.testing.assert_array_equal(values(text), [of[-1] for of in texts])


@pytest.mark.parametrize(
    ("ids", "written"),
    [
        (["a", "b", "a"], ["a#1", "b", "a#2"]),
        (["a", "a#2", "a", "a#1"], ["a##1", "a#2", "a##2", "a#1"]),
        (["a", "a##2", "a", "a#1"], ["a###1", "a##2", "a###2", "a#1"]),
    ],
)
def test_no_two_pairs_have_one_name(ids, written, tmp_path, monkeypatch):
    monkeypatch.setattr(own_pairs, "TILE", 2)
    fixed, number = pa.list_(pa.float32(), D), len(ids)
    for side, x in (("a", A), ("b", B)):
        parquet(tmp_path / f"{side}.parquet", lists(x[:number], fixed), item_id=ids)
    for table, x in zip(imported(tmp_path, "a.parquet", "b.parquet", "all"), (A, B), strict=True):
        assert table["item_id"].to_pylist() == written and table["of_item"].to_pylist() == ids
        np.testing.assert_array_equal(values(table), x[:number])


@pytest.mark.parametrize("several", ["first", "last", "all"])
def test_several_vectors_of_an_item_belong_to_no_several_rows(several, tmp_path):
    """Five vectors of an item on one side, five rows for it on the other: ids must say which."""
    many_texts(tmp_path)
    for sides in (("cube.npy", "rows.npy"), ("rows.npy", "cube.npy")):
        for asked in (several, ""):  # a remedy must not lead to the next refusal
            with pytest.raises(InputError, match=r"has \d+ items, but .* or give ids for both\.$"):
                imported(tmp_path, *sides, asked)


# --- folders --------------------------------------------------------------------------------------


def test_parts_are_read_in_the_order_of_their_numbers(tmp_path):
    for side, x in (("img_emb", A), ("text_emb", B)):
        (tmp_path / side).mkdir()
        for number in range(12):  # part 10 after part 2
            np.save(tmp_path / side / f"{side}_{number}.npy", x[number * 2 : number * 2 + 2])
        (tmp_path / side / "_SUCCESS").touch()
        (tmp_path / side / "._img_emb_0.npy").write_bytes(b"of a Mac")
    image, text = imported(tmp_path, "img_emb", "text_emb")
    np.testing.assert_array_equal(values(image), A[:24])
    np.testing.assert_array_equal(values(text), B[:24])
    np.save(tmp_path / "img_emb" / "img_emb_13.npy", A[24:26])
    np.save(tmp_path / "text_emb" / "text_emb_12.npy", B[24:26])
    with pytest.raises(InputError, match=r"img_emb and .*text_emb: .*Number the files alike"):
        imported(tmp_path, "img_emb", "text_emb")
    np.save(tmp_path / "img_emb" / "img_emb_14.npy", np.ones((2, D + 1)))
    with pytest.raises(InputError, match=r"img_emb_14.npy: 7 dimensions, but .*img_emb_0.npy has"):
        open_source(str(tmp_path / "img_emb"), {})
    np.savez(tmp_path / "img_emb" / "more.npz", A)
    with pytest.raises(
        InputError, match=r"img_emb: the folder has files of several formats \(npy and"
    ):
        open_source(str(tmp_path / "img_emb"), {})
    with pytest.raises(InputError, match=r"give one of its folders \(img_emb, out, text_emb\)"):
        open_source(str(tmp_path), {})


def test_a_part_without_rows_needs_no_partner(tmp_path):
    for side, x, cuts in (("a", A, [0, 10, 10, 30]), ("b", B, [0, 10, 30])):
        (tmp_path / side).mkdir()
        numbers = [0, 1, 2] if len(cuts) == 4 else [0, 2]
        for number, start, stop in zip(numbers, cuts[:-1], cuts[1:], strict=True):
            np.save(tmp_path / side / f"part_{number}.npy", x[start:stop])
    image, text = imported(tmp_path, "a", "b")
    np.testing.assert_array_equal(values(image), A)
    np.testing.assert_array_equal(values(text), B)


def test_parts_of_tables_and_random_names(tmp_path):
    fixed = pa.list_(pa.float32(), D)
    for number, (start, stop) in enumerate([(0, 10), (10, 10), (10, 30)]):
        ids = IDS[start:stop]
        parquet(tmp_path / f"p/part-{number}.parquet", lists(A[start:stop], fixed), item_id=ids)
    image, _ = imported(tmp_path, "p", "p")
    assert image["item_id"].to_pylist() == IDS
    parquet(tmp_path / "p/part-3.parquet", lists(A[:2], fixed))
    with pytest.raises(
        InputError,
        match=r"part-3\.parquet and .*: only one .* Give ids in all parts, or",
    ):
        imported(tmp_path, "p", "p")
    parquet(tmp_path / "r/part-0.parquet", lists(A[:2], fixed))
    parquet(tmp_path / "r/part-1.parquet", lists(A[2:4], fixed), item_id=IDS[:2])
    with pytest.raises(
        InputError, match=r"part-1\.parquet and .*part-0\.parquet: only one of them"
    ):
        imported(tmp_path, "r", "r")
    parquet(tmp_path / "none/part-0.parquet", lists(A[:0], fixed))
    with pytest.raises(
        InputError, match=r"none/part-0\.parquet holds no embeddings; give at least one row"
    ):
        imported(tmp_path, "none", "none")
    assert numbers_of(["part-0-a1b2", "part-1-c"]) == [(), ()]
    assert numbers_of(["vit32_part_2", "vit32_part_10"]) == [(2,), (10,)]


def test_a_key_names_what_is_read_from_every_part(tmp_path):
    for number, rows in enumerate(np.split(np.arange(N), 3)):
        np.savez(tmp_path / f"part_{number}.npz", image=A[rows], text=B[rows])
    for key, expected in (("image", A), ("text", B)):
        parts = [vectors for vectors, *_ in open_source(str(tmp_path), {"key": key}).batches()]
        np.testing.assert_array_equal(np.concatenate(parts), expected)


def test_rows_that_were_selected_are_not_taken_for_all(tmp_path):
    """`datasets` keeps all rows in the files, and the selection in another file."""
    datasets_folder(tmp_path / "d", pa.table({"emb": lists(A, pa.list_(pa.float32()))}))
    state = json.loads((tmp_path / "d" / "state.json").read_text())
    chosen = state | {"_indices_data_files": [{"filename": "indices.arrow"}]}
    (tmp_path / "d" / "state.json").write_text(json.dumps(chosen))
    with pytest.raises(InputError, match=r"/d: only some rows .* Call its flatten_indices\(\)"):
        open_source(str(tmp_path / "d"), {})
    (tmp_path / "d" / "state.json").write_text(json.dumps(state | {"_indices_data_files": []}))
    assert open_source(str(tmp_path / "d"), {}).items == len(A)


def test_vectors_that_are_in_order_are_written_without_a_second_copy(tmp_path, monkeypatch):
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", x=A, ids=np.array(IDS))
    np.savez(tmp_path / "c.npz", x=A[::-1], ids=np.array(IDS[::-1]))
    made = []
    mapped = np.memmap
    monkeypatch.setattr(np, "memmap", lambda *a, **b: made.append(a[0]) or mapped(*a, **b))
    imported(tmp_path, ("a.npz", {"key": "x", "ids": "ids"}), ("b.npz", {"key": "x", "ids": "ids"}))
    assert made == []
    imported(tmp_path, ("a.npz", {"key": "x", "ids": "ids"}), ("c.npz", {"key": "x", "ids": "ids"}))
    assert [path.name for path in made] == ["1.parquet.vectors.part"]


def test_tensors_are_mapped_and_not_read_as_a_whole(tmp_path, monkeypatch):
    torch.save(torch.tensor(A), tmp_path / "a.pt")
    calls, load = [], torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **b: calls.append(b) or load(*a, **b))
    assert open_source(str(tmp_path / "a.pt"), {}).items == N
    assert [one["mmap"] for one in calls] == [True]


def test_splits_of_a_folder_of_datasets(tmp_path):
    table = pa.table({"emb": lists(A, pa.list_(pa.float32())), "id": IDS})
    datasets_folder(tmp_path / "d" / "test", table, 3)
    (tmp_path / "d" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    image, _ = imported(tmp_path, ("d", {"split": "test"}), ("d", {"split": "test"}))
    assert image["item_id"].to_pylist() == IDS
    np.testing.assert_array_equal(values(image), A)
    with pytest.raises(InputError, match=r"d/test: the folder has no splits; remove `split`"):
        open_source(str(tmp_path / "d" / "test"), {"split": "test"})
    with pytest.raises(InputError, match=r"contains train and test\. Set `split`"):
        open_source(str(tmp_path / "d"), {})


# --- refusals -------------------------------------------------------------------------------------

ONE = pa.list_(pa.float32())
BAD = A.copy()
BAD[7, 2] = BAD[9, 1] = np.nan
INFINITE = A.copy()
INFINITE[7, 2] = -np.inf
ZERO = A.copy()
ZERO[[7, 9]] = 0
NULL = [*A.tolist()[:-1], None]


def raw(content: bytes):
    return lambda path: path.write_bytes(content)


def parts(path: Path) -> None:
    path.mkdir()


REFUSED = {
    "nan.npy": (
        lambda p: np.save(p, BAD),
        "item '000007' holds NaN or infinity; embed the item again, or remove it.",
    ),
    "nan_64.npy": (lambda p: np.save(p, BAD.astype("f8")), "'000007' holds NaN or infinity"),
    "inf.npy": (lambda p: np.save(p, INFINITE), "item '000007' holds NaN or infinity"),
    "zero.npy": (lambda p: np.save(p, ZERO), "item '000007' is all zeros; remove the item"),
    "large.npy": (lambda p: np.save(p, A.astype("f8") * 1e300), "32-bit floating point"),
    "tiny.npy": (lambda p: np.save(p, A.astype("f8") * 1e-200), "32-bit floating point"),
    "empty.npy": (raw(b""), "cannot be read as a numeric .npy array"),
    "cut.npy": (raw(b"\x93NUMPY\x01\x00v"), "cannot be read as a numeric .npy array"),
    "none.npy": (lambda p: np.save(p, A[:0]), "holds no embeddings; give at least one row"),
    "flat.npy": (lambda p: np.save(p, A[0]), r"holds float32 of shape \(6,\); give numbers"),
    "four.npy": (lambda p: np.save(p, A[None, None]), "give numbers of shape"),
    "bool.npy": (lambda p: np.save(p, A > 0), "holds bool of shape"),
    "complex.npy": (lambda p: np.save(p, A + 1j), "holds complex64|holds complex128"),
    "text.npy": (lambda p: np.save(p, A.astype(str)), "holds str"),
    "object.npy": (
        lambda p: np.save(p, np.array([{}, 1], dtype=object), allow_pickle=True),
        "cannot be read as a numeric .npy array",
    ),
    "object.npz": (
        lambda p: np.savez(p, np.array([[{}, 1]], dtype=object), allow_pickle=True),
        "Python objects|cannot be read|holds",
    ),
    "one.npy": (lambda p: np.save(p, A[:, :1]), "vectors of dimension 1 cannot be compared"),
    "no_vectors.npy": (lambda p: np.save(p, np.ones((N, 0, D))), "give numbers of shape"),
    "no_numbers.npy": (lambda p: np.save(p, A[:, :0]), r"shape \(30, 0\); give numbers"),
    "array.npz": (lambda p: np.save(p.open("wb"), A), "cannot be read as an .npz archive"),
    "archive.npy": (lambda p: np.savez(p.open("wb"), A), "npz archive; rename it to end in .npz"),
    "abstract.pt": (lambda p: torch.save(torch.ones(N, D, device="meta"), p), "or without data"),
    "float_id.parquet": (
        lambda p: parquet(p, lists(A, ONE), id=np.arange(N) / 2), "'id' is double, but ids are"
    ),
    "columns.parquet": (
        lambda p: pq.write_table(
            pa.Table.from_arrays([lists(A, ONE)] * 2, names=["vector", "vector"]), p
        ),
        "has more than one column named 'vector'",
    ),
    "short.npy": (lambda p: np.save(p, A[1:]), "has (29|30) items, but .* has (29|30)"),
    "wide.npy": (lambda p: np.save(p, np.ones((N, 7))), "vectors of 7 dimensions, but .* of 6"),
    "no.npz": (raw(b"PK\x03\x04"), "cannot be read as an .npz archive"),
    "no.pt": (
        raw(b"x"),
        "is damaged, or contains more than tensors. Save the tensor alone, with torch.save",
    ),
    "model.pt": (
        lambda p: torch.save(torch.nn.Linear(2, 2), p), "is damaged, or contains more than tensors"
    ),
    "list.pt": (
        lambda p: torch.save([torch.ones(3)], p), "an object of type list, .*; save such a tensor"
    ),
    "sparse.pt": (
        lambda p: torch.save(torch.eye(N).to_sparse(), p),
        "the tensor is sparse, nested or without data; save a dense tensor of shape",
    ),
    "bool.pt": (lambda p: torch.save(torch.ones(N, D).bool(), p), "holds bool of shape"),
    "no.safetensors": (raw(b"x" * 20), "cannot be read as safetensors"),
    "no.parquet": (raw(b"PAR1"), "cannot be read as Parquet"),
    "no.arrow": (raw(b"x" * 20), "cannot be read as Arrow"),
    "no.h5": (raw(b"x" * 20), "cannot be read as HDF5"),
    "null.parquet": (lambda p: parquet(p, pa.array(NULL, ONE)), "holds nulls"),
    "inner.parquet": (
        lambda p: parquet(p, pa.array([[None, 1.0]] * N, ONE)), "column 'vector' holds nulls"
    ),
    "ragged.parquet": (
        lambda p: parquet(p, pa.array([[1.0, 2.0], [1.0]] * 15, ONE)), "differ in length"
    ),
    "text.parquet": (lambda p: parquet(p, IDS), "column 'vector' has the type string"),
    "bools.parquet": (lambda p: parquet(p, pa.array([[True]] * N)), "one list of numbers"),
    "ids.parquet": (
        lambda p: parquet(p, lists(A, ONE), item_id=np.arange(N) / 2), "ids are whole numbers"
    ),
    "no_ids.parquet": (
        lambda p: parquet(p, lists(A, ONE), item_id=[None, *IDS[1:]]), "'item_id' holds nulls"
    ),
    "twice.parquet": (
        lambda p: parquet(p, lists(A, ONE), item_id=["a", "b", "a", *IDS[3:]]),
        r"item_id 'a' occurs more than once \(2 times\)",
    ),
    "vectors.pkl": (raw(b"x"), "a pickle can run any code"),
    "vectors.csv": (raw(b"x"), "files that end in .csv are not read; save the vectors as .npy"),
    "folder": (parts, "no file in the folder ends in .npy"),
    "absent.npy": (lambda p: None, "there is no such file or folder"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_in_one_sentence(name, tmp_path):
    write, words = REFUSED[name]
    write(tmp_path / name)
    np.save(tmp_path / "b.npy", B)
    other = name if name == "one.npy" else "b.npy"
    with pytest.raises(InputError, match=words) as caught:
        imported(tmp_path, name, other)
    sentence = str(caught.value)
    assert re.fullmatch(r"[^\n]+[.?]", sentence)
    assert sentence.startswith(str(tmp_path / name))


def test_the_remedy_for_numbers_of_items_that_differ_is_one_that_helps(tmp_path, capsys):
    """Without ids on both sides, row i belongs to row i, or to equally many rows that follow."""
    np.save(tmp_path / "one.npy", A)
    np.save(tmp_path / "five.npy", FIVE.reshape(-1, D))
    np.save(tmp_path / "odd.npy", FIVE.reshape(-1, D)[1:])
    parquet(tmp_path / "ids.parquet", lists(A, ONE), item_id=IDS)
    for sides, several, remedy in (
        (
            ("one.npy", "five.npy"),
            "",
            "order, or set `several` if the 5 rows of each item follow one another.",
        ),
        (("five.npy", "ids.parquet"), "", "order, or give ids for both."),
        (("five.npy", "ids.parquet"), "all", "order, or give ids for both."),
        (("one.npy", "odd.npy"), "all", "in the same order."),
    ):
        numbers = (
            "five.npy has 150 .*ids.parquet has 30" if "ids" in sides[1] else "has 30 items, but"
        )
        with pytest.raises(InputError, match=numbers) as caught:
            imported(tmp_path, *sides, several)
        assert str(caught.value).endswith(remedy)
    assert not capsys.readouterr().err
    imported(tmp_path, "ids.parquet", "one.npy")
    assert capsys.readouterr().err == "ids are missing, so row i of both files is pair i\n"
    imported(tmp_path, "one.npy", "one.npy")
    assert not capsys.readouterr().err  # where there are no ids at all, none are missing


def test_ids_of_which_none_match(tmp_path):
    parquet(tmp_path / "a.parquet", lists(A, ONE), item_id=IDS)
    parquet(tmp_path / "b.parquet", lists(B, ONE), item_id=[f"{one}.jpg" for one in IDS])
    with pytest.raises(
        InputError, match=r"a\.parquet and .*b\.parquet: no id .*'item0' and 'item0\.jpg'"
    ):
        imported(tmp_path, "a.parquet", "b.parquet")


# --- paths and options ----------------------------------------------------------------------------


def test_paths_may_name_the_home_and_variables(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATA", "/somewhere")
    assert own_path("~/a.npy") == f"{tmp_path}/a.npy"
    assert own_path("$DATA/${DATA}.npy") == "/somewhere//somewhere.npy"
    with pytest.raises(InputError, match=r"\$ABSENT/a.npy: \$ABSENT is not set; set it, or write"):
        own_path("$ABSENT/a.npy")


def test_options_belong_to_a_format(tmp_path):
    np.save(tmp_path / "a.npy", A)
    path = str(tmp_path / "a.npy")
    assert list(source_faults("pairs.x.image", path, VECTOR_FORMATS)) == []
    (fault,) = source_faults("pairs.x.image", {"file": path, "column": "x"}, VECTOR_FORMATS)
    assert fault.startswith("pairs.x.image.column is not an option of npy files; ")
    (fault,) = source_faults("pairs.x.image", f"{path}.txt", VECTOR_FORMATS)
    assert "there is no such file or folder" in fault
    assert format_of(path, VECTOR_FORMATS)[0] == "npy"


# --- the job --------------------------------------------------------------------------------------


def job(folder: Path, row: int, **params) -> SimpleNamespace:
    entry = {"row": row, "modality": "image", "several": "", "labels": [], "batch_size": 5}
    return SimpleNamespace(
        params=SimpleNamespace(**entry | params),
        output=[str(folder / f"{row}.parquet")],
        log=[str(folder / "log")],
        rule="import_files",
        wildcards=SimpleNamespace(),
    )


def test_the_job_adds_labels_and_refuses_fewer_pairs_than_a_batch(tmp_path, root):
    np.save(tmp_path / "a.npy", A)
    np.save(tmp_path / "b.npy", B)
    (tmp_path / "metadata").mkdir()
    for start in (0, 20):
        table = pa.table(
            {"place": IDS[start : start + 20], "tags": [["x"]] * len(IDS[start:][:20])}
        )
        pq.write_table(table, tmp_path / "metadata" / f"metadata_{start // 20}.parquet")
    sources = [(str(tmp_path / f"{side}.npy"), {}) for side in "ab"]
    script = str(root / "scripts" / "embeddings" / "import_files.py")
    labels = [str(tmp_path / "metadata")]
    settings = job(tmp_path, 1, sources=sources, labels=labels)
    run_script(script, settings)
    table = pq.read_table(settings.output[0])
    assert table["place"].to_pylist() == IDS and "tags" not in table.column_names
    short = tmp_path / "short.parquet"
    pq.write_table(pa.table({"place": IDS[1:]}), short)
    with pytest.raises(InputError, match=r"short\.parquet: 29 rows, but .*npy has 30 vectors"):
        run_script(script, job(tmp_path, 0, sources=sources, labels=[str(short)]))
    with pytest.raises(InputError, match="only 30 pairs, but"):
        run_script(script, job(tmp_path, 0, sources=sources, batch_size=31))


def run_script(path: str, snakemake: SimpleNamespace) -> None:
    import modality_gap.logs

    kept = modality_gap.logs.log_to
    modality_gap.logs.log_to = lambda _: None
    try:
        runpy.run_path(path, {"snakemake": snakemake})
    finally:
        modality_gap.logs.log_to = kept


def test_no_format_but_pytorchs_own_imports_torch(tmp_path, root):
    import subprocess

    np.save(tmp_path / "a.npy", A)
    parquet(tmp_path / "b.parquet", lists(B, ONE), item_id=IDS)
    hdf5(tmp_path / "c.h5", x=A)
    save_file({"x": torch.tensor(A).bfloat16()}, tmp_path / "d.safetensors")
    code = """
import sys
from modality_gap.data.vector_formats import open_source
from modality_gap.embeddings.own_pairs import match
import umap, sklearn.linear_model, modality_gap.embeddings.stored, modality_gap.measures.registry
for name in ("a.npy", "b.parquet", "c.h5", "d.safetensors"):
    assert next(open_source(name, {}).batches())[0].shape == (30, 6), name
print([name for name in ("torch", "open_clip", "timm", "onnxruntime") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(root / "scripts"), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
