"""Recompute the published p-values of Table 1 at the sizes of its test sets, and correct them for
the choice among shifts."""

from modality_gap.logs import log_to

log_to(snakemake)

from pathlib import Path

import yaml

from modality_gap.measures.p_values import recompute

text = Path(snakemake.input.published).read_text(encoding="utf-8")
table = recompute(yaml.safe_load(text)["supplementary_p_values"], snakemake.params.confidence)
table.to_csv(snakemake.output[0], index=False)
