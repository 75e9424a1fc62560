"""Extraction: the same numbers however the work is divided."""

import io
import struct
import zlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image, PngImagePlugin

from modality_gap.embeddings import extraction
from modality_gap.embeddings.extraction import (
    extract,
    plan_batches,
    prepare_ahead,
    read_batches,
    select_rows,
)
from modality_gap.embeddings.sets import EmbeddingWriter
from modality_gap.embeddings.stored import read
from modality_gap.encoders.base import Encoder
from modality_gap.encoders.open_clip import hidden
from modality_gap.encoders.pictures import allow_pixels, open_picture, split_transform
from modality_gap.errors import InputError


def encoded_picture(rng, mode="RGB", size=(50, 40), kind="PNG"):
    buffer = io.BytesIO()
    pixels = rng.integers(0, 255, (size[1], size[0], 4), dtype=np.uint8)
    Image.fromarray(pixels, "RGBA").convert(mode).save(buffer, format=kind)
    return buffer.getvalue()


def corner(pictures):
    """The pixel in the corner, as an encoder's vector."""
    return np.stack([picture[:, 0, 0].numpy() for picture in pictures]).astype(np.float32)


PIXELS = Encoder(
    prepare=lambda picture: torch.from_numpy(np.array(picture)).permute(2, 0, 1),
    encode=corner,
    noise=lambda rng: torch.zeros(3, 1, 1),
)


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        {"item_id": f"p{n:02}", "image": encoded_picture(rng), "kind": n % 3} for n in range(70)
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "pictures.parquet", row_group_size=16)
    return tmp_path / "pictures.parquet"


def run(dataset, workers, chosen, unreadable="fail"):
    writer = EmbeddingWriter(dataset.with_name(f"{workers}.parquet"), {})
    rows = np.flatnonzero(pd.read_parquet(dataset)["item_id"].isin(chosen))
    batches = read_batches(dataset, "image", rows, batch_size=20)
    timing = extract(batches, len(chosen), "image", PIXELS, writer, workers, unreadable)
    writer.close()
    assert timing.read_s > 0
    return read(writer.path)


@pytest.mark.parametrize("workers", [1, 5])
def test_the_pictures_that_are_chosen_come_in_their_order(dataset, workers):
    chosen = [f"p{n:02}" for n in range(70) if n != 33]
    embedded = run(dataset, workers, chosen)
    assert list(embedded.item_ids) == chosen
    assert list(embedded.labels["kind"]) == [int(item_id[1:]) % 3 for item_id in chosen]
    pictures = pd.read_parquet(dataset).set_index("item_id")["image"]
    expected = [Image.open(io.BytesIO(pictures[item_id])).getpixel((0, 0)) for item_id in chosen]
    np.testing.assert_array_equal(embedded.vectors, expected)


def test_a_picture_that_cannot_be_read_is_named(dataset):
    frame = pd.read_parquet(dataset)
    frame.loc[21, "image"] = b"no picture"
    frame.to_parquet(dataset)
    with pytest.raises(InputError, match="item 'p21': the picture cannot be decoded"):
        run(dataset, 5, list(frame["item_id"]))
    some = run(dataset, 5, list(frame["item_id"]), unreadable="skip")
    assert some.metadata["skipped"] == ["p21"] and len(some) == 69


def test_the_reason_why_a_picture_cannot_be_read_is_told_in_words():
    with pytest.raises(InputError) as told:
        open_picture(b"no picture", "p")
    assert str(told.value) == (
        "item 'p': the picture cannot be decoded (its format is not known); repair or remove it, "
        "or set extraction.unreadable: skip."
    )
    half = encoded_picture(np.random.default_rng(0), kind="JPEG")[:900]
    with pytest.raises(InputError, match=r"decoded \((?!it is of no).*truncated[^.]*\); repair"):
        open_picture(half, "p")


def test_workers_are_kept_busy_and_memory_bounded(dataset, monkeypatch):
    monkeypatch.setattr(extraction, "AT_ONCE", 2)
    submitted = []
    frames = (pd.DataFrame({"item_id": range(4), "image": b""}) for _ in range(10))
    ahead = prepare_ahead(frames, "image", lambda items: submitted.append(items), workers=3)
    next(ahead)
    # A batch is two tasks: besides the batch that is asked for, two for each worker.
    assert len(submitted) == 2 + 2 * 3
    assert len(list(ahead)) == 9


