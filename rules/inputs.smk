# Input functions of the rules, the names that they look up, and what makes each item.


def asset_path(asset):
    """The path of an asset. One that must be downloaded by hand has to be there before the first
    job runs, when Snakemake plans the jobs."""
    entry = ASSETS[asset]
    if entry.kind == "placed" and not is_available(entry, Path(RESOURCES), MIRROR):
        raise WorkflowError(absence(entry))
    return f"resources/{entry.path}"


def embeddings_of(encoder, inputs, modality):
    return f"results/embeddings/{encoder}.{inputs}/{modality}.parquet"


def pair_files(names):
    """The two embedding files of each set, set by set."""
    return [
        f"results/embeddings/{name}/{modality}.parquet"
        for name in names
        for modality in SETS[name]["modalities"]
    ]


PAIR_FILES = pair_files(SETS)


def set_of_model(name):
    """The name of a set of Tables 1 and 2, which embed prompts with its model."""
    if has_model(SETS.get(name, {})):
        return name
    raise WorkflowError(
        f"{name} is not a set with an encoder or a projection, so Tables 1 and 2 have no model. "
        "Add such a set to sets or models."
    )


def encoded(wildcards):
    """The encoder and the inputs of a folder in results/embeddings: a set, or ENCODER.INPUTS."""
    if wildcards.encoded in SETS:
        return SETS[wildcards.encoded]["encoder"], SETS[wildcards.encoded]["inputs"]
    return tuple(wildcards.encoded.split(".", 1))


def extraction_inputs(wildcards):
    encoder, _ = encoded(wildcards)
    modalities = wildcards.get("modality", ["image", "text"])
    return {
        **encoder_inputs(wildcards),
        "code": code("embeddings/extract_embeddings")(wildcards),
        "decisions": [*decisions(wildcards.encoded, ENCODERS[encoder], modalities)],
    }


def sampled_rows(wildcards):
    """The rows of a sample, which is drawn from all parts of a dataset."""
    _, inputs = encoded(wildcards)
    return [f"results/rows/{inputs}.npz"] if "sample" in INPUTS[inputs] else []


def embedded_parts(wildcards):
    """The embeddings of the parts of a dataset."""
    _, inputs = encoded(wildcards)
    folder = f"results/shards/{wildcards.encoded}"
    return [
        f"{folder}/{wildcards.modality}.{part}.parquet"
        for part in parts_of_dataset(INPUTS[inputs]["dataset"])
    ]


def decisions(folder, spec, modalities):
    """The decisions that are measured before an encoder's extractions into a folder, one file for
    each modality that needs one. A newer file causes no new extraction."""
    settings = config["extraction"]
    measured = settings["precision"] == "auto"
    measured &= not LIBRARIES[spec["library"]].one_precision
    for modality in [modalities] if isinstance(modalities, str) else modalities:
        if measured or (settings["decode"] != "exact" and modality == "image"):
            yield ancient(f"results/decisions/{folder}/{modality}.json")


def encoder_inputs(wildcards):
    """The dataset of an extraction and the files of its encoder."""
    encoder, inputs = encoded(wildcards)
    spec = ENCODERS[encoder]
    name = INPUTS[inputs]["dataset"]
    files = {"dataset": f"results/datasets/{name}.parquet"}
    if (
        name in IN_PARTS
    ):  # a job reads one part, and decides on an extraction by the first
        part = wildcards.get("part", next(iter(parts_of_dataset(name))))
        files["dataset"] = f"results/datasets/{name}/{part}.parquet"
    if "wheel" in spec:
        files["wheel"] = asset_path(spec["wheel"])
    if "weights" in spec:
        files["weights"] = asset_path(spec["weights"])
    if "vectors" in spec:
        files["tables"] = [
            asset_path(name) if name in ASSETS else yours(name)
            for name in tables_of_vectors(spec)
        ]
    if "checkpoint" in spec:
        files["checkpoint"] = f"results/models/{spec['checkpoint']}.safetensors"
    files["model"] = files_of_models(spec)
    files["hub"] = fetched_models(encoder)
    return files


