"""The reading page: right numbers, verdicts that follow them, nothing unescaped, nothing online."""

import base64
import copy
import fnmatch
import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from snakemake.utils import update_config

from modality_gap import page
from modality_gap.configuration import with_rows, without_nulls
from modality_gap.errors import InputError
from modality_gap.stand_ins import NEITHER, sentences

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
FOUND = yaml.safe_load((ROOT / "report/paper_found.yaml").read_text(encoding="utf-8"))
CONFIG["stand_ins"] = sentences(FOUND, CONFIG["sets"], CONFIG)
ASSETS = yaml.safe_load((ROOT / "config/assets.yaml").read_text(encoding="utf-8"))
RULES = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk"))
FIGURES = re.findall(r'"(\w+)"', re.search(r"FIGURES = \[(.*?)\]", RULES, re.DOTALL)[1])
PLAIN_TABLES = re.findall(r'"(\w+)"', re.search(r"PLAIN_TABLES = \[(.*?)\]", RULES, re.DOTALL)[1])
NOT_RUN = yaml.safe_load((ROOT / "config/not_run.yaml").read_text(encoding="utf-8"))
PARTS = [*FIGURES, "table1", "table2", *PLAIN_TABLES, *NOT_RUN]
TEMPLATES = {
    name: (ROOT / f"report/{name}.html.j2").read_text(encoding="utf-8")
    for name in ("base", "tables", "paper", "claims", "errata", "models")
}
CLAIM = {"id": "a.claim", "statement": "It holds.", "verdict": "reproduced"}
CLAIM |= {"css": "reproduced", "measured": "0.5", "interval": "[0.4,\u00a00.6]", "n": "7"}
CLAIM |= {"evidence": "paper's own: toy data"}
CAPTIONS = sorted((ROOT / "report/captions").glob("*.rst"))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>'


def gap_row(name, weights="trained", gap=0.8, low=0.79, high=0.81, recall=0.3, **more):
    row = {"set": name, "model": "toy", "weights": weights, "n": 100, "dim": 8, "gap": gap}
    row |= {"gap_low": low, "gap_high": high, "separability": 1.0, "separability_n": 100}
    for side in "ab":
        row |= {f"mean_cosine_{side}{end}": 0.5 for end in ("", "_low", "_high")}
    for direction in ("ab", "ba"):
        row |= {f"recall1_{direction}": recall}
        row |= {
            f"recall1_{direction}_low": recall - 0.05,
            f"recall1_{direction}_high": recall + 0.05,
        }
    return row | {"largest5_share": 0.4} | more


def gap_table():
    return pd.DataFrame([gap_row("toy"), gap_row("toy_random", "random", 1.1, 1.05, 1.15, 0.01)])


def cone_table(random=0.9):
    rows = []
    for encoder in CONFIG["cone"]["encoders"]:
        for weights, inputs, mean in (
            ("trained", "real", 0.5),
            ("random", "real", random),
            ("random", "noise", random),
        ):
            row = {"encoder": encoder, "weights": weights, "inputs": inputs, "model": "toy"}
            row |= {"dtype": "float32", "n": 10, "mean_cosine": mean, "min_cosine": 0.1}
            rows.append(row | {"mean_cosine_low": mean - 0.01, "mean_cosine_high": mean + 0.01})
    return pd.DataFrame(rows)


def mlp_table(tanh_without_bias=0.001):
    ends = {("relu", True): 0.99, ("relu", False): 0.97, ("tanh", True): 0.5}
    ends[("tanh", False)] = tanh_without_bias
    return pd.DataFrame(
        {"activation": activation, "bias": bias, "layer": layer, "repeat": repeat}
        | {"mean_cosine": end * layer / 25 + repeat * 0.0001}
        for (activation, bias), end in ends.items()
        for layer in (0, 25)
        for repeat in range(3)
    )


