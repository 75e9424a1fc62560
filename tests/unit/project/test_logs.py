"""A script's log: few lines of a progress bar, all other words, and what the script took."""

import errno
import itertools
import os
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from tqdm import tqdm

from modality_gap import logs

BOOTED = 7200.0  # a machine's clock does not begin with the script


class Clock:
    def __init__(self):
        self.seconds = BOOTED

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def log(tmp_path, monkeypatch):
    """An open log, whose clock stands still until it is moved."""
    clock = Clock()
    monkeypatch.setattr(logs, "time", clock)
    log = logs.Log(tmp_path / "log")
    log.clock = clock
    yield log
    log.close()


def written(log: logs.Log) -> str:
    with open(log.buffer.raw.name, encoding="utf-8", newline="") as file:
        return file.read()


@pytest.mark.parametrize(
    ("hours", "most", "longest_gap_s"), [(1 / 60, 31, 2.5), (1, 240, 75), (8, 340, 580)]
)
def test_a_bar_leaves_few_lines_and_never_none_for_long(log, hours, most, longest_gap_s):
    for second in range(round(3600 * hours)):
        log.clock.seconds = BOOTED + second
        log.write(f"\r{second} done      ")
    log.write("\n")
    lines = written(log).splitlines()
    times = [int(re.match(r"(\d+) done$", line)[1]) for line in lines]
    assert len(lines) <= most
    assert times[-1] == second
    assert max(b - a for a, b in itertools.pairwise(times)) <= longest_gap_s


def test_words_stand_beside_a_bar(log):
    with tqdm(total=3, file=log, mininterval=0, ascii=True) as bar:
        for number in range(3):
            bar.update()
            if number == 1:
                print("skipped: a", file=log)
    print("done", file=log)
    lines = written(log).splitlines()
    assert [re.match(r"\s*\d+%|.*", line)[0] for line in lines] == [
        "0%",
        "67%",
        "skipped: a",
        "100%",
        "done",
    ]


def test_the_number_of_characters_is_returned_as_by_every_file(log):
    assert [log.write(text) for text in ("words", "\r 10%|#   |", "\n", "")] == [5, 11, 1, 0]


def test_two_states_within_two_seconds_are_one_line(log):
    for after, state in ((0.0, "a"), (1.9, "b"), (2.0, "c"), (3.9, "d"), (4.0, "e")):
        log.clock.seconds = BOOTED + after
        log.write(f"\r{state}")
    assert written(log).splitlines() == ["a", "c", "e"]
    # An empty state, with which a bar is wiped, leaves the last one.
    log.clock.seconds = BOOTED + 5
    log.write("\rf")
    log.write("\r   ")
    print("words", file=log)
    assert written(log).splitlines() == ["a", "c", "e", "f", "words"]


def test_a_name_that_is_no_text_can_be_told(log):
    print(os.fsdecode(b"na\xefve.csv"), "\ud83d \N{DROPLET}", file=log)
    assert written(log) == "na\\udcefve.csv \\ud83d \N{DROPLET}\n"


def test_a_log_is_utf8_whatever_the_machines_language(root, tmp_path):
    code = f"from modality_gap.logs import Log; Log({str(tmp_path / 'log')!r}).write('\\xe9')"
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", code], cwd=root / "scripts", env=environment, check=True)
    assert (tmp_path / "log").read_bytes() == "\xe9".encode()


@pytest.mark.parametrize("fails", [False, True])
def test_the_last_line_tells_what_a_script_took_or_why_it_failed(root, tmp_path, fails):
    log = tmp_path / "logs" / "rule" / "job.log"
    lines = [
        "from types import SimpleNamespace",
        "from modality_gap.logs import log_to",
        f"log_to(SimpleNamespace(log=[{str(log)!r}], output=[]))",
        "held = b'x' * (200 << 20)",
        "del held",
        *(["raise ValueError('made to fail')"] if fails else []),
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=root / "scripts")
    said = log.read_text()
    if fails:
        assert done.returncode == 1
        assert said.startswith("Traceback (most recent call last):")
        assert said.rstrip().endswith("\nValueError: made to fail")
    else:
        took = re.fullmatch(r"took \S+ s, \S+ s of CPU time, peak memory ([\d,]+) MB\n", said)
        assert 200 < int(took[1]) < 260


BUSY = """
import os, subprocess, sys, time
from types import SimpleNamespace
from modality_gap.logs import log_to

log_to(SimpleNamespace(log=[sys.argv[1]], output=[]))
begun = time.monotonic()
busy = "import time; any(time.process_time() > 0.6 for _ in iter(int, 1))"
subprocess.run([sys.executable, "-c", busy], check=True)
time.sleep(0.3)
print(time.monotonic() - begun, sum(os.times()[:4]))
"""


