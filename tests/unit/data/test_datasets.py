"""Data sets in their authors' formats, out of real files and out of small ones made here."""

import io
import json
import os
import pickle
import shutil
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from pathlib import Path

import numpy as np
import official_formats as formats
import pandas as pd
import pyarrow.parquet as pq
import pytest
import scipy.io
import torchvision
from PIL import Image

from modality_gap.config.declarations import Format
from modality_gap.data.datasets import write_dataset
from modality_gap.data.formats import FORMATS
from modality_gap.data.readers import ROWS, coco_all_captions, coco_captions
from modality_gap.errors import InputError

DOCUMENT = {
    "images": [{"id": 9, "file_name": "9.jpg"}]
    + [{"id": number, "file_name": f"{number}.jpg"} for number in range(1, 5)],
    "annotations": [
        {"id": 4, "image_id": 9, "caption": "the first of nine"},
        {"id": 3, "image_id": 1, "caption": "one \n"},
        {"id": 2, "image_id": 9, "caption": "the last of nine"},
        {"id": 1, "image_id": 4, "caption": "four"},
    ],
}


def write_coco(path: Path, captions: str, files: dict[str, str]) -> None:
    write_dataset(path, {"format": "coco", "captions": captions, "files": {}}, files)


def small_coco(folder: Path, splits: dict[str, list[str]]) -> dict[str, str]:
    """An archive a split, whose pictures hold their own names, and one of captions for all."""
    files = {"annotations": str(folder / "annotations.zip")}
    with zipfile.ZipFile(files["annotations"], "w") as annotations:
        for split, names in splits.items():
            files[split] = str(folder / f"{split}2017.zip")
            annotations.writestr(f"annotations/captions_{split}2017.json", json.dumps(DOCUMENT))
            with zipfile.ZipFile(files[split], "w") as archive:
                archive.mkdir(f"{split}2017")
                for name in names:
                    archive.writestr(f"{split}2017/{name}", name)
    return files


def test_the_first_or_the_last_caption_by_picture_id():
    assert coco_captions(DOCUMENT, "first") == {
        "1.jpg": "one",
        "4.jpg": "four",
        "9.jpg": "the first of nine",
    }
    assert coco_all_captions(DOCUMENT) == {
        "9.jpg": ["the first of nine", "the last of nine"],
        "1.jpg": ["one"],
        "2.jpg": [],
        "3.jpg": [],
        "4.jpg": ["four"],
    }
    last = coco_captions(DOCUMENT, "last")
    assert list(last.items())[-1] == ("9.jpg", "the last of nine")


def test_only_captioned_pictures_of_the_archive_come_and_the_log_counts_them(tmp_path, capsys):
    # 4 has no picture; 2 has no caption, and 7 is not among the pictures that captions speak of.
    splits = {"train": [], "test": ["9.jpg", "1.jpg", "2.jpg", "7.jpg"]}
    write_coco(tmp_path / "coco.parquet", "last", small_coco(tmp_path, splits))
    table = pd.read_parquet(tmp_path / "coco.parquet")
    assert table.to_dict("records") == [
        {"item_id": "1", "image": b"1.jpg", "text": "one", "split": "test"},
        {"item_id": "9", "image": b"9.jpg", "text": "the last of nine", "split": "test"},
    ]
    said = capsys.readouterr().err
    assert "train: 0 of 3 captioned pictures are in" in said
    assert "test: 2 of 3 captioned pictures are in" in said


def test_a_picture_is_in_the_split_of_its_archive(tmp_path):
    splits = {"train": ["4.jpg", "1.jpg"], "val": ["9.jpg"]}
    write_coco(tmp_path / "coco.parquet", "first", small_coco(tmp_path, splits))
    table = pd.read_parquet(tmp_path / "coco.parquet")
    assert list(table["item_id"]) == ["1", "4", "9"]
    assert list(table["split"]) == ["train", "train", "val"]
    assert list(table["text"]) == ["one", "four", "the first of nine"]


def test_a_picture_held_out_is_trained_on_with_no_caption(tmp_path):
    files = small_coco(tmp_path, {"val": ["9.jpg", "1.jpg", "4.jpg"]})
    options = {"format": "coco", "captions": "last", "held_out": 2, "files": {}}
    write_dataset(tmp_path / "coco.parquet", options, files)
    table = pd.read_parquet(tmp_path / "coco.parquet")
    assert list(table["item_id"]) == ["1", "4", "9_0", "9_1"]
    assert list(table["split"]) == ["test", "test", "train", "train"]
    assert list(table["text"][2:]) == ["the first of nine", "the last of nine"]
    photograph = table["item_id"].str.partition("_")[0]
    assert not set(photograph[table["split"] == "train"]) & set(
        photograph[table["split"] == "test"]
    )


