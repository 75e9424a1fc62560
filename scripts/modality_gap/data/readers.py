"""Readers of data sets in the formats of their authors.

A reader takes `files`, a dictionary of paths, and yields one row per item: `item_id`, `image`
(encoded bytes), `text` and `split` if there are any, and labels. Its keyword arguments are the
options of the format (data/formats.py). Archives are read without unpacking. Slow imports are
inside functions, because every start of Snakemake reads this.
"""

import codecs
import csv
import io
import json
import pickle
import sys
from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Annotated, Literal

from modality_gap.data.archives import (
    FOREIGN,
    absent_member,
    archive_members,
    by_name,
    is_picture,
    item_ids,
    nfc,
    one_named,
    open_zip,
    picture_endings,
    reading,
    tar_members,
    zip_members,
)
from modality_gap.errors import InputError

if TYPE_CHECKING:
    import numpy as np

ROWS = 256  # of a row group, about 40 MB of photographs: all that is in memory at a time


def png(pixels: "np.ndarray") -> bytes:
    """A PNG, which is lossless, of 8-bit pixels (height, width, 3)."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


# --- COCO ---------------------------------------------------------------------------------------


def coco_captions(document: dict, captions: str) -> dict[str, str]:
    """One caption of each picture, by file name, in the order of the pictures' ids. A picture has
    about five captions; `captions` chooses the `first` or the `last`. `document` is a
    captions_*.json of COCO. Pictures without a caption are left out."""
    chosen = {}
    for annotation in document["annotations"]:
        image, caption = annotation["image_id"], annotation["caption"].strip()
        if captions == "last" or image not in chosen:
            chosen[image] = caption
    names = {image["id"]: nfc(image["file_name"]) for image in document["images"]}
    return {names[image]: chosen[image] for image in sorted(names) if image in chosen}


def coco_all_captions(document: dict) -> dict[str, list[str]]:
    """All captions of each picture, by file name, in the order of the file."""
    names = {image["id"]: nfc(image["file_name"]) for image in document["images"]}
    captions: dict[str, list[str]] = {name: [] for name in names.values()}
    for annotation in document["annotations"]:
        captions[names[annotation["image_id"]]].append(annotation["caption"].strip())
    return captions


def coco_document(annotations: str, pictures: str) -> dict:
    """The captions that belong to an archive of pictures: for val2017.zip, the content of
    captions_val2017.json. `annotations` is this file, or an archive that contains it."""
    wanted = f"captions_{Path(pictures).stem}.json"
    if Path(annotations).suffix == ".json":
        with reading(annotations):
            return json.loads(Path(annotations).read_bytes())
    with open_zip(annotations) as archive:
        named = by_name(zip_members(archive))
        if wanted not in named:
            raise absent_member(annotations, f"member {wanted}")
        text = archive.read(one_named(annotations, named, wanted))
    return json.loads(text)


def read_coco(
    files: dict[str, str],
    captions: Annotated[Literal["first", "last"], "Which caption of an image is its text."],
    held_out: Annotated[
        int,
        "Number of images in the test split if one archive provides both splits: the first by COCO "
        "id. The others are the train split, with all captions.",
        {"minimum": 1},
    ] = 0,
) -> Iterator[dict]:
    """COCO: every image with a caption. `files` are one archive per split, and the captions of all
    splits. Columns: item_id, image, text and split.

    If `held_out` is given, the first `held_out` images of each archive form the split test, with
    their last caption. (Images are ordered by COCO id, which is unrelated to content.) Each other
    image gives one pair per caption to the split train. No held-out image is in train with any
    caption.
    """
    for split, pictures in files.items():
        if split == "annotations":
            continue
        document = coco_document(files["annotations"], pictures)
        texts, all_texts = coco_captions(document, captions), coco_all_captions(document)
        with open_zip(pictures) as archive:
            named = by_name(zip_members(archive))
            there = [name for name in texts if name in named]
            ids = item_ids(pictures, [PurePosixPath(name) for name in there])
            print(
                f"{split}: {len(there)} of {len(texts)} captioned pictures are in {pictures}",
                file=sys.stderr,
            )
            for place, name in enumerate(there):
                row = {
                    "item_id": ids[PurePosixPath(name)],
                    "image": archive.read(one_named(pictures, named, name)),
                    "text": texts[name],
                    "split": split,
                }
                if not held_out:
                    yield row
                elif place < held_out:
                    yield row | {"split": "test"}
                else:
                    for number, text in enumerate(all_texts[name]):
                        own = {"item_id": f"{row['item_id']}_{number}", "text": text}
                        yield row | own | {"split": "train"}


# --- CIFAR --------------------------------------------------------------------------------------


class CifarUnpickler(pickle.Unpickler):
    """Unpickles CIFAR's batches. Only dictionaries, lists, texts and one numpy array are allowed,
    because an unrestricted pickle could call any function."""

    def find_class(self, module: str, name: str) -> object:
        import numpy as np
        from numpy._core.multiarray import _reconstruct

        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            # How Python 3 writes bytes into a pickle of Python 2's.
            ("_codecs", "encode"): _latin1,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"it calls {module}.{name}")
        return allowed[module, name]


def _latin1(text: str, _encoding: str) -> bytes:
    return codecs.encode(text, "latin1")


CIFAR_META = {"batches.meta": "label_names", "meta": "fine_label_names"}
CIFAR_BATCHES = {f"data_batch_{number}": "train" for number in range(1, 6)}
CIFAR_BATCHES |= {"train": "train", "test_batch": "test", "test": "test"}


def cifar_members(path: str, wanted: Container[str]) -> Iterator[tuple[str, dict]]:
    """The name and the content of the wanted members of CIFAR's archive, in its order."""
    for name, read in tar_members(path):
        if name.name not in wanted:
            continue
        pickled = io.BytesIO(read())
        try:
            yield name.name, dict(CifarUnpickler(pickled, encoding="latin1").load())
        except (pickle.UnpicklingError, EOFError, *FOREIGN) as error:
            raise InputError(
                f"{path}: the member {name} is refused ({error}), because it is not a batch of "
                "CIFAR; download the archive again from its publisher."
            ) from error


