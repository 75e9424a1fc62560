"""Parts that several losses share. B is the number of pairs in the batch."""

import torch
from torch.nn import functional


def cross_entropy(logits: torch.Tensor, target: torch.Tensor | None = None) -> torch.Tensor:
    """Mean over rows of logits (B, K) of -sum_j T_ij log softmax_j: T is `target` (B, K), or the
    identity, where the right answer of row i is column i."""
    if target is None:
        return functional.cross_entropy(logits, torch.arange(len(logits), device=logits.device))
    return -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()


def symmetric(logits: torch.Tensor) -> torch.Tensor:
    """Mean of the cross-entropies of rows and of columns."""
    return (cross_entropy(logits) + cross_entropy(logits.T)) / 2


def without_diagonal(matrix: torch.Tensor) -> torch.Tensor:
    """The values of a matrix (B, B) off its diagonal, (B, B - 1)."""
    n = len(matrix)
    keep = ~torch.eye(n, dtype=torch.bool, device=matrix.device)
    return matrix[keep].reshape(n, n - 1)


def with_diagonal(matrix: torch.Tensor, diagonal: torch.Tensor) -> torch.Tensor:
    """The matrix (B, B) with another diagonal (B,)."""
    on = torch.eye(len(matrix), dtype=torch.bool, device=matrix.device)
    return torch.where(on, diagonal[:, None], matrix)


def uniformity(x: torch.Tensor) -> torch.Tensor:
    """log mean_{i<j} exp(-2 |x_i - x_j|^2). Source: Wang and Isola, 2020."""
    return (-2 * functional.pdist(x) ** 2).logsumexp(dim=0) - torch.log(
        torch.tensor(len(x) * (len(x) - 1) / 2, dtype=x.dtype)
    )


def uniformity_across(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """log mean_{i != j} exp(-2 |x_i - y_j|^2)."""
    squares = ((x[:, None] - y[None]) ** 2).sum(dim=2)
    return (-2 * without_diagonal(squares)).exp().mean().log()


def alignment(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean squared distance of partners."""
    return ((x - y) ** 2).sum(dim=1).mean()


def slerp(x: torch.Tensor, y: torch.Tensor, part: torch.Tensor | float) -> torch.Tensor:
    """Points (B, d) of the arcs from y (part 0) to x (part 1), all of unit length."""
    cosine = (x * y).sum(dim=1, keepdim=True).clamp(-1 + 1e-6, 1 - 1e-6)
    angle = torch.acos(cosine)
    return ((part * angle).sin() * x + ((1 - part) * angle).sin() * y) / angle.sin()
