"""Damage every line of true certificates: each is refused, or still proves the very same statement."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.verify.tree_cases import Tree, battery

every_tree = pytest.mark.parametrize("name", battery())


def survivors(tree: Tree, damaged: Iterator[Tree]) -> tuple[int, list[Tree]]:
    """Check damaged trees: how many there are, and those accepted, which must state the same."""
    stated = tree.outcome()
    assert stated.code == 0
    count, passed = 0, []
    for other in damaged:
        if other.lines == tree.lines and other.head == tree.head:
            continue
        found = other.outcome()
        count += 1
        assert found.code in (0, 1, 3) and (found.code == 0 or found.reason)
        if found.code == 0:
            assert found == stated
            passed.append(other)
    assert count > 0
    return count, passed


def is_region(tree: Tree, i: int) -> bool:
    """Say whether a line is a region's: the only ones of d rationals, of which none is a node here."""
    size = len(tree.head["statement"]["domain"]["lower"])
    words = tree.lines[i].split(" ")
    return len(words) == size and any("/" in word or "-" in word for word in words)


def without(tree: Tree) -> Iterator[Tree]:
    """Leave each line out."""
    for i in range(len(tree.lines)):
        yield tree.with_lines([*tree.lines[:i], *tree.lines[i + 1 :]])


@every_tree
def test_a_line_left_out(name: str) -> None:
    tree = battery()[name]
    assert survivors(tree, without(tree))[1] == []


@every_tree
def test_a_line_twice(name: str) -> None:
    tree = battery()[name]
    damaged = (tree.with_lines([*tree.lines[: i + 1], *tree.lines[i:]]) for i in range(len(tree.lines)))
    assert survivors(tree, damaged)[1] == []


@every_tree
def test_two_lines_change_places(name: str) -> None:
    tree = battery()[name]

    def swapped() -> Iterator[Tree]:
        for i in range(len(tree.lines)):
            for j in range(i + 1, min(i + 4, len(tree.lines))):
                lines = list(tree.lines)
                lines[i], lines[j] = lines[j], lines[i]
                yield tree.with_lines(lines)

    assert survivors(tree, swapped())[1] == []


@every_tree
def test_two_subtrees_change_places(name: str) -> None:
    """The last region before the other one of its node."""
    tree = battery()[name]
    regions = [i for i in range(len(tree.lines)) if is_region(tree, i)]
    lines = list(tree.lines)
    lines[regions[0]], lines[regions[-1]] = lines[regions[-1]], lines[regions[0]]
    assert tree.with_lines(lines).outcome().code in (1, 3)


@every_tree
def test_a_region_twice_in_the_place_of_another(name: str) -> None:
    tree = battery()[name]
    regions = [i for i in range(len(tree.lines)) if is_region(tree, i)]
    assert len(regions) == tree.head["statement"]["regions"]

    def copied() -> Iterator[Tree]:
        for i, j in pairwise(regions):
            for there, here in ((i, j), (j, i)):
                lines = list(tree.lines)
                lines[there] = lines[here]
                yield tree.with_lines(lines)

    assert survivors(tree, copied())[1] == []


@every_tree
def test_an_omission_left_out(name: str) -> None:
    """Without the omission a cell that is empty would be kept."""
    tree = battery()[name]

    def shortened() -> Iterator[Tree]:
        for i, line in enumerate(tree.lines):
            if line and not is_region(tree, i):
                items = line.split(";")
                for k in range(len(items)):
                    rest = ";".join(items[:k] + items[k + 1 :])
                    yield tree.with_lines([*tree.lines[:i], rest, *tree.lines[i + 1 :]])

    assert survivors(tree, shortened())[1] == []


@every_tree
def test_a_row_of_a_proof_left_out(name: str) -> None:
    """The rows are independent, so that without one with a positive multiplier nothing is proved."""
    tree = battery()[name]
    count, passed = survivors(tree, thinned(tree))
    assert len(passed) * 3 < count


def thinned(tree: Tree) -> Iterator[Tree]:
    """Leave each row's number out."""
    for i, line in enumerate(tree.lines):
        if is_region(tree, i):
            continue
        for match in re.finditer(r"(?<=\d) \d+", line):
            shorter = line[: match.start()] + line[match.end() :]
            yield tree.with_lines([*tree.lines[:i], shorter, *tree.lines[i + 1 :]])


@every_tree
def test_another_number_in_a_node(name: str) -> None:
    tree = battery()[name]

    def altered() -> Iterator[Tree]:
        for i, line in enumerate(tree.lines):
            if is_region(tree, i):
                continue
            for match in re.finditer(r"\d+", line):
                for value in {0, 1, 2, 3, int(match[0]) + 1, max(int(match[0]) - 1, 0), 999999999}:
                    text = f"{line[: match.start()]}{value}{line[match.end() :]}"
                    yield tree.with_lines([*tree.lines[:i], text, *tree.lines[i + 1 :]])

    count, passed = survivors(tree, altered())
    assert len(passed) * 3 < count


@every_tree
def test_a_witness_moved(name: str) -> None:
    """Far away, onto a corner, or to its negative: outside, or another point of the same region."""
    tree = battery()[name]
    size = len(tree.head["statement"]["domain"]["lower"])

    def moved() -> Iterator[Tree]:
        for i in range(len(tree.lines)):
            if is_region(tree, i):
                words = tree.lines[i].split(" ")
                for k in range(size):
                    for word in ("100000", "-100000", "0", "1", words[k].removeprefix("-"), "-" + words[k]):
                        line = " ".join([*words[:k], word, *words[k + 1 :]])
                        yield tree.with_lines([*tree.lines[:i], line, *tree.lines[i + 1 :]])

    count, passed = survivors(tree, moved())
    assert len(passed) * 2 < count


@every_tree
@pytest.mark.parametrize("change", [-1, 1, 1000])
def test_another_number_of_regions(name: str, change: int) -> None:
    tree = battery()[name]
    wrong = tree.stating(lambda statement: statement.update(regions=statement["regions"] + change))
    reason = wrong.outcome().reason
    assert "other regions" in reason or reason.startswith("there are more than ")


@every_tree
def test_another_list_of_patterns(name: str) -> None:
    tree = battery()[name]
    stated = tree.head["statement"]["patterns"]
    for wrong in (stated[::-1], stated.upper(), stated[:-1], ""):
        assert tree.claiming(wrong).outcome().code == 1
