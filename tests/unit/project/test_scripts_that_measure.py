"""Scripts that measure or simulate, on small sets and settings of which none is a default: each
table against tests/independent.py, or what its function was asked for."""

import json

import independent as plain
import numpy as np
import pandas as pd
import pytest
import yaml
from thin import GROUPS, overlapping, pair, script_runner, vectors_of

from modality_gap.embeddings.sets import EmbeddingSet, write
from modality_gap.embeddings.stored import read

LANDSCAPE = {"temperatures": [0.5, 0.1], "delta_start": -0.5, "delta_stop": 1.0}
LANDSCAPE |= {"delta_step": 0.5, "fine_step": 0.25, "batch_size": 7}


@pytest.fixture
def run(root, monkeypatch):
    yield from script_runner(root, monkeypatch)


@pytest.fixture
def recorded(monkeypatch):
    """Replaces a function of the package by an answer. The list that it returns gets what the
    function was asked: arguments by place, and by name."""

    def record(name, answer):
        asked = []

        def called(*given, **named):
            asked.append((given, named))
            return answer(*given, **named) if callable(answer) else answer

        monkeypatch.setattr(f"modality_gap.{name}", called)
        return asked

    return record


def table_of(path):
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_csv(path, float_precision="round_trip")


def same(found, wanted, near=1e-7):
    wanted = pd.DataFrame(wanted).reset_index(drop=True)
    pd.testing.assert_frame_equal(
        found[list(wanted)].reset_index(drop=True), wanted, rtol=near, atol=near, check_dtype=False
    )


def two_sets(folder):
    """A set in concepts and a set of independent pairs: paths, and the groups of each."""
    paths = {"one": overlapping(folder, "one", 1), "three": pair(folder, "three")}
    return paths, {"one": GROUPS, "three": np.arange(40)}


def samples(paths, groups, most, seed):
    """The name, both sides and the groups of the sample of each set."""
    for name, files in paths.items():
        x, y = vectors_of(files)
        rows = plain.sample(len(x), most, seed)
        yield name, x[rows], y[rows], groups[name][rows]


def test_measures_beside_the_gap_are_of_a_sample_and_its_clusters(run, tmp_path):
    paths, groups = two_sets(tmp_path)
    run(
        "measure_diagnostics",
        {"pairs": [*paths["one"], *paths["three"]]},
        {"table": tmp_path / "diagnostics.csv"},
        sets={"one": ("M", "trained"), "three": ("N", "random")},
        clusters={"one": "concept"},
        bootstrap={"resamples": 60},
        confidence=0.8,
        sample=30,
        seed=3,
    )
    found = table_of(tmp_path / "diagnostics.csv")
    wanted = pd.DataFrame(
        {"set": name} | plain.diagnostics_row(x, y, 60, 0.8, 3, clusters)
        for name, x, y, clusters in samples(paths, groups, 30, 3)
    )
    for name in ("gap", "rmg"):
        wanted[f"{name}_rank"] = [(wanted[name] > value).sum() + 1 for value in wanted[name]]
    same(found, wanted)
    assert found[["model", "weights"]].to_numpy().tolist() == [["M", "trained"], ["N", "random"]]
    assert set(found["n"]) == {30} and found["clusters"][0] < 20


def test_recall_over_the_shifts_is_of_a_sample_and_its_clusters(run, tmp_path):
    paths, groups = two_sets(tmp_path)
    output = {name: tmp_path / f"{name}.csv" for name in ("curve", "peak")}
    run(
        "sweep_recall",
        {"pairs": [*paths["one"], *paths["three"]]},
        output,
        sets=[*paths],
        clusters={"one": "concept"},
        landscape=LANDSCAPE,
        step=0.25,
        bootstrap={"resamples": 50},
        permutations=19,
        confidence=0.8,
        sample=30,
        seed=3,
    )
    deltas, curves, peaks = plain.grid(LANDSCAPE | {"delta_step": 0.25}), [], []
    for name, x, y, clusters in samples(paths, groups, 30, 3):
        of = clusters if name == "one" else None
        curve, rows = plain.recall_sweep(x, y, deltas, 0.8, 50, 19, 3, of)
        curves.append(curve.assign(set=name))
        peaks += [{"set": name, **row} for row in rows]
    same(table_of(output["curve"]), pd.concat(curves))
    same(table_of(output["peak"]), peaks)


