"""Labels and ids of your own pairs: kept to the digit, or one sentence that names the file."""

import json

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from modality_gap.config.check import _brace_faults
from modality_gap.config.own_files import source_faults, wildcard_in
from modality_gap.data import tiles
from modality_gap.data.vector_formats import VECTOR_FORMATS, open_source, with_labels
from modality_gap.embeddings.own_pairs import match, recorded, write_side
from modality_gap.embeddings.stored import StoredVectors
from modality_gap.errors import InputError

N, D = 30, 6
RNG = np.random.default_rng(0)
A = RNG.normal(size=(N, D)).astype(np.float32)
B = (RNG.normal(size=(N, D)) + 1).astype(np.float32)
IDS = [f"item{row}" for row in range(N)]
LARGE = 2**60 + 1  # a whole number that a float does not hold


def imported(folder, image, text, several="", labels=None, **options) -> list[pa.Table]:
    """Both sides as the job writes them; each is then read back as the measures do."""
    sources = [open_source(str(folder / image), options), open_source(str(folder / text), {})]
    if labels:
        sources = [with_labels(source, str(folder / labels)) for source in sources]
    pairs = match(*sources, several)
    tables = []
    for source, rows, alone in zip(sources, pairs.rows, pairs.alone, strict=True):
        out = folder / f"out{len(tables)}.parquet"
        write_side(source, rows, pairs, out, recorded(source, "image", alone))
        StoredVectors(out).load()
        tables.append(pq.read_table(out))
    return tables


def vectors(x: np.ndarray) -> pa.Array:
    return pa.array(x.tolist(), pa.list_(pa.float32()))


def parquet(path, **columns) -> None:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), path)


def test_labels_that_cannot_be_used_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", A)
    (tmp_path / "a.arrow").touch()
    parquet(tmp_path / "two.parquet", kind=["x"] * 2 * N)
    parquet(tmp_path / "none.parquet", item_id=IDS, vector=vectors(A))
    for name, told in (
        ("a.npy", "labels cannot be read from npy files. Give a Parquet file."),
        ("a.arrow", "labels cannot be read from arrow files. Give a Parquet file."),
        ("none.parquet", "no column can be used as a label. Give another file."),
        ("two.parquet", f"60 rows, but {tmp_path / 'a.npy'} has 30 vectors. Give one row per "
         "vector."),
    ):  # fmt: skip
        with pytest.raises(InputError) as refused:
            with_labels(open_source(str(tmp_path / "a.npy"), {}), str(tmp_path / name))
        assert str(refused.value) == f"{tmp_path / name}: {told}"


def test_a_file_without_arrays_is_refused(tmp_path):
    path = str(tmp_path / "a.npz")
    np.savez(path)
    with pytest.raises(InputError) as refused:
        open_source(path, {})
    assert str(refused.value) == f"{path} contains no array of vectors. Give another file."


def test_views_as_polars_writes_them_are_read(tmp_path):
    order = RNG.permutation(N)
    texts = np.array(IDS)[order].tolist()
    for name, ids, x in (("a", IDS, A), ("b", texts, B)):
        views = pa.array(x.tolist(), pa.list_view(pa.float32()))
        strings = pa.array(ids, pa.string_view())
        table = pa.table({"emb": views, "id": strings, "named": strings})
        path = str(tmp_path / f"{name}.arrow")
        with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    image, text = imported(tmp_path, "a.arrow", "b.arrow")
    assert image["named"].to_pylist() == text["named"].to_pylist() == IDS
    np.testing.assert_array_equal(np.array(image["vector"].to_pylist(), "f4"), A)
    np.testing.assert_array_equal(np.array(text["vector"].to_pylist(), "f4"), B[np.argsort(order)])


@pytest.mark.parametrize("write", [pa.ipc.new_file, pa.ipc.new_stream])
def test_the_ids_of_an_arrow_file_are_in_the_column_that_is_named(tmp_path, write):
    order = RNG.permutation(N)
    tables = {
        "a": pa.table({"emb": A.tolist(), "id": range(N), "key": IDS}),
        "b": pa.table({"emb": B[order].tolist(), "id": np.array(IDS)[order].tolist()}),
    }
    for name, table in tables.items():
        path = str(tmp_path / f"{name}.arrow")
        with pa.OSFile(path, "wb") as file, write(file, table.schema) as writer:
            writer.write_table(table)
    image, text = imported(tmp_path, "a.arrow", "b.arrow", ids="key")
    for table, x in ((image, A), (text, B)):
        np.testing.assert_array_equal(np.array(table["vector"].to_pylist(), "f4"), x)


# --- parts whose columns have several types -------------------------------------------------------

