"""The configuration is checked as a whole before anything runs: config/schema.yaml says what it
may hold, and this module that the names in it fit together."""

import math
import reprlib
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from unicodedata import category

import yaml
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from modality_gap import clip_models
from modality_gap.errors import InputError
from modality_gap.text_models import folder_fault

TYPES = {
    "integer": (int, "a whole number"),
    "number": ((int, float), "a finite number"),
    "string": (str, "a text"),
    "array": (list, "a list"),
    "object": (dict, "a mapping"),
    "boolean": (bool, "true or false"),
}
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
SIZES = {
    "minItems": "at least",
    "maxItems": "at most",
    "minProperties": "at least",
    "maxProperties": "at most",
}
# What YAML makes of a word that is not in quotes, if no text.
YAML_KINDS = {bool: "a truth value", int: "a number", float: "a number", date: "a date"}
# Words that pandas takes for an empty cell of a table.
EMPTY_CELLS = {"NA", "N/A", "n/a", "NULL", "null", "NaN", "nan", "None", "<NA>", "#N/A", "#NA"}
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
REMOVE = "remove it, or use one of"
# Every Snakemake reads these files, two for each job of a cluster; libyaml does it in a tenth of
# the time.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_yaml(path: str | Path) -> object:
    """What a YAML file of the project holds. Raises InputError for a key that is no text."""
    content = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=LOADER)
    for fault in _key_faults(content):
        raise InputError(f"{path}: {fault}")
    return content


def without_nulls(config: dict) -> dict:
    """The configuration without the entries that are null, however deep: so an overlay removes
    what config/config.yaml has, `sets: {stitched: null}`."""
    return {
        key: without_nulls(value) if isinstance(value, dict) else value
        for key, value in config.items()
        if value is not None
    }


def with_rows(config: dict) -> dict:
    """The configuration with what each row of `models` and of `pairs` stands for, as entries of
    `encoders`, `projections` and `sets`; the rows themselves are gone.

    Raises InputError where a row would make an entry that is there already.
    """
    made = {section: dict(config[section]) for section in ("encoders", "projections", "sets")}
    rows = [("models", name, _of_model(name, row, config)) for name, row in _rows(config, "models")]
    rows += [("pairs", name, _of_pairs(name, row)) for name, row in _rows(config, "pairs")]
    for key, name, entries in rows:
        for section, of_section in entries.items():
            for entry in of_section:
                if entry in made[section]:
                    raise InputError(
                        f"{key}.{name} makes {section}.{entry}, which is there already; "
                        "give the row another name."
                    )
            made[section] |= of_section
    return {**config, **made, "models": {}, "pairs": {}}


def check_config(config: dict, schema_path: Path) -> None:
    """Check the configuration, as it is written, against the schema, and the names in it and in
    what its rows of `models` and `pairs` stand for against one another.

    The assets are those of `assets.yaml` beside the schema; files of one's own must exist, seen
    from the working directory. Raises InputError, one sentence that names the first faulty key.
    """
    for fault in _character_faults(config):
        raise InputError(fault)
    fault = schema_fault(config, load_yaml(schema_path))
    if fault:
        raise InputError(fault)
    assets = load_yaml(schema_path.with_name("assets.yaml"))
    _check_references(_row_references(config))
    _check_references(_open_clip_references(config))
    for faults in (_row_faults, _weights_faults, _hugging_face_faults):
        for fault in faults(config):
            raise InputError(fault)
    config = with_rows(config)
    _check_references(_references(config, assets))
    for fault in _faults(config):
        raise InputError(fault)
    _check_references(_column_references(config))


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
            yield f"{_dotted(path)} holds the character U+{ord(bad):04X}; remove it."


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


def _column_references(config: dict) -> Iterator[tuple[str, str, list[str], str]]:
    """The columns of datasets that are named, as `_references` gives them."""

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


def _check_references(references: Iterable[tuple[str, str, list[str], str]]) -> None:
    for path, name, known, kind in references:
        if name not in known:
            raise InputError(f"{path} is {name!r}, which is no {kind}; {_choice(name, known)}")


def without_absent(config: dict, absent: Collection[str]) -> tuple[dict, dict[str, list[str]]]:
    """The configuration without the tasks of Table 1 and the encoders of Supplementary 13 and 14
    that need an asset of `absent`, and what they need of it, by their keys.

    A panel of which less than two initialisations are left goes as a whole; the tasks stay where
    none would be left, so that the run ends in what is missing.
    """
    left_out = {}

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
    studies = {}
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


