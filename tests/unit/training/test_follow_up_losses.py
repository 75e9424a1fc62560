"""Losses of follow-up papers against independent computations in numpy, in value and gradient, and
their invariances."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import log_softmax, logsumexp, softmax

from modality_gap.errors import InputError
from modality_gap.losses import along_sphere, evaluate, main
from modality_gap.measures.posthoc.catalogue import FOLLOW_UP_MEASURES, METHODS
from modality_gap.training.losses import contrastive
from modality_gap.training.losses.beside import symile
from modality_gap.training.losses.catalogue import FOLLOW_UP_LOSSES
from modality_gap.training.losses.parts import slerp
from modality_gap.training.losses.registry import Batch
from modality_gap.training.losses.registry import loss as register
from modality_gap.training.losses.stateful import ISogCLR, Slap, rank_correlation

SCALE, BIAS = 7.0, -3.0
RNG = np.random.default_rng(0)
RAW = dict(
    zip(("x", "y", "a", "b", "vx", "vy", "tx", "ty"), RNG.normal(size=(8, 6, 4)), strict=True)
)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


GIVEN = {name: unit(rows) for name, rows in RAW.items()}


def ce(logits, target=None):
    target = np.eye(len(logits)) if target is None else target
    return -(target * log_softmax(logits, axis=1)).sum(axis=1).mean()


def sym(logits):
    return (ce(logits) + ce(logits.T)) / 2


def uniform(x):
    values = [np.exp(-2 * ((x[i] - x[j]) ** 2).sum()) for i in range(len(x)) for j in range(i)]
    return np.log(np.mean(values))


def across(x, y):
    n = len(x)
    values = [np.exp(-2 * ((x[i] - y[j]) ** 2).sum()) for i in range(n) for j in range(n) if i != j]
    return np.log(np.mean(values))


def align(x, y):
    return np.mean([((a - b) ** 2).sum() for a, b in zip(x, y, strict=True)])


def arc(x, y, part):
    points = []
    for a, b in zip(x, y, strict=True):
        t = np.arccos(a @ b)
        points.append((np.sin(part * t) * a + np.sin((1 - part) * t) * b) / np.sin(t))
    return np.array(points)


def on_diagonal(matrix, values):
    matrix = matrix.copy()
    np.fill_diagonal(matrix, values)
    return matrix


def dcl(x, y, inside):
    total = 0.0
    n = len(x)
    for one, other in ((x, y), (y, x)):
        for i in range(n):
            negatives = [SCALE * one[i] @ other[j] for j in range(n) if j != i]
            if inside:
                negatives += [SCALE * one[i] @ one[j] for j in range(n) if j != i]
            total += (logsumexp(negatives) - SCALE * one[i] @ other[i]) / (2 * n)
    return total


def sigmoid(x, y):
    z = 2 * np.eye(len(x)) - 1
    return np.logaddexp(0, -z * (SCALE * x @ y.T + BIAS)).sum() / len(x)


def separated(x, y, f, sides):
    c = SCALE * x @ y.T
    value = ce(c) + ce(c.T)
    for side in sides:
        inside = (side @ side.T) * (1 - f @ f.T)
        value += 0.5 * ce(SCALE * on_diagonal(inside, (x * y).sum(axis=1)))
    return value


def mixed(x, y, part, weight):
    own, m = (x * y).sum(axis=1), arc(x, y, part)
    terms = [ce(on_diagonal(side @ m.T, own) / 0.07) for side in (x, y)]
    return sym(SCALE * x @ y.T) + weight * sum(terms)


def weighted(x, y, f, k):
    w = (0.5 + 0.5 * f @ f.T) ** k
    rows = -(w * log_softmax(SCALE * x @ y.T, axis=1)).sum(axis=1) / w.sum(axis=1)
    return (rows.mean() + ce(SCALE * y @ x.T)) / 2


def smooth(logits, e):
    target = (1 - e) * np.eye(len(logits)) + e / len(logits)
    return (ce(logits, target) + ce(logits.T, target)) / 2


def kl(x, y, alpha):
    c, teacher = SCALE * x @ y.T, SCALE * GIVEN["tx"] @ GIVEN["ty"].T
    value = 0.0
    for one, other in ((c, teacher), (c.T, teacher.T)):
        t = alpha * np.eye(len(c)) + (1 - alpha) * softmax(other, axis=1)
        value += (t * (np.log(t) - log_softmax(one, axis=1))).sum(axis=1).mean() / 2
    return value


def two_n(x, y):
    both, n = np.concatenate([x, y]), len(x)
    total = 0.0
    for i in range(2 * n):
        logits = SCALE * both @ both[i]
        total += logsumexp(np.delete(logits, i)) - logits[(i + n) % (2 * n)]
    return total / (2 * n)


def energy(x, y):
    n = len(x)
    return np.mean(
        [
            -SCALE * x[i] @ y[i]
            + sum(logsumexp([SCALE * s[i] @ s[j] for j in range(n) if j != i]) for s in (x, y))
            for i in range(n)
        ]
    )


def vicreg(x, y):
    value = 25 * ((x - y) ** 2).mean()
    for side in (x, y):
        moments = np.cov(side, rowvar=False)
        value += 25 * np.maximum(0, 1 - np.sqrt(np.diag(moments) + 1e-4)).mean() / 2
        value += (moments**2 - np.diag(np.diag(moments) ** 2)).sum() / side.shape[1]
    return value


def c(x, y):
    return SCALE * x @ y.T


def to_all_texts(x, y, k):
    """Each picture over all texts, each text over all pictures, term by term."""
    logits = c(x, y)
    n = len(x)
    to_texts = -sum(log_softmax(logits[i])[i * k + j] for i in range(n) for j in range(k)) / n
    to_pictures = -sum(log_softmax(logits[:, j])[j // k] for j in range(n * k)) / (n * k)
    return (to_texts + to_pictures) / 2 / k


PLAIN = {
    "clip": lambda x, y: sym(c(x, y)),
    "cua": lambda x, y: sym(c(x, y)) + (uniform(x) + uniform(y)) / 2 + align(x, y),
    "cuaxu": lambda x, y: sym(c(x, y)) + (uniform(x) + uniform(y)) / 2 + align(x, y) + across(x, y),
    "uniform_only": lambda x, y: sym(c(x, y)) + (uniform(x) + uniform(y)) / 2,
    "align_only": lambda x, y: sym(c(x, y)) + align(x, y),
    "no_contrast": lambda x, y: (uniform(x) + uniform(y)) / 2 + align(x, y),
    "atp_cu": lambda x, y: sym(c(x, y)) + align(x, y) + uniform(unit((x + y) / 2)),
    "sigmoid": sigmoid,
    "imsep": lambda x, y: separated(x, y, GIVEN["b"], (x,)),
    "imsep_both": lambda x, y: separated(x, y, GIVEN["b"], (x, y)),
    "m2mix": lambda x, y: mixed(x, y, 0.3, 0.01),
    "cyclip": lambda x, y: (
        sym(c(x, y))
        + 0.25 * ((x @ x.T - y @ y.T) ** 2).sum() / len(x)
        + 0.25 * ((x @ y.T - y @ x.T) ** 2).sum() / len(x)
    ),
    "cwcl": lambda x, y: weighted(x, y, GIVEN["a"], 1),
    "cwcl_4": lambda x, y: weighted(x, y, GIVEN["a"], 4),
    "cwcl_16": lambda x, y: weighted(x, y, GIVEN["a"], 16),
    "label_smoothing": lambda x, y: smooth(c(x, y), 0.1),
    "dcl": lambda x, y: dcl(x, y, inside=False),
    "dcl_official": lambda x, y: dcl(x, y, inside=True),
    "cma": lambda x, y: (
        sym(c(x, y)) - 0.1 * (logsumexp(c(x, y), axis=0) + logsumexp(c(x, y), axis=1)).mean() / 2
    ),
    "dhel": energy,
    "simclr_2n": two_n,
    "gram": lambda x, y: smooth(-SCALE * np.sqrt(1 - (x @ y.T) ** 2), 0.1),
    "intra": lambda x, y: sym(c(x, y)) + (sym(c(x, GIVEN["vx"])) + sym(c(y, GIVEN["vy"]))) / 2,
    "hycd": lambda x, y: kl(x, y, 0.5),
    "self_distillation": lambda x, y: kl(x, y, 1e-300),
    "hycd_align": lambda x, y: kl(x, y, 0.5) + align(x, y),
    "vicreg": vicreg,
    "one_to_k": lambda x, y: to_all_texts(x, y, 1),
}

DRAWN = {"rafa", "clip_refine", "m3co", "isogclr", "slap"}  # tested by themselves
SETTINGS = {"m2mix": {"part": 0.3}}


def given_batch(x, y, seed=0):
    a, b = (torch.from_numpy(GIVEN[side]) for side in ("a", "b"))
    pairs = {name: [torch.from_numpy(GIVEN[f"{name}{s}"]) for s in "xy"] for name in "vt"}
    return Batch(
        *(torch.arange(len(x)), a, b, x, y, torch.Generator().manual_seed(seed)),
        make_views=lambda: tuple(pairs["v"]),
        make_teacher=lambda: tuple(pairs["t"]),
        bias=BIAS,
    )


def of(name, x, y, scale=SCALE, **settings):
    known = FOLLOW_UP_LOSSES[name]
    return known.of(x, y, scale, given_batch(x, y), **(known.settings | settings))


def tensors(x, y):
    return [torch.from_numpy(rows.copy()).requires_grad_() for rows in (x, y)]


def test_every_loss_is_tested():
    assert set(PLAIN) | DRAWN == set(FOLLOW_UP_LOSSES)


@pytest.mark.parametrize("name", PLAIN)
def test_value_and_gradient_against_numpy(name):
    x, y = tensors(GIVEN["x"], GIVEN["y"])
    value = of(name, x, y, **SETTINGS.get(name, {}))
    value.backward()
    plain = PLAIN[name]
    assert float(value.detach()) == pytest.approx(plain(GIVEN["x"], GIVEN["y"]), abs=1e-8)
    rng = np.random.default_rng(1)
    for side, gradient in (("x", x.grad), ("y", y.grad)):
        for _ in range(4):
            # Along a great circle, where the rows stay on the sphere.
            turn = rng.normal(size=(6, 4))
            turn -= (turn * GIVEN[side]).sum(axis=1, keepdims=True) * GIVEN[side]
            step = 1e-5
            ends = [
                plain(
                    **{**{s: GIVEN[s] for s in "xy"}, side: unit(GIVEN[side] + sign * step * turn)}
                )
                for sign in (1, -1)
            ]
            slope = (gradient.numpy() * turn).sum()
            assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=2e-6)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("label_smoothing", {"smoothing": 0.0}),
        ("cua", {"uniform": 0.0, "align": 0.0}),
        ("m2mix", {"weight": 0.0}),
        ("cyclip", {"inside": 0.0}),
        ("cma", {"weight": 0.0}),
        ("intra", {"weight": 0.0}),
        ("hycd", {"alpha": 1.0}),
        ("atp_cu", {"align": 0.0, "uniform": 0.0}),
    ],
)
def test_a_loss_without_its_term_is_that_of_clip(name, settings):
    x, y = tensors(GIVEN["x"], GIVEN["y"])
    assert of(name, x, y, **settings).item() == pytest.approx(of("clip", x, y).item(), abs=1e-12)


def moments(x, y, of):
    return sum(of(np.cov(side, rowvar=False)) for side in (x, y))


# The term of each weight, by loss and setting.
TERMS = {
    ("cua", "contrast"): lambda x, y: sym(c(x, y)),
    ("cua", "uniform"): lambda x, y: (uniform(x) + uniform(y)) / 2,
    ("cua", "align"): align,
    ("cua", "across"): across,
    ("atp_cu", "align"): align,
    ("atp_cu", "uniform"): lambda x, y: uniform(unit(x + y)),
    ("imsep", "alpha"): lambda x, y: ce(c(x, y)) + ce(c(y, x)),
    ("imsep", "beta"): lambda x, y: (
        2 * (separated(x, y, GIVEN["b"], (x,)) - ce(c(x, y)) - ce(c(y, x)))
    ),
    ("m2mix", "weight"): lambda x, y: mixed(x, y, 0.3, 1) - sym(c(x, y)),
    ("cyclip", "inside"): lambda x, y: (
        ((x @ x.T - y @ y.T) ** 2).sum() / 6 + ((x @ y.T - y @ x.T) ** 2).sum() / 6
    ),
    ("cyclip", "across"): lambda x, y: ((x @ y.T - y @ x.T) ** 2).sum() / 6,
    ("cma", "weight"): lambda x, y: (
        -(logsumexp(c(x, y), axis=0) + logsumexp(c(x, y), axis=1)).mean() / 2
    ),
    ("intra", "weight"): lambda x, y: (sym(c(x, GIVEN["vx"])) + sym(c(y, GIVEN["vy"]))) / 2,
    ("clip_refine", "distil"): lambda x, y: kl(x, y, 0.5),
    ("clip_refine", "align"): align,
    ("vicreg", "invariance"): lambda x, y: ((x - y) ** 2).mean(),
    ("vicreg", "variance"): lambda x, y: moments(
        x, y, lambda m: (1 - np.sqrt(np.diag(m) + 1e-4)).clip(0).mean() / 2
    ),
    ("vicreg", "covariance"): lambda x, y: moments(
        x, y, lambda m: (m**2).sum() / 4 - (np.diag(m) ** 2).mean()
    ),
}


@pytest.mark.parametrize(("name", "setting"), TERMS)
def test_a_weight_is_that_of_its_own_term(name, setting):
    # Raw outputs, of which some spread more than 1, for the one loss that sees no others.
    x, y = ((RAW if name == "vicreg" else GIVEN)[side] for side in "xy")
    more = SETTINGS.get(name, {})
    values = [of(name, *tensors(x, y), **{**more, setting: weight}).item() for weight in (3, 1, 0)]
    term = TERMS[name, setting](x, y)
    assert abs(term) > 1e-3
    assert values[0] - values[1] == pytest.approx(2 * term, abs=1e-8)
    assert values[1] - values[2] == pytest.approx(term, abs=1e-8)  # 0 is no default


def test_smoothing_and_sharpness_are_those_that_are_asked_for():
    x, y = GIVEN["x"], GIVEN["y"]
    for name, settings, wanted in (
        ("label_smoothing", {"smoothing": 0.3}, smooth(c(x, y), 0.3)),
        ("gram", {"smoothing": 0.3}, smooth(-SCALE * np.sqrt(1 - (x @ y.T) ** 2), 0.3)),
        ("cwcl", {"sharpness": 2.5}, weighted(x, y, GIVEN["a"], 2.5)),
        ("hycd", {"alpha": 0.2}, kl(x, y, 0.2)),
        ("m2mix", {"part": 0.3, "mix_scale": SCALE, "weight": 1.0}, None),
    ):
        if wanted is None:
            own, points = (x * y).sum(axis=1), arc(x, y, 0.3)
            terms = [ce(SCALE * on_diagonal(side @ points.T, own)) for side in (x, y)]
            wanted = sym(c(x, y)) + sum(terms)
        assert of(name, *tensors(x, y), **settings).item() == pytest.approx(wanted, abs=1e-8)


def test_the_part_of_geodesic_mixup_is_drawn_from_a_beta_distribution(monkeypatch):
    x, y = tensors(GIVEN["x"], GIVEN["y"])
    parts = []

    def note(one, other, part):
        assert torch.equal(one, x) and torch.equal(other, y)
        parts.append(part)
        return one

    monkeypatch.setattr(contrastive, "slerp", note)
    for seed in range(300):
        FOLLOW_UP_LOSSES["m2mix"].of(x, y, SCALE, given_batch(x, y, seed))
    assert stats.kstest(parts, stats.beta(0.5, 0.5).cdf).pvalue > 0.05


@pytest.mark.parametrize(
    "name", ["cyclip", "dhel", "clip", "sigmoid", "simclr_2n", "gram", "cuaxu"]
)
def test_exchange_of_the_sides_changes_nothing(name):
    x, y = tensors(GIVEN["x"], GIVEN["y"])
    assert of(name, x, y).item() == pytest.approx(of(name, y, x).item(), abs=1e-12)


def test_only_the_volume_is_blind_to_the_sign():
    x, y = tensors(GIVEN["x"], GIVEN["y"])
    for name in PLAIN:
        settings = SETTINGS.get(name, {})
        same = of(name, x, y, **settings).item() == pytest.approx(
            of(name, x, -y, **settings).item()
        )
        assert same == (name == "gram"), name


@pytest.mark.parametrize("name", sorted(set(PLAIN) - {"vicreg"}))
def test_common_rotation_changes_nothing(name):
    turn = torch.from_numpy(np.linalg.qr(np.random.default_rng(3).normal(size=(4, 4)))[0])
    x, y = (torch.from_numpy(GIVEN[side]) for side in ("x", "y"))
    batch = given_batch(x, y)
    turned = Batch(
        *(batch.rows, batch.a, batch.b, x @ turn, y @ turn, batch.generator),
        make_views=lambda: tuple(v @ turn for v in batch.views),
        make_teacher=lambda: tuple(v @ turn for v in batch.teacher),
        bias=BIAS,
    )
    known = FOLLOW_UP_LOSSES[name]
    settings = known.settings | SETTINGS.get(name, {})
    plain = known.of(x, y, SCALE, batch, **settings)
    assert float(plain) == pytest.approx(
        float(known.of(x @ turn, y @ turn, SCALE, turned, **settings))
    )


@pytest.mark.parametrize("name", sorted(set(PLAIN) - {"vicreg"}))
def test_finite_in_float32_at_a_very_low_temperature(name):
    x, y = (torch.from_numpy(GIVEN[side]).float().requires_grad_() for side in ("x", "y"))
    batch = given_batch(x, y)
    single = Batch(
        *(batch.rows, batch.a.float(), batch.b.float(), x, y, batch.generator),
        make_views=lambda: tuple(v.float() for v in batch.views),
        make_teacher=lambda: tuple(v.float() for v in batch.teacher),
        bias=BIAS,
    )
    known = FOLLOW_UP_LOSSES[name]
    value = known.of(x, y, 200.0, single, **(known.settings | SETTINGS.get(name, {})))
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(x.grad).all() and torch.isfinite(y.grad).all()


def test_shared_noise_in_expectation():
    """Of raw outputs: mean of x^2 + y^2 + 2, as the noise has variance 1 and mean 0."""
    x, y = (torch.from_numpy(RAW[side]) for side in ("x", "y"))
    values = [
        float(
            FOLLOW_UP_LOSSES["rafa"].of(x, y, SCALE, given_batch(x, y, seed), distil=0.0, noise=1.0)
        )
        for seed in range(3000)
    ]
    expected = (RAW["x"] ** 2 + RAW["y"] ** 2).mean() + 2
    assert np.mean(values) == pytest.approx(expected, abs=4 * np.std(values) / np.sqrt(3000))
    both = of("clip_refine", x, y).item()
    assert both == pytest.approx(of("hycd", x, y).item() + of("rafa", x, y).item(), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_mixup_of_items_against_its_own_draws(seed):
    x, y = (torch.from_numpy(GIVEN[side]) for side in ("x", "y"))
    generator = torch.Generator().manual_seed(seed)
    gammas = torch._standard_gamma(torch.full((2, 6), 0.15, dtype=x.dtype), generator)
    parts = (gammas[0] / gammas.sum(dim=0)).numpy()
    parts = np.where(torch.rand(6, generator=generator).numpy() < 0.5, parts, 1.0)
    order = torch.randperm(6, generator=generator).numpy()
    value = 0.0
    for one, other in ((GIVEN["x"], GIVEN["y"]), (GIVEN["y"], GIVEN["x"])):
        mix = unit(parts[:, None] * one + (1 - parts)[:, None] * one[order])
        target = np.diag(parts)
        for i in range(6):
            target[i, order[i]] += 1 - parts[i]
        value += (ce(SCALE * mix @ other.T, target) + ce(SCALE * other @ mix.T, target.T)) / 2
    found = FOLLOW_UP_LOSSES["m3co"].of(x, y, SCALE, given_batch(x, y, seed))
    assert float(found) == pytest.approx(value, abs=1e-9)


def test_symile_against_loops():
    a, b, third = GIVEN["x"], GIVEN["y"], GIVEN["a"]
    n, total = len(a), 0.0
    for one, two, three in ((a, b, third), (b, a, third), (third, a, b)):
        for i in range(n):
            logits = [
                SCALE * (one[i] * two[j] * three[k]).sum() for j in range(n) for k in range(n)
            ]
            total += (logsumexp(logits) - logits[i * n + i]) / (3 * n)
    rows = [torch.from_numpy(side) for side in (a, b, third)]
    assert float(symile(*rows, SCALE)) == pytest.approx(total, abs=1e-9)


@pytest.mark.parametrize(
    ("start", "bounds", "rho"),
    [(0.01, (0.005, 1.0), 0.5), (0.4, (0.005, 1.0), 1.0), (0.4, (0.38, 0.395), 0.5)],
)
def test_three_steps_of_individual_temperatures(start, bounds, rho):
    """The state after three steps on the same pairs, item by item in plain Python."""
    x, y = GIVEN["x"], GIVEN["y"]
    given = {} if rho == 1 else {"rho": rho}  # the default, as are all others
    loss = ISogCLR(6, 4, 0, start=start, bounds=bounds, **given)
    for _ in range(3):
        value = loss(*tensors(x, y), SCALE, given_batch(*tensors(x, y)))
    last = 0.0
    for side, cosines in enumerate((x @ y.T, y @ x.T)):
        for i in range(6):
            h = cosines[i] - cosines[i, i]
            s, b, u, tau = 0.0, 0.0, 0.0, start
            for _ in range(3):
                e = h / tau
                b_new = max(b, e.max())
                g = np.exp(e - b_new).sum() / 5
                s = 0.2 * s * np.exp(b - b_new) + 0.8 * g
                w = np.exp(e - b_new) / (s + 1e-10)
                term = (w * h).sum() / 5
                slope = np.log(s) + b_new + rho - (w * e).sum() / 5
                u = 0.1 * u + 0.9 * np.clip(slope, -5, 5)
                b, tau = b_new, float(np.clip(tau - 0.03 * u, *bounds))
            last += term / 6
            assert float(loss.temperatures[side, i]) == pytest.approx(tau, abs=1e-12)
    assert float(value.detach()) == pytest.approx(last, abs=1e-9)
    if start == 0.4:  # nothing is as small as it is after a start at the lowest temperatures
        assert abs(last) > 0.01
        assert (float(loss.temperatures.min()) == 0.38) == (bounds[0] == 0.38)


def test_individual_temperatures_against_how_dense_an_item_lies():
    """Planted: one side's temperatures rise with density, the other's fall, then stay the same."""
    rng = np.random.default_rng(2)
    rows = np.arange(3, 33)
    sides = [unit(rng.normal(size=(40, 5)) + 0.7) for _ in range(2)]
    dense = []
    for side in sides:
        some = side[rows]
        near = [
            sorted((some[i] @ some[j] for j in range(30) if j != i), reverse=True)[:10]
            for i in range(30)
        ]
        dense.append(np.mean(near, axis=1))
    loss = ISogCLR(40, 4, 0)
    given = [torch.from_numpy(side) for side in sides]

    def found():
        return loss.temperature_density(*given, torch.from_numpy(rows))

    assert found() == 0  # all the same
    loss.temperatures[0, rows] = torch.from_numpy(dense[0] ** 3)
    assert found() == pytest.approx(0.5)
    noisy = -dense[1] + 0.02 * rng.normal(size=30)
    loss.temperatures[1, rows] = torch.from_numpy(noisy)
    places = [np.argsort(np.argsort(values)) for values in (noisy, dense[1])]
    assert found() == pytest.approx((1 + np.corrcoef(*places)[0, 1]) / 2)


def test_individual_temperatures_begin_as_published():
    loss = ISogCLR(3, 4, 0)
    assert loss.temperatures.tolist() == [[0.01] * 3] * 2
    assert loss.bounds == (0.005, 1)


def test_ranks_of_what_does_not_vary_have_no_correlation():
    rising, level = np.array([1.0, 4, 2, 3]), np.ones(4)
    assert rank_correlation(rising, level) == rank_correlation(level, rising) == 0
    assert rank_correlation(rising, np.array([2.0, 9, 5, 1])) == pytest.approx(0.4)


def test_an_arc_between_vectors_that_are_alike_is_finite():
    x = torch.from_numpy(GIVEN["x"]).float().requires_grad_()
    for y in (x.detach(), -x.detach()):
        points = slerp(x, y, 0.4)
        points.sum().backward()
        assert torch.isfinite(points).all() and torch.isfinite(x.grad).all()


@pytest.mark.parametrize("angle", [0.01, 0.5, 3.1])
def test_a_point_of_an_arc_is_at_its_part_of_the_angle(angle):
    x, y = tensors(np.array([[1.0, 0.0]]), np.array([[math.cos(angle), math.sin(angle)]]))
    for part in (0.0, 0.25, 1.0):
        found = slerp(x, y, part)[0]
        turned = (1 - part) * angle
        assert found.tolist() == pytest.approx([math.cos(turned), math.sin(turned)], abs=1e-6)


def test_slap_asks_predictions_for_the_averages():
    x, y = tensors(GIVEN["x"], GIVEN["y"])
    loss = Slap(6, 4, 0, part=0.3)
    q_x, q_y = (rows.detach().numpy() for rows in loss.embed(x, y))
    assert np.allclose(np.linalg.norm(q_x, axis=1), 1)
    target_x, target_y = GIVEN["tx"], GIVEN["ty"]
    across_ = 2 - (q_x * target_y).sum(axis=1) - (q_y * target_x).sum(axis=1)
    inside = 2 - (q_x * target_x).sum(axis=1) - (q_y * target_y).sum(axis=1)
    value = loss(x, y, SCALE, given_batch(x, y))
    assert float(value.detach()) == pytest.approx((0.3 * across_ + 0.7 * inside).mean(), abs=1e-9)
    even = Slap(6, 4, 0)(x, y, SCALE, given_batch(x, y))
    assert float(even.detach()) == pytest.approx((across_ + inside).mean() / 2, abs=1e-9)
    # The predictors are those of the seed, whatever was drawn before, and draw nothing themselves.
    torch.manual_seed(8)
    state = torch.get_rng_state()
    others = [Slap(6, 4, seed).embed(x, y)[0].detach().numpy() for seed in (0, 1)]
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(others[0], q_x) and np.abs(others[1] - q_x).max() > 0.1
    model = torch.nn.Linear(2, 2)
    with pytest.raises(InputError, match=r"call `begin\(model\)` first"):
        loss.teacher(x, y)
    loss.after_step(model)
    before = model.weight.detach().clone()
    with torch.no_grad():
        model.weight += 1
    loss.after_step(model)
    assert torch.allclose(loss.average.weight, before + 0.005, atol=1e-6)


def test_the_teacher_is_asked_once_and_without_gradient():
    x, y = tensors(GIVEN["x"], GIVEN["y"])
    asked = []
    batch = replace(given_batch(x, y), make_teacher=lambda: asked.append(1) or (2 * x, 3 * y))
    assert not any(side.requires_grad for side in (*batch.teacher, *batch.teacher))
    assert len(asked) == 1 and torch.equal(batch.teacher[1], 3 * y)
    for name, bare in (("views", "make_views"), ("teacher", "make_teacher")):
        with pytest.raises(InputError, match=f"give `{bare}`"):
            getattr(replace(batch, **{bare: None}), name)
    with pytest.raises(InputError, match="two losses named clip; rename one"):
        register("clip", "", "")(lambda x, y: x)


def test_a_picture_against_all_its_texts(tmp_path):
    """Three texts of each of four pictures; with one text it is CLIP's loss."""
    rng = np.random.default_rng(5)
    x, y = unit(rng.normal(size=(4, 5))), unit(rng.normal(size=(12, 5)))
    for side, rows in (("x", x), ("y", y)):
        np.save(tmp_path / f"{side}.npy", rows)
    files = {side: tmp_path / f"{side}.npy" for side in "xy"}
    value, of_x, of_y = evaluate("one_to_k", files, SCALE, 0.0, {}, 0)
    assert value == pytest.approx(to_all_texts(x, y, 3), abs=1e-10)
    assert (of_x.shape, of_y.shape) == ((4, 5), (12, 5))
    step = 1e-6 * np.eye(5)[2]
    for side, gradient, rows in (("x", of_x, x), ("y", of_y, y)):
        ends = []
        for sign in (1, -1):
            moved = {"x": x.copy(), "y": y.copy()}
            moved[side][1] += sign * step
            ends.append(to_all_texts(**moved, k=3))
        assert gradient[1, 2] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-6), rows.shape
    one = [evaluate(name, {"x": files["x"], "y": files["x"]}, SCALE, 0.0, {}, 0)[0]
           for name in ("one_to_k", "clip")]  # fmt: skip
    assert one[0] == pytest.approx(one[1], abs=1e-12)
    with pytest.raises(InputError, match="differ in shape"):
        evaluate("clip", files, SCALE, 0.0, {}, 0)
    np.save(files["y"], y[:10])  # not as many texts of each picture
    with pytest.raises(InputError, match="differ in shape"):
        evaluate("one_to_k", files, SCALE, 0.0, {}, 0)
    # A setting that is given replaces that of the loss.
    both = {"x": files["x"], "y": files["x"]}
    found = [
        evaluate(name, both, SCALE, 0.0, more, 0)[0]
        for name, more in (("cua", {}), ("align_only", {"uniform": 1.0}), ("align_only", {}))
    ]
    assert found[0] == pytest.approx(found[1]) and found[0] != pytest.approx(found[2])


