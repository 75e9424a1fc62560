# The reading page: every figure and table in the paper's order, in one file.

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
]


rule write_paper_page:
    """One offline page: captions, what the paper found, what this run found, every figure."""
    input:
        figures=[f"results/figures/{name}.svg" for name in FIGURES],
        tables=["results/tables/table1.csv", "results/tables/table2.csv"],
        statistics=[
            f"results/statistics/{name}.csv"
            for name in (
                "gap",
                "cone",
                "mlp_cone",
                "initialisation_spectrum",
                "pca_shifts",
                "loss_landscape",
                "sphere",
                "zero_shot",
            )
        ],
        curves=[
            f"results/statistics/training/{model}.csv"
            for model in [*config["projections"], *config["training"]]
        ],
        pairs=PAIR_FILES,
        captions=[
            f"report/captions/{name}.rst" for name in [*FIGURES, "table1", "table2"]
        ],
        plain_tables=[f"results/tables/{name}.csv" for name in PLAIN_TABLES],
        claims="results/claims.csv",
        not_run="config/not_run.yaml",
        templates=["report/base.html.j2", "report/paper.html.j2"],
        style="report/style.css",
        found="report/paper_found.yaml",
        assets="config/assets.yaml",
        requirements="requirements.txt",
        code=code("page"),
    output:
        report(
            "results/paper.html",
            caption="../report/captions/paper.rst",
            category="The page",
            labels={"figure": "the reading page"},
        ),
    log:
        "results/logs/write_paper_page.log",
    conda:
        "../envs/report.yaml"
    params:
        config=config,
        sets=SETS,
        absent={
            name: entry for name, entry in config["sets"].items() if name not in SETS
        },
    script:
        "../scripts/write_paper_page.py"
