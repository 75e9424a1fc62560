"""Faulty pictures, captions, embeddings, settings and downloads, each through the real workflow."""

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from archive_server import refusing, serving
from conftest import copy_project
from official_formats import encoded as in_format
from official_formats import (
    made_pictures,
    write_coco_annotations,
    write_coco_pictures,
    write_eurosat,
)
from PIL import Image

from modality_gap.embeddings.sets import EmbeddingSet, write
from modality_gap.embeddings.stored import read

pytestmark = pytest.mark.faults

ENCODER = "emoji_clip_random"
CONFIG = ("--configfile", "tests/small.yaml", "wrong.yaml")


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def bomb(side: int) -> bytes:
    """A PNG of `side` x `side` white or black pixels, all of them there."""
    packer = zlib.compressobj(9)
    lines = b"\0" * (side // 8 + 1) * 100
    content = b"".join(packer.compress(lines) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", content), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


COLOURS = np.array([[200, 30, 60], [20, 180, 90]], dtype=np.uint8)


def striped(*size: int) -> Image.Image:
    """Rows of two colours in turn."""
    height, width = size
    rows = COLOURS[np.arange(height) % 2]
    return Image.fromarray(np.repeat(rows[:, None], width, axis=1))


def palette(picture: Image.Image) -> Image.Image:
    return picture.quantize(2)


def sixteen_bits() -> tuple[bytes, Image.Image]:
    """A grey picture of 16 bits, and the same of 8."""
    grey = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    eight = Image.fromarray((grey >> 8).astype(np.uint8)).convert("RGB")
    return saved(Image.fromarray(grey), "PNG"), eight


def readable() -> dict[str, tuple[bytes, Image.Image, str]]:
    """Odd but sound pictures: the file, what is to be seen in it, and how they are called."""
    stripes = striped(64, 64)
    other = Image.fromarray(255 - np.asarray(stripes))
    grey = Image.fromarray(np.full((64, 64), 90, np.uint8))
    with_alpha = grey.convert("LA")
    with_alpha.putalpha(Image.fromarray(np.full((64, 64), 9, np.uint8)))
    cmyk = stripes.convert("CMYK")
    sixteen, eight = sixteen_bits()
    frames = {"save_all": True, "append_images": [other], "duration": 100}
    return {
        "one_pixel": (saved(striped(1, 1), "PNG"), striped(1, 1), "a picture of 1 x 1"),
        "cmyk": (saved(cmyk, "TIFF"), cmyk.convert("RGB"), "a CMYK picture"),
        "palette": (
            saved(palette(stripes), "PNG", transparency=0),
            palette(stripes).convert("RGB"),
            "a palette with transparency",
        ),
        "gif": (saved(stripes, "GIF", **frames), stripes, "an animated GIF"),
        "webp": (saved(stripes, "WEBP", lossless=True, **frames), stripes, "an animated WebP"),
        "grey_alpha": (saved(with_alpha, "PNG"), grey.convert("RGB"), "grey with transparency"),
        "sixteen_bits": (sixteen, eight, "a grey picture of 16 bits"),
    }


UNREADABLE = {
    "text_file": (b"This is no picture.\n" * 50, "a picture that is a text file"),
    "cut_short": (saved(striped(64, 64), "PNG")[:120], "a picture that ends too early"),
    "bomb": (bomb(50_000), "a picture of 50,000 x 50,000 in 300 kB"),
    "smaller_bomb": (bomb(12_000), "a picture of 12,000 x 12,000 in 18 kB"),
}
HOSTILE = {
    "long": "word " * 2000,
    "one_word": "x" * 10_000,
    "controls": "bell \x07, escape \x1b[31m, NUL \x00, end",
    "html": "<script>alert(1)</script><img src=http://203.0.113.1/x onerror=alert(1)>",
    "formula": '=HYPERLINK("http://203.0.113.1/","x")',
    "mathematics": r"$x^2$ and $\frac{",
    "right_to_left": "\u202eabc\u200f \u05d0",
    "empty": "",
}


def class_folder(path: Path, pictures: dict[str, bytes]) -> dict:
    """An archive as EuroSAT's, and its entry of `datasets`."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in pictures.items():
            archive.writestr(f"2750/Forest/{name}.png", content)
    return {"format": "class_folders", "folder": "2750", "files": {"archive": f"./{path.name}"}}


def coco(folder: Path, name: str, captions: list[str]) -> dict:
    """COCO's files with these captions, and their entry of `datasets`."""
    path = folder / name
    pictures = {
        number: in_format(pixels)
        for number, pixels in enumerate(made_pictures(len(captions), 40, 30, seed=1))
    }
    write_coco_pictures(path / "val2017.zip", "val2017", pictures)
    write_coco_annotations(
        path / "annotations_trainval2017.zip",
        {"val2017": pictures},
        {"val2017": {number: [text] for number, text in enumerate(captions)}},
    )
    files = {"annotations": "annotations_trainval2017.zip", "test": "val2017.zip"}
    files = {role: f"./{name}/{file}" for role, file in files.items()}
    return {"format": "coco", "captions": "last", "files": files}


def pairs(folder: Path) -> dict[str, tuple[dict, str]]:
    """Faulty pairs of your own: the row of `pairs`, and the name of the fault."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3000, 16)).astype(np.float32)
    ids = np.array([f"item{row}" for row in range(3000)], dtype=object)
    frame = pd.DataFrame(index=range(3000))

    def file(name: str, ids=ids, vectors=vectors, cut: float = 1) -> str:
        path = folder / f"{name}.parquet"
        write(EmbeddingSet(ids, vectors, frame), path)
        whole = path.read_bytes()
        path.write_bytes(whole[: round(cut * len(whole))])
        return path.name

    sound = file("sound")
    spoilt = vectors.copy()
    spoilt[7, 3] = np.nan
    twice = ids.copy()
    twice[9] = twice[5]
    other = np.array([f"another{row}" for row in range(3000)], dtype=object)
    faulty = {
        "cut_pairs": (file("cut", cut=0.6), "a truncated Parquet file of your own pairs"),
        "undefined": (file("nan", vectors=spoilt), "a NaN in one vector"),
        "twice": (file("twice", ids=twice), "an id that occurs twice"),
        "other_items": (file("other", ids=other), "pairs of which no item is the same"),
    }
    return {
        name: ({"image": path, "text": sound, "note": "made up"}, words)
        for name, (path, words) in faulty.items()
    } | {"sound": ({"image": sound, "text": sound, "note": "made up"}, "")}


def downloads(folder: Path, url: str, closed: str) -> dict[str, tuple[str, str]]:
    """Assets that cannot be downloaded: the path of each, and the name of the fault."""
    path = folder / "config" / "assets.yaml"
    table = yaml.safe_load(path.read_text(encoding="utf-8"))
    addresses = {
        "unreachable": (f"{closed}/a", "no network"),
        "another_file": (f"{url}/another", "a download that is another file"),
        "absent": (f"{url}/absent", "a download that its origin no longer has"),
    }
    about = {"kind": "file", "licence": "MIT", "purpose": "a test", "sha256": "0" * 64, "bytes": 9}
    entries = {
        name: about | {"path": f"made/{name}", "url": address}
        for name, (address, _) in addresses.items()
    }
    path.write_text(yaml.safe_dump(table | entries), encoding="utf-8")
    return {name: (f"resources/made/{name}", words) for name, (_, words) in addresses.items()}


@pytest.fixture(scope="module")
def ran(tmp_path_factory, snakemake):
    """One run on everything that is faulty, each beside something sound; and what was asked for."""
    folder = tmp_path_factory.mktemp("inputs")
    copy_project(folder, None)
    sound = saved(striped(9, 9), "PNG")
    datasets = {
        name: class_folder(folder / f"{name}.zip", {"sound": sound, name: data})
        for name, (data, _) in UNREADABLE.items()
    }
    datasets["captions"] = coco(folder, "captions", list(HOSTILE.values()))
    datasets["half_character"] = coco(folder, "half", ["whole", "a smile \ud83d"])
    write_eurosat(folder / "cut_archive.zip", {"Forest": [in_format(made_pictures(1, 9, 9, 0)[0])]})
    content = (folder / "cut_archive.zip").read_bytes()
    (folder / "cut_archive.zip").write_bytes(content[: len(content) // 2])
    datasets["cut_archive"] = class_folder(folder / "unused.zip", {}) | {
        "files": {"archive": "./cut_archive.zip"}
    }
    own = pairs(folder)
    config = {
        "datasets": datasets,
        "inputs": {name: {"dataset": name} for name in datasets},
        "pairs": {name: row for name, (row, _) in own.items()},
        "extraction": {"precision": "float32"},
    }
    (folder / "wrong.yaml").write_text(yaml.safe_dump(config))
    asked = {name: f"results/embeddings/{name}/image.parquet" for name in own}
    asked |= {name: f"results/embeddings/{ENCODER}.{name}/image.parquet" for name in UNREADABLE}
    asked["captions"] = f"results/embeddings/{ENCODER}.captions/text.parquet"
    asked |= {
        name: f"results/datasets/{name}.parquet" for name in ("half_character", "cut_archive")
    }
    with serving() as server, refusing() as closed:
        server.files["/another"] = b"something"
        fetched = downloads(folder, server.url, closed)
        asked |= {name: path for name, (path, _) in fetched.items()}
        run = snakemake.run(folder, *CONFIG, "--", *asked.values())
    assert run.code == 1, run.said
    return folder, run, asked, own, fetched


NOTHING = "no file of that name; everything that does not need it"


def test_faulty_inputs_are_told(ran, faults):
    folder, run, asked, own, fetched = ran
    extraction = "results/logs/extract_embeddings"
    logs = {
        **{name: f"{extraction}/{ENCODER}.{name}.image.log" for name in UNREADABLE},
        **{name: f"results/logs/import_files/{name}.image.log" for name in own},
        "half_character": "results/logs/make_dataset/half_character.log",
        "cut_archive": "results/logs/make_dataset/cut_archive.log",
        **{name: f"results/logs/download_asset/made/{name}.log" for name in fetched},
    }
    words = {
        **{name: called for name, (_, called) in UNREADABLE.items()},
        **{name: called for name, (_, called) in own.items()},
        "half_character": "a caption with half a character (a lone surrogate)",
        "cut_archive": "an archive that ends too early",
        **{name: called for name, (_, called) in fetched.items()},
    }
    groups = {
        "Pictures and captions": (*UNREADABLE, "half_character", "cut_archive"),
        "Embeddings": [name for name in own if name != "sound"],
        "Downloads": fetched,
    }
    for group, names in groups.items():
        for name in names:
            reason = run.reason(logs[name])
            assert "Traceback" in (folder / logs[name]).read_text(encoding="utf-8")
            assert not (folder / asked[name]).exists()
            assert not list((folder / asked[name]).parent.glob("*.part")) or name in fetched
            port = reason.partition("http://127.0.0.1:")[2].partition("/")[0]
            reason = reason.replace(f"127.0.0.1:{port}", "127.0.0.1") if port else reason
            faults.add(group, words[name], reason, run.code, NOTHING, folder)
    for name in ("sound", "captions"):
        assert (folder / asked[name]).is_file()


def test_captions_of_any_kind_are_data(ran, faults):
    folder, _, asked, _, _ = ran
    texts = pd.read_parquet(folder / "results/datasets/captions.parquet")["text"]
    assert list(texts) == [text.strip() for text in HOSTILE.values()]
    vectors = read(folder / asked["captions"]).vectors
    assert len(vectors) == len(HOSTILE)
    assert np.isfinite(vectors).all()
    faults.add(
        "Pictures and captions",
        "captions of 10,000 characters, with control characters, HTML, a spreadsheet or TeX "
        "formula, right-to-left text, and empty ones",
        "",
        None,
        "each is used unchanged as text by data set and encoder",
    )


def test_odd_pictures_are_read_and_unreadable_ones_can_be_skipped(tmp_path, snakemake, faults):
    copy_project(tmp_path, None)
    odd = readable()
    pictures = {name: data for name, (data, _, _) in odd.items()}
    pictures |= {name: data for name, (data, _) in UNREADABLE.items()}
    plain = {name: saved(picture, "PNG") for name, (_, picture, _) in odd.items()}
    config = {
        "datasets": {
            "odd": class_folder(tmp_path / "odd.zip", pictures),
            "plain": class_folder(tmp_path / "plain.zip", plain),
        },
        "inputs": {name: {"dataset": name} for name in ("odd", "plain")},
        "extraction": {"unreadable": "skip", "precision": "float32"},
    }
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(config))
    paths = [f"results/embeddings/{ENCODER}.{name}/image.parquet" for name in ("odd", "plain")]
    run = snakemake.run(tmp_path, *CONFIG, "--", *paths)
    assert run.code == 0, run.said
    seen, expected = (read(tmp_path / path) for path in paths)
    assert (
        list(seen.item_ids) == list(expected.item_ids) == sorted(f"Forest/{name}" for name in odd)
    )
    np.testing.assert_allclose(seen.vectors, expected.vectors, rtol=1e-5, atol=1e-6)
    assert seen.metadata["skipped"] == sorted(f"Forest/{name}" for name in UNREADABLE)
    # What the bombs would unpack to is 2.5 GB and more.
    assert seen.metadata["extraction"]["peak_memory_mb"] < 1500
    for _, _, called in odd.values():
        faults.add(
            "Pictures and captions",
            called,
            "",
            None,
            "its embedding equals that of its first frame as 8-bit RGB",
        )
    log = tmp_path / f"results/logs/extract_embeddings/{ENCODER}.odd.image.log"
    skipped = [line for line in log.read_text("utf-8").splitlines() if line.startswith("skipped")]
    assert len(skipped) == len(UNREADABLE)
    faults.add(
        "Pictures and captions",
        "the unreadable ones above, with `extraction.unreadable: skip`",
        skipped[0],
        run.code,
        "the item is left out of both modalities, and the metadata list it",
    )


WRONG = {
    "an unknown key": {"sead": 1},
    "a number in words": {"seed": "one"},
    "a temperature of zero": {"loss_landscape": {"temperatures": [0.0, 1.0]}},
    "a task that does not exist": {"table1": {"tasks": ["emoji_grups"]}},
    "a set in a table that does not exist": {"table2": {"set": "stiched"}},
    "an encoder that does not exist": {"sets": {"digit_clip": {"encoder": "digit_klip"}}},
    "an architecture that does not exist": {
        "models": {
            "mine": {"library": "open_clip", "architecture": "ViT-B-33", "pretrained": "openai"}
            | {"inputs": "emoji_test"}
        }
    },
    "a missing file of your own pairs": {
        "pairs": {"mine": {"image": "a.npy", "text": "b.npy", "note": "made up"}}
    },
    "a control character in a note": {"sets": {"digit_clip": {"note": "bell \x07"}}},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("config")
    copy_project(folder, None)
    return folder


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_ends_the_run_before_any_job(name, project, snakemake, faults):
    (project / "wrong.yaml").write_text(yaml.safe_dump(WRONG[name]))
    run = snakemake.run(project, *CONFIG)
    assert run.code == 1
    assert run.jobs() == {}
    assert not (project / "results" / "logs").exists()
    faults.add("The configuration", name, run.refusal(), run.code, "nothing has begun", project)
