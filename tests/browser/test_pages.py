"""Both pages in headless Chromium: offline, no error, every picture drawn, no dead link inside."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
import yaml
from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A wait ends when its condition holds; this ends only one that hangs.
PATIENCE_MS = 120_000
UNDRAWN = """() => [...document.images]
    .filter(image => !image.complete || image.naturalWidth === 0)
    .map(image => image.alt || image.src.slice(0, 80))"""


@pytest.fixture(scope="session")
def browser():
    if not CHROMIUM:
        pytest.skip("needs Chromium; `make browser` installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Visit:
    """A page opened from disk, and what it asked of the network and said on the console."""

    def __init__(self, browser, path: Path, **context):
        self.context = browser.new_context(**context)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console",
            lambda message: self.errors.append(message.text) if message.type == "error" else None,
        )
        self.page.goto(path.as_uri(), wait_until="load")

    @property
    def network(self) -> list[str]:
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]


@pytest.fixture
def visit(browser):
    visits = []

    def open_page(path: Path, **context) -> Visit:
        visits.append(Visit(browser, path, **context))
        return visits[-1]

    yield open_page
    for each in visits:
        each.context.close()


@pytest.mark.parametrize(
    "context",
    [
        {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
        {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
        {"viewport": {"width": 375, "height": 700}, "color_scheme": "light"},
    ],
    ids=["light", "dark", "phone"],
)
def test_paper_page(small_run, visit, context):
    path = small_run.folder / "results" / "paper.html"
    seen = visit(path, **context)
    page = seen.page
    assert seen.network == []
    assert seen.errors == []
    assert page.evaluate("document.images.length") >= 10
    # Pictures further down are drawn when they are needed at the latest.
    page.evaluate("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
    page.wait_for_function(f"({UNDRAWN})().length === 0")
    assert all(page.evaluate("[...document.images].map(image => image.alt.length > 10)"))
    # No sideways scrolling of the page as a whole.
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


@pytest.mark.parametrize("name", ["claims", "errata", "models", "run"])
@pytest.mark.parametrize("width", [1280, 375])
def test_the_other_pages(small_run, visit, name, width):
    results = small_run.folder / "results"
    seen = visit(results / f"{name}.html", viewport={"width": width, "height": 800})
    page = seen.page
    assert seen.network == []
    assert seen.errors == []
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    links = page.evaluate("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    paper = (results / "paper.html").read_text(encoding="utf-8")
    assert len(links) > 10
    for link in set(links):
        path, _, anchor = link.partition("#")
        if path:
            assert (results / path).is_file(), link
        text = paper if path == "paper.html" else (results / f"{name}.html").read_text("utf-8")
        assert not anchor or f'id="{anchor}"' in text, link


def test_links_from_the_paper_page_lead_to_their_claims(small_run, visit):
    results = small_run.folder / "results"
    page = visit(results / "paper.html").page
    links = page.evaluate(
        "[...document.querySelectorAll('a[href^=\"claims.html#\"]')].map(a => a.href)"
    )
    assert len(links) > 60
    claims = (results / "claims.html").read_text(encoding="utf-8")
    for link in links:
        assert f'id="{unquote(urlparse(link).fragment)}"' in claims, link


def test_paper_page_turns_dark(small_run, visit):
    path = small_run.folder / "results" / "paper.html"
    light, dark = (
        visit(path, color_scheme=scheme).page.evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        for scheme in ("light", "dark")
    )
    assert light != dark


def test_every_link_of_the_paper_page_leads_somewhere(small_run, visit):
    path = small_run.folder / "results" / "paper.html"
    page = visit(path).page
    links = page.evaluate("[...document.querySelectorAll('a')].map(a => a.getAttribute('href'))")
    inside = [link for link in links if link.startswith("#")]
    files = [link for link in links if not urlparse(link).scheme and not link.startswith("#")]
    assert len(inside) >= 10
    assert len(files) >= 15
    dead = [
        link
        for link in inside
        if not page.evaluate("id => !!document.getElementById(id)", link[1:])
    ]
    dead += [link for link in files if not (path.parent / unquote(urlparse(link).path)).is_file()]
    assert dead == []


def test_paper_page_shows_each_figure_and_table_in_the_papers_order(small_run, visit):
    page = visit(small_run.folder / "results" / "paper.html").page
    headings = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(h => h.textContent)")
    text = "\n".join(headings)
    places = [
        text.find(name) for name in ("Figure 1", "Figure 2", "Figure 3", "Table 1", "Table 2")
    ]
    assert -1 not in places
    assert places == sorted(places)
    body = page.inner_text("body")
    assert "could not be fetched" in body
    assert "stand-in" in body.lower()


def test_what_speaks_against_the_paper_is_on_the_first_screens(small_run, visit):
    page = visit(
        small_run.folder / "results" / "paper.html", viewport={"width": 1280, "height": 900}
    ).page
    for heading in ("Against the paper", "In agreement"):
        box = page.get_by_role("heading", name=heading, exact=True).bounding_box()
        assert box["y"] < 2 * 900, heading
    # The ledger's words have shapes of their own.
    shapes = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('#reading .verdict')]
            .map(mark => [mark.textContent, getComputedStyle(mark, '::before').content]))"""
    )
    assert len(shapes) == len(set(shapes.values())) == 7


def test_report_lists_and_draws_every_result(small_run, visit):
    seen = visit(small_run.folder / "unpacked" / "report" / "report.html")
    page = seen.page
    for category, results in (
        ("Figure 2", 4),
        ("Figure 3", 4),
        ("Table 1", 2),
        ("Table 2", 1),
        ("Training", 1),
        ("Training experiments", 4),
        ("Theory", 4),
        ("Supplement", 8),
        ("Beyond the paper", 4),
        ("Claims", 3),
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
