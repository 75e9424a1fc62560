"""Methods that move the gap of finished embeddings, the tasks that judge them, and the measures of
the follow-ups, against closed forms, identities and independent computations."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, special, stats
from scipy.spatial.transform import Rotation

from modality_gap.errors import InputError
from modality_gap.measures.posthoc.captions import (
    form_curve,
    form_scores,
    fusion_curve,
    mixed_forms,
)
from modality_gap.measures.posthoc.catalogue import FOLLOW_UP_MEASURES, METHODS, structure
from modality_gap.measures.posthoc.changes import HUBS, hub_change
from modality_gap.measures.posthoc.fit_sizes import fit_sizes
from modality_gap.measures.posthoc.linear_maps import polar, procrustes
from modality_gap.measures.posthoc.own import (
    chosen_measures,
    chosen_methods,
    names_of_methods,
)
from modality_gap.measures.posthoc.ranks import ndcg10, partner_ranks
from modality_gap.measures.posthoc.registry import (
    ACROSS,
    KINDS,
    Maps,
    Method,
    Scores,
    method,
    unit,
)
from modality_gap.measures.posthoc.scores import _sinkhorn_in_logs, nearest_neighbour, sinkhorn_plan
from modality_gap.measures.posthoc.study import FIXED, check_fitted, measured, splits, study
from modality_gap.measures.posthoc.tasks import (
    Direction,
    among_first,
    cross_modal,
    directions,
    expected,
    geometry,
    hub_skewness,
    mixed_gallery,
    robustness,
    shared_neighbours,
    u_curve,
)
from modality_gap.measures.posthoc.vectors import distribution_normalisation, shift

COORDINATES = ("standardise", "drop1", "drop2", "drop5", "drop10", "drop20")


def cloud(n, d, seed, noise=0.6, apart=1.0):
    """Pairs of unit vectors (n, d) with a gap along the first coordinate."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    x, y = (shared + noise * rng.normal(size=(n, d)) for _ in range(2))
    x[:, 0] += apart * np.sqrt(d)
    y[:, 0] -= apart * np.sqrt(d)
    return unit(x), unit(y)


@pytest.fixture(scope="module")
def pairs():
    x, y = cloud(240, 32, 0)
    return x[::2], y[::2], x[1::2], y[1::2]


def pairs_for(name, pairs):
    """The pairs, or for a method of positive scores alone some with a gap that leaves such."""
    if name != "spectral":
        return pairs
    x, y = cloud(240, 32, 0, apart=0.1)
    return x[::2], y[::2], x[1::2], y[1::2]


def ranks(fitted, a, b):
    return [partner_ranks(one.across) for one in directions(fitted, a, b)]


@pytest.mark.parametrize("name", METHODS)
def test_method_scores_every_pair_from_the_fit_pairs_alone(name, pairs):
    x, y, a, b = pairs_for(name, pairs)
    fitted = METHODS[name].fitted(x, y)
    check_fitted(METHODS[name], fitted, a, b)
    for kind in fitted.kinds:
        sides = {"x": a, "y": b}
        assert fitted.scores(sides[kind[0]], sides[kind[1]], kind).shape == (len(a), len(a))
    with pytest.raises(InputError, match="NaN or infinity"):
        check_fitted(METHODS[name], fitted, np.full_like(a, np.nan), b)


@pytest.mark.parametrize("name", [name for name in METHODS if name not in COORDINATES])
def test_rotation_of_the_space_changes_no_score(name, pairs):
    pairs = pairs_for(name, pairs)
    rotation = stats.ortho_group.rvs(32, random_state=1)
    turned = [rows @ rotation for rows in pairs]
    for kind in METHODS[name].fitted(*pairs[:2]).kinds:
        q, z = ({"x": 2, "y": 3}[side] for side in kind)
        plain = METHODS[name].fitted(*pairs[:2]).scores(pairs[q], pairs[z], kind)
        after = METHODS[name].fitted(*turned[:2]).scores(turned[q], turned[z], kind)
        assert np.allclose(plain, after, atol=1e-6 * max(1, np.abs(plain).max()))


@pytest.mark.parametrize("name", COORDINATES)
def test_methods_of_coordinates_depend_on_the_rotation(name, pairs):
    rotation = stats.ortho_group.rvs(32, random_state=1)
    turned = [rows @ rotation for rows in pairs]
    plain = METHODS[name].fitted(*pairs[:2]).scores(*pairs[2:], ("x", "y"))
    after = METHODS[name].fitted(*turned[:2]).scores(*turned[2:], ("x", "y"))
    assert not np.allclose(plain, after, atol=1e-3)


@pytest.mark.parametrize(
    "fitted",
    [
        lambda x, y: shift(x, y, delta=0.0),
        lambda x, y: distribution_normalisation(x, y, part=0.0),
        lambda x, y: nearest_neighbour(x, y, alpha=0.0),
        lambda x, y: METHODS["invgc"].fit(x, y, strength=0.0),
    ],
)
def test_methods_without_strength_change_nothing(fitted, pairs):
    x, y, a, b = pairs
    for kind in ACROSS:
        q, z = (a, b) if kind == ("x", "y") else (b, a)
        assert np.allclose(fitted(x, y).scores(q, z, kind), q @ z.T)


def test_whole_mean_of_distribution_normalisation_ranks_as_the_whole_bank(pairs):
    x, y, a, b = pairs
    one = ranks(METHODS["dn_100"].fitted(x, y), a, b)
    other = ranks(METHODS["nnn_all"].fitted(x, y), a, b)
    assert np.array_equal(one, other)
    assert not np.array_equal(one, ranks(METHODS["none"].fitted(x, y), a, b))


def test_scores_by_kind_leave_the_ranks_within_a_kind(pairs):
    x, y, a, b = pairs
    plain = ranks(METHODS["none"].fitted(x, y), a, b)
    for name in ("offset", "z_score", "other_first", "own_first"):
        assert np.array_equal(plain, ranks(METHODS[name].fitted(x, y), a, b))


def test_z_score_gives_fit_pairs_mean_0_and_deviation_1_by_kind(pairs):
    x, y = pairs[:2]
    fitted = METHODS["z_score"].fitted(x, y)
    off = ~np.eye(len(x), dtype=bool)
    for kind in KINDS:
        scores = fitted.scores(*({"x": x, "y": y}[side] for side in kind), kind)[off]
        assert scores.mean() == pytest.approx(0, abs=1e-10)
        assert scores.std() == pytest.approx(1)


def test_control_is_the_ceiling_of_the_mixed_gallery_and_all_bias(pairs):
    x, y, a, b = pairs
    for one in directions(METHODS["other_first"].fitted(x, y), a, b):
        mixed, cross = mixed_gallery(one), cross_modal(one)
        assert mixed["ndcg10"] == pytest.approx(cross["ndcg10"])
        assert (mixed["kind_auc"], mixed["kind_share10"]) == (1, 1)


