"""The workflow on a real SLURM of one node. The runs go side by side: they mostly wait for jobs."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from conftest import ROOT, copy_project
from plan import script_path
from slurm import Slurm, missing_programs, running_slurm

from modality_gap.embeddings.stored import read

pytestmark = pytest.mark.cluster

SPHERE = "results/statistics/sphere.csv"
MLP_CONE = "results/statistics/mlp_cone.csv"
THEORY = "results/statistics/theorem2.csv"
EMBEDDINGS = "results/embeddings/emoji_clip_random.digits/image.parquet"
# From the data set to a page: a model that is trained, embeddings, statistics, a figure.
FIGURES = ("results/figures/models.svg", "results/figures/diagnostics.svg")
STATISTICS = tuple(
    f"results/statistics/{name}.csv"
    for name in ("training/digit_clip", "gap", "diagnostics", "loss_landscape", "loss_minimum")
)

# A wait ends when its condition holds or its run is over; this ends only one that hangs.
PATIENCE_S = 1800

# Laid over tests/small.yaml: of the models only digit_clip, trained and untrained.
ONE_MODEL = {
    "sets": dict.fromkeys(("stitched", "stitched_random", "openclip_random")),
    "table1": {"sets": ["digit_clip"]},
    "table2": {"set": "digit_clip"},
}

# Lines that a copy's scripts end with.
SHOW_GPU = 'import os, sys\nprint("GPU", os.environ["CUDA_VISIBLE_DEVICES"], file=sys.stderr)\n'
# What Snakemake's documentation recommends to have for all workflows of a site.
SITE = """\
executor: slurm
jobs: 10
default-resources:
  slurm_partition: gpu
"""
# Where SLURM allows less, it ends the job, as soon as it looks.
HOLD_1200_MB = """
import time
held = b"x" * (1200 << 20)
while snakemake.resources.mem_mb < 1200:
    time.sleep(0.2)
"""
FAIL = 'raise ValueError("made to fail")\n'
WAIT = 'import os, time\nwhile not os.path.exists("go"):\n    time.sleep(0.2)\n'


@dataclass
class Run:
    """A finished Snakemake: where, how it ended, and what it printed."""

    folder: Path
    code: int
    said: str

    def log(self, rule: str) -> Path:
        """The log of a rule's last SLURM job, as Snakemake names it."""
        return Path(re.findall(rf"\(log: (\S+/rule_{rule}/\S+)\)", self.said)[-1])


