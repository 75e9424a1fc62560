"""Training in a few steps, against AdamW, schedule and batches written out here."""

import numpy as np
import pandas as pd
import pytest
import torch

from modality_gap.embeddings.sets import normalise
from modality_gap.measures.losses import symmetric_loss
from modality_gap.training import small_clip
from modality_gap.training.loop import LinearProjections, held_out_statistics, train
from modality_gap.training.pairs import Pairs, embed
from modality_gap.training.towers import Towers, rotate_second, rotation_onto

SETTINGS = {
    "learning_rate": 0.05,
    "weight_decay": 0.3,
    "warmup": 4,
    "steps": 43,
    "batch_size": 6,
    "temperature": 0.2,
}


def inputs(n, seed=0):
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 3))
    sides = (hidden @ rng.normal(size=(3, d)) + 0.3 * rng.normal(size=(n, d)) for d in (5, 4))
    return tuple(torch.from_numpy(normalise(side)).float() for side in sides)


def trained(seed=1, items=20, **changed):
    images, texts = inputs(items)
    others = inputs(9, seed=7)
    torch.manual_seed(0)
    model = LinearProjections(5, 4, 3)
    start = [one.detach().numpy().astype(float).copy() for one in model.parameters()]
    table = train(
        model,
        lambda rows: model(images[rows], texts[rows]),
        items,
        lambda: model(*others),
        SETTINGS | changed,
        seed,
    )
    return table, model, start


def factors(steps, warmup):
    """The share of the learning rate at each step: from .01 up in a line, then half a cosine."""
    return [
        0.01 + 0.99 * step / warmup
        if step < warmup
        else (1 + np.cos(np.pi * (step - warmup) / (steps - warmup))) / 2
        for step in range(steps)
    ]


def plain_training(start, seed, items):
    """The losses and weights of AdamW (betas .9 and .98) in float64, its gradients torch's."""
    images, texts = (side.double() for side in inputs(items))
    weights = [torch.tensor(one, requires_grad=True) for one in start]
    means, squares = ([np.zeros_like(one) for one in start] for _ in range(2))
    generator, rows, losses = torch.Generator().manual_seed(seed), [], []
    for step, factor in enumerate(factors(SETTINGS["steps"], SETTINGS["warmup"]), start=1):
        if len(rows) < 6:
            rows = torch.randperm(items, generator=generator).tolist()
        batch, rows = rows[:6], rows[6:]
        x, y = (
            side[batch] @ weight.T for side, weight in zip((images, texts), weights, strict=True)
        )
        x, y = (side / side.norm(dim=1, keepdim=True) for side in (x, y))
        logits, right = x @ y.T / 0.2, range(6)
        loss = sum(
            -torch.log_softmax(matrix, dim=1)[right, right].mean() for matrix in (logits, logits.T)
        )
        loss = loss / 2
        for weight in weights:
            weight.grad = None
        loss.backward()
        losses.append(loss.item())
        rate = 0.05 * factor
        for place, weight in enumerate(weights):
            gradient = weight.grad.numpy()
            means[place] = 0.9 * means[place] + 0.1 * gradient
            squares[place] = 0.98 * squares[place] + 0.02 * gradient**2
            step_by = means[place] / (1 - 0.9**step)
            step_by = step_by / (np.sqrt(squares[place] / (1 - 0.98**step)) + 1e-8)
            with torch.no_grad():
                weight *= 1 - rate * 0.3
                weight -= torch.from_numpy(rate * step_by)
    return losses, [weight.detach().numpy() for weight in weights]


@pytest.mark.parametrize("items", [20, 18])  # two are left over of an epoch, and none
def test_training_is_adamw_with_its_warm_up_cosine_and_shuffled_batches(items):
    table, model, start = trained(2, items)
    losses, weights = plain_training(start, 2, items)
    assert table["step"].tolist() == list(range(44))
    assert np.isnan(table["loss"][0])
    np.testing.assert_allclose(table["loss"][1:], losses, rtol=1e-3)
    for found, wanted in zip(model.parameters(), weights, strict=True):
        np.testing.assert_allclose(found.detach(), wanted, atol=2e-3)
    # The order of the batches is the seed's.
    assert abs(trained(7, items, steps=7)[0]["loss"][1] - losses[0]) > 1e-3


def test_the_held_out_pairs_are_measured_on_the_way_and_at_the_end():
    table, model, _ = trained()
    measured = table.dropna(subset="gap")
    # A twentieth of 43 steps, rounded down, is 2; and the last.
    assert measured["step"].tolist() == [*range(0, 43, 2), 43]
    x, y = (side.detach().double().numpy() for side in model(*inputs(9, seed=7)))
    last = table.iloc[-1]
    assert last["gap"] == pytest.approx(np.linalg.norm(x.mean(axis=0) - y.mean(axis=0)), abs=1e-6)
    cosines = x @ y.T
    hits = [
        np.mean([matrix[i, i] == matrix[i].max() for i in range(9)])
        for matrix in (cosines, cosines.T)
    ]
    assert hits[0] != hits[1]
    assert last["recall1"] == pytest.approx(np.mean(hits))
    assert table["loss"].iloc[-5:].mean() < 0.7 * table["loss"].iloc[1:6].mean()
    assert model.training


