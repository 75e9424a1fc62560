"""The map of rules: what makes a file, which script and functions are behind it, who reads it."""

import ast
from pathlib import Path

from generators.markdown import anchor, code, listed, table

INTRODUCTION = """# Map of rules

Every rule of the workflow, in the order of the Snakefile, as Snakemake reads it. *Functions* are
what the script imports from `modality_gap`; the arithmetic is there. Search for a figure or table
by its file name, or ask Snakemake: `snakemake -nF results/figures/figure2b.svg`.

"""


def rule_map(rules: list[dict], root: Path, titles: dict[str, str]) -> str:
    """The page; `rules` as `workflow.read_rules` gives them, `titles` of the figures by name."""
    scripts = {
        rule["script"]: imported_names(root / rule["script"]) for rule in rules if rule["script"]
    }
    linkable = documented(root / "scripts")
    readers = {rule["name"]: [] for rule in rules}
    for rule in rules:
        for name in rule["rules"]:
            readers[name].append(rule["name"])
    rules = [rule for rule in rules if rule["script"]]
    parts = [INTRODUCTION, figures_table(rules, titles)]
    for file in dict.fromkeys(rule["file"] for rule in rules):
        parts.append(f"\n## {file}\n\n{first_comment(root / file)}\n")
        for rule in rules:
            if rule["file"] == file:
                functions = [
                    f"[`{name.removeprefix('modality_gap.')}`][{name}]"
                    if name in linkable
                    else code(name.removeprefix("modality_gap."))
                    for name in scripts[rule["script"]]
                ]
                rows = [
                    ["script", code(rule["script"])],
                    ["functions", ", ".join(functions)],
                    [
                        "reads",
                        ", ".join(filter(None, [links(rule["rules"]), listed(rule["files"])])),
                    ],
                    ["writes", listed(rule["outputs"])],
                    ["read by", links(name for name in readers[rule["name"]] if name != "all")],
                ]
                shown = [row for row in rows if row[1]]
                parts.append(
                    f"\n### {rule['name']}\n\n{rule['about']}\n\n{table(shown[0], shown[1:])}"
                )
    return "".join(parts)


def figures_table(rules: list[dict], titles: dict[str, str]) -> str:
    """The rule behind each figure."""
    rows = [
        [
            code(output.removeprefix("results/")),
            links([rule["name"]]),
            titles.get(Path(output).stem, rule["about"]),
        ]
        for rule in rules
        for output in rule["outputs"]
        if output.startswith("results/figures/") and output.endswith(".svg")
    ]
    return f"## Figures\n\n{table(['file', 'rule', 'content'], rows)}"


def links(names) -> str:
    """Rules, each with a link to its place on the page."""
    return ", ".join(f"[`{name}`](#{anchor(name)})" for name in names)


def first_comment(path: Path) -> str:
    """The comment that a file of rules begins with."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines)


def imported_names(script: Path) -> list[str]:
    """What a script imports from the package, with dotted names, but for its log and errors."""
    names = []
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("modality_gap"):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return sorted(name for name in names if name.split(".")[-2] not in ("logs", "errors"))


def documented(folder: Path) -> set[str]:
    """Dotted names of the modules below a folder, and of their public functions and classes that
    have a docstring: what the API pages show."""
    names = set()
    for path in sorted((folder / "modality_gap").rglob("*.py")):
        module = ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        names.add(module)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            public = getattr(node, "name", "_")[0] != "_"
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and public:
                names |= {f"{module}.{node.name}"} if ast.get_docstring(node) else set()
    return names
