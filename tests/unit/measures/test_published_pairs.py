"""Published pairs of other models: prompts of classes, and pictures with several captions.

The expected numbers of the two real sets were measured apart from this project, when their files
were found.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT

from modality_gap.config.rows import of_others, published_files
from modality_gap.embeddings.released import of_files
from modality_gap.errors import InputError
from modality_gap.measures.diagnostics import diagnostics
from modality_gap.measures.gap import gap, mean_cosine
from modality_gap.measures.gap_intervals import mean_cosine_interval
from modality_gap.measures.loss_sweep import loss_landscape
from modality_gap.measures.posthoc.kinds import CAPTIONS, CLASSES, PAIRS, first_of_each, kind_of
from modality_gap.measures.recall_sweep import recall_hits
from modality_gap.measures.registry import GAP, Pairs, measured
from modality_gap.measures.retrieval import identical_rows, recall_at, times_in_cluster

CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
ASSETS = yaml.safe_load((ROOT / "config/assets.yaml").read_text(encoding="utf-8"))


def set_of(name: str, folder: Path) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Unit vectors of both modalities of a set of the configuration, and its labels."""
    entry = CONFIG["sets"][name]
    paths = [folder / ASSETS[asset]["path"] for asset in published_files(entry)]
    a, b = (of_files(paths, row, entry) for row in (0, 1))
    assert list(a.item_ids) == list(b.item_ids)
    assert len(set(a.item_ids)) == len(a)
    pd.testing.assert_frame_equal(a.labels, b.labels)
    return a.normalised(), b.normalised(), a.labels


@pytest.fixture(scope="module")
def clap(mirror):
    return set_of("clap_esc50", mirror)


@pytest.fixture(scope="module")
def flickr(mirror):
    return set_of("flickr8k_b32", mirror)


def codes(labels: pd.DataFrame, column: str) -> np.ndarray:
    return pd.factorize(labels[column])[0]


# --- the real sets ----------------------------------------------------------------------------


def test_clap_classifies_and_retrieves_as_published(clap):
    x, y, labels = clap
    assert len(x) == 2000
    assert gap(x, y) == pytest.approx(0.500, abs=5e-4)
    # Clip to prompt is zero-shot classification; from prompt to clip any clip of the class counts.
    assert recall_at(x, y, 1) == (pytest.approx(0.9150, abs=1e-9), pytest.approx(0.960, abs=1e-9))
    assert recall_at(x, y, 5)[0] == pytest.approx(0.9935, abs=1e-9)
    # The same without the project's own retrieval.
    names = np.unique(labels["class_name"])
    prompts = np.stack([y[labels["class_name"] == name][0] for name in names])
    best = names[(x @ prompts.T).argmax(axis=1)]
    assert np.mean(best == labels["class_name"]) == pytest.approx(0.9150, abs=1e-9)
    assert (x * y).sum(axis=1).mean() == pytest.approx(0.535, abs=5e-4)
    other = (x @ prompts.T).sum() - (x * y).sum()
    assert other / (len(x) * 49) == pytest.approx(0.066, abs=5e-4)


def test_closing_claps_gap_raises_its_accuracy(clap):
    x, y, _ = clap
    deltas = gap(x, y) * np.array([-1, -0.5, 0, 0.5, 1])
    found = recall_hits(x, y, deltas)["ab"].found.mean(axis=1)
    np.testing.assert_allclose(found, [0.8985, 0.905, 0.915, 0.924, 0.9305], atol=1e-9)


def test_cosines_of_claps_prompts_are_those_of_50_texts(clap):
    x, y, labels = clap
    row = measured(GAP, Pairs(x, y, 0.95, 300, 0, codes(labels, "class_name")))
    assert row["mean_cosine_a"] == pytest.approx(0.185, abs=5e-4)
    assert row["mean_cosine_b"] == pytest.approx(0.200, abs=5e-4)
    assert (row["recall_items_a"], row["recall_items_b"]) == (2000, 50)
    assert row["recall1_chance"] == pytest.approx(1 / 50)


def test_the_prompts_are_in_alphabetical_order_and_not_in_that_of_the_targets(clap, mirror):
    x, _, labels = clap
    prompts = np.load(mirror / "pairs/clap_esc50_class_text_embeddings.npy", allow_pickle=False)
    names = (mirror / "pairs/clap_esc50_class_names.txt").read_text().split("\n")
    assert names == sorted(set(labels["class_name"]))
    items = pd.read_csv(mirror / "pairs/clap_esc50_metadata.csv")
    target = dict(zip(items["class_name"], items["target"], strict=True))
    right = (x @ prompts.T).argmax(axis=1)
    by_target = np.mean(right == labels["class_name"].map(target))
    assert by_target < 0.1
    assert np.mean(np.array(names)[right] == labels["class_name"]) == pytest.approx(0.9150)


