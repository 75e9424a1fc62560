"""Measure one set for the explorer of the summary page: its pairs, loss, recall and accuracy by
shift."""

from modality_gap.logs import log_to

log_to(snakemake)

import json
from pathlib import Path

import pandas as pd

from modality_gap.data.parquet import StoredDataset
from modality_gap.data.tiles import sample_rows
from modality_gap.embeddings.stored import open_pair, read
from modality_gap.measures import explorer
from modality_gap.measures.loss_sweep import count_batches, loss_landscape
from modality_gap.measures.shift import signed_distances, unit_gap_vector
from modality_gap.measures.table1 import measure_task

inputs, params, name = snakemake.input, snakemake.params, snakemake.wildcards.set
curve = pd.read_csv(inputs.curve)
curve = curve[curve["set"] == name].sort_values("delta")
found: dict = {"set": name, "deltas": curve["delta"].round(10).tolist()}
if len(curve):  # else there is no gap to shift along
    x, y = open_pair(*inputs.pair)
    some = sample_rows(len(x), params.sample, params.seed)
    whole = x, y
    x, y = x[some], y[some]
    deltas, size = curve["delta"].to_numpy(), params.landscape["batch_size"]
    words = {}
    if inputs.names:
        table = StoredDataset(inputs.names[0]).read(["item_id", "text"]).to_pandas()
        words = dict(zip(table["item_id"], table["text"], strict=True))
    shown = sample_rows(len(x), params.pairs, params.seed)
    grid = params.landscape["temperatures"], size, snakemake.threads
    found |= {
        "distances": explorer.listed(curve["distance"]),
        "n": len(x),
        "loss_n": count_batches(len(x), size) * size,
        "losses": explorer.losses(loss_landscape(x, y, deltas, *grid)),
        "recall": explorer.recalls(curve),
        "scores": [],
        "cloud": explorer.cloud(x, y, shown, deltas),
        "names": explorer.names(whole, some, shown, words),
    }
    tasks = zip(params.tasks.items(), inputs.images, strict=True)
    for (task, entry), file in tasks if inputs.images else ():
        settings = {"confidence": params.confidence, "permutations": 1, "seed": params.seed}
        along = unit_gap_vector(*whole)
        scored = read(file), read(inputs.prompts), along, deltas, signed_distances(*whole, deltas)
        cluster = params.task_clusters[task]
        row, sweep = measure_task(task, entry, *scored, cluster=cluster, **settings)
        about = {"task": task, "metric": row["metric"], "n": int(row["n"]), "chance": row["chance"]}
        found["scores"].append({**about, "values": explorer.listed(sweep["score"])})
Path(snakemake.output[0]).write_text(
    json.dumps(found, ensure_ascii=False, separators=(",", ":")), encoding="utf-8"
)
