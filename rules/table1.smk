# Table 1: zero-shot accuracy (or ROC-AUC) under a shift of the gap.


rule sweep_zero_shot:
    """Every zero-shot task of one set, over the shifts."""
    input:
        pair=lambda w: pair_files([set_of_model(w.set)]),
        images=lambda w: task_images(w.set),
        prompts=lambda w: prompts_by_model(w.set),
        code=code("table1/sweep_zero_shot"),
    output:
        table="results/statistics/zero_shot/{set}.csv",
        sweep="results/statistics/zero_shot/{set}.sweep.csv",
    log:
        "results/logs/sweep_zero_shot/{set}.log",
    benchmark:
        "results/benchmarks/sweep_zero_shot/{set}.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        tasks=lambda w: tasks_of(w.set),
        clusters=lambda w: task_clusters(w.set),
        landscape=config["loss_landscape"],
        confidence=config["confidence"],
        permutations=config["permutations"],
        seed=config["seed"],
    script:
        "../scripts/table1/sweep_zero_shot.py"


rule make_table1:
    """Table 1: default against shifted, with the shift chosen as in the paper and on held-out data."""
    input:
        tables=[
            f"results/statistics/zero_shot/{name}.csv"
            for name in config["table1"]["sets"]
        ],
        sweeps=[
            f"results/statistics/zero_shot/{name}.sweep.csv"
            for name in config["table1"]["sets"]
        ],
        code=code("table1/make_table1"),
    output:
        table=table("table1"),
        sweep="results/statistics/zero_shot.csv",
    log:
        "results/logs/make_table1.log",
    benchmark:
        "results/benchmarks/make_table1.tsv"
    conda:
        "../envs/statistics.yaml"
    script:
        "../scripts/table1/make_table1.py"


TASKS_OF_THE_PAPER = ("CIFAR10", "CIFAR100", "SVHN", "EuroSAT", "HatefulMemes")


rule plot_table1:
    """The curves behind Table 1: accuracy against the gap's distance."""
    input:
        sweep="results/statistics/zero_shot.csv",
        table="results/tables/table1.csv",
        code=code("table1/plot_table1"),
    output:
        **figure("table1_curves"),
    log:
        "results/logs/plot_table1.log",
    benchmark:
        "results/benchmarks/plot_table1.tsv"
    conda:
        "../envs/figures.yaml"
    params:
        names={
            name: SETS[name]["label"]
            for name in config["table1"]["sets"]
            if name in SETS
        },
        published=printed(
            {
                f"{state} {task}": f"table1.{state}.{task}"
                for task in TASKS
                if task in TASKS_OF_THE_PAPER
                for state in ("default", "modified")
            }
        ),
    script:
        "../scripts/table1/plot_table1.py"
