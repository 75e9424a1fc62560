# Figure 1: the modality gap exists, trained and untrained; and the table of gaps.


# The gaps of models that the paper gives, by set.
GAPS_OF_THE_PAPER = {"clip": "training.untouched_gap", "coco_b32": "figure3a.gap"}


rule measure_gaps:
    """Gap, cosines, recall and separability of every set."""
    input:
        **{f"parts_{name}": sums_of_parts(name) for name in BY_PART},
        pairs=PAIR_FILES,
        code=code("figure1/measure_gaps"),
    output:
        "results/statistics/gap.csv",
    log:
        "results/logs/measure_gaps.log",
    benchmark:
        "results/benchmarks/measure_gaps.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: SHARE_OF_CORES
    params:
        sets={name: (entry["label"], entry["weights"]) for name, entry in SETS.items()},
        clusters=CLUSTERS,
        confidence=config["confidence"],
        sample=config["sample"],
        compare_at_most=config["compare_at_most"],
        seed=config["seed"],
    script:
        "../scripts/figure1/measure_gaps.py"


rule project_umap:
    """UMAP of both modalities of a set together, every set."""
    input:
        pairs=PAIR_FILES,
        code=code("figure1/project_umap"),
    output:
        "results/statistics/umap.parquet",
    log:
        "results/logs/project_umap.log",
    benchmark:
        "results/benchmarks/project_umap.tsv"
    conda:
        "../envs/statistics.yaml"
    resources:
        # 437 MB, 29 s
        **needs(1500, 120, for_each_mb=8),
    params:
        sets=list(SETS),
        umap=config["umap"],
        sample=config["sample"],
        seed=config["seed"],
    script:
        "../scripts/figure1/project_umap.py"


rule plot_figure1:
    """Figure 1: (a) drawn, (b) trained and (c) untrained models."""
    input:
        gap="results/statistics/gap.csv",
        umap="results/statistics/umap.parquet",
        code=code("figure1/plot_figure1"),
    output:
        **figure("figure1"),
    log:
        "results/logs/plot_figure1.log",
    benchmark:
        "results/benchmarks/plot_figure1.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        papers=PAPERS_SETS,
        modalities=MODALITIES,
        published=printed(GAPS_OF_THE_PAPER),
    script:
        "../scripts/figure1/plot_figure1.py"
