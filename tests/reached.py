"""What a script may import while it runs: of each file only what it uses is followed, so that a
function that nobody calls brings no library."""

import ast
from functools import cache
from pathlib import Path


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def parts(node: ast.AST):
    """A node and all below it, but for what only type checkers read."""
    todo = [node]
    while todo:
        one = todo.pop()
        if not is_for_types(one):
            yield one
            annotations = [getattr(one, "annotation", None), getattr(one, "returns", None)]
            todo += [child for child in ast.iter_child_nodes(one) if child not in annotations]


class Reached:
    """The libraries that a script below `folder` imports."""

    def __init__(self, folder: Path, script: str):
        self.folder, self.libraries, self.done = folder, set(), set()
        self.names: dict[Path, dict[str, tuple]] = {}  # what the imports of a file bind
        self.load(folder / f"{script}.py", whole=True)

    def file(self, module: str) -> Path | None:
        return file_of(self.folder, module)

    def bind(self, nodes) -> dict[str, tuple]:
        """Names that imports among some nodes bind, to a file and a name of it (None: all)."""
        found = {}
        for node in nodes:
            if isinstance(node, ast.Import):
                self.libraries |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom):
                for one in node.names:
                    whole = self.file(f"{node.module}.{one.name}")
                    file = whole or self.file(node.module)
                    if file:
                        found[one.asname or one.name] = file, None if whole else one.name
                        self.load(file)
                    else:
                        self.libraries.add(node.module.partition(".")[0])
        return found

    def load(self, path: Path, whole: bool = False) -> None:
        """What runs when a file is imported: its imports, statements, and what decorators keep."""
        if path in self.names:
            return
        self.names[path] = {}
        body = parsed(path).body
        self.names[path] = self.bind(one for node in body for one in top(node))
        for node in body:
            runs = isinstance(node, ast.Expr | ast.For | ast.With | ast.If | ast.Try)
            if whole or runs or getattr(node, "decorator_list", None):
                self.follow(path, node)

    def follow(self, path: Path, node: ast.AST) -> None:
        """All that some code of a file names."""
        if is_for_types(node) or id(node) in self.done:
            return
        self.done.add(id(node))
        nodes = list(parts(node))
        names = self.names[path] | self.bind(nodes)
        for one in nodes:
            if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name):
                file, name = names.get(one.value.id, (None, ""))
                if file and name is None:
                    self.use(file, one.attr)
            elif isinstance(one, ast.Name):
                file, name = names.get(one.id, (path, one.id))
                if name:
                    self.use(file, name)

    def use(self, path: Path, name: str) -> None:
        """Follow what a file calls `name`."""
        for node in defined(path).get(name, ()):
            self.follow(path, node)
        file, other = self.names[path].get(name, (path, name))
        if other and (file, other) != (path, name):
            self.use(file, other)


@cache
def file_of(folder: Path, module: str) -> Path | None:
    path = folder / module.replace(".", "/")
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


@cache
def defined(path: Path) -> dict[str, list[ast.AST]]:
    """The statements of a file by the names that they define."""
    found: dict[str, list[ast.AST]] = {}
    for node in parsed(path).body:
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        names = {one.id for part in targets if part for one in ast.walk(part) if hasattr(one, "id")}
        for name in names | {getattr(node, "name", None)}:
            found.setdefault(name, []).append(node)
    return found


def top(node: ast.AST):
    """Imports that run when a file does."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda) or is_for_types(node):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from top(child)
