"""What stands in for the paper's own models and data, from the registry of stand-ins."""

from pathlib import Path

from generators.markdown import code, table
from modality_gap.config.load import load_yaml, without_nulls
from modality_gap.config.rows import with_rows
from modality_gap.paper.items import load_items, makings
from modality_gap.paper.stand_ins import stand_ins

INTRODUCTION = """# Stand-ins

Where a configuration does not have the paper's own models or data, others are used in their place
and labelled wherever they are shown. A *neighbouring model* is of the same family as the paper's.
The rest is the paper's own, or has no counterpart in the paper.

"""


def stand_ins_page(ledger: Path, defaults_path: Path) -> str:
    """The page: the stand-ins of the default configuration by figure and table, then all known."""
    relations = load_yaml(ledger / "stand_ins.yaml")
    config = with_rows(without_nulls(load_yaml(defaults_path)))
    rows = []
    for item in load_items(ledger / "items.yaml").values():
        made_of = makings(item, config["sets"], config)
        origins = stand_ins(relations, *made_of, config, vit_b32=item.vit_b32)
        if origins.stand_ins or origins.neighbours:
            rows.append(
                [
                    item.title.partition(". ")[0],
                    "; ".join(origins.stand_ins),
                    "; ".join(origins.neighbours),
                ]
            )
    encoders = [
        [
            code(name),
            config["encoders"].get(name, {}).get("label", ""),
            text,
            "yes" if name in relations["neighbours"] else "",
        ]
        for name, text in relations["encoders"].items()
    ]
    data = [
        [code(name), text]
        for part in ("datasets", "inputs")
        for name, text in relations[part].items()
    ]
    return (
        f"{INTRODUCTION}## In the default configuration\n\n"
        f"{table(['figure or table', 'stand-ins', 'neighbouring models'], rows)}"
        "\n## Data\n\n"
        f"{table(['dataset or inputs', 'what for what'], data)}"
        "\n## Encoders\n\n"
        f"{table(['encoder', 'shown as', 'what for what', 'neighbouring'], encoders)}"
    )