X_AND_Y = ["x"] * 10 + ["y"] * 20
PARTS = {
    "nulls": (pa.array(["x"] * 10), pa.nulls(20), ["x"] * 10 + [None] * 20),
    "narrow": (
        pa.array(range(10), pa.int32()),
        pa.array([LARGE] * 20),
        [*range(10), *[LARGE] * 20],
    ),
    "texts": (pa.array(["x"] * 10, pa.large_string()), pa.array(["y"] * 20), X_AND_Y),
    "coded": (
        pa.array(X_AND_Y[:10]).dictionary_encode(),
        pa.array(X_AND_Y[10:]).dictionary_encode(),
        X_AND_Y,
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_whose_types_differ_keep_their_labels(name, tmp_path):
    first, second, expected = PARTS[name]
    np.save(tmp_path / "a.npy", A)
    np.save(tmp_path / "b.npy", B)
    parquet(tmp_path / "labels" / "part_0.parquet", named=first)
    parquet(tmp_path / "labels" / "part_1.parquet", named=second)
    parquet(tmp_path / "image" / "part_0.parquet", vector=vectors(A[:10]), named=first)
    parquet(tmp_path / "image" / "part_1.parquet", vector=vectors(A[10:]), named=second)
    for tables in (
        imported(tmp_path, "a.npy", "b.npy", labels="labels"),
        imported(tmp_path, "image", "b.npy")[:1],
    ):
        for table in tables:
            assert table["named"].to_pylist() == expected


def test_columns_of_parts_may_come_in_any_order(tmp_path):
    np.save(tmp_path / "a.npy", A)
    parquet(tmp_path / "labels" / "part_0.parquet", one=["a"] * 10, two=["b"] * 10)
    parquet(tmp_path / "labels" / "part_1.parquet", two=["c"] * 20, one=["d"] * 20)
    table, _ = imported(tmp_path, "a.npy", "a.npy", labels="labels")
    assert table["one"].to_pylist() == ["a"] * 10 + ["d"] * 20
    assert table["two"].to_pylist() == ["b"] * 10 + ["c"] * 20


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            {"named": [1.5] * 20},
            "column 'named' is double, but int64 in the parts before; give the column one type in "
            "all parts.",
        ),
        ({"named": ["x"] * 20}, "column 'named' is string, but int64 in"),
        (
            {"other": [1] * 20},
            "part_1.parquet and .*part_0.parquet: the columns differ. Give all parts",
        ),
    ],
)
def test_parts_that_do_not_fit_are_named(columns, words, tmp_path):
    np.save(tmp_path / "a.npy", A)
    np.save(tmp_path / "b.npy", B)
    parquet(tmp_path / "labels" / "part_0.parquet", named=[LARGE] * 10)
    parquet(tmp_path / "labels" / "part_1.parquet", **columns)
    parquet(tmp_path / "image" / "part_0.parquet", vector=vectors(A[:10]), named=[LARGE] * 10)
    parquet(tmp_path / "image" / "part_1.parquet", vector=vectors(A[10:]), **columns)
    with pytest.raises(InputError, match=words):
        imported(tmp_path, "a.npy", "b.npy", labels="labels")
    with pytest.raises(InputError, match=words):
        imported(tmp_path, "image", "b.npy")


def test_a_file_without_labels_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", A)
    parquet(tmp_path / "labels" / "part_0.parquet", item_id=IDS)
    with pytest.raises(InputError, match="labels: no column can be used as a label"):
        imported(tmp_path, "a.npy", "a.npy", labels="labels")


def test_labels_of_items_with_several_vectors_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", A)
    np.save(tmp_path / "b.npy", np.stack([B, A], axis=1))
    parquet(tmp_path / "labels.parquet", named=IDS)
    with pytest.raises(InputError, match=r"b\.npy: `labels` cannot .* Remove `labels`, or"):
        imported(tmp_path, "a.npy", "b.npy", "first", labels="labels.parquet")


def test_labels_of_another_file_join_those_of_the_vectors(tmp_path, monkeypatch):
    monkeypatch.setattr(tiles, "READ", 7)  # several tiles, the last one smaller
    parquet(tmp_path / "a.parquet", vector=vectors(A), named=["old"] * N, own=range(N))
    np.save(tmp_path / "b.npy", B)
    parquet(tmp_path / "labels.parquet", named=IDS)
    image, text = imported(tmp_path, "a.parquet", "b.npy", labels="labels.parquet")
    assert image.column_names == ["item_id", "vector", "named", "own"]
    assert image["own"].to_pylist() == list(range(N))
    assert image["named"].to_pylist() == text["named"].to_pylist() == IDS


# --- ids ------------------------------------------------------------------------------------------


def test_the_number_of_a_vector_is_not_the_name_of_another_item(tmp_path):
    parquet(tmp_path / "a.parquet", vector=vectors(A[:3]), id=["x", "x#1", "y"])
    parquet(tmp_path / "b.parquet", vector=vectors(B[:4]), id=["x", "x", "x#1", "y"])
    image, text = imported(tmp_path, "a.parquet", "b.parquet", "all")
    assert image["item_id"].to_pylist() == ["x##1", "x##2", "x#1", "y"]
    assert image["of_item"].to_pylist() == ["x", "x", "x#1", "y"]
    np.testing.assert_array_equal(np.array(text["vector"].to_pylist(), "f4"), B[:4])


