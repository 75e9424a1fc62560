"""Draw loss, gap and recall by training step of the models trained here."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import PALETTE
from modality_gap.figures.style import save_same, use_style

QUANTITIES = {
    "loss": "training loss",
    "gap": "gap, held-out pairs",
    "recall1": "recall@1, held-out pairs",
}

use_style()
curves = pd.concat(pd.read_csv(path) for path in snakemake.input.curves)
models = list(curves["model"].unique())
figure, axes = plt.subplots(len(models), 3, figsize=(10, 2.7 * len(models)), squeeze=False)
for line, model in enumerate(models):
    for column, (quantity, label) in enumerate(QUANTITIES.items()):
        ax = axes[line, column]
        curve = curves[curves["model"] == model].dropna(subset=[quantity])
        ax.plot(curve["step"], curve[quantity], color=PALETTE[column])
        ax.set(ylabel=label, ylim=(0, None), xlabel="step" if line == len(models) - 1 else "")
        if column == 0:
            ax.set_title(model, loc="left", fontweight="bold")
save_same(figure, snakemake.output)
