"""The controlled study of losses: what methods share, what they end with, how they are compared."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from small_study import STUDY as SHORT

from modality_gap.data.parquet import choose_rows
from modality_gap.embeddings.sets import EmbeddingSet
from modality_gap.errors import InputError
from modality_gap.training import tasks
from modality_gap.training.loss_measures import measure_model, rank_variance, zero_shot
from modality_gap.training.loss_runs import LossRuns
from modality_gap.training.loss_tables import MARGIN, PAIRED
from modality_gap.training.loss_tables import differences as of_methods
from modality_gap.training.pairs import Pairs, captions_of, held_out
from modality_gap.training.recipes import Scale, recipes
from modality_gap.training.tasks import Task
from modality_gap.training.towers import Towers


def run_study(study, pairs, groups, seed):
    return LossRuns(study, pairs, seed, groups).run()


def differences(table, study, confidence):
    return of_methods(table.assign(split=0), recipes(study), study, confidence)


LONGER = {"learning_rate": 0.001, "steps": 6, "record_every": 3}
STUDY = SHORT | {
    "optimisation": SHORT["optimisation"] | LONGER,
    "after_training": {"steps": 4},
    "methods": {
        "continued": {"loss": "clip", "start": "trained"},
        "hycd": {"loss": "hycd", "start": "trained"},
        "clip": {"loss": "clip"},
        "warm": {"loss": "clip", "temperature": {"from": 0.01, "to": 0.05}},
        "sigmoid": {"loss": "sigmoid", "temperature": {"learnt": 0.1}, "bias": -10},
        "isogclr": {"loss": "isogclr"},
    },
}


@pytest.fixture(scope="module")
def pairs():
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(60, 5, generator=generator)
    a, b = (shared @ torch.randn(5, d, generator=generator) for d in (12, 9))
    sides = [torch.nn.functional.normalize(side, dim=1) for side in (a, b)]
    return Pairs(*sides, torch.arange(40), torch.arange(40, 60))


@pytest.fixture(scope="module")
def results(pairs):
    return run_study(STUDY, pairs, np.arange(60) % 3, 5)


def test_every_method_has_the_start_of_its_seed(results):
    runs, steps = results
    first = steps[steps["step"] == 0].set_index(["method", "seed"])["gap"]
    for seed in (5, 6):
        scratch = {first[name, seed] for name in ("clip", "warm", "sigmoid", "isogclr")}
        assert len(scratch) == 1
        trained = runs.set_index(["method", "seed"]).loc[("clip", seed), "gap"]
        assert first["hycd", seed] == first["continued", seed] == pytest.approx(trained)
    assert first["clip", 5] != first["clip", 6]
    counts = steps.groupby("method")["step"].unique().map(list).to_dict()
    assert counts["clip"] == [0, 3, 6] and counts["hycd"] == [0, 3, 4]


def test_another_method_changes_no_result(pairs, results):
    fewer = {**STUDY, "methods": {name: STUDY["methods"][name] for name in ("clip", "sigmoid")}}
    alone, _ = run_study(fewer, pairs, None, 5)
    both = results[0].set_index(["method", "seed"])
    for _, row in alone.iterrows():
        assert both.loc[(row["method"], row["seed"]), "gap"] == row["gap"]


def test_temperatures_at_the_end(results):
    runs = results[0].set_index(["method", "seed"])
    assert runs.loc[("clip", 5), "temperature"] == pytest.approx(0.01)
    assert runs.loc[("warm", 5), "temperature"] == pytest.approx(0.05)
    assert runs.loc[("sigmoid", 5), "temperature"] != pytest.approx(0.1, abs=1e-6)
    assert runs.loc[("sigmoid", 5), "bias"] != -10


def test_schedule_and_bound_of_the_scale():
    study = {
        **STUDY,
        "methods": {**STUDY["methods"], "low": {"loss": "clip", "temperature": {"learnt": 0.001}}},
    }
    known = recipes(study)
    warm = Scale(known["warm"])
    assert [1 / warm.at(step, 5) for step in range(5)] == pytest.approx(
        [0.01, 0.02, 0.03, 0.04, 0.05]
    )
    low = Scale(known["low"])
    low.clamp()
    assert low.at(0, 5).item() == pytest.approx(100)


def test_measures_of_a_model_against_plain_numpy(pairs):
    model = Towers((12, 9), 0, 8, 6, 3)
    labels = np.arange(20) % 4
    row = measure_model(model, pairs, labels, 0)
    x, y = held_out(model, pairs)
    n = len(x)
    difference = x - y
    mean = difference.mean(axis=0)
    spread = np.trace(np.cov(difference, rowvar=False))
    assert row["gap"] == pytest.approx(np.linalg.norm(mean))
    assert row["gap_squared"] == pytest.approx(mean @ mean - spread / n)
    assert row["floor"] == pytest.approx(np.sqrt(spread / n))
    cosines = x @ y.T
    within = np.mean([(side @ side.T).sum() - n for side in (x, y)]) / (n * (n - 1))
    apart = 1 - np.trace(cosines) / n
    assert row["rmg"] == pytest.approx(apart / (1 - within + apart))
    assert row["partner_cosine"] == pytest.approx(np.trace(cosines) / n)
    assert row["mean_cosine_across"] == pytest.approx(
        (cosines.sum() - np.trace(cosines)) / (n * (n - 1))
    )
    centres = [1 - side.mean(axis=0) @ side.mean(axis=0) for side in (x, y)]
    assert row["gap_over_spread"] == pytest.approx(np.linalg.norm(mean) / np.sqrt(np.mean(centres)))
    first = np.mean([(cosines.argmax(axis=k) == np.arange(n)).mean() for k in (0, 1)])
    assert row["recall1"] == pytest.approx(first)
    squares = [((x[i] - x[j]) ** 2).sum() for i in range(n) for j in range(n) if i != j]
    assert row["uniformity_a"] == pytest.approx(np.log(np.mean(np.exp(-2 * np.array(squares)))))
    assert 0 < row["v_measure"] < 1


def task_of(pairs, rows):
    """Three classes, the pictures of some pairs, and prompts near what the classes' texts are."""
    right = np.arange(60)[rows] % 3
    prompts = torch.stack([pairs.b[torch.arange(60) % 3 == one].mean(dim=0) for one in range(3)])
    prompts = torch.nn.functional.normalize(prompts, dim=1)
    names = np.array(["c", "a", "b"])
    return Task(pairs.a[rows], prompts, names, names[right], pd.DataFrame({"n": rows}), rows)