def files_of_models(*specs):
    """The user's own files that some encoders are read from."""
    return sorted({yours(path) for spec in specs for path in model_files(spec)})


def fetched_models(*encoders):
    """The outputs of `fetch_model` for those of some encoders that read from a model hub."""
    return [
        f"resources/hub/{encoder}.json"
        for encoder in encoders
        if LIBRARIES[ENCODERS[encoder]["library"]].reads_hub(ENCODERS[encoder])
    ]


def digests_of(*specs):
    """SHA-256 of the files of some encoders. As a parameter it makes a job run again if a file is
    replaced by an older one, which the time of the file does not show."""
    files = {path for spec in specs if spec for path in model_files(spec)}
    return file_digests(sorted(files))


def by_key(value):
    """A mapping sorted by its keys at every depth. The order of keys in a configuration changes no
    embedding, but Snakemake would see a change."""
    if not isinstance(value, dict):
        return value
    return {key: by_key(value[key]) for key in sorted(value)}


def projection_inputs(wildcards):
    """The embeddings of the frozen encoder, and the projection, of a projected folder."""
    name, _, inputs = wildcards.projected.partition(".")
    inputs = inputs or SETS[name]["inputs"]
    model, weights = SETS[name]["projection"], SETS[name]["weights"]
    settings = config["projections"][model]
    same_dataset = INPUTS[inputs]["dataset"] == INPUTS[settings["inputs"]]["dataset"]
    return {
        "embeddings": embeddings_of(
            settings["encoders"][wildcards.modality],
            settings["inputs"] if same_dataset else inputs,
            wildcards.modality,
        ),
        "projection": f"results/models/{model}.{weights}.safetensors",
    }


def cone_files(weights):
    """One embedding file per encoder of Figure 2(a)."""
    return [
        embeddings_of(entry[weights], entry[f"{weights}_inputs"], entry["modality"])
        for entry in config["cone"]["encoders"].values()
    ]


def embeddings_by_model(name, inputs, modality):
    """The embeddings of some inputs by the model of a set; the set's file if they are its own and
    this is no sample of them."""
    if SETS[name]["inputs"] == inputs and name not in BY_PART:
        return f"results/embeddings/{name}/{modality}.parquet"
    encoder = SETS[name].get("encoders", {}).get(modality) or SETS[name].get("encoder")
    return embeddings_of(encoder or name, inputs, modality)


def prompts_by_model(name):
    """The embeddings of the prompts by the model of a set: of its own tasks, if it has some."""
    inputs = own_prompts(name) if "tasks" in SETS[name] else "prompts"
    return embeddings_by_model(name, inputs, "text")


def tasks_of(name):
    """The zero-shot tasks that are measured with a set's model, by name."""
    return {task: TASKS[task] for task in tasks_of_set(config, name)}


def task_images(name):
    """The embeddings of the pictures of each of these tasks by the set's model."""
    return [
        embeddings_by_model(name, task["inputs"], "image")
        for task in tasks_of(name).values()
    ]


def task_clusters(name):
    """The label column of the pictures of each task that are not independent, if they have one."""
    return {
        task: cluster_column(config, entry["inputs"])
        for task, entry in tasks_of(name).items()
    }


def label_columns(name):
    """Columns with a class of each item of a set: those of the tasks of Table 1 on its inputs, or
    that of its prompts of classes."""
    entry, tasks = SETS[name], [
        config["tasks"][one] for one in config["table1"]["tasks"]
    ]
    found = [task["label"] for task in tasks if task["inputs"] == entry.get("inputs")]
    return found or ([entry["cluster"]] if "fold" in entry else [])


def table2_inputs(wildcards):
    """The pairs of the set of Table 2, its people and the prompts."""
    name = set_of_model(config["table2"]["set"])
    return {
        "pair": pair_files([name]),
        "images": embeddings_by_model(name, config["table2"]["inputs"], "image"),
        "prompts": embeddings_by_model(name, "prompts", "text"),
    }


# Only PyTorch's own files need PyTorch.
OWN_TENSORS = any(
    format_of(path, VECTOR_FORMATS)[0] == "torch"
    for entry in SETS.values()
    for path in entry.get("files", {}).values()
)