def test_time_is_that_of_the_script_and_of_its_processes(root, tmp_path):
    """Between what the script itself counts before its last line and what this process sees."""

    def seen() -> tuple[float, float]:
        return time.monotonic(), sum(os.times()[2:4])

    log, before = tmp_path / "log", seen()
    subprocess.run([sys.executable, "-c", BUSY, str(log)], cwd=root / "scripts", check=True)
    most = [b - a for a, b in zip(before, seen(), strict=True)]
    own, took = log.read_text().splitlines()
    least = [float(text) for text in own.split()]
    found = re.match(r"took (\S+) s, (\S+) s of CPU time", took).groups()
    assert least[1] > 0.6
    for low, text, high in zip(least, found, most, strict=True):
        assert low - 0.1 <= float(text) <= high + 0.1  # it has one decimal


def test_the_peak_is_in_mib(monkeypatch):
    status = "VmPeak:\t  999999 kB\nVmHWM:\t  307200 kB\nVmRSS:\t  204800 kB\n"
    monkeypatch.setattr(logs.Path, "read_text", lambda _path, encoding: status)
    assert logs.peak_mb() == 300


def test_where_there_is_no_proc_the_peak_is_the_systems_in_bytes(monkeypatch):
    def absent(*_args, **_settings):
        raise FileNotFoundError

    monkeypatch.setattr(logs.Path, "read_text", absent)
    usage = SimpleNamespace(ru_maxrss=300 << 20)
    monkeypatch.setattr(logs.resource, "getrusage", lambda _who: usage)
    assert logs.peak_mb() == 300


@pytest.mark.parametrize(
    ("error", "outputs", "begins"),
    [
        (OSError(errno.ENOSPC, "x"), ["a", "b"], "a or b cannot be written ("),
        (OSError(errno.EDQUOT, "x"), [], "an output cannot be written ("),
        (OSError(errno.EROFS, "x", "c"), ["a"], "c cannot be written ("),
        (OSError(errno.EACCES, "x"), ["a"], "a file of this job cannot be read or written ("),
    ],
)
def test_an_error_names_its_file_or_those_that_it_may_mean(error, outputs, begins):
    assert logs.sentence(error, outputs).startswith(begins)
    assert logs.sentence(OSError(errno.ENOENT, "x", "c"), outputs) is None


FAULTY = """
from types import SimpleNamespace

snakemake = SimpleNamespace(log=["a/log"], output=["a/table.csv"])

from modality_gap.logs import log_to

log_to(snakemake)

from modality_gap.errors import InputError

raise {error}
"""


def fail(root, folder, error: str) -> subprocess.CompletedProcess:
    """Run a script that ends in an error."""
    (folder / "script.py").write_text(FAULTY.format(error=error))
    return subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root / "scripts")},
        capture_output=True,
        text=True,
        check=False,
    )


FULL = (
    "a/table.csv cannot be written (No space left on device); free space on its disk and run "
    "again; what is finished is kept."
)


@pytest.mark.parametrize(
    ("error", "last"),
    [
        ("InputError('a.csv: is no table; give one.')", "a.csv: is no table; give one."),
        ("OSError(28, 'No space left on device')", FULL),
        # As libraries in other languages tell it.
        ("RuntimeError('I/O error: No space left on device (os error 28)')", FULL),
        (
            "OSError(30, 'Read-only file system', 'b.csv')",
            "b.csv cannot be written (Read-only file system); make its folder writable and run "
            "again; what is finished is kept.",
        ),
        (
            "PermissionError(13, 'Permission denied', 'c.csv')",
            "c.csv cannot be read or written (Permission denied); make it and its folder "
            "readable and writable and run again; what is finished is kept.",
        ),
        # It may be an input that was denied.
        (
            "RuntimeError('Permission denied (os error 13)')",
            "a file of this job cannot be read or written (Permission denied); make it and its "
            "folder readable and writable and run again; what is finished is kept.",
        ),
        ("KeyError('x')", "KeyError: 'x'"),
    ],
)
def test_the_last_line_is_what_can_be_done(root, tmp_path, error, last):
    done = fail(root, tmp_path, error)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    lines = (tmp_path / "a" / "log").read_text().splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert [line for line in lines if line][-1] == last


def test_without_room_for_the_log_the_terminal_is_told(root, tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full, a device that is always full")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "log").symlink_to("/dev/full")
    done = fail(root, tmp_path, "InputError('a.csv: is no table; give one.')")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert "\na.csv: is no table; give one.\n" in done.stderr
