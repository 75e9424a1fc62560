"""Methods that move each vector, using the means and variances of the fit pairs.

x, y: (m, d) unit vectors (float64) of the fit pairs. g = mean x - mean y is the gap vector.
`prompts` (C, d): if given, the prompts of classes, whose mean replaces mean y.
"""

import numpy as np

from modality_gap.measures.posthoc.ranks import different_items, recall_both_ways
from modality_gap.measures.posthoc.registry import KINDS, Maps, Scores, Vectors, method, unit

PAPER = "Liang et al., 2022"
Prompts = np.ndarray | None
OTHER_FIRST = 9.0  # larger than any difference of two cosines


def centred(x: np.ndarray, y: np.ndarray, prompts: Prompts = None) -> tuple[np.ndarray, np.ndarray]:
    """The means (d,) of x and of y, which centring subtracts."""
    return x.mean(axis=0), (y if prompts is None else prompts).mean(axis=0)


def gap_vector(x: np.ndarray, y: np.ndarray, prompts: Prompts = None) -> np.ndarray:
    """The gap vector (d,)."""
    of_x, of_y = centred(x, y, prompts)
    return of_x - of_y


def _shifted(direction: np.ndarray, delta: float) -> Maps:
    step = delta / 2 * direction
    return Maps(lambda a: a - step, lambda b: b + step)


@method("none", "no change", "ours")
def none(x: np.ndarray, y: np.ndarray) -> Maps:
    """No method: the cosines stay as they are."""
    return Maps()


@method("other_first", "control: other modality first", "ours")
def other_first(x: np.ndarray, y: np.ndarray) -> Scores:
    """All items of the other modality rank before all items of the query's own modality. This is
    the control for a mixed gallery in which the wanted item is always of the other modality."""
    return Scores(lambda q, z, kind: q @ z.T + (OTHER_FIRST if kind[0] != kind[1] else 0.0), KINDS)


@method("own_first", "control: own modality first", "ours")
def own_first(x: np.ndarray, y: np.ndarray) -> Scores:
    """All items of the query's own modality rank before all items of the other modality. This is
    the opposite control. If the form of the wanted item is drawn too, neither control wins."""
    return Scores(lambda q, z, kind: q @ z.T + (OTHER_FIRST if kind[0] == kind[1] else 0.0), KINDS)


@method("shift", "shift fitted to close the gap", PAPER)
def shift(
    x: np.ndarray, y: np.ndarray, delta: float | None = None, prompts: Prompts = None
) -> Maps:
    """Each modality moves along the gap towards the other by half of `delta`. None means the whole
    gap. Source: section 4.2."""
    vector = gap_vector(x, y, prompts)
    return _shifted(unit(vector), float(np.linalg.norm(vector)) if delta is None else delta)


@method("shift_chosen", "shift chosen on the fit pairs", PAPER)
def shift_chosen(x: np.ndarray, y: np.ndarray, prompts: Prompts = None) -> Maps:
    """The shift with the highest mean recall at 1 on the fit pairs, chosen between -1 and 1.5 in
    steps of .05. If several shifts are equally good, the smallest counts."""
    direction = unit(gap_vector(x, y, prompts))
    steps = sorted(np.arange(-20, 31) / 20, key=lambda step: (abs(step), step))
    a, b, own = different_items(x, y)
    cosines, of_a, of_b = a @ b.T, a @ direction, b @ direction

    def recall(step: float) -> float:
        """The recall with a shift, computed from the shifted vectors' inner products and lengths.
        It is rounded, so that equal recalls are equal."""
        half = step / 2
        lengths = [np.sqrt(1 - sign * step * of + half**2) for sign, of in ((1, of_a), (-1, of_b))]
        moved = cosines + half * (of_a[:, None] - of_b) - half**2
        return round(recall_both_ways(moved / lengths[0][:, None] / lengths[1], own), 12)

    best = max(steps, key=recall)
    return _shifted(direction, float(best))


