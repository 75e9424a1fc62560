"""Measure on a few items how an extraction is best done; all its shards then do it like that."""

from modality_gap.logs import log_to

log_to(snakemake)

import json
import sys
from functools import partial
from pathlib import Path

import torch

from modality_gap.embeddings import decisions
from modality_gap.embeddings.extraction import select_rows
from modality_gap.encoders.build import build_initialised, weight_files
from modality_gap.encoders.pictures import allow_pixels

torch.set_num_threads(snakemake.threads)
spec, settings = snakemake.params.encoder, snakemake.params.extraction
allow_pixels(settings["max_pixels"])
dataset, modality = snakemake.input.dataset, snakemake.wildcards.modality
rows = select_rows(dataset, snakemake.params.inputs, snakemake.params.seed)
number = decisions.sample_size(settings["batch_size"])
items = decisions.first_items(dataset, modality, rows, number)

files = weight_files(snakemake.input)
init = 0 if "seeds" in spec else None
found = {
    "precision": decisions.measure_precision(
        lambda precision: build_initialised(spec, modality, precision, files, init),
        partial(
            decisions.prepared_sample,
            modality=modality,
            unreadable=settings["unreadable"],
            items=items,
        ),
    )
}
print(decisions.precision_in_words(found["precision"]), file=sys.stderr)
Path(snakemake.output[0]).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
