# Figure 3: the contrastive loss at low temperature keeps the gap.


rule project_pca:
    """Principal components of the trained sets, and the path of a shift along the gap through them."""
    input:
        pairs=pair_files(TRAINED_SETS),
        code=code("figure3/project_pca"),
    output:
        points="results/statistics/pca.parquet",
        shifts="results/statistics/pca_shifts.csv",
    log:
        "results/logs/project_pca.log",
    benchmark:
        "results/benchmarks/project_pca.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        sets=TRAINED_SETS,
        sample=config["sample"],
        seed=config["seed"],
    script:
        "../scripts/figure3/project_pca.py"


rule plot_figure3a:
    """Figure 3(a): the sets along the gap, with the shift drawn."""
    input:
        points="results/statistics/pca.parquet",
        shifts="results/statistics/pca_shifts.csv",
        gap="results/statistics/gap.csv",
        code=code("figure3/plot_figure3a"),
    output:
        **figure("figure3a"),
    log:
        "results/logs/plot_figure3a.log",
    benchmark:
        "results/benchmarks/plot_figure3a.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        papers=PAPERS_SETS,
        modalities=MODALITIES,
    script:
        "../scripts/figure3/plot_figure3a.py"


rule sweep_loss:
    """A loss of every set, or of the sets trained with it, over shifts and temperatures."""
    input:
        pairs=lambda w: pair_files(trained_with(SETS, LOSS_OF[w.loss])),
        code=code("figure3/sweep_loss"),
    output:
        landscape="results/statistics/{loss}_landscape.csv",
        minimum=minimum_in_report("results/statistics/{loss}_minimum.csv"),
        shape="results/statistics/{loss}_shape.csv",
    log:
        "results/logs/sweep_{loss}.log",
    benchmark:
        "results/benchmarks/sweep_{loss}.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: SHARE_OF_CORES
    params:
        loss=lambda w: LOSS_OF[w.loss],
        # Scale and bias of your own pairs; an encoder's are in the metadata of its embeddings.
        sets=lambda w: trained_with(SETS, LOSS_OF[w.loss]),
        clusters=CLUSTERS,
        landscape=config["loss_landscape"],
        bootstrap=config["bootstrap"],
        confidence=config["confidence"],
        sample=config["sample"],
        seed=config["seed"],
    script:
        "../scripts/figure3/sweep_loss.py"


# The first of these sets that takes part has the marks of the paper's curves.
MARKED = next((name for name in ("coco_b32", "clip") if name in SETS), None)


rule plot_figure3bcd:
    """Figure 3(b-d): loss against gap distance, six temperatures."""
    input:
        landscape="results/statistics/loss_landscape.csv",
        minimum="results/statistics/loss_minimum.csv",
        gap="results/statistics/gap.csv",
        code=code("figure3/plot_figure3bcd"),
    output:
        **figure("figure3bcd"),
    log:
        "results/logs/plot_figure3bcd.log",
    benchmark:
        "results/benchmarks/plot_figure3bcd.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        papers=PAPERS_SETS,
        marked=MARKED,
        published=lambda wildcards: {
            **minima_of_the_paper(wildcards),
            **printed(
                {
                    "least": "figure3b.minimum_loss",
                    **{
                        name: f"figure3b.shape.{name}"
                        for name in (
                            "hump_distance",
                            "hump_loss",
                            "back_distance",
                            "back_loss",
                        )
                    },
                }
            )(wildcards),
        },
    script:
        "../scripts/figure3/plot_figure3bcd.py"


rule simulate_sphere:
    """Loss of six pairs on the sphere against their angle of separation."""
    input:
        code=code("figure3/simulate_sphere"),
    output:
        "results/statistics/sphere.csv",
    log:
        "results/logs/simulate_sphere.log",
    benchmark:
        "results/benchmarks/simulate_sphere.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        sphere=config["sphere"],
    script:
        "../scripts/figure3/simulate_sphere.py"


rule plot_figure3g:
    """Figure 3(e, g), Supplementary 9: the sphere, and the loss with and without mismatched pairs."""
    input:
        "results/statistics/sphere.csv",
        code=code("figure3/plot_figure3g"),
    output:
        **figure("figure3g"),
    log:
        "results/logs/plot_figure3g.log",
    benchmark:
        "results/benchmarks/plot_figure3g.tsv"
    conda:
        "../envs/figures.yaml"
    script:
        "../scripts/figure3/plot_figure3g.py"
