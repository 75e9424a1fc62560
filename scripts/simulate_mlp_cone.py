"""Mean cosine by depth of random multi-layer perceptrons (Figure 2(b))."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import pandas as pd
from scipy import stats
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
table = pd.DataFrame(rows, columns=columns)
table.to_csv(snakemake.output.table, index=False)

# Repeats differ in inputs and weights: the interval of their mean is Student's.
repeats = table.groupby(["activation", "bias", "layer"], sort=False)["mean_cosine"]
interval = repeats.agg(n="size", mean_cosine="mean").reset_index()
quantile = stats.t.ppf((1 + snakemake.params.confidence) / 2, interval["n"] - 1)
margin = quantile * repeats.sem().to_numpy()
interval["mean_cosine_low"] = interval["mean_cosine"] - margin
interval["mean_cosine_high"] = interval["mean_cosine"] + margin
# The released code averages over the diagonal too, where every cosine is 1.
inputs = settings["inputs"]
interval["mean_cosine_with_diagonal"] = (interval["mean_cosine"] * (inputs - 1) + 1) / inputs
interval.to_csv(snakemake.output.interval, index=False)
