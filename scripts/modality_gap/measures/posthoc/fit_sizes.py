"""How a fitted method depends on the number of pairs that it is fitted on.

x, y: (n, d) unit vectors (float64), row i of both is one pair; `clusters` (n,) as in study.py.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from modality_gap.measures.intervals import t_interval
from modality_gap.measures.posthoc.ranks import partner_ranks
from modality_gap.measures.posthoc.registry import Maps, Method, unit
from modality_gap.measures.posthoc.study import splits

SIZES = (32, 64, 128, 256, 512)
DRAWS = 5  # random draws of the fit pairs
SHOWN = ("centre", "standardise", "procrustes_to_identity", "procrustes", "cca")
COLUMNS = ("method", "n_fit", "ratio", "metric", "value", "value_low", "value_high", "draws", "n")


def fit_sizes(
    methods: Mapping[str, Method],
    x: np.ndarray,
    y: np.ndarray,
    clusters: np.ndarray | None,
    confidence: float,
    seed: int,
) -> pd.DataFrame:
    """A table of the remaining gap and of recall at 1 in both directions, by number of fit pairs,
    with the columns COLUMNS. The SHOWN methods are fitted on SIZES pairs of even clusters and
    scored on odd clusters. Values are means over draws of the fit pairs. The interval is over these
    draws only."""
    codes = np.arange(len(x)) if clusters is None else clusters
    _, fit, score = next(splits(codes, 0))
    a, b = x[score], y[score]
    rng = np.random.default_rng(seed)
    rows = []
    for size in SIZES:
        if size > len(fit):
            break
        drawn = [rng.choice(fit, size, replace=False) for _ in range(DRAWS)]
        for name in SHOWN:
            if name not in methods:
                continue
            found = [_of(methods[name].fitted(x[some], y[some]), a, b) for some in drawn]
            for metric in found[0]:
                values = np.array([one[metric] for one in found])
                low, high = t_interval(values, confidence)
                about = (name, size, size / x.shape[1], metric)
                rows.append((*about, values.mean(), low, high, DRAWS, len(score)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _of(fitted: object, a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    if not isinstance(fitted, Maps):
        raise TypeError("a method that changes only scores has no vectors to measure a gap on")
    moved = unit(fitted.vectors("x", a)), unit(fitted.vectors("y", b))
    cosines = moved[0] @ moved[1].T
    return {
        "gap": float(np.linalg.norm(moved[0].mean(axis=0) - moved[1].mean(axis=0))),
        "recall1_xy": float((partner_ranks(cosines) == 1).mean()),
        "recall1_yx": float((partner_ranks(cosines.T) == 1).mean()),
    }
