"""The dress rehearsal: the paper's own configuration, small, on archives in the official formats."""

import csv
import hashlib
from contextlib import ExitStack
from pathlib import Path

import official_formats as formats
import pytest
import yaml
from archive_server import serving
from check_outputs import faults
from conftest import ROOT, Project, find_mirror
from rehearsal import Rehearsal, finished_jobs, of_the_file, planned_jobs, prepare

# Rules for what stands in for the paper's data and models where these are not at hand.
STAND_INS = {"make_emoji_dataset", "make_digits_dataset", "train_clip"}


@pytest.fixture(scope="session")
def archives(tmp_path_factory) -> Path:
    """Where the archives lie once a rehearsal has written them."""
    return tmp_path_factory.mktemp("rehearsal") / "archives"


@pytest.fixture(scope="session")
def rehearsed(tmp_path_factory, archives) -> tuple[Project, str]:
    """A finished rehearsal, and all that Snakemake said."""
    with serving() as server:
        folder = tmp_path_factory.mktemp("project")
        project = prepare(folder, server, archives, find_mirror()).project
        said = project.snakemake()
    project.snakemake("--report", "results/report.html")
    return project, said


def test_every_rule_of_the_paper_ran(rehearsed):
    project, said = rehearsed
    assert finished_jobs(said) == planned_jobs(said)
    known = set(project.snakemake("--list-rules").split()) - {"all"}
    assert known - finished_jobs(said).keys() == STAND_INS


def test_every_output_is_there_and_whole(rehearsed):
    assert faults(rehearsed[0].folder / "results") == []


def rows(project: Project, table: str) -> list[dict]:
    with (project.folder / "results" / table).open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_tables_hold_the_rows_of_the_paper(rehearsed):
    project, _ = rehearsed
    tasks = {row["task"] for row in rows(project, "tables/table1.csv")}
    assert {"cifar10", "cifar100", "eurosat", "svhn", "hateful_memes"} <= tasks


def test_a_second_run_has_nothing_to_do(rehearsed):
    assert "Nothing to be done" in rehearsed[0].snakemake()
