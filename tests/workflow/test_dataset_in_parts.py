"""A data set in parts: the same rows and embeddings as from one file, and what a new file costs."""

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import Project, copy_project
from PIL import Image
from plan import Job

from modality_gap.embeddings.stored import read
from modality_gap.measures.gap_intervals import measure_gap

ITEMS = 8  # of a tar; a batch of an extraction is never larger
EMBEDDED = ["whole", "parted", "whole_sample", "parted_sample", "whole_even", "parted_even"]


def write_tar(path: Path, number: int) -> None:
    """A tar of pictures and captions, as webdataset writes it; classes are even and odd."""
    rng = np.random.default_rng(number)
    with tarfile.open(path, "w") as archive:
        for item in range(ITEMS):
            picture = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(picture, "PNG")
            kind = b"even" if item % 2 == 0 else b"odd"
            members = {"png": picture.getvalue(), "txt": b"noise %d" % item, "cls": kind}
            for ending, content in members.items():
                entry = tarfile.TarInfo(f"{item:03d}.{ending}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))


def settings() -> dict:
    entry = {"format": "webdataset", "files": {"shards": "tars/"}}
    inputs = {
        f"{name}{kind}": {"dataset": name, **choice}
        for name in ("whole", "parted")
        for kind, choice in (
            ("", {}),
            ("_sample", {"sample": 7, "where": {"label": ["odd"]}}),
            ("_even", {"where": {"label": ["even"]}}),
        )
    }
    tiny = {"library": "timm", "architecture": "resnet10t", "seed": 0}
    tiny["options"] = {"image_size": 32}
    return {
        "datasets": {"whole": entry, "parted": {**entry, "files_per_part": 2}},
        "inputs": inputs,
        "encoders": {"tiny": tiny},
        "extraction": {"batch_size": 2 * ITEMS},
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory, warm) -> Project:
    folder = tmp_path_factory.mktemp("parted")
    (folder / "tars").mkdir()
    for number in range(5):
        write_tar(folder / f"tars/{number:05d}.tar", number)
    (folder / "own.yaml").write_text(yaml.safe_dump(settings()))
    return copy_project(folder, None, configs=("own.yaml",), warm=warm)


def embeddings(inputs: str) -> str:
    return f"results/embeddings/tiny.{inputs}/image.parquet"


def planned(project: Project, *targets: str) -> list[str]:
    return sorted(job.rule for job in Job.all_in(project.snakemake("--dry-run", "--", *targets)))


def test_parts_give_what_one_file_gives_and_survive_a_torn_one(project):
    folder, target = project.folder, embeddings("parted")
    whole = (folder / "tars/00002.tar").read_bytes()
    (folder / "tars/00002.tar").write_bytes(whole[:3000])
    said = project.snakemake("--keep-going", "--", target, check=False)
    assert "tars/00002.tar" in said
    made = folder / "results/datasets/parted"
    assert sorted(path.name for path in made.iterdir()) == ["00000.parquet", "00004.parquet"]
    (folder / "tars/00002.tar").write_bytes(whole)
    # What is done stays done.
    assert planned(project, target) == sorted(
        ["make_part", "extract_part", "gather_embedded_parts"]
    )
    project.snakemake("--", *(embeddings(name) for name in EMBEDDED))
    for kind in ("", "_sample", "_even"):
        parts, one = (read(folder / embeddings(f"{name}{kind}")) for name in ("parted", "whole"))
        np.testing.assert_array_equal(parts.item_ids, one.item_ids)
        pd.testing.assert_frame_equal(parts.labels, one.labels)
        np.testing.assert_allclose(parts.vectors, one.vectors, rtol=1e-3, atol=1e-5)
    assert len(parts) == 5 * ITEMS // 2
    assert len(read(folder / embeddings("parted_sample"))) == 7
    project.snakemake("--", "results/datasets/parted.parquet")
    frames = [
        pd.read_parquet(folder / f"results/datasets/{name}.parquet") for name in ("parted", "whole")
    ]
    pd.testing.assert_frame_equal(*frames)


def test_a_new_file_costs_its_part(project):
    folder, target = project.folder, embeddings("parted")
    project.snakemake("--", target)
    assert planned(project, target) == []
    before = sorted(path.name for path in (folder / target).glob("*.parquet"))
    write_tar(folder / "tars/00005.tar", 5)
    # Once embedded, a part of the data set is not needed again.
    (folder / "results/datasets/parted/00002.parquet").unlink()
    jobs = Job.all_in(project.snakemake("--dry-run", "--", target))
    made = {path for job in jobs for path in job.outputs}
    assert made == {
        "results/datasets/parted/00004.parquet",
        "results/shards/tiny.parted/image.00004.parquet",
        target,
    }
    project.snakemake("--", target)
    assert len(read(folder / target)) == 6 * ITEMS
    write_tar(folder / "tars/00006.tar", 6)
    project.snakemake("--", target)
    # The parts keep their names, so that sums of each (`by_part`) stay valid.
    after = sorted(path.name for path in (folder / target).glob("*.parquet"))
    assert after == [*before, "image.00006.parquet"]
    assert not (folder / "results/datasets/parted/00002.parquet").exists()
    assert planned(project, target) == []


def test_a_killed_run_goes_on_with_the_parts_that_are_missing(tmp_path, warm):
    (tmp_path / "tars").mkdir()
    for number in (0, 1):
        write_tar(tmp_path / f"tars/{number}.tar", number)
    os.mkfifo(tmp_path / "tars/2.tar")  # its reader waits for a writer
    config = settings()
    config["datasets"]["parted"]["files_per_part"] = 1
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(config))
    project = copy_project(tmp_path, None, configs=("own.yaml",), warm=warm)
    target, made = "results/datasets/parted.parquet", tmp_path / "results/datasets/parted"
    run = warm.start(tmp_path, "--cores", "2", "--configfile", "own.yaml", "--", target)
    run.wait_for(lambda: len(run.finished()) == 2 and len(run.jobs()) == 3)
    run.kill()
    assert sorted(path.name for path in made.iterdir()) == ["0.parquet", "1.parquet"]
    before = [(made / f"{number}.parquet").stat().st_mtime_ns for number in (0, 1)]
    (tmp_path / "tars/2.tar").unlink()
    write_tar(tmp_path / "tars/2.tar", 2)
    project.snakemake("--unlock")
    assert planned(project, target) == ["gather_parts", "make_part"]
    project.snakemake("--", target)
    assert [(made / f"{number}.parquet").stat().st_mtime_ns for number in (0, 1)] == before
    assert len(pd.read_parquet(tmp_path / target)) == 3 * ITEMS


