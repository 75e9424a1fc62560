"""Embed some inputs with one or several encoders. Inputs are a dataset, a sample of it, noise, or
both.

There is one output per encoder and modality: the folder names the encoder, the file the modality. A
shard of an extraction embeds some of its batches; a job of a part embeds one part of the dataset.
"""

from modality_gap.logs import log_to

log_to(snakemake)

import json
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from modality_gap import __version__
from modality_gap.embeddings.decisions import device_used, read_decision
from modality_gap.embeddings.decoding import check_decoder
from modality_gap.embeddings.extraction import (
    content_column,
    embed,
    label_columns,
    peak_memory_mb,
    plan_batches,
    select_rows,
)
from modality_gap.embeddings.sets import EmbeddingWriter
from modality_gap.encoders.build import build_initialised, weight_files
from modality_gap.encoders.pictures import allow_pixels

torch.set_num_threads(snakemake.threads)
inputs, seed = snakemake.params.inputs, snakemake.params.seed
# Read from the configuration, so that another number of workers causes no rerun.
workers = {"workers": snakemake.config["extraction"]["workers"]}
settings = snakemake.params.extraction | workers
allow_pixels(settings["max_pixels"])
check_decoder(settings["decode"])
dataset, files = snakemake.input.dataset, weight_files(snakemake.input)
shard = tuple(map(int, snakemake.wildcards.get("scatteritem", "1-of-1").split("-of-")))
part = snakemake.wildcards.get("part", "")


for path in snakemake.output:
    spec = snakemake.params.encoders[Path(path).parent.name]
    modality = Path(path).name.partition(".")[0]
    column = content_column(inputs, modality)
    decided = read_decision(snakemake.input.get("decisions", []), path)
    precision = decided.get("precision", {}).get("chosen", settings["precision"])
    inits = range(spec["seeds"]) if "seeds" in spec else [None]
    # A sample of a dataset in parts was drawn before.
    chosen = [np.load(file)[part] for file in snakemake.input.get("rows", [])]
    rows = chosen[0] if chosen else select_rows(dataset, inputs, seed)
    noise = inputs.get("noise", 0)
    todo = plan_batches(rows, noise, settings["batch_size"], inits, *shard)
    labels = label_columns(dataset, inputs, spec)
    with EmbeddingWriter(path, {}, labels, may_be_empty=bool(part) or shard != (1, 1)) as writer:
        started = time.perf_counter()
        writer.metadata |= {"code": __version__, "inputs": inputs, **decided}
        build = partial(build_initialised, spec, modality, precision, files)
        count, timing = embed(todo, build, dataset, modality, writer, settings, seed, column)
        seconds = time.perf_counter() - started
        writer.metadata["extraction"] = {
            "items": count,
            "seconds": round(seconds, 2),
            "items_per_s": round(count / seconds, 1),
            **{part: round(value, 2) for part, value in vars(timing).items()},
            **{name: round(value) for name, value in peak_memory_mb().items()},
            **device_used(),
        }
        if "seeds" in spec and count:
            writer.metadata["weights"] = f"random, seeds 0 to {spec['seeds'] - 1}"
    print(path, json.dumps(writer.metadata["extraction"]), file=sys.stderr)
