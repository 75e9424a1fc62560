"""The methods and measures of a run: the built-in ones, and those in the user's files."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from modality_gap.config.own_functions import check_options, guarded, own_function
from modality_gap.errors import InputError
from modality_gap.measures.posthoc.catalogue import FOLLOW_UP_MEASURES, METHODS
from modality_gap.measures.posthoc.measures import FollowUpMeasure, Values
from modality_gap.measures.posthoc.registry import Fitted, Maps, Method, Scores

GIVEN = ("x", "y", "prompts")  # what a method or a measure gets, beside its settings


def chosen_methods(settings: Mapping) -> dict[str, Method]:
    """The methods, by name, that `posthoc` of the configuration asks for: the default methods or
    all of them, then the user's. If a method is not available, raises InputError that names its
    key."""
    methods = {
        name: method
        for name, method in METHODS.items()
        if method.default or settings["all_methods"]
    }
    for name, entry in settings["methods"].items():
        methods[name] = _own(f"posthoc.methods.{name}", name, entry)
    return methods


def names_of_methods(methods: Mapping[str, Method]) -> pd.DataFrame:
    """A table of the methods, in their order: method, label, source, and whether the method has a
    star because it also uses other scored items."""
    rows = [(one.name, one.label, one.source, one.sees == "all") for one in methods.values()]
    return pd.DataFrame(rows, columns=["method", "label", "source", "star"])


def _own(key: str, name: str, entry: Mapping) -> Method:
    if name in METHODS:
        raise InputError(f"{key}: a built-in method already has this name. Choose another name.")
    base, options = entry["method"], dict(entry.get("settings", {}))
    label = entry.get("label", name)
    if ":" in base:
        fit = _fits(f"{key}.method", base, own_function(f"{key}.method", base))
        check_options(f"{key}.settings", "method", fit, GIVEN, options)
        return Method(name, label, base, fit, options, entry.get("sees", "fit"))
    if base not in METHODS:
        raise InputError(
            f"{key}.method is {base!r}; give one of {', '.join(METHODS)}, or FILE.py:FUNCTION."
        )
    known = METHODS[base]
    check_options(f"{key}.settings", "method", known.fit, GIVEN, options)
    return Method(name, label, known.source, known.fit, known.settings | options, known.sees)


def _fits(key: str, place: str, function: Callable) -> Callable[..., Fitted]:
    """A user's method. If it fails or returns something else than Maps or Scores, it raises
    InputError that names `key`."""

    @functools.wraps(function)
    def fit(*arguments: Any, **options: Any) -> Fitted:
        fitted = guarded(key, place, function)(*arguments, **options)
        if not isinstance(fitted, Maps | Scores):
            raise InputError(
                f"{key}: {place} returns a value of type {type(fitted).__name__}; return Maps or "
                "Scores."
            )
        return fitted

    return fit


def chosen_measures(settings: Mapping) -> dict[str, FollowUpMeasure]:
    """The measures by name: the built-in ones, then the user's in `posthoc.measures`. If a measure
    is not available, raises InputError that names its key."""
    measures = dict(FOLLOW_UP_MEASURES)
    for name, entry in settings.get("measures", {}).items():
        key = f"posthoc.measures.{name}"
        if name in FOLLOW_UP_MEASURES:
            raise InputError(
                f"{key}: a built-in measure already has this name. Choose another name."
            )
        place, label = entry["measure"], entry.get("label", name)
        if ":" not in place:
            raise InputError(f"{key}.measure is {place!r}; give FILE.py:FUNCTION.")
        function = guarded(f"{key}.measure", place, own_function(f"{key}.measure", place))
        options = entry.get("settings", {})
        check_options(f"{key}.settings", "measure", function, GIVEN, options)
        of = _named(key, name, function, options)
        measures[name] = FollowUpMeasure(
            name, label, place, of, lambda n, d: {}, lambda x, y: {}, False
        )
    return measures


def _in_words(found: object) -> str:
    """In words, what a measure returned instead of a number."""
    if not isinstance(found, Mapping):
        return f"a value of type {type(found).__name__}"
    name, one = next((name, one) for name, one in found.items() if not _is_number(one))
    return f"a mapping in which {name!r} is of type {type(one).__name__}"


def _is_number(one: Any) -> bool:
    try:
        float(one)
    except (TypeError, ValueError):
        return False
    return True


def _named(
    key: str, name: str, function: Callable, options: Mapping
) -> Callable[[np.ndarray, np.ndarray], Values]:
    """The values of a user's measure by name: `NAME` if it returns a number, `NAME_PART` if it
    returns several."""

    def of(x: np.ndarray, y: np.ndarray) -> Values:
        found = function(x, y, **options)
        parts = found if isinstance(found, Mapping) else {"": found}
        try:
            values = {f"{name}_{part}".rstrip("_"): float(one) for part, one in parts.items()}
        except (TypeError, ValueError):
            raise InputError(
                f"{key} returns {_in_words(found)}; return a number, or a mapping from names "
                "to numbers."
            ) from None
        if not np.isfinite(list(values.values())).all():
            raise InputError(f"{key} returns NaN or infinity; correct the function.")
        return values

    return of
