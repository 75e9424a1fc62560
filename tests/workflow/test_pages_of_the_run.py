"""What the pages of the small run say, against its tables and figures."""

import html
import json
import re
from urllib.parse import unquote

import pandas as pd
import pytest
import yaml
from conftest import ROOT
from test_values import Run

from modality_gap.config.tables import load_tables
from modality_gap.measures import registry

# What the pages call the verdict on a statement of our own.
OURS = {
    **dict.fromkeys(("reproduced", "consistent", "same on a stand-in"), "seen"),
    **dict.fromkeys(("differs", "not seen on a stand-in"), "not seen"),
}
VERDICT = re.compile(r'<span class="verdict [\w-]+">([^<]+)</span>')


@pytest.fixture(scope="module")
def run(small_run):
    return Run(small_run.folder)


@pytest.fixture(scope="module")
def pages(run) -> dict[str, str]:
    """Each page without its style and its scripts."""
    names = ("index", "evidence", "figures", "after", "errata", "methods")
    return {
        name: re.sub(
            r"<(style|script)\b.*?</\1>",
            "",
            (run.results / f"{name}.html").read_text(encoding="utf-8"),
            flags=re.DOTALL,
        )
        for name in names
    }


def test_every_page_has_its_style_as_the_file_says_it(run, pages):
    style = (ROOT / "report/style.css").read_text(encoding="utf-8").strip()
    for name in pages:
        assert style in (run.results / f"{name}.html").read_text(encoding="utf-8"), name


@pytest.fixture(scope="module")
def claims(run) -> pd.DataFrame:
    table = pd.read_csv(run.results / "claims.csv", dtype=str, keep_default_na=False)
    ours = table["whose"] == "ours"
    return table.assign(verdict=table["verdict"].where(~ours, table["verdict"].replace(OURS)))


