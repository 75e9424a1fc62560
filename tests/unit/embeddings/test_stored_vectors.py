"""Statistics of embedding files: the numbers of the whole matrix, in memory that does not grow."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp

from modality_gap.data import tiles as tiles_module
from modality_gap.data.tiles import chosen, map_ahead, sample_rows, tiles
from modality_gap.embeddings.sets import ROW_GROUP, EmbeddingSet, write
from modality_gap.embeddings.stored import StoredVectors, open_pair, open_pairs
from modality_gap.errors import InputError
from modality_gap.measures.cone import cosine_distribution, sd_cosine
from modality_gap.measures.gap import gap, gap_vector, mean_cosine
from modality_gap.measures.gap_intervals import gap_interval, mean_cosine_interval
from modality_gap.measures.loss_sweep import loss_landscape
from modality_gap.measures.retrieval import identical_rows, partner_ranks
from modality_gap.measures.shift import signed_distances

N, DIM = 2 * ROW_GROUP + 300, 12


def vectors(seed: int, n: int = N) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=DIM) + rng.normal(size=(n, DIM))).astype(np.float32)


def unit(raw: np.ndarray) -> np.ndarray:
    return raw.astype(float) / np.linalg.norm(raw.astype(float), axis=1)[:, None]


def store(path, raw, ids=None, **about):
    ids = [f"item{row}" for row in range(len(raw))] if ids is None else ids
    labels = pd.DataFrame({"noise": np.arange(len(raw)) % 2 == 0})
    write(EmbeddingSet(np.array(ids, dtype=object), raw, labels, about), path)
    return path


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A pair of files and its unit vectors."""
    folder, raws = tmp_path_factory.mktemp("pair"), (vectors(0), vectors(1))
    paths = [store(folder / f"{number}.parquet", raw) for number, raw in enumerate(raws)]
    return open_pair(*paths), tuple(map(unit, raws))


def test_rows_are_those_of_the_file(pair):
    (stored, _), (x, _) = pair
    assert len(stored) == N and stored.shape == x.shape
    for wanted in (
        slice(None),
        slice(1000, 2100),
        slice(2000, 9000),
        slice(ROW_GROUP, 2 * ROW_GROUP),
        slice(5, 2000, 700),
        slice(5, 40, 2),
        slice(None, None, -800),
        np.array([2200, 3, 1024, 3]),
    ):
        np.testing.assert_allclose(stored[wanted], x[wanted], rtol=0, atol=1e-15)
    odd = stored.select(~stored.label("noise"))
    np.testing.assert_allclose(odd[500:700], x[1::2][500:700], rtol=0, atol=1e-15)
    np.testing.assert_allclose(odd.select(np.arange(len(odd)) > 99)[:5], x[1::2][100:105])
    assert odd.item_id(3) == "item7"
    assert len(odd.label("noise")) == len(odd) and not odd.label("noise").any()
    assert list(odd.load().item_ids[:2]) == ["item1", "item3"]
    parts = list(tiles(stored, x, size=1000))
    assert [len(one) for one, _ in parts] == [1000, 1000, 348]
    assert all(np.allclose(one, other) for one, other in parts)


def test_only_so_many_items_are_started_ahead():
    started, taken = [], []

    class Pool:
        def submit(self, work, item):
            started.append(item)
            return SimpleNamespace(result=lambda: work(item))

    for result in map_ahead(Pool(), lambda item: item * item, range(7), 3):
        taken.append(result)
        # The two behind it, and the one that took its place.
        assert started == [*range(min(7, len(taken) + 3))]
    assert taken == [item * item for item in range(7)]


def test_a_sample_of_rows_is_random_sorted_and_of_its_seed():
    assert sample_rows(9, 9, 0) == sample_rows(3, 9, 0) == slice(None)
    drawn = sample_rows(10, 9, 0)
    assert len(drawn) == 9 and {*drawn} < {*range(10)}
    one, again, other = (sample_rows(1000, 50, seed) for seed in (1, 1, 2))
    assert list(one) == sorted({*one}) == list(again) != list(other)
    assert one.max() > 900 and abs(one.mean() - 500) < 130
    clusters = np.array([7, 3, 9, 3, 7])
    assert chosen(clusters, np.array([1, 2, 3])).tolist() == [0, 1, 0]
    assert chosen(clusters, slice(None)).tolist() == [1, 0, 2, 0, 1]
    assert chosen(None, slice(None)) is None


