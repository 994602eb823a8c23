"""Operators that select, join or pad entries; they serve constants and data alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.ops.elementwise import common_shape, operand_rounding
from exactbox.importers.registry import lowers
from exactbox.importers.values import (
    NEVER_WINS,
    AnyArray,
    Constant,
    Data,
    Value,
    object_array,
)
from exactbox.polytope.program import CONSTANT_ZERO, IndexArray
from exactbox.polytope.rational import Rationals, concatenate
from exactbox.polytope.wording import counted


@lowers("Concat")
def concat(call: Call) -> Value:
    """Join along one axis."""
    values = call.present()
    rank = len(values[0].shape)
    if any(len(value.shape) != rank for value in values) or not rank:
        call.refuse(f"shapes {[value.shape for value in values]} do not concatenate")
    if call.node.version >= 4 and "axis" not in call.node.attributes:
        call.refuse("no axis")
    axis = call.axis(call.node.integer("axis", 1), rank)
    around = {(*value.shape[:axis], *value.shape[axis + 1 :]) for value in values}
    if len(around) > 1:
        call.refuse(f"shapes {[value.shape for value in values]} differ beyond axis {axis}")
    call.check_size((math.prod(next(iter(around))), sum(value.shape[axis] for value in values)))
    fixed = [value for value in values if isinstance(value, Constant)]
    if len(fixed) == len(values):
        return concat_constants(fixed, axis)
    return call.builder.concatenated([call.builder.data(value) for value in values], axis)


def concat_constants(parts: Sequence[Constant], axis: int) -> Constant:
    """Join constants; exact rationals only where one of them is not stored as plain numbers."""
    dtype = parts[0].dtype
    errors = [np.zeros(part.shape) if part.error is None else part.error for part in parts]
    error = np.concatenate(errors, axis=axis) if any(part.error is not None for part in parts) else None
    plain = [part.values for part in parts if not isinstance(part.values, Rationals)]
    if len(plain) == len(parts):
        return Constant(np.concatenate(plain, axis=axis), dtype, error)
    turned = [part.moved(lambda array: np.moveaxis(array, axis, 0)).rationals() for part in parts]
    return Constant(concatenate(turned), dtype, error).moved(lambda array: np.moveaxis(array, 0, axis))


@lowers("Split")
def split(call: Call) -> list[Value]:
    """Cut along one axis."""
    value = call.value(0)
    if call.node.version < 2 and "axis" not in call.node.attributes:
        call.refuse("no axis")
    axis = call.axis(call.node.integer("axis", 0), len(value.shape))
    length = value.shape[axis]
    parts = call.integer_list(1, "split")
    if parts is not None and "num_outputs" in call.node.attributes:
        call.refuse("expected a list of lengths or num_outputs, got both")
    parts = _equal_parts(call, length) if parts is None else parts
    if sum(parts) != length or min(parts) < 0 or len(parts) < len(call.node.outputs):
        call.refuse(f"parts {parts} do not make up axis {axis} of length {length}")
    ends = np.cumsum(parts).tolist()
    keys = [(slice(None),) * axis + (slice(end - part, end),) for part, end in zip(parts, ends, strict=True)]
    return [_sliced(value, key) for key in keys[: len(call.node.outputs)]]


def _equal_parts(call: Call, length: int) -> list[int]:
    """Return the lengths of equal parts; since operator set 18 their number is stated, and the last may be shorter."""
    count = len(call.node.outputs)
    if call.node.version >= 18 and call.node.integer("num_outputs", 0) != count:
        call.refuse(f"expected a list of lengths, or num_outputs of {count}")
    if call.node.version < 18 and length % count:
        call.refuse(f"an axis of length {length} has no {count} equal parts")
    step = -(-length // count)
    return [min(step, max(length - i * step, 0)) for i in range(count)]


def _sliced(value: Value, key: tuple[slice, ...]) -> Value:
    return value.moved(lambda array: array[key])


@lowers("Slice")
def slice_(call: Call) -> Value:
    """Ranges with steps along some axes."""
    value = call.value(0)
    starts, ends = call.integer_list(1, "starts"), call.integer_list(2, "ends")
    if starts is None or ends is None:
        call.refuse("no starts or ends")
    axes = call.integer_list(3, "axes")
    axes = list(range(len(starts))) if axes is None else axes
    steps = call.integers(4, "steps") if call.optional(4) is not None else [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        call.refuse(f"starts {starts}, ends {ends}, axes {axes}, steps {steps} do not fit together")
    if len({call.axis(axis, len(value.shape)) for axis in axes}) < len(axes):
        call.refuse(f"axes {axes} name one axis twice")
    key = [slice(None)] * len(value.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        place = call.axis(axis, len(value.shape))
        key[place] = _slice(start, end, step, value.shape[place])
        if step < 0 and end in _TAKEN_FOR_ALL:
            call.deviates(f"a backward range that ends at {end} is empty, where onnxruntime takes all entries")
    return value.moved(lambda array: array[tuple(key)])


_TAKEN_FOR_ALL = (2**31 - 1, 2**63 - 1)
"""Ends of a backward range that onnxruntime does not clamp."""


def _slice(start: int, end: int, step: int, length: int) -> slice:
    """Clamp as the standard says; Python's own rules differ for an end before the first entry."""
    start = start + length if start < 0 else start
    end = end + length if end < 0 else end
    if step > 0:
        return slice(min(max(start, 0), length), min(max(end, 0), length), step)
    start, end = min(max(start, 0), length - 1), min(max(end, -1), length - 1)
    return slice(start, None if end < 0 else end, step)


