"""Simulate six pairs on the sphere, mismatched and matched (Figure 3(g))."""

from modality_gap.logs import log_to

log_to(snakemake)

from modality_gap.measures.sphere import sphere_table

sphere_table(snakemake.params.sphere).to_csv(snakemake.output[0], index=False)
