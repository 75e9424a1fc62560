"""Write the page on methods and this run, as one offline file, and the table of its jobs."""

from modality_gap.logs import log_to

log_to(snakemake)

import json
import platform
import time
from pathlib import Path

import pandas as pd
import yaml

from modality_gap.embeddings.shards import read_about
from modality_gap.pages import paper, provenance, render, run
from modality_gap.pages.cite import stamp
from modality_gap.pages.findings.figure1 import SEPARATE
from modality_gap.pages.labels import set_labels
from modality_gap.paper.chance import WELL_ABOVE
from modality_gap.paper.claims import MEANINGS
from modality_gap.paper.items import load_items
from modality_gap.paper.show import MEANINGS_OF_OURS, STYLES


def text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


inputs, params = snakemake.input, snakemake.params
config, results = params.config, Path(params.results)
# Without a shared file system, or with --no-hooks, there is no record.
record = json.loads(text(params.record)) if Path(params.record).exists() else {}
ended = time.time()
rows, embeddings = [], {}
for job in record.get("jobs", []):
    benchmark, log = Path(job["benchmark"]), Path(job["log"])
    if job["rule"] != snakemake.rule and benchmark.exists():
        rows.append(
            {
                "rule": job["rule"],
                "job": log.relative_to(results / "logs").with_suffix("").as_posix(),
                "in_this_run": job["planned"],
                "finished": benchmark.stat().st_mtime,
                **run.measurements(text(benchmark), text(log) if log.exists() else ""),
            }
        )
    for path in map(Path, job["output"]):
        if path.is_relative_to(results / "embeddings") and path.exists():
            embeddings[path.relative_to(results / "embeddings").with_suffix("").as_posix()] = path
jobs = pd.DataFrame(rows, columns=run.JOB_COLUMNS).astype({"in_this_run": bool})
items = load_items(Path(inputs.items_file))
relations, assets, not_run, glossary = (
    yaml.safe_load(text(path))
    for path in (inputs.stand_ins, inputs.assets, inputs.not_run, inputs.glossary)
)
# The footers only: the vectors are not read.
footers = {(Path(path).parent.name, Path(path).stem): read_about(path) for path in inputs.pairs}
origins = provenance.all_origins(items.values(), relations, params.sets, config)
html = render.render_page(
    {Path(path).name.partition(".")[0]: text(path) for path in inputs.templates},
    "methods",
    [text(path) for path in inputs.scripts],
    stamp(record, params.version),
    style=paper.Markup(text(inputs.style)),
    styles=STYLES,
    meanings=MEANINGS | MEANINGS_OF_OURS,
    glossary=glossary["report"],
    confidence=f"{100 * config['confidence']:g} %",
    separate=SEPARATE,
    well_above=WELL_ABOVE,
    stand_ins=origins.stand_ins,
    neighbours=origins.neighbours,
    others=origins.others,
    models=provenance.models_rows(
        params.sets,
        {key: about for key, (about, _) in footers.items()},
        {key: rows for key, (_, rows) in footers.items()},
        relations,
        config,
    ),
    sets=params.sets,
    absent=params.absent,
    mirrored=provenance.mirrored(params.absent, assets),
    labels=set_labels({**params.absent, **params.sets}),
    left_out={name: not_run[name] for name in params.not_run},
    missing=params.missing,
    assets=assets,
    sources=provenance.sources_rows(
        assets,
        provenance.used_assets(items.values(), config).union(*params.missing.values()),
    ),
    record=record,
    summary=run.summary(jobs, record, ended),
    software={
        "this workflow": f"{params.version}, "
        + (run.code_words(record["code"]) if record else "state of its files not recorded"),
        "Python": platform.python_version(),
    },
    packages=run.packages_table(text(inputs.requirements)),
    machine=run.machine_rows(record["machine"]) if record else [],
    timeline=run.timeline(jobs, record.get("started", 0), ended),
    elapsed=run.duration(ended - record.get("started", ended)),
    rules=run.rules_table(run.by_rule(jobs)),
    extractions=run.extraction_table(
        {name: read_about(path)[0] for name, path in sorted(embeddings.items())},
        {name: path.stat().st_mtime for name, path in embeddings.items()},
    ),
    differences=run.differences(config, params.default),
    bench=(results / "bench.html").exists(),
    config=yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100),
)
Path(snakemake.output.page).write_text(html, encoding="utf-8")
jobs["finished"] = pd.to_datetime(jobs["finished"].astype(float), unit="s", utc=True).dt.strftime(
    "%Y-%m-%dT%H:%M:%SZ"
)
jobs.to_csv(snakemake.output.jobs, index=False, na_rep="not measured")
