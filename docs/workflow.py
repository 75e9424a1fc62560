"""The rules of the workflow as Snakemake itself reads them: JSON on stdout, for docs/generate.py.

A process of its own, since Snakemake changes the working directory and the log. For each rule: its
file, what it is for, its script, the patterns of its outputs, the rules whose outputs it reads and
the other files that it reads. What a rule reads is taken from all of its jobs in the default
configuration, or, if it has none there, from the inputs that are written out in the rule.
"""

import json
import sys
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.rules import Rule
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    OutputSettings,
    Quietness,
    ResourceSettings,
)
from snakemake.workflow import Workflow

ROOT = Path(__file__).resolve().parents[1]


def read_workflow() -> Workflow:
    """The workflow of this project with the jobs of the default configuration, none of them run."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        found = api.workflow(
            resource_settings=ResourceSettings(cores=2),
            config_settings=ConfigSettings(),
            snakefile=ROOT / "Snakefile",
            workdir=ROOT,
        )
        workflow = found.dag(DAGSettings(forceall=True)).workflow_api._workflow
        workflow._prepare_dag(forceall=True, ignore_incomplete=True, lock_warn_only=True)
        workflow._build_dag()
        return workflow


def pattern(path: str) -> str:
    """A path with the constraints of its wildcards taken out: {name,[a-z]+} becomes {name}."""
    return "".join(part.partition(",")[0] + "}" if "}" in part else part for part in [path])


def described(rule: Rule, workflow: Workflow) -> dict:
    """What the reference says of a rule."""
    jobs = [job for job in workflow.dag.jobs if job.rule.name == rule.name]
    if jobs:
        made = {
            str(file): source.rule.name
            for job in jobs
            for source, files in workflow.dag.dependencies[job].items()
            for file in files
        }
        files = {str(file) for job in jobs for file in job.input} - made.keys()
    else:
        written = [str(file) for file in rule.input if not callable(file)]
        made = {
            file: other.name
            for file in written
            for other in workflow.rules
            if any(file == str(output) for output in other.output)
        }
        files = set(written) - made.keys()
    return {
        "name": rule.name,
        "file": Path(str(rule.snakefile)).resolve().relative_to(ROOT).as_posix(),
        "line": rule.lineno,
        "about": " ".join((rule.docstring or "").split()),
        "script": rule.script and Path(str(rule.script)).as_posix(),
        "outputs": [str(file) for file in rule.output],
        "rules": sorted(set(made.values())),
        "files": sorted(file for file in files if not file.startswith("scripts/")),
    }


if __name__ == "__main__":
    workflow = read_workflow()
    json.dump([described(rule, workflow) for rule in workflow.rules], sys.stdout, indent=1)