def cluster_column(config: dict, inputs: str) -> str | None:
    """The label column that says which items of some inputs are not independent, if any."""
    return config["clusters"].get(config["inputs"][inputs]["dataset"])


def set_clusters(config: dict) -> dict[str, str]:
    """By set the label column that says which of its pairs are not independent; sets of independent
    pairs are not there. A set's own `cluster` stands before that of its dataset."""
    columns = {
        name: entry.get("cluster")
        or ("inputs" in entry and cluster_column(config, entry["inputs"]))
        for name, entry in config["sets"].items()
    }
    return {name: column for name, column in columns.items() if column}


def tables_of(entries: object) -> list[str]:
    """Paths under results/ of every table that entries of config/claims.yaml or config/errata.yaml
    measure something in: the value of each `table` key, however deep."""
    if isinstance(entries, dict):
        own = {entries["table"]} if isinstance(entries.get("table"), str) else set()
        return sorted(own.union(*map(tables_of, entries.values())))
    if isinstance(entries, list):
        return sorted(set().union(*map(tables_of, entries)))
    return []


# --- the rows of models and pairs -------------------------------------------------------------

# Of a row of models, what is not its encoder's.
OF_THE_ROW = {"label", "inputs", "note", "loss", "twin"}
# Of a row of pairs, what is no modality.
OF_PAIRS = {"model", "weights", "note", "cluster", "loss", "scale", "bias"}
WEIGHTS = {"pretrained", "weights", "checkpoint", "seed"}


def _rows(config: dict, key: str) -> Iterable[tuple[str, dict]]:
    return config.get(key, {}).items()


def _of_model(name: str, row: dict, config: dict) -> dict[str, dict]:
    """Entries of `encoders`, `projections` and `sets` that a row of `models` stands for: one model
    of both modalities and its twin of random weights, or two encoders and a projection of each."""
    if "architecture" in row:
        # In the row's own order: to Snakemake the same keys in another order are a change.
        spec = {key: value for key, value in row.items() if key not in OF_THE_ROW}
        label = row.get("label") or _label(spec)
        twin = {key: value for key, value in spec.items() if key not in WEIGHTS} | {"seed": 0}
        encoders = {name: spec | {"label": label}}
        if "seed" not in row and row.get("twin", True):
            encoders[f"{name}_random"] = twin | {"label": f"{_label(twin)}, random weights"}
        sources = [("encoder", encoder) for encoder in encoders]
        projections = {}
    else:
        specs = {modality: row[modality] for modality in ("image", "text")}
        label = row.get("label") or " with ".join(map(_label, specs.values()))
        encoders = {
            f"{name}_{modality}": {"label": _label(spec)} | spec for modality, spec in specs.items()
        }
        like = config["projections"][row["projection"]]
        joined = {"encoders": dict(zip(specs, encoders, strict=True))}
        projections = {name: like | joined}
        sources = [("projection", name)] * (2 if row.get("twin", True) else 1)
    note = {"note": row["note"]} if "note" in row else {}
    kinds = ["random"] if "seed" in row else ["trained", "random"]
    sets = {
        name if number == 0 else f"{name}_random": {
            "model": label,
            "weights": weights,
            key: source,
            "inputs": row["inputs"],
            "modalities": ["image", "text"],
            **({"loss": row["loss"]} if "loss" in row else {}),
            **(note if number == 0 else {"note": "The same with random weights."}),
        }
        for number, ((key, source), weights) in enumerate(zip(sources, kinds, strict=False))
    }
    return {"encoders": encoders, "projections": projections, "sets": sets}


def _label(spec: dict) -> str:
    """What an encoder is called where its entry does not say: its architecture and weights."""
    name = Path(spec.get("architecture") or spec.get("model") or spec["library"]).name
    tag = spec.get("pretrained")
    return name.removesuffix(".json") + (f" ({tag})" if isinstance(tag, str) else "")


def _of_pairs(name: str, row: dict) -> dict[str, dict]:
    """The set that a row of `pairs` stands for."""
    files = {key: path for key, path in row.items() if key not in OF_PAIRS}
    entry = {"model": name, "weights": "trained"}
    entry |= {key: value for key, value in row.items() if key in OF_PAIRS}
    return {"sets": {name: entry | {"files": files, "modalities": list(files)}}}


