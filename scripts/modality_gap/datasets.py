"""Data sets out of the files in which their authors give them, one reader for each format.

Archives stay packed: members are read inside them and nothing is written beside the dataset, a
Parquet file with `item_id`, `image` (encoded bytes), `text` and `split` where there are any, and
label columns.
"""

import codecs
import csv
import io
import itertools
import json
import pickle
import re
import sys
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.io
from PIL import Image
from tqdm import tqdm

from modality_gap.embedding_set import open_parquet
from modality_gap.errors import InputError

ROWS = 256  # of a row group, about 40 MB of photographs: all that is in memory at a time
PICTURES = (".jpg", ".jpeg", ".png")
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,  # zipfile's word for an archive under a password
    NotImplementedError,
)
# What comes of content that is not as a format has it.
FOREIGN = (scipy.io.matlab.MatReadError, ValueError, TypeError, LookupError, AttributeError)


def write_dataset(path: str | Path, settings: dict, files: dict[str, str]) -> None:
    """An entry of `datasets` in the config as a Parquet file, a row group at a time, out of the
    paths of its `files`.

    Raises InputError if a file cannot be read, is not in the format, or holds no picture.
    """
    options = {key: settings[key] for key in settings.keys() - {"format", "files"}}
    rows = writable(FORMATS[settings["format"]](files, **options), files)
    try:
        _write(path, rows)
    except InputError:
        raise
    except FOREIGN as error:
        raise InputError(
            f"{' and '.join(files.values())}: not as the format {settings['format']} has it "
            f"({type(error).__name__}: {_first_line(error)}); get it again from its origin."
        ) from error


def writable(rows: Iterator[dict], files: dict[str, str]) -> Iterator[dict]:
    """The rows, so long as their words can be written. Raises InputError that names the item where
    one holds half a character, as texts do that were cut between the halves of an emoji."""
    for row in rows:
        for name, value in row.items():
            try:
                value.encode() if isinstance(value, str) else None
            except UnicodeEncodeError as error:
                raise InputError(
                    f"{' and '.join(files.values())}: the {name} of item {row['item_id']!r} holds "
                    f"half a character (U+{ord(value[error.start]):04X}); correct it there."
                ) from error
        yield row


def _write(path: str | Path, rows: Iterator[dict]) -> None:
    first = next(rows, None)
    if first is None:
        raise LookupError("no picture is in it")
    schema = pa.schema({name: pa.binary() if name == "image" else pa.string() for name in first})
    rows = tqdm(itertools.chain([first], rows), unit="picture", mininterval=10, file=sys.stderr)
    labels = Counter()
    with pq.ParquetWriter(path, schema) as writer:
        while group := list(itertools.islice(rows, ROWS)):
            writer.write_table(pa.Table.from_pylist(group, schema))
            labels.update(row.get("label", "") for row in group)
    classes = f" of {len(labels)} classes" if "label" in first else ""
    print(f"{labels.total()} pictures{classes}", file=sys.stderr)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


# --- archives -----------------------------------------------------------------------------------


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turns what goes wrong inside an archive into an InputError that names it."""
    try:
        yield
    except DAMAGE as error:
        raise InputError(
            f"{path} cannot be read ({_first_line(error)}); delete it, and get it again, whole and "
            "without a password."
        ) from error


def within(path: str | Path, member: str) -> PurePosixPath:
    """A member's name as a path. Raises InputError if it leads out of the folder that the archive
    would be unpacked in: nothing is unpacked here, but such an archive is no honest one."""
    name = PurePosixPath(member.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or re.match("[A-Za-z]:", member):
        raise InputError(
            f"{path} has a member {member!r}, which leads out of its folder; do not use this "
            "archive, and get it again from where it was published."
        )
    return name


def zip_members(archive: zipfile.ZipFile) -> dict[str, PurePosixPath]:
    """The files of an archive, in its order: by name, the path."""
    names = {info.filename: within(archive.filename, info.filename) for info in archive.infolist()}
    return {name: path for name, path in names.items() if not name.endswith("/")}


def tar_members(path: str | Path) -> Iterator[tuple[PurePosixPath, Callable[[], bytes]]]:
    """The files of a tar archive, packed or not, in its order, each with a function that reads it
    while it is its turn. Links are followed nowhere."""
    with reading(path), tarfile.open(path) as archive:
        for member in archive:
            name = within(path, member.name)
            if member.isfile():
                yield name, lambda: archive.extractfile(member).read()  # noqa: B023


def absent_member(path: str | Path, wanted: str) -> InputError:
    return InputError(f"{path} has no {wanted}; it is another archive, or cut off: get it again.")


def png(pixels: np.ndarray) -> bytes:
    """Pixels (height, width, 3) of 8 bits as a PNG, which loses nothing."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


