"""Declarations of encoder libraries and data set formats, and the schema with all of them.

config/schema/config.yaml describes the keys that all libraries and formats share, but lists none of
them. The registries are ENCODERS (encoders/build.py) and FORMATS (data/formats.py). Imports are
light: every start of Snakemake reads this.
"""

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from modality_gap.config.losses import DECLARED_LOSSES

TRAINED = ("projections", "training")
OF_TRAINING = "The loss that is minimised; softmax if absent."
KINDS = {str: "string", int: "integer", float: "number", bool: "boolean"}


def no_faults(_key: str, _entry: Mapping) -> Iterator[str]:
    """The default check of a library, which finds nothing."""
    yield from ()


def reads_no_hub(_entry: Mapping) -> bool:
    """Always False: the default for a library that never reads from a model hub."""
    return False


@dataclass(frozen=True)
class Library:
    """A library of encoders.

    `build(spec, modality, weights, precision)` returns an Encoder and imports what is slow.
    `preprocessing` has a key for each modality that the library embeds; the value says how an input
    is prepared, for the metadata of embeddings. `shared` names the keys of the schema that an entry
    may have, and `keys` describes the library's own keys. An entry must have all keys in `required`
    and exactly one of `one_of`. `options` describes what may be below the key `options`.
    `faults(key, entry)` yields a sentence for each fault of an entry that the schema cannot find.
    `reads_hub(entry)` says whether an encoder needs files of a model hub; a rule then downloads
    them first. If `one_precision` is true, the files of an encoder decide its precision, and
    extraction.precision has no effect.
    """

    build: Callable[[dict, str, dict, str], Any]
    preprocessing: Mapping[str, str]
    shared: tuple[str, ...] = ()
    keys: Mapping[str, dict] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    options: Mapping[str, dict] = field(default_factory=dict)
    faults: Callable[[str, Mapping], Iterator[str]] = no_faults
    reads_hub: Callable[[Mapping], bool] = reads_no_hub
    one_precision: bool = False


@dataclass(frozen=True)
class Format:
    """A format of data sets.

    `read(files, **options)` yields the rows. Its keyword arguments are the options of the format,
    each annotated with a type and a description. `files` are the keys that `files` of a dataset
    must have, and `optional` are keys that it may have. If `more` is above 0, at least `more` other
    keys must be present. A path may be a folder with files that match `patterns`, or a pattern of
    paths; each file can then be read alone, and the dataset may be in parts. `columns` are the
    columns of the dataset except item_id and the picture. If they depend on the files, `columns` is
    a function of the reader's arguments that returns them, or None while a file is missing.
    """

    read: Callable[..., Iterator[dict]]
    files: tuple[str, ...]
    columns: tuple[str, ...] | Callable[..., list[str] | None]
    more: int = 0
    optional: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()

    def columns_of(self, entry: Mapping) -> list[str] | None:
        """The columns of an entry of `datasets`; None if they are not known yet."""
        if not callable(self.columns):
            return list(self.columns)
        return self.columns(entry["files"], **options_in(entry))


def options_in(entry: Mapping) -> dict[str, Any]:
    """The options of the reader in an entry of `datasets`."""
    return {key: entry[key] for key in entry.keys() - {"format", "files", "files_per_part"}}


@dataclass(frozen=True)
class VectorFormat:
    """A format of files of embeddings.

    `read(path, **options)` returns an opened Source (data/vectors.py). Its keyword arguments are
    the options of the format, each annotated with a type and a description. `endings` are the
    endings of its files, in small letters. A format of whole folders has no endings but `marks`,
    the names of files by which such a folder is recognised. `said` is its name in the
    documentation.
    """

    read: Callable[..., Any]
    endings: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    said: str = ""


def complete_schema(
    schema: dict,
    libraries: Mapping[str, Library],
    formats: Mapping[str, Format],
    vector_formats: Mapping[str, VectorFormat] | None = None,
) -> dict:
    """The schema of the configuration with the losses, and with the keys and options of all
    libraries and formats."""
    schema = copy.deepcopy(schema)
    defs = schema["$defs"]
    _add_losses(schema)
    options = _merged(map(options_of, (vector_formats or {}).values()))
    defs["source"]["properties"] |= options
    joint = {name: library for name, library in libraries.items() if len(library.preprocessing) > 1}
    for part, members in (("encoder", libraries), ("model", joint)):
        entry = defs[part]
        entry["properties"]["library"]["enum"] = list(members)
        for library in members.values():
            entry["properties"] |= library.keys
        options = _merged(library.options for library in members.values())
        entry["properties"]["options"] |= {"additionalProperties": False, "properties": options}
    # The rule of a library comes first, so that a message lists only the options of that library.
    rules = [_library_rule(name, library) for name, library in libraries.items()]
    defs["encoder"] = {"type": "object", "allOf": rules, **defs["encoder"]}
    rules = [_when("library", name, _options_of(library)) for name, library in joint.items()]
    defs["model"] = {"type": "object", "allOf": rules, **defs["model"]}
    dataset = defs["dataset"]
    dataset["properties"]["format"]["enum"] = list(formats)
    dataset["properties"] |= _merged(map(options_of, formats.values()))
    rules = [_format_rule(name, entry) for name, entry in formats.items()]
    defs["dataset"] = {"type": "object", "allOf": rules, **dataset}
    return schema


