# The pages: summary, evidence, figures, errata and methods, which is the last job.
import json

# What every page is made of.
PAGE_SCRIPTS = [shipped(f"report/scripts/{name}.js") for name in ("theme", "page")]
REPORT = load_yaml(LEDGER / "report.yaml")


ABSENT = {name: entry for name, entry in config["sets"].items() if name not in SETS}


rule write_index:
    """The summary: the verdict, four answers, the main statements, key figures."""
    input:
        claims="results/claims.csv",
        tables=[
            f"results/statistics/{name}.csv"
            for name in (
                "gap",
                "loss_minimum",
                "recall_peak",
                "mlp_cone_interval",
                "initialisation_spectrum",
                "experiments/initialisation_summary",
                "experiments/temperature_summary",
                "experiments/same_modality_summary",
            )
        ]
        + ["results/tables/table1.csv", "results/tables/published_table2.csv"],
        figures=svg_files(REPORT["key"]),
        report=shipped("config/ledger/report.yaml"),
        items_file=shipped("config/ledger/items.yaml"),
        citation=shipped("CITATION.cff"),
        explorer="results/explorer/charts.json",
        explorer_scripts=[
            "results/explorer/vega.js",
            shipped("report/scripts/explorer.js"),
        ],
        templates=page_templates("index", "explorer"),
        scripts=PAGE_SCRIPTS,
        style=shipped("report/style.css"),
        code=code("pages/write_index"),
    output:
        report(
            "results/index.html",
            caption=caption("index"),
            category="The pages",
            labels={"result": "summary"},
        ),
    log:
        "results/logs/write_index.log",
    benchmark:
        "results/benchmarks/write_index.tsv"
    conda:
        "../envs/report.yaml"
    params:
        papers=PAPERS_SETS,
        released=[name for name in PUBLISHED_SETS if name in PAPERS_SETS],
        sets=SETS,
        version=VERSION,
        record=f"{RESULTS}/run.json",
    script:
        "../scripts/pages/write_index.py"


rule write_figures:
    """Every figure and table, beside the findings of the paper and of this run."""
    input:
        figures=svg_files(
            [
                name
                for name in ON_PAGE
                if ITEMS[name].kind == "figure" and name not in NOT_RUN
            ]
        ),
        texts=[f"results/{ITEMS[name].path}" for name in names_of(ITEMS, "text")],
        tables=tables_of_page,
        curves=[
            f"results/statistics/training/{model}.csv"
            for model in [*config["projections"], *config["training"]]
        ],
        own_losses=[
            f"results/statistics/{DECLARED_LOSSES[name].prefix}_minimum.csv"
            for name in OWN_LOSSES
        ],
        captions=[shipped(f"report/captions/{name}.rst") for name in ON_PAGE],
        claims="results/claims.csv",
        ledger=CLAIMS_FILES[0],
        ledger_parts=CLAIMS_FILES[1:],
        ledger_schema=shipped("config/schema/claims.yaml"),
        errata=shipped("config/ledger/errata.yaml"),
        not_run=shipped("config/ledger/not_run.yaml"),
        report=shipped("config/ledger/report.yaml"),
        items_file=shipped("config/ledger/items.yaml"),
        tables_file=shipped("config/tables.yaml"),
        stand_ins=shipped("config/ledger/stand_ins.yaml"),
        templates=page_templates("figures"),
        scripts=PAGE_SCRIPTS,
        style=shipped("report/style.css"),
        code=code("pages/write_figures"),
    output:
        report(
            "results/figures.html",
            caption=caption("figures"),
            category="The pages",
            labels={
                "result": "every figure and table beside the paper",
            },
        ),
    log:
        "results/logs/write_figures.log",
    benchmark:
        "results/benchmarks/write_figures.tsv"
    conda:
        "../envs/report.yaml"
    params:
        config=config,
        version=VERSION,
        record=f"{RESULTS}/run.json",
        sets=SETS,
        own_losses=OWN_LOSSES,
        made_by=lambda wildcards: {name: made_by(name) for name in ON_PAGE},
        not_run=NOT_RUN,
        absent=ABSENT,
    script:
        "../scripts/pages/write_figures.py"


