"""Download what an encoder reads from a model hub into the caches of its library."""

from modality_gap.logs import log_to

log_to(snakemake)

import json
import os
from pathlib import Path

# The other jobs ask no hub (rules/common.smk); its client reads this when it is imported.
os.environ["HF_HUB_OFFLINE"] = "0"

from modality_gap.encoders.build import fetch_from_hub

fetched = fetch_from_hub(snakemake.params.encoder)
Path(snakemake.output[0]).write_text(json.dumps(fetched, indent=1) + "\n", encoding="utf-8")