@lowers("Gather")
def gather(call: Call) -> Value:
    """Select slices along one axis by constant indices."""
    value = call.value(0)
    index = call.constant(1, "the index")
    axis = call.axis(call.node.integer("axis", 0), len(value.shape))
    places = _within(call, index, value.shape[axis])
    call.check_size((*value.shape[:axis], *places.shape, *value.shape[axis + 1 :]))
    return value.moved(lambda array: np.take(array, places, axis=axis))


@lowers("GatherElements")
def gather_elements(call: Call) -> Value:
    """Select one entry for each index along one axis."""
    value = call.value(0)
    index = call.constant(1, "the index")
    axis = call.axis(call.node.integer("axis", 0), len(value.shape))
    places = _within(call, index, value.shape[axis])
    if places.ndim != len(value.shape):
        call.refuse(f"an index of shape {places.shape} does not fit data of shape {value.shape}")
    grid: list[IndexArray] = list(np.indices(places.shape, sparse=True))
    if any(n > m for i, (n, m) in enumerate(zip(places.shape, value.shape, strict=True)) if i != axis):
        call.refuse(f"an index of shape {places.shape} does not fit data of shape {value.shape}")
    grid[axis] = places
    return value.moved(lambda array: array[tuple(grid)])


@lowers("GatherND")
def gather_nd(call: Call) -> Value:
    """Select slices by constant tuples of indices."""
    value, index = call.value(0), call.constant(1, "the index")
    batch = call.node.integer("batch_dims", 0)
    depth = index.shape[-1] if index.shape else 0
    if not depth or not 0 <= batch < len(index.shape) or batch + depth > len(value.shape):
        call.refuse(f"an index of shape {index.shape} does not fit data of shape {value.shape}")
    if index.shape[:batch] != value.shape[:batch]:
        call.refuse(f"batch dimensions differ: {value.shape} and {index.shape}")
    flat = np.asarray(index.integers(), dtype=np.int64).reshape(index.shape)
    parts = [_within_length(call, flat[..., i], value.shape[batch + i]) for i in range(depth)]
    grid = [
        np.arange(value.shape[i]).reshape([-1 if j == i else 1 for j in range(flat.ndim - 1)]) for i in range(batch)
    ]
    call.check_size((*index.shape[:-1], *value.shape[batch + depth :]))
    return value.moved(lambda array: array[(*grid, *parts)])


def _within(call: Call, index: Constant, length: int) -> IndexArray:
    values = np.asarray(index.integers(), dtype=np.int64).reshape(index.shape)
    return _within_length(call, values, length)


