"""The split tree: an independent check of every multiplier, split and witness in fractions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope.domain import Domain, box, everything
from exactbox.polytope.enumeration import Space, enumerate_regions
from exactbox.polytope.errors import InternalError
from exactbox.polytope.program import Max, Program
from exactbox.polytope.rows import RowSource
from exactbox.polytope.split_tree import Leaf, Lost, Node, UnitRow, row_of, split_tree
from tests.nets import BATTERY, mlp, random_mlp
from tests.polytope.region_oracle import Form, linear
from tests.strategies import programs


class Checker:
    """Follows a tree on affine forms in fractions; needs nothing but the program and the domain's bounds."""

    def __init__(self, space: Space) -> None:
        self.space, self.program = space, space.program
        self.items = iter(split_tree(space))
        self.domain_rows = self._bounds(space.domain)
        self.leaves = 0

    def check(self) -> int:
        """Check the whole tree and return the number of leaves."""
        self.walk(0, [], dict(self.domain_rows))
        assert next(self.items, None) is None
        return self.leaves

    def walk(self, position: int, values: list[list[Form]], rows: dict[object, Form]) -> None:
        """Evaluate linear instructions, then branch."""
        while position < len(self.program.instructions):
            instruction = self.program.instructions[position]
            if isinstance(instruction, Max):
                self.units(position, instruction, values, rows, [])
                return
            values = [*values, linear(self.program, position, values)]
            position += 1
        leaf = next(self.items)
        assert isinstance(leaf, Leaf)
        point = leaf.cell.witness.fractions()
        assert all(value(row, point) > 0 for row in rows.values())
        self.leaves += 1

    def units(
        self, position: int, instruction: Max, values: list[list[Form]], rows: dict[object, Form], done: list[Form]
    ) -> None:
        """Branch on the next unit of a Max."""
        if len(done) == len(instruction.groups):
            self.walk(position + 1, [*values, done], rows)
            return
        zero = (Fraction(0),) * (self.program.input_size + 1)
        group = [j for j in instruction.groups[len(done)].tolist() if j != -2]
        forms = [zero if j < 0 else values[instruction.src][j] for j in group]
        if len(forms) == 1:
            self.units(position, instruction, values, rows, [*done, forms[0]])
            return
        node = next(self.items)
        assert isinstance(node, Node)
        lost = {one.candidate: one for one in node.lost}
        assert len(lost) == len(node.lost) < len(forms)
        for i in range(len(forms)):
            own = {UnitRow(node.unit, i, j): minus(forms[i], forms[j]) for j in range(len(forms)) if j != i}
            if i in lost:
                self.lost(lost[i], forms, rows | own)
            else:
                strict = {name: row for name, row in own.items() if any(row[:-1])}
                self.units(position, instruction, values, rows | strict, [*done, forms[i]])

    def lost(self, one: Lost, forms: list[Form], rows: dict[object, Form]) -> None:
        """Check that ``candidate - rival`` is not positive inside."""
        target = minus(forms[one.candidate], forms[one.rival])
        if not one.names:
            assert not any(target[:-1])
            assert target[-1] < 0 or (target[-1] == 0 and one.rival < one.candidate)
            return
        named = [rows[key(row_of(self.space, name))] for name in one.names]
        weights = solve([row[:-1] for row in named], target[:-1])
        rest = target[-1] + sum(weight * row[-1] for weight, row in zip(weights, named, strict=True))
        assert min(weights) >= 0
        assert rest < 0 or (rest == 0 and max(weights) > 0)

    @staticmethod
    def _bounds(domain: Domain) -> dict[object, Form]:
        rows: dict[object, Form] = {}
        for i, (low, high) in enumerate(zip(domain.lower, domain.upper, strict=True)):
            unit = [Fraction(int(i == j)) for j in range(domain.size)]
            if low is not None:
                rows["lower", i] = (*unit, -low)
            if high is not None:
                rows["upper", i] = (*[-v for v in unit], high)
        return rows


def key(row: RowSource | UnitRow) -> object:
    """Name a row as the checker does."""
    return (row.kind, row.index) if isinstance(row, RowSource) else row


def minus(left: Form, right: Form) -> Form:
    """Subtract forms."""
    return tuple(a - b for a, b in zip(left, right, strict=True))


def value(row: Form, point: Sequence[Fraction]) -> Fraction:
    """Evaluate a form."""
    return sum((a * x for a, x in zip(row, point, strict=False)), row[-1])


def solve(gradients: list[tuple[Fraction, ...]], target: tuple[Fraction, ...]) -> list[Fraction]:
    """Return the unique y with ``-target = sum y_k gradients_k`` by Gaussian elimination; fails where there is none."""
    count = len(gradients)
    table = [[*(g[j] for g in gradients), -target[j]] for j in range(len(target))]
    rank = 0
    for column in range(count):
        chosen = next((i for i in range(rank, len(table)) if table[i][column]), None)
        assert chosen is not None
        table[rank], table[chosen] = table[chosen], table[rank]
        table[rank] = [v / table[rank][column] for v in table[rank]]
        for i in range(len(table)):
            if i != rank and table[i][column]:
                table[i] = [v - table[i][column] * w for v, w in zip(table[i], table[rank], strict=True)]
        rank += 1
    assert all(row[-1] == 0 for row in table[rank:])
    return [table[i][-1] for i in range(count)]


def checked(program: Program, domain: Domain) -> int:
    """Record, check, and compare with the plain enumeration."""
    leaves = Checker(Space(program, domain, recording=True)).check()
    assert leaves == len(list(enumerate_regions(program, domain)))
    return leaves


@pytest.mark.parametrize("name", BATTERY)
def test_the_battery_in_a_box_and_everywhere(name: str) -> None:
    program = BATTERY[name]()
    size = program.input_size
    assert checked(program, box([-1] * size, [1] * size)) >= 1
    assert checked(program, everything(size)) >= 1


@pytest.mark.parametrize("sizes", [[1, 6, 5, 1], [2, 8, 8, 1], [2, 5, 5, 5, 1], [3, 6, 6, 1], [5, 5, 4, 1]])
def test_generic_nets(sizes: list[int]) -> None:
    program = random_mlp(sizes, 3)
    assert checked(program, box([-1] * sizes[0], [1] * sizes[0])) > 4
    assert checked(program, everything(sizes[0])) > 4


@settings(max_examples=60, deadline=None)
@given(program=programs(), bounded=st.booleans())
def test_generated_degenerate_nets(program: Program, bounded: bool) -> None:
    size = program.input_size
    assert checked(program, box([-1] * size, [1] * size) if bounded else everything(size)) >= 1


def test_max_pools_of_many_candidates() -> None:
    base = random_mlp([2, 6], 5)
    groups = np.array([[0, 1, 2, -1], [3, 4, 5, -2], [5, 0, -2, -2], [2, -2, -2, -2]], dtype=np.int64)
    program = Program(base.inputs, (*base.instructions, Max(2, groups)), mlp([([[1, 1]] * 4, [0] * 4)]).output)
    assert checked(program, box([-1, -1], [1, 1])) > 4


def test_a_tree_needs_a_recording_space() -> None:
    with pytest.raises(InternalError, match="recording"):
        list(split_tree(Space(random_mlp([2, 3, 1], 0), everything(2))))
