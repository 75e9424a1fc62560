"""What the benchmarks share: what a measure is, what it was measured on, and where it is written.

`make bench` runs the programs of this folder one after the other, each alone; on a machine that
does nothing else, or their ratios, taken in one run, say more than their seconds. Each writes
results/bench/<name>.csv, a measure a row: subject, quantity, value, unit, n (what was counted), low
and high over `rounds` rounds, and machine, versions and date of the run.
"""

import os
import platform
import resource
import statistics
import sys
import time
from contextlib import suppress
from datetime import date
from importlib.metadata import version
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "results" / "bench"
sys.path.insert(0, str(ROOT / "scripts"))

from modality_gap.logs import peak_mb  # noqa: E402
from modality_gap.pages import run_record  # noqa: E402

PACKAGES = ("numpy", "scipy", "torch", "pyarrow", "scikit-learn", "umap-learn", "snakemake")
BLOCK = 4096  # pairs made at once
CORES = len(psutil.Process().cpu_affinity()) if psutil.LINUX else os.cpu_count()


def machine() -> str:
    """Processor, cores and memory."""
    known = run_record.machine()
    return f"{known['cpu']}, {CORES} cores, {known['memory_gib']:.0f} GB"


def versions() -> str:
    """Of Python and of the packages that do the work."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"Python {platform.python_version()}, {packages}"


def measured(
    subject: str, quantity: str, values: list[float] | float, unit: str, n: int
) -> dict[str, str | float]:
    """One row: the median of the rounds, with the lowest and the highest."""
    values = [values] if isinstance(values, int | float) else list(values)
    row = {"subject": subject, "quantity": quantity, "value": statistics.median(values)}
    row |= {"unit": unit, "n": n, "low": min(values), "high": max(values), "rounds": len(values)}
    return row


def save(name: str, rows: list[dict], folder: Path = FOLDER, **about: str) -> None:
    """Write results/bench/<name>.csv, with what else was the same for all, and print it."""
    import pandas as pd

    table = pd.DataFrame(rows)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.6g}"), flush=True)
    facts = {"machine": machine(), "versions": versions(), "date": date.today().isoformat()}
    facts |= about
    print("\n".join(f"{fact}: {words}" for fact, words in about.items()), flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    table.assign(**facts).to_csv(folder / f"{name}.csv", index=False, float_format="%.8g")


def _processor_seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


class Clock:
    """Seconds on the wall, and of processors (all of this process and of its children that ended)
    since it was made."""

    def __init__(self):
        self.start, self.processors = time.perf_counter(), _processor_seconds()

    def seconds(self) -> float:
        return time.perf_counter() - self.start

    def processor_seconds(self) -> float:
        return _processor_seconds() - self.processors


def say(words: str) -> None:
    """A line of progress."""
    print(f"  {words}", flush=True)


def peak_memory_mb() -> float:
    """The most memory that this process has held, MB."""
    return peak_mb()


def reset_peak_memory() -> float:
    """Reset the peak memory, on Linux; return the memory in use now (MB)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return resident_mb()


def resident_mb() -> float:
    """What this process holds in memory now, MB."""
    return _status("VmRSS")


def peak_since_reset_mb() -> float:
    """The most that this process has held since `reset_peak_memory`, MB."""
    return _status("VmHWM")


def _status(key: str) -> float:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:  # not on macOS, where the peak is since the start
        return peak_mb() if key == "VmHWM" else psutil.Process().memory_info().rss / 2**20
    return next(float(line.split()[1]) for line in lines if line.startswith(key)) / 1024


def random_pairs(n: int, d: int, seed: int = 0):
    """Unit vectors x, y (n, d), float64: two cones a gap of about .8 apart, partners alike; made a
    block at a time, so that no more memory is ever held than they themselves take."""
    import numpy as np

    from modality_gap.embeddings.sets import normalise

    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((2, d)) / d**0.5
    sides = np.empty((2, n, d))
    for start in range(0, n, BLOCK):
        some = slice(start, min(start + BLOCK, n))
        shape = (some.stop - start, d)
        shared = rng.standard_normal(shape) / d**0.5
        for side, centre in zip(sides, centres, strict=True):
            own = rng.standard_normal(shape) / d**0.5
            side[some] = normalise(0.9 * centre + 0.6 * shared + 0.4 * own)
    return sides
