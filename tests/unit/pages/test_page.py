"""The reading page: the ledger's verdicts and no other, nothing unescaped, nothing online."""

import copy
import fnmatch
import itertools
import re
from dataclasses import replace
from functools import partial
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import jinja2
import pandas as pd
import pytest
import yaml
from invented import claim, claims, data
from snakemake.utils import update_config

from modality_gap.config.load import without_nulls
from modality_gap.config.rows import of_others, with_rows
from modality_gap.config.tables import Column, load_tables
from modality_gap.errors import InputError
from modality_gap.figures.pairs import MOST_PAIRS
from modality_gap.measures import registry
from modality_gap.pages import evidence, provenance, summary
from modality_gap.pages import paper as paper_module
from modality_gap.pages import render as render_module
from modality_gap.pages import run as run_page
from modality_gap.pages import words as words_module
from modality_gap.pages.findings.base import Finding, Table
from modality_gap.pages.findings.figure1 import SEPARATE
from modality_gap.pages.findings.results import results
from modality_gap.pages.findings.training import temperature_findings
from modality_gap.pages.labels import set_labels
from modality_gap.pages.render import caption_html, plain_table, render_page
from modality_gap.paper import ledger, show
from modality_gap.paper.chance import WELL_ABOVE
from modality_gap.paper.claims import MEANINGS
from modality_gap.paper.items import load_items, makings, names_of, names_on, read_items
from modality_gap.paper.stand_ins import NEITHER, plain, sentences, stand_ins

ROOT = Path(__file__).parents[3]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
ITEMS = load_items(ROOT / "config/ledger/items.yaml")
KNOWN = yaml.safe_load((ROOT / "config/ledger/stand_ins.yaml").read_text(encoding="utf-8"))
SENTENCES = sentences(ITEMS, KNOWN, CONFIG["sets"], CONFIG)
ASSETS = yaml.safe_load((ROOT / "config/assets.yaml").read_text(encoding="utf-8"))
NOT_RUN = yaml.safe_load((ROOT / "config/ledger/not_run.yaml").read_text(encoding="utf-8"))
PARTS = names_on(ITEMS, "figures")
FIGURES = [name for name in names_of(ITEMS, "figure") if name in PARTS and name not in NOT_RUN]
PLAIN_TABLES = names_of(ITEMS, "plain table")
REPORT = yaml.safe_load((ROOT / "config/ledger/report.yaml").read_text(encoding="utf-8"))
MAKING = paper_module.Making("r", "s", ["a"], ["tables/d.csv"])
TEMPLATES = {
    name: (ROOT / f"report/templates/{name}.html.j2").read_text(encoding="utf-8")
    for name in ("base", "parts", "figures", "methods", "evidence")
}
LEDGER = ledger.load_ledger(ROOT / "config/ledger/parts.yaml", ROOT / "config/schema/claims.yaml")
ERRATA = yaml.safe_load((ROOT / "config/ledger/errata.yaml").read_text(encoding="utf-8"))["errata"]
CLAIMS = claims(
    claim("theorem1.holds", "reproduced", figure="theorem1", evidence="simulation: toy"),
    claim("abstract.separate", "reproduced", figure="figure1"),
)
CAPTIONS = sorted((ROOT / "report/captions").glob("*.rst"))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>'


def toy(note="a note", config=CONFIG):
    """The only set of a run."""
    inputs = config["cone"]["preprocessing"]["inputs"]
    return {"toy": {"label": "toy", "weights": "trained", "inputs": inputs, "note": note}}


STYLE = paper_module.Markup((ROOT / "report/style.css").read_text(encoding="utf-8"))


def render(note="a note", absent=None, captions=None, tables=None, config=CONFIG, rows=CLAIMS):
    """The page of figures from invented tables."""
    captions = captions or {
        name: (ROOT / f"report/captions/{name}.rst").read_text() for name in PARTS
    }
    measured = results(tables or data(), {}, config)
    values = pd.DataFrame({"x": [0.5], "x_low": [0.4], "x_high": [0.6]})
    plain = plain_table(values, [Column("x", "share", "", interval=True)], "plain")
    made = paper_module.sections(
        ITEMS,
        dict.fromkeys(PARTS, MAKING),
        measured | dict.fromkeys(PLAIN_TABLES, ([], [plain])),
        captions,
        dict.fromkeys(FIGURES, SVG),
        REPORT["folded"],
        KNOWN,
        config,
        toy(note, config),
        absent or {},
        rows,
        partial(ledger.published, LEDGER),
        ERRATA,
        NOT_RUN,
    )
    return render_page(
        TEMPLATES,
        "figures",
        style=STYLE,
        groups=paper_module.grouped(made, REPORT["groups"]),
        plain=PLAIN_TABLES,
        styles=show.STYLES,
    )


def render_evidence(rows=CLAIMS):
    """The page of evidence from invented claims."""
    balance = paper_module.balance(rows, temperature_findings(data()["temperature_summary"]))
    return render_page(
        TEMPLATES,
        "evidence",
        style=STYLE,
        summary=show.summary(rows),
        balance=balance,
        against=paper_module.against_in_words(balance, rows),
        rows=evidence.rows(rows),
        parts=[*dict.fromkeys(rows["part"])],
        tally=evidence.tally(rows),
        whose=show.WHOSE,
        styles=show.STYLES,
        confidence="95 %",
    )


def render_methods(note="a note", absent=None, of=CONFIG, **more):
    """The page of methods of a run that left no record."""
    sets = toy(note, of)
    origins = provenance.all_origins(ITEMS.values(), KNOWN, sets, of)
    nothing = pd.DataFrame(columns=run_page.JOB_COLUMNS).astype({"in_this_run": bool})
    values = {
        "style": STYLE,
        "styles": show.STYLES,
        "meanings": MEANINGS,
        "glossary": yaml.safe_load((ROOT / "config/ledger/glossary.yaml").read_text("utf-8"))[
            "report"
        ],
        "confidence": "95 %",
        "separate": SEPARATE,
        "well_above": WELL_ABOVE,
        "stand_ins": origins.stand_ins,
        "neighbours": origins.neighbours,
        "others": origins.others,
        "models": provenance.models_rows(
            sets, {("toy", "image"): {}}, {("toy", "image"): 3}, KNOWN, of
        ),
        "sets": sets,
        "absent": absent or {},
        "mirrored": provenance.mirrored(absent or {}, ASSETS),
        "labels": set_labels({**(absent or {}), **sets}),
        "left_out": NOT_RUN,
        "missing": {"table1.tasks HatefulMemes": ["hateful_memes"]},
        "assets": ASSETS,
        "sources": provenance.sources_rows(ASSETS, provenance.used_assets(ITEMS.values(), of)),
        "record": {},
        "summary": run_page.summary(nothing, {}, 1.0),
        "software": {"this workflow": "1"},
        "packages": run_page.packages_table(""),
        "machine": [],
        "timeline": [],
        "elapsed": "1 s",
        "rules": run_page.rules_table(run_page.by_rule(nothing)),
        "extractions": run_page.extraction_table({}, {}),
        "differences": [],
        "bench": False,
        "config": "",
    }
    return render_page(TEMPLATES, "methods", **values | more)


