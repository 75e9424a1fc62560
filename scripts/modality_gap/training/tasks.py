"""A zero-shot task for models that are trained here: pictures, and a prompt for each class."""

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
    """What both towers take of the m `pictures` and of the c `prompts`: unit frozen embeddings (m,
    d_a), (c, d_b), or pixels and tokens; `classes` (c,) are those of the prompts and `right` (m,)
    those of the pictures, whose other `labels` have m rows. `rows` (m,) says which of the pairs
    that are trained on has the picture; None where the pictures are others."""

    pictures: torch.Tensor
    prompts: torch.Tensor
    classes: np.ndarray
    right: np.ndarray
    labels: pd.DataFrame
    rows: np.ndarray | None = None

    def on(self, device: torch.device) -> "Task":
        """The task with its pictures and prompts on a device."""
        return replace(self, pictures=self.pictures.to(device), prompts=self.prompts.to(device))

    def hits(self, model: torch.nn.Module, at_once: int | None = None) -> np.ndarray:
        """Whether the nearest prompt of each picture has its class, (m,)."""
        vectors = embed_task(model, self.pictures, self.prompts, at_once)
        return zero_shot_hits(*vectors, self.classes, self.right)

    def held_out(self, test: torch.Tensor) -> "Task":
        """The task without the pictures that are trained on, where the pairs `test` are held
        out."""
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
    """The task `name` of embedding files: the pictures that `inputs` of the configuration take from
    `images`, with the class in the column `label`, and the task's prompts. `pairs` (n,) are the
    ids of the pairs if they are trained on the same file."""
    pictures, texts = read(images).choose(inputs, seed), read(prompts)
    texts = texts.select((texts.labels["task"] == name).to_numpy())
    a, b = (torch.from_numpy(side.normalised()).float() for side in (pictures, texts))
    rows = None if pairs is None else pd.Index(pairs).get_indexer(pictures.item_ids)
    classes = texts.labels["label"].to_numpy()
    return Task(a, b, classes, pictures.labels[label].to_numpy(), pictures.labels, rows)
