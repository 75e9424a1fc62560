"""Data sets in their authors' formats, out of real files and out of small ones made here."""

import io
import json
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from PIL import Image

from modality_gap.datasets import ROWS, coco_captions, write_dataset

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


def write_coco(path: Path, captions: str, files: dict[str, str]) -> None:
    write_dataset(path, {"format": "coco", "captions": captions, "files": {}}, files)


def small_coco(folder: Path, splits: dict[str, list[str]]) -> dict[str, str]:
    """An archive a split, whose pictures hold their own names, and one of captions for all."""
    files = {"annotations": str(folder / "annotations.zip")}
    with zipfile.ZipFile(files["annotations"], "w") as annotations:
        for split, names in splits.items():
            files[split] = str(folder / f"{split}2017.zip")
            annotations.writestr(f"annotations/captions_{split}2017.json", json.dumps(DOCUMENT))
            with zipfile.ZipFile(files[split], "w") as archive:
                archive.mkdir(f"{split}2017")
                for name in names:
                    archive.writestr(f"{split}2017/{name}", name)
    return files


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
    splits = {"train": [], "test": ["9.jpg", "1.jpg", "2.jpg", "7.jpg"]}
    write_coco(tmp_path / "coco.parquet", "last", small_coco(tmp_path, splits))
    table = pd.read_parquet(tmp_path / "coco.parquet")
    assert table.to_dict("records") == [
        {"item_id": "1", "image": b"1.jpg", "text": "one", "split": "test"},
        {"item_id": "9", "image": b"9.jpg", "text": "the last of nine", "split": "test"},
    ]
    said = capsys.readouterr().err
    assert "train: 0 of 3 captioned pictures are in" in said
    assert "test: 2 of 3 captioned pictures are in" in said


def test_coco_s_own_files(tmp_path, mirror):
    files = {
        "annotations": str(mirror / "coco" / "captions_val2017.json"),
        "test": str(mirror / "coco" / "val2017.zip"),
    }
    files["again"] = files["test"]
    with zipfile.ZipFile(files["test"]) as archive:
        stored = {Path(name).stem: archive.read(name) for name in archive.namelist()}
    document = json.loads(Path(files["annotations"]).read_text())
    captions = pd.DataFrame(document["annotations"]).groupby("image_id")["caption"]
    for which, wanted in (("first", captions.first()), ("last", captions.last())):
        path = tmp_path / f"{which}.parquet"
        write_coco(path, which, files)
        file = pq.ParquetFile(path)
        assert file.schema_arrow.names == ["item_id", "image", "text", "split"]
        groups = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        assert max(groups) <= ROWS
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
