"""The digits of scikit-learn as a data set with captions."""

import io

import numpy as np
import pandas as pd
from PIL import Image


def digits(items: int, pixels: int, seed: int) -> pd.DataFrame:
    """A random sample of scikit-learn's 1,797 handwritten digits (8x8), enlarged, dark on light.
    The seed decides the sample."""
    from sklearn.datasets import load_digits

    bundle = load_digits()
    rows = np.sort(np.random.default_rng(seed).permutation(len(bundle.target))[:items])
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    images = []
    for row in rows:
        grey = (255 - bundle.images[row] * (255 / 16)).astype(np.uint8)
        picture = Image.fromarray(grey).resize((pixels, pixels), Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG")
        images.append(buffer.getvalue())
    return pd.DataFrame(
        {
            "item_id": [f"digit{row:04d}" for row in rows],
            "image": images,
            "digit": [words[bundle.target[row]] for row in rows],
        }
    )
