"""Scripts that write pages, run as Snakemake runs them, on invented tables."""

import json
import re
import runpy
from html import unescape
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import test_after_page as follow_ups
import test_page as figures
import yaml
from invented import (
    CONFIG,
    claim,
    claims,
    data,
    gap_row,
    minimum_table,
    temperature_summary,
)
from markupsafe import escape
from plan import script_path

from modality_gap import logs
from modality_gap.config.losses import DECLARED_LOSSES, DeclaredLoss
from modality_gap.config.tables import load_tables
from modality_gap.embeddings.sets import EmbeddingSet, write
from modality_gap.errors import InputError
from modality_gap.measures import registry
from modality_gap.pages import explorer, render
from modality_gap.pages.summary import AXIS
from modality_gap.paper.claims import SAME
from modality_gap.paper.items import load_items
from modality_gap.paper.stand_ins import sentences

AGAINST = "training.high_temperatures_close_the_gap"


@pytest.fixture
def evidence(root, tmp_path, monkeypatch):
    """The page of evidence and the page of errata: of a claim on temperature that differs, and of
    one erratum of the paper and one of follow-ups, each computed from a table."""
    monkeypatch.setattr(logs, "log_to", lambda _: None)
    results = tmp_path / "results"
    for folder in ("statistics", "after"):
        (results / folder).mkdir(parents=True)
    released = {"quantity": ["q"], "value": [0.5], "low": [0.375], "high": [0.625]}
    tables = {
        "claims.csv": claims(
            claim(AGAINST, "differs", part="Training"), claim("b", "reproduced", part="Theory")
        ),
        "tuned.csv": temperature_summary(),
        "results/statistics/gap.csv": temperature_summary(hot_gap=0.125),
        "results/after/released.csv": pd.DataFrame(released),
    }
    for name, table in tables.items():
        table.to_csv(tmp_path / name, index=False)
    selector = "{table: statistics/gap.csv, column: gap_after, where: {temperature: 1.0}, label: L}"
    selector += ", {table: after/released.csv, column: value, where: {quantity: q}, label: R}"
    for name, where, more in (
        ("errata", "paper", "items: [table2]"),
        ("after", "follow-ups", "section: a"),
    ):
        (tmp_path / f"{name}.yaml").write_text(
            f"errata:\n- {{id: of_{where}, in: {where}, where: W, title: T, "
            f"says: S, is: I, effect: E, {more}, computed: [{selector}]}}\n"
        )
    report = root / "report"
    inputs = SimpleNamespace(
        claims=tmp_path / "claims.csv",
        tuned=tmp_path / "tuned.csv",
        tables=[results / "statistics/gap.csv", results / "after/released.csv"],
        errata=tmp_path / "errata.yaml",
        errata_after=tmp_path / "after.yaml",
        templates=[
            report / f"templates/{name}.html.j2" for name in ("base", "parts", "evidence", "errata")
        ],
        scripts=[report / f"scripts/{name}.js" for name in ("theme", "page")],
        own_script=report / "scripts/evidence.js",
        style=report / "style.css",
    )
    output = SimpleNamespace(evidence=tmp_path / "1.html", errata=tmp_path / "2.html")
    params = SimpleNamespace(confidence=0.8, version="7", record=tmp_path / "run.json")
    params.results = results
    params.record.write_text('{"started": 0, "code": {"commit": "0123456789abcdef"}}')
    snakemake = SimpleNamespace(input=inputs, output=output, params=params)
    runpy.run_path(str(script_path(root, "write_evidence")), {"snakemake": snakemake})
    return output.evidence.read_text("utf-8"), output.errata.read_text("utf-8")


def assert_style(root, page, scripts=("theme", "page")):
    """The page has its style and scripts as the files say them, with no mark replaced as in a
    text."""
    for path in ("style.css", *(f"scripts/{name}.js" for name in scripts)):
        assert (root / "report" / path).read_text("utf-8").strip() in page, path


def spaced(page):
    """With plain spaces."""
    return re.sub(r"\s+", " ", page)


