# After the paper: what its follow-ups measure, and what they do to finished embeddings.


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