def test_the_curve_of_the_loss_is_of_all_pairs_and_its_minimum_of_a_sample(run, tmp_path, recorded):
    paths = {"one": overlapping(tmp_path, "one", 1)}
    row = {"temperature": 0.5, "distance": 0.25}
    asked = recorded("measures.loss_tables.minima", (pd.DataFrame(), [row], [row]))
    output = {name: tmp_path / f"{name}.csv" for name in ("landscape", "minimum", "shape")}
    run(
        "sweep_loss",
        {"pairs": paths["one"]},
        output,
        sets={"one": {}},
        loss="softmax",
        clusters={"one": "concept"},
        landscape=LANDSCAPE,
        bootstrap={"resamples": 50},
        confidence=0.8,
        sample=30,
        seed=3,
        threads=2,
    )
    same(table_of(output["landscape"]), plain.landscape(*vectors_of(paths["one"]), LANDSCAPE))
    (((x, y, *settings, clusters, _, own), named),) = asked
    rows = plain.sample(50, 30, 3)
    for found, side in zip((x, y), vectors_of(paths["one"]), strict=True):
        np.testing.assert_allclose(found, side[rows], atol=1e-7)
    assert settings == [LANDSCAPE, 50, 0.8, 3, 2] and (own, named) == (None, {})
    np.testing.assert_array_equal(clusters, np.unique(GROUPS[rows], return_inverse=True)[1])
    assert table_of(output["minimum"]).to_dict("records") == [{"set": "one"} | row]
    assert table_of(output["shape"])["set"].tolist() == ["one"]


def curve_of(names, deltas):
    """A table of recall over shifts, out of order."""
    columns = [f"recall1_{way}{end}" for way in ("ab", "ba") for end in ("", "_low", "_high")]
    rows = [
        {"set": name, "delta": delta, "distance": 0.1 * k - number}
        | {column: 0.01 * (k + 1) * (place + 1) for place, column in enumerate(columns)}
        for number, name in enumerate(names)
        for k, delta in enumerate(deltas)
    ]
    return pd.DataFrame(rows[::-1])


