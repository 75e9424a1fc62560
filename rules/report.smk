# The reading page: every figure and table in the paper's order, in one file.

# In the order of the page.
FIGURES = [
    "figure1",
    "figure2a",
    "figure2b",
    "figure2c",
    "figure3a",
    "figure3bcd",
    "figure3ef",
    "figure3g",
    "table1_curves",
    "training",
    "theorem1",
    "lemma3",
    "theorem2",
    "cone_areas",
    "experiment_temperature",
    "experiment_initialisation",
    "experiment_dimension",
    "experiment_same_modality",
    "supplementary4",
    "supplementary5",
    "supplementary6",
    "supplementary7",
    "supplementary9",
    "supplementary12",
    "supplementary15",
    "diagnostics",
]
TABLES = ["table1", "table2"]
# These stand on the page as they lie in their files.
PLAIN_TABLES = [
    "preprocessing",
    "loss_minimum",
    "published_table2",
    "supplementary_p_values",
]


rule write_paper_page:
    """One offline page: captions, what the paper found, what this run found, every figure."""
    input:
        figures=[
            f"results/figures/{name}.svg"
            for name in [
                *FIGURES,
                *(study for study in SEED_STUDIES if study not in NOT_RUN),
            ]
        ],
        tables=[f"results/tables/{name}.csv" for name in TABLES],
        statistics=[
            f"results/statistics/{name}.csv"
            for name in (
                "gap",
                "cone",
                "mlp_cone_interval",
                "initialisation_spectrum",
                "pca_shifts",
                "loss_landscape",
                "sphere",
                "zero_shot",
            )
        ],
        experiments=[
            f"results/statistics/experiments/{name}.csv"
            for name in (
                "temperature_summary",
                "initialisation_summary",
                "initialisation_difference",
            )
        ],
        curves=[
            f"results/statistics/training/{model}.csv"
            for model in [*config["projections"], *config["training"]]
        ],
        pairs=PAIR_FILES,
        captions=[
            f"report/captions/{name}.rst"
            for name in [*FIGURES, *TABLES, *PLAIN_TABLES, *SEED_STUDIES]
        ],
        plain_tables=[
            f"results/{'statistics' if name == 'loss_minimum' else 'tables'}/{name}.csv"
            for name in PLAIN_TABLES
        ],
        claims="results/claims.csv",
        ledger="config/claims.yaml",
        ledger_schema="config/claims_schema.yaml",
        errata="config/errata.yaml",
        not_run="config/not_run.yaml",
        templates=[
            "report/base.html.j2",
            "report/tables.html.j2",
            "report/paper.html.j2",
        ],
        style="report/style.css",
        found="report/paper_found.yaml",
        assets="config/assets.yaml",
        requirements="requirements.txt",
        code=code("write_paper_page"),
    output:
        report(
            "results/paper.html",
            caption="../report/captions/paper.rst",
            category="The page",
            labels={"figure": "the reading page"},
        ),
    log:
        "results/logs/write_paper_page.log",
    benchmark:
        "results/benchmarks/write_paper_page.tsv"
    conda:
        "../envs/report.yaml"
    params:
        config=config,
        sets=SETS,
        not_run=NOT_RUN,
        missing=LEFT_OUT,
        absent={
            name: entry for name, entry in config["sets"].items() if name not in SETS
        },
    script:
        "../scripts/write_paper_page.py"
