"""Figure 2(b): the mean cosine of random MLPs, layer by layer."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from tqdm import tqdm

from modality_gap.errors import InputError
from modality_gap.measures.gap import mean_cosine
from modality_gap.measures.intervals import t_quantile

ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "tanh": np.tanh,
    "linear": lambda z: z,
}


def mlp_mean_cosines(
    activation: str, bias: bool, vectors: int, width: int, layers: int, seed: int
) -> Iterator[float]:
    """The mean cosine of a random network's outputs at layer 0 (the inputs), 1, ..., `layers`.

    The `vectors` inputs are drawn from N(0, I). Weights, and biases if there are any, are drawn
    from N(0, 1/width). Source: Figure 2(b).
    """
    rng = np.random.default_rng(seed)
    phi = ACTIVATIONS[activation]
    hidden = rng.standard_normal((vectors, width))
    yield _mean_cosine_of(hidden)
    for _ in range(layers):
        weight = rng.normal(0, width**-0.5, (width, width))
        shift = rng.normal(0, width**-0.5, width) if bias else 0.0
        hidden = phi(hidden @ weight.T + shift)
        yield _mean_cosine_of(hidden)


def simulate_mlps(settings: dict, seed: int) -> pd.DataFrame:
    """mlp_cone.csv: the mean cosine for every activation of `mlp_cone` in the config, with and
    without bias, in `repeats` networks. Their seeds are `seed` and the numbers after it. Columns:
    activation, bias, layer, repeat, mean_cosine."""
    runs = [
        (activation, bias, repeat)
        for activation in settings["activations"]
        for bias in (True, False)
        for repeat in range(settings["repeats"])
    ]
    sizes = {key: settings[key] for key in ("vectors", "width", "layers")}
    rows = [
        (activation, bias, layer, repeat, cosine)
        for activation, bias, repeat in tqdm(runs, unit="network", mininterval=2)
        for layer, cosine in enumerate(
            mlp_mean_cosines(activation, bias, **sizes, seed=seed + repeat)
        )
    ]
    return pd.DataFrame(rows, columns=["activation", "bias", "layer", "repeat", "mean_cosine"])


def mlp_intervals(table: pd.DataFrame, vectors: int, confidence: float) -> pd.DataFrame:
    """mlp_cone_interval.csv from mlp_cone.csv: for each activation, bias and layer, the mean over
    the repeats with Student's interval. The repeats differ in inputs and weights.

    mean_cosine_with_diagonal is the mean as in the released code. It also includes the cosine of
    each of the `vectors` inputs with itself, which is 1.
    """
    repeats = table.groupby(["activation", "bias", "layer"], sort=False)["mean_cosine"]
    interval = repeats.agg(n="size", mean_cosine="mean").reset_index()
    quantile = t_quantile(confidence, interval["n"].to_numpy())
    margin = quantile * repeats.sem().to_numpy()
    mean = interval["mean_cosine"]
    return interval.assign(
        mean_cosine_low=mean - margin,
        mean_cosine_high=mean + margin,
        mean_cosine_with_diagonal=(mean * (vectors - 1) + 1) / vectors,
    )


def _mean_cosine_of(hidden: np.ndarray) -> float:
    lengths = np.linalg.norm(hidden, axis=1, keepdims=True)
    if not lengths.all():
        raise InputError(
            f"mlp_cone.width is {hidden.shape[1]}, which is too small: for one input, all units of "
            "a layer are 0. Raise the width."
        )
    return mean_cosine(hidden / lengths)