def test_the_explorer_has_a_sample_of_the_pairs_and_the_tasks_of_all(run, tmp_path, recorded):
    paths, deltas = overlapping(tmp_path, "one", 1), np.array([-0.5, 0.0, 0.5, 1.0])
    curve_of(["other", "one"], deltas).to_csv(tmp_path / "curve.csv", index=False)
    words = {f"{row:03d}": f"word {row}" for row in range(0, 50, 2)}
    names = pd.DataFrame({"item_id": words.keys(), "text": words.values()})
    names.to_parquet(tmp_path / "names.parquet")
    files = [*pair(tmp_path, "first"), *pair(tmp_path, "second", n=30)]
    sweep = pd.DataFrame({"score": [0.25, 0.5, 0.75, 1.0]})
    answer = {"metric": "accuracy", "n": 9.0, "chance": 0.25}, sweep
    asked = recorded("measures.table1.measure_task", answer)
    given = {"pair": paths, "curve": tmp_path / "curve.csv", "images": files[:2]}
    given |= {"prompts": files[2], "names": [tmp_path / "names.parquet"]}
    tasks = {"t": {"label": "l"}, "u": {"label": "m"}}
    params = {"tasks": tasks, "task_clusters": {"t": "concept", "u": None}, "pairs": 12}
    params |= {"landscape": LANDSCAPE, "confidence": 0.8, "sample": 40, "seed": 3}
    output = {"file": tmp_path / "one.json"}
    run("measure_explorer", given, output, {"set": "one"}, **params)
    found = json.loads(output["file"].read_text("utf-8"))
    whole, rows = vectors_of(paths), plain.sample(50, 40, 3)
    x, y = (side[rows] for side in whole)
    assert (found["set"], found["n"], found["loss_n"]) == ("one", 40, 35)
    assert found["deltas"] == [*deltas] and found["distances"] == [-1.0, -0.9, -0.8, -0.7]
    assert found["recall"]["ba"]["low"] == [0.05, 0.1, 0.15, 0.2]
    loss = plain.landscape(x, y, LANDSCAPE)
    for one in found["losses"]:
        part = loss[loss["temperature"] == one["temperature"]]
        np.testing.assert_allclose(one["values"], part["loss"], atol=6e-6)
    assert len(found["losses"]) == 2
    shown, u = plain.sample(40, 12, 3), plain.gap_vector(x, y) / plain.gap(x, y)
    for side, vectors in zip("ab", (x, y), strict=True):
        along = [place[0] for place in found["cloud"][side]["points"]]
        np.testing.assert_allclose(along, vectors[shown] @ u, atol=1e-5)
        ids = [f"{row:03d}" for row in rows[shown]]
        # Ids such as 002 are those of characters, which stand before the words.
        wanted = [words.get(one, one) for one in ids]
        assert all(map(str.endswith, found["names"][side], wanted)) and {*wanted} & {*ids}
        assert len(found["names"][side]) == 12 and {*wanted} & {*words.values()}
    about = {"metric": "accuracy", "n": 9, "chance": 0.25, "values": [0.25, 0.5, 0.75, 1.0]}
    assert found["scores"] == [{"task": name} | about for name in tasks]
    u = plain.gap_vector(*whole) / plain.gap(*whole)
    distances = [plain.signed_distance(*whole, plain.shifted(*whole, delta)) for delta in deltas]
    for (name, task), file, ((*place, images, prompts, along, at, far), rest) in zip(
        tasks.items(), files, asked, strict=False
    ):
        assert place == [name, task]
        np.testing.assert_array_equal(images.vectors, read(file).vectors)
        np.testing.assert_array_equal(prompts.vectors, read(files[2]).vectors)
        np.testing.assert_allclose(along, u, atol=1e-7)
        np.testing.assert_allclose(at, deltas)
        np.testing.assert_allclose(far, distances, atol=1e-7)
        cluster = {"t": "concept", "u": None}[name]
        assert rest == {"cluster": cluster, "confidence": 0.8, "permutations": 1, "seed": 3}
    # A set without tasks has no scores; pictures without captions have their ids.
    run("measure_explorer", given | {"images": [], "names": []}, output, {"set": "one"}, **params)
    found = json.loads(output["file"].read_text("utf-8"))
    assert found["scores"] == [] and found["names"]["a"] == ids


@pytest.mark.parametrize("name", ["project_svd", "project_pca"])
def test_points_of_a_figure_are_of_a_sample(run, tmp_path, name):
    paths, groups = two_sets(tmp_path)
    output = {"points": tmp_path / "points.parquet"}
    if name == "project_pca":
        output["shifts"] = tmp_path / "shifts.csv"
    given = {"pairs": [*paths["one"], *paths["three"]]}
    run(name, given, output, sets=[*paths], sample=30, seed=3)
    found = table_of(output["points"])
    places = [*found.columns[2:]]
    assert list(found.columns[:2]) == ["set", "side"]
    assert places == (["svd_1", "svd_2"] if name == "project_svd" else ["along_gap", "across_gap"])
    for number, (of, x, y, _) in enumerate(samples(paths, groups, 30, 3)):
        part = found[60 * number :][:60]
        assert set(part["set"]) == {of} and list(part["side"]) == list("a" * 30 + "b" * 30)
        if name == "project_svd":
            points = plain.uncentred(x, y)
        else:
            shifts, points = plain.shift_path(x, y)
            moved = table_of(output["shifts"])
            same(moved[moved["set"] == of], shifts)
        np.testing.assert_allclose(part[places], points, atol=1e-6)
    assert len(found) == 120


def initialised(path, seeds, noise, rng):
    """An embedding file of some items for each seed, of which some are noise."""
    rows = [(seed, one) for seed in seeds for one in noise]
    labels = pd.DataFrame(rows, columns=["seed", "noise"])
    vectors = rng.normal(size=(len(rows), 6)) + labels[["seed"]].to_numpy()
    ids = np.array([f"{row:03d}" for row in range(len(rows))], dtype=object)
    write(EmbeddingSet(ids, vectors.astype("f4"), labels), path)
    return labels


