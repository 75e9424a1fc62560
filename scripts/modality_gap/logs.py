"""Where a script's words go."""

import sys
from pathlib import Path


def log_to(path: str) -> None:
    """Send stdout and stderr of this process, tracebacks and progress bars included, to a log file.

    The first call of every script. Snakemake prints the file when the rule fails
    (`show-failed-logs` in the profile), so nothing is hidden from the person who runs it.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sys.stdout = sys.stderr = open(path, "w", buffering=1, encoding="utf-8")  # noqa: SIM115