def test_statistics_of_files_are_those_of_the_whole_matrix(pair, monkeypatch):
    stored, (x, y) = pair
    monkeypatch.setattr(tiles_module.tiles, "__kwdefaults__", {"size": 700})
    close = {"rel": 1e-9, "abs": 1e-12}
    vector = x.mean(axis=0) - y.mean(axis=0)
    np.testing.assert_allclose(gap_vector(*stored), vector, rtol=1e-9, atol=1e-14)
    assert gap(*stored) == pytest.approx(np.linalg.norm(vector), **close)
    assert gap_interval(*stored, 0.95) == pytest.approx(gap_interval(x, y, 0.95), **close)
    cosines = (x @ x.T)[~np.eye(N, dtype=bool)]
    assert mean_cosine(stored[0]) == pytest.approx(cosines.mean(), **close)
    assert sd_cosine(stored[0]) == pytest.approx(cosines.std(), **close)
    found = cosine_distribution(stored[0], 50, square=500)
    np.testing.assert_array_equal(found.counts, np.histogram(cosines, found.edges)[0])
    assert (found.minimum, found.maximum) == pytest.approx((cosines.min(), cosines.max()), **close)
    low, high = mean_cosine_interval(stored[0], 0.95)
    assert low < cosines.mean() < high
    assert (low, high) == pytest.approx(mean_cosine_interval(x, 0.95), **close)
    order = [np.argsort(-similarity, axis=1) for similarity in (x @ y.T, y @ x.T)]
    for ranks, nearest in zip(partner_ranks(*stored, 900, 400), order, strict=True):
        np.testing.assert_array_equal(ranks, np.argmax(nearest == np.arange(N)[:, None], axis=1))


def test_the_loss_of_files_is_that_of_every_batch(pair):
    stored, (x, y) = pair
    deltas, batches = np.array([-0.5, 0.0, 0.25]), N // 50
    table = loss_landscape(*stored, deltas, [0.1], 50, threads=2)
    u = (x.mean(axis=0) - y.mean(axis=0)) / np.linalg.norm(x.mean(axis=0) - y.mean(axis=0))
    for delta, loss, distance in table[["delta", "loss", "distance"]].to_numpy():
        moved = unit(x - delta / 2 * u), unit(y + delta / 2 * u)
        one, other = (side[: batches * 50].reshape(batches, 50, -1) for side in moved)
        logits = one @ other.transpose(0, 2, 1) / 0.1
        right = np.einsum("bii->bi", logits)
        expected = [(logsumexp(logits, axis=axis) - right).mean() for axis in (1, 2)]
        assert loss == pytest.approx(np.mean(expected), rel=1e-9)
        centres = moved[0].mean(axis=0) - moved[1].mean(axis=0)
        assert abs(distance) == pytest.approx(np.linalg.norm(centres), rel=1e-9)
    np.testing.assert_allclose(signed_distances(*stored, deltas), table["distance"], rtol=1e-12)


def test_identical_vectors_are_found_once(tmp_path):
    # Twenty copies of each of ten vectors, far apart in the file, in different tiles.
    order = np.random.default_rng(0).permutation(200)
    raw = np.tile(vectors(3, 10), (20, 1))[order]
    x, y = (StoredVectors(store(tmp_path / f"{side}.parquet", raw + side)) for side in (0, 1))
    groups = np.arange(200)[order] % 10
    np.testing.assert_array_equal(identical_rows(x), [list(groups).index(g) for g in groups])
    some = np.unique(identical_rows(x))
    wanted = partner_ranks(x[some], y[some])
    for tile, width in ((200, 200), (30, 7)):
        for ranks, right in zip(partner_ranks(x, y, tile, width), wanted, strict=True):
            np.testing.assert_array_equal(ranks, right)


