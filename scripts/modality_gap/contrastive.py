"""The contrastive loss against the gap (paper, section 4 and Figure 3).

A shift moves both modalities along the unit gap vector u, by half of delta each, and puts them
back on the sphere: x <- normalise(x - delta/2 u), y <- normalise(y + delta/2 u). A positive delta
closes the gap. It changes the matrix of similarities by rank-one terms only, so the matrix is
computed once, a part at a time, and every delta costs O(n) more a row.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import combinations_with_replacement
from math import isclose

import numpy as np
import pandas as pd
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from modality_gap.errors import InputError
from modality_gap.gap import NO_GAP, gap_vector
from modality_gap.intervals import bootstrap_interval, sums_by
from modality_gap.tiles import map_ahead, tiles

# From here on exp(-2 / temperature), of the least cosine, is above the smallest float64.
LOWEST_FOR_ONE_EXPONENTIAL = 1 / 300
ROWS = 2048  # pairs that a sweep has in memory
COSINES = 1 << 17  # at once: a megabyte, and as much for each temperature


NO_DIRECTION = 1e-13  # squared length below which a shifted vector is mere rounding


def unit_gap_vector(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """u: the gap vector of unit vectors x, y (n, d), divided by its norm. Raises InputError where
    there is no gap but for rounding."""
    vector = gap_vector(x, y)
    length = np.linalg.norm(vector)
    if length <= NO_GAP:
        raise InputError(
            "the two modalities have one centre, so there is no gap to shift along; leave the set "
            "out, or give it two different files."
        )
    return vector / length


def lengths_after(squares: np.ndarray) -> np.ndarray:
    """Lengths of shifted vectors from their squares; NaN where a vector was moved into the origin,
    as that of an antipodal pair is at delta 2: it has no direction, and the loss no value."""
    return np.sqrt(np.where(squares > NO_DIRECTION, squares, np.nan))


def shift(vectors: np.ndarray, direction: np.ndarray, amount: float) -> np.ndarray:
    """normalise(v + amount * direction) of unit vectors v (n, d), NaN where that is 0. Source:
    section 4.2."""
    moved = vectors + amount * direction
    return moved / lengths_after((moved * moved).sum(axis=1, keepdims=True))


def shifted_similarity(
    similarity: np.ndarray, x_along: np.ndarray, y_along: np.ndarray, delta: float
) -> np.ndarray:
    """Cosines of the shifted pairs from those before: similarity (..., n, m) = x @ y.T,
    x_along (..., n) = x @ u and y_along (..., m) = y @ u."""
    half = delta / 2
    moved = similarity + half * (x_along[..., :, None] - y_along[..., None, :]) - half**2
    x_norm = lengths_after(1 - 2 * half * x_along + half**2)
    y_norm = lengths_after(1 + 2 * half * y_along + half**2)
    return moved / (x_norm[..., :, None] * y_norm[..., None, :])


def cross_entropies(similarity: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean cross-entropy of the rows (x to y) and of the columns (y to x) of square matrices
    (..., n, n) of cosines, the right answers on the diagonals; each (...)."""
    logits = similarity / temperature
    right = np.diagonal(logits, axis1=-2, axis2=-1)
    return (
        (logsumexp(logits, axis=-1) - right).mean(axis=-1),
        (logsumexp(logits, axis=-2) - right).mean(axis=-1),
    )


def symmetric_loss(similarity: np.ndarray, temperature: float) -> np.ndarray:
    """The contrastive loss of square matrices (..., n, n) of cosines: mean of the two directions'
    cross-entropies, (...). Source: section 4.1."""
    return sum(cross_entropies(similarity, temperature)) / 2


