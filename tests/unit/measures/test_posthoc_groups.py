"""Post-hoc methods on pictures with several captions and on prompts of classes."""

import numpy as np
import pytest
import yaml
from conftest import ROOT
from scipy import stats
from sklearn.cluster import KMeans
from sklearn.metrics import average_precision_score, v_measure_score

from modality_gap.config.rows import published_files
from modality_gap.embeddings.released import of_files
from modality_gap.measures.posthoc import grouped
from modality_gap.measures.posthoc.catalogue import METHODS
from modality_gap.measures.posthoc.changes import change_of
from modality_gap.measures.posthoc.classes import (
    class_differences,
    class_outcome,
    mean_average_precision,
    of_classes,
)
from modality_gap.measures.posthoc.grouped import (
    by_picture,
    fit_rows,
    group_splits,
    grouped_study,
    has_forms,
    learns_from_labels,
    of_captions,
)
from modality_gap.measures.posthoc.kinds import CAPTIONS, CLASSES
from modality_gap.measures.posthoc.ranks import different_items, group_ranks
from modality_gap.measures.posthoc.registry import Maps, Method, Scores, unit

CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
ASSETS = yaml.safe_load((ROOT / "config/assets.yaml").read_text(encoding="utf-8"))


def results(name, mirror, kind, methods):
    """The results and the differences of some methods on a set of the configuration."""
    entry = CONFIG["sets"][name]
    paths = [mirror / ASSETS[asset]["path"] for asset in published_files(entry)]
    a, b = (of_files(paths, row, entry) for row in (0, 1))
    clusters = np.unique(a.labels[entry["cluster"]], return_inverse=True)[1]
    folds = a.labels[entry["fold"]].to_numpy() if "fold" in entry else None
    chosen = {one: METHODS[one] for one in methods}
    found, differences = grouped_study(
        chosen, a.normalised(), b.normalised(), clusters, kind, folds, 0, 0.95, 0
    )
    return found.set_index(["method", "task", "metric"])["value"], differences, found


def test_closing_claps_gap_raises_its_held_out_accuracy(mirror):
    methods = ("none", "shift", "shift_chosen", "centre")
    values, differences, table = results("clap_esc50", mirror, CLASSES, methods)
    sizes = table.groupby("task")[["n_fit", "n_scored"]].first()
    assert sizes.loc["T3"].tolist() == [800, 1200] and sizes.loc["T3o"].tolist() == [400, 1200]
    # Measured apart from this project, to three digits.
    assert values["none", "T3", "accuracy"] == pytest.approx(0.914, abs=6e-4)
    assert values["shift", "T3", "accuracy"] == pytest.approx(0.933, abs=2e-3)
    assert values["shift_chosen", "T3", "accuracy"] > 0.925
    # Each fold has equally many clips of each class, so both means of prompts are the same.
    for one in methods:
        for metric in ("accuracy", "count_skewness", "prompt_recall1"):
            again = values[one, "T3", f"{metric}_prompt_mean"]
            assert again == pytest.approx(values[one, "T3", metric])
    differences = differences[differences["metric"] == "accuracy"]
    row = differences.set_index("method").loc["shift"]
    assert row["n"] == 1200
    assert row["difference"] == pytest.approx(
        values["shift", "T3", "accuracy"] - values["none", "T3", "accuracy"]
    )
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    assert (differences["p_holm"] >= differences["p"]).all()


def test_flickrs_captions_under_methods(mirror):
    methods = ("none", "other_first", "centre", "centre_z_score")
    values, differences, table = results("flickr8k_b32", mirror, CAPTIONS, methods)
    changes = differences.set_index(["method", "metric"])
    assert set(changes.index.get_level_values("metric")) == {
        *("forms_ndcg10", "half_less_captions", "half_less_pictures")
    }
    for end, share in (("captions", "0"), ("pictures", "1")):
        row = changes.loc["none", f"half_less_{end}"]
        curve = [values["none", "T2c", f"ndcg10_{point}"] for point in ("0.5", share)]
        assert row["difference"] == pytest.approx(curve[0] - curve[1])
        assert row["n"] == 50 and row["difference_high"] < 0  # the published curve's form
    assert changes.loc["centre", "forms_ndcg10"]["difference_low"] > 0.2
    assert set(zip(table["n_fit"], table["n_scored"], strict=True)) == {(250, 250)}
    # Measured apart from this project, to two digits.
    assert values["none", "T2c", "ndcg10"] == pytest.approx(0.58, abs=0.01)
    assert values["centre", "T2c", "ndcg10"] == pytest.approx(0.89, abs=0.01)
    assert values["centre_z_score", "T2c", "ndcg10"] == pytest.approx(0.93, abs=0.01)
    assert values["other_first", "T1c", "recall1_xy"] == values["none", "T1c", "recall1_xy"]


