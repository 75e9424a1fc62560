"""What kind of pairs a set has: each pair with two items of its own, several captions per picture,
or prompts of classes.

x, y: (n, d) unit vectors (float64), row i of both is one pair; `clusters` (n,) says which pairs
belong together, 0 to C - 1, None if none do.
"""

import numpy as np

from modality_gap.measures.retrieval import times_in_cluster

PAIRS, CAPTIONS, CLASSES = "pairs", "captions", "classes"


def kind_of(x: np.ndarray, y: np.ndarray, clusters: np.ndarray | None) -> str:
    """`CAPTIONS` if each cluster has at least two rows and they share one vector of x, `CLASSES` if
    they share one of y, else `PAIRS`."""
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
