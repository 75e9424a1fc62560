"""The rules as the documentation reads them from Snakemake."""

import json
import re
import subprocess
import sys

import pytest

import generate
from generators.tables_page import check_rules, rule_of
from generators.workflow import place_empty_files
from modality_gap.config.tables import load_tables
from modality_gap.measures import registry

CODE = """
import json, sys
from generators.workflow import rules_of
json.dump(rules_of(sys.argv[1], [], {}), sys.stdout)
"""


@pytest.fixture(scope="module")
def rules(root, tmp_path_factory) -> list[dict]:
    """All rules, with what they read in the default configuration."""
    mirror = tmp_path_factory.mktemp("mirror")
    place_empty_files(mirror)
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(mirror)],
        cwd=root / "docs",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_rule_is_there_with_its_script(root, rules):
    text = "".join(path.read_text("utf-8") for path in (root / "rules").glob("*.smk"))
    names = re.findall(r"^(?:use rule \w+ as|rule) (\w+)(?: with)?:", text, re.MULTILINE)
    assert sorted(rule["name"] for rule in rules) == sorted([*names, "all"])
    assert all((root / rule["script"]).is_file() for rule in rules if rule["name"] != "all")
    assert all(
        (root / rule["file"]).is_file() and rule["about"] for rule in rules if rule["script"]
    )


def test_rules_read_what_others_write(rules):
    by_name = {rule["name"]: rule for rule in rules}
    assert by_name["plot_figure2b"]["rules"] == ["check_theory", "simulate_mlp_cone"]
    assert by_name["convert_released"]["rules"] == ["download_asset"]
    assert by_name["make_published_table2"]["files"] == ["config/ledger/published_counts.yaml"]
    assert by_name["extract_embeddings"]["outputs"] == [
        "results/embeddings/{encoded}/{modality}.parquet"
    ]


def test_every_page_is_made_of_what_the_project_says(rules):
    pages = generate.pages(rules)
    assert "| `figure2b.svg` | Figure 2(b). " in pages["reference/map.md"]
    assert "MiniLM for CLIP's text tower" in pages["reference/stand-ins.md"]
    assert "| `gap` ± | length | distance between " in pages["reference/tables.md"]
    assert "| `confidence` | number, " in pages["reference/configuration.md"]
    assert "<title>pages imports paper: " in pages["reference/imports.md"]
    assert "::: modality_gap.measures.gap\n" in pages["reference/api/measures.md"]


def test_every_table_of_a_rule_is_documented_and_written(root, rules):
    config = root / "config"
    _, tables = load_tables(
        config / "tables.yaml", registry.columns(), config / "ledger" / "items.yaml"
    )
    assert len(tables) >= 58
    check_rules(tables, rules)
    written = {
        "claims.csv": "check_claims",
        "statistics/gap.csv": "measure_gaps",
        "statistics/supplementary14_umap.parquet": "project_seed_study",
    }
    for table in tables:
        link = rule_of(table, rules)  # raises LookupError
        assert written.get(table.path, "") in link