def test_ranks_by_group_against_a_loop():
    rng = np.random.default_rng(0)
    scores, own = rng.integers(0, 6, (40, 9)) / 10, rng.random((40, 9)) < 0.3
    own[~own.any(axis=1), 4] = True
    for rank, row, mine in zip(group_ranks(scores, own), scores, own, strict=True):
        best = row[mine].max()
        place = next(j for j in range(9) if mine[j] and row[j] == best)
        ahead = [
            j for j in range(9) if not mine[j] and (row[j] > best or (row[j] == best and j < place))
        ]
        assert rank == 1 + len(ahead)


def test_different_items_of_pairs():
    x = np.eye(4)[[0, 1, 0, 2, 1]]
    y = np.eye(4)[[3, 3, 2, 1, 0]]
    a, b, own = different_items(x, y)
    found = {(int(i.argmax()), int(j.argmax())) for i, row in zip(a, own, strict=True)
             for j, one in zip(b, row, strict=True) if one}  # fmt: skip
    assert found == {(0, 3), (1, 3), (0, 2), (2, 1), (1, 0)}
    assert (len(a), len(b)) == (3, 4)


def test_mean_average_precision_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    scores, relevant = rng.normal(size=(30, 12)), rng.random((30, 12)) < 0.3
    relevant[0] = False
    each = [
        average_precision_score(mine, row)
        for mine, row in zip(relevant, scores, strict=True)
        if mine.any()
    ]
    assert mean_average_precision(scores, relevant) == pytest.approx(np.mean(each), rel=1e-12)


@pytest.fixture
def classes():
    """60 items of 6 classes, one prompt each, and their labels."""
    rng = np.random.default_rng(2)
    labels = np.tile(np.arange(6), 10)
    prompts = unit(rng.normal(size=(6, 16)))
    return unit(prompts[labels] + 0.35 * rng.normal(size=(60, 16))), prompts, labels


def tasks_of(fitted, items, prompts, labels):
    outcome = class_outcome(fitted, items, prompts, labels, 0)
    rows = of_classes(fitted, items, prompts, labels, outcome)
    return {(task, metric): value for task, metric, value in rows}


def test_tasks_of_classes_against_plain_numpy(classes):
    items, prompts, labels = classes
    found = tasks_of(Maps(), items, prompts, labels)
    choice = (items @ prompts.T).argmax(axis=1)
    assert found["T3", "accuracy"] == np.mean(choice == labels)
    counts = [np.sum(choice == number) for number in range(6)]
    assert found["T3", "count_skewness"] == pytest.approx(stats.skew(counts))
    best = (prompts @ items.T).argmax(axis=1)
    assert found["T3", "prompt_recall1"] == np.mean(labels[best] == np.arange(6))
    cosines = items @ items.T
    nearest = [max((j for j in range(60) if j != i), key=lambda j: cosines[i, j])
               for i in range(60)]  # fmt: skip
    assert found["T4", "recall1"] == np.mean(labels[nearest] == labels)
    ranks = [
        1
        + sum(items[i] @ prompt > items[i] @ prompts[labels[i]] for prompt in prompts)
        + sum(cosines[i, j] > items[i] @ prompts[labels[i]] for j in range(60) if j != i)
        for i in range(60)
    ]
    assert found["T4", "prompt_median_rank"] == np.median(ranks)
    assert found["T4", "neighbours_kept_x"] == 1
    alike = [cosines[i, j] for i in range(60) for j in range(i) if labels[i] == labels[j]]
    assert found["T4", "tolerance"] == pytest.approx(np.mean(alike))
    gap = items.mean(axis=0) - prompts.mean(axis=0)
    assert found["T3", "gap"] == pytest.approx(np.linalg.norm(gap))


def test_modalities_far_apart_are_other_groups_than_classes(classes):
    wide = Maps(x=lambda a: a + 3 * np.eye(16)[0], y=lambda b: b - 3 * np.eye(16)[0])
    apart, near = (tasks_of(one, *classes) for one in (wide, Maps()))
    assert near["T5", "v_measure"] > apart["T5", "v_measure"] + 0.1
    assert near["T5", "map"] > apart["T5", "map"]


