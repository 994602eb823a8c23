"""The gate from floats and text to rationals, and arithmetic on arrays of rationals."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import (
    Rationals,
    concatenate,
    exact,
    float_fraction,
    from_fractions,
    int_array,
    parse_number,
    zeros,
)

WIDTHS: dict[str, Any] = {
    "float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32, "float64": np.float64,
    "longdouble": np.longdouble, "big-endian float32": np.dtype(">f4"), "big-endian float64": np.dtype(">f8"),
}
widths = pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS.keys())


class TestFloats:
    """Binary floats are dyadic rationals and taken as they are."""

    @widths
    def test_simple_values(self, width: Any) -> None:
        array = np.array([0, -0.0, 1, -2, 0.5, 0.375, 96], dtype=width)
        expected = [0, 0, 1, -2, Fraction(1, 2), Fraction(3, 8), 96]
        assert exact(array).fractions() == expected

    @widths
    def test_a_tenth_is_not_a_tenth(self, width: Any) -> None:
        stored = np.array([0.1], dtype=width)
        assert exact(stored).item(0) == Fraction(*float(stored.astype(np.float64)[0]).as_integer_ratio()) or (
            width is np.longdouble
        )
        assert exact(stored).item(0) != Fraction(1, 10)

    @pytest.mark.parametrize(
        ("width", "power"), [(np.float16, -24), (ml_dtypes.bfloat16, -133), (np.float32, -149), (np.float64, -1074)]
    )
    def test_the_smallest_subnormal(self, width: Any, power: int) -> None:
        smallest = np.array([2.0**power], dtype=width)
        assert exact(smallest).item(0) == Fraction(2) ** power
        assert exact(-smallest).item(0) == -(Fraction(2) ** power)

    @pytest.mark.parametrize("value", [1e-45, 1.5e-39, 1.17549435e-38, 1e-11, 1.0, 1e11, 3.4028235e38])
    def test_the_range_of_float32(self, value: float) -> None:
        stored = np.float32(value)
        assert exact(np.array([stored, 1], dtype=np.float32)).fractions() == [Fraction(*stored.as_integer_ratio()), 1]

    @pytest.mark.parametrize("value", [5e-324, 1e-300, 1.7976931348623157e308, 2.0**62, 2.0**63, -(2.0**53) - 2])
    def test_the_range_of_float64(self, value: float) -> None:
        assert float_fraction(value) == Fraction(*value.as_integer_ratio())

    @given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6))
    def test_any_doubles(self, values: list[float]) -> None:
        read = exact(np.array(values))
        assert read.fractions() == [Fraction(*value.as_integer_ratio()) for value in values]
        assert read.to_float().tolist() == values
        assert exact(values).equals(read)

    @given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=16), min_size=1, max_size=6))
    def test_any_halves(self, values: list[float]) -> None:
        expected = [Fraction(*value.as_integer_ratio()) for value in values]
        assert exact(np.array(values, dtype=np.float16)).fractions() == expected

    @given(st.integers(-(2**15), 2**15 - 1))
    def test_any_bfloat16(self, bits: int) -> None:
        value = np.array([bits], dtype=np.int16).view(ml_dtypes.bfloat16)
        with np.errstate(invalid="ignore"):
            wide = float(value.astype(np.float64)[0])
        if math.isfinite(wide):
            assert exact(value).item(0) == Fraction(*wide.as_integer_ratio())
        else:
            with pytest.raises(InputError):
                exact(value)

    def test_long_doubles_keep_all_their_bits(self) -> None:
        value = np.longdouble(1) + np.longdouble(2) ** -60
        stored = np.array([value])
        assert exact(stored).item(0) == Fraction(*value.as_integer_ratio())

    @widths
    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_what_is_not_finite_is_refused(self, width: Any, bad: float) -> None:
        with pytest.raises(InputError, match="finite"):
            exact(np.array([[0, 1], [bad, 2]], dtype=width))

    def test_the_message_names_the_entry(self) -> None:
        with pytest.raises(InputError, match=r"entry \(1, 0\): expected a finite number, got nan"):
            exact(np.array([[0, 1], [math.nan, 2]]))
        with pytest.raises(InputError, match="entry 2"):
            exact([0, 1, math.inf])


class TestText:
    """Text is decimal and exact."""

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("0", 0), ("-0", 0), ("3", 3), ("+3", 3), ("-0.1", Fraction(-1, 10)), (".5", Fraction(1, 2)), ("5.", 5),
            ("1/3", Fraction(1, 3)), ("-1/3", Fraction(-1, 3)), ("0.5/0.25", None), ("1.5/3", Fraction(1, 2)),
            ("1e-3", Fraction(1, 1000)), ("-2.5E+1", -25), (" 7 ", 7), ("1e2/3", Fraction(100, 3)),
            ("1e-400", Fraction(1, 10**400)), ("123456789012345678901234567890", 123456789012345678901234567890),
            ("", None), ("x", None), ("1/0", None), ("1/", None), ("/2", None), ("1/-2", None), ("nan", None),
            ("inf", None), ("-Infinity", None), ("1 2", None), ("1,5", None), ("0x10", None), ("1_000", None),
            ("--1", None), ("1e", None), ("e5", None), (".", None), ("1e99999", None), ("½", None),
        ],
    )
    def test_numbers_and_what_is_none(self, text: str, value: object) -> None:
        if value is None:
            with pytest.raises(InputError):
                parse_number(text)
        else:
            assert parse_number(text) == value

    @given(st.fractions())
    def test_fractions_come_back(self, value: Fraction) -> None:
        assert parse_number(str(value)) == value

    @given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**6), max_value=10**6, places=9))
    def test_decimals_come_back(self, value: Decimal) -> None:
        assert parse_number(str(value)) == Fraction(value)

    def test_five_thousand_digits(self) -> None:
        with pytest.raises(InputError, match="digits"):
            parse_number("1" * 5000)

    @pytest.mark.parametrize("kind", [str, bytes])
    def test_arrays_of_text(self, kind: type) -> None:
        array = np.array(["1/3", "-0.1"], dtype=np.dtype(kind) if kind is bytes else None)
        assert exact(array).fractions() == [Fraction(1, 3), Fraction(-1, 10)]

    def test_bytes_that_are_no_text(self) -> None:
        with pytest.raises(InputError):
            exact([b"\xff\xfe"])


class TestOtherValues:
    """Integers, fractions, nested lists; and everything that is refused."""

    @pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int64, np.uint64])
    def test_integers_of_any_width(self, dtype: npt.DTypeLike) -> None:
        top = np.iinfo(dtype).max
        read = exact(np.array([0, top], dtype=dtype))
        assert read.fractions() == [0, int(top)] and all(type(v) is int for v in read.num)

    def test_a_mixture(self) -> None:
        read = exact([1, 0.5, "1/3", Fraction(2, 7), np.float32(0.25), np.int64(9), 10**40])
        assert read.fractions() == [
            1, Fraction(1, 2), Fraction(1, 3), Fraction(2, 7), Fraction(1, 4), 9, 10**40
        ]

    def test_shapes(self) -> None:
        assert exact([]).shape == (0,)
        assert exact([[]]).shape == (1, 0)
        assert exact(5).shape == () and exact("1/2").item() == Fraction(1, 2)
        assert exact(np.zeros((2, 0, 3))).shape == (2, 0, 3)
        assert exact([[[1], [2]]]).shape == (1, 2, 1)
        assert exact((np.array([1, 2]), np.array([3, 4]))).shape == (2, 2)

    def test_rationals_stay_themselves(self) -> None:
        value = from_fractions([Fraction(1, 2)])
        assert exact(value) is value

    @pytest.mark.parametrize(
        "bad",
        [
            True, [True], [0, False], np.array([True]), np.bool_(True), None, [None], object(), 1j, [1j], {}, {"a": 1},
            np.array([1j]), np.array(["2020-01-01"], dtype="datetime64[D]"), [[1], [2, 3]], [[1, 2], 3],
            [np.zeros((2, 2)), np.zeros((2, 3))], [np.zeros(2), np.zeros(3)], "not a number", [b"\xff"], {1, 2},
        ],
    )
    def test_what_is_refused(self, bad: object) -> None:
        with pytest.raises(InputError):
            exact(bad)

    def test_float_fraction_refuses_infinity(self) -> None:
        with pytest.raises(InputError):
            float_fraction(math.inf)


class TestArrays:
    """Arithmetic is exact, immutable and shaped like numpy's."""

    @given(st.lists(st.tuples(st.fractions(), st.fractions()), min_size=1, max_size=4))
    def test_arithmetic(self, pairs: list[tuple[Fraction, Fraction]]) -> None:
        left, right = from_fractions([a for a, _ in pairs]), from_fractions([b for _, b in pairs])
        assert (left + right).fractions() == [a + b for a, b in pairs]
        assert (left - right).fractions() == [a - b for a, b in pairs]
        assert (left * right).fractions() == [a * b for a, b in pairs]
        assert (-left).fractions() == [-a for a, _ in pairs]
        assert left.scaled(Fraction(-2, 3)).fractions() == [a * Fraction(-2, 3) for a, _ in pairs]
        assert left.equals(left.scaled(7).scaled(Fraction(1, 7))) and left.equals(left.reduced())
        assert left.equals(right) == all(a == b for a, b in pairs)
        assert left.signs().tolist() == [(a > 0) - (a < 0) for a, _ in pairs]

    @given(st.lists(st.fractions(), min_size=1, max_size=5))
    def test_reduced_has_the_least_denominator(self, values: list[Fraction]) -> None:
        wide = from_fractions(values).scaled(Fraction(6, 6))
        wide = Rationals(wide.num * 35, wide.den * 35)
        assert wide.reduced().den == math.lcm(*(v.denominator for v in values))
        assert wide.reduced().fractions() == values

    @given(st.fractions())
    def test_floats_are_correctly_rounded(self, value: Fraction) -> None:
        assert from_fractions([value]).to_float()[0] == float(value)

    def test_floats_overflow_to_infinity(self) -> None:
        assert from_fractions([10**400, -(10**400), Fraction(1, 10**400)]).to_float().tolist() == [
            math.inf, -math.inf, 0.0
        ]

    def test_zero_dimensions(self) -> None:
        value = exact(3)
        for result in (value + value, value - value, value * value, -value, value.scaled(2), value.reduced()):
            assert result.shape == () and isinstance(result.item(), Fraction)

    def test_empty_arrays(self) -> None:
        nothing = zeros(0)
        assert (nothing + nothing).shape == (0,) and nothing.fractions() == [] and (-nothing).size == 0
        assert nothing.reduced().shape == (0,) and nothing.to_float().shape == (0,) and len(nothing) == 0

    def test_broadcasting(self) -> None:
        assert (exact([[1, 2], [3, 4]]) * exact(["1/2", 2])).fractions() == [Fraction(1, 2), 4, Fraction(3, 2), 8]

    def test_indexing(self) -> None:
        table = exact([["1/2", 1], [2, 3]])
        assert table[0].fractions() == [Fraction(1, 2), 1]
        assert table[1, 0].item() == 2 and table[1, 0].shape == ()
        assert table[:, 1].fractions() == [1, 3]
        assert table.item(1, 1) == 3 and table.item(2) == 2
        assert table.reshape(4).shape == (4,) and table.transposed().fractions() == [Fraction(1, 2), 2, 1, 3]

    def test_arrays_cannot_be_changed(self) -> None:
        with pytest.raises(ValueError, match="read-only"):
            exact([1, 2]).num[0] = 5

    def test_over_a_common_denominator(self) -> None:
        assert exact(["1/2", "1/3"]).over(12).tolist() == [6, 4]
        with pytest.raises(InputError, match="not a multiple"):
            exact(["1/2"]).over(3)

    def test_concatenate(self) -> None:
        joined = concatenate([exact(["1/2"]), exact(["1/3", 2])])
        assert joined.den == 6 and joined.fractions() == [Fraction(1, 2), Fraction(1, 3), 2]

    def test_sizes(self) -> None:
        assert zeros(2, 3).size == 6 and zeros(2, 3).shape == (2, 3) and len(zeros(2, 3)) == 2
        assert from_fractions(range(6), (2, 3)).shape == (2, 3)

    @pytest.mark.parametrize("den", [0, -1, True, 1.0, Fraction(1), np.int64(2)])
    def test_denominators_are_positive_ints(self, den: Any) -> None:
        with pytest.raises(InputError, match="denominator"):
            Rationals(int_array([1]), den)

    @pytest.mark.parametrize(
        "num", [np.array([1, 2]), np.array([1.0]), np.array([True]), np.array([1.5], dtype=object), [1, 2]]
    )
    def test_numerators_are_object_arrays_of_ints(self, num: Any) -> None:
        with pytest.raises((InputError, AttributeError)):
            Rationals(num)

    def test_int_array_never_becomes_int64(self) -> None:
        array = int_array(range(3))
        assert array.dtype == object and type((array * 2**70)[2]) is int

    def test_a_silent_float_is_refused_by_type(self) -> None:
        with pytest.raises(InputError, match="Python integers, got float"):
            Rationals(np.array([0.5, 1], dtype=object))


Operation = Callable[[Rationals, Rationals], Rationals]


@pytest.mark.parametrize("operation", [Rationals.__add__, Rationals.__sub__, Rationals.__mul__])
def test_denominators_stay_common(operation: Operation) -> None:
    result = operation(exact(["1/6", "1/4"]), exact(["1/10", 3]))
    assert all((value * result.den).denominator == 1 for value in result.fractions())
