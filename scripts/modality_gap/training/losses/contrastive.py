"""Contrastive losses of cosines, some with additional terms.

x, y (B, d), `logit_scale` and `batch` are as in registry.py; C is x y^T. All temperatures are 1 /
logit_scale, unless a term has its own scale.
"""

import torch
from torch.nn import functional

from modality_gap.training.losses.parts import (
    alignment,
    cross_entropy,
    slerp,
    symmetric,
    uniformity,
    uniformity_across,
    with_diagonal,
    without_diagonal,
)
from modality_gap.training.losses.registry import Batch, loss

Tensor = torch.Tensor
Scale = torch.Tensor | float
CUA = "It's Not a Modality Gap (2405.18570)"


@loss("clip", "CLIP's loss", "CLIP (2103.00020)")
def clip(x: Tensor, y: Tensor, logit_scale: Scale, batch: Batch) -> Tensor:
    """sym(s C)."""
    return symmetric(logit_scale * x @ y.T)


@loss("cua", "with uniformity and alignment (CUA)", CUA)
@loss("cuaxu", "with uniformity, alignment and uniformity across (CUAXU)", CUA, across=1.0)
@loss("uniform_only", "with uniformity alone", CUA, align=0.0)
@loss("align_only", "with alignment alone", CUA, uniform=0.0)
@loss("no_contrast", "uniformity and alignment without contrast", CUA, contrast=0.0)
def cua(
    x: Tensor,
    y: Tensor,
    logit_scale: Scale,
    batch: Batch,
    contrast: float = 1.0,
    uniform: float = 1.0,
    align: float = 1.0,
    across: float = 0.0,
) -> Tensor:
    """c sym(s C) + u [U(x) + U(y)] / 2 + a A(x, y) + w X(x, y); U leaves out an item with itself,
    as the released code does."""
    value = torch.zeros((), dtype=x.dtype)
    if contrast:
        value = value + contrast * symmetric(logit_scale * x @ y.T)
    if uniform:
        value = value + uniform * (uniformity(x) + uniformity(y)) / 2
    if align:
        value = value + align * alignment(x, y)
    if across:
        value = value + across * uniformity_across(x, y)
    return value


@loss("atp_cu", "alignment of pairs, uniformity of their centres", "ModGap (2601.18525)")
def atp_cu(
    x: Tensor,
    y: Tensor,
    logit_scale: Scale,
    batch: Batch,
    align: float = 1.0,
    uniform: float = 1.0,
) -> Tensor:
    """sym(s C) + l1 A(x, y) + l2 U((x + y) / 2, normalised)."""
    centres = functional.normalize((x + y) / 2, dim=1)
    return (
        symmetric(logit_scale * x @ y.T) + align * alignment(x, y) + uniform * uniformity(centres)
    )


@loss("sigmoid", "sigmoid loss", "SigLIP (2303.15343)")
def sigmoid(x: Tensor, y: Tensor, logit_scale: Scale, batch: Batch) -> Tensor:
    """-(1 / B) sum_ij log sigmoid(z_ij (s C_ij + b)), where z is 1 on the diagonal and -1 off it,
    and b is the batch's bias."""
    signs = 2 * torch.eye(len(x), dtype=x.dtype, device=x.device) - 1
    return -functional.logsigmoid(signs * (logit_scale * x @ y.T + batch.bias)).sum() / len(x)


@loss("imsep", "separation within the images", "AlignCLIP (2406.17639)")
@loss("imsep_both", "separation within both modalities", "AlignCLIP (2406.17639)", text=True)
def imsep(
    x: Tensor,
    y: Tensor,
    logit_scale: Scale,
    batch: Batch,
    alpha: float = 1.0,
    beta: float = 0.5,
    text: bool = False,
) -> Tensor:
    """alpha [CE(s C) + CE(s C^T)] + beta CE(s M), where M_ij = (x_i . x_j)(1 - f_i . f_j) and
    M_ii = (x_i . y_i). The f_i are the frozen inputs of the texts, `batch.b`. With `text`,
    the last term is added again, with y in place of x."""
    logits = logit_scale * x @ y.T
    partner = (x * y).sum(dim=1)
    value = alpha * (cross_entropy(logits) + cross_entropy(logits.T))
    for side in (x, y) if text else (x,):
        separated = with_diagonal((side @ side.T) * (1 - batch.b @ batch.b.T), partner)
        value = value + beta * cross_entropy(logit_scale * separated)
    return value


