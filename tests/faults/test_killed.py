"""A small run of the workflow: killed at any moment, with a file spoilt afterwards, and with words
of a user's that mean to be more than words."""

import json
import os
import random
import re
import shutil
import signal
import time
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import copy_project
from plan import script_path
from runs import Run

from modality_gap.embeddings.sets import METADATA_KEY

pytestmark = pytest.mark.faults

KILLS = 12
CORES = 2
CONFIG = ("--configfile", "tests/small.yaml", "tests/faults/small.yaml", "--")
TARGETS = ("results/figures/models.svg", "results/figures/supplementary4.svg")
HOLD = """\
import os, time
while os.path.exists(os.path.basename(snakemake.log[0])):
    time.sleep(0.01)
"""
# These contain a time; and a shard is removed once merged, or is left if a kill came just then.
NOT_RESULTS = ("logs", "benchmarks", "run.json", "shards", "README.md")


def copy(folder: Path) -> Path:
    """A copy of the project, with the files that its configuration names."""
    copy_project(folder, None)
    rng = np.random.default_rng(0)
    for side in ("image", "text"):
        np.save(folder / f"{side}.npy", rng.normal(size=(60, 16)).astype(np.float32))
    return folder


@pytest.fixture(scope="module")
def mirror(tmp_path_factory, wheels) -> Path:
    """A mirror of the downloads, so that no run needs the network."""
    folder = tmp_path_factory.mktemp("mirror")
    (folder / "wheels").symlink_to(wheels)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory, snakemake, mirror) -> tuple[Path, Run]:
    """The folder of a run that nobody disturbed."""
    folder = copy(tmp_path_factory.mktemp("whole"))
    run = snakemake.run(folder, *CONFIG, *TARGETS, mirror=mirror)
    assert run.code == 0, run.said[-6000:]
    return folder, run


def made(folder: Path) -> list[str]:
    """All that a run has made and downloaded."""
    paths = (path for top in ("results", "resources") for path in (folder / top).rglob("*"))
    names = (str(path.relative_to(folder)) for path in paths if path.is_file())
    return sorted(name for name in names if name.split("/")[1] not in NOT_RESULTS)


def hold(folder: Path, script: str, log: str) -> Path:
    """Make one of a script's jobs, the one with this log, wait while the returned file exists; its
    log is then open, and its outputs are not begun."""
    path, begun = script_path(folder, script), "log_to(snakemake)\n"
    text = path.read_text(encoding="utf-8")
    assert text.count(begun) == 1
    path.write_text(text.replace(begun, begun + HOLD), encoding="utf-8")
    (folder / log).touch()
    return folder / log


def content(path: Path) -> object:
    """What two runs must agree in: the bytes, but of a Parquet file its columns, its rows and its
    metadata without the time that the extraction took; of a folder, that of its files."""
    if path.is_dir():
        return {one.name: content(one) for one in sorted(path.iterdir())}
    if path.suffix != ".parquet":
        return path.read_bytes()
    table = pq.read_table(path)
    metadata = dict(table.schema.metadata or pq.read_metadata(path).metadata)
    metadata |= pq.read_metadata(path).metadata or {}
    metadata.pop(b"ARROW:schema", None)
    about = json.loads(metadata.pop(METADATA_KEY, b"{}"))
    about.pop("extraction", None)
    return table.schema.remove_metadata(), table.to_pydict(), metadata, about


def state(path: Path) -> tuple[int, int]:
    """Changes whenever a file is written again, even with the same content."""
    return path.stat().st_ino, path.stat().st_mtime_ns


def assert_same(folder: Path, expected: Path) -> None:
    assert made(folder) == made(expected)
    for name in made(expected):
        assert content(folder / name) == content(expected / name), name


