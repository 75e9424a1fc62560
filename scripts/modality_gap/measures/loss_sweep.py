"""The contrastive loss against the gap (paper, section 4 and Figure 3).

A shift moves both modalities along the unit gap vector u, by half of delta each, and puts them back
on the sphere: x <- normalise(x - delta/2 u), y <- normalise(y + delta/2 u). A positive delta closes
the gap. A shift changes the matrix of similarities by rank-one terms only. So the matrix is
computed once, a part at a time, and each further delta costs only O(n) per row.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import combinations_with_replacement
from math import isclose

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from modality_gap.data.tiles import map_ahead, tiles
from modality_gap.errors import InputError
from modality_gap.measures import on_gpu
from modality_gap.measures.losses import LOSSES, Loss, cross_entropies
from modality_gap.measures.shift import (
    NO_DIRECTION,
    ROWS,
    lengths_after,
    shifted_similarity,
    signed_distances,
    unit_gap_vector,
)

# From here on exp(-2 / temperature), of the least cosine, is above the smallest float64.
LOWEST_FOR_ONE_EXPONENTIAL = 1 / 300
COSINES = 1 << 17  # at once: a megabyte, and as much for each temperature
ROWS_ON_GPU = 8 * ROWS  # pairs that a sweep on a GPU has in memory


def count_batches(n: int, batch_size: int) -> int:
    """The number of whole batches in n pairs. Raises InputError if there is none."""
    if n < batch_size:
        raise InputError(
            f"loss_landscape.batch_size is {batch_size}, but the set has only {n} pairs. "
            "Lower it, or give more pairs."
        )
    return n // batch_size


def sweep_cross_entropies(
    x: np.ndarray,
    y: np.ndarray,
    u: np.ndarray,
    deltas: np.ndarray,
    temperatures: list[float],
    batch_size: int,
    threads: int = 1,
    device: str | None = None,
) -> np.ndarray:
    """The cross-entropies of consecutive batches of unit vectors x, y (n, d) after shifts by
    `deltas` along u: (2, temperatures, deltas, batches), x to y first. An incomplete last batch is
    left out.

    All numbers are float64 and do not depend on the number of threads that share the parts. On a
    `device` of torch's, they are the same to rounding. A batch may be the whole set, because only a
    part of its matrix is in memory. Sums over its columns take 8 bytes for each of temperatures x
    deltas x n.
    """
    batches = count_batches(len(x), batch_size)
    x, y = (side[: batches * batch_size].reshape(batches, batch_size, -1) for side in (x, y))
    at_once, threads = (on_gpu.AT_ONCE, 1) if device else (COSINES, threads)
    together = max(1, at_once // batch_size**2)  # whole batches at once, or some rows of one
    height = min(batch_size, max(1, at_once // batch_size))
    parts = [
        (slice(batch, batch + together), slice(row, row + height))
        for batch in range(0, batches, together)
        for row in range(0, batch_size, height)
    ]
    deltas, values = np.asarray(deltas), np.asarray(temperatures, dtype=np.float64)
    one = values >= LOWEST_FOR_ONE_EXPONENTIAL
    rows = np.zeros((len(values), len(deltas), batches))
    columns, sums = np.zeros_like(rows), np.zeros(())
    # BLAS's own threads would wait for one another while these are at work.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        work = partial(_sums_of_part, x, y, x @ u, y @ u, deltas, values[one], device)
        # Results are taken in order, so only as many batches are started as keep the threads busy.
        done = map_ahead(pool, work, parts, ahead=2 * threads)
        for (batch, row), (of_rows, of_columns) in zip(parts, done, strict=True):
            rows[one, :, batch] += of_rows
            sums = sums + of_columns
            if row.start + height >= batch_size:
                columns[one, :, batch] = np.log(sums).sum(axis=-1)
                sums = np.zeros(())
    right = _cosines_of_partners(x, y, u, deltas) - 1
    losses = np.stack([rows, columns]) / batch_size - right / values[:, None, None]
    if not one.all():
        losses[:, ~one] = _sweep_at_low_temperatures(x, y, u, deltas, values[~one], together)
    return losses


def _sweep_at_low_temperatures(
    x: np.ndarray,
    y: np.ndarray,
    u: np.ndarray,
    deltas: np.ndarray,
    temperatures: np.ndarray,
    together: int,
) -> np.ndarray:
    """The same as `sweep_cross_entropies`, for temperatures below LOWEST_FOR_ONE_EXPONENTIAL, at
    which each row and column needs its own largest cosine. x, y (batches, n, d); `together` batches
    are computed at once."""
    losses = np.empty((2, len(temperatures), len(deltas), len(x)))
    for start in range(0, len(x), together):
        some = slice(start, start + together)
        similarity = x[some] @ y[some].transpose(0, 2, 1)
        for column, delta in enumerate(deltas):
            moved = shifted_similarity(similarity, x[some] @ u, y[some] @ u, delta)
            for place, temperature in enumerate(temperatures):
                losses[:, place, column, some] = cross_entropies(moved, temperature)
    return losses


def _sums_of_part(
    x: np.ndarray,
    y: np.ndarray,
    x_along: np.ndarray,
    y_along: np.ndarray,
    deltas: np.ndarray,
    temperatures: np.ndarray,
    device: str | None,
    part: tuple[slice, slice],
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of exp((cosine - 1) / temperature) in a `part`: some batches and rows of x (batches, n,
    d). Returns the sum of the logs of the sums of rows, (temperatures, deltas, b), and the sums of
    columns, (..., b, n). A cosine is at most 1, so one exponential serves rows and columns without
    overflow."""
    batch, row = part
    x, y, x_along, y_along = x[batch, row], y[batch], x_along[batch, row], y_along[batch]
    if device:
        grid = deltas, temperatures, NO_DIRECTION, device
        return on_gpu.sums_of_part(x, y, x_along, y_along, *grid)
    similarity = np.matmul(x, y.transpose(0, 2, 1), dtype=np.float64)
    half = deltas[:, None, None] / 2
    # The formula of `shifted_similarity`, its roots and terms ready for all shifts.
    x_terms, y_terms = half * x_along - half**2, -half * y_along
    x_scales = 1 / lengths_after(1 - 2 * half * x_along + half**2)
    y_scales = 1 / lengths_after(1 + 2 * half * y_along + half**2)
    of_rows = np.empty((len(temperatures), len(deltas), len(x)))
    of_columns = np.empty((*of_rows.shape, y.shape[1]))
    moved = np.empty_like(similarity)
    powers = np.empty((len(temperatures), *similarity.shape))
    plan = _plan_of_powers(1 / temperatures)
    for number in range(len(deltas)):
        np.add(similarity, x_terms[number][..., None], out=moved)
        moved += y_terms[number][:, None]
        moved *= x_scales[number][..., None]
        moved *= y_scales[number][:, None]
        moved -= 1
        for place, factors in plan:
            if factors:
                np.multiply(powers[factors[0]], powers[factors[1]], out=powers[place])
            else:
                np.multiply(moved, 1 / temperatures[place], out=powers[place])
                np.exp(powers[place], out=powers[place])
            of_rows[place, number] = np.log(np.einsum("bij->bi", powers[place])).sum(axis=-1)
            np.einsum("bij->bj", powers[place], out=of_columns[place, number])
    return of_rows, of_columns


