"""Every post-hoc method and every measure of the follow-ups, number for number, against plain numpy
that is written out here item by item."""

import numpy as np
import pytest
from scipy import linalg, stats
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from test_posthoc import cloud

from modality_gap.measures.posthoc import vectors
from modality_gap.measures.posthoc.catalogue import FOLLOW_UP_MEASURES, METHODS
from modality_gap.measures.posthoc.registry import ACROSS, KINDS
from modality_gap.measures.posthoc.tasks import (
    Direction,
    cross_modal,
    directions,
    geometry,
    mixed_gallery,
    on_pairs,
    u_curve,
)

# --- methods ------------------------------------------------------------------------------------

FIT = cloud(240, 56, 1)
SCORED = cloud(36, 56, 2)
MEANS = [side.mean(axis=0) for side in FIT]
GAP = MEANS[0] - MEANS[1]
DIRECTION = GAP / np.sqrt((GAP**2).sum())
CENTRED = [side - mean for side, mean in zip(FIT, MEANS, strict=True)]


def lengths_one(rows):
    return rows / np.sqrt((rows**2).sum(axis=1))[:, None]


def moved(of_x, of_y, normalise=True):
    """Scores of a method that moves the vectors of each modality."""

    def scores(q, z, kind):
        maps = {"x": of_x, "y": of_y}
        rows = [maps[side](side_rows) for side, side_rows in zip(kind, (q, z), strict=True)]
        first, second = map(lengths_one, rows) if normalise else rows
        return first @ second.T

    return scores


def same(rows):
    return rows


def less(mean, matrix=None):
    matrix = np.eye(len(mean)) if matrix is None else matrix
    return lambda rows: (rows - mean) @ matrix


def without_largest(k):
    keep = np.ones(len(GAP))
    keep[sorted(range(len(GAP)), key=lambda j: -abs(GAP[j]))[:k]] = 0
    return lambda rows: rows * keep


def shrunk(side, part):
    covariance = CENTRED[side].T @ CENTRED[side] / (len(FIT[side]) - 1)
    return (1 - part) * covariance + part * np.trace(covariance) / len(covariance) * np.eye(56)


def root(matrix):
    return linalg.inv(linalg.sqrtm(matrix).real)


def whitened(part, shared=False):
    both = [shrunk(0, part), shrunk(1, part)]
    if shared:
        both = [sum(both) / 2] * 2
    return moved(*(less(mean, root(one)) for mean, one in zip(MEANS, both, strict=True)))


def regressed(source, penalty=1.0):
    fit = Ridge(alpha=penalty, fit_intercept=False).fit(CENTRED[source], CENTRED[1 - source])
    maps = [less(mean) for mean in MEANS]
    maps[source] = less(MEANS[source], fit.coef_.T)
    return moved(*maps)


def turned(identity):
    matrix = linalg.polar(CENTRED[0].T @ CENTRED[1] + identity * np.eye(56))[0]
    return moved(less(MEANS[0], matrix), less(MEANS[1]))


def canonical(k=50):
    roots = [root(shrunk(side, 0.1)) for side in (0, 1)]
    cross = CENTRED[0].T @ CENTRED[1] / 239
    left, values, right = linalg.svd(roots[0] @ cross @ roots[1])
    return moved(
        less(MEANS[0], roots[0] @ left[:, :k] @ np.diag(values[:k])),
        less(MEANS[1], roots[1] @ right.T[:, :k]),
    )


def orthogonal(share):
    values, vectors = np.linalg.eigh(CENTRED[1].T @ CENTRED[1])
    values, vectors = values[::-1], vectors[:, ::-1]
    k = next(k for k in range(1, 57) if values[:k].sum() >= share * values.sum())
    assert 1 < k < 56
    step = GAP - sum((GAP @ vectors[:, j]) * vectors[:, j] for j in range(k))
    return moved(lambda rows: rows - step, same)


def half_of_the_directions():
    vectors = np.linalg.eigh(CENTRED[1].T @ CENTRED[1])[1][:, -28:]
    return moved(*(less(mean, vectors @ vectors.T) for mean in MEANS))


def realigned():
    scale = np.sqrt((CENTRED[0] ** 2).sum() / (CENTRED[1] ** 2).sum())

    def first(rows):
        return lengths_one(MEANS[0] + scale * (rows - MEANS[1]))

    return moved(same, lambda rows: first(rows) + MEANS[0] - first(FIT[1]).mean(axis=0))


def banked(term, weight=1.0):
    """weight times the cosines less a term of each item's similarities to the query's modality."""

    def scores(q, z, kind):
        bank = FIT[KINDS[0].index(kind[0])]
        terms = [term(np.sort(bank @ item)[::-1]) for item in z]
        return np.array([[weight * one @ item for item in z] for one in q]) - np.array(terms)

    return scores


def softmax_of_bank(sharpness):
    return banked(lambda values: np.log(np.exp(sharpness * values).sum()), sharpness)


def softmax_of_both_banks(q, z, kind):
    rows = 20 * q @ z.T
    for side in kind:
        bank = FIT["xy".index(side)]
        rows = rows - np.array([np.log(sum(np.exp(20 * one @ item) for one in bank)) for item in z])
    return rows


def erased():
    """By whitening, projecting and turning back, as the paper has it."""
    both = np.concatenate(FIT)
    covariance = (
        0.9 * np.cov(both, rowvar=False)
        + 0.1 * np.eye(56) * np.trace(np.cov(both, rowvar=False)) / 56
    )
    whiten = root(covariance)
    ahead = whiten @ GAP
    onto = linalg.inv(whiten) @ np.outer(ahead, ahead) @ whiten / (ahead @ ahead)
    return moved(*[lambda rows: rows - (rows - both.mean(axis=0)) @ onto.T] * 2)


