"""Draw Figure 3(e) and (f): six simulated pairs on the unit sphere, and its coordinates."""

from modality_gap.logs import log_to

log_to(snakemake)

from matplotlib import pyplot as plt

from modality_gap.figures.schematics import draw_sphere, draw_spherical_coordinates
from modality_gap.figures.style import letter, save_same, use_style

use_style()
figure, axes = plt.subplots(1, 2, figsize=(10, 4.5), subplot_kw={"projection": "3d"})
draw_sphere(axes[0])
letter(axes[0], "(e)")
draw_spherical_coordinates(axes[1])
letter(axes[1], "(f)")
save_same(figure, snakemake.output)
