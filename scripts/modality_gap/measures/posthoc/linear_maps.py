"""Methods that fit a linear map between the modalities, or that whiten the modalities.

x, y: (m, d) unit vectors (float64) of the fit pairs. Second moments of m <= d pairs are mostly
noise, so every result is shown with n_fit / d. `prompts` (C, d): if given, the prompts of classes,
whose mean is used instead of y's wherever the vectors are centred; matrices are fitted without it.
"""

import numpy as np

from modality_gap.measures.posthoc.registry import Maps, Vectors, method
from modality_gap.measures.posthoc.vectors import Prompts, centred, gap_vector

DETERMINED = 1e-9  # relative to the first singular value; smaller ones depend on rounding


def polar(matrix: np.ndarray) -> np.ndarray:
    """The orthogonal polar factor of a matrix (d, d), within the subspace that the matrix
    determines."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    rank = int((values > DETERMINED * values[0]).sum())
    return left[:, :rank] @ right[:rank]


def shrunk_covariance(rows: np.ndarray, part: float) -> np.ndarray:
    """The shrunk covariance (1 - l) S + l tr(S) / d I of the rows (m, d). S is the covariance over
    m - 1, and l is the `part`."""
    covariance = np.cov(rows, rowvar=False)
    d = len(covariance)
    return (1 - part) * covariance + part * np.trace(covariance) / d * np.eye(d)


def power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """A power of a symmetric positive matrix, (d, d)."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values**exponent) @ vectors.T