def test_flickr_retrieves_as_published(flickr):
    x, y, labels = flickr
    assert gap(x, y) == pytest.approx(0.843, abs=5e-4)
    assert recall_at(x, y, 1) == (pytest.approx(0.93, abs=1e-9), pytest.approx(0.832, abs=1e-9))
    row = measured(GAP, Pairs(x, y, 0.95, 300, 0, codes(labels, "image_id")))
    assert row["mean_cosine_a"] == pytest.approx(0.556, abs=5e-4)
    assert row["mean_cosine_b"] == pytest.approx(0.503, abs=3e-3)
    assert (row["recall_items_a"], row["recall_items_b"]) == (100, 500)


def test_flickrs_first_round_is_the_first_caption_of_each_picture(flickr, mirror):
    x, y, labels = flickr
    x, y = x[:100], y[:100]
    assert gap(x, y) == pytest.approx(0.835, abs=5e-4)
    assert recall_at(x, y, 1) == (pytest.approx(0.80, abs=1e-9), pytest.approx(0.83, abs=1e-9))
    assert (x * y).sum(axis=1).mean() == pytest.approx(0.326, abs=5e-4)
    assert ((x @ y.T).sum() - (x * y).sum()) / 9900 == pytest.approx(0.177, abs=5e-4)
    items = pd.read_csv(mirror / "pairs/flickr8k_vitb32_metadata.csv")
    first = items.drop_duplicates("image_id")["image_id"]
    assert list(labels["image_id"][:100]) == list(first)


@pytest.mark.parametrize("name", ["clap_esc50", "flickr8k_b32"])
def test_no_batch_of_the_loss_holds_an_item_twice(name, mirror):
    for side in set_of(name, mirror)[:2]:
        first = identical_rows(side)
        for start in range(0, len(side), 50):
            assert len(np.unique(first[start : start + 50])) == 50


def test_in_the_files_order_captions_would_be_negatives_of_their_own_picture(flickr):
    # Five captions of a picture in a row: the loss of a perfect model would be the log of 5.
    x, y, labels = flickr
    order = np.argsort(codes(labels, "image_id"), kind="stable")
    ordered, in_file = (
        loss_landscape(*sides, np.array([0.0]), [0.01], 50)["loss"].iloc[0]
        for sides in ((x, y), (x[order], y[order]))
    )
    assert ordered < 0.6 < np.log(5) < in_file + 0.5
    assert in_file > 2 * ordered


def test_every_file_of_others_is_pinned():
    sets = [entry for entry in CONFIG["sets"].values() if of_others(entry)]
    assert len(sets) == 2
    for entry in sets:
        for asset in map(ASSETS.get, published_files(entry)):
            assert re.search(r"/[0-9a-f]{40}/", asset["url"])
            assert len(asset["sha256"]) == 64 and asset["optional"]
    assert "never passed on" in ASSETS["flickr8k_b32_text"]["licence"]


# --- made up sets -----------------------------------------------------------------------------


@pytest.fixture
def made(tmp_path):
    """Files of 12 items in 3 classes, not in order, whose texts are prompts of the classes."""
    rng = np.random.default_rng(0)
    names = ["b", "c", "NA", "NA", "NA", "b", "c", "c", "b", "b", "NA", "c"]
    np.save(tmp_path / "x.npy", rng.normal(size=(12, 4)).astype("f4"))
    np.save(tmp_path / "y.npy", np.arange(12, dtype="f4").reshape(3, 4) + 1)
    table = pd.DataFrame({"kind": names, "part": [1, 2] * 6, "rest": "x"})
    table.to_csv(tmp_path / "items.csv", index=False)
    entry = {"label": "M", "weights": "trained", "cluster": "kind", "fold": "part"}
    entry["released"] = {"files": ["one", "two"], "items": "three"}
    return [tmp_path / name for name in ("x.npy", "y.npy", "items.csv")], entry


def test_a_row_for_each_class_is_in_alphabetical_order(made):
    paths, entry = made
    a, b = (of_files(paths, row, entry) for row in (0, 1))
    assert list(a.item_ids[:4]) == ["b#1", "c#1", "NA#1", "NA#2"]
    assert list(a.labels.columns) == ["kind", "part"]
    kinds, numbers = zip(*(name.split("#") for name in a.item_ids), strict=True)
    assert list(kinds) == list(a.labels["kind"]) and list(numbers) == sorted(numbers)
    for name, vector in zip(b.labels["kind"], b.vectors, strict=True):
        assert vector[0] == {"NA": 1, "b": 5, "c": 9}[name]
    # Each pair keeps its own vector and labels, whose places in the files are these.
    rows = [0, 1, 2, 3, 5, 6, 4, 7, 8, 9, 10, 11]
    np.testing.assert_array_equal(a.vectors, np.load(paths[0])[rows])
    assert list(a.labels["part"]) == [str(1 + row % 2) for row in rows]
    assert a.metadata == {
        "model": "M",
        "weights": "trained",
        "dataset": "published as one of config/assets.yaml",
        "dtype": "float32",
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda paths, _: np.save(paths[1], np.ones((4, 4), "f4")), "4 rows, but items.csv lists"),
        (lambda paths, _: np.save(paths[0], np.ones(4, "f4")), "type float32 and shape (4,)"),
        (lambda paths, _: np.save(paths[0], np.ones((9, 4), int)), "type int64 and shape (9, 4)"),
        (lambda paths, _: np.save(paths[0], np.array([{}])), "cannot be read as a numeric"),
        (
            lambda _, entry: entry.update(fold="Part"),
            "no column is called 'Part'. Name one of these: kind, part, rest.",
        ),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_are_refused(made, change, words):
    paths, entry = made
    change(paths, entry)
    with pytest.raises(InputError) as caught:
        of_files(paths, 0, entry)
        of_files(paths, 1, entry)
    assert words in str(caught.value)


