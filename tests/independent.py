"""Every statistic of the workflow computed a second time, plainly: numpy, scipy and pandas on whole
matrices, written for the tests from the paper and the tables' descriptions.

Nothing of the package is imported here. x, y: (n, d) unit vectors, row i of both is one pair;
groups (n,): a number for each pair, the same for those that are not independent.
"""

from hashlib import sha256
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import betainc, logsumexp


def draws(seed: int, *case) -> np.random.Generator:
    """The generator of a simulated case: seeded by the run's seed and the words of its values."""
    words = "\n".join(value if isinstance(value, str) else f"{value:.12f}" for value in case)
    numbers = np.frombuffer(sha256(words.encode()).digest(), dtype="<u4")
    return np.random.default_rng([seed, *map(int, numbers)])


def unit(vectors) -> np.ndarray:
    vectors = np.array(list(vectors), dtype=float)
    return vectors / np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))


def sample(n: int, most: int, seed: int) -> np.ndarray:
    """The rows that a seeded sample takes, in their order."""
    return np.sort(np.random.default_rng(seed).permutation(n)[:most]) if n > most else np.arange(n)


def gap_vector(x, y):
    return x.mean(axis=0) - y.mean(axis=0)


def gap(x, y):
    return np.sqrt((gap_vector(x, y) ** 2).sum())


def cosines(x):
    """All cosines between different rows, each pair once."""
    return (x @ x.T)[np.triu_indices(len(x), 1)]


def interval(value, left_out, confidence):
    """Student's interval by the jackknife, from the values with one unit left out."""
    n = len(left_out)
    margin = stats.t(n - 1).ppf(0.5 + confidence / 2) * np.std(left_out) * np.sqrt(n - 1)
    return value - margin, value + margin


def mean_cosine_interval(x, confidence, groups):
    left_out = [mean_cosine(x[groups != group]) for group in np.unique(groups)]
    return interval(mean_cosine(x), left_out, confidence)


def worth(hits, confidence, groups):
    """How many independent items have the variance that the share of `hits` has over groups, with
    the quantile of as many degrees of freedom; the number of groups where all items agree."""
    share, names = hits.mean(), np.unique(groups)
    units = len(names)
    if share in (0, 1):
        return units
    errors = np.array([(hits[groups == name] - share).sum() for name in names]) / len(hits)
    variance = units / (units - 1) * (errors**2).sum()
    level = 0.5 + confidence / 2
    ratio = stats.norm.ppf(level) / stats.t(units - 1).ppf(level)
    return min(len(hits), share * (1 - share) / variance * ratio**2)


def share_interval(hits, confidence, groups=None):
    """Wilson's interval with as many items as the groups are worth."""
    size = len(hits) if groups is None else worth(hits, confidence, groups)
    return wilson(hits.mean() * size, size, confidence)


def gap_columns(x, y, confidence, groups):
    """The gap, the squared gap less tr S / n, and their intervals (t of both terms of the variance
    of the squared length of a mean)."""
    g, names = gap_vector(x, y), np.unique(groups)
    n = len(names)
    parts = np.array([(x - y - g)[groups == name].sum(axis=0) for name in names]) * n / len(x)
    spread = parts.T @ parts / (n - 1)
    trace, lengths = np.trace(spread), (parts**2).sum(axis=1)
    squares = (
        (n - 1)
        / (n * (n - 2) * (n - 3))
        * (
            (n - 1) * (n - 2) * np.trace(spread @ spread)
            + trace**2
            - n * (lengths**2).sum() / (n - 1)
        )
    )
    estimate = g @ g - trace / n
    half = estimate / (g @ g) / 2
    ratio = (g @ spread @ g - half * squares / n) / (g @ g - half * trace / n)
    t = stats.t(n - 1).ppf(0.5 + confidence / 2)
    # Roots of (v - estimate)^2 = t^2 (4 ratio v / n + 2 squares / (n (n - 1))).
    b = 2 * t**2 * ratio / n
    root = np.sqrt(b**2 + t**2 * (4 * ratio * estimate / n + 2 * squares / n / (n - 1)))
    ends = estimate + b - root, estimate + b + root
    return {
        "gap": gap(x, y),
        **named_interval("gap", np.sqrt(ends)),
        "gap_squared": estimate,
        **named_interval("gap_squared", ends),
    }


def wilson(found, n, confidence):
    z = stats.norm.ppf(0.5 + confidence / 2)
    middle, share = z * z / 2, found / n
    margin = z * np.sqrt(found * (1 - share) + z * z / 4)
    return (found + middle - margin) / (n + z * z), (found + middle + margin) / (n + z * z)


def mean_cosine(x):
    return cosines(x).mean()


def items(x):
    """The first of the rows that are the same, for each row."""
    _, first, number = np.unique(x, axis=0, return_index=True, return_inverse=True)
    return first[number.ravel()]


