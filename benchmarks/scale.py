"""docs/explanation/scale.md: 400 million pairs, computed from what `make bench` measured here.

Rates of this machine come from results/bench/*.csv; what could not be measured is an assumption and
called one. Nothing in the page is typed that can be computed.
"""

import argparse
from pathlib import Path

import pandas as pd
from bench import FOLDER, ROOT

PAIRS, SHARDS, DIMENSIONS = 400_000_000, 1000, 512
SAMPLE, LARGEST = 5000, 100_000  # `sample` and `compare_at_most` of config/config.yaml
# Of one modality, by modality_gap.gap: one each for the gap and the mean cosine, two each for
# their intervals, which need the sum of all before they can leave one out.
READINGS = 6
INTERVAL_NUMBERS = 5  # float64 of each vector, in memory while an interval is computed
# No GPU could be measured.
ASSUMED = {
    "gpus": 64,
    # A second on each, ViT-B/32 in bfloat16, where decoding keeps up.
    "gpu_images": 2000,
    "gpu_texts": 8000,
    "start_up_s": 60,  # of a GPU job: environment, model, first batch
    "picture_kb": 50,
    "caption_kb": 0.2,
    "pairs_a_tar": 10_000,  # as img2dataset writes them
}
HOUR, YEAR = 3600, 3600 * 24 * 365


def measured(folder: Path) -> dict:
    """The rates of this machine, from the files of `make bench`."""

    def value(table: str, subject: str, quantity: str) -> float:
        frame = pd.read_csv(folder / f"{table}.csv")
        rows = frame[(frame["subject"] == subject) & (frame["quantity"] == quantity)]
        return float(rows["value"].iloc[0])

    facts = pd.read_csv(folder / "dag.csv").iloc[0]
    streamed = "parquet_mean", f"rows of {DIMENSIONS} dimensions"
    parts = f"pairs of {DIMENSIONS} dimensions"
    dag = pd.read_csv(folder / "dag.csv")
    of_parts = pd.read_csv(folder / "parts.csv").iloc[0]
    return {
        "machine": facts["machine"],
        "date": facts["date"],
        "stream_gb_s": value(*streamed, "mean"),
        "open_gb_s": value(*streamed, "opening and checking"),
        "parts_gb_s": value("parts", parts, "rate of a core"),
        "parts_times": value("parts", parts, "processor time, times of reading"),
        "parts_mb": value("parts", parts, "memory"),
        "make_gb_s": value("parts", "tars of pictures", "made into parts, rate of a core"),
        "parts_machine": of_parts["machine"],
        "parts_date": of_parts["date"],
        "pairs_s": value("cosines", "all-pairs cosines", "rate") * 1e9 / (2 * DIMENSIONS),
        "dag_s": value("dag", "dry run", "CPU time"),
        "dag_jobs": int(dag[dag["subject"] == "dry run"]["n"].iloc[0]),
        "start_s": value("dag", "start", "CPU time"),
        "run_jobs": int(dag[dag["subject"] == "run that does nothing"]["n"].iloc[0]),
        "run_s": value("dag", "run that does nothing", "CPU time"),
    }


def plan(rates: dict, pairs: int = PAIRS) -> dict[str, float]:
    """What `pairs` pairs take: GPU hours, hours, terabytes; from measured and assumed rates."""
    vectors_gb = 4 * pairs * DIMENSIONS / 1e9  # of one modality, float32
    jobs = 2 * SHARDS
    sources_gb = pairs * (ASSUMED["picture_kb"] + ASSUMED["caption_kb"]) / 1e6
    made_s = sources_gb / rates["make_gb_s"]
    sums_s = 2 * vectors_gb / rates["parts_gb_s"]
    per_image, per_text = 1 / ASSUMED["gpu_images"], 1 / ASSUMED["gpu_texts"]
    gpu_h = (pairs * (per_image + per_text) + jobs * ASSUMED["start_up_s"]) / HOUR
    per_job_s = (rates["dag_s"] - rates["start_s"]) / rates["dag_jobs"]
    job_s = rates["run_s"] / rates["run_jobs"]
    open_h = vectors_gb / rates["open_gb_s"] / HOUR
    pass_h = vectors_gb / rates["stream_gb_s"] / HOUR
    return {
        "pairs_millions": pairs / 1e6,
        "pairs_millions_s": rates["pairs_s"] / 1e6,
        "job_ms": 1000 * job_s,
        "shards": SHARDS,
        "jobs": jobs,
        "pairs_a_shard": pairs / SHARDS,
        "minutes_a_shard": (pairs / SHARDS * per_image + ASSUMED["start_up_s"]) / 60,
        "gpu_h": gpu_h,
        "extraction_h": gpu_h / ASSUMED["gpus"],
        "sources_tb": sources_gb / 1000,
        "files_per_part": pairs / SHARDS / ASSUMED["pairs_a_tar"],
        "tars": pairs / ASSUMED["pairs_a_tar"],
        "made_h": made_s / HOUR,
        "made_min": made_s / 60 / ASSUMED["gpus"],
        "made_part_min": made_s / SHARDS / 60,
        "drawn_gb": 2 * 8 * pairs / 1e9,  # the numbers of all rows, and they in another order
        "side_tb": vectors_gb / 1000,
        "vectors_tb": 2 * vectors_gb / 1000,
        "sums_h": sums_s / HOUR,
        "sums_min": sums_s / 60 / ASSUMED["gpus"],  # as many cores
        "part_s": sums_s / SHARDS,
        # Of each part three matrices in float64 and a sample of both sides in float32.
        "kept_gb": SHARDS * DIMENSIONS * (3 * 8 * DIMENSIONS + 2 * 4 * SAMPLE) / 1e9,
        "pass_h": pass_h,
        "open_h": open_h,
        "readings": READINGS,
        "statistics_h": open_h + READINGS * pass_h,
        "ids_gb": 8 * pairs / 1e9,
        # Both modalities are open while an interval is computed.
        "memory_gb": 8 * (2 + INTERVAL_NUMBERS) * pairs / 1e9,
        "all_pairs_years": pairs * (pairs - 1) / 2 / rates["pairs_s"] / YEAR,
        "pairs_in_a_day_millions": (2 * rates["pairs_s"] * 24 * HOUR) ** 0.5 / 1e6,
        # Two more for each part: its making and its sums.
        "every_job": jobs + 2 * SHARDS,
        "dag_min": (rates["start_s"] + (jobs + 2 * SHARDS) * per_job_s) / 60,
        "scheduling_min": (jobs + 2 * SHARDS) * job_s / 60,
    }


def page(rates: dict) -> str:
    """docs/explanation/scale.md, from its text with places for numbers."""
    text = Path(__file__).with_name("scale.md.in").read_text(encoding="utf-8")
    return text.format(
        **ASSUMED, **rates, **plan(rates), dimensions=DIMENSIONS, sample=SAMPLE, largest=LARGEST
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "explanation" / "scale.md")
    settings = parser.parse_args(arguments)
    settings.output.write_text(page(measured(settings.folder)), encoding="utf-8")
    print(f"wrote {settings.output}")


if __name__ == "__main__":
    main()