@pytest.fixture(scope="module")
def html():
    return render()


# What the page is made of


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_described(name):
    item = ITEMS[name]
    assert item.title and item.part and item.paper
    assert (ROOT / f"report/captions/{name}.rst").is_file()


@pytest.mark.parametrize("path", CAPTIONS, ids=lambda path: path.stem)
def test_captions_render_without_complaints(path):
    text = path.read_text(encoding="utf-8")
    html = caption_html(text, CONFIG, path.stem, SENTENCES.get(path.stem, ""))
    assert html.strip().startswith("<p>")
    assert "system-message" not in html and "{{" not in html


def test_the_reports_front_text_renders():
    text = (ROOT / "report/workflow.rst").read_text(encoding="utf-8")
    config = {**CONFIG, "taking_part": [*CONFIG["sets"]][:1]}
    assert "system-message" not in caption_html(text, config, "workflow")


@pytest.mark.parametrize("fault", ["*no end", "{{ snakemake.config['absent'] }}", "{% if %}"])
def test_a_faulty_caption_is_named(fault):
    with pytest.raises(InputError, match="figure9"):
        caption_html(fault, CONFIG, "figure9")


def test_a_caption_reads_no_file_and_no_html():
    assert "<b>" not in caption_html("so <b>bold</b>", CONFIG, "figure9")
    marks = "*a `b <http://c>`_ |d| e_ <i> http://f"
    html = caption_html("{{ snakemake.config['label'] }}", {"label": marks}, "figure9")
    assert html == "<p>*a `b &lt;http://c&gt;`_ |d| e_ &lt;i&gt; http://f</p>\n"
    for directive in (".. include:: /etc/hostname", ".. raw:: html\n\n   <script>1</script>"):
        with pytest.raises(InputError):
            caption_html(directive, CONFIG, "figure9")


def test_a_caption_takes_sentences_on_stand_ins_with_their_markup_and_numbers_as_they_are():
    config = {"n": 0.5, "label": "*emoji*", "no": None}
    source = "{{ snakemake.config['%s'] }} and {{ snakemake.config['n'] }}"
    assert caption_html(source % "stand_ins']['f", config, "f", r"*emoji* for \*x_") == (
        "<p><em>emoji</em> for *x_ and 0.5</p>\n"
    )
    assert caption_html(source % "label", config, "f") == "<p>*emoji* and 0.5</p>\n"
    # A label that the sentence has, too, is no markup by that.
    assert caption_html(source % "label", config, "f", "*emoji* for photographs") == (
        "<p>*emoji* and 0.5</p>\n"
    )
    # Without a word on stand-ins too.
    assert caption_html("{{ snakemake.config['n'] }}", {"n": 2}, "f") == "<p>2</p>\n"


