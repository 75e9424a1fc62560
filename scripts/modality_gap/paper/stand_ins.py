"""Says which models and data of a configuration are the paper's own, and which replace them.

No heavy import: rules/common.smk needs it wherever the Snakefile is read.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from modality_gap.paper.items import Item, makings, makings_of_sets

RELEASED = "released_"  # how the names of the authors' own files begin in config/assets.yaml
NOTHING = "The data and the encoders are the paper's own."
NEITHER = "Beyond the paper"  # neither its own nor a listed stand-in


class Origins(NamedTuple):
    """How inputs and encoders relate to the paper's own: they are stand-ins (emoji for
    photographs), neighbours of the same family (ViT-B/16 for ViT-B/32), or others."""

    stand_ins: list[str]
    neighbours: list[str]
    others: list[str]


def sentences(
    items: Mapping[str, Item], relations: Mapping, sets: Mapping, config: Mapping
) -> dict[str, str]:
    """Sentences for the captions, by the names of the items. They say which stand-ins an item has.

    `relations`: config/ledger/stand_ins.yaml; `sets`: the sets that take part. No name has markup.
    """
    texts = {}
    for name, item in items.items():
        origins = stand_ins(relations, *makings(item, sets, config), config, vit_b32=item.vit_b32)
        parts = [
            f"{head}: {'; '.join(listed)}."
            for head, listed in (
                ("Stand-ins", origins.stand_ins),
                ("Neighbouring models", origins.neighbours),
                (NEITHER, [plain(other) for other in origins.others]),
            )
            if listed
        ]
        texts[name] = " ".join(parts) or NOTHING
    return texts


def plain(text: str) -> str:
    """A text in which every mark is escaped that reStructuredText could read as markup."""
    return re.sub(r"([^\w\s]|_)", r"\\\1", text)


def stand_ins(
    relations: Mapping,
    inputs: Iterable[str],
    encoders: Iterable[str],
    config: Mapping,
    vit_b32: bool = False,
) -> Origins:
    """How inputs and encoders relate to the paper's own. Both are given by their names in the
    configuration.

    `relations`: config/ledger/stand_ins.yaml; `vit_b32`: whether the paper's CLIP is ViT-B/32 here.
    """
    origins = dict.fromkeys(_origins(relations, inputs, encoders, config, vit_b32))
    texts: dict[bool, dict[str, None]] = {False: {}, True: {}}  # by whether it is a neighbour
    for name, _, text in origins:
        if text:
            texts[name in relations["neighbours"]][text] = None
    others = [label for _, label, text in origins if text is None]
    return Origins(list(texts[False]), list(texts[True]), others)


def own_sets(relations: Mapping, sets: Mapping, config: Mapping) -> list[str]:
    """The names of the sets whose data and encoders are all the paper's own."""
    return [
        name
        for name, entry in sets.items()
        if not any(stand_ins(relations, *makings_of_sets([entry], config), config))
    ]


def _origins(
    relations: Mapping,
    inputs: Iterable[str],
    encoders: Iterable[str],
    config: Mapping,
    vit_b32: bool,
) -> list[tuple[str, str, str | None]]:
    """Three texts for each input and encoder: its name, the name that the pages show, and what it
    is a stand-in for. The last is empty if it is the paper's own, and None if it is not listed."""
    origins = []
    for name in inputs:
        dataset = config["inputs"].get(name, {}).get("dataset")
        files = config["datasets"].get(dataset, {}).get("files", {}).values()
        own = files and all(file in relations["own"]["files"] for file in files)
        text = relations["inputs"].get(name, "" if own else relations["datasets"].get(dataset))
        origins.append((name, name, text))
    for name in encoders:
        spec = config["encoders"].get(name, {})
        own = _is_the_papers(spec, relations["own"]) or name.startswith(RELEASED)
        text = "" if own else relations["encoders"].get(name)
        if vit_b32:
            text = relations["where_vit_b32"].get(name, text)
        origins.append((name, spec.get("label", name), text))
    return origins


def _is_the_papers(spec: Mapping, own: Mapping) -> bool:
    """Whether an encoder has the paper's architecture and image size, and either the paper's
    weights or no trained weights."""
    if spec.get("architecture") not in own["architectures"] or "image_size" in spec:
        return False
    weights = spec.get("weights") or spec.get("pretrained")
    if weights:
        return any(fnmatchcase(str(weights), name) for name in own["weights"])
    return "seed" in spec or "seeds" in spec