def spectrum_table(values=(9.0, 8.0, 1.0, 0.9)):
    return pd.DataFrame(
        {"encoder": "toy", "initialisations": 3, "items": 4, "component": range(1, len(values) + 1)}
        | {"singular_value": values, "between_share": 0.75}
    )


def shifts_table(to=0.0):
    """Centres 1 apart before the shift and 2 `to` apart after it, by the grid of project_pca."""
    return pd.DataFrame(
        {"set": "toy", "side": side, "delta": delta, "n": 100, "pc_2": 0.0}
        | {"pc_1": sign * (0.5 + (to - 0.5) * delta)}
        | {"share_1": 0.25, "share_2": 0.1, "share_first_6": 0.4}
        for delta in np.linspace(-0.5, 1.5, 9)
        for side, sign in (("a", 1), ("b", -1))
    )


def landscape_table(cold_minimum=0.0):
    return pd.DataFrame(
        {"set": "toy", "temperature": temperature, "delta": delta, "distance": 0.8 - delta}
        | {"loss": (delta - minimum) ** 2 + 0.3, "loss_as_released": (delta - minimum) ** 2 + 0.4}
        for temperature, minimum in ((0.01, cold_minimum), (1.0, 0.75))
        for delta in np.arange(-1, 1.01, 0.25)
    )


def sphere_table(low_temperature_minimum=53):
    rows = []
    for mismatched in (True, False):
        for temperature in (1.0, 0.0285714285714285):
            apart = low_temperature_minimum if mismatched and temperature < 1 else 0
            for angle in range(-90, 91):
                loss = 1.5 + (abs(angle) - apart) ** 2 / 1e4
                rows.append((20, mismatched, temperature, angle, loss))
    columns = ["spacing_deg", "mismatched", "temperature", "delta_theta_deg", "loss"]
    return pd.DataFrame(rows, columns=columns)


def table1(held_out=0.6, p_held_out=0.001):
    row = {"model": "toy", "task": "a_task", "n": 200, "classes": 4, "chance": 0.25, "delta": -0.5}
    row |= {"metric": "accuracy"}
    row |= {"default": 0.5, "modified": 0.625, "direction": "wider", "p_in_sample": 0.0001}
    row |= {"p_permutation": 0.0002, "p_max_statistic": 0.02}
    row |= {"distance_default": 0.8, "distance_modified": 1.3}
    row |= {"held_out": held_out, "held_out_won": 30, "held_out_lost": 10, "p_held_out": p_held_out}
    for name in ("default", "modified", "held_out"):
        row |= {f"{name}_low": row[name] - 0.07, f"{name}_high": row[name] + 0.07}
    return pd.DataFrame([row])


def zero_shot(best=1.3):
    """Distance 0.8 without a shift and `best` with the one that table1 picks."""
    return pd.DataFrame(
        {"model": "toy", "task": "a_task", "delta": [-0.5, 0.0], "distance": [best, 0.8]}
        | {"metric": "accuracy", "score": [0.625, 0.5], "n": 200}
    )


def table2(after=5, p=0.01):
    rows = []
    for delta, one, other in ((0.0, 10, 10), (-0.2, after, after)):
        for group, n, offensive in (("light", 50, one), ("dark", 50, other), ("all", 100, one * 2)):
            row = {"delta": delta, "group": group, "n": n, "p_value": p if delta else 1.0}
            row |= {"p_holm": p if delta else 1.0, "tests": 2}
            counts = {"crime_related": offensive, "non_human": 0, "offensive": offensive}
            for name, count in (counts | {"correct": 20}).items():
                share = count / n
                row |= {name: count, f"{name}_share": share}
                row |= {f"{name}_low": share / 2, f"{name}_high": share * 1.5}
            rows.append(row)
    return pd.DataFrame(rows)


def training_table(last=1.3):
    return pd.DataFrame(
        {"model": "toy", "step": [0, 1, 2], "loss": [None, 4.0, 2.0]}
        | {"gap": [1.2, None, last], "recall1": [0.01, None, 0.2]}
    )