def read_cifar(files: dict[str, str]) -> Iterator[dict]:
    """CIFAR-10 and CIFAR-100 (python version), with pictures 32 pixels wide. Columns: item_id,
    image (PNG), label (the fine class name, as in the archive) and split (train or test)."""
    path = files["archive"]
    meta = next(cifar_members(path, CIFAR_META), None)
    names = meta and meta[1].get(CIFAR_META[meta[0]])
    if not names:
        raise absent_member(path, "member batches.meta or meta with the class names")
    splits = set()
    for name, batch in cifar_members(path, CIFAR_BATCHES):
        data, labels = batch.get("data", ()), batch.get("labels", batch.get("fine_labels", ()))
        shape, dtype = getattr(data, "shape", ()), getattr(data, "dtype", None)
        if shape != (len(labels), 3072) or dtype != "uint8":
            raise ValueError(
                f"the array in {name} is {dtype} of shape {shape}, which does not fit the "
                f"{len(labels)} labels"
            )
        if not set(labels) <= set(range(len(names))):
            raise ValueError(f"a label in {name} has no class name")
        splits.add(CIFAR_BATCHES[name])
        # Each row is the red plane, the green and the blue, line by line.
        for number, (row, label) in enumerate(zip(data, labels, strict=True)):
            yield {
                "item_id": f"{name}/{number:05d}",
                "image": png(row.reshape(3, 32, 32).transpose(1, 2, 0)),
                "label": names[label],
                "split": CIFAR_BATCHES[name],
            }
    if "test" not in splits:
        raise absent_member(path, "test batch")


def load_mat(source: str | IO[bytes], **settings: object) -> dict:
    """The content of a MATLAB file. Raises ValueError for any other file."""
    import scipy.io

    try:
        return scipy.io.loadmat(source, **settings)
    except scipy.io.matlab.MatReadError as error:
        raise ValueError(str(error)) from error


