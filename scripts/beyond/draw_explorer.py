"""Write the charts of the explorer on the summary page, and the library that draws them."""

from modality_gap.logs import log_to

log_to(snakemake)

import json
from pathlib import Path

import pandas as pd

from modality_gap.pages import explorer
from modality_gap.pages.remedies import remedies

found = {
    Path(path).stem: json.loads(Path(path).read_text(encoding="utf-8"))
    for path in snakemake.input.sets
}
tables = [pd.read_csv(snakemake.input[name]) for name in ("methods", "differences", "names")]
gap = pd.read_csv(snakemake.input.gap)
models = explorer.models(found, snakemake.params.sets, gap, remedies(*tables))
Path(snakemake.output.charts).write_text(
    json.dumps(explorer.drawn(models), ensure_ascii=False, separators=(",", ":")), encoding="utf-8"
)
Path(snakemake.output.library).write_text(explorer.library(), encoding="utf-8")