def _encoders(config: dict, library: str) -> Iterator[tuple[str, dict]]:
    """Key and entry of every encoder of a library, as they are written."""
    entries = [(f"encoders.{name}", entry) for name, entry in config["encoders"].items()]
    for name, row in _rows(config, "models"):
        entries += [(f"models.{name}", row)] if "architecture" in row else []
        entries += [
            (f"models.{name}.{side}", row[side]) for side in ("image", "text") if side in row
        ]
    return ((key, entry) for key, entry in entries if entry["library"] == library)


def _open_clip_references(config: dict) -> Iterator[tuple[str, str, list[str], str]]:
    """The names that open_clip gives, as `_references` has others; none where it is not installed
    beside Snakemake."""
    known = clip_models.architectures()
    for key, entry in _encoders(config, "open_clip") if known else ():
        name, tag = entry["architecture"], entry.get("pretrained")
        if not name.endswith(".json"):
            yield f"{key}.architecture", name, known, "architecture of open_clip"
        if isinstance(tag, str) and not _is_path(tag):
            of = f"tag of weights of open_clip's {name}"
            yield f"{key}.pretrained", tag, list(clip_models.tags(name)), of


def _is_path(tag: str) -> bool:
    """Whether `pretrained` names a file and not a tag."""
    return "/" in tag or "." in tag or Path(tag).is_file()


def _weights_faults(config: dict) -> Iterator[str]:
    """Weights that are absent or do not go with their architecture."""
    for key, entry in _encoders(config, "open_clip"):
        tag = entry.get("pretrained")
        if isinstance(tag, str) and _is_path(tag) and not Path(tag).is_file():
            yield _absent(f"{key}.pretrained", tag)
        if fault := clip_models.activation_fault(key, entry):
            yield fault
    for key, entry in _encoders(config, "timm"):
        if fault := clip_models.timm_fault(key, entry):
            yield fault


def _hugging_face_faults(config: dict) -> Iterator[str]:
    """Folders of text encoders that lack something, or ask for what is not done here."""
    for key, entry in _encoders(config, "hugging_face"):
        model = entry["model"]
        if model.startswith(("/", "./", "../", "~")) and not Path(model).is_dir():
            yield f"{key}.model is {model!r}, which is no folder here ({Path.cwd()}); correct it."
        if fault := folder_fault(model, entry.get("pooling")):
            yield f"{key}.model: {fault}"


def _row_references(config: dict) -> Iterator[tuple[str, str, list[str], str]]:
    """The names in rows of `models`, as `_references` gives them."""
    for name, row in _rows(config, "models"):
        known, kind = _pictures(config), "input with pictures"
        yield f"models.{name}.inputs", row["inputs"], known, kind
        if "projection" in row:
            known = list(config["projections"])
            yield f"models.{name}.projection", row["projection"], known, "projection"


def _row_faults(config: dict) -> Iterator[str]:
    """What neither the schema nor a list of names can tell of the rows."""
    for name, row in _rows(config, "pairs"):
        modalities = [key for key in row if key not in OF_PAIRS]
        if len(modalities) != 2:
            has = _listed(modalities, "and") if modalities else "none"
            yield f"pairs.{name} must name the files of two modalities, not {has}; correct it."
        for modality in modalities:
            if not Path(row[modality]).is_file():
                yield _absent(f"pairs.{name}.{modality}", row[modality])


# --- the schema -------------------------------------------------------------------------------


def schema_fault(value: object, schema: dict) -> str | None:
    """What is first wrong with a value by a JSON schema, one sentence; None where nothing is. The
    keys of a mapping must be texts, whatever the schema says of them."""
    for fault in _key_faults(value):
        return fault
    # A misspelt key is also a missing one: tell what was written before what was not.
    error = min(
        Validator(schema).iter_errors(value),
        key=lambda error: error.validator != "additionalProperties",
        default=None,
    )
    return " ".join(_sentence(error).split()) if error else None


def _key_faults(value: object, path: tuple = ()) -> Iterator[str]:
    """Keys that YAML does not read as the text that was written: yes, 1e3, 012, 2020-01-01, ~."""
    entries = enumerate(value) if isinstance(value, list) else ()
    for key, entry in value.items() if isinstance(value, dict) else entries:
        if isinstance(value, dict) and not isinstance(key, str):
            where = f"{_dotted(path)} has" if path else "There is"
            yield f"{where} a key that {yaml_reads(key)}."
        else:
            yield from _key_faults(entry, (*path, key))


