"""The pages in headless Firefox: quiet, offline, and moved and searched with the keyboard."""

import socket

import pandas as pd
import pytest
from firefox import FIREFOX, Tab, started

PAGES = ("index", "evidence", "figures", "after", "errata", "methods")
SHOWN = """[...document.querySelectorAll("#checks tbody tr")].filter(row => row.checkVisibility())
    .map(row => row.dataset.verdict)"""
GROUND = "getComputedStyle(document.body).backgroundColor"
UNDRAWN = """[...document.images].filter(one => !one.complete || !one.naturalWidth)
    .map(one => one.alt)"""


@pytest.fixture(scope="module")
def firefox(tmp_path_factory):
    if not FIREFOX:
        pytest.skip("needs Firefox ESR; `make browser` installs it")
    with started(tmp_path_factory.mktemp("firefox")) as session:
        yield session


@pytest.fixture
def tab(firefox):
    tab = Tab(firefox)
    yield tab
    tab.close()


def address(run, name: str) -> str:
    return (run.folder / "results" / f"{name}.html").as_uri()


def test_what_a_page_asks_for_and_says_is_heard(tab, tmp_path):
    page = tmp_path / "page.html"
    with socket.socket() as silent:  # it holds a port and does not listen
        silent.bind(("127.0.0.1", 0))
        image = f"http://127.0.0.1:{silent.getsockname()[1]}/asked.png"
        page.write_text(
            f"""<!doctype html><img alt="" src="{image}">
            <script>console.error("said"); undefinedName</script>"""
        )
        tab.open(page.as_uri())
    assert tab.network == [image]
    assert tab.errors == ["said", "ReferenceError: undefinedName is not defined"]
    page.write_text(
        """<!doctype html><meta http-equiv="Content-Security-Policy" content="default-src 'none'">
        <script>0</script>"""
    )
    tab.reload()
    assert "blocked" in tab.errors[2] and "script-src" in tab.errors[2]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_drawn_whole_quiet_and_offline(small_run, tab, name):
    tab.open(address(small_run, name))
    assert tab.run("document.querySelector('h1').checkVisibility()")
    tab.run("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    tab.wait_until(f"{UNDRAWN}.length === 0")
    assert tab.run("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert (tab.network, tab.errors) == ([], [])


def test_the_switch_changes_the_colours_and_is_remembered(small_run, tab):
    tab.open(address(small_run, "index"))
    grounds = []
    for theme in ("light", "dark"):
        tab.press("#theme", "Enter")
        assert tab.run("document.querySelector('#theme').textContent") == f"colours: {theme}"
        grounds.append(tab.run(GROUND))
    assert grounds[0] != grounds[1]
    tab.reload()
    assert tab.run(GROUND) == grounds[1]
    assert tab.errors == []


def test_the_slider_of_the_explorer_follows_the_keyboard(small_run, tab):
    tab.open(address(small_run, "index"))
    tab.wait_until("document.querySelectorAll('#explorer .vega-embed svg.marks').length === 4")
    before = tab.run("document.querySelector('#explorer-now').textContent")
    tab.press("#explorer-shift", "Left", "Left", "Left")
    tab.wait_until("location.hash.startsWith('#explorer=')")
    chosen, delta = tab.run("location.hash").removeprefix("#explorer=").split(",")
    recall = pd.read_csv(small_run.folder / "results/statistics/recall_under_shift.csv")
    row = recall[(recall["set"] == chosen) & (recall["delta"] == float(delta))].iloc[0]
    assert row["delta"] > 0  # the centres came nearer
    now = tab.run("document.querySelector('#explorer-now').textContent")
    assert f"distance {row['distance']:.2f}: narrower than" in now != before
    shown = tab.run(
        "[...document.querySelectorAll('#explorer-recall .readout b')].map(one => one.textContent)"
    )
    for value, side in zip(shown, ("recall1_ab", "recall1_ba"), strict=True):
        assert float(value.split()[0]) == pytest.approx(100 * row[side], abs=0.06)
    assert (tab.network, tab.errors) == ([], [])


def test_checks_are_chosen_and_searched_and_a_link_shows_one(small_run, tab):
    claims = pd.read_csv(small_run.folder / "results/claims.csv", dtype=str, keep_default_na=False)
    tab.open(address(small_run, "evidence"))
    assert len(tab.run(SHOWN)) == len(claims)
    tab.press("[name=verdict][value=reproduced]", "Space")
    # A statement of ours has words of its own.
    reproduced = ((claims["verdict"] == "reproduced") & (claims["whose"] != "ours")).sum()
    assert tab.run(SHOWN) == ["reproduced"] * reproduced
    tab.press("[name=q]", "temperature")
    assert 0 < len(tab.run(SHOWN)) < reproduced
    chosen = tab.run(SHOWN)
    tab.reload()
    assert tab.run(SHOWN) == chosen
    last = tab.run("[...document.querySelectorAll('#checks tbody tr')].at(-1).id")
    tab.open(f"{address(small_run, 'evidence')}#{last}")
    seen = f"document.getElementById({last!r}).getBoundingClientRect()"
    tab.wait_until(f"{seen}.top < innerHeight && {seen}.bottom > 0")
    assert (tab.network, tab.errors) == ([], [])
