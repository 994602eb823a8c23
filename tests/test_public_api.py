"""The public names: a pinned list, loaded lazily, each with a docstring."""

import ast
import inspect
import json
import subprocess
import sys

import pytest

import exactbox
from tests.source_tree import REPOSITORY, parsed

# Adding a name here is a promise; removing one is a breaking change and belongs in CHANGELOG.md.
PUBLIC = [
    "Audit",
    "BudgetError",
    "Certified",
    "CheckReport",
    "Comparison",
    "Domain",
    "Enumerated",
    "ExactboxError",
    "InputError",
    "InternalError",
    "Inventory",
    "Model",
    "Neighborhood",
    "Refusal",
    "Region",
    "RegionsAt",
    "UnsupportedModelError",
    "__version__",
    "audit",
    "box",
    "certify",
    "check",
    "compare",
    "domain_from_rows",
    "enumerate",
    "everything",
    "inventory",
    "iter_regions",
    "load",
    "neighbors",
    "region_at",
    "regions_at",
]

FACADE = REPOSITORY / "exactbox" / "__init__.py"


def run_python(code: str) -> str:
    """Run code in a fresh interpreter at the root of the repository and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_public_names_are_pinned() -> None:
    assert sorted(exactbox.__all__) == sorted(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_loads(name: str) -> None:
    value = getattr(exactbox, name)
    assert getattr(value, "__name__", name) == name
    assert name in dir(exactbox)


@pytest.mark.parametrize("name", [name for name in PUBLIC if not name.startswith("__")])
def test_every_public_name_has_a_docstring(name: str) -> None:
    value = getattr(exactbox, name)
    assert inspect.isclass(value) or inspect.isfunction(value)
    assert (inspect.getdoc(value) or "").strip() != ""
    assert value.__doc__ is not None, f"{name} only inherits a docstring"


def test_unknown_name_is_an_attribute_error_that_lists_the_public_names() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'certifi'.*UnsupportedModelError"):
        getattr(exactbox, "certifi")  # noqa: B009 - the type checkers refuse the plain spelling


def test_type_checkers_and_run_time_read_the_same_names() -> None:
    typed = {
        f"{alias.asname or alias.name}={node.module}"
        for block in parsed(FACADE).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    (table,) = (
        ast.literal_eval(node.value)
        for node in parsed(FACADE).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HOME"
    )
    assert typed == {f"{name}={module}" for name, module in table.items()}
    assert set(table) | {"__version__"} == set(PUBLIC)


def test_no_module_of_the_facade_hides_a_public_name() -> None:
    modules = {path.stem for path in (REPOSITORY / "exactbox").iterdir()}
    assert modules & set(PUBLIC) == set()


def test_import_loads_nothing_but_the_standard_library() -> None:
    code = """
import json, sys
before = set(sys.modules)
import exactbox
after = {name.split(".")[0] for name in set(sys.modules) - before}
print(json.dumps(sorted(after - set(sys.stdlib_module_names))))
"""
    assert json.loads(run_python(code)) == ["exactbox"]


@pytest.mark.parametrize("heavy", ["cvxpy", "matplotlib", "numba", "numpy", "onnx", "onnxruntime", "sympy"])
def test_import_does_not_load(heavy: str) -> None:
    assert run_python(f"import sys, exactbox; print({heavy!r} in sys.modules)") == "False\n"


def test_version_is_the_installed_one() -> None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        installed = version("exactbox")
    except PackageNotFoundError:
        pytest.skip("exactbox is not installed here; the checkout is used as it is")
    assert exactbox.__version__ == installed
