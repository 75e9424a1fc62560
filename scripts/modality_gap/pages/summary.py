"""The summary: one sentence, four questions, the gap of every model, checks by part, statements.

config/ledger/report.yaml says what is shown and in which order. Verdicts are looked up in
results/claims.csv by the ids of the claims, and every number comes from a table.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import groupby
from typing import NamedTuple

import pandas as pd

from modality_gap.errors import InputError
from modality_gap.pages.findings.base import Finding
from modality_gap.pages.labels import PROJECTIONS, RANDOM, WEIGHTS
from modality_gap.pages.paper import AGAINST, AGREEING, Claim, Mark, by_claim, marks, short_name
from modality_gap.pages.words import listed, number
from modality_gap.paper import show
from modality_gap.paper.chance import retrieves
from modality_gap.paper.claims import CONSISTENT, INCONCLUSIVE, NOT_RUN, NOT_SEEN, REPRODUCED, SAME


def matching(patterns: Iterable[str], ids: Iterable[str]) -> list[str]:
    """The ids that match some patterns, in the order of `ids`. In a pattern, `*` matches any text.

    Raises InputError if a pattern matches no id.
    """
    patterns, ids = list(patterns), list(ids)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in ids):
            raise InputError(
                f"config/ledger/report.yaml: no claim is called {pattern}; correct the id."
            )
    return [name for name in ids if any(fnmatchcase(name, pattern) for pattern in patterns)]


# The sentence at the head

# What is said of one clause and of several.
UNDECIDED = {
    INCONCLUSIVE: ("stays undecided", "stay undecided"),
    NOT_RUN: ("was not tested", "were not tested"),
}


def headline(clauses: Sequence[Mapping], claims: pd.DataFrame) -> str:
    """The result of the run in one sentence. The verdict on the claim of a clause decides the
    clause's words."""
    verdicts = dict(zip(*(show.overall(claims)[key] for key in ("id", "verdict")), strict=True))
    ids = [matching([clause["claim"]], verdicts)[0] for clause in clauses]
    rows = {name: part.to_dict("records") for name, part in claims.groupby("id")}
    clauses, found = zip(
        *(
            _as_found(clause, verdicts[name], rows[name])
            for clause, name in zip(clauses, ids, strict=True)
        ),
        strict=True,
    )
    decided = {verdict for verdict in found if verdict not in (INCONCLUSIVE, NOT_RUN)}
    # Where all that was decided was decided on stand-ins, one word says so.
    alike = len(clauses) > 1 and decided and decided <= {SAME, NOT_SEEN}
    words = []
    for verdict, those in groupby(zip(clauses, found, strict=True), key=lambda one: one[1]):
        group = [clause for clause, _ in those]
        if verdict in UNDECIDED:
            about = listed(f"whether {clause['about']}" for clause in group)
            tried = [row for clause in group for row in rows[matching([clause["claim"]], rows)[0]]]
            alone = not alike and all(show.kind_of(row) == "stand_in" for row in tried)
            on = " (only stand-ins tested)" if alone and verdict == INCONCLUSIVE else ""
            words.append(f"{about} {UNDECIDED[verdict][len(group) > 1]}{on}")
        else:
            words += [_clause(clause, verdict, named=not alike) for clause in group]
    text = "; ".join(words)
    return f"On stand-ins: {text}." if alike else f"{text[0].upper()}{text[1:]}."


def _as_found(clause: Mapping, verdict: str, rows: Sequence[Mapping]) -> tuple[Mapping, str]:
    """A clause, and the verdict that decides its words, from all evidence of its claim. If the
    models disagree, `mixed` or `partly` replaces `holds`."""
    against = {row["verdict"] for row in rows} - {*AGREEING, NOT_RUN}
    if "mixed" in clause and verdict in (REPRODUCED, CONSISTENT) and against:
        return {**clause, "holds": clause["mixed"]}, verdict
    if "partly" in clause and verdict == INCONCLUSIVE and _holds_of_one(rows):
        return {**clause, "holds": clause["partly"]}, REPRODUCED
    return clause, verdict


def _holds_of_one(rows: Sequence[Mapping]) -> bool:
    """Whether a claim holds for at least one of several models. Only evidence of the strongest kind
    counts."""
    kind = show.kind_of(show.strongest(rows))
    models: dict[str, set[str]] = {}
    for row in rows:
        if show.kind_of(row) == kind:
            models.setdefault(row["evidence"].partition(";")[0], set()).add(row["verdict"])
    return len(models) > 1 and any(verdicts <= {*AGREEING} for verdicts in models.values())


