"""Scripts that write pages, run as Snakemake runs them, on invented tables."""

import re
import runpy
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from invented import claim, claims, minimum_table, temperature_summary
from plan import script_path

from modality_gap import logs
from modality_gap.embeddings.sets import EmbeddingSet, write
from modality_gap.measures import registry

AGAINST = "training.high_temperatures_close_the_gap"


@pytest.fixture
def evidence(root, tmp_path, monkeypatch):
    """The page of evidence and the page of errata: of a claim on temperature that differs, and of
    one erratum of the paper and one of follow-ups, each computed from a table."""
    monkeypatch.setattr(logs, "log_to", lambda _: None)
    results = tmp_path / "results"
    (results / "statistics").mkdir(parents=True)
    tables = {
        "claims.csv": claims(claim(AGAINST, "differs"), claim("b", "reproduced", part="Theory")),
        "tuned.csv": temperature_summary(),
        "results/statistics/gap.csv": temperature_summary(hot_gap=0.125),
    }
    for name, table in tables.items():
        table.to_csv(tmp_path / name, index=False)
    selector = "{table: statistics/gap.csv, column: gap_after, where: {temperature: 1.0}, label: L}"
    for name, where, more in (
        ("errata", "paper", "items: [table2]"),
        ("after", "follow-ups", "section: a"),
    ):
        (tmp_path / f"{name}.yaml").write_text(
            f"errata:\n- {{id: of_{where}, in: {where}, where: W, says: S, is: I, effect: E, "
            f"{more}, computed: [{selector}]}}\n"
        )
    report = root / "report"
    inputs = SimpleNamespace(
        claims=tmp_path / "claims.csv",
        tuned=tmp_path / "tuned.csv",
        tables=[results / "statistics/gap.csv"],
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


def spaced(page):
    """With plain spaces."""
    return re.sub(r"\s+", " ", page)


def test_the_page_of_evidence(evidence):
    page = spaced(evidence[0])
    against = re.search(r'<section id="against"(.*?)</section>', page)[1]
    assert "evidence against 1 statement: 1 differ." in against
    # The sentence on the claim's own subject, from the table that the page gets for it.
    assert "the gap is 0.100 [0.090, 0.110], lower than 0.480 [0.470, 0.490]" in against
    assert "measured value and its 80 % interval" in page
    assert re.findall(r"<option>(.*?)</option>", page) == ["Figure 1", "Theory"]
    assert re.findall(r'data-verdict="(.*?)"', page) == ["differs", "reproduced"]
    assert len(re.findall(r'name="verdict"', page)) == 2
    assert "1970-01-01 · commit 0123456" in page and "workflow 7" in page


def test_the_page_of_errata(evidence):
    page = spaced(evidence[1])
    for side in ("paper", "follow-ups"):
        article = re.search(rf'<article id="of_{side}">(.*?)</article>', page)[1]
        assert "<td>0.125 [0.115, 0.135]</td>" in article
    assert "arithmetic disagree: 1 places" in page and 'and 1 of its <a href="after.html">' in page
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
    tables = {"minimum": minimum_table(), "own": own}
    for name, columns in registry.columns().items():
        ends = [f"{column.name}{end}" for column in columns for end in ("", "_low", "_high")]
        values = pd.DataFrame({end: [0.25 if name == "gap" else 0.75] * 2 for end in ends})
        tables[name] = values.assign(set=list(sets), n=[62, 63], dim=[12, 13])
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
        sets=sets, own_losses=["sigmoid"], version="7", confidence=0.8, resamples=123
    )
    snakemake = SimpleNamespace(input=inputs, output=[tmp_path / "pairs.html"], params=params)
    runpy.run_path(str(script_path(root, "write_pairs_page")), {"snakemake": snakemake})
    page = spaced((tmp_path / "pairs.html").read_text("utf-8"))
    rows = [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in re.findall(r"<tr.*?</tr>", page)
    ]
    for number, (name, side, n) in enumerate(
        [("toy", "audio", 62), ("toy", "text", 62), ("other", "audio", 63), ("other", "text", 63)]
    ):
        found = [name, side, f"file{number}.npy", "7", "0", str(n), str(n - 50)]
        assert found in rows
    assert any(row[:3] == ["toy", "8.00, the model&#39;s own", "-7.50"] for row in rows)
    assert "80 %" in page and "123" in page and "A note." in page
    drawn = re.findall(r'<section id="(figure\w+)".*?<img src="data:image/svg[^,]*,([^"]*)"', page)
    assert [name in unquote(data) for name, data in drawn] == [True] * 3
