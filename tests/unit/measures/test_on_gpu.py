"""What is computed on a GPU, in torch on the CPU, against numpy; and when a GPU is taken."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from modality_gap.embeddings.sets import normalise
from modality_gap.measures import on_gpu
from modality_gap.measures.cone import cosine_distribution
from modality_gap.measures.loss_sweep import batched_sweep, loss_landscape
from modality_gap.measures.recall_sweep import recall_hits
from modality_gap.measures.retrieval import partner_ranks

DELTAS = np.arange(-8, 9) * 0.25
TEMPERATURES = [1 / 400, 1 / 100, 1 / 30, 1 / 10, 1]


@pytest.fixture
def torchs(monkeypatch):
    """Calls a function in torch, on the CPU, in blocks so small that there are many."""
    pytest.importorskip("torch")

    def call(function, *arguments, **settings):
        with monkeypatch.context() as patch:
            patch.setattr(on_gpu, "device_for", lambda cosines: "cpu")
            patch.setattr(on_gpu, "SIDE", 50)
            patch.setattr(on_gpu, "AT_ONCE", 3000)
            return function(*arguments, **settings)

    return call


@pytest.fixture(scope="module")
def pairs():
    """Unit vectors of 210 pairs with a gap, of which some occur twice on either side."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(2, 12)) / 3
    shared = rng.normal(size=(210, 12))
    x, y = (centre + 0.5 * shared + 0.2 * rng.normal(size=(210, 12)) for centre in centres)
    x[20:40], y[60:70] = x[:20], y[50:60]
    return normalise(x), normalise(y)


@pytest.mark.parametrize("bins", [1, 7, 200, 20_000])
def test_all_pairs_cosines_are_the_same(pairs, torchs, bins):
    for x in pairs:
        found, expected = torchs(cosine_distribution, x, bins), cosine_distribution(x, bins)
        assert found.counts.sum() == len(x) * (len(x) - 1)
        np.testing.assert_array_equal(found.counts, expected.counts)
        assert found.minimum == pytest.approx(expected.minimum, abs=1e-12)
        assert found.maximum == pytest.approx(expected.maximum, abs=1e-12)


@pytest.mark.parametrize("n", [2, 51, 52])
def test_no_pair_of_the_last_rows_is_lost(pairs, torchs, n):
    """Of blocks of 50 rows, the last one has one or two."""
    x = pairs[0][:n]
    found = torchs(cosine_distribution, x, 3)
    assert found.counts.sum() == n * (n - 1)
    assert found.minimum == pytest.approx((x @ x.T).min(), abs=1e-12)


def test_cosines_at_an_edge_fall_into_the_same_bin(torchs):
    # Of opposite, equal and orthogonal vectors the cosines are -1, 1 and 0, without rounding.
    x = np.repeat(np.concatenate([np.eye(4), -np.eye(4)]), 9, axis=0)
    found = torchs(cosine_distribution, x, 4)
    np.testing.assert_array_equal(found.counts, [8 * 81, 0, 72 * 54, 8 * 72])
    np.testing.assert_array_equal(found.counts, cosine_distribution(x, 4).counts)


def test_cosines_that_rounding_takes_past_1_are_1_there_too(torchs):
    x = normalise(np.random.default_rng(4).normal(size=(90, 7)))
    found = torchs(cosine_distribution, np.concatenate([x, x, -x]), 8)
    assert (found.minimum, found.maximum) == (-1, 1)
    assert found.counts.sum() == 270 * 269


def test_ranks_of_partners_are_the_same_with_ties_and_repeated_items(pairs, torchs):
    x, y = pairs
    # The second item's partner is as near as the first's, which comes before it.
    tied = np.eye(3)[[2, 0]], np.array([[0.8, 0.6, 0], [0.8, 0, 0.6]])
    for sides in ((x, y), (y, x), tied):
        for tile in (64, 8192):
            for found, expected in zip(
                torchs(partner_ranks, *sides, tile=tile), partner_ranks(*sides), strict=True
            ):
                np.testing.assert_array_equal(found, expected)
    assert torchs(partner_ranks, *tied)[0].tolist() == [1, 1]
    found, expected = torchs(recall_hits, x, y, DELTAS), recall_hits(x, y, DELTAS)
    for direction, hits in expected.items():
        np.testing.assert_array_equal(found[direction].found, hits.found)


