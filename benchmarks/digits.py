"""Does the small CLIP of the default run learn, whatever its seed?

The model of `training` in the configuration is trained from scratch on placed digits, once for each
seed, with all its settings. Its held-out pairs, whose combination of attributes and handwriting it
never saw, then give recall@1 both ways, as a multiple of chance, and the accuracy of the digit's
name among ten. Writes results/bench/digits.csv; bars.yaml has what is asked.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from bench import FOLDER, ROOT, Clock, measured, save, say

from modality_gap.data.datasets import write_dataset
from modality_gap.data.placed_digits import WORDS, caption
from modality_gap.encoders.open_clip import load_open_clip
from modality_gap.measures.retrieval import recall_at
from modality_gap.training.loop import train
from modality_gap.training.small_clip import embedder

MODEL, DATASET = "digit_clip", "placed_digits"
RECALLS = ("recall@1 to text, times chance", "recall@1 to picture, times chance")
ACCURACY = "zero-shot accuracy of the digit"


def one_seed(config: dict, pairs: pd.DataFrame, seed: int) -> dict[str, float]:
    """What a model of this seed, of its weights and of its batches, has learnt, and the seconds."""
    architecture = str(ROOT / config["encoders"][MODEL]["architecture"])
    model, transform, tokenizer = load_open_clip({"architecture": architecture}, {"seed": seed})
    embed = embedder(model, transform, tokenizer, pairs, torch.device("cpu"))
    clock = Clock()
    train(
        model,
        lambda rows: embed("train", rows),
        int((pairs["split"] == "train").sum()),
        lambda: embed("test"),
        config["training"][MODEL],
        seed,
    )
    took = clock.seconds(), clock.processor_seconds()
    model.eval()
    with torch.no_grad():
        x, y = (side.double().numpy() for side in embed("test"))
        named = model.encode_text(tokenizer([caption(word, {}) for word in WORDS]), normalize=True)
    to_text, to_picture = (float(np.mean(recall)) for recall in recall_at(x, y, 1))
    right = np.array(WORDS)[(x @ named.double().numpy().T).argmax(axis=1)]
    held_out = pairs[pairs["split"] == "test"]
    return {
        RECALLS[0]: to_text * len(x),
        RECALLS[1]: to_picture * len(x),
        ACCURACY: float((right == held_out["digit"].to_numpy()).mean()),
        "training": took[0],
        "processor time": took[1],
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    settings = parser.parse_args(arguments)
    settings.folder.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        path = Path(folder) / "pairs.parquet"
        write_dataset(path, config["datasets"][DATASET], {})
        pairs = pd.read_parquet(path)
    found = []
    for seed in range(settings.seeds):
        found.append(one_seed(config, pairs, seed))
        say(
            f"seed {seed}: " + ", ".join(f"{what} {value:.3g}" for what, value in found[-1].items())
        )
    held_out = int((pairs["split"] == "test").sum())
    learnt = (*RECALLS, ACCURACY)
    rows = [
        measured(
            MODEL, what, [one[what] for one in found], "ratio" if what in learnt else "s", held_out
        )
        for what in found[0]
    ]
    # What is asked is asked of every seed.
    rows += [
        measured(MODEL, f"lowest {what}", min(one[what] for one in found), "ratio", held_out)
        for what in learnt
    ]
    save("digits", rows, settings.folder)


if __name__ == "__main__":
    main()
