"""The dataset of COCO, out of its official files and out of small ones made here."""

import io
import json
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from modality_gap.errors import InputError
from modality_gap.sources import COCO_ROWS, COCO_SCHEMA, coco_captions, write_coco

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


def small_files(folder: Path, names: list[str]) -> dict[str, str]:
    """An archive whose pictures hold their own names, and DOCUMENT."""
    folder.mkdir()
    with zipfile.ZipFile(folder / "pictures.zip", "w") as archive:
        archive.mkdir("val2017")
        for name in names:
            archive.writestr(f"val2017/{name}", name)
    (folder / "captions.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
    return {"pictures": f"{folder}/pictures.zip", "captions": f"{folder}/captions.json"}


def test_the_first_or_the_last_caption_by_picture_id():
    assert coco_captions(DOCUMENT, "first") == {
        "1.jpg": "one",
        "4.jpg": "four",
        "9.jpg": "the first of nine",
    }
    last = coco_captions(DOCUMENT, "last")
    assert list(last.items())[-1] == ("9.jpg", "the last of nine")


def test_only_captioned_pictures_of_the_archive_come_and_the_log_counts_them(tmp_path, capsys):
    # 4 has no picture; 2 has no caption, and 7 is not among the pictures that captions speak of.
    test = small_files(tmp_path / "test", ["9.jpg", "1.jpg", "2.jpg", "7.jpg"])
    train = small_files(tmp_path / "train", [])
    write_coco(tmp_path / "coco.parquet", "last", {"train": train, "test": test})
    table = pd.read_parquet(tmp_path / "coco.parquet")
    assert table.to_dict("records") == [
        {"item_id": "1", "image": b"1.jpg", "text": "one", "split": "test"},
        {"item_id": "9", "image": b"9.jpg", "text": "the last of nine", "split": "test"},
    ]
    said = capsys.readouterr().err
    assert "train: 0 of 3 captioned pictures are in" in said
    assert "test: 2 of 3 captioned pictures are in" in said


@pytest.mark.parametrize("key", ["pictures", "captions"])
def test_an_absent_file_is_told_with_its_key_and_where_to_get_it(tmp_path, key):
    files = small_files(tmp_path / "there", ["1.jpg"]) | {key: "nowhere/file"}
    with pytest.raises(InputError) as caught:
        write_coco(tmp_path / "coco.parquet", "last", {"train": files})
    assert str(caught.value).startswith(f"coco.splits.train.{key} is 'nowhere/file'")
    assert "https://cocodataset.org/#download" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_coco_s_own_files(tmp_path, mirror):
    files = {
        "pictures": str(mirror / "coco" / "val2017.zip"),
        "captions": str(mirror / "coco" / "captions_val2017.json"),
    }
    with zipfile.ZipFile(files["pictures"]) as archive:
        stored = {Path(name).stem: archive.read(name) for name in archive.namelist()}
    document = json.loads(Path(files["captions"]).read_text())
    captions = pd.DataFrame(document["annotations"]).groupby("image_id")["caption"]
    for which, wanted in (("first", captions.first()), ("last", captions.last())):
        path = tmp_path / f"{which}.parquet"
        write_coco(path, which, {"test": files, "again": files})
        file = pq.ParquetFile(path)
        assert file.schema_arrow == COCO_SCHEMA
        groups = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        assert max(groups) <= COCO_ROWS
        table = file.read().to_pandas()
        assert list(table["split"]) == ["test"] * 159 + ["again"] * 159
        table = table[:159]
        assert list(table["item_id"]) == sorted(stored)
        assert dict(zip(table["item_id"], table["image"], strict=True)) == stored
        texts = wanted[table["item_id"].astype(int)].str.strip()
        assert list(table["text"]) == list(texts)
    sizes = {int(image["id"]): (image["width"], image["height"]) for image in document["images"]}
    for item, data in zip(table["item_id"][:20], table["image"], strict=False):
        assert Image.open(io.BytesIO(data)).size == sizes[int(item)]