def test_zero_shot_accuracy_is_of_pictures_that_are_not_trained_on(pairs):
    rows = np.arange(30, 60)  # the last twenty are held out
    model, task = Towers((12, 9), 0, 8, 6, 3), task_of(pairs, rows)
    row = measure_model(model, pairs, None, 0, task)
    with torch.no_grad():
        x, prompts = (side.double().numpy() for side in model(pairs.a[40:], task.prompts))
    nearest = [max(range(3), key=lambda k, v=v: v @ prompts[k]) for v in x]
    assert row["zero_shot"] == np.mean(nearest == np.arange(40, 60) % 3)
    assert (row["zero_shot_n"], row["zero_shot_chance"]) == (20, pytest.approx(1 / 3))
    # Pictures of another file are all measured; those of a split are the ones that it holds out.
    assert measure_model(model, pairs, None, 0, replace(task, rows=None))["zero_shot_n"] == 30
    held = task.held_out(torch.arange(31, 36))
    assert list(held.rows) == [31, 32, 33, 34, 35]
    assert held.labels.to_dict("index") == {row: {"n": 31 + row} for row in range(5)}
    assert torch.equal(held.pictures, pairs.a[31:36]) and list(held.right) == list("abcab")
    # No more pictures than are asked for go through the model together.
    sizes, few = [], replace(pairs, at_once=7)
    handle = model.first.register_forward_hook(lambda _, given, __: sizes.append(len(given[0])))
    assert zero_shot(model, few, task)["zero_shot"] == row["zero_shot"]
    handle.remove()
    assert sizes == [7, 7, 6]
    none = measure_model(model, pairs, None, 0, task.held_out(torch.arange(5)))
    assert np.isnan(none["zero_shot"]) and none["zero_shot_n"] == 0
    assert np.isnan(measure_model(model, pairs, None, 0)["zero_shot"])


