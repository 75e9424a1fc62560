"""The quantities of "Mind the Gap" (Liang et al., NeurIPS 2022) as pure, tested functions.

No function here knows a path of the workflow or the `snakemake` object: the scripts beside this
package read files, call these functions and write files.
"""

import tomllib
from importlib import metadata
from pathlib import Path


def _version() -> str:
    """The version in this clone's pyproject.toml, or that of the installed package if there is no
    clone."""
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    if pyproject.is_file():
        return tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["version"]
    return metadata.version("modality-gap")


__version__ = _version()
