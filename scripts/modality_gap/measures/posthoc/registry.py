"""The registry of methods that move the gap of finished embeddings, without training.

To add a method, write a function of the fit pairs in one of the modules that catalogue.py imports,
decorate it with `method`, and test it. The method is then in every table and figure of the
follow-ups.

x, y: (m, d) unit vectors (float64) of the fit pairs. Row i of x and row i of y form a pair. The two
modalities are called "x" and "y". The kind of a score is a tuple of two modalities: first that of
the query, then that of the gallery.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from modality_gap.errors import InputError

FIXED = "even_odd"  # the split whose results have intervals and tests
CONE = 0.8  # from this mean cosine within a modality on, all vectors are in one narrow cone
LOSS_TEMPERATURE = 0.01  # CLIP's; used for the loss in the table of methods

Vectors = Callable[[np.ndarray], np.ndarray]
KINDS = (("x", "y"), ("y", "x"), ("x", "x"), ("y", "y"))
ACROSS = KINDS[:2]


def unit(vectors: np.ndarray) -> np.ndarray:
    """The rows of (n, d) divided by their lengths; a zero row stays zero."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths != 0)


def same(vectors: np.ndarray) -> np.ndarray:
    """The vectors as they are."""
    return vectors


@dataclass(frozen=True)
class Maps:
    """A fitted method that moves vectors, by one map from (n, d) to (n, k) for each modality. Each
    moved vector is divided by its length unless `normalise` is false. The scores are the inner
    products."""

    x: Vectors = same
    y: Vectors = same
    normalise: bool = True
    kinds: tuple = KINDS

    def vectors(self, side: str, rows: np.ndarray) -> np.ndarray:
        """The moved vectors of one modality. They have unit length unless `normalise` is false."""
        moved = {"x": self.x, "y": self.y}[side](rows)
        return unit(moved) if self.normalise else moved

    def scores(self, q: np.ndarray, z: np.ndarray, kind: tuple[str, str]) -> np.ndarray:
        """The scores (n, k) of queries q (n, d) and items z (k, d), whose modalities are in
        `kind`."""
        return self.vectors(kind[0], q) @ self.vectors(kind[1], z).T

    def own_scores(self, q: np.ndarray, z: np.ndarray, kind: tuple[str, str]) -> np.ndarray | None:
        """The scores (n, n) among queries q in a gallery with items z of the other modality, as
        in `kind`. None if the method has no such scores."""
        return _among(self, q, kind[0])


@dataclass(frozen=True)
class Scores:
    """A fitted method that changes scores: `of(q, z, kind)` gives the scores (n, k) for queries q
    (n, d) and items z (k, d). `kinds` are the kinds of score for which the method is defined. If
    the scores among queries depend on the items of the other modality too, `own(q, z, kind)` gives
    them, (n, n)."""

    of: Callable[[np.ndarray, np.ndarray, tuple[str, str]], np.ndarray]
    kinds: tuple = KINDS
    own: Callable[[np.ndarray, np.ndarray, tuple[str, str]], np.ndarray] | None = None

    def scores(self, q: np.ndarray, z: np.ndarray, kind: tuple[str, str]) -> np.ndarray:
        """The same as `Maps.scores`."""
        return self.of(q, z, kind)

    def own_scores(self, q: np.ndarray, z: np.ndarray, kind: tuple[str, str]) -> np.ndarray | None:
        """The same as `Maps.own_scores`."""
        return _among(self, q, kind[0]) if self.own is None else self.own(q, z, kind)


def _among(fitted: Maps | Scores, q: np.ndarray, side: str) -> np.ndarray | None:
    inside = (side, side)
    return fitted.scores(q, q, inside) if inside in fitted.kinds else None


Fitted = Maps | Scores
Fit = TypeVar("Fit", bound=Callable[..., Fitted])


@dataclass(frozen=True)
class Method:
    """A method by name. `fit(x, y, **settings)` returns Maps or Scores. If `fit` also takes
    `prompts`, the mean of the second modality can be that of the prompts of classes.

    `sees` says what the method needs besides the item itself: "fit" for the fit pairs alone, "all"
    for other scored items too. Methods of "all" are marked with a star and never ranked with the
    rest. `default` says whether the method is part of the default run. `source` names the paper, or
    "ours" or "folk method".
    """

    name: str
    label: str
    source: str
    fit: Callable[..., Fitted]
    settings: dict = field(default_factory=dict)
    sees: str = "fit"
    default: bool = True

    def fitted(self, x: np.ndarray, y: np.ndarray, prompts: np.ndarray | None = None) -> Fitted:
        """The method fitted on pairs x, y (m, d). If there are `prompts` (C, d), one for each
        class, their mean replaces the mean of y in a method that takes them."""
        taken = prompts is not None and "prompts" in inspect.signature(self.fit).parameters
        return self.fit(x, y, **self.settings, **({"prompts": prompts} if taken else {}))


METHODS: dict[str, Method] = {}


def method(
    name: str, label: str, source: str, sees: str = "fit", default: bool = True, **settings: object
) -> Callable[[Fit], Fit]:
    """Returns a decorator that registers a function of fit pairs as a method with this name. A
    function may have several such decorators with different settings."""

    def register(fit: Fit) -> Fit:
        if name in METHODS and METHODS[name].fit is not fit:
            raise InputError(f"there are two post-hoc methods named {name}; rename one.")
        METHODS[name] = Method(name, label, source, fit, settings, sees, default)
        return fit

    return register
