"""The models and data of a run, their sources and licences, and the versions of packages."""

from collections.abc import Collection, Iterable, Mapping
from itertools import chain

from modality_gap.config.model_files import tables_of_vectors
from modality_gap.config.rows import published_files
from modality_gap.pages.words import NONE, listed, number
from modality_gap.paper.items import Item, makings, makings_of_sets
from modality_gap.paper.stand_ins import Origins, stand_ins

# Assets of the dataset that the configuration gives no files, and the keys that differ by file.
MADE_OF = {"emoji": {"pictures": "twemoji", "names": "emoji_names"}}
ONE_FILES = ("path", "sha256", "md5")


def models_rows(
    sets: Mapping,
    metadata: Mapping[tuple[str, str], Mapping],
    sizes: Mapping[tuple[str, str], int],
    relations: Mapping,
    config: Mapping,
) -> list[dict]:
    """Rows of "Models and data", one per set and modality. Each row has its stand-ins.

    `metadata` and `sizes` (rows of the file) are by set and modality. `relations` is
    config/ledger/stand_ins.yaml.
    """
    rows = []
    for (name, modality), about in metadata.items():
        entry, speed = sets[name], about.get("extraction", {})
        inputs, encoders = makings_of_sets([entry], config)
        if "projection" in entry:
            encoders = [config["projections"][entry["projection"]]["encoders"][modality]]
        if "encoders" in entry:
            encoders = [entry["encoders"][modality]]
        labels = [
            config["encoders"][encoder]["label"]
            for encoder in encoders
            if encoder in config["encoders"]
        ]
        if "projection" in entry:
            labels[0] += f", projected to {config['projections'][entry['projection']]['dim']}"
        # Of a projection first its own, then that of the encoder's weights, as their names.
        digests = [about.get("projection_sha256"), about.get("weights_sha256")]
        inferring = speed.get("infer_s")
        rows.append(
            {
                "set": name,
                "modality": modality,
                "model": listed(labels) if labels else about.get("model", NONE),
                "weights": about.get("projection") or about.get("weights", NONE),
                "encoder_weights": about.get("weights", "") if "projection" in about else "",
                "sha256": " over ".join(sha[:12] for sha in digests if sha) or NONE,
                "dataset": _described(config["inputs"].get(entry.get("inputs")), about),
                "precision": _precision(about),
                "decoding": _decoding(about, modality),
                "n": f"{sizes[name, modality]:,}",
                "per_s": number(speed.get("items_per_s"), 1),
                "forward_per_s": number(speed["items"] / inferring, 1) if inferring else NONE,
                "device": speed.get("device", NONE),
                "note": entry.get("note", ""),
                "origins": stand_ins(relations, inputs, encoders, config),
            }
        )
    return rows


def number_format(about: Mapping) -> str:
    """The number format of a set's encoder, and its runtime if it is not torch."""
    used = str(about.get("dtype", NONE))
    return f"{used} in {about['runtime']}" if "runtime" in about else used


def _precision(about: Mapping) -> str:
    """The number format of a set's encoder. If a measurement decided on the format, also its result
    for each format but float32."""
    used = number_format(about)
    found = about.get("precision", {})
    measured = [
        f"{precision} is {number(times, 2)} times as fast, lowest cosine "
        f"{number(found['lowest_cosine'][precision], 5)}"
        for precision, times in found.get("times", {}).items()
    ]
    return f"{used} ({'; '.join(measured)}; n = {found['n']})" if measured else used


def _decoding(about: Mapping, modality: str) -> str:
    """How the pictures of a set were decoded. If this is not exact, also the cosine to exact
    decoding."""
    if modality != "image" or "extraction" not in about:
        return NONE
    found = about.get("decode", {"way": "exact"})
    if "lowest_cosine" not in found:
        return found["way"]
    return (
        f"{found['way']} (lowest cosine to exact {number(found['lowest_cosine'], 4)}, "
        f"n = {found['n']})"
    )


