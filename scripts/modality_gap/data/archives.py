"""Members of zip and tar archives: their names, their kinds, and damaged archives."""

import io
import lzma
import mimetypes
import re
import stat
import struct
import sys
import tarfile
import unicodedata
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path, PurePosixPath

from modality_gap.data.files import files_within
from modality_gap.errors import InputError

# Pillow's formats that need another program or contain no picture.
NO_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
# Files that operating systems add to a folder, besides those whose names begin with a dot.
ADDED = {"__MACOSX", "@eaDir", "Thumbs.db", "ehthumbs.db", "desktop.ini", "$RECYCLE.BIN"}
ADDED |= {"System Volume Information"}
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,  # zipfile's word for an archive under a password
)
# Errors that readers raise for content that does not match the format.
FOREIGN = (ValueError, TypeError, LookupError, AttributeError)


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


# --- archives -----------------------------------------------------------------------------------


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn an error while reading an archive into an InputError that names the archive."""
    try:
        yield
    except (IsADirectoryError, PermissionError) as error:
        remedy = "pack its files, or give the path of a file"
        if isinstance(error, PermissionError):
            remedy = "make it readable"
        raise InputError(f"{path} cannot be read ({error.strerror}); {remedy}.") from error
    except NotImplementedError as error:  # not damage, though it is a RuntimeError
        raise InputError(
            f"{path}: the archive cannot be read ({first_line(error)}); unpack it, and pack its "
            "files with the usual compression (deflate)."
        ) from error
    except DAMAGE as error:
        raise InputError(
            f"{path}: the archive cannot be read ({first_line(error)}); delete it and "
            "download it again; the archive must be complete and have no password."
        ) from error


MAGIC = {
    b"PK\3\4": "zip",
    b"PK\5\6": "zip",
    b"Rar!": "RAR",
    b"7z\xbc\xaf": "7z",
    b"(\xb5/\xfd": "Zstandard",
}


def archive_kind(path: str | Path) -> str | None:
    """The kind of an archive: `zip`, `tar` (also compressed) or the name of another kind; None for
    other files."""
    with reading(path), open(path, "rb") as file:
        kind = MAGIC.get(file.read(4))
    if kind is None and tarfile.is_tarfile(path):
        return "tar"
    return kind


def check_kind(path: str | Path, *wanted: str) -> None:
    """Raise InputError if a file is a sound archive, but not of a kind in `wanted`."""
    kind = archive_kind(path)
    if kind and kind not in wanted:
        raise InputError(
            f"{path} is a {kind} archive, not a {' or '.join(wanted)}; unpack it, and pack its "
            f"files as a {wanted[0]}."
        )


@contextmanager
def open_zip(path: str | Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive. An error while reading it becomes an InputError that names it."""
    check_kind(path, "zip")
    with reading(path), zipfile.ZipFile(path) as archive:
        yield archive


def within(path: str | Path, member: str) -> PurePosixPath:
    """The name of a member as a path. Accented letters are single characters (NFC), because macOS
    stores accents separately.

    Raises InputError if the path leads outside the archive's folder. Nothing is unpacked here, but
    such an archive cannot be trusted.
    """
    name = PurePosixPath(nfc(member.replace("\\", "/")))
    if name.is_absolute() or ".." in name.parts or re.match("[A-Za-z]:", member):
        raise InputError(
            f"{path}: the member {member!r} would be unpacked outside its folder. Do not use this "
            "archive; download it again from its publisher."
        )
    return name


def nfc(name: str) -> str:
    """The name with accented letters as single characters (Unicode's NFC)."""
    return unicodedata.normalize("NFC", name)


def is_added(path: PurePosixPath) -> bool:
    """Whether an operating system, not the author, added this file: `._1.jpg`, `.DS_Store`,
    `__MACOSX`, `Thumbs.db`, `.Trash-1000`."""
    dotted = any(part.startswith(".") for part in path.parts)
    return dotted or not ADDED.isdisjoint(path.parts)


# Latin letters, which cp437 (the encoding of old zip names) shares with cp850.
CP437_LETTERS = bytes([*range(0x80), *range(0x80, 0x9B), *range(0xA0, 0xA6), 0xE1])


def zip_name(path: str | Path, info: zipfile.ZipInfo) -> str:
    """The name of a member in a zip archive. It is read as UTF-8 if the archive says so or if its
    bytes are valid UTF-8 (macOS does not say so), and otherwise as cp437. Raises InputError if it
    is probably neither."""
    name = info.filename
    if info.flag_bits & 0x800 or name.isascii():
        return name
    if name != info.orig_filename.partition("\0")[0]:  # Python 3.12 reads the field below itself
        return name
    raw = name.encode("cp437")
    at = 0
    while at + 9 <= len(info.extra):  # Info-ZIP's field of a name in Unicode
        kind, size = struct.unpack_from("<HH", info.extra, at)
        if kind == 0x7075 and struct.unpack_from("<I", info.extra, at + 5)[0] == zlib.crc32(raw):
            raw = info.extra[at + 9 : at + 4 + size]
        at += 4 + size
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        if not set(raw) <= set(CP437_LETTERS):
            raise InputError(
                f"{path}: the encoding of its file names is probably neither UTF-8 nor cp437 (read "
                f"as cp437, one name is {name!r}). Unpack it, and pack it again with names in "
                "UTF-8."
            ) from None
        return name


