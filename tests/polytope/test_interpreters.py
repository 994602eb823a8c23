"""The exact and the symbolic interpreter agree, forwards and backwards, on every kind of program."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from exactbox.polytope import exact, symbolic
from exactbox.polytope.domain import box, everything
from exactbox.polytope.errors import InputError
from exactbox.polytope.pattern import winning
from exactbox.polytope.program import MatMul, Max, Port, Program
from exactbox.polytope.rational import Rationals, from_fractions, zeros
from exactbox.polytope.rational import exact as read
from exactbox.polytope.ties import pattern_at
from exactbox.polytope.unit_rows import all_pairs, pair_functionals, unit_rows
from tests.nets import BATTERY, mlp, random_mlp
from tests.strategies import points, programs


def identity(size: int) -> Rationals:
    return read(np.eye(size, dtype=np.int64))


@pytest.mark.parametrize("name", BATTERY)
def test_exact_forward_equals_sympy_at_rational_points(name: str) -> None:
    program = BATTERY[name]()
    batch = [[Fraction(0)] * 2, [Fraction(1, 3), Fraction(-2, 7)], [Fraction(10**9), Fraction(1, 10**9)]]
    found = exact.forward(program, from_fractions([v for point in batch for v in point], (3, 2)).transposed())
    for column, point in enumerate(batch):
        expected = symbolic.forward(program, [symbolic.rational(v) for v in point])
        assert [symbolic.rational(v) for v in found[:, column].fractions()] == expected


@given(st.data())
@settings(max_examples=40)
def test_pullback_forward_mode_and_sympy_give_the_same_affine_map(data: st.DataObject) -> None:
    program = data.draw(programs())
    point = data.draw(points(program.input_size))
    pattern = pattern_at(program, point, everything(program.input_size)).pattern
    winners, last = winning(program, pattern), len(program.instructions) - 1
    gradients, constants = exact.pullback(program, winners, {last: identity(program.output_size)})
    names = symbolic.variables(program)
    for output, expression in enumerate(symbolic.affine(program, pattern, names)):
        affine = sympy.Poly(expression, *names)
        assert [symbolic.rational(v) for v in gradients[:, output].fractions()] == [
            affine.coeff_monomial(n) for n in names
        ]
        assert symbolic.rational(constants.item(output)) == affine.coeff_monomial(1)
    pushed = exact.affine_trace(program, winners, identity(program.input_size))[last]
    jacobian = gradients.transposed()
    assert pushed[:, :-1].equals(jacobian[:, :-1])
    assert pushed[:, -1].equals(jacobian[:, -1] + constants)


@given(st.data())
@settings(max_examples=40)
def test_unit_rows_are_the_symbolic_margins(data: st.DataObject) -> None:
    program = data.draw(programs())
    point = data.draw(points(program.input_size))
    pattern = pattern_at(program, point, everything(program.input_size)).pattern
    rows = unit_rows(program, pattern, everything(program.input_size))
    names = symbolic.variables(program)
    for i, margin in enumerate(symbolic.margins(program, pattern, names)):
        row = sympy.expand(
            sum((-int(a) * n for a, n in zip(rows.matrix[i], names, strict=True)), sympy.Integer(int(rows.rhs[i])))
        )
        assert (margin == 0) == (row == 0)
        if margin != 0:
            ratio = sympy.simplify(margin / row)
            assert ratio.is_number and ratio > 0


@pytest.mark.parametrize("inputs", [1, 2, 40])
def test_rows_pulled_back_equal_rows_pushed_forward(inputs: int) -> None:
    program = random_mlp([inputs, 9, 7, 3], seed=inputs)
    point = from_fractions([Fraction(k, 7) for k in range(inputs)])
    pattern = pattern_at(program, point, everything(inputs)).pattern
    winners, pairs = winning(program, pattern), all_pairs(program, pattern)
    together = pair_functionals(program, winners, pairs)
    for i, pair in enumerate(pairs):
        gradient, constant = pair_functionals(program, winners, [pair])
        assert gradient.equals(together[0][[i]]) and constant.equals(together[1][[i]])


def test_a_margin_is_the_difference_of_the_values() -> None:
    program = random_mlp([4, 6, 5, 2], seed=3)
    point = read(["1/3", "-2/5", "7/8", "1"])
    pattern = pattern_at(program, point, everything(4)).pattern
    gradients, constants = pair_functionals(program, winning(program, pattern), all_pairs(program, pattern))
    values = exact.trace(program, point.reshape(-1, 1))
    margins = Rationals(gradients.num.dot(point.num), gradients.den * point.den) + constants
    for pair, margin in zip(all_pairs(program, pattern), margins.fractions(), strict=True):
        instruction = program.instructions[pair.position]
        assert isinstance(instruction, Max)
        source = [*values[instruction.src].fractions(), Fraction(0)]
        group = instruction.groups[pair.group]
        assert margin == source[group[pair.winner]] - source[group[pair.rival]] > 0


def test_grouped_weights_are_shared_by_rows() -> None:
    weight = read([[[1, 2]], [[3, -1]]])
    program = Program(
        (Port("x", (8,)),), (*mlp([([[1] * 8], [0])]).instructions[:1], MatMul(0, weight, 2)), Port("y", (4,))
    )
    found = exact.forward(program, read([1, 2, 3, 4, 5, 6, 7, 8]).reshape(-1, 1))
    assert found.fractions() == [5, 11, 9, 13]
    gradient, _ = exact.pullback(program, {}, {1: identity(4)})
    assert gradient.transposed().fractions() == [1, 2, *[0] * 8, 1, 2, *[0] * 8, 3, -1, *[0] * 8, 3, -1]


def test_scatter_add_is_the_transpose_of_take() -> None:
    index = np.array([2, -1, 0, 2, 2], dtype=np.int64)
    left, right = read([[1], [10], [100]]), read([[1], [2], [3], [4], [5]])
    taken = exact.take(left, index)
    assert taken.fractions() == [100, 0, 1, 100, 100]
    added = exact.scatter_add(3, index, right)
    assert added.fractions() == [3, 0, 10]
    assert (taken * right).num.sum() == (left * added).num.sum() == 1003


def test_an_empty_source_gives_the_constant() -> None:
    assert exact.take(zeros(0, 2), np.array([-1, -1], dtype=np.int64)).fractions() == [0, 0, 0, 0]


def test_points_of_another_size_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected points of shape \(2, b\)"):
        exact.forward(BATTERY["negated"](), zeros(3, 1))


def test_symbolic_refuses_large_programs_and_wrong_inputs() -> None:
    program = random_mlp([2, 70, 1], seed=0)
    with pytest.raises(InputError, match="at most 64 units"):
        symbolic.forward(program, symbolic.variables(program))
    with pytest.raises(InputError, match="expected 2 inputs"):
        symbolic.forward(program, [1])


def test_piecewise_of_all_regions_is_the_function() -> None:
    program = BATTERY["difference of relus"]()
    domain = box([-1, -1], [1, 1])
    patterns = {pattern_at(program, read(p), domain).pattern for p in (["1/2", 0], [0, "1/2"])}
    expression = symbolic.piecewise(program, list(patterns))
    names = symbolic.variables(program)
    assert sympy.simplify(expression - (names[0] - names[1])) == 0