def test_opposite_control_is_the_floor_of_the_mixed_gallery(pairs):
    x, y, a, b = pairs
    for one in directions(METHODS["own_first"].fitted(x, y), a, b):
        mixed = mixed_gallery(one)
        assert mixed["ndcg10"] == mixed["kind_auc"] == mixed["kind_share10"] == 0
        assert mixed["median_rank"] > len(a) - 1
        plain = Maps().scores(*((a, b) if one.name == "xy" else (b, a)), tuple(one.name))
        assert (partner_ranks(one.across) == partner_ranks(plain)).all()


def test_preferring_either_form_wins_less_than_no_preference():
    rng = np.random.default_rng(1)
    pictures = unit(rng.normal(size=(30, 8)))
    captions = unit(pictures[:, None] + 0.1 * rng.normal(size=(30, 2, 8)))
    found = {
        name: mixed_forms(METHODS[name].fitted(pictures, captions[:, 0]), pictures, captions)
        for name in ("none", "own_first", "other_first")
    }
    best = found["none"]["ndcg10"].mean()
    for name in ("own_first", "other_first"):
        assert found[name]["ndcg10"].mean() < 0.7 * best


def test_gap_closed_by_shift_and_by_centring_alike():
    """The same cloud on both sides, moved apart: both find every partner again."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(400, 24))
    rows -= rows.mean(axis=0)
    x, y = rows.copy(), rows.copy()
    x[:, 0] += 3
    y[:, 0] -= 3
    maps = METHODS["centre"].fit(x, y)
    assert np.allclose(maps.x(x), maps.y(y))
    maps = METHODS["shift"].fit(x, y)
    assert np.allclose(maps.x(x), maps.y(y))
    assert all((one == 1).all() for one in ranks(maps, x, y))


def test_mispaired_items_are_found_at_chance(pairs):
    x, y, a, b = pairs
    wrong = np.roll(b, 7, axis=0)
    for name in ("none", "centre", "nnn", "sinkhorn", "procrustes_to_identity"):
        for one in directions(METHODS[name].fitted(x, y), a, wrong):
            assert cross_modal(one)["recall1"] < 0.05


def test_procrustes_recovers_a_rotation_and_tends_to_centring():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(200, 3)) * (1, 1, 1e-3)  # a direction of little variance counts too
    rotation = Rotation.from_euler("xyz", [0.4, -0.7, 1.1]).as_matrix()
    x = y @ rotation.T
    maps = procrustes(x, y)
    assert np.allclose(maps.x(x), maps.y(y), atol=1e-10)
    far, centre = procrustes(x, y, identity=1e9), METHODS["centre"].fit(x, y)
    assert np.allclose(far.x(x), centre.x(x), atol=1e-5)


def test_procrustes_leaves_out_what_few_pairs_do_not_determine():
    x, y = cloud(10, 32, 1)
    maps = procrustes(x, y)
    outside = np.linalg.svd(x - x.mean(axis=0))[2][-1]
    assert np.abs(maps.x(outside + x.mean(axis=0))).max() < 1e-8


def test_sinkhorn_has_equal_sums():
    rng = np.random.default_rng(0)
    plan = np.exp(sinkhorn_plan(rng.normal(size=(6, 6)), 200))
    assert np.allclose(plan.sum(axis=0), 1) and np.allclose(plan.sum(axis=1), 1)


def test_sinkhorn_in_factors_is_that_in_logarithms():
    rng = np.random.default_rng(3)
    for size in (1.0, 30.0):
        logits = size * rng.normal(size=(30, 20))
        one, other = sinkhorn_plan(logits, 200), _sinkhorn_in_logs(logits, 200)
        assert one == pytest.approx(other, abs=1e-8)
    far = np.diag(np.full(5, 900.0))
    assert np.isfinite(sinkhorn_plan(far, 50)).all()
    # What all scores of a query have in common counts for nothing, however far it is from the rest.
    lower = np.zeros((30, 1))
    lower[3] = -900
    found = sinkhorn_plan(logits / 30 + lower, 200)
    assert found == pytest.approx(sinkhorn_plan(logits / 30, 200), abs=1e-8)


def test_whitening_makes_the_shrunk_covariance_the_identity(pairs):
    x, y = pairs[:2]
    moved = METHODS["zca_10"].fitted(x, y).x(x)
    d = x.shape[1]
    covariance = np.cov(x, rowvar=False)
    shrunk = 0.9 * covariance + 0.1 * np.trace(covariance) / d * np.eye(d)
    root = linalg.sqrtm(np.linalg.inv(shrunk)).real
    assert np.allclose(moved, (x - x.mean(axis=0)) @ root)


def test_ridge_solves_the_penalised_least_squares(pairs):
    from sklearn.linear_model import Ridge

    x, y, a, _ = pairs
    model = Ridge(alpha=1.0).fit(x, y - y.mean(axis=0))
    assert np.allclose(METHODS["ridge"].fitted(x, y).x(a), model.predict(a), atol=1e-8)


def test_a_second_method_of_one_name_is_refused():
    known = METHODS["none"]
    with pytest.raises(InputError, match="there are two post-hoc methods named none; rename one"):
        method("none", "another", "ours")(lambda x, y: Maps())
    assert METHODS["none"] is known


def test_what_does_not_vary_among_the_fit_pairs_is_centred_alone():
    """A coordinate, and the scores of one kind, which are divided by nothing."""
    x, y = cloud(20, 4, 3)
    x[:, 2] = 0.5
    moved = METHODS["standardise"].fitted(x, y).x(np.full((1, 4), 2.0))
    assert moved[0, 2] == 1.5
    assert moved[0, 1] == pytest.approx((2 - x[:, 1].mean()) / x[:, 1].std())
    apart = METHODS["z_score"].fitted(np.eye(4), np.eye(4))  # all cosines of different items are 0
    assert np.allclose(apart.scores(y[:5], y, ("x", "y")), y[:5] @ y.T)


@pytest.mark.parametrize("size", [1e-10, 1.0, 1e10])
def test_a_polar_factor_is_of_what_a_matrix_determines_however_large_it_is(size):
    """What is 1e-9 of its largest stretch counts, and what is 1e-10 of it is rounding."""
    left, right = (linalg.qr(np.random.default_rng(seed).normal(size=(6, 6)))[0] for seed in (0, 1))
    stretches = size * np.array([1, 0.5, 1e-3, 1e-8, 1e-10, 0])
    found = polar(left * stretches @ right)
    np.testing.assert_allclose(found, left[:, :4] @ right[:4], atol=1e-6)


def test_few_fit_pairs_have_fewer_directions_and_neighbours():
    x, y = cloud(6, 32, 4)
    a, b = cloud(5, 32, 5)
    for name in ("cca", "leading"):
        maps = METHODS[name].fitted(x, y)
        assert maps.x(a).shape == maps.y(b).shape == (5, 5), name  # centring takes one of six
    found = METHODS["nnn"].fitted(x, y).scores(a, b, ("x", "y"))
    np.testing.assert_allclose(found, a @ b.T - 0.75 * (b @ x.T).mean(axis=1))
    # Of six, one hundredth is the nearest.
    sides = []
    for bank in (x, y):
        cosines = b @ bank.T
        near = cosines.argmax(axis=1)
        sides.append(unit(b - cosines[np.arange(5), near, None] * bank[near]))
    found = METHODS["invgc_local"].fitted(x, y).scores(a, b, ("x", "y"))
    np.testing.assert_allclose(found, a @ unit(sides[0] + sides[1]).T)


@pytest.mark.parametrize(("d", "count"), [(6, 3), (7, 3), (8, 4)])
def test_not_more_than_half_of_the_directions_lead(d, count):
    maps = METHODS["leading"].fitted(*cloud(30, d, 0))
    assert maps.x(np.eye(d)).shape == maps.y(np.eye(d)).shape == (d, count)


def test_a_share_of_the_bank_is_a_whole_number_of_vectors_and_not_more():
    """A tenth of 27 is the nearest two."""
    (x, y), (a, b) = cloud(27, 8, 4), cloud(5, 8, 5)
    sides = []
    for bank in (x, y):
        cosines = b @ bank.T
        near = np.argsort(-cosines, axis=1)[:, :2]
        steps = [np.mean([row[j] * bank[j] for j in two], axis=0)
                 for row, two in zip(cosines, near, strict=True)]  # fmt: skip
        sides.append(unit(b - np.array(steps)))
    found = METHODS["invgc_local"].fit(x, y, strength=1.0, rate=0.1).scores(a, b, ("x", "y"))
    np.testing.assert_allclose(found, a @ unit(sides[0] + sides[1]).T)


def test_without_a_gap_nothing_of_it_is_anywhere():
    x, _ = cloud(30, 6, 2)
    found = FOLLOW_UP_MEASURES["few_dimensions"].of(x, x)
    assert {found[f"share_{k}"] for k in (1, 2, 5, 10, 20)} == {0}
    found = FOLLOW_UP_MEASURES["frechet"].of(x, x)
    assert (found["mir"], found["frechet_mean_share"]) == (-np.inf, 0)


def test_chosen_shift_is_the_best_of_the_fit_pairs():
    x, y = cloud(120, 8, 2, noise=0.8, apart=0.5)
    best = METHODS["shift_chosen"].fitted(x, y)
    recall = [
        np.mean([rank == 1 for rank in ranks(shift(x, y, delta=step / 20), x, y)])
        for step in range(-20, 31)
    ]
    assert np.mean([rank == 1 for rank in ranks(best, x, y)]) == pytest.approx(max(recall))


def test_ranks_count_ties_that_stand_before():
    scores = np.array([[0.5, 0.5, 0.1], [0.5, 0.5, 0.7], [0.2, 0.9, 0.9 + 1e-14]])
    assert partner_ranks(scores).tolist() == [1, 3, 2]
    assert ndcg10(np.array([1, 3, 10, 11])) == pytest.approx([1, 0.5, 1 / np.log2(11), 0])


def test_kind_bias_against_a_plain_count():
    rng = np.random.default_rng(5)
    across, own = rng.normal(size=(2, 14, 14))
    wins = [
        [
            np.sign(across[i, j] - own[i, k]) / 2 + 0.5
            for j in range(14)
            if j != i
            for k in range(14)
            if k != i
        ]
        for i in range(14)
    ]
    result = mixed_gallery(Direction("xy", across, own))
    assert result["kind_auc"] == pytest.approx(np.mean(wins))
    share = []
    for i in range(14):
        kinds = [(-across[i, j], 1) for j in range(14) if j != i]
        kinds += [(-own[i, j], 0) for j in range(14) if j != i]
        share.append(np.mean([kind for _, kind in sorted(kinds)[:10]]))
    assert result["kind_share10"] == pytest.approx(np.mean(share))
    equal = Direction("xy", np.ones((14, 14)), np.ones((14, 14)))
    assert mixed_gallery(equal)["kind_auc"] == 0.5
    few = mixed_gallery(Direction("xy", across[:4, :4], own[:4, :4]))
    assert few["kind_share10"] == 0.5  # of six others, all count


def test_of_items_that_are_equally_near_the_other_modality_counts_first():
    x = np.repeat(np.eye(4), 3, axis=0)  # each item thrice, on both sides
    found = FOLLOW_UP_MEASURES["own_nearest"].of(x, x)
    for side in "xy":
        assert not found[f"own_first_{side}"].any()
        # Three copies of the other modality, two of one's own, and five of the nine others.
        assert (found[f"other_share10_{side}"] == 0.8).all()
    assert all((found[name] == 1).all() for name in ("itr", "tir", "imr", "tmr"))


@pytest.mark.parametrize(("name", "part"), [("centre", 1), ("dn", 1 / 4), ("dn_100", 1)])
def test_geometry_of_what_a_map_leaves_against_plain_numpy(pairs, name, part):
    """It is of unit vectors, also if the method does not normalise."""
    x, y, a, b = pairs
    fitted = METHODS[name].fitted(x, y)
    found = geometry(fitted, a, b)
    moved = unit(a - part * x.mean(axis=0)), unit(b - part * y.mean(axis=0))
    difference, n = moved[0] - moved[1], len(a)
    mean = difference.mean(axis=0)
    assert found["gap"] == pytest.approx(np.linalg.norm(mean))
    noise = np.trace(np.cov(difference, rowvar=False)) / n
    assert found["gap_squared"] == pytest.approx(mean @ mean - noise)
    within = np.mean([(side @ side.T).sum() - n for side in moved]) / (n * (n - 1))
    apart = 1 - (moved[0] * moved[1]).sum(axis=1).mean()
    assert found["relative_gap"] == pytest.approx(apart / (1 - within + apart))
    assert found["partner_cosine"] == pytest.approx(1 - apart)
    logits = moved[0] @ moved[1].T / 0.01
    losses = [-np.log(special.softmax(logits, axis=axis).diagonal()).mean() for axis in (0, 1)]
    assert found["loss"] == pytest.approx(np.mean(losses))
    kept = []
    for before, after in zip(a, moved[0], strict=True):
        own = [
            set(np.argsort(-(rows @ row))[1:11]) for rows, row in ((a, before), (moved[0], after))
        ]
        kept.append(len(own[0] & own[1]) / 10)
    assert found["neighbours_kept_x"] == pytest.approx(np.mean(kept))
    both = [[set(np.argsort(-(v @ v[i]))[1:11]) for v in moved] for i in range(n)]
    assert found["mutual_knn"] == pytest.approx(np.mean([len(p & q) / 10 for p, q in both]))
    separated = geometry(METHODS["none"].fitted(x, y), a, b)["separability"], found["separability"]
    assert separated[0] == 1 and (separated[1] < 1) == (part == 1)


def test_an_item_is_no_neighbour_of_its_own_where_all_others_point_away():
    """Of 12 items, each has 10 of the 11 others: all but the one with the lowest cosine."""
    rng = np.random.default_rng(0)
    sides = [unit(np.eye(12) - 1 / 12 + 0.01 * rng.normal(size=(12, 12))) for _ in "xy"]
    cosines = [side @ side.T for side in sides]
    others = ~np.eye(12, dtype=bool)
    assert max(of[others].max() for of in cosines) < 0
    left_out = [of.argmin(axis=1) for of in cosines]
    same = np.where(left_out[0] == left_out[1], 1, 0.9)
    assert shared_neighbours(*cosines) == pytest.approx(same)
    # Of five items all four others are neighbours.
    assert (shared_neighbours(*(of[:5, :5] for of in cosines)) == 1).all()


def test_of_equal_scores_the_first_are_nearest():
    scores = np.array([[1.0, 2, 1, 1, 1], [0, 0, 0, 0, 3]])
    assert among_first(scores, 3).astype(int).tolist() == [[1, 1, 1, 0, 0], [1, 1, 0, 0, 1]]
    assert among_first(scores, 5).all() and among_first(scores, 9).all()


def test_expected_results_against_a_convolution():
    counts = [np.array([0, 2]), np.array([3, 1]), np.array([1, 4])]
    chances = (1.0, 0.3, 0.6)
    recall, ndcg = expected(counts, chances)
    for i in range(2):
        chance_of = np.ones(1)
        for count, chance in zip(counts, chances, strict=True):
            for _ in range(count[i]):
                chance_of = np.convolve(chance_of, [1 - chance, chance])
        gains = [1 / np.log2(2 + ahead) for ahead in range(len(chance_of))]
        assert recall[i] == pytest.approx(chance_of[0])
        assert ndcg[i] == pytest.approx(chance_of @ gains)


def test_u_curve_ends_at_the_cross_modal_task_and_agrees_with_drawn_galleries(pairs):
    x, y, a, b = (rows[:40] for rows in pairs)
    one = directions(METHODS["centre"].fitted(x, y), a, b)[0]
    curve = u_curve(one)
    shares = [number / 100 for number in (*range(0, 100, 10), 95, 99, 100)]
    assert list(curve) == [f"{name}_{p:g}" for p in shares for name in ("recall1", "ndcg10")]
    assert curve["recall1_1"] == pytest.approx(cross_modal(one)["recall1"])
    assert curve["ndcg10_1"] == pytest.approx(cross_modal(one)["ndcg10"])
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        other = rng.random(len(a)) < 0.7
        scores = np.where(other, one.across, one.own)
        np.fill_diagonal(scores, np.diagonal(one.across))
        found.append((scores.argmax(axis=1) == np.arange(len(a))).mean())
    assert curve["recall1_0.7"] == pytest.approx(np.mean(found), abs=3 * stats.sem(found))


def test_mixed_forms_agree_with_drawn_galleries():
    rng = np.random.default_rng(0)
    pictures = unit(rng.normal(size=(12, 6)))
    captions = unit(pictures[:, None] + 0.8 * rng.normal(size=(12, 3, 6)))
    fitted = Maps()
    result = {k: v.mean() for k, v in mixed_forms(fitted, pictures, captions).items()}
    curve = {k: v.mean() for k, v in form_curve(fitted, pictures, captions, (0.25,)).items()}
    rates, mixed = [], []
    for _ in range(3000):
        q, c = rng.permutation(3)[:2]
        forms = np.stack([captions[:, c], pictures, unit(captions[:, c] + pictures)])
        drawn = forms[rng.integers(3, size=12), np.arange(12)]
        rates.append(((captions[:, q] @ drawn.T).argmax(axis=1) == np.arange(12)).mean())
        drawn = forms[(rng.random(12) < 0.25).astype(int), np.arange(12)]
        mixed.append(((captions[:, q] @ drawn.T).argmax(axis=1) == np.arange(12)).mean())
    assert result["recall1"] == pytest.approx(np.mean(rates), abs=4 * stats.sem(rates))
    assert curve["recall1_0.25"] == pytest.approx(np.mean(mixed), abs=4 * stats.sem(mixed))


def test_forms_are_moved_by_the_map_of_their_modality():
    """Captions are modality y and pictures x; a fusion is taken between what the maps give."""
    rng = np.random.default_rng(1)
    pictures = unit(rng.normal(size=(15, 5)))
    captions = unit(pictures[:, None] + 0.7 * rng.normal(size=(15, 2, 5)))
    queries, others = captions[:, 0], captions[:, 1]
    fitted = Maps(x=lambda rows: rows + 0.3, y=lambda rows: rows * np.arange(1, 6))
    moved = {name: rows * np.arange(1, 6) for name, rows in (("q", queries), ("c", others))}
    scores = form_scores(fitted, queries, others, pictures)
    wanted = {"caption": moved["c"], "picture": pictures + 0.3}
    wanted["fused"] = (moved["c"] + pictures + 0.3) / 2
    for form, rows in wanted.items():
        np.testing.assert_allclose(scores[form], unit(moved["q"]) @ unit(rows).T, atol=1e-12)
    curve = fusion_curve(fitted, pictures, captions)
    kinds = ("0", "0.25", "0.5", "0.75", "1", "arc")
    assert list(curve) == [f"ndcg10_fused_{kind}" for kind in kinds]
    ends = {"0": "picture", "1": "caption"}
    for part, form in ends.items():
        found = [
            ndcg10(partner_ranks(form_scores(fitted, q, c, pictures)[form])).mean()
            for q, c in ((queries, others), (others, queries))
        ]
        assert curve[f"ndcg10_fused_{part}"] == pytest.approx(np.mean(found))
    found = []
    for q, c in ((moved["q"], moved["c"]), (moved["c"], moved["q"])):
        a, b = unit(c), unit(pictures + 0.3)
        angle = np.arccos((a * b).sum(axis=1, keepdims=True))
        middle = (np.sin(angle / 2) * a + np.sin(angle / 2) * b) / np.sin(angle)
        found.append(ndcg10(partner_ranks(unit(q) @ middle.T)).mean())
    assert curve["ndcg10_fused_arc"] == pytest.approx(np.mean(found)) != curve["ndcg10_fused_0.5"]


def test_a_fusion_has_the_mean_of_both_kinds_of_score():
    """A method that changes scores alone may change those of pictures and of captions apart."""
    rng = np.random.default_rng(2)
    pictures, queries, others = (unit(rng.normal(size=(7, 5))) for _ in range(3))
    factors = {("y", "y"): 2.0, ("y", "x"): 10.0}
    fitted = Scores(lambda q, z, kind: factors[kind] * (q @ z.T))
    scores = form_scores(fitted, queries, others, pictures)
    wanted = {"caption": 2 * others, "picture": 10 * pictures, "fused": 6 * unit(others + pictures)}
    assert scores.keys() == wanted.keys()
    for form, rows in wanted.items():
        np.testing.assert_allclose(scores[form], queries @ rows.T, atol=1e-12, err_msg=form)


def test_curves_go_from_no_other_modality_to_nothing_else(pairs):
    x, y, a, b = (rows[:20] for rows in pairs)
    curve = u_curve(directions(METHODS["centre"].fitted(x, y), a, b)[0])
    shares = [name.removeprefix("recall1_") for name in curve if name.startswith("recall1_")]
    assert shares == [*(f"{part / 10:g}" for part in range(10)), "0.95", "0.99", "1"]


@pytest.mark.parametrize("seed", [0, 4])
def test_robustness_to_noise_in_plain_numpy(pairs, seed):
    x, y, a, b = pairs
    found = dict(robustness(METHODS["centre"].fitted(x, y), a, b, seed))
    assert list(found) == ["xy", "yx"]
    moved = unit(a - x.mean(axis=0)), unit(b - y.mean(axis=0))
    for name, (q, z), before in (("xy", moved, a @ b.T), ("yx", moved[::-1], b @ a.T)):
        clean, places = (q @ z.T).argmax(axis=1), np.arange(len(q))
        for variance in (0.0001, 0.001):
            noise = np.random.default_rng(seed).standard_normal(z.shape) * variance**0.5
            nearest = (q @ (z + noise).T).argmax(axis=1)
            wanted = {"stays": clean, "recall1": places, "unmoved": before.argmax(axis=1)}
            for kind, other in wanted.items():
                value = found[name][f"{kind}_{variance:g}"]
                assert value == pytest.approx((nearest == other).mean()), (name, kind)
    assert found["xy"]["stays_0.001"] < 1


def test_preferring_pictures_wins_a_third_at_most():
    rng = np.random.default_rng(0)
    pictures = unit(rng.normal(size=(20, 6)))
    captions = unit(pictures[:, None] + 0.1 * rng.normal(size=(20, 2, 6)))
    result = mixed_forms(
        METHODS["other_first"].fitted(pictures, captions[:, 0]), pictures, captions
    )
    assert result["recall1"].mean() < 0.34
    assert result["recall1_picture"].mean() > 0.9


def test_study_splits_by_cluster_and_compares_with_no_method():
    x, y = cloud(120, 16, 4, noise=0.5)
    clusters = np.arange(120) // 2
    for _, fit, score in splits(clusters, 3):
        assert not set(clusters[fit]) & set(clusters[score])
        assert len(fit) + len(score) == 120
    some = {name: METHODS[name] for name in ("none", "centre", "sinkhorn")}
    table, differences = study(some, x, y, clusters, 2, 0.95)
    assert set(table["split"]) == {FIXED, "half_0", "half_1"}
    assert set(table["n_fit"]) == {60}
    noisy = table[table["task"] == "T7"].set_index(["method", "metric"])["value"]
    assert set(noisy.index.get_level_values("method")) == {"none", "centre"}
    plain, _ = study(some, x, y, clusters, 0, 0.95, seed=1)
    other = plain[plain["task"] == "T7"].set_index(["method", "metric"])["value"]
    assert (other.index == noisy.index).all() and (other != noisy).any()
    value = table[table["task"] == "T1"].set_index(["split", "method", "metric"])["value"]
    other = table.set_index(["split", "method", "task", "metric"])["value"][FIXED]
    for task, metric in (("T2a", "ndcg10"), ("T6", "hub_skewness10"), ("T7", "stays_0.001")):
        prefix = "mixed_" if task == "T2a" else ""
        for side in ("xy", "yx"):
            row = differences.set_index(["method", "metric"]).loc[
                "centre", f"{prefix}{metric}_{side}"
            ]
            change = np.subtract(
                *(other[one, task, f"{metric}_{side}"] for one in ("centre", "none"))
            )
            assert row["difference"] == pytest.approx(change)
            assert row["difference_low"] < row["difference"] < row["difference_high"]
            assert row["n"] == 60
    assert not (
        (differences["method"] == "sinkhorn") & differences["metric"].str.startswith("mixed")
    ).any()
    for _, row in differences[differences["metric"].str.startswith("recall1")].iterrows():
        expected_change = (
            value[FIXED, row["method"], row["metric"]] - value[FIXED, "none", row["metric"]]
        )
        assert row["difference"] == pytest.approx(expected_change)
        assert row["difference_low"] <= row["difference"] <= row["difference_high"]
        assert row["p_holm"] >= row["p"]
        spread = [
            value[split, row["method"], row["metric"]] - value[split, "none", row["metric"]]
            for split in ("half_0", "half_1")
        ]
        assert row["halves_mean"] == pytest.approx(np.mean(spread))
        assert row["halves_sd"] == pytest.approx(np.std(spread, ddof=1))
    assert dict(zip(differences["method"], differences["star"], strict=True)) == {
        "centre": False,
        "sinkhorn": True,
    }


def test_intervals_of_means_over_pairs_are_the_means():
    """Of a measure that gives a number per pair; of clusters, those of means by cluster."""
    x, y = cloud(60, 8, 5)
    table = measured(x, y, None, 0.95, 0).set_index("measure").loc["kendall_distance"]
    each = structure.kendall_distances(x @ x.T, y @ y.T)
    ends = stats.ttest_1samp(each, 0).confidence_interval(0.95)
    assert table["value"] == pytest.approx(each.mean())
    assert (table["low"], table["high"]) == pytest.approx((ends.low, ends.high))
    twice = measured(x, y, np.arange(60) // 2, 0.95, 0).set_index("measure").loc["kendall_distance"]
    pairs_of = stats.ttest_1samp(each.reshape(30, 2).mean(axis=1), 0).confidence_interval(0.95)
    assert twice["low"] == pytest.approx(pairs_of.low, abs=2e-4)


def test_interval_of_a_change_in_hubs_covers():
    """Both directions of a pair of newly drawn galleries: the long-run difference lies inside."""
    rng = np.random.default_rng(0)

    def found(chances, n=200):
        return (rng.random((n, 40)) < chances).astype(int)

    few, many = np.full(40, 0.25), np.where(np.arange(40) < 4, 0.9, 0.2)
    large = [found(chances, 200000) for chances in (few, many)]
    truth = {name: hub_change(*large, None, 0.95, of)["difference"] for name, of in HUBS.items()}
    truth["hub_deviation10"] /= 1000  # which is in numbers of queries
    inside = {name: [] for name in HUBS}
    for _ in range(200):
        both = found(few), found(many)
        for name, of in HUBS.items():
            row = hub_change(*both, None, 0.95, of)
            inside[name].append(row["difference_low"] <= truth[name] <= row["difference_high"])
    assert all(value > 1 for value in truth.values())
    # The few equal items of one side have counts that differ by chance alone.
    assert 0.85 < np.mean(inside["hub_skewness10"]) <= 1
    assert 0.8 < np.mean(inside["hub_kurtosis10"]) <= 1


def test_hubs_of_counts_by_hand():
    counts = np.array([[0, 0, 4, 4], [1, 1, 1, 1], [0, 0, 0, 8]])
    assert HUBS["hub_deviation10"](counts) == pytest.approx([2, 0, 3])
    assert HUBS["hub_skewness10"](counts) == pytest.approx([0, 0, stats.skew(counts[2])])
    assert HUBS["hub_kurtosis10"](counts) == pytest.approx([-2, 0, stats.kurtosis(counts[2])])


def test_gap_that_means_of_few_pairs_leave():
    """Its square falls as 1/m: the mean of m differences of a modality and the scored mean."""
    rng = np.random.default_rng(0)
    x, y = unit(rng.normal(size=(2, 1200, 400)))
    x[:, 0] += 1  # the modalities have centres of their own
    some = {name: METHODS[name] for name in ("none", "centre", "nnn")}
    table = fit_sizes(some, x, y, None, 0.95, 0)
    assert set(table["method"]) == {"centre"} and set(table["n"]) == {600}
    gaps = table[table["metric"] == "gap"].set_index("n_fit")
    assert list(gaps.index) == [32, 64, 128, 256, 512]
    for size, row in gaps.iterrows():
        expected = np.sqrt(2 / size + 2 / 600)
        assert row["value"] == pytest.approx(expected, rel=0.12)
        assert row["ratio"] == size / 400
        assert row["value_low"] < row["value"] < row["value_high"]
    again = fit_sizes(some, x, y, None, 0.95, 0)
    pd.testing.assert_frame_equal(table, again)


def test_fixed_split_is_of_even_and_odd_rows():
    name, fit, score = next(splits(np.arange(7), 1))
    assert (name, fit.tolist(), score.tolist()) == (FIXED, [0, 2, 4, 6], [1, 3, 5])


def test_planted_leak_is_refused(pairs):
    x, y, a, b = pairs

    def leaking(x, y):
        return Scores(
            lambda q, z, kind: q @ (z - z.mean(axis=0)).T - (q @ z.T).mean(axis=0), ACROSS
        )

    method = Method("leaking", "leaking", "ours", leaking)
    with pytest.raises(InputError, match="leaking changes the score of a pair"):
        check_fitted(method, method.fitted(x, y), a, b)
    starred = Method("leaking", "leaking", "ours", leaking, sees="all")
    check_fitted(starred, starred.fitted(x, y), a, b)
    one_score = Method("one", "one", "ours", lambda x, y: Scores(lambda q, z, kind: q @ z[:1].T))
    with pytest.raises(InputError, match="an array of shape"):
        check_fitted(one_score, one_score.fitted(x, y), a, b)


def values_of(x, y):
    return {
        name: np.mean(value)
        for one in FOLLOW_UP_MEASURES.values()
        for name, value in one.of(x, y).items()
    }


def test_measures_of_one_cloud_twice():
    x, _ = cloud(80, 16, 0)
    values = values_of(x, x)
    assert values["frechet"] == pytest.approx(0, abs=1e-10)
    assert values["mutual_knn"] == 1
    assert values["cka"] == values["cka_unbiased"] == pytest.approx(1)
    assert values["kendall_distance"] == pytest.approx(0)
    assert values["volume"] == pytest.approx(0, abs=1e-7)
    assert values["partner_cosine"] == pytest.approx(1)
    assert values["itr"] == values["tir"] < 1  # an item's own copy is of the other modality


def test_measures_of_unrelated_clouds_are_at_chance():
    rng = np.random.default_rng(1)
    x, y = unit(rng.normal(size=(2, 200, 32)))
    table = measured(x, y, None, 0.95, 0).set_index("measure")
    assert table.loc["mutual_knn", "value"] == pytest.approx(10 / 199, abs=0.02)
    assert table.loc["mutual_knn", "chance"] == pytest.approx(10 / 199)
    assert table.loc["cka_unbiased", "value"] == pytest.approx(0, abs=0.02)
    assert table.loc["kendall_distance", "value"] == pytest.approx(0.5, abs=0.01)
    assert table.loc["cka", "value"] > 0.1  # the biased one is not
    for one in ("cka", "cka_rbf"):
        assert table.loc[one, "value"] == pytest.approx(table.loc[one, "chance"], rel=0.1)
    for one, within in (("own_first_x", 0.1), ("other_share10_y", 0.05), ("imr", 0.25)):
        assert table.loc[one, "value"] == pytest.approx(table.loc[one, "chance"], abs=within)


def test_chance_of_the_biased_alignment_is_that_of_random_pairs():
    x, y = cloud(12, 6, 3)
    k, m = structure.rbf_kernel(x), y @ y.T
    orders = [np.random.default_rng(seed).permutation(12) for seed in range(3000)]
    found = [structure.cka(k, m[np.ix_(order, order)])[0] for order in orders]
    error = np.std(found) / np.sqrt(len(found))
    assert structure.cka_by_chance(k, m) == pytest.approx(np.mean(found), abs=4 * error)


def test_frechet_distance_against_the_matrix_root():
    x, y = cloud(90, 8, 2)
    covariances = [np.cov(side, rowvar=False) for side in (x, y)]
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    difference = x.mean(axis=0) - y.mean(axis=0)
    distance = difference @ difference + sum(map(np.trace, covariances)) - 2 * np.trace(root)
    values = values_of(x, y)
    assert values["frechet"] == pytest.approx(distance, rel=1e-6)
    assert values["mir"] == pytest.approx(np.log10(distance), abs=1e-6)


def test_wasserstein_uniformity_against_the_matrix_root():
    x, y = cloud(60, 8, 2)
    both = np.concatenate([x, y])
    covariance = np.cov(both, rowvar=False, bias=True)
    mean = both.mean(axis=0)
    trace = np.trace(linalg.sqrtm(covariance).real)
    squared = mean @ mean + 1 + np.trace(covariance) - 2 / np.sqrt(8) * trace
    assert values_of(x, y)["wasserstein_uniformity"] == pytest.approx(-np.sqrt(squared))


def test_isoscore_against_its_definition():
    """Rudman et al., 2022: the distance of the normalised variances of the principal components
    from the vector of ones, mapped to 0 to 1."""
    x, y = cloud(200, 6, 5)
    variances = np.sort(np.linalg.eigvalsh(np.cov(x, rowvar=False)))[::-1]
    d = 6
    normalised = np.sqrt(d) * variances / np.linalg.norm(variances)
    defect = np.linalg.norm(normalised - 1) / np.sqrt(2 * (d - np.sqrt(d)))
    share = (d - defect**2 * (d - np.sqrt(d))) ** 2 / d**2
    assert values_of(x, y)["isoscore_x"] == pytest.approx((d * share - 1) / (d - 1))


def test_alignment_of_kernels_against_the_definitions():
    x, y = cloud(30, 8, 7)
    k, m = x @ x.T, y @ y.T
    n = len(k)
    centring = np.eye(n) - 1 / n
    top = np.trace(k @ centring @ m @ centring)
    bottom = np.trace(k @ centring @ k @ centring) * np.trace(m @ centring @ m @ centring)
    biased, unbiased = structure.cka(k, m)
    assert biased == pytest.approx(top / np.sqrt(bottom))

    def hsic(one, other):
        """Over all quadruples of different items: (K_ij L_ij + K_ij L_kl - 2 K_ij L_ik)."""
        one, other = one - np.diag(np.diag(one)), other - np.diag(np.diag(other))
        total = 0.0
        for i in range(8):
            for j in range(8):
                for s in range(8):
                    for t in range(8):
                        if len({i, j, s, t}) == 4:
                            total += one[i, j] * (other[i, j] + other[s, t] - 2 * other[i, s])
        return total / (8 * 7 * 6 * 5)

    assert structure.hsic_unbiased(k[:8, :8], m[:8, :8]) == pytest.approx(
        hsic(k[:8, :8], m[:8, :8])
    )
    assert unbiased < biased


def test_unbiased_alignment_of_vectors_in_a_narrow_cone():
    """A constant added to the kernel's values off the diagonal cancels, by the definition."""
    rng = np.random.default_rng(3)
    k, m = (one @ one.T / 1e6 for one in rng.normal(size=(2, 60, 4)))
    wanted = structure.cka(k, m)[1]
    assert structure.cka(k + 1, m + 1)[1] == pytest.approx(wanted, rel=1e-8) != 0


