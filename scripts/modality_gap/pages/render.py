"""Makes pages of one file each, from templates, captions, embedded pictures and scripts."""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import jinja2
import pandas as pd
from docutils.core import publish_parts
from docutils.utils import SystemMessage
from markupsafe import Markup

from modality_gap.config.tables import Column
from modality_gap.errors import InputError
from modality_gap.pages.findings.base import Table
from modality_gap.pages.words import NONE, minus
from modality_gap.paper.stand_ins import plain


def plain_table(table: pd.DataFrame, columns: Iterable[Column], caption: str) -> Table:
    """A table as in its file, with the headings of its `columns`. Numbers have four digits, an
    empty cell has a dash, and intervals are beside their values. The column `source` is left out,
    because it is the same in every row. Raises InputError for a column without a heading."""
    shown = [column for column in columns if column.name != "source"]
    rows = []
    for _, row in table.iterrows():
        cells = []
        for column in shown:
            name = column.name
            value = row[name]
            text = f"{value:.4g}" if isinstance(value, float) else str(value)
            if pd.isna(value):
                text = NONE
            if column.interval:
                text += f" [{row[f'{name}_low']:.4g}, {row[f'{name}_high']:.4g}]"
            cells.append(text)
        rows.append(cells)
    return Table(caption, [column.heading for column in shown], rows)


def caption_html(source: str, config: Mapping, name: str, stand_ins: str = "") -> Markup:
    """The caption of an item as HTML. Captions are Jinja2 over reStructuredText, as in Snakemake's
    report.

    `stand_ins` is what the caption says about stand-ins, in reStructuredText. HTML in the caption
    comes out as text, and so do all marks in values of the configuration. The caption cannot
    include a file. Raises InputError if the caption is faulty.
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


@dataclass(frozen=True)
class Picture:
    """A figure as a page embeds it: its SVG files for wide screens and, unless it is empty, for
    narrow screens, as data URLs. The size of each is in CSS pixels. `name` is that of the file
    below results/figures/."""

    name: str
    alt: str
    wide: Markup
    narrow: Markup | str
    size: tuple[str, str]
    narrow_size: tuple[str, str]


def picture(name: str, alt: str, wide: bytes, narrow: bytes | None = None) -> Picture:
    """A figure from its SVG file for wide screens and, if there is one, its SVG file for narrow
    screens."""
    other = narrow if narrow != wide else None
    return Picture(
        name,
        alt,
        embedded(wide),
        embedded(other, spaces=False) if other else "",
        _size(wide),
        _size(other) if other else ("", ""),
    )


def _size(svg: bytes) -> tuple[str, str]:
    """The width and height of an SVG in the units of its viewBox. Empty if it has no viewBox."""
    found = re.search(rb'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"', svg)
    return (found[1].decode(), found[2].decode()) if found else ("", "")


# What a data URL may not hold as it is, inside double quotes.
ESCAPES = str.maketrans({one: f"%{ord(one):02X}" for one in '%#"&'} | {"\n": " "})


def embedded(svg: bytes, spaces: bool = True) -> Markup:
    """An SVG file as a data URL in double quotes, which is shorter than base64. The ids of two
    figures cannot collide, and no script can run. `spaces` must be false for a srcset, which allows
    none."""
    text = svg.decode("utf-8").translate(ESCAPES)
    return Markup("data:image/svg+xml," + (text if spaces else text.replace(" ", "%20")))


def script_hash(script: str) -> str:
    """The hash by which a content security policy names a script. Source: CSP level 3, 2.3.1,
    hash-source."""
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest())
    return f"'sha256-{digest.decode('ascii')}'"


# What is to be copied as it is, or a tag; a data URL in a tag has brackets of its own.
VERBATIM = re.compile(
    r"""(<(script|style|pre|code)\b.*?</\2>|<(?:"[^"]*"|[^">])*>)""", re.DOTALL | re.IGNORECASE
)
SPOKEN = re.compile(r'(?<= aria-label=")[^"]*')


def with_minus_signs(html: str) -> str:
    """A page in which negative numbers have a minus sign wherever they are read or spoken. Code and
    scripts stay as they are."""
    text, last = [], 0
    for found in VERBATIM.finditer(html):
        text.append(minus(html[last : found.start()]))
        whole = found[2] is not None
        text.append(found[0] if whole else SPOKEN.sub(lambda said: minus(said[0]), found[0]))
        last = found.end()
    return "".join([*text, minus(html[last:])])


def render_page(
    templates: Mapping[str, str],
    name: str,
    scripts: Sequence[str] = (),
    stamp: Mapping[str, str] | None = None,
    **values: object,
) -> str:
    """A page from the template with this name. Templates extend one another by their names.

    Every value is escaped unless it is Markup, because names and notes are data. The page's policy
    allows only `scripts`: the first runs before anything is drawn, the others at the end. `stamp`
    is shown in the footer and on paper: date, commit, configuration. Raises InputError if the text
    of a script would close it too early.
    """
    for script in scripts:
        if "</script" in script.lower() or "<!--" in script:
            raise InputError("A page's script contains </script or <!--. Remove that text.")
    environment = jinja2.Environment(
        loader=jinja2.DictLoader(dict(templates)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template(name).render(
        scripts=[Markup(script) for script in scripts],
        policy=Markup(" ".join(map(script_hash, scripts))),
        stamp=stamp or {},
        page=name,
        **values,
    )
    return with_minus_signs(html)