def whole_side(folder: Path, modality: str) -> np.ndarray:
    paths = sorted((folder / "results/shards/mine.parted").glob(f"{modality}.*.parquet"))
    return np.concatenate([read(path).normalised() for path in paths])


def test_a_model_is_measured_part_by_part(tmp_path, warm):
    (tmp_path / "tars").mkdir()
    for number in range(14):
        write_tar(tmp_path / f"tars/{number:05d}.tar", number)
    clip = {"library": "open_clip", "architecture": "config/architectures/digit-clip.json"}
    entry = {"format": "webdataset", "files": {"shards": "tars/"}, "files_per_part": 7}
    config = {
        "sets": None,
        "datasets": {"parted": entry},
        "inputs": {"parted": {"dataset": "parted"}},
        "models": {"mine": {**clip, "seed": 3, "inputs": "parted", "by_part": True}},
        "tasks": {"kinds": {"inputs": "parted", "label": "label", "prompt": "a photo of {}"}},
        "table1": {"sets": ["mine"], "tasks": ["kinds"]},
        "table2": {"set": "mine"},
        "sample": 100,
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(config))
    project = copy_project(tmp_path, None, configs=("own.yaml",), warm=warm)
    table = "results/statistics/gap.csv"
    project.snakemake("--", table)
    row = pd.read_csv(tmp_path / table).iloc[0]
    assert (row["n"], row["compared_n"]) == (14 * ITEMS, 100)
    expected = measure_gap(*(whole_side(tmp_path, side) for side in ("image", "text")), 0.95)
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, rel=1e-4), name
    sample = read(tmp_path / "results/embeddings/mine/text.parquet")
    assert len(sample) == 100 and sample.metadata["model"] == "digit-clip"
    # A task reads all pictures, with their labels, and no sample.
    images = "results/embeddings/mine.parted/image.parquet"
    assert images in project.snakemake("--dry-run", "--", "results/statistics/zero_shot.csv")

    write_tar(tmp_path / "tars/00014.tar", 14)
    assert planned(project, table) == [
        *("extract_part", "extract_part", "make_part"),
        *("measure_gaps", "sample_parts", "sample_parts", "sum_part"),
    ]


def test_a_data_set_may_become_one_file_and_parts_again(project):
    folder = project.folder
    project.snakemake("--", "results/datasets/parted.parquet", embeddings("parted"))
    config = settings()
    del config["datasets"]["parted"]["files_per_part"]
    (folder / "own.yaml").write_text(yaml.safe_dump(config))
    targets = "results/datasets/parted.parquet", embeddings("parted")
    project.snakemake("--", *targets)
    assert all((folder / path).is_file() for path in targets)
    (folder / "own.yaml").write_text(yaml.safe_dump(settings()))
    project.snakemake("--", *targets)
    assert all((folder / path).is_dir() for path in targets)
    assert len(read(folder / targets[1])) == len(list((folder / "tars").iterdir())) * ITEMS
