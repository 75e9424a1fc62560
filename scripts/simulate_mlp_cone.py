"""Mean cosine by depth of random multi-layer perceptrons (Figure 2(b))."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import pandas as pd
from tqdm import tqdm

from modality_gap.cone import mlp_mean_cosines

settings = snakemake.params.mlp
runs = [
    (activation, bias, repeat)
    for activation in settings["activations"]
    for bias in (True, False)
    for repeat in range(settings["repeats"])
]
rows = []
for activation, bias, repeat in tqdm(runs, unit="network", mininterval=2):
    cosines = mlp_mean_cosines(
        activation,
        bias,
        settings["inputs"],
        settings["width"],
        settings["layers"],
        seed=snakemake.params.seed + repeat,
    )
    for layer, mean_cosine in enumerate(cosines):
        rows.append((activation, bias, layer, repeat, mean_cosine))
columns = ["activation", "bias", "layer", "repeat", "mean_cosine"]
pd.DataFrame(rows, columns=columns).to_csv(snakemake.output[0], index=False)
