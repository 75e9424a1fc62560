"""What of the documentation is generated: a hook of mkdocs, and the result table of the README.

`mkdocs build` (make docs) adds the pages under Reference while it builds the site. `python
docs/generate.py [RESULTS]` writes the verdicts of a finished run into the README.
"""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS), str(ROOT / "scripts")]

from generators.api_pages import api_pages
from generators.configuration_page import configuration_page
from generators.glossary import glossary
from generators.imports_page import imports_page
from generators.rule_map import rule_map
from generators.stand_ins_page import stand_ins_page
from generators.tables_page import tables_page
from generators.verdicts import meanings, write_verdicts
from generators.workflow import read_rules
from modality_gap.config.declarations import complete_schema
from modality_gap.config.load import load_yaml
from modality_gap.data.formats import FORMATS
from modality_gap.data.vector_formats import VECTOR_FORMATS
from modality_gap.encoders.build import ENCODERS
from modality_gap.measures import registry
from modality_gap.paper.items import load_items

CONFIG = ROOT / "config"
VERDICTS = "<!-- generated: verdicts -->"
GLOSSARY = "<!-- generated: glossary -->"
SOURCE = '<details class="mkdocstrings-source"'


def pages(rules: list[dict]) -> dict[str, str]:
    """All generated pages, by their path in the site; `rules` are those of the workflow."""
    schema = complete_schema(
        load_yaml(CONFIG / "schema" / "config.yaml"), ENCODERS, FORMATS, VECTOR_FORMATS
    )
    ledger = CONFIG / "ledger"
    titles = {name: item.title for name, item in load_items(ledger / "items.yaml").items()}
    return {
        "reference/map.md": rule_map(rules, ROOT, titles),
        "reference/tables.md": tables_page(
            CONFIG / "tables.yaml", rules, registry.columns(), ledger / "items.yaml"
        ),
        "reference/configuration.md": configuration_page(schema, CONFIG / "config.yaml"),
        "reference/stand-ins.md": stand_ins_page(ledger, CONFIG / "config.yaml"),
        "reference/imports.md": imports_page(ROOT / "scripts"),
        **api_pages(ROOT / "scripts" / "modality_gap"),
    }


def on_config(config):
    """Called by mkdocs with the settings: puts the pages of the API into the navigation."""
    names = api_pages(ROOT / "scripts" / "modality_gap")
    for part in config.nav:
        for entry in part.get("Reference", []):
            if "API" in entry:
                entry["API"] = sorted(names, key=lambda path: (not path.endswith("index.md"), path))
    return config


def on_files(files, config):
    """Called by mkdocs with the files of the site: adds the generated pages."""
    from mkdocs.structure.files import File

    for path, text in pages(read_rules()).items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown, **_):
    """Called by mkdocs with the text of each page: fills in the meaning of verdicts and words."""
    words = glossary(CONFIG / "ledger" / "glossary.yaml")
    return markdown.replace(VERDICTS, meanings()).replace(GLOSSARY, words)


def on_page_content(html, **_):
    """Called by mkdocs with each page in HTML: source code is not searched."""
    return html.replace(SOURCE, f"{SOURCE} data-search-exclude")


if __name__ == "__main__":
    write_verdicts(ROOT / "README.md", Path(sys.argv[1] if len(sys.argv) > 1 else "results"))