def sums_of_parts(name):
    """The sums and samples of the parts of a set."""
    return [f"results/parts/{name}/{part}.npz" for part in BY_PART[name]]


def imported_files(wildcards):
    """Every file of your own pairs: those of both sides, and of their labels."""
    entry = SETS[wildcards.set]
    places = [
        *entry["files"].values(),
        *([entry["labels"]] if "labels" in entry else []),
    ]
    return [
        yours(file) for place in places for file in format_of(place, VECTOR_FORMATS)[1]
    ]


# The files of the claims ledger: that of its parts and needs, then one per part.
CLAIMS_FILES = [
    shipped(f"config/ledger/{path.relative_to(LEDGER)}")
    for path in ledger_files(LEDGER / "parts.yaml")
]


def tables_measured_in(entries):
    """The tables that entries of the ledger or of the errata measure, without those of a study that
    this configuration leaves out."""
    return [
        f"results/{table}"
        for table in tables_of(entries)
        if not table.startswith(tuple(f"statistics/{study}_" for study in NOT_RUN))
    ]


def pair_folder(encoder, inputs):
    """The folder of both modalities of some inputs: that of a set, if one has this encoder and these
    inputs."""
    for name, entry in SETS.items():
        if (entry.get("encoder"), entry.get("inputs")) == (encoder, inputs):
            return name
    return f"{encoder}.{inputs}"


# Supplementary 15: the folder of each encoder's pairs, and the encoders of no set.
NORMALISATION = config["supplement"]["normalisation"]
NORMALISATION_FOLDERS = {
    pair_folder(encoder, NORMALISATION["inputs"]): encoder
    for encoder in NORMALISATION["encoders"]
}
VARIANTS = {
    folder: ENCODERS[encoder]
    for folder, encoder in NORMALISATION_FOLDERS.items()
    if folder not in SETS
}
PREPROCESSING = config["cone"]["preprocessing"]
SEED_STUDIES = config["supplement"]["seed_studies"]
# The studies of config/ledger/not_run.yaml that this configuration leaves out.
NOT_RUN = [study for study, entries in SEED_STUDIES.items() if not entries]


def initialisations_of(study):
    """Label and path of every embedding file that a seed study compares, label by label."""
    if not SEED_STUDIES[study]:
        raise WorkflowError(
            f"supplement.seed_studies.{study} is empty, so {study} cannot be drawn; "
            "config/ledger/not_run.yaml says what it needs."
        )
    return [
        (label, path)
        for label, entry in SEED_STUDIES[study].items()
        for path in [yours(file) for file in entry.get("files", [])]
        or [
            embeddings_of(encoder, entry["inputs"], entry["modality"])
            for encoder in entry["encoders"]
        ]
    ]


EXPERIMENTS = config["experiments"]
EXPERIMENT_PAIRS = config["projections"][EXPERIMENTS["projection"]]


def experiment_embeddings(modality, inputs=None):
    """Cached embeddings that the training experiments start from. Inputs of another dataset have a
    file of their own; the others are rows of the one file."""
    own = EXPERIMENT_PAIRS["inputs"]
    if inputs is None or INPUTS[inputs]["dataset"] == INPUTS[own]["dataset"]:
        inputs = own
    return embeddings_of(EXPERIMENT_PAIRS["encoders"][modality], inputs, modality)


def experiment_settings(name):
    """The settings that an experiment depends on; other experiments' settings do not rerun it."""
    shared = ("projection", "seeds", "optimisation", "towers")
    models = {key: model for key, model in EXPERIMENTS["models"].items() if key == name}
    return {**{key: EXPERIMENTS[key] for key in (*shared, name)}, "models": models}


def experiment_encoder(name):
    """The encoder whose whole model an experiment trains; None if it trains small towers."""
    model = EXPERIMENTS["models"].get(name)
    return model and ENCODERS[model["encoder"]]


