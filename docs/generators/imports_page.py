"""The drawing of the package: which stage imports which."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from itertools import chain
from pathlib import Path

from generators.markdown import code, table
from modality_gap.imports import STAGES, imports_of_package

INTRODUCTION = """# Imports

The folders of the package `modality_gap` in the order of the stages: sources > embeddings >
measures > figures > claims > pages. A folder imports only from folders to its left, which a test
checks. An arc leads from a folder to one that it imports; it is wider if there are more imports.
Every folder can also import the modules beside the folders (`errors.py`, `logs.py`).

"""
BOX, SPACE, HEIGHT = 92, 14, 34  # width of a folder, space between two, height, in pixels


def stage_imports(imports: Mapping[str, Sequence[str]]) -> Counter:
    """How many imports go from one folder to another, by (importing, imported); `imports` by
    module, as paths relative to the package. Modules beside the folders do not count."""
    pairs = (
        (module.partition("/")[0], other.partition("/")[0])
        for module, others in imports.items()
        for other in others
        if "/" in module and "/" in other
    )
    return Counter((user, used) for user, used in pairs if user != used)


def drawing(stages: Mapping[str, Sequence[str]], arrows: Counter) -> str:
    """An SVG: the folders of each stage in their order, and an arc from each folder to each that it
    imports, above them if that is an earlier one, below if it is a later one."""
    folders = list(chain.from_iterable(stages.values()))
    middle = {name: 20 + BOX / 2 + place * (BOX + SPACE) for place, name in enumerate(folders)}
    longest = max((abs(middle[a] - middle[b]) for a, b in arrows), default=0)
    top = 20 + longest / 2 * 0.75
    shapes = [_arc(middle[a], middle[b], top, number, f"{a} imports {b}: {number}")
              for (a, b), number in sorted(arrows.items())]  # fmt: skip
    for name, x in middle.items():
        shapes.append(
            f'<rect x="{x - BOX / 2:.0f}" y="{top:.0f}" width="{BOX}" height="{HEIGHT}" rx="5" '
            f'fill="none" stroke="currentColor"/>{_text(name, x, top + 22)}'
        )
    below = top + HEIGHT + 12
    for stage, names in stages.items():
        first, last = middle[names[0]] - BOX / 2, middle[names[-1]] + BOX / 2
        shapes.append(
            f'<path d="M{first:.0f},{below:.0f} H{last:.0f}" stroke="currentColor"/>'
            f"{_text(stage, (first + last) / 2, below + 20, 'bold')}"
        )
    width = 40 + len(folders) * (BOX + SPACE) - SPACE
    return (
        f'<svg viewBox="0 0 {width} {below + 30:.0f}" role="img" '
        'xmlns="http://www.w3.org/2000/svg" '
        'aria-label="The folders of the package by stage; every arc leads to an earlier one.">'
        f"{''.join(shapes)}</svg>"
    )


def _arc(start: float, end: float, top: float, number: int, title: str) -> str:
    """An arc between two folders, with its title."""
    base = top if start > end else top + HEIGHT
    radius = abs(start - end) / 2
    return (
        f'<path d="M{start:.0f},{base:.0f} A{radius:.0f},{radius * 0.75:.0f} 0 0 0 {end:.0f},'
        f'{base:.0f}" fill="none" stroke="currentColor" stroke-opacity="0.5" '
        f'stroke-width="{min(6, 1 + number / 4):.1f}"><title>{escape(title)}</title></path>'
    )


def _text(text: str, x: float, y: float, weight: str = "normal") -> str:
    """A centred text."""
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="middle" font-size="14" '
        f'font-weight="{weight}" fill="currentColor">{escape(text)}</text>'
    )


def imports_page(folder: Path) -> str:
    """The page: the drawing, and what each module imports."""
    imports = imports_of_package(folder)
    rows = [
        [code(module), ", ".join(code(other) for other in others)]
        for module, others in imports.items()
        if others
    ]
    return (
        f"{INTRODUCTION}{drawing(STAGES, stage_imports(imports))}\n\n"
        f"{table(['module', 'imports'], rows)}"
    )
