"""Logging for the scripts of rules."""

import atexit
import errno
import io
import os
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from traceback import print_exception
from typing import Any

from modality_gap.errors import InputError

# What the system's errors with a file mean, and what a user can do.
FULL = "cannot be written", "free space on its disk"
LOCKED = "cannot be written", "make its folder writable"
DENIED = "cannot be read or written", "make it and its folder readable and writable"
REMEDIES = {errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EROFS: LOCKED, errno.EACCES: DENIED}

# Least time between two states of a progress bar: seconds, and share of the time since the start.
BAR_SECONDS = 2
BAR_SHARE = 0.02


class Log(io.TextIOWrapper):
    """A log file in which a progress bar of any library leaves a few lines.

    A bar returns to the start of its line at each step. In a file, this would be one endless line
    or thousands of lines. This log writes each state on one line, and writes fewer states the
    longer the script runs: 30 in the first minute, 230 in an hour, 330 in eight. The last state
    before other text is always written.
    """

    def __init__(self, path: str | Path):
        # A file name may hold bytes that are not UTF-8.
        super().__init__(
            open(path, "wb"),  # noqa: SIM115
            encoding="utf-8",
            errors="backslashreplace",
            line_buffering=True,
        )
        self.start = time.monotonic()
        self.last_written = -float("inf")
        self.bar = ""

    def write(self, text: str) -> int:
        if text.startswith("\r"):
            self.bar = text.strip() or self.bar
            now = time.monotonic()
            if now - self.last_written >= max(BAR_SECONDS, BAR_SHARE * (now - self.start)):
                self._write_bar()
                self.last_written = now
        elif text:
            bar_written = self._write_bar()
            # The state of a bar ends its own line, so the newline after the bar is not needed.
            if not (bar_written and text == "\n"):
                super().write(text)
        return len(text)

    def _write_bar(self) -> bool:
        """Write the latest state of the bar unless it is in the file already. Returns whether it
        was written."""
        bar, self.bar = self.bar, ""
        if bar:
            super().write(f"{bar}\n")
        return bool(bar)


def log_to(snakemake: Any) -> None:
    """Send stdout and stderr of this process, with tracebacks and progress bars, to the log file of
    a job. Every script calls this first.

    `snakemake` is the object that Snakemake gives a script; the first file of its `log` is used.
    Snakemake prints the file when the rule fails (`show-failed-logs` in the profile), so nothing is
    hidden from the user. If the user can correct the fault, the last line of the log says how in
    one sentence. The last line of a successful script gives its time and memory.
    """
    # First, because opening the log may fail too.
    sys.excepthook = partial(_report_error, list(snakemake.output))
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout = sys.stderr = Log(path)
    atexit.register(_print_usage, time.monotonic())


def sentence(error: BaseException, outputs: Sequence[str] = ()) -> str | None:
    """A message on the cause of an error and its remedy; None if they are unknown.

    If the error does not name the file that could not be written, the message names `outputs`. If
    it does not name the file to which access was denied, the message says "a file of this job",
    because that file may be an input.
    """
    if isinstance(error, InputError):
        return str(error)
    for number, (fault, remedy) in REMEDIES.items():
        # Libraries in other languages give only the text of an error.
        if getattr(error, "errno", None) == number or os.strerror(number) in str(error):
            guess = "a file of this job" if number == errno.EACCES else " or ".join(outputs)
            named = getattr(error, "filename", None) or guess or "an output"
            return (
                f"{named} {fault} ({os.strerror(number)}); {remedy} and run again; "
                "what is finished is kept."
            )
    return None


def _report_error(outputs: Sequence[str], kind: type, error: BaseException, _: object) -> None:
    """Print the traceback and, as the last line, what the user can do."""
    remedy = sentence(error, outputs)
    try:
        print_exception(error)
        if remedy:
            print(f"\n{remedy}", flush=True)
    except OSError:
        # No space for the log either: print where Snakemake itself prints.
        sys.stdout = sys.stderr = sys.__stderr__
        print_exception(error)
        print(f"\n{remedy or ''}", flush=True)


def _print_usage(start: float) -> None:
    """Print the time and memory of a script that ended without an error."""
    # Python keeps the exception that ended a script here.
    if hasattr(sys, "last_value"):
        return
    kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    cpu_s = sum(sum(resource.getrusage(kind)[:2]) for kind in kinds)
    with suppress(OSError):
        print(
            f"took {time.monotonic() - start:.1f} s, {cpu_s:.1f} s of CPU time, "
            f"peak memory {peak_mb():,.0f} MB"
        )


def peak_mb() -> float:
    """Peak resident memory of this process in MiB."""
    try:
        # getrusage may report the peak of the process that started this one.
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        values = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return int(values["VmHWM"].removesuffix("kB")) / 1024
    except OSError:
        # macOS counts in bytes.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