def test_a_caption_does_not_depend_on_settings_of_the_machine(tmp_path, monkeypatch):
    """docutils would read a docutils.conf of the working directory."""
    (tmp_path / "docutils.conf").write_text("[general]\nsmart_quotes: yes\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert caption_html('A "word".', {}, "f") == "<p>A &quot;word&quot;.</p>\n"


def test_headings_of_a_text_begin_below_those_of_the_page():
    html = caption_html("Text.\n\nOne\n===\n\nMore.\n\nTwo\n===\n\nMore.", {}, "f")
    assert re.findall(r"<h\d>", html) == ["<h3>", "<h3>"]
    words = r"^The caption f cannot be rendered \(.*too short(?s:.*)\); correct it\.$"
    with pytest.raises(InputError, match=words):
        caption_html("A long title\n=====\n\nThe line under it is too short.", {}, "f")


def test_a_plain_table_has_headings_intervals_beside_values_and_no_source():
    table = pd.DataFrame(
        {
            "source": ["s", "s"],
            "set_name": ["a", "b"],
            "n": [12345, 6],
            "gap": [0.123456, 1.0],
            "gap_low": [0.1, 0.98765],
            "gap_high": [0.2, 1234.5],
            "high": [1.5, float("nan")],
            "other_low": [1, 2],
        }
    )
    columns = [
        Column("source", "text", "where it is from"),
        Column("set_name", "name", "its name", label="called"),
        Column("n", "count", "how many"),
        Column("gap", "length", "how far", interval=True),
        Column("high", "number", "how high"),
        Column("other_low", "number", "how low", label="how low"),
    ]
    made = plain_table(table, columns, "Words.")
    assert made.caption == "Words."
    assert made.head == ["called", "n", "gap", "high", "how low"]
    assert made.rows == [
        ["a", "12345", "0.1235 [0.1, 0.2]", "1.5", "1"],
        ["b", "6", "1 [0.9877, 1234]", "–", "2"],
    ]
    nameless = [replace(column, label="") for column in columns]
    with pytest.raises(InputError, match=r"^The column set_name is on a page but has no heading"):
        plain_table(table, nameless, "Words.")


def test_what_a_page_shows_of_a_table_has_headings():
    files = ROOT / "config/tables.yaml", registry.columns(), ROOT / "config/ledger/items.yaml"
    _, documented = load_tables(*files)
    shown = [
        next(table.columns for table in documented if table.is_at(ITEMS[name].path))
        for name in PLAIN_TABLES
    ]
    assert len(shown) == len(PLAIN_TABLES) > 4
    for columns in (*shown, *registry.columns().values()):
        headings = [column.heading for column in columns if column.name != "source"]
        assert len({*headings}) == len(headings)
        assert not any("_" in heading for heading in headings)
    assert "half angle, degrees" in [column.heading for columns in shown for column in columns]


def one_section(name="one", entry=None, found=(), **more):
    """A section of a page of one, of an invented entry of config/ledger/items.yaml."""
    about = {"title": "T?", "part": "P", "kind": "figure", "paper": ["P."], "alt": "A"}
    arguments = {
        "items": read_items({name: about | (entry or {})}),
        "made_by": {name: MAKING},
        "measured": {name: (list(found), [])},
        "captions": {name: "Words."},
        "figures": {},
        "relations": KNOWN,
        "config": CONFIG,
        "sets": {},
        "absent": {},
        "folded": {},
        "claims": CLAIMS,
        "published": lambda name: 0.5,
        "errata": [{"id": "e", "items": ["other"]}, {"id": "f", "items": ["other", "figure1"]}],
        "not_run": {},
    }
    (made,) = paper_module.sections(**arguments | more)
    return made


@pytest.mark.parametrize("vit_b32", [True, False])
def test_what_stands_in_depends_on_the_clip_that_the_paper_used_there(vit_b32):
    about = {"made_of": {"sets": "trained"}, "vit_b32": vit_b32}
    entry = {"label": "A", "weights": "trained", "inputs": "emoji_test", "encoder": "clip_vit_b16"}
    only_there = "CLIP ViT-B/16's image tower, 8-bit weights turned back into floats, for CLIP ViT"
    made = one_section("figure1", about, sets={"a": entry})
    items = read_items({"figure1": {"title": "T", "part": "P", "kind": "figure", "paper": ["P."],
                                    "alt": "A"} | about})  # fmt: skip
    everywhere = provenance.all_origins(items.values(), KNOWN, {"a": entry}, CONFIG)
    captions = sentences(items, KNOWN, {"a": entry}, CONFIG)
    for origins in (made.origins, everywhere):
        texts = [*origins.stand_ins, *origins.neighbours, *origins.others]
        assert any(text.startswith(only_there) for text in texts) is vit_b32
    assert (only_there in captions["figure1"]) is vit_b32


def test_sections_stand_in_the_order_of_their_groups_and_those_without_one_in_the_last():
    parts = [one_section(name) for name in ("a", "b", "c", "d")]
    groups = {
        "first": {"title": "First", "items": ["c", "a"]},
        "empty": {"title": "Empty", "items": ["absent"]},
        "end": {"title": "End", "items": ["b", "absent"]},
    }
    found = paper_module.grouped(parts, groups)
    assert [(one.id, one.title, [part.id for part in one.sections]) for one in found] == [
        ("first", "First", ["c", "a"]),
        ("end", "End", ["b", "d"]),
    ]
    # The last group may have none of its own.
    (only,) = paper_module.grouped(parts[3:], groups)
    assert (only.id, [part.id for part in only.sections]) == ("end", ["d"])


def test_a_section_has_what_is_known_of_it_and_nothing_else():
    made = one_section("figure1", {"method": "M *m*.", "paper": ["It is {a}."]})
    assert (made.id, made.title, made.made_by) == ("figure1", "T?", MAKING)
    assert made.paper == ["It is 0.5."]
    assert (made.caption, made.method) == ("<p>Words.</p>\n", "<p>M <em>m</em>.</p>\n")
    assert [entry["id"] for entry in made.errata] == ["f"]
    assert [claim.id for claim, _ in made.claims] == ["abstract.separate"]
    assert [(mark.verdict, n) for mark, n in made.verdicts] == [("reproduced", 1)]
    assert (made.picture, made.not_run, made.folded) == (None, "", "")
    empty = one_section("figure9", measured={})
    assert (empty.method, empty.errata, empty.claims, empty.found, empty.tables) == (
        "",
        [],
        [],
        [],
        [],
    )
    drawn = one_section("figure9", figures={"figure9": b"<svg/>"})
    assert (drawn.picture.wide, drawn.picture.alt) == ("data:image/svg+xml,<svg/>", "A")
    both = {"figure9": b"<svg/>", "figure9.narrow": b"<svg>n</svg>", "figure1.narrow": b"<svg/>"}
    assert one_section("figure9", figures=both).picture.narrow == "data:image/svg+xml,<svg>n</svg>"
    assert one_section("figure1", figures=both).picture is None
    table = Table("T.", ["a"], [["1"]])
    shown = one_section(measured={"one": ([], [table]), "two": ([], [])})
    assert (shown.tables, shown.found) == ([table], [])
    found = one_section(found=[Finding("F.", ("theorem1.holds",)), Finding("G.")]).found
    assert [(one.text, [mark.verdict for mark in marks]) for one, marks in found] == [
        ("F.", ["reproduced"]),
        ("G.", []),
    ]


def test_a_section_that_was_not_run_says_why():
    absent = {"clip": {}, "clip_random": {}}
    reason = {"reason": "It is dear.", "needs": "a week; `make it`."}
    said = "Not run. It is dear. It needs: a week; `make it`."
    absent_words = "Not run: 2 sets could not be fetched."
    for shown, not_run, words in (
        ("all", {}, absent_words),
        ("trained", {}, absent_words),
        ("training", {}, ""),
        ("training", {"one": reason}, said),
        ("all", {"one": reason}, said),
        ("all", {"other": reason}, absent_words),
    ):
        entry = {"made_of": {"sets": shown}}
        made = one_section("one", entry, absent=absent, not_run=not_run)
        assert made.not_run == words, (shown, not_run)


def test_the_caption_of_the_page_leaves_the_stand_ins_to_their_own_line():
    source = "Words. {{ snakemake.config['stand_ins']['figure1'] }}"
    made = one_section("figure1", {"made_of": {"sets": "all"}}, captions={"figure1": source})
    assert made.caption == "<p>Words.</p>\n"


def test_stand_ins_follow_the_config():
    sets = CONFIG["sets"]
    for name in ("figure1", "figure2a", "figure2c", "figure3bcd", "table1", "training"):
        origins = stand_ins(KNOWN, *makings(ITEMS[name], sets, CONFIG), CONFIG)
        assert any("emoji" in text for text in origins.stand_ins)
    assert (
        makings(ITEMS["figure2b"], sets, CONFIG)
        == makings(ITEMS["figure3g"], sets, CONFIG)
        == ([], [])
    )
    people = stand_ins(KNOWN, *makings(ITEMS["table2"], sets, CONFIG), CONFIG)
    assert people.stand_ins[0] == "emoji of people for FairFace's photographs"


def test_an_experiment_is_made_of_its_own_data():
    """What is trained on emoji alone names no digits; a whole CLIP is named by its encoder."""
    names = [name for name in ITEMS if name.startswith("experiment_")]
    assert len(names) == 4
    for name in names:
        inputs, encoders = makings(ITEMS[name], CONFIG["sets"], CONFIG)
        assert {*inputs} <= {"emoji", "emoji_test"} and "digit_clip" not in encoders, name
    config = paper_config()
    for name in ("temperature", "initialisation", "dimension"):
        encoder = config["experiments"]["models"][name]["encoder"]
        assert encoder in makings(ITEMS[f"experiment_{name}"], config["sets"], config)[1]


def test_a_neighbouring_model_is_no_stand_in():
    """ViT-B/16 for ViT-B/32 is the first, MiniLM for CLIP's text tower the second."""
    known, sets = KNOWN, CONFIG["sets"]
    made_of = makings(ITEMS["figure2a"], sets, CONFIG)
    origins = stand_ins(known, *made_of, CONFIG, vit_b32=True)
    assert "ViT-B/16 for ViT-B/32" in origins.neighbours
    assert "MiniLM for CLIP's text tower" in origins.stand_ins
    assert not set(origins.neighbours) & set(origins.stand_ins)
    assert "Neighbouring models: " in SENTENCES["figure2a"]
    # The authors' released CLIP is their own in Figure 1, and a neighbour where ViT-B/32 is meant.
    released = {name: sets[name] for name in ("clip", "clip_random", "videoclip")}
    assert stand_ins(known, *makings(ITEMS["figure1"], released, CONFIG), CONFIG) == ([],) * 3
    made_of = makings(ITEMS["figure3bcd"], released, CONFIG)
    assert stand_ins(known, *made_of, CONFIG, vit_b32=True) == (
        [],
        ["the authors' released features of CLIP ViT-B/16 for ViT-B/32"],
        [],
    )


# What the paper found


def placeholders(text):
    return [match[1] for match in paper_module.PLACEHOLDER.finditer(text)]


def test_the_papers_numbers_are_the_ledgers():
    published = partial(ledger.published, {"claims": {"a": {"published": 0.5080}}})
    assert paper_module.filled("It is {a|.4f} or {a|.1%}; {a}.", published) == (
        "It is 0.5080 or 50.8\u00a0%; 0.508."
    )
    with pytest.raises(InputError, match="no claim b"):
        paper_module.filled("It is {b}.", published)
    for name, item in ITEMS.items():
        for text in item.paper:
            assert not re.search(
                r"[{}]", paper_module.filled(text, partial(ledger.published, LEDGER))
            ), name


def test_what_the_paper_found_is_the_papers():
    """Its numbers belong to claims of its text or notebooks; nothing is marked as ours."""
    for name, item in ITEMS.items():
        for text in item.paper:
            assert "[M]" not in text, name
            for claim_id in placeholders(text):
                assert LEDGER["claims"][claim_id.partition("#")[0]]["whose"] in show.PAPERS_OWN, (
                    claim_id
                )


def numbers(value):
    """Numbers of three and more significant digits in a text, as in `.5080`, `1.067`, `3.5e-6`."""
    found = set()
    for text in re.findall(r"(?<![\w./])\d*[.,]?\d+(?:e-?\d+)?", str(value)):
        digits = text.partition("e")[0].replace(".", "").replace(",", "").lstrip("0")
        if len(digits) >= 3:
            found.add(float(text.replace(",", "")))
    return found


def test_no_number_of_the_ledger_is_typed_again():
    told = [
        text
        for one in LEDGER["claims"].values()
        for entry in (one, *one.get("evidence", []))
        for text in (entry.get("published", ""), one["statement"])
    ]
    known = {number for text in told for number in numbers(text)}
    assert 0.5556 in known and 0.8221 in known
    for name, item in ITEMS.items():
        for text in [*item.paper, item.method]:
            typed = numbers(paper_module.PLACEHOLDER.sub("", text)) & known - ALLOWED
            assert not typed, (name, typed)
    pages = [*ROOT.glob("report/templates/*.j2"), *ROOT.glob("docs/**/*.md"), ROOT / "README.md"]
    others = ("report", "stand_ins", "glossary", "not_run")
    texts = [ROOT / f"config/ledger/{name}.yaml" for name in others]
    for path in sorted([*CAPTIONS, *pages, *texts]):
        typed = numbers(path.read_text(encoding="utf-8")) & known - ALLOWED
        assert not typed, (path.name, typed)


# Sizes of the data, which are no results.
ALLOWED = {5000.0, 50000.0, 512.0, 128.0, 224.0, 256.0}


def test_nothing_but_the_ledger_holds_verdicts_and_tolerances():
    pages = (ROOT / "scripts/modality_gap/pages").rglob("*.py")
    sources = [path for path in pages if path.stem != "evidence"]  # which draws the ledger's
    templates = [ROOT / f"report/templates/{name}.html.j2" for name in ("figures", "index")]
    for path in [*sources, *templates]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"""tolerance|agrees["']|["']agrees|\.agrees""", text), path.name


