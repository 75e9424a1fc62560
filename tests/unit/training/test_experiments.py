"""Training experiments: models, optimiser, tables, and the journal after an interruption."""

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from scipy import linalg, stats

from modality_gap.embeddings.sets import normalise
from modality_gap.measures.gap_intervals import measure_gap
from modality_gap.measures.intervals import t_interval
from modality_gap.measures.losses import cross_entropies
from modality_gap.training.experiments import (
    fit,
    measure,
    measure_untouched,
    plan_runs,
    run_settings,
    share,
    train_loss,
    train_run,
    zero_shot_hits,
)
from modality_gap.training.journal import run_key, run_missing
from modality_gap.training.loop import LinearProjections
from modality_gap.training.pairs import Pairs, held_out
from modality_gap.training.tables import (
    compare_starts,
    differences,
    experiment_tables,
    spreads,
    summarise,
    trend,
)
from modality_gap.training.towers import (
    Adam,
    Temperature,
    Towers,
    learning_rate_factor,
    rotate_second,
    rotation_onto,
)

CONFIG = yaml.safe_load(
    (Path(__file__).parents[3] / "config" / "config.yaml").read_text(encoding="utf-8")
)
# A training of milliseconds.
SMALL = {
    "models": {},
    "seeds": 2,
    "optimisation": CONFIG["experiments"]["optimisation"]
    | {"batch_size": 8, "warmup": 2, "record_every": 4},
    "towers": {"hidden_layers": 1, "width": 16, "dim": 6},
    "initialisation": {
        "temperature": 0.05,
        "largest_scale": 100,
        "steps": 10,
        "learning_rate": 0.01,
    },
    "dimension": {"dims": [4, 8], "temperature": 0.05, "steps": 10, "learning_rate": 0.01},
    "same_modality": {
        "modalities": ["text"],
        "temperature": 0.05,
        "steps": 10,
        "learning_rate": 0.01,
    },
}
# Per seed, printed in the authors' notebooks (section 4.4).
PUBLISHED = {
    ("original", "gap_before"): ([1.1898, 1.1884, 1.1892], 1.1891, 0.0017),
    ("original", "gap_after"): ([1.3149, 1.2988, 1.2836], 1.2991, 0.0389),
    ("rotated", "gap_before"): ([0.0314, 0.0551, 0.0299], 0.0388, 0.0351),
    ("rotated", "gap_after"): ([0.7472, 0.7195, 0.7704], 0.7457, 0.0633),
}


@pytest.fixture
def pairs() -> Pairs:
    """40 pairs of 10 and 7 dimensions that share 4 hidden ones, 30 of them for training."""
    rng = np.random.default_rng(5)
    hidden = rng.normal(size=(40, 4))
    a, b = (normalise(hidden @ rng.normal(size=(4, dims))) for dims in (10, 7))
    rows = torch.from_numpy(rng.permutation(40))
    return Pairs(torch.from_numpy(a).float(), torch.from_numpy(b).float(), rows[:30], rows[30:])


# --- models and training ------------------------------------------------------------------------


def test_the_rotation_is_found_again_and_is_the_nearest():
    rng = np.random.default_rng(0)
    y = normalise(rng.normal(size=(50, 6)))
    wanted = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    np.testing.assert_allclose(rotation_onto(y @ wanted, y), wanted, atol=1e-12)
    x = normalise(rng.normal(size=(50, 6)))
    found = rotation_onto(x, y)
    np.testing.assert_allclose(found @ found.T, np.eye(6), atol=1e-12)
    # In the paper's form: W = U V^T of the singular value decomposition of x^T y, on columns.
    u, _, vt = np.linalg.svd(x.T @ y)
    np.testing.assert_allclose((u @ vt @ y.T).T, y @ found, atol=1e-12)
    near = (np.linalg.qr(found + 0.1 * rng.normal(size=(6, 6)))[0] for _ in range(20))
    best = np.linalg.norm(x - y @ found)
    for other in near:
        other *= np.sign((other * found).sum(axis=0))
        assert np.linalg.norm(x - y @ other) > best


def test_towers_are_networks_with_bias_over_inputs_of_unit_mean_square(pairs):
    towers = Towers((10, 7), hidden_layers=2, width=9, dim=5, seed=3)
    x, y = (side.detach().numpy() for side in towers(pairs.a, pairs.b))
    for network, inputs, seen in ((towers.first, pairs.a, x), (towers.second, pairs.b, y)):
        value = inputs.numpy() / np.sqrt((inputs.numpy() ** 2).mean(axis=1, keepdims=True))
        weights = [one.detach().numpy() for one in network.parameters()]
        for layer in range(3):
            value = value @ weights[2 * layer].T + weights[2 * layer + 1]
            value = np.maximum(value, 0) if layer < 2 else value
        np.testing.assert_allclose(seen, normalise(value), atol=1e-5)


