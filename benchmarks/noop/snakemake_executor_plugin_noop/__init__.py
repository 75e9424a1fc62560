"""`--executor noop`: jobs that do nothing but leave an empty file for each output and benchmark, so
that what Snakemake itself takes can be measured, and a file that says when the graph of jobs was
planned. Found where the parent is on PYTHONPATH."""

from pathlib import Path

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings

LAID_OUT = "graph_laid_out"  # in the folder of the run

common_settings = CommonSettings(
    non_local_exec=False, implies_no_shared_fs=False, job_deploy_sources=False, touch_exec=True
)


class Executor(RealExecutor):
    def __post_init__(self) -> None:
        Path(LAID_OUT).touch()

    def run_job(self, job) -> None:
        for path in filter(None, [*job.output, job.benchmark]):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).touch()
        self.report_job_submission(SubmittedJobInfo(job=job), register_job=False)
        self.report_job_success(SubmittedJobInfo(job=job))

    def get_exec_mode(self):
        raise NotImplementedError

    def get_python_executable(self):
        raise NotImplementedError

    def cancel(self) -> None:
        pass

    def shutdown(self) -> None:
        pass

    @property
    def cores(self):
        return self.workflow.resource_settings.cores