NEUTRAL = {"The curves behind Table 1", "Lemma 3. Inner products before and after the ReLU"}
NEUTRAL |= {
    "Figure 3(e, f). The sphere of the simulation",
    "Supplementary 6. Statistics of Figure 2(a)",
}
NEUTRAL |= {"Supplementary 7. Figure 2(c) by PCA", "The sigmoid loss"}
NEUTRAL |= {"All models, their gap and where their loss is smallest"}
NEUTRAL |= {"Supplementary 12. The contrastive loss in pseudo-code"}
NEUTRAL |= {"Supplementary 14. Random initialisations on ImageNet"}


def test_headings_ask_or_name_and_state_no_finding():
    for name, item in ITEMS.items():
        assert item.title.endswith("?") or item.title in NEUTRAL, name


@pytest.mark.parametrize("path", CAPTIONS, ids=lambda path: path.stem)
def test_captions_are_short(path):
    """At most 60 words beside the names of the stand-ins."""
    html = caption_html(path.read_text(encoding="utf-8"), CONFIG, path.stem)
    assert len(re.sub("<[^>]+>", "", html).split()) <= 60


@pytest.mark.parametrize(
    "path", sorted((ROOT / "report/captions").glob("*.rst")), ids=lambda p: p.stem
)
def test_a_caption_calls_columns_as_the_page_heads_them(path):
    """No name of a column in a file, as `p_corrected`."""
    assert not re.search(r"``\w+_\w+``", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("config", [False, True], ids=["default", "paper"])
def test_how_it_was_made_renders(config):
    config = paper_config() if config else CONFIG
    for name, item in ITEMS.items():
        html = caption_html(item.method, config, name)
        assert "{{" not in html and "problematic" not in html, name


def test_captions_state_how_many_pairs_are_drawn():
    for name in ("figure1", "supplementary4"):
        text = (ROOT / f"report/captions/{name}.rst").read_text(encoding="utf-8")
        assert f"t most {MOST_PAIRS} pairs" in " ".join(text.split()), name


def test_figure_2as_caption_states_the_axis_that_is_drawn():
    config = copy.deepcopy(CONFIG)
    config["cone"]["axis"] = [-0.75, 0.5]
    source = (ROOT / "report/captions/figure2a.rst").read_text(encoding="utf-8")
    text = " ".join(caption_html(source, config, "figure2a").split())
    assert "200 bins from -1 to 1; the axis runs from -0.75 to 0.5" in text
    script = (ROOT / "scripts/figure2/plot_figure2a.py").read_text(encoding="utf-8")
    assert "set_xlim(snakemake.params.axis)" in script


def test_one_name():
    templates = [*(ROOT / "report/templates").glob("*.j2")]
    assert len(templates) > 8
    pages = [*templates, ROOT / "report/workflow.rst", ROOT / "README.md"]
    for path in [*pages, ROOT / "CITATION.cff"]:
        text = path.read_text(encoding="utf-8")
        assert not re.search("Mind the Gap, (?!reproduced)(repeated|again|\\w+ed)", text), path.name
        if "<title>" in text or "{% block title %}" in text or path not in templates:
            assert "Mind the Gap, reproduced" in text, path.name


# The ledger on the page


def test_marks_show_each_verdict_of_each_evidence():
    rows = claims(
        claim("a", "reproduced", evidence="paper's own: CLIP"),
        claim("a", "not seen on a stand-in", evidence="stand-in: emoji"),
        claim("b", "not seen on a stand-in", evidence="stand-in: digits; what of them"),
        claim("c", "inconclusive", evidence="stand-in: emoji"),
        claim("d", "not run", evidence=""),
    )
    found = paper_module.marks(
        ["a", "b", "c", "d", "of a user's own encoder"], paper_module.by_claim(rows)
    )
    assert [(mark.verdict, mark.on, mark.n) for mark in found] == [
        ("reproduced", "paper's own: CLIP", 1),
        ("not seen on a stand-in", "stand-in: emoji and digits", 2),
        ("inconclusive", "stand-in: emoji", 1),
        ("not run", "", 1),
    ]
    assert [mark.css for mark in found] == ["reproduced", "not-seen", "inconclusive", "not-run"]


def test_marks_of_one_verdict_lead_to_the_first_claim_and_count_claims_not_rows():
    rows = claims(
        claim("a", "differs", evidence="paper's own: CLIP"),
        claim("a", "differs", evidence="paper's own: CLIP"),
        claim("b", "differs", evidence="paper's own: ResNet"),
        claim("c", "consistent", evidence="printed numbers: a: b"),
    )
    known = paper_module.by_claim(rows)
    assert paper_module.marks(["b", "a", "c"], known) == [
        paper_module.Mark("differs", "differs", "b", "paper's own: ResNet and CLIP", 2),
        paper_module.Mark("consistent", "consistent", "c", "printed numbers: a: b", 1),
    ]
    assert paper_module.marks(["a"], known) == [
        paper_module.Mark("differs", "differs", "a", "paper's own: CLIP", 1)
    ]


def test_a_claim_with_two_verdicts_of_one_kind_of_evidence_is_counted_in_part():
    rows = claims(
        claim("a", "reproduced", evidence="paper's own: CLIP"),
        claim("a", "inconclusive", evidence="paper's own: CLIP"),
        claim("a", "not seen on a stand-in", evidence="stand-in: emoji"),
        claim("b", "reproduced", evidence="paper's own: CLIP"),
    )
    found = paper_module.marks(["a", "b"], paper_module.by_claim(rows))
    assert [(mark.verdict, mark.n, mark.partly) for mark in found] == [
        ("inconclusive", 1, 1),  # the least favourable of one kind counts
        ("reproduced", 2, 1),
        ("not seen on a stand-in", 1, 0),
    ]
    # Each claim counts by its strongest evidence, wherever this stands.
    by_id = paper_module.by_claim(rows[::-1])
    counted = paper_module.tally(
        (one, paper_module.marks([one.id], by_id)) for one in by_id.values()
    )
    assert [(mark.verdict, n) for mark, n in counted] == [("reproduced", 1), ("inconclusive", 1)]
    # Two pieces of evidence with one verdict are of one claim.
    more = pd.concat([rows, rows[:1]], ignore_index=True)
    again = paper_module.marks(["a", "b"], paper_module.by_claim(more))
    assert [(mark.n, mark.partly) for mark in again] == [(1, 1), (2, 1), (1, 0)]
    parts = (ROOT / "report/templates/parts.html.j2").read_text(encoding="utf-8")
    page = '{% from "parts" import verdicts %}{{ verdicts(marks) }}'
    shown = render_page({"parts": parts, "page": page}, "page", marks=found)
    words = unescape(re.sub(r"<[^>]*>", "", shown))
    assert "reproduced paper's own: CLIP, 2 claims (1 in part);" in words
    assert "inconclusive paper's own: CLIP, in part;" in words
    assert words.strip().endswith("emoji")


@pytest.mark.parametrize(
    ("evidence", "name"),
    [
        ("stand-in: emoji, drawn by hand; the gap", "emoji"),
        ("stand-in: emoji; the gap, halved", "emoji"),
        ("paper's own: CLIP", "CLIP"),
        ("neighbouring model: B/16: x", "B/16: x"),
        ("", ""),
    ],
)
def test_evidence_is_named_by_its_model_or_data_alone(evidence, name):
    assert paper_module.short_name(evidence) == name


def test_every_verdict_has_a_look_of_its_own():
    style = (ROOT / "report/style.css").read_text(encoding="utf-8")
    shapes = [
        re.search(rf"\.verdict\.{css}::before {{ content: (\S+);", style)[1]
        for css in show.STYLES.values()
    ]
    assert len(set(shapes)) == len(show.STYLES) == 9
    for css in show.STYLES.values():
        assert re.search(rf"^\.verdict\.{css} {{", style, re.MULTILINE), css
    assert {*paper_module.AGREEING, *paper_module.AGAINST} <= set(show.VERDICTS)


BALANCED = claims(
    claim("a", "reproduced", statement="The gap is there.", whose="notebook"),
    claim("a", "not seen on a stand-in", evidence="stand-in: emoji", whose="notebook"),
    claim("b", "inconclusive"),
    claim("c", "consistent", part="Table 2"),
    claim("d", "differs", whose="ours", statement="Our own earlier number."),
    claim("training.recall_falls_at_temperature_1", "not seen on a stand-in", part="Training"),
    claim("f", "not run", measured="", low="", high="", n="", evidence=""),
)


def test_what_speaks_against_the_paper_stands_beside_what_agrees():
    told = Finding("Recall rises.", ("training.recall_falls_at_temperature_1",), lead=True)
    quiet = Finding("The gap is 0.5.", ("a",))
    found = paper_module.balance(BALANCED, [told, quiet])
    assert [one.id for one, _, _ in found.against] == [
        "a",
        "training.recall_falls_at_temperature_1",
    ]
    assert [row["evidence"] for row in found.against[0][1]] == ["stand-in: emoji"]
    assert [sentences for _, _, sentences in found.against] == [[], ["Recall rises."]]
    agreeing = {
        part: [(one.id, [mark.verdict for mark in marks]) for one, marks in those]
        for part, those in found.agreeing.items()
    }
    assert agreeing == {
        "Figure 1": [("a", ["reproduced"])],
        "Table 2": [("c", ["consistent"])],
    }


def test_what_differs_stands_before_what_a_stand_in_does_not_show():
    unseen = claim("a", "not seen on a stand-in", evidence="stand-in: x")
    rows = claims(
        unseen,
        claim("b", "differs"),
        unseen | {"id": "c"},
        claim("c", "differs"),
        claim("e", "differs", whose="follow-up"),
    )
    told = Finding("Both.", ("nowhere", "c", "b"), lead=True)
    alone = Finding("Alone.", ("e", "a.b"), lead=True)
    found = paper_module.balance(rows, [told, alone])
    assert [(one.id, len(rows), texts) for one, rows, texts in found.against] == [
        ("b", 1, []),
        ("c", 2, ["Both."]),
        ("a", 1, []),
    ]
    groups = found.against_by_verdict()
    assert [(word, [one.id for one, _, _ in those]) for word, those in groups.items()] == [
        ("differs", ["b", "c"]),
        ("not seen on a stand-in", ["a"]),
    ]
    # What bears on no statement that differs or was not seen is not there.
    assert "Alone." not in str(found)


def test_one_sentence_counts_what_speaks_against_the_paper_and_what_the_verdicts_count():
    rows = claims(
        claim("a", "differs"),
        claim("b", "reproduced"),
        claim("b", "not seen on a stand-in", evidence="stand-in: emoji"),
        claim("c", "not seen on a stand-in", whose="notebook", evidence="stand-in: emoji"),
        claim("d", "differs", whose="recomputed", evidence="printed numbers: two"),
        claim("e", "reproduced"),
        claim("f", "differs", whose="ours"),
    )

    def words(some):
        return paper_module.against_in_words(paper_module.balance(some, []), some)

    assert words(rows) == (
        "Of the paper's statements, 1 differs and 2 were not seen on a stand-in, 1 of them beside "
        "stronger evidence. Of the paper's numbers and settings computed again, 1 differs."
    )
    # What is undecided on stronger evidence is not decided by a stand-in.
    undecided = rows.replace({"verdict": {"reproduced": "inconclusive"}})
    assert words(undecided) == words(rows)
    counted = show.counts(rows[rows["whose"].isin(show.PAPERS_OWN)])
    assert counted["differs"] + counted["not seen on a stand-in"] == 2
    assert words(rows[rows["id"] == "d"]) == (
        "Of the paper's statements, none differs. Of the paper's numbers and settings computed "
        "again, 1 differs."
    )
    assert words(rows[rows["id"] == "e"]) == (
        "Nothing that this run measured is against a statement of the paper."
    )
    assert words(rows) in re.sub(r"&#39;", "'", render_evidence(rows))


def test_what_differs_in_the_papers_own_settings_is_against_it_and_what_agrees_is_not_counted():
    rows = claims(
        claim("a", "differs", whose="recomputed"),
        claim("a", "reproduced", whose="recomputed"),
        claim("b", "consistent", whose="recomputed"),
        claim("c", "differs", whose="ours"),
    )
    found = paper_module.balance(rows, [])
    assert (found.against, found.agreeing) == ([], {})
    assert [(one.id, len(rows)) for one, rows, _ in found.recomputed] == [("a", 1)]
    assert [*found.against_in_groups()] == [paper_module.RECOMPUTED]


def test_a_claim_of_places_that_share_nothing_is_called_by_the_first():
    rows = claims(*(claim("a", "differs", where=place) for place in ("Table 1, x", "Table 2, x")))
    assert paper_module.by_claim(rows)["a"].where == "Table 1, x"
    rows = claims(*(claim("a", "differs", where=place) for place in ("A, b, c", "A, b", "A, b, d")))
    assert paper_module.by_claim(rows)["a"].where == "A, b"


def test_a_template_gets_values_as_text_and_misses_none():
    templates = {"base": "<b>{% block x %}{% endblock %}</b>\n"}
    templates["x"] = (
        "{% extends 'base' %}{% block x %}\n  {% if a %}\n{{ a }}\n  {% endif %}\n{% endblock %}"
    )
    assert render_page(templates, "x", a="<i>") == "<b>&lt;i&gt;\n</b>"
    assert render_page(templates, "x", a=paper_module.Markup("<i>")) == "<b><i>\n</b>"
    with pytest.raises(jinja2.UndefinedError):
        render_page(templates, "x")


def test_the_place_of_a_claim_with_pieces_is_what_they_share():
    places = ("Figure 2(b), ReLU, layer 1", "Figure 2(b), ReLU, layer 2")
    rows = claims(*(claim("a", "reproduced", where=place) for place in places))
    assert paper_module.by_claim(rows)["a"].where == "Figure 2(b), ReLU"
    assert (
        paper_module.by_claim(claims(claim("b", "differs", where="Table 2")))["b"].where
        == "Table 2"
    )


@pytest.mark.parametrize(
    ("verdict", "against"),
    [
        ("not seen on a stand-in", True),
        ("differs", True),
        ("inconclusive", False),
        ("same on a stand-in", False),
        ("reproduced", False),
    ],
)
def test_a_leading_sentence_is_at_the_head_only_where_its_claim_is_against(verdict, against):
    name = "training.recall_falls_at_temperature_1"
    found = temperature_findings(data()["temperature_summary"])
    (sentence,) = [one.text for one in found if name in one.claims]
    html = render_evidence(claims(claim(name, verdict), claim("a", "differs")))
    part = re.search(r'<section id="against"(.*?)</section>', html, re.DOTALL)[1]
    assert (sentence in part) == against
    assert "Other findings" not in html


def test_the_page_tells_what_speaks_against_the_paper():
    html = render_evidence(BALANCED)
    part = re.search(r'<section id="against"(.*?)</section>', html, re.DOTALL)[1]
    assert part.index("What differs or was not seen") < part.index("The gap is there.")
    assert "Our own earlier number." not in part
    assert "After fine-tuning of toy at temperature 1 recall@1" in part
    assert html.index('id="against"') < html.index('id="all"')
    # The headline counts the paper's own claims alone.
    assert re.search(r"<strong>Of 5 claims of the paper", html)


def test_a_sentence_shows_the_ledgers_verdict_and_follows_it():
    for verdict, css in show.MARKS.items():
        html = render(rows=claims(claim("abstract.separate", verdict, figure="figure1")))
        section = re.search(r' id="figure1"(.*?) id="training"', html, re.DOTALL)[1]
        sentence = re.search(r"<li>In all 2 sets the two modalities(.*?)</li>", section, re.DOTALL)
        assert f'<span class="verdict {css}">{verdict}</span>' in sentence[1]
        assert sentence[1].count('class="verdict') == 1


# The page


def test_data_is_shown_as_text():
    html = render_methods(note="<script>alert(1)</script>")
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    captions = dict.fromkeys(PARTS, "A caption with <img src=x onerror=alert(1)> in it.")
    html = render(captions=captions)
    assert "<img src=x" not in html and "&lt;img src=x" in html
    tables = data()
    tables["gap"].loc[1, "set"] = "<i>set</i>"
    assert "<i>set</i>" not in render(tables=tables)
    odd = claims(claim("abstract.separate", "differs", statement="<i>s</i>", why="<i>w</i>"))
    assert "<i>s" not in render_evidence(odd) and "<i>w" not in render_evidence(odd)


PAGES = (
    *("index.html", "evidence.html", "figures.html", "after.html", "errata.html"),
    "methods.html",
)


@pytest.mark.parametrize("make", [render, render_evidence, render_methods])
def test_a_page_asks_nothing_of_a_network(make):
    html = make()
    addresses = re.findall(r"""\s(?:src|href|srcset|action|data|poster)="([^"]+)""", html)
    assert addresses
    for address in addresses:
        assert address.startswith(
            (
                *("#", "data:image/svg+xml,", "statistics/", "tables/", "figures/"),
                *("claims.csv", "run.csv", *PAGES),
            )
        ), address
    assert "url(" not in html and "@import" not in html and "<script" not in html


def test_figures_are_embedded_with_their_text(html):
    assert html.count(render_module.embedded(SVG)) == len(FIGURES)
    for alt in re.findall(r'<img [^>]*alt="([^"]*)"', html):
        assert len(alt) > 40


def test_a_drawing_for_narrow_screens_is_embedded_if_it_is_another():
    svg = b'<svg viewBox="0 0 358 200"><text>50 % &amp; "more" #1</text></svg>'
    # A browser would drop a line break, and read an entity of the page in &amp;.
    for spaces in (True, False):
        found = render_module.embedded(svg.replace(b" viewBox", b"\nviewBox"), spaces=spaces)
        assert unquote(found.removeprefix("data:image/svg+xml,")) == svg.decode()
        assert not {*'\n"&#'} & {*found}
    made = render_module.picture("one", "A", SVG, svg)
    assert made.narrow_size == ("358", "200")
    assert " " not in made.narrow and '"' not in made.narrow and "#" not in made.narrow
    assert unquote(made.narrow.removeprefix("data:image/svg+xml,")) == svg.decode()
    assert unquote(render_module.embedded(svg).removeprefix("data:image/svg+xml,")) == svg.decode()
    assert render_module.picture("one", "A", SVG, SVG).narrow == ""


@pytest.mark.parametrize("make", [render, render_evidence, render_methods])
def test_headings_and_ids_are_in_order(make):
    html = make()
    levels = [int(level) for level in re.findall(r"<h([1-6])", html)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids)) and not [one for one in ids if " " in one]
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(ids)


