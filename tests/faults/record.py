"""What the tests of this folder saw: one row per fault, which docs/faults.md shows as a table.

No sentence in the table is typed: it is what the programs said. Each row is held against the
committed page as it is recorded; with MODALITY_GAP_WRITE_DOCS=1 a run of all tests of the folder
writes the page instead (`make docs/faults.md`).
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
INTRODUCTION = Path(__file__).with_name("introduction.md")
WRITES = os.environ.get("MODALITY_GAP_WRITE_DOCS") == "1"


@dataclass(frozen=True)
class Fault:
    """`said` is what the program said, `left` what is there afterwards, in the test's words; `code`
    the exit code, None if the run continues."""

    group: str
    name: str
    said: str
    code: int | None
    left: str

    @property
    def row(self) -> str:
        code = "the run continues" if self.code is None else str(self.code)
        fence = "``" if "`" in self.said else "`"
        said = f"{fence}{self.said}{fence}" if self.said else ""
        cells = (self.name, said, code, self.left)
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


@dataclass
class Record:
    """The faults of a run of the tests."""

    faults: list[Fault] = field(default_factory=list)

    def add(
        self, group: str, name: str, said: str, code: int | None, left: str, *folders: Path
    ) -> None:
        """Record a fault; `folders` are left out of the paths in what was said."""
        for folder in sorted({str(folder) for folder in folders}, key=len, reverse=True):
            said = said.replace(f"{folder}/", "").replace(folder, ".")
        assert len(said.splitlines()) <= 1, said
        assert not re.search(r"/tmp|0x[0-9a-f]{6}", said), said
        fault = Fault(group, name, " ".join(said.split()), code, left)
        self.faults.append(fault)
        if not WRITES:
            page = PAGE.read_text(encoding="utf-8").splitlines()
            assert fault.row in page, f"`make docs/faults.md`: it lacks {fault.row}"

    def page(self) -> str:
        """docs/faults.md, of the faults recorded."""
        lines = [INTRODUCTION.read_text(encoding="utf-8").rstrip()]
        for group in dict.fromkeys(fault.group for fault in self.faults):
            lines += ["", f"## {group}", "", "| fault | message | exit code | what remains |"]
            lines += ["|---|---|---|---|"]
            lines += [fault.row for fault in self.faults if fault.group == group]
        return "\n".join(lines) + "\n"