def test_hubs_against_plain_counts():
    x, y = cloud(40, 8, 9)
    counts = [sum(j in np.argsort(-(x[i] @ y.T))[:10] for i in range(40)) for j in range(40)]
    spread = np.array(counts) - np.mean(counts)
    skewness = (spread**3).mean() / (spread**2).mean() ** 1.5
    values = values_of(x, y)
    assert values["skewness10_xy"] == pytest.approx(skewness)
    assert hub_skewness(x @ y.T) == pytest.approx(skewness)
    assert values["largest10_xy"] == max(counts)
    assert values["kurtosis10_xy"] == pytest.approx(
        (spread**4).mean() / (spread**2).mean() ** 2 - 3
    )


def test_few_coordinates_of_a_planted_gap():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 300, 20)) / 5
    x[:, 3] += 2
    y[:, 11] += 2
    x, y = unit(x), unit(y)
    values = values_of(x, y)
    assert values["two_separate"] == values["two_separability"] == 1
    ahead = unit(x + 9 * np.eye(20)[0]), unit(y + 9 * np.eye(20)[0])  # one largest coordinate
    assert values_of(*ahead)["two_separate"] == 0.5
    assert values["share_2"] > 0.99
    assert values["gap_without_2"] < 0.3 < values["gap_without_1"]


