"""Check what a run left in results/: every figure and table, in both pages, without a hole.

Run by .ci/run after `make report`, and by the workflow tests: python tests/check_outputs.py [DIR]
"""

import csv
import sys
import xml.etree.ElementTree
from pathlib import Path

FIGURES = [
    "figure1",
    "figure2a",
    "figure2b",
    "figure2c",
    "figure3a",
    "figure3bcd",
    "figure3ef",
    "figure3g",
    "table1_curves",
    "training",
]
TABLES = ["tables/table1.csv", "tables/table2.csv"]
STATISTICS = {
    "gap": ["set", "weights", "n", "dim", "gap", "mean_cosine_a", "mean_cosine_b", "min_cosine_a",
            "min_cosine_b", "recall1_ab", "recall1_ba"],
    "cone": ["encoder", "weights", "inputs", "n", "mean_cosine", "min_cosine"],
    "mlp_cone": ["activation", "bias", "layer", "repeat", "mean_cosine"],
    "loss_landscape": ["set", "temperature", "delta", "distance", "loss", "loss_as_released"],
    "sphere": ["spacing_deg", "mismatched", "temperature", "delta_theta_deg", "loss"],
}  # fmt: skip
LIMIT_BYTES = 15_000_000


def faults(results: Path) -> list[str]:
    """What is wrong with a run's results, a sentence each; empty where nothing is."""
    found = []
    pages = {}
    for name in ("paper.html", "report.html"):
        if not (results / name).is_file():
            return [f"{name} is missing"]
        pages[name] = (results / name).read_text(encoding="utf-8")
    if len(pages["paper.html"].encode()) > LIMIT_BYTES:
        found.append("paper.html is over 15 MB")
    for figure in FIGURES:
        svg, pdf = (results / "figures" / f"{figure}.{kind}" for kind in ("svg", "pdf"))
        if not (svg.is_file() and pdf.is_file() and pdf.read_bytes().startswith(b"%PDF")):
            found.append(f"figure {figure} is missing as SVG or PDF")
            continue
        xml.etree.ElementTree.parse(svg)
        if f"figures/{figure}.pdf" not in pages["paper.html"]:
            found.append(f"paper.html does not show {figure}")
        if f"figures/{figure}.svg" not in pages["report.html"]:
            found.append(f"report.html does not list {figure}")
    for table in TABLES:
        found += holes(results / table)
        found += [
            f"{page} does not list {table}" for page, text in pages.items() if table not in text
        ]
    for name, columns in STATISTICS.items():
        path = results / "statistics" / f"{name}.csv"
        found += holes(path)
        with path.open(newline="") as file:
            missing = set(columns) - set(next(csv.reader(file)))
        found += [f"{path} has no column {column}" for column in sorted(missing)]
    return found


def holes(path: Path) -> list[str]:
    """Empty or NaN cells of a CSV table, or its absence."""
    if not path.is_file():
        return [f"{path} is missing"]
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return [f"{path} has no rows"]
    return [
        f"{path}, row {number}: {column} is {value!r}"
        for number, row in enumerate(rows, start=1)
        for column, value in row.items()
        if value is None or value.strip().lower() in ("", "nan", "inf", "-inf")
    ]


if __name__ == "__main__":
    problems = faults(Path(sys.argv[1] if len(sys.argv) > 1 else "results"))
    print("\n".join(problems) or "every figure and table is there, without a hole")
    sys.exit(bool(problems))
