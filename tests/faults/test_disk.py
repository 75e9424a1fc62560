"""A disk that is full, or may not be written to: one sentence, no half file, and on it goes."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import copy_project

pytestmark = pytest.mark.faults

EMBEDDINGS = "results/embeddings/mine/image.parquet"
TABLE = "results/statistics/sphere.csv"
FIGURE = "results/figures/figure3g.svg"
CONFIG = ("--configfile", "tests/small.yaml", "own.yaml", "--", EMBEDDINGS, TABLE, FIGURE)
GROUP = "The disk"
NOT_RESULTS = ("logs", "benchmarks", "run.json")


@pytest.fixture
def disk(tmp_path):
    """A copy of the project whose results lie on a disk of their own, and a way to remount it."""
    copy_project(tmp_path, None)
    folder = tmp_path / "results"

    def mount(options: str) -> subprocess.CompletedProcess:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    tried = mount("size=96k") if os.geteuid() == 0 else None
    if tried is None or tried.returncode:
        pytest.skip(f"needs to mount a tmpfs, as root: {tried.stderr.strip() if tried else ''}")
    rng = np.random.default_rng(0)
    for side in ("image", "text"):
        np.save(tmp_path / f"{side}.npy", rng.normal(size=(20_000, 16)).astype(np.float32))
    pairs = {"mine": {"image": "image.npy", "text": "text.npy", "note": "made up"}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"pairs": pairs}))

    def change(options: str) -> None:
        done = mount(f"remount,{options}")
        assert done.returncode == 0, done.stderr

    yield tmp_path, change
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def files(folder: Path) -> set[str]:
    results = folder / "results"
    return {
        str(path.relative_to(folder))
        for path in results.rglob("*")
        if path.is_file() and path.relative_to(results).parts[0] not in NOT_RESULTS
    }


def test_a_full_disk(disk, snakemake, faults):
    folder, change = disk
    # One job at a time: where the log has no room, two would mix their words on the terminal.
    run = snakemake.run(folder, "--cores", "1", *CONFIG)
    print(run.said)
    assert run.code == 1
    assert files(folder) == set()
    for name, rule in ((EMBEDDINGS, "import_files"), (TABLE, "simulate_sphere")):
        # In the log, which Snakemake shows; on the terminal where the disk has no room for the log.
        traceback, _, reason = run.said.rpartition(f"\n{name} cannot be written")
        assert "Traceback" in traceback
        assert f"Error in rule {rule}:" in run.said
        reason = f"{name} cannot be written{reason.splitlines()[0]}"
        faults.add(
            GROUP,
            f"disk full while writing {'a Parquet file' if name == EMBEDDINGS else 'a table'}",
            reason,
            run.code,
            "no incomplete file; with more space the same command continues",
            folder,
        )
    change("size=32m")
    again = snakemake.run(folder, *CONFIG)
    assert again.code == 0, again.said
    assert {EMBEDDINGS, TABLE, FIGURE} <= files(folder)


def test_a_disk_that_may_not_be_written_to(disk, snakemake, faults):
    folder, change = disk
    change("size=32m")
    first = snakemake.run(folder, *CONFIG[:-1])
    assert first.code == 0, first.said
    before = {name: (folder / name).read_bytes() for name in files(folder)}
    change("ro")
    run = snakemake.run(folder, *CONFIG)
    print(run.said)
    assert run.code == 1
    assert {name: (folder / name).read_bytes() for name in files(folder)} == before
    faults.add(
        GROUP,
        "results/ is not writable",
        run.refusal(),
        run.code,
        "all existing files; once it is writable, the same command continues",
        folder,
    )
    change("rw")
    again = snakemake.run(folder, *CONFIG)
    assert again.code == 0, again.said
    assert FIGURE in files(folder)