def assert_pictures(root, page, names):
    """Each item has its own drawing, with its own words for who does not see it, and the drawing
    for narrow screens there."""
    items = load_items(root / "config/ledger/items.yaml")
    found = {}
    for source, image, words in re.findall(
        r'<picture>\s*<source[^>]* srcset="([^"]*)"[^>]*>\s*<img src="([^"]*)" alt="([^"]*)"', page
    ):
        shown = [re.search(r"<desc>(.*?)\.</desc>", unquote(url))[1] for url in (image, source)]
        found[shown[0]] = (spaced(unescape(words)), shown[1])
    for name in names:
        assert found[name] == (spaced(items[name].alt), f"{name}.narrow"), name


def test_the_page_of_evidence(root, evidence):
    for page, scripts in zip(evidence, (("evidence",), ()), strict=True):
        assert_style(root, page, ("theme", "page", *scripts))
    page = spaced(evidence[0])
    against = re.search(r'<section id="against"(.*?)</section>', page)[1]
    assert "statements, 1 differs." in against
    # The sentence on the claim's own subject, from the table that the page gets for it.
    assert "the gap is 0.100 [0.090, 0.110], lower than 0.480 [0.470, 0.490]" in against
    assert "measured value and its 80 % interval" in page
    assert re.findall(r"<option>(.*?)</option>", page) == ["Training", "Theory"]
    assert re.findall(r'data-verdict="(.*?)"', page) == ["differs", "reproduced"]
    assert len(re.findall(r'name="verdict"', page)) == 2
    assert "1970-01-01 · commit 0123456" in page and "workflow 7" in page


def test_the_page_of_errata(evidence):
    page = spaced(evidence[1])
    for side in ("paper", "follow-ups"):
        article = re.search(rf'<article id="of_{side}">(.*?)</article>', page)[1]
        assert "<td>0.125 [0.115, 0.135]</td>" in article
        # The ends have other names in this table.
        assert "<td>0.5 [0.375, 0.625]</td>" in article
    assert "arithmetic disagree: 1 places" in page and '; 1 of its <a href="after.html">' in page
    assert "1970-01-01 · commit 0123456" in page and "workflow 7" in page


def test_the_page_of_own_pairs(root, tmp_path, monkeypatch):
    """Each file is told on its own side, and each loss from its own table."""
    monkeypatch.setattr(logs, "log_to", lambda _: None)
    sets = {"toy": {"label": "T", "note": "A note."}, "other": {"label": "O"}}
    paths = [tmp_path / f"{name}.{side}.parquet" for name in sets for side in ("audio", "text")]
    for number, path in enumerate(paths):
        about = {"modality": path.stem.split(".")[1], "file": f"file{number}.npy", "vectors": 7}
        ids = np.array(["a"], dtype=object)
        write(EmbeddingSet(ids, np.ones((1, 3), "f4"), metadata=about), path)
    own = minimum_table().assign(own=[True, False], bias=-7.5, temperature=[0.125, 1.0])
    tables = {"minimum": minimum_table(at_end=True), "own": own}
    for name, columns in registry.columns().items():
        ends = [f"{column.name}{end}" for column in columns for end in ("", "_low", "_high")]
        values = pd.DataFrame({end: [0.25 if name == "gap" else 0.75] * 2 for end in ends})
        # Of a large set a sample alone has the other measures.
        sizes = [62, 63] if name == "gap" else [50, 51]
        tables[name] = values.assign(set=list(sets), n=sizes, dim=[12, 13])
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    for name in ("figure1", "figure3a", "figure3bcd"):
        (tmp_path / f"{name}.svg").write_text(f"<svg>{name}</svg>")
    templates = [root / f"report/templates/{name}.html.j2" for name in ("parts", "pairs")]
    inputs = SimpleNamespace(
        **{name: tmp_path / f"{name}.csv" for name in ("gap", "diagnostics", "minimum")},
        pairs=paths,
        own_losses=[tmp_path / "own.csv"],
        figures=[tmp_path / f"{name}.svg" for name in ("figure1", "figure3a", "figure3bcd")],
        templates=templates,
        style=root / "report/style.css",
        items_file=root / "config/ledger/items.yaml",
    )
    params = SimpleNamespace(
        sets=sets, own_losses=["sigmoid"], version="7", confidence=0.995, resamples=123
    )
    snakemake = SimpleNamespace(input=inputs, output=[tmp_path / "pairs.html"], params=params)
    runpy.run_path(str(script_path(root, "write_pairs_page")), {"snakemake": snakemake})
    page = (tmp_path / "pairs.html").read_text("utf-8")
    assert_style(root, page, scripts=())
    page = spaced(page)
    rows = rows_of(page)
    # The first modality of each set comes first, as in the columns a and b of its measures.
    files = [
        ("toy", "audio", 62),
        ("toy", "text", 62),
        ("other", "audio", 63),
        ("other", "text", 63),
    ]
    assert [row for row in rows if "npy" in "".join(row)] == [
        [name, side, f"file{number}.npy", "7", "0", str(n), str(n - 50)]
        for number, (name, side, n) in enumerate(files)
    ]
    assert any(row[:3] == ["toy", "8.00, the model's own", "−7.50"] for row in rows)
    assert "99.5 %" in page and "123" in page and "A note." in page
    # A minimum at the end of the sweep has its row too, without a number.
    assert ["toy", "100 in 2 batches", "0.800", "none in the sweep"] in [row[:4] for row in rows]
    drawn = re.findall(r'<section id="(figure\w+)".*?<img src="data:image/svg[^,]*,([^"]*)"', page)
    assert [name in unquote(data) for name, data in drawn] == [True] * 3