def _clause(clause: Mapping, verdict: str, named: bool) -> str:
    """The words of a decided clause. If `named`, they say so when the evidence is from a
    stand-in."""
    words = clause["holds" if verdict in AGREEING else "fails"]
    if verdict == SAME:
        words = clause.get("stand_in", words)
    return f"on a stand-in, {words}" if named and verdict in (SAME, NOT_SEEN) else words


# The four questions and the main statements


class Question(NamedTuple):
    """A question, and the sentences that answer it, each with the verdicts on its claims."""

    id: str
    asks: str
    answer: list[tuple[str, list[Mark]]]


def questions(
    asked: Mapping[str, str], claims: pd.DataFrame, answers: Mapping[str, Sequence[Finding]]
) -> list[Question]:
    """The questions of the summary. `asked` and `answers` have the ids of the questions as keys."""
    by_id = by_claim(claims)
    return [
        Question(
            name,
            asks,
            [(one.text, one_of_each(_judging(one, by_id))) for one in answers.get(name, [])],
        )
        for name, asks in asked.items()
    ]


def _judging(found: Finding, by_id: Mapping[str, Claim]) -> list[Mark]:
    """The verdicts on the claims of a sentence, from the evidence that the sentence is about."""
    return [
        mark
        for mark in marks(found.claims, by_id)
        if mark.on.partition(":")[0] == found.kind or not found.kind
    ]


def one_of_each(found: Iterable[Mark]) -> list[Mark]:
    """For each verdict, the first of the marks that have it."""
    first: dict[str, Mark] = {}
    for mark in found:
        first.setdefault(mark.verdict, mark)
    return [*first.values()]


def key_marks(figure: str, ids: Iterable[str], by_id: Mapping[str, Claim]) -> list[Mark]:
    """The verdicts below a key figure. They are the verdicts of some claims and, for all other
    claims that the figure shows, what differs or was not seen."""
    shown = [claim.id for claim in by_id.values() if claim.rows[0]["figure"] == figure]
    against = [mark for mark in marks(shown, by_id) if mark.verdict in AGAINST]
    return one_of_each([*marks(matching(ids, by_id), by_id), *against])


class Measured(NamedTuple):
    """What one kind of evidence says about a statement. `quantity` is what was measured, if that
    has a name."""

    mark: Mark
    quantity: str
    value: str


class Statement(NamedTuple):
    """A main statement of the paper, the value that the paper published for it, and what the run
    measured. If several quantities lead to different verdicts, each verdict has the names of its
    models instead of values."""

    question: str
    says: str
    claim: str
    figure: str
    published: str
    measured: list[Measured]


def statements(entries: Sequence[Mapping], claims: pd.DataFrame) -> list[Statement]:
    """The main statements, each with all evidence of the run, the strongest first."""
    by_id = by_claim(claims, figures=3)  # the evidence has more digits
    result = []
    for entry in entries:
        ids = matching(entry["claims"], by_id)
        rows = [row for name in ids for row in by_id[name].rows]
        found = marks(ids, by_id)
        if len({mark.verdict for mark in found}) > 1 and _several_quantities(rows):
            measured = [Measured(mark, "", _names(_behind(mark, rows))) for mark in found]
        else:
            measured = _named_once(Measured(mark, *_values(mark, rows)) for mark in found)
        result.append(
            Statement(
                entry["question"],
                entry.get("says") or by_id[ids[0]].statement,
                ids[0],
                entry["figure"],
                _span([row["published"] for row in rows]),
                measured,
            )
        )
    return result


def _several_quantities(rows: Iterable[Mapping]) -> bool:
    """Whether the evidence is of several quantities, apart from where each was measured (`at`)."""
    return len({row["quantity"].partition(" at 1/")[0] for row in rows if row["quantity"]}) > 1


def _behind(mark: Mark, rows: Iterable[Mapping]) -> list[Mapping]:
    """The evidence that has the verdict and the kind of a mark."""
    kind = mark.on.partition(":")[0]
    return [
        row
        for row in rows
        if row["verdict"] == mark.verdict and row["evidence"].partition(":")[0] == kind
    ]


def _named_once(measured: Iterable[Measured]) -> list[Measured]:
    """The same lines with shorter names of quantities. A name is removed if the line before has the
    same name. If a name continues the name before, as with `at 1/20`, only the continuation is
    left."""
    lines = [*measured]
    before = ["", *(line.quantity for line in lines)]
    return [
        line._replace(quantity=line.quantity.removeprefix(last).strip())
        if last and f"{line.quantity} ".startswith(f"{last} ")
        else line
        for last, line in zip(before, lines, strict=False)
    ]


