"""The format placed_digits: what its captions say is in the picture, what is held out, and that a
small CLIP learns from it."""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from modality_gap.data.datasets import write_dataset
from modality_gap.data.placed_digits import (
    COLOURS,
    COLUMNS,
    _by_split,
    caption,
    read_placed_digits,
)
from modality_gap.encoders.open_clip import load_open_clip
from modality_gap.training.loop import train
from modality_gap.training.small_clip import embedder

SETTINGS = {"pairs": 300, "pixels": 90, "test_fraction": 0.1, "digit_only": 0.25, "seed": 5}
ATTRIBUTES = ["digit", "size", "colour", "place"]


def made(**changes) -> pd.DataFrame:
    return pd.DataFrame(read_placed_digits({}, **SETTINGS | changes))


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return made()


def seen(data: bytes) -> dict:
    """What is in a picture, from its pixels: the hue of the ink in degrees, where the middle
    of the ink is and how high it is, as shares of the picture's width."""
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(float)
    apart = (255 - pixels).sum(axis=2)
    rows, columns = np.nonzero(apart > apart.max() / 4)
    ink = Image.new("RGB", (1, 1), tuple(int(one) for one in pixels.reshape(-1, 3)[apart.argmax()]))
    return {
        "hue": ink.convert("HSV").getpixel((0, 0))[0] * 360 / 255,
        "middle": ((columns.min() + columns.max()) / 2 / 89, (rows.min() + rows.max()) / 2 / 89),
        "height": (rows.max() - rows.min() + 1) / 90,
        "ink": apart[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1],
    }


# Of the palette, in degrees; the share of the picture that a digit takes.
HUES = {"red": 357, "orange": 29, "yellow": 49, "green": 138, "blue": 225, "purple": 277}
SIDES = {"small": 0.5, "medium": 0.65, "large": 0.8}


def test_the_columns_say_what_the_picture_shows(table):
    found = [seen(data) for data in table["image"]]
    for one, colour in zip(found, table["colour"], strict=True):
        away = {name: abs((hue - one["hue"] + 180) % 360 - 180) for name, hue in HUES.items()}
        assert colour == min(away, key=away.__getitem__)
    off = []
    heights = pd.Series([one["height"] for one in found]).groupby(table["size"])
    assert heights.max()["small"] < heights.min()["medium"]
    assert heights.max()["medium"] < heights.min()["large"]
    off = []
    for row, one in zip(table.to_dict("records"), found, strict=True):
        words, side = {*row["place"].split()}, SIDES[row["size"]]
        across = ("right" in words) - ("left" in words)
        down = bool({"bottom", "lower"} & words) - bool({"top", "upper"} & words)
        wanted = np.array([across, down]) * (1 - side) / 2 + 0.5
        off.append(one["middle"] - wanted)
        # The jitter, and the strokes of a digit that do not fill its square.
        assert np.abs(off[-1]).max() < 0.04 + side / 6, row["place"]
    # Neighbouring places of large digits are .1 apart.
    by_place = pd.DataFrame(off, columns=["across", "down"]).groupby(
        [table["size"], table["place"]]
    )
    assert by_place.mean().abs().to_numpy().max() < 0.045


