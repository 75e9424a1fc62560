"""Methods and runs of the study of losses: what is compared, trained, selected and drawn."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_study import STUDY, small_pairs

from modality_gap.errors import InputError
from modality_gap.training import loss_runs, loss_study
from modality_gap.training import recipes as of_methods
from modality_gap.training.loss_measures import curve_point
from modality_gap.training.loss_runs import LossRuns, split_pairs, validation_pairs
from modality_gap.training.loss_study import Trained, beginning, noisy, swapped, train_method
from modality_gap.training.loss_trial import try_losses
from modality_gap.training.losses.own import source_of
from modality_gap.training.losses.registry import FollowUpLoss
from modality_gap.training.pairs import Pairs, captions_of, embed, shuffled
from modality_gap.training.recipes import Recipe, Scale, budget, compared_with, recipes
from modality_gap.training.towers import Adam, Towers, learning_rate_factor


def study(**methods) -> dict:
    return {**STUDY, "methods": {"clip": {"loss": "clip"}, **methods}}


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    return small_pairs()


# --- methods ------------------------------------------------------------------------------------


def test_a_method_is_compared_with_the_baseline_s_loss_in_its_own_setting():
    settings = {
        "cold": {"temperature": {"fixed": 0.05}},
        "small": {"batch_size": 4},
        "noise": {"augment": 0.5},
        "hard": {"swap": {"kind": "hard", "share": 1.0}},
        "soft": {"swap": {"kind": "soft", "share": 1.0}},
        "deep": {"hidden_layers": 1},
        "wide": {"hidden_layers": 1, "dim": 9},
        "shared": {"hidden_layers": 1, "shared": True},
        "late": {"start": "trained"},
    }
    methods = {
        f"{loss}_{name}": {"loss": loss, **more}
        for loss in ("dcl", "clip")
        for name, more in settings.items()
    }
    for loss in ("dcl", "clip"):
        methods[f"{loss}_slow"] = {"loss": loss, "learning_rate": 0.1}
    methods["dcl_warm"] = {"loss": "dcl", "temperature": {"fixed": 0.5}}
    methods["dcl_narrow"] = {"loss": "dcl", "dim": 3}
    asked = study(**methods)
    asked["optimisation"] = {**STUDY["optimisation"], "steps": 20}
    known = recipes(asked)

    def than(name: str) -> str:
        return compared_with(known[name], known, asked).name

    for name in settings:
        assert than(f"dcl_{name}") == f"clip_{name}"
    # The learning rate may differ; of several methods the first is taken.
    assert than("dcl_slow") == than("clip_slow") == "clip"
    # No method of CLIP's loss has this temperature, or these towers.
    assert than("dcl_warm") == than("dcl_narrow") == "clip"
    # The baseline's own loss in another setting is compared with the one of the same towers.
    for name in ("cold", "small", "noise", "hard", "soft"):
        assert than(f"clip_{name}") == "clip"
    assert than("clip_shared") == "clip_deep"
    for name in ("deep", "wide", "late"):
        assert than(f"clip_{name}") == f"clip_{name}"


def test_a_selected_method_is_compared_with_the_selected_baseline():
    asked = study(
        dcl={"loss": "dcl"},
        cold={"loss": "clip", "temperature": {"fixed": 0.05}},
        warm={"loss": "dcl", "temperature": {"fixed": 0.1}},
    )
    known = recipes(asked)

    def selected(name: str, new: str, **more: object):
        known[new] = replace(known[name], name=new, selected=True, **more)
        return known[new]

    selected("cold", "cold_selected")
    own = selected("dcl", "dcl_selected", temperature={"fixed": 0.05})
    # While none is selected of the baseline, one of its loss at the same temperature is taken.
    assert compared_with(own, known, asked).name == "cold_selected"
    selected("clip", "clip_selected", temperature={"fixed": 0.1})
    deep = selected("clip", "clip_1x6_selected", hidden_layers=1, temperature={"fixed": 0.1})
    assert compared_with(own, known, asked).name == "clip_selected"
    own = selected("dcl", "dcl_1x6_selected", hidden_layers=1, temperature={"fixed": 0.3})
    assert compared_with(own, known, asked) == deep
    # What is selected is not compared with what was not.
    for name in ("dcl", "warm"):
        assert compared_with(known[name], known, asked).name == "clip"


def test_a_method_has_the_settings_of_its_entry_and_else_those_of_the_study():
    asked = study(
        own={"loss": "cua", "label": "Mine", "hidden_layers": 2, "claims": [{}]},
        uniform_only={"loss": "uniform_only", "settings": {"align": 0.5}},
        late={"loss": "clip", "start": "trained", "learning_rate": 0.5},
        small={"loss": "clip", "batch_size": 4},
    )
    asked["towers"] = [{"hidden_layers": 3, "dim": 4}]
    found = recipes(asked)
    new = ["clip_3x4", "uniform_only_3x4", "late_3x4", "small_3x4"]
    assert list(found) == ["clip", "own", "uniform_only", "late", "small", *new]
    assert found["own"].label == "Mine" and found["clip"].label == "CLIP's loss"
    assert found["clip_3x4"].label == "CLIP's loss, 3 hidden layers, 4 dimensions"
    sizes = [(one.hidden_layers, one.dim) for one in found.values()]
    assert sizes == [(0, 6), (2, 6), (0, 6), (0, 6), (0, 6), *[(3, 4)] * 4]
    # The settings of the configuration stand before those of the loss.
    assert found["uniform_only"].all_settings == {"align": 0.5}
    plain = STUDY["optimisation"]
    assert budget(found["clip"], asked) == plain
    assert budget(found["small"], asked) == plain | {"batch_size": 4}
    assert budget(found["late"], asked) == plain | {"steps": 2, "learning_rate": 0.5}
    # What a run is called does not change it; what it is trained with does.
    one = found["clip"]
    assert one.identity()["loss"] == source_of(one.loss)  # a digest of its code
    same = {"name": "other", "label": "other", "grid": {"temperature": [1]}, "selected": True}
    assert replace(one, **same).identity() == one.identity()
    others = {"dim": 7, "hidden_layers": 1, "temperature": {"fixed": 0.1}, "start": "trained"}
    others |= {"batch_size": 3, "learning_rate": 1.0, "augment": 0.1, "shared": True}
    others |= {"swap": {"kind": "soft", "share": 1.0}, "bias": 1.0, "fixed_bias": 1.0}
    others |= {"settings": {"a": 1}, "loss": found["own"].loss}
    for name, value in others.items():
        assert replace(one, **{name: value}).identity() != one.identity(), name


def test_a_grid_of_two_settings_and_too_few_exchanges_are_refused():
    with pytest.raises(InputError, match=r"one\.grid has 2 settings; give exactly one"):
        recipes(study(one={"loss": "cua", "grid": {"uniform": [1], "temperature": [0.1]}}))
    asked = study(one={"loss": "clip", "swap": {"kind": "hard", "share": 0.75}})
    asked |= {"optimisation": {**STUDY["optimisation"], "steps": 20}}
    recipes(asked)  # 15 steps
    asked["methods"]["one"] |= {"start": "trained"}
    with pytest.raises(InputError, match=r"one\.swap needs at least 15 steps, .* has 2"):
        recipes(asked)


def test_the_scale_and_the_bias_are_fixed_or_learnt_as_the_method_says():
    asked = study(
        learnt={
            "loss": "sigmoid",
            "temperature": {"learnt": 0.2, "largest_scale": 8, "rate": 0.3},
            "bias": -10,
        },
        fixed={"loss": "sigmoid", "fixed_bias": -2.0},
        soft={"loss": "clip", "temperature": {"softplus": 0.5, "largest_scale": 4}, "bias": 0},
        falling={"loss": "clip", "temperature": {"from": 0.5, "to": 0.1}},
    )
    scales = {name: Scale(recipe) for name, recipe in recipes(asked).items()}
    learnt, soft = scales["learnt"], scales["soft"]
    for name, scale, bias in (
        ("clip", 100, 0),
        ("learnt", 5, -10),
        ("fixed", 100, -2),
        ("soft", 2, 0),
        ("falling", 2, 0),
    ):
        assert float(torch.as_tensor(scales[name].at(0, 5)).detach()) == pytest.approx(scale)
        assert float(torch.as_tensor(scales[name].offset()).detach()) == bias
    assert [scales["falling"].at(step, 5) for step in (2, 4)] == pytest.approx([1 / 0.3, 10])
    assert scales["falling"].at(0, 1) == pytest.approx(2)
    assert [one is other for one, other in zip(learnt.learning(), [learnt.learnt, learnt.bias],
            strict=True)] == [True, True]  # fmt: skip
    assert len(soft.learning()) == 2  # a bias of 0 is learnt, too
    assert not any(scales[name].learning() for name in ("clip", "fixed", "falling"))
    assert (learnt.rate, soft.rate) == (0.3, 1)
    for scale, largest in ((learnt, 8), (soft, 4)):
        with torch.no_grad():
            scale.learnt += 9
        scale.clamp()
        assert float(scale.at(3, 5).detach()) == pytest.approx(largest)


# --- training -----------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["clip", "slap"])
def test_a_loss_with_predictors_embeds_with_them_after_the_towers(pairs, loss):
    asked = study(mine={"loss": loss})
    found = train_method(recipes(asked)["mine"], pairs, asked, 6, None)
    assert isinstance(found.towers, Towers)
    assert (found.embeds is found.towers) == (loss == "clip")
    if loss == "slap":
        assert found.embeds.model is found.towers
    # The curve is of what embeds, at its end.
    steps = asked["optimisation"]["steps"]
    assert found.curve[-1] == curve_point(steps, found.embeds, pairs)
    assert found.curve[-1]["gap"] != found.curve[0]["gap"]


def test_a_training_moves_towers_scale_and_bias_each_with_its_own_optimiser(pairs):
    """The sigmoid loss, step by step; weight decay is for the towers alone."""
    entry = {"loss": "sigmoid", "temperature": {"learnt": 0.2, "rate": 0.5}, "bias": -4}
    asked = study(mine=entry)
    asked["optimisation"] = {**STUDY["optimisation"], "weight_decay": 0.5, "learning_rate": 0.05}
    found = train_method(recipes(asked)["mine"], pairs, asked, 6, None)
    settings = asked["optimisation"]
    model = Towers((8, 7), 0, 8, 6, 6)
    log_scale = torch.nn.Parameter(torch.tensor(math.log(5)))
    bias = torch.nn.Parameter(torch.tensor(-4.0))
    optimisers = [
        Adam(model.parameters(), settings, 0.5),
        Adam([log_scale, bias], settings | {"learning_rate": 0.025}, 0.0),
    ]
    generator, signs = torch.Generator().manual_seed(6), 2 * torch.eye(16) - 1
    for step in range(4):
        rows = torch.randperm(28, generator=generator)[:16]  # 12 of an epoch are left over
        x, y = model(pairs.a[rows], pairs.b[rows])
        logits = signs * (log_scale.exp() * x @ y.T + bias)
        (-torch.nn.functional.logsigmoid(logits).sum() / 16).backward()
        for optimiser in optimisers:
            optimiser.step(learning_rate_factor(step, 4, 2, "cosine"))
    for one, other in zip(found.towers.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert found.ends["temperature"] == pytest.approx(float(1 / log_scale.detach().exp()), rel=1e-5)
    assert found.ends["bias"] == pytest.approx(float(bias.detach()), rel=1e-5)
    assert abs(found.ends["bias"] + 4) > 0.01 and abs(found.ends["temperature"] - 0.2) > 0.001
    assert np.isnan(found.ends["temperature_density"])


class Watching:
    """A loss that notes what it is given. What is embedded is x and the opposite of y."""

    made: list["Watching"]

    def __init__(self, items, dim, seed, **settings):
        self.given = items, dim, seed, settings
        self.weight = torch.nn.Parameter(torch.tensor(10.0))
        self.matrix = torch.nn.Parameter(torch.full((2, 1), 10.0))
        self.seen, self.steps_after = [], 0
        self.made.append(self)

    def parameters(self):
        return [self.weight, self.matrix]

    def begin(self, model):
        self.model = model

    def embed(self, x, y):
        return x, -y

    def after_step(self, model):
        assert model is self.model
        self.steps_after += 1

    def temperature_density(self, *given):
        self.density_of = given
        return 0.25

    def __call__(self, x, y, logit_scale, batch):
        texts = batch.make_texts() if batch.make_texts else None
        drawn = float(torch.rand(()))
        self.seen.append((float(logit_scale), batch, drawn, texts))
        assert batch.views
        return ((x - y) ** 2).sum(dim=1).mean() + 0 * (self.weight + self.matrix.sum())


@pytest.fixture
def watched(monkeypatch) -> list[Watching]:
    monkeypatch.setattr(Watching, "made", [], raising=False)
    return Watching.made


def watching(asked: dict, **more: object) -> Recipe:
    loss = FollowUpLoss("watching", "", "", Watching, captions=more.pop("captions", False))
    return replace(recipes(asked)["clip"], loss=loss, settings={"a": 1}, **more)


def test_a_loss_is_given_its_batch_its_scale_and_draws_of_its_own(pairs, watched, monkeypatch):
    noise = []

    def note(rows, generator, *length):
        found = noisy(rows, generator, *length)
        noise.append((rows, generator.initial_seed(), length, found))
        return found

    monkeypatch.setattr(loss_study, "noisy", note)
    asked = study()
    recipe = watching(asked, temperature={"from": 0.5, "to": 0.2}, augment=0.3)
    runs = [train_method(recipe, pairs, asked, seed, None) for seed in (4, 5)]
    seeds = []
    for run, loss, seed, at in zip(runs, watched, (4, 5), (0, 16), strict=True):
        assert loss.given == (40, 6, seed, {"a": 1})
        scales, batches, drawn, _ = zip(*loss.seen, strict=True)
        assert [1 / scale for scale in scales] == pytest.approx([0.5, 0.4, 0.3, 0.2])
        assert [batch.step for batch in batches] == [0, 1, 2, 3] and len({*drawn}) == 4
        for step, batch in enumerate(batches):
            assert torch.equal(batch.a, pairs.a[batch.rows])
            assert torch.equal(batch.b, pairs.b[batch.rows])
            # The inputs of the towers have the noise that is asked for, second views that of all.
            of_step = noise[at + 4 * step :][:4]
            assert [length for _, _, length, _ in of_step] == [(0.3,), (0.3,), (), ()]
            for (rows, *_), side in zip(of_step, "abab", strict=True):
                assert torch.equal(rows, getattr(batch, side))
        first = Towers((8, 7), 0, 8, 6, seed).raw(noise[at][3], noise[at + 1][3])
        assert torch.equal(batches[0].raw_x, first[0]) and torch.equal(batches[0].raw_y, first[1])
        seeds.append({noise[at][1], noise[at + 2][1], batches[0].generator.initial_seed()})
        # Weight decay of a loss's own matrices, not of its numbers. Neither has a gradient here.
        assert float(loss.weight.detach()) == 10 and loss.steps_after == 4
        of = asked["optimisation"]
        rates = [learning_rate_factor(step, 4, of["warmup"], of["decay"]) for step in range(4)]
        left = np.prod([1 - of["learning_rate"] * of["weight_decay"] * rate for rate in rates])
        assert loss.matrix.detach().numpy() == pytest.approx(10 * left, rel=1e-6) != 10
        a, b, rows = loss.density_of
        assert a is pairs.a and b is pairs.b and rows is pairs.train
        assert run.ends["temperature_density"] == 0.25
        assert run.ends["temperature"] == pytest.approx(0.2)
        with torch.no_grad():
            x, y = Towers((8, 7), 0, 8, 6, seed)(pairs.a[28:], pairs.b[28:])
        wanted = float((x.mean(dim=0) + y.mean(dim=0)).norm())
        assert run.curve[0]["gap"] == pytest.approx(wanted, rel=1e-4)
    # Noise, views and the loss have generators of their own, other ones for each seed.
    assert [len(of) for of in seeds] == [3, 3] and not seeds[0] & seeds[1]
    draws = [[seen[2] for seen in loss.seen] for loss in watched]
    assert not {*draws[0]} & {*draws[1]}


def test_a_loss_of_captions_is_given_the_texts_of_all_of_them(pairs, watched):
    picture = np.arange(40) % 14
    given = replace(pairs, a=pairs.a[picture])
    asked = study()
    asked["optimisation"] = {**STUDY["optimisation"], "steps": 1}
    train_method(watching(asked, captions=True), given, asked, 4, None)
    ((_, batch, _, (place, texts)),) = watched[0].seen
    rows = captions_of(given).of(batch.rows)[1]
    assert torch.equal(place, captions_of(given).of(batch.rows)[0])
    wanted = Towers((8, 7), 0, 8, 6, 4)(given.a[rows], given.b[rows])[1]
    torch.testing.assert_close(texts, wanted)


def test_a_trial_refuses_a_loss_of_captions_for_pictures_with_one(pairs, watched):
    asked = study()
    said = r"^loss_study\.methods\.clip\.loss: Of 28 training pictures, 28 have only one caption"
    with pytest.raises(InputError, match=said):
        try_losses({"mine": watching(asked, captions=True)}, pairs, asked, 3)
    assert not watched


def test_a_trial_uses_the_first_pairs_that_are_trained_on(pairs, watched):
    given = replace(pairs, train=pairs.train.flip(0))
    asked = study()
    traits = try_losses({"mine": watching(asked)}, given, asked, 3)
    assert traits == {"mine": {"sign_blind": False, "raw": False}}
    batches = [batch for loss in watched for _, batch, _, _ in loss.seen]
    assert len(batches) == 3
    assert all(batch.rows.tolist() == list(range(27, 11, -1)) for batch in batches)


def test_a_learnt_scale_stays_below_its_bound(pairs):
    asked = study(
        free={"loss": "clip", "temperature": {"learnt": 0.2}},
        bound={"loss": "clip", "temperature": {"learnt": 0.2, "largest_scale": 4}},
    )
    known = recipes(asked)
    ends = [train_method(known[name], pairs, asked, 0, None).ends for name in ("free", "bound")]
    assert ends[0]["temperature"] < 0.24
    assert 0.25 - 1e-6 <= ends[1]["temperature"] < 0.28


def test_sides_are_exchanged_in_the_share_of_steps_that_is_asked_for(pairs, monkeypatch):
    kinds = []

    def count(x, y, kind, generator):
        kinds.append(kind)
        return y, x

    monkeypatch.setattr(loss_study, "swapped", count)
    asked = study(mine={"loss": "clip", "swap": {"kind": "soft", "share": 0.8}})
    asked["optimisation"] = {**STUDY["optimisation"], "steps": 50, "record_every": 50}
    train_method(recipes(asked)["mine"], pairs, asked, 0, None)
    assert 30 < len(kinds) < 50 and set(kinds) == {"soft"}


def test_exchanged_entries_are_half_of_them_and_soft_ones_are_drawn_for_each_side():
    x, y = torch.randn(2, 100, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    new_x, new_y = swapped(x, y, "hard", torch.Generator().manual_seed(2))
    assert float((new_x == y).double().mean()) == pytest.approx(0.5, abs=0.04)
    assert torch.equal(new_x == y, new_y == x)
    new_x, new_y = swapped(x, y, "soft", torch.Generator().manual_seed(2))
    shares = torch.stack([(new_x - y) / (x - y), (new_y - x) / (y - x)]).flatten(1)
    # Uniform from 0 to 1, and independent.
    assert shares.mean(dim=1).tolist() == pytest.approx([0.5, 0.5], abs=0.03)
    assert shares.var(dim=1).tolist() == pytest.approx([1 / 12] * 2, abs=0.01)
    assert abs(float(torch.corrcoef(shares)[0, 1])) < 0.06


@pytest.mark.parametrize("length", [None, 1.5])
def test_noise_has_the_length_that_is_asked_for(length):
    rows = torch.randn(50, 900, generator=torch.Generator().manual_seed(1))
    rows = torch.nn.functional.normalize(rows, dim=1)
    more = () if length is None else (length,)
    found = noisy(rows, torch.Generator().manual_seed(0), *more)
    assert torch.allclose(found.norm(dim=1), torch.ones(50))
    # Noise of length l is nearly at a right angle to the vector.
    wanted = 1 / math.sqrt(1 + (length or 0.5) ** 2)
    assert float((found * rows).sum(dim=1).mean()) == pytest.approx(wanted, abs=0.02)


def test_towers_begin_from_their_seed_or_from_a_copy_of_the_trained_ones(pairs):
    asked = study(
        late={"loss": "clip", "start": "trained"},
        deep={"loss": "clip", "hidden_layers": 1, "shared": True},
    )
    known = recipes(asked)
    scratch = beginning(known["clip"], pairs, asked, 4, None)
    wanted = Towers((8, 7), 0, 8, 6, 4)
    for one, other in zip(scratch.parameters(), wanted.parameters(), strict=True):
        assert torch.equal(one, other)
    copied = beginning(known["late"], pairs, asked, 9, scratch)
    assert copied.first is not scratch.first
    assert torch.equal(copied.first[0].weight, scratch.first[0].weight)
    shared = beginning(known["deep"], pairs, asked, 4, scratch)
    assert shared.first[2] is shared.second[2] and shared.first[0].out_features == 8
    with pytest.raises(InputError, match="late starts from the trained baseline; give it"):
        beginning(known["late"], pairs, asked, 4, None)


# --- runs ---------------------------------------------------------------------------------------


@pytest.fixture
def quickly(monkeypatch) -> list[dict]:
    """Trainings that only note what they are given. The recall at the end is 0.5 plus the seed's
    last digit over 100; the third learning rate of a method has .04 more."""
    noted: list[dict] = []

    def train(recipe, pairs, asked, seed, start):
        towers = Towers((8, 7), recipe.hidden_layers, 8, recipe.dim, seed)
        rate = budget(recipe, asked)["learning_rate"]
        towers.of = (recipe.name, seed, pairs.test.tolist(), recipe.hidden_layers, recipe.dim)
        given = {"name": recipe.name, "seed": seed, "test": pairs.test.tolist(), "rate": rate}
        noted.append({**given, "of": towers.of, "train": pairs.train.tolist(),
                      "start": start.of if start else None})  # fmt: skip
        end = 0.5 + seed % 10 / 100 + 0.04 * (rate == pytest.approx(0.03))
        curve = [
            {"step": 0, "gap": 0.9, "recall1": 0.99, "train_recall1": 0.2},
            {"step": 2, "gap": 0.9, "recall1": 0.5, "train_recall1": 0.2},
            {"step": 4, "gap": 0.4, "recall1": end, "train_recall1": 0.8},
        ]
        ends = {"temperature": 0.1, "bias": 0.0, "temperature_density": math.nan}
        embeds = towers
        if recipe.loss.name == "slap":
            embeds = torch.nn.Identity()
            embeds.of = ("predictions",)
        return Trained(towers, embeds, curve, ends)

    def measure(model, pairs, groups, seed, task):
        given = None if groups is None else groups.tolist()
        noted.append({"measured": model.of, "groups": given, "seed": seed, "task": task,
                      "held": pairs.test.tolist()})  # fmt: skip
        return {"gap": 0.1, "recall1": 0.2}

    monkeypatch.setattr(loss_runs, "train_method", train)
    monkeypatch.setattr(loss_runs, "measure_model", measure)
    monkeypatch.setattr(of_methods, "source_of", lambda loss: loss.name)  # which reads its file
    return noted


def test_every_run_is_measured_on_its_own_split_and_starts_from_its_own_baseline(pairs, quickly):
    asked = {**study(late={"loss": "dcl", "start": "trained"}), "splits": 2}
    asked["methods"]["deep"] = {"loss": "dcl", "start": "trained", "hidden_layers": 1, "dim": 4}
    groups, clusters = np.arange(40) * 10, np.arange(40) // 3
    runs = LossRuns(asked, pairs, 3, groups, clusters, task="the task")
    table, steps = runs.run()
    tests = {0: list(range(28, 40)), 1: split_pairs(pairs, clusters, 1, 3).test.tolist()}
    done = [(name, split, seed) for name in ("clip", "late", "deep")
            for split in (0, 1) for seed in (3, 4)]  # fmt: skip
    assert list(table[["method", "split", "seed"]].itertuples(index=False, name=None)) == done
    assert len(steps) == 3 * len(done)
    measured = [one for one in quickly if "measured" in one]
    for (name, split, seed), one in zip(done, measured, strict=True):
        layers, dim = (1, 4) if name == "deep" else (0, 6)
        assert one["measured"] == (name, seed, tests[split], layers, dim)
        assert one["groups"] == [10 * row for row in tests[split]]
        assert (one["seed"], one["task"], one["held"]) == (seed, "the task", tests[split])
    # From .2 to .8 the recall passes .5 half way between the gaps .9 and .4.
    assert list(table["gap_equal_progress"]) == pytest.approx([0.65] * 12)
    trained = [one for one in quickly if "rate" in one]
    for one in trained:
        _, seed, test, *sizes = one["of"]
        late = one["name"] in ("late", "deep")
        assert one["start"] == (("clip", seed, test, *sizes) if late else None)
    # The baseline of each split, seed and kind of towers is trained once.
    assert [one["name"] for one in trained].count("clip") == 8


def test_predictions_come_first_and_their_towers_have_a_row_of_their_own(pairs, quickly):
    asked = study(own={"loss": "slap", "label": "Mine"})
    table, _ = LossRuns(asked, pairs, 3).run()
    assert [one["measured"][0] for one in quickly if "measured" in one] == [
        *("clip", "clip", "predictions", "own", "predictions", "own")
    ]
    own = table[table["seed"] == 3].set_index("method")
    assert list(own.index) == ["clip", "own", "own.towers"]
    assert own.loc["own.towers", "label"].startswith("Mine, towers")
    # The progress is that of the predictions.
    assert own["gap_equal_progress"].isna().tolist() == [False, False, True]


def test_a_selection_takes_the_highest_mean_recall_on_validation_pairs(pairs, quickly):
    asked = study(dcl={"loss": "dcl", "grid": {"temperature": [0.2, 0.1]}})
    asked |= {"selection": {"seeds": 3, "share": 0.25}, "towers": [{"hidden_layers": 1, "dim": 4}]}
    clusters = np.arange(40) // 7
    runs = LossRuns(asked, pairs, 3, clusters=clusters)
    runs.traits["dcl"] = {"sign_blind": False, "raw": True}
    table, _ = runs.run()
    tried = [one for one in quickly if one.get("test", [])[:1] not in ([], [28])]
    # Seeds that no result has: after 3 and 4.
    assert {one["seed"] for one in tried} == {5, 6, 7}
    held = {tuple(one["test"]) for one in tried}
    assert held == {tuple(validation_pairs(pairs, clusters, 0.25, 3).test.tolist())}
    assert all({*one["train"], *one["test"]} == {*range(28)} for one in tried)
    assert len(tried[0]["test"]) == 7
    of = {name: [one for one in runs.choices if one["method"] == name] for name in ("clip", "dcl")}
    assert [one["setting"] for one in of["clip"]] == ["none"] * 9
    assert [one["setting"] for one in of["dcl"]] == [
        *["temperature 0.2"] * 3,
        *["temperature 0.1"] * 3,
    ]
    for name, count in (("clip", 9), ("dcl", 6)):
        recalls = [one["recall1"] for one in of[name]]
        # .5 and the mean of .05, .06 and .07; .04 more at three times the learning rate.
        rates = [one["learning_rate"] for one in of[name]]
        wanted = [0.6 if rate == pytest.approx(0.03) else 0.56 for rate in rates]
        assert recalls == pytest.approx(wanted) and len(recalls) == count
        assert [one["chosen"] for one in of[name]].index(True) == 2
        assert sum(one["chosen"] for one in of[name]) == 1
        assert {one["n"] for one in of[name]} == {3}
    # Nothing is selected of methods with other towers.
    assert {one["method"] for one in runs.choices} == {"clip", "dcl"}
    assert "dcl_1x4" in runs.methods and "dcl_1x4_selected" not in runs.methods
    assert runs.traits["dcl_selected"] == runs.traits["dcl"] != runs.traits["clip_selected"]
    chosen = runs.methods["dcl_selected"]
    assert (chosen.temperature, chosen.selected) == ({"fixed": 0.2}, True)
    assert chosen.label == runs.methods["dcl"].label + ", selected"
    assert set(table.loc[table["method"] == "dcl_selected", "seed"]) == {3, 4}


def test_the_parts_of_a_study_divide_the_methods_and_begin_with_the_baseline(pairs):
    asked = {**study(), "methods": {
        "late": {"loss": "dcl", "start": "trained"}, "dcl": {"loss": "dcl"},
        "clip": {"loss": "clip"}, "cua": {"loss": "cua"}, "gram": {"loss": "gram"},
    }}  # fmt: skip
    runs = LossRuns(asked, pairs, 3)
    parts = [None, (1, 3), (2, 3), (3, 3)]
    assert [[one.name for one in runs.of_part(part)] for part in parts] == [
        ["clip", "dcl", "cua", "gram", "late"], ["clip", "gram"], ["dcl", "late"], ["cua"],
    ]  # fmt: skip


def test_splits_are_drawn_with_the_seed_and_their_number(pairs):
    drawn = [split_pairs(pairs, None, number, seed) for number, seed in ((1, 3), (2, 3), (1, 4))]
    drawn += [validation_pairs(pairs, None, 0.43, seed) for seed in (3, 4)]
    tests = [one.test.tolist() for one in drawn]
    assert len({tuple(test) for test in tests}) == 5
    assert tests[0] == split_pairs(pairs, None, 1, 3).test.tolist()
    assert tests[3] == validation_pairs(pairs, None, 0.43, 3).test.tolist()
    # Of 28 pairs .2 are 5.6, which are six.
    assert len(validation_pairs(pairs, None, 0.2, 3).test) == 6
    # Clusters of five: the third reaches the 12 that are wanted.
    assert len(split_pairs(pairs, np.arange(40) // 5, 1, 3).test) == 15


# --- pairs --------------------------------------------------------------------------------------


def test_batches_are_drawn_anew_when_too_few_rows_are_left():
    rows, generator = torch.arange(50, 62), torch.Generator().manual_seed(8)
    for size, epochs in ((4, 2), (5, 3)):
        orders = [rows[torch.randperm(12, generator=generator)] for _ in range(epochs)]
        generator.manual_seed(8)
        per = 12 // size
        wanted = [order[size * k : size * (k + 1)].tolist() for order in orders for k in range(per)]
        found = [batch.tolist() for batch in shuffled(rows, size, per * epochs, 8)]
        assert found == wanted


def test_pairs_go_through_the_model_in_groups_in_their_order(pairs):
    model, rows = Towers((8, 7), 1, 8, 6, 0), torch.tensor([5, 2, 39, 11, 0, 7, 30])
    seen = []
    hook = model.first.register_forward_hook(lambda module, given, out: seen.append(len(out)))
    whole = embed(model, pairs, rows)
    parts = embed(model, replace(pairs, at_once=3), rows)
    hook.remove()
    assert seen == [7, 3, 3, 1]
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other)
        assert not one.requires_grad


def test_a_picture_has_as_many_captions_as_the_one_with_the_fewest(pairs):
    picture = np.array([2, 0, 1, 0, 2, 0, 1, 2, 0, 2])
    rows = torch.arange(10)
    given = replace(pairs, a=pairs.a[picture], b=pairs.b[:10], train=rows[:8], test=rows[8:])
    found = captions_of(given)
    assert found.rows.shape[1] == 2  # picture 1 has two
    for name, wanted in ((0, [1, 3]), (1, [2, 6]), (2, [0, 4])):
        (code,) = {int(one) for one in found.picture[picture == name]}
        assert found.rows[code].tolist() == wanted
    lacking = replace(given, train=rows[:6])  # the second caption of picture 1 is left out
    with pytest.raises(InputError, match="Of 3 training pictures, 1 have only one caption"):
        captions_of(lacking)