def of_graph(q, z, k):
    """Scores among queries and items, by eigenvectors of the graph that has them as its nodes."""
    n = len(q) + len(z)
    graph = np.zeros((n, n))
    graph[: len(q), len(q) :] = np.maximum(q @ z.T, 0)
    graph += graph.T
    degrees = graph.sum(axis=0)
    values, vectors = np.linalg.eigh(graph / np.sqrt(np.outer(degrees, degrees)))
    k = min(k, min(len(q), len(z)) - 1)
    assert values[-1] == pytest.approx(1)
    places = lengths_one_of_each(vectors[:, ::-1][:, 1 : k + 1] / np.sqrt(degrees)[:, None], len(q))
    return places @ places.T


def lengths_one_of_each(rows, n):
    return np.concatenate([lengths_one(rows[:n]), lengths_one(rows[n:])])


def of_hubs(q, z, kind):
    cosines, bank = q @ z.T, FIT[KINDS[0].index(kind[0])]
    hubs = {int(np.argmax(z @ one)) for one in bank}
    other = softmax_of_bank(20)(q, z, kind)
    rows = [other[i] if int(row.argmax()) in hubs else row for i, row in enumerate(cosines)]
    return np.array(rows)


def inverted(strength, rate=None):
    def one(item, bank, usual):
        similar = bank @ item
        k = len(bank) if rate is None else int(rate * len(bank))
        near = np.argsort(-similar)[:k]
        weights = similar[near] - (usual if rate is None else 0)
        return item - strength * (weights[:, None] * bank[near]).sum(axis=0) / k

    def scores(q, z, kind):
        gallery, both = FIT["xy".index(kind[1])], []
        for bank in (FIT["xy".index(side)] for side in kind):
            # Of different fit items.
            usual = ((gallery @ bank.T).sum() - (gallery * bank).sum()) / (240 * 239)
            both.append(lengths_one(np.array([one(item, bank, usual) for item in z])))
        return q @ lengths_one(both[0] + both[1]).T

    return scores


def by_kind(base, spread):
    def scores(q, z, kind):
        fit = base(*(FIT["xy".index(side)] for side in kind), kind)
        off = [fit[i, j] for i in range(240) for j in range(240) if i != j]
        return (base(q, z, kind) - np.mean(off)) / (np.std(off) if spread else 1)

    return scores


def share_among_queries(q, z, kind):
    e = np.exp(q @ z.T / 0.01)
    return q @ z.T * e / e.sum(axis=0)


def scaled_to_equal_sums(q, z, kind):
    plan = np.exp(q @ z.T / 0.01)
    for _ in range(200):
        plan /= plan.sum(axis=1, keepdims=True)
        plan *= len(q) / len(z) / plan.sum(axis=0)
    return np.log(plan)


CENTRING = moved(less(MEANS[0]), less(MEANS[1]))
DEVIATIONS = [np.diag(1 / side.std(axis=0)) for side in FIT]
PLAIN = {
    "none": moved(same, same),
    "shift": moved(lambda rows: rows - GAP / 2, lambda rows: rows + GAP / 2),
    "translate": moved(same, lambda rows: rows + GAP),
    "translate_x": moved(lambda rows: rows - GAP, same),
    "centre": CENTRING,
    "dn": moved(less(MEANS[0] / 4), less(MEANS[1] / 4), normalise=False),
    "dn_zero_shot": moved(less(MEANS[0] / 4), less(MEANS[1] / 4)),
    "dn_100": moved(less(MEANS[0]), less(MEANS[1]), normalise=False),
    "standardise": moved(*map(less, MEANS, DEVIATIONS)),
    **{f"drop{k}": moved(without_largest(k), without_largest(k)) for k in (1, 2, 5, 10, 20)},
    "project_out": moved(*[lambda rows: rows - np.outer(rows @ DIRECTION, DIRECTION)] * 2),
    "realign": realigned(),
    "procrustes": turned(0),
    "procrustes_to_identity": turned(1),
    "procrustes_10": turned(10),
    "ridge": regressed(0),
    "ridge_yx": regressed(1),
    "ridge_01": regressed(0, 0.1),
    "ridge_10": regressed(0, 10.0),
    "ridge_yx_01": regressed(1, 0.1),
    "ridge_yx_10": regressed(1, 10.0),
    "zca_10": whitened(0.1),
    "zca_50": whitened(0.5),
    "zca_50_shared": whitened(0.5, shared=True),
    "zca_10_shared": whitened(0.1, shared=True),
    "coral": moved(
        less(MEANS[0], root(shrunk(0, 0.1)) @ linalg.inv(root(shrunk(1, 0.1)))), less(MEANS[1])
    ),
    "coral_50": moved(
        less(MEANS[0], root(shrunk(0, 0.5)) @ linalg.inv(root(shrunk(1, 0.5)))), less(MEANS[1])
    ),
    "cca": canonical(),
    "cca_100": canonical(56),  # there are no more directions
    "cca_200": canonical(56),
    "leading": half_of_the_directions(),
    "orthogonal_shift_90": orthogonal(0.9),
    "orthogonal_shift_99": orthogonal(0.99),
    "leace": erased(),
    "relative": moved(
        *[lambda rows, of=of: np.array([[row @ one for one in of] for row in rows]) for of in FIT]
    ),
    "dual_is": softmax_of_both_banks,
    "nnn": banked(lambda values: 0.75 * values[:16].mean()),
    "nnn_128": banked(lambda values: 0.75 * values[:128].mean()),
    "nnn_all": banked(np.mean),
    "csls": banked(lambda values: values[:10].mean(), 2.0),
    "inverted_softmax": softmax_of_bank(20.0),
    "inverted_softmax_100": softmax_of_bank(100.0),
    "qb_norm": of_hubs,
    "invgc": inverted(1.0),
    "invgc_50": inverted(0.5),
    "invgc_10": inverted(0.1),
    "invgc_local": inverted(1.0, 0.01),
    "offset": by_kind(moved(same, same), spread=False),
    "z_score": by_kind(moved(same, same), spread=True),
    "centre_z_score": by_kind(CENTRING, spread=True),
    "dual_softmax": share_among_queries,
    "sinkhorn": scaled_to_equal_sums,
}
SEE_ALL = {"qb_norm", "dual_softmax", "sinkhorn", "spectral"}
# Chosen on the fit pairs, two controls, and one of positive scores alone: tested by themselves.
BY_THEMSELVES = {"shift_chosen", "other_first", "own_first", "spectral"}
DEFAULT = """none other_first own_first shift shift_chosen translate
translate_x centre dn standardise drop2 project_out
procrustes_to_identity nnn inverted_softmax z_score centre_z_score sinkhorn"""


