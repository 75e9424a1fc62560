"""Contrastive losses of matrices of cosines, and the registry of the losses that are swept and
trained.

To add a loss, write its three functions here, add a line to LOSSES, declare the loss in
modality_gap/config/losses.py and test it. Its tables, its section of the page of all models and the
documentation follow.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

from modality_gap.config.losses import DECLARED_LOSSES, DeclaredLoss

if TYPE_CHECKING:
    import torch


def cross_entropies(similarity: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """The mean cross-entropy of the rows (x to y) and of the columns (y to x), (...) each, of
    square matrices (..., n, n) of cosines. The right answers are on the diagonals."""
    logits = similarity / temperature
    right = np.diagonal(logits, axis1=-2, axis2=-1)
    return (
        (logsumexp(logits, axis=-1) - right).mean(axis=-1),
        (logsumexp(logits, axis=-2) - right).mean(axis=-1),
    )


def symmetric_loss(similarity: np.ndarray, temperature: float) -> np.ndarray:
    """The contrastive loss (...) of square matrices (..., n, n) of cosines. It is the mean of the
    cross-entropies of both directions. Source: section 4.1."""
    one, other = cross_entropies(similarity, temperature)
    return (one + other) / 2


def train_softmax(
    similarity: "torch.Tensor", temperature: "float | torch.Tensor"
) -> "torch.Tensor":
    """`symmetric_loss` of one matrix (n, n) of cosines. Source: section 4; CLIP (Radford et al.,
    2021)."""
    import torch
    from torch.nn import functional

    logits = similarity / temperature
    target = torch.arange(len(logits), device=logits.device)
    return (
        functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
    ) / 2


def sigmoid_terms(similarity: np.ndarray, temperature: float, bias: float) -> np.ndarray:
    """-log sigmoid(z logit) for each image and text of square matrices of cosines, in the same
    shape. z is 1 on the diagonal and -1 off it. The logit is cosine / temperature + bias."""
    signs = 2 * np.eye(similarity.shape[-1]) - 1
    return np.logaddexp(0, -signs * (similarity / temperature + bias))


def sigmoid_losses(similarity: np.ndarray, temperature: float, bias: float) -> np.ndarray:
    """SigLIP's loss (...) of square matrices (..., n, n) of cosines. Each pair of an image and a
    text is a binary classification. The loss is the mean over rows of the sum over columns of
    `sigmoid_terms`. Source: Zhai et al., 2023, section 3.2."""
    return sigmoid_terms(similarity, temperature, bias).sum(axis=-1).mean(axis=-1)


def sigmoid_of_pairs(similarity: np.ndarray, temperature: float, bias: float) -> np.ndarray:
    """For each pair, the sum of the terms of SigLIP's loss in the pair's row and column, (...,
    n)."""
    terms = sigmoid_terms(similarity, temperature, bias)
    own = np.diagonal(terms, axis1=-2, axis2=-1)
    return terms.sum(axis=-1) + terms.sum(axis=-2) - own


def train_sigmoid(
    similarity: "torch.Tensor", temperature: "float | torch.Tensor", bias: float
) -> "torch.Tensor":
    """`sigmoid_losses` of one matrix (n, n) of cosines."""
    import torch
    from torch.nn import functional

    signs = 2 * torch.eye(len(similarity), device=similarity.device) - 1
    return -functional.logsigmoid(signs * (similarity / temperature + bias)).sum(dim=-1).mean()


@dataclass(frozen=True)
class Loss:
    """The functions that compute a loss. Each takes cosines, a temperature and, by their names, the
    parameters that the loss declares.

    `of` gives the loss (...) of matrices (..., n, n). `train` gives the loss of one matrix of
    torch's. `of_pairs` gives a number for each pair of a matrix, (..., n): n times the loss of the
    matrix, minus n - 1 times its loss without the pair, up to a number that all pairs of the matrix
    share. Without `of_pairs`, the loss is `symmetric_loss`. loss_sweep.py and loss_minimum.py
    compute that loss from parts of a matrix, so that a batch may be the whole set.
    """

    declared: DeclaredLoss
    of: Callable[..., np.ndarray]
    train: Callable[..., "torch.Tensor"]
    of_pairs: Callable[..., np.ndarray] | None = None


LOSSES: dict[str, Loss] = {
    "softmax": Loss(DECLARED_LOSSES["softmax"], symmetric_loss, train_softmax),
    "sigmoid": Loss(DECLARED_LOSSES["sigmoid"], sigmoid_losses, train_sigmoid, sigmoid_of_pairs),
}