# --- figures, and the follow-ups ------------------------------------------------------------------

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>'


def drawing_of(name):
    """A drawing that says whose it is."""
    return SVG.replace("/>", f"><desc>{name}.</desc></svg>")


def rows_of(html):
    """The cells of each row of all tables."""
    return [
        [
            unescape(re.sub(r"<[^>]+>", "", cell)).strip()
            for cell in re.findall(r"<t[hd].*?</t[hd]>", row)
        ]
        for row in re.findall(r"<tr.*?</tr>", html)
    ]


def page_files(root, *templates):
    report = root / "report"
    return {
        "items_file": root / "config/ledger/items.yaml",
        "stand_ins": root / "config/ledger/stand_ins.yaml",
        "templates": [
            report / f"templates/{name}.html.j2" for name in ("base", "parts", *templates)
        ],
        "scripts": [report / f"scripts/{name}.js" for name in ("theme", "page")],
        "style": report / "style.css",
    }


def written(folder, tables):
    """Paths of tables, in a folder of their own."""
    folder.mkdir(exist_ok=True)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return [folder / f"{name}.csv" for name in tables]


def drawn(folder, names):
    paths = [folder / f"{name}{kind}.svg" for name in names for kind in ("", ".narrow")]
    for path in paths:
        path.write_text(drawing_of(path.stem))
    return paths


def tables_of_figures(root):
    """Every table that the page shows; those that are shown as they are hold other numbers."""
    columns = registry.columns()
    _, documented = load_tables(
        root / "config/tables.yaml", columns, root / "config/ledger/items.yaml"
    )
    tables = data()
    ranks = {"gap_rank": [1, 2], "rmg_rank": [1, 2]}
    about = tables["gap"][["set", "n", "dim"]]
    tables["diagnostics"] = about.assign(**with_ends(columns["diagnostics"]) | ranks)
    for name in figures.PLAIN_TABLES:
        path = figures.ITEMS[name].path
        stem = path.split("/")[-1].removesuffix(".csv")
        all_of = with_ends(next(one.columns for one in documented if one.is_at(path)))
        table = tables.get(stem, pd.DataFrame(index=[0]))
        tables[stem] = table.assign(
            **{name: value for name, value in all_of.items() if name not in table}
        )
    return tables


def with_ends(columns):
    return {f"{column.name}{end}": 0.25 for column in columns for end in ("", "_low", "_high")}


def inputs_of_figures(root, folder, own):
    tables = tables_of_figures(root)
    training = tables.pop("training")
    ledger = root / "config/ledger"
    (folder / "supplementary12.txt").write_text("the code itself")
    claimed = claims(claim("abstract.separate", "reproduced", figure="figure1"))
    return SimpleNamespace(
        **page_files(root, "figures"),
        tables=written(folder / "tables", tables),
        curves=written(folder / "curves", {"toy": training}),
        own_losses=written(folder / "own", own),
        claims=written(folder / "claims", {"claims": claimed})[0],
        captions=[root / f"report/captions/{name}.rst" for name in figures.PARTS],
        figures=drawn(folder, figures.FIGURES),
        texts=[folder / "supplementary12.txt"],
        ledger=ledger / "parts.yaml",
        ledger_schema=root / "config/schema/claims.yaml",
        tables_file=root / "config/tables.yaml",
        **{name: ledger / f"{name}.yaml" for name in ("errata", "not_run", "report")},
    )


