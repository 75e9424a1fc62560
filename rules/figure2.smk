# Figure 2: encoders map into narrow cones, and each random initialisation into its own.


rule measure_cones:
    """Mean, minimum and histogram of all cosines, nine panels of Figure 2(a)."""
    input:
        trained=cone_files("trained"),
        random=cone_files("random"),
        code=code("figure2/measure_cones"),
    output:
        table=table("supplementary6"),
        histogram="results/statistics/cone_histogram.csv",
    log:
        "results/logs/measure_cones.log",
    benchmark:
        "results/benchmarks/measure_cones.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: SHARE_OF_CORES
    params:
        encoders=list(config["cone"]["encoders"]),
        clusters=[
            cluster_column(config, entry["trained_inputs"])
            for entry in config["cone"]["encoders"].values()
        ],
        bins=config["cone"]["bins"],
        confidence=config["confidence"],
        compare_at_most=config["compare_at_most"],
        seed=config["seed"],
    script:
        "../scripts/figure2/measure_cones.py"


rule plot_figure2a:
    """Figure 2(a): histograms of cosine similarity."""
    input:
        table="results/statistics/cone.csv",
        histogram="results/statistics/cone_histogram.csv",
        code=code("figure2/plot_figure2a"),
    output:
        **figure("figure2a"),
    log:
        "results/logs/plot_figure2a.log",
    benchmark:
        "results/benchmarks/plot_figure2a.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        published=printed(
            {
                f"{encoder}, {weights}, {inputs}": f"figure2a.cone.{encoder}.{weights}.{inputs}"
                for encoder in (
                    "convolutional network",
                    "vision transformer",
                    "text transformer",
                )
                for weights, inputs in (
                    ("trained", "real"),
                    ("random", "real"),
                    ("random", "noise"),
                )
            }
        ),
        axis=config["cone"]["axis"],
    script:
        "../scripts/figure2/plot_figure2a.py"


rule measure_preprocessing:
    """One encoder with its own and with ImageNet's mean and standard deviation of pictures."""
    input:
        images=[
            f"results/embeddings/{pair_folder(encoder, PREPROCESSING['inputs'])}/image.parquet"
            for encoder in PREPROCESSING["encoders"]
        ],
        # The text tower is the same under both.
        text=f"results/embeddings/{pair_folder(PREPROCESSING['encoders'][0], PREPROCESSING['inputs'])}/text.parquet",
        code=code("figure2/measure_preprocessing"),
    output:
        table("preprocessing"),
    log:
        "results/logs/measure_preprocessing.log",
    benchmark:
        "results/benchmarks/measure_preprocessing.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: SHARE_OF_CORES
    params:
        encoders={name: ENCODERS[name] for name in PREPROCESSING["encoders"]},
        cluster=cluster_column(config, PREPROCESSING["inputs"]),
        confidence=config["confidence"],
    script:
        "../scripts/figure2/measure_preprocessing.py"


rule simulate_mlp_cone:
    """Mean cosine by depth of random multi-layer perceptrons, with and without bias."""
    input:
        code=code("figure2/simulate_mlp_cone"),
    output:
        table="results/statistics/mlp_cone.csv",
        interval="results/statistics/mlp_cone_interval.csv",
    log:
        "results/logs/simulate_mlp_cone.log",
    benchmark:
        "results/benchmarks/simulate_mlp_cone.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        mlp=config["mlp_cone"],
        confidence=config["confidence"],
        seed=config["seed"],
    script:
        "../scripts/figure2/simulate_mlp_cone.py"


rule plot_figure2b:
    """Figure 2(b): mean cosine by depth, simulated, and for ReLU in closed form."""
    input:
        table="results/statistics/mlp_cone_interval.csv",
        closed_form="results/statistics/mlp_cone_closed_form.csv",
        code=code("figure2/plot_figure2b"),
    output:
        **figure("figure2b"),
    log:
        "results/logs/plot_figure2b.log",
    benchmark:
        "results/benchmarks/plot_figure2b.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        # By layer, with biases: the one that the paper gives.
        published=printed({"2": "figure2b.sigmoid.with.layer2"}),
    script:
        "../scripts/figure2/plot_figure2b.py"


rule project_initialisations:
    """Many random initialisations of three encoders, on real inputs and on noise.

    One job: UMAP's start-up takes longer than the rest.
    """
    input:
        embeddings=[
            embeddings_of(name, entry["inputs"], entry["modality"])
            for name, entry in config["initialisation_cones"].items()
        ],
        code=code("figure2/project_initialisations"),
    output:
        umap="results/statistics/initialisation_umap.parquet",
        spectrum="results/statistics/initialisation_spectrum.csv",
        noise_umap="results/statistics/initialisation_noise_umap.parquet",
        noise_spectrum="results/statistics/initialisation_noise_spectrum.csv",
        pca="results/statistics/initialisation_pca.parquet",
    log:
        "results/logs/project_initialisations.log",
    benchmark:
        "results/benchmarks/project_initialisations.tsv"
    conda:
        "../envs/statistics.yaml"
    resources:
        # 440 MB, 25 s
        **needs(1500, 120, for_each_mb=8),
    params:
        labels=[ENCODERS[name]["label"] for name in config["initialisation_cones"]],
        umap=config["umap"],
        seed=config["seed"],
    script:
        "../scripts/figure2/project_initialisations.py"


# By the label of an encoder, the paper's or a stand-in, the claim on how far the singular values
# fall; by the paper's encoders, its two values.
OWN_CONES = {
    "CLIP ViT-B/32 image": "ViT-S/32",
    "CLIP ViT-B/32 text": "MiniLM-L6 (text)",
    "ResNet-18 (224 px)": "ResNet-18",
}
DROPS = {
    label: f"figure2c.own_cone.{stand_in}"
    for own, stand_in in OWN_CONES.items()
    for label in (own, stand_in)
}


rule plot_figure2c:
    """Figure 2(c): 25 random initialisations, a colour per seed, and their singular values."""
    input:
        points="results/statistics/initialisation_umap.parquet",
        spectrum="results/statistics/initialisation_spectrum.csv",
        code=code("figure2/plot_figure2c"),
    output:
        **figure("figure2c"),
    log:
        "results/logs/plot_figure2c.log",
    benchmark:
        "results/benchmarks/plot_figure2c.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        spectra=True,
        published=printed(DROPS),
    script:
        "../scripts/figure2/plot_figure2c.py"
