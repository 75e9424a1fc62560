"""The page of the run: what a job took, what differs from the default, what each sentence says."""

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from modality_gap.pages import run
from modality_gap.pages.run_record import code_state, machine
from modality_gap.pages.words import NONE

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
BENCHMARK = HEAD + "45.25\t0:00:45\t1661.50\t9\t9\t9\t0.00\t1.10\t90.00\t15.50\n"
UNSEEN = HEAD + "0.2\t0:00:00\tNA\tNA\tNA\tNA\tNA\tNA\tNA\tNA\n"


def job_rows(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=run.JOB_COLUMNS).astype({"in_this_run": bool})


JOBS = job_rows(
    ("plot", "plot", True, 1100.0, 5.0, 4.0, 200.0),
    ("embed", "embed/a", True, 1060.0, 50.0, 80.0, 1500.0),
    ("embed", "embed/b", False, 500.0, 20.0, 30.0, 1700.0),
    ("quick", "quick", False, 501.0, 0.2, float("nan"), float("nan")),
)
RECORD = {
    "started": 1000.0,
    "machine": machine(),
    "code": {"commit": "", "changes": []},
    "configfiles": ["own.yaml"],
    "settings": {"seed": "<b>7</b>"},
    "executor": "local",
    "cores": 2,
    "jobs": [
        {"rule": rule, "planned": planned}
        for rule, planned in [
            *JOBS[["rule", "in_this_run"]].itertuples(index=False),
            ("gap_write_methods", True),  # as in another workflow that takes this one as a module
        ]
    ],
}


def test_a_job_took_the_larger_of_what_was_sampled_and_what_it_counted():
    sampled = run.measurements(BENCHMARK, "")
    assert sampled == {"wall_s": 45.25, "cpu_s": 15.5, "peak_mb": 1661.5}
    log = "words\ntook 44.0 s, 81.3 s of CPU time, peak memory 1,640 MB\n"
    assert run.measurements(BENCHMARK, log) == sampled | {"cpu_s": 81.3}
    # Of several rows, one a repetition, the first counts.
    repeated = BENCHMARK + UNSEEN.splitlines()[1] + "\n"
    assert run.measurements(repeated, log) == sampled | {"cpu_s": 81.3}
    for text in (UNSEEN, UNSEEN.replace("NA", "-")):
        unseen = run.measurements(text, "")
        assert unseen["wall_s"] == 0.2
        assert pd.isna([unseen["cpu_s"], unseen["peak_mb"]]).all()
    # Of a log in which another run's words stand first the last line counts.
    more = "took 9.0 s, 99.9 s of CPU time, peak memory 9,999 MB\n" + log
    assert run.measurements(BENCHMARK, more)["cpu_s"] == 81.3
    less = "took 44.0 s, 1.5 s of CPU time, peak memory 12,345 MB\n"
    assert run.measurements(BENCHMARK, less) == sampled | {"peak_mb": 12345.0}
    assert run.measurements(UNSEEN, less)["cpu_s"] == 1.5
    with pytest.raises(ValueError):
        run.measurements("s\tcpu_time\tmax_rss\n1.0\t2.0\n", "")  # cut off


def test_rules_come_with_the_longest_first():
    rules = run.by_rule(JOBS)
    assert list(rules["rule"]) == ["embed", "plot", "quick"]
    embed = rules.iloc[0]
    assert (embed["jobs"], embed["in_this_run"]) == (2, 1)
    assert (embed["wall_s"], embed["longest_s"], embed["cpu_s"]) == (70.0, 50.0, 110.0)
    assert embed["peak_mb"] == 1700.0
    table = run.rules_table(rules)
    assert dict(zip(table.head, table.rows[0], strict=True)) == {
        "rule": "embed",
        "jobs": "2",
        "of this run": "1",
        "wall time (s)": "70.0",
        "longest job (s)": "50.0",
        "CPU time (s)": "110.0",
        "peak memory (MB)": "1,700",
    }
    assert table.caption == (
        "What each rule took, the longest first. Wall time is that of its scripts, one job after "
        "the other."
    )
    # Nothing was measured of a job that was too quick, which is not the same as 0 s.
    assert run.rules_table(rules).rows[2] == ["quick", "1", "0", "0.2", "0.2", NONE, NONE]
    assert list(rules.index) == [0, 1, 2]
    # Of equal ones by name; a dash where nothing was measured.
    same = job_rows(*(("ba"[n], "x", True, 9.0, 1234.5, 4321.05, float("nan")) for n in (0, 1)))
    assert run.rules_table(run.by_rule(same)).rows == [
        [name, "1", "1", "1,234.5", "1,234.5", "4,321.1", NONE] for name in "ab"
    ]


