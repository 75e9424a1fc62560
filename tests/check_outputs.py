"""Check what a run left in results/: every figure and table, in both pages, without a hole.

The workflow tests call `faults`; .ci/run runs it after `make report`, and then holds the numbers of
the default configuration to tests/regression.yaml and the pages to their number of words too:
python tests/check_outputs.py [DIR]
"""

import csv
import html
import re
import sys
import xml.etree.ElementTree
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from modality_gap.config.tables import Table
    from modality_gap.paper.items import Item

ROOT = Path(__file__).parents[1]
VERDICTS = {
    "reproduced",
    "consistent",
    "same on a stand-in",
    "not seen on a stand-in",
    "inconclusive",
    "differs",
    "not run",
}
LIMIT_BYTES = 6_000_000


def expected_items() -> dict[str, "Item"]:
    """The figures and tables that a run of the default configuration makes."""
    sys.path.insert(0, str(ROOT / "scripts"))
    from modality_gap.paper.items import load_items

    items = load_items(ROOT / "config/ledger/items.yaml")
    return {name: item for name, item in items.items() if not item.when}


def faults(results: Path) -> list[str]:
    """What is wrong with the results of a run, one sentence each; empty if nothing is."""
    found = []
    pages = {}
    for name in ("index.html", "evidence.html", "figures.html", "after.html", "methods.html"):
        if not (results / name).is_file():
            return [f"{name} is missing"]
        pages[name] = (results / name).read_text(encoding="utf-8")
    try:
        with zipfile.ZipFile(results / "report.zip") as archive:
            pages["report.html"] = archive.read("report/report.html").decode("utf-8")
    except (OSError, zipfile.BadZipFile, KeyError):
        return ["report.zip is missing or damaged"]
    found += [
        f"{name} is over 6 MB"
        for name, page in pages.items()
        if name != "report.html" and len(page.encode()) > LIMIT_BYTES
    ]
    for item in expected_items().values():
        found += item_faults(item, results, pages)
    return (
        found
        + table_faults(results)
        + ledger_faults(results)
        + run_faults(results, pages["methods.html"])
        + undescribed(results)
    )


def undescribed(results: Path) -> list[str]:
    """What lies in the results and has no line in results/README.md."""
    text = (ROOT / "results/README.md").read_text(encoding="utf-8")
    named = {"README.md", *re.findall(r"`([\w.]+)/?`", text)}
    return [
        f"results/README.md does not describe {path.name}"
        for path in sorted(results.iterdir())
        if path.name not in named
    ]


def item_faults(item: "Item", results: Path, pages: dict[str, str]) -> list[str]:
    """What is wrong with the files of an item and with its places on the pages."""
    shown = path = item.path
    if item.kind == "figure":
        shown = path.replace(".svg", ".pdf")  # the page embeds the other
        svg, pdf = results / path, results / shown
        if not (svg.is_file() and pdf.is_file() and pdf.read_bytes().startswith(b"%PDF")):
            return [f"figure {item.id} is missing as SVG or PDF"]
        xml.etree.ElementTree.parse(svg)
    if item.kind == "text":  # the page shows what it says
        shown = html.escape((results / path).read_text(encoding="utf-8").splitlines()[-1])
    if item.page == "figures":
        found = [] if shown in pages["figures.html"] else [f"figures.html lacks {path}"]
    else:  # another page embeds its drawing, with the words of its alternative text
        alt = html.escape(item.alt)
        found = [] if alt in pages[f"{item.page}.html"] else [f"{item.page}.html lacks {path}"]
    return found + ([] if path in pages["report.html"] else [f"report.zip does not list {path}"])


def table_faults(results: Path) -> list[str]:
    """What is wrong with the tables: those of config/tables.yaml have to be there, and no other."""
    sys.path.insert(0, str(ROOT / "scripts"))
    from modality_gap.config.tables import load_tables
    from modality_gap.measures import registry

    config = ROOT / "config"
    _, tables = load_tables(
        config / "tables.yaml", registry.columns(), config / "ledger/items.yaml"
    )
    paths = [*results.glob("*.csv")]
    for folder in ("statistics", "tables", "after"):
        paths += [path for path in (results / folder).rglob("*") if path.is_file()]
    found, written = [], set()
    for path in sorted(paths):
        name = path.relative_to(results).as_posix()
        table = next((table for table in tables if table.is_at(name)), None)
        if table:
            written.add(table.path)
            found += [f"{name} {fault}" for fault in unlike(path, table)]
        else:
            found.append(f"{name} has no entry in config/tables.yaml")
    needed = [table.path for table in tables if not table.when]
    return found + [f"{path} is missing" for path in needed if path not in written]


