"""The methods of the study of losses: a loss with all that is not the loss."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from modality_gap.errors import InputError
from modality_gap.training.losses.own import check_settings, loss_of
from modality_gap.training.losses.registry import FollowUpLoss


@dataclass(frozen=True)
class Recipe:
    """A method of the study.

    `temperature`: {"fixed": t}, {"learnt": t, "largest_scale": s} or {"from": t, "to": t}, linear
    in the steps. `bias`: None, or the start of a learnt bias; `fixed_bias` for one that stays.
    `start`: "scratch", or "trained" for the finished baseline of the same seed.
    """

    name: str
    label: str
    loss: FollowUpLoss
    settings: dict = field(default_factory=dict)
    temperature: dict = field(default_factory=lambda: {"fixed": 0.01})
    bias: float | None = None
    fixed_bias: float = 0.0
    start: str = "scratch"

    @property
    def key(self) -> str:
        """Where the configuration has it."""
        return f"loss_study.methods.{self.name}"

    @property
    def all_settings(self) -> dict:
        """The loss's settings, those of the configuration first."""
        return self.loss.settings | self.settings


def recipes(study: Mapping[str, Any]) -> dict[str, Recipe]:
    """The methods of the configuration by name. Raises InputError for an unknown loss or setting,
    or a baseline that is not there."""
    chosen = {}
    for name, entry in study["methods"].items():
        key = f"loss_study.methods.{name}"
        loss = loss_of(f"{key}.loss", entry["loss"])
        check_settings(f"{key}.settings", loss, entry.get("settings", {}))
        rest = {key: value for key, value in entry.items() if key not in ("loss", "label")}
        chosen[name] = Recipe(name, entry.get("label", loss.label or name), loss, **rest)
    if study["baseline"] not in chosen:
        raise InputError(
            f"loss_study.baseline is {study['baseline']!r}, which is no method; name one."
        )
    return chosen


class Scale:
    """The logit scale and the bias of a run, with what of them is learnt."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        start = recipe.temperature.get("fixed", recipe.temperature.get("learnt", 1.0))
        self.log_scale = torch.nn.Parameter(torch.tensor(-math.log(start)))
        self.bias = torch.nn.Parameter(torch.tensor(float(recipe.bias or 0)))
        self.largest = math.log(recipe.temperature.get("largest_scale", 100.0))

    def learning(self) -> list[torch.nn.Parameter]:
        """The learnt ones."""
        learnt = [self.log_scale] if "learnt" in self.recipe.temperature else []
        return learnt + ([self.bias] if self.recipe.bias is not None else [])

    def at(self, step: int, steps: int) -> torch.Tensor | float:
        """The logit scale at a step, counted from 0."""
        setting = self.recipe.temperature
        if "learnt" in setting:
            return self.log_scale.exp()
        if "fixed" in setting:
            return 1 / setting["fixed"]
        part = step / max(1, steps - 1)
        return 1 / (setting["from"] + (setting["to"] - setting["from"]) * part)

    def offset(self) -> torch.Tensor | float:
        """The bias."""
        return self.recipe.fixed_bias if self.recipe.bias is None else self.bias

    @torch.no_grad()
    def clamp(self) -> None:
        """Limit a learnt scale; called after every step."""
        self.log_scale.clamp_(max=self.largest)
