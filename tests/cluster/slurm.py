"""A real SLURM of one node on the loopback device, with two pretended GPUs, for tests and trials.

`python tests/cluster/slurm.py` starts one, prints what a shell must export to use it, and stops it
on Ctrl-C. The daemons are children of this process and end with it.
"""

import getpass
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path

# How long a daemon or a job may take to start or to end on a loaded machine, in seconds.
PATIENCE_S = 120
DAEMONS = ("munged", "slurmctld", "slurmd")
# Administrators' programs are often not on a user's path.
SBIN = "/usr/local/sbin:/usr/sbin:/sbin"

# CPUs and memory are pretended too. What a job takes is polled, once a second, so no cgroup is
# needed: a job above its --mem is killed all the same. MinJobAge: `squeue` and `scontrol` know of a
# finished job until the end.
CONF = """\
ClusterName=pretended
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
KillWait=2
MinJobAge=3600
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 Gres=gpu:pretended:2
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE
PartitionName=gpu Nodes={host} MaxTime=INFINITE
"""
GRES = "NodeName={host} Name=gpu Type=pretended File=/dev/null,/dev/zero\n"
# The plugin starts each job's step without SLURM_CONF: a SLURM outside /etc/slurm needs it back.
SRUN = '#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {srun} "$@"\n'
# What was submitted, a file a job: several submit at once. Then the real thing.
SBATCH = """\
#!/bin/sh
echo "$*" | tr '\\n' ' ' > {folder}/submitted.$(date +%s%N).$$
exec {sbatch} "$@"
"""


def missing_programs() -> list[str]:
    """The programs of SLURM that this machine lacks."""
    path = f"{os.environ['PATH']}:{SBIN}"
    return [
        name
        for name in (
            *DAEMONS,
            "sbatch",
            "srun",
            "squeue",
            "scontrol",
            "scancel",
            "sinfo",
            "setpriv",
        )
        if not shutil.which(name, path=path)
    ]


class Slurm:
    """A running SLURM: where its files lie, and its commands."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("SLURM_")},
            "PATH": f"{folder}/bin:{os.environ['PATH']}:{SBIN}",
            "SLURM_CONF": f"{folder}/slurm.conf",
        }

    def command(self, *words: str) -> str:
        """What one of SLURM's commands prints; nothing where it gets no answer."""
        try:
            return subprocess.run(
                words,
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
            ).stdout
        except subprocess.TimeoutExpired:
            return ""

    def submitted(self, folder: Path) -> list[str]:
        """The arguments of each `sbatch` so far whose job works in a folder."""
        records = sorted(self.folder.glob("submitted.*"))
        return [text for path in records if f"-D {folder} " in (text := path.read_text())]

    def job(self, number: str) -> dict[str, str]:
        """What SLURM knows of a job, running or finished."""
        words = self.command("scontrol", "show", "job", "-d", number).split()
        return dict(word.split("=", 1) for word in words if "=" in word)


def _free_ports(n: int) -> list[int]:
    """Free ports below those that the system gives to other programs' connections (Linux: from
    32768 on), so that none is taken before the daemons listen."""
    ports: list[int] = []
    for port in random.SystemRandom().sample(range(20_000, 32_000), 1000):
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            ports.append(port)
        if len(ports) == n:
            return ports
    raise OSError(f"no {n} free ports between 20000 and 32000 on 127.0.0.1")


def _write_files(folder: Path) -> None:
    """Configuration, key and the two wrappers."""
    host = socket.gethostname().partition(".")[0]
    fill = {
        "folder": folder,
        "host": host,
        "user": getpass.getuser(),
        "ports": _free_ports(2),
        "srun": shutil.which("srun"),
        "sbatch": shutil.which("sbatch"),
    }
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir()
    (folder / "slurm.conf").write_text(CONF.format(**fill))
    (folder / "gres.conf").write_text(GRES.format(**fill))
    for name, text in (("srun", SRUN), ("sbatch", SBATCH)):
        (folder / "bin" / name).write_text(text.format(**fill))
        (folder / "bin" / name).chmod(0o755)
    (folder / "munge.key").touch(mode=0o600)
    (folder / "munge.key").write_bytes(os.urandom(1024))


def _wait_for(what: Callable[[], bool], folder: Path, daemons: list[subprocess.Popen]) -> None:
    """Wait until `what` is true. TimeoutError, with logs, where a daemon ends or time is over."""
    end = time.monotonic() + PATIENCE_S
    while not what():
        if time.monotonic() > end or any(daemon.poll() is not None for daemon in daemons):
            logs = [path.read_text()[-2000:] for path in folder.glob("*.log")]
            raise TimeoutError("SLURM did not start:\n" + "\n".join(logs))
        time.sleep(0.1)


def _stop(daemon: subprocess.Popen) -> None:
    daemon.terminate()
    try:
        daemon.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


@contextmanager
def running_slurm():
    """A SLURM for the length of a `with` block. TimeoutError, with logs, if it does not start."""
    # A short path: a socket's name has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    _write_files(folder)
    slurm = Slurm(folder)
    calls = {
        "munged": ["--foreground", "--force"]
        + [f"--{name}={folder}/munge.{name.split('-')[0]}" for name in ("socket", "key-file")]
        + [f"--pid-file={folder}/munged.pid", f"--seed-file={folder}/munge.seed"],
        "slurmctld": ["-D", "-c"],
        "slurmd": ["-D", "-c"],
    }
    daemons = []
    try:
        for name, arguments in calls.items():
            log = (folder / f"{name}.log").open("w")
            daemons.append(
                subprocess.Popen(
                    # They end with this process, however that ends.
                    ["setpriv", "--pdeathsig", "TERM", name, *arguments],
                    env=slurm.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
            if name == "munged":  # the others do without it, or end, where it is not ready
                _wait_for((folder / "munge.socket").exists, folder, daemons)
        _wait_for(
            lambda: slurm.command("sinfo", "-h", "-o", "%T").split() == ["idle"], folder, daemons
        )
        yield slurm
    finally:
        # Jobs first: their shepherds do not end with the daemons.
        slurm.command("scancel", "--user", getpass.getuser())
        end = time.monotonic() + PATIENCE_S
        while slurm.command("squeue", "-h") and time.monotonic() < end:
            time.sleep(0.1)
        for daemon in reversed(daemons):
            _stop(daemon)
        shutil.rmtree(folder)


if __name__ == "__main__":
    lacking = missing_programs()
    if lacking:
        raise SystemExit(f"{', '.join(lacking)} not found: install SLURM (`make slurm` on Debian).")
    with running_slurm() as slurm:
        for name in ("SLURM_CONF", "PATH"):
            print(f"export {name}={slurm.environment[name]}", flush=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        with suppress(KeyboardInterrupt):
            signal.pause()