def _within_length(call: Call, values: IndexArray, length: int) -> IndexArray:
    if values.size and not (-length <= int(values.min()) and int(values.max()) < length):
        call.refuse(f"indices {int(values.min())}..{int(values.max())} leave an axis of length {length}")
    return np.where(values < 0, values + length, values)


@lowers("Pad")
def pad(call: Call) -> Value:
    """Widen (or crop) with a number, or with entries of the tensor itself."""
    value = call.value(0)
    pads = call.integer_list(1, "pads")
    if pads is None and call.node.integers("paddings") is not None:
        pads = list(call.node.integers("paddings") or ())
    axes = call.integers(3, "axes") if call.optional(3) is not None else list(range(len(value.shape)))
    if pads is None or len(pads) != 2 * len(axes):
        call.refuse(f"pads {pads} do not fit {len(axes)} axes")
    widths = [(0, 0)] * len(value.shape)
    for i, axis in enumerate(axes):
        widths[call.axis(axis, len(value.shape))] = (pads[i], pads[i + len(axes)])
    call.check_size(tuple(n + low + high for n, (low, high) in zip(value.shape, widths, strict=True)))
    mode = call.node.text("mode", "constant")
    if mode == "constant":
        return _pad_constant(call, *_cropped(call, value, widths))
    if mode not in ("reflect", "edge", "wrap") or (mode == "wrap" and call.node.version < 19):
        call.refuse(f"mode {mode} is not known")
    if any(n + min(low, 0) + min(high, 0) < 0 for n, (low, high) in zip(value.shape, widths, strict=True)):
        call.refuse("crops more than there is, and fills from what is left")
    cropped, outer = _cropped(call, value, widths)
    if 0 in cropped.shape and any(max(pair) for pair in outer):
        call.refuse("an empty tensor cannot be padded from its own entries")
    if mode == "reflect" and any(max(pair) >= max(n, 1) for n, pair in zip(cropped.shape, outer, strict=True)):
        call.refuse("reflects further than the axis is long")
    return cropped.moved(lambda array: np.pad(array, outer, mode=mode))  # type: ignore[call-overload]


def _cropped(
    call: Call, value: Value, widths: list[tuple[int, int]]
) -> tuple[Value, list[tuple[int, int]]]:
    """Crop by negative widths; returns what is left, and the widths to pad it by.

    A crop behind may take more than the axis has: it then takes what was put in front.
    """
    keys: list[slice] = []
    outer: list[tuple[int, int]] = []
    for n, (low, high) in zip(value.shape, widths, strict=True):
        if -low > n:
            call.refuse(f"crops {counted(-low, 'entry', 'entries')} off the front of an axis of {n}")
        first, last = max(-low, 0), n + min(high, 0)
        if n and last <= first and n + low + high:
            call.deviates("crops every entry of an axis and fills it, where onnxruntime may read beside it (1.20 does)")
        keys.append(slice(first, max(last, first)))
        outer.append((max(low, 0) + min(last - first, 0), max(high, 0)))
    return value.moved(lambda array: array[tuple(keys)]), outer


def _pad_constant(call: Call, value: Value, widths: list[tuple[int, int]]) -> Value:
    given = call.optional(2)
    if isinstance(given, Data) or (given is not None and given.error is not None and given.error.any()):
        return _pad_with(call, value, widths, given)
    fill = call.node.number("value", 0.0) if given is None or not given.size else given.plain().ravel().tolist()[0]
    if isinstance(value, Constant) and not isinstance(value.values, Rationals):
        return value.moved(lambda array: filled(array, widths, fill))
    filler = Constant(np.array(fill, dtype=object if not isinstance(fill, float) else np.float64), value.dtype)
    dims = tuple(n + low + high for n, (low, high) in zip(value.shape, widths, strict=True))
    inside = np.pad(np.ones(value.shape, dtype=bool), widths)
    widened = _pad_index(value, widths)
    if fill == 0:
        return widened
    if isinstance(widened, Data) and fill == -math.inf:
        return Data(widened.srcs, np.where(inside, widened.index, NEVER_WINS), widened.dtype)
    return choose(call, inside, widened, filler.broadcast(dims))


