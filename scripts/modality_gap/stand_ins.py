"""What stands in for the paper's own models and data, by what the configuration uses.

No heavy import: rules/common.smk needs it wherever the Snakefile is read.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

OF_ALL_SETS = ("figure1", "figure3a", "figure3bcd")  # these show the released sets too
NOTHING = "The data and the encoders are the paper's own."
NEITHER = "Neither the paper's nor a listed stand-in"


def sentences(found: Mapping, sets: Mapping, config: Mapping) -> dict[str, str]:
    """For the captions: by the name of a figure or table in report/paper_found.yaml, what stands in
    it for the paper's own. `sets` are those that take part; names come out as plain text."""
    told = {}
    for name, entry in found.items():
        if name != "stand_ins":
            section = entry.get("like", name)
            made_of = makings(section, sets, config)
            texts, names = stand_ins(found["stand_ins"], *made_of, config, section)
            parts = [f"Stand-ins: {'; '.join(texts)}."] if texts else []
            parts += [f"{NEITHER}: {'; '.join(map(plain, names))}."] if names else []
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
) -> tuple[list[str], list[str]]:
    """What the inputs and encoders, by their names in the config, stand in for; and those that are
    neither the paper's nor known to stand in for something."""
    found = dict.fromkeys(_origins(known, inputs, encoders, config, section))
    texts = dict.fromkeys(text for _, text in found if text)
    return list(texts), [name for name, text in found if text is None]


def _origins(
    known: Mapping, inputs: Iterable[str], encoders: Iterable[str], config: Mapping, section: str
) -> list[tuple[str, str | None]]:
    """What each is called and what it stands in for: nothing, an empty text, where it is the
    paper's own; None where that is not known."""
    found = []
    for name in inputs:
        dataset = config["inputs"].get(name, {}).get("dataset")
        files = config["datasets"].get(dataset, {}).get("files", {}).values()
        own = files and all(file in known["own"]["files"] for file in files)
        text = known["inputs"].get(name, "" if own else known["datasets"].get(dataset))
        found.append((name, text))
    elsewhere = known["where_vit_b32"]
    for name in encoders:
        spec = config["encoders"].get(name, {})
        text = "" if _is_the_papers(spec, known["own"]) else known["encoders"].get(name)
        if section in elsewhere["sections"]:
            text = elsewhere["encoders"].get(name, text)
        found.append((spec.get("label", name), text))
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
        used = [sets[name] for name in config["table1"]["models"] if name in sets]
        tasks = [config["tasks"][task]["inputs"] for task in config["table1"]["tasks"]]
        return tasks, makings_of_sets(used, config)[1]
    if section == "table2":
        used = [sets[name] for name in [config["table2"]["model"]] if name in sets]
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