def moments(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Xc' Yc (d, d), where Xc and Yc are the centred rows."""
    of_x, of_y = centred(x, y)
    return (x - of_x).T @ (y - of_y)


def _less(mean: np.ndarray, matrix: np.ndarray) -> Vectors:
    return lambda rows: (rows - mean) @ matrix


@method("procrustes_10", "Procrustes to the identity, e = 10", "ours", default=False, identity=10.0)
@method("procrustes_to_identity", "Procrustes to the identity", "ours", identity=1.0)
@method("procrustes", "Procrustes", "folk method", default=False, identity=0.0)
def procrustes(
    x: np.ndarray, y: np.ndarray, identity: float = 0.0, prompts: Prompts = None
) -> Maps:
    """Both modalities are centred, and the first is rotated onto the second. The rotation is the
    polar factor of Xc' Yc + e I. If e = 0 and m <= d, the subspace that the pairs do not determine
    is left out. If e > 0, it is left unchanged."""
    of_x, of_y = centred(x, y, prompts)
    rotation = polar(moments(x, y) + identity * np.eye(x.shape[1]))
    return Maps(_less(of_x, rotation), lambda b: b - of_y)


def ridge(
    x: np.ndarray,
    y: np.ndarray,
    side: str = "x",
    penalty: float = 1.0,
    prompts: Prompts = None,
) -> Maps:
    """Both modalities are centred, and one is mapped to the other by ridge regression. CLOSE
    (2211.09778) adds noise to the inputs of least squares, which is the same as ridge regression
    with penalty m s^2."""
    of_x, of_y = centred(x, y, prompts)
    source, target = (x, y) if side == "x" else (y, x)
    weights = np.linalg.solve(
        moments(source, source) + penalty * np.eye(source.shape[1]), moments(source, target)
    )
    if side == "x":
        return Maps(_less(of_x, weights), lambda b: b - of_y)
    return Maps(lambda a: a - of_x, _less(of_y, weights))


for side, ways in (("x", "first to second"), ("y", "second to first")):
    for number, penalty in (("", 1.0), ("_01", 0.1), ("_10", 10.0)):
        method(
            f"ridge{'_yx' if side == 'y' else ''}{number}",
            f"ridge, {ways}{f', r = {penalty:g}' if number else ''}",
            "ReCap (2307.05591)",
            default=False,
            side=side,
            penalty=penalty,
        )(ridge)


@method("zca_10_shared", "shared whitening, l = .1", "ours", default=False, part=0.1, shared=True)
@method("zca_50_shared", "shared whitening, l = .5", "ours", default=False, part=0.5, shared=True)
@method("zca_50", "whitening, l = .5", "ours", default=False, part=0.5)
@method("zca_10", "whitening, l = .1", "ours", default=False, part=0.1)
def zca(
    x: np.ndarray,
    y: np.ndarray,
    part: float = 0.5,
    shared: bool = False,
    prompts: Prompts = None,
) -> Maps:
    """Each modality is centred and whitened along the axes of the space. Each uses its own shrunk
    covariance, or the mean of both."""
    of_x, of_y = centred(x, y, prompts)
    both = [shrunk_covariance(side, part) for side in (x, y)]
    if shared:
        both = [(both[0] + both[1]) / 2] * 2
    return Maps(_less(of_x, power(both[0], -0.5)), _less(of_y, power(both[1], -0.5)))


@method("coral_50", "CORAL, l = .5", "CORAL (1612.01939)", default=False, part=0.5)
@method("coral", "CORAL", "CORAL (1612.01939)", default=False)
def coral(x: np.ndarray, y: np.ndarray, part: float = 0.1, prompts: Prompts = None) -> Maps:
    """Both modalities are centred, and the first gets the covariance of the second."""
    of_x, of_y = centred(x, y, prompts)
    matrix = power(shrunk_covariance(x, part), -0.5) @ power(shrunk_covariance(y, part), 0.5)
    return Maps(_less(of_x, matrix), lambda b: b - of_y)


@method("leace", "LEACE", "LEACE (2306.03819)", default=False)
def leace(x: np.ndarray, y: np.ndarray, part: float = 0.1, prompts: Prompts = None) -> Maps:
    """The smallest change after which no linear classifier separates the modalities of the fit
    pairs: v - g g' S^-1 (v - mean) / g' S^-1 g, where g is the gap vector. The change is measured
    with S, the shrunk covariance of both modalities together."""
    vector, mean = gap_vector(x, y, prompts), np.mean(centred(x, y, prompts), axis=0)
    weights = np.linalg.solve(shrunk_covariance(np.concatenate([x, y]), part), vector)
    step = vector / (vector @ weights) if vector.any() else vector

    def erased(rows: np.ndarray) -> np.ndarray:
        return rows - ((rows - mean) @ weights)[:, None] * step

    return Maps(erased, erased)


@method(
    "relative",
    "relative representations",
    "Relative Representations (2209.15430)",
    default=False,
)
def relative(x: np.ndarray, y: np.ndarray) -> Maps:
    """Each vector is replaced by its cosines to all fit items of its own modality."""
    return Maps(lambda a: a @ x.T, lambda b: b @ y.T)


@method("cca_200", "canonical correlations, 200", "ours", default=False, k=200)
@method("cca_100", "canonical correlations, 100", "ours", default=False, k=100)
@method("cca", "canonical correlations, 50", "ours", default=False)
def cca(
    x: np.ndarray, y: np.ndarray, k: int = 50, part: float = 0.1, prompts: Prompts = None
) -> Maps:
    """Both modalities are projected onto the k leading canonical directions of shrunk covariances.
    The coordinates of the first modality are weighted by the canonical correlations."""
    of_x, of_y = centred(x, y, prompts)
    roots = [power(shrunk_covariance(side, part), -0.5) for side in (x, y)]
    cross = moments(x, y) / (len(x) - 1)
    left, values, right = np.linalg.svd(roots[0] @ cross @ roots[1])
    k = min(k, len(x) - 1)
    return Maps(
        _less(of_x, roots[0] @ left[:, :k] * values[:k]), _less(of_y, roots[1] @ right[:k].T)
    )


@method("leading", "leading directions of the second modality", "2603.16100", default=False)
def leading(x: np.ndarray, y: np.ndarray, part: float = 0.5, prompts: Prompts = None) -> Maps:
    """Both modalities are centred and projected onto the d / 2 leading directions of the second."""
    of_x, of_y = centred(x, y, prompts)
    k = min(int(part * x.shape[1]), len(y) - 1)
    directions = np.linalg.svd(y - y.mean(axis=0), full_matrices=False)[2][:k].T
    return Maps(_less(of_x, directions), _less(of_y, directions))


@method(
    "orthogonal_shift_99",
    "shift orthogonal to 99 % of the second",
    "Orthogonal shift (2603.29080)",
    default=False,
    share=0.99,
)
@method(
    "orthogonal_shift_90",
    "shift orthogonal to 90 % of the second",
    "Orthogonal shift (2603.29080)",
    default=False,
    share=0.9,
)
def orthogonal_shift(
    x: np.ndarray, y: np.ndarray, share: float = 0.9, prompts: Prompts = None
) -> Maps:
    """The first modality moves by the part of the gap that is orthogonal to the leading directions
    of the second modality, which have `share` of its variance. The second modality does not
    move."""
    _, values, directions = np.linalg.svd(y - y.mean(axis=0), full_matrices=False)
    k = int(np.searchsorted(np.cumsum(values**2), share * (values**2).sum()) + 1)
    vector = gap_vector(x, y, prompts)
    vector = vector - (vector @ directions[:k].T) @ directions[:k]
    return Maps(lambda a: a - vector)
