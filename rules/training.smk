# Training experiments: what temperature, start and dimension do to the gap, and one modality twice.
# On cached embeddings, or whole models from pixels where experiments.models names them.
# A job is one experiment; its finished training runs are kept in results/runs, so an interrupted
# job resumes.


rule train_projections:
    """`stitched`: one linear projection over each of two frozen encoders."""
    input:
        image=lambda w: embeddings_of(
            config["projections"][w.model]["encoders"]["image"],
            config["projections"][w.model]["inputs"],
            "image",
        ),
        text=lambda w: embeddings_of(
            config["projections"][w.model]["encoders"]["text"],
            config["projections"][w.model]["inputs"],
            "text",
        ),
        code=code("training/train_projections"),
    output:
        trained="results/models/{model}.trained.safetensors",
        untrained="results/models/{model}.random.safetensors",
        curve="results/statistics/training/{model}.csv",
    log:
        "results/logs/train_projections/{model}.log",
    benchmark:
        "results/benchmarks/train_projections/{model}.tsv"
    wildcard_constraints:
        model="|".join(config["projections"]) or "(?!)",
    conda:
        "../envs/embeddings.yaml"
    threads: SHARE_OF_CORES
    resources:
        # like train_temperature on embeddings, shorter
        **needs(2000, 60),
    params:
        settings=lambda w: config["projections"][w.model],
        seed=config["seed"],
    script:
        "../scripts/training/train_projections.py"


rule train_clip:
    """A small CLIP, both towers from scratch."""
    input:
        dataset=lambda w: f"results/datasets/{config['training'][w.model]['dataset']}.parquet",
        model=lambda w: files_of_models(ENCODERS[w.model]),
        hub=lambda w: fetched_models(w.model),
        code=code("training/train_clip"),
    output:
        checkpoint="results/models/{model}.safetensors",
        curve="results/statistics/training/{model}.csv",
    log:
        "results/logs/train_clip/{model}.log",
    benchmark:
        "results/benchmarks/train_clip/{model}.tsv"
    wildcard_constraints:
        model="|".join(config["training"]) or "(?!)",
    priority: 10
    conda:
        "../envs/embeddings.yaml"
    threads: SHARE_OF_CORES
    resources:
        # 1,517 MB, 27 s
        **needs(6000, 240, gpu=1),
    params:
        encoder=lambda w: ENCODERS[w.model],
        untrained_seed=lambda w: ENCODERS[f"{w.model}_random"]["seed"],
        settings=lambda w: config["training"][w.model],
        seed=config["seed"],
    script:
        "../scripts/training/train_clip.py"


# Gaps of the paper's models before and after training from scratch.
FROM_SCRATCH = {
    f"{start} {when}": f"training.scratch.{start}.{when}"
    for start in ("original", "rotated")
    for when in ("before", "after")
}


rule plot_training:
    """Loss, gap and recall by training step."""
    input:
        curves=[
            f"results/statistics/training/{model}.csv"
            for model in [*config["projections"], *config["training"]]
        ],
        code=code("training/plot_training"),
    output:
        **figure("training"),
    log:
        "results/logs/plot_training.log",
    benchmark:
        "results/benchmarks/plot_training.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        names={name: entry["label"] for name, entry in SETS.items()},
        temperatures={
            name: entry["temperature"]
            for name, entry in (config["projections"] | config["training"]).items()
        },
        published=printed(FROM_SCRATCH),
    script:
        "../scripts/training/plot_training.py"


rule train_temperature:
    """Section 4.2: the projection fine-tuned at several temperatures."""
    input:
        unpack(experiment_inputs("temperature")),
        code=code("training/train_experiment"),
    output:
        runs="results/statistics/experiments/temperature.csv",
        steps="results/statistics/experiments/temperature_steps.csv",
        summary="results/statistics/experiments/temperature_summary.csv",
        trend="results/statistics/experiments/temperature_trend.csv",
        difference="results/statistics/experiments/temperature_difference.csv",
        untouched="results/statistics/experiments/temperature_untouched.csv",
    log:
        "results/logs/train_temperature.log",
    benchmark:
        "results/benchmarks/train_temperature.tsv"
    conda:
        "../envs/embeddings.yaml"
    threads: SHARE_OF_CORES
    resources:
        # 752 MB, 55 s; from pixels it holds half of a dataset, 20 GB at the paper's size
        **needs(6000, 480, for_each_mb=0.6, gpu=1),
    params:
        experiment="temperature",
        experiments=experiment_settings("temperature"),
        encoder=experiment_encoder("temperature"),
        digests=digests_of(experiment_encoder("temperature")),
        start_temperature=EXPERIMENT_PAIRS["temperature"],
        task_inputs=INPUTS[
            config["tasks"][EXPERIMENTS["temperature"]["task"]]["inputs"]
        ],
        task_label=config["tasks"][EXPERIMENTS["temperature"]["task"]]["label"],
        cluster=cluster_column(config, EXPERIMENT_PAIRS["inputs"]),
        task_cluster=cluster_column(
            config, config["tasks"][EXPERIMENTS["temperature"]["task"]]["inputs"]
        ),
        journal=f"{RESULTS}/runs/temperature",
        confidence=config["confidence"],
        seed=config["seed"],
    script:
        "../scripts/training/train_experiment.py"