def yaml_reads(value: object) -> str:
    """What YAML made of a text without quotes, and the remedy."""
    kind = next((word for kind, word in YAML_KINDS.items() if isinstance(value, kind)), "nothing")
    shown = "" if value is None else f" ({str(value).lower()})"
    return f"YAML reads as {kind}{shown}; write it in quotes"


def _is_type(name: str, _checker: object, value: object) -> bool:
    """As in JSON Schema, but 2.0 counts no items, and YAML's .nan and .inf are no numbers."""
    if isinstance(value, bool):
        return name == "boolean"
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return isinstance(value, TYPES[name][0])


Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {name: partial(_is_type, name) for name in TYPES}
    ),
)


def _sentence(error: ValidationError) -> str:
    """What is wrong, where, and what to do about it."""
    path, value, wanted = _dotted(error.absolute_path), error.instance, error.validator_value
    shown = "empty" if value is None else reprlib.repr(value)
    if "propertyNames" in error.absolute_schema_path:
        key = _dotted([*error.absolute_path, str(value)])
        if error.validator == "enum":
            kind = "format" if error.absolute_path[0] == "datasets" else "library"
            return f"{key} does not go with this {kind}; {_choice(value, wanted, REMOVE)}"
        return f"{key} is no name to use; correct it to match: {error.schema['description']}"
    match error.validator:
        case "additionalProperties":
            known = list(error.schema["properties"])
            unknown = next(key for key in value if key not in known)
            key = _dotted([*error.absolute_path, str(unknown)])
            remedy = _choice(unknown, known, REMOVE)
            return f"{key} is no known key (of the file or --config); {remedy}"
        case "required":
            missing = next(key for key in wanted if key not in value)
            key = _dotted([*error.absolute_path, missing])
            return f"{key} is missing; add it, as config/schema.yaml describes it."
        case "dependentRequired":
            given = next(
                key for key in wanted if key in value and not value.keys() >= {*wanted[key]}
            )
            missing = next(key for key in wanted[given] if key not in value)
            return f"{path}.{given} needs {missing!r} beside it; add {path}.{missing}."
        case "oneOf":
            keys = [branch["required"][0] for branch in wanted]
            given = [key for key in keys if key in value]
            has = _listed(given, "and") if given else "none of them"
            return f"{path} must have exactly one of {_listed(keys, 'or')}; it has {has}, so " + (
                "remove all but one." if given else "add one."
            )
        case "not":
            return f"{path} has {_listed(wanted['required'], 'and')}; remove all but one."
        case "type":
            if wanted == "string" and not isinstance(value, dict | list):
                return f"{path} must be a text but has what {yaml_reads(value)}."
            return f"{path} is {shown} but must be {TYPES[wanted][1]}; {_retype(value, wanted)}."
        case "enum":
            return f"{path} is {shown}, which is not known; give one of {', '.join(wanted)}."
        case "uniqueItems":
            return f"{path} is {shown}, which holds an entry twice; remove one of the two."
        case "pattern":
            return f"{path} is {shown}; correct it to match: {error.schema['description']}"
        case keyword if keyword in BOUNDS:
            bounds = [f"{BOUNDS[key]} {error.schema[key]}" for key in BOUNDS if key in error.schema]
            return f"{path} is {shown}, out of range; give a value {_listed(bounds, 'and')}."
        case keyword if keyword in SIZES:
            return f"{path} has {len(value)} of its entries; give it {SIZES[keyword]} {wanted}."
    return f"{path} does not fit config/schema.yaml ({error.message}); correct it."


def _dotted(path: Iterable[str | int]) -> str:
    """`loss_landscape.temperatures[2]`"""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).lstrip(".")


def _retype(value: object, wanted: str) -> str:
    """The remedy for a wrong type; YAML takes 1e-3 for a text, 0.001 or 1.0e-3 for a number."""
    if isinstance(value, str) and wanted == "number":
        try:
            return f"write it as {float(value)}"
        except ValueError:
            pass
    return "correct it"


def _choice(name: object, known: Collection[str], otherwise: str = "give one of") -> str:
    """The remedy for an unknown name: the likely one, else all there are."""
    if close := get_close_matches(str(name), known, n=1):
        return f"did you mean {close[0]}?"
    return f"{otherwise} {', '.join(known)}." if known else "none is there yet, so add it first."


def _listed(names: Collection[str], word: str) -> str:
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last