def test_every_method_is_tested():
    assert PLAIN.keys() | BY_THEMSELVES == METHODS.keys()
    assert {name for name, one in METHODS.items() if one.sees == "all"} == SEE_ALL
    assert {name for name, one in METHODS.items() if one.default} == set(DEFAULT.split())


@pytest.mark.parametrize("name", PLAIN)
def test_scores_of_a_method(name):
    fitted = METHODS[name].fitted(*FIT)
    assert set(fitted.kinds) == set(ACROSS if name in SEE_ALL else KINDS)
    sides = dict(zip("xy", SCORED, strict=True))
    for kind in fitted.kinds:
        q, z = sides[kind[0]][:30], sides[kind[1]]
        np.testing.assert_allclose(
            fitted.scores(q, z, kind), PLAIN[name](q, z, kind), rtol=1e-6, atol=1e-7, err_msg=kind
        )


def test_vectors_of_the_graph_of_both_modalities():
    some = cloud(36, 56, 2, apart=0.1)
    for k in (5, 60):
        for kind, (q, z) in zip(ACROSS, (some, some[::-1]), strict=True):
            fitted, wanted = METHODS["spectral"].fit(*FIT, k=k), of_graph(q[:30], z, k)[:30]
            across, own = fitted.scores(q[:30], z, kind), fitted.own_scores(q[:30], z, kind)
            np.testing.assert_allclose(across, wanted[:, 30:], rtol=1e-6, atol=1e-7)
            np.testing.assert_allclose(own, wanted[:, :30], rtol=1e-6, atol=1e-7)
    far = cloud(36, 56, 2, apart=3)
    assert (far[0] @ far[1].T < 0).all()
    assert not METHODS["spectral"].fitted(*FIT).scores(*far, ACROSS[0]).any()


def test_methods_of_all_scores_have_a_mixed_gallery_where_both_sides_share_a_space():
    for name in METHODS:
        one, other = directions(METHODS[name].fitted(*FIT), *SCORED)
        assert (one.own is None) == (other.own is None) == (name in SEE_ALL - {"spectral"})
        with_tasks = {task for task, *_ in on_pairs(METHODS[name].fitted(*FIT), *SCORED)}
        assert ("T2a" in with_tasks) == ("T2b" in with_tasks) == (one.own is not None)
    some = cloud(36, 56, 2, noise=1.5, apart=0.1)
    one, _ = directions(METHODS["spectral"].fit(*FIT, k=3), *some)
    ranks = 1 + ((one.own > np.diagonal(one.across)[:, None]) & ~np.eye(36, dtype=bool)).sum(axis=1)
    ranks += (one.across > np.diagonal(one.across)[:, None]).sum(axis=1)
    assert mixed_gallery(one)["median_rank"] == np.median(ranks) > 1


# Methods that use the mean of y in no other way than as a mean; that centre y; and that use it not.
OF_MEANS = {"shift", "translate", "translate_x", "centre", "project_out"}
OF_MEANS |= {"dn", "dn_100", "dn_zero_shot"}
OF_MEANS |= {f"drop{k}" for k in (1, 2, 5, 10, 20)}
CENTRING_MAPS = {"standardise", "procrustes", "procrustes_to_identity", "procrustes_10", "coral"}
CENTRING_MAPS |= {"coral_50", "cca", "cca_100", "cca_200", "leading"}
CENTRING_MAPS |= {name for name in METHODS if name.startswith("zca")}
CENTRING_MAPS |= {name for name in METHODS if name.startswith("ridge")}
WITHOUT_MEAN = {"none", "other_first", "own_first", "relative", "nnn", "nnn_128", "nnn_all", "csls"}
WITHOUT_MEAN |= {"inverted_softmax", "inverted_softmax_100", "dual_is", "offset", "z_score"}
WITHOUT_MEAN |= {"invgc", "invgc_10", "invgc_50", "invgc_local"} | SEE_ALL
PROMPTS = cloud(9, 56, 7)[1]


