"""Summarise the runs of the study of losses at their end: mean and interval over seeds, by method.

Also write the differences between the pairs of methods that claims and the ledger name.
"""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.training.loss_tables import COMPARED, named_differences
from modality_gap.training.tables import summarise

params = snakemake.params
runs = pd.read_csv(snakemake.input.runs)
runs = runs[runs["split"] == 0]
keys = ["method", "label"]
ends = ["temperature", "temperature_density"]
summary = summarise(runs[[*keys, "seed", *ends, *COMPARED]], keys, params.confidence)
of_task = runs.groupby("method")[["zero_shot_n", "zero_shot_chance"]].first()
summary = summary.join(of_task, on="method")
summary.to_csv(snakemake.output.summary, index=False)
differences = named_differences(runs, params.pairs, params.confidence)
differences.to_csv(snakemake.output.pairs, index=False)
