"""The three descriptions of the software agree: requirements.in, its lock and envs/*.yaml; each
environment has what its scripts import, and Snakemake what the rules import."""

import os
import re
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from reached import Reached

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
# The names of conda-forge that are not those of the package registry. The two "base" packages are
# what the registry's package holds; conda-forge's plain ones add a GUI toolkit and statsmodels.
REGISTRY_NAMES = {"matplotlib-base": "matplotlib", "pytorch": "torch"}
# Of these any version of late will do.
LOOSE = {"pip", "threadpoolctl"}
PYTHON = "3.12"

NAME = r"(?P<name>[a-z0-9]+(?:[._-][a-z0-9]+)*)"
VERSION = r"(?P<version>[0-9][0-9a-z.+]*)"
PINNED = re.compile(rf"{NAME}=={VERSION}")
PINNED_BY_CONDA = re.compile(rf"{NAME}={VERSION}")
AT_LEAST = re.compile(rf"{NAME}>={VERSION}")
LOCKED = re.compile(
    rf"{NAME}=={VERSION}(?: ; [^\\]+)?(?P<hashes>(?: --hash=sha256:[0-9a-f]{{64}})+)"
)


def requirement_lines(name):
    """The file's requirements, one a string: comments left out, continued lines joined."""
    text = re.sub(r"^[ \t]*#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    joined = re.sub(r"[ \t]*\\\n[ \t]*", " ", text)
    return [line.strip() for line in joined.splitlines() if line.strip()]


def direct():
    """The version of each direct dependency."""
    matches = [PINNED.fullmatch(line) for line in requirement_lines("requirements.in")]
    return {match["name"]: match["version"] for match in matches}


def locked():
    """The versions of each locked package: a marker may select one of several."""
    versions = {}
    for line in requirement_lines("requirements.txt"):
        match = LOCKED.fullmatch(line)
        versions.setdefault(canonicalize_name(match["name"]), set()).add(match["version"])
    return versions


def load(environment):
    return yaml.safe_load(environment.read_text(encoding="utf-8"))


def dependencies(environment):
    """Pairs of a dependency as it is written and what it must look like."""
    for dependency in load(environment)["dependencies"]:
        if isinstance(dependency, dict):
            assert set(dependency) == {"pip"}
            yield from ((line, PINNED) for line in dependency["pip"])
        else:
            yield dependency, PINNED_BY_CONDA


def test_every_family_of_rules_has_an_environment():
    assert {"sources", "embeddings", "statistics", "figures", "report"} <= {
        environment.stem for environment in ENVIRONMENTS
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environment_uses_conda_forge_alone(environment):
    assert load(environment)["channels"] == ["conda-forge", "nodefaults"]


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environment_pins_the_locked_versions(environment):
    versions = locked()
    names = []
    for written, form in dependencies(environment):
        match = form.fullmatch(written) or AT_LEAST.fullmatch(written)
        assert match, f"{written} is not pinned exactly"
        names.append(match["name"])
        if match["name"] in LOOSE:
            assert all(
                version in Requirement(written).specifier for version in versions[match["name"]]
            ), written
        elif AT_LEAST.fullmatch(written):
            pytest.fail(f"{written} is not pinned exactly")
        elif match["name"] == "python":
            assert re.fullmatch(rf"{re.escape(PYTHON)}\.[0-9]+", match["version"]), written
        else:
            name = canonicalize_name(REGISTRY_NAMES.get(match["name"], match["name"]))
            assert versions.get(name) == {match["version"]}, written
    assert "python" in names
    assert len(set(names)) == len(names)


def test_environments_share_one_python():
    written = {
        line
        for environment in ENVIRONMENTS
        for line, _ in dependencies(environment)
        if line.startswith("python=")
    }
    assert len(written) == 1


def test_lock_holds_only_pinned_and_hashed_requirements():
    lines = requirement_lines("requirements.txt")
    assert lines
    assert [line[:80] for line in lines if not LOCKED.fullmatch(line)] == []


def test_lock_names_no_place_to_download_from():
    # Comments count too: whoever installs chooses the registry.
    text = (ROOT / "requirements.txt").read_text()
    options = r"(?<![\w-])(?:-i|-f|--(?:extra-)?index-url|--no-index|--find-links|--trusted-host)\b"
    assert re.findall(rf"\w+://\S*|\s@\s|{options}", text) == []


def test_direct_dependencies_are_pinned():
    lines = requirement_lines("requirements.in")
    assert [line for line in lines if not PINNED.fullmatch(line)] == []


def test_lock_keeps_the_versions_of_the_direct_dependencies():
    versions = locked()
    pins = direct()
    assert pins
    assert {name: versions.get(name) for name in pins} == {
        name: {version} for name, version in pins.items()
    }


def test_torch_and_torchvision_are_a_pair():
    # A torchvision is compiled against one torch: beside another its operators do not load
    # ("operator torchvision::nms does not exist"). Its metadata names that torch, so no list of
    # pairs (2.12.1 and 0.27.1 are one) has to be kept here.
    pins = direct()
    assert metadata.version("torchvision").split("+")[0] == pins["torchvision"]
    wanted = [
        str(requirement.specifier)
        for requirement in map(Requirement, metadata.requires("torchvision"))
        if requirement.name == "torch"
    ]
    assert wanted == [f"=={pins['torch']}"]


# --- imports --------------------------------------------------------------------------------------

# Run in a process of its own: the modules of the first argument cannot be imported.
WITHOUT = """
import pkgutil
import sys
from importlib.machinery import PathFinder

absent = sys.argv.pop(1).split(",")
find, listed = PathFinder.find_spec, pkgutil.iter_modules  # the latter finds Snakemake's plugins
PathFinder.find_spec = lambda name, *where: None if name in absent else find(name, *where)
pkgutil.iter_modules = lambda *where: (one for one in listed(*where) if one.name not in absent)
"""
IMPORTS = """
import ast
for script in sys.argv[1:]:
    tree = ast.parse(open(script, encoding="utf-8").read())
    tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    try:
        exec(compile(tree, script, "exec"))
    except ImportError as error:
        print(f"{script}: {error}")
"""
SNAKEMAKE = "from snakemake.cli import main; main()"


@cache
def with_requirements(*names):
    """The installed distributions of some names, and those that they require."""
    found, todo = set(), [canonicalize_name(name) for name in names]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        try:
            wanted = map(Requirement, metadata.requires(name) or [])
        except metadata.PackageNotFoundError:  # for another system or Python
            continue
        found.add(name)
        todo += [
            canonicalize_name(requirement.name)
            for requirement in wanted
            if not requirement.marker or requirement.marker.evaluate({"extra": ""})
        ]
    return found


def absent_beside(*names):
    """The installed modules that would not be there if only some distributions were installed."""
    there = with_requirements(*names)
    return sorted(
        module
        for module, owners in metadata.packages_distributions().items()
        if module.isidentifier() and not there & set(map(canonicalize_name, owners))
    )


def without(modules, code, *arguments, folder=ROOT):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code, ",".join(modules), *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts"), "PYTHONNOUSERSITE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def scripts_of(environment):
    """The scripts of all rules that name an environment."""
    text = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    return sorted(
        {
            ROOT / "scripts" / script
            for name, script in re.findall(
                r'"\.\./envs/(\w+)\.yaml"\n(?: {4}.*\n)*? {8}"\.\./scripts/(\w+/\w+\.py)"', text
            )
            if name == environment.stem
        }
    )


def test_every_script_of_a_rule_has_an_environment():
    text = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    named = set(re.findall(r'"\.\./scripts/(\w+/\w+\.py)"', text))
    of_environments = [set(scripts_of(environment)) for environment in ENVIRONMENTS]
    assert set().union(*of_environments) == {ROOT / "scripts" / name for name in named}
    assert sum(map(len, of_environments)) == len(named) > 60


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environment_has_what_its_scripts_import(environment):
    written = [re.match(NAME, line)["name"] for line, _ in dependencies(environment)]
    absent = absent_beside(
        *(REGISTRY_NAMES.get(name, name) for name in written if name != "python")
    )
    done = without(absent, IMPORTS, *scripts_of(environment))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


# Libraries that scripts name and never ask for, in all of an environment (None) or by the script.
NOT_ASKED_FOR = {
    # The registry of measures names their functions, of which pages and figures show the values.
    ("figures", None): {"scipy", "sklearn", "torch"},
    ("report", None): {"sklearn", "torch"},
    # For a GPU, which is used where torch is installed and sees one (measures/on_gpu.py); the table
    # of losses says how torch computes them, too.
    **{
        ("statistics", name): {"torch"}
        for name in (
            "beyond/measure_diagnostics",
            "beyond/measure_explorer",
            "beyond/sweep_recall",
            "figure1/measure_gaps",
            "figure2/measure_cones",
            "figure2/measure_preprocessing",
            "figure3/sweep_loss",
            "supplement/measure_normalisation",
        )
    },
    # For tensors alone, with which these two have the other environment (test_rule_settings.py).
    ("statistics", "embeddings/import_files"): {"torch"},
    ("statistics", "embeddings/sum_part"): {"torch"},
}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.stem)
def test_environment_has_what_functions_import_and_torch_for_who_needs_it(environment):
    written = [re.match(NAME, line)["name"] for line, _ in dependencies(environment)]
    direct_ones = [REGISTRY_NAMES.get(name, name) for name in written if name != "python"]
    absent = {*absent_beside(*direct_ones)}
    unused = {name: libraries for (of, name), libraries in NOT_ASKED_FOR.items()
              if of == environment.stem}  # fmt: skip
    for script in scripts_of(environment):
        name = script.relative_to(ROOT / "scripts").with_suffix("").as_posix()
        reached = Reached(ROOT / "scripts", name).libraries
        wanted = {*reached} - unused.get(None, set()) - unused.get(name, set())
        assert wanted.isdisjoint(absent), (name, wanted & absent)
        assert unused.get(name, set()) <= reached, name
        # No other environment is as large and as slow to make.
        assert ("torch" in wanted) == ("torch" in direct_ones), name


MODULES = {
    "__init__": "",
    "a": """
import json
from package import b

def one():
    import yaml
    return two()

def two():
    from pandas import DataFrame as D
    return b.LOSS

def three():
    import torch
""",
    "b": """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import altair

def loss(x: 'jinja2.X'):
    import scipy

def other():
    import sklearn

LOSS, OTHER = {'a': loss}, 3
MORE = other
""",
}


def test_what_a_script_uses_of_a_file_is_followed_and_the_rest_is_not(tmp_path):
    (tmp_path / "package").mkdir()
    for name, text in MODULES.items():
        (tmp_path / f"package/{name}.py").write_text(text)
    (tmp_path / "script.py").write_text("from package.a import one\n\none()\n")
    found = Reached(tmp_path, "script").libraries
    assert found == {"json", "yaml", "pandas", "scipy", "typing"}


def test_an_import_that_an_environment_lacks_is_found(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import yaml\nimport torch\n")
    done = without(absent_beside("pyyaml"), IMPORTS, script)
    assert "torch" in done.stdout
    assert "yaml" not in done.stdout


@pytest.mark.parametrize("arguments", [("--dry-run", "--quiet", "all"), ("--lint",)])
def test_plain_snakemake_reads_the_rules(arguments, tmp_path):
    # As a cluster's Snakemake does, and whoever lists workflows: nothing of requirements.in is
    # there but Snakemake itself.
    absent = absent_beside("snakemake")
    assert {"numpy", "pandas", "tqdm", "torch", "PIL", "pyarrow"} <= set(absent)
    done = without(
        absent, SNAKEMAKE, "--snakefile", ROOT / "Snakefile", "--directory", tmp_path, *arguments
    )
    assert done.returncode == 0, done.stdout + done.stderr