# --- the names --------------------------------------------------------------------------------


def _references(config: dict, assets: dict) -> Iterator[tuple[str, str, list[str], str]]:
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
        for weights in ("trained", "random"):
            key = f"cone.encoders.{name}.{weights}"
            yield key, entry[weights], list(encoders), "encoder"
            known = noise if weights == "random" else list(inputs)
            kind = "input with noise" if weights == "random" else "input"
            yield f"{key}_inputs", entry[f"{weights}_inputs"], known, kind
    for name, entry in config["initialisation_cones"].items():
        key = f"initialisation_cones.{name}"
        yield key, name, with_seeds, "encoder with seeds"
        yield f"{key}.inputs", entry["inputs"], noise, "input with noise"
    supplement = config["supplement"]
    key, entry = "supplement.normalisation", supplement["normalisation"]
    yield f"{key}.inputs", entry["inputs"], pictures, "input with pictures"
    open_clip = [name for name, spec in encoders.items() if spec["library"] == "open_clip"]
    preprocessing = config["cone"]["preprocessing"]
    key, kind = "cone.preprocessing.inputs", "input with pictures"
    yield key, preprocessing["inputs"], pictures, kind
    for number, name in enumerate(preprocessing["encoders"]):
        yield f"cone.preprocessing.encoders[{number}]", name, open_clip, "open_clip encoder"
    for number, name in enumerate(entry["encoders"]):
        yield f"{key}.encoders[{number}]", name, open_clip, "open_clip encoder"
    for key, entry in _seed_studies(config):
        if "encoders" in entry:
            yield f"{key}.inputs", entry["inputs"], list(inputs), "input"
        for number, name in enumerate(entry.get("encoders", [])):
            yield f"{key}.encoders[{number}]", name, list(encoders), "encoder"
    for name, entry in config["tasks"].items():
        yield f"tasks.{name}.inputs", entry["inputs"], pictures, "input with pictures"
    for number, name in enumerate(config["table1"]["models"]):
        key = f"table1.models[{number}]"
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
    yield "table2.model", table2["model"], models, "set with an encoder or a projection"
    yield "table2.inputs", table2["inputs"], pictures, "input with pictures"


def _pictures(config: dict) -> list[str]:
    return [name for name, entry in config["inputs"].items() if entry["dataset"] != "prompts"]


def _seed_studies(config: dict) -> Iterator[tuple[str, dict]]:
    """Key and entry of each panel of Supplementary 13 and 14."""
    for study, panels in config["supplement"]["seed_studies"].items():
        for title, entry in panels.items():
            yield f"supplement.seed_studies.{study}.{title}", entry


def _faults(config: dict) -> Iterator[str]:
    """What neither the schema nor a list of names can tell."""
    encoders = config["encoders"]
    for name, entry in encoders.items():
        path = entry.get("architecture", "")
        if path.endswith(".json") and not Path(path).is_file():
            yield _absent(f"encoders.{name}.architecture", path)
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
    for key, name in _names_in_tables(config):
        if name in EMPTY_CELLS:
            yield f"{key} is {name!r}, which a table reads as an empty cell; give another name."
    for name in config["datasets"]:
        if name in MADE_HERE:
            yield f"datasets.{name} has the name of a dataset that is made here; give it another."
    models = {}
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
    for key, entry in _seed_studies(config):
        for number, path in enumerate(entry.get("files", [])):
            if not Path(path).is_file():
                yield _absent(f"{key}.files[{number}]", path)
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


def _names_in_tables(config: dict) -> Iterator[tuple[str, str]]:
    """Key and text of every name that a table of a run has."""
    sections = ("sets", "tasks", "encoders", "datasets", "inputs", "projections", "training")
    for section in sections:
        yield from ((f"{section}.{name}", name) for name in config[section])
    for section, key in (("sets", "model"), ("encoders", "label")):
        for name, entry in config[section].items():
            yield f"{section}.{name}.{key}", entry.get(key, "")
    yield from ((f"cone.encoders.{name}", name) for name in config["cone"]["encoders"])
    yield from ((key, key.rpartition(".")[2]) for key, _ in _seed_studies(config))
    for key in ("groups", "genders", "non_human", "crime_related"):
        yield from ((f"table2.{key}", name) for name in config["table2"][key])


def _absent(key: str, path: str) -> str:
    return f"{key} is {path!r}, which is no file here ({Path.cwd()}); correct the path."
