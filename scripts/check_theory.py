"""Check the paper's theorems and cone areas: simulation, closed form, published bounds."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

import numpy as np

from modality_gap import theory

settings, mlp = snakemake.params.theory, snakemake.params.mlp
confidence, output = snakemake.params.confidence, snakemake.output
theorem1_rng, lemma3_rng, theorem2_rng = np.random.default_rng(snakemake.params.seed).spawn(3)
theorem1, decay = theory.theorem1_tables(settings["theorem1"], confidence, theorem1_rng)
tables = {
    output.theorem1: theorem1,
    output.theorem1_decay: decay,
    output.lemma3: theory.lemma3_table(settings["lemma3"], confidence, lemma3_rng),
    output.theorem2: theory.theorem2_table(settings["theorem2"], confidence, theorem2_rng),
    output.cone_areas: theory.cone_areas_table(settings["cone_areas"]),
    output.mlp_cone: theory.mlp_cone_table(mlp["width"], mlp["layers"]),
}
for path, table in tables.items():
    table.to_csv(path, index=False)
