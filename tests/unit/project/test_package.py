"""pyproject.toml: one version, and the package that others install."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from modality_gap.imports import files_of


@pytest.fixture(scope="module")
def project(root) -> dict:
    """The section [project] of pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_version_is_that_of_the_citation_and_of_the_last_release(root, project):
    import modality_gap

    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.search(r"^## \[(\d+\.\d+\.\d+)\] - (\S+)$", changelog, re.MULTILINE)
    assert project["version"] == modality_gap.__version__
    assert (citation["version"], citation["date-released"]) == released.groups()
    assert citation["version"] == project["version"]


def test_the_project_has_one_name(root, project):
    name = "Mind the Gap, reproduced"
    site = (root / "mkdocs.yml").read_text(encoding="utf-8")
    assert re.search("^site_name: (.*)$", site, re.MULTILINE)[1] == name
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["title"] == name
    for path in ("README.md", "docs/index.md"):
        assert (root / path).read_text(encoding="utf-8").startswith(f"# {name}\n"), path
    assert (root / "report" / "workflow.rst").read_text(encoding="utf-8").startswith(f"{name}\n")
    assert project["description"].startswith(f"{name}: ")
    templates = [
        path
        for path in (root / "report" / "templates").glob("*.html.j2")
        if "extends" in path.read_text(encoding="utf-8")
    ]
    assert len(templates) > 4
    for path in templates:
        title = re.search(r"block title %}(.*?){% endblock", path.read_text(encoding="utf-8"))
        assert title and title[1].startswith(f"{name}: "), path


def names(requirements) -> set[str]:
    """Names of distributions, but for the package itself."""
    return {canonicalize_name(Requirement(line).name) for line in requirements} - {"modality-gap"}


def distributions(paths: set[Path]) -> set[str]:
    """Distributions that files import from, standard library and the package itself apart."""
    of_module = metadata.packages_distributions()
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module.partition(".")[0])
    others = found - sys.stdlib_module_names - {"modality_gap"}
    return {canonicalize_name(of_module[name][0]) for name in others}


def test_the_measures_need_what_the_package_requires_and_nothing_else(root, project):
    scripts = root / "scripts"
    files = set((scripts / "modality_gap" / "measures").glob("*.py"))
    for path in [*files]:
        module = path.relative_to(scripts).with_suffix("").as_posix()
        files |= {scripts / other for other in files_of(module, scripts)}
    extra = names(project["optional-dependencies"]["umap"])
    # Only the functions that train with a loss need it, and import it themselves.
    extra |= names(project["optional-dependencies"]["encoders"]) & {"torch"}
    assert distributions(files) == names(project["dependencies"]) | extra


def test_the_measures_are_imported_without_torch(root):
    code = (
        "import sys, importlib, pkgutil\n"
        "from modality_gap import measures\n"
        "for module in pkgutil.iter_modules(measures.__path__):\n"
        "    importlib.import_module(f'modality_gap.measures.{module.name}')\n"
        "from modality_gap.measures.losses import LOSSES, np\n"
        "assert 'torch' not in sys.modules\n"
        "print(LOSSES['sigmoid'].of(np.zeros((1, 1)), 1.0, bias=0.0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root / "scripts",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(0.693147, abs=1e-6)  # log 2


def test_what_the_whole_package_imports_is_in_one_of_its_extras(root, project):
    files = set((root / "scripts" / "modality_gap").rglob("*.py"))
    known = names(chain(project["dependencies"], *project["optional-dependencies"].values()))
    # Others bring these: matplotlib, jinja2, transformers and requests.
    brought = {"cycler", "markupsafe", "tokenizers", "urllib3"}
    unbrought = {"onnxscript"}  # torch's exporter imports it, but torch does not bring it
    assert distributions(files) - brought == known - unbrought and unbrought < known


def test_every_requirement_of_the_package_is_met_by_the_lock(project):
    extras = chain.from_iterable(project["optional-dependencies"].values())
    for requirement in map(Requirement, chain(project["dependencies"], extras)):
        if requirement.name != project["name"]:
            assert requirement.specifier.contains(metadata.version(requirement.name)), requirement


def test_the_version_of_an_installed_package_is_read_from_its_metadata(root, tmp_path, project):
    """As `pip install` lays it out: without pyproject.toml, beside its metadata."""
    (tmp_path / "modality_gap").mkdir()
    (tmp_path / "modality_gap" / "__init__.py").symlink_to(
        root / "scripts" / "modality_gap" / "__init__.py"
    )
    info = tmp_path / "modality_gap-9.8.7.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: modality-gap\nVersion: 9.8.7\n")
    code = "import modality_gap; print(modality_gap.__version__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "9.8.7"
