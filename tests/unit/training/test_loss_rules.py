"""The rules that keep the comparison of losses fair, each with a planted breach, and what is not
the loss: temperatures, noise, exchanges, shared layers."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import logsumexp
from small_study import STUDY, small_pairs

from modality_gap.config.load import load_yaml
from modality_gap.errors import InputError
from modality_gap.training import xor
from modality_gap.training.loss_measures import at_progress, effective_rank, measure_model
from modality_gap.training.loss_runs import LossRuns, _words, candidates
from modality_gap.training.loss_study import swapped
from modality_gap.training.loss_tables import differences, is_closed, methods_table
from modality_gap.training.loss_trial import try_losses
from modality_gap.training.losses.beside import gram_triples, symile_sampled, volumes
from modality_gap.training.losses.catalogue import FOLLOW_UP_LOSSES
from modality_gap.training.pairs import Pairs
from modality_gap.training.recipes import Scale, compared_with, recipes
from modality_gap.training.towers import Towers, share_layers
from modality_gap.training.xor import EVERY, accuracy, embedded, xor_table
from modality_gap.training.xor import pairwise as of_pairs


def study(**methods) -> dict:
    return {**STUDY, "methods": {"clip": {"loss": "clip"}, **methods}}


@pytest.fixture(scope="module")
def pairs():
    return small_pairs()


class AsGiven(torch.nn.Module):
    """Embeds every vector as itself."""

    def forward(self, a, b):
        return torch.nn.functional.normalize(a), torch.nn.functional.normalize(b)


def measured(x, y):
    sides = (torch.from_numpy(np.asarray(side)) for side in (x, y))
    rows = torch.arange(len(x))
    return measure_model(AsGiven(), Pairs(*sides, rows, rows), None, 0)


def test_a_loss_is_compared_at_its_own_temperature():
    late = {"loss": "dcl", "temperature": {"fixed": 0.05}}
    alone = study(late=late, continued={"loss": "clip", "start": "trained"})
    found = recipes(alone)
    assert compared_with(found["late"], found, alone).name == "clip"
    table = pd.DataFrame(
        {"method": name, "seed": seed, "split": 0, "label": name, **dict.fromkeys(COLUMNS, value)}
        for name, value in (("clip", 1.0), ("late", 2.0), ("clip_05", 1.5), ("continued", 1.0))
        for seed in range(3)
    )
    breach = differences(table[table["method"] != "clip_05"], found, alone, 0.9)
    assert not breach.set_index("method").loc["late", "same_temperature"].any()
    fair = study(
        clip_05={"loss": "clip", "temperature": {"fixed": 0.05}},
        **{name: alone["methods"][name] for name in ("late", "continued")},
    )
    rows = differences(table, recipes(fair), fair, 0.9).set_index(["method", "metric"])
    assert rows.loc[("late", "gap"), "than"] == "clip_05"
    assert rows.loc[("late", "gap"), "difference"] == pytest.approx(0.5)
    assert rows.loc[("late", "gap"), "same_temperature"]
    assert not rows.loc[("clip_05", "gap"), "same_temperature"]
    # The trained baseline is the one that the others which start there are compared with.
    assert "continued" not in rows.index.unique("method")


COLUMNS = (
    *("gap", "gap_squared", "gap_equal_progress", "separability", "recall1", "partner_cosine"),
    *("v_measure", "rmg", "zero_shot", "floor", "mean_cosine_a", "mean_cosine_b"),
    *("uniformity_a", "uniformity_b"),
)


def test_the_gap_at_equal_progress_does_not_reward_a_fast_learner():
    """Two methods whose gap is one function of progress, one twice as fast."""
    curves = [
        [
            {"gap": 1 - recall, "train_recall1": recall}
            for recall in np.minimum(1, speed * np.arange(5) / 8)
        ]
        for speed in (1, 2)
    ]
    ends = [curve[-1]["gap"] for curve in curves]
    assert ends[0] - ends[1] == pytest.approx(0.5)
    assert [at_progress(curve) for curve in curves] == pytest.approx([0.5, 0.5])
    between = [{"gap": 1.0, "train_recall1": 0.2}, {"gap": 0.4, "train_recall1": 0.6}]
    assert at_progress(between) == pytest.approx(1 - 0.6 * 0.75)
    never = [{"gap": 1.0, "train_recall1": 0.2}, {"gap": 0.4, "train_recall1": 0.4}]
    begun = [{"gap": 1.0, "train_recall1": 0.8}, {"gap": 0.4, "train_recall1": 0.9}]
    assert np.isnan([at_progress(never), at_progress(begun)]).all()


@pytest.mark.parametrize(("shift", "closed"), [(0.0, True), (1.0, False)])
def test_a_planted_gap_is_found_and_a_planted_null_is_covered(shift, closed):
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(10):
        x, y = rng.normal(size=(2, 80, 12))
        x[:, 0] += shift
        rows.append(measured(x, y))
    table = pd.DataFrame(rows)
    assert table["gap"].min() > 0.1  # which looks like a gap, and is not
    from modality_gap.measures.intervals import t_interval

    low, high = t_interval(table["gap_squared"].to_numpy(), 0.99)
    means = table[["gap", "floor"]].mean()
    assert is_closed(means["gap"], means["floor"], low, high) == closed
    assert (low <= 0 <= high) == closed


def test_a_loss_that_is_blind_to_the_sign_has_recall_by_the_absolute_cosine():
    x = np.random.default_rng(0).normal(size=(30, 8))
    opposed = measured(x, -x)
    assert opposed["recall1"] < 0.2 and opposed["recall1_absolute"] == 1
    alike = measured(x, x)
    assert alike["recall1"] == alike["recall1_absolute"] == 1


def test_effective_rank_of_planted_spectra():
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(40, 4)))[0]
    turn = np.linalg.qr(turn - turn.mean(axis=0))[0]
    assert effective_rank(turn + 3.0) == pytest.approx(4)
    assert effective_rank(turn[:, :1] * np.ones(5)) == pytest.approx(1)
    shares = np.array([0.5, 0.25, 0.25])
    assert effective_rank(turn[:, :3] * shares) == pytest.approx(2**1.5)


# Losses of pairs with one caption per picture; test_loss_study.py trains the other one.
SINGLE = [name for name, known in FOLLOW_UP_LOSSES.items() if not known.captions]


def test_what_a_loss_is_like_is_found_by_trying_it(pairs, tmp_path):
    (tmp_path / "own.py").write_text(
        "def blind(x, y, logit_scale, batch):\n    return ((x * y).sum(dim=1) ** 2).mean()\n"
        "def raw(x, y, logit_scale, batch):\n    return (batch.raw_x * batch.raw_y).mean()\n"
        "def raw_y(x, y, logit_scale, batch):\n    return (x * y).mean() * batch.raw_y.norm()\n"
        # A hundredth more or less is a difference, a millionth is rounding.
        "def nearly_blind(x, y, logit_scale, batch, part=0.01):\n"
        "    return (1 + part * (x * y).sum(dim=1).mean().sign()) * blind(x, y, 0, 0)\n"
        "def nearly_raw(x, y, logit_scale, batch, part=0.01):\n"
        "    return (1 + part * batch.raw_y.norm().log2()) * (x * y).mean()\n"
    )
    names = ("blind", "raw", "raw_y", "nearly_blind", "nearly_raw")
    own = {name: {"loss": f"{tmp_path}/own.py:{name}"} for name in names}
    for name in names[3:]:
        own[f"{name}_6"] = own[name] | {"settings": {"part": 1e-6}}
    trained = {"clip_refine", "rafa", "hycd", "hycd_align", "self_distillation"}
    entries = {
        name: {"loss": name, "start": "trained" if name in trained else "scratch"}
        for name in SINGLE
    }
    asked = study(**entries, **own)
    traits = pd.DataFrame(try_losses(recipes(asked), pairs, asked, 3)).T
    assert set(traits.index[traits["sign_blind"].astype(bool)]) == {
        "gram",
        "blind",
        "nearly_blind_6",
    }
    expected = {"vicreg", "clip_refine", "rafa", "raw", "raw_y", "nearly_raw"}
    assert set(traits.index[traits["raw"].astype(bool)]) == expected


def test_predictions_are_measured_and_the_towers_beside_them(pairs):
    runs = LossRuns(study(slap={"loss": "slap"}), pairs, 3)
    table, steps = runs.run()
    of = table.set_index(["method", "seed"])["gap"]
    assert set(table["method"]) == {"clip", "slap", "slap.towers"}
    assert (of["slap"] != of["slap.towers"]).all()
    last = steps[(steps["method"] == "slap") & (steps["step"] == 4)]
    assert list(last["gap"]) == pytest.approx(list(of["slap"]))
    said = methods_table(table, runs.methods, runs.traits, runs.study, 0.9).set_index("method")
    assert list(said["embedded"]) == ["towers", "predictions", "towers"]
    assert said.loc["slap", "passes"] == 2 and set(said["n"]) == {2}
    assert said["gap_squared_low"].le(said["gap_squared"]).all()


def test_a_narrow_cone_is_named():
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(2, 60, 12))
    shift = np.eye(12)[0] * 20
    rows = [
        {"method": name, "seed": seed, "split": 0, "label": name, **measured(*sides)}
        for name, sides in (("clip", wide), ("cone", wide + shift))
        for seed in (1, 2)
    ]
    asked = study(cone={"loss": "cua"})
    traits = {name: {"sign_blind": False, "raw": False} for name in asked["methods"]}
    said = methods_table(pd.DataFrame(rows), recipes(asked), traits, asked, 0.9)
    assert list(said["one_cone"]) == [False, True]


# --- what is not the loss ------------------------------------------------------------------------


def test_temperatures_that_are_learnt_in_other_ways(pairs):
    asked = study(
        soft={"loss": "clip", "temperature": {"softplus": 0.2}},
        learnt={"loss": "clip", "temperature": {"learnt": 0.2}},
        slow={"loss": "clip", "temperature": {"learnt": 0.2, "rate": 0.1}},
    )
    scale = Scale(recipes(asked)["soft"])
    assert float(scale.at(0, 5).detach()) == pytest.approx(5)
    with torch.no_grad():
        scale.learnt += 1
        expected = np.log1p(np.exp(np.log(np.expm1(5)) + 1))
    assert float(scale.at(0, 5).detach()) == pytest.approx(expected)
    with torch.no_grad():
        scale.learnt += 1000
    scale.clamp()
    assert float(scale.at(0, 5).detach()) == pytest.approx(100)
    ends = LossRuns(asked, pairs, 3).run()[0].groupby("method")["temperature"].mean()
    moved = {name: abs(np.log(ends[name] / 0.2)) for name in ("soft", "learnt", "slow")}
    assert moved["slow"] == pytest.approx(moved["learnt"] / 10, rel=0.1)
    assert moved["soft"] > 0


def test_exchanged_entries():
    x, y = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(1))
    new_x, new_y = swapped(x, y, "hard", torch.Generator().manual_seed(2))
    assert torch.equal(new_x + new_y, x + y)
    changed = new_x == y
    assert torch.equal(new_x, torch.where(changed, y, x)) and 0 < changed.float().mean() < 1
    new_x, new_y = swapped(x, y, "soft", torch.Generator().manual_seed(2))
    for new in (new_x, new_y):
        assert (new >= torch.minimum(x, y)).all() and (new <= torch.maximum(x, y)).all()


def test_batches_noise_exchanges_and_layers_have_an_effect(pairs):
    asked = study(
        same={"loss": "clip"},
        small={"loss": "clip", "batch_size": 4},
        slow={"loss": "clip", "learning_rate": 0.001},
        noise={"loss": "clip", "augment": 0.5},
        hard={"loss": "clip", "swap": {"kind": "hard", "share": 1.0}},
        hidden={"loss": "clip", "hidden_layers": 1},
        shared={"loss": "clip", "hidden_layers": 1, "shared": True},
    )
    asked["optimisation"] = {**STUDY["optimisation"], "steps": 20, "record_every": 20}
    gaps = LossRuns(asked, pairs, 3).run()[0].groupby("method")["gap"].mean()
    assert gaps["same"] == gaps["clip"]
    assert gaps.drop("same").nunique() == 7


def test_shared_layers_are_the_same_ones():
    model = Towers((8, 7), 2, 5, 6, 0)
    share_layers(model)
    first, second = model.first, model.second
    assert first[0] is not second[0]
    assert all(one is other for one, other in zip(first[1:], second[1:], strict=True))
    own = 8 * 5 + 5 + 7 * 5 + 5
    assert sum(one.numel() for one in model.parameters()) == own + (5 * 5 + 5) + (5 * 6 + 6)


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"shared": True}, "one.shared needs towers with hidden layers; give hidden_layers: 1."),
        (
            {"swap": {"kind": "hard", "share": 0.01}},
            "one.swap.share is 0.01, which is too little for 20 steps; give at least 0.75.",
        ),
        ({"grid": {"weight": [1, 2]}}, "one.grid.weight: the loss has no such setting; remove it"),
    ],
)
def test_what_does_not_fit_together_is_refused(entry, sentence):
    asked = study(one={"loss": "clip", **entry})
    asked["optimisation"] = {**STUDY["optimisation"], "steps": 20}
    with pytest.raises(InputError, match=re.escape(f"loss_study.methods.{sentence}")):
        recipes(asked)


def test_the_share_that_is_named_as_enough_is_enough():
    asked = study(one={"loss": "clip", "swap": {"kind": "hard", "share": 0.0214}})
    asked["optimisation"] = {**STUDY["optimisation"], "steps": 700}
    with pytest.raises(InputError, match=r"too little for 700 steps; give at least 0\.0215\."):
        recipes(asked)
    asked["methods"]["one"]["swap"]["share"] = 0.0215
    assert "one" in recipes(asked)


def test_symile_with_shuffled_others_against_loops():
    rows = np.random.default_rng(0).normal(size=(3, 6, 4))
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    a, b, c = rows
    generator = torch.Generator().manual_seed(1)
    total = 0.0
    for one, two, three in ((a, b, c), (b, a, c), (c, a, b)):
        first, second = (torch.randperm(6, generator=generator).numpy() for _ in range(2))
        for i in range(6):
            logits = [7 * (one[i] * two[first[j]] * three[second[j]]).sum() for j in range(6)]
            logits[i] = 7 * (one[i] * two[i] * three[i]).sum()
            total += (logsumexp(logits) - logits[i]) / 18
    sides = [torch.from_numpy(side) for side in rows]
    value = symile_sampled(*sides, 7.0, torch.Generator().manual_seed(1))
    assert float(value) == pytest.approx(total, abs=1e-9)


def test_volumes_of_triples_are_roots_of_determinants():
    rng = np.random.default_rng(2)
    a, b, c = rng.normal(size=(3, 6, 4))
    a, b, c = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (a, b, c))
    rows = [
        [np.sqrt(np.linalg.det(np.stack(one) @ np.stack(one).T)) for one in
         ((a[i], b[j], c[j]) for j in range(6))]
        for i in range(6)
    ]  # fmt: skip
    sides = [torch.from_numpy(side).requires_grad_() for side in (a, b, c)]
    assert volumes(*sides).detach().numpy() == pytest.approx(np.array(rows), abs=1e-9)
    logits, value = -7 * np.array(rows), 0.0
    for one in (logits, logits.T):
        log_p = one - logsumexp(one, axis=1, keepdims=True)
        value -= (0.9 * log_p.diagonal() + 0.1 * log_p.mean(axis=1)).mean() / 2
    loss = gram_triples(*sides, 7.0)
    assert float(loss.detach()) == pytest.approx(value, abs=1e-9)
    with torch.no_grad():  # blind to the sign of each side
        turned = gram_triples(-sides[0], *sides[1:], 7.0), gram_triples(*sides[:2], -sides[2], 7.0)
    assert [float(one) for one in turned] == pytest.approx([value] * 2)
    loss.backward()
    assert all(side.grad.abs().sum() > 0 for side in sides)


def test_a_loss_of_three_modalities_finds_what_no_pair_shows():
    table = xor_table(range(3, 6))
    means = table.groupby("loss")["accuracy"].mean()
    assert means["symile"] == means["gram"] == 1 and means["pairwise"] < 0.8
    assert set(table["accuracy"] * 8 % 1) == {0.0}
    a, b, c = EVERY.T
    assert torch.equal(c, a ^ b) and len(EVERY.unique(dim=0)) == 4


def test_a_bit_is_found_by_the_product_of_the_two_others_and_half_found_at_a_tie():
    """Every encoder gives -e or e for 0 and 1; b and c are along one axis."""

    def encoders(of_a: int, sign: float) -> torch.nn.ModuleList:
        parts = torch.nn.ModuleList(torch.nn.Linear(1, 3, bias=False) for _ in range(3))
        with torch.no_grad():
            for part, axis, times in zip(parts, (of_a, 0, 0), (sign, 5.0, 5.0), strict=True):
                part.weight.copy_(times * torch.eye(3)[:, axis : axis + 1])
        return parts

    # The sign of a xor b is minus the product of both signs; so a needs the sign turned.
    assert [accuracy(encoders(0, sign), "symile") for sign in (-1.0, 1.0)] == [1, 0]
    # A sum finds a where b and c are 1, does not where both are 0, and cannot tell otherwise.
    assert accuracy(encoders(0, -1.0), "pairwise") == 0.5
    # Along another axis a is never told.
    assert accuracy(encoders(1, 2.0), "symile") == 0.5
    unit = embedded(encoders(2, 7.0), EVERY)[0]
    assert torch.equal(unit[:, 2], torch.tensor([-1.0, -1, 1, 1]))


def test_the_bits_and_the_encoders_are_drawn_with_the_seed(monkeypatch):
    seen = []

    def note(encoders, bits):
        seen.append((encoders[0].weight.tolist(), bits.tolist()))
        return embedded(encoders, bits)

    monkeypatch.setattr(xor, "STEPS", 1)
    monkeypatch.setattr(xor, "embedded", note)
    for seed in (0, 5, 5):
        xor.train_xor("pairwise", seed)
    (zero, five, again) = seen[::3]  # the others are those of the accuracy
    assert five == again
    assert zero[0] != five[0] and zero[1] != five[1]


def test_the_table_of_bits_has_every_loss_and_seed_and_what_guessing_finds(monkeypatch):
    monkeypatch.setattr(xor, "train_xor", lambda loss, seed: len(loss) + seed / 100)
    rows = xor_table(range(4, 6)).to_dict("records")
    assert rows == [
        {"loss": loss, "seed": seed, "accuracy": len(loss) + seed / 100, "chance": 0.5}
        for loss in ("symile", "gram", "pairwise")
        for seed in (4, 5)
    ]


def test_the_loss_of_pairs_is_the_mean_over_all_three_pairs():
    rows = np.random.default_rng(6).normal(size=(3, 5, 4))
    total = 0.0
    for one, other in ((0, 1), (0, 2), (1, 2)):
        logits = 3 * rows[one] @ rows[other].T
        for matrix in (logits, logits.T):
            total += (logsumexp(matrix, axis=1) - np.diag(matrix)).mean() / 6
    found = of_pairs(*(torch.from_numpy(side) for side in rows), 3.0)
    assert float(found) == pytest.approx(total)


# --- the large run --------------------------------------------------------------------------------


@pytest.fixture
def counted(monkeypatch):
    """The methods that are trained, in their order."""
    from modality_gap.training import loss_runs

    trained, real = [], loss_runs.train_method

    def count(recipe, *rest):
        trained.append(recipe.name)
        return real(recipe, *rest)

    monkeypatch.setattr(loss_runs, "train_method", count)
    return trained


def test_a_method_more_or_less_trains_no_other_again(pairs, tmp_path, counted):
    asked = study(
        dcl={"loss": "dcl"}, hycd={"loss": "hycd", "start": "trained"}, cua={"loss": "cua"}
    )
    table, _ = LossRuns(asked, pairs, 3, journal=tmp_path).run()
    assert counted == ["clip", "clip", "dcl", "dcl", "cua", "cua", "hycd", "hycd"]
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    counted.clear()
    again, _ = LossRuns(asked, pairs, 3, journal=tmp_path).run()
    assert not counted
    pd.testing.assert_frame_equal(again, table)
    asked["methods"]["cyclip"] = {"loss": "cyclip"}
    asked["methods"]["cua"] = {"loss": "cua", "settings": {"align": 2}}
    asked["methods"]["dcl"] = {"loss": "dcl", "label": "another label"}
    more, _ = LossRuns(asked, pairs, 3, journal=tmp_path).run()
    assert counted == ["cua", "cua", "cyclip", "cyclip"]
    assert kept.items() <= {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}.items()
    assert set(more["label"]) >= {"another label"}
    # One that starts trained is trained again where its start is another.
    counted.clear()
    asked["methods"]["clip"] = {"loss": "clip", "temperature": {"fixed": 0.02}}
    LossRuns(asked, pairs, 3, journal=tmp_path).run()
    assert counted == ["clip", "clip", "hycd", "hycd"]


def test_parts_as_jobs_of_their_own_give_the_same_tables(pairs, counted):
    asked = study(dcl={"loss": "dcl"}, hycd={"loss": "hycd", "start": "trained"})
    table, steps = LossRuns(asked, pairs, 3).run()
    known = {}
    for number in (1, 2):
        part = LossRuns(asked, pairs, 3)
        part.run((number, 2))
        known |= part.done
    counted.clear()
    both = LossRuns(asked, pairs, 3, known=known).run()
    assert not counted
    for one, other in zip(both, (table, steps), strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_a_grid_is_tried_with_three_learning_rates_and_a_method_without_one_with_nine():
    asked = study(
        cool={"loss": "clip", "grid": {"temperature": [0.1, 0.2]}},
        even={"loss": "cua", "settings": {"align": 0.5}, "grid": {"uniform": [3.0]}},
        noisy={"loss": "clip", "augment": 0.5, "grid": {"augment": [0.25, 1]}},
    )
    methods, rates = recipes(asked), [0.01, 0.003, 0.03]
    tried = [
        (one.temperature, pytest.approx(one.learning_rate))
        for one in candidates(methods["cool"], asked)
    ]
    assert tried == [({"fixed": value}, rate) for value in (0.1, 0.2) for rate in rates]
    even = candidates(methods["even"], asked)
    assert [one.settings for one in even] == [{"align": 0.5, "uniform": 3.0}] * 3
    assert {str(one.temperature) for one in even} == {str(methods["even"].temperature)}
    assert [one.learning_rate for one in even] == pytest.approx(rates)
    noisy = candidates(methods["noisy"], asked)
    assert [one.augment for one in noisy] == [0.25] * 3 + [1] * 3
    assert [_words(methods["noisy"], one) for one in noisy[::3]] == ["augment 0.25", "augment 1"]
    assert [_words(methods["cool"], one) for one in candidates(methods["cool"], asked)[::3]] == [
        *("temperature 0.1", "temperature 0.2")
    ]
    alone = [one.learning_rate for one in candidates(methods["clip"], asked)]
    assert sorted(alone) == pytest.approx([0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1])


def test_settings_are_chosen_by_validation_recall_alone(pairs):
    asked = study(cua={"loss": "cua", "grid": {"uniform": [0.3, 1, 3]}}, dcl={"loss": "dcl"})
    asked["selection"] = {"seeds": 2, "share": 0.3}
    runs = LossRuns(asked, pairs, 3, clusters=np.arange(40) // 2)
    table, _ = runs.run()
    assert list(dict.fromkeys(table["method"])) == [
        *("clip", "clip_selected", "cua", "cua_selected", "dcl", "dcl_selected")
    ]
    choices = pd.DataFrame(runs.choices)
    assert choices.groupby("method").size().to_dict() == {"clip": 9, "cua": 9, "dcl": 9}
    for _, tried in choices.groupby("method"):
        assert tried["chosen"].sum() == 1
        assert tried.loc[tried["chosen"], "recall1"].item() == tried["recall1"].max()
    best = choices[choices["method"].eq("cua") & choices["chosen"]].iloc[0]
    chosen = runs.methods["cua_selected"]
    assert f"uniform {chosen.settings['uniform']:g}" == best["setting"]
    assert chosen.learning_rate == best["learning_rate"]
    than = differences(table, runs.methods, asked, 0.9).set_index("method")["than"]
    assert set(than["cua_selected"]) == {"clip_selected"} and set(than["cua"]) == {"clip"}


def test_splits_separate_no_cluster(pairs):
    from modality_gap.training.loss_runs import split_pairs, validation_pairs
    from modality_gap.training.loss_tables import splits_table

    clusters = np.arange(40) // 2
    assert split_pairs(pairs, clusters, 0, 3) is pairs
    drawn = [split_pairs(pairs, clusters, number, 3) for number in (1, 2)]
    drawn.append(validation_pairs(pairs, clusters, 0.3, 3))
    for one, rows in zip(drawn, (40, 40, 28), strict=True):
        train, test = one.train.numpy(), one.test.numpy()
        assert sorted([*train, *test]) == list(range(rows))
        assert not set(clusters[train]) & set(clusters[test])
    # As many as the pairs' own 12, and .3 of 28: both are whole clusters of two.
    assert [len(one.test) for one in drawn] == [12, 12, 8]
    assert len(split_pairs(pairs, None, 1, 3).test) == 12
    assert set(drawn[0].test.tolist()) != set(drawn[1].test.tolist())
    asked = {**study(dcl={"loss": "dcl"}), "splits": 2, "towers": [{"hidden_layers": 1, "dim": 4}]}
    runs = LossRuns(asked, pairs, 3, clusters=clusters)
    table, _ = runs.run()
    assert table.groupby("method")["split"].nunique().to_dict() == {
        "clip": 2,
        "dcl": 2,
        "clip_1x4": 1,
        "dcl_1x4": 1,
    }
    rows = splits_table(table, runs.methods, asked).set_index(["method", "metric", "split"])
    of = table.set_index(["method", "split", "seed"])["gap"].sort_index()
    expected = (of["dcl", 1] - of["clip", 1]).mean()
    assert rows.loc[("dcl", "gap", 1), "difference"] == pytest.approx(expected)
    assert rows.loc[("dcl_1x4", "gap", 0), "than"] == "clip_1x4"


def test_the_large_run_has_every_loss_and_each_works(root, pairs):
    from snakemake.utils import update_config

    config = load_yaml(root / "config/config.yaml")
    update_config(config, load_yaml(root / "config/losses.yaml"))
    asked = {**config["loss_study"], "width": 8, "dim": 6}
    asked["towers"] = [{"hidden_layers": 3, "dim": 4}]
    runs = LossRuns(asked, pairs, 3)  # which tries each of them
    assert {one.loss.name for one in runs.methods.values()} == set(SINGLE)
    main = [name for name in runs.methods if name in asked["methods"]]
    assert len(runs.methods) == 2 * len(main) - 3  # three have layers of their own
    fair = {
        name: recipe.temperature == compared_with(recipe, runs.methods, asked).temperature
        for name, recipe in runs.methods.items()
        if recipe.loss.name != "clip"
    }
    unfair = {name.removesuffix("_3x4") for name, one in fair.items() if not one}
    assert unfair == {"sigmoid", "sigmoid_no_bias", "sigmoid_fixed_bias"}
