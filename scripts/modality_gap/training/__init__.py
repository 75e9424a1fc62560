"""The training of small models, and the training experiments."""
