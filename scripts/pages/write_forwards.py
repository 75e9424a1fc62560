"""Write pages under earlier names. Each forwards to the page that replaced it."""

from modality_gap.logs import log_to

log_to(snakemake)

from pathlib import Path

from modality_gap.pages.render import render_page

template = Path(snakemake.input.template).read_text(encoding="utf-8")
for path, to in zip(snakemake.output, snakemake.params.forwards.values(), strict=True):
    Path(path).write_text(render_page({"forward": template}, "forward", to=to), encoding="utf-8")
