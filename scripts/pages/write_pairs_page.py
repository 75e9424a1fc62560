"""Write the page of your own pairs, as one offline file, from the tables of other rules."""

from modality_gap.logs import log_to

log_to(snakemake)

from pathlib import Path

import pandas as pd
from markupsafe import Markup

from modality_gap.config.losses import DECLARED_LOSSES
from modality_gap.embeddings.shards import read_about
from modality_gap.pages.findings.figure3 import all_minima_table
from modality_gap.pages.models import own_loss_table
from modality_gap.pages.pairs import measures_table, sources_table
from modality_gap.pages.render import embedded, render_page
from modality_gap.paper.items import load_items


def text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


inputs, params = snakemake.input, snakemake.params
gap, diagnostics, minimum = (
    pd.read_csv(path) for path in (inputs.gap, inputs.diagnostics, inputs.minimum)
)
about = [read_about(path)[0] for path in inputs.pairs]
origins = dict(zip(params.sets, zip(about[::2], about[1::2], strict=True), strict=True))
tables = {
    "sources": sources_table(origins, gap),
    "measures": measures_table(gap, diagnostics),
    "minimum": all_minima_table(minimum),
}
losses = [DECLARED_LOSSES[name] for name in params.own_losses]
for loss, path in zip(losses, inputs.own_losses, strict=True):
    tables[loss.prefix] = own_loss_table(loss, pd.read_csv(path))
html = render_page(
    {Path(path).name.partition(".")[0]: text(path) for path in inputs.templates},
    "pairs",
    style=Markup(text(inputs.style)),
    sets=params.sets,
    tables=tables,
    losses={loss.prefix: loss.label for loss in losses},
    figures={Path(path).stem: embedded(Path(path).read_bytes()) for path in inputs.figures},
    items=load_items(Path(inputs.items_file)),
    version=params.version,
    confidence=f"{100 * params.confidence:g} %",
    resamples=params.resamples,
)
Path(snakemake.output[0]).write_text(html, encoding="utf-8")
