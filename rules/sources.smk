# Sources: what is downloaded, and the datasets made of it.


rule download_asset:
    """Download one file of config/assets.yaml, from the mirror or its origin, and check it."""
    input:
        assets=ancient(shipped("config/assets.yaml")),
        code=code("sources/download_asset"),
    output:
        "resources/{path}",
    log:
        "results/logs/download_asset/{path}.log",
    benchmark:
        "results/benchmarks/download_asset/{path}.tsv"
    wildcard_constraints:
        path="|".join(re.escape(asset.path) for asset in ASSETS.values()),
    # On a cluster: where Snakemake was started. The nodes of many reach no network.
    localrule: True
    conda:
        "../envs/sources.yaml"
    params:
        timeout_s=60,
        retries=3,
    script:
        "../scripts/sources/download_asset.py"


onerror:
    # Each has failed with a sentence of its own; this one says all that a mirror has to hold.
    with suppress(AttributeError):  # not documented by Snakemake
        if lacking := not_downloaded():
            logger.error(
                "Not downloaded: "
                + ", ".join(
                    f"{one.path} ({one.size / 1e6:.0f} MB)" for one in lacking
                )
                + ". Run again where the network reaches the addresses in config/assets.yaml, or put "
                "these files into a folder under these paths, and run again with "
                "MODALITY_GAP_MIRROR=FOLDER before the command."
            )


rule fetch_model:
    """Download what an encoder reads from a model hub into the cache of the hub's client."""
    input:
        model=lambda w: files_of_models(ENCODERS[w.encoder]),
        code=code("sources/fetch_model"),
    output:
        "resources/hub/{encoder}.json",
    log:
        "results/logs/fetch_model/{encoder}.log",
    benchmark:
        "results/benchmarks/fetch_model/{encoder}.tsv"
    # As for assets: all other jobs go without a network.
    localrule: True
    conda:
        "../envs/embeddings.yaml"
    params:
        encoder=lambda w: by_key(ENCODERS[w.encoder]),
        digests=lambda w: digests_of(ENCODERS[w.encoder]),
    script:
        "../scripts/sources/fetch_model.py"


rule make_emoji_dataset:
    """Draw every emoji and pair it with its name."""
    input:
        pictures=asset_path("twemoji"),
        names=asset_path("emoji_names"),
        code=code("sources/make_emoji_dataset"),
    output:
        "results/datasets/emoji.parquet",
    log:
        "results/logs/make_emoji_dataset.log",
    benchmark:
        "results/benchmarks/make_emoji_dataset.tsv"
    # Most of the run waits for these pictures.
    priority: 20
    conda:
        "../envs/sources.yaml"
    resources:
        # 206 MB, 16 s
        **needs(1000, 60),
    params:
        emoji=config["emoji"],
        seed=config["seed"],
    script:
        "../scripts/sources/make_emoji_dataset.py"


rule make_digits_dataset:
    """scikit-learn's handwritten digits."""
    input:
        code=code("sources/make_digits_dataset"),
    output:
        "results/datasets/digits.parquet",
    log:
        "results/logs/make_digits_dataset.log",
    benchmark:
        "results/benchmarks/make_digits_dataset.tsv"
    conda:
        "../envs/sources.yaml"
    params:
        digits=config["digits"],
        seed=config["seed"],
    script:
        "../scripts/sources/make_digits_dataset.py"


rule make_dataset:
    """One data set of the paper, made from its authors' own files."""
    input:
        unpack(dataset_files),
        assets=ancient(shipped("config/assets.yaml")),
        code=code("sources/make_dataset"),
    output:
        "results/datasets/{dataset}.parquet",
    log:
        "results/logs/make_dataset/{dataset}.log",
    benchmark:
        "results/benchmarks/make_dataset/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(name for name in DATASETS if name not in IN_PARTS),
    conda:
        "../envs/sources.yaml"
    resources:
        # not measured: archives of 20 GB are read as a stream
        **needs(2000, 240),
    params:
        dataset=lambda w: DATASETS[w.dataset],
        folders=lambda w: folder_states(dataset_files(w)),
    script:
        "../scripts/sources/make_dataset.py"


use rule make_dataset as make_part with:
    # Some files of a dataset in parts. A part more, or another one, makes no other part again.
    input:
        unpack(part_files),
        assets=ancient(shipped("config/assets.yaml")),
        code=code("sources/make_dataset"),
    output:
        "results/datasets/{dataset}/{part}.parquet",
    log:
        "results/logs/make_part/{dataset}.{part}.log",
    benchmark:
        "results/benchmarks/make_part/{dataset}.{part}.tsv"
    wildcard_constraints:
        dataset=one_of(IN_PARTS),
        part="[^/]+",
    params:
        dataset=part_settings,
        folders={},


rule gather_parts:
    """The parts of a dataset as a folder, which is read as one file; nothing is written twice."""
    input:
        parts=lambda w: dataset_parts(w.dataset),
        code=code("sources/gather_parts"),
    output:
        directory("results/datasets/{dataset}.parquet"),
    log:
        "results/logs/gather_parts/{dataset}.log",
    benchmark:
        "results/benchmarks/gather_parts/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(IN_PARTS),
    conda:
        "../envs/sources.yaml"
    script:
        "../scripts/sources/gather_parts.py"


rule make_prompts:
    """One prompt per class, for every zero-shot task and for the label set of Table 2."""
    input:
        datasets=sorted(
            {
                f"results/datasets/{INPUTS[task['inputs']]['dataset']}.parquet"
                for task in TASKS.values()
                if "prompt" in task
            }
        ),
        code=code("sources/make_prompts"),
    output:
        "results/datasets/prompts.parquet",
    log:
        "results/logs/make_prompts.log",
    benchmark:
        "results/benchmarks/make_prompts.tsv"
    conda:
        "../envs/sources.yaml"
    resources:
        # reads columns of the datasets
        **needs(2000, 60),
    params:
        tasks=TASKS,
        inputs={task["inputs"]: INPUTS[task["inputs"]] for task in TASKS.values()},
        table2=config["table2"],
    script:
        "../scripts/sources/make_prompts.py"
