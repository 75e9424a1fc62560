"""Rows of `models` and of pairs, expanded to the entries that they stand for."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from modality_gap.config.losses import all_keys
from modality_gap.config.own_files import own_path
from modality_gap.config.schema import listed_words, unknown_name
from modality_gap.errors import InputError


def with_rows(config: dict) -> dict:
    """The configuration with the rows of `models` and `pairs` expanded into entries of `encoders`,
    `projections` and `sets`.

    The options of an encoder move beside its other keys, where the functions that build encoders
    expect them. A set without modalities gets image and text. A set with tasks of its own gets
    inputs with their prompts. If no set has a model, Table 1 has no set. Raises InputError if a row
    would make an entry that already exists.
    """
    expanded = {section: dict(config[section]) for section in ("encoders", "projections", "sets")}
    expanded["sets"] = {
        name: {"modalities": ["image", "text"]} | entry for name, entry in config["sets"].items()
    }
    rows = [
        ("models", name, _of_model(name, row, config)) for name, row in rows_of(config, "models")
    ]
    rows += [("pairs", name, _of_pairs(name, row)) for name, row in rows_of(config, "pairs")]
    for key, name, entries in rows:
        for section, of_section in entries.items():
            for entry in of_section:
                if entry in expanded[section]:
                    raise InputError(
                        f"{key}.{name} would create {section}.{entry}, which already exists. "
                        "Give the row another name."
                    )
            expanded[section] |= of_section
    expanded["encoders"] = {name: _flat(spec) for name, spec in expanded["encoders"].items()}
    expanded |= {"models": {}, "pairs": {}}
    # Table 1 is left out if no set has a model.
    if not any(map(has_model, expanded["sets"].values())):
        expanded["table1"] = {**config.get("table1", {}), "sets": []}
    # Of a set with tasks of its own, the model embeds the prompts of these alone.
    own = {
        own_prompts(name): {"dataset": "prompts", "where": {"task": entry["tasks"]}}
        for name, entry in expanded["sets"].items()
        if "tasks" in entry
    }
    return {**config, **expanded, **({"inputs": config["inputs"] | own} if own else {})}


def has_model(entry: Mapping) -> bool:
    """Whether a set comes from a model, which can also embed other inputs."""
    return bool({"encoder", "encoders", "projection"} & entry.keys())


def tasks_of_set(config: Mapping, name: str) -> list[str]:
    """The zero-shot tasks that Table 1 measures with the model of a set."""
    if name not in config["table1"]["sets"]:
        return []
    return config["sets"].get(name, {}).get("tasks", config["table1"]["tasks"])


def own_prompts(name: str) -> str:
    """The name of the inputs that contain the prompts of a set's own tasks."""
    return f"prompts_{name}"


def _flat(spec: dict) -> dict:
    """The entry of an encoder with its options moved beside its other keys."""
    rest = {key: value for key, value in spec.items() if key != "options"}
    return rest | spec.get("options", {})


def cluster_column(config: dict, inputs: str) -> str | None:
    """The label column that marks dependent items of the given inputs; None if all items are
    independent."""
    return config["clusters"].get(config["inputs"][inputs]["dataset"])


def set_clusters(config: dict) -> dict[str, str]:
    """For each set with dependent pairs, the label column that marks them. A set's own `cluster`
    takes precedence over the column of its dataset."""
    columns = {
        name: entry.get("cluster")
        or ("inputs" in entry and cluster_column(config, entry["inputs"]))
        for name, entry in config["sets"].items()
    }
    return {name: column for name, column in columns.items() if column}


def published_files(entry: Mapping) -> list[str]:
    """The assets of a published set: one file if the paper's authors published it, several if
    others did."""
    if of_others(entry):
        return [*entry["released"]["files"], entry["released"]["items"]]
    return [entry["released"]] if "released" in entry else []


def of_authors(entry: Mapping) -> bool:
    """Whether a set was published by the paper's authors."""
    return isinstance(entry.get("released"), str)


def of_others(entry: Mapping) -> bool:
    """Whether a set was published by people other than the paper's authors."""
    return isinstance(entry.get("released"), Mapping)


