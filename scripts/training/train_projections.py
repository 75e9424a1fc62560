"""Train one linear projection per modality on cached embeddings of two frozen encoders."""

from modality_gap.logs import log_to

log_to(snakemake)

import torch
from safetensors.torch import save_file

from modality_gap.embeddings.stored import read_pair
from modality_gap.training.loop import LinearProjections, train

torch.set_num_threads(snakemake.threads)
torch.manual_seed(snakemake.params.seed)
settings = snakemake.params.settings
image, text = read_pair(snakemake.input.image, snakemake.input.text, one_space=False)
splits = image.labels["split"].to_numpy()
vectors = [torch.from_numpy(side.normalised()).float() for side in (image, text)]
train_rows, test_rows = (
    torch.from_numpy((splits == part).nonzero()[0]) for part in ("train", "test")
)

model = LinearProjections(*(side.shape[1] for side in vectors), settings["dim"])
save_file(model.state_dict(), snakemake.output.untrained)
curve = train(
    model,
    lambda batch: model(*(side[train_rows[batch]] for side in vectors)),
    len(train_rows),
    lambda: model(*(side[test_rows] for side in vectors)),
    settings,
    snakemake.params.seed,
)
save_file(model.state_dict(), snakemake.output.trained)
curve.insert(0, "model", snakemake.wildcards.model)
curve.to_csv(snakemake.output.curve, index=False)