@pytest.mark.parametrize("name", METHODS)
def test_mean_of_prompts_instead_of_fit_items(name):
    method, sides = METHODS[name], dict(zip("xy", SCORED, strict=True))
    fitted, plain = method.fitted(*FIT, PROMPTS), method.fitted(*FIT)
    if name in OF_MEANS:
        plain = method.fitted(FIT[0], PROMPTS)
    if name in OF_MEANS | WITHOUT_MEAN:
        for kind in plain.kinds:
            pair = sides[kind[0]], sides[kind[1]]
            assert np.allclose(fitted.scores(*pair, kind), plain.scores(*pair, kind), atol=1e-12)
    elif name in CENTRING_MAPS:
        assert np.allclose(fitted.y(PROMPTS).mean(axis=0), 0)
        assert np.allclose(fitted.x(SCORED[0]), plain.x(SCORED[0]))
        moved = [one.y(SCORED[1]) - one.y(SCORED[1][:1]) for one in (fitted, plain)]
        assert np.allclose(*moved)
    elif name in ("leace", "realign"):
        means = fitted.x(FIT[0]).mean(axis=0), fitted.y(PROMPTS).mean(axis=0)
        assert np.allclose(*means)
        assert not np.allclose(means[0], plain.y(PROMPTS).mean(axis=0))
    elif name.startswith("orthogonal_shift"):
        steps = [one.x(SCORED[0])[0] - SCORED[0][0] for one in (fitted, plain)]
        other = MEANS[1] - PROMPTS.mean(axis=0)
        span = np.linalg.lstsq(CENTRED[1].T, steps[1] - steps[0] - other, rcond=None)
        assert np.allclose(CENTRED[1].T @ span[0], steps[1] - steps[0] - other)
        assert not np.allclose(*steps) and np.linalg.norm(steps[0] - steps[1]) < 1
    elif name == "shift_chosen":
        u = FIT[0].mean(axis=0) - PROMPTS.mean(axis=0)
        best = max(found_by_shift(*FIT, u / np.linalg.norm(u)).items(),
                   key=lambda item: (item[1], -abs(item[0])))[0]  # fmt: skip
        assert np.allclose(fitted.x(SCORED[0]) - SCORED[0], -best / 40 * u / np.linalg.norm(u))
    else:
        assert name == "centre_z_score"
        off = ~np.eye(240, dtype=bool)
        for kind in KINDS:
            base = METHODS["centre"].fitted(*FIT, PROMPTS)
            fit = base.scores(*(FIT["xy".index(side)] for side in kind), kind)[off]
            pair = sides[kind[0]], sides[kind[1]]
            wanted = (base.scores(*pair, kind) - fit.mean()) / fit.std()
            assert np.allclose(fitted.scores(*pair, kind), wanted)


def test_texts_are_scaled_to_the_spread_of_images_about_their_own_mean():
    """The mean of prompts is only what they are moved from."""
    spreads = [(side**2).sum() for side in CENTRED]
    for prompts in (None, PROMPTS):
        maps = METHODS["realign"].fitted(*FIT, prompts)
        middle = (FIT[1] if prompts is None else prompts).mean(axis=0)

        def first(rows, middle=middle):
            return lengths_one(MEANS[0] + np.sqrt(spreads[0] / spreads[1]) * (rows - middle))

        again = first(FIT[1] if prompts is None else prompts).mean(axis=0)
        wanted = first(SCORED[1]) + MEANS[0] - again
        np.testing.assert_allclose(maps.y(SCORED[1]), wanted, atol=1e-12)
        np.testing.assert_array_equal(maps.x(SCORED[0]), SCORED[0])


def test_what_is_erased_no_longer_tells_the_modalities_apart():
    """The means coincide, and what is orthogonal to the gap in the covariance's sense stays."""
    maps = METHODS["leace"].fitted(*FIT)
    np.testing.assert_allclose(maps.x(FIT[0]).mean(axis=0), maps.y(FIT[1]).mean(axis=0), atol=1e-12)
    steps = maps.x(FIT[0]) - FIT[0]
    assert np.linalg.matrix_rank(steps, tol=1e-9) == 1
    once = maps.x(FIT[0])
    np.testing.assert_allclose(maps.x(once), once, atol=1e-12)
    same_twice = METHODS["leace"].fitted(FIT[0], FIT[0])
    np.testing.assert_allclose(same_twice.x(SCORED[0]), SCORED[0])
    # Halfway between the means, of prompts too if there are any, nothing is erased.
    for prompts in (None, PROMPTS):
        maps = METHODS["leace"].fitted(*FIT, prompts)
        of_y = MEANS[1] if prompts is None else prompts.mean(axis=0)
        middle = (MEANS[0] + of_y)[None] / 2
        for side in (maps.x, maps.y):
            np.testing.assert_allclose(side(middle), middle, atol=1e-12)


def test_hubs_change_some_queries_and_not_others():
    """Otherwise QB-Norm would be the inverted softmax, or no change."""
    hubs = {int(np.argmax(SCORED[1] @ one)) for one in FIT[0]}
    active = [int(row.argmax()) in hubs for row in SCORED[0] @ SCORED[1].T]
    assert 0 < sum(active) < len(active)


@pytest.mark.parametrize(("name", "first"), [("other_first", ACROSS), ("own_first", KINDS[2:])])
def test_a_control_puts_one_modality_first(name, first):
    fitted = METHODS[name].fitted(*FIT)
    for kind in KINDS:
        more = fitted.scores(*SCORED, kind) - SCORED[0] @ SCORED[1].T
        assert np.ptp(more) < 1e-12
        assert more[0, 0] > 2 if kind in first else more[0, 0] == 0


def test_of_equally_good_shifts_the_one_nearest_0_is_chosen():
    """Here two recalls are equal as counts, but not as means of rounded shares."""
    x, y = cloud(50, 12, 19, noise=1.6)
    gap = x.mean(axis=0) - y.mean(axis=0)
    u = gap / np.sqrt((gap**2).sum())
    found = found_by_shift(x, y, u)
    assert [at for at, hits in found.items() if hits == max(found.values())] == [16, 17]
    moved = METHODS["shift_chosen"].fitted(x, y).x(x)
    np.testing.assert_allclose(moved - x, np.tile(-16 / 40 * u, (50, 1)), atol=1e-12)


def found_by_shift(x, y, u):
    """How many partners come first in both directions, by the twentieths of a shift along u."""
    found, n = {}, len(x)
    for twentieths in range(-20, 31):
        cosines = lengths_one(x - twentieths / 40 * u) @ lengths_one(y + twentieths / 40 * u).T
        hits = (cosines.argmax(axis=1) == np.arange(n)).sum()
        found[twentieths] = hits + (cosines.argmax(axis=0) == np.arange(n)).sum()
    return found


def test_of_shifts_that_find_as_much_the_smallest_is_chosen():
    x, y = cloud(60, 8, 2, noise=0.8, apart=0.5)
    gap = x.mean(axis=0) - y.mean(axis=0)
    u = gap / np.linalg.norm(gap)
    found = found_by_shift(x, y, u)
    best = [one for one, hits in found.items() if hits == max(found.values())]
    step = min(best, key=lambda one: (abs(one), one)) / 20
    assert len(best) > 1 and abs(step) > 0.1
    maps = METHODS["shift_chosen"].fitted(x, y)
    np.testing.assert_allclose(maps.x(x), x - step / 2 * u, atol=1e-12)
    np.testing.assert_allclose(maps.y(y), y + step / 2 * u, atol=1e-12)