def test_changes_of_classes_against_plain_numpy(classes):
    """With intervals that leave out a class at a time."""
    items, prompts, labels = classes
    wide = Maps(x=lambda a: a + np.eye(16)[0], y=lambda b: b - np.eye(16)[0])
    both = {
        name: class_outcome(one, *classes, 0) for name, one in (("none", wide), ("centre", Maps()))
    }
    found = {row["metric"]: row for row in class_differences(METHODS, both, labels, 0.95)}
    moved = unit(items + np.eye(16)[0]), unit(prompts - np.eye(16)[0])
    precision, groups = [], []
    for a, b in (moved, (items, prompts)):
        scores = a @ a.T
        precision.append(
            [
                average_precision_score(np.delete(labels == labels[i], i), np.delete(scores[i], i))
                for i in range(60)
            ]
        )
        means = KMeans(6, n_init=3, random_state=0).fit(np.concatenate([a, b[labels]]))
        groups.append(means.labels_)
    twice = np.concatenate([labels, labels])

    def change_of_map(some):
        return np.mean(np.subtract(*precision[::-1])[some[:60]])

    def change_of_groups(some):
        scores = [v_measure_score(twice[some], one[some]) for one in groups]
        return scores[1] - scores[0]

    for metric, change in (("map_x", change_of_map), ("v_measure", change_of_groups)):
        value = change(twice >= 0)
        parts = np.array([change(twice != label) for label in range(6)])
        error = np.sqrt(5 / 6 * ((parts - parts.mean()) ** 2).sum())
        width = stats.t.ppf(0.975, 5) * error
        row = found[metric]
        assert value != 0 and row["difference"] == pytest.approx(value), metric
        ends = row["difference_low"], row["difference_high"]
        assert ends == pytest.approx((value - width, value + width)), metric
        assert row["n"] == 60
    right = [np.mean((a @ b.T).argmax(axis=1) == labels) for a, b in (moved, (items, prompts))]
    assert found["accuracy"]["difference"] == pytest.approx(right[1] - right[0]) != 0
    assert {row["method"] for row in found.values()} == {"centre"}


def test_captions_of_a_picture_all_count():
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(8), 3)
    pictures = unit(rng.normal(size=(8, 12)))
    captions = unit(pictures[clusters] + 2 * rng.normal(size=(24, 12)) / np.sqrt(12))
    pairs = pictures[clusters], captions, clusters
    forms = by_picture(Maps(), *pairs)
    rows = of_captions(Maps(), *pairs, forms)
    found = {(task, metric): value for task, metric, value in rows}
    cosines = pictures @ captions.T
    assert found["T1c", "recall1_xy"] == np.mean(clusters[cosines.argmax(axis=1)] == np.arange(8))
    assert found["T1c", "recall1_yx"] == np.mean(cosines.argmax(axis=0) == clusters)
    recalls = {metric for task, metric in found if task == "T1c" and metric.startswith("recall")}
    assert recalls == {f"recall{k}_{side}" for k in (1, 5, 10) for side in ("xy", "yx")}
    fifth = [(-cosines[:, i]).argsort().tolist().index(clusters[i]) < 5 for i in range(24)]
    assert found["T1c", "recall5_yx"] == np.mean(fifth)
    assert 0 < found["T2c", "recall1"] < 1
    assert forms["recall1"].shape == (8,)
    rank = [1 + (cosines[:, i] > cosines[clusters[i], i]).sum() for i in range(24)]
    by = np.array(rank).reshape(8, 3)
    assert by.var(axis=1).max() > 1
    assert found["T1c", "rank_variance_yx"] == pytest.approx(by.var(axis=1).mean())
    assert found["T1c", "rank_deviation_yx"] == pytest.approx(by.std(axis=1).mean())
    # Documents that are fused with no part of a caption are the pictures.
    assert found["T2c", "ndcg10_fused_0"] == pytest.approx(np.mean(1 / np.log2(1 + by)))


def test_of_a_picture_with_more_captions_than_others_the_first_ones_take_part():
    rng = np.random.default_rng(6)
    clusters = np.array([1, 0, 1, 0, 2, 0, 1, 2, 0])
    first = [row for row in range(9) if (clusters[:row] == clusters[row]).sum() < 2]
    x, y = unit(rng.normal(size=(3, 5)))[clusters], unit(rng.normal(size=(9, 5)))
    found = [by_picture(Maps(), x[rows], y[rows], clusters[rows]) for rows in (first, np.arange(9))]
    assert len(first) == 6
    for metric, values in found[0].items():
        np.testing.assert_array_equal(found[1][metric], values)


def test_which_pairs_fit():
    clusters = np.array([0, 0, 1, 1, 2, 2])
    assert list(fit_rows(clusters, CAPTIONS, None)) == [True, True, False, False, True, True]
    assert list(fit_rows(clusters, CLASSES, None)) == [True, False] * 3
    folds = np.array(["2", "1", "3", "4", "2", "3"])
    assert list(fit_rows(clusters, CLASSES, folds)) == [True, True, False, False, True, False]


