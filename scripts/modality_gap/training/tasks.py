"""A zero-shot task for models that are trained here: pictures, and one prompt for each class."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from modality_gap.data.parquet import InputSpec
from modality_gap.embeddings.stored import read
from modality_gap.training.experiments import embed_task, zero_shot_hits


@dataclass(frozen=True)
class Task:
    """The inputs of a zero-shot task: m `pictures` and c `prompts`.

    They are unit frozen embeddings (m, d_a) and (c, d_b), or pixels and tokens. `classes` (c,) are
    the classes of the prompts. `right` (m,) are the classes of the pictures, and `labels` (m rows)
    are their other labels. If the pictures are also in the pairs, `rows` (m,) are the rows of their
    pairs; otherwise None.
    """

    pictures: torch.Tensor
    prompts: torch.Tensor
    classes: np.ndarray
    right: np.ndarray
    labels: pd.DataFrame
    rows: np.ndarray | None = None

    def on(self, device: torch.device) -> "Task":
        """The task with its pictures and prompts moved to a device."""
        return replace(self, pictures=self.pictures.to(device), prompts=self.prompts.to(device))

    def hits(self, model: torch.nn.Module, at_once: int | None = None) -> np.ndarray:
        """Whether the nearest prompt of each picture has the picture's class, (m,)."""
        vectors = embed_task(model, self.pictures, self.prompts, at_once)
        return zero_shot_hits(*vectors, self.classes, self.right)

    def held_out(self, test: torch.Tensor) -> "Task":
        """The task without pictures that are used in training. `test` are the held-out pairs."""
        if self.rows is None:
            return self
        keep = np.isin(self.rows, test.numpy())
        labels = self.labels[keep].reset_index(drop=True)
        pictures, right = self.pictures[torch.from_numpy(keep)], self.right[keep]
        return replace(self, pictures=pictures, right=right, labels=labels, rows=self.rows[keep])


def read_task(
    images: str | Path,
    prompts: str | Path,
    name: str,
    label: str,
    inputs: InputSpec,
    seed: int,
    pairs: np.ndarray | None = None,
) -> Task:
    """The task `name`, read from files of embeddings.

    `inputs` of the configuration selects the pictures in `images`; their class is the column
    `label`. The prompts are those of the task. `pairs` (n,) are the ids of the pairs if the pairs
    are trained on the same file.
    """
    pictures, texts = read(images).choose(inputs, seed), read(prompts)
    texts = texts.select((texts.labels["task"] == name).to_numpy())
    a, b = (torch.from_numpy(side.normalised()).float() for side in (pictures, texts))
    rows = None if pairs is None else pd.Index(pairs).get_indexer(pictures.item_ids)
    classes = texts.labels["label"].to_numpy()
    return Task(a, b, classes, pictures.labels[label].to_numpy(), pictures.labels, rows)
