"""The task of a mixed gallery in which a document takes one of several forms (T2c).

Pictures have several captions: pictures (n, d) and captions (n, K, d) are unit vectors (float64),
and index i is picture i and its captions. A query is caption q of a picture. Each document is
another caption c, the picture, or the fusion of both. The form of the wanted document is drawn at
random too, so a method gains nothing by preferring one form.
"""

from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np

from modality_gap.measures.posthoc.ranks import beats, ndcg10, partner_ranks
from modality_gap.measures.posthoc.registry import Fitted, Maps, unit
from modality_gap.measures.posthoc.tasks import SHARES, expected

FORMS = ("caption", "picture", "fused")


def fuse(
    fitted: Fitted, captions: np.ndarray, pictures: np.ndarray, part: float = 0.5
) -> np.ndarray:
    """The fused documents: the unit vectors of t f(caption) + (1 - t) g(picture), where t is
    `part`. f and g are the maps that the method has for the two modalities; for a method that
    changes only scores, they are the identity. Pictures are modality x."""
    if isinstance(fitted, Maps):
        return unit(part * fitted.y(captions) + (1 - part) * fitted.x(pictures))
    return unit(part * captions + (1 - part) * pictures)


def form_scores(
    fitted: Fitted, queries: np.ndarray, captions: np.ndarray, pictures: np.ndarray
) -> dict[str, np.ndarray]:
    """The scores (m, k), by form, of caption queries (m, d) and documents, which are captions (k,
    d) and their pictures (k, d). A fusion is between the two modalities. So a method that changes
    scores gives it the mean of both kinds of score."""
    scores = {
        "caption": fitted.scores(queries, captions, ("y", "y")),
        "picture": fitted.scores(queries, pictures, ("y", "x")),
    }
    fused = fuse(fitted, captions, pictures)
    if isinstance(fitted, Maps):
        scores["fused"] = fitted.vectors("y", queries) @ fused.T
    else:
        kinds = (("y", "y"), ("y", "x"))
        parts = [fitted.scores(queries, fused, kind) for kind in kinds]
        scores["fused"] = (parts[0] + parts[1]) / 2
    return scores


def ordered_pairs(
    fitted: Fitted, pictures: np.ndarray, captions: np.ndarray
) -> Iterator[dict[str, np.ndarray]]:
    """Yields the scores (n, n) of all pictures by form, for every ordered pair of different caption
    numbers (query, document)."""
    n, k, d = captions.shape
    flat, beside = captions.reshape(n * k, d), np.repeat(pictures, k, axis=0)
    scores = form_scores(fitted, flat, flat, beside)
    apart = {form: values.reshape(n, k, n, k) for form, values in scores.items()}
    for q, c in permutations(range(k), 2):
        yield {form: values[:, q, :, c] for form, values in apart.items()}


def mixed_forms(
    fitted: Fitted, pictures: np.ndarray, captions: np.ndarray
) -> dict[str, np.ndarray]:
    """The expected recall at 1 and NDCG at 10 of each picture (n,), if every document has each of
    the three forms with chance 1/3; and the same by the form of the wanted document. They are means
    over all ordered pairs of the picture's captions. The values are exact: no form is drawn."""
    parts: dict[str, list] = {form: [] for form in FORMS}
    for scores in ordered_pairs(fitted, pictures, captions):
        for form in FORMS:
            wanted = np.diagonal(scores[form])
            ahead = np.sum(
                [beats(scores[f], wanted, np.arange(len(wanted))) for f in FORMS], axis=0
            )
            parts[form].append([(ahead == forms).sum(axis=1) for forms in (1, 2, 3)])
    values: dict[str, np.ndarray] = {}
    for form, counts in parts.items():
        recall, ndcg = _mean_of_pairs(counts, (1 / 3, 2 / 3, 1.0))
        values |= {f"recall1_{form}": recall, f"ndcg10_{form}": ndcg}
    for metric in ("recall1", "ndcg10"):
        values[metric] = np.mean([values[f"{metric}_{form}"] for form in FORMS], axis=0)
    return values


def form_curve(
    fitted: Fitted, pictures: np.ndarray, captions: np.ndarray, shares: Sequence[float] = SHARES
) -> dict[str, np.ndarray]:
    """The expected recall at 1 and NDCG at 10 of each picture (n,), if every document, also the
    wanted one, is the picture with probability p, and another caption otherwise. Keys are
    `recall1_p` and `ndcg10_p`. The values are exact."""
    counts: dict[str, list] = {"picture": [], "caption": []}
    for scores in ordered_pairs(fitted, pictures, captions):
        for form, of_form in counts.items():
            wanted = np.diagonal(scores[form])
            place = np.arange(len(wanted))
            first, second = (beats(scores[f], wanted, place) for f in ("picture", "caption"))
            both = (first & second, first & ~second, second & ~first)
            of_form.append([which.sum(axis=1) for which in both])
    values: dict[str, np.ndarray] = {}
    for p in shares:
        chances = {"picture": p, "caption": 1 - p}
        parts = [
            chances[form] * np.array(_mean_of_pairs(of_form, (1.0, p, 1 - p)))
            for form, of_form in counts.items()
            if chances[form] > 0
        ]
        values[f"recall1_{p:g}"], values[f"ndcg10_{p:g}"] = np.sum(parts, axis=0)
    return values


def _mean_of_pairs(
    counts: list[list[np.ndarray]], chances: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """The result of `expected` for each picture (n,), as the mean over the pairs of captions in
    `counts`."""
    each = np.array(counts)  # (pairs, kinds, n)
    kinds = [*each.transpose(1, 0, 2).reshape(each.shape[1], -1)]
    found = expected(kinds, chances)
    recall, ndcg = (part.reshape(len(each), -1).mean(axis=0) for part in found)
    return recall, ndcg


def fusion_curve(
    fitted: Maps,
    pictures: np.ndarray,
    captions: np.ndarray,
    parts: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
) -> dict[str, float]:
    """NDCG at 10 of caption queries if every document is fused, by the caption's part t; and if it
    is in the middle of the arc between caption and picture (`ndcg10_fused_arc`). For unit vectors
    the arc's middle is the fusion at t = 1/2; for moved vectors, whose lengths differ, it is
    another."""
    documents = {
        f"ndcg10_fused_{part:g}": [
            fuse(fitted, one, pictures, part) for one in _by_number(captions)
        ]
        for part in parts
    }
    moved = unit(fitted.vectors("x", pictures))
    documents["ndcg10_fused_arc"] = [
        unit(unit(fitted.vectors("y", one)) + moved) for one in _by_number(captions)
    ]
    queries = [fitted.vectors("y", one) for one in _by_number(captions)]
    values = {}
    for name, fused in documents.items():
        ranks = [
            partner_ranks(queries[q] @ fused[c].T) for q, c in permutations(range(len(queries)), 2)
        ]
        values[name] = float(np.mean(ndcg10(np.array(ranks))))
    return values


def _by_number(captions: np.ndarray) -> Iterator[np.ndarray]:
    """The captions (n, d) of each number, of captions (n, K, d)."""
    return iter(captions.transpose(1, 0, 2))
