"""Write the page of every check and the page of errata, each as one offline file."""

from modality_gap.logs import log_to

log_to(snakemake)

import json
from pathlib import Path

import pandas as pd
import yaml

from modality_gap.pages import evidence, paper, render
from modality_gap.pages.cite import stamp
from modality_gap.pages.findings.training import temperature_findings
from modality_gap.paper.errata import computed_errata
from modality_gap.paper.follow_ups import with_bounds
from modality_gap.paper.measured import read_tables
from modality_gap.paper.show import STYLES, WHOSE, read_claims, summary


def text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


inputs, params = snakemake.input, snakemake.params
templates = {Path(path).name.partition(".")[0]: text(path) for path in inputs.templates}
style = paper.Markup(text(inputs.style))
scripts = [text(path) for path in inputs.scripts]
record = Path(params.record)
about = stamp(json.loads(text(record)) if record.exists() else {}, params.version)
claims = read_claims(inputs.claims)
balance = paper.balance(claims, temperature_findings(pd.read_csv(inputs.tuned)))
html = render.render_page(
    templates,
    "evidence",
    [*scripts, text(inputs.own_script)],
    about,
    style=style,
    summary=summary(claims),
    balance=balance,
    against=paper.against_in_words(balance, claims),
    rows=evidence.rows(claims),
    parts=list(dict.fromkeys(claims["part"])),
    tally=evidence.tally(claims),
    whose=WHOSE,
    styles=STYLES,
    confidence=f"{100 * params.confidence:g} %",
)
Path(snakemake.output.evidence).write_text(html, encoding="utf-8")

tables = with_bounds(read_tables(inputs.tables, params.results))
errata = [
    entry
    for path in (inputs.errata, inputs.errata_after)
    for entry in computed_errata(yaml.safe_load(text(path))["errata"], tables)
]
html = render.render_page(templates, "errata", scripts, about, style=style, errata=errata)
Path(snakemake.output.errata).write_text(html, encoding="utf-8")
