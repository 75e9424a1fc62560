"""scikit-learn's handwritten digits in different places, sizes and colours, which captions
describe.

Slow imports are inside functions, because every start of Snakemake reads this.
"""

import io
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

if TYPE_CHECKING:
    import numpy as np

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# What a caption says of a digit, and what that is in the picture: the share of its width that the
# digit takes, its colour on white, and where it stands (across, down).
SIZES = {"small": 0.5, "medium": 0.65, "large": 0.8}
COLOURS = {
    "red": (222, 30, 40),
    "green": (20, 150, 60),
    "blue": (40, 90, 245),
    "yellow": (215, 175, 0),
    "purple": (150, 60, 205),
    "orange": (245, 120, 10),
}
PLACES = {
    "at the upper left": (0.0, 0.0),
    "at the top": (0.5, 0.0),
    "at the upper right": (1.0, 0.0),
    "at the left": (0.0, 0.5),
    "in the middle": (0.5, 0.5),
    "at the right": (1.0, 0.5),
    "at the lower left": (0.0, 1.0),
    "at the bottom": (0.5, 1.0),
    "at the lower right": (1.0, 1.0),
}
COLUMNS = ("text", "split", "digit", "size", "colour", "place", "handwriting")
WHITE = (255, 255, 255)
JITTER = 1 / 30  # largest offset of a digit, as a share of the picture's width


def read_placed_digits(
    files: dict[str, str],
    pairs: Annotated[int, "Number of pictures in the train split.", {"minimum": 1}],
    pixels: Annotated[int, "Width and height of a picture in pixels.", {"minimum": 8}],
    test_fraction: Annotated[
        float,
        "Share of the combinations of attributes, and of the handwritten digits, held out as the "
        "test split.",
        {"exclusiveMinimum": 0, "exclusiveMaximum": 1},
    ],
    digit_only: Annotated[
        float,
        "Share of the captions of the train split that name the digit alone.",
        {"minimum": 0, "maximum": 1},
    ],
    seed: Annotated[int, "Seed of the pictures and the split.", {"minimum": 0}],
) -> Iterator[dict]:
    """Pictures of handwritten digits with captions; `files` is empty. Columns: item_id, image (PNG)
    and COLUMNS. The column handwriting is the row of scikit-learn's digit.

    Each combination of digit, size, colour and place is in one split only, and so is each
    handwriting. The test split has one picture of each held-out combination, with the whole
    caption.
    """
    import numpy as np
    from sklearn.datasets import load_digits

    bundle, rng = load_digits(), np.random.default_rng(seed)
    combinations = list(itertools.product(range(10), SIZES, COLOURS, PLACES))
    order = rng.permutation(len(combinations))
    held_out = round(test_fraction * len(order))
    written = [_by_split(bundle.target == digit, test_fraction, rng) for digit in range(10)]
    chosen = [*order[:held_out], *rng.choice(order[held_out:], pairs)]
    for number, combination in enumerate(chosen):
        split = "test" if number < held_out else "train"
        digit, *values = combinations[combination]
        shown = dict(zip(("size", "colour", "place"), values, strict=True))
        row = rng.choice(written[digit][split])
        alone = split == "train" and rng.random() < digit_only
        yield {
            "item_id": f"placed{number:05d}",
            "image": _picture(bundle.images[row], shown, pixels, rng),
            "text": caption(WORDS[digit], {} if alone else shown),
            "split": split,
            "digit": WORDS[digit],
            **shown,
            "handwriting": f"{row:04d}",
        }


def caption(digit: str, said: dict[str, str]) -> str:
    """A caption with the digit and the attributes in `said`, such as: a small red seven at the
    upper left."""
    names = ("size", "colour", "digit", "place")
    words = [word for name in names if (word := {**said, "digit": digit}.get(name))]
    article = "an" if words[0] in ("orange", "eight") else "a"
    return " ".join([article, *words])


def _by_split(
    of_digit: "np.ndarray", test_fraction: float, rng: "np.random.Generator"
) -> dict[str, "np.ndarray"]:
    """The rows (n,) of one digit for each split. Each split has at least one row."""
    rows = rng.permutation(of_digit.nonzero()[0])
    held_out = min(max(1, round(test_fraction * len(rows))), len(rows) - 1)
    return {"test": rows[:held_out], "train": rows[held_out:]}


def _picture(
    strokes: "np.ndarray", shown: dict[str, str], pixels: int, rng: "np.random.Generator"
) -> bytes:
    """A PNG of a digit with the attributes `shown`. `strokes` (8, 8) are values from 0 to 16."""
    import numpy as np
    from PIL import Image

    side, most = round(pixels * SIZES[shown["size"]]), int(pixels * JITTER)
    ink = Image.fromarray((strokes * (255 / 16)).astype(np.uint8))
    ink = ink.resize((side, side), Image.Resampling.BICUBIC)
    room = pixels - side
    at = [round(share * room) + rng.integers(-most, most + 1) for share in PLACES[shown["place"]]]
    left, top = (int(np.clip(one, 0, room)) for one in at)
    picture = Image.new("RGB", (pixels, pixels), WHITE)
    picture.paste(COLOURS[shown["colour"]], (left, top), ink)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()
