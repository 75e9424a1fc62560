# Embeddings: every forward pass and every training run happens here, once.

# What decides the vectors: in how many threads and jobs they are made does not.
EXTRACTION = by_key(
    {
        key: value
        for key, value in config["extraction"].items()
        if key not in ("workers", "shards")
    }
)


rule extract_embeddings:
    """Embed one modality of some inputs with one encoder."""
    input:
        unpack(extraction_inputs),
    output:
        "results/embeddings/{encoded}/{modality}.parquet",
    log:
        "results/logs/extract_embeddings/{encoded}.{modality}.log",
    benchmark:
        "results/benchmarks/extract_embeddings/{encoded}.{modality}.tsv"
    wildcard_constraints:
        encoded=ENCODER_AND_INPUTS,
    # The CLIP image tower is the longest job and much waits for it.
    priority: 10
    conda:
        "../envs/embeddings.yaml"
    threads: HALF_OF_THE_CORES
    params:
        encoders=lambda wildcards: {
            wildcards.encoded: by_key(ENCODERS[encoded(wildcards)[0]])
        },
        digests=lambda wildcards: digests_of(ENCODERS[encoded(wildcards)[0]]),
        inputs=lambda wildcards: by_key(INPUTS[encoded(wildcards)[1]]),
        extraction=EXTRACTION,
        seed=config["seed"],
    script:
        "../scripts/extract_embeddings.py"


use rule extract_embeddings as extract_pair with:
    # Both modalities of a set in one job: its start-up costs more than its forward passes.
    output:
        "results/embeddings/{encoded}/image.parquet",
        "results/embeddings/{encoded}/text.parquet",
    log:
        "results/logs/extract_pair/{encoded}.log",
    benchmark:
        "results/benchmarks/extract_pair/{encoded}.tsv"
    wildcard_constraints:
        encoded=sets_from("encoder"),


use rule extract_embeddings as extract_variants with:
    # The untrained models of Supplementary 15 in one job, for the same reason.
    input:
        dataset=f"results/datasets/{INPUTS[NORMALISATION['inputs']]['dataset']}.parquet",
        model=sorted({path for spec in VARIANTS.values() for path in model_files(spec)}),
        code=code("extract_embeddings"),
    output:
        expand(
            "results/embeddings/{variant}/{modality}.parquet",
            variant=VARIANTS,
            modality=["image", "text"],
        ),
    log:
        "results/logs/extract_variants.log",
    benchmark:
        "results/benchmarks/extract_variants.tsv"
    params:
        encoders=by_key(VARIANTS),
        digests=digests_of(*VARIANTS.values()),
        inputs=by_key(INPUTS[NORMALISATION["inputs"]]),
        extraction=EXTRACTION,
        seed=config["seed"],


scattergather:
    shards=config["extraction"]["shards"],


use rule extract_embeddings as extract_shard with:
    # One modality of some inputs in several jobs, each with a part of the batches.
    output:
        temp("results/shards/{encoded}/{modality}.{scatteritem}.parquet"),
    log:
        "results/logs/extract_shard/{encoded}.{modality}.{scatteritem}.log",
    benchmark:
        "results/benchmarks/extract_shard/{encoded}.{modality}.{scatteritem}.tsv"
    wildcard_constraints:
        encoded=ENCODED,


rule merge_shards:
    """The shards of an extraction as one file, the same however many there are."""
    input:
        shards=gather.shards(
            "results/shards/{{encoded}}/{{modality}}.{scatteritem}.parquet"
        ),
        code=code("merge_shards"),
    output:
        "results/embeddings/{encoded}/{modality}.parquet",
    log:
        "results/logs/merge_shards/{encoded}.{modality}.log",
    benchmark:
        "results/benchmarks/merge_shards/{encoded}.{modality}.tsv"
    wildcard_constraints:
        # One shard needs no merging: its extraction writes the file itself.
        encoded=ENCODED if config["extraction"]["shards"] > 1 else "(?!)",
    priority: 10
    conda:
        "../envs/statistics.yaml"
    script:
        "../scripts/merge_shards.py"


ruleorder: merge_shards > extract_variants > extract_pair > extract_embeddings


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
        code=code("train_projections"),
    output:
        trained="results/models/{model}.trained.safetensors",
        untrained="results/models/{model}.random.safetensors",
        curve="results/statistics/training/{model}.csv",
    log:
        "results/logs/train_projections/{model}.log",
    benchmark:
        "results/benchmarks/train_projections/{model}.tsv"
    wildcard_constraints:
        model="|".join(config["projections"]) or "(?!)",
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
        model=lambda w: model_files(ENCODERS[w.model]),
        code=code("train_clip"),
    output:
        checkpoint="results/models/{model}.safetensors",
        curve="results/statistics/training/{model}.csv",
    log:
        "results/logs/train_clip/{model}.log",
    benchmark:
        "results/benchmarks/train_clip/{model}.tsv"
    wildcard_constraints:
        model="|".join(config["training"]) or "(?!)",
    priority: 10
    conda:
        "../envs/embeddings.yaml"
    threads: HALF_OF_THE_CORES
    params:
        encoder=lambda w: ENCODERS[w.model],
        untrained_seed=lambda w: ENCODERS[f"{w.model}_random"]["seed"],
        settings=lambda w: config["training"][w.model],
        seed=config["seed"],
    script:
        "../scripts/train_clip.py"


rule project_embeddings:
    """Embeddings of a projected set: a matrix product, no forward pass."""
    input:
        unpack(projection_inputs),
        code=code("project_embeddings"),
    output:
        "results/embeddings/{projected}/{modality}.parquet",
    log:
        "results/logs/project_embeddings/{projected}.{modality}.log",
    benchmark:
        "results/benchmarks/project_embeddings/{projected}.{modality}.tsv"
    wildcard_constraints:
        projected=f"(?:{sets_from('projection')})(?:[.](?:{'|'.join(INPUTS)}))?",
    conda:
        "../envs/statistics.yaml"
    params:
        inputs=lambda w: INPUTS[
            w.projected.partition(".")[2] or SETS[w.projected]["inputs"]
        ],
        seed=config["seed"],
    script:
        "../scripts/project_embeddings.py"


rule convert_released:
    """One modality of the authors' released features as an embedding set."""
    input:
        lambda w: asset_path(SETS[w.set]["released"]),
        code=code("convert_released"),
    output:
        "results/embeddings/{set}/{modality}.parquet",
    log:
        "results/logs/convert_released/{set}.{modality}.log",
    benchmark:
        "results/benchmarks/convert_released/{set}.{modality}.tsv"
    wildcard_constraints:
        set=sets_from("released"),
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
        pair=lambda w: [
            SETS[w.set]["files"][modality] for modality in SETS[w.set]["modalities"]
        ],
        code=code("import_files"),
    output:
        "results/embeddings/{set}/{modality}.parquet",
    log:
        "results/logs/import_files/{set}.{modality}.log",
    benchmark:
        "results/benchmarks/import_files/{set}.{modality}.tsv"
    wildcard_constraints:
        set=sets_from("files"),
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
        code=code("plot_training"),
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
    benchmark:
        "results/benchmarks/plot_training.tsv"
    conda:
        "../envs/figures.yaml"
    script:
        "../scripts/plot_training.py"
