"""The style of all figures, and the drawings that show no data."""