@pytest.mark.parametrize("halves", [0, 2, 9])
def test_other_splits_are_of_every_other_two_folds(halves):
    folds = np.array(["4", "1", "3", "2", "1", "4"])
    clusters = np.array([0, 1, 0, 1, 0, 1])
    pairs = ["12", "13", "14", "23", "24", "34"][: halves + 1]
    wanted = [[fold in pair for fold in folds] for pair in pairs]
    found = dict(group_splits(clusters, CLASSES, folds, halves))
    assert [*found] == ["even_odd", *(f"half_{number}" for number in range(len(pairs) - 1))]
    assert [fits.tolist() for fits in found.values()] == wanted
    # Pictures with captions have halves of pictures, whatever their folds.
    of_pictures = dict(group_splits(np.arange(6), CAPTIONS, folds, halves))
    assert len(of_pictures) == halves + 1
    assert of_pictures["even_odd"].tolist() == [True, False] * 3


def test_every_default_method_has_all_tasks_of_classes(classes):
    items, prompts, labels = classes
    methods = {name: one for name, one in METHODS.items() if one.default}
    found, differences = grouped_study(
        methods, items, prompts[labels], labels, CLASSES, None, 0, 0.95, 0
    )
    assert found["value"].notna().all()
    accuracy = found[found["metric"] == "accuracy"].set_index("method")["value"]
    assert set(accuracy.index) == {*methods}
    assert set(differences["method"]) == {*methods} - {"none"}
    taught = found[found["metric"] == "few_shot"].set_index("method")["value"]
    assert {name for name in methods if taught[name]} >= {"procrustes_to_identity"}
    for name in ("none", "centre", "shift", "standardise", "nnn", "z_score", "sinkhorn"):
        assert not taught[name], name
    right = differences[differences["metric"] == "accuracy"]
    assert not right[["difference", "p", "p_holm", "n"]].isna().any(axis=None)
    assert set(differences["metric"]) == {"accuracy", "map_x", "v_measure"}
    assert differences["difference"].notna().all()


def test_a_method_learns_from_labels_if_they_change_the_order_of_the_prompts_of_an_item():
    """What labels add to all prompts of an item changes nothing, however it orders the items."""
    rng = np.random.default_rng(0)
    x, y, items, prompts = (rng.normal(size=(n, 5)) for n in (40, 40, 30, 8))

    def learns(add):
        def fit(x, y):
            matched = (x * y).sum(axis=0)
            return Scores(lambda q, z, kind: q @ z.T + add(q, z, matched))

        return learns_from_labels(Method("m", "M", "ours", fit), (x, y), (items, prompts), 0)

    assert not learns(lambda q, z, matched: (q @ matched)[:, None])
    assert learns(lambda q, z, matched: z @ matched)


@pytest.mark.parametrize(("exchanged", "learns"), [(1, False), (5, True)])
def test_more_than_one_rank_in_a_thousand_must_change(exchanged, learns):
    """Of 100 x 40 ranks, labels exchange the first two of some items."""
    rows = np.eye(40)

    def fit(x, y):
        def of(q, z, kind):
            scores = np.tile(-np.arange(40.0), (100, 1))
            if (x == y).all():
                scores[:exchanged, :2] = -1, 0
            return scores

        return Scores(of)

    found = learns_from_labels(
        Method("m", "M", "ours", fit), (rows, rows), (np.ones((100, 40)), rows), 0
    )
    assert found is learns


@pytest.fixture(scope="module")
def uneven():
    """Moved items and prompts of 6 classes of unequal size: the last has one item, and no item gets
    its prompt."""
    rng = np.random.default_rng(8)
    labels = rng.permutation(np.repeat(np.arange(6), [12, 9, 7, 5, 4, 1]))
    prompts = unit(rng.normal(size=(6, 12)))
    prompts[5] = unit(-prompts[:5].sum(axis=0))
    items = unit(prompts[labels] + 0.4 * rng.normal(size=(38, 12)))
    items[labels == 5] = unit(prompts[0] + 0.3 * rng.normal(size=(1, 12)))
    weights = np.linspace(0.2, 2, 12)
    maps = Maps(x=lambda a: a * weights + 0.1, y=lambda b: b - 0.2 * np.eye(12)[0])
    return maps, items, prompts, labels


def precisions(scores, relevant):
    """scikit-learn's average precision of each row's relevant items among all others."""
    rows = [
        average_precision_score(np.delete(relevant[i], i), np.delete(scores[i], i))
        if np.delete(relevant[i], i).any()
        else np.nan
        for i in range(len(scores))
    ]
    return np.array(rows)