def test_a_vector_on_the_border_counts_half():
    s = 0.5**0.5
    x = np.array([[1, 0], [0.8, 0.6], [s, s]])  # the first coordinate says x
    y = np.array([[0, 1], [s, s], [0.8, 0.6]])
    found = FOLLOW_UP_MEASURES["few_dimensions"].of(x, y)["two_separate"]
    assert found.tolist() == [1, 1, 0.5, 1, 0.5, 0]


def test_without_hubs_counts_have_no_skewness():
    """Each item is found once, by its partner."""
    found = FOLLOW_UP_MEASURES["hubs"].of(np.eye(12), np.eye(12))
    for direction in ("xy", "yx"):
        assert found[f"skewness1_{direction}"] == found[f"kurtosis1_{direction}"] == 0
        assert found[f"largest1_{direction}"] == 1
        assert found[f"never1_{direction}"] == found[f"deviation1_{direction}"] == 0


def test_chance_of_the_nearest_item_over_all_orders_of_the_others():
    """Three pairs: of the five other items two are of the query's own modality."""
    orders = list(itertools.permutations("ooxxx"))
    chance = FOLLOW_UP_MEASURES["own_nearest"].chance(3, 8)
    own_first = np.mean([order[0] == "o" for order in orders])
    first_other = np.mean([1 + order.index("x") for order in orders])
    for side in "xy":
        assert chance[f"own_first_{side}"] == pytest.approx(own_first)
        assert chance[f"other_share10_{side}"] == pytest.approx(3 / 5)
    assert chance["imr"] == chance["tmr"] == pytest.approx(first_other)


