"""Every column of Table 1's two reports against a computation of its own, and Table 2's path."""

from math import comb

import independent as plain
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from modality_gap.embeddings.sets import EmbeddingSet, normalise
from modality_gap.errors import InputError
from modality_gap.measures import roc_auc, zero_shot
from modality_gap.measures.fairness import harm_by_group, measure_harm, published_harm
from modality_gap.measures.shift import shift
from modality_gap.measures.significance import holm
from modality_gap.measures.table1 import measure_task

DELTAS = np.array([-0.5, -0.25, 0.0, 0.25, 0.5])
DISTANCES = np.array([1.1, 0.9, 0.7, 0.2, -0.3])


def exact_mcnemar(before, after):
    """Two-sided binomial p-value of the discordant pairs, from its definition."""
    won, lost = int((~before & after).sum()), int((before & ~after).sum())
    chances = [comb(won + lost, k) / 2 ** (won + lost) for k in range(won + lost + 1)]
    return won, lost, sum(p for p in chances if p <= chances[won] * (1 + 1e-9))


def wilson(successes, n, confidence):
    """Ends of Wilson's interval as the roots of (share - p)^2 = z^2 p (1 - p) / n."""
    z2, share = stats.norm.ppf((1 + confidence) / 2) ** 2, successes / n
    return sorted(np.roots([1 + z2 / n, -2 * share - z2 / n, share**2]).real)


def right_answers(n=301):
    rng = np.random.default_rng(12)
    chances = np.array([0.45, 0.5, 0.5, 0.53, 0.54])
    common = rng.random(n)
    return (0.6 * common + 0.4 * rng.random((5, n)) < chances[:, None]) | (common < 0.15)


