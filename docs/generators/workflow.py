"""The rules of the workflow as Snakemake itself reads them.

Of each rule: its file, what it is for, its script, the patterns of its outputs, the rules whose
outputs it reads, and the other files that it reads. What a rule reads is taken from its jobs in the
configurations below, none of which is run.
"""

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import yaml
from snakemake.api import SnakemakeApi
from snakemake.io import strip_wildcard_constraints
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
)

ROOT = Path(__file__).resolve().parents[2]
# Any folder of embeddings, for the rules of pairs in parts.
BY_PART = {**dict.fromkeys(("image", "text"), "config/example_pairs"), "by_part": True}
# Together they have jobs of every rule: files of --configfile, and what --config would say.
CONFIGURATIONS: tuple[tuple[list[str], dict], ...] = (
    ([], {}),
    ([], {"extraction": {"shards": 2, "precision": "auto"}, "pairs": {"parts": BY_PART}}),
    (["config/full.yaml"], {}),
    (["config/models.yaml"], {}),
    (["config/losses.yaml"], {}),
)


def read_rules() -> list[dict]:
    """All rules in the order of the Snakefile, read in other processes: Snakemake changes the
    working directory and the log of its own."""
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the workflow cannot be read:\n{done.stderr}")
    return json.loads(done.stdout)


def collect_rules() -> list[dict]:
    """All rules, with what they read in any of the configurations."""
    with tempfile.TemporaryDirectory() as mirror:
        place_empty_files(Path(mirror))
        tasks = [(mirror, *configuration) for configuration in CONFIGURATIONS]
        context = get_context("spawn")
        with ProcessPoolExecutor(2, context, max_tasks_per_child=1) as pool:
            rules_by_configuration = list(pool.map(rules_of, *zip(*tasks, strict=True)))
    rules = rules_by_configuration[0]
    for rule, *others in zip(rules, *rules_by_configuration[1:], strict=True):
        for key in ("rules", "files"):
            rule[key] = sorted({name for one in (rule, *others) for name in one[key]})
    return rules


def place_empty_files(mirror: Path) -> None:
    """A mirror that has every asset, so that every set and study takes part."""
    assets = yaml.safe_load((ROOT / "config" / "assets.yaml").read_text(encoding="utf-8"))
    for asset in assets.values():
        path = mirror / asset["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def rules_of(mirror: str, configfiles: list[str], config: dict) -> list[dict]:
    """All rules, with what they read in one configuration: files of --configfile, and `config` as
    --config gives it. Changes the environment and the working directory of this process."""
    os.environ["MODALITY_GAP_MIRROR"] = mirror
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        loaded = api.workflow(
            resource_settings=ResourceSettings(cores=2),
            config_settings=ConfigSettings(
                configfiles=[ROOT / path for path in configfiles], config=config
            ),
            snakefile=ROOT / "Snakefile",
            workdir=ROOT,
        )
        workflow = loaded.dag(DAGSettings(forceall=True)).workflow_api._workflow
        workflow._prepare_dag(forceall=True, ignore_incomplete=True, lock_warn_only=True)
        workflow._build_dag()
        return [_described(rule, workflow.dag) for rule in workflow.rules]


def _described(rule, dag) -> dict:
    """What the reference says of a rule, by its jobs in a graph of jobs."""
    sources, files = {}, set()
    for job in dag.jobs:
        if job.rule.name == rule.name:
            for source, outputs in dag.dependencies[job].items():
                sources |= dict.fromkeys(map(str, outputs), source.rule.name)
            files |= set(map(str, job.input))
    rest = files - sources.keys()
    return {
        "name": rule.name,
        "file": Path(str(rule.snakefile)).resolve().relative_to(ROOT).as_posix(),
        "about": " ".join((rule.docstring or "").split()),
        "script": _script(rule),
        "outputs": [strip_wildcard_constraints(str(file)) for file in rule.output],
        "rules": sorted(set(sources.values())),
        "files": sorted(file for file in rest if not file.startswith(("scripts/", "resources/"))),
    }


def _script(rule) -> str:
    """The script of a rule, relative to the project; empty if it has none."""
    if not rule.script:
        return ""
    folder = Path(str(rule.snakefile)).resolve().parent
    return Path(os.path.normpath(folder / str(rule.script))).relative_to(ROOT).as_posix()


if __name__ == "__main__":
    json.dump(collect_rules(), sys.stdout)