def test_direction_of_a_gap_that_is_orthogonal_to_what_varies():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 400, 10))
    x[:, 0], y[:, 0] = 2, -2
    x, y = x / 10, y / 10
    values = values_of(x, y)
    assert values["in_span99_x"] < 0.02
    assert values["variance_along_x"] < 0.05
    assert values["group_gap"] == pytest.approx(0.4, rel=0.05)
    assert values["group_cosine"] > 0.9
    assert values["orthogonality_x"] == pytest.approx(0, abs=0.01)


def test_counts_of_a_mixed_gallery_by_hand():
    x = unit(np.array([[1.0, 0, 0], [0.9, 0.1, 0], [0, 1.0, 0.2]]))
    y = unit(np.array([[0, 0.1, 1.0], [0.1, 0, 1.0], [0, 1.0, 0.1]]))
    found = FOLLOW_UP_MEASURES["own_nearest"].of(x, y)
    values = {name: np.mean(value) for name, value in found.items()}
    assert values["own_first_x"] == pytest.approx(2 / 3)
    assert values["imr"] == pytest.approx((2 + 2 + 1) / 3)
    own = [max(y[i] @ y[j] for j in range(3) if j != i) for i in range(3)]
    ratios = [own[i] / max(y[i] @ x[j] for j in range(3)) for i in range(3)]
    assert values["tir"] == pytest.approx(np.mean(ratios))


