"""The page of the run itself: which jobs ran where, with which software, how long they took and how
much memory they used."""

import datetime
import importlib.metadata
import json
import math
import re
from collections.abc import Mapping

import pandas as pd

from modality_gap.pages.findings.base import Table
from modality_gap.pages.provenance import number_format, versions
from modality_gap.pages.words import NONE, count, number

PACKAGES = [
    "snakemake", "snakemake-executor-plugin-slurm", "torch", "torchvision", "timm",
    "open-clip-torch", "onnxruntime", "numpy", "scipy", "pandas", "pyarrow", "scikit-learn",
    "umap-learn", "pillow", "matplotlib",
]  # fmt: skip
JOB_COLUMNS = ["rule", "job", "in_this_run", "finished", "wall_s", "cpu_s", "peak_mb"]
# The last line of a log: modality_gap.logs.
TOOK = re.compile(r"^took \S+ s, (\S+) s of CPU time, peak memory ([\d,]+) MB$", re.MULTILINE)


def measurements(benchmark: str, log: str) -> dict[str, float]:
    """The wall time and CPU time (s) and the peak memory (MiB) of a job, from the texts of its
    benchmark file and its log.

    Snakemake samples memory (every 0.5 s, later every 30 s) and can miss peaks. The script's own
    count is exact but excludes running children. The larger of the two is used. A value is NaN if
    neither measured the job.
    """
    head, row = (line.split("\t") for line in benchmark.splitlines()[:2])
    seen = dict(zip(head, row, strict=True))
    took = TOOK.findall(log)
    own_cpu, own_peak = took[-1] if took else ("nan", "nan")
    return {
        "wall_s": float(seen["s"]),
        "cpu_s": _larger(seen["cpu_time"], own_cpu),
        "peak_mb": _larger(seen["max_rss"], own_peak),
    }


def _larger(*texts: str) -> float:
    values = [float(text.replace(",", "")) for text in texts if text not in ("NA", "-", "nan")]
    return max(values, default=math.nan)


def by_rule(jobs: pd.DataFrame) -> pd.DataFrame:
    """One row per rule of `jobs` (columns `JOB_COLUMNS`); the rule that took longest comes first. A
    row has the number of jobs, the number of jobs of this run, the sum and maximum of wall time,
    the sum of CPU time (s) and the largest peak (MiB)."""
    rules = jobs.groupby("rule", as_index=False).agg(
        jobs=("job", "size"),
        in_this_run=("in_this_run", "sum"),
        wall_s=("wall_s", "sum"),
        longest_s=("wall_s", "max"),
        cpu_s=("cpu_s", lambda values: values.sum(min_count=1)),  # NaN if none was measured
        peak_mb=("peak_mb", "max"),
    )
    return rules.sort_values(["wall_s", "rule"], ascending=[False, True], ignore_index=True)


def rules_table(rules: pd.DataFrame) -> Table:
    """What each rule took, as a table for the page. `rules` is the result of `by_rule`."""
    return Table(
        "What each rule took, the longest first. Wall time is that of its scripts, one job after "
        "the other.",
        [
            *("rule", "jobs", "of this run", "wall time (s)", "longest job (s)"),
            *("CPU time (s)", "peak memory (MB)"),
        ],
        [
            [
                *(str(row[key]) for key in ("rule", "jobs", "in_this_run")),
                *(f"{row[key]:,.1f}" for key in ("wall_s", "longest_s")),
                _thousands(row["cpu_s"], 1),
                _thousands(row["peak_mb"], 0),
            ]
            for _, row in rules.iterrows()
        ],
    )


def timeline(jobs: pd.DataFrame, started: float, ended: float) -> list[dict]:
    """When each rule of this run was running: rows of `rule`, `wall_s` and `spans`, in the order of
    the rules. `spans` has (left, width) of each job, in per cent of the time from `started` to
    `ended` (s since 1970)."""
    share = 100 / (ended - started)
    ran = jobs[jobs["in_this_run"]].assign(
        left=lambda frame: (frame["finished"] - frame["wall_s"] - started).clip(lower=0) * share
    )
    return [
        {
            "rule": rule,
            "wall_s": f"{part['wall_s'].sum():,.1f}",
            "spans": [
                (f"{row['left']:.2f}", f"{max(row['wall_s'] * share, 0.2):.2f}")
                for _, row in part.iterrows()
            ],
        }
        for rule, part in sorted(
            ran.groupby("rule", sort=False), key=lambda item: item[1]["left"].min()
        )
    ]


