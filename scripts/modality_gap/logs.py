"""Where a script's words go."""

import errno
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from traceback import print_exception

from modality_gap.errors import InputError

FREE = "free space on its disk and run again; what is finished is kept"
ALLOW = "make its folder writable and run again; what is finished is kept"
REMEDIES = {errno.ENOSPC: FREE, errno.EDQUOT: FREE, errno.EROFS: ALLOW, errno.EACCES: ALLOW}


def log_to(path: str) -> None:
    """Send stdout and stderr of this process, tracebacks and progress bars included, to a log file.

    The first call of every script. Snakemake prints the file when the rule fails
    (`show-failed-logs` in the profile), so nothing is hidden from the person who runs it. What a
    person can mend is told in one sentence, the log's last.
    """
    # Before the log is opened, since that may be what fails.
    outputs = getattr(sys._getframe(1).f_globals.get("snakemake"), "output", ())
    sys.excepthook = partial(_tell, list(outputs))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sys.stdout = sys.stderr = open(path, "w", buffering=1, encoding="utf-8")  # noqa: SIM115


def sentence(error: BaseException, outputs: Sequence[str] = ()) -> str | None:
    """What a person is to know of an error and can do about it; None where that is unknown.

    An error that does not say which file could not be written is taken to mean one of `outputs`.
    """
    if isinstance(error, InputError):
        return str(error)
    for number, remedy in REMEDIES.items():
        # Libraries in other languages give the words of an error alone.
        if getattr(error, "errno", None) == number or os.strerror(number) in str(error):
            named = getattr(error, "filename", None) or " or ".join(outputs) or "an output"
            return f"{named} cannot be written ({os.strerror(number)}); {remedy}."
    return None


def _tell(outputs: Sequence[str], kind: type, error: BaseException, _: object) -> None:
    """The traceback and, last, what is to be done."""
    words = sentence(error, outputs)
    for stream in (sys.stderr, sys.__stderr__):
        try:
            print_exception(error, file=stream)
            print(*([f"\n{words}"] if words else []), file=stream, flush=True)
            return
        except OSError:  # no room for the log either: then to where Snakemake's own words go
            continue
