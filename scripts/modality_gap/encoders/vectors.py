"""Finished text embeddings: vectors of names that others computed with a text tower and
published."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from modality_gap.config.declarations import Library
from modality_gap.config.model_files import digest_of, file_digests, tables_of_vectors
from modality_gap.config.schema import listed_words, unknown_name
from modality_gap.encoders.base import Encoder
from modality_gap.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import torch

PREPROCESSING = {"text": "looked up by name; made of {prompts}"}


def build_vectors(spec: dict, modality: str, weights: dict, precision: str) -> Encoder:
    """An encoder that looks up the finished vector of a name. If several files have a name, the
    first is used.

    `weights` is {"tables": paths}: for each entry of `vectors`, its file and then its names. A text
    must be a name or one of the `aliases`; any other text raises InputError. Vectors are in
    float32, as stored: `precision` has no effect.
    """
    import numpy as np
    import torch

    from modality_gap.data.name_vectors import read_vectors

    paths = list(weights["tables"])
    known: dict[str, np.ndarray] = {}
    for entry, path, names in zip(spec["vectors"], paths[::2], paths[1::2], strict=True):
        known = read_vectors(path, names, entry) | known
    if len({len(vector) for vector in known.values()}) > 1:
        raise InputError(
            f"{listed_words(paths[::2], 'and')}: the vectors have different dimensions. Give files "
            "from one text tower."
        )
    aliases = spec.get("aliases", {})

    def prepare(text: str) -> "torch.Tensor":
        name = aliases.get(text, text)
        if name not in known:
            raise InputError(f"encoders: {_unknown(name, list(known), paths[::2])}")
        return torch.from_numpy(known[name])

    def encode(vectors: "list[torch.Tensor]") -> "np.ndarray":
        return np.stack([vector.numpy() for vector in vectors])

    digests = {Path(path).name: sha for path, sha in file_digests(paths[::2]).items()}
    return Encoder(
        prepare=prepare,
        encode=encode,
        noise=_no_noise,
        metadata={
            "library": spec["library"],
            "model": spec.get("label", spec["library"]),
            "architecture": None,
            "weights": ", ".join(digests),
            "weights_sha256": digest_of(digests),
            "preprocessing": PREPROCESSING[modality].format(prompts=spec["prompts"]),
            "dtype": "float32",
        },
    )


def _unknown(name: str, known: list[str], files: list[str]) -> str:
    """Why a text has no vector, in words, with the names that resemble it."""
    has = f"{listed_words(files, 'and')} {'has' if len(files) == 1 else 'have'} no vector for "
    by_small = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), by_small, n=3, cutoff=0.5)
    # Else those that contain it: "car (automobile)" for "automobile".
    near += [small for small in by_small if name.lower() in small and small not in near]
    if not near:
        return f'{has}{name!r} or for a similar name. Set the prompt to "{{}}", the name alone.'
    words = listed_words([repr(by_small[small]) for small in near[:3]], "and")
    if len(near) == 1:
        return f"{has}{name!r}. The nearest name is {words}; give it under `aliases`."
    return f"{has}{name!r}. The nearest names are {words}; give one of them under `aliases`."


def _no_noise(_rng: "np.random.Generator") -> "torch.Tensor":
    raise InputError("encoders: finished vectors cannot embed noise; give inputs without noise.")


def vectors_faults(key: str, entry: Mapping) -> Iterator[str]:
    """A fault for each file that does not exist."""
    for path in tables_of_vectors(entry):
        if "/" in path and not Path(path).is_file():
            yield unknown_name(f"{key}.vectors", path)


LIBRARY = Library(
    build=build_vectors,
    preprocessing=PREPROCESSING,
    keys={
        "vectors": {
            "description": "Files of finished embeddings of names, all from one text tower; if "
            "several have a name, the first is used.",
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["file", "names", "normalised"],
                "properties": {
                    "file": {
                        "description": "Asset or path of a matrix in .npy, with one row per name.",
                        "type": "string",
                    },
                    "names": {
                        "description": "Asset or path of a list of the names, one per line, in the "
                        "order of the rows.",
                        "type": "string",
                    },
                    "normalised": {
                        "description": "Whether every row has length 1, which is checked.",
                        "type": "boolean",
                    },
                    "rows": {
                        "description": "Number of first rows that the names are for, if the "
                        "file has more.",
                        "type": "integer",
                        "minimum": 1,
                    },
                    "member": {
                        "description": "Member of a zip archive, such as a .pth, that holds the "
                        "numbers alone; it is read without pickle.",
                        "type": "string",
                    },
                    "type": {
                        "description": "Number type of the member.",
                        "enum": ["float16", "float32", "float64"],
                    },
                },
                "dependentRequired": {"member": ["type"], "type": ["member"]},
            },
        },
        "prompts": {
            "description": "What sentences the vectors were made of, in a few words.",
            "type": "string",
            "pattern": r"\S",
        },
        "aliases": {
            "description": "Name to look up instead, by a text that the files do not have.",
            "type": "object",
            "additionalProperties": {"type": "string"},
        },
    },
    required=("vectors", "prompts"),
    faults=vectors_faults,
    one_precision=True,
)
