"""All methods and measures of the follow-ups. Importing this module imports theirs, which registers
them."""

from modality_gap.measures.posthoc import linear_maps, scores, structure, vectors
from modality_gap.measures.posthoc.measures import FOLLOW_UP_MEASURES
from modality_gap.measures.posthoc.registry import METHODS

__all__ = ["FOLLOW_UP_MEASURES", "METHODS", "linear_maps", "scores", "structure", "vectors"]