def extraction_table(files: Mapping[str, Mapping], finished: Mapping[str, float]) -> Table:
    """The speed of each extraction. `files` has the `metadata` of embedding files, and `finished`
    the time when each was finished (s since 1970), by the same names. Files that were not extracted
    are left out. A projection's metadata have the speed of the file that it was made from."""
    rows = []
    for name, about in files.items():
        speed = about.get("extraction")
        if not speed or "projection" in about:
            continue
        rows.append(
            [
                name,
                _thousands(speed.get("items"), 0),
                str(speed.get("shards", 1)),
                number(speed.get("items_per_s"), 1),
                *(number(speed.get(f"{part}_s"), 1) for part in ("read", "infer", "write")),
                number(speed.get("seconds"), 1),
                number_format(about),
                str(speed.get("gpu") or speed.get("device", NONE)),
                _thousands(speed.get("peak_memory_mb"), 0),
                _thousands(speed.get("peak_gpu_memory_mb"), 0),
                moment(finished[name]),
            ]
        )
    return Table(
        "Each extraction. Read, infer and write: seconds that the main thread spent on waiting for "
        "prepared items, on forward passes and on the file; what is left of all is loading the "
        "model. Several shards: seconds are those of all shards together.",
        [
            *("embeddings", "items", "shards", "items per second", "read (s)", "infer (s)"),
            *("write (s)", "all (s)", "precision", "device", "peak memory (MB)"),
            *("peak GPU memory (MB)", "finished"),
        ],
        rows,
    )


def differences(config: Mapping, default: Mapping, prefix: str = "") -> list[list[str]]:
    """Rows of key, default and this run's value, for every place where two configurations differ. A
    branch that only one of them has is one row."""
    rows = []
    for key in dict.fromkeys([*default, *config]):
        name, before, now = f"{prefix}{key}", default.get(key), config.get(key)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            rows += differences(now, before, f"{name}.")
        elif before != now:
            rows.append(
                [
                    name,
                    *(
                        json.dumps(side[key], ensure_ascii=False) if key in side else NONE
                        for side in (default, config)
                    ),
                ]
            )
    return rows


def packages_table(requirements: str) -> Table:
    """The packages that matter, with the version installed here and the version pinned in the text
    of requirements.txt."""
    pinned = versions(requirements, PACKAGES)
    return Table(
        "Packages: installed where this page was made, and pinned in requirements.txt.",
        ["package", "installed", "pinned"],
        [[name, _installed(name), pinned.get(name, NONE)] for name in PACKAGES],
    )


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return NONE


def summary(jobs: pd.DataFrame, record: Mapping, ended: float) -> list[str]:
    """Sentences on the run as a whole: when it ran, how long it took, how many jobs it had, and how
    busy the cores were."""
    if not record:
        return ["The start of this run was not recorded."]
    elapsed = ended - record["started"]
    ran = jobs[jobs["in_this_run"]]
    # This page's own job is under way.
    others = [job for job in record["jobs"] if not job["rule"].endswith("write_methods")]
    planned = sum(job["planned"] for job in others)
    busy, cpu_s = ran["wall_s"].sum(), ran["cpu_s"].sum()
    return [
        f"Started {moment(record['started'])}; this page was written {duration(elapsed)} later, as "
        "the last job.",
        f"Of {count(len(others), 'job')} before it {planned:,} ran and {len(others) - planned:,} "
        "were up to date.",
        f"Those that ran took {duration(busy)} of wall time together, {duration(cpu_s)} of CPU: "
        f"{number(busy / elapsed, 1)} at a time on average, on up to "
        f"{count(record['cores'] or 1, 'core')} ({record['executor']} executor).",
    ]


def machine_rows(machine: Mapping) -> list[tuple[str, str]]:
    """The result of `run_record.machine`, as rows of names and words."""
    cores = f"{machine['cores']}"
    if machine["usable_cores"] != machine["cores"]:
        cores += f", of which {machine['usable_cores']} may be used"
    return [
        ("operating system", machine["system"]),
        ("processor", machine["cpu"]),
        ("cores", cores),
        ("memory", f"{machine['memory_gib']:.1f} GiB"),
        ("GPU", "; ".join(machine["gpus"]) or "none"),
    ]


def code_words(code: Mapping, most: int = 10) -> str:
    """The result of `run_record.code_state`, as a sentence."""
    if not code["commit"]:
        return "not in a git repository"
    if not code["changes"]:
        return f"commit {code['commit']}, unchanged"
    more = len(code["changes"]) - most
    return f"commit {code['commit']}, changed: {', '.join(code['changes'][:most])}" + (
        f" and {more} more" if more > 0 else ""
    )


def moment(seconds: float) -> str:
    """A time in words, `2026-11-21 20:31:44 UTC`, from seconds since 1970."""
    when = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: float) -> str:
    """A duration in words: `2 h 3 min`, `3 min 20 s`, `20 s`."""
    seconds = round(seconds)
    parts = [(seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    while len(parts) > 1 and not parts[0][0]:
        parts.pop(0)
    return " ".join(f"{n} {unit}" for n, unit in parts[:2])


def _thousands(value: float | None, digits: int) -> str:
    if value is None or not math.isfinite(value):
        return NONE
    return f"{value:,.{digits}f}"
