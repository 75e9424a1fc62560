"""Embeddings: how they are computed, stored, divided into shards and read."""
