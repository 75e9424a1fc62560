"""Train on three bits of which any two are independent: xor.csv."""

from modality_gap.logs import log_to

log_to(snakemake)

import torch

from modality_gap.training.xor import xor_table

torch.set_num_threads(snakemake.threads)
seed = snakemake.params.seed
table = xor_table(range(seed, seed + snakemake.params.seeds))
table.to_csv(snakemake.output.file, index=False)
