"""Sliding windows of convolutions and pools, as index arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from exactbox.importers.call import Call
from exactbox.polytope.program import IndexArray
from exactbox.polytope.wording import counted

OUTSIDE = -1
"""Marks a window position in the padding."""


@dataclass(frozen=True)
class Windows:
    """Where the windows lie, one number for each spatial axis.

    Args:
        size: of the input.
        kernel: window positions.
        before: padding before the input; ``after``: behind it.
        out: number of windows.
    """

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    out: tuple[int, ...]

    def _axis(self, axis: int) -> npt.NDArray[np.int64]:
        """Return the input coordinate of each (window, position) along one axis, outside of the input too."""
        start = np.arange(self.out[axis], dtype=np.int64) * self.strides[axis] - self.before[axis]
        return start[:, None] + np.arange(self.kernel[axis], dtype=np.int64)[None, :] * self.dilations[axis]

    def index(self) -> IndexArray:
        """Return the flat input position of each entry, shape (windows, positions), ``OUTSIDE`` in the padding."""
        total = np.zeros((1, 1), dtype=np.int64)
        inside = np.ones((1, 1), dtype=bool)
        for axis, size in enumerate(self.size):
            where = self._axis(axis)
            total = _outer(total * size, where, np.add)
            inside = _outer(inside, (where >= 0) & (where < size), np.logical_and)
        return np.where(inside, total, OUTSIDE)

    def counts(self, with_padding: bool) -> npt.NDArray[np.int64]:
        """Return how many positions of each window lie in the input, or in the padded input; shape (windows,)."""
        result = np.ones(1, dtype=np.int64)
        for axis, size in enumerate(self.size):
            where = self._axis(axis)
            low, high = (-self.before[axis], size + self.after[axis]) if with_padding else (0, size)
            result = np.outer(result, ((where >= low) & (where < high)).sum(axis=1)).ravel()
        return result


def _outer(left: npt.NDArray[np.generic], right: npt.NDArray[np.generic], join: np.ufunc) -> npt.NDArray[np.int64]:
    """Combine (a, k) and (b, l) to (a*b, k*l)."""
    wide: npt.NDArray[np.int64] = join(left[:, None, :, None], right[None, :, None, :])
    return wide.reshape(left.shape[0] * right.shape[0], left.shape[1] * right.shape[1])


def windows(call: Call, size: tuple[int, ...], kernel: tuple[int, ...]) -> Windows:
    """Read strides, dilations, padding and ceil mode from a convolution's or pool's attributes."""
    axes = len(size)
    strides = numbers(call, "strides", axes, 1, 1)
    dilations = numbers(call, "dilations", axes, 1, 1)
    reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True))
    before, after = padding(call, size, reach, strides)
    ceil = call.node.flag("ceil_mode", 0) and call.node.text("auto_pad", "NOTSET") == "NOTSET"
    out: list[int] = []
    for axis in range(axes):
        room = size[axis] + before[axis] + after[axis] - reach[axis]
        if room < 0:
            call.refuse(f"a window of {reach[axis]} does not fit an axis of {size[axis]}")
        count = (-(-room // strides[axis]) if ceil else room // strides[axis]) + 1
        if ceil and (count - 1) * strides[axis] >= size[axis] + before[axis]:
            count -= 1  # a window that would start behind the input is left out
        out.append(count)
    call.check_size((math.prod(out), math.prod(kernel)))
    return Windows(size, kernel, strides, dilations, before, after, tuple(out))


def padding(
    call: Call, size: tuple[int, ...], reach: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the padding before and behind each axis."""
    axes = len(size)
    mode = call.node.text("auto_pad", "NOTSET")
    if mode == "VALID":
        return (0,) * axes, (0,) * axes
    if mode == "NOTSET":
        pads = numbers(call, "pads", 2 * axes, 0, 0)
        return pads[:axes], pads[axes:]
    if mode not in ("SAME_UPPER", "SAME_LOWER"):
        call.refuse(f"auto_pad: expected NOTSET, VALID, SAME_UPPER or SAME_LOWER, got {mode}")
    wanted = [(-(-n // s) - 1) * s + r - n for n, r, s in zip(size, reach, strides, strict=True)]
    if min(wanted) < (-2 if call.node.op.startswith("Conv") else 0):  # a convolution of stride 2 or 3 skips entries
        call.refuse(
            f"{mode} would pad by {counted(min(wanted), 'entry', 'entries')}: the standard does not say which to "
            "leave out"
        )
    total = [max(item, 0) for item in wanted]
    half = [item // 2 if mode == "SAME_UPPER" else -(-item // 2) for item in total]
    return tuple(half), tuple(item - low for item, low in zip(total, half, strict=True))


def numbers(call: Call, name: str, count: int, default: int, least: int) -> tuple[int, ...]:
    """Return an attribute of one number for each axis (or side), checked against a least value."""
    given = call.node.integers(name)
    if given is None or (not given and count):
        return (default,) * count
    if len(given) != count or any(item < least for item in given):
        call.refuse(f"{name}: expected {counted(count, 'number')} of at least {least}, got {list(given)}")
    return given