def test_the_timeline_shows_the_jobs_of_this_run_in_their_order():
    first, second = run.timeline(JOBS, 1000.0, 1200.0)
    assert (first["rule"], first["spans"]) == ("embed", [("5.00", "25.00")])
    assert (second["rule"], second["spans"]) == ("plot", [("47.50", "2.50")])


def test_the_timeline_holds_every_span_that_can_be_seen():
    jobs = job_rows(
        ("a_late", "a_late/a", True, 1190.0, 40.0, 1.0, 1.0),
        ("early", "early/a", True, 1010.0, 20.0, 1.0, 1.0),  # begun before the run was recorded
        ("a_late", "a_late/b", True, 1100.0, 0.1, 1.0, 1.0),
        ("early", "early/b", True, 1200.0, 1000.05, 1.0, 1.0),
    )
    assert run.timeline(jobs, 1000.0, 1200.0) == [
        {"rule": "early", "wall_s": "1,020.0", "spans": [("0.00", "10.00"), ("0.00", "500.02")]},
        {"rule": "a_late", "wall_s": "40.1", "spans": [("75.00", "20.00"), ("49.95", "0.20")]},
    ]


def test_a_rule_begins_with_its_first_job_in_whatever_row_this_is():
    jobs = job_rows(
        ("one", "one/b", True, 1150.0, 10.0, 1.0, 1.0),
        ("other", "other", True, 1100.0, 10.0, 1.0, 1.0),
        ("one", "one/a", True, 1050.0, 10.0, 1.0, 1.0),
    )
    assert [row["rule"] for row in run.timeline(jobs, 1000.0, 1200.0)] == ["one", "other"]


def test_sentences_tell_what_ran_and_what_was_up_to_date():
    assert run.summary(JOBS, RECORD, 1200.0) == [
        "Started 1970-01-01 00:16:40 UTC; this page was written 3 min 20 s later, as the last job.",
        "Of 4 jobs before it 2 ran and 2 were up to date.",
        "Those that ran took 55 s of wall time together, 1 min 24 s of CPU: 0.3 at a time on "
        "average, on up to 2 cores (local executor).",
    ]
    # Under an executor of jobs elsewhere there is no number of cores.
    said = " ".join(run.summary(JOBS, RECORD | {"cores": None, "executor": "slurm"}, 1200.0))
    assert "on up to 1 core (slurm executor)." in said
    one = {"jobs": [{"rule": "a", "planned": True}] * 1234}
    said = " ".join(run.summary(JOBS, RECORD | one, 1200.0))
    assert "Of 1,234 jobs before it 1,234 ran and 0 were up to date." in said
    assert run.summary(JOBS, {}, 1200.0) == ["The start of this run was not recorded."]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (7380, "2 h 3 min"),
        (100_000, "27 h 46 min"),
    ],
)
def test_durations_read_well(seconds, words):
    assert run.duration(seconds) == words


def test_differences_from_the_default():
    assert run.differences({"a": None, "b": "é"}, {"b": None, "a": None}) == [["b", "null", '"é"']]
    assert run.differences({"a": {"x": 1}}, {"a": 1}) == [["a", "1", '{"x": 1}']]
    default = {"seed": 1, "sets": {"a": {"n": 2, "k": [1]}, "b": {"n": 1}}, "same": {"x": 1}}
    config = {"seed": 1, "sets": {"a": {"n": 3, "k": [1]}, "c": {"n": 1}}, "same": {"x": 1}}
    assert run.differences(config, default) == [
        ["sets.a.n", "2", "3"],
        ["sets.b", '{"n": 1}', NONE],
        ["sets.c", NONE, '{"n": 1}'],
    ]


def test_only_extracted_files_have_a_speed():
    speed = {"items": 1449, "items_per_s": 40.25, "read_s": 1, "infer_s": 30.26, "write_s": 0.2}
    speed |= {"seconds": 36.0, "device": "cuda", "gpu": "H100", "peak_gpu_memory_mb": 2048}
    files = {
        "a/image": {"dtype": "bfloat16", "extraction": speed},
        "projected/text": {"dtype": "x"},
    }
    table = run.extraction_table(files, {"a/image": 0.0, "projected/text": 0.0})
    assert re.fullmatch("Each extraction\\. .* [a-z]+\\.", table.caption)
    (row,) = (dict(zip(table.head, row, strict=True)) for row in table.rows)
    assert row["embeddings"] == "a/image"
    assert (row["items"], row["items per second"], row["infer (s)"]) == ("1,449", "40.2", "30.3")
    assert (row["precision"], row["device"]) == ("bfloat16", "H100")
    assert (row["peak memory (MB)"], row["peak GPU memory (MB)"]) == (NONE, "2,048")
    assert row["finished"] == "1970-01-01 00:00:00 UTC"
    assert (row["shards"], row["read (s)"], row["write (s)"], row["all (s)"]) == (
        "1", "1.0", "0.2", "36.0",
    )  # fmt: skip
    # In the order of the files; a projection holds the speed of what it was made of.
    bare = {"items": 9, "shards": 4, "device": "cpu", "peak_memory_mb": 1234.5}
    files = {
        "b/text": {"extraction": bare},
        "projected/text": {"extraction": bare, "projection": "p"},
        "a/image": files["a/image"],
    }
    table = run.extraction_table(files, dict.fromkeys(files, 3661.0))
    assert [row[0] for row in table.rows] == ["b/text", "a/image"]
    assert table.rows[0] == [
        *("b/text", "9", "4", *[NONE] * 5, NONE, "cpu", "1,234"),
        *(NONE, "1970-01-01 01:01:01 UTC"),
    ]
    nothing = run.extraction_table({"c/text": {"extraction": {"seconds": 2.0}}}, {"c/text": 0})
    assert nothing.rows[0][8:10] == [NONE] * 2