def test_what_is_not_there_leaves_no_heading_and_no_caption(html):
    parts = dict(
        re.findall(
            r'<(?:article|details) id="([\w-]+)"(.*?)(?=<article id|<details id|</main)',
            html,
            re.DOTALL,
        )
    )
    for name in NOT_RUN:
        assert "<figure>" not in parts[name] and "<h4>This run" not in parts[name]
        assert "Not run in this configuration." in parts[name]
    assert "<h4>This run" not in parts["preprocessing"]
    assert "<h4>This run" in parts["theorem1"] and "<h4>This run" in parts["figure1"]


def test_sections_are_in_the_order_of_the_argument_and_each_once(html):
    listed = [name for group in REPORT["groups"].values() for name in group["items"]]
    assert len(listed) == len({*listed}) and {*listed} == {*PARTS}
    shown = re.findall(r'<(?:article|details) id="(\w+)"', html)
    assert shown == listed
    assert {*REPORT["folded"]} <= {*ITEMS}
    known = {*LEDGER["claims"]}
    for entry in REPORT["statements"]:
        assert summary.matching(entry["claims"], known)
    assert len(REPORT["statements"]) == 12 and len(REPORT["key"]) == 6


def test_what_shows_nothing_is_folded_and_says_why():
    unseen = claim("x", "inconclusive", figure="table2", why="too few faces (the value, 7)")
    rows = claims(unseen, claim("y", "inconclusive", figure="table1", why="too few"))
    html = render(rows=rows)
    assert re.search(r'<details id="table2" class="fold">.*?Nothing could be seen: too few', html)
    assert '<article id="table1"' in html  # named as one that is never folded
    straddles = claim("x", "inconclusive", figure="table2", why="the interval, [-1, 1], is on both")
    assert '<article id="table2"' in render(rows=claims(straddles))


