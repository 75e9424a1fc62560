"""What rules give their scripts: settings of the configuration, and files in their roles."""

import json
import subprocess
import sys

import pytest
import yaml
from conftest import copy_project

# None of them has its default.
SETTINGS = {"seed": 5, "confidence": 0.8, "sample": 900, "permutations": 177}
PLAN = f"""
import json
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings,
)

with SnakemakeApi(OutputSettings(quiet={{Quietness.ALL}})) as api:
    found = api.workflow(
        resource_settings=ResourceSettings(cores=2),
        config_settings=ConfigSettings(config={SETTINGS!r}),
        snakefile=Path("Snakefile").resolve(),
        workdir=Path().resolve(),
    )
    workflow = found.dag(DAGSettings(forceall=True)).workflow_api._workflow
    workflow._prepare_dag(forceall=True, ignore_incomplete=True, lock_warn_only=True)
    workflow._build_dag()
    jobs = [
        {{
            "rule": job.rule.name,
            "params": dict(job.params.items()),
            "input": {{
                name: [str(path) for path in ([files] if isinstance(files, str) else files)]
                for name, files in job.input.items()
            }},
        }}
        for job in workflow.dag.jobs
    ]
    Path("jobs.json").write_text(json.dumps(jobs, default=str))
"""


@pytest.fixture(scope="module")
def jobs(tmp_path_factory) -> list[dict]:
    """Rule, params and named inputs of every job of a default run with SETTINGS."""
    folder = tmp_path_factory.mktemp("settings")
    copy_project(folder, None)
    done = subprocess.run(
        [sys.executable, "-c", PLAN], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "jobs.json").read_text(encoding="utf-8"))


def test_shared_settings_are_those_of_the_configuration(jobs):
    seen = {name: set() for name in SETTINGS}
    for job in jobs:
        for name in SETTINGS.keys() & job["params"].keys():
            assert job["params"][name] == SETTINGS[name], (job["rule"], name)
            seen[name].add(job["rule"])
    assert {name: len(rules) > 1 for name, rules in seen.items()} == dict.fromkeys(SETTINGS, True)
    assert {"study_posthoc", "train_losses"} <= seen["seed"] & seen["confidence"]


def test_the_follow_ups_have_every_set_and_the_study_of_losses(jobs, root):
    config = yaml.safe_load((root / "config/config.yaml").read_text(encoding="utf-8"))
    (posthoc,) = (job for job in jobs if job["rule"] == "study_posthoc")
    names = list(posthoc["params"]["sets"])
    assert {"stitched", "emoji_clip", "stitched_random"} <= {*names}
    sides = [path.split("/")[-2:] for path in posthoc["input"]["pairs"]]
    assert sides == [
        [name, f"{side}.parquet"]
        for name in names
        for side in config["sets"][name].get("modalities", ["image", "text"])
    ]
    for name, weights in posthoc["params"]["sets"].items():
        assert weights == config["sets"][name]["weights"], name
    assert posthoc["params"]["clusters"]["stitched"] == config["clusters"]["emoji"]
    assert posthoc["params"]["posthoc"] == config["posthoc"]
    (losses,) = (job for job in jobs if job["rule"] == "train_losses")
    for side in ("image", "text"):
        assert losses["input"][side][0].endswith(f"/{side}.parquet")
    assert losses["params"]["study"] == config["loss_study"]
    (drawn,) = (job for job in jobs if job["rule"] == "plot_follow_up_losses")
    methods = config["loss_study"]["methods"]
    trained = [name for name, entry in methods.items() if entry.get("start") == "trained"]
    assert drawn["params"]["after_training"] == trained
    (gallery,) = (job for job in jobs if job["rule"] == "plot_mixed_gallery")
    assert gallery["params"]["sets"] == {name: config["sets"][name]["label"] for name in names}
