# ruff: noqa: SIM905 - long lists of names read better as words
"""Small archives in the official formats of the paper's data sets and weights.

Byte layout, member names, dtypes and the order of members are those of the published files; the
content is whatever is given, or made up. tests/unit/encoders/test_official_formats.py reads them
with torchvision's and open_clip's own readers. One function a format; nothing here reads.
"""

import csv
import gzip
import io
import json
import pickle
import struct
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

CIFAR10_CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
CIFAR100_CLASSES = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus "
    "butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch "
    "crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo "
    "keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse "
    "mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy "
    "porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper "
    "snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television "
    "tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
).split()
CIFAR100_COARSE = (
    "aquatic_mammals fish flowers food_containers fruit_and_vegetables "
    "household_electrical_devices household_furniture insects large_carnivores "
    "large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores "
    "medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1 "
    "vehicles_2"
).split()
EUROSAT_CLASSES = (
    "AnnualCrop Forest HerbaceousVegetation Highway Industrial Pasture PermanentCrop Residential "
    "River SeaLake"
).split()
EPOCH = (2020, 1, 1, 0, 0, 0)  # of every member, so that an archive's checksum is always the same


def made_pictures(n: int, width: int, height: int, seed: int) -> np.ndarray:
    """Smooth fields of colour, (n, height, width, 3) uint8: stand-ins for photographs."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    size = (width, height)
    return np.stack(
        [np.asarray(Image.fromarray(c).resize(size, Image.Resampling.BICUBIC)) for c in coarse]
    )


def encoded(pixels: np.ndarray, kind: str = "JPEG") -> bytes:
    """A picture (height, width, 3) uint8 as the bytes of a file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def decoded(data: bytes) -> np.ndarray:
    """The pixels of a picture's file, (height, width, 3) uint8."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def write_zip(path: Path, members: dict[str, bytes | str]) -> None:
    """A zip whose members lie in the order given; a name that ends in "/" is a folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)


def write_tar(path: Path, members: dict[str, bytes | None]) -> None:
    """A tar, gzipped where its name says so; a member without content is a folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.mode = 0o755 if content is None else 0o644
            info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            info.size = len(content or b"")
            archive.addfile(info, io.BytesIO(content or b""))
    packed = path.name.endswith("gz")
    path.write_bytes(gzip.compress(buffer.getvalue(), mtime=0) if packed else buffer.getvalue())


# --- COCO 2017 --------------------------------------------------------------------------------


def write_coco_pictures(path: Path, split: str, pictures: dict[int, bytes]) -> None:
    """train2017.zip or val2017.zip (`split` is train2017 or val2017): JPEGs by picture id."""
    names = {f"{split}/{number:012d}.jpg": data for number, data in pictures.items()}
    write_zip(path, {f"{split}/": "", **names})


def write_coco_annotations(
    path: Path,
    pictures: dict[str, dict[int, bytes]],
    captions: dict[str, dict[int, list[str]]],
) -> None:
    """annotations_trainval2017.zip: by split, the pictures by id and each picture's captions.

    The official files hold a picture's captions apart, in an order that is not the pictures'.
    """
    members = {}
    for split in pictures:
        images = []
        for number, data in pictures[split].items():
            width, height = Image.open(io.BytesIO(data)).size
            name = f"{number:012d}.jpg"
            images.append(
                {
                    "license": 4,
                    "file_name": name,
                    "coco_url": f"http://images.cocodataset.org/{split}/{name}",
                    "height": height,
                    "width": width,
                    "date_captured": "2013-11-14 17:02:52",
                    "flickr_url": f"http://farm1.staticflickr.com/1/{name}",
                    "id": number,
                }
            )
        most = max(map(len, captions[split].values()))
        turns = [
            (number, texts[turn])
            for turn in range(most)
            for number, texts in sorted(captions[split].items(), reverse=turn % 2 == 1)
            if turn < len(texts)
        ]
        document = {
            "info": {
                "description": "COCO 2017 Dataset",
                "url": "http://cocodataset.org",
                "version": "1.0",
                "year": 2017,
                "contributor": "COCO Consortium",
                "date_created": "2017/09/01",
            },
            "licenses": [
                {
                    "url": "http://creativecommons.org/licenses/by/2.0/",
                    "id": 4,
                    "name": "Attribution License",
                }
            ],
            "images": images,
            "annotations": [
                {"image_id": number, "id": at + 37, "caption": text}
                for at, (number, text) in enumerate(turns)
            ],
        }
        empty = {**document, "annotations": [], "categories": []}
        members[f"annotations/instances_{split}.json"] = json.dumps(empty)
        members[f"annotations/captions_{split}.json"] = json.dumps(document)
        members[f"annotations/person_keypoints_{split}.json"] = json.dumps(empty)
    write_zip(path, members)


# --- CIFAR ------------------------------------------------------------------------------------


class _Python2Pickler(pickle._Pickler):
    """Pickles as Python 2 and the NumPy of 2009 did: every string is bytes, and an array is made by
    `numpy.core.multiarray._reconstruct`, which NumPy calls otherwise today."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

    def reducer_override(self, obj):
        if isinstance(obj, np.ndarray):
            state = (1, obj.shape, obj.dtype, False, obj.tobytes())
            return np._core.multiarray._reconstruct, (np.ndarray, (0,), b"b"), state
        return NotImplemented

    def save_bytes(self, obj):
        head = b"U" + struct.pack("<B", len(obj)) if len(obj) < 256 else None
        self.write((head or b"T" + struct.pack("<i", len(obj))) + obj)
        self.memoize(obj)

    def save_str(self, obj):
        self.save_bytes(obj.encode("ascii"))

    def save_global(self, obj, name=None):
        if obj is np._core.multiarray._reconstruct:
            self.write(b"cnumpy.core.multiarray\n_reconstruct\n")
            self.memoize(obj)
        else:
            super().save_global(obj, name)

    dispatch[bytes] = save_bytes
    dispatch[str] = save_str
    dispatch[type] = save_global


