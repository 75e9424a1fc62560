"""The three descriptions of the software agree: requirements.in, its lock and envs/*.yaml."""

import re
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
# The names of conda-forge that are not those of the package registry. The two "base" packages are
# what the registry's package holds; conda-forge's plain ones add a GUI toolkit and statsmodels.
REGISTRY_NAMES = {"matplotlib-base": "matplotlib", "pytorch": "torch"}
PYTHON = "3.12"

NAME = r"(?P<name>[a-z0-9]+(?:[._-][a-z0-9]+)*)"
VERSION = r"(?P<version>[0-9][0-9a-z.+]*)"
PINNED = re.compile(rf"{NAME}=={VERSION}")
PINNED_BY_CONDA = re.compile(rf"{NAME}={VERSION}")
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
        match = form.fullmatch(written)
        assert match, f"{written} is not pinned exactly"
        names.append(match["name"])
        if match["name"] == "python":
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
