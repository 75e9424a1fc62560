"""The tree itself: style, the workflow's own linter, and light starts of what only plots."""

import os
import re
import subprocess
import sys
from itertools import accumulate
from pathlib import Path

import pytest

RECIPE = re.search(
    r"^lint: .*\n((?:\t.*\n)+)", (Path(__file__).parents[3] / "Makefile").read_text(), re.MULTILINE
)[1]
COMMANDS = RECIPE.replace("\t", "").splitlines()


def test_lint_checks_what_it_says():
    programs = {command.split()[0] for command in COMMANDS}
    assert programs == {
        *("actionlint", "codespell", "mypy", "ruff", "snakefmt", "snakemake", "yamllint")
    }


# mypy takes half a minute where it has no cache; `make lint` alone runs it.
@pytest.mark.parametrize("command", [line for line in COMMANDS if line != "mypy"])
def test_style_is_clean(root, command):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command,
        shell=True,
        cwd=root,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_text_is_read_and_written_in_utf_8_whatever_the_language_of_the_machine(root):
    """ruff's PLW1514 knows a path only where it sees how it is made, and no rules."""
    calls = []
    for path in [*(root / "scripts").rglob("*.py"), *(root / "rules").glob("*.smk")]:
        text = path.read_text(encoding="utf-8")
        for found in re.finditer(r"\.(?:read|write)_text(?=\()", text):
            depths = accumulate({"(": 1, ")": -1}.get(one, 0) for one in text[found.end() :])
            length = next(number for number, depth in enumerate(depths, start=1) if not depth)
            calls.append((path.name, text[found.start() : found.end() + length]))
    assert [call for call in calls if not re.search(r'[(\s]"utf-8"|="utf-8"', call[1])] == []
    assert len(calls) > 30


def test_every_script_belongs_to_a_rule_and_logs_first(root):
    rules = "".join(path.read_text() for path in (root / "rules").glob("*.smk"))
    used = set(re.findall(r'"\.\./scripts/\w+/(\w+)\.py"', rules))
    scripts = {path.stem: path.read_text() for path in (root / "scripts").glob("*/*.py")}
    # The one that runs before the workflow, from the Makefile; the one that a figure shows; and
    # the package's own.
    standalone = {"fetch_released", "contrastive_loss"}
    standalone |= {path.stem for path in (root / "scripts/modality_gap").glob("*.py")}
    assert used == scripts.keys() - standalone
    for name in used:
        first = re.search(r"^(?:from|import) .*\n+(.*)", scripts[name], re.MULTILINE)
        assert first[1] == "log_to(snakemake)", name


def test_a_script_that_computes_with_torch_keeps_to_its_threads(root):
    """Otherwise the jobs of a machine would all take all of its cores."""
    found = {}
    for path in (root / "scripts").glob("*/*.py"):
        text = path.read_text(encoding="utf-8")
        if re.search(r"^import torch$", text, re.MULTILINE) and path.parent.name != "modality_gap":
            found[path.stem] = "\ntorch.set_num_threads(snakemake.threads)\n" in text
    assert {"train_xor", "train_clip", "extract_embeddings"} <= found.keys() and all(found.values())


def test_every_rule_says_what_it_does_and_keeps_log_and_benchmark(root):
    text = "".join(path.read_text() for path in sorted((root / "rules").glob("*.smk")))
    blocks = re.findall(
        r"^(use )?rule (?:\w+ as )?(\w+)(?: with)?:\n((?:(?:    .*)?\n)+)", text, re.MULTILINE
    )
    assert len(blocks) > 70
    for inherits, name, body in blocks:
        # Snakemake takes no docstring where one rule is made of another: a comment says it there.
        assert body.startswith("    # " if inherits else '    """'), name
        assert inherits or '    conda:\n        "../envs/' in body, name
        log = re.search(r'^    log:\n        "results/logs/(\S+)\.log",$', body, re.MULTILINE)
        assert log, name
        # NAME, NAME/WILDCARDS, or NAME itself with a wildcard in it: sweep_{loss} of sweep_loss.
        assert re.match(rf"{name}(/\S+)?$", log[1].replace("sweep_{loss}", "sweep_loss")), name
        assert f'    benchmark:\n        "results/benchmarks/{log[1]}.tsv"\n' in body, name


def test_settings_name_no_folder_that_an_importing_workflow_moves(root):
    """Snakemake gives a prefix to inputs and outputs, but not to paths among the settings."""
    text = "".join(path.read_text() for path in sorted((root / "rules").glob("*.smk")))
    settings = re.findall(r"^    params:\n((?:(?: {8}.*)?\n)+)", text, re.MULTILINE)
    assert len(settings) > 60 and any("{RESULTS}/" in one for one in settings)
    for one in settings:
        assert not re.search(r"[\"'](results|resources)/", one), one


HEAVY = {"torch", "open_clip", "timm", "transformers", "umap", "sklearn", "scipy", "seaborn"}


def test_what_plots_and_writes_pages_imports_nothing_heavy(root):
    # The registry of measures names their functions, which import scipy when they are called.
    names = [
        ".".join(path.relative_to(root / "scripts").with_suffix("").parts)
        for folder in ("figures", "paper", "pages")
        for path in (root / "scripts/modality_gap" / folder).rglob("*.py")
        if path.stem != "__init__"
    ]
    modules = ", ".join([*names, "modality_gap.measures.registry", "pandas", "pyarrow.parquet"])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {modules}; print(*sys.modules)"],
        cwd=root / "scripts",
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "modality_gap.measures.diagnostics" in loaded
    assert HEAVY.isdisjoint(loaded)


def test_scripts_that_plot_import_only_what_draws(root):
    for path in (root / "scripts").glob("*/plot_*.py"):
        imported = set(re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.MULTILINE))
        assert imported <= {"math", "matplotlib", "modality_gap", "numpy", "pandas"}, path.name
        own = set(re.findall(r"^from modality_gap\.([\w.]+)", path.read_text(), re.MULTILINE))
        own = {name for name in own if not name.startswith("figures.")}
        # paper.chance and paper.closing say which models are shown, and import pandas alone; the
        # words of pages write a temperature.
        light = {"logs", "measures.registry", "paper.chance", "paper.closing", "pages.words"}
        assert own <= light, path.name


def test_files_of_the_workflow_are_named_from_wherever_it_is_used(root):
    # A workflow that imports this one runs in another folder, and may give every path a prefix.
    text = "".join(path.read_text() for path in sorted((root / "rules").glob("*.smk")))
    named = r'f?"(?:config|report|scripts|envs|profiles)/[^ "]*\.\w+"|"requirements\.txt"'
    bare = re.findall(rf"^.*(?<!shipped\()(?<!\w)(?:{named}).*$", text, re.MULTILINE)
    assert bare == []
    assert len(re.findall(rf"shipped\((?:{named})\)", text)) > 30
    # The folder of the workflow that is run: for nothing but to see whether it is this one.
    assert text.count("workflow.basedir") == 2