def test_the_page_calls_the_papers_own_what_is_so():
    own = "CLIP, ResNet-18 and the data are the paper's own."
    html = render_methods()
    assert own not in html and "<i>" not in html and "Neither the paper" not in html
    config = copy.deepcopy(CONFIG)
    config["encoders"]["hub"] = {"library": "hugging_face", "label": "<i>hub</i>"}
    config["cone"]["encoders"]["text transformer"]["trained"] = "hub"
    named = "Beyond the paper: &lt;i&gt;hub&lt;/i&gt;."
    html = render_methods(of=config)
    assert own not in html and html.count(named) == 1
    assert render(config=config).count(named) == 2  # Figure 2(a), Supplementary 6
    assert own in render_methods(of=paper_config())


def test_absent_sets_are_announced(html):
    assert "could not be fetched" not in html
    absent = {name: entry for name, entry in CONFIG["sets"].items() if "released" in entry}
    html = render(absent=absent)
    shown = [name for name in PARTS if ITEMS[name].shows_sets]
    assert {"figure1", "supplementary4", "figure3a", "figure3bcd"} <= {*shown}
    assert html.count(f"Not run: {len(absent)} sets could not be fetched.") == len(shown)
    methods = render_methods(absent=absent)
    assert "MODALITY_GAP_MIRROR" in methods and "make report" in methods
    assert "released/features_clip.npy" in methods


