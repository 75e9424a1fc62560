"""Write a sample of scikit-learn's handwritten digits as a dataset."""

from modality_gap.logs import log_to

log_to(snakemake)

from modality_gap.data.digits import digits

digits(**snakemake.params.digits, seed=snakemake.params.seed).to_parquet(
    snakemake.output[0], index=False
)
