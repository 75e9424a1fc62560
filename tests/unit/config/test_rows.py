"""Rows and tables as the scripts write them, of made up embeddings, against plain computations."""

from functools import partial

import independent as plain
import numpy as np
import pandas as pd
import pytest

from modality_gap.config.losses import DECLARED_LOSSES
from modality_gap.embeddings.sets import EmbeddingSet
from modality_gap.errors import InputError
from modality_gap.measures import (
    cone,
    diagnostics,
    initialisations,
    loss_tables,
    mlp_cone,
    p_values,
    projection,
    recall_sweep,
    shift_path,
    sphere,
    tables,
    theory,
)
from modality_gap.measures.losses import LOSSES
from modality_gap.measures.registry import Pairs

CONFIDENCE = 0.8
GRID = {
    "temperatures": [0.5, 0.1, 0.01],
    "delta_start": -2.0,
    "delta_stop": 1.5,
    "delta_step": 0.5,
    "fine_step": 0.25,
    "batch_size": 7,
}


@pytest.fixture(scope="module")
def pair():
    """40 pairs in 12 dimensions with a gap, two pictures of which are the same, in 15 groups."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(40, 12)) + rng.normal(size=12)
    y = x + rng.normal(size=(40, 12)) + 1.5 * rng.normal(size=12)
    x[11] = x[3]
    return plain.unit(x), plain.unit(y), np.sort(np.arange(40) % 15)


def close(found: dict, expected: dict) -> None:
    assert list(found) == list(expected)
    for name, value in expected.items():
        if isinstance(value, str):
            assert found[name] == value, name
        else:
            assert found[name] == pytest.approx(value, abs=1e-9), name


def test_a_row_of_gap(pair):
    x, y, groups = pair
    found = tables.measure_set(Pairs(x, y, CONFIDENCE, 30, 5, clusters=groups))
    expected = plain.set_row(x, y, CONFIDENCE, 30, 5, groups)
    assert found["separability_n"] == 30
    assert found["recall_items_a"] == 39
    close(found, {name: expected[name] for name in found})
    assert found.keys() == expected.keys()


def test_recall_under_the_shift(pair):
    x, y, groups = pair
    deltas = plain.grid({"delta_start": -2, "delta_stop": 2.5, "delta_step": 0.25})
    for some in (groups, None):
        settings = CONFIDENCE, 90, 300, 5
        curve, peaks = recall_sweep.recall_under_shift(x, y, deltas, *settings, some)
        expected, rows = plain.recall_sweep(x, y, deltas, CONFIDENCE, *settings[1:], some)
        pd.testing.assert_frame_equal(curve[list(expected)], expected, check_dtype=False, rtol=1e-9)
        assert set(curve) == set(expected)
        for found, wanted in zip(peaks, rows, strict=True):
            close({name: found[name] for name in wanted}, wanted)
            assert found.keys() == wanted.keys()
        # Without a shift it is the recall of the set's own table.
        own, unmoved = plain.recall_columns(x, y, CONFIDENCE, some), curve[curve["delta"] == 0]
        for name in ("recall1_ab", "recall1_ab_low", "recall1_ba", "recall1_ba_high"):
            assert unmoved[name].item() == pytest.approx(own[name])


def test_a_shift_into_the_origin_has_no_row():
    # The gap lies along the first axis, and so does the first pair, which delta 2 takes to 0.
    x = plain.unit(np.array([[1.0, 0, 0], [1, 1, 0], [1, -1, 0]]))
    deltas = np.array([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0])
    curve, peaks = recall_sweep.recall_under_shift(x, -x, deltas, CONFIDENCE, 20, 30, 5)
    assert curve["delta"].tolist() == [-2, -1, 0, 1, 3]
    assert [row["direction"] for row in peaks] == ["ab", "ba"]


def test_a_row_of_normalisation(pair):
    x, y, groups = pair
    spec = {"norm_layers": False}
    found = tables.measure_normalisation(spec, x, y, CONFIDENCE, 30, 5, groups)
    expected = plain.normalisation_row(x, y, CONFIDENCE, 30, 5, groups)
    close(found, {"norm_layers": False, "input_normalisation": True, **expected})
    spec = {"input_normalisation": False}
    found = tables.measure_normalisation(spec, x, y, CONFIDENCE, 30, 5, groups)
    assert (found["norm_layers"], found["input_normalisation"]) == (True, False)


def test_a_row_of_preprocessing(pair):
    x, y, groups = pair
    spec = {"preprocessing": "imagenet"}
    found = tables.measure_preprocessing(spec, x, y, y[::-1], CONFIDENCE, clusters=groups)
    expected = plain.preprocessing_row(x, y, y[::-1], CONFIDENCE, groups)
    close(found, {"statistics": "imagenet", **expected})
    assert tables.measure_preprocessing({}, x, y, x, CONFIDENCE)["statistics"] == "own"


def test_a_panel_of_cosines(pair):
    x, _, groups = pair
    found, histogram = cone.measure_panel(x, 40, CONFIDENCE, clusters=groups)
    expected, counts = plain.panel(x, 40, CONFIDENCE, groups)
    quartiles = ["q1_cosine", "median_cosine", "q3_cosine"]
    assert [found.pop(name) for name in quartiles] == pytest.approx(
        [expected.pop(name) for name in quartiles], abs=2e-4
    )
    close(found, expected)
    np.testing.assert_array_equal(histogram["pairs"], counts)
    np.testing.assert_allclose(histogram["cosine_low"], np.linspace(-1, 0.95, 40), atol=1e-12)
    np.testing.assert_allclose(histogram["cosine_high"], np.linspace(-0.95, 1, 40), atol=1e-12)


def test_a_panel_of_a_large_set_has_the_mean_of_all_and_the_range_of_a_sample(pair):
    x, _, _ = pair
    rows = np.array([0, 3, 7, 11, 39])  # 3 and 11 are the same
    found, histogram = cone.measure_panel(x, 40, CONFIDENCE, rows=rows)
    whole, _ = cone.measure_panel(x, 40, CONFIDENCE)
    some = x[rows] @ x[rows].T
    assert (found["n"], found["compared_n"], histogram["pairs"].sum()) == (40, 5, 20)
    for name in ("mean_cosine", "mean_cosine_low", "mean_cosine_high", "sd_cosine"):
        assert found[name] == whole[name], name
    assert found["min_cosine"] == pytest.approx(some.min()) and found["max_cosine"] == 1


class Stored:
    """What `cone.panels` asks of stored vectors."""

    def __init__(self, item_hashes, noise):
        self.item_hashes, self.noise = np.array(item_hashes), np.array(noise)

    def label(self, name):
        return {"noise": self.noise}[name]

    def select(self, mask):
        return Stored(self.item_hashes[mask], self.noise[mask])


def test_panels_take_the_same_real_items():
    trained = Stored([1, 2, 3, 4], [0, 0, 0, 0])
    random = Stored([4, 2, 8, 9, 1], [False, False, True, True, True])
    found = {key: list(part.item_hashes) for key, part in cone.panels(trained, random).items()}
    assert found == {
        ("trained", "real"): [2, 4],
        ("random", "real"): [4, 2],
        ("random", "noise"): [8, 9, 1],
    }


def test_perceptrons_and_their_intervals():
    settings = {
        "activations": ["tanh", "relu"],
        "repeats": 3,
        "vectors": 9,
        "width": 8,
        "layers": 2,
    }
    table = mlp_cone.simulate_mlps(settings, seed=11)
    rows = [
        (activation, bias, layer, repeat, cosine)
        for activation in ("tanh", "relu")
        for bias in (True, False)
        for repeat in range(3)
        for layer, cosine in enumerate(plain.mlp_cosines(activation, bias, 9, 8, 2, 11 + repeat))
    ]
    assert list(map(tuple, table.iloc[:, :4].to_numpy())) == [row[:4] for row in rows]
    np.testing.assert_allclose(table["mean_cosine"], [row[4] for row in rows], atol=1e-9)
    interval = mlp_cone.mlp_intervals(table, 9, CONFIDENCE)
    keys = ["activation", "bias", "layer"]
    for (_, part), row in zip(
        table.groupby(keys, sort=False), interval.to_dict("records"), strict=True
    ):
        ends = plain.student(part["mean_cosine"], CONFIDENCE)
        found = [row[f"mean_cosine{end}"] for end in ("", "_low", "_high")]
        assert found == pytest.approx(ends)
        assert row["n"] == 3
        # 9 x 8 cosines between inputs, and 9 ones.
        assert row["mean_cosine_with_diagonal"] == pytest.approx((72 * ends[0] + 9) / 81)


def test_the_landscape(pair):
    x, y, _ = pair
    table = loss_tables.landscape(x, y, GRID)
    pd.testing.assert_frame_equal(table, plain.landscape(x, y, GRID)[list(table)], rtol=1e-9)
    assert plain.grid(GRID, "fine_step") == pytest.approx(loss_tables.fine_grid(GRID))


def test_the_scale_a_model_was_trained_with():
    about = {"logit_scale": 20.0, "logit_bias": -3.0}
    own = partial(loss_tables.own_values, DECLARED_LOSSES["sigmoid"], "s")
    assert own(about, {}) == {"temperature": 0.05, "bias": -3.0}
    given = {"scale": 4.0, "bias": -1.0}
    assert own(about, given) == {"temperature": 0.25, "bias": -1.0}
    with pytest.raises(InputError, match=r"sets\.s\.loss"):
        own({"logit_scale": 20.0}, {})


def test_sigmoid_tables(pair):
    x, y, _ = pair
    own = {"temperature": 0.25, "bias": -3.0}
    curves, minima, _ = loss_tables.minima(
        x, y, GRID, 50, CONFIDENCE, 6, loss=LOSSES["sigmoid"], own=own
    )
    expected, lowest = plain.sigmoid_tables(x, y, 0.25, -3.0, GRID)
    pd.testing.assert_frame_equal(
        curves, expected[list(curves)], check_index_type=False, rtol=1e-9, check_dtype=False
    )
    assert len(curves) == 4 * 8
    found = pd.DataFrame(minima)[list(lowest)]
    pd.testing.assert_frame_equal(found, lowest, rtol=1e-9, check_dtype=False)


def test_the_sphere():
    settings = {"spacings_deg": [20, 15], "temperatures": [0.5, 0.1]}
    table = sphere.sphere_table(settings)
    assert len(table) == 2 * 2 * 2 * 181
    keys = ["spacing_deg", "mismatched", "temperature", "delta_theta_deg"]
    some = table[table["delta_theta_deg"] % 30 == 0]
    expected = [plain.sphere_loss(*row) for row in some[keys].itertuples(index=False)]
    np.testing.assert_allclose(some["loss"], expected, atol=1e-9)


def test_the_path_of_a_shift(pair):
    x, y, _ = pair
    points, path = shift_path.pca_with_shifts(x, y)
    expected, placed = plain.shift_path(x, y)
    pd.testing.assert_frame_equal(path, expected, check_dtype=False, atol=1e-7)
    np.testing.assert_allclose(points[["along_gap", "across_gap"]], placed, atol=1e-7)
    assert list(points["side"]) == ["a"] * 40 + ["b"] * 40


def test_both_sides_on_singular_vectors(pair):
    x, y, _ = pair
    table = projection.pair_svd_2d(x, y)
    np.testing.assert_allclose(table[["svd_1", "svd_2"]], plain.uncentred(x, y), atol=1e-7)
    assert list(table["side"]) == ["a"] * 40 + ["b"] * 40


def test_a_row_of_diagnostics(pair):
    x, y, groups = pair
    found = tables.measure_diagnostics(Pairs(x, y, CONFIDENCE, 40, 6, groups, 120))
    expected = plain.diagnostics_row(x, y, 120, CONFIDENCE, 6, groups)
    close(found, {name: expected[name] for name in found})


def test_ranks_of_sets():
    table = pd.DataFrame({"gap": [0.2, 0.9, 0.2, 0.1], "rmg": [0.1, 0.2, 0.3, 0.4]})
    found = diagnostics.ranked(table)
    assert list(found["gap_rank"]) == [2, 1, 2, 4]
    assert list(found["rmg_rank"]) == [4, 3, 2, 1]


def test_initialisations(pair):
    x, y, _ = pair
    labels = pd.DataFrame({"seed": np.repeat([0, 1, 2, 3], 20)})
    both = np.concatenate([x, y])
    group = EmbeddingSet(np.array([str(n) for n in range(80)]), both, labels)
    values, share = plain.spectrum(plain.unit(both), labels["seed"])
    table = initialisations.spectrum_table("e", group)
    np.testing.assert_allclose(table["singular_value"], values, atol=1e-6)
    assert list(table["component"]) == list(range(1, 9))
    assert set(table["initialisations"]) == {4}
    assert set(table["items"]) == {20}
    assert set(table["encoder"]) == {"e"}
    assert table["between_share"].iloc[0] == pytest.approx(share)
    points, shares = plain.components(plain.unit(both))
    table = initialisations.pca_table("e", group)
    np.testing.assert_allclose(table[["pc_1", "pc_2"]], points, atol=1e-7)
    np.testing.assert_allclose(table[["share_1", "share_2"]].iloc[0], shares)
    assert list(table["seed"]) == list(labels["seed"])


def test_published_p_values():
    row = {"task": "t", "accuracies": "a", "pictures": "p", "n": 500, "default": 0.5}
    row |= {"modified": 0.53, "p_value": 0.01}
    for shifts in (40, 2):
        table = p_values.recompute({"comparisons": [row], "shifts": shifts}, CONFIDENCE)
        close(table.iloc[0].to_dict(), plain.p_value_row(row, shifts, CONFIDENCE))


def test_cone_areas():
    table = theory.cone_areas_table({"cosine": 0.56, "dimensions": [3, 2]})
    angle = np.arccos(0.56)
    halves = [angle, angle, angle / 2, angle / 2]
    fractions = [(1 - 0.56) / 2, angle / np.pi, (1 - np.cos(angle / 2)) / 2, angle / 2 / np.pi]
    assert list(table["dimensions"]) == [3, 2, 3, 2]
    assert list(table["reading"]) == ["half angle"] * 2 + ["whole angle"] * 2
    np.testing.assert_allclose(table["half_angle_deg"], np.degrees(halves))
    np.testing.assert_allclose(table["fraction"], fractions)
    np.testing.assert_allclose(table["log2_fraction"], np.log2(fractions))


def test_the_recursion_of_perceptrons():
    table = theory.mlp_cone_table(8, 3)
    expected = [
        (bias, layer, cosine)
        for bias in (True, False)
        for layer, cosine in enumerate(plain.mlp_recursion(bias, 8, 3))
    ]
    assert list(table["bias"]) == [row[0] for row in expected]
    assert list(table["layer"]) == [row[1] for row in expected]
    np.testing.assert_allclose(table["mean_cosine"], [row[2] for row in expected], atol=1e-7)