def test_no_nan_is_shown(html):
    assert not re.search(r"\bnan\b", html, re.IGNORECASE)
    assert not re.search(
        r"\b(None|Timestamp|inf)\b", re.sub(r"<style>.*?</style>", "", html, flags=re.S)
    )


def test_numbers():
    assert (
        words_module.number(float("nan"))
        == words_module.number(None)
        == words_module.percent(None)
        == "–"
    )
    assert words_module.number(-0.0001) == "0.000" and words_module.number(-0.5, 1) == "-0.5"
    assert (
        words_module.interval(None, 1.0) == ""
        and words_module.interval(0.1, 0.2) == "[0.100, 0.200]"
    )
    assert words_module.percent(0.1234) == "12.3 %"
    assert (
        words_module.p_value(0.00001) == "<\u00a0.0001" and words_module.p_value(0.0123) == "0.012"
    )
    assert words_module.p_value(1.0) == "1" and words_module.p_value(None) == "–"
    assert words_module.fraction(0.01) == "1/100" and words_module.fraction(1.0) == "1"
    assert words_module.listed(["a", "b", "c"]) == "a, b and c" and words_module.listed([]) == "–"


def test_versions_are_those_of_the_lock():
    lock = "numpy==2.1 \\\n    --hash=sha256:00==\nscipy==1.0 ; python_version > '3'\n# via a==b\n"
    assert provenance.versions(lock, ["scipy", "numpy", "absent"]) == {
        "scipy": "1.0",
        "numpy": "2.1",
    }


def test_a_set_is_described_by_its_metadata():
    about = {"model": "toy", "weights": "a file", "weights_sha256": "ab" * 32, "dtype": "int8"}
    about |= {"extraction": {"items": 10, "items_per_s": 1.5, "infer_s": 2.0, "device": "cpu"}}
    sets = {"stitched": CONFIG["sets"]["stitched"]}
    key = ("stitched", "image")
    (row,) = provenance.models_rows(sets, {key: about}, {key: 1200}, KNOWN, CONFIG)
    assert row["sha256"] == "ab" * 6 and row["n"] == "1,200"
    assert row["model"] == "CLIP ViT-B/16 image tower (8 bit), projected to 256"
    assert row["dataset"] == "emoji, split test"
    assert (row["per_s"], row["forward_per_s"]) == ("1.5", "5.0")
    assert not any("MiniLM" in text for text in row["origins"].stand_ins)
    (row,) = provenance.models_rows(sets, {key: {}}, {key: 3}, KNOWN, CONFIG)
    assert row["sha256"] == row["per_s"] == "–"


