"""docs/faults.md is what the other tests of this folder saw, and nothing else."""

from pathlib import Path

import pytest
from record import PAGE, WRITES

pytestmark = pytest.mark.faults


def test_the_page_holds_what_was_seen_and_nothing_else(request, faults):
    files = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    session = request.session
    if request.config.option.keyword or not files <= {item.path.name for item in session.items}:
        pytest.skip("needs all tests of this folder to run before it")
    assert session.testsfailed == 0
    if WRITES:
        PAGE.write_text(faults.page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == faults.page()
