"""The explorer of the summary in headless Chromium: what a reader moves is what the tables have."""

import json
from pathlib import Path

import independent as plain
import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from markupsafe import Markup
from playwright.sync_api import expect

from modality_gap.measures import explorer as measured
from modality_gap.measures.loss_sweep import loss_landscape
from modality_gap.measures.recall_sweep import recall_under_shift
from modality_gap.measures.shift import unit_gap_vector
from modality_gap.pages import explorer, remedies, render

ROOT = Path(__file__).parents[2]
DELTAS = plain.grid({"delta_start": -2, "delta_stop": 2.5, "delta_step": 0.25})
PAGE = """{% extends "base" %}{% block title %}The explorer{% endblock %}
{% block header %}<h1>The explorer</h1>{% endblock %}
{% block main %}{% include "explorer" %}{% endblock %}"""
WIDE = {"viewport": {"width": 1280, "height": 900}}
NARROW = {"viewport": {"width": 390, "height": 844}}


class Model:
    """A made up set: its vectors, its tables and what is measured for the page."""

    def __init__(self, name: str, seed: int, tasks: int):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(60, 8)) + rng.normal(size=8)
        self.x = plain.unit(x)
        self.y = plain.unit(x + rng.normal(size=x.shape) + 2 * rng.normal(size=8))
        settings = 0.9, 20, 20, 1
        self.recall, _ = recall_under_shift(self.x, self.y, DELTAS, *settings)
        self.loss = loss_landscape(self.x, self.y, DELTAS, [0.05, 1.0], 20)
        self.score = rng.uniform(0.2, 0.8, (tasks, len(DELTAS))).round(4)
        self.found = {
            "set": name,
            "deltas": DELTAS.tolist(),
            "distances": measured.listed(self.recall["distance"]),
            "n": 60,
            "loss_n": 60,
            "losses": measured.losses(self.loss),
            "recall": measured.recalls(self.recall),
            "scores": [
                {"task": f"task_{number}", "metric": "accuracy", "n": 1234, "values": values}
                for number, values in enumerate(self.score.tolist())
            ],
            "cloud": measured.cloud(self.x, self.y, np.arange(60), DELTAS),
            "names": {side: [f"{side} {row}" for row in range(60)] for side in "ab"},
        }

    def at(self, delta: float) -> pd.Series:
        return self.recall[self.recall["delta"] == delta].iloc[0]


@pytest.fixture(scope="module")
def models():
    found = {"one": Model("one", 1, 0), "two": Model("two", 2, 2), "three": Model("three", 1, 0)}
    # A sweep that meets 0 to two decimals, one that comes near and one that does not.
    for name, least in (("one", 0.0049), ("two", -0.09), ("three", 0.21)):
        recall = found[name].recall
        nearest = recall["distance"].abs().idxmin()
        recall.loc[nearest, "distance"] = least
        found[name].found["distances"] = measured.listed(recall["distance"])
    return found


@pytest.fixture(scope="module")
def page(models, tmp_path_factory) -> Path:
    gap = pd.DataFrame({"set": list(models), "model": [f"Model {name}" for name in models]}).assign(
        recall1_ab_low=0.5, recall1_ba_low=0.5, recall1_chance=[1 / 60, 1 / 60, 0.5]
    )
    found = {name: model.found for name, model in models.items()}
    of = {"one": REMEDIES}
    sets = {"one": {}, "two": {"modalities": ["audio", "text"]}, "three": {}}
    drawn = explorer.drawn(explorer.models(found, sets, gap, of))
    report = ROOT / "report"
    scripts = [report / f"scripts/{name}.js" for name in ("theme", "page", "explorer")]
    theme, own, moving = (script.read_text(encoding="utf-8") for script in scripts)
    templates = {
        name: (report / f"templates/{name}.html.j2").read_text(encoding="utf-8")
        for name in ("base", "explorer")
    }
    html = render.render_page(
        {**templates, "page": PAGE},
        "page",
        [theme, own, explorer.library(), moving],
        style=Markup((report / "style.css").read_text(encoding="utf-8")),
        explorer=explorer.embedded(json.loads(json.dumps(drawn))),
    )
    path = tmp_path_factory.mktemp("explorer") / "page.html"
    path.write_text(html, encoding="utf-8")
    return path