def data():
    return {
        "gap": gap_table(),
        "cone": cone_table(),
        "mlp_cone": mlp_table(),
        "initialisation_spectrum": spectrum_table(),
        "pca_shifts": shifts_table(),
        "loss_landscape": landscape_table(),
        "sphere": sphere_table(),
        "zero_shot": zero_shot(),
        "table1": table1(),
        "table2": table2(),
        "training": training_table(),
    }


def render(note="a note", absent=None, captions=None, tables=None, config=CONFIG):
    """The whole page from invented tables."""
    inputs = config["cone"]["preprocessing"]["inputs"]
    sets = {"toy": {"model": "toy", "weights": "trained", "inputs": inputs, "note": note}}
    absent = absent or {}
    captions = captions or {
        name: (ROOT / f"report/captions/{name}.rst").read_text() for name in PARTS
    }
    measured = page.results(tables or data(), FOUND, config)
    plain = page.plain_table(pd.DataFrame({"x": [0.5], "x_low": [0.4], "x_high": [0.6]}), "plain")
    made = page.sections(
        FOUND,
        measured | dict.fromkeys(PLAIN_TABLES, ([], [plain])),
        captions,
        dict.fromkeys(FIGURES, SVG),
        config,
        sets,
        absent,
        {"theorem1": [CLAIM]},
        NOT_RUN,
    )
    return page.render_page(
        TEMPLATES,
        "paper",
        style=page.Markup((ROOT / "report/style.css").read_text(encoding="utf-8")),
        sections=made,
        verdicts=page.verdicts(made),
        claims_summary=["Of 1 claims: reproduced 1."],
        models=page.models_rows(
            sets, {("toy", "image"): {}}, {("toy", "image"): 3}, FOUND["stand_ins"], config
        ),
        sets=sets,
        absent=absent,
        left_out=NOT_RUN,
        missing={"table1.tasks HatefulMemes": ["hateful_memes"]},
        assets=ASSETS,
        sources=page.sources_rows(ASSETS, page.used_assets(FOUND, config)),
        confidence="95 %",
        separate=page.SEPARATE,
        versions={"toy": "1"},
    )


@pytest.fixture(scope="module")
def html():
    return render()


def texts(found):
    return " ".join(finding.text for finding in found)


def verdicts(found):
    return [finding.verdict for finding in found]


# What the page is made of


def script_of(rule):
    """The script of a rule, its own or that of the rule it takes over."""
    own = re.search(rf"^rule {rule}:(.*?)(?=^(?:use )?rule |\Z)", RULES, re.DOTALL | re.MULTILINE)
    if own:
        return re.search(r'script:\s+"(.*?)"', own[1])[1]
    body = re.search(rf"^use rule (\w+) as {rule} with:", RULES, re.MULTILINE)
    return script_of(body[1])


@pytest.mark.parametrize("name", PARTS)
def test_every_part_is_described_and_its_files_are_the_workflows(name):
    entry = FOUND[name]
    assert entry["title"] and entry["section"] and entry["paper"]
    assert (ROOT / entry["script"]).is_file()
    assert script_of(entry["rule"]) == f"../{entry['script']}"
    assert entry["alt"] if name in FIGURES else True
    for path in entry["data"]:
        assert f"results/{path}" in RULES or path.startswith("statistics/training/")


@pytest.mark.parametrize("path", CAPTIONS, ids=lambda path: path.stem)
def test_captions_render_without_complaints(path):
    html = page.caption_html(path.read_text(encoding="utf-8"), CONFIG, path.stem)
    assert html.strip().startswith("<p>")
    assert "system-message" not in html and "{{" not in html


def test_the_reports_front_text_renders():
    text = (ROOT / "report/workflow.rst").read_text(encoding="utf-8")
    assert "system-message" not in page.caption_html(text, CONFIG, "workflow")


