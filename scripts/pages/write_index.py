"""Write the summary as one offline page: the verdict, the answers and what each answer rests on."""

from modality_gap.logs import log_to

log_to(snakemake)

import json
from pathlib import Path

import pandas as pd
import yaml

from modality_gap.pages import explorer, paper, render, summary
from modality_gap.pages.cite import cited, stamp
from modality_gap.pages.findings.answers import answers
from modality_gap.pages.labels import with_weights
from modality_gap.paper.items import load_items
from modality_gap.paper.ledger import KINDS
from modality_gap.paper.show import STYLES, read_claims, reproduced_on


def text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


inputs, params = snakemake.input, snakemake.params
report, items = yaml.safe_load(text(inputs.report)), load_items(Path(inputs.items_file))
claims = read_claims(inputs.claims)
balanced = paper.balance(claims, [])
by_id = paper.by_claim(claims)
data = {Path(path).stem: pd.read_csv(path) for path in inputs.tables}
data["gap"] = with_weights(data["gap"], params.sets)
record = Path(params.record)
charts = json.loads(text(inputs.explorer))  # empty if no set has a gap
gaps, axis_end = summary.gaps(data["gap"], params.papers)
drawn = {Path(path).name: Path(path).read_bytes() for path in inputs.figures}
html = render.render_page(
    {Path(path).name.partition(".")[0]: text(path) for path in inputs.templates},
    "index",
    [text(path) for path in [*inputs.scripts, *(inputs.explorer_scripts if charts else [])]],
    stamp(json.loads(text(record)) if record.exists() else {}, params.version),
    style=paper.Markup(text(inputs.style)),
    own_from=summary.origin_of_own(data["gap"], params.papers, params.released),
    headline=summary.headline(report["headline"], claims),
    questions=summary.questions(
        report["questions"], claims, answers(data, charts.get("models", []))
    ),
    statements=summary.statements(report["statements"], claims),
    counts=summary.own_counts(claims),
    reproduced_on=reproduced_on(claims),
    against=paper.against_in_words(balanced, claims),
    differing=paper.differing(balanced),
    parts=summary.parts(claims),
    stand_ins=any(claims["evidence"].str.startswith(KINDS["stand_in"])),
    neighbours=any(claims["evidence"].str.startswith(KINDS["neighbouring"])),
    gaps=gaps,
    axis_end=f"{axis_end:g}",
    styles=STYLES,
    explorer=explorer.embedded(charts) if charts else None,
    key=[
        {
            "picture": render.picture(
                name, items[name].alt, drawn[f"{name}.svg"], drawn[f"{name}.narrow.svg"]
            ),
            "title": items[name].title,
            "marks": summary.key_marks(name, ids, by_id),
        }
        for name, ids in report["key"].items()
    ],
    cite=cited(yaml.safe_load(text(inputs.citation))),
)
Path(snakemake.output[0]).write_text(html, encoding="utf-8")
