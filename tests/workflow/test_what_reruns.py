"""What a change reruns in a finished run: all that it touches, and nothing else."""

import ast
import hashlib
import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from jinja2 import Environment
from jinja2.meta import find_referenced_templates
from plan import Job, dry_run, imported, processes, scripts_of_rules, with_what_depends
from safetensors.numpy import load_file, save_file

from modality_gap.embeddings.stored import read
from modality_gap.imports import EXCEPTIONS, STAGES


def copy_of(project, folder: Path):
    """The finished run once more; results are the same files, all else may be changed."""

    def copy(source: str, target: str) -> None:
        inside = Path(source).is_relative_to(project.folder / "results")
        (os.link if inside else shutil.copy2)(source, target)

    shutil.copytree(project.folder, folder, symlinks=True, copy_function=copy)
    return replace(project, folder=folder)


@pytest.fixture(scope="module")
def finished(small_run, tmp_path_factory) -> Path:
    return copy_of(small_run, tmp_path_factory.mktemp("copies") / "finished").folder


def plan_after_change(folder: Path, files: list[str], *arguments: str) -> list[Job]:
    """The jobs that a line more in each file brings about; the files are as before in the end."""
    kept = {path: path.with_name(f"{path.name}.kept") for path in (folder / one for one in files)}
    for path, copy in kept.items():
        if path.exists():
            shutil.copy2(path, copy)
        with path.open("a") as opened:
            opened.write("\n# A line more.\n")
    try:
        with processes(1) as pool:
            said = pool.apply(dry_run, (folder, "--rerun-triggers", "mtime", *arguments))
    finally:
        for path, copy in kept.items():
            path.unlink()
            if copy.exists():
                copy.rename(path)
    jobs = Job.all_in(said)
    assert jobs or "Nothing to be done" in said, said[-2000:]
    return jobs


@pytest.fixture(scope="module")
def all_jobs(finished) -> list[Job]:
    """Every job of the workflow, with its files."""
    return plan_after_change(finished, [], "--forceall")


def modules(files: Iterable[str]) -> set[str]:
    """Those of some files that are modules of the package, below scripts/."""
    return {file.removeprefix("scripts/") for file in files if "/modality_gap/" in file}


@pytest.fixture(scope="module")
def needed(finished, all_jobs) -> dict[Job, set[str]]:
    """Job > the modules that its script imports, but for the exceptions."""
    scripts = scripts_of_rules(finished)
    needs = {name: imported(finished / f"scripts/{name}.py") for name in scripts.values()}
    for without, some, _ in EXCEPTIONS:
        for name in some or needs:
            needs[name] -= {f"modality_gap/{module.replace('.', '/')}.py" for module in without}
    # The package's own names are imported where the version is named; those of its parts nowhere.
    for name in needs:
        if not re.search(r"import .*\b__version__", (finished / f"scripts/{name}.py").read_text()):
            needs[name].discard("modality_gap/__init__.py")
        needs[name] -= {
            path for path in needs[name] if path.count("/") > 1 and path.endswith("__init__.py")
        }
        needs[name] = {path for path in needs[name] if path.startswith("modality_gap/")}
    return {job: needs[scripts[job.rule]] for job in all_jobs}


def test_the_modules_that_a_script_imports_are_inputs_of_its_job(needed):
    assert len(set.union(*needed.values())) > 100
    for job, expected in needed.items():
        assert modules(job.inputs) == expected, job.rule


def test_a_changed_module_reruns_what_imports_it_and_nothing_else(finished, all_jobs, needed):
    """One module of each stage alone, then all at once."""
    folder = finished / "scripts"
    every = sorted(
        path.relative_to(folder).as_posix() for path in folder.glob("modality_gap/**/*.py")
    )
    # Of each stage the module that fewest jobs need, for a job too many is seen best there.
    number = {one: sum(one in modules for modules in needed.values()) for one in every}
    chosen = [
        min((one for one in every if f"/{stage}/" in one and number[one]), key=number.__getitem__)
        for stage in itertools.chain(*STAGES.values())
    ]
    unseen = ["modality_gap/of_nobody.py", "modality_gap/logs.py"]
    for changed in (unseen, *([one] for one in chosen), every):
        planned = plan_after_change(finished, [f"scripts/{module}" for module in changed])
        first = {job for job, modules in needed.items() if modules & {*changed}}
        expected = with_what_depends(all_jobs, first)
        assert {job.outputs for job in planned} == {job.outputs for job in expected}, changed
    assert len(planned) > 80


