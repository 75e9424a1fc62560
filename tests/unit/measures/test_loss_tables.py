"""Tables of the loss over shifts and temperatures, value for value against plain computations."""

import independent as plain
import numpy as np
import pytest
from scipy.special import log_expit, log_softmax

from modality_gap.config.losses import DECLARED_LOSSES
from modality_gap.embeddings.sets import normalise
from modality_gap.errors import InputError
from modality_gap.measures import loss_minimum, loss_sweep, loss_tables, shift, sphere
from modality_gap.measures.losses import LOSSES

SETTINGS = {
    "temperatures": [0.5, 0.05],
    "batch_size": 8,
    "delta_start": -1.0,
    "delta_stop": 1.5,
    "delta_step": 0.5,
    "fine_step": 0.1,
}
COARSE = [-1, -0.5, 0, 0.5, 1, 1.5]
FINE = np.arange(-10, 16) / 10


def pairs(n=83, d=6, seed=5):
    rng = np.random.default_rng(seed)
    x = normalise(rng.normal(size=(n, d)) + 1)
    return x, normalise(x + 0.5 * rng.normal(size=(n, d)) - 0.8)


def moved(x, y, delta, one_side=False):
    """Both sides by half of delta along the gap, or the first by the whole, back on the sphere."""
    gap = x.mean(axis=0) - y.mean(axis=0)
    u = gap / np.linalg.norm(gap)
    if one_side:
        return normalise(x - delta * u), y
    return normalise(x - delta / 2 * u), normalise(y + delta / 2 * u)


def distance(x, y, delta, one_side=False):
    gap = x.mean(axis=0) - y.mean(axis=0)
    of_x, of_y = moved(x, y, delta, one_side)
    after = of_x.mean(axis=0) - of_y.mean(axis=0)
    return np.sign(after @ gap) * np.linalg.norm(after)


def entropies(x, y, temperature, size):
    """By batch the cross-entropy of both directions, (batches, 2)."""
    rows = []
    for start in range(0, len(x) - size + 1, size):
        logits = x[start : start + size] @ y[start : start + size].T / temperature
        both = (log_softmax(logits, axis=1), log_softmax(logits, axis=0))
        rows.append([-np.diagonal(one).mean() for one in both])
    return np.array(rows)


def sigmoid_loss(x, y, temperature, bias, size):
    losses = []
    for start in range(0, len(x) - size + 1, size):
        logits = x[start : start + size] @ y[start : start + size].T / temperature + bias
        right = np.eye(size, dtype=bool)
        losses.append(-np.where(right, log_expit(logits), log_expit(-logits)).sum() / size)
    return np.array(losses)


