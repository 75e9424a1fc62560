"""What the host of the repository reads: workflows, hooks and forms."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml


def load(path: Path) -> dict:
    # GitHub's key `on` is a truth value in YAML 1.1.
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(root: Path, workflow: str) -> list[dict]:
    jobs = load(root / ".github" / "workflows" / f"{workflow}.yml")["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def script(root: Path, name: str) -> str:
    """The shell script of a step of the release."""
    return next(step["run"] for step in steps(root, "release") if step.get("name") == name)


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.defpath])
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env=environment | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def version(root) -> str:
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture
def folder(root, tmp_path) -> Path:
    """A folder with what the release reads, and a `gh` that writes down how it was called."""
    for name in ("pyproject.toml", "CHANGELOG.md"):
        (tmp_path / name).symlink_to(root / name)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gh").write_text('#!/bin/sh\necho "$*" > called\n')
    (tmp_path / "bin" / "gh").chmod(0o755)
    return tmp_path


def test_workflows_make_only_what_the_makefile_knows(root):
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE))
    text = "".join(path.read_text() for path in (root / ".github").rglob("*.yml"))
    called = {
        name for line in re.findall(r"run: make ([a-z -]+)$", text, re.M) for name in line.split()
    }
    nightly = load(root / ".github/workflows/nightly.yml")["jobs"]["test"]
    for row in nightly["strategy"]["matrix"]["include"]:
        called |= {row["target"], row["needs"]} - {""}
    assert {"lint", "unit", "docs", "report", "test"} <= called <= targets
    # Every target of tests runs somewhere.
    assert {name for name in targets if name.startswith("test")} <= called


def test_unit_tests_run_on_the_oldest_python_and_on_that_of_the_environments(root):
    pythons = load(root / ".github/workflows/ci.yml")["jobs"]["unit"]["strategy"]["matrix"][
        "python"
    ]
    oldest = tomllib.loads((root / "pyproject.toml").read_text())["project"]["requires-python"]
    assert oldest == f">={pythons[0]}"
    conda = re.search(r"python=(\d+\.\d+)", (root / "envs" / "statistics.yaml").read_text())[1]
    assert conda in pythons


@pytest.mark.parametrize(("tag", "code"), [("v{}", 0), ("{}", 1), ("v{}.1", 1)])
def test_a_release_needs_the_tag_of_its_version(root, folder, version, tag, code):
    done = run(script(root, "The tag is the version"), folder, GITHUB_REF_NAME=tag.format(version))
    assert done.returncode == code, done.stderr
    assert ("::error::" in done.stdout) == bool(code)


def test_the_notes_of_a_release_are_its_section_of_the_changelog(root, folder, version):
    done = run(
        script(root, "Make the release, with its section of the changelog"),
        folder,
        GITHUB_REF_NAME=f"v{version}",
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "called").read_text().startswith(f"release create v{version} --verify-tag")
    notes = (folder / "notes.md").read_text()
    assert "### Added" in notes
    assert "## [" not in notes
    assert notes.strip() in (root / "CHANGELOG.md").read_text()


def test_hooks_run_programs_of_the_lock_that_are_there(root):
    hooks = load(root / ".pre-commit-config.yaml")["repos"][0]["hooks"]
    assert len(hooks) >= 6
    for hook in hooks:
        program = Path(hook["entry"].split()[0])
        assert program.parent == Path(".venv/bin")
        assert (Path(sys.executable).parent / program.name).is_file(), hook["id"]


def test_forms_have_what_the_host_requires(root):
    forms = sorted((root / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) >= 3
    for form in forms:
        if form.name == "config.yml":
            continue
        content = load(form)
        assert {"name", "description", "body"} <= content.keys(), form
        assert all(entry["attributes"]["label"] for entry in content["body"]), form
