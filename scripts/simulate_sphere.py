"""Six pairs on the sphere, mismatched and matched (Figure 3(g))."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import numpy as np
import pandas as pd

from modality_gap.contrastive import sphere_losses

settings = snakemake.params.sphere
tables = []
for spacing in settings["spacings_deg"]:
    for mismatched in (True, False):
        table = sphere_losses(spacing, mismatched, settings["temperatures"], np.arange(90, -91, -1))
        table.insert(0, "mismatched", mismatched)
        table.insert(0, "spacing_deg", spacing)
        tables.append(table)
pd.concat(tables).to_csv(snakemake.output[0], index=False)