@pytest.mark.parametrize("names", [
    ("umap", "spectrum"), ("umap", "spectrum", "noise_umap", "noise_spectrum", "pca")
])  # fmt: skip
def test_initialisations_are_projected_as_the_outputs_say(run, tmp_path, recorded, names):
    """Of an encoder in one file, and of one in a file for each seed; real items and noise apart."""
    rng, files = np.random.default_rng(4), [tmp_path / f"{name}.parquet" for name in "abc"]
    first = initialised(files[0], (0, 1, 2), [False] * 5 + [True] * 4, rng)
    for file in files[1:]:
        initialised(file, (0,), [False] * 4 + [True] * 3, rng)
    asked = recorded(
        "measures.initialisations.umap_table",
        lambda label, group, **_: pd.DataFrame({"encoder": [label], "items": [len(group)]}),
    )
    ends = {"spectrum": "csv", "noise_spectrum": "csv"}
    output = {name: f"{tmp_path / name}.{ends.get(name, 'parquet')}" for name in names}
    params = {"labels": ["A", "B", "B"], "umap": {"n_neighbors": 4}, "seed": 7}
    run("project_initialisations", {"embeddings": files}, output, **params)
    noises = [False, True] if "noise_umap" in names else [False]
    assert [named for _, named in asked] == [
        {"settings": {"n_neighbors": 4}, "seed": 7} for _ in noises for _ in "AB"
    ]
    both = pd.concat([first.assign(of="A"), *[
        read(file).labels.assign(of="B", seed=seed) for seed, file in enumerate(files[1:])
    ]])  # fmt: skip
    vectors = np.concatenate([read(file).normalised() for file in files])
    for noise in noises:
        kind = "noise_" * noise
        counts = table_of(tmp_path / f"{kind}umap.parquet")
        wanted = both[both["noise"] == noise].groupby("of").size()
        assert dict(counts.to_numpy().tolist()) == dict(wanted)
        found = table_of(tmp_path / f"{kind}spectrum.csv")
        assert list(found["encoder"].unique()) == ["A", "B"]
        for label, part in found.groupby("encoder"):
            rows = ((both["of"] == label) & (both["noise"] == noise)).to_numpy()
            values, share = plain.spectrum(vectors[rows], both["seed"][rows])
            np.testing.assert_allclose(part["singular_value"], values, atol=1e-6)
            assert set(part["initialisations"]) == {3 if label == "A" else 2}
            assert part["between_share"].iloc[0] == pytest.approx(share)
    if "pca" in names:
        found = table_of(tmp_path / "pca.parquet")
        rows = ((both["of"] == "A") & ~both["noise"]).to_numpy()
        points, _ = plain.components(vectors[rows])
        part = found[found["encoder"] == "A"]
        np.testing.assert_allclose(part[["pc_1", "pc_2"]], points, atol=1e-6)
        assert list(found["encoder"].unique()) == ["A", "B"]


# --- simulations ----------------------------------------------------------------------------------


def test_cones_of_perceptrons(run, tmp_path):
    """Of more vectors than units, so that a mean over the whole matrix tells one from the other."""
    mlp = {
        "activations": ["leaky_relu", "tanh"],
        "repeats": 3,
        "vectors": 9,
        "width": 5,
        "layers": 2,
    }
    output = {name: tmp_path / f"{name}.csv" for name in ("table", "interval")}
    run("simulate_mlp_cone", {}, output, mlp=mlp, confidence=0.8, seed=7)
    rows = [
        (activation, bias, layer, repeat, cosine)
        for activation in mlp["activations"]
        for bias in (True, False)
        for repeat in range(3)
        for layer, cosine in enumerate(plain.mlp_cosines(activation, bias, 9, 5, 2, 7 + repeat))
    ]
    columns = ["activation", "bias", "layer", "repeat", "mean_cosine"]
    wanted = pd.DataFrame(rows, columns=columns)
    same(table_of(output["table"]), wanted)
    found = table_of(output["interval"])
    assert len(found) == 12
    for row, (key, part) in zip(
        found.to_dict("records"), wanted.groupby(columns[:3], sort=False), strict=True
    ):
        assert (row["activation"], row["bias"], row["layer"]) == key
        ends = plain.student(part["mean_cosine"], 0.8)
        names = [f"mean_cosine{end}" for end in ("", "_low", "_high")]
        assert [row[name] for name in names] == pytest.approx(ends)
        # The cosine of each of the 9 vectors with itself is 1.
        assert row["mean_cosine_with_diagonal"] == pytest.approx((8 * ends[0] + 1) / 9)


