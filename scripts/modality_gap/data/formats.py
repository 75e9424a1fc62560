"""The registry of data set formats.

To add a format, write its reader (data/readers.py says what a reader takes and yields), add a line
here and write a test.
"""

from modality_gap.config.declarations import Format
from modality_gap.data.captioned import (
    PARQUET_FILES,
    TARS,
    columns_of_parquet,
    columns_of_table,
    read_captioned,
    read_parquet,
    read_table,
    read_webdataset,
)
from modality_gap.data.named_pictures import read_coco_names
from modality_gap.data.placed_digits import COLUMNS, read_placed_digits
from modality_gap.data.readers import (
    read_cifar,
    read_class_folders,
    read_coco,
    read_fairface,
    read_hateful_memes,
    read_imagenet,
    read_svhn,
    read_union,
)

FORMATS = {
    "coco": Format(read_coco, ("annotations",), ("text", "split"), more=1),
    "coco_names": Format(read_coco_names, ("annotations", "pictures", "names"), ("label",)),
    "cifar": Format(read_cifar, ("archive",), ("label", "split")),
    "class_folders": Format(read_class_folders, ("archive",), ("label",)),
    "svhn": Format(read_svhn, ("pictures",), ("label",)),
    "hateful_memes": Format(read_hateful_memes, ("archive",), ("text", "label")),
    "fairface": Format(read_fairface, ("pictures", "labels"), ("race", "gender", "age")),
    "imagenet": Format(read_imagenet, ("pictures", "devkit"), ("label",)),
    "text_files": Format(read_captioned, ("archive",), ("text", "folder")),
    "csv": Format(read_table, ("table",), columns_of_table, optional=("pictures",)),
    "webdataset": Format(read_webdataset, (), ("text", "label"), more=1, patterns=TARS),
    "parquet": Format(read_parquet, (), columns_of_parquet, more=1, patterns=PARQUET_FILES),
    "placed_digits": Format(read_placed_digits, (), COLUMNS),
    "union": Format(read_union, (), ("source",), more=2),
}
