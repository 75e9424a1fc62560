"""Losses by the name that the configuration gives: those of the project and those in files of the
user's."""

import inspect

from modality_gap.config.own_functions import own_function
from modality_gap.errors import InputError
from modality_gap.training.losses.catalogue import FOLLOW_UP_LOSSES
from modality_gap.training.losses.registry import FollowUpLoss

GIVEN = {"self", "x", "y", "logit_scale", "batch", "items", "dim", "seed"}


def loss_of(key: str, name: str) -> FollowUpLoss:
    """The loss of a name of the project, or of FILE.py:FUNCTION, a function or class as in
    registry.py. Raises InputError, one sentence that names `key`, for what is not there."""
    if ":" in name:
        return FollowUpLoss(name, "", name, own_function(key, name))
    if name not in FOLLOW_UP_LOSSES:
        raise InputError(
            f"{key} is {name!r}; give one of {', '.join(sorted(FOLLOW_UP_LOSSES))}, or "
            "FILE.py:FUNCTION."
        )
    return FOLLOW_UP_LOSSES[name]


def check_settings(key: str, loss: FollowUpLoss, settings: dict) -> None:
    """Raise InputError for a setting under `key` that the loss does not take."""
    parameters = inspect.signature(loss.of).parameters
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return
    known = [name for name in parameters if name not in GIVEN]
    for name in settings:
        if name not in known:
            there = f"give one of {', '.join(known)}" if known else "remove it"
            raise InputError(f"{key}.{name}: the loss has no such setting; {there}.")
