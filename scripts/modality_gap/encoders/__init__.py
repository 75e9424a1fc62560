"""Encoders of images and texts, with one module per library."""
