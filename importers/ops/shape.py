"""Operators that only rename, reshape or repeat entries; they serve constants and data alike."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from onnx import TensorProto

from exactbox.importers.call import Call
from exactbox.importers.graph import dtype_name
from exactbox.importers.registry import lowers
from exactbox.importers.values import (
    FLOAT_TYPES,
    INTEGER_TYPES,
    NARROW_TYPES,
    SHORT_INTEGERS,
    AnyArray,
    Constant,
    Data,
    FloatArray,
    Held,
    Value,
    integer_constant,
)
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.rational import Rationals, exact, from_fractions
from exactbox.polytope.wording import counted


@lowers("Identity")
def identity(call: Call) -> Held:
    """The tensor or sequence itself."""
    return call.held(0)


@lowers("Dropout")
def dropout(call: Call) -> list[Value | None]:
    """The identity at inference, and in training where nothing is dropped; the mask is all true."""
    training = call.optional_constant(2, "training_mode")
    drops = training is not None and any(training.plain().ravel().tolist())
    if call.node.version < 7:
        drops = not call.node.flag("is_test", 0)
    if drops and _dropped_share(call) != 0:
        call.refuse("random: Dropout in training mode")
    value = call.value(0)
    if call.node.version < 10:  # the mask has the type of the data, and no stated value where nothing is dropped
        return [value, None]
    return [value, Constant(np.ones(value.shape, dtype=np.bool_), "bool")]


def _dropped_share(call: Call) -> Fraction:
    """Return the share of entries that training drops, from an input or an older operator set's attribute."""
    given = call.optional_constant(1, "the ratio") if call.node.version >= 12 else None
    if given is None:
        return call.rational("ratio", 0.5)
    if given.size != 1:
        call.refuse(f"a ratio of shape {given.shape} is not one number")
    return given.rationals().item()


@lowers("Cast", "CastLike")
def cast(call: Call) -> Value:
    """A change of element type."""
    value = call.value(0)
    if call.node.op == "CastLike":
        target = call.value(1).dtype
    else:
        target = dtype_name(str(call.node), _target_number(call))
    return cast_data(call, value, target) if isinstance(value, Data) else cast_constant(call, value, target)


def _target_number(call: Call) -> int:
    """Return the number of the element type to cast to, which the oldest operator sets name by a text."""
    if call.node.version >= 6:
        return call.node.integer("to", 0)
    name = call.node.text("to", "")
    if name not in TensorProto.DataType.keys():
        call.refuse(f"a cast to '{name}', which is no element type")
    return int(TensorProto.DataType.Value(name))


def cast_data(call: Call, data: Data, target: str) -> Data:
    """A cast to a float type is the identity of the real function; every other cast of data jumps."""
    if target == data.dtype:
        return data
    if target not in FLOAT_TYPES:
        call.refuse("data-dependent comparison: continuity not shown")
    if data.dtype in _HELD_BY[target]:
        return Data(data.srcs, data.index, target)
    # A product by 1: the runtime rounds here, so its entries differ from the source's.
    return call.builder.scale(Data(data.srcs, data.index, target), from_fractions([1], ()), Rounding())


