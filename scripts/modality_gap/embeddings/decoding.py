"""Inputs of an encoder from items of a dataset; pictures are decoded in one of three ways.

exact   Pillow decodes pictures, which are then resized as in the encoder's library
scaled  libjpeg decodes JPEGs at a half, a quarter or an eighth of their size, as long as no side
        becomes smaller than it will be after resizing; they are then resized as in exact
gpu     nvJPEG (torchvision) decodes JPEGs, which are then resized on the GPU

Only `exact` gives the same pixels on every machine. It also replaces the two other ways for other
formats, and for encoders whose library resizes in another way.
"""

import io

import numpy as np
import torch
from PIL import Image

from modality_gap.encoders.base import Encoder
from modality_gap.encoders.pictures import DAMAGED, open_picture, read_header
from modality_gap.errors import InputError

PLAIN_MODES = ("RGB", "L")  # of a JPEG that nvJPEG decodes to the same colours as Pillow


def prepare_items(
    encoder: Encoder, modality: str, unreadable: str, items: list[tuple], decode: str = "exact"
) -> list[torch.Tensor | InputError]:
    """The encoder's inputs for some items (item_id, content). If `unreadable` is "skip", a picture
    that cannot be decoded gives its error instead of an input."""
    if modality == "image" and decode == "gpu" and encoder.resize:
        return _on_device(encoder, unreadable, items, torch.device("cuda"))
    at_least = encoder.resized_to if decode == "scaled" else None
    return [_prepared(encoder, modality, unreadable, item, at_least) for item in items]


def _prepared(
    encoder: Encoder,
    modality: str,
    unreadable: str,
    item: tuple,
    at_least: tuple[int, int] | None = None,
) -> torch.Tensor | InputError:
    item_id, content = item
    if modality == "image":
        try:
            content = open_picture(content, item_id, at_least)
        except InputError as error:
            if unreadable == "fail":
                raise
            return error
    return encoder.prepare(content)


def _on_device(
    encoder: Encoder, unreadable: str, items: list[tuple], device: torch.device
) -> list[torch.Tensor | InputError]:
    """Pixels (3, height, width) uint8 on the device. Plain JPEGs are decoded and resized there;
    other pictures are prepared first and then moved."""
    assert encoder.resize
    plain = [number for number, (_, data) in enumerate(items) if is_plain_jpeg(data)]
    decoded: dict[int, torch.Tensor] = {}
    try:
        pictures = decode_jpegs([items[number][1] for number in plain], device)
        decoded = dict(zip(plain, pictures, strict=True))
    except RuntimeError:  # one is broken; it does not say which, and Pillow does
        decoded = {}
    return [
        encoder.resize(decoded[number])
        if number in decoded
        else _moved(_prepared(encoder, "image", unreadable, item), device)
        for number, item in enumerate(items)
    ]


def _moved(prepared: torch.Tensor | InputError, device: torch.device) -> torch.Tensor | InputError:
    return prepared if isinstance(prepared, InputError) else prepared.to(device)


def is_plain_jpeg(data: bytes) -> bool:
    """Whether a picture is a JPEG in colour or grey, and not larger than allowed. Only its header
    is read."""
    try:
        with read_header(data) as picture:
            small = picture.width * picture.height <= (Image.MAX_IMAGE_PIXELS or np.inf)
            return picture.format in ("JPEG", "MPO") and picture.mode in PLAIN_MODES and small
    except (*DAMAGED, Image.DecompressionBombError):
        return False


def decode_jpegs(jpegs: list[bytes], device: torch.device) -> list[torch.Tensor]:
    """Decode JPEGs to pixels (3, height, width) uint8 on the device; on a GPU, nvJPEG does it.
    Raises RuntimeError if a JPEG is broken."""
    from torchvision.io import ImageReadMode, decode_jpeg

    if not jpegs:
        return []
    data = [torch.from_numpy(np.frombuffer(jpeg, dtype=np.uint8).copy()) for jpeg in jpegs]
    return decode_jpeg(data, mode=ImageReadMode.RGB, device=device)


def check_decoder(decode: str) -> None:
    """Raise InputError if extraction.decode is gpu, but this machine cannot decode on a GPU."""
    if decode != "gpu":
        return
    remedy = "set it to exact or scaled."
    if not torch.cuda.is_available():
        raise InputError(
            f"extraction.decode is gpu, but PyTorch finds no CUDA GPU on this machine; {remedy}"
        )
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, format="JPEG")
    try:
        decode_jpegs([buffer.getvalue()], torch.device("cuda"))
    except RuntimeError as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"extraction.decode is gpu, but torchvision cannot decode with nvJPEG here "
            f"({reason:.200}); {remedy}"
        ) from error


def way_of(decode: str, encoder: Encoder) -> str:
    """The way in which pictures are decoded for an encoder if extraction.decode is `decode`."""
    able = {"scaled": encoder.resized_to, "gpu": encoder.resize}
    return decode if able.get(decode) else "exact"
