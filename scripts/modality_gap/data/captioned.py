"""Readers of pictures with texts in common forms: text files beside the pictures, a table of paths,
webdataset's tars, and Parquet files.

They follow the same rules as data/readers.py, which says what a reader yields.
"""

import csv
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from modality_gap.data.archives import (
    archive_members,
    is_picture,
    item_ids,
    nfc,
    picture_endings,
    reading,
    tar_members,
)
from modality_gap.data.files import several, stem
from modality_gap.data.readers import ROWS
from modality_gap.errors import InputError

TARS = ("*.tar", "*.tar.gz", "*.tgz", "*.tar.bz2", "*.tar.xz")
PARQUET_FILES = ("*.parquet",)
Captions = Annotated[
    Literal["first", "last"], "Which text of an image is used, if it has a list of several."
]


def say_left_out(left_out: Counter[str]) -> None:
    """Write to the log how many items were left out for each reason."""
    for reason, number in left_out.most_common():
        print(f"left out: {number} {reason}", file=sys.stderr)


def decoded(content: bytes, source: str) -> str:
    """The text of bytes in UTF-8, without the mark that some editors put first. Raises InputError
    if the bytes are not UTF-8."""
    try:
        return content.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise InputError(f"{source} is not UTF-8 text ({error}); save it as UTF-8.") from error


# --- text files beside the pictures ---------------------------------------------------------------


def read_captioned(
    files: dict[str, str],
    ending: Annotated[str, "Ending of the files with the texts."] = ".txt",
) -> Iterator[dict]:
    """A folder or an archive (zip or tar) of pictures and text files. The text of a picture is in a
    file with the same name beside it: `owl.jpg` and `owl.txt`. Columns: item_id, image, text and
    folder (the path of the folder). A picture without a text or a text without a picture is left
    out, and the log counts it."""
    path = files["archive"]
    ending = "." + ending.lower().removeprefix(".")
    texts, pictures, others = {}, [], 0
    for member, read in archive_members(path):
        if member.suffix.lower() == ending:
            texts[member.with_suffix("")] = decoded(read(), f"{path}: {member}")
        elif is_picture(member, read):
            pictures.append(member)
        else:
            others += 1
    ids = item_ids(path, [member for member in pictures if texts.get(member.with_suffix(""))])
    stems = {member.with_suffix("") for member in ids}
    say_left_out(
        Counter(
            {
                f"images without a text in a {ending} file": len(pictures) - len(ids),
                "texts without an image": len(texts.keys() - stems),
                "files of other kinds": others,
            }
        )
        + Counter()
    )
    for member, read in archive_members(path):
        if member in ids:
            yield {
                "item_id": ids[member],
                "image": read(),
                "text": texts[member.with_suffix("")],
                "folder": str(member.parent),
            }


# --- a table of paths -----------------------------------------------------------------------------


def _table(path: str) -> tuple[list[str], Iterator[dict[str, str]]]:
    """The names of the columns, and the rows, of a CSV file. The first line shows its separator."""
    with reading(path), open(path, newline="", encoding="utf-8-sig") as stream:
        first = stream.readline()
    separator = max("\t,;|", key=first.count)

    def rows() -> Iterator[dict[str, str]]:
        with reading(path), open(path, newline="", encoding="utf-8-sig") as stream:
            for number, row in enumerate(csv.DictReader(stream, delimiter=separator), 2):
                if None in row or None in row.values():
                    raise InputError(
                        f"{path}: row {number} has more or fewer values than the first line. "
                        "Correct the row, or put quotes around values that contain the separator."
                    )
                yield row

    return next(csv.reader([first], delimiter=separator), []), rows()


def _check_columns(path: str, wanted: Mapping[str, str | None], columns: list[str]) -> None:
    """Raise InputError if an option names a column that the table does not have."""
    for option, name in wanted.items():
        if name and name not in columns:
            raise InputError(
                f"{path} has no column {name!r}; set `{option}` to one of {', '.join(columns)}."
            )


def columns_of_table(
    files: dict[str, str], image: str = "image", **_options: str
) -> list[str] | None:
    """The columns of the data set that `read_table` makes; None if the table does not exist."""
    if not Path(files["table"]).is_file():
        return None
    columns, _ = _table(files["table"])
    return ["item_id", *(name for name in columns if name != image), "text", "picture"]


