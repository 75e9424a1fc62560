"""Faults of a configuration that satisfies the schema and whose names all exist.

Each check takes a configuration whose rows are expanded, and yields one sentence per fault. The
sentence begins with the key and ends with a remedy.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

from modality_gap.config.losses import DECLARED_LOSSES, all_keys
from modality_gap.config.names import MADE_HERE, names_in_tables, seed_studies
from modality_gap.config.own_functions import missing_file
from modality_gap.config.schema import listed_words, unknown_name

# Words that pandas takes for an empty cell of a table.
EMPTY_CELLS = {"NA", "N/A", "n/a", "NULL", "null", "NaN", "nan", "None", "<NA>", "#N/A", "#NA"}
EMPTY_CELLS |= {"#N/A N/A", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}


def _of_training(config: dict) -> Iterator[str]:
    encoders = config["encoders"]
    for name in config["training"]:
        key, entry = f"training.{name}", encoders.get(name, {})
        if not entry.get("architecture", "").endswith(".json"):
            yield (
                f"{key} needs encoders.{name} with a .json file as its architecture; "
                "add it or correct its architecture."
            )
        if entry.get("checkpoint") != name:
            yield f"{key} needs encoders.{name}.checkpoint to be {name}; correct it."
        if "seed" not in encoders.get(f"{name}_random", {}):
            yield f"{key} needs an encoder {name}_random with a seed; add it."
    for section in ("projections", "training"):
        for name, entry in config[section].items():
            if entry["warmup"] >= entry["steps"]:
                yield f"{section}.{name}.warmup must be below its steps; lower it."
            yield from _of_loss_in_training(f"{section}.{name}", entry)


def _of_loss_in_training(key: str, settings: dict) -> Iterator[str]:
    loss = settings.get("loss", "softmax")
    needed = DECLARED_LOSSES[loss].parameters
    for name in all_keys():
        if name in needed and name not in settings:
            yield f"{key}.loss is {loss}, which needs {name}; add it."
        if name in settings and name not in needed:
            yield f"{key}.{name} does not belong to the {loss} loss; remove it."


def _of_experiments(config: dict) -> Iterator[str]:
    experiments = config["experiments"]
    yield from _of_loss_in_training("experiments.optimisation", experiments["optimisation"])
    for name in ("temperature", "initialisation", "dimension", "same_modality"):
        key = f"experiments.models.{name}"
        model = experiments["models"].get(name, {})
        if "optimisation" in model:
            merged = {**experiments["optimisation"], **model["optimisation"]}
            yield from _of_loss_in_training(f"{key}.optimisation", merged)
        own = "warmup" in model.get("optimisation", {})
        optimisation = (model if own else experiments)["optimisation"]
        if optimisation["warmup"] >= experiments[name]["steps"]:
            yield (
                f"{key if own else 'experiments'}.optimisation.warmup must be below "
                f"experiments.{name}.steps; lower it."
            )
        files = config["datasets"].get(model.get("dataset"), {}).get("files")
        if files and not files.keys() >= {"train", "test"}:
            files = f"datasets.{model['dataset']}.files"
            yield f"{files} must have train and test, because {key} needs both; add them."


def _of_tasks(config: dict) -> Iterator[str]:
    for name, entry in config["tasks"].items():
        if entry.get("metric") != "roc_auc":
            continue
        if len(entry.get("prompts", ())) != 2:
            yield f"tasks.{name}.metric is roc_auc, which needs prompts of two classes; give them."
        dataset = config["inputs"][entry["inputs"]]["dataset"]
        if dataset in config["clusters"]:
            yield (
                f"tasks.{name}.metric is roc_auc, whose intervals cannot use clusters; remove "
                f"clusters.{dataset}, or score by accuracy."
            )


def _of_names(config: dict) -> Iterator[str]:
    for key, name in names_in_tables(config):
        if name in EMPTY_CELLS:
            yield f"{key} is {name!r}, which a table reads as an empty cell; give another name."
    for name in config["datasets"]:
        if name in MADE_HERE:
            yield (
                f"datasets.{name}: the workflow itself makes a dataset of this name; "
                "give yours another name."
            )


def _of_inputs(config: dict) -> Iterator[str]:
    for name, entry in config["inputs"].items():
        if "noise" in entry and "files_per_part" in config["datasets"].get(entry["dataset"], {}):
            yield (
                f"inputs.{name}.noise cannot be combined with "
                f"datasets.{entry['dataset']}.files_per_part; remove one of them."
            )


def _of_parts(config: dict) -> Iterator[str]:
    for name, entry in config["sets"].items():
        if not entry.get("by_part") or "files" in entry:
            continue
        key, inputs = f"sets.{name}.by_part", entry.get("inputs")
        if not {"encoder", "encoders"} & entry.keys():
            yield f"{key} needs a set with an encoder; remove it."
            return
        dataset = config["inputs"][inputs]["dataset"]
        if "files_per_part" not in config["datasets"].get(dataset, {}):
            yield f"{key} needs a dataset with files_per_part, not {dataset}; correct one of them."
        if "sample" in config["inputs"][inputs]:
            yield f"{key} cannot be combined with inputs.{inputs}.sample; remove one of them."
        if "cluster" in entry or dataset in config["clusters"]:
            yield f"{key} cannot be combined with clusters; remove one of them."


def _of_sets(config: dict) -> Iterator[str]:
    if not config["sets"]:
        yield "sets, models and pairs have no entry; add one to any of them."
    labels: dict[tuple[str, str], str] = {}
    for name, entry in config["sets"].items():
        key, modalities = f"sets.{name}", entry["modalities"]
        twin = labels.setdefault((entry["label"], entry["weights"]), name)
        if twin != name:
            yield (
                f"{key} and sets.{twin} both have the label {entry['label']!r} and "
                f"{entry['weights']} weights; give one of them another label."
            )
        yield from _of_loss_of_set(name, entry)
        if "files" in entry or "released" in entry:
            if "inputs" in entry:
                yield f"{key}.inputs needs an encoder or a projection; remove it."
        elif set(modalities) != {"image", "text"}:
            yield f"{key}.modalities must be image and text, which encoders embed; correct it."


def _of_loss_of_set(name: str, entry: dict) -> Iterator[str]:
    loss = entry.get("loss")
    if loss and (keys := DECLARED_LOSSES[loss].keys):
        needed = listed_words(keys, "and")
        if "projection" in entry or "released" in entry:
            yield f"sets.{name}.loss is {loss}, which needs a model with {needed}; remove it."
        if "files" in entry and not keys.keys() <= entry.keys():
            yield f"pairs.{name}.loss is {loss}, which needs {needed}; add them."


def _of_preprocessing(config: dict) -> Iterator[str]:
    one, other = (
        {key: value for key, value in config["encoders"][name].items() if key != "label"}
        for name in config["cone"]["preprocessing"]["encoders"]
    )
    ways = [spec.pop("preprocessing", "own") for spec in (one, other)]
    if one != other or ways[0] == ways[1]:
        yield (
            "cone.preprocessing.encoders must name two encoders that differ only in preprocessing "
            "and label; correct one of them."
        )


def _of_supplement(config: dict) -> Iterator[str]:
    encoders = config["encoders"]
    for name in config["supplement"]["normalisation"]["encoders"]:
        if "seed" not in encoders[name]:
            yield (
                f"supplement.normalisation.encoders has {name}, which has no seed; "
                "give encoders with random weights."
            )
    for key, entry in seed_studies(config):
        for number, path in enumerate(entry.get("files", [])):
            if not Path(path).is_file():
                yield unknown_name(f"{key}.files[{number}]", path)
        with_seeds = ["seeds" in encoders[name] for name in entry.get("encoders", [])]
        if with_seeds and any(with_seeds) == (len(with_seeds) > 1):
            yield (
                f"{key}.encoders must name one encoder with seeds, or several without; correct it."
            )


def _of_loss_landscape(config: dict) -> Iterator[str]:
    settings, sample = config["loss_landscape"], config["sample"]
    start, step = settings["delta_start"], settings["delta_step"]
    if not math.isclose(start / step, round(start / step), abs_tol=1e-9):
        yield (
            f"loss_landscape.delta_start is {start}, and steps of {step} from there miss the shift "
            "0; make it a multiple of delta_step."
        )
    if settings["batch_size"] > sample:
        yield (
            f"loss_landscape.batch_size is {settings['batch_size']}, but the minimum of a large "
            f"set's loss is computed from a sample of {sample} pairs; lower it or raise sample."
        )


def _of_own_functions(config: dict) -> Iterator[str]:
    for section, part, key in (
        ("posthoc", "methods", "method"),
        ("posthoc", "measures", "measure"),
        ("loss_study", "methods", "loss"),
    ):
        for name, entry in config[section].get(part, {}).items():
            fault = missing_file(f"{section}.{part}.{name}.{key}", entry[key])
            if fault:
                yield fault


FAULTS: tuple[Callable[[dict], Iterator[str]], ...] = (
    _of_training,
    _of_experiments,
    _of_tasks,
    _of_names,
    _of_inputs,
    _of_parts,
    _of_sets,
    _of_preprocessing,
    _of_supplement,
    _of_loss_landscape,
    _of_own_functions,
)


def faults_of(config: dict) -> Iterator[str]:
    """Every fault of a configuration whose rows are expanded."""
    for faults in FAULTS:
        yield from faults(config)
