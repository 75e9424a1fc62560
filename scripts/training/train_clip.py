"""Train a small CLIP from scratch on the train pairs of a dataset."""

from modality_gap.logs import log_to

log_to(snakemake)

import torch
from safetensors.torch import save_file

from modality_gap.data.parquet import StoredDataset
from modality_gap.encoders.base import choose_device
from modality_gap.encoders.open_clip import load_open_clip
from modality_gap.training.loop import train
from modality_gap.training.small_clip import embedder

torch.set_num_threads(snakemake.threads)
pairs = StoredDataset(snakemake.input.dataset).read().to_pandas()
device = choose_device()
# Initialised as its untrained self is (the encoder's seed), so that the two can be compared.
model, transform, tokenizer = load_open_clip(
    snakemake.params.encoder, {"seed": snakemake.params.untrained_seed}
)
model = model.to(device)
embed = embedder(model, transform, tokenizer, pairs, device)
curve = train(
    model,
    lambda batch: embed("train", batch),
    int((pairs["split"] == "train").sum()),
    lambda: embed("test"),
    snakemake.params.settings,
    snakemake.params.seed,
)
save_file(
    {name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()},
    snakemake.output.checkpoint,
)
curve.insert(0, "model", snakemake.wildcards.model)
curve.to_csv(snakemake.output.curve, index=False)
