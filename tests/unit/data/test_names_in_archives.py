"""The names of files in archives: how they are read, which are left out, and which are refused."""

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import PurePosixPath

import pytest

from modality_gap.data.archives import (
    archive_kind,
    archive_members,
    by_name,
    check_kind,
    is_added,
    item_ids,
    one_named,
    picture_endings,
    within,
    zip_members,
    zip_name,
)
from modality_gap.errors import InputError


def info_of(raw: bytes, *fields: tuple[int, bytes], utf8: bool = False) -> zipfile.ZipInfo:
    """A member of a zip whose name has these bytes, as zipfile reads it, with extra fields."""
    info = zipfile.ZipInfo(raw.decode("utf-8" if utf8 else "cp437"))
    info.flag_bits = 0x800 if utf8 else 0
    info.extra = b"".join(struct.pack("<HH", kind, len(of)) + of for kind, of in fields)
    return info


def test_bytes_that_are_no_utf8_are_letters_that_both_old_encodings_share_or_refused():
    for byte in range(0x80, 0x100):
        old, other = (bytes([byte]).decode(name, "replace") for name in ("cp437", "cp850"))
        if old == other and old.isalpha() and old not in "ƒªºµ":
            assert zip_name("a.zip", info_of(b"n" + bytes([byte]))) == "n" + old
        else:
            with pytest.raises(
                InputError, match=r"^a.zip: the encoding of .* with names in UTF-8\.$"
            ):
                zip_name("a.zip", info_of(b"n" + bytes([byte])))


@pytest.mark.parametrize("utf8", [True, False])
def test_a_name_in_utf8_is_read_whether_the_archive_says_so_or_not(utf8):
    for name in ("bé.png", "雪.png"):  # the second has no letter of cp437
        assert zip_name("a.zip", info_of(name.encode(), utf8=utf8)) == name


def test_a_field_with_the_name_in_unicode_counts_if_it_is_of_this_name():
    raw, name = "bé.png".encode("cp437"), "bê.png"  # so that it shows which one is read

    def field(of: bytes) -> tuple[int, bytes]:
        return 0x7075, b"\x01" + struct.pack("<I", zlib.crc32(of)) + name.encode()

    time = (0x5455, b"\x01" + bytes(4))
    for fields in ([field(raw)], [time, field(raw)], [field(raw), time]):
        assert zip_name("a.zip", info_of(raw, *fields)) == name
    assert zip_name("a.zip", info_of(raw, time, field(b"other"))) == "bé.png"
    assert zip_name("a.zip", info_of(raw, (0x7076, field(raw)[1]))) == "bé.png"


@pytest.mark.parametrize(
    ("member", "path"),
    [
        ("a/b.png", "a/b.png"),
        ("a\\b.png", "a/b.png"),
        ("./a/./b.png", "a/b.png"),
        ("..a/b..png", "..a/b..png"),
        ("e\u0301.png", "\u00e9.png"),
        ("ab:c", "ab:c"),
    ],
)
def test_a_name_is_a_path_within_the_archive(member, path):
    assert within("a.zip", member) == PurePosixPath(path)


@pytest.mark.parametrize(
    "member", ["/a", "\\a", "../a", "a/../b", "a\\..\\b", "C:\\a", "c:a", ".."]
)
def test_a_name_that_leads_outside_is_refused(member):
    with pytest.raises(InputError, match=r"^x.tar: the member .* would be unpacked outside"):
        within("x.tar", member)


@pytest.mark.parametrize(
    ("name", "added"),
    [
        ("a/._1.jpg", True),
        (".DS_Store", True),
        (".Trash-1000/a.png", True),
        ("__MACOSX/a.png", True),
        ("@eaDir/a.png", True),
        ("$RECYCLE.BIN/a.png", True),
        ("System Volume Information/a", True),
        ("a/Thumbs.db", True),
        ("a/ehthumbs.db", True),
        ("a/desktop.ini", True),
        ("a/b.c.png", False),
        ("MACOSX/a.png", False),
    ],
)
def test_files_that_an_operating_system_adds_are_known(name, added):
    assert is_added(PurePosixPath(name)) is added


