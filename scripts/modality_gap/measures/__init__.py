"""Measures of embeddings, and the simulations and theorems of the paper."""
