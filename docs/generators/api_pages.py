"""The reference of the package: a page per folder, whose docstrings mkdocstrings fills in."""

import ast
from pathlib import Path

from generators.markdown import listed, table


def api_pages(package: Path) -> dict[str, str]:
    """Pages by their path: an overview, and one per folder of the package."""
    pages, overview = {}, []
    folders = sorted(path for path in package.iterdir() if (path / "__init__.py").is_file())
    for folder in [package, *folders]:
        name = folder.name if folder != package else "package"
        modules = [path for path in sorted(folder.rglob("*.py")) if path.name != "__init__.py"]
        if folder == package:
            modules = [path for path in modules if path.parent == package]
        blocks = [f"# {dotted(folder, package)}\n\n{about(folder / '__init__.py')}\n"]
        for path in modules:
            # Of a module its docstring and all public functions and classes that have one.
            blocks.append(f"\n::: {dotted(path, package)}\n")
        pages[f"reference/api/{name}.md"] = "".join(blocks)
        names = [dotted(path, folder).partition(".")[2] for path in modules]
        link = f"[`{dotted(folder, package)}`]({name}.md)"
        overview.append([link, about(folder / "__init__.py").partition("\n")[0], listed(names)])
    pages["reference/api/index.md"] = (
        "# API\n\nThe public functions of the package `modality_gap`, by folder. "
        "[Use the measures alone](../../guide/measures.md) shows how to install it.\n\n"
        + table(["folder", "content", "modules"], overview)
    )
    return pages


def dotted(path: Path, package: Path) -> str:
    """The dotted name of a module or folder of the package."""
    return ".".join(path.relative_to(package.parent).with_suffix("").parts)


def about(path: Path) -> str:
    """The docstring of a file."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