@loss("m2mix", "geodesic mixup", "m2-mix (2203.03897)")
def m2mix(
    x: Tensor,
    y: Tensor,
    logit_scale: Scale,
    batch: Batch,
    weight: float = 0.01,
    mix_scale: float = 1 / 0.07,
    part: float | None = None,
) -> Tensor:
    """sym(s C) + w [CE(Lx) + CE(Ly)] where Lx_ii = Ly_ii = s2 (x_i . y_i) and, off the diagonal,
    Lx_ij = s2 (x_i . m_j) and Ly_ij = s2 (y_i . m_j). The point m_j is at `part` of the arc from
    y_j to x_j. If `part` is None, it is drawn from Beta(.5, .5) once per step."""
    if part is None:
        gammas = torch._standard_gamma(torch.full((2,), 0.5, dtype=x.dtype), batch.generator)
        part = float(gammas[0] / gammas.sum())
    mixed, partner = slerp(x, y, part), (x * y).sum(dim=1)
    terms = [cross_entropy(mix_scale * with_diagonal(side @ mixed.T, partner)) for side in (x, y)]
    return symmetric(logit_scale * x @ y.T) + weight * (terms[0] + terms[1])


@loss("cyclip", "CyCLIP", "CyCLIP (2205.14459)")
def cyclip(
    x: Tensor,
    y: Tensor,
    logit_scale: Scale,
    batch: Batch,
    inside: float = 0.25,
    across: float | None = None,
) -> Tensor:
    """sym(s C) + (l1 / B) sum_ij (x_i . x_j - y_i . y_j)^2 + (l2 / B) sum_ij (C_ij - C_ji)^2. l1 is
    `inside` and l2 is `across`; l2 is l1 if `across` is None."""
    across = inside if across is None else across
    cosines = x @ y.T
    n = len(x)
    return (
        symmetric(logit_scale * cosines)
        + inside * ((x @ x.T - y @ y.T) ** 2).sum() / n
        + across * ((cosines - cosines.T) ** 2).sum() / n
    )


@loss("cwcl", "continuously weighted contrast", "CWCL (2309.14580)")
@loss("cwcl_4", "continuously weighted contrast, w^4", "CWCL (2309.14580)", sharpness=4.0)
@loss("cwcl_16", "continuously weighted contrast, w^16", "CWCL (2309.14580)", sharpness=16.0)
def cwcl(x: Tensor, y: Tensor, logit_scale: Scale, batch: Batch, sharpness: float = 1.0) -> Tensor:
    """The mean of two cross-entropies. From x to y, the targets are w_ij / sum_j w_ij, where w_ij =
    (.5 + .5 f_i . f_j)^k. The f_i are the frozen inputs `batch.a`. From y to x, the target is the
    partner."""
    logits = logit_scale * x @ y.T
    weights = (0.5 + 0.5 * batch.a @ batch.a.T) ** sharpness
    target = weights / weights.sum(dim=1, keepdim=True)
    return (cross_entropy(logits, target) + cross_entropy(logits.T)) / 2


@loss("label_smoothing", "label smoothing", "control of CWCL")
def label_smoothing(
    x: Tensor, y: Tensor, logit_scale: Scale, batch: Batch, smoothing: float = 0.1
) -> Tensor:
    """sym(s C) with targets (1 - e) I + e / B."""
    logits, n = logit_scale * x @ y.T, len(x)
    target = (1 - smoothing) * torch.eye(n, dtype=x.dtype, device=x.device) + smoothing / n
    return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2


@loss("dcl", "decoupled contrast", "DCL (2110.06848)")
@loss("dcl_official", "decoupled contrast with negatives within", "DCL (2110.06848)", inside=True)
def dcl(x: Tensor, y: Tensor, logit_scale: Scale, batch: Batch, inside: bool = False) -> Tensor:
    """The mean over i of -s C_ii + log sum_{j != i} exp(s C_ij), averaged with the same for C^T.
    With `inside`, the sum also has the negatives of the same modality. The loss has no lower
    bound."""
    cosines = x @ y.T
    value = torch.zeros((), dtype=x.dtype)
    for across, own in ((cosines, x), (cosines.T, y)):
        negatives = without_diagonal(across)
        if inside:
            negatives = torch.cat([negatives, without_diagonal(own @ own.T)], dim=1)
        negatives = (logit_scale * negatives).logsumexp(dim=1)
        value = value + (negatives - logit_scale * across.diagonal()).mean() / 2
    return value