@pytest.mark.parametrize("fault", ["*no end", "{{ snakemake.config['absent'] }}", "{% if %}"])
def test_a_faulty_caption_is_named(fault):
    with pytest.raises(InputError, match="figure9"):
        page.caption_html(fault, CONFIG, "figure9")


def test_a_caption_reads_no_file_and_no_html():
    assert "<b>" not in page.caption_html("so <b>bold</b>", CONFIG, "figure9")
    marks = "*a `b <http://c>`_ |d| e_ <i> http://f"
    html = page.caption_html("{{ snakemake.config['label'] }}", {"label": marks}, "figure9")
    assert html == "<p>*a `b &lt;http://c&gt;`_ |d| e_ &lt;i&gt; http://f</p>\n"
    for directive in (".. include:: /etc/hostname", ".. raw:: html\n\n   <script>1</script>"):
        with pytest.raises(InputError):
            page.caption_html(directive, CONFIG, "figure9")


def test_stand_ins_follow_the_config():
    sets = CONFIG["sets"]
    for name in ("figure1", "figure2a", "figure2c", "figure3bcd", "table1", "training"):
        texts, _ = page.stand_ins(FOUND["stand_ins"], *page.makings(name, sets, CONFIG), CONFIG)
        assert any("emoji" in text for text in texts)
    assert (
        page.makings("figure2b", sets, CONFIG) == page.makings("figure3g", sets, CONFIG) == ([], [])
    )
    people, _ = page.stand_ins(FOUND["stand_ins"], *page.makings("table2", sets, CONFIG), CONFIG)
    assert people[0] == "emoji of people for FairFace's photographs"
    released = {name: entry for name, entry in sets.items() if "released" in entry}
    assert page.makings("figure1", released, CONFIG) == ([], [])


# The page


def test_data_is_shown_as_text():
    html = render(note="<script>alert(1)</script>")
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    captions = dict.fromkeys(PARTS, "A caption with <img src=x onerror=alert(1)> in it.")
    html = render(captions=captions)
    assert "<img src=x" not in html and "&lt;img src=x" in html
    tables = data()
    tables["gap"].loc[0, "set"] = "<i>set</i>"
    assert "<i>set</i>" not in render(tables=tables)


def test_the_page_asks_nothing_of_a_network(html):
    addresses = re.findall(
        r"""\s(?:src|href|srcset|action|data|poster)\s*=\s*["']?([^"'\s>]+)""", html
    )
    assert addresses
    for address in addresses:
        assert address.startswith(
            (
                *("#", "data:image/svg+xml;base64,", "statistics/", "tables/", "figures/"),
                *("paper.html", "claims.html", "errata.html", "models.html", "run.html"),
            )
        )
    assert "url(" not in html and "@import" not in html and "<script" not in html


def test_figures_are_embedded_with_their_text(html):
    source = base64.b64encode(SVG).decode()
    assert html.count(source) == len(FIGURES)
    for alt in re.findall(r'<img [^>]*alt="([^"]*)"', html):
        assert len(alt) > 40


