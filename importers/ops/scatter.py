"""Entries written to, or combined with those at, places that constants name."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from exactbox.importers.call import Call
from exactbox.importers.ops.elementwise import any_order, operand_rounding, real
from exactbox.importers.ops.movement import choose
from exactbox.importers.registry import lowers
from exactbox.importers.values import NEVER_WINS, Constant, Data, Value
from exactbox.polytope.enclosed import Rounding
from exactbox.polytope.program import CONSTANT_ZERO, NO_CANDIDATE, IndexArray
from exactbox.polytope.rational import from_fractions
from exactbox.polytope.wording import counted

_UNWRITTEN = -1
_SLACK = 1 + 2.0**-40


@lowers("ScatterElements", "Scatter")
def scatter_elements(call: Call) -> Value:
    """Write entries to constant places along one axis."""
    value, updates = call.value(0), call.value(2)
    index = call.constant(1, "the index")
    axis = call.axis(call.node.integer("axis", 0), len(value.shape))
    places = np.asarray(index.integers(), dtype=np.int64).reshape(index.shape)
    if places.ndim != len(value.shape) or updates.shape != places.shape:
        call.refuse(f"an index of shape {places.shape} does not fit {updates.shape} and {value.shape}")
    grid: list[IndexArray] = list(np.indices(places.shape, sparse=True))
    grid[axis] = _wrapped(call, places, value.shape[axis])
    flat = np.arange(int(np.prod(value.shape))).reshape(value.shape)[tuple(grid)]
    return _scattered(call, value, flat, updates)


@lowers("ScatterND")
def scatter_nd(call: Call) -> Value:
    """Write slices to places named by constant tuples."""
    value, updates, index = call.value(0), call.value(2), call.constant(1, "the index")
    depth = index.shape[-1] if index.shape else 0
    if not 0 < depth <= len(value.shape) or updates.shape != (*index.shape[:-1], *value.shape[depth:]):
        call.refuse(f"an index of shape {index.shape} does not fit {updates.shape} and {value.shape}")
    tuples = np.asarray(index.integers(), dtype=np.int64).reshape(index.shape)
    parts = tuple(_wrapped(call, tuples[..., i], value.shape[i]) for i in range(depth))
    flat = np.arange(int(np.prod(value.shape))).reshape(value.shape)[parts]
    return _scattered(call, value, flat, updates)


def _wrapped(call: Call, places: IndexArray, length: int) -> IndexArray:
    if places.size and not (-length <= int(places.min()) and int(places.max()) < length):
        call.refuse(f"indices {int(places.min())}..{int(places.max())} leave an axis of length {length}")
    return np.where(places < 0, places + length, places)


@lowers("TensorScatter")
def tensor_scatter(call: Call) -> Value:
    """Write a stretch of entries along one axis, at a constant place for each sample."""
    cache, update = call.value(0), call.value(1)
    axis = call.axis(call.node.integer("axis", -2), len(cache.shape))
    fits = len(update.shape) == len(cache.shape) and axis > 0
    if not fits or any(n != m for i, (n, m) in enumerate(zip(update.shape, cache.shape, strict=True)) if i != axis):
        call.refuse(f"an update of shape {update.shape} does not fit a cache of shape {cache.shape} on axis {axis}")
    length, stretch, samples = cache.shape[axis], update.shape[axis], cache.shape[0]
    starts = call.integers(2, "the places") if call.optional(2) is not None else [0] * samples
    mode = call.node.text("mode", "linear")
    if mode not in ("linear", "circular") or len(starts) != samples or min(starts, default=0) < 0 or stretch > length:
        call.refuse(
            f"mode {mode}: {counted(stretch, 'entry', 'entries')} from places {starts} do not fit "
            f"{counted(samples, 'sample')} of {length}"
        )
    if mode == "linear" and max(starts, default=0) + stretch > length:
        call.refuse(
            f"{counted(stretch, 'entry', 'entries')} from place {max(starts)} leave an axis of length {length}"
        )
    places = (np.asarray(starts, dtype=np.int64)[:, None] + np.arange(stretch)) % max(length, 1)
    grid: list[IndexArray] = list(np.indices(update.shape, sparse=True))
    grid[axis] = places.reshape(samples, *(stretch if i == axis else 1 for i in range(1, len(cache.shape))))
    flat = np.arange(math.prod(cache.shape)).reshape(cache.shape)[tuple(grid)]
    return _replaced(call, cache, _slots(flat, cache.size), update)


def _scattered(call: Call, value: Value, places: IndexArray, updates: Value) -> Value:
    """Replace entries of a tensor, counted in C order, or combine them with all that is written to their place."""
    kind = call.node.text("reduction", "none")
    if not updates.size:
        return value
    slots = _slots(places, value.size)
    call.limits.check_elements(str(call.node), slots.size + value.size)
    if kind == "none":
        return _replaced(call, value, slots, updates)
    if kind not in _REDUCTIONS:
        call.refuse(f"reduction {kind} is not known")
    if isinstance(value, Constant) and isinstance(updates, Constant):
        return _reduced_constants(value, places, updates, kind)
    value, updates = real(call, value), real(call, updates)
    if kind in ("max", "min"):
        return _extremes(call, value, slots, updates, -1 if kind == "min" else 1)
    if isinstance(updates, Constant):
        return _combined(call, call.builder.data(value), slots, updates, kind)
    return _summed(call, value, slots, updates) if kind == "add" else _scaled(call, value, slots, updates)


_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "add": np.add.at, "mul": np.multiply.at, "max": np.maximum.at, "min": np.minimum.at,
}  # fmt: skip


def _slots(places: IndexArray, size: int) -> IndexArray:
    """Return for each of ``size`` entries which updates go there, in order; shape (size, w), ``_UNWRITTEN`` for none.

    >>> _slots(np.array([2, 0, 2]), 3).tolist()
    [[1, -1], [-1, -1], [0, 2]]
    """
    flat = places.ravel()
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], flat[order])
    turn = np.arange(len(flat)) - starts
    slots = np.full((size, int(turn.max(initial=-1)) + 1), _UNWRITTEN, dtype=np.int64)
    slots[flat[order], turn] = order
    return slots


def _replaced(call: Call, value: Value, slots: IndexArray, updates: Value) -> Value:
    """Write each update to its own place."""
    if slots.shape[1] > 1:
        call.refuse("one place is written twice: the standard leaves open which entry stays")
    if not updates.size:
        return value
    mask = (slots[:, 0] != _UNWRITTEN).reshape(value.shape)
    return choose(call, mask, updates.moved(lambda array: array.reshape(-1)[slots[:, 0]].reshape(value.shape)), value)


def _reduced_constants(value: Constant, places: IndexArray, updates: Constant, kind: str) -> Constant:
    """Combine whole numbers, as the runtime does; constants of floats come as data."""
    result = np.array(value.plain()).reshape(-1)
    _REDUCTIONS[kind](result, places.ravel(), updates.plain().ravel())
    return Constant(result.reshape(value.shape), value.dtype)


def _extremes(call: Call, value: Value, slots: IndexArray, updates: Value, sign: int) -> Data:
    """Take the maximum (for sign -1 the minimum) of each entry and all that is written there."""
    builder = call.builder
    parts = [_candidates(call, part, sign) for part in (value, updates)]
    first = np.arange(value.size, dtype=np.int64)[:, None]
    rest = np.where(slots == _UNWRITTEN, NO_CANDIDATE, slots + value.size)
    result = builder.maximum(builder.joined(parts), np.concatenate([first, rest], axis=1), value.shape)
    return result if sign > 0 else builder.negate(result)


def _candidates(call: Call, value: Value, sign: int) -> Data:
    """Return the (signed) entries; an infinity that can never win is none."""
    absent = np.zeros(value.shape, dtype=bool)
    if isinstance(value, Constant) and isinstance(value.values, np.ndarray):
        absent = value.values == -sign * np.inf
        value = Constant(np.where(absent, 0, value.values), value.dtype, value.error)
    data = call.builder.data(value)
    data = data if sign > 0 else call.builder.negate(data)
    return Data(data.srcs, np.where(absent, NEVER_WINS, data.index), data.dtype)


def _summed(call: Call, value: Value, slots: IndexArray, updates: Data) -> Data:
    """Add all updates of each place, one after the other."""
    total = call.builder.data(value)
    flat = updates.index.ravel()
    for column in slots.T:
        index = np.where(column == _UNWRITTEN, CONSTANT_ZERO, flat[column])
        part = Data(updates.srcs, index.reshape(value.shape), updates.dtype)
        total = call.builder.add(total, part, any_order(slots.shape[1] + 1))
    return total


def _combined(call: Call, data: Data, slots: IndexArray, updates: Constant, kind: str) -> Data:
    """Add the sum of the constants of each place, or multiply by one after the other, as large products may pass."""
    neutral, written = Fraction(1 if kind == "mul" else 0), slots != _UNWRITTEN
    values = np.full(slots.shape, neutral, dtype=object)
    values[written] = np.array(updates.rationals().fractions(), dtype=object)[slots[written]]
    size, error = np.full(slots.shape, float(neutral)), np.zeros(slots.shape)
    size[written] = updates.magnitudes().ravel()[slots[written]]
    if updates.error is not None:
        error[written] = updates.error.ravel()[slots[written]]
    if kind == "mul":
        for factors, off in zip(values.T, error.T, strict=True):
            rounding = Rounding(operand_error=off.reshape(data.shape)) if off.any() else None
            data = call.builder.scale(data, from_fractions(factors.tolist(), data.shape), rounding)
        return data
    offset = from_fractions(values.sum(axis=1).tolist(), data.shape)
    sizes, off = (part.sum(axis=1).reshape(data.shape) * _SLACK for part in (size, error))
    return call.builder.shift(data, offset, Rounding(slots.shape[1], sizes, off))


def _scaled(call: Call, value: Value, slots: IndexArray, updates: Data) -> Value:
    """Multiply constants by the data that is written to their place."""
    if isinstance(value, Data) or slots.shape[1] > 1:
        call.refuse("product of two data tensors")
    spread = updates.moved(lambda array: array.reshape(-1)[slots[:, 0]].reshape(value.shape))
    product = call.builder.scale(spread, value.rationals(), operand_rounding(value))
    return choose(call, (slots[:, 0] != _UNWRITTEN).reshape(value.shape), product, value)
