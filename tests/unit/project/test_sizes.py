"""Numbers that no result shows: how much is in memory at a time, how long is measured; and numbers
that a description repeats."""

import re
from pathlib import Path

import yaml

from modality_gap.data import assets, datasets, parquet, readers, tiles
from modality_gap.embeddings import decisions, sets, workers

ROOT = Path(__file__).parents[3]
MIB = 2**20
PHOTOGRAPH = 160_000  # bytes, as in COCO


def test_little_is_in_memory_at_a_time():
    """Of vectors with 512 dimensions, of photographs, and of a download."""
    assert tiles.TILE * 512 * 8 == 32 * MIB
    assert tiles.READ * 512 * 4 == 2 * MIB
    assert tiles.AHEAD * tiles.TILE * 512 * 8 <= 64 * MIB
    assert 32 * MIB <= readers.ROWS * PHOTOGRAPH <= 64 * MIB
    assert readers.ROWS * PHOTOGRAPH < datasets.LARGEST <= 128 * MIB
    assert sets.ROW_GROUP * 512 * 4 == 2 * MIB
    assert parquet.BUFFER == MIB
    assert 2**16 <= assets.CHUNK_BYTES <= MIB


def test_a_batch_of_32_is_work_for_two_workers():
    assert 2 * workers.AT_ONCE == 32
    assert workers.TASKS * workers.AT_ONCE >= 64  # pictures of each worker in a round


def test_a_measurement_is_long_enough_to_be_one():
    assert decisions.ROUND_S >= 0.2
    assert decisions.ROUNDS >= 3 and workers.ROUNDS >= 3  # so that one slow round decides nothing
    assert decisions.PICTURES >= 50  # for a median of cosines and its lowest


def numbers(text: str) -> set[float]:
    return {float(one.replace(",", "")) for one in re.findall(r"(?<![\w.])[\d,]*\.?\d+", text)}


def test_descriptions_have_the_numbers_of_the_program():
    schema = yaml.safe_load((ROOT / "config/schema/config.yaml").read_text(encoding="utf-8"))
    about = {
        key: part["description"]
        for key, part in schema["properties"]["extraction"]["properties"].items()
    }
    assert numbers(about["workers"]) == {workers.FEW, workers.MANY}
    limits = {limit for kind, limit in decisions.PRECISIONS.items() if kind != decisions.PLAIN}
    assert numbers(about["precision"]) == {decisions.FASTER, *limits}
    page = (ROOT / "docs/explanation/precision.md").read_text(encoding="utf-8")
    assert {decisions.FASTER, *limits} <= numbers(page)