# --- class folders, SVHN ------------------------------------------------------------------------


def read_class_folders(
    files: dict[str, str],
    folder: Annotated[str, "Folder in the archive that contains one folder of images per class."],
) -> Iterator[dict]:
    """An archive (zip or tar) in which `folder` contains one folder per class, as in EuroSAT. A zip
    is read in the order of names, a tar in its own order. Columns: item_id, image and label (the
    name of the folder). The log counts the files in `folder` that are left out."""
    path = files["archive"]
    top = PurePosixPath(nfc(folder))
    members, pictures = [], []
    for member, read in archive_members(path):
        members.append(member)
        if member.parent.parent == top and is_picture(member, read):
            pictures.append(member)
    if not pictures:
        raise _no_classes(path, folder, members)
    ids = item_ids(path, pictures)
    others = Counter(
        member.suffix.lower() or "no ending"
        for member in members
        if member not in ids and top in member.parents
    )
    if others:
        kinds = ", ".join(f"{number} of {ending}" for ending, number in others.most_common())
        print(
            f"left out, because they are not pictures: {others.total()} files in class folders "
            f"({kinds})",
            file=sys.stderr,
        )
    for member, read in archive_members(path):
        if member in ids:
            label = member.parent.name
            yield {
                "item_id": str(PurePosixPath(ids[member]).relative_to(top)),
                "image": read(),
                "label": label,
            }


def _no_classes(path: str, folder: str, members: list[PurePosixPath]) -> InputError:
    tops = Counter(
        str(member.parent.parent)
        for member in members
        if member.suffix.lower() in picture_endings() and len(member.parts) > 1
    )
    if not tops:
        return absent_member(path, f"picture in a folder of {folder}")
    there = ", ".join(name for name, _ in tops.most_common(5))
    return InputError(
        f"{path} has no picture in a subfolder of {folder!r}; set `folder` to a folder of class "
        f"folders, such as {there}."
    )


def read_svhn(files: dict[str, str]) -> Iterator[dict]:
    """SVHN's cropped digits. The file has X (32, 32, 3, n) in 8 bits, and y (n, 1), in which 10 is
    the digit 0. Columns: item_id, image (PNG) and label (the digit)."""
    path = files["pictures"]
    with reading(path):
        table = load_mat(path, variable_names=["X", "y"])
    pictures, labels = table["X"], table["y"].ravel()
    if pictures.dtype != "uint8" or pictures.shape != (32, 32, 3, len(labels)):
        raise ValueError(
            f"X is {pictures.dtype} of shape {pictures.shape}, which does not fit the "
            f"{len(labels)} labels"
        )
    if not set(labels.tolist()) <= set(range(1, 11)):
        raise ValueError("a label is not between 1 and 10")
    for number, label in enumerate(labels):
        yield {
            "item_id": f"test{number:05d}",
            "image": png(pictures[..., number]),
            "label": str(label % 10),
        }


# --- Hateful Memes, FairFace --------------------------------------------------------------------


def read_hateful_memes(
    files: dict[str, str],
    split: Annotated[str, "List of images in the archive, without its extension .jsonl."],
) -> Iterator[dict]:
    """Hateful Memes: the pictures listed in SPLIT.jsonl of the archive. Columns: item_id, image,
    text (what is written in the picture) and label, in the words of CLIP's prompts."""
    path = files["archive"]
    with open_zip(path) as archive:
        members = zip_members(archive)
        lists = {member.stem: name for name, member in members.items() if member.suffix == ".jsonl"}
        if split not in lists:
            raise InputError(
                f"{path} has no {split}.jsonl; choose `split` from {', '.join(lists)}."
            )
        folder = members[lists[split]].parent
        names = {member: name for name, member in members.items()}
        for line in archive.read(lists[split]).decode("utf-8").splitlines():
            meme = json.loads(line) if line.strip() else {}
            if not meme:
                continue
            if "label" not in meme:
                raise InputError(f"{path}: {split}.jsonl has no labels; give another split.")
            picture = folder / nfc(meme["img"])
            if picture not in names:
                raise absent_member(path, f"picture {picture}")
            yield {
                "item_id": picture.stem,
                "image": archive.read(names[picture]),
                "text": meme["text"],
                "label": ["meme", "hatespeech meme"][meme["label"]],
            }


