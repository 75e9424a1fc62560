"""What each template makes of its values. Every value is another text, so that none can stand for
another.

`rendered.json` has stored values: the lines of every page with all that it can show (`full`), and
how they change with as little as it can show (`bare`). After a change of a template, write it again
with MODALITY_GAP_WRITE_DRAWN=1, and look at the difference before you commit it.
"""

import difflib
import json
import os
import re
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from modality_gap.pages.after import follow_ups, methods
from modality_gap.pages.evidence import Drawn
from modality_gap.pages.evidence import Row as Check
from modality_gap.pages.findings.base import Finding, Table
from modality_gap.pages.paper import Claim, Group, Making, Mark, Section
from modality_gap.pages.render import Picture, render_page
from modality_gap.pages.summary import Gaps, Measured, Part, Question, Statement
from modality_gap.paper.show import MARKS, STYLES, WHOSE
from modality_gap.paper.stand_ins import Origins

TEMPLATES = {
    path.name.partition(".")[0]: path.read_text(encoding="utf-8")
    for path in (Path(__file__).parents[3] / "report/templates").glob("*.j2")
}
STORED = Path(__file__).with_name("rendered.json")
WRITES = os.environ.get("MODALITY_GAP_WRITE_DRAWN") == "1"
STAMP = {"date": "2000-01-02", "commit": "c0ffee", "configuration": "as & is", "version": "7"}

number = count(1)


def word(name: str) -> str:
    """A text that no other value has, with a character that a page has to escape."""
    return f"{name} <{next(number)}>"


def table(name: str, columns: int = 3) -> Table:
    head = [word(f"head of {name}") for _ in range(columns)]
    rows = [[f"{name} {row}", *["0.5 [0.4, -0.6]"] * (columns - 1)] for row in (1, 2)]
    return Table(f"Caption of {name}. More.", head, rows)


def picture(name: str, narrow: bool = True) -> Picture:
    """A drawing with a version for narrow screens, if `narrow`, and with the sizes of both."""
    sizes = (("934", "300"), ("358", "400")) if narrow else (("", ""), ("", ""))
    return Picture(name, word("alt"), f"data:{name}", "data:narrow" if narrow else "", *sizes)


def mark(verdict: str, **more) -> Mark:
    given = {"claim": f"claim-{next(number)}é", "on": f"stand-in: toy {next(number)}", "n": 1}
    return Mark(verdict, STYLES[verdict], **(given | more))


MARKED = [
    mark("same on a stand-in"),
    mark("reproduced", on="neighbouring model: x", n=3, partly=2),
    mark("consistent", on="", n=1, partly=1),
    mark("differs", n=4),
]


def row(verdict: str, **more) -> dict:
    """A row of `show.page_row`."""
    keys = ("id", "statement", "where", "published", "measured", "interval", "n", "evidence")
    keys += ("quantity", "why", "because", "table", "column", "figure", "source", "test", "bound")
    given = {key: word(key) for key in (*keys, "tolerance", "part")}
    return given | {"verdict": verdict, "css": STYLES[verdict], "whose": "notebook"} | more


def rows() -> list[dict]:
    """Rows with everything, with a number that was computed again, without a number and without
    anything."""
    bare = dict.fromkeys(("published", "measured", "interval", "n", "quantity", "because"), "")
    bare |= dict.fromkeys(("table", "figure", "source", "tolerance"), "")
    return [
        row("reproduced", id="a b", why="it is `code` here"),
        row("consistent", evidence="printed numbers: x", n="", interval="", quantity=""),
        row("inconclusive", **bare),
        row("not run", **bare | {"evidence": "", "whose": "ours"}),
    ]


def claim(name: str, its_rows: list[dict]) -> Claim:
    return Claim(name, word("statement"), its_rows)


# --- values of the pages, by whether they have all that they can show -------------------------


