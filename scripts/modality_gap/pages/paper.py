"""The sections of results/figures.html: figures and tables with captions, sentences and claims.

Nothing here reads a file or judges: verdicts are looked up in results/claims.csv by the ids.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd
from markupsafe import Markup

from modality_gap.pages.findings.base import Finding, Table
from modality_gap.pages.render import Picture, caption_html, picture
from modality_gap.pages.words import count, listed
from modality_gap.paper import show as ledger
from modality_gap.paper.claims import (
    CONSISTENT,
    DIFFERS,
    INCONCLUSIVE,
    NOT_SEEN,
    REPRODUCED,
    SAME,
)
from modality_gap.paper.items import Item, makings
from modality_gap.paper.ledger import KINDS
from modality_gap.paper.stand_ins import Origins, stand_ins

# Verdicts for and against the paper; the others are neither.
AGREEING = (REPRODUCED, CONSISTENT, SAME)
AGAINST = (DIFFERS, NOT_SEEN)
AGAINST_WORDS = {
    DIFFERS: ("differs", "differ"),
    NOT_SEEN: ("was not seen on a stand-in", "were not seen on a stand-in"),
}
RECOMPUTED = "The paper's numbers and settings, computed again"
PRINTED = KINDS["printed"]
PLACEHOLDER = re.compile(r"\{([^{}|]+)(?:\|([^{}|]*))?\}")


class Mark(NamedTuple):
    """A verdict as the page shows it: word and style, the claim that it links to, its evidence and
    the number of claims. `partly` is the number of these claims that have another verdict on other
    evidence of this kind."""

    verdict: str
    css: str
    claim: str
    on: str
    n: int
    partly: int = 0


@dataclass(frozen=True)
class Making:
    """What makes a figure or table: the rule, the script and the modules that compute it, as paths
    of the project. `data` are the tables behind a figure or beside a table, as paths below
    results/."""

    rule: str
    script: str
    arithmetic: list[str]
    data: list[str]


@dataclass(frozen=True)
class Claim:
    """A claim of the ledger with all its evidence, in rows of `show.page_row`."""

    id: str
    statement: str
    rows: list[dict]

    @property
    def where(self) -> str:
        """The claim's place in the paper: the parts of the place, from the left, that all its rows
        share."""
        first, *others = (row["where"].split(", ") for row in self.rows)
        alike = [
            part
            for place, part in enumerate(first)
            if all(parts[: place + 1] == first[: place + 1] for parts in others)
        ]
        return ", ".join(alike) or self.rows[0]["where"]


@dataclass(frozen=True)
class Section:
    """One figure or table with everything that the page shows beside it."""

    id: str
    title: str
    caption: Markup
    paper: list[str]
    errata: list[Mapping]
    found: list[tuple[Finding, list[Mark]]]
    made_by: Making
    picture: Picture | None = None
    code: str = ""  # of an item that is a text
    method: str = ""  # as HTML
    origins: Origins = field(default_factory=lambda: Origins([], [], []))
    tables: list[Table] = field(default_factory=list)
    claims: list[tuple[Claim, list[Mark]]] = field(default_factory=list)
    not_run: str = ""
    folded: str = ""  # why it is folded, if it is

    @property
    def verdicts(self) -> list[tuple[Mark, int]]:
        """The verdicts of the section's claims, each with its number of claims. A claim counts
        once, by its strongest evidence."""
        return tally(self.claims)

    @property
    def of_whom(self) -> str:
        """The number of claims by source: the paper, or ourselves."""
        return ledger.of_whom(claim.rows[0]["whose"] for claim, _ in self.claims)

    @property
    def several(self) -> int:
        """The number of claims with more than one verdict."""
        return sum(len({mark.verdict for mark in its}) > 1 for _, its in self.claims)


class Group(NamedTuple):
    """A part of the page: several sections under one heading."""

    id: str
    title: str
    sections: list[Section]


# The ledger on the page


def anchor(name: str) -> str:
    """The id of a claim's place on a page: the claim's own id without spaces."""
    return name.replace(" ", "_")


def by_claim(claims: pd.DataFrame, figures: int = 4) -> dict[str, Claim]:
    """The claims of results/claims.csv by their ids, in the order of the file. Measured numbers
    have `figures` significant digits."""
    by_id: dict[str, Claim] = {}
    for row in claims.to_dict("records"):
        claim = by_id.setdefault(row["id"], Claim(row["id"], row["statement"], []))
        claim.rows.append(ledger.page_row(row, figures))
    return by_id


def by_part(claims: pd.DataFrame) -> dict[str, list[Claim]]:
    """The claims of results/claims.csv, by their part of the paper, in the order of the file."""
    parts = claims.groupby("part", sort=False)
    return {name: [*by_claim(part).values()] for name, part in parts}


def marks(ids: Iterable[str], claims: Mapping[str, Claim]) -> list[Mark]:
    """The verdicts on all evidence of some claims, one mark per verdict and kind of evidence. Of
    each claim, the verdict that counts comes first. An id that is not in the ledger, such as an id
    for a user's own encoder, has no mark."""
    groups: dict[tuple[str, str], list[dict]] = {}
    verdicts: dict[tuple[str, str], set[str]] = {}
    for name in ids:
        for row in sorted(claims[name].rows if name in claims else (), key=ledger.strength):
            kind = row["evidence"].partition(":")[0]
            groups.setdefault((row["verdict"], kind), []).append(row)
            verdicts.setdefault((name, kind), set()).add(row["verdict"])
    return [
        Mark(
            verdict,
            ledger.STYLES[verdict],
            anchor(rows[0]["id"]),
            _judged_on(kind, [row["evidence"] for row in rows]),
            len({row["id"] for row in rows}),
            sum(len(verdicts[name, kind]) > 1 for name in {row["id"] for row in rows}),
        )
        for (verdict, kind), rows in groups.items()
    ]


