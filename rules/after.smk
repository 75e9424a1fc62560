# After the paper: what its follow-ups measure, what they do to finished embeddings, and their losses.

# What a whole run makes of them.
AFTER = ["results/after/methods.csv", "results/after/losses.csv"]


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
    log:
        "results/logs/study_posthoc.log",
    benchmark:
        "results/benchmarks/study_posthoc.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        sets={name: entry["weights"] for name, entry in SETS.items()},
        clusters=CLUSTERS,
        posthoc=config["posthoc"],
        confidence=config["confidence"],
        seed=config["seed"],
    script:
        "../scripts/after/study_posthoc.py"


rule train_losses:
    """The losses of follow-ups, each trained on the same pairs with the same seeds."""
    input:
        image=experiment_embeddings("image"),
        text=experiment_embeddings("text"),
        own=[yours(path) for path in loss_files(config["loss_study"])],
        code=code("after/train_losses"),
    output:
        runs="results/after/losses.csv",
        steps="results/after/losses_steps.csv",
        difference="results/after/losses_difference.csv",
    log:
        "results/logs/train_losses.log",
    benchmark:
        "results/benchmarks/train_losses.tsv"
    conda:
        "../envs/embeddings.yaml"
    threads: 1
    params:
        study=config["loss_study"],
        confidence=config["confidence"],
        seed=config["seed"],
    script:
        "../scripts/after/train_losses.py"
