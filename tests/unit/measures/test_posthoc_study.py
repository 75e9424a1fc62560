"""The study of post-hoc methods: its splits, what it refuses, and its intervals, against plain
numpy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_posthoc import cloud

from modality_gap.errors import InputError
from modality_gap.measures.posthoc.catalogue import FOLLOW_UP_MEASURES, METHODS
from modality_gap.measures.posthoc.changes import (
    HUBS,
    STAYS,
    Outcome,
    change_of,
    hub_change,
    other_changes,
    outcome,
    with_holm,
)
from modality_gap.measures.posthoc.fit_sizes import fit_sizes
from modality_gap.measures.posthoc.measures import FollowUpMeasure
from modality_gap.measures.posthoc.ranks import recall_both_ways
from modality_gap.measures.posthoc.registry import ACROSS, Maps, Method, Scores, unit
from modality_gap.measures.posthoc.study import check_fitted, measured, retrieves, splits, study
from modality_gap.measures.posthoc.tasks import (
    Direction,
    cross_modal,
    hub_skewness,
    mixed_gallery,
    u_curve,
)


def jackknife(value, without, confidence):
    """The ends of the interval of a value, from the values without one group each."""
    k = len(without)
    error = np.sqrt((k - 1) / k * ((without - np.mean(without)) ** 2).sum())
    return value + np.array([-1, 1]) * stats.t.ppf((1 + confidence) / 2, k - 1) * error


def ends(row):
    return row["difference_low"], row["difference_high"]


def test_each_random_half_is_drawn_by_its_number_and_is_of_whole_clusters():
    clusters = np.array([4, 0, 1, 2, 3, 0, 4, 1])
    _, *halves = splits(clusters, 4)
    assert [name for name, *_ in halves] == ["half_0", "half_1", "half_2", "half_3"]
    for number, (_, fit, score) in enumerate(halves):
        two = np.random.default_rng(number).permutation(5)[:2]  # half of 5, rounded down
        assert fit.tolist() == [row for row in range(8) if clusters[row] in two]
        assert score.tolist() == [row for row in range(8) if clusters[row] not in two]
    assert len({tuple(fit) for _, fit, _ in halves}) > 1


@pytest.mark.parametrize(("n", "found"), [(20, True), (21, False)])
def test_a_model_retrieves_from_one_in_twenty_on_in_the_worse_direction(n, found):
    """Each query of one side finds its partner; of the other side, one alone does."""
    scores = 10.0 * np.arange(n)[:, None] + np.eye(n)
    assert retrieves(np.eye(n), scores.T) is found
    assert retrieves(np.eye(n), scores) is found


@pytest.mark.parametrize("kind", ACROSS)
@pytest.mark.parametrize("of_gallery", [True, False])
def test_a_leak_on_one_side_of_one_direction_is_refused(kind, of_gallery):
    x, y = cloud(12, 5, 0)

    def fit(x, y):
        def of(q, z, asked):
            seen = (z if of_gallery else q).sum() if asked == kind else 0
            return q @ z.T + 1e-6 * seen

        return Scores(of)

    method = Method("leaky", "leaky", "ours", fit)
    with pytest.raises(InputError, match="leaky changes the score of a pair when other items"):
        check_fitted(method, method.fitted(x, y), x, y)
    with pytest.raises(InputError, match="leaky changes the score of a pair when other items"):
        study({"none": METHODS["none"], "leaky": method}, x, y, None, 0, 0.95)


@pytest.mark.parametrize("kind", ACROSS)
@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan])
def test_scores_that_are_not_finite_are_refused_in_either_direction(kind, wrong):
    x, y = cloud(12, 5, 0)
    fitted = Scores(lambda q, z, asked: q @ z.T + (wrong if asked == kind else 0))
    with pytest.raises(InputError, match="odd returns NaN or infinity"):
        check_fitted(Method("odd", "odd", "ours", lambda x, y: fitted), fitted, x, y)


@pytest.mark.parametrize("side", "xy")
def test_scores_within_a_modality_are_checked_as_those_across(side):
    x, y = cloud(12, 5, 0)

    def refused(change, sentence):
        fitted = Scores(lambda q, z, asked: change(q, z) if asked == (side, side) else q @ z.T)
        with pytest.raises(InputError, match=sentence):
            check_fitted(Method("odd", "odd", "ours", lambda x, y: fitted), fitted, x, y)

    refused(lambda q, z: q @ z.T + np.nan, "odd returns NaN or infinity")
    refused(lambda q, z: (q @ z.T)[:, 1:], r"odd returns an array of shape \(12, 11\) for 12")
    refused(lambda q, z: q @ z.T + 1e-6 * z.sum(), "odd changes the score of a pair")


def test_a_method_is_checked_with_vectors_of_the_modalities_that_it_is_asked_for():
    sides = dict(zip("xy", cloud(12, 5, 0), strict=True))
    asked = []

    def of(q, z, kind):
        asked.append(kind)
        for side, rows in zip(kind, (q, z), strict=True):
            assert np.array_equal(rows[1:], sides[side][1:])  # a change of the first item is tried
        return q @ z.T

    method = Method("own", "own", "ours", lambda x, y: Scores(of))
    check_fitted(method, method.fitted(*sides.values()), *sides.values())
    assert {*asked} == {(one, other) for one in "xy" for other in "xy"}


def test_maps_into_spaces_of_other_sizes_are_refused_in_one_sentence():
    x, y = cloud(12, 5, 0)
    fitted = Maps(x=lambda rows: rows[:, :3])
    with pytest.raises(InputError, match=r"method odd raises ValueError \(.*\) where it scores;"):
        check_fitted(Method("odd", "odd", "ours", lambda x, y: fitted), fitted, x, y)


def test_the_seed_of_a_study_draws_the_noise_of_its_differences():
    x, y = cloud(60, 8, 1)
    some = {name: METHODS[name] for name in ("none", "standardise")}
    found = {}
    for seed in (0, 5):
        results, differences = study(some, x, y, None, 0, 0.95, seed)
        value = results.set_index(["method", "task", "metric"])["value"]
        change = differences.set_index("metric")["difference"]
        for name in (f"{STAYS}_xy", f"{STAYS}_yx"):
            wanted = value["standardise", "T7", name] - value["none", "T7", name]
            assert change[name] == pytest.approx(wanted), name
            found[seed, name] = wanted
    assert found[0, f"{STAYS}_xy"] != found[5, f"{STAYS}_xy"]


def test_differences_of_a_study_are_by_cluster_in_plain_numpy():
    """The gain of centring in NDCG at 10, where the gallery has all other items of both sides."""
    x, y = cloud(48, 6, 6, noise=1.0)
    clusters = np.arange(48) % 16
    _, differences = study(
        {name: METHODS[name] for name in ("none", "centre")}, x, y, clusters, 0, 0.8
    )
    fits = clusters % 2 == 0
    sides = [x[~fits], y[~fits]], [unit(side[~fits] - side[fits].mean(axis=0)) for side in (x, y)]
    for direction, order in (("xy", 1), ("yx", -1)):
        gains = []
        for q, z in (pair[::order] for pair in sides):
            own = q @ q.T - 9 * np.eye(24)
            wanted = (q * z).sum(axis=1)[:, None]
            ranks = 1 + (np.hstack([q @ z.T, own]) > wanted + 1e-9).sum(axis=1)
            gains.append(np.where(ranks > 10, 0, 1 / np.log2(1 + ranks)))
        change, of = gains[1] - gains[0], clusters[~fits]
        without = np.array([change[of != one].mean() for one in range(1, 16, 2)])
        row = differences.set_index("metric").loc[f"mixed_ndcg10_{direction}"]
        assert row["difference"] == pytest.approx(change.mean()) != 0
        assert ends(row) == pytest.approx(tuple(jackknife(change.mean(), without, 0.8)))


def test_the_spread_over_halves_is_of_recall_and_of_the_mixed_gallery():
    """In a random half, the gap that is left is the distance of the means of unit vectors."""
    x, y = cloud(61, 6, 3)
    some = {name: METHODS[name] for name in ("none", "shift", "dn_100")}
    table, differences = study(some, x, y, None, 3, 0.95)
    sizes = table.groupby("split")[["n_fit", "n_scored"]].agg(set)
    assert sizes.loc["even_odd"].tolist() == [{31}, {30}]
    assert sizes.loc["half_2"].tolist() == [{30}, {31}]
    value = table.set_index(["split", "method", "task", "metric"])["value"]
    for number in range(3):
        fit = np.isin(np.arange(61), np.random.default_rng(number).permutation(61)[:30])
        means = x[fit].mean(axis=0), y[fit].mean(axis=0)
        step = (means[0] - means[1]) / 2
        for name, of_x, of_y in (("shift", step, -step), ("dn_100", *means)):
            a, b = unit(x[~fit] - of_x), unit(y[~fit] - of_y)
            left = np.linalg.norm(a.mean(axis=0) - b.mean(axis=0))
            assert value[f"half_{number}", name, "T6", "gap"] == pytest.approx(left), name
    by_metric = differences.set_index(["method", "metric"])
    for task, metric, of_mixed in (("T1", "recall1_yx", ""), ("T2a", "ndcg10_xy", "mixed_")):
        row = by_metric.loc["shift", f"{of_mixed}{metric}"]
        changes = [
            value[f"half_{number}", "shift", task, metric]
            - value[f"half_{number}", "none", task, metric]
            for number in range(3)
        ]
        assert np.ptp(changes) > 0
        assert row["halves_mean"] == pytest.approx(np.mean(changes))
        assert row["halves_sd"] == pytest.approx(np.std(changes, ddof=1))
    assert by_metric.loc[("shift", "hub_skewness10_xy"), ["halves_mean", "halves_sd"]].isna().all()
    assert table.loc[table["split"] == "half_0", "task"].unique().tolist() == ["T1", "T2a", "T6"]


@pytest.mark.parametrize("name", HUBS)
@pytest.mark.parametrize("clustered", [True, False])
def test_a_change_in_hubs_leaves_out_every_twentieth_query_or_cluster(name, clustered):
    plain = {
        "hub_skewness10": stats.skew,
        "hub_kurtosis10": stats.kurtosis,
        "hub_deviation10": lambda counts: abs(counts - counts.mean()).mean(),
    }[name]
    rng = np.random.default_rng(7)
    before, after = (rng.random((2, 53, 9)) < np.linspace(0.1, 0.9, 9) ** 2).astype(int)
    clusters = rng.permutation(np.arange(53) % 23) if clustered else None
    group = (clusters if clustered else np.arange(53)) % 20

    def change(rows):
        return plain(after[rows].sum(axis=0)) - plain(before[rows].sum(axis=0))

    without = np.array([change(group != one) for one in range(20)])
    row = hub_change(before, after, clusters, 0.9, HUBS[name])
    value = change(np.full(53, True))
    assert row["difference"] == pytest.approx(value) and row["n"] == 53
    assert ends(row) == pytest.approx(tuple(jackknife(value, without, 0.9)))


def test_few_clusters_are_left_out_one_by_one():
    rng = np.random.default_rng(8)
    before, after = (rng.random((2, 12, 6)) < 0.4).astype(int)
    clusters = np.arange(12) % 4

    def change(rows):
        return stats.skew(after[rows].sum(axis=0)) - stats.skew(before[rows].sum(axis=0))

    without = np.array([change(clusters != one) for one in range(4)])
    value = change(clusters >= 0)
    row = hub_change(before, after, clusters, 0.8)
    assert ends(row) == pytest.approx(tuple(jackknife(value, without, 0.8)))


def test_the_other_changes_are_intervals_by_cluster_at_the_confidence_that_is_asked_for():
    rng = np.random.default_rng(9)
    clusters = np.arange(40) % 16
    first, found = rng.random(40) < 0.5, (rng.random((2, 40, 40)) < 0.25).astype(int)
    mixed, stays = rng.random((2, 40)), rng.random((2, 40)) < 0.7
    before, after = (Outcome(first, mixed[i], found[i], stays[i]) for i in (0, 1))
    changes = other_changes(before, after, clusters, 0.8)
    assert list(changes) == ["mixed_ndcg10", STAYS, *HUBS]
    change = mixed[1] - mixed[0]
    without = np.array([change[clusters != one].mean() for one in range(16)])
    row = changes["mixed_ndcg10"]
    assert row["difference"] == pytest.approx(change.mean())
    assert ends(row) == pytest.approx(tuple(jackknife(change.mean(), without, 0.8)))
    assert changes[STAYS] == change_of(stays[0], stays[1], clusters, 0.8)
    for name, of in HUBS.items():
        assert changes[name] == hub_change(*found, clusters, 0.8, of), name
    # A method without a mixed gallery, or that moves no vectors, has the others alone.
    bare = Outcome(first, None, found[0])
    assert list(other_changes(bare, after, None, 0.8)) == [*HUBS]
    assert list(other_changes(before, bare, None, 0.8)) == [*HUBS]


@pytest.mark.parametrize(("confidence", "clear"), [(0.7, True), (0.8, False)])
def test_three_gains_and_no_loss_are_clear_at_a_level_above_a_quarter_alone(confidence, clear):
    """McNemar's exact p of three changes in one direction is 1/4."""
    before, after = np.zeros((2, 40), dtype=bool)
    after[:3] = True
    row = change_of(before, after, None, confidence)
    assert row["p"] == pytest.approx(0.25)
    assert (row["difference_low"] > 0) == clear