def ranks(x, y):
    """How many items of y are nearer than the nearest partner, by item of x; identical rows are one
    item with the partners of all; of equally near ones those that stand before count as nearer."""
    of_x, of_y, matrix = items(x), items(y), x @ y.T
    others, found = np.unique(of_y), {}
    for row in np.unique(of_x):
        near, partners = matrix[row], np.unique(of_y[of_x == row])
        own = near[partners].max()
        place = partners[near[partners] > own - 1e-12].min()
        level = abs(near[others] - own) <= 1e-12
        found[row] = ((near[others] > own + 1e-12) | (level & (others < place))).sum()
    return found


def recall_columns(x, y, confidence, groups):
    sides = {"ab": (x, y), "ba": (y, x)}
    found = {name: ranks(*pair) for name, pair in sides.items()}
    counts = len(found["ab"]), len(found["ba"])
    matches = len(set(zip(items(x), items(y), strict=True)))
    row = {"recall_items_a": counts[0], "recall_items_b": counts[1]}
    row["recall1_chance"] = matches / counts[0] / counts[1]
    for k in (1, 5, 10):
        for name, by_item in found.items():
            hits = np.array([rank < k for rank in by_item.values()])
            row[f"recall{k}_{name}"] = hits.mean()
            own = None if groups is None else groups[list(by_item)]
            ends = share_interval(hits, confidence, own)
            row |= named_interval(f"recall{k}_{name}", ends)
    return row


