"""What of the documentation is generated: a hook of mkdocs, and the result table of the README.

`mkdocs build` (make docs) adds the pages under Reference while it builds the site. `python
docs/generate.py` writes the verdicts of the run in results/ into the README, between its markers.
"""

import json
import re
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import pandas as pd

from modality_gap import __version__
from modality_gap.claims import PAPERS_OWN, VERDICTS, overall, read_claims

MARKED = re.compile(r"(<!-- verdicts -->\n).*(<!-- /verdicts -->)", re.DOTALL)


def table(head: list[str], rows: list[list[object]]) -> str:
    """A table in Markdown; a line break or bar in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    cells = [[" ".join(str(cell).split()).replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def verdict_table(claims: pd.DataFrame, run: dict) -> str:
    """The paper's claims by part and verdict, one verdict per claim, and which run they are of.

    `claims` is results/claims.csv, `run` is results/run.json.
    """
    own = overall(claims[claims["whose"].isin(PAPERS_OWN)])
    counts = pd.crosstab(own["part"], own["verdict"]).reindex(columns=VERDICTS, fill_value=0)
    rows = [
        [part, len(own[own["part"] == part]), *(number or "" for number in counts.loc[part])]
        for part in dict.fromkeys(own["part"])
    ]
    total = ["**all**", f"**{len(own)}**", *(f"**{counts[word].sum()}**" for word in VERDICTS)]
    started = datetime.fromtimestamp(run["started"], UTC)
    released = own["evidence"].str.contains("the authors' features").any()
    text = (
        "Claims of the paper and its notebooks, one verdict per claim, in a run of "
        f"{', '.join(run['configfiles']) or 'the default configuration'} "
        f"{'with' if released else 'without'} the authors' released features (version "
        f"{__version__}, commit {run['code']['commit'][:7]}, {started.day} {started:%B %Y}):"
    )
    head = ["part", "claims", *VERDICTS]
    return f"{textwrap.fill(text, 100)}\n\n{table(head, [*rows, total])}"


def write_verdicts(readme: Path, results: Path) -> None:
    """Put the verdicts of the run in `results` between the markers of the README."""
    run = json.loads((results / "run.json").read_text(encoding="utf-8"))
    made = verdict_table(read_claims(results / "claims.csv"), run)
    text, places = MARKED.subn(lambda found: found[1] + made + found[2], readme.read_text("utf-8"))
    if places != 1:
        raise SystemExit(f"{readme} has no place for the verdicts")
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_verdicts(ROOT / "README.md", Path(sys.argv[1] if len(sys.argv) > 1 else "results"))