def test_packages_are_those_of_the_lock(root):
    table = run.packages_table((root / "requirements.txt").read_text())
    assert len(table.rows) == len(run.PACKAGES)
    assert table.head == ["package", "installed", "pinned"]
    assert table.caption == (
        "Packages: installed where this page was made, and pinned in requirements.txt."
    )
    for name, installed, pinned in table.rows:
        assert installed.split("+")[0] == pinned != NONE, name


def test_a_package_that_is_absent_here_or_from_the_lock_has_a_dash(monkeypatch):
    monkeypatch.setattr(run, "PACKAGES", ["numpy", "no-such-package"])
    table = run.packages_table("no-such-package==1.0\n")
    assert table.rows[0][::2] == ["numpy", NONE]
    assert table.rows[0][1] == np.__version__
    assert table.rows[1] == ["no-such-package", NONE, "1.0"]


def test_the_machine_is_known():
    found = machine()
    assert 1 <= found["usable_cores"] <= found["cores"] == os.cpu_count()
    assert 0.5 < found["memory_gib"] < 100_000
    assert found["cpu"]
    known = Path("/proc/cpuinfo")  # of Linux
    named = re.search(r"model name\s*: (.*)", known.read_text("utf-8") if known.exists() else "")
    assert not named or found["cpu"] == named[1]
    assert found["system"]
    words = dict(run.machine_rows(found | {"gpus": [], "usable_cores": found["cores"]}))
    assert words["GPU"] == "none"
    assert words["cores"] == str(found["cores"])
    made_up = {"system": "S", "cpu": "C", "cores": 8, "usable_cores": 2, "memory_gib": 15.58}
    assert run.machine_rows(made_up | {"gpus": ["A", "B"]}) == [
        ("operating system", "S"),
        ("processor", "C"),
        ("cores", "8, of which 2 may be used"),
        ("memory", "15.6 GiB"),
        ("GPU", "A; B"),
    ]


def test_a_gpu_is_known_by_its_drivers_program(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    asked = "--query-gpu=name,memory.total,driver_version --format=csv,noheader"
    program.write_text(
        f"#!/bin/sh\n[ \"$*\" = '{asked}' ] || exit 1\n"
        "echo 'NVIDIA H100, 81559 MiB, 550.54'\necho 'another'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert machine()["gpus"] == ["NVIDIA H100, 81559 MiB, 550.54", "another"]


def test_changed_files_are_named_up_to_ten():
    code = {"commit": "abc", "changes": [f"file{number}" for number in range(11)]}
    named = ", ".join(code["changes"][:10])
    assert run.code_words(code) == f"commit abc, changed: {named} and 1 more"
    code["changes"].pop()
    assert run.code_words(code) == f"commit abc, changed: {named}"


def test_the_state_of_the_code(tmp_path):
    def git(*words):
        options = ("-c", "user.name=n", "-c", "user.email=e")
        subprocess.run(["git", *options, *words], cwd=tmp_path, check=True, capture_output=True)

    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Snakefile").touch()
    assert code_state(folder) == {"commit": "", "changes": []}
    # A repository around it that does not keep it says nothing of it.
    git("init")
    assert run.code_words(code_state(folder)) == "not in a git repository"
    git("add", ".")
    git("commit", "-m", "first")
    state = code_state(folder)
    assert len(state["commit"]) == 40
    assert run.code_words(state) == f"commit {state['commit']}, unchanged"
    (tmp_path / "beside").touch()  # of another project in the repository
    for name in ("a", "b and c", "d"):
        (folder / name).touch()
    (folder / "Snakefile").write_text("# changed")
    paths = ["project/Snakefile", "project/a", '"project/b and c"', "project/d"]
    assert code_state(folder)["changes"] == paths
    words = run.code_words(code_state(folder), most=2)
    assert "changed: project/Snakefile, project/a and 2 more" in words
