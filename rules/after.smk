# After the paper: what its follow-ups measure, what they do to finished embeddings, and their losses.

# The target of a default run.
AFTER = ["results/after.html"]
# The methods of the study of losses that differ in temperature alone, and those that start trained.
LOSS_STUDY = config["loss_study"]
LOSS_METHODS = LOSS_STUDY["methods"]
TEMPERATURE_ALONE = temperature_family(LOSS_METHODS, LOSS_STUDY["baseline"])
LOSS_PARTS = LOSS_STUDY["jobs"]
# Pairs of losses that claims of the configuration and the ledger compare.
LOSS_PAIRS = pairs_of_losses(
    LOSS_STUDY, with_other_towers(load_yaml(LEDGER / "follow_ups.yaml"), LOSS_STUDY)
)
# The zero-shot task of the experiment on temperature.
LOSS_TASK = {
    "name": EXPERIMENTS["temperature"]["task"],
    "label": config["tasks"][EXPERIMENTS["temperature"]["task"]]["label"],
    "inputs": config["tasks"][EXPERIMENTS["temperature"]["task"]]["inputs"],
}


rule study_posthoc:
    """Methods that move the gap without training, and the measures of follow-ups, on every set."""
    input:
        pairs=PAIR_FILES,
        own=[yours(path) for path in method_files(config["posthoc"])],
        code=code("after/study_posthoc"),
    output:
        methods="results/after/methods.csv",
        differences="results/after/differences.csv",
        measures="results/after/measures.csv",
        names="results/after/method_names.csv",
        sizes="results/after/fit_sizes.csv",
    log:
        "results/logs/study_posthoc.log",
    benchmark:
        "results/benchmarks/study_posthoc.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        sets={name: entry["weights"] for name, entry in SETS.items()},
        clusters=CLUSTERS,
        folds={name: entry["fold"] for name, entry in SETS.items() if "fold" in entry},
        posthoc=config["posthoc"],
        confidence=config["confidence"],
        seed=config["seed"],
    script:
        "../scripts/after/study_posthoc.py"


ERRATA_AFTER = load_yaml(LEDGER / "follow_up_errata.yaml")["errata"]
RELEASED_SETS = [
    name for name in sets_of(ERRATA_AFTER, "after/released.csv") if name in SETS
]


rule measure_released:
    """What the released code of follow-ups computes where it differs from the papers."""
    input:
        pairs=pair_files(RELEASED_SETS),
        ledger=shipped("config/ledger/follow_up_errata.yaml"),
        code=code("after/measure_released"),
    output:
        "results/after/released.csv",
    log:
        "results/logs/measure_released.log",
    benchmark:
        "results/benchmarks/measure_released.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        sets=RELEASED_SETS,
        labels={name: label_columns(name) for name in RELEASED_SETS},
        clusters=CLUSTERS,
        pairs=config["posthoc"]["pairs"],
        confidence=config["confidence"],
        seed=config["seed"],
    script:
        "../scripts/after/measure_released.py"


rule train_losses:
    """The losses of follow-ups, each trained on the same pairs with the same seeds."""
    input:
        image=experiment_embeddings("image"),
        text=experiment_embeddings("text"),
        prompts=experiment_embeddings("text", "prompts"),
        task_images=experiment_embeddings("image", LOSS_TASK["inputs"]),
        own=[yours(path) for path in loss_files(LOSS_STUDY)],
        parts=[
            f"results/shards/losses/{number + 1}-of-{LOSS_PARTS}.json"
            for number in range(LOSS_PARTS if LOSS_PARTS > 1 else 0)
        ],
        code=code("after/train_losses"),
    output:
        runs="results/after/losses.csv",
        steps="results/after/losses_steps.csv",
        difference="results/after/losses_difference.csv",
        methods="results/after/losses_methods.csv",
        selection="results/after/losses_selection.csv",
        splits="results/after/losses_splits.csv",
    log:
        "results/logs/train_losses.log",
    benchmark:
        "results/benchmarks/train_losses.tsv"
    conda:
        "../envs/embeddings.yaml"
    threads: 1
    params:
        study=LOSS_STUDY,
        task=LOSS_TASK,
        task_inputs=INPUTS[LOSS_TASK["inputs"]],
        cluster=cluster_column(config, EXPERIMENT_PAIRS["inputs"]),
        journal=f"{RESULTS}/runs/losses",
        confidence=config["confidence"],
        seed=config["seed"],
    script:
        "../scripts/after/train_losses.py"