def tally(found: Iterable[tuple[Claim, list[Mark]]]) -> list[tuple[Mark, int]]:
    """The verdicts of some claims, each with the number of claims that have it. A claim has the
    verdict of its strongest evidence."""
    groups: dict[str, list[Mark]] = {}
    for claim, its_marks in found:
        verdict = ledger.strongest(claim.rows)["verdict"]
        mark = next(mark for mark in its_marks if mark.verdict == verdict)
        groups.setdefault(verdict, []).append(mark)
    return [(those[0], len(those)) for those in groups.values()]


def _judged_on(kind: str, evidence: Iterable[str]) -> str:
    """What several pieces of evidence of one kind were measured on. It is their text if all have
    the same, or else the names of the models and data."""
    words = [*dict.fromkeys(evidence)]
    if len(words) == 1:
        return words[0]
    return f"{kind}: {listed(dict.fromkeys(map(short_name, words)))}"


def short_name(evidence: str) -> str:
    """The name of the model or data in the text of a piece of evidence."""
    return evidence.partition(": ")[2].partition(";")[0].partition(",")[0]


class Balance(NamedTuple):
    """The paper's own claims by result. `against` are the claims that some evidence of this run is
    against. `agreeing` are the claims that some evidence agrees with, by part of the ledger.
    `recomputed` are the paper's numbers and settings that differ when they are computed again; they
    are no claims of the paper."""

    against: list[tuple[Claim, list[dict], list[str]]]  # with the rows, and sentences beside them
    recomputed: list[tuple[Claim, list[dict], list[str]]]
    agreeing: dict[str, list[tuple[Claim, list[Mark]]]]

    def against_by_verdict(self) -> dict[str, list[tuple[Claim, list[dict], list[str]]]]:
        """`against`, grouped by the strongest verdict of each claim: `differs` first."""
        groups: dict[str, list] = {}
        for entry in self.against:
            groups.setdefault(_strongest(entry[1]), []).append(entry)
        return groups

    def against_in_groups(self) -> dict[str, list[tuple[Claim, list[dict], list[str]]]]:
        """The claims that evidence is against, by heading: grouped by verdict, followed by what was
        recomputed."""
        groups = {word.capitalize(): those for word, those in self.against_by_verdict().items()}
        return groups | ({RECOMPUTED: self.recomputed} if self.recomputed else {})


