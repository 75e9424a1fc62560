"""The methods of a run: those of the project and those in files of the user's."""

from collections.abc import Mapping

import pandas as pd

from modality_gap.config.own_functions import own_function
from modality_gap.errors import InputError
from modality_gap.measures.posthoc.catalogue import METHODS
from modality_gap.measures.posthoc.registry import Method


def chosen_methods(settings: Mapping) -> dict[str, Method]:
    """The methods by name that `posthoc` of the configuration asks for: those of the default or all
    of them, then the user's. Raises InputError that names the key of one that is not available."""
    methods = {
        name: method
        for name, method in METHODS.items()
        if method.default or settings["all_methods"]
    }
    for name, entry in settings["methods"].items():
        methods[name] = _own(f"posthoc.methods.{name}", name, entry)
    return methods


def names_of_methods(methods: Mapping[str, Method]) -> pd.DataFrame:
    """What methods are called, in their order: method, label, source, and whether each is one with
    a star, which uses other scored items too."""
    rows = [(one.name, one.label, one.source, one.sees == "all") for one in methods.values()]
    return pd.DataFrame(rows, columns=["method", "label", "source", "star"])


def _own(key: str, name: str, entry: Mapping) -> Method:
    if name in METHODS:
        raise InputError(f"{key}: the project has a method of this name; choose another.")
    base, options = entry["method"], dict(entry.get("settings", {}))
    label = entry.get("label", name)
    if ":" in base:
        fit = own_function(f"{key}.method", base)
        return Method(name, label, base, fit, options, entry.get("sees", "fit"))
    if base not in METHODS:
        raise InputError(
            f"{key}.method is {base!r}; give one of {', '.join(METHODS)}, or FILE.py:FUNCTION."
        )
    known = METHODS[base]
    return Method(name, label, known.source, known.fit, known.settings | options, known.sees)
