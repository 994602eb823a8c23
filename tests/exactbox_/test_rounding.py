"""Rounding to a model's input type, against numpy and against exact halves."""

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exactbox.polytope.errors import InputError
from exactbox.polytope.rational import exact
from exactbox.rounding import FLOAT_FORMATS, decimal_text, exact_text, nearest, round_to

TYPES = {"float16": np.float16, "float32": np.float32, "bfloat16": ml_dtypes.bfloat16, "float64": np.float64}


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["float16", "float32", "bfloat16", "float64"]))
def test_rounding_a_double_is_what_numpy_does(value: float, dtype: str) -> None:
    with np.errstate(over="ignore"):
        expected = np.array([value]).astype(TYPES[dtype])
    if not np.isfinite(expected.astype(np.float64)).all():
        with pytest.raises(InputError, match="rounds to infinity"):
            round_to(exact([value]), dtype)
        return
    rounded, changed = round_to(exact([value]), dtype)
    assert rounded.equals(exact(expected))
    assert changed == int(not rounded.equals(exact([value])))


@given(st.fractions(), st.sampled_from(sorted(FLOAT_FORMATS)))
def test_no_number_of_the_format_is_nearer(value: Fraction, dtype: str) -> None:
    form = FLOAT_FORMATS[dtype]
    if abs(value) >= 1 << form.highest:
        return
    rounded = nearest(value, form)
    assert nearest(rounded, form) == rounded
    for other in (value + (value - rounded), value - (value - rounded) / 2):
        assert abs(nearest(other, form) - value) >= abs(rounded - value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(Fraction(1) + Fraction(1, 2**24), Fraction(1), id="tie goes to the even neighbour below"),
        pytest.param(Fraction(1) + Fraction(3, 2**24), Fraction(1) + Fraction(1, 2**22), id="tie goes to even above"),
        pytest.param(1 + Fraction(2**176 + 1, 2**200), 1 + Fraction(1, 2**23), id="no double rounding"),
        pytest.param(Fraction(1, 2**150), Fraction(0), id="half of the smallest subnormal is even at zero"),
        pytest.param(Fraction(3, 2**151), Fraction(1, 2**149), id="smallest subnormal"),
        pytest.param(Fraction(2**24 - 1), Fraction(2**24 - 1), id="largest odd integer"),
        pytest.param(-Fraction(1, 10), -Fraction(13421773, 2**27), id="negative tenth"),
    ],
)
def test_named_cases_of_float32(value: Fraction, expected: Fraction) -> None:
    assert nearest(value, FLOAT_FORMATS["float32"]) == expected


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        ("3.5e38", "float32", "rounds to infinity in float32"),
        ("-65520", "float16", "-65520 rounds to infinity in float16"),
        ("1/2", "int64", "expected a whole number of type int64, got 1/2"),
        ("-1", "uint8", "expected a whole number of type uint8"),
        ("128", "int8", "expected a whole number of type int8"),
        ("1", "string", "float or integer type, got string"),
    ],
)
def test_refused(value: str, dtype: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        round_to(exact([value]), dtype)


def test_whole_numbers_pass_integer_types_unchanged() -> None:
    rounded, changed = round_to(exact([[255, 0]]), "uint8")
    assert rounded.equals(exact([[255, 0]]))
    assert changed == 0


def test_shape_is_kept() -> None:
    rounded, changed = round_to(exact([["0.1", "0.5"], ["1/3", "1"]]), "float32")
    assert (rounded.shape, changed) == ((2, 2), 2)


@given(st.fractions())
def test_exact_text_reads_back(value: Fraction) -> None:
    assert Fraction(exact_text(value)) == value


def test_exact_text_has_no_limit_of_digits() -> None:
    assert len(exact_text(Fraction(3**20000))) == 9543


@given(st.fractions())
def test_decimal_text_is_near(value: Fraction) -> None:
    assert abs(Fraction(decimal_text(value)) - value) <= abs(value) / 10**5