def balance(claims: pd.DataFrame, findings: Iterable[Finding]) -> Balance:
    """The paper's own claims, from its text and notebooks, by the result of this run. A claim with
    evidence on both sides is in both groups. A leading sentence of `findings` is shown beside the
    first of its claims that the run contradicts. A sentence without such a claim is left out."""
    own = by_claim(claims[claims["whose"].isin(ledger.PAPERS_OWN)])
    bearing = by_claim(claims[claims["whose"].isin(ledger.BEARING)])
    against: dict[str, tuple[Claim, list[dict], list[str]]] = {}
    agreeing: dict[str, list[tuple[Claim, list[Mark]]]] = {}
    for claim in bearing.values():
        rows = [row for row in claim.rows if row["verdict"] in AGAINST]
        if rows:
            against[claim.id] = (claim, rows, [])
    for claim in own.values():
        seen = [mark for mark in marks([claim.id], own) if mark.verdict in AGREEING]
        if seen:
            agreeing.setdefault(claim.rows[0]["part"], []).append((claim, seen))
    for finding in findings:
        beside = [name for name in finding.claims if name in against]
        if finding.lead and beside:
            against[beside[0]][2].append(finding.text)
    # Evidence from the paper's own models, or their neighbours, comes before that from stand-ins.
    order = sorted(against.values(), key=lambda entry: AGAINST.index(_strongest(entry[1])))
    own_first, recomputed = [
        [entry for entry in order if (entry[0].id in own) == is_own] for is_own in (True, False)
    ]
    return Balance(own_first, recomputed, agreeing)


def against_in_words(balanced: Balance, claims: pd.DataFrame) -> str:
    """Sentences that count the paper's statements that differ or were not seen on a stand-in. They
    also say how many of these have stronger evidence, which alone decides how a claim is counted,
    and how many recomputed numbers and settings differ. A stand-in is no evidence against the
    paper."""
    overall = ledger.overall(claims).set_index("id")["verdict"]
    names = [claim.id for claim, _, _ in balanced.against]
    if not names and not balanced.recomputed:
        return "Nothing that this run measured is against a statement of the paper."
    counted = []
    for word, entries in balanced.against_by_verdict().items():
        beside = sum(overall[claim.id] not in AGAINST for claim, _, _ in entries)
        counted.append(
            f"{len(entries)} {AGAINST_WORDS[word][len(entries) > 1]}"
            + (f", {beside} of them beside stronger evidence" if beside else "")
        )
    sentences = [f"Of the paper's statements, {listed(counted) if counted else 'none differs'}."]
    if recomputed := len(balanced.recomputed):
        differ = AGAINST_WORDS[DIFFERS][recomputed > 1]
        sentences.append(
            f"Of the paper's numbers and settings computed again, {recomputed} {differ}."
        )
    return " ".join(sentences)


class Differing(NamedTuple):
    """A claim of the paper that differs: its anchor on the evidence page, its place in the paper,
    and the measured and the published value, as texts."""

    claim: str
    where: str
    measured: str
    published: str


def differing(balanced: Balance) -> list[Differing]:
    """The paper's own claims that differ."""
    found = []
    for claim, rows, _ in balanced.against_by_verdict().get(DIFFERS, []):
        values = (str(rows[0][key]) for key in ("measured", "published"))
        found.append(Differing(anchor(claim.id), claim.where.partition(",")[0], *values))
    return found


def _strongest(rows: Iterable[Mapping]) -> str:
    """The first verdict of AGAINST that any of the rows has."""
    return min((row["verdict"] for row in rows), key=AGAINST.index)


def filled(text: str, published: Callable[[str], float]) -> str:
    """A text in which the paper's number replaces each `{id}` of a claim. `{id|.1%}` has a format
    specification of Python. Without one, trailing zeros are dropped."""

    def value(match: re.Match) -> str:
        shown = format(published(match[1]), match[2] or "")
        return shown.replace("%", "\u00a0%")

    return PLACEHOLDER.sub(value, text)


# HTML