use rule train_losses as train_losses_part with:
    # A part of the losses, as one of several jobs (loss_study.jobs).
    input:
        image=experiment_embeddings("image"),
        text=experiment_embeddings("text"),
        prompts=experiment_embeddings("text", "prompts"),
        task_images=experiment_embeddings("image", LOSS_TASK["inputs"]),
        own=[yours(path) for path in loss_files(LOSS_STUDY)],
        code=code("after/train_losses"),
    output:
        part=temp("results/shards/losses/{number}-of-{jobs}.json"),
    log:
        "results/logs/train_losses_part/{number}-of-{jobs}.log",
    benchmark:
        "results/benchmarks/train_losses_part/{number}-of-{jobs}.tsv"
    wildcard_constraints:
        number=r"\d+",
        jobs=str(LOSS_PARTS) if LOSS_PARTS > 1 else "(?!)",
    params:
        study=LOSS_STUDY,
        task=LOSS_TASK,
        task_inputs=INPUTS[LOSS_TASK["inputs"]],
        cluster=cluster_column(config, EXPERIMENT_PAIRS["inputs"]),
        journal=f"{RESULTS}/runs/losses",
        part=lambda w: (int(w.number), int(w.jobs)),
        seed=config["seed"],


rule train_xor:
    """Losses of three modalities and a loss of pairs, on three bits of which any two are independent."""
    input:
        code=code("after/train_xor"),
    output:
        runs="results/after/xor.csv",
        difference="results/after/xor_difference.csv",
    log:
        "results/logs/train_xor.log",
    benchmark:
        "results/benchmarks/train_xor.tsv"
    conda:
        "../envs/embeddings.yaml"
    threads: 1
    params:
        seeds=LOSS_STUDY["seeds"],
        confidence=config["confidence"],
        seed=config["seed"],
    script:
        "../scripts/after/train_xor.py"


rule summarise_losses:
    """Means and intervals over seeds in the study of losses, and the comparisons of pairs of losses."""
    input:
        runs="results/after/losses.csv",
        code=code("after/summarise_losses"),
    output:
        summary="results/after/losses_summary.csv",
        pairs="results/after/losses_pairs.csv",
    log:
        "results/logs/summarise_losses.log",
    benchmark:
        "results/benchmarks/summarise_losses.tsv"
    conda:
        "../envs/embeddings.yaml"
    params:
        pairs=LOSS_PAIRS,
        confidence=config["confidence"],
    script:
        "../scripts/after/summarise_losses.py"


rule plot_closing_the_gap:
    """Recall and zero-shot accuracy of several models against the distance of their centres."""
    input:
        curve="results/statistics/recall_under_shift.csv",
        peak="results/statistics/recall_peak.csv",
        gap="results/statistics/gap.csv",
        code=code("after/plot_closing_the_gap"),
    output:
        **figure("closing_the_gap"),
    log:
        "results/logs/plot_closing_the_gap.log",
    benchmark:
        "results/benchmarks/plot_closing_the_gap.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        published=PUBLISHED_SETS,
    script:
        "../scripts/after/plot_closing_the_gap.py"


rule plot_mixed_gallery:
    """How post-hoc methods retrieve from a gallery of both modalities."""
    input:
        methods="results/after/methods.csv",
        code=code("after/plot_mixed_gallery"),
    output:
        **figure("mixed_gallery"),
    log:
        "results/logs/plot_mixed_gallery.log",
    benchmark:
        "results/benchmarks/plot_mixed_gallery.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        sets={name: entry["label"] for name, entry in SETS.items()},
    script:
        "../scripts/after/plot_mixed_gallery.py"


rule plot_follow_up_losses:
    """Recall against gap of models trained with the losses of follow-ups."""
    input:
        summary="results/after/losses_summary.csv",
        code=code("after/plot_follow_up_losses"),
    output:
        **figure("follow_up_losses"),
    log:
        "results/logs/plot_follow_up_losses.log",
    benchmark:
        "results/benchmarks/plot_follow_up_losses.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        family=TEMPERATURE_ALONE,
        after_training=[
            name
            for name, entry in LOSS_METHODS.items()
            if entry.get("start") == "trained"
        ],
    script:
        "../scripts/after/plot_follow_up_losses.py"


rule check_follow_ups:
    """The statements of follow-up papers against the tables of this run."""
    input:
        tables=[
            f"results/{path}"
            for path in tables_of(load_yaml(LEDGER / "follow_ups.yaml")["papers"])
        ],
        ledger=shipped("config/ledger/follow_ups.yaml"),
        code=code("after/check_follow_ups"),
    output:
        "results/after/follow_ups.csv",
    log:
        "results/logs/check_follow_ups.log",
    benchmark:
        "results/benchmarks/check_follow_ups.tsv"
    conda:
        "../envs/report.yaml"
    params:
        study=LOSS_STUDY,
        confidence=config["confidence"],
        results=lambda wildcards: RESULTS,
    script:
        "../scripts/after/check_follow_ups.py"
