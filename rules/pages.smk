# The pages: of the paper, of the claims, of the models, and of the run, which is the last job.
import json

# Figures of the page of all models: that of a loss only if a set was trained with it.
MODELS_FIGURES = [
    name
    for name in names_of(ITEMS, "figure", page="models")
    if name
    not in {
        f"{prefix}_loss" for prefix, loss in LOSS_OF.items() if loss not in OWN_LOSSES
    }
]

# What every page is made of.
PAGE_SCRIPTS = [shipped(f"report/scripts/{name}.js") for name in ("theme", "page")]
REPORT = load_yaml(LEDGER / "report.yaml")


rule write_index:
    """The summary: the verdict, four answers, the main statements, key figures."""
    input:
        claims="results/claims.csv",
        tables=[
            f"results/statistics/{name}.csv"
            for name in (
                "gap",
                "loss_minimum",
                "mlp_cone_interval",
                "experiments/initialisation_summary",
                "experiments/temperature_summary",
            )
        ]
        + ["results/tables/table1.csv"],
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
            labels={"result": "summary", "kind": "page"},
        ),
    log:
        "results/logs/write_index.log",
    benchmark:
        "results/benchmarks/write_index.tsv"
    conda:
        "../envs/report.yaml"
    params:
        sets=SETS,
        version=VERSION,
        record="results/run.json",
    script:
        "../scripts/pages/write_index.py"


rule write_paper_page:
    """One offline page: captions, what the paper found, what this run found, every figure."""
    input:
        figures=[
            f"results/{ITEMS[name].path}"
            for name in names_of(ITEMS, "figure")
            if name not in NOT_RUN
        ],
        tables=tables_of_page,
        curves=[
            f"results/statistics/training/{model}.csv"
            for model in [*config["projections"], *config["training"]]
        ],
        pairs=PAIR_FILES,
        captions=[shipped(f"report/captions/{name}.rst") for name in ON_PAGE],
        claims="results/claims.csv",
        ledger=CLAIMS_FILES[0],
        ledger_parts=CLAIMS_FILES[1:],
        ledger_schema=shipped("config/schema/claims.yaml"),
        errata=shipped("config/ledger/errata.yaml"),
        not_run=shipped("config/ledger/not_run.yaml"),
        templates=[
            shipped("report/templates/base.html.j2"),
            shipped("report/templates/parts.html.j2"),
            shipped("report/templates/paper.html.j2"),
        ],
        style=shipped("report/style.css"),
        items_file=shipped("config/ledger/items.yaml"),
        stand_ins=shipped("config/ledger/stand_ins.yaml"),
        assets=shipped("config/assets.yaml"),
        requirements=shipped("requirements.txt"),
        code=code("pages/write_paper_page"),
    output:
        report(
            "results/paper.html",
            caption=caption("paper"),
            category="The page",
            labels={"result": "the reading page", "kind": "page"},
        ),
    log:
        "results/logs/write_paper_page.log",
    benchmark:
        "results/benchmarks/write_paper_page.tsv"
    conda:
        "../envs/report.yaml"
    params:
        config=config,
        version=VERSION,
        sets=SETS,
        made_by=lambda wildcards: {name: made_by(name) for name in ON_PAGE},
        not_run=NOT_RUN,
        missing=LEFT_OUT,
        absent={
            name: entry for name, entry in config["sets"].items() if name not in SETS
        },
    script:
        "../scripts/pages/write_paper_page.py"


rule write_claims_pages:
    """The ledger and the errata of paper and code, each as a page."""
    input:
        claims="results/claims.csv",
        errata=shipped("config/ledger/errata.yaml"),
        tables=tables_measured_in(load_yaml(LEDGER / "errata.yaml")["errata"]),
        templates=[
            shipped("report/templates/base.html.j2"),
            shipped("report/templates/claims.html.j2"),
            shipped("report/templates/errata.html.j2"),
        ],
        style=shipped("report/style.css"),
        code=code("pages/write_claims_pages"),
    output:
        claims=report(
            "results/claims.html",
            caption=caption("claims"),
            category="Claims",
            labels={"result": "every claim, with a verdict", "kind": "page"},
        ),
        errata=report(
            "results/errata.html",
            caption=caption("errata"),
            category="Claims",
            labels={"result": "errata of paper and code", "kind": "page"},
        ),
    log:
        "results/logs/write_claims_pages.log",
    benchmark:
        "results/benchmarks/write_claims_pages.tsv"
    conda:
        "../envs/report.yaml"
    params:
        confidence=config["confidence"],
    script:
        "../scripts/pages/write_claims_pages.py"


rule write_models_page:
    """All models side by side, as a page."""
    input:
        gap="results/statistics/gap.csv",
        diagnostics="results/statistics/diagnostics.csv",
        minimum="results/statistics/loss_minimum.csv",
        own_losses=[
            f"results/statistics/{DECLARED_LOSSES[name].prefix}_minimum.csv"
            for name in OWN_LOSSES
        ],
        figures=[f"results/{ITEMS[name].path}" for name in MODELS_FIGURES],
        captions=[shipped(f"report/captions/{name}.rst") for name in MODELS_FIGURES],
        templates=[
            shipped("report/templates/base.html.j2"),
            shipped("report/templates/parts.html.j2"),
            shipped("report/templates/models.html.j2"),
        ],
        style=shipped("report/style.css"),
        items_file=shipped("config/ledger/items.yaml"),
        stand_ins=shipped("config/ledger/stand_ins.yaml"),
        code=code("pages/write_models_page"),
    output:
        report(
            "results/models.html",
            caption=caption("models"),
            category="The page",
            labels={"result": "all models side by side", "kind": "page"},
        ),
    log:
        "results/logs/write_models_page.log",
    benchmark:
        "results/benchmarks/write_models_page.tsv"
    conda:
        "../envs/report.yaml"
    params:
        config=config,
        sets=SETS,
        own_losses=OWN_LOSSES,
    script:
        "../scripts/pages/write_models_page.py"


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


rule write_run_page:
    """This run as a page: software, machine, configuration, and time and memory of each rule."""
    input:
        # The last job: these need all others.
        pages=["results/paper.html", "results/claims.html", "results/models.html"],
        requirements=shipped("requirements.txt"),
        templates=[
            shipped("report/templates/base.html.j2"),
            shipped("report/templates/parts.html.j2"),
            shipped("report/templates/run.html.j2"),
        ],
        style=shipped("report/style.css"),
        code=code("pages/write_run_page"),
    output:
        page=report(
            "results/run.html",
            caption=caption("run"),
            category="The page",
            labels={"result": "this run", "kind": "page"},
        ),
        jobs="results/run.csv",
    log:
        "results/logs/write_run_page.log",
    benchmark:
        "results/benchmarks/write_run_page.tsv"
    conda:
        "../envs/report.yaml"
    params:
        config=config,
        version=VERSION,
        default=with_rows(DEFAULT_CONFIG),
        record=f"{RESULTS}/run.json",
    script:
        "../scripts/pages/write_run_page.py"
