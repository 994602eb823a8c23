"""The enclosure holds the exact value and every float32 execution, and decides only what is proved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exactbox.polytope import exact
from exactbox.polytope.enclosed import (
    FLOAT16,
    FLOAT32,
    Arithmetic,
    Enclosure,
    Rounding,
    enclose,
    enclosed_pullback,
    gamma,
    winners_at,
)
from exactbox.polytope.errors import InputError
from exactbox.polytope.pattern import Pattern, winning
from exactbox.polytope.program import (
    NO_CANDIDATE,
    Add,
    Gather,
    Input,
    Instruction,
    MatMul,
    Max,
    Port,
    Program,
    Scale,
    Shift,
)
from exactbox.polytope.rational import Rationals, from_fractions
from exactbox.polytope.rational import exact as read
from tests.nets import random_mlp
from tests.polytope.random_programs import batches, wired_programs

Floats32 = npt.NDArray[np.float32]


def holds(found: Enclosure, value: Rationals) -> bool:
    """Say whether exact values (n, b) lie within the enclosure, in rational arithmetic."""
    flat = zip(found.centre.ravel().tolist(), found.radius.ravel().tolist(), value.fractions(), strict=True)
    return all(math.isinf(r) or abs(Fraction(c) - v) <= Fraction(r) for c, r, v in flat)


def run_float32(program: Program, points: npt.NDArray[np.float64], seed: int) -> list[Floats32]:
    """Execute a program in float32, summing products in a random order."""
    random = np.random.default_rng(seed)
    values: list[Floats32] = []
    with np.errstate(all="ignore"):
        for instruction in program.instructions:
            values.append(_step32(instruction, values, points.astype(np.float32), random))
    return values


def _step32(
    instruction: Instruction, values: list[Floats32], points: Floats32, random: np.random.Generator
) -> Floats32:
    match instruction:
        case Input():
            return points
        case Gather(srcs, index):
            joined = np.concatenate([*(values[src] for src in srcs), np.zeros_like(points[:1])])
            return joined[index]  # the last row, index -1, is the constant 0
        case Scale(src, factor):
            return values[src] * factor.to_float().astype(np.float32)[:, None]
        case Shift(src, offset):
            return values[src] + offset.to_float().astype(np.float32)[:, None]
        case Add(left, right):
            return values[left] + values[right]
        case Max(src, groups):
            padded = np.concatenate([values[src], np.zeros_like(values[src][:1]), values[src][:1] * 0 - np.inf])
            table = np.where(groups == NO_CANDIDATE, len(padded) - 1, np.where(groups < 0, len(padded) - 2, groups))
            largest: Floats32 = padded[table].max(axis=1)
            return largest.astype(np.float32)
        case MatMul(src, weight, _):
            matrix = weight.to_float().astype(np.float32)[0]
            total = np.zeros((len(matrix), points.shape[1]), np.float32)
            for place in random.permutation(matrix.shape[1]):
                total = total + matrix[:, place, None] * values[src][place]
            return total


@given(wired_programs(), st.data())
def test_every_vector_holds_the_exact_value(item: Program, data: st.DataObject) -> None:
    points = data.draw(batches(item.input_size))
    found = enclose(item, points.to_float())
    for enclosure, value in zip(found, exact.trace(item, points), strict=True):
        assert holds(enclosure, value)


@given(wired_programs(), st.data(), st.integers(0, 2**32 - 1))
def test_every_vector_holds_a_float32_execution_too(item: Program, data: st.DataObject, seed: int) -> None:
    points = data.draw(batches(item.input_size))
    found = enclose(item, points.to_float(), FLOAT32)
    for enclosure, value, run in zip(
        found, exact.trace(item, points), run_float32(item, points.to_float(), seed), strict=True
    ):
        assert holds(enclosure, value)
        finite = np.isfinite(enclosure.radius)
        assert (np.abs(run.astype(np.float64) - enclosure.centre)[finite] <= enclosure.radius[finite]).all()


@pytest.mark.parametrize("sizes", [(4, 8, 3), (20, 30, 30, 5)])
@pytest.mark.parametrize("seed", range(3))
def test_ordinary_networks_have_tight_bounds(sizes: tuple[int, ...], seed: int) -> None:
    program = random_mlp(sizes, seed)
    points = np.random.default_rng(seed).standard_normal((sizes[0], 4))
    found = enclose(program, points)[-1]
    assert holds(found, exact.forward(program, read(points)))
    assert found.radius.max() < 2.0**-40 * (1 + np.abs(found.centre).max())
    single = enclose(program, points.astype(np.float32).astype(np.float64), FLOAT32)[-1]
    assert 0 < single.radius.min() <= single.radius.max() < 2.0**-12


@given(wired_programs(), st.data())
def test_certain_winners_are_the_exact_ones(item: Program, data: st.DataObject) -> None:
    points = data.draw(batches(item.input_size))
    values = exact.trace(item, points)
    found = winners_at(item, enclose(item, points.to_float()))
    for position, (winner, certain) in zip(item.max_positions, found, strict=True):
        instruction = item.instructions[position]
        assert isinstance(instruction, Max)
        for group, column in np.argwhere(certain):
            rivals = [
                Fraction(0) if entry < 0 else values[instruction.src].item(int(entry), int(column))
                for entry in instruction.groups[group]
                if entry != NO_CANDIDATE
            ]
            chosen = rivals[int(winner[group, column])]
            others = [value for i, value in enumerate(rivals) if i != winner[group, column]]
            assert all(chosen > value for value in others)


def test_ties_are_never_certain_and_groups_of_one_always_are() -> None:
    groups = np.array([[-1, 0], [1, NO_CANDIDATE], [0, 1]], dtype=np.int64)
    item = Program((Port("x", (2,)),), (Input(2), Max(0, groups)), Port("y", (3,)))
    (winner, certain), = winners_at(item, enclose(item, np.array([[0.0, 2.0], [0.0, 1.0]])))  # fmt: skip
    assert certain.tolist() == [[False, True], [True, True], [False, True]]
    assert winner[:, 1].tolist() == [1, 0, 0]


def test_an_ordinary_point_is_decided_completely() -> None:
    program = random_mlp((10, 40, 40, 3), 1)
    points = np.random.default_rng(0).standard_normal((10, 5))
    for _, certain in winners_at(program, enclose(program, points)):
        assert certain.all()


def pullback_case(item: Program, data: st.DataObject) -> tuple[Mapping[int, npt.NDArray[np.int64]], int, Rationals]:
    """Draw a pattern, and a cotangent of the output."""
    parts: list[npt.NDArray[np.int64]] = []
    for position in item.max_positions:
        instruction = item.instructions[position]
        if isinstance(instruction, Max):
            widths = (instruction.groups != NO_CANDIDATE).sum(axis=1).tolist()
            parts.append(np.array([data.draw(st.integers(0, width - 1)) for width in widths], dtype=np.int64))
    return winning(item, Pattern(tuple(parts))), len(item.instructions) - 1, data.draw(batches(item.output_size, 2))


@given(wired_programs(), st.data())
def test_pullbacks_hold_the_exact_ones(item: Program, data: st.DataObject) -> None:
    winners, last, cotangent = pullback_case(item, data)
    gradient, constant = exact.pullback(item, winners, {last: cotangent})
    exactly = Enclosure(cotangent.to_float(), np.zeros(cotangent.shape))
    found, offset = enclosed_pullback(item, winners, {last: exactly})
    assert holds(found, gradient)
    assert holds(offset, constant.reshape(1, -1))


def test_a_pullback_starts_in_the_middle_too() -> None:
    program = random_mlp((3, 4, 2), 5)
    winners = winning(program, Pattern((np.zeros(4, dtype=np.int64),)))
    unit = from_fractions([1, 0, 0, 0], (4, 1))
    gradient, constant = exact.pullback(program, winners, {2: unit})
    found, offset = enclosed_pullback(program, winners, {2: Enclosure(unit.to_float(), np.zeros((4, 1)))})
    assert holds(found, gradient)
    assert holds(offset, constant.reshape(1, -1))


class TestRoundings:
    def single(self, *code: Instruction) -> Program:
        return Program((Port("x", (2,)),), (Input(2), *code), Port("y", (2,)))

    def radius(self, item: Program, rounding: Rounding, arithmetic: Arithmetic = FLOAT32) -> float:
        return float(enclose(item, np.array([[1.0], [1.0]]), arithmetic, {1: rounding})[-1].radius[0, 0])

    @pytest.mark.parametrize(
        "instruction",
        [
            MatMul(0, from_fractions([1, 2, 3, 4], (1, 2, 2)), 1),
            Scale(0, from_fractions([3, 4])),
            Shift(0, from_fractions([3, 4])),
            Add(0, 0),
        ],
        ids=lambda item: type(item).__name__,
    )
    def test_more_operations_widen_the_bound(self, instruction: Instruction) -> None:
        item = self.single(instruction)
        plain, more = self.radius(item, Rounding()), self.radius(item, Rounding(terms=5))
        assert plain < more
        assert self.radius(item, Rounding(terms=5), Arithmetic()) < plain

    @pytest.mark.parametrize(
        "instruction",
        [
            MatMul(0, from_fractions([1, 2, 3, 4], (1, 2, 2)), 1),
            Scale(0, from_fractions([3, 4])),
            Shift(0, from_fractions([3, 4])),
        ],
        ids=lambda item: type(item).__name__,
    )
    def test_magnitudes_and_errors_of_constants_count(self, instruction: Instruction) -> None:
        item = self.single(instruction)
        plain = self.radius(item, Rounding())
        large = self.radius(item, Rounding(magnitude=np.full(2, 1e6)))
        assert large > plain + 1e6 * FLOAT32.unit * 0.99
        shape = (1, 2, 2) if isinstance(instruction, MatMul) else (2,)
        off = self.radius(item, Rounding(operand_error=np.full(shape, 0.5)))
        assert off > plain + 0.49

    def test_a_factor_of_one_rounds_only_where_a_rounding_is_described(self) -> None:
        item = self.single(Scale(0, from_fractions([1, -1])))
        assert enclose(item, np.array([[1.0], [1.0]]), FLOAT32)[-1].radius[0, 0] < 2.0**-100
        assert self.radius(item, Rounding()) >= 2.0**-24

    def test_a_shorter_format_gives_a_wider_bound(self) -> None:
        item = self.single(Scale(0, from_fractions([3, 4])))
        assert self.radius(item, Rounding(), FLOAT16) > 1000 * self.radius(item, Rounding(), FLOAT32)

    def test_formats_may_change_along_the_program(self) -> None:
        item = self.single(Scale(0, from_fractions([3, 4])), Shift(1, from_fractions([1, 1])))
        point = np.array([[1.0], [1.0]])
        mixed = enclose(item, point, [FLOAT32, FLOAT16, FLOAT32])
        assert mixed[1].radius[0, 0] > 2.0**-11
        assert enclose(item, point, FLOAT32)[1].radius[0, 0] < 2.0**-20


class TestExtremes:
    def scaled(self, factor: Fraction) -> Program:
        return Program((Port("x", (1,)),), (Input(1), Scale(0, from_fractions([factor]))), Port("y", (1,)))

    def test_overflow_gives_an_infinite_radius(self) -> None:
        found = enclose(self.scaled(Fraction(10) ** 300), np.array([[1e300]]))[-1]
        assert math.isinf(found.radius[0, 0])
        assert np.isfinite(found.centre).all()

    def test_overflow_of_the_modelled_format_only(self) -> None:
        item = self.scaled(Fraction(10) ** 30)
        assert math.isinf(enclose(item, np.array([[1e20]]), FLOAT32)[-1].radius[0, 0])
        assert np.isfinite(enclose(item, np.array([[1e20]]))[-1].radius).all()

    @pytest.mark.parametrize("factor", [Fraction(1, 2**1073), Fraction(1, 3 * 2**1074), Fraction(1, 10**400)])
    def test_underflow_is_covered(self, factor: Fraction) -> None:
        item = self.scaled(factor)
        for value in (0.75, 3.0, 1e200):
            found = enclose(item, np.array([[value]]))[-1]
            assert holds(found, exact.forward(item, read(np.array([[value]]))))

    def test_products_that_underflow_are_covered(self) -> None:
        weight = from_fractions([Fraction(1, 2**600), Fraction(-1, 2**601)], (1, 1, 2))
        item = Program((Port("x", (2,)),), (Input(2), MatMul(0, weight, 1)), Port("y", (1,)))
        points = np.array([[2.0**-600], [3.0 * 2.0**-600]])
        assert holds(enclose(item, points)[-1], exact.forward(item, read(points)))

    def test_flushed_float32_results_are_covered(self) -> None:
        item = self.scaled(Fraction(1, 2**100))
        found = enclose(item, np.array([[2.0**-60]]), FLOAT32)[-1]
        assert found.centre[0, 0] - found.radius[0, 0] <= 0.0

    def test_huge_constants_beyond_floats(self) -> None:
        found = enclose(self.scaled(Fraction(10) ** 400), np.array([[1.0]]))[-1]
        assert math.isinf(found.radius[0, 0])

    def test_uncertain_points(self) -> None:
        item = self.scaled(Fraction(2))
        found = enclose(item, np.array([[1.0]]), radius=np.array([[0.25]]))[-1]
        assert 0.5 <= found.radius[0, 0] < 0.5 + 2.0**-40

    def test_points_of_another_shape_are_named(self) -> None:
        with pytest.raises(InputError, match=r"shape \(1, b\), got \(2, 1\)"):
            enclose(self.scaled(Fraction(1)), np.zeros((2, 1)))


def test_a_maximum_forgets_what_cannot_win() -> None:
    """A far smaller candidate of large uncertainty leaves the winner's own radius."""
    groups = np.array([[0, 1]], dtype=np.int64)
    item = Program((Port("x", (2,)),), (Input(2), Max(0, groups)), Port("y", (1,)))
    far = enclose(item, np.array([[10.0], [0.0]]), radius=np.array([[0.125], [5.0]]))[-1]
    near = enclose(item, np.array([[10.0], [6.0]]), radius=np.array([[0.125], [5.0]]))[-1]
    assert (far.centre[0, 0], far.radius[0, 0]) == (10.0, 0.125)
    assert near.radius[0, 0] == 5.0


def test_shared_weights_and_groups_are_laid_out_like_the_exact_ones() -> None:
    random = np.random.default_rng(2)
    weight = read(random.integers(-9, 10, (3, 4, 5)))
    item = Program((Port("x", (30,)),), (Input(30), MatMul(0, weight, 2)), Port("y", (24,)))
    points = random.integers(-9, 10, (30, 4)).astype(np.float64)
    found = enclose(item, points)[-1]
    assert np.array_equal(found.centre, exact.forward(item, read(points)).to_float())


@pytest.mark.parametrize("terms", [0, 1, 7, 1000])
def test_gamma_is_rounded_up(terms: int) -> None:
    unit = Fraction(1, 2**24)
    assert Fraction(gamma(terms, 2.0**-24)) >= terms * unit / (1 - terms * unit)


def test_gamma_of_too_many_terms_is_infinite() -> None:
    assert math.isinf(gamma(2**23, 2.0**-24))
    assert gamma(2**23, 0.0) == 0.0
