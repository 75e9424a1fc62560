"""Preparing pictures for encoders: decoding, sizes, pixel statistics."""

import io
import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image, PngImagePlugin, UnidentifiedImageError
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    PHOTOMETRIC_INTERPRETATION,
    SAMPLEFORMAT,
    TiffImageFile,
)

from modality_gap.errors import InputError

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# Bytes of one text in a PNG: editors store a megabyte and more, which Pillow would refuse.
PngImagePlugin.MAX_TEXT_CHUNK = 2**24


def pixel_statistics(spec: dict) -> tuple[tuple, tuple] | None:
    """The mean and standard deviation for normalising pictures; None if they are the model's own.

    `spec` can ask for those of ImageNet (Figure 2(a) as released) or for 0 and 1 (Supplementary
    15).
    """
    if not spec.get("input_normalisation", True):
        return (0.0,) * 3, (1.0,) * 3
    return (IMAGENET_MEAN, IMAGENET_STD) if spec.get("preprocessing") == "imagenet" else None


def split_transform(transform: Any) -> tuple[Callable, Callable]:
    """Splits a picture transform of open_clip or timm into two functions. The first turns a picture
    into its pixels (3, height, width) uint8. The second turns pixels into the input of the network,
    for a whole batch on its device.

    Together they give the same numbers as `transform`. But pixels need a quarter of the bytes, and
    the second function would take a sixth of the time of a worker that decodes.
    """
    from torchvision.transforms import Compose, Normalize, PILToTensor

    *geometry, _, normalise = transform.transforms
    assert isinstance(normalise, Normalize), transform
    return Compose([*geometry, PILToTensor()]), lambda pixels: normalise(pixels.float() / 255)


def resizing(transform: Any) -> dict[str, Any]:
    """`resized_to` and `resize` of an Encoder whose picture transform is from open_clip or timm.
    There are none if the transform does more than resize and crop the centre."""
    from torchvision.transforms import CenterCrop, Compose, Resize

    *geometry, _, _ = transform.transforms
    # The step left out converts a picture to RGB, which pixels already are.
    steps = [step for step in geometry if "convert" not in repr(step).lower()]
    if not steps or not isinstance(steps[0], Resize):
        return {}
    if not all(isinstance(step, CenterCrop) for step in steps[1:]):
        return {}
    size = steps[0].size
    height, width = (size, size) if isinstance(size, int) else (size[0], size[-1])
    return {"resized_to": (width, height), "resize": Compose(steps)}


def normal_picture(rng: np.random.Generator, height: int, width: int) -> torch.Tensor:
    """Standard normal noise (3, height, width), in place of a normalised picture (Figure 2(a),
    bottom row)."""
    return torch.from_numpy(rng.standard_normal((3, height, width), dtype=np.float32))


def clip_preprocess(picture: Image.Image, size: int) -> torch.Tensor:
    """A picture (3, size, size) after CLIP's own preprocessing: resize the shorter side to `size`
    (bicubic), crop the centre square, and apply CLIP's mean and standard deviation. open_clip gives
    the same result but need not be imported."""
    scale = size / min(picture.size)
    width, height = (max(size, int(side * scale)) for side in picture.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    square = picture.resize((width, height), Image.Resampling.BICUBIC).crop(
        (left, top, left + size, top + size)
    )
    values = np.asarray(square, dtype=np.float32).transpose(2, 0, 1) / 255
    mean, std = (np.array(stat, dtype=np.float32)[:, None, None] for stat in (CLIP_MEAN, CLIP_STD))
    return torch.from_numpy((values - mean) / std)


# What Pillow raises for a damaged picture. RuntimeError: the decoder of AVIF; and, as
# NotImplementedError, that of DDS.
DAMAGED = (OSError, ValueError, SyntaxError, RuntimeError)


def allow_pixels(number: int) -> None:
    """Set the largest number of pixels that `open_picture` decodes (extraction.max_pixels). This is
    Pillow's own limit, so it also holds for pictures inside a file."""
    Image.MAX_IMAGE_PIXELS = number


def read_header(data: bytes) -> Image.Image:
    """A picture whose pixels are not decoded yet."""
    with warnings.catch_warnings():  # of pictures above the limit, which are refused later
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(data))


def open_picture(data: bytes, item_id: str, at_least: tuple[int, int] | None = None) -> Image.Image:
    """Decode a picture to RGB; the first frame if there are several. The picture is not turned as
    its EXIF data may say, because open_clip and torchvision do not turn it either.

    With `at_least` (width, height), libjpeg decodes a JPEG at a half, a quarter or an eighth of its
    size: the smallest that is not below `at_least`. This is faster, and the pixels differ slightly.

    Raises InputError that names the item if it cannot be decoded, if it is grey with more than 8
    bits and the file does not say which value is white, or if it has more pixels than allowed. (A
    small file can claim any number of pixels.)
    """
    limit = Image.MAX_IMAGE_PIXELS or math.inf
    try:
        picture = read_header(data)
        if picture.width * picture.height > limit:
            raise Image.DecompressionBombError(f"({picture.width * picture.height} pixels)")
        if at_least:
            picture.draft(picture.mode, at_least)
        picture.load()
        if picture.mode == "F" or picture.mode.startswith("I"):
            picture = _eight_bits(picture)
        return picture if picture.mode == "RGB" else picture.convert("RGB")
    except Image.DecompressionBombError as error:
        size = "".join(re.findall(r"\((\d+) pixels\)", str(error)))
        raise InputError(
            f"item {item_id!r}: the picture has {size} pixels, more than extraction.max_pixels "
            f"({limit}) allows; raise max_pixels if you trust the file; otherwise remove it, or "
            "set extraction.unreadable: skip."
        ) from error
    except DAMAGED as error:
        # That error only says where the bytes are in memory.
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "its format is not known" if unknown else " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"item {item_id!r}: the picture cannot be decoded ({reason}); repair or remove it, or "
            "set extraction.unreadable: skip."
        ) from error


def _eight_bits(picture: Image.Image) -> Image.Image:
    """A grey picture of more than 8 bits, converted to 8 bits. (Pillow would turn most values
    white.) Raises ValueError if its format does not say which value is white."""
    bits, inverted = 0, False
    if isinstance(picture, TiffImageFile):
        tags = picture.tag_v2
        unsigned = tags.get(SAMPLEFORMAT, (1,))[0] == 1
        (bits,) = tags[BITSPERSAMPLE] if unsigned else (0,)
        inverted = (
            tags[PHOTOMETRIC_INTERPRETATION] == 0
        )  # 0 is white; Pillow respects this in 8 bits
    elif picture.mode == "F":
        pass
    elif picture.format in ("PNG", "PPM", "JPEG2000"):
        bits = 16  # Pillow scales other depths to it
    if not 8 < bits <= 16:
        raise ValueError(
            f"its grey values are of Pillow's mode {picture.mode}, and the file does not say which "
            "of them is white; save it with 8 or 16 bits"
        )
    grey = np.asarray(picture) >> (bits - 8)
    return Image.fromarray((255 - grey if inverted else grey).astype(np.uint8))
