"""A zero-shot task of one model under a shift of the gap, scored by the task's own metric (Table
1)."""

from typing import Any

import numpy as np
import pandas as pd

from modality_gap.embeddings.sets import EmbeddingSet, cluster_codes
from modality_gap.errors import InputError
from modality_gap.measures import roc_auc, zero_shot


def measure_task(
    name: str,
    task: dict,
    images: EmbeddingSet,
    prompts: EmbeddingSet,
    along: np.ndarray,
    deltas: np.ndarray,
    distances: np.ndarray,
    cluster: str | None = None,
    **settings: Any,
) -> tuple[dict, pd.DataFrame]:
    """The row of Table 1 for the task `name`, and the curve behind this row. `task` is the task's
    entry in the config.

    Only the `prompts` of the task are used, one per class. Pictures and prompts move by half of
    each of `deltas` along the unit gap vector `along` of the model's own pairs. `distances` are the
    signed distances of these pairs at the deltas. `cluster` is the label column of pictures that
    are not independent, for tasks scored by accuracy. `settings`: confidence, permutations and seed
    of the tests.

    Raises InputError if a picture is of a class that has no prompt.
    """
    own = prompts.select((prompts.labels["task"] == name).to_numpy())
    classes = own.labels["label"].to_numpy()
    truth = images.labels[task["label"]].to_numpy()
    if unknown := sorted(set(truth) - set(classes)):
        raise InputError(
            f"tasks.{name}.prompts has no prompt for the class {unknown[0]!r}; add it."
        )
    vectors = images.normalised(), own.normalised()
    metric = task.get("metric", "accuracy")
    if metric == "roc_auc":
        scores, positive = zero_shot.scores(*vectors, along, deltas), truth == classes[1]
        values = roc_auc.area(scores, positive)
        report = roc_auc.shift_report(scores, positive, deltas, distances, **settings)
    else:
        correct = classes[zero_shot.predictions(*vectors, along, deltas)] == truth
        values = correct.mean(axis=1)
        clusters = cluster_codes(images.labels, cluster, f"tasks.{name}")
        report = zero_shot.shift_report(correct, deltas, distances, **settings, clusters=clusters)
    key = {"task": name, "metric": metric}
    row = {**key, "classes": len(classes), "chance": 1 / len(classes), **report}
    curve = zero_shot.sweep(values, deltas, len(truth)).assign(**key, distance=distances)
    return row, curve