@pytest.mark.parametrize(
    ("recalls", "chosen"),
    [
        ({-1: 0.4, 0: 0.3}, -1),
        ({1.5: 0.4, 0: 0.3}, 1.5),
        ({-1.05: 0.4, 1.55: 0.4, 0.2: 0.3}, 0.2),
        ({0.3: 0.4, -0.3: 0.4}, -0.3),
        ({0.3: 0.4, 0.8: 0.4 + 1e-9}, 0.8),
        ({0.3: 0.4, 0.8: 0.4 + 1e-14}, 0.3),
    ],
)
def test_the_best_shift_from_minus_1_to_one_and_a_half_is_chosen(monkeypatch, recalls, chosen):
    """Recall is 0 at other shifts than these. Of two of one size, the negative one is chosen."""
    x, y = cloud(12, 5, 3)
    gap = x.mean(axis=0) - y.mean(axis=0)
    u = gap / np.linalg.norm(gap)
    known = [
        (lengths_one(x - step / 2 * u) @ lengths_one(y + step / 2 * u).T, recall)
        for step, recall in recalls.items()
    ]

    def recall(scores, own):
        assert (own == np.eye(12, dtype=bool)).all()
        return next((one for of, one in known if np.allclose(of, scores, rtol=0, atol=1e-9)), 0.0)

    monkeypatch.setattr(vectors, "recall_both_ways", recall)
    maps = METHODS["shift_chosen"].fitted(x, y)
    np.testing.assert_allclose(maps.x(x) - x, -np.tile(chosen / 2 * u, (12, 1)), atol=1e-12)


def test_a_shift_is_chosen_by_items_of_which_each_is_there_once(monkeypatch):
    """A picture with two captions looks for either, and a caption of two pictures too."""
    x, y = cloud(9, 5, 3)
    pictures, captions = [0, 0, 1, 2, 2, 3], [0, 1, 2, 3, 4, 4]
    seen = []
    monkeypatch.setattr(
        vectors, "recall_both_ways", lambda scores, own: seen.append((scores.shape, own)) or 0.0
    )
    METHODS["shift_chosen"].fitted(x[pictures], y[captions])
    partners = np.zeros((4, 5), dtype=bool)
    partners[pictures, captions] = True
    assert len(seen) == 51
    for shape, own in seen:
        assert shape == (4, 5)
        np.testing.assert_array_equal(own, partners)


def test_a_shift_that_widens_the_gap_is_chosen_where_it_finds_most():
    rng = np.random.default_rng(3)
    x = lengths_one(rng.normal(size=(20, 3)))
    y = lengths_one(x + 0.3 * rng.normal(size=(20, 3)))
    gap = x.mean(axis=0) - y.mean(axis=0)
    u = gap / np.linalg.norm(gap)
    found = found_by_shift(x, y, u)
    assert [one for one, hits in found.items() if hits == max(found.values())] == [-1]
    maps = METHODS["shift_chosen"].fitted(x, y)
    np.testing.assert_allclose(maps.x(x), x + 0.025 * u, atol=1e-12)
    np.testing.assert_allclose(maps.y(y), y - 0.025 * u, atol=1e-12)


# --- measures -----------------------------------------------------------------------------------


def effective(side):
    values = np.sqrt(np.maximum(0, np.linalg.eigvalsh(np.cov(side, rowvar=False))))
    shares = values[values > 1e-9] / values.sum()
    return np.exp(-(shares * np.log(shares)).sum())


def moments(x, y):
    n, found = len(x), {}
    for kind, (q, z) in {"xx": (x, x), "yy": (y, y), "xy": (x, y)}.items():
        some = [q[i] @ z[j] for i in range(n) for j in range(n) if i != j]
        found |= {f"mean_{kind}": np.mean(some), f"sd_{kind}": np.std(some)}
    partner = np.mean([x[i] @ y[i] for i in range(n)])
    bias = (found["mean_xx"] + found["mean_yy"]) / 2 - partner
    return found | {"partner_cosine": partner, "ranking_bias": bias}


def mixed(x, y):
    n, found = len(x), {}
    for name, ratio, rank, q, z in (("x", "itr", "imr", x, y), ("y", "tir", "tmr", y, x)):
        lists = {one: [] for one in (f"own_first_{name}", ratio, rank, f"other_share10_{name}")}
        for i in range(n):
            own = [q[i] @ q[j] for j in range(n) if j != i]
            other = [q[i] @ z[j] for j in range(n)]
            both = sorted([(-one, 0) for one in own] + [(-one, 1) for one in other])
            values = (
                max(own) > max(other),
                max(own) / max(other),
                1 + sum(one > max(other) for one in own),
                np.mean([kind for _, kind in both[:10]]),
            )
            for one, value in zip(lists.values(), values, strict=True):
                one.append(value)
        found |= {one: np.mean(values) for one, values in lists.items()}
    return found