# --- COCO ---------------------------------------------------------------------------------------


def coco_captions(document: dict, captions: str) -> dict[str, str]:
    """File name > caption, of the `first` or the `last` of the five or so that each picture has, in
    the order of the pictures' ids. `document` is a captions_*.json of COCO; a picture without a
    caption does not come."""
    chosen = {}
    for annotation in document["annotations"]:
        image, caption = annotation["image_id"], annotation["caption"].strip()
        if captions == "last" or image not in chosen:
            chosen[image] = caption
    names = {image["id"]: image["file_name"] for image in document["images"]}
    return {names[image]: chosen[image] for image in sorted(names) if image in chosen}


def coco_all_captions(document: dict) -> dict[str, list[str]]:
    """File name > all its captions, in the file's order."""
    names = {image["id"]: image["file_name"] for image in document["images"]}
    found = {name: [] for name in names.values()}
    for annotation in document["annotations"]:
        found[names[annotation["image_id"]]].append(annotation["caption"].strip())
    return found


def coco_document(annotations: str, pictures: str) -> dict:
    """The captions that go with an archive of pictures: val2017.zip has those in
    captions_val2017.json, a member of `annotations` or that file itself."""
    wanted = f"captions_{Path(pictures).stem}.json"
    with reading(annotations):
        if Path(annotations).suffix == ".json":
            text = Path(annotations).read_bytes()
        else:
            with zipfile.ZipFile(annotations) as archive:
                members = {path.name: name for name, path in zip_members(archive).items()}
                if wanted not in members:
                    raise absent_member(annotations, f"member {wanted}")
                text = archive.read(members[wanted])
    return json.loads(text)


