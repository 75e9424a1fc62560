"""Pictures and captions of a small data set, held in memory for training a CLIP."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import torch

from modality_gap.encoders.pictures import open_picture

Embed = Callable[..., tuple[torch.Tensor, torch.Tensor]]


def embedder(
    model: Any, transform: Callable, tokenizer: Callable, pairs: pd.DataFrame, device: torch.device
) -> Embed:
    """Returns a function that embeds the pairs of a split, or some of its rows. The function
    returns unit vectors x, y (n, d) of pictures and captions.

    `model`, `transform` and `tokenizer` are those of open_clip. `pairs` has the columns item_id,
    image (an encoded picture), text and split. Pictures are decoded once.
    """
    pictures, tokens = {}, {}
    for split, part in pairs.groupby("split"):
        items = zip(part["image"], part["item_id"], strict=True)
        pictures[split] = torch.stack([transform(open_picture(*item)) for item in items]).to(device)
        tokens[split] = tokenizer(list(part["text"])).to(device)

    def embed(
        split: str, rows: slice | torch.Tensor = slice(None)
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return (
            model.encode_image(pictures[split][rows], normalize=True),
            model.encode_text(tokens[split][rows], normalize=True),
        )

    return embed
