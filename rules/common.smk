# What every stage uses: the checked configuration, the assets, the sets that take part, the items
# of the report, and the outputs of their rules.
import os
import sys
from functools import cache
import time
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

from snakemake.logging import logger
from snakemake.utils import update_config


def checked_out(source):
    """A folder with all files of the commit that `source`, in a git repository, belongs to. It is
    for workflows that import this one by `github(...)`: Snakemake itself keeps only single files.
    """
    folder = Path(".snakemake", "mind-the-gap").absolute()
    if getattr(workflow, "is_main_process", True):
        from git import Repo  # Snakemake needs it itself

        hosted = getattr(source, "hosted_repo", None)
        repository = hosted.repo if hosted else Repo(source.repo_path)
        folder.mkdir(parents=True, exist_ok=True)
        with repository.git.custom_environment(
            GIT_DIR=str(Path(repository.git_dir).absolute()),
            GIT_WORK_TREE=str(folder),
            GIT_INDEX_FILE=str(folder / ".index"),
        ):
            repository.git.read_tree("-u", "--reset", source.ref)
    return folder


# The folder of this workflow. `workflow.basedir` is that of a workflow that imports it.
SOURCE = workflow.current_basedir
HOME = checked_out(SOURCE) if hasattr(SOURCE, "ref") else Path(str(SOURCE)).parent
# Its rules find the package `modality_gap` here, and so does every script, which is in a folder
# below and runs in its own process.
SCRIPTS = HOME / "scripts"
sys.path.insert(0, str(SCRIPTS))
# What an importing workflow has set stays behind it.
search_path = dict.fromkeys(
    [str(SCRIPTS), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
)
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, search_path)))
# No job asks a model hub but those of `fetch_model`, which run where Snakemake does and fill the
# cache (HF_HOME): the nodes of many clusters reach no network. HF_HUB_OFFLINE=0 lifts this.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from modality_gap import __version__ as VERSION
from modality_gap.data.assets import absence, is_available, load_assets
from modality_gap.config.check import check_config
from modality_gap.config.command_line import with_expanded_paths, with_types
from modality_gap.config.declarations import complete_schema
from modality_gap.config.load import (
    load_yaml,
    sets_of,
    tables_of,
    with_shipped_files,
    without_nulls,
)
from modality_gap.config.follow_ups import temperature_family
from modality_gap.config.losses import DECLARED_LOSSES, trained_with
from modality_gap.config.names import without_absent
from modality_gap.config.renamed import with_new_names
from modality_gap.config.rows import (
    cluster_column,
    has_model,
    of_others,
    own_prompts,
    published_files,
    set_clusters,
    tasks_of_set,
    with_rows,
)
from modality_gap.config.own_files import format_of
from modality_gap.data.files import (
    files_by_part,
    files_within,
    folder_states,
    several,
)
from modality_gap.data.formats import FORMATS
from modality_gap.data.vector_formats import VECTOR_FORMATS
from modality_gap.encoders.build import ENCODERS as LIBRARIES
from modality_gap.errors import InputError
from modality_gap.imports import files_of, measures_of
from modality_gap.config.model_files import (
    file_digests,
    loss_files,
    method_files,
    model_files,
    tables_of_vectors,
)
from modality_gap.paper.ledger import (
    ledger_files,
    load_ledger,
    published,
    read_ledger,
)
from modality_gap.paper.items import load_items, names_of, names_on
from modality_gap.paper.loss_pairs import pairs_of_losses, with_other_towers
from modality_gap.paper.stand_ins import own_sets, sentences
from modality_gap.pages.run_record import code_state, machine


def moved(folder):
    """Where a folder of these rules is: a workflow that imports them may give it a prefix, or
    another place."""
    with suppress(AttributeError):  # not documented by Snakemake
        return workflow.modifier.path_modifier.replace_prefix(f"{folder}/").rstrip("/")
    return folder


