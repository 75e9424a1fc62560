"""The value and gradient of a loss of the study, of two files: python -m modality_gap.losses NAME.

x and y are normalised first; the gradient is with respect to the unit rows.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from modality_gap.errors import InputError


def rows_of(path: Path) -> np.ndarray:
    """The matrix (n, d) of a .npy file, float64. Raises InputError for another file."""
    try:
        rows = np.load(path, allow_pickle=False).astype(np.float64)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as .npy ({error}); give another file.") from None
    if rows.ndim != 2:
        raise InputError(f"{path} has {rows.ndim} dimensions; give a matrix, a row per item.")
    return rows


def evaluate(
    name: str,
    files: dict[str, Path | None],
    scale: float,
    bias: float,
    settings: dict[str, float],
    seed: int,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Value of a loss, and its gradients (n, d) at unit rows x and y. `files` may have, beside x
    and y: a, b (frozen inputs), view_x, view_y, teacher_x, teacher_y; by default x and y."""
    import torch

    from modality_gap.training.losses.own import loss_of
    from modality_gap.training.losses.registry import Batch

    known = loss_of("the loss", name)
    raw = {key: torch.from_numpy(rows_of(path)) for key, path in files.items() if path}
    unit = {key: torch.nn.functional.normalize(rows, dim=1) for key, rows in raw.items()}
    x, y = (unit[side].clone().requires_grad_() for side in ("x", "y"))
    if x.shape != y.shape:
        raise InputError(
            f"{files['x']} and {files['y']} differ in shape; give two matrices of one shape."
        )

    def pair(one: str, other: str) -> tuple[torch.Tensor, torch.Tensor]:
        return unit.get(one, unit["x"]), unit.get(other, unit["y"])

    a, b = pair("a", "b")
    batch = Batch(
        *(torch.arange(len(x)), a, b, x, y, torch.Generator().manual_seed(seed)),
        make_views=lambda: pair("view_x", "view_y"),
        make_teacher=lambda: pair("teacher_x", "teacher_y"),
        bias=bias,
    )
    chosen = known.settings | settings
    if known.has_state:
        value = known.of(len(x), x.shape[1], seed, **chosen)(x, y, scale, batch)
    else:
        value = known.of(x, y, scale, batch, **chosen)
    value.backward()
    of_x, of_y = (np.zeros(v.shape) if v.grad is None else v.grad.numpy() for v in (x, y))
    return float(value.detach()), of_x, of_y


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m modality_gap.losses", description=__doc__)
    parser.add_argument("name", help="name of the loss, or FILE.py:FUNCTION")
    sides = ("x", "y", "a", "b", "view_x", "view_y", "teacher_x", "teacher_y")
    for side in sides:
        parser.add_argument(f"--{side.replace('_', '-')}", type=Path, required=side in ("x", "y"))
    parser.add_argument("--scale", type=float, required=True, help="1 over the temperature")
    parser.add_argument("--bias", type=float, default=-10.0, help="of the sigmoid loss")
    parser.add_argument("--seed", type=int, default=0, help="of what a loss draws")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=NUMBER")
    parser.add_argument("--gradient", type=Path, help="file; default: gradient_NAME.npz")
    args = parser.parse_args(arguments)
    try:
        settings = {}
        for entry in args.set:
            key, _, number = entry.partition("=")
            settings[key] = float(number)
        files = {side: getattr(args, side) for side in sides}
        value, of_x, of_y = evaluate(args.name, files, args.scale, args.bias, settings, args.seed)
    except (InputError, ValueError, TypeError) as error:
        sys.exit(f"error: {error}")
    path = args.gradient or Path(f"gradient_{args.name.rpartition(':')[2]}.npz")
    np.savez(path, x=of_x, y=of_y)
    print(f"{value:.15g}")


if __name__ == "__main__":
    main()