def test_command_prints_the_value_and_saves_the_gradient(tmp_path, capsys):
    for side in ("x", "y"):
        np.save(tmp_path / f"{side}.npy", RAW[side])
    files = [f"--{side}={tmp_path / side}.npy" for side in ("x", "y")]
    target = tmp_path / "g.npz"
    main(["clip", *files, "--scale", "7", "--gradient", str(target)])
    assert float(capsys.readouterr().out) == pytest.approx(PLAIN["clip"](GIVEN["x"], GIVEN["y"]))
    x, y = tensors(GIVEN["x"], GIVEN["y"])
    of("clip", x, y).backward()
    assert np.allclose(np.load(target)["x"], x.grad.numpy())
    value, _, of_y = evaluate(
        "m2mix", {s: tmp_path / f"{s}.npy" for s in "xy"}, 7.0, 0.0, {"part": 0.3}, 0
    )
    assert value == pytest.approx(PLAIN["m2mix"](GIVEN["x"], GIVEN["y"]))
    assert of_y.shape == (6, 4)
    with pytest.raises(SystemExit, match="the loss is 'nothing'; give one of"):
        main(["nothing", *files, "--scale", "7"])
    with pytest.raises(SystemExit, match=r"cannot be read as \.npy"):
        main(["clip", files[0], f"--y={target}.no", "--scale", "7"])
    np.save(tmp_path / "short.npy", RAW["y"][:-1])
    short = tmp_path / "short.npy"
    told = f"{tmp_path / 'x.npy'} and {short} differ in shape; give two matrices of one shape."
    with pytest.raises(SystemExit, match=re.escape(told)):
        main(["clip", files[0], f"--y={short}", "--scale", "7"])


