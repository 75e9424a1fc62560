"""The configuration of a run: reading, checking and expanding it."""
