"""One training experiment: all its runs, of which those finished before are not trained again."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

from functools import partial
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file

from modality_gap.embedding_set import choose_rows, read, read_pair
from modality_gap.encoders import choose_device
from modality_gap.experiments import (
    Pairs,
    experiment_tables,
    file_digests,
    held_out,
    measure_untouched,
    plan_runs,
    run_missing,
    run_settings,
    share,
    train_run,
    zero_shot_accuracy,
)
from modality_gap.gap import linear_separability
from modality_gap.training import LinearProjections

torch.set_num_threads(snakemake.threads)
name, params, output = snakemake.params.experiment, snakemake.params, snakemake.output
settings = run_settings(params.experiments, name)
device = choose_device()
image, text = read_pair(snakemake.input.image, snakemake.input.text, one_space=False)
splits = image.labels["split"].to_numpy()
vectors = (torch.from_numpy(side.normalised()).float() for side in (image, text))
rows = (torch.from_numpy((splits == part).nonzero()[0]) for part in ("train", "test"))
pairs = Pairs(*(tensor.to(device) for tensor in (*vectors, *rows)))

start = more = None
if name == "temperature":
    weights = load_file(snakemake.input.model)
    start = LinearProjections(
        *(weights[f"{side}.weight"].shape[1] for side in ("image", "text")),
        len(weights["image.weight"]),
    )
    start.load_state_dict(weights)
    start.to(device)
    pictures = read(snakemake.input.task_images)
    pictures = pictures.select(choose_rows(pictures.labels, params.task_inputs, params.seed))
    prompts = read(snakemake.input.prompts)
    prompts = prompts.select((prompts.labels["task"] == settings["task"]).to_numpy())
    classes = prompts.labels["label"].to_numpy()
    right = pictures.labels[params.task_label].to_numpy()
    task = [torch.from_numpy(side.normalised()).float().to(device) for side in (pictures, prompts)]

    @torch.no_grad()
    def more(model, x, y) -> dict[str, float]:
        sides = (side.double().cpu().numpy() for side in model(*task))
        return {"zero_shot": zero_shot_accuracy(*sides, classes, right)}


if name == "same_modality":

    def more(model, x, y) -> dict[str, float]:
        return {"separability": linear_separability(x, y, params.seed)[0]}


origin = {
    "settings": settings,
    "seed": params.seed,
    "task": [params.task_inputs, params.task_label] if name == "temperature" else None,
    "files": file_digests(snakemake.input),
    "torch": torch.__version__,
    "device": str(device),
    "threads": snakemake.threads,
}
results = run_missing(
    plan_runs(params.experiments, name, params.seed),
    partial(train_run, pairs=pairs, settings=settings, start=start, more=more),
    Path(params.journal),
    origin,
)
for key, table in experiment_tables(name, results, params.confidence).items():
    table.to_csv(output[key], index=False)
if start is not None:
    untouched = {
        "temperature": params.start_temperature,
        **measure_untouched(*held_out(start, pairs), params.confidence),
        "zero_shot_n": len(right),
        **share("zero_shot", more(start, None, None)["zero_shot"], len(right), params.confidence),
    }
    pd.DataFrame([untouched]).to_csv(output.untouched, index=False)