def test_a_union_has_all_rows_and_says_whence(tmp_path):
    one = pd.DataFrame({"item_id": ["a", "b"], "image": [b"1", b"2"], "text": ["x", "y"]})
    other = one.assign(split="train", group="animals").drop(columns="image").assign(image=b"3")
    files = {"first": str(tmp_path / "one.parquet"), "second": str(tmp_path / "other.parquet")}
    for path, table in zip(files.values(), (one, other), strict=True):
        table.to_parquet(path, index=False)
    write_dataset(tmp_path / "both.parquet", {"format": "union", "files": files}, files)
    table = pd.read_parquet(tmp_path / "both.parquet")
    assert list(table["item_id"]) == ["first/a", "first/b", "second/a", "second/b"]
    assert list(table["source"]) == ["first"] * 2 + ["second"] * 2
    assert list(table["group"]) == ["", "", "animals", "animals"]
    assert list(table["image"]) == [b"1", b"2", b"3", b"3"]


def test_a_large_data_set_comes_in_groups_of_rows_in_its_order(tmp_path, capsys):
    count = 2 * ROWS + 3
    table = pd.DataFrame({"item_id": [f"{number:04d}" for number in range(count)]})
    table = table.assign(image=b"x", label=[str(number % 7) for number in range(count)])
    files = {"all": str(tmp_path / "all.parquet")}
    table.to_parquet(files["all"], index=False)
    write_dataset(tmp_path / "union.parquet", {"format": "union", "files": files}, files)
    file = pq.ParquetFile(tmp_path / "union.parquet")
    groups = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    assert groups == [ROWS, ROWS, 3]
    found = file.read().to_pandas()
    assert list(found["item_id"]) == [f"all/{item}" for item in table["item_id"]]
    assert list(found["label"]) == list(table["label"])
    assert f"{count} pictures of 7 classes" in capsys.readouterr().err


def test_large_pictures_come_in_small_groups(tmp_path, monkeypatch):
    monkeypatch.setattr("modality_gap.data.datasets.LARGEST", 20)
    table = pd.DataFrame({"item_id": list("abcde"), "image": [b"x" * 10] * 5})
    files = {"all": str(tmp_path / "all.parquet")}
    table.to_parquet(files["all"], index=False)
    write_dataset(tmp_path / "union.parquet", {"format": "union", "files": files}, files)
    file = pq.ParquetFile(tmp_path / "union.parquet")
    assert [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)] == [3, 2]
    assert list(file.read().to_pandas()["item_id"]) == [f"all/{item}" for item in "abcde"]


def test_coco_s_own_files(tmp_path, mirror):
    files = {
        "annotations": str(mirror / "coco" / "captions_val2017.json"),
        "test": str(mirror / "coco" / "val2017.zip"),
    }
    with zipfile.ZipFile(files["test"]) as archive:
        stored = {Path(name).stem: archive.read(name) for name in archive.namelist()}
    document = json.loads(Path(files["annotations"]).read_text())
    captions = pd.DataFrame(document["annotations"]).groupby("image_id")["caption"]
    for which, wanted in (("first", captions.first()), ("last", captions.last())):
        path = tmp_path / f"{which}.parquet"
        write_coco(path, which, files)
        file = pq.ParquetFile(path)
        assert file.schema_arrow.names == ["item_id", "image", "text", "split"]
        groups = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        assert max(groups) <= ROWS
        table = file.read().to_pandas()
        assert list(table["split"]) == ["test"] * 159
        assert list(table["item_id"]) == sorted(stored)
        assert dict(zip(table["item_id"], table["image"], strict=True)) == stored
        texts = wanted[table["item_id"].astype(int)].str.strip()
        assert list(table["text"]) == list(texts)
    sizes = {int(image["id"]): (image["width"], image["height"]) for image in document["images"]}
    for item, data in zip(table["item_id"][:20], table["image"], strict=False):
        assert Image.open(io.BytesIO(data)).size == sizes[int(item)]
    with pytest.raises(InputError, match="two images have the item_id '000000000139'"):
        write_coco(tmp_path / "twice.parquet", "first", {**files, "again": files["test"]})


# --- the other formats ----------------------------------------------------------------------------


def read_back(tmp_path: Path, form: str, files: dict[str, Path], **options: str) -> pd.DataFrame:
    """The dataset of a small archive, read where nothing but the dataset may be written."""
    folder = tmp_path / "written"
    folder.mkdir(exist_ok=True)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    path = folder / "data.parquet"
    files = {role: str(file) for role, file in files.items()}
    write_dataset(path, {"format": form, "files": files} | options, files)
    assert {file for file in tmp_path.rglob("*") if file.is_file()} == before | {path}
    table = pd.read_parquet(path)
    assert table["item_id"].is_unique
    assert {*table} - {"item_id", "image"} == {*FORMATS[form].columns}
    return table


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("write", "reader"),
    [
        (formats.write_cifar10, torchvision.datasets.CIFAR10),
        (formats.write_cifar100, torchvision.datasets.CIFAR100),
    ],
)
def test_cifar_is_what_torchvision_reads(tmp_path, write, reader):
    pixels = formats.made_pictures(27, 32, 32, seed=1)
    labels = np.arange(27) * 7 % (10 if reader is torchvision.datasets.CIFAR10 else 100)
    path = tmp_path / reader.filename
    write(path, (pixels[:20], labels[:20]), (pixels[20:], labels[20:]))
    table = read_back(tmp_path, "cifar", {"archive": path})
    shutil.unpack_archive(path, tmp_path)
    for split in ("train", "test"):
        theirs = reader(tmp_path, train=split == "train")
        # The archive has the batches in another order than their numbers'.
        ours = table[table["split"] == split].sort_values("item_id")
        assert list(ours["label"]) == [theirs.classes[label] for label in theirs.targets]
        for data, picture in zip(ours["image"], theirs.data, strict=True):
            np.testing.assert_array_equal(formats.decoded(data), picture)


