"""The Makefile, with programs that only write down how they were called."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def project(root, tmp_path) -> Path:
    """The Makefile, an environment of programs that do nothing, and a finished run."""
    for name in ("Makefile", "Snakefile"):
        shutil.copy(root / name, tmp_path)
    for folder in ("rules", "report/captions", "results/bench", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "requirements.txt").touch()
    (tmp_path / "report" / "captions" / "figure1.rst").touch()
    (tmp_path / "results" / "methods.html").touch()
    for name in ("python", "snakemake"):
        program = tmp_path / ".venv" / "bin" / name
        program.write_text(
            f'#!/bin/sh\necho "{name} $*" >> called\n'
            'case "$*" in *--report*) for file; do :; done; echo > "$file";; esac\n'
        )
        program.chmod(0o755)
    (tmp_path / ".venv" / "installed").touch()
    for path in tmp_path.rglob("*"):
        os.utime(path, (1_000_000, 1_000_000))
    return tmp_path


def make(project: Path, *arguments: str) -> subprocess.CompletedProcess:
    # As from a shell, also where these tests run under `make test`.
    shell = {
        key: value for key, value in os.environ.items() if key[:4] != "MAKE" and key != "MFLAGS"
    }
    return subprocess.run(
        ["make", *arguments], cwd=project, capture_output=True, text=True, check=False, env=shell
    )


def reports(project: Path, target: str = "report") -> list[str]:
    """How `make` called Snakemake for its report."""
    done = make(project, target)
    assert done.returncode == 0, done.stderr
    called = (project / "called").read_text().splitlines()
    (project / "called").unlink()
    return [line for line in called if "--report" in line]


def test_snakemake_s_report_is_written_when_something_changed(project):
    assert len(reports(project)) == 1
    report = project / "results" / "report.zip"
    assert report.exists() and not (project / "results" / "unfinished").exists()
    assert reports(project) == []
    for changed in ("results/methods.html", "report/captions/figure1.rst", "Snakefile"):
        os.utime(report, (2_000_000, 2_000_000))
        os.utime(project / changed, (3_000_000, 3_000_000))
        assert len(reports(project)) == 1, changed
        os.utime(project / changed, (1_000_000, 1_000_000))
    assert reports(project, "full") == []
    for target in ("full", "paper"):
        report.unlink()
        assert "--configfile config/full.yaml" in reports(project, target)[0]


@pytest.mark.parametrize(
    ("target", "asked"),
    [("after", "after/methods.csv"), ("losses", "after/losses.csv results/after/xor.csv")],
)
def test_targets_of_the_follow_ups_make_their_tables(project, target, asked):
    assert make(project, target).returncode == 0
    last = (project / "called").read_text().splitlines()[-1]
    assert last == f"snakemake --configfile config/{target}.yaml -- results/{asked}"
    said = make(project, "help").stdout
    assert f"(config/{target}.yaml)" in said


def test_a_report_that_fails_leaves_none_that_looks_finished(project):
    program = project / ".venv" / "bin" / "snakemake"
    program.write_text(program.read_text() + 'case "$*" in *--report*) exit 1;; esac\n')
    assert make(project, "report").returncode != 0
    assert not (project / "results" / "report.zip").exists()


def test_what_a_linked_environment_points_to_is_not_cleared(project):
    shared = project / "shared"
    (project / ".venv").rename(shared)
    (project / ".venv").symlink_to("shared")
    before = sorted(shared.rglob("*"))
    # Newer than what is installed, as it is in a fresh clone.
    (project / "requirements.txt").touch()
    done = make(project, "report")
    assert done.returncode != 0
    assert sorted(shared.rglob("*")) == before
    assert not (project / "called").exists()
    sentence, *rest = done.stderr.strip().splitlines()
    assert sentence == (
        ".venv is a link to shared, which make would clear; remove the link, or install "
        "requirements.txt there yourself and touch .venv/installed."
    )
    assert all(line.startswith("make:") for line in rest)
    # What the sentence says helps.
    (shared / "installed").touch()
    assert len(reports(project)) == 1


def test_results_that_are_a_link_are_cleaned_too(project):
    (project / "results" / "README.md").touch()
    (project / "results" / "bench" / "kept.csv").touch()
    (project / "results").rename(project / "scratch")
    (project / "results").symlink_to("scratch")
    assert make(project, "clean").returncode == 0
    left = {path.name for path in (project / "scratch").rglob("*")}
    assert left == {"README.md", "bench", "kept.csv"}


def python_of(project: Path, version: str) -> str:
    """A Python that calls itself of another version, and makes no environment."""
    program = project / f"python{version}"
    major, minor = version.split(".")
    program.write_text(
        "#!/bin/sh\n"
        f'case "$1" in --version) echo "Python {version}.0"; exit;; -m) exit 9;; esac\n'
        f'exec {sys.executable} -c "import sys; sys.version_info = ({major}, {minor}, 0); $2"\n'
    )
    program.chmod(0o755)
    return f"PYTHON={program}"


@pytest.mark.parametrize("version", ["3.10", "3.15"])
def test_a_python_that_the_lock_has_no_packages_for_is_refused(project, version):
    (project / "requirements.txt").touch()
    done = make(project, "report", python_of(project, version))
    sentence, *rest = done.stderr.strip().splitlines()
    assert sentence.startswith("Python 3.11 to 3.14 is needed, and ")
    assert sentence.endswith(
        f"is Python {version}.0; give another one, as in make PYTHON=python3.13."
    )
    assert all(line.startswith("make:") for line in rest)


@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_a_python_of_the_lock_begins_the_environment(project, version):
    (project / "requirements.txt").touch()
    done = make(project, "report", python_of(project, version))
    assert "Error 9" in done.stderr  # the pretended Python has no venv
    assert "needed" not in done.stderr and "needs" not in done.stderr


def test_the_newest_python_needs_a_compiler(project, monkeypatch):
    (project / "requirements.txt").touch()
    programs = project / "programs"
    programs.mkdir()
    for name in ("make", "sh", "bash", "env", "readlink"):
        (programs / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(programs))
    python = python_of(project, "3.14")
    assert make(project, "report", python).stderr.startswith("Python 3.14 needs a C compiler")
    (programs / "cc").symlink_to(shutil.which("true", path=os.defpath))
    assert "Error 9" in make(project, "report", python).stderr


def test_a_wheelhouse_is_all_that_the_software_comes_from(project):
    said = make(project, "--dry-run", "--always-make", ".venv/installed").stdout
    assert "--no-index" not in said
    (project / "wheelhouse").mkdir()
    said = make(project, "--dry-run", "--always-make", ".venv/installed").stdout
    installs = [line for line in said.splitlines() if line.startswith(".venv/bin/")]
    assert len(installs) == 2
    assert all("--no-index --find-links wheelhouse" in line for line in installs)


def test_a_wheelhouse_holds_the_lock_and_what_installs_it(project):
    assert make(project, "wheelhouse").returncode == 0
    lock, installers = (project / "called").read_text().splitlines()
    assert "--require-hashes" in lock and lock.endswith("--requirement requirements.txt")
    assert "uv==" in installers and "setuptools" in installers


def test_links_within_results_are_named_and_what_they_point_to_stays(project):
    shared = project / "shared folder"
    (shared / "sub").mkdir(parents=True)
    (shared / "sub" / "a.parquet").touch()
    (project / "results" / "embeddings").symlink_to(shared)
    (project / ".snakemake").symlink_to(shared)
    done = make(project, "clean")
    assert done.returncode == 0, done.stderr
    assert "results/embeddings is a link to " + str(shared) in done.stdout
    assert ".snakemake is a link to " + str(shared) in done.stdout
    assert (shared / "sub" / "a.parquet").exists()
    assert not (project / "results" / "methods.html").exists()
    assert not (project / "results" / "embeddings").is_symlink()
    assert not (project / ".snakemake").is_symlink()
    # Again, with nothing left to do.
    assert make(project, "clean").returncode == 0


def test_results_that_are_absent_or_a_link_to_nothing(project):
    shutil.rmtree(project / "results")
    assert make(project, "clean").returncode == 0
    (project / "results").symlink_to("scratch")
    done = make(project, "clean")
    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == (
        "results is a link to scratch, which is not there; correct or remove the link."
    )