def _python2_pickle(content: dict) -> bytes:
    buffer = io.BytesIO()
    _Python2Pickler(buffer, protocol=2).dump(content)
    return buffer.getvalue()


def _cifar_rows(pixels: np.ndarray) -> np.ndarray:
    """(n, 32, 32, 3) as CIFAR stores it: (n, 3072), all red first, then green, then blue."""
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2).reshape(len(pixels), 3072))


def write_cifar10(path: Path, train: tuple, test: tuple) -> None:
    """cifar-10-python.tar.gz; a split is (pixels (n, 32, 32, 3) uint8, class numbers (n,)), and
    train is divided among the five batches."""

    def batch(pixels, labels, name):
        return _python2_pickle(
            {
                "batch_label": name,
                "labels": [int(label) for label in labels],
                "data": _cifar_rows(pixels),
                "filenames": [
                    f"{CIFAR10_CLASSES[label]}_s_{n:06d}.png" for n, label in enumerate(labels)
                ],
            }
        )

    batches = {
        f"data_batch_{n}": batch(pixels, labels, f"training batch {n} of 5")
        for n, (pixels, labels) in enumerate(
            zip(*(np.array_split(part, 5) for part in train), strict=True), start=1
        )
    }
    meta = {"num_cases_per_batch": 10000, "label_names": CIFAR10_CLASSES, "num_vis": 3072}
    members = {
        "data_batch_4": batches["data_batch_4"],
        "readme.html": b'<meta HTTP-EQUIV="REFRESH" content="0; url=cifar.html">\n',
        "test_batch": batch(*test, "testing batch 1 of 1"),
        "data_batch_3": batches["data_batch_3"],
        "batches.meta": _python2_pickle(meta),
        "data_batch_2": batches["data_batch_2"],
        "data_batch_5": batches["data_batch_5"],
        "data_batch_1": batches["data_batch_1"],
    }
    top = "cifar-10-batches-py"
    write_tar(path, {top: None, **{f"{top}/{name}": data for name, data in members.items()}})


def write_cifar100(path: Path, train: tuple, test: tuple) -> None:
    """cifar-100-python.tar.gz; a split is (pixels (n, 32, 32, 3) uint8, fine class numbers (n,)).

    The coarse labels are made up (fine number modulo 20): nothing here reads them.
    """

    def split(pixels, labels, name):
        return _python2_pickle(
            {
                "filenames": [
                    f"{CIFAR100_CLASSES[label]}_s_{n:06d}.png" for n, label in enumerate(labels)
                ],
                "batch_label": name,
                "fine_labels": [int(label) for label in labels],
                "coarse_labels": [int(label) % 20 for label in labels],
                "data": _cifar_rows(pixels),
            }
        )

    meta = {"fine_label_names": CIFAR100_CLASSES, "coarse_label_names": CIFAR100_COARSE}
    members = {
        "file.txt~": b"",
        "train": split(*train, "training batch 1 of 1"),
        "test": split(*test, "testing batch 1 of 1"),
        "meta": _python2_pickle(meta),
    }
    top = "cifar-100-python"
    write_tar(path, {top: None, **{f"{top}/{name}": data for name, data in members.items()}})


# --- EuroSAT, SVHN, HatefulMemes, FairFace ----------------------------------------------------