rule train_initialisation:
    """Section 4.4: towers from scratch, original against rotated start, temperature fixed and learnt."""
    input:
        unpack(experiment_inputs("initialisation")),
        code=code("training/train_experiment"),
    output:
        runs="results/statistics/experiments/initialisation.csv",
        steps="results/statistics/experiments/initialisation_steps.csv",
        summary="results/statistics/experiments/initialisation_summary.csv",
        difference="results/statistics/experiments/initialisation_difference.csv",
    log:
        "results/logs/train_initialisation.log",
    benchmark:
        "results/benchmarks/train_initialisation.tsv"
    conda:
        "../envs/embeddings.yaml"
    threads: SHARE_OF_CORES
    resources:
        # 752 MB, 55 s; from pixels it holds half of a dataset, 20 GB at the paper's size
        **needs(6000, 480, for_each_mb=0.6, gpu=1),
    params:
        experiment="initialisation",
        experiments=experiment_settings("initialisation"),
        encoder=experiment_encoder("initialisation"),
        digests=digests_of(experiment_encoder("initialisation")),
        journal=f"{RESULTS}/runs/initialisation",
        confidence=config["confidence"],
        seed=config["seed"],
    script:
        "../scripts/training/train_experiment.py"


use rule train_initialisation as train_dimension with:
    # Supplementary 16: towers from scratch in spaces of several dimensions.
    input:
        unpack(experiment_inputs("dimension")),
        code=code("training/train_experiment"),
    output:
        runs="results/statistics/experiments/dimension.csv",
        steps="results/statistics/experiments/dimension_steps.csv",
        summary="results/statistics/experiments/dimension_summary.csv",
        trend="results/statistics/experiments/dimension_trend.csv",
        difference="results/statistics/experiments/dimension_difference.csv",
        spread="results/statistics/experiments/dimension_spread.csv",
    log:
        "results/logs/train_dimension.log",
    benchmark:
        "results/benchmarks/train_dimension.tsv"
    params:
        experiment="dimension",
        experiments=experiment_settings("dimension"),
        encoder=experiment_encoder("dimension"),
        digests=digests_of(experiment_encoder("dimension")),
        journal=f"{RESULTS}/runs/dimension",
        confidence=config["confidence"],
        seed=config["seed"],


use rule train_initialisation as train_same_modality with:
    # The follow-up's control: two towers of one modality, fed identical items.
    input:
        unpack(experiment_inputs("same_modality")),
        code=code("training/train_experiment"),
    output:
        runs="results/statistics/experiments/same_modality.csv",
        steps="results/statistics/experiments/same_modality_steps.csv",
        summary="results/statistics/experiments/same_modality_summary.csv",
    log:
        "results/logs/train_same_modality.log",
    benchmark:
        "results/benchmarks/train_same_modality.tsv"
    params:
        experiment="same_modality",
        experiments=experiment_settings("same_modality"),
        encoder=experiment_encoder("same_modality"),
        digests=digests_of(experiment_encoder("same_modality")),
        journal=f"{RESULTS}/runs/same_modality",
        confidence=config["confidence"],
        seed=config["seed"],


rule plot_experiment_temperature:
    """Supplementary 8: gap, recall and zero-shot accuracy against temperature."""
    input:
        runs="results/statistics/experiments/temperature.csv",
        summary="results/statistics/experiments/temperature_summary.csv",
        untouched="results/statistics/experiments/temperature_untouched.csv",
        code=code("training/plot_experiment_temperature"),
    output:
        **figure("experiment_temperature"),
    log:
        "results/logs/plot_experiment_temperature.log",
    benchmark:
        "results/benchmarks/plot_experiment_temperature.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        published=printed(
            {"untouched": "training.untouched_gap"}
            | {
                f"{column} {temperature}": f"training.fine_tuned.{words}#temperature {temperature}"
                for column, words in (
                    ("gap", "gap"),
                    ("recall1_ab", "text_recall"),
                    ("recall1_ba", "image_recall"),
                )
                for temperature in ("1", "1/10", "1/20", "1/30", "1/50", "1/100")
            }
        ),
    script:
        "../scripts/training/plot_experiment_temperature.py"


rule plot_experiment_initialisation:
    """Section 4.4: gap by training step, original against rotated start."""
    input:
        steps="results/statistics/experiments/initialisation_steps.csv",
        summary="results/statistics/experiments/initialisation_summary.csv",
        difference="results/statistics/experiments/initialisation_difference.csv",
        code=code("training/plot_experiment_initialisation"),
    output:
        **figure("experiment_initialisation"),
    log:
        "results/logs/plot_experiment_initialisation.log",
    benchmark:
        "results/benchmarks/plot_experiment_initialisation.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        published=printed({**FROM_SCRATCH, "share": "training.share_kept"}),
    script:
        "../scripts/training/plot_experiment_initialisation.py"


rule plot_experiment_dimension:
    """Supplementary 16: gap against the dimension of the embedding."""
    input:
        runs="results/statistics/experiments/dimension.csv",
        summary="results/statistics/experiments/dimension_summary.csv",
        code=code("training/plot_experiment_dimension"),
    output:
        **figure("experiment_dimension"),
    log:
        "results/logs/plot_experiment_dimension.log",
    benchmark:
        "results/benchmarks/plot_experiment_dimension.tsv"
    conda:
        "../envs/figures.yaml"
    script:
        "../scripts/training/plot_experiment_dimension.py"


rule plot_experiment_same_modality:
    """One modality twice: gap by training step, separability before and after."""
    input:
        steps="results/statistics/experiments/same_modality_steps.csv",
        runs="results/statistics/experiments/same_modality.csv",
        summary="results/statistics/experiments/same_modality_summary.csv",
        code=code("training/plot_experiment_same_modality"),
    output:
        **figure("experiment_same_modality"),
    log:
        "results/logs/plot_experiment_same_modality.log",
    benchmark:
        "results/benchmarks/plot_experiment_same_modality.tsv"
    conda:
        "../envs/figures.yaml"
    script:
        "../scripts/training/plot_experiment_same_modality.py"