def test_few_steps_are_all_measured():
    table, _, _ = trained(steps=7)
    assert table["gap"].notna().all()


class WithDropout(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.seen = None

    def forward(self, *_):
        self.seen = self.training
        return torch.eye(3), torch.eye(3)[[0, 2, 1]]


def test_held_out_pairs_are_embedded_as_for_use():
    model = WithDropout().train()
    found = held_out_statistics(model, model)
    assert model.seen is False
    assert model.training
    assert found == {"gap": 0, "recall1": pytest.approx(1 / 3)}


def test_any_pairs_are_embedded_as_for_use():
    model, rows = WithDropout().train(), torch.arange(3)
    embed(model, Pairs(*inputs(3), rows, rows), rows)
    assert model.seen is False


def test_the_projections_are_linear_and_of_unit_length():
    model = LinearProjections(5, 4, 3)
    images, texts = inputs(6)
    for found, side, weight in zip(
        model(images, texts), (images, texts), model.parameters(), strict=True
    ):
        wanted = normalise(side.double().numpy() @ weight.detach().double().numpy().T)
        np.testing.assert_allclose(found.detach(), wanted, atol=1e-6)
    assert len(list(model.parameters())) == 2


def test_a_rotated_start_is_turned_by_the_train_pairs_alone():
    images, texts = inputs(40)
    towers = Towers((5, 4), 1, 12, 6, seed=2)
    pairs = Pairs(images, texts, torch.arange(28), torch.arange(28, 40))
    with torch.no_grad():
        x, y = (side.double().numpy() for side in towers(images, texts))
    wanted = rotation_onto(x[:28], y[:28])
    rotate_second(towers, pairs)
    np.testing.assert_allclose(towers.rotation, wanted, atol=1e-5)
    held_out = rotation_onto(x[28:], y[28:])
    assert np.abs(wanted - held_out).max() > 0.1
    # Once more on top of what there was: nothing is left to turn.
    rotate_second(towers, pairs)
    np.testing.assert_allclose(towers.rotation, wanted, atol=1e-4)
    with torch.no_grad():
        turned = embed(towers, pairs, pairs.train)[1].double().numpy()
    np.testing.assert_allclose(turned, y[:28] @ wanted, atol=1e-5)


def test_the_loss_of_training_is_that_of_the_landscape():
    # At step 1 the weights are as they were: the loss of the first batch.
    table, _, start = trained(seed=4)
    first = torch.randperm(20, generator=torch.Generator().manual_seed(4))[:6].numpy()
    x, y = (
        normalise(side.double().numpy() @ weight.T)[first]
        for side, weight in zip(inputs(20), start, strict=True)
    )
    assert table["loss"][1] == pytest.approx(symmetric_loss(x @ y.T, 0.2), rel=1e-5)


class Lengths:
    """A model whose vector of a picture is (its grey, 1) and of a text (its length, 2)."""

    def encode_image(self, pictures, normalize=False):
        return self.of(pictures, 1.0, normalize)

    def encode_text(self, tokens, normalize=False):
        return self.of(tokens, 2.0, normalize)

    def of(self, numbers, other, normalize):
        rows = torch.stack([numbers, torch.full_like(numbers, other)], dim=1)
        return torch.nn.functional.normalize(rows) if normalize else rows


def test_pictures_and_captions_of_a_split_are_embedded_as_unit_vectors(monkeypatch):
    decoded = []
    monkeypatch.setattr(
        small_clip, "open_picture", lambda image, name: decoded.append(name) or float(image)
    )
    pairs = pd.DataFrame(
        {"item_id": [*"abcd"], "image": ["3", "4", "5", "6"], "text": ["x", "xx", "xxx", "xxxx"]}
        | {"split": ["train", "test", "train", "train"]}
    )
    embed = small_clip.embedder(
        Lengths(),
        torch.tensor,
        lambda texts: torch.tensor([float(len(text)) for text in texts]),
        pairs,
        torch.device("cpu"),
    )

    def wanted(*numbers):
        return [[number / np.hypot(number, other) for number in numbers] for other in (1, 2)]

    for split, rows, pictures, texts in (
        ("train", slice(None), (3, 5, 6), (1, 3, 4)),
        ("train", torch.tensor([2, 0]), (6, 3), (4, 1)),
        ("test", slice(None), (4,), (2,)),
    ):
        x, y = (side[:, 0].tolist() for side in embed(split, rows))
        assert x == pytest.approx(wanted(*pictures)[0]) and y == pytest.approx(wanted(*texts)[1])
    assert sorted(decoded) == [*"abcd"]  # once each
