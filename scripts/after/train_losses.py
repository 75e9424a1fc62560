"""Train with every loss of the study and every seed. One of several jobs trains only some losses.

Writes losses.csv and the tables of its steps, differences, methods, trials and splits.
"""

from modality_gap.logs import log_to

log_to(snakemake)

import json
from pathlib import Path

import pandas as pd
import torch

from modality_gap.config.model_files import file_digests
from modality_gap.embeddings.sets import cluster_codes
from modality_gap.embeddings.stored import read_pair
from modality_gap.training.loss_runs import CHOICES, LossRuns
from modality_gap.training.loss_tables import differences, methods_table, splits_table
from modality_gap.training.pairs import Pairs
from modality_gap.training.tasks import read_task

torch.set_num_threads(snakemake.threads)
given, params, output = snakemake.input, snakemake.params, snakemake.output
image, text = read_pair(given.image, given.text, one_space=False)
splits = image.labels["split"].to_numpy()
vectors = (torch.from_numpy(side.normalised()).float() for side in (image, text))
rows = (torch.from_numpy((splits == part).nonzero()[0]) for part in ("train", "test"))
task = None
if given.get("prompts"):
    own = image.item_ids if given.task_images == given.image else None
    about = params.task["name"], params.task["label"], params.task_inputs, params.seed
    task = read_task(given.task_images, given.prompts, *about, own)
study = params.study
column = study["group_label"]
shared = ("width", "group_label", "optimisation", "after_training")
embeddings = [
    given[name] for name in ("image", "text", "prompts", "task_images") if given.get(name)
]
# The code of a loss affects only its own runs.
core = [path for path in given.get("code", []) if "/training/losses/" not in str(path)]
runs = LossRuns(
    study,
    Pairs(*vectors, *rows),
    params.seed,
    groups=image.labels[column].to_numpy() if column in image.labels else None,
    clusters=cluster_codes(image.labels, params.cluster, given.image),
    task=task,
    journal=Path(params.journal),
    origin={
        "study": {name: study[name] for name in shared},
        "cluster": params.cluster,
        "seed": params.seed,
        "task": [params.get("task"), params.get("task_inputs")],
        "files": file_digests([*embeddings, *core]),
        "torch": torch.__version__,
        "threads": snakemake.threads,
    },
)
for path in given.get("parts", []):
    runs.known |= json.loads(Path(path).read_text(encoding="utf-8"))
table, steps = runs.run(params.get("part"))
if output.get("part"):
    Path(output.part).write_text(json.dumps(runs.done), encoding="utf-8")
else:
    table.to_csv(output.runs, index=False)
    steps.to_csv(output.steps, index=False)
    changes = differences(table, runs.methods, study, params.confidence)
    changes.to_csv(output.difference, index=False)
    said = methods_table(table, runs.methods, runs.traits, study, params.confidence)
    said.to_csv(output.methods, index=False)
    splits_table(table, runs.methods, study).to_csv(output.splits, index=False)
    tried = pd.DataFrame(runs.choices, columns=CHOICES)
    tried.to_csv(output.selection, index=False)
