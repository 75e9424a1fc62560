"""The figures and tables of the report, and the models and data behind each of them.

No heavy import: rules/common.smk needs it wherever the Snakefile is read.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from modality_gap.config.load import load_yaml
from modality_gap.config.rows import of_others, published_files
from modality_gap.errors import InputError

KINDS = ("figure", "table", "plain table", "text")
PAGES = ("figures", "after")
MADE_OF = ("inputs", "encoders", "files", "tasks", "sets", "encoders_of_sets", "projections")
# What `sets` may be besides a place in the configuration; published ones are trained too.
ALL, TRAINED, PUBLISHED = "all", "trained", "published"


@dataclass(frozen=True)
class Item:
    """One figure or table, as config/ledger/items.yaml describes it."""

    id: str
    title: str
    part: str
    kind: str
    file: str = ""
    when: str = ""
    made_of: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    vit_b32: bool = False
    alt: str = ""
    paper: tuple[str, ...] = ()
    method: str = ""
    tables: Mapping[str, Mapping] = field(default_factory=lambda: MappingProxyType({}))
    page: str = "figures"

    @property
    def path(self) -> str:
        """The item's main file, below results/."""
        if self.kind == "figure":
            return f"figures/{self.id}.svg"
        if self.kind == "text":
            return f"texts/{self.id}.txt"
        return self.file or f"tables/{self.id}.csv"

    @property
    def shows_sets(self) -> bool:
        """Whether the item shows all sets that take part, all trained sets or all published
        sets."""
        return self.made_of.get("sets") in (ALL, TRAINED, PUBLISHED)


def load_items(path: Path) -> dict[str, Item]:
    """The items of config/ledger/items.yaml by their names, in the order of the list.

    Raises InputError if an item lacks a key, has an unknown key, or is of an unknown kind.
    """
    return read_items(load_yaml(path))


def read_items(entries: Mapping[str, Mapping]) -> dict[str, Item]:
    """The items of a mapping that has the form of config/ledger/items.yaml. Each `like` is
    resolved."""
    return {name: _item(name, entry, entries) for name, entry in entries.items()}


def _item(name: str, entry: Mapping, entries: Mapping[str, Mapping]) -> Item:
    def refuse(reason: str) -> InputError:
        return InputError(f"config/ledger/items.yaml, {name}: {reason}.")

    values = dict(entry)
    if "like" in values:
        other = values.pop("like")
        if other not in entries:
            raise refuse(f"`like` names {other}, which is not an item; correct the name")
        values |= {
            key: entries[other][key] for key in ("made_of", "vit_b32") if key in entries[other]
        }
    known = set(Item.__dataclass_fields__) - {"id"}
    unknown = [*(values.keys() - known), *(values.get("made_of", {}).keys() - set(MADE_OF))]
    if unknown:
        raise refuse(f"unknown key {sorted(unknown)[0]}; correct or remove it")
    missing = [key for key in ("title", "part", "kind") if not values.get(key)]
    if values.get("kind") == "figure" and not values.get("alt"):
        missing.append("alt")
    if missing:
        raise refuse(f"{missing[0]} is missing; add it")
    if values["kind"] not in KINDS:
        raise refuse(f"`kind` is {values['kind']!r}; choose from {', '.join(KINDS)}")
    if values.get("page", PAGES[0]) not in PAGES:
        raise refuse(f"`page` is {values['page']!r}; choose from {', '.join(PAGES)}")
    return Item(id=name, **(values | {"paper": tuple(values.get("paper", ()))}))


def names_of(items: Mapping[str, Item], kind: str) -> list[str]:
    """The names of the items of a kind, in the order of the list."""
    return [name for name, item in items.items() if item.kind == kind]


def names_on(items: Mapping[str, Item], page: str) -> list[str]:
    """The names of the items that a page shows, in the order of the list."""
    return [name for name, item in items.items() if item.page == page]


# What an item is made of


def makings(item: Item, sets: Mapping, config: Mapping) -> tuple[list[str], list[str]]:
    """The names of the inputs and of the encoders behind an item, from the configuration and the
    sets that take part."""
    made_of = item.made_of

    def named(kind: str) -> list[str]:
        return [*_values(config, made_of[kind].split("."))] if kind in made_of else []

    inputs, encoders = named("inputs"), named("encoders")
    encoders += [f"file {path}" for path in named("files")]
    inputs += [config["tasks"][task]["inputs"] for task in named("tasks")]
    if item.shows_sets:
        which = made_of["sets"]
        shown = [one for one in sets.values() if which == ALL or one["weights"] == TRAINED]
        shown = [one for one in shown if which != PUBLISHED or published_files(one)]
    else:
        shown = [sets[name] for name in named("sets") if name in sets]
    of_sets = makings_of_sets(shown, config)
    inputs += of_sets[0]
    encoders += of_sets[1]
    others = [sets[name] for name in named("encoders_of_sets") if name in sets]
    encoders += makings_of_sets(others, config)[1]
    inputs += [config["tasks"][task]["inputs"] for one in others for task in one.get("tasks", [])]
    for name in named("projections"):
        inputs.append(config["projections"][name]["inputs"])
        encoders += config["projections"][name]["encoders"].values()
    return inputs, encoders


def makings_of_sets(sets: Iterable[Mapping], config: Mapping) -> tuple[list[str], list[str]]:
    """The names of the inputs and of the encoders behind some sets."""
    inputs, encoders = [], []
    for entry in sets:
        if "inputs" in entry:
            inputs.append(entry["inputs"])
        if "projection" in entry:
            encoders += config["projections"][entry["projection"]]["encoders"].values()
        if of_others(entry):
            encoders.append(entry["label"])
        elif "released" in entry:
            encoders.append(entry["released"])
        if "encoder" in entry:
            encoders.append(entry["encoder"])
        encoders += entry.get("encoders", {}).values()
        if "files" in entry:  # a user's own embeddings; a name of the configuration has no space
            encoders.append(f"embeddings of {entry['label']}")
    return inputs, encoders


def _values(value: object, steps: list[str]) -> Iterator[str]:
    """All names at a place of the configuration. Each step to the place is a key, `*` for every
    key, or keys with `|` between them. A key that does not exist has no names. The names of a
    mapping are its keys."""
    if steps:
        if isinstance(value, Mapping):
            step, *rest = steps
            for key in value if step == "*" else step.split("|"):
                if key in value:
                    yield from _values(value[key], rest)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, Iterable):
        yield from value
