"""Draw the loss that each set was trained with, minus its minimum, against the distance of the
centres. The softmax loss of the same set is beside it."""

from modality_gap.logs import log_to

log_to(snakemake)

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modality_gap.figures.palette import INK, RAMP
from modality_gap.figures.style import Layout, above_minima, label_line, plain, save, spread

label, parameters = snakemake.params.label, snakemake.params.parameters
inputs = snakemake.input
losses = {
    label: above_minima(pd.read_csv(inputs.landscape), pd.read_csv(inputs.minimum)),
    "softmax loss": above_minima(pd.read_csv(inputs.softmax), pd.read_csv(inputs.softmax_minimum)),
}
gaps = pd.read_csv(inputs.gap, index_col="set")
names = list(dict.fromkeys(losses[label][0]["set"]))


def draw_loss(ax: Axes, curves: pd.DataFrame, minimum: pd.DataFrame, name: str) -> None:
    ends = []
    for number, (temperature, part) in enumerate(curves.groupby("temperature")):
        curve = part.sort_values("delta")
        color = RAMP[number % len(RAMP)]
        ax.plot(curve["distance"], curve["above"], color=color)
        low = minimum[(minimum["set"] == name) & (minimum["temperature"] == temperature)]
        for x, y in low[["distance", "above"]].to_numpy():  # none at the end of the sweep
            ax.plot(x, y, "v", ms=8, color=color, clip_on=False, zorder=4)
        own = " (own)" if "own" in curve and curve["own"].iloc[0] else ""
        ends.append((f"scale {1 / temperature:.4g}{own}", color, curve["above"].iloc[0]))
    ax.axvline(gaps.loc[name, "gap"], color=INK, ls=":", lw=1.2)
    ax.set_ylim(0, None)
    heights = spread([end[2] for end in ends], ax.get_ylim()[1] / 13)
    for (words, color, _), height in zip(ends, heights, strict=True):
        label_line(ax, words, (1, height), color, xycoords=ax.get_yaxis_transform())
    ax.set(xlabel="distance of the centres", ylabel="loss above its minimum")


def draw(layout: Layout) -> Figure:
    columns = 1 if layout.narrow else 2
    figure, axes = layout.grid(2 * len(names), columns, 240 if layout.narrow else 300)
    panels = iter(axes)
    for model in names:
        for words, (table, minimum) in losses.items():
            ax, curves = next(panels), table[table["set"] == model]
            draw_loss(ax, curves, minimum, model)
            title = f"{gaps.loc[model, 'model']}, {words}"
            if words == label:
                first = curves.iloc[0]
                title += "".join(f", {name} {first[name]:.4g}" for name in parameters)
            ax.set_title(plain(title, 40))
    return figure


save(draw, snakemake.output)
