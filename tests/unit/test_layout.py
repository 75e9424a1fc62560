"""The package by stage: who may import whom."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "scripts" / "modality_gap"
# Each stage imports from those before it and from its own; the first are the modules beside them.
STAGES = ["", "config", "data", "encoders", "embeddings", "measures", "training", "figures"]
STAGES += ["paper", "pages"]
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """Dotted name of a module below the package."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imported_by(path: Path) -> set[str]:
    """Dotted names, below the package, of the modules that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("modality_gap"):
            above = node.module.split(".")[1:]
            for alias in node.names:
                module = PACKAGE.joinpath(*above, alias.name).with_suffix(".py")
                names.add(".".join([*above, alias.name] if module.is_file() else above))
    return names


def stage_of(module: str) -> int:
    return STAGES.index(module.split(".")[0] if "." in module else "")


IMPORTS = {name_of(path): imported_by(path) for path in FILES}


def test_every_folder_is_a_stage():
    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()} == {
        *STAGES[1:]
    }


@pytest.mark.parametrize("module", [name for name in IMPORTS if stage_of(name)])
def test_a_stage_imports_nothing_from_a_later_one(module):
    later = {other for other in IMPORTS[module] if stage_of(other) > stage_of(module)}
    assert not later


def test_no_module_imports_itself_by_way_of_others():
    left = {module: set(others) & IMPORTS.keys() for module, others in IMPORTS.items()}
    while free := [module for module, others in left.items() if not others]:
        for module in free:
            del left[module]
        for others in left.values():
            others.difference_update(free)
    assert not left, "each of these imports another of them"
