"""One name for each set wherever a person reads about it: the label of its model, and which of its
weights are untrained."""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

# What the pages call the weights of a set. Those of a projection alone are no random weights: the
# towers below it are trained.
TRAINED, RANDOM, PROJECTIONS = "trained", "random", "untrained projections"
WEIGHTS = {TRAINED: "trained weights", RANDOM: "random weights", PROJECTIONS: PROJECTIONS}

# What the columns of the two sides of a set hold, below a table.
SIDES = "a: image, video, protein or sound; b: text"


def weights_of(entry: Mapping) -> str:
    """Which weights a set has, as a key of WEIGHTS. `entry` is the set's entry of the
    configuration."""
    if entry["weights"] == RANDOM and "projection" in entry:
        return PROJECTIONS
    return str(entry["weights"])


def with_weights(gap: pd.DataFrame, sets: Mapping[str, Mapping]) -> pd.DataFrame:
    """statistics/gap.csv, with a column `weights` that also says which sets have untrained
    projections."""
    known = {name: weights_of(entry) for name, entry in sets.items()}
    return gap.assign(weights=gap["set"].map(known).fillna(gap["weights"]))


def set_labels(sets: Mapping[str, Mapping]) -> dict[str, str]:
    """The name that the pages give each set. Sets with the same label also have their own names, in
    brackets.

    `sets`: entries of the configuration with `label` and `weights`, by their names.
    """
    labels = {
        name: str(entry["label"])
        + (f", {WEIGHTS[weights]}" if (weights := weights_of(entry)) != TRAINED else "")
        for name, entry in sets.items()
    }
    times = Counter(labels.values())
    return {
        name: label if times[label] == 1 else f"{label} ({name})" for name, label in labels.items()
    }


def labelled(
    tables: Mapping[str, pd.DataFrame],
    labels: Mapping[str, str],
    encoders: Mapping[str, Mapping] = MappingProxyType({}),
) -> dict[str, pd.DataFrame]:
    """Tables by their names, with labels instead of names: of sets in the column `set`, and of
    encoders in the column `encoder`. `encoders` are the entries of the configuration. Models
    trained here, in the table `training`, have the labels of their sets."""
    called = {name: str(entry["label"]) for name, entry in encoders.items()}
    result = {}
    for name, table in tables.items():
        names = {"model" if name == "training" else "set": dict(labels), "encoder": called}
        columns = {key: table[key].replace(words) for key, words in names.items() if key in table}
        result[name] = table.assign(**columns) if columns else table
    return result


# What the pages call the models that the experiments train.
TRAINED_HERE = {
    "stitched projections": "CLIP + MiniLM (the two projections)",
    "stitched towers": "small towers on frozen encoders",
}


def trained_here(model: str) -> str:
    """The name, in words, of a model in the tables of the experiments."""
    return TRAINED_HERE.get(model, model)
