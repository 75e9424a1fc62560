"""Encoders of images and texts, a module per library."""