RESULTS, RESOURCES = moved("results"), moved("resources")
MOVED = (RESULTS, RESOURCES) != ("results", "resources")
IMPORTED = Path(os.path.abspath(workflow.basedir)) not in (HOME, HOME / "workflow")


def shipped(path):
    """The path of a file that comes with the workflow, from wherever that is used."""
    return path if Path.cwd().samefile(HOME) and not MOVED else str(HOME / path)


def yours(path):
    """The path of a user's file, to which no prefix of an importing workflow applies."""
    return os.path.abspath(path) if MOVED else path


# Otherwise Snakemake would end with a traceback.
if Path(RESULTS).exists() and not os.access(RESULTS, os.W_OK):
    raise WorkflowError(
        f"{RESULTS}/ in {Path.cwd()} cannot be written to; make it writable, and run again."
    )
MIRROR = os.environ.get("MODALITY_GAP_MIRROR")
# What the paper says, and the figures and tables of the report.
LEDGER = HOME / "config" / "ledger"
STAND_INS = load_yaml(LEDGER / "stand_ins.yaml")
# A configuration may be given in part: what it leaves out is that of the default.
DEFAULT_CONFIG = load_yaml(HOME / "config" / "config.yaml")
SCHEMA = HOME / "config" / "schema" / "config.yaml"
with suppress(AttributeError):  # not documented by Snakemake
    config = with_types(
        config,
        workflow.config_settings.config,
        lambda: complete_schema(load_yaml(SCHEMA), LIBRARIES, FORMATS),
    )
given, config = config, deepcopy(DEFAULT_CONFIG)
update_config(config, given)
DEFAULT_CONFIG, config = (
    without_nulls(with_new_names(with_expanded_paths(with_shipped_files(one, HOME))))
    for one in (DEFAULT_CONFIG, config)
)
try:
    ITEMS = load_items(LEDGER / "items.yaml")
    ASSETS = load_assets(HOME / "config" / "assets.yaml")
    check_config(config, SCHEMA, LIBRARIES, FORMATS, VECTOR_FORMATS)
    config = with_rows(config)
except InputError as error:
    raise WorkflowError(str(error))
# Files that must be downloaded by hand take part if they are there.
config, LEFT_OUT = without_absent(
    config,
    [
        name
        for name, asset in ASSETS.items()
        if asset.kind == "placed" and not is_available(asset, Path(RESOURCES), MIRROR)
    ],
)
if LEFT_OUT and getattr(workflow, "is_main_process", True):
    logger.warning(
        "Skipped, because these files must be downloaded by hand (see config/assets.yaml): "
        + "; ".join(
            f"{key} needs {', '.join(f'{RESOURCES}/{ASSETS[name].path}' for name in names[:2])}"
            + (f" and {len(names) - 2} more" if len(names) > 2 else "")
            for key, names in LEFT_OUT.items()
        )
        + "."
    )

IMAGE = config["container"]
DEPLOYMENT = set()
with suppress(AttributeError):  # not documented by Snakemake
    DEPLOYMENT = {m.name for m in workflow.deployment_settings.deployment_method}
if "APPTAINER" in DEPLOYMENT and "://" not in IMAGE and not Path(IMAGE).exists():
    raise WorkflowError(
        f"container is {IMAGE!r}, and there is no such file in {Path.cwd()}; make the image as "
        "docs/guide/software.md says, or give the address of one, such as "
        "docker://registry.example.org/mind-the-gap."
    )


container: IMAGE


