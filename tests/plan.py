"""What Snakemake plans to do, and what the project's own text says that it ought to plan."""

import contextlib
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from modulefinder import ModuleFinder
from multiprocessing import get_context
from pathlib import Path

JOB = re.compile(
    r"^(?:local)?rule (\w+):\n"
    r"(?: {4}input: (.*)\n)?(?: {4}output: (.*)\n)?((?: {4}.*\n)*)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Job:
    """A job of a plan: its rule, the files it reads and makes, and why it is planned."""

    rule: str
    inputs: frozenset[str]
    outputs: frozenset[str]
    reason: str

    @classmethod
    def all_in(cls, said: str) -> list["Job"]:
        """The jobs that a dry run announces, but for the rule `all`."""
        return [
            cls(
                rule,
                frozenset(inputs.split(", ")) - {""},
                frozenset(outputs.split(", ")),
                (re.findall(r"^ {4}reason: (.*)$", more, re.MULTILINE) or [""])[0],
            )
            for rule, inputs, outputs, more in JOB.findall(said)
            if rule != "all"
        ]


def dry_run(folder: Path, *arguments: str) -> str:
    """All that `snakemake --dry-run` says in a folder. In a process of its own: it changes the
    working directory and its output."""
    from snakemake.cli import main

    os.chdir(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "modality_gap"]:
        del sys.modules[name]  # the folder has its own
    with tempfile.TemporaryFile("w+") as said:
        for output in (1, 2):
            os.dup2(said.fileno(), output)
        with contextlib.suppress(SystemExit):
            main(["--configfile", "tests/small.yaml", *arguments, "--dry-run"])
        said.flush()
        said.seek(0)
        return said.read()


def processes(number: int):
    """A pool of `number` processes. Each call gets a new process, forked from one that has already
    imported Snakemake."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["snakemake.cli", "snakemake.workflow"])
    return context.Pool(number, maxtasksperchild=1)


def script_path(root: Path, name: str) -> Path:
    """The script of a name, in whichever folder of scripts/ it is."""
    (path,) = (root / "scripts").glob(f"*/{name}.py")
    return path


def imported(script: Path) -> set[str]:
    """Paths below scripts/ of the files that a script imports, directly or through others, as
    Python's modulefinder reads them out of compiled code."""
    folder = script.parent.parent
    finder = ModuleFinder([str(folder)])
    finder.run_script(str(script))
    files = {Path(module.__file__) for module in finder.modules.values() if module.__file__}
    return {file.relative_to(folder).as_posix() for file in files if file != script}


def scripts_of_rules(folder: Path) -> dict[str, str]:
    """Rule > its script, by the text of rules/; one that is made of another has that one's."""
    text = "".join(path.read_text() for path in sorted((folder / "rules").glob("*.smk")))
    rules = re.findall(
        r"^(?:use rule (\w+) as (\w+) with|rule (\w+)):\n((?:(?: {4}.*)?\n)+)", text, re.MULTILINE
    )
    found = {
        name: re.search(r'"\.\./scripts/(\w+/\w+)\.py"', body)[1]
        for _, _, name, body in rules
        if name
    }
    return found | {name: found[source] for source, name, _, _ in rules if source}


def with_what_depends(jobs: list[Job], first: set[Job]) -> set[Job]:
    """Some jobs and all that read what they make, directly or through others."""
    found, todo = set(), [*first]
    while todo:
        job = todo.pop()
        if job not in found:
            found.add(job)
            todo += [other for other in jobs if other.inputs & job.outputs]
    return found
