"""The archives that the tests write are those that others' readers of the official files read."""

import csv
import json
import shutil
import tarfile
import zipfile

import numpy as np
import official_formats as formats
import pytest
import torch
import torchvision

from modality_gap.encoders.open_clip import hidden

SIZES = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {
        "context_length": 77, "vocab_size": 49408, "width": 64, "heads": 1, "layers": 2,
    },
}  # fmt: skip


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("write", "reader", "classes"),
    [
        (formats.write_cifar10, torchvision.datasets.CIFAR10, formats.CIFAR10_CLASSES),
        (formats.write_cifar100, torchvision.datasets.CIFAR100, formats.CIFAR100_CLASSES),
    ],
)
def test_cifar(tmp_path, write, reader, classes):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(24) % len(classes)
    path = tmp_path / reader.filename
    write(path, (pixels[:17], labels[:17]), (pixels[17:], labels[17:]))
    with tarfile.open(path) as archive:
        assert archive.getnames()[0] == reader.base_folder
    shutil.unpack_archive(path, tmp_path)
    for train, rows in ((True, slice(17)), (False, slice(17, 24))):
        read = reader(tmp_path, train=train)
        assert (read.data == pixels[rows]).all()
        assert read.targets == list(labels[rows])
    assert read.classes == classes
    assert len(set(classes)) == len(classes) == (10 if write is formats.write_cifar10 else 100)


@pytest.mark.usefixtures("unchecked")
def test_svhn(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (11, 32, 32, 3), dtype=np.uint8)
    digits = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
    formats.write_svhn(tmp_path / "test_32x32.mat", pixels, digits)
    read = torchvision.datasets.SVHN(tmp_path, split="test")
    assert (read.data.transpose(0, 2, 3, 1) == pixels).all()
    assert list(read.labels) == list(digits)
    assert (np.asarray(read[3][0]) == pixels[3]).all()


def test_eurosat(tmp_path):
    pictures = {
        name: [formats.encoded(p) for p in formats.made_pictures(2, 64, 64, seed)]
        for seed, name in enumerate(formats.EUROSAT_CLASSES)
    }
    formats.write_eurosat(tmp_path / "EuroSAT.zip", pictures)
    zipfile.ZipFile(tmp_path / "EuroSAT.zip").extractall(tmp_path / "eurosat")
    read = torchvision.datasets.EuroSAT(tmp_path)
    assert read.classes == formats.EUROSAT_CLASSES
    assert read.targets == [label for label in range(10) for _ in range(2)]
    assert (np.asarray(read[5][0]) == formats.decoded(pictures["HerbaceousVegetation"][1])).all()


@pytest.mark.usefixtures("unchecked")
def test_imagenet(tmp_path):
    pictures = [formats.encoded(p) for p in formats.made_pictures(6, 40, 30, 0)]
    synsets = [("n01440764", "tench, Tinca tinca"), ("n02119789", "kit fox"), ("n00000003", "x")]
    truth = [2, 1, 1, 2, 3, 3]
    formats.write_imagenet_val(tmp_path / "ILSVRC2012_img_val.tar", pictures)
    formats.write_imagenet_devkit(tmp_path / "ILSVRC2012_devkit_t12.tar.gz", synsets, truth)
    read = torchvision.datasets.ImageNet(tmp_path, split="val")
    assert read.classes == [("x",), ("tench", "Tinca tinca"), ("kit fox",)]
    by_name = {path.rpartition("_")[2]: label for path, label in read.imgs}
    wnids = [read.wnids[by_name[f"{n:08d}.JPEG"]] for n in range(1, 7)]
    assert wnids == [synsets[number - 1][0] for number in truth]