def test_holms_correction_is_over_the_methods_of_one_metric():
    rows = pd.DataFrame(
        {"method": ["a", "b", "a", "a", "c"], "metric": ["m", "m", "k", "hub", "m"],
         "p": [0.02, 0.01, 0.03, np.nan, 0.3]}
    )  # fmt: skip
    found = with_holm(rows)["p_holm"].to_numpy()
    np.testing.assert_allclose(found, [0.04, 0.03, 0.03, np.nan, 0.3])
    assert with_holm(rows[["method", "metric"]].copy())["p_holm"].isna().all()


@pytest.mark.parametrize("seed", [0, 3])
def test_a_smooth_measure_leaves_out_each_of_twenty_random_groups_of_clusters(seed):
    x, y = cloud(150, 5, 4)
    clusters = np.arange(150) // 3
    kept = []

    def of(x, y):
        kept.append({tuple(row) for row in x})
        return {"third": float(x[:, 3].mean())}

    one = FollowUpMeasure(
        *("one", "One", "ours", of, lambda n, d: {}, lambda x, y: {}), smooth=True
    )
    row = measured(x, y, clusters, 0.9, seed, {"one": one}).set_index("measure").loc["third"]
    groups = (np.random.default_rng(seed).permutation(50) % 20)[clusters]
    assert kept[0] == {tuple(row) for row in x}
    for group, rest in enumerate(kept[1:]):
        assert rest == {tuple(row) for row in x[groups != group]}
    assert len(kept) == 21
    without = np.array([x[groups != group, 3].mean() for group in range(20)])
    ends = jackknife(x[:, 3].mean(), without, 0.9)
    assert (row["low"], row["high"]) == pytest.approx(tuple(ends))


