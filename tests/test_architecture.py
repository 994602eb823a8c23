"""Who may import whom, how large things may grow, and which shortcuts are closed."""

import ast
import re
import sys
from pathlib import Path

import pytest

from tests.source_tree import (
    HOUSES,
    REPOSITORY,
    functions,
    imported_modules,
    length_without_docstring,
    name_of,
    package_files,
    parsed,
    python_files,
)

MAX_FILE = 500
MAX_EVIDENCE_FILE = 150
MAX_FUNCTION = 60
MAX_FUNCTION_P90 = 25

# house -> the prefixes of exactbox.* that it may import
ARROWS = {
    "polytope": ("exactbox.polytope",),
    "importers": ("exactbox.polytope", "exactbox.importers"),
    "verify": ("exactbox.polytope", "exactbox.verify"),
}
CHECKER = REPOSITORY / "verify" / "check.py"
GATE = REPOSITORY / "polytope" / "rational.py"

every_package_file = pytest.mark.parametrize("path", package_files(), ids=name_of)
every_file = pytest.mark.parametrize("path", package_files() + python_files("tests", "benchmarks"), ids=name_of)
every_exact_file = pytest.mark.parametrize("path", python_files("polytope", "verify"), ids=name_of)


def evidence_files() -> list[Path]:
    """The files beside the checker that check one further kind of evidence each."""
    return sorted((REPOSITORY / "verify").glob("check_*.py"))


def forbidden_arrows(house: str, tree: ast.AST) -> list[str]:
    """Return the imports of ours that the house may not have, as 'line: module'.

    >>> forbidden_arrows("polytope", ast.parse("from exactbox.verify import check"))
    ['1: exactbox.verify', '1: exactbox.verify.check']
    >>> forbidden_arrows("verify", ast.parse("from exactbox.polytope.lp import solve"))
    []
    >>> forbidden_arrows("verify", ast.parse("from exactbox import polytope"))
    ['1: exactbox']
    """
    return [
        f"{line}: {module}"
        for line, module in imported_modules(tree)
        if module.split(".")[0] == "exactbox"
        and not any(module == prefix or module.startswith(prefix + ".") for prefix in ARROWS[house])
    ]


@pytest.mark.parametrize(
    ("house", "path"),
    [pytest.param(house, path, id=name_of(path)) for house in HOUSES for path in python_files(house)],
)
def test_arrows(house: str, path: Path) -> None:
    assert forbidden_arrows(house, parsed(path)) == []


@pytest.mark.parametrize("path", python_files("polytope"), ids=name_of)
def test_the_mathematics_knows_no_file_format_and_no_command_line(path: Path) -> None:
    outside = {"onnx", "onnxruntime", "google", "click", "rich", "skl2onnx", "sklearn"}
    assert [m for _, m in imported_modules(parsed(path)) if m.split(".")[0] in outside] == []


@every_package_file
def test_the_package_needs_no_training_or_explanation_library(path: Path) -> None:
    outside = {"torch", "captum", "shap", "lime", "tensorflow", "jax", "sklearn", "skl2onnx"}
    assert [m for _, m in imported_modules(parsed(path)) if m.split(".")[0] in outside] == []


def test_checker_exists() -> None:
    assert CHECKER.is_file()


@pytest.mark.parametrize("path", [p for p in [CHECKER, *evidence_files()] if p.is_file()], ids=name_of)
def test_checker_is_standard_library_only(path: Path) -> None:
    allowed = set(sys.stdlib_module_names)
    if path != CHECKER:
        allowed.add("check")
    foreign = [
        f"{line}: {module}"
        for line, module in imported_modules(parsed(path))
        if module.split(".")[0] not in allowed and not (path != CHECKER and is_checker(module))
    ]
    assert foreign == []


def is_checker(module: str) -> bool:
    """Say whether the dotted name is a file of the checker, one of its names, or the package on the way to it."""
    return module == "exactbox.verify" or re.fullmatch(r"exactbox\.verify\.check(_[a-z]+)?(\.\w+)?", module) is not None


@pytest.mark.parametrize("path", [p for p in [CHECKER, *evidence_files()] if p.is_file()], ids=name_of)
def test_checker_has_no_floats(path: Path) -> None:
    found = [
        f"{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(parsed(path))
        if (isinstance(node, ast.Constant) and isinstance(node.value, float | complex))
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("float", "round"))
    ]
    assert found == []


