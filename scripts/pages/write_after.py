"""Write the page on follow-up papers, tested on the same embeddings, as one offline file."""

from modality_gap.logs import log_to

log_to(snakemake)

import json
from pathlib import Path

import pandas as pd
import yaml

from modality_gap.pages import render
from modality_gap.pages.after import closing, fit_sizes, follow_ups, losses, measures, methods
from modality_gap.pages.cite import stamp
from modality_gap.paper.closing import closings
from modality_gap.paper.follow_ups import load_follow_ups, with_own_claims
from modality_gap.paper.items import load_items, names_on
from modality_gap.paper.show import read_claims
from modality_gap.paper.stand_ins import sentences


def text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


inputs, params = snakemake.input, snakemake.params
data = {Path(path).stem: pd.read_csv(path) for path in inputs.tables}
gaps = pd.read_csv(inputs.gap, index_col="set")
items = load_items(Path(inputs.items_file))
shown = names_on(items, "after")
stand_ins = sentences(items, yaml.safe_load(text(inputs.stand_ins)), params.sets, params.config)
captions = {Path(path).stem: text(path) for path in inputs.captions}
drawings = {Path(path).name: Path(path).read_bytes() for path in inputs.figures}
ledger = with_own_claims(
    load_follow_ups(Path(inputs.follow_ups)), params.config["loss_study"]["methods"]
)
record = Path(params.record)
labels = {name: entry["label"] for name, entry in params.sets.items()}
study = params.config["loss_study"]
own_measures = {
    name: entry.get("label", name)
    for name, entry in params.config["posthoc"].get("measures", {}).items()
}
closed = closings(gaps, pd.read_csv(inputs.peak), params.published)
html = render.render_page(
    {Path(path).name.partition(".")[0]: text(path) for path in inputs.templates},
    "after",
    [text(path) for path in inputs.scripts],
    stamp(json.loads(text(record)) if record.exists() else {}, params.version),
    style=render.Markup(text(inputs.style)),
    items=items,
    pictures={
        name: render.picture(
            name, items[name].alt, drawings[f"{name}.svg"], drawings[f"{name}.narrow.svg"]
        )
        for name in shown
    },
    captions={
        name: render.caption_html(captions[name], params.config, name, stand_ins[name])
        for name in shown
    },
    closing=closing.sentences(closed, data),
    closing_summary=closing.summary(closed),
    methods=methods.shown(data, gaps, params.sets),
    fit_sentence=fit_sizes.sentence(data["fit_sizes"], labels),
    fit_sizes=fit_sizes.tables(data["fit_sizes"], data["method_names"], labels),
    losses=losses.shown(
        data, study["baseline"], params.config["confidence"], params.temperature_alone
    ),
    measures=measures.shown(
        data["measures"], gaps, params.sets, params.config["confidence"], own_measures
    ),
    sections=follow_ups.sections(ledger, read_claims(inputs.judged)),
    untestable=ledger["untestable"],
    not_claimed=ledger["not_claimed"],
)
Path(snakemake.output[0]).write_text(html, encoding="utf-8")
