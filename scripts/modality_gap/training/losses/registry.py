"""The registry of the losses that the study trains with.

To add a loss, write a function or a class in one of the modules that catalogue.py imports, decorate
it with `loss`, and test it against an independent computation. Settings that are not part of the
loss (temperature, batch size, augmentation, start) are keys of the method in the configuration.

x, y are unit rows (B, d) of the two modalities; row i of both is one pair. s, the logit scale, is 1
over the temperature.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import torch

from modality_gap.errors import InputError


@dataclass(frozen=True)
class Batch:
    """What a loss may use besides x and y. Values that take time are computed only when used.

    `rows` (B,): indices of the training pairs; `a`, `b` (B, p), (B, q): unit frozen inputs of the
    two towers; `raw_x`, `raw_y` (B, d): outputs before normalising; `make_views`: returns second
    views x', y'; `make_teacher`: returns x, y of the model before training; `make_texts`: returns
    places (P,) in the batch, one of each picture, and K texts of each of these (P K, d), picture by
    picture; `bias`: added to scaled cosines; `step`, `steps`: this step, and their number;
    `generator`: random numbers for the loss alone.
    """

    rows: torch.Tensor
    a: torch.Tensor
    b: torch.Tensor
    raw_x: torch.Tensor
    raw_y: torch.Tensor
    generator: torch.Generator
    make_views: Callable[[], tuple[torch.Tensor, torch.Tensor]] | None = None
    make_teacher: Callable[[], tuple[torch.Tensor, torch.Tensor]] | None = None
    make_texts: Callable[[], tuple[torch.Tensor, torch.Tensor]] | None = None
    bias: torch.Tensor | float = 0.0
    step: int = 0
    steps: int = 1

    @cached_property
    def views(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Second views x', y' (B, d), unit rows."""
        if self.make_views is None:
            raise InputError("this loss needs second views of the batch; give `make_views`.")
        return self.make_views()

    @cached_property
    def teacher(self) -> tuple[torch.Tensor, torch.Tensor]:
        """x, y (B, d) of the model before training, without gradient."""
        if self.make_teacher is None:
            raise InputError(
                "this loss starts from a trained model; set `start: trained`, or in Python give "
                "`make_teacher`."
            )
        with torch.no_grad():
            return self.make_teacher()


@dataclass(frozen=True)
class FollowUpLoss:
    """A loss by name: `of(x, y, logit_scale, batch, **settings)` returns a scalar. If the loss has
    a state, `of` is a class. One object of it is made per training run, with the settings, the
    number of training pairs, the dimension and the seed. `passes`: forward passes per step.
    `captions`: it needs several texts per picture."""

    name: str
    label: str
    source: str
    of: Callable[..., Any]
    settings: dict = field(default_factory=dict)
    passes: int = 1
    captions: bool = False

    @property
    def has_state(self) -> bool:
        """Whether the loss is a class."""
        return isinstance(self.of, type)


FOLLOW_UP_LOSSES: dict[str, FollowUpLoss] = {}
Of = TypeVar("Of", bound=Callable[..., Any])


def loss(
    name: str,
    label: str,
    source: str,
    passes: int = 1,
    captions: bool = False,
    **settings: object,
) -> Callable[[Of], Of]:
    """Decorator: register a loss under a name. It may be used several times on one function, with
    other settings."""

    def register(of: Of) -> Of:
        if name in FOLLOW_UP_LOSSES:
            raise InputError(f"there are two losses named {name}; rename one.")
        FOLLOW_UP_LOSSES[name] = FollowUpLoss(name, label, source, of, settings, passes, captions)
        return of

    return register
