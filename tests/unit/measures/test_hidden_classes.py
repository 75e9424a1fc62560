"""Items of hidden classes among those of known ones, and the splits of grouped tasks."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from modality_gap.measures.posthoc.catalogue import METHODS
from modality_gap.measures.posthoc.grouped import group_splits, grouped_study
from modality_gap.measures.posthoc.hidden import confidences, of_hidden_classes, separation
from modality_gap.measures.posthoc.kinds import CAPTIONS, CLASSES
from modality_gap.measures.posthoc.registry import Maps, unit


@pytest.fixture
def classes():
    """80 items of 8 classes, half of them to fit on, and the prompts."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(8), 10)
    prompts = unit(rng.normal(size=(8, 24)) + 1)
    items = unit(prompts[labels] + 0.3 * rng.normal(size=(80, 24)) - 0.5)
    fits = np.arange(80) < 40
    fit = items[fits], prompts[labels[fits]], labels[fits]
    return fit, (items[~fits], labels[~fits]), prompts


def test_scores_of_known_and_hidden_items_in_plain_numpy(classes):
    (x, y, labels), (items, of), prompts = classes
    values, n_fit = of_hidden_classes(METHODS["centre"], *classes)
    assert n_fit == 20
    known = labels % 2 == 0
    centres = x[known].mean(axis=0), y[known].mean(axis=0)
    shown = unit(prompts[::2] - centres[1])
    scores, before = (unit(rows - centres[0]) @ shown.T for rows in (items, x[known]))
    wanted = {"cosine": scores.max(axis=1)}
    for name, temperature in (("mcm_1", 1.0), ("mcm_001", 0.01)):
        each = np.exp(scores / temperature)
        others = np.sort(each, axis=1)[:, :-1].sum(axis=1)
        wanted[name] = np.log(each.max(axis=1) / others)  # p / (1 - p)
    wanted["z"] = ((scores - before.mean(axis=0)) / before.std(axis=0)).max(axis=1)
    assert set(values) == {f"{kind}_{name}" for name in wanted for kind in ("auroc", "fpr95")}
    hidden = of % 2 == 1
    for name, sure in wanted.items():
        assert values[f"auroc_{name}"] == pytest.approx(roc_auc_score(~hidden, sure)), name
        kept = sorted(sure[~hidden], reverse=True)[:19]  # 95 % of the 20 known ones
        share = np.mean([one >= min(kept) for one in sure[hidden]])
        assert values[f"fpr95_{name}"] == pytest.approx(share), name
    assert 0.5 < values["auroc_cosine"] < 1


def test_equal_values_count_half():
    hidden = np.array([False, True, False, True])
    assert separation(np.ones(4), hidden) == (0.5, 1.0)
    assert separation(np.array([2.0, 1.0, 3.0, 0.0]), hidden) == (1.0, 0.0)


def test_hidden_classes_take_no_part_in_the_fit(classes):
    (x, y, labels), scored, prompts = classes
    other = x.copy()
    other[labels % 2 == 1] = unit(np.random.default_rng(1).normal(size=(20, 24)))
    changed = prompts.copy()
    changed[1::2] = changed[1::2][::-1]
    for name in ("none", "centre", "standardise", "nnn", "z_score", "procrustes_to_identity"):
        before, _ = of_hidden_classes(METHODS[name], (x, y, labels), scored, prompts)
        after, _ = of_hidden_classes(METHODS[name], (other, y, labels), scored, changed)
        assert before == after, name

    def leaks(a, b):
        return Maps(x=lambda rows: rows - a.mean(axis=0) * len(a))

    leak = replace(METHODS["none"], fit=leaks)
    seen = [of_hidden_classes(leak, (rows, y, labels), scored, prompts)[0] for rows in (x, other)]
    assert seen[0] == seen[1]


def test_the_zscore_has_the_spread_of_the_fit_items():
    prompts, fit = np.eye(3)[:2], np.array([[0.6, 0.8, 0.0], [0.8, 0.6, 0.0]])
    found = confidences(Maps(), np.array([[1.0, 0.0, 0.0]]), prompts, fit)
    assert found["z"] == pytest.approx([3.0])  # (1 - .7) / .1, and (0 - .7) / .1
    assert found["cosine"] == [1.0]
    assert found["mcm_1"] == pytest.approx([1.0])  # p = e / (1 + e)
    # Of a prompt to which all fit items have one score, the difference counts as it is.
    found = confidences(Maps(), np.array([[0.0, 0.0, 1.0]]), np.eye(3)[1:], fit[:1])
    assert found["z"] == pytest.approx([1.0])


def test_splits_of_folds_pictures_and_classes():
    folds, labels = np.repeat([1, 2, 3, 4, 5], 4), np.tile([0, 1], 10)
    of_folds = dict(group_splits(labels, CLASSES, folds, 20))
    assert list(of_folds) == ["even_odd", *(f"half_{i}" for i in range(9))]
    pairs = {tuple(np.unique(folds[fits])) for fits in of_folds.values()}
    assert len(pairs) == 10 and all(len(pair) == 2 for pair in pairs)
    assert {*np.unique(folds[of_folds["even_odd"]])} == {1, 2}
    assert len(dict(group_splits(labels, CLASSES, folds, 4))) == 5
    pictures = np.repeat(np.arange(7), 3)
    for name, fits in group_splits(pictures, CAPTIONS, None, 5):
        by = fits.reshape(7, 3)
        assert (by == by[:, :1]).all() and by[:, 0].sum() == (4 if name == "even_odd" else 3)
    seen = set()
    for _, fits in group_splits(labels, CLASSES, None, 5):
        assert [fits[labels == one].sum() for one in (0, 1)] == [5, 5]
        seen.add(tuple(fits))
    assert len(seen) == 6


def test_splits_have_results_and_differences_their_spread(classes):
    (x, y, labels), (items, of), prompts = classes
    both = np.concatenate([x, items]), np.concatenate([y, prompts[of]])
    codes = np.concatenate([labels, of])
    folds = np.arange(80) // 8 % 5
    methods = {name: METHODS[name] for name in ("none", "shift", "nnn")}
    results, changes = grouped_study(methods, *both, codes, CLASSES, folds, 20, 0.95, 0)
    assert results["split"].nunique() == 10
    short = results[results["split"] != "even_odd"]
    assert {*short["metric"]} == {"accuracy", "gap"}
    assert {*zip(short["n_fit"], short["n_scored"], strict=True)} == {(32, 48)}
    accuracy = short[short["metric"] == "accuracy"].pivot(
        index="split", columns="method", values="value"
    )
    row = changes[changes["metric"] == "accuracy"].set_index("method").loc["shift"]
    spread = accuracy["shift"] - accuracy["none"]
    assert row["halves_mean"] == pytest.approx(np.mean(spread))
    assert row["halves_sd"] == pytest.approx(np.std(spread, ddof=1))
    fits = np.isin(folds, [0, 2])  # the second pair of folds
    moved = both[0][~fits] @ prompts.T
    assert accuracy.loc["half_0", "none"] == np.mean(moved.argmax(axis=1) == codes[~fits])
    hidden = results[results["task"] == "T3o"]
    assert {*hidden["n_fit"]} == {16} and len(hidden) == 3 * 8