REMEDIES = [
    {
        "method": method,
        "label": label,
        "does": f"{label} does this.",
        "n_fit": 1250,
        "n_scored": 1200,
        "ab": 0.4,
        "ba": 0.3127,
        "change": change,
        "gap": gap,
        "loss": gap + 1,
    }
    for method, label, change, gap in (
        ("none", "no change", {}, 0.8),
        ("z", "z-score", {"ab": [-0.1, -0.15, 0.002], "ba": [0.05, 0.01, 0.09]}, 0.1234),
    )
]


def opened(seen):
    """The page once Vega has drawn all of it."""
    expect(seen.page.locator("#explorer .chart > .vega-embed svg.marks")).to_have_count(4)
    expect(seen.page.locator("#explorer-now")).to_contain_text("Recall@1")
    return seen.page


def shown(page) -> dict[str, list[str]]:
    """The readout of each chart."""
    return {
        name: page.locator(f"#explorer-{name} .readout b").all_text_contents()
        for name in ("loss", "recall", "score")
    }


def expected(model: Model, delta: float) -> dict[str, list[str]]:
    """What the tables have for a shift, as the readout writes it."""
    loss = model.loss[np.isclose(model.loss["delta"], delta)].set_index("temperature")["loss"]
    least = model.loss.groupby("temperature")["loss"].min()
    row = model.at(delta)
    return {
        "loss": [f"{loss[t]:.2f} (+{loss[t] - least[t]:.2f})" for t in (0.05, 1.0)],
        "recall": [
            f"{100 * row[name]:.1f} % [{100 * row[f'{name}_low']:.1f}, "
            f"{100 * row[f'{name}_high']:.1f}]"
            for name in ("recall1_ab", "recall1_ba")
        ],
        "score": [f"{100 * one[np.isclose(DELTAS, delta)][0]:.1f} %" for one in model.score],
    }


def close(found: dict, wanted: dict) -> None:
    """The same texts; a last digit may be rounded the other way."""
    for name, texts in wanted.items():
        assert len(found[name]) == len(texts), name
        for one, other in zip(found[name], texts, strict=True):
            for characters in "()[]%,+":
                one, other = one.replace(characters, " "), other.replace(characters, " ")
            assert [float(x) for x in one.split()] == pytest.approx(
                [float(x) for x in other.split()], abs=0.11
            )


def places(page) -> dict[str, list[tuple[float, float]]]:
    """Where the points and the two centres are drawn, in units of the chart."""
    return page.evaluate(
        """() => {
          const svg = document.querySelector("#explorer-points svg");
          const groups = [...svg.querySelectorAll("g.mark-symbol")];
          const read = group => [...group.querySelectorAll("path")].map(path => {
            const [x, y] = /translate\\(([-\\d.e]+),\\s*([-\\d.e]+)\\)/
              .exec(path.getAttribute("transform")).slice(1).map(Number);
            return [x, y];
          });
          return groups.map(read);
        }"""
    )


def test_the_slider_moves_points_and_readout_to_what_the_tables_have(page, models, visit):
    seen = visit(page, **WIDE)
    tab, model = opened(seen), models["one"]
    close(shown(tab), expected(model, 0.0))
    unmoved = places(tab)
    slider = tab.locator("#explorer-shift")
    slider.focus()
    for _ in range(3):
        tab.keyboard.press("ArrowLeft")  # the centres come nearer
    row = model.at(0.75)
    expect(slider).to_have_attribute(
        "aria-valuetext", f"{row['distance']:.2f}, narrower than the model's own gap"
    )
    close(shown(tab), expected(model, 0.75))
    expect(tab.locator("#explorer-now")).to_contain_text(f"distance {row['distance']:.2f}")
    assert tab.locator("#explorer-now").get_attribute("aria-live") == "polite"
    assert tab.url.endswith("#explorer=one,0.75")
    # The points themselves, by the scale that they had without a shift.
    tab.wait_for_timeout(300)
    moved, u = places(tab), unit_gap_vector(model.x, model.y)
    sides = np.concatenate(plain.shifted(model.x, model.y, 0.0)) @ u
    pixels = np.array(unmoved[0])[:, 0]
    slope, start = np.polyfit(sides, pixels, 1)
    assert np.abs(slope * sides + start - pixels).max() < 0.05
    after = np.concatenate(plain.shifted(model.x, model.y, 0.75)) @ u
    np.testing.assert_allclose(np.array(moved[0])[:, 0], slope * after + start, atol=0.05)
    centres = [side @ u for side in plain.shifted(model.x, model.y, 0.75)]
    np.testing.assert_allclose(
        np.array(moved[1])[:, 0], [slope * side.mean() + start for side in centres], atol=0.05
    )
    assert not seen.errors and not seen.network


