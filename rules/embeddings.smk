# Embeddings: every forward pass and every training run happens here, once.


def encoded(wildcards):
    """Encoder and inputs of a folder under results/embeddings: those of a set, or by name."""
    if wildcards.encoded in SETS:
        return SETS[wildcards.encoded]["encoder"], SETS[wildcards.encoded]["inputs"]
    return tuple(wildcards.encoded.split(".", 1))


def extraction_inputs(wildcards):
    encoder, inputs = encoded(wildcards)
    spec = ENCODERS[encoder]
    files = {"code": code("encoders", "extraction", "embedding_set")}
    if "dataset" in INPUTS[inputs]:
        files["dataset"] = f"results/datasets/{INPUTS[inputs]['dataset']}.parquet"
    if "wheel" in spec:
        files["wheel"] = asset_path(spec["wheel"])
    if "checkpoint" in spec:
        files["checkpoint"] = f"results/models/{spec['checkpoint']}.safetensors"
    if spec.get("architecture", "").endswith(".json"):
        files["architecture"] = spec["architecture"]
    return files


rule extract_embeddings:
    """Embed one modality of some inputs with one encoder."""
    input:
        unpack(extraction_inputs),
    output:
        "results/embeddings/{encoded}/{modality}.parquet",
    wildcard_constraints:
        encoded=f"(?:{sets_from('encoder')}|(?:{'|'.join(ENCODERS)})[.](?:{'|'.join(INPUTS)}))",
    log:
        "results/logs/extract_embeddings/{encoded}.{modality}.log",
    conda:
        "../envs/embeddings.yaml"
    threads: HALF_OF_THE_CORES
    # The CLIP image tower is the longest job and much waits for it.
    priority: 10
    params:
        encoder=lambda wildcards: ENCODERS[encoded(wildcards)[0]],
        inputs=lambda wildcards: INPUTS[encoded(wildcards)[1]],
        extraction=config["extraction"],
        seed=config["seed"],
    script:
        "../scripts/extract_embeddings.py"


rule train_projections:
    """`stitched`: one linear projection over each of two frozen encoders."""
    input:
        image=lambda w: embeddings_of(
            config["projections"][w.model]["encoders"]["image"],
            config["projections"][w.model]["inputs"],
            "image",
        ),
        text=lambda w: embeddings_of(
            config["projections"][w.model]["encoders"]["text"],
            config["projections"][w.model]["inputs"],
            "text",
        ),
        code=code("training"),
    output:
        trained="results/models/{model}.trained.safetensors",
        untrained="results/models/{model}.random.safetensors",
        curve="results/statistics/training/{model}.csv",
    wildcard_constraints:
        model="|".join(config["projections"]) or "(?!)",
    log:
        "results/logs/train_projections/{model}.log",
    conda:
        "../envs/embeddings.yaml"
    threads: HALF_OF_THE_CORES
    params:
        settings=lambda w: config["projections"][w.model],
        seed=config["seed"],
    script:
        "../scripts/train_projections.py"


rule train_clip:
    """`emoji_clip`: a small CLIP, both towers from scratch."""
    input:
        dataset="results/datasets/emoji.parquet",
        architecture=lambda w: ENCODERS[w.model]["architecture"],
        code=code("training", "encoders"),
    output:
        checkpoint="results/models/{model}.safetensors",
        curve="results/statistics/training/{model}.csv",
    wildcard_constraints:
        model="|".join(config["training"]) or "(?!)",
    log:
        "results/logs/train_clip/{model}.log",
    conda:
        "../envs/embeddings.yaml"
    threads: HALF_OF_THE_CORES
    priority: 10
    params:
        encoder=lambda w: ENCODERS[w.model],
        untrained_seed=lambda w: ENCODERS[f"{w.model}_random"]["seed"],
        settings=lambda w: config["training"][w.model],
        seed=config["seed"],
    script:
        "../scripts/train_clip.py"


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


rule project_embeddings:
    """Embeddings of a projected set: a matrix product, no forward pass."""
    input:
        unpack(projection_inputs),
    output:
        "results/embeddings/{projected}/{modality}.parquet",
    wildcard_constraints:
        projected=f"(?:{sets_from('projection')})(?:[.](?:{'|'.join(INPUTS)}))?",
    log:
        "results/logs/project_embeddings/{projected}.{modality}.log",
    conda:
        "../envs/statistics.yaml"
    params:
        inputs=lambda w: INPUTS[w.projected.partition(".")[2] or SETS[w.projected]["inputs"]],
        seed=config["seed"],
    script:
        "../scripts/project_embeddings.py"


rule convert_released:
    """One modality of the authors' released features as an embedding set."""
    input:
        lambda w: asset_path(SETS[w.set]["released"]),
    output:
        "results/embeddings/{set}/{modality}.parquet",
    wildcard_constraints:
        set=sets_from("released"),
    log:
        "results/logs/convert_released/{set}.{modality}.log",
    conda:
        "../envs/statistics.yaml"
    params:
        row=lambda w: SETS[w.set]["modalities"].index(w.modality),
        entry=lambda w: SETS[w.set],
    script:
        "../scripts/convert_released.py"


rule import_files:
    """One modality of one's own pairs, after the two files were held against each other."""
    input:
        lambda w: [SETS[w.set]["files"][modality] for modality in SETS[w.set]["modalities"]],
    output:
        "results/embeddings/{set}/{modality}.parquet",
    wildcard_constraints:
        set=sets_from("files"),
    log:
        "results/logs/import_files/{set}.{modality}.log",
    conda:
        "../envs/statistics.yaml"
    params:
        row=lambda w: SETS[w.set]["modalities"].index(w.modality),
    script:
        "../scripts/import_files.py"


rule plot_training:
    """Loss, gap and recall by training step."""
    input:
        curves=[
            f"results/statistics/training/{model}.csv"
            for model in [*config["projections"], *config["training"]]
        ],
    output:
        svg=report(
            "results/figures/training.svg",
            caption="../report/captions/training.rst",
            category="Training",
            labels={"figure": "loss, gap and recall by step"},
        ),
        pdf="results/figures/training.pdf",
    log:
        "results/logs/plot_training.log",
    conda:
        "../envs/figures.yaml"
    script:
        "../scripts/plot_training.py"
