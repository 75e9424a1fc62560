"""A trial of every loss of the study on a few pairs, before any training, to find a faulty loss at
once."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional

from modality_gap.errors import InputError
from modality_gap.training.losses.registry import Batch
from modality_gap.training.pairs import Pairs, captions_of
from modality_gap.training.recipes import Recipe, Scale
from modality_gap.training.towers import Towers

TRIAL = 16  # pairs


def made(recipe: Recipe, items: int, dim: int, seed: int) -> Callable[..., torch.Tensor]:
    """The loss of a method for one training run, as a function `of(x, y, logit_scale, batch)`. If
    the loss is a class, it is created with the number of training pairs, the dimension and the
    seed."""
    if recipe.loss.has_state:
        return recipe.loss.of(items, dim, seed, **recipe.all_settings)

    def of(x: torch.Tensor, y: torch.Tensor, scale: torch.Tensor | float, batch: Batch) -> Any:
        return recipe.loss.of(x, y, scale, batch, **recipe.all_settings)

    return of


def check_value(recipe: Recipe, value: Any, step: int) -> None:
    """Raise InputError if the value of a loss is not a finite number."""
    if not torch.is_tensor(value):
        said = f"gives {type(value).__name__}"
    elif value.shape != ():
        said = f"gives an array of the shape {tuple(value.shape)}"
    elif not torch.isfinite(value):
        said = f"gives {value.item()}"
    else:
        return
    raise InputError(
        f"{recipe.key}.loss: the loss {said} at step {step}; return one finite number, a tensor "
        "without dimensions."
    )


def try_losses(
    methods: Mapping[str, Recipe], pairs: Pairs, study: Mapping[str, Any], seed: int
) -> dict[str, dict[str, bool]]:
    """Compute every loss once, with its gradient, and return its traits by method.

    `sign_blind` is true if y and -y give the same loss; `raw` is true if the loss depends on the
    lengths of the outputs. Raises InputError, one sentence that names the key, if a loss raises an
    error, is not a finite number, or does not depend on both sides.
    """
    return {name: _try(recipe, pairs, study, seed) for name, recipe in methods.items()}


def _try(recipe: Recipe, pairs: Pairs, study: Mapping[str, Any], seed: int) -> dict[str, bool]:
    if recipe.loss.captions:
        try:
            captions_of(pairs)
        except InputError as error:
            raise InputError(f"{recipe.key}.loss: {error}") from None
    rows = pairs.train[:TRIAL]
    a, b = pairs.a[rows], pairs.b[rows]
    sizes = (a.shape[1], b.shape[1]), recipe.hidden_layers, study["width"], recipe.dim
    model, other = (Towers(*sizes, seed + more) for more in (0, 1))
    with torch.no_grad():
        raw = model.raw(a, b)

    def value(raw_x: torch.Tensor, raw_y: torch.Tensor) -> Any:
        loss, scale = made(recipe, len(pairs.a), recipe.dim, seed), Scale(recipe)
        if hasattr(loss, "begin"):
            loss.begin(other)
        batch = Batch(
            *(rows, a, b, raw_x, raw_y, torch.Generator().manual_seed(seed)),
            make_views=lambda: model(a, b),
            make_teacher=teacher_of(recipe, loss, other, a, b),
            bias=scale.offset(),
        )
        x, y = functional.normalize(raw_x), functional.normalize(raw_y)
        try:
            return loss(x, y, scale.at(0, 1), batch)
        except InputError as error:
            raise InputError(f"{recipe.key}.loss: {error}") from error
        except Exception as error:
            raise InputError(
                f"{recipe.key}.loss: {recipe.loss.source} raises {type(error).__name__} "
                f"({error}); correct the function."
            ) from error

    sides = [side.clone().requires_grad_() for side in raw]
    first = value(*sides)
    check_value(recipe, first, 0)
    if first.requires_grad:
        first.backward()
    for name, side in zip("xy", sides, strict=True):
        if side.grad is None or not side.grad.any():
            raise InputError(
                f"{recipe.key}.loss: the loss has no gradient with respect to {name}; compute "
                "the loss from both x and y."
            )
    turned, longer = value(raw[0], -raw[1]), value(2 * raw[0], 2 * raw[1])
    return {
        "sign_blind": bool(torch.isclose(turned, first, rtol=1e-4)),
        "raw": not torch.isclose(longer, first, rtol=1e-4),
    }


def teacher_of(
    recipe: Recipe, loss: Any, start: Towers | None, a: torch.Tensor, b: torch.Tensor
) -> Callable[[], tuple[torch.Tensor, torch.Tensor]] | None:
    """The function with which a batch gets the vectors of a teacher. The teacher is that of the
    loss, if it has one, or the trained start of the method. None if there is no teacher."""
    if hasattr(loss, "teacher"):
        return lambda: loss.teacher(a, b)
    if recipe.start == "trained" and start is not None:
        return lambda: start(a, b)
    return None
