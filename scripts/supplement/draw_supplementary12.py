"""Draw Supplementary 12: the contrastive loss as runnable code, and as it was released."""

from modality_gap.logs import log_to

log_to(snakemake)

import re
from pathlib import Path

from matplotlib import pyplot as plt

from modality_gap.figures.palette import INK, MUTED
from modality_gap.figures.style import letter, save_same, use_style

LINE = 0.19  # inches

use_style()
text = Path(snakemake.input[0]).read_text(encoding="utf-8")
# Without the comment at the top and the second of two empty lines.
text = re.sub(r"\n{3,}", "\n\n", text.partition("\n")[2])
parts = [part.strip().splitlines() for part in re.split(r"# --- .*\n", text)]
heights = [LINE * (len(lines) + 1) for lines in parts]
figure, axes = plt.subplots(
    len(parts), figsize=(10, sum(heights) + 0.6), height_ratios=heights, squeeze=False
)
for ax, lines, height, label in zip(axes[:, 0], parts, heights, ("(a)", "(b)"), strict=True):
    ax.set(xlim=(0, 1), ylim=(height, 0), xticks=[], yticks=[])
    ax.spines[["left", "bottom"]].set_visible(False)
    letter(ax, label)
    for number, line in enumerate(lines, start=1):
        code, mark, comment = line.partition("#")
        # In a monospaced font the spaces before the comment put it behind the code.
        for words, color in ((code, INK), (" " * len(code) + mark + comment, MUTED)):
            ax.text(0.01, LINE * number, words, color=color, family="DejaVu Sans Mono", fontsize=10)
save_same(figure, snakemake.output)
