# Input functions of the rules, and the tables of names that they look up.


def asset_path(asset):
    """Where an asset lies. One that only a person can place has to be there when the jobs are laid
    out, which is before the first of them runs."""
    entry = ASSETS[asset]
    if entry.kind == "placed" and not is_at_hand(entry, Path("resources"), MIRROR):
        raise WorkflowError(absence(entry))
    return f"resources/{entry.path}"


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


def encoded(wildcards):
    """Encoder and inputs of a folder under results/embeddings: those of a set, or by name."""
    if wildcards.encoded in SETS:
        return SETS[wildcards.encoded]["encoder"], SETS[wildcards.encoded]["inputs"]
    return tuple(wildcards.encoded.split(".", 1))


def extraction_inputs(wildcards):
    encoder, inputs = encoded(wildcards)
    spec = ENCODERS[encoder]
    files = {
        "dataset": f"results/datasets/{INPUTS[inputs]['dataset']}.parquet",
        "code": code("embeddings/extract_embeddings")(wildcards),
    }
    if "wheel" in spec:
        files["wheel"] = asset_path(spec["wheel"])
    if "weights" in spec:
        files["weights"] = asset_path(spec["weights"])
    if "checkpoint" in spec:
        files["checkpoint"] = f"results/models/{spec['checkpoint']}.safetensors"
    files["model"] = model_files(spec)
    return files


def digests_of(*specs):
    """SHA-256 of the files that encoders are read from: as a parameter it has a job run again when
    a file is replaced by an older one, whose time tells nothing."""
    files = {path for spec in specs if spec for path in model_files(spec)}
    return file_digests(sorted(files))


def by_key(value):
    """A mapping in the order of its keys, however deep: in which order a configuration has them
    changes no embedding, but to Snakemake it would be a change."""
    if not isinstance(value, dict):
        return value
    return {key: by_key(value[key]) for key in sorted(value)}


def projection_inputs(wildcards):
    """The frozen encoder's embeddings and the projection that a projected folder is made of."""
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
    """One embedding file an encoder of Figure 2(a)."""
    return [
        embeddings_of(entry[weights], entry[f"{weights}_inputs"], entry["modality"])
        for entry in config["cone"]["encoders"].values()
    ]


def embeddings_by_model(name, inputs, modality):
    """Inputs embedded by a set's model: the set's own file where they are what it is made of."""
    if SETS[name]["inputs"] == inputs:
        return f"results/embeddings/{name}/{modality}.parquet"
    return embeddings_of(SETS[name].get("encoder", name), inputs, modality)


# The files of the claims ledger: the one of its parts and needs, then each part.
CLAIMS_FILES = [
    f"config/ledger/{path.relative_to(LEDGER)}"
    for path in ledger_files(LEDGER / "parts.yaml")
]


def tables_measured_in(entries):
    """The tables that entries of the ledger or of the errata measure something in, but for those of
    a study that this configuration leaves out."""
    return [
        f"results/{table}"
        for table in tables_of(entries)
        if not table.startswith(tuple(f"statistics/{study}_" for study in NOT_RUN))
    ]


def pair_folder(encoder, inputs):
    """Where both modalities of some inputs lie: with a set where one is made of just these."""
    for name, entry in SETS.items():
        if (entry.get("encoder"), entry.get("inputs")) == (encoder, inputs):
            return name
    return f"{encoder}.{inputs}"


# Supplementary 15: where the pairs of each encoder lie, and the encoders of no set.
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
# What config/ledger/not_run.yaml describes and this configuration leaves out.
NOT_RUN = [study for study, entries in SEED_STUDIES.items() if not entries]


def initialisations_of(study):
    """Label and embedding file of all that a seed study compares, each label's in a row."""
    if not SEED_STUDIES[study]:
        raise WorkflowError(
            f"supplement.seed_studies.{study} is empty, so {study} cannot be drawn; "
            "config/ledger/not_run.yaml says what it needs."
        )
    return [
        (label, path)
        for label, entry in SEED_STUDIES[study].items()
        for path in entry.get("files")
        or [
            embeddings_of(encoder, entry["inputs"], entry["modality"])
            for encoder in entry["encoders"]
        ]
    ]


EXPERIMENTS = config["experiments"]
EXPERIMENT_PAIRS = config["projections"][EXPERIMENTS["projection"]]


def experiment_embeddings(modality, inputs=None):
    """Cached embeddings that the training experiments start from; those of other inputs where
    these are of another dataset, else the whole file, of which the inputs are rows."""
    own = EXPERIMENT_PAIRS["inputs"]
    if inputs is None or INPUTS[inputs]["dataset"] == INPUTS[own]["dataset"]:
        inputs = own
    return embeddings_of(EXPERIMENT_PAIRS["encoders"][modality], inputs, modality)


def experiment_settings(name):
    """Sections of the config that an experiment depends on; another's change does not run it."""
    shared = ("projection", "seeds", "optimisation", "towers")
    models = {key: model for key, model in EXPERIMENTS["models"].items() if key == name}
    return {**{key: EXPERIMENTS[key] for key in (*shared, name)}, "models": models}


def experiment_encoder(name):
    """The encoder whose whole model an experiment trains; None where it trains small towers."""
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
            "model": model_files(spec),
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
    # A run in the journal goes by the digests of all inputs, so the script has to be one.
    files["script"] = "scripts/training/train_experiment.py"
    return lambda wildcards: {**files, **(temperature if name == "temperature" else {})}


def dataset_files(wildcards):
    """What a data set is made of, by what it holds: assets, or paths of one's own files."""
    files = {}
    settings = DATASETS[wildcards.dataset]
    if settings["format"] == "union":
        return {
            role: f"results/datasets/{name}.parquet"
            for role, name in settings["files"].items()
        }
    for role, name in settings["files"].items():
        path = os.path.expandvars(name)
        if name not in ASSETS and not Path(path).is_file():
            raise WorkflowError(
                f"datasets.{wildcards.dataset}.files.{role} is {name!r}, and {path} is no file "
                f"here ({Path.cwd()}); correct the path."
            )
        files[role] = asset_path(name) if name in ASSETS else path
    return files


def maker_of(path):
    """The rule that makes a file."""
    return next(maker for maker in workflow.rules if maker.is_producer(path))


def script_of(maker):
    """The path of a rule's script."""
    return str(maker.script).removeprefix("../")


def tables_among(files):
    """Those of a rule's files that are tables of the results, as paths below results/."""
    return [
        path.removeprefix("results/")
        for path in files
        if isinstance(path, str)  # not an input function
        and path.startswith(("results/statistics/", "results/tables/"))
    ]


def made_by(name):
    """What makes an item, for its page: the rule, its script, the tables behind a figure or beside
    a table (none if this configuration leaves it out), and the modules that compute them.
    """
    maker = maker_of(f"results/{ITEMS[name].path}")
    behind = [maker]
    for one in behind:  # grows, as tables are made of other tables
        makers = [maker_of(f"results/{path}") for path in tables_among(one.input)]
        behind += [other for other in dict.fromkeys(makers) if other not in behind]
    computed = [
        f"scripts/{path}"
        for one in behind
        for path in measures_of(script_of(one).removeprefix("scripts/"), SCRIPTS)
    ]
    shown = maker.input if ITEMS[name].kind == "figure" else maker.output
    return {
        "rule": maker.name,
        "script": script_of(maker),
        "data": [] if name in NOT_RUN else tables_among(shown),
        "arithmetic": list(dict.fromkeys(computed)),
    }