@pytest.mark.usefixtures("unchecked")
def test_svhn_is_what_torchvision_reads(tmp_path):
    digits = np.arange(13) % 10
    path = tmp_path / "test_32x32.mat"
    formats.write_svhn(path, formats.made_pictures(13, 32, 32, seed=2), digits)
    table = read_back(tmp_path, "svhn", {"pictures": path})
    theirs = torchvision.datasets.SVHN(tmp_path, split="test")
    assert list(table["label"]) == [str(digit) for digit in theirs.labels]
    for data, (picture, _) in zip(table["image"], theirs, strict=True):
        np.testing.assert_array_equal(formats.decoded(data), np.asarray(picture))


def test_eurosat_is_what_torchvision_reads(tmp_path):
    pictures = {
        name: [formats.encoded(picture) for picture in formats.made_pictures(2, 64, 64, seed)]
        for seed, name in enumerate(formats.EUROSAT_CLASSES)
    }
    formats.write_eurosat(tmp_path / "EuroSAT.zip", pictures)
    table = read_back(
        tmp_path, "class_folders", {"archive": tmp_path / "EuroSAT.zip"}, folder="2750"
    )
    (tmp_path / "eurosat").mkdir()
    with zipfile.ZipFile(tmp_path / "EuroSAT.zip") as archive:
        archive.extractall(tmp_path / "eurosat")
    theirs = torchvision.datasets.EuroSAT(tmp_path)
    assert list(table["label"]) == [theirs.classes[label] for _, label in theirs.samples]
    for data, (path, _) in zip(table["image"], theirs.samples, strict=True):
        assert data == Path(path).read_bytes()


@pytest.mark.usefixtures("unchecked")
def test_imagenet_is_what_torchvision_reads(tmp_path):
    synsets = [
        ("n02012849", "crane"),
        ("n01440764", "tench, Tinca tinca"),
        ("n03126707", "crane"),
    ]
    truth = [3, 1, 2, 2, 1]
    pictures = [formats.encoded(picture) for picture in formats.made_pictures(5, 40, 30, seed=3)]
    files = {
        "pictures": tmp_path / "ILSVRC2012_img_val.tar",
        "devkit": tmp_path / "ILSVRC2012_devkit_t12.tar.gz",
    }
    formats.write_imagenet_val(files["pictures"], pictures)
    formats.write_imagenet_devkit(files["devkit"], synsets, truth)
    table = read_back(tmp_path, "imagenet", files)
    words = ["crane (n02012849)", "tench, Tinca tinca", "crane (n03126707)"]
    assert list(table["label"]) == [words[number - 1] for number in truth]
    assert list(table["image"]) == pictures
    theirs = torchvision.datasets.ImageNet(tmp_path, split="val")
    wnids = dict(zip(words, [wnid for wnid, _ in synsets], strict=True))
    by_name = {Path(path).stem: theirs.wnids[label] for path, label in theirs.samples}
    assert by_name == {row["item_id"]: wnids[row["label"]] for row in table.to_dict("records")}


def test_hateful_memes(tmp_path):
    path = tmp_path / "hateful_memes.zip"
    pictures = formats.made_pictures(3, 20, 20, seed=4)
    memes = [
        (formats.encoded(picture, "PNG"), "look, \u201cwords\u201d", n % 2)
        for n, picture in enumerate(pictures)
    ]
    formats.write_hateful_memes(path, {"train": memes[:1], "dev_seen": memes[1:]})
    table = read_back(tmp_path, "hateful_memes", {"archive": path}, split="dev_seen")
    assert list(table["label"]) == ["hatespeech meme", "meme"]
    assert list(table["image"]) == [meme[0] for meme in memes[1:]]
    assert list(table["text"]) == ["look, \u201cwords\u201d"] * 2
    with pytest.raises(InputError, match=r"no dev.jsonl; choose `split` from train, dev_seen"):
        read_back(tmp_path, "hateful_memes", {"archive": path}, split="dev")


