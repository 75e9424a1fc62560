"""Functions in the user's files, which the configuration names as FILE.py:FUNCTION."""

import functools
import inspect
from collections.abc import Callable, Collection
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from modality_gap.errors import InputError


def file_of(place: str) -> str:
    """The file of FILE.py:FUNCTION; empty for a name of the project."""
    return place.rpartition(":")[0]


def missing_file(key: str, place: str) -> str | None:
    """The fault, as a message about `key`, if the file of FILE.py:FUNCTION does not exist;
    otherwise None."""
    path = file_of(place)
    if path and not Path(path).is_file():
        return f"{key}: the file {path} does not exist. Correct the path."
    return None


def own_function(key: str, place: str) -> Callable[..., Any]:
    """The function or class that FILE.py:FUNCTION names.

    Raises InputError, one sentence that names `key`, if there is no such function or the file
    cannot be run.
    """
    path, _, function = place.rpartition(":")
    fault = missing_file(key, place)
    if fault:
        raise InputError(fault)
    spec = spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{key}: {path} is not a Python file. Give a file that ends in .py.")
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(
            f"{key}: {path} cannot be run ({type(error).__name__}: {error}); correct it."
        ) from error
    if not callable(getattr(module, function, None)):
        raise InputError(f"{key}: {path} has no function {function}; correct the name.")
    return getattr(module, function)


def check_options(
    key: str, what: str, function: Callable, given: Collection[str], options: Collection[str]
) -> None:
    """Raise InputError for one of the options under `key` that a function does not take. `what` is
    what the function is, and `given` are the parameters that it gets anyway."""
    parameters = inspect.signature(function).parameters
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return
    known = [name for name in parameters if name not in given]
    for name in options:
        if name not in known:
            there = f"give one of {', '.join(known)}" if known else "remove it"
            raise InputError(f"{key}.{name}: the {what} has no such setting; {there}.")


def guarded(key: str, place: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function from a user's `place`, whose errors become InputError, one sentence that names
    `key`."""

    @functools.wraps(function)
    def of(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"{key}: {place} raises {type(error).__name__} ({error}); correct the function."
            ) from error

    return of
