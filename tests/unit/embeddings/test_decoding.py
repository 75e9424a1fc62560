"""Three ways to decode pictures: what they have in common, and that they are not the same."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from modality_gap.embeddings import decisions, decoding
from modality_gap.encoders import pictures
from modality_gap.encoders.base import Encoder
from modality_gap.encoders.build import build_encoder
from modality_gap.encoders.pictures import allow_pixels, open_picture, resizing
from modality_gap.errors import InputError

CPU = torch.device("cpu")


def invented(width, height, kind="JPEG", mode="RGB", seed=0):
    """A photograph's like: coloured patches and grain."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 255, (max(1, height // 20), max(1, width // 20), 3), dtype=np.uint8)
    smooth = Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)
    grain = rng.normal(0, 12, (height, width, 3))
    pixels = np.clip(np.asarray(smooth) + grain, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, format=kind, quality=90)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def resnet():
    """An encoder for 64 pixels, which resizes to a few more and cuts out the centre."""
    spec = {"library": "timm", "architecture": "resnet10t", "image_size": 64}
    return build_encoder(spec, "image", {"seed": 0})


def prepared(encoder, data, decode):
    (pixels,) = decoding.prepare_items(encoder, "image", "fail", [("p", data)], decode)
    return pixels.numpy().astype(int)


