# All models side by side: a figure and a page out of tables that other rules made; and the sigmoid
# loss of those models that were trained with it.

SIGMOID_SETS = {
    name: entry for name, entry in SETS.items() if entry.get("loss") == "sigmoid"
}


rule sweep_sigmoid_loss:
    """SigLIP's loss of the sets that have one, at its own scale and bias and over temperatures."""
    input:
        pairs=pair_files(SIGMOID_SETS),
        code=code("sweep_sigmoid_loss"),
    output:
        landscape="results/statistics/sigmoid_landscape.csv",
        minimum="results/statistics/sigmoid_minimum.csv",
    log:
        "results/logs/sweep_sigmoid_loss.log",
    benchmark:
        "results/benchmarks/sweep_sigmoid_loss.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        # Scale and bias of one's own pairs; an encoder's are in its embeddings' metadata.
        sets={
            name: {key: entry[key] for key in ("scale", "bias") if key in entry}
            for name, entry in SIGMOID_SETS.items()
        },
        clusters=CLUSTERS,
        landscape=config["loss_landscape"],
        bootstrap=config["bootstrap"],
        confidence=config["confidence"],
        sample=config["sample"],
        seed=config["seed"],
    script:
        "../scripts/sweep_sigmoid_loss.py"


rule plot_sigmoid_loss:
    """The sigmoid loss against the gap, beside the softmax loss of the same set."""
    input:
        landscape="results/statistics/sigmoid_landscape.csv",
        softmax="results/statistics/loss_landscape.csv",
        gap="results/statistics/gap.csv",
        code=code("plot_sigmoid_loss"),
    output:
        svg=report(
            "results/figures/sigmoid_loss.svg",
            caption="../report/captions/sigmoid_loss.rst",
            category="Beyond the paper",
            labels={"figure": "the sigmoid loss against the gap"},
        ),
        pdf="results/figures/sigmoid_loss.pdf",
    log:
        "results/logs/plot_sigmoid_loss.log",
    benchmark:
        "results/benchmarks/plot_sigmoid_loss.tsv"
    conda:
        "../envs/figures.yaml"
    script:
        "../scripts/plot_sigmoid_loss.py"


rule plot_models:
    """Gap of every model, and where its loss is smallest at each temperature."""
    input:
        gap="results/statistics/gap.csv",
        minimum="results/statistics/loss_minimum.csv",
        code=code("plot_models"),
    output:
        svg=report(
            "results/figures/models.svg",
            caption="../report/captions/models.rst",
            category="Beyond the paper",
            labels={"figure": "all models side by side"},
        ),
        pdf="results/figures/models.pdf",
    log:
        "results/logs/plot_models.log",
    benchmark:
        "results/benchmarks/plot_models.tsv"
    conda:
        "../envs/figures.yaml"
    script:
        "../scripts/plot_models.py"


rule write_models_page:
    """All models side by side, as a page."""
    input:
        gap="results/statistics/gap.csv",
        diagnostics="results/statistics/diagnostics.csv",
        minimum="results/statistics/loss_minimum.csv",
        sigmoid=["results/statistics/sigmoid_minimum.csv"] if SIGMOID_SETS else [],
        figures=[
            f"results/figures/{name}.svg"
            for name in ["models", *(["sigmoid_loss"] if SIGMOID_SETS else [])]
        ],
        captions=[
            f"report/captions/{name}.rst"
            for name in ["models", *(["sigmoid_loss"] if SIGMOID_SETS else [])]
        ],
        templates=[
            "report/base.html.j2",
            "report/tables.html.j2",
            "report/models.html.j2",
        ],
        style="report/style.css",
        found="report/paper_found.yaml",
        code=code("write_models_page"),
    output:
        report(
            "results/models.html",
            caption="../report/captions/models.rst",
            category="The page",
            labels={"figure": "all models side by side, as a page"},
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
    script:
        "../scripts/write_models_page.py"