@pytest.fixture
def repeated():
    """Unit rows (24, 5) of 9 items in 6 clusters, most items several times."""
    rng = np.random.default_rng(1)
    items = np.array([0, 0, 0, 1, 2, 2, 3, 3, 3, 3, 4, 5, 5, 6, 6, 6, 6, 7, 7, 8, 8, 8, 8, 8])
    clusters = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 3, 3, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5])
    x = rng.normal(size=(9, 5)) + 1
    x /= np.linalg.norm(x, axis=1)[:, None]
    return x[items], items, clusters


def plain_mean(x, items, rows=None):
    """Mean cosine of all two rows that are not one item, by a loop."""
    rows = range(len(x)) if rows is None else rows
    return np.mean([x[i] @ x[j] for i in rows for j in rows if items[i] != items[j]])


def test_an_item_is_not_compared_with_itself(repeated):
    x, items, clusters = repeated
    same = times_in_cluster(x, clusters)
    assert list(same) == [np.sum(items == item) for item in items]
    assert list(times_in_cluster(x, None)) == [1] * 24
    assert mean_cosine(x, same) == pytest.approx(plain_mean(x, items), rel=1e-12)
    assert mean_cosine(x) > mean_cosine(x, same) + 0.02
    left = [plain_mean(x, items, np.flatnonzero(clusters != c)) for c in range(6)]
    low, high = mean_cosine_interval(x, 0.95, clusters, same)
    error = np.std(left) * np.sqrt(5)
    assert (high - low) / 2 == pytest.approx(2.570581836 * error, rel=1e-8)  # t of 5 degrees
    assert (high + low) / 2 == pytest.approx(plain_mean(x, items), rel=1e-12)


def test_diagnostics_leave_out_an_item_and_itself(repeated):
    x, items, clusters = repeated
    y = np.roll(x, 1, axis=1)
    values = diagnostics(x, y, clusters)(np.array([[1.0] * 6, [1, 0, 2, 1, 0, 1]]))
    for at, rows in ((0, np.arange(24)), (1, np.flatnonzero(np.isin(clusters, [0, 2, 3, 5])))):
        # The second resample draws cluster 2 twice: its rows count twice, but no two of its copies.
        times = np.ones(24) if at == 0 else np.where(clusters == 2, 2, 1)
        total = {"cosine": [0.0, 0.0], "potential": [0.0, 0.0], "pairs": 0.0}
        for i in rows:
            for j in rows:
                if items[i] == items[j]:
                    continue
                weight = times[i] if clusters[i] == clusters[j] else times[i] * times[j]
                total["pairs"] += weight
                for side, v in enumerate((x, y)):
                    total["cosine"][side] += weight * (v[i] @ v[j])
                    total["potential"][side] += weight * np.exp(-2 * ((v[i] - v[j]) ** 2).sum())
        for side in (0, 1):
            uniformity = np.log(total["potential"][side] / total["pairs"])
            assert values[2 + side, at] == pytest.approx(uniformity, rel=1e-10)
        within = sum(total["cosine"]) / 2 / total["pairs"]
        distance = (((x - y) ** 2).sum(axis=1) * times)[rows].sum() / times[rows].sum() / 2
        assert values[0, at] == pytest.approx(distance / (1 - within + distance), rel=1e-10)


def test_the_kind_of_pairs_is_read_from_their_vectors():
    rng = np.random.default_rng(2)
    clusters = np.array([0, 1, 2, 0, 1, 2, 0])
    x, y = rng.normal(size=(2, 7, 4))
    shared = x[clusters]
    assert kind_of(x, y, None) == kind_of(x, y, clusters) == PAIRS
    assert kind_of(shared, y, None) == PAIRS
    assert kind_of(shared, y, clusters) == CAPTIONS
    assert kind_of(x, shared, clusters) == CLASSES
    # One picture with a single caption, or with two vectors, and the rule does not apply.
    assert kind_of(shared[:5], y[:5], clusters[:5]) == PAIRS
    odd = shared.copy()
    odd[0] = x[1]
    assert kind_of(odd, y, clusters) == PAIRS
    assert list(first_of_each(np.array([1, 0, 1, 2, 0]))) == [0, 1, 3]


def test_the_real_sets_are_of_their_kinds(clap, flickr):
    assert kind_of(*clap[:2], codes(clap[2], "class_name")) == CLASSES
    assert kind_of(*flickr[:2], codes(flickr[2], "image_id")) == CAPTIONS