def few(x, y):
    vector = x.mean(axis=0) - y.mean(axis=0)
    order = sorted(range(len(vector)), key=lambda j: -abs(vector[j]))
    i, j = x.mean(axis=0).argmax(), y.mean(axis=0).argmax()
    right = [row[i] > row[j] for row in x] + [row[j] > row[i] for row in y]
    fits, half = np.arange(len(x)) < len(x) // 2, len(x) // 2
    model = LogisticRegression(max_iter=1000)
    model.fit(np.concatenate([side[fits][:, [i, j]] for side in (x, y)]), [0] * half + [1] * half)
    sides = [model.predict(side[~fits][:, [i, j]]) == kind for kind, side in enumerate((x, y))]
    found = {"two_separate": np.mean(right), "two_separability": np.mean(sides)}
    for k in (1, 2, 5, 10, 20):
        rest = order[k:]
        a, b = lengths_one(x[:, rest]), lengths_one(y[:, rest])
        apart = 1 - (a * b).sum(axis=1).mean()
        n = len(a)
        within = np.mean([((s @ s.T).sum() - n) / (n * (n - 1)) for s in (a, b)])
        found |= {
            f"share_{k}": (vector[order[:k]] ** 2).sum() / (vector**2).sum(),
            f"gap_without_{k}": np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)),
            f"relative_gap_without_{k}": apart / (1 - within + apart),
            f"recall1_xy_without_{k}": ((a @ b.T).argmax(axis=1) == np.arange(n)).mean(),
            f"recall1_yx_without_{k}": ((a @ b.T).argmax(axis=0) == np.arange(n)).mean(),
        }
    return found


def distance(x, y):
    covariances = [np.cov(side, rowvar=False) for side in (x, y)]
    means = x.mean(axis=0) - y.mean(axis=0)
    crossed = np.trace(linalg.sqrtm(covariances[0] @ covariances[1]).real)
    value = means @ means + sum(map(np.trace, covariances)) - 2 * crossed
    share = means @ means / value
    return {"frechet": value, "mir": np.log10(value), "frechet_mean_share": share}


def uniform(x, y):
    n, both = len(x), np.concatenate([x, y])
    some = [np.exp(-2 * ((x[i] - y[j]) ** 2).sum()) for i in range(n) for j in range(n) if i != j]
    covariance = np.cov(both, rowvar=False, bias=True)
    crossed = np.trace(linalg.sqrtm(covariance).real)
    square = 1 + (both.mean(axis=0) ** 2).sum() + np.trace(covariance)
    square -= 2 / np.sqrt(x.shape[1]) * crossed
    return {"uniformity_across": np.log(np.mean(some)), "wasserstein_uniformity": -np.sqrt(square)}


def spread(x, y):
    found = {}
    for name, side in (("x", x), ("y", y)):
        values = np.linalg.eigvalsh(np.cov(side, rowvar=False))
        ratio = values.sum() ** 2 / (values**2).sum()
        found |= {
            f"effective_rank_{name}": effective(side),
            f"participation_{name}": ratio,
            f"isoscore_{name}": (ratio - 1) / (x.shape[1] - 1),
        }
    return found


def hubs(x, y):
    n, found = len(x), {}
    for name, (q, z) in {"xy": (x, y), "yx": (y, x)}.items():
        for k in (1, 10):
            firsts = [sorted(range(n), key=lambda j, i=i: -(q[i] @ z[j]))[:k] for i in range(n)]
            counts = np.array([sum(j in first for first in firsts) for j in range(n)])
            found |= {
                f"skewness{k}_{name}": stats.skew(counts),
                f"largest{k}_{name}": counts.max(),
                f"never{k}_{name}": (counts == 0).mean(),
                f"kurtosis{k}_{name}": stats.kurtosis(counts),
                f"deviation{k}_{name}": abs(counts - counts.mean()).mean(),
            }
    return found


def song(k, m):
    """The unbiased estimate by traces (Song et al., 2012, equation 5)."""
    n = len(k)
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    one = np.ones(n)
    value = np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return (value - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))


def alike(x, y):
    n, found = len(x), {}
    linear = [side @ side.T for side in (x, y)]
    gaussian = []
    for side in (x, y):
        squares = np.array([[((a - b) ** 2).sum() for a in side] for b in side])
        median = np.median([squares[i, j] for i in range(n) for j in range(i)])
        gaussian.append(np.exp(-squares / (2 * (median / 2))))
    for name, (k, m) in {"cka": linear, "cka_rbf": gaussian}.items():
        h = np.eye(n) - 1 / n
        k_, m_ = h @ k @ h, h @ m @ h
        found[name] = (k_ * m_).sum() / np.linalg.norm(k_) / np.linalg.norm(m_)
        found[f"{name}_unbiased"] = song(k, m) / np.sqrt(song(k, k) * song(m, m))
    shared, discordant = [], []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        first = [set(sorted(others, key=lambda j, s=s: -s[i, j])[:10]) for s in linear]
        shared.append(len(first[0] & first[1]) / 10)
        pairs = [(j, k) for j in others for k in others if j < k]
        discordant.append(
            np.mean([np.prod([s[i, j] - s[i, k] for s in linear]) < 0 for j, k in pairs])
        )
    return found | {"mutual_knn": np.mean(shared), "kendall_distance": np.mean(discordant)}


def directed(x, y):
    difference = x - y
    gap = difference.mean(axis=0)
    u = gap / np.linalg.norm(gap)
    whole = len(x) // 100
    groups = [part.mean(axis=0) for part in np.split(difference[: 100 * whole], whole)]
    lengths = [np.linalg.norm(group) for group in groups]
    found = {"group_gap": np.mean(lengths), "residual_sd": np.std(difference - gap)}
    if len(groups) > 1:
        found["group_cosine"] = np.mean(
            [
                groups[i] @ groups[i + 1] / lengths[i] / lengths[i + 1]
                for i in range(len(groups) - 1)
            ]
        )
    for name, side in (("x", x), ("y", y)):
        steps = lengths_one(side[1:] - side[:-1]) @ u
        covariance = np.cov(side, rowvar=False, bias=True)
        found |= {
            f"orthogonality_{name}": steps.mean(),
            f"orthogonality_sd_{name}": steps.std(),
            f"variance_along_{name}": u @ covariance @ u / np.mean(np.diag(covariance)),
        }
    return found


