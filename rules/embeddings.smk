# Embeddings: every encoder runs here, once.

# The settings that affect the vectors; the number of threads and jobs does not.
EXTRACTION = by_key(
    {
        key: value
        for key, value in config["extraction"].items()
        if key not in ("workers", "shards")
    }
)


rule decide_extraction:
    """Measure on a few items how to run an extraction, for all its shards."""
    input:
        unpack(encoder_inputs),
        code=code("embeddings/decide_extraction"),
    output:
        "results/decisions/{encoded}/{modality}.json",
    log:
        "results/logs/decide_extraction/{encoded}.{modality}.log",
    benchmark:
        "results/benchmarks/decide_extraction/{encoded}.{modality}.tsv"
    wildcard_constraints:
        encoded=ENCODED,
    priority: 10
    conda:
        "../envs/embeddings.yaml"
    # As many as the extraction has, so that it is measured under the same conditions.
    threads: SHARE_OF_CORES
    resources:
        **needs(10000, 30, gpu=1),
    params:
        encoder=lambda wildcards: by_key(ENCODERS[encoded(wildcards)[0]]),
        digests=lambda wildcards: digests_of(ENCODERS[encoded(wildcards)[0]]),
        inputs=lambda wildcards: by_key(INPUTS[encoded(wildcards)[1]]),
        extraction=EXTRACTION,
        seed=config["seed"],
    script:
        "../scripts/embeddings/decide_extraction.py"


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
    threads: SHARE_OF_CORES
    resources:
        # 1,661 MB, 45 s
        **needs(8000, 240, gpu=1),
    params:
        encoders=lambda wildcards: {
            wildcards.encoded: by_key(ENCODERS[encoded(wildcards)[0]])
        },
        digests=lambda wildcards: digests_of(ENCODERS[encoded(wildcards)[0]]),
        inputs=lambda wildcards: by_key(INPUTS[encoded(wildcards)[1]]),
        extraction=EXTRACTION,
        seed=config["seed"],
    script:
        "../scripts/embeddings/extract_embeddings.py"


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
        model=files_of_models(*VARIANTS.values()),
        hub=fetched_models(*NORMALISATION["encoders"]),
        code=code("embeddings/extract_embeddings"),
        decisions=[
            path
            for variant, spec in VARIANTS.items()
            for path in decisions(variant, spec, ["image", "text"])
        ],
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


rule gather_shards:
    """The shards of an extraction as a folder, which every statistic reads as one set; nothing is
    written twice."""
    input:
        shards=gather.shards(
            "results/shards/{{encoded}}/{{modality}}.{scatteritem}.parquet"
        ),
        code=code("embeddings/gather_shards"),
    output:
        directory("results/embeddings/{encoded}/{modality}.parquet"),
    log:
        "results/logs/gather_shards/{encoded}.{modality}.log",
    benchmark:
        "results/benchmarks/gather_shards/{encoded}.{modality}.tsv"
    wildcard_constraints:
        # One shard needs no folder: its extraction writes the file itself.
        encoded=ENCODED if config["extraction"]["shards"] > 1 else "(?!)",
    priority: 10
    conda:
        "../envs/statistics.yaml"
    script:
        "../scripts/embeddings/gather_shards.py"


rule choose_rows:
    """The rows of a sample of a dataset in parts: drawn once, part by part, as from one file."""
    input:
        parts=lambda w: dataset_parts(INPUTS[w.inputs]["dataset"]),
        code=code("embeddings/choose_rows"),
    output:
        "results/rows/{inputs}.npz",
    log:
        "results/logs/choose_rows/{inputs}.log",
    benchmark:
        "results/benchmarks/choose_rows/{inputs}.tsv"
    wildcard_constraints:
        inputs=one_of(INPUTS_IN_PARTS),
    conda:
        "../envs/embeddings.yaml"
    resources:
        # not measured: 8 bytes twice for each of 400 million rows
        **needs(8000, 60),
    params:
        inputs=lambda w: by_key(INPUTS[w.inputs]),
        seed=config["seed"],
    script:
        "../scripts/embeddings/choose_rows.py"


use rule extract_embeddings as extract_part with:
    # One modality of one part of a dataset. These stay, so that a part more costs one extraction.
    input:
        unpack(extraction_inputs),
        rows=sampled_rows,
    output:
        "results/shards/{encoded}/{modality}.{part}.parquet",
    log:
        "results/logs/extract_part/{encoded}.{modality}.{part}.log",
    benchmark:
        "results/benchmarks/extract_part/{encoded}.{modality}.{part}.tsv"
    wildcard_constraints:
        encoded=ENCODED_IN_PARTS,
        part="[^/]+",


use rule gather_shards as gather_embedded_parts with:
    # The embeddings of all parts of a dataset as a folder, which every statistic reads as one set.
    input:
        shards=embedded_parts,
        code=code("embeddings/gather_shards"),
    output:
        directory("results/embeddings/{encoded}/{modality}.parquet"),
    log:
        "results/logs/gather_embedded_parts/{encoded}.{modality}.log",
    benchmark:
        "results/benchmarks/gather_embedded_parts/{encoded}.{modality}.tsv"
    wildcard_constraints:
        encoded=ENCODED_IN_PARTS,
    params:
        remain=True,


