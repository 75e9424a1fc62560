"""Train all runs of one experiment. Runs that are already finished are not repeated."""

from modality_gap.logs import log_to

log_to(snakemake)

import sys
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file

from modality_gap.config.model_files import file_digests
from modality_gap.data.parquet import StoredDataset, choose_rows
from modality_gap.embeddings.sets import cluster_codes
from modality_gap.embeddings.stored import read_pair
from modality_gap.encoders.base import choose_device
from modality_gap.encoders.open_clip import load_open_clip
from modality_gap.encoders.pictures import allow_pixels
from modality_gap.measures.separability import linear_separability
from modality_gap.training.experiments import (
    measure_untouched,
    plan_runs,
    run_settings,
    share,
    train_run,
)
from modality_gap.training.journal import run_missing
from modality_gap.training.loop import LinearProjections
from modality_gap.training.pairs import Pairs, held_out
from modality_gap.training.tables import experiment_tables
from modality_gap.training.tasks import Task, read_task
from modality_gap.training.whole_clip import Clip, build_clip, read_items, read_pairs, start_weights

torch.set_num_threads(snakemake.threads)
name, params, output = snakemake.params.experiment, snakemake.params, snakemake.output
settings = run_settings(params.experiments, name)
device = choose_device()
start = build = more = clusters = task_clusters = None
if "model" in settings:
    weights = start_weights(params.encoder, snakemake.input.get("weights"))
    model, transform, tokenizer = load_open_clip(params.encoder, weights)
    allow_pixels(snakemake.config["extraction"]["max_pixels"])
    prepared = {"transform": transform, "workers": snakemake.threads}
    sample = settings["model"].get("pairs"), params.seed
    pairs = read_pairs(
        snakemake.input.dataset, *sample, tokenize=tokenizer, device=device, **prepared
    )
    print(f"{len(pairs.train)} pairs to train on, {len(pairs.test)} held out", file=sys.stderr)
    if name == "temperature":
        start = Clip(model, transform, device)
    else:
        build = partial(build_clip, spec=params.encoder, device=device)
else:
    image, text = read_pair(snakemake.input.image, snakemake.input.text, one_space=False)
    splits = image.labels["split"].to_numpy()
    clusters = cluster_codes(
        image.labels[splits == "test"], params.get("cluster"), snakemake.input.image
    )
    vectors = (torch.from_numpy(side.normalised()).float() for side in (image, text))
    rows = (torch.from_numpy((splits == part).nonzero()[0]) for part in ("train", "test"))
    pairs = Pairs(*(tensor.to(device) for tensor in (*vectors, *rows)))

if name == "temperature" and "model" in settings:
    columns = ["item_id", *params.task_inputs.get("where", {})]
    labels = StoredDataset(snakemake.input.task_images).read(columns).to_pandas()
    rows = choose_rows(labels, params.task_inputs, params.seed)
    labels, pixels = read_items(snakemake.input.task_images, rows, **prepared)
    prompts = StoredDataset(snakemake.input.prompts).read().to_pandas()
    prompts = prompts[prompts["task"] == settings["task"]]
    classes, right = prompts["label"].to_numpy(), labels[params.task_label].to_numpy()
    task = Task(pixels, tokenizer(list(prompts["text"])).to(device), classes, right, labels)
elif name == "temperature":
    weights = load_file(snakemake.input.model)
    start = LinearProjections(
        *(weights[f"{side}.weight"].shape[1] for side in ("image", "text")),
        len(weights["image.weight"]),
    )
    start.load_state_dict(weights)
    start.to(device)
    files = snakemake.input.task_images, snakemake.input.prompts
    about = settings["task"], params.task_label, params.task_inputs, params.seed
    task = read_task(*files, *about).on(device)
    task_clusters = cluster_codes(
        task.labels, params.get("task_cluster"), snakemake.input.task_images
    )


if name == "temperature":

    def more(model, x, y) -> dict[str, float]:
        return {"zero_shot": float(task.hits(model, pairs.at_once).mean())}


if name == "same_modality":

    def more(model, x, y) -> dict[str, float]:
        return {"separability": linear_separability(x, y, params.seed)}


origin = {
    "settings": settings,
    "seed": params.seed,
    "task": [params.task_inputs, params.task_label] if name == "temperature" else None,
    "encoder": params.encoder,
    "files": file_digests(snakemake.input),
    "torch": torch.__version__,
    "device": str(device),
    "threads": snakemake.threads,
}
results = run_missing(
    plan_runs(params.experiments, name, params.seed),
    partial(train_run, pairs=pairs, settings=settings, start=start, build=build, more=more),
    Path(params.journal),
    origin,
)
if "model" in settings:
    trained = settings["model"]["encoder"]
else:
    kind = "towers" if start is None else "projections"
    trained = f"{params.experiments['projection']} {kind}"
for key, table in experiment_tables(name, results, params.confidence).items():
    table.insert(0, "model", trained)
    table.to_csv(output[key], index=False)
if start is not None:
    untouched = {
        "model": trained,
        "temperature": start.temperature() if "model" in settings else params.start_temperature,
        **measure_untouched(*held_out(start, pairs), params.confidence, clusters),
        "zero_shot_n": len(task.right),
        **share("zero_shot", task.hits(start, pairs.at_once), params.confidence, task_clusters),
    }
    pd.DataFrame([untouched]).to_csv(output.untouched, index=False)
