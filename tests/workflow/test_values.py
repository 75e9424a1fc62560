"""Every table of the small run, value for value, against tests/independent.py.

The small configuration differs from the default in seed, confidence, sample, shifts and groups, so
that what ignores one of them is seen.
"""

import json
import re
from functools import cache
from pathlib import Path

import independent as plain
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT


def merged(base: dict, changes: dict) -> dict:
    return base | {
        key: merged(base[key], value) if isinstance(value, dict) and key in base else value
        for key, value in changes.items()
    }


def clusters_of(folder: str) -> str:
    """The column that says which items of an embedding set are not independent."""
    return "handwriting" if folder.startswith("digit_clip") else "concept"


def tasks_of(run: "Run", name: str) -> list[str]:
    """The zero-shot tasks of a set: its own, or those of the configuration."""
    return run.sets[name].get("tasks", run.config["table1"]["tasks"])


class Run:
    """The finished run: its configuration, its tables and its embeddings."""

    def __init__(self, folder: Path):
        self.results = folder / "results"
        self.config = merged(
            *(
                yaml.safe_load((ROOT / name).read_text())
                for name in ("config/config.yaml", "tests/small.yaml")
            )
        )
        for spec in self.config["encoders"].values():
            spec |= spec.pop("options", {})
        self.confidence, self.seed = self.config["confidence"], self.config["seed"]
        # The authors' features are not at hand in this run.
        self.sets = {
            name: entry for name, entry in self.config["sets"].items() if "released" not in entry
        }
        self.frame, self.pair = cache(self.frame), cache(self.pair)

    def table(self, name: str) -> pd.DataFrame:
        path = self.results / name
        if name.endswith(".csv"):
            return pd.read_csv(path, float_precision="round_trip")
        return pd.read_parquet(path)

    def frame(self, folder: str, side: str) -> pd.DataFrame:
        return pd.read_parquet(self.results / f"embeddings/{folder}/{side}.parquet")

    def pair(self, folder: str) -> tuple[np.ndarray, np.ndarray]:
        return tuple(plain.unit(self.frame(folder, side)["vector"]) for side in ("image", "text"))

    def some(self, folder: str) -> tuple[np.ndarray, np.ndarray]:
        """The sample of a set's pairs."""
        x, y = self.pair(folder)
        rows = plain.sample(len(x), self.config["sample"], self.seed)
        return x[rows], y[rows]

    def groups(self, folder: str) -> np.ndarray:
        """A number for each item: those of one concept, or handwriting, are not independent."""
        return pd.factorize(self.frame(folder, "image")[clusters_of(folder)])[0]

    def some_groups(self, folder: str) -> np.ndarray:
        groups = self.groups(folder)
        return groups[plain.sample(len(groups), self.config["sample"], self.seed)]


@pytest.fixture(scope="module")
def run(small_run):
    return Run(small_run.folder)


def same(found: pd.DataFrame, expected, tolerance: float = 1e-9, but: str = "(?!)") -> None:
    """Every column but those named by the pattern `but` is as expected, in the same rows."""
    expected = pd.DataFrame(expected)
    rest = set(found.columns) - set(expected.columns)
    assert {name for name in rest if not re.fullmatch(but, name)} == set()
    assert len(found) == len(expected)
    for name in expected:
        was, wanted = found[name].to_numpy(), expected[name].to_numpy()
        if wanted.dtype.kind in "OUSTb":
            assert list(was) == list(wanted), name
        else:
            np.testing.assert_allclose(
                was.astype(float),
                wanted.astype(float),
                rtol=tolerance,
                atol=tolerance,
                err_msg=name,
            )


def test_the_small_run_differs_from_the_default_where_a_setting_could_be_ignored(run):
    default = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    for key in ("seed", "confidence", "sample", "umap", "permutations", "bootstrap", "cone"):
        assert run.config[key] != default[key], key
    assert min(map(len, run.pair("stitched"))) > run.config["sample"]
    assert len(run.pair("stitched")[0]) % run.config["loss_landscape"]["batch_size"]


def test_gap(run):
    rows = [
        {
            "set": name,
            "model": entry["label"],
            "weights": entry["weights"],
            **plain.set_row(
                *run.pair(name),
                run.confidence,
                run.config["sample"],
                run.seed,
                run.groups(name),
            ),
        }
        for name, entry in run.sets.items()
    ]
    same(run.table("statistics/gap.csv"), rows)


