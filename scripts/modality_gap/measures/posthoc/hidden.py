"""The task of hidden classes (T3o): find the items whose class has no prompt.

Every second class is hidden: a method is fitted without its items, and its prompt is left out. Each
item gets a score, which should be high for known classes and low for hidden ones.
"""

from collections.abc import Mapping

import numpy as np

from modality_gap.measures.posthoc.registry import Fitted, Method

TEMPERATURES = {"mcm_1": 1.0, "mcm_001": 0.01}  # temperatures of the softmax in MCM (2211.13445)
KEPT = 0.95  # share of the items of known classes that are kept


def hidden_classes(labels: np.ndarray) -> np.ndarray:
    """Whether the class of each item (n,) is hidden. Classes are numbered from 0, and odd ones are
    hidden."""
    return labels % 2 == 1


def confidences(
    fitted: Fitted, items: np.ndarray, prompts: np.ndarray, fit_items: np.ndarray
) -> dict[str, np.ndarray]:
    """Three kinds of score (n,) that say how surely an item belongs to one of the classes that the
    prompts (c, d) name. The first is the highest score. The second is the highest softmax of the
    scores, at both TEMPERATURES, as log odds (which give the same order and do not round to 1). The
    third is the highest z-score: the scores of each prompt are standardised by their mean and
    deviation over the fit items (m, d)."""
    from scipy.special import logsumexp

    scores = fitted.scores(items, prompts, ("x", "y"))
    known = fitted.scores(fit_items, prompts, ("x", "y"))
    spread = known.std(axis=0)
    spread[spread == 0] = 1
    values = {"cosine": scores.max(axis=1)}
    for name, temperature in TEMPERATURES.items():
        ordered = np.sort(scores, axis=1)
        lead = (ordered[:, :-1] - ordered[:, -1:]) / temperature
        values[name] = -logsumexp(lead, axis=1)
    return values | {"z": ((scores - known.mean(axis=0)) / spread).max(axis=1)}


def separation(values: np.ndarray, hidden: np.ndarray) -> tuple[float, float]:
    """AUROC and FPR95 of values (n,), which should be high for known classes. AUROC is the chance
    that a known item has a higher value than a hidden item (ties count half). FPR95 is the share of
    hidden items above the threshold that 95 % of the known items reach."""
    known, other = np.sort(values[~hidden]), values[hidden]
    below = [np.searchsorted(known, other, side=side) for side in ("left", "right")]
    auroc = 1 - (below[0] + below[1]).mean() / (2 * len(known))
    threshold = known[len(known) - int(np.ceil(KEPT * len(known)))]
    return float(auroc), float((other >= threshold).mean())


def of_hidden_classes(
    method: Method,
    fit: tuple[np.ndarray, np.ndarray, np.ndarray],
    scored: tuple[np.ndarray, np.ndarray],
    prompts: np.ndarray,
) -> tuple[Mapping[str, float], int]:
    """AUROC and FPR95 of a method, by kind of score (`auroc_z`, `fpr95_z`, ...), and the number of
    fit pairs. `fit` has items, their prompts and their classes. `scored` has items and their
    classes. `prompts` (C, d) are the prompts of all classes."""
    x, y, labels = fit
    known = ~hidden_classes(labels)
    fitted = method.fitted(x[known], y[known])
    shown = prompts[~hidden_classes(np.arange(len(prompts)))]
    values: dict[str, float] = {}
    for name, sure in confidences(fitted, scored[0], shown, x[known]).items():
        parts = separation(sure, hidden_classes(scored[1]))
        values[f"auroc_{name}"], values[f"fpr95_{name}"] = parts
    return values, int(known.sum())
