"""Whole CLIP models, trained on pictures and captions.

The training experiments (experiments.py) train such a model if `experiments.models` in the config
names one.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from modality_gap.data.parquet import InputSpec, StoredDataset, choose_rows
from modality_gap.encoders.open_clip import load_open_clip
from modality_gap.encoders.pictures import open_picture, split_transform
from modality_gap.training.pairs import Pairs

AT_ONCE = 256  # pictures that go through a model together where nothing is learnt


class Clip(torch.nn.Module):
    """An open_clip model that turns pixels and tokens into unit vectors; on a GPU it computes in
    bfloat16. `transform` is the picture transform that belongs to the model.

    The model's own temperature is not used, because the experiments set one. `rotation` (d, d) is a
    fixed orthogonal matrix after the text tower. It is the identity until `rotate_second` sets it.
    """

    model: Any
    rotation: torch.Tensor

    def __init__(self, model: Any, transform: Any, device: torch.device):
        super().__init__()
        self.model = model
        _, self.normalise = split_transform(transform)
        model.logit_scale.requires_grad_(False)
        self.register_buffer("rotation", torch.eye(model.visual.output_dim))
        self.to(device)

    def forward(
        self, pictures: torch.Tensor, tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Unit vectors x (m, d) of pixels (m, 3, height, width) uint8, and y (n, d) of tokens (n,
        length)."""
        device = self.rotation.device
        pictures = self.normalise(pictures.to(device))
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            x, y = self.model.encode_image(pictures), self.model.encode_text(tokens)
        return functional.normalize(x.float()), functional.normalize(y.float()) @ self.rotation

    def temperature(self) -> float:
        """The model's own temperature."""
        return float(1 / self.model.logit_scale.exp())


def start_weights(spec: dict, file: str | None = None) -> dict:
    """The weights from which an encoder of the config starts: a file (its asset), pretrained
    weights, or random weights of its seed."""
    if file:
        return {"file": file}
    return {"tag": spec["pretrained"]} if "pretrained" in spec else {"seed": spec["seed"]}


def build_clip(condition: dict, seed: int, spec: dict, device: torch.device) -> Clip:
    """The architecture of an encoder, with random weights. If the condition has `dim`, this is its
    number of dimensions (Supplementary 16)."""
    if "dim" in condition:
        spec = {**spec, "embed_dim": condition["dim"]}
    model, transform, _ = load_open_clip(spec, {"seed": seed})
    return Clip(model, transform, device)


def read_items(
    path: str, rows: np.ndarray, transform: Any, workers: int
) -> tuple[pd.DataFrame, torch.Tensor]:
    """Returns the m rows for which the mask `rows` (n,) is true: all columns except the picture,
    and the pixels (m, 3, height, width) uint8 that `transform` makes.

    Each picture is decoded only once, by one of `workers` threads, and not in every epoch of every
    run. 50,000 pictures at 224 pixels are 7.5 GB, less than the files of as many photographs of
    COCO.
    """
    prepare, _ = split_transform(transform)
    dataset = StoredDataset(path)
    columns = [name for name in dataset.schema.names if name != "image"]
    table = dataset.read(columns).to_pandas()[rows].reset_index(drop=True)
    pixels, done = torch.empty(0, dtype=torch.uint8), 0
    with ThreadPoolExecutor(workers) as pool:
        for _, batch in dataset.pieces(256, ["image"], np.flatnonzero(rows)):
            pictures = batch.column(0).to_pylist()
            names = table["item_id"][done : done + len(pictures)]
            for picture in pool.map(lambda *item: prepare(open_picture(*item)), pictures, names):
                if not done:
                    pixels = torch.empty(len(table), *picture.shape, dtype=torch.uint8)
                pixels[done] = picture
                done += 1
    return table, pixels


def read_pairs(
    path: str,
    pairs: int | None,
    seed: int,
    transform: Any,
    tokenize: Callable[[list[str]], torch.Tensor],
    workers: int,
    device: torch.device,
) -> Pairs:
    """The pictures and captions of a dataset: `pairs` random rows of its split `train` (None: all
    rows), drawn with the seed, and its whole split `test`."""
    labels = StoredDataset(path).read(["split"]).to_pandas()
    train: InputSpec = {"where": {"split": ["train"]}}
    if pairs:
        train["sample"] = pairs
    rows = choose_rows(labels, train, seed) | (labels["split"] == "test").to_numpy()
    table, pixels = read_items(path, rows, transform, workers)
    trained = torch.tensor(list(table["split"] == "train"))
    return Pairs(
        pixels,
        tokenize(list(table["text"])).to(device),
        trained.nonzero()[:, 0],
        (~trained).nonzero()[:, 0],
        AT_ONCE,
    )
