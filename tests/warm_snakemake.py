"""Snakemake whose script jobs begin with the large packages imported already.

More than half of what small jobs cost is the import of torch, pandas and matplotlib. Here a job is
forked from a process that has them; the rules, the scripts and what they get are the same.

    python tests/warm_snakemake.py ARGUMENTS OF SNAKEMAKE
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
from contextlib import nullcontext

LARGE = [
    "huggingface_hub", "jinja2", "matplotlib.pyplot", "pandas", "PIL.Image", "pyarrow.parquet",
    "requests", "scipy.io", "scipy.stats", "sklearn.decomposition", "timm", "torch", "torchvision",
]  # fmt: skip


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


def job(*given: object) -> None:
    sys.exit(run_script(*given))


def main() -> None:
    from snakemake.benchmark import benchmarked
    from snakemake.cli import main as snakemake
    from snakemake.script import PythonScript

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LARGE)

    def execute_script(self, fname: str, edit: bool = False) -> None:
        given = (os.path.abspath(fname), os.getcwd(), dict(os.environ))
        process = context.Process(target=job, args=given)
        process.start()
        record = self.bench_record
        with benchmarked(process.pid, record) if record else nullcontext():
            process.join()
        if process.exitcode:
            raise subprocess.CalledProcessError(process.exitcode, [sys.executable, fname])

    PythonScript.execute_script = execute_script
    snakemake(sys.argv[1:])


if __name__ == "__main__":
    main()