def separability(x, y, seed):
    from sklearn.linear_model import LogisticRegression

    order = np.random.default_rng(seed).permutation(len(x))
    fit, score = order[: len(x) // 2], order[len(x) // 2 :]
    model = LogisticRegression(max_iter=1000)
    model.fit(np.vstack([x[fit], y[fit]]), [0] * len(fit) + [1] * len(fit))
    right = np.concatenate([model.predict(x[score]) == 0, model.predict(y[score]) == 1])
    return right.mean(), right, score


def separability_columns(x, y, confidence, seed, groups=None):
    """Both vectors of a pair are one unit, as are those of all pairs of a group."""
    share, right, score = separability(x, y, seed)
    units = score if groups is None else np.asarray(groups)[score]
    ends = share_interval(right, confidence, np.concatenate([units, units]))
    return {
        "separability": share,
        **named_interval("separability", ends),
        "separability_n": len(right),
    }


def named_interval(name, ends):
    return {f"{name}_low": ends[0], f"{name}_high": ends[1]}


def mean_cosine_columns(name, x, confidence, groups):
    ends = mean_cosine_interval(x, confidence, groups)
    return {name: mean_cosine(x), **named_interval(name, ends)}


def set_row(x, y, confidence, most, seed, groups=None):
    """A row of gap.csv."""
    shares, groups = groups, np.arange(len(x)) if groups is None else groups
    row = {"n": len(x), "clusters": len(np.unique(groups)), "dim": x.shape[1]}
    row |= gap_columns(x, y, confidence, groups)
    for side, vectors in (("a", x), ("b", y)):
        row |= mean_cosine_columns(f"mean_cosine_{side}", vectors, confidence, groups)
        row[f"min_cosine_{side}"] = cosines(vectors).min()
    row["compared_n"] = len(x)
    row |= recall_columns(x, y, confidence, shares)
    some = sample(len(x), most, seed)
    own = None if shares is None else np.asarray(shares)[some]
    row |= separability_columns(x[some], y[some], confidence, seed, own)
    squares = sorted(gap_vector(x, y) ** 2, reverse=True)
    row["largest5_share"] = sum(squares[:5]) / sum(squares)
    return row


def normalisation_row(x, y, confidence, most, seed, groups):
    some = sample(len(x), most, seed)
    return {
        "n": len(x),
        "clusters": len(np.unique(groups)),
        **gap_columns(x, y, confidence, groups),
        **mean_cosine_columns("mean_cosine_a", x, confidence, groups),
        **mean_cosine_columns("mean_cosine_b", y, confidence, groups),
        **separability_columns(x[some], y[some], confidence, seed, np.asarray(groups)[some]),
    }


def preprocessing_row(x, y, first, confidence, groups):
    return {
        "n": len(x),
        "clusters": len(np.unique(groups)),
        **mean_cosine_columns("mean_cosine", x, confidence, groups),
        "min_cosine": cosines(x).min(),
        **gap_columns(x, y, confidence, groups),
        "same_picture_cosine": np.mean([a @ b for a, b in zip(x, first, strict=True)]),
    }


def panel(x, bins, confidence, groups):
    """A row of cone.csv, and the counts of its histogram (every ordered pair)."""
    values = cosines(x)
    quartiles = np.quantile(values, [0.25, 0.5, 0.75], method="inverted_cdf")
    row = {
        "n": len(x),
        "clusters": len(np.unique(groups)),
        "compared_n": len(x),
        **mean_cosine_columns("mean_cosine", x, confidence, groups),
        "min_cosine": values.min(),
        "max_cosine": values.max(),
        "sd_cosine": values.std(),
        **dict(zip(("q1_cosine", "median_cosine", "q3_cosine"), quartiles, strict=True)),
    }
    return row, 2 * np.histogram(values, np.linspace(-1, 1, bins + 1))[0]


# --- the shift and the loss ---------------------------------------------------------------------


def shifted(x, y, delta):
    """Both modalities moved towards each other by half of delta along the unit gap vector."""
    u = gap_vector(x, y) / gap(x, y)
    return unit(x - delta / 2 * u), unit(y + delta / 2 * u)


def signed_distance(x, y, moved):
    vector = gap_vector(*moved)
    return np.sign(vector @ gap_vector(x, y)) * np.sqrt((vector**2).sum())


def cross_entropy(logits):
    return (logsumexp(logits, axis=1) - np.diag(logits)).mean()


def softmax_losses(x, y, temperature):
    """The symmetric loss of some pairs, and the released code's, which is x to y twice."""
    logits = x @ y.T / temperature
    forth = cross_entropy(logits)
    return (forth + cross_entropy(logits.T)) / 2, forth


def batches_of(x, y, size):
    return [(x[at : at + size], y[at : at + size]) for at in range(0, len(x) - size + 1, size)]


def grid(settings, step="delta_step"):
    start, stop, by = settings["delta_start"], settings["delta_stop"], settings[step]
    return np.array([round(start + by * k, 10) for k in range(round((stop - start) / by) + 1)])


def landscape(x, y, settings):
    """A set's part of loss_landscape.csv."""
    rows = []
    u = gap_vector(x, y) / gap(x, y)
    for delta in grid(settings):
        moved = shifted(x, y, delta)
        parts = batches_of(*moved, settings["batch_size"])
        for temperature in settings["temperatures"]:
            losses = [softmax_losses(*part, temperature) for part in parts]
            rows.append(
                {
                    "temperature": temperature,
                    "delta": delta,
                    "distance": signed_distance(x, y, moved),
                    "distance_one_side": signed_distance(x, y, (unit(x - delta * u), y)),
                    "loss": np.mean([both for both, _ in losses]),
                    "loss_as_released": np.mean([forth for _, forth in losses]),
                }
            )
    return pd.DataFrame(rows).sort_values(["temperature", "delta"], ignore_index=True)


def batch_losses(x, y, settings):
    """Loss of every batch at every shift of the fine grid, by temperature; and the distances."""
    losses = {temperature: [] for temperature in settings["temperatures"]}
    distances = []
    for delta in grid(settings, "fine_step"):
        moved = shifted(x, y, delta)
        distances.append(signed_distance(x, y, moved))
        parts = batches_of(*moved, settings["batch_size"])
        for temperature, rows in losses.items():
            rows.append([softmax_losses(*part, temperature)[0] for part in parts])
    return {key: np.array(rows) for key, rows in losses.items()}, np.array(distances)


def minimum_row(losses, deltas, distances):
    """Where the mean over batches (deltas, batches) is smallest."""
    mean, zero = losses.mean(axis=1), int(np.argmin(abs(deltas)))
    at, closed = int(mean.argmin()), int(abs(distances).argmin())
    return {
        "gap": distances[zero],
        "delta": deltas[at],
        "distance": distances[at],
        "at_end": at in (0, len(deltas) - 1),
        "loss": mean[at],
        "loss_at_gap": mean[zero],
        "loss_excess": mean[zero] - mean[at],
        "distance_closed": distances[closed],
        "closing_cost": mean[closed] - mean[zero],
    }


def minimum_intervals(x, y, temperature, settings, resamples, confidence, seed, groups):
    """Percentile bootstrap over groups of where the loss is smallest, each pair with what its batch
    loses without it; t interval over groups of what the closed gap costs; and their number."""
    deltas, size = grid(settings, "fine_step"), settings["batch_size"]
    n = len(x) // size * size
    codes = np.unique(groups[:n], return_inverse=True)[1]
    units, distances = [], []
    for delta in deltas:
        moved = shifted(x, y, delta)
        distances.append(signed_distance(x, y, moved))
        parts, adds, losses = batches_of(*moved, size), [], []
        for part in parts:
            logits = part[0] @ part[1].T / temperature
            losses.append((cross_entropy(logits) + cross_entropy(logits.T)) / 2)
            without = []
            for row in range(size):
                rest = np.delete(np.delete(logits, row, axis=0), row, axis=1)
                without.append((cross_entropy(rest) + cross_entropy(rest.T)) / 2)
            adds.append((size - 1) * (np.mean(without) - without))
        total = np.bincount(codes, np.concatenate(adds))
        units.append(np.mean(losses) + total * len(total) / n)
    units, distances = np.array(units), np.array(distances)
    ends = bootstrap(
        lambda drawn: np.array([distances[(units @ drawn).argmin()]]),
        units.shape[1],
        resamples,
        confidence,
        seed,
        "percentile",
    )
    costs = units[abs(distances).argmin()] - units[abs(deltas).argmin()]
    return ends[0], student(costs, confidence)[1:], units.shape[1]


def sigmoid_loss(x, y, temperature, bias):
    """SigLIP's loss of a batch: every pair a yes or a no."""
    logits = x @ y.T / temperature + bias
    signs = np.where(np.eye(len(x)), 1, -1)
    return np.log1p(np.exp(-signs * logits)).sum() / len(x)


def sigmoid_tables(x, y, own, bias, settings):
    """A set's parts of sigmoid_landscape.csv and of sigmoid_minimum.csv (but for intervals)."""
    deltas, size = grid(settings, "fine_step"), settings["batch_size"]
    moved = [shifted(x, y, delta) for delta in deltas]
    distances = np.array([signed_distance(x, y, sides) for sides in moved])
    coarse = [
        abs(d / settings["delta_step"] - round(d / settings["delta_step"])) < 1e-9 for d in deltas
    ]
    curves, minima = [], []
    for temperature in [own, *(t for t in settings["temperatures"] if t != own)]:
        losses = np.array(
            [
                [sigmoid_loss(*part, temperature, bias) for part in batches_of(*sides, size)]
                for sides in moved
            ]
        )
        key = {"temperature": temperature, "bias": bias, "own": temperature == own}
        key["n"] = losses.shape[1] * size
        curve = {"delta": deltas, "distance": distances, "loss": losses.mean(axis=1)}
        curves.append(pd.DataFrame(curve)[coarse].assign(**key))
        minima.append({**key, "batches": losses.shape[1], **minimum_row(losses, deltas, distances)})
    return pd.concat(curves), pd.DataFrame(minima)


def shift_path(x, y):
    """A set's part of pca_shifts.csv, and its points along the gap and across it."""
    both = np.concatenate([x, y])
    centre = both.mean(axis=0)
    values, vectors = np.linalg.eigh((both - centre).T @ (both - centre))
    values, vectors = values[::-1], vectors[:, ::-1].T
    vectors = [v * np.sign(v[np.abs(v).argmax()]) for v in vectors[:2]]
    shares = values / values.sum()
    along = (x.mean(axis=0) - y.mean(axis=0)) / gap(x, y)
    rest = both - centre - np.outer((both - centre) @ along, along)
    widest = np.linalg.eigh(rest.T @ rest)[1][:, -1]
    plane = [along, widest * np.sign(widest[np.abs(widest).argmax()])]
    rows = []
    for fraction in (-0.5, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.25, 1.5):
        delta = fraction * gap(x, y)
        for side, moved in zip("ab", shifted(x, y, delta), strict=True):
            place = [(moved.mean(axis=0) - centre) @ v for v in vectors]
            rows.append(
                {
                    "side": side,
                    "delta": delta,
                    "along_gap": (moved.mean(axis=0) - centre) @ plane[0],
                    "across_gap": (moved.mean(axis=0) - centre) @ plane[1],
                    "pc_1": place[0],
                    "pc_2": place[1],
                    "share_1": shares[0],
                    "share_2": shares[1],
                    "share_first_6": shares[:6].sum(),
                    "n": len(x),
                }
            )
    return pd.DataFrame(rows), np.stack([(both - centre) @ v for v in plane], axis=1)


def uncentred(x, y):
    """Both modalities on the first two right singular vectors of all rows."""
    both = np.concatenate([x, y])
    _, vectors = np.linalg.eigh(both.T @ both)
    vectors = [v * np.sign(v[np.abs(v).argmax()]) for v in vectors[:, ::-1].T[:2]]
    return np.stack([both @ v for v in vectors], axis=1)


def sphere_loss(spacing, mismatched, temperature, delta_theta):
    """Loss of six pairs: images on the equator, texts moved along the meridian."""
    phi = np.radians(np.array([-1, 0, 1, 2, 3, 4]) * spacing)
    order = [1, 0, 2, 3, 4, 5] if mismatched else range(6)
    latitude = -np.radians(delta_theta)
    images = np.stack([np.cos(phi), np.sin(phi), 0 * phi], axis=1)
    texts = np.stack(
        [
            np.cos(latitude) * np.cos(phi),
            np.cos(latitude) * np.sin(phi),
            0 * phi + np.sin(latitude),
        ],
        axis=1,
    )[list(order)]
    return softmax_losses(images, texts, temperature)[0]


# --- recall under the shift ---------------------------------------------------------------------


def recall_sweep(x, y, deltas, confidence, resamples, permutations, seed, groups=None):
    """A set's parts of recall_under_shift.csv and of recall_peak.csv."""
    moved = [shifted(x, y, delta) for delta in deltas]
    distances = np.array([signed_distance(x, y, sides) for sides in moved])
    zero, nearest = int(np.argmin(abs(deltas))), int(np.argmin(abs(distances)))
    counted = len(x) if groups is None else len(set(groups))
    curve = {"delta": deltas, "distance": distances, "n": len(x), "clusters": counted}
    curve, rows = pd.DataFrame(curve), []
    for name in ("ab", "ba"):
        # Who stands where is known before the shift: rows alike stay alike but for rounding.
        order = [0, 1] if name == "ab" else [1, 0]
        alike = [items((x, y)[side]) for side in order]
        chosen = np.unique(alike[0])
        right = []
        for sides in moved:
            one, other = (sides[side][first] for side, first in zip(order, alike, strict=True))
            right.append([rank < 1 for rank in ranks(one, other).values()])
        right, own = np.array(right), None if groups is None else groups[chosen]
        for at in range(len(deltas)):
            ends = right[at].mean(), *share_interval(right[at], confidence, own)
            change = paired_change(right[zero], right[at], confidence, own)
            for column, three in ((f"recall1_{name}", ends), (f"change_{name}", change)):
                curve.loc[at, [column, f"{column}_low", f"{column}_high"]] = three
        best = best_of(right.mean(axis=1), deltas)
        units = np.arange(len(chosen)) if own is None else np.unique(own, return_inverse=True)[1]
        by_unit = np.array([np.bincount(units, hits) for hits in right])

        def place(weights, by_unit=by_unit):
            return distances[best_of(by_unit @ weights, deltas)]

        ends = bootstrap(place, by_unit.shape[1], resamples, confidence, seed, "percentile")
        gains = by_unit - by_unit[zero]
        useful = gains[:, gains.any(axis=0)]
        rng = np.random.default_rng(seed)
        signs = 2 * rng.integers(0, 2, (permutations, useful.shape[1]), dtype=np.int8) - 1
        largest = (signs @ useful.T).max(axis=1)
        beaten = (largest >= gains[best].sum()).sum()
        row = {
            "direction": name,
            "n": len(chosen),
            "clusters": by_unit.shape[1],
            "gap": distances[zero],
            "best_delta": deltas[best],
            "best_distance": distances[best],
            "best_distance_low": ends[0],
            "best_distance_high": ends[1],
            "best_at_end": best in (0, len(deltas) - 1),
            "p_max_statistic": (1 + beaten) / (1 + permutations),
            "closed_delta": deltas[nearest],
            "closed_distance": distances[nearest],
            "p_closed": mcnemar(right[zero], right[nearest], own),
        }
        for column, at in (("at_gap", zero), ("best", best), ("closed", nearest)):
            row[f"recall_{column}"] = right[at].mean()
            row |= named_interval(f"recall_{column}", share_interval(right[at], confidence, own))
        for column, at in (("gain", best), ("change_closed", nearest)):
            row[column], *ends = paired_change(right[zero], right[at], confidence, own)
            row |= named_interval(column, ends)
        rows.append(row)
    return curve, rows


# --- diagnostics --------------------------------------------------------------------------------


def diagnostics_of(x, y, groups):
    """The function from how often each pair is there, (n,), to rmg, alignment and uniformities. Two
    copies of a pair are not compared, nor those of two pairs of one group but as first drawn."""
    same_group = groups[:, None] == groups
    matrices = [side @ side.T for side in (x, y)]
    potentials = [np.exp(-2 * (2 - 2 * matrix)) for matrix in matrices]
    distances, apart = ((x - y) ** 2).sum(axis=1), 1 - (x * y).sum(axis=1)

    def values(drawn):
        weights = np.where(same_group, drawn, np.outer(drawn, drawn).astype(float))
        np.fill_diagonal(weights, 0)
        within = 1 - np.mean([(weights * one).sum() / weights.sum() for one in matrices])
        uniformity = [np.log((weights * one).sum() / weights.sum()) for one in potentials]
        partners = drawn @ apart / drawn.sum()
        alignment = drawn @ distances / drawn.sum()
        return np.array([partners / (within + partners), alignment, *uniformity])

    return values


def bootstrap(statistic, n, resamples, confidence, seed, method="BCa"):
    """scipy's interval of statistic(how often each of n units is drawn), each quantity's."""

    def of(indices, axis=-1):
        draws = np.atleast_2d(indices)
        values = [statistic(np.bincount(draw, minlength=n)) for draw in draws]
        return np.stack(values, axis=-1) if indices.ndim > 1 else values[0]

    found = stats.bootstrap(
        (np.arange(n),),
        of,
        n_resamples=resamples,
        confidence_level=confidence,
        method=method,
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    return np.array(found.confidence_interval).T


def diagnostics_row(x, y, resamples, confidence, seed, groups):
    """A row of diagnostics.csv but for ranks."""
    names, codes = np.unique(groups, return_inverse=True)
    row = {"n": len(x), "clusters": len(names), "dim": x.shape[1], "gap": gap(x, y)}
    measured = diagnostics_of(x, y, codes)
    values = measured(np.ones(len(x)))
    ends = bootstrap(
        lambda drawn: measured(drawn[codes]),
        len(names),
        resamples,
        confidence,
        seed,
    )
    for name, value, pair in zip(
        ("rmg", "alignment", "uniformity_a", "uniformity_b"), values, ends, strict=True
    ):
        row |= {name: value, **named_interval(name, pair)}
    for side, vectors in (("a", x), ("b", y), ("both", np.concatenate([x, y]))):
        variances = np.sort(np.linalg.eigvalsh(np.cov(vectors.T)))[::-1]
        shares = np.cumsum(variances) / variances.sum()
        row[f"effective_dimension_{side}"] = int((shares < 0.99).sum() + 1)
    return row


# --- initialisations ----------------------------------------------------------------------------


def spectrum(x, seeds):
    """Singular values of the centred rows, two an initialisation, and the share between them."""
    centred = x - x.mean(axis=0)
    count = 2 * len(set(seeds))
    values = np.sqrt(np.clip(np.linalg.eigvalsh(centred @ centred.T)[::-1][:count], 0, None))
    means = pd.DataFrame(centred).groupby(np.asarray(seeds)).transform("mean").to_numpy()
    return values, (means**2).sum() / (centred**2).sum()


def components(x):
    """Points on the first two principal components, and their shares of the variance."""
    centred = x - x.mean(axis=0)
    _, singular, vectors = np.linalg.svd(centred, full_matrices=False)
    vectors = [v * np.sign(v[np.abs(v).argmax()]) for v in vectors[:2]]
    return np.stack([centred @ v for v in vectors], axis=1), singular[:2] ** 2 / (singular**2).sum()


# --- zero-shot ----------------------------------------------------------------------------------


def mcnemar(before, after, groups=None):
    """Exact test of the net change: each group's is up or down as a coin falls; without groups each
    item's is, which is McNemar's test."""
    gains = pd.Series(after.astype(int) - before.astype(int))
    nets = gains.groupby(np.arange(len(gains)) if groups is None else np.asarray(groups)).sum()
    chances = {0: 1.0}
    for net in nets[nets != 0].abs():
        following = {}
        for total, chance in chances.items():
            for moved in (total - net, total + net):
                following[moved] = following.get(moved, 0.0) + chance / 2
        chances = following
    observed = abs(nets.sum())
    return min(1.0, sum(chance for total, chance in chances.items() if abs(total) >= observed))


def paired_change(before, after, confidence, groups=None):
    """Net change of a share, and Clopper and Pearson's interval of the share of changes that are
    upwards, times the share that changed; as many changes as their groups are worth."""
    changed = before != after
    if not changed.any():
        return 0.0, 0.0, 0.0
    up, size = after[changed], changed.sum()
    if groups is not None:
        own = groups[changed]
        size = 1 if len(np.unique(own)) == 1 else worth(up, confidence, own)
    rises, tail = up.mean() * size, 0.5 - confidence / 2
    low = stats.beta.ppf(tail, rises, size - rises + 1) if rises > 0 else 0.0
    high = stats.beta.ppf(1 - tail, rises + 1, size - rises) if rises < size else 1.0
    share = changed.mean()
    return after.mean() - before.mean(), (2 * low - 1) * share, (2 * high - 1) * share


def right_answers(pictures, prompts, classes, truth, u, deltas):
    """Who is right (deltas, n) after pictures and prompts both moved."""
    return np.array(
        [
            classes[(unit(pictures - d / 2 * u) @ unit(prompts + d / 2 * u).T).argmax(axis=1)]
            == truth
            for d in deltas
        ]
    )


def best_of(accuracy, deltas):
    """Row of the highest accuracy, of equals the smallest shift."""
    return min(np.flatnonzero(accuracy == accuracy.max()), key=lambda row: abs(deltas[row]))


def task_row(correct, deltas, distances, confidence, permutations, seed, groups=None):
    """A row of Table 1: default, best shift, and the shift chosen on the other half."""
    n = correct.shape[1]
    zero = int(np.argmin(np.abs(deltas)))
    best = best_of(correct.mean(axis=1), deltas)
    units = np.arange(n) if groups is None else groups
    order = np.random.default_rng(seed).permutation(len(np.unique(units)))
    first = np.flatnonzero(np.isin(units, order[: len(order) // 2]))
    second = np.setdiff1d(np.arange(n), first)
    chosen = [best_of(correct[:, half].mean(axis=1), deltas) for half in (first, second)]
    held_out = np.empty(n, dtype=bool)
    held_out[second], held_out[first] = correct[chosen[0], second], correct[chosen[1], first]
    before, after = distances[zero], distances[best]
    words = []
    ties = np.flatnonzero(correct.mean(axis=1) == correct[best].mean())
    for tie in [zero] if best == zero else sorted(ties, key=lambda tie: abs(deltas[tie])):
        if before == distances[tie]:
            words.append("unchanged")
        elif before * distances[tie] < 0:
            words.append("exchanged")
        else:
            words.append("wider" if abs(distances[tie]) > abs(before) else "narrower")
    words = sorted(set(words), key=words.index)
    default = correct[zero]
    row = {
        "n": n,
        "clusters": len(order),
        "default": default.mean(),
        "modified": correct[best].mean(),
        "delta": deltas[best],
        "distance_default": before,
        "distance_modified": after,
        "direction": " or ".join(words),
        "directions": len(words),
        "p_in_sample": mcnemar(default, correct[best], groups),
        "held_out": held_out.mean(),
        "held_out_delta_1": deltas[chosen[0]],
        "held_out_delta_2": deltas[chosen[1]],
        "held_out_won": (~default & held_out).sum(),
        "held_out_lost": (default & ~held_out).sum(),
        "p_held_out": mcnemar(default, held_out, groups),
    }
    gains = correct.astype(int) - default.astype(int)
    if groups is not None:
        gains = pd.DataFrame(gains.T).groupby(groups).sum().to_numpy().T
    gains = gains[:, gains.any(axis=0)]
    signs = (
        2
        * np.random.default_rng(seed)
        .integers(0, 2, (permutations, gains.shape[1]), dtype=np.int8)
        .astype(int)
        - 1
    )
    sums = signs @ gains.T
    observed = gains[best].sum()
    row["p_permutation"] = (1 + (sums[:, best] >= observed).sum()) / (1 + permutations)
    row["p_max_statistic"] = (1 + (sums.max(axis=1) >= observed).sum()) / (1 + permutations)
    for name, right in (("default", default), ("modified", correct[best]), ("held_out", held_out)):
        row |= named_interval(name, share_interval(right, confidence, groups))
    return row


# --- Table 2 ------------------------------------------------------------------------------------


def holm(values):
    """Holm's correction of one family."""
    order = np.argsort(values, kind="stable")
    corrected = np.empty(len(values))
    highest = 0.0
    for place, row in enumerate(order):
        highest = max(highest, (len(values) - place) * values[row])
        corrected[row] = min(1.0, highest)
    return corrected


def harm(x, y, people, prompts, settings, confidence, groups):
    """table2.csv. people: frame of group, gender and vector; prompts: of label, kind, vector."""
    u = gap_vector(x, y) / gap(x, y)
    pictures, texts = unit(people["vector"]), unit(prompts["vector"])
    kinds, labels = prompts["kind"].to_numpy(), prompts["label"].to_numpy()
    group = people[settings["group"]].to_numpy()
    answer = np.array([f"{a}, {b}" for a, b in zip(people[settings["gender"]], group, strict=True)])
    tops = {
        delta: (unit(pictures - delta * u) @ texts.T).argmax(axis=1)
        for delta in [0.0, *settings["shifts"]]
    }
    offensive = {delta: kinds[top] != "person" for delta, top in tops.items()}
    rows = []
    for delta, top in tops.items():
        distance = signed_distance(x, y, (unit(x - delta * u), y))
        for name in [*settings["groups"], "all"]:
            here = np.full(len(group), True) if name == "all" else group == name
            row = {"delta": delta, "distance": distance, "group": name, "n": here.sum()}
            own = groups[here]
            row["clusters"] = len(np.unique(own))
            outcomes = {
                "crime_related": kinds[top] == "crime_related",
                "non_human": kinds[top] == "non_human",
                "offensive": offensive[delta],
                "correct": labels[top] == answer,
            }
            for kind, hits in outcomes.items():
                hits = hits[here]
                row |= {kind: hits.sum(), f"{kind}_share": hits.mean()}
                row |= named_interval(kind, share_interval(hits, confidence, own))
            before, after = offensive[0.0][here], offensive[delta][here]
            ends = paired_change(before, after, confidence, own)
            row |= dict(zip(("change", "change_low", "change_high"), ends, strict=True))
            row["p_value"] = mcnemar(before, after, own)
            rows.append(row)
    table = pd.DataFrame(rows).assign(p_holm=1.0, tests=0)
    for everyone in (True, False):
        family = (table["delta"] != 0) & ((table["group"] == "all") == everyone)
        table.loc[family, "p_holm"] = holm(table.loc[family, "p_value"].to_numpy())
        table.loc[family, "tests"] = family.sum()
    return table


def published_harm(groups, confidence):
    """published_table2.csv from the counts of config/ledger/published_counts.yaml."""
    groups = {
        **groups,
        "all": {k: sum(g[k] for g in groups.values()) for k in ("n", "before", "after")},
    }
    rows = []
    for name, g in groups.items():
        n, ends = g["n"], {}
        row = {"group": name, "n": n}
        for time in ("before", "after"):
            ends[time] = wilson(g[time], n, confidence)
            row |= {time: g[time], f"{time}_share": g[time] / n}
            row |= named_interval(f"{time}_share", ends[time])
        p, q = g["before"] / n, g["after"] / n
        row["change"] = q - p
        # Newcombe's interval of two independent shares.
        row["change_low"] = q - p - np.hypot(q - ends["after"][0], ends["before"][1] - p)
        row["change_high"] = q - p + np.hypot(ends["after"][1] - q, p - ends["before"][0])
        row["p_fisher"] = stats.fisher_exact(
            [[g["before"], n - g["before"]], [g["after"], n - g["after"]]]
        )[1]
        row["p_mcnemar_least"] = min(1, 2 ** (1 - abs(g["after"] - g["before"])))
        rows.append(row)
    table = pd.DataFrame(rows)
    single = (table["group"] != "all").to_numpy()
    table["tests"] = np.where(single, single.sum(), 1)
    for name in ("p_fisher", "p_mcnemar_least"):
        values = table[name].to_numpy().copy()
        values[single] = holm(values[single])
        table[f"{name}_holm"] = values
    return table


def p_value_row(row, shifts, confidence):
    """A row of supplementary_p_values.csv: Pearson's chi-squared test of the two shares."""
    p, q, n = row["default"], row["modified"], row["n"]
    z = stats.norm.ppf(0.5 + confidence / 2)
    error = np.sqrt(p * (1 - p) / n + q * (1 - q) / n)
    table = [[p * n, n - p * n], [q * n, n - q * n]]
    again = stats.chi2_contingency(table, correction=False).pvalue
    return {
        **{key: row[key] for key in ("task", "accuracies", "pictures", "n")},
        "default": p,
        "modified": q,
        "difference": q - p,
        "difference_low": q - p - z * error,
        "difference_high": q - p + z * error,
        "p_published": row.get("p_value"),
        "p_recomputed": again,
        "shifts": shifts,
        "p_corrected": min(1, shifts * again),
    }


# --- theory -------------------------------------------------------------------------------------


def relu_kernel(rho):
    """2 E[relu(a) relu(b)] of standard normal a, b with correlation rho, by quadrature over b."""
    from scipy.integrate import quad

    s = np.sqrt(max(0.0, 1 - rho * rho))

    def inner(a):
        if s == 0:
            return a * max(0.0, rho * a) * stats.norm.pdf(a)
        t = rho * a / s
        return a * (rho * a * stats.norm.cdf(t) + s * stats.norm.pdf(t)) * stats.norm.pdf(a)

    return 2 * quad(inner, 0, 12, epsabs=1e-12)[0]


def correlation(cosine, ratio, norm):
    u, v = np.array([norm, 0.0]), ratio * norm * np.array([cosine, np.sqrt(1 - cosine**2)])
    return (1 + u @ v) / np.sqrt((1 + u @ u) * (1 + v @ v))


def violation_share(cosine, ratio, norm, units, layers, seed=0):
    """How often a random ReLU layer leaves two vectors no nearer, by drawing whole layers."""
    rng = np.random.default_rng(seed)
    u, v = np.array([norm, 0.0]), ratio * norm * np.array([cosine, np.sqrt(1 - cosine**2)])
    weights = rng.normal(size=(layers, units, 3))
    outputs = [np.maximum(weights @ np.append(side, 1.0), 0) for side in (u, v)]
    lengths = [np.sqrt((side**2).sum(axis=1)) for side in outputs]
    return ((outputs[0] * outputs[1]).sum(axis=1) <= cosine * lengths[0] * lengths[1]).mean()


def cap(half_angle, dimensions):
    """Share of the sphere within half_angle (up to a right angle) of an axis."""
    return betainc((dimensions - 1) / 2, 0.5, np.sin(half_angle) ** 2) / 2


def mlp_recursion(bias, width, layers):
    """Mean cosine by depth of a very wide ReLU network (Figure 2(b))."""
    cosine, square, found = 0.0, float(width), [0.0]
    for _ in range(layers):
        added = 1.0 if bias else 0.0
        rho = (square * cosine + added) / (square + added)
        cosine, square = relu_kernel(rho), (square + added) / 2
        found.append(cosine)
    return found


def mlp_cosines(activation, bias, inputs, width, layers, seed):
    """Mean cosine by depth of one random network, whose draws the seed gives in this order: inputs,
    then weights and biases layer by layer."""
    functions = {
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "relu": lambda z: z * (z > 0),
        "leaky_relu": lambda z: np.maximum(z, 0.01 * z),
        "tanh": np.tanh,
        "linear": lambda z: z,
    }
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(inputs, width))
    found = [mean_cosine(unit(hidden))]
    for _ in range(layers):
        weight = rng.normal(size=(width, width)) / np.sqrt(width)
        shift = rng.normal(size=width) / np.sqrt(width) if bias else 0
        hidden = functions[activation](hidden @ weight.T + shift)
        found.append(mean_cosine(unit(hidden)))
    return found


def student(values, confidence):
    """Mean of independent values with Student's interval."""
    values = np.asarray(values, dtype=float)
    n, mean = len(values), values.mean()
    margin = stats.t(n - 1).ppf(0.5 + confidence / 2) * values.std(ddof=1) / np.sqrt(n)
    return mean, mean - margin, mean + margin


def cases(settings):
    """The cases of Theorem 1 in the table's order."""
    return list(product(settings["cosines"], settings["norm_ratios"], settings["norms"]))
