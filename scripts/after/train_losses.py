"""Train with every loss of the study and every seed: losses.csv, its steps and differences."""

from modality_gap.logs import log_to

log_to(snakemake)

import torch

from modality_gap.embeddings.stored import read_pair
from modality_gap.training.loss_study import run_study
from modality_gap.training.loss_tables import differences
from modality_gap.training.pairs import Pairs

torch.set_num_threads(snakemake.threads)
params, output = snakemake.params, snakemake.output
image, text = read_pair(snakemake.input.image, snakemake.input.text, one_space=False)
splits = image.labels["split"].to_numpy()
vectors = (torch.from_numpy(side.normalised()).float() for side in (image, text))
rows = (torch.from_numpy((splits == part).nonzero()[0]) for part in ("train", "test"))
column = params.study["group_label"]
known = column in image.labels
labels = image.labels[column].to_numpy()[splits == "test"] if known else None
runs, steps = run_study(params.study, Pairs(*vectors, *rows), labels, params.seed)
runs.to_csv(output.runs, index=False)
steps.to_csv(output.steps, index=False)
differences(runs, params.study, params.confidence).to_csv(output.difference, index=False)
