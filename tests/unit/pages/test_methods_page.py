"""The script that writes the page on methods and the table of jobs, run as Snakemake runs it."""

import json
import os
import re
import runpy
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import test_run_page as of_run
from invented import CONFIG
from plan import script_path
from test_page_scripts import page_files, part_of, rows_of, spaced

from modality_gap import logs
from modality_gap.config.rows import with_rows
from modality_gap.embeddings.sets import EmbeddingSet, write

FINISHED = 1_000_045.5  # s since 1970: 12 January, 13:47:25 UTC, half a minute after the start
STARTED = 1_000_000.0
SPEED = {"items": 2, "items_per_s": 4.0, "infer_s": 0.25, "seconds": 0.5}


def embedded(path, rows, **about):
    """A file of embeddings, of which the page reads the metadata and the number of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ids = np.array([f"i{row}" for row in range(rows)], dtype=object)
    write(EmbeddingSet(ids, np.ones((rows, 3), "f4"), metadata=about), path)
    os.utime(path, (FINISHED + 60, FINISHED + 60))
    return path


def job(results, rule, name, planned, benchmark="", log="", output=()):
    """A job of the record; its files exist if they have a text."""
    paths = {"log": f"logs/{name}.log", "benchmark": f"benchmarks/{name}.tsv"}
    for path, text in zip(paths.values(), (log, benchmark), strict=True):
        if text:
            (results / path).parent.mkdir(parents=True, exist_ok=True)
            (results / path).write_text(text)
            os.utime(results / path, (FINISHED, FINISHED))
    paths = {kind: str(results / path) for kind, path in paths.items()}
    return {"rule": rule, "planned": planned, "output": list(map(str, output)), **paths}


@pytest.fixture
def methods(root, tmp_path, monkeypatch):
    """Write the page of a run of five jobs: the page, and the table of jobs."""
    monkeypatch.setattr(logs, "log_to", lambda _: None)
    results = tmp_path / "results"
    new = embedded(results / "embeddings/emoji/a.parquet", 2, extraction=SPEED, dtype="bfloat16")
    ready = embedded(results / "datasets/b.parquet", 2, extraction=SPEED)
    first = embedded(results / "embeddings/digits/b.parquet", 2, extraction=SPEED)
    gone = results / "embeddings/emoji/gone.parquet"
    took = "took 44.0 s, 81.3 s of CPU time, peak memory 1,640 MB\n"
    (results / "bench.html").write_text("speed")
    record = {
        "started": STARTED,
        "executor": "local",
        "cores": 2,
        "configfiles": ["mine.yaml"],
        "settings": {"seed": "3"},
        "code": {"commit": "0123456789abcdef", "changes": []},
        "machine": of_run.RECORD["machine"] | {"cpu": "A processor"},
        "jobs": [
            job(results, "embed", "embed/a", True, of_run.BENCHMARK, took, [new, gone, first]),
            job(results, "plot", "plot", False, of_run.UNSEEN, output=[ready]),
            job(results, "fetch", "fetch", True, log=took),
            job(results, "write_methods", "write_methods", True, of_run.BENCHMARK, took),
        ],
    }
    default = with_rows(CONFIG)
    entry = {"label": "A toy", "weights": "trained", "inputs": "emoji_test", "note": "Its note."}
    absent = {"gone_set": {"label": "An absent one", "weights": "trained", "note": "Not here."}}
    inputs = SimpleNamespace(
        **page_files(root, "methods"),
        not_run=root / "config/ledger/not_run.yaml",
        glossary=root / "config/ledger/glossary.yaml",
        assets=root / "config/assets.yaml",
        requirements=tmp_path / "requirements.txt",
        pairs=[
            embedded(tmp_path / f"pairs/toy/{side}.parquet", rows, weights=f"of the {side}")
            for side, rows in (("image", 4), ("text", 3))
        ],
    )
    inputs.requirements.write_text("numpy==0.1 --hash=x\n")
    params = SimpleNamespace(
        config=default | {"confidence": 0.8},
        default=default,
        version="7",
        results=str(results),
        record=str(tmp_path / "run.json"),
        sets={"toy": entry},
        not_run=["supplementary14"],
        missing={"tasks.memes": ["imagenet_val", "hateful_memes"]},
        absent=absent,
    )
    output = SimpleNamespace(page=str(tmp_path / "page.html"), jobs=str(tmp_path / "run.csv"))

    def made(recorded=True):
        if recorded:
            (tmp_path / "run.json").write_text(json.dumps(record))
        snakemake = SimpleNamespace(
            input=inputs, output=output, params=params, rule="write_methods"
        )
        runpy.run_path(str(script_path(root, "write_methods")), {"snakemake": snakemake})
        page = spaced((tmp_path / "page.html").read_text("utf-8"))
        return page, pd.read_csv(output.jobs, dtype=str, keep_default_na=False)

    return made


def test_jobs_with_a_benchmark_are_told_with_what_they_took(methods):
    page, jobs = methods()
    at = "1970-01-12T13:47:25Z"
    assert jobs.to_numpy().tolist() == [
        ["embed", "embed/a", "True", at, "45.25", "81.3", "1661.5"],
        ["plot", "plot", "False", at, "0.2", "not measured", "not measured"],
    ]
    assert rows_of(part_of(page, "rules"))[1:] == [
        ["embed", "1", "1", "45.2", "45.2", "81.3", "1,662"],
        ["plot", "1", "0", "0.2", "0.2", "–", "–"],
    ]
    told = part_of(page, "run")
    assert "Started 1970-01-12 13:46:40 UTC" in told
    assert "Of 3 jobs before it 2 ran and 1 were up to date." in told
    assert re.findall(r"<span>(\w+)</span><div>", told) == ["embed"]
    assert "1970-01-12 · commit 0123456" in page and "workflow 7" in page


def test_extractions_are_those_of_embeddings_that_are_there(methods):
    page, _ = methods()
    rows = rows_of(part_of(page, "extraction"))[1:]
    assert [row[0] for row in rows] == ["digits/b", "emoji/a"]  # by their names
    name, items, shards, speed, *_, finished = rows[1]
    assert (name, items, shards, speed) == ("emoji/a", "2", "1", "4.0")
    assert finished == "1970-01-12 13:48:25 UTC"


def test_sets_are_told_by_their_own_files_and_what_is_absent_by_its_place(methods):
    page, _ = methods()
    models = rows_of(part_of(page, "models"))[1:]
    assert [(row[0].split()[:2], row[1], row[3].split(" –")[0], row[6]) for row in models] == [
        (["A", "toy"], "image", "of the image", "4"),
        (["A", "toy"], "text", "of the text", "3"),
    ]
    assert "Its note." in page
    left_out = part_of(page, "not-run")
    assert "An absent one" in left_out and "Not here." in left_out
    assert '<a href="figures.html#supplementary14">' in left_out
    assert left_out.count("<h3>") == 1
    placed = ("imagenet/ILSVRC2012_img_val.tar", "hateful_memes/hateful_memes.zip")
    assert all(f"<code>resources/{path}</code>" in left_out for path in placed)
    # With their licences, though nothing of this run was read from them.
    sources = part_of(page, "sources")
    assert all(path in sources for path in placed)


def test_software_machine_and_settings_are_this_runs(methods):
    page, _ = methods()
    software = part_of(page, "software")
    assert "<dd>7, commit 0123456789abcdef, unchanged</dd>" in software
    assert "A processor" in software
    assert ["numpy", np.__version__, "0.1"] in rows_of(software)
    settings = part_of(page, "config")
    assert [row[:1] + row[-1:] for row in rows_of(settings)[1:]] == [["confidence", "0.8"]]
    assert "confidence: 0.8" in settings
    assert "80 %" in part_of(page, "statistics")
    assert "bench.html" in page


def test_stand_ins_are_told_apart_from_neighbouring_models(methods):
    page, _ = methods()
    found = re.findall(r'<span class="badge( near)?">([\w -]+)</span> (.*?)\.</li>',
                       part_of(page, "stand-ins"))  # fmt: skip
    assert {(near, words) for near, words, _ in found} == {
        ("", "stand-in"), (" near", "neighbouring model")
    }  # fmt: skip
    told = {text: words for _, words, text in found}
    assert told["emoji for photographs, emoji names for captions"] == "stand-in"


def test_a_run_lasts_from_its_record_to_its_page(methods, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: STARTED + 3725)
    page, _ = methods()
    assert "What ran when, over 1 h 2 min:" in page


def test_a_run_without_a_record_says_so(methods, tmp_path):
    (tmp_path / "results/bench.html").unlink()
    page, jobs = methods(recorded=False)
    assert 'href="bench.html"' not in page  # nobody has measured the speed
    assert jobs.empty
    assert list(jobs) == of_run.run.JOB_COLUMNS
    assert "The start of this run was not recorded." in part_of(page, "run")
    software = part_of(page, "software")
    assert "<dd>7, state of its files not recorded</dd>" in software
    assert "The machine where" not in software
