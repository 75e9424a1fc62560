# The theorems and the cone areas: closed forms, and simulations held against them.


rule check_theory:
    """Theorems 1 and 2, Lemma 3, cone areas and the depth recursion of Figure 2(b)."""
    input:
        code=code("theory/check_theory"),
    output:
        theorem1="results/statistics/theorem1.csv",
        theorem1_decay="results/statistics/theorem1_decay.csv",
        lemma3="results/statistics/lemma3.csv",
        theorem2="results/statistics/theorem2.csv",
        cone_areas=table("cone_areas"),
        mlp_cone="results/statistics/mlp_cone_closed_form.csv",
    log:
        "results/logs/check_theory.log",
    benchmark:
        "results/benchmarks/check_theory.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        theory=config["theory"],
        mlp=config["mlp_cone"],
        confidence=config["confidence"],
        seed=config["seed"],
    script:
        "../scripts/theory/check_theory.py"


rule plot_theorem1:
    """Theorem 1: how often a layer does not bring two vectors closer."""
    input:
        "results/statistics/theorem1.csv",
        code=code("theory/plot_theorem1"),
    output:
        **figure("theorem1"),
    log:
        "results/logs/plot_theorem1.log",
    benchmark:
        "results/benchmarks/plot_theorem1.tsv"
    conda:
        "../envs/figures.yaml"
    script:
        "../scripts/theory/plot_theorem1.py"


rule plot_lemma3:
    """Lemma 3: expected inner products, before and after the ReLU."""
    input:
        "results/statistics/lemma3.csv",
        code=code("theory/plot_lemma3"),
    output:
        **figure("lemma3"),
    log:
        "results/logs/plot_lemma3.log",
    benchmark:
        "results/benchmarks/plot_lemma3.tsv"
    conda:
        "../envs/figures.yaml"
    script:
        "../scripts/theory/plot_lemma3.py"


rule plot_theorem2:
    """Theorem 2: the share of the variance that comes from the random weights."""
    input:
        "results/statistics/theorem2.csv",
        code=code("theory/plot_theorem2"),
    output:
        **figure("theorem2"),
    log:
        "results/logs/plot_theorem2.log",
    benchmark:
        "results/benchmarks/plot_theorem2.tsv"
    conda:
        "../envs/figures.yaml"
    script:
        "../scripts/theory/plot_theorem2.py"
