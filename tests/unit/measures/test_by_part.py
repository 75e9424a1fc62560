"""Own pairs of which each part is read once: sums and samples are those of all pairs together."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modality_gap.config.check import check_config
from modality_gap.config.load import load_yaml
from modality_gap.data import tiles
from modality_gap.data.formats import FORMATS
from modality_gap.data.vector_formats import VECTOR_FORMATS, open_source
from modality_gap.embeddings.sets import EmbeddingSet, normalise, write
from modality_gap.encoders.build import ENCODERS
from modality_gap.errors import InputError
from modality_gap.measures import by_part
from modality_gap.measures.gap import gap, mean_cosine
from modality_gap.measures.pair_sums import gap_of, mean_cosine_of
from modality_gap.measures.registry import Pairs
from modality_gap.measures.tables import measure_set

N, D, CUTS = 900, 6, (0, 250, 700, 900)


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    """Tiles so small that a part has several, and of other sizes than its row groups."""
    monkeypatch.setattr(tiles, "READ", 64)


def vectors():
    rng = np.random.default_rng(3)
    return [(rng.normal(size=(N, D)) + shift).astype(np.float16) for shift in (1, -1)]


def units():
    return [normalise(side.astype(np.float32)) for side in vectors()]


@pytest.fixture
def parts(tmp_path):
    """Both folders, three parts each: Parquet with ids on one side, .npy on the other."""
    image, text = vectors()
    for name in ("image", "text"):
        (tmp_path / name).mkdir()
    for number, (start, stop) in enumerate(pairwise(CUTS), start=8):
        ids = [f"item {row}" for row in range(start, stop)]
        table = pa.table({"id": ids, "emb": list(image[start:stop])})
        pq.write_table(table, tmp_path / f"image/part_{number}.parquet", row_group_size=50)
        np.save(tmp_path / f"text/part_{number}.npy", text[start:stop])
    return tmp_path


def kept(folder, number, most=100, seed=5):
    """The file with what is kept of a part."""
    paths = folder / f"image/part_{number}.parquet", folder / f"text/part_{number}.npy"
    sources = [open_source(str(path), {}) for path in paths]
    path = folder / f"{number}.{seed}.npz"
    by_part.write_part(path, *by_part.sum_part(*sources, paths[0].name, most, seed))
    return path


def test_the_sums_of_parts_are_those_of_all_pairs(parts):
    sums = by_part.read_sums([kept(parts, number) for number in (8, 9, 10)])
    x, y = units()
    assert sums.n == N
    assert gap_of(sums) == pytest.approx(gap(x, y), rel=1e-13)
    for side, one in (("a", x), ("b", y)):
        assert mean_cosine_of(sums, side, 0.9)[0] == pytest.approx(mean_cosine(one), rel=1e-12)


def test_a_sample_is_of_pairs_and_a_part_keeps_the_same_whatever_others_there_are(parts):
    paths = [kept(parts, number) for number in (8, 9, 10)]
    a, b = (by_part.read_sample(paths, side, 100) for side in "ab")
    assert len(a) == 100 and list(a.item_ids) == list(b.item_ids)
    rows = np.array([int(name.split()[1]) for name in a.item_ids])
    assert (np.diff(rows) > 0).all()  # in the order of the parts
    for found, raw in zip((a, b), vectors(), strict=True):
        np.testing.assert_array_equal(found.vectors, raw[rows].astype(np.float32))
    # From all parts, in proportion: 250, 450 and 200 of 900.
    assert (np.abs(np.histogram(rows, CUTS)[0] - [28, 50, 22]) < 20).all()
    assert set(by_part.read_sample(paths, "a", 40).item_ids) < set(a.item_ids)
    first_two = {f"item {row}" for row in range(700)}
    fewer = by_part.read_sample(paths[:2], "a", 100)
    assert set(a.item_ids) & first_two <= set(fewer.item_ids) <= first_two
    before = paths[1].read_bytes()
    assert kept(parts, 9).read_bytes() == before
    other = by_part.read_sample([kept(parts, 9, seed=6)], "a", 100)
    assert set(other.item_ids) != set(by_part.read_sample([paths[1]], "a", 100).item_ids)


def test_of_a_large_part_some_pairs_say_how_much_all_vary(parts, monkeypatch):
    whole = by_part.read_sums([kept(parts, 9)])
    monkeypatch.setattr(by_part, "VARYING", 300)
    some = by_part.read_sums([kept(parts, 9)])
    assert (whole.n, whole.m, some.n, some.m) == (450, 450, 450, 300)
    np.testing.assert_array_equal(some.x, whole.x)
    x, _ = units()
    rows = slice(CUTS[1], CUTS[2])
    np.testing.assert_allclose(whole.mx, x[rows].sum(axis=0), atol=1e-12)
    # The pairs that are sampled first, whatever the size of the sample.
    sample = by_part.read_sample([kept(parts, 9, most=300)], "b", 300)
    np.testing.assert_allclose(some.my, sample.normalised().sum(axis=0), atol=1e-12)
    rows = [int(name.split()[1]) for name in sample.item_ids]
    np.testing.assert_array_equal(sample.vectors, vectors()[1][rows].astype(np.float32))
    of_x, of_y = (side[rows] for side in units())
    np.testing.assert_allclose(some.mx, of_x.sum(axis=0), atol=1e-12)
    np.testing.assert_allclose(some.dd, (of_x - of_y).T @ (of_x - of_y), rtol=1e-5, atol=1e-5)


def test_two_parts_of_the_same_size_keep_other_rows(tmp_path):
    np.save(tmp_path / "a.npy", vectors()[0][:50])
    source = open_source(str(tmp_path / "a.npy"), {})
    one, other = (by_part.sum_part(source, source, name, 9, 0)[1] for name in ("p", "q"))
    rows = [[int(name[2:]) for name in sample.item_ids] for sample in (one, other)]
    assert rows[0] != rows[1]


def test_ids_of_the_second_side_name_the_items_too(tmp_path):
    columns = {"emb": list(vectors()[1][:3]), "id": ["x", "y", "z"]}
    pq.write_table(pa.table(columns), tmp_path / "b.parquet")
    np.save(tmp_path / "a.npy", vectors()[0][:3])
    sources = [open_source(str(tmp_path / name), {}) for name in ("a.npy", "b.parquet")]
    _, sample = by_part.sum_part(*sources, "p", 9, 0)
    assert list(sample.item_ids) == ["x", "y", "z"]


def test_a_sample_larger_than_the_set_is_the_set(parts):
    paths = [kept(parts, number, most=5000) for number in (8, 9, 10)]
    whole = by_part.read_sample(paths, "b", 5000)
    np.testing.assert_array_equal(whole.vectors, vectors()[1].astype(np.float32))


def test_the_gap_table_has_all_pairs_where_it_can_and_says_how_many_where_not(parts):
    paths = [kept(parts, number) for number in (8, 9, 10)]
    x, y = (by_part.read_sample(paths, side, 100).normalised() for side in "ab")
    row = measure_set(Pairs(x, y, 0.9, 100, 0, sums=by_part.read_sums(paths)))
    whole = measure_set(Pairs(*units(), 0.9, N, 0))
    assert (row["n"], row["compared_n"], whole["compared_n"]) == (N, 100, N)
    for name in ("gap", "gap_low", "gap_squared_high", "mean_cosine_a", "mean_cosine_b_low"):
        assert row[name] == pytest.approx(whole[name], rel=1e-4), name
    assert row["largest5_share"] == pytest.approx(whole["largest5_share"], rel=1e-9)
    assert row["recall1_chance"] == pytest.approx(1 / 100)
    # Of a set in one file: recall and smallest cosines of a sample of it, all else as ever.
    some = measure_set(Pairs(*units(), 0.9, N, 0, largest=50))
    assert (some["n"], some["compared_n"]) == (N, 50)
    assert some["recall1_chance"] == pytest.approx(1 / 50)
    assert some["min_cosine_a"] > whole["min_cosine_a"]
    for name in ("gap", "gap_low", "mean_cosine_a", "mean_cosine_a_low", "separability"):
        assert some[name] == whole[name], name


def test_the_row_of_a_set_is_of_all_its_pairs_though_some_say_how_much_they_vary(
    parts, monkeypatch
):
    monkeypatch.setattr(by_part, "VARYING", 60)
    paths = [kept(parts, number, most=40) for number in (8, 9, 10)]
    sums = by_part.read_sums(paths)
    x, y = (by_part.read_sample(paths, side, 40).normalised() for side in "ab")
    row = measure_set(Pairs(x, y, 0.9, 40, 0, sums=sums))
    assert (sums.m, row["n"], row["clusters"], row["compared_n"]) == (180, N, N, 40)


def test_a_gap_of_a_sample_alone_is_no_gap(tmp_path):
    """Both sides hold the same vectors in another order, so that their centres are one."""
    x = normalise(vectors()[0][:200].astype(np.float32)).astype(np.float32)
    for side, rows in (("a", x), ("b", x[::-1])):
        np.save(tmp_path / f"{side}.npy", rows)
    sources = [open_source(str(tmp_path / f"{side}.npy"), {}) for side in "ab"]
    by_part.write_part(tmp_path / "p.npz", *by_part.sum_part(*sources, "p", 30, 0))
    a, b = (by_part.read_sample([tmp_path / "p.npz"], side, 30).normalised() for side in "ab")
    sums = by_part.read_sums([tmp_path / "p.npz"])
    assert gap(a, b) > 0.1
    row = measure_set(Pairs(a, b, 0.9, 30, 0, sums=sums))
    assert (row["gap"], row["largest5_share"]) == (0, None)


@pytest.mark.parametrize("fails", ["savez", "replace"])
def test_a_part_that_cannot_be_written_leaves_no_file(tmp_path, monkeypatch, fails):
    np.save(tmp_path / "a.npy", vectors()[0][:50])
    source = open_source(str(tmp_path / "a.npy"), {})
    kept = by_part.sum_part(source, source, "p", 9, 0)

    def fail(*arguments, **named):
        raise OSError("No space left on device")

    monkeypatch.setattr({"savez": np, "replace": by_part.os}[fails], fails, fail)
    with pytest.raises(OSError, match="No space"):
        by_part.write_part(tmp_path / "p.npz", *kept)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


@pytest.mark.parametrize("hostile", ["sum_n", "keys", "item_ids"])
def test_no_object_of_a_parts_file_is_loaded(tmp_path, hostile):
    np.save(tmp_path / "a.npy", vectors()[0][:50])
    source = open_source(str(tmp_path / "a.npy"), {})
    path = tmp_path / "p.npz"
    by_part.write_part(path, *by_part.sum_part(source, source, "p", 9, 0))
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **arrays | {hostile: arrays[hostile].astype(object)})
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        by_part.read_sums([path])
        by_part.read_sample([path], "a", 9)


def test_labels_are_not_read_for_sums(tmp_path):
    columns = {"emb": list(vectors()[0][:90]), "caption": [f"caption {row}" for row in range(90)]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    np.save(tmp_path / "b.npy", vectors()[1][:90])
    sources = [open_source(str(tmp_path / name), {}) for name in ("a.parquet", "b.npy")]
    read = []

    def spied(source):
        def batches(labels=True):
            for block, of_block in source.batches(labels):
                read.append((len(block), of_block))
                yield block, of_block

        return replace(source, batches=batches)

    sums, _ = by_part.sum_part(*map(spied, sources), "p", 9, 0)
    np.testing.assert_allclose(sums.x, units()[0][:90].sum(axis=0), atol=1e-12)
    # A block is what stays in the cache: READ rows, the last of a side fewer.
    assert sorted(rows for rows, _ in read) == [26, 26, 64, 64]
    assert all(of_block is None for _, of_block in read)
    (_, of_block), *_ = sources[0].batches()
    assert of_block["caption"][63].as_py() == "caption 63"


def test_items_without_ids_are_named_by_part_and_row(tmp_path):
    for side in "ab":
        np.save(tmp_path / f"{side}.npy", vectors()[0][:3])
    sources = [open_source(str(tmp_path / f"{side}.npy"), {}) for side in "ab"]
    _, sample = by_part.sum_part(*sources, "part_1.npy", 9, 0)
    assert list(sample.item_ids) == [f"part_1.npy:{row:06d}" for row in range(3)]


def test_long_ids_and_vectors_are_kept_whole(tmp_path):
    ids = [f"{'sha256-' * 20}{row}" for row in range(3)] + ["\N{GRINNING FACE} \N{SNOWMAN}"]
    x = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    pq.write_table(pa.table({"emb": x.tolist(), "id": ids}), tmp_path / "a.parquet")
    source = open_source(str(tmp_path / "a.parquet"), {})
    by_part.write_part(tmp_path / "p.npz", *by_part.sum_part(source, source, "p", 9, 0))
    for side in "ab":
        found = by_part.read_sample([tmp_path / "p.npz"], side, 9)
        assert list(found.item_ids) == ids
        np.testing.assert_array_equal(found.vectors, x)


def test_parts_that_do_not_match_are_refused(tmp_path):
    raw = vectors()[0].astype(np.float32)

    def refused(words, a, b, ids_a=None, ids_b=None):
        paths = []
        for side, of_side, ids in (("a", a, ids_a), ("b", b, ids_b)):
            columns = {"emb": [one.tolist() for one in of_side]} | ({"id": ids} if ids else {})
            paths.append(str(tmp_path / f"{side}.parquet"))
            pq.write_table(pa.table(columns), paths[-1])
        with pytest.raises(InputError, match=words) as told:
            by_part.sum_part(*(open_source(path, {}) for path in paths), "p", 9, 0)
        assert str(told.value).startswith(tuple(paths))

    two, three, ids = raw[:2], raw[:3], ["x", "y"]
    refused(
        r"a\.parquet has 3 .* of 6 dimensions, and .*b\.parquet has 2 vectors of 6\. With `by_",
        three,
        two,
    )
    refused(
        r"a\.parquet has 3 .* of 6 dimensions, and .*b\.parquet has 3 vectors of 5",
        three,
        three[:, :5],
    )
    refused(
        r"a\.parquet and .*b\.parquet: row 1 is item 'y' in the first file",
        two,
        two,
        ids,
        ["x", "z"],
    )
    refused(r"a\.parquet: item_id 'x' occurs more than once", two, two, ["x", "x"])
    several = np.stack([three] * 2, axis=1)
    refused(r"a\.parquet: items have several vectors; remove `by_part`", several, three)
    refused(r"b\.parquet: items have several vectors; remove `by_part`", three, several)
    spoilt = raw[:100].copy()
    spoilt[77] = 0
    refused(r"b\.parquet.* the vector of item 'p:000077' is all zeros", raw[:100], spoilt)
    spoilt[77] = np.nan
    refused(r"a\.parquet.* the vector of item 'p:000077' holds NaN or infinity", spoilt, raw[:100])


def test_an_empty_part_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", vectors()[0][:0])
    source = open_source(str(tmp_path / "a.npy"), {})
    with pytest.raises(InputError, match=r"a\.npy holds no embeddings; give .* one row\."):
        by_part.sum_part(source, source, "p", 9, 0)


def test_parts_of_two_models_are_refused(tmp_path):
    paths = []
    for d in (5, 6):
        np.save(tmp_path / "a.npy", vectors()[0][:30, :d])
        source = open_source(str(tmp_path / "a.npy"), {})
        paths.append(tmp_path / f"{d}.npz")
        by_part.write_part(paths[-1], *by_part.sum_part(source, source, f"{d}", 9, 0))
    with pytest.raises(InputError, match=r"6\.npz: 6 dimensions, but .*5\.npz has 5"):
        by_part.read_sums(paths)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"several": "all"}, r"pairs\.mine\.by_part cannot be combined with several; remove"),
        ({"labels": "{}/image"}, "by_part cannot be combined with labels"),
        ({"cluster": "group"}, "by_part cannot be combined with cluster"),
        ({"text": "{}/text/part_8.npy"}, r"pairs\.mine\.text must be a folder, because"),
        (
            {"text": "{}/few"},
            "the same number of parts .*, not 3 of image and 1 of text. Correct the folders.",
        ),
    ],
)
def test_faults_of_the_configuration(parts, root, more, words):
    (parts / "few").mkdir()
    np.save(parts / "few/part_1.npy", vectors()[1])
    registries = root / "config/schema/config.yaml", ENCODERS, FORMATS, VECTOR_FORMATS
    config = load_yaml(root / "config/config.yaml")
    row = {"image": f"{parts}/image", "text": f"{parts}/text", "by_part": True}
    more = {key: value.format(parts) for key, value in more.items()}
    check_config(config | {"pairs": {"mine": row}}, *registries)
    with pytest.raises(InputError, match=words) as told:
        check_config(config | {"pairs": {"mine": row | more}}, *registries)
    assert str(told.value).startswith("pairs.mine.")


def test_items_that_one_side_skipped_are_left_out_of_both(tmp_path):
    rng = np.random.default_rng(0)
    sides = {side: rng.normal(size=(200, 5)).astype(np.float32) for side in ("image", "text")}
    ids = np.array([f"item {row}" for row in range(200)], dtype=object)
    gone = {"image": [3, 150], "text": [64]}
    paths = []
    for side, x in sides.items():
        here = ~np.isin(np.arange(200), gone[side])
        about = {"skipped": [ids[row] for row in gone[side]]}
        paths.append(tmp_path / f"{side}.parquet")
        write(EmbeddingSet(ids[here], x[here], metadata=about), paths[-1])
    sources = [open_source(str(path), {}) for path in paths]
    sums, sample = by_part.sum_part(*by_part.without_skipped(*sources), "p", 500, 0)
    both = ~np.isin(np.arange(200), [3, 64, 150])
    x, y = (normalise(side[both]) for side in sides.values())
    assert sums.n == 197 and list(sample.item_ids) == list(ids[both])
    assert gap_of(sums) == pytest.approx(gap(x, y), rel=1e-12)
    np.testing.assert_array_equal(sample.b, sides["text"][both])
    # Items that are absent for another reason are still a fault.
    with pytest.raises(InputError, match="must hold vectors of the same items"):
        by_part.sum_part(*sources, "p", 500, 0)


def test_of_sides_without_ids_nothing_is_left_out(tmp_path):
    """What the other side skipped cannot be found there."""
    x = vectors()[0][:9].astype(np.float32)
    ids = np.array([f"item {row}" for row in range(9)], dtype=object)
    write(EmbeddingSet(ids, x, metadata={"skipped": ["item 2"]}), tmp_path / "a.parquet")
    np.save(tmp_path / "b.npy", x)
    a, b = (open_source(str(tmp_path / name), {}) for name in ("a.parquet", "b.npy"))
    for sides in ((a, b), (b, a)):
        assert by_part.without_skipped(*sides) == sides


def test_intervals_are_of_4096_pairs_of_a_part_drawn_by_its_seed_and_its_name(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(4200, 2)).astype(np.float32)
    np.save(tmp_path / "x.npy", vectors)
    source = open_source(str(tmp_path / "x.npy"), {})
    drawn = {}
    for name, seed in (("p", 0), ("p", 1), ("q", 0), ("p", 0)):
        sums, sample = by_part.sum_part(source, source, name, 9, seed)
        assert (sums.n, sums.m, len(sample.keys)) == (4200, 4096, 9)
        drawn.setdefault((name, seed), set()).add(tuple(sample.keys))
    assert [len(keys) for keys in drawn.values()] == [1, 1, 1]
    assert len(set.union(*drawn.values())) == 3