def _pad_with(call: Call, value: Value, widths: list[tuple[int, int]], fill: Value) -> Value:
    """Pad with a number that depends on the input, or that the runtime computes with an error."""
    inside = np.pad(np.ones(value.shape, dtype=bool), widths)
    spread = fill.moved(lambda array: array.reshape(())).broadcast(inside.shape)
    return choose(call, inside, _pad_index(value, widths), spread)


def _pad_index(value: Value, widths: list[tuple[int, int]]) -> Value:
    """Pad with the number 0 (error bounds with 0 too)."""
    fill = CONSTANT_ZERO if isinstance(value, Data) else 0
    return value.moved(lambda array: filled(array, widths, fill))


def filled(array: AnyArray, widths: list[tuple[int, int]], fill: object) -> AnyArray:
    """Widen an array; unlike ``numpy.pad`` this keeps Python integers in arrays of objects."""
    dims = [n + low + high for n, (low, high) in zip(array.shape, widths, strict=True)]
    wide: AnyArray = np.full(dims, fill, dtype=array.dtype)
    wide[tuple(slice(low, low + n) for n, (low, _) in zip(array.shape, widths, strict=True))] = array
    return wide


@lowers("Where")
def where(call: Call) -> Value:
    """Choose entries by a constant condition."""
    condition = call.value(0)
    if isinstance(condition, Data):
        call.refuse("data-dependent comparison: continuity not shown")
    shape = common_shape(call, call.present())
    mask = np.broadcast_to(condition.plain().astype(bool), shape)
    return choose(call, mask, call.value(1).broadcast(shape), call.value(2).broadcast(shape))


def choose(call: Call, mask: AnyArray, first: Value, second: Value) -> Value:
    """Take entries of ``first`` where the mask holds, else of ``second``; all of one shape."""
    if isinstance(first, Constant) and isinstance(second, Constant):
        return _choose_constants(mask, first, second)
    if isinstance(first, Constant) or isinstance(second, Constant):
        return _choose_mixed(call, mask, first, second)
    flat = call.builder.joined([first, second])
    left, right = (half.reshape(mask.shape) for half in np.split(flat.index, 2))
    return Data(flat.srcs, np.where(mask, left, right), flat.dtype)


def _choose_mixed(call: Call, mask: AnyArray, first: Value, second: Value) -> Data:
    """Choose between data and a constant: the data with zeros elsewhere, plus the constant with zeros elsewhere."""
    if isinstance(first, Constant):
        mask, first, second = ~mask, second, first
    if not isinstance(first, Data) or not isinstance(second, Constant):
        call.refuse("a choice between two constants")
    data = Data(first.srcs, np.where(mask, first.index, CONSTANT_ZERO), first.dtype)
    fill = _where_active(second, ~mask)
    offset = fill.rationals()
    exactly = fill.error is None or not fill.error.any()
    if exactly and not offset.num.any():
        return data
    return call.builder.shift(data, offset, None if exactly else operand_rounding(fill))


def _where_active(value: Constant, active: AnyArray) -> Constant:
    """Replace entries that are not chosen by 0, so that an infinity among them does no harm."""
    error = None if value.error is None else np.where(active, value.error, 0.0)
    if isinstance(value.values, Rationals):
        kept = Rationals(object_array(np.where(active, value.values.num, 0)), value.values.den)
        return Constant(kept, value.dtype, error)
    return Constant(np.where(active, value.values, 0), value.dtype, error)


def _choose_constants(mask: AnyArray, first: Constant, second: Constant) -> Constant:
    errors = [np.zeros(part.shape) if part.error is None else part.error for part in (first, second)]
    error = np.where(mask, *errors) if first.error is not None or second.error is not None else None
    if isinstance(first.values, Rationals) or isinstance(second.values, Rationals):
        left, right = _where_active(first, mask).rationals(), _where_active(second, ~mask).rationals()
        return Constant(left + right, first.dtype, error)
    return Constant(np.where(mask, first.values, second.values), first.dtype, error)