def test_tasks_of_unequal_classes_after_a_map_in_plain_numpy(uneven):
    maps, items, prompts, labels = uneven
    seed = 5
    outcome = class_outcome(maps, items, prompts, labels, seed)
    rows = of_classes(maps, items, prompts, labels, outcome)
    found = {(task, metric): value for task, metric, value in rows}
    a, b = unit(maps.x(items)), unit(maps.y(prompts))
    across, inside = a @ b.T, a @ a.T - 9 * np.eye(38)
    choice = across.argmax(axis=1)
    assert 5 not in choice and 0.3 < np.mean(choice == labels) < 1
    counts = [np.sum(choice == number) for number in range(6)]
    own = across[np.arange(38), labels][:, None]
    ahead = (across > own).sum(axis=1) + (inside > own).sum(axis=1)
    means = [KMeans(6, n_init=n, random_state=seed).fit(np.concatenate([a, b[labels]])).labels_
             for n in (3, 1)]  # fmt: skip
    groups = [v_measure_score(np.tile(labels, 2), one) for one in means]
    assert groups[0] != groups[1]  # the best of three starts, not the first
    near = [[{*np.argsort(-of[i])[:10]} for i in range(38)]
            for of in (items @ items.T - 9 * np.eye(38), inside)]  # fmt: skip
    alike = labels[:, None] == labels
    pairs = alike & ~np.eye(38, dtype=bool)
    both = np.concatenate([a, b])
    of_both = np.concatenate([labels, np.arange(6)])
    wanted = {
        ("T3", "accuracy"): np.mean(choice == labels),
        ("T3", "count_skewness"): stats.skew(counts),
        ("T3", "prompt_recall1"): np.mean(labels[across.argmax(axis=0)] == np.arange(6)),
        ("T4", "map"): np.nanmean(precisions(inside, alike)),
        ("T4", "recall1"): np.mean(labels[inside.argmax(axis=1)] == labels),
        ("T4", "prompt_median_rank"): np.median(1 + ahead),
        ("T4", "neighbours_kept_x"): np.mean(
            [len(one & other) / 10 for one, other in zip(*near, strict=True)]
        ),
        ("T4", "tolerance"): (a @ a.T)[pairs].mean(),
        ("T3", "gap"): np.linalg.norm(a.mean(axis=0) - b[labels].mean(axis=0)),
        ("T5", "v_measure"): groups[0],
        ("T5", "map"): np.nanmean(precisions(both @ both.T, of_both[:, None] == of_both)),
    }
    assert found == pytest.approx(wanted)
    assert 0 < wanted["T3", "prompt_recall1"] < 1


def test_mean_of_each_prompt_once_where_classes_are_unequal():
    """Most fit items are of the first class, so their prompts' mean is near its prompt."""
    rng = np.random.default_rng(4)
    labels = np.concatenate([np.zeros(60, dtype=int), np.tile(np.arange(1, 6), 8)])
    prompts = unit(rng.normal(size=(6, 16)) + 2 * np.eye(16)[0])
    items = unit(prompts[labels] + 0.7 * rng.normal(size=(100, 16)))
    chosen = {name: METHODS[name] for name in ("none", "centre")}
    table, _ = grouped_study(chosen, items, prompts[labels], labels, CLASSES, None, 0, 0.95, 0)
    value = table[table["task"] == "T3"].set_index(["method", "metric"])["value"]
    fits = fit_rows(labels, CLASSES, None)
    a, of = unit(items[~fits] - items[fits].mean(axis=0)), labels[~fits]
    for end, mean in (("", prompts[labels[fits]].mean(axis=0)), ("_prompt_mean", prompts.mean(0))):
        scores = a @ unit(prompts - mean).T
        choice, best = scores.argmax(axis=1), of[scores.argmax(axis=0)]
        assert value["centre", f"accuracy{end}"] == pytest.approx(np.mean(choice == of))
        skewness = stats.skew(np.bincount(choice, minlength=6))
        assert value["centre", f"count_skewness{end}"] == pytest.approx(skewness)
        wanted = np.mean(best == np.arange(6))
        assert value["centre", f"prompt_recall1{end}"] == pytest.approx(wanted)
    for metric in ("accuracy", "count_skewness"):
        assert value["centre", metric] != value["centre", f"{metric}_prompt_mean"]
        assert value["none", metric] == value["none", f"{metric}_prompt_mean"]


def test_items_that_get_each_prompt_equally_often_have_no_skewness():
    rows = np.eye(4)
    found = tasks_of(Maps(), rows[[0, 1, 2, 3, 0, 1, 2, 3]], rows, np.tile(np.arange(4), 2))
    assert found["T3", "count_skewness"] == 0 and found["T3", "accuracy"] == 1


