"""A browser for tests, and the pages that a test visits; conftest.py offers both as fixtures."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

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

# The most words that a page shows as it is opened, at 1280 pixels.
MOST_WORDS = {"index": 1500, "figures": 5000, "after": 2500}
WORDS = """() => {
    for (const unseen of document.querySelectorAll(".unseen")) unseen.remove();
    return [...document.querySelectorAll(".page-head, .content")]
        .map(part => part.innerText.split(/\\s+/).length).reduce((a, b) => a + b);
}"""


def words_shown(browser: Browser, path: Path) -> int:
    """How many words a page shows before a fold is opened."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri(), wait_until="load")
    words = page.evaluate(WORDS)
    page.close()
    return words


def words_faults(browser: Browser, results: Path) -> list[str]:
    """The pages of a run that show too many words, a sentence each."""
    shown = {name: words_shown(browser, results / f"{name}.html") for name in MOST_WORDS}
    return [
        f"{name}.html has {words:,} words, more than {MOST_WORDS[name]:,}"
        for name, words in shown.items()
        if words > MOST_WORDS[name]
    ]


@contextmanager
def chromium():
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def browser():
    if not CHROMIUM:
        pytest.skip("needs Chromium; `make browser` installs it")
    with chromium() as browser:
        yield browser


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