def overlaid(overlay):
    """config/config.yaml with an overlay, as a run has it."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    update_config(config, overlay)
    return with_rows(without_nulls(config))


def paper_config():
    return overlaid(yaml.safe_load((ROOT / "config/full.yaml").read_text(encoding="utf-8")))


def test_in_the_default_only_what_others_published_is_beyond_the_paper():
    of_them = {plain(entry["label"]) for entry in CONFIG["sets"].values() if of_others(entry)}
    for name, text in SENTENCES.items():
        beyond = text.partition(f"{NEITHER}: ")[2].rstrip(".")
        assert not beyond or {*beyond.split("; ")} <= of_them, name
    for name, said in (
        ("figure2a", "for CLIP ViT-B/32 in full precision"),
        ("figure2a", "ViT-B/16 for ViT-B/32"),
        ("figure3a", "for CLIP ViT-B/32 in full precision"),
        ("table2", "for CLIP ViT-B/32 in full precision"),
        ("figure1", "in 8 bit for the one in full precision"),
    ):
        assert said in SENTENCES[name]
    assert "ViT-B/16 for" not in SENTENCES["figure1"]


# Pairs that others than the paper's authors published.
PUBLISHED = ["LAION-CLAP", "CLIP ViT-B/32 on Flickr8k"]


def test_what_is_neither_the_papers_nor_listed_is_called_so():
    row = {"library": "open_clip", "architecture": "ViT-B-32-quickgelu", "inputs": "birds"}
    row |= {"pretrained": "laion400m_e32", "label": "<b>LAION</b> *_"}
    own = {"image": "a.npy", "text": "b.npy", "label": "own vectors"}
    birds = {"format": "class_folders", "folder": "x", "files": {"archive": "birds.zip"}}
    config = overlaid(
        {"models": {"laion": row}, "pairs": {"mine": own}}
        | {"datasets": {"birds": birds}, "inputs": {"birds": {"dataset": "birds"}}}
    )
    made_of = makings(ITEMS["figure1"], config["sets"], config)
    named = ["birds", *PUBLISHED, "<b>LAION</b> *_", "embeddings of own vectors"]
    assert stand_ins(KNOWN, *made_of, config).others == named
    text = sentences(ITEMS, KNOWN, config["sets"], config)["figure1"]
    html = caption_html("{{ snakemake.config['stand_ins']['figure1'] }}", config, "figure1", text)
    assert NEITHER in text and "&lt;b&gt;LAION&lt;/b&gt; *_" in html
    # The twin of random weights is the paper's own architecture; so are OpenAI's weights.
    assert stand_ins(KNOWN, [], ["laion_random"], config) == ([], [], [])


def test_what_is_called_the_papers_is_known_to_the_assets():
    own = KNOWN["own"]
    assert set(own["files"]) <= ASSETS.keys()
    for name in own["weights"]:
        assert name == "openai" or fnmatch.filter(ASSETS, name), name


def test_the_sources_are_those_of_the_configuration():
    default, paper = (
        provenance.used_assets(ITEMS.values(), CONFIG),
        provenance.used_assets(ITEMS.values(), paper_config()),
    )
    released = {name for name, asset in ASSETS.items() if asset.get("optional")}
    wheels = {name for name, asset in ASSETS.items() if asset["kind"] == "wheel"}
    assert default == wheels | released
    vectors = {"clip_vit_b16_lvis", "clip_vit_b16_coco"}  # of config/text_vectors.yaml
    others = ASSETS.keys() - wheels - vectors
    assert paper == {name for name in others if "_sample" not in name}
    overlay = yaml.safe_load((ROOT / "config/text_vectors.yaml").read_text(encoding="utf-8"))
    assert provenance.used_assets(ITEMS.values(), overlaid(overlay)) >= vectors
    rows = provenance.sources_rows(ASSETS, paper)
    (resnets,) = (row for row in rows if "ResNet-50" in row["purpose"])
    assert resnets["name"] == "resnet50_seed01 to resnet50_seed11"
    assert resnets["from"] == "weights/resnet50/, 11 files" and resnets["mb"] == "about 200 each"
    assert len(rows) == len(paper) - 10


def test_under_the_paper_configuration_nothing_is_called_a_stand_in():
    config = paper_config()
    captions = {
        path.stem: path.read_text(encoding="utf-8")
        for path in (ROOT / "report/captions").glob("*.rst")
        if path.stem in PARTS
    }
    published = partial(ledger.published, LEDGER)
    made = paper_module.sections(
        ITEMS,
        dict.fromkeys(PARTS, MAKING),
        {},
        captions,
        {},
        {},
        KNOWN,
        config,
        config["sets"],
        {},
        claims(),
        published,
        ERRATA,
        {},
    )
    for section in made:
        assert section.origins.stand_ins == [], section.id
        # Models of others stand beside the paper's own, not for them.
        assert section.origins.others in ([], PUBLISHED), section.id
        assert not re.search("emoji|stitched|MiniLM|8 bit", section.caption), section.id


# What no paper stated


OURS = claims(
    claim("a", "reproduced", whose="ours"),
    claim("b", "same on a stand-in", whose="ours", evidence="stand-in: emoji"),
    claim("c", "consistent", whose="ours", evidence="printed numbers: two"),
    claim("d", "differs", whose="ours"),
    claim("e", "not seen on a stand-in", whose="ours", evidence="stand-in: emoji"),
    claim("f", "inconclusive", whose="ours"),
    claim("g", "not run", whose="ours", evidence=""),
    claim("h", "reproduced"),
)


def test_a_statement_that_no_paper_made_is_seen_or_not_seen():
    words = [*["seen"] * 3, *["not seen"] * 2, "inconclusive", "not run", "reproduced"]
    by_id = paper_module.by_claim(OURS)
    assert [one.rows[0]["verdict"] for one in by_id.values()] == words
    assert [one.rows[0]["judged"] for one in by_id.values()] == [*OURS["verdict"]]
    found = [paper_module.marks([name], by_id)[0] for name in by_id]
    assert [mark.verdict for mark in found] == words
    assert [mark.css for mark in found][:5] == [*["seen"] * 3, *["ours-not-seen"] * 2]
    assert (
        show.summary(OURS)[1] == "Our own, 7 more: inconclusive 1, not run 1, seen 3, not seen 2."
    )
    # Those of ours are not against the paper; a filter finds each word by itself.
    html = render_evidence(OURS)
    assert "Nothing that this run measured is against a statement of the paper." in html
    assert evidence.tally(OURS)["seen"] == 3 and evidence.tally(OURS)["reproduced"] == 1
    assert html.count('data-verdict="seen"') == 3
    assert html.count('data-verdict="reproduced"') == 1
    ranks = {row.claim["id"]: row.rank for row in evidence.rows(OURS)}
    assert ranks["d"] == ranks["e"] < ranks["h"] < ranks["a"]


def test_a_section_counts_each_claim_once_and_says_whose_it_is():
    rows = claims(
        claim("a", "reproduced", figure="one"),
        claim("a", "not seen on a stand-in", figure="one", evidence="stand-in: emoji"),
        claim("b", "same on a stand-in", figure="one", evidence="stand-in: emoji"),
        claim("c", "reproduced", figure="one", whose="notebook"),
        claim("d", "differs", figure="one", whose="ours"),
        claim("e", "consistent", figure="one", whose="recomputed"),
    )
    section = one_section(claims=rows)
    assert section.of_whom == (
        "3 claims plus 1 of its numbers and settings computed again plus 1 of our own"
    )
    counted = {mark.verdict: n for mark, n in section.verdicts}
    assert counted == {"reproduced": 2, "same on a stand-in": 1, "not seen": 1, "consistent": 1}
    assert sum(counted.values()) == len(section.claims)
    assert section.several == 1
    assert show.of_whom(["ours"]) == "1 claim of our own"
    assert show.of_whom(["ours", "paper", "ours"]) == "1 claim plus 2 of our own"
