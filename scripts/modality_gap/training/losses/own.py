"""Losses by their names in the configuration: built-in losses, and losses in the user's files."""

import hashlib
import inspect
import re
import sys
from pathlib import Path
from typing import Any

from modality_gap.config.own_functions import check_options, file_of, own_function
from modality_gap.errors import InputError
from modality_gap.training.losses.catalogue import FOLLOW_UP_LOSSES
from modality_gap.training.losses.registry import FollowUpLoss

CONSTANTS = (bool, int, float, str, bytes, tuple)
GIVEN = {"self", "x", "y", "logit_scale", "batch", "items", "dim", "seed"}


def loss_of(key: str, name: str) -> FollowUpLoss:
    """The loss with a name: a built-in loss, or the function or class at FILE.py:FUNCTION, which is
    written as in registry.py. Raises InputError, one sentence that names `key`, if there is no such
    loss."""
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
    check_options(key, "loss", loss.of, GIVEN, settings)


def source_of(loss: FollowUpLoss) -> str:
    """A digest of the source code of a loss, and of all functions, classes and constants of the
    project that it uses, directly or indirectly. For a loss in a user's file, it is a digest of the
    whole file."""
    path = file_of(loss.name)
    if path:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    found: dict[str, str] = {}
    todo: list[Any] = [loss.of]
    while todo:
        one = todo.pop()
        place = f"{one.__module__}.{one.__qualname__}"
        if place not in found:
            found[place] = inspect.getsource(one)
            there = vars(sys.modules[one.__module__])
            names = there.keys() & set(re.findall(r"\w+", found[place]))
            for name, value in ((name, there[name]) for name in names):
                if isinstance(value, CONSTANTS):
                    found[f"{one.__module__}.{name}"] = repr(value)
                elif inspect.isfunction(value) or inspect.isclass(value):
                    todo += [value] if value.__module__.startswith("modality_gap.") else []
    return hashlib.sha256("\n".join(found[place] for place in sorted(found)).encode()).hexdigest()
