"""The map of rules: what makes a file, which script and functions are behind it, who reads it."""

import ast
from pathlib import Path

from generators.markdown import anchor, code, listed, table

INTRODUCTION = """# Map of rules

Every rule of the workflow, in the order of the Snakefile, as Snakemake reads it. *Functions* are
what the script imports from `modality_gap`; the arithmetic is there. Search for a figure or table
by its file name, or ask Snakemake: `snakemake -nF results/figures/figure2b.svg`.

"""
TABLES = ("results/statistics/", "results/tables/")
COMPUTES = ("modality_gap.measures.", "modality_gap.training.")


def rule_map(rules: list[dict], root: Path, titles: dict[str, str]) -> str:
    """The page; `rules` as `workflow.read_rules` gives them, `titles` of the figures by name."""
    linkable = documented(root / "scripts")
    readers: dict[str, list[str]] = {rule["name"]: [] for rule in rules}
    for rule in rules:
        for name in rule["rules"]:
            readers[name].append(rule["name"])
    rules = [
        rule
        | {"functions": imported_names(root / rule["script"]), "readers": readers[rule["name"]]}
        for rule in rules
        if rule["script"]
    ]
    parts = [INTRODUCTION, figures_table(rules, titles, linkable)]
    for file in dict.fromkeys(rule["file"] for rule in rules):
        parts.append(f"\n## {file}\n\n{first_comment(root / file)}\n")
        parts += [section(rule, linkable) for rule in rules if rule["file"] == file]
    return "".join(parts)


def section(rule: dict, linkable: set[str]) -> str:
    """The part of the page on one rule."""
    rows = [
        ["script", code(rule["script"])],
        ["functions", functions(rule["functions"], linkable)],
        ["reads", ", ".join(filter(None, [links(rule["rules"]), listed(rule["files"])]))],
        ["writes", listed(rule["outputs"])],
        ["read by", links(name for name in rule["readers"] if name != "all")],
    ]
    shown = [row for row in rows if row[1]]
    return f"\n### {rule['name']}\n\n{rule['about']}\n\n{table(shown[0], shown[1:])}"


def figures_table(rules: list[dict], titles: dict[str, str], linkable: set[str]) -> str:
    """The rule behind each figure, and the functions that compute what it shows: those that the
    rules behind its tables import from modality_gap.measures and modality_gap.training."""
    by_name = {rule["name"]: rule for rule in rules}
    rows = []
    for rule in rules:
        computed = {
            name
            for source in behind(rule, by_name)
            for name in by_name[source]["functions"]
            if name.startswith(COMPUTES) and not name.rpartition(".")[2].isupper()
        }
        for output in rule["outputs"]:
            if output.startswith("results/figures/") and output.endswith(".svg"):
                title = titles.get(Path(output).stem, rule["about"])
                computed_by = functions(sorted(computed), linkable)
                rows.append([code(Path(output).name), title, links([rule["name"]]), computed_by])
    return f"## Figures\n\n{table(['figure', 'title', 'drawn by', 'computed by'], rows)}"


def behind(rule: dict, by_name: dict[str, dict]) -> set[str]:
    """The rules that write the tables which a rule reads, directly or by way of other tables."""
    reading: set[str] = set()
    todo = list(rule["rules"])
    while todo:
        name = todo.pop()
        if name not in reading and any(
            path.startswith(TABLES) for path in by_name[name]["outputs"]
        ):
            reading.add(name)
            todo += by_name[name]["rules"]
    return reading


def functions(names: list[str], linkable: set[str]) -> str:
    """Functions of the package, each with a link to its documentation if it has one."""
    texts = {name: code(name.removeprefix("modality_gap.")) for name in names}
    return ", ".join(
        f"[{texts[name]}][{name}]" if name in linkable else texts[name] for name in names
    )


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
    """What a script imports from the package, with dotted names, except for its log and errors."""
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
