"""The measures of a model in the study of losses."""

from itertools import pairwise

import numpy as np
import torch

from modality_gap.measures import gap
from modality_gap.measures.posthoc.measures import uniformity as both_uniformities
from modality_gap.measures.posthoc.ranks import ranks_of
from modality_gap.measures.retrieval import identical_rows, recall_at
from modality_gap.measures.separability import linear_separability
from modality_gap.training.pairs import Pairs, embed, held_out
from modality_gap.training.tasks import Task


@torch.no_grad()
def curve_point(step: int, model: torch.nn.Module, pairs: Pairs) -> dict[str, float]:
    """The gap and recall at 1 (mean of both directions) on held-out pairs, and recall at 1 on
    training pairs."""
    x, y = held_out(model, pairs)
    train_x, train_y = (side.double().numpy() for side in embed(model, pairs, pairs.train))
    return {
        "step": step,
        "gap": gap.gap(x, y),
        "recall1": float(np.mean(recall_at(x, y, 1))),
        "train_recall1": float(np.mean(recall_at(train_x, train_y, 1))),
    }


def measure_model(
    model: torch.nn.Module,
    pairs: Pairs,
    labels: np.ndarray | None,
    seed: int,
    task: Task | None = None,
) -> dict[str, float]:
    """All measures of a trained model. They are on held-out pairs, unless the name begins with
    train. With a task, the zero-shot accuracy is measured on pictures of the task that training
    does not use."""
    x, y = held_out(model, pairs)
    n = len(x)
    difference = x - y
    mean = difference.mean(axis=0)
    variance = float(((difference - mean) ** 2).sum() / (n - 1))
    train = [side.double().numpy() for side in embed(model, pairs, pairs.train)]
    cosines = x @ y.T
    off = ~np.eye(n, dtype=bool)
    spread = np.mean([1 - side.mean(axis=0) @ side.mean(axis=0) for side in (x, y)])
    inside = [gap.mean_cosine(side) for side in (x, y)]
    partners = float((difference**2).sum(axis=1).mean())
    potentials = [np.log(np.exp(4 * (s @ s.T)[off] - 4).mean()) for s in (x, y)]
    row: dict[str, float] = {
        "gap": float(np.linalg.norm(mean)),
        "gap_squared": float(mean @ mean - variance / n),
        "floor": float(np.sqrt(variance / n)),
        "train_gap": gap.gap(*train),
        "rmg": float(gap.relative_gap(partners / 2, float(np.mean(inside)))),
        "separability": linear_separability(x, y, seed),
        "uniformity_a": float(potentials[0]),
        "uniformity_b": float(potentials[1]),
        "uniformity_across": float(both_uniformities(x, y)["uniformity_across"]),
        "alignment": partners,
        "gap_over_spread": float(np.linalg.norm(mean) / np.sqrt(spread)),
        "partner_cosine": float(np.diagonal(cosines).mean()),
        "mean_cosine_a": inside[0],
        "mean_cosine_b": inside[1],
        "mean_cosine_across": float(cosines[off].mean()),
    }
    for k in (1, 5, 10):
        row[f"recall{k}_ab"], row[f"recall{k}_ba"] = recall_at(x, y, k)
    row["recall1"] = (row["recall1_ab"] + row["recall1_ba"]) / 2
    row["recall1_absolute"] = float(np.mean(share_of_first(np.abs(cosines))))
    row["effective_rank_a"], row["effective_rank_b"] = (effective_rank(side) for side in (x, y))
    row["v_measure"] = np.nan if labels is None else v_measure(x, y, labels, seed)
    row["rank_variance"] = rank_variance(x, y, identical_rows(pairs.a[pairs.test].cpu().numpy()))
    return row | zero_shot(model, pairs, task)


def rank_variance(x: np.ndarray, y: np.ndarray, pictures: np.ndarray) -> float:
    """The variance of the ranks that the captions of a picture give to this picture among all
    pictures, averaged over pictures. Captions are y (n, d). For each pair, `pictures` (n,) is the
    row of x (n, d) with its picture. NaN if each picture has one caption. Source: 1-to-K
    (2406.18254)."""
    rows, place = np.unique(pictures, return_inverse=True)
    if len(rows) == len(pictures):
        return float("nan")
    ranks = ranks_of(y @ x[rows].T, place)
    return float(np.mean([ranks[place == one].var() for one in range(len(rows))]))


def zero_shot(model: torch.nn.Module, pairs: Pairs, task: Task | None) -> dict[str, float]:
    """The share of the pictures of a task whose nearest prompt has their class, the number of these
    pictures, and the share expected by guessing. The first share is NaN if training uses all
    pictures."""
    if task is None:
        return {"zero_shot": np.nan, "zero_shot_n": 0, "zero_shot_chance": np.nan}
    hits = task.held_out(pairs.test).hits(model, pairs.at_once)
    return {
        "zero_shot": float(hits.mean()) if len(hits) else np.nan,
        "zero_shot_n": len(hits),
        "zero_shot_chance": 1 / len(task.classes),
    }


def share_of_first(scores: np.ndarray) -> tuple[float, float]:
    """Recall at 1 from rows to columns, and from columns to rows, of the scores (n, n) of all
    pairs. If a partner ties for the first place with k - 1 other items, it counts as 1/k."""
    partner = np.diagonal(scores)
    shares = []
    for axis, own in ((1, partner[:, None]), (0, partner[None])):
        ties = (scores == own).sum(axis=axis)
        shares.append(float((~(scores > own).any(axis=axis) / ties).mean()))
    return shares[0], shares[1]


def effective_rank(rows: np.ndarray) -> float:
    """exp of the entropy of the singular values of centred rows (n, d), after division by their
    sum. Source: Roy and Vetterli, 2007."""
    values = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def at_progress(curve: list[dict], recall: float = 0.5) -> float:
    """The gap at which the training recall at 1 first reaches `recall`. It is interpolated linearly
    between the recorded steps. NaN if this recall is never reached, or is already reached at the
    first step."""
    for one, other in pairwise(curve):
        if one["train_recall1"] < recall <= other["train_recall1"]:
            part = (recall - one["train_recall1"]) / (other["train_recall1"] - one["train_recall1"])
            return one["gap"] + part * (other["gap"] - one["gap"])
    return float("nan")


def v_measure(x: np.ndarray, y: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """The V-measure of k-means on the vectors of both modalities, against the labels (n,). k is the
    number of different labels; k-means starts 10 times."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import v_measure_score

    count = len(np.unique(labels))
    found = KMeans(count, n_init=10, random_state=seed).fit_predict(np.concatenate([x, y]))
    return float(v_measure_score(np.concatenate([labels, labels]), found))
