"""README, the pages of the documentation, and what writes the generated ones."""

import copy
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from snakemake.utils import update_config

from generators import (
    api_pages,
    configuration_page,
    imports_page,
    markdown,
    rule_map,
    tables_page,
    verdicts,
)
from generators.glossary import glossary
from modality_gap.config.check import check_config
from modality_gap.config.declarations import complete_schema
from modality_gap.config.load import load_yaml, without_nulls
from modality_gap.config.tables import Column, load_tables
from modality_gap.data.formats import FORMATS
from modality_gap.data.vector_formats import VECTOR_FORMATS
from modality_gap.encoders.build import ENCODERS
from modality_gap.errors import InputError
from modality_gap.paper.claims import COLUMNS
from modality_gap.paper.ledger import load_ledger
from modality_gap.paper.show import PAPERS_OWN, STYLES

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def written_pages(root: Path) -> list[Path]:
    """All pages in Markdown that are not generated: those of the documentation, and those that a
    host of the repository shows."""
    return [*root.glob("*.md"), root / "results" / "README.md", *(root / "docs").rglob("*.md")]


# README and links


def test_the_readme_is_short_and_says_how_to_run_and_test(root):
    lines = (root / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 120
    commands = {line.partition("#")[0].strip() for line in lines if line.startswith("    make ")}
    assert {"make report", "make test", "make docs"} <= commands


def test_every_link_to_a_file_resolves(root):
    seen = 0
    for page in written_pages(root):
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            path, _, place = target.partition("#")
            if re.match(r"[a-z]+:", target) or not path:
                continue
            file = (page.parent / path).resolve()
            if file.is_relative_to(root / "docs" / "reference"):
                # Made with the site, which checks these; a host of the repository lacks them.
                assert page.is_relative_to(root / "docs"), (page, target)
                continue
            assert file.exists(), (page, target)
            if place:
                headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
                assert place in map(markdown.anchor, headings), (page, target)
            seen += 1
    assert seen > 50


def test_the_navigation_has_every_page(root):
    text = (root / "mkdocs.yml").read_text(encoding="utf-8")
    pages = set(re.findall(r"[\w/-]+\.md", text))
    written = {path.relative_to(root / "docs").as_posix() for path in (root / "docs").rglob("*.md")}
    assert written == {page for page in pages if not page.startswith("reference/")}


def test_the_site_asks_the_network_for_nothing(root):
    settings = yaml.safe_load((root / "mkdocs.yml").read_text(encoding="utf-8"))
    assert settings["theme"]["font"] is False
    assert settings["strict"] is True
    assert all((root / "docs" / script).is_file() for script in settings["extra"]["polyfills"])
    assert any("iframe-worker" in script for script in settings["extra"]["polyfills"])
    assert "extra_javascript" not in settings
    assert "extra_css" not in settings


# The result table


def test_the_readme_counts_the_claims_of_the_ledger(root):
    ledger = load_ledger(root / "config/ledger/parts.yaml", root / "config/schema/claims.yaml")
    own = Counter(
        claim["part"] for claim in ledger["claims"].values() if claim["whose"] in PAPERS_OWN
    )
    shown = verdicts.MARKED.search((root / "README.md").read_text(encoding="utf-8"))[0]
    rows = re.findall(r"^\| (\w[\w ]*) \| (\d+) \|", shown, re.MULTILINE)
    assert {part: int(number) for part, number in rows} == own, "run python docs/generate.py"
    assert f"**{own.total()}**" in shown


def claim(name: str, part: str, verdict: str, whose: str = "paper", evidence: str = "") -> dict:
    values = {"id": name, "part": part, "verdict": verdict, "whose": whose, "evidence": evidence}
    return dict.fromkeys(COLUMNS, "") | values


def test_the_result_table_has_one_verdict_per_claim_of_the_paper():
    rows = [
        claim("a", "Figure 1", "reproduced", evidence="paper's own: the authors' features of CLIP"),
        claim("a", "Figure 1", "not seen on a stand-in", evidence="stand-in: emoji"),
        claim("b", "Figure 1", "not run", "notebook"),
        claim("c", "Figure 1", "differs", "ours", "simulation: a sphere"),
        claim("d", "Theory", "differs", evidence="simulation: a layer"),
    ]
    run = {"started": 0, "code": {"commit": "abcdef0123"}, "configfiles": []}
    text = verdicts.verdict_table(pd.DataFrame(rows), run)
    assert "| Figure 1 | 2 | 1 |  |  |  |  |  | 1 |" in text
    assert "| Theory | 1 |  |  |  |  |  | 1 |  |" in text
    assert "| **all** | **3** | **1** | **0** | **0** | **0** | **0** | **1** | **1** |" in text
    sentence = " ".join(text.split())
    assert "with the default configuration and the authors' released features" in sentence
    assert "commit abcdef0, 1 January 1970" in sentence
    other = verdicts.verdict_table(
        pd.DataFrame(rows[2:]), run | {"configfiles": ["config/full.yaml"]}
    )
    assert "config/full.yaml without the authors'" in " ".join(other.split())


def test_the_result_table_stands_between_its_markers(tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    (results / "run.json").write_text('{"started": 0, "code": {"commit": "c"}, "configfiles": []}')
    pd.DataFrame([claim("a", "Theory", "differs", evidence="simulation: x")]).to_csv(
        results / "claims.csv", index=False
    )
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- verdicts -->\nold\n<!-- /verdicts -->\nafter\n")
    verdicts.write_verdicts(readme, results)
    text = readme.read_text()
    assert text.startswith("before\n<!-- verdicts -->\nVersion ")
    assert text.endswith("<!-- /verdicts -->\nafter\n")
    assert "old" not in text
    readme.write_text("no place")
    with pytest.raises(SystemExit, match="no place"):
        verdicts.write_verdicts(readme, results)


def test_every_verdict_has_its_meaning_in_the_guide(root):
    text = verdicts.meanings()
    assert all(f"| *{word}* | " in text for word in STYLES)
    assert "<!-- generated: verdicts -->" in (root / "docs/guide/reading.md").read_text()


def test_the_glossary_has_the_words_of_the_pages_and_of_the_workflow(root):
    text = glossary(root / "config/ledger/glossary.yaml")
    for word in ("modality gap", "gap vector", "delta", "neighbouring model", "asset", "twin"):
        assert text.count(f"| **{word}** | ") == 1
    page = (root / "docs/explanation/glossary.md").read_text(encoding="utf-8")
    assert "<!-- generated: glossary -->" in page and "|" not in page


# The registry of tables

REGISTRY = """
units: {count: a whole number, length: a distance}
columns: {n: [count, number of items], gap: [length, the gap]}
tables:
  statistics/gap.csv:
    about: The gap. One row per set.
    columns: [n, gap±, [{share: [count, a part]}]]
    empty: {share: there is no gap}
    no_rows: there is no set
    when: it is long
  statistics/training/{model}.csv:
    about: Training.
    columns: [n]
"""


@pytest.fixture
def registry(tmp_path) -> Path:
    path = tmp_path / "tables.yaml"
    path.write_text(REGISTRY, encoding="utf-8")
    return path


def test_tables_have_their_columns_and_ends_of_intervals(registry):
    units, (gap, training) = load_tables(registry)
    assert units == {"count": "a whole number", "length": "a distance"}
    assert gap.names == ["n", "gap", "gap_low", "gap_high", "share"]
    assert [column.meaning for column in gap.columns] == ["number of items", "the gap", "a part"]
    assert (gap.empty, gap.no_rows) == ({"share": "there is no gap"}, "there is no set")
    assert (training.empty, training.no_rows, training.when) == ({}, "", "")


def test_a_table_is_found_by_its_path(registry):
    _, (gap, training) = load_tables(registry)
    assert gap.is_at("statistics/gap.csv")
    assert not gap.is_at("statistics/gap_csv")
    assert training.is_at("statistics/training/digit_clip.csv")
    assert not training.is_at("statistics/training/digit_clip.sweep.csv")
    assert not training.is_at("statistics/training/a/b.csv")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[n, gap±", "[n, size", "tables.yaml, statistics/gap.csv: size is not described"),
        ("gap: [length,", "gap: [metre,", "gap has the unit metre, which is not described"),
        ("[n, gap±", "[n, n, gap±", "n is listed twice"),
        ("[n, gap±", "[gap_low: [count, x], gap±", "gap_low is listed twice"),
        ("empty: {share", "empty: {other", "names other, which is not a column"),
        (
            "n: [count, number of items]",
            "n: [count, number: items]",
            "the meaning of n is not a text",
        ),
    ],
)
def test_a_mistake_in_the_registry_is_named(registry, old, new, sentence):
    text = registry.read_text(encoding="utf-8")
    assert old in text
    registry.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(sentence)):
        load_tables(registry)


RULES = [
    {"name": "measure", "outputs": ["results/statistics/gap.csv"]},
    {"name": "train", "outputs": ["results/models/x", "results/statistics/training/{model}.csv"]},
]


def test_the_page_of_tables_names_rules_columns_and_what_may_be_empty(registry):
    columns = {"gap": [Column("size", "length", "how far apart", interval=True)]}
    registry.write_text(registry.read_text().replace("[n, gap±", "[n, {measures: gap}, gap±"))
    page = tables_page.tables_page(registry, RULES, columns)
    assert "| `size` ± | length | how far apart |" in page
    assert "| The gap. One row per set. | [`measure`](map.md#measure) |" in page
    assert "| [`train`](map.md#train) |" in page
    assert "| `gap` ± | length | the gap |" in page
    assert "| `share` | count | a part (empty: there is no gap) |" in page
    assert "default configuration does not write it: it is long. It has no rows if there" in page


def test_a_table_and_its_rule_need_each_other(registry):
    with pytest.raises(LookupError, match=re.escape("no rule writes statistics/training/{model}")):
        tables_page.tables_page(registry, RULES[:1], {})
    more = {"name": "more", "outputs": ["results/tables/new.csv"]}
    with pytest.raises(LookupError, match=r"tables\.yaml does not describe tables/new\.csv"):
        tables_page.tables_page(registry, [*RULES, more], {})


# The other generators


def test_cells_of_a_table_stay_in_their_cells():
    assert markdown.table(["a", "b"], [["x|y", "one\ntwo"]]) == (
        "| a | b |\n| --- | --- |\n| x\\|y | one two |\n"
    )


def test_the_page_of_the_configuration_has_limits_and_defaults(tmp_path):
    (tmp_path / "schema.yaml").write_text(
        """
$defs:
  size: {description: A size., type: integer, minimum: 1, maximum: 2000}
properties:
  seed: {$ref: "#/$defs/size"}
  sets:
    description: By name, the sets.
    additionalProperties:
      properties:
        kind: {description: The kind., enum: [a, b]}
        of: {type: array, items: {type: number, exclusiveMinimum: 0}}
        either: {oneOf: [{type: string}, {const: true}]}
"""
    )
    (tmp_path / "config.yaml").write_text("seed: 7\nsets: {x: {kind: a}}\n")
    page = configuration_page.configuration_page(
        yaml.safe_load((tmp_path / "schema.yaml").read_text()), tmp_path / "config.yaml"
    )
    assert "| `seed` | whole number, at least 1, at most 2,000 | `7` | A size. |" in page
    assert "By name, the sets." in page
    assert "| `sets.<name>.kind` | `a` or `b` |  | The kind. |" in page
    assert "| `sets.<name>.of` | list of: number, above 0 |  |  |" in page
    assert "| `sets.<name>.either` | text or `true` |  |  |" in page


def test_every_key_of_the_configuration_is_on_its_page(root):
    page = configuration_page.configuration_page(
        complete_schema(load_yaml(root / "config/schema/config.yaml"), ENCODERS, FORMATS),
        root / "config/config.yaml",
    )
    for key in yaml.safe_load((root / "config/config.yaml").read_text(encoding="utf-8")):
        assert f"\n## `{key}`\n" in page


def test_the_map_shows_functions_readers_and_files(tmp_path):
    scripts = tmp_path / "scripts"
    (scripts / "modality_gap" / "measures").mkdir(parents=True)
    (scripts / "modality_gap" / "measures" / "gap.py").write_text(
        'def size():\n    """The size."""\n\ndef bare():\n    pass\n'
    )
    (scripts / "measure.py").write_text(
        "from modality_gap.logs import log_to\nfrom modality_gap.measures.gap import bare, size\n"
    )
    (scripts / "plot.py").write_text("import pandas\n")
    (tmp_path / "Snakefile").write_text("# All of it.\n# Twice.\nrule all:\n")
    common = {"file": "Snakefile", "files": []}
    rules = [
        {"name": "measure", "about": "Measure.", "script": "scripts/measure.py", "rules": [],
         "outputs": ["results/statistics/gap.csv"], **common},
        {"name": "plot", "about": "Plot.", "script": "scripts/plot.py", "rules": ["measure"],
         "outputs": ["results/figures/gap.svg"], **common},
        {"name": "all", "about": "", "script": "", "rules": ["plot"], "outputs": [], **common},
    ]  # fmt: skip
    page = rule_map.rule_map(rules, tmp_path, {"gap": "How wide?"})
    made = "`measures.gap.bare`, [`measures.gap.size`][modality_gap.measures.gap.size]"
    assert f"| `gap.svg` | How wide? | [`plot`](#plot) | {made} |" in page
    assert "## Snakefile\n\nAll of it. Twice.\n" in page
    assert f"| functions | {made} |" in page
    assert "| read by | [`plot`](#plot) |" in page
    assert "| reads | [`measure`](#measure) |" in page
    assert "### all" not in page


def test_the_drawing_has_an_arc_per_pair_of_folders():
    imports = {
        "measures/gap.py": ["data/tiles.py", "measures/intervals.py"],
        "measures/cone.py": ["data/tiles.py", "errors.py"],
        "data/tiles.py": [],
    }
    arrows = imports_page.stage_imports(imports)
    assert arrows == {("measures", "data"): 2}
    svg = imports_page.drawing({"sources": ["config", "data"], "measures": ["measures"]}, arrows)
    assert svg.count("<path") == 1 + 2  # an arc, and a line under each stage
    assert "<title>measures imports data: 2</title>" in svg
    assert svg.count("<rect") == 3
    assert re.findall(r"bold[^>]*>(\w+)<", svg) == ["sources", "measures"]


def test_the_api_has_every_module_and_an_overview(root):
    package = root / "scripts" / "modality_gap"
    pages = api_pages.api_pages(package)
    text = "".join(pages.values())
    modules = [
        ".".join(path.relative_to(package.parent).with_suffix("").parts)
        for path in package.rglob("*.py")
        if path.name != "__init__.py"
    ]
    assert len(modules) > 40
    assert sorted(re.findall(r"^::: (\S+)$", text, re.MULTILINE)) == sorted(modules)
    overview = pages["reference/api/index.md"]
    assert "| [`modality_gap.measures`](measures.md) | Measures of embeddings, " in overview
    assert "`findings.figure1`" in overview


# Examples in the guide


def blocks(page: Path, language: str) -> list[str]:
    """The code of a page that is in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.M)


def test_every_example_of_a_configuration_is_accepted(root, tmp_path, monkeypatch):
    default = load_yaml(root / "config" / "config.yaml")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").symlink_to(root / "config")
    (tmp_path / "data").mkdir()
    for name in ("image.npy", "text.npy", "pairs.parquet", "birds.zip"):
        (tmp_path / "data" / name).touch()
    for name in ("img_emb", "text_emb", "metadata"):
        (tmp_path / "data" / name).mkdir()
        (tmp_path / "data" / name / "part_0.npy").touch()
    pages = [root / "README.md", *(root / "docs" / "guide").glob("*.md")]
    pages += (root / "docs" / "explanation").glob("*.md")
    examples = [
        (page.name, yaml.safe_load(text))
        for page in pages
        for text in blocks(page, "yaml")
        if page.name != "cluster.md"  # which has profiles
    ]
    # Code that an example names is on the same page and begins with the name of its file.
    for text in (text for page in pages for text in blocks(page, "python")):
        if named := re.match(r"# (\w+\.py)\n", text):
            (tmp_path / named[1]).write_text(text, encoding="utf-8")
    # A task of birds needs the data set of the other page.
    birds = next(example for name, example in examples if name == "data-sets.md")
    assert len(examples) >= 7
    for name, example in examples:
        config = copy.deepcopy(default)
        for overlay in (birds, example) if name == "tasks.md" else (example,):
            update_config(config, overlay)
        schema = root / "config" / "schema" / "config.yaml"
        check_config(without_nulls(config), schema, ENCODERS, FORMATS, VECTOR_FORMATS)


def test_the_example_of_the_measures_runs(root, tmp_path, monkeypatch, capsys):
    (code,) = blocks(root / "docs" / "guide" / "measures.md", "python")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    sides = rng.normal([[[2.0]], [[-2.0]]], 1, size=(2, 40, 8))
    for name, side in zip(("image", "text"), sides, strict=True):
        np.save(f"{name}.npy", side)
    exec(compile(code, "measures.md", "exec"), {})
    units = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides]
    expected = np.linalg.norm(units[0].mean(axis=0) - units[1].mean(axis=0))
    assert float(capsys.readouterr().out.split()[0]) == pytest.approx(expected)
