"""What stands in for the paper's own models and data, by what the configuration uses.

No heavy import: rules/common.smk needs it wherever the Snakefile is read.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

OF_ALL_SETS = ("figure1", "figure3a", "figure3bcd")  # these show the released sets too
RELEASED = "released_"  # how the names of the authors' own files begin in config/assets.yaml
NOTHING = "The data and the encoders are the paper's own."
NEITHER = "Neither the paper's nor a listed stand-in"


class Origins(NamedTuple):
    """What inputs and encoders are to the paper's own: others in their place (emoji for
    photographs), a model of the same family (ViT-B/16 for ViT-B/32), or none of these."""

    stand_ins: list[str]
    neighbours: list[str]
    others: list[str]


def sentences(found: Mapping, sets: Mapping, config: Mapping) -> dict[str, str]:
    """For the captions: by the name of a figure or table in config/ledger/items.yaml, what stands
    in it for the paper's own. `sets` are those that take part; names come out as plain text."""
    told = {}
    for name, entry in found.items():
        if name != "stand_ins":
            section = entry.get("like", name)
            made_of = makings(section, sets, config)
            origins = stand_ins(found["stand_ins"], *made_of, config, section)
            parts = [
                f"{head}: {'; '.join(texts)}."
                for head, texts in (
                    ("Stand-ins", origins.stand_ins),
                    ("Neighbouring models", origins.neighbours),
                    (NEITHER, [plain(name) for name in origins.others]),
                )
                if texts
            ]
            told[name] = " ".join(parts) or NOTHING
    return told


def plain(text: str) -> str:
    """A text in which reStructuredText sees no markup."""
    return re.sub(r"([^\w\s]|_)", r"\\\1", text)


def stand_ins(
    known: Mapping,
    inputs: Iterable[str],
    encoders: Iterable[str],
    config: Mapping,
    section: str = "",
) -> Origins:
    """What the inputs and encoders, by their names in the config, are to the paper's own."""
    found = dict.fromkeys(_origins(known, inputs, encoders, config, section))
    texts: dict[bool, dict[str, None]] = {False: {}, True: {}}  # by whether it is a neighbour
    for name, _, text in found:
        if text:
            texts[name in known["neighbours"]][text] = None
    others = [label for _, label, text in found if text is None]
    return Origins(list(texts[False]), list(texts[True]), others)


def _origins(
    known: Mapping, inputs: Iterable[str], encoders: Iterable[str], config: Mapping, section: str
) -> list[tuple[str, str, str | None]]:
    """The name of each, what it is called and what it takes the place of: nothing, an empty text,
    where it is the paper's own; None where that is not known."""
    found = []
    for name in inputs:
        dataset = config["inputs"].get(name, {}).get("dataset")
        files = config["datasets"].get(dataset, {}).get("files", {}).values()
        own = files and all(file in known["own"]["files"] for file in files)
        text = known["inputs"].get(name, "" if own else known["datasets"].get(dataset))
        found.append((name, name, text))
    elsewhere = known["where_vit_b32"]
    for name in encoders:
        spec = config["encoders"].get(name, {})
        own = _is_the_papers(spec, known["own"]) or name.startswith(RELEASED)
        text = "" if own else known["encoders"].get(name)
        if section in elsewhere["sections"]:
            text = elsewhere["encoders"].get(name, text)
        found.append((name, spec.get("label", name), text))
    return found


def _is_the_papers(spec: Mapping, own: Mapping) -> bool:
    """Whether an encoder is of the paper's architecture and size, with its weights or untrained."""
    if spec.get("architecture") not in own["architectures"] or "image_size" in spec:
        return False
    weights = spec.get("weights") or spec.get("pretrained")
    if weights:
        return any(fnmatchcase(str(weights), name) for name in own["weights"])
    return "seed" in spec or "seeds" in spec


def makings_of_sets(sets: Iterable[Mapping], config: Mapping) -> tuple[list[str], list[str]]:
    """Names of the inputs and of the encoders behind some sets."""
    inputs, encoders = [], []
    for entry in sets:
        if "inputs" in entry:
            inputs.append(entry["inputs"])
        if "projection" in entry:
            encoders += config["projections"][entry["projection"]]["encoders"].values()
        if "released" in entry:
            encoders.append(entry["released"])
        if "encoder" in entry:
            encoders.append(entry["encoder"])
        if "files" in entry:  # embeddings of one's own; a name of the config has no space
            encoders.append(f"embeddings of {entry['model']}")
    return inputs, encoders


def makings(section: str, sets: Mapping, config: Mapping) -> tuple[list[str], list[str]]:
    """Names of the inputs and of the encoders behind a figure or table of the page."""
    if section == "figure2a":
        cones = config["cone"]["encoders"].values()
        weights = ("trained", "random")
        return (
            [entry[f"{kind}_inputs"] for entry in cones for kind in weights],
            [entry[kind] for entry in cones for kind in weights],
        )
    if section == "preprocessing":
        study = config["cone"]["preprocessing"]
        return [study["inputs"]], study["encoders"]
    if section == "figure2c":
        cones = config["initialisation_cones"]
        return [entry["inputs"] for entry in cones.values()], list(cones)
    if section == "supplementary5":  # on noise alone
        return [], list(config["initialisation_cones"])
    if section == "supplementary15":
        study = config["supplement"]["normalisation"]
        return [study["inputs"]], study["encoders"]
    if section in ("table1", "table1_curves"):
        used = [sets[name] for name in config["table1"]["sets"] if name in sets]
        tasks = [config["tasks"][task]["inputs"] for task in config["table1"]["tasks"]]
        return tasks, makings_of_sets(used, config)[1]
    if section == "table2":
        used = [sets[name] for name in [config["table2"]["set"]] if name in sets]
        return [config["table2"]["inputs"]], makings_of_sets(used, config)[1]
    if section == "training":
        inputs, encoders = makings_of_sets(
            [entry for key, entry in sets.items() if key in config["training"]], config
        )
        for entry in config["projections"].values():
            inputs.append(entry["inputs"])
            encoders += entry["encoders"].values()
        return inputs, encoders
    if section in ("supplementary13", "supplementary14"):
        panels = config["supplement"]["seed_studies"][section].values()
        return (
            [panel["inputs"] for panel in panels if "inputs" in panel],
            [
                name
                for panel in panels
                for name in panel.get("encoders") or [f"file {path}" for path in panel["files"]]
            ],
        )
    if section in ("figure3a", "figure3bcd"):
        return makings_of_sets(
            [entry for entry in sets.values() if entry["weights"] == "trained"], config
        )
    if section in OF_ALL_SETS:
        return makings_of_sets(sets.values(), config)
    return [], []
