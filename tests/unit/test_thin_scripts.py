"""Scripts that the small run leaves out, run as Snakemake runs them."""

import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from modality_gap import logs
from modality_gap.embedding_set import EmbeddingSet, read, write
from modality_gap.errors import InputError


class Named(dict):
    """What Snakemake gives a script as input, output or params: by name and by number."""

    __getattr__ = dict.__getitem__

    def __iter__(self):
        return iter(self.values())

    def __getitem__(self, name):
        return list(self.values())[name] if isinstance(name, int | slice) else dict.get(self, name)


@pytest.fixture
def run(root, monkeypatch):
    monkeypatch.setattr(logs, "log_to", lambda _: None)

    def run(script, given, output, **params):
        snakemake = SimpleNamespace(
            input=Named(given), output=Named(output), params=Named(params), log=["log"], threads=1
        )
        runpy.run_path(str(root / "scripts" / f"{script}.py"), {"snakemake": snakemake})

    return run


@pytest.mark.parametrize("row", [0, 1])
def test_released_features(run, tmp_path, row):
    features = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("f4")
    np.save(tmp_path / "both.npy", features)
    entry = {"model": "M", "weights": "random", "note": "n"}
    run(
        "convert_released",
        {"file": tmp_path / "both.npy"},
        {"file": tmp_path / "out.parquet"},
        row=row,
        entry=entry,
    )
    found = read(tmp_path / "out.parquet")
    np.testing.assert_array_equal(found.vectors, features[row])
    assert list(found.item_ids) == ["00000", "00001", "00002", "00003", "00004"]
    assert (found.metadata["model"], found.metadata["weights"]) == ("M", "random")
    assert found.metadata["dtype"] == "float32"


@pytest.mark.parametrize("row", [0, 1])
def test_files_of_ones_own(run, tmp_path, row):
    sides = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("f4")
    for name, side in zip("ab", sides, strict=True):
        np.save(tmp_path / f"{name}.npy", side)
    given = {"pair": [tmp_path / f"{name}.npy" for name in "ab"]}
    run("import_files", given, {"file": tmp_path / "out.parquet"}, row=row)
    np.testing.assert_array_equal(read(tmp_path / "out.parquet").vectors, sides[row])


def pair(folder, name, metadata=None, n=40):
    """Paths of a made up set."""
    rng = np.random.default_rng(len(name))
    x = rng.normal(size=(n, 8)) + 1
    paths = []
    for side, vectors in (("a", x), ("b", x + rng.normal(size=x.shape) - 2)):
        paths.append(folder / f"{name}.{side}.parquet")
        ids = np.array([f"{row:03d}" for row in range(n)], dtype=object)
        write(EmbeddingSet(ids, vectors.astype("f4"), metadata=metadata or {}), paths[-1])
    return paths


def test_the_sigmoid_loss(run, tmp_path):
    import independent as plain

    settings = {
        "temperatures": [0.5, 0.1],
        "delta_start": -1.0,
        "delta_stop": 1.5,
        "delta_step": 0.5,
        "fine_step": 0.25,
        "batch_size": 5,
    }
    about = {"logit_scale": 4.0, "logit_bias": -2.0}
    paths = [*pair(tmp_path, "one", about), *pair(tmp_path, "three", about)]
    sets = {"one": {}, "three": {"scale": 5.0, "bias": -3.0}}
    output = {name: tmp_path / f"{name}.csv" for name in ("landscape", "minimum")}
    run(
        "sweep_sigmoid_loss",
        {"pairs": paths},
        output,
        sets=sets,
        clusters={},
        landscape=settings,
        bootstrap={"resamples": 60},
        confidence=0.8,
        sample=33,
        seed=3,
    )
    found = [pd.read_csv(path, float_precision="round_trip") for path in output.values()]
    rows = plain.sample(40, 33, 3)
    for name, files, own, bias in (("one", paths[:2], 0.25, -2.0), ("three", paths[2:], 0.2, -3.0)):
        x, y = (plain.unit(read(file).vectors)[rows] for file in files)
        expected = plain.sigmoid_tables(x, y, own, bias, settings)
        for table, wanted in zip(found, expected, strict=True):
            part = table[table["set"] == name].reset_index(drop=True)
            pd.testing.assert_frame_equal(
                part[list(wanted)], wanted.reset_index(drop=True), rtol=1e-7, check_dtype=False
            )
    paths = pair(tmp_path, "one")
    with pytest.raises(InputError, match=r"sets\.one\.loss is sigmoid"):
        run(
            "sweep_sigmoid_loss",
            {"pairs": paths},
            output,
            sets={"one": {}},
            clusters={},
            landscape=settings,
            bootstrap={"resamples": 60},
            confidence=0.8,
            sample=33,
            seed=3,
        )


def test_table1_puts_models_one_after_the_other(run, tmp_path):
    paths = {}
    for kind, column in (("tables", "default"), ("sweeps", "score")):
        paths[kind] = [tmp_path / f"{kind}{number}.csv" for number in range(2)]
        for number, path in enumerate(paths[kind]):
            pd.DataFrame({"model": [f"m{number}"], column: [number + 0.5]}).to_csv(
                path, index=False
            )
    output = {"table": tmp_path / "table.csv", "sweep": tmp_path / "sweep.csv"}
    run("make_table1", paths, output)
    for path, column in ((output["table"], "default"), (output["sweep"], "score")):
        table = pd.read_csv(path)
        assert list(table["model"]) == ["m0", "m1"]
        assert list(table[column]) == [0.5, 1.5]