def sections(
    items: Mapping[str, Item],
    made_by: Mapping[str, Making],
    measured: Mapping[str, tuple[list[Finding], list[Table]]],
    captions: Mapping[str, str],
    figures: Mapping[str, bytes],
    folded: Mapping[str, str],
    relations: Mapping,
    config: Mapping,
    sets: Mapping,
    absent: Mapping,
    claims: pd.DataFrame,
    published: Callable[[str], float],
    errata: Collection[Mapping],
    not_run: Mapping[str, Mapping],
) -> list[Section]:
    """A section for every item that has a caption, in the order of `items`. All mappings are by
    name.

    `figures`: SVG files by their names without .svg; for narrow screens, the name is NAME.narrow.
    `folded`: why an item is folded, for the items that config/ledger/report.yaml names.
    `relations`: config/ledger/stand_ins.yaml. `claims`: results/claims.csv. `published`: gives the
    paper's number of a claim, by its id. `errata`: entries of config/ledger/errata.yaml. `not_run`:
    reason and command for each item or set that takes no part.
    """
    result = []
    by_id = by_claim(claims)
    for name, item in items.items():
        if name not in captions:
            continue
        findings, tables = measured.get(name, ([], []))
        why = _why_folded(name, folded, not_run, by_id.values())
        result.append(
            Section(
                id=name,
                title=item.title,
                # Without the stand-ins: a line above the figure names them.
                caption=caption_html(captions[name], config, name),
                paper=[filled(text, published) for text in item.paper],
                errata=[entry for entry in errata if name in entry["items"]],
                found=[(finding, marks(finding.claims, by_id)) for finding in findings],
                tables=tables,
                claims=_claims_of(name, by_id),
                made_by=made_by[name],
                picture=_drawing(item, figures),
                method=caption_html(item.method, config, name) if item.method else "",
                origins=stand_ins(
                    relations, *makings(item, sets, config), config, vit_b32=item.vit_b32
                ),
                not_run=_reason(name, not_run, absent if item.shows_sets else {}),
                folded=why,
            )
        )
    return result


def _claims_of(name: str, by_id: Mapping[str, Claim]) -> list[tuple[Claim, list[Mark]]]:
    """The claims that an item shows, with their verdicts."""
    shown = [claim for claim in by_id.values() if claim.rows[0]["figure"] == name]
    return [(claim, marks([claim.id], by_id)) for claim in shown]


def _drawing(item: Item, figures: Mapping[str, bytes]) -> Picture | None:
    """The drawing of a figure, for wide and for narrow screens."""
    if item.id not in figures:
        return None
    return picture(item.id, item.alt, figures[item.id], figures.get(f"{item.id}.narrow"))


def _why_folded(
    name: str, folded: Mapping[str, str], not_run: Mapping, claims: Iterable[Claim]
) -> str:
    """The reason why an item adds nothing to the page, in one line. Empty if it adds something."""
    if name in not_run:
        return "Not run in this configuration."
    if name in folded:
        return folded[name] or ""
    rows = [row for claim in claims for row in claim.rows if row["figure"] == name]
    measured = [row for row in rows if row["evidence"] and not row["evidence"].startswith(PRINTED)]
    # An interval on both sides of a bound is a result; a condition that is not met is none.
    if measured and all(
        row["verdict"] == INCONCLUSIVE and not row["why"].startswith(("the value,", "the interval"))
        for row in measured
    ):
        return f"Nothing could be seen: {measured[0]['why']}."
    return ""


def grouped(parts: Iterable[Section], groups: Mapping[str, Mapping]) -> list[Group]:
    """The sections by the groups of config/ledger/report.yaml, in the order of the groups. A
    section without a group is in the last group. A group without a section is left out."""
    by_id = {part.id: part for part in parts}
    *_, last = groups
    result = []
    for name, group in groups.items():
        names = [item for item in group["items"] if item in by_id]
        if name == last:
            listed_ones = {item for one in groups.values() for item in one["items"]}
            names += [item for item in by_id if item not in listed_ones]
        if names:
            result.append(Group(name, group["title"], [by_id[item] for item in names]))
    return result


def _reason(name: str, not_run: Mapping[str, Mapping], absent: Mapping) -> str:
    """Why an item was not run; empty if it was."""
    if name in not_run:
        return f"Not run. {not_run[name]['reason']} It needs: {not_run[name]['needs']}"
    return f"Not run: {count(len(absent), 'set')} could not be fetched." if absent else ""
