"""What a change reruns in a finished run: all that it touches, and nothing else."""

import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from queue import Queue

import pytest
from plan import Job, dry_run, imported, processes, scripts_of_rules, with_what_depends

from modality_gap.imports import EXCEPTIONS

AT_ONCE = 2


def copy_of(project, folder: Path):
    """The finished run once more; results are the same files, all else may be changed."""

    def copy(source: str, target: str) -> None:
        inside = Path(source).is_relative_to(project.folder / "results")
        (os.link if inside else shutil.copy2)(source, target)

    shutil.copytree(project.folder, folder, symlinks=True, copy_function=copy)
    return replace(project, folder=folder)


@pytest.fixture(scope="module")
def copies(small_run, tmp_path_factory) -> list[Path]:
    made = tmp_path_factory.mktemp("copies")
    return [copy_of(small_run, made / str(number)).folder for number in range(AT_ONCE)]


@pytest.fixture(scope="module")
def all_jobs(copies) -> list[Job]:
    """Every job of the workflow, with its files."""
    with processes(1) as pool:
        return Job.all_in(pool.apply(dry_run, (copies[0], "--forceall")))


def change_and_plan(folder: Path, file: str) -> str:
    """What a dry run says where a line was added to a file, which is as before in the end."""
    path = folder / file
    kept = path.with_name(f"{path.name}.kept")
    if path.exists():
        shutil.copy2(path, kept)
    with path.open("a") as opened:
        opened.write("\n# A line more.\n")
    try:
        return dry_run(folder, "--rerun-triggers", "mtime")
    finally:
        path.unlink()
        if kept.exists():
            kept.rename(path)


def plans(copies: list[Path], files: list[str]) -> dict[str, list[Job]]:
    """The jobs that a change of each file brings about, each alone."""
    free = Queue()
    for folder in copies:
        free.put(folder)
    with processes(len(copies)) as pool, ThreadPoolExecutor(len(copies)) as threads:

        def plan(file: str) -> list[Job]:
            folder = free.get()
            said = pool.apply(change_and_plan, (folder, file))
            free.put(folder)
            jobs = Job.all_in(said)
            assert jobs or "Nothing to be done" in said, f"{file}: {said[-2000:]}"
            return jobs

        return dict(zip(files, threads.map(plan, files), strict=True))


def test_a_changed_module_reruns_what_imports_it_and_nothing_else(copies, all_jobs):
    scripts = scripts_of_rules(copies[0])
    needs = {name: imported(copies[0] / f"scripts/{name}.py") for name in scripts.values()}
    for modules, some, _ in EXCEPTIONS:
        for name in some or needs:
            needs[name] -= {f"modality_gap/{module}.py" for module in modules}
    folder = copies[0] / "scripts"
    modules = [path.relative_to(folder).as_posix() for path in folder.glob("modality_gap/*.py")]
    # The package's own names are imported where the version is told; a new one nowhere.
    for name in needs:
        if not re.search(r"import .*\b__version__", (folder / f"{name}.py").read_text()):
            needs[name].discard("modality_gap/__init__.py")
    modules = sorted([*modules, "modality_gap/of_nobody.py"])
    assert len(modules) > 30
    planned = plans(copies, [f"scripts/{module}" for module in modules])
    for module in modules:
        first = {job for job in all_jobs if module in needs[scripts[job.rule]]}
        expected = with_what_depends(all_jobs, first)
        mine = planned[f"scripts/{module}"]
        assert {job.outputs for job in mine} == {job.outputs for job in expected}, module
    assert not planned["scripts/modality_gap/of_nobody.py"]
    assert not planned["scripts/modality_gap/logs.py"]
    assert len(planned["scripts/modality_gap/plotting.py"]) > 25
