"""Checks the package as others install it: `python tests/installed.py`, outside .venv.

The gap of two arcs of the circle that mirror each other is twice the mean of their cosines.
"""

import importlib
import pkgutil

import numpy as np

import modality_gap
from modality_gap import measures
from modality_gap.measures.gap import gap

for module in pkgutil.iter_modules(measures.__path__):
    importlib.import_module(f"modality_gap.measures.{module.name}")
angles = np.linspace(-0.5, 0.5, 101)
x = np.column_stack([np.cos(angles), np.sin(angles)])
y = np.column_stack([-np.cos(angles), np.sin(angles)])
assert abs(gap(x, y) - 2 * np.cos(angles).mean()) < 1e-12
assert "site-packages" in modality_gap.__file__
print(f"modality-gap {modality_gap.__version__}: gap {gap(x, y):.4f}")
