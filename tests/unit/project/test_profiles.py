"""Cluster profiles: they name rules that exist, and leave what a job needs to the rules."""

import re
import subprocess
import sys

import pytest
import yaml
import yte
from conftest import ROOT

CLUSTERS = ("slurm", "lsf", "htcondor", "cluster-generic")
# What one that trains or extracts asks for, by profile, where the rule's own `gpu` does not do.
GPU_REQUESTS = {
    "slurm": {},
    "lsf": {"lsf_extra": "'-gpu num=1'"},
    "htcondor": {"request_gpus": 1},
}


def load(name: str, **site: str) -> dict:
    """A profile, its expressions evaluated; `site` replaces values that a site sets."""
    text = (ROOT / "profiles" / name / "config.yaml").read_text()
    for key, value in site.items():
        text, n = re.subn(rf"^  {key}: .*$", f"  {key}: {value}", text, flags=re.MULTILINE)
        assert n == 1, key
    if "__use_yte__" in text:
        return yte.process_yaml(text, require_use_yte=True)
    return yaml.safe_load(text)


def gpu_rules(name: str) -> list[str]:
    """The rules that a profile lists as asking for a GPU."""
    text = (ROOT / "profiles" / name / "config.yaml").read_text()
    return re.findall(r"^    - (\w+)$", text.partition("gpu_rules:")[2], flags=re.MULTILINE)


def rules_that_need_a_gpu() -> set[str]:
    """Rules with `gpu=1` among their needs, and those that are made of them."""
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    parts = re.split(r"^((?:use )?rule .*):$", text, flags=re.MULTILINE)
    asking, made_of = set(), {}
    for head, body in zip(parts[1::2], parts[2::2], strict=True):
        if head.startswith("use"):
            _, _, parent, _, name, _ = head.split()
            made_of[name] = parent
        elif re.search(r"\*\*needs\(.*\bgpu=1", body):
            asking.add(head.split()[1])
    assert asking
    return asking | {name for name, parent in made_of.items() if parent in asking}


@pytest.mark.parametrize("name", GPU_REQUESTS)
def test_the_rules_that_ask_for_a_gpu_are_those_that_need_one(name):
    assert sorted(gpu_rules(name)) == sorted(rules_that_need_a_gpu())
    asked = load(name).get("set-resources", {})
    # LSF and HTCondor do not read `gpu`.
    assert asked == (dict.fromkeys(gpu_rules(name), GPU_REQUESTS[name]) if asked else {})
    assert bool(asked) == bool(GPU_REQUESTS[name])


@pytest.mark.parametrize(
    ("site", "asked"),
    [
        ({"gpu_request": "gpus"}, {}),
        ({"gpu_request": "gpus", "gpu_flavour": "a100"}, {"gpu_model": "'a100'"}),
        ({"gpu_request": "gres"}, {"gpu": 0, "gres": "'gpu:1'"}),
        ({"gpu_request": "gres", "gpu_flavour": "a100"}, {"gpu": 0, "gres": "'gpu:a100:1'"}),
        ({"gpu_partition": "accelerated"}, {"slurm_partition": "'accelerated'"}),
        ({"gpu_constraint": "hbm80g"}, {"constraint": "'hbm80g'"}),
    ],
)
def test_a_gpu_is_asked_for_in_the_words_of_the_site(site, asked):
    profile = load("slurm", **site)
    for name in gpu_rules("slurm"):
        assert profile.get("set-resources", {}).get(name, {}) == asked
        assert profile["set-threads"][name] == 8


def test_a_site_without_gpus_asks_for_none():
    profile = load("slurm", gpu_request="none", gpu_partition="accelerated")
    assert "set-resources" not in profile
    # The most that a job gets, and so less than the rules' own request.
    assert profile["resources"]["gpu"] == 0
    assert "gpu" not in load("slurm")["resources"]


