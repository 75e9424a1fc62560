"""How often people get an offensive label, by group and shift (Table 2)."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

from modality_gap.contrastive import signed_distances, unit_gap_vector
from modality_gap.embedding_set import open_pair, read
from modality_gap.fairness import harm_by_group

settings = snakemake.params.table2
x, y = open_pair(*snakemake.input.pair)
people = read(snakemake.input.images)
prompts = read(snakemake.input.prompts)
prompts = prompts.select((prompts.labels["task"] == "table2").to_numpy())
labels = people.labels.rename(columns={settings["group"]: "table2_group"})
labels = labels.assign(
    group=labels["table2_group"], answer=labels[settings["gender"]] + ", " + labels["table2_group"]
)
# Groups in the config's order.
order = labels["group"].map(settings["groups"].index).argsort(kind="stable")
table = harm_by_group(
    people.normalised()[order],
    labels.iloc[order],
    prompts.normalised(),
    prompts.labels,
    unit_gap_vector(x, y),
    settings["shifts"],
    snakemake.params.confidence,
)
# How wide the gap of the model's own pairs is when their images move as the pictures here do.
deltas = sorted(set(table["delta"]))
distances = dict(zip(deltas, signed_distances(x, y, deltas, one_side=True), strict=True))
table.insert(1, "distance", table["delta"].map(distances))
table.insert(0, "model", settings["model"])
table.to_csv(snakemake.output[0], index=False)
