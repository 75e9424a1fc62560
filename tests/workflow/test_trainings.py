"""What the small run trained, trained a second time: plain torch, from the run's own embeddings and
settings, with the draws in the order that the docstrings tell. Nothing of the package is imported.
"""

import math
from itertools import combinations, pairwise, permutations, product

import independent as plain
import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from scipy import linalg, stats
from test_values import Run, same
from torch.nn import functional


@pytest.fixture(scope="module")
def run(small_run):
    return Run(small_run.folder)


def tensor(vectors) -> torch.Tensor:
    return torch.tensor(plain.unit(vectors)).float()


def contrastive(x, y, temperature):
    target = torch.arange(len(x))
    logits = x @ y.T / temperature
    return (
        functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
    ) / 2


def batches(rows, size, steps, seed):
    """Batches of each epoch's shuffled rows, the rest of an epoch dropped."""
    generator, order = torch.Generator().manual_seed(seed), []
    for _ in range(steps):
        if len(order) < size:
            order = torch.randperm(len(rows), generator=generator)
        yield rows[order[:size]]
        order = order[size:]


def normalised(side) -> np.ndarray:
    return plain.unit(side.detach().double())


# --- the projection over frozen encoders --------------------------------------------------------


def projection_pairs(run):
    """Unit vectors of both frozen encoders, the rows of the split train and those of test."""
    settings = run.config["projections"]["stitched"]
    frames = [
        run.frame(f"{settings['encoders'][side]}.{settings['inputs']}", side)
        for side in ("image", "text")
    ]
    split = frames[0]["split"]
    rows = [torch.tensor(np.flatnonzero(split == part)) for part in ("train", "test")]
    return *(tensor(frame["vector"]) for frame in frames), *rows


