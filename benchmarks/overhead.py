"""What a run costs beside its work: Snakemake itself, and the start-up of each script.

Start-up is the time that Python takes for a script's imports (those at its head, and Snakemake's
own for a script), before anything is done: each script is measured in a process of its own, as many
at once as there are cores, as in a run. A script that only draws must load no large package.

What a whole run took is read from the last one here, results/run.csv and results/run.json: its
jobs' wall time, and the time from its start to the end of its last job, times its cores, which jobs
of one thread could have worked. What is not work of jobs, start-up taken off, is overhead:
Snakemake's own start, waiting for a free job, and start-ups. Where there is no run, only start-ups
are measured. Writes results/bench/overhead.csv and startup.csv.
"""

import argparse
import ast
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from bench import CORES, FOLDER, ROOT, Clock, measured, save, say

LARGE = ("torch", "sklearn", "scipy", "umap", "timm", "open_clip", "snakemake.workflow")
PAGE = "write_methods"  # which writes run.csv, without itself
BESIDE_SNAKEMAKE = "from snakemake import script"  # at the head of what Snakemake runs


def head_of(source: str) -> str:
    """A script's imports, without what it does."""
    kinds = (ast.Import, ast.ImportFrom)
    lines = [ast.unparse(node) for node in ast.parse(source).body if isinstance(node, kinds)]
    return "\n".join([BESIDE_SNAKEMAKE, *lines])


def start_up(source: str) -> tuple[float, list[str]]:
    """Seconds of the imports at a script's head, and the large packages among them."""
    code = f"{head_of(source)}\nimport sys\nprint(*(m for m in {LARGE} if m in sys.modules))"
    clock = Clock()
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path.insert(0, 'scripts')\n{code}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return clock.seconds(), done.stdout.split()


def scripts_of_rules(rules: str) -> dict[str, str]:
    """Rule to script, from the text of all .smk files; a rule made out of another has its."""
    scripts, copies, name = {}, {}, ""
    for line in rules.splitlines():
        if match := re.match(r"use rule (\w+) as (\w+)", line):
            copies[match[2]], name = match[1], match[2]
        elif match := re.match(r"rule (\w+):", line):
            name = match[1]
        elif match := re.match(r'\s+"\.\./scripts/([\w/]+)\.py"', line):
            scripts[name] = match[1]
    made_of = {copy: scripts[rule] for copy, rule in copies.items() if rule in scripts}
    return {**made_of, **scripts}


def shares(jobs: pd.DataFrame, starts: dict[str, float], wall: float, cores: int) -> dict:
    """Of the core time of a run, `wall` x `cores`: what no job took, what start-up took, both.
    `jobs` (rule, wall_s) are those of this run, `starts` the start-up of each rule's script."""
    startup = jobs["rule"].map(starts).fillna(0).clip(upper=jobs["wall_s"])
    idle = 1 - jobs["wall_s"].sum() / (wall * cores)
    return {
        "share without a job": idle,
        "share of start-up": startup.sum() / (wall * cores),
        "overhead and start-up": idle + startup.sum() / (wall * cores),
    }


def last_run(results: Path) -> tuple[pd.DataFrame, float, int] | None:
    """Jobs, wall time (s) and cores of the last run; None where no whole run is recorded.

    A start writes run.json, the end of a whole run run.csv: where a later run was of some jobs
    alone, or was broken off, the two are not of the same run."""
    if not (results / "run.csv").exists() or not (results / "run.json").exists():
        return None
    jobs = pd.read_csv(results / "run.csv")
    jobs = jobs[jobs["in_this_run"]]
    record = json.loads((results / "run.json").read_text(encoding="utf-8"))
    planned = [
        Path(job["log"]).relative_to("results/logs").with_suffix("").as_posix()
        for job in record["jobs"]
        if job["planned"] and job["rule"] != PAGE
    ]
    if jobs.empty or sorted(jobs["job"]) != sorted(planned):
        return None
    finished = pd.to_datetime(jobs["finished"])
    if finished.min().timestamp() < record["started"]:
        return None
    return jobs, finished.max().timestamp() - record["started"], record["cores"]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--scripts", nargs="+", help="of these alone, by name")
    settings = parser.parse_args(arguments)
    rules = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk"))
    scripts = scripts_of_rules(rules)
    names = settings.scripts or sorted(set(scripts.values()))
    sources = [(ROOT / "scripts" / f"{name}.py").read_text(encoding="utf-8") for name in names]
    seconds = {}
    with ThreadPoolExecutor(CORES) as pool:
        for name, (took, large) in zip(names, pool.map(start_up, sources), strict=True):
            seconds[name] = took, large
    say(f"start-up of {len(names)} scripts: {sum(took for took, _ in seconds.values()):.0f} s")
    save(
        "startup",
        [
            {**measured(name, "start-up", took, "s", 1), "loads": ", ".join(large) or "none"}
            for name, (took, large) in seconds.items()
        ],
        settings.folder,
    )
    drawing = [name for name in names if "/plot_" in name]
    heavy = [name for name in drawing if seconds[name][1]]
    rows = [
        measured("scripts that draw", "load a large package", len(heavy), "scripts", len(drawing))
    ]
    if run := last_run(settings.results):
        jobs, wall, cores = run
        starts = {rule: seconds[name][0] for rule, name in scripts.items() if name in seconds}
        rows += [
            measured("the last run", "wall time", wall, "s", len(jobs)),
            measured("the last run", "cores", cores, "cores", cores),
            measured("the last run", "time of jobs", jobs["wall_s"].sum(), "s", len(jobs)),
            *(
                measured("the last run", name, share, "ratio", len(jobs))
                for name, share in shares(jobs, starts, wall, cores).items()
            ),
        ]
    else:
        say("overhead is not measured: results/run.csv and run.json are not of one whole run")
    save("overhead", rows, settings.folder)


if __name__ == "__main__":
    main()