@pytest.mark.parametrize("part", ["views", "teacher"])
def test_a_batch_says_what_a_loss_needs_of_it(part):
    x, y = tensors(GIVEN["x"], GIVEN["y"])
    batch = Batch(torch.arange(len(x)), x, y, x, y, torch.Generator())
    with pytest.raises(InputError, match=rf"^this loss .*; .*give `make_{part}`\.$"):
        getattr(batch, part)


def test_gradient_along_the_sphere_and_at_raw_rows(tmp_path):
    """Differences of the value when rows turn, and of a loss of raw outputs when they move."""
    rng = np.random.default_rng(4)
    rows = {side: 2 * rng.normal(size=(6, 4)) for side in "xy"}
    files = {side: tmp_path / f"{side}.npy" for side in "xy"}

    def value(name, side, moved):
        for one in "xy":
            np.save(files[one], moved if one == side else rows[one])
        return evaluate(name, files, 7.0, -10.0, {}, 0)

    for name in ("cua", "vicreg"):
        _, *gradients = value(name, "", None)
        for side, gradient in zip("xy", gradients, strict=True):
            step = rng.normal(size=(6, 4))
            if name == "cua":
                length = np.linalg.norm(rows[side], axis=1, keepdims=True)
                expected = (along_sphere(rows[side], gradient) * step / length).sum()
            else:
                expected = (gradient * step).sum()
            ends = [value(name, side, rows[side] + sign * 1e-6 * step)[0] for sign in (1, -1)]
            assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(expected, rel=1e-6), name
    for side in "xy":
        np.save(files[side], rows[side])
    target = tmp_path / "g.npz"
    main(
        ["cua", f"--x={files['x']}", f"--y={files['y']}", "--scale", "7", "--gradient", str(target)]
    )
    saved = np.load(target)
    assert set(saved) == {"x", "y", "x_sphere", "y_sphere"}
    for side in "xy":
        units = rows[side] / np.linalg.norm(rows[side], axis=1, keepdims=True)
        away = (saved[side] * units).sum(axis=1, keepdims=True) * units
        np.testing.assert_allclose(saved[f"{side}_sphere"], saved[side] - away, atol=1e-12)
        assert (saved[f"{side}_sphere"] * rows[side]).sum(axis=1) == pytest.approx(0, abs=1e-12)


def test_every_source_is_a_paper_with_its_number_or_says_that_there_is_none():
    other = {"ours", "folk method", "CMA-OoDD", "control of CWCL", "Liang et al., 2022"}
    registered = (FOLLOW_UP_LOSSES, METHODS, FOLLOW_UP_MEASURES)
    numbers: dict[str, set[str]] = {}
    for entry in (one for registry in registered for one in registry.values()):
        for paper in re.split(r"(?<=\)), ", entry.source):
            found = re.fullmatch(r"(.+) \((\d{4}\.\d{5})\)|\d{4}\.\d{5}", paper)
            assert found or paper in other, f"{entry.name}: {entry.source}"
            if found and found[1]:
                numbers.setdefault(found[1], set()).add(found[2])
    # A paper has one name and one number wherever it is named.
    assert {len(of) for of in numbers.values()} == {1}
    assert len(set.union(*numbers.values())) == len(numbers)