@pytest.mark.parametrize(("device", "pairs_at_once"), [(None, 16), ("cpu", 40)])
def test_a_sweep_has_some_whole_batches_in_memory_and_more_on_a_gpu(
    monkeypatch, device, pairs_at_once
):
    sizes = []

    def sweep(x, y, u, deltas, temperatures, batch_size, threads, on):
        sizes.append(len(x))
        assert (batch_size, on) == (8, device)
        return np.zeros((2, len(temperatures), len(deltas), len(x) // batch_size))

    monkeypatch.setattr(loss_sweep.on_gpu, "device_for", lambda cosines: device)
    monkeypatch.setattr(loss_sweep, "sweep_cross_entropies", sweep)
    monkeypatch.setattr(loss_sweep, "ROWS", 20)
    monkeypatch.setattr(loss_sweep, "ROWS_ON_GPU", 45)
    loss_tables.landscape(*pairs(), SETTINGS)
    assert sizes == [pairs_at_once] * (80 // pairs_at_once)


@pytest.mark.parametrize("rows", [5, 8, 20, 2048])  # a batch a tile, two, all of them
def test_every_column_of_the_landscape(monkeypatch, rows):
    for module in (shift, loss_sweep):
        monkeypatch.setattr(module, "ROWS", rows)
    x, y = pairs()
    table = loss_tables.landscape(x, y, SETTINGS)
    assert table["temperature"].tolist() == [0.05] * 6 + [0.5] * 6
    np.testing.assert_allclose(table["delta"], COARSE * 2, atol=1e-12)
    for row in table.to_dict("records"):
        losses = entropies(*moved(x, y, row["delta"]), row["temperature"], 8)
        assert len(losses) == 10
        assert row["loss"] == pytest.approx(losses.mean(), rel=1e-9)
        assert row["loss_as_released"] == pytest.approx(losses[:, 0].mean(), rel=1e-9)
        assert abs(losses[:, 0].mean() - losses[:, 1].mean()) > 1e-4
        assert row["distance"] == pytest.approx(distance(x, y, row["delta"]), abs=1e-9)
        one_side = distance(x, y, row["delta"], one_side=True)
        assert row["distance_one_side"] == pytest.approx(one_side, abs=1e-9)


@pytest.mark.parametrize("n", [40, 41, 47])
def test_batches_that_fill_a_tile_and_a_rest_that_does_not(monkeypatch, n):
    monkeypatch.setattr(loss_sweep, "ROWS", 8)
    x, y = (side[:n] for side in pairs())
    table = loss_tables.landscape(x, y, SETTINGS | {"temperatures": [0.1]})
    losses = entropies(*moved(x, y, 0), 0.1, 8)
    assert len(losses) == 5
    found = table.loc[np.isclose(table["delta"], 0), "loss"].item()
    assert found == pytest.approx(losses.mean(), rel=1e-9)


def test_minima_and_shapes_on_the_fine_grid():
    x, y = pairs()
    _, lowest, shapes = loss_tables.minima(x, y, SETTINGS, 60, 0.9, 3)
    distances = np.array([distance(x, y, delta) for delta in FINE])
    for row, temperature in zip(lowest, [0.5, 0.05], strict=True):
        losses = np.array(
            [entropies(*moved(x, y, delta), temperature, 8).mean(axis=1) for delta in FINE]
        )
        mean = losses.mean(axis=1)
        least = mean.argmin()
        assert (row["temperature"], row["n"], row["batches"]) == (temperature, 80, 10)
        assert row["delta"] == pytest.approx(FINE[least])
        assert row["distance"] == pytest.approx(distances[least])
        assert row["gap"] == pytest.approx(distances[10])
        assert row["at_end"] == (least in (0, 25))
        assert row["loss"] == pytest.approx(mean[least])
        assert row["loss_at_gap"] == pytest.approx(mean[10])
        assert row["loss_excess"] == pytest.approx(mean[10] - mean[least])
    for shape in shapes:
        assert (shape["n"], shape.keys() - {"temperature"}) == (80, {*loss_tables.SHAPE_COLUMNS})


def test_the_intervals_of_minima_are_over_the_clusters_of_whole_batches():
    x, y = pairs(28, 4)
    # Three pairs, and with them a whole cluster, are in no batch of five.
    clusters = np.concatenate([np.array([0, 1, 2, 3, 5, 6, 7, 8])[np.arange(25) % 8], [4] * 3])
    settings = SETTINGS | {"batch_size": 5, "delta_start": 0.0, "temperatures": [0.1, 0.02]}
    _, lowest, _ = loss_tables.minima(x, y, settings, 50, 0.5, 3, clusters=clusters)
    for row in lowest:
        about = settings, 50, 0.5, 3, clusters
        ends, costs, count = plain.minimum_intervals(x, y, row["temperature"], *about)
        assert (row["n"], row["clusters"], row["batches"], count) == (25, 8, 5, 8)
        assert (row["distance_low"], row["distance_high"]) == pytest.approx(tuple(ends))
        assert (row["closing_cost_low"], row["closing_cost_high"]) == pytest.approx(tuple(costs))


def test_the_tables_of_a_loss_have_the_values_that_its_models_were_trained_with():
    assert loss_tables.own_columns(DECLARED_LOSSES["sigmoid"]) == ["bias", "own"]
    assert loss_tables.own_columns(DECLARED_LOSSES["softmax"]) == []


def test_shapes_are_those_of_losses_with_a_hump_alone():
    rng = np.random.default_rng(1)
    hidden = rng.normal(size=(64, 8))
    x = normalise(hidden + 2)
    y = normalise(hidden + 0.3 * rng.normal(size=(64, 8)) - 2)
    settings = SETTINGS | {"delta_start": -2.0, "delta_stop": 4.0, "temperatures": [0.02, 5]}
    *_, shapes = loss_tables.minima(x, y, settings, 20, 0.9, 3)
    fine = np.arange(-20, 41) / 10
    distances = np.array([distance(x, y, delta) for delta in fine])
    wanted = []
    for temperature in (0.02, 5):
        mean = np.array([entropies(*moved(x, y, delta), temperature, 8).mean() for delta in fine])
        shape = loss_minimum.back_to_back(mean, distances)
        wanted += [{"temperature": temperature, "n": 64, **shape}] if shape else []
    assert len(wanted) == 1
    assert shapes == [pytest.approx(wanted[0])]


def bumpy(batches=12, seed=2):
    """A loss by shift and batch whose minimum differs by batch, (201, batches)."""
    rng = np.random.default_rng(seed)
    deltas = np.round(np.arange(-100, 101) * 0.01, 10)
    bottoms = rng.gamma(0.4, 0.25, size=batches) - 0.2
    return (deltas[:, None] - bottoms) ** 2 + 1, deltas


def test_the_interval_of_a_minimum_is_of_its_confidence_and_seed():
    losses, deltas = bumpy()
    distances = 0.6 - 1.3 * deltas
    ends = {}
    for confidence in (0.5, 0.8, 0.95):
        found = loss_minimum.loss_minimum(losses, deltas, distances, 4000, confidence, 1)
        # Batches drawn again, one resample after the other; quantiles of their minima.
        rng = np.random.default_rng(77)
        places = [
            distances[losses[:, rng.integers(0, 12, 12)].mean(axis=1).argmin()] for _ in range(4000)
        ]
        tail = (1 - confidence) / 2
        wanted = np.quantile(places, [tail, 1 - tail])
        ends[confidence] = found["distance_low"], found["distance_high"]
        assert ends[confidence] == pytest.approx(tuple(wanted), abs=0.027)  # two steps of the grid
    widths = [high - low for low, high in ends.values()]
    assert widths[0] < widths[1] < widths[2]


def test_the_interval_of_a_minimum_has_the_draws_of_its_seed():
    losses, deltas = bumpy()
    seen = set()
    for seed in range(3):
        found = loss_minimum.loss_minimum(losses, deltas, -deltas, 40, 0.5, seed)
        ends = found["distance_low"], found["distance_high"]
        assert ends == pytest.approx(
            plain.bootstrap(
                lambda weights: -deltas[(losses @ weights).argmin()],
                12,
                40,
                0.5,
                seed,
                "percentile",
            )
        )
        seen.add(ends)
    assert len(seen) > 1


@pytest.mark.parametrize(
    ("bottom", "at_end"), [(-1.5, True), (-1.4, False), (1.4, False), (1.5, True)]
)
def test_a_minimum_at_either_end_is_told(bottom, at_end):
    deltas = np.round(np.arange(-15, 16) * 0.1, 10)
    losses = np.abs(deltas - bottom)[:, None] * np.ones(9)
    found = loss_minimum.loss_minimum(losses, deltas, -deltas, 50, 0.95, 0)
    assert (found["at_end"], found["delta"]) == (at_end, bottom)


@pytest.mark.parametrize(
    ("at", "placed"),
    [
        *(([0.5, -0.5], False), ([0.5, 0.6], True), ([0.3, -0.3], True), ([0.3, 0.6], True)),
        *(([0.4, -0.5], False), ([0.5, 0.0], False)),  # an end is within the interval
    ],
)
def test_a_minimum_whose_interval_spans_0_and_the_gap_is_placed_nowhere(at, placed):
    """Half of the units have their minimum at one of two distances, half at the other; the gap,
    without a shift, is .4."""
    deltas = np.round(np.arange(-15, 16) * 0.1, 10)
    distances = 0.4 - deltas
    losses = np.abs(distances[:, None] - np.repeat(at, 20))
    losses += 0.01 * np.random.default_rng(5).random(losses.shape)
    found = loss_minimum.loss_minimum(losses, deltas, distances, 200, 0.95, 0)
    spans = found["distance_low"] <= 0 and found["distance_high"] >= 0.4
    assert found["placed"] == placed == (not spans)


# --- temperatures -------------------------------------------------------------------------------

CLOSE = [0.02, 0.0201, 0.01, 0.0100001, 0.04, 0.0398]
LOW = [1 / 3000, 1 / 1000, 1 / 500, 1 / 310, 1 / 300, 1 / 299, 1e-4]


@pytest.mark.parametrize("temperatures", [CLOSE, LOW, [*LOW, *CLOSE, 1, 1 / 2, 1 / 3, 1 / 5]])
def test_temperatures_near_each_other_and_low_ones_have_their_own_loss(temperatures):
    x, y = pairs(16, 3, seed=8)
    # Far from right: opposite partners, for which an exponential of a low temperature vanishes.
    y = np.concatenate([-x[:8], y[8:]])
    found = loss_sweep.batched_sweep(x, y, np.array([0.0, 0.7]), temperatures, 8)
    for place, temperature in enumerate(temperatures):
        for column, delta in enumerate((0, 0.7)):
            losses = entropies(*moved(x, y, delta), temperature, 8).mean(axis=1)
            np.testing.assert_allclose(found[place, column], losses, rtol=1e-9)
    assert np.isfinite(found).all()


def test_a_batch_of_one_whole_set_is_held_in_parts(monkeypatch):
    x, y = pairs(24)
    wanted = entropies(*moved(x, y, 0.3), 0.1, 24).mean()
    for cosines in (24, 25, 48, 24 * 23, 24 * 24):
        monkeypatch.setattr(loss_sweep, "COSINES", cosines)
        found = loss_sweep.batched_sweep(x, y, np.array([0.3]), [0.1], 24)
        np.testing.assert_allclose(found, [[[wanted]]], rtol=1e-10)


# --- sigmoid ------------------------------------------------------------------------------------


def sigmoid_tables(x, y, temperature):
    own = {"temperature": temperature, "bias": -4.0}
    return loss_tables.minima(x, y, SETTINGS, 60, 0.9, 3, loss=LOSSES["sigmoid"], own=own)


def test_every_column_of_the_sigmoid_tables():
    x, y = pairs()
    table, lowest, _ = sigmoid_tables(x, y, 0.05)
    assert [row["temperature"] for row in lowest] == [0.05, 0.5]
    assert [row["own"] for row in lowest] == [True, False]
    assert {row["bias"] for row in lowest} == {-4.0}
    assert table["temperature"].tolist() == [0.05] * 6 + [0.5] * 6
    np.testing.assert_allclose(table["delta"], COARSE * 2, atol=1e-12)
    assert table["own"].tolist() == [True] * 6 + [False] * 6
    for row in table.to_dict("records"):
        losses = sigmoid_loss(*moved(x, y, row["delta"]), row["temperature"], -4.0, 8)
        assert row["loss"] == pytest.approx(losses.mean(), rel=1e-9)
        assert row["distance"] == pytest.approx(distance(x, y, row["delta"]), abs=1e-9)
        assert (row["n"], row["bias"]) == (80, -4.0)
    for row in lowest:
        losses = [
            sigmoid_loss(*moved(x, y, delta), row["temperature"], -4.0, 8).mean() for delta in FINE
        ]
        least = int(np.argmin(losses))
        assert row["delta"] == pytest.approx(FINE[least])
        assert row["loss"] == pytest.approx(losses[least])
        assert row["loss_at_gap"] == pytest.approx(losses[10])
        assert (row["n"], row["batches"]) == (80, 10)
    # A temperature of its own that the config does not name comes first.
    _, more, _ = sigmoid_tables(x, y, 0.2)
    assert [row["temperature"] for row in more] == [0.2, 0.5, 0.05]


@pytest.mark.parametrize("sharpness", [250, 300, 310, 380, 500])
def test_the_loss_of_opposite_modalities_is_exact_at_low_temperatures(sharpness):
    """Where no sum of exponentials is above the smallest number of a float."""
    x = normalise(np.random.default_rng(0).normal(size=(16, 5)) * 1e-3 + np.eye(5)[0])
    found = loss_sweep.batched_sweep(x, -x, np.array([-0.1, 0.0]), [1 / sharpness, 0.1], 8)
    for place, delta in enumerate((-0.1, 0.0)):
        losses = entropies(*moved(x, -x, delta), 1 / sharpness, 8).mean(axis=1)
        np.testing.assert_allclose(found[0, place], losses, rtol=1e-9)


@pytest.mark.parametrize(("step", "fine"), [(0.1, 0.02), (0.1, 0.05), (0.3, 0.1), (0.25, 0.05)])
def test_curves_have_the_shifts_of_the_coarse_grid_whatever_its_step(step, fine):
    """The quotient of two steps is a whole number but for rounding."""
    grid = {"delta_start": -10 * step, "delta_stop": 10 * step}
    settings = SETTINGS | grid | {"delta_step": step, "fine_step": fine, "temperatures": [0.5]}
    curves, *_ = loss_tables.minima(*pairs(n=16), settings, 9, 0.9, 0)
    np.testing.assert_allclose(curves["delta"], step * np.arange(-10, 11), atol=1e-12)


def test_own_scale_is_the_entrys_before_the_metadatas():
    about = {"logit_scale": 10, "logit_bias": -5, "model": "mine"}
    declared = DECLARED_LOSSES["sigmoid"]

    def own(about, entry):
        return loss_tables.own_values(declared, "mine", about, entry)

    assert own(about, {}) == {"temperature": 0.1, "bias": -5}
    assert own(about, {"scale": 4}) == {"temperature": 0.25, "bias": -5}
    assert own({}, {"scale": 4, "bias": -3}) == {"temperature": 0.25, "bias": -3}
    for given, missing in (({}, "scale and no bias"), ({"logit_scale": 10}, "bias")):
        with pytest.raises(InputError, match=rf"sets\.mine\.loss is .* has no {missing}; remove"):
            own(given, {"note": "a"})
    assert loss_tables.own_values(DECLARED_LOSSES["softmax"], "mine", about, {}) is None


# --- the sphere ---------------------------------------------------------------------------------


def test_every_row_of_the_sphere():
    settings = {"spacings_deg": [10, 25], "temperatures": [0.5, 0.02]}
    table = sphere.sphere_table(settings)
    assert len(table) == 2 * 2 * 2 * 181
    rows = table.sample(60, random_state=0).to_dict("records")
    assert {row["mismatched"] for row in rows} == {True, False}
    for row in rows:
        phi = np.radians(row["spacing_deg"] * np.arange(-1, 5))
        texts = phi.copy()
        if row["mismatched"]:
            texts[:2] = texts[1::-1]
        theta = np.radians(90 + row["delta_theta_deg"])
        # The cosine of points of the equator and of a parallel: sin(theta) cos(phi - phi').
        cosines = np.sin(theta) * np.cos(phi[:, None] - texts)
        logits = cosines / row["temperature"]
        loss = [
            np.mean(np.log(np.exp(m - m.max()).sum(axis=1)) + m.max() - np.diagonal(m))
            for m in (logits, logits.T)
        ]
        assert row["loss"] == pytest.approx(np.mean(loss), rel=1e-9)
    for _, part in table.groupby(["spacing_deg", "mismatched", "temperature"]):
        assert part["delta_theta_deg"].tolist() == list(range(-90, 91))


def test_a_grid_of_shifts_holds_both_ends_and_no_shift_exactly():
    assert shift.delta_grid(SETTINGS).tolist() == COARSE
    np.testing.assert_allclose(loss_tables.fine_grid(SETTINGS), FINE, atol=1e-12)
    odd = shift.delta_grid({"delta_start": -0.3, "delta_stop": 0.7, "delta_step": 0.1})
    np.testing.assert_allclose(odd, np.arange(-3, 8) / 10, atol=1e-12)  # .7 / .1 is below 7
    assert 0 in odd


def test_the_deepest_valley_and_the_highest_hump_behind_the_gap_are_told():
    # Knots of a broken line by distance: the gap's valley at 1.5, humps at -.4 and -1.1, valleys
    # behind them at -.8 and -1.6.
    knots = {2.0: 5, 1.5: 1, -0.4: 6, -0.8: 0.5, -1.1: 8, -1.6: 2, -2.0: 4}
    distances = np.arange(200, -201, -1) / 100
    places = sorted(knots)
    loss = np.interp(distances, places, [knots[place] for place in places])
    found = loss_minimum.back_to_back(loss, distances)
    assert {k: round(float(v), 6) for k, v in found.items()} == {
        "hump_distance": -1.1,
        "hump_loss": 8,
        "back_distance": -1.6,
        "back_loss": 2,
    }
    higher = np.interp(distances, places, [{6: 9}.get(knots[at], knots[at]) for at in places])
    before = loss_minimum.back_to_back(higher, distances)
    assert (before["hump_distance"], before["back_distance"]) == (-0.4, -0.8)
    # The order of the rows does not matter.
    order = np.random.default_rng(0).permutation(len(loss))
    assert loss_minimum.back_to_back(loss[order], distances[order]) == found
    # Nor does a shift without a loss, or a step within rounding.
    for hole in (330, 311, 361):  # on a slope, beside the hump, beside the valley
        with_hole = np.insert(loss, hole, np.nan), np.insert(distances, hole, 2.005 - hole / 100)
        assert loss_minimum.back_to_back(*with_hole) == found
    level = 1 + 1e-12 * np.random.default_rng(1).normal(size=401)
    assert loss_minimum.back_to_back(level, distances) is None
    # A hump before the centres meet is none, nor is one without a valley behind it.
    shifted = loss_minimum.back_to_back(loss, distances + 2)
    assert shifted is None
    # Nor is one where they meet.
    assert distances[240] + 0.4 == 0
    assert loss_minimum.back_to_back(loss[:300], distances[:300] + 0.4) is None
    assert loss_minimum.back_to_back(loss[:300], distances[:300])["back_distance"] == -0.8
    assert loss_minimum.back_to_back(loss[:270], distances[:270]) is None
