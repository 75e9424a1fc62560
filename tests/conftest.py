"""What the tests share: where the project and the mirror of real data files lie."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first: a slip shows before the workflow has run."""
    order = ("unit", "workflow", "browser")
    items.sort(key=lambda item: order.index(item.path.parent.name))


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


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of real data files: MODALITY_GAP_MIRROR, or shared/mirror beside the project."""
    folder = Path(os.environ.get("MODALITY_GAP_MIRROR") or ROOT.parent / "shared" / "mirror")
    if not (folder / "SHA256SUMS").is_file():
        pytest.skip("needs the mirror of real data files; set MODALITY_GAP_MIRROR to its folder")
    return folder


@pytest.fixture(scope="session")
def released(mirror: Path):
    """Unit vectors x, y (n, d) of one of the authors' released feature files, by name."""
    import numpy as np

    from modality_gap.embedding_set import normalise

    def load(name: str):
        features = np.load(mirror / "released" / f"features_{name}.npy", allow_pickle=False)
        return normalise(features[0]), normalise(features[1])

    return load
