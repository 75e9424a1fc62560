"""Snakemake that starts at once, over and over, as do its script jobs.

More than half of what small runs and small jobs cost is the import of Snakemake, torch, pandas and
matplotlib. Here a process that has them forks a run for each line of JSON on its stdin; the rules,
the scripts and what they get are the same. A run and its jobs are a process group of their own, as
they are in a terminal, so that one signal reaches them all.

A line is {"folder", "environment", "arguments", "said" (a file)}; the answers, a line each, are the
run's process id and, once no process of its group is left, its exit code.
"""

import atexit
import ctypes
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
from contextlib import nullcontext, suppress
from multiprocessing.connection import Client, Listener

LARGE = [
    "huggingface_hub", "jinja2", "matplotlib.pyplot", "open_clip", "pandas", "PIL.Image",
    "pyarrow.parquet", "requests", "scipy.io", "scipy.stats", "sklearn.decomposition", "timm",
    "torch", "torchvision", "umap",
]  # fmt: skip

PR_SET_CHILD_SUBREAPER = 36


def serve() -> None:
    """Fork one run after the other."""
    for module in (*LARGE, "snakemake.cli", "snakemake.script"):
        importlib.import_module(module)
    # A process whose parent has ended becomes a child of this one, which can then wait for it.
    with suppress(AttributeError):  # Linux alone has it
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            end(run(**json.loads(line)))
        print(process, flush=True)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        # A job can outlive Snakemake by a moment, and has files open until it is gone.
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-process, 0)
        print(code, flush=True)


def end(code: int) -> None:
    """Leave a forked process, without what belongs to the one it was forked from."""
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def run(folder: str, environment: dict[str, str], arguments: list[str], said: str) -> int:
    """Snakemake in a folder; its exit code."""
    from snakemake.benchmark import benchmarked
    from snakemake.cli import main
    from snakemake.script import PythonScript

    os.setsid()
    with open(said, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    # Jobs are forked from a process that has no threads, as Snakemake has.
    listener = Listener(family="AF_UNIX")
    jobs = os.fork()
    if jobs == 0:
        serve_jobs(listener)

    def execute_script(self, fname: str, edit: bool = False) -> None:
        with Client(listener.address) as job:
            job.send((os.path.abspath(fname), os.getcwd(), dict(os.environ)))
            process, record = job.recv(), self.bench_record
            with benchmarked(process, record) if record else nullcontext():
                try:
                    job.send("go")  # not before the benchmark has found the process
                    code = job.recv()
                except (EOFError, OSError):
                    code = -signal.SIGKILL
        if code:
            raise subprocess.CalledProcessError(code, [sys.executable, fname])

    PythonScript.execute_script = execute_script
    try:
        main(arguments)
    except SystemExit as done:
        return done.code or 0
    finally:
        os.kill(jobs, signal.SIGKILL)
    return 0


def serve_jobs(listener: Listener) -> None:
    """Fork one process a job; its exit code goes to where the job came from."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        job = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            given = job.recv()
            job.send(os.getpid())
            job.recv()
            code = run_script(*given)
            atexit._run_exitfuncs()
            job.send(code)
            end(code)
        job.close()


def run_script(path: str, folder: str, environment: dict[str, str]) -> int:
    """What `python PATH` does, in a process that was forked for it; the exit code."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [path]
    sys.path.insert(0, os.path.dirname(path))
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as done:
        return done.code or 0
    except BaseException as error:
        sys.last_value = error
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


if __name__ == "__main__":
    serve()
