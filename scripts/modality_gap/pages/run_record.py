"""What is known at the start of a run: the machine and the state of the code. Every Snakemake
process reads this module, so its imports are light."""

import os
import platform
import re
import subprocess
from pathlib import Path


def machine() -> dict:
    """A description of this machine: operating system, processor, cores (of the machine, and those
    that this process may use), memory in GiB, and GPUs (name, memory, driver)."""
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        system = platform.system()
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        names = re.findall(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    except OSError:
        names = []
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "system": f"{system}, {platform.system()} {platform.release()}",
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "usable_cores": len(affinity(0)) if affinity else os.cpu_count(),
        "memory_gib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
        "gpus": _output("nvidia-smi", "--query-gpu=name,memory.total,driver_version",
                        "--format=csv,noheader").splitlines(),
    }  # fmt: skip


def code_state(folder: str | Path) -> dict:
    """The commit of a folder's files, and the paths that differ from this commit. The commit is
    empty if git does not track the files or is not installed."""

    def git(*words: str) -> str:
        return _output("git", "-C", str(folder), *words)

    # A folder may lie in a repository that knows nothing of it.
    if not git("ls-files", "--", "Snakefile"):
        return {"commit": "", "changes": []}
    changes = git("status", "--porcelain", "--", ".").splitlines()
    return {"commit": git("rev-parse", "HEAD").strip(), "changes": [line[3:] for line in changes]}


def _output(*command: str) -> str:
    """What a program prints. Empty if there is no such program or if it fails."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