def test_intervals_of_smooth_measures_cover():
    """Mean cosine across of independent vectors about a common direction, at 95 %."""
    d, n = 16, 80
    covered = []
    moments = {"kind_moments": FOLLOW_UP_MEASURES["kind_moments"]}
    rng = np.random.default_rng(0)

    def draw(size):
        rows = rng.normal(size=(2, size, d)) / np.sqrt(d)
        rows[:, :, 0] += 1
        return unit(rows)

    big = draw(20000)
    truth = big[0].mean(axis=0) @ big[1].mean(axis=0)
    for seed in range(120):
        row = measured(*draw(n), None, 0.95, seed, moments).set_index("measure").loc["mean_xy"]
        covered.append(row["low"] <= truth <= row["high"])
    assert 0.88 <= np.mean(covered) <= 0.995


def test_measures_of_the_user(tmp_path):
    """From a file, a number or several; and what is refused, in one sentence."""
    file = tmp_path / "mine.py"
    file.write_text(
        "def farthest(x, y, power=1):\n    return ((x - y) ** 2).sum(axis=1).max() ** power\n"
        "def two(x, y):\n    return {'first': x[0, 0], 'last': y[-1, -1]}\n"
        "def text(x, y):\n    return 'no'\n"
        "def lists(x, y):\n    return {'first': 1, 'rest': [2, 3]}\n"
        "def undefined(x, y):\n    return float('nan')\n"
        "def partly(x, y):\n    return {'first': 1, 'last': float('inf')}\n"
        "def fails(x, y):\n    raise ValueError('too few')\n"
    )

    def chosen(function, **more):
        entry = {"measure": f"{file}:{function}", **more}
        return chosen_measures({"measures": {"mine": entry}})

    x, y = cloud(12, 4, 0)
    halved = chosen("farthest", label="Mine", settings={"power": 0.5})
    assert list(halved) == [*FOLLOW_UP_MEASURES, "mine"] and halved["mine"].label == "Mine"
    rows = measured(x, y, None, 0.95, 0, {"mine": halved["mine"]})
    assert rows["measure"].tolist() == ["mine"]
    farthest = max(np.linalg.norm(a - b) for a, b in zip(x, y, strict=True))
    assert rows["value"].item() == pytest.approx(farthest)
    assert rows[["low", "high"]].isna().all(axis=None)  # it may be no function of means
    assert chosen("two")["mine"].of(x, y) == {"mine_first": x[0, 0], "mine_last": y[-1, -1]}
    assert chosen_measures({}) == FOLLOW_UP_MEASURES
    for function, sentence in (
        ("text", "posthoc.measures.mine returns a value of type str; return a number"),
        ("lists", "mine returns a mapping in which 'rest' is of type list; return a number"),
        ("undefined", "posthoc.measures.mine returns NaN or infinity"),
        ("partly", "posthoc.measures.mine returns NaN or infinity"),
        (
            "fails",
            r"posthoc\.measures\.mine\.measure: .*mine\.py:fails raises ValueError \(too few",
        ),
    ):
        with pytest.raises(InputError, match=sentence) as told:
            chosen(function)["mine"].of(x, y)
        assert str(told.value).startswith("posthoc.measures.mine")
    with pytest.raises(
        InputError, match=r"^posthoc\.measures\.mine\.measure.* has no function other"
    ):
        chosen("other")
    unknown = r"mine\.settings\.strength: the measure has no such setting; give one of power\."
    with pytest.raises(InputError, match=unknown):
        chosen("farthest", settings={"strength": 2})
    with pytest.raises(InputError, match=r"mine\.measure is 'hubs'; give FILE\.py:FUNCTION"):
        chosen_measures({"measures": {"mine": {"measure": "hubs"}}})
    with pytest.raises(
        InputError, match=r"^posthoc\.measures\.hubs: a built-in measure already has this"
    ):
        chosen_measures({"measures": {"hubs": {"measure": f"{file}:two"}}})