def experiment_inputs(name):
    """Input function of an experiment: cached embeddings, or the dataset of a whole model."""
    task = config["tasks"][EXPERIMENTS["temperature"]["task"]]["inputs"]
    model = EXPERIMENTS["models"].get(name)
    if model:
        spec = ENCODERS[model["encoder"]]
        files = {
            "dataset": f"results/datasets/{model['dataset']}.parquet",
            "model": files_of_models(spec),
            "hub": fetched_models(model["encoder"]),
            "weights": asset_path(spec["weights"]) if "weights" in spec else [],
        }
        temperature = {
            "prompts": "results/datasets/prompts.parquet",
            "task_images": f"results/datasets/{INPUTS[task]['dataset']}.parquet",
        }
    else:
        files = {
            "image": experiment_embeddings("image"),
            "text": experiment_embeddings("text"),
        }
        temperature = {
            "model": f"results/models/{EXPERIMENTS['projection']}.trained.safetensors",
            "prompts": experiment_embeddings("text", "prompts"),
            "task_images": experiment_embeddings("image", task),
        }
    # The journal knows a training run by the digests of all inputs, so the script must be one.
    files["script"] = shipped("scripts/training/train_experiment.py")
    return lambda wildcards: {**files, **(temperature if name == "temperature" else {})}


def dataset_files(wildcards):
    """The files of a dataset by their roles: assets, or paths of the user's own files."""
    return files_of_dataset(wildcards.dataset)


@cache
def files_of_dataset(dataset):
    files = {}
    settings = DATASETS[dataset]
    if settings["format"] == "union":
        return {
            role: f"results/datasets/{name}.parquet"
            for role, name in settings["files"].items()
        }
    own = {role: name for role, name in settings["files"].items() if name not in ASSETS}
    try:
        own = several(own, FORMATS[settings["format"]].patterns)
    except InputError as error:
        raise WorkflowError(f"datasets.{dataset}.files: {error}")
    for role, path in own.items():
        if not Path(path).exists():
            raise WorkflowError(
                f"datasets.{dataset}.files.{role} is {path!r}, and there is no such file "
                f"or folder in {Path.cwd()}; correct the path."
            )
        files[role] = yours(path)
    assets = {
        role: asset_path(name)
        for role, name in settings["files"].items()
        if name in ASSETS
    }
    return files | assets


@cache
def parts_of_dataset(dataset):
    """The parts of a dataset: by name, their files by roles."""
    try:
        return files_by_part(
            files_of_dataset(dataset), DATASETS[dataset]["files_per_part"]
        )
    except InputError as error:
        raise WorkflowError(f"datasets.{dataset}.files: {error}")


def part_files(wildcards):
    """The files of a part by their roles."""
    parts = parts_of_dataset(wildcards.dataset)
    if wildcards.part not in parts:
        raise WorkflowError(
            f"datasets.{wildcards.dataset} has no part {wildcards.part!r}; give one of "
            f"{', '.join(parts)}."
        )
    return parts[wildcards.part]


def dataset_parts(dataset):
    """The parts that a dataset is made of."""
    return [
        f"results/datasets/{dataset}/{part}.parquet"
        for part in parts_of_dataset(dataset)
    ]


def part_settings(wildcards):
    """The settings of a dataset with the files of one part, so that a part more changes no other."""
    settings, roles = DATASETS[wildcards.dataset], part_files(wildcards)
    files = {role: name for role, name in settings["files"].items() if role in roles}
    return {**settings, "files": files}


def parts_of_set(entry):
    """The files of both sides of each part of a set, by the name of the part: that of the first
    side's file of own pairs, else that of the dataset's part."""
    if "files" in entry:
        sides = [format_of(path, VECTOR_FORMATS)[1] for path in entry["files"].values()]
        return {
            files[0].name: [yours(str(file)) for file in files]
            for files in zip(*sides, strict=True)
        }
    return {
        part: [
            f"{embedded_folder(entry, modality)}/{modality}.{part}.parquet"
            for modality in entry["modalities"]
        ]
        for part in parts_of_dataset(INPUTS[entry["inputs"]]["dataset"])
    }