def index(full: bool) -> dict:
    places = {"random": 25.0, "trained": 62.345}
    texts = {"random": "0.38", "trained": "0.94"}
    gaps = [
        Gaps("both", True, True, texts, places),
        Gaps("trained", False, False, {"trained": "0.5"}, {"trained": 30.0}, word("start")),
        Gaps("random", False, False, {"random": "0.6"}, {"random": 40.0}),
    ]
    measured = [
        Measured(MARKED[0], word("quantity"), "-0.5"),
        Measured(MARKED[1], "", word("value")),
        Measured(mark("reproduced", on="paper's own: z"), "", ""),
        Measured(MARKED[2], "", ""),
    ]
    said = [
        Statement("one", word("says"), "c", "figure1", "0.5", measured),
        Statement("two", word("says"), "c", "figure2", "", measured[:1]),
    ]
    differing = [
        {"claim": f"d{n}é", "where": word("where"), "measured": f"{n}", "published": "-2"}
        for n in (1, 2)
    ]
    explorer = {
        "data": "[]",
        "stills": {"loss-wide": "WIDE", "loss-narrow": "NARROW", "points-wide": "POINTS"},
        "models": [
            {"set": word("set"), "label": word("label"), "first": "image", "second": "text"}
            | {"n": 1500, "cloud": {"a": {"points": [1, 2, 3]}}},
            {"set": word("set"), "label": word("label")},
        ],
        "styles": {
            name: [{"color": f"#{name}", "dashes": "1 0"}, {"color": "#2", "dashes": "7 2"}]
            for name in ("loss", "recall", "score", "points")
        },
        "readout": {
            "loss": [("1/50", "2.00"), ("1", "-3.00")],
            "recall": [("image → text", "50 %")],
            "score": [],
        },
        "own": 0.754,
    }
    return {
        "headline": word("headline"),
        "cite": {"url": "u", "bibtex": word("bibtex"), "licence": "L"}
        | {"repository": "https://x" if full else ""},
        "stand_ins": full,
        "neighbours": full,
        "questions": [
            Question("one", word("asks"), [("50 % of it", MARKED[:2]), (word("answer"), [])]),
            Question("two", word("asks"), []),
        ],
        "gaps": gaps,
        "axis_end": "1.5",
        "own_from": word("from"),
        "counts": {"reproduced": 2, "differs": 0, "not run": 3},
        "reproduced_on": word("on") if full else "",
        "parts": [
            Part("Figure 1", {"reproduced": 2, "differs": 0, "not run": 3}, 5, 2,
                 {"reproduced": 40.0, "not run": 60.0}),
        ],
        "statements": said,
        "differing": differing if full else [],
        "against": word("against"),
        "explorer": explorer if full else None,
        "key": [{"picture": picture("figure1"), "title": word("title"), "marks": MARKED[:2]}],
        "styles": STYLES,
    }  # fmt: skip


def evidence(full: bool) -> dict:
    drawn = Drawn((10.0, 30.123), 20.0, (15.0, 45.0), 25.0), Drawn((5.0, 5.0), 5.0, (1, 2), 3.0)
    checks = [
        Check(f"id {n}", one, n % 2 == 0, n, "reproduced", None if n > 1 else drawn[n])
        for n, one in enumerate(rows())
    ]
    against = {
        "Differs": [(claim("x y", []), rows()[:2], [word("sentence")])],
        "Not seen on a stand-in": [(claim("z", []), rows()[2:3], [])],
    }
    return {
        "summary": [word("first"), word("second"), word("third")],
        "balance": SimpleNamespace(against_in_groups=lambda: against if full else {}),
        "against": word("against"),
        "rows": checks if full else [],
        "parts": ["Figure 1", "Theory"],
        "tally": dict.fromkeys(STYLES, 0) | {"reproduced": 2, "seen": 1},
        "whose": WHOSE,
        "styles": STYLES,
        "confidence": "95 %",
    }


def errata(full: bool) -> dict:
    def entry(side: str, **more) -> dict:
        keys = ("id", "where", "title", "says", "is", "effect")
        return {key: word(key) for key in keys} | {"in": side, "rows": [], **more}

    computed = {"label": word("label"), "printed": "1", "computed": "2", "interval": "[1, 3]"}
    found = [
        entry("paper", items=["figure1", "table1"], rows=[computed, computed | {"printed": ""}]),
        entry("code", items=["table2"]),
        entry("code", items=["table2"], agrees=True),
        entry("follow-ups", section="losses", source=word("source")),
    ]
    return {"errata": found if full else []}


def section(name: str, **more) -> Section:
    given = {
        "title": f"{name}. More of {name}",
        "caption": word("caption"),
        "paper": [],
        "errata": [],
        "found": [],
        "made_by": Making(word("rule"), word("script"), [], []),
    }
    return Section(name, **(given | more))