def test_fairface(tmp_path):
    faces = [
        (formats.encoded(picture), race, gender, "20-29")
        for picture, race, gender in zip(
            formats.made_pictures(3, 30, 30, seed=5),
            ["Latino_Hispanic", "East Asian", "White"],
            ["Female", "Male", "Male"],
            strict=True,
        )
    ]
    files = {"pictures": tmp_path / "faces.zip", "labels": tmp_path / "labels.csv"}
    formats.write_fairface(*files.values(), faces)
    table = read_back(tmp_path, "fairface", files)
    assert list(table["race"]) == ["Latino", "East Asian", "White"]
    assert list(table["gender"]) == ["woman", "man", "man"]
    assert list(table["item_id"]) == ["val/1", "val/2", "val/3"]
    assert list(table["image"]) == [face[0] for face in faces]
    # Packed with a folder around it, as people do; a picture goes by its name and its folder's.
    members = {f"fairface/{split}/{n}.jpg": b"x" for split in ("train", "val") for n in (1, 2, 3)}
    formats.write_zip(files["pictures"], members | {"fairface/val/1.jpg": b"one"})
    table = read_back(tmp_path, "fairface", files)
    assert list(table["item_id"]) == ["val/1", "val/2", "val/3"]
    assert list(table["image"]) == [b"one", b"x", b"x"]
    assert list(table["age"]) == ["20-29"] * 3
    with zipfile.ZipFile(files["pictures"], "w") as archive:
        archive.writestr("val/1.jpg", faces[0][0])
    with pytest.raises(InputError, match=r"faces.zip has no picture val/2.jpg"):
        read_back(tmp_path, "fairface", files)


def test_fairface_s_own_files(tmp_path, mirror):
    folder = mirror / "fairface"
    files = {
        "pictures": folder / "fairface_val_sample.zip",
        "labels": folder / "fairface_label_val_sample.csv",
    }
    table = read_back(tmp_path, "fairface", files)
    groups = table.groupby(["race", "gender"]).size()
    assert (groups == 100).all()
    assert set(table["race"]) == {
        "Black", "White", "Indian", "Latino", "Middle Eastern", "Southeast Asian", "East Asian",
    }  # fmt: skip
    official = pd.read_csv(files["labels"]).set_index("file")
    for row in table[::200].to_dict("records"):
        assert official.loc[f"{row['item_id']}.jpg", "age"] == row["age"]
        assert Image.open(io.BytesIO(row["image"])).size == (224, 224)


def test_cifar_s_own_pictures_in_class_folders(tmp_path, mirror):
    archive = mirror / "cifar10" / "cifar10_test_jpeg.zip"
    table = read_back(tmp_path, "class_folders", {"archive": archive}, folder="test")
    assert dict(table["label"].value_counts()) == dict.fromkeys(formats.CIFAR10_CLASSES, 200)
    assert formats.decoded(table["image"][7]).shape == (32, 32, 3)


# --- archives that are not what they should be ----------------------------------------------------

CLIMBING = ["../escaped.jpg", "2750/../../escaped.jpg", "/tmp/escaped.jpg", "C:\\escaped.jpg"]


def refusal(tmp_path: Path, form: str, files: dict[str, Path], **options: str) -> str:
    """What is told of files that cannot be used, which is one sentence."""
    files = {role: str(file) for role, file in files.items()}
    with pytest.raises(InputError) as caught:
        write_dataset(tmp_path / "none.parquet", {"format": form, "files": files} | options, files)
    told = str(caught.value)
    assert "\n" not in told
    assert any(told.startswith(file) for file in files.values()), told  # the file it is about
    return told


@pytest.mark.parametrize("name", CLIMBING)
def test_a_zip_that_climbs_out_of_its_folder_is_refused(tmp_path, name):
    path = tmp_path / "pictures.zip"
    formats.write_zip(path, {"2750/River/River_1.jpg": b"picture", name: b"escaped"})
    told = refusal(tmp_path, "class_folders", {"archive": path}, folder="2750")
    assert told.startswith(f"{path}: the member {name!r} would be unpacked outside its folder")
    assert not list(tmp_path.parent.rglob("escaped*"))


@pytest.mark.parametrize("name", CLIMBING)
def test_a_tar_that_climbs_out_of_its_folder_is_refused(tmp_path, name):
    path = tmp_path / "cifar-10-python.tar.gz"
    formats.write_tar(path, {name: b"escaped"})
    assert "would be unpacked outside its folder" in refusal(tmp_path, "cifar", {"archive": path})


class Evil:
    def __init__(self, *call: object):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


