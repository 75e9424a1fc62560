"""Own pairs in parts, each read by a job of its own: what is made, and what a new part costs."""

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import copy_project
from plan import Job

from modality_gap.embeddings.sets import normalise
from modality_gap.measures.gap_intervals import measure_gap

ROWS, D = 80, 12


def write_part(folder, number: int) -> None:
    rng = np.random.default_rng(number)
    for side, shift in (("image", 1), ("text", -1)):
        (folder / side).mkdir(exist_ok=True)
        np.save(folder / side / f"part_{number}.npy", rng.normal(size=(ROWS, D)) + shift)


def vectors(folder, *numbers: int):
    for side in ("image", "text"):
        parts = [np.load(folder / side / f"part_{number}.npy") for number in numbers]
        yield normalise(np.concatenate(parts).astype(np.float32))


@pytest.fixture(scope="module")
def project(tmp_path_factory, warm):
    folder = tmp_path_factory.mktemp("parts")
    for number in (9, 10):
        write_part(folder, number)
    row = {"image": "image", "text": "text", "by_part": True}
    config = {"sets": None, "pairs": {"mine": row}, "sample": 100}
    (folder / "own.yaml").write_text(yaml.safe_dump(config))
    return copy_project(folder, None, configs=("own.yaml",), warm=warm)


def rules(project, *arguments: str) -> list[str]:
    """The rules of the jobs that are planned, without those of pages and figures."""
    jobs = Job.all_in(project.snakemake("--dry-run", "--", *arguments))
    return sorted(job.rule for job in jobs if not job.rule.startswith(("plot", "write")))


def test_each_part_is_read_by_a_job_and_a_new_one_costs_one(project):
    folder, table = project.folder, "results/statistics/gap.csv"
    planned = rules(project, table)
    assert planned == ["measure_gaps", "sample_parts", "sample_parts", "sum_part", "sum_part"]
    # A part that cannot be read fails alone; what is done stays done.
    whole = (folder / "text/part_10.npy").read_bytes()
    (folder / "text/part_10.npy").write_bytes(whole[:500])
    said = project.snakemake("--keep-going", "--", table, check=False)
    assert "part_10.npy" in said
    (folder / "text/part_10.npy").write_bytes(whole)
    assert rules(project, table).count("sum_part") == 1
    project.snakemake("--", table)
    row = pd.read_csv(folder / table).iloc[0]
    assert (row["n"], row["compared_n"], row["dim"]) == (2 * ROWS, 100, D)
    for name, value in measure_gap(*vectors(folder, 9, 10), 0.95).items():
        assert row[name] == pytest.approx(value, rel=1e-4), name

    write_part(folder, 11)
    assert rules(project, table) == ["measure_gaps", "sample_parts", "sample_parts", "sum_part"]
    project.snakemake("--", table)
    row = pd.read_csv(folder / table).iloc[0]
    assert row["n"] == 3 * ROWS
    expected = measure_gap(*vectors(folder, 9, 10, 11), 0.95)
    assert row["gap"] == pytest.approx(expected["gap"], rel=1e-12)
    assert rules(project, table) == []


def test_the_page_is_of_the_sample_and_says_of_how_many(project):
    project.snakemake()
    results = project.folder / "results"
    page = (results / "pairs.html").read_text(encoding="utf-8")
    gap, diagnostics = (
        pd.read_csv(results / "statistics" / f"{name}.csv").iloc[0]
        for name in ("gap", "diagnostics")
    )
    assert diagnostics["n"] == 100
    assert f">{int(gap['n'])}<" in page and ">100<" in page
    assert "random sample of a large set" in page