def cast_constant(call: Call, value: Constant, target: str) -> Constant:
    """Convert a constant: to floats without rounding, to whole numbers by dropping the fraction or high bits."""
    if target == "string" or value.dtype == "string":
        call.refuse("a cast between numbers and text")
    if target in FLOAT_TYPES:
        return _to_float(call, value, target)
    if isinstance(value.values, Rationals):
        num, den = value.values.num, value.values.den
        whole = np.where(num < 0, -(-num // den), num // den) if target != "bool" else num != 0
    else:
        whole = value.values
    if target not in INTEGER_TYPES | {"bool"}:
        call.refuse(f"a cast to {target}")
    call.settle(value, sign if target == "bool" else math.trunc)
    if target == "bool":
        return Constant(np.asarray(whole).astype(np.bool_), target)
    return Constant(_whole_numbers(call, np.asarray(whole), target), target)


def _whole_numbers(call: Call, values: AnyArray, target: str) -> AnyArray:
    """Convert to a type of whole numbers: high bits are dropped, but floats and rationals must fit."""
    bits = SHORT_INTEGERS.get(target, 0) or 8 * np.dtype(target).itemsize
    low = 0 if target.startswith("u") else -(2 ** (bits - 1))
    kind = np.dtype("int64" if target in SHORT_INTEGERS else target)
    if values.dtype.kind in "fO":
        whole = np.trunc(values) if values.dtype.kind == "f" else values
        if not np.all((whole >= low) & (whole < low + 2**bits)):
            call.refuse(f"a cast of numbers that {target} does not hold: the standard leaves the result open")
        return np.asarray(whole.astype(kind))
    if target in SHORT_INTEGERS:
        return np.asarray((values.astype(kind) - low) % 2**bits + low)
    return np.asarray(values.astype(kind))


def sign(number: Fraction) -> int:
    """Return -1, 0 or 1."""
    return (number > 0) - (number < 0)


def tell_infinite(call: Call, largest: float | Fraction, dtype: str) -> None:
    """Tell where a finite constant is larger than its type holds: the exact number stays."""
    if FORMAT_END[dtype] <= largest < math.inf:
        call.notes.append(f"{call.node}: a constant larger than {dtype} holds, which onnxruntime takes for infinity")


def _to_float(call: Call, value: Constant, target: str) -> Constant:
    tell_infinite(call, value.magnitudes().max(initial=0.0), target)
    if not isinstance(value.values, Rationals) and value.values.dtype.kind in "iub":
        size = value.magnitudes()
        large = size > 2.0 ** FORMAT_BITS[target]  # whole numbers that the runtime has to round
        error = np.where(large, _beyond(size * 2.0 ** (1 - FORMAT_BITS[target]), size, target), 0.0)
        return Constant(value.rationals(), target, error if large.any() else None)
    if target == value.dtype or value.dtype in _HELD_BY[target]:
        return Constant(value.values, target, value.error)
    size = value.magnitudes()
    rounded = np.maximum(size * 2.0 ** (1 - FORMAT_BITS[target]), np.where(size < FORMAT_TINY[target], size, 0.0))
    rounded = np.where(_unrounded(value, target), 0.0, rounded)
    error = rounded if value.error is None else rounded + value.error
    return Constant(value.values, target, _beyond(error, size, target))


def _beyond(error: FloatArray, size: FloatArray, dtype: str) -> FloatArray:
    """Return the error, infinite where the runtime's number may overflow."""
    return np.where(size < FORMAT_END[dtype], error, np.inf)


def _unrounded(value: Constant, target: str) -> AnyArray:
    """Say which entries a cast leaves as they are."""
    if isinstance(value.values, Rationals):
        return held(value.values, target)
    size = value.magnitudes()
    with np.errstate(over="ignore"):
        same = value.values.astype(np.dtype(target)).astype(np.float64) == value.values.astype(np.float64)
    return np.asarray(same & np.isfinite(size) & ((size == 0) | (size >= FORMAT_TINY[target])))


def held(values: Rationals, dtype: str) -> AnyArray:
    """Say which numbers are 0 or a normal number of a float format, shaped like them.

    >>> from exactbox.polytope.rational import exact
    >>> held(exact(["0.5", "0.1", "0"]), "float32").tolist()
    [True, False, True]
    """
    with np.errstate(over="ignore"):
        near = values.to_float().astype(np.dtype(dtype)).astype(np.float64)
    usual = np.isfinite(near) & ((near == 0) | (np.abs(near) >= FORMAT_TINY[dtype]))
    return np.asarray((exact(np.where(usual, near, 0.0)) - values).num == 0, dtype=bool)


FORMAT_BITS = {"bfloat16": 8, "float16": 11, "float32": 24, "float64": 53}
FORMAT_TINY = {"bfloat16": 2.0**-126, "float16": 2.0**-14, "float32": 2.0**-126, "float64": 2.0**-1022}
"""Where a format's normal numbers begin; smaller ones may become 0."""
FORMAT_END = {
    "bfloat16": 2.0**128 - 2.0**119, "float16": 65520.0, "float32": 2.0**128 - 2.0**103, "float64": math.inf
}  # fmt: skip
"""The smallest number that a format rounds to infinity; for float64 no float."""

_SMALL = NARROW_TYPES - {"float8_e8m0fnu"}
_HELD_BY = {
    "float16": frozenset({"float8_e4m3fn", "float8_e4m3fnuz", "float4_e2m1fn"}),
    "bfloat16": _SMALL,
    "float32": _SMALL | {"float16", "bfloat16"},
    "float64": NARROW_TYPES | {"float16", "bfloat16", "float32"} | (INTEGER_TYPES - {"int64", "uint64"}),
}
"""The types whose numbers are all normal numbers of a format, so that a cast to it computes nothing."""


@lowers("Shape")
def shape(call: Call) -> Constant:
    """The sizes of the axes, or of a range of them."""
    dims = call.value(0).shape
    end = call.node.integer("end", len(dims))
    return integer_constant(list(dims[slice(call.node.integer("start", 0), end)]))


@lowers("Size")
def size(call: Call) -> Constant:
    """The number of entries."""
    return Constant(np.array(call.value(0).size, dtype=np.int64), "int64")


@lowers("Reshape")
def reshape(call: Call) -> Value:
    """Other axes, with -1 for the one that fits and 0 for one that stays."""
    value = call.value(0)
    wanted = call.integer_list(1, "shape")
    if wanted is None:
        call.refuse("no target shape")
    dims = list(wanted)
    if not call.node.flag("allowzero", 0):
        if any(dim == 0 and place >= len(value.shape) for place, dim in enumerate(dims)):
            call.refuse(f"shape {wanted} copies a dimension that {value.shape} does not have")
        dims = [value.shape[place] if dim == 0 else dim for place, dim in enumerate(dims)]
    if dims.count(-1) == 1:
        known = math.prod(dim for dim in dims if dim != -1)
        if not known or value.size % known:
            call.refuse(f"{counted(value.size, 'entry', 'entries')} for the shape {wanted}")
        dims[dims.index(-1)] = value.size // known
    if math.prod(dims) != value.size or any(dim < 0 for dim in dims):
        call.refuse(f"a tensor of shape {value.shape} does not fit the shape {wanted}")
    return value.moved(lambda array: array.reshape(dims))


@lowers("Flatten")
def flatten(call: Call) -> Value:
    """Two axes."""
    value = call.value(0)
    axis = call.node.integer("axis", 1)
    if not -len(value.shape) <= axis <= len(value.shape):
        call.refuse(f"axis {axis} does not fit a tensor of {len(value.shape)} dimensions")
    axis = axis + len(value.shape) if axis < 0 else axis
    rows = math.prod(value.shape[:axis])
    return value.moved(lambda array: array.reshape(rows, math.prod(value.shape[axis:])))


@lowers("Transpose")
def transpose(call: Call) -> Value:
    """Axes in another order."""
    value = call.value(0)
    order = call.node.integers("perm")
    if order is not None and sorted(order) != list(range(len(value.shape))):
        call.refuse(f"perm {list(order)} does not fit a tensor of {len(value.shape)} dimensions")
    return value.moved(lambda array: array.transpose(order))


@lowers("Squeeze")
def squeeze(call: Call) -> Value:
    """Drop axes of length 1."""
    value = call.value(0)
    axes = call.integer_list(1, "axes")
    if axes is None:
        axes = [place for place, dim in enumerate(value.shape) if dim == 1]
    gone = {call.axis(axis, len(value.shape)) for axis in axes}
    if any(value.shape[axis] != 1 for axis in gone):
        call.refuse(f"axes {axes} of shape {value.shape} are not all of length 1")
    return value.moved(lambda array: array.reshape([d for i, d in enumerate(value.shape) if i not in gone]))


@lowers("Unsqueeze")
def unsqueeze(call: Call) -> Value:
    """Insert axes of length 1."""
    value = call.value(0)
    axes = call.integer_list(1, "axes")
    if axes is None:
        call.refuse("no axes")
    rank = len(value.shape) + len(axes)
    added = {call.axis(axis, rank) for axis in axes}
    if len(added) != len(axes):
        call.refuse(f"axes {axes} name one dimension twice")
    rest = iter(value.shape)
    dims = [1 if place in added else next(rest) for place in range(rank)]
    return value.moved(lambda array: array.reshape(dims))


@lowers("Expand")
def expand(call: Call) -> Value:
    """Repeat along axes of length 1, both ways of broadcasting."""
    value = call.value(0)
    wanted = call.integers(1, "the target shape")
    try:
        dims = np.broadcast_shapes(value.shape, tuple(wanted))
    except ValueError:
        call.refuse(f"shape {value.shape} does not expand to {wanted}")
    call.check_size(dims)
    return value.broadcast(dims)


@lowers("Tile")
def tile_one_axis(call: Call) -> Value:
    """The oldest operator sets name one axis."""
    call.refuse("before operator set 6 the standard does not say whether entries or the whole tensor repeat")


@lowers("Tile", since=6)
def tile(call: Call) -> Value:
    """Repeat the whole tensor along each axis."""
    value = call.value(0)
    repeats = call.integers(1, "repeats")
    if len(repeats) != len(value.shape) or min(repeats, default=0) < 0:
        call.refuse(f"repeats {repeats} do not fit shape {value.shape}")
    call.check_size(tuple(dim * times for dim, times in zip(value.shape, repeats, strict=True)))
    return value.moved(lambda array: np.tile(array, repeats))