def count_batches(n: int, batch_size: int) -> int:
    """How many whole batches n pairs make; InputError where not even one."""
    if n < batch_size:
        raise InputError(
            f"loss_landscape.batch_size is {batch_size} but the set has {n} pairs only; "
            "lower it or give more pairs."
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
) -> np.ndarray:
    """Cross-entropies of consecutive batches of unit vectors x, y (n, d), an incomplete last one
    left out, after shifts by `deltas` along u: (2, temperatures, deltas, batches), x to y first.

    Float64 throughout, and the same numbers however many threads share the parts. A batch may be
    the whole set: of its matrix only a part is held, and sums over its columns, 8 bytes for each
    of temperatures x deltas x n.
    """
    batches = count_batches(len(x), batch_size)
    x, y = (side[: batches * batch_size].reshape(batches, batch_size, -1) for side in (x, y))
    together = max(1, COSINES // batch_size**2)  # whole batches at once, or some rows of one
    height = min(batch_size, max(1, COSINES // batch_size))
    parts = [
        (slice(batch, batch + together), slice(row, row + height))
        for batch in range(0, batches, together)
        for row in range(0, batch_size, height)
    ]
    deltas, temperatures = np.asarray(deltas), np.asarray(temperatures, dtype=np.float64)
    one = temperatures >= LOWEST_FOR_ONE_EXPONENTIAL
    rows = np.zeros((len(temperatures), len(deltas), batches))
    columns, sums = np.zeros_like(rows), 0
    # BLAS's own threads would wait for one another while these are at work.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        work = partial(_sums_of_part, x, y, x @ u, y @ u, deltas, temperatures[one])
        # What is done waits for its turn, so no more is begun than keeps the threads busy.
        done = map_ahead(pool, work, parts, ahead=2 * threads)
        for (batch, row), (of_rows, of_columns) in zip(parts, done, strict=True):
            rows[one, :, batch] += of_rows
            sums = sums + of_columns
            if row.start + height >= batch_size:
                columns[one, :, batch] = np.log(sums).sum(axis=-1)
                sums = 0
    right = _cosines_of_partners(x, y, u, deltas) - 1
    losses = np.stack([rows, columns]) / batch_size - right / temperatures[:, None, None]
    for start in range(0, batches, together) if not one.all() else ():
        some = slice(start, start + together)
        similarity, x_along, y_along = (
            x[some] @ y[some].transpose(0, 2, 1),
            x[some] @ u,
            y[some] @ u,
        )
        for column, delta in enumerate(deltas):
            moved = shifted_similarity(similarity, x_along, y_along, delta)
            for place in np.flatnonzero(~one):
                losses[:, place, column, some] = cross_entropies(moved, temperatures[place])
    return losses


def _sums_of_part(
    x: np.ndarray,
    y: np.ndarray,
    x_along: np.ndarray,
    y_along: np.ndarray,
    deltas: np.ndarray,
    temperatures: np.ndarray,
    part: tuple[slice, slice],
) -> tuple[np.ndarray, np.ndarray]:
    """Of exp((cosine - 1) / temperature) in a part, batches and rows of x (batches, n, d): the logs
    of the sums of rows, added up, (temperatures, deltas, b), and the sums of columns, (..., b, n).
    A cosine is at most 1, so that one exponential serves rows and columns without overflow."""
    batch, row = part
    x, y, x_along, y_along = x[batch, row], y[batch], x_along[batch, row], y_along[batch]
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
    """In which order exp(z scale) is to be had for each of the logit scales, and as the product of
    which two before it, whose scales add up to its own; None where there are none such, so that an
    exponential has to be taken, which costs several products."""
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
    """Mean cosine of partners after each shift, of x, y (batches, n, d): (deltas, batches)."""
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
    """Loss over every shift and temperature, mean over consecutive batches of `batch_size` pairs
    in file order, an incomplete last batch left out (as released).

    `loss` is the symmetric one; `loss_as_released` has the released code's slip: it transposes
    the logits twice, so both of its terms are x to y. Columns: temperature, delta, distance,
    distance_one_side (where x alone moves, by the whole of delta), loss, loss_as_released. Source:
    Figure 3(b-d), and (a) for the two distances.
    """
    batches = count_batches(len(x), batch_size)
    u = unit_gap_vector(x, y)
    some = batch_size * max(1, ROWS // batch_size)  # whole batches
    both = 0
    for of_x, of_y in tiles(x, y, size=some):
        if len(of_x) < batch_size:
            break
        losses = sweep_cross_entropies(of_x, of_y, u, deltas, temperatures, batch_size, threads)
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


def signed_distances(
    x: np.ndarray, y: np.ndarray, deltas: np.ndarray, one_side: bool = False
) -> np.ndarray:
    """Distances of the two centres after shifts by each of `deltas`, half of it on each side or the
    whole on x alone, (len(deltas),), negative once they passed each other: the sign is that of the
    shifted gap vector along the unit gap vector before the shift."""
    u = unit_gap_vector(x, y)
    whole = np.asarray(deltas)[:, None]
    by_x, by_y = (whole, np.zeros_like(whole)) if one_side else (whole / 2, whole / 2)

    def total(vectors: np.ndarray, amounts: np.ndarray) -> np.ndarray:
        # A shifted vector is v + amount u over its norm, so the sum of all is two products.
        scales = 1 / lengths_after(1 + 2 * amounts * (vectors @ u) + amounts**2)
        return scales @ vectors + (amounts * scales).sum(axis=1, keepdims=True) * u

    moved = sum(
        total(of_x, -by_x) - total(of_y, by_y) for of_x, of_y in tiles(x, y, size=ROWS)
    ) / len(x)
    return np.sign(moved @ u) * np.linalg.norm(moved, axis=1)


def sigmoid_losses(similarity: np.ndarray, temperature: float, bias: float) -> np.ndarray:
    """SigLIP's loss of each of several square matrices of cosines (..., n, n): every pair of an
    image and a text is a yes or a no of its own, by the sigmoid of cosine / temperature + bias
    (the logit scale is 1 / temperature). Mean over rows of the sum over columns of
    -log sigmoid(z logit), z = 1 on the diagonal and -1 off it. Source: Zhai et al., 2023,
    section 3.2."""
    logits = similarity / temperature + bias
    signs = 2 * np.eye(similarity.shape[-1]) - 1
    return np.logaddexp(0, -signs * logits).sum(axis=-1).mean(axis=-1)


def batched_sweep(
    x: np.ndarray,
    y: np.ndarray,
    deltas: np.ndarray,
    temperatures: list[float],
    batch_size: int,
    threads: int = 1,
) -> np.ndarray:
    """The loss of every batch of `loss_landscape`: (temperatures, deltas, batches)."""
    u = unit_gap_vector(x, y)
    both = sweep_cross_entropies(x, y, u, deltas, temperatures, batch_size, threads)
    return both.mean(axis=0)


def sigmoid_sweep(
    x: np.ndarray,
    y: np.ndarray,
    deltas: np.ndarray,
    temperatures: list[float],
    bias: float,
    batch_size: int,
) -> np.ndarray:
    """`sigmoid_losses` of the batches of `loss_landscape`: (temperatures, deltas, batches)."""
    u = unit_gap_vector(x, y)
    batches = count_batches(len(x), batch_size)
    x, y = (side[: batches * batch_size].reshape(batches, batch_size, -1) for side in (x, y))
    similarity, x_along, y_along = x @ y.transpose(0, 2, 1), x @ u, y @ u
    losses = np.empty((len(temperatures), len(deltas), batches))
    for column, delta in enumerate(deltas):
        moved = shifted_similarity(similarity, x_along, y_along, delta)
        for row, temperature in enumerate(temperatures):
            losses[row, column] = sigmoid_losses(moved, temperature, bias)
    return losses


def unshifted(deltas: np.ndarray) -> int:
    """Where the shifts have 0. Raises InputError where none is."""
    places = np.flatnonzero(np.asarray(deltas) == 0)
    if not len(places):
        raise InputError("the shifts leave out 0; let them begin at or below it and end above.")
    return int(places[0])


def _effects_of_rows(logits: np.ndarray, first: int) -> np.ndarray:
    """Logits (batches, rows, b) of some rows of square matrices, from row `first` on: the sum over
    the rows other than k of what their cross-entropy loses when column k is left out, less row k's
    own cross-entropy, (batches, b); of these rows alone."""
    place = logits.argmax(axis=-1)[..., None]
    top = np.take_along_axis(logits, place, axis=-1)
    powers = np.exp(logits - top)
    sums = powers.sum(axis=-1, keepdims=True)
    rows = np.arange(logits.shape[1])
    # The largest term may be all that rounding leaves of the sum; what it hides is summed apart.
    others = logits.copy()
    np.put_along_axis(others, place, -np.inf, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        second = others.max(axis=-1, keepdims=True)
        rest = np.log(np.exp(others - second).sum(axis=-1, keepdims=True)) + second - top
        lost = np.log1p(-powers / sums)
        np.put_along_axis(lost, place, rest - np.log(sums), axis=-1)
    lost[:, rows, first + rows] = 0
    effects = lost.sum(axis=1)
    entropies = np.log(sums[..., 0]) + top[..., 0] - logits[:, rows, first + rows]
    effects[:, first + rows] -= entropies
    return effects


def softmax_effects(
    x: np.ndarray,
    y: np.ndarray,
    u: np.ndarray,
    deltas: np.ndarray,
    temperature: float,
    batch_size: int,
    threads: int = 1,
) -> np.ndarray:
    """What each pair adds to the symmetric loss of its batch of b, times b, by leaving it out: the
    batch's loss less its loss without the pair, times b - 1, about the batch's mean; at every
    shift, (n, deltas). x, y: (n, d) in whole batches."""
    batches = len(x) // batch_size
    x, y = (side.reshape(batches, batch_size, -1) for side in (x, y))
    x_along, y_along = x @ u, y @ u
    together = max(1, COSINES // batch_size**2)
    height = min(batch_size, max(1, COSINES // batch_size))
    effects = np.zeros((batches, batch_size, len(deltas)))

    def work(batch: slice) -> None:
        for first in range(0, batch_size, height):
            row = slice(first, first + height)
            # To y and, with the roles and so the direction exchanged, to x.
            sides = (
                (x[batch, row] @ y[batch].transpose(0, 2, 1), x_along, y_along),
                (y[batch, row] @ x[batch].transpose(0, 2, 1), -y_along, -x_along),
            )
            for number, delta in enumerate(deltas):
                for cosines, along, other in sides:
                    moved = shifted_similarity(cosines, along[batch, row], other[batch], delta)
                    effects[batch, :, number] -= _effects_of_rows(moved / temperature, first) / 2

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        parts = [slice(start, start + together) for start in range(0, batches, together)]
        for _ in map_ahead(pool, work, parts, ahead=2 * threads):
            pass
    effects -= effects.mean(axis=1, keepdims=True)
    return effects.reshape(-1, len(deltas))


def sigmoid_effects(
    x: np.ndarray,
    y: np.ndarray,
    u: np.ndarray,
    deltas: np.ndarray,
    temperature: float,
    bias: float,
    batch_size: int,
) -> np.ndarray:
    """`softmax_effects` of SigLIP's loss."""
    batches = len(x) // batch_size
    x, y = (side.reshape(batches, batch_size, -1) for side in (x, y))
    similarity, x_along, y_along = x @ y.transpose(0, 2, 1), x @ u, y @ u
    signs = 2 * np.eye(batch_size) - 1
    effects = np.empty((batches, batch_size, len(deltas)))
    for number, delta in enumerate(deltas):
        moved = shifted_similarity(similarity, x_along, y_along, delta)
        terms = np.logaddexp(0, -signs * (moved / temperature + bias))
        own = np.diagonal(terms, axis1=-2, axis2=-1)
        effects[..., number] = terms.sum(axis=-1) + terms.sum(axis=-2) - own
    effects -= effects.mean(axis=1, keepdims=True)
    return effects.reshape(-1, len(deltas))


FAR = 6  # standard errors of the loss: a shift that costs more is no minimum of any resample


def loss_by_unit(
    mean: np.ndarray,
    deltas: np.ndarray,
    effects: Callable[[np.ndarray], np.ndarray],
    clusters: np.ndarray | None = None,
) -> np.ndarray:
    """The loss (deltas,), a mean over batches, as a mean over its n pairs, or over clusters of
    them, (deltas, units), each with what it adds (`softmax_effects` at some shifts): so that units
    may be drawn again. Where the loss is far above its minimum all units have the mean."""
    lowest = int(np.nanargmin(mean))

    def parts(some: np.ndarray) -> np.ndarray:
        found = effects(some)
        if clusters is None:
            return found
        count = int(clusters.max()) + 1
        return sums_by(found, clusters, count) * (count / len(clusters))

    at_lowest = parts(deltas[[lowest]])[:, 0]
    error = np.sqrt((at_lowest**2).sum()) / len(at_lowest)
    near = np.flatnonzero(mean <= mean[lowest] + FAR * error)
    units = np.repeat(mean[:, None], len(at_lowest), axis=1)
    units[near] += parts(deltas[near]).T
    return units


def loss_minimum(
    units: np.ndarray,
    deltas: np.ndarray,
    distances: np.ndarray,
    resamples: int,
    confidence: float,
    seed: int,
) -> dict:
    """Where the loss of one temperature, the mean over units (deltas, units), is smallest.

    delta and distance (at `distances`) of the minimum; distance_low, distance_high: percentile
    bootstrap over units, which are pairs or clusters of them (of a position on a grid the BCa
    interval has no derivative to use); at_end: the minimum is the sweep's first or last shift, so a
    lower loss may lie beyond; loss at the minimum, at no shift, and how much more the latter is. A
    shift without a loss (NaN) is no minimum. Source: Figure 3(b-d).
    """
    mean = units.mean(axis=1)
    if np.isnan(mean).all():
        raise InputError("the loss has no value at any shift; give vectors that differ.")
    lowest, zero = int(np.nanargmin(mean)), unshifted(deltas)
    some = np.flatnonzero(~np.isnan(mean))
    parts = units[some].T

    def positions(weights: np.ndarray) -> np.ndarray:
        return distances[some[(weights @ parts).argmin(axis=1)]][None]

    low, high = bootstrap_interval(
        positions, units.shape[1], resamples, confidence, seed, method="percentile"
    )
    return {
        "gap": distances[zero],
        "delta": deltas[lowest],
        "distance": distances[lowest],
        "distance_low": float(low[0]),
        "distance_high": float(high[0]),
        "at_end": lowest in (0, len(deltas) - 1),
        "loss": mean[lowest],
        "loss_at_gap": mean[zero],
        "loss_excess": mean[zero] - mean[lowest],
    }


def back_to_back(loss: np.ndarray, distances: np.ndarray) -> dict | None:
    """The hump that the loss (deltas,) has once the centres have passed each other, and the local
    minimum behind it, where the modalities stand back to back; None where there is no such hump.
    Source: Figure 3(b)."""
    loss, distances = loss[~np.isnan(loss)], distances[~np.isnan(loss)]
    order = np.argsort(-distances)
    loss, distances = loss[order], distances[order]
    slopes = np.sign(np.round(np.diff(loss), 9))  # steps of mere rounding are level
    slopes, starts = slopes[slopes != 0], np.flatnonzero(slopes)
    turned = np.flatnonzero(slopes[:-1] != slopes[1:]) + 1
    passed = turned[distances[starts[turned]] < 0]
    valleys = starts[passed[slopes[passed] > 0]]
    humps = [turn for turn in starts[passed[slopes[passed] < 0]] if (valleys > turn).any()]
    if not humps:
        return None
    hump = max(humps, key=lambda turn: loss[turn])
    back = min(valleys[valleys > hump], key=lambda turn: loss[turn])
    return {
        "hump_distance": distances[hump],
        "hump_loss": loss[hump],
        "back_distance": distances[back],
        "back_loss": loss[back],
    }


def sphere_points(theta_deg: np.ndarray, phi_deg: np.ndarray) -> np.ndarray:
    """Unit vectors (n, 3) at polar angle theta and azimuth phi. Source: Figure 3(f)."""
    theta, phi = np.radians(theta_deg), np.radians(phi_deg)
    return np.stack(
        [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1
    )


def sphere_losses(
    spacing_deg: float, mismatched: bool, temperatures: list[float], delta_theta_deg: np.ndarray
) -> pd.DataFrame:
    """Six pairs on the sphere: images on the equator at phi = -1..4 spacings, texts at the same
    phi moved by delta_theta along the meridian; mismatched: the first two texts are exchanged.

    Columns: temperature, delta_theta_deg, loss. Source: Figure 3(g), Supplementary 9.
    """
    phi = np.arange(-1, 5) * spacing_deg
    text_phi = phi[[1, 0, 2, 3, 4, 5]] if mismatched else phi
    images = sphere_points(np.full(6, 90.0), phi)
    rows = []
    for delta_theta in delta_theta_deg:
        texts = sphere_points(np.full(6, 90.0 + delta_theta), text_phi)
        similarity = images @ texts.T
        for temperature in temperatures:
            rows.append(
                {
                    "temperature": temperature,
                    "delta_theta_deg": delta_theta,
                    "loss": symmetric_loss(similarity, temperature),
                }
            )
    return pd.DataFrame(rows).sort_values(["temperature", "delta_theta_deg"], ignore_index=True)


def sphere_table(settings: dict) -> pd.DataFrame:
    """sphere.csv: `sphere_losses` of every spacing and temperature of `sphere` in the config, with
    mismatched and with matched pairs, a degree at a time from one pole to the other."""
    delta_theta_deg = np.arange(90, -91, -1)
    tables = []
    for spacing in settings["spacings_deg"]:
        for mismatched in (True, False):
            table = sphere_losses(spacing, mismatched, settings["temperatures"], delta_theta_deg)
            table.insert(0, "mismatched", mismatched)
            table.insert(0, "spacing_deg", spacing)
            tables.append(table)
    return pd.concat(tables)


def delta_grid(settings: dict) -> np.ndarray:
    """The shifts of the sweep, both ends included: delta_start, ..., delta_stop."""
    start, stop, step = (settings[f"delta_{key}"] for key in ("start", "stop", "step"))
    # Counted from zero, so that no shift is exactly 0 whatever the step.
    return step * np.arange(round(start / step), round(stop / step) + 1)