def test_no_more_of_a_dataset_is_in_memory_than_some_batches(tmp_path):
    path, rng, of_group = tmp_path / "pictures.parquet", np.random.default_rng(0), 20
    schema = pa.schema({"item_id": pa.string(), "image": pa.binary()})
    with pq.ParquetWriter(path, schema, compression=None, use_dictionary=False) as writer:
        for start in range(0, 400, of_group):
            ids = [f"{row}" for row in range(start, start + of_group)]
            pictures = [rng.bytes(100_000) for _ in ids]
            writer.write_table(pa.table({"item_id": ids, "image": pictures}, schema))
    assert path.stat().st_size > 40e6
    before, held = pa.total_allocated_bytes(), []
    for batch in read_batches(path, "image", np.arange(400), batch_size=10):
        assert len(batch) == 10
        held.append(pa.total_allocated_bytes() - before)
    assert len(held) == 40
    assert max(held) < 10e6


def test_shards_share_the_batches_of_one_job():
    rows = np.array([0, 1, 9, 10, 11, 12, 35, 60, 61])  # in batches 0, 1, 3 and 6 of ten rows
    expected = [
        (init, noise, items)
        for init in (4, 5)
        for noise, items in (
            (False, [0, 1, 9]),
            (False, [10, 11, 12]),
            (False, [35]),
            (False, [60, 61]),
            (True, [*range(10)]),
            (True, [*range(10, 13)]),
        )
    ]
    for shards in (1, 3, 5, 16):
        parts = [plan_batches(rows, 13, 10, [4, 5], shard + 1, shards) for shard in range(shards)]
        found = [(batch.init, batch.noise, list(batch.rows)) for part in parts for batch in part]
        assert found == expected
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert plan_batches(np.array([], dtype=int), 0, 10, [None]) == []


def test_rows_of_a_whole_dataset_are_counted_and_not_read(dataset, monkeypatch):
    np.testing.assert_array_equal(select_rows(dataset, {"sample": 70}, 0), np.arange(70))
    monkeypatch.setattr(pd, "read_parquet", None)
    np.testing.assert_array_equal(select_rows(dataset, {"noise": 3}, 0), np.arange(70))


@pytest.mark.parametrize("library", ["open_clip", "open_clip, as SigLIP", "timm"])
def test_a_transform_in_two_parts_gives_the_numbers_of_the_whole(library):
    with hidden("transformers"):  # open_clip is slow to import with it
        import open_clip
    import timm

    if library == "timm":
        transform = timm.data.create_transform((3, 64, 64), is_training=False)
    else:
        mode = "squash" if "SigLIP" in library else "shortest"
        transform = open_clip.image_transform(64, is_train=False, resize_mode=mode)
    rng = np.random.default_rng(1)
    prepare, normalise = split_transform(transform)
    pictures = [Image.open(io.BytesIO(encoded_picture(rng, size=(90, 70)))) for _ in range(3)]
    pixels = torch.stack([prepare(picture) for picture in pictures])
    assert pixels.dtype == torch.uint8
    whole = torch.stack([transform(picture) for picture in pictures])
    torch.testing.assert_close(normalise(pixels), whole, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("mode", "kind"), [("L", "PNG"), ("P", "GIF"), ("CMYK", "JPEG"), ("RGB", "JPEG")]
)
def test_any_picture_is_opened_as_rgb(mode, kind):
    data = encoded_picture(np.random.default_rng(2), mode, kind=kind)
    picture = open_picture(data, "p")
    np.testing.assert_array_equal(picture, Image.open(io.BytesIO(data)).convert("RGB"))
    assert picture.mode == "RGB"


GREY = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16