def test_weights_and_biases_of_towers_have_the_variance_of_one_over_the_inputs():
    for network in (one := Towers((900, 400), 1, 2500, 100, 0)).first, one.second:
        for layer in (network[0], network[2]):
            for parameter in (layer.weight, layer.bias):
                wanted = layer.in_features**-0.5
                error = wanted / (2 * parameter.numel()) ** 0.5
                assert float(parameter.std().detach()) == pytest.approx(wanted, abs=5 * error)


def test_deep_towers_begin_in_the_cone_of_the_closed_form():
    # Orthogonal inputs through ReLU layers with weights and biases from N(0, 1/inputs): in the
    # limit of width each layer halves the mean square and adds the bias's (arc-cosine kernel).
    dims, width, hidden = 128, 1024, 3
    product, square = 1 / dims, 1 + 1 / dims
    for _ in range(hidden):
        angle = math.acos(product / square)
        kernel = (math.sin(angle) + (math.pi - angle) * math.cos(angle)) / math.pi
        product, square = square * kernel / 2, square / 2
        product, square = product + 1 / width, square + 1 / width
    eye = torch.eye(dims)
    towers = Towers((dims, dims), hidden, width, 1024, seed=0)
    with torch.no_grad():
        for side in towers(eye, eye):
            cosines = (side @ side.T).numpy()[~np.eye(dims, dtype=bool)]
            assert cosines.mean() == pytest.approx(product / square, abs=0.03)
    assert product / square > 0.6


def test_a_rotated_start_has_towers_as_they_were_but_for_one_orthogonal_matrix(pairs):
    towers = Towers((10, 7), 3, 32, 16, seed=1)
    with torch.no_grad():
        x, y = towers(pairs.a, pairs.b)
        rotate_second(towers, pairs)
        turned_x, turned_y = towers(pairs.a, pairs.b)
    np.testing.assert_array_equal(turned_x, x)
    np.testing.assert_allclose(turned_y @ turned_y.T, y @ y.T, atol=1e-5)
    before, after = (float((x.mean(0) - side.mean(0)).norm()) for side in (y, turned_y))
    # No rotation can do better than the difference of the two centres' lengths.
    assert float((x.mean(0).norm() - y.mean(0).norm()).abs()) <= after < 0.3 * before


def test_the_rotation_is_that_of_the_train_pairs_alone(pairs):
    towers = Towers((10, 7), hidden_layers=1, width=16, dim=6, seed=0)
    with torch.no_grad():
        x, y = (side[pairs.train].double().numpy() for side in towers(pairs.a, pairs.b))
        rotate_second(towers, pairs)
    wanted = linalg.orthogonal_procrustes(y, x)[0]
    np.testing.assert_allclose(towers.get_buffer("rotation").numpy(), wanted, atol=1e-5)


@pytest.mark.parametrize("optimiser", ["adam", "adamw"])
def test_the_optimiser_is_adam_as_published(optimiser):
    settings = {
        "optimiser": optimiser,
        "betas": [0.8, 0.95],
        "epsilon": 1e-3,
        "learning_rate": 0.02,
    }
    rng = np.random.default_rng(2)
    value, decay = rng.normal(size=5), 0.3
    parameter = torch.nn.Parameter(torch.from_numpy(value.copy()))
    steps = Adam([parameter], settings, decay)
    mean, square = np.zeros(5), np.zeros(5)
    for step, factor in enumerate((0.5, 1.0, 0.7), start=1):
        gradient = rng.normal(size=5)
        parameter.grad = torch.from_numpy(gradient)
        steps.step(factor)
        rate = 0.02 * factor
        if optimiser == "adam":
            gradient = gradient + decay * value
        else:
            value = value * (1 - rate * decay)
        mean = 0.8 * mean + 0.2 * gradient
        square = 0.95 * square + 0.05 * gradient**2
        corrected = np.sqrt(square / (1 - 0.95**step)) + 1e-3
        value = value - rate * mean / (1 - 0.8**step) / corrected
    np.testing.assert_allclose(parameter.detach().numpy(), value, rtol=1e-9)
    assert parameter.grad is None


def test_the_learning_rate_rises_then_falls_or_stays():
    factors = [learning_rate_factor(step, 12, 2, "cosine") for step in range(12)]
    assert factors[:3] == pytest.approx([1 / 3, 2 / 3, 1])
    assert factors[7] == pytest.approx(0.5)
    assert factors[2:] == sorted(factors[2:], reverse=True)
    assert factors[-1] > 0
    assert {learning_rate_factor(step, 12, 0, "none") for step in range(12)} == {1.0}


