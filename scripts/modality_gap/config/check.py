"""The configuration is checked as a whole before anything runs: config/schema/config.yaml says what
it may hold, and this module that the names in it fit together."""

import math
from collections.abc import Iterator
from pathlib import Path
from unicodedata import category

from modality_gap.config import clip_models
from modality_gap.config.load import load_yaml
from modality_gap.config.names import (
    MADE_HERE,
    check_references,
    column_references,
    encoders_of,
    is_path,
    names_in_tables,
    open_clip_references,
    references_between_keys,
    row_references,
    seed_studies,
)
from modality_gap.config.renamed import renamed_faults
from modality_gap.config.rows import row_faults, with_rows
from modality_gap.config.schema import dotted, schema_fault, unknown_name
from modality_gap.config.text_models import folder_fault
from modality_gap.errors import InputError

# Words that pandas takes for an empty cell of a table.
EMPTY_CELLS = {"NA", "N/A", "n/a", "NULL", "null", "NaN", "nan", "None", "<NA>", "#N/A", "#NA"}


def check_config(config: dict, schema_path: Path) -> None:
    """Check the configuration, as it is written, against the schema, and the names in it and in
    what its rows of `models` and `pairs` stand for against one another.

    The assets are those of `assets.yaml` above the schema; files of one's own must exist, seen
    from the working directory. Raises InputError, one sentence that names the first faulty key.
    """
    for faults in (_character_faults, renamed_faults):
        for fault in faults(config):
            raise InputError(fault)
    if broken := schema_fault(config, load_yaml(schema_path)):
        raise InputError(broken)
    assets = load_yaml(schema_path.parents[1] / "assets.yaml")
    check_references(row_references(config))
    check_references(open_clip_references(config))
    for faults in (row_faults, _weights_faults, _hugging_face_faults):
        for fault in faults(config):
            raise InputError(fault)
    config = with_rows(config)
    check_references(references_between_keys(config, assets))
    for fault in _faults(config):
        raise InputError(fault)
    check_references(column_references(config))