def read_table(
    files: dict[str, str],
    image: Annotated[str, "Column with the path of each image."] = "image",
    text: Annotated[str, "Column with the text of each image."] = "text",
) -> Iterator[dict]:
    """A CSV file with the paths of images and their texts; tabs or semicolons may separate the
    columns. Paths are relative to `pictures` (a folder or an archive) or else to the folder of the
    table.

    Columns: item_id, image, text, all other columns, and picture (the path). The item_id comes from
    the column of that name. Otherwise it is the path without its ending; a number is added if an
    image has several rows.
    """
    path = files["table"]
    columns, rows = _table(path)
    _check_columns(path, {"image": image, "text": text}, columns)
    grouped: dict[PurePosixPath, list[dict[str, str]]] = {}
    for row in rows:
        grouped.setdefault(_as_in_archive(row[image]), []).append(row)
    if not grouped:
        raise InputError(f"{path} has no rows below its first line; add them.")
    ids = item_ids(path, list(grouped))
    pictures = {place: of_place[0][image] for place, of_place in grouped.items()}
    for place, content in _pictures_of(path, files.get("pictures"), pictures):
        for number, row in enumerate(grouped[place]):
            more = f"_{number}" if len(grouped[place]) > 1 else ""
            labels = {name: value for name, value in row.items() if name not in (image, text)}
            yield {
                "item_id": "",
                "image": content,
                "text": row[text],
                **labels,
                "picture": row[image],
            } | {"item_id": row.get("item_id") or ids[place] + more}


def _as_in_archive(picture: str) -> PurePosixPath:
    """The path of a picture in a table, as an archive would have it."""
    return PurePosixPath(nfc(picture.replace("\\", "/")))