def _add_losses(schema: dict) -> None:
    """Add the names of the losses to the schema and, where a loss may be named, the numbers it
    needs."""
    defs = schema["$defs"]
    defs["loss"]["enum"] = list(DECLARED_LOSSES)
    keys = _merged(loss.keys for loss in DECLARED_LOSSES.values())
    defs["pair"]["properties"] |= keys
    defs["pair"]["dependentRequired"] = {key: ["loss"] for key in keys}
    # A training has a temperature, and so a scale.
    parameters = _merged(loss.parameters for loss in DECLARED_LOSSES.values())
    trained = [schema["properties"][key]["additionalProperties"] for key in TRAINED]
    for part in (*trained, defs["optimisation"]):
        part["properties"] |= {"loss": defs["loss"] | {"description": OF_TRAINING}, **parameters}


def options_of(entry: Format | VectorFormat) -> dict[str, dict]:
    """The options of a format as parts of a JSON schema. They are the keyword arguments of its
    reader.

    Raises TypeError for an argument without a type and a description.
    """
    hints = get_type_hints(entry.read, include_extras=True)
    _, *arguments = inspect.signature(entry.read).parameters
    return {name: _described(entry.read, name, hints.get(name)) for name in arguments}


def _described(read: Callable, name: str, hint: Any) -> dict:
    """A part of a JSON schema, made from Annotated[type, description] or, with bounds, from
    Annotated[type, description, {"minimum": 1}]."""
    kind, *notes = get_args(hint) or (None,)
    if not notes or not isinstance(notes[0], str):
        raise TypeError(f"{read.__name__}: annotate {name} with a type and a description.")
    part: dict = {"description": notes[0]}
    if get_origin(kind) is UnionType:  # int | None
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
    if get_origin(kind) is Literal:
        part["enum"] = list(get_args(kind))
    else:
        part["type"] = KINDS[kind]
    if kind is str:
        part["pattern"] = r"\S"
    for bounds in notes[1:]:
        part |= bounds
    return part


def _merged(parts: Any) -> dict[str, dict]:
    """The options of several libraries or formats together. An option that several of them have
    keeps all its meanings."""
    meanings: dict[str, list[dict]] = {}
    for options in parts:
        for name, part in options.items():
            if part not in meanings.setdefault(name, []):
                meanings[name].append(part)
    return {
        name: one[0]
        if len(one) == 1
        else {"description": " ".join(part["description"] for part in one), "anyOf": one}
        for name, one in meanings.items()
    }


def _when(key: str, name: str, then: dict) -> dict:
    """The part of a schema that holds only if `key` has the value `name`."""
    return {"if": {"properties": {key: {"const": name}}, "required": [key]}, "then": then}


def _options_of(library: Library) -> dict:
    options = {"additionalProperties": False, "properties": dict(library.options)}
    return {"properties": {"options": options}}


def _library_rule(name: str, library: Library) -> dict:
    """The part of the schema that says which keys an encoder of a library must and may have."""
    keys = ["library", "label", *library.shared, *library.keys]
    keys += ["options"] if library.options else []
    then = {
        **_options_of(library),
        "propertyNames": {"enum": keys},
        "required": list(library.required),
    }
    then["properties"] |= library.keys
    if library.one_of:
        then["oneOf"] = [{"required": [key]} for key in library.one_of]
    elif {"seed", "seeds"} <= set(library.shared):
        then["not"] = {"required": ["seed", "seeds"]}
    if "member" in library.shared:
        then["dependentRequired"] = {"wheel": ["member"], "member": ["wheel"]}
    return _when("library", name, then)


def _format_rule(name: str, entry: Format) -> dict:
    """The part of the schema that says which keys a dataset of a format must and may have."""
    parameters = inspect.signature(entry.read).parameters
    options, in_parts = options_of(entry), ["files_per_part"] if entry.patterns else []
    files: dict = {
        "description": "The files of the dataset.",
        "required": list(entry.files),
        "minProperties": len(entry.files) + entry.more,
    }
    if not entry.more:
        known: dict = {key: {} for key in (*entry.files, *entry.optional)}
        files |= {"additionalProperties": False, "properties": known}
    then = {
        "propertyNames": {"enum": ["format", "files", *in_parts, *options]},
        "required": [key for key in options if parameters[key].default is inspect.Parameter.empty],
        "properties": {"files": files, **options},
    }
    return _when("format", name, then)
