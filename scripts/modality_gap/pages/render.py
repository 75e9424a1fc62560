"""Pages as one file: templates, captions and embedded pictures."""

import base64
from collections.abc import Mapping
from types import SimpleNamespace

import jinja2
import pandas as pd
from docutils.core import publish_parts
from docutils.utils import SystemMessage
from markupsafe import Markup

from modality_gap.errors import InputError
from modality_gap.pages.findings.base import Table
from modality_gap.paper.stand_ins import plain


def plain_table(table: pd.DataFrame, caption: str) -> Table:
    """A table as in its file, but numbers with four digits, intervals beside their values, and no
    `source`, which is the same in every row."""
    bounds = {f"{name}_{end}" for name in table for end in ("low", "high")} & {*table}
    columns = [name for name in table if name not in bounds and name != "source"]
    rows = []
    for _, row in table.iterrows():
        cells = []
        for name in columns:
            value = row[name]
            text = f"{value:.4g}" if isinstance(value, float) else str(value)
            if f"{name}_low" in bounds:
                text += f" [{row[f'{name}_low']:.4g}, {row[f'{name}_high']:.4g}]"
            cells.append(text)
        rows.append(cells)
    return Table(caption, [name.replace("_", " ") for name in columns], rows)


def caption_html(source: str, config: Mapping, name: str, stand_ins: str = "") -> Markup:
    """The caption of an item as HTML: Jinja2 over reStructuredText, as in Snakemake's report.

    `stand_ins` is what it says of them, in reStructuredText. HTML in the caption comes out as text,
    as do all marks in values of the configuration; it can include no file. Raises InputError if it
    is faulty.
    """
    visible = {**config, "stand_ins": {name: stand_ins}}
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: (
            plain(value) if isinstance(value, str) and value != stand_ins else value
        ),
    )
    try:
        text = environment.from_string(source).render(snakemake=SimpleNamespace(config=visible))
        parts = publish_parts(
            text,
            writer="html5",
            settings_overrides={
                "raw_enabled": False,
                "file_insertion_enabled": False,
                "halt_level": 2,
                "report_level": 5,
                "initial_header_level": 3,
                "_disable_config": True,
            },
        )
    except (jinja2.TemplateError, SystemMessage) as error:
        raise InputError(f"The caption {name} cannot be rendered ({error}); correct it.") from error
    return Markup(parts["fragment"])


def embedded(svg: bytes) -> str:
    """An SVG file as a data URL: ids of two figures cannot collide, and no script can run."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")


def render_page(templates: Mapping[str, str], name: str, **values: object) -> str:
    """A page from the template of a name; templates extend one another by their names.

    Every value is escaped unless it is Markup, because names and notes are data.
    """
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(dict(templates)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name).render(**values)