def part_of(page, name):
    """What stands between an id and the next item's."""
    return re.split(r'<(?:article|section|details) id="', page.partition(f' id="{name}"')[2])[0]


@pytest.fixture
def write_figures(root, tmp_path, monkeypatch):
    """Write the page of figures, of sets that were trained with two losses of their own: the page,
    which may have a drawing of some length."""
    monkeypatch.setattr(logs, "log_to", lambda _: None)
    another = DeclaredLoss("margin loss", "margin", {"scale": {}, "width": {}})
    monkeypatch.setitem(DECLARED_LOSSES, "margin", another)
    own = {
        name: minimum_table().assign(own=[True, False], temperature=[hot, 1.0], **parameter)
        for name, hot, parameter in (
            ("sigmoid", 0.125, {"bias": -7.5}),
            ("margin", 0.25, {"width": 3.5}),
        )
    }
    made_by = {"rule": "r", "script": "s", "arithmetic": ["a"], "data": ["tables/d.csv"]}
    params = SimpleNamespace(
        config=CONFIG,
        version="7",
        record=tmp_path / "run.json",
        sets={"toy": figures.toy()["toy"] | {"label": "A toy"}},
        own_losses=[*own],
        made_by=dict.fromkeys(figures.PARTS, made_by),
        not_run=[*figures.NOT_RUN],
        absent={},
    )

    def write(length=0, not_run=figures.NOT_RUN, absent=(), **entry):
        params.absent = {name: {"label": "An absent one"} for name in absent}
        params.sets["toy"] |= entry
        params.not_run = [*not_run]
        inputs = inputs_of_figures(root, tmp_path, own)
        first = inputs.figures[0]
        first.write_text(first.read_text().replace("</svg>", f"{'a' * length}</svg>"))
        output = tmp_path / "page.html"
        snakemake = SimpleNamespace(input=inputs, params=params, output=[output])
        runpy.run_path(str(script_path(root, "write_figures")), {"snakemake": snakemake})
        assert_style(root, page := output.read_text("utf-8"))
        assert_pictures(root, page, figures.FIGURES)
        return page

    return write


def test_losses_of_ones_own_are_on_the_page_of_figures(write_figures):
    """Each loss that sets were trained with has a table, from its own file, below its figure."""
    page = write_figures()
    sigmoid = part_of(page, "sigmoid_loss")
    assert [row[:5] for row in rows_of(sigmoid)[1:]] == [
        ["A toy", "8.00, the model's own", "−7.50", "100", "0.800"],
        ["A toy", "1.00", "−7.50", "100", "0.800"],
    ]
    assert "<summary>Where the sigmoid loss is smallest</summary>" in sigmoid
    assert "margin loss" not in page  # which has a table, but no figure
    # No other section has a loss's table; codes and tables are where they belong.
    assert page.count("logit scale</th>") == 1
    assert "the code itself" in part_of(page, "supplementary12")
    assert page.count("the code itself") == 1
    for name in figures.PLAIN_TABLES:
        assert len(rows_of(part_of(page, name))) > 1, name
        assert part_of(page, name).count("<table") == 1, name
    # Of these alone the numbers are folded, where a sentence says what they show.
    folded = {name for name in figures.ITEMS if "<summary>All numbers" in part_of(page, name)}
    assert folded == {"published_table2", "supplementary_p_values"} < {*figures.PLAIN_TABLES}


def test_what_did_not_run_is_told_with_its_reason_where_it_was_left_out(write_figures):
    known = figures.NOT_RUN["supplementary14"]["reason"]
    words = spaced(known)[:60]
    assert words in spaced(unescape(write_figures()))
    assert words not in spaced(unescape(write_figures(not_run=["supplementary13"])))


def test_sets_that_could_not_be_fetched_are_counted(write_figures):
    words = "Not run: 2 sets could not be fetched."
    assert words in spaced(write_figures(absent=("gone", "away")))
    assert "could not be fetched" not in spaced(write_figures())


def test_sets_are_told_by_their_labels(write_figures):
    page = write_figures()
    rows = rows_of(part_of(page, "loss_minimum"))
    assert [row[0] for row in rows[1:]] == ["A toy"]
    # Beside what is measured stands the paper's value.
    rows = [row[-1] for row in rows_of(part_of(page, "figure2a"))]
    assert rows[:4] == ["their mean", "0.5556", "0.9932", "0.9993"]


