"""The files of the project that a script computes with: the files that it imports, and their
imports.

A rule names its script (`code("figure3/sweep_loss")`) and runs again when one of these files
changes. By default, Snakemake watches only the script itself.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

# Imports that do not cause a rerun: modules of the package, the scripts concerned (None: all), and
# the reason. It is always the same trade-off: a change could alter no result, or only a word next
# to it, but a rerun would embed everything again.
EXCEPTIONS: tuple[tuple[set[str], set[str] | None, str], ...] = (
    ({"logs"}, None, "writes logs, which are not results"),
    ({"errors"}, None, "defines the error that stops a job, which then has no result"),
    (
        {"data.assets"},
        None,
        "downloads files and reads archives, whose content is fixed by checksums; every download, "
        "dataset and embedding would be made again",
    ),
    (
        {"measures.intervals"},
        {"training/train_clip", "training/train_projections"},
        "computes intervals, which these two do not use; all small models would be trained again, "
        "and their sets embedded again",
    ),
    (
        {"__init__"},
        {"embeddings/extract_embeddings"},
        "holds the version, which only the metadata of embeddings mention",
    ),
    (
        {
            *("embeddings.shards", "embeddings.sets", "data.parquet", "data.parts"),
            *("config.own_files", "config.declarations", "config.losses", "config.schema"),
        },
        {"embeddings/gather_shards"},
        "shards are deleted once they are in a folder, so everything would be embedded again",
    ),
)


# The stages of the project, each with its folders of the package, in the order in which a stage may
# import from those before it.
STAGES = {
    "sources": ("config", "data"),
    "embeddings": ("encoders", "embeddings"),
    "measures": ("measures", "training"),
    "figures": ("figures",),
    "claims": ("paper",),
    "pages": ("pages",),
}


def imports_of_package(folder: Path) -> dict[str, list[str]]:
    """For each module of the package in `folder`, the modules of this package that it imports
    directly. All are paths relative to the package."""
    package = folder / "modality_gap"
    return {
        path.relative_to(package).as_posix(): [
            other.relative_to("modality_gap").as_posix()
            for other in _imported(folder, path.relative_to(folder))
            if other.parts[0] == "modality_gap"
        ]
        for path in sorted(package.rglob("*.py"))
    }


def files_of(script: str, folder: Path) -> list[Path]:
    """All files below `folder` that a script in it imports, directly or through other files. They
    are sorted and relative to `folder`. Imports anywhere in a file count. EXCEPTIONS are left out.

    A file is imported from beside the script or from a package beside it. The `__init__` of a
    package counts if one of its own names is imported, but not if only a module of the package is.
    """
    spared = {
        Path("modality_gap", *module.split(".")).with_suffix(".py")
        for modules, scripts, _ in EXCEPTIONS
        if scripts is None or script in scripts
        for module in modules
    }
    files, todo = set(), [Path(f"{script}.py")]
    while todo:
        for path in _imported(folder, todo.pop()):
            if path not in spared and path not in files:
                files.add(path)
                todo.append(path)
    return sorted(files)


def measures_of(script: str, folder: Path) -> list[Path]:
    """The modules of the stage `measures` that a script imports directly, sorted and relative to
    `folder`. The script's arithmetic is in these modules or in their own imports."""
    return [
        path
        for path in _imported(folder, Path(script).with_suffix(".py"))
        if path.parts[:1] == ("modality_gap",) and path.parts[1] in STAGES["measures"]
    ]


@cache
def _imported(folder: Path, path: Path) -> list[Path]:
    """The files below `folder` that the file at `path` itself imports."""
    tree = ast.parse((folder / path).read_text(encoding="utf-8"), filename=str(path))
    files = (_file(folder, module) for module in _modules(tree, path.parent.parts))
    return sorted({file for file in files if file})


def _modules(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """The imports of a file of a package: the parts of each dotted name, with the name that is
    imported from it. `from a.b import c` gives (a, b) and c; `import a.b` gives (a,) and b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                *parents, name = alias.name.split(".")
                yield tuple(parents), name
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = (*above, *(node.module.split(".") if node.module else ()))
            for alias in node.names:
                yield module, alias.name


def _file(folder: Path, wanted: tuple[tuple[str, ...], str]) -> Path | None:
    """The file that an imported name comes from; None if the file is outside `folder`. If the name
    is a module, the result is the module's file. Otherwise it is the file of the module or package
    that defines the name."""
    module, name = wanted
    above = Path(*module)
    candidates = [above / f"{name}.py", above / name / "__init__.py"]
    if module:
        candidates += [above.with_suffix(".py"), above / "__init__.py"]
    return next((path for path in candidates if (folder / path).is_file()), None)