def test_a_measure_of_each_vector_has_the_clusters_of_both_modalities():
    """First the vectors of x, then those of y; and of a smooth value that not every part has there
    is no interval."""
    x, y = cloud(30, 5, 4)
    clusters = np.arange(30) // 3
    each = np.concatenate([x[:, 1], y[:, 2]])

    def of(x, y):
        values = {"each": np.concatenate([x[:, 1], y[:, 2]])}
        return values | ({"rare": 1.0} if len(x) == 30 else {})

    one = FollowUpMeasure("one", "One", "ours", of, lambda n, d: {"rare": n / d},
                          lambda x, y: {"each": x[0, 0]}, False)  # fmt: skip
    table = measured(x, y, clusters, 0.9, 0, {"one": one}).set_index("measure")
    twice = np.concatenate([clusters, clusters])
    without = np.array([each[twice != number].mean() for number in range(10)])
    row = table.loc["each"]
    assert row["value"] == pytest.approx(each.mean())
    wanted = tuple(jackknife(each.mean(), without, 0.9))
    assert (row["low"], row["high"]) == pytest.approx(wanted)
    assert (row["chance"], table.loc["rare", "chance"]) == (x[0, 0], 6)
    assert table.loc["rare", ["low", "high"]].isna().all()
    assert (table["n"] == 30).all()


