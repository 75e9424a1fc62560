"""All runs of the study of losses: methods, seeds, splits, and the choice of settings.

A run is kept in a journal under a name that depends only on what determines the run. So an
interrupted study resumes, and adding or removing a method repeats no other method. Parts of the
study can run as separate jobs.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from modality_gap.training.journal import run_key, run_missing
from modality_gap.training.loss_measures import at_progress, measure_model
from modality_gap.training.loss_study import Trained, train_method
from modality_gap.training.loss_trial import try_losses
from modality_gap.training.pairs import Pairs
from modality_gap.training.recipes import Recipe, budget, recipes
from modality_gap.training.tasks import Task
from modality_gap.training.towers import Towers

TRIES = (1.0, 0.3, 3.0)  # learning rates that are tried beside a grid, in units of the method's
MORE_TRIES = (0.1, 0.2, 0.5, 2.0, 5.0, 10.0)  # those of a method without a grid, beside TRIES

CHOICES = ["method", "setting", "learning_rate", "recall1", "n", "chosen"]


@dataclass
class LossRuns:
    """The runs of the study on some pairs.

    `groups` (n,) are the groups of the pairs, for the V-measure. `clusters` (n,) are the clusters
    of the pairs, which no split divides. `task` is the task for zero-shot accuracy. `journal` is
    the folder of finished runs. `origin` (JSON) is what determines a run besides the configuration.
    `known` are results of other jobs, by key.
    """

    study: Mapping[str, Any]
    pairs: Pairs
    seed: int
    groups: np.ndarray | None = None
    clusters: np.ndarray | None = None
    task: Task | None = None
    journal: Path | None = None
    origin: dict = field(default_factory=dict)
    known: dict[str, dict] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.methods = recipes(self.study)
        self.traits = try_losses(self.methods, self.pairs, self.study, self.seed)
        self.starts: dict[tuple, Towers] = {}
        self.choices: list[dict] = []
        self.done: dict[str, dict] = {}

    def of_part(self, part: tuple[int, int] | None) -> list[Recipe]:
        """The methods of a part, or all methods; the baseline comes first. `part` is the number of
        the part, from 1, and the number of parts."""
        base = self.study["baseline"]
        order = sorted(self.methods.values(), key=lambda one: (one.name != base, one.start))
        return order if part is None else order[part[0] - 1 :: part[1]]

    def run(self, part: tuple[int, int] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Train every method of a part with every seed and split. Returns two tables: all measures,
        with one row per run; and the curves, with one row per recorded step."""
        rows, curves = [], []
        for recipe in self.of_part(part):
            for one in self.with_selected(recipe):
                self.methods[one.name] = one
                self.traits.setdefault(one.name, self.traits[recipe.name])
                for result in self._results(one):
                    rows += [self._named(row) for row in result["rows"]]
                    curves += result["steps"]
        return pd.DataFrame(rows), pd.DataFrame(curves)

    def _named(self, row: dict) -> dict:
        recipe = self.methods[row["method"].removesuffix(".towers")]
        more = ", towers without predictors" if row["method"] != recipe.name else ""
        head = {name: row[name] for name in ("method", "seed")}
        return {**head, "label": recipe.label + more, **row}

    def _results(self, recipe: Recipe) -> list[dict]:
        seeds = range(self.seed, self.seed + self.study["seeds"])
        splits = range(self.study.get("splits", 1) if self._is_main(recipe) else 1)
        return self._missing(
            [self._run(recipe, one, split, recipe.name) for split in splits for one in seeds],
            recipe,
            self._measured,
        )

    def _is_main(self, recipe: Recipe) -> bool:
        """Whether a method is in the configuration. Only such methods have several splits and
        choices."""
        return recipe.name in self.study["methods"]

    def _run(self, recipe: Recipe, seed: int, split: int, name: str) -> dict:
        identity = recipe.identity()
        if recipe.start == "trained":
            identity["from"] = self.start_of(recipe).identity()
        condition = {"method": name, "split": split}
        return {"condition": condition, "seed": seed, "recipe": identity}

    def _missing(self, runs: list[dict], recipe: Recipe, train: Callable) -> list[dict]:
        def of(run: dict) -> dict:
            key = run_key(run, self.origin)
            return self.known.get(key) or train(run, recipe)

        if self.journal is None:
            results = [of(run) for run in runs]
        else:
            results = run_missing(runs, of, self.journal, self.origin, told=_told)
        self.done |= {
            run_key(run, self.origin): result for run, result in zip(runs, results, strict=True)
        }
        return results

    def start_of(self, recipe: Recipe) -> Recipe:
        """The baseline with the same towers as a method. A method with a trained start begins from
        it."""
        base = self.methods[self.study["baseline"]]
        return replace(base, hidden_layers=recipe.hidden_layers, dim=recipe.dim)

    def _train(self, recipe: Recipe, pairs: Pairs, seed: int, split: object) -> Trained:
        def place(one: Recipe) -> tuple:
            return one.hidden_layers, one.dim, seed, split

        start = None
        if recipe.start == "trained":
            base = self.start_of(recipe)
            if place(base) not in self.starts:
                self._train(base, pairs, seed, split)
            start = self.starts[place(base)]
        trained = train_method(recipe, pairs, self.study, seed, start)
        if recipe.identity() == self.start_of(recipe).identity():
            self.starts[place(recipe)] = trained.towers
        return trained

    def _measured(self, run: dict, recipe: Recipe) -> dict:
        seed, split = run["seed"], run["condition"]["split"]
        pairs = split_pairs(self.pairs, self.clusters, split, self.seed)
        trained = self._train(recipe, pairs, seed, split)
        groups = None if self.groups is None else self.groups[pairs.test.numpy()]
        key = {"method": recipe.name, "seed": seed, "split": split}
        seen = {recipe.name: trained.embeds}
        if trained.embeds is not trained.towers:
            seen[f"{recipe.name}.towers"] = trained.towers
        rows = [
            {
                **key,
                "method": name,
                **measure_model(model, pairs, groups, seed, self.task),
                **trained.ends,
            }
            for name, model in seen.items()
        ]
        rows[0]["gap_equal_progress"] = at_progress(trained.curve)
        return {"rows": rows, "steps": [{**key, **point} for point in trained.curve]}

    # --- the choice of settings -----------------------------------------------------------------

    def with_selected(self, recipe: Recipe) -> Iterator[Recipe]:
        """Yields a method as published. If the study selects settings, it also yields the method
        with the settings of the highest validation recall. (The gap never decides.)"""
        yield recipe
        selection = self.study.get("selection")
        if not selection or not self._is_main(recipe):
            return
        fit = validation_pairs(self.pairs, self.clusters, selection["share"], self.seed)
        first = self.seed + self.study["seeds"]
        tried = []
        for number, one in enumerate(candidates(recipe, self.study)):
            name = f"{recipe.name}, try {number + 1}"
            runs = [self._run(one, first + more, -1, name) for more in range(selection["seeds"])]

            def train(run: dict, recipe: Recipe) -> dict:
                point = self._train(recipe, fit, run["seed"], "validation").curve[-1]
                key = {"method": run["condition"]["method"], "seed": run["seed"]}
                return {"rows": [{**key, **point}], "steps": []}

            results = self._missing(runs, one, train)
            tried.append((float(np.mean([r["rows"][0]["recall1"] for r in results])), one))
        best = max(range(len(tried)), key=lambda number: tried[number][0])
        self.choices += [
            {
                "method": recipe.name,
                "setting": _words(recipe, one),
                "learning_rate": budget(one, self.study)["learning_rate"],
                "recall1": recall,
                "n": selection["seeds"],
                "chosen": number == best,
            }
            for number, (recall, one) in enumerate(tried)
        ]
        chosen = tried[best][1]
        label = f"{recipe.label}, selected"
        yield replace(chosen, name=f"{recipe.name}_selected", label=label, selected=True)