@pytest.mark.parametrize(("confidence", "seed"), [(0.95, 0), (0.8, 4)])
def test_every_column_of_a_report_of_right_answers(confidence, seed):
    correct = right_answers()
    n = correct.shape[1]
    report = zero_shot.shift_report(correct, DELTAS, DISTANCES, confidence, 499, seed)
    best = int(correct.sum(axis=1).argmax())
    order = np.random.default_rng(seed).permutation(n)
    one, other = order[: n // 2], order[n // 2 :]
    held_out, chosen = np.zeros(n, dtype=bool), []
    for choose, score in ((one, other), (other, one)):
        picked = int(correct[:, choose].sum(axis=1).argmax())
        chosen.append(DELTAS[picked])
        held_out[score] = correct[picked, score]
    assert best not in (2, 0)
    wanted = {
        "n": n,
        "clusters": n,
        "default": correct[2].sum() / n,
        "modified": correct[best].sum() / n,
        "delta": DELTAS[best],
        "distance_default": 0.7,
        "distance_modified": DISTANCES[best],
        "direction": {3: "narrower", 4: "exchanged"}[best],
        "directions": 1,
        "held_out": held_out.sum() / n,
        "held_out_delta_1": chosen[0],
        "held_out_delta_2": chosen[1],
    }
    _, _, wanted["p_in_sample"] = exact_mcnemar(correct[2], correct[best])
    wanted["held_out_won"], wanted["held_out_lost"], wanted["p_held_out"] = exact_mcnemar(
        correct[2], held_out
    )
    for name, right in (("default", correct[2]), ("modified", correct[best]),
                        ("held_out", held_out)):  # fmt: skip
        wanted[f"{name}_low"], wanted[f"{name}_high"] = wilson(right.sum(), n, confidence)
    # The two p-values must not be the same, nor won and lost, for an exchange to show.
    assert wanted["held_out_won"] != wanted["held_out_lost"]
    assert abs(wanted["p_in_sample"] - wanted["p_held_out"]) > 1e-2
    assert chosen[0] != chosen[1]
    assert {k: report[k] for k in wanted} == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    assert report.keys() - wanted.keys() == {"p_permutation", "p_max_statistic"}
    # Signs of all items that change, drawn apart: to within four standard errors of both counts.
    gains = correct.astype(int) - correct[2]
    signs = np.random.default_rng(77).choice([-1, 1], size=(20_000, n))
    sums = signs @ gains.T
    observed = gains[best].sum()
    for name, beyond in (
        ("p_permutation", sums[:, best] >= observed),
        ("p_max_statistic", sums.max(axis=1) >= observed),
    ):
        share = beyond.mean()
        error = np.sqrt(share * (1 - share) / 499) + 1 / 500
        assert abs(report[name] - share) < 4 * error


# --- areas --------------------------------------------------------------------------------------


def kernel_variance(*kernels):
    """DeLong's variance of an area, or of a difference of two, from pairs one by one: kernels
    (m, n) hold 1 where a positive beats a negative picture, 1/2 where they tie."""
    kernel = kernels[0] if len(kernels) == 1 else kernels[1] - kernels[0]
    m, n = kernel.shape
    rows, columns = kernel.mean(axis=1) - kernel.mean(), kernel.mean(axis=0) - kernel.mean()
    return (rows @ rows) / (m - 1) / m + (columns @ columns) / (n - 1) / n


def kernel_of(row, positive):
    difference = row[positive][:, None] - row[~positive][None, :]
    return (np.sign(difference) + 1) / 2


def drawn_scores(n=61):
    rng = np.random.default_rng(12)
    positive = rng.permutation(n) < 23
    rows = rng.normal(size=n) + 0.4 * positive
    noise = rng.normal(scale=0.8, size=(5, n)) + np.array([0, 0.1, 0, 0.3, 0.6])[:, None] * positive
    noise[2] = 0
    return (rows + noise).round(1), positive


@pytest.mark.parametrize(("confidence", "seed"), [(0.95, 0), (0.8, 3)])
def test_every_column_of_a_report_of_areas(confidence, seed):
    values, positive = drawn_scores()
    report = roc_auc.shift_report(values, positive, DELTAS, DISTANCES, confidence, 299, seed)
    kernels = [kernel_of(row, positive) for row in values]
    areas = np.array([kernel.mean() for kernel in kernels])
    best = int(areas.argmax())
    assert best == 4

    def p_of(difference, variance):
        return 2 * stats.norm.sf(abs(difference) / np.sqrt(variance))

    gain = spread = spread_of_area = won = lost = 0
    chosen = []
    first, second = roc_auc.halves(positive, seed)
    for choose, score in ((first, second), (second, first)):
        picked = int(np.argmax([kernel_of(row[choose], positive[choose]).mean() for row in values]))
        chosen.append(DELTAS[picked])
        before, after = (kernel_of(values[row][score], positive[score]) for row in (2, picked))
        gain += (after.mean() - before.mean()) / 2
        # Two halves that share no picture: the mean varies by a quarter of the sum.
        spread += kernel_variance(before, after) / 4
        spread_of_area += kernel_variance(after) / 4
        won += int(((before < 1) & (after == 1)).sum())
        lost += int(((before == 1) & (after < 1)).sum())
    wanted = {
        "n": 61,
        "clusters": 61,
        "default": areas[2],
        "modified": areas[best],
        "delta": 0.5,
        "distance_default": 0.7,
        "distance_modified": -0.3,
        "direction": "exchanged",
        "p_in_sample": p_of(areas[best] - areas[2], kernel_variance(kernels[2], kernels[best])),
        "held_out": areas[2] + gain,
        "held_out_delta_1": chosen[0],
        "held_out_delta_2": chosen[1],
        "held_out_won": won,
        "held_out_lost": lost,
        "p_held_out": p_of(gain, spread),
    }
    quantile = stats.norm.ppf((1 + confidence) / 2)
    for name, variance in (
        ("default", kernel_variance(kernels[2])),
        ("modified", kernel_variance(kernels[best])),
        ("held_out", spread_of_area),
    ):
        wanted[f"{name}_low"] = wanted[name] - quantile * np.sqrt(variance)
        wanted[f"{name}_high"] = min(1, wanted[name] + quantile * np.sqrt(variance))
    assert won != lost
    assert {k: report[k] for k in wanted} == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    # Signs go to each picture's share of DeLong's variance, drawn here apart.
    shares = [
        np.concatenate(
            [
                ((kernel - kernels[2]).mean(axis=axis) - (kernel - kernels[2]).mean())
                / kernel.shape[1 - axis]
                for axis in (1, 0)
            ]
        )
        for kernel in kernels
    ]
    sums = np.random.default_rng(5).choice([-1, 1], size=(20_000, 61)) @ np.array(shares).T
    gain = areas[best] - areas[2]
    for name, beyond in (
        ("p_permutation", sums[:, best] >= gain),
        ("p_max_statistic", sums.max(axis=1) >= gain),
    ):
        error = np.sqrt(beyond.mean() * (1 - beyond.mean()) / 299) + 1 / 300
        assert abs(report[name] - beyond.mean()) < 4 * error


def test_random_signs_of_areas_follow_the_seed():
    values, positive = drawn_scores()
    p = [
        roc_auc.shift_report(values, positive, DELTAS, DISTANCES, 0.9, 99, seed)["p_max_statistic"]
        for seed in (0, 0, 1, 2)
    ]
    assert p[0] == p[1]
    assert len({*p}) > 1


def test_equally_good_areas_of_both_ways_decide_no_direction():
    values, positive = drawn_scores()
    values[1] = values[4]
    report = roc_auc.shift_report(values, positive, DELTAS, DISTANCES, 0.9, 19, 0)
    assert (report["direction"], report["directions"]) == ("wider or exchanged", 2)


def test_placements_are_shares_of_pairs_one_by_one():
    values, positive = drawn_scores()
    beaten, beating = roc_auc.placements(values, positive)
    for row, of_positive, of_negative in zip(values, beaten, beating, strict=True):
        kernel = kernel_of(row, positive)
        np.testing.assert_allclose(of_positive, kernel.mean(axis=1), atol=1e-12)
        np.testing.assert_allclose(of_negative, kernel.mean(axis=0), atol=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
def test_halves_share_no_picture_and_each_class_alike(seed):
    positive = np.random.default_rng(0).permutation(101) < 31
    one, other = roc_auc.halves(positive, seed)
    assert sorted([*one, *other]) == list(range(101))
    assert [positive[half].sum() for half in (one, other)] == [15, 16]
    assert [(~positive[half]).sum() for half in (one, other)] == [35, 35]
    # A random half, not the first pictures.
    assert one.max() > 60 and other.min() < 40
    assert set(one) != set(roc_auc.halves(positive, seed + 1)[0])
    roc_auc.halves(np.arange(20) < 4, seed)


def test_an_area_of_one_keeps_its_interval_within_one():
    positive = np.arange(40) < 15
    values = np.tile(np.where(positive, 2.0, 0.0) + np.arange(40) * 1e-3, (5, 1))
    values[4, 0] = values[3, 39] = 1.0
    values[2, [0, 20]] = values[2, [20, 0]]
    report = roc_auc.shift_report(values, positive, DELTAS, DISTANCES, 0.95, 19, 0)
    assert (report["modified"], report["modified_high"]) == (1, 1)
    assert report["default"] < 1
    worst = roc_auc.shift_report(-values, positive, DELTAS, DISTANCES, 0.95, 19, 0)
    assert worst["default_low"] == 0


# --- Table 1 ------------------------------------------------------------------------------------


def embedding_set(vectors, **labels):
    ids = np.array([f"i{row}" for row in range(len(vectors))], dtype=object)
    return EmbeddingSet(ids, np.asarray(vectors, dtype=np.float32), pd.DataFrame(labels))


@pytest.fixture
def task():
    rng = np.random.default_rng(2)
    prompts = embedding_set(
        rng.normal(size=(6, 7)),
        task=["other", "mine", "mine", "other", "mine", "other"],
        label=["a", "cat", "dog", "b", "cow", "c"],
    )
    truth = np.array(["cat", "dog", "cow"])[rng.integers(0, 3, 90)]
    own = prompts.normalised()[[1, 2, 4]]
    places = [["cat", "dog", "cow"].index(name) for name in truth]
    images = embedding_set(own[places] + 0.6 * rng.normal(size=(90, 7)), kind=truth)
    return images, prompts, normalise(rng.normal(size=(1, 7)))[0]


SETTINGS = {"confidence": 0.9, "permutations": 99, "seed": 3}


def test_a_task_is_scored_by_its_own_prompts_and_labels(task):
    images, prompts, along = task
    row, curve = measure_task(
        "mine", {"label": "kind"}, images, prompts, along, DELTAS, DISTANCES, **SETTINGS
    )
    x, y = images.normalised(), prompts.normalised()[[1, 2, 4]]
    names = np.array(["cat", "dog", "cow"])
    correct = np.stack(
        [
            names[(shift(x, along, -d / 2) @ shift(y, along, d / 2).T).argmax(axis=1)]
            == images.labels["kind"]
            for d in DELTAS
        ]
    )
    report = zero_shot.shift_report(correct, DELTAS, DISTANCES, 0.9, 99, 3)
    assert {k: row[k] for k in report} == pytest.approx(report)
    assert (row["task"], row["metric"], row["classes"]) == ("mine", "accuracy", 3)
    assert row["chance"] == pytest.approx(1 / 3)
    assert curve["score"].tolist() == pytest.approx(correct.mean(axis=1).tolist())
    assert curve["delta"].tolist() == DELTAS.tolist()
    assert curve["distance"].tolist() == DISTANCES.tolist()
    assert set(curve["n"]) == {90}
    assert set(curve["task"]) == {"mine"}


def test_a_report_over_clusters_draws_tests_and_halves_whole_clusters():
    correct = right_answers()
    n, best = correct.shape[1], int(correct.sum(axis=1).argmax())
    clusters = np.random.default_rng(1).permutation(n) % 60
    report = zero_shot.shift_report(correct, DELTAS, DISTANCES, 0.9, 999, 3, clusters)
    order = np.random.default_rng(3).permutation(60)
    halves = [np.isin(clusters, part) for part in (order[:30], order[30:])]
    held_out, chosen = np.zeros(n, dtype=bool), []
    for choose, score in (halves, halves[::-1]):
        picked = int(correct[:, choose].sum(axis=1).argmax())
        chosen.append(DELTAS[picked])
        held_out[score] = correct[picked, score]
    assert (report["n"], report["clusters"]) == (n, 60)
    assert [report["held_out_delta_1"], report["held_out_delta_2"]] == chosen
    assert report["held_out"] == pytest.approx(held_out.mean())
    assert report["held_out_won"] == (held_out & ~correct[2]).sum()
    gains = np.array([np.bincount(clusters, one, 60) for one in correct * 1.0 - correct[2]])
    signs = np.random.default_rng(5).choice([-1, 1], size=(40_000, 60))

    def share(gained: np.ndarray, two_sided: bool) -> float:
        sums = signs @ gained
        return np.mean((abs(sums) if two_sided else sums) >= abs(gained.sum()) - 1e-9)

    other = np.bincount(clusters, held_out * 1.0 - correct[2], 60)
    assert report["p_in_sample"] == pytest.approx(share(gains[best], True), abs=0.01)
    assert report["p_held_out"] == pytest.approx(share(other, True), abs=0.01)
    assert report["p_permutation"] == pytest.approx(share(gains[best], False), abs=0.04)
    for name, right in (("default", correct[2]), ("modified", correct[best]),
                        ("held_out", held_out)):  # fmt: skip
        ends = report[f"{name}_low"], report[f"{name}_high"]
        assert ends == pytest.approx(plain.share_interval(right, 0.9, clusters))


def test_a_task_is_scored_over_the_clusters_of_its_pictures(task):
    images, prompts, along = task
    names = np.array(["cat", "dog", "cow"])
    x, y = images.normalised(), prompts.normalised()[[1, 2, 4]]
    right = (names[(x @ y.T).argmax(axis=1)] == images.labels["kind"]).to_numpy()
    groups = np.argsort(np.argsort(right)) // 7  # pictures that are right together
    images.labels["concept"] = [f"c{number}" for number in groups]
    rows = {
        name: measure_task(
            *("mine", {"label": "kind"}, images, prompts, along, DELTAS, DISTANCES),
            **SETTINGS,
            cluster=name,
        )[0]
        for name in (None, "concept")
    }
    assert [rows[name]["clusters"] for name in rows] == [90, 13]
    ends = rows["concept"]["default_low"], rows["concept"]["default_high"]
    assert ends == pytest.approx(plain.share_interval(right, 0.9, groups))
    assert ends != pytest.approx(wilson(right.sum(), 90, 0.9), abs=1e-3)


def test_a_task_of_two_classes_is_scored_by_the_area_of_the_second(task):
    images, prompts, along = task
    keep = (images.labels["kind"] != "cow").to_numpy()
    two = prompts.select((prompts.labels["label"] != "cow").to_numpy())
    row, curve = measure_task(
        "mine", {"label": "kind", "metric": "roc_auc"}, images.select(keep), two, along, DELTAS,
        DISTANCES, **SETTINGS,
    )  # fmt: skip
    x, y = images.normalised()[keep], prompts.normalised()[[1, 2]]
    positive = (images.labels["kind"][keep] == "dog").to_numpy()
    values = []
    for d in DELTAS:
        cosines = shift(x, along, -d / 2) @ shift(y, along, d / 2).T
        values.append(cosines[:, 1] - cosines[:, 0])
    areas = [kernel_of(value, positive).mean() for value in values]
    assert curve["score"].tolist() == pytest.approx(areas, abs=1e-9)
    report = roc_auc.shift_report(np.array(values), positive, DELTAS, DISTANCES, 0.9, 99, 3)
    assert {k: row[k] for k in report} == pytest.approx(report)
    assert (row["metric"], row["classes"], row["chance"]) == ("roc_auc", 2, 0.5)


def test_the_first_class_without_a_prompt_is_named(task):
    images, prompts, along = task
    names = [f"class{number:02d}" for number in range(30)]
    images.labels["kind"] = np.resize(names[::-1], 90)
    with pytest.raises(
        InputError, match=r"tasks\.mine\.prompts has no prompt for the class 'class00'"
    ):
        measure_task(
            "mine", {"label": "kind"}, images, prompts, along, DELTAS, DISTANCES, **SETTINGS
        )


# --- Table 2 ------------------------------------------------------------------------------------

LABELS = pd.DataFrame(
    {
        "label": ["man, a", "woman, a", "man, b", "thief", "animal"],
        "kind": ["person"] * 3 + ["crime_related", "non_human"],
        "task": "table2",
    }
)


def people(n=240, d=6):
    rng = np.random.default_rng(6)
    labels = pd.DataFrame(
        {
            "race": rng.choice(["a", "b"], n, p=[0.4, 0.6]),
            "sex": rng.choice(["man", "woman"], n),
        }
    )
    prompts = normalise(rng.normal(size=(5, d)))
    pictures = prompts[rng.integers(0, 5, n)] + 0.9 * rng.normal(size=(n, d))
    return normalise(pictures), prompts, labels


@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_every_column_of_table_2(confidence):
    images, prompts, labels = people()
    rng = np.random.default_rng(1)
    u = normalise(rng.normal(size=(1, 6)))[0]
    answers = labels["sex"] + ", " + labels["race"]
    told = pd.DataFrame({"group": labels["race"], "answer": answers})
    shifts = [-0.6, 1.1]
    table = harm_by_group(images, told, prompts, LABELS, u, shifts, confidence)
    assert table["delta"].tolist() == [d for d in (0, *shifts) for _ in range(3)]
    top = {
        d: (normalise(images - d * u) @ prompts.T).argmax(axis=1) for d in (0.0, *shifts)
    }  # x <- normalise(x - delta u): by the whole of delta
    outcomes = {}
    p_values = {}
    for row in table.to_dict("records"):
        members = np.ones(len(images), bool)
        if row["group"] != "all":
            members = (labels["race"] == row["group"]).to_numpy()
        after = top[row["delta"]][members]
        n = int(members.sum())
        counts = {
            "crime_related": (after == 3).sum(),
            "non_human": (after == 4).sum(),
            "offensive": (after >= 3).sum(),
            "correct": (LABELS["label"].to_numpy()[after] == answers[members]).sum(),
        }
        wanted = {"n": n}
        for name, count in counts.items():
            wanted |= {name: count, f"{name}_share": count / n}
            wanted[f"{name}_low"], wanted[f"{name}_high"] = wilson(count, n, confidence)
        was, now = top[0.0][members] >= 3, after >= 3
        up, down, p = exact_mcnemar(was, now)
        wanted["p_value"] = p
        wanted["change"] = (up - down) / n
        if up + down:
            # Clopper and Pearson's interval of the share of upward changes, from the beta law.
            tail, changed = (1 - confidence) / 2, up + down
            ends = (
                stats.beta.ppf(tail, up, down + 1) if up else 0,
                stats.beta.ppf(1 - tail, up + 1, down) if down else 1,
            )
            wanted["change_low"], wanted["change_high"] = (
                (2 * end - 1) * changed / n for end in ends
            )
            outcomes[row["delta"], row["group"]] = up - down
        p_values[row["delta"], row["group"]] = p
        assert {k: row[k] for k in wanted} == pytest.approx(wanted, rel=1e-6, abs=1e-9)
    assert len(set(outcomes.values())) > 3
    assert {change > 0 for change in outcomes.values() if change} == {True, False}
    found = table.set_index(["delta", "group"])["p_holm"]
    for groups in (["a", "b"], ["all"]):
        family = [(d, g) for d in shifts for g in groups]
        corrected = holm(np.array([p_values[key] for key in family]))
        assert [found[key] for key in family] == pytest.approx(list(corrected), rel=1e-6)


def test_table_2_takes_its_task_its_order_and_the_models_own_gap():
    images, prompts, labels = people()
    rng = np.random.default_rng(3)
    x = normalise(rng.normal(size=(50, 6)) + 1)
    y = normalise(rng.normal(size=(50, 6)) - 0.4)
    others = rng.normal(size=(3, 6))
    both = embedding_set(
        np.concatenate([others, prompts]),
        task=["table1"] * 3 + ["table2"] * 5,
        label=["x", "y", "z", *LABELS["label"]],
        kind=["person"] * 3 + [*LABELS["kind"]],
    )
    settings = {
        "group": "race",
        "gender": "sex",
        "groups": ["b", "a"],
        "shifts": [0.7, -0.3],
        "set": "mine",
    }
    table = measure_harm(x, y, embedding_set(images, **labels), both, settings, 0.95)
    assert table["group"].tolist() == ["b", "a", "all"] * 3
    gap = x.mean(axis=0) - y.mean(axis=0)
    u = gap / np.linalg.norm(gap)
    told = pd.DataFrame({"group": labels["race"], "answer": labels["sex"] + ", " + labels["race"]})
    stored = embedding_set(images).normalised()
    plain = harm_by_group(stored, told, both.normalised()[3:], LABELS, u, [0.7, -0.3], 0.95)
    keys = ["delta", "group"]
    columns = [*keys, *plain.columns.difference(keys)]
    pd.testing.assert_frame_equal(
        table[columns].sort_values(keys, ignore_index=True),
        plain[columns].sort_values(keys, ignore_index=True),
    )
    others = settings | {"groups": ["a", "b"]}
    other = measure_harm(x, y, embedding_set(images, **labels), both, others, 0.95)
    assert other["group"].tolist() == ["a", "b", "all"] * 3
    # The people's pictures alone move, so the gap is that of x moved by the whole of delta.
    for delta, distance in zip(table["delta"], table["distance"], strict=True):
        moved = normalise(x - delta * u).mean(axis=0) - y.mean(axis=0)
        assert abs(distance) == pytest.approx(np.linalg.norm(moved), rel=1e-9)
        assert np.sign(distance) == np.sign(moved @ u)


def test_pictures_there_three_times_are_as_one_where_they_are_a_cluster():
    images, prompts, labels = people()
    u = normalise(np.random.default_rng(1).normal(size=(1, 6)))[0]
    told = pd.DataFrame({"group": labels["race"], "answer": labels["sex"] + ", " + labels["race"]})
    once = harm_by_group(images, told, prompts, LABELS, u, [-0.6, 1.1], 0.9)
    rows = np.random.default_rng(2).permutation(np.repeat(np.arange(240), 3))
    thrice = told.iloc[rows].reset_index(drop=True).assign(cluster=rows)
    found = harm_by_group(images[rows], thrice, prompts, LABELS, u, [-0.6, 1.1], 0.9)
    key = ["delta", "group"]
    once, found = (table.sort_values(key, ignore_index=True) for table in (once, found))
    assert found["n"].tolist() == [3 * n for n in once["n"]]
    assert found["clusters"].tolist() == once["clusters"].tolist() == once["n"].tolist()
    for name in ("p_value", "p_holm", "change", "offensive_share", "correct_share"):
        np.testing.assert_allclose(found[name], once[name], rtol=1e-9, atol=1e-12)
    # A cluster's quantile is Student's, so that intervals are a little wider than of 240.
    for name in ("offensive", "correct", "change"):
        wide, plain = (
            (table[f"{name}_high"] - table[f"{name}_low"]).to_numpy() for table in (found, once)
        )
        assert (wide >= 0.999 * plain).all()
        assert (wide <= 1.15 * plain + 1e-12).all()
    # Counted as pictures of their own they would seem surer.
    alone = harm_by_group(images[rows], thrice.drop(columns="cluster"), prompts, LABELS, u,
                          [-0.6, 1.1], 0.9).sort_values(key, ignore_index=True)  # fmt: skip
    assert (alone["p_value"] <= once["p_value"]).all()
    assert (alone["offensive_high"] < once["offensive_high"]).all()


def test_table_2_goes_by_the_clusters_of_its_pictures():
    images, prompts, labels = people()
    labels = labels.assign(concept=[f"c{number % 31}" for number in range(240)])
    x = normalise(np.random.default_rng(3).normal(size=(50, 6)) + 1)
    y = normalise(np.random.default_rng(4).normal(size=(50, 6)) - 0.4)
    settings = {"group": "race", "gender": "sex", "groups": ["b", "a"], "shifts": [0.7],
                "set": "mine"}  # fmt: skip
    stored = embedding_set(images, **labels)
    both = embedding_set(prompts, **LABELS)
    table = measure_harm(x, y, stored, both, settings, 0.95, "concept")
    gap = x.mean(axis=0) - y.mean(axis=0)
    told = pd.DataFrame(
        {
            "group": labels["race"],
            "answer": labels["sex"] + ", " + labels["race"],
            "cluster": np.arange(240) % 31,
        }
    )
    plain = harm_by_group(stored.normalised(), told, both.normalised(), LABELS,
                          gap / np.linalg.norm(gap), [0.7], 0.95)  # fmt: skip
    key = ["delta", "group"]
    columns = [*key, *plain.columns.difference(key)]
    pd.testing.assert_frame_equal(
        table[columns].sort_values(key, ignore_index=True),
        plain[columns].sort_values(key, ignore_index=True),
    )


def test_published_counts_are_tested_one_by_one():
    counts = {"a": {"n": 120, "before": 30, "after": 12}, "b": {"n": 80, "before": 9, "after": 10}}
    table = published_harm(counts, 0.9).set_index("group")
    for group, (n, before, after) in {"a": (120, 30, 12), "b": (80, 9, 10),
                                      "all": (200, 39, 22)}.items():  # fmt: skip
        row = table.loc[group]
        assert row["change"] == pytest.approx((after - before) / n)
        for time, count in (("before", before), ("after", after)):
            ends = row[f"{time}_share_low"], row[f"{time}_share_high"]
            assert ends == pytest.approx(tuple(wilson(count, n, 0.9)))
        (low_1, high_1), (low_2, high_2) = wilson(before, n, 0.9), wilson(after, n, 0.9)
        p_1, p_2 = before / n, after / n
        assert row["change_low"] == pytest.approx(
            p_2 - p_1 - np.sqrt((p_2 - low_2) ** 2 + (high_1 - p_1) ** 2)
        )
        assert row["change_high"] == pytest.approx(
            p_2 - p_1 + np.sqrt((high_2 - p_2) ** 2 + (p_1 - low_1) ** 2)
        )
        chances = stats.hypergeom(2 * n, before + after, n).pmf(np.arange(before + after + 1))
        fisher = chances[chances <= chances[before] * (1 + 1e-7)].sum()
        assert row["p_fisher"] == pytest.approx(fisher, rel=1e-6)
        assert row["p_mcnemar_least"] == pytest.approx(min(1, 2 / 2 ** abs(after - before)))
    for name in ("p_fisher", "p_mcnemar_least"):
        assert table.loc["all", f"{name}_holm"] == table.loc["all", name]
        assert table.loc["a", f"{name}_holm"] == pytest.approx(2 * table.loc["a", name])
        assert table.loc["b", f"{name}_holm"] == pytest.approx(table.loc["b", name])
    same = published_harm({"a": {"n": 50, "before": 4, "after": 4}}, 0.9)
    assert same["p_mcnemar_least"].tolist() == [1, 1]