@pytest.mark.parametrize("large", [0, 5, 16])
def test_a_value_that_not_every_part_of_the_pairs_has_has_no_interval(large):
    """Without the largest cluster there is one hundred of pairs, and so no cosine of two gaps."""
    x, y = cloud(230, 6, 4)
    clusters = np.concatenate([np.full(60, large), np.arange(170) % 17])
    some = {"gap_direction": FOLLOW_UP_MEASURES["gap_direction"]}
    table = measured(x, y, clusters, 0.9, 0, some).set_index("measure")
    assert table["value"].notna().all()
    assert table.index[table["low"].isna() | table["high"].isna()].tolist() == ["group_cosine"]


def test_recall_over_fit_sizes_in_plain_numpy():
    """On even clusters of two pairs each, of which the largest size is all."""
    x, y = cloud(126, 10, 5)
    clusters = np.arange(126) // 2
    fit, score = (np.flatnonzero(clusters % 2 == part) for part in (0, 1))
    some = {name: METHODS[name] for name in ("none", "centre", "standardise")}
    table = fit_sizes(some, x, y, clusters, 0.8, 3)
    assert table["n_fit"].unique().tolist() == [32, 64]
    assert (table["draws"] == 5).all() and (table["n"] == 62).all()
    assert table["ratio"].unique().tolist() == [3.2, 6.4]
    rng, places = np.random.default_rng(3), np.arange(62)
    for size in (32, 64):
        drawn = [rng.choice(fit, size, replace=False) for _ in range(5)]
        for name in ("centre", "standardise"):
            values = {"gap": [], "recall1_xy": [], "recall1_yx": []}
            for rows in drawn:
                assert len({*rows}) == size
                a, b = (
                    unit(
                        (side[score] - side[rows].mean(axis=0))
                        / (side[rows].std(axis=0) if name == "standardise" else 1)
                    )
                    for side in (x, y)
                )
                cosines = a @ b.T
                values["gap"].append(np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)))
                values["recall1_xy"].append((cosines.argmax(axis=1) == places).mean())
                values["recall1_yx"].append((cosines.argmax(axis=0) == places).mean())
            for metric, each in values.items():
                row = table[(table["n_fit"] == size) & (table["method"] == name)]
                (row,) = row[row["metric"] == metric].to_dict("records")
                half = stats.t.ppf(0.9, 4) * np.std(each, ddof=1) / np.sqrt(5)
                mean = np.mean(each)
                found = row["value"], row["value_low"], row["value_high"]
                assert found == pytest.approx((mean, mean - half, mean + half)), (name, metric)