def plain(part: str) -> str:
    """Its words."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part))).strip()


def section(page: str, name: str) -> str:
    """An element with an id, up to the next section."""
    start = page.index(f'id="{name}"')
    ends = [page.find(end, start) for end in ("</section>", "</article>")]
    return page[start : min(end for end in ends if end > 0)]


def cells(page: str) -> list[list[str]]:
    """The words of each row of a table."""
    return [
        [plain(cell) for cell in re.findall(r"<t[hd]\b.*?</t[hd]>", row, re.DOTALL)]
        for row in re.findall(r"<tr\b.*?</tr>", page, re.DOTALL)
    ]


def test_no_heading_is_the_name_of_a_column(run, pages):
    folder = run.results.parent / "config"
    files = folder / "tables.yaml", registry.columns(), folder / "ledger/items.yaml"
    columns = [column for table in load_tables(*files)[1] for column in table.columns]
    chosen = {column.label for column in columns}
    raw = {name for one in columns for name in one.names if "_" in name}
    names = raw | {name.replace("_", " ") for name in raw}
    assert "p mcnemar least holm" in names
    for page in pages.values():
        headings = {plain(one) for one in re.findall(r"<th scope=\"col\".*?</th>", page, re.DOTALL)}
        assert sorted(headings & (names - chosen)) == []


def test_intervals_are_of_the_confidence_of_the_run(run, pages):
    level = f"{100 * run.config['confidence']:g} % interval"
    assert level in plain(section(pages["methods"], "statistics"))
    assert level in plain(pages["evidence"])
    for page in pages.values():
        assert set(re.findall(r"[\d.]+ % interval", plain(page))) <= {level}


def test_each_figure_is_its_file_for_wide_and_for_narrow_screens(run):
    files = {
        path.read_text(encoding="utf-8").replace("\n", " "): path.name.removesuffix(".svg")
        for path in sorted((run.results / "figures").glob("*.svg"))
    }
    seen, both = {"figures": set(), "after": set(), "index": set()}, 0
    for page, names in seen.items():
        text = (run.results / f"{page}.html").read_text(encoding="utf-8")
        for picture in re.findall(r"<picture>.*?</picture>", text, re.DOTALL):
            wide, narrow = (
                [files[unquote(url)] for url in re.findall(pattern, picture)]
                for pattern in (
                    r'<img src="data:image/svg\+xml,([^"]*)"',
                    r'srcset="data:image/svg\+xml,([^"]*)"',
                )
            )
            (name,) = wide
            assert not name.endswith(".narrow") and narrow in ([], [f"{name}.narrow"]), page
            both += bool(narrow)  # a folded one has the wide drawing alone
            names.add(name)
    report = yaml.safe_load((ROOT / "config/ledger/report.yaml").read_text(encoding="utf-8"))
    assert seen["index"] == {*report["key"]}
    assert {"mixed_gallery", "follow_up_losses"} <= seen["after"]
    assert len(seen["figures"]) > 20 and both > 10


def test_the_page_of_evidence_has_the_lines_of_the_claims(pages, claims):
    rows = re.findall(r"<tr id=.*?</tr>", pages["evidence"], re.DOTALL)
    rows += re.findall(r"<tr data-place=.*?</tr>", pages["evidence"], re.DOTALL)
    assert len(rows) == len(claims)
    found = [(VERDICT.search(row)[1], re.search(r'data-part="([^"]*)"', row)[1]) for row in rows]
    assert sorted(found) == sorted(zip(claims["verdict"], claims["part"], strict=True))
    # Those that a reader can choose, each with its number.
    chips = re.findall(r'<label class="chip">(.*?)</label>', pages["evidence"], re.DOTALL)
    for verdict, n in claims["verdict"].value_counts().items():
        assert any(plain(chip) == f"{verdict} {n}" for chip in chips), verdict
    choice = re.search(r'<select name="part">(.*?)</select>', pages["evidence"], re.DOTALL)[1]
    options = [plain(one) for one in re.findall(r"<option.*?</option>", choice)]
    assert options == ["all", *dict.fromkeys(claims["part"])]


def test_claims_are_counted_once_each(pages, claims):
    """A claim with several pieces of evidence is one; it was not run if none of them was."""
    own = claims[claims["whose"].isin(["paper", "notebook"])]
    by_id = own.groupby("id")["verdict"].agg(set)
    not_run = sum(verdicts == {"not run"} for verdicts in by_id)
    head = plain(re.search(r"<header.*?</header>", pages["evidence"], re.DOTALL)[0])
    total, said, last = re.search(
        r"Of (\d+) claims of the paper: (.*?), not run (\d+)", head
    ).groups()
    assert (int(total), int(last)) == (len(by_id), not_run)
    found = {
        verdict: int(n)
        for verdict, n in re.findall(r"([a-z -]+?) (\d+)(?: \(.*?\))?(?:, |$)", said)
    }
    assert sum(found.values()) == len(by_id) - not_run
    legend = plain(re.search(r'<p class="legend">(.*?)</p>', pages["index"], re.DOTALL)[1])
    for verdict, n in found.items():
        assert f"{verdict} {n}" in legend
        assert n <= sum(verdict in verdicts for verdicts in by_id)
    assert f"not run {not_run}" in legend
    parts = re.findall(r"<td>(\d+) of (\d+)</td>", pages["index"])
    assert len(parts) == own["part"].nunique()
    assert sum(int(n) for _, n in parts) == len(by_id)
    assert sum(int(n) for n, _ in parts) == len(by_id) - not_run


def test_the_summary_counts_the_claims_and_draws_the_gaps(run, pages):
    gaps = run.table("statistics/gap.csv").set_index("set")
    table = cells(re.search(r'<table class="gaps">.*?</table>', pages["index"], re.DOTALL)[0])[1:]
    by_label = {}
    for name, row in gaps.iterrows():
        by_label.setdefault(run.sets[name]["label"], {})[row["weights"]] = row["gap"]
    assert len(table) == len(by_label)
    places = re.findall(r'<i class="(\w+)" style="left: ([\d.]+)%">', pages["index"])
    end = float(re.search(r"From 0 to ([\d.]+):", plain(pages["index"]))[1])
    assert end >= gaps["gap"].max()
    for label, _, random, trained in table:
        # More may be told of the model behind its name.
        values = by_label[next(one for one in by_label if label.startswith(one))]
        for cell, weights in ((random, "random"), (trained, "trained")):
            assert cell == (f"{values[weights]:.2f}" if weights in values else "–")
    drawn = sorted((weights, float(place)) for weights, place in places)
    wanted = sorted((row["weights"], 100 * row["gap"] / end) for _, row in gaps.iterrows())
    assert [weights for weights, _ in drawn] == [weights for weights, _ in wanted]
    assert [at for _, at in drawn] == pytest.approx([at for _, at in wanted], abs=0.01)
    answers = plain(section(pages["index"], "answers"))
    assert re.search(rf"above 0 in (all|\d+ of the) {len(gaps)} sets", answers)
    evidence = run.table("claims.csv")["evidence"].fillna("")
    warned = "decides nothing about its numbers." in plain(pages["index"])
    assert warned == evidence.str.startswith("stand-in").any()
    assert 'id="explorer"' in pages["index"]


def test_errata_are_computed_from_the_tables(run, pages):
    gap = run.table("statistics/gap.csv").set_index("set")
    found = gap.loc["stitched", ["gap", "gap_low", "gap_high"]]
    shown = [row[2] for row in cells(section(pages["errata"], "squared_distance"))[1:]]
    assert "{:.4g} [{:.4g}, {:.4g}]".format(*found) in shown
    angles = run.table("statistics/sphere.csv")
    rows = {row[0]: row[2] for row in cells(section(pages["errata"], "spacing"))[1:]}
    for spacing in (15, 20):
        part = angles[
            (angles["spacing_deg"] == spacing)
            & angles["mismatched"]
            & (abs(angles["temperature"] - 0.01) < 1e-9)
        ]
        at = abs(part.loc[part["loss"].idxmin(), "delta_theta_deg"])
        assert rows[f"minimum at 1/100, {spacing} degrees"] == f"{at:g}"


def test_the_page_of_follow_ups_has_the_tables_of_the_losses(run, pages):
    summary = run.table("after/losses_summary.csv").set_index("method")
    changes = run.table("after/losses_difference.csv").set_index(["method", "metric"])
    base = run.config["loss_study"]["baseline"]
    rows = cells(section(pages["after"], "losses"))
    found = {row[0]: row for row in rows[1:] if len(row) == len(rows[0])}
    for name, row in summary.iterrows():
        _, temperature, gap, squared, change, recall, _, verdict, accuracy, _ = found[row["label"]]
        ends = (f"{row[f'gap{end}']:.3f}" for end in ("", "_low", "_high"))
        assert gap.replace("−", "-") == "{} [{}, {}]".format(*ends)
        assert recall.split()[0] == f"{row['recall1']:.3f}"
        assert accuracy.split()[0] == f"{row['zero_shot']:.3f}"
        assert float(temperature) == pytest.approx(row["temperature"], abs=6e-4)
        assert float(squared.replace("−", "-")) == pytest.approx(row["gap_squared"], abs=6e-4)
        if (name, "gap") not in changes.index:
            assert (change, verdict) == ("–", "–")
            continue
        of_gap, of_recall = changes.loc[(name, "gap")], changes.loc[(name, "recall1")]
        assert float(change.split()[0].replace("−", "-")) == pytest.approx(
            of_gap["difference"], abs=6e-4
        )
        low, high = (of_recall[f"difference_{end}"] for end in ("low", "high"))
        if summary.loc[base, "recall1"] < 0.05:
            assert verdict == "no verdict"
        elif low > -0.03 and high < 0.03:
            assert verdict == "unchanged"
        else:
            assert verdict == ("changed" if low > 0.03 or high < -0.03 else "inconclusive")
    # The temperature alone: the baseline and what differs from it in nothing else.
    text = plain(section(pages["after"], "losses"))
    (said,) = re.findall(r"Temperature, fixed or learnt, ([\d.]+) to ([\d.]+): gap ([\d.]+)", text)
    methods = run.config["loss_study"]["methods"]
    alone = [
        name
        for name, entry in methods.items()
        if name in summary.index and entry.get("loss") == methods[base]["loss"]
        and not set(entry) - {"loss", "temperature", "label"}
    ]  # fmt: skip
    ordered = summary.loc[alone].sort_values("temperature")
    assert float(said[0]) == pytest.approx(ordered["temperature"].iloc[0], abs=6e-4)
    assert float(said[1]) == pytest.approx(ordered["temperature"].iloc[-1], abs=6e-4)
    assert float(said[2]) == pytest.approx(ordered["gap"].iloc[0], abs=6e-4)


def test_the_page_of_follow_ups_has_its_verdicts(run, pages):
    judged = pd.read_csv(run.results / "after/follow_ups.csv", dtype=str, keep_default_na=False)
    found = VERDICT.findall(section(pages["after"], "follow-ups"))
    for verdict in ("inconclusive", "not run"):
        assert found.count(verdict) >= (judged["verdict"] == verdict).sum(), verdict


def test_the_page_of_follow_ups_has_the_measures_and_what_stands_in(run, pages):
    measures = run.table("after/measures.csv").set_index(["measure", "set"])["value"]
    rows = [row for row in cells(section(pages["after"], "measures")) if len(row) > 1]
    wanted = {
        weights: [
            f"{measures['mutual_knn', name]:.3f}"
            for name, entry in run.sets.items()
            if entry["weights"] == weights
        ]
        for weights in ("trained", "random")
    }
    found = [
        [cell.split()[0] for cell in row[1:]]
        for row in rows
        if row[0] == "mutual nearest neighbours"
    ]
    assert found == [wanted["trained"], wanted["random"]]
    assert "Stand-ins: emoji for photographs" in plain(section(pages["after"], "mixed"))


def test_the_methods_page_tells_what_ran(run, pages):
    record = json.loads((run.results / "run.json").read_text(encoding="utf-8"))
    jobs = pd.read_csv(run.results / "run.csv")
    # A file that was at hand was not fetched.
    ran = [job for job in record["jobs"] if (run.results.parent / job["benchmark"]).exists()]
    planned = {job["log"]: job for job in ran if job["rule"] != "write_methods"}
    assert len(jobs) == len(planned) > 80
    assert sorted(jobs["job"]) == sorted(
        log.partition("results/logs/")[2].removesuffix(".log") for log in planned
    )
    rules = {row[0] for row in cells(section(pages["methods"], "rules"))}
    assert set(jobs["rule"]) <= rules
    by_job = {
        log.partition("results/logs/")[2].removesuffix(".log"): planned[log] for log in planned
    }
    for row in jobs.to_dict("records"):
        job = by_job[row["job"]]
        assert (row["rule"], row["in_this_run"]) == (job["rule"], job["planned"])
        written = (run.results.parent / job["benchmark"]).stat().st_mtime
        assert abs(pd.Timestamp(row["finished"]).timestamp() - written) < 2
    extracted = [row for row in cells(pages["methods"]) if row[-1:] and row[-1].endswith(" UTC")]
    assert len(extracted) > 20
    for name, *_, finished in extracted:
        written = (run.results / f"embeddings/{name}.parquet").stat().st_mtime
        assert abs(pd.Timestamp(finished.replace(" UTC", "Z")).timestamp() - written) < 2, name
    for name, entry in run.sets.items():
        for side in ("image", "text"):
            n = len(run.frame(name, side))
            rows = [row for row in cells(section(pages["methods"], "models")) if name in row[0]]
            assert any(f"{n:,}" in cell for row in rows for cell in row), (name, side)
        assert entry["label"] in pages["methods"]
    default = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    rows = cells(section(pages["methods"], "config"))
    for key in ("seed", "sample", "confidence"):
        assert [key, str(default[key]), str(run.config[key])] in rows, key


def test_every_page_says_of_which_run_it_is(run, pages):
    record = json.loads((run.results / "run.json").read_text(encoding="utf-8"))
    date = pd.Timestamp(record["started"], unit="s").date().isoformat()
    for name, page in pages.items():
        said = re.search(r"<p>([\d-]+) · commit [^·]+ · ([^·]+) · workflow ([\d.]+)</p>", page)
        assert said, name
        assert said.groups()[:2] == (date, "configuration: default with tests/small.yaml"), name


def test_pages_of_earlier_names_lead_to_their_successors(run):
    for old, new in (
        ("paper", "figures"),
        ("claims", "evidence"),
        ("models", "figures"),
        ("run", "methods"),
    ):
        page = (run.results / f"{old}.html").read_text(encoding="utf-8")
        assert f'url={new}.html"' in page and f'<a href="{new}.html">' in page, old


def test_sentences_on_the_figures_have_the_numbers_of_the_tables(run, pages):
    gap = run.table("statistics/gap.csv").set_index("set")
    text = plain(section(pages["figures"], "figure1"))
    trained = gap[gap["weights"] == "trained"]
    for extreme in (trained["gap"].min(), trained["gap"].max()):
        assert f"{extreme:.2f}" in text
    # What the authors' notebooks print.
    rows = {row[0]: row[-1] for row in cells(section(pages["figures"], "figure2a"))}
    for encoder, mean in (
        ("convolutional network", "0.9993"),
        ("vision transformer", "0.9366"),
        ("text transformer", "0.4112"),
    ):
        assert rows[f"{encoder}, random weights, noise inputs"] == mean
    text = plain(section(pages["figures"], "training"))
    for model in ("stitched", "digit_clip"):
        curve = run.table(f"statistics/training/{model}.csv").dropna(subset=["gap"])
        first, last = curve.iloc[0], curve.iloc[-1]
        for name in ("gap", "recall1"):
            assert f"from {first[name]:.3f} to {last[name]:.3f}" in text, (model, name)
    table = run.table("statistics/cone_areas.csv")
    text = plain(section(pages["figures"], "cone_areas"))
    assert all(f"{value:.4g}" in text for value in table["half_angle_deg"])
    code = (run.results / "texts/supplementary12.txt").read_text(encoding="utf-8")
    assert "def contrastive_loss" in code
    assert html.escape(code.splitlines()[1]) in section(pages["figures"], "supplementary12")


def test_the_page_of_figures_has_whole_tables_and_names_what_was_not_run(run, pages):
    for name, file in (
        ("cone_areas", "statistics/cone_areas.csv"),
        ("preprocessing", "tables/preprocessing.csv"),
    ):
        rows = cells(section(pages["figures"], name).partition("</table>")[0])
        assert len(rows) == 1 + len(run.table(file)), name
    labels = [run.config["encoders"][name]["label"] for name in run.table(file)["encoder"]]
    assert [row[0] for row in rows[1:]] == labels
    gaps = run.table("statistics/gap.csv")
    rows = cells(section(pages["figures"], "models").partition("</table>")[0])[1:]
    for row, name in zip(rows, gaps["set"], strict=True):
        assert row[0].startswith(run.sets[name]["label"])
    for row, gap in zip(rows, gaps["gap"], strict=True):
        assert row[3].startswith(f"{gap:.3f} [")
    absent = len([name for name in run.config["sets"] if name not in run.sets])
    assert f"Not run: {absent} sets could not be fetched." in plain(
        section(pages["figures"], "figure1")
    )
    report = yaml.safe_load((ROOT / "config/ledger/report.yaml").read_text(encoding="utf-8"))
    for name in ("lemma3", "preprocessing", "supplementary4"):
        folded = pages["figures"].partition(f'id="{name}" class="fold"')[2]
        assert report["folded"][name] in plain(folded[:600]), name
    not_run = yaml.safe_load((ROOT / "config/ledger/not_run.yaml").read_text(encoding="utf-8"))
    for study, entry in not_run.items():
        if not run.config["supplement"]["seed_studies"][study]:
            words = plain(section(pages["figures"], study))
            assert f"Not run. {entry['reason'].split('.')[0]}" in words, study