def _pictures_of(
    table: str, place: str | None, pictures: dict[PurePosixPath, str]
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Each picture with its content. `pictures` has their paths as in an archive, and as in the
    table. Pictures in a folder are in the order of the table; those in an archive, in the order of
    the archive. Raises InputError if one is missing."""
    if place and not Path(place).is_dir():
        missing = dict(pictures)
        for member, read in archive_members(place):
            if missing.pop(member, None) is not None:
                yield member, read()
        for name in missing.values():
            raise _no_picture(table, name, place)
        return
    read_one = reader_of_paths(table, place or str(Path(table).parent))
    for path, name in pictures.items():
        yield path, read_one(name)


def reader_of_paths(table: str, folder: str) -> Callable[[str], bytes]:
    """Returns a function that reads a picture by its path in a table, relative to a folder. The
    function raises InputError that names the table and the path."""

    def read(name: str) -> bytes:
        if name.startswith(("http://", "https://")):
            raise InputError(
                f"{table}: {name} is an address; download the images first, and give their paths."
            )
        for path in (name, str(_as_in_archive(name))):
            there = Path(folder) / os.path.expanduser(os.path.expandvars(path))
            if there.is_file():
                return there.read_bytes()
        raise _no_picture(table, name, folder)

    return read


def _no_picture(table: str, name: str, place: str) -> InputError:
    return InputError(
        f"{table}: there is no image {name!r} in {place}; correct the path, or name the folder or "
        "archive of the images as files.pictures."
    )


# --- webdataset -----------------------------------------------------------------------------------


def read_webdataset(
    files: dict[str, str],
    text: Annotated[
        str, "Ending of the members with the texts; without one, the caption of the .json is taken."
    ] = "txt",
    label: Annotated[str, "Ending of the members with the classes, if there are any."] = "cls",
) -> Iterator[dict]:
    """Tar files as webdataset and img2dataset write them. The members of an item follow one
    another, and their names are the same up to the first dot. Each file is read once, with one item
    in memory.

    Columns: item_id, image, text, and label (empty for an item without a label). Items without an
    image or a text are left out, and the log counts them. If there are several tars, an item_id
    begins with the name of its tar.
    """
    left_out: Counter[str] = Counter()
    for path in files.values():
        for key, item in itertools.groupby(_tar_items(path), key=lambda one: one[0]):
            parts = {ending: content for _, ending, content in item}
            picture = next((parts[end] for end in parts if f".{end}" in picture_endings()), None)
            caption = _caption(parts, text.removeprefix("."), f"{path}: {key}")
            if picture is None or not caption:
                left_out[
                    "items without an image" if picture is None else "items without a text"
                ] += 1
                continue
            name = key if len(files) == 1 else f"{stem(path)}/{key}"
            found = parts.get(label.removeprefix("."), b"")
            yield {
                "item_id": name,
                "image": picture,
                "text": caption,
                "label": decoded(found, f"{path}: {key}"),
            }
    say_left_out(left_out)


def _tar_items(path: str) -> Iterator[tuple[str, str, bytes]]:
    """The key, the ending (in small letters) and the content of each member, in the order of the
    tar."""
    for member, read in tar_members(path):
        stem, _, ending = member.name.partition(".")
        yield str(member.parent / stem), ending.lower(), read()


def _caption(parts: Mapping[str, bytes], ending: str, source: str) -> str:
    if ending in parts:
        return decoded(parts[ending], source)
    if "json" not in parts:
        return ""
    try:
        about = json.loads(decoded(parts["json"], source))
    except ValueError as error:
        raise InputError(f"{source}.json is not valid JSON ({error}); correct it.") from error
    caption = about.get("caption") if isinstance(about, dict) else None
    return caption.strip() if isinstance(caption, str) else ""


# --- Parquet --------------------------------------------------------------------------------------


def columns_of_parquet(
    files: dict[str, str], image: str = "image", **_options: str
) -> list[str] | None:
    """The columns of the data set that `read_parquet` makes; None if its files do not exist."""
    try:
        from modality_gap.data.parquet import open_parquet
    except ImportError:  # beside a plain Snakemake, whose jobs have environments of their own
        return None
    path = next(iter(several(files, PARQUET_FILES).values()))
    if not Path(path).is_file():
        return None
    schema = open_parquet(path).schema_arrow
    return ["item_id", *(field.name for field in schema if field.name != image), "text"]


def read_parquet(
    files: dict[str, str],
    image: Annotated[
        str, "Column with the images: encoded bytes, a path, or both as Hugging Face stores them."
    ] = "image",
    text: Annotated[str, "Column with the texts."] = "text",
    captions: Captions = "first",
    item_id: Annotated[str | None, "Column with the ids; without one, rows are numbered."] = None,
) -> Iterator[dict]:
    """Your own Parquet files, with one row per item, in the order of `files`. Columns: item_id,
    image and text (one of the two may be missing), and all other columns of texts, numbers or truth
    values, as texts. A class of Hugging Face's `datasets` is written as its name. Rows without an
    image or a text are left out, and the log counts them."""
    from modality_gap.data.parquet import open_parquet

    number, left_out = itertools.count(), Counter[str]()
    for path in files.values():
        table = open_parquet(path)
        columns = table.schema_arrow.names
        wanted = {"item_id": item_id} | {
            option: name for option, name in (("image", image), ("text", text)) if name != option
        }
        _check_columns(path, wanted, columns)
        if not {image, text} & {*columns}:
            _check_columns(path, {"image": image}, columns)
        ids = item_id or ("item_id" if "item_id" in columns else None)
        labels = _label_columns(table.schema_arrow, {image, text, ids})
        names = [name for name in columns if name in {image, text, ids} or name in labels]
        read = reader_of_paths(path, str(Path(path).parent))
        for batch in table.iter_batches(ROWS, columns=names):
            for row in batch.to_pylist():
                place = next(number)
                own: dict[str, Any] = {"item_id": str(row[ids]) if ids else f"{place:09d}"}
                if image in columns:
                    own["image"] = _picture(row[image], read)
                if text in columns:
                    own["text"] = _one_text(row[text], captions)
                if missing := [name for name, value in own.items() if not value]:
                    left_out[f"rows without {missing[0]}"] += 1
                    continue
                yield own | {name: write(row[name]) for name, write in labels.items()}
    say_left_out(left_out)


def _picture(value: Any, read: Callable[[str], bytes]) -> bytes | None:
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    return read(value) if isinstance(value, str) else value


def _one_text(value: Any, captions: str) -> str:
    if isinstance(value, list):
        value = (value[0] if captions == "first" else value[-1]) if value else ""
    return "" if value is None else str(value)


def _label_columns(schema: Any, known: set[str | None]) -> dict[str, Callable[[Any], str]]:
    """For each column of labels, a function that turns a value into a text."""
    import pyarrow.types as kinds

    about = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = about.get("info", {}).get("features", {})

    def writer(names: list[str] | None) -> Callable[[Any], str]:
        def write(value: Any) -> str:
            if value is None:
                return ""
            if names and 0 <= value < len(names):
                return names[value]
            return str(value).lower() if isinstance(value, bool) else str(value)

        return write

    plain = (kinds.is_string, kinds.is_large_string, kinds.is_integer, kinds.is_floating,
             kinds.is_boolean, kinds.is_dictionary)  # fmt: skip
    return {
        field.name: writer((features.get(field.name) or {}).get("names"))
        for field in schema
        if field.name not in known | {"item_id"} and any(is_kind(field.type) for is_kind in plain)
    }