@pytest.mark.parametrize(
    "call",
    [(os.system, "touch escaped"), (eval, "1"), (np.load, "batches"), (getattr, "a", "upper")],
    ids=lambda call: call[0].__name__,
)
def test_a_pickle_that_calls_for_anything_else_is_refused(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "cifar-10-python.tar.gz"
    meta = pickle.dumps({"label_names": ["a"], "evil": Evil(*call)}, protocol=2)
    formats.write_tar(path, {"cifar-10-batches-py/batches.meta": meta})
    told = refusal(tmp_path, "cifar", {"archive": path})
    assert told.startswith(
        f"{path}: the member cifar-10-batches-py/batches.meta is refused (it calls"
    )
    assert told.endswith("not a batch of CIFAR; download the archive again from its publisher.")
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("error", [ValueError, TypeError, KeyError, IndexError, AttributeError])
def test_what_a_reader_raises_for_foreign_content_is_one_sentence(tmp_path, monkeypatch, error):
    def read(files):
        yield {"item_id": "a", "image": b"x", "label": "l"}
        raise error("a word\nand more")

    monkeypatch.setitem(FORMATS, "svhn", Format(read, ("pictures",), ("label",)))
    with pytest.raises(InputError) as caught:
        settings = {"format": "svhn", "files": {}}
        write_dataset(tmp_path / "made.parquet", settings, {"pictures": "a.mat", "more": "b.mat"})
    told = str(caught.value)
    assert told.startswith("a.mat and b.mat: not a valid data set of the format svhn (")
    assert f"({error.__name__}: " in told and "a word" in told
    assert told.endswith("); download it again.") and "\n" not in told
    assert not [*tmp_path.iterdir()]


def test_damaged_files_are_told(tmp_path):
    pixels = formats.made_pictures(30, 32, 32, seed=6)
    zipped, tarred, mat = tmp_path / "a.zip", tmp_path / "b.tar.gz", tmp_path / "c.mat"
    formats.write_eurosat(zipped, {"River": [formats.encoded(p) for p in pixels]})
    formats.write_cifar10(tarred, (pixels, [0] * 30), (pixels, [1] * 30))
    formats.write_svhn(mat, pixels, np.ones(30, dtype=int))
    for path, form, role, options in (
        (zipped, "class_folders", "archive", {"folder": "2750"}),
        (tarred, "cifar", "archive", {}),
        (mat, "svhn", "pictures", {}),
    ):
        whole = path.read_bytes()
        for content in (whole[: len(whole) // 2], b"<html>no quota left</html>", b""):
            path.write_bytes(content)
            told = refusal(tmp_path, form, {role: path}, **options)
            assert told.startswith(f"{path}")
            assert "download it again" in told
        path.unlink()
        assert str(path) in refusal(tmp_path, form, {role: path}, **options)


def test_a_zip_with_a_wrong_byte_or_a_password_is_told(tmp_path):
    path = tmp_path / "EuroSAT.zip"
    formats.write_eurosat(path, {"River": [b"a picture"]})
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"a picture", b"a Picture"))
    assert "Bad CRC" in refusal(tmp_path, "class_folders", {"archive": path}, folder="2750")
    # The flag of an encrypted member, in its own header and in the archive's list.
    locked = bytearray(whole)
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = locked.rindex(mark)
        locked[at + offset] |= 1
    path.write_bytes(locked)
    told = refusal(tmp_path, "class_folders", {"archive": path}, folder="2750")
    assert "have no password" in told


def test_an_archive_of_something_else_is_told(tmp_path):
    path = tmp_path / "other.zip"
    formats.write_zip(path, {"readme.txt": "words"})
    for form, options, words in (
        ("class_folders", {"folder": "2750"}, "no picture in a folder of 2750"),
        ("hateful_memes", {"split": "dev_seen"}, "no dev_seen.jsonl"),
        ("class_folders", {"folder": "."}, "no picture in a folder of ."),
    ):
        assert words in refusal(tmp_path, form, {"archive": path}, **options)
    labels = tmp_path / "labels.csv"
    labels.write_text("a,b\n1,2\n")
    told = refusal(tmp_path, "fairface", {"pictures": path, "labels": labels})
    assert "lacks one of the columns file, age, gender, race" in told
    formats.write_imagenet_val(tmp_path / "val.tar", [b"1", b"2"])
    formats.write_imagenet_devkit(tmp_path / "kit.tgz", [("n1", "tench")], [1])
    told = refusal(
        tmp_path, "imagenet", {"pictures": tmp_path / "val.tar", "devkit": tmp_path / "kit.tgz"}
    )
    assert "no label for ILSVRC2012_val_00000002.JPEG" in told
    formats.write_zip(path, {"data/dev_seen.jsonl": "<html>"})
    told = refusal(tmp_path, "hateful_memes", {"archive": path}, split="dev_seen")
    assert told.startswith(
        f"{path}: not a valid data set of the format hateful_memes (JSONDecodeError"
    )
    told = refusal(
        tmp_path, "coco", {"annotations": path, "test": tmp_path / "val2017.zip"}, captions="last"
    )
    assert "other.zip has no member captions_val2017.json" in told


def repacked(path: Path, name: str, change) -> None:
    """A member of CIFAR's archive with another content."""
    with tarfile.open(path) as archive:
        members = {
            member.name: archive.extractfile(member).read() for member in archive if member.isfile()
        }
    (place,) = (key for key in members if Path(key).name == name)
    content = change(pickle.loads(members[place], encoding="latin1"))
    if content is None:
        del members[place]
    else:
        members[place] = pickle.dumps(content, protocol=2)
    formats.write_tar(path, members)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("test_batch", lambda batch: None, "has no test batch"),
        ("batches.meta", lambda meta: None, "has no member batches.meta or meta"),
        ("batches.meta", lambda meta: {}, "has no member batches.meta or meta"),
        ("data_batch_2", lambda batch: batch | {"labels": [0]}, "does not fit the 1 labels"),
        (
            "data_batch_2",
            lambda batch: batch | {"data": batch["data"].astype(np.int16)},
            "data_batch_2 is int16 of shape (2, 3072), which does not fit the 2 labels",
        ),
        (
            "data_batch_2",
            lambda batch: batch | {"data": batch["data"][:, :-3]},
            "data_batch_2 is uint8 of shape (2, 3069), which does not fit the 2 labels",
        ),
        ("data_batch_2", lambda batch: batch | {"labels": [0, 10]}, "data_batch_2 has no class"),
        ("data_batch_2", lambda batch: batch | {"labels": [-1, 0]}, "data_batch_2 has no class"),
    ],
)
def test_cifar_that_is_not_as_it_was_published_is_refused(tmp_path, name, change, words):
    pixels, path = formats.made_pictures(10, 32, 32, seed=7), tmp_path / "cifar-10-python.tar.gz"
    formats.write_cifar10(path, (pixels, np.arange(10)), (pixels, np.arange(10)))
    repacked(path, name, change)
    assert words in refusal(tmp_path, "cifar", {"archive": path})