def in_span(x, y):
    gap, found = x.mean(axis=0) - y.mean(axis=0), {}
    for name, side in (("x", x), ("y", y)):
        values, vectors = np.linalg.eigh(np.cov(side, rowvar=False))
        values, vectors = values[::-1], vectors[:, ::-1]
        for share in (90, 99):
            k = next(k for k in range(1, 99) if values[:k].sum() >= share / 100 * values.sum())
            found[f"in_span{share}_{name}"] = ((vectors[:, :k].T @ gap) ** 2).sum() / (gap @ gap)
    return found


def relative(x, y):
    n, found = len(x), {}
    for name, (q, z) in {"xy": (x, y), "yx": (y, x)}.items():
        squares = [[((a - b) ** 2).sum() for b in z] for a in q]
        found[f"relative_alignment_{name}"] = np.mean(
            [squares[i][i] - min(squares[i][j] for j in range(n) if j != i) for i in range(n)]
        )
    return found


def volumes(x, y):
    grams = [np.array([[a @ a, a @ b], [a @ b, b @ b]]) for a, b in zip(x, y, strict=True)]
    return {"volume": np.mean([np.sqrt(np.linalg.det(gram)) for gram in grams])}


def subspaces(x, y):
    """By singular values, which are the cosines of the principal angles."""
    found = {}
    tops = [np.linalg.eigh(np.cov(side, rowvar=False))[1][:, ::-1] for side in (x, y)]
    for k in (5, 20):
        cosines = np.cos(linalg.subspace_angles(tops[0][:, :k], tops[1][:, :k]))
        found[f"subspace_overlap{k}"] = np.mean(cosines**2)
    return found


def regressed_modality(x, y):
    half = len(x) // 2
    model = LinearRegression().fit([*x[:half], *y[:half]], [0] * half + [1] * half)
    rest = len(x) - half
    errors = model.predict([*x[half:], *y[half:]]) - np.repeat([0, 1], rest)
    return {"least_squares_separability": 1 - np.mean(errors**2)}


MEASURES = {
    "kind_moments": moments,
    "own_nearest": mixed,
    "few_dimensions": few,
    "frechet": distance,
    "uniformity": uniform,
    "spread": spread,
    "hubs": hubs,
    "structure": alike,
    "gap_direction": directed,
    "gap_in_span": in_span,
    "volume": volumes,
    "relative_alignment": relative,
    "leading_subspaces": subspaces,
    "least_squares": regressed_modality,
}
SMOOTH = {"kind_moments", "uniformity", "gap_direction"}


def test_every_measure_is_tested():
    assert MEASURES.keys() == FOLLOW_UP_MEASURES.keys()
    assert {name for name, one in FOLLOW_UP_MEASURES.items() if one.smooth} == SMOOTH


@pytest.mark.parametrize("n", [40, 41])
@pytest.mark.parametrize("name", MEASURES)
def test_values_of_a_measure(name, n):
    # C3's groups have 100 pairs, of which some are left over.
    x, y = cloud(5 * n, 24, 6) if name == "gap_direction" else cloud(n, 24, 6, apart=0.4)
    found = {one: np.mean(value) for one, value in FOLLOW_UP_MEASURES[name].of(x, y).items()}
    assert found == pytest.approx(MEASURES[name](x, y), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("n", [199, 200, 300])
def test_groups_are_all_whole_hundreds(n):
    x, y = cloud(n, 24, 6)
    found = FOLLOW_UP_MEASURES["gap_direction"].of(x, y)
    wanted = directed(x, y)
    assert found == pytest.approx(wanted, rel=1e-6, abs=1e-8)
    assert ("group_cosine" in found) == (n > 199)  # one group has no other


@pytest.mark.parametrize("name", ["structure", "own_nearest"])
def test_chance_is_what_random_pairs_or_random_scores_give(name):
    """Pairs in random order; for the nearest item, scores that say nothing of the modality."""
    rng = np.random.default_rng(0)
    x, y = cloud(24, 8, 3)
    measure = FOLLOW_UP_MEASURES[name]
    chance = {**measure.chance(24, 8), **measure.chance_of(x, y)}
    drawn = []
    for _ in range(150):
        if name == "structure":
            pairs = x, y[rng.permutation(24)]
        else:
            pairs = lengths_one(rng.normal(size=(48, 40))).reshape(2, 24, 40)
        drawn.append({one: np.mean(value) for one, value in measure.of(*pairs).items()})
    assert chance.keys() <= drawn[0].keys() and len(chance) > 3
    for one, value in chance.items():
        found = [row[one] for row in drawn]
        assert value == pytest.approx(np.mean(found), abs=4 * stats.sem(found)), one


@pytest.mark.parametrize("n", [4, 5, 6])
def test_of_fewer_than_ten_other_items_all_count(n):
    """A query is not one of them."""
    of = FOLLOW_UP_MEASURES["own_nearest"]
    found = of.of(*cloud(n, 5, 0))
    for side in "xy":
        if n < 6:
            np.testing.assert_allclose(found[f"other_share10_{side}"], n / (2 * n - 1))
            assert of.chance(n, 5)[f"other_share10_{side}"] == pytest.approx(n / (2 * n - 1))
        assert np.isin(10 * found[f"other_share10_{side}"], np.arange(11)).all() == (n == 6)


def test_subspaces_of_a_turned_cloud_overlap_by_chance():
    rng = np.random.default_rng(4)
    x, _ = cloud(60, 30, 5)
    of = FOLLOW_UP_MEASURES["leading_subspaces"]
    assert of.of(x, x) == pytest.approx({"subspace_overlap5": 1, "subspace_overlap20": 1})
    turned = [of.of(x, x @ stats.ortho_group.rvs(30, random_state=rng)) for _ in range(100)]
    chance = of.chance(60, 30)
    for name in ("subspace_overlap5", "subspace_overlap20"):
        values = [one[name] for one in turned]
        assert chance[name] == pytest.approx(np.mean(values), abs=4 * stats.sem(values))
    few = rng.normal(size=(2, 7, 30))
    assert list(of.of(*few)) == list(of.chance(7, 30)) == ["subspace_overlap5"]
    # Directions must be left over, of the vectors and of the space.
    for n, d, count in ((60, 20, 1), (21, 30, 1), (22, 21, 2), (60, 5, 0), (6, 30, 0)):
        assert len(of.chance(n, d)) == len(of.of(*rng.normal(size=(2, n, d)))) == count


def test_least_squares_from_no_gap_to_a_large_one():
    of = FOLLOW_UP_MEASURES["least_squares"]
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(2, 4000, 3))
    (chance,), (found,) = of.chance(4000, 3).values(), of.of(*rows).values()
    assert found == pytest.approx(chance, abs=0.01)
    rows[0, :, 0] += 1000
    assert of.of(*rows)["least_squares_separability"] == pytest.approx(1, abs=1e-3)


