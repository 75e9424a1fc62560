"""What a script imports, against Python's own modulefinder, which reads compiled code."""

import ast
import re
from graphlib import TopologicalSorter

import pytest
from plan import imported, scripts_of_rules

from modality_gap.imports import (
    EXCEPTIONS,
    STAGES,
    files_of,
    imports_of_package,
    measures_of,
)


def spared(script: str) -> set[str]:
    return {
        f"modality_gap/{module.replace('.', '/')}.py"
        for modules, scripts, _ in EXCEPTIONS
        if scripts is None or script in scripts
        for module in modules
    }


def test_every_script_reruns_for_what_it_imports_and_nothing_else(root):
    scripts = sorted(
        path for path in (root / "scripts").glob("*/*.py") if path.parent.name != "modality_gap"
    )
    assert len(scripts) > 60
    for script in scripts:
        name = f"{script.parent.name}/{script.stem}"
        files = {path.as_posix() for path in files_of(name, root / "scripts")}
        # A package is run with each module of it; what counts of it are its own names.
        init = {"modality_gap/__init__.py"}
        mine = {path for path in imported(script) if not path.endswith("/__init__.py")}
        assert files - init == mine - spared(name), name
        own = re.search(r"import .*\b__version__", script.read_text())
        assert (files >= init) == bool(own and init.isdisjoint(spared(name))), name


def test_every_rule_names_its_own_script(root):
    text = "".join(path.read_text() for path in sorted(root.glob("rules/*.smk")))
    for rule, script in scripts_of_rules(root).items():
        body = re.search(
            rf"^(?:use )?rule (?:\w+ as )?{rule}(?: with)?:\n((?: .*)?\n)+", text, re.M
        )[0]
        # Where it has inputs of its own; those of an extraction come from a function.
        if "    input:\n" in body and "unpack(extraction_inputs)" not in body:
            assert f'        code=code("{script}"),\n' in body, rule
    assert '"code": code("embeddings/extract_embeddings")(wildcards),' in text


def test_no_stage_imports_from_a_later_one(root):
    package = root / "scripts" / "modality_gap"
    order = [folder for folders in STAGES.values() for folder in folders]
    assert sorted(order) == sorted(path.parent.name for path in package.glob("*/__init__.py"))
    imports = imports_of_package(root / "scripts")
    assert len(imports) > 60
    place = {folder: number for number, folder in enumerate(order)}
    imported = {other for others in imports.values() for other in others}
    commands = {module for module in imports if "/" not in module} - imported
    for module, others in imports.items():
        # A command, which no module imports, may use every stage.
        for other in others if module not in commands else ():
            mine, its = (place.get(path.partition("/")[0], -1) for path in (module, other))
            assert its <= mine, f"{module} imports {other}"


def test_no_import_leads_back_to_where_it_began(root):
    imports = imports_of_package(root / "scripts")
    order = list(TopologicalSorter(imports).static_order())  # raises CycleError
    assert set(order) == imports.keys()


def test_exceptions_are_there_and_have_a_reason(root):
    for modules, scripts, reason in EXCEPTIONS:
        assert len(reason.split()) > 5
        assert scripts is None or scripts  # of all scripts, or of some
        for module in modules:
            assert (root / "scripts/modality_gap" / f"{module.replace('.', '/')}.py").is_file()
        for script in scripts or ():
            assert {f"modality_gap/{module.replace('.', '/')}.py" for module in modules} & imported(
                root / f"scripts/{script}.py"
            )


def test_nothing_is_imported_by_a_name_that_is_made_at_run_time(root):
    for path in sorted((root / "scripts").rglob("*.py")):
        names = {
            node.id if isinstance(node, ast.Name) else node.attr
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, (ast.Name, ast.Attribute))
        }
        forbidden = {"import_module", "__import__", "exec", "run_path", "run_module"}
        if path.name == "debug.py":  # which runs scripts, and which no script imports
            forbidden.remove("run_path")
        assert names.isdisjoint(forbidden), path.name


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import package.a", {"package/a.py"}),
        ("import package.a as other, json", {"package/a.py"}),
        ("from package import a, b", {"package/a.py", "package/b.py"}),
        ("from package import (\n    a,\n    b as other,\n)", {"package/a.py", "package/b.py"}),
        ("from package.a import value", {"package/a.py"}),
        ("def f():\n    from package.a import value", {"package/a.py"}),
        ("try:\n    import package.a\nexcept ImportError:\n    pass", {"package/a.py"}),
        ("from package import VERSION", {"package/__init__.py"}),
        ("import package", {"package/__init__.py"}),
        ("from package import *", {"package/__init__.py"}),
        ("import beside", {"beside.py", "package/b.py"}),
        ("from package.c import value", {"package/a.py", "package/b.py", "package/c.py"}),
        ("from package.below import d", {"package/a.py", "package/below/d.py"}),
        ("from package.below.d import value", {"package/a.py", "package/below/d.py"}),
        ("import json\nfrom elsewhere import a", set()),
        ("'from package import a'  # import package.b", set()),
    ],
)
def test_every_form_of_import_is_followed(tmp_path, line, found):
    files = {
        "package/__init__.py": "VERSION = 1",
        "package/a.py": "value = 1",
        "package/b.py": "from package import b",
        "package/c.py": "from . import a\nfrom .b import value",
        "package/below/__init__.py": "",
        "package/below/d.py": "from ..a import value",
        "beside.py": "from package import b",
        "script.py": line,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert [path.as_posix() for path in files_of("script", tmp_path)] == sorted(found)


def test_the_measures_of_a_script_are_those_that_it_imports_itself(tmp_path):
    files = {
        "stage/script.py": "from modality_gap.training.train import fit\n"
        "from modality_gap.measures import gap, cone\nfrom modality_gap.config import check\n"
        "import modality_gap, measures.own, json\n",
        "stage/measures/own.py": "",
        "measures/own.py": "",
        "modality_gap/__init__.py": "",
        "modality_gap/config/check.py": "",
        "modality_gap/figures/draw.py": "",
        "modality_gap/measures/cone.py": "from modality_gap.measures import below",
        "modality_gap/measures/below.py": "",
        "modality_gap/measures/gap.py": "",
        "modality_gap/training/train.py": "fit = 1",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert [path.as_posix() for path in measures_of("stage/script", tmp_path)] == [
        "modality_gap/measures/cone.py",
        "modality_gap/measures/gap.py",
        "modality_gap/training/train.py",
    ]