def test_changes_of_unequal_classes_are_by_class_at_the_confidence_that_is_asked_for(uneven):
    """A class of one item has no average precision, so it takes no part in that difference."""
    maps, items, prompts, labels = uneven
    prompts, labels = np.roll(prompts, 3, axis=0), (labels + 3) % 6  # that class is number 2
    both = {"none": Maps(), "centre": maps}
    both = {name: class_outcome(one, items, prompts, labels, 0) for name, one in both.items()}
    found = {row["metric"]: row for row in class_differences(METHODS, both, labels, 0.8)}
    sides = (items, prompts), (unit(maps.x(items)), unit(maps.y(prompts)))
    several = labels != 2
    alike = labels[:, None] == labels
    precision = [precisions(a @ a.T, alike)[several] for a, _ in sides]
    groups = [one.groups for one in both.values()]
    twice, of = np.tile(labels, 2), labels[several]

    def change_of_groups(some):
        return np.subtract(*[v_measure_score(twice[some], one[some]) for one in groups[::-1]])

    change = precision[1] - precision[0]
    parts = {
        "map_x": (change.mean(), [change[of != one].mean() for one in (0, 1, 3, 4, 5)], 37),
        "v_measure": (
            change_of_groups(twice >= 0), [change_of_groups(twice != one) for one in range(6)], 38
        ),
    }  # fmt: skip
    for metric, (value, without, n) in parts.items():
        k, without = len(without), np.array(without)
        error = np.sqrt((k - 1) / k * ((without - without.mean()) ** 2).sum())
        half = stats.t.ppf(0.9, k - 1) * error
        row = found[metric]
        ends = row["difference"], row["difference_low"], row["difference_high"]
        assert ends == pytest.approx((value, value - half, value + half)), metric
        assert row["n"] == n
    right = [(a @ b.T).argmax(axis=1) == labels for a, b in sides]
    wanted = change_of(*right, labels, 0.8)
    assert {key: found["accuracy"][key] for key in wanted} == wanted
    assert wanted != change_of(*right, None, 0.8) and wanted != change_of(*right, labels, 0.95)
    # A class of which no item is scored changes nothing.
    (row, *_) = class_differences(METHODS, both, labels * 2, 0.8)
    assert {key: row[key] for key in wanted} == wanted


@pytest.mark.parametrize("seed", [0, 5])
def test_the_seed_draws_the_random_matches(classes, seed):
    """Those of the fit pairs, on which a method is fitted again."""
    items, prompts, labels = classes
    y, seen = prompts[labels], []

    def fit(x, y):
        seen.append(y)
        return Maps()

    method = Method("m", "M", "ours", fit)
    grouped_study({"none": method}, items, y, labels, CLASSES, None, 0, 0.95, seed)
    fits = y[fit_rows(labels, CLASSES, None)]
    order = np.random.default_rng(seed).permutation(30)
    assert sum(len(one) == 30 and (one == fits[order]).all() for one in seen) == 1


def test_a_method_learns_from_the_fit_items_and_orders_prompts_for_the_others(classes, monkeypatch):
    items, prompts, labels = classes
    seen = []

    def learns(method, fit, scored, seed):
        seen.append((*fit, *scored))
        return True

    monkeypatch.setattr(grouped, "learns_from_labels", learns)
    fits = fit_rows(labels, CLASSES, None)
    found, _ = grouped_study({"none": METHODS["none"]}, items, prompts[labels], labels, CLASSES,
                             None, 2, 0.95, 0)  # fmt: skip
    wanted = items[fits], prompts[labels][fits], items[~fits], prompts
    for one, other in zip(seen[0], wanted, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(seen) == 1
    row = found[found["metric"] == "few_shot"]
    assert row[["split", "value"]].to_numpy().tolist() == [["even_odd", 1.0]]


def test_maps_without_scores_among_captions_have_no_documents():
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(4), 2)
    x, y = unit(rng.normal(size=(4, 5)))[clusters], unit(rng.normal(size=(8, 5)))
    fitted = Maps(kinds=(("x", "y"), ("y", "x")))
    forms = by_picture(fitted, x, y, clusters)
    assert forms == {}
    assert {task for task, *_ in of_captions(fitted, x, y, clusters, forms)} == {"T1c"}


def test_documents_of_several_forms_need_scores_of_captions_and_of_pictures():
    kinds = [("x", "y"), ("y", "x"), ("y", "y"), ("x", "x")]
    for some, forms in ((kinds, True), (kinds[1:3], True), (kinds[:2], False),
                        (kinds[2:], False)):  # fmt: skip
        assert has_forms(Scores(lambda q, z, kind: q @ z.T, tuple(some))) is forms