def test_a_large_jpeg_decoded_at_a_smaller_size_is_another_picture(resnet):
    (side, _) = resnet.resized_to
    assert side >= 64
    large = invented(4 * side + 10, 3 * side)
    exact, scaled = (prepared(resnet, large, way) for way in ("exact", "scaled"))
    assert exact.shape == scaled.shape == (3, 64, 64)
    assert np.abs(exact - scaled).max() > 2  # not the same
    assert np.abs(exact - scaled).mean() < 6  # yet the same picture: its values go to 255
    # What Pillow gives when it is asked for half of the size.
    with Image.open(io.BytesIO(large)) as picture:
        picture.draft("RGB", (side, side))
        half = picture.convert("RGB")
    assert half.size == (2 * side + 5, (3 * side + 1) // 2)
    np.testing.assert_array_equal(scaled, resnet.prepare(half).numpy())


SIZES = [
    # decoded for at least 100 x 100: the size in the file, that of the picture
    ((199, 300), (199, 300)),
    ((200, 300), (100, 150)),
    ((1000, 399), (500, 200)),
    ((1000, 400), (250, 100)),
    ((1601, 800), (201, 100)),
    ((90, 700), (90, 700)),
]


@pytest.mark.parametrize(("size", "expected"), SIZES)
def test_no_picture_is_decoded_smaller_than_it_is_needed(size, expected):
    assert open_picture(invented(*size), "p", (100, 100)).size == expected
    assert open_picture(invented(*size), "p").size == size


def test_small_jpegs_and_other_formats_are_decoded_as_ever(resnet):
    side = resnet.resized_to[0]
    small, png = invented(2 * side - 1, 500), invented(4 * side, 4 * side, kind="PNG")
    for data in (small, png):
        exact, scaled = (prepared(resnet, data, way) for way in ("exact", "scaled"))
        np.testing.assert_array_equal(exact, scaled)


def test_pixels_resized_as_tensors_are_nearly_pillows(resnet):
    jpegs = [
        ("a", invented(300, 200)),
        ("b", invented(150, 220, mode="L")),
        ("c", invented(80, 64)),
    ]
    found = decoding._on_device(resnet, "fail", jpegs, CPU)
    for (_, data), pixels in zip(jpegs, found, strict=True):
        exact = prepared(resnet, data, "exact")
        assert pixels.dtype == torch.uint8 and pixels.shape == (3, 64, 64)
        assert np.abs(pixels.numpy() - exact).mean() < 1.5
    others = [("png", invented(90, 90, kind="PNG")), ("cmyk", invented(90, 90, mode="CMYK"))]
    for item, pixels in zip(others, decoding._on_device(resnet, "fail", others, CPU), strict=True):
        np.testing.assert_array_equal(pixels.numpy(), prepared(resnet, item[1], "exact"))


def test_a_broken_jpeg_among_others_is_named_or_skipped(resnet):
    whole = invented(200, 150)
    items = [("one", whole), ("half", whole[: len(whole) // 2]), ("none", b"no picture")]
    with pytest.raises(InputError, match="item 'half': the picture cannot be decoded"):
        decoding._on_device(resnet, "fail", items, CPU)
    one, half, none = decoding._on_device(resnet, "skip", items, CPU)
    assert torch.is_tensor(one)
    assert "item 'half'" in str(half) and "item 'none'" in str(none)


@pytest.mark.parametrize("decode", ["exact", "scaled"])
def test_a_picture_that_cannot_be_decoded_ends_the_run_unless_it_is_to_be_skipped(resnet, decode):
    items = [("good", invented(200, 150)), ("bad", b"no picture")]
    with pytest.raises(InputError, match="item 'bad': the picture cannot be decoded"):
        decoding.prepare_items(resnet, "image", "fail", items, decode)
    good, bad = decoding.prepare_items(resnet, "image", "skip", items, decode)
    assert torch.is_tensor(good) and "item 'bad'" in str(bad)


def test_a_jpeg_that_is_too_large_is_left_to_pillow_which_refuses_it(resnet):
    before = Image.MAX_IMAGE_PIXELS
    try:
        allow_pixels(100 * 100 - 1)
        assert not decoding.is_plain_jpeg(invented(100, 100))
        with pytest.raises(InputError, match="has 10000 pixels, more than extraction"):
            decoding._on_device(resnet, "fail", [("p", invented(100, 100))], CPU)
        with pytest.raises(InputError, match="has 10000 pixels, more than extraction"):
            open_picture(invented(100, 100), "p", (10, 10))
        allow_pixels(100 * 100)
        assert decoding.is_plain_jpeg(invented(100, 100))
        assert open_picture(invented(100, 100), "p").size == (100, 100)
    finally:
        allow_pixels(before)


def test_a_jpeg_of_several_views_is_a_plain_one_and_any_size_is_where_there_is_no_limit(
    monkeypatch,
):
    data = io.BytesIO()
    views = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue")]
    views[0].save(data, "MPO", save_all=True, append_images=views[1:])
    assert decoding.is_plain_jpeg(data.getvalue())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    plain = {
        mode: decoding.is_plain_jpeg(invented(99, 99, mode=mode)) for mode in ("RGB", "L", "CMYK")
    }
    assert plain == {"RGB": True, "L": True, "CMYK": False}
    assert not decoding.is_plain_jpeg(invented(99, 99, kind="PNG"))


@pytest.mark.parametrize(
    "error",
    [OSError, ValueError, SyntaxError, RuntimeError, NotImplementedError,
     Image.DecompressionBombError],
)  # fmt: skip
def test_what_pillow_says_of_a_header_is_left_to_pillow(monkeypatch, error):
    def read_header(_data):
        raise error("(7 pixels)")

    monkeypatch.setattr(decoding, "read_header", read_header)
    assert not decoding.is_plain_jpeg(b"")
    monkeypatch.setattr(pictures, "read_header", read_header)
    with pytest.raises(InputError, match=r"item 'p': the picture .*\(?7 pixels"):
        open_picture(b"", "p")


def test_a_machine_without_nvjpeg_is_told_in_one_sentence(monkeypatch):
    decoding.check_decoder("exact")
    decoding.check_decoder("scaled")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError) as told:
        decoding.check_decoder("gpu")
    assert str(told.value) == (
        "extraction.decode is gpu, but PyTorch finds no CUDA GPU on this machine; set it to exact "
        "or scaled."
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    def decode(jpegs, device):
        assert device.type == "cuda"
        raise RuntimeError("torchvision not compiled\nwith nvJPEG support")

    monkeypatch.setattr(decoding, "decode_jpegs", decode)
    with pytest.raises(InputError, match=r"nvJPEG here \(torchvision not compiled with .*\); set"):
        decoding.check_decoder("gpu")


def test_a_machine_with_nvjpeg_shows_it_with_a_jpeg_of_its_own(monkeypatch):
    seen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        decoding,
        "decode_jpegs",
        lambda jpegs, device: seen.extend(map(decoding.is_plain_jpeg, jpegs)),
    )
    decoding.check_decoder("gpu")
    assert seen == [True]


def test_jpegs_are_decoded_to_colours_on_the_device_that_is_asked_for(monkeypatch):
    import torchvision.io

    def decode_jpeg(data, mode, device):
        return [(bytes(one.numpy()), mode.name, device) for one in data]

    monkeypatch.setattr(torchvision.io, "decode_jpeg", decode_jpeg)
    gpu = torch.device("cuda")
    assert decoding.decode_jpegs([b"one", b"other"], gpu) == [
        (b"one", "RGB", gpu), (b"other", "RGB", gpu),
    ]  # fmt: skip
    assert decoding.decode_jpegs([], gpu) == []


def test_gpu_decodes_what_it_can_and_nothing_else(resnet, monkeypatch):
    asked, items = [], [("p", b"a picture")]
    monkeypatch.setattr(decoding, "_on_device", lambda *given: asked.append(given))
    decoding.prepare_items(resnet, "image", "fail", items, "gpu")
    assert asked == [(resnet, "fail", items, torch.device("cuda"))]
    alone = Encoder(prepare=np.asarray, encode=None, noise=None)  # it resizes in a way of its own
    (pixels,) = decoding.prepare_items(alone, "image", "fail", [("a", invented(9, 7))], "gpu")
    assert len(asked) == 1 and pixels.shape == (7, 9, 3)
    text = Encoder(prepare=len, encode=None, noise=None)
    assert decoding.prepare_items(text, "text", "fail", [("a", "word")], "gpu") == [4]
    assert decoding.prepare_items(text, "text", "fail", [("a", "word")], "scaled") == [4]
    assert [decoding.way_of(way, text) for way in ("exact", "scaled", "gpu")] == ["exact"] * 3
    for way in ("exact", "scaled", "gpu"):
        assert decoding.way_of(way, resnet) == way


def test_transforms_that_do_more_are_left_alone():
    from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor
    from torchvision.transforms import Pad as Other

    tail = [ToTensor(), Normalize((0.5,) * 3, (0.5,) * 3)]
    assert resizing(Compose([Resize(30), CenterCrop(20), *tail]))["resized_to"] == (30, 30)
    assert resizing(Compose([Resize((40, 30)), *tail]))["resized_to"] == (30, 40)
    assert resizing(Compose([Resize((30,)), *tail]))["resized_to"] == (30, 30)
    assert resizing(Compose([Other(3), Resize(30), *tail])) == {}
    assert resizing(Compose([Resize(30), Other(3), *tail])) == {}
    assert resizing(Compose([CenterCrop(20), *tail])) == {}


def test_the_cosine_to_exact_is_measured(resnet):
    items = [(f"p{seed}", invented(400 + 50 * seed, 500, seed=seed)) for seed in range(5)]

    def prepare(encoder, way):
        return decisions.prepared_sample(encoder, "image", "fail", items, way)

    found = decisions.measure_decoding(resnet, "scaled", prepare)
    exact, scaled = (
        resnet.encode([torch.from_numpy(prepared(resnet, data, way).astype("u1"))
                       for _, data in items]).astype(float)
        for way in ("exact", "scaled")
    )  # fmt: skip
    products = np.einsum("ij,ij->i", exact, scaled)
    expected = products / np.linalg.norm(exact, axis=1) / np.linalg.norm(scaled, axis=1)
    assert found["lowest_cosine"] == pytest.approx(expected.min(), abs=1e-6)
    assert found["median_cosine"] == pytest.approx(np.median(expected), abs=1e-6)
    assert (found["way"], found["n"]) == ("scaled", 5) and 0.5 < found["lowest_cosine"] < 1 - 1e-6
    assert "lowest cosine to exact 0." in decisions.decoding_in_words(found)
    text = Encoder(prepare=None, encode=None, noise=None)
    assert decisions.measure_decoding(text, "gpu", prepare) == {"way": "exact"}
    assert decisions.decoding_in_words({"way": "exact"}).startswith("decoding: exact, because this")
