"""Whole CLIP models, trained from pictures and captions: what the training experiments
(experiments.py) train where `experiments.models` in the config names one."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from torch.nn import functional

from modality_gap.embedding_set import choose_rows
from modality_gap.encoders import load_open_clip, open_picture
from modality_gap.experiments import Pairs, Prepared

AT_ONCE = 256  # pictures that go through a model together where nothing is learnt


class Clip(torch.nn.Module):
    """An open_clip model from pixels and tokens to unit vectors, in bfloat16 where it is on a GPU.

    Its own temperature is left aside, since the experiments bring theirs. `rotation` (d, d) is a
    fixed orthogonal matrix behind the text tower, the identity until `rotate_second` sets it.
    """

    def __init__(self, model: torch.nn.Module, device: torch.device):
        super().__init__()
        self.model = model
        model.logit_scale.requires_grad_(False)
        self.register_buffer("rotation", torch.eye(model.visual.output_dim))
        self.to(device)

    def forward(
        self, pictures: torch.Tensor, tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """x (m, d) of pictures (m, 3, height, width), y (n, d) of tokens (n, length)."""
        device = pictures.device.type
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            x, y = self.model.encode_image(pictures), self.model.encode_text(tokens)
        return functional.normalize(x.float()), functional.normalize(y.float()) @ self.rotation

    def temperature(self) -> float:
        """The model's own temperature."""
        return float(1 / self.model.logit_scale.exp())


def start_weights(spec: dict, file: str | None = None) -> dict:
    """Weights that an encoder of the config starts from: the file of its asset, pretrained ones, or
    its own seed's."""
    if file:
        return {"file": file}
    return {"tag": spec["pretrained"]} if "pretrained" in spec else {"seed": spec["seed"]}


def build_clip(condition: dict, seed: int, spec: dict, device: torch.device) -> Clip:
    """The architecture of an encoder with weights from scratch, and of `dim` dimensions where the
    condition says so (Supplementary 16)."""
    if "dim" in condition:
        spec = {**spec, "embed_dim": condition["dim"]}
    return Clip(load_open_clip(spec, {"seed": seed})[0], device)


def read_items(path: str, rows: np.ndarray) -> tuple[pd.DataFrame, list[bytes]]:
    """Columns but the picture, and the encoded pictures, of the rows of a dataset that the mask
    (n,) takes. Pictures stay as they are encoded: 50,000 photographs of COCO are 8 GB."""
    file = pq.ParquetFile(path)
    columns = [name for name in file.schema_arrow.names if name != "image"]
    table = file.read(columns).to_pandas()[rows].reset_index(drop=True)
    pictures, at = [], 0
    for batch in file.iter_batches(256, columns=["image"]):
        taken = np.flatnonzero(rows[at : at + len(batch)])
        pictures += batch.column(0).take(taken).to_pylist()
        at += len(batch)
    return table, pictures


def prepared_pictures(
    items: list[str], pictures: list[bytes], transform, workers: int, device: torch.device
) -> Prepared:
    """Pictures that are decoded and put through the model's own transform a batch at a time."""

    def prepare(row: int) -> torch.Tensor:
        return transform(open_picture(pictures[row], items[row]))

    return Prepared(len(pictures), prepare, workers, device)


def read_pairs(
    path: str, pairs: int | None, seed: int, transform, tokenize, workers: int, device: torch.device
) -> Pairs:
    """Pictures and captions of a dataset: of its split `train` `pairs` that the seed draws (all
    where None), and the whole of its split `test`."""
    labels = pd.read_parquet(path, columns=["split"])
    train = {"where": {"split": ["train"]}} | ({"sample": pairs} if pairs else {})
    rows = choose_rows(labels, train, seed) | (labels["split"] == "test").to_numpy()
    table, pictures = read_items(path, rows)
    trained = torch.tensor(list(table["split"] == "train"))
    return Pairs(
        prepared_pictures(list(table["item_id"]), pictures, transform, workers, device),
        tokenize(list(table["text"])).to(device),
        trained.nonzero()[:, 0],
        (~trained).nonzero()[:, 0],
        AT_ONCE,
    )
