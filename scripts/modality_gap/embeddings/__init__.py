"""Embeddings: computing, storing, dividing into shards and reading them."""
