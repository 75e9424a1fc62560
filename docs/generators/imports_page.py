"""The drawing of the package: which stage imports which."""

from collections import Counter
from html import escape
from pathlib import Path

from generators.markdown import code, table
from modality_gap.imports import _imported as imported

INTRODUCTION = """# Imports

The folders of the package `modality_gap` in the order of their stages. A folder imports only from
folders to its left, which a test checks. An arc leads from a folder to one that it imports; it is
wider if there are more imports.

"""
STAGES = (
    "config",
    "data",
    "encoders",
    "embeddings",
    "measures",
    "training",
    "figures",
    "paper",
    "pages",
)
BOX, GAP, HEIGHT = 92, 14, 34  # width of a stage, space between two, height, in pixels


def stage_imports(imports: dict[str, list[str]]) -> Counter:
    """How many imports go from one stage to another, by (importing, imported); `imports` by module,
    as paths relative to the package."""
    return Counter(
        (stage_of(module), stage_of(other))
        for module, others in imports.items()
        for other in others
        if stage_of(module) != stage_of(other)
    )


def stage_of(path: str) -> str:
    """The folder of a module in the package; empty for a module beside the folders."""
    folder, _, rest = path.partition("/")
    return folder if rest else ""


def drawing(stages: list[str], arrows: Counter) -> str:
    """An SVG: the stages in their order, and an arc from each to each that it imports. Imports of
    an earlier stage are above the stages, those of a later one, if there were any, below."""
    middle = {stage: 20 + BOX / 2 + place * (BOX + GAP) for place, stage in enumerate(stages)}
    top = 40 + (BOX + GAP) * len(stages) / 2.6
    shapes = []
    for (user, used), number in sorted(arrows.items()):
        if user not in middle or used not in middle:
            continue
        start, end = middle[user], middle[used]
        back = start > end
        radius = abs(start - end) / 2
        base = top if back else top + HEIGHT
        shapes.append(
            f'<path d="M{start:.0f},{base:.0f} A{radius:.0f},{radius * 0.75:.0f} 0 0 0 '
            f'{end:.0f},{base:.0f}" fill="none" stroke="currentColor" '
            f'stroke-opacity="{0.35 if back else 1}" stroke-width="{min(6, 1 + number / 6):.1f}">'
            f"<title>{escape(user)} imports {escape(used)}: {number}</title></path>"
        )
    for stage, x in middle.items():
        shapes.append(
            f'<rect x="{x - BOX / 2:.0f}" y="{top:.0f}" width="{BOX}" height="{HEIGHT}" rx="5" '
            'fill="none" stroke="currentColor"/>'
            f'<text x="{x:.0f}" y="{top + 22:.0f}" text-anchor="middle" font-size="14" '
            f'fill="currentColor">{escape(stage)}</text>'
        )
    width, height = 40 + len(stages) * (BOX + GAP) - GAP, top + HEIGHT + 20
    return (
        f'<svg viewBox="0 0 {width} {height:.0f}" role="img" aria-label="Imports between stages: '
        'every arc leads from a stage to an earlier one." xmlns="http://www.w3.org/2000/svg">'
        f"{''.join(shapes)}</svg>"
    )


def imports_page(folder: Path) -> str:
    """The page: the drawing, and what each module imports."""
    package = folder / "modality_gap"
    imports = {
        path.relative_to(package).as_posix(): [
            other.relative_to("modality_gap").as_posix()
            for other in imported(folder, path.relative_to(folder))
        ]
        for path in sorted(package.rglob("*.py"))
    }
    stages = [stage for stage in STAGES if (package / stage).is_dir()]
    rows = [
        [code(module), ", ".join(code(other) for other in others)]
        for module, others in imports.items()
        if others
    ]
    return (
        f"{INTRODUCTION}{drawing(stages, stage_imports(imports))}\n\n"
        f"{table(['module', 'imports'], rows)}"
    )