ENCODERS = config["encoders"]
INPUTS = config["inputs"]
DATASETS = config["datasets"]
# The datasets that are folders of parts, and the inputs that are rows of them.
IN_PARTS = [name for name, entry in DATASETS.items() if "files_per_part" in entry]
INPUTS_IN_PARTS = [
    name for name, entry in INPUTS.items() if entry["dataset"] in IN_PARTS
]
# The zero-shot tasks that this configuration measures; the others need no data.
MEASURED_TASKS = {
    config["experiments"]["temperature"]["task"],
    *config["table1"]["tasks"],
    *(task for name in config["table1"]["sets"] for task in tasks_of_set(config, name)),
}
TASKS = {name: task for name, task in config["tasks"].items() if name in MEASURED_TASKS}
# Published embeddings take part if they are available; nothing else depends on them.
SETS = {
    name: entry
    for name, entry in config["sets"].items()
    if all(
        is_available(ASSETS[asset], Path(RESOURCES), MIRROR)
        for asset in published_files(entry)
    )
}
MODALITIES = {name: entry["modalities"] for name, entry in SETS.items()}
# In every table and figure the paper's own models come first, then those of others.
PAPERS_SETS = own_sets(STAND_INS, SETS, config)
SETS = {
    name: SETS[name]
    for name in sorted(
        SETS, key=lambda name: (name not in PAPERS_SETS, not of_others(SETS[name]))
    )
}
# Your own pairs alone need nothing of the paper: no model, no download and no other page.
PAIRS_ALONE = all("files" in entry for entry in SETS.values())
# By set and by inputs, the label column that names the cluster of items that are not independent.
CLUSTERS = set_clusters({**config, "sets": SETS})
PUBLISHED_SETS = [name for name, entry in SETS.items() if published_files(entry)]
TRAINED_SETS = [name for name, entry in SETS.items() if entry["weights"] == "trained"]
# LOSS_OF: the loss by the prefix of its tables. OWN_LOSSES: losses that are swept only over sets
# trained with them.
LOSS_OF = {loss.prefix: name for name, loss in DECLARED_LOSSES.items()}
OWN_LOSSES = [
    name
    for name, loss in DECLARED_LOSSES.items()
    if loss.keys and trained_with(SETS, name)
]
# Two jobs at once use two cores better than one job with two threads. On a cluster, where `cores` may
# be those of all its nodes, a job asks for eight at most.
try:
    SHARE_OF_CORES = min(8, max(1, (workflow.cores or 2) // 2))
except WorkflowError:  # no number of cores is given, as for a report
    SHARE_OF_CORES = 1


def size_mb(files):
    """The size of a job's input. Snakemake itself would count a folder of parts as empty."""
    folders = [path for path in files if os.path.isdir(path)]
    inside = sum(path.stat().st_size for one in folders for path in files_within(one))
    return files.size_mb + inside / 2**20


def needs(memory_mb, minutes, for_each_mb=0, gpu=0):
    """Resources of jobs that need more than most: MB of memory plus `for_each_mb` per MB of
    input, minutes, and GPUs. A second attempt gets twice as much, a third three times.

    The numbers are the peaks of a default run on two cores (written beside them), plus two Snakemake
    processes of 150 MB each, CUDA's libraries on a GPU, and some margin. On one machine they limit
    nothing, unless `--resources` says how much there is.
    """
    return {
        "mem_mb": lambda wildcards, input, attempt: round(
            (memory_mb + (for_each_mb and for_each_mb * size_mb(input))) * attempt
        ),
        "runtime": lambda wildcards, attempt: minutes * attempt,
        **({"gpu": gpu} if gpu else {}),
    }


def one_of(names):
    """Regular expression for some names; without names, one that matches nothing."""
    return "|".join(names) or "(?!)"


def sets_from(origin):
    """Regular expression of the sets that come from an encoder, a projection, ..."""
    return one_of(name for name, entry in SETS.items() if origin in entry)


# Names of the folders in results/embeddings that an encoder writes: ENCODER.INPUTS, or a set.
ENCODER_AND_INPUTS = f"(?:{'|'.join(ENCODERS)})[.](?:{'|'.join(INPUTS)})"
ENCODED = f"{ENCODER_AND_INPUTS}|{sets_from('encoder')}"
# Those of them whose dataset is in parts.
ENCODED_IN_PARTS = one_of(
    [
        f"(?:{'|'.join(ENCODERS)})[.](?:{one_of(INPUTS_IN_PARTS)})",
        *(
            name
            for name, entry in SETS.items()
            if "encoder" in entry and entry["inputs"] in INPUTS_IN_PARTS
        ),
    ]
)


def in_shards(path):
    """The output of an extraction: a folder if it is made in several shards."""
    return directory(path) if config["extraction"]["shards"] > 1 else path


def figure(name):
    """Outputs of the rule that draws a figure of config/ledger/items.yaml."""
    return {
        "svg": in_report(name),
        "narrow": f"results/figures/{name}.narrow.svg",
        "pdf": f"results/figures/{name}.pdf",
    }


def table(name):
    """Output of the rule that makes a table of config/ledger/items.yaml."""
    return in_report(name)


def caption(name):
    """The caption of a result in Snakemake's report. It reads the configuration, and a workflow that
    imports this one has another, so it gets no captions."""
    return None if IMPORTED else f"../report/captions/{name}.rst"


def in_report(name):
    """The file of an item, with its caption, part and title in Snakemake's report."""
    return report(
        f"results/{ITEMS[name].path}",
        caption=caption(name),
        category=ITEMS[name].part,
        labels={"result": ITEMS[name].title},
    )


def minimum_in_report(path):
    """Output of the rule that makes the item loss_minimum, and the same of other losses."""
    item = ITEMS["loss_minimum"]

    def labels(wildcards):
        name = LOSS_OF[wildcards.loss]
        label = DECLARED_LOSSES[name].label
        title = item.title if name == "softmax" else f"{item.title} ({label})"
        return {"result": title}

    return report(
        path,
        caption=caption("loss_minimum"),
        category=item.part,
        labels=labels,
    )


def code(script):
    """Input function: all modules that a script imports, directly or through others, so that its
    jobs run again when one of them changes. Exceptions and reasons: modality_gap/imports.py.
    """
    return lambda wildcards: [
        shipped(f"scripts/{path}") for path in files_of(script, SCRIPTS)
    ]


def start_of_run():
    """What is known when a run starts: files, settings, and the jobs of this configuration only,
    because others may have left files. Snakemake documents no access to its plan of jobs.
    """
    planned = set(workflow.dag.needrun_jobs())
    return {
        "started": time.time(),
        "machine": machine(),
        "code": code_state(HOME),
        "configfiles": list(map(os.path.relpath, workflow.overwrite_configfiles)),
        "settings": dict(workflow.config_settings.config),
        "executor": workflow.executor_plugin.name,
        "cores": workflow.cores,
        "jobs": [
            {
                "rule": job.rule.name,
                "planned": job in planned,
                "benchmark": str(job.benchmark),
                "log": str(job.log[0]),
                "output": list(map(str, job.output)),
            }
            for job in workflow.dag.jobs
            if job.benchmark
            and job.log
            and str(job.log[0]).startswith(f"{RESULTS}/logs/")
        ],
    }


def not_downloaded():
    """The assets that this run tried to download and did not get."""
    jobs = [job for job in workflow.dag.jobs if job.rule.name == "download_asset"]
    paths = {
        job.wildcards.path
        for job in jobs
        if Path(str(job.log[0])).exists() and not Path(str(job.output[0])).exists()
    }
    return [asset for asset in ASSETS.values() if asset.path in paths]


wildcard_constraints:
    loss="|".join(LOSS_OF),
    set="|".join(SETS) or "(?!)",
    encoder="|".join(ENCODERS),
    inputs="|".join(INPUTS),
    dataset="|".join(DATASETS) or "(?!)",
    modality="|".join(
        {"image", "text"}.union(*(entry["modalities"] for entry in SETS.values()))
    ),
    model="[A-Za-z0-9_-]+",
