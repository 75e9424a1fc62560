"""Blocks of cosines on a GPU, for computations that compare every vector with many others.

cone.py, retrieval.py and loss_sweep.py compute with numpy. If `device_for` names a device, they
hand their blocks to these functions instead. Both ways are in float64 and differ by rounding alone.
The functions take and return numpy's arrays. torch takes seconds to import, so it is imported only
where there is a driver for a GPU and the work is worth it.
"""

import ctypes
import os
import sys

import numpy as np

# Cosines, each as often as it is moved. For so many numpy takes 13 to 30 seconds of a core, and
# torch and CUDA some seconds to start.
WORTH = 1_000_000_000
AT_ONCE = 1 << 22  # cosines that a sweep moves at once
SIDE = 4096  # rows and columns of a block of cosines: 128 MB
MEMORY = 2 << 30  # bytes of the GPU that must be free: a few times what one block needs
# What batch systems set in every job. A GPU that a job was not given may be another's.
BATCH_JOBS = ("SLURM_JOB_ID", "LSB_JOBID", "PBS_JOBID", "JOB_ID", "_CONDOR_JOB_AD")


def device_for(cosines: int) -> str | None:
    """Where to compute that many cosines: "cuda" for torch, or None for numpy on the CPU. It is
    None if the cosines are few, if torch sees no GPU with free memory, or if a batch job was given
    no GPU."""
    if cosines < WORTH or _is_given_none() or not _has_driver():
        return None
    try:
        import torch
    except ImportError:  # as in the conda environment of statistics
        return None
    try:
        if not torch.cuda.is_available() or torch.cuda.mem_get_info()[0] < MEMORY:
            return None
    except RuntimeError:  # a GPU that another process has for itself
        return None
    print(f"{cosines:,} cosines: on {torch.cuda.get_device_name()}", file=sys.stderr)
    return "cuda"


def _is_given_none() -> bool:
    in_batch_job = any(name in os.environ for name in BATCH_JOBS)
    return in_batch_job and not os.environ.get("CUDA_VISIBLE_DEVICES")


def _has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def count_block(
    rows: np.ndarray, others: np.ndarray, same: bool, edges: np.ndarray, device: str
) -> tuple[np.ndarray, float, float] | None:
    """The cosines of unit vectors (m, d) with others (k, d): their counts between `edges`, the
    smallest and the largest. If both are the same vectors, each pair counts once. None if there is
    no pair."""
    import torch

    with torch.inference_mode():
        left, right = (torch.as_tensor(side, device=device) for side in (rows, others))
        cosines = left @ right.T
        if same:
            cosines = cosines[torch.ones_like(cosines, dtype=torch.bool).triu(1)]
        if not cosines.numel():
            return None
        cosines = cosines.flatten().clamp_(-1, 1)
        bins = len(edges) - 1
        numbers = torch.bucketize(cosines, torch.as_tensor(edges, device=device), right=True) - 1
        # The last bin holds its upper edge too.
        counts = torch.bincount(numbers.clamp_(max=bins - 1), minlength=bins)
        return counts.cpu().numpy(), float(cosines.min()), float(cosines.max())


def count_nearer(
    of_x: np.ndarray,
    of_y: np.ndarray,
    partner_of_x: tuple[np.ndarray, np.ndarray, np.ndarray],
    partner_of_y: tuple[np.ndarray, np.ndarray, np.ndarray],
    tie: float,
    device: str,
) -> tuple[np.ndarray, np.ndarray]:
    """The result of `retrieval.count_nearer` for some items, computed on a device."""
    import torch

    with torch.inference_mode():
        left, right = (torch.as_tensor(side, device=device) for side in (of_x, of_y))
        cosines = left @ right.T
        own_x, place_x, i = (torch.as_tensor(side, device=device) for side in partner_of_x)
        own_y, place_y, j = (torch.as_tensor(side, device=device) for side in partner_of_y)

        def slack(first: torch.Tensor) -> torch.Tensor:
            return torch.where(first, tie, -tie).to(cosines.dtype)

        nearer = cosines > own_x[:, None] + slack(place_x[:, None] <= j)
        of_rows = nearer.sum(dim=1)
        nearer = cosines > own_y + slack(place_y <= i[:, None])
        return of_rows.cpu().numpy(), nearer.sum(dim=0).cpu().numpy()


def sums_of_part(
    x: np.ndarray,
    y: np.ndarray,
    x_along: np.ndarray,
    y_along: np.ndarray,
    deltas: np.ndarray,
    temperatures: np.ndarray,
    no_direction: float,
    device: str,
) -> tuple[np.ndarray, np.ndarray]:
    """The result of `loss_sweep._sums_of_part` for a part, computed on a device: rows x (batches,
    m, d) against batches y (batches, n, d). `x_along` (batches, m) and `y_along` (batches, n) are
    the products of x and y with the gap's direction. A vector whose squared length is at most
    `no_direction` makes its sums NaN."""
    import torch

    with torch.inference_mode():
        left, right, left_along, right_along, halves, scales = (
            torch.as_tensor(side, dtype=torch.float64, device=device)
            for side in (x, y, x_along, y_along, np.asarray(deltas) / 2, 1 / temperatures)
        )
        similarity = left @ right.transpose(1, 2)
        scales = scales[:, None, None, None]
        of_rows, of_columns = [], []
        for half in halves:
            moved = similarity + (half * left_along - half**2)[..., None]
            moved += (-half * right_along)[:, None]
            for squares in (
                (1 - 2 * half * left_along + half**2)[..., None],
                (1 + 2 * half * right_along + half**2)[:, None],
            ):
                moved /= torch.where(squares > no_direction, squares, torch.nan).sqrt()
            powers = (moved - 1) * scales
            powers.exp_()
            of_rows.append(powers.sum(dim=-1).log_().sum(dim=-1))
            of_columns.append(powers.sum(dim=-2))
        return (
            torch.stack(of_rows, dim=1).cpu().numpy(),
            torch.stack(of_columns, dim=1).cpu().numpy(),
        )