def _plan_of_powers(scales: np.ndarray) -> list[tuple[int, tuple[int, int] | None]]:
    """A plan for computing exp(z * scale) for all scales, in ascending order. If two earlier scales
    add up to a scale, the plan has both, because the value is the product of their values.
    Otherwise it has None: the value must be exponentiated, which costs as much as several
    products."""
    plan: list[tuple[int, tuple[int, int] | None]] = []
    for place in np.argsort(scales):
        pairs = combinations_with_replacement([before for before, _ in plan], 2)
        sums = (
            pair
            for pair in pairs
            if isclose(scales[list(pair)].sum(), scales[place], rel_tol=1e-14)
        )
        plan.append((int(place), next(sums, None)))
    return plan


def _cosines_of_partners(
    x: np.ndarray, y: np.ndarray, u: np.ndarray, deltas: np.ndarray
) -> np.ndarray:
    """The mean cosine of partners after each shift, (deltas, batches), for x, y (batches, n, d)."""
    partners, x_along, y_along = np.einsum("bid,bid->bi", x, y), x @ u, y @ u
    return np.stack(
        [
            shifted_similarity(
                partners[..., None, None], x_along[..., None], y_along[..., None], delta
            )[..., 0, 0].mean(axis=-1)
            for delta in deltas
        ]
    )