def test_pairs_on_the_sphere(run, tmp_path):
    sphere = {"spacings_deg": [25], "temperatures": [0.3]}
    run("simulate_sphere", {}, {"table": tmp_path / "sphere.csv"}, sphere=sphere)
    found = table_of(tmp_path / "sphere.csv")
    assert len(found) == 2 * 181
    keys = ["spacing_deg", "mismatched", "temperature", "delta_theta_deg"]
    some = found[found["delta_theta_deg"] % 30 == 0]
    wanted = [plain.sphere_loss(*row) for row in some[keys].itertuples(index=False)]
    np.testing.assert_allclose(some["loss"], wanted, atol=1e-9)


def test_each_table_of_the_theory_has_its_settings_and_its_file(run, tmp_path, recorded):
    names = ("theorem1", "theorem1_decay", "lemma3", "theorem2", "cone_areas", "mlp_cone")
    answers = {name: pd.DataFrame({name: [0.5]}) for name in names}
    asked = {
        name: recorded(f"measures.theory.{name}_table", answers[name])
        for name in ("lemma3", "theorem2", "cone_areas", "mlp_cone")
    }
    both = answers["theorem1"], answers["theorem1_decay"]
    asked["theorem1"] = recorded("measures.theory.theorem1_tables", both)
    output = {name: str(tmp_path / f"{name}.csv") for name in names}
    theory = {name: {"of": name} for name in ("theorem1", "lemma3", "theorem2", "cone_areas")}
    mlp = {"width": 6, "layers": 4, "vectors": 9}
    run("check_theory", {}, output, theory=theory, mlp=mlp, confidence=0.8, seed=7)
    for name in ("theorem1", "lemma3", "theorem2"):
        assert asked[name] == [((theory[name], 0.8, 7), {})], name
    assert asked["cone_areas"] == [((theory["cone_areas"],), {})]
    assert asked["mlp_cone"] == [((6, 4), {})]
    for name in names:
        assert table_of(tmp_path / f"{name}.csv").to_dict("list") == {name: [0.5]}


# --- tables ---------------------------------------------------------------------------------------


def test_zero_shot_tasks_move_along_the_gap_of_all_pairs(run, tmp_path, recorded):
    files = [*pair(tmp_path, "first"), *pair(tmp_path, "second", n=30)]
    paths, deltas = overlapping(tmp_path, "one", 1), np.array([-0.5, 0.0, 0.5, 1.0])

    def measured(name, *_, **__):
        curve = {"metric": "accuracy", "task": name, "score": [0.25], "distance": 0.5}
        return {"task": name, "default": 0.5}, pd.DataFrame(curve)

    asked = recorded("measures.table1.measure_task", measured)
    given = {"pair": paths, "images": files[:2], "prompts": files[2]}
    output = {name: tmp_path / f"{name}.csv" for name in ("table", "sweep")}
    tasks = {"t": {"label": "l"}, "u": {"label": "m"}}
    params = {"confidence": 0.8, "permutations": 19, "seed": 3, "landscape": LANDSCAPE}
    params |= {"tasks": tasks, "clusters": {"t": "concept", "u": None}}
    run("sweep_zero_shot", given, output, {"set": "one"}, **params)
    x, y = vectors_of(paths)
    distances = [plain.signed_distance(x, y, plain.shifted(x, y, delta)) for delta in deltas]
    for (name, task), file, ((*place, images, prompts, along, at, far), rest) in zip(
        tasks.items(), files[:2], asked, strict=True
    ):
        assert place == [name, task]
        np.testing.assert_array_equal(images.vectors, read(file).vectors)
        np.testing.assert_array_equal(prompts.vectors, read(files[2]).vectors)
        np.testing.assert_allclose(along, plain.gap_vector(x, y) / plain.gap(x, y), atol=1e-7)
        np.testing.assert_allclose(at, deltas)
        np.testing.assert_allclose(far, distances, atol=1e-7)
        cluster = {"t": "concept", "u": None}[name]
        assert rest == {"cluster": cluster, "confidence": 0.8, "permutations": 19, "seed": 3}
    table, sweep = (table_of(path) for path in output.values())
    assert table.to_numpy().tolist() == [["one", "t", 0.5], ["one", "u", 0.5]]
    assert list(sweep) == ["metric", "set", "task", "score", "distance"]
    assert sweep[["set", "task"]].to_numpy().tolist() == [["one", "t"], ["one", "u"]]