def test_pages_are_written_again_for_every_file_that_they_are_made_of(all_jobs, root):
    inputs = {job.rule: job.inputs for job in all_jobs}
    text = {
        path.stem.partition(".")[0]: path.read_text() for path in root.glob("report/templates/*.j2")
    }
    for rule in ("write_index", "write_evidence", "write_figures", "write_methods"):
        script = (root / "scripts" / "pages" / f"{rule}.py").read_text()
        todo = re.findall(r'render_page\((?:[^"(]|\([^()]*\))*?"(\w+)"', script)
        assert todo
        templates = set()
        while todo:
            name = todo.pop()
            templates.add(f"report/templates/{name}.html.j2")
            todo += find_referenced_templates(Environment().parse(text[name]))
        given = inputs[rule]
        assert {path for path in given if path.endswith(".j2")} == templates, rule
        assert "report/style.css" in given
        assert {"report/scripts/theme.js", "report/scripts/page.js"} <= given
        if rule == "write_figures":
            for figure in (path for path in given if path.startswith("results/figures/")):
                name = Path(figure).name.partition(".")[0]
                assert f"report/captions/{name}.rst" in given, name
    assert "scripts/supplement/contrastive_loss.py" in inputs["write_supplementary12"]
    assert inputs["check_claims"] >= {"config/ledger/parts.yaml", "config/schema/claims.yaml"}
    assert "config/ledger/errata.yaml" in inputs["write_evidence"]
    # What is read is an input: no script and no module knows a file of the project by its name.
    for path in (root / "scripts").rglob("*.py"):
        if path.name != "fetch_released.py":  # which runs before the workflow
            names = [
                node.value
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ]
            named = [name for name in names if re.match(r"(config|report|resources)/\S+$", name)]
            assert not named, path.name


def test_more_threads_of_an_extraction_embed_nothing_again(small_run, tmp_path):
    (tmp_path / "more.yaml").write_text(yaml.safe_dump({"extraction": {"workers": 5}}))
    planned = Job.all_in(small_run.snakemake(str(tmp_path / "more.yaml"), "-n"))
    # The pages show the configuration.
    assert all(job.rule.startswith("write_") for job in planned)


@pytest.fixture(scope="module")
def own_models(small_run, tmp_path_factory):
    """The finished run and, embedded, two models and pairs of one's own."""
    project = copy_of(small_run, tmp_path_factory.mktemp("own") / "project")
    weights = project.folder / "in" / "epoch_latest.safetensors"
    weights.parent.mkdir()
    shutil.copy(project.folder / "results/models/digit_clip.safetensors", weights)
    rng = np.random.default_rng(0)
    for side in "ab":
        np.save(project.folder / f"in/{side}.npy", rng.normal(size=(30, 4)))
    row = {
        "library": "open_clip",
        "architecture": "config/architectures/digit-clip.json",
        "inputs": "few",
    }
    own = {
        "inputs": {"few": {"dataset": "emoji", "sample": 10}},
        "models": {
            "mine": row
            | {"label": "Mine", "pretrained": "./in/epoch_latest.safetensors", "twin": False},
            "seeded": row | {"label": "Seeded", "seed": 5, "note": "of a seed"},
        },
        "pairs": {
            "vectors": {
                "image": "in/a.npy",
                "text": "in/b.npy",
                "note": "made up",
                "loss": "sigmoid",
                "scale": 10,
                "bias": -10,
            }
        },
    }
    (project.folder / "own.yaml").write_text(yaml.safe_dump(own, sort_keys=False))
    project = replace(project, configs=("tests/small.yaml", "own.yaml"))
    sets = ("mine", "seeded", "vectors")
    project.snakemake("--", *(f"results/embeddings/{name}/image.parquet" for name in sets))
    return project


def test_the_plan_does_not_depend_on_the_hash_seed(own_models):
    def plan(seed: int) -> list[Job]:
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "-n", "--configfile", *own_models.configs],
            cwd=own_models.folder,
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        )
        return Job.all_in(done.stdout + done.stderr)

    with ThreadPoolExecutor(2) as threads:
        one, *others = threads.map(plan, range(1, 6))
    rules = {job.rule for job in one}
    assert "measure_gaps" in rules
    # What is embedded already is not embedded again, whatever the order of a set.
    assert not rules & {"extract_pair", "extract_embeddings", "extract_variants"}
    assert {job.rule for job in one if "image.parquet" in " ".join(job.outputs)} <= {"import_files"}
    for other in others:
        assert {(job.rule, job.inputs, job.outputs) for job in other} == {
            (job.rule, job.inputs, job.outputs) for job in one
        }


def test_an_overwritten_checkpoint_is_embedded_again(own_models):
    target = "results/embeddings/mine/image.parquet"
    weights = own_models.folder / "in" / "epoch_latest.safetensors"
    about = read(own_models.folder / target).metadata
    assert about["weights"] == weights.name
    assert about["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert "Nothing to be done" in own_models.snakemake("-n", "--", target)
    state = load_file(weights)
    save_file({name: np.asarray(1.01 * value) for name, value in state.items()}, weights)
    os.utime(weights, (1_000_000, 1_000_000))  # an older epoch, copied with its time
    (job,) = Job.all_in(own_models.snakemake("-n", "--", target))
    assert job.rule == "extract_pair"
    assert "Params have changed" in job.reason
    os.utime(weights)
    (job,) = Job.all_in(own_models.snakemake("-n", "--rerun-triggers", "mtime", "--", target))
    assert job.reason == f"Updated input files: in/{weights.name}"