def test_headings_and_ids_are_in_order(html):
    levels = [int(level) for level in re.findall(r"<h([1-6])", html)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    ids = re.findall(r'id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(ids)


def test_what_is_not_there_leaves_no_heading_and_no_caption(html):
    parts = dict(re.findall(r'<section id="([\w-]+)"(.*?)</section>', html, re.DOTALL))
    for name in NOT_RUN:
        assert "<figure>" not in parts[name] and "What this run found" not in parts[name]
    assert "What this run found" not in parts["preprocessing"]
    assert "What this run found" in parts["theorem1"] and "What this run found" in parts["figure1"]


def test_the_page_calls_the_papers_own_what_is_so(html):
    own = "CLIP, ResNet-18 and the data are the paper's own."
    assert own not in html and "<i>" not in html and "Neither the paper" not in html
    config = copy.deepcopy(CONFIG)
    config["encoders"]["hub"] = {"library": "hugging_face", "label": "<i>hub</i>"}
    config["cone"]["encoders"]["text transformer"]["trained"] = "hub"
    html = render(config=config)
    named = "Neither the paper's nor a listed stand-in: &lt;i&gt;hub&lt;/i&gt;."
    assert own not in html and html.count(named) == 3  # above, Figure 2(a), Supplementary 6
    assert own in render(config=paper_config())


def test_absent_sets_are_announced(html):
    assert "could not be fetched" not in html
    absent = {name: entry for name, entry in CONFIG["sets"].items() if "released" in entry}
    html = render(absent=absent)
    shown = [name for name, entry in FOUND.items() if "figure1" in (name, entry.get("like"))]
    shown += ["figure3a", "figure3bcd"]
    assert html.count("Not run: could not be fetched: clip, clip_random") == len(shown)
    assert "MODALITY_GAP_MIRROR" in html and "make report" in html
    assert "released/features_clip.npy" in html


def test_no_nan_is_shown(html):
    assert not re.search(r"\bnan\b", html, re.IGNORECASE)
    assert not re.search(
        r"\b(None|Timestamp|inf)\b", re.sub(r"<style>.*?</style>", "", html, flags=re.S)
    )


def test_numbers():
    assert page.number(float("nan")) == page.number(None) == page.percent(None) == "–"
    assert page.number(-0.0001) == "0.000" and page.number(-0.5, 1) == "-0.5"
    assert page.interval(None, 1.0) == "" and page.interval(0.1, 0.2) == "[0.100, 0.200]"
    assert page.percent(0.1234) == "12.3 %"
    assert page.p_value(0.00001) == "<\u00a0.0001" and page.p_value(0.0123) == "0.012"
    assert page.p_value(1.0) == "1" and page.p_value(None) == "–"
    assert page.fraction(0.01) == "1/100" and page.fraction(1.0) == "1"
    assert page.listed(["a", "b", "c"]) == "a, b and c" and page.listed([]) == "–"


def test_versions_are_those_of_the_lock():
    lock = "numpy==2.1 \\\n    --hash=sha256:00==\nscipy==1.0 ; python_version > '3'\n# via a==b\n"
    assert page.versions(lock, ["scipy", "numpy", "absent"]) == {"scipy": "1.0", "numpy": "2.1"}


# What this run found: the numbers, and words that switch with them


def test_figure1():
    found = page.figure1_found(gap_table())
    assert "In 2 of 2 sets" in found[0].text and found[0].agrees
    assert "smallest gap is 0.800 [0.790, 0.810] (toy, n 100)" in found[0].text
    assert "the gap is narrower, 0.800 [0.790, 0.810] against 1.100 [1.050, 1.150]" in texts(found)
    assert "retrieves better than chance: recall@1 0.300 [0.250, 0.350]" in texts(found)

    other = pd.DataFrame(
        [
            gap_row("toy", gap=1.5, low=1.4, high=1.6, recall=0.01, separability=0.6),
            gap_row("toy_random", "random", 1.1, 1.05, 1.15),
        ]
    )
    found = page.figure1_found(other)
    assert "In 1 of 2 sets" in found[0].text and found[0].verdict == "differs"
    assert "the gap is wider" in texts(found) and "near chance" in texts(found)
    assert "not clearly different" in texts(
        page.figure1_found(pd.DataFrame([gap_row("a"), gap_row("b", "random")]))
    )


def test_released_sets_are_held_against_the_published_numbers():
    published = FOUND["figure1"]["published"]
    values = dict(zip(published["columns"], published["values"]["clip"], strict=True))
    right, wrong = gap_row("clip", **values), gap_row("clip", **(values | {"gap": 0.9}))
    assert len(page.figure1_tables(gap_table(), published)) == 1
    for row, verdict in ((right, "agrees"), (wrong, "differs")):
        table = page.figure1_tables(pd.DataFrame([row]), published)[1]
        assert len(table.rows) == 6 and table.rows[0][1] == "0.8514"
        assert table.rows[0][-1] == verdict
        assert {line[-1] for line in table.rows[1:]} == {"agrees"}


def test_figure2a():
    found = page.figure2a_found(cone_table())
    assert "In 9 of 9 panels" in found[0].text
    assert "is narrower than the trained one, mean cosine 0.9000 [0.8900, 0.9100]" in found[1].text
    assert verdicts(found) == ["agrees"] * 7
    found = page.figure2a_found(cone_table(random=0.2))
    assert "is wider than the trained" in found[1].text and verdicts(found)[1:] == ["differs"] * 6
    assert page.figure2a_found(cone_table(random=-0.5))[0].verdict == "differs"
    same = page.figure2a_found(cone_table(random=0.5))[1].text
    assert "is not clearly different from the trained one" in same


def test_figure2b():
    found = page.figure2b_found(mlp_table())
    assert (
        "With biases the mean cosine after 25 layers is relu 0.990 [0.990, 0.990]" in found[0].text
    )
    assert "for 2 of 2 non-linear activations (relu and tanh)" in found[2].text and found[2].agrees
    assert "needs the bias: 0.500 with and 0.001 without" in found[3].text
    assert found[3].verdict == "differs"
    found = page.figure2b_found(mlp_table(tanh_without_bias=0.4))
    assert "does not need the bias" in found[3].text and found[3].verdict == "agrees"
    (table,) = page.figure2b_tables(mlp_table(), FOUND["figure2b"]["published"])
    assert ["tanh, with bias, layer 25", "0.500", "0.500 [0.500, 0.500]", "agrees"] in table.rows


def test_figure2c():
    (found,) = page.figure2c_found(spectrum_table())
    assert "value 2 is 8.00 and value 3 1.00, a fall by a factor of 8.00" in found.text
    assert "75.0 % of the variance" in found.text and found.agrees
    (found,) = page.figure2c_found(spectrum_table((9.0, 1.0, 0.9, 0.8)))
    assert "comes after value 1" in found.text and found.verdict == "differs"


def test_figure3a():
    (found,) = page.figure3a_found(shifts_table())
    assert "25.0 % of the variance, the first six 40.0 %" in found.text
    assert "A shift by 1.00, the whole gap" in found.text
    assert "from 1.000 to 0.000 apart: it closes the gap" in found.text and found.agrees
    (found,) = page.figure3a_found(shifts_table(to=1.0))
    assert "does not close" in found.text and found.verdict == "differs"


def test_figure3bcd():
    found = page.figure3bcd_found(landscape_table(), gap_table())
    assert "smallest, 0.300, at distance 0.800 (delta 0)" in found[0].text
    assert "at the gap, within a step" in found[0].text
    assert "0.80 at 1/100 and 0.05 at 1" in found[1].text and "narrower" in found[1].text
    assert "moves at 0 of 2 temperatures; the two losses differ by 0.100" in found[2].text
    assert verdicts(found) == ["agrees", "agrees", ""]
    found = page.figure3bcd_found(landscape_table(cold_minimum=0.75), gap_table())
    assert "not at the gap" in found[0].text and "no narrower" in found[1].text
    assert verdicts(found)[:2] == ["differs", "differs"]


def test_figure3g():
    found = page.figure3g_found(sphere_table())
    assert "two pairs mismatched: the minimum lies at 53° at 1/35 and 0° at 1" in found[0].text
    assert "pays at low temperature only" in found[0].text and "no temperature" in found[1].text
    assert verdicts(found) == ["agrees", "agrees"]
    found = page.figure3g_found(sphere_table(low_temperature_minimum=0))
    assert "does not pay" in found[0].text and found[0].verdict == "differs"
    (table,) = page.figure3g_tables(sphere_table(), FOUND["figure3g"]["published"])
    assert [
        "mismatched, minimum at (degrees), temperature 1/35",
        "53",
        "53",
        "agrees",
    ] in table.rows
    assert "differs" in {row[-1] for row in table.rows}


def test_table1():
    found = page.table1_found(table1())
    assert (
        "raises the score in 1 of 1 row, by 12.5 to 12.5 points (the gap is wider in 1)"
        in found[0].text
    )
    assert "from 0.500 [0.430, 0.570] to 0.600 [0.530, 0.670]" in found[1].text
    assert "30 pictures won and 10 lost, p 0.001: an improvement" in found[1].text
    assert verdicts(found) == ["agrees", "agrees"]
    assert "no clear change" in page.table1_found(table1(p_held_out=0.2))[1].text
    loss = page.table1_found(table1(held_out=0.4))[1]
    assert "a loss" in loss.text and loss.verdict == "differs"
    (table,) = page.table1_tables(table1())
    assert table.rows[0][:3] == ["toy, a task", "200", "4"] and "30\u00a0/\u00a010" in table.rows[0]
    areas = page.table1_found(table1().assign(metric="roc_auc"))[1].text
    assert "ROC-AUC goes from 0.500" in areas
    assert "30 pairs of pictures won and 10 lost" in areas
    (table,) = page.table1_tables(table1().assign(metric="roc_auc"))
    assert "area under the ROC curve" in table.caption
    assert table.rows[0][0] == "toy, a task (roc_auc)"


def test_table2():
    found = page.table2_found(table2(), -0.2)
    assert "falls at delta -0.2: 20 of 100 (20.0 % [10.0, 30.0])" in found[0].text
    assert "falls in 2, rises in 0 and stays in 0 of 2 groups (n 50 to 50" in found[1].text
    assert verdicts(found) == ["agrees", "agrees", ""]
    found = page.table2_found(table2(after=15), -0.2)
    assert "rises at delta" in found[0].text and verdicts(found)[:2] == ["differs", "differs"]
    assert "no clear change" in page.table2_found(table2(p=0.5), -0.2)[0].text
    (table,) = page.table2_tables(table2(), -0.2)
    assert table.rows[0][:4] == ["light", "50", "10 + 0", "10: 20.0 % [10.0, 30.0]"]


def test_training():
    (found,) = page.training_found(training_table())
    assert "over 2 steps the gap widens from 1.200 to 1.300" in found.text and found.agrees
    assert "loss from 4.00 to 2.00" in found.text and "0.010 to 0.200" in found.text
    (found,) = page.training_found(training_table(last=0.5))
    assert "narrows" in found.text and found.verdict == "differs"


def test_verdicts_are_counted():
    made = page.sections(
        FOUND,
        page.results(data(), FOUND, CONFIG),
        {"training": "One."},
        {"training": SVG},
        CONFIG,
        {},
        {},
        {},
        {},
    )
    assert page.verdicts(made) == {"agrees": 1, "differs": 0}


def test_a_set_is_described_by_its_metadata():
    about = {"model": "toy", "weights": "a file", "weights_sha256": "ab" * 32, "dtype": "int8"}
    about |= {"extraction": {"items": 10, "items_per_s": 1.5, "infer_s": 2.0, "device": "cpu"}}
    sets = {"stitched": CONFIG["sets"]["stitched"]}
    key = ("stitched", "image")
    (row,) = page.models_rows(sets, {key: about}, {key: 1200}, FOUND["stand_ins"], CONFIG)
    assert row["sha256"] == "ab" * 6 and row["n"] == "1,200"
    assert row["model"] == "CLIP ViT-B/16 image tower (8 bit), projected to 256"
    assert row["dataset"] == "emoji, split test"
    assert (row["per_s"], row["forward_per_s"]) == ("1.5", "5.0")
    assert not any("MiniLM" in text for text in row["stand_ins"])
    (row,) = page.models_rows(sets, {key: {}}, {key: 3}, FOUND["stand_ins"], CONFIG)
    assert row["sha256"] == row["per_s"] == "–"


def overlaid(overlay):
    """config/config.yaml with an overlay, as a run has it."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    update_config(config, overlay)
    config = with_rows(without_nulls(config))
    config["stand_ins"] = sentences(FOUND, config["sets"], config)
    return config


def paper_config():
    return overlaid(yaml.safe_load((ROOT / "config/paper.yaml").read_text(encoding="utf-8")))


def test_in_the_default_nothing_is_left_without_an_origin():
    for name, text in CONFIG["stand_ins"].items():
        assert NEITHER not in text, name
    for name, said in (
        ("figure2a", "for CLIP ViT-B/32 in full precision"),
        ("figure2a", "ViT-B/16 for ViT-B/32"),
        ("figure3a", "for CLIP ViT-B/32 in full precision"),
        ("table2", "for CLIP ViT-B/32 in full precision"),
        ("figure1", "in 8 bit for the one in full precision"),
    ):
        assert said in CONFIG["stand_ins"][name]
    assert "ViT-B/16 for" not in CONFIG["stand_ins"]["figure1"]


def test_what_is_neither_the_papers_nor_listed_is_called_so():
    row = {"library": "open_clip", "architecture": "ViT-B-32-quickgelu", "inputs": "birds"}
    row |= {"pretrained": "laion400m_e32", "label": "<b>LAION</b> *_"}
    own = {"image": "a.npy", "text": "b.npy", "model": "own vectors"}
    birds = {"format": "class_folders", "folder": "x", "files": {"archive": "birds.zip"}}
    config = overlaid(
        {"models": {"laion": row}, "pairs": {"mine": own}}
        | {"datasets": {"birds": birds}, "inputs": {"birds": {"dataset": "birds"}}}
    )
    made_of = page.makings("figure1", config["sets"], config)
    named = ["birds", "<b>LAION</b> *_", "embeddings of own vectors"]
    assert page.stand_ins(FOUND["stand_ins"], *made_of, config, "figure1")[1] == named
    text = config["stand_ins"]["figure1"]
    html = page.caption_html("{{ snakemake.config['stand_ins']['figure1'] }}", config, "figure1")
    assert NEITHER in text and "&lt;b&gt;LAION&lt;/b&gt; *_" in html
    # The twin of random weights is the paper's own architecture; so are OpenAI's weights.
    assert page.stand_ins(FOUND["stand_ins"], [], ["laion_random"], config) == ([], [])


def test_what_is_called_the_papers_is_known_to_the_assets():
    own = FOUND["stand_ins"]["own"]
    assert set(own["files"]) <= ASSETS.keys()
    for name in own["weights"]:
        assert name == "openai" or fnmatch.filter(ASSETS, name), name


def test_the_sources_are_those_of_the_configuration():
    default, paper = page.used_assets(FOUND, CONFIG), page.used_assets(FOUND, paper_config())
    released = {name for name in ASSETS if name.startswith("released_")}
    wheels = {name for name, asset in ASSETS.items() if asset["kind"] == "wheel"}
    assert default == wheels | released
    assert paper == {name for name in ASSETS.keys() - wheels if "_sample" not in name}
    rows = page.sources_rows(ASSETS, paper)
    (resnets,) = (row for row in rows if "ResNet-50" in row["purpose"])
    assert resnets["name"] == "resnet50_seed01 to resnet50_seed11"
    assert resnets["from"] == "weights/resnet50/, 11 files" and resnets["mb"] == "about 200 each"
    assert len(rows) == len(paper) - 10


def test_under_the_paper_configuration_nothing_is_called_a_stand_in():
    config = paper_config()
    captions = {
        path.stem: path.read_text(encoding="utf-8")
        for path in (ROOT / "report/captions").glob("*.rst")
        if path.stem in FOUND
    }
    for section in page.sections(FOUND, {}, captions, {}, config, config["sets"], {}, {}, {}):
        assert section.stand_ins == section.others == [], section.id
        assert not re.search("emoji|stitched|MiniLM|8 bit", section.caption), section.id
