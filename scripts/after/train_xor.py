"""Train on three bits, of which any two are independent. Writes xor.csv, and how losses of three
modalities differ from a loss of pairs."""

from modality_gap.logs import log_to

log_to(snakemake)

import torch

from modality_gap.training.xor import xor_differences, xor_table

torch.set_num_threads(snakemake.threads)
params, output = snakemake.params, snakemake.output
table = xor_table(range(params.seed, params.seed + params.seeds))
table.to_csv(output.runs, index=False)
xor_differences(table, params.confidence).to_csv(output.difference, index=False)