def write_eurosat(path: Path, pictures: dict[str, list[bytes]]) -> None:
    """EuroSAT.zip: JPEGs (64 x 64) by class."""
    members = {"2750/": ""}
    for name, of_class in pictures.items():
        members[f"2750/{name}/"] = ""
        for number, data in enumerate(of_class, start=1):
            members[f"2750/{name}/{name}_{number}.jpg"] = data
    write_zip(path, members)


def write_svhn(path: Path, pixels: np.ndarray, digits: np.ndarray) -> None:
    """test_32x32.mat: pixels (n, 32, 32, 3) uint8, digits (n,) from 0 to 9; 0 is stored as 10."""
    import scipy.io

    path.parent.mkdir(parents=True, exist_ok=True)
    y = np.where(digits == 0, 10, digits).astype(np.uint8)[:, None]
    scipy.io.savemat(path, {"X": pixels.transpose(1, 2, 3, 0), "y": y}, do_compression=True)
    stored = bytearray(path.read_bytes())
    stored[:116] = b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(116)  # it held today's date
    path.write_bytes(stored)


def write_hateful_memes(
    path: Path, splits: dict[str, list[tuple[bytes, str, int]]], top: str = "data/"
) -> None:
    """hateful_memes.zip of the challenge's second phase: by split (train, dev_seen, dev_unseen,
    test_seen, test_unseen) PNG, text and label (1: hateful); `top` is the folder it unpacks into.
    """
    lists, pictures, number = {}, {}, 1234
    for split, rows in splits.items():
        lines = []
        for data, text, label in rows:
            name = f"img/{number:05d}.png"
            pictures[f"{top}{name}"] = data
            lines.append(json.dumps({"id": number, "img": name, "label": label, "text": text}))
            number += 1
        lists[f"{top}{split}.jsonl"] = "\n".join(lines)
    write_zip(path, {top: "", f"{top}img/": "", **pictures, f"{top}README.md": "", **lists})


def write_fairface(
    pictures_path: Path, labels_path: Path, faces: list[tuple[bytes, str, str, str]]
) -> None:
    """fairface-img-margin025-trainval.zip and fairface_label_val.csv: JPEG, race, gender and age of
    the val faces, and one train picture."""
    names = {f"val/{number}.jpg": face for number, face in enumerate(faces, start=1)}
    members = {name: face[0] for name, face in names.items()}
    write_zip(pictures_path, {"train/1.jpg": faces[0][0], **members})
    labels_path.parent.mkdir(parents=True, exist_ok=True)
    with labels_path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "age", "gender", "race", "service_test"])
        for at, (name, (_, race, gender, age)) in enumerate(names.items()):
            writer.writerow([name, age, gender, race, str(at % 2 == 0)])


# --- ImageNet ---------------------------------------------------------------------------------


def write_imagenet_val(path: Path, pictures: list[bytes]) -> None:
    """ILSVRC2012_img_val.tar: JPEGs, numbered from 1, in no folder."""
    write_tar(
        path,
        {f"ILSVRC2012_val_{n:08d}.JPEG": data for n, data in enumerate(pictures, start=1)},
    )


def write_imagenet_devkit(path: Path, synsets: list[tuple[str, str]], truth: list[int]) -> None:
    """ILSVRC2012_devkit_t12.tar.gz: the classes (WordNet id, words) in the order of their
    ILSVRC2012_ID, which counts from 1; `truth` holds that id for each val picture.

    As in the official file one inner node of WordNet, which is no class, follows the classes.
    """
    import scipy.io

    fields = "ILSVRC2012_ID WNID words gloss num_children children wordnet_height num_train_images"
    table = np.empty((len(synsets) + 1, 1), dtype=[(name, object) for name in fields.split()])
    for at, (wnid, words) in enumerate([*synsets, ("n00001740", "entity")]):
        inner = at == len(synsets)
        children = np.arange(1, len(synsets) + 1, dtype=np.float64) if inner else np.empty((0, 0))
        table[at, 0] = (
            float(at + 1), wnid, words, "a gloss",
            float(len(synsets) if inner else 0), children, float(inner), float(1300 * (not inner)),
        )  # fmt: skip
    meta = io.BytesIO()
    scipy.io.savemat(meta, {"synsets": table}, do_compression=True)
    top = "ILSVRC2012_devkit_t12"
    write_tar(
        path,
        {
            top: None,
            f"{top}/data": None,
            f"{top}/data/meta.mat": meta.getvalue(),
            f"{top}/data/ILSVRC2012_validation_ground_truth.txt": "".join(
                f"{number}\n" for number in truth
            ).encode(),
            f"{top}/readme.txt": b"",
        },
    )


# --- Weights ----------------------------------------------------------------------------------


