"""Losses of follow-up papers, for one controlled study of what each does to the gap."""
