# What every stage uses: the checked configuration, the assets, the sets that take part, the items
# of the report, and the outputs of their rules.
import os
import sys
from pathlib import Path

# These rules find the package `modality_gap` here, and so does every script, which is in a folder
# below and runs in its own process.
SCRIPTS = Path(workflow.basedir) / "scripts"
sys.path.insert(0, str(SCRIPTS))
os.environ.update(PYTHONPATH=str(SCRIPTS))

from modality_gap import __version__ as VERSION
from modality_gap.data.assets import absence, is_at_hand, load_assets
from modality_gap.config.check import check_config
from modality_gap.config.load import load_yaml, tables_of, without_nulls
from modality_gap.config.losses import DECLARED_LOSSES, trained_with
from modality_gap.config.names import without_absent
from modality_gap.config.rows import cluster_column, set_clusters, with_rows
from modality_gap.data.formats import FORMATS
from modality_gap.encoders.build import ENCODERS as LIBRARIES
from modality_gap.errors import InputError
from modality_gap.imports import files_of, measures_of
from modality_gap.config.model_files import file_digests, model_files
from modality_gap.paper.ledger import ledger_files, read_ledger
from modality_gap.paper.items import load_items, names_of
from modality_gap.paper.stand_ins import sentences
from snakemake.logging import logger

# Otherwise Snakemake would end with a traceback.
if Path("results").exists() and not os.access("results", os.W_OK):
    raise WorkflowError(
        f"results/ in {Path.cwd()} cannot be written to; make it writable, and run again."
    )
MIRROR = os.environ.get("MODALITY_GAP_MIRROR")
# What the paper says, and the figures and tables of the report.
LEDGER = Path(workflow.basedir) / "config" / "ledger"
STAND_INS = load_yaml(LEDGER / "stand_ins.yaml")
config = without_nulls(config)
try:
    ITEMS = load_items(LEDGER / "items.yaml")
    ASSETS = load_assets(Path(workflow.basedir) / "config" / "assets.yaml")
    SCHEMA = Path(workflow.basedir) / "config" / "schema" / "config.yaml"
    check_config(config, SCHEMA, LIBRARIES, FORMATS)
    config = with_rows(config)
except InputError as error:
    raise WorkflowError(str(error))
# Files that must be downloaded by hand take part if they are there.
config, LEFT_OUT = without_absent(
    config,
    [
        name
        for name, asset in ASSETS.items()
        if asset.kind == "placed" and not is_at_hand(asset, Path("resources"), MIRROR)
    ],
)
if LEFT_OUT and workflow.is_main_process:
    logger.warning(
        "Skipped, because these files must be downloaded by hand (see config/assets.yaml): "
        + "; ".join(
            f"{key} needs {', '.join(f'resources/{ASSETS[name].path}' for name in names[:2])}"
            + (f" and {len(names) - 2} more" if len(names) > 2 else "")
            for key, names in LEFT_OUT.items()
        )
        + "."
    )

ENCODERS = config["encoders"]
INPUTS = config["inputs"]
DATASETS = config["datasets"]
# The zero-shot tasks that this configuration measures; the others need no data.
TASKS = {
    name: task
    for name, task in config["tasks"].items()
    if name in config["table1"]["tasks"]
    or name == config["experiments"]["temperature"]["task"]
}
# The authors' features take part if they are available; nothing else depends on them.
SETS = {
    name: entry
    for name, entry in config["sets"].items()
    if "released" not in entry
    or is_at_hand(ASSETS[entry["released"]], Path("resources"), MIRROR)
}
# By set and by inputs, the label column that names the cluster of items that are not independent.
CLUSTERS = set_clusters({**config, "sets": SETS})
TRAINED_SETS = [name for name, entry in SETS.items() if entry["weights"] == "trained"]
# Each loss by the prefix of its tables; those that are swept only over sets that were trained with
# them, where there are such sets.
LOSS_OF = {loss.prefix: name for name, loss in DECLARED_LOSSES.items()}
OWN_LOSSES = [
    name
    for name, loss in DECLARED_LOSSES.items()
    if loss.keys and trained_with(SETS, name)
]
# Two jobs at once use two cores better than one job with two threads.
HALF_OF_THE_CORES = max(1, (workflow.cores or 2) // 2)


def sets_from(origin):
    """Regular expression of the sets that come from an encoder, a projection, ..."""
    return "|".join(name for name, entry in SETS.items() if origin in entry) or "(?!)"


# Names of the folders in results/embeddings that an encoder writes: ENCODER.INPUTS, or a set.
ENCODER_AND_INPUTS = f"(?:{'|'.join(ENCODERS)})[.](?:{'|'.join(INPUTS)})"
ENCODED = f"{ENCODER_AND_INPUTS}|{sets_from('encoder')}"


def figure(name):
    """Outputs of the rule that draws a figure of config/ledger/items.yaml."""
    return {"svg": in_report(name), "pdf": f"results/figures/{name}.pdf"}


def table(name):
    """Output of the rule that makes a table of config/ledger/items.yaml."""
    return in_report(name)


def in_report(name):
    """The file of an item, with its caption, part and title in Snakemake's report."""
    return report(
        f"results/{ITEMS[name].path}",
        caption=f"../report/captions/{name}.rst",
        category=ITEMS[name].part,
        labels={ITEMS[name].kind.split()[-1]: ITEMS[name].title},
    )


def minimum_in_report(path):
    """Output of the rule that makes the item loss_minimum, and the same of other losses."""
    item = ITEMS["loss_minimum"]

    def labels(wildcards):
        name = LOSS_OF[wildcards.loss]
        label = DECLARED_LOSSES[name].label
        title = item.title if name == "softmax" else f"{item.title} ({label})"
        return {"table": title}

    return report(
        path,
        caption="../report/captions/loss_minimum.rst",
        category=item.part,
        labels=labels,
    )


def code(script):
    """Input function: all modules that a script imports, directly or through others, so that its
    jobs run again when one of them changes. Exceptions and reasons: modality_gap/imports.py.
    """
    return lambda wildcards: [f"scripts/{path}" for path in files_of(script, SCRIPTS)]


wildcard_constraints:
    loss="|".join(LOSS_OF),
    set="|".join(SETS),
    encoder="|".join(ENCODERS),
    inputs="|".join(INPUTS),
    dataset="|".join(DATASETS) or "(?!)",
    modality="[a-z]+",
    model="[A-Za-z0-9_-]+",