@pytest.mark.parametrize(
    ("decay", "factors"),
    [
        ("none", [1 / 3, 2 / 3, 1, 1, 1, 1]),
        # Half a cosine over the four steps after the warm-up.
        ("cosine", [1 / 3, 2 / 3, 1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2]),
    ],
)
def test_a_training_is_torch_s_own_adam_over_the_same_batches(pairs, decay, factors):
    more = {"optimiser": "adam", "steps": 6, "warmup": 2, "decay": decay}
    more |= {"learning_rate": 0.01, "weight_decay": 0.1}
    settings = run_settings(SMALL, "dimension") | more
    towers, own = (Towers((10, 7), 1, 16, 6, seed=0) for _ in range(2))
    fit(towers, pairs, Temperature(0.05, False), settings, 3, lambda step: None)
    optimiser = torch.optim.Adam(
        own.parameters(), betas=settings["betas"], eps=settings["epsilon"], weight_decay=0.1
    )
    generator, right = torch.Generator().manual_seed(3), torch.arange(8)
    batches = []
    for _ in range(2):  # of 30 rows three batches of 8 an epoch; 6 are left over
        order = pairs.train[torch.randperm(30, generator=generator)]
        batches += [order[:8], order[8:16], order[16:24]]
    for rows, factor in zip(batches, factors, strict=True):
        x, y = own(pairs.a[rows], pairs.b[rows])
        logits = x @ y.T / 0.05
        losses = [torch.nn.functional.cross_entropy(one, right) for one in (logits, logits.T)]
        optimiser.zero_grad()
        (sum(losses) / 2).backward()
        optimiser.param_groups[0]["lr"] = 0.01 * factor
        optimiser.step()
    for found, wanted in zip(towers.parameters(), own.parameters(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


def test_no_batch_is_larger_than_what_is_trained_on_and_records_are_where_they_are_due(pairs):
    settings = run_settings(SMALL, "dimension") | {"batch_size": 64, "steps": 7, "record_every": 3}
    recorded, seen = [], []

    class Seen(Still):
        def forward(self, a, b):
            seen.append((len(a), self.training))
            return super().forward(a[:, :4], b[:, :4])

    fit(Seen(), pairs, Temperature(1.0, False), settings, 0, recorded.append)
    assert recorded == [0, 3, 6, 7]
    assert seen == [(30, True)] * 7


class Still(torch.nn.Module):
    """Passes its inputs on, so that nothing but the temperature is learnt."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def forward(self, a, b):
        return a + 0 * self.weight, b


def test_a_learnt_temperature_moves_within_its_bound_and_a_fixed_one_does_not():
    settings = run_settings(SMALL, "initialisation") | {"steps": 30, "learning_rate": 0.05}
    rows, eye = torch.arange(30), torch.eye(30)

    def final(b: torch.Tensor, initial: float, learnt: bool, bound: float = 100) -> float:
        temperature = Temperature(initial, learnt, bound)
        fit(Still(), Pairs(eye, b, rows, rows), temperature, settings, 0, lambda step: None)
        return temperature.value()

    assert final(eye, 0.02, learnt=False) == 0.02
    # Both kinds begin at the same number.
    assert Temperature(0.07, True).value() == pytest.approx(0.07, rel=1e-12)
    # Each item is nearest to its own partner: a lower temperature lowers the loss, to the bound.
    assert 0.03 < final(eye, 0.2, learnt=True) < 0.15
    assert final(eye, 0.005, learnt=True) == pytest.approx(0.01)
    assert final(eye, 0.005, learnt=True, bound=40) == pytest.approx(0.025)
    unbound = Temperature(0.005, True)
    unbound.clamp()
    assert unbound.value() == pytest.approx(0.005)
    # Each is farthest from its own: a higher one does.
    assert final(-eye, 0.02, learnt=True) > 0.03


def test_the_train_loss_is_that_of_a_full_pass(pairs):
    towers = Towers((10, 7), 1, 16, 6, seed=0)
    with torch.no_grad():
        x, y = (side.double().numpy()[pairs.train] for side in towers(pairs.a, pairs.b))
    batches = [cross_entropies(x[at : at + 8] @ y[at : at + 8].T, 0.1) for at in (0, 8, 16)]
    found = train_loss(towers, pairs, 0.1, {"batch_size": 8})
    assert found == pytest.approx(np.mean(batches), rel=1e-5)


def test_a_run_learns_records_and_repeats_itself(pairs):
    settings = run_settings(SMALL, "dimension") | {"steps": 90}
    run = {"condition": {"dim": 8}, "seed": 4}
    first, again = (train_run(run, pairs, settings) for _ in range(2))
    assert first == again
    row, steps = first["row"], first["steps"]
    assert row["loss_after"] < 0.5 * row["loss_before"]
    assert row["recall1_ab_after"] > max(0.3, row["recall1_ab_before"])
    assert [step["step"] for step in steps] == [*range(0, 89, 4), 90]
    assert (steps[0]["gap"], steps[-1]["gap"]) == (row["gap_before"], row["gap_after"])
    assert (steps[0]["loss"], steps[-1]["loss"]) == (row["loss_before"], row["loss_after"])
    other = train_run(run | {"seed": 5}, pairs, settings)
    assert other["row"]["gap_before"] != row["gap_before"]


def test_conditions_do_what_they_say(pairs):
    settings = run_settings(SMALL, "initialisation") | {"steps": 4}
    rows = {}
    for run in plan_runs(SMALL, "initialisation", 7):
        rows[(*run["condition"].values(), run["seed"])] = train_run(run, pairs, settings)["row"]
    for mode in ("fixed", "learnt"):
        original, rotated = rows[mode, "original", 7], rows[mode, "rotated", 7]
        assert rotated["gap_before"] < original["gap_before"]
        assert rotated["mean_cosine_b_before"] == pytest.approx(original["mean_cosine_b_before"])
        assert (original["temperature_after"] == 0.05) == (mode == "fixed")
    run = {"condition": {"modality": "text"}, "seed": 7}
    settings = run_settings(SMALL, "same_modality")
    seen = {}

    def more(model, x, y):
        for side, wanted in zip((x, y), held_out(model, replace(pairs, a=pairs.b)), strict=True):
            np.testing.assert_array_equal(side, wanted)
        seen.update(model=model)
        return {"mean_of_y": float(y.mean())}

    row = train_run(run, pairs, settings, more=more)["row"]
    assert row["mean_of_y_before"] != row["mean_of_y_after"]
    x, y = held_out(seen["model"], replace(pairs, a=pairs.b))
    assert x.shape == y.shape == (10, 6)
    row = train_run({"condition": {"modality": "image"}, "seed": 7}, pairs, settings)["row"]
    towers = Towers((10, 10), 1, 16, 6, seed=7)
    x, y = held_out(towers, replace(pairs, b=pairs.a))
    assert row["gap_before"] == pytest.approx(np.linalg.norm(x.mean(0) - y.mean(0)))


def test_a_model_goes_on_learning_from_where_it_was_and_stays_itself(pairs):
    start = LinearProjections(10, 7, 6)
    weight = start.image.weight.detach().clone()
    settings = run_settings(SMALL | {"temperature": {"steps": 5}}, "temperature")
    settings |= {"learning_rate": 0.01}
    runs = [{"condition": {"temperature": value}, "seed": 1} for value in (1.0, 0.05)]
    results = [train_run(run, pairs, settings, start=start)["row"] for run in runs]
    np.testing.assert_array_equal(start.image.weight.detach(), weight)
    assert results[0]["gap_before"] == results[1]["gap_before"]
    assert results[0]["gap_after"] != results[1]["gap_after"]


def test_what_is_measured_of_two_sides_is_told_of_the_right_one():
    """The second picture is nearest to the first text, while each text finds its own picture."""
    x = normalise(np.array([[1.0, 0.1], [0.9, 0.2], [-1.0, 0.1]]))
    y = normalise(np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -0.2]]))
    found = measure(x, y)
    cosines = x @ y.T
    wanted = [(cosines.argmax(axis) == np.arange(3)).mean() for axis in (1, 0)]
    assert wanted == [2 / 3, 1]
    assert [found["recall1_ab"], found["recall1_ba"]] == pytest.approx(wanted)
    assert found["gap"] == pytest.approx(np.linalg.norm(x.mean(0) - y.mean(0)))
    for side, name in ((x, "mean_cosine_a"), (y, "mean_cosine_b")):
        pairs = [side[0] @ side[1], side[0] @ side[2], side[1] @ side[2]]
        assert found[name] == pytest.approx(np.mean(pairs))


def test_zero_shot_hits_are_those_of_the_nearest_prompt():
    images = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [0.8, 0.6]])
    prompts = np.array([[0.0, 1.0], [1.0, 0.0]])
    classes = np.array(["up", "right"])
    right = np.array(["right", "up", "right", "right"])
    hits = zero_shot_hits(images, prompts, classes, right)
    assert hits.tolist() == [True, True, False, True]


# --- the journal --------------------------------------------------------------------------------


class Interrupted(Exception):
    pass


def test_a_run_is_known_by_what_it_is_and_not_by_the_order_of_its_keys():
    run, origin = {"seed": 1, "condition": {"dim": 4, "start": "x"}}, {"steps": 2, "digest": "d"}
    turned = {"condition": {"start": "x", "dim": 4}, "seed": 1}
    key = run_key(run, origin)
    assert run_key(turned, dict(reversed(origin.items()))) == key
    assert len({key, run_key(run | {"seed": 2}, origin), run_key(run, {"steps": 2})}) == 3


def test_a_result_that_is_half_written_is_none(tmp_path, monkeypatch):
    """The disk is full after some bytes."""

    def write(path: Path, text: str, encoding: str) -> int:
        path.write_bytes(text[:9].encode(encoding))
        raise OSError("No space left on device")

    runs = [{"condition": {}, "seed": 0}]
    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(Path, "write_text", write)
        run_missing(runs, lambda run: {"row": 1}, tmp_path, {}, told=str)
    trained = []
    (result,) = run_missing(
        runs, lambda run: trained.append(run) or {"row": 2}, tmp_path, {}, told=str
    )
    assert trained == runs and result["row"] == 2


def test_an_experiment_s_own_settings_come_before_those_of_its_model():
    model = {"encoder": "tiny", "optimisation": {"batch_size": 32, "steps": 99, "decay": "none"}}
    asked = SMALL | {"models": {"dimension": model}}
    found = run_settings(asked, "dimension")
    assert (found["batch_size"], found["decay"]) == (32, "none")
    assert (found["steps"], found["learning_rate"]) == (10, 0.01)
    assert found["model"] == {"encoder": "tiny"} and "width" not in found
    assert model["optimisation"]["steps"] == 99  # the configuration stays as it was
    # What is fine-tuned has towers already.
    tuned = run_settings(
        SMALL | {"temperature": {"temperatures": [1.0], "steps": 7}}, "temperature"
    )
    assert tuned == SMALL["optimisation"] | {"steps": 7}


def test_an_interrupted_experiment_goes_on_with_the_missing_runs(pairs, tmp_path):
    runs, settings = plan_runs(SMALL, "dimension", 0), run_settings(SMALL, "dimension")
    trained, said = [], []

    def train(run: dict, stop_at: int | None = None) -> dict:
        if len(trained) == stop_at:
            raise Interrupted
        trained.append(run)
        return train_run(run, pairs, settings)

    def go(folder: str, runs: list[dict] = runs, origin: dict = settings, **more) -> list[dict]:
        trained.clear()
        said.clear()
        journal = tmp_path / folder
        return run_missing(runs, lambda run: train(run, **more), journal, origin, said.append)

    with pytest.raises(Interrupted):
        go("journal", stop_at=2)
    assert len(list((tmp_path / "journal").iterdir())) == 2
    # What a run left half written is no result.
    (tmp_path / "journal" / ("0" * 64 + ".part")).write_text("{")
    resumed = go("journal")
    assert trained == runs[2:]
    assert said[0].startswith("2 of 4 runs are already finished")
    assert [line.partition(" (")[0] for line in said[1:]] == ["run 3 of 4", "run 4 of 4"]
    change = r"(\S+) before, (\S+) after; "
    words = rf"run 3 of 4 \(dim 8, seed 0\): gap {change}loss {change}(\d+) s since"
    *values, seconds = re.match(words, said[1]).groups()
    row = resumed[2]["row"]
    ends = ("gap_before", "gap_after", "loss_before", "loss_after")
    assert values == [f"{row[name]:.3f}" for name in ends]
    assert int(seconds) < 600
    through = go("other")
    assert trained == runs
    for table, wanted in zip(
        *(experiment_tables("dimension", one, 0.95).values() for one in (resumed, through)),
        strict=True,
    ):
        assert table.to_csv() == wanted.to_csv()
    assert go("journal") == through
    assert trained == []

    # Other settings, other inputs or other code make other runs ...
    go("journal", origin=settings | {"learning_rate": 0.02})
    assert trained == runs
    # ... and a condition or a seed more leaves those that there are.
    wider = {**SMALL, "seeds": 3, "dimension": SMALL["dimension"] | {"dims": [4, 5, 8]}}
    assert run_settings(wider, "dimension") == settings
    go("journal", plan_runs(wider, "dimension", 0))
    assert [(run["condition"]["dim"], run["seed"]) for run in trained] == [
        (4, 2), (5, 0), (5, 1), (5, 2), (8, 2)
    ]  # fmt: skip


def test_the_shipped_experiments_have_three_seeds_a_condition():
    experiments = CONFIG["experiments"]
    counts = {"temperature": 6, "initialisation": 4, "dimension": 5, "same_modality": 2}
    for name, conditions in counts.items():
        runs = plan_runs(experiments, name, CONFIG["seed"])
        assert len(runs) == len({str(run) for run in runs}) == 3 * conditions
        assert {run["seed"] for run in runs} == {2022, 2023, 2024}


# --- tables -------------------------------------------------------------------------------------


def published_runs() -> pd.DataFrame:
    rows = []
    for (start, quantity), (values, _, _) in PUBLISHED.items():
        rows += [
            {"temperature_mode": "fixed", "start": start, "seed": seed, quantity: value}
            for seed, value in enumerate(values)
        ]
    return pd.DataFrame(rows).groupby(["temperature_mode", "start", "seed"]).first().reset_index()


def test_the_paper_s_intervals_over_three_seeds():
    summary = summarise(published_runs(), ["temperature_mode", "start"], 0.95)
    summary = summary.set_index("start")
    for (start, quantity), (values, mean, margin) in PUBLISHED.items():
        row = summary.loc[start]
        assert row["n"] == 3
        # The printed values of single seeds are rounded to four digits.
        assert row[quantity] == pytest.approx(mean, abs=1e-4)
        assert row[f"{quantity}_high"] - row[quantity] == pytest.approx(margin, abs=3e-4)
        assert row[quantity] - row[f"{quantity}_low"] == pytest.approx(margin, abs=3e-4)
        # Student's quantile of 2 degrees of freedom in closed form: 2 c / sqrt(2 (1 - c^2)) ...
        quantile = 2 * 0.9 / math.sqrt(2 * (1 - 0.9**2))
        wanted = quantile * np.std(values, ddof=1) / math.sqrt(3)
        assert np.diff(t_interval(np.array(values), 0.9))[0] / 2 == pytest.approx(wanted)


def test_the_paper_s_57_percent():
    row = compare_starts(published_runs(), 0.95).iloc[0]
    name = "gap_after_rotated_over_original"
    assert row[name] == pytest.approx(0.7457 / 1.2991, abs=2e-3)
    assert row[f"{name}_low"] < 0.57 < row[f"{name}_high"]
    assert row["n"] == 3


def test_the_starts_and_the_change_in_training_are_compared_seed_by_seed():
    gaps = {key: np.array(values) for key, (values, _, _) in PUBLISHED.items()}
    row = compare_starts(published_runs(), 0.95).iloc[0]
    wanted = stats.ttest_rel(gaps["rotated", "gap_after"], gaps["original", "gap_after"])
    less = "gap_after_rotated_less_original"
    assert row[less] == pytest.approx(0.7457 - 1.2991, abs=2e-4)
    assert (row[f"{less}_low"], row[f"{less}_high"]) == pytest.approx(wanted.confidence_interval())
    summary = summarise(published_runs(), ["temperature_mode", "start"], 0.95).set_index("start")
    for start in ("original", "rotated"):
        wanted = stats.ttest_rel(gaps[start, "gap_after"], gaps[start, "gap_before"])
        ends = summary.loc[start, ["gap_change_low", "gap_change_high"]]
        assert tuple(ends) == pytest.approx(wanted.confidence_interval())
        difference = gaps[start, "gap_after"].mean() - gaps[start, "gap_before"].mean()
        assert summary.loc[start, "gap_change"] == pytest.approx(difference)


def test_a_mean_over_seeds_is_that_of_all_of_them():
    runs = published_runs()
    runs.loc[runs.index[0], "gap_after"] = np.nan
    summary = summarise(runs, ["temperature_mode", "start"], 0.95)
    assert summary["gap_after"].isna().sum() == 1 and summary["gap_before"].notna().all()


def test_starts_are_compared_within_each_temperature_mode():
    rng = np.random.default_rng(3)
    gaps = rng.uniform(0.5, 1.5, size=(2, 2, 3))  # mode, start, seed
    table = pd.DataFrame(
        {"temperature_mode": mode, "start": start, "seed": seed, "gap_after": gaps[i, j, seed]}
        for i, mode in enumerate(("fixed", "learnt"))
        for j, start in enumerate(("original", "rotated"))
        for seed in (2, 0, 1)
    )
    found = compare_starts(table, 0.8)
    assert list(found["temperature_mode"]) == ["fixed", "learnt"]
    for (_, row), (original, rotated) in zip(found.iterrows(), gaps, strict=True):
        logs = np.log(rotated / original)
        ends = np.exp(stats.t.interval(0.8, 2, logs.mean(), stats.sem(logs)))
        name = "gap_after_rotated_over_original"
        told = [row[f"{name}{end}"] for end in ("", "_low", "_high")]
        assert told == pytest.approx([np.exp(logs.mean()), *ends])
        low, high = stats.ttest_rel(rotated, original).confidence_interval(0.8)
        name = "gap_after_rotated_less_original"
        told = [row[f"{name}{end}"] for end in ("", "_low", "_high")]
        assert told == pytest.approx([(rotated - original).mean(), low, high])


def test_the_tables_of_an_experiment_are_of_its_own_condition_and_confidence():
    """Of each quantity the values are known: accuracy and gap rise, recalls fall."""
    rng = np.random.default_rng(7)
    conditions = {"temperature": [0.01, 0.1, 0.5], "dim": [4, 8, 16]}
    rise = {"gap_after": 1, "recall1_ab_after": -1, "recall1_ba_after": -2, "zero_shot_after": 3}
    for experiment, column, quantities in (
        ("temperature", "temperature", list(rise)),
        ("dimension", "dim", ["gap_before", "gap_after"]),
    ):
        values = {
            (quantity, place, seed): 5 + rise.get(quantity, 0) * place / 3 + rng.uniform(0, 0.2)
            for quantity in ("gap_before", *rise)
            for place in range(3)
            for seed in (0, 1, 2)
        }
        results = [
            {
                "row": {
                    column: value,
                    "seed": seed,
                    **{one: values[one, place, seed] for one in ("gap_before", *rise)},
                },
                "steps": [{"step": 0}],
            }
            for place, value in enumerate(conditions[column])
            for seed in (0, 1, 2)
        ]
        tables = experiment_tables(experiment, results, 0.8)
        assert list(tables["trend"]["quantity"]) == quantities
        for _, row in tables["trend"].iterrows():
            series = [
                values[row["quantity"], place, seed] for place in range(3) for seed in range(3)
            ]
            wanted = stats.kendalltau(np.repeat(conditions[column], 3), series)
            assert (row["kendall_tau"], row["p_value"]) == pytest.approx(tuple(wanted))
            assert np.sign(row["kendall_tau"]) == np.sign(rise.get(row["quantity"], wanted[0]))
        changes = tables["difference"].set_index(["quantity", column, f"{column}_against"])
        assert list(tables["difference"]["quantity"].unique()) == quantities
        one, other = (np.array([values["gap_after", k, seed] for seed in range(3)]) for k in (2, 0))
        row = changes.loc[("gap_after", conditions[column][2], conditions[column][0])]
        ends = stats.ttest_rel(one, other).confidence_interval(0.8)
        told = row[["difference", "difference_low", "difference_high"]]
        assert list(told) == pytest.approx([(one - other).mean(), *ends])
        first = tables["summary"].iloc[0]
        series = np.array([values["gap_after", 0, seed] for seed in range(3)])
        ends = stats.t.interval(0.8, 2, series.mean(), stats.sem(series))
        told = first[["gap_after", "gap_after_low", "gap_after_high"]]
        assert list(told) == pytest.approx([series.mean(), *ends])
        assert first["gap_change"] == pytest.approx(
            np.mean([values["gap_after", 0, s] - values["gap_before", 0, s] for s in range(3)])
        )
        assert not [name for name in tables["summary"] if name.startswith("seed")]
        assert len(tables["steps"]) == 9 and first["n"] == 3
    wanted = spreads(tables["runs"], "dim", quantities, 0.8)
    pd.testing.assert_frame_equal(tables["spread"], wanted)
    assert not tables["spread"].equals(spreads(tables["runs"], "dim", quantities, 0.95))


def test_differences_pair_runs_of_one_seed():
    # Seeds differ by far more than conditions do, and come in another order under each.
    table = pd.DataFrame(
        {
            "dim": [2, 2, 2, 4, 4, 4],
            "seed": [0, 1, 2, 2, 0, 1],
            "gap": [10.0, 20.0, 30.0, 33.0, 11.0, 21.0],
            "recall": [0.0, 0.5, 0.5, 0.5, 0.5, 0.5],
        }
    )
    found = differences(table, "dim", ["gap", "recall"], 0.9)
    assert list(zip(found["dim"], found["dim_against"], strict=True)) == [(2, 4), (4, 2)] * 2
    assert set(found["n"]) == {3}
    first, second = np.array([10.0, 20, 30]), np.array([11.0, 21, 33])
    low, high = stats.ttest_rel(first, second).confidence_interval(0.9)
    row = found.iloc[0]
    ends = row["difference"], row["difference_low"], row["difference_high"]
    assert ends == pytest.approx((-5 / 3, low, high))
    logs = np.log(first / second)
    low, high = np.exp(stats.t.interval(0.9, 2, logs.mean(), stats.sem(logs)))
    ends = row["ratio"], row["ratio_low"], row["ratio_high"]
    assert ends == pytest.approx((np.exp(logs.mean()), low, high))
    assert found.iloc[1]["difference"] == pytest.approx(5 / 3)
    assert found.loc[2:, ["ratio", "ratio_low", "ratio_high"]].isna().all(axis=None)
    one = differences(table[table["dim"] == 2], "dim", ["gap"], 0.9)
    assert len(one) == 0 and list(one) == list(found)


def test_trend_and_spreads_over_conditions():
    table = pd.DataFrame(
        {
            "dim": [2, 2, 4, 4, 8, 8],
            "seed": [0, 1] * 3,
            "rising": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            "level": 1.0,
        }
    )
    result = trend(table, "dim", ["rising", "level"]).set_index("quantity")
    # 12 of 15 pairs agree and 3 tie in dim: tau-b = 12 / sqrt(12 * 15).
    assert result.loc["rising", "kendall_tau"] == pytest.approx(12 / math.sqrt(12 * 15))
    assert result.loc["rising", "p_value"] < 0.05
    assert tuple(result.loc["level", ["n", "kendall_tau", "p_value"]]) == (6, 0, 1)
    two = table.assign(two=[1.0, 1.0, 1.0, 2.0, 2.0, 2.0], of=[1, 1, 1, 2, 2, 2])
    assert trend(two, "of", ["two"]).loc[0, "kendall_tau"] == pytest.approx(1)
    assert trend(two, "level", ["two"]).loc[0, "kendall_tau"] == 0
    found = spreads(table, "dim", ["rising", "level"], 0.95)
    assert (
        list(zip(found["dim_from"], found["dim_to"], found["conditions"], strict=True))
        == [
            (2, 4, 2),
            (2, 8, 3),
            (4, 8, 2),
        ]
        * 2
    )
    assert set(found["n"]) == {2}
    wanted = [math.sqrt(12 / 2), math.sqrt(30 / 2), math.sqrt(30 / 12)]
    assert list(found["largest_over_smallest"]) == pytest.approx([*wanted, 1, 1, 1])


def test_tables_have_no_holes_and_their_columns(pairs):
    for name, more in (
        ("initialisation", {"difference"}),
        ("dimension", {"trend", "spread", "difference"}),
    ):
        settings = run_settings(SMALL, name) | {"steps": 3}
        results = [train_run(run, pairs, settings) for run in plan_runs(SMALL, name, 0)]
        tables = experiment_tables(name, results, 0.95)
        assert set(tables) == {"runs", "steps", "summary"} | more
        for table in tables.values():
            assert np.isfinite(table.select_dtypes("number").to_numpy()).all()
            assert not table.isna().any(axis=None)
        assert {"gap_after", "gap_after_low", "gap_after_high", "n"} <= set(tables["summary"])


def test_an_untouched_model_has_intervals_over_its_pairs():
    rng = np.random.default_rng(1)
    x = normalise(rng.normal(size=(60, 5)) + 1)
    row = measure_untouched(x, x, 0.95)
    assert (row["n"], row["gap"], row["recall1_ab"]) == (60, 0, 1)
    # Wilson's lower end of n out of n is n / (n + z^2).
    assert row["recall1_ab_low"] == pytest.approx(60 / (60 + 1.959964**2))
    # Over clusters as many count.
    row = measure_untouched(x, x, 0.9, np.arange(60) // 3)
    assert (row["n"], row["clusters"]) == (60, 20)
    assert row["recall1_ab_low"] == pytest.approx(20 / (20 + 1.644854**2))
    y = normalise(x + rng.normal(size=(60, 5)))
    groups = np.arange(60) // 3
    row = measure_untouched(x, y, 0.9, groups)
    wanted = measure_gap(x, y, 0.9, groups)
    assert {name: row[name] for name in wanted} == pytest.approx(wanted)
    assert wanted["gap_low"] != measure_gap(x, y, 0.9)["gap_low"]
    # The sides are told apart, and no recall is measured but the first.
    row, cosines = measure_untouched(x, y, 0.9), x @ y.T
    found = [(cosines.argmax(axis) == np.arange(60)).mean() for axis in (1, 0)]
    assert found[0] != found[1]
    assert [row["recall1_ab"], row["recall1_ba"]] == pytest.approx(found)
    assert row["gap"] == pytest.approx(np.linalg.norm(x.mean(axis=0) - y.mean(axis=0)))
    assert not {"recall5_ab", "recall10_ab"} & row.keys()


def test_a_share_has_wilson_s_interval_of_its_confidence():
    row = share("accuracy", np.array([True, False, True, True]), 0.9)
    z = 1.644854
    centre, width = (0.75 + z**2 / 8) / (1 + z**2 / 4), z * math.sqrt(0.75 / 16 + z**2 / 64)
    wanted = [0.75, centre - width / (1 + z**2 / 4), centre + width / (1 + z**2 / 4)]
    assert list(row.values()) == pytest.approx(wanted)
    assert list(row) == ["accuracy", "accuracy_low", "accuracy_high"]
    # Three groups that agree count as three items.
    row = share("accuracy", np.ones(12, dtype=bool), 0.9, np.arange(12) // 4)
    assert row["accuracy_low"] == pytest.approx(3 / (3 + z**2))