def own(**entry):
    return {"all_methods": False, "methods": {"mine": entry}}


def test_methods_of_the_user(tmp_path):
    """From a file, as another setting of a known one; and what is refused, in one sentence."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from modality_gap.measures.posthoc.registry import Maps\n"
        "def scaled(x, y, by=2.0):\n"
        "    return Maps(lambda a: by * a, lambda b: b, normalise=False)\n"
        "def fails(x, y):\n    return 1 / 0\n"
        "def vectors(x, y, **more):\n    return x\n"
    )
    methods = chosen_methods(own(method=f"{file}:scaled", label="Mine", settings={"by": 3.0}))
    assert [name for name in methods if name not in METHODS] == ["mine"]
    assert not any(not method.default for method in methods.values())
    x, y = cloud(12, 4, 0)
    scores = methods["mine"].fitted(x, y).scores(x, y, ("x", "y"))
    assert np.allclose(scores, 3 * x @ y.T)
    known = chosen_methods(own(method="drop2", settings={"k": 3}))["mine"]
    assert np.allclose(known.fitted(x, y).x(x), METHODS["drop2"].fit(x, y, k=3).x(x))
    other = chosen_methods(own(method=f"{file}:scaled", sees="all"))["mine"]
    fewer = chosen_methods(own(method="sinkhorn", settings={"rounds": 3}, label="Fewer"))["mine"]
    smaller = chosen_methods(own(method="nnn_128", settings={"alpha": 0.5}))["mine"]
    assert smaller.settings == {"k": 128, "alpha": 0.5}  # what is not said stays
    given = {"mine": methods["mine"], "other": other, "fewer": fewer, "smaller": smaller}
    about = names_of_methods(given).to_numpy().tolist()
    assert about == [
        ["mine", "Mine", f"{file}:scaled", False],
        ["mine", "mine", f"{file}:scaled", True],
        ["mine", "Fewer", "DBSN (2508.02538)", True],
        ["mine", "mine", "NNN (2410.24114)", False],
    ]
    everything = chosen_methods({"all_methods": True, "methods": {}})
    assert set(everything) == set(METHODS)
    for entry, sentence in (
        ({"method": "nothing"}, "posthoc.methods.mine.method is 'nothing'; give one of none,"),
        ({"method": f"{tmp_path}/no.py:f"}, "no.py does not exist"),
        ({"method": f"{file}:other"}, "has no function other"),
        (
            {"method": f"{file}:scaled", "settings": {"y": 1}},
            r"^posthoc\.methods\.mine\.settings\.y: the method has no such setting; give one of by",
        ),
        (
            {"method": "centre", "settings": {"part": 1}},
            r"^posthoc\.methods\.mine\.settings\.part: the method has no such setting; remove it",
        ),
    ):
        with pytest.raises(InputError, match=sentence) as told:
            chosen_methods(own(**entry))
        assert str(told.value).startswith("posthoc.methods.mine.")
    for function, sentence in (
        (
            "fails",
            r"^posthoc\.methods\.mine\.method: .*mine\.py:fails raises ZeroDivisionError \(div",
        ),
        (
            "vectors",
            r"^posthoc\.methods\.mine\.method: .*returns a value of type ndarray; return Maps",
        ),
    ):
        chosen = chosen_methods(own(method=f"{file}:{function}"))["mine"]
        with pytest.raises(InputError, match=sentence):
            chosen.fitted(x, y)
    any_setting = own(method=f"{file}:vectors", settings={"all": 1})
    assert chosen_methods(any_setting)["mine"].settings == {"all": 1}
    with pytest.raises(
        InputError, match=r"^posthoc\.methods\.shift: a built-in method already has this"
    ):
        chosen_methods({"all_methods": False, "methods": {"shift": {"method": "shift"}}})
