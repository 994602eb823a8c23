"""The one gate from floats and text to rationals, and arrays of rationals.

Nothing else in the project turns a float into a rational; everything behind this file refuses floats,
NaN, infinities and bools by type.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from exactbox.polytope.errors import InputError

IntArray = npt.NDArray[np.object_]
"""An object array whose entries are Python integers of any size."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?(/\d+)?")
_INT64_BITS = 62
_FEW = 32
"""So many floats are read one by one: arrays of them take longer to begin with."""
_SHOWN = 6
_SHOWN_DIGITS = 24
_MAX_TEXT = 4000
"""Python converts no more than 4300 digits at a time."""


@dataclass(frozen=True, eq=False)
class Rationals:
    """An immutable array of rationals: Python integers ``num`` over one positive integer ``den``.

    The denominator is common to all entries and need not be the smallest. Arithmetic and comparisons go entry by entry,
    as numpy's do, and are exact; the other operand may be whatever ``exact`` reads. ``np.asarray(r, float)`` gives the
    correctly rounded floats, ``np.asarray(r)`` an object array of ``Fraction``.

    Args:
        num: object array of Python ints, any shape.
        den: positive Python int.

    Raises:
        InputError: ``num`` holds anything but ints (bools and floats are refused), or ``den`` is not a positive int.

    >>> half = Rationals(np.array([1, 2], dtype=object), 2)
    >>> half + half
    Rationals([1, 2])
    >>> float(half[0]), half.sum().item(), (half > "1/2").tolist()
    (0.5, Fraction(3, 2), [False, True])
    """

    num: IntArray
    den: int = 1

    def __post_init__(self) -> None:
        if type(self.den) is not int or self.den <= 0:
            raise InputError(f"denominator: expected a positive integer, got {self.den!r}")
        if self.num.dtype != object:
            raise InputError(f"numerators: expected an object array of integers, got dtype {self.num.dtype}")
        first: object = self.num.flat[0] if self.num.size else 0
        if type(first) is not int:
            raise InputError(f"numerators: expected Python integers, got {type(first).__name__}")
        self.num.setflags(write=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.num.shape

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(self.num.size)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.num.ndim

    def __len__(self) -> int:
        return len(self.num)

    def __iter__(self) -> Iterator[Rationals]:
        return (self[i] for i in range(len(self.num)))

    def __float__(self) -> float:
        return _divide(self.num.item(), self.den)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """Return fractions, or numbers of a type that is asked for: float64 is correctly rounded, others from it.

        Raises:
            ValueError: no copy is allowed.
        """
        if copy is False:
            raise ValueError("rationals are no array of numpy's: a copy is needed")
        if dtype is not None and np.dtype(dtype) == np.float64:
            return self.to_float()
        fractions = _filled(self.fractions(), self.shape)
        return fractions if dtype is None else fractions.astype(dtype)

    def __repr__(self) -> str:
        shown = [_shown(Fraction(value, self.den)) for value in self.num.ravel()[:_SHOWN].tolist()]
        if self.num.ndim == 1 and self.size <= _SHOWN:
            return f"Rationals([{', '.join(shown)}])"
        if not self.num.ndim:
            return f"Rationals({shown[0]})"
        more = ", …" if self.size > _SHOWN else ""
        return f"Rationals([{', '.join(shown)}{more}], shape={self.shape})"

    def __getitem__(self, key: Any) -> Rationals:
        """Index like numpy; a single entry becomes an array of shape ()."""
        part: Any = self.num[key]
        return Rationals(part if isinstance(part, np.ndarray) else _scalar(part), self.den)

    def item(self, *index: int) -> Fraction:
        """Return one entry as a ``Fraction``."""
        return Fraction(self.num.item(*index), self.den)

    def fractions(self) -> list[Fraction]:
        """Return all entries, flattened in C order, as a list of ``Fraction``."""
        return [Fraction(value, self.den) for value in self.num.ravel().tolist()]

    def reshape(self, *shape: int) -> Rationals:
        """Return the same entries under another shape."""
        return Rationals(self.num.reshape(shape), self.den)

    def transposed(self) -> Rationals:
        """Return a matrix (m, n) as (n, m)."""
        return Rationals(self.num.T, self.den)

    def over(self, den: int) -> IntArray:
        """Return the numerators over ``den``, which must be a multiple of the denominator."""
        factor, rest = divmod(den, self.den)
        if rest:
            raise InputError(f"{den} is not a multiple of the denominator {self.den}")
        return self.num if factor == 1 else _array(self.num * factor)

    def reduced(self) -> Rationals:
        """Return equal values over the smallest common denominator."""
        common = math.gcd(self.den, *self.num.ravel().tolist())
        return self if common == 1 else Rationals(_array(self.num // common), self.den // common)

    def __neg__(self) -> Rationals:
        return Rationals(_array(-self.num), self.den)

    def __add__(self, other: object) -> Rationals:
        term = exact(other)
        den = math.lcm(self.den, term.den)
        return Rationals(_array(self.over(den) + term.over(den)), den)

    def __radd__(self, other: object) -> Rationals:
        return self + other

    def __sub__(self, other: object) -> Rationals:
        term = exact(other)
        den = math.lcm(self.den, term.den)
        return Rationals(_array(self.over(den) - term.over(den)), den)

    def __rsub__(self, other: object) -> Rationals:
        return exact(other) - self

    def __mul__(self, other: object) -> Rationals:
        """Multiply elementwise (numpy broadcasting)."""
        factor = exact(other)
        return Rationals(_array(self.num * factor.num), self.den * factor.den)

    def __rmul__(self, other: object) -> Rationals:
        return self * other

    def __abs__(self) -> Rationals:
        return Rationals(_array(abs(self.num)), self.den)

    def __lt__(self, other: object) -> npt.NDArray[np.bool_]:
        return (self - other).signs() < 0

    def __le__(self, other: object) -> npt.NDArray[np.bool_]:
        return (self - other).signs() <= 0

    def __gt__(self, other: object) -> npt.NDArray[np.bool_]:
        return (self - other).signs() > 0

    def __ge__(self, other: object) -> npt.NDArray[np.bool_]:
        return (self - other).signs() >= 0

    def __eq__(self, other: object) -> Any:
        return (self - other).signs() == 0 if _readable(other) else NotImplemented

    def __ne__(self, other: object) -> Any:
        return (self - other).signs() != 0 if _readable(other) else NotImplemented

    __hash__ = object.__hash__

    def sum(self, axis: int | None = None, dtype: None = None, out: None = None) -> Rationals:
        """Add up all entries, or those along an axis; ``np.sum`` passes the rest, which stays None."""
        total: Any = self.num.sum(axis=axis, initial=0)
        return Rationals(total if isinstance(total, np.ndarray) else _scalar(int(total)), self.den)

    def tolist(self) -> Any:
        """Return nested lists of ``Fraction``."""
        return np.asarray(self).tolist()

    def scaled(self, factor: Fraction | int) -> Rationals:
        """Multiply every entry by one rational."""
        exact = Fraction(factor)
        return Rationals(_array(self.num * exact.numerator), self.den * exact.denominator)

    def equals(self, other: Rationals) -> bool:
        """Say whether shapes and all values agree exactly."""
        return self.shape == other.shape and not np.any((self.num * other.den) != (other.num * self.den))

    def signs(self) -> npt.NDArray[np.int8]:
        """Return -1, 0 or 1 for each entry."""
        return (self.num > 0).astype(np.int8) - (self.num < 0).astype(np.int8)

    def to_float(self) -> npt.NDArray[np.float64]:
        """Return the correctly rounded float64 of every entry (infinite where it overflows)."""
        flat = [_divide(value, self.den) for value in self.num.ravel().tolist()]
        return np.array(flat, dtype=np.float64).reshape(self.shape)


def exact(value: object) -> Rationals:
    """Read numbers exactly: floats of any width, integers, fractions, text ("0.1", "-1/3"), nested sequences or arrays.

    float16, bfloat16, float32 and float64 are dyadic and taken exactly; text is decimal, so "0.1" is 1/10.

    Raises:
        InputError: NaN, an infinity, a bool, or something that is no number; the message names the entry.

    >>> str(exact("-0.1").item()), str(exact(0.5).item()), exact([[1, 2]]).shape
    ('-1/10', '1/2', (1, 2))
    """
    if isinstance(value, Rationals):
        return value
    array = np.asarray(value) if not isinstance(value, (list, tuple)) else _sequence(cast("Sequence[object]", value))
    if array.dtype == np.bool_:
        raise InputError("expected numbers, got bools: convert them to 0 and 1 explicitly")
    if array.dtype.kind in "iu":
        return Rationals(_array(array.astype(object)))
    if array.dtype.kind == "f" or array.dtype.name == "bfloat16":
        return _from_floats(array)
    if array.dtype.kind in "OUS":
        return from_fractions([_one(entry, i) for i, entry in enumerate(array.ravel().tolist())], array.shape)
    raise InputError(f"expected numbers, got dtype {array.dtype}")


def from_fractions(values: Iterable[Fraction | int], shape: Sequence[int] | None = None) -> Rationals:
    """Collect fractions over their least common denominator; shape (n,) unless given.

    >>> from_fractions([Fraction(1, 2), Fraction(1, 3)]).den
    6
    """
    items = [Fraction(value) for value in values]
    den = math.lcm(*(item.denominator for item in items))
    num = int_array([item.numerator * (den // item.denominator) for item in items])
    return Rationals(num if shape is None else num.reshape(tuple(shape)), den)


def zeros(*shape: int) -> Rationals:
    """Return an array of zeros."""
    num = np.empty(shape, dtype=object)
    num[...] = 0
    return Rationals(num)


def int_array(values: Iterable[int]) -> IntArray:
    """Make a one-dimensional object array of Python ints (never a silent int64)."""
    items = list(values)
    out = np.empty(len(items), dtype=object)
    out[:] = items
    return out


def concatenate(parts: Sequence[Rationals]) -> Rationals:
    """Join arrays along the first axis over their least common denominator."""
    den = math.lcm(*(part.den for part in parts))
    return Rationals(np.concatenate([part.over(den) for part in parts]), den)


def parse_number(text: str) -> Fraction:
    """Read "3", "-0.25", "2.5e1", "1/3" as the rational it denotes in decimal.

    Raises:
        InputError: the text is no finite number.

    >>> parse_number(" -2.5e1 ")
    Fraction(-25, 1)
    """
    stripped = text.strip()
    if not _NUMBER.fullmatch(stripped):
        raise InputError(f"expected a number such as 3, -0.25, 2.5e1 or 1/3, got {text!r}")
    if len(stripped) > _MAX_TEXT:
        raise InputError(f"expected a number of at most {_MAX_TEXT} digits, got {len(stripped)}")
    top, _, bottom = stripped.partition("/")
    if bottom and int(bottom) == 0:
        raise InputError(f"the denominator of {text!r} is zero")
    return Fraction(top) / (int(bottom) if bottom else 1)


def float_fraction(value: float) -> Fraction:
    """Return the exact rational value of one finite float.

    Raises:
        InputError: the float is NaN or infinite.
    """
    return exact(np.float64(value)).item()


def _readable(value: object) -> bool:
    """Say whether a value is meant as numbers: comparing with anything else is no error."""
    return isinstance(value, (Rationals, int, float, Fraction, np.ndarray, np.generic, list, tuple))


def _filled(values: list[Fraction], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out.reshape(shape)


def _shown(value: Fraction) -> str:
    """Return a fraction as text, rounded where it is long."""
    digits = (value.numerator.bit_length() + value.denominator.bit_length()) * 0.30103
    return str(value) if digits <= _SHOWN_DIGITS else f"≈{_divide(value.numerator, value.denominator):.12g}"


def _scalar(value: int) -> IntArray:
    out = np.empty((), dtype=object)
    out[()] = value
    return out


def _array(value: Any) -> IntArray:
    """Undo numpy's habit of turning 0-d object results into bare ints."""
    return value if isinstance(value, np.ndarray) else _scalar(value)


def _divide(num: int, den: int) -> float:
    try:
        return num / den
    except OverflowError:
        return math.inf if num > 0 else -math.inf


def _sequence(value: Sequence[object]) -> npt.NDArray[Any]:
    """Make an object array out of nested lists so that numpy converts nothing on the way."""
    try:
        array = np.array(value, dtype=object)
    except ValueError:
        array = None
    if array is None or any(isinstance(entry, (list, tuple, np.ndarray)) for entry in array.ravel().tolist()):
        raise InputError("expected a rectangular array of numbers, got rows of different lengths")
    return array


def _one(entry: object, position: int) -> Fraction:
    if isinstance(entry, (bool, np.bool_)):
        raise InputError(f"entry {position}: expected a number, got the bool {entry!r}")
    if isinstance(entry, (int, Fraction)):
        return Fraction(entry)
    if isinstance(entry, np.integer):
        return Fraction(int(entry))
    if isinstance(entry, (str, bytes)):
        return parse_number(entry.decode(errors="replace") if isinstance(entry, bytes) else entry)
    if isinstance(entry, (float, np.floating)):
        if not np.isfinite(entry):
            raise InputError(f"entry {position}: expected a finite number, got {entry!r}")
        top, bottom = entry.as_integer_ratio()
        return Fraction(top, bottom)
    raise InputError(f"entry {position}: expected a number, got {type(entry).__name__}")


def _from_floats(array: npt.NDArray[Any]) -> Rationals:
    """Take finite binary floats exactly: mantissa and exponent, over one power of two."""
    if array.dtype.itemsize > 8:
        return from_fractions([_one(entry, i) for i, entry in enumerate(array.ravel())], array.shape)
    with np.errstate(invalid="ignore"):
        flat = array.astype(np.float64).ravel()
    if not np.isfinite(flat).all():
        bad = int(np.flatnonzero(~np.isfinite(flat))[0])
        where = tuple(int(i) for i in np.unravel_index(bad, array.shape)) if array.ndim else ()
        raise InputError(f"entry {where}: expected a finite number, got {flat[bad]}")
    if len(flat) <= _FEW:
        ratios = [value.as_integer_ratio() for value in flat.tolist()]
        den = max((bottom for _, bottom in ratios), default=1)
        return Rationals(int_array([top * (den // bottom) for top, bottom in ratios]).reshape(array.shape), den)
    mantissa, exponent = np.frexp(flat)
    whole = (mantissa * 2.0**53).astype(np.int64)
    nonzero = whole != 0
    if not nonzero.any():
        return zeros(*array.shape)
    trailing = np.where(nonzero, np.frexp((whole & -whole).astype(np.float64))[1] - 1, 0)
    odd = whole >> trailing
    power = np.where(nonzero, exponent.astype(np.int64) - 53 + trailing, 0)
    low = min(int(power[nonzero].min()), 0)
    shift = np.where(nonzero, power - low, 0)
    if int((shift + 54 - trailing).max()) <= _INT64_BITS:
        num = (odd << shift).astype(object)
    else:
        num = odd.astype(object) << shift.astype(object)
    return Rationals(_array(num.reshape(array.shape)), 1 << -low)