def test_figures_are_folded_for_their_reasons(root, write_figures):
    """Those that the report names, each with the words that it has for it."""
    page = spaced(unescape(write_figures()))
    report = yaml.safe_load((root / "config/ledger/report.yaml").read_text(encoding="utf-8"))
    heads = re.findall(r'<details id="(\w+)" class="fold"><summary>(.*?)</summary>', page)
    told = {name: re.findall(r'<span class="quiet">(.*?)</span>', head)[0] for name, head in heads}
    for name, why in report["folded"].items():
        if name in figures.PARTS:
            assert told.get(name, "") == why, name
    assert "lemma3" in told


def test_the_page_of_figures_knows_untrained_projections(write_figures):
    page = write_figures(weights="random", projection="stitched")
    assert "with untrained projections, 0.800 [" in spaced(part_of(page, "models"))


def test_a_page_of_figures_that_no_browser_would_like_is_not_written(write_figures):
    most = 15_000_000 - len(write_figures().encode())
    assert len(write_figures(most).encode()) == 15_000_000
    with pytest.raises(InputError, match=r"^The page would be 15\.0 MB, more than 15 MB; show"):
        write_figures(most + 1)


def tables_of_after():
    """Of two published sets that retrieve and a random one; the second predicts classes."""
    about = {"model": ["The first", "The second", "R"], "n": 2000, "gap": [0.8, 0.5, 1.0]}
    able = {"recall1_ab_low": [0.4, 0.4, 0.0], "recall1_ba_low": [0.4, 0.4, 0.0]}
    several = {"recall_items_a": [60, 60, 60], "recall_items_b": [60, 20, 60]}
    gaps = follow_ups.GAPS.reset_index().assign(**about | able | several, clusters=20)
    row = {"n": 60, "clusters": 60, "p_closed": 0.3}
    ways = [(name, way) for name in ("one", "two", "none") for way in ("ba", "ab")]
    peak = pd.DataFrame(ways, columns=["set", "direction"]).assign(**row)
    peak["gap"] = peak["set"].map(dict(zip(gaps["set"], gaps["gap"], strict=True)))
    for column, value in (
        ("recall_at_gap", 0.41),
        ("recall_closed", 0.32),
        ("change_closed", -0.1),
    ):
        peak[column] = value + np.arange(len(peak)) / 100
        peak[f"{column}_low"], peak[f"{column}_high"] = value - 0.2, value + 0.5
    judged = follow_ups.check_follow_ups(follow_ups.LEDGER, {}).astype(str)
    after = follow_ups.tables("one", "two")
    return after | {"fit_sizes": follow_ups.sizes(), "measures": follow_ups.measured()}, {
        "gap": gaps, "peak": peak, "judged": judged
    }  # fmt: skip


