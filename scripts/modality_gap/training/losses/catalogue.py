"""All losses of the study. Importing their modules registers them."""

from modality_gap.training.losses import beside, contrastive, stateful
from modality_gap.training.losses.registry import FOLLOW_UP_LOSSES

__all__ = ["FOLLOW_UP_LOSSES", "beside", "contrastive", "stateful"]
