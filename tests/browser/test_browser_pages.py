"""The pages in headless Chromium: offline, accessible, legible at every width, no dead link."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlparse

import load
import pandas as pd
import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from browsing import MOST_WORDS, PATIENCE_MS, words_faults, words_shown
from playwright.sync_api import Page, expect

from modality_gap.paper import show

UNDRAWN = """() => [...document.images]
    .filter(image => !image.complete || image.naturalWidth === 0)
    .map(image => image.alt || image.src.slice(0, 80))"""


PAGES = ("index", "evidence", "figures", "after", "errata", "methods")
FORWARDS = {"paper": "figures", "claims": "evidence", "models": "figures", "run": "methods"}
# The smallest type of a page, in HTML and in its drawings, in CSS pixels.
SMALLEST = """() => {
    const sizes = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const parent = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim()) continue;
        if (parent.closest(".unseen, script, math")) continue;
        if (!parent.checkVisibility()) continue;
        let size = parseFloat(getComputedStyle(parent).fontSize);
        const svg = parent.closest("svg");
        if (svg) size *= svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
        sizes.push([size, walker.currentNode.textContent.trim().slice(0, 40)]);
    }
    for (const image of document.querySelectorAll("picture img")) {
        if (!image.checkVisibility()) continue;
        const address = image.currentSrc;
        const source = decodeURIComponent(address.slice(address.indexOf(",") + 1));
        const drawn = new DOMParser().parseFromString(source, "image/svg+xml").documentElement;
        const scale = image.getBoundingClientRect().width / drawn.viewBox.baseVal.width;
        for (const text of drawn.querySelectorAll("text")) {
            const found = (text.getAttribute("style") ?? "").match(/([\\d.]+)px/);
            const size = parseFloat(text.getAttribute("font-size") ?? found?.[1] ?? "0");
            sizes.push([size * scale, `${image.alt.slice(0, 30)}: ${text.textContent}`]);
        }
    }
    return sizes.sort((a, b) => a[0] - b[0])[0];
}"""


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_accessible_quiet_and_offline(small_run, visit, name, scheme):
    seen = visit(small_run.folder / "results" / f"{name}.html", color_scheme=scheme)
    page = seen.page
    # Folds are open, so that what is in them is looked at too.
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    page.wait_for_function(f"({UNDRAWN})().length === 0")
    violations = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in violations] == []
    assert (seen.network, seen.errors) == ([], [])
    assert all(page.evaluate("[...document.images].map(image => image.alt.length > 10)"))


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("width", "least"), [(390, 9), (768, 9), (1280, 11), (1920, 11)])
def test_a_page_fits_every_width_with_type_that_can_be_read(small_run, visit, name, width, least):
    path = small_run.folder / "results" / f"{name}.html"
    page = visit(path, viewport={"width": width, "height": 900}).page
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    size, where = page.evaluate(SMALLEST)
    assert size >= least - 0.05, where


def test_a_page_keeps_to_its_number_of_words(small_run, browser):
    results = small_run.folder / "results"
    for name, most in MOST_WORDS.items():
        assert 300 < words_shown(browser, results / f"{name}.html") <= most, name
    assert words_faults(browser, results) == []


def test_a_page_with_too_many_words_is_a_fault(browser, tmp_path):
    for name in MOST_WORDS:
        shown = "word " * (1501 if name == "index" else 1500)
        page = f"""<div class="content">{shown}
            <details><summary>more</summary>{shown}</details></div>
            <b class="unseen">{shown}</b>"""
        (tmp_path / f"{name}.html").write_text(page, encoding="utf-8")
    # The fold's own heading is a word too, what is in it is not shown.
    assert words_faults(browser, tmp_path) == ["index.html has 1,502 words, more than 1,500"]


def test_every_link_leads_somewhere(small_run, visit):
    results = small_run.folder / "results"
    ids: dict[str, set[str]] = {}
    for name in PAGES:
        page = visit(results / f"{name}.html").page
        ids[name] = set(page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)"))
        links = page.evaluate("[...document.links].map(a => a.getAttribute('href'))")
        ids[name + " links"] = set(links)
    dead = []
    for name in PAGES:
        assert len(ids[name + " links"]) > 10
        for link in ids[name + " links"]:
            path, _, anchor = link.partition("#")
            if urlparse(link).scheme:
                continue
            if path and not (results / unquote(path)).is_file():
                dead.append((name, link))
            to = path.removesuffix(".html") if path else name
            chosen = to == "evidence" and ("verdict=" in anchor or anchor == "own")
            if anchor and not chosen and unquote(anchor) not in ids[to]:
                dead.append((name, link))
    assert dead == []


@pytest.mark.parametrize(("name", "to"), FORWARDS.items())
def test_a_page_of_an_earlier_name_leads_to_its_successor(small_run, visit, name, to):
    page = visit(small_run.folder / "results" / f"{name}.html").page
    page.wait_for_url(f"**/{to}.html")
    expect(page.locator("h1")).to_be_visible()


def test_the_switch_changes_the_colours_and_is_remembered(small_run, visit):
    seen = visit(small_run.folder / "results" / "index.html", color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = seen.page.evaluate(ground)
    switch = seen.page.locator("#theme")
    switch.click()
    assert seen.page.evaluate(ground) == light  # light, by choice
    switch.click()
    dark = seen.page.evaluate(ground)
    assert dark != light
    # A page that opens at once may be given what Chromium had stored a moment earlier.
    seen.page.reload()
    seen.page.wait_for_function("localStorage.getItem('theme') === 'dark'")
    seen.page.reload()
    assert seen.page.evaluate(ground) == dark
    expect(seen.page.locator("#theme")).to_contain_text("dark")


def test_a_figure_opens_larger_and_closes_with_the_keyboard(small_run, visit):
    page = visit(small_run.folder / "results" / "figures.html").page
    page.locator("#figure2b .enlarge").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#enlarged img")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#enlarged img")).to_be_hidden()


def test_half_a_page_has_the_narrow_drawing_and_opens_the_wide_one(small_run, visit):
    path = small_run.folder / "results" / "index.html"
    page = visit(path, viewport={"width": 1280, "height": 900}).page
    figure = page.locator(".key-figures figure").first
    sources = figure.locator("img").evaluate("image => [image.currentSrc, image.src]")
    assert sources[0] != sources[1]
    figure.locator(".enlarge").click()
    assert page.locator("#enlarged img").evaluate("image => image.src") == sources[1]
    page.keyboard.press("Escape")
    page.emulate_media(media="print")
    assert figure.locator("img").evaluate("image => image.currentSrc") == sources[1]


# The evidence


def shown(page: Page) -> list[str]:
    return page.evaluate(
        """[...document.querySelectorAll('#checks tbody tr:not([hidden])')]
            .map(row => row.dataset.verdict)"""
    )


def test_checks_are_filtered_searched_and_sorted(small_run, visit):
    results = small_run.folder / "results"
    claims = pd.read_csv(results / "claims.csv", dtype=str, keep_default_na=False)
    page = visit(results / "evidence.html").page
    assert len(shown(page)) == len(claims)
    against = [one in ("differs", "not-seen") for one in shown(page)]
    assert against == sorted(against, reverse=True)  # these come first
    page.locator("[name=verdict][value=reproduced]").check()
    assert set(shown(page)) == {"reproduced"}
    page.locator("[name=own]").check()
    own = claims[claims["whose"].isin(["paper", "notebook"])]
    wanted = own[own["verdict"] == "reproduced"]
    assert len(shown(page)) == len(wanted)
    page.locator("[name=q]").fill("temperature")
    assert 0 < len(shown(page)) < len(wanted)
    expect(page.locator("#found")).to_contain_text(f"{len(shown(page))} of {len(claims)} checks")
    # A minus sign is found by a hyphen too.
    page.locator("[name=own]").uncheck()
    page.locator("[name=verdict][value=reproduced]").uncheck()
    page.locator("[name=q]").fill("[-")
    by_hyphen = len(shown(page))
    page.locator("[name=q]").fill("[−")
    assert len(shown(page)) == by_hyphen > 0
    page.locator("[name=own]").check()
    page.locator("[name=verdict][value=reproduced]").check()
    page.locator("[name=q]").fill("temperature")
    # The choice is in the address.
    page.reload()
    assert 0 < len(shown(page)) < len(wanted)
    page.locator("[name=q]").fill("temperature zzz")
    assert shown(page) == []
    expect(page.locator("#found")).to_contain_text(f"0 of {len(claims)} checks. None fits all")
    page.get_by_role("button", name="show all").click()
    page.wait_for_function(
        f"document.querySelectorAll('#checks tbody tr:not([hidden])').length === {len(claims)}"
    )
    page.locator("[name=part]").select_option("Theory")
    assert len(shown(page)) == (claims["part"] == "Theory").sum()
    page.locator("[name=part]").select_option("")
    heading = page.locator("th[data-key=statement]")
    statements = "[...document.querySelectorAll('#checks tbody tr')].map(r => r.dataset.statement)"
    for way in ("ascending", "descending"):
        heading.get_by_role("button").click()
        assert heading.get_attribute("aria-sort") == way
        sorted_ones = page.evaluate(
            f"{statements}.every((s, i, all) => !i || "
            + ("" if way == "ascending" else "-")
            + "new Intl.Collator('en', {numeric: true}).compare(all[i - 1], s) <= 0)"
        )
        assert sorted_ones


def test_a_link_to_a_check_shows_it(small_run, visit):
    path = small_run.folder / "results" / "evidence.html"
    page = visit(path).page
    name = page.evaluate("[...document.querySelectorAll('#checks tbody tr')].at(-1).id")
    page.goto(f"{path.as_uri()}#{name}")
    expect(page.locator(f'[id="{name}"]')).to_be_in_viewport()


def test_a_link_to_a_check_keeps_what_is_chosen(small_run, visit):
    path = small_run.folder / "results" / "evidence.html"
    page = visit(path).page
    page.locator("[name=verdict][value=not-run]").check()
    page.locator("[name=q]").fill("e")
    chosen = shown(page)
    row = page.locator("#checks tbody tr:not([hidden])").last
    name = row.get_attribute("id")
    row.locator(".permalink").click()
    for _ in range(2):  # as it is, and loaded again
        assert page.url.endswith("&verdict=not-run&q=e")
        assert shown(page) == chosen and {*chosen} == {"not-run"}
        assert page.locator("[name=q]").input_value() == "e"
        linked = page.locator("#checks .linked")
        expect(linked).to_have_attribute("id", name)
        expect(linked).to_be_in_viewport()
        page.reload()
    # Nothing is chosen where the row would be hidden by it.
    page.goto("about:blank")
    page.goto(f"{path.as_uri()}#{name}&verdict=reproduced")
    assert len(shown(page)) == page.locator("#checks tbody tr").count()
    expect(page.locator("#checks .linked")).to_be_in_viewport()


@pytest.mark.parametrize("width", [390, 1280])
def test_a_number_of_the_summary_leads_to_its_claims_in_the_table(small_run, visit, width):
    results = small_run.folder / "results"
    claims = show.read_claims(results / "claims.csv")
    own = claims[claims["whose"].isin(["paper", "notebook"])]
    found = own[own["verdict"] == "reproduced"]
    page = visit(results / "index.html", viewport={"width": width, "height": 844}).page
    page.locator(".legend a", has_text="reproduced").click()
    number = page.locator("#found")
    n = found["id"].nunique()
    expect(number).to_contain_text(
        f"{len(found)} of {len(claims)} checks, of {n} claim{'' if n == 1 else 's'}"
    )
    counted = show.counts(own)["reproduced"]
    told = f"; {counted} count so by their strongest evidence"
    assert (told in number.text_content()) == (counted < n)
    expect(number).to_be_in_viewport()
    expect(page.locator("#checks tbody tr:not([hidden])").first).to_be_in_viewport()


def test_words_of_the_table_say_what_is_in_it(small_run, visit):
    page = visit(small_run.folder / "results" / "evidence.html").page
    heads = page.locator("#checks thead th").all_inner_texts()
    assert "against its tolerance" in [head.lower() for head in heads]
    expect(page.locator("label", has=page.locator("[name=own]"))).to_have_text(
        "the paper's claims only"
    )
    cells = page.locator("#checks td[data-label=published]").all_inner_texts()
    assert not [one for one in cells if one.startswith("–") and "[" in one]
    assert "no number [P]" in cells


@pytest.mark.parametrize("width", [390, 1280])
def test_the_keyboard_skips_to_the_content_and_to_the_table(small_run, visit, width):
    path = small_run.folder / "results" / "evidence.html"
    page = visit(path, viewport={"width": width, "height": 844}).page
    seen = """link => {
        const box = link.getBoundingClientRect();
        return [[3, 3], [box.width / 2, box.height / 2], [box.width - 3, box.height - 3]]
            .every(([x, y]) => document.elementFromPoint(box.x + x, box.y + y) === link);
    }"""
    for place, words in enumerate(("Skip to the content", "Skip to the table")):
        page.goto("about:blank")
        page.goto(path.as_uri())
        for _ in range(place + 1):
            page.keyboard.press("Tab")
        link = page.get_by_role("link", name=words)
        expect(link).to_be_focused()
        assert link.evaluate(seen)  # nothing lies over it
        page.keyboard.press("Enter")
        focused = ("main", "#all")[place]
        expect(page.locator(focused)).to_be_focused()
        if place == 0:
            # The heading is part of it, and the page keeps its ground.
            expect(page.locator("main h1")).to_be_in_viewport()
            assert page.locator("main").evaluate(
                "main => getComputedStyle(main).backgroundColor"
            ) == ("rgba(0, 0, 0, 0)")
        else:
            page.keyboard.press("Tab")
            expect(page.locator("[name=verdict]").first).to_be_focused()


@pytest.mark.parametrize("name", PAGES)
def test_negative_numbers_have_minus_signs(small_run, visit, name):
    page = visit(small_run.folder / "results" / f"{name}.html").page
    hyphens, signs = page.evaluate(
        r"""() => {
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            const texts = [...document.querySelectorAll("[aria-label]")].map(e => e.ariaLabel);
            const copied = [];
            while (walker.nextNode()) {
                const parent = walker.currentNode.parentElement;
                if (parent.closest("script, style")) continue;
                (parent.closest("code, pre") ? copied : texts).push(walker.currentNode.textContent);
            }
            return [
                texts.flatMap(text => text.match(/(^|[\s([,;])-\.?\d.*/g) ?? []),
                copied.filter(text => text.includes("−")),
            ];
        }"""
    )
    assert (hyphens, signs) == ([], [])


def test_everything_can_be_read_without_scripts(small_run, visit):
    results = small_run.folder / "results"
    claims = pd.read_csv(results / "claims.csv")
    page = visit(results / "evidence.html", java_script_enabled=False).page
    assert page.locator("#checks tbody tr").count() == len(claims)
    expect(page.locator("#checks tbody tr").last).to_be_visible()
    expect(page.locator("#choose")).to_be_hidden()
    for name in PAGES:
        page.goto((results / f"{name}.html").as_uri())
        expect(page.locator("h1")).to_be_visible()
        assert page.locator(".only-scripted:visible").count() == 0


def test_what_speaks_against_the_paper_is_on_the_first_screens(small_run, visit):
    size = {"width": 1280, "height": 900}
    page = visit(small_run.folder / "results" / "evidence.html", viewport=size).page
    heading = page.get_by_role("heading", name="What differs or was not seen", exact=True)
    assert heading.bounding_box()["y"] < 900
    page = visit(small_run.folder / "results" / "index.html", viewport=size).page
    assert page.get_by_role("heading", level=1).bounding_box()["y"] < 300
    assert page.get_by_text("Does it matter?", exact=True).first.bounding_box()["y"] < 2 * 900
    # The ledger's words have shapes of their own.
    page = visit(small_run.folder / "results" / "methods.html").page
    shapes = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('#verdicts .verdict')]
            .map(mark => [mark.textContent, getComputedStyle(mark, '::before').content]))"""
    )
    # Seven verdicts, and two words for statements of our own.
    assert len(shapes) == len(set(shapes.values())) == 9


def test_no_internal_name_is_a_title(small_run, visit):
    config = yaml.safe_load((small_run.folder / "config/config.yaml").read_text(encoding="utf-8"))
    for name in ("index", "figures"):
        page = visit(small_run.folder / "results" / f"{name}.html").page
        titles = page.locator("h1, h2, h3, h4, .gaps th").all_inner_texts()
        titles += page.evaluate(
            """() => [...document.querySelectorAll('picture img')].flatMap(image => {
                const source = decodeURIComponent(image.src.slice(image.src.indexOf(',') + 1));
                const drawn = new DOMParser().parseFromString(source, 'image/svg+xml');
                return [...drawn.querySelectorAll('text')].map(text => text.textContent.trim());
            })"""
        )
        assert len(titles) > 20
        assert not {*titles} & {set_ for set_ in config["sets"] if "_" in set_}, name
        # Nor is it anywhere else in the text, but in what is written as code, files and links.
        page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
        said = page.evaluate(
            """() => {
                const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
                const texts = [];
                while (walker.nextNode()) {
                    const text = walker.currentNode;
                    const outside = !text.parentElement.closest("a, code, pre, script, style");
                    if (outside) texts.push(text.textContent);
                }
                return texts.join(" ").split(/[^\\w]+/);
            }"""
        )
        internal = {one for one in config["sets"] if "_" in one or one == "stitched"}
        assert not {*said} & internal, name


@pytest.mark.parametrize("name", ["figures", "methods"])
def test_no_table_is_cut_off_on_a_wide_screen(small_run, visit, name):
    path = small_run.folder / "results" / f"{name}.html"
    page = visit(path, viewport={"width": 1280, "height": 900}).page
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    wider = page.evaluate(
        """() => [...document.querySelectorAll(".scroll")]
            .filter(region => region.scrollWidth > region.clientWidth)
            .map(region => [region.getAttribute("aria-label"), region.scrollWidth])"""
    )
    assert wider == []


def test_a_main_statement_is_a_card_on_a_phone(small_run, visit):
    path = small_run.folder / "results" / "index.html"
    page = visit(path, viewport={"width": 390, "height": 900}).page
    sizes = page.evaluate(
        """() => [...document.querySelectorAll(".statements tr > *")]
            .filter(cell => cell.checkVisibility())
            .map(cell => [cell.getBoundingClientRect().left, cell.getBoundingClientRect().right])"""
    )
    assert len(sizes) > 20
    assert len({left for left, _ in sizes}) == 1 and max(right for _, right in sizes) <= 390


@pytest.mark.parametrize("name", PAGES)
def test_print_keeps_headings_with_what_follows_and_numbers_its_pages(small_run, visit, name):
    page = visit(small_run.folder / "results" / f"{name}.html", color_scheme="dark").page
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    breaks = page.evaluate(
        "[...document.querySelectorAll('h2, h3, h4')].map(h => getComputedStyle(h).breakAfter)"
    )
    assert {*breaks} == {"avoid"}
    assert page.locator(".bar:visible, button:visible, .toc-wide:visible").count() == 0
    boxes = page.evaluate(
        """() => [...document.styleSheets[0].cssRules].filter(rule => rule instanceof CSSPageRule)
            .map(rule => rule.cssText).join(' ')"""
    )
    source = page.content()
    assert "@page" in boxes and "counter(page)" in source and "commit" in source
    assert len(page.pdf(format="A4")) > 20_000


def test_report_lists_and_draws_every_result(small_run, visit):
    seen = visit(small_run.folder / "unpacked" / "report" / "report.html")
    page = seen.page
    for category, results in (
        ("Figure 2", 4),
        ("Figure 3", 3),
        ("Table 1", 2),
        ("Table 2", 1),
        ("Training", 1),
        ("Training experiments", 4),
        ("Theory", 4),
        ("Supplement", 7),
        ("Beyond the paper", 5),
        ("Claims", 1),
        ("The pages", 6),
        ("Figure 1", 1),
    ):
        page.reload(wait_until="load")
        page.get_by_text(category, exact=True).first.click()
        rows = page.locator("table tbody tr")
        expect(rows, category).to_have_count(results, timeout=PATIENCE_MS)
    # The eye beside a result shows it.
    before = page.evaluate("document.images.length")
    rows.first.locator("a").first.click()
    page.wait_for_function(f"document.images.length > {before}")
    page.wait_for_function(f"({UNDRAWN})().length === 0")
    assert seen.network == []
    assert seen.errors == []


def test_the_wait_for_a_page_ends_when_all_is_drawn(browser, tmp_path, capsys):
    page, late = tmp_path / "index.html", 0.4
    page.write_text(
        f"""<!doctype html><title>late</title><b id="explorer-data"></b><div id="explorer"></div>
        <script>setTimeout(() => {{ document.querySelector("#explorer").innerHTML =
            '<p class="vega-embed">' + '<svg class="marks"></svg>'.repeat(4) + '</p>';
        }}, {1000 * late})</script>""",
        encoding="utf-8",
    )
    loaded, drawn, used = load.waited(browser, page)
    assert 0 < loaded < drawn and late <= drawn and used > 0
    load.main(["--results", str(tmp_path / "none"), "--folder", str(tmp_path)])
    assert "nothing is measured" in capsys.readouterr().out
    assert not (tmp_path / "load.csv").exists()


# The documentation


@pytest.fixture(scope="module")
def documentation(root, tmp_path_factory) -> Path:
    """A site with the settings of mkdocs.yml, but with two pages and without generated ones."""
    folder = tmp_path_factory.mktemp("documentation")
    settings = yaml.safe_load((root / "mkdocs.yml").read_text(encoding="utf-8"))
    settings["nav"] = [{"Home": "index.md"}, {"Map": "map.md"}]
    settings["plugins"] = [one for one in settings["plugins"] if "mkdocstrings" not in one]
    del settings["hooks"]
    (folder / "mkdocs.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    (folder / "docs").mkdir()
    (folder / "docs" / "javascripts").symlink_to(root / "docs" / "javascripts")
    (folder / "docs" / "index.md").write_text("# Home\n\nNothing to be found here.\n")
    (folder / "docs" / "map.md").write_text("# Map\n\n## plot_figure2b\n\nThe rule.\n")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    subprocess.run(command, cwd=folder, check=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"})
    return folder / "site"


def test_the_documentation_is_searched_without_server_or_network(visit, documentation):
    seen = visit(documentation / "index.html")
    seen.page.locator(".md-search__input").press_sequentially("figure2b")
    found = seen.page.locator('.md-search-result a[href*="map.html"][href*="#plot_figure2b"]')
    expect(found).to_contain_text("plot_figure2b", timeout=PATIENCE_MS)
    assert seen.network == []
    assert seen.errors == []