def test_ids_that_cannot_be_read_are_refused(tmp_path):
    np.save(tmp_path / "b.npy", B)
    latin = np.array([f"\xe9{row}".encode("latin-1") for row in range(N)])
    np.savez(tmp_path / "latin.npz", x=A, names=latin)
    with h5py.File(tmp_path / "latin.h5", "w") as file:
        file["x"], file["names"] = A, latin
    np.savez(tmp_path / "objects.npz", x=A, names=np.array(IDS, dtype=object))
    np.savez(tmp_path / "floats.npz", x=A, names=np.arange(N) / 2)
    np.savez(tmp_path / "few.npz", x=A, names=np.arange(N - 1))
    np.savez(tmp_path / "wide.npz", x=A, names=np.arange(N)[:, None])
    for name, words in (
        ("latin.npz", "the ids are not in UTF-8"),
        ("latin.h5", "the ids are not in UTF-8"),
        ("floats.npz", "the ids have the type float64; give whole numbers or texts"),
        ("few.npz", r"30 items, but ids of shape \(29,\)"),
        ("wide.npz", r"30 items, but ids of shape \(30, 1\)"),
        ("objects.npz", r"array 'names' holds Python objects; .* by names.astype\(str\)"),
    ):
        with pytest.raises(InputError, match=f"{name}: {words}"):
            imported(tmp_path, name, "b.npy", ids="names")


def test_items_in_a_row_against_an_array_of_several_say_what_helps(tmp_path):
    np.save(tmp_path / "a.npy", A)
    np.save(tmp_path / "b.npy", B.reshape(6, 5, D))
    with pytest.raises(
        InputError, match=r"has 30 items, but .* has 6\..*, or give ids for both\.$"
    ):
        imported(tmp_path, "a.npy", "b.npy", "all")
    np.save(tmp_path / "c.npy", np.repeat(B, 5, axis=0))
    with pytest.raises(
        InputError,
        match=r"has 30 items, but .* has 150\..*, or set `several` if the 5 rows of each",
    ):
        imported(tmp_path, "a.npy", "c.npy")
    np.save(tmp_path / "d.npy", np.repeat(B, 2, axis=0)[:45])
    with pytest.raises(
        InputError, match=r"has 45\..* Give both the same items in the same order\.$"
    ):
        imported(tmp_path, "a.npy", "d.npy", "all")


# --- files that are damaged further in ------------------------------------------------------------


def damaged(path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)


def test_damage_that_only_reading_shows_names_the_file(tmp_path):
    np.save(tmp_path / "b.npy", B)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=A, compression="gzip", chunks=(N, D), fletcher32=True)
    damaged(tmp_path / "a.h5", -200)
    for name in ("plain", "packed"):
        save = np.savez if name == "plain" else np.savez_compressed
        save(tmp_path / f"{name}.npz", x=A)
        damaged(tmp_path / f"{name}.npz", 400)
    for name, kind in (("a.h5", "HDF5"), ("plain.npz", "an .npz"), ("packed.npz", "an .npz")):
        with pytest.raises(InputError, match=f"{name} cannot be read as {kind} .*; save it again"):
            imported(tmp_path, name, "b.npy")


@pytest.mark.parametrize("content", ["{", "{}", "[]"])
def test_a_folder_of_datasets_with_a_broken_index(content, tmp_path):
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "dataset_dict.json").write_text(content)
    with pytest.raises(InputError, match="saved cannot be read as a folder of datasets"):
        open_source(str(folder), {})
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["train"]}))
    with pytest.raises(InputError, match="saved cannot be read as a folder of datasets"):
        open_source(str(folder), {})


def test_tensors_keep_the_range_of_their_type(tmp_path):
    np.save(tmp_path / "b.npy", B)
    torch.save(torch.tensor(A).double() * 1e300, tmp_path / "wide.pt")
    with pytest.raises(InputError, match=r"wide.pt has values that 32-bit .* hold; scale the"):
        imported(tmp_path, "wide.pt", "b.npy")
    eight = torch.tensor(A).to(torch.float8_e4m3fn)
    torch.save(eight, tmp_path / "eight.pt")
    image, _ = imported(tmp_path, "eight.pt", "b.npy")
    np.testing.assert_array_equal(
        np.array(image["vector"].to_pylist(), "f4"), eight.float().numpy()
    )


# --- braces in paths ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "found"),
    [("a/{x}.npy", "{x}"), ("{ set }", "{ set }"), ("{a,b}", "{a,b}"), ("a{}", ""), ("{a b}", "")],
)
def test_what_snakemake_reads_as_a_wildcard(path, found):
    assert wildcard_in(path) == found


def test_braces_in_the_path_of_a_file_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "parts"
    folder.mkdir()
    np.save(folder / "x{1}.npy", A)
    np.save(tmp_path / "{set}.npy", A)
    config = {"pairs": {"mine": {"image": "{set}.npy", "note": "{any} text"}}}
    (fault,) = _brace_faults(config)
    assert fault.startswith("pairs.mine.image is '{set}.npy', in which Snakemake reads {set} as a")
    (fault,) = source_faults("pairs.mine.image", "parts", VECTOR_FORMATS)
    assert fault.startswith("pairs.mine.image has parts/x{1}.npy, in which Snakemake reads {1} as")
