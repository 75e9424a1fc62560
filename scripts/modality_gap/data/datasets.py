"""A data set as one Parquet file, or as a folder of such files: how they are written."""

import itertools
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from modality_gap.config.declarations import options_in
from modality_gap.data.archives import FOREIGN, first_line
from modality_gap.data.files import stem
from modality_gap.data.formats import FORMATS
from modality_gap.data.parts import put_in_place
from modality_gap.data.readers import ROWS
from modality_gap.errors import InputError

LARGEST = 2**27  # largest bytes of pictures in a row group, which is in memory as a whole


def write_dataset(path: str | Path, settings: dict, files: dict[str, str]) -> None:
    """Write an entry of `datasets` in the config as a Parquet file, one row group at a time.
    `files` are the paths of its files, or of those of one part.

    Raises InputError if a file cannot be read, is not in the format, or has no picture.
    """
    read = _rows_of_part if "files_per_part" in settings else _rows
    rows = writable(read(settings, files), files)
    try:
        _write(path, rows)
    except InputError:
        raise
    except FOREIGN as error:
        raise InputError(
            f"{' and '.join(files.values())}: not a valid data set of the format "
            f"{settings['format']} ({type(error).__name__}: {first_line(error)}); download it "
            "again."
        ) from error


def _rows(settings: dict, files: dict[str, str]) -> Iterator[dict]:
    yield from FORMATS[settings["format"]].read(files, **options_in(settings))


def _rows_of_part(settings: dict, files: dict[str, str]) -> Iterator[dict]:
    """The rows of each file. An item_id begins with the name of its file, because no part knows
    the items of another."""
    for role, path in files.items():
        for row in _rows(settings, {role: path}):
            yield row | {"item_id": f"{stem(path)}/{row['item_id']}"}


def writable(rows: Iterator[dict], files: dict[str, str]) -> Iterator[dict]:
    """The rows, unchanged. Raises InputError that names the item if an item_id occurs twice, or if
    a text has half a character (for instance, because it was cut within an emoji)."""
    seen = set()
    for row in rows:
        if row["item_id"] in seen:
            raise InputError(
                f"{' and '.join(files.values())}: two images have the item_id "
                f"{row['item_id']!r}; rename or remove one of them."
            )
        seen.add(row["item_id"])
        for name, value in row.items():
            try:
                if isinstance(value, str):
                    value.encode()
            except UnicodeEncodeError as error:
                raise InputError(
                    f"{' and '.join(files.values())}: the {name} of item {row['item_id']!r} "
                    f"has a character that was cut in two (U+{ord(value[error.start]):04X} is "
                    "left); correct the text."
                ) from error
        yield row


def _groups(rows: Iterator[dict]) -> Iterator[list[dict]]:
    """The rows in lists of ROWS. A list is shorter if its pictures have more than LARGEST bytes."""
    group: list[dict] = []
    size = 0
    for row in rows:
        group.append(row)
        size += len(row.get("image") or b"")
        if len(group) == ROWS or size > LARGEST:
            yield group
            group, size = [], 0
    if group:
        yield group


def _write(path: str | Path, rows: Iterator[dict]) -> None:
    first = next(rows, None)
    if first is None:
        raise LookupError("it contains no image")
    schema = pa.schema({name: pa.binary() if name == "image" else pa.string() for name in first})
    every = itertools.chain([first], rows)
    shown = iter(tqdm(every, unit="picture", mininterval=10, file=sys.stderr))
    labels: Counter[str] = Counter()
    begun = Path(f"{path}.part")  # the file gets its name when it is complete
    try:
        with pq.ParquetWriter(begun, schema) as writer:
            for group in _groups(shown):
                writer.write_table(pa.Table.from_pylist(group, schema))
                labels.update(row.get("label", "") for row in group)
        put_in_place(begun, Path(path))
    finally:
        begun.unlink(missing_ok=True)
    classes = f" of {len(labels)} classes" if "label" in first else ""
    print(f"{labels.total()} pictures{classes}", file=sys.stderr)
