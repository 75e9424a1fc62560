# The supplement: variants of the figures, and what needs data that is not available.


rule project_svd:
    """Uncentred SVD of both modalities of a set together, every set."""
    input:
        pairs=PAIR_FILES,
        code=code("supplement/project_svd"),
    output:
        "results/statistics/svd.parquet",
    log:
        "results/logs/project_svd.log",
    benchmark:
        "results/benchmarks/project_svd.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        sets=list(SETS),
        sample=config["sample"],
        seed=config["seed"],
    script:
        "../scripts/supplement/project_svd.py"


rule plot_supplementary4:
    """Supplementary 4: Figure 1's sets by an uncentred SVD."""
    input:
        gap="results/statistics/gap.csv",
        svd="results/statistics/svd.parquet",
        code=code("supplement/plot_supplementary4"),
    output:
        **figure("supplementary4"),
    log:
        "results/logs/plot_supplementary4.log",
    benchmark:
        "results/benchmarks/plot_supplementary4.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        papers=PAPERS_SETS,
        modalities=MODALITIES,
    script:
        "../scripts/supplement/plot_supplementary4.py"


use rule plot_figure2c as plot_supplementary5 with:
    # Supplementary 5: the initialisations of Figure 2(c) on noise.
    input:
        points="results/statistics/initialisation_noise_umap.parquet",
        spectrum="results/statistics/initialisation_noise_spectrum.csv",
        code=code("figure2/plot_figure2c"),
    output:
        **figure("supplementary5"),
    log:
        "results/logs/plot_supplementary5.log",
    benchmark:
        "results/benchmarks/plot_supplementary5.tsv"
    params:
        spectra=True,
        published={},


use rule plot_figure2c as plot_supplementary7 with:
    # Supplementary 7: the initialisations of Figure 2(c) by their principal components.
    input:
        points="results/statistics/initialisation_pca.parquet",
        spectrum="results/statistics/initialisation_spectrum.csv",
        code=code("figure2/plot_figure2c"),
    output:
        **figure("supplementary7"),
    log:
        "results/logs/plot_supplementary7.log",
    benchmark:
        "results/benchmarks/plot_supplementary7.tsv"
    params:
        spectra=False,
        published={},


rule write_supplementary12:
    """Supplementary 12: the contrastive loss as runnable code, and as it was released."""
    input:
        shipped("scripts/supplement/contrastive_loss.py"),
        code=code("supplement/write_supplementary12"),
    output:
        in_report("supplementary12"),
    log:
        "results/logs/write_supplementary12.log",
    benchmark:
        "results/benchmarks/write_supplementary12.tsv"
    conda:
        "../envs/figures.yaml"
    script:
        "../scripts/supplement/write_supplementary12.py"


use rule project_initialisations as project_seed_study with:
    # Supplementary 13 and 14, where the configuration gives them something to compare.
    input:
        embeddings=lambda w: [path for _, path in initialisations_of(w.study)],
        code=code("figure2/project_initialisations"),
    output:
        umap="results/statistics/{study}_umap.parquet",
        spectrum="results/statistics/{study}_spectrum.csv",
    log:
        "results/logs/project_seed_study/{study}.log",
    benchmark:
        "results/benchmarks/project_seed_study/{study}.tsv"
    wildcard_constraints:
        study="|".join(SEED_STUDIES),
    params:
        labels=lambda w: [label for label, _ in initialisations_of(w.study)],
        umap=config["umap"],
        seed=config["seed"],


use rule plot_figure2c as plot_supplementary13 with:
    # Supplementary 13: trained networks that differ in nothing but their seed.
    input:
        points="results/statistics/supplementary13_umap.parquet",
        spectrum="results/statistics/supplementary13_spectrum.csv",
        code=code("figure2/plot_figure2c"),
    output:
        **figure("supplementary13"),
    log:
        "results/logs/plot_supplementary13.log",
    benchmark:
        "results/benchmarks/plot_supplementary13.tsv"
    params:
        spectra=True,
        published={},


use rule plot_figure2c as plot_supplementary14 with:
    # Supplementary 14: random initialisations on ImageNet.
    input:
        points="results/statistics/supplementary14_umap.parquet",
        spectrum="results/statistics/supplementary14_spectrum.csv",
        code=code("figure2/plot_figure2c"),
    output:
        **figure("supplementary14"),
    log:
        "results/logs/plot_supplementary14.log",
    benchmark:
        "results/benchmarks/plot_supplementary14.tsv"
    params:
        spectra=True,
        published={},


rule measure_normalisation:
    """Gap of an untrained model with and without norm layers and input normalisation."""
    input:
        pairs=[
            f"results/embeddings/{folder}/{modality}.parquet"
            for folder in NORMALISATION_FOLDERS
            for modality in ("image", "text")
        ],
        code=code("supplement/measure_normalisation"),
    output:
        table="results/statistics/normalisation.csv",
        svd="results/statistics/normalisation_svd.parquet",
    log:
        "results/logs/measure_normalisation.log",
    benchmark:
        "results/benchmarks/measure_normalisation.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        encoders={name: ENCODERS[name] for name in NORMALISATION["encoders"]},
        cluster=cluster_column(config, NORMALISATION["inputs"]),
        confidence=config["confidence"],
        sample=config["sample"],
        seed=config["seed"],
    script:
        "../scripts/supplement/measure_normalisation.py"


rule plot_supplementary15:
    """Supplementary 15: the gap without norm layers and without input normalisation."""
    input:
        table="results/statistics/normalisation.csv",
        code=code("supplement/plot_supplementary15"),
    output:
        **figure("supplementary15"),
    log:
        "results/logs/plot_supplementary15.log",
    benchmark:
        "results/benchmarks/plot_supplementary15.tsv"
    conda:
        "../envs/figures.yaml"
    script:
        "../scripts/supplement/plot_supplementary15.py"


rule make_supplementary_p_values:
    """The published p-values, computed again, at other sizes and corrected for the choice of shift."""
    input:
        published=shipped("config/ledger/p_values.yaml"),
        code=code("supplement/make_supplementary_p_values"),
    output:
        table("supplementary_p_values"),
    log:
        "results/logs/make_supplementary_p_values.log",
    benchmark:
        "results/benchmarks/make_supplementary_p_values.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        confidence=config["confidence"],
    script:
        "../scripts/supplement/make_supplementary_p_values.py"
