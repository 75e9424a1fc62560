"""Contrastive losses of a matrix of logits."""

import numpy as np
from scipy.special import logsumexp


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
    one, other = cross_entropies(similarity, temperature)
    return (one + other) / 2


def sigmoid_losses(similarity: np.ndarray, temperature: float, bias: float) -> np.ndarray:
    """SigLIP's loss of each of several square matrices of cosines (..., n, n): every image-text
    pair is a binary classification by the sigmoid of cosine / temperature + bias (the logit scale
    is 1 / temperature). Mean over rows of the sum over columns of -log sigmoid(z logit), z = 1 on
    the diagonal and -1 off it. Source: Zhai et al., 2023, section 3.2."""
    logits = similarity / temperature + bias
    signs = 2 * np.eye(similarity.shape[-1]) - 1
    return np.logaddexp(0, -signs * logits).sum(axis=-1).mean(axis=-1)
