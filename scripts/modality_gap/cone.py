"""The cone effect (paper, section 3 and Figure 2)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from modality_gap.gap import mean_cosine


@dataclass(frozen=True)
class CosineDistribution:
    """All n(n-1) cosines between different rows, summed up exactly.

    `counts` of the cosines in the bins between `edges`; every ordered pair counts.
    """

    n: int
    mean: float
    minimum: float
    maximum: float
    counts: np.ndarray
    edges: np.ndarray


def cosine_distribution(x: np.ndarray, bins: int, tile: int = 2048) -> CosineDistribution:
    """Distribution of the cosines of unit vectors x (n, d), tile by tile in bounded memory.

    The mean is exact, from the sum of vectors; the histogram, minimum and maximum see each pair.
    Source: Figure 2(a).
    """
    n = len(x)
    edges = np.linspace(-1, 1, bins + 1)
    counts = np.zeros(bins, dtype=np.int64)
    minimum, maximum = np.inf, -np.inf
    for start in range(0, n, tile):
        for other in range(start, n, tile):
            cosines = x[start : start + tile] @ x[other : other + tile].T
            if other == start:
                cosines = cosines[np.triu_indices(len(cosines), k=1)]
            if cosines.size:
                # Rounding may carry the cosine of two equal vectors just past 1.
                cosines = np.clip(cosines, -1, 1)
                counts += 2 * np.histogram(cosines, edges)[0]
                minimum = min(minimum, float(cosines.min()))
                maximum = max(maximum, float(cosines.max()))
    return CosineDistribution(n, mean_cosine(x), minimum, maximum, counts, edges)


ACTIVATIONS = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "tanh": np.tanh,
    "linear": lambda z: z,
}


def mlp_mean_cosines(
    activation: str, bias: bool, inputs: int, width: int, layers: int, seed: int
) -> Iterator[float]:
    """Mean cosine of a random network's outputs at layer 0 (the inputs), 1, ..., `layers`.

    Inputs from N(0, I); weights, and biases where there are any, from N(0, 1/width) a layer.
    Source: Figure 2(b).
    """
    rng = np.random.default_rng(seed)
    phi = ACTIVATIONS[activation]
    hidden = rng.standard_normal((inputs, width))
    yield _mean_cosine_of(hidden)
    for _ in range(layers):
        weight = rng.normal(0, width**-0.5, (width, width))
        shift = rng.normal(0, width**-0.5, width) if bias else 0.0
        hidden = phi(hidden @ weight.T + shift)
        yield _mean_cosine_of(hidden)


def _mean_cosine_of(hidden: np.ndarray) -> float:
    return mean_cosine(hidden / np.linalg.norm(hidden, axis=1, keepdims=True))


def principal_singular_values(x: np.ndarray, count: int) -> np.ndarray:
    """The largest `count` singular values of the centred rows of x (n, d).

    k separate cones need k-1 components to tell them apart, so with 25 initialisations singular
    value 25 falls off against singular value 24. Source: Figure 2(c).
    """
    return np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[:count]


def between_share(x: np.ndarray, groups: np.ndarray) -> float:
    """Share of the variance of x (n, d) that lies between the groups' centres, not within them."""
    centred = x - x.mean(axis=0)
    total = (centred**2).sum()
    between = sum(
        (groups == group).sum() * (centred[groups == group].mean(axis=0) ** 2).sum()
        for group in np.unique(groups)
    )
    return float(between / total)