def test_coco_has_the_structure_of_the_official_files(tmp_path, mirror):
    official = json.loads((mirror / "coco" / "captions_val2017.json").read_text())
    with zipfile.ZipFile(mirror / "coco" / "val2017.zip") as archive:
        names = archive.namelist()[:3]
        pictures = {int(name[8:-4]): archive.read(name) for name in names}
    captions = {number: ["first", f"last of {number}"] for number in pictures}
    formats.write_coco_pictures(tmp_path / "val2017.zip", "val2017", pictures)
    with zipfile.ZipFile(tmp_path / "val2017.zip") as archive:
        assert archive.namelist() == ["val2017/", *names]
        assert archive.read(names[1]) == pictures[int(names[1][8:-4])]
    formats.write_coco_annotations(
        tmp_path / "annotations.zip", {"val2017": pictures}, {"val2017": captions}
    )
    with zipfile.ZipFile(tmp_path / "annotations.zip") as archive:
        written = json.loads(archive.read("annotations/captions_val2017.json"))
    assert written["info"] == official["info"]
    assert written["licenses"][0] in official["licenses"]
    for part in ("images", "annotations"):
        assert written[part][0].keys() == official[part][0].keys()
    of_official = {image["id"]: image for image in official["images"]}
    for image in written["images"]:
        for key in ("file_name", "coco_url", "height", "width"):
            assert image[key] == of_official[image["id"]][key]


def test_hateful_memes(tmp_path):
    data = formats.encoded(formats.made_pictures(1, 40, 30, 0)[0], "PNG")
    rows = {"dev_seen": [(data, "a text", 1), (data, "another", 0)], "train": [(data, "x", 0)]}
    formats.write_hateful_memes(tmp_path / "hateful_memes.zip", rows)
    with zipfile.ZipFile(tmp_path / "hateful_memes.zip") as archive:
        lines = archive.read("data/dev_seen.jsonl").decode().splitlines()
        for line, (_, text, label) in zip(map(json.loads, lines), rows["dev_seen"], strict=True):
            assert (line["text"], line["label"]) == (text, label)
            assert archive.read(f"data/{line['img']}") == data


def test_fairface_has_the_columns_and_names_of_the_official_files(tmp_path, mirror):
    with (mirror / "fairface" / "fairface_label_val_sample.csv").open(newline="") as file:
        official = list(csv.DictReader(file))
    with zipfile.ZipFile(mirror / "fairface" / "fairface_val_sample.zip") as archive:
        faces = [
            (archive.read(row["file"]), row["race"], row["gender"], row["age"])
            for row in official[:4]
        ]
    formats.write_fairface(tmp_path / "pictures.zip", tmp_path / "labels.csv", faces)
    with (tmp_path / "labels.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert written[0].keys() == official[0].keys()
    with zipfile.ZipFile(tmp_path / "pictures.zip") as archive:
        for row, face in zip(written, faces, strict=True):
            assert archive.read(row["file"]) == face[0]
            assert (row["race"], row["gender"], row["age"]) == face[1:]


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_open_clip_reads_the_archive_of_clip_as_openai_s_own(tmp_path):
    with hidden("transformers"):  # as modality_gap.encoders does: it takes long to import
        from open_clip.openai import load_openai_model

    path = tmp_path / "ViT-B-32.pt"
    formats.write_openai_clip(path, SIZES, seed=3)
    model = load_openai_model(str(path), precision="fp32", device="cpu")
    state = formats.openai_clip_state(SIZES, seed=3)
    read = model.state_dict()
    sizes = {"input_resolution", "context_length", "vocab_size"}
    assert read.keys() == state.keys() - sizes
    assert all((read[name] == state[name].float()).all() for name in read)
    assert torch.jit.load(path).state_dict()["input_resolution"] == 32
    vectors = model.encode_image(torch.randn(2, 3, 32, 32))
    assert vectors.shape == (2, 16)
    assert vectors.isfinite().all()


def test_torchvision_reads_the_state_dict_of_a_resnet(tmp_path):
    formats.write_resnet(tmp_path / "resnet18.pth", "resnet18", seed=1)
    state = torch.load(tmp_path / "resnet18.pth", weights_only=True)
    model = torchvision.models.resnet18(weights=None)
    model.load_state_dict(state)
    assert len(state) == 122


def test_an_archive_is_the_same_whenever_it_is_written(tmp_path):
    pixels = formats.made_pictures(4, 32, 32, 0)
    labels = np.arange(4)
    for name in ("a", "b"):
        folder = tmp_path / name
        formats.write_cifar10(folder / "cifar.tar.gz", (pixels, labels), (pixels, labels))
        formats.write_svhn(folder / "svhn.mat", pixels, labels)
        formats.write_zip(folder / "zip.zip", {"a/": "", "a/b": b"b"})
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