def _told(result: dict) -> str:
    row = result["rows"][0]
    return f"gap {row['gap']:.3f}, recall at 1 {row['recall1']:.3f}"


def candidates(recipe: Recipe, study: Mapping[str, Any]) -> list[Recipe]:
    """The settings of a method that a selection tries: each value of its grid with three learning
    rates. Without a grid, it tries nine learning rates."""
    rate = budget(recipe, study)["learning_rate"]
    found = []
    for name, values in recipe.grid.items() or [("", [0.0])]:
        for value in values:
            for factor in TRIES if name else TRIES + MORE_TRIES:
                one = replace(recipe, learning_rate=rate * factor)
                if name == "temperature":
                    one = replace(one, temperature={"fixed": value})
                elif name == "augment":
                    one = replace(one, augment=value)
                elif name:
                    one = replace(one, settings={**recipe.settings, name: value})
                found.append(one)
    return found


def _words(recipe: Recipe, one: Recipe) -> str:
    if not recipe.grid:
        return "none"
    (name,) = recipe.grid
    known = {**one.settings, "temperature": one.temperature.get("fixed"), "augment": one.augment}
    return f"{name} {known[name]:g}"


# --- splits -------------------------------------------------------------------------------------


def split_pairs(pairs: Pairs, clusters: np.ndarray | None, number: int, seed: int) -> Pairs:
    """The pairs, divided into train and test by split `number`. Split 0 is the pairs' own. Other
    splits are random, with about the same number of held-out pairs, and never divide a cluster."""
    if number == 0:
        return pairs
    rows = torch.cat([pairs.train, pairs.test]).sort().values
    return _drawn(pairs, rows, clusters, len(pairs.test), [seed, number])


def validation_pairs(pairs: Pairs, clusters: np.ndarray | None, share: float, seed: int) -> Pairs:
    """The training pairs, of which a share is held out for validation. No cluster is divided."""
    return _drawn(pairs, pairs.train, clusters, round(share * len(pairs.train)), [seed, 0])


def _drawn(
    pairs: Pairs, rows: torch.Tensor, clusters: np.ndarray | None, count: int, seed: list[int]
) -> Pairs:
    of = rows.numpy() if clusters is None else np.asarray(clusters)[rows.numpy()]
    names, codes = np.unique(of, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    sizes = np.bincount(codes)[order].cumsum()
    held = torch.from_numpy(np.isin(codes, order[: np.searchsorted(sizes, count) + 1]))
    return replace(pairs, train=rows[~held], test=rows[held])
