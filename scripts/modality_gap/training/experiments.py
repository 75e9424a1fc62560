"""The paper's training experiments (sections 4.2 and 4.4, Supplementary 8 and 16), and the control
of its follow-up. They train small models on cached embeddings, or whole models (whole_clip.py).

A *run* is one training: {"condition": {column: value}, "seed": int}. Its result is {"row": {...},
"steps": [{...}]}: measures before and after training, and at steps in between. A finished run is
kept in a journal, so that an interrupted experiment resumes at the first unfinished run.
"""

import copy
import math
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from tqdm import tqdm

from modality_gap.measures import gap, retrieval
from modality_gap.measures.gap_intervals import measure_gap
from modality_gap.measures.intervals import (
    count_clusters,
    share_interval,
)
from modality_gap.training.loop import training_loss
from modality_gap.training.pairs import Pairs, embed, held_out, shuffled
from modality_gap.training.towers import (
    Adam,
    Temperature,
    Towers,
    learning_rate_factor,
    rotate_second,
)

# Per experiment: the lists of the config that span its conditions, by the column each fills.
# The last list varies fastest; start and temperature_mode are not the user's to choose.
CONDITIONS: dict[str, dict[str, str | list[str]]] = {
    "temperature": {"temperature": "temperatures"},
    "initialisation": {
        "temperature_mode": ["fixed", "learnt"],
        "start": ["original", "rotated"],
    },
    "dimension": {"dim": "dims"},
    "same_modality": {"modality": "modalities"},
}


def fit(
    model: torch.nn.Module,
    pairs: Pairs,
    temperature: Temperature,
    settings: dict,
    seed: int,
    record: Callable[[int], None],
) -> None:
    """Train the model on the train pairs, in batches whose order the seed draws. `record(step)` is
    called before the first step, every `record_every` steps, and after the last step."""
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
        x, y = model(pairs.a[rows], pairs.b[rows])
        loss = training_loss(x, y, temperature(), settings)
        loss.backward()
        factor = learning_rate_factor(step - 1, steps, settings["warmup"], settings["decay"])
        optimiser.step(factor)
        if temperature.learnt:
            scale.step(factor)
            temperature.clamp()
        if step % settings["record_every"] == 0 or step == steps:
            record(step)


def train_loss(model: torch.nn.Module, pairs: Pairs, temperature: float, settings: dict) -> float:
    """The loss over all train pairs: the mean over consecutive batches in file order. An incomplete
    last batch is left out."""
    x, y = embed(model, pairs, pairs.train)
    size = min(settings["batch_size"], len(x))
    losses = [
        training_loss(x[at : at + size], y[at : at + size], temperature, settings).item()
        for at in range(0, len(x) - size + 1, size)
    ]
    return float(np.mean(losses))


RECALLS = "recall1_ab", "recall1_ba"


def measure(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Measures of unit vectors x, y (m, d): the gap, the mean cosine within each modality, and
    recall at 1 in both directions."""
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
    """The vectors of m pictures (m, d) and of c prompts (c, d). `at_once` pictures are embedded at
    a time."""
    model.eval()
    parts = [model(some, prompts) for some in pictures.split(at_once or len(pictures))]
    images, texts = torch.cat([x for x, _ in parts]), parts[0][1]
    return images.double().cpu().numpy(), texts.double().cpu().numpy()


def zero_shot_hits(
    images: np.ndarray, prompts: np.ndarray, classes: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Whether the nearest prompt of each picture has the right class, (m,). `images` are (m, d) and
    `prompts` are (c, d). `classes` (c,) are the classes of the prompts, and `right` (m,) are the
    classes of the pictures."""
    return classes[(images @ prompts.T).argmax(axis=1)] == right


def measure_untouched(
    x: np.ndarray, y: np.ndarray, confidence: float, clusters: np.ndarray | None = None
) -> dict[str, float]:
    """The gap and the recalls of a model before training, on m held-out pairs. The intervals are
    over the pairs, or over their `clusters` (m,), as in gap.csv, because there are no seeds to
    average over."""
    return {
        "n": len(x),
        "clusters": count_clusters(len(x), clusters),
        **measure_gap(x, y, confidence, clusters),
        **retrieval.measure_recall(x, y, confidence, clusters, ks=(1,)),
    }


def share(
    name: str, hits: np.ndarray, confidence: float, clusters: np.ndarray | None = None
) -> dict[str, float]:
    """The share of `hits` (n,) that are true, with Wilson's interval."""
    low, high = share_interval(hits, confidence, clusters)
    return {name: hits.mean(), f"{name}_low": low, f"{name}_high": high}


# --- runs ---------------------------------------------------------------------------------------


def run_settings(experiments: dict, name: str) -> dict:
    """All settings of a training run, from `experiments` in the config. The condition and the seed
    are not included, so that adding a condition does not change existing runs. `model` is present
    if a whole model is trained; the optimisation of this model takes precedence over that of all
    experiments."""
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
    """The runs of an experiment. Each condition is trained with `seeds` seeds; the first is
    `seed`."""
    conditions: list[dict] = [{}]
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
    """Train once and measure. Returns {"row": ..., "steps": ...}, both with the run's condition and
    seed.

    The model is `start`, if given (section 4.2), or else `build(condition, seed)`, or else new
    towers. In the condition, `temperature` and `dim` take precedence over the settings. Its `start`
    "rotated" first closes the gap, and `temperature_mode` "learnt" makes the temperature a
    parameter (section 4.4). With `modality`, both towers receive embeddings of that modality.
    `more(model, x, y)` returns further measures.
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
        model = Towers(
            (pairs.a.shape[1], pairs.b.shape[1]),
            settings["hidden_layers"],
            settings["width"],
            settings["dim"],
            seed,
        ).to(pairs.a.device)
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
        loss = train_loss(model, pairs, temperature.value(), settings)
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