def test_the_page_of_follow_ups(root, tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "log_to", lambda _: None)
    after, others = tables_of_after()
    # A claim of the user, and the judgement on a statement.
    study, claimed = CONFIG["loss_study"], [{"metric": "gap", "is": "lower"}]
    own = study["methods"]["clip"] | {"label": "My loss", "claims": claimed}
    others["judged"].loc[0, "verdict"] = SAME
    # Two measures of the user, of which one has a label.
    added = [after["measures"].query("measure == 'frechet'").assign(measure=name) for name in "vw"]
    after["measures"] = pd.concat([after["measures"], *added])
    paths = dict(zip(others, written(tmp_path / "others", others), strict=True))
    names = ("closing_the_gap", "mixed_gallery", "follow_up_losses")
    inputs = SimpleNamespace(
        **page_files(root, "after"),
        **paths,
        tables=written(tmp_path / "tables", after),
        captions=[root / f"report/captions/{name}.rst" for name in names],
        figures=drawn(tmp_path, names),
        follow_ups=root / "config/ledger/follow_ups.yaml",
    )
    toy = figures.toy()["toy"]
    params = SimpleNamespace(
        config=CONFIG
        | {"confidence": 0.8}
        | {"posthoc": CONFIG["posthoc"] | {"measures": {"v": {"label": "My measure"}, "w": {}}}}
        | {"loss_study": study | {"methods": study["methods"] | {"mine": own}}},
        version="7",
        record=tmp_path / "run.json",
        sets={
            name: toy | {"label": f"Set {name}", "weights": weights}
            for name, weights in (("one", "trained"), ("two", "trained"), ("none", "random"))
        },
        published=["two", "one"],
        temperature_alone=["clip", "cua"],
    )
    snakemake = SimpleNamespace(input=inputs, params=params, output=[tmp_path / "page.html"])
    runpy.run_path(str(script_path(root, "write_after")), {"snakemake": snakemake})
    page = (tmp_path / "page.html").read_text("utf-8")
    assert_style(root, page)
    page = spaced(page)
    # A published model each, by what its second modality is.
    closing = re.findall(r"<li>(The .*?)</li>", part_of(page, "closing"))
    for says, (model, score, gap) in zip(
        closing,
        [("The first", "recall@1 0.420", 0.8), ("The second", "zero-shot accuracy 0.440", 0.5)],
        strict=True,
    ):
        assert says.startswith(f"{model}: {score} at its own gap of {gap:.3f}, ")
    assert "not shown to change in 2 (The first, The second)" in page
    # The gap of all pairs, and the dimension, of each set.
    wholes = re.findall(r"<caption>[^<]*that of all 2,000 pairs is (\S+)\.</caption>", page)
    assert wholes == ["0.800", "0.500"]
    assert re.findall(r"<caption>Set (\w+)\. Fitted on 20 pairs, 0\.50 per dimension", page) == [
        "one",
        "two",
    ]
    assert ["centring", "gap left", "0.250 [0.150, 0.350]", "0.125 [0.025, 0.225]"] in rows_of(page)
    assert "Set one: centring leaves 0.250" in page
    heads = [row for row in rows_of(part_of(page, "measures")) if row[0] == "measure"]
    assert heads == [["measure", "Set one, n 60", "Set two, n 60"], ["measure", "Set none, n 60"]]
    told = {row[0].partition(" ")[0] for row in rows_of(part_of(page, "measures"))}
    assert {"My", "w"} <= told and "v" not in told
    losses = part_of(page, "losses")
    assert "Temperature, fixed or learnt, 0.010 to 0.050: gap 0.800" in losses
    assert "means with 80 % intervals over seeds" in losses
    assert "1 of 1 method narrows the gap" in losses
    assert_pictures(root, page, names)
    assert "My loss: gap is lower than with its baseline." in page
    # Of the paper and of the statement, beside the words that explain it.
    assert part_of(page, "follow-ups").count("same direction") == 3
    assert page.count('<div class="card">') == 3 and "workflow 7" in page
    # Each caption has the sentence on the stand-ins of its own figure.
    relations = yaml.safe_load(inputs.stand_ins.read_text("utf-8"))
    said = sentences(load_items(inputs.items_file), relations, params.sets, params.config)
    assert len({said[name] for name in names}) > 1
    for name, part in zip(names, ("closing", "mixed", "losses"), strict=True):
        assert spaced(said[name]) in unescape(part_of(page, part)), name
    for entry in follow_ups.LEDGER["untestable"]:
        assert spaced(escape(entry["why"])) in page
    for words in follow_ups.LEDGER["not_claimed"]:
        assert spaced(escape(words)) in page


# --- the summary ----------------------------------------------------------------------------------


