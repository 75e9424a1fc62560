# What every stage needs to know: the checked configuration, the assets, and which sets take part.
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))
from modality_gap.assets import is_at_hand, load_assets
from modality_gap.configuration import check_config
from modality_gap.errors import InputError

try:
    ASSETS = load_assets(Path(workflow.basedir) / "config" / "assets.yaml")
    check_config(config, Path(workflow.basedir) / "config" / "schema.yaml")
except InputError as error:
    raise WorkflowError(str(error))

ENCODERS = config["encoders"]
INPUTS = config["inputs"]
# The authors' features join the run where they are at hand; nothing else depends on them.
SETS = {
    name: entry
    for name, entry in config["sets"].items()
    if "released" not in entry
    or is_at_hand(
        ASSETS[entry["released"]], Path("resources"), os.environ.get("MODALITY_GAP_MIRROR")
    )
}
TRAINED_SETS = [name for name, entry in SETS.items() if entry["weights"] == "trained"]
# Two jobs side by side use two cores better than one job with two threads.
HALF_OF_THE_CORES = max(1, (workflow.cores or 2) // 2)


def sets_from(origin):
    """Regular expression of the sets that come from an encoder, a projection, ..."""
    return "|".join(name for name, entry in SETS.items() if origin in entry) or "(?!)"


def asset_path(asset):
    return f"resources/{ASSETS[asset].path}"


def code(*modules):
    """The package's modules that a rule computes with: a change in them makes it run again."""
    return [f"scripts/modality_gap/{module}.py" for module in modules]


def embeddings_of(encoder, inputs, modality):
    return f"results/embeddings/{encoder}.{inputs}/{modality}.parquet"


def pair_files(names):
    """The two embedding files of each set, one set after the other."""
    return [
        f"results/embeddings/{name}/{modality}.parquet"
        for name in names
        for modality in SETS[name]["modalities"]
    ]


PAIR_FILES = pair_files(SETS)


wildcard_constraints:
    set="|".join(SETS),
    encoder="|".join(ENCODERS),
    inputs="|".join(INPUTS),
    modality="[a-z]+",
    model="[A-Za-z0-9_-]+",
