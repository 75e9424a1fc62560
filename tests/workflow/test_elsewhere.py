"""The workflow used in the ways that Snakemake has: from another directory, as a module, deployed,
and in a container. Each comes to the gap of two files, with the numbers of a run in the clone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import copy_project

GAP = "results/statistics/gap.csv"
# A configuration in part: no set of the default takes part, and one value differs from the default.
SETTINGS = {
    "sets": None,
    "confidence": 0.8,
    "pairs": {"mine": {"image": "vectors/image.npy", "text": "vectors/text.npy"}},
}
MODULE = """
configfile: "config.yaml"


module gap:
    snakefile:
        {snakefile}
    config:
        config
    {prefix}


use rule * from gap as gap_*


onstart:
    gap.onstart()


rule all:
    default_target: True
    input:
        "{result}",
"""


def run(folder: Path, *arguments: object, **environment: str) -> str:
    """What `snakemake` says in a folder, whose run must succeed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MODALITY_GAP_MIRROR")}
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *map(str, arguments)],
        cwd=folder,
        env=clean | {"PATH": path} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def study(folder: Path, settings: dict, at: str = "config.yaml") -> Path:
    """A folder of a user's, with two files of embeddings and a configuration."""
    rng = np.random.default_rng(7)
    (folder / "vectors").mkdir(parents=True)
    for number, side in enumerate(("image", "text")):
        vectors = rng.standard_normal((60, 8)) + 2 * np.eye(8)[number]
        np.save(folder / "vectors" / f"{side}.npy", vectors.astype("float32"))
    (folder / at).parent.mkdir(parents=True, exist_ok=True)
    (folder / at).write_text(yaml.safe_dump(settings))
    return folder


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> pd.DataFrame:
    """gap.csv of a clone whose path has spaces and letters beyond ASCII."""
    folder = tmp_path_factory.mktemp("clones") / "Mind the gap, größer ふくろう"
    folder.mkdir()
    copy_project(folder, None)
    study(folder, SETTINGS, at="mine.yaml")
    run(folder, "--configfile", "mine.yaml", "--", GAP)
    table = pd.read_csv(folder / GAP)
    assert list(table["set"]) == ["mine"]
    assert table["n"].item() == 60
    # The definition of the paper, written out.
    x, y = (np.load(folder / "vectors" / f"{side}.npy") for side in ("image", "text"))
    x, y = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (x, y))
    assert table["gap"].item() == pytest.approx(np.linalg.norm(x.mean(0) - y.mean(0)), rel=1e-5)
    return table


def is_expected(path: Path, expected: pd.DataFrame) -> bool:
    pd.testing.assert_frame_equal(pd.read_csv(path), expected)
    return True


def test_another_working_directory(root, tmp_path, expected):
    study(tmp_path / "other", SETTINGS, at="mine.yaml")
    run(
        tmp_path,
        *("--snakefile", root / "Snakefile", "--directory", "other"),
        *("--configfile", "other/mine.yaml", "--", GAP),
    )
    assert is_expected(tmp_path / "other" / GAP, expected)
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == [
        *(".snakemake", "mine.yaml", "results", "vectors")
    ]


def test_a_working_directory_with_a_configuration(root, tmp_path, expected):
    study(tmp_path, SETTINGS, at="config/config.yaml")
    run(tmp_path, "--snakefile", root / "workflow" / "Snakefile", "--", GAP)
    assert is_expected(tmp_path / GAP, expected)