@pytest.mark.parametrize(
    ("pictures", "digits", "words"),
    [
        (
            np.zeros((32, 32, 3, 2), np.uint8),
            [1, 2, 3],
            "X is uint8 of shape (32, 32, 3, 2), which does not fit the 3 labels",
        ),
        (np.zeros((32, 32, 3, 2)), [1, 2], "X is float64"),
        (np.zeros((28, 28, 3, 2), np.uint8), [1, 2], "X is uint8 of shape (28, 28, 3, 2)"),
        (np.zeros((32, 32, 3, 2), np.uint8), [0, 1], "a label is not between 1 and 10"),
        (np.zeros((32, 32, 3, 2), np.uint8), [1, 11], "a label is not between 1 and 10"),
    ],
)
def test_svhn_that_is_not_as_it_was_published_is_refused(tmp_path, pictures, digits, words):
    path = tmp_path / "test_32x32.mat"
    scipy.io.savemat(path, {"X": pictures, "y": np.array(digits, np.uint8)[:, None]})
    told = refusal(tmp_path, "svhn", {"pictures": path})
    assert told.startswith(f"{path}: not a valid data set of the format svhn (ValueError: {words}")


def test_memes_without_labels_or_pictures_are_refused_and_empty_lines_passed(tmp_path):
    meme = {"img": "img/1.png", "text": "words", "label": 1}
    for line, words in (
        ({"img": "img/1.png", "text": "words"}, "dev.jsonl has no labels; give another split"),
        (meme | {"img": "img/2.png"}, "has no picture data/img/2.png"),
        (None, ""),
    ):
        lines = [json.dumps(meme), "", "  "] + [json.dumps(line)] * bool(line)
        members = {"data/img/1.png": b"1", "img/1.png": b"2", "data/dev.jsonl": "\n".join(lines)}
        formats.write_zip(tmp_path / "a.zip", members)
        files = {"archive": tmp_path / "a.zip"}
        if line:
            assert words in refusal(tmp_path, "hateful_memes", files, split="dev")
        else:
            table = read_back(tmp_path, "hateful_memes", files, split="dev")
            assert list(table["image"]) == [b"1"]  # of the list's own folder
            assert list(table["label"]) == ["hatespeech meme"]


def test_pictures_of_imagenet_are_those_with_a_number(tmp_path):
    # One is called as a node of WordNet that is no class.
    synsets = [("n1", "tench"), ("n2", "entity")]
    formats.write_imagenet_devkit(tmp_path / "kit.tgz", synsets, [2, 1])
    files = {"pictures": tmp_path / "val.tar", "devkit": tmp_path / "kit.tgz"}
    members = {"val_1.JPEG": b"1", "notes_2.txt": b"2", "cover.JPEG": b"3", "val_2.png": b"4"}
    formats.write_tar(files["pictures"], members)
    table = read_back(tmp_path, "imagenet", files)
    assert dict(zip(table["item_id"], table["label"], strict=True)) == {
        "val_1": "entity",
        "val_2": "tench",
    }
    formats.write_tar(files["pictures"], {"val_0.JPEG": b"0"})
    assert "kit has no label for val_0.JPEG" in refusal(tmp_path, "imagenet", files)
    with tarfile.open(files["devkit"]) as archive:
        kit = {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}
    for name in (name for name in kit if "data/" in name):
        formats.write_tar(files["devkit"], {name: kit[name]})
        told = refusal(tmp_path, "imagenet", files)
        assert "kit.tgz has no meta.mat with the validation labels" in told
    formats.write_tar(files["devkit"], {"kit/data/meta.mat": b""})
    assert "kit.tgz" in refusal(tmp_path, "imagenet", files)


# --- archives as people pack them -----------------------------------------------------------------


class Unflagged(zipfile.ZipInfo):
    """A member whose name is in `encoding` and does not say so."""

    encoding = "utf-8"

    def _encodeFilenameFlags(self):
        return self.filename.encode(self.encoding), self.flag_bits & ~0x800


def packed(path: Path, members: dict[str, bytes], info: type = zipfile.ZipInfo) -> dict[str, Path]:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(info(name), content)
    return {"archive": path}


def encoding(name: str) -> type:
    return type("Info", (Unflagged,), {"encoding": name})


