"""With extraction.precision: auto a measurement decides once, and all shards follow its file."""

import json
import shutil

import numpy as np
import pytest
import torch
import yaml
from conftest import ROOT, copy_project

from modality_gap.embeddings.stored import read

TEXT = "results/embeddings/digit_clip_random/text.parquet"
DECISION = "results/decisions/digit_clip_random/text.json"


@pytest.fixture(scope="module")
def project(tmp_path_factory, wheels, warm):
    folder = tmp_path_factory.mktemp("auto")
    settings = {"extraction": {"precision": "auto", "shards": 2}}
    (folder / "auto.yaml").write_text(yaml.safe_dump(settings))
    project = copy_project(
        folder, ROOT / "resources", configs=("tests/small.yaml", "auto.yaml"), warm=warm
    )
    project.snakemake("--", TEXT)
    return project


def test_the_measurement_is_kept_and_followed_by_every_shard(project):
    decided = json.loads((project.folder / DECISION).read_text())["precision"]
    # There are too few items to export the network for them.
    assert set(decided["items_per_s"]) == {"float32", "bfloat16"}
    assert decided["n"] == 16 and decided["lowest_cosine"]["bfloat16"] > 0.999
    assert decided["chosen"] == "float32" or decided["times"][decided["chosen"]] >= 1.2
    about = read(project.folder / TEXT).metadata
    assert about["extraction"]["shards"] == 2
    assert (about["dtype"], about["precision"]) == (dtype(decided["chosen"]), decided)
    assert "runtime" not in about
    log = project.folder / "results/logs/decide_extraction/digit_clip_random.text.log"
    assert f"precision: {decided['chosen']}; median of 3 rounds of 16 items" in log.read_text()


def dtype(precision):
    return precision.removesuffix("_onnx")


def test_the_same_decision_gives_the_same_embeddings_and_a_new_one_no_rerun(project):
    path = project.folder / DECISION
    decided, vectors = json.loads(path.read_text()), {}
    for precision in ("bfloat16", "float32", "float32_onnx", "bfloat16"):
        decided["precision"]["chosen"] = precision
        path.write_text(json.dumps(decided))
        assert "Nothing to be done" in project.snakemake("--", TEXT)
        shutil.rmtree(project.folder / TEXT)
        said = project.snakemake("--", TEXT)
        assert "rule decide_extraction:" not in said and said.count("rule extract_shard:") == 2
        embedded = read(project.folder / TEXT)
        assert embedded.metadata["dtype"] == dtype(precision)
        assert embedded.metadata.get("runtime", "")[:12] == (
            "ONNX Runtime" if precision == "float32_onnx" else ""
        )
        found = embedded.vectors
        if precision in vectors:
            np.testing.assert_array_equal(vectors[precision], found)
        vectors[precision] = found
    assert np.abs(vectors["bfloat16"] - vectors["float32"]).max() > 1e-4
    differs = np.abs(vectors["float32_onnx"] - vectors["float32"]).max()
    assert 0 < differs < 1e-5 * np.abs(vectors["float32"]).max()


def test_pinned_precision_measures_nothing(project):
    said = project.snakemake("-n", "--config", "extraction={precision: float32}", "--", TEXT)
    assert "decide_extraction" not in said and "extract_shard" in said


def test_another_decoder_is_measured_on_pictures_and_noted(project):
    image = TEXT.replace("text.", "image.")
    setting = ("--config", "extraction={precision: float32, decode: scaled}")
    assert "decide_extraction" not in project.snakemake("-n", *setting, "--", TEXT)
    project.snakemake(*setting, "--", image)
    about = read(project.folder / image).metadata
    # Drawings are no JPEGs: Pillow decodes them as ever.
    assert about["decode"] == {
        "way": "scaled", "lowest_cosine": 1.0, "median_cosine": 1.0, "n": about["decode"]["n"]
    }  # fmt: skip
    assert 1 < about["decode"]["n"] <= 64 and "precision" not in about


def test_a_gpus_decoder_is_refused_without_a_gpu(project):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    setting = ("--config", "extraction={precision: float32, decode: gpu}")
    image = TEXT.replace("text.", "image.")
    said = project.snakemake(*setting, "--", image, check=False)
    assert "extraction.decode is gpu, but PyTorch finds no CUDA GPU on this machine" in said