def test_a_class_without_an_item_to_fit_on_has_its_prompt():
    """Its items are in the third of four folds."""
    rng = np.random.default_rng(9)
    labels = np.array([2, 0, 1, 3] * 6)
    folds = np.where(labels == 1, "3", np.array(["1", "2", "3", "4"] * 6)[rng.permutation(24)])
    prompts = unit(rng.normal(size=(4, 6)))
    x = unit(prompts[labels] + 0.4 * rng.normal(size=(24, 6)))
    score = ~np.isin(folds, ["1", "2"])
    assert 1 not in labels[~score] and (labels[score] == 1).sum() == 6
    found, _ = grouped_study({"none": METHODS["none"]}, x, prompts[labels], labels, CLASSES, folds,
                             0, 0.95, 0)  # fmt: skip
    value = found.set_index("metric")["value"]
    right = (x[score] @ prompts.T).argmax(axis=1) == labels[score]
    assert 0.5 < right.mean() < 1 and right[labels[score] == 1].any()
    assert value["accuracy"] == value["accuracy_prompt_mean"] == right.mean()


def test_an_accuracy_of_zero_is_a_result_of_every_split():
    """Each item is beside the prompt of the other class."""
    labels = np.repeat([0, 1], 8)
    prompts = np.eye(2, 4)
    x = unit(prompts[1 - labels] + 0.1 * np.random.default_rng(0).normal(size=(16, 4)))
    methods = {"none": METHODS["none"]}
    found, _ = grouped_study(methods, x, prompts[labels], labels, CLASSES, None, 3, 0.8, 0)
    accuracies = found[found["metric"] == "accuracy"].set_index("split")["value"]
    assert accuracies.to_dict() == dict.fromkeys(("even_odd", "half_0", "half_1", "half_2"), 0)


def test_a_study_of_classes_in_any_order_of_its_rows():
    """Prompts are by the number of the class, intervals by class at the confidence that is asked
    for, and groups by the seed."""
    rng = np.random.default_rng(3)
    labels = rng.permutation(np.concatenate([np.repeat(np.arange(5), 9), [4, 4]]))
    assert list(dict.fromkeys(labels)) != sorted({*labels})
    prompts = unit(rng.normal(size=(5, 8)))
    x, y = unit(prompts[labels] + 0.5 * rng.normal(size=(47, 8)) + 0.4), prompts[labels]
    methods = {name: METHODS[name] for name in ("none", "centre", "drop1")}
    seed = 5
    found, changes = grouped_study(methods, x, y, labels, CLASSES, None, 3, 0.8, seed)
    value = found.set_index(["split", "method", "task", "metric"])["value"]
    place = np.array([(labels[:row] == labels[row]).sum() for row in range(47)])
    splits = {"even_odd": place % 2 == 0}
    splits |= dict(list(group_splits(labels, CLASSES, None, 3))[1:])
    accuracy, outcomes = {}, {}
    # For hidden classes, methods are fitted on the items of every second class alone.
    of_hidden = found[found["task"] == "T3o"]
    assert set(of_hidden["n_fit"]) == {(splits["even_odd"] & (labels % 2 == 0)).sum()}
    assert set(of_hidden["n_scored"]) == {(~splits["even_odd"]).sum()}
    for name, fits in splits.items():
        score, means = ~fits, [side[fits].mean(axis=0) for side in (x, y)]
        of = found[(found["split"] == name) & (found["task"] == "T3")]
        assert {*zip(of["n_fit"], of["n_scored"], strict=True)} == {(fits.sum(), score.sum())}
        for method, (of_x, of_y) in (("none", (0, 0)), ("centre", means)):
            a, b = unit(x[score] - of_x), unit(prompts - of_y)
            right = (a @ b.T).argmax(axis=1) == labels[score]
            accuracy[name, method] = right.mean()
            assert value[name, method, "T3", "accuracy"] == pytest.approx(right.mean())
            gap = np.linalg.norm(a.mean(axis=0) - b[labels[score]].mean(axis=0))
            assert value[name, method, "T3", "gap"] == pytest.approx(gap)
            if name == "even_odd":
                fitted = METHODS[method].fitted(x[fits], y[fits])
                outcomes[method] = class_outcome(fitted, x[score], prompts, labels[score], seed)
    of = labels[~splits["even_odd"]]
    twice = np.tile(of, 2)
    for method, outcome in outcomes.items():
        wanted = v_measure_score(twice, outcome.groups)
        assert value["even_odd", method, "T5", "v_measure"] == pytest.approx(wanted)
    wanted = {row["metric"]: row for row in class_differences(methods, outcomes, of, 0.8)}
    rows = changes[changes["method"] == "centre"].set_index("metric")
    assert [*rows.index] == ["accuracy", "map_x", "v_measure"]
    # Holm's correction over two methods: the smaller p twice, and no p below it.
    tested = changes[changes["metric"] == "accuracy"].sort_values("p")
    low, high = tested["p"]
    corrected = [min(1, 2 * low), min(1, max(2 * low, high))]
    assert tested["p_holm"].tolist() == pytest.approx(corrected)
    assert corrected != [low, high]
    for metric, row in wanted.items():
        for column in ("difference", "difference_low", "difference_high", "n"):
            assert rows.loc[metric, column] == pytest.approx(row[column]), (metric, column)
    spread = [accuracy[name, "centre"] - accuracy[name, "none"] for name in list(splits)[1:]]
    assert rows.loc["accuracy", "halves_mean"] == pytest.approx(np.mean(spread))
    assert rows.loc["accuracy", "halves_sd"] == pytest.approx(np.std(spread, ddof=1)) != 0
    assert rows.loc[["map_x", "v_measure"], ["halves_mean", "halves_sd"]].isna().all(axis=None)