def zip_at(path, members: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return str(path)


def tar_at(path, members: dict[str, bytes]) -> str:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return str(path)


FILES = {"b/2.txt": b"two", "__MACOSX/b/2.txt": b"x", "a.txt": b"a", "b/10.txt": b"ten"}


@pytest.mark.parametrize("kind", ["zip", "tar", "folder"])
def test_members_have_their_content_and_their_order(tmp_path, kind):
    path = str(tmp_path / "x")
    if kind == "folder":
        for name, content in FILES.items():
            (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "x" / name).write_bytes(content)
    else:
        {"zip": zip_at, "tar": tar_at}[kind](path, FILES)
    found = [(str(name), read()) for name, read in archive_members(path)]
    names = ["b/2.txt", "a.txt", "b/10.txt"]
    assert found == [(name, FILES[name]) for name in (names if kind == "tar" else sorted(names))]


def test_the_kind_of_an_archive_is_that_of_its_bytes(tmp_path):
    assert archive_kind(zip_at(tmp_path / "a.tar", FILES)) == "zip"
    assert archive_kind(tar_at(tmp_path / "a.zip", FILES)) == "tar"
    (tmp_path / "a.txt").write_text("neither")
    assert archive_kind(tmp_path / "a.txt") is None
    for written, told in ((zip_at, "zip"), (tar_at, "tar")):
        # A name in the archive may look like another kind.
        assert (
            archive_kind(written(tmp_path / f"nested.{told}", {"a.tar": b"", "b.zip": b""})) == told
        )


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"PK\x03\x04", "zip"),
        (b"PK\x05\x06", "zip"),  # without members
        (b"Rar!\x1a", "RAR"),
        (b"7z\xbc\xaf\x27", "7z"),
        (b"\x28\xb5\x2f\xfd", "Zstandard"),
        (b"PK\x07\x08", None),
    ],
)
def test_an_archive_of_another_kind_is_refused_by_its_name(tmp_path, start, kind):
    path = tmp_path / "a.bin"
    path.write_bytes(start)
    assert archive_kind(path) == kind
    if kind not in (None, "zip"):
        with pytest.raises(InputError, match=f"a.bin is a {kind} archive, not a zip or tar; unp"):
            next(archive_members(path))
    if kind == "zip":
        check_kind(path, "zip")
        with pytest.raises(InputError, match=r"a.bin is a zip archive, not a tar; .* as a tar"):
            check_kind(path, "tar")
    else:
        check_kind(tmp_path / "a.bin", *([kind] if kind else []))


def test_endings_of_pictures_are_those_that_pillow_reads_by_itself():
    found = picture_endings()
    assert {".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif"} <= found
    # Maps, films, measurements and drawings for other programs.
    others = {".bufr", ".eps", ".ps", ".grib", ".h5", ".hdf", ".iim", ".mpg", ".mpeg", ".wmf"}
    assert not others & found


def test_folders_links_and_added_files_of_a_zip_are_left_out(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.mkdir("b")
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        for name in (link, "b/._1.png", "b/1.png", "c.png"):
            archive.writestr(name, b"x")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        members = zip_members(archive)
    assert list(members) == ["b/1.png", "c.png"]
    assert by_name(members) == {"1.png": ["b/1.png"], "c.png": ["c.png"]}
    assert by_name(members, 2) == {"b/1.png": ["b/1.png"], "c.png": ["c.png"]}


def test_two_members_of_one_name_are_refused(tmp_path):
    zip_at(tmp_path / "a.zip", {"b/1.png": b"x", "b\\1.png": b"y"})
    with (
        zipfile.ZipFile(tmp_path / "a.zip") as archive,
        pytest.raises(InputError, match=r"a.zip: two members are called b/1.png"),
    ):
        zip_members(archive)
    named = {"1.png": ["a/1.png"], "2.png": ["a/2.png", "b/2.png", "c/2.png"]}
    assert one_named("a.zip", named, "1.png") == "a/1.png"
    with pytest.raises(InputError, match=r"a.zip has a/2.png and b/2.png, which are both called 2"):
        one_named("a.zip", named, "2.png")


def test_pictures_of_one_stem_keep_their_endings():
    paths = [PurePosixPath(name) for name in ("a/owl.png", "a/owl.jpg", "b/owl.png", "a/tit")]
    ids = item_ids("a.zip", paths)
    assert {str(path): name for path, name in ids.items()} == {
        "a/owl.png": "a/owl.png",
        "a/owl.jpg": "a/owl.jpg",
        "b/owl.png": "b/owl",
        "a/tit": "a/tit",
    }
    again = [PurePosixPath(name) for name in ("owl.png", "owl.png.jpg", "owl.jpg")]
    with pytest.raises(InputError, match=r"a.zip: owl.png and owl.png.jpg would both be the item"):
        item_ids("a.zip", again)
