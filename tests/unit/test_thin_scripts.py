"""Scripts that the small run leaves out, run as Snakemake runs them."""

import ast
import runpy
from types import SimpleNamespace

import independent as plain
import numpy as np
import pandas as pd
import pytest
import torch
from plan import script_path
from scipy import stats

from modality_gap import logs
from modality_gap.embeddings.sets import EmbeddingSet, write
from modality_gap.embeddings.stored import read
from modality_gap.errors import InputError
from modality_gap.measures.significance import paired_change
from modality_gap.training.loss_runs import LossRuns
from modality_gap.training.pairs import Pairs


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
        runpy.run_path(str(script_path(root, script)), {"snakemake": snakemake})

    return run


@pytest.mark.parametrize("row", [0, 1])
def test_released_features(run, tmp_path, row):
    features = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("f4")
    np.save(tmp_path / "both.npy", features)
    entry = {"label": "M", "weights": "random", "note": "n"}
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
    files = [str(tmp_path / f"{name}.npy") for name in "ab"]
    reading = {"sources": [(file, {}) for file in files], "labels": [], "several": ""}
    rest = {"row": row, "modality": "ab"[row], "batch_size": 5}
    run("import_files", {"pair": files}, {"file": tmp_path / "out.parquet"}, **reading, **rest)
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


def overlapping(folder, name, seed, n=50):
    """Paths of a set whose modalities a line does not tell apart for sure, in 20 concepts."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)) + 0.6
    labels = pd.DataFrame({"concept": [f"c{row % 20}" for row in range(n)]})
    ids = np.array([f"{row:03d}" for row in range(n)], dtype=object)
    paths = []
    for side, vectors in (("a", x), ("b", rng.normal(size=(n, 3)) - 0.2)):
        paths.append(folder / f"{name}.{side}.parquet")
        write(EmbeddingSet(ids, vectors.astype("f4"), labels), paths[-1])
    return paths


def vectors_of(paths):
    return tuple(plain.unit(read(path).vectors) for path in paths)


GROUPS = np.arange(50) % 20


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
    run(
        "measure_cones",
        {name: [path] for name, path in paths.items()},
        output,
        encoders=["e"],
        clusters=["concept"],
        bins=20,
        confidence=0.8,
    )
    found = pd.read_csv(output["table"], float_precision="round_trip")
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


def test_tables_are_known_by_the_folder_of_results_wherever_a_script_writes(run, root, tmp_path):
    """modality_gap.debug lets the script of one rule write to results/debug."""
    path = tmp_path / "results" / "after" / "losses_difference.csv"
    path.parent.mkdir(parents=True)
    row = {"difference": -0.3, "difference_low": -0.4, "difference_high": -0.2, "n": 5}
    pd.DataFrame([{"method": "cua", "metric": "gap"} | row]).to_csv(path, index=False)
    given = {"tables": [str(path)], "ledger": root / "config/ledger/follow_ups.yaml"}
    output = {"file": tmp_path / "elsewhere.csv"}
    run("check_follow_ups", given, output, results=str(tmp_path / "results"), methods={})
    found = pd.read_csv(output["file"]).set_index("id")
    assert found.loc["contrastive_gap.cua_narrows", "measured"] == -0.3


def test_no_script_takes_a_folder_from_where_it_writes(root):
    for path in sorted((root / "scripts").glob("*/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("parent", "parents"):
                assert "output" not in ast.unparse(node), f"{path.name}: {ast.unparse(node)}"


def test_training_with_losses(run, tmp_path):
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
