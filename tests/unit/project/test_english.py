"""Every sentence that a person reads is plain, modern, British English."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# What not to write > an example, and what to write instead. A space matches any white space.
UNIT = (
    "array|batch|case|class|column|condition|core|file|group|initialisation|item|job|library|line"
    "|modality|model|pair|panel|rule|run|seed|shift|statistic|task|temperature"
)
BANNED = {
    r"(whence|thither|whither|hither)": ("say whence", "from where, there"),
    r"hence": ("two peaks, hence", "so, therefore"),
    r"(thereof|therein|thereto|wherein|whereof|herein)": ("a part thereof", "of it, in it, to it"),
    r"(albeit|lest|ere|unto|amid|amongst|whilst)": ("slow, albeit exact", "although, among, while"),
    r"anew": ("drawn anew", "again"),
    r"by lot": ("chosen by lot", "at random"),
    r"(of|in|over) so many": ("a sample of so many", "of that size"),
    r"mend(s|ed|ing)?": ("mend the file", "repair, correct"),
    r"for want of": ("left out for want of data", "because ... is missing"),
    r"told": ("as is told below", "reported, stated; separated"),
    r"tells? (on|its|the file|of its)": ("it tells on stderr", "logs, prints"),
    r"(cannot|can|could|is|are|to) (not )?(to )?be had": ("it cannot be had", "is not available"),
    r"at hand": ("no weights at hand", "available"),
    r"(lay|lays|lain|laid)": ("lay the file there", "put"),
    r"stands? (in(?!:| for)|there|here|before|behind)": (
        "it stands in a table",
        "is in, comes before",
    ),
    r"(goes|go|going|went) on with(out)?": ("a run goes on with it", "continues, resumes"),
    r"but for": ("all but for one", "except for"),
    r"noughts?": ("three noughts", "zeros"),
    r"one's own": ("pairs of one's own", "your own"),
    rf"(an?|one|two) (?!adds|takes)\w+ an? ({UNIT})": ("a row a job", "one row per job"),
    rf"(numbers|one) an? ({UNIT})": ("prompts, one a class", "one per class"),
    r"(?!takes)\w+s a (second|minute|hour)": ("9 items a second", "items per second"),
    r"(behavior|neighbor|favor|honor|gray|artifact|modeling|labeled|labeling)s?": (
        "its neighbor",
        "British spelling",
    ),
    r"(normal|optim|initial|general|visual|organ|recogn|minim|maxim|real|random|standard"
    r"|emphas)iz(e|ed|es|ing|ation|ations)": ("normalized", "British spelling: -ise"),
    r"(Across|Up):": ("Up: the loss", "horizontal axis, vertical axis"),
}
PATTERNS = {
    re.compile(rf"(?<![\w$./-]){old}(?![\w/=(-])".replace(" ", r"\s+"), re.IGNORECASE): better
    for old, (_, better) in BANNED.items()
}
GENERATED = {"docs/faults.md"}
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def faults(text: str, first_line: int = 1) -> list[tuple[int, str, str]]:
    """Line, words and better words of all that is banned in a text. Code is not looked at."""
    text = CODE.sub(lambda code: "\n" * code.group().count("\n") + "`", text)
    # The second line of a comment begins with its sign.
    text = re.sub(r"(?<=\n)[ \t]*#+ ", lambda sign: " " * len(sign.group()), text)
    found = [
        (first_line + text.count("\n", 0, match.start()), " ".join(match.group().split()), better)
        for pattern, better in PATTERNS.items()
        for match in pattern.finditer(text)
    ]
    return sorted(found)


def comments(source: str) -> list[tuple[int, str]]:
    """Each block of comments of Python code or of a rule file, with its first line."""
    blocks: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line, text = token.start[0], token.string.lstrip("# ")
            if blocks and blocks[-1][0] + blocks[-1][1].count("\n") + 1 == line:
                blocks[-1] = (blocks[-1][0], f"{blocks[-1][1]}\n{text}")
            else:
                blocks.append((line, text))
    return blocks


def strings(source: str) -> list[tuple[int, str]]:
    """Each text of Python code, docstrings included, with its first line."""
    inner, found = set(), []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            inner |= set(node.values)
            parts = [part.value if isinstance(part, ast.Constant) else "_" for part in node.values]
            found.append((node.lineno, "".join(parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inner:
            found.append((node.lineno, node.value))
    return found


def texts(path: Path) -> list[tuple[int, str]]:
    """The texts of a file that a person reads, each with its first line."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        # One word is a key or a name.
        return comments(source) + [text for text in strings(source) if " " in text[1]]
    return [(1, source)]


def files() -> list[Path]:
    """All files whose texts a person reads, in the order of their paths."""
    found = [*ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "Snakefile", ROOT / "CITATION.cff"]
    for folder, endings in {
        "benchmarks": ("py",),
        "config": ("yaml",),
        "docs": ("md", "py"),
        "profiles": ("yaml",),
        "report": ("rst", "j2"),
        "rules": ("smk",),
        "scripts": ("py",),
        "tests/faults": ("py",),
    }.items():
        for ending in endings:
            found += (ROOT / folder).rglob(f"*.{ending}")
    return sorted(path for path in found if path.relative_to(ROOT).as_posix() not in GENERATED)


@pytest.mark.parametrize("path", files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_plain_english(path):
    name = path.relative_to(ROOT)
    found = [
        f"{name}:{line}: '{words}'; write: {better}"
        for first_line, text in texts(path)
        for line, words, better in faults(text, first_line)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("example", [example for example, _ in BANNED.values()])
def test_each_banned_phrase_is_found(example):
    line, words, better = faults(f"A plain line.\n# {example.replace(' ', chr(10) + '# ')}.")[0]
    assert line >= 2 and words in example and better


def test_plain_words_and_code_pass():
    assert not faults(
        "Stand-ins stand in for the data. A mean per seed. `snakemake anew`, told/x.py"
    )


def test_texts_of_code_are_read():
    source = '''"""A row a job."""
value = f"{whence} by lot {1:.2f} times"  # drawn
# anew
told = 1
'''
    found = [
        (line, words)
        for first, text in comments(source) + strings(source)
        for line, words, _ in faults(text, first)
    ]
    assert sorted(found) == [(1, "A row a job"), (2, "by lot"), (3, "anew")]
