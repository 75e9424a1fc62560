"""Measure the post-hoc methods and measures of the follow-ups on every set; write the methods'
names.

Of a large set, only a sample of n pairs is used. Methods are compared on sets that retrieve well.
"""

from modality_gap.logs import log_to

log_to(snakemake)

import numpy as np
import pandas as pd
from tqdm import tqdm

from modality_gap.data.tiles import chosen, sample_rows
from modality_gap.embeddings.stored import open_pairs
from modality_gap.measures.posthoc.fit_sizes import COLUMNS, fit_sizes
from modality_gap.measures.posthoc.grouped import grouped_study
from modality_gap.measures.posthoc.kinds import PAIRS, first_of_each, kind_of
from modality_gap.measures.posthoc.own import chosen_measures, chosen_methods, names_of_methods
from modality_gap.measures.posthoc.study import (
    DIFFERENCES,
    MEASURED,
    RESULTS,
    measured,
    retrieves,
    study,
)

sets, params = snakemake.params.sets, snakemake.params
settings = params.posthoc
methods, all_measures = chosen_methods(settings), chosen_measures(settings)
names_of_methods(methods).to_csv(snakemake.output.names, index=False)
results, differences, measures, sizes = [], [], [], []


def limits(rows: np.ndarray) -> tuple[int, int, int]:
    return len(rows), settings["pairs"], params.seed


for name, x, y in tqdm(open_pairs(sets, snakemake.input.pairs), total=len(sets), desc="sets"):
    clusters, some = x.clusters(params.clusters.get(name)), sample_rows(*limits(x))
    kind = kind_of(x, y, clusters)
    if kind != PAIRS:
        column = params.folds.get(name)
        whole = x[:], y[:], clusters, kind, None if column is None else x.label(column)
        # One pair of each picture or class, so that no item occurs twice.
        some = first_of_each(clusters)[sample_rows(*limits(np.unique(clusters)))]
    clusters = chosen(clusters, some)
    x, y = x[some], y[some]
    of_set = measured(x, y, clusters, params.confidence, params.seed, all_measures)
    measures.append(of_set.assign(set=name))
    if sets[name] == "trained" and retrieves(x, y):
        of_set = study(methods, x, y, clusters, settings["halves"], params.confidence, params.seed)
        results.append(of_set[0].assign(set=name))
        differences.append(of_set[1].assign(set=name))
        of_sizes = fit_sizes(methods, x, y, clusters, params.confidence, params.seed)
        sizes.append(of_sizes.assign(set=name))
        if kind != PAIRS:
            shared = settings["halves"], params.confidence, params.seed
            of_set = grouped_study(methods, *whole, *shared)
            results.append(of_set[0].assign(set=name))
            differences.append(of_set[1].assign(set=name))
for tables, columns, path in (
    (results, RESULTS, snakemake.output.methods),
    (differences, DIFFERENCES, snakemake.output.differences),
    (measures, MEASURED, snakemake.output.measures),
    (sizes, COLUMNS, snakemake.output.sizes),
):
    joined = pd.concat(tables) if tables else pd.DataFrame()
    joined.reindex(columns=["set", *columns]).to_csv(path, index=False)
