# The page of the run itself, out of what the jobs left beside their results: benchmarks, logs and
# the metadata of the embeddings. What can be known at the start alone is written down then.
import json
import time
from contextlib import suppress

from modality_gap.run_record import code_state, machine

DEFAULT_CONFIG = with_rows(
    without_nulls(load_yaml(Path(workflow.basedir) / "config" / "config.yaml"))
)


onstart:
    planned = set(workflow.dag.needrun_jobs())
    about = {
        "started": time.time(),
        "machine": machine(),
        "code": code_state(workflow.basedir),
        "configfiles": list(map(os.path.relpath, workflow.overwrite_configfiles)),
        "settings": dict(workflow.config_settings.config),
        "executor": workflow.executor_plugin.name,
        "cores": workflow.cores,
        # Those of this configuration: files that another one left are not taken for this run's.
        "jobs": [
            {
                "rule": job.rule.name,
                "planned": job in planned,
                "benchmark": str(job.benchmark),
                "log": str(job.log[0]),
                "output": list(map(str, job.output)),
            }
            for job in workflow.dag.jobs
            if job.benchmark
        ],
    }
    # Where nothing can be written the jobs will say why.
    with suppress(OSError):
        partial = Path("results/run.json.part")
        partial.write_text(json.dumps(about, default=str), encoding="utf-8")
        partial.replace("results/run.json")


rule write_run_page:
    """This run as a page: software, machine, configuration, and what each rule took."""
    input:
        # The last job: all others are behind these.
        pages=["results/paper.html", "results/claims.html", "results/models.html"],
        requirements="requirements.txt",
        templates=[
            "report/base.html.j2",
            "report/tables.html.j2",
            "report/run.html.j2",
        ],
        style="report/style.css",
        code=code("write_run_page"),
    output:
        page=report(
            "results/run.html",
            caption="../report/captions/run.rst",
            category="The page",
            labels={"figure": "this run"},
        ),
        jobs="results/run.csv",
    log:
        "results/logs/write_run_page.log",
    benchmark:
        "results/benchmarks/write_run_page.tsv"
    conda:
        "../envs/report.yaml"
    params:
        config={key: value for key, value in config.items() if key != "stand_ins"},
        default=DEFAULT_CONFIG,
        record="results/run.json",
    script:
        "../scripts/write_run_page.py"
