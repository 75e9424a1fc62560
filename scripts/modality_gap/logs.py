"""Where a script's words go."""

import atexit
import errno
import io
import os
import re
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from traceback import print_exception

from modality_gap.errors import InputError

# What the system's errors with a file mean, and what to do.
FULL = "cannot be written", "free space on its disk"
LOCKED = "cannot be written", "make its folder writable"
DENIED = "cannot be read or written", "give yourself the right to it and to its folder"
REMEDIES = {errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EROFS: LOCKED, errno.EACCES: DENIED}

# A progress bar shows its state at most so often: seconds, and share of the time since the start.
BAR_SECONDS = 2
BAR_SHARE = 0.02


class Log(io.TextIOWrapper):
    """A log file in which a progress bar leaves a few lines, whichever library draws it.

    A bar goes back to the start of its line at each step. In a file that makes one endless line,
    or, a line a step, thousands. Here a state that is shown is a line, and the longer the script
    runs the rarer they are: 30 in the first minute, 230 in an hour, 330 in eight. The last state
    before other words is always shown.
    """

    def __init__(self, path: str | Path):
        # A file's name may hold what UTF-8 cannot say.
        super().__init__(
            open(path, "wb"),  # noqa: SIM115
            encoding="utf-8",
            errors="backslashreplace",
            line_buffering=True,
        )
        self.begun = time.monotonic()
        self.shown = -float("inf")
        self.bar = ""

    def write(self, text: str) -> int:
        if text.startswith("\r"):
            self.bar = text.strip() or self.bar
            now = time.monotonic()
            if now - self.shown >= max(BAR_SECONDS, BAR_SHARE * (now - self.begun)):
                self._show()
                self.shown = now
        # The end of a line that had a bar on it ends that of the bar's last state.
        elif text and not (self._show() and text == "\n"):
            super().write(text)
        return len(text)

    def _show(self) -> bool:
        """Write the bar's state if it is not written yet, and say whether it was not."""
        bar, self.bar = self.bar, ""
        if bar:
            super().write(f"{bar}\n")
        return bool(bar)


def log_to(path: str) -> None:
    """Send stdout and stderr of this process, tracebacks and progress bars included, to a log file.

    The first call of every script. Snakemake prints the file when the rule fails
    (`show-failed-logs` in the profile), so nothing is hidden from the person who runs it. What a
    person can mend is told in one sentence, the log's last. The last line of a script that ends
    well tells what it took.
    """
    # Before the log is opened, since that may be what fails.
    outputs = getattr(sys._getframe(1).f_globals.get("snakemake"), "output", ())
    sys.excepthook = partial(_tell, list(outputs))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sys.stdout = sys.stderr = Log(path)
    atexit.register(_say_what_it_took, time.monotonic())


def sentence(error: BaseException, outputs: Sequence[str] = ()) -> str | None:
    """What a person is to know of an error and can do about it; None where that is unknown.

    An error that does not say which file could not be written is taken to mean one of `outputs`;
    one that does not say what was denied may mean an input as well.
    """
    if isinstance(error, InputError):
        return str(error)
    for number, (fault, remedy) in REMEDIES.items():
        # Libraries in other languages give the words of an error alone.
        if getattr(error, "errno", None) == number or os.strerror(number) in str(error):
            guess = "a file of this job" if number == errno.EACCES else " or ".join(outputs)
            named = getattr(error, "filename", None) or guess or "an output"
            return (
                f"{named} {fault} ({os.strerror(number)}); {remedy} and run again; "
                "what is finished is kept."
            )
    return None


def _tell(outputs: Sequence[str], kind: type, error: BaseException, _: object) -> None:
    """The traceback and, last, what is to be done."""
    words = sentence(error, outputs)
    try:
        print_exception(error)
        if words:
            print(f"\n{words}", flush=True)
    except OSError:
        # No room for the log either: then to where Snakemake's own words go.
        sys.stdout = sys.stderr = sys.__stderr__
        print_exception(error)
        print(f"\n{words or ''}", flush=True)


def _say_what_it_took(begun: float) -> None:
    # There Python keeps the exception that ended a script.
    if hasattr(sys, "last_value"):
        return
    kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    cpu_s = sum(sum(resource.getrusage(kind)[:2]) for kind in kinds)
    with suppress(OSError):
        print(
            f"took {time.monotonic() - begun:.1f} s, {cpu_s:.1f} s of CPU time, "
            f"peak memory {_peak_mb():,.0f} MB"
        )


def _peak_mb() -> float:
    """Peak resident memory of this process in MiB."""
    try:
        # What getrusage says may be the peak of the process that started this one.
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024
    except OSError:
        # macOS counts in bytes.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