def read_coco(files: dict[str, str], captions: str, held_out: int = 0) -> Iterator[dict]:
    """COCO: one archive of pictures a split, and the captions of all; every captioned picture that
    is in its archive. The columns are item_id, image, text and split.

    With `held_out` the first pictures of each archive, so many, by COCO's ids (which say nothing of
    what is on them), are the split test with their last caption, and the rest are train with every
    caption, a pair each: no held-out picture is trained on with any caption.
    """
    for split, pictures in files.items():
        if split == "annotations":
            continue
        document = coco_document(files["annotations"], pictures)
        texts, all_texts = coco_captions(document, captions), coco_all_captions(document)
        with reading(pictures), zipfile.ZipFile(pictures) as archive:
            members = {path.name: name for name, path in zip_members(archive).items()}
            there = [name for name in texts if name in members]
            print(
                f"{split}: {len(there)} of {len(texts)} captioned pictures are in {pictures}",
                file=sys.stderr,
            )
            for place, name in enumerate(there):
                row = {
                    "item_id": PurePosixPath(name).stem,
                    "image": archive.read(members[name]),
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
    """Unpickles CIFAR's batches, which are dictionaries, lists, texts and one numpy array, and
    nothing that could do anything: a pickle may otherwise call any function there is."""

    def find_class(self, module: str, name: str) -> object:
        known = {
            ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            # How Python 3 writes bytes into a pickle of Python 2's.
            ("_codecs", "encode"): _latin1,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it calls for {module}.{name}")
        return known[module, name]


def _latin1(text: str, _encoding: str) -> bytes:
    return codecs.encode(text, "latin1")


CIFAR_META = {"batches.meta": "label_names", "meta": "fine_label_names"}
CIFAR_BATCHES = {f"data_batch_{number}": "train" for number in range(1, 6)}
CIFAR_BATCHES |= {"train": "train", "test_batch": "test", "test": "test"}


def cifar_members(path: str, wanted: Container[str]) -> Iterator[tuple[str, dict]]:
    """Name and content of those members of CIFAR's archive that are wanted, in its order."""
    for name, read in tar_members(path):
        if name.name not in wanted:
            continue
        pickled = io.BytesIO(read())
        try:
            yield name.name, dict(CifarUnpickler(pickled, encoding="latin1").load())
        except (pickle.UnpicklingError, EOFError, *FOREIGN) as error:
            raise InputError(
                f"{path}: the member {name} is refused ({error}); it is no batch of CIFAR, so get "
                "the archive again from where it was published."
            ) from error


def read_cifar(files: dict[str, str]) -> Iterator[dict]:
    """CIFAR-10 and CIFAR-100, python version, pictures 32 pixels wide. Columns: item_id, image
    (PNG), label, the (fine) class name as the archive writes it, and split, train or test."""
    path = files["archive"]
    meta = next(cifar_members(path, CIFAR_META), None)
    names = meta and meta[1].get(CIFAR_META[meta[0]])
    if not names:
        raise absent_member(path, "member batches.meta or meta with the class names")
    splits = set()
    for name, batch in cifar_members(path, CIFAR_BATCHES):
        data, labels = batch.get("data"), batch.get("labels", batch.get("fine_labels", ()))
        shape, dtype = getattr(data, "shape", ()), getattr(data, "dtype", None)
        known = set(labels) <= set(range(len(names)))
        if shape != (len(labels), 3072) or dtype != np.uint8 or not known:
            raise ValueError(f"the member {name} has data {dtype} {shape} for {len(labels)} labels")
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


# --- class folders, SVHN ------------------------------------------------------------------------


def read_class_folders(files: dict[str, str], folder: str) -> Iterator[dict]:
    """An archive with a folder a class in `folder`, as EuroSAT has it, by name. Columns: item_id,
    image and label, the name of the folder."""
    path = files["archive"]
    with reading(path), zipfile.ZipFile(path) as archive:
        pictures = sorted(
            (member, name)
            for name, member in zip_members(archive).items()
            if member.parent.parent == PurePosixPath(folder) and member.suffix.lower() in PICTURES
        )
        if not pictures:
            raise absent_member(path, f"picture in a folder of {folder}")
        for member, name in pictures:
            label = member.parent.name
            yield {
                "item_id": f"{label}/{member.stem}",
                "image": archive.read(name),
                "label": label,
            }


def read_svhn(files: dict[str, str]) -> Iterator[dict]:
    """SVHN's cropped digits: X (32, 32, 3, n) of 8 bits and y (n, 1), where 10 is the digit 0.
    Columns: item_id, image (PNG) and label, the digit."""
    path = files["pictures"]
    with reading(path):
        table = scipy.io.loadmat(path, variable_names=["X", "y"])
    pictures, labels = table["X"], table["y"].ravel()
    if pictures.dtype != np.uint8 or pictures.shape != (32, 32, 3, len(labels)):
        raise ValueError(f"X is {pictures.dtype} {pictures.shape} for {len(labels)} labels")
    if not np.isin(labels, range(1, 11)).all():
        raise ValueError("a label is none of 1 to 10")
    for number, label in enumerate(labels):
        yield {
            "item_id": f"test{number:05d}",
            "image": png(pictures[..., number]),
            "label": str(label % 10),
        }


# --- Hateful Memes, FairFace --------------------------------------------------------------------


def read_hateful_memes(files: dict[str, str], split: str) -> Iterator[dict]:
    """Hateful Memes: the pictures that SPLIT.jsonl in the archive names. Columns: item_id, image,
    text (what is written in the picture) and label, in the words of CLIP's prompts."""
    path = files["archive"]
    with reading(path), zipfile.ZipFile(path) as archive:
        members = zip_members(archive)
        lists = {member.stem: name for name, member in members.items() if member.suffix == ".jsonl"}
        if split not in lists:
            raise InputError(f"{path} has no {split}.jsonl; give a split of {', '.join(lists)}.")
        folder = members[lists[split]].parent
        names = {member: name for name, member in members.items()}
        for line in archive.read(lists[split]).decode("utf-8").splitlines():
            meme = json.loads(line) if line.strip() else {}
            if not meme:
                continue
            if "label" not in meme:
                raise InputError(f"{path}: {split}.jsonl has no labels; give another split.")
            if folder / meme["img"] not in names:
                raise absent_member(path, f"picture {folder / meme['img']}")
            yield {
                "item_id": PurePosixPath(meme["img"]).stem,
                "image": archive.read(names[folder / meme["img"]]),
                "text": meme["text"],
                "label": ["meme", "hatespeech meme"][meme["label"]],
            }


def read_fairface(files: dict[str, str]) -> Iterator[dict]:
    """FairFace: the faces that the table of labels names. Columns: item_id, image, race and gender,
    in the words of the paper's prompts, and age."""
    pictures, labels = files["pictures"], files["labels"]
    genders = {"Male": "man", "Female": "woman"}
    with reading(labels), open(labels, newline="", encoding="utf-8") as stream:
        table = csv.DictReader(stream)
        if not {"file", "age", "gender", "race"} <= set(table.fieldnames or ()):
            raise ValueError("the table lacks one of the columns file, age, gender, race")
        faces = list(table)
    with reading(pictures), zipfile.ZipFile(pictures) as archive:
        members = {"/".join(path.parts[-2:]): name for name, path in zip_members(archive).items()}
        for face in faces:
            if face["file"] not in members:
                raise absent_member(pictures, f"picture {face['file']}")
            yield {
                "item_id": str(PurePosixPath(face["file"]).with_suffix("")),
                "image": archive.read(members[face["file"]]),
                "race": face["race"].partition("_")[0],  # Latino_Hispanic
                "gender": genders[face["gender"]],
                "age": face["age"],
            }


# --- ImageNet -----------------------------------------------------------------------------------


def imagenet_classes(path: str | Path) -> tuple[dict[int, str], list[int]]:
    """Number > class name, and the number of every validation picture, out of the development kit.

    A name is all the words of a synset ("tench, Tinca tinca"); where two synsets have the same ones
    (crane), the WordNet id follows.
    """
    meta = truth = None
    for name, read in tar_members(path):
        if name.name == "meta.mat":
            meta = scipy.io.loadmat(io.BytesIO(read()), squeeze_me=True)["synsets"]
        elif name.name == "ILSVRC2012_validation_ground_truth.txt":
            truth = [int(number) for number in read().split()]
    if meta is None or truth is None:
        raise absent_member(path, "synsets with the validation labels")
    # Synsets with children are not among the 1,000 classes.
    synsets = [synset for synset in meta if synset["num_children"] == 0]
    often = Counter(str(synset["words"]) for synset in synsets)
    return {
        int(synset["ILSVRC2012_ID"]): str(synset["words"])
        + (f" ({synset['WNID']})" if often[str(synset["words"])] > 1 else "")
        for synset in synsets
    }, truth


def read_imagenet(files: dict[str, str]) -> Iterator[dict]:
    """ImageNet's validation pictures, in the archive's order; the number in a picture's name is its
    place in the kit's list of labels. Columns: item_id, image and label."""
    names, truth = imagenet_classes(files["devkit"])
    for member, read in tar_members(files["pictures"]):
        number = member.stem.rpartition("_")[2]
        if member.suffix.lower() in PICTURES and number.isdecimal():
            if not 1 <= int(number) <= len(truth):
                raise LookupError(f"the kit has no label of {member}")
            yield {
                "item_id": member.stem,
                "image": read(),
                "label": names[truth[int(number) - 1]],
            }


# --- several in one -----------------------------------------------------------------------------


def read_union(files: dict[str, str]) -> Iterator[dict]:
    """The rows of several data sets made before, one after the other. Columns: all that they have,
    empty where one has none, and `source`, the name that `files` gives the data set, which stands
    before its item_ids too."""
    tables = {source: open_parquet(path) for source, path in files.items()}
    columns = dict.fromkeys(name for table in tables.values() for name in table.schema_arrow.names)
    for source, table in tables.items():
        for batch in table.iter_batches(ROWS):
            for row in batch.to_pylist():
                item = {"item_id": f"{source}/{row['item_id']}", "source": source}
                yield dict.fromkeys(columns, "") | row | item


FORMATS = {
    "coco": read_coco,
    "cifar": read_cifar,
    "class_folders": read_class_folders,
    "svhn": read_svhn,
    "hateful_memes": read_hateful_memes,
    "fairface": read_fairface,
    "imagenet": read_imagenet,
    "union": read_union,
}