def read_fairface(files: dict[str, str]) -> Iterator[dict]:
    """FairFace: the faces listed in the table of labels. Columns: item_id, image, age, and race and
    gender in the words of the paper's prompts."""
    pictures, labels = files["pictures"], files["labels"]
    genders = {"Male": "man", "Female": "woman"}
    with reading(labels), open(labels, newline="", encoding="utf-8") as stream:
        table = csv.DictReader(stream)
        if not {"file", "age", "gender", "race"} <= set(table.fieldnames or ()):
            raise ValueError("the table lacks one of the columns file, age, gender, race")
        faces = list(table)
    with open_zip(pictures) as archive:
        named = by_name(zip_members(archive), parts=2)
        for face in faces:
            name = nfc(face["file"])
            if name not in named:
                raise absent_member(pictures, f"picture {name}")
            yield {
                "item_id": str(PurePosixPath(name).with_suffix("")),
                "image": archive.read(one_named(pictures, named, name)),
                "race": face["race"].partition("_")[0],  # Latino_Hispanic
                "gender": genders[face["gender"]],
                "age": face["age"],
            }


# --- ImageNet -----------------------------------------------------------------------------------


def imagenet_classes(path: str | Path) -> tuple[dict[int, str], list[int]]:
    """Returns the class names by number, and the class number of every validation picture. Both
    come from the development kit.

    A name has all words of a synset ("tench, Tinca tinca"). If two synsets have the same words
    (crane), the WordNet id is added.
    """
    meta = truth = None
    for name, read in tar_members(path):
        if name.name == "meta.mat":
            meta = load_mat(io.BytesIO(read()), squeeze_me=True)["synsets"]
        elif name.name == "ILSVRC2012_validation_ground_truth.txt":
            truth = [int(number) for number in read().split()]
    if meta is None or truth is None:
        raise absent_member(path, "meta.mat with the validation labels")
    # Synsets with children are not among the 1,000 classes.
    synsets = [synset for synset in meta if synset["num_children"] == 0]
    often = Counter(str(synset["words"]) for synset in synsets)
    return {
        int(synset["ILSVRC2012_ID"]): str(synset["words"])
        + (f" ({synset['WNID']})" if often[str(synset["words"])] > 1 else "")
        for synset in synsets
    }, truth


def read_imagenet(files: dict[str, str]) -> Iterator[dict]:
    """ImageNet's validation pictures, in the archive's order. Columns: item_id, image and label.
    The number in a picture's name is its position in the list of labels of the development kit."""
    names, truth = imagenet_classes(files["devkit"])
    for member, read in tar_members(files["pictures"]):
        number = member.stem.rpartition("_")[2]
        if member.suffix.lower() in picture_endings() and number.isdecimal():
            if not 1 <= int(number) <= len(truth):
                raise LookupError(f"the development kit has no label for {member}")
            yield {
                "item_id": member.stem,
                "image": read(),
                "label": names[truth[int(number) - 1]],
            }


# --- several in one -----------------------------------------------------------------------------


def read_union(files: dict[str, str]) -> Iterator[dict]:
    """The rows of several existing data sets, one data set after the other. Columns: all columns of
    the data sets, and `source`. A value is empty if the data set does not have the column. `source`
    is the name of the data set in `files`; it also becomes the first part of the item_id."""
    from modality_gap.data.parquet import StoredDataset

    tables = {source: StoredDataset(path) for source, path in files.items()}
    columns = dict.fromkeys(name for table in tables.values() for name in table.schema.names)
    for source, table in tables.items():
        for _, batch in table.pieces(ROWS):
            for row in batch.to_pylist():
                item = {"item_id": f"{source}/{row['item_id']}", "source": source}
                yield dict.fromkeys(columns, "") | row | item
