"""Claims and their verdicts as tables and counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from modality_gap.paper.claims import (
    COLUMNS,
    CONSISTENT,
    DIFFERS,
    INCONCLUSIVE,
    NOT_RUN,
    NOT_SEEN,
    REPRODUCED,
    SAME,
)
from modality_gap.paper.ledger import KINDS

# Each verdict with the class that marks it on a page.
MARKS = {
    REPRODUCED: "reproduced",
    CONSISTENT: "consistent",
    SAME: "same",
    NOT_SEEN: "not-seen",
    INCONCLUSIVE: "inconclusive",
    DIFFERS: "differs",
    NOT_RUN: "not-run",
}
VERDICTS = tuple(MARKS)

# A statement that no paper made has nothing to be reproduced or confirmed: the pages show whether
# it is seen. results/claims.csv has the seven verdicts of all statements.
SEEN, UNSEEN = "seen", "not seen"
OF_OURS = {REPRODUCED: SEEN, CONSISTENT: SEEN, SAME: SEEN, DIFFERS: UNSEEN, NOT_SEEN: UNSEEN}
MEANINGS_OF_OURS = {
    SEEN: "a statement of our own, which no paper made, holds on the evidence that is named.",
    UNSEEN: "a statement of our own does not hold on the evidence that is named.",
}
STYLES = MARKS | {SEEN: "seen", UNSEEN: "ours-not-seen"}

# Whose statement a claim is, in the order in which they are counted, with the words for them.
WHOSE = {
    "paper": "The paper's text",
    "notebook": "The paper's notebooks",
    "recomputed": "The paper's numbers and settings computed again",
    "follow-up": "Follow-up papers",
    "ours": "Our own",
}
PAPERS_OWN = ("paper", "notebook")
OURS = "ours"
# What a number of claims is followed by, in the same order.
OF_WHOM = {
    "paper": "of the paper",
    "notebook": "of the paper",
    "recomputed": "of its numbers and settings computed again",
    "follow-up": "of follow-up papers",
    OURS: "of our own",
}
# What differs counts against the paper also where its numbers and settings are computed again.
BEARING = (*PAPERS_OWN, "recomputed")


def read_claims(path: Path) -> pd.DataFrame:
    """results/claims.csv, read as texts. An empty cell is an empty text."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


# --- counting ---------------------------------------------------------------------------------


def kind_of(row: Mapping) -> str:
    """The kind of a row's evidence, a key of KINDS. It is an empty text if nothing was run."""
    words = row["evidence"].partition(":")[0]
    return next((kind for kind, its_words in KINDS.items() if its_words == words), "")


def shown(row: Mapping) -> str:
    """The word that a page shows for the verdict of a row of results/claims.csv."""
    verdict = str(row["verdict"])
    return OF_OURS.get(verdict, verdict) if row["whose"] == OURS else verdict


# Of several pieces of one kind, the least favourable counts.
FAVOUR = (DIFFERS, NOT_SEEN, INCONCLUSIVE, REPRODUCED, CONSISTENT, SAME, NOT_RUN)


def overall(claims: pd.DataFrame) -> pd.DataFrame:
    """One row for each claim, in their order. It is the row of the claim's strongest evidence (the
    first of KINDS), or the least favourable row if several are of that kind. `others` sums up all
    other evidence."""
    rows = []
    for _, group in claims.groupby("id", sort=False):
        evidence = group.to_dict("records")
        first = strongest(evidence)
        numbers = Counter(
            f"{row['verdict']} ({row['evidence']})" for row in evidence if row is not first
        )
        others = "; ".join(
            f"{number} x {text}" if number > 1 else text for text, number in numbers.items()
        )
        rows.append({**first, "others": others or first.get("others", "")})
    return pd.DataFrame(rows, columns=[*COLUMNS, "others"])


def strength(row: Mapping) -> tuple[int, int]:
    """The place of a row among all rows of its claim: strongest evidence first, and the least
    favourable verdict first if the evidence is of one kind. `row` is of results/claims.csv, or of
    `page_row`."""
    kinds = [*KINDS, ""]
    return kinds.index(kind_of(row)), FAVOUR.index(row.get("judged", row["verdict"]))


def strongest(rows: Iterable[Mapping]) -> Mapping:
    """The row whose verdict counts as the claim's."""
    return min(rows, key=strength)