def test_the_seed_of_a_study_of_classes_starts_k_means(classes):
    items, prompts, labels = classes
    noisy = unit(items + 0.5 * np.random.default_rng(4).normal(size=items.shape))
    groups = [class_outcome(Maps(), noisy, prompts, labels, seed).groups for seed in (0, 1)]
    wanted = [v_measure_score(np.tile(labels, 2), of) for of in groups]
    assert wanted[0] != wanted[1]
    rows = np.repeat(np.arange(60), 2)  # every second row is fitted on
    for seed in (0, 1):
        found, _ = grouped_study({"none": METHODS["none"]}, noisy[rows], prompts[labels][rows],
                                 labels[rows], CLASSES, None, 0, 0.95, seed)  # fmt: skip
        assert found.set_index("metric").loc["v_measure", "value"] == pytest.approx(wanted[seed])


def test_a_study_of_captions_in_plain_numpy():
    """Of a picture with more captions than others, only as many take part in the mixed forms. A
    method without scores among captions has no forms."""
    rng = np.random.default_rng(5)
    clusters = rng.permutation(np.concatenate([np.repeat(np.arange(9), 2), [3, 4]]))
    pictures = unit(rng.normal(size=(9, 6)))
    x = pictures[clusters]
    y = unit(x + 0.7 * rng.normal(size=x.shape) - 0.5)
    methods = {name: METHODS[name] for name in ("none", "centre", "sinkhorn")}
    found, changes = grouped_study(methods, x, y, clusters, CAPTIONS, None, 2, 0.8, 0)
    forms = {}
    for split, fits in group_splits(clusters, CAPTIONS, None, 2):
        means = [side[fits].mean(axis=0) for side in (x, y)]
        moved = Maps(x=lambda a, of=means[0]: a - of, y=lambda b, of=means[1]: b - of)
        of_score = x[~fits], y[~fits], clusters[~fits]
        forms[split] = {name: by_picture(maps, *of_score)
                        for name, maps in (("none", Maps()), ("centre", moved))}  # fmt: skip
        for name, of in forms[split].items():
            row = found[found["split"].eq(split) & found["method"].eq(name)]
            (row,) = row[row["task"].eq("T2c") & row["metric"].eq("ndcg10")].to_dict("records")
            assert row["value"] == pytest.approx(of["ndcg10"].mean())
            assert (row["n_fit"], row["n_scored"]) == (fits.sum(), (~fits).sum())
    none, centre = (forms["even_odd"][name] for name in ("none", "centre"))
    half = none["ndcg10_0.5"]
    wanted = {
        ("centre", "forms_ndcg10"): centre["ndcg10"] - none["ndcg10"],
        ("none", "half_less_captions"): half - none["ndcg10_0"],
        ("none", "half_less_pictures"): half - none["ndcg10_1"],
    }
    rows = changes.set_index(["method", "metric"])
    assert {*rows.index} == {*wanted}
    for key, each in wanted.items():
        ends = stats.ttest_1samp(each, 0).confidence_interval(0.8)
        row = rows.loc[key, ["difference", "difference_low", "difference_high"]].astype(float)
        assert row.tolist() == pytest.approx([each.mean(), ends.low, ends.high]), key
    spread = [forms[name]["centre"]["ndcg10"].mean() - forms[name]["none"]["ndcg10"].mean()
              for name in ("half_0", "half_1")]  # fmt: skip
    row = rows.loc["centre", "forms_ndcg10"]
    assert row["halves_mean"] == pytest.approx(np.mean(spread))
    assert row["halves_sd"] == pytest.approx(np.std(spread, ddof=1)) != 0
    assert set(found[found["method"] == "sinkhorn"]["task"]) == {"T1c"}
    _, once = grouped_study(methods, x, y, clusters, CAPTIONS, None, 1, 0.8, 0)
    assert once[["halves_mean", "halves_sd"]].isna().all(axis=None)  # one split has no spread