@pytest.mark.parametrize("batch_size", [10, 70, 210])
def test_loss_sweep_is_the_same(pairs, torchs, batch_size):
    grid = DELTAS, TEMPERATURES, batch_size
    np.testing.assert_allclose(
        torchs(batched_sweep, *pairs, *grid), batched_sweep(*pairs, *grid), rtol=1e-12, atol=1e-12
    )
    found, expected = torchs(loss_landscape, *pairs, *grid), loss_landscape(*pairs, *grid)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert np.isfinite(found.to_numpy()).all()


@pytest.mark.filterwarnings("error")
def test_a_vector_that_is_moved_into_the_origin_has_no_loss_on_a_gpu_either(torchs):
    # What rounding leaves of a vector's length is no direction: 0, or about 1e-16.
    for one in normalise(np.random.default_rng(0).normal(size=(20, 5))):
        x = np.stack([one, one])
        found = torchs(batched_sweep, x, -x, np.array([0.0, 2.0]), [0.1], 2)
        assert np.isfinite(found[0, 0]).all() and np.isnan(found[0, 1]).all()


@pytest.fixture
def gpu(monkeypatch):
    """A GPU, as torch would show it."""
    torch = pytest.importorskip("torch")
    for name in (*on_gpu.BATCH_JOBS, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    state = SimpleNamespace(driver=True, seen=True, free=1 << 34)
    monkeypatch.setattr(on_gpu, "_has_driver", lambda: state.driver)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: state.seen)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (state.free, 1 << 34))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    return state


def test_a_gpu_is_taken_where_there_is_one_and_the_work_is_worth_it(gpu, capsys):
    assert on_gpu.device_for(1_000_000_000) == "cuda"
    assert capsys.readouterr().err == "1,000,000,000 cosines: on a GPU\n"
    assert on_gpu.device_for(999_999_999) is None
    gpu.free = 2 << 30
    assert on_gpu.device_for(1_000_000_000) == "cuda"
    capsys.readouterr()
    for state in ({"driver": False}, {"seen": False}, {"free": (2 << 30) - 1}):
        vars(gpu).update({"driver": True, "seen": True, "free": 1 << 34} | state)
        assert on_gpu.device_for(10 * on_gpu.WORTH) is None
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "name", ["SLURM_JOB_ID", "LSB_JOBID", "PBS_JOBID", "JOB_ID", "_CONDOR_JOB_AD"]
)
def test_a_batch_job_takes_no_gpu_that_it_was_not_given(gpu, monkeypatch, name):
    monkeypatch.setenv(name, "7")
    assert on_gpu.device_for(on_gpu.WORTH) is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert on_gpu.device_for(on_gpu.WORTH) is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert on_gpu.device_for(on_gpu.WORTH) == "cuda"


def test_without_torch_or_the_drivers_library_there_is_no_gpu(gpu, monkeypatch):
    def fail(name):
        raise OSError(name)

    monkeypatch.setitem(sys.modules, "torch", None)
    assert on_gpu.device_for(on_gpu.WORTH) is None
    monkeypatch.undo()
    monkeypatch.setattr(on_gpu.ctypes, "CDLL", fail)
    assert on_gpu._has_driver() is False
    loaded = []
    monkeypatch.setattr(on_gpu.ctypes, "CDLL", loaded.append)
    assert on_gpu._has_driver() is True
    assert loaded == ["libcuda.so.1"]  # of the driver; `libcuda.so` comes with compilers alone


def test_a_gpu_that_another_process_has_for_itself_is_left(gpu, monkeypatch):
    def fail():
        raise RuntimeError("CUDA-capable device(s) is/are busy or unavailable")

    import torch

    monkeypatch.setattr(torch.cuda, "mem_get_info", fail)
    assert on_gpu.device_for(on_gpu.WORTH) is None


def test_what_is_worth_a_gpu_counts_every_shift(monkeypatch):
    asked = []
    monkeypatch.setattr(on_gpu, "device_for", lambda cosines: asked.append(cosines))
    x, y = map(normalise, np.random.default_rng(0).normal(size=(2, 40, 5)) + 0.3)
    loss_landscape(x, y, DELTAS, [0.1], 10)
    batched_sweep(x, y, DELTAS, [0.1], 20)
    recall_hits(x, y, DELTAS)
    cosine_distribution(x, 5)
    expected = [40 * 10 * 17, 40 * 20 * 17, *[40 * 40 * 17] * 17, 40 * 39 // 2]
    assert asked == expected


def test_without_a_driver_torch_is_not_imported(root):
    code = (
        "import sys\n"
        "from modality_gap.measures import on_gpu\n"
        "on_gpu._has_driver = lambda: False\n"
        "assert on_gpu.device_for(10**15) is None\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=root / "scripts", check=True)
