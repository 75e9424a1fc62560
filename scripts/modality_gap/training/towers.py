"""Trained parts of the small models: the two towers, the temperature and the optimiser."""

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from scipy import linalg
from torch.nn import functional
from torch.optim.adam import adam

from modality_gap.training.pairs import Pairs, embed

# --- what is trained ----------------------------------------------------------------------------


class Towers(torch.nn.Module):
    """Two ReLU networks from scratch. Each has `hidden_layers` layers of `width` units, and turns
    embeddings of one of the `input_dims` into `dim` dimensions.

    Weights and biases are drawn from N(0, 1/inputs of the layer). Each component of the input has a
    mean square of 1, as in Figure 2(b): each network then maps into its own narrow cone. Rows of
    the second tower are multiplied by `rotation` (dim, dim), a fixed orthogonal matrix. It is the
    identity until `rotate_second` sets it.
    """

    rotation: torch.Tensor

    def __init__(
        self, input_dims: tuple[int, int], hidden_layers: int, width: int, dim: int, seed: int
    ):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        dims = [[inputs] + [width] * hidden_layers + [dim] for inputs in input_dims]
        self.first, self.second = (_network(sizes, generator) for sizes in dims)
        self.register_buffer("rotation", torch.eye(dim))

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Unit vectors x, y (m, dim) from embeddings a (m, d_a) and b (m, d_b) of unit length."""
        x, y = self.raw(a, b)
        return functional.normalize(x), functional.normalize(y) @ self.rotation

    def raw(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The outputs of the towers before normalising, (m, dim) each."""
        return self.first(a * a.shape[1] ** 0.5), self.second(b * b.shape[1] ** 0.5)


def share_layers(model: Towers) -> None:
    """Give the second tower the layers of the first tower, except for the layer that reads the
    inputs."""
    model.second = torch.nn.Sequential(model.second[0], *list(model.first)[1:])


def _network(sizes: list[int], generator: torch.Generator) -> torch.nn.Sequential:
    layers = []
    for inputs, outputs in pairwise(sizes):
        layer = torch.nn.Linear(inputs, outputs)
        for parameter in (layer.weight, layer.bias):
            torch.nn.init.normal_(parameter, std=inputs**-0.5, generator=generator)
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def rotation_onto(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The orthogonal matrix R (d, d) for which y @ R is nearest to x, for rows x, y (n, d).

    R^T = U V^T, where U S V^T is the singular value decomposition of x^T y. Source: section 4.4
    (orthogonal Procrustes).
    """
    return linalg.orthogonal_procrustes(y, x)[0]


def rotate_second(model: torch.nn.Module, pairs: Pairs) -> None:
    """Rotate the outputs of the model's second tower onto those of the first, fitted on the train
    pairs. Source: section 4.4."""
    x, y = (side.double().cpu().numpy() for side in embed(model, pairs, pairs.train))
    fixed = model.get_buffer("rotation")
    rotation = torch.from_numpy(rotation_onto(x, y)).to(fixed)
    fixed.copy_(fixed @ rotation)


class Temperature:
    """The temperature of the loss, fixed or learnt. As in CLIP, the logarithm of the scale
    1/temperature is learnt, and the scale cannot exceed `largest_scale`."""

    def __init__(self, initial: float, learnt: bool, largest_scale: float = math.inf):
        self.initial, self.learnt, self.largest_scale = initial, learnt, largest_scale
        self.log_scale = torch.nn.Parameter(torch.tensor(-math.log(initial), dtype=torch.float64))

    def __call__(self) -> float | torch.Tensor:
        return (-self.log_scale).exp() if self.learnt else self.initial

    @torch.no_grad()
    def value(self) -> float:
        """The temperature as a number."""
        return float(self())

    @torch.no_grad()
    def clamp(self) -> None:
        """Limit a learnt scale to its bound. This is called after every step."""
        self.log_scale.clamp_(max=math.log(self.largest_scale))


class Adam:
    """Adam, or AdamW, with the functional form in torch.optim. With `optimiser` adam, weight decay
    is added to the gradient; with adamw, it is subtracted from the weights.

    (The first optimiser object of torch.optim in a process costs six seconds of imports, as long as
    several of these runs.)
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], settings: dict, decay: float):
        self.parameters: list[torch.Tensor] = list(parameters)
        self.settings, self.decay = settings, decay
        self.means, self.squares = (
            [torch.zeros_like(one) for one in self.parameters] for _ in range(2)
        )
        self.steps = [torch.tensor(0.0, device=one.device) for one in self.parameters]

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """Make one optimiser step at `factor` times the learning rate, then clear the gradients."""
        settings = self.settings
        adam(
            self.parameters,
            [cast(torch.Tensor, one.grad) for one in self.parameters],
            self.means,
            self.squares,
            [],
            self.steps,
            fused=True,
            decoupled_weight_decay=settings["optimiser"] == "adamw",
            amsgrad=False,
            beta1=settings["betas"][0],
            beta2=settings["betas"][1],
            lr=factor * settings["learning_rate"],
            weight_decay=self.decay,
            eps=settings["epsilon"],
            maximize=False,
        )
        for one in self.parameters:
            one.grad = None


def learning_rate_factor(step: int, steps: int, warmup: int, decay: str) -> float:
    """The factor of the learning rate at a step; steps are counted from 0. It rises linearly over
    `warmup` steps. Then it falls along half a cosine (`cosine`) or stays constant (`none`)."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if decay == "none":
        return 1.0
    return (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2
