"""Your own pairs alone, from two files to their page."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import copy_project
from plan import Job


@pytest.fixture(scope="module")
def ran(tmp_path_factory, warm):
    """A run of 62 pairs, two more of which have no partner; the texts are in another order."""
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    image, text = rng.normal(size=(2, 64, 12)) + np.array([[[1.0]], [[-1.0]]])
    order = rng.permutation(64)
    ids = np.array([f"photo {row}" for row in range(64)])
    texts = [*ids[order][:62], "<nobody>", "one more"]
    np.savez(folder / "image.npz", vectors=image.astype(np.float16), ids=ids)
    table = pa.table({"emb": text[order].tolist(), "id": texts})
    pq.write_table(table, folder / "text.parquet")
    side = {"file": "image.npz", "ids": "ids"}
    row = {"Image 1": side, "clip_text": "text.parquet", "note": "A <b>note</b>."}
    (folder / "own.yaml").write_text(yaml.safe_dump({"sets": None, "pairs": {"mine": row}}))
    project = copy_project(folder, None, configs=("own.yaml",), warm=warm)
    planned = Job.all_in(project.snakemake("--dry-run"))
    project.snakemake()
    both = [row for row in range(64) if ids[row] in texts]
    return project, planned, image.astype(np.float16).astype(float)[both], text[both]


def test_at_most_twelve_jobs_and_no_download(ran):
    _, planned, _, _ = ran
    assert len(planned) + 1 <= 12  # and the one of the rule `all`
    assert not {"download_asset", "extract_pair", "make_dataset"} & {job.rule for job in planned}


def test_the_gap_is_that_of_the_matched_pairs(ran):
    project, _, image, text = ran
    row = pd.read_csv(project.folder / "results" / "statistics" / "gap.csv").iloc[0]
    one, other = (x / np.linalg.norm(x, axis=1)[:, None] for x in (image, text))
    assert (row["set"], row["n"], row["dim"]) == ("mine", 62, 12)
    expected = np.linalg.norm(one.mean(axis=0) - other.mean(axis=0))
    assert row["gap"] == pytest.approx(expected, rel=1e-5)
    nearest = (one @ other.T).argmax(axis=1)
    assert row["recall1_ab"] == pytest.approx(np.mean(nearest == np.arange(62)))


def test_the_page_names_what_took_no_part_and_escapes_it(ran):
    project, _, _, _ = ran
    page = (project.folder / "results" / "pairs.html").read_text(encoding="utf-8")
    assert "A &lt;b&gt;note&lt;/b&gt;." in page and "&lt;nobody&gt;, one more" in page
    assert len(re.findall(r'<img src="data:image/svg', page)) == 3
    assert "clip_text" in page and "Image 1" in page
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
    for path in re.findall(r'href="((?:statistics|figures)/[^"]+)"', page):
        assert (project.folder / "results" / path).is_file(), path


def test_no_job_read_a_model(ran):
    project, _, _, _ = ran
    said = "".join(path.read_text() for path in (project.folder / "results/logs").rglob("*.log"))
    assert "photo" in said and "items have no partner" in said
    assert not (project.folder / "resources").exists()
