"""Convert one data set, or one part of it, from its authors' files to a Parquet file."""

from modality_gap.logs import log_to

log_to(snakemake)

from pathlib import Path

from modality_gap.data.assets import check_placed, load_assets
from modality_gap.data.datasets import write_dataset

settings = snakemake.params.dataset
assets = load_assets(snakemake.input.assets)
files = {role: path for role, path in snakemake.input.items() if role not in ("assets", "code")}
for role, name in settings["files"].items():
    # Files that were downloaded are checked already.
    if name in assets and assets[name].kind == "placed":
        check_placed(assets[name], Path(files[role]))
write_dataset(snakemake.output[0], settings, files)
