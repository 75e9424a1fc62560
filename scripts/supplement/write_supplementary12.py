"""Write Supplementary 12: the contrastive loss as runnable code, and as it was released."""

from modality_gap.logs import log_to

log_to(snakemake)

import re
from pathlib import Path

text = Path(snakemake.input[0]).read_text(encoding="utf-8")
# Without the comment at the top and the second of two empty lines.
text = re.sub(r"\n{3,}", "\n\n", text.partition("\n")[2])
parts = [part.strip() for part in re.split(r"# --- .*\n", text)]
lettered = [f"# ({letter})\n{part}\n" for letter, part in zip("ab", parts, strict=True)]
Path(snakemake.output[0]).write_text("\n".join(lettered), encoding="utf-8")