def test_a_remedy_is_said_as_the_tables_have_it(page, visit):
    seen = visit(page, **WIDE)
    tab = opened(seen)
    menu, after = tab.locator("#explorer-remedy"), tab.locator("#explorer-after")
    expect(tab.get_by_label("a remedy, not drawn:")).to_have_id("explorer-remedy")
    assert menu.locator("option").all_text_contents() == ["none", "z-score"]
    expect(menu).to_have_value("")
    expect(after).to_be_hidden()
    menu.select_option("z")
    model = {"first": "image", "second": "text", "remedies": REMEDIES}
    said = remedies.sentence(model, REMEDIES[1])
    assert said.startswith("z-score does this. Fitted on 1,250 pairs, compared on 1,200 others: ")
    expect(after).to_have_text(said)
    # It is no "after" to the slider's "before": the charts are between the two lines.
    now, drawn = tab.locator("#explorer-now"), tab.locator(".explorer-charts")
    low = [one.bounding_box() for one in (now, drawn, after)]
    assert low[0]["y"] < low[1]["y"] and low[1]["y"] + low[1]["height"] <= low[2]["y"]
    # A model without one keeps the menu, which says so.
    for name, reason in (
        ("two", "not measured for this model"),
        ("three", "not for models near chance"),
    ):
        tab.locator("#explorer-model").select_option(name)
        expect(menu).to_be_visible()
        expect(menu).to_be_disabled()
        assert menu.locator("option").all_text_contents() == [reason]
        expect(after).to_be_hidden()
    tab.locator("#explorer-model").select_option("one")
    expect(menu).to_be_enabled()
    assert not seen.errors and not seen.network


def styles(page) -> dict[str, list[list[str | None]]]:
    """Colour, dash and shape of what is drawn, by chart, in the order of the data."""
    return page.evaluate(
        """() => Object.fromEntries(["points", "recall"].map(name => [
          name,
          [...document.querySelectorAll(
            `#explorer-${name} g.mark-symbol path, #explorer-${name} g.mark-line path`
          )].map(path => [
            path.getAttribute("fill"), path.getAttribute("stroke"),
            path.getAttribute("stroke-dasharray"),
            name === "points" ? (path.getAttribute("d").match(/[A-Za-z]/g) ?? []).join("") : "",
          ]),
        ]))"""
    )


def test_each_side_keeps_its_style_when_the_model_changes(page, visit):
    seen = visit(page, **WIDE)
    tab = opened(seen)
    before = styles(tab)
    assert {fill for fill, *_ in before["points"]} == {explorer.IMAGE, explorer.TEXT}
    menu = tab.locator("#explorer-model")
    for name in ("two", "one", "two", "one"):
        menu.select_option(name)
        tab.wait_for_timeout(300)
        assert styles(tab) == before, name
    assert not seen.errors and not seen.network