def test_faults_far_into_a_file_are_named(tmp_path):
    raw, ids = vectors(0), [f"item{row}" for row in range(N)]
    raw[2222, 3] = np.nan
    with pytest.raises(InputError, match="'item2222' holds NaN"):
        StoredVectors(store(tmp_path / "nan.parquet", raw))
    twice = store(tmp_path / "twice.parquet", vectors(0), [*ids[:-1], "item5"])
    with pytest.raises(InputError, match=r"twice.parquet: item_id 'item5' occurs more than once"):
        StoredVectors(twice)
    whole = store(tmp_path / "whole.parquet", vectors(0))
    other = store(tmp_path / "other.parquet", vectors(1), [*ids[:-2], "late", ids[-1]])
    with pytest.raises(InputError, match=f"row {N - 2} is item 'item{N - 2}' in the first"):
        open_pair(whole, other)
    some = np.arange(N) % 700 != 5
    ids = np.array(ids)
    part = store(tmp_path / "part.parquet", vectors(1)[some], ids[some], skipped=list(ids[~some]))
    x, y = open_pair(whole, part)
    assert x.shape == y.shape == (N - 4, DIM)
    np.testing.assert_allclose(x[:], unit(vectors(0)[some]))
    np.testing.assert_allclose(y[690:1500], unit(vectors(1)[some])[690:1500])


def test_sets_come_with_the_pairs_of_their_own_files_and_stderr_tells_whose_turn_it_is(
    tmp_path, capsys
):
    raws = [vectors(seed, n) for seed, n in ((0, 5), (1, 5), (2, 1234), (3, 1234))]
    paths = [store(tmp_path / f"{number}.parquet", raw) for number, raw in enumerate(raws)]
    found = list(open_pairs(["one", "two"], paths))
    assert [name for name, _, _ in found] == ["one", "two"]
    for number, (_, x, y) in enumerate(found):
        np.testing.assert_allclose(x[:], unit(raws[2 * number]), atol=1e-12)
        np.testing.assert_allclose(y[:], unit(raws[2 * number + 1]), atol=1e-12)
    assert capsys.readouterr().err.splitlines() == [
        "set 1 of 2: one, 5 pairs, 12 dimensions",
        "set 2 of 2: two, 1,234 pairs, 12 dimensions",
    ]
    with pytest.raises(ValueError, match="zip"):
        next(open_pairs(["one"], paths))


# What is let go goes back to the system at once.
PRECISE = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_MMAP_THRESHOLD_": "500000",
    "OPENBLAS_NUM_THREADS": "1",
}
PEAK = """
import resource, sys
import numpy as np, pandas as pd
from modality_gap.data import tiles
from modality_gap.embeddings import stored
from modality_gap.embeddings.sets import EmbeddingWriter
from modality_gap.measures import cone, gap_intervals, loss_sweep

tiles.tiles.__kwdefaults__["size"] = stored.TILE = 1024
n, folder, rng = int(sys.argv[1]), sys.argv[2], np.random.default_rng(0)
paths = [f"{folder}/{n}.{side}.parquet" for side in "ab"]
for path in paths:
    vectors = rng.normal(1, 1, (2000, 256))
    with EmbeddingWriter(path, {}) as writer:
        for start in range(0, n, 2000):
            ids = [f"item{row}" for row in range(start, start + 2000)]
            writer.write(ids, vectors, pd.DataFrame(index=ids))
x, y = stored.open_pair(*paths)
gap_intervals.gap_interval(x, y, 0.95)
gap_intervals.mean_cosine_interval(x, 0.95), cone.sd_cosine(y)
loss_sweep.loss_landscape(x, y, np.array([-1.0, 0.0]), [0.1], 50)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def test_memory_does_not_grow_with_the_set(root, tmp_path):
    def peak_mb(n: int) -> float:
        command = [sys.executable, "-c", PEAK, str(n), str(tmp_path)]
        done = subprocess.run(
            command,
            env=os.environ | {"PYTHONPATH": str(root / "scripts"), **PRECISE},
            capture_output=True,
            check=True,
        )
        return float(done.stdout)

    # Held in float64, the 20,000 pairs more would take 78 MiB, and as they are stored 39.
    assert peak_mb(30_000) - peak_mb(10_000) < 25
