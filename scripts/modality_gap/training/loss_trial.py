"""Every loss of the study on a few pairs before any training, so that one that does not work is
found at once."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional

from modality_gap.errors import InputError
from modality_gap.training.losses.registry import Batch
from modality_gap.training.pairs import Pairs
from modality_gap.training.recipes import Recipe, Scale
from modality_gap.training.towers import Towers

TRIAL = 16  # pairs


def made(recipe: Recipe, items: int, dim: int, seed: int) -> Callable[..., torch.Tensor]:
    """The loss of a method for one training run: `of(x, y, logit_scale, batch)`; a class is made
    with the number of training pairs, the dimension and the seed."""
    if recipe.loss.has_state:
        return recipe.loss.of(items, dim, seed, **recipe.all_settings)

    def of(x: torch.Tensor, y: torch.Tensor, scale: torch.Tensor | float, batch: Batch) -> Any:
        return recipe.loss.of(x, y, scale, batch, **recipe.all_settings)

    return of


def check_value(recipe: Recipe, value: Any, step: int) -> None:
    """Raise InputError for a loss that is no finite number."""
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
) -> None:
    """Compute every loss once with its gradient. Raises InputError, one sentence that names the
    key, for a loss that raises an error, is no finite number, or does not depend on both sides."""
    rows = pairs.train[:TRIAL]
    a, b = pairs.a[rows], pairs.b[rows]
    dims = a.shape[1], b.shape[1]
    models = [
        Towers(dims, study["hidden_layers"], study["width"], study["dim"], seed + more)
        for more in (0, 1)
    ]
    for recipe in methods.values():
        with torch.no_grad():
            raw = models[0].raw(a, b)
        raw_x, raw_y = (side.requires_grad_() for side in raw)
        scale = Scale(recipe)
        batch = Batch(
            *(rows, a, b, raw_x, raw_y, torch.Generator().manual_seed(seed)),
            make_views=lambda: models[0](a, b),
            make_teacher=(lambda: models[1](a, b)) if recipe.start == "trained" else None,
            bias=scale.offset(),
        )
        x, y = functional.normalize(raw_x), functional.normalize(raw_y)
        try:
            value = made(recipe, len(pairs.a), study["dim"], seed)(x, y, scale.at(0, 1), batch)
        except InputError as error:
            raise InputError(f"{recipe.key}.loss: {error}") from error
        except Exception as error:
            raise InputError(
                f"{recipe.key}.loss: {recipe.loss.source} raises {type(error).__name__} "
                f"({error}); correct it."
            ) from error
        check_value(recipe, value, 0)
        if value.requires_grad:
            value.backward()
        for name, side in (("x", raw_x), ("y", raw_y)):
            if side.grad is None or not side.grad.any():
                raise InputError(
                    f"{recipe.key}.loss: the loss has no gradient with respect to {name}; compute "
                    "it from both sides."
                )
