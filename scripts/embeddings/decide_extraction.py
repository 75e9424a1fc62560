"""Measure on a few items how to run an extraction. All shards of the extraction then use the
result."""

from modality_gap.logs import log_to

log_to(snakemake)

import json
import sys
from functools import partial
from pathlib import Path

import torch

from modality_gap.embeddings import decisions
from modality_gap.embeddings.decoding import check_decoder
from modality_gap.embeddings.extraction import content_column, select_rows
from modality_gap.encoders.base import Encoder
from modality_gap.encoders.build import ENCODERS, build_initialised, weight_files
from modality_gap.encoders.pictures import allow_pixels

torch.set_num_threads(snakemake.threads)
spec = snakemake.params.encoder
# Read from the configuration, so that another number of shards causes no rerun.
settings = snakemake.params.extraction | {"shards": snakemake.config["extraction"]["shards"]}
allow_pixels(settings["max_pixels"])
check_decoder(settings["decode"])
dataset, modality = snakemake.input.dataset, snakemake.wildcards.modality
rows = select_rows(dataset, snakemake.params.inputs, snakemake.params.seed)
column = content_column(snakemake.params.inputs, modality)
files = weight_files(snakemake.input)
build = partial(build_initialised, spec, modality, files=files, init=0 if "seeds" in spec else None)


def inputs_of(encoder: Encoder, number: int, decode: str = "exact") -> list:
    """The encoder's inputs for the first items."""
    items = decisions.first_items(dataset, modality, rows, number, column)
    return decisions.prepared_sample(encoder, modality, settings["unreadable"], items, decode)


found, precision = {}, settings["precision"]
if precision == "auto" and not ENCODERS[spec["library"]].one_precision:
    number = decisions.sample_size(settings["batch_size"])
    # An encoder is built for each shard and each initialisation.
    items = (len(rows) + snakemake.params.inputs.get("noise", 0)) // settings["shards"]
    found["precision"] = decisions.measure_precision(
        build, partial(inputs_of, number=number), items
    )
    precision = found["precision"]["chosen"]
    print(decisions.precision_in_words(found["precision"]), file=sys.stderr)
if modality == "image" and settings["decode"] != "exact":
    found["decode"] = decisions.measure_decoding(
        build(precision),
        settings["decode"],
        lambda encoder, way: inputs_of(encoder, decisions.PICTURES, way),
    )
    print(decisions.decoding_in_words(found["decode"]), file=sys.stderr)
Path(snakemake.output[0]).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
