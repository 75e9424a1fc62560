"""Names in the configuration (columns, encoders, texts of tables), and parts to leave out."""

from collections.abc import Collection, Iterator, Mapping

from modality_gap.config.declarations import Format
from modality_gap.errors import InputError

# The datasets that the workflow makes itself, with their columns beside item_id and the picture.
MADE_HERE = {
    "emoji": ("text", "split", "concept", "group", "sub_group", "skin_tone", "gender"),
    "digits": ("digit",),
    "prompts": ("text", "task", "label", "kind"),
}


def columns_of(
    dataset: str, config: dict, formats: Mapping[str, Format], within: tuple[str, ...] = ()
) -> list[str] | None:
    """The columns of a dataset that `where` and tasks may name; None if they are not known before
    the dataset is made. A union also has the columns of its parts. `within` are the unions that
    contain the dataset.

    Raises InputError for a union that contains itself.
    """
    if dataset in within:
        raise InputError(f"datasets.{dataset} is a union that contains itself; correct its files.")
    if dataset not in config["datasets"]:
        return sorted({"item_id", *MADE_HERE[dataset]})
    entry = config["datasets"][dataset]
    parts = entry["files"].values() if entry["format"] == "union" else ()
    columns = [columns_of(name, config, formats, (*within, dataset)) for name in parts]
    columns.append(formats[entry["format"]].columns_of(entry))
    known = [names for names in columns if names is not None]
    return sorted({"item_id"}.union(*known)) if len(known) == len(columns) else None


def without_absent(config: dict, absent: Collection[str]) -> tuple[dict, dict[str, list[str]]]:
    """The configuration without the parts that need an asset in `absent`, and the assets that each
    removed key needs.

    The parts are tasks of Table 1 and encoders of Supplementary 13 and 14. A panel is removed if
    fewer than two of its initialisations are left. If no task would be left, all tasks stay, so
    that the run stops with a message on what is missing.
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


def encoder_entries(config: dict) -> Iterator[tuple[str, dict]]:
    """The key and the entry of every encoder as the user wrote it, also in rows of `models`. The
    configuration need not be valid."""
    sections = (config.get(section) for section in ("encoders", "models"))
    encoders, models = (part if isinstance(part, dict) else {} for part in sections)
    yield from ((f"encoders.{name}", entry) for name, entry in encoders.items())
    for name, row in models.items():
        if isinstance(row, dict):
            if "architecture" in row:
                yield f"models.{name}", row
            for side in ("image", "text"):
                if side in row:
                    yield f"models.{name}.{side}", row[side]


def seed_studies(config: dict) -> Iterator[tuple[str, dict]]:
    """The key and the entry of each panel of Supplementary 13 and 14."""
    for study, panels in config["supplement"]["seed_studies"].items():
        for title, entry in panels.items():
            yield f"supplement.seed_studies.{study}.{title}", entry


def names_in_tables(config: dict) -> Iterator[tuple[str, str]]:
    """The key and the text of every name that appears in a table of a run."""
    sections = ("sets", "tasks", "encoders", "datasets", "inputs", "projections", "training")
    for section in sections:
        yield from ((f"{section}.{name}", name) for name in config[section])
    for section in ("sets", "encoders"):
        for name, entry in config[section].items():
            yield f"{section}.{name}.label", entry.get("label", "")
    yield from ((f"cone.encoders.{name}", name) for name in config["cone"]["encoders"])
    yield from ((key, key.rpartition(".")[2]) for key, _ in seed_studies(config))
    for key in ("groups", "genders", "non_human", "crime_related"):
        yield from ((f"table2.{key}", name) for name in config["table2"][key])
