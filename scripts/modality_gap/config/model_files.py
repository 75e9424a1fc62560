"""The user's own files from which a model is read, and their digests.

Imports are light: every start of Snakemake reads this.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from modality_gap.config.own_functions import file_of


def model_files(spec: Mapping) -> list[str]:
    """The sorted paths of all files that an entry of `encoders` in the config names.

    These are the weights under `pretrained`, finished vectors, an architecture, and all files in
    the folder of a model. The architecture may name this folder or be one (`local-dir:` of
    open_clip). Hidden files are left out, because a hub's client keeps notes in them. The paths are
    sorted so that the list is the same on every file system.
    """
    folders = [spec.get("model")]
    files = [spec.get("pretrained")]
    architecture = spec.get("architecture", "")
    if architecture.startswith("local-dir:"):
        folders.append(architecture.removeprefix("local-dir:"))
    elif architecture.endswith(".json"):
        files.append(architecture)
        with suppress(OSError, ValueError, AttributeError):  # the library will say what is wrong
            text = json.loads(Path(architecture).read_text(encoding="utf-8")).get("text_cfg", {})
            folders += [text.get("hf_model_name"), text.get("hf_tokenizer_name")]
    if isinstance(files[0], str) and Path(files[0]).is_file():
        # What open_clip writes of weights, beside them.
        files.append(str(Path(files[0]).with_name("open_clip_config.json")))
    present = {str(Path(name)) for name in files if isinstance(name, str) and Path(name).is_file()}
    present |= {name for name in tables_of_vectors(spec) if Path(name).is_file()}
    return sorted(present.union(*(_inside(Path(name)) for name in folders if name)))


def tables_of_vectors(spec: Mapping) -> list[str]:
    """The assets or paths of an encoder's finished vectors: each file, followed by its list of
    names."""
    return [entry[key] for entry in spec.get("vectors", []) for key in ("file", "names")]


def _inside(folder: Path) -> set[str]:
    """The paths of all files in a folder and its subfolders; empty if there is no such folder."""
    files = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(parent, name) for name in names if not name.startswith("."))
        files |= {str(path) for path in paths if path.is_file()}
    return files


def file_digests(paths: Iterable[str | Path]) -> dict[str, str]:
    """The SHA-256 of each file, with its path as key. A folder stands for the files in it."""
    files = [
        str(file)
        for path in paths
        for file in (sorted(_inside(Path(path))) if Path(path).is_dir() else [path])
    ]
    return {file: _digest(file, Path(file).stat().st_mtime_ns) for file in files}


def digest_of(digests: Mapping[str, str]) -> str:
    """The SHA-256 of a single file. For several files, it is the SHA-256 of the lines that
    `sha256sum` prints for them in order."""
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    return hashlib.sha256(lines.encode()).hexdigest()


@lru_cache
def _digest(path: str, _mtime_ns: int) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def method_files(settings: Mapping) -> list[str]:
    """The user's files that `posthoc` of the configuration names: post-hoc methods and measures."""
    measures = _own_files(settings.get("measures", {}), "measure")
    return sorted({*_own_files(settings["methods"], "method"), *measures})


def loss_files(study: Mapping) -> list[str]:
    """The user's files with losses that `loss_study` of the configuration names."""
    return _own_files(study["methods"], "loss")


def _own_files(entries: Mapping, key: str) -> list[str]:
    return sorted({path for entry in entries.values() if (path := file_of(entry[key]))})
