# Beyond the paper: measures beside the gap, the sigmoid loss, all models side by side.


rule measure_diagnostics:
    """Measures of every set beside the L2 gap, with bootstrap intervals."""
    input:
        pairs=PAIR_FILES,
        code=code("beyond/measure_diagnostics"),
    output:
        "results/statistics/diagnostics.csv",
    log:
        "results/logs/measure_diagnostics.log",
    benchmark:
        "results/benchmarks/measure_diagnostics.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        sets={name: (entry["model"], entry["weights"]) for name, entry in SETS.items()},
        clusters=CLUSTERS,
        bootstrap=config["bootstrap"],
        confidence=config["confidence"],
        sample=config["sample"],
        seed=config["seed"],
    script:
        "../scripts/beyond/measure_diagnostics.py"


rule plot_diagnostics:
    """The L2 gap against the relative gap, uniformity and effective dimension."""
    input:
        "results/statistics/diagnostics.csv",
        code=code("beyond/plot_diagnostics"),
    output:
        **figure("diagnostics"),
    log:
        "results/logs/plot_diagnostics.log",
    benchmark:
        "results/benchmarks/plot_diagnostics.tsv"
    conda:
        "../envs/figures.yaml"
    script:
        "../scripts/beyond/plot_diagnostics.py"


SIGMOID_SETS = {
    name: entry for name, entry in SETS.items() if entry.get("loss") == "sigmoid"
}


rule sweep_sigmoid_loss:
    """SigLIP's loss of the sets that have one, at its own scale and bias and over temperatures."""
    input:
        pairs=pair_files(SIGMOID_SETS),
        code=code("beyond/sweep_sigmoid_loss"),
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
        # Scale and bias of your own pairs; an encoder's are in the metadata of its embeddings.
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
        "../scripts/beyond/sweep_sigmoid_loss.py"


rule plot_sigmoid_loss:
    """The sigmoid loss against the gap, beside the softmax loss of the same set."""
    input:
        landscape="results/statistics/sigmoid_landscape.csv",
        softmax="results/statistics/loss_landscape.csv",
        gap="results/statistics/gap.csv",
        code=code("beyond/plot_sigmoid_loss"),
    output:
        **figure("sigmoid_loss"),
    log:
        "results/logs/plot_sigmoid_loss.log",
    benchmark:
        "results/benchmarks/plot_sigmoid_loss.tsv"
    conda:
        "../envs/figures.yaml"
    script:
        "../scripts/beyond/plot_sigmoid_loss.py"


rule plot_models:
    """Gap of every model, and where its loss is smallest at each temperature."""
    input:
        gap="results/statistics/gap.csv",
        minimum="results/statistics/loss_minimum.csv",
        code=code("beyond/plot_models"),
    output:
        **figure("models"),
    log:
        "results/logs/plot_models.log",
    benchmark:
        "results/benchmarks/plot_models.tsv"
    conda:
        "../envs/figures.yaml"
    script:
        "../scripts/beyond/plot_models.py"