def _values(mark: Mark, rows: Iterable[Mapping]) -> tuple[str, str]:
    """The first quantity behind a mark and its measured values. One value has its interval; several
    are shown as a span. If the mark is against the claim, every other quantity with its values
    follows, each with the names of its models if they differ."""
    by_quantity: dict[str, list[Mapping]] = {}
    for row in _behind(mark, rows):
        by_quantity.setdefault(row["quantity"], []).append(row)
    names = {what: _names(those) for what, those in by_quantity.items()}
    told = mark.verdict in AGAINST and len({*names.values()}) > 1
    (what, value), *others = [
        (name, _value(those) + (f" ({names[name]})" if told and _value(those) else ""))
        for name, those in by_quantity.items()
    ]
    if mark.verdict in AGAINST:
        value += "".join(f"; {name}: {more}" for name, more in others if more)
    return what if value else "", value


def _names(rows: Iterable[Mapping]) -> str:
    return listed(dict.fromkeys(short_name(str(row["evidence"])) for row in rows))


def _value(rows: Sequence[Mapping]) -> str:
    if len(rows) == 1:
        return f"{rows[0]['measured']} {rows[0]['interval']}".strip()
    return _span([row["measured"] for row in rows])


def _span(texts: Iterable[str]) -> str:
    """The text if there is only one, or `smallest to largest` of several numbers; empty
    otherwise."""
    different = [*dict.fromkeys(text for text in texts if text)]
    if len(different) <= 1:
        return "".join(different)
    try:
        ordered = sorted(different, key=lambda text: float(text.replace(",", "")))
    except ValueError:
        return ""
    return f"{ordered[0]} to {ordered[-1]}"


# The gap of every model


class Gaps(NamedTuple):
    """The gap of a model with random and with trained weights: as `texts`, and as `places` in per
    cent of the axis. Both lack the weights that the run lacks. If only the projections of the
    random model are random, `start` says so."""

    model: str
    own: bool
    learnt: bool
    texts: dict[str, str]
    places: dict[str, float]
    start: str = ""


AXIS = 1.5  # the axis goes to it, or to the next half above the widest gap


def gaps(gap: pd.DataFrame, papers: Collection[str]) -> tuple[list[Gaps], float]:
    """The rows of the summary's first drawing, and the end of its axis. `gap` is statistics/gap.csv
    as labels.with_weights makes it. `papers` names the sets of the paper's own models, which come
    first. Lengths are on the unit sphere."""
    end = max(AXIS, math.ceil(gap["gap"].max() / 0.5) * 0.5)
    rows = []
    able = retrieves(gap)
    for model, part in gap.groupby("model", sort=False):
        start = WEIGHTS[PROJECTIONS] if (part["weights"] == PROJECTIONS).any() else ""
        weights = part.set_index(part["weights"].replace(PROJECTIONS, RANDOM))
        rows.append(
            Gaps(
                str(model),
                bool(part["set"].isin(papers).all()),
                bool(able[part.index][part["weights"] == "trained"].any()),
                {kind: number(row["gap"], 2) for kind, row in weights.iterrows()},
                {kind: 100 * row["gap"] / end for kind, row in weights.iterrows()},
                start,
            )
        )
    return sorted(rows, key=lambda row: (not row.own, not row.learnt)), float(end)


def origin_of_own(gap: pd.DataFrame, papers: Collection[str], released: Collection[str]) -> str:
    """Where the embeddings of the paper's own trained models come from, and the number of pairs of
    released features. `papers` names the sets of these models, and `released` those of them with
    features that the paper's authors released."""
    own = gap[gap["set"].isin(papers) & (gap["weights"] == "trained")]
    given = own[own["set"].isin(released)]
    if not len(given):
        return "run here"
    low, high = given["n"].min(), given["n"].max()
    pairs = f"{low:,} to {high:,}" if low < high else f"{high:,}"
    more = " or run here" if len(given) < len(own) else ""
    return f"its authors' features of {pairs} pairs{more}"


# Checks by part


class Part(NamedTuple):
    """A part of the paper, with the number of its claims that have each verdict, also in per cent
    of the longest bar."""

    name: str
    counts: dict[str, int]
    total: int
    run: int
    shares: dict[str, float]


def parts(claims: pd.DataFrame) -> list[Part]:
    """The paper's own claims by part and verdict. A claim counts once, by its strongest
    evidence."""
    own = claims[claims["whose"].isin(show.PAPERS_OWN)]
    tallies = {name: show.counts(part) for name, part in own.groupby("part", sort=False)}
    longest = max((sum(tally.values()) for tally in tallies.values()), default=1)
    return [
        Part(
            str(name),
            tally,
            sum(tally.values()),
            sum(tally.values()) - tally[NOT_RUN],
            {word: 100 * n / longest for word, n in tally.items() if n},
        )
        for name, tally in tallies.items()
    ]


def own_counts(claims: pd.DataFrame) -> dict[str, int]:
    """How many of the paper's own claims have each verdict."""
    return show.counts(claims[claims["whose"].isin(show.PAPERS_OWN)])