def test_harm_is_of_the_people_along_the_gap_of_the_pairs(run, tmp_path, recorded):
    files = [*pair(tmp_path, "first"), *pair(tmp_path, "second", n=30)]
    asked = recorded("measures.fairness.measure_harm", pd.DataFrame({"group": ["g"]}))
    given = {"pair": files[:2], "images": files[2], "prompts": files[3]}
    output, table2 = {"table": tmp_path / "table2.csv"}, {"group": "skin_tone"}
    run("make_table2", given, output, table2=table2, cluster="person", confidence=0.8)
    (((x, y, people, prompts, *settings), named),) = asked
    for found, side in zip((x, y), vectors_of(files[:2]), strict=True):
        np.testing.assert_allclose(found[:], side, atol=1e-7)
    np.testing.assert_array_equal(people.vectors, read(files[2]).vectors)
    np.testing.assert_array_equal(prompts.vectors, read(files[3]).vectors)
    assert settings == [table2, 0.8, "person"] and named == {}
    assert table_of(output["table"]).to_dict("list") == {"group": ["g"]}


def test_published_counts_have_intervals_of_the_run_s_confidence(run, tmp_path):
    groups = {"g": {"n": 50, "before": 9, "after": 4}, "h": {"n": 70, "before": 5, "after": 5}}
    path = tmp_path / "counts.yaml"
    path.write_text(yaml.safe_dump({"groups": groups, "source": "a page"}), encoding="utf-8")
    output = {"table": tmp_path / "table.csv"}
    run("make_published_table2", {"counts": path}, output, confidence=0.8)
    found = table_of(output["table"])
    same(found, plain.published_harm(groups, 0.8))
    assert set(found["source"]) == {"a page"}


def test_published_p_values_have_intervals_of_the_run_s_confidence(run, tmp_path):
    row = {"task": "t", "accuracies": "a", "pictures": "p", "n": 900, "default": 0.7}
    row |= {"modified": 0.75, "p_value": 0.01}
    published = {"supplementary_p_values": {"shifts": 11, "comparisons": [row]}}
    path = tmp_path / "p_values.yaml"
    path.write_text(yaml.safe_dump(published), encoding="utf-8")
    output = {"table": tmp_path / "table.csv"}
    run("make_supplementary_p_values", {"published": path}, output, confidence=0.8)
    same(table_of(output["table"]), [plain.p_value_row(row, 11, 0.8)])


def test_preprocessings_are_compared_with_the_first(run, tmp_path):
    images = [overlapping(tmp_path, name, seed)[0] for seed, name in enumerate(("one", "two"))]
    text = overlapping(tmp_path, "three", 5)[1]
    encoders = {"e": {}, "f": {"preprocessing": "imagenet"}}
    given, output = {"images": images, "text": text}, {"table": tmp_path / "table.csv"}
    params = {"encoders": encoders, "cluster": "concept", "confidence": 0.8}
    run("measure_preprocessing", given, output, **params)
    found = table_of(output["table"])
    (first, second), (y,) = vectors_of(images), vectors_of([text])
    wanted = [
        {"encoder": name} | plain.preprocessing_row(x, y, first, 0.8, GROUPS)
        for name, x in (("e", first), ("f", second))
    ]
    same(found, wanted)
    assert found["statistics"][1] == "imagenet" and found["same_picture_cosine"][1] < 0.99


# --- training -------------------------------------------------------------------------------------


def pairs_to_train(folder, rng):
    """Paths of two encoders' embeddings of the same twelve items; every third is held out."""
    labels = pd.DataFrame({"split": ["train", "test", "train"] * 4})
    ids, paths = np.array([f"{row:03d}" for row in range(12)], dtype=object), {}
    for side, dim in (("image", 7), ("text", 5)):
        paths[side] = folder / f"{side}.parquet"
        write(EmbeddingSet(ids, rng.normal(size=(12, dim)).astype("f4"), labels), paths[side])
    return paths


