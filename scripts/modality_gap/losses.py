"""The value and gradient of a loss of the study for two files: python -m modality_gap.losses NAME.

x and y are normalised first. The result file has the gradient at the unit rows (x, y), and its part
along the sphere (x_sphere, y_sphere). If a loss takes raw outputs, it gets the rows as they are in
the files, and its gradient is taken at these rows.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from modality_gap.errors import InputError


def rows_of(path: Path) -> np.ndarray:
    """The matrix (n, d) in a .npy file, as float64. Raises InputError if the file holds anything
    else."""
    try:
        rows = np.load(path, allow_pickle=False).astype(np.float64)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as .npy ({error}); give another file.") from None
    if rows.ndim != 2:
        raise InputError(
            f"{path}: the array has {rows.ndim} axes. Give a matrix with one row per item."
        )
    return rows


def evaluate(
    name: str,
    files: dict[str, Path | None],
    scale: float,
    bias: float,
    settings: dict[str, float],
    seed: int,
) -> tuple[float, np.ndarray, np.ndarray]:
    """The value of a loss, and its gradients (n, d) with respect to the unit rows x and y.
    Gradients with respect to the raw rows are added to these.

    Besides x and y, `files` may have a, b (frozen inputs), view_x, view_y, teacher_x and teacher_y;
    by default, these are x and y. If a loss takes several texts per picture, y may have K rows for
    each row of x, one picture after the other.
    """
    import torch

    from modality_gap.training.losses.own import loss_of
    from modality_gap.training.losses.registry import Batch

    known = loss_of("the loss", name)
    raw = {key: torch.from_numpy(rows_of(path)) for key, path in files.items() if path}
    unit = {key: torch.nn.functional.normalize(rows, dim=1) for key, rows in raw.items()}
    x, y = (unit[side].clone().requires_grad_() for side in ("x", "y"))
    raw_x, raw_y = (raw[side].clone().requires_grad_() for side in ("x", "y"))
    several = known.captions and x.shape[1] == y.shape[1] and len(y) % len(x) == 0
    if x.shape != y.shape and not several:
        raise InputError(
            f"{files['x']} and {files['y']} differ in shape; give two matrices of one shape."
        )

    def pair(one: str, other: str) -> tuple[torch.Tensor, torch.Tensor]:
        return unit.get(one, unit["x"]), unit.get(other, unit["y"])

    a, b = pair("a", "b")
    batch = Batch(
        *(torch.arange(len(x)), a, b, raw_x, raw_y, torch.Generator().manual_seed(seed)),
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
    of_x, of_y = (
        np.sum([v.grad.numpy() for v in leaves if v.grad is not None], axis=0)
        + np.zeros(leaves[0].shape)
        for leaves in ((x, raw_x), (y, raw_y))
    )
    return float(value.detach()), of_x, of_y


def along_sphere(rows: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """The gradient (n, d) at unit rows (n, d), without its component along each row."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return gradient - (gradient * unit).sum(axis=1, keepdims=True) * unit


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
    tangents = [along_sphere(rows_of(f), g) for f, g in ((args.x, of_x), (args.y, of_y))]
    np.savez(path, x=of_x, y=of_y, x_sphere=tangents[0], y_sphere=tangents[1])
    print(f"{value:.15g}")


if __name__ == "__main__":
    main()