rule write_after:
    """What follow-up papers measure, how they move finished embeddings, and their losses."""
    input:
        tables=[
            f"results/after/{name}.csv"
            for name in (
                *("methods", "differences", "method_names", "fit_sizes", "measures"),
                *("losses_summary", "losses_difference", "losses_methods"),
            )
        ],
        gap="results/statistics/gap.csv",
        peak="results/statistics/recall_peak.csv",
        figures=svg_files(names_on(ITEMS, "after")),
        captions=[
            shipped(f"report/captions/{name}.rst") for name in names_on(ITEMS, "after")
        ],
        judged="results/after/follow_ups.csv",
        follow_ups=shipped("config/ledger/follow_ups.yaml"),
        items_file=shipped("config/ledger/items.yaml"),
        stand_ins=shipped("config/ledger/stand_ins.yaml"),
        templates=page_templates("after"),
        scripts=PAGE_SCRIPTS,
        style=shipped("report/style.css"),
        code=code("pages/write_after"),
    output:
        report(
            "results/after.html",
            caption=caption("after"),
            category="The pages",
            labels={"result": "after the paper: its follow-ups"},
        ),
    log:
        "results/logs/write_after.log",
    benchmark:
        "results/benchmarks/write_after.tsv"
    conda:
        "../envs/report.yaml"
    params:
        config=config,
        version=VERSION,
        record=f"{RESULTS}/run.json",
        sets=SETS,
        published=PUBLISHED_SETS,
        temperature_alone=TEMPERATURE_ALONE,
    script:
        "../scripts/pages/write_after.py"


rule write_evidence:
    """Every check with its verdict, and the errata of paper and code, each as a page."""
    input:
        claims="results/claims.csv",
        # The sentences that lead are of this table.
        tuned="results/statistics/experiments/temperature_summary.csv",
        errata=shipped("config/ledger/errata.yaml"),
        errata_after=shipped("config/ledger/follow_up_errata.yaml"),
        tables=tables_measured_in(
            [*load_yaml(LEDGER / "errata.yaml")["errata"], *ERRATA_AFTER]
        ),
        templates=page_templates("evidence", "errata"),
        scripts=PAGE_SCRIPTS,
        own_script=shipped("report/scripts/evidence.js"),
        style=shipped("report/style.css"),
        code=code("pages/write_evidence"),
    output:
        evidence=report(
            "results/evidence.html",
            caption=caption("evidence"),
            category="The pages",
            labels={"result": "every check, with its verdict"},
        ),
        errata=report(
            "results/errata.html",
            caption=caption("errata"),
            category="The pages",
            labels={"result": "errata of paper and code"},
        ),
    log:
        "results/logs/write_evidence.log",
    benchmark:
        "results/benchmarks/write_evidence.tsv"
    conda:
        "../envs/report.yaml"
    params:
        confidence=config["confidence"],
        version=VERSION,
        results=lambda wildcards: RESULTS,
        record=f"{RESULTS}/run.json",
    script:
        "../scripts/pages/write_evidence.py"


# A workflow that imports this one calls it itself: `onstart: gap.onstart()`.
onstart:
    # Another Snakemake may not have this; if nothing can be written, the jobs will say why.
    with suppress(OSError, AttributeError):
        partial = Path(f"{RESULTS}/run.json.part")
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(
            json.dumps(start_of_run(), default=str), encoding="utf-8"
        )
        partial.replace(f"{RESULTS}/run.json")


rule write_methods:
    """Models, data, statistics, licences and this run: software, machine, time of each rule."""
    input:
        # The last job: these need all others.
        pages=[
            f"results/{name}.html"
            for name in ("index", "evidence", "figures", "paper")
        ],
        after=AFTER,
        pairs=PAIR_FILES,
        not_run=shipped("config/ledger/not_run.yaml"),
        glossary=shipped("config/ledger/glossary.yaml"),
        items_file=shipped("config/ledger/items.yaml"),
        stand_ins=shipped("config/ledger/stand_ins.yaml"),
        assets=shipped("config/assets.yaml"),
        requirements=shipped("requirements.txt"),
        templates=page_templates("methods"),
        scripts=PAGE_SCRIPTS,
        style=shipped("report/style.css"),
        code=code("pages/write_methods"),
    output:
        page=report(
            "results/methods.html",
            caption=caption("methods"),
            category="The pages",
            labels={"result": "methods, sources and this run"},
        ),
        jobs="results/run.csv",
    log:
        "results/logs/write_methods.log",
    benchmark:
        "results/benchmarks/write_methods.tsv"
    conda:
        "../envs/report.yaml"
    params:
        config=config,
        version=VERSION,
        default=with_rows(DEFAULT_CONFIG),
        results=lambda wildcards: RESULTS,
        record=f"{RESULTS}/run.json",
        sets=SETS,
        not_run=NOT_RUN,
        missing=LEFT_OUT,
        absent=ABSENT,
    script:
        "../scripts/pages/write_methods.py"


# What the pages were called before, and what has their content now.
FORWARDS = {
    "paper": "figures",
    "claims": "evidence",
    "models": "figures",
    "run": "methods",
}


rule write_forwards:
    """Pages of earlier names, which lead to their successors."""
    input:
        template=shipped("report/templates/forward.html.j2"),
        code=code("pages/write_forwards"),
    output:
        [f"results/{name}.html" for name in FORWARDS],
    log:
        "results/logs/write_forwards.log",
    benchmark:
        "results/benchmarks/write_forwards.tsv"
    conda:
        "../envs/report.yaml"
    params:
        forwards=FORWARDS,
    script:
        "../scripts/pages/write_forwards.py"