def test_checker_fits_in_its_budget() -> None:
    lengths = {name_of(path): line_count(path) for path in evidence_files()}
    assert line_count(CHECKER) <= MAX_FILE
    assert {name: n for name, n in lengths.items() if n > MAX_EVIDENCE_FILE} == {}


def line_count(path: Path) -> int:
    """Return the number of lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def float_gates(tree: ast.AST) -> list[str]:
    """Return the places that visibly read a float as an exact number, as 'line: source'.

    >>> float_gates(ast.parse("Fraction(0.5); Fraction(1, 2); x.as_integer_ratio(); math.frexp(x)"))
    ['1: Fraction(0.5)', '1: x.as_integer_ratio()', '1: math.frexp(x)']
    """
    return [
        f"{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and (calls_a_gate(node.func) or is_fraction_of_float(node))
    ]


def calls_a_gate(function: ast.expr) -> bool:
    """Say whether the called name splits a float into integers."""
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("as_integer_ratio", "frexp", "from_float", "from_decimal", "fromhex")


def is_fraction_of_float(call: ast.Call) -> bool:
    """Say whether the call is Fraction(<float literal>), Fraction(float(...)) or the same with flint's fmpq."""
    if ast.unparse(call.func).split(".")[-1] not in ("Fraction", "fmpq", "Rational") or not call.args:
        return False
    first = call.args[0]
    if isinstance(first, ast.Call):
        return ast.unparse(first.func).split(".")[-1] in ("float", "float64", "float32")
    return isinstance(first, ast.Constant) and isinstance(first.value, float)


@every_package_file
def test_one_gate_turns_floats_into_rationals(path: Path) -> None:
    if path != GATE:
        assert float_gates(parsed(path)) == []


@every_exact_file
def test_no_tolerance_in_exact_territory(path: Path) -> None:
    tolerance = re.compile(r"\b\d+(\.\d+)?e-\d+\b|\batol\b|\brtol\b|isclose|allclose", re.IGNORECASE)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [f"{i}: {line.strip()}" for i, line in enumerate(lines, 1) if tolerance.search(line)] == []


@every_file
def test_file_length(path: Path) -> None:
    assert line_count(path) <= MAX_FILE


@every_file
def test_function_length(path: Path) -> None:
    lengths = {f"{f.lineno}: {f.name}": length_without_docstring(f) for f in functions(parsed(path))}
    assert {name: n for name, n in lengths.items() if n > MAX_FUNCTION} == {}


def test_most_functions_are_small() -> None:
    lengths = sorted(length_without_docstring(f) for path in package_files() for f in functions(parsed(path)))
    assert lengths[len(lengths) * 9 // 10] <= MAX_FUNCTION_P90


@every_file
def test_imports_are_absolute(path: Path) -> None:
    assert [f"{line}: {module}" for line, module in imported_modules(parsed(path)) if module.startswith(".")] == []


@every_file
def test_houses_are_imported_by_their_full_name(path: Path) -> None:
    assert [f"{line}: {m}" for line, m in imported_modules(parsed(path)) if m.split(".")[0] in HOUSES] == []


@every_file
def test_no_broad_except(path: Path) -> None:
    broad = [
        node.lineno
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ExceptHandler) and (node.type is None or names_everything(node.type))
    ]
    assert broad == []


def names_everything(node: ast.expr) -> bool:
    """Say whether an except clause names Exception or BaseException, alone or in a tuple."""
    caught = node.elts if isinstance(node, ast.Tuple) else [node]
    return any(ast.unparse(one).split(".")[-1] in ("Exception", "BaseException") for one in caught)


@every_package_file
def test_no_bare_exception_and_no_assert(path: Path) -> None:
    found = [
        f"{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Assert)
        or (isinstance(node, ast.Raise) and node.exc is not None and names_everything(called(node.exc)))
    ]
    assert found == []


def called(node: ast.expr) -> ast.expr:
    """Return what is called where the node is a call, else the node."""
    return node.func if isinstance(node, ast.Call) else node


@every_package_file
def test_public_things_have_a_docstring(path: Path) -> None:
    tree = parsed(path)
    bare = [
        f"{node.lineno}: {node.name}"
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node) is None
    ]
    assert ast.get_docstring(tree) is not None
    assert bare == []


@every_file
def test_nothing_is_left_for_later(path: Path) -> None:
    marks = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [f"{i}: {line.strip()}" for i, line in enumerate(lines, 1) if marks.search(line)] == []
