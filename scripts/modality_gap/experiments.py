"""The paper's training experiments (sections 4.2 and 4.4, Supplementary 8 and 16) and the control
of its follow-up, with small models over cached embeddings or (modality_gap/pixels.py) whole ones.

A *run* is one training: {"condition": {column: value}, "seed": int}. It gives {"row": {...},
"steps": [{...}]}: what was measured before and after it, and on the way. A finished run is kept in
a journal, so that an interrupted experiment goes on with the run that it was in.
"""

import copy
import hashlib
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import linalg, stats
from torch.nn import functional
from torch.optim.adam import adam
from tqdm import tqdm

from modality_gap import gap, retrieval
from modality_gap.gap_intervals import measure_gap
from modality_gap.intervals import count_clusters, largest_ratio, ratio, share_interval, t_interval
from modality_gap.training import symmetric_contrastive_loss

# Per experiment: the lists of the config that span its conditions, by the column each fills.
# The last list varies fastest; start and temperature_mode are not the user's to choose.
CONDITIONS = {
    "temperature": {"temperature": "temperatures"},
    "initialisation": {
        "temperature_mode": ["fixed", "learnt"],
        "start": ["original", "rotated"],
    },
    "dimension": {"dim": "dims"},
    "same_modality": {"modality": "modalities"},
}


@dataclass(frozen=True)
class Pairs:
    """The inputs of n pairs, `a` and `b`, and which rows are trained on (`train`) and which held
    out (`test`).

    Inputs are cached embeddings (n, d_a) and (n, d_b) of unit length, all on the model's device, or
    what a whole model takes: its pictures' pixels and its captions' tokens (n, length). Where
    nothing is learnt, `at_once` of them go through the model together, all where it is None.
    """

    a: torch.Tensor
    b: torch.Tensor
    train: torch.Tensor
    test: torch.Tensor
    at_once: int | None = None


def shuffled(rows: torch.Tensor, size: int, steps: int, seed: int) -> Iterator[torch.Tensor]:
    """`steps` batches of `size` rows, an epoch after the other in an order that the seed draws; the
    rows left over at an epoch's end are dropped."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < size:
            order = torch.randperm(len(rows), generator=generator)
        yield rows[order[:size].to(rows.device)]
        order = order[size:]


# --- what is trained ----------------------------------------------------------------------------


class Towers(torch.nn.Module):
    """Two ReLU networks from scratch, `hidden_layers` of `width` each, over embeddings of the
    dimensions `input_dims`, into `dim` dimensions.

    Weights and biases are drawn from N(0, 1/inputs of the layer) and each component of the input
    has a mean square of 1, as in Figure 2(b): such a network maps into a narrow cone of its own.
    `rotation` (dim, dim) is a fixed orthogonal matrix that rows of the second tower are multiplied
    by, the identity until `rotate_second` sets it.
    """

    def __init__(
        self, input_dims: tuple[int, int], hidden_layers: int, width: int, dim: int, seed: int
    ):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        dims = [[inputs] + [width] * hidden_layers + [dim] for inputs in input_dims]
        self.first, self.second = (_network(sizes, generator) for sizes in dims)
        self.register_buffer("rotation", torch.eye(dim))

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Unit vectors x, y (m, dim) of embeddings a (m, d_a) and b (m, d_b) of unit length."""
        x, y = self.first(a * a.shape[1] ** 0.5), self.second(b * b.shape[1] ** 0.5)
        return functional.normalize(x), functional.normalize(y) @ self.rotation


