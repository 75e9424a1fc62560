"""What is recorded of a machine, held against psutil and against machines that are made up."""

import os
import platform

import psutil
import pytest

from modality_gap.pages import run_record
from modality_gap.pages.run_record import code_state, machine

CPUINFO = """processor\t: 0
model name\t: Some Processor @ 2.0 GHz
model\t\t: 85
processor\t: 1
model name\t: Another Processor
"""


@pytest.fixture
def elsewhere(monkeypatch):
    """A machine without a GPU, whose system says nothing of itself but by Python's `platform`."""

    def absent(*_args, **_settings):
        raise FileNotFoundError

    monkeypatch.setattr(platform, "freedesktop_os_release", absent)
    monkeypatch.setattr(run_record.Path, "read_text", absent)
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "release", lambda: "23.1")
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setenv("PATH", "")
    return monkeypatch


def test_memory_and_cores_are_those_that_psutil_finds():
    found = machine()
    assert found["memory_gib"] == pytest.approx(psutil.virtual_memory().total / 2**30, rel=1e-3)
    assert found["cores"] == psutil.cpu_count()
    assert found["usable_cores"] == len(psutil.Process().cpu_affinity())


def test_usable_cores_are_those_of_this_process(elsewhere):
    # 0 is this process for the system, another number another one.
    elsewhere.setattr(os, "sched_getaffinity", lambda process: {3} if process else {3, 5, 7})
    assert machine()["usable_cores"] == 3


def test_the_processor_is_the_first_that_linux_names(elsewhere):
    elsewhere.setattr(run_record.Path, "read_text", lambda path, encoding: CPUINFO)
    assert machine()["cpu"] == "Some Processor @ 2.0 GHz"
    # As on some ARM machines, where it names none.
    elsewhere.setattr(run_record.Path, "read_text", lambda path, encoding: "processor\t: 0\n")
    assert machine()["cpu"] == "arm"


def test_a_machine_that_is_no_linux_is_known_by_platform(elsewhere):
    elsewhere.delattr(os, "sched_getaffinity")
    found = machine()
    assert (found["system"], found["cpu"], found["gpus"]) == ("Darwin, Darwin 23.1", "arm", [])
    assert found["usable_cores"] == found["cores"] == os.cpu_count()
    elsewhere.setattr(platform, "processor", lambda: "")
    assert machine()["cpu"] == "arm64"


def test_the_system_is_called_by_its_full_name(elsewhere):
    release = {"NAME": "Debian", "PRETTY_NAME": "Debian 12 (bookworm)"}
    elsewhere.setattr(platform, "freedesktop_os_release", lambda: release)
    assert machine()["system"] == "Debian 12 (bookworm), Darwin 23.1"
    elsewhere.setattr(platform, "freedesktop_os_release", lambda: {"NAME": "Debian"})
    assert machine()["system"] == "Darwin, Darwin 23.1"


def test_without_git_nothing_is_known_of_the_code(elsewhere, tmp_path):
    (tmp_path / "Snakefile").touch()
    assert code_state(tmp_path) == {"commit": "", "changes": []}


def test_a_program_that_fails_or_hangs_prints_nothing(monkeypatch):
    assert run_record._output("sh", "-c", "echo words") == "words\n"
    assert run_record._output("sh", "-c", "echo words; exit 1") == ""
    limits = []

    def run(_command, timeout, **_settings):
        limits.append(timeout)
        raise run_record.subprocess.TimeoutExpired("x", timeout)

    monkeypatch.setattr(run_record.subprocess, "run", run)
    assert run_record._output("sh", "-c", "sleep 100") == ""
    assert 5 <= limits[0] <= 60
