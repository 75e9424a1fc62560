"""Data sets in the forms that people keep their own in: texts beside pictures, tables of paths,
webdataset's tars, Parquet files; from folders and archives."""

import csv
import io
import json
import os
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from modality_gap.config.load import load_yaml
from modality_gap.config.references import column_references
from modality_gap.data.archives import archive_members
from modality_gap.data.captioned import columns_of_table
from modality_gap.data.datasets import write_dataset
from modality_gap.data.files import folder_states, several
from modality_gap.data.formats import FORMATS
from modality_gap.data.parquet import reading_parquet
from modality_gap.errors import InputError


def picture(seed: int = 0, kind: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (4, 5, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


OWL, TIT, JAY = picture(1), picture(2), picture(3)


def made(target: Path, form: str, files: dict[str, Path | str], **options: str) -> pd.DataFrame:
    """The data set that a format makes, as the rules do."""
    found = several({role: str(path) for role, path in files.items()}, FORMATS[form].patterns)
    write_dataset(target / "made.parquet", {"format": form, "files": {}, **options}, found)
    return pd.read_parquet(target / "made.parquet")


def refused(target: Path, form: str, files: dict[str, Path | str], **options: str) -> str:
    with pytest.raises(InputError) as caught:
        made(target, form, files, **options)
    told = str(caught.value)
    assert "\n" not in told
    assert any(told.startswith(str(file)) for file in files.values()), told  # the file it is about
    return told


def in_folder(folder: Path, members: dict[str, bytes]) -> Path:
    for name, content in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def in_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def in_tar(path: Path, members: dict[str, bytes]) -> Path:
    mode = {".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w")
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


PLACES = {
    "folder": lambda folder, members: in_folder(folder / "birds", members),
    "zip": lambda folder, members: in_zip(folder / "birds.zip", members),
    **{
        end: lambda folder, members, end=end: in_tar(folder / f"birds{end}", members)
        for end in (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
    },
}


@pytest.mark.parametrize("place", PLACES)
def test_texts_beside_pictures(tmp_path, place, capsys):
    members = {
        "a/owl.png": OWL, "a/owl.txt": "\ufeffan owl\n".encode(), "a/tit.PNG": TIT,
        "b/tit.png": JAY, "b/tit.TXT": "a jay, bécasse".encode(), "b/alone.txt": b"nothing",
        "b/empty.png": OWL, "b/empty.txt": b" \n", "b/notes.pdf": b"x", ".DS_Store": b"x",
        "__MACOSX/a/._owl.png": b"x", "a/._owl.txt": b"\xff", "Thumbs.db": b"x",
    }  # fmt: skip
    table = made(tmp_path, "text_files", {"archive": PLACES[place](tmp_path, members)})
    assert table.to_dict("records") == [
        {"item_id": "a/owl", "image": OWL, "text": "an owl", "folder": "a"},
        {"item_id": "b/tit", "image": JAY, "text": "a jay, bécasse", "folder": "b"},
    ]
    said = capsys.readouterr().err
    assert "left out: 2 images without a text in a .txt file" in said
    assert "left out: 2 texts without an image" in said
    assert "left out: 1 files of other kinds" in said


def test_texts_of_another_ending_and_in_another_encoding(tmp_path):
    folder = in_folder(tmp_path / "x", {"1.png": OWL, "1.caption": b"an owl", "1.txt": b"no"})
    for ending in ("caption", ".caption", "CAPTION", ".Caption"):
        table = made(tmp_path, "text_files", {"archive": folder}, ending=ending)
        assert list(table["text"]) == ["an owl"]
    (folder / "1.txt").write_bytes("bécasse".encode("latin-1"))
    told = refused(tmp_path, "text_files", {"archive": folder})
    assert "1.txt is not UTF-8 text" in told and told.endswith("; save it as UTF-8.")


@pytest.mark.parametrize("place", PLACES)
def test_class_folders_are_read_from_a_folder_or_any_tar(tmp_path, place, capsys):
    members = {"birds/owl/1.png": OWL, "birds/tit/2.png": TIT, "birds/owl/.1.png": b"x"}
    members |= {"birds/tit/desktop.ini": b"x", ".Trash-0/birds/owl/3.png": JAY}
    files = {"archive": PLACES[place](tmp_path, members)}
    table = made(tmp_path, "class_folders", files, folder="birds")
    assert dict(zip(table["item_id"], table["label"], strict=True)) == {
        "owl/1": "owl",
        "tit/2": "tit",
    }
    assert "left out" not in capsys.readouterr().err


def table_of(
    path: Path, rows: list[list[str]], separator: str = ",", encoding: str = "utf-8"
) -> Path:
    with open(path, "w", newline="", encoding=encoding) as stream:
        csv.writer(stream, delimiter=separator).writerows(rows)
    return path


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
@pytest.mark.parametrize("place", ["beside", *PLACES])
def test_a_table_of_paths(tmp_path, place, separator):
    """Also as spreadsheets save it, with a mark at the beginning."""
    members = {"im/owl.png": OWL, "im/tit.png": TIT}
    rows = [["filepath", "title", "split"], ["im/owl.png", "an owl, red", "train"],
            ["im/tit.png", "a tit", "test"], ["im/owl.png", "one owl", "test"]]  # fmt: skip
    encoding = "utf-8-sig" if place == "beside" else "utf-8"
    files = {"table": table_of(tmp_path / "t.csv", rows, separator, encoding)}
    if place == "beside":
        in_folder(tmp_path, members)
    else:
        files["pictures"] = PLACES[place](tmp_path, members)
    table = made(tmp_path, "csv", files, image="filepath", text="title")
    assert list(table) == ["item_id", "image", "text", "split", "picture"]
    known = columns_of_table(files, image="filepath", text="title")
    assert {*known} == {"item_id", "text", "split", "picture"} | {"title"}
    found = {row["item_id"]: row for row in table.to_dict("records")}
    assert {name: (row["image"], row["text"], row["split"]) for name, row in found.items()} == {
        "im/owl_0": (OWL, "an owl, red", "train"),
        "im/owl_1": (OWL, "one owl", "test"),
        "im/tit": (TIT, "a tit", "test"),
    }
    assert found["im/owl_1"]["picture"] == "im/owl.png"


def test_tabs_separate_columns_also_where_a_name_has_a_comma(tmp_path):
    in_folder(tmp_path, {"1.png": OWL})
    rows = "image\ttext, in English\n1.png\tan owl, red\n"
    (tmp_path / "t.tsv").write_text(rows, encoding="utf-8")
    table = made(tmp_path, "csv", {"table": tmp_path / "t.tsv"}, text="text, in English")
    assert list(table["text"]) == ["an owl, red"]


def test_paths_of_a_table_may_be_absolute_or_name_variables(tmp_path, monkeypatch):
    in_folder(tmp_path / "there", {"1.png": OWL, "2.png": TIT, "3.png": JAY})
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BIRDS", str(tmp_path / "there"))
    paths = [str(tmp_path / "there" / "1.png"), "~/there/2.png", "$BIRDS/3.png"]
    rows = [["item_id", "image", "text"], *([f"i{n}", p, "x"] for n, p in enumerate(paths))]
    table = made(tmp_path, "csv", {"table": table_of(tmp_path / "t.tsv", rows, "\t")})
    assert list(table["image"]) == [OWL, TIT, JAY]
    assert list(table["item_id"]) == ["i0", "i1", "i2"]


@pytest.mark.parametrize("place", ["beside", "folder", "zip", ".tar"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_path_may_be_spelled_as_on_windows_or_a_mac(tmp_path, place, form):
    """Two spellings of one path are two rows of one image, as the same path twice is."""
    jay = unicodedata.normalize(form, "im/bécasse.png")
    members = {"im/owl.png": OWL, "im/tit.png": TIT, unicodedata.normalize("NFC", jay): JAY}
    paths = {"im/owl.png": "one", "./im/owl.png": "two", "im\\tit.png": "three", jay: "four"}
    files = {"table": table_of(tmp_path / "t.csv", [["image", "text"], *map(list, paths.items())])}
    if place == "beside":
        in_folder(tmp_path, members)
    else:
        files["pictures"] = PLACES[place](tmp_path, members)
    table = made(tmp_path, "csv", files)
    assert dict(zip(table["picture"], table["text"], strict=True)) == paths
    assert dict(zip(table["text"], zip(table["item_id"], table["image"], strict=True),
                    strict=True)) == {
        "one": ("im/owl_0", OWL),
        "two": ("im/owl_1", OWL),
        "three": ("im/tit", TIT),
        "four": ("im/bécasse", JAY),
    }  # fmt: skip


def test_a_path_in_a_folder_is_first_taken_as_it_is_written(tmp_path):
    names = {unicodedata.normalize("NFD", "bécasse.png"): JAY, "a\\b.png": TIT}
    rows = [["image", "text"], *([name, "x"] for name in names)]
    files = {"table": table_of(in_folder(tmp_path, names) / "t.csv", rows)}
    assert list(made(tmp_path, "csv", files)["image"]) == [JAY, TIT]


@pytest.mark.parametrize("place", PLACES)
def test_a_table_that_names_an_absent_image_is_refused(tmp_path, place):
    pictures = PLACES[place](tmp_path, {"im/owl.png": OWL})
    rows = [["image", "text"], ["im/owl.png", "x"], ["im\\tit.png", "y"]]
    files = {"table": table_of(tmp_path / "t.csv", rows), "pictures": pictures}
    assert refused(tmp_path, "csv", files) == (
        f"{tmp_path / 't.csv'}: there is no image 'im\\\\tit.png' in {pictures}; correct the path, "
        "or name the folder or archive of the images as files.pictures."
    )


def test_an_option_that_names_no_column_is_told_by_its_own_name(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("image,text\n1.png,x\n", encoding="utf-8")
    for option in ("image", "text"):
        told = refused(tmp_path, "csv", {"table": path}, **{option: "words"})
        assert told.endswith(f" has no column 'words'; set `{option}` to one of image, text.")
    path = tmp_path / "t.parquet"
    pd.DataFrame({"image": [OWL], "text": ["an owl"]}).to_parquet(path)
    for option in ("image", "text", "item_id"):
        told = refused(tmp_path, "parquet", {"table": path}, **{option: "words"})
        assert told.endswith(f" has no column 'words'; set `{option}` to one of image, text.")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([["image", "caption"], ["1.png", "x"]], "no column 'text'; set `text` to one of image, c"),
        ([["path", "text"], ["1.png", "x"]], "has no column 'image'; set `image` to one of path"),
        ([["image", "text"], ["absent.png", "x"]], "there is no image 'absent.png' in"),
        ([["image", "text"], ["https://a.example/1.png", "x"]], "is an address; download the im"),
        (
            [["image", "text"], ["1.png"]],
            "row 2 has more or fewer values than the first line. Correct the row, or put q",
        ),
        (
            [["image", "text"], ["1.png", "x", "y"]],
            "row 2 has more or fewer values than the first line. Correct the row, or put q",
        ),
        ([["image", "text"]], "has no rows below its first line"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path, rows, words):
    in_folder(tmp_path, {"1.png": OWL})
    files = {"table": table_of(tmp_path / "t.csv", rows)}
    told = refused(tmp_path, "csv", files)
    assert words in told
    assert "t.csv" in told


SHARD = {
    "000.jpg": OWL, "000.txt": b"an owl", "000.json": b'{"caption": "other"}', "000.cls": b"3",
    "x/001.webp": TIT, "x/001.json": json.dumps({"caption": " a tit "}).encode(),
    "002.txt": b"no image", "003.png": JAY, "004.seg.png": OWL, "004.txt": b"no image either",
    "005.png": JAY, "005.json": b'["caption"]', "006.png": JAY, "006.json": b'{"caption": 6}',
}  # fmt: skip


def test_tars_of_webdataset(tmp_path, capsys):
    table = made(tmp_path, "webdataset", {"shards": in_tar(tmp_path / "a.tar", SHARD)})
    assert table.to_dict("records") == [
        {"item_id": "000", "image": OWL, "text": "an owl", "label": "3"},
        {"item_id": "x/001", "image": TIT, "text": "a tit", "label": ""},
    ]
    said = capsys.readouterr().err
    assert "left out: 2 items without an image" in said
    assert "left out: 3 items without a text" in said
    files = {"shards": tmp_path / "a.tar"}
    other = made(tmp_path, "webdataset", files, text=".cls", label=".txt")
    assert other[["item_id", "text", "label"]].to_numpy().tolist()[0] == ["000", "3", "an owl"]


def test_endings_in_capitals_and_equal_names_in_two_folders_of_a_tar(tmp_path):
    members = {"a/1.JPG": OWL, "a/1.TXT": b"an owl", "a/1.Cls": b"3", "b/1.png": TIT,
               "b/1.JSON": b'{"caption": "a tit"}'}  # fmt: skip
    table = made(tmp_path, "webdataset", {"shards": in_tar(tmp_path / "a.tar", members)})
    assert table.to_dict("records") == [
        {"item_id": "a/1", "image": OWL, "text": "an owl", "label": "3"},
        {"item_id": "b/1", "image": TIT, "text": "a tit", "label": ""},
    ]


@pytest.mark.parametrize("pattern", ["{00..01}.tar", "{00,01}.tar", "*.tar", "0?.tar", ""])
def test_several_tars_are_one_data_set(tmp_path, pattern):
    folder = tmp_path / "shards"
    folder.mkdir()
    for name, image in (("01", TIT), ("00", OWL)):
        in_tar(folder / f"{name}.tar", {"a.png": image, "a.txt": b"x"})
    (folder / "._00.tar").write_bytes(b"of a Mac")
    (folder / "00_stats.json").write_bytes(b"of img2dataset")
    table = made(tmp_path, "webdataset", {"shards": folder / pattern})
    assert list(table["item_id"]) == ["00/a", "01/a"]
    assert list(table["image"]) == [OWL, TIT]


def test_a_pattern_or_a_folder_without_files_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "*.tar"):
        with pytest.raises(InputError, match="matches no file"):
            several({"x": str(path)}, ("*.tar",))
    assert several({"x": "a*.zip"}, ()) == {"x": "a*.zip"}
    found = several({"x": "s/{08..10}.tar"}, ("*.tar",))
    assert list(found.values()) == ["s/08.tar", "s/09.tar", "s/10.tar"]


def test_a_parquet_file_of_one_s_own(tmp_path, capsys):
    (tmp_path / "jay.png").write_bytes(JAY)
    # Hugging Face also keeps the name that a picture had where it came from.
    images = [
        {"bytes": OWL, "path": "from/elsewhere.png"},
        {"bytes": None, "path": "jay.png"},
        None,
    ]
    features = {"kind": {"names": ["owl", "jay"], "_type": "ClassLabel"}}
    table = pa.table({
        "photo": pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        "captions": [["an owl", "one owl"], ["a jay"], ["nothing"]],
        "kind": [0, 1, 1], "wild": [True, None, False], "boxes": [[1], [2], [3]],
    })  # fmt: skip
    about = json.dumps({"info": {"features": features}})
    pq.write_table(table.replace_schema_metadata({"huggingface": about}), tmp_path / "my.parquet")
    files = {"table": tmp_path / "my.parquet"}
    found = made(tmp_path, "parquet", files, image="photo", text="captions", captions="last")
    assert found.to_dict("records") == [
        {"item_id": "000000000", "image": OWL, "text": "one owl", "kind": "owl", "wild": "true"},
        {"item_id": "000000001", "image": JAY, "text": "a jay", "kind": "jay", "wild": ""},
    ]
    assert "left out: 1 rows without image" in capsys.readouterr().err
    assert "no column 'image'; set `image` to one of photo, cap" in refused(
        tmp_path, "parquet", files
    )


def test_a_class_that_has_no_name_keeps_its_number(tmp_path):
    table = pa.table({
        "image": [OWL] * 5, "text": ["x"] * 4 + [None], "kind": [1, -1, 2, None, 1],
        "count": [1.5, 2.0, None, 3.0, 4.0], "true": [True, False, None, True, True],
    })  # fmt: skip
    about = json.dumps({"info": {"features": {"kind": {"names": ["owl", "jay"]}}}})
    pq.write_table(table.replace_schema_metadata({"huggingface": about}), tmp_path / "a.parquet")
    found = made(tmp_path, "parquet", {"table": tmp_path / "a.parquet"})
    assert found["kind"].tolist() == ["jay", "-1", "2", ""]
    assert found["count"].tolist() == ["1.5", "2.0", "", "3.0"]
    assert found["true"].tolist() == ["true", "false", "", "true"]


def test_parquet_files_of_a_folder_and_ids_of_their_own(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for n, image in enumerate((OWL, TIT)):
        table = pd.DataFrame({"item_id": [f"i{n}"], "image": [image], "text": [f"t{n}"], "k": [n]})
        table.to_parquet(folder / f"{n}.parquet", index=False)
    (folder / "README.md").write_text("what is here")
    found = made(tmp_path, "parquet", {"parts": folder})
    assert found.to_dict("list") == {
        "item_id": ["i0", "i1"], "image": [OWL, TIT], "text": ["t0", "t1"], "k": ["0", "1"],
    }  # fmt: skip
    found = made(tmp_path, "parquet", {"parts": folder}, item_id="k")
    assert list(found["item_id"]) == ["0", "1"]


def test_rows_without_ids_are_numbered_over_batches_and_files(tmp_path, monkeypatch):
    monkeypatch.setattr("modality_gap.data.captioned.ROWS", 2)
    folder = tmp_path / "parts"
    folder.mkdir()
    for name, texts in (("a", ["0", "1", None, "3", "4"]), ("b", ["5", "6", "7"])):
        table = pa.table({"image": [OWL] * len(texts), "text": texts})
        pq.write_table(table, folder / f"{name}.parquet")
    found = made(tmp_path, "parquet", {"parts": folder})
    # A row that is left out keeps its number.
    assert list(found["item_id"]) == [f"{int(text):09d}" for text in found["text"]]
    assert list(found["text"]) == list("0134567")


def test_columns_of_files_at_hand_are_known_before_a_run(tmp_path):
    pd.DataFrame({"image": [OWL], "text": ["x"], "place": ["y"]}).to_parquet(tmp_path / "p.parquet")
    table_of(tmp_path / "t.csv", [["image", "text", "place"]])
    formats = {"parquet": "p.parquet", "csv": "t.csv"}
    for form, name in formats.items():
        role = "table"
        entry = {"format": form, "files": {role: str(tmp_path / name)}}
        config = {"datasets": {"mine": entry}, "tasks": {}, "table2": {}}
        config |= {"inputs": {"some": {"dataset": "mine", "where": {"split": ["test"]}}}}
        config["table2"] = {"group": "place", "gender": "place", "inputs": "some"}
        key, column, known, kind = next(column_references(config, FORMATS))
        assert (key, column) == ("inputs.some.where.split", "split")
        assert {"place", "text", "item_id"} <= {*known}
        assert "image" not in known
        assert kind == "column of the dataset mine"
        other = FORMATS[form].columns(entry["files"], image="place")
        assert "text" in other and "place" not in other
        # Of files that are not there yet nothing is known, and nothing is refused.
        entry["files"][role] = str(tmp_path / f"absent{name}")
        assert not list(column_references(config, FORMATS))


def test_a_change_within_a_folder_shows(tmp_path):
    folder = in_folder(tmp_path / "x", {"a/1.png": OWL})
    before = folder_states({"archive": str(folder), "table": "t.csv"})
    assert before.keys() == {"archive"}
    assert folder_states({"archive": str(folder)}) == before
    os.utime(folder / "a" / "1.png", ns=(1, 1))
    touched = folder_states({"archive": str(folder)})
    assert touched != before
    (folder / "a" / "1.png").write_bytes(b"longer" + OWL)
    os.utime(folder / "a" / "1.png", ns=(1, 1))
    longer = folder_states({"archive": str(folder)})
    (folder / "a").rename(folder / "b")
    moved = folder_states({"archive": str(folder)})
    in_folder(folder, {"a/2.png": OWL})
    states = [before, touched, longer, moved, folder_states({"archive": str(folder)})]
    assert len({state["archive"] for state in states}) == 5


def test_a_zip_and_a_folder_are_read_by_path_and_a_tar_in_its_own_order(tmp_path):
    names = ["b/2.png", "b/10.png", "a/9.png", "b.png"]
    members = {name: name.encode() for name in names}
    for path, order in (
        (in_zip(tmp_path / "x.zip", members), sorted(names, key=lambda name: Path(name).parts)),
        (in_folder(tmp_path / "x", members), sorted(names, key=lambda name: Path(name).parts)),
        (in_tar(tmp_path / "x.tar", members), names),
    ):
        found = [(str(member), read()) for member, read in archive_members(path)]
        assert found == [(name, name.encode()) for name in order]


def test_links_in_a_folder_are_followed_once(tmp_path):
    folder = in_folder(tmp_path / "x", {"a/1.png": OWL})
    in_folder(tmp_path / "other", {"2.png": TIT})
    (folder / "b").symlink_to(tmp_path / "other")
    (folder / "a" / "loop").symlink_to(folder)
    (folder / "a" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert [str(member) for member, _ in archive_members(folder)] == ["a/1.png", "b/2.png"]


def test_links_in_a_tar_are_read_or_counted_and_lead_nowhere_else(tmp_path, capsys):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    path = in_tar(tmp_path / "a.tar", {"birds/owl/1.png": OWL})
    with tarfile.open(path, "a") as archive:
        for name, kind, target in (
            ("birds/owl/2.png", tarfile.LNKTYPE, "birds/owl/1.png"),
            ("birds/owl/3.png", tarfile.SYMTYPE, str(secret)),
            ("birds/owl/5.png", tarfile.SYMTYPE, str(secret)),
        ):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            archive.addfile(link)
    table = made(tmp_path, "class_folders", {"archive": path}, folder="birds")
    assert dict(zip(table["item_id"], table["image"], strict=True)) == {"owl/1": OWL, "owl/2": OWL}
    assert "left out: 2 symbolic links" in capsys.readouterr().err
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("birds/owl/4.png")
        link.type, link.linkname = tarfile.LNKTYPE, str(secret)
        archive.addfile(link)
    told = refused(tmp_path, "class_folders", {"archive": path}, folder="birds")
    assert told.endswith("Pack it again.") and "a file that is not in the archive" in told


def test_damage_and_another_compression_have_their_own_remedies(tmp_path):
    path = in_tar(tmp_path / "a.tar.xz", {f"birds/owl/{n}.png": os.urandom(4000) for n in range(9)})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    told = refused(tmp_path, "class_folders", {"archive": path}, folder="birds")
    assert "the archive cannot be read" in told
    assert "download it again" in told
    # Deflate64, as Windows packs large files.
    path = in_zip(tmp_path / "b.zip", {"birds/owl/1.png": OWL})
    data = path.read_bytes().replace(
        b"PK\x03\x04\x14\x00\x00\x00\x00\x00", b"PK\x03\x04\x14\x00\x00\x00\x09\x00"
    )
    data = data.replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x09\x00"
    )
    path.write_bytes(data)
    told = refused(tmp_path, "class_folders", {"archive": path}, folder="birds")
    assert "pack its files with the usual compression" in told
    assert "download" not in told


def test_pictures_without_an_ending_are_known_by_their_content(tmp_path, capsys):
    members = {
        "birds/owl/1": OWL, "birds/owl/2.jpg_large": TIT, "birds/owl/3.heic": JAY,
        "birds/owl/README": b"no picture", "birds/owl/4.txt": OWL, "birds/owl/5.svg": b"<svg/>",
        "birds/owl/6.mp4": OWL, "birds/owl/7.png.gz": OWL,
    }  # fmt: skip
    files = {"archive": in_zip(tmp_path / "a.zip", members)}
    table = made(tmp_path, "class_folders", files, folder="birds")
    assert dict(zip(table["item_id"], table["image"], strict=True)) == {
        "owl/1": OWL, "owl/2": TIT, "owl/3": JAY,
    }  # fmt: skip
    assert (
        "left out, because they are not pictures: 5 files in class folders"
        in capsys.readouterr().err
    )
    files = {"archive": in_zip(tmp_path / "b.zip", {"1": OWL, "1.txt": b"an owl"})}
    assert list(made(tmp_path, "text_files", files)["image"]) == [OWL]


def test_a_folder_or_a_locked_file_is_not_called_broken(tmp_path, monkeypatch):
    files = {"annotations": tmp_path, "test": tmp_path}
    told = refused(tmp_path, "coco", files, captions="last")
    assert "Is a directory" in told
    assert "pack its files" in told
    told = refused(tmp_path, "csv", {"table": tmp_path})
    assert "give the path of a file" in told
    (tmp_path / "a.zip").touch()

    def locked(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", locked)
    with pytest.raises(InputError, match=r"a.zip cannot be read .*; make it readable"):
        next(archive_members(tmp_path / "a.zip"))


def test_a_column_that_a_file_lacks_is_named_and_the_file_is_not_called_broken(tmp_path):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"item_id": ["a"], "label": ["b"]}).to_parquet(path)
    words = r"has no column 'split', which the configuration names; its columns are item_id, label"
    with pytest.raises(InputError, match=words), reading_parquet(path):
        pd.read_parquet(path, columns=["split"])
    with pytest.raises(InputError, match="give the path of a file"), reading_parquet(tmp_path):
        raise IsADirectoryError(21, "Is a directory")


def test_columns_of_clusters_are_known(root):
    config = load_yaml(root / "config" / "config.yaml")
    config["clusters"] = {"emoji": "concpt"}
    found = {key: names for key, name, names, _ in column_references(config, FORMATS)
             if name not in names}  # fmt: skip
    assert list(found) == ["clusters.emoji"]
    assert "concept" in found["clusters.emoji"]


def test_folders_with_classes_are_named_if_the_given_one_has_none(tmp_path):
    members = {"all/train/owl/1.png": OWL, "all/test/tit/2.PNG": TIT, "top/3.png": JAY}
    files = {"archive": in_zip(tmp_path / "a.zip", members)}
    told = refused(tmp_path, "class_folders", files, folder="birds")
    assert "set `folder` to a folder of class folders, such as all/" in told
    assert {"all/train", "all/test", "."} == {*told.rpartition("such as ")[2][:-1].split(", ")}
    table = made(tmp_path, "class_folders", files, folder=".")
    assert list(table["label"]) == ["top"]


def test_at_most_five_folders_with_classes_are_named(tmp_path):
    members = {f"{name}/owl/1.png": OWL for name in "abcdefg"} | {"g/tit/1.png": TIT}
    files = {"archive": in_zip(tmp_path / "a.zip", members)}
    told = refused(tmp_path, "class_folders", files, folder="birds")
    assert told.endswith("class folders, such as g, a, b, c, d.")  # that with most pictures first


def test_categories_are_labels(tmp_path):
    label = pa.array(["a", "b", "a"]).dictionary_encode()
    table = pa.table({"image": [OWL, TIT, JAY], "text": ["x"] * 3, "label": label})
    pq.write_table(table, tmp_path / "a.parquet")
    found = made(tmp_path, "parquet", {"table": tmp_path / "a.parquet"})
    assert list(found["label"]) == ["a", "b", "a"]


def test_what_img2dataset_wrote_beside_a_picture_must_be_json(tmp_path):
    path = in_tar(tmp_path / "0.tar", {"1.png": OWL, "1.json": b"{caption: an owl}"})
    told = refused(tmp_path, "webdataset", {"shards": path})
    assert told.startswith(f"{path}: 1.json is not valid JSON (")
    assert told.endswith("); correct it.")
