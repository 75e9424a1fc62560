"""Run the script of one rule outside Snakemake, under a debugger if asked.

    python -m modality_gap.debug plot_figure2b
    python -m modality_gap.debug sweep_zero_shot set=stitched --configfile tests/small.yaml --pdb

The script gets the `snakemake` object of its job, and so the inputs that a run has made. It writes
below results/debug/ instead of results/, and to the terminal instead of a log.
"""

import argparse
import difflib
import os
import pdb
import runpy
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from snakemake.api import SnakemakeApi
from snakemake.dag import DAG
from snakemake.exceptions import WorkflowError
from snakemake.iocontainers import OutputFiles, Snakemake
from snakemake.jobs import Job
from snakemake.rules import Rule
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

from modality_gap import logs
from modality_gap.errors import InputError

SNAKEFILE = Path(__file__).parents[2] / "Snakefile"
RESULTS = Path("results")


def find_rule(rules: Mapping[str, Rule], name: str) -> Rule:
    """The rule with this name. Raises InputError if there is no such rule or if it has no
    script."""
    if name not in rules:
        close = difflib.get_close_matches(name, rules, 1)
        raise InputError(
            f"there is no rule {name}" + (f"; did you mean {close[0]}?" if close else ".")
        )
    if not rules[name].script:
        raise InputError(f"rule {name} has no script.")
    return rules[name]


def check_wildcards(rule: Rule, wildcards: Mapping[str, str]) -> None:
    """Raise InputError unless the rule has exactly these wildcards."""
    if set(wildcards) != set(rule.wildcard_names):
        needed = " ".join(f"{name}=..." for name in sorted(rule.wildcard_names))
        raise InputError(
            f"give the wildcards of rule {rule.name} as {needed}."
            if needed
            else f"rule {rule.name} has no wildcards; give none."
        )


def check_inputs(name: str, paths: Iterable[str]) -> None:
    """Raise InputError unless all inputs of a rule exist. An input may be a folder."""
    for path in paths:
        if not Path(path).exists():
            raise InputError(
                f"rule {name} reads {path}, which does not exist; run `snakemake {path}` first."
            )


def in_debug_folder(path: str) -> str:
    """The path below results/debug/ that replaces a path below results/. Makes its folder."""
    moved = RESULTS / "debug" / Path(path).relative_to(RESULTS)
    moved.parent.mkdir(parents=True, exist_ok=True)
    return str(moved)


def job_of(
    name: str, wildcards: Mapping[str, str], configfiles: Sequence[Path], cores: int
) -> tuple[Path, Snakemake]:
    """The script of a rule's job, and the object `snakemake` that Snakemake would give this script.
    The outputs of that object are in results/debug/.

    Raises InputError if the rule, a wildcard or an input does not exist, and WorkflowError if the
    workflow itself refuses the configuration.
    """
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, enable_file_logging=False)) as api:
        # Snakemake's interface for programs ends where a job begins, so its inner classes are used.
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=cores),
            config_settings=ConfigSettings(configfiles=configfiles),
            snakefile=SNAKEFILE,
        )
        workflow.dag()
        inner = workflow._workflow
        rule = find_rule({rule.name: rule for rule in inner.rules}, name)
        check_wildcards(rule, wildcards)
        job = Job(rule, DAG(inner, rules=[rule]), dict(wildcards))
        check_inputs(name, job.input)
        script = Path(rule.basedir.get_path_or_uri(secret_free=True)) / rule.script
        given = Snakemake(
            job.input,
            OutputFiles(toclone=job.output),
            job.params,
            job.wildcards,
            job.threads,
            job.resources,
            job.log,
            inner.config,
            name,
            None,
            str(script.parent.resolve()),
        )
    given.output = OutputFiles(toclone=given.output, custom_map=in_debug_folder)
    return script.resolve(), given


def run(script: Path, given: Snakemake, debugger: pdb.Pdb | None = None) -> None:
    """Run a script with its object `snakemake`. A debugger stops at the script's first line and
    where an exception ends the script."""
    sys.path.insert(0, str(script.parent))
    logs.log_to = lambda snakemake: None
    if debugger is None:
        runpy.run_path(str(script), {"snakemake": given}, "__main__")
        return
    names = {"snakemake": given, "__name__": "__main__", "__file__": str(script)}
    try:
        debugger.run(compile(script.read_text(encoding="utf-8"), script, "exec"), names)
    except Exception as error:
        debugger.reset()
        debugger.interaction(None, error.__traceback__)
        raise


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m modality_gap.debug", description=__doc__.split("\n")[0]
    )
    parser.add_argument("rule")
    parser.add_argument("wildcards", nargs="*", metavar="wildcard=value")
    parser.add_argument("--configfile", type=Path, action="append", default=[])
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--pdb", action="store_true", help="stop at the first line, and at errors")
    args = parser.parse_args(arguments)
    wildcards = dict(pair.partition("=")[::2] for pair in args.wildcards)
    try:
        script, given = job_of(args.rule, wildcards, args.configfile, args.cores)
    except (InputError, WorkflowError) as error:
        sys.exit(str(error))
    print(f"{script.name} writes {', '.join(given.output)}", file=sys.stderr)
    run(script, given, pdb.Pdb() if args.pdb else None)


if __name__ == "__main__":
    main()
