"""Download the asset whose `path` is the wildcard of the rule."""

from modality_gap.logs import log_to

log_to(snakemake)

import os
from pathlib import Path

from modality_gap.data.assets import fetch, load_assets
from modality_gap.errors import InputError

wanted = snakemake.wildcards.path
assets = {asset.path: asset for asset in load_assets(snakemake.input.assets).values()}
if wanted not in assets:
    raise InputError(f"{snakemake.input.assets} has no asset with the path {wanted}; add it.")
source = fetch(
    assets[wanted],
    Path(snakemake.output[0]),
    os.environ.get("MODALITY_GAP_MIRROR"),
    timeout_s=snakemake.params.timeout_s,
    retries=snakemake.params.retries,
)
print(f"{wanted} was fetched from the {source} and is the expected file")
