"""Embed one modality of a dataset, a sample of it, or noise, with one encoder."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import json
import sys
import time

import torch

from modality_gap import __version__
from modality_gap.embedding_set import EmbeddingWriter
from modality_gap.encoders import build_encoder
from modality_gap.extraction import (
    extract,
    extract_noise,
    peak_memory_mb,
    read_batches,
    select_items,
)

torch.set_num_threads(snakemake.threads)
spec, inputs, settings = (snakemake.params[key] for key in ("encoder", "inputs", "extraction"))
spec = {**spec, "wheel_path": snakemake.input.get("wheel")}
modality, seed = snakemake.wildcards.modality, snakemake.params.seed


def weights_of(seed: int | None) -> dict:
    if seed is not None:
        return {"seed": seed}
    if checkpoint := snakemake.input.get("checkpoint"):
        return {"checkpoint": checkpoint}
    if spec["wheel_path"]:
        return {"wheel": spec["wheel_path"], "member": spec.get("member", spec.get("wheel_folder"))}
    return {"tag": spec["pretrained"]}


seeds = list(range(spec["seeds"])) if "seeds" in spec else [spec.get("seed")]
writer = EmbeddingWriter(snakemake.output[0], {})
started, count, timings = time.perf_counter(), 0, []
for init in seeds:
    encoder = build_encoder(spec, modality, weights_of(init), settings["precision"])
    writer.metadata |= {**encoder.metadata, "code": __version__, "inputs": inputs}
    if "noise" in inputs:
        count += inputs["noise"]
        timing = extract_noise(inputs["noise"], encoder, writer, settings["batch_size"], seed)
    else:
        dataset = snakemake.input.dataset
        chosen = select_items(dataset, inputs, seed)
        count += len(chosen)
        batches = read_batches(dataset, modality, chosen, settings["batch_size"])
        if "seeds" in spec:
            batches = (
                frame.assign(item_id=f"seed{init:02d}/" + frame["item_id"], seed=init)
                for frame in batches
            )
        timing = extract(
            batches,
            len(chosen),
            modality,
            encoder,
            writer,
            settings["workers"],
            settings["unreadable"],
        )
    timings.append(timing)

seconds = time.perf_counter() - started
writer.metadata["extraction"] = {
    "items": count,
    "seconds": round(seconds, 2),
    "items_per_s": round(count / seconds, 1),
    **{
        part: round(sum(getattr(timing, part) for timing in timings), 2)
        for part in ("read_s", "infer_s", "write_s")
    },
    **{name: round(value) for name, value in peak_memory_mb().items()},
    "device": "cuda" if torch.cuda.is_available() else "cpu",
}
if "seeds" in spec:
    writer.metadata["weights"] = f"random, seeds 0 to {spec['seeds'] - 1}"
writer.close()
print(json.dumps(writer.metadata["extraction"]), file=sys.stderr)
