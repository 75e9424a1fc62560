"""Contrastive training of a small CLIP from scratch, or of linear projections over frozen
encoders."""

import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch.nn import functional
from tqdm import tqdm

from modality_gap.measures.gap import gap
from modality_gap.measures.losses import LOSSES
from modality_gap.measures.retrieval import recall_at


def training_loss(
    x: torch.Tensor, y: torch.Tensor, temperature: float | torch.Tensor, settings: dict
) -> torch.Tensor:
    """The loss of unit vectors x, y (b, d), in which row i of both is one pair. The settings name
    the loss (one of `LOSSES`) and its parameters; the default is the softmax loss."""
    loss = LOSSES[settings.get("loss", "softmax")]
    parameters = {key: settings[key] for key in loss.declared.parameters}
    return loss.train(x @ y.T, temperature, **parameters)


class LinearProjections(torch.nn.Module):
    """One linear map for each modality, into a shared space. The encoders before them stay
    frozen."""

    def __init__(self, image_dim: int, text_dim: int, dim: int):
        super().__init__()
        self.image = torch.nn.Linear(image_dim, dim, bias=False)
        self.text = torch.nn.Linear(text_dim, dim, bias=False)

    def forward(self, image: torch.Tensor, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Unit vectors x, y (b, dim) of pictures (b, image_dim) and texts (b, text_dim)."""
        return functional.normalize(self.image(image)), functional.normalize(self.text(text))


def train(
    model: torch.nn.Module,
    forward: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    train_items: int,
    held_out: Callable[[], tuple[torch.Tensor, torch.Tensor]],
    settings: dict,
    seed: int,
) -> pd.DataFrame:
    """Train with AdamW at a fixed temperature. Returns one row per recorded step: step, loss (None
    at step 0, before training), gap, recall1.

    The learning rate rises linearly, then falls along half a cosine. (Without the rise, a low
    temperature makes both towers collapse.) `forward(rows)` returns the unit embeddings x, y of the
    train items `rows`. `held_out()` returns x, y of the held-out pairs; gap and recall are measured
    on these.
    """
    generator = torch.Generator().manual_seed(seed)
    # CLIP's betas (Radford et al., 2021).
    optimiser = torch.optim.AdamW(
        model.parameters(),
        lr=settings["learning_rate"],
        betas=(0.9, 0.98),
        weight_decay=settings["weight_decay"],
        fused=True,
    )
    warmup, rest = settings["warmup"], settings["steps"] - settings["warmup"]
    schedule = torch.optim.lr_scheduler.SequentialLR(
        optimiser,
        [
            torch.optim.lr_scheduler.LinearLR(optimiser, 0.01, total_iters=warmup),
            torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, rest),
        ],
        milestones=[warmup],
    )
    every = max(1, settings["steps"] // 20)
    rows: list[dict[str, float | None]] = [
        {"step": 0, "loss": None, **held_out_statistics(model, held_out)}
    ]
    order = torch.empty(0, dtype=torch.int64)
    for step in tqdm(range(1, settings["steps"] + 1), unit="step", mininterval=2, file=sys.stderr):
        if len(order) < settings["batch_size"]:
            order = torch.randperm(train_items, generator=generator)
        batch, order = order[: settings["batch_size"]], order[settings["batch_size"] :]
        loss = training_loss(*forward(batch), settings["temperature"], settings)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        recorded: dict[str, float | None] = {"step": step, "loss": loss.item()}
        if step % every == 0 or step == settings["steps"]:
            recorded |= held_out_statistics(model, held_out)
        rows.append(recorded)
    return pd.DataFrame(rows)


@torch.no_grad()
def held_out_statistics(model: torch.nn.Module, held_out: Callable) -> dict[str, float]:
    """The gap, and the mean recall at 1 of both directions, on held-out pairs."""
    model.eval()
    x, y = (side.double().cpu().numpy() for side in held_out())
    model.train()
    return {"gap": gap(x, y), "recall1": float(np.mean(recall_at(x, y, 1)))}