def saved(pixels, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def grey_tiff(pixels, bits=16, white=1, form=1, order="<"):
    """A TIFF of one strip, written by hand: the value 0 is black (white 1) or white (0)."""
    height, width = pixels.shape
    if bits == 12:
        pairs = pixels.reshape(-1, 2).astype(int)
        packed = [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255]
        content = np.stack(packed, axis=1).astype(np.uint8).tobytes()
    else:
        content = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    entries = {256: width, 257: height, 258: bits, 259: 1, 262: white, 273: 0, 277: 1, 278: height}
    entries |= {279: len(content), 339: form}
    entries[273] = 8 + 2 + 12 * len(entries) + 4
    lines = [struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in entries.items()]
    for number, (tag, value) in enumerate(entries.items()):
        if tag in (258, 259, 262, 277, 339):
            lines[number] = struct.pack(order + "HHIHH", tag, 3, 1, value, 0)
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(order + "HI", 42, 8) + struct.pack(order + "H", len(lines))
    return head + b"".join(lines) + bytes(4) + content


@pytest.mark.parametrize(
    "data",
    [
        saved(GREY, "PNG"),
        saved(GREY, "JPEG2000"),
        saved(GREY, "TIFF"),
        b"P5\n64 64\n65535\n" + GREY.astype(">u2").tobytes(),
        b"P2\n64 64\n65535\n" + b" ".join(b"%d" % value for value in GREY.ravel()),
        b"P5\n64 64\n4095\n" + (GREY >> 4).astype(">u2").tobytes(),
        grey_tiff(GREY),
        grey_tiff(GREY, order=">"),
        grey_tiff(0xFFFF - GREY, white=0),
        grey_tiff(GREY >> 4, bits=12),
    ],
    ids=[
        "png",
        "jpeg2000",
        "tiff",
        "pgm",
        "pgm_text",
        "pgm_12",
        "little",
        "big",
        "white_zero",
        "tiff_12",
    ],
)
def test_deep_grey_becomes_eight_bits(data):
    picture = np.asarray(open_picture(data, "p")).astype(int)
    # Of 12 bits, scaled to 16, the last of 8 may differ by one.
    assert np.abs(picture - GREY[..., None] // 256).max() <= (b"\n4095\n" in data)
    assert picture.shape == (64, 64, 3)


@pytest.mark.parametrize(
    "data",
    [
        saved((GREY / 65535).astype(np.float32), "TIFF"),
        saved(GREY.astype(np.int32), "TIFF"),
        saved(GREY, "IM"),
        grey_tiff(GREY.astype(np.int16), form=2),
        grey_tiff(GREY.astype(np.uint32), bits=32),
        b"Pf\n64 64\n-1.0\n" + (GREY / 65535).astype("<f4").tobytes(),
    ],
    ids=["float_tiff", "int_tiff", "im", "signed_tiff", "tiff_32", "pfm"],
)
def test_grey_without_a_white_is_refused(data):
    with pytest.raises(
        InputError, match=r"item 'p': .* is white; save it with 8 or 16 bits"
    ) as told:
        open_picture(data, "p")
    assert "\n" not in str(told.value)


def test_colours_of_sixteen_bits_keep_their_upper_half():
    pixels = np.stack([GREY, GREY[::-1], GREY.T], axis=-1)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", 64, 64, 16, 2, 0, 0, 0)
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(rows), b"IEND": b""}
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks.items()
    )  # fmt: skip
    np.testing.assert_array_equal(open_picture(data, "p"), pixels >> 8)
    data = b"P6\n64 64\n65535\n" + pixels.astype(">u2").tobytes()
    picture = np.asarray(open_picture(data, "p"))
    np.testing.assert_allclose(picture, pixels / 257, atol=0.51)


@pytest.fixture
def limit():
    before = Image.MAX_IMAGE_PIXELS
    yield allow_pixels
    Image.MAX_IMAGE_PIXELS = before


def test_a_picture_that_would_fill_the_memory_is_named_before_it_does(limit, recwarn):
    picture = encoded_picture(np.random.default_rng(0))  # of 50 x 40
    for pixels in (1500, 900):  # Pillow itself refuses twice as many
        limit(pixels)
        words = rf"item 'p': .* 2000 pixels, more than extraction.max_pixels \({pixels}\) allows"
        with pytest.raises(InputError, match=words):
            open_picture(picture, "p")
    limit(2000)
    assert open_picture(picture, "p").size == (50, 40)
    assert not [one for one in recwarn if "bomb" in str(one.message)]


def test_a_large_picture_within_an_icon_is_refused_too(limit):
    """The directory of an icon says 16 x 16, the picture in it what it likes."""
    inner = io.BytesIO()
    Image.new("RGB", (300, 300)).save(inner, "PNG")
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(inner.getvalue()), 22)
    icon = struct.pack("<HHH", 0, 1, 1) + entry + inner.getvalue()
    limit(1000)
    with pytest.raises(InputError, match=r"90000 pixels, more than extraction.max_pixels"):
        open_picture(icon, "p")


def test_a_png_with_long_texts_is_read(limit):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("XML:com.adobe.xmp", "x" * 3_000_000, zip=True)
    file = io.BytesIO()
    Image.new("RGB", (5, 4), (1, 2, 3)).save(file, "PNG", pnginfo=texts)
    assert open_picture(file.getvalue(), "p").getpixel((4, 3)) == (1, 2, 3)


def test_a_picture_is_not_turned_as_its_exif_says():
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.new("RGB", (5, 4)).save(file, "JPEG", exif=exif)
    assert open_picture(file.getvalue(), "p").size == (5, 4)