def _network(sizes: list[int], generator: torch.Generator) -> torch.nn.Sequential:
    layers = []
    for inputs, outputs in pairwise(sizes):
        layer = torch.nn.Linear(inputs, outputs)
        for parameter in (layer.weight, layer.bias):
            torch.nn.init.normal_(parameter, std=inputs**-0.5, generator=generator)
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def rotation_onto(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The orthogonal matrix R (d, d) whose y @ R is nearest to x, for rows x, y (n, d).

    R^T = U V^T of the singular value decomposition U S V^T of x^T y. Source: section 4.4
    (orthogonal Procrustes).
    """
    return linalg.orthogonal_procrustes(y, x)[0]


def rotate_second(model: torch.nn.Module, pairs: Pairs) -> None:
    """Turn the model's second tower onto its first, by the train pairs. Source: section 4.4."""
    x, y = (side.double().cpu().numpy() for side in embed(model, pairs, pairs.train))
    rotation = torch.from_numpy(rotation_onto(x, y)).to(model.rotation)
    model.rotation.copy_(model.rotation @ rotation)


class Temperature:
    """The temperature of the loss: fixed, or learnt as CLIP does, through the logarithm of the
    scale 1/temperature, which is held at or below `largest_scale`."""

    def __init__(self, initial: float, learnt: bool, largest_scale: float = math.inf):
        self.initial, self.learnt, self.largest_scale = initial, learnt, largest_scale
        self.log_scale = torch.nn.Parameter(torch.tensor(-math.log(initial), dtype=torch.float64))

    def __call__(self) -> float | torch.Tensor:
        return (-self.log_scale).exp() if self.learnt else self.initial

    @torch.no_grad()
    def value(self) -> float:
        """The temperature as a number."""
        return float(self())

    @torch.no_grad()
    def clamp(self) -> None:
        """Hold a learnt scale within its bound; after every step."""
        self.log_scale.clamp_(max=math.log(self.largest_scale))


class Adam:
    """Adam, its weight decay added to the gradient (`optimiser` adam) or taken off the weights
    (adamw): torch.optim's, through its functional form. (The first optimiser of torch.optim that a
    process makes costs it six seconds of imports, as long as several of these runs.)"""

    def __init__(self, parameters: Iterable[torch.nn.Parameter], settings: dict, decay: float):
        self.parameters, self.settings, self.decay = list(parameters), settings, decay
        self.means, self.squares = (
            [torch.zeros_like(one) for one in self.parameters] for _ in range(2)
        )
        self.steps = [torch.tensor(0.0, device=one.device) for one in self.parameters]

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One step down the gradients, which are forgotten, at `factor` of the learning rate."""
        settings = self.settings
        adam(
            self.parameters,
            [one.grad for one in self.parameters],
            self.means,
            self.squares,
            [],
            self.steps,
            fused=True,
            decoupled_weight_decay=settings["optimiser"] == "adamw",
            amsgrad=False,
            beta1=settings["betas"][0],
            beta2=settings["betas"][1],
            lr=factor * settings["learning_rate"],
            weight_decay=self.decay,
            eps=settings["epsilon"],
            maximize=False,
        )
        for one in self.parameters:
            one.grad = None


def learning_rate_factor(step: int, steps: int, warmup: int, decay: str) -> float:
    """Share of the learning rate at a step counted from 0: up in a line over `warmup` steps, then
    half a cosine down (`cosine`) or level (`none`)."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if decay == "none":
        return 1.0
    return (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def fit(
    model: torch.nn.Module,
    pairs: Pairs,
    temperature: Temperature,
    settings: dict,
    seed: int,
    record: Callable[[int], None],
) -> None:
    """Train the model on the train pairs, in batches whose order the seed draws; `record(step)` is
    called before the first step, every `record_every` steps and after the last."""
    learning = [one for one in model.parameters() if one.requires_grad]
    optimiser = Adam(learning, settings, settings["weight_decay"])
    # CLIP's weight decay leaves the scale out.
    scale = Adam([temperature.log_scale], settings, 0.0)
    steps, size = settings["steps"], min(settings["batch_size"], len(pairs.train))
    record(0)
    batches = shuffled(pairs.train, size, steps, seed)
    # Shown from the eleventh second on: most of these runs are over by then.
    progress = tqdm(batches, total=steps, unit="step", mininterval=10, delay=10, file=sys.stderr)
    for step, rows in enumerate(progress, start=1):
        model.train()
        loss = symmetric_contrastive_loss(*model(pairs.a[rows], pairs.b[rows]), temperature())
        loss.backward()
        factor = learning_rate_factor(step - 1, steps, settings["warmup"], settings["decay"])
        optimiser.step(factor)
        if temperature.learnt:
            scale.step(factor)
            temperature.clamp()
        if step % settings["record_every"] == 0 or step == steps:
            record(step)


# --- what is measured ---------------------------------------------------------------------------


@torch.no_grad()
def embed(
    model: torch.nn.Module, pairs: Pairs, rows: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The model's x, y (m, d) of some pairs, as it gives them."""
    model.eval()
    groups = rows.split(pairs.at_once or len(rows))
    parts = [model(pairs.a[some], pairs.b[some]) for some in groups]
    return tuple(torch.cat(side) for side in zip(*parts, strict=True))


def held_out(model: torch.nn.Module, pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors x, y (m, d) of the held-out pairs, in float64."""
    sides = embed(model, pairs, pairs.test)
    return tuple(functional.normalize(side.double()).cpu().numpy() for side in sides)


def train_loss(model: torch.nn.Module, pairs: Pairs, temperature: float, batch_size: int) -> float:
    """Loss over a full pass of the train pairs: mean over consecutive batches in file order, an
    incomplete last one left out."""
    x, y = embed(model, pairs, pairs.train)
    size = min(batch_size, len(x))
    losses = [
        symmetric_contrastive_loss(x[at : at + size], y[at : at + size], temperature).item()
        for at in range(0, len(x) - size + 1, size)
    ]
    return float(np.mean(losses))


RECALLS = "recall1_ab", "recall1_ba"


def measure(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Gap, mean cosine within each modality and recall at 1 both ways of unit vectors (m, d)."""
    return {
        "gap": gap.gap(x, y),
        "mean_cosine_a": gap.mean_cosine(x),
        "mean_cosine_b": gap.mean_cosine(y),
        **dict(zip(RECALLS, retrieval.recall_at(x, y, 1), strict=True)),
    }


@torch.no_grad()
def embed_task(
    model: torch.nn.Module,
    pictures: torch.Tensor,
    prompts: torch.Tensor,
    at_once: int | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of m pictures (m, d), `at_once` of them at a time, and of c prompts (c, d)."""
    model.eval()
    parts = [model(some, prompts) for some in pictures.split(at_once or len(pictures))]
    images, texts = torch.cat([x for x, _ in parts]), parts[0][1]
    return images.double().cpu().numpy(), texts.double().cpu().numpy()


def zero_shot_hits(
    images: np.ndarray, prompts: np.ndarray, classes: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Which pictures (m, d) have a prompt (c, d) of the right class as their nearest, (m,):
    `classes` (c,) names the prompts' classes, `right` (m,) the pictures'."""
    return classes[(images @ prompts.T).argmax(axis=1)] == right


def measure_untouched(
    x: np.ndarray, y: np.ndarray, confidence: float, clusters: np.ndarray | None = None
) -> dict[str, float]:
    """Gap and recalls of a model as it is, with intervals over the m held-out pairs, or over
    `clusters` (m,) of them, as in gap.csv: it has no seeds to repeat over."""
    return {
        "n": len(x),
        "clusters": count_clusters(len(x), clusters),
        **measure_gap(x, y, confidence, clusters),
        **retrieval.measure_recall(x, y, confidence, clusters, ks=(1,)),
    }


def share(
    name: str, hits: np.ndarray, confidence: float, clusters: np.ndarray | None = None
) -> dict[str, float]:
    """The share of `hits` (n,) with Wilson's interval."""
    low, high = share_interval(hits, confidence, clusters)
    return {name: hits.mean(), f"{name}_low": low, f"{name}_high": high}


# --- runs ---------------------------------------------------------------------------------------


def run_settings(experiments: dict, name: str) -> dict:
    """Everything that a run of the experiment is made with, from `experiments` in the config, but
    for the condition and the seed: a condition more does not change the runs that there are.
    `model` is there where a whole model is trained, whose own optimisation stands before that of
    all experiments."""
    lists = {value for value in CONDITIONS[name].values() if isinstance(value, str)}
    own = {key: value for key, value in experiments[name].items() if key not in lists}
    if name in experiments["models"]:
        model = dict(experiments["models"][name])
        return {
            **experiments["optimisation"],
            **model.pop("optimisation", {}),
            **own,
            "model": model,
        }
    towers = {} if name == "temperature" else experiments["towers"]
    return {**experiments["optimisation"], **towers, **own}


def plan_runs(experiments: dict, name: str, seed: int) -> list[dict]:
    """The runs of an experiment, `seeds` of each condition, the first of them `seed`."""
    conditions = [{}]
    for column, values in CONDITIONS[name].items():
        values = experiments[name][values] if isinstance(values, str) else values
        conditions = [{**one, column: value} for one in conditions for value in values]
    return [
        {"condition": condition, "seed": seed + repeat}
        for condition in conditions
        for repeat in range(experiments["seeds"])
    ]


def train_run(
    run: dict,
    pairs: Pairs,
    settings: dict,
    start: torch.nn.Module | None = None,
    build: Callable[[dict, int], torch.nn.Module] | None = None,
    more: Callable[[torch.nn.Module, np.ndarray, np.ndarray], dict[str, float]] | None = None,
) -> dict:
    """Train once and measure: {"row": ..., "steps": ...}, both with the run's condition and seed.

    With `start` that model goes on learning (section 4.2). Without it the one from scratch does
    that `build(condition, seed)` makes, or towers where that is absent too. Of the condition,
    `temperature` and `dim` stand before the settings of these names; `start` "rotated" closes the
    gap first and `temperature_mode` "learnt" makes the temperature a parameter (section 4.4);
    `modality` feeds both towers that one's embeddings. `more(model, x, y)` measures further.
    """
    condition, seed = run["condition"], run["seed"]
    settings = {**settings, **condition}
    if "modality" in condition:
        side = {"image": pairs.a, "text": pairs.b}[condition["modality"]]
        pairs = replace(pairs, a=side, b=side)
    if start is not None:
        model = copy.deepcopy(start)
    elif build is not None:
        model = build(condition, seed)
    else:
        sizes = (settings[key] for key in ("hidden_layers", "width", "dim"))
        model = Towers((pairs.a.shape[1], pairs.b.shape[1]), *sizes, seed).to(pairs.a.device)
    if condition.get("start") == "rotated":
        rotate_second(model, pairs)
    learnt = condition.get("temperature_mode") == "learnt"
    temperature = Temperature(
        settings["temperature"], learnt, settings.get("largest_scale", math.inf)
    )
    key = {**condition, "seed": seed}
    row, steps = dict(key), []

    def record(step: int) -> None:
        x, y = held_out(model, pairs)
        loss = train_loss(model, pairs, temperature.value(), settings["batch_size"])
        measured = {**measure(x, y), "loss": loss}
        steps.append({**key, "step": step, **{name: measured[name] for name in ("gap", "loss")}})
        if step in (0, settings["steps"]):
            measured |= more(model, x, y) if more else {}
            suffix = "after" if step else "before"
            row.update({f"{name}_{suffix}": value for name, value in measured.items()})

    fit(model, pairs, temperature, settings, seed, record)
    if "temperature_mode" in condition:
        row["temperature_after"] = temperature.value()
    return {"row": row, "steps": steps}


# --- the journal --------------------------------------------------------------------------------


def run_key(run: dict, origin: dict) -> str:
    """Name of a run in the journal: a digest of the run and of all else that determines it."""
    text = json.dumps({"run": run, "origin": origin}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def run_missing(
    runs: list[dict],
    train: Callable[[dict], dict],
    folder: Path,
    origin: dict,
    say: Callable[[str], None] = print,
) -> list[dict]:
    """Results of all runs in their order: those of the journal `folder`, the others by `train`.

    A result is in the journal as soon as its run has finished, under a name made of the run and
    `origin` (settings, digests of the inputs and the code, ...), and never half written: what was
    made in another way is not picked up. Even new results are read back from there, so that an
    interrupted experiment gives the same tables as one that went through.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{run_key(run, origin)}.json" for run in runs]
    missing = [number for number, path in enumerate(paths) if not path.is_file()]
    say(f"{len(runs) - len(missing)} of {len(runs)} runs were finished before, in {folder}")
    begin = time.monotonic()
    for number in missing:
        result = train(runs[number])
        partial = paths[number].with_suffix(".part")
        partial.write_text(json.dumps({"run": runs[number], **result}), encoding="utf-8")
        os.replace(partial, paths[number])
        named = ", ".join(f"{key} {value}" for key, value in runs[number]["condition"].items())
        row = result["row"]
        say(
            f"run {number + 1} of {len(runs)} ({named}, seed {runs[number]['seed']}): "
            f"gap {row['gap_before']:.3f} > {row['gap_after']:.3f}, "
            f"loss {row['loss_before']:.3f} > {row['loss_after']:.3f}; "
            f"{time.monotonic() - begin:.0f} s since the start"
        )
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


# --- tables -------------------------------------------------------------------------------------


def summarise(table: pd.DataFrame, keys: list[str], confidence: float) -> pd.DataFrame:
    """A row a condition: the keys, n (number of seeds), and for every other column but the seed
    its mean q with q_low and q_high, the t interval over seeds."""
    rows = []
    for condition, part in table.groupby(keys, sort=False):
        row = dict(zip(keys, condition, strict=True)) | {"n": len(part)}
        for name in part.columns.difference([*keys, "seed"], sort=False):
            values = part[name].to_numpy(dtype=np.float64)
            row[name] = values.mean()
            row[f"{name}_low"], row[f"{name}_high"] = t_interval(values, confidence)
        rows.append(row)
    return pd.DataFrame(rows)


def trend(table: pd.DataFrame, by: str, quantities: list[str]) -> pd.DataFrame:
    """Kendall's tau of each quantity against the column `by`, over all runs: columns quantity, n,
    kendall_tau, p_value. What never changes has no trend: tau 0, p 1."""
    rows = []
    for quantity in quantities:
        constant = table[quantity].nunique() < 2 or table[by].nunique() < 2
        tau, p_value = (0.0, 1.0) if constant else stats.kendalltau(table[by], table[quantity])
        rows.append({"quantity": quantity, "n": len(table), "kendall_tau": tau, "p_value": p_value})
    return pd.DataFrame(rows)


def spreads(table: pd.DataFrame, by: str, quantities: list[str], confidence: float) -> pd.DataFrame:
    """How far each quantity varies between conditions, over every range of the column `by`: the
    columns quantity, {by}_from, {by}_to, conditions (how many the range has), n (seeds), and
    largest_over_smallest with its interval (`intervals.largest_ratio`)."""
    columns = ["quantity", f"{by}_from", f"{by}_to", "conditions", "n"]
    names = [f"largest_over_smallest{end}" for end in ("", "_low", "_high")]
    rows = []
    for quantity in quantities:
        values = table.pivot(index=by, columns="seed", values=quantity)
        for first, last in combinations(range(len(values)), 2):
            part = values.iloc[first : last + 1]
            about = (quantity, part.index[0], part.index[-1], *part.shape)
            rows.append((*about, *largest_ratio(part.to_numpy(), confidence)))
    return pd.DataFrame(rows, columns=[*columns, *names])


def compare_starts(table: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Per temperature mode, the gap after training from the rotated start as a share of that from
    the original start with the same seed (same weights, same batches). Source: section 4.4."""
    rows = []
    for mode, part in table.groupby("temperature_mode", sort=False):
        gaps = part.pivot(index="seed", columns="start", values="gap_after")
        estimate, low, high = ratio(
            gaps["rotated"].to_numpy(), gaps["original"].to_numpy(), confidence
        )
        name = "gap_after_rotated_over_original"
        rows.append(
            {
                "temperature_mode": mode,
                "n": len(gaps),
                name: estimate,
                f"{name}_low": low,
                f"{name}_high": high,
            }
        )
    return pd.DataFrame(rows)


def experiment_tables(name: str, results: list[dict], confidence: float) -> dict[str, pd.DataFrame]:
    """All tables of an experiment's results, by name: runs, steps, summary, and what goes with it
    (trend, spread, difference)."""
    runs = pd.DataFrame([result["row"] for result in results])
    steps = pd.DataFrame([step for result in results for step in result["steps"]])
    tables = {
        "runs": runs,
        "steps": steps,
        "summary": summarise(runs, list(CONDITIONS[name]), confidence),
    }
    if name == "temperature":
        quantities = ["gap_after", "recall1_ab_after", "recall1_ba_after", "zero_shot_after"]
        tables["trend"] = trend(runs, "temperature", quantities)
    if name == "dimension":
        quantities = ["gap_before", "gap_after"]
        tables["trend"] = trend(runs, "dim", quantities)
        tables["spread"] = spreads(runs, "dim", quantities, confidence)
    if name == "initialisation":
        tables["difference"] = compare_starts(runs, confidence)
    return tables