def embedded_folder(entry, modality):
    """The folder with the embeddings of each part of the dataset of a set."""
    encoder = entry["encoders"][modality] if "encoders" in entry else entry["encoder"]
    return f"results/shards/{encoder}.{entry['inputs']}"


# Sets of which each part is read by a job of its own.
BY_PART = {
    name: parts_of_set(entry) for name, entry in SETS.items() if entry.get("by_part")
}


def embedded_side(wildcards):
    """One side of each part of a set that was embedded here."""
    if "files" in SETS[wildcards.set]:
        return []
    row = SETS[wildcards.set]["modalities"].index(wildcards.modality)
    return [files[row] for files in BY_PART[wildcards.set].values()]


def maker_of(path):
    """The rule that makes a file."""
    return next(maker for maker in workflow.rules if maker.is_producer(path))


def script_of(maker):
    """The path of a rule's script."""
    return str(maker.script).removeprefix("../")


def tables_among(files):
    """Those of a rule's files that are tables of the results, as paths below results/."""
    return [
        path.removeprefix(f"{RESULTS}/")
        for path in files
        if isinstance(path, str)  # not an input function
        and path.startswith((f"{RESULTS}/statistics/", f"{RESULTS}/tables/"))
    ]


def made_by(name):
    """What makes an item, for its page: the rule, its script, the tables behind a figure or beside
    a table (none if this configuration leaves it out), and the modules that compute them.
    """
    path = f"{RESULTS}/{ITEMS[name].path}"
    maker = maker_of(path)
    outputs = [file.apply_wildcards(maker.get_wildcards(path)) for file in maker.output]
    behind = [maker]
    for one in behind:  # grows, as tables are made of other tables
        makers = [maker_of(f"{RESULTS}/{path}") for path in tables_among(one.input)]
        behind += [other for other in dict.fromkeys(makers) if other not in behind]
    computed = [
        f"scripts/{path}"
        for one in behind
        for path in measures_of(script_of(one).removeprefix("scripts/"), SCRIPTS)
    ]
    shown = maker.input if ITEMS[name].kind == "figure" else outputs
    return {
        "rule": maker.name,
        "script": script_of(maker),
        "data": [] if name in NOT_RUN else tables_among(shown),
        "arithmetic": list(dict.fromkeys(computed)),
    }


@cache
def checked_ledger():
    return load_ledger(
        LEDGER / "parts.yaml", HOME / "config" / "schema" / "claims.yaml"
    )


def printed(ids):
    """Parameter function: numbers that the paper gives, by the keys of `ids`, whose values are the
    ids of claims. They are marked in the figures."""
    return lambda wildcards: {
        key: published(checked_ledger(), name) for key, name in ids.items()
    }


def minima_of_the_paper(wildcards):
    """The distance at which the paper's curve is lowest, by temperature; for 1/50 the ledger gives
    it as a share of the gap."""
    found = printed(
        {
            "1/50": "figure3c.minimum_at_1_50",
            "1": "figure3d.no_gap_at_temperature_1",
            "gap": "figure3a.gap",
        }
    )(wildcards)
    return {"1/50": found["1/50"] * found["gap"], "1": found["1"]}


# The items that the pages show; the figure of a loss only if a set was trained with it.
LOSSES_OF_NO_SET = {
    f"{prefix}_loss" for prefix, loss in LOSS_OF.items() if loss not in OWN_LOSSES
}
ON_PAGE = [name for name in names_on(ITEMS, "figures") if name not in LOSSES_OF_NO_SET]


def tables_of_page(wildcards):
    """Every CSV table that an item of the page is or is drawn from: its sentences may need any of them."""
    tables = [path for name in ON_PAGE for path in made_by(name)["data"]]
    return [
        f"results/{path}" for path in dict.fromkeys(tables) if path.endswith(".csv")
    ]


def page_templates(*names):
    """The files of a page's templates."""
    return [
        shipped(f"report/templates/{name}.html.j2")
        for name in ("base", "parts", *names)
    ]


def svg_files(names):
    """The SVG files of some figures, for wide and for narrow screens."""
    return [
        path
        for name in names
        for kind, path in figure(name).items()
        if kind in ("svg", "narrow")
    ]