def _described(inputs: Mapping | None, about: Mapping) -> str:
    """The inputs of a set in a few words, from the configuration, or else from the set's
    metadata."""
    if inputs is None:
        return str(about.get("dataset", NONE))
    words = [inputs["dataset"]]
    words += [
        f"{key} {' or '.join(map(str, values))}" for key, values in inputs.get("where", {}).items()
    ]
    if "sample" in inputs:
        words.append(f"sample of {inputs['sample']:,}")
    return ", ".join(words)


def all_origins(
    items: Iterable[Item], relations: Mapping, sets: Mapping, config: Mapping
) -> Origins:
    """How everything behind some items relates to the paper's own models and data. Each relation
    occurs once."""
    of_items = [
        stand_ins(relations, *makings(item, sets, config), config, vit_b32=item.vit_b32)
        for item in items
    ]
    return Origins(*([*dict.fromkeys(chain(*texts))] for texts in zip(*of_items, strict=True)))


def used_assets(items: Iterable[Item], config: Mapping) -> set[str]:
    """The names of the assets behind everything that a configuration makes, whether they are
    available or not."""
    inputs, encoders = [], []
    for item in items:
        made_of = makings(item, config["sets"], config)
        inputs += made_of[0]
        encoders += made_of[1]
    experiments = config["experiments"]
    inputs.append(config["tasks"][experiments["temperature"]["task"]]["inputs"])
    encoders += [model["encoder"] for model in experiments["models"].values()]
    datasets = [config["inputs"][name]["dataset"] for name in inputs if name in config["inputs"]]
    datasets += [model["dataset"] for model in experiments["models"].values()]
    used = {file for entry in config["sets"].values() for file in published_files(entry)}
    for name in encoders:
        spec = config["encoders"].get(name, {})
        used |= {spec[key] for key in ("wheel", "weights") if key in spec}
        used |= {*tables_of_vectors(spec)}
    while datasets:
        name = datasets.pop()
        entry = config["datasets"].get(name, {"files": MADE_OF.get(name, {})})
        if entry.get("format") == "union":
            datasets += entry["files"].values()
        else:
            used |= {*entry["files"].values()}
    return used


def sources_rows(assets: Mapping[str, Mapping], used: Collection[str]) -> list[dict]:
    """Rows of "Sources and licences": the used assets. Assets that differ only in path and checksum
    share a row."""
    alike: dict[str, list[str]] = {}
    for name in assets:
        if name in used:
            same = {key: value for key, value in assets[name].items() if key not in ONE_FILES}
            alike.setdefault(repr(same), []).append(name)
    rows = []
    for names in alike.values():
        asset = assets[names[0]]
        size = asset.get("bytes") or asset["about_bytes"]
        source = asset.get("requirement", asset["path"])
        checksum = asset.get("sha256", "")[:12] or (
            f"md5 {asset['md5'][:8]}" if "md5" in asset else ""
        )
        if len(names) > 1:
            source = f"{source.rpartition('/')[0]}/, {len(names)} files"
            checksum = checksum and "one per file"
        rows.append(
            {
                **asset,
                "name": names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}",
                "from": source,
                "mb": ("" if "bytes" in asset else "about ")
                + (f"{size / 1e6:.1f}" if "bytes" in asset else f"{float(f'{size / 1e6:.2g}'):g}")
                + (" each" if len(names) > 1 else ""),
                "checksum": checksum,
            }
        )
    return rows


def versions(requirements: str, names: Iterable[str]) -> dict[str, str]:
    """The locked versions of some packages, from the text of requirements.txt."""
    locked = dict(
        line.split(" ")[0].split(";")[0].split("==", 1)
        for line in requirements.splitlines()
        if "==" in line and not line.startswith((" ", "#", "\t"))
    )
    return {name: locked[name] for name in names if name in locked}


def mirrored(absent: Mapping[str, Mapping], assets: Mapping) -> dict[str, list[str]]:
    """For the sets that were not run, by name: where a mirror has their files."""
    return {
        name: [assets[file]["path"] for file in published_files(entry) if file in assets]
        for name, entry in absent.items()
    }