def test_a_task_is_read_with_its_own_prompts_and_the_pictures_that_are_asked_for(monkeypatch):
    rng = np.random.default_rng(0)
    names = np.array([f"item{k}" for k in range(12)])
    labels = pd.DataFrame({"animal": list("abcabcabcabc"), "split": ["train", "test"] * 6})
    texts = pd.DataFrame({"task": ["it", "other", "it", "it"], "label": list("czab")})
    sets = {
        "pictures": EmbeddingSet(names, rng.normal(size=(12, 5)), labels),
        "prompts": EmbeddingSet(np.array(list("pqrs")), 3 * rng.normal(size=(4, 4)), texts),
    }
    monkeypatch.setattr(tasks, "read", sets.__getitem__)
    inputs = {"where": {"split": ["test"]}, "sample": 4}
    ids = names[::-1][:9]  # pairs of item11 down to item3

    def task(seed, *more):
        return tasks.read_task("pictures", "prompts", "it", "animal", inputs, seed, *more)

    found, other = task(3, ids), task(4)
    chosen = np.flatnonzero(choose_rows(labels.assign(item_id=names), inputs, 3))
    assert len(chosen) == len(found.labels) == 4
    assert found.labels["animal"].tolist() == labels["animal"][chosen].tolist()
    assert found.right.tolist() == [labels["animal"][row] for row in chosen]
    assert {*labels["split"][chosen]} == {"test"}
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in
            (sets["pictures"].vectors[chosen], sets["prompts"].vectors[[0, 2, 3]])]  # fmt: skip
    for one, wanted in zip((found.pictures, found.prompts), unit, strict=True):
        np.testing.assert_allclose(one, wanted, atol=1e-6)
        assert one.dtype == torch.float32
    assert found.classes.tolist() == ["c", "a", "b"]
    # The row of a picture's pair, or -1 if it is in none.
    assert found.rows.tolist() == [11 - row if row > 2 else -1 for row in chosen]
    assert other.rows is None and not torch.equal(other.pictures, found.pictures)


@pytest.fixture
def captioned(pairs):
    """Twenty pictures with three captions each, two of them in the first rows; the last five
    pictures are held out."""
    picture = np.tile(np.arange(20), 3)
    split = torch.from_numpy(picture < 15)
    rows = torch.arange(60)
    return replace(pairs, a=pairs.a[picture], train=rows[split], test=rows[~split]), picture


def test_a_loss_of_several_captions_is_trained_with_all_of_them(captioned, pairs):
    given, picture = captioned
    known = captions_of(given)
    for one in range(15):
        (code,) = {int(k) for k in known.picture[picture == one]}
        assert {*known.rows[code].tolist()} == {*np.flatnonzero(picture == one)}
    place, texts = known.of(torch.tensor([3, 23, 4, 43, 0]))
    assert place.tolist() == [0, 2, 4]
    assert picture[texts].tolist() == [3, 3, 3, 4, 4, 4, 0, 0, 0]
    methods = {"clip": {"loss": "clip"}, "one_to_k": {"loss": "one_to_k"}}
    runs, _ = run_study({**STUDY, "methods": methods}, given, None, 5)
    gaps = runs.pivot(index="seed", columns="method", values="gap")
    assert (gaps["clip"] != gaps["one_to_k"]).all()
    assert runs["rank_variance"].notna().all()
    with pytest.raises(InputError, match=r"one_to_k\.loss: Of 40 training pictures, 40 have"):
        run_study({**STUDY, "methods": methods}, pairs, None, 5)


