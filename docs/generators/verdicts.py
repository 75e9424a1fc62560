"""The result table of the README, and the meaning of the verdicts."""

import json
import re
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from generators.markdown import table
from modality_gap import __version__
from modality_gap.paper.claims import MEANINGS
from modality_gap.paper.show import (
    MEANINGS_OF_OURS,
    PAPERS_OWN,
    STYLES,
    VERDICTS,
    overall,
    read_claims,
)

MARKED = re.compile(r"(<!-- verdicts -->\n).*(<!-- /verdicts -->)", re.DOTALL)


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
        f"Version {__version__} (commit {run['code']['commit'][:7]}, "
        f"{started.day} {started:%B %Y}) gave these verdicts on the claims of the paper and its "
        "notebooks, one per claim, with "
        f"{', '.join(run['configfiles']) or 'the default configuration'} "
        f"{'and' if released else 'without'} the authors' released features:"
    )
    head = ["part", "claims", *VERDICTS]
    return f"{textwrap.fill(text, 100)}\n\n{table(head, [*rows, total])}"


def write_verdicts(readme: Path, results: Path) -> None:
    """Put the verdicts of the run in `results` between the markers of the README."""
    run = json.loads((results / "run.json").read_text(encoding="utf-8"))
    table = verdict_table(read_claims(results / "claims.csv"), run)
    text, places = MARKED.subn(lambda match: match[1] + table + match[2], readme.read_text("utf-8"))
    if places != 1:
        raise SystemExit(f"{readme} has no place for the verdicts")
    readme.write_text(text, encoding="utf-8")


def meanings() -> str:
    """The verdicts with their meaning, and the words for statements of our own."""
    words = MEANINGS | MEANINGS_OF_OURS
    return table(["verdict", "meaning"], [[f"*{word}*", words[word]] for word in STYLES])