def test_a_site_sets_its_names_in_one_place():
    empty = load("slurm")
    assert empty["default-resources"].keys() == {"mem_mb", "runtime"}
    assert empty["slurm-no-account"] is True
    assert not empty.keys() & {"slurm-qos", "slurm-requeue", "slurm-status-command"}
    full = load(
        "slurm",
        cpu_partition="short",
        cpu_constraint="ib",
        account="gap-42",
        qos="high",
        requeue="true",
        longest_minutes="90",
    )
    assert full["default-resources"]["slurm_partition"] == "'short'"
    assert full["default-resources"]["constraint"] == "'ib'"
    assert full["default-resources"]["slurm_account"] == "'gap-42'"
    assert "slurm-no-account" not in full
    assert (full["slurm-qos"], full["slurm-requeue"]) == ("high", True)
    assert full["resources"]["runtime"] == 90


class Sized:
    """Input files whose sizes, in MB, are given."""

    def __init__(self, size_mb: float):
        self.size_mb = size_mb


@pytest.mark.parametrize("name", CLUSTERS)
def test_every_attempt_gets_more(name):
    # `gpu` and names are the same at each attempt.
    for key, value in load(name)["default-resources"].items():
        if "attempt" in str(value):
            first, second = (
                eval(value, {"attempt": attempt, "input": Sized(250)}) for attempt in (1, 2)
            )
            assert 0 < second == 2 * first, key


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_failed_job_is_tried_again_and_leaves_its_log(name):
    profile = load(name)
    assert profile["executor"] == name
    assert profile["retries"] == 2
    for key in ("show-failed-logs", "rerun-incomplete", "keep-going"):
        assert profile[key] is True


def test_the_default_profile_leaves_the_words_of_a_site_alone():
    # Snakemake takes each of these keys from profiles/default alone if that has it.
    of_a_site = {"executor", "jobs", "default-resources", "set-resources", "set-threads", "groups"}
    assert not load("default").keys() & of_a_site


def planned(folder, *arguments: str) -> dict[str, str]:
    """The line of resources, with threads, of each job that a dry run in the project plans."""
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "-d", str(folder), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    said = run.stdout + run.stderr
    assert run.returncode == 0, said
    return {
        job.split(":")[0]: " ".join(re.findall(r"^    (?:resources|threads): .*", job, re.M))
        for job in re.split(r"^(?:local)?rule ", said, flags=re.MULTILINE)[1:]
    }


CLIP, EMOJI = "results/models/digit_clip.safetensors", "results/datasets/emoji.parquet"


def test_a_site_s_own_profile_that_names_a_partition_gets_what_the_rules_need(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "config.yaml").write_text(
        "executor: slurm\njobs: 10\ndefault-resources:\n  slurm_partition: mine\n"
    )
    jobs = planned(tmp_path, "--profile", str(tmp_path / "site"), CLIP, EMOJI)
    for need in ("gpu=1", "mem_mb=6000", "runtime=240", "slurm_partition=mine"):
        assert need in jobs["train_clip"], jobs["train_clip"]
    assert "gpu" not in jobs["make_emoji_dataset"]
    assert "slurm_partition=mine" in jobs["make_emoji_dataset"]


def test_the_shortest_time_limit_bounds_every_job(tmp_path):
    profile = tmp_path / "slurm" / "config.yaml"
    profile.parent.mkdir()
    text = (ROOT / "profiles/slurm/config.yaml").read_text()
    text = text.replace("longest_minutes: 1440", "longest_minutes: 90")
    profile.write_text(text.replace("gpu_request: gpus", "gpu_request: none"))
    jobs = planned(tmp_path, "--workflow-profile", str(profile), CLIP, EMOJI)
    assert "runtime=90" in jobs["train_clip"]
    assert "gpu=0" in jobs["train_clip"]
    assert "threads: 8" in jobs["train_clip"]
    assert "runtime=60" in jobs["make_emoji_dataset"]


def test_on_this_machine_a_job_asks_for_what_it_needs_and_is_bound_by_nothing(tmp_path):
    jobs = planned(tmp_path, "--cores", "2", CLIP)
    assert "gpu=1" in jobs["train_clip"]
    # Half of the cores, as ever; no limit is set, so neither memory nor a GPU holds a job back.
    assert "threads" not in jobs["train_clip"]
    assert "resources" not in load("default")
