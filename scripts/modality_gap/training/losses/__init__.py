"""Losses of follow-up papers, for a controlled study of the effect of each loss on the gap."""
