"""Write the paper's Table 2 as counts, with intervals and exact tests."""

from modality_gap.logs import log_to

log_to(snakemake)

from pathlib import Path

import yaml

from modality_gap.measures.fairness import published_harm

published = yaml.safe_load(Path(snakemake.input.counts).read_text(encoding="utf-8"))
table = published_harm(published["groups"], snakemake.params.confidence)
table.assign(source=published["source"]).to_csv(snakemake.output[0], index=False)