class Cluster:
    """Copies of the project, and Snakemake in them, beside a running SLURM."""

    def __init__(self, slurm: Slurm, folder: Path):
        self.slurm, self.folder = slurm, folder

    def copy(self, name: str, **lines: str) -> Path:
        """A copy, set up as a site would be; lines are added to the scripts that are named."""
        folder = self.folder / name
        folder.mkdir()
        copy_project(folder, ROOT / "resources")
        text = (folder / "profiles" / "slurm" / "config.yaml").read_text()
        for ours, own in (
            ('cpu_partition: ""', "cpu_partition: cpu"),
            ('gpu_partition: ""', "gpu_partition: gpu"),
            ('gpu_flavour: ""', "gpu_flavour: pretended"),
            ("gpu_cpus: 8", "gpu_cpus: 1"),
        ):
            assert ours in text
            text = text.replace(ours, own)
        assert "gpu_request: gpus" in text
        for name, profile in {
            "slurm": text,
            "gres": text.replace("gpu_request: gpus", "gpu_request: gres"),
            "site": SITE,
        }.items():
            path = folder / "profiles" / name / "config.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(profile)
        for script, more in lines.items():
            with script_path(folder, script).open("a") as file:
                file.write(more)
        return folder

    def start(
        self, folder: Path, *arguments: str, profile: str = "slurm", shards: int = 1
    ) -> subprocess.Popen:
        """Snakemake, which prints into the file `said` of its folder."""
        extraction = {"batch_size": 4, "shards": shards}
        (folder / "own.yaml").write_text(yaml.safe_dump({**ONE_MODEL, "extraction": extraction}))
        words = [sys.executable, "-m", "snakemake", "--configfile", "tests/small.yaml", "own.yaml"]
        # A site's own profile comes beside profiles/default, which Snakemake finds by itself.
        option = "--profile" if profile == "site" else "--workflow-profile"
        words += [option, f"profiles/{profile}"]
        if profile != "default":
            # This SLURM keeps no accounts, of which `sacct` would tell.
            words += ["--slurm-init-seconds-before-status-checks", "1"]
            words += ["--slurm-status-command", "squeue"]
        with (folder / "said").open("w") as said:
            return subprocess.Popen(
                [*words, *arguments],
                cwd=folder,
                env=self.slurm.environment,
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    def run(self, folder: Path, *arguments: str, **how) -> Run:
        process = self.start(folder, *arguments, **how)
        try:
            code = process.wait(PATIENCE_S)
        finally:
            process.kill()
            process.wait()
        return Run(folder, code, (folder / "said").read_text())

    def last_state(self, number: str) -> str:
        """The state in which a SLURM job ends, for which this waits."""
        seen = [None]  # None where SLURM gives no answer

        def has_ended() -> bool:
            seen.append(self.slurm.job(number).get("JobState"))
            return seen[-1] not in (None, "PENDING", "RUNNING", "COMPLETING")

        wait_for(has_ended)
        return seen[-1]


def wait_for(what, process: subprocess.Popen | None = None) -> None:
    """Wait until `what` is true. AssertionError if the process ends before, or after PATIENCE_S."""
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert process is None or process.poll() is None or what(), "the run ended too early"
        assert time.monotonic() < end, "what the test waits for did not happen"
        time.sleep(0.3)


def here(cluster: Cluster) -> Run:
    """No cluster at all, and no shards: the numbers to compare with."""
    targets = (*FIGURES, SPHERE, MLP_CONE, THEORY, EMBEDDINGS)
    return cluster.run(cluster.copy("here"), "--cores", "2", "--", *targets, profile="default")


def end_to_end(cluster: Cluster) -> Run:
    """A small configuration from its data to a page, every step but downloads a SLURM job."""
    return cluster.run(cluster.copy("end_to_end"), "--", *FIGURES)


def whole(cluster: Cluster) -> tuple[Run, list[str], np.ndarray, Run, str]:
    """An extraction on the GPUs, in two shards; then in one job, which asks with --gres, beside a
    job that fails."""
    folder = cluster.copy("whole", extract_embeddings=SHOW_GPU, check_theory=FAIL)
    logs = folder / "results/logs"
    first = cluster.run(folder, "--", EMBEDDINGS, shards=2)
    assert first.code == 0, first.said
    printed = [path.read_text() for path in sorted((logs / "extract_shard").iterdir())]
    vectors = read(folder / EMBEDDINGS).vectors
    second = cluster.run(
        folder, "--force", "--retries", "0", "--", EMBEDDINGS, THEORY, profile="gres"
    )
    log = logs / "extract_embeddings/emoji_clip_random.digits.image.log"
    return first, printed, vectors, second, log.read_text()


def interruption(cluster: Cluster) -> tuple[Run, Run]:
    """Snakemake is killed when one of three jobs has finished, for which it needed more memory than
    it was given at first. Of the others one goes on and finishes, unattended; one is lost, after it
    wrote its files. Then the same once more."""
    folder = cluster.copy(
        "interruption", simulate_sphere=HOLD_1200_MB, simulate_mlp_cone=WAIT, check_theory=WAIT
    )
    process = cluster.start(folder, "--", SPHERE, MLP_CONE, THEORY)
    said = folder / "said"
    try:
        wait_for(
            lambda: "(Rule: simulate_sphere)" in said.read_text() and (folder / MLP_CONE).exists(),
            process,
        )
    finally:
        process.kill()
        process.wait()
    killed = Run(folder, process.returncode, said.read_text())
    lost, unattended = (killed.log(rule).stem for rule in ("simulate_mlp_cone", "check_theory"))
    cluster.slurm.command("scancel", lost)
    assert cluster.last_state(lost) == "CANCELLED"
    (folder / "go").touch()
    assert cluster.last_state(unattended) == "COMPLETED"
    assert cluster.run(folder, "--unlock").code == 0
    return killed, cluster.run(folder, "--", SPHERE, MLP_CONE, THEORY)


def of_a_site(cluster: Cluster) -> Run:
    """An extraction under a profile that knows nothing of this project."""
    return cluster.run(cluster.copy("of_a_site"), "--", EMBEDDINGS, profile="site")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory, wheels):
    """A running SLURM, which is installed first where that is possible."""
    if missing_programs() and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["make", "slurm"], cwd=ROOT, capture_output=True, check=False)
    lacking = missing_programs()
    if lacking:
        pytest.skip(
            f"needs SLURM: no {lacking[0]} here (`make slurm` installs it on Debian, as root)"
        )
    folder = tmp_path_factory.mktemp("cluster")
    with running_slurm() as slurm:
        yield Cluster(slurm, folder)
    # SLURM loses sight of what a cancelled job's script started once the script has ended.
    for left in psutil.process_iter(["cwd"]):
        if Path(left.info["cwd"] or "/").is_relative_to(folder):
            left.kill()