def _character_faults(value: object, path: tuple = ()) -> Iterator[str]:
    """Characters that no text of the configuration may hold: neither a page nor a figure can show
    them, and a lone half of a surrogate pair can be written to no file."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _character_faults(entry, (*path, str(key)))
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _character_faults(entry, (*path, number))
    elif isinstance(value, str):
        bad = next((c for c in value if category(c) in ("Cc", "Cs") and c not in "\n\t"), None)
        if bad:
            yield f"{dotted(path)} holds the character U+{ord(bad):04X}; remove it."


def _weights_faults(config: dict) -> Iterator[str]:
    """Weights that are absent or do not go with their architecture."""
    for key, entry in encoders_of(config, "open_clip"):
        tag = entry.get("pretrained")
        if isinstance(tag, str) and is_path(tag) and not Path(tag).is_file():
            yield unknown_name(f"{key}.pretrained", tag)
        if fault := clip_models.activation_fault(key, entry):
            yield fault
    for key, entry in encoders_of(config, "timm"):
        if fault := clip_models.timm_fault(key, entry):
            yield fault


def _hugging_face_faults(config: dict) -> Iterator[str]:
    """Folders of text encoders that lack something, or ask for what is not done here."""
    for key, entry in encoders_of(config, "hugging_face"):
        model = entry["model"]
        if model.startswith(("/", "./", "../", "~")) and not Path(model).is_dir():
            yield f"{key}.model is {model!r}, which is no folder here ({Path.cwd()}); correct it."
        if fault := folder_fault(model, entry.get("pooling")):
            yield f"{key}.model: {fault}"


def _faults(config: dict) -> Iterator[str]:
    """What neither the schema nor a list of names can tell."""
    encoders = config["encoders"]
    for name, entry in encoders.items():
        path = entry.get("architecture", "")
        if path.endswith(".json") and not Path(path).is_file():
            yield unknown_name(f"encoders.{name}.architecture", path)
    for name in config["training"]:
        key, entry = f"training.{name}", encoders.get(name, {})
        if not entry.get("architecture", "").endswith(".json"):
            yield f"{key} needs an encoder {name} whose architecture is a .json file; add it."
        if entry.get("checkpoint") != name:
            yield f"{key} needs encoders.{name}.checkpoint to be {name}; correct it."
        if "seed" not in encoders.get(f"{name}_random", {}):
            yield f"{key} needs an encoder {name}_random with a seed; add it."
    for section in ("projections", "training"):
        for name, entry in config[section].items():
            if entry["warmup"] >= entry["steps"]:
                yield f"{section}.{name}.warmup must be below its steps; lower it."
    experiments = config["experiments"]
    for name in ("temperature", "initialisation", "dimension", "same_modality"):
        key = f"experiments.models.{name}"
        model = experiments["models"].get(name, {})
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
            yield f"{files} must give train and test, which {key} needs; add them."
    for name, entry in config["tasks"].items():
        if entry.get("metric") == "roc_auc" and len(entry.get("prompts", ())) != 2:
            yield f"tasks.{name}.metric is roc_auc, which needs prompts of two classes; give them."
        dataset = config["inputs"][entry["inputs"]]["dataset"]
        if entry.get("metric") == "roc_auc" and dataset in config["clusters"]:
            yield (
                f"tasks.{name}.metric is roc_auc, whose intervals know no clusters; remove "
                f"clusters.{dataset}, or score by accuracy."
            )
    for key, name in names_in_tables(config):
        if name in EMPTY_CELLS:
            yield f"{key} is {name!r}, which a table reads as an empty cell; give another name."
    for name in config["datasets"]:
        if name in MADE_HERE:
            yield f"datasets.{name} has the name of a dataset that is made here; give it another."
    models: dict[tuple[str, str], str] = {}
    for name, entry in config["sets"].items():
        key, modalities = f"sets.{name}", entry["modalities"]
        twin = models.setdefault((entry["model"], entry["weights"]), name)
        if twin != name:
            yield (
                f"{key} and sets.{twin} are both called {entry['model']!r} and have "
                f"{entry['weights']} weights; give one another name (model, or label in models)."
            )
        if entry.get("loss") == "sigmoid":
            if "projection" in entry or "released" in entry:
                yield f"{key}.loss is sigmoid, which needs a model with a bias; remove it."
            if "files" in entry and not {"scale", "bias"} <= entry.keys():
                yield f"pairs.{name}.loss is sigmoid, which needs scale and bias; add them."
        if "files" in entry or "released" in entry:
            if "inputs" in entry:
                yield f"{key}.inputs goes with an encoder or a projection alone; remove it."
        elif set(modalities) != {"image", "text"}:
            yield f"{key}.modalities must be image and text, which encoders embed; correct it."
    one, other = (
        {key: value for key, value in encoders[name].items() if key != "label"}
        for name in config["cone"]["preprocessing"]["encoders"]
    )
    ways = [spec.pop("preprocessing", "own") for spec in (one, other)]
    if one != other or ways[0] == ways[1]:
        yield (
            "cone.preprocessing.encoders must be two that differ in preprocessing and in nothing "
            "else (but their label); correct one of them."
        )
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
            yield f"{key}.encoders must be one encoder with seeds or several without; correct it."
    start, step = config["loss_landscape"]["delta_start"], config["loss_landscape"]["delta_step"]
    if not math.isclose(start / step, round(start / step), abs_tol=1e-9):
        yield (
            f"loss_landscape.delta_start is {start}, from where steps of {step} miss the shift 0; "
            "make it a multiple of delta_step."
        )
    batch_size, sample = config["loss_landscape"]["batch_size"], config["sample"]
    if batch_size > sample:
        yield (
            f"loss_landscape.batch_size is {batch_size}, but of a large set the minimum of the "
            f"loss is looked for in {sample} pairs; lower it or raise sample."
        )