def zip_members(archive: zipfile.ZipFile) -> dict[str, PurePosixPath]:
    """The files of a zip archive, in its order: a dictionary from the name of a member to its path.
    Raises InputError if two members have the same path."""
    members, paths = {}, set()
    for info in archive.infolist():
        source = archive.filename or ""
        path = within(source, zip_name(source, info))
        if info.is_dir() or is_added(path) or stat.S_ISLNK(info.external_attr >> 16):
            continue
        if path in paths:
            raise InputError(
                f"{archive.filename}: two members are called {path}. Unpack it, and pack it again "
                "with only one of them."
            )
        members[info.filename] = path
        paths.add(path)
    return members


def one_named(path: str | Path, named: dict[str, list[str]], key: str) -> str:
    """The only member whose name in `named` is `key`. Raises InputError if there are several."""
    if len(named[key]) > 1:
        raise InputError(
            f"{path} has {' and '.join(named[key][:2])}, which are both called {key}; pack it "
            "again with only one of them."
        )
    return named[key][0]


def by_name(members: dict[str, PurePosixPath], parts: int = 1) -> dict[str, list[str]]:
    """The members of a zip, grouped by the last `parts` parts of their paths."""
    named = defaultdict(list)
    for name, path in members.items():
        named["/".join(path.parts[-parts:])].append(name)
    return named


def tar_members(path: str | Path) -> Iterator[tuple[PurePosixPath, Callable[[], bytes]]]:
    """Yields the path of each file in a tar archive, in the archive's order, and a function that
    reads the file. The function works only until the next file is taken.

    The archive may be compressed. A hard link gives the file to which it points. Symbolic links are
    left out, and the log counts them.
    """
    check_kind(path, "tar")
    with reading(path), tarfile.open(path) as archive:
        links = 0
        for member in archive:
            name = within(path, member.name)
            links += member.issym()
            if (member.isfile() or member.islnk()) and not is_added(name):
                yield name, partial(_content, path, archive.extractfile, member)
    if links:
        print(f"left out: {links} symbolic links in {path}", file=sys.stderr)


def _content(path: str | Path, opened: Callable, member: str | tarfile.TarInfo) -> bytes:
    try:
        with reading(path), opened(member) as stream:
            return stream.read()
    except KeyError as error:
        raise InputError(
            f"{path}: a link leads to a file that is not in the archive ({first_line(error)}). "
            "Pack it again."
        ) from error


def archive_members(path: str | Path) -> Iterator[tuple[PurePosixPath, Callable[[], bytes]]]:
    """Yields the path of each file in an archive or a folder, and a function that reads the file.
    The function works only until the next file is taken. A zip and a folder are sorted by path; a
    tar keeps its own order."""
    if Path(path).is_dir():
        yield from _folder_members(path)
        return
    check_kind(path, "zip", "tar")
    if archive_kind(path) == "tar":
        yield from tar_members(path)
        return
    with open_zip(path) as archive:
        for name, member in sorted(zip_members(archive).items(), key=lambda item: item[::-1]):
            yield member, partial(_content, path, archive.open, name)


def _folder_members(path: str | Path) -> Iterator[tuple[PurePosixPath, Callable[[], bytes]]]:
    for file in files_within(path):
        name = PurePosixPath(nfc(file.relative_to(path).as_posix()))
        if not is_added(name):
            yield name, file.read_bytes


@cache
def picture_endings() -> frozenset[str]:
    """The endings, in lower case, of files that Pillow reads as pictures."""
    from PIL import Image

    Image.init()
    endings = Image.registered_extensions().items()
    return frozenset(end for end, kind in endings if kind in Image.OPEN.keys() - NO_PICTURES)


def is_picture(path: PurePosixPath, read: Callable[[], bytes]) -> bool:
    """Whether Pillow reads a file as a picture. The ending decides. If there is none, or it says
    nothing (`owl`, `owl.jpg_large`), the content decides."""
    if path.suffix.lower() in picture_endings():
        return True
    kind, packed = mimetypes.guess_type(path.name)
    if packed or (kind and not kind.startswith("image/")):
        return False
    from PIL import Image

    Image.init()
    try:
        Image.open(io.BytesIO(read()), formats=[*(Image.OPEN.keys() - NO_PICTURES)])
    except (OSError, ValueError, SyntaxError, RuntimeError, Image.DecompressionBombError):
        return False
    return True


def item_ids(archive: str | Path, paths: Collection[PurePosixPath]) -> dict[PurePosixPath, str]:
    """The item_id of each picture: its path without the ending. If several pictures would have the
    same id, the ending is kept. Raises InputError that names two pictures whose ids are still
    equal."""
    often = Counter(path.with_suffix("") for path in paths)
    called: dict[str, PurePosixPath] = {}
    for path in paths:
        stem = path.with_suffix("")
        name = str(path if often[stem] > 1 else stem)
        if other := called.get(name):
            raise InputError(
                f"{archive}: {other} and {path} would both be the item {name!r}; rename or "
                "remove one of them."
            )
        called[name] = path
    return {path: name for name, path in called.items()}


def absent_member(path: str | Path, wanted: str) -> InputError:
    return InputError(
        f"{path} has no {wanted}; it is another archive or incomplete, so download it again."
    )