def test_twelve_kills_of_the_workflow(tmp_path, snakemake, mirror, whole, faults, capsys):
    expected, undisturbed = whole
    jobs = len(undisturbed.finished())
    assert jobs >= 35
    chance = random.Random(5)
    # Jobs that were done unreported are not done again, so the last ones cannot be waited for.
    moments = sorted(chance.sample(range(jobs - 12), KILLS))
    copy(tmp_path)
    # No run ends before its kill, however fast the machine.
    held = hold(tmp_path, "plot_models", "plot_models.log")
    finished: dict[str, tuple[int, int] | None] = {}
    begun: list[str] = []
    lost: list[str] = []
    for moment in moments:
        run = snakemake.start(tmp_path, *CONFIG, *TARGETS, mirror=mirror)
        to_do = moment - len(finished)
        run.wait_for(lambda run=run, to_do=to_do: len(run.finished()) >= to_do)
        # Some kills may come while Snakemake is still laying out its jobs.
        if moment % 4 or moment == moments[-1]:
            run.wait_for(run.jobs)
        time.sleep(chance.uniform(0, 1))
        run.kill()
        assert run.code == -signal.SIGKILL
        begun += run.jobs().values()
        in_flight = {*run.jobs().values()} - run.finished()
        assert len(in_flight) <= CORES
        lost += in_flight
        for name in run.finished():
            # Shards go once they are merged.
            finished[name] = state(tmp_path / name) if (tmp_path / name).exists() else None
        if moment == moments[-1]:
            locked = snakemake.run(tmp_path, *CONFIG, *TARGETS, mirror=mirror)
            assert locked.code == 1
            assert locked.jobs() == {}
        unlocked = snakemake.run(tmp_path, *CONFIG[:-1], "--unlock", mirror=mirror)
        assert unlocked.code == 0, unlocked.said
    held.unlink()
    last = snakemake.run(tmp_path, *CONFIG, *TARGETS, mirror=mirror)
    assert last.code == 0, last.said[-6000:]
    begun += last.jobs().values()

    assert_same(tmp_path, expected)
    # What Snakemake had reported as finished was not begun again, shards included, ...
    redone = len(begun) - len(set(begun))
    again = [name for name in begun if begun.count(name) > 1]
    assert set(again) <= set(lost)
    assert redone <= len(lost) <= KILLS * CORES
    # ... nor written again.
    for name, was in finished.items():
        if was and (tmp_path / name).exists():
            assert state(tmp_path / name) == was, name
    with capsys.disabled():
        print(
            f"\n{KILLS} kills in a run of {jobs} jobs: {len(lost)} jobs were running and were lost,"
            f" {redone} jobs were begun again, none that had finished"
        )
    faults.add(
        "Killed",
        f"SIGKILL of the workflow and its jobs, {KILLS} times in one run",
        locked.said[locked.said.index("Directory cannot be locked") :].replace("\n", " "),
        locked.code,
        "after `snakemake --unlock` and the same command, every file equals that of an "
        "undisturbed run; only jobs that were running are repeated",
        tmp_path,
    )