def unlike(path: Path, table: "Table") -> list[str]:
    """How the file at `path` differs from what config/tables.yaml says of it."""
    if path.suffix == ".csv":
        frame = pd.read_csv(path, keep_default_na=False, na_values=["", "nan", "inf", "-inf"])
    else:
        frame = pd.read_parquet(path)
    found = [f"has no column {name}" for name in table.names if name not in frame]
    found += [f"has an undocumented column {name}" for name in frame if name not in table.names]
    found += [
        f"has an empty cell in {name}"
        for name in frame.columns[frame.isna().any()]
        if name not in table.empty
    ]
    return found + (["has no rows"] if frame.empty and not table.no_rows else [])


def run_faults(results: Path, page: str) -> list[str]:
    """What is wrong with the page of the run: every job that left a log has to be there."""
    found = holes(results / "run.csv")
    if found:
        return found
    with (results / "run.csv").open(newline="", encoding="utf-8") as file:
        jobs = {row["job"]: row["rule"] for row in csv.DictReader(file)}
    logs = {path.relative_to(results / "logs") for path in (results / "logs").rglob("*.log")}
    missing = {log.with_suffix("").as_posix() for log in logs} - {"write_methods"} - jobs.keys()
    found += [f"run.csv does not list {job}" for job in sorted(missing)]
    return found + [
        f"methods.html does not show {rule}"
        for rule in sorted(set(jobs.values()))
        if rule not in page
    ]


def ledger_faults(results: Path) -> list[str]:
    """What is wrong with the claims ledger and its pages."""
    missing = [name for name in ("evidence.html", "errata.html") if not (results / name).is_file()]
    if missing or not (results / "claims.csv").is_file():
        return [f"{', '.join(missing) or 'claims.csv'} is missing"]
    with (results / "claims.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = [
        f"{row['id']} has the verdict {row['verdict']!r}"
        for row in rows
        if row["verdict"] not in VERDICTS
    ]
    found += [
        f"{row['id']} was judged on {row['measured']!r}"
        for row in rows
        if row["verdict"] not in ("not run", "inconclusive") and row["measured"] in ("", "nan")
    ]
    if len(rows) < 60:
        found.append(f"claims.csv holds {len(rows)} claims only")
    page = (results / "evidence.html").read_text(encoding="utf-8")
    own = {row["id"] for row in rows if row["whose"] in ("paper", "notebook")}
    if f"Of {len(own)} claims of the paper" not in page:
        found.append("evidence.html does not sum the claims up")
    return found


def holes(path: Path) -> list[str]:
    """Empty or NaN cells of a CSV table, or its absence."""
    if not path.is_file():
        return [f"{path} is missing"]
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return [f"{path} has no rows"]
    return [
        f"{path}, row {number}: {column} is {value!r}"
        for number, row in enumerate(rows, start=1)
        for column, value in row.items()
        if value is None or value.strip().lower() in ("", "nan", "inf", "-inf")
    ]


def regressions(results: Path) -> list[str]:
    """What a run of the default configuration measures otherwise than before, a sentence each; of
    tests/regression.yaml what its tables have. The simulations at least are always there."""
    sys.path.insert(0, str(ROOT / "scripts"))
    from modality_gap.config.load import tables_of
    from modality_gap.paper.claims import INCONCLUSIVE, NOT_RUN, check
    from modality_gap.paper.ledger import load_ledger

    ledger = load_ledger(ROOT / "tests/regression.yaml", ROOT / "config/schema/claims.yaml")
    tables = {
        name: pd.read_csv(results / name)
        for name in tables_of(list(ledger["claims"].values()))
        if (results / name).is_file()
    }
    rows = check(ledger, tables)
    run = rows[rows["verdict"] != NOT_RUN]
    found = [] if len(run) >= 40 else [f"only {len(run)} numbers of regression.yaml are there"]
    bad = run[run["verdict"].isin([INCONCLUSIVE, "differs"])]
    return found + [f"{row.id}: {row.where}, {row.column}: {row.why}" for row in bad.itertuples()]


def too_many_words(results: Path) -> list[str]:
    """The pages that show more words than they should; none where there is no Chromium to ask."""
    from browsing import CHROMIUM, chromium, words_faults

    if not CHROMIUM:
        return []
    with chromium() as browser:
        return words_faults(browser, results.resolve())


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "results")
    problems = faults(folder) + regressions(folder) + too_many_words(folder)
    print("\n".join(problems) or "every figure and table is there, without a hole")
    sys.exit(bool(problems))
