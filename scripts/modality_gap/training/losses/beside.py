"""Losses that need more than x and y: second views, a trained start, raw outputs, or three
modalities.

x, y (B, d), `logit_scale` and `batch` are as in registry.py; C is x y^T.
"""

import torch

from modality_gap.training.losses.parts import (
    alignment,
    cross_entropy,
    symmetric,
    with_diagonal,
)
from modality_gap.training.losses.registry import Batch, loss

Tensor = torch.Tensor
Scale = torch.Tensor | float
REFINE = "CLIP-Refine (2504.12717)"


@loss("intra", "contrast within both modalities", "SLIP (2112.12750), TCL (2202.10401)", passes=2)
def intra(x: Tensor, y: Tensor, logit_scale: Scale, batch: Batch, weight: float = 1.0) -> Tensor:
    """sym(s C) + w [sym(s x x'^T) + sym(s y y'^T)] / 2, where x' and y' are the second views."""
    second_x, second_y = batch.views
    inside = symmetric(logit_scale * x @ second_x.T) + symmetric(logit_scale * y @ second_y.T)
    return symmetric(logit_scale * x @ y.T) + weight * inside / 2


def distilled(x: Tensor, y: Tensor, logit_scale: Scale, batch: Batch, alpha: float) -> Tensor:
    """The mean of both directions of KL(T || softmax(s C)), where T = alpha I + (1 - alpha)
    softmax(s C') and C' are the cosines of the start."""
    logits = logit_scale * x @ y.T
    of_x, of_y = batch.teacher
    taught = logit_scale * of_x @ of_y.T
    eye = torch.eye(len(x), dtype=x.dtype, device=x.device)
    value = torch.zeros((), dtype=x.dtype)
    for one, other in ((logits, taught), (logits.T, taught.T)):
        target = (alpha * eye + (1 - alpha) * other.softmax(dim=1)).detach()
        entropy = torch.special.entr(target).sum(dim=1).mean()
        value = value + (cross_entropy(one, target) - entropy) / 2
    return value


def shared_noise(batch: Batch) -> Tensor:
    """The mean over items and coordinates of (raw x - r)^2 + (raw y - r)^2. The noise r from N(0,
    I) is drawn for each pair at each step; both items of the pair share it."""
    noise = torch.randn(batch.raw_x.shape, generator=batch.generator, dtype=batch.raw_x.dtype)
    return ((batch.raw_x - noise) ** 2 + (batch.raw_y - noise) ** 2).mean()


@loss("hycd", "distillation with labels", REFINE)
@loss("self_distillation", "distillation without labels", REFINE, alpha=0.0)
@loss("hycd_align", "distillation and alignment", REFINE, align=1.0)
@loss("clip_refine", "CLIP-Refine", REFINE, noise=1.0)
@loss("rafa", "shared noise alone", REFINE, distil=0.0, noise=1.0)
def clip_refine(
    x: Tensor,
    y: Tensor,
    logit_scale: Scale,
    batch: Batch,
    distil: float = 1.0,
    alpha: float = 0.5,
    align: float = 0.0,
    noise: float = 0.0,
) -> Tensor:
    """Distillation from the start with labels, alignment of pairs, and shared noise on the raw
    outputs, each times its weight. The released code distils from vectors that are not normalised;
    here it is from scaled cosines."""
    value = torch.zeros((), dtype=x.dtype)
    if distil:
        value = value + distil * distilled(x, y, logit_scale, batch, alpha)
    if align:
        value = value + align * alignment(x, y)
    if noise:
        value = value + noise * shared_noise(batch)
    return value


@loss("vicreg", "VICReg on raw outputs", "VICReg (2105.04906)")
def vicreg(
    x: Tensor,
    y: Tensor,
    logit_scale: Scale,
    batch: Batch,
    invariance: float = 25.0,
    variance: float = 25.0,
    covariance: float = 1.0,
) -> Tensor:
    """Three terms, each times its weight: the mean squared difference of raw outputs; the mean of
    relu(1 - sqrt(var + 1e-4)), averaged over the sides; and the sum of squared covariances off the
    diagonal, divided by d. Variances and covariances are over B - 1."""
    sides = batch.raw_x, batch.raw_y
    value = invariance * ((sides[0] - sides[1]) ** 2).mean()
    for side in sides:
        n, d = side.shape
        centred = side - side.mean(dim=0)
        spread = (centred.var(dim=0) + 1e-4).sqrt()
        moments = (centred.T @ centred / (n - 1)) ** 2
        value = value + variance * torch.relu(1 - spread).mean() / 2
        value = value + covariance * (moments.sum() - moments.diagonal().sum()) / d
    return value


def symile(a: Tensor, b: Tensor, c: Tensor, logit_scale: Scale) -> Tensor:
    """The loss of triples (B, d) whose similarity is sum_k a_k b_k c_k: each modality in turn looks
    for the two others of its triple among all B^2 combinations. The loss is the mean over the three
    modalities. Source: Symile, 2411.01053."""
    value = torch.zeros((), dtype=a.dtype)
    n = len(a)
    for one, two, three in ((a, b, c), (b, a, c), (c, a, b)):
        products = (two[:, None] * three[None]).reshape(n * n, -1)
        logits = logit_scale * one @ products.T
        right = torch.arange(n) * (n + 1)
        value = value + torch.nn.functional.cross_entropy(logits, right) / 3
    return value


def symile_sampled(
    a: Tensor, b: Tensor, c: Tensor, logit_scale: Scale, generator: torch.Generator
) -> Tensor:
    """The same as `symile`, with B combinations for each modality, as the released code does by
    default. The two other modalities are shuffled separately, and the true triples are on the
    diagonal."""
    value = torch.zeros((), dtype=a.dtype)
    for one, two, three in ((a, b, c), (b, a, c), (c, a, b)):
        orders = [torch.randperm(len(a), generator=generator) for _ in range(2)]
        cosines = one @ (two[orders[0]] * three[orders[1]]).T
        true = (one * two * three).sum(dim=1)
        value = value + cross_entropy(logit_scale * with_diagonal(cosines, true)) / 3
    return value


def volumes(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Volume (n, B) that each unit vector a (n, d) spans with each pair b, c (B, d): the root of
    the determinant of their Gram matrix. Source: GRAM, 2412.11959."""
    ab, ac, bc = a @ b.T, a @ c.T, (b * c).sum(dim=1)
    determinant = 1 + 2 * ab * ac * bc - ab**2 - ac**2 - bc**2
    return determinant.abs().clamp_min(1e-12).sqrt()


def gram_triples(
    a: Tensor, b: Tensor, c: Tensor, logit_scale: Scale, smoothing: float = 0.1
) -> Tensor:
    """sym(-s V) of triples (B, d) with label smoothing, where V are the `volumes`. It does not
    depend on the sign of a vector."""
    logits, n = -logit_scale * volumes(a, b, c), len(a)
    target = (1 - smoothing) * torch.eye(n, dtype=a.dtype, device=a.device) + smoothing / n
    return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2
