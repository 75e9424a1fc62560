"""What Snakemake itself takes for 10,000 shard jobs.

One extraction cut into 10,000 shards, in a copy of the project: a dry run (`snakemake -n`), which
reads the rules, plans the graph of jobs and prints nothing; and a run with the executor of
noop/, whose jobs leave empty files, up to 1,000 at a time. That adds scheduling, by the greedy
scheduler (the other one solves a linear program over all that wait, at each choice), and the record
that Snakemake keeps of each job. A dry run with one shard is what a start takes anyway. CPU seconds
are those of the processes, little disturbed by others. Writes results/bench/dag.csv.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import FOLDER, ROOT, Clock, measured, save, say

NOTHING = "run that does nothing"
LAID_OUT = "graph_laid_out"  # which the executor of noop/ leaves when it begins
TARGET = "results/embeddings/digit_clip_random/image.parquet"
PARTS = ["Snakefile", "config", "envs", "profiles", "report", "rules", "scripts"]


def copy_project(folder: Path) -> None:
    """What a run reads; downloads are not needed, as nothing is done."""
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(
                ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy2(ROOT / part, folder / part)


def snakemake(folder: Path, shards: int, *arguments: str) -> tuple[float, float]:
    """Seconds on the wall and of processors of one call."""
    settings = folder / f"{shards}.yaml"
    settings.write_text(f"extraction:\n  shards: {shards}\n", encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--quiet", "all", "--configfile", str(settings)]
    path = f"{ROOT / 'benchmarks' / 'noop'}"
    clock, before = Clock(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [*command, *arguments, "--", TARGET],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return clock.seconds(), used


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shards", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    settings = parser.parse_args(arguments)
    ways = {
        "start": (1, "--dry-run"),
        "dry run": (settings.shards, "--dry-run"),
        NOTHING: (
            *(settings.shards, "--executor", "noop", "--cores", "1000", "--scheduler", "greedy"),
            *("--set-threads", "extract_shard=1", "--max-jobs-per-timespan", "1000/1s"),
        ),
    }
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        for way, (shards, *options) in ways.items():
            started = time.time()
            wall, used = snakemake(folder, shards, *options)
            say(f"{way}, {shards:,} shards: {wall:.1f} s, {used:.1f} s of CPU time")
            rows += [
                measured(way, "time", wall, "s", shards),
                measured(way, "CPU time", used, "s", shards),
            ]
            if way == NOTHING:
                laid_out = (folder / LAID_OUT).stat().st_mtime - started
                say(f"of these {laid_out:.1f} s until the graph was planned")
                rows.append(measured(way, "time to the first job", laid_out, "s", shards))
    save("dag", rows, settings.folder)


if __name__ == "__main__":
    main()