def test_the_digit_is_the_handwriting_of_its_row(table):
    bundle = load_digits()
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    for row in table[table["size"] == "large"].to_dict("records"):
        number = int(row["handwriting"])
        assert row["digit"] == words[bundle.target[number]]
        strokes = Image.fromarray(bundle.images[number]).resize((72, 72), Image.Resampling.BICUBIC)
        strokes = np.asarray(strokes)
        rows, columns = np.nonzero(strokes > strokes.max() / 4)
        strokes = strokes[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        small = [
            Image.fromarray(one).resize((8, 8), Image.Resampling.BOX)
            for one in (strokes, seen(row["image"])["ink"])
        ]
        assert np.corrcoef(np.ravel(small[0]), np.ravel(small[1]))[0, 1] > 0.95


def test_a_digit_is_moved_from_its_place_by_at_most_a_thirtieth_and_stays_in_the_picture(table):
    bundle, moved = load_digits(), {0: set(), 0.5: set(), 1: set()}
    for row in table.to_dict("records")[:80]:
        side = round(90 * SIDES[row["size"]])
        strokes = bundle.images[int(row["handwriting"])] * 255 / 16
        ink = Image.fromarray(strokes.astype(np.uint8)).resize((side, side), Image.BICUBIC)
        # How much ink is in each pixel, from the colour that stands out most from white.
        colour = COLOURS[row["colour"]]
        pixels = np.asarray(Image.open(io.BytesIO(row["image"])))[..., np.argmin(colour)]
        shown = np.pad((255.0 - pixels) / (255 - min(colour)), 10)
        words = {*row["place"].split()}
        down = (1 + bool({"bottom", "lower"} & words) - bool({"top", "upper"} & words)) / 2
        across = (1 + ("right" in words) - ("left" in words)) / 2
        top, left = (round(share * (90 - side)) for share in (down, across))
        near = shown[top + 6 : top + 14 + side, left + 6 : left + 14 + side]
        apart = [
            np.abs(near[y : y + side, x : x + side] - np.asarray(ink) / 255).max()
            for y, x in np.ndindex(9, 9)
        ]
        assert min(apart) < 0.01
        y, x = divmod(int(np.argmin(apart)), 9)
        moved[down].add(y - 4)
        moved[across].add(x - 4)
    assert moved == {0: {*range(4)}, 0.5: {*range(-3, 4)}, 1: {*range(-3, 1)}}


def test_combinations_and_handwritings_are_drawn_at_random(table):
    trained = table[table["split"] == "train"]
    # 300 draws of 1458 combinations: 29 are expected to have come before, give or take 5.
    assert 14 < trained.duplicated(ATTRIBUTES).sum() < 44
    # Not the first tenth of scikit-learn's 1797 digits.
    assert table.loc[table["split"] == "test", "handwriting"].astype(int).max() > 1000


@pytest.mark.parametrize(
    ("rows", "share", "held_out"), [(3, 0.01, 1), (3, 0.99, 2), (10, 0.3, 3), (2, 0.5, 1)]
)
def test_both_splits_have_a_handwriting_of_every_digit(rows, share, held_out):
    of_digit = np.arange(20) % 2 * (np.arange(20) < 2 * rows) == 1
    sides = _by_split(of_digit, share, np.random.default_rng(0))
    assert len(sides["test"]) == held_out
    assert sorted([*sides["test"], *sides["train"]]) == list(range(1, 2 * rows, 2))


def test_a_caption_says_nothing_but_the_columns(table):
    for row in table.to_dict("records"):
        words = row["text"].split()
        assert words[0] == ("an" if words[1][0] in "aeiou" and words[1] != "one" else "a")
        kept = [row[name] for name in ATTRIBUTES if row[name] in row["text"]]
        rest = " ".join(words[1:])
        for part in kept:
            rest = rest.replace(part, "", 1)
        assert not rest.strip()
        assert row["digit"] in kept
    whole = table[table["split"] == "test"]
    wanted = whole[["size", "colour", "digit", "place"]].agg(" ".join, axis=1)
    assert list(whole["text"].str.split(n=1).str[1]) == list(wanted)
    assert whole["text"].is_unique
    shown = {"place": "at the left", "colour": "orange", "size": "small"}
    assert caption("seven", shown) == "a small orange seven at the left"
    shown.pop("size")
    assert caption("one", shown) == "an orange one at the left"
    assert [caption(word, {}) for word in ("one", "eight")] == ["a one", "an eight"]


def test_some_captions_of_the_train_split_name_the_digit_alone(table):
    trained = table[table["split"] == "train"]
    words = trained["text"].str.split().str.len()
    assert {*words[words < 6]} == {2}
    # 300 draws: three standard errors of a share of .25 are .075.
    assert (words == 2).mean() == pytest.approx(SETTINGS["digit_only"], abs=0.075)
    assert made(digit_only=0)["text"].str.split().str.len().min() == 7


def test_nothing_held_out_is_trained_on(table):
    sides = dict(iter(table.groupby("split")))
    assert {split: len(part) for split, part in sides.items()} == {"train": 300, "test": 162}
    for columns in (ATTRIBUTES, ["handwriting"]):
        train_side, test_side = (
            {tuple(row) for row in sides[split][columns].to_numpy()} for split in ("train", "test")
        )
        assert not train_side & test_side
    assert not sides["test"].duplicated(ATTRIBUTES).any()
    # Each value alone occurs in both, so that it can be learnt.
    for name in ATTRIBUTES:
        assert {*sides["test"][name]} == {*sides["train"][name]}


def test_a_seed_gives_the_same_pictures_and_another_gives_others(table):
    pd.testing.assert_frame_equal(made(), table)
    other = made(seed=6)
    assert (other["text"] != table["text"]).mean() > 0.5
    sizes = {Image.open(io.BytesIO(data)).size for data in made(pairs=5, pixels=33)["image"]}
    assert sizes == {(33, 33)}


def test_it_is_written_as_a_dataset(tmp_path, table):
    path = tmp_path / "placed.parquet"
    write_dataset(path, {"format": "placed_digits", "files": {}, **SETTINGS}, {})
    written = pd.read_parquet(path)
    assert list(written) == ["item_id", "image", *COLUMNS]
    pd.testing.assert_frame_equal(written, table, check_dtype=False)


def test_a_small_clip_learns_from_it(root):
    pairs = made(pairs=400, pixels=32, test_fraction=0.06, digit_only=0)
    spec = {"architecture": str(root / "config/architectures/digit-clip.json")}
    model, transform, tokenizer = load_open_clip(spec, {"seed": 0})
    embed = embedder(model, transform, tokenizer, pairs, torch.device("cpu"))
    settings = {
        "temperature": 0.05,
        "steps": 60,
        "warmup": 6,
        "batch_size": 64,
        "learning_rate": 0.003,
        "weight_decay": 0.1,
    }
    curve = train(model, lambda rows: embed("train", rows), 400, lambda: embed("test"), settings, 3)
    held_out = len(embed("test")[0])
    assert held_out == 97
    # A loss of log(64) is that of chance.
    assert curve["loss"].iloc[-5:].mean() < 0.75 * np.log(64)
    assert curve["recall1"].iloc[-1] > 4 / held_out > curve["recall1"].iloc[0]
