"""The tree itself: style, the workflow's own linter, and light starts of what only plots."""

import re
import subprocess
import sys

import pytest


def run(*command: str, cwd) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        # A text file is read and written in UTF-8, whatever the machine's language.
        ("ruff", "check", "--preview", "--select", "PLW1514", "scripts"),
        ("ruff", "format", "--check", "."),
        ("snakefmt", "--check", "Snakefile", "rules"),
        ("snakemake", "--lint"),
    ],
    ids=" ".join,
)
def test_style_is_clean(root, command):
    done = run(*command, cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr


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
        assert re.match(rf"{name}(/\S+)?$", log[1]), name
        assert f'    benchmark:\n        "results/benchmarks/{log[1]}.tsv"\n' in body, name


def test_scripts_that_plot_import_nothing_heavy(root):
    heavy = {"torch", "open_clip", "timm", "transformers", "umap", "sklearn", "scipy", "seaborn"}
    modules = "modality_gap.figures.style, modality_gap.figures.schematics, pandas, pyarrow.parquet"
    code = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root / "scripts",
        capture_output=True,
        text=True,
        check=True,
    )
    assert heavy.isdisjoint(done.stdout.split())
    for path in (root / "scripts").glob("*/plot_*.py"):
        imported = set(re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.MULTILINE))
        assert imported <= {"matplotlib", "modality_gap", "numpy", "pandas"}, path.name
        own = set(re.findall(r"^from modality_gap\.([\w.]+)", path.read_text(), re.MULTILINE))
        assert own <= {"logs", "figures.style", "figures.schematics"}, path.name