def test_recall_both_ways_gives_each_direction_the_same_weight():
    """Two pictures with three captions: of the pictures one is right, of the captions one."""
    own = np.array([[True, True, False], [False, False, True]])
    scores = np.array([[0.9, 0.1, 0.2], [0.95, 0.4, 0.3]])
    # Picture 0 finds its caption 0, picture 1 finds caption 0; the captions find 1, 1 and 1.
    assert recall_both_ways(scores, own) == pytest.approx((1 / 2 + 1 / 3) / 2)


def fixed(*arrays):
    """The arrays, which nothing can write into."""
    for array in arrays:
        array.flags.writeable = False
    return arrays


def test_tasks_leave_the_scores_as_they_are():
    across, inside = fixed(*np.random.default_rng(0).normal(size=(2, 12, 12)))
    scores = Direction("xy", across, inside)
    for task in (cross_modal, mixed_gallery, u_curve, outcome):
        task(scores)
    hub_skewness(across)


@pytest.mark.parametrize("name", FOLLOW_UP_MEASURES)
def test_measures_leave_the_vectors_as_they_are(name):
    FOLLOW_UP_MEASURES[name].of(*fixed(*cloud(24, 8, 0)))


@pytest.mark.parametrize("name", METHODS)
def test_methods_leave_the_vectors_as_they_are(name):
    x, y = fixed(*cloud(200, 8, 0, apart=0.1))
    fitted = METHODS[name].fitted(x, y)
    for kind in fitted.kinds:
        of = {"x": x, "y": y}
        fitted.scores(of[kind[0]], of[kind[1]], kind)
