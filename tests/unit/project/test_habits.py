"""What all code does alike: records do not change, rows are paired in full, texts are UTF-8."""

import ast
from functools import cache
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
CHANGING = {"LossRuns", "Timing"}  # records that are filled as they go
# Lists that are longer than what takes from them, and files that leave the rest out on purpose.
LONGER = {"PALETTE", "LETTERS", "DASHES"}
LOOSE = {
    "modality_gap/encoders/onnx_runtime.py",
    "modality_gap/measures/posthoc/study.py",
    "modality_gap/pages/summary.py",
}


@cache
def everything():
    """Every class and call of the package and the scripts, with the path of its file."""
    return [
        (path.relative_to(SCRIPTS).as_posix(), node)
        for path in sorted(SCRIPTS.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef | ast.Call)
    ]


def nodes(kind):
    return [(path, node) for path, node in everything() if isinstance(node, kind)]


def keywords(call):
    return {
        one.arg: one.value.value for one in call.keywords if isinstance(one.value, ast.Constant)
    }


def test_a_record_cannot_be_changed():
    found = {}
    for _, node in nodes(ast.ClassDef):
        for decorator in node.decorator_list:
            if "dataclass" in ast.unparse(decorator):
                call = isinstance(decorator, ast.Call)
                found[node.name] = call and keywords(decorator).get("frozen") is True
    assert len(found) > 40
    assert {name for name, frozen in found.items() if not frozen} == CHANGING


def test_what_is_paired_has_one_length():
    loose = set()
    for path, call in nodes(ast.Call):
        if isinstance(call.func, ast.Name) and call.func.id == "zip":
            strict = keywords(call).get("strict")
            assert isinstance(strict, bool), f"{path}, line {call.lineno}"
            names = {
                one.id for arg in call.args for one in ast.walk(arg) if isinstance(one, ast.Name)
            }
            if not strict and not names & LONGER:
                loose.add(path)
    assert loose == LOOSE


def test_no_file_of_others_is_unpickled():
    loads = [(path, call, ast.unparse(call.func)) for path, call in nodes(ast.Call)]
    kept = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}
    found = [(path, call, *kept[name]) for path, call, name in loads if name in kept]
    assert len(found) > 10
    for path, call, option, safe in found:
        # numpy's default is safe, and that of torch is not in all its versions.
        default = None if safe else False
        assert keywords(call).get(option, default) is safe, f"{path}, line {call.lineno}"


def test_texts_are_utf_8():
    for path, call in nodes(ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("read_text", "write_text"):
            assert keywords(call).get("encoding") == "utf-8", f"{path}, line {call.lineno}"
