"""The methods of the study of losses. A method is a loss with a temperature, start, towers and
optimiser."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch

from modality_gap.errors import InputError
from modality_gap.training.losses.own import check_settings, loss_of, source_of
from modality_gap.training.losses.registry import FollowUpLoss

SWAPPED_STEPS = 15  # with fewer swapped steps, the effect would never be seen


@dataclass(frozen=True)
class Recipe:
    """A method of the study.

    `temperature` is {"fixed": t}, {"learnt": t, "largest_scale": s, "rate": r}, {"softplus": t}, or
    {"from": t, "to": t}, which changes linearly with the steps. `bias` is None, or the initial
    value of a learnt bias; `fixed_bias` is a bias that does not change. `start` is "scratch", or
    "trained" for the trained baseline of the same seed. `augment` is the length of the noise on the
    inputs. `swap` is {"kind": "hard" or "soft", "share": of steps}. If `shared` is true, both
    towers share all layers except the first. `grid` has values of one setting of the loss, of the
    fixed temperature or of `augment`, for a selection to try. `selected` is true if a selection
    made the method.
    """

    name: str
    label: str
    loss: FollowUpLoss
    settings: dict = field(default_factory=dict)
    temperature: dict = field(default_factory=lambda: {"fixed": 0.01})
    bias: float | None = None
    fixed_bias: float = 0.0
    start: str = "scratch"
    hidden_layers: int = 0
    dim: int = 128
    batch_size: int | None = None
    learning_rate: float | None = None
    augment: float = 0.0
    swap: dict = field(default_factory=dict)
    shared: bool = False
    grid: dict = field(default_factory=dict)
    selected: bool = False

    @property
    def key(self) -> str:
        """The key of the method in the configuration."""
        return f"loss_study.methods.{self.name}"

    @property
    def all_settings(self) -> dict:
        """The settings of the loss. Settings in the configuration replace those of the loss."""
        return self.loss.settings | self.settings

    def identity(self) -> dict:
        """Everything that determines the training runs of the method, as JSON. The settings of the
        study are not included."""
        left_out = ("name", "label", "loss", "grid", "selected")
        own = {one.name: getattr(self, one.name) for one in fields(self)}
        own = {name: value for name, value in own.items() if name not in left_out}
        return own | {"settings": self.all_settings, "loss": source_of(self.loss)}


def recipes(study: Mapping[str, Any]) -> dict[str, Recipe]:
    """The methods of the configuration by name. After them come the same methods with other towers,
    if `towers` lists any. Raises InputError for an unknown loss or setting, for a missing baseline,
    and for settings that do not fit together."""
    chosen: dict[str, Recipe] = {}
    for name, entry in study["methods"].items():
        key = f"loss_study.methods.{name}"
        loss = loss_of(f"{key}.loss", entry["loss"])
        check_settings(f"{key}.settings", loss, entry.get("settings", {}))
        rest = {one: study[one] for one in ("hidden_layers", "dim")}
        rest |= {
            one: value for one, value in entry.items() if one not in ("loss", "label", "claims")
        }
        chosen[name] = Recipe(name, entry.get("label", loss.label or name), loss, **rest)
        _check(chosen[name], study)
    if study["baseline"] not in chosen:
        raise InputError(
            f"loss_study.baseline is {study['baseline']!r}; name one of loss_study.methods."
        )
    other = {}
    for towers in study.get("towers", ()):
        layers, dim = towers["hidden_layers"], towers["dim"]
        for name, recipe in chosen.items():
            if "hidden_layers" not in study["methods"][name]:
                new = f"{name}_{layers}x{dim}"
                label = f"{recipe.label}, {layers} hidden layers, {dim} dimensions"
                other[new] = replace(recipe, name=new, label=label, **towers)
    return chosen | other


def _check(recipe: Recipe, study: Mapping[str, Any]) -> None:
    if recipe.shared and not recipe.hidden_layers:
        raise InputError(
            f"{recipe.key}.shared needs towers with hidden layers; give hidden_layers: 1."
        )
    if recipe.swap:
        steps = budget(recipe, study)["steps"]
        least = SWAPPED_STEPS / steps
        if least > 1:
            raise InputError(
                f"{recipe.key}.swap needs at least {SWAPPED_STEPS} steps, but the method has "
                f"{steps}; give more steps."
            )
        if recipe.swap["share"] < least:
            enough = math.ceil(1e4 * least) / 1e4
            raise InputError(
                f"{recipe.key}.swap.share is {recipe.swap['share']}, which is too little for "
                f"{steps} steps; give at least {enough:g}."
            )
    if recipe.grid and len(recipe.grid) != 1:
        raise InputError(f"{recipe.key}.grid has {len(recipe.grid)} settings; give exactly one.")
    knob = {*recipe.grid} - {"temperature", "augment"}
    check_settings(f"{recipe.key}.grid", recipe.loss, dict.fromkeys(knob))


def budget(recipe: Recipe, study: Mapping[str, Any]) -> dict[str, Any]:
    """The optimiser, the batches and the number of steps of a method."""
    chosen = dict(study["optimisation"])
    if recipe.start == "trained":
        chosen |= study["after_training"]
    own = {"batch_size": recipe.batch_size, "learning_rate": recipe.learning_rate}
    return chosen | {name: value for name, value in own.items() if value is not None}


SAME_TRAINING = ("start", "hidden_layers", "dim", "selected")
# What must be equal where two losses are compared, beside the towers and the start.
SAME_BUT_LOSS = ("temperature", "batch_size", "augment", "swap", "shared")


def compared_with(recipe: Recipe, methods: Mapping[str, Recipe], study: Mapping) -> Recipe:
    """The method with which `recipe` is compared. It has the baseline's loss, and the same towers
    and start as `recipe`.

    Such methods can differ in temperature, batch size, augmentation, exchange and sharing. If the
    loss of `recipe` is not that of the baseline, the method that shares these settings with
    `recipe` is taken. Otherwise, or if there is none, it is the method with the settings of the
    baseline.
    """
    base = methods[study["baseline"]]

    def like(one: Recipe, other: Recipe, names: tuple[str, ...]) -> bool:
        return all(getattr(one, name) == getattr(other, name) for name in names)

    plain = [
        one
        for one in methods.values()
        if one.loss.name == base.loss.name and like(one, recipe, SAME_TRAINING)
    ]
    of_loss = [one for one in plain if like(one, recipe, SAME_BUT_LOSS)]
    of_base = [one for one in plain if like(one, base, SAME_BUT_LOSS)]
    found = of_base if recipe.loss.name == base.loss.name else of_loss or of_base
    if recipe.selected:
        towers = f"_{recipe.hidden_layers}x{recipe.dim}"
        names = {f"{base.name}{more}_selected" for more in ("", towers)}
        found = [one for one in plain if one.name in names] or found
    return found[0] if found else base


class Scale:
    """The logit scale and the bias of a run. Each of them may be learnt."""

    def __init__(self, recipe: Recipe):
        self.setting = setting = recipe.temperature
        self.recipe = recipe
        self.softplus = "softplus" in setting
        start = setting.get("softplus", setting.get("fixed", setting.get("learnt", 1.0)))
        # What is learnt: the logarithm of the scale, or the number whose softplus it is.
        self.learnt = torch.nn.Parameter(torch.tensor(self._inverse(1 / start)))
        self.bias = torch.nn.Parameter(torch.tensor(float(recipe.bias or 0)))
        self.largest = self._inverse(setting.get("largest_scale", 100.0))
        self.rate = setting.get("rate", 1.0)

    def _inverse(self, scale: float) -> float:
        return scale + math.log(-math.expm1(-scale)) if self.softplus else math.log(scale)

    def learning(self) -> list[torch.nn.Parameter]:
        """The parameters that are learnt."""
        learns = self.softplus or "learnt" in self.setting
        return [self.learnt] * learns + ([self.bias] if self.recipe.bias is not None else [])

    def at(self, step: int, steps: int) -> torch.Tensor | float:
        """The logit scale at a step; steps are counted from 0."""
        if self.softplus:
            return torch.nn.functional.softplus(self.learnt)
        if "learnt" in self.setting:
            return self.learnt.exp()
        if "fixed" in self.setting:
            return 1 / self.setting["fixed"]
        part = step / max(1, steps - 1)
        return 1 / (self.setting["from"] + (self.setting["to"] - self.setting["from"]) * part)

    def offset(self) -> torch.Tensor | float:
        """The bias."""
        return self.recipe.fixed_bias if self.recipe.bias is None else self.bias

    @torch.no_grad()
    def clamp(self) -> None:
        """Limit a learnt scale. This is called after every step."""
        self.learnt.clamp_(max=self.largest)