@method("translate_x", "first modality moved onto the second", "folk method", side="x")
@method("translate", "second modality moved onto the first", "folk method", side="y")
def translate(x: np.ndarray, y: np.ndarray, side: str = "y", prompts: Prompts = None) -> Maps:
    """One modality moves by the whole gap vector."""
    vector = gap_vector(x, y, prompts)
    return Maps(y=lambda b: b + vector) if side == "y" else Maps(x=lambda a: a - vector)


@method("centre", "centring", "GR-CLIP (2507.19054), I0T (2412.14384), C3 (2401.08567)")
def centre(x: np.ndarray, y: np.ndarray, prompts: Prompts = None) -> Maps:
    """Each modality minus its own mean on the fit pairs."""
    of_x, of_y = centred(x, y, prompts)
    return Maps(lambda a: a - of_x, lambda b: b - of_y)


@method(
    "dn_100", "distribution normalisation, whole means", "DN (2302.11084)", default=False, part=1.0
)
@method(
    "dn_zero_shot",
    "distribution normalisation, unit length after",
    "DN (2302.11084)",
    default=False,
    normalise=True,
)
@method("dn", "distribution normalisation", "DN (2302.11084)")
def distribution_normalisation(
    x: np.ndarray,
    y: np.ndarray,
    part: float = 0.25,
    normalise: bool = False,
    prompts: Prompts = None,
) -> Maps:
    """Each modality minus a part of its mean. Scores are inner products. They are not divided by
    lengths, except in the form that the paper has for zero-shot classification (`normalise`)."""
    of_x, of_y = centred(x, y, prompts)
    return Maps(lambda a: a - part * of_x, lambda b: b - part * of_y, normalise)


@method("standardise", "standardising each coordinate", "folk method")
def standardise(x: np.ndarray, y: np.ndarray, prompts: Prompts = None) -> Maps:
    """Each coordinate minus its mean, divided by its population standard deviation (unless that is
    0). The result depends on the axes: a rotation changes it."""

    def map_of(side: np.ndarray, mean: np.ndarray) -> Vectors:
        spread = side.std(axis=0)
        spread[spread == 0] = 1
        return lambda rows: (rows - mean) / spread

    of_x, of_y = centred(x, y, prompts)
    return Maps(map_of(x, of_x), map_of(y, of_y))


def drop(x: np.ndarray, y: np.ndarray, k: int, prompts: Prompts = None) -> Maps:
    """The k coordinates in which the gap vector is largest are set to 0. The result depends on the
    axes: a rotation changes it."""
    vector = np.abs(gap_vector(x, y, prompts))
    keep = np.ones(len(vector))
    keep[np.argsort(-vector, kind="stable")[:k]] = 0
    return Maps(lambda a: a * keep, lambda b: b * keep)


for k in (1, 2, 5, 10, 20):
    method(
        f"drop{k}",
        f"largest coordinates of the gap left out: {k}",
        "Two Effects, One Trigger (2404.07983)",
        default=k == 2,
        k=k,
    )(drop)


@method("project_out", "gap direction projected out", "folk method")
def project_out(x: np.ndarray, y: np.ndarray, prompts: Prompts = None) -> Maps:
    """Both modalities minus their component along the gap vector."""
    direction = unit(gap_vector(x, y, prompts))

    def without(rows: np.ndarray) -> np.ndarray:
        return rows - (rows @ direction)[:, None] * direction

    return Maps(without, without)


@method("realign", "ReAlign", "ReVision (2602.07026)", default=False)
def realign(x: np.ndarray, y: np.ndarray, prompts: Prompts = None) -> Maps:
    """Texts are moved to the images' mean, scaled to the images' spread and normalised. Then
    they are moved, so that their mean is again the images'."""
    of_x, of_y = centred(x, y, prompts)
    scale = np.sqrt(((x - of_x) ** 2).sum() / ((y - y.mean(axis=0)) ** 2).sum())

    def first(rows: np.ndarray) -> np.ndarray:
        return unit(of_x + scale * (rows - of_y))

    correction = of_x - first(y if prompts is None else prompts).mean(axis=0)
    return Maps(y=lambda rows: first(rows) + correction)