@pytest.fixture(scope="session")
def runs(cluster):
    """Every run, begun at once; `.result()` waits for one."""
    scenarios = (here, whole, interruption, end_to_end, of_a_site)
    with ThreadPoolExecutor(len(scenarios)) as pool:
        yield {scenario: pool.submit(scenario, cluster) for scenario in scenarios}


@pytest.fixture(scope="session")
def local(runs) -> Path:
    """The folder of the run without a cluster."""
    done = runs[here].result()
    assert done.code == 0, done.said
    return done.folder


def options(submission: str) -> list[str]:
    """What `sbatch` was told, before the command that the job runs."""
    return submission.partition(" --wrap=")[0].split()


def value(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def test_a_small_configuration_from_end_to_end_equals_a_local_run(runs, local, cluster):
    run = runs[end_to_end].result()
    assert run.code == 0, run.said
    submitted = Counter(
        re.search(r"--comment rule_(\w+?)(?:_wildcards_\S+)? ", line)[1]
        for line in cluster.slurm.submitted(run.folder)
    )
    assert submitted == {
        **dict.fromkeys(("make_dataset", "train_clip", "measure_gaps", "sweep_loss"), 1),
        **dict.fromkeys(("measure_diagnostics", "plot_diagnostics", "plot_models"), 1),
        "extract_pair": 2,
    }
    for path in (*FIGURES, *STATISTICS):
        assert (run.folder / path).read_bytes() == (local / path).read_bytes(), path


def test_the_shards_of_an_extraction_equal_a_local_run(runs, local):
    run, _, vectors, *_ = runs[whole].result()
    np.testing.assert_array_equal(vectors, read(local / EMBEDDINGS).vectors)
    about = read(run.folder / EMBEDDINGS).metadata["extraction"]
    assert about["items"] == len(vectors)


def test_only_gpu_jobs_ask_for_a_gpu(runs, cluster):
    run, printed, *_ = runs[whole].result()
    submissions = [
        (re.search(r"--comment rule_(\w+?)(?:_wildcards_\S+)? ", line)[1], options(line))
        for line in cluster.slurm.submitted(run.folder)[:4]
    ]
    assert Counter(rule for rule, _ in submissions) == {
        "make_digits_dataset": 1,
        "extract_shard": 2,
        "gather_shards": 1,
    }
    for rule, words in submissions:
        if rule == "extract_shard":
            assert "--gpus=pretended:1" in words
            assert value(words, "-p") == "gpu"
            assert value(words, "--mem") == "8000"
            assert value(words, "-t") == "240"
            assert "--cpus-per-task=1" in words
        else:
            assert value(words, "-p") == "cpu"
            assert not re.search("gpu|gres", " ".join(words))
    job = cluster.slurm.job(run.log("extract_shard").stem)
    assert (job["Partition"], job["JOB_GRES"]) == ("gpu", "gpu:pretended:1")
    # Each has one of the two for itself.
    assert len(printed) == 2
    for words in printed:
        assert re.search(r"^GPU [01]$", words, re.MULTILINE)


def test_a_gpu_can_be_asked_for_with_gres(runs, cluster, local):
    *_, run, printed = runs[whole].result()
    (words,) = (
        options(line)
        for line in cluster.slurm.submitted(run.folder)[4:]
        if "--comment rule_extract_embeddings" in line
    )
    assert "--gres=gpu:pretended:1" in words
    assert "--gpus" not in " ".join(words)
    job = cluster.slurm.job(run.log("extract_embeddings").stem)
    assert (job["Partition"], job["JOB_GRES"]) == ("gpu", "gpu:pretended:1")
    assert re.search(r"^GPU [01]$", printed, re.MULTILINE)
    # Made although another job failed.
    np.testing.assert_array_equal(
        read(run.folder / EMBEDDINGS).vectors, read(local / EMBEDDINGS).vectors
    )


def test_a_site_s_profile_that_names_a_partition_submits_what_the_rules_need(runs, cluster, local):
    run = runs[of_a_site].result()
    assert run.code == 0, run.said
    dataset, extraction = (options(line) for line in cluster.slurm.submitted(run.folder))
    assert "--gpus=1" in extraction
    assert value(extraction, "--mem") == "8000"
    assert value(extraction, "-t") == "240"
    assert value(extraction, "-p") == "gpu"
    assert value(dataset, "-p") == "gpu"
    assert value(dataset, "--mem") == "1000"  # Snakemake's own default
    assert "gpus" not in " ".join(dataset)
    job = cluster.slurm.job(run.log("extract_embeddings").stem)
    assert job["JOB_GRES"] == "gpu:pretended:1"
    np.testing.assert_array_equal(
        read(run.folder / EMBEDDINGS).vectors, read(local / EMBEDDINGS).vectors
    )


def test_a_failed_job_is_named_with_its_log(runs, cluster):
    run = runs[whole].result()[3]
    assert run.code == 1
    error = run.said.partition("Error in rule check_theory:")[2]
    (number,) = re.findall(r"SLURM-job '(\d+)' failed", error)
    log = run.folder / f".snakemake/slurm_logs/rule_check_theory/{number}.log"
    assert f"results/logs/check_theory.log, {log} " in error
    assert "ValueError: made to fail" in error
    assert "Error in rule check_theory" in log.read_text()
    assert cluster.slurm.job(number)["JobState"] == "FAILED"
    assert not (run.folder / THEORY).exists()


def test_a_job_killed_for_memory_gets_more(runs, cluster, local):
    run, _ = runs[interruption].result()
    submissions = [
        options(line)
        for line in cluster.slurm.submitted(run.folder)
        if "--comment rule_simulate_sphere" in line
    ]
    assert [value(words, "--mem") for words in submissions] == ["1000", "2000"]
    assert [value(words, "-t") for words in submissions] == ["60", "120"]
    (log,) = re.findall(r"SLURM-job '\d+' failed.*?, (\S+) \(check log", run.said, re.DOTALL)
    assert "exceeded memory limit" in Path(log).read_text()
    assert (run.folder / SPHERE).read_bytes() == (local / SPHERE).read_bytes()


def test_an_interrupted_run_repeats_only_what_was_lost(runs, cluster, local):
    killed, run = runs[interruption].result()
    assert killed.code == -signal.SIGKILL
    assert run.code == 0, run.said
    comments = [
        re.search(r"--comment (\S+)", line)[1] for line in cluster.slurm.submitted(run.folder)
    ]
    assert Counter(comments) == {
        # The first attempt had too little memory.
        "rule_simulate_sphere": 2,
        "rule_check_theory": 1,
        "rule_simulate_mlp_cone": 2,
    }
    # The second run submitted what was lost alone.
    assert comments[-1] == "rule_simulate_mlp_cone"
    for path in (SPHERE, MLP_CONE, THEORY):
        assert (run.folder / path).read_bytes() == (local / path).read_bytes()