def test_variance_of_the_ranks_of_a_picture():
    rng = np.random.default_rng(3)
    picture = np.array([0, 1, 1, 2, 0, 2, 2])
    x, y = rng.normal(size=(3, 4))[picture], rng.normal(size=(7, 4))
    variances = []
    for one in range(3):
        scores = [
            [y[i] @ x[picture == k][0] for k in range(3)] for i in np.flatnonzero(picture == one)
        ]
        variances.append(np.var([1 + sum(s > row[one] for s in row) for row in scores]))
    assert rank_variance(x, y, np.array([0, 1, 1, 3, 0, 3, 3])) == pytest.approx(np.mean(variances))
    assert np.isnan(rank_variance(x, y, np.arange(7)))


def test_differences_are_paired_by_seed_and_corrected():
    rng = np.random.default_rng(0)
    study = {
        **STUDY,
        "methods": {name: STUDY["methods"][name] for name in ("clip", "warm", "hycd", "continued")},
    }
    rows = []
    for seed in range(5):
        base = rng.normal()
        for method, shift in (("clip", 0.0), ("warm", 0.2), ("hycd", 0.5), ("continued", 0.5)):
            value = base + shift + 0.01 * rng.normal()
            rows.append({"method": method, "seed": seed, **dict.fromkeys(METRICS, value)})
    table = pd.DataFrame(rows)
    result = differences(table, study, 0.95).set_index(["method", "metric"])
    assert result.loc[("warm", "gap"), "than"] == "clip"
    assert result.loc[("hycd", "gap"), "than"] == "continued"
    assert result.loc[("warm", "gap"), "difference"] == pytest.approx(0.2, abs=0.02)
    assert (
        result.loc[("hycd", "recall1"), "unchanged"]
        and not result.loc[("warm", "recall1"), "unchanged"]
    )
    wide = table.pivot(index="seed", columns="method", values="gap")
    change = wide["warm"] - wide["clip"]
    assert result.loc[("warm", "gap"), "p"] == pytest.approx(
        stats.ttest_rel(wide["warm"], wide["clip"]).pvalue
    )
    low, _ = stats.t.interval(0.95, 4, change.mean(), stats.sem(change))
    assert result.loc[("warm", "gap"), "difference_low"] == pytest.approx(low)
    assert (result["p_holm"] >= result["p"]).all()


METRICS = PAIRED


def test_unchanged_is_equivalence_not_a_large_p():
    """Five noisy seeds around no difference show nothing; tight ones within the margin do."""
    rng = np.random.default_rng(1)
    study = {**STUDY, "methods": {name: STUDY["methods"][name] for name in ("clip", "warm")}}
    for noise, expected in ((5 * MARGIN, False), (MARGIN / 20, True)):
        rows = []
        for seed in range(5):
            for method in ("clip", "warm"):
                rows.append(
                    {"method": method, "seed": seed, **dict.fromkeys(METRICS, noise * rng.normal())}
                )
        result = differences(pd.DataFrame(rows), study, 0.95)
        unchanged = result.set_index("metric")["unchanged"]
        assert unchanged["recall1"] == unchanged["zero_shot"] == expected
        assert not unchanged["gap"]


def test_faults_name_the_key():
    for changes, sentence in (
        (
            {"methods": {"one": {"loss": "nothing"}}},
            "loss_study.methods.one.loss is 'nothing'; give",
        ),
        ({"baseline": "none"}, "loss_study.baseline is 'none'; name one of"),
    ):
        with pytest.raises(InputError, match=re.escape(sentence)):
            recipes({**STUDY, **changes})
