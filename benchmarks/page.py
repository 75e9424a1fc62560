"""results/bench.html: every measure of `make bench`, and whether its bar is met."""

import argparse
from pathlib import Path

import pandas as pd
import yaml
from bench import FOLDER, ROOT

from modality_gap.embeddings.decisions import FASTER, PRECISIONS
from modality_gap.pages import paper, render
from modality_gap.pages.findings.base import Table

TITLES = {
    "loss_sweep": "The loss sweep against a plain loop",
    "cosines": "All-pairs cosines against a matrix product",
    "parquet_mean": "The mean of rows streamed from Parquet against pyarrow",
    "parts": "Pairs in parts against reading their files",
    "growth_exponents": "Growth with the number of pairs: exponents",
    "growth": "Growth with the number of pairs: time and memory",
    "extract": "Extraction against a plain loop",
    "decode": "Decoding by workers, and the ceilings of an extraction",
    "runtimes": "ONNX Runtime and OpenVINO against torch",
    "overhead": "Snakemake's own part of a run",
    "startup": "Start-up of each script",
    "dag": "Ten thousand shard jobs",
    "load": "The pages of a run in a browser",
    "digits": "What the small CLIP learns, by seed",
}
CAPTION = "What was measured; n is what was counted or fitted, low and high are extremes or errors."
FACTS = ("machine", "versions", "date")
MET, MISSED, NOT_MEASURED = "met", "missed", "not measured"


def words_of(value: float | str) -> str:
    """A cell of a table: of a number four digits, or its thousands; none for what is missing."""
    if pd.isna(value):
        return ""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def verdict(bar: dict, value: float | None) -> str:
    """Whether a bar (`at_least` or `at_most`) is met by a value; None is not measured."""
    if value is None:
        return NOT_MEASURED
    met = value >= bar["at_least"] if "at_least" in bar else value <= bar["at_most"]
    return MET if met else MISSED


def value_of(tables: dict[str, pd.DataFrame], bar: dict) -> float | None:
    """The measure that a bar is of."""
    table = tables.get(bar["table"])
    if table is None:
        return None
    rows = table[(table["subject"] == bar["subject"]) & (table["quantity"] == bar["quantity"])]
    return float(rows["value"].iloc[0]) if len(rows) else None


def extraction_bars(table: pd.DataFrame) -> list[tuple[dict, float | None]]:
    """The bars of extraction in the precision that `auto` chooses, and their values. Speed, by the
    wall, against a plain float32 loop: 3 times where the CPU multiplies matrices in bfloat16, 1.8
    times where `auto` chooses bfloat16 on another, 1.2 times where it chooses ONNX Runtime, and no
    slower where it chooses float32; a GPU's is held to nothing. The lowest cosine to float32, where
    the precision is another."""
    precision, device = table["auto_precision"].iloc[0], table["device"].iloc[0]
    lower = precision != "float32"
    fast = {"float32": 1, "float32_onnx": FASTER}.get(precision, 3 if "AMX" in device else 1.8)
    bars = []
    if device.startswith("CPU"):
        words = f"extraction in {precision}, which auto chooses here, times as fast as a plain "
        words += "float32 loop"
        bar = {"at_least": fast, "words": words}
        bars.append((bar, "project / dataloader in float32", "ratio of speeds", "value"))
    if lower:
        words = f"extraction in {precision}, lowest cosine of a picture's embedding to float32's"
        bar = {"at_least": PRECISIONS[precision], "words": words}
        bars.append((bar, "project against float32", "cosine", "low"))
    rows_of_precision = table[table["precision"] == precision].set_index(["way", "measure"])
    return [
        (
            bar,
            float(rows_of_precision.loc[(way, measure), column])
            if (way, measure) in rows_of_precision.index
            else None,
        )
        for bar, way, measure, column in bars
    ]


def bars_table(tables: dict[str, pd.DataFrame], bars: list[dict]) -> Table:
    """Every bar, what was measured, and whether it is met."""
    measured = [(bar, value_of(tables, bar)) for bar in bars]
    if "extract" in tables:
        measured += extraction_bars(tables["extract"])
    rows = []
    for bar, value in measured:
        limit = ("at least", bar["at_least"]) if "at_least" in bar else ("at most", bar["at_most"])
        value_in_words = NOT_MEASURED if value is None else words_of(value)
        rows.append([bar["words"], f"{limit[0]} {limit[1]:g}", value_in_words, verdict(bar, value)])
    return Table("What each measure is held to.", ["measure", "bar", "measured", "verdict"], rows)


def measures_table(name: str, table: pd.DataFrame) -> Table:
    """One file's rows as they are, numbers made readable, without what is the same in all."""
    shown = table.drop(columns=[column for column in table if column in FACTS])
    shown = shown[
        [column for column in shown if len(shown) == 1 or shown[column].nunique(dropna=False) > 1]
    ]
    rows = [[words_of(cell) for cell in row] for row in shown.itertuples(index=False)]
    return Table(CAPTION, list(shown.columns), rows)


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables that are there, in the order of the page."""
    paths = {name: folder / f"{name}.csv" for name in TITLES}
    return {name: pd.read_csv(path) for name, path in paths.items() if path.exists()}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--output", type=Path, default=FOLDER.with_name("bench.html"))
    settings = parser.parse_args(arguments)
    tables = read_tables(settings.folder)
    bars = yaml.safe_load((ROOT / "benchmarks" / "bars.yaml").read_text(encoding="utf-8"))
    svg = settings.folder / "growth.svg"
    about = [dict(table.iloc[0][list(FACTS)]) for table in tables.values() if "machine" in table]
    facts = {fact: list(dict.fromkeys(one[fact] for one in about)) for fact in FACTS}
    html = render.render_page(
        {
            name: (ROOT / "report/templates" / f"{name}.html.j2").read_text(encoding="utf-8")
            for name in ("base", "parts", "bench")
        },
        "bench",
        style=paper.Markup((ROOT / "report" / "style.css").read_text(encoding="utf-8")),
        bars=bars_table(tables, bars),
        tables={name: measures_table(name, table) for name, table in tables.items()},
        titles=TITLES,
        facts=facts,
        figure=render.embedded(svg.read_bytes()) if svg.exists() else "",
    )
    settings.output.write_text(html, encoding="utf-8")
    print(f"wrote {settings.output}")


if __name__ == "__main__":
    main()
