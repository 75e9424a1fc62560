"""Write the prompts: one for each class of every zero-shot task, and the label set of Table 2."""

from modality_gap.logs import log_to

log_to(snakemake)

from pathlib import Path

import pandas as pd

from modality_gap.data.prompts import classes_of, label_set, prompts

tasks, inputs = snakemake.params.tasks, snakemake.params.inputs
files = {Path(path).stem: path for path in snakemake.input.datasets}
classes = {
    name: classes_of(files[inputs[task["inputs"]]["dataset"]], name, task["label"])
    for name, task in tasks.items()
    if "prompt" in task
}
table = pd.concat([prompts(tasks, classes), label_set(snakemake.params.table2)])
table.fillna({"kind": ""}).to_parquet(snakemake.output[0], index=False)