def loss_landscape(
    x: np.ndarray,
    y: np.ndarray,
    deltas: np.ndarray,
    temperatures: list[float],
    batch_size: int,
    threads: int = 1,
) -> pd.DataFrame:
    """The loss at every shift and temperature, averaged over consecutive batches of `batch_size`
    pairs in file order. An incomplete last batch is left out (as released).

    `loss` is the symmetric one. `loss_as_released` has the released code's error: it transposes the
    logits twice, so both of its terms are x to y. Columns: temperature, delta, distance,
    distance_one_side (if x alone moves, by the whole of delta), loss, loss_as_released. Source:
    Figure 3(b-d), and (a) for the two distances.
    """
    batches = count_batches(len(x), batch_size)
    u = unit_gap_vector(x, y)
    device = on_gpu.device_for(len(x) * batch_size * len(deltas))
    rows = ROWS_ON_GPU if device else ROWS
    some = batch_size * max(1, rows // batch_size)  # whole batches
    both = np.zeros((2, len(temperatures), len(deltas)))
    for of_x, of_y in tiles(x, y, size=some):
        if len(of_x) < batch_size:
            break
        grid = deltas, temperatures, batch_size, threads, device
        losses = sweep_cross_entropies(of_x, of_y, u, *grid)
        both = both + losses.sum(axis=-1)
    both /= batches
    distances = {
        "distance": signed_distances(x, y, deltas),
        "distance_one_side": signed_distances(x, y, deltas, one_side=True),
    }
    tables = [
        pd.DataFrame(
            {
                "temperature": temperature,
                "delta": deltas,
                **distances,
                "loss": both[:, place].mean(axis=0),
                "loss_as_released": both[0, place],
            }
        )
        for place, temperature in enumerate(temperatures)
    ]
    return pd.concat(tables).sort_values(["temperature", "delta"], ignore_index=True)


def batched_sweep(
    x: np.ndarray,
    y: np.ndarray,
    deltas: np.ndarray,
    temperatures: list[float],
    batch_size: int,
    threads: int = 1,
    loss: Loss = LOSSES["softmax"],
    parameters: Mapping[str, float] | None = None,
) -> np.ndarray:
    """The value of a loss with its `parameters` for every batch of `loss_landscape`: (temperatures,
    deltas, batches)."""
    grid = unit_gap_vector(x, y), deltas, temperatures, batch_size, threads
    if loss.of_pairs is None:
        device = on_gpu.device_for(len(x) * batch_size * len(deltas))
        return sweep_cross_entropies(x, y, *grid, device).mean(axis=0)
    return sweep_matrices(partial(loss.of, **(parameters or {})), x, y, *grid)


def sweep_matrices(
    of: Callable[[np.ndarray, float], np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    u: np.ndarray,
    deltas: np.ndarray,
    temperatures: list[float],
    batch_size: int,
    threads: int = 1,
) -> np.ndarray:
    """The value of a loss for consecutive batches of unit vectors x, y (n, d) after shifts along u:
    (temperatures, deltas, batches). `of` computes the loss from matrices of cosines and a
    temperature. An incomplete last batch is left out. Some whole batches are in memory at once."""
    batches = count_batches(len(x), batch_size)
    x, y = (side[: batches * batch_size].reshape(batches, batch_size, -1) for side in (x, y))
    x_along, y_along = x @ u, y @ u
    losses = np.empty((len(temperatures), len(deltas), batches))

    def work(some: slice) -> None:
        similarity = x[some] @ y[some].transpose(0, 2, 1)
        for column, delta in enumerate(deltas):
            moved = shifted_similarity(similarity, x_along[some], y_along[some], delta)
            for row, temperature in enumerate(temperatures):
                losses[row, column, some] = of(moved, temperature)

    work_on_batches(work, batches, batch_size, threads)
    return losses


def work_on_batches(
    work: Callable[[slice], None], batches: int, batch_size: int, threads: int
) -> None:
    """Call `work` for all batches, some of them at a time, in `threads` threads."""
    together = max(1, COSINES // batch_size**2)
    parts = [slice(start, start + together) for start in range(0, batches, together)]
    # BLAS's own threads would wait for one another while these are at work.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        for _ in map_ahead(pool, work, parts, ahead=2 * threads):
            pass
