# Beyond the paper: measures beside the gap, the sigmoid loss, all models side by side.


rule measure_diagnostics:
    """Measures of every set, other than the L2 gap, with bootstrap intervals."""
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
        sets={name: (entry["label"], entry["weights"]) for name, entry in SETS.items()},
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


rule sweep_recall:
    """Recall@1 of every set over the shifts, and where it is highest."""
    input:
        pairs=PAIR_FILES,
        code=code("beyond/sweep_recall"),
    output:
        curve="results/statistics/recall_under_shift.csv",
        peak="results/statistics/recall_peak.csv",
    log:
        "results/logs/sweep_recall.log",
    benchmark:
        "results/benchmarks/sweep_recall.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        sets=list(SETS),
        clusters=CLUSTERS,
        landscape=config["loss_landscape"],
        step=config["explorer"]["step"],
        bootstrap=config["bootstrap"],
        permutations=config["permutations"],
        confidence=config["confidence"],
        sample=config["sample"],
        seed=config["seed"],
    script:
        "../scripts/beyond/sweep_recall.py"


rule plot_recall_under_shift:
    """Recall@1 of every trained set against the distance of the centres."""
    input:
        curve="results/statistics/recall_under_shift.csv",
        peak="results/statistics/recall_peak.csv",
        gap="results/statistics/gap.csv",
        code=code("beyond/plot_recall_under_shift"),
    output:
        **figure("recall_under_shift"),
    log:
        "results/logs/plot_recall_under_shift.log",
    benchmark:
        "results/benchmarks/plot_recall_under_shift.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        papers=PAPERS_SETS,
        modalities=MODALITIES,
    script:
        "../scripts/beyond/plot_recall_under_shift.py"


# Data sets of drawings whose captions the explorer shows; of photographs it shows the ids.
SHOWN_CAPTIONS = ("emoji", "placed_digits")


rule measure_explorer:
    """One trained set for the explorer: pairs, loss, recall and accuracy by shift."""
    input:
        pair=lambda w: pair_files([w.set]),
        curve="results/statistics/recall_under_shift.csv",
        images=lambda w: task_images(w.set),
        prompts=lambda w: prompts_by_model(w.set) if tasks_of(w.set) else [],
        names=lambda w: [
            f"results/datasets/{name}.parquet"
            for name in SHOWN_CAPTIONS
            if INPUTS.get(SETS[w.set].get("inputs"), {}).get("dataset") == name
        ],
        code=code("beyond/measure_explorer"),
    output:
        "results/explorer/{set}.json",
    log:
        "results/logs/measure_explorer/{set}.log",
    benchmark:
        "results/benchmarks/measure_explorer/{set}.tsv"
    conda:
        "../envs/statistics.yaml"
    threads: SHARE_OF_CORES
    params:
        tasks=lambda w: tasks_of(w.set),
        task_clusters=lambda w: task_clusters(w.set),
        landscape=config["loss_landscape"],
        pairs=config["explorer"]["pairs"],
        confidence=config["confidence"],
        sample=config["sample"],
        seed=config["seed"],
    script:
        "../scripts/beyond/measure_explorer.py"


rule draw_explorer:
    """The explorer's charts: their specifications, still drawings, and the library that draws them."""
    input:
        sets=[f"results/explorer/{name}.json" for name in TRAINED_SETS],
        gap="results/statistics/gap.csv",
        methods="results/after/methods.csv",
        differences="results/after/differences.csv",
        names="results/after/method_names.csv",
        code=code("beyond/draw_explorer"),
    output:
        charts="results/explorer/charts.json",
        library="results/explorer/vega.js",
    log:
        "results/logs/draw_explorer.log",
    benchmark:
        "results/benchmarks/draw_explorer.tsv"
    conda:
        "../envs/report.yaml"
    params:
        sets={name: SETS[name] for name in TRAINED_SETS},
    script:
        "../scripts/beyond/draw_explorer.py"


rule plot_sigmoid_loss:
    """The sigmoid loss against the gap, beside the softmax loss of the same set."""
    input:
        landscape="results/statistics/sigmoid_landscape.csv",
        minimum="results/statistics/sigmoid_minimum.csv",
        softmax="results/statistics/loss_landscape.csv",
        softmax_minimum="results/statistics/loss_minimum.csv",
        gap="results/statistics/gap.csv",
        code=code("beyond/plot_own_loss"),
    output:
        **figure("sigmoid_loss"),
    log:
        "results/logs/plot_sigmoid_loss.log",
    benchmark:
        "results/benchmarks/plot_sigmoid_loss.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        label=DECLARED_LOSSES["sigmoid"].label,
        parameters=list(DECLARED_LOSSES["sigmoid"].parameters),
    script:
        "../scripts/beyond/plot_own_loss.py"


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
    params:
        papers=PAPERS_SETS,
        marked=MARKED,
        published=minima_of_the_paper,
    script:
        "../scripts/beyond/plot_models.py"