# --- the rows of models and pairs -------------------------------------------------------------

# Keys of a row of `models` that do not belong to its encoder.
OF_THE_ROW = {"label", "inputs", "note", "loss", "twin", "by_part"}
WEIGHTS = {"pretrained", "weights", "checkpoint", "seed"}


def rows_of(config: dict, key: str) -> Iterable[tuple[str, dict]]:
    return config.get(key, {}).items()


def _of_model(name: str, row: dict, config: dict) -> dict[str, dict]:
    """The entries of `encoders`, `projections` and `sets` that a row of `models` stands for.

    A row is either one model of both modalities, with a twin of random weights, or two encoders
    with a projection each.
    """
    has_twin = "seed" not in row and row.get("twin", True)
    if "architecture" in row:
        # In the order of the row, because Snakemake sees another order of keys as a change.
        spec = {key: value for key, value in row.items() if key not in OF_THE_ROW}
        label = row.get("label") or _label(spec)
        twin = {key: value for key, value in spec.items() if key not in WEIGHTS} | {"seed": 0}
        encoders = {name: spec | {"label": label}}
        if has_twin:
            encoders[f"{name}_random"] = twin | {"label": f"{_label(twin)}, random weights"}
        sources = [{"encoder": encoder} for encoder in encoders]
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
        sources = [{"projection": name}] * (2 if has_twin else 1)

    common = {"inputs": row["inputs"], "modalities": ["image", "text"]}
    common |= {key: row[key] for key in ("loss", "by_part") if key in row}
    note = {"note": row["note"]} if "note" in row else {}
    weights = "random" if "seed" in row else "trained"
    sets = {name: {"label": label, "weights": weights, **sources[0], **common, **note}}
    if has_twin:
        note = {"note": "The same model with random weights."}
        twin = {"label": label, "weights": "random", **sources[1], **common, **note}
        sets[f"{name}_random"] = twin
    return {"encoders": encoders, "projections": projections, "sets": sets}


def _label(spec: dict) -> str:
    """The label of an encoder whose entry has no label: its architecture and weights."""
    name = Path(spec.get("architecture") or spec.get("model") or spec["library"]).name
    tag = spec.get("pretrained")
    return name.removesuffix(".json") + (f" ({tag})" if isinstance(tag, str) else "")


# The label that says which item each of several vectors is of.
OF_ITEM = "of_item"


def keys_of_pairs() -> set[str]:
    """The keys of a row of `pairs` that are not modalities."""
    return {
        "label",
        "weights",
        "note",
        "cluster",
        "loss",
        "several",
        "labels",
        "by_part",
        *all_keys(),
    }


def _of_pairs(name: str, row: dict) -> dict[str, dict]:
    """The set that a row of `pairs` stands for."""
    known = keys_of_pairs()
    sides = {
        key: dict(side) if isinstance(side, dict) else {"file": side}
        for key, side in row.items()
        if key not in known
    }
    entry: dict = {"label": name, "weights": "trained"}
    # The texts of one image are not independent.
    entry |= {"cluster": OF_ITEM} if row.get("several") == "all" else {}
    entry |= {key: value for key, value in row.items() if key in known}
    entry |= {"labels": own_path(row["labels"])} if "labels" in row else {}
    files = {key: own_path(side.pop("file")) for key, side in sides.items()}
    entry |= {"files": files, "modalities": list(files)}
    return {"sets": {name: entry | ({"reading": sides} if any(sides.values()) else {})}}


def row_faults(config: dict) -> Iterator[str]:
    """The faults of rows of `pairs` that the schema cannot express."""
    for name, row in rows_of(config, "pairs"):
        modalities = [key for key in row if key not in keys_of_pairs()]
        if len(modalities) != 2:
            has = listed_words(modalities, "and") if modalities else "none"
            yield f"pairs.{name} must name the files of two modalities, not {has}; correct it."
        for key in (*modalities, *row.keys() & {"labels"}):
            path = row[key]["file"] if isinstance(row[key], dict) else row[key]
            if not Path(own_path(path)).exists():
                yield unknown_name(f"pairs.{name}.{key}", path)
