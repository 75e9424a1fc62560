"""Mean and interval over seeds of what each method of the study of losses ends with."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd

from modality_gap.training.loss_tables import COMPARED
from modality_gap.training.tables import summarise

runs = pd.read_csv(snakemake.input.runs)
runs = runs[runs["split"] == 0]
keys = ["method", "label"]
summary = summarise(
    runs[[*keys, "seed", "temperature", *COMPARED]], keys, snakemake.params.confidence
)
of_task = runs.groupby("method")[["zero_shot_n", "zero_shot_chance"]].first()
summary = summary.join(of_task, on="method")
summary.to_csv(snakemake.output[0], index=False)