rule join_towers:
    """One modality of a set of two encoders: the embeddings by one of them."""
    input:
        embeddings=lambda w: embeddings_of(
            SETS[w.set]["encoders"][w.modality], SETS[w.set]["inputs"], w.modality
        ),
        code=code("embeddings/join_towers"),
    output:
        in_shards("results/embeddings/{set}/{modality}.parquet"),
    log:
        "results/logs/join_towers/{set}.{modality}.log",
    benchmark:
        "results/benchmarks/join_towers/{set}.{modality}.tsv"
    wildcard_constraints:
        set=one_of(
            name
            for name, entry in SETS.items()
            if "encoders" in entry and entry["inputs"] not in INPUTS_IN_PARTS
        ),
    priority: 10
    conda:
        "../envs/statistics.yaml"
    script:
        "../scripts/embeddings/join_towers.py"


use rule join_towers as join_towers_in_parts with:
    # The same of a dataset in parts, whose embeddings are a folder.
    output:
        directory("results/embeddings/{set}/{modality}.parquet"),
    log:
        "results/logs/join_towers_in_parts/{set}.{modality}.log",
    benchmark:
        "results/benchmarks/join_towers_in_parts/{set}.{modality}.tsv"
    wildcard_constraints:
        set=one_of(
            name
            for name, entry in SETS.items()
            if "encoders" in entry and entry["inputs"] in INPUTS_IN_PARTS
        ),


ruleorder: sample_parts > join_towers_in_parts
ruleorder:
    sample_parts
    > gather_embedded_parts
    > gather_shards
    > extract_variants
    > extract_pair
    > extract_embeddings
ruleorder: extract_part > extract_shard


rule project_embeddings:
    """Embeddings of a projected set: a matrix product, no forward pass."""
    input:
        unpack(projection_inputs),
        code=code("embeddings/project_embeddings"),
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
        "../scripts/embeddings/project_embeddings.py"


rule convert_released:
    """One modality of published embeddings, the authors' or those of others, as an embedding set."""
    input:
        files=lambda w: [asset_path(name) for name in published_files(SETS[w.set])],
        code=code("embeddings/convert_released"),
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
        "../scripts/embeddings/convert_released.py"


rule import_files:
    """One modality of your own pairs, after the two files were checked against each other."""
    input:
        pair=imported_files,
        code=code("embeddings/import_files"),
    output:
        "results/embeddings/{set}/{modality}.parquet",
    log:
        "results/logs/import_files/{set}.{modality}.log",
    benchmark:
        "results/benchmarks/import_files/{set}.{modality}.tsv"
    wildcard_constraints:
        set=one_of(
            name for name in SETS if name not in BY_PART and "files" in SETS[name]
        ),
    # A fault in your files is found before anything long begins.
    priority: 20
    conda:
        "../envs/embeddings.yaml" if OWN_TENSORS else "../envs/statistics.yaml"
    params:
        row=lambda w: SETS[w.set]["modalities"].index(w.modality),
        modality="{modality}",
        sources=lambda w: [
            (yours(path), SETS[w.set].get("reading", {}).get(modality, {}))
            for modality, path in SETS[w.set]["files"].items()
        ],
        several=lambda w: SETS[w.set].get("several", ""),
        labels=lambda w: [
            yours(path) for key, path in SETS[w.set].items() if key == "labels"
        ],
        batch_size=config["loss_landscape"]["batch_size"],
    script:
        "../scripts/embeddings/import_files.py"


rule sum_part:
    """Sums and a sample of one part of a set, from one reading of its two files."""
    input:
        pair=lambda w: BY_PART[w.set][w.part],
        code=code("embeddings/sum_part"),
    output:
        "results/parts/{set}/{part}.npz",
    log:
        "results/logs/sum_part/{set}.{part}.log",
    benchmark:
        "results/benchmarks/sum_part/{set}.{part}.tsv"
    wildcard_constraints:
        set=one_of(BY_PART),
    conda:
        "../envs/embeddings.yaml" if OWN_TENSORS else "../envs/statistics.yaml"
    # One for each side.
    threads: min(2, SHARE_OF_CORES)
    params:
        sources=lambda w, input: [
            (path, SETS[w.set].get("reading", {}).get(modality, {}))
            for path, modality in zip(
                input.pair, SETS[w.set]["modalities"], strict=True
            )
        ],
        sample=config["sample"],
        seed=config["seed"],
    script:
        "../scripts/embeddings/sum_part.py"


rule sample_parts:
    """One modality of a random sample of such pairs, drawn from the samples of all parts."""
    input:
        parts=lambda w: sums_of_parts(w.set),
        embedded=embedded_side,
        code=code("embeddings/sample_parts"),
    output:
        "results/embeddings/{set}/{modality}.parquet",
    log:
        "results/logs/sample_parts/{set}.{modality}.log",
    benchmark:
        "results/benchmarks/sample_parts/{set}.{modality}.tsv"
    wildcard_constraints:
        set=one_of(BY_PART),
    conda:
        "../envs/statistics.yaml"
    params:
        folder=lambda w: SETS[w.set].get("files", {}).get(w.modality)
        or embedded_folder(SETS[w.set], w.modality),
        side=lambda w: "ab"[SETS[w.set]["modalities"].index(w.modality)],
        sample=config["sample"],
        batch_size=config["loss_landscape"]["batch_size"],
    script:
        "../scripts/embeddings/sample_parts.py"