def test_a_module_with_a_prefix(root, tmp_path, expected):
    study(tmp_path, SETTINGS)
    result = f"mine/{GAP}"
    (tmp_path / "Snakefile").write_text(
        MODULE.format(
            snakefile=repr(str(root / "Snakefile")), prefix='prefix: "mine"', result=result
        )
    )
    run(tmp_path)
    assert is_expected(tmp_path / result, expected)
    assert not (tmp_path / "results").exists()
    assert yaml.safe_load((tmp_path / "mine/results/run.json").read_text())["jobs"]
    # Every rule finds its files and those of the others under the prefix.
    said = run(tmp_path, "--dry-run", "--", "mine/results/pairs.html")
    assert "gap_write_pairs_page" in said
    # Its captions would ask for the other configuration.
    said = run(tmp_path, "--report", "report.zip", "--", result)
    assert (tmp_path / "report.zip").is_file()
    # So are the files of a user's that are read part by part.
    parts = {side: f"parts/{side}" for side in ("image", "text")}
    for side, folder in parts.items():
        (tmp_path / folder).mkdir(parents=True)
        shutil.copy2(tmp_path / f"vectors/{side}.npy", tmp_path / folder / "0.npy")
    settings = SETTINGS | {"pairs": {"parts": parts | {"by_part": True}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    assert "gap_sum_part" in run(tmp_path, "--dry-run", "--", "mine/results/pairs.html")


def test_the_default_as_a_module_finds_every_file(root, tmp_path):
    (tmp_path / "config.yaml").write_text("{}")
    (tmp_path / "Snakefile").write_text(
        MODULE.format(
            snakefile=repr(str(root / "Snakefile")),
            prefix='replace_prefix: {"results/": "out/"}',
            result="out/index.html",
        )
    )
    said = run(tmp_path, "--dry-run")
    assert "gap_write_index" in said
    assert "output: out/index.html" in said


@pytest.fixture
def hosted(tmp_path, root) -> dict[str, str]:
    """Environment of a Snakemake that has cloned the project from its host, at the tag v0."""
    source = tmp_path / "source"
    source.mkdir()
    copy_project(source, None)
    about = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")

    def git(*words: object) -> None:
        subprocess.run(["git", *about, *map(str, words)], cwd=source, check=True)

    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "All")
    git("tag", "v0")
    cache = tmp_path / "cache"
    clones = cache / "snakemake/snakemake/source-cache/snakemake-git-cache/github.com"
    git("clone", "--quiet", "--bare", source, clones / "owner" / "name")
    shutil.rmtree(source)
    return {"XDG_CACHE_HOME": str(cache)}


def test_the_layout_of_snakedeploy(tmp_path, hosted, expected):
    folder = tmp_path / "deployed"
    study(folder, SETTINGS, at="config/config.yaml")
    (folder / "workflow").mkdir()
    text = MODULE.format(
        snakefile='github("owner/name", path="workflow/Snakefile", tag="v0")',
        prefix="",
        result=GAP,
    )
    (folder / "workflow" / "Snakefile").write_text(
        text.replace('"config.yaml"', '"config/config.yaml"')
        .replace(" as gap_*", "")
        .replace("rule all:", "rule mine:")
    )
    run(folder, **hosted)
    assert is_expected(folder / GAP, expected)
    assert (folder / ".snakemake" / "mind-the-gap" / "Snakefile").is_file()


APPTAINER = """#!{python}
# Apptainer's command line; in the place of a container, this machine.
import os, subprocess, sys
arguments = sys.argv[1:]
if "--version" in arguments:
    print("apptainer version 1.4.0")
    sys.exit()
with open(os.environ["CALLED"], "a") as stream:
    print(*arguments, file=stream)
shell = arguments.index("sh") if "sh" in arguments else arguments.index("bash")
sys.exit(subprocess.run(arguments[shell:]).returncode)
"""


@pytest.fixture
def apptainer(tmp_path, monkeypatch) -> Path:
    """A program in the place of Apptainer; the file in which it writes down its calls."""
    program = tmp_path / "programs" / "apptainer"
    program.parent.mkdir()
    program.write_text(APPTAINER.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLED", str(tmp_path / "called"))
    return tmp_path / "called"


def test_every_script_runs_in_the_container(root, tmp_path, apptainer, expected):
    folder = study(tmp_path / "other", SETTINGS, at="mine.yaml")
    (folder / "mind-the-gap.sif").touch()
    workflow = ("--snakefile", root / "Snakefile", "--configfile", "mine.yaml")
    said = run(folder, *workflow, "--sdm", "apptainer", "--", GAP)
    assert is_expected(folder / GAP, expected)
    calls = apptainer.read_text().splitlines()
    steps = said.count("Finished jobid")
    assert sum("mind-the-gap.sif" in call for call in calls) == steps > 1


def test_a_container_that_is_not_there_is_named(root, tmp_path, apptainer):
    folder = study(tmp_path / "other", SETTINGS, at="mine.yaml")
    with pytest.raises(AssertionError, match=r"container is 'mind-the-gap\.sif', and there is no"):
        run(
            folder,
            *("--snakefile", root / "Snakefile", "--configfile", "mine.yaml"),
            *("--sdm", "apptainer", "--", GAP),
        )
    assert not (folder / "results").exists()


def test_the_small_run_of_the_catalog(tmp_path):
    copy_project(tmp_path, None)
    run(tmp_path, "--directory", ".test")
    assert (tmp_path / ".test" / "results" / "pairs.html").stat().st_size > 10_000
    assert not (tmp_path / "results").joinpath("statistics").exists()