def figures(full: bool) -> dict:
    made = Making("a rule", "a script", ["a.py", "b.py"], ["a.csv", "b.csv"])
    found = [(Finding(word("found")), MARKED), (Finding(word("found")), [])]
    of = rows()
    alike = [of[0] | {"where": "here"}, of[1] | {"where": "here"}]
    claims = [
        (claim("c d", of[:2]), MARKED[1:3]),
        (claim("alike", alike), [mark("consistent"), mark("differs")]),
        (claim("left", of[3:]), [mark("not run")]),
    ]
    origins = Origins(["s1", "s2"], ["n1", "n2"], ["o1", "o2"])
    whole = section(
        "whole", paper=["It says", "so"], errata=[{"id": "e1", "title": "E1"},
        {"id": "e2", "title": "E2"}], found=found, made_by=made, picture=picture("whole"),
        method=word("method"), origins=origins, tables=[table("t1"), table("t2", 9)],
        claims=claims, not_run=word("not run"),
    )  # fmt: skip
    sections = [
        whole,
        section("plain", tables=[table("p1"), table("p2")], found=found[1:]),
        section(
            "table",
            tables=[table("q1")],
            claims=claims[1:],
            origins=Origins([], [], ["o3"]),
        ),
        section("near", origins=Origins([], ["n3"], [])),
        section("text", code="a = 1 < 2", folded=word("folded"), claims=claims[2:]),
    ]
    groups = [Group("first", word("group"), sections), Group("last", word("group"), sections[2:3])]
    return {"groups": groups if full else [], "plain": ["plain", "whole"], "styles": STYLES}


def after(full: bool) -> dict:
    def statement(*its_rows, not_tested="") -> follow_ups.Statement:
        return follow_ups.Statement(word("id"), word("says"), "1", [*its_rows], not_tested)

    badge = follow_ups.Badge("same direction", MARKS["same on a stand-in"])
    open_badge = follow_ups.Badge("inconclusive", MARKS["inconclusive"])
    of = [one | {"badge": badge} for one in rows()]
    undecided = [
        row("inconclusive", why=f"{why} (more; of it)", evidence="stand-in: x", badge=None)
        for why in ("the interval reaches", "not clear")
    ]
    papers = [
        follow_ups.Section(
            word("paper"),
            "2405.18570",
            [statement(of[0], *undecided), statement(of[2] | {"badge": open_badge})],
        ),
        follow_ups.Section(
            word("paper"), "GitHub", [statement(of[0] | {"where": "", "n": "", "quantity": ""},
                                                of[0], not_tested="The rest")]
        ),
    ]  # fmt: skip
    two = [methods.Labelled(word("label"), table(name)) for name in ("l1", "l2")]
    starred = [["starred *", "0.1", "0.2 [0.1, 0.3]"]]
    matrices = [methods.Matrix("m1", table("m1"), starred), methods.Matrix("m2", table("m2"), [])]
    shown = methods.Shown(
        ["one"], word("mixed summary"), [word("mixed")], [word("control")], word("left summary"),
        [word("left"), word("left")], two, matrices, 19,
    )  # fmt: skip
    nothing = methods.Shown([], "", [], [], "", [word("left")], [], [], 0)
    few = nothing._replace(sets=["one"], mixed=["alone"], same_gap=two[:1])
    measured = {"sentences": [word("measures")], "table": table("measured", 5 if full else 4)}
    pictures = ("closing_the_gap", "mixed_gallery", "follow_up_losses")
    return {
        "fit_sizes": two if full else [],
        "fit_sentence": word("fit"),
        "closing": [word("closing"), word("closing")] if full else [],
        "closing_summary": word("closing summary"),
        "pictures": {name: picture(name, narrow=full) for name in pictures},
        "captions": {name: word("caption") if full else "" for name in pictures},
        "methods": shown if full else few,
        "losses": {"sentences": ["loss"], "table": table("losses"), "gaps": table("gaps")},
        "measures": measured
        | {name: table(name) if full else None for name in ("untrained", "order")},
        "sections": papers if full else [],
        "untestable": [{"papers": word("papers"), "why": word("why")}],
        "not_claimed": [word("not claimed")],
    }


