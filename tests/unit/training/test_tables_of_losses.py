"""The tables and the measures of the study of losses, with numbers worked out here."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.cluster import KMeans
from sklearn.metrics import homogeneity_completeness_v_measure
from small_study import STUDY

from modality_gap.measures.posthoc.ranks import MARGIN
from modality_gap.measures.posthoc.registry import CONE
from modality_gap.measures.separability import linear_separability
from modality_gap.training.loss_measures import (
    at_progress,
    curve_point,
    effective_rank,
    measure_model,
    share_of_first,
    v_measure,
)
from modality_gap.training.loss_tables import (
    COMPARED,
    PAIRED,
    differences,
    is_closed,
    methods_table,
    named_differences,
    paired,
    splits_table,
)
from modality_gap.training.pairs import Pairs
from modality_gap.training.recipes import recipes
from modality_gap.training.xor import xor_differences

METHODS = {
    "clip": {"loss": "clip"},
    "slap": {"loss": "slap", "label": "Predictions"},
    "cold": {
        "loss": "dcl",
        "temperature": {"learnt": 0.05, "largest_scale": 50.0},
        "hidden_layers": 1,
        "dim": 5,
    },
}
ASKED = {**STUDY, "methods": METHODS}
MORE = ("floor", "mean_cosine_a", "mean_cosine_b")


def runs_of(values: dict[tuple[str, int], list[float]], **more: float) -> pd.DataFrame:
    """One row per method, split and seed; every measure has the given value."""
    return pd.DataFrame(
        {
            "method": method,
            "label": method.upper(),
            "split": split,
            "seed": seed,
            **dict.fromkeys((*PAIRED, *MORE), value),
            **more,
        }
        for (method, split), of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    )


CLIP = [0.50, 0.52, 0.47, 0.51]
SLAP = [0.61, 0.66, 0.55, 0.62]
TOWERS = [0.40, 0.47, 0.30, 0.41]
WILD = [9.0, -7.0, 30.0, 4.0]
TABLE = {("clip", 0): CLIP, ("slap", 0): SLAP, ("slap.towers", 0): TOWERS}
ELSEWHERE = {("clip", 1): WILD, ("slap", 1): [1.0, 2.0, 4.0, 9.0], ("slap.towers", 1): WILD}


# --- differences --------------------------------------------------------------------------------


def test_the_mean_of_differences_has_its_t_interval_and_its_p():
    change = np.array([0.3, -0.1, 0.2, 0.5])
    found = paired(change, 0.8)
    low, high = stats.t.interval(0.8, 3, 0.225, stats.sem(change))
    ends = [found[name] for name in ("difference", "difference_low", "difference_high")]
    assert ends == pytest.approx([0.225, low, high])
    assert found["p"] == pytest.approx(stats.ttest_1samp(change, 0).pvalue)
    assert found["n"] == 4
    # The same difference with every seed: certain, and none at all if it is 0.
    assert [paired(np.full(3, value), 0.9)["p"] for value in (0.2, 0.0)] == [0, 1]


def test_differences_are_those_of_the_own_split_with_holm_s_correction():
    table = runs_of(TABLE | ELSEWHERE)
    found = differences(table, recipes(ASKED), ASKED, 0.8)
    assert list(found["method"].unique()) == ["slap", "slap.towers"]
    assert set(found["than"]) == {"clip"} and set(found["n"]) == {4}
    assert list(found["metric"]) == [*PAIRED] * 2
    gaps = found[found["metric"] == "gap"].set_index("method")
    p = {}
    for name, values in (("slap", SLAP), ("slap.towers", TOWERS)):
        change = np.subtract(values, CLIP)
        ends = stats.t.interval(0.8, 3, change.mean(), stats.sem(change))
        told = gaps.loc[name, ["difference", "difference_low", "difference_high"]]
        assert list(told) == pytest.approx([change.mean(), *ends])
        p[name] = stats.ttest_rel(values, CLIP).pvalue
        assert gaps.loc[name, "p"] == pytest.approx(p[name])
    # The smaller p times two; the larger stays, if it is still the larger.
    assert p["slap"] < p["slap.towers"]
    wanted = [2 * p["slap"], max(2 * p["slap"], p["slap.towers"])]
    assert list(gaps["p_holm"]) == pytest.approx(wanted)
    # Where the baseline embeds predictions, its towers are compared with these.
    other = ASKED | {"baseline": "slap"}
    found = differences(table, recipes(other), other, 0.8)
    assert set(zip(found["method"], found["than"], strict=True)) == {
        ("clip", "slap"),
        ("slap.towers", "slap"),
    }


def test_pairs_that_are_named_are_compared_once_and_only_if_both_are_there():
    table = runs_of(TABLE | ELSEWHERE)
    table.loc[table["method"] == "slap.towers", "v_measure"] = [np.nan, *[0.5] * 7]
    pairs = [("clip", "slap.towers"), ("slap", "clip"), ("slap", "absent"), ("slap", "clip")]
    found = named_differences(table, pairs, 0.8)
    gaps = found[found["metric"] == "gap"]
    assert list(zip(gaps["method"], gaps["than"], strict=True)) == pairs[:2]
    wanted = [np.mean(CLIP) - np.mean(TOWERS), np.mean(SLAP) - np.mean(CLIP)]
    assert list(gaps["difference"]) == pytest.approx(wanted)
    p = [stats.ttest_rel(CLIP, TOWERS).pvalue, stats.ttest_rel(SLAP, CLIP).pvalue]
    assert p[0] > p[1]
    assert list(gaps["p_holm"]) == pytest.approx([max(p[0], 2 * p[1]), 2 * p[1]])
    # What a seed of one of them lacks is not compared, and the other pair stays.
    assert list(found.loc[found["metric"] == "v_measure", "method"]) == ["slap"]
    nothing = named_differences(table, pairs[2:3], 0.8)
    assert len(nothing) == 0
    columns = "method than metric difference difference_low difference_high p n unchanged p_holm"
    assert list(found) == list(nothing) == columns.split()
    turned = named_differences(table, pairs[1::-1], 0.8)
    assert list(turned["method"].unique()) == ["slap", "clip"]  # as they are asked for


@pytest.mark.parametrize(("sign", "confidence"), [(1, 0.8), (-1, 0.95)])
def test_unchanged_is_two_one_sided_tests_within_the_margin(sign, confidence):
    shape = sign * np.array([0.1, 0.7, 0.3, 0.5, 0.2])

    def proven(change: np.ndarray) -> bool:
        above = stats.ttest_1samp(change, -MARGIN, alternative="greater").pvalue
        below = stats.ttest_1samp(change, MARGIN, alternative="less").pvalue
        return max(above, below) < 1 - confidence

    scales = np.linspace(0.2, 3, 29) * MARGIN
    last = max(scale for scale in scales if proven(scale * shape))
    assert scales[0] < last < scales[-1]
    for scale, wanted in ((last, True), (last + 0.1 * MARGIN, False)):
        table = runs_of({("clip", 0): [0.0] * 5, ("slap", 0): list(scale * shape)})
        found = differences(table, recipes(ASKED), ASKED, confidence).set_index("metric")
        assert set(found.index[found["unchanged"].astype(bool)]) == (
            {"recall1", "zero_shot"} if wanted else set()
        )


def test_each_split_has_its_difference_and_none_where_a_seed_has_none():
    table = runs_of({**ELSEWHERE, **TABLE})
    lacking = (table["method"] == "slap") & (table["split"] == 1) & (table["seed"] == 2)
    table.loc[lacking, "rmg"] = np.nan
    found = splits_table(table, recipes(ASKED), ASKED).set_index(["method", "split", "metric"])
    wanted = {
        ("slap", 0): np.mean(SLAP) - np.mean(CLIP),
        ("slap", 1): 4 - 9,
        ("slap.towers", 0): np.mean(TOWERS) - np.mean(CLIP),
        ("slap.towers", 1): 0,
    }
    for place, difference in wanted.items():
        assert found.loc[(*place, "gap"), "difference"] == pytest.approx(difference)
        assert list(found.loc[(*place, "gap"), ["than", "n"]]) == ["clip", 4]
    assert np.isnan(found.loc[("slap", 1, "rmg"), "difference"])
    assert len(found) == len(wanted) * len(PAIRED)


def test_three_modalities_are_compared_with_pairs_seed_by_seed():
    values = {
        "symile": [1.0, 1.0, 0.75, 1.0],
        "gram": [0.5, 0.75, 1.0, 1.0],
        "pairwise": [0.5, 0.75, 0.5, 0.25],
    }
    rows = [
        {"loss": loss, "seed": seed, "accuracy": of[seed]}
        for seed in (2, 0, 3, 1)
        for loss, of in values.items()
    ]
    found = xor_differences(pd.DataFrame(rows), 0.9)
    assert list(found["loss"]) == ["symile", "gram"] and set(found["than"]) == {"pairwise"}
    for _, row in found.iterrows():
        change = np.subtract(values[row["loss"]], values["pairwise"])
        assert row["accuracy"] == pytest.approx(np.mean(values[row["loss"]]))
        assert row["accuracy_than"] == pytest.approx(0.5)
        ends = stats.t.interval(0.9, 3, change.mean(), stats.sem(change))
        told = row[["difference", "difference_low", "difference_high"]].astype(float)
        assert list(told) == pytest.approx([change.mean(), *ends])
        assert row["n"] == 4


# --- methods ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap", "floor", "low", "high", "closed"),
    [
        (0.9, 0.1, -0.1, 0.2, True),  # the interval covers 0
        (0.9, 0.1, 0.0, 0.2, True),
        (0.9, 0.1, -0.2, 0.0, True),
        (0.2, 0.1, 0.01, 0.05, True),  # twice the floor
        (0.21, 0.1, 0.01, 0.05, False),
        (0.9, 0.1, 0.1, 0.2, False),
        (0.9, 0.1, -0.2, -0.1, False),
    ],
)
def test_a_gap_is_closed_at_twice_its_floor_or_where_its_interval_covers_0(
    gap, floor, low, high, closed
):
    assert is_closed(gap, floor, low, high) == closed


def test_the_table_of_methods_says_how_each_was_trained_and_what_its_gap_is():
    values = {("clip", 0): CLIP, ("slap", 0): SLAP, ("slap.towers", 0): TOWERS, ("cold", 0): CLIP}
    table = runs_of(values | ELSEWHERE)
    # A cone has a mean cosine of .8 over both sides; one side alone is no cone.
    of = {"clip": (0.7, 0.92, 0.1), "slap": (0.95, 0.6, 0.31), "cold": (0.6, 0.97, 0.05)}
    for name, (a, b, floor) in of.items():
        table.loc[table["method"] == name, ["mean_cosine_a", "mean_cosine_b", "floor"]] = (
            a,
            b,
            floor,
        )
    table["floor"] *= table["seed"].map({0: 0.5, 1: 1.5, 2: 1.2, 3: 0.8})
    # The mean over the seeds decides: three of four are lower.
    for side in "ab":
        table[f"mean_cosine_{side}"] += table["seed"].map({0: 0.09}).fillna(-0.03)
    table["gap_squared"] = table["gap"] - 0.4
    names = ("clip", "slap", "cold")
    traits = {name: {"sign_blind": name == "cold", "raw": name == "slap"} for name in names}
    found = methods_table(table, recipes(ASKED), traits, ASKED, 0.8).set_index("method")
    assert list(found.index) == ["clip", "slap", "slap.towers", "cold"]
    assert list(found["label"]) == ["CLIP", "SLAP", "SLAP.TOWERS", "COLD"]
    assert list(found["loss"]) == ["clip", "slap", "slap", "dcl"]
    assert list(found["source"].str.partition(" ")[0]) == ["CLIP", "SLAP", "SLAP", "DCL"]
    assert list(found["temperature_setting"]) == [
        *["fixed 0.01"] * 3,
        "learnt 0.05, largest_scale 50",
    ]
    assert list(found["hidden_layers"]) == [0, 0, 0, 1] and list(found["dim"]) == [6, 6, 6, 5]
    assert list(found["passes"]) == [1, 2, 2, 1] and set(found["n"]) == {4}
    assert list(found["than"]) == ["clip"] * 4
    assert list(found["same_temperature"]) == [True, True, True, False]
    assert list(found["embedded"]) == ["towers", "predictions", "towers", "towers"]
    assert list(found["sign_blind"]) == [False, False, False, True]
    assert list(found["raw"]) == [False, True, True, False]
    for name, given in (("clip", CLIP), ("slap", SLAP), ("slap.towers", TOWERS)):
        squares = np.array(given) - 0.4
        ends = stats.t.interval(0.8, 3, squares.mean(), stats.sem(squares))
        told = found.loc[name, ["gap", "gap_squared", "gap_squared_low", "gap_squared_high"]]
        assert list(told.astype(float)) == pytest.approx([np.mean(given), squares.mean(), *ends])
    assert list(found["floor"][["clip", "slap"]]) == pytest.approx([0.1, 0.31])
    # Of slap the gap is below twice the floor; of its towers the interval covers 0.
    assert list(found["closed"]) == [False, True, True, False]
    assert list(found["one_cone"]) == [True, False, False, False]
    exact = table.assign(mean_cosine_a=CONE, mean_cosine_b=CONE)
    assert methods_table(exact, recipes(ASKED), traits, ASKED, 0.8)["one_cone"].all()


# --- measures -----------------------------------------------------------------------------------


class Straight(torch.nn.Module):
    """Passes the inputs on."""

    def forward(self, a, b):
        return a, b


@pytest.fixture(scope="module")
def given() -> tuple[Pairs, np.ndarray, np.ndarray]:
    """60 pairs of 6 dimensions, of which 24 in mixed order are held out."""
    rng = np.random.default_rng(4)
    hidden = rng.normal(size=(60, 6))
    x, y = (hidden + rng.normal(size=(60, 6)) * noise for noise in (0.9, 1.6))
    x, y = x + np.eye(6)[0], y - np.eye(6)[1] / 2
    x, y = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, y))
    rows = rng.permutation(60)
    sides = [torch.from_numpy(side) for side in (x, y)]
    return Pairs(*sides, torch.from_numpy(rows[24:]), torch.from_numpy(rows[:24])), x, y


def recalls(x: np.ndarray, y: np.ndarray, k: int) -> list[float]:
    cosines = x @ y.T
    return [
        float(np.mean([(row > row[i]).sum() < k for i, row in enumerate(matrix)]))
        for matrix in (cosines, cosines.T)
    ]


def test_every_measure_is_of_its_side_and_of_its_pairs(given):
    pairs, all_x, all_y = given
    labels = np.arange(24) % 3
    row = measure_model(Straight(), pairs, labels, 3)
    x, y = all_x[pairs.test.numpy()], all_y[pairs.test.numpy()]
    train = [side[pairs.train.numpy()].mean(axis=0) for side in (all_x, all_y)]
    assert row["train_gap"] == pytest.approx(np.linalg.norm(train[0] - train[1]))
    off = [(i, j) for i in range(24) for j in range(24) if i != j]
    for name, one, other in (("a", x, x), ("b", y, y), ("across", x, y)):
        cosines = np.array([one[i] @ other[j] for i, j in off])
        assert row[f"mean_cosine_{name}"] == pytest.approx(cosines.mean())
        potential = np.log(np.mean(np.exp(-2 * (2 - 2 * cosines))))  # of squared distances
        assert row[f"uniformity_{name}"] == pytest.approx(potential)
    assert row["alignment"] == pytest.approx(((x - y) ** 2).sum(axis=1).mean())
    for k in (1, 5, 10):
        wanted = recalls(x, y, k)
        assert wanted[0] != wanted[1]
        assert [row[f"recall{k}_ab"], row[f"recall{k}_ba"]] == pytest.approx(wanted)
    assert row["recall1"] == pytest.approx(np.mean(recalls(x, y, 1)))
    sizes = np.abs(x @ y.T)
    absolute = [(sizes.argmax(axis=k) == np.arange(24)).mean() for k in (0, 1)]
    assert row["recall1_absolute"] == pytest.approx(np.mean(absolute)) != row["recall1"]
    ranks = [row[f"effective_rank_{side}"] for side in "ab"]
    assert ranks == pytest.approx([effective_rank(x), effective_rank(y)])
    assert row["separability"] == linear_separability(x, y, 3)
    assert row["v_measure"] == v_measure(x, y, labels, 3)
    assert np.isnan(row["rank_variance"])  # every picture has one caption


def test_the_captions_of_a_picture_rank_it_among_all_pictures():
    rng = np.random.default_rng(3)
    picture = np.array([0, 1, 1, 2, 0, 2, 2])
    pictures, y = (
        rows / np.linalg.norm(rows, axis=1, keepdims=True)
        for rows in (rng.normal(size=(n, 4)) for n in (3, 7))
    )
    sides = [torch.from_numpy(side) for side in (pictures[picture], y)]
    row = measure_model(Straight(), Pairs(*sides, torch.arange(7), torch.arange(7)), None, 3)
    cosines = pictures @ y.T
    ranks = (cosines > cosines[picture, np.arange(7)]).sum(axis=0)
    variances = [ranks[picture == k].var() for k in range(3)]
    assert row["rank_variance"] == pytest.approx(np.mean(variances)) != 0
    assert np.isnan(row["v_measure"])  # no groups are given


def test_a_point_of_the_curve_has_the_gap_and_the_recalls_of_both_parts(given):
    pairs, x, y = given
    test, train = pairs.test.numpy(), pairs.train.numpy()
    point = curve_point(7, Straight(), pairs)
    assert point["step"] == 7
    centres = [side[test].mean(axis=0) for side in (x, y)]
    assert point["gap"] == pytest.approx(np.linalg.norm(centres[0] - centres[1]))
    for name, rows in (("recall1", test), ("train_recall1", train)):
        wanted = recalls(x[rows], y[rows], 1)
        assert wanted[0] != wanted[1]
        assert point[name] == pytest.approx(np.mean(wanted))


def test_a_tie_for_the_first_place_is_shared():
    scores = np.array([[0.5, 0.5, 0.1], [0.5, 0.4, 0.3], [0.9, 0.2, 0.9]])
    # Rows: 1/2 of two, none, 1/2; columns: none, none, 1.
    assert share_of_first(scores) == pytest.approx((1 / 3, 1 / 3))
    # Rows: 1/2, 1/2; columns: 1, 1.
    assert share_of_first(np.array([[0.5, 0.5], [0.2, 0.2]])) == pytest.approx((0.5, 0.5))
    assert share_of_first(np.array([[0.5, 0.1], [0.5, 0.6]])) == pytest.approx((1.0, 0.75))


def test_a_run_that_begins_at_the_recall_has_no_gap_at_equal_progress():
    curve = [{"gap": 1.0, "train_recall1": 0.5}, {"gap": 0.4, "train_recall1": 0.9}]
    assert np.isnan(at_progress(curve))
    assert at_progress(curve, 0.6) == pytest.approx(1 - 0.6 / 4)


def test_the_v_measure_of_planted_clusters():
    """Three clusters that are the groups; then two that cut across two groups."""
    rng = np.random.default_rng(0)
    centres = 20 * np.eye(3)
    labels = np.repeat(["b", "a", "c"], [4, 8, 8])
    which = np.repeat([0, 1, 2], [4, 8, 8])
    x, y = (centres[which] + 0.1 * rng.normal(size=(20, 3)) for _ in range(2))
    assert v_measure(x, y, labels, 0) == pytest.approx(1)
    # Two groups of 4 and 16 pairs, and two clusters of 12 and 8; the first group is in the first.
    groups = np.where(labels == "c", "a", labels)
    moved = np.where(labels == "c", 2, 1)
    x, y = (centres[moved] + 0.1 * rng.normal(size=(20, 3)) for _ in range(2))
    joint = np.array([[4, 0], [8, 8]]) / 20

    def entropy(p: np.ndarray) -> float:
        p = p[p > 0]
        return -(p * np.log(p)).sum()

    of_groups, of_clusters = entropy(joint.sum(axis=1)), entropy(joint.sum(axis=0))
    shared = of_groups + of_clusters - entropy(joint.ravel())
    wanted = 2 * shared / (of_groups + of_clusters)
    assert v_measure(x, y, groups, 0) == pytest.approx(wanted)


def test_the_v_measure_is_of_the_best_of_ten_starts_of_the_seed():
    x, y = np.random.default_rng(1).normal(size=(2, 30, 4))
    labels = np.arange(30) % 9

    def plain(seed: int, starts: int) -> float:
        found = KMeans(9, n_init=starts, random_state=seed).fit(np.concatenate([x, y]))
        return homogeneity_completeness_v_measure([*labels, *labels], found.labels_)[2]

    wanted = plain(5, 10)
    assert wanted not in (plain(0, 10), plain(5, 1))
    assert v_measure(x, y, labels, 5) == pytest.approx(wanted)


def test_all_metrics_that_are_compared_have_a_difference():
    assert {*COMPARED} < {*PAIRED}
    assert len(PAIRED) == len({*PAIRED})
