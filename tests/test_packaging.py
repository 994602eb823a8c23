"""What pyproject.toml says against what is in the tree and in the wheel."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from exactbox.verify.archive import archive_hash, checker_archive
from tests.source_tree import HOUSES, REPOSITORY, imported_modules, package_files, parsed

SKIPPED_FOLDERS = {"__pycache__", ".mypy_cache", ".ruff_cache"}


def pyproject() -> dict[str, Any]:
    """Return pyproject.toml as data."""
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def installed_files() -> dict[str, Path]:
    """Map the name inside the wheel to the file of the tree, for all that the houses and the facade hold."""
    found: dict[str, Path] = {}
    for top in ("exactbox", *HOUSES):
        for folder, folders, files in os.walk(REPOSITORY / top):
            folders[:] = [d for d in folders if d not in SKIPPED_FOLDERS and not (Path(folder) / d).is_symlink()]
            for file in files:
                path = Path(folder) / file
                if path.suffix in (".pyc", ".pyo") or path.is_symlink() or (top == "exactbox" and file in HOUSES):
                    continue
                inside = path.relative_to(REPOSITORY).as_posix()
                found[inside if top == "exactbox" else f"exactbox/{inside}"] = path
    return found


def copy_sources(target: Path, *, links: bool) -> Path:
    """Copy what a build needs into a folder; without links as an unpacked sdist has it."""
    ignore = shutil.ignore_patterns(*SKIPPED_FOLDERS, "*.egg-info")
    for name in ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, target / name)
    for house in HOUSES:
        shutil.copytree(REPOSITORY / house, target / house, ignore=ignore)
    skip_links = shutil.ignore_patterns(*SKIPPED_FOLDERS, *HOUSES)
    shutil.copytree(REPOSITORY / "exactbox", target / "exactbox", ignore=skip_links)
    if links:
        for house in HOUSES:
            (target / "exactbox" / house).symlink_to(Path("..") / house, target_is_directory=True)
    return target


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Build a wheel from a copy of the tree, without the network, and list what is in it."""
    source = copy_sources(tmp_path_factory.mktemp("source"), links=True)
    out = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", str(out)]
    command = [sys.executable, "-m", "pip", "wheel", *options, str(source)]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_packages_are_the_folders_with_an_init() -> None:
    folders = {Path(name).parent.as_posix() for name in installed_files() if Path(name).name == "__init__.py"}
    assert set(pyproject()["tool"]["setuptools"]["packages"]) == {folder.replace("/", ".") for folder in folders}


def test_every_python_file_lies_in_a_package() -> None:
    packages = {name.replace(".", "/") for name in pyproject()["tool"]["setuptools"]["packages"]}
    loose = [n for n in installed_files() if n.endswith(".py") and Path(n).parent.as_posix() not in packages]
    assert loose == []


def test_wheel_holds_exactly_the_files_of_the_tree(wheel_names: list[str]) -> None:
    inside = {name for name in wheel_names if ".dist-info/" not in name and not name.endswith("/")}
    assert inside == set(installed_files())


@pytest.mark.parametrize("name", ["exactbox/py.typed", "exactbox/verify/FORMAT.md", "exactbox/verify/check.py"])
def test_wheel_holds(wheel_names: list[str], name: str) -> None:
    assert name in wheel_names


def test_wheel_holds_the_bundled_models(wheel_names: list[str]) -> None:
    bundled = [name for name in wheel_names if name.startswith("exactbox/data/") and name.endswith(".onnx")]
    assert len(bundled) >= 3


def test_wheel_holds_the_licence(wheel_names: list[str]) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel_names)


@pytest.mark.parametrize("house", HOUSES)
def test_links_point_to_the_houses(house: str) -> None:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout: an unpacked sdist has no links")
    link = REPOSITORY / "exactbox" / house
    if not link.is_symlink():
        pytest.skip("this checkout was made without links")
    assert os.readlink(link) == f"../{house}"
    assert link.resolve() == (REPOSITORY / house).resolve()


@pytest.mark.parametrize("links", [True, False], ids=["with links", "without links"])
def test_tree_imports_as_it_lies(tmp_path: Path, links: bool) -> None:
    source = copy_sources(tmp_path, links=links)
    code = "import sys; sys.path.insert(0, sys.argv[1])\n"
    code += "".join(f"import exactbox.{house}; print(exactbox.{house}.__file__)\n" for house in HOUSES)
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(source)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    inside = [Path(line).resolve() for line in done.stdout.splitlines()]
    assert inside == [(source / house / "__init__.py").resolve() for house in HOUSES]


def test_every_extra_that_the_tests_import_is_declared() -> None:
    project = pyproject()["project"]
    declared = {requirement.split(">")[0].split("[")[0] for requirement in project["optional-dependencies"]["test"]}
    assert {"hypothesis", "pytest", "pytest-xdist", "scikit-learn", "skl2onnx"} <= declared


DISTRIBUTIONS = {"flint": "python-flint", "google": "protobuf"}
"""Import names that are not the name to install."""


def test_whatever_the_package_imports_is_declared() -> None:
    project = pyproject()["project"]
    extras = project["optional-dependencies"].items()
    optional = [requirement for name, extra in extras if name not in ("test", "dev") for requirement in extra]
    declared = {re.split("[><=[]", requirement)[0] for requirement in [*project["dependencies"], *optional]}
    imported = {module.split(".")[0] for path in package_files() for _, module in imported_modules(parsed(path))}
    foreign = imported - set(sys.stdlib_module_names) - {"exactbox", "check", "torch"}
    assert {DISTRIBUTIONS.get(name, name) for name in foreign} <= declared


def test_the_lowest_versions_are_those_of_pyproject() -> None:
    listed = REPOSITORY / ".ci" / "lowest.txt"
    if not listed.is_file():
        pytest.skip("this tree has no .ci/lowest.txt")
    project = pyproject()["project"]
    extras = [r for name, extra in project["optional-dependencies"].items() if name != "dev" for r in extra]
    bounds = dict(requirement.split(">=") for requirement in [*project["dependencies"], *extras])
    lowest = dict(line.split("==") for line in listed.read_text(encoding="utf-8").splitlines() if "==" in line)
    assert set(lowest) == set(bounds)
    for name, bound in bounds.items():
        assert lowest[name] == bound or re.fullmatch(re.escape(bound) + r"(\.0)+", lowest[name]), name


@pytest.mark.parametrize("unwanted", ["torch", "captum", "shap", "lime"])
def test_never_a_dependency(unwanted: str) -> None:
    project = pyproject()["project"]
    everything = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    assert [requirement for requirement in everything if requirement.lower().startswith(unwanted)] == []


def test_readme_and_ci_run_the_same_commands() -> None:
    script = REPOSITORY / ".ci" / "run"
    if not script.is_file():
        pytest.skip("this tree has no .ci/run")
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for name in ("install", "certify", "test"):
        assert readme.count(f"<!-- ci: {name} -->\n```sh\n") == 1
        assert f"readme {name}" in script.read_text(encoding="utf-8")


def test_the_readme_states_the_hash_of_the_checker_as_one_file() -> None:
    """Whoever changes the checker states its new hash, which receivers compare."""
    assert f"`{archive_hash(checker_archive())}`" in (REPOSITORY / "README.md").read_text(encoding="utf-8")
