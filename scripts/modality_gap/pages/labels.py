"""One name for each set wherever a person reads: the label of its model, and "random weights" where
they are."""

from collections import Counter
from collections.abc import Mapping

import pandas as pd


def set_labels(sets: Mapping[str, Mapping]) -> dict[str, str]:
    """What the pages call each set; sets that would share a name also have their own in brackets.

    `sets`: entries of the configuration with `label` and `weights`, by their names.
    """
    labels = {
        name: str(entry["label"]) + (", random weights" if entry["weights"] == "random" else "")
        for name, entry in sets.items()
    }
    times = Counter(labels.values())
    return {
        name: label if times[label] == 1 else f"{label} ({name})" for name, label in labels.items()
    }


def labelled(tables: Mapping[str, pd.DataFrame], labels: Mapping[str, str]) -> dict:
    """Tables by their names with the labels of the sets in the column `set`, if they have one.
    Models trained here, in `training`, are called as their sets are."""
    column = {name: "model" if name == "training" else "set" for name in tables}
    return {
        name: table.assign(**{column[name]: table[column[name]].replace(dict(labels))})
        if column[name] in table
        else table
        for name, table in tables.items()
    }
