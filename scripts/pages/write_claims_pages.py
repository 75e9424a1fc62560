"""The ledger's page and the page of errata, each one offline file."""

from modality_gap.logs import log_to

log_to(snakemake)

from pathlib import Path

import pandas as pd
import yaml

from modality_gap.pages import paper, render
from modality_gap.paper.claims import MEANINGS
from modality_gap.paper.errata import computed_errata
from modality_gap.paper.show import MARKS, WHOSE, read_claims, summary

inputs = snakemake.input
templates = {
    Path(path).name.partition(".")[0]: Path(path).read_text(encoding="utf-8")
    for path in inputs.templates
}
style = paper.Markup(Path(inputs.style).read_text(encoding="utf-8"))
claims = read_claims(inputs.claims)
html = render.render_page(
    templates,
    "claims",
    style=style,
    summary=summary(claims),
    parts=paper.by_part(claims),
    whose=WHOSE,
    marks=MARKS,
    meanings=MEANINGS,
    confidence=f"{100 * snakemake.params.confidence:g} %",
)
Path(snakemake.output.claims).write_text(html, encoding="utf-8")

results = Path(snakemake.output.errata).parent
tables = {Path(path).relative_to(results).as_posix(): pd.read_csv(path) for path in inputs.tables}
errata = yaml.safe_load(Path(inputs.errata).read_text(encoding="utf-8"))["errata"]
html = render.render_page(templates, "errata", style=style, errata=computed_errata(errata, tables))
Path(snakemake.output.errata).write_text(html, encoding="utf-8")
