"""What stands in for the paper's own models and data, by what the configuration uses.

No heavy import: rules/common.smk needs it wherever the Snakefile is read.
"""

from collections.abc import Iterable, Mapping

OF_ALL_SETS = ("figure1", "figure3a", "figure3bcd")  # these show the released sets too
NOTHING = "The data and the encoders are the paper's own."


def sentences(found: Mapping, sets: Mapping, config: Mapping) -> dict[str, str]:
    """For the captions: by the name of a figure or table in report/paper_found.yaml, what stands in
    it for the paper's own, in one sentence. `sets` are those that take part."""
    told = {}
    for name, entry in found.items():
        if name != "stand_ins":
            made_of = makings(entry.get("like", name), sets, config)
            texts = stand_ins(found["stand_ins"], *made_of, config)
            told[name] = f"Stand-ins: {'; '.join(texts)}." if texts else NOTHING
    return told


def stand_ins(
    known: Mapping, inputs: Iterable[str], encoders: Iterable[str], config: Mapping
) -> list[str]:
    """What the inputs and encoders, by their names in the config, stand in for."""
    found = []
    for name in inputs:
        if name in known["inputs"]:
            found.append(known["inputs"][name])
        else:
            found.append(known["datasets"].get(config["inputs"].get(name, {}).get("dataset")))
    found += [known["encoders"].get(name) for name in encoders]
    return [text for text in dict.fromkeys(found) if text]


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
        names = [*config["projections"], *config["training"]]
        return makings_of_sets([entry for key, entry in sets.items() if key in names], config)
    if section in OF_ALL_SETS:
        return makings_of_sets(sets.values(), config)
    return [], []
