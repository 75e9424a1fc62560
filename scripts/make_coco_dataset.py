"""Pair COCO's pictures with their captions, out of its archives as they were downloaded."""

from modality_gap.logs import log_to

log_to(snakemake.log[0])

from modality_gap.sources import write_coco

write_coco(snakemake.output[0], **snakemake.params.coco)
