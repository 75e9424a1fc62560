"""How long a reader waits for each page of the last run, opened from disk in headless Chromium.

A page counts as drawn when it is loaded, every picture in it is decoded and, on the summary, Vega
has drawn the explorer's four charts; the clock begins with the navigation, and each round has a
browser context of its own. CPU time is that of the page's process until then, little disturbed by
what else the machine does. Where there is no run or no Chromium nothing is measured. Writes
results/bench/load.csv; n is the size of the page in bytes.
"""

import argparse
import sys
from pathlib import Path

from bench import FOLDER, ROOT, measured, save, say

sys.path.append(str(ROOT / "tests"))

from browsing import CHROMIUM, chromium
from playwright.sync_api import Browser

PAGES = ("index", "evidence", "figures", "after", "errata", "methods")
SIZE = {"width": 1280, "height": 900}
QUANTITIES = ("loaded", "drawn", "CPU time")
# Seconds from the navigation until the page is loaded, and until all of it is drawn.
WAITED = """async () => {
    await Promise.all([...document.images].map(image => image.decode()));
    const charts = () => document.querySelectorAll("#explorer .vega-embed svg.marks").length;
    while (document.querySelector("#explorer-data") && charts() < 4)
        await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    const [entry] = performance.getEntriesByType("navigation");
    return [entry.loadEventEnd / 1000, performance.now() / 1000];
}"""


def waited(browser: Browser, path: Path) -> tuple[float, float, float]:
    """QUANTITIES of a page, in seconds."""
    context = browser.new_context(viewport=SIZE)
    page = context.new_page()
    tools = context.new_cdp_session(page)
    tools.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(path.as_uri(), wait_until="load")
    loaded, drawn = page.evaluate(WAITED)
    metrics = tools.send("Performance.getMetrics")["metrics"]
    used = next(one["value"] for one in metrics if one["name"] == "ProcessTime")
    context.close()
    return loaded, drawn, used


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    settings = parser.parse_args(arguments)
    paths = [settings.results / f"{name}.html" for name in PAGES]
    paths = [path for path in paths if path.exists()]
    if not (paths and CHROMIUM):
        say("no page of a run, or no Chromium: nothing is measured")
        return
    rows = []
    with chromium() as browser:
        waited(browser, paths[0])  # the browser's own start
        for path in paths:
            rounds = [waited(browser, path) for _ in range(settings.rounds)]
            for quantity, times in zip(QUANTITIES, zip(*rounds, strict=True), strict=True):
                rows.append(measured(path.name, quantity, list(times), "s", path.stat().st_size))
        version = browser.version
    save("load", rows, settings.folder, browser=f"Chromium {version}")


if __name__ == "__main__":
    main()
