"""Simulate the mean cosine by depth in random multi-layer perceptrons (Figure 2(b))."""

from modality_gap.logs import log_to

log_to(snakemake)

from modality_gap.measures.mlp_cone import mlp_intervals, simulate_mlps

settings = snakemake.params.mlp
table = simulate_mlps(settings, snakemake.params.seed)
table.to_csv(snakemake.output.table, index=False)
interval = mlp_intervals(table, settings["vectors"], snakemake.params.confidence)
interval.to_csv(snakemake.output.interval, index=False)