def methods_page(full: bool) -> dict:
    model = dict.fromkeys(
        ("modality", "model", "weights", "encoder_weights", "sha256", "dataset", "precision",
         "decoding", "n", "per_s", "forward_per_s", "device"))  # fmt: skip
    sets = {
        "one": {"weights": "trained", "note": word("note")},
        "two": {"weights": "untrained projections"},
    }
    models = [
        {key: word(key) for key in model}
        | {"set": "one", "origins": Origins(["s1", "s2"], ["n1", "n2"], [])},
        {key: word(key) for key in model}
        | {"set": "two", "origins": Origins([], [], []), "decoding": "exact"}
        | {"encoder_weights": "", "sha256": ""},
    ]
    asset = {key: word(key) for key in ("name", "purpose", "licence", "from", "mb", "url")}
    asset |= {"kind": "download", "checksum": ""}
    more = {"treatment": "cut", "optional": True, "kind": "placed", "checksum": "c0ffee"}
    left_out = {key: word(key) for key in ("title", "reason", "needs", "command", "config")}
    record = {"executor": "slurm", "configfiles": ["a.yaml", "b.yaml"]}
    record |= {"settings": {"seed": 1, "cores": 2}}
    spans = [("0.00", "50.00"), ("60.00", "9.00")]
    return {
        "styles": STYLES,
        "meanings": {"reproduced": word("meaning"), "seen": word("meaning")},
        "glossary": {"the paper's own": word("meaning")},
        "confidence": "95 %",
        "separate": 0.95,
        "well_above": 5.0,
        "stand_ins": ["s1", "s2"] if full else [],
        "neighbours": ["n1"] if full else [],
        "others": ["o1", "o2"] if full else [],
        "models": models,
        "sets": sets,
        "labels": {name: word("label") for name in ("one", "two", "gone", "lost")},
        "absent": {"gone": {"note": word("note")}, "lost": {}} if full else {},
        "mirrored": {"gone": ["a.npy", "b.npy"], "lost": []},
        "left_out": {"figure9": left_out} if full else {},
        "missing": {"table1.x": ["a", "b"]} if full else {},
        "assets": {"a": {"path": "a.zip", "url": "https://a"}, "b": {"path": "b.zip"}},
        "sources": [asset | more, asset],
        "record": record if full else {"executor": "local", "configfiles": [], "settings": {}},
        "summary": [word("summary")],
        "software": {"Python": word("version")},
        "packages": table("packages"),
        "machine": [("cores", word("cores"))],
        "timeline": [{"rule": word("rule"), "spans": spans}] if full else [],
        "elapsed": "3 min",
        "rules": table("rules"),
        "extractions": table("extractions", 11),
        "differences": [("seed", word("default"), word("value"))] if full else [],
        "bench": full,
        "config": "a: <1>",
    }


def pairs(full: bool) -> dict:
    names = ["sources", "measures", "minimum", *(["sigmoid"] if full else [])]
    drawn = ("figure1", "figure3a", "figure3bcd")
    return {
        "version": "7",
        "confidence": "95 %",
        "resamples": 123,
        "tables": {name: table(name) for name in names},
        "losses": {"sigmoid": word("loss")},
        "sets": {"one": {"note": word("note")}, "two": {}},
        "figures": {name: f"data:{name}" for name in drawn},
        "items": {name: {"alt": word("alt")} for name in drawn},
    }


def bench(full: bool) -> dict:
    names = ("growth_exponents", "startup", "load")
    return {
        "tables": {name: table(name) for name in names},
        "titles": {name: word("title") for name in names},
        "bars": table("bars"),
        "figure": "data:growth" if full else "",
        "facts": {"machine": ["a", "b"]},
    }


PAGES = {
    "index": index,
    "evidence": evidence,
    "errata": errata,
    "figures": figures,
    "after": after,
    "methods": methods_page,
    "pairs": pairs,
    "bench": bench,
    "forward": lambda full: {"to": "evidence" if full else "methods"},
}


def lines(name: str, full: bool) -> list[str]:
    """The elements and texts of a page, one in a line."""
    global number
    number = count(1)
    about = (["first()", "second()"], STAMP) if full else ()
    html = render_page(TEMPLATES, name, *about, style="STYLE", **PAGES[name](full))
    html = re.sub(r"\s+", " ", html)
    return [line.strip() for line in re.split(r"(?=<[^/])", html) if line.strip()]


def changes(one: list[str], other: list[str]) -> list[str]:
    """The lines that only one of two pages has."""
    found = [*difflib.unified_diff(one, other, n=0, lineterm="")][2:]  # after two of headings
    return [line for line in found if not line.startswith("@@")]


def test_what_is_beyond_the_paper_is_not_called_its_own():
    values = methods_page(False)
    for others, own in (([], True), (["a model of mine"], False)):
        html = render_page(TEMPLATES, "methods", style="", **values | {"others": others})
        assert ("the data are the paper's own." in html) == own
        assert ("Beyond the paper: a model of mine." in html) == (not own)


def test_every_template_is_of_a_page():
    """`base`, `parts` and `explorer` are parts of the others."""
    assert {*TEMPLATES} == {*PAGES, "base", "parts", "explorer"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_what_it_did(name):
    full = lines(name, True)
    made = {"full": full, "bare": changes(full, lines(name, False))}
    stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    if WRITES:
        text = json.dumps(stored | {name: made}, ensure_ascii=False, indent=1, sort_keys=True)
        STORED.write_text(text + "\n", encoding="utf-8")
        return
    for kind, shown in made.items():
        assert changes(stored[name][kind], shown) == []