def test_projections_begin_by_the_seed_and_are_trained_on_one_split(run, tmp_path, recorded):
    import torch
    from safetensors.torch import load_file

    from modality_gap.training.loop import LinearProjections

    paths = pairs_to_train(tmp_path, np.random.default_rng(0))
    batch = torch.tensor([5, 0])

    def train(model, forward, items, held_out, settings, seed):
        seen.append((items, settings, seed, forward(batch), held_out(), torch.get_num_threads()))
        with torch.no_grad():
            model.image.weight += 1
        return pd.DataFrame({"step": [0], "gap": [0.5]})

    seen = []
    recorded("training.loop.train", train)
    output = {name: tmp_path / f"{name}.safetensors" for name in ("trained", "untrained")}
    output["curve"] = tmp_path / "curve.csv"
    settings = {"dim": 3, "temperature": 0.5}
    begun = []
    for seed in (5, 5, 6):
        torch.manual_seed(9)
        run("train_projections", paths, output, {"model": "m"}, settings=settings, seed=seed)
        begun.append(load_file(output["untrained"]))
        trained = load_file(output["trained"])
        assert torch.equal(trained["image.weight"], begun[-1]["image.weight"] + 1)
        assert torch.equal(trained["text.weight"], begun[-1]["text.weight"])
    assert torch.equal(begun[0]["text.weight"], begun[1]["text.weight"])
    assert not torch.equal(begun[0]["text.weight"], begun[2]["text.weight"])
    torch.manual_seed(5)
    model = LinearProjections(7, 5, 3)
    assert torch.equal(model.image.weight, begun[0]["image.weight"])
    items, given, seed, forward, held_out, threads = seen[0]
    assert (items, given, seed, threads) == (8, settings, 5, 1)
    x, y = (torch.from_numpy(side).float() for side in vectors_of(paths.values()))
    held = [row for row in range(12) if row % 3 == 1]
    rest = [row for row in range(12) if row % 3 != 1]
    for found, rows in ((forward, [rest[5], rest[0]]), (held_out, held)):
        for one, wanted in zip(found, model(x[rows], y[rows]), strict=True):
            torch.testing.assert_close(one, wanted)
    assert table_of(output["curve"]).to_dict("list") == {"model": ["m"], "step": [0], "gap": [0.5]}


def test_a_small_clip_begins_as_its_untrained_self(run, tmp_path, recorded):
    import torch
    from safetensors.torch import load_file

    pairs = pd.DataFrame({"item_id": [*"abc"], "split": ["train", "test", "train"]})
    pairs.to_parquet(tmp_path / "pairs.parquet")
    model = torch.nn.Linear(3, 2)
    loaded = recorded("encoders.open_clip.load_open_clip", (model, "transform", "tokenizer"))
    recorded("encoders.base.choose_device", torch.device("cpu"))
    made = recorded("training.small_clip.embedder", lambda *_: lambda *given: given)
    trained = recorded("training.loop.train", pd.DataFrame({"step": [0]}))
    output = {"checkpoint": tmp_path / "m.safetensors", "curve": tmp_path / "curve.csv"}
    about = {"encoder": {"label": "L"}, "untrained_seed": 4, "settings": {"steps": 2}, "seed": 5}
    given = {"dataset": tmp_path / "pairs.parquet"}
    run("train_clip", given, output, {"model": "m"}, threads=2, **about)
    assert loaded == [(({"label": "L"}, {"seed": 4}), {})]
    (((of, *rest, table, device), _),) = made
    assert of is model and rest == ["transform", "tokenizer"] and device.type == "cpu"
    pd.testing.assert_frame_equal(table, pairs)
    (((of, forward, items, held_out, settings, seed), _),) = trained
    assert of is model and (items, settings, seed) == (2, {"steps": 2}, 5)
    assert forward("rows") == ("train", "rows") and held_out() == ("test",)
    assert torch.equal(load_file(output["checkpoint"])["weight"], model.weight)
    assert table_of(output["curve"]).to_dict("list") == {"model": ["m"], "step": [0]}