@loss("cma", "cross-modal alignment", "CMA-OoDD")
def cma(x: Tensor, y: Tensor, logit_scale: Scale, batch: Batch, weight: float = 0.1) -> Tensor:
    """The mean over i of -s C_ii + (1 - l) log sum_j exp(s C_ij), averaged with the same for C^T.
    It is the cross-entropy minus l log sum_j exp(s C_ij)."""
    logits = logit_scale * x @ y.T
    partner = logits.diagonal().mean()
    sums = (logits.logsumexp(dim=1).mean() + logits.logsumexp(dim=0).mean()) / 2
    return (1 - weight) * sums - partner


@loss("dhel", "decoupled hyperspherical energy", "MV-DHEL (2507.06979)")
def dhel(x: Tensor, y: Tensor, logit_scale: Scale, batch: Batch) -> Tensor:
    """The mean over i of -s (x_i . y_i) + log sum_{j != i} exp(s x_i . x_j) + the same for y.
    Nothing pushes the modalities apart."""
    apart = [(logit_scale * without_diagonal(side @ side.T)).logsumexp(dim=1) for side in (x, y)]
    return (apart[0] + apart[1] - logit_scale * (x * y).sum(dim=1)).mean()


@loss("simclr_2n", "SimCLR over both modalities", "SimCLR (2002.05709)")
def simclr_2n(x: Tensor, y: Tensor, logit_scale: Scale, batch: Batch) -> Tensor:
    """Cross-entropy of 2 B items that each look for their partner among all others."""
    n, both = len(x), torch.cat([x, y])
    logits = logit_scale * both @ both.T
    logits = with_diagonal(logits, torch.full((2 * n,), -torch.inf, dtype=x.dtype))
    partner = torch.arange(2 * n).roll(n)
    return functional.cross_entropy(logits, partner)


@loss("gram", "volume", "GRAM (2412.11959)")
def gram(x: Tensor, y: Tensor, logit_scale: Scale, batch: Batch, smoothing: float = 0.1) -> Tensor:
    """sym(-s V) with label smoothing, where V = sqrt(1 - C^2). It does not depend on the sign of a
    cosine."""
    volume = (1 - (x @ y.T) ** 2).clamp_min(1e-12).sqrt()
    n = len(x)
    target = (1 - smoothing) * torch.eye(n, dtype=x.dtype, device=x.device) + smoothing / n
    logits = -logit_scale * volume
    return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2


@loss("one_to_k", "a picture against all its texts", "1-to-K (2406.18254)", passes=2, captions=True)
def one_to_k(x: Tensor, y: Tensor, logit_scale: Scale, batch: Batch) -> Tensor:
    """The loss for K texts of each picture: half the sum of two cross-entropies, divided by K. One
    is of pictures over all texts, with a target of 1 for each own text; the other is of texts over
    pictures. The texts are those of `batch.make_texts`, or else y (B K, d), picture by picture. If
    K is 1, this is CLIP's loss."""
    if batch.make_texts is not None:
        place, y = batch.make_texts()
        x = x[place]
    count = len(y) // len(x)
    own = torch.eye(len(x), dtype=x.dtype, device=x.device).repeat_interleave(count, dim=1)
    logits = logit_scale * x @ y.T
    return (cross_entropy(logits, own) + cross_entropy(logits.T, own.T)) / (2 * count)


@loss("m3co", "mixup of items", "M3CoL (2409.17777)")
def m3co(x: Tensor, y: Tensor, logit_scale: Scale, batch: Batch) -> Tensor:
    """Each side in turn is mixed with a permutation of itself: x_i' = normalise(b_i x_i + (1 - b_i)
    x_p(i)), where b_i is drawn from Beta(.15, .15) for about half of the items and is 1 for the
    rest. The targets of item i are b_i for its partner and 1 - b_i for the partner of p(i). A
    side's loss is the mean of both directions, and the losses of the two sides are summed."""
    n = len(x)
    gammas = torch._standard_gamma(torch.full((2, n), 0.15, dtype=x.dtype), batch.generator)
    parts = gammas[0] / gammas.sum(dim=0).clamp_min(1e-30)
    parts = torch.where(torch.rand(n, generator=batch.generator) < 0.5, parts, 1.0)
    order = torch.randperm(n, generator=batch.generator)
    eye = torch.eye(n, dtype=x.dtype)
    target = parts[:, None] * eye + (1 - parts)[:, None] * eye[order]
    value = torch.zeros((), dtype=x.dtype)
    for one, other in ((x, y), (y, x)):
        mixed = functional.normalize(
            parts[:, None] * one + (1 - parts)[:, None] * one[order], dim=1
        )
        logits = logit_scale * mixed @ other.T
        value = value + (cross_entropy(logits, target) + cross_entropy(logits.T, target.T)) / 2
    return value
