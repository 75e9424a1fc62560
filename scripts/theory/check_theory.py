"""Check the paper's theorems and areas of cones by simulation, closed form and published bounds."""

from modality_gap.logs import log_to

log_to(snakemake)

from modality_gap.measures import theory

settings, mlp = snakemake.params.theory, snakemake.params.mlp
draws, output = (snakemake.params.confidence, snakemake.params.seed), snakemake.output
theorem1, decay = theory.theorem1_tables(settings["theorem1"], *draws)
tables = {
    output.theorem1: theorem1,
    output.theorem1_decay: decay,
    output.lemma3: theory.lemma3_table(settings["lemma3"], *draws),
    output.theorem2: theory.theorem2_table(settings["theorem2"], *draws),
    output.cone_areas: theory.cone_areas_table(settings["cone_areas"]),
    output.mlp_cone: theory.mlp_cone_table(mlp["width"], mlp["layers"]),
}
for path, table in tables.items():
    table.to_csv(path, index=False)
