# Table 2: denigration harm by group under a shift of the gap.


rule make_table2:
    """Offensive labels by group, default and shifted."""
    input:
        unpack(table2_inputs),
        code=code("table2/make_table2"),
    output:
        table("table2"),
    log:
        "results/logs/make_table2.log",
    benchmark:
        "results/benchmarks/make_table2.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        table2=config["table2"],
        cluster=cluster_column(config, config["table2"]["inputs"]),
        confidence=config["confidence"],
    script:
        "../scripts/table2/make_table2.py"


rule make_published_table2:
    """The paper's Table 2 in counts, with intervals and exact tests."""
    input:
        counts=shipped("config/ledger/published_counts.yaml"),
        code=code("table2/make_published_table2"),
    output:
        table("published_table2"),
    log:
        "results/logs/make_published_table2.log",
    benchmark:
        "results/benchmarks/make_published_table2.tsv"
    conda:
        "../envs/statistics.yaml"
    params:
        confidence=config["confidence"],
    script:
        "../scripts/table2/make_published_table2.py"
