"""The reading page: every figure and table beside what the paper found, in one offline file."""

from modality_gap.logs import log_to

log_to(snakemake)

import json
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import yaml

from modality_gap.embeddings.sets import METADATA_KEY
from modality_gap.errors import InputError
from modality_gap.pages import paper, provenance, render
from modality_gap.pages.findings.figure1 import SEPARATE
from modality_gap.pages.findings.results import results
from modality_gap.paper.chance import WELL_ABOVE
from modality_gap.paper.items import load_items, names_of
from modality_gap.paper.ledger import load_ledger, published
from modality_gap.paper.show import MARKS, read_claims, summary

LIMIT_MB = 15
PACKAGES = ["snakemake", "torch", "open-clip-torch", "timm", "onnxruntime", "numpy", "scipy"]
PACKAGES += ["pandas", "pyarrow", "scikit-learn", "umap-learn", "matplotlib"]


def text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


inputs, params = snakemake.input, snakemake.params
items = load_items(Path(inputs.items_file))
relations, assets, not_run = (
    yaml.safe_load(text(path)) for path in (inputs.stand_ins, inputs.assets, inputs.not_run)
)
not_run = {name: not_run[name] for name in params.not_run}
data = {Path(path).stem: pd.read_csv(path) for path in inputs.tables}
data["training"] = pd.concat(pd.read_csv(path) for path in inputs.curves)
claims = read_claims(inputs.claims)
ledger = load_ledger(Path(inputs.ledger), Path(inputs.ledger_schema))
numbers = {name: claim.get("published") for name, claim in ledger["claims"].items()}
measured = results(data, numbers, params.config)
for name in names_of(items, "plain table"):
    table = data[Path(items[name].path).stem]
    measured.setdefault(name, ([], [render.plain_table(table, items[name].title)]))
sections = paper.sections(
    items,
    {name: paper.Making(**one) for name, one in params.made_by.items()},
    measured,
    {Path(path).stem: text(path) for path in inputs.captions},
    {Path(path).stem: Path(path).read_bytes() for path in inputs.figures},
    relations,
    params.config,
    params.sets,
    params.absent,
    claims,
    partial(published, ledger),
    yaml.safe_load(text(inputs.errata))["errata"],
    not_run,
)
# The footers only: the vectors are not read.
footers = {
    (Path(path).parent.name, Path(path).stem): pq.read_metadata(path) for path in inputs.pairs
}
html = render.render_page(
    {Path(path).name.partition(".")[0]: text(path) for path in inputs.templates},
    "paper",
    style=paper.Markup(text(inputs.style)),
    sections=sections,
    balance=paper.balance(claims, [one for found, _ in measured.values() for one in found]),
    styles=MARKS,
    claims_summary=summary(claims),
    models=provenance.models_rows(
        params.sets,
        {
            key: json.loads((foot.metadata or {}).get(METADATA_KEY, b"{}"))
            for key, foot in footers.items()
        },
        {key: foot.num_rows for key, foot in footers.items()},
        relations,
        params.config,
    ),
    sets=params.sets,
    absent=params.absent,
    left_out=not_run,
    missing=params.missing,
    assets=assets,
    sources=provenance.sources_rows(
        assets,
        provenance.used_assets(items.values(), params.config).union(*params.missing.values()),
    ),
    confidence=f"{100 * params.config['confidence']:g} %",
    separate=SEPARATE,
    well_above=WELL_ABOVE,
    versions={
        "this workflow": params.version,
        **provenance.versions(text(inputs.requirements), PACKAGES),
    },
)
size_mb = len(html.encode()) / 1e6
if size_mb >= LIMIT_MB:
    raise InputError(
        f"The page would be {size_mb:.1f} MB, more than {LIMIT_MB} MB; take fewer sets or items."
    )
Path(snakemake.output[0]).write_text(html, encoding="utf-8")
