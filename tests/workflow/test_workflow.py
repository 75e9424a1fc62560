"""The whole workflow on a small configuration: the same rules, scripts, models and data."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import independent as plain
import numpy as np
import pandas as pd
import pytest
import yaml
from check_outputs import faults
from conftest import ROOT, copy_project
from plan import Job

from modality_gap.embeddings.stored import read, read_pair


def jobs(dry_run: str) -> dict[str, int]:
    """Rule > number of jobs that a dry run announces."""
    table = dry_run.partition("Job stats:")[2]
    return {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


def test_every_output_is_there_and_whole(small_run):
    assert faults(small_run.folder / "results") == []


def test_a_dry_run_works_with_nothing_downloaded(tmp_path):
    planned = jobs(copy_project(tmp_path, None).snakemake("-n"))
    assert planned["download_asset"] == 5
    assert planned["write_index"] == planned["write_figures"] == 1
    assert "convert_released" not in planned


def test_a_second_run_has_nothing_to_do(small_run):
    assert "Nothing to be done" in small_run.snakemake()


def test_a_changed_plot_redraws_that_plot_alone(small_run):
    script = small_run.folder / "scripts" / "figure2" / "plot_figure2b.py"
    before = script.read_text()
    script.write_text(before.replace("ms=4", "ms=6"))
    try:
        planned = jobs(small_run.snakemake("-n"))
    finally:
        script.write_text(before)
    # The page shows the figure, so it is written again too, and the page of methods is always last.
    assert planned.keys() - {"all", "total"} == {
        "plot_figure2b",
        "write_index",
        "write_figures",
        "write_methods",
    }


def test_changed_temperatures_recompute_no_embedding(small_run, tmp_path):
    changed = tmp_path / "changed.yaml"
    changed.write_text(yaml.safe_dump({"loss_landscape": {"temperatures": [0.01, 0.5]}}))
    planned = jobs(small_run.snakemake(str(changed), "-n"))
    assert planned["sweep_loss"] == 1
    assert planned["plot_figure3bcd"] == 1
    for stage in (
        "extract_embeddings",
        "extract_pair",
        "train_clip",
        "train_projections",
        "project_embeddings",
    ):
        assert stage not in planned


def test_sets_are_pairs_with_their_origin(small_run):
    results = small_run.folder / "results"
    for name in ("stitched", "stitched_random", "digit_clip", "digit_clip_random"):
        image, text = read_pair(
            *(results / f"embeddings/{name}/{side}.parquet" for side in ("image", "text"))
        )
        assert len(image) > 20
        assert set(image.labels["split"]) == {"test"}
        for side in (image, text):
            assert side.metadata["model"]
            assert side.metadata["dtype"]
            assert side.metadata["weights"]
    tower = read(results / "embeddings/clip_vit_b16_int8.emoji/image.parquet").metadata
    assert tower["dtype"] == "int8"
    assert len(tower["weights_sha256"]) == 64
    assert tower["extraction"]["items_per_s"] > 0


@pytest.fixture
def changed_copy(small_run, tmp_path):
    """The finished run once more, to change: files keep their times, so nothing is to be done."""
    folder = tmp_path / "project"
    shutil.copytree(small_run.folder, folder, symlinks=True)
    return replace(small_run, folder=folder)


def own_pairs(folder, **pairs: tuple[np.ndarray, np.ndarray]) -> str:
    rows = {}
    for name, (a, b) in pairs.items():
        np.save(folder / f"{name}_a.npy", a)
        np.save(folder / f"{name}_b.npy", b)
        rows[name] = {"image": f"{name}_a.npy", "text": f"{name}_b.npy", "note": "made up"}
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump({"pairs": rows}))
    return str(path)


def test_own_pairs_go_through_every_statistic(changed_copy):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(60, 16)) + 1
    b = a + rng.normal(size=(60, 16)) - 1
    config = own_pairs(changed_copy.folder, mine=(a, b))
    path = Path(config)
    entry = yaml.safe_load(path.read_text())
    entry["pairs"]["mine"] |= {"loss": "sigmoid", "scale": 12.5, "bias": -4.0}
    path.write_text(yaml.safe_dump(entry))
    planned = jobs(changed_copy.snakemake(config, "-n"))
    assert planned["import_files"] == 2
    assert "extract_embeddings" not in planned
    # Of what is measured and drawn over all sets, these stand for the rest.
    names = ("gap", "loss_landscape", "sigmoid_landscape", "sigmoid_minimum")
    statistics = [f"results/statistics/{name}.csv" for name in names]
    changed_copy.snakemake(config, "--", *statistics, "results/figures/sigmoid_loss.svg")
    tables = {
        name: pd.read_csv(changed_copy.folder / path, float_precision="round_trip")
        for name, path in zip(names, statistics, strict=True)
    }
    for side, vectors in (("image", a), ("text", b)):
        stored = read(changed_copy.folder / f"results/embeddings/mine/{side}.parquet").vectors
        np.testing.assert_allclose(stored, vectors, atol=1e-6)
    x, y = plain.unit(a.astype("f4")), plain.unit(b.astype("f4"))
    row = tables["gap"].set_index("set").loc["mine"]
    assert row["gap"] == pytest.approx(plain.gap(x, y))
    assert "mine" in set(tables["loss_landscape"]["set"])
    # The sigmoid loss at the scale and bias that the entry gives, and at the other temperatures.
    settings = yaml.safe_load((ROOT / "config/config.yaml").read_text())["loss_landscape"]
    settings |= yaml.safe_load((ROOT / "tests/small.yaml").read_text())["loss_landscape"]
    for table, expected in zip(
        (tables["sigmoid_landscape"], tables["sigmoid_minimum"]),
        plain.sigmoid_tables(x, y, 1 / 12.5, -4.0, settings),
        strict=True,
    ):
        assert set(table["set"]) == {"mine"}
        pd.testing.assert_frame_equal(
            table[list(expected)], expected.reset_index(drop=True), rtol=1e-7, check_dtype=False
        )


def test_own_pairs_that_do_not_fit_are_refused(changed_copy):
    a, b = np.random.default_rng(0).normal(size=(2, 60, 16))
    config = own_pairs(
        changed_copy.folder,
        fewer=(a, b[:-1]),
        flatter=(a, b[:, :-1]),
        undefined=(np.where(a == a[7], np.nan, a), b),
        empty=(a, np.where(b == b[3], 0, b)),
    )
    targets = {
        f"results/embeddings/{name}/{'text' if name == 'empty' else 'image'}.parquet": words
        for name, words in {
            "fewer": "fewer_a.npy has 60 items, but",
            "flatter": "has vectors of 16 dimensions, but",
            "undefined": "item '000007' holds NaN",
            "empty": "item '000003' is all zeros",
        }.items()
    }
    said = changed_copy.snakemake(config, "--", *targets, check=False)
    for target, words in targets.items():
        # Snakemake shows the job's own log, which holds the traceback and, last, what to do.
        assert words in said
        log = f"{Path(target).parent.name}.{Path(target).stem}.log"
        log = changed_copy.folder / "results/logs/import_files" / log
        assert "Traceback (most recent call last):" in log.read_text()
        assert words in log.read_text().splitlines()[-1]
        assert not (changed_copy.folder / target).exists()


def test_a_wrong_key_is_refused_before_anything_runs(small_run):
    said = small_run.snakemake("-n", "--config", "sead=1", check=False)
    assert "sead is not a known key" in said


def test_released_features_join_where_they_are_at_hand(changed_copy, mirror):
    changed_copy.mirror = mirror
    planned = jobs(changed_copy.snakemake("-n"))
    assert planned["convert_released"] == 20
    assert planned["download_asset"] == 14
    # Nothing else of the run changes: only what is measured over all sets is measured again.
    assert not planned.keys() & {
        "extract_embeddings",
        "extract_pair",
        "train_clip",
        "train_projections",
    }
    changed_copy.snakemake("--", "results/statistics/gap.csv")
    gaps = pd.read_csv(changed_copy.folder / "results/statistics/gap.csv", index_col="set")
    assert gaps.loc["clip", "gap"] == pytest.approx(0.8514, abs=6e-5)
    assert gaps.loc["clasp_random", "recall1_ab"] == pytest.approx(0.010, abs=6e-4)
    assert gaps.loc["clap_esc50", "recall1_ab"] == pytest.approx(0.9150, abs=1e-9)
    assert gaps.loc["flickr8k_b32", ["n", "clusters"]].tolist() == [500, 100]


def test_the_mirrors_real_pictures_take_part(tmp_path, mirror, warm):
    project = copy_project(tmp_path, None, mirror=mirror, warm=warm)
    plan = project.snakemake("tests/mirror.yaml", "-n")
    planned = jobs(plan)
    assert planned["make_dataset"] == 6
    assert planned["convert_released"] == 20
    assert planned["write_figures"] == planned["make_table2"] == 1
    for made in ("stitched_photographs/image", "clip_vit_b16_int8.fairface/image"):
        assert f"results/embeddings/{made}.parquet" in plan


def test_more_models_are_rows_alone(tmp_path, warm):
    planned = jobs(copy_project(tmp_path, None, warm=warm).snakemake("config/models.yaml", "-n"))
    assert planned["extract_pair"] == 3 + 4
    assert planned["import_files"] == 2
    assert planned["train_projections"] == 2
    assert planned["sweep_loss"] == 2
    assert planned["plot_sigmoid_loss"] == 1


def test_a_loss_of_ones_own_is_a_file_and_an_entry(tmp_path, warm):
    """The plan has its file as an input of the training, which so runs again when it changes."""
    project = copy_project(tmp_path, None, warm=warm)
    (tmp_path / "my_losses.py").write_text(
        "def theirs(x, y, logit_scale, batch):\n    return ((x - y) ** 2).sum()\n"
    )
    entry = {"loss_study": {"methods": {"theirs": {"loss": "my_losses.py:theirs"}}}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(entry))
    plan = project.snakemake("mine.yaml", "-n", "--", "results/after/losses.csv")
    (job,) = [job for job in Job.all_in(plan) if job.rule == "train_losses"]
    assert "my_losses.py" in job.inputs


def test_the_follow_ups_at_length_are_jobs_of_their_own(tmp_path, warm):
    project = copy_project(tmp_path, None, warm=warm)
    after = project.snakemake("config/after.yaml", "-n", "--", "results/after/methods.csv")
    assert jobs(after)["study_posthoc"] == 1 and "train_losses" not in jobs(after)
    plan = project.snakemake("config/losses.yaml", "-n", "--", "results/after/losses.csv")
    planned = jobs(plan)
    assert planned["train_losses_part"] == 8 and planned["train_losses"] == 1
    (job,) = [job for job in Job.all_in(plan) if job.rule == "train_losses"]
    assert "results/shards/losses/8-of-8.json" in job.inputs
