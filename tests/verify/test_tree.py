"""Certificates of enumerations: written, accepted, and refused when they claim or prove something else."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope.canonical import parse_program, parse_rationals
from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.enumeration import Space, enumerate_regions
from exactbox.polytope.errors import InputError
from exactbox.polytope.program import Program
from exactbox.polytope.rational import exact
from exactbox.verify import check
from exactbox.verify.tree_certificate import certified_regions, pattern_line, write_enumeration
from tests.nets import BATTERY, mlp, random_mlp
from tests.polytope.degenerate_nets import FAMILIES, Draw
from tests.strategies import programs
from tests.verify.cases import FORMAT, run, worked_example
from tests.verify.test_command import VERIFY, command
from tests.verify.tree_cases import Tree, battery, certified, domains, max_pools


def accepted(program: Program, domain: Domain) -> int:
    """Certify an enumeration, have it accepted, compare it with an enumeration without evidence; the regions."""
    tree = certified(program, domain)
    found = tree.outcome()
    assert (found.code, found.reason) == (0, "")
    cells = list(enumerate_regions(program, domain))
    assert tree.head["statement"]["regions"] == len(cells)
    texts = sorted((pattern_line(cell) for cell in cells), key=json.loads)
    assert tree.head["statement"]["patterns"] == hashlib.sha256(b"".join(texts)).hexdigest()
    return len(cells)


@pytest.mark.parametrize("name", BATTERY)
def test_degenerate_nets(name: str) -> None:
    program = BATTERY[name]()
    assert accepted(program, box([-1] * program.input_size, [1] * program.input_size)) >= 1
    assert accepted(program, everything(program.input_size)) >= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_degenerate_families(family: str) -> None:
    for size in (1, 2, 3):
        assert accepted(FAMILIES[family](Draw(200), size), box([-1] * size, [1] * size)) >= 1
        assert accepted(FAMILIES[family](Draw(201), size), everything(size)) >= 1


@pytest.mark.parametrize("name", domains())
def test_domains(name: str) -> None:
    for program in (BATTERY["integer"](), BATTERY["residual"](), max_pools()):
        assert accepted(program, domains()[name]) >= 1


@pytest.mark.parametrize("sizes", [[1, 6, 5, 1], [2, 9, 8, 1], [2, 4, 4, 4, 1], [3, 6, 6, 1], [5, 5, 4, 1]])
def test_generic_nets(sizes: list[int]) -> None:
    program = random_mlp(sizes, 3)
    assert accepted(program, box([-1] * sizes[0], [1] * sizes[0])) > 4
    assert accepted(program, everything(sizes[0])) > 4


@settings(max_examples=25, deadline=None)
@given(program=programs(), bounded=st.booleans())
def test_generated_nets(program: Program, bounded: bool) -> None:
    size = program.input_size
    assert accepted(program, box([-1] * size, [1] * size) if bounded else everything(size)) >= 1


def test_a_deep_net_needs_no_deep_recursion() -> None:
    units = sys.getrecursionlimit() + 50
    program = mlp([([[1]] * units, [-2] * units), ([[1] * units], [0])])
    assert accepted(program, box([0], [3])) == 2


def test_the_number_of_regions_of_a_known_net(shared_nets: Path) -> None:
    arrays = np.load(shared_nets / "2-16-16-2.npz")
    program = mlp([(arrays[f"W{i}"].tolist(), arrays[f"b{i}"].tolist()) for i in range(3)])
    assert accepted(program, box([-1, -1], [1, 1])) == 512
    assert accepted(program, everything(2)) == 583


def example() -> tuple[bytes, bytes]:
    """Return the example of FORMAT.md, compressed, and its program."""
    blocks = dict(re.findall(r"<!-- example: (\w+) -->\n```\w+\n(.*?)```", FORMAT, re.DOTALL))
    return gzip.compress(blocks["enumeration"].encode()), blocks["program"].encode()


def test_the_example_by_hand_is_accepted_as_printed() -> None:
    found = run(*example())
    assert (found.code, found.reason) == (0, "")
    hashed = hashlib.sha256(b"[[1,0]]\n[[1,1]]\n").hexdigest()
    assert found.lines == (
        'outputs are the numbers under the head of "y", no part of what is proved: "Softmax-13 axis=1"',
        "D: lower bounds of y in R^2: all 0",
        "D: upper bounds of y in R^2: all 1",
        "D: 4 inequalities, bounds among them, and 0 equations in all",
        "the max units have exactly 2 patterns whose P has D's dimension, 2",
        f"these patterns in their order, a line each, have the SHA-256 {hashed}",
    )


def test_the_statement_s_hash() -> None:
    packed, program = example()
    head = json.loads(gzip.decompress(packed).split(b"\n")[0])
    stated = {"program": hashlib.sha256(program).hexdigest(), "statement": head["statement"]}
    text = json.dumps(stated, sort_keys=True, separators=(",", ":"))
    assert run(packed, program).statement == hashlib.sha256(text.encode()).hexdigest()


def test_the_command_without_site_packages(tmp_path: Path) -> None:
    program = random_mlp([2, 5, 1], 0)
    regions = write_enumeration(tmp_path / "c", program, box([-1, -1], [1, 1]))
    done = command(VERIFY / "check.py", tmp_path / "c", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"exactly {regions} patterns" in done.stdout


def test_files_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    space = Space(random_mlp([2, 5, 1], 0), box([-1, -1], [1, 1]), recording=True)
    running = certified_regions(tmp_path / "c", space)
    first = next(running)
    assert exact([-1, -1]).shape == first.witness.shape
    running.close()
    assert list(tmp_path.iterdir()) == []
    rest = list(certified_regions(tmp_path / "c", space, {"labels": ["a", "b"]}))
    assert len(rest) > 4 and len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_enumeration(tmp_path / "no" / "c", random_mlp([2, 3, 1], 0), everything(2))
    assert list(tmp_path.iterdir()) == []


# What the file may not be.


def broken_files() -> dict[str, bytes]:
    """Return files that are no certificates of enumerations."""
    tree = battery()["dead"]
    packed = tree.packed()
    text = gzip.decompress(packed)
    return {
        "cut off": packed[:-1],
        "cut off in the middle": packed[: len(packed) // 2],
        "a wrong checksum": packed[:-8] + bytes(8),
        "only the magic number": packed[:2],
        "no compressed data": packed[:10] + b"\xff" * 20,
        "rubbish behind": packed + b"rubbish",
        "nothing compressed": gzip.compress(b""),
        "not compressed": text,
        "without the last newline": gzip.compress(text[:-1]),
        "with carriage returns": gzip.compress(text.replace(b"\n", b"\r\n")),
        "of a region": gzip.compress(worked_example().texts()[0] + b"\n"),
        "not ASCII": gzip.compress(text + b"\xff\n"),
    }


@pytest.mark.parametrize("name", broken_files())
def test_broken_files(name: str) -> None:
    found = run(broken_files()[name], battery()["dead"].program)
    assert found.code in (1, 3) and found.reason


def test_members_and_levels_of_gzip_are_no_part_of_the_statement() -> None:
    tree = battery()["max-pools"]
    text = gzip.decompress(tree.packed())
    half = len(text) // 2
    other = gzip.compress(text[:half], 9) + gzip.compress(text[half:], 0)
    assert other != tree.packed() and run(other, tree.program) == tree.outcome()


@pytest.mark.parametrize(
    ("field", "value"),
    [("regions", True), ("regions", "7"), ("regions", None), ("regions", [7]), ("patterns", 0), ("patterns", None),
     ("domain", None), ("given", {}), ("more", 1)],
)  # fmt: skip
def test_malformed_statements(field: str, value: object) -> None:
    tree = battery()["dead"].stating(lambda statement: statement.update({field: value}))
    assert tree.outcome().code == 3


def test_the_text_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = battery()["dead"]
    monkeypatch.setattr(check, "MAX_BYTES", len(tree.packed()) - 1)
    assert "more than" in tree.outcome().reason


# What the checker must not believe: the first unit is relu(x), the second relu(x - 2), on 0 <= x <= 1.


def dead_end() -> Tree:
    """Return the certificate of one region whose second unit is never positive."""
    return certified(mlp([([[1], [1]], [0, -2]), ([[1, 1]], [0])]), box([0], [1]))


def test_what_the_honest_tree_looks_like() -> None:
    tree = dead_end()
    assert tree.lines[:2] == ("0 1 0", "1 0 1") and len(tree.lines) == 3
    assert tree.outcome().code == 0


@pytest.mark.parametrize(
    ("node", "why"),
    [
        ("", "strictly inside|further|decimal|expected"),  # a cell that is empty is kept
        ("0 1 0", "do not prove"),  # the candidate that wins is omitted
        ("0 1 1", "do not prove"),
        ("0 1", "nothing proves"),
        ("1 0", "nothing proves"),
        ("1 0 0", "do not prove"),  # a negative multiplier
        ("1 0 0 1", "depend"),
        ("1 0 1 1", "depend"),
        ("1 0 3", "do not prove|no row"),  # a row of the first unit, which is no row of this cell
        ("1 0 4", "no row"),  # its own row against this very rival
        ("1 0 5", "no row"),
        ("1 0 6", "no row"),
        ("1 1 1", "wrong candidates"),
        ("2 0 1", "wrong candidates"),
        ("1 2 1", "wrong candidates"),
        ("1 0 1;1 0 1", "wrong candidates"),
        ("1 0 1;0 1 0", "wrong candidates"),
        ("0 1 0;1 0 1", "do not prove"),  # nothing is left
        ("1 0 01", "format"),
        ("1 0  1", "format"),
        ("1 0 1 ", "format"),
        ("1 0 +1", "format"),
        ("1 0 -1", "format"),
        ("1 0 1;", "format"),
        ("1", "format"),
        ("1 0 1234567890", "format"),
        ("1 0 \u0661", "format"),
    ],
)
def test_forged_nodes(node: str, why: str) -> None:
    tree = dead_end()
    found = tree.with_lines([tree.lines[0], node, *tree.lines[2:]]).outcome()
    assert found.code in (1, 3)
    assert re.search(why, found.reason), found.reason


@pytest.mark.parametrize("point", ["0", "1", "-1/2", "3/2", "2/4", "1/2 1/2", "", "1/0", "0.5", "1/2 ", "\u00bd"])
def test_forged_witnesses(point: str) -> None:
    tree = dead_end()
    assert tree.with_lines([*tree.lines[:2], point]).outcome().code in (1, 3)


def test_another_point_inside_proves_the_same() -> None:
    tree = dead_end()
    assert tree.with_lines([*tree.lines[:2], "1/3"]).outcome() == tree.outcome()


# Two equal units, and a unit that is identically zero.


def test_the_winner_of_a_free_unit_is_the_lowest() -> None:
    program = mlp([([[1], [0]], [0, 0]), ([[1, 1], [1, 1]], [0, 0]), ([[1, 1]], [0])])
    tree = certified(program, box([-1], [1]))
    free = [i for i, line in enumerate(tree.lines) if line == "1 0"]
    assert tree.outcome().code == 0 and len(free) >= 4
    for i in free:
        for other in ("0 1", "", "0 1 0", "0 1 0 1", "0 1 0 1 2"):
            found = tree.with_lines([*tree.lines[:i], other, *tree.lines[i + 1 :]]).outcome()
            assert found.code == 1, (i, other)


def test_a_cell_under_two_names_does_not_hide_a_missing_one() -> None:
    """Two equal candidates both kept, with a region each: the count would be right if a real region is left out."""
    program = mlp([([[1], [0]], [0, 0]), ([[1, 1]], [0])])
    tree = certified(program, box([-1], [1]))
    assert [line for line in tree.lines if line] == ["1 0", tree.lines[2], "1 0", tree.lines[4]]
    twice = tree.with_lines(["0 1 1", "", "1/2", "1/2"])
    found = twice.listing([[[1, 0]], [[1, 1]]]).outcome()
    assert found.code == 1
    both = tree.with_lines(["", "1 0", "-1/2", "", "1/2", "1/2"]).listing([[[0, 0]], [[1, 0]], [[1, 1]]])
    assert "never wins" in both.outcome().reason


@pytest.mark.parametrize("name", battery())
def test_a_region_that_is_left_out(name: str) -> None:
    """A true list without one region, its cell cut away at the node above: nothing proves that it is empty."""
    tree = battery()[name]
    splits = [i for i, line in enumerate(tree.lines) if line == ""]
    assert splits
    for i in splits:
        for item in ("0 1", "1 0", "0 1 0", "1 0 0", "0 1 0 1", "1 0 2 3"):
            found = tree.with_lines([*tree.lines[:i], item, *tree.lines[i + 1 :]]).outcome()
            assert found.code in (1, 3)


def changes_of_the_domain(statement: Any) -> Sequence[Any]:
    """Return the bounds that can be changed as (side, coordinate)."""
    bounds = statement["domain"]
    return [(side, i) for side in ("lower", "upper") for i in range(len(bounds[side]))]


@pytest.mark.parametrize("name", battery())
def test_another_domain(name: str) -> None:
    tree = battery()[name]
    own = tree.outcome().statement
    for side, i in changes_of_the_domain(tree.head["statement"]):
        for value in (None, "-1/3", "1/5", "7", "-7"):
            other = tree.bounded(side, i, value)
            found = other.outcome()
            same = other.head == tree.head
            assert (found.statement == own) == same
            assert found.code != 0 or same or all_of(other) == found.lines[-1][-64:]


def all_of(tree: Tree) -> str:
    """Return the hash of the patterns of the domain that a changed statement names, by enumerating it."""
    bounds = tree.head["statement"]["domain"]
    sides = [[None if v is None else parse_rationals([v]).item(0) for v in bounds[key]] for key in ("lower", "upper")]
    cells = enumerate_regions(parse_program(tree.program.decode()), box(*sides))
    texts = sorted((pattern_line(cell) for cell in cells), key=json.loads)
    return hashlib.sha256(b"".join(texts)).hexdigest()


@pytest.mark.parametrize("name", battery())
def test_another_program(name: str) -> None:
    """Every constant of the program changed: the tree is refused, or true of the other program too."""
    tree = battery()[name]
    content = json.loads(tree.program)
    changed = refused = 0
    for i, instruction in enumerate(content["instructions"]):
        for key in {"weight", "by"} & instruction.keys():
            for j in range(0, len(instruction[key]), 5):
                other = json.loads(tree.program)
                other["instructions"][i][key][j] = "1/7"
                found = tree.about((json.dumps(other, separators=(",", ":")) + "\n").encode()).outcome()
                assert found.code in (0, 1)
                changed, refused = changed + 1, refused + (found.code == 1)
    assert changed > 2 and refused > 0