def labels(tmp_path: Path, files: dict[str, Path]) -> dict[str, str]:
    table = read_back(tmp_path, "class_folders", files, folder="birds")
    return dict(zip(table["item_id"], table["label"], strict=True))


def test_pictures_of_one_stem_keep_their_endings(tmp_path, capsys):
    members = {f"birds/owl/{name}": name.encode() for name in ("1.jpg", "1.png", "1.JPG", "2.jpg")}
    for files in (
        packed(tmp_path / "birds.zip", members),
        {"archive": tmp_path / "birds.tar.gz"},
    ):
        if not files["archive"].exists():
            formats.write_tar(files["archive"], members)
        table = read_back(tmp_path, "class_folders", files, folder="birds")
        assert dict(zip(table["item_id"], table["image"], strict=True)) == {
            "owl/1.JPG": b"1.JPG",
            "owl/1.jpg": b"1.jpg",
            "owl/1.png": b"1.png",
            "owl/2": b"2.jpg",
        }
    assert "left out" not in capsys.readouterr().err


def test_two_pictures_that_would_be_one_item_are_named(tmp_path):
    names = ["1.jpg", "1.png", "1.jpg.jpg"]
    files = packed(tmp_path / "a.zip", {f"birds/owl/{name}": b"x" for name in names})
    told = refusal(tmp_path, "class_folders", files, folder="birds")
    assert "birds/owl/1.jpg and birds/owl/1.jpg.jpg would both be the item" in told
    # One name in two folders, of an archive in which names alone are looked up.
    document = {
        "images": [{"id": 1, "file_name": "1.jpg"}],
        "annotations": [{"image_id": 1, "caption": "an owl"}],
    }
    (tmp_path / "captions.json").write_text(json.dumps(document))
    files = packed(tmp_path / "val.zip", {"a/1.jpg": b"a", "b/1.jpg": b"b", "c/1.jpg": b"c"})
    files = {"annotations": tmp_path / "captions.json", "test": files["archive"]}
    told = refusal(tmp_path, "coco", files, captions="last")
    assert "has a/1.jpg and b/1.jpg, which are both called 1.jpg" in told
    # The same name in the archives of two splits.
    files["train"] = packed(tmp_path / "train.zip", {"a/1.jpg": b"c"})["archive"]
    packed(tmp_path / "val.zip", {"a/1.jpg": b"a"})
    told = refusal(tmp_path, "coco", files, captions="last")
    assert "two images have the item_id '1'" in told
    with (
        zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("birds/owl/1.jpg", b"one")
        archive.writestr("birds/owl/1.jpg", b"two")
    files = {"archive": tmp_path / "twice.zip"}
    told = refusal(tmp_path, "class_folders", files, folder="birds")
    assert "two members are called birds/owl/1.jpg" in told


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("info", [zipfile.ZipInfo, Unflagged])
def test_names_of_a_zip_are_those_that_were_typed(tmp_path, info, form):
    members = {"birds/bécasse/1.jpg": b"1", "birds/ふくろう/2.jpg": b"2", "birds/bird/é.jpg": b"3"}
    members = {unicodedata.normalize(form, name): content for name, content in members.items()}
    found = labels(tmp_path, packed(tmp_path / "birds.zip", members, info))
    assert found == {"bécasse/1": "bécasse", "ふくろう/2": "ふくろう", "bird/é": "bird"}
    formats.write_tar(tmp_path / "birds.tar", members)
    assert labels(tmp_path, {"archive": tmp_path / "birds.tar"}) == found
    # The folder, too, as it is typed in the configuration.
    members = {unicodedata.normalize(form, "vögel/owl/1.jpg"): b"1"}
    files = packed(tmp_path / "other.zip", members, info)
    for typed in ("NFC", "NFD"):
        folder = unicodedata.normalize(typed, "vögel")
        assert len(read_back(tmp_path, "class_folders", files, folder=folder)) == 1


def test_names_of_an_old_zip_are_cp437_or_refused(tmp_path):
    members = {"birds/bécasse/1.jpg": b"1", "birds/grün/ß.jpg": b"2"}
    found = labels(tmp_path, packed(tmp_path / "dos.zip", members, encoding("cp437")))
    assert found == {"bécasse/1": "bécasse", "grün/ß": "grün"}
    for other, name in (("shift_jis", "ふくろう"), ("cp866", "сова"), ("latin-1", "bécasse")):
        files = packed(tmp_path / "other.zip", {f"birds/{name}/1.jpg": b"1"}, encoding(other))
        told = refusal(tmp_path, "class_folders", files, folder="birds")
        assert "neither UTF-8 nor cp437" in told


@pytest.mark.parametrize(
    ("letters", "taken"),
    [("ÇÜáÑß", True), ("¢", False), ("¥", False), ("ª", False), ("µ", False), ("α", False)],
)
def test_letters_that_most_old_zips_agree_on_are_taken(tmp_path, letters, taken):
    name = f"birds/{letters}/1.jpg"
    files = packed(tmp_path / "dos.zip", {name: b"1"}, encoding("cp437"))
    if taken:
        assert labels(tmp_path, files) == {f"{letters}/1": letters}
    else:
        told = refusal(tmp_path, "class_folders", files, folder="birds")
        assert f"(read as cp437, one name is {name!r})" in told


def field(kind: int, content: bytes) -> bytes:
    """An extra field of a zip's member."""
    return struct.pack("<HH", kind, len(content)) + content


TIME = field(0x5455, struct.pack("<Bi", 1, 1_600_000_000))
UNIX = field(0x7875, b"\x01\x04\xe8\x03\x00\x00\x04\xe8\x03\x00\x00")


@pytest.mark.parametrize("before", [b"", TIME, UNIX + TIME, field(0xCAFE, b"")])
@pytest.mark.parametrize("behind", [b"", TIME, field(0xCAFE, b"")])
def test_a_zip_may_say_its_names_in_unicode_beside(tmp_path, before, behind):
    member = encoding("cp850")("birds/Ångström/1.jpg")
    raw = member.filename.encode("cp850")
    for kind, check, label in (
        (0x7075, zlib.crc32(raw), "嘴"),
        (0x7075, zlib.crc32(b"a name before"), "Ångström"),  # of a member since renamed
        (0x6375, zlib.crc32(raw), "Ångström"),  # the member's comment
    ):
        beside = struct.pack("<BI", 1, check) + "birds/嘴/1.jpg".encode()
        member.extra = before + field(kind, beside) + behind
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(member, b"1")
        assert labels(tmp_path, {"archive": tmp_path / "a.zip"}) == {f"{label}/1": label}


def test_every_kind_of_picture_is_read_and_the_rest_counted(tmp_path, capsys):
    kinds = ["jpg", "WEBP", "bmp", "tif", "gif", "avif", "jfif", "jp2", "ppm"]
    members = {f"birds/owl/{number}.{kind}": b"x" for number, kind in enumerate(kinds)}
    others = ["birds/owl/a.heic", "birds/owl/b.txt", "birds/c.jpg", "birds/owl/x/d.jpg"]
    elsewhere = ["other/owl/e.jpg", "birds/.DS_Store", "birds/owl/._0.jpg"]
    elsewhere += ["__MACOSX/birds/owl/0.jpg", "birds/.ipynb_checkpoints/0.jpg"]
    members |= dict.fromkeys([*others, *elsewhere], b"y")
    found = labels(tmp_path, packed(tmp_path / "birds.zip", members))
    assert found == {f"owl/{number}": "owl" for number in range(len(kinds))}
    said = capsys.readouterr().err
    assert "are not pictures: 4 files" in said
    assert "2 of .jpg, 1 of .heic, 1 of .txt" in said


def test_another_kind_of_archive_is_told_as_such(tmp_path):
    formats.write_tar(tmp_path / "a.tar.gz", {"a/1.jpg": b"1"})
    formats.write_zip(tmp_path / "b.zip", {"cifar-10-batches-py/batches.meta": b"1"})
    (tmp_path / "c.rar").write_bytes(b"Rar!\x1a\x07\x01\x00 and so on")
    (tmp_path / "d.7z").write_bytes(b"7z\xbc\xaf\x27\x1c and so on")
    (tmp_path / "e.tar.zst").write_bytes(b"(\xb5/\xfd and so on")
    labels = tmp_path / "labels.csv"
    labels.write_text("file,age,gender,race\n")
    for form, files, options, words in (
        (
            "fairface",
            {"pictures": "a.tar.gz", "labels": "labels.csv"},
            {},
            "a tar archive, not a zip",
        ),
        ("cifar", {"archive": "b.zip"}, {}, "is a zip archive, not a tar"),
        (
            "class_folders",
            {"archive": "c.rar"},
            {"folder": "a"},
            "is a RAR archive, not a zip or tar",
        ),
        ("class_folders", {"archive": "d.7z"}, {"folder": "a"}, "is a 7z archive, not a zip or"),
        ("cifar", {"archive": "e.tar.zst"}, {}, "is a Zstandard archive, not a tar; "),
    ):
        files = {role: tmp_path / name for role, name in files.items()}
        told = refusal(tmp_path, form, files, **options)
        assert words in told
        assert "again" not in told


def test_half_a_character_is_told_with_its_item(tmp_path):
    pictures = {1: b"1", 2: b"2"}
    formats.write_zip(
        tmp_path / "val2017.zip", {f"val2017/{n:012d}.jpg": data for n, data in pictures.items()}
    )
    document = {
        "images": [{"id": n, "file_name": f"{n:012d}.jpg"} for n in pictures],
        "annotations": [
            {"image_id": n, "caption": text}
            for n, text in ((1, "a smile \U0001f600"), (2, "\ud83d"))
        ],
    }
    (tmp_path / "captions.json").write_text(json.dumps(document))
    files = {"annotations": tmp_path / "captions.json", "test": tmp_path / "val2017.zip"}
    told = refusal(tmp_path, "coco", files, captions="last")
    assert "the text of item '000000000002' has a character that was cut in two" in told
    assert told.endswith(" (U+D83D is left); correct the text.")
