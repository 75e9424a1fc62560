"""Names that one part of the configuration uses of another, and what is absent."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from modality_gap.config import clip_models
from modality_gap.config.rows import rows_of
from modality_gap.config.schema import choice
from modality_gap.errors import InputError

# Datasets that are not read out of files.
MADE_HERE = ("emoji", "digits", "prompts")
# The columns of each dataset, by its name or its format, but for item_id and the picture; a union
# has those of its data sets too.
COLUMNS = {
    "emoji": {"text", "split", "concept", "group", "sub_group", "skin_tone", "gender"},
    "digits": {"digit"},
    "prompts": {"text", "task", "label", "kind"},
    "coco": {"text", "split"},
    "cifar": {"label", "split"},
    "class_folders": {"label"},
    "svhn": {"label"},
    "hateful_memes": {"text", "label"},
    "fairface": {"race", "gender", "age"},
    "imagenet": {"label"},
    "union": {"source"},
}


def columns_of(dataset: str, config: dict, within: tuple = ()) -> list[str]:
    """The columns that `where` and tasks may name of a dataset; none where its format is not in
    COLUMNS. `within` are the unions that it is in.

    Raises InputError for a union that is in itself.
    """
    if dataset in within:
        raise InputError(f"datasets.{dataset} is a union that is in itself; correct its files.")
    entry = config["datasets"].get(dataset, {"format": dataset, "files": {}})
    if entry["format"] not in COLUMNS:
        return []
    parts = entry["files"].values() if entry["format"] == "union" else ()
    columns = [columns_of(name, config, (*within, dataset)) for name in parts]
    return sorted({"item_id", *COLUMNS[entry["format"]]}.union(*columns)) if all(columns) else []


def column_references(config: dict) -> Iterator[tuple[str, str, list[str], str]]:
    """The columns of datasets that are named, as `references_between_keys` gives them."""

    def named() -> Iterator[tuple[str, str, str]]:
        for name, entry in config["inputs"].items():
            yield from ((f"inputs.{name}.where.{key}", key, name) for key in entry.get("where", ()))
        for name, entry in config["tasks"].items():
            yield f"tasks.{name}.label", entry["label"], entry["inputs"]
        for key in ("group", "gender"):
            yield f"table2.{key}", config["table2"][key], config["table2"]["inputs"]

    for key, column, inputs in named():
        dataset = config["inputs"][inputs]["dataset"]
        if known := columns_of(dataset, config):
            yield key, column, known, f"column of the dataset {dataset}"


def check_references(references: Iterable[tuple[str, str, list[str], str]]) -> None:
    for path, name, known, kind in references:
        if name not in known:
            raise InputError(f"{path} is {name!r}, which is no {kind}; {choice(name, known)}")


def without_absent(config: dict, absent: Collection[str]) -> tuple[dict, dict[str, list[str]]]:
    """The configuration without the tasks of Table 1 and the encoders of Supplementary 13 and 14
    that need an asset of `absent`, and what they need of it, by their keys.

    A panel of which less than two initialisations are left goes as a whole; the tasks stay where
    none would be left, so that the run ends in what is missing.
    """
    left_out: dict[str, list[str]] = {}

    def takes_part(key: str, inputs: str, encoder: str | None = None) -> bool:
        files = config["datasets"].get(config["inputs"][inputs]["dataset"], {}).get("files", {})
        needed = [*files.values(), config["encoders"].get(encoder, {}).get("weights")]
        missing = [name for name in needed if name in absent]
        if missing:
            left_out[key] = list(dict.fromkeys([*left_out.get(key, []), *missing]))
        return not missing

    tasks = [
        task
        for task in config["table1"]["tasks"]
        if takes_part(f"table1.tasks {task}", config["tasks"][task]["inputs"])
    ]
    studies: dict[str, dict] = {}
    for study, panels in config["supplement"]["seed_studies"].items():
        studies[study] = {}
        for title, panel in panels.items():
            key, names = f"supplement.seed_studies.{study}", panel.get("encoders", [])
            left = [name for name in names if takes_part(key, panel["inputs"], name)]
            if left == names:
                studies[study][title] = panel
            elif len(left) > 1:
                studies[study][title] = panel | {"encoders": left}
    return {
        **config,
        "table1": {**config["table1"], "tasks": tasks or config["table1"]["tasks"]},
        "supplement": {**config["supplement"], "seed_studies": studies},
    }, left_out


def encoders_of(config: dict, library: str) -> Iterator[tuple[str, dict]]:
    """Key and entry of every encoder of a library, as they are written."""
    entries = [(f"encoders.{name}", entry) for name, entry in config["encoders"].items()]
    for name, row in rows_of(config, "models"):
        entries += [(f"models.{name}", row)] if "architecture" in row else []
        entries += [
            (f"models.{name}.{side}", row[side]) for side in ("image", "text") if side in row
        ]
    return ((key, entry) for key, entry in entries if entry["library"] == library)


def open_clip_references(config: dict) -> Iterator[tuple[str, str, list[str], str]]:
    """The names that open_clip gives, as `references_between_keys` has others; none where it is not
    installed beside Snakemake."""
    known = clip_models.architectures()
    for key, entry in encoders_of(config, "open_clip") if known else ():
        name, tag = entry["architecture"], entry.get("pretrained")
        if not name.endswith(".json"):
            yield f"{key}.architecture", name, known, "architecture of open_clip"
        if isinstance(tag, str) and not is_path(tag):
            of = f"tag of weights of open_clip's {name}"
            yield f"{key}.pretrained", tag, list(clip_models.tags(name)), of


def is_path(tag: str) -> bool:
    """Whether `pretrained` names a file and not a tag."""
    return "/" in tag or "." in tag or Path(tag).is_file()


def row_references(config: dict) -> Iterator[tuple[str, str, list[str], str]]:
    """The names in rows of `models`, as `references_between_keys` gives them."""
    for name, row in rows_of(config, "models"):
        known, kind = _pictures(config), "input with pictures"
        yield f"models.{name}.inputs", row["inputs"], known, kind
        if "projection" in row:
            known = list(config["projections"])
            yield f"models.{name}.projection", row["projection"], known, "projection"


# --- the names --------------------------------------------------------------------------------


def references_between_keys(
    config: dict, assets: dict
) -> Iterator[tuple[str, str, list[str], str]]:
    """Every name that stands for something elsewhere: its key, itself, the known ones, the kind."""
    encoders, sets, inputs = config["encoders"], config["sets"], config["inputs"]
    wheels = [name for name, asset in assets.items() if asset["kind"] == "wheel"]
    files = [name for name, asset in assets.items() if asset["kind"] == "file"]
    weights = [name for name, asset in assets.items() if asset["kind"] in ("file", "placed")]
    noise = [name for name, entry in inputs.items() if "noise" in entry]
    pictures = _pictures(config)
    datasets = [*MADE_HERE, *config["datasets"]]
    with_seeds = [name for name, entry in encoders.items() if "seeds" in entry]
    models = [name for name, entry in sets.items() if {"encoder", "projection"} & entry.keys()]

    for name, entry in encoders.items():
        if "wheel" in entry:
            yield f"encoders.{name}.wheel", entry["wheel"], wheels, "asset of kind wheel"
        if "weights" in entry:
            yield f"encoders.{name}.weights", entry["weights"], weights, "asset of weights"
        if "checkpoint" in entry:
            key = f"encoders.{name}.checkpoint"
            yield key, entry["checkpoint"], list(config["training"]), "model under training"
    for name, entry in config["datasets"].items():
        for role, file in entry["files"].items():
            key = f"datasets.{name}.files.{role}"
            if entry["format"] == "union":
                yield key, file, [other for other in datasets if other != name], "dataset"
            elif "/" not in file:
                yield key, file, list(assets), "asset or path"
    for name in config["clusters"]:
        yield f"clusters.{name}", name, datasets, "dataset"
    for name, entry in inputs.items():
        yield f"inputs.{name}.dataset", entry["dataset"], datasets, "dataset"
    for name, entry in config["projections"].items():
        for modality, encoder in entry["encoders"].items():
            yield f"projections.{name}.encoders.{modality}", encoder, list(encoders), "encoder"
        yield f"projections.{name}.inputs", entry["inputs"], pictures, "input with pictures"
    kinds = {
        "encoder": (list(encoders), "encoder"),
        "projection": (list(config["projections"]), "projection"),
        "inputs": (pictures, "input with pictures"),
        "released": (files, "asset of kind file"),
    }
    for name, entry in sets.items():
        for key, (known, kind) in kinds.items():
            if key in entry:
                yield f"sets.{name}.{key}", entry[key], known, kind
    for name, entry in config["cone"]["encoders"].items():
        for origin, of_these, called in (
            ("trained", list(inputs), "input"),
            ("random", noise, "input with noise"),
        ):
            key = f"cone.encoders.{name}.{origin}"
            yield key, entry[origin], list(encoders), "encoder"
            yield f"{key}_inputs", entry[f"{origin}_inputs"], of_these, called
    for name, entry in config["initialisation_cones"].items():
        key = f"initialisation_cones.{name}"
        yield key, name, with_seeds, "encoder with seeds"
        yield f"{key}.inputs", entry["inputs"], noise, "input with noise"
    supplement = config["supplement"]
    key, entry = "supplement.normalisation", supplement["normalisation"]
    yield f"{key}.inputs", entry["inputs"], pictures, "input with pictures"
    open_clip = [name for name, spec in encoders.items() if spec["library"] == "open_clip"]
    for number, name in enumerate(entry["encoders"]):
        yield f"{key}.encoders[{number}]", name, open_clip, "open_clip encoder"
    key, entry = "cone.preprocessing", config["cone"]["preprocessing"]
    yield f"{key}.inputs", entry["inputs"], pictures, "input with pictures"
    for number, name in enumerate(entry["encoders"]):
        yield f"{key}.encoders[{number}]", name, open_clip, "open_clip encoder"
    for key, entry in seed_studies(config):
        if "encoders" in entry:
            yield f"{key}.inputs", entry["inputs"], list(inputs), "input"
        for number, name in enumerate(entry.get("encoders", [])):
            yield f"{key}.encoders[{number}]", name, list(encoders), "encoder"
    for name, entry in config["tasks"].items():
        yield f"tasks.{name}.inputs", entry["inputs"], pictures, "input with pictures"
    for number, name in enumerate(config["table1"]["sets"]):
        key = f"table1.sets[{number}]"
        yield key, name, models, "set with an encoder or a projection"
    for number, name in enumerate(config["table1"]["tasks"]):
        yield f"table1.tasks[{number}]", name, list(config["tasks"]), "task"
    experiments = config["experiments"]
    known = list(config["projections"])
    yield "experiments.projection", experiments["projection"], known, "projection"
    key, task = "experiments.temperature.task", experiments["temperature"]["task"]
    by_accuracy = [
        name for name, task in config["tasks"].items() if task.get("metric") != "roc_auc"
    ]
    yield key, task, by_accuracy, "task scored by accuracy"
    with_captions = [
        name for name, entry in config["datasets"].items() if entry["format"] == "coco"
    ]
    whole = [
        name for name in open_clip if {"seed", "weights", "pretrained"} & encoders[name].keys()
    ]
    for name, entry in experiments["models"].items():
        key, kind = f"experiments.models.{name}.encoder", "open_clip encoder of both modalities"
        yield key, entry["encoder"], whole, kind
        key, kind = f"experiments.models.{name}.dataset", "dataset with pictures and captions"
        yield key, entry["dataset"], ["emoji", *with_captions], kind
    table2 = config["table2"]
    yield "table2.set", table2["set"], models, "set with an encoder or a projection"
    yield "table2.inputs", table2["inputs"], pictures, "input with pictures"


def _pictures(config: dict) -> list[str]:
    return [name for name, entry in config["inputs"].items() if entry["dataset"] != "prompts"]


def seed_studies(config: dict) -> Iterator[tuple[str, dict]]:
    """Key and entry of each panel of Supplementary 13 and 14."""
    for study, panels in config["supplement"]["seed_studies"].items():
        for title, entry in panels.items():
            yield f"supplement.seed_studies.{study}.{title}", entry


def names_in_tables(config: dict) -> Iterator[tuple[str, str]]:
    """Key and text of every name that a table of a run has."""
    sections = ("sets", "tasks", "encoders", "datasets", "inputs", "projections", "training")
    for section in sections:
        yield from ((f"{section}.{name}", name) for name in config[section])
    for section, key in (("sets", "model"), ("encoders", "label")):
        for name, entry in config[section].items():
            yield f"{section}.{name}.{key}", entry.get(key, "")
    yield from ((f"cone.encoders.{name}", name) for name in config["cone"]["encoders"])
    yield from ((key, key.rpartition(".")[2]) for key, _ in seed_studies(config))
    for key in ("groups", "genders", "non_human", "crime_related"):
        yield from ((f"table2.{key}", name) for name in config["table2"][key])
