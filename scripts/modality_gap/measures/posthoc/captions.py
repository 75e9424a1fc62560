"""The task of a mixed gallery in which a document takes one of several forms (T2c).

Pictures with several captions: pictures (n, d), captions (n, K, d), unit vectors (float64), picture
i and its captions at index i. A query is caption q of a picture; each document is another caption
c, the picture, or the fusion of both. The form of the wanted document is drawn too, so a method
that prefers one form wins nothing.
"""

from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np

from modality_gap.measures.posthoc.ranks import beats
from modality_gap.measures.posthoc.registry import Fitted, Maps, unit
from modality_gap.measures.posthoc.tasks import SHARES, expected

FORMS = ("caption", "picture", "fused")


def fuse(
    fitted: Fitted, captions: np.ndarray, pictures: np.ndarray, part: float = 0.5
) -> np.ndarray:
    """Unit vectors of t f(caption) + (1 - t) g(picture), with t the `part` and f, g what the method
    moves them to, or nothing where it changes scores alone; pictures are modality x."""
    if isinstance(fitted, Maps):
        return unit(part * fitted.y(captions) + (1 - part) * fitted.x(pictures))
    return unit(part * captions + (1 - part) * pictures)


def form_scores(
    fitted: Fitted, queries: np.ndarray, captions: np.ndarray, pictures: np.ndarray
) -> dict[str, np.ndarray]:
    """Scores (n, n) of caption queries and the documents in each form. A fusion lies between the
    modalities; a method of scores judges it as a mean of its two kinds of score."""
    scores = {
        "caption": fitted.scores(queries, captions, ("y", "y")),
        "picture": fitted.scores(queries, pictures, ("y", "x")),
    }
    if isinstance(fitted, Maps):
        fused = fuse(fitted, captions, pictures)
        scores["fused"] = fitted.vectors("y", queries) @ fused.T
    else:
        fused = fuse(fitted, captions, pictures)
        kinds = (("y", "y"), ("y", "x"))
        parts = [fitted.scores(queries, fused, kind) for kind in kinds]
        scores["fused"] = (parts[0] + parts[1]) / 2
    return scores


def ordered_pairs(
    fitted: Fitted, pictures: np.ndarray, captions: np.ndarray
) -> Iterator[dict[str, np.ndarray]]:
    """The scores by form for every ordered pair of different captions: query and document."""
    for q, c in permutations(range(captions.shape[1]), 2):
        yield form_scores(fitted, captions[:, q], captions[:, c], pictures)


def mixed_forms(
    fitted: Fitted, pictures: np.ndarray, captions: np.ndarray
) -> dict[str, np.ndarray]:
    """Exact expected recall at 1 and NDCG at 10 by picture (n,) where every document has each
    form with chance 1/3, over all ordered pairs of captions, and by the form of the wanted
    document."""
    parts: dict[str, list] = {form: [] for form in FORMS}
    for scores in ordered_pairs(fitted, pictures, captions):
        for form in FORMS:
            wanted = np.diagonal(scores[form])
            ahead = np.sum(
                [beats(scores[f], wanted, np.arange(len(wanted))) for f in FORMS], axis=0
            )
            counts = [(ahead == forms).sum(axis=1) for forms in (1, 2, 3)]
            recall, ndcg = expected(counts, (1 / 3, 2 / 3, 1.0))
            parts[form].append((recall, ndcg))
    values: dict[str, np.ndarray] = {}
    for form, results in parts.items():
        recall, ndcg = np.mean(results, axis=0)
        values |= {f"recall1_{form}": recall, f"ndcg10_{form}": ndcg}
    for metric in ("recall1", "ndcg10"):
        values[metric] = np.mean([values[f"{metric}_{form}"] for form in FORMS], axis=0)
    return values


def form_curve(
    fitted: Fitted, pictures: np.ndarray, captions: np.ndarray, shares: Sequence[float] = SHARES
) -> dict[str, np.ndarray]:
    """Exact expected recall at 1 and NDCG at 10 by picture (n,) where every document, the wanted
    one too, is the picture with probability p and another caption otherwise, by p: `recall1_p`,
    `ndcg10_p`."""
    totals: dict[str, list] = {}
    for scores in ordered_pairs(fitted, pictures, captions):
        for p in shares:
            recall, ndcg = np.zeros((2, 2, len(pictures)))
            for i, (form, chance) in enumerate((("picture", p), ("caption", 1 - p))):
                if chance == 0:
                    continue
                wanted = np.diagonal(scores[form])
                place = np.arange(len(wanted))
                first, second = (beats(scores[f], wanted, place) for f in ("picture", "caption"))
                counts = [(first & second).sum(axis=1), (first & ~second).sum(axis=1)]
                counts.append((second & ~first).sum(axis=1))
                of_items = expected(counts, (1.0, p, 1 - p))
                recall[i], ndcg[i] = (chance * part for part in of_items)
            totals.setdefault(f"recall1_{p:g}", []).append(recall.sum(axis=0))
            totals.setdefault(f"ndcg10_{p:g}", []).append(ndcg.sum(axis=0))
    return {name: np.mean(values, axis=0) for name, values in totals.items()}


def fusion_curve(
    fitted: Maps,
    pictures: np.ndarray,
    captions: np.ndarray,
    parts: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
) -> dict[str, float]:
    """NDCG at 10 of caption queries where every document is fused, by the caption's part t."""
    from modality_gap.measures.posthoc.ranks import ndcg10, partner_ranks

    values = {}
    for part in parts:
        results = [
            ndcg10(
                partner_ranks(
                    fitted.vectors("y", captions[:, q])
                    @ fuse(fitted, captions[:, c], pictures, part).T
                )
            ).mean()
            for q, c in permutations(range(captions.shape[1]), 2)
        ]
        values[f"ndcg10_fused_{part:g}"] = float(np.mean(results))
    return values