def openai_clip_state(sizes: dict, seed: int) -> dict:
    """Random weights under the names, and in the dtypes, of OpenAI's ViT archives.

    `sizes` is an architecture as open_clip's JSON files describe it (embed_dim, vision_cfg,
    text_cfg). OpenAI keeps weights of matrices in float16, the rest in float32; a head is 64 wide.
    """
    import torch

    vision, text, dim = sizes["vision_cfg"], sizes["text_cfg"], sizes["embed_dim"]
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape, std, dtype=torch.float32):
        return (torch.randn(*shape, generator=draw) * std).to(dtype)

    def norm_layer(name, width):
        return {f"{name}.weight": torch.ones(width), f"{name}.bias": torch.zeros(width)}

    def matrix(name, rows, columns):
        return {
            f"{name}.weight": normal(rows, columns, std=columns**-0.5, dtype=torch.float16),
            f"{name}.bias": torch.zeros(rows, dtype=torch.float16),
        }

    def transformer(prefix, width, layers):
        state = {}
        for layer in range(layers):
            block = f"{prefix}transformer.resblocks.{layer}."
            in_proj = matrix("", 3 * width, width)
            state[f"{block}attn.in_proj_weight"] = in_proj[".weight"]
            state[f"{block}attn.in_proj_bias"] = in_proj[".bias"]
            state |= matrix(f"{block}attn.out_proj", width, width)
            state |= norm_layer(f"{block}ln_1", width)
            state |= matrix(f"{block}mlp.c_fc", 4 * width, width)
            state |= matrix(f"{block}mlp.c_proj", width, 4 * width)
            state |= norm_layer(f"{block}ln_2", width)
        return state

    wide, patch = vision["width"], vision["patch_size"]
    tokens = (vision["image_size"] // patch) ** 2 + 1
    half = torch.float16
    return {
        "positional_embedding": normal(text["context_length"], text["width"], std=0.01),
        "text_projection": normal(text["width"], dim, std=text["width"] ** -0.5, dtype=half),
        "logit_scale": torch.tensor(4.6052),
        "input_resolution": torch.tensor(vision["image_size"]),
        "context_length": torch.tensor(text["context_length"]),
        "vocab_size": torch.tensor(text["vocab_size"]),
        "visual.class_embedding": normal(wide, std=wide**-0.5),
        "visual.positional_embedding": normal(tokens, wide, std=wide**-0.5),
        "visual.proj": normal(wide, dim, std=wide**-0.5, dtype=half),
        "visual.conv1.weight": normal(wide, 3, patch, patch, std=0.02, dtype=half),
        **norm_layer("visual.ln_pre", wide),
        **transformer("visual.", wide, vision["layers"]),
        **norm_layer("visual.ln_post", wide),
        **transformer("", text["width"], text["layers"]),
        "token_embedding.weight": normal(text["vocab_size"], text["width"], std=0.02),
        **norm_layer("ln_final", text["width"]),
    }


def write_openai_clip(path: Path, sizes: dict, seed: int) -> None:
    """ViT-B-32.pt and the like: a TorchScript archive that holds `openai_clip_state`.

    OpenAI's archives also hold the forward pass; only their weights are ever read here.
    """
    import torch

    root = torch.nn.Module()
    for name, tensor in openai_clip_state(sizes, seed).items():
        module, parts = root, name.split(".")
        for part in parts[:-1]:
            if part not in module._modules:
                module.add_module(part, torch.nn.Module())
            module = module._modules[part]
        if tensor.is_floating_point():
            module.register_parameter(parts[-1], torch.nn.Parameter(tensor, requires_grad=False))
        else:
            module.register_buffer(parts[-1], tensor)
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the format is theirs, not ours
        torch.jit.script(root).save(str(path))


def resnet_state(architecture: str, seed: int) -> dict:
    """torchvision's state dict of a ResNet, with random weights."""
    import torch
    import torchvision

    torch.manual_seed(seed)
    return getattr(torchvision.models, architecture)(weights=None).state_dict()


def write_resnet(path: Path, architecture: str, seed: int) -> None:
    """resnet18-f37072fd.pth and the like: the state dict and nothing else."""
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(resnet_state(architecture, seed), path)


def write_ensemble_member(path: Path, architecture: str, seed: int) -> None:
    """ImageNet-ResNet50-*.pth.tar, as PyTorch's own ImageNet example saves a network that was
    trained on several GPUs: every name under `module.`, beside what training goes on with."""
    import torch

    path.parent.mkdir(parents=True, exist_ok=True)
    state = resnet_state(architecture, seed)
    checkpoint = {
        "epoch": 90,
        "arch": architecture,
        "state_dict": {f"module.{name}": tensor for name, tensor in state.items()},
        "best_acc1": torch.tensor(76.1),
        "optimizer": {"state": {}, "param_groups": [{"lr": 0.1, "params": [0, 1]}]},
    }
    torch.save(checkpoint, path)