def test_the_projection(run):
    settings = run.config["projections"]["stitched"]
    image, text, train, test = projection_pairs(run)
    torch.manual_seed(run.seed)
    maps = [torch.nn.Linear(side.shape[1], settings["dim"], bias=False) for side in (image, text)]
    start, trained = (
        load_file(run.results / f"models/stitched.{weights}.safetensors")
        for weights in ("random", "trained")
    )
    for name, own in zip(("image", "text"), maps, strict=True):
        assert torch.equal(start[f"{name}.weight"], own.weight)

    def both(rows):
        return tuple(
            functional.normalize(own(side[rows]))
            for own, side in zip(maps, (image, text), strict=True)
        )

    def measured():
        x, y = map(normalised, both(test))
        return {"gap": plain.gap(x, y), "recall1": np.mean(list(recalls(x, y).values()))}

    optimiser = torch.optim.AdamW(
        [own.weight for own in maps], betas=(0.9, 0.98), weight_decay=settings["weight_decay"]
    )
    steps, warmup = settings["steps"], settings["warmup"]
    size = settings["batch_size"]
    rows = [{"step": 0, "loss": math.nan, **measured()}]
    for step, batch in enumerate(batches(train, size, steps, run.seed)):
        if step < warmup:
            factor = 0.01 + 0.99 * step / warmup
        else:
            factor = (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2
        optimiser.param_groups[0]["lr"] = factor * settings["learning_rate"]
        loss = contrastive(*both(batch), settings["temperature"])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rows.append({"step": step + 1, "loss": loss.item(), **measured()})
    for name, own in zip(("image", "text"), maps, strict=True):
        torch.testing.assert_close(trained[f"{name}.weight"], own.weight, atol=1e-5, rtol=1e-4)
    expected = pd.DataFrame(rows).assign(model="stitched")
    same(run.table("statistics/training/stitched.csv"), expected, tolerance=1e-4)


@pytest.mark.parametrize("weights", ["trained", "random"])
def test_projected_embeddings(run, weights):
    name = "stitched" if weights == "trained" else "stitched_random"
    matrices = load_file(run.results / f"models/stitched.{weights}.safetensors")
    sources = run.config["projections"]["stitched"]["encoders"]
    for side, inputs in (("image", "emoji"), ("text", "emoji")):
        source = run.frame(f"{sources[side]}.{inputs}", side)
        source = source[source["split"] == "test"]
        found = run.frame(name, side)
        assert list(found["item_id"]) == list(source["item_id"])
        assert list(found["concept"]) == list(source["concept"])
        expected = plain.unit(source["vector"]) @ matrices[f"{side}.weight"].numpy().T
        np.testing.assert_allclose(np.stack(found["vector"]), expected, atol=1e-5)


# --- the small CLIP -----------------------------------------------------------------------------


def test_the_small_clip_starts_untrained_and_ends_as_embedded(run):
    settings = run.config["training"]["digit_clip"]
    curve = run.table("statistics/training/digit_clip.csv")
    assert list(curve["model"].unique()) == ["digit_clip"]
    assert list(curve["step"]) == list(range(settings["steps"] + 1))
    for at, name in ((0, "digit_clip_random"), (-1, "digit_clip")):
        x, y = run.pair(name)
        row = curve.iloc[at]
        assert row["gap"] == pytest.approx(plain.gap(x, y), abs=1e-4)
        recall = np.mean(list(recalls(x, y).values()))
        assert row["recall1"] == pytest.approx(recall, abs=2 / len(x))


def test_the_small_clip(run):
    """Its first steps again, by open_clip itself."""
    import io

    import open_clip
    from PIL import Image

    settings = run.config["training"]["digit_clip"]
    pairs = pd.read_parquet(run.results / f"datasets/{settings['dataset']}.parquet")
    pairs = pairs[pairs["split"] == "train"].reset_index(drop=True)
    path = run.results.parent / run.config["encoders"]["digit_clip"]["architecture"]
    open_clip.add_model_config(path)
    torch.manual_seed(run.config["encoders"]["digit_clip_random"]["seed"])
    model, _, transform = open_clip.create_model_and_transforms(path.stem)
    tokenizer = open_clip.get_tokenizer(path.stem)
    model.train()
    optimiser = torch.optim.AdamW(
        model.parameters(), betas=(0.9, 0.98), weight_decay=settings["weight_decay"]
    )
    curve = run.table("statistics/training/digit_clip.csv")
    rows = torch.arange(len(pairs))
    for step, batch in enumerate(batches(rows, settings["batch_size"], 3, run.seed)):
        part = pairs.iloc[batch.numpy()]
        pixels = torch.stack(
            [transform(Image.open(io.BytesIO(data)).convert("RGB")) for data in part["image"]]
        )
        tokens = tokenizer(list(part["text"]))
        x, y = model.encode_image(pixels, normalize=True), model.encode_text(tokens, normalize=True)
        loss = contrastive(x, y, settings["temperature"])
        assert curve["loss"].iloc[step + 1] == pytest.approx(loss.item(), abs=2e-3)
        factor = 0.01 + 0.99 * min(1, step / settings["warmup"])
        optimiser.param_groups[0]["lr"] = factor * settings["learning_rate"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


# --- the experiments ----------------------------------------------------------------------------


class Towers:
    """Two ReLU networks whose weights and biases are N(0, 1/inputs), a tower after the other."""

    def __init__(self, dims, hidden_layers, width, dim, seed):
        generator = torch.Generator().manual_seed(seed)
        self.layers = []
        for inputs in dims:
            sizes = [inputs, *[width] * hidden_layers, dim]
            tower = []
            for before, after in pairwise(sizes):
                for shape in ((after, before), (after,)):
                    drawn = torch.empty(shape).normal_(0, before**-0.5, generator=generator)
                    tower.append(drawn.requires_grad_())
            self.layers.append(tower)
        self.rotation = torch.eye(dim)

    def parameters(self):
        return [one for tower in self.layers for one in tower]

    def __call__(self, a, b):
        sides = []
        for side, tower in zip((a, b), self.layers, strict=True):
            hidden = side * side.shape[1] ** 0.5
            for at in range(0, len(tower), 2):
                hidden = hidden @ tower[at].T + tower[at + 1]
                hidden = hidden.relu() if at + 2 < len(tower) else hidden
            sides.append(functional.normalize(hidden))
        return sides[0], sides[1] @ self.rotation


class Projections:
    def __init__(self, weights):
        self.weights = [
            weights[f"{side}.weight"].clone().requires_grad_() for side in ("image", "text")
        ]

    def parameters(self):
        return self.weights

    def __call__(self, a, b):
        return tuple(
            functional.normalize(side @ weight.T)
            for side, weight in zip((a, b), self.weights, strict=True)
        )


def recalls(x, y):
    return {
        name: np.mean([rank < 1 for rank in plain.ranks(*pair).values()])
        for name, pair in (("recall1_ab", (x, y)), ("recall1_ba", (y, x)))
    }


def train(model, a, b, train, test, settings, temperature, seed, more, largest_scale=None):
    """The row and the steps of one run."""
    row, steps = {}, []
    scale = torch.tensor(-math.log(temperature), dtype=torch.float64, requires_grad=True)
    learnt = largest_scale is not None

    def current():
        return (-scale).exp() if learnt else temperature

    def record(step):
        x, y = map(normalised, model(a[test], b[test]))
        with torch.no_grad():
            sides = model(a[train], b[train])
            parts = plain.batches_of(*sides, min(settings["batch_size"], len(train)))
            loss = np.mean([contrastive(*part, float(current())).item() for part in parts])
        found = {
            "gap": plain.gap(x, y),
            "mean_cosine_a": plain.mean_cosine(x),
            "mean_cosine_b": plain.mean_cosine(y),
            **recalls(x, y),
            "loss": loss,
        }
        steps.append({"step": step, "gap": found["gap"], "loss": loss})
        if step in (0, settings["steps"]):
            end = "after" if step else "before"
            found |= more(model, x, y)
            row.update({f"{name}_{end}": value for name, value in found.items()})

    optimiser = torch.optim.AdamW(
        [
            {"params": model.parameters(), "weight_decay": settings["weight_decay"]},
            {"params": [scale], "weight_decay": 0.0},
        ],
        betas=tuple(settings["betas"]),
        eps=settings["epsilon"],
    )
    total, warmup = settings["steps"], settings["warmup"]
    record(0)
    for step, rows in enumerate(batches(train, settings["batch_size"], total, seed)):
        factor = (step + 1) / (warmup + 1)
        if step >= warmup:
            factor = (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2
        for group in optimiser.param_groups:
            group["lr"] = factor * settings["learning_rate"]
        optimiser.zero_grad()
        contrastive(*model(a[rows], b[rows]), current()).backward()
        optimiser.step()
        if learnt:
            with torch.no_grad():
                scale.clamp_(max=math.log(largest_scale))
        if (step + 1) % settings["record_every"] == 0 or step + 1 == total:
            record(step + 1)
    if "temperature_after" not in row and "mode" in settings:
        row["temperature_after"] = float((-scale).detach().exp()) if learnt else temperature
    return row, steps


def settings_of(run, name):
    experiments = run.config["experiments"]
    return {**experiments["optimisation"], **experiments["towers"], **experiments[name]}


def nothing_more(model, x, y):
    return {}


def conducted(run, name, conditions, one):
    """Tables of runs and steps of an experiment: `one(condition, seed)` of all, two seeds each."""
    rows, steps = [], []
    for condition in conditions:
        for seed in range(run.seed, run.seed + run.config["experiments"]["seeds"]):
            row, own = one(condition, seed)
            rows.append({**condition, "seed": seed, **row})
            steps += [{**condition, "seed": seed, **step} for step in own]
    kind = "projections" if name == "temperature" else "towers"
    model = f"{run.config['experiments']['projection']} {kind}"
    folder = "statistics/experiments"
    runs = pd.DataFrame(rows).assign(model=model)
    same(run.table(f"{folder}/{name}.csv"), runs, tolerance=5e-4)
    same(run.table(f"{folder}/{name}_steps.csv"), pd.DataFrame(steps).assign(model=model), 5e-4)
    # What is made of the runs is compared on the table of the runs itself, and so exactly.
    found = run.table(f"{folder}/{name}.csv")
    measured = [column[:-6] for column in found if column.endswith("_after")]
    changes = {
        f"{quantity}_change": found[f"{quantity}_after"] - found[f"{quantity}_before"]
        for quantity in measured
        if quantity != "temperature"
    }
    summary, every = [], found.assign(**changes)
    for condition in conditions:
        part = every[(every[list(condition)] == pd.Series(condition)).all(axis=1)]
        row = {**condition, "model": model, "n": len(part)}
        for column in set(every.columns) - {*condition, "seed", "model"}:
            ends = plain.student(part[column], run.confidence)
            row |= dict(zip((column, f"{column}_low", f"{column}_high"), ends, strict=True))
        summary.append(row)
    same(run.table(f"{folder}/{name}_summary.csv"), summary, 1e-6)
    return found


def kendall(found, by, quantities):
    rows = []
    for quantity in quantities:
        tau = (0.0, 1.0)
        if found[quantity].nunique() > 1:
            tau = stats.kendalltau(found[by], found[quantity])
        rows.append(
            {"quantity": quantity, "n": len(found), "kendall_tau": tau[0], "p_value": tau[1]}
        )
    return rows


def paired(found, by, quantities, model, confidence):
    """Every two conditions against each other, seed by seed."""
    rows = []
    for quantity in quantities:
        values = {
            value: part.sort_values("seed")[quantity].to_numpy()
            for value, part in found.groupby(by)
        }
        for one, other in permutations(values, 2):
            less = plain.student(values[one] - values[other], confidence)
            over = [math.nan] * 3
            if min(*values[one], *values[other]) > 0:
                over = ratio(values[one], values[other], confidence)
            row = {"model": model, "quantity": quantity, by: one, f"{by}_against": other}
            row["n"] = len(values[one])
            for name, ends in (("difference", less), ("ratio", over)):
                row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
            rows.append(row)
    return rows


def ratio(above, below, confidence):
    return [math.exp(value) for value in plain.student(np.log(above / below), confidence)]


def largest_ratio(values, confidence):
    """Of every two conditions, by a t test of the logarithms; both ways round."""
    found = []
    for one, other in product(values, values):
        if one is not other:
            test = stats.ttest_rel(np.log(one), np.log(other))
            several = len(values) * (len(values) - 1)
            ends = test.confidence_interval(1 - (1 - confidence) / several)
            high = test.confidence_interval(confidence).high
            found.append((np.exp(np.mean(np.log(one / other))), np.exp(ends.low), np.exp(high)))
    estimate, low, high = np.max(found, axis=0)
    return estimate, max(1, low), high


def test_temperature(run):
    settings, (a, b, rows, test) = settings_of(run, "temperature"), projection_pairs(run)
    weights = load_file(run.results / "models/stitched.trained.safetensors")
    sources = run.config["projections"]["stitched"]["encoders"]
    pictures = run.frame(f"{sources['image']}.emoji", "image")
    pictures = pictures[pictures["split"] == "test"]
    prompts = run.frame(f"{sources['text']}.prompts", "text")
    prompts = prompts[prompts["task"] == settings["task"]]
    task = tensor(pictures["vector"]), tensor(prompts["vector"])
    label = run.config["tasks"][settings["task"]]["label"]

    def more(model, *_):
        x, y = (side.detach().double().numpy() for side in model(*task))
        found = prompts["label"].to_numpy()[(x @ y.T).argmax(axis=1)]
        return {"zero_shot": (found == pictures[label].to_numpy()).mean()}

    def one(condition, seed):
        model = Projections(weights)
        return train(model, a, b, rows, test, settings, condition["temperature"], seed, more)

    conditions = [{"temperature": value} for value in settings["temperatures"]]
    found = conducted(run, "temperature", conditions, one)
    names = [f"{name}_after" for name in ("gap", "recall1_ab", "recall1_ba", "zero_shot")]
    expected = pd.DataFrame(kendall(found, "temperature", names)).assign(
        model="stitched projections"
    )
    same(run.table("statistics/experiments/temperature_trend.csv"), expected)
    expected = paired(found, "temperature", names, "stitched projections", run.confidence)
    same(run.table("statistics/experiments/temperature_difference.csv"), expected)

    x, y = map(normalised, Projections(weights)(a[test], b[test]))
    untouched = run.table("statistics/experiments/temperature_untouched.csv")
    expected = {
        "model": "stitched projections",
        "temperature": run.config["projections"]["stitched"]["temperature"],
        "n": len(test),
        "gap": plain.gap(x, y),
        **recalls(x, y),
        "zero_shot_n": len(pictures),
        **more(Projections(weights)),
    }
    ends = ".*_(low|high)|clusters|gap_squared.*|recall_items.*|recall1_chance"
    same(untouched, [expected], 1e-5, but=ends)
    # The set is the one of gap.csv, and so are its gap and recall, with their intervals.
    gaps = run.table("statistics/gap.csv").set_index("set").loc["stitched"]
    for name in set(untouched.columns) & set(gaps.index) - {"model"}:
        assert untouched[name].iloc[0] == pytest.approx(gaps[name], abs=1e-5), name


def test_initialisation(run):
    settings = settings_of(run, "initialisation") | {"mode": True}
    a, b, rows, test = projection_pairs(run)

    def one(condition, seed):
        sizes = (settings[key] for key in ("hidden_layers", "width", "dim"))
        model = Towers((a.shape[1], b.shape[1]), *sizes, seed)
        if condition["start"] == "rotated":
            x, y = (side.detach().double().numpy() for side in model(a[rows], b[rows]))
            u, _, v = np.linalg.svd(y.T @ x)
            np.testing.assert_allclose(u @ v, linalg.orthogonal_procrustes(y, x)[0], atol=1e-6)
            model.rotation = torch.tensor(u @ v).float()
        scale = settings["largest_scale"] if condition["temperature_mode"] == "learnt" else None
        temperature = settings["temperature"]
        return train(model, a, b, rows, test, settings, temperature, seed, nothing_more, scale)

    conditions = [
        {"temperature_mode": mode, "start": start}
        for mode, start in product(("fixed", "learnt"), ("original", "rotated"))
    ]
    found = conducted(run, "initialisation", conditions, one)
    expected = []
    for mode in ("fixed", "learnt"):
        part = found[found["temperature_mode"] == mode].sort_values("seed")
        sides = [
            part.loc[part["start"] == start, "gap_after"].to_numpy()
            for start in ("rotated", "original")
        ]
        name = "gap_after_rotated_over_original"
        ends = ratio(*sides, run.confidence)
        row = dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
        name, ends = (
            "gap_after_rotated_less_original",
            plain.student(sides[0] - sides[1], run.confidence),
        )
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
        expected.append(
            {"model": "stitched towers", "temperature_mode": mode, "n": len(sides[0]), **row}
        )
    same(run.table("statistics/experiments/initialisation_difference.csv"), expected)


def test_dimension(run):
    settings, (a, b, rows, test) = settings_of(run, "dimension"), projection_pairs(run)

    def one(condition, seed):
        sizes = settings["hidden_layers"], settings["width"], condition["dim"]
        model = Towers((a.shape[1], b.shape[1]), *sizes, seed)
        temperature = settings["temperature"]
        return train(model, a, b, rows, test, settings, temperature, seed, nothing_more)

    found = conducted(run, "dimension", [{"dim": dim} for dim in settings["dims"]], one)
    expected = pd.DataFrame(kendall(found, "dim", ["gap_before", "gap_after"]))
    same(
        run.table("statistics/experiments/dimension_trend.csv"),
        expected.assign(model="stitched towers"),
    )
    quantities = ["gap_before", "gap_after"]
    expected = paired(found, "dim", quantities, "stitched towers", run.confidence)
    same(run.table("statistics/experiments/dimension_difference.csv"), expected)
    expected = []
    for name in quantities:
        by = {dim: part.sort_values("seed")[name].to_numpy() for dim, part in found.groupby("dim")}
        for low, high in combinations(sorted(by), 2):
            values = [by[dim] for dim in sorted(by) if low <= dim <= high]
            row = {"model": "stitched towers", "quantity": name, "dim_from": low, "dim_to": high}
            row |= {"conditions": len(values), "n": len(values[0])}
            ends = largest_ratio(values, run.confidence)
            names = (f"largest_over_smallest{end}" for end in ("", "_low", "_high"))
            expected.append(row | dict(zip(names, ends, strict=True)))
    same(run.table("statistics/experiments/dimension_spread.csv"), expected)


def test_same_modality(run):
    settings, (a, b, rows, test) = settings_of(run, "same_modality"), projection_pairs(run)

    def more(model, x, y):
        return {"separability": plain.separability(x, y, run.seed)[0]}

    def one(condition, seed):
        side = {"image": a, "text": b}[condition["modality"]]
        sizes = (settings[key] for key in ("hidden_layers", "width", "dim"))
        model = Towers((side.shape[1], side.shape[1]), *sizes, seed)
        return train(model, side, side, rows, test, settings, settings["temperature"], seed, more)

    conditions = [{"modality": name} for name in settings["modalities"]]
    conducted(run, "same_modality", conditions, one)