def of_whom(whose: Iterable[str]) -> str:
    """The number of claims by source. The paper is not named: `13 claims plus 3 of our own`."""
    numbers = Counter(OF_WHOM[one] for one in whose)
    parts = [
        f"{numbers[words]} {words}" for words in dict.fromkeys(OF_WHOM.values()) if numbers[words]
    ]
    first, *others = parts
    number, _, words = first.partition(" ")
    noun = "claim" if number == "1" else "claims"
    first = f"{number} {noun}" + (f" {words}" if words != OF_WHOM["paper"] else "")
    return " plus ".join([first, *others])


def counts(claims: pd.DataFrame) -> dict[str, int]:
    """The number of claims with each of the seven verdicts, in the order of the verdicts. A claim
    counts once, by its strongest evidence."""
    verdicts = overall(claims)["verdict"].value_counts()
    return {word: int(verdicts.get(word, 0)) for word in VERDICTS}


def summary(claims: pd.DataFrame) -> list[str]:
    """Sentences that count verdicts. The first is on the paper's own claims, and says on which
    evidence they are reproduced. Then each other source of claims has one sentence."""
    own = claims[claims["whose"].isin(PAPERS_OWN)]
    sentences = [f"Of {own['id'].nunique()} claims of the paper: {_counted(own, VERDICTS)}."]
    for whose, words in WHOSE.items():
        rows = claims[claims["whose"] == whose]
        if whose not in PAPERS_OWN and len(rows):
            number = f"{rows['id'].nunique()} more"
            sentences.append(f"{words}, {number}: {_counted(rows)}.")
    return sentences


REST_ON = {
    "own": "on the paper's own model and data",
    "neighbouring": "on a neighbouring model",
    "simulation": "in simulation",
}


def reproduced_on(claims: pd.DataFrame) -> str:
    """In words, how many of the paper's own claims are reproduced on each kind of evidence."""
    rows = overall(claims[claims["whose"].isin(PAPERS_OWN)]).to_dict("records")
    return _rests_on([kind_of(row) for row in rows if row["verdict"] == REPRODUCED])


def _rests_on(kinds: list[str]) -> str:
    return ", ".join(f"{kinds.count(kind)} {on}" for kind, on in REST_ON.items() if kind in kinds)


def _counted(claims: pd.DataFrame, words: Iterable[str] = ()) -> str:
    """The number of claims with each verdict in `words`, or else with each verdict that any claim
    has. For reproduced claims, the text also says on which evidence. Verdicts have the words that
    are shown."""
    kinds: dict[str, list[str]] = {}
    for row in overall(claims).to_dict("records"):
        kinds.setdefault(shown(row), []).append(kind_of(row))
    parts = []
    for word in words or [word for word in STYLES if word in kinds]:
        these, split = kinds.get(word, []), ""
        if word == REPRODUCED and these:
            split = _rests_on(these)
        parts.append(f"{word} {len(these)}{f' ({split})' if split else ''}")
    return ", ".join(parts)


# --- showing ----------------------------------------------------------------------------------


def page_row(row: Mapping, figures: int = 4) -> dict:
    """A row of results/claims.csv for a page. Measured numbers have `figures` significant digits,
    and the published number has four. An interval is in square brackets. `verdict` is the word that
    is shown, `css` is its class, and `judged` is the word of the file. `quantity` is what was
    measured: the part of the evidence after its last semicolon."""
    low, high = digits(row["low"], figures), digits(row["high"], figures)
    evidence, _, quantity = str(row["evidence"]).rpartition("; ")
    return dict(row) | {
        "evidence": evidence or row["evidence"],
        "quantity": quantity if evidence else "",
        "measured": digits(row["measured"], figures),
        # An interval without a width rests on too few changes to say how certain the value is.
        "interval": f"[{low},\u00a0{high}]" if low and high and low != high else "",
        "published": digits(row["published"]),
        "verdict": shown(row),
        "judged": row["verdict"],
        "css": STYLES[shown(row)],
    }


def digits(value: Any, figures: int = 4) -> str:
    """A number with `figures` significant digits; from ten thousand on, as a whole number. Any
    other text is unchanged."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return f"{number:,.0f}" if 1e4 <= abs(number) < math.inf else f"{number:.{figures}g}"
