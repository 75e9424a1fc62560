"""Write the page of all figures and tables, beside what the paper found, as one offline file."""

from modality_gap.logs import log_to

log_to(snakemake)

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import yaml

from modality_gap.config.losses import DECLARED_LOSSES
from modality_gap.config.tables import load_tables
from modality_gap.errors import InputError
from modality_gap.measures import registry
from modality_gap.pages import models, paper, render
from modality_gap.pages.cite import stamp
from modality_gap.pages.findings.results import results
from modality_gap.pages.labels import labelled, set_labels, with_weights
from modality_gap.paper.items import load_items, names_of
from modality_gap.paper.ledger import load_ledger, published
from modality_gap.paper.show import STYLES, read_claims

LIMIT_MB = 15


def text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


inputs, params = snakemake.input, snakemake.params
items = load_items(Path(inputs.items_file))
relations, report, not_run, errata = (
    yaml.safe_load(text(path))
    for path in (inputs.stand_ins, inputs.report, inputs.not_run, inputs.errata)
)
data = {Path(path).stem: pd.read_csv(path) for path in inputs.tables}
data["training"] = pd.concat(pd.read_csv(path) for path in inputs.curves)
data["gap"] = with_weights(data["gap"], params.sets)
labels = set_labels(params.sets)
data = labelled(data, labels, params.config["encoders"])
claims = read_claims(inputs.claims)
ledger = load_ledger(Path(inputs.ledger), Path(inputs.ledger_schema))
numbers = {name: claim.get("published") for name, claim in ledger["claims"].items()}
measured = results(data, numbers, params.config)
tables = data["gap"], data["diagnostics"], data["loss_minimum"]
measured["models"] = models.models_findings(*tables), [*models.models_tables(*tables).values()]
for name, path in zip(params.own_losses, inputs.own_losses, strict=True):
    loss = DECLARED_LOSSES[name]
    minimum = labelled({"minimum": pd.read_csv(path)}, labels)["minimum"]
    table = models.own_loss_table(loss, minimum)
    measured[f"{loss.prefix}_loss"] = ([], [table])
files = Path(inputs.tables_file), registry.columns(), Path(inputs.items_file)
documented = load_tables(*files)[1]
for name in names_of(items, "plain table"):
    table = data[Path(items[name].path).stem]
    columns = next(one.columns for one in documented if one.is_at(items[name].path))
    found, tables = measured.setdefault(name, ([], []))
    tables += [] if tables else [render.plain_table(table, columns, items[name].title)]
sections = paper.sections(
    items,
    {name: paper.Making(**one) for name, one in params.made_by.items()},
    measured,
    {Path(path).stem: text(path) for path in inputs.captions},
    {Path(path).stem: Path(path).read_bytes() for path in inputs.figures},
    report["folded"],
    relations,
    params.config,
    params.sets,
    params.absent,
    claims,
    partial(published, ledger),
    errata["errata"],
    {name: not_run[name] for name in params.not_run},
)
codes = {Path(path).stem: text(path) for path in inputs.texts}
sections = [replace(section, code=codes.get(section.id, "")) for section in sections]
record = Path(params.record)
html = render.render_page(
    {Path(path).name.partition(".")[0]: text(path) for path in inputs.templates},
    "figures",
    [text(path) for path in inputs.scripts],
    stamp(json.loads(text(record)) if record.exists() else {}, params.version),
    style=paper.Markup(text(inputs.style)),
    groups=paper.grouped(sections, report["groups"]),
    plain=names_of(items, "plain table"),
    styles=STYLES,
)
size_mb = len(html.encode()) / 1e6
if size_mb > LIMIT_MB:
    raise InputError(
        f"The page would be {size_mb:.1f} MB, more than {LIMIT_MB} MB; show fewer sets or items."
    )
Path(snakemake.output[0]).write_text(html, encoding="utf-8")
