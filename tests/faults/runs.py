"""Runs of the workflow that can be killed, and what they said."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

JOB = re.compile(
    r"^(?:local)?rule \w+:\n(?: {4}.*\n)*?"
    r" {4}output: ([^,\n]+).*\n(?: {4}.*\n)*? {4}jobid: (\d+)\n",
    re.MULTILINE,
)
PATIENCE_S = 300


def wait_for(what: Callable[[], object], pause_s: float = 0.03) -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end, "what the test waits for did not happen"
        time.sleep(pause_s)


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

    def kill(self) -> None:
        """SIGKILL for Snakemake and all its jobs at once."""
        os.killpg(self.process, signal.SIGKILL)
        self.wait()

    def wait(self) -> "Run":
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


class Snakemake:
    """Snakemake on a copy of the project, as often as one likes, without its start-up's imports."""

    def __init__(self):
        self.server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def start(self, folder: Path, *arguments: str, mirror: Path | None = None) -> Run:
        """Begin a run in a folder, with two cores."""
        environment = {k: v for k, v in os.environ.items() if k != "MODALITY_GAP_MIRROR"}
        if mirror:
            environment["MODALITY_GAP_MIRROR"] = str(mirror)
        said = folder / "said"
        order = {
            "folder": str(folder),
            "environment": environment,
            "arguments": ["--cores", "2", *arguments],
            "said": str(said),
        }
        said.unlink(missing_ok=True)
        self.server.stdin.write(json.dumps(order) + "\n")
        self.server.stdin.flush()
        run = Run(self.server, int(self.server.stdout.readline()), said)
        wait_for(said.exists)
        return run

    def run(self, folder: Path, *arguments: str, mirror: Path | None = None) -> Run:
        return self.start(folder, *arguments, mirror=mirror).wait()

    def stop(self) -> None:
        self.server.stdin.close()
        self.server.wait()
