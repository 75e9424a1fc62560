"""The extraction benchmark, on a very small model: it measures what it says."""

import importlib.util
import io
import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

SMALL = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 1},
}


@pytest.fixture(scope="session")
def bench(root):
    spec = importlib.util.spec_from_file_location("bench", root / "benchmarks" / "extract.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pictures_are_of_a_photographs_size_and_are_stored_once_a_row(bench, tmp_path):
    rng = np.random.default_rng(0)
    pictures = [bench.draw_picture(rng, 500, 375), bench.draw_picture(rng, 375, 500)]
    assert [Image.open(io.BytesIO(data)).size for data in pictures] == [(500, 375), (375, 500)]
    assert all(50_000 < len(data) < 120_000 for data in pictures)
    path = tmp_path / "pictures.parquet"
    bench.write_dataset(path, pictures, 5)
    table = pq.read_table(path)
    assert table["image"].to_pylist() == [*pictures, *pictures, pictures[0]]
    assert path.stat().st_size > 5 * min(map(len, pictures))


def test_all_ways_give_the_same_embeddings_and_a_table_without_holes(bench, tmp_path):
    architecture = tmp_path / "bench-clip.json"
    architecture.write_text(json.dumps(SMALL))
    output = tmp_path / "bench" / "extract.csv"
    bench.main(
        f"--items 6 --rounds 1 --batch-size 4 --workers 2 --architecture {architecture} "
        f"--folder {output.parent}".split()
    )
    table = pd.read_csv(output)
    assert list(output.parent.iterdir()) == [output]  # the pictures are gone
    assert not table.isna().any(axis=None)
    assert {"machine", "versions", "date", "device", "auto_precision"} <= set(table)
    found = table.set_index(["precision", "way", "measure"])
    for way in ("project", "ceiling", "dataloader", "decode"):
        assert found.loc[("float32", way, "images_per_s"), "value"] > 0
    ways = found.loc["float32_onnx"].index.get_level_values("way")
    assert {"project", "ceiling", "project / dataloader in float32"} <= {*ways}
    assert "dataloader" not in ways and "project / dataloader in float32_onnx" not in ways
    assert found.loc[("float32_onnx", "project against float32", "cosine"), "low"] > 0.999999
    assert found.loc[("float32", "project against dataloader", "cosine"), "low"] > 0.999999
    rounding = found.loc[("bfloat16", "project against float32", "cosine"), "low"]
    assert 0.999 < rounding < 1 - 1e-9
    shares = [
        found.loc[("float32", "project", f"{part}_share"), "value"] for part in ("read", "infer")
    ]
    assert 0 < sum(shares) < 1
    speeds = found.xs("images_per_s", level="measure")["value"]
    ratio = found.loc[("float32", "project / ceiling in float32", "ratio of speeds"), "value"]
    assert ratio == pytest.approx(speeds["float32", "project"] / speeds["float32", "ceiling"])