def holder_of(log: Path) -> int | None:
    """The process that has a file open."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) == str(log):
                return int(link.parts[2])
        except OSError:
            continue
    return None


def test_a_kill_of_one_extraction_job(tmp_path, snakemake, mirror, whole, faults):
    expected, _ = whole
    copy(tmp_path)
    folder = "results/embeddings/digit_clip_random"
    log = "results/logs/extract_shard/digit_clip_random.image.2-of-3.log"
    held = hold(tmp_path, "extract_embeddings", Path(log).name)
    targets = [f"{folder}/image.parquet", f"{folder}/text.parquet"]
    run = snakemake.start(tmp_path, *CONFIG, *targets, mirror=mirror)
    run.wait_for(lambda: holder_of(tmp_path / log))
    os.kill(holder_of(tmp_path / log), signal.SIGKILL)
    held.unlink()
    run.wait()
    assert run.code == 1
    error = re.search(r"^(Error in rule \w+:)\n(?: .*\n)* +(log: .*)$", run.said, re.MULTILINE)
    assert error[1] == "Error in rule extract_shard:"
    assert log in error[2]
    # The others went on.
    assert (tmp_path / targets[1]).exists()
    assert not (tmp_path / targets[0]).exists()
    shards = (tmp_path / "results/shards/digit_clip_random").iterdir()
    assert sorted(path.name for path in shards) == [
        f"image.{number}-of-3.parquet" for number in (1, 3)
    ]
    again = snakemake.run(tmp_path, *CONFIG, *targets, mirror=mirror)
    assert again.code == 0, again.said
    assert sorted(again.jobs().values()) == [
        targets[0],
        "results/shards/digit_clip_random/image.2-of-3.parquet",
    ]
    for name in targets:
        assert content(tmp_path / name) == content(expected / name)
    faults.add(
        "Killed",
        "SIGKILL of one extraction job",
        f"{error[1]} ... {error[2]}",
        run.code,
        "all other jobs continued and their files are there; the same command makes the one shard "
        "and the set",
    )


def test_a_file_that_an_earlier_crash_cut_short(tmp_path, snakemake, mirror, whole, faults):
    """Snakemake knows nothing of it: say, the machine went down before the disk had it all."""
    expected, _ = whole
    shutil.copytree(expected, tmp_path / "run", symlinks=True)
    folder = tmp_path / "run"
    table = "results/statistics/gap.csv"
    embeddings = "results/embeddings/digit_clip/image.parquet"
    spoilt = folder / embeddings / "2-of-3.parquet"
    whole_bytes = spoilt.read_bytes()
    spoilt.write_bytes(whole_bytes[: len(whole_bytes) // 2])
    (folder / table).unlink()  # what changes within a folder is not newer than the folder
    run = snakemake.run(folder, *CONFIG, table, mirror=mirror)
    assert run.code == 1
    reason = run.reason("results/logs/measure_gaps.log")
    assert spoilt.name in reason
    left = "the other files; once it is deleted, the same command makes it and what needs it again"
    faults.add("Embeddings", "a truncated set of an earlier crash", reason, run.code, left, folder)
    spoilt.unlink()
    run = snakemake.run(folder, *CONFIG, table, mirror=mirror)
    assert "image.parquet: only 2 of 3 parts. Delete the folder" in run.reason(
        "results/logs/measure_gaps.log"
    )
    shutil.rmtree(folder / embeddings)
    again = snakemake.run(folder, *CONFIG, table, mirror=mirror)
    assert again.code == 0, again.said
    for name in (table, embeddings):
        assert content(folder / name) == content(expected / name)

    spoilt = folder / "results/datasets/emoji.parquet"
    spoilt.write_bytes(spoilt.read_bytes()[:5000])
    embeddings = "results/embeddings/emoji_clip_random.emoji/image.parquet"
    run = snakemake.run(folder, *CONFIG, embeddings, mirror=mirror)
    assert run.code == 1
    reason = run.reason("results/logs/extract_shard/emoji_clip_random.emoji.image.1-of-3.log")
    assert spoilt.name in reason
    faults.add("Embeddings", "a truncated data set likewise", reason, run.code, left, folder)
    spoilt.unlink()
    again = snakemake.run(folder, *CONFIG, embeddings, mirror=mirror)
    assert again.code == 0, again.said
    assert content(folder / embeddings) == content(expected / embeddings)


class Elements(HTMLParser):
    """The elements and the visible words of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_words_of_a_user_stay_words(whole, faults):
    folder, _ = whole
    row = yaml.safe_load((folder / CONFIG[2]).read_text(encoding="utf-8"))["pairs"]["hostile"]
    page = Elements((folder / TARGETS[0]).read_text(encoding="utf-8"))
    # A drawing breaks its lines where there is a space.
    assert "".join(row["label"].split()) in "".join(page.words.split())
    assert "script" not in {tag for tag, _ in page.found}
    for tag, attributes in page.found:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert not [value for value in attributes.values() if value and "203.0.113.1" in value]
        assert attributes.get("src", "data:").startswith("data:")
    for figure in ("models", "supplementary4"):
        drawn = ElementTree.parse(folder / f"results/figures/{figure}.svg")
        assert "script" not in {element.tag.rpartition("}")[2] for element in drawn.iter()}
        links = (value for element in drawn.iter() for value in element.attrib.values())
        assert not [link for link in links if "203.0.113.1" in link]
    faults.add(
        "Pictures and captions",
        "a model or a note whose name is HTML, a link, a formula of a spreadsheet or of TeX",
        "",
        None,
        "pages and figures show it literally; it creates no element, script or request",
    )
