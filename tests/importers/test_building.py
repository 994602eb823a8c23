"""Tensors on their way to instructions: constants, data, and the builder that copies only where it must."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from exactbox.importers.builder import Builder
from exactbox.importers.call import ROOT_BITS
from exactbox.importers.graph import Node, constant_of
from exactbox.importers.limits import Limits
from exactbox.importers.ops import load_families
from exactbox.importers.ops.normalization import floor_root, inverse_root
from exactbox.importers.registry import folding_of, heading_of, lowering_of, refusal_of, registered
from exactbox.importers.values import NEVER_WINS, Constant, Data, RefusedError
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.errors import InputError
from exactbox.polytope.exact import trace
from exactbox.polytope.program import Head, MatMul, Max, Port, Program, Scale, Shift
from exactbox.polytope.rational import Rationals, exact, from_fractions
from tests.importers.onnx_models import AnyArray


def start(*shape: int, limits: Limits = Limits()) -> tuple[Builder, Data]:  # noqa: B008
    """Return a builder and its input as a tensor."""
    builder = Builder((Port("x", shape),), limits)
    return builder, builder.wrap(0, shape, "float32")


def values_of(builder: Builder, data: Data, point: list[int]) -> list[Fraction]:
    """Evaluate a tensor at one point."""
    position = builder.fresh(data)
    program: Program = builder.program(Port("y", data.shape), Head())
    return trace(program, from_fractions(point, (len(point), 1)))[position].fractions()


class TestConstants:
    @pytest.mark.parametrize(
        ("array", "dtype"),
        [
            (np.array([1.5], np.float32), "float32"),
            (np.array([1.5], np.float16), "float16"),
            (np.array([3], np.uint8), "uint8"),
            (np.array([True]), "bool"),
        ],
    )
    def test_they_become_exact_rationals(self, array: AnyArray, dtype: str) -> None:
        constant = constant_of(array)
        assert constant.dtype == dtype
        assert constant.rationals().fractions() == [Fraction(float(array[0]))]

    def test_text_is_no_number(self) -> None:
        with pytest.raises(RefusedError, match="no number"):
            constant_of(np.array(["a"])).rationals()

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_neither_is_nan(self, value: float) -> None:
        with pytest.raises(RefusedError, match="not finite"):
            constant_of(np.array([value], np.float32)).rationals()

    def test_moves_carry_values_and_errors(self) -> None:
        error = np.array([0.0, 1.0, 2.0])
        for values in (np.array([5.0, 6.0, 7.0]), exact([5, 6, 7])):
            moved = Constant(values, "float64", error).moved(lambda array: array[::-1])
            assert moved.rationals().fractions() == [7, 6, 5]
            assert moved.error is not None
            assert moved.error.tolist() == [2, 1, 0]

    def test_broadcasts(self) -> None:
        for values in (np.array([[5.0], [6.0]]), exact([[5], [6]])):
            assert Constant(values, "float64").broadcast((2, 2)).rationals().fractions() == [5, 5, 6, 6]

    def test_a_move_to_no_axes(self) -> None:
        for values in (np.array([5.0]), exact([5])):
            assert Constant(values, "float64").moved(lambda array: array[0]).rationals().fractions() == [5]

    def test_magnitudes_bound_the_runtimes_values(self) -> None:
        third = Constant(from_fractions([Fraction(-1, 3)]), "float32", np.array([0.5]))
        assert third.magnitudes()[0] >= 1 / 3 + 0.5

    def test_whole_numbers(self) -> None:
        assert constant_of(np.array([[1, -2]])).integers() == [1, -2]
        with pytest.raises(RefusedError, match="whole numbers"):
            constant_of(np.array([0.5])).integers()


class TestBuilder:
    def test_moves_write_no_instruction(self) -> None:
        builder, x = start(2, 3)
        moved = x.moved(lambda array: array.T.reshape(-1)[::2])
        assert len(builder.instructions) == 1
        assert values_of(builder, moved, [0, 1, 2, 3, 4, 5]) == [0, 1, 2]

    def test_a_whole_vector_is_not_copied(self) -> None:
        builder, x = start(2, 3)
        assert builder.vector(x.moved(lambda array: array.reshape(3, 2))) == 0
        assert builder.vector(x.moved(lambda array: array.T)) == 1

    @pytest.mark.parametrize("change", [lambda a: a, lambda a: a.T, lambda a: a[::-1]], ids=["plain", "T", "reversed"])
    def test_elementwise_steps_follow_the_order_in_store(self, change: Callable[[AnyArray], AnyArray]) -> None:
        builder, x = start(2, 2)
        moved = x.moved(change)
        factor = from_fractions([1, 2, 3, 4], (2, 2))
        scaled = builder.shift(builder.scale(moved, factor), factor)
        kinds = [type(item) for item in builder.instructions]
        assert kinds[1:] == [Scale, Shift]
        order = change(np.array([[10, 20], [30, 40]])).ravel().tolist()
        expected = [value * weight + weight for value, weight in zip(order, [1, 2, 3, 4], strict=True)]
        assert values_of(builder, scaled, [10, 20, 30, 40]) == expected

    def test_repeated_entries_are_copied_before_arithmetic(self) -> None:
        builder, x = start(2)
        wide = x.broadcast((2, 2))
        assert values_of(builder, builder.shift(wide, exact([[1, 2], [3, 4]])), [10, 20]) == [11, 22, 13, 24]

    def test_roundings_follow_the_order_in_store(self) -> None:
        builder, x = start(2, 2)
        magnitude = np.array([[1.0, 2.0], [3.0, 4.0]])
        builder.shift(x.moved(np.transpose), exact([[1, 1], [1, 1]]), Rounding(magnitude=magnitude))
        kept = builder.roundings[1].magnitude
        assert kept is not None
        assert kept.tolist() == [1, 3, 2, 4]

    def test_sums_of_equally_moved_tensors_stay_in_store(self) -> None:
        builder, x = start(2, 2)
        left = builder.shift(x.moved(np.transpose), exact([[1, 2], [3, 4]]))
        right = builder.scale(x.moved(np.transpose), exact([[1, 2], [3, 4]]))
        total = builder.add(left, right)
        assert len(builder.instructions) == 4
        assert values_of(builder, total, [1, 10, 100, 1000]) == [3, 302, 43, 5004]

    def test_concatenation_names_each_vector_once(self) -> None:
        builder, x = start(2)
        y = builder.negate(x)
        joined = builder.concatenated([x, y, x], 0)
        assert joined.srcs == (0, 1)
        assert joined.index.tolist() == [0, 1, 2, 3, 0, 1]

    def test_maxima_read_through_moves(self) -> None:
        builder, x = start(4)
        padded = x.moved(lambda array: np.pad(array[::-1], 1, constant_values=-1))
        builder.maximum(padded, np.array([[0, 1], [4, 5], [-1, 2]]), (3,))
        (maximum,) = [item for item in builder.instructions if isinstance(item, Max)]
        assert maximum.groups.tolist() == [[-1, 3], [-1, 0], [-1, 2]]

    def test_minus_infinity_is_dropped_from_maxima_and_refused_elsewhere(self) -> None:
        builder, x = start(2)
        padded = x.moved(lambda array: np.pad(array, 1, constant_values=NEVER_WINS))
        found = builder.maximum(padded, np.array([[0, 1], [1, 2]]), (2,))
        assert values_of(builder, found, [3, 5]) == [3, 5]
        with pytest.raises(RefusedError, match="infinite padding"):
            builder.vector(padded)
        with pytest.raises(RefusedError, match="nothing but padding"):
            builder.maximum(padded, np.array([[0, 3]]), (1,))

    def test_constants_become_vectors(self) -> None:
        builder, _ = start(1)
        data = builder.constants(exact([[1, 2]]), "float32")
        assert data.shape == (1, 2)
        assert values_of(builder, data, [9]) == [1, 2]

    def test_products_keep_their_weights(self) -> None:
        builder, x = start(2, 2)
        weight = exact([[[1, 2], [3, 4], [5, 6]]])
        found = builder.matmul(x, weight, 2, (2, 3))
        product = builder.instructions[-1]
        assert isinstance(product, MatMul)
        assert product.weight is weight
        assert values_of(builder, found, [1, 1, 1, 0]) == [3, 7, 11, 1, 3, 5]

    def test_limits_are_checked_before_anything_is_made(self) -> None:
        builder, x = start(4, limits=Limits(tensor_elements=6))
        with pytest.raises(InputError, match="tensor elements: expected at most 6, got 8"):
            builder.vector(x.broadcast((2, 4)))
        builder, x = start(4, limits=Limits(total_elements=11))
        builder.negate(x)
        with pytest.raises(InputError, match="entries of all vectors"):
            builder.negate(x)


class TestRegistry:
    def test_versions_choose_the_function(self) -> None:
        load_families()
        old, recent = (lowering_of(Node("n", "Resize", (), (), version=version)) for version in (10, 11))
        assert old is not None
        assert recent is not None
        assert old is not recent
        assert lowering_of(Node("n", "GridSample", (), (), version=15)) is None

    def test_unknown_operators_have_a_reason(self) -> None:
        load_families()
        assert "not an operator" in refusal_of(Node("n", "Frobnicate", (), ()))
        assert "domain 'com.example'" in refusal_of(Node("n", "Relu", (), (), domain="com.example"))
        assert refusal_of(Node("n", "LSTM", (), ())) == "products of gates: not piecewise linear"
        assert refusal_of(Node("n", "RandomNormal", (), ())) == "random"

    def test_every_registered_operator_can_be_found(self) -> None:
        load_families()
        for domain, op in registered():
            node = Node("n", op, (), (), domain=domain, version=99)
            assert any(table(node) for table in (lowering_of, folding_of, heading_of))


class TestRoots:
    @pytest.mark.parametrize(
        "value", [Fraction(2), Fraction(3, 7), Fraction(10) ** 40, Fraction(1, 10**40), Fraction(5, 4)]
    )
    def test_they_are_the_floor_to_80_significant_bits(self, value: Fraction) -> None:
        root = floor_root(value)
        step = Fraction(2) ** (ROOT_BITS - 1)
        assert root**2 <= value
        scaled = root
        while scaled >= step * 2:
            scaled /= 2
        while scaled < step:
            scaled *= 2
        assert scaled.denominator == 1
        assert (root * (scaled + 1) / scaled) ** 2 > value

    @pytest.mark.parametrize(
        ("value", "root"),
        [(Fraction(4, 9), Fraction(3, 2)), (Fraction(1), Fraction(1)), (Fraction(1, 16), Fraction(4))],
    )
    def test_rational_roots_are_exact(self, value: Fraction, root: Fraction) -> None:
        assert inverse_root(value) == (root, True)

    def test_irrational_roots_are_marked(self) -> None:
        root, rational = inverse_root(Fraction(2))
        assert not rational
        assert root**2 < Fraction(1, 2)


def test_rationals_reshape_to_no_axes() -> None:
    assert Rationals(exact([7]).num).reshape().shape == ()
