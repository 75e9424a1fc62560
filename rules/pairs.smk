# Your own pairs without any other set (config/own_pairs.yaml): measured as all sets are, and shown
# on a page of their own.

PAIRS_FIGURES = ["figure1", "figure3a", "figure3bcd"]


rule write_pairs_page:
    """The page of your own pairs: what was read, what was measured, and three figures."""
    input:
        pairs=PAIR_FILES,
        gap="results/statistics/gap.csv",
        diagnostics="results/statistics/diagnostics.csv",
        minimum="results/statistics/loss_minimum.csv",
        own_losses=[
            f"results/statistics/{DECLARED_LOSSES[name].prefix}_minimum.csv"
            for name in OWN_LOSSES
        ],
        figures=[f"results/{ITEMS[name].path}" for name in PAIRS_FIGURES],
        templates=[
            shipped("report/templates/parts.html.j2"),
            shipped("report/templates/pairs.html.j2"),
        ],
        style=shipped("report/style.css"),
        items_file=shipped("config/ledger/items.yaml"),
        code=code("pages/write_pairs_page"),
    output:
        "results/pairs.html",
    log:
        "results/logs/write_pairs_page.log",
    benchmark:
        "results/benchmarks/write_pairs_page.tsv"
    conda:
        "../envs/report.yaml"
    params:
        sets=SETS,
        own_losses=OWN_LOSSES,
        version=VERSION,
        confidence=config["confidence"],
        resamples=config["bootstrap"]["resamples"],
    script:
        "../scripts/pages/write_pairs_page.py"