@pytest.fixture
def write_index(root, tmp_path, monkeypatch):
    """Write the summary of two sets of the paper, of which one was released, and of one of ours:
    what its template was given, and the page."""
    monkeypatch.setattr(logs, "log_to", lambda _: None)
    given, real = {}, render.render_page

    def render_page(*files, **values):
        given.update(values)
        return real(*files, **values)

    monkeypatch.setattr(render, "render_page", render_page)
    tables = data()
    rows = [("ours", "toy", 0.5, 7), ("own", "The own", 0.75, 8), ("again", "The other", 1.0, 9)]
    tables["gap"] = pd.DataFrame(
        gap_row(name, gap=gap, low=gap - 0.1, high=gap + 0.1, model=model) | {"n": n}
        for name, model, gap, n in rows
    )
    tables["recall_peak"] = tables["recall_peak"].assign(set="own")
    (tmp_path / "moves.js").write_text("moves();")
    (tmp_path / "run.json").write_text('{"started": 0, "code": {"commit": "0123456789abcdef"}}')
    ledger = root / "config/ledger"
    report = yaml.safe_load((ledger / "report.yaml").read_text(encoding="utf-8"))
    asked = [name for entry in report["statements"] for name in entry["claims"]]
    asked += [clause["claim"] for clause in report["headline"]]
    asked += [name for ids in report["key"].values() for name in ids]
    asked = [*dict.fromkeys(name.replace("*", "x") for name in asked)]

    def write(evidence="paper's own: toy", released=("own",), charts=()):
        (tmp_path / "charts.json").write_text(json.dumps(dict(charts)))
        claimed = [claim(name, "reproduced") for name in asked]
        claimed[0] = claim(asked[0], "reproduced", evidence=evidence)
        claimed.append(claim("b", "differs", part="Theory"))
        inputs = SimpleNamespace(
            **page_files(root, "index", "explorer"),
            tables=written(tmp_path / "tables", tables),
            claims=written(tmp_path / "claims", {"claims": claims(*claimed)})[0],
            figures=drawn(tmp_path, report["key"]),
            report=ledger / "report.yaml",
            citation=root / "CITATION.cff",
            explorer=tmp_path / "charts.json",
            explorer_scripts=[tmp_path / "moves.js"],
        )
        params = SimpleNamespace(
            papers=["own", "again"],
            released=released,
            sets={
                "ours": {"weights": "random", "projection": "p"},
                "own": {"weights": "trained"},
                "again": {"weights": "trained"},
            },
            version="7",
            record=tmp_path / "run.json",
        )
        output = tmp_path / "index.html"
        snakemake = SimpleNamespace(input=inputs, params=params, output=[output])
        runpy.run_path(str(script_path(root, "write_index")), {"snakemake": snakemake})
        assert_style(root, page := output.read_text("utf-8"))
        assert_pictures(root, page, report["key"])
        return given, spaced(page)

    return write


@pytest.mark.parametrize("kind", ["stand-in", "neighbouring model"])
def test_the_summary_is_of_its_claims_and_tables(root, write_index, kind):
    given, page = write_index(f"{kind}: toy")
    # It warns of stand-ins and of neighbouring models where a claim rests on one.
    warned = given["stand_ins"], given["neighbours"]
    assert warned == (kind == "stand-in", kind == "neighbouring model")
    assert [row.model for row in given["gaps"]] == ["The own", "The other", "toy"]
    assert [row.own for row in given["gaps"]] == [True, True, False]
    assert given["axis_end"] == f"{max(AXIS, 1):g}"
    assert given["own_from"] == "its authors' features of 8 pairs or run here"
    assert {part.name: part.counts["differs"] for part in given["parts"]} == {
        "Figure 1": 0, "Theory": 1
    }  # fmt: skip
    assert "Of the paper's statements, 1 differs" in unescape(page)
    assert given["explorer"] is None and 'id="explorer"' not in page and "moves();" not in page
    assert [mark.verdict for mark in given["key"][0]["marks"]] == ["reproduced"]
    assert "1970-01-01 · commit 0123456" in page and "workflow 7" in page
    report = yaml.safe_load((root / "config/ledger/report.yaml").read_text(encoding="utf-8"))
    assert len(given["statements"]) == len(report["statements"]) > 9
    # The entry of the set says what is untrained.
    starts = {row.model: row.start for row in given["gaps"]}
    assert starts == {"The own": "", "The other": "", "toy": "untrained projections"}
    assert "arXiv 2203.02053" in page and "@" in given["cite"]["bibtex"]


def test_the_summary_tells_what_the_models_of_the_explorer_have(write_index, monkeypatch):
    """The remedies of the first model that retrieves, and the explorer's own script."""
    monkeypatch.setattr(explorer, "embedded", lambda charts: None)
    remedy = {"method": "centre", "gap": 0.0625, "n_scored": 1250}
    remedy |= {"change": {"ab": [-0.004, -0.052, 0.045]}}
    _, page = write_index(charts={"models": [{"set": "own", "remedies": [remedy]}]})
    assert "moves();" in page and "On held-out pairs (n 1,250)" in page


def test_a_summary_of_a_run_without_a_record_says_so(write_index, tmp_path):
    (tmp_path / "run.json").unlink()
    _, page = write_index()
    assert "date not recorded · commit not recorded" in page and "workflow 7" in page


def test_the_summary_says_whose_features_all_are(write_index):
    given, _ = write_index(released=())
    assert given["own_from"] == "run here"
    given, _ = write_index(released=("own", "again"))
    assert given["own_from"] == "its authors' features of 8 to 9 pairs"
