"""Zero-shot accuracy of one model over the shifts, every task (Table 1)."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import pandas as pd

from modality_gap.contrastive import delta_grid, signed_distance, unit_gap_vector
from modality_gap.embedding_set import read, read_pair
from modality_gap.gap import proportion_interval
from modality_gap.zero_shot import permutation_test, predictions, shift_report, sweep

x, y = (side.normalised() for side in read_pair(*snakemake.input.pair))
along = unit_gap_vector(x, y)
deltas = delta_grid(snakemake.params.landscape)
distances = [signed_distance(x, y, delta) for delta in deltas]
prompts = read(snakemake.input.prompts)
rows, sweeps = [], []
for (task, column), file in zip(
    snakemake.params.tasks.items(), snakemake.input.images, strict=True
):
    images = read(file)
    own = prompts.select((prompts.labels["task"] == task).to_numpy())
    names = own.labels["label"].to_numpy()
    top = predictions(images.normalised(), own.normalised(), along, deltas)
    correct = names[top] == images.labels[column].to_numpy()
    report = shift_report(correct, deltas, distances, snakemake.params.seed)
    report["p_permutation"], report["p_max_statistic"] = permutation_test(
        correct, deltas, snakemake.params.permutations, snakemake.params.seed
    )
    intervals = {}
    for name in ("default", "modified", "held_out"):
        right = round(report[name] * report["n"])
        low, high = proportion_interval(right, report["n"], snakemake.params.confidence)
        intervals |= {f"{name}_low": low, f"{name}_high": high}
    key = {"model": snakemake.wildcards.model, "task": task}
    rows.append({**key, "classes": len(names), "chance": 1 / len(names), **report, **intervals})
    sweeps.append(sweep(correct, deltas).assign(**key, distance=distances))
pd.DataFrame(rows).to_csv(snakemake.output.table, index=False)
pd.concat(sweeps).to_csv(snakemake.output.sweep, index=False)
