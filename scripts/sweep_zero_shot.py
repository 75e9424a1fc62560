"""Zero-shot accuracy (or ROC-AUC) of one model over the shifts, every task (Table 1)."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from modality_gap import roc_auc, zero_shot
from modality_gap.contrastive import delta_grid, signed_distances, unit_gap_vector
from modality_gap.embedding_set import open_pair, read
from modality_gap.errors import InputError

x, y = open_pair(*snakemake.input.pair)
along = unit_gap_vector(x, y)
deltas = delta_grid(snakemake.params.landscape)
distances = signed_distances(x, y, deltas)
prompts = read(snakemake.input.prompts)
settings = {key: snakemake.params[key] for key in ("confidence", "permutations", "seed")}
rows, sweeps = [], []
for (name, task), file in zip(snakemake.params.tasks.items(), snakemake.input.images, strict=True):
    images = read(file)
    own = prompts.select((prompts.labels["task"] == name).to_numpy())
    classes = own.labels["label"].to_numpy()
    truth = images.labels[task["label"]].to_numpy()
    if unknown := sorted(set(truth) - set(classes)):
        raise InputError(f"tasks.{name}.prompts has none for the class {unknown[0]!r}; add it.")
    vectors = images.normalised(), own.normalised()
    metric = task.get("metric", "accuracy")
    if metric == "roc_auc":
        scores, positive = zero_shot.scores(*vectors, along, deltas), truth == classes[1]
        values = roc_auc.area(scores, positive)
        report = roc_auc.shift_report(scores, positive, deltas, distances, **settings)
    else:
        correct = classes[zero_shot.predictions(*vectors, along, deltas)] == truth
        values = correct.mean(axis=1)
        report = zero_shot.shift_report(correct, deltas, distances, **settings)
    key = {"model": snakemake.wildcards.model, "task": name, "metric": metric}
    rows.append({**key, "classes": len(classes), "chance": 1 / len(classes), **report})
    sweeps.append(zero_shot.sweep(values, deltas, len(truth)).assign(**key, distance=distances))
pd.DataFrame(rows).to_csv(snakemake.output.table, index=False)
pd.concat(sweeps).to_csv(snakemake.output.sweep, index=False)
