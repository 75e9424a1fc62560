"""Runs of the workflow that start at once and can be killed, and what they said."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

JOB = re.compile(
    r"^(?:local)?rule \w+:\n(?: {4}.*\n)*?"
    r" {4}output: ([^,\n]+).*\n(?: {4}.*\n)*? {4}jobid: (\d+)\n",
    re.MULTILINE,
)
# A wait ends when its condition holds or its run is over; this ends only one that hangs.
PATIENCE_S = 900
PAUSE_S = 0.03


@dataclass
class Run:
    """One start of Snakemake: its process group, and the file into which it prints."""

    server: subprocess.Popen
    process: int
    output: Path
    code: int | None = None
    all_said: str | None = None

    @property
    def said(self) -> str:
        """All that it has printed so far."""
        return self.all_said or self.output.read_text(encoding="utf-8", errors="replace")

    def jobs(self) -> dict[str, str]:
        """Jobs that Snakemake has begun: id > first output."""
        return {job: output for output, job in JOB.findall(self.said)}

    def finished(self) -> set[str]:
        """First outputs of the jobs that Snakemake has reported as finished."""
        jobs = self.jobs()
        return {jobs[job] for job in re.findall(r"^Finished jobid: (\d+)", self.said, re.MULTILINE)}

    def wait_for(self, what: Callable[[], object]) -> None:
        """Wait until `what` is true. AssertionError if the run ends before."""
        end = time.monotonic() + PATIENCE_S
        while not what():
            over = self.code is not None or not is_alive(self.process)
            assert not over or what(), f"the run ended too early: {self.said[-3000:]}"
            assert time.monotonic() < end, "what the test waits for did not happen"
            time.sleep(PAUSE_S)

    def kill(self) -> None:
        """SIGKILL for Snakemake and all its jobs at once; wait until all are gone."""
        with suppress(ProcessLookupError):  # it has ended by itself, as `code` tells
            os.killpg(self.process, signal.SIGKILL)
        self.wait()

    def wait(self) -> "Run":
        """Wait until Snakemake has ended and none of the processes it began is left."""
        if self.code is None:
            self.code = int(self.server.stdout.readline())
            self.all_said = self.said  # the next run in the folder prints into the same file
        return self

    def reason(self, log: str) -> str:
        """The last line of a failed rule's log, as Snakemake shows it."""
        shown = re.findall(rf"^Logfile {re.escape(log)}:\n=+\n(.*?)\n=+$", self.said, re.M | re.S)
        assert len(shown) == 1, self.said[-3000:]
        return shown[0].splitlines()[-1]

    def refusal(self) -> str:
        """Why the workflow was not begun."""
        return re.search(r"^WorkflowError in file .*:\n(.*)$", self.said, re.MULTILINE)[1]


def is_alive(process: int) -> bool:
    """Whether a process exists; True for one that has ended unnoticed."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


class Snakemake:
    """Snakemake on copies of the project, as often as one likes, without its start-up's imports.

    `always` are arguments of each run. One run at a time."""

    def __init__(self, *always: str):
        self.always = always
        # What a killed run leaves of its temporary files goes with this folder.
        self.scratch = tempfile.TemporaryDirectory()
        self.server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=os.environ | {"TMPDIR": self.scratch.name},
        )
        self.last: Run | None = None

    def start(self, folder: Path, *arguments: str, mirror: Path | None = None) -> Run:
        """Begin a run in a folder; one that a failed test left is killed."""
        self.kill_last()
        environment = {k: v for k, v in os.environ.items() if k != "MODALITY_GAP_MIRROR"}
        environment["TMPDIR"] = self.scratch.name
        if mirror:
            environment["MODALITY_GAP_MIRROR"] = str(mirror)
        said = folder / "said"
        order = {
            "folder": str(folder),
            "environment": environment,
            "arguments": [*self.always, *arguments],
            "said": str(said),
        }
        said.unlink(missing_ok=True)
        self.server.stdin.write(json.dumps(order) + "\n")
        self.server.stdin.flush()
        self.last = Run(self.server, int(self.server.stdout.readline()), said)
        self.last.wait_for(said.exists)
        return self.last

    def run(self, folder: Path, *arguments: str, mirror: Path | None = None) -> Run:
        return self.start(folder, *arguments, mirror=mirror).wait()

    def kill_last(self) -> None:
        """Kill the last run unless somebody has waited for its end."""
        if self.last and self.last.code is None:
            self.last.kill()

    def stop(self) -> None:
        self.kill_last()
        self.server.stdin.close()
        self.server.wait()
        self.scratch.cleanup()