def test_diagnostics(run):
    rows = pd.DataFrame(
        [
            {
                "set": name,
                "model": entry["label"],
                "weights": entry["weights"],
                **plain.diagnostics_row(
                    *run.some(name),
                    run.config["bootstrap"]["resamples"],
                    run.confidence,
                    run.seed,
                    run.some_groups(name),
                ),
            }
            for name, entry in run.sets.items()
        ]
    )
    for name in ("gap", "rmg"):
        rows[f"{name}_rank"] = [(rows[name] > value).sum() + 1 for value in rows[name]]
    same(run.table("statistics/diagnostics.csv"), rows)


def panels(run):
    """Encoder, weights and inputs, metadata's model, and the vectors of each panel."""
    for label, entry in run.config["cone"]["encoders"].items():
        frames = {
            weights: run.frame(folder_of(run, entry, weights), entry["modality"])
            for weights in ("trained", "random")
        }
        noise = frames["random"]["noise"].to_numpy(dtype=bool)
        real = frames["trained"]["item_id"].isin(frames["random"]["item_id"][~noise])
        assert 0 < noise.sum() < len(noise)
        yield (label, "trained", "real"), frames["trained"][real.to_numpy()]
        yield (label, "random", "real"), frames["random"][~noise]
        yield (label, "random", "noise"), frames["random"][noise]


def folder_of(run, entry, weights):
    return f"{entry[weights]}.{entry[f'{weights}_inputs']}"


def test_cones(run):
    rows, counts = [], []
    bins = run.config["cone"]["bins"]
    for names, frame in panels(run):
        groups = np.arange(len(frame)) if names[2] == "noise" else frame["concept"]
        groups = pd.factorize(groups)[0]
        row, histogram = plain.panel(plain.unit(frame["vector"]), bins, run.confidence, groups)
        rows.append({**dict(zip(("encoder", "weights", "inputs"), names, strict=True)), **row})
        counts.append(histogram)
    found = run.table("statistics/cone.csv")
    quartiles = ["q1_cosine", "median_cosine", "q3_cosine"]
    expected = pd.DataFrame(rows)
    same(found.drop(columns=quartiles), expected.drop(columns=quartiles), but="model|dtype")
    # Quartiles come from bins of 1e-4.
    same(found[quartiles], expected[quartiles], tolerance=2e-4)
    histogram = run.table("statistics/cone_histogram.csv")
    np.testing.assert_array_equal(histogram["pairs"], np.concatenate(counts))
    edges = np.linspace(-1, 1, bins + 1)
    np.testing.assert_allclose(histogram["cosine_low"], np.tile(edges[:-1], len(rows)), atol=1e-12)
    np.testing.assert_allclose(histogram["cosine_high"], np.tile(edges[1:], len(rows)), atol=1e-12)
    names = ["encoder", "weights", "inputs"]
    np.testing.assert_array_equal(histogram[names], np.repeat(expected[names].to_numpy(), bins, 0))


def test_preprocessing(run):
    first = run.pair("openclip_random")
    names = run.config["cone"]["preprocessing"]["encoders"]
    inputs = run.config["cone"]["preprocessing"]["inputs"]
    rows = []
    for name in names:
        # The text tower is the same under both, and the first set's is taken.
        x = (
            first[0]
            if name == "openclip_random"
            else plain.unit(run.frame(f"{name}.{inputs}", "image")["vector"])
        )
        row = plain.preprocessing_row(
            x, first[1], first[0], run.confidence, run.groups("openclip_random")
        )
        statistics = run.config["encoders"][name].get("preprocessing", "own")
        rows.append({"encoder": name, "statistics": statistics, **row})
    assert rows[0]["same_picture_cosine"] == pytest.approx(1) != rows[1]["same_picture_cosine"]
    same(run.table("tables/preprocessing.csv"), rows)


def test_normalisation(run):
    rows, points = [], []
    for name in run.config["supplement"]["normalisation"]["encoders"]:
        folder = name if name in run.sets else f"{name}.emoji_test"
        spec = run.config["encoders"][name]
        row = plain.normalisation_row(
            *run.pair(folder),
            run.confidence,
            run.config["sample"],
            run.seed,
            run.groups(folder),
        )
        about = {key: spec.get(key, True) for key in ("norm_layers", "input_normalisation")}
        rows.append({"encoder": name, **about, **row})
        points.append(plain.uncentred(*run.some(folder)))
    same(run.table("statistics/normalisation.csv"), rows)
    found = run.table("statistics/normalisation_svd.parquet")
    same_points(found, ("svd_1", "svd_2"), [row["encoder"] for row in rows], points, "encoder")