# --- tasks --------------------------------------------------------------------------------------


def places(scores, wanted):
    """By query, how far down the list of all items the wanted one is."""
    orders = [sorted(range(len(row)), key=lambda j, row=row: -row[j]) for row in scores]
    return np.array([order.index(w) + 1 for order, w in zip(orders, wanted, strict=True)])


def test_tasks_of_galleries_by_sorting():
    rng = np.random.default_rng(1)
    n = 30
    across, own = rng.normal(size=(2, n, n)) + 0.9 * np.eye(n)
    one = Direction("xy", across, own)
    ranks, gains = places(across, range(n)), [1 / np.log2(1 + rank) for rank in range(1, 11)]
    assert {1, 5, 10} <= {*ranks} and ranks.max() > 10
    shares = {f"recall{k}": (ranks <= k).mean() for k in (1, 5, 10)}
    assert cross_modal(one) == pytest.approx(
        shares | {"ndcg10": sum(gains[rank - 1] for rank in ranks if rank <= 10) / n}
    )
    gallery = np.array([[*across[i], *(own[i, j] for j in range(n) if j != i)] for i in range(n)])
    ranks = places(gallery, range(n))
    found = mixed_gallery(one)
    assert (found["recall1"], found["recall10"]) == ((ranks == 1).mean(), (ranks <= 10).mean())
    assert found["median_rank"] == np.median(ranks)
    assert found["ndcg10"] == pytest.approx(
        sum(gains[rank - 1] for rank in ranks if rank <= 10) / n
    )
    # Of every gallery that can be drawn where each other item is of the other modality or not.
    small = Direction("xy", across[:5, :5], own[:5, :5])
    curve = u_curve(small, (0.3,))
    recall, ndcg = 0.0, 0.0
    for i in range(5):
        for drawn in range(2**5):
            kinds = [drawn >> j & 1 for j in range(5)]
            if not kinds[i]:
                continue
            scores = [across[i, j] if kinds[j] else own[i, j] for j in range(5)]
            chance = np.prod([0.3 if kinds[j] else 0.7 for j in range(5) if j != i])
            rank = 1 + sum(score > scores[i] for score in scores)
            recall += chance * (rank == 1) / 5
            ndcg += chance * gains[rank - 1] / 5
    assert curve == pytest.approx({"recall1_0.3": recall, "ndcg10_0.3": ndcg})


def test_separability_is_scored_on_the_second_half():
    rng = np.random.default_rng(3)
    x, y = lengths_one(rng.normal(size=(41, 12)) + 0.15), lengths_one(rng.normal(size=(41, 12)))
    found = geometry(METHODS["none"].fitted(x, y), x, y)["separability"]
    model = LogisticRegression(max_iter=1000).fit([*x[:20], *y[:20]], [0] * 20 + [1] * 20)
    wanted = (*(model.predict(x[20:]) == 0), *(model.predict(y[20:]) == 1))
    assert 0.5 < np.mean(wanted) < 1 and found == pytest.approx(np.mean(wanted))


@pytest.mark.parametrize(
    ("name", "tasks"),
    [
        ("centre", {"T1", "T2a", "T2b", "T6"}),
        ("z_score", {"T1", "T2a", "T2b", "T6"}),
        ("sinkhorn", {"T1", "T6"}),
    ],
)
def test_each_direction_has_its_tasks(name, tasks):
    """Only what moves vectors has a geometry; only what scores within a modality a gallery."""
    fitted = METHODS[name].fitted(*FIT)
    rows = on_pairs(fitted, *SCORED)
    assert {(task, direction) for task, direction, *_ in rows if direction != "both"} == {
        (task, direction) for task in tasks for direction in ("xy", "yx")
    }
    value = {(task, direction, metric): one for task, direction, metric, one in rows}
    for direction, kind, sides in (("xy", ACROSS[0], SCORED), ("yx", ACROSS[1], SCORED[::-1])):
        scores = fitted.scores(*sides, kind)
        first = (places(scores, range(36)) == 1).mean()
        assert value["T1", direction, "recall1"] == pytest.approx(first)
        counts = np.bincount(np.argsort(-scores, axis=1)[:, :10].ravel(), minlength=36)
        assert value["T6", direction, "hub_skewness10"] == pytest.approx(stats.skew(counts))
        if "T2a" in tasks:
            own = fitted.scores(sides[0], sides[0], (kind[0], kind[0])).copy()
            np.fill_diagonal(own, -np.inf)
            ranks = places(np.concatenate([scores, own], axis=1), range(36))
            assert value["T2a", direction, "median_rank"] == np.median(ranks)
    both = {metric for _, direction, metric, _ in rows if direction == "both"}
    assert bool(both) == (name == "centre")
    if both:
        kept = []
        for before, after in ((SCORED[1], SCORED[1] - MEANS[1]),):
            orders = [np.argsort(-(rows @ rows.T), axis=1) for rows in (before, lengths_one(after))]
            for i in range(36):
                near = [{*[j for j in order[i] if j != i][:10]} for order in orders]
                kept.append(len(near[0] & near[1]) / 10)
        assert value["T6", "both", "neighbours_kept_y"] == pytest.approx(np.mean(kept))
