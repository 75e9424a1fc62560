"""An extraction in shards gives, bit for bit, the embeddings of one job."""

import shutil
from functools import cache

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import ROOT, copy_project

from modality_gap.embeddings.extraction import embed, label_columns, plan_batches, select_rows
from modality_gap.embeddings.sets import EmbeddingWriter
from modality_gap.embeddings.shards import gather
from modality_gap.embeddings.stored import StoredVectors, read
from modality_gap.encoders.build import build_encoder

SETTINGS = {"batch_size": 128, "workers": 2, "unreadable": "fail"}
INPUTS = {"sample": 80, "noise": 150}
RESNET = {"library": "timm", "architecture": "resnet10t", "image_size": 32, "seeds": 2}


@cache
def build(init):
    return build_encoder(RESNET, "image", {"seed": init}, "float32")


@pytest.fixture(scope="module")
def emoji(small_run):
    return small_run.folder / "results" / "datasets" / "emoji.parquet"


def extract_shard(dataset, path, shard, shards) -> int:
    """What the job of one shard does; how many batches that were."""
    rows, noise, inits = select_rows(dataset, INPUTS, 0), INPUTS["noise"], range(RESNET["seeds"])
    todo = plan_batches(rows, noise, SETTINGS["batch_size"], inits, shard, shards)
    labels = label_columns(dataset, INPUTS, RESNET)
    with EmbeddingWriter(path, {}, labels, may_be_empty=shards > 1) as writer:
        items, _ = embed(todo, build, dataset, "image", writer, SETTINGS, 0)
        writer.metadata["weights"] = "two"
        writer.metadata["extraction"] = {"items": items, "seconds": 1, "device": "cpu"}
    return len(todo)


def test_any_number_of_shards_gives_the_same_rows(emoji, tmp_path):
    batches = extract_shard(emoji, tmp_path / "whole.parquet", 1, 1)
    whole = pq.read_table(tmp_path / "whole.parquet")
    noise = whole["noise"].to_pylist()
    assert sum(noise) == 2 * INPUTS["noise"] and len(noise) == 2 * (80 + 150)
    assert batches < 16  # so that some of as many shards have none
    for shards in (3, 16):
        paths = [tmp_path / f"{shard}-of-{shards}.parquet" for shard in range(1, shards + 1)]
        done = [extract_shard(emoji, path, n, shards) for n, path in enumerate(paths, 1)]
        assert max(done) - min(done) <= 1 and sum(done) == batches
        gather(paths, tmp_path / "parts.parquet")
        parts, one = (StoredVectors(tmp_path / f"{name}.parquet") for name in ("parts", "whole"))
        np.testing.assert_array_equal(parts[:], one[:])
        np.testing.assert_array_equal(parts.item_hashes, one.item_hashes)
        pd.testing.assert_frame_equal(parts.file.labels(), one.file.labels())
        shutil.rmtree(tmp_path / "parts.parquet")


def test_the_workflow_makes_shards_and_gathers_them(small_run, emoji, tmp_path):
    (tmp_path / "shards.yaml").write_text(yaml.safe_dump({"extraction": {"shards": 3}}))
    project = copy_project(
        tmp_path,
        ROOT / "resources",
        configs=("tests/small.yaml", "shards.yaml"),
        warm=small_run.warm,
    )
    (tmp_path / "results" / "datasets").mkdir(parents=True)
    shutil.copy2(emoji, tmp_path / "results" / "datasets")
    # With one shard a job makes both modalities of the one, and another several models' like these.
    paths = [
        f"results/embeddings/{folder}/text.parquet"
        for folder in ("digit_clip_random", "emoji_clip_raw_pixels.emoji_test")
    ]
    said = project.snakemake("--rerun-triggers", "mtime", "--", *paths)
    assert said.count("rule extract_shard:") == 6 and said.count("rule gather_shards:") == 2
    for path in paths:
        parts, whole = read(tmp_path / path), read(small_run.folder / path)
        np.testing.assert_array_equal(parts.vectors, whole.vectors)
        np.testing.assert_array_equal(parts.item_ids, whole.item_ids)
        pd.testing.assert_frame_equal(parts.labels, whole.labels)
        assert sorted(one.name for one in (tmp_path / path).glob("*.parquet")) == [
            f"{number}-of-3.parquet" for number in (1, 2, 3)
        ]
    assert not list((tmp_path / "results").glob("shards/*/*"))