def test_menu_buttons_and_address(page, models, visit):
    seen = visit(page, **WIDE)
    tab = opened(seen)
    assert tab.locator("#explorer-score").is_hidden()
    tab.locator("#explorer-model").select_option("two")
    expect(tab.locator("#explorer-score")).to_be_visible()
    close(shown(tab), expected(models["two"], 0.0))
    expect(tab.locator("#explorer-points .readout")).to_contain_text("60 of 60 pairs drawn")
    tab.get_by_role("button", name="close the gap").click()
    nearest = models["two"].recall.iloc[models["two"].recall["distance"].abs().argmin()]
    expect(tab.locator("#explorer-now")).to_contain_text(
        "distance −0.09: as close as a shift gets."
    )
    close(shown(tab), expected(models["two"], nearest["delta"]))
    assert tab.url.endswith(f"#explorer=two,{nearest['delta']:g}")
    address = tab.url
    tab.get_by_role("button", name="back to its own gap").click()
    expect(tab.locator("#explorer-now")).to_contain_text("its own gap")
    # The address brings the state back.
    again = seen.context.new_page()
    again.goto(address)
    expect(again.locator("#explorer-now")).to_contain_text("Model two")
    expect(again.locator("#explorer-now")).to_contain_text("as close as a shift gets")
    assert again.locator("#explorer-model").input_value() == "two"
    again.goto(page.as_uri() + "#explorer=unknown,7")
    again.reload()
    expect(again.locator("#explorer-now")).to_contain_text("Model one")
    assert not seen.errors and not seen.network


def test_the_gap_is_closed_only_where_the_distance_is_zero(page, visit):
    seen = visit(page, **WIDE)
    tab = opened(seen)
    for name, words in (
        ("one", "Model one, distance 0.00: the gap is closed."),
        ("two", "Model two, distance −0.09: as close as a shift gets."),
        ("three", "Model three (near chance), distance 0.21: as close as a shift gets."),
    ):
        tab.locator("#explorer-model").select_option(name)
        tab.get_by_role("button", name="close the gap").click()
        expect(tab.locator("#explorer-now")).to_contain_text(words)
        where = words.partition("distance ")[2].rstrip(".").replace(":", ",")
        expect(tab.locator("#explorer-shift")).to_have_attribute("aria-valuetext", where)
    assert not seen.errors and not seen.network


def test_what_is_drawn_is_explained_without_a_fold(page, visit):
    tab = opened(visit(page, **NARROW))
    expect(tab.get_by_text("Line: slider; dashes: own gap; ▼: least loss.")).to_be_visible()
    # The numbers in brackets are explained in the fold, not in the figure's title.
    expect(tab.locator("#explorer-loss figcaption")).not_to_contain_text("bracket")
    tab.locator("#explorer summary").click()
    expect(tab.locator("#explorer details")).to_contain_text("In brackets behind a loss")


def test_an_item_is_named_under_the_pointer(page, visit):
    tab = opened(visit(page, **WIDE))
    tab.locator("#explorer-points g.mark-symbol").first.locator("path").nth(5).hover(force=True)
    expect(tab.locator(".item-note")).to_be_visible()
    assert tab.locator(".item-note").text_content().split()[0] in ("a", "b")


@pytest.mark.parametrize("context", [WIDE, NARROW], ids=["1280", "390"])
def test_it_is_read_without_scripts(page, models, visit, context):
    seen = visit(page, java_script_enabled=False, **context)
    tab = seen.page
    close(shown(tab), {**expected(models["one"], 0.0), "score": []})
    for name in ("points", "loss", "recall"):
        still = tab.locator(f"#explorer-{name} .chart svg:visible")
        expect(still).to_have_count(1)
        sizes = still.locator("text").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect().height)"
        )
        assert sizes and min(sizes) >= 9
    expect(tab.locator("#explorer .controls:visible")).to_have_count(0)
    assert not seen.errors and not seen.network


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("context", [WIDE, NARROW], ids=["1280", "390"])
def test_it_is_accessible_and_fits(page, visit, context, scheme):
    seen = visit(page, color_scheme=scheme, **context)
    tab = opened(seen)
    found = Axe().run(tab, {"include": [["#explorer"]]}).response["violations"]
    assert not found, json.dumps(found)[:2000]
    width = context["viewport"]["width"]
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("loss", "recall"):
        box = tab.locator(f"#explorer-{name} svg.marks").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
    assert not seen.errors and not seen.network
