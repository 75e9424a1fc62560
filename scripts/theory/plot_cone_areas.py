"""Draw the share of the sphere that a narrow cone covers, by dimension and reading."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib import pyplot as plt

from modality_gap.figures.palette import FAINT, PALETTE
from modality_gap.figures.style import save_same, use_style

use_style()
table = pd.read_csv(snakemake.input[0])
dimensions = sorted(table["dimensions"].unique(), reverse=True)
readings = table.groupby("reading", sort=False)
figure, ax = plt.subplots(figsize=(10, 0.9 + 0.75 * len(dimensions)))
for (reading, part), color, marker, shift in zip(
    readings, PALETTE, "os", (0.16, -0.16), strict=False
):
    rows = part["dimensions"].map(dimensions.index) + shift
    label = f"{reading}: {part['half_angle_deg'].iloc[0]:.2f}° either side of the axis"
    ax.plot(part["log2_fraction"], rows, ls="", marker=marker, ms=7, color=color, label=label)
    for row, fraction, power in zip(rows, part["fraction"], part["log2_fraction"], strict=True):
        text = f"{100 * fraction:.2f} %" if fraction > 1e-3 else f"$2^{{{power:.1f}}}$"
        ax.annotate(
            text, (power, row), (9, 0), textcoords="offset points", va="center", color=color
        )
ax.set_yticks(range(len(dimensions)), [f"{value} dimensions" for value in dimensions])
ax.set(xlabel="log2 of the share of the sphere", ylim=(-0.5, len(dimensions) - 0.5))
ax.set_xscale("symlog", base=2, linthresh=1)
ticks = [-(2**power) for power in range(10, -1, -1)]
ticks = [tick for tick in ticks if tick > 2 * table["log2_fraction"].min()]
ax.set_xticks(ticks, [f"−{-tick}" for tick in ticks])
ax.set_xlim(ticks[0], -0.5)
ax.grid(axis="x", color=FAINT, lw=0.4)
ax.set_axisbelow(True)
ax.legend(loc="upper left")
save_same(figure, snakemake.output)
