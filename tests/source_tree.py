"""The project's own source as data: files, imports, functions. The tests of its shape read it from here."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
HOUSES = ("polytope", "importers", "verify")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(*folders: str) -> list[Path]:
    """Return the Python files under the named top-level folders, sorted; links are not followed."""
    found: list[Path] = []
    for folder in folders:
        for path in (REPOSITORY / folder).rglob("*.py"):
            parts = path.relative_to(REPOSITORY).parts
            if folder == "exactbox" and parts[1] in HOUSES:
                continue
            found.append(path)
    return sorted(found)


def package_files() -> list[Path]:
    """Return every Python file that is installed: the three houses and the facade."""
    return python_files("exactbox", *HOUSES)


def name_of(path: Path) -> str:
    """Return the path below the repository, as a test id."""
    return path.relative_to(REPOSITORY).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of whatever is imported anywhere in the tree, at the top or inside a function.

    ``from a import b`` yields both ``a`` and ``a.b``, because ``b`` may be a module.

    >>> list(imported_modules(ast.parse("import os.path; from json import loads")))
    [(1, 'os.path'), (1, 'json'), (1, 'json.loads')]
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield node.lineno, module
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def functions(tree: ast.AST) -> Iterator[Function]:
    """Yield every function and method, nested ones included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length_without_docstring(function: Function) -> int:
    """Return the number of lines from ``def`` to the end, less the lines of the docstring.

    >>> length_without_docstring(ast.parse('def f():\\n    "doc"\\n    return 1').body[0])
    2
    """
    total = last_line(function) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return total
    doc = function.body[0]
    return total - (last_line(doc) - doc.lineno + 1)


def last_line(node: ast.stmt) -> int:
    """Return the last line of a statement."""
    return node.lineno if node.end_lineno is None else node.end_lineno
