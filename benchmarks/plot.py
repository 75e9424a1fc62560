"""Draw how time and memory grow with the number of pairs, from results/bench/growth.csv."""

import argparse
from pathlib import Path

import pandas as pd
from bench import FOLDER
from matplotlib import pyplot as plt

from modality_gap.figures.style import PALETTE, letter, save, use_style

PANELS = {"time": "seconds", "memory": "MB beyond the vectors"}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder = parser.parse_args(arguments).folder
    table = pd.read_csv(folder / "growth.csv")
    exponents = pd.read_csv(folder / "growth_exponents.csv").set_index("subject")
    use_style()
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.6))
    for ax, panel, (quantity, unit) in zip(axes, "ab", PANELS.items(), strict=True):
        part = table[(table["quantity"] == quantity) & (table["value"] > 0)]
        for (name, rows), color in zip(
            part.groupby("subject", sort=False), PALETTE * 2, strict=False
        ):
            label = name
            if name in exponents.index:
                row = exponents.loc[name]
                label += f": {row['value']:.2f} ± {row['value'] - row['low']:.2f}"
            ax.plot(rows["n"], rows["value"], "o-", ms=4, color=color, label=label)
        ax.set(xscale="log", yscale="log", xlabel="pairs", ylabel=unit, title=quantity.title())
        letter(ax, f"({panel})")
    handles, labels = axes[0].get_legend_handles_labels()
    title = "fitted exponent of time ± its standard error"
    figure.legend(handles, labels, loc="outside lower center", ncols=3, title=title)
    save(figure, folder / "growth.svg", folder / "growth.pdf")


if __name__ == "__main__":
    main()
