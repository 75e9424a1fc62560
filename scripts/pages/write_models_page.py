"""All models side by side: one offline page out of tables that other rules made."""

from modality_gap.logs import log_to

log_to(snakemake)

from pathlib import Path

import pandas as pd
import yaml

from modality_gap.config.losses import DECLARED_LOSSES
from modality_gap.pages import paper, render
from modality_gap.pages.models import models_findings, models_tables, own_loss_table
from modality_gap.paper.items import load_items, makings_of_sets
from modality_gap.paper.stand_ins import sentences, stand_ins


def text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


inputs, config, sets = snakemake.input, snakemake.params.config, snakemake.params.sets
gap, diagnostics, minimum = (
    pd.read_csv(path) for path in (inputs.gap, inputs.diagnostics, inputs.minimum)
)
tables = models_tables(gap, diagnostics, minimum)
own_losses = [DECLARED_LOSSES[name] for name in snakemake.params.own_losses]
for loss, path in zip(own_losses, inputs.own_losses, strict=True):
    tables[loss.prefix] = own_loss_table(loss, pd.read_csv(path))
items = load_items(Path(inputs.items_file))
relations = yaml.safe_load(text(inputs.stand_ins))
beside = sentences(items, relations, sets, config)
html = render.render_page(
    {Path(path).name.partition(".")[0]: text(path) for path in inputs.templates},
    "models",
    style=paper.Markup(text(inputs.style)),
    tables=tables,
    own_losses={loss.prefix: loss.label for loss in own_losses},
    found=models_findings(gap, diagnostics, minimum),
    figures={Path(path).stem: render.embedded(Path(path).read_bytes()) for path in inputs.figures},
    captions={
        name: render.caption_html(text(path), config, name, beside[name])
        for name, path in ((Path(path).stem, path) for path in inputs.captions)
    },
    items=items,
    sets=sets,
    origins={
        name: stand_ins(relations, *makings_of_sets([entry], config), config)
        for name, entry in sets.items()
    },
    confidence=f"{100 * config['confidence']:g} %",
    resamples=config["bootstrap"]["resamples"],
)
Path(snakemake.output[0]).write_text(html, encoding="utf-8")