def same_points(found, places, names, points, key="set"):
    """Rows of a projection: the first modality's and then the second's, of each set."""
    assert list(found.columns) == [key, "side", *places]
    placed = np.concatenate(points)
    np.testing.assert_allclose(found[[*places]], placed, atol=1e-7)
    halves = [len(part) // 2 for part in points]
    assert list(found["side"]) == [s for n in halves for s in "a" * n + "b" * n]
    assert list(found[key]) == list(np.repeat(names, [2 * n for n in halves]))


def test_svd(run):
    points = [plain.uncentred(*run.some(name)) for name in run.sets]
    same_points(run.table("statistics/svd.parquet"), ("svd_1", "svd_2"), list(run.sets), points)


def test_principal_components_and_the_path_of_the_shift(run):
    trained = [name for name, entry in run.sets.items() if entry["weights"] == "trained"]
    paths, points = zip(*(plain.shift_path(*run.some(name)) for name in trained), strict=True)
    same_points(run.table("statistics/pca.parquet"), ("along_gap", "across_gap"), trained, points)
    expected = pd.concat(path.assign(set=name) for name, path in zip(trained, paths, strict=True))
    same(run.table("statistics/pca_shifts.csv"), expected, tolerance=1e-7)


def test_loss_landscape(run):
    settings = run.config["loss_landscape"]
    expected = pd.concat(
        plain.landscape(*run.pair(name), settings).assign(set=name) for name in run.sets
    )
    same(run.table("statistics/loss_landscape.csv"), expected)


def test_loss_minimum_and_shape(run):
    settings = run.config["loss_landscape"]
    deltas, rows, humps = plain.grid(settings, "fine_step"), [], {}
    for name in run.sets:
        losses, distances = plain.batch_losses(*run.some(name), settings)
        for temperature, batches in losses.items():
            n = batches.shape[1]
            groups = run.some_groups(name)[: n * settings["batch_size"]]
            key = {"set": name, "temperature": temperature}
            rows.append(
                {
                    **key,
                    "n": n * settings["batch_size"],
                    "clusters": len(set(groups)),
                    "batches": n,
                    **plain.minimum_row(batches, deltas, distances),
                }
            )
            humps[name, temperature] = batches.mean(axis=1), distances
    found = run.table("statistics/loss_minimum.csv")
    same(found, rows, but="(distance|closing_cost)_(low|high)|placed")
    low, high = found["distance_low"], found["distance_high"]
    both = np.stack([(low <= at) & (at <= high) for at in (0, found["gap"])]).all(axis=0)
    assert list(found["placed"]) == list(~both)
    # Each pair left out of its batch at every shift takes a while: the intervals of some rows.
    for name, temperature in (("stitched", 0.02), ("openclip_random", 1.0)):
        (row,) = found[(found["set"] == name) & (found["temperature"] == temperature)].to_dict(
            "records"
        )
        ends, costs, clusters = plain.minimum_intervals(
            *run.some(name),
            temperature,
            settings,
            run.config["bootstrap"]["resamples"],
            run.confidence,
            run.seed,
            run.some_groups(name),
        )
        assert (row["distance_low"], row["distance_high"]) == pytest.approx(ends, abs=1e-9)
        found_costs = row["closing_cost_low"], row["closing_cost_high"]
        assert found_costs == pytest.approx(costs, abs=1e-9)
        assert row["clusters"] == clusters
    assert (found["distance_low"] <= found["distance_high"] + 1e-9).all()
    shape = run.table("statistics/loss_shape.csv")
    assert len(shape) > 2
    for _, row in shape.iterrows():
        loss, distances = humps[row["set"], row["temperature"]]
        for part in ("hump", "back"):
            (at,) = np.flatnonzero(abs(distances - row[f"{part}_distance"]) < 1e-9)
            assert loss[at] == pytest.approx(row[f"{part}_loss"], abs=1e-9)
            turn = loss[[at - 1, at, at + 1]]
            assert turn[1] == (turn.max() if part == "hump" else turn.min())
        assert row["back_distance"] < row["hump_distance"] < 0
        assert row["n"] == len(run.some(row["set"])[0]) // 12 * 12


def test_recall_under_the_shift(run):
    grid = run.config["loss_landscape"] | {"delta_step": run.config["explorer"]["step"]}
    settings = run.confidence, run.config["bootstrap"]["resamples"], run.config["permutations"]
    curves, peaks = [], []
    for name in run.sets:
        sides, groups = run.some(name), run.some_groups(name)
        curve, rows = plain.recall_sweep(*sides, plain.grid(grid), *settings, run.seed, groups)
        curves.append(curve.assign(set=name))
        peaks += [{"set": name, **row} for row in rows]
    same(run.table("statistics/recall_under_shift.csv"), pd.concat(curves))
    same(run.table("statistics/recall_peak.csv"), peaks)


def test_the_explorer_has_what_the_tables_have(run):
    curves = run.table("statistics/recall_under_shift.csv")
    scores, table1 = run.table("statistics/zero_shot.csv"), run.table("tables/table1.csv")
    trained = [name for name, entry in run.sets.items() if entry["weights"] == "trained"]
    for name in trained:
        found = json.loads((run.results / f"explorer/{name}.json").read_text())
        curve = curves[curves["set"] == name]
        np.testing.assert_allclose(found["deltas"], curve["delta"], atol=1e-9)
        np.testing.assert_allclose(found["distances"], curve["distance"], atol=6e-6)
        for direction, one in found["recall"].items():
            for key, end in (("values", ""), ("low", "_low"), ("high", "_high")):
                wanted = curve[f"recall1_{direction}{end}"]
                np.testing.assert_allclose(one[key], wanted, atol=6e-6)
        loss = plain.landscape(*run.some(name), run.config["loss_landscape"])
        at = {round(delta, 6): k for k, delta in enumerate(found["deltas"])}
        for one in found["losses"]:
            part = loss[np.isclose(loss["temperature"], one["temperature"])]
            both = [delta for delta in part["delta"] if round(delta, 6) in at]
            assert 0.0 in both and len(both) > 10
            values = [one["values"][at[round(delta, 6)]] for delta in both]
            wanted = part[part["delta"].isin(both)]["loss"]
            np.testing.assert_allclose(values, wanted, atol=6e-6)
        n, size = len(run.some(name)[0]), run.config["loss_landscape"]["batch_size"]
        assert (found["n"], found["loss_n"]) == (n, n // size * size)
        assert [one["task"] for one in found["scores"]] == tasks_of(run, name)
        for one in found["scores"]:
            row = table1[(table1["set"] == name) & (table1["task"] == one["task"])].iloc[0]
            assert one["metric"] == row["metric"] == "accuracy"
            assert one["chance"] == pytest.approx(row["chance"])
            part = scores[(scores["set"] == name) & (scores["task"] == one["task"])]
            both = part[part["delta"].round(6).isin(at)]
            assert len(both) > 10 and one["n"] == both["n"].iloc[0]
            values = [one["values"][at[round(delta, 6)]] for delta in both["delta"]]
            np.testing.assert_allclose(values, both["score"], atol=6e-6)
        u = plain.gap_vector(*run.some(name)) / plain.gap(*run.some(name))
        x, y = plain.shifted(*run.some(name), found["deltas"][3])
        for side, vectors in (("a", x), ("b", y)):
            along = found["cloud"][side]["centres"][3][0]
            assert along == pytest.approx((vectors @ u).mean(), abs=1e-5)
            assert len(found["cloud"][side]["points"]) == min(
                run.config["explorer"]["pairs"], len(x)
            )
        shown = plain.sample(len(x), run.config["explorer"]["pairs"], run.seed)
        ids = run.frame(name, "image")["item_id"].to_numpy()
        ids = ids[plain.sample(len(ids), run.config["sample"], run.seed)][shown]
        data = run.config["inputs"][run.sets[name]["inputs"]]["dataset"]
        items = pd.read_parquet(run.results / f"datasets/{data}.parquet").set_index("item_id")
        for side, vectors in zip("ab", run.some(name), strict=True):
            along = [place[0] for place in found["cloud"][side]["points"]]
            np.testing.assert_allclose(along, vectors[shown] @ u, atol=1e-5)
            names = found["names"][side]
            assert len(names) == len(shown) and all(map(str.endswith, names, items["text"][ids]))


def test_sphere(run):
    sphere = run.config["sphere"]
    found = run.table("statistics/sphere.csv")
    keys = ["spacing_deg", "mismatched", "temperature", "delta_theta_deg"]
    assert len(found) == len(found[keys].drop_duplicates())
    assert set(found["spacing_deg"]) == set(sphere["spacings_deg"])
    assert set(found["temperature"]) == set(sphere["temperatures"])
    assert set(found["delta_theta_deg"]) == set(range(-90, 91))
    assert len(found) == 2 * 181 * len(sphere["spacings_deg"]) * len(sphere["temperatures"])
    some = found[found["delta_theta_deg"] % 10 == 0]
    expected = [plain.sphere_loss(*row) for row in some[keys].itertuples(index=False)]
    np.testing.assert_allclose(some["loss"], expected, atol=1e-9)


# --- initialisations ----------------------------------------------------------------------------


def initialisations(run, noise: bool):
    """Label of each encoder and its embeddings of real items, or of noise."""
    for name, entry in run.config["initialisation_cones"].items():
        frame = run.frame(f"{name}.{entry['inputs']}", entry["modality"])
        yield run.config["encoders"][name]["label"], frame[frame["noise"] == noise]


@pytest.mark.parametrize("noise", [False, True])
def test_spectrum_of_initialisations(run, noise):
    rows = []
    for label, frame in initialisations(run, noise):
        seeds = frame["seed"].nunique()
        values, share = plain.spectrum(plain.unit(frame["vector"]), frame["seed"])
        rows += [
            {
                "encoder": label,
                "initialisations": seeds,
                "items": len(frame) // seeds,
                "component": number,
                "singular_value": value,
                "between_share": share,
            }
            for number, value in enumerate(values, start=1)
        ]
    kind = "_noise" * noise
    same(run.table(f"statistics/initialisation{kind}_spectrum.csv"), rows, tolerance=1e-6)


def test_principal_components_of_initialisations(run):
    expected = []
    for label, frame in initialisations(run, noise=False):
        points, shares = plain.components(plain.unit(frame["vector"]))
        expected.append(
            pd.DataFrame(
                {
                    "encoder": label,
                    "seed": frame["seed"].to_numpy(),
                    "pc_1": points[:, 0],
                    "pc_2": points[:, 1],
                    "share_1": shares[0],
                    "share_2": shares[1],
                }
            )
        )
    same(run.table("statistics/initialisation_pca.parquet"), pd.concat(expected), tolerance=1e-7)


def umap(x, settings, seed):
    """UMAP as its authors' package gives it."""
    import umap as package

    return package.UMAP(
        n_neighbors=min(settings["n_neighbors"], len(x) - 1),
        min_dist=settings["min_dist"],
        metric="cosine",
        random_state=seed,
        n_jobs=1,
    ).fit_transform(x)


def test_umap_is_the_packages_own(run):
    found = run.table("statistics/umap.parquet")
    assert list(found["set"].unique()) == list(run.sets)
    for name, part in found.groupby("set"):
        n = len(run.some(name)[0])
        assert list(part["side"]) == list("a" * n + "b" * n)
    name = "openclip_random"  # the smallest
    points = umap(np.concatenate(run.some(name)), run.config["umap"], run.seed)
    part = found[found["set"] == name]
    np.testing.assert_allclose(part[["umap_1", "umap_2"]], points, atol=1e-3)


@pytest.mark.parametrize("noise", [False, True])
def test_umap_of_initialisations_is_the_packages_own(run, noise):
    found = run.table(f"statistics/initialisation{'_noise' * noise}_umap.parquet")
    groups = dict(initialisations(run, noise))
    assert list(found["encoder"].unique()) == list(groups)
    for label, frame in groups.items():
        part = found[found["encoder"] == label]
        assert list(part["seed"]) == list(frame["seed"])
        points = umap(plain.unit(frame["vector"]), run.config["umap"], run.seed)
        np.testing.assert_allclose(part[["umap_1", "umap_2"]], points, atol=1e-3)


# --- zero-shot and Table 2 ----------------------------------------------------------------------


def by_model(run, model, inputs, side):
    """What a set's model makes of some inputs."""
    if run.sets[model]["inputs"] == inputs:
        return run.frame(model, side)
    return run.frame(f"{run.sets[model].get('encoder', model)}.{inputs}", side)


def test_table1_and_the_curves_behind_it(run):
    deltas = plain.grid(run.config["loss_landscape"])
    rows, curves = [], []
    for model in run.config["table1"]["sets"]:
        x, y = run.pair(model)
        u = plain.gap_vector(x, y) / plain.gap(x, y)
        distances = [plain.signed_distance(x, y, plain.shifted(x, y, d)) for d in deltas]
        own_tasks = "tasks" in run.sets[model]
        prompts = by_model(run, model, f"prompts_{model}" if own_tasks else "prompts", "text")
        for name in tasks_of(run, model):
            task = run.config["tasks"][name]
            pictures = by_model(run, model, task["inputs"], "image")
            own, column = prompts[prompts["task"] == name], clusters_of(model)
            classes, truth = own["label"].to_numpy(), pictures[task["label"]].to_numpy()
            correct = plain.right_answers(
                plain.unit(pictures["vector"]), plain.unit(own["vector"]), classes, truth, u, deltas
            )
            key = {"set": model, "task": name, "metric": "accuracy"}
            row = plain.task_row(
                correct,
                deltas,
                distances,
                run.confidence,
                run.config["permutations"],
                run.seed,
                pd.factorize(pictures[column])[0] if column in pictures else None,
            )
            rows.append({**key, "classes": len(classes), "chance": 1 / len(classes), **row})
            curve = {"delta": deltas, "score": correct.mean(axis=1), "distance": distances}
            curves.append(pd.DataFrame(curve).assign(**key, n=len(truth)))
    same(run.table("tables/table1.csv"), rows)
    same(run.table("statistics/zero_shot.csv"), pd.concat(curves))


def test_table2(run):
    settings = run.config["table2"]
    people = by_model(run, settings["set"], settings["inputs"], "image")
    prompts = by_model(run, settings["set"], "prompts", "text")
    expected = plain.harm(
        *run.pair(settings["set"]),
        people,
        prompts[prompts["task"] == "table2"],
        settings,
        run.confidence,
        pd.factorize(people["concept"])[0],
    )
    same(run.table("tables/table2.csv"), expected.assign(set=settings["set"]))


def test_published_table2(run):
    published = yaml.safe_load((ROOT / "config/ledger/published_counts.yaml").read_text())
    expected = plain.published_harm(published["groups"], run.confidence)
    same(run.table("tables/published_table2.csv"), expected.assign(source=published["source"]))


def test_published_p_values(run):
    published = yaml.safe_load((ROOT / "config/ledger/p_values.yaml").read_text())
    published = published["supplementary_p_values"]
    rows = [
        plain.p_value_row(row, published["shifts"], run.confidence)
        for row in published["comparisons"]
    ]
    same(run.table("tables/supplementary_p_values.csv"), rows, tolerance=1e-7)


# --- simulations --------------------------------------------------------------------------------


def test_theorem1(run):
    settings = run.config["theory"]["theorem1"]
    found = run.table("statistics/theorem1.csv")
    cases, units = plain.cases(settings), sorted(settings["d_out"])
    keys = found[["cosine", "norm_ratio", "norm"]].to_numpy()
    np.testing.assert_allclose(keys, np.repeat(cases, len(units), axis=0))
    assert list(found["d_out"]) == units * len(cases)
    assert (found["n"] == settings["trials"]).all()
    np.testing.assert_allclose(found["violation_share"], found["violations"] / found["n"])
    for row in found.to_dict("records"):
        ends = plain.wilson(row["violations"], row["n"], run.confidence)
        assert (row["violation_share_low"], row["violation_share_high"]) == pytest.approx(
            ends, abs=1e-9
        )
        cosine, ratio, norm = row["cosine"], row["norm_ratio"], row["norm"]
        limit = 2 * ratio / (1 + ratio**2)
        assert row["covered_below"] == pytest.approx(limit)
        assert row["covered"] == (cosine < limit)
        rho = plain.correlation(cosine, ratio, norm)
        if row["d_out"] == units[0]:
            kernel = plain.relu_kernel(rho)
            # Mean and variance of phi(a) phi(b) - c/2 (phi(a)^2 + phi(b)^2), by drawing.
            a = np.random.default_rng(1).normal(size=(2, 200_000))
            b = np.maximum(rho * a[0] + np.sqrt(1 - rho**2) * a[1], 0)
            a = np.maximum(a[0], 0)
            variance = (a * b - cosine / 2 * (a * a + b * b)).var()
        assert row["cosine_after"] == pytest.approx(kernel, abs=1e-7)
        rate = max(0, (kernel - cosine) / 2) ** 2 / variance
        assert row["d_out_scaled"] == pytest.approx(rate * row["d_out"], rel=0.05)
        assert row["bound"] == pytest.approx(1 / (1 + row["d_out_scaled"]))
        if row["d_out"] < 64:
            share = plain.violation_share(cosine, ratio, norm, row["d_out"], 4000)
            assert row["violation_share"] == pytest.approx(share, abs=0.06)


def test_theorem1_decay(run):
    table = run.table("statistics/theorem1.csv")
    expected = []
    for case, part in table.groupby(["cosine", "norm_ratio", "norm"], sort=False):
        part = part[part["violations"] >= 10].tail(3)
        if len(part) < 3 or not part["covered"].all():
            continue
        x, share = np.log(part["d_out"]), part["violation_share"]
        weights = part["violations"] / (1 - share)
        x = x - np.average(x, weights=weights)
        spread = (weights * x**2).sum()
        slope, bound = (
            (weights * x * np.log(part[name])).sum() / spread
            for name in ("violation_share", "bound")
        )
        margin = plain.stats.norm.ppf(0.5 + run.confidence / 2) / np.sqrt(spread)
        expected.append(
            (*case, 3, slope, slope - margin, slope + margin, bound, part["d_out"].max())
        )
    columns = ["cosine", "norm_ratio", "norm", "n", "exponent", "exponent_low", "exponent_high"]
    columns += ["bound_exponent", "d_out_last"]
    assert len(expected) > 3
    same(run.table("statistics/theorem1_decay.csv"), pd.DataFrame(expected, columns=columns))


def test_lemma3(run):
    settings = run.config["theory"]["lemma3"]
    found = run.table("statistics/lemma3.csv")
    assert set(found["norm_ratio"]) == set(settings["norm_ratios"])
    steps = round(2 / settings["cosine_step"]) + 1
    assert len(found) == steps * len(settings["norm_ratios"])
    np.testing.assert_allclose(found["cosine"].unique(), np.linspace(-1, 1, steps), atol=1e-12)
    assert (found["n"] == settings["draws"]).all()
    z = plain.stats.norm.ppf(0.5 + run.confidence / 2)
    for row in found.to_dict("records"):
        rho = plain.correlation(row["cosine"], row["norm_ratio"], 1.0)
        scale = np.sqrt(2 * (1 + row["norm_ratio"] ** 2))
        assert row["product_closed_form"] == pytest.approx(scale * rho, abs=1e-9)
        assert row["rectified_closed_form"] == pytest.approx(
            scale * plain.relu_kernel(rho), abs=1e-7
        )
        # The standard error of a product of two standard normals is sqrt(1 + rho^2).
        error = scale * np.sqrt((1 + rho**2) / row["n"])
        margin = row["product_high"] - row["product"]
        assert margin == pytest.approx(z * error, rel=0.2)
        assert row["product"] - row["product_low"] == pytest.approx(margin)
        for name in ("product", "rectified"):
            margin = row[f"{name}_high"] - row[name]
            assert row[name] - row[f"{name}_low"] == pytest.approx(margin)
            assert abs(row[name] - row[f"{name}_closed_form"]) < 4.5 * margin / z + 1e-12


def test_theorem2(run):
    settings = run.config["theory"]["theorem2"]
    found = run.table("statistics/theorem2.csv")
    layers = settings["layers"]
    assert list(found["width"]) == list(np.repeat(settings["widths"], layers))
    assert list(found["layer"]) == list(range(1, layers + 1)) * len(settings["widths"])
    factor = np.pi / (2 * np.pi - 2)
    for row in found.to_dict("records"):
        assert row["n"] == max(3, settings["units"] // row["width"])
        assert row["tighter_bound"] == pytest.approx(1 - factor * (1 - row["beta"]))
        assert row["excess"] == pytest.approx(row["ratio"] - row["tighter_bound"])
        for name in ("ratio", "beta", "excess"):
            middle = (row[f"{name}_low"] + row[f"{name}_high"]) / 2
            assert middle == pytest.approx(row[name], abs=1e-9)
            assert 0 < row[f"{name}_high"] - row[f"{name}_low"] < 0.6
    cosine, closed = 0.0, []
    for _ in range(layers):
        after = plain.relu_kernel((1 + cosine) / 2)
        ratio = (after - 1 / np.pi) / (1 - 1 / np.pi)
        closed.append((ratio, cosine, 1 - factor * (1 - cosine)))
        cosine = after
    columns = ["ratio_closed_form", "beta_closed_form", "tighter_bound_closed_form"]
    np.testing.assert_allclose(found[columns], closed * len(settings["widths"]), atol=1e-6)
    assert abs(found["ratio"] - found["ratio_closed_form"]).max() < 0.25
    assert abs(found["beta"] - found["beta_closed_form"]).max() < 0.1


def test_simulations_draw_what_the_seed_says(run):
    """A value of each simulated table, with the draws in the order that the docstrings tell."""
    settings = run.config["theory"]
    found = run.table("statistics/lemma3.csv").iloc[1]
    case = found["norm_ratio"], found["cosine"]
    normal = plain.draws(run.seed, "lemma3", *case).normal(size=(2, settings["lemma3"]["draws"]))
    rho = plain.correlation(found["cosine"], found["norm_ratio"], 1.0)
    second = rho * normal[0] + np.sqrt(max(0.0, 1 - rho**2)) * normal[1]
    scale = np.sqrt(2 * (1 + found["norm_ratio"] ** 2))
    assert found["product"] == pytest.approx(scale * (normal[0] * second).mean(), abs=1e-9)
    units, trials = min(settings["theorem1"]["d_out"]), settings["theorem1"]["trials"]
    first, second = plain.draws(run.seed, "theorem1", units).normal(size=(2, trials, units))
    found = run.table("statistics/theorem1.csv").iloc[0]
    rho = plain.correlation(found["cosine"], found["norm_ratio"], found["norm"])
    a, b = np.maximum(first, 0), np.maximum(rho * first + np.sqrt(1 - rho**2) * second, 0)
    lengths = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    assert found["violations"] == ((a * b).sum(axis=1) <= found["cosine"] * lengths).sum()
    # Theorem 2: beta of the second layer is the mean cosine of the first, over networks.
    settings, width = settings["theorem2"], settings["theorem2"]["widths"][0]
    rng, cosines = plain.draws(run.seed, "theorem2", width), []
    for _ in range(max(3, settings["units"] // width)):
        hidden = rng.normal(size=(settings["vectors"], width))
        for layer in range(settings["layers"]):
            hidden = plain.unit(hidden)
            if layer == 1:
                cosines.append(plain.mean_cosine(hidden))
            weight = rng.normal(size=(width, width)) / np.sqrt(width)
            shift = rng.normal(size=width) / np.sqrt(width)
            hidden = np.maximum(hidden @ weight.T + shift, 0)
    found = run.table("statistics/theorem2.csv").iloc[1]
    ends = plain.student(cosines, run.confidence)
    assert [found[name] for name in ("beta", "beta_low", "beta_high")] == pytest.approx(ends)


def test_cone_areas(run):
    settings = run.config["theory"]["cone_areas"]
    angle = np.arccos(settings["cosine"])
    rows = [
        {
            "dimensions": dimensions,
            "half_angle_deg": np.degrees(half),
            "reading": reading,
            "fraction": plain.cap(half, dimensions),
            "log2_fraction": np.log2(plain.cap(half, dimensions)),
        }
        for reading, half in (("half angle", angle), ("whole angle", angle / 2))
        for dimensions in settings["dimensions"]
    ]
    same(run.table("statistics/cone_areas.csv"), rows)
    # A cap of the circle is an arc; of the sphere, (1 - cos) / 2.
    assert rows[0]["fraction"] == pytest.approx(angle / np.pi)
    assert rows[4]["fraction"] == pytest.approx((1 - np.cos(angle / 2)) / 2)


def test_cones_of_perceptrons(run):
    settings = run.config["mlp_cone"]
    sizes = [settings[name] for name in ("vectors", "width", "layers")]
    rows = [
        (activation, bias, layer, repeat, cosine)
        for activation in settings["activations"]
        for bias in (True, False)
        for repeat in range(settings["repeats"])
        for layer, cosine in enumerate(
            plain.mlp_cosines(activation, bias, *sizes, run.seed + repeat)
        )
    ]
    columns = ["activation", "bias", "layer", "repeat", "mean_cosine"]
    expected = pd.DataFrame(rows, columns=columns)
    same(run.table("statistics/mlp_cone.csv"), expected, tolerance=1e-8)
    intervals = []
    for key, part in expected.groupby(columns[:3], sort=False):
        mean, low, high = plain.student(part["mean_cosine"], run.confidence)
        n = settings["vectors"]
        # As the released code averages: over the whole matrix, its diagonal of ones too.
        with_diagonal = (mean * n * (n - 1) + n) / n**2
        intervals.append((*key, settings["repeats"], mean, low, high, with_diagonal))
    columns = [*columns[:3], "n", "mean_cosine", "mean_cosine_low", "mean_cosine_high"]
    same(
        run.table("statistics/mlp_cone_interval.csv"),
        pd.DataFrame(intervals, columns=[*columns, "mean_cosine_with_diagonal"]),
        tolerance=1e-7,
    )
    closed = [
        {"bias": bias, "layer": layer, "mean_cosine": cosine}
        for bias in (True, False)
        for layer, cosine in enumerate(plain.mlp_recursion(bias, *sizes[1:]))
    ]
    same(run.table("statistics/mlp_cone_closed_form.csv"), closed, tolerance=1e-6)
