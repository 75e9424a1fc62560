"""The three kinds of pairs of a set: each pair has two items of its own, or pictures have several
captions, or items share the prompt of their class.

x, y: (n, d) unit vectors (float64), row i of both is one pair. `clusters` (n,), numbered from 0 to
C - 1, says which pairs belong together; None if none do.
"""

import numpy as np

from modality_gap.measures.retrieval import times_in_cluster

PAIRS, CAPTIONS, CLASSES = "pairs", "captions", "classes"


def kind_of(x: np.ndarray, y: np.ndarray, clusters: np.ndarray | None) -> str:
    """The kind of pairs. It is `CAPTIONS` if each cluster has at least two rows that share one
    vector of x, `CLASSES` if they share one vector of y, and `PAIRS` otherwise."""
    if clusters is not None:
        sizes = np.bincount(clusters)[clusters]
        if sizes.min() > 1:
            for side, kind in ((x, CAPTIONS), (y, CLASSES)):
                if (times_in_cluster(side, clusters) == sizes).all():
                    return kind
    return PAIRS


def first_of_each(clusters: np.ndarray) -> np.ndarray:
    """The first row of each cluster, in the order of the rows."""
    return np.sort(np.unique(clusters, return_index=True)[1])
